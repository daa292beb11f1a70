package gitlab

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/guard"
)

// alias has the project answer under its id too.
func (f *fake) alias() {
	f.says("/projects/3", f.answers["/projects/diaspora%2Fdiaspora-project-site"])
}

// door is what the facts that Guards reads say of a branch, "?" for unknown.
func (f *fake) door(t *testing.T, branch string) (map[string]string, error) {
	t.Helper()
	p, err := f.client().Guards(t.Context(), 3, path, "")
	if p == nil {
		return nil, err
	}
	out := map[string]string{}
	for _, a := range p.Door(guard.Branch, branch) {
		v, known := a.Value.Value()
		if !known {
			v = "?"
		}
		out[strings.TrimPrefix(a.Key, guard.DoorPrefix)] = v
	}
	return out, err
}

// TestGuardsAgreeWithPull: what the door reads with few requests is what Pull
// reads with many.
func TestGuardsAgreeWithPull(t *testing.T) {
	f := newFake(t)
	f.alias()
	facts, err := f.pull(t, "")
	if err != nil {
		t.Fatal(err)
	}
	asked := len(f.requests)
	p, err := f.client().Guards(t.Context(), 3, path, "")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.requests) - asked; n > 9 {
		t.Errorf("%d requests", n)
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag, guard.MergeRequest} {
		for _, ref := range []string{"main", "release/1", "dev", "release-1-0", "v1"} {
			want := facts.Projects[0].Door(kind, ref)
			for i, a := range p.Door(kind, ref) {
				got, known := a.Value.Value()
				if v, told := want[i].Value.Value(); got != v || known != told {
					t.Errorf("%s at %v %s is %q, and Pull says %q", a.Key, kind, ref, got, v)
				}
			}
		}
	}
	if p.Path != path {
		t.Error(p.Path)
	}
}

// TestGuardsOfAnotherTier: where the tier has no approvals that is known, and what
// it lacks is not asked for.
func TestGuardsOfAnotherTier(t *testing.T) {
	f := newFake(t)
	f.alias()
	f.says("/metadata", `{"version":"19.1.0","enterprise":false}`)
	got, err := f.door(t, "main")
	if err != nil || got["approvals"] != "0" || got["author-approval"] != "true" || got["protected"] != "true" {
		t.Error(got, err)
	}
	if f.asked("approval") != 0 || f.asked("/groups/") != 0 {
		t.Errorf("%q", f.requests)
	}
}

// TestGuardsRefused: what GitLab does not show is unknown, with the reason; what it
// cannot answer now is an error beside what it could.
func TestGuardsRefused(t *testing.T) {
	for _, tt := range []struct {
		path    string
		handler http.HandlerFunc
		want    map[string]string
		err     string // "" none; "!": no facts
	}{
		{"/projects/3", status(403, `{"message":"403 Forbidden"}`), map[string]string{"protected": "?", "approvals": "?", "variable-override": "?"}, ""},
		{"/projects/3", status(404, `{"message":"404 Project Not Found"}`), map[string]string{"protected": "?"}, ""},
		{"/projects/3", status(500, ``), nil, "!500"},
		{"/projects/3", status(200, `{"id":4,"path_with_namespace":"diaspora/other"}`), map[string]string{"protected": "?"}, ""},
		{"/projects/3", status(200, `[`), map[string]string{"protected": "?"}, ""},
		{"/projects/3/protected_branches", status(403, ``), map[string]string{"protected": "?", "direct-push": "?"}, ""},
		{"/projects/3/approval_rules", status(403, ``), map[string]string{"protected": "true", "author-approval": "false"}, ""},
		{"/projects/3/protected_branches", status(502, ``), map[string]string{"protected": "?"}, "502 Bad Gateway"},
		{"/projects/3/protected_branches", status(429, ``), map[string]string{"protected": "?"}, "429 Too Many Requests"},
		{"/metadata", status(401, `{"message":"401 Unauthorized"}`), nil, "!401"},
		{"/metadata", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, "!EOF"},
	} {
		f := newFake(t)
		f.alias()
		f.does(tt.path, tt.handler)
		got, err := f.door(t, "main")
		want, none := strings.CutPrefix(tt.err, "!")
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), want) || none != (got == nil) {
			t.Errorf("%s: %v %v", tt.path, got, err)
		}
		for key, v := range tt.want {
			if got[key] != v {
				t.Errorf("%s: %s is %s, want %s", tt.path, key, got[key], v)
			}
		}
		if err != nil && strings.Contains(err.Error(), canary) {
			t.Error("the token stands in an error")
		}
		if e, partial := errors.AsType[*IncompleteError](err); partial != (tt.err != "" && !none) {
			t.Errorf("%s: %v", tt.path, e)
		}
	}
}

// TestGuardsTakeTwoRounds: with an answer every 100 ms the facts are there in
// well under two seconds.
func TestGuardsTakeTwoRounds(t *testing.T) {
	f := newFake(t)
	f.alias()
	for p, body := range f.answers {
		f.does(p, func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(100 * time.Millisecond)
			w.Header().Set("X-Next-Page", "")
			io.WriteString(w, body)
		})
	}
	began := time.Now()
	if _, err := f.door(t, "main"); err != nil || time.Since(began) > 1500*time.Millisecond {
		t.Error(time.Since(began), err)
	}
	t.Logf("%s", time.Since(began).Round(time.Millisecond))
}
