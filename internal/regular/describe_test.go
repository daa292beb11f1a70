package regular_test

import (
	"math/rand"
	"strings"
	"testing"

	"mayfly.internal/internal/regular"
)

// refs are the names a branch of GitLab can have, in the main.
func refs(w *regular.Work) regular.Language {
	legal, err := w.Regexp(`^[^\x01-\x20\x7f~^:?*\[\\]+$`)
	if err != nil {
		panic(err)
	}
	var bad []regular.Language
	for _, p := range []string{"-*", "refs/heads/*", "refs/remotes/*", "HEAD", "*..*", "*//*", "*@{*", "*/", "*.", "/*", ".*", "*/.*", "*.lock", "*.lock/*"} {
		bad = append(bad, w.Wildcard(p))
	}
	sha, err := w.Regexp(`^[0-9a-f]{40}`)
	if err != nil {
		panic(err)
	}
	return w.Subtract(legal, w.Union(append(bad, sha)...))
}

// made is a language in the test's own words: patterns, and those behind a "!"
// taken away again; what begins with ~ is a regular expression.
func made(t *testing.T, w *regular.Work, words string) regular.Language {
	t.Helper()
	var l regular.Language
	for _, p := range strings.Fields(words) {
		p, without := strings.CutPrefix(p, "!")
		m := w.Wildcard(p)
		if e, ok := strings.CutPrefix(p, "~"); ok {
			var err error
			if m, err = w.Regexp(e); err != nil {
				t.Fatal(err)
			}
		}
		if without {
			l = w.Subtract(l, m)
		} else {
			l = w.Union(l, m)
		}
	}
	return l
}

func TestDescribe(t *testing.T) {
	w := regular.NewWork(10_000_000)
	universe := refs(w)
	for _, tt := range []struct{ language, hints, want string }{
		{"", "", "nothing"},
		{"HEAD a..b *.lock", "", "nothing"},
		{"*", "", "*"},
		{"?*", "", "*"},
		{"main", "", "main"},
		{"main stage production", "", "main, production, stage"},
		{"v1 v2 v3 v4 v5", "", "v1, v2, v3, v4, v5"},
		{"release/*", "", "release/*"},
		{"release*", "", "release*"},
		{"v?.*", "", "v?.*"},
		{"v?.?.?", "", "v?.?.?"},
		{"*-prod", "", "*-prod"},
		{"*prod*", "", "*prod*"},
		{"a*b*c", "", "a*b*c"},
		{"feature/*/final", "", "feature/*/final"},
		{"main release/* v?.*", "", "main, release/*, v?.*"},
		{"release/* release/1* main", "", "main, release/*"},
		{"rel* release/* hot*", "", "hot*, rel*"},
		{"* !main", "", "* except main"},
		{"* !main !stage !release/*", "", "* except main, release/*, stage"},
		{"* !release/* !*-stable !main", "", "* except *-stable, main, release/*"},
		{"prod* !production", "", "prod* except production"},
		{"prod* !prod-*", "", "prod* except prod-*"},
		{"production* !production !production-*", "", "production* except production, production-*"},
		{"main release/* !release/old*", "", "main; release/* except release/old*"},
		{"release/* v* !*-rc? !main", "", "release/* except release/*-rc?; v* except v*-rc?"},
		{"* !release/* release/x*", "", "* except release/*; release/x*"},
		{"* !*/*", "", "* except */*"},
		{"feature/* !feature/*/*", "", "feature/* except feature/*/*"},
		{"* !? !??", "", "???*"},
		{"release/* !release/?", "", "release/??*"},
		{"*a* *b*", "", "*a*, *b*"},
		{"a* *b", "", "*b, a*"},
		{"*é*", "", "*é*"},
		{"release/* !release/*-rc*", "*-rc*", "release/* except *-rc*"},
		{"prod* !prod !prod/*", "prod prod/* main", "prod* except prod, prod/*"},
		{"* !main !m?in", "m?in", "* except m?in"},
		{"?????* !v*", "", "?????* except v*"},
		{"release/* !release/1.* !release/2.* release/2.1", "", "release/* except release/1.*, release/2.*; release/2.1"},
		{"feature-* bugfix/* hotfix-?? !hotfix-00", "", "bugfix/*; feature-*; hotfix-?? except hotfix-00"},
		{"~^(feature|bugfix|docs)/.+$", "", "bugfix/*, docs/*, feature/*"},
		{"~^[a-zA-Z0-9._/-]+$", "", "regular expression ^[./0-9A-Z_a-z-]*$"},
		{"~^v[0-9]+$", "", `regular expression ^v[0-9]+$`},
		{"~^(feature|hotfix)/[A-Z]+-\\d+", "", `regular expression ^(hotfix|feature)/[A-Z]+-[0-9].*$`},
		{"~(?i)^main$", "", `regular expression ^[Mm][Aa][Ii][Nn]$`},
		{"~^[a-z]+$", "", `regular expression ^[a-z]*$`},
		{"~^(..)*$", "", `regular expression ^(..)*$`},
		{"v* !~^v[0-9]+$", "", `regular expression ^v(([^0-9]|[0-9]+[^0-9]).*)?$`},
	} {
		l := made(t, w, tt.language)
		got := w.Describe(l, universe, strings.Fields(tt.hints)...)
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.language, got, tt.want)
		}
		exactly(t, w, tt.language, l, universe, got)
	}
	if w.Err() != nil {
		t.Error(w.Err())
	}
}

