package policy

import (
	"strings"

	"mayfly.internal/internal/wildcard"
)

// PartKind says what a Part of a policy text stands for.
type PartKind uint8

const (
	Literal  PartKind = iota // itself
	AnyRun                   // '*': any run of characters
	AnyChar                  // '?': exactly one character
	Variable                 // ${key} or ${key, 'default'}: the key's value, taken literally
)

// Part is a piece of a compiled policy text.
type Part struct {
	Kind       PartKind
	Text       string // the literal text, or the variable's key as written
	Default    string // for a variable whose key is absent
	HasDefault bool
}

// template is a policy text taken apart once. (IAM User Guide, "IAM policy
// elements: Variables and tags".)
type template struct {
	parts     []Part
	variables bool             // some part is a Variable
	literal   string           // the whole text when all parts are Literal
	pattern   wildcard.Pattern // when there are no variables
}

// resolution says what became of a template's variables: the worst of them.
type resolution uint8

const (
	resolved resolution = iota
	missing             // a key is absent and has no default
	many                // a key has many values: no variable can stand for them
)

// compileTemplate takes text apart. wild: '*' and '?' are wildcards. variables:
// the document is of version 2012-10-17, where ${…} means something; before it
// is text. A problem says what is wrong with a variable; "" is none.
func compileTemplate(text string, wild, variables bool) (t template, problem string) {
	rest := text
	for rest != "" {
		var p Part
		switch n := 1; {
		case variables && strings.HasPrefix(rest, "${"):
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return template{}, `a variable begins with "${" and does not end`
			}
			if p, problem = variablePart(rest[2:end]); problem != "" {
				return template{}, problem
			}
			rest = rest[end+1:]
		case wild && rest[0] == '*':
			p, rest = Part{Kind: AnyRun}, rest[1:]
		case wild && rest[0] == '?':
			p, rest = Part{Kind: AnyChar}, rest[1:]
		default:
			for n < len(rest) && !special(rest[n:], wild, variables) {
				n++
			}
			p, rest = Part{Text: rest[:n]}, rest[n:]
		}
		t.add(p)
	}
	t.finish()
	return t, ""
}

// special reports whether a literal run ends before s.
func special(s string, wild, variables bool) bool {
	return wild && (s[0] == '*' || s[0] == '?') || variables && strings.HasPrefix(s, "${")
}

// variablePart reads what stands between the braces: an escaped character, a
// key, or a key and its default in single quotes.
func variablePart(body string) (p Part, problem string) {
	switch body {
	case "*", "?", "$":
		return Part{Text: body}, ""
	}
	key, rest, hasDefault := strings.Cut(body, ",")
	key = strings.TrimSpace(key)
	if key == "" || strings.ContainsAny(key, "${'\"") {
		return Part{}, "${" + body + "} names no condition key"
	}
	p = Part{Kind: Variable, Text: key, HasDefault: hasDefault}
	if !hasDefault {
		return p, ""
	}
	rest = strings.TrimSpace(rest)
	if len(rest) < 2 || rest[0] != '\'' || rest[len(rest)-1] != '\'' || strings.Contains(rest[1:len(rest)-1], "'") {
		return Part{}, "the default in ${" + body + "} does not stand in single quotes"
	}
	p.Default = rest[1 : len(rest)-1]
	return p, ""
}

// add appends a part, joining literal text.
func (t *template) add(p Part) {
	if n := len(t.parts); p.Kind == Literal && n > 0 && t.parts[n-1].Kind == Literal {
		t.parts[n-1].Text += p.Text
		return
	}
	t.variables = t.variables || p.Kind == Variable
	t.parts = append(t.parts, p)
}

// finish prepares what can be prepared before the request is known.
func (t *template) finish() {
	if t.variables {
		return
	}
	t.pattern, _ = t.resolvePattern(Context{})
	if len(t.parts) == 1 && t.parts[0].Kind == Literal {
		t.literal = t.parts[0].Text
	}
}

// value is what the variable stands for in the request.
func (p *Part) value(c Context) (string, resolution) {
	values, multivalued, ok := c.Values(p.Text)
	switch {
	case multivalued:
		return "", many
	case ok:
		return values[0], resolved
	case p.HasDefault:
		return p.Default, resolved
	}
	return "", missing
}

// resolveText is the template as plain text, for operators without wildcards.
func (t *template) resolveText(c Context) (string, resolution) {
	if !t.variables {
		return t.literal, resolved
	}
	var b strings.Builder
	worst := resolved
	for i := range t.parts {
		text := t.parts[i].Text
		if t.parts[i].Kind == Variable {
			var r resolution
			text, r = t.parts[i].value(c)
			worst = max(worst, r)
		}
		b.WriteString(text)
	}
	return b.String(), worst
}

// resolvePattern is the template as a pattern. What a variable stands for is
// literal text: a '*' in a tag or a branch name is not a wildcard.
func (t *template) resolvePattern(c Context) (wildcard.Pattern, resolution) {
	var b wildcard.Builder
	worst := resolved
	for i := range t.parts {
		switch p := &t.parts[i]; p.Kind {
		case AnyRun:
			b.AnyRun()
		case AnyChar:
			b.AnyChar()
		case Literal:
			b.Literal(p.Text)
		case Variable:
			text, r := p.value(c)
			worst = max(worst, r)
			b.Literal(text)
		}
	}
	return b.Compile(), worst
}

// match compares text with the template as a pattern.
func (t *template) match(text string, c Context) (bool, resolution) {
	if !t.variables {
		return t.pattern.Match(text), resolved
	}
	p, r := t.resolvePattern(c)
	return r == resolved && p.Match(text), r
}
