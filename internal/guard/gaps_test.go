package guard

import (
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/regular"
)

// at is what stands open at a ref: each gap's guard, with a ? where nobody knows.
func at(t *testing.T, p *Project, kind RefKind, require, ref string) string {
	t.Helper()
	requirements, err := ParseRequirements(require)
	if err != nil {
		t.Fatal(err)
	}
	w := regular.NewWork(1 << 20)
	var open []string
	for _, g := range p.Gaps(w, kind, requirements) {
		switch name := string(g.Guard); {
		case !g.Refs.Contains(ref):
		case g.Why == "" || len(g.Breaks) == 0 || g.Surely && (g.Who == "" || g.Does == "" || g.Fix == ""):
			t.Errorf("%s does not say all that is to be said: %+v", name, g)
		case g.Surely:
			open = append(open, name)
		default:
			open = append(open, name+"?")
		}
	}
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	slices.Sort(open)
	return strings.Join(slices.Compact(open), " ")
}

// settledKeys are all settings as they should be.
var settledKeys = []string{
	"tier: premium", "mirror: false", "push_rule: none", "approval_rules_overridable: false", "author_may_approve: false", "committers_may_approve: false", "reset_approvals_on_push: true",
	"approval_rules: [{name: One, type: any_approver, required: 1, branches: protected}]", "protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}]",
	"default_branch: main", "protected_tags: none", "pipeline_variables: maintainer",
}

// settled is a project of which all is as it should be, but for some keys; one
// with a minus before it is left out.
func settled(t *testing.T, keys ...string) *Project {
	t.Helper()
	all := slices.Clone(keys)
	for _, line := range settledKeys {
		name, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, name+":") || k == "-"+name }) {
			all = append(all, line)
		}
	}
	return project(t, slices.DeleteFunc(all, func(k string) bool { return strings.HasPrefix(k, "-") })...)
}

func branchRules(rules ...string) string {
	return "protected_branches: [" + strings.Join(rules, ", ") + "]"
}

