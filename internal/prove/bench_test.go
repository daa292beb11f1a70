package prove_test

import (
	"fmt"
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// benchFacts are so many projects, all guarded as they should be.
func benchFacts(b *testing.B, projects int) *guard.Facts {
	b.Helper()
	var text strings.Builder
	text.WriteString("mayfly-facts: 1\ngitlab: https://gitlab.example.com\ntier: premium\nprojects:\n")
	for i := range projects {
		fmt.Fprintf(&text, `  - path: acme/team-%d/service-%d
    id: %d
    namespace_id: %d
    default_branch: main
    visibility: private
    sub_claim_components: [project_path, ref_type, ref]
    protect_merge_request_pipelines: true
    fork_pipelines_in_parent: false
    pipeline_variables: maintainer
    mirror: false
    author_may_approve: false
    approval_rules_overridable: false
    approval_rules: [{name: Reviewers, type: any_approver, required: 1, branches: protected}]
    push_rule: none
    protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}, {name: release/*, push: no one, merge: maintainer, force_push: false}]
    protected_tags: [{name: v*, create: no one}]
    protected_environments: none
    group_protected_environments: none
`, i/10, i, 1000+i, 10+i/10)
	}
	f, err := guard.Decode([]byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func benchPolicy(b *testing.B, i int, more string) *policy.Document {
	b.Helper()
	doc, err := policy.Parse(policy.Trust, fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringLike":{"gitlab.example.com:sub":"project_path:acme/team-%d/service-%d:ref_type:branch:ref:release/*"},
		"StringEquals":{"gitlab.example.com:project_id":"%d","gitlab.example.com:pipeline_source":["push","web","schedule"]}}}%s]}`, provider.String(), i/10, i, 1000+i, more))
	if err != nil {
		b.Fatal(err)
	}
	return doc
}

// BenchmarkCheck is one role against one project, whose facts are new each time.
func BenchmarkCheck(b *testing.B) {
	facts, doc := benchFacts(b, 1), benchPolicy(b, 0, "")
	for b.Loop() {
		if r := prove.NewWorld(nil, &prove.Issuer{Provider: provider, Facts: facts}).Check("role", doc); r.Verdict != prove.Proven {
			b.Fatalf("%+v", r)
		}
	}
}

// BenchmarkCheckAgain is one more role in a world that is there.
func BenchmarkCheckAgain(b *testing.B) {
	facts, doc := benchFacts(b, 1), benchPolicy(b, 0, "")
	w := prove.NewWorld(nil, &prove.Issuer{Provider: provider, Facts: facts})
	for b.Loop() {
		if r := w.Check("role", doc); r.Verdict != prove.Proven {
			b.Fatalf("%+v", r)
		}
	}
}

// BenchmarkCheckThousand is a thousand roles against a thousand projects.
func BenchmarkCheckThousand(b *testing.B) {
	const n = 1000
	facts := benchFacts(b, n)
	docs := make([]*policy.Document, n)
	for i := range docs {
		docs[i] = benchPolicy(b, i, "")
	}
	for b.Loop() {
		w := prove.NewWorld(nil, &prove.Issuer{Provider: provider, Facts: facts})
		for _, doc := range docs {
			if r := w.Check("role", doc); r.Verdict != prove.Proven {
				b.Fatalf("%+v", r)
			}
		}
	}
}

// BenchmarkManyWildcards is a policy of hundreds of statements with dozens of
// wildcards each.
func BenchmarkManyWildcards(b *testing.B) {
	var more strings.Builder
	for i := range 300 {
		fmt.Fprintf(&more, `,{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.example.com:sub":"project_path:acme/team-0/service-0:ref_type:branch:ref:release/%s%d"},
			"StringEquals":{"gitlab.example.com:project_id":"1000","gitlab.example.com:pipeline_source":"push"}}}`, provider.String(), strings.Repeat("*a", 30), i)
	}
	facts, doc := benchFacts(b, 1), benchPolicy(b, 0, more.String())
	for b.Loop() {
		if r := prove.NewWorld(nil, &prove.Issuer{Provider: provider, Facts: facts}).Check("role", doc); r.Verdict != prove.Proven {
			b.Fatalf("%+v", r)
		}
	}
}
