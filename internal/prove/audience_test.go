package prove

import (
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
)

// TestSeveralAudiences: what a statement asks of aud that no single audience is may
// be true of several.
func TestSeveralAudiences(t *testing.T) {
	const (
		any       = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:*"}`
		protected = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:production"}`
		both      = `,"ForAnyValue:StringEquals":{"$:aud":"sts"},"ForAnyValue:StringLike":{"$:aud":"login*"}`
		single    = `,"StringEquals":{"$:aud":"sts"},"StringEqualsIgnoreCase":{"$:aud":"login"}`
		deny      = `}},{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringNotLike":{"$:sub":"*:ref:production"},`
	)
	for _, tt := range []struct {
		name, conditions string
		realm            Realm
		audiences        []string
		want             Verdict
	}{
		{"one of each", any + both, Mayfly, nil, Unknown},
		{"one of each, on AWS", any + both, AWS, nil, Unknown},
		{"one of each, at a branch that is protected", protected + both, Mayfly, nil, Proven},
		{"one of each, and it can be the same", any + strings.Replace(both, "login*", "*s", 1), Mayfly, nil, Refuted},
		{"the same, at a branch that is protected", protected + strings.Replace(both, "login*", "*s", 1), Mayfly, nil, Proven},
		{"one of each, and all of them are one", any + both + `,"ForAllValues:StringEquals":{"$:aud":"sts"}`, Mayfly, nil, Proven},
		{"all of them one, and all another", any + `,"ForAllValues:StringEquals":{"$:aud":"sts"},"ForAllValues:StringLike":{"$:aud":"login*"}`, Mayfly, []string{"sts", "login"}, Proven},
		{"one of each, by operators for one value", any + single, Mayfly, nil, Proven},
		{"the same on AWS, of which nobody knows", any + single, AWS, nil, Unknown},
		{"one of each, and none at all", any + both + `,"Null":{"$:aud":"true"}`, Mayfly, nil, Proven},
		{"one that the provider does not accept", any + `,"ForAnyValue:StringEquals":{"$:aud":"other"}`, Mayfly, []string{"sts"}, Unknown},
		{"all that the provider does not accept", any + `,"ForAllValues:StringEquals":{"$:aud":"other"}`, Mayfly, []string{"sts"}, Proven},
		{"one of each, none of them the provider's", any + both + `,"ForAllValues:StringNotEquals":{"$:aud":"web"}`, Mayfly, []string{"web"}, Proven},
		{"nothing is asked", protected, Mayfly, nil, Proven},
		{"one is denied alone", any + deny + `"ForAllValues:StringEquals":{"$:aud":"sts"}`, Mayfly, []string{"sts"}, Unknown},
		{"one is denied with any other", any + deny + `"ForAnyValue:StringEquals":{"$:aud":"sts"}`, Mayfly, []string{"sts"}, Unknown}, // too careful: what a Deny says of several is not read
		{"any but one is denied", protected + deny + `"StringNotEquals":{"$:aud":"sts"}`, Mayfly, []string{"sts"}, Proven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := guard.Decode([]byte(strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1)))
			if err != nil {
				t.Fatal(err)
			}
			require, err := guard.ParseRequirements("protected")
			if err != nil {
				t.Fatal(err)
			}
			doc := parseTrust(t, allowing(tt.conditions))
			r := NewWorld(require, &Issuer{Provider: gitlab, Facts: f, Realm: tt.realm, Audiences: tt.audiences}).Check("r", doc)
			if several := strings.Contains(r.Statements[0].why(), severalAudiences); r.Verdict != tt.want || several != (tt.want == Unknown) {
				t.Errorf("%s, %+v", r.Verdict, r.Statements[0].Findings)
			}
		})
	}
}

func (s StatementReport) why() string {
	var out []string
	for _, f := range s.Findings {
		out = append(out, f.Why)
	}
	return strings.Join(out, "\n")
}
