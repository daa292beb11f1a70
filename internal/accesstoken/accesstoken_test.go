package accesstoken

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/session"
)

// texts are claims that are strings.
type texts map[string]string

func (t texts) Text(name string) string { return t[name] }

func token(claims texts) Token {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s := session.Session{ID: session.ID{1, 2}, RoleID: "AROA1", Name: "acme-web-574-302", Issued: at, Expires: at.Add(DefaultLife), Claims: session.Claims{Issuer: "https://gitlab.example", Subject: "project_path:acme/web:ref_type:branch:ref:main", Audience: "mayfly", ProjectPath: "sealed/other"}}
	who := session.Principal{Session: s, Role: arn.Role{Account: "111122223333", Path: "/ci/", Name: "deployer"}, Account: "111122223333"}
	return Token{Issuer: "https://mayfly.example", Audience: "kubernetes/prod", ID: "4711", Principal: who, Claims: claims}
}

func TestPayload(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(token(texts{"project_path": "acme/web", "ref": "main", "job_id": "302", "user_email": "a@example.com", "iss": "https://other.example", "sub": "other", "aud": "other", "roles": "arn:other", "sid": "other", "jti": "other", "unknown": "x"}).Payload(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"iss": "https://mayfly.example", "sub": "arn:aws:sts::111122223333:assumed-role/deployer/acme-web-574-302", "aud": "kubernetes/prod", "iat": 1795435200.0, "exp": 1795435500.0, "jti": "4711", "client_id": "mayfly",
		"sid": "01020000000000000000000000000000", "roles": []any{"arn:aws:iam::111122223333:role/ci/deployer"}, "federated_issuer": "https://gitlab.example", "federated_subject": "project_path:acme/web:ref_type:branch:ref:main",
		"project_path": "acme/web", "ref": "main", "job_id": "302",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCopied: no claim of an ID token stands in for one of ours, and none says how
// to reach a person.
func TestCopied(t *testing.T) {
	names := Names()
	slices.Sort(names)
	if len(slices.Compact(names)) != len(Names()) {
		t.Error("a claim has two sources")
	}
	for _, name := range []string{"user_email", "user_identities", "groups_direct", "act", "may_act", "scope", "nbf", "cnf"} {
		if slices.Contains(names, name) {
			t.Errorf("%s is copied", name)
		}
	}
	// What a session keeps is in the token too, under the same names.
	kept := session.Claims{ProjectPath: "x", ProjectID: "x", NamespaceID: "x", Ref: "x", RefType: "x", SHA: "x", PipelineID: "x", JobID: "x", UserID: "x", UserLogin: "x", Environment: "x"}
	for name := range kept.All() {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestCheckAudience(t *testing.T) {
	for _, name := range []string{"x", "kubernetes/my-cluster", "https://vault.example.com:8200/v1/", "urn:x-mayfly:a", "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x", "api://AzureADTokenExchange", "a@b", strings.Repeat("a", 255)} {
		if err := CheckAudience(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", " ", "a b", "*", "kubernetes/*", "kubernetes/pro?", "${aws:username}", "a$b", `a"b`, `a\b`, "a\n", "a\x00", "é", "a'b", "<a>", "a|b", strings.Repeat("a", 256)} {
		if CheckAudience(name) == nil {
			t.Errorf("%q is taken", name)
		}
	}
}
