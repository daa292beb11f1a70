package regular_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mayfly.internal/internal/regular"
	"mayfly.internal/internal/wildcard"
)

// fuzzStates is enough for most of what a fuzzer comes up with.
const fuzzStates = 30_000

func FuzzWildcard(f *testing.F) {
	f.Add("a*?c", "abcc")
	f.Add("project_path:acme/*:ref:main", "project_path:acme/web:ref:main")
	f.Add("*??é*", "xyéz")
	f.Add("a\xff*", "a\xff")
	f.Add("*ab*aab*", "abaaab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		w := regular.NewWork(fuzzStates)
		l := w.Wildcard(pattern)
		if w.Err() != nil || strings.Contains(pattern+text, "\x00") {
			return
		}
		if got, want := l.Contains(text), utf8.ValidString(text) && wildcard.Compile(pattern).Match(text); got != want {
			t.Errorf("%q: contains %q: %v", pattern, text, got)
		}
		if witness, ok := l.Witness(); ok && !wildcard.Compile(pattern).Match(witness) || ok == l.IsEmpty() {
			t.Errorf("%q: witness %q, %v", pattern, witness, ok)
		}
	})
}

// FuzzOperations holds the operations against each other: what is equal by the
// laws of sets and of texts must look the same.
func FuzzOperations(f *testing.F) {
	f.Add("a*", "*b", "a?")
	f.Add("main", "ma*", "*é?")
	f.Add("", "*", "?")
	f.Add("\x00", "a\x00*", "\xff")
	f.Fuzz(func(t *testing.T, p, q, r string) {
		if len(p)+len(q)+len(r) > 40 {
			return
		}
		w := regular.NewWork(fuzzStates)
		laws(t, w, w.Wildcard(p), w.Wildcard(q), w.Wildcard(r))
	})
}

// laws reports which laws do not hold of three languages.
func laws(t *testing.T, w *regular.Work, a, b, c regular.Language) {
	t.Helper()
	var empty regular.Language
	epsilon, text := regular.Literal(""), regular.Text()
	for _, law := range []struct {
		name string
		l, m regular.Language
	}{
		{"a∪b = b∪a", w.Union(a, b), w.Union(b, a)},
		{"a∩b = b∩a", w.Intersect(a, b), w.Intersect(b, a)},
		{"a∪(b∪c) = (a∪b)∪c", w.Union(a, w.Union(b, c)), w.Union(a, b, c)},
		{"a∩(b∩c) = (a∩b)∩c", w.Intersect(a, w.Intersect(b, c)), w.Intersect(a, b, c)},
		{"a∩(b∪c) = (a∩b)∪(a∩c)", w.Intersect(a, w.Union(b, c)), w.Union(w.Intersect(a, b), w.Intersect(a, c))},
		{"a∪(a∩b) = a", w.Union(a, w.Intersect(a, b)), a},
		{"¬¬a = a", w.Complement(w.Complement(a)), a},
		{"¬(a∪b) = ¬a∩¬b", w.Complement(w.Union(a, b)), w.Intersect(w.Complement(a), w.Complement(b))},
		{"a−b = a∩¬b", w.Subtract(a, b), w.Intersect(a, w.Complement(b))},
		{"a∪¬a = text", w.Union(a, w.Complement(a)), text},
		{"a∩¬a = ∅", w.Intersect(a, w.Complement(a)), empty},
		{"a·ε = a", w.Concat(a, epsilon), a},
		{"a·∅ = ∅", w.Concat(a, empty), empty},
		{"(a·b)·c = a·(b·c)", w.Concat(w.Concat(a, b), c), w.Concat(a, b, c)},
		{"a·(b∪c) = a·b∪a·c", w.Concat(a, w.Union(b, c)), w.Union(w.Concat(a, b), w.Concat(a, c))},
		{"a** = a*", w.Repeat(w.Repeat(a)), w.Repeat(a)},
		{"a* = ε∪a·a*", w.Repeat(a), w.Union(epsilon, w.Concat(a, w.Repeat(a)))},
		{"(a∪b)* = (a*·b*)*", w.Repeat(w.Union(a, b)), w.Repeat(w.Concat(w.Repeat(a), w.Repeat(b)))},
	} {
		if w.Err() != nil {
			return
		}
		if !law.l.Equal(law.m) {
			t.Errorf("%s does not hold", law.name)
		}
		if law.l.Equal(law.m) != (w.Within(law.l, law.m) && w.Within(law.m, law.l)) && w.Err() == nil {
			t.Errorf("%s: equal is not within each other", law.name)
		}
	}
	within, overlap := w.Within(a, b), w.Overlap(a, b)
	if less, both := w.Subtract(a, b), w.Intersect(a, b); w.Err() == nil && (within != less.IsEmpty() || overlap == both.IsEmpty()) {
		t.Errorf("within %v, overlap %v", within, overlap)
	}
}

