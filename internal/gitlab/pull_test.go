package gitlab

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/guard"
)

const path = "diaspora/diaspora-project-site"

func (f *fake) pull(t *testing.T, tier guard.Tier) (*guard.Facts, error) {
	t.Helper()
	return f.client().Pull(t.Context(), []string{path}, tier, nil)
}

// encode is a facts file, of the fake's name instead of its address.
func (f *fake) encode(t *testing.T, facts *guard.Facts) string {
	t.Helper()
	out, err := guard.Encode(facts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := guard.Decode(out); err != nil {
		t.Fatalf("the file is not read again: %v\n%s", err, out)
	}
	return strings.ReplaceAll(string(out), f.URL, "https://gitlab.example.com")
}

// What GitLab could never mean is unknown, and the file is read again.
func TestPullOfNonsense(t *testing.T) {
	f := newFake(t)
	f.does("/projects/diaspora%2Fdiaspora-project-site", status(200, `{"id":3,"path_with_namespace":"diaspora/diaspora-project-site",
		"forked_from_project":{"path_with_namespace":"x/y\n"},"ci_id_token_sub_claim_components":["project_path",""]}`))
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	f.encode(t, facts)
	p := facts.Projects[0]
	if got, want := p.ForkedFrom.Why(), `GET /projects/diaspora%2Fdiaspora-project-site: forked_from_project: "x/y\n" is no path`; got != want {
		t.Errorf("forked from: %s", got)
	}
	if got, want := p.SubComponents.Why(), `GET /projects/diaspora%2Fdiaspora-project-site: ci_id_token_sub_claim_components: it is empty`; got != want {
		t.Errorf("sub: %s", got)
	}
}

// GitLab's published samples, and the facts they mean.
func TestPull(t *testing.T) {
	f := newFake(t)
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	got := f.encode(t, facts)
	want, err := os.ReadFile("testdata/facts.yaml")
	if err != nil || cmp.Diff(string(want), got) != "" {
		t.Errorf("%v\n%s\n%s", err, cmp.Diff(string(want), got), got)
	}
	if strings.Contains(got, "Smith") || strings.Contains(got, "Doe") || strings.Contains(got, "6d05") || strings.Contains(got, "ssh-rsa") {
		t.Error("the facts hold a person's name, a token or a key")
	}
}

// Whatever one endpoint does, the facts behind it are unknown with the reason,
// and everything else is as it was.
func TestPullKeepsTheRest(t *testing.T) {
	whole, err := newFake(t).pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	base := states(whole)
	garbage := map[string]http.HandlerFunc{
		"403": status(403, `{"message":"403 Forbidden"}`),
		"404": status(404, `{"message":"404 Project Not Found"}`),
		"429": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "300")
			status(429, "Retry later")(w, r)
		},
		"500":       status(500, `{"message":"500 Internal Server Error"}`),
		"HTML":      status(200, `<html>sign in</html>`),
		"truncated": status(200, `[{"id":1,"name":"ma`),
		"null":      status(200, `null`),
		"a number":  status(200, `7`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusFound)
		},
		"no level":  status(200, `[{"id":1,"name":"main","access_level":5000,"push_access_levels":[{}],"create_access_levels":[{}],"deploy_access_levels":[{}],"rule_type":"other"}]`),
		"too large": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat(" ", maxAnswer+1)) },
		"closed":    func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	}
	for _, tt := range []struct {
		at    string
		facts []string
	}{
		{"/projects/3/protected_branches", []string{"protected_branches"}},
		{"/projects/3/protected_tags", []string{"protected_tags"}},
		{"/projects/3/environments", []string{"environments"}},
		{"/projects/3/protected_environments", []string{"protected_environments"}},
		{"/groups/diaspora/protected_environments", []string{"group_protected_environments"}},
		{"/projects/3/approval_rules", []string{"approval_rules"}},
		{"/projects/3/push_rule", []string{"push_rule"}},
		{"/projects/3/members/all", []string{"members"}},
		{"/projects/3/access_tokens", []string{"access_tokens"}},
		{"/projects/3/deploy_keys", []string{"deploy_keys"}},
		{"/projects/3/triggers", []string{"triggers"}},
		{"/projects/3/pipeline_schedules", []string{"schedules"}},
		{"/projects/3/job_token_scope", []string{"job_token_inbound_limited"}},
		{"/projects/3/job_token_scope/allowlist", []string{"job_token_projects"}},
		{"/projects/3/job_token_scope/groups_allowlist", []string{"job_token_groups"}},
	} {
		for name, handler := range garbage {
			t.Run(tt.at+" "+name, func(t *testing.T) {
				if name == "null" && strings.HasSuffix(tt.at, "/push_rule") {
					t.Skip("null is a push rule: none")
				}
				if name == "no level" && (strings.HasSuffix(tt.at, "/environments") || strings.HasSuffix(tt.at, "/triggers")) {
					t.Skip("a list of these has no levels")
				}
				f := newFake(t)
				f.does(tt.at, handler)
				facts, err := f.pull(t, "")
				incomplete, ok := errors.AsType[*IncompleteError](err)
				if !ok || len(incomplete.Missing) != 1 || incomplete.Missing[0].Err == nil {
					t.Fatalf("error %v", err)
				}
				got := states(facts)
				for _, fact := range tt.facts {
					if got[fact] != guard.StateUnknown {
						t.Errorf("%s is %s", fact, got[fact])
					}
					delete(got, fact)
				}
				for fact, state := range got {
					if state != base[fact] {
						t.Errorf("%s is %s, and was %s", fact, state, base[fact])
					}
				}
				if text := f.encode(t, facts); !strings.Contains(text, "\n    unknown:\n") || !strings.Contains(text, "GET "+tt.at) {
					t.Errorf("the file does not say what was refused:\n%s", text)
				}
			})
		}
	}
}

