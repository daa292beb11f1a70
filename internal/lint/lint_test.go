package lint

import (
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

func TestSmoke(t *testing.T) {
	p := arn.Provider{Account: "111122223333", URL: "gitlab.com"}
	for _, c := range []string{
		`{"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:production","gitlab.com:project_id":"7","gitlab.com:pipeline_source":"push"}}`,
		`{"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:*"}}`,
		`{"StringLike":{"gitlab.com:sub":"project_path:acme*"}}`,
		`{"StringLike":{"gitlab.com:sub":"project_path:acme/web*:ref:main"}}`,
		`{"StringLike":{"gitlab.com:sub":"project_path:acme/*:ref:main"}}`,
		`{"StringEquals":{"gitlab.com:aud":"x"}}`,
		`{"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branches:ref:main"}}`,
		`{"StringEquals":{"gitlab.com:sub":"project_id:7:ref_type:branch:ref:main"}}`,
		`{"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"},"StringNotEqualsIfExists":{"gitlab.com:environment":"x"},"StringEquals":{"gitlab.example.com:ref":"x","gitlab.com:user_login":"ann"}}`,
	} {
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+p.String()+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":`+c+`}]}`))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(c)
		for _, r := range Check(doc, Options{}) {
			t.Logf("   %s %s: %s — %s", r.Severity, r.Rule, r.Message, r.Fix)
		}
	}
}
