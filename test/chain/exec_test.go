package chain

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
)

// jobRuns runs mayfly as a job does: with an ID token, where the server is, and
// nothing else.
func (w world) jobRuns(t *testing.T, token string, env map[string]string, args ...string) (string, error) {
	t.Helper()
	all := map[string]string{"MAYFLY_ID_TOKEN": token, "AWS_ENDPOINT_URL": w.State.MayflyURL(), "AWS_CA_BUNDLE": filepath.Join(w.DataDir(), "ca.pem"), "TMPDIR": w.temporary(t)}
	for name, value := range env {
		all[name] = value
	}
	return w.Run(t.Context(), all, w.Mayfly, args...)
}

// temporary is a directory in which nothing may be left.
func (w world) temporary(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(w.Dir, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// deployer makes the story's role somebody in the lab's cluster.
func (w world) deployer(t *testing.T) {
	t.Helper()
	admin, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`
	for _, args := range [][]string{
		{"iam", "put-role-policy", "--role-name", "gitlab-deployer", "--policy-name", "describe", "--policy-document", policy},
		{"eks", "create-access-entry", "--cluster-name", lab.ClusterName, "--principal-arn", w.role("gitlab-deployer")},
		{"eks", "associate-access-policy", "--cluster-name", lab.ClusterName, "--principal-arn", w.role("gitlab-deployer"), "--policy-arn", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", "--access-scope", "type=namespace,namespaces=production"},
	} {
		if _, err := w.Run(t.Context(), admin, w.Dir+"/bin/aws", args...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Run(t.Context(), map[string]string{"KUBECONFIG": w.Cluster.AdminKubeconfig()}, w.Dir+"/bin/kubectl", "create", "namespace", "production"); err != nil {
		t.Fatal(err)
	}
}

// TestExec: the real CLI, the SDK and kubectl, as children of mayfly exec.
func TestExec(t *testing.T) {
	w := worldOf(t, newLab(t, true))
	w.teach(t)
	w.deployer(t)
	token := w.token(t, production())
	const role = "gitlab-deployer"
	in := []string{"exec", "--role", role, "--cluster", lab.ClusterName, "--namespace", "production", "--"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"the CLI":           {[]string{"exec", "--role", role, "--", "aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"}, ":assumed-role/gitlab-deployer/my_group-my-fancy_project-"},
		"the CLI, static":   {[]string{"exec", "--role", role, "--static", "--", "aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"}, ":assumed-role/gitlab-deployer/"},
		"the CLI at EKS":    {[]string{"exec", "--role", role, "--", "aws", "eks", "describe-cluster", "--name", lab.ClusterName, "--query", "cluster.status", "--output", "text"}, "ACTIVE"},
		"the SDK":           {[]string{"exec", "--role", role, "--", self, "-test.run=^TestSDKChild$", "-test.v"}, "CredentialsEndpointProvider ACTIVE"},
		"kubectl":           {slices.Concat(in, []string{"kubectl", "create", "configmap", "made", "-o", "name"}), "configmap/made"},
		"kubectl, static":   {[]string{"exec", "--role", role, "--static", "--cluster", lab.ClusterName, "--", "kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"}, ":assumed-role/gitlab-deployer/"},
		"an empty AWS home": {[]string{"exec", "--role", role, "--", "sh", "-c", "aws configure list-profiles | wc -l; aws sts get-caller-identity --query Account --output text"}, w.account},
	} {
		t.Run(name, func(t *testing.T) { w.runsAs(t, token, tt.args, tt.want) })
	}
	for name, script := range map[string]string{
		"kubectl again":    "kubectl get configmap made -o name",
		"the CLI's plugin": "aws eks update-kubeconfig --name " + lab.ClusterName + " --kubeconfig $TMPDIR/k >&2 && kubectl --kubeconfig $TMPDIR/k get configmap made -n production -o name; rm $TMPDIR/k",
		"our own":          w.Mayfly + " kubeconfig --cluster " + lab.ClusterName + " --kubeconfig $TMPDIR/k && kubectl --kubeconfig $TMPDIR/k get configmap made -n production -o name; rm $TMPDIR/k",
	} {
		t.Run(name, func(t *testing.T) {
			w.runsAs(t, token, slices.Concat(in, []string{"sh", "-c", script}), "configmap/made")
		})
	}
	t.Run("another namespace", func(t *testing.T) {
		out, err := w.jobRuns(t, token, nil, slices.Concat(in, []string{"kubectl", "get", "configmaps", "-n", "default"})...)
		if err == nil || !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("%s, %v", out, err)
		}
	})
	if left, err := os.ReadDir(w.temporary(t)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// runsAs runs mayfly as a job and looks for a text in what it prints.
func (w world) runsAs(t *testing.T, token string, args []string, want string) {
	t.Helper()
	out, err := w.jobRuns(t, token, map[string]string{"MAYFLY_CHAIN_CHILD": "1"}, args...)
	if err != nil || !strings.Contains(out, want) {
		t.Errorf("%s\n%v\nwant %s", out, err, want)
	}
}

// TestSDKChild is a child of TestExec: the SDK with what it finds by itself.
func TestSDKChild(t *testing.T) {
	if os.Getenv("MAYFLY_CHAIN_CHILD") == "" {
		t.Skip("TestExec runs this")
	}
	c, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	creds, err := c.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(creds.Expires); !creds.CanExpire || left < 4*time.Minute || left > 15*time.Minute {
		t.Errorf("they end in %s", left)
	}
	if _, err := sts.NewFromConfig(c).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Error(err)
	}
	name := lab.ClusterName
	k, err := eks.NewFromConfig(c).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(creds.Source, k.Cluster.Status)
}

// TestExecRefused: the CLI shows why there are no credentials any more.
func TestExecRefused(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	token := w.token(t, production())
	out, err := w.jobRuns(t, token, nil, "exec", "--role", "gitlab-deployer", "--", "sh", "-c", "AWS_CONTAINER_AUTHORIZATION_TOKEN=wrong aws sts get-caller-identity")
	failed := (*lab.CommandError)(nil)
	if !errors.As(err, &failed) || !strings.Contains(failed.Output, "container-role") || !strings.Contains(failed.Output, "the token in Authorization is not that of AWS_CONTAINER_AUTHORIZATION_TOKEN") {
		t.Errorf("%s, %v", out, err)
	}
}

// TestKubeToken: byte for byte the token of aws eks get-token, at the same second.
func TestKubeToken(t *testing.T) {
	w := newWorld(t)
	base := map[string]string{"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalr/XUt+nFEMI", "AWS_SESSION_TOKEN": "tok/en+with=_-~.", "AWS_DEFAULT_REGION": "eu-central-1"}
	for name, env := range map[string]map[string]string{
		"AWS itself":             {},
		"no session token":       {"AWS_SESSION_TOKEN": ""},
		"a server":               {"AWS_ENDPOINT_URL": "https://127.0.0.1:8443"},
		"the STS of several":     {"AWS_ENDPOINT_URL": "https://127.0.0.1:8443", "AWS_ENDPOINT_URL_STS": "https://sts.example.com"},
		"a path":                 {"AWS_ENDPOINT_URL": "http://h:80/sts/"},
		"a path without a slash": {"AWS_ENDPOINT_URL": "http://h/sts"},
		"a port by name":         {"AWS_ENDPOINT_URL": "https://h:443"},
		"v1":                     {"KUBERNETES_EXEC_INFO": `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{}
			for _, m := range []map[string]string{base, env} {
				for k, v := range m {
					all[k] = v
				}
			}
			if all["AWS_SESSION_TOKEN"] == "" {
				delete(all, "AWS_SESSION_TOKEN")
			}
			var theirs, ours execCredential
			for range 30 { // until both are made in one second
				theirs = w.execCredential(t, all, w.Dir+"/bin/aws", "eks", "get-token", "--cluster-name", "my_cluster-1", "--output", "json")
				ours = w.execCredential(t, all, w.Mayfly, "kube-token", "--cluster", "my_cluster-1")
				if ours == theirs {
					return
				}
			}
			t.Errorf("got\n%s\nwant\n%s", ours.url(), theirs.url())
		})
	}
}