// states :: name of a project's fact → how much is known of it.
func states(f *guard.Facts) map[string]guard.State {
	out := map[string]guard.State{}
	for name, fact := range f.Projects[0].All() {
		out[name] = fact.State()
	}
	return out
}

// A project that cannot be read leaves the others as they are.
func TestPullOneProjectIsGone(t *testing.T) {
	f := newFake(t)
	facts, err := f.client().Pull(t.Context(), []string{"diaspora/gone", path}, "", nil)
	if err == nil || err.Error() != "something could not be read: diaspora/gone: GET /projects/diaspora%2Fgone: 404 Not Found" {
		t.Error(err)
	}
	if p, ok := facts.Project("diaspora/gone"); !ok || p.ID.State() != guard.StateUnknown || p.ID.Why() != "GET /projects/diaspora%2Fgone: 404 Not Found" {
		t.Errorf("%+v", p)
	}
	if p, ok := facts.Project(path); !ok || p.ProtectedBranches.State() != guard.StateKnown {
		t.Errorf("%+v", p)
	}
	f.encode(t, facts)
}

// A project's answer that hides fields from this token: those facts are unknown,
// not false, and nothing has failed.
func TestPullHiddenFields(t *testing.T) {
	f := newFake(t)
	f.says("/projects/diaspora%2Fdiaspora-project-site", `{"id":3,"path_with_namespace":"diaspora/diaspora-project-site","namespace":{"id":3,"kind":"group","full_path":"diaspora"},"default_branch":"main","archived":"false","visibility":"secret"}`)
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := facts.Projects[0]
	for name, fact := range p.All() {
		switch name {
		case "sub_claim_components", "protect_merge_request_pipelines", "fork_pipelines_in_parent", "pipeline_variables", "job_token_may_push", "ci_config_path", "mirror", "merge_needs_pipeline", "visibility", "forked_from":
			if fact.State() != guard.StateUnknown || !strings.Contains(fact.Why(), "GET /projects/diaspora%2Fdiaspora-project-site") {
				t.Errorf("%s is %s: %s", name, fact.State(), fact.Why())
			}
		}
	}
	if archived, known := p.Archived.Value(); archived || !known {
		t.Error("archived \"false\" is not false")
	}
}

