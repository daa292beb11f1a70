package regular_test

import (
	"regexp"
	"testing"
	"unicode/utf8"

	"mayfly.internal/internal/regular"
)

var expressions = []string{
	``, `a`, `^a`, `a$`, `^a$`, `\Aa\z`, `^$`, `a|b`, `^(a|b)+$`, `^a*b?$`, `.`, `^.$`, `^..$`, `(?s)^.$`, `[^a]`, `^[^a]+$`, `(?i)k`, `^(?i:É)$`, `\d`, `^\w+$`, `\bab\b`, `\Bb`, `^(?m:^a$)`,
	`(?m)^b$`, `a{2,3}`, `^(a{0,2}b){2}$`, `^[\p{L}]+$`, `\x{10FFFF}`, `[\x{7f}-\x{800}]`, `^[é-€]$`, `[\x{d000}-\x{ffff}]`, `a^`, `$b`, `(^|b)a`, `(a|$)(b|^)`, `\p{Greek}`, `^[^\n]$`,
	`^(feature|hotfix|release)\/[A-Z]+-\d+`, `^(?:main|stage|v\d+(?:\.\d+)*)$`, `(JIRA|ISSUE)-\d+`,
}

var subjects = append(texts([]string{"a", "b", "é", "\n"}, 4), "K", "k", "\u212a", "É", "0", "_", "ab ab", " ab", "aab", "x\nab", "𐐷", "\U0010FFFF", "\ue000", "\ud7ff", "\u07ff", "\u0800", "€", "\uffff", "α",
	"feature/ABC-1", "feature/abc-1", "xfeature/ABC-1", "v1", "v1.2.3", "v1.", "main", "mainly", "fix-JIRA-12-x", "JIRA-", "\U00010000", "\x01", "\x7f", "\u0080")

// TestRegexp holds languages against package regexp.
func TestRegexp(t *testing.T) {
	for _, e := range expressions {
		w := regular.NewWork(200000)
		l, err := w.Regexp(e)
		if err != nil || w.Err() != nil {
			t.Fatalf("%s: %v, %v", e, err, w.Err())
		}
		re := regexp.MustCompile(e)
		for _, s := range subjects {
			if got, want := l.Contains(s), re.MatchString(s); got != want {
				t.Errorf("%s: contains %q: %v", e, s, got)
			}
		}
		if !w.Within(l, regular.Text()) {
			t.Errorf("%s: holds what is not text", e)
		}
		if text, ok := l.Witness(); ok && !re.MatchString(text) {
			t.Errorf("%s: witness %q", e, text)
		}
	}
}

func TestRegexpRefused(t *testing.T) {
	for expression, want := range map[string]string{
		`(?=a)`:   "error parsing regexp: invalid or unsupported Perl syntax: `(?=`",
		`(a)\1`:   "error parsing regexp: invalid escape sequence: `\\1`",
		`a{1001}`: "error parsing regexp: invalid repeat count: `{1001}`",
		`(a`:      "error parsing regexp: missing closing ): `(a`",
		"\xff":    "error parsing regexp: invalid UTF-8: `\xff`",
	} {
		l, err := regular.NewWork(1000).Regexp(expression)
		if err == nil || err.Error() != want || !l.IsEmpty() {
			t.Errorf("%q: %v", expression, err)
		}
	}
}

func FuzzRegexp(f *testing.F) {
	for i, e := range expressions {
		f.Add(e, subjects[i])
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		re, err := regexp.Compile(expression)
		w := regular.NewWork(5000)
		l, refused := w.Regexp(expression)
		if (err == nil) != (refused == nil) {
			t.Fatalf("%q: %v, but regexp says %v", expression, refused, err)
		}
		if err != nil || w.Err() != nil {
			return
		}
		want := utf8.ValidString(text) && !contains(text, 0) && re.MatchString(text)
		if got := l.Contains(text); got != want {
			t.Errorf("%q: contains %q: %v", expression, text, got)
		}
	})
}

func contains(text string, c byte) bool {
	for i := range len(text) {
		if text[i] == c {
			return true
		}
	}
	return false
}
