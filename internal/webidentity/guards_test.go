package webidentity

import (
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
)

// TestCheckGuards: a trust policy asks what GitLab enforces in ways that let nobody
// in where nobody knows, or it is not saved.
func TestCheckGuards(t *testing.T) {
	const web = `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"},`
	deny := func(conditions string) string {
		return allow(web[:len(web)-1]) + `,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{` + conditions + `}}`
	}
	for _, tt := range []struct{ statements, want string }{
		{allow(web + `"Bool":{"mayfly:guard/protected":"true"}`), ""},
		{allow(web + `"Bool":{"MAYFLY:Guard/Protected":"true","mayfly:guard/direct-push":"false"},"NumericGreaterThanEquals":{"mayfly:guard/approvals":"2"}`), ""},
		{allow(web + `"ForAnyValue:StringEquals":{"mayfly:guard/code-owners":"true"},"NumericGreaterThan":{"mayfly:guard/approvals":1}`), ""},
		{allow(web[:len(web)-1]), ""},
		{allow(`"StringLike":{"gitlab.example:sub":"project_path:acme/*"},"Bool":{"mayfly:guard/protected":"true"}`), ""},
		{allow(`"StringEquals":{"gitlab.example:project_id":"20"},"Bool":{"mayfly:guard/protected":"true"}`), ""},
		{deny(`"Bool":{"mayfly:guard/protected":"false"}`), ""},
		{allow(web + `"Bool":{"mayfly:guard/protectd":"true"}`), "asks about mayfly:guard/protectd, and there is no such condition key: there are mayfly:guard/protected,"},
		{allow(web + `"Bool":{"mayfly:guard/":"true"}`), "no such condition key"},
		{deny(`"Bool":{"mayfly:guard/force":"true"}`), "no such condition key"},
		{allow(web + `"BoolIfExists":{"mayfly:guard/protected":"true"}`), "with BoolIfExists: say what it must be"},
		{allow(web + `"StringNotEquals":{"mayfly:guard/protected":"false"}`), "with StringNotEquals"},
		{allow(web + `"ForAllValues:StringEquals":{"mayfly:guard/protected":"true"}`), "with ForAllValues:StringEquals"},
		{allow(web + `"NumericNotEquals":{"mayfly:guard/approvals":"0"}`), "with NumericNotEquals"},
		{allow(web + `"Null":{"mayfly:guard/protected":"false"}`), "with Null"},
		{deny(`"StringNotEquals":{"mayfly:guard/protected":"true"}`), "with StringNotEquals"},
		{allow(web + `"Bool":{"mayfly:guard/approvals":"true"}`), "use NumericGreaterThanEquals"},
		{allow(web + `"NumericEquals":{"mayfly:guard/protected":"1"}`), "use Bool"},
		{allow(web + `"StringLike":{"mayfly:guard/protected":"*"}`), "use Bool"},
		{allow(web + `"StringLike":{"gitlab.example:ref_protected":"${mayfly:guard/protected}"}`), "compares with ${mayfly:guard/protected}"},
		{allow(`"Bool":{"mayfly:guard/protected":"true"}`), "without saying of whose projects"},
		{allow(`"StringLike":{"gitlab.example:sub":"project_path:*/web:*"},"Bool":{"mayfly:guard/protected":"true"}`), "without saying of whose projects"},
		{allow(`"StringLike":{"gitlab.example:sub":["project_path:acme/web:*","project_path:ac*"]},"Bool":{"mayfly:guard/protected":"true"}`), "without saying of whose projects"},
		{allow(`"StringNotLike":{"gitlab.example:sub":"project_path:evil/*"},"Bool":{"mayfly:guard/protected":"true"}`), "without saying of whose projects"},
		{allow(`"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main"},"Bool":{"mayfly:guard/protected":"true"}`), "without saying of whose projects"},
		{`{"Effect":"Allow","Principal":"*","Action":"sts:*","Condition":{` + web + `"Bool":{"mayfly:guard/protected":"true"}}}`, "name one identity provider"},
		{`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"Bool":{"mayfly:guard/protected":"true"}}}`, "name one identity provider"},
	} {
		err := CheckGuards(trustOf(t, tt.statements))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\n%v, want %q", tt.statements, err, tt.want)
		}
	}
}

