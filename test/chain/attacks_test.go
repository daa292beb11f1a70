package chain

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"mayfly.internal/internal/lab"
)

// TestAttacks attacks the built server, its token endpoint, a cluster's webhook and
// the drop-in port of aws-iam-authenticator with the built mayfly, as the lab's GitLab
// gone bad: it holds the key that signs for jobs.
func TestAttacks(t *testing.T) {
	files := t.TempDir()
	config, dropIn, hooks := filepath.Join(files, "config.yaml"), filepath.Join(files, "kubeconfig.yaml"), filepath.Join(files, "hooks")
	text := fmt.Sprintf("clusterID: attacked\nserver: {port: %d, stateDir: %q, generateKubeconfig: %q}\n", freePort(t), filepath.Join(files, "state"), dropIn)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorldIn(t, filepath.Join(t.TempDir(), "lab"), fmt.Sprintf("authenticator: {config: %q, health_listen: \"off\"}\n", config))
	w.teach(t)
	w.makeRole(t, "attacked-next", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+w.role("gitlab-deployer")+`"},"Action":"sts:AssumeRole"}]}`)
	w.permit(t, "gitlab-deployer", "kubernetes/attacked")
	w.register(t, "attacked", "--authentication-mode", "API_AND_CONFIG_MAP")
	if _, err := eks.NewFromConfig(w.config).CreateAccessEntry(t.Context(), &eks.CreateAccessEntryInput{ClusterName: aws.String("attacked"), PrincipalArn: aws.String(w.role("gitlab-deployer"))}); err != nil {
		t.Fatal(err)
	}
	w.mayfly(t, "cluster", "webhook-config", "attacked", "--out", hooks)
	for _, webhook := range []string{filepath.Join(hooks, "authentication-webhook.kubeconfig"), dropIn} {
		kid, claims := w.jobClaims(t)
		out := w.mayfly(t, "attack", "--issuer-key", filepath.Join(w.Dir, "gitlab", "ci-signing-key.pem"), "--key-id", kid, "--claims", claims, "--role", w.role("gitlab-deployer"),
			"--assume-role", w.role("attacked-next"), "--audience", "kubernetes/attacked", "--webhook-kubeconfig", webhook, "--cluster", "attacked")
		if !strings.Contains(out, " refuses all of 710 attacks") {
			t.Errorf("%s: %s", webhook, out)
		}
		t.Log(strings.TrimSpace(out))
	}
}

// mayfly runs the built command line as the administrator; it must succeed.
func (w world) mayfly(t *testing.T, args ...string) string {
	t.Helper()
	bin, _, _ := programs(t)
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "mayfly"), args...)
	cmd.Env = []string{"MAYFLY_SERVER=" + w.State.MayflyURL(), "AWS_CA_BUNDLE=" + filepath.Join(w.DataDir(), "ca.pem"), "AWS_REGION=" + lab.Region}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("mayfly %s: %v\n%s", args[0], err, out)
	}
	return string(out)
}

// register registers a cluster that is not there.
func (w world) register(t *testing.T, name string, flags ...string) {
	t.Helper()
	w.mayfly(t, append([]string{"cluster", "register", name, "--endpoint", "https://127.0.0.1:1", "--ca-file", filepath.Join(w.DataDir(), "ca.pem")}, flags...)...)
}

// jobClaims is the kid of a job's token and a file of its claims.
func (w world) jobClaims(t *testing.T) (kid, path string) {
	t.Helper()
	parts := strings.Split(w.token(t, production()), ".")
	part := func(i int) []byte {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(part(0), &header); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "claims.json")
	if err := os.WriteFile(path, part(1), 0o600); err != nil {
		t.Fatal(err)
	}
	return header.Kid, path
}
