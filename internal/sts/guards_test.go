package sts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/webidentity"
)

// door is what GitLab enforces as the service asks for it.
type door struct {
	t       *testing.T
	project *guard.Project
	taken   time.Time
	err     error
	closed  bool // asking is a mistake
	asked   []string
	pinned  bool
	while   func() // happens while the answer is waited for
}

func (d *door) Guards(_ context.Context, issuer string, id int64, path string, pinned bool) (*guard.Project, time.Time, error) {
	if d.closed {
		d.t.Errorf("the guards of %s were asked for", path)
	}
	d.asked, d.pinned = append(d.asked, issuer+" "+path), pinned
	if d.while != nil {
		d.while()
	}
	if d.err != nil {
		return nil, time.Time{}, d.err
	}
	if id != 20 {
		d.t.Errorf("the project %d was asked for", id)
	}
	return d.project, d.taken, nil
}

// guarded is a world whose GitLab protects main of acme/web well.
func guarded(t *testing.T) (*world, *door) {
	t.Helper()
	w := newWorld(t)
	d := &door{t: t, taken: now.Add(-time.Minute), project: &guard.Project{Path: project, ID: guard.Known(int64(20)), Mirror: guard.Known(false),
		ProtectedBranches:        guard.Known([]guard.ProtectedBranch{{Name: "main", Push: guard.Known([]guard.Access{}), Merge: guard.Known([]guard.Access{{Level: guard.Maintainer}}), ForcePush: guard.Known(false)}}),
		ProtectedTags:            guard.Known([]guard.ProtectedTag{}),
		ApprovalRulesOverridable: guard.Known(false), ApprovalRules: guard.Known([]guard.ApprovalRule{{Name: "All", Type: "any_approver", Required: 2}}),
		AuthorMayApprove: guard.Unknown[bool]("GET /projects/20/merge_request_approval_settings: 403 Forbidden")}}
	w.Guards = d
	return w, d
}

const (
	protects = `"Bool":{"mayfly:guard/protected":"true","mayfly:guard/direct-push":"false"},"NumericGreaterThanEquals":{"mayfly:guard/approvals":"2"}`
	unmended = `"Bool":{"mayfly:guard/author-approval":"false"}`
)

