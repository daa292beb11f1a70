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
	"strings"
	"text/template"
)

// maxTemplate bounds a template; configuration files have some kilobytes.
const maxTemplate = 1 << 20

// vaultTemplate is a file that is made of a template, and removed again.
type vaultTemplate struct {
	in, out string
	parsed  *template.Template
	made    bool
}

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
	t := &vaultTemplate{in: in, out: out}
	// The functions are named here, and given when Vault can be asked.
	if t.parsed, err = template.New(filepath.Base(in)).Option("missingkey=error").Funcs(v.functions(context.Background())).Parse(string(source)); err != nil {
		return nil, &usageError{fmt.Errorf("the template: %w", err)}
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

// functions are what a template knows besides what text/template has.
func (v *vaultExec) functions(ctx context.Context) template.FuncMap {
	return template.FuncMap{
		"secret": func(name string) (string, error) {
			path, field, _ := strings.Cut(name, "#")
			if field == "" {
				return "", fmt.Errorf("%q: PATH#FIELD is wanted", name)
			}
			s, err := v.get(ctx, path)
			if err != nil {
				return "", err
			}
			return fieldOf(s, field)
		},
		"fields": func(path string) (map[string]string, error) {
			s, err := v.get(ctx, path)
			if err != nil {
				return nil, err
			}
			out := map[string]string{}
			for _, f := range s.Fields() {
				if !f.Null {
					out[f.Name] = f.Text.Reveal()
				}
			}
			return out, nil
		},
		"json": func(text string) (string, error) {
			var out bytes.Buffer
			e := json.NewEncoder(&out)
			e.SetEscapeHTML(false)
			err := e.Encode(text)
			return strings.TrimSuffix(out.String(), "\n"), err
		},
		"base64": func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) },
		"unbase64": func(text string) (string, error) {
			out, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return "", errors.New("it is no base64")
			}
			return string(out), nil
		},
		"indent": func(spaces int, text string) (string, error) {
			if spaces < 0 || spaces > 100 {
				return "", fmt.Errorf("%d: 0 to 100 spaces are known", spaces)
			}
			return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", spaces)), nil
		},
	}
}

// make makes the file. It must not be there: what is overwritten could not be
// brought back.
func (t *vaultTemplate) make(ctx context.Context, v *vaultExec) error {
	var text bytes.Buffer
	if err := t.parsed.Funcs(v.functions(ctx)).Execute(&text, nil); err != nil {
		return fmt.Errorf("the template: %w", err)
	}
	f, err := os.OpenFile(t.out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return hint(fmt.Errorf("--template: %s is there already", t.out), "what a template makes is removed again: name a file that is not there")
	}
	if err != nil {
		return fmt.Errorf("--template: %w", err)
	}
	t.made = true
	_, err = f.Write(text.Bytes())
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
