package policy_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// goldenRequest is request.json of a case.
type goldenRequest struct {
	// Principal is "anonymous", a provider's, a session's or a role's ARN, or a
	// service. Role is the ARN of a session's role, RoleID its id.
	Principal, Role, RoleID string
	Action, Resource        string
	ResourceAccount         arn.AccountID
	Context                 map[string]any
}

// layers are the files of a case that hold policies, by their name's beginning.
var goldenLayers = []struct {
	prefix string
	kind   policy.Kind
	add    func(*policy.Set, *policy.Document)
}{
	{"trust", policy.Trust, func(s *policy.Set, d *policy.Document) { s.Resource = append(s.Resource, d) }},
	{"resource", policy.Resource, func(s *policy.Set, d *policy.Document) { s.Resource = append(s.Resource, d) }},
	{"identity", policy.Permission, func(s *policy.Set, d *policy.Document) { s.Identity = append(s.Identity, d) }},
	{"session", policy.SessionPolicy, func(s *policy.Set, d *policy.Document) { s.Session = append(s.Session, d) }},
	{"boundary", policy.Boundary, func(s *policy.Set, d *policy.Document) { s.Boundary = append(s.Boundary, d) }},
}

// TestGolden compares explanations with the cases in testdata/evaluate: each
// has policies, a request, what the operator reads (want.txt) and what a caller
// may read who is not to see the policy's values (told.txt).
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/evaluate/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			req, set := goldenCase(t, a)
			x := policy.Explain(req, set)
			if got := policy.Evaluate(req, set); got.Effect != x.Effect {
				t.Errorf("Evaluate says %v, Explain %v", got.Effect, x.Effect)
			}
			changed := expect(t, a, "want.txt", x.Text(true))
			changed = expect(t, a, "told.txt", x.Text(false)) || changed
			if changed && *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// expect compares a file of the case, or with -update rewrites it.
func expect(t *testing.T, a *txtar.Archive, name, got string) (changed bool) {
	for i := range a.Files {
		f := &a.Files[i]
		if f.Name != name {
			continue
		}
		if diff := cmp.Diff(string(f.Data), got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		f.Data = []byte(got)
		return true
	}
	if !*update {
		t.Errorf("the case has no %s", name)
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got)})
	return true
}

func goldenCase(t *testing.T, a *txtar.Archive) (policy.Request, policy.Set) {
	var r goldenRequest
	var set policy.Set
	for _, f := range a.Files {
		if f.Name == "request.json" {
			if err := json.Unmarshal(f.Data, &r); err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range goldenLayers {
			if strings.HasPrefix(f.Name, l.prefix) {
				l.add(&set, mustParse(t, l.kind, strings.TrimSpace(string(f.Data))))
			}
		}
	}
	set.ResourceAccount = r.ResourceAccount
	return policy.Request{Principal: r.principal(t), Action: r.Action, Resource: r.Resource, Context: contextOf(t, r.Context)}, set
}

func (r goldenRequest) principal(t *testing.T) policy.Principal {
	if r.Principal == "anonymous" {
		return policy.AnonymousPrincipal()
	}
	if p, err := arn.ParseProvider(r.Principal); err == nil {
		return policy.FederatedPrincipal(p)
	}
	if role, err := arn.ParseRole(r.Principal); err == nil {
		return policy.RolePrincipal(role, r.RoleID)
	}
	s, err := arn.ParseSession(r.Principal)
	if err != nil {
		return policy.ServicePrincipal(r.Principal)
	}
	role, err := arn.ParseRole(r.Role)
	if err != nil {
		t.Fatal(err)
	}
	return policy.SessionPrincipal(role, r.RoleID, s)
}
