package wildcard_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/vectortest"
	"mayfly.internal/internal/wildcard"
)

type question struct {
	name, pattern, text string
	want                bool
}

func yes(name, pattern, text string) question { return question{name, pattern, text, true} }
func no(name, pattern, text string) question  { return question{name, pattern, text, false} }

func TestMatch(t *testing.T) {
	for _, tt := range []question{
		yes("the empty pattern matches the empty text", "", ""),
		no("the empty pattern matches nothing else", "", "a"),
		no("a pattern is anchored at its beginning", "main", "xmain"),
		no("a pattern is anchored at its end", "main", "mainx"),
		no("a trailing newline is a character", "main", "main\n"),
		no("case counts", "main", "Main"),
		yes("a star matches the empty run", "a*", "a"),
		yes("a star crosses slashes and colons", "project_path:acme/*", "project_path:acme/web:ref_type:branch:ref:main"),
		no("a star at the end still wants what stands before it", "acme/*", "acme2/web"),
		yes("a star alone matches everything", "*", "anything at all"),
		yes("a star alone matches the empty text", "*", ""),
		yes("two stars are one star", "a**b", "ab"),
		yes("a question mark is one character", "ma?n", "main"),
		no("a question mark is not zero characters", "mai?n", "main"),
		no("a question mark is not two characters", "m?n", "main"),
		no("a question mark does not match the empty text", "?", ""),
		yes("a question mark matches a slash", "a?b", "a/b"),
		yes("a question mark is a character, not a byte", "caf?", "café"),
		no("two question marks are not the two bytes of one character", "caf??", "café"),
		yes("question marks from the end count characters too", "*??", "né"),
		yes("a question mark matches a character outside the basic plane", "a?b", "a😀b"),
		yes("a text's stray byte counts as one character", "a?b", "a\xffb"),
		yes("the middle of a pattern is found leftmost", "*a*b*", "xxabxx"),
		yes("the last piece is found at the end, not where it first occurs", "a*c", "abcc"),
		no("pieces may not overlap", "ab*ba", "aba"),
		yes("pieces may touch", "ab*ba", "abba"),
		yes("a question mark between stars wants one character", "*?*", "x"),
		no("a question mark between stars refuses none", "*?*", ""),
		yes("question marks in the middle", "a*?c*e", "abcde"),
		no("question marks in the middle count", "a*???c", "abc"),
		no("a bracket is no character class", "[ab]", "a"),
		yes("a bracket is a bracket", "[ab]*", "[ab]c"),
		yes("a backslash is no escape", `a\*`, `a\b`),
		no("a backslash must be there", `a\*`, "ab"),
		no("a combining accent is not the precomposed letter", "caf\u00e9", "cafe\u0301"),
		no("a pattern that is not UTF-8 matches nothing", "a\xff", "a\xff"),
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := wildcard.Compile(tt.pattern).Match(tt.text); got != tt.want {
				t.Errorf("Compile(%q).Match(%q) = %v", tt.pattern, tt.text, got)
			}
		})
	}
}

func TestMatchFold(t *testing.T) {
	for _, tt := range []question{
		yes("ASCII letters are equal whatever their case", "STS:assumerole", "sts:AssumeRole"),
		yes("also after a star", "sts:*ROLE", "sts:AssumeRole"),
		yes("also in the middle", "STS:*SUME*LE", "sts:AssumeRole"),
		yes("question marks as ever", "s3:get??????", "s3:GetBucket"),
		no("another name stays another name", "sts:AssumeRole", "sts:AssumeRoleWithSAML"),
		no("the Kelvin sign is no k", "\u212a", "k"),
		no("the long s is no s", "\u017fts:x", "sts:x"),
		no("only letters fold", "a[", "a{"),
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := wildcard.Compile(tt.pattern).MatchFold(tt.text); got != tt.want {
				t.Errorf("Compile(%q).MatchFold(%q) = %v", tt.pattern, tt.text, got)
			}
		})
	}
}

func TestZeroPatternMatchesNothing(t *testing.T) {
	var p wildcard.Pattern
	for _, text := range []string{"", "a", "*"} {
		if p.Match(text) || p.MatchFold(text) {
			t.Errorf("the zero pattern matches %q", text)
		}
	}
}

