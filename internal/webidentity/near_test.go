package webidentity

import (
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/policy"
)

const ownProject = `"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"}`

// TestNearMisses: each row of the table, as the operator reads it and as a job of
// the role's own project does. caller "": it is a stranger.
func TestNearMisses(t *testing.T) {
	seen := map[string]bool{} // :: claims whose words were read
	for _, tt := range []struct {
		name       string
		claim      string
		claims     map[string]any
		conditions string
		operator   string
		caller     string
	}{
		{"a tag where a branch is wanted", "sub", tag("v1"), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`,
			`the role wants a branch, this job ran for the tag "v1"`, `the role wants a branch, this job ran for the tag "v1"`},
		{"a tag named like the branch", "sub", tag("main"), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`,
			`the role wants a branch, this job ran for the tag "main"`, `the role wants a branch, this job ran for the tag "main"`},
		{"a branch where a tag is wanted", "sub", web(), `"StringLike":{"gitlab.example:sub":"project_path:acme/web:ref_type:tag:ref:v*"}`,
			`the role wants a tag, this job ran on the branch "main"`, `the role wants a tag, this job ran on the branch "main"`},
		{"another branch", "sub", on("dev"), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`,
			`the role wants the branch "main", this job ran on the branch "dev"`, `the role wants another branch, this job ran on the branch "dev"`},
		{"a branch that fits no pattern", "sub", web(), `"StringLike":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:release-*"}`,
			`the role wants a branch whose name fits "release-*", this job ran on the branch "main"`, `the role wants a branch whose name fits a pattern, this job ran on the branch "main"`},
		{"a merge request", "sub", with(map[string]any{"sub": "project_path:acme/web:ref_type:branch:ref:fix", "ref": "fix", "pipeline_source": "merge_request_event"}), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`,
			`the role wants the branch "main", this job ran for a merge request from the branch "fix"`, `the role wants another branch, this job ran for a merge request from the branch "fix"`},
		{"a value of many", "sub", on("dev"), `"StringEquals":{"gitlab.example:sub":["project_path:acme/web:ref_type:branch:ref:main","project_path:acme/web:ref_type:branch:ref:next"]}`,
			`the role wants another branch, this job ran on the branch "dev"`, `the role wants another branch, this job ran on the branch "dev"`},
		{"another project's values beside", "sub", web(), `"StringEquals":{"gitlab.example:sub":["project_path:acme/secret:ref_type:tag:ref:main","project_path:acme/web:ref_type:branch:ref:next"]}`,
			`the role wants another branch, this job ran on the branch "main"`, `the role wants another branch, this job ran on the branch "main"`},
		{"sub without the type", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref:main"}`,
			`this token's sub is made of project_path, ref_type, ref, and the role wants one of project_path, ref`, `this token's sub is made of project_path, ref_type, ref, and the role wants one of project_path, ref`},
		{"a policy whose parts are nobody's", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:hidden:main"}`,
			`this token's sub is made of project_path, ref_type, ref, and the role wants one of project_path, hidden`, `this token's sub is made of project_path, ref_type, ref, and the role wants one of other parts`},
		{"a wildcard over the colon", "sub", on("dev"), `"StringLike":{"gitlab.example:sub":"project_path:acme/*:ref:main"}`,
			`the role wants the branch "main", this job ran on the branch "dev"`, `the role wants another branch, this job ran on the branch "dev"`},
		{"a sub that says what is protected", "sub", with(map[string]any{"sub": "project_path:acme/web:ref:main:ref_protected:false", "ref_protected": "false"}), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref:main:ref_protected:true"}`,
			`ref_protected is false: the branch "main" is not protected`, `ref_protected is false: the branch "main" is not protected`},
		{"a sub that says which environment is protected", "sub", with(map[string]any{"sub": "project_path:acme/web:environment_protected:false", "environment": "prod", "environment_protected": "false"}), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:environment_protected:true"}`,
			`environment_protected is false: the environment "prod" is not protected`, `environment_protected is false: the environment "prod" is not protected`},
		{"a sub of another tier", "sub", with(map[string]any{"sub": "project_path:acme/web:deployment_tier:testing", "deployment_tier": "testing"}), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:deployment_tier:production"}`,
			`the role wants another deployment_tier in sub than "testing"`, `the role wants another deployment_tier in sub than "testing"`},
		{"another project", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/other:ref_type:branch:ref:main"}`,
			`the role is for another project than "acme/web"`, ""},
		{"a project whose name begins the same", "sub", with(map[string]any{"sub": "project_path:acme/web-fork:ref_type:branch:ref:main", "project_path": "acme/web-fork"}), `"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"}`,
			`the role is for another project than "acme/web-fork"`, ""},
		{"a wildcard taken as it is written", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:ma*"}`,
			`the role wants the branch "ma*", this job ran on the branch "main"; the policy's value holds a wildcard, which StringEquals takes as it is written: is StringLike meant?`, `the role wants another branch, this job ran on the branch "main"`},
		{"another case", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:Main"}`,
			`the role wants the branch "Main", this job ran on the branch "main"; they differ in upper and lower case alone`, `the role wants another branch, this job ran on the branch "main"`},
		{"a space", "sub", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main "}`,
			`the role wants the branch "main ", this job ran on the branch "main"; they differ in white space alone`, `the role wants another branch, this job ran on the branch "main"`},
		{"a hostile branch", "sub", on("a\u202eb"), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`,
			`the role wants the branch "main", this job ran on the branch "a\u202eb"`, `the role wants another branch, this job ran on the branch "a\u202eb"`},
		{"a path used again", "project_id", web(), `"StringEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main","gitlab.example:project_id":"19"}`,
			`the role pins project_id, and this project has another id (20) although its path is the same: was the path used again by another?`, ""},
		{"another id alone", "project_id", web(), `"StringEquals":{"gitlab.example:project_id":"19"}`, `the role is for a project of another id than 20`, ""},
		{"another id by number", "project_id", web(), ownProject + `,"NumericEquals":{"gitlab.example:project_id":"19"}`,
			`the role pins project_id, and this project has another id (20) although its path is the same: was the path used again by another?`, ""},
		{"another namespace's id", "namespace_id", web(), `"StringEquals":{"gitlab.example:project_id":"20","gitlab.example:namespace_id":"71"}`, `the role is for a namespace of another id than 72`, ""},
		{"another project by its path", "project_path", web(), ownProject + `,"StringEquals":{"gitlab.example:project_path":"acme/hidden"}`,
			`the role wants the project "acme/hidden", this token's is "acme/web"`, `the role wants another project than "acme/web"`},
		{"another namespace by its path", "namespace_path", web(), ownProject + `,"StringEquals":{"gitlab.example:namespace_path":["hidden","hidden2"]}`,
			`the role wants another namespace than "acme"`, `the role wants another namespace than "acme"`},
		{"the type of the ref", "ref_type", tag("v1"), ownProject + `,"StringEquals":{"gitlab.example:ref_type":"branch"}`,
			`the role wants a branch, this job ran for the tag "v1"`, `the role wants a branch, this job ran for the tag "v1"`},
		{"the type of the ref, excluded", "ref_type", tag("v1"), ownProject + `,"StringNotEquals":{"gitlab.example:ref_type":"tag"}`,
			`the role lets no tags in, this job ran for the tag "v1"`, `the role lets no tags in, this job ran for the tag "v1"`},
		{"branches excluded", "ref_type", web(), ownProject + `,"StringNotEquals":{"gitlab.example:ref_type":"branch"}`,
			`the role lets no branches in, this job ran on the branch "main"`, `the role lets no branches in, this job ran on the branch "main"`},
		{"the ref", "ref", on("dev"), ownProject + `,"StringEquals":{"gitlab.example:ref":"main"}`,
			`the role wants the branch "main", this job ran on the branch "dev"`, `the role wants another branch, this job ran on the branch "dev"`},
		{"the ref, excluded", "ref", on("dev"), ownProject + `,"StringNotLike":{"gitlab.example:ref":"d*"}`,
			`the role excludes this ref: this job ran on the branch "dev"`, `the role excludes this ref: this job ran on the branch "dev"`},
		{"the ref under its long name", "ref", web(), ownProject + `,"StringEquals":{"gitlab.example:ref":"refs/heads/main"}`,
			`the role wants the branch "refs/heads/main", this job ran on the branch "main"; the claim ref is a short name; the one that begins with refs/ is ref_path`, `the role wants another branch, this job ran on the branch "main"`},
		{"the ref's path", "ref_path", tag("v1"), `"StringLike":{"gitlab.example:sub":"project_path:acme/web:*","gitlab.example:ref_path":"refs/tags/w*"}`,
			`the role wants a tag whose name fits "refs/tags/w*", this job ran for the tag "v1"`, `the role wants a tag whose name fits a pattern, this job ran for the tag "v1"`},
		{"not protected", "ref_protected", with(map[string]any{"ref_protected": "false"}), ownProject + `,"StringEquals":{"gitlab.example:ref_protected":"true"}`,
			`ref_protected is false: the branch "main" is not protected`, `ref_protected is false: the branch "main" is not protected`},
		{"not protected, as a Bool", "ref_protected", with(map[string]any{"ref_protected": "false"}), ownProject + `,"Bool":{"gitlab.example:ref_protected":"true"}`,
			`ref_protected is false: the branch "main" is not protected`, `ref_protected is false: the branch "main" is not protected`},
		{"not protected, of a merge request", "ref_protected", with(map[string]any{"ref_protected": "false", "pipeline_source": "merge_request_event"}), ownProject + `,"StringEquals":{"gitlab.example:ref_protected":"true"}`,
			`ref_protected is false, and this job ran for a merge request from the branch "main"`, `ref_protected is false, and this job ran for a merge request from the branch "main"`},
		{"another e-mail address", "user_email", with(map[string]any{"user_email": "sample@example.com"}), ownProject + `,"StringEquals":{"gitlab.example:user_email":"hidden"}`,
			`the claim user_email is not what the role wants`, `who started this job has the user_email "sample@example.com", the role wants another`},
		{"no environment", "environment", web(), ownProject + `,"StringEquals":{"gitlab.example:environment":"production"}`, `this job has no environment`, `this job has no environment`},
		{"another environment", "environment", with(map[string]any{"environment": "staging"}), ownProject + `,"StringEquals":{"gitlab.example:environment":"production"}`,
			`the role wants the environment "production", this job's is "staging"`, `the role wants another environment, this job's is "staging"`},
		{"no protected environment", "environment_protected", web(), ownProject + `,"StringEquals":{"gitlab.example:environment_protected":"true"}`, `this job has no environment`, `this job has no environment`},
		{"an environment that is not protected", "environment_protected", with(map[string]any{"environment": "prod", "environment_protected": "false"}), ownProject + `,"StringEquals":{"gitlab.example:environment_protected":"true"}`,
			`environment_protected is false: the environment "prod" is not protected`, `environment_protected is false: the environment "prod" is not protected`},
		{"no tier", "deployment_tier", web(), ownProject + `,"StringEquals":{"gitlab.example:deployment_tier":"production"}`, `this job has no environment`, `this job has no environment`},
		{"no environment's action", "environment_action", web(), ownProject + `,"StringEquals":{"gitlab.example:environment_action":"start"}`, `this job has no environment`, `this job has no environment`},
		{"a merge request's pipeline", "pipeline_source", with(map[string]any{"pipeline_source": "merge_request_event"}), ownProject + `,"StringNotEquals":{"gitlab.example:pipeline_source":"merge_request_event"}`,
			`the token is from a merge request pipeline`, `the token is from a merge request pipeline`},
		{"another source", "pipeline_source", with(map[string]any{"pipeline_source": "web"}), ownProject + `,"StringEquals":{"gitlab.example:pipeline_source":"push"}`,
			`the role wants a pipeline of another source, this one's is "web"`, `the role wants a pipeline of another source, this one's is "web"`},
		{"another runner", "runner_environment", web(), ownProject + `,"StringEquals":{"gitlab.example:runner_environment":"gitlab-hosted"}`,
			`the role wants another kind of runner, this job ran on one that is "self-hosted"`, `the role wants another kind of runner, this job ran on one that is "self-hosted"`},
		{"another audience", "aud", web(), ownProject + `,"StringEquals":{"gitlab.example:aud":"other"}`,
			`the role wants another audience than "mayfly": set aud: in the job's id_tokens`, `the role wants another audience than "mayfly": set aud: in the job's id_tokens`},
		{"another starter", "user_login", web(), ownProject + `,"StringEquals":{"gitlab.example:user_login":"hidden"}`,
			`who started this job has the user_login "sample-user", the role wants another`, `who started this job has the user_login "sample-user", the role wants another`},
		{"another level", "user_access_level", web(), ownProject + `,"StringEquals":{"gitlab.example:user_access_level":"maintainer"}`,
			`who started this job has the user_access_level "developer", the role wants another`, `who started this job has the user_access_level "developer", the role wants another`},
		{"a claim that is not there", "none", web(), ownProject + `,"StringEquals":{"gitlab.example:none":"x"}`, `the token has no claim none`, `the token has no claim none`},
		{"a claim with many values", "groups_direct", web(), ownProject + `,"StringEquals":{"gitlab.example:groups_direct":"a"}`,
			`gitlab.example:groups_direct has several values ("a", "b"), and the operator is for keys with one`, `gitlab.example:groups_direct has several values ("a", "b"), and the operator is for keys with one`},
		{"a claim that must not be there", "user_login", web(), ownProject + `,"Null":{"gitlab.example:user_login":"true"}`,
			`gitlab.example:user_login is "sample-user", and the request must not have it`, `gitlab.example:user_login is "sample-user", and the request must not have it`},
		{"what is no claim", "", web(), ownProject + `,"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`,
			`aws:SourceIp is "192.0.2.7", wanted is an address in a block`, `a condition that is not about the token is not met`},
		{"another issuer's claim on another port", "", web(), ownProject + `,"StringEquals":{"gitlab.example:8443:ref":"hidden"}`,
			`the request has no gitlab.example:8443:ref, wanted is a text listed`, `a condition that is not about the token is not met`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen[tt.claim] = true
			a := ask(t, allow(tt.conditions), tt.claims)
			if a.Allowed() {
				t.Fatal("it is allowed")
			}
			if hints := a.Trace().Hints; !slices.Contains(hints, tt.operator) {
				t.Errorf("the operator reads %q", hints)
			}
			if text := a.Trace().Encode(); strings.Contains(text, "@") {
				t.Errorf("recorded is an e-mail address: %s", text)
			}
			said := a.ForCaller(false)
			switch {
			case tt.caller == "" && said != "":
				t.Errorf("a stranger reads %q", said)
			case tt.caller != "" && !strings.Contains(said, tt.caller):
				t.Errorf("the caller reads %q", said)
			case strings.Contains(said, "hidden"):
				t.Errorf("the caller reads %q, which is the policy's", said)
			}
		})
	}
	for claim := range misses {
		if !seen[claim] && claim != "user_id" { // as user_login
			t.Errorf("nobody reads what is said of %s", claim)
		}
	}
}

