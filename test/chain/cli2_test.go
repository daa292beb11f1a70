package chain

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// version2 finds an AWS CLI of version 2, whatever its age: the calls here name
// their endpoint, as AWS_ENDPOINT_URL would for newer ones.
func version2(t *testing.T) string {
	t.Helper()
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, "aws")
		if out, err := exec.Command(path, "--version").CombinedOutput(); err == nil && strings.HasPrefix(string(out), "aws-cli/2.") {
			t.Logf("%s: %s", path, out)
			return path
		}
	}
	t.Skip("no AWS CLI of version 2 is on PATH")
	return ""
}

// TestCLIVersion2 makes the story's calls with version 2 of the AWS CLI.
func TestCLIVersion2(t *testing.T) {
	cli := version2(t)
	w := newWorld(t)
	w.teach(t)
	ctx := context.WithoutCancel(t.Context())
	env, err := w.AdminEnv(ctx)
	if err != nil {
		t.Fatal(err)
	}
	aws := func(env map[string]string, args ...string) (string, error) {
		return w.Run(ctx, env, cli, append([]string{"--endpoint-url", w.State.MayflyURL(), "--region", "eu-central-1", "--output", "json"}, args...)...)
	}
	for _, call := range [][]string{
		{"sts", "get-caller-identity"},
		{"iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", w.provider()},
		{"iam", "list-roles"},
		{"iam", "put-role-policy", "--role-name", "gitlab-deployer", "--policy-name", "p", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:ListClusters","Resource":"*"}]}`},
		{"iam", "get-role-policy", "--role-name", "gitlab-deployer", "--policy-name", "p"},
		{"eks", "list-clusters"},
	} {
		if _, err := aws(env, call...); err != nil {
			t.Errorf("%s: %v", strings.Join(call, " "), err)
		}
	}
	job := map[string]string{"AWS_CA_BUNDLE": env["AWS_CA_BUNDLE"]}
	out, err := aws(job, "sts", "assume-role-with-web-identity", "--role-arn", w.role("gitlab-deployer"), "--role-session-name", "v2", "--web-identity-token", w.token(t, production()), "--duration-seconds", "900")
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatal(err)
	}
	job["AWS_ACCESS_KEY_ID"], job["AWS_SECRET_ACCESS_KEY"], job["AWS_SESSION_TOKEN"] = answer.Credentials.AccessKeyId, answer.Credentials.SecretAccessKey, answer.Credentials.SessionToken
	if _, err := aws(job, "eks", "list-clusters"); err != nil {
		t.Error(err)
	}
	if _, err := aws(job, "iam", "list-roles"); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("a job lists roles: %v", err)
	}
}
