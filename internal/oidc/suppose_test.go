package oidc_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
)

// TestSuppose: what Verify believes is supposed to say the same, and what it does
// not believe for other reasons than the signature, the times and jti is refused
// for the same reason.
func TestSuppose(t *testing.T) {
	w := newWorld(t)
	job := map[string]any{"sub": "project_path:acme/web:ref_type:branch:ref:main", "project_id": "20", "pipeline_id": "574", "job_id": "302", "ref": "main", "groups_direct": []string{"a", "b"}, "n": 7, "b": true,
		"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Team": []string{"a"}}, "transitive_tag_keys": []string{"Team"}}, "https://aws.amazon.com/source_identity": "somebody"}
	for _, gitlab := range []bool{false, true} {
		w.settings = oidc.Settings{GitLab: gitlab, LoginClientIDs: []string{login}}
		for name, changes := range map[string]map[string]any{
			"a workload": {}, "a job": job, "a person": {"aud": login, "sub": "7"}, "another audience": {"aud": "other"}, "two audiences": {"aud": []string{audience, login}}, "an audience that is null": {"aud": nil}, "an empty sub": {"sub": ""},
			"a sub that is no string": {"sub": 7}, "two claims but for case": {"Ref": "x", "ref": "y"}, "a party that is not accepted": {"azp": "other"}, "tags of another form": {"https://aws.amazon.com/tags": "x"},
			"a job with the audience of people": with(map[string]any{"aud": login, "sub": job["sub"], "project_id": "20", "pipeline_id": "574", "job_id": "302"}), "a sub that contradicts": {"sub": job["sub"], "project_id": "20", "pipeline_id": "574", "job_id": "302", "ref": "dev"},
		} {
			u, err := jwt.Parse(w.issuer.Token(with(changes)))
			if err != nil {
				t.Fatal(err)
			}
			supposed, refused, err := oidc.Suppose(w.provider, w.settings, u.UnverifiedClaims())
			claims, verr := w.verify(t, w.issuer.Token(with(changes)), now)
			want, rejected := errors.AsType[*oidc.RejectedError](verr)
			switch {
			case !rejected:
				if err != nil || len(refused) > 0 || supposed.Subject() != claims.Subject() || supposed.IsPerson() != claims.IsPerson() || supposed.SourceIdentity() != claims.SourceIdentity() || supposed.Text("ref") != claims.Text("ref") ||
					!cmp.Equal(supposed.SessionTags(), claims.SessionTags()) || !cmp.Equal(supposed.TransitiveTagKeys(), claims.TransitiveTagKeys()) {
					t.Errorf("%s: %+v %v %v", name, supposed, refused, err)
				}
				a, b := maps.Collect(supposed.ConditionKeys("p")), maps.Collect(claims.ConditionKeys("p"))
				for _, drawn := range []string{"p:jti", "p:iat", "p:nbf", "p:exp"} {
					delete(a, drawn)
					delete(b, drawn)
				}
				if d := cmp.Diff(b, a); d != "" {
					t.Errorf("%s: %s", name, d)
				}
			case err != nil:
				if got, ok := errors.AsType[*oidc.RejectedError](err); !ok || got.Reason != want.Reason {
					t.Errorf("%s: %v, Verify says %v", name, err, verr)
				}
			case len(refused) == 0 || refused[0].Reason != want.Reason:
				t.Errorf("%s: %v, Verify says %v", name, refused, verr)
			}
		}
	}
	u, err := jwt.Parse(w.issuer.Token(with(map[string]any{"iss": "https://other.example"})))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []oidc.Provider{w.provider, {}, {URL: "https://other.example/"}} {
		if got, refused, err := oidc.Suppose(p, w.settings, u.UnverifiedClaims()); err == nil || refused != nil || got.Subject() != "" {
			t.Errorf("%s: %+v %v", p.URL, got, refused)
		}
	}
}
