package guard

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"mayfly.internal/internal/regular"
)

// door is what the keys of a project say at a ref, without their prefix; what
// nobody knows is "?".
func doorOf(p *Project, kind RefKind, ref string) map[string]string {
	out := map[string]string{}
	for _, a := range p.Door(kind, ref) {
		v, known := a.Value.Value()
		if !known {
			v = "?"
		}
		out[a.Key[len(DoorPrefix):]] = v
	}
	return out
}

const strict = `protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false, code_owners: true}, {name: "rel*", push: maintainer, merge: maintainer, force_push: true, code_owners: false}, {name: gone, push: no one, merge: no one, force_push: false}]`

var premium = []string{"id: 7", "tier: premium", "mirror: false", "default_branch: main", "pipeline_variables: maintainer", "author_may_approve: false", "committers_may_approve: false", "reset_approvals_on_push: true", "approval_rules_overridable: false",
	"approval_rules: [{name: Two, type: any_approver, required: 2, branches: protected}]", "protected_tags: [{name: 'v*', create: maintainer}, {name: frozen, create: no one}]", strict}

func TestDoor(t *testing.T) {
	p := project(t, premium...)
	for _, tt := range []struct {
		kind RefKind
		ref  string
		want map[string]string
	}{
		{Branch, "main", map[string]string{"protected": "true", "approvals": "2", "direct-push": "false", "force-push": "false", "author-approval": "false", "committer-approval": "false", "approval-reset": "true", "code-owners": "true", "variable-override": "false", "merge-request": "false"}},
		{Branch, "release", map[string]string{"protected": "true", "approvals": "0", "direct-push": "true", "force-push": "true", "code-owners": "false", "author-approval": "false"}},
		{Branch, "gone", map[string]string{"protected": "true", "approvals": "100", "direct-push": "false", "force-push": "false"}},
		{Branch, "Main", map[string]string{"protected": "false", "approvals": "0", "direct-push": "true", "force-push": "true", "author-approval": "true", "committer-approval": "true", "approval-reset": "false", "code-owners": "false", "variable-override": "false"}},
		{Branch, "main2", map[string]string{"protected": "false"}},
		{Branch, "-unusual", map[string]string{"protected": "false", "approvals": "0"}},
		{Tag, "main", map[string]string{"protected": "false", "approvals": "0", "direct-push": "true"}},
		{Tag, "v1", map[string]string{"protected": "true", "approvals": "0", "direct-push": "true", "force-push": "false"}},
		{Tag, "frozen", map[string]string{"protected": "true", "approvals": "100", "direct-push": "false"}},
		{MergeRequest, "main", map[string]string{"protected": "true", "approvals": "0", "direct-push": "true", "merge-request": "true"}},
		{MergeRequest, "dev", map[string]string{"protected": "false", "approvals": "0", "direct-push": "true", "merge-request": "true"}},
	} {
		got := doorOf(p, tt.kind, tt.ref)
		for key, want := range tt.want {
			if got[key] != want {
				t.Errorf("%v %s: %s is %s, want %s", tt.kind, tt.ref, key, got[key], want)
			}
		}
	}
}