// FuzzTracks holds Preimage and Image against what a template makes of words.
func FuzzTracks(f *testing.F) {
	f.Add("project_path:a*/web:ref:main*", "a*", "?eb", "main", "acme", "web", "main")
	f.Add("*:*", "*", "?", "b*", "", "é", "b")
	f.Fuzz(func(t *testing.T, pattern, p, q, r, x, y, z string) {
		if len(pattern)+len(p)+len(q)+len(r) > 60 || strings.Contains(pattern+p+q+r+x+y+z, "\x00") {
			return
		}
		w := regular.NewWork(fuzzStates)
		sub := regular.Template{{Text: "project_path:"}, {Track: 1}, {Text: "/"}, {Track: 2}, {Text: ":ref:"}, {Track: 3}}
		some := regular.Template{{Track: 1}, {Text: "-"}, {Track: 3}}
		l, words := w.Wildcard(pattern), w.Join(w.Wildcard(p), w.Wildcard(q), w.Wildcard(r))
		word := x + "\x00" + y + "\x00" + z
		for _, tt := range []struct {
			template regular.Template
			text     string
		}{{sub, "project_path:" + x + "/" + y + ":ref:" + z}, {some, x + "-" + z}} {
			pre, image := w.Preimage(l, tt.template, 3), w.Image(words, tt.template, 3)
			back := w.Image(w.Intersect(w.Preimage(l, tt.template, 3), words), tt.template, 3)
			both := w.Intersect(l, image)
			if w.Err() != nil {
				return
			}
			if !utf8.ValidString(x) || !utf8.ValidString(y) || !utf8.ValidString(z) {
				continue
			}
			if pre.Contains(word) != l.Contains(tt.text) {
				t.Errorf("the preimage of %q contains %q: %v", pattern, word, pre.Contains(word))
			}
			if words.Contains(word) && !image.Contains(tt.text) {
				t.Errorf("the image lacks %q", tt.text)
			}
			if !back.Equal(both) {
				t.Errorf("%q: the image of the preimage is not what there is of the language", pattern)
			}
		}
	})
}

// FuzzDescribe: what is said to be exact is, whatever the language.
func FuzzDescribe(f *testing.F) {
	f.Add("release/* v?.* !main", "main", "release/old")
	f.Add("* !prod* prod-x*", "prod*", "prod-x")
	f.Add("~^(a|b)+$ !ab", "", "ba")
	f.Fuzz(func(t *testing.T, language, hint, text string) {
		if len(language) > 40 || strings.Contains(language, "~") && !utf8.ValidString(language) {
			return
		}
		w := regular.NewWork(fuzzStates)
		universe := refs(w)
		var l regular.Language
		for _, p := range strings.Fields(language) {
			switch {
			case p[0] == '!':
				l = w.Subtract(l, w.Wildcard(p[1:]))
			case p[0] == '~':
				m, err := w.Regexp(p[1:])
				if err != nil {
					return
				}
				l = w.Union(l, m)
			default:
				l = w.Union(l, w.Wildcard(p))
			}
		}
		if w.Err() != nil {
			return
		}
		d := w.Describe(l, universe, hint)
		told := d.Language(regular.NewWork(1_000_000))
		if got, want := told.Contains(text), l.Contains(text); d.Exact && universe.Contains(text) && got != want {
			t.Errorf("%s: %s contains %q: %v", language, d, text, got)
		}
		check := regular.NewWork(1_000_000)
		exactly(t, check, language, l, universe, d)
		if again := check.Describe(l, universe, hint); again.String() != d.String() {
			t.Errorf("%s: %s, and another time %s", language, d, again)
		}
	})
}

// FuzzWitness: a witness is in the language, is the same each time, and the
// words given are used where they may be.
func FuzzWitness(f *testing.F) {
	f.Add("production*", "production", "-hotfix")
	f.Fuzz(func(t *testing.T, pattern, without, word string) {
		w := regular.NewWork(fuzzStates)
		l := w.Subtract(w.Wildcard(pattern), w.Wildcard(without))
		if w.Err() != nil {
			return
		}
		first, ok := l.Witness(word)
		again, _ := w.Union(l, l).Witness(word)
		if ok == l.IsEmpty() || ok && !l.Contains(first) || first != again {
			t.Errorf("%q without %q: %q, %q, %v", pattern, without, first, again, ok)
		}
		if shortest, ok := l.Witness(); ok {
			if words, all := l.Words(100); all && len(words) > 0 && !slices.Contains(words, shortest) {
				t.Errorf("%q without %q: %q is none of %q", pattern, without, shortest, words)
			}
		}
	})
}