// TestJobOf: what a token is of, as far as guards are concerned; where it does not
// say, nobody guesses.
func TestJobOf(t *testing.T) {
	p := &guard.Project{Path: "acme/web", ProtectedBranches: guard.Known([]guard.ProtectedBranch{{Name: "main", Push: guard.Known([]guard.Access{}), Merge: guard.Known([]guard.Access{})}}),
		ProtectedTags: guard.Known([]guard.ProtectedTag{{Name: "v*"}}), Mirror: guard.Known(false)}
	for _, tt := range []struct {
		name      string
		claims    map[string]any
		protected string
		direct    string
	}{
		{"a branch", web(), "true", "false"},
		{"another branch", on("dev"), "false", "true"},
		{"a tag", tag("v1"), "true", "?"},
		{"a tag that is called like the branch", tag("main"), "false", "true"},
		{"a merge request from the branch", with(map[string]any{"pipeline_source": "merge_request_event"}), "true", "true"},
		{"another's merge request", with(map[string]any{"pipeline_source": "external_pull_request_event"}), "true", "true"},
		{"a child pipeline, of the branch or a merge request", with(map[string]any{"pipeline_source": "parent_pipeline"}), "true", "?"},
		{"a child pipeline of a tag", with(map[string]any{"pipeline_source": "parent_pipeline", "ref_type": "tag", "ref": "v1", "sub": "project_path:acme/web:ref_type:tag:ref:v1"}), "true", "?"},
		{"no source", with(map[string]any{"pipeline_source": nil}), "?", "?"},
		{"no ref", with(map[string]any{"ref": nil}), "?", "?"},
		{"no type", with(map[string]any{"ref_type": nil}), "?", "?"},
		{"another type", with(map[string]any{"ref_type": "merge_request"}), "?", "?"},
		{"no project", with(map[string]any{"project_id": nil}), "?", "?"},
		{"no number", with(map[string]any{"project_id": "-20"}), "?", "?"},
		{"a fork's, run in its parent", with(map[string]any{"job_project_id": "21"}), "?", "?"},
		{"run in its own project", with(map[string]any{"job_project_id": "20"}), "true", "false"},
	} {
		keys := guardKeys(t, tt.claims, Guards{Project: p})
		if got := said(keys, "protected"); got != tt.protected {
			t.Errorf("%s: protected is %s", tt.name, got)
		}
		if got := said(keys, "direct-push"); got != tt.direct {
			t.Errorf("%s: direct-push is %s", tt.name, got)
		}
		if got := said(keys, "nonesuch"); got != "?" {
			t.Errorf("%s: a key that there is not is %s", tt.name, got)
		}
	}
	if got := said(guardKeys(t, web(), Guards{Why: "nobody looks"}), "protected"); got != "?" {
		t.Error(got)
	}
}

func guardKeys(t *testing.T, claims map[string]any, g Guards) policy.Context {
	t.Helper()
	var b policy.ContextBuilder
	GuardKeys(&b, trustOf(t, allow(`"Bool":{"mayfly:guard/protected":"true","mayfly:guard/direct-push":"false","mayfly:guard/nonesuch":"true"}`)), suppose(t, oidc.Settings{}, claims), g)
	keys, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func said(keys policy.Context, name string) string {
	if keys.Unanswered(guard.DoorPrefix+name) != "" {
		return "?"
	}
	values, _, _ := keys.Values(guard.DoorPrefix + name)
	return strings.Join(values, ",")
}

// TestWantsGuards: GitLab is asked only where it would decide, and only for the
// role's own projects.
func TestWantsGuards(t *testing.T) {
	const own = `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`
	guarded, plain := allow(own+`,"Bool":{"mayfly:guard/protected":"true"}`), allow(own)
	deny := `,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"Bool":{"mayfly:guard/protected":"false"}}}`
	for _, tt := range []struct {
		name, statements string
		claims           map[string]any
		want             bool
	}{
		{"all else holds", guarded, web(), true},
		{"another branch", guarded, on("dev"), false},
		{"another project", guarded, with(map[string]any{"sub": "project_path:acme/api:ref_type:branch:ref:main"}), false},
		{"another statement lets it in", guarded + "," + plain, web(), false},
		{"a statement that denies for it", plain + deny, web(), true},
		{"a statement that denies for it, and another branch", plain + deny, on("dev"), false},
		{"a statement that denies in any case", guarded + `,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"gitlab.example:ref":"main"}}}`, web(), false},
		{"anybody's project", allow(`"StringLike":{"gitlab.example:sub":"project_path:*"},"Bool":{"mayfly:guard/protected":"true"}`), web(), false},
		{"no statement asks", allow(`"StringEquals":{"gitlab.example:ref":"x"}`), web(), false},
		{"another condition is not met", allow(own + `,"Bool":{"mayfly:guard/protected":"true"},"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`), web(), false},
	} {
		trust := trustOf(t, tt.statements)
		claims := suppose(t, oidc.Settings{}, tt.claims)
		var b policy.ContextBuilder
		ClaimKeys(&b, provider, claims)
		b.Set("aws:SourceIp", "192.0.2.7")
		GuardKeys(&b, trust, claims, Guards{Why: "nobody was asked"})
		keys, err := b.Context()
		if err != nil {
			t.Fatal(err)
		}
		a := Question{Trust: trust, Account: account, Provider: provider, Claims: claims, Keys: keys}.Ask()
		if got := a.WantsGuards(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
