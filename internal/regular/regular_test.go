package regular_test

import (
	"math/rand"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"mayfly.internal/internal/regular"
	"mayfly.internal/internal/wildcard"
)

// texts are all texts of up to n characters of an alphabet.
func texts(alphabet []string, n int) []string {
	all, last := []string{""}, []string{""}
	for range n {
		var next []string
		for _, t := range last {
			for _, c := range alphabet {
				next = append(next, t+c)
			}
		}
		all, last = append(all, next...), next
	}
	return all
}

func randomPattern(r *rand.Rand) string {
	var b strings.Builder
	for range r.Intn(6) {
		b.WriteString([]string{"a", "b", "*", "?", "é", "*", "ab"}[r.Intn(7)])
	}
	return b.String()
}

// TestAgreesWithTheMatcher holds every operation against the matcher that decides
// requests, over all short texts.
func TestAgreesWithTheMatcher(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	all := append(texts([]string{"a", "b", "é"}, 5), "\xff", "a\xffb", "aé\xc3", "€", "😀", "a😀")
	for range 300 {
		p, q := randomPattern(r), randomPattern(r)
		w := regular.NewWork(100000)
		l, m := w.Wildcard(p), w.Wildcard(q)
		cp, cq := wildcard.Compile(p), wildcard.Compile(q)
		or, and, minus, not := w.Union(l, m), w.Intersect(l, m), w.Subtract(l, m), w.Complement(l)
		within, equal := true, true
		for _, s := range all {
			inP, inQ, valid := cp.Match(s), cq.Match(s), utf8.ValidString(s)
			if !valid { // no condition ever sees it
				inP, inQ = false, false
			}
			within, equal = within && (!inP || inQ), equal && inP == inQ
			for _, c := range []struct {
				name string
				l    regular.Language
				want bool
			}{{"pattern", l, inP}, {"union", or, inP || inQ}, {"intersection", and, inP && inQ}, {"difference", minus, inP && !inQ}, {"complement", not, valid && !inP}} {
				if c.l.Contains(s) != c.want {
					t.Fatalf("%s of %q and %q: contains %q: %v", c.name, p, q, s, !c.want)
				}
			}
		}
		if w.Within(l, m) && !within || l.Equal(m) && !equal {
			t.Fatalf("%q and %q: within %v, equal %v, and a text says otherwise", p, q, w.Within(l, m), l.Equal(m))
		}
		if w.Within(l, m) && w.Within(m, l) != l.Equal(m) {
			t.Fatalf("%q and %q hold the same and are not equal", p, q)
		}
		for name, l := range map[string]regular.Language{"union": or, "difference": minus, "intersection": and} {
			if text, ok := l.Witness(); ok != !l.IsEmpty() || ok && !l.Contains(text) {
				t.Fatalf("%s of %q and %q: witness %q, %v", name, p, q, text, ok)
			}
		}
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
	}
}

func TestTracks(t *testing.T) {
	w := regular.NewWork(100000)
	seg := w.Subtract(w.Wildcard("?*"), w.Union(w.Wildcard("*/*"), w.Wildcard("*:*")))
	words := w.Join(seg, seg, seg) // namespace, name, ref
	sub := regular.Template{{Text: "project_path:"}, {Track: 1}, {Text: "/"}, {Track: 2}, {Text: ":ref:"}, {Track: 3}}
	pre := w.Preimage(w.Wildcard("project_path:a*/web:ref:main*"), sub, 3)
	for word, want := range map[string]bool{
		"acme\x00web\x00main": true, "acme\x00web\x00mainly": true,
		"bcme\x00web\x00main": false, "acme\x00webs\x00main": false, "acme\x00web\x00mai": false, "acme\x00web": false,
		"acme/web\x00main\x00x": false,
	} {
		if pre.Contains(word) != want {
			t.Errorf("%q: %v", word, !want)
		}
	}
	image := w.Image(w.Intersect(pre, words), sub, 3)
	if !image.Equal(w.Intersect(w.Wildcard("project_path:a*/web:ref:main*"), w.Image(words, sub, 3))) {
		t.Error("the image of the preimage is not what there is of the language")
	}
	refs := w.Image(w.Intersect(pre, words), regular.Template{{Track: 3}}, 3)
	if !refs.Equal(w.Intersect(w.Wildcard("main*"), seg)) {
		t.Error("the refs are not main*")
	}
	if got, _ := w.Subtract(refs, regular.Literal("main")).Witness("-hotfix", "x"); got != "main-hotfix" {
		t.Errorf("witness %q", got)
	}
}

func TestFinite(t *testing.T) {
	l := regular.OneOf("b", "a", "abc", "")
	words, all := l.Words(4)
	if !all || !slices.Equal(words, []string{"", "a", "abc", "b"}) {
		t.Errorf("%q %v", words, all)
	}
	if _, all := l.Words(3); all {
		t.Error("four words are three")
	}
	if _, all := regular.Text().Words(10); all || regular.Text().IsFinite() {
		t.Error("every text is finite")
	}
	if !l.After("a").Equal(regular.OneOf("", "bc")) || !l.After("x").IsEmpty() {
		t.Error("After")
	}
}

func TestAnyCase(t *testing.T) {
	w := regular.NewWork(1000)
	l := w.Pattern(regular.Token{Kind: regular.AnyCase, Text: "Kö"})
	for _, s := range []string{"kö", "KÖ", "kÖ", "\u212Aö"} {
		if !l.Contains(s) || !strings.EqualFold(s, "Kö") {
			t.Errorf("%q is not in it", s)
		}
	}
	if l.Contains("ko") || l.Contains("köö") {
		t.Error("another text is in it")
	}
}

// TestAnyCaseIsEqualFold holds it against strings.EqualFold over the letters with
// more than two cases.
func TestAnyCaseIsEqualFold(t *testing.T) {
	all := texts([]string{"k", "K", "\u212a", "s", "\u017f", "é", "É", "1"}, 3)
	for _, text := range []string{"", "k", "sK", "\u212aé1", "\u017fs", "11"} {
		l := regular.NewWork(1000).Pattern(regular.Token{Kind: regular.AnyCase, Text: text})
		for _, s := range all {
			if l.Contains(s) != strings.EqualFold(s, text) {
				t.Errorf("%q in any case contains %q: %v", text, s, l.Contains(s))
			}
		}
	}
}

// TestTooLarge: what would need exponentially many states ends, and says so.
func TestTooLarge(t *testing.T) {
	w := regular.NewWork(5000)
	l := w.Wildcard("*a" + strings.Repeat("?", 40))
	if w.Err() != regular.ErrTooLarge || !l.IsEmpty() || w.Within(regular.Text(), l) || !w.Overlap(l, l) {
		t.Errorf("%v, %d states", w.Err(), l.States())
	}
}