// execCredential is what a credential plugin answers.
type execCredential struct {
	Kind, APIVersion string
	Spec             struct{}
	Status           struct{ ExpirationTimestamp, Token string }
}

func (c execCredential) url() string {
	url, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(c.Status.Token, "k8s-aws-v1."))
	return c.APIVersion + " " + c.Status.ExpirationTimestamp + " " + string(url)
}

func (w world) execCredential(t *testing.T, env map[string]string, program string, args ...string) (c execCredential) {
	t.Helper()
	out, err := w.Run(t.Context(), env, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestExecCanary: every command of a job's, with a token and keys that are looked
// for afterwards where they may not be: in what is printed, in files, in the
// arguments of processes, in the server's log and database.
func TestExecCanary(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	token := w.token(t, production())
	out, err := w.jobRuns(t, token, nil, "credentials", "--role", "gitlab-deployer", "--format", "json")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Credentials struct{ SecretAccessKey, SessionToken string }
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Credentials.SecretAccessKey == "" {
		t.Fatal(err)
	}
	static := map[string]string{"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": made.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN": made.Credentials.SessionToken}
	secrets := []string{token, made.Credentials.SecretAccessKey, made.Credentials.SessionToken}
	// What a child is given goes into a file, for the search; the file goes first.
	spy := `test "$AWS_SECRET_ACCESS_KEY$AWS_CONTAINER_AUTHORIZATION_TOKEN" && printf "%s\n%s\n" "$AWS_SECRET_ACCESS_KEY" "$AWS_CONTAINER_AUTHORIZATION_TOKEN" >>$SPY; for p in /proc/[0-9]*; do tr "\0" " " <$p/cmdline; done 2>/dev/null >>$ARGV; aws sts get-caller-identity`
	dir := t.TempDir()
	static["SPY"], static["ARGV"] = filepath.Join(dir, "spy"), filepath.Join(dir, "argv")
	var said strings.Builder
	for _, args := range [][]string{
		{"exec", "--role", "gitlab-deployer", "--", "sh", "-c", spy},
		{"exec", "--role", "gitlab-deployer", "--static", "--", "sh", "-c", spy},
		{"exec", "--role", "nobody", "--", "true"},
		{"exec", "--role", "gitlab-deployer", "--cluster", "none", "--", "true"},
		{"exec", "--role", "gitlab-deployer", "--", "no-such-program"},
		{"exec", "--role", "gitlab-deployer", "--duration", "9h", "--", "true"},
		{"credentials", "--role", "nobody"},
		{"credentials", "--role", "gitlab-deployer", "--format", "none"},
		{"kubeconfig", "--cluster", "none", "--kubeconfig", "k"},
		{"kubeconfig", "--cluster", "none", "--jwt", "--role", "gitlab-deployer", "--kubeconfig", "k"},
		{"kube-token"},
		{"whoami"},
		{"whoami", "-o", "json"},
		{"exec", "--role", "gitlab-deployer", "--", w.Mayfly, "whoami"},
	} {
		out, err := w.jobRuns(t, token, static, args...)
		fmt.Fprintln(&said, out, err)
	}
	spied, err := os.ReadFile(static["SPY"])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(spied)) {
		if s := strings.TrimSpace(line); s != "" {
			secrets = append(secrets, s)
		}
	}
	if len(secrets) != 5 {
		t.Fatalf("the children were given %d secrets", len(secrets)-3)
	}
	argv, err := os.ReadFile(static["ARGV"])
	if err != nil || !strings.Contains(string(argv), "mayfly exec --role gitlab-deployer --static") {
		t.Fatalf("the arguments were not seen: %v", err)
	}
	if err := os.Remove(static["SPY"]); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"what was said": said.String(), "the arguments of processes": string(argv)}
	for _, root := range []string{w.Dir, dir} {
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() || strings.HasPrefix(path, filepath.Join(w.Dir, "bin")) {
				return err
			}
			raw, err := os.ReadFile(path)
			texts[path] = string(raw)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range texts {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Errorf("%s holds a secret that begins with %.12s", name, s)
			}
		}
	}
}

