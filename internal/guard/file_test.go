package guard

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exact compares facts with all that is known of them.
var exact = cmp.Exporter(func(reflect.Type) bool { return true })

func decode(t *testing.T, text string) *Facts {
	t.Helper()
	f, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// project is the facts of one project, of the keys a test writes.
func project(t *testing.T, keys ...string) *Project {
	t.Helper()
	return &decode(t, small(keys...)).Projects[0]
}

func small(keys ...string) string {
	return "mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects:\n  - path: g/p\n    " + strings.Join(keys, "\n    ") + "\n"
}

func TestWhole(t *testing.T) {
	text, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := decode(t, string(text))
	if f.Issuer != "https://oidc.example.com/gitlab" || !f.Taken.Equal(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("issuer %s, taken %s", f.Issuer, f.Taken)
	}
	p, ok := f.Project("My_Group/my-FANCY_project")
	if !ok {
		t.Fatal("no project")
	}
	if byID, ok := f.ProjectID(20); !ok || byID != p {
		t.Error("not found by its id")
	}
	source := Source{"GET /projects/20", time.Date(2026, 11, 23, 11, 59, 58, 0, time.UTC)}
	for name, diff := range map[string]string{
		"id":            cmp.Diff(Known(int64(20)).From(source), p.ID, exact),
		"tier":          cmp.Diff(Known(Ultimate), p.Tier, exact),
		"variables":     cmp.Diff(Known(Maintainer), p.PipelineVariables, exact),
		"not forked":    cmp.Diff(Known(""), p.ForkedFrom, exact),
		"push rule":     cmp.Diff(Known(PushRule{Set: true, BranchName: "^(main|feature-.*)$", RejectUnsigned: true, MembersOnly: true, MaxFileSizeMegabytes: 50}), p.PushRule, exact),
		"other's tier":  cmp.Diff(Known(Premium), f.Projects[1].Tier, exact),
		"no branches":   cmp.Diff(Known([]ProtectedBranch{}), f.Projects[1].ProtectedBranches, exact),
		"no push rule":  cmp.Diff(Known(PushRule{}), f.Projects[1].PushRule, exact),
		"not told":      cmp.Diff(Fact[[]ApprovalRule]{why: "GET /projects/21/approval_rules: 403 Forbidden"}, f.Projects[1].ApprovalRules, exact),
		"not there":     cmp.Diff(Fact[[]Schedule]{}, f.Projects[1].Schedules, exact),
		"said absent":   cmp.Diff(Absent[[]ProtectedEnvironment]("the administrator has said so"), f.Projects[1].ProtectedEnvironments, exact),
		"group":         cmp.Diff([]Group{{ID: 7, Path: "releasers", Members: Known([]Member{{ID: 12, Username: "dev", Level: Developer}})}}, f.Groups, exact),
		"tags":          cmp.Diff(Known([]ProtectedTag{{Name: "v*", Create: Known([]Access{{Level: Maintainer}})}}), p.ProtectedTags, exact),
		"approval rule": cmp.Diff(ApprovalRule{Name: "Release", Type: "regular", Required: 1, Branches: NamedBranches, Named: []string{"main", "release/*"}}, p.ApprovalRules.value[2], exact),
		"branches": cmp.Diff(Known([]ProtectedBranch{
			{Name: "main", Push: Known([]Access{}), Merge: Known([]Access{{Level: Maintainer}}), Unprotect: Known([]Access{{Level: Owner}}), ForcePush: Known(false), CodeOwners: Known(true)},
			{Name: "release/*", Push: Known([]Access{{Level: Maintainer}, {User: 12}, {Group: 7}, {DeployKey: 3}}), Merge: Known([]Access{{Level: Developer}}), ForcePush: Known(false), From: "my_group"},
			{Name: "unseen"},
		}), p.ProtectedBranches, exact),
	} {
		if diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	whole, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"everything":   string(whole),
		"nothing":      "mayfly-facts: 1\ngitlab: https://gitlab.com\n",
		"free":         small("tier: free", "protected_branches: [{name: main}]"),
		"hostile refs": small(`protected_branches: [{name: "\";rm -rf /"}, {name: "true"}, {name: "1.10"}, {name: "a\nb: c"}, {name: " x"}, {name: "none"}, {name: "no one"}]`),
	} {
		f := decode(t, text)
		out, err := Encode(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		if diff := cmp.Diff(f, again, exact); diff != "" {
			t.Errorf("%s: %s\n%s", name, diff, out)
		}
	}
}

// What Encode writes is what a person would write: testdata/whole.yaml itself.
func TestEncodeReadsWell(t *testing.T) {
	whole, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out, err := Encode(decode(t, string(whole)))
	if err != nil {
		t.Fatal(err)
	}
	after := func(text string) string { _, rest, _ := strings.Cut(text, "\n"); return rest } // the comment
	if diff := cmp.Diff(after(string(whole)), after(string(out))); diff != "" {
		t.Error(diff)
	}
}

// A tier without a guard has none: absent, not unknown.
func TestFreeLacks(t *testing.T) {
	p := project(t, "tier: free", "protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}]", "unknown: {push_rule: nobody looked}")
	if p.ApprovalRules.State() != StateAbsent || p.ApprovalRules.Why() != "the tier free has none" {
		t.Errorf("approval rules are %s: %s", p.ApprovalRules.State(), p.ApprovalRules.Why())
	}
	branches, _ := p.ProtectedBranches.Value()
	if branches[0].CodeOwners.State() != StateAbsent || branches[0].Unprotect.State() != StateAbsent {
		t.Error("code owners are not absent")
	}
	if p.PushRule.State() != StateUnknown || p.Members.State() != StateUnknown {
		t.Error("what free may have, or was said to be unknown, is absent")
	}
	for _, tier := range []string{"tier: premium", "tier: ultimate", "unknown: {tier: 403}", "archived: false"} {
		if p := project(t, tier); p.ApprovalRules.State() != StateUnknown {
			t.Errorf("%s: approval rules are %s", tier, p.ApprovalRules.State())
		}
	}
}

func TestZeroFactIsUnknown(t *testing.T) {
	var p Project
	if _, known := p.ProtectedBranches.Value(); known || p.ProtectedBranches.State() != StateUnknown || p.ProtectedBranches.Why() != "the facts do not say" {
		t.Error("the zero fact is known")
	}
	if _, known := Absent[bool]("no").Value(); known {
		t.Error("an absent fact has a value")
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "the file is empty"},
		{"a list", "- 1", "line 1, column 1: a file of facts should be a mapping"},
		{"no version", "gitlab: https://gitlab.com", "line 1, column 1: a file of facts needs the key mayfly-facts"},
		{"another version", "mayfly-facts: 2\nelse: 1", "line 1, column 15: this is version 2 of the format; version 1 is read here"},
		{"a version in words", "mayfly-facts: one", "line 1, column 15: mayfly-facts should be a number from 0 to 1000000"},
		{"no instance", "mayfly-facts: 1", "line 1, column 1: a file of facts needs the key gitlab"},
		{"an instance that is none", "mayfly-facts: 1\ngitlab: gitlab.com", "line 2, column 9: gitlab should be a URL such as https://gitlab.com"},
		{"truncated", "mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects: [{path: a/b", "line 2: not YAML: did not find expected ',' or '}'"},
		{"two documents", "mayfly-facts: 1\ngitlab: https://gitlab.com\n---\na: 1", "line 3, column 1: there is more than one document"},
		{"an unknown key", small("protected_branch: none"), `line 5, column 5: a project has no key "protected_branch"`},
		{"an unknown key at the top", "mayfly-facts: 1\ngitlab: https://gitlab.com\nproject: 1", `line 3, column 1: a file of facts has no key "project"`},
		{"an unknown key within", small("protected_branches: [{name: main, pushes: no one}]"), `line 5, column 39: a protected branch has no key "pushes"`},
		{"a key twice", small("id: 1", "id: 1"), `line 6, column 5: key "id" is written twice`},
		{"a key twice within", small("protected_tags: [{name: a, name: b}]"), `line 5, column 32: key "name" is written twice`},
		{"a merge key", small("<<: {id: 3}"), `line 5, column 5: a project has no key "<<"`},
		{"an alias", small("members: &m none", "triggers: *m"), "line 6, column 15: aliases are not read here"},
		{"an alias within", small("protected_branches: [&b {name: main}, *b]"), "line 5, column 43: aliases are not read here"},
		{"a rule without its name", small("protected_branches: [{push: no one}]"), "line 5, column 26: a protected branch needs the key name"},
		{"nothing after a key", small("protected_branches:"), "line 5, column 24: protected_branches should be a list, or none"},
		{"null", small("protected_branches: ~"), "line 5, column 25: protected_branches should be a list, or none"},
		{"a role that is none", small("pipeline_variables: developers"), `line 5, column 25: "developers" is no role: no one, minimal, guest, planner, reporter, developer, maintainer, owner, admin, or GitLab's number`},
		{"a role in capitals", small("pipeline_variables: Maintainer"), `line 5, column 25: "Maintainer" is no role: no one, minimal, guest, planner, reporter, developer, maintainer, owner, admin, or GitLab's number`},
		{"a user without a number", small("protected_tags: [{name: a, create: user mia}]"), `line 5, column 40: "user mia" should be user and a positive number`},
		{"user 0", small("protected_tags: [{name: a, create: [user 0]}]"), `line 5, column 41: "user 0" should be user and a positive number`},
		{"who is a mapping", small("protected_tags: [{name: a, create: {user: 1}}]"), `line 5, column 40: create should be a role, or a user, group or deploy key with its number: maintainer, user 12`},
		{"a word for a truth", small("archived: no"), "line 5, column 15: archived should be true or false"},
		{"a truth in quotes", small(`archived: "false"`), "line 5, column 15: archived should be true or false"},
		{"an id in quotes", small(`id: "20"`), "line 5, column 9: id should be a positive number"},
		{"id 0", small("id: 0"), "line 5, column 9: id should be a positive number"},
		{"an octal id", small("id: 020"), "line 5, column 9: id should be a positive number"},
		{"a tier that is none", small("tier: gold"), "line 5, column 11: tier should be one of free, premium, ultimate"},
		{"a deployment tier that is none", small("environments: [{name: a, tier: prod}]"), "line 5, column 36: tier should be one of production, staging, testing, development, other"},
		{"branches of a rule that are none", small("approval_rules: [{name: a, type: regular, required: 1, branches: []}]"), "line 5, column 70: branches names none; say every, or protected"},
		{"branches of a rule not said", small("approval_rules: [{name: a, type: regular, required: 1}]"), "line 5, column 22: an approval rule needs the key branches"},
		{"a negative number", small("approval_rules: [{name: a, type: regular, required: -1, branches: every}]"), "line 5, column 57: required should be a number from 0 to 1000000"},
		{"a day that is none", small("taken: 2026-02-30"), "line 5, column 12: taken should be a date or time such as 2026-11-23 or 2026-11-23T12:00:00Z"},
		{"a path with a scheme", small("forked_from: https://gitlab.com/a/b"), "line 5, column 18: forked_from should be a full path such as my_group/my-fancy_project"},
		{"unknown and known", small("id: 3", "unknown: {id: nobody looked}"), "line 6, column 19: id is said to be unknown, and more is said of it elsewhere"},
		{"unknown and absent", small("unknown: {id: a}", "absent: {id: b}"), "line 6, column 18: id is said to be absent, and more is said of it elsewhere"},
		{"an unknown fact that is none", small("unknown: {ids: a}"), `line 5, column 15: unknown has no key "ids"`},
		{"an unknown path", small("unknown: {path: a}"), `line 5, column 15: unknown has no key "path"`},
		{"a source of nothing", small("sources: [{call: GET /x, at: 2026-11-23, facts: [ids]}]"), `line 5, column 15: sources name a fact "ids", which there is not`},
		{"two sources", small("sources: [{call: GET /x, at: 2026-11-23, facts: [id, id]}]"), "line 5, column 15: sources name the fact id twice"},
		{"a guard that free lacks", small("tier: free", "approval_rules: none"), "line 4, column 5: approval_rules is given, and the tier free has none"},
		{"code owners of free", small("tier: free", "protected_branches: [{name: main, code_owners: true}]"), "line 4, column 5: code_owners of a protected branch is given, and the tier free has none"},
		{"a project twice", "mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects: [{path: a/b}, {path: A/b}]", "line 3, column 25: project A/b is listed twice"},
		{"an id twice", "mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects: [{path: a/b, id: 1}, {path: a/c, id: 1}]", "line 3, column 32: project id 1 is listed twice"},
		{"a group twice", "mayfly-facts: 1\ngitlab: https://gitlab.com\ngroups: [{id: 1}, {id: 1}]", "line 3, column 19: group 1 is listed twice"},
		{"a branch called nothing", small(`protected_branches: [{name: ""}]`), "line 5, column 33: name should be a string"},
		{"bytes", small(`protected_branches: [{name: !!binary aGk=}]`), "line 5, column 33: name should be a string"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Decode([]byte(tt.text))
			if err == nil || f != nil {
				t.Fatalf("it is read: %+v", f)
			}
			if _, ok := errors.AsType[*FormatError](err); !ok || err.Error() != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	whole, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(small("tier: free", "protected_branches: [{name: main, push: [user 1, no one]}]", "unknown: {members: x}")))
	f.Add([]byte(small("taken: 2026-11-23T12:00:00.5+02:00", "sources: [{call: GET /x, at: 2026-11-23, facts: [tier, id]}]", "absent: {approval_rules: the tier free has none}")))
	f.Fuzz(func(t *testing.T, data []byte) {
		facts, err := Decode(data)
		if err != nil {
			if facts != nil {
				t.Fatal("facts beside an error")
			}
			return
		}
		out, err := Encode(facts)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(facts, again, exact); diff != "" {
			t.Errorf("%s\n%s", diff, out)
		}
	})
}
