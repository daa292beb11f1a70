// Package chain runs the built programs: the whole story with the real clients
// and a real API server, what happens when Mayfly is killed, and each neighbour
// of what is allowed.
package chain

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mayfly.internal/internal/lab"
)

// programs finds what make integration has built; without it there is nothing
// to test here.
func programs(t *testing.T) (bin, kubernetes, aws string) {
	t.Helper()
	bin, kubernetes, aws = os.Getenv("MAYFLY_BIN"), os.Getenv("MAYFLY_KUBERNETES"), os.Getenv("MAYFLY_AWS")
	if bin == "" || kubernetes == "" || aws == "" {
		t.Skip("MAYFLY_BIN, MAYFLY_KUBERNETES and MAYFLY_AWS name no programs: run make integration")
	}
	return bin, kubernetes, aws
}

const examples = "../../examples/gitlab-to-kubernetes"

// newLab brings a lab up, with or without a cluster.
func newLab(t *testing.T, cluster bool) *lab.Lab {
	return newLabIn(t, filepath.Join(t.TempDir(), "lab"), cluster)
}

func newLabIn(t *testing.T, dir string, cluster bool, server ...string) *lab.Lab {
	t.Helper()
	return newLabOf(t, filepath.Join(examples, "world.yaml"), dir, cluster, server...)
}

func newLabOf(t *testing.T, world, dir string, cluster bool, server ...string) *lab.Lab {
	t.Helper()
	bin, kubernetes, aws := programs(t)
	if err := lab.LinkTools(dir, kubernetes, aws); err != nil {
		t.Fatal(err)
	}
	world, err := filepath.Abs(world)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.Up(t.Context(), lab.Config{Dir: dir, World: world, Mayflyd: filepath.Join(bin, "mayflyd"), Mayfly: filepath.Join(bin, "mayfly"), Kubernetes: kubernetes, NoCluster: !cluster, ServerConfig: strings.Join(server, ""), Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Down()
		if t.Failed() {
			for _, name := range []string{"mayflyd.log", "cluster/kube-apiserver.log"} {
				if raw, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
					t.Logf("%s:\n%s", name, tail(string(raw), 40))
				}
			}
		}
	})
	return l
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// TestStory is make demo.
func TestStory(t *testing.T) {
	l := newLab(t, true)
	dir, err := filepath.Abs(examples)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	d := &lab.Demo{Lab: l, Examples: dir, Out: &out}
	if err := d.Run(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	canary(t, l, d.Secrets, out.String())
}

// canary looks for the story's secrets where none may be: in the server's log,
// its database, the cluster's logs, and what the story prints.
func canary(t *testing.T, l *lab.Lab, secrets []string, story string) {
	t.Helper()
	if len(secrets) < 8 {
		t.Fatalf("the story came by %d secrets", len(secrets))
	}
	texts := map[string]string{"the story": story}
	for _, name := range []string{"mayflyd.log", "mayfly/mayfly.db", "mayfly/mayfly.db-wal", "cluster/kube-apiserver.log", "cluster/audit.log"} {
		raw, err := os.ReadFile(filepath.Join(l.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(raw)
	}
	for name, text := range texts {
		for _, secret := range append([]string{l.State.Secret, "X-Amz-Signature="}, secrets...) {
			if secret == "" {
				t.Fatal("an empty secret")
			}
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a secret that begins with %.12s", name, secret)
			}
		}
	}
}