// What a tier lacks is absent; what merely cannot be seen is unknown.
func TestPullTiers(t *testing.T) {
	refused := func(f *fake) {
		for _, at := range []string{"/projects/3/approval_rules", "/projects/3/approvals", "/projects/3/merge_request_approval_settings", "/projects/3/push_rule", "/projects/3/protected_environments", "/groups/diaspora/protected_environments", "/groups/diaspora/protected_branches"} {
			f.does(at, status(404, `{"error":"404 Not Found"}`))
		}
	}
	noLicense := func(f *fake) { f.does("/license", status(403, `{"message":"403 Forbidden"}`)) }
	plan := func(name string) func(f *fake) {
		return func(f *fake) {
			noLicense(f)
			f.says("/namespaces/diaspora", `{"id":3,"path":"diaspora","kind":"group","plan":"`+name+`"}`)
		}
	}
	for _, tt := range []struct {
		name   string
		stated guard.Tier
		set    []func(*fake)
		tier   string
		rules  guard.State
	}{
		{"no Enterprise Edition", "", []func(*fake){refused, func(f *fake) { f.says("/metadata", `{"version":"19.1.0","enterprise":false}`) }}, "free", guard.StateAbsent},
		{"a free namespace", "", []func(*fake){refused, plan("free")}, "free", guard.StateAbsent},
		{"a free namespace that answers all the same", "", []func(*fake){plan("free")}, "free", guard.StateAbsent},
		{"a licence of Premium", "", []func(*fake){refused, func(f *fake) { f.says("/license", `{"plan":"premium"}`) }}, "premium", guard.StateUnknown},
		{"a namespace of Premium", "", []func(*fake){plan("premium")}, "premium", guard.StateKnown},
		{"a trial", "", []func(*fake){plan("ultimate_trial")}, "ultimate", guard.StateKnown},
		{"a plan of long ago", "", []func(*fake){refused, plan("bronze")}, "unknown", guard.StateUnknown},
		{"self-managed, no administrator", "", []func(*fake){refused, plan("default")}, "unknown", guard.StateUnknown},
		{"no plan shown", "", []func(*fake){refused, noLicense}, "unknown", guard.StateUnknown},
		{"an expired licence", "", []func(*fake){refused, func(f *fake) { f.says("/license", `{"plan":"premium","expired":true}`) }}, "unknown", guard.StateUnknown},
		{"stated", guard.Free, []func(*fake){refused, noLicense}, "free", guard.StateAbsent},
		{"stated, and not so", guard.Premium, []func(*fake){func(f *fake) { f.says("/metadata", `{"version":"19.1.0","enterprise":false}`) }}, "free", guard.StateAbsent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			for _, set := range tt.set {
				set(f)
			}
			facts, err := f.pull(t, tt.stated)
			if facts == nil {
				t.Fatal(err)
			}
			p := facts.Projects[0]
			tier := "unknown"
			if known, ok := p.Tier.Value(); ok {
				tier = string(known)
			}
			if tier != tt.tier || p.ApprovalRules.State() != tt.rules || p.AuthorMayApprove.State() != tt.rules || p.PushRule.State() != tt.rules || p.ProtectedEnvironments.State() != tt.rules {
				t.Errorf("tier %s (%s), approval rules %s (%s), push rule %s", tier, p.Tier.Why(), p.ApprovalRules.State(), p.ApprovalRules.Why(), p.PushRule.State())
			}
			if (err != nil) != (tt.rules == guard.StateUnknown) {
				t.Errorf("error %v", err)
			}
			if tt.tier == "free" && f.asked("approval") > 0 {
				t.Error("asked for what the tier lacks")
			}
			if tier == "unknown" && tt.rules == guard.StateUnknown && !strings.Contains(p.ApprovalRules.Why(), "the tier lacks it") {
				t.Errorf("approval rules: %s", p.ApprovalRules.Why())
			}
			if branches, _ := p.ProtectedBranches.Value(); tt.tier == "free" && branches[1].CodeOwners.State() != guard.StateAbsent && branches[1].CodeOwners.State() != guard.StateKnown {
				t.Errorf("code owners are %s", branches[1].CodeOwners.State())
			}
			f.encode(t, facts)
		})
	}
}

// Without the endpoint of the settings in force, the project's own are read.
func TestPullApprovalsOfOlderGitLab(t *testing.T) {
	f := newFake(t)
	f.does("/projects/3/merge_request_approval_settings", status(404, `{"error":"404 Not Found"}`))
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := facts.Projects[0]
	for name, tt := range map[string]struct {
		fact guard.Fact[bool]
		want bool
	}{"author": {p.AuthorMayApprove, true}, "committers": {p.CommittersMayApprove, false}, "reset": {p.ResetApprovalsOnPush, true}, "overridable": {p.ApprovalRulesOverridable, true}, "password": {p.ReauthenticateToApprove, true}} {
		if got, known := tt.fact.Value(); got != tt.want || !known || tt.fact.Source().Call != "GET /projects/3/approvals" {
			t.Errorf("%s: %v, %v", name, got, known)
		}
	}
}