// TestGuards: what GitLab enforces decides with the claims, and the job hears which
// guard is missing.
func TestGuards(t *testing.T) {
	w, d := guarded(t)
	role := w.role(t, "guarded", trust(statement(gitlab, assume, onlyWeb+","+strings.Replace(protects, `"Bool"`, `"StringEqualsIgnoreCase"`, 1))))
	tagRole := w.role(t, "tags", trust(statement(gitlab, assume, `"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"},"Bool":{"mayfly:guard/protected":"true"}`)))
	author := w.role(t, "author", trust(statement(gitlab, assume, onlyWeb+","+unmended)))
	denies := w.role(t, "denies", trust(statement(gitlab, assume, onlyWeb), `{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"Bool":{"mayfly:guard/author-approval":"true"}}}`))
	change := func(c func(p *guard.Project)) *guard.Project {
		p := *d.project
		c(&p)
		return &p
	}
	open := change(func(p *guard.Project) { p.ProtectedBranches = guard.Known([]guard.ProtectedBranch{}) })
	good := d.project
	for _, tt := range []struct {
		name        string
		role, token string
		facts       *guard.Project
		err         error
		want        Reason
		has         []string
	}{
		{"guarded", role, w.job(), good, nil, 0, nil},
		{"a merge request from the branch", role, w.job(map[string]any{"pipeline_source": "merge_request_event"}), good, nil, NotTrusted, []string{`somebody may change the branch "main" without a merge request`, "nobody need approve"}},
		{"a child pipeline", role, w.job(map[string]any{"pipeline_source": "parent_pipeline"}), good, nil, NotTrusted, []string{"what GitLab enforces is not known: the job is of a child pipeline"}},
		{"unprotected", role, w.job(), open, nil, NotTrusted, []string{`the branch "main" is not protected, or no longer (StringEqualsIgnoreCase mayfly:guard/protected)`, `nobody need approve what is merged into the branch "main" (NumericGreaterThanEquals mayfly:guard/approvals)`, "(denial denial-1)"}},
		{"fewer approvals", role, w.job(), change(func(p *guard.Project) {
			p.ApprovalRules = guard.Known([]guard.ApprovalRule{{Name: "All", Type: "any_approver", Required: 1}})
		}), nil, NotTrusted, []string{`a merge into the branch "main" needs 1 approvals`}},
		{"the tier has no approvals any more", role, w.job(), change(func(p *guard.Project) { p.ApprovalRules = guard.Absent[[]guard.ApprovalRule]("free") }), nil, NotTrusted, []string{"nobody need approve"}},
		{"nobody may see the approvals", role, w.job(), change(func(p *guard.Project) {
			p.ApprovalRules = guard.Unknown[[]guard.ApprovalRule]("GET /projects/20/approval_rules: 403 Forbidden")
		}), nil, NotTrusted, []string{"what GitLab enforces is not known: GET /projects/20/approval_rules: 403 Forbidden (NumericGreaterThanEquals mayfly:guard/approvals)"}},
		{"an unprotected tag", tagRole, w.job(map[string]any{"ref_type": "tag", "ref": "v1", "sub": "project_path:acme/web:ref_type:tag:ref:v1"}), good, nil, NotTrusted, []string{`the tag "v1" is not protected`}},
		{"the same role, a protected branch", tagRole, w.job(), good, nil, 0, nil},
		{"a guard that nobody knows", author, w.job(), good, nil, NotTrusted, []string{"is not known: GET /projects/20/merge_request_approval_settings: 403 Forbidden"}},
		{"a statement that denies for one that nobody knows", denies, w.job(), good, nil, NotTrusted, []string{"A statement of the role's trust policy denies it: what GitLab enforces is not known: GET /projects/20/"}},
		{"a statement that denies for one that stands", denies, w.job(), change(func(p *guard.Project) { p.AuthorMayApprove = guard.Known(false) }), nil, 0, nil},
		{"GitLab does not answer", role, w.job(), nil, &guard.ObstacleError{Obstacle: guard.Unread, Why: "GitLab has not answered since noon", Err: errors.New("dial 10.0.0.1")}, NotTrusted, []string{"what GitLab enforces is not known: GitLab has not answered since noon"}},
		{"it is being read", role, w.job(), nil, &guard.ObstacleError{Obstacle: guard.BeingRead, Why: "it is being read"}, GuardsNotRead, []string{guardsNotRead}},
		{"the path was another's", role, w.job(), nil, &guard.ObstacleError{Obstacle: guard.Reused, Why: "the path was another's"}, PathReused, []string{"what GitLab enforces is not known: the path was another's"}},
		{"a job that runs elsewhere", role, w.job(map[string]any{"job_project_id": "21"}), good, nil, NotTrusted, []string{"the job runs in another project"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.project, d.err = tt.facts, tt.err
			said := w.explained(t, tt.role, tt.token)
			_, reason, text := w.exchange(t, input(tt.role, tt.token))
			if reason != tt.want || said.Allowed != (reason == 0) {
				t.Fatalf("%v %s; explained %+v", reason, text, said)
			}
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			if strings.Contains(text, "10.0.0.1") {
				t.Errorf("%q", text)
			}
			events := w.events(t)
			ev := events[len(events)-1]
			if reason != 0 && (ev.Reason != reason.String() || ev.Detail["trace"] == "" || ev.Detail["trace"] != said.Trace.Encode()) {
				t.Errorf("recorded is %+v\nexplained %s", ev, said.Trace.Encode())
			}
			if tt.err != nil && !strings.Contains(ev.Detail["trace"], tt.err.(*guard.ObstacleError).Why) {
				t.Errorf("the trace does not say why: %s", ev.Detail["trace"])
			}
			if (ev.Detail["guards_taken"] == "2026-11-23T11:59:00Z") != (tt.facts != nil && ev.Detail["guards"] != "") {
				t.Errorf("%+v", ev.Detail)
			}
		})
	}
	d.project, d.err = good, nil
	w.exchange(t, input(role, w.job()))
	events := w.events(t)
	if got := events[len(events)-1].Detail["guards"]; got != `{"mayfly:guard/approvals":"2","mayfly:guard/direct-push":"false","mayfly:guard/protected":"true"}` {
		t.Errorf("an exchange rests on %s", got)
	}
}

