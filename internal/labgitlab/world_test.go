package labgitlab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mayfly.internal/internal/labgitlab"
)

// writeWorld writes a world file beside the given files.
func writeWorld(t *testing.T, text string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "world.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// linkOutside puts a link into a working tree that leads out of it.
func linkOutside(t *testing.T, tree string) {
	t.Helper()
	outside := filepath.Join(t.TempDir(), "outside.yml")
	if err := os.WriteFile(outside, []byte("k: {script: [x]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(tree, "outside.yml")); err != nil {
		t.Fatal(err)
	}
}

const soundWorld = `users:
  - {id: 1, username: ann, namespace_id: 9}
groups:
  - {id: 7, full_path: g}
projects:
  - id: 5
    path_with_namespace: g/p
    directory: .
    branches: [main]
`

func TestAWorldThatDoesNotHangTogetherIsRefused(t *testing.T) {
	if _, err := labgitlab.LoadWorld(writeWorld(t, soundWorld, nil)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "one YAML document"},
		{"a list", "- a", "a world should be a mapping"},
		{"not YAML", "users: [", "world.yaml:1: not YAML"},
		{"two documents", soundWorld + "---\na: b", "one YAML document"},
		{"an unknown key", soundWorld + "projcts: []\n", "world.yaml:10: a world has no key \"projcts\""},
		{"an unknown key inside", strings.Replace(soundWorld, "branches:", "branchs:", 1), "world.yaml:9: a project has no key \"branchs\""},
		{"a key written twice", soundWorld + "users: []\n", "world.yaml:10: key \"users\" is written twice"},
		{"no users", strings.Replace(soundWorld, "users:\n  - {id: 1, username: ann, namespace_id: 9}\n", "", 1), "at least one user"},
		{"an id that is a word", strings.Replace(soundWorld, "id: 5", "id: five", 1), "world.yaml:6: id should be a positive number"},
		{"an id of zero", strings.Replace(soundWorld, "id: 5", "id: 0", 1), "positive number"},
		{"no id", strings.Replace(soundWorld, "id: 5\n    ", "", 1), "a project needs id"},
		{"a user's id twice", strings.Replace(soundWorld, "users:\n", "users:\n  - {id: 1, username: bob}\n", 1), "user id 1 is used twice"},
		{"a namespace's id twice", strings.Replace(soundWorld, "id: 7", "id: 9", 1), "namespace id 9 is used twice"},
		{"a path twice, in another case", soundWorld + "  - {id: 6, path_with_namespace: G/P, directory: ., branches: [main]}\n", "path G/P is used twice"},
		{"a path GitLab would not accept", strings.Replace(soundWorld, "g/p", "'g/p:x'", 1), "is not a path GitLab would accept"},
		{"a path that ends in .git", strings.Replace(soundWorld, "g/p", "g/p.git", 1), "is not a path GitLab would accept"},
		{"a project without a namespace", strings.Replace(soundWorld, "g/p", "p", 1), "lacks its namespace"},
		{"a project in no namespace", strings.Replace(soundWorld, "g/p", "h/p", 1), "which is no group and no user"},
		{"a project of a user without a namespace id", strings.Replace(strings.Replace(soundWorld, ", namespace_id: 9", "", 1), "g/p", "ann/p", 1), "give user ann a namespace_id"},
		{"a group without its parent", strings.Replace(soundWorld, "full_path: g}", "full_path: g}\n  - {id: 8, full_path: h/i}", 1), "needs its parent h to be listed"},
		{"a directory that is not there", strings.Replace(soundWorld, "directory: .", "directory: none", 1), "world.yaml:8: there is no directory"},
		{"no directory", strings.Replace(soundWorld, "    directory: .\n", "", 1), "has no directory"},
		{"no branches", strings.Replace(soundWorld, "[main]", "[]", 1), "has no branches"},
		{"no default branch", strings.Replace(soundWorld, "[main]", "[other]", 1), "has no branch main, its default_branch"},
		{"a branch twice", strings.Replace(soundWorld, "[main]", "[main, main]", 1), "branch main is listed twice"},
		{"a branch GitLab would not accept", strings.Replace(soundWorld, "[main]", "[main, 'a b']", 1), "branch name \"a b\" contains one of"},
		{"a tag like the default branch", soundWorld + "    tags: [main]\n", "a tag may not be called like the default branch"},
		{"a commit id that is none", strings.Replace(soundWorld, "[main]", "[main, {name: a, sha: ABC}]", 1), "40 lower-case hexadecimal digits"},
		{"an unknown visibility", soundWorld + "    visibility: secret\n", "visibility should be one of private, internal, public"},
		{"an unknown tier", soundWorld + "tier: gold\n", "tier should be one of free, premium, ultimate"},
		{"a sub without components", soundWorld + "    ci_id_token_sub_claim_components: []\n", "at least one component"},
		{"a sub led by the ref", soundWorld + "    ci_id_token_sub_claim_components: [ref, project_path]\n", "project_path or project_id must be the first element of the sub claim"},
		{"a sub with an unknown component", soundWorld + "    ci_id_token_sub_claim_components: [project_path, environment]\n", "environment is not an allowed sub claim component"},
		{"a member who does not exist", soundWorld + "    members: [{username: eve, access_level: developer}]\n", "there is no user eve"},
		{"an access level that is none", soundWorld + "    members: [{username: ann, access_level: boss}]\n", "is not an access level"},
		{"an access rule for a user who does not exist", soundWorld + "    protected_branches: [{name: main, push_access_levels: [{username: eve}]}]\n", "there is no user eve"},
		{"an access rule for a group that does not exist", soundWorld + "    protected_tags: [{name: v*, create_access_levels: [{group: h}]}]\n", "there is no group h"},
		{"an access rule for both", soundWorld + "    protected_tags: [{name: v*, create_access_levels: [{group: g, username: ann}]}]\n", "one of the three"},
		{"an access rule for a user on the free tier", "tier: free\n" + soundWorld + "    protected_branches: [{name: main, push_access_levels: [{username: ann}]}]\n", "need tier premium or ultimate"},
		{"a protected environment on the free tier", "tier: free\n" + soundWorld + "    protected_environments: [{name: a, deploy_access_levels: [{access_level: 40}]}]\n", "need tier premium or ultimate"},
		{"a protected environment for no one by omission", soundWorld + "    protected_environments: [{name: a}]\n", "needs deploy_access_levels"},
		{"a group's protected environment by name", strings.Replace(soundWorld, "full_path: g", "full_path: g, protected_environments: [{name: prod-eu, deploy_access_levels: [{access_level: 40}]}]", 1), "by deployment tier"},
		{"a fork of nothing", soundWorld + "    forked_from_project: g/q\n", "is a fork of g/q, which is not listed"},
		{"a variable with a bad key", soundWorld + "    variables: [{key: A-B, value: x}]\n", "letters, digits and _ only"},
		{"a masked value that cannot be", soundWorld + "    variables: [{key: A, value: short, masked: true}]\n", "at least 8 characters"},
		{"a variable twice", soundWorld + "    variables: [{key: A, value: x}, {key: A, value: y}]\n", "is listed twice"},
		{"a timeout that is none", soundWorld + "    build_timeout: soon\n", "should be a duration"},
		{"a truth value that is a word", soundWorld + "    protect_merge_request_pipelines: maybe\n", "should be true or false"},
		{"a list that is a word", soundWorld + "    members: ann\n", "members should be a list"},
		{"an unknown role for variables", soundWorld + "    ci_pipeline_variables_minimum_override_role: guest\n", "should be one of no_one_allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := labgitlab.LoadWorld(writeWorld(t, tt.text, nil))
			wantError(t, err, labgitlab.ReasonMalformed, tt.want)
			if w != nil {
				t.Error("an error and a world")
			}
		})
	}
	if _, err := labgitlab.LoadWorld(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a world out of nothing")
	}
}

