package gitlab_test

import (
	"crypto/x509"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/secret"
)

// The lab's stand-in answers everything that is asked, and what its door
// changes is in the next facts.
func TestAgainstTheLab(t *testing.T) {
	world, err := labgitlab.LoadWorld(filepath.Join("..", "labgitlab", "testdata", "world", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	lab, err := labgitlab.New(labgitlab.Config{World: world, ExternalURL: "https://gitlab.example.com/sub", Secret: "a-secret-of-the-lab-0123456789"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(lab)
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	pull := func(token string, projects ...string) (*guard.Facts, error) {
		t.Helper()
		c, err := gitlab.New(gitlab.Config{URL: server.URL + "/sub", Token: secret.New("glpat-" + token + "-0123456789"), Roots: roots})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Pull(t.Context(), projects, "", nil)
	}
	facts, err := pull("root", "my-group/shop", "my-group/platform/infra", "dev/shop")
	if err != nil {
		t.Fatal(err)
	}
	for i := range facts.Projects {
		p := &facts.Projects[i]
		for name, fact := range p.All() {
			if fact.State() != guard.StateKnown && !(name == "forked_from" && p.Path != "dev/shop") {
				t.Errorf("%s: %s is %s: %s", p.Path, name, fact.State(), fact.Why())
			}
		}
	}
	if fork, _ := facts.Projects[2].ForkedFrom.Value(); fork != "my-group/shop" {
		t.Errorf("forked from %q", fork)
	}
	protected := func(facts *guard.Facts, name string) bool {
		p, _ := facts.Project("my-group/shop")
		branches, known := p.ProtectedBranches.Value()
		for _, b := range branches {
			if b.Name == name {
				return true
			}
		}
		return !known
	}
	if !protected(facts, "production") {
		t.Error("production is not protected")
	}
	if err := lab.UnprotectBranch("my-group/shop", "production"); err != nil {
		t.Fatal(err)
	}
	again, err := pull("root", "my-group/shop")
	if err != nil || protected(again, "production") || !protected(again, "main") {
		t.Errorf("after it was unprotected: %v", err)
	}
	if facts, err := pull("stranger", "my-group/shop"); err == nil || facts.Projects[0].ID.State() != guard.StateUnknown {
		t.Errorf("a stranger reads a private project: %v", err)
	}
}