// TestBranchGaps: each thing that stands open, and its neighbours that do not.
func TestBranchGaps(t *testing.T) {
	const (
		all      = "protected,reviewed=1,no-author-approval,no-force-push,no-direct-push"
		releases = "{name: release/*, push: no one, merge: maintainer, force_push: false}"
		lax      = "{name: main, push: maintainer, merge: maintainer, force_push: false}"
		strictly = "{name: main, push: no one, merge: maintainer, force_push: false}"
	)
	for _, tt := range []struct {
		name    string
		keys    []string
		require string
		ref     string
		want    string
	}{
		{"all is as it should be", nil, all, "main", ""},
		{"another branch", nil, all, "main2", "branch-protection"},
		{"the branch in other letters", nil, all, "Main", "branch-protection"},
		{"protection is not asked for", nil, "no-variable-override", "dev", ""},
		{"no rules at all", []string{"protected_branches: none"}, all, "main", "branch-protection"},
		{"rules that nobody has read", []string{"-protected_branches"}, all, "main", "branch-protection?"},
		{"a wildcard rule", []string{branchRules("{name: release/*, push: no one, merge: maintainer, force_push: false}")}, all, "release/", ""},
		{"its neighbour", []string{branchRules("{name: release/*, push: no one, merge: maintainer, force_push: false}")}, all, "release", "branch-protection"},
		{"a star in the middle takes nothing too", []string{branchRules("{name: re*se, push: no one, merge: maintainer, force_push: false}")}, all, "rese", ""},
		{"a question mark is none", []string{branchRules("{name: 'mai?', push: no one, merge: maintainer, force_push: false}")}, all, "main", "branch-protection"},

		{"developers push", []string{branchRules("{name: main, push: developer, merge: developer, force_push: false}")}, all, "main", "push-levels"},
		{"a strict rule beside a lax one", []string{branchRules("{name: main, push: no one, merge: maintainer, force_push: false}", "{name: m*, push: maintainer, merge: maintainer, force_push: false}")}, all, "main", "push-levels"},
		{"the lax one is for others", []string{branchRules("{name: main, push: no one, merge: maintainer, force_push: false}", "{name: n*, push: maintainer, merge: maintainer, force_push: false}")}, all, "main", ""},
		{"no one, and a deploy key", []string{branchRules("{name: main, push: [no one, deploy key 3], merge: maintainer, force_push: false}")}, all, "main", "push-levels"},
		{"no one twice", []string{branchRules("{name: main, push: [no one, no one], merge: maintainer, force_push: false}")}, all, "main", ""},
		{"one user", []string{branchRules("{name: main, push: user 12, merge: maintainer, force_push: false}")}, all, "main", "push-levels"},
		{"who pushes is not known", []string{branchRules("{name: main, merge: maintainer, force_push: false}")}, all, "main", "push-levels?"},
		{"pushing is not asked about", []string{branchRules("{name: main, push: developer, merge: developer, force_push: false}")}, "protected", "main", ""},
		{"pushes are no reviews", []string{branchRules("{name: main, push: maintainer, merge: maintainer, force_push: false}")}, "reviewed=1", "main", "push-levels"},

		{"force push", []string{branchRules("{name: main, push: maintainer, merge: maintainer, force_push: true}")}, "no-force-push", "main", "force-pushes"},
		{"force push for nobody who pushes", []string{branchRules("{name: main, push: no one, merge: maintainer, force_push: true}")}, "no-force-push", "main", ""},
		{"force push of one rule, pushing of another", []string{branchRules("{name: main, push: maintainer, merge: maintainer, force_push: false}", "{name: '*', push: no one, merge: no one, force_push: true}")}, "no-force-push", "main", "force-pushes"},
		{"and where they do not meet", []string{branchRules("{name: main, push: maintainer, merge: maintainer, force_push: false}", "{name: 'n*', push: no one, merge: no one, force_push: true}")}, "no-force-push", "main", ""},
		{"force push is not known", []string{branchRules("{name: main, push: maintainer, merge: maintainer}")}, "no-force-push", "main", "force-pushes?"},
		{"not known, and nobody pushes", []string{branchRules("{name: main, push: no one, merge: maintainer}")}, "no-force-push", "main", ""},
		{"force push, who pushes is not known", []string{branchRules("{name: main, merge: maintainer, force_push: true}")}, "no-force-push", "main", "force-pushes?"},

		{"an empty repository", []string{"empty_repo: true"}, all, "main", "push-levels"},
		{"an empty repository, of whose first push nothing is asked", []string{"empty_repo: true"}, "protected,no-force-push", "main", ""},
		{"a repository with a commit", []string{"empty_repo: false"}, all, "main", ""},

		{"a mirror", []string{"mirror: true"}, "no-direct-push", "main", "pull-mirroring"},
		{"perhaps a mirror", []string{"-mirror"}, "no-direct-push", "main", "pull-mirroring?"},
		{"a mirror is no matter of protection", []string{"mirror: true"}, "protected", "main", ""},

		{"no approval rule", []string{"approval_rules: none"}, "reviewed=1", "main", "approvals"},
		{"rules that nobody has read", []string{"-approval_rules"}, "reviewed=1", "main", "approvals?"},
		{"one where two are asked", nil, "reviewed=2", "main", "approvals"},
		{"two rules of one are not two", []string{"approval_rules: [{name: A, type: any_approver, required: 1, branches: every}, {name: B, type: any_approver, required: 1, branches: every}]"}, "reviewed=2", "main", "approvals"},
		{"a rule for every branch", []string{"approval_rules: [{name: A, type: any_approver, required: 2, branches: every}]"}, "reviewed=2", "main", ""},
		{"a rule for the branch", []string{"approval_rules: [{name: A, type: any_approver, required: 1, branches: [main]}]"}, "reviewed=1", "main", ""},
		{"a rule for another", []string{"approval_rules: [{name: A, type: any_approver, required: 1, branches: [maint]}]"}, "reviewed=1", "main", "approvals"},
		{"a rule for the wildcard's branches", []string{"approval_rules: [{name: A, type: any_approver, required: 1, branches: [m*]}]"}, "reviewed=1", "main", ""},
		{"code owners' rules are not counted", []string{"approval_rules: [{name: A, type: code_owner, required: 1, branches: every}]"}, "reviewed=1", "main", "approvals"},
		{"scanners' are not either", []string{"approval_rules: [{name: A, type: report_approver, required: 1, branches: every}]"}, "reviewed=1", "main", "approvals"},
		{"more approvers than it needs", []string{"approval_rules: [{name: A, type: regular, required: 1, branches: every, approvers: [11, 12]}]"}, "reviewed=1", "main", ""},
		{"as many: one may be the author", []string{"approval_rules: [{name: A, type: regular, required: 2, branches: every, approvers: [11, 12]}]"}, "reviewed=2", "main", "approvals"},
		{"as many, and authors may", []string{"approval_rules: [{name: A, type: regular, required: 2, branches: every, approvers: [11, 12]}]", "author_may_approve: true"}, "reviewed=2", "main", ""},
		{"as many, and who knows of authors", []string{"approval_rules: [{name: A, type: regular, required: 2, branches: every, approvers: [11, 12]}]", "-author_may_approve"}, "reviewed=2", "main", "approvals?"},
		{"fewer than it needs", []string{"approval_rules: [{name: A, type: regular, required: 3, branches: every, approvers: [11, 12]}]", "author_may_approve: true"}, "reviewed=1", "main", "approvals"},
		{"its approvers are not known", []string{"approval_rules: [{name: A, type: regular, required: 1, branches: every}]"}, "reviewed=1", "main", "approvals?"},
		{"not known, and another rule will do", []string{"approval_rules: [{name: A, type: regular, required: 1, branches: every}, {name: B, type: any_approver, required: 1, branches: every}]"}, "reviewed=1", "main", ""},
		{"rules can be taken away", []string{"approval_rules_overridable: true"}, "reviewed=1", "main", "approval-overrides"},
		{"perhaps they can", []string{"-approval_rules_overridable"}, "reviewed=1", "main", "approval-overrides?"},
		{"nobody merges, nobody pushes", []string{"approval_rules: none", branchRules("{name: main, push: no one, merge: no one, force_push: false}")}, all, "main", ""},
		{"perhaps somebody merges", []string{"approval_rules: none", branchRules("{name: main, push: no one, force_push: false}")}, "reviewed=1", "main", "approvals?"},

		{"authors approve", []string{"author_may_approve: true"}, "no-author-approval", "main", "author-approval"},
		{"perhaps they do", []string{"-author_may_approve"}, "no-author-approval", "main", "author-approval?"},
		{"committers approve", []string{"committers_may_approve: true"}, "no-committer-approval", "main", "committer-approval"},
		{"committers are not asked about", []string{"committers_may_approve: true"}, all, "main", ""},
		{"approvals stay", []string{"reset_approvals_on_push: false"}, "reset-approvals", "main", "approval-reset"},
		{"approvals go", nil, "reset-approvals,no-committer-approval", "main", ""},
		{"code owners", []string{branchRules("{name: main, push: no one, merge: maintainer, force_push: false, code_owners: true}")}, "code-owners", "main", ""},
		{"no code owners", []string{branchRules("{name: main, push: no one, merge: maintainer, force_push: false, code_owners: false}")}, "code-owners", "main", "code-owner-approval"},
		{"one rule of two asks them", []string{branchRules("{name: main, push: no one, merge: maintainer, code_owners: false}", "{name: '*', push: no one, merge: no one, code_owners: true}")}, "code-owners", "main", ""},
		{"perhaps, and surely", []string{branchRules("{name: main, push: no one, merge: maintainer}", "{name: '*', push: no one, merge: no one, code_owners: true}")}, "code-owners", "main", ""},
		{"perhaps", []string{branchRules("{name: main, push: no one, merge: maintainer}")}, "code-owners", "main", "code-owner-approval?"},

		{"created from a branch that Maintainers push to", []string{branchRules(releases, lax)}, "no-direct-push", "release/1", "branch-creation"},
		{"and so reviewed by nobody", []string{branchRules(releases, lax)}, "reviewed=1", "release/1", "branch-creation"},
		{"that is protection still", []string{branchRules(releases, lax)}, "protected,no-force-push", "release/1", ""},
		{"created from branches as good", []string{branchRules(releases, strictly)}, all, "release/1", ""},
		{"a branch that a rule names is there", []string{branchRules(releases, lax, strings.Replace(releases, "release/*", "release/1", 1))}, all, "release/1", ""},
		{"so is the default branch", []string{branchRules(releases, lax), "default_branch: release/1"}, all, "release/1", ""},
		{"which nobody knows", []string{branchRules(releases, lax), "-default_branch"}, "no-direct-push", "release/1", "branch-creation?"},
		{"by nobody", []string{branchRules(strings.Replace(releases, "maintainer", "no one", 1), lax)}, all, "release/1", ""},
		{"perhaps by somebody", []string{branchRules(strings.Replace(releases, "merge: maintainer, ", "", 1), lax)}, "no-direct-push", "release/1", "branch-creation?"},
		{"from one that perhaps somebody pushes to", []string{branchRules(releases, strings.Replace(lax, "push: maintainer, ", "", 1))}, "no-direct-push", "release/1", "branch-creation?"},
		{"a rule for some of them", []string{branchRules(strings.Replace(releases, "no one", "maintainer", 1), strings.Replace(releases, "release/*", "'*'", 1))}, "no-direct-push", "dev", "branch-creation"},
		{"from one without approvals", []string{branchRules(releases, strictly), "approval_rules: [{name: A, type: any_approver, required: 1, branches: [release/*]}]"}, all, "release/1", "branch-creation"},
		{"from one with fewer", []string{branchRules(releases, strictly), "approval_rules: [{name: A, type: any_approver, required: 2, branches: [release/*]}, {name: B, type: any_approver, required: 1, branches: every}]"}, "reviewed=2", "release/1", "branch-creation"},
		{"with as many as are asked", []string{branchRules(releases, strictly), "approval_rules: [{name: A, type: any_approver, required: 2, branches: [release/*]}, {name: B, type: any_approver, required: 1, branches: every}]"}, "reviewed=1", "release/1", ""},
		{"from one without code owners", []string{branchRules(strings.Replace(releases, "}", ", code_owners: true}", 1), strings.Replace(strictly, "}", ", code_owners: false}", 1))}, "code-owners", "release/1", "branch-creation"},
		{"where the push rule refuses the name", []string{branchRules(releases, lax), "push_rule: {branch_name: ^main$}"}, "no-direct-push", "release/1", ""},
		{"a rule for names that no branch has", []string{branchRules(releases, strings.Replace(lax, "main", "'a b'", 1))}, all, "release/1", ""},

		{"variables of Developers", []string{"pipeline_variables: developer"}, "no-variable-override", "main", "variable-override"},
		{"variables of no one", []string{"pipeline_variables: no one"}, "no-variable-override", "main", ""},
		{"variables of whom", []string{"-pipeline_variables"}, "no-variable-override", "main", "variable-override?"},

		{"the push rule refuses the name", []string{"push_rule: {branch_name: ^main$}"}, "protected", "dev", ""},
		{"the push rule takes it", []string{"push_rule: {branch_name: ^(main|dev)}"}, "protected", "dev", "branch-protection"},
		{"the push rule is not known", []string{"-push_rule"}, "protected", "dev", "branch-protection?"},
		{"the default branch is never refused", []string{"push_rule: {branch_name: ^x$}", "protected_branches: none"}, "protected", "main", "branch-protection"},
		{"and which is it", []string{"push_rule: {branch_name: ^x$}", "protected_branches: none", "-default_branch"}, "protected", "main", "branch-protection?"},

		{"free: no approvals, known", []string{"tier: free", "-mirror", "-push_rule", "-approval_rules_overridable", "-author_may_approve", "-approval_rules", "-committers_may_approve", "-reset_approvals_on_push"}, all, "main", "approvals author-approval"},
		{"free: what it has, it has", []string{"tier: free", "-mirror", "-push_rule", "-approval_rules_overridable", "-author_may_approve", "-approval_rules", "-committers_may_approve", "-reset_approvals_on_push"}, "protected,no-direct-push,no-force-push", "main", ""},
		{"some tier: nobody knows", []string{"-tier", "-mirror", "-push_rule", "-approval_rules_overridable", "-author_may_approve", "-approval_rules", "-committers_may_approve", "-reset_approvals_on_push"}, "reviewed=1", "main", "approval-overrides? approvals? pull-mirroring?"},
	} {
		if got := at(t, settled(t, tt.keys...), Branch, tt.require, tt.ref); got != tt.want {
			t.Errorf("%s: open at %s is %q, want %q", tt.name, tt.ref, got, tt.want)
		}
	}
}