// TestDescribeSubjects: other universes than the refs.
func TestDescribeSubjects(t *testing.T) {
	w := regular.NewWork(10_000_000)
	segment, err := w.Regexp(`^[A-Za-z0-9_.][A-Za-z0-9_.-]*$`)
	if err != nil {
		t.Fatal(err)
	}
	slash := regular.Literal("/")
	paths := w.Concat(segment, slash, w.Repeat(w.Concat(segment, slash)), segment)
	subjects := w.Concat(regular.Literal("project_path:"), paths, regular.Literal(":ref_type:"), regular.OneOf("branch", "tag"), regular.Literal(":ref:"), refs(w))
	for _, tt := range []struct {
		universe              regular.Language
		language, hints, want string
	}{
		{paths, "*", "", "*"},
		{paths, "acme/*", "", "acme/*"},
		{paths, "acme*/*", "", "acme*/*"},
		{paths, "acme/web acme/api", "", "acme/api, acme/web"},
		{paths, "* !acme/*", "", "* except acme/*"},
		{paths, "acme/* !acme/web !acme/*/secret", "", "acme/* except acme/*/secret, acme/web"},
		{paths, "*/web", "", "*/web"},
		{subjects, "project_path:acme/*:ref_type:branch:ref:main", "", "project_path:acme/*:ref_type:branch:ref:main"},
		{subjects, "project_path:acme/web:ref_type:*:ref:v*", "", "project_path:acme/web:ref_type:*:ref:v*"},
		{subjects, "*:ref:main", "", "project_path:*/*:ref_type:*:ref:main"},
		{subjects, "*:ref:main", "*:ref:main", "*:ref:main"},
		{subjects, "project_path:acme/*", "", "project_path:acme/*:ref_type:*:ref:*"},
		{subjects, "project_path:acme/* !*:ref_type:tag:*", "", "project_path:acme/*:ref_type:branch:ref:*"},
		{regular.OneOf("acme/web", "acme/api", "evil/web"), "acme/*", "", "acme/*"},
		{regular.OneOf("acme/web", "acme/api", "evil/web"), "*", "", "*"},
		{regular.Text(), "*\x00", "", "nothing"},
		{regular.OneOf("", "a b", "a,b", "a\u202eb", "a\x1bb", "ab", "x", "y", "z"), "a?b", "", `"a\x1bb", "a b", "a,b", "a\u202eb"`},
		{regular.Text(), "a\u009b*", "", `"a\u009b*"`},
		{regular.Text(), "a*b !a?b", "", "a*b except a?b"},
	} {
		l := made(t, w, tt.language)
		got := w.Describe(l, tt.universe, strings.Fields(tt.hints)...)
		if got.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.language, got, tt.want)
		}
		exactly(t, w, tt.language, l, tt.universe, got)
	}
}

// TestDescribeInexact: what is too long to say is said to be only about right.
func TestDescribeInexact(t *testing.T) {
	w := regular.NewWork(1_000_000)
	var words []string
	for i := range 400 {
		words = append(words, strings.Repeat("x", 3+i%7)+string(rune('a'+i%23))+strings.Repeat("y", i%11)+string(rune('b'+i%19)))
	}
	l := regular.OneOf(words...)
	d := w.Describe(l, refs(w))
	exactly(t, w, "400 words", l, refs(w), d)
	if d.Exact || d.Regexp != "" || len(d.Examples) != 3 || !strings.HasPrefix(d.String(), "some of ") {
		t.Errorf("%s", d)
	}
	failed := regular.NewWork(1)
	failed.Wildcard("main*")
	if d := failed.Describe(l, regular.Text()); d.Exact || d.String() != "some of *" {
		t.Errorf("of a Work that has failed: %s", d)
	}
}

// TestDescribeIsExact: what is said of languages nobody chose is what they hold.
func TestDescribeIsExact(t *testing.T) {
	r := rand.New(rand.NewSource(3))
	universe := refs(regular.NewWork(100000))
	kinds := map[string]int{}
	for range 150 {
		w := regular.NewWork(1_000_000)
		var words []string
		for range 1 + r.Intn(5) {
			p := ""
			for range 1 + r.Intn(4) {
				p += []string{"main", "v", "release/", "*", "?", "prod", "-", "*", "x"}[r.Intn(9)]
			}
			words = append(words, []string{"", "", "!"}[r.Intn(3)]+p)
		}
		l := made(t, w, strings.Join(words, " "))
		got := w.Describe(l, universe)
		exactly(t, w, strings.Join(words, " "), l, universe, got)
		switch {
		case !got.Exact:
			kinds["about"]++
		case got.Regexp != "":
			kinds["regexp"]++
		default:
			kinds["terms"]++
		}
	}
	if kinds["terms"] < 120 {
		t.Errorf("of what patterns made: %v", kinds)
	}
}

// exactly holds a description against its language.
func exactly(t *testing.T, w *regular.Work, name string, l, universe regular.Language, d regular.Description) {
	t.Helper()
	l = w.Intersect(l, universe)
	told := w.Intersect(d.Language(w), universe)
	switch {
	case w.Err() != nil:
		t.Errorf("%s: %v", name, w.Err())
	case d.Exact && !told.Equal(l):
		text, _ := w.Union(w.Subtract(told, l), w.Subtract(l, told)).Witness()
		t.Errorf("%s: %s is not exact, see %q", name, d, text)
	case !d.Exact && (!w.Within(l, told) || len(d.Examples) == 0 || !l.Contains(d.Examples[0])):
		t.Errorf("%s: %s holds less than the language, or its examples are none", name, d)
	}
}