// TestExecJWT: kubectl as a child, in a cluster that has no webhook and trusts what
// Mayfly signs, the child's token being for that cluster alone; and by itself, with a
// kubeconfig that stays.
func TestExecJWT(t *testing.T) {
	s := newStructured(t)
	s.mayfly(t, "cluster", "register", lab.ClusterName, "--endpoint", s.cluster.Endpoint(), "--ca-file", s.cluster.CAFile(), "--region", lab.Region)
	admin, err := s.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`
	if _, err := s.Run(t.Context(), admin, s.Dir+"/bin/aws", "iam", "put-role-policy", "--role-name", "gitlab-deployer", "--policy-name", "describe", "--policy-document", policy); err != nil {
		t.Fatal(err)
	}
	token := s.token(t, production())
	in := []string{"exec", "--role", "gitlab-deployer", "--cluster", lab.ClusterName, "--namespace", "production"}
	s.runsAs(t, token, slices.Concat(in, []string{"--cluster-jwt", "--", "kubectl", "create", "configmap", "made", "-o", "name"}), "configmap/made")
	s.runsAs(t, token, slices.Concat(in, []string{"--cluster-jwt", "--static", "--", "kubectl", "get", "configmap", "made", "-o", "name"}), "configmap/made")
	for name, args := range map[string][]string{
		"a token of EKS":   {"--", "kubectl", "get", "configmaps"},
		"another audience": {"--cluster-audience", "kubernetes/staging", "--", "kubectl", "get", "configmaps"},
		"no permission":    {"--cluster-audience", "kubernetes/other", "--", "kubectl", "get", "configmaps"},
	} {
		if out, err := s.jobRuns(t, token, nil, slices.Concat(in, args)...); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	s.staysJWT(token)
}

// staysJWT: a kubeconfig that stays, of whoever has an ID token and nothing else.
func (s structured) staysJWT(token string) {
	t := s.t
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if out, err := s.jobRuns(t, token, nil, "kubeconfig", "--cluster", lab.ClusterName, "--jwt", "--role", "gitlab-deployer", "--kubeconfig", file); err != nil {
		t.Fatal(out, err)
	}
	kubectl := func(env map[string]string) (string, error) {
		env["KUBECONFIG"] = file
		return s.Run(t.Context(), env, filepath.Join(s.Dir, "bin", "kubectl"), "get", "configmap", "made", "-n", "production", "-o", "name")
	}
	if out, err := kubectl(map[string]string{"MAYFLY_ID_TOKEN": token}); err != nil || !strings.Contains(out, "configmap/made") {
		t.Errorf("with the ID token: %s, %v", out, err)
	}
	feature := s.token(t, labgitlab.PipelineRequest{Project: project, Ref: "feature-1", RefType: "branch"})
	for want, env := range map[string]map[string]string{"there is no ID token": {}, "Not authorized": {"MAYFLY_ID_TOKEN": feature}} {
		if out, err := kubectl(env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %s, %v", want, out, err)
		}
	}
	raw, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(raw), token) {
		t.Errorf("%v\n%s", err, raw)
	}
}
