package regular_test

import (
	"math/rand"
	"strings"
	"testing"

	"mayfly.internal/internal/regular"
)

// TestLaws is FuzzOperations on patterns of few letters, which meet each other.
func TestLaws(t *testing.T) {
	r := rand.New(rand.NewSource(5))
	for range 60 {
		w := regular.NewWork(200_000)
		p, q, s := randomPattern(r), randomPattern(r), randomPattern(r)
		laws(t, w, w.Wildcard(p), w.Wildcard(q), w.Wildcard(s))
		if t.Failed() {
			t.Fatalf("of %q, %q and %q", p, q, s)
		}
	}
}

// TestCanonical: whatever made a language, it is minimal and in order.
func TestCanonical(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	w := regular.NewWork(10_000_000)
	languages := []regular.Language{{}, regular.Text(), regular.Literal(""), regular.Literal("main"), regular.OneOf(), regular.OneOf("", "a", "ab", "b")}
	pick := func() regular.Language { return languages[r.Intn(len(languages))] }
	for range 150 {
		var l regular.Language
		switch r.Intn(11) {
		case 0, 1, 2:
			l = w.Wildcard(randomPattern(r))
		case 3:
			l = w.Union(pick(), pick())
		case 4:
			l = w.Intersect(pick(), pick())
		case 5:
			l = w.Subtract(pick(), pick())
		case 6:
			l = w.Complement(pick())
		case 7:
			l = w.Concat(pick(), pick())
		case 8:
			l = w.Repeat(pick())
		case 9:
			l = pick().After([]string{"a", "b", "\xc3"}[r.Intn(3)])
		case 10:
			l = w.Preimage(pick(), regular.Template{{Track: 1}, {Text: "a"}, {Track: 2}}, 2)
			l = w.Image(w.Intersect(l, w.Join(pick(), regular.Text())), regular.Template{{Track: 2}, {Text: "b"}}, 2)
		}
		if err := l.Canonical(); err != nil {
			t.Fatal(err)
		}
		if l.States() < 60 {
			languages = append(languages, l)
		}
	}
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
}

// TestConcatAndRepeat holds them against cutting texts by hand.
func TestConcatAndRepeat(t *testing.T) {
	r := rand.New(rand.NewSource(7))
	all := texts([]string{"a", "b", "é"}, 4)
	for range 60 {
		w := regular.NewWork(200_000)
		p, q := randomPattern(r), randomPattern(r)
		l, m := w.Wildcard(p), w.Wildcard(q)
		concat, repeat := w.Concat(l, m), w.Repeat(l)
		for _, s := range all {
			cut, times := false, make([]bool, len(s)+1) // times: the text so far is some of l
			times[0] = true
			for i := range len(s) + 1 {
				cut = cut || l.Contains(s[:i]) && m.Contains(s[i:])
				for j := range i {
					times[i] = times[i] || times[j] && l.Contains(s[j:i])
				}
			}
			if concat.Contains(s) != cut {
				t.Fatalf("%q and then %q: contains %q: %v", p, q, s, !cut)
			}
			if repeat.Contains(s) != times[len(s)] {
				t.Fatalf("%q repeated: contains %q: %v", p, s, !times[len(s)])
			}
		}
	}
}

// TestWitnessIsTheSame: the witness depends on the language, not on how it was
// made.
func TestWitnessIsTheSame(t *testing.T) {
	w := regular.NewWork(100_000)
	parts := []regular.Language{w.Wildcard("release/*"), w.Wildcard("v?.*"), w.Wildcard("*-prod"), regular.OneOf("main", "stage")}
	want, _ := w.Union(parts...).Witness("hotfix")
	r := rand.New(rand.NewSource(8))
	for range 20 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		if got, _ := w.Union(parts...).Witness("hotfix"); got != want {
			t.Errorf("%q, and another time %q", want, got)
		}
	}
}

// TestTooLargeHere: each operation that can grow ends, and says so.
func TestTooLargeHere(t *testing.T) {
	w := regular.NewWork(1_000_000)
	wide := w.Wildcard("*a" + strings.Repeat("?", 8))
	track := regular.Template{{Text: "x"}, {Track: 1}}
	for name, f := range map[string]func(w *regular.Work) regular.Language{
		"Pattern":    func(w *regular.Work) regular.Language { return w.Wildcard("*a????????*b???????") },
		"Regexp":     func(w *regular.Work) regular.Language { l, _ := w.Regexp(`a.{20}$`); return l },
		"Union":      func(w *regular.Work) regular.Language { return w.Union(wide, regular.Literal("x")) },
		"Intersect":  func(w *regular.Work) regular.Language { return w.Intersect(wide, regular.Text()) },
		"Complement": func(w *regular.Work) regular.Language { return w.Complement(wide) },
		"Concat":     func(w *regular.Work) regular.Language { return w.Concat(wide, wide) },
		"Join":       func(w *regular.Work) regular.Language { return w.Join(wide, wide) },
		"Repeat":     func(w *regular.Work) regular.Language { return w.Repeat(wide) },
		"Preimage":   func(w *regular.Work) regular.Language { return w.Preimage(w.Wildcard("*"), track, 1000) },
		"Image":      func(w *regular.Work) regular.Language { return w.Image(wide, track, 1) },
	} {
		w := regular.NewWork(500)
		if l := f(w); w.Err() != regular.ErrTooLarge || !l.IsEmpty() {
			t.Errorf("%s: %v, %d states", name, w.Err(), l.States())
		}
	}
}