// TestDoorUnknown: what could not be read is not known, unless what is known
// decides; what the tier lacks is known.
func TestDoorUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		keys []string
		want map[string]string
	}{
		"nothing is known":           {nil, map[string]string{"protected": "?", "approvals": "?", "variable-override": "?", "merge-request": "false"}},
		"free":                       {[]string{"tier: free", "protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}]"}, map[string]string{"protected": "true", "approvals": "0", "author-approval": "true", "approval-reset": "false", "direct-push": "false", "code-owners": "false"}},
		"the rules alone":            {[]string{strict}, map[string]string{"protected": "true", "approvals": "?", "direct-push": "?", "author-approval": "?", "code-owners": "true"}},
		"an unprotected branch":      {[]string{"protected_branches: none"}, map[string]string{"protected": "false", "approvals": "0", "direct-push": "true"}},
		"no rule, overrides unseen":  {[]string{strict, "approval_rules: none"}, map[string]string{"approvals": "0"}},
		"overridable, rules unseen":  {[]string{strict, "approval_rules_overridable: true"}, map[string]string{"approvals": "0"}},
		"hidden approvers":           {append(premium[:9:9], strict, "approval_rules: [{name: A, type: regular, required: 2, branches: every}, {name: B, type: any_approver, required: 1, branches: every}]"), map[string]string{"approvals": "?"}},
		"fewer approvers than asked": {append(premium[:9:9], strict, "approval_rules: [{name: A, type: regular, required: 3, branches: every, approvers: [1]}]"), map[string]string{"approvals": "0"}},
		"who may push is not shown":  {append(premium[:11:11], "protected_branches: [{name: main, merge: maintainer}]"), map[string]string{"protected": "true", "direct-push": "?", "force-push": "?", "approvals": "?", "code-owners": "?"}},
	} {
		got := doorOf(project(t, tt.keys...), Branch, "main")
		for key, want := range tt.want {
			if got[key] != want {
				t.Errorf("%s: %s is %s, want %s", name, key, got[key], want)
			}
		}
	}
	for _, a := range project(t).Door(Branch, "main") {
		if _, known := a.Value.Value(); !known && a.Value.Why() == "" {
			t.Errorf("%s: nothing says why", a.Key)
		}
	}
}

// randomProject is a project of whose guards some stand, some do not and some
// nobody knows.
func randomProject(r *rand.Rand) *Project {
	p := &Project{Path: "g/p", DefaultBranch: Known("main")}
	names := []string{"main", "rel*", "*", "a*b", "**", "release/1", "m*n"}
	who := func() Fact[[]Access] {
		return []Fact[[]Access]{Known([]Access{}), Known([]Access{}), Known([]Access{{Level: NoAccess}}), Known([]Access{{Level: Maintainer}}), Known([]Access{{User: 3}}), {}}[r.IntN(6)]
	}
	truth := func() Fact[bool] { return []Fact[bool]{Known(true), Known(false), {}, Absent[bool]("free")}[r.IntN(4)] }
	var branches []ProtectedBranch
	for range r.IntN(4) {
		force := truth()
		if force.State() == StateAbsent {
			force = Known(false)
		}
		branches = append(branches, ProtectedBranch{Name: names[r.IntN(len(names))], Push: who(), Merge: who(), ForcePush: force, CodeOwners: truth()})
	}
	p.ProtectedBranches = Known(branches)
	if r.IntN(8) == 0 {
		p.ProtectedBranches = Unknown[[]ProtectedBranch]("403")
	}
	var tags []ProtectedTag
	for range r.IntN(3) {
		tags = append(tags, ProtectedTag{Name: names[r.IntN(len(names))], Create: who()})
	}
	p.ProtectedTags = Known(tags)
	if r.IntN(8) == 0 {
		p.ProtectedTags = Fact[[]ProtectedTag]{}
	}
	p.EmptyRepo = []Fact[bool]{Known(false), Known(false), Known(true), {}}[r.IntN(4)]
	p.Mirror, p.AuthorMayApprove, p.CommittersMayApprove, p.ResetApprovalsOnPush, p.ApprovalRulesOverridable = truth(), truth(), truth(), truth(), truth()
	var rules []ApprovalRule
	for range r.IntN(4) {
		rule := ApprovalRule{Name: "r", Type: []string{"any_approver", "regular", "report_approver", "code_owner"}[r.IntN(4)], Required: []int{0, 1, 2, 3, 150}[r.IntN(5)], Branches: Branches(r.IntN(3))}
		if rule.Branches == NamedBranches {
			rule.Named = []string{names[r.IntN(len(names))]}
		}
		if r.IntN(3) > 0 {
			rule.Approvers = Known([]int64{1, 2, 3}[:r.IntN(4)])
		}
		rules = append(rules, rule)
	}
	p.ApprovalRules = []Fact[[]ApprovalRule]{Known(rules), Known(rules), Known(rules), Absent[[]ApprovalRule]("free"), {}}[r.IntN(5)]
	p.PipelineVariables = []Fact[Level]{Known(NoAccess), Known(Developer), Known(Maintainer), {}}[r.IntN(4)]
	p.PushRule = []Fact[PushRule]{{}, Absent[PushRule]("free"), Known(PushRule{Set: true, BranchName: "^feature"})}[r.IntN(3)]
	return p
}