// TestGuardsAreNotAskedInVain: nobody is asked where the role does not ask, where
// the claims refuse the token already, and of whoever is not of the role's own
// projects, a forged token above all.
func TestGuardsAreNotAskedInVain(t *testing.T) {
	w, d := guarded(t)
	d.closed = true
	role := w.role(t, "guarded", trust(statement(gitlab, assume, onlyWeb+","+protects)))
	plain := w.role(t, "plain", trust(statement(gitlab, assume, onlyWeb)))
	either := w.role(t, "either", trust(statement(gitlab, assume, onlyWeb+","+protects), statement(gitlab, assume, onlyWeb)))
	broad := w.role(t, "broad", trust(statement(gitlab, assume, `"StringLike":{"gitlab.com:sub":"project_path:a*/web:*"},"Bool":{"mayfly:guard/protected":"true"}`)))
	machines := w.role(t, "machines", trust(statement(machine, assume, `"StringEquals":{"machines.example:sub":"machine-7"},"Bool":{"mayfly:guard/protected":"true"}`)))
	people := w.role(t, "people", trust(statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"17","gitlab.com:aud":"`+login+`"},"Bool":{"mayfly:guard/protected":"true"}`)))
	forged := w.job()
	forged = forged[:len(forged)-30] + strings.Repeat("A", 30)
	for _, tt := range []struct {
		name, role, token string
		want              Reason
		bare              bool
	}{
		{"the role does not ask", plain, w.job(), 0, false},
		{"another statement lets it in", either, w.job(), 0, false},
		{"another branch", role, w.issuer.Token(jobOf(project, "dev")), NotTrusted, false},
		{"a stranger", role, w.issuer.Token(jobOf("other/web", "main")), NotTrusted, true},
		{"no such role", roleStart + "none", w.job(), NotTrusted, true},
		{"a role that does not say whose projects", broad, w.job(), NotTrusted, true},
		{"a forged token", role, forged, InvalidToken, false},
		{"an expired token", role, w.job(map[string]any{"exp": now.Unix()}), ExpiredToken, false},
		{"no GitLab", machines, w.workload(nil), NotTrusted, false},
		{"a person", people, w.issuer.Token(map[string]any{"iss": gitlab, "aud": login, "sub": "17"}), NotTrusted, false},
	} {
		if _, reason, text := w.exchange(t, input(tt.role, tt.token)); reason != tt.want || tt.bare && text != notAuthorized {
			t.Errorf("%s: %v %s", tt.name, reason, text)
		}
	}
	w.Guards = noGuards{}
	if _, reason, text := w.exchange(t, input(role, w.job())); reason != NotTrusted || !strings.Contains(text, "this server does not read what the issuer enforces") {
		t.Error(reason, text)
	}
}

// TestGuardsOfWhomThePolicyNames: a role that names the project by its id says that
// it means this one, whatever was at its path.
func TestGuardsOfWhomThePolicyNames(t *testing.T) {
	w, d := guarded(t)
	for conditions, pinned := range map[string]bool{
		onlyWeb: false,
		`"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main","gitlab.com:project_id":"20"}`:                                                  true,
		`"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main","gitlab.com:project_id":["20","21"]}`:                                           false,
		`"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main"},"StringEqualsIfExists":{"gitlab.com:environment":"x","gitlab.com:nosuch":"x"}`: false,
	} {
		role := w.role(t, "r"+string(rune('a'+len(d.asked))), trust(statement(gitlab, assume, conditions+`,"Bool":{"mayfly:guard/protected":"true"}`)))
		if _, reason, text := w.exchange(t, input(role, w.job())); reason != 0 || d.pinned != pinned {
			t.Errorf("%s: pinned %v, %v %s", conditions, d.pinned, reason, text)
		}
	}
}

// TestGuardsTakeTime: what is decided on is what is in force once the guards are
// known, not before.
func TestGuardsTakeTime(t *testing.T) {
	w, d := guarded(t)
	role := w.role(t, "guarded", trust(statement(gitlab, assume, onlyWeb+","+protects)))
	tighten := func(conditions string) func() {
		return func() {
			r, _ := w.db.Snapshot().Role("guarded")
			var err error
			if r.Trust, err = policy.Parse(policy.Trust, []byte(trust(statement(gitlab, assume, conditions)))); err != nil {
				t.Fatal(err)
			}
			w.put(t, registry.PutRole{Role: r})
		}
	}
	d.while = tighten(onlyWeb + `,"Bool":{"mayfly:guard/author-approval":"false"}`)
	if _, reason, text := w.exchange(t, input(role, w.job())); reason != NotTrusted {
		t.Errorf("%v %s", reason, text)
	}
	d.while = func() { w.put(t, registry.DeleteRole{Name: "guarded"}) }
	if _, reason, text := w.exchange(t, input(role, w.job())); reason != NotTrusted || text != notAuthorized {
		t.Errorf("%v %s", reason, text)
	}
}

// TestGuardsInATrace: the operator reads which guard was missing, its value and
// what the policy lists.
func TestGuardsInATrace(t *testing.T) {
	w, d := guarded(t)
	d.project.ProtectedBranches = guard.Known([]guard.ProtectedBranch{})
	settings := w.Settings
	w.Settings = func(issuer string) oidc.Settings {
		s := settings(issuer)
		s.Explain = oidc.ExplainValues
		return s
	}
	role := w.role(t, "guarded", trust(statement(gitlab, assume, onlyWeb+`,"NumericGreaterThanEquals":{"mayfly:guard/approvals":"7"}`)))
	_, _, text := w.exchange(t, input(role, w.job()))
	if !strings.Contains(text, `the policy lists "7"`) {
		t.Error(text)
	}
	events := w.events(t)
	trace, err := webidentity.DecodeTrace(events[len(events)-1].Detail["trace"])
	if err != nil || len(trace.Hints) != 1 || !strings.HasPrefix(trace.Hints[0], "nobody need approve") || len(trace.Statements) != 1 {
		t.Fatalf("%+v %v", trace, err)
	}
	f := trace.Statements[0].Failures[0]
	if f.Key != "mayfly:guard/approvals" || !slices.Equal(f.Seen, []string{"0"}) || !slices.Equal(f.Wanted, []string{"7"}) {
		t.Errorf("%+v", f)
	}
}