// Rules for one ref are joined by OR: a lax pattern defeats a strict name.
func TestProtectionIsAsLaxAsItsLaxestRule(t *testing.T) {
	rules := func(text string) *labgitlab.Server {
		world := strings.Replace(soundWorld, "namespace_id: 9}", "namespace_id: 9}\n  - {id: 2, username: dev}\n  - {id: 3, username: lead}", 1) +
			"    members: [{username: ann, access_level: maintainer}, {username: dev, access_level: developer}, {username: lead, access_level: developer}]\n" + text
		return newLab(t, writeWorld(t, world, map[string]string{".gitlab-ci.yml": "j: {script: [x], id_tokens: {T: {aud: a}}}"}))
	}
	for _, tt := range []struct {
		name, text string
		dev, lead  bool
		protected  string
	}{
		{"no rule", "", true, true, "false"},
		{"Maintainers by default", "    protected_branches: [{name: main}]\n", false, false, "true"},
		{"no one pushes, Developers merge", "    protected_branches: [{name: main, push_access_levels: [], merge_access_levels: [{access_level: 30}]}]\n", true, true, "true"},
		{"no one at all", "    protected_branches: [{name: main, push_access_levels: [{access_level: 0}], merge_access_levels: []}]\n", false, false, "true"},
		{"a lax pattern beside a strict name", "    protected_branches: [{name: main}, {name: 'ma*', push_access_levels: [{access_level: developer}]}]\n", true, true, "true"},
		{"a rule for another name", "    protected_branches: [{name: 'main-*'}]\n", true, true, "false"},
		{"one user beside the role", "    protected_branches: [{name: main, push_access_levels: [{access_level: 40}, {username: lead}], merge_access_levels: []}]\n", false, true, "true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := rules(tt.text)
			for user, want := range map[string]bool{"dev": tt.dev, "lead": tt.lead} {
				_, err := s.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "g/p", Ref: "main", User: user})
				if (err == nil) != want {
					t.Errorf("%s: %v", user, err)
				}
			}
			if tt.name == "no one at all" {
				return
			}
			p := create(t, s, labgitlab.PipelineRequest{Project: "g/p", Ref: "main"})
			if got := tokenClaims(t, value(t, start(t, s, p, "j"), "T"))["ref_protected"]; got != tt.protected {
				t.Errorf("ref_protected %v", got)
			}
		})
	}
}