func TestBuilder(t *testing.T) {
	t.Run("a literal star is a star", func(t *testing.T) {
		var b wildcard.Builder
		b.Pattern("home/")
		b.Literal("bob*")
		b.Pattern("/*")
		p := b.Compile()
		if !p.Match("home/bob*/x") {
			t.Error("the literal text does not match itself")
		}
		if p.Match("home/bobby/x") {
			t.Error("a literal star matched other characters")
		}
	})
	t.Run("literals join across pieces", func(t *testing.T) {
		var b wildcard.Builder
		b.Literal("a")
		b.Literal("")
		b.Literal("b")
		b.AnyChar()
		b.AnyChar()
		b.Literal("c")
		if p := b.Compile(); !p.Match("abxyc") || p.Match("abxc") {
			t.Error("ab??c does not match as it should")
		}
	})
	t.Run("a broken literal breaks the pattern", func(t *testing.T) {
		var b wildcard.Builder
		b.Literal("\xff")
		b.AnyRun()
		if b.Compile().Match("\xff") {
			t.Error("it matches")
		}
	})
}

// TestTimeIsBounded is the classic attack on backtracking matchers: without
// the bound it would not end before the universe does.
func TestTimeIsBounded(t *testing.T) {
	pattern := strings.Repeat("a*", 200) + "b"
	text := strings.Repeat("a", 20_000)
	start := time.Now()
	if wildcard.Compile(pattern).Match(text) {
		t.Error("it matches")
	}
	pattern = strings.Repeat("*?a", 200) + "b*"
	if wildcard.Compile(pattern).MatchFold(text) {
		t.Error("it matches")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	p := wildcard.Compile("project_path:acme/*:ref_type:branch:ref:prod-??-*x*")
	if n := testing.AllocsPerRun(100, func() { p.Match("project_path:acme/web:ref_type:branch:ref:prod-eu-1x2") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestVectors compares with the glob cases of other implementations.
func TestVectors(t *testing.T) {
	data := vectortest.Read(t, "iam-policy/cases.json")
	var file struct {
		Cases []struct {
			ID, Kind, Confidence, Pattern, Value string
			Expected                             any
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range file.Cases {
		if c.Kind != "glob" || c.Confidence != "high" {
			continue
		}
		ran++
		if got := wildcard.Compile(c.Pattern).Match(c.Value); got != c.Expected {
			t.Errorf("%s: Compile(%q).Match(%q) = %v", c.ID, c.Pattern, c.Value, got)
		}
	}
	if ran != 37 {
		t.Errorf("%d glob cases ran, 37 are known", ran)
	}
}

// naive is the definition, written down as a recursion over characters.
func naive(pattern, text []rune) bool {
	if len(pattern) == 0 {
		return len(text) == 0
	}
	switch {
	case pattern[0] == '*':
		return naive(pattern[1:], text) || len(text) > 0 && naive(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && naive(pattern[1:], text[1:])
}

// TestAgainstNaive compares with the definition on every pattern and text of
// a small world.
func TestAgainstNaive(t *testing.T) {
	patterns, texts := words("aé*?", 5), words("aéb", 5)
	for _, p := range patterns {
		compiled := wildcard.Compile(p)
		for _, s := range texts {
			if got, want := compiled.Match(s), naive([]rune(p), []rune(s)); got != want {
				t.Fatalf("Compile(%q).Match(%q) = %v", p, s, got)
			}
		}
	}
}

// words are all words over the alphabet of at most n letters.
func words(alphabet string, n int) []string {
	all, last := []string{""}, []string{""}
	for range n {
		var next []string
		for _, w := range last {
			for _, r := range alphabet {
				next = append(next, w+string(r))
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

func FuzzMatch(f *testing.F) {
	f.Add("a*?c", "abcc")
	f.Add("project_path:acme/*:ref:main", "project_path:acme/web:ref:main")
	f.Add("*??é*", "xyéz")
	f.Add("a\xff*", "a\xff")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if strings.Count(pattern, "*") > 4 || len(pattern) > 40 || len(text) > 40 {
			return // the naive matcher backtracks
		}
		p := wildcard.Compile(pattern)
		got := p.Match(text)
		want := naive([]rune(pattern), []rune(text))
		if strings.ToValidUTF8(pattern, "") != pattern {
			want = false
		} else if strings.ToValidUTF8(text, "") != text {
			return // []rune folds stray bytes into U+FFFD, which a pattern may name
		}
		if got != want {
			t.Errorf("Compile(%q).Match(%q) = %v", pattern, text, got)
		}
		if got && !p.MatchFold(strings.ToUpper(text)) && isASCII(text) {
			t.Errorf("Compile(%q) matches %q, but not in upper case when case is ignored", pattern, text)
		}
	})
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] > 0x7f {
			return false
		}
	}
	return true
}

func BenchmarkMatch(b *testing.B) {
	p := wildcard.Compile("project_path:acme/*:ref_type:branch:ref:prod*")
	text := "project_path:acme/web:ref_type:branch:ref:production"
	b.ReportAllocs()
	for b.Loop() {
		if !p.Match(text) {
			b.Fatal("no match")
		}
	}
}
