package webidentity

import (
	"encoding/json"
	"maps"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/strictjson"
)

const account = arn.AccountID("111122223333")

var provider = arn.Provider{Account: account, URL: "gitlab.example"}

var settingsOfGitLab = oidc.Settings{GitLab: true, LoginClientIDs: []string{"login"}}

// web is the claims of a job of acme/web's main.
func web() map[string]any {
	return map[string]any{
		"iss": "https://gitlab.example", "aud": "mayfly", "sub": "project_path:acme/web:ref_type:branch:ref:main",
		"project_id": "20", "project_path": "acme/web", "namespace_id": "72", "namespace_path": "acme", "pipeline_id": "574", "job_id": "302", "pipeline_source": "push",
		"ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main", "ref_protected": "true", "user_id": "1", "user_login": "sample-user", "user_access_level": "developer",
		"runner_environment": "self-hosted", "groups_direct": []string{"a", "b"},
	}
}

// with is a job's claims, changed; nil takes one away.
func with(changes map[string]any) map[string]any {
	claims := web()
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

// tag is a job for a tag.
func tag(name string) map[string]any {
	return with(map[string]any{"ref": name, "ref_type": "tag", "ref_path": "refs/tags/" + name, "sub": "project_path:acme/web:ref_type:tag:ref:" + name})
}

// on is a job on a branch.
func on(branch string) map[string]any {
	return with(map[string]any{"ref": branch, "ref_path": "refs/heads/" + branch, "sub": "project_path:acme/web:ref_type:branch:ref:" + branch})
}

func suppose(t testing.TB, settings oidc.Settings, claims map[string]any) oidc.Supposed {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := strictjson.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	p := oidc.Provider{URL: "https://" + provider.URL, Account: account, ClientIDs: []string{"mayfly", "login"}}
	s, refused, err := oidc.Suppose(p, settings, payload)
	if err != nil || len(refused) > 0 {
		t.Fatal(refused, err)
	}
	return s
}

// allow is an Allow of a web identity of the provider under conditions.
func allow(conditions string) string {
	return `{"Effect":"Allow","Principal":{"Federated":"` + provider.String() + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{` + conditions + `}}`
}

func trustOf(t testing.TB, statements string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ask asks a trust policy of some statements.
func ask(t testing.TB, statements string, claims map[string]any) Answer {
	t.Helper()
	return askAs(t, oidc.Settings{}, statements, claims)
}

func askAs(t testing.TB, settings oidc.Settings, statements string, claims map[string]any) Answer {
	t.Helper()
	said := suppose(t, settings, claims)
	var b policy.ContextBuilder
	ClaimKeys(&b, provider, said)
	b.Set("aws:SourceIp", "192.0.2.7")
	SessionKeys(&b, "run-1", 0, said.SourceIdentity(), Tags(said))
	keys, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return Question{Trust: trustOf(t, statements), Role: "arn:aws:iam::111122223333:role/r", Account: account, Provider: provider, Claims: said, LoginClientIDs: settings.LoginClientIDs, Keys: keys}.Ask()
}
