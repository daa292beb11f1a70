package prove

import (
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

func trust(t *testing.T, conditions ...string) *policy.Document {
	t.Helper()
	text := ""
	for i, c := range conditions {
		if i > 0 {
			text += ","
		}
		text += `{"Effect":"Allow","Principal":{"Federated":"` + gitlab.String() + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":` + c + `}`
	}
	doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+text+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestWhoCanSmoke(t *testing.T) {
	f, _ := guard.Decode([]byte(facts))
	w := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f})
	for _, c := range []string{
		`{"StringLike":{"gitlab.example.com:sub":["project_path:acme/*:ref_type:branch:ref:release/*","project_path:*:ref:main"]},"StringNotEquals":{"gitlab.example.com:pipeline_source":["merge_request_event","web"]}}`,
		`{"StringEquals":{"gitlab.example.com:aud":"x"},"StringNotLikeIfExists":{"gitlab.example.com:environment":"prod*"}}`,
	} {
		list, err := w.WhoCan(trust(t, c))
		for _, a := range list {
			t.Logf("%+v", a)
		}
		t.Log(err)
	}
}

func TestDiffSmoke(t *testing.T) {
	for _, c := range [][2]string{
		{`{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:*"}}`, `{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:ref_type:*:ref:*"}}`},
		{`{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:*"}}`, `{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web*"}}`},
		{`{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web*"}}`, `{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web*"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`},
	} {
		for _, g := range [][]arn.Provider{nil, {gitlab}} {
			d, err := Diff(trust(t, c[0]), trust(t, c[1]), g)
			t.Logf("%s\n%s\n%+v %v", c[0], c[1], d, err)
		}
	}
}
