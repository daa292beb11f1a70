package cli

import (
	"slices"
	"testing"
)

func TestDecodeGuards(t *testing.T) {
	g, err := decodeGuards([]byte("mayfly-guard: 1\nroles:\n  - {match: production-*, require: [protected, reviewed=2]}\n  - match: lax\n    require: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string]string{"production-x": "protected,reviewed=2", "lax": "", "other": "protected,reviewed=1,no-author-approval,no-force-push,no-direct-push,immutable-id,not-merge-request"} {
		if list, err := g.of(role, ""); err != nil || list == nil || requirementList(list) != want {
			t.Errorf("%s: %v, %v", role, list, err)
		}
	}
	if list, err := g.of("lax", "protected"); err != nil || requirementList(list) != "protected" {
		t.Errorf("%v, %v", list, err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "the file is empty"},
		{"another version", "mayfly-guard: 2\n", "it begins with mayfly-guard: 1, the version of its format"},
		{"a list", "[]", "it begins with mayfly-guard: 1, the version of its format"},
		{"two documents", "mayfly-guard: 1\n---\na: 1\n", "it is one document"},
		{"a misspelt key", "mayfly-guard: 1\nrole: []\n", `line 2: the file has no key "role"; there are mayfly-guard and roles`},
		{"a word for the roles", "mayfly-guard: 1\nroles: none\n", "line 2: roles should be a list"},
		{"a role that is a word", "mayfly-guard: 1\nroles: [x]\n", "line 2: an entry of roles should be a mapping of match and require"},
		{"a role without a name", "mayfly-guard: 1\nroles:\n  - {require: [protected]}\n", "line 3: match is missing: a role's name, or a pattern of some"},
		{"a role of which nothing is said", "mayfly-guard: 1\nroles:\n  - {match: x}\n", "line 3: what x requires is missing: a list; [] is nothing"},
		{"nothing behind the key", "mayfly-guard: 1\nroles:\n  - {match: x, require: }\n", "line 3: require should be a list"},
		{"a word for a list", "mayfly-guard: 1\nroles:\n  - {match: x, require: protected}\n", "line 3: require should be a list"},
		{"a misspelt key of a role", "mayfly-guard: 1\nroles:\n  - {match: x, requires: [protected]}\n", `line 3: an entry of roles has no key "requires"; there are match and require`},
		{"a key twice", "mayfly-guard: 1\nroles:\n  - {match: x, match: y, require: []}\n", `line 3: key "match" is written twice`},
		{"a requirement twice", "mayfly-guard: 1\nroles:\n  - {match: x, require: [protected, protected]}\n", "x: protected is named twice"},
		{"no YAML", "mayfly-guard: {", "not YAML: line 1: did not find expected node content"},
	} {
		if g, err := decodeGuards([]byte(tt.text)); g != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, %v", tt.name, g, err)
		}
	}
}

// Whatever the file, each role is held to something that was said.
func FuzzDecodeGuards(f *testing.F) {
	f.Add([]byte("mayfly-guard: 1\nroles:\n  - {match: production-*, require: [protected, reviewed=2]}\n"))
	f.Add([]byte("mayfly-guard: 1\nroles: [{match: a, require: []}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := decodeGuards(data)
		if err != nil && g != nil {
			t.Fatal("guards beside an error")
		}
		if slices.ContainsFunc(g, func(r guarded) bool { return r.match == "" || r.require == nil }) {
			t.Errorf("%+v", g)
		}
	})
}