func TestTagGaps(t *testing.T) {
	const all = "protected,reviewed=1,no-direct-push,no-force-push"
	for _, tt := range []struct {
		name, tags, more, require, ref, want string
	}{
		{"no rules", "protected_tags: none", "", all, "v1", "tag-protection"},
		{"nobody has read them", "-protected_tags", "", all, "v1", "tag-protection?"},
		{"no one creates it", "protected_tags: [{name: v*, create: no one}]", "", all, "v1", ""},
		{"its neighbour", "protected_tags: [{name: v*, create: no one}]", "", all, "w1", "tag-protection"},
		{"Maintainers create it", "protected_tags: [{name: v*, create: maintainer}]", "", all, "v1", "tag-creators"},
		{"that is protection", "protected_tags: [{name: v*, create: maintainer}]", "", "protected,no-force-push", "v1", ""},
		{"another rule lets them", "protected_tags: [{name: v*, create: no one}, {name: v1, create: developer}]", "", all, "v1", "tag-creators"},
		{"who creates it is not known", "protected_tags: [{name: v*}]", "", all, "v1", "tag-creators?"},
		{"no tag is called like the default branch", "protected_tags: none", "", all, "main", ""},
		{"a branch's rule protects no tag", "protected_tags: none", "", all, "release", "tag-protection"},
		{"a mirror brings tags", "protected_tags: [{name: v*, create: no one}]", "mirror: true", all, "v1", "pull-mirroring"},
		{"variables", "protected_tags: [{name: v*, create: no one}]", "pipeline_variables: developer", "no-variable-override", "v1", "variable-override"},
		{"approvals are not of tags", "protected_tags: [{name: v*, create: no one}]", "author_may_approve: true", "no-author-approval,reset-approvals,code-owners", "v1", ""},
	} {
		keys := []string{tt.tags}
		if tt.more != "" {
			keys = append(keys, tt.more)
		}
		if got := at(t, settled(t, keys...), Tag, tt.require, tt.ref); got != tt.want {
			t.Errorf("%s: open at %s is %q, want %q", tt.name, tt.ref, got, tt.want)
		}
	}
}

