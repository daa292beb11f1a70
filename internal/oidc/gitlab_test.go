package oidc_test

import (
	"maps"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
)

func gitlab(t testing.TB) *world {
	w := newWorld(t)
	w.settings = oidc.Settings{GitLab: true, LoginClientIDs: []string{login}}
	return w
}

func job(changes map[string]any) map[string]any {
	all := fakeissuer.JobClaims(audience, "my-group/my-project", "main")
	maps.Copy(all, changes)
	return all
}

func person(changes map[string]any) map[string]any {
	all := fakeissuer.PersonClaims(login, "42")
	maps.Copy(all, changes)
	return all
}

func TestJobs(t *testing.T) {
	w := gitlab(t)
	for name, claims := range map[string]map[string]any{
		"a branch":                                job(nil),
		"a tag":                                   job(map[string]any{"sub": "project_path:my-group/my-project:ref_type:tag:ref:main", "ref_type": "tag"}),
		"led by the project's id":                 job(map[string]any{"sub": "project_id:20:ref_type:branch:ref:main"}),
		"led by the job's project":                job(map[string]any{"sub": "job_project_path:my-group/other:ref_type:branch:ref:main", "job_project_path": "my-group/other"}),
		"led by the source project's id":          job(map[string]any{"sub": "source_project_id:20", "source_project_id": "20"}),
		"the project alone":                       job(map[string]any{"sub": "project_path:my-group/my-project"}),
		"every component":                         job(map[string]any{"sub": "project_path:my-group/my-project:ref:main:ref_protected:true:deployment_tier:production"}),
		"a component nobody knows yet":            job(map[string]any{"sub": "project_path:my-group/my-project:new_component:x"}),
		"the audience in a list":                  job(map[string]any{"aud": []string{audience}}),
		"a ref with everything git allows in one": job(map[string]any{"sub": `project_path:my-group/my-project:ref_type:branch:ref:a";rm{}$(x)<b>`, "ref": `a";rm{}$(x)<b>`}),
		"a long sub, as published": job(map[string]any{
			"sub":          "project_path:media/retail-media-portal/deployments-test/nginx-demo:ref_type:branch:ref:develop/RMP-102762/GCP-Gitlab-WIF-integration",
			"project_path": "media/retail-media-portal/deployments-test/nginx-demo", "ref": "develop/RMP-102762/GCP-Gitlab-WIF-integration",
		}),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := w.verify(t, w.issuer.Token(claims), now)
			if err != nil {
				t.Fatal(err)
			}
			if !c.IsJob() || c.IsPerson() || c.Kind() != oidc.Job {
				t.Errorf("kind = %v", c.Kind())
			}
		})
	}
}

func TestPeople(t *testing.T) {
	w := gitlab(t)
	c, err := w.verify(t, w.issuer.Token(person(nil)), now)
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsPerson() || c.IsJob() || c.Subject() != "42" {
		t.Errorf("kind = %v", c.Kind())
	}
}

