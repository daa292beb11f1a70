package cli

import (
	"strings"
	"testing"

	"mayfly.internal/internal/vault"
)

// made is what a template makes, where every secret is a text that names it.
func made(t *testing.T, source string) string {
	t.Helper()
	parts, err := parseParts(source)
	if err != nil {
		t.Fatalf("%q: %v", source, err)
	}
	var out strings.Builder
	for _, p := range parts {
		text := p.text
		if p.of != nil {
			text = "<" + p.of.path + " " + p.of.field + ">"
		}
		for _, f := range p.pipes {
			if text, err = f(text); err != nil {
				return err.Error()
			}
		}
		out.WriteString(text)
	}
	return out.String()
}

func TestTemplate(t *testing.T) {
	for source, want := range map[string]string{
		"":                                     "",
		"plain } text }} {":                    "plain } text }} {",
		`a {{secret "p#f"}} b`:                 "a <p f> b",
		`{{ secret "p" }}`:                     "<p >",
		"{{secret `p#a \"b\"`}}":               `<p a "b">`,
		`{{secret "p#}}"}}`:                    "<p }}>",
		`{{secret "p#f#g"}}`:                   "<p f#g>",
		`{{secret"p#f"|json}}`:                 `"<p f>"`,
		`{{secret "p#f" | base64}}`:            "PHAgZj4=",
		`{{"YQ==" | unbase64}}`:                "a",
		`{{"no" | unbase64}}`:                  "it is no base64",
		`{{"a\nb\nc" | indent 2 | json}}`:      `"a\n  b\n  c"`,
		`{{"{{"}}`:                             "{{",
		"a \n {{- /* a }} comment */ -}} \n b": "ab",
		"a {{/* one */}} b":                    "a  b",
		"a {{- secret `p#f` -}} b":             "a<p f>b",
		`{{"<&>" | json}}`:                     `"<&>"`,
	} {
		if got := made(t, source); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
	for source, want := range map[string]string{
		"\n{{":                          "2: a text in quotes is wanted",
		"{{}}":                          "1: a text in quotes is wanted",
		"a\n\n{{ \nsecret }}":           "3: a text in quotes is wanted",
		`{{secret "p#f"`:                "1: behind a value | or }} is wanted",
		`{{secret "p#f" }`:              "1: behind a value | or }} is wanted",
		`{{secret "p#f" "q"}}`:          "1: behind a value | or }} is wanted",
		`{{secret "p#f"-}}`:             "1: behind a value | or }} is wanted",
		`{{secret "#f"}}`:               `1: secret "#f": PATH#FIELD is wanted`,
		`{{secret "p#"}}`:               `1: secret "p#": PATH#FIELD is wanted`,
		`{{secret ""}}`:                 `1: secret "": PATH#FIELD is wanted`,
		`{{env "HOME"}}`:                "1: env is not known",
		`{{.user}}`:                     "1: .user is not known",
		`{{with secret "p"}}{{end}}`:    "1: with is not known",
		`{{secret "p#f" | html}}`:       `1: the function "html" is not known`,
		`{{secret "p#f" | indent}}`:     "1: indent wants a number",
		`{{secret "p#f" | indent -1}}`:  "1: indent wants a number",
		`{{secret "p#f" | indent 101}}`: "1: indent wants a number",
		`{{/* open`:                     "1: a comment does not end",
		`{{/* open */ x}}`:              "1: a comment does not end",
		`{{'a'}}`:                       "1: a text in quotes is wanted",
		`{{- "a"}}{{-"b"}}`:             "1: a text in quotes is wanted",
	} {
		if _, err := parseParts(source); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
}

// FuzzTemplate: nothing that a template says is a surprise, and what has no braces
// stays as it is.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{`a {{- secret "p#f" | indent 2 -}} b`, "{{/* c */}}", `{{"{{" | json}}`, "{{secret `x`"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		parts, err := parseParts(source)
		if err != nil {
			if parts != nil {
				t.Fatal("an error and a template")
			}
			return
		}
		if !strings.Contains(source, "{{") && (len(parts) != 1 || parts[0].text != source) {
			t.Fatalf("%q is %+v", source, parts)
		}
		for _, p := range parts {
			if p.line < 1 || p.line > strings.Count(source, "\n")+1 {
				t.Fatalf("a part of line %d", p.line)
			}
			if p.of != nil {
				p.of.content(vault.Secret{})
			}
			for _, fn := range p.pipes {
				fn(p.text)
			}
		}
	})
}
