package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// maxTemplate bounds a template; configuration files have some kilobytes.
const maxTemplate = 1 << 20

// vaultTemplate is a file that is made of a template, and removed again.
type vaultTemplate struct {
	name, out string
	parts     []templatePart
	made      bool
}

// templatePart is a text, or a secret, and what is made of it.
type templatePart struct {
	line  int
	text  string
	of    *wish // nil: the text
	pipes []templateFunction
}

type templateFunction func(string) (string, error)

// parseTemplate reads IN:OUT and the template IN.
func (v *vaultExec) parseTemplate(text string) (*vaultTemplate, error) {
	in, out := cutTemplate(text, runtime.GOOS == "windows")
	if in == "" || out == "" {
		return nil, &usageError{fmt.Errorf("--template %q: IN:OUT is wanted, such as db.tmpl:config/db.conf", text)}
	}
	source, err := v.readFile(in, maxTemplate)
	if err != nil {
		return nil, fmt.Errorf("the template: %w", err)
	}
	t := &vaultTemplate{name: filepath.Base(in), out: out}
	if t.parts, err = parseParts(string(source)); err != nil {
		return nil, &usageError{fmt.Errorf("the template: %s:%w", t.name, err)}
	}
	return t, nil
}

// cutTemplate cuts IN:OUT at its last colon that is not that of a drive.
func cutTemplate(text string, drives bool) (in, out string) {
	i := strings.LastIndexByte(text, ':')
	if drives && i > 0 && i+1 < len(text) && strings.IndexByte(`\/`, text[i+1]) >= 0 && (i == 1 || text[i-2] == ':') {
		i -= 2 // C:\out
	}
	if i < 0 {
		return "", ""
	}
	return text[:i], text[i+1:]
}

// parseParts reads a template: the part of text/template's language that puts a
// secret into a text. That package would make this program a sixth larger, and
// has more that a file with secrets in it should not. An error begins with the
// line.
func parseParts(source string) (parts []templatePart, err error) {
	line := 1
	for {
		text, rest, found := strings.Cut(source, "{{")
		if !found {
			return append(parts, templatePart{line: line, text: text}), nil
		}
		x := action{rest: rest}
		trimmed := text
		if len(rest) > 1 && rest[0] == '-' && strings.IndexByte(templateBlanks, rest[1]) >= 0 {
			trimmed, x.rest = strings.TrimRight(text, templateBlanks), rest[1:]
		}
		parts = append(parts, templatePart{line: line, text: trimmed})
		line += strings.Count(text, "\n")
		part, err := x.parse()
		if err != nil {
			return nil, fmt.Errorf("%d: %w", line, err)
		}
		part.line = line
		parts = append(parts, part)
		line += strings.Count(rest[:len(rest)-len(x.rest)], "\n")
		source = x.rest
	}
}

const templateBlanks = " \t\r\n"

// action is what stands between {{ and }}, and behind.
type action struct{ rest string }

// word takes a text where it comes next.
func (x *action) word(text string) bool {
	rest, found := strings.CutPrefix(x.rest, text)
	x.rest = rest
	return found
}

// blank takes blanks, and reports whether there were any.
func (x *action) blank() bool {
	rest := strings.TrimLeft(x.rest, templateBlanks)
	found := len(rest) < len(x.rest)
	x.rest = rest
	return found
}

// end takes the end of the action, and the blanks behind one that wants that.
func (x *action) end() bool {
	blank := x.blank()
	if blank && x.word("-}}") {
		x.blank()
		return true
	}
	return x.word("}}")
}

// parse reads a comment, or a value and the functions it is put through.
func (x *action) parse() (p templatePart, err error) {
	x.blank()
	if x.word("/*") {
		_, rest, found := strings.Cut(x.rest, "*/")
		if x.rest = rest; !found || !x.end() {
			return p, errors.New("a comment does not end with */}}")
		}
		return p, nil
	}
	if p.text, err = x.value(&p); err != nil {
		return p, err
	}
	for !x.end() {
		if !x.word("|") {
			return p, errors.New("behind a value | or }} is wanted")
		}
		f, err := x.function()
		if err != nil {
			return p, err
		}
		p.pipes = append(p.pipes, f)
	}
	return p, nil
}

