package prove

import (
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

// checked is the report on a policy of one statement over facts.
func checked(t *testing.T, facts, conditions, require string, realm Realm) Report {
	t.Helper()
	f, err := guard.Decode([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	list, err := guard.ParseRequirements(require)
	if err != nil {
		t.Fatal(err)
	}
	return NewWorld(list, &Issuer{Provider: gitlab, Facts: f, Realm: realm}).Check("r", parseTrust(t, allowing(conditions)))
}

// allowing is a statement that lets in what some conditions take.
func allowing(conditions string) string {
	return `{"Effect":"Allow","Principal":{"Federated":"` + gitlab.String() + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
}

// parseTrust is the trust policy of some statements, in which "$:" begins the keys
// of gitlab's claims.
func parseTrust(t *testing.T, statements string) *policy.Document {
	t.Helper()
	text := strings.ReplaceAll(`{"Version":"2012-10-17","Statement":[`+statements+`]}`, "$:", gitlab.URL+":")
	doc, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		t.Fatal(err, text)
	}
	return doc
}

// TestUnreadVariable: a value that follows what nobody here knows may be any, though
// requests have it.
func TestUnreadVariable(t *testing.T) {
	const sub = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:*"},`
	for conditions, want := range map[string]Verdict{
		sub + `"StringEquals":{"$:ref":"${gitlab.example.com:iat}"}`:                       Unknown,
		sub + `"StringEquals":{"$:ref":"${aws:SourceIp}"}`:                                 Unknown,
		sub + `"StringEquals":{"$:ref":"${gitlab.example.com:later_claim}"}`:               Unknown,
		sub + `"StringEquals":{"$:ref":"production${gitlab.example.com:namespace_path}"}`:  Refuted,
		sub + `"StringEquals":{"$:project_path":"${gitlab.example.com:namespace_path}/w"}`: Proven, // which is known, and another
		sub + `"StringEquals":{"$:ref":"${aws:PrincipalTag/ref}"}`:                         Proven, // no such request has it
	} {
		if r := checked(t, facts, conditions, "protected", Mayfly); r.Verdict != want {
			t.Errorf("%s: %s, want %s, %+v", conditions, r.Verdict, want, r.Statements[0].Findings)
		}
	}
}
