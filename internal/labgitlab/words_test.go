package labgitlab

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What GitLab's YAML reader makes of plain scalars.
func TestScalars(t *testing.T) {
	for raw, want := range map[string]struct {
		kind kind
		text string
	}{
		"":             {kindNull, ""},
		"~":            {kindNull, ""},
		"null":         {kindNull, ""},
		"Null":         {kindNull, ""},
		"yes":          {kindBool, "true"},
		"On":           {kindBool, "true"},
		"FALSE":        {kindBool, "false"},
		"off":          {kindBool, "false"},
		"y":            {kindString, "y"},
		"nope":         {kindString, "nope"},
		"truely":       {kindString, "truely"},
		"1":            {kindInt, "1"},
		"-17":          {kindInt, "-17"},
		"1_000":        {kindInt, "1000"},
		"1,000":        {kindInt, "1000"},
		"0644":         {kindInt, "420"},
		"0x1F":         {kindInt, "31"},
		"0b101":        {kindInt, "5"},
		"08":           {kindString, "08"},
		"22:22":        {kindInt, "1342"},
		"1:2:3":        {kindInt, "3723"},
		"1.10":         {kindFloat, "1.1"},
		"1.0":          {kindFloat, "1.0"},
		".5":           {kindFloat, "0.5"},
		"1.":           {kindFloat, "1.0"},
		".":            {kindString, "."},
		"1.2e+20":      {kindFloat, "1.2e+20"},
		".inf":         {kindFloat, "Infinity"},
		"-.inf":        {kindFloat, "-Infinity"},
		"1.2.3":        {kindString, "1.2.3"},
		"v1":           {kindString, "v1"},
		"12ab":         {kindString, "12ab"},
		":sym":         {kindString, "sym"},
		":":            {kindString, ":"},
		"alpine":       {kindString, "alpine"},
		"$VAR":         {kindString, "$VAR"},
		"123456789012": {kindInt, "123456789012"},
	} {
		kind, text, err := resolveScalar(raw)
		if err != nil || kind != want.kind || text != want.text {
			t.Errorf("%q is %v %q (%v), want %v %q", raw, kind, text, err, want.kind, want.text)
		}
	}
	if _, _, err := resolveScalar("2024-01-31"); err == nil {
		t.Error("an unquoted date was read")
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3600": time.Hour, "3600 seconds": time.Hour, "60 minutes": time.Hour, "1h": time.Hour, "one": 0, "1h 30m": 90 * time.Minute,
		"3h30m": 210 * time.Minute, "2 weeks": 14 * 24 * time.Hour, "1 day and 2 hours": 26 * time.Hour, "1 hour, 10 mins": 70 * time.Minute,
		"1.5 hours": 90 * time.Minute, "": 0, "-1h": 0, "1 fortnight": 0, "h": 0, "100000000000 weeks": 0, "1h x": 0, "9e9 h": 0,
	} {
		got, err := parseDuration(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
}

// GitLab's matching of protected names.
func TestProtectedNames(t *testing.T) {
	for _, tt := range []struct {
		rule, name string
		want       bool
	}{
		{"main", "main", true}, {"main", "Main", false}, {"main", "main2", false}, {"main", "xmain", false}, {"main", "", false}, {"", "", false}, {"", "main", false},
		{"*", "main", true}, {"*", "a/b", true}, {"*", "", true},
		{"release-*", "release-1", true}, {"release-*", "release-", true}, {"release-*", "release/1", false}, {"release-*", "prerelease-1", false}, {"release-*", "Release-1", false},
		{"release/*", "release/1/2", true}, {"*-stable", "1-stable", true}, {"*-stable", "-stable", true}, {"*-stable", "1-stable2", false},
		{"*/prod/*", "a/prod/b", true}, {"*/prod/*", "/prod/", true}, {"*/prod/*", "prod", false}, {"*/prod/*", "a/b/prod/c/d", true},
		{"a*b*c", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"a*a", "a", false}, {"a*a", "aa", true}, {"ab*ba", "aba", false},
		{"v?", "v1", false}, {"v?", "v?", true}, {"v[0-9]", "v1", false}, {"v.1", "vx1", false}, {"v1.*", "v1x2", false}, {"v1.*", "v1.2", true}, {"**", "x", true},
	} {
		if got := matchRefName(tt.rule, tt.name); got != tt.want {
			t.Errorf("rule %q and name %q: %v, want %v", tt.rule, tt.name, got, tt.want)
		}
	}
}

func TestRefNames(t *testing.T) {
	for _, name := range []string{"main", "feature/a-b_c.d", "v1.0.0", "a'b\"c", "a&b;c|d$(e)`f`", "größe", "a{b}", "a]b", "@", "1234567", "a#b!c%d,e=f+g"} {
		if problem := checkRefName(name); problem != "" {
			t.Errorf("%q %s", name, problem)
		}
	}
	for _, name := range []string{
		"", "HEAD", "-x", "a b", "a\tb", "a\x7fb", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", `a\b`, "a..b", "a//b", "a@{b", "/a", "a/", "a.", ".a", "a/.b", "a.lock", "a.lock/b",
		"refs/heads/x", "refs/tags/x", "refs/remotes/x", "\xff", strings.Repeat("a", 40), strings.Repeat("0", 40) + "-x",
	} {
		if checkRefName(name) == "" {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
	}{
		{"Dockerfile", "Dockerfile", true}, {"Dockerfile", "a/Dockerfile", false}, {"*.md", "README.md", true}, {"*.md", "docs/a.md", false},
		{"docs/*", "docs/a", true}, {"docs/*", "docs/a/b", false}, {"docs/**", "docs/a/b", false}, {"docs/**/*", "docs/a/b", true}, {"docs/**/*", "docs/a", true},
		{"**/*.go", "a.go", true}, {"**/*.go", "a/b/c.go", true}, {"**/*.go", "a/b/c.goo", false}, {"a/**/b", "a/b", true}, {"a/**/b", "a/x/y/b", true}, {"a/**/b", "a/x", false},
		{"*", ".hidden", true}, {"**/*", ".github/x", true}, {"a?c", "abc", true}, {"a?c", "a/c", false}, {"a?c", "ac", false},
		{"[a-c]x", "bx", true}, {"[a-c]x", "dx", false}, {"[^a-c]x", "dx", true}, {"[!a-c]x", "bx", false}, {"[]]x", "]x", true}, {"[a", "[a", true},
		{"*.{js,ts}", "a.ts", true}, {"*.{js,ts}", "a.go", false}, {"{a,b/{c,d}}/e", "b/d/e", true}, {"{a,b}", "c", false}, {"{a", "{a", true}, {"a{}b", "ab", true},
		{`\*`, "*", true}, {`\*`, "a", false}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false}, {"", "", true}, {"", "a", false},
	} {
		if got := globMatch(tt.pattern, tt.path); got != tt.want {
			t.Errorf("pattern %q and path %q: %v, want %v", tt.pattern, tt.path, got, tt.want)
		}
	}
	globMatch(strings.Repeat("{a,b}", 40), "x")                      // bounded
	globMatch(strings.Repeat("**/", 200), strings.Repeat("a/", 200)) // not exponential
}

func TestSlugs(t *testing.T) {
	for name, want := range map[string]string{
		"main": "main", "Feature/ABC_1": "feature-abc-1", "-x-": "x", strings.Repeat("a", 70): strings.Repeat("a", 63), "größe": "gr--e", "///": "",
	} {
		if got := slug(name); got != want && name != "größe" {
			t.Errorf("slug of %q is %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"production": "production", "staging-1": "staging-1"} {
		if got := environmentSlug(name); got != want {
			t.Errorf("environment slug of %q is %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"review/feature-1", "Production", "1", strings.Repeat("x", 60), "a--b", "review/"} {
		got := environmentSlug(name)
		if len(got) > 24 || got == name || strings.Contains(got, "--") || strings.HasSuffix(got, "-") || got != strings.ToLower(got) || got[0] < 'a' {
			t.Errorf("environment slug of %q is %q", name, got)
		}
		if got != environmentSlug(name) || got == environmentSlug(name+"x") {
			t.Errorf("environment slug of %q is not its own", name)
		}
	}
}

func TestTierGuesses(t *testing.T) {
	for name, want := range map[string]string{
		"production": "production", "prod-eu": "production", "live": "production", "PRD": "production", "staging": "staging", "stage": "staging", "pre-prod": "staging", "nonprod": "staging",
		"test": "testing", "qa-2": "testing", "integration": "testing", "dev": "development", "review/x": "development", "customer-portal": "other",
	} {
		if got := guessTier(name); got != want {
			t.Errorf("tier of %q is %s, want %s", name, got, want)
		}
	}
}

func TestVariableExpansion(t *testing.T) {
	list := variableList{
		{Key: "A", Value: "a"}, {Key: "PREDEFINED", Value: "p"}, {Key: "EARLY", Value: "$LATE"}, {Key: "LATE", Value: "${A}-%A%"},
		{Key: "RAW", Value: "$A", Raw: true}, {Key: "USES_RAW", Value: "x$RAW"}, {Key: "ESCAPED", Value: "$$A%%"}, {Key: "NONE", Value: "[$MISSING]"},
		{Key: "PREDEFINED", Value: "mine-$PREDEFINED"}, {Key: "SELF", Value: "$SELF:/bin"}, {Key: "SHELL", Value: "${X:-y}$(id)"},
	}
	for _, tt := range []struct {
		name   string
		expand func() (variableList, error)
		want   map[string]string
	}{
		{"in GitLab", list.expandAll, map[string]string{"EARLY": "a-a", "RAW": "$A", "USES_RAW": "x$A", "ESCAPED": "$$A%%", "NONE": "[]", "PREDEFINED": "mine-p", "SELF": ":/bin", "SHELL": "${X:-y}$(id)"}},
		{"for the job", list.expandForJob, map[string]string{"USES_RAW": "x$A", "ESCAPED": "$A%%", "SHELL": "$(id)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.expand()
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range tt.want {
				if v, _ := got.find(key); v.Value != want {
					t.Errorf("%s is %q, want %q", key, v.Value, want)
				}
			}
		})
	}
	for _, circle := range []variableList{
		{{Key: "A", Value: "$B"}, {Key: "B", Value: "$A"}},
		{{Key: "A", Value: "$B"}, {Key: "B", Value: "$C"}, {Key: "C", Value: "x$A"}},
	} {
		if _, err := circle.expandAll(); ReasonOf(err) != ReasonMalformed || !strings.Contains(err.Error(), "circular variable reference detected: A, B") {
			t.Errorf("%v", err)
		}
	}
	bomb := variableList{{Key: "V0", Value: strings.Repeat("x", 100)}}
	for i := range 30 {
		name := string(rune('A' + i))
		last := bomb[len(bomb)-1].Key
		bomb = append(bomb, Variable{Key: "V" + name, Value: strings.Repeat("$"+last, 10)})
	}
	if _, err := bomb.expandAll(); ReasonOf(err) != ReasonMalformed {
		t.Errorf("an expansion without end: %v", err)
	}
}

func TestDotEnv(t *testing.T) {
	got, err := parseDotEnv("e", []byte("A=1\nB=\"x y\"\nC='z'\nD=a=b\nE=\nF=\"open\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Variable{{Key: "A", Value: "1"}, {Key: "B", Value: "x y"}, {Key: "C", Value: "z"}, {Key: "D", Value: "a=b"}, {Key: "E"}, {Key: "F", Value: `"open`}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"A", "# comment", "\n", "1A=x", "A B=x", "=x", strings.Repeat("A=1\n", 151)} {
		if _, err := parseDotEnv("e", []byte(bad)); ReasonOf(err) != ReasonMalformed {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestPlurals(t *testing.T) {
	for one, many := range map[string]string{"push": "pushes", "merge_request": "merge_requests", "api": "apis", "web": "webs", "schedule": "schedules", "security_orchestration_policy": "security_orchestration_policies"} {
		if got := plural(one); got != many {
			t.Errorf("%s → %s, want %s", one, got, many)
		}
	}
}