// TestNeitherJobNorPerson: all of these have a good signature of the GitLab.
func TestNeitherJobNorPerson(t *testing.T) {
	w := gitlab(t)
	for _, tt := range []struct {
		name   string
		claims map[string]any
		reason oidc.Reason
	}{
		{"a person with the audience of jobs", person(map[string]any{"aud": audience}), oidc.NeitherJobNorPerson},
		{"a job with the audience of people", job(map[string]any{"aud": login}), oidc.NeitherJobNorPerson},
		{"a job without project_id", job(map[string]any{"project_id": nil}), oidc.NeitherJobNorPerson},
		{"a job without pipeline_id", job(map[string]any{"pipeline_id": nil}), oidc.NeitherJobNorPerson},
		{"a job without job_id", job(map[string]any{"job_id": nil}), oidc.NeitherJobNorPerson},
		{"a job whose project_id is a number", job(map[string]any{"project_id": 20}), oidc.NeitherJobNorPerson},
		{"a job whose job_id is a list", job(map[string]any{"job_id": []string{"302"}}), oidc.NeitherJobNorPerson},
		{"a job whose pipeline_id is empty", job(map[string]any{"pipeline_id": ""}), oidc.NeitherJobNorPerson},
		{"a job whose pipeline_id is no number", job(map[string]any{"pipeline_id": "x"}), oidc.NeitherJobNorPerson},
		{"a job whose project_id is null", job(map[string]any{"project_id": jsonNull}), oidc.NeitherJobNorPerson},
		{"an old job token, sub job_N", job(map[string]any{"sub": "job_23"}), oidc.NeitherJobNorPerson},
		{"a job whose sub is a person's", job(map[string]any{"sub": "42"}), oidc.NeitherJobNorPerson},
		{"a job whose sub is led by the ref", job(map[string]any{"sub": "ref:main:project_path:my-group/my-project"}), oidc.NeitherJobNorPerson},
		{"a job whose sub begins in capitals", job(map[string]any{"sub": "Project_path:my-group/my-project"}), oidc.NeitherJobNorPerson},
		{"a job whose sub names no project", job(map[string]any{"sub": "project_path:"}), oidc.NeitherJobNorPerson},
		{"a job whose sub is a component without value", job(map[string]any{"sub": "project_path:my-group/my-project:ref"}), oidc.NeitherJobNorPerson},
		{"a job whose sub holds an empty component", job(map[string]any{"sub": "project_path:my-group/my-project::"}), oidc.NeitherJobNorPerson},
		{"a person whose sub is a job's", person(map[string]any{"sub": "project_path:my-group/my-project:ref_type:branch:ref:main"}), oidc.NeitherJobNorPerson},
		{"a person whose sub is no number", person(map[string]any{"sub": "root"}), oidc.NeitherJobNorPerson},
		{"a person with a project", person(map[string]any{"project_id": "20"}), oidc.NeitherJobNorPerson},
		{"a person with a job that is null", person(map[string]any{"job_id": jsonNull}), oidc.NeitherJobNorPerson},
		{"a person and a job in one", job(map[string]any{"aud": login, "sub": "42"}), oidc.NeitherJobNorPerson},

		{"a sub that names another project than the claim", job(map[string]any{"sub": "project_path:evil/project:ref_type:branch:ref:main"}), oidc.MalformedClaim},
		{"a sub that names another id than the claim", job(map[string]any{"sub": "project_id:21:ref_type:branch:ref:main"}), oidc.MalformedClaim},
		{"a sub that names another ref than the claim", job(map[string]any{"sub": "project_path:my-group/my-project:ref_type:branch:ref:production"}), oidc.MalformedClaim},
		{"a sub in another case than the claim", job(map[string]any{"sub": "project_path:My-Group/my-project:ref_type:branch:ref:main"}), oidc.MalformedClaim},
		{"a sub with two projects", job(map[string]any{"sub": "project_path:my-group/my-project:project_path:evil/project"}), oidc.MalformedClaim},
		{"a sub with a project injected by a tier", job(map[string]any{"sub": "project_path:my-group/my-project:deployment_tier:production:project_path:evil/project"}), oidc.MalformedClaim},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := w.verify(t, w.issuer.Token(tt.claims), now)
			claim := "sub"
			if tt.name == "a job with the audience of people" {
				claim = "aud"
			}
			wantRejected(t, c, err, tt.reason, claim)
		})
	}

	t.Run("with several audiences, one of them people's", func(t *testing.T) {
		w.settings.AllowMultipleAudiences = true
		c, err := w.verify(t, w.issuer.Token(job(map[string]any{"aud": []string{audience, login}})), now)
		wantRejected(t, c, err, oidc.NeitherJobNorPerson, "aud")
	})
	t.Run("nobody signs in here", func(t *testing.T) {
		w.settings = oidc.Settings{GitLab: true}
		c, err := w.verify(t, w.issuer.Token(person(nil)), now)
		wantRejected(t, c, err, oidc.NeitherJobNorPerson, "sub")
		if _, err := w.verify(t, w.issuer.Token(job(nil)), now); err != nil {
			t.Error(err)
		}
	})
	t.Run("the issuer is no GitLab", func(t *testing.T) {
		w.settings = oidc.Settings{LoginClientIDs: []string{login}}
		c, err := w.verify(t, w.issuer.Token(person(nil)), now)
		if err != nil || c.Kind() != oidc.Workload {
			t.Errorf("kind = %v, %v", c.Kind(), err)
		}
	})
}

