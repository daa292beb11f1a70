package prove

import (
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

const facts = `mayfly-facts: 1
gitlab: https://gitlab.example.com
version: 19.1.0-ee
tier: premium
projects:
  - path: acme/web
    id: 7
    namespace_id: 70
    tier: premium
    default_branch: main
    visibility: private
    mirror: false
    push_rule: none
    fork_pipelines_in_parent: true
    sub_claim_components: [project_path, ref_type, ref]
    protect_merge_request_pipelines: true
    pipeline_variables: maintainer
    author_may_approve: false
    approval_rules_overridable: false
    approval_rules:
      - {name: Two, type: any_approver, required: 1, branches: protected}
    protected_branches:
      - {name: production, push: no one, merge: maintainer, force_push: false}
    protected_tags: none
    protected_environments: none
    group_protected_environments: none
`

func TestCheckSmoke(t *testing.T) {
	f, err := guard.Decode([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{
		`{"StringEquals":{"gitlab.example.com:sub":"project_path:acme/web:ref_type:branch:ref:production","gitlab.example.com:project_id":"7","gitlab.example.com:pipeline_source":"push"}}`,
		`{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:ref_type:branch:ref:production*"}}`,
		`{"StringLike":{"gitlab.example.com:sub":"project_path:acme/*"}}`,
		`{"StringEquals":{"gitlab.example.com:aud":"x"}}`,
	} {
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+gitlab.String()+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":`+c+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		w := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f})
		t.Log("\n" + c + "\n" + w.Check("production-deployer", doc).Text())
	}
}