// TestHints: what is said where no condition came near.
func TestHints(t *testing.T) {
	const other = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/other.example"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"other.example:sub":"x"}}}`
	tags := with(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Team": []string{"a"}}}})
	for _, tt := range []struct {
		name, statements string
		claims           map[string]any
		want             string
	}{
		{"another issuer", other, web(), `no statement trusts the provider arn:aws:iam::111122223333:oidc-provider/gitlab.example`},
		{"an action nobody allows", allow(ownProject), tags, `no statement that trusts arn:aws:iam::111122223333:oidc-provider/gitlab.example is about sts:TagSession`},
		{"a deny", allow(ownProject) + `,{"Sid":"NoTags","Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"gitlab.example:ref":"main"}}}`, web(), `statement "NoTags" denies it`},
		{"a deny that cannot be evaluated", allow(ownProject) + `,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"NumericEquals":{"gitlab.example:ref":"1"}}}`, web(), `statement 2 denies it: it cannot be evaluated, so it counts`},
	} {
		if hints := ask(t, tt.statements, tt.claims).Trace().Hints; !slices.Equal(hints, []string{tt.want}) {
			t.Errorf("%s: %q", tt.name, hints)
		}
	}
	if hints := (Question{Claims: suppose(t, settingsOfGitLab, web())}).Ask().Trace().Hints; !slices.Equal(hints, []string{"there is no such role"}) {
		t.Errorf("no role: %q", hints)
	}
}

// FuzzSubject: taking subjects apart never fails, and a sub that a value accepts
// differs from it in nothing.
func FuzzSubject(f *testing.F) {
	for _, seed := range [][2]string{{"project_path:a/b:ref_type:branch:ref:main", "project_path:a/*:ref:main"}, {"", ":"}, {"::", "*"}, {"a:b:c", "a:b:*"}, {"a:b", "a:b:*"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, sub, want string) {
		own := components(sub)
		for _, test := range []policy.Test{policy.StringEquals, policy.StringEqualsIgnoreCase, policy.StringLike} {
			differ(own, components(want), test).distance()
		}
		if d := differ(own, components(sub), policy.StringEquals); sub != "" && (!d.sameParts || len(d.pairs) > 0) {
			t.Errorf("%q differs from itself", sub)
		}
		componentOf(sub, want)
	})
}