func TestMergeRequestGaps(t *testing.T) {
	for _, tt := range []struct {
		name          string
		keys          []string
		require, want string
	}{
		{"it runs what nobody has merged", nil, "not-merge-request", "merge-request-pipelines"},
		{"nor reviewed", nil, "reviewed=1", "merge-request-pipelines"},
		{"nor is it kept from who pushes elsewhere", nil, "no-direct-push", "merge-request-pipelines"},
		{"the source branch is protected", nil, "protected", ""},
		{"it is not", []string{"protected_branches: none"}, "protected", "branch-protection"},
		{"its history can be replaced", []string{branchRules("{name: main, push: maintainer, merge: maintainer, force_push: true}")}, "no-force-push", "force-pushes"},
		{"variables", []string{"pipeline_variables: developer"}, "no-variable-override", "variable-override"},
	} {
		if got := at(t, settled(t, tt.keys...), MergeRequest, tt.require, "main"); got != tt.want {
			t.Errorf("%s: open is %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestStanding: what is said to stand stands at every one of the refs.
func TestStanding(t *testing.T) {
	require := Default()
	p := settled(t, branchRules("{name: main, push: no one, merge: maintainer, force_push: false}", "{name: stage, push: developer, merge: developer, force_push: false}"), "protected_tags: [{name: v*, create: no one}]")
	for _, tt := range []struct {
		name string
		kind RefKind
		refs []string
		want string
	}{
		{"strict", Branch, []string{"main"}, `protected by "main"; changed by merge requests alone; merged with 1 or more approvals; authors do not approve their own`},
		{"lax", Branch, []string{"stage"}, `protected by "stage"; its history cannot be replaced; authors do not approve their own`},
		{"both", Branch, []string{"main", "stage"}, `protected by "main", "stage"; its history cannot be replaced; authors do not approve their own`},
		{"one that is not protected", Branch, []string{"main", "dev"}, ``},
		{"tag", Tag, []string{"v1"}, `protected by "v*"; created by no one`},
		{"merge request", MergeRequest, []string{"main"}, ``},
	} {
		w := regular.NewWork(1 << 20)
		got := strings.Join(p.Standing(w, tt.kind, regular.OneOf(tt.refs...), require, p.Gaps(w, tt.kind, require)), "; ")
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
