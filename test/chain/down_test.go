package chain

import (
	"context"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/lab"
)

// TestMayflyDown stops Mayfly under a running cluster: its own administrators
// and RBAC users go on, ours are refused, and soon.
func TestMayflyDown(t *testing.T) {
	l := newLab(t, true)
	kubectl := func(env map[string]string, args ...string) (string, time.Duration, error) {
		start := time.Now()
		out, err := l.Run(context.WithoutCancel(t.Context()), env, l.Dir+"/bin/kubectl", args...)
		return out, time.Since(start), err
	}
	admin := map[string]string{"KUBECONFIG": l.Cluster.AdminKubeconfig()}
	env, err := l.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	aws := func(args ...string) string {
		t.Helper()
		out, err := l.Run(t.Context(), env, l.Dir+"/bin/aws", args...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	// The administrator may be given an access entry: the way in when all else
	// fails, recorded like everything.
	role := "arn:aws:iam::" + aws("sts", "get-caller-identity", "--query", "Account", "--output", "text") + ":role/mayfly-admin"
	aws("eks", "create-access-entry", "--cluster-name", lab.ClusterName, "--principal-arn", role)
	aws("eks", "associate-access-policy", "--cluster-name", lab.ClusterName, "--principal-arn", role, "--policy-arn", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", "--access-scope", "type=cluster")
	env["KUBECONFIG"] = l.Dir + "/home/ours.kubeconfig"
	aws("eks", "update-kubeconfig", "--name", lab.ClusterName)
	if _, _, err := kubectl(env, "get", "namespaces"); err != nil {
		t.Fatal(err)
	}

	l.Server().Kill()
	time.Sleep(11 * time.Second) // the API server's own memory of us
	if out, _, err := kubectl(admin, "get", "namespaces"); err != nil || !strings.Contains(out, "default") {
		t.Errorf("the cluster's administrator: %v", err)
	}
	if _, _, err := kubectl(admin, "create", "configmap", "while-down"); err != nil {
		t.Errorf("the cluster's administrator: %v", err)
	}
	// kubectl makes several requests before it gives up; each is refused within
	// the webhook's three seconds.
	out, took, err := kubectl(env, "get", "--raw", "/api/v1/namespaces")
	if err == nil {
		t.Fatalf("one of ours was let in: %s", out)
	}
	if took > 10*time.Second {
		t.Errorf("one of ours was refused only after %s", took)
	}
	if err := l.StartServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Second) {
		if _, _, err := kubectl(env, "get", "namespaces"); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("one of ours is not let in again: %v", err)
		}
	}
}
