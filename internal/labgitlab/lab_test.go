package labgitlab_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/labgitlab"
)

const (
	testIssuer = "https://gitlab.example.com"
	testSecret = "a-secret-of-the-lab-0123456789"
)

var testNow = time.Unix(1_681_395_193, 0)

// testKeys are shared: making RSA keys is the slow part.
var testKeys = func() string {
	dir, err := os.MkdirTemp("", "labgitlab-keys-")
	if err != nil {
		panic(err)
	}
	return dir
}()

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(testKeys)
	os.Exit(code)
}

// counting is a reader of predictable bytes.
type counting struct{ n byte }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = c.n
	}
	return len(p), nil
}

func newLab(t *testing.T, world string) *labgitlab.Server {
	t.Helper()
	loaded, err := labgitlab.LoadWorld(world)
	if err != nil {
		t.Fatal(err)
	}
	server, err := labgitlab.New(labgitlab.Config{
		World: loaded, ExternalURL: testIssuer, Secret: testSecret, KeyDir: testKeys,
		Now: func() time.Time { return testNow }, Rand: &counting{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func testLab(t *testing.T) *labgitlab.Server {
	return newLab(t, filepath.Join("testdata", "world", "world.yaml"))
}

// project is a lab with one project whose working tree holds the given files
// and whose settings are the given YAML, indented as under a project.
func project(t *testing.T, settings string, files map[string]string) *labgitlab.Server {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, "tree", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(name, "bin/") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	world := filepath.Join(dir, "world.yaml")
	text := `
users: [{id: 1, username: ann, namespace_id: 9}]
projects:
  - id: 5
    path_with_namespace: ann/site
    directory: tree
    branches: [main, other, release-1]
    tags: [v1]
` + settings
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return newLab(t, world)
}

// create creates a pipeline that must be created.
func create(t *testing.T, s *labgitlab.Server, request labgitlab.PipelineRequest) *labgitlab.Pipeline {
	t.Helper()
	p, err := s.CreatePipeline(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// start starts one job of a pipeline by name.
func start(t *testing.T, s *labgitlab.Server, p *labgitlab.Pipeline, job string) *labgitlab.StartedJob {
	t.Helper()
	started, err := s.StartJob(context.Background(), jobOf(t, p, job).ID, labgitlab.StartRequest{
		BuildsDir: "/builds", ProjectDir: "/builds/p", FilesDir: "/files",
	})
	if err != nil {
		t.Fatal(err)
	}
	return started
}

func jobOf(t *testing.T, p *labgitlab.Pipeline, name string) labgitlab.PlannedJob {
	t.Helper()
	for _, j := range p.Jobs {
		if j.Name == name {
			return j
		}
	}
	t.Fatalf("pipeline has no job %s, only %v", name, jobNames(p))
	return labgitlab.PlannedJob{}
}

func jobNames(p *labgitlab.Pipeline) []string {
	names := []string{}
	for _, j := range p.Jobs {
		names = append(names, j.Name)
	}
	return names
}

func value(t *testing.T, started *labgitlab.StartedJob, key string) string {
	t.Helper()
	for _, v := range started.Variables {
		if v.Key == key {
			return v.Value
		}
	}
	t.Fatalf("job has no variable %s", key)
	return ""
}

func has(started *labgitlab.StartedJob, key string) bool {
	for _, v := range started.Variables {
		if v.Key == key {
			return true
		}
	}
	return false
}

// tokenClaims reads a token's claims without checking anything.
func tokenClaims(t *testing.T, token string) map[string]any {
	t.Helper()
	return tokenPart(t, token, 1)
}

func tokenPart(t *testing.T, token string, part int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a compact token: %q", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[part])
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func wantReason(t *testing.T, err error, want labgitlab.Reason) {
	t.Helper()
	if err == nil {
		t.Fatalf("allowed; want refusal %v", want)
	}
	if got := labgitlab.ReasonOf(err); got != want {
		t.Fatalf("reason %v, want %v: %v", got, want, err)
	}
}

func wantError(t *testing.T, err error, want labgitlab.Reason, text string) {
	t.Helper()
	wantReason(t, err, want)
	if !strings.Contains(err.Error(), text) {
		t.Fatalf("error %q does not say %q", err, text)
	}
}
