package labgitlab_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mayfly.internal/internal/labgitlab"
)

// The sample of GitLab's documentation (ci/secrets/id_token_authentication),
// retyped. Its world is rebuilt below; what the sample leaves out although
// GitLab always writes it, or what the lab does not issue, is named.
const documentedSample = `{
  "namespace_id": "72", "namespace_path": "my-group",
  "project_id": "20", "project_path": "my-group/my-project",
  "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com",
  "user_identities": [
    {"provider": "github", "extern_uid": "2435223452345"},
    {"provider": "bitbucket", "extern_uid": "john.smith"}],
  "pipeline_source": "push",
  "ref": "feature-branch-1", "ref_type": "branch", "ref_path": "refs/heads/feature-branch-1", "ref_protected": "false",
  "environment": "test-environment2", "environment_protected": "false", "deployment_tier": "testing", "environment_action": "start",
  "job_source": "push",
  "runner_id": 1, "runner_environment": "self-hosted",
  "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
  "project_visibility": "public",
  "ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/feature-branch-1",
  "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
  "iss": "https://gitlab.example.com", "iat": 1681395193, "nbf": 1681395188, "exp": 1681398793,
  "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1",
  "aud": "https://vault.example.com"
}`

func TestClaimsAreThoseOfTheDocumentedSample(t *testing.T) {
	server := newLab(t, "testdata/sample/world.yaml")
	p := create(t, server, labgitlab.PipelineRequest{Project: "my-group/my-project", Ref: "feature-branch-1"})
	started := start(t, server, p, "deploy")
	got := tokenClaims(t, value(t, started, "ID_TOKEN"))
	var want map[string]any
	if err := json.Unmarshal([]byte(documentedSample), &want); err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[string]string{
		"pipeline_id": "a number in words", "job_id": "a number in words", "jti": "a random id",
		"job_project_id": "left out by the sample", "job_project_path": "left out by the sample",
		"job_namespace_id": "left out by the sample", "job_namespace_path": "left out by the sample",
		"user_access_level": "left out by the sample",
	} {
		if _, isText := got[name].(string); !isText {
			t.Errorf("claim %s (%s) is %v, not a string", name, kind, got[name])
		}
		delete(got, name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claims (-sample +ours):\n%s", diff)
	}
}

func TestTokenHeaderIsGitLabs(t *testing.T) {
	server := testLab(t)
	p := create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production"})
	token := value(t, start(t, server, p, "plain"), "ID_TOKEN")
	header := tokenPart(t, token, 0)
	kid, _ := header["kid"].(string)
	if diff := cmp.Diff(map[string]any{"alg": "RS256", "kid": kid, "typ": "JWT"}, header); diff != "" {
		t.Error(diff)
	}
	if len(kid) != 43 {
		t.Errorf("kid %q is not an unpadded SHA-256 thumbprint", kid)
	}
}

// subs asserted by GitLab's own specification, with our names.
func TestSubjectFollowsTheProjectsComponents(t *testing.T) {
	for _, tt := range []struct {
		name, components, job, want string
	}{
		{"the default", "", "plain", "project_path:ann/site:ref_type:branch:ref:main"},
		{"path alone", "[project_path]", "plain", "project_path:ann/site"},
		{"path and type", "[project_path, ref_type]", "plain", "project_path:ann/site:ref_type:branch"},
		{"path and ref", "[project_path, ref]", "plain", "project_path:ann/site:ref:main"},
		{"led by the id", "[project_id, ref_type, ref]", "plain", "project_id:5:ref_type:branch:ref:main"},
		{"an unprotected ref", "[project_path, ref_protected]", "plain", "project_path:ann/site:ref_protected:false"},
		{"the environment's tier", "[project_path, deployment_tier]", "deploy", "project_path:ann/site:deployment_tier:production"},
		{"the environment's protection", "[project_path, environment_protected]", "deploy", "project_path:ann/site:environment_protected:false"},
		{"several", "[project_path, ref, environment_protected, deployment_tier]", "deploy", "project_path:ann/site:ref:main:environment_protected:false:deployment_tier:production"},
		{"the environment's, in a job without one", "[project_path, environment_protected, deployment_tier]", "plain", "project_path:ann/site"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := ""
			if tt.components != "" {
				settings = "    ci_id_token_sub_claim_components: " + tt.components
			}
			server := project(t, settings, map[string]string{".gitlab-ci.yml": `
plain: {script: [echo], id_tokens: {T: {aud: a}}}
deploy: {script: [echo], environment: production, id_tokens: {T: {aud: a}}}`})
			p := create(t, server, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
			if got := tokenClaims(t, value(t, start(t, server, p, tt.job), "T"))["sub"]; got != tt.want {
				t.Errorf("sub %q, want %q", got, tt.want)
			}
		})
	}
}

func TestClaimsOfRefsAndPeople(t *testing.T) {
	server := testLab(t)
	for _, tt := range []struct {
		name    string
		request labgitlab.PipelineRequest
		want    map[string]any
	}{
		{"protected branch", labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"}, map[string]any{
			"sub": "project_path:my-group/shop:ref_type:branch:ref:production", "ref_protected": "true", "user_access_level": "maintainer", "pipeline_source": "push"}},
		{"unprotected branch", labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "pinned", User: "dev"}, map[string]any{
			"sub": "project_path:my-group/shop:ref_type:branch:ref:pinned", "ref_protected": "false", "user_access_level": "developer",
			"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc"}},
		{"protected tag", labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "v1.0.0", User: "mia"}, map[string]any{
			"sub": "project_path:my-group/shop:ref_type:tag:ref:v1.0.0", "ref_protected": "true", "ref_path": "refs/tags/v1.0.0"}},
		{"unprotected tag", labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "nightly", User: "dev"}, map[string]any{
			"sub": "project_path:my-group/shop:ref_type:tag:ref:nightly", "ref_protected": "false"}},
		{"schedule", labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "main", Source: "schedule", User: "mia"}, map[string]any{
			"pipeline_source": "schedule", "job_source": "schedule", "ref_protected": "true"}},
		{"merge request from the same project looks like its source branch", labgitlab.PipelineRequest{
			Project: "my-group/shop", Ref: "feature-1", Source: "merge_request_event", User: "dev", MergeRequest: &labgitlab.MergeRequest{}}, map[string]any{
			"sub": "project_path:my-group/shop:ref_type:branch:ref:feature-1", "pipeline_source": "merge_request_event", "ref_protected": "false"}},
		{"merge request between protected branches, by one who may update the target", labgitlab.PipelineRequest{
			Project: "my-group/shop", Ref: "main", Source: "merge_request_event", User: "mia", MergeRequest: &labgitlab.MergeRequest{TargetBranch: "production"}}, map[string]any{
			"ref_protected": "true"}},
		{"merge request between protected branches, by one who may not", labgitlab.PipelineRequest{
			Project: "my-group/shop", Ref: "main", Source: "merge_request_event", User: "dev", MergeRequest: &labgitlab.MergeRequest{TargetBranch: "production"}}, map[string]any{
			"ref_protected": "false"}},
		{"merge request from a fork carries the fork's name, also from a branch called main", labgitlab.PipelineRequest{
			Project: "my-group/shop", Ref: "main", Source: "merge_request_event", User: "dev", MergeRequest: &labgitlab.MergeRequest{SourceProject: "dev/shop"}}, map[string]any{
			"sub": "project_path:dev/shop:ref_type:branch:ref:main", "project_id": "30", "namespace_id": "112", "namespace_path": "dev",
			"job_project_id": "20", "job_project_path": "my-group/shop", "job_namespace_id": "72", "ref_protected": "false", "user_access_level": "owner",
			"project_visibility": "private"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := create(t, server, tt.request)
			i := slices.IndexFunc(p.Jobs, func(j labgitlab.PlannedJob) bool {
				return len(j.IDTokens) > 0 && j.When != "manual" && j.Name != "deploy_job"
			})
			started := start(t, server, p, p.Jobs[i].Name)
			got := tokenClaims(t, value(t, started, "ID_TOKEN"))
			for name, want := range tt.want {
				if got[name] != want {
					t.Errorf("claim %s is %v, want %v", name, got[name], want)
				}
			}
			if _, there := got["environment"]; there != (p.Jobs[i].Environment != nil) {
				t.Errorf("environment claims: %v", there)
			}
		})
	}
}

