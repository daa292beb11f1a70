package labgitlab_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
)

// rest asks the REST API as whoever holds a token.
func rest(t *testing.T, server http.Handler, method, path, token string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(method, "https://gitlab.example.com/api/v4"+path, nil)
	if token != "" {
		request.Header.Set("PRIVATE-TOKEN", "glpat-"+token+"-0123456789")
	}
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	return answer
}

// Who may see what: as GitLab answers, what is hidden is 404 and what is not
// for this role 403.
func TestRESTWhoSeesWhat(t *testing.T) {
	server := testLab(t)
	for _, tt := range []struct {
		path string
		want map[string]int // :: whose token → status
	}{
		{"/metadata", map[string]int{"": 401, "wrong": 401, "old": 401, "nothing": 403, "stranger": 200, "project": 200}},
		{"/license", map[string]int{"root": 200, "mia": 403, "project": 403}},
		{"/user", map[string]int{"mia": 200, "project": 200}},
		{"/personal_access_tokens/self", map[string]int{"": 401, "old": 401, "nothing": 200, "mia": 200, "project": 200}},
		{"/projects/20", map[string]int{"": 401, "root": 200, "mia": 200, "dev": 200, "stranger": 404, "project": 200}},
		{"/projects/my-group%2Fshop", map[string]int{"mia": 200, "stranger": 404}},
		{"/projects/My-Group%2FShop", map[string]int{"mia": 200}},
		{"/projects/my-group/shop", map[string]int{"mia": 404}},
		{"/projects/99", map[string]int{"root": 404}},
		{"/projects/21", map[string]int{"stranger": 200, "project": 200}}, // internal
		{"/projects/21/protected_branches", map[string]int{"stranger": 403, "project": 403, "mia": 200}},
		{"/projects/20/protected_branches", map[string]int{"root": 200, "mia": 200, "dev": 403, "stranger": 404, "project": 200}},
		{"/projects/20/protected_tags", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/environments", map[string]int{"dev": 200}},
		{"/projects/20/protected_environments", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/approvals", map[string]int{"mia": 200, "dev": 200, "stranger": 404}},
		{"/projects/20/merge_request_approval_settings", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/approval_rules", map[string]int{"dev": 200}},
		{"/projects/20/push_rule", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/members", map[string]int{"dev": 200, "stranger": 404}},
		{"/projects/20/members/all", map[string]int{"dev": 200}},
		{"/projects/20/access_tokens", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/deploy_keys", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/triggers", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/pipeline_schedules", map[string]int{"dev": 200}},
		{"/projects/20/job_token_scope", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/job_token_scope/allowlist", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/job_token_scope/groups_allowlist", map[string]int{"mia": 200, "dev": 403}},
		{"/projects/20/variables", map[string]int{"": 401, "root": 404}},
		{"/groups/my-group", map[string]int{"mia": 200, "stranger": 404, "dev": 200, "project": 200}},
		{"/groups/72/protected_branches", map[string]int{"mia": 200, "dev": 403, "stranger": 404, "project": 403}},
		{"/groups/my-group%2Fplatform/protected_environments", map[string]int{"root": 200, "mia": 200, "dev": 404}},
		{"/groups/80/members/all", map[string]int{"mia": 200, "stranger": 404}}, // invited to the project
		{"/namespaces/my-group", map[string]int{"root": 200, "stranger": 404}},
		{"/namespaces/dev", map[string]int{"dev": 200, "mia": 404}},
	} {
		for who, want := range tt.want {
			answer := rest(t, server, http.MethodGet, tt.path, who)
			if answer.Code != want || !json.Valid(answer.Body.Bytes()) {
				t.Errorf("%s as %q: %d %s, want %d", tt.path, who, answer.Code, answer.Body, want)
			}
			if strings.Contains(answer.Body.String(), "0123456789") {
				t.Errorf("%s as %q shows a token", tt.path, who)
			}
		}
	}
}

func TestRESTRefusalsInGitLabsWords(t *testing.T) {
	server := testLab(t)
	for _, tt := range []struct{ method, path, token, want string }{
		{"GET", "/projects/20", "", `{"message":"401 Unauthorized"}`},
		{"GET", "/projects/20", "old", `{"error":"invalid_token","error_description":"Token is expired. You can either do re-authorization or token refresh."}`},
		{"GET", "/projects/20", "nothing", `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api read_api"}`},
		{"GET", "/projects/20", "stranger", `{"message":"404 Project Not Found"}`},
		{"GET", "/projects/20/triggers", "dev", `{"message":"403 Forbidden"}`},
		{"GET", "/projects/20/triggers?per_page=0", "mia", `{"error":"per_page does not have a valid value"}`},
		{"GET", "/projects/20/triggers?page=a", "mia", `{"error":"page does not have a valid value"}`},
		{"POST", "/projects/20/triggers", "root", `{"error":"404 Not Found"}`},
		{"POST", "/personal_access_tokens/self/rotate", "dev", ""},
		{"POST", "/personal_access_tokens/self/rotate", "root", `{"error":"insufficient_scope","error_description":"The request requires higher privileges than provided by the access token.","scope":"api self_rotate"}`},
		{"POST", "/personal_access_tokens/self/rotate", "project", `{"message":"405 Method Not Allowed"}`},
		{"POST", "/projects/21/access_tokens/self/rotate", "project", `{"message":"401 Unauthorized"}`},
		{"GET", "/projects/21/push_rule", "mia", "null"},
	} {
		got := strings.TrimSpace(rest(t, server, tt.method, tt.path, tt.token).Body.String())
		if tt.want != "" && got != tt.want {
			t.Errorf("%s as %q: %s", tt.path, tt.token, got)
		}
	}
	answer := rest(t, server, http.MethodGet, "/metadata", "stranger")
	if got := strings.TrimSpace(answer.Body.String()); got != `{"version":"19.1.0-ee","revision":"mayfly-lab","kas":{"enabled":false,"externalUrl":null,"version":null},"enterprise":true}` {
		t.Error(got)
	}
}

// What a tier lacks is not mounted.
func TestRESTOfTheFreeTier(t *testing.T) {
	server := newLab(t, writeWorld(t, "tier: free\npersonal_access_tokens: [{id: 1, username: ann, token: glpat-ann-0123456789, scopes: [read_api]}]\n"+
		soundWorld+"    members: [{username: ann, access_level: owner}]\n    protected_branches: [{name: main}]\n", nil))
	for path, want := range map[string]int{
		"/projects/5/protected_branches": 200, "/projects/5/protected_tags": 200, "/projects/5/approvals": 404, "/projects/5/approval_rules": 404, "/projects/5/push_rule": 404,
		"/projects/5/merge_request_approval_settings": 404, "/projects/5/protected_environments": 404, "/groups/7/protected_branches": 404, "/license": 404,
	} {
		answer := rest(t, server, http.MethodGet, path, "ann")
		if answer.Code != want || want == 404 && strings.TrimSpace(answer.Body.String()) != `{"error":"404 Not Found"}` {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
	if got := rest(t, server, http.MethodGet, "/metadata", "ann").Body.String(); !strings.Contains(got, `"version":"19.1.0"`) || !strings.Contains(got, `"enterprise":false`) {
		t.Error(got)
	}
	branches := rest(t, server, http.MethodGet, "/projects/5/protected_branches", "ann").Body.String()
	if want := `[{"id":501,"name":"main","push_access_levels":[{"id":5011,"access_level":40,"access_level_description":"Maintainers"}],"merge_access_levels":[{"id":5011,"access_level":40,"access_level_description":"Maintainers"}],"allow_force_push":false}]`; strings.TrimSpace(branches) != want {
		t.Error(branches)
	}
	if project := rest(t, server, http.MethodGet, "/projects/5", "ann").Body.String(); strings.Contains(project, `"mirror"`) {
		t.Error(project)
	}
}

// Maintainers see the CI/CD settings; others get a project without them, not
// with false ones.
func TestRESTHiddenFields(t *testing.T) {
	server := testLab(t)
	fields := func(token string) map[string]any {
		var out map[string]any
		if err := json.Unmarshal(rest(t, server, http.MethodGet, "/projects/20", token).Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, name := range []string{"ci_id_token_sub_claim_components", "ci_pipeline_variables_minimum_override_role", "protect_merge_request_pipelines", "ci_allow_fork_pipelines_to_run_in_parent_project", "ci_push_repository_for_job_token_allowed", "mirror"} {
		if _, shown := fields("mia")[name]; !shown {
			t.Errorf("a Maintainer does not see %s", name)
		}
		if value, shown := fields("dev")[name]; shown {
			t.Errorf("a Developer sees %s: %v", name, value)
		}
	}
	var fork map[string]any
	if err := json.Unmarshal(rest(t, server, http.MethodGet, "/projects/30", "stranger").Body.Bytes(), &fork); err != nil || fork["forked_from_project"] != nil {
		t.Errorf("%v: a hidden parent is shown: %v", err, fork["forked_from_project"])
	}
}

func TestRESTPages(t *testing.T) {
	server := testLab(t)
	answer := rest(t, server, http.MethodGet, "/projects/20/members/all?per_page=2&page=2", "mia")
	var page []map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &page); err != nil || len(page) != 2 {
		t.Fatalf("%v %s", err, answer.Body)
	}
	want := map[string]string{"X-Page": "2", "X-Per-Page": "2", "X-Next-Page": "3", "X-Prev-Page": "1", "X-Total": "8", "X-Total-Pages": "4",
		"Link": `<https://gitlab.example.com/api/v4/projects/20/members/all?page=1&per_page=2>; rel="prev", <https://gitlab.example.com/api/v4/projects/20/members/all?page=3&per_page=2>; rel="next", ` +
			`<https://gitlab.example.com/api/v4/projects/20/members/all?page=1&per_page=2>; rel="first", <https://gitlab.example.com/api/v4/projects/20/members/all?page=4&per_page=2>; rel="last"`}
	for name, value := range want {
		if got := answer.Header().Get(name); got != value {
			t.Errorf("%s: %s", name, got)
		}
	}
	if answer := rest(t, server, http.MethodGet, "/projects/20/members/all?per_page=100&page=9", "mia"); strings.TrimSpace(answer.Body.String()) != "[]" || answer.Header().Get("X-Next-Page") != "" {
		t.Errorf("%s %v", answer.Body, answer.Header())
	}
}

// Two answers, field for field.
func TestRESTShapes(t *testing.T) {
	server := testLab(t)
	for path, want := range map[string]string{
		"/projects/20/protected_branches?search=release": `[{"id":2003,"name":"release/*","push_access_levels":[
			{"id":20031,"access_level":40,"access_level_description":"Devon Developer","user_id":12,"group_id":null},
			{"id":20032,"access_level":null,"access_level_description":"releasers","user_id":null,"group_id":80},
			{"id":20033,"access_level":40,"access_level_description":"Deploy key","user_id":null,"group_id":null,"deploy_key_id":9}],
			"merge_access_levels":[{"id":20031,"access_level":40,"access_level_description":"Maintainers","user_id":null,"group_id":null}],
			"unprotect_access_levels":[{"id":20031,"access_level":50,"access_level_description":"Owners","user_id":null,"group_id":null}],
			"allow_force_push":true,"code_owner_approval_required":true,"inherited":false}]`,
		"/projects/20/merge_request_approval_settings": `{"allow_author_approval":{"value":false,"locked":false,"inherited_from":null},"allow_committer_approval":{"value":false,"locked":false,"inherited_from":null},
			"allow_overrides_to_approver_list_per_merge_request":{"value":false,"locked":false,"inherited_from":null},"retain_approvals_on_push":{"value":false,"locked":false,"inherited_from":null},
			"require_password_to_approve":{"value":false,"locked":false,"inherited_from":null},"require_reauthentication_to_approve":{"value":false,"locked":false,"inherited_from":null},"selective_code_owner_removals":{"value":false,"locked":false,"inherited_from":null}}`,
		"/projects/20/job_token_scope": `{"inbound_enabled":true,"outbound_enabled":false}`,
	} {
		var got, wanted any
		if err := json.Unmarshal(rest(t, server, http.MethodGet, path, "mia").Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// A rotated token is dead, and the new one lives as long as was asked.
func TestRESTRotation(t *testing.T) {
	for who, path := range map[string]string{"mia": "/personal_access_tokens/self/rotate", "project": "/projects/20/access_tokens/self/rotate"} {
		server := testLab(t)
		answer := rest(t, server, http.MethodPost, path+"?expires_at=2023-05-01", who)
		var out struct {
			Token   string
			Expires string `json:"expires_at"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil || answer.Code != http.StatusOK || out.Expires != "2023-05-01" || !strings.HasPrefix(out.Token, "glpat-") {
			t.Fatalf("%s: %d %s", who, answer.Code, answer.Body)
		}
		if code := rest(t, server, http.MethodGet, "/user", who).Code; code != http.StatusUnauthorized {
			t.Errorf("%s: the old token still opens: %d", who, code)
		}
		request := httptest.NewRequest(http.MethodGet, "https://gitlab.example.com/api/v4/personal_access_tokens/self", nil)
		request.Header.Set("Authorization", "Bearer "+out.Token)
		again := httptest.NewRecorder()
		server.ServeHTTP(again, request)
		if again.Code != http.StatusOK || strings.Contains(again.Body.String(), out.Token) {
			t.Errorf("%s: %d %s", who, again.Code, again.Body)
		}
	}
}

// The protections of a running lab change through its door, and are in force for
// the next pipeline and the next question.
func TestChangesAtTheDoor(t *testing.T) {
	server := testLab(t)
	lab := httptest.NewServer(server)
	defer lab.Close()
	door := &labgitlab.Client{URL: lab.URL, Secret: testSecret}
	ctx := t.Context()
	branches := func() string {
		return rest(t, server, http.MethodGet, "/projects/20/protected_branches", "mia").Body.String()
	}
	protected := func() bool {
		p, err := server.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"})
		if err != nil {
			t.Fatal(err)
		}
		return p.RefProtected
	}
	before := server.World()
	if !protected() || !strings.Contains(branches(), `"production"`) {
		t.Fatal("production is not protected")
	}
	if err := door.UnprotectBranch(ctx, "my-group/shop", "production"); err != nil {
		t.Fatal(err)
	}
	if protected() || strings.Contains(branches(), `"production"`) {
		t.Error("production is still protected")
	}
	if p, _ := before.Project("my-group/shop"); len(p.ProtectedBranches) != 3 {
		t.Error("a world that was given away has changed")
	}
	err := door.ProtectBranch(ctx, labgitlab.BranchProtection{Project: "my-group/shop", Name: "production", Merge: []labgitlab.LevelChange{{Level: "maintainer"}, {Group: "releasers"}}, AllowForcePush: true})
	if err != nil || !protected() || !strings.Contains(branches(), `"allow_force_push":true`) {
		t.Errorf("%v %s", err, branches())
	}
	yes, no := true, false
	err = door.ChangeApprovals(ctx, labgitlab.ApprovalsChange{Project: "my-group/shop", Author: &yes, Reset: &no, Rules: []labgitlab.RuleChange{{Name: "Reviewers", Required: 0}}})
	settings := rest(t, server, http.MethodGet, "/projects/20/approvals", "mia").Body.String()
	rules := rest(t, server, http.MethodGet, "/projects/20/approval_rules", "mia").Body.String()
	if err != nil || !strings.Contains(settings, `"merge_requests_author_approval":true`) || !strings.Contains(settings, `"reset_approvals_on_push":false`) ||
		!strings.Contains(settings, `"merge_requests_disable_committers_approval":true`) || strings.Contains(rules, `"approvals_required":2`) {
		t.Errorf("%v %s %s", err, settings, rules)
	}
	for name, tt := range map[string]struct {
		change func() error
		reason labgitlab.Reason
		want   string
	}{
		"a project that is not there": {func() error { return door.UnprotectBranch(ctx, "my-group/none", "main") }, labgitlab.ReasonUnknown, "there is no project my-group/none"},
		"a rule that is not there":    {func() error { return door.UnprotectBranch(ctx, "my-group/shop", "mai") }, labgitlab.ReasonUnknown, "no protected branch mai"},
		"nobody's level": {func() error {
			return door.ProtectBranch(ctx, labgitlab.BranchProtection{Project: "my-group/shop", Name: "x", Push: []labgitlab.LevelChange{{User: "eve"}}})
		}, labgitlab.ReasonMalformed, "there is no user eve"},
		"two in one": {func() error {
			return door.ProtectBranch(ctx, labgitlab.BranchProtection{Project: "my-group/shop", Name: "x", Push: []labgitlab.LevelChange{{User: "dev", Level: "40"}}})
		}, labgitlab.ReasonMalformed, "one of them"},
		"no name": {func() error { return door.ProtectBranch(ctx, labgitlab.BranchProtection{Project: "my-group/shop"}) }, labgitlab.ReasonMalformed, "needs a name"},
		"an approval rule that is not there": {func() error {
			return door.ChangeApprovals(ctx, labgitlab.ApprovalsChange{Project: "my-group/shop", Rules: []labgitlab.RuleChange{{Name: "none"}}})
		}, labgitlab.ReasonUnknown, "no approval rule none"},
		"no secret": {func() error {
			return (&labgitlab.Client{URL: lab.URL, Secret: "another-secret-0123456789"}).UnprotectBranch(ctx, "my-group/shop", "main")
		}, labgitlab.ReasonUnauthorized, "needs the lab's secret"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, tt.change(), tt.reason, tt.want) })
	}
}

func TestAWorldsGuardrailsAreChecked(t *testing.T) {
	const token = "personal_access_tokens: [{id: 1, username: ann, token: glpat-ann-0123456789, scopes: [read_api]}]\n"
	for _, tt := range []struct{ name, text, want string }{
		{"a token of nobody", strings.Replace(token, "ann,", "eve,", 1) + soundWorld, "there is no user eve"},
		{"a short token", strings.Replace(token, "-0123456789", "", 1) + soundWorld, "at least 16 printable characters"},
		{"a scope that is none", strings.Replace(token, "read_api", "sudo", 1) + soundWorld, "the lab knows no scope sudo"},
		{"a token twice", token + soundWorld + "    access_tokens: [{id: 2, user_id: 8, access_level: 40, scopes: [api], token: glpat-ann-0123456789}]\n", "two access tokens are the same"},
		{"a token's id twice", token + soundWorld + "    access_tokens: [{id: 1, user_id: 8, access_level: 40, scopes: [api]}]\n", "access token id 1 is used twice"},
		{"a bot that is a user", soundWorld + "    access_tokens: [{id: 1, user_id: 1, access_level: 40, scopes: [api]}]\n", "user id 1 is used twice"},
		{"a day that is none", soundWorld + "    deploy_keys: [{id: 1, expires_at: \"2027-02-30\"}]\n", "should be a date"},
		{"a deploy key that cannot push", soundWorld + "    deploy_keys: [{id: 1}]\n    protected_branches: [{name: a, push_access_levels: [{deploy_key_id: 1}]}]\n", "no deploy key 1 that can push"},
		{"a deploy key that merges", soundWorld + "    deploy_keys: [{id: 1, can_push: true}]\n    protected_branches: [{name: a, merge_access_levels: [{deploy_key_id: 1}]}]\n", "no deploy key 1 that can push"},
		{"an approver who is not there", soundWorld + "    approval_rules: [{name: a, usernames: [eve]}]\n", "there is no user eve"},
		{"a rule for a branch that is not protected", soundWorld + "    approval_rules: [{name: a, protected_branches: [main]}]\n", "which there is not"},
		{"approvals on the free tier", "tier: free\n" + soundWorld + "    approvals: {}\n", "need tier premium or ultimate"},
		{"approval rules on the free tier", "tier: free\n" + soundWorld + "    approval_rules: [{name: a}]\n", "need tier premium or ultimate"},
		{"a push rule on the free tier", "tier: free\n" + soundWorld + "    push_rule: {}\n", "need tier premium or ultimate"},
		{"code owners on the free tier", "tier: free\n" + soundWorld + "    protected_branches: [{name: a, code_owner_approval_required: true}]\n", "need tier premium or ultimate"},
		{"an unknown key of approvals", soundWorld + "    approvals: {author: true}\n", "approvals has no key \"author\""},
		{"an unknown key of a push rule", soundWorld + "    push_rule: {branch_name: a}\n", "a push rule has no key \"branch_name\""},
		{"a share with nobody", soundWorld + "    shared_with_groups: [{group: h, group_access_level: 30}]\n", "there is no group h"},
		{"a trigger of nobody", soundWorld + "    triggers: [{id: 1, owner: eve}]\n", "there is no user eve"},
		{"a schedule's id twice", soundWorld + "    pipeline_schedules: [{id: 1, ref: main}, {id: 1, ref: main}]\n", "pipeline schedule id 1 is used twice"},
		{"an allowlist of nothing", soundWorld + "    job_token_scope: {allowlist: [g/q]}\n", "there is no project g/q"},
		{"fewer than no approvals", soundWorld + "    approval_rules: [{name: a, approvals_required: -1}]\n", "approvals_required should be a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := labgitlab.LoadWorld(writeWorld(t, tt.text, nil))
			wantError(t, err, labgitlab.ReasonMalformed, tt.want)
		})
	}
}

// A group that a project is shared with gives its members a role there, no
// higher than the share.
func TestSharesGiveARole(t *testing.T) {
	w := testLab(t).World()
	p, _ := w.Project("my-group/shop")
	rhea, _ := w.User("rhea")
	if got := w.Level(p, rhea); got != labgitlab.Developer {
		t.Errorf("%v", got)
	}
}

// No path or query upsets the REST API.
func FuzzREST(f *testing.F) {
	world, err := labgitlab.LoadWorld(filepath.Join("testdata", "world", "world.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	server, err := labgitlab.New(labgitlab.Config{World: world, ExternalURL: testIssuer, Secret: testSecret, KeyDir: testKeys})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("/projects/20/members/all", "page=1&per_page=100")
	f.Add("/groups/my-group%2Fplatform/projects", "include_subgroups=true&archived=false")
	f.Fuzz(func(t *testing.T, path, query string) {
		request := httptest.NewRequest(http.MethodGet, "https://gitlab.example.com/", nil)
		request.URL.Path, request.URL.RawPath, request.URL.RawQuery = "/api/v4"+path, "", query
		request.Header.Set("PRIVATE-TOKEN", "glpat-root-0123456789")
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, request)
		if answer.Code >= 500 {
			t.Errorf("%q %q: %d %s", path, query, answer.Code, answer.Body)
		}
	})
}

// The page for users names every key of the world.
func TestTheDocumentationNamesEveryGuardrail(t *testing.T) {
	page, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"is_admin", "personal_access_tokens", "access_tokens", "unprotect_access_levels", "code_owner_approval_required", "approvals", "approval_rules", "push_rule", "job_token_scope",
		"shared_with_groups", "triggers", "pipeline_schedules", "deploy_keys", "deploy_key_id", "archived", "mirror", "mirror_trigger_builds", "merge_method", "only_allow_merge_if_pipeline_succeeds",
		"allow_merge_on_skipped_pipeline", "only_allow_merge_if_all_discussions_are_resolved", "ci_push_repository_for_job_token_allowed"} {
		if !strings.Contains(string(page), "`"+key+"`") {
			t.Errorf("docs/lab.md does not explain %s", key)
		}
	}
}
