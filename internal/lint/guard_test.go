package lint

import (
	"slices"
	"testing"

	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// TestGuards: how what GitLab enforces can be asked in vain.
func TestGuards(t *testing.T) {
	for _, tt := range []struct {
		condition string
		realm     prove.Realm
		want      []string
	}{
		{`"Bool":{"mayfly:guard/protected":"true"},"NumericGreaterThanEquals":{"mayfly:guard/approvals":"1"}`, prove.Mayfly, nil},
		{`"Bool":{"Mayfly:Guard/Protected":"true"}`, prove.Mayfly, nil},
		{`"BoolIfExists":{"mayfly:guard/protected":"true"}`, prove.Mayfly, []string{"open-operator"}},
		{`"StringNotEquals":{"mayfly:guard/direct-push":"true"}`, prove.Mayfly, []string{"open-operator"}},
		{`"ForAllValues:StringEquals":{"mayfly:guard/direct-push":"false"}`, prove.Mayfly, []string{"open-operator"}},
		{`"Null":{"mayfly:guard/direct-push":"true"}`, prove.Mayfly, []string{"matches-nothing", "open-operator"}},
		{`"Bool":{"mayfly:guard/protectd":"true"}`, prove.Mayfly, []string{"matches-nothing", "no-such-guard"}},
		{`"Bool":{"mayfly:guard/protected":"true"}`, prove.AWS, []string{"never-filled"}},
		{`"BoolIfExists":{"mayfly:guard/protected":"true"}`, prove.AWS, []string{"open-operator"}},
	} {
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity",
			"Condition":{"ForAnyValue:StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main","gitlab.com:project_id":"7","gitlab.com:pipeline_source":"push"},`+tt.condition+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range Check(doc, Options{Realm: tt.realm}) {
			got = append(got, r.Rule)
			if r.Line != 2 && r.Rule != "matches-nothing" || r.Fix == "" {
				t.Errorf("%+v", r)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.condition, got, tt.want)
		}
	}
}