// value reads a quoted text, or secret and the quoted name of one.
func (x *action) value(p *templatePart) (string, error) {
	if name := x.name(); name != "" && name != "secret" {
		return "", fmt.Errorf("%s is not known: secret \"PATH#FIELD\" is", name)
	} else if name == "" {
		return x.quoted()
	}
	x.blank()
	text, err := x.quoted()
	if err != nil {
		return "", err
	}
	path, field, cut := strings.Cut(text, "#")
	if path == "" || cut && field == "" {
		return "", fmt.Errorf("secret %q: PATH#FIELD is wanted, such as kv/my-app/db#password, or PATH", text)
	}
	p.of = &wish{path: path, field: field}
	return "", nil
}

func (x *action) name() string {
	name := x.rest[:len(x.rest)-len(strings.TrimLeft(x.rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."))]
	x.rest = x.rest[len(name):]
	return name
}

func (x *action) quoted() (string, error) {
	prefix, err := strconv.QuotedPrefix(x.rest)
	if err != nil || prefix[0] == '\'' {
		return "", errors.New("a text in quotes is wanted")
	}
	x.rest = x.rest[len(prefix):]
	return strconv.Unquote(prefix)
}

// maxIndent is deeper than any file is indented.
const maxIndent = 100

// function reads one of the functions that a value can be put through.
func (x *action) function() (templateFunction, error) {
	x.blank()
	switch name := x.name(); name {
	case "json":
		return func(text string) (string, error) { return jsonText(text), nil }, nil
	case "base64":
		return func(text string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(text)), nil }, nil
	case "unbase64":
		return func(text string) (string, error) {
			out, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return "", errors.New("it is no base64")
			}
			return string(out), nil
		}, nil
	case "indent":
		x.blank()
		spaces, err := strconv.ParseUint(x.name(), 10, 8)
		if err != nil || spaces > maxIndent {
			return nil, fmt.Errorf("indent wants a number of spaces, %d at most", maxIndent)
		}
		return func(text string) (string, error) {
			return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", int(spaces))), nil
		}, nil
	default:
		return nil, fmt.Errorf("the function %q is not known: json, base64, unbase64 and indent N are", name)
	}
}

// jsonText is a text as JSON has it.
func jsonText(text string) string {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.Encode(text) // never fails
	return strings.TrimSuffix(out.String(), "\n")
}

// text is what the template makes.
func (t *vaultTemplate) text(ctx context.Context, v *vaultExec) (string, error) {
	var out strings.Builder
	for _, p := range t.parts {
		text := p.text
		if p.of != nil {
			s, err := v.get(ctx, p.of.path)
			if err == nil {
				text, err = p.of.content(s)
			}
			if err != nil {
				return "", fmt.Errorf("the template: %s:%d: %w", t.name, p.line, err)
			}
		}
		for _, f := range p.pipes {
			var err error
			if text, err = f(text); err != nil {
				return "", fmt.Errorf("the template: %s:%d: %w", t.name, p.line, err)
			}
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

// make makes the file. It must not be there: what is overwritten could not be
// brought back.
func (t *vaultTemplate) make(ctx context.Context, v *vaultExec) error {
	text, err := t.text(ctx, v)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(t.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return hint(fmt.Errorf("--template: %s is there already", t.out), "what a template makes is removed again: name a file that is not there")
	}
	if err != nil {
		return fmt.Errorf("--template: %w", err)
	}
	t.made = true
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// remove removes what make made, or says that it stays behind.
func (t *vaultTemplate) remove(a *app) {
	if !t.made {
		return
	}
	if err := os.Remove(t.out); err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(a.stderr, "mayfly: warning: secrets stay behind in %s: %v\n", t.out, err)
	}
}