func TestGroupRulesReachTheProjectsBelow(t *testing.T) {
	world := `
users: [{id: 1, username: ann}]
groups:
  - id: 7
    full_path: g
    members: [{username: ann, access_level: owner}]
    protected_branches: [{name: main}]
    protected_environments: [{name: production, deploy_access_levels: [{access_level: owner}]}]
    variables: [{key: A, value: outer}, {key: B, value: outer}]
  - {id: 8, full_path: g/h, variables: [{key: B, value: inner}]}
projects:
  - {id: 5, path_with_namespace: g/h/p, directory: ., branches: [main]}
`
	s := newLab(t, writeWorld(t, world, map[string]string{".gitlab-ci.yml": "j: {script: [x], environment: {name: shop, deployment_tier: production}, id_tokens: {T: {aud: a}}}"}))
	started := start(t, s, create(t, s, labgitlab.PipelineRequest{Project: "g/h/p", Ref: "main"}), "j")
	claims := tokenClaims(t, value(t, started, "T"))
	for name, want := range map[string]any{"ref_protected": "true", "environment_protected": "true", "namespace_id": "8", "namespace_path": "g/h", "user_access_level": "owner"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if value(t, started, "A") != "outer" || value(t, started, "B") != "inner" {
		t.Error("group variables")
	}
}

func FuzzWorld(f *testing.F) {
	f.Add(soundWorld)
	f.Add("users: [{id: 1, username: a, identities: [{provider: p, extern_uid: u}]}]\nrunner: {id: 2}\nvariables: [{key: A, value: 1}]")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "world.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		w, err := labgitlab.LoadWorld(path)
		if err != nil {
			if labgitlab.ReasonOf(err) != labgitlab.ReasonMalformed || w != nil {
				t.Fatalf("not a refusal alone: %v", err)
			}
			return
		}
		if len(w.Users) == 0 {
			t.Fatal("a world without people")
		}
	})
}