func TestProtectedEnvironmentClaims(t *testing.T) {
	server := testLab(t)
	p := create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"})
	started := start(t, server, p, "deploy_job")
	one, two := tokenClaims(t, value(t, started, "GITLAB_OIDC_TOKEN")), tokenClaims(t, value(t, started, "TWO"))
	for name, want := range map[string]any{
		"environment": "production", "environment_protected": "true", "deployment_tier": "production", "environment_action": "start", "aud": "gitlab-aws-deploy",
	} {
		if one[name] != want {
			t.Errorf("claim %s is %v, want %v", name, one[name], want)
		}
	}
	if diff := cmp.Diff([]any{"https://a.example.com", "gitlab-aws-deploy"}, two["aud"]); diff != "" {
		t.Errorf("a list of audiences stays a list: %s", diff)
	}
	if one["jti"] == two["jti"] {
		t.Error("two tokens share a jti")
	}
}

func TestAListOfOneAudienceStaysAList(t *testing.T) {
	server := project(t, "", map[string]string{".gitlab-ci.yml": `j: {script: [echo], id_tokens: {T: {aud: [one]}}}`})
	p := create(t, server, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	if diff := cmp.Diff([]any{"one"}, tokenClaims(t, value(t, start(t, server, p, "j"), "T"))["aud"]); diff != "" {
		t.Error(diff)
	}
}

func TestTokenLifeIsTheJobsTimeout(t *testing.T) {
	server := project(t, "    build_timeout: 10 minutes\nrunner: {maximum_timeout: 2h}", map[string]string{".gitlab-ci.yml": `
default: {id_tokens: {T: {aud: a}}}
project: {script: [echo]}
longer: {script: [echo], timeout: 1h 30m}
capped: {script: [echo], timeout: 3 hours}`})
	p := create(t, server, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
	for job, want := range map[string]float64{"project": 600, "longer": 5400, "capped": 7200} {
		claims := tokenClaims(t, value(t, start(t, server, p, job), "T"))
		if life := claims["exp"].(float64) - claims["iat"].(float64); life != want {
			t.Errorf("%s: token lives %v s, want %v", job, life, want)
		}
		if margin := claims["iat"].(float64) - claims["nbf"].(float64); margin != 5 {
			t.Errorf("%s: nbf lies %v s before iat", job, margin)
		}
	}
}

func TestBurnedPathsMintNothing(t *testing.T) {
	files := map[string]string{".gitlab-ci.yml": `j: {script: [echo], id_tokens: {T: {aud: a}}}`}
	burned := "\nburned_project_routes: [{path: Ann/Site, project_id: 4}]"
	for _, tt := range []struct {
		name, settings string
		refused        bool
	}{
		{"a sub with the reclaimed path", burned, true},
		{"a sub led by the project's id", "    ci_id_token_sub_claim_components: [project_id, ref_type, ref]" + burned, false},
		{"the project's own earlier route", "burned_project_routes: [{path: ann/site, project_id: 5}]", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := project(t, tt.settings, files)
			p := create(t, server, labgitlab.PipelineRequest{Project: "ann/site", Ref: "main"})
			_, err := server.StartJob(context.Background(), p.Jobs[0].ID, labgitlab.StartRequest{})
			if tt.refused {
				wantError(t, err, labgitlab.ReasonForbidden, "id_token_burned_project_path")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLoginTokenIsAPersonsNotAJobs(t *testing.T) {
	server := testLab(t)
	token, err := server.LoginToken(context.Background(), "mia", "oauth-app-uid", "n1")
	if err != nil {
		t.Fatal(err)
	}
	got := tokenClaims(t, token)
	for name, want := range map[string]any{"iss": testIssuer, "sub": "11", "aud": "oauth-app-uid", "nonce": "n1", "preferred_username": "mia"} {
		if got[name] != want {
			t.Errorf("claim %s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"project_id", "project_path", "job_id", "pipeline_id"} {
		if _, there := got[name]; there {
			t.Errorf("a person's token has %s", name)
		}
	}
	job := value(t, start(t, server, create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production"}), "plain"), "ID_TOKEN")
	if tokenPart(t, token, 0)["kid"] == tokenPart(t, job, 0)["kid"] {
		t.Error("people and jobs share a signing key")
	}
	for _, login := range []string{"", "nobody"} {
		_, err = server.LoginToken(context.Background(), login, "app", "")
		wantReason(t, err, labgitlab.ReasonUnknown)
	}
	_, err = server.LoginToken(context.Background(), "mia", "", "")
	wantReason(t, err, labgitlab.ReasonUnknown)
}

func TestForgeries(t *testing.T) {
	server := testLab(t)
	genuine := value(t, start(t, server, create(t, server, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production"}), "plain"), "ID_TOKEN")
	keys := keySet(t, server)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	forge := server.Forge()
	verifies := func(token string) bool {
		parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			return false
		}
		for _, key := range keys.Key(parsed.Signatures[0].Header.KeyID) {
			if _, err := parsed.Verify(key); err == nil {
				return true
			}
		}
		return false
	}
	if !verifies(genuine) {
		t.Fatal("a genuine token does not verify under the published keys")
	}
	for _, tt := range []struct {
		name     string
		wrong    []labgitlab.Forgery
		verifies bool // its signature, not its claims
		claims   map[string]any
	}{
		{"another audience", []labgitlab.Forgery{labgitlab.WithClaim("aud", "elsewhere")}, true, map[string]any{"aud": "elsewhere"}},
		{"no subject", []labgitlab.Forgery{labgitlab.WithoutClaim("sub")}, true, map[string]any{"sub": nil}},
		{"expired at a moment", []labgitlab.Forgery{labgitlab.Expired(testNow)}, true, map[string]any{"exp": float64(testNow.Unix()), "iat": float64(testNow.Unix() - 3600)}},
		{"valid later", []labgitlab.Forgery{labgitlab.ValidFrom(testNow.Add(3600e9))}, true, map[string]any{"nbf": float64(testNow.Unix() + 3595)}},
		{"another key under the same kid", []labgitlab.Forgery{labgitlab.SignedBy(other)}, false, nil},
		{"a kid nobody published", []labgitlab.Forgery{labgitlab.WithHeader("kid", "nobody")}, false, nil},
		{"no kid", []labgitlab.Forgery{labgitlab.WithoutHeader("kid")}, false, nil},
		{"the login key", []labgitlab.Forgery{forge.SignedByLoginKey(false)}, false, nil},
		{"the login key under its own kid", []labgitlab.Forgery{forge.SignedByLoginKey(true)}, true, nil},
		{"no signature", []labgitlab.Forgery{labgitlab.Unsigned()}, false, nil},
		{"the public key as a password", []labgitlab.Forgery{forge.SignedWithPublicKey()}, false, nil},
		{"one bit", []labgitlab.Forgery{labgitlab.WithOneBitChanged()}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token, err := forge.Token(genuine, tt.wrong...)
			if err != nil {
				t.Fatal(err)
			}
			if got := verifies(token); got != tt.verifies {
				t.Errorf("signature verifies: %v, want %v", got, tt.verifies)
			}
			claims := tokenClaims(t, token)
			for name, want := range tt.claims {
				if claims[name] != want {
					t.Errorf("claim %s is %v, want %v", name, claims[name], want)
				}
			}
			if tt.claims == nil {
				if diff := cmp.Diff(tokenClaims(t, genuine), claims, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("claims changed: %s", diff)
				}
			}
		})
	}
}