var someRefs = []string{"main", "release", "rel", "release/1", "ab", "axxb", "man", "mean", "dev", "v1"}

// TestDoorAgreesWithGaps: of every ref the condition keys say what the gaps say of
// all refs, whatever the facts.
func TestDoorAgreesWithGaps(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	known := 0
	for range 40 {
		p := randomProject(r)
		there := *p
		there.PushRule = Absent[PushRule]("the ref is there")
		w := regular.NewWork(1 << 22)
		for _, kind := range []RefKind{Branch, Tag, MergeRequest} {
			for _, k := range doorKeys {
				surely, perhaps := map[int]regular.Language{}, map[int]regular.Language{}
				for n := 1; n <= 4; n++ {
					surely[n], perhaps[n] = there.brokenRefs(w, kind, Requirement{Kind: k.kind, Count: n})
				}
				surely[5], perhaps[5] = there.brokenRefs(w, kind, Requirement{Kind: k.kind, Count: MostApprovals})
				cases, unknown := p.DoorCases(w, kind, DoorPrefix+k.name)
				for _, ref := range someRefs {
					if kind == Tag && ref == "main" {
						continue // no tag is called like the default branch
					}
					got := doorOf(p, kind, ref)[k.name]
					if want := byGaps(k, surely, perhaps, ref); got != want {
						t.Fatalf("%s of %v %s is %s, and the gaps say %s\n%+v", k.name, kind, ref, got, want, p)
					}
					if want := byCases(t, cases, unknown, ref); got != want {
						t.Fatalf("%s of %v %s is %s, and the cases say %s\n%+v", k.name, kind, ref, got, want, p)
					}
					if got != "?" {
						known++
					}
				}
			}
		}
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
	}
	if known < 3000 {
		t.Errorf("only %d answers are known", known)
	}
}

func byGaps(k doorKey, surely, perhaps map[int]regular.Language, ref string) string {
	if k.kind != Reviewed {
		switch {
		case surely[1].Contains(ref):
			return k.broken
		case perhaps[1].Contains(ref):
			return "?"
		}
		return k.met
	}
	for n := 1; n <= 5; n++ {
		switch {
		case surely[n].Contains(ref) && n == 5:
			return "4+"
		case surely[n].Contains(ref):
			return strconv.Itoa(n - 1)
		case perhaps[n].Contains(ref):
			return "?"
		}
	}
	return strconv.Itoa(MostApprovals)
}

func byCases(t *testing.T, cases []DoorCase, unknown regular.Language, ref string) string {
	t.Helper()
	var in []string
	for _, c := range cases {
		if c.Refs.Contains(ref) {
			in = append(in, c.Value)
		}
	}
	if unknown.Contains(ref) {
		in = append(in, "?")
	}
	if len(in) != 1 {
		t.Fatalf("%s is in the cases %q", ref, in)
	}
	return in[0]
}

func TestMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := func(alphabet string) string {
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	w, matched := regular.NewWork(1<<22), 0
	for range 5000 {
		name, ref := text("ab*/?"), text("ab/")
		want := matching(w, name).Contains(ref)
		if Matches(name, ref) != want {
			t.Fatalf("%q matches %q: %v", name, ref, !want)
		}
		if want {
			matched++
		}
	}
	if matched < 100 {
		t.Error(matched)
	}
}

func BenchmarkDoor(b *testing.B) {
	p := &Project{}
	var rules []ProtectedBranch
	for i := range 100 {
		rules = append(rules, ProtectedBranch{Name: fmt.Sprintf("release/%d/*", i), Push: Known([]Access{})})
	}
	p.ProtectedBranches = Known(rules)
	for b.Loop() {
		p.Door(Branch, "release/50/x")
	}
}
