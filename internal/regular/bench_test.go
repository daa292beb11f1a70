package regular_test

import (
	"fmt"
	"strings"
	"testing"

	"mayfly.internal/internal/regular"
)

// dozens is a pattern with so many runs between words.
func dozens(stars, seed int) string {
	var b strings.Builder
	b.WriteString("project_path:")
	for i := range stars {
		fmt.Fprintf(&b, "group%d-%d*", (seed*7+i*3)%11, i%4)
	}
	return b.String() + ":ref_type:branch:ref:main"
}

// benchmark runs f with a Work that must suffice, and reports the states it took.
func benchmark(b *testing.B, f func(w *regular.Work) regular.Language) {
	b.ReportAllocs()
	var l regular.Language
	for b.Loop() {
		w := regular.NewWork(5_000_000)
		if l = f(w); w.Err() != nil {
			b.Fatal(w.Err())
		}
	}
	b.ReportMetric(float64(l.States()), "states")
}

func BenchmarkPattern(b *testing.B) {
	for _, bb := range []struct{ name, pattern string }{
		{"literal", "project_path:acme/web:ref_type:branch:ref:main"},
		{"prefix", "project_path:acme/*"},
		{"two-runs", "project_path:acme/*:ref_type:branch:ref:release/*"},
		{"30-runs", dozens(30, 1)},
		{"a-then-any-8", "*a????????"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			benchmark(b, func(w *regular.Work) regular.Language { return w.Wildcard(bb.pattern) })
		})
	}
}

// BenchmarkStatements is 300 statements with 30 wildcards each.
func BenchmarkStatements(b *testing.B) {
	benchmark(b, func(w *regular.Work) (l regular.Language) {
		for i := range 300 {
			l = w.Wildcard(dozens(30, i))
		}
		return l
	})
}

func BenchmarkUnion300(b *testing.B) {
	benchmark(b, func(w *regular.Work) regular.Language {
		var all []regular.Language
		for i := range 300 {
			all = append(all, w.Wildcard(fmt.Sprintf("project_path:group%d/*:ref_type:branch:ref:release/%d*", i, i%7)))
		}
		return w.Union(all...)
	})
}

func BenchmarkIntersect100(b *testing.B) {
	benchmark(b, func(w *regular.Work) regular.Language {
		all := []regular.Language{w.Wildcard("project_path:acme/*")}
		for i := range 99 {
			all = append(all, w.Complement(w.Wildcard(fmt.Sprintf("project_path:acme/web%d:*", i))))
		}
		return w.Intersect(all...)
	})
}

// BenchmarkTooLarge is how long the worst pattern takes to be refused.
func BenchmarkTooLarge(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		w := regular.NewWork(100_000)
		if w.Wildcard("*a" + strings.Repeat("?", 40)); w.Err() == nil {
			b.Fatal("it was not")
		}
	}
}

func BenchmarkWithin(b *testing.B) {
	w := regular.NewWork(1_000_000)
	l, m := w.Wildcard("project_path:acme/*:ref_type:branch:ref:release/*"), w.Wildcard("project_path:acme/*")
	b.ReportAllocs()
	for b.Loop() {
		if w := regular.NewWork(1000); !w.Within(l, m) || w.Within(m, l) {
			b.Fatal("within")
		}
	}
}

func BenchmarkDescribe(b *testing.B) {
	w := regular.NewWork(1_000_000)
	universe := refs(w)
	for _, bb := range []struct {
		name     string
		language regular.Language
		want     string
	}{
		{"everything", regular.Text(), "*"},
		{"word", regular.Literal("main"), "main"},
		{"prefix", w.Wildcard("release/*"), "release/*"},
		{"all-but-three", w.Complement(w.Union(regular.OneOf("main", "stage"), w.Wildcard("release/*"))), "* except main, release/*, stage"},
		{"mixed", w.Subtract(w.Union(w.Wildcard("release/*"), w.Wildcard("v?.*")), w.Union(w.Wildcard("release/old*"), w.Wildcard("main"))), "release/* except release/old*; v?.*"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := regular.NewWork(1_000_000).Describe(bb.language, universe); d.String() != bb.want {
					b.Fatal(d)
				}
			}
		})
	}
}