func TestPushRuleNone(t *testing.T) {
	for _, body := range []string{`null`, `"null"`} {
		f := newFake(t)
		f.says("/projects/3/push_rule", body)
		facts, err := f.pull(t, "")
		if rule, known := facts.Projects[0].PushRule.Value(); err != nil || rule.Set || !known {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// A rule of the group that the project's list does not have is not lost; where
// the group cannot be read the project's list stands.
func TestPullGroupBranches(t *testing.T) {
	f := newFake(t)
	f.says("/groups/diaspora/protected_branches", `[{"id":7,"name":"*","push_access_levels":[{"access_level":30}],"merge_access_levels":[],"allow_force_push":true}]`)
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	branches, _ := facts.Projects[0].ProtectedBranches.Value()
	last := branches[len(branches)-1]
	if force, _ := last.ForcePush.Value(); len(branches) != 3 || last.Name != "*" || last.From != "diaspora" || !force {
		t.Errorf("%+v", branches)
	}
	f.does("/groups/diaspora/protected_branches", status(403, `{}`))
	facts, err = f.pull(t, "")
	if branches, _ := facts.Projects[0].ProtectedBranches.Value(); err != nil || len(branches) != 2 || branches[1].From != "diaspora" {
		t.Errorf("%v %+v", err, branches)
	}
	f.does("/groups/diaspora/protected_branches", status(502, `{}`))
	facts, err = f.pull(t, "")
	if err == nil || facts.Projects[0].ProtectedBranches.State() != guard.StateUnknown {
		t.Error("a list that may lack rules is known")
	}
}

// Nothing can be asked: there are no facts, only what is wrong.
func TestPullStops(t *testing.T) {
	f := newFake(t)
	f.does("/metadata", status(401, `{"message":"401 Unauthorized"}`))
	facts, err := f.pull(t, "")
	if facts != nil || err == nil || err.Error() != "GET /metadata: 401 Unauthorized" {
		t.Errorf("%v %v", facts, err)
	}
	c := f.client()
	f.Close()
	facts, err = c.Pull(t.Context(), []string{path}, "", nil)
	if facts != nil || err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%v %v", facts, err)
	}
}

// What several projects lack for one reason is said once, and not without end.
func TestIncompleteErrorIsShort(t *testing.T) {
	refused := &Error{Call: "GET /groups/g/protected_environments", Status: 403}
	e := &IncompleteError{[]Missing{{"g/a", refused}, {"g/b", refused}, {"g/c", refused}, {"", &Error{Call: "GET /groups/7", Status: 404}}}}
	if got, want := e.Error(), "2 things could not be read:\ng/a and 2 more: GET /groups/g/protected_environments: 403 Forbidden\nGET /groups/7: 404 Not Found"; got != want {
		t.Error(got)
	}
	for i := range 100 {
		e.Missing = append(e.Missing, Missing{"g/a", &Error{Call: "GET /x/" + strconv.Itoa(i), Status: 500}})
	}
	if lines := strings.Split(e.Error(), "\n"); len(lines) != 1+maxShown+1 || lines[len(lines)-1] != "and 82 more" {
		t.Errorf("%d lines, the last %s", len(lines), lines[len(lines)-1])
	}
	if !errors.Is(e, error(refused)) {
		t.Error("the refusals are not within")
	}
}

func TestPullProgress(t *testing.T) {
	var seen []Progress
	_, err := newFake(t).client().Pull(t.Context(), []string{path, path}, "", func(p Progress) { seen = append(seen, p) })
	if want := []Progress{{path, 1, 2}, {path, 2, 2}}; err != nil || !slices.Equal(seen, want) {
		t.Errorf("%v %v", seen, err)
	}
}

func TestGroupProjects(t *testing.T) {
	f := newFake(t)
	f.does("/groups/diaspora%2Fsub/projects", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("include_subgroups") != "true" || q.Get("archived") != "false" || q.Get("with_shared") != "false" {
			t.Errorf("query %v", q)
		}
		status(200, `[{"path_with_namespace":"diaspora/sub/a"},{"path_with_namespace":"diaspora/sub/b"}]`)(w, r)
	})
	got, err := f.client().GroupProjects(t.Context(), "diaspora/sub")
	if want := []string{"diaspora/sub/a", "diaspora/sub/b"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
}