// TestPublishedTokens are the payloads GitLab and others published, retyped,
// under our issuer's name.
func TestPublishedTokens(t *testing.T) {
	w := gitlab(t)
	w.provider.ClientIDs = []string{"https://vault.example.com", "sigstore"}
	docs := map[string]any{
		"namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project",
		"user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com",
		"user_identities": []any{map[string]any{"provider": "github", "extern_uid": "2435223452345"}, map[string]any{"provider": "bitbucket", "extern_uid": "john.smith"}},
		"pipeline_id":     "574", "pipeline_source": "push", "job_id": "302",
		"ref": "feature-branch-1", "ref_type": "branch", "ref_path": "refs/heads/feature-branch-1", "ref_protected": "false",
		"groups_direct": []string{"mygroup/mysubgroup", "myothergroup/myothersubgroup"},
		"environment":   "test-environment2", "environment_protected": "false", "deployment_tier": "testing", "environment_action": "start",
		"job_source": "push", "job_config": map[string]any{"url": "https://gitlab.example.com/my-group/my-policy-project/-/blob/ab03/policy.yml", "sha": "ab03"},
		"runner_id": 1, "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "public",
		"ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main", "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
		"jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "iat": 1681395193, "nbf": 1681395188, "exp": 1681398793,
		"sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1", "aud": "https://vault.example.com",
	}
	at := time.Unix(1681395200, 0)
	c, err := w.verify(t, w.issuer.Token(docs), at)
	if err != nil || !c.IsJob() {
		t.Fatalf("the documentation's sample: %v, %v", c.Kind(), err)
	}
	for name, want := range map[string]string{
		"project_path": "my-group/my-project", "project_id": "20", "namespace_id": "72", "ref": "feature-branch-1", "ref_type": "branch",
		"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "pipeline_id": "574", "job_id": "302", "user_id": "1", "user_login": "sample-user", "environment": "test-environment2",
	} {
		if got := c.Text(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if _, ok := c.Get("job_config"); ok {
		t.Error("an object has condition values")
	}
	if _, ok := c.Get("user_identities"); ok {
		t.Error("a list of objects has condition values")
	}
	if c.Text("runner_id") != "" || c.Text("nope") != "" {
		t.Error("a number or nothing passes for a string")
	}

	fulcio := map[string]any{
		"aud": "sigstore", "sub": "project_path:cpanato/testing-cosign:ref_type:branch:ref:main", "project_id": "42831435",
		"project_path": "cpanato/testing-cosign", "namespace_path": "cpanato", "namespace_id": "1730270", "pipeline_id": "757451528",
		"pipeline_source": "push", "job_id": "3659681386", "ref": "main", "ref_type": "branch", "runner_id": 1, "runner_environment": "gitlab-hosted",
	}
	if c, err := w.verify(t, w.issuer.Token(fulcio), now); err != nil || !c.IsJob() {
		t.Errorf("fulcio's sample: %v, %v", c.Kind(), err)
	}

	legacy := map[string]any{
		"namespace_id": "10", "project_id": "7", "project_path": "example/gitlab-ci-validate-jwt", "pipeline_id": "12", "job_id": "23",
		"ref": "master", "ref_type": "branch", "iss": "gitlab.example.com", "iat": 1600591128, "nbf": 1600591123, "exp": 1600594728, "sub": "job_23",
	}
	c, err = w.verify(t, w.issuer.Token(legacy), time.Unix(1600591130, 0))
	wantRejected(t, c, err, oidc.WrongIssuer, "iss")
	legacy["iss"] = w.issuer.URL
	c, err = w.verify(t, w.issuer.Token(legacy), time.Unix(1600591130, 0))
	wantRejected(t, c, err, oidc.MissingClaim, "aud")
}

// TestSubjectShapes are the subs GitLab's own tests assert, and those it
// refuses to mint.
func TestSubjectShapes(t *testing.T) {
	w := gitlab(t)
	const ref = "auto-deploy-2020-03-19"
	for sub, ok := range map[string]bool{
		"project_path:g/p:ref_type:branch:ref:" + ref:                                                   true,
		"project_path:g/p":                                                                              true,
		"project_path:g/p:ref_type:branch":                                                              true,
		"project_path:g/p:ref:" + ref:                                                                   true,
		"project_id:20:ref_type:branch:ref:" + ref:                                                      true,
		"project_path:g/p:ref_protected:true":                                                           true,
		"project_path:g/p:ref_protected:false":                                                          false, // the claim says true
		"project_path:g/p:environment_protected:false":                                                  true,
		"project_path:g/p:deployment_tier:production":                                                   true,
		"project_path:g/p:ref:" + ref + ":environment_protected:false:deployment_tier:production":       true,
		"project_path:g/p:ref_type:branch:ref:main:project_path:evil/project":                           false,
		"project_path:group:project_path:injected":                                                      false,
		"project_path:g/p:ref_type:branch:ref:" + ref + ":deployment_tier:production:project_path:evil": false,
	} {
		claims := fakeissuer.JobClaims(audience, "g/p", ref)
		claims["sub"] = sub
		if _, err := w.verify(t, w.issuer.Token(claims), now); (err == nil) != ok {
			t.Errorf("%s: %v", sub, err)
		}
	}
}

func TestDefaultSettings(t *testing.T) {
	if !oidc.DefaultSettings("https://gitlab.com").GitLab {
		t.Error("gitlab.com is no GitLab")
	}
	for _, issuer := range []oidc.Issuer{"https://gitlab.com/", "https://gitlab.com.evil.example", "https://GitLab.com", "https://gitlab.example.com", ""} {
		if oidc.DefaultSettings(issuer).GitLab {
			t.Errorf("%s is a GitLab by default", issuer)
		}
	}
	if got := (oidc.Settings{GitLab: true}).AllowedAlgorithms(); len(got) != 1 || got[0] != jwt.RS256 {
		t.Errorf("a GitLab's algorithms are %v", got)
	}
}
