package chain

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/vault/vaulttest"
)

const templatesWorld = `
users: [{id: 1, username: ann}]
groups: [{id: 72, full_path: my_group, members: [{username: ann, access_level: maintainer}]}]
projects:
  - {id: 20, path_with_namespace: my_group/mayfly, visibility: internal, directory: %q, branches: [main], tags: [1.0.0], catalog_resource: true}
  - {id: 21, path_with_namespace: my_group/app, directory: app, branches: [main, feature]}
`

// uses is a world of one project, my_group/app, that includes a component.
type uses struct {
	world
	t    *testing.T
	dir  string
	path string // of the job's programs
}

// newUses brings a lab up whose role gitlab-deployer trusts the project's branch
// main.
func newUses(t *testing.T, cluster bool, files map[string]string, programs map[string]string) uses {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	u := uses{t: t, dir: t.TempDir(), path: t.TempDir()}
	u.write("world.yaml", fmt.Sprintf(templatesWorld, root))
	for name, text := range files {
		u.write("app/"+name, text)
	}
	u.world = worldOf(t, newLabOf(t, filepath.Join(u.dir, "world.yaml"), filepath.Join(u.dir, "lab"), cluster))
	programs["mayfly"], programs["kubectl"] = u.Mayfly, u.Kubernetes
	for name, target := range programs {
		if err := os.Symlink(target, filepath.Join(u.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := iam.NewFromConfig(u.config).CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{Url: aws.String(u.State.GitLabURL()), ClientIDList: []string{"gitlab-aws-deploy"}}); err != nil {
		t.Fatal(err)
	}
	u.makeRole(t, "gitlab-deployer", u.trust("StringLike", "project_path:my_group/app:ref_type:branch:ref:main"))
	return u
}

func (u uses) write(name, text string) {
	u.t.Helper()
	path := filepath.Join(u.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// permit gives the role what it needs in the namespace production.
func (u uses) permit() {
	u.t.Helper()
	env, err := u.AdminEnv(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	for _, args := range [][]string{
		{"iam", "put-role-policy", "--role-name", "gitlab-deployer", "--policy-name", "describe", "--policy-document", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`},
		{"eks", "create-access-entry", "--cluster-name", lab.ClusterName, "--principal-arn", u.role("gitlab-deployer")},
		{"eks", "associate-access-policy", "--cluster-name", lab.ClusterName, "--principal-arn", u.role("gitlab-deployer"), "--policy-arn", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", "--access-scope", "type=namespace,namespaces=production"},
	} {
		if _, err := u.Run(u.t.Context(), env, filepath.Join(u.Dir, "bin", "aws"), args...); err != nil {
			u.t.Fatal(err)
		}
	}
	u.kubectl("create", "namespace", "production")
}

// kubectl asks the cluster as its administrator.
func (u uses) kubectl(args ...string) string {
	u.t.Helper()
	out, err := u.Run(u.t.Context(), map[string]string{"KUBECONFIG": u.Cluster.AdminKubeconfig()}, filepath.Join(u.path, "kubectl"), args...)
	if err != nil {
		u.t.Fatal(err)
	}
	return out
}

// pipeline runs the project's pipeline and gives its status and log. No ID token
// and no secret of a session is in it.
func (u uses) pipeline(ref string, variables map[string]string, play ...string) (labgitlab.PipelineStatus, string) {
	u.t.Helper()
	request := labgitlab.PipelineRequest{Project: "my_group/app", Ref: ref, RefType: "branch", InstanceVariables: u.JobVariables()}
	for name, value := range variables {
		request.InstanceVariables = append(request.InstanceVariables, labgitlab.Variable{Key: name, Value: value})
	}
	p, err := u.GitLab().CreatePipeline(u.t.Context(), request)
	if err != nil {
		u.t.Fatal(err)
	}
	env := u.BaseEnv()
	env["PATH"] = u.path + string(os.PathListSeparator) + os.Getenv("PATH")
	var log bytes.Buffer
	r := labgitlab.Runner{Door: u.GitLab(), Out: &log, Environment: env, TempDir: u.t.TempDir(), Play: play}
	report, err := r.Run(u.t.Context(), p)
	if err != nil {
		u.t.Fatal(err)
	}
	return report.Status, log.String()
}

func (u uses) succeeds(variables map[string]string, play ...string) string {
	u.t.Helper()
	status, log := u.pipeline("main", variables, play...)
	if status != "success" {
		u.t.Fatalf("%s:\n%s", status, log)
	}
	return log
}

func (u uses) isRefused(ref, want string, variables map[string]string, play ...string) {
	u.t.Helper()
	status, log := u.pipeline(ref, variables, play...)
	if status != "failed" || !strings.Contains(log, want) {
		u.t.Errorf("%s, want it refused with %q:\n%s", status, want, log)
	}
}

const include = "include:\n  - component: $CI_SERVER_FQDN/my_group/mayfly/%s@1\n    inputs: %s\n"

// TestTemplateDeploy: kubectl through the component, with inputs and with a job
// of the project's own over it.
func TestTemplateDeploy(t *testing.T) {
	deployment, err := os.ReadFile(filepath.Join(examples, "project", "deployment.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	u := newUses(t, true, map[string]string{
		".gitlab-ci.yml":  fmt.Sprintf(include, "deploy", "{role: gitlab-deployer, cluster: "+lab.ClusterName+", namespace: production}"),
		"deployment.yaml": string(deployment),
	}, map[string]string{})
	u.permit()
	u.succeeds(nil)
	if got := u.kubectl("get", "deployments", "-n", "production", "-o", "name"); got != "deployment.apps/web\n" {
		t.Errorf("the namespace has %q", got)
	}
	u.isRefused("feature", "AccessDenied", nil)

	u.write("app/.gitlab-ci.yml", fmt.Sprintf(include, "deploy", "{namespace: default}")) // the rest by CI/CD variables
	u.isRefused("main", "forbidden", map[string]string{"MAYFLY_ROLE": "gitlab-deployer", "MAYFLY_CLUSTER": lab.ClusterName})
	u.isRefused("main", "--role", map[string]string{"MAYFLY_CLUSTER": lab.ClusterName})

	u.write("app/.gitlab-ci.yml", fmt.Sprintf(include, "deploy", "{}")+`
deploy_job:
  script:
    - mayfly exec --role gitlab-deployer --cluster `+lab.ClusterName+` --namespace production -- kubectl delete deployment web
`)
	u.succeeds(nil)
	if got := u.kubectl("get", "deployments", "-n", "production", "-o", "name"); got != "" {
		t.Errorf("the namespace still has %q", got)
	}
}

// TestTemplateFindsMayfly: an image without mayfly gets it where the pipeline
// says, if it is what the pipeline says, and else nothing is run.
func TestTemplateFindsMayfly(t *testing.T) {
	u := newUses(t, false, map[string]string{".gitlab-ci.yml": ""}, map[string]string{})
	if err := os.Remove(filepath.Join(u.path, "mayfly")); err != nil {
		t.Fatal(err)
	}
	const said = "#!/bin/sh\necho \"this is mayfly: $*\"\n"
	u.write("release/mayfly", said)
	sum, err := u.Run(t.Context(), nil, "sha256sum", filepath.Join(u.dir, "release", "mayfly"))
	if err != nil {
		t.Fatal(err)
	}
	releases := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(u.dir, "release"))))
	defer releases.Close()
	url := releases.URL
	for _, tt := range []struct{ inputs, want string }{
		{"{mayfly-url: '" + url + "/mayfly', mayfly-sha256: '" + sum[:64] + "'}", ""},
		{"{mayfly-url: '" + url + "/mayfly', mayfly-sha256: '" + strings.Repeat("0", 64) + "'}", "did NOT match"},
		{"{mayfly-url: '" + url + "/none', mayfly-sha256: '" + sum[:64] + "'}", "404"},
		{"{mayfly-url: '" + url + "/mayfly'}", "give the component mayfly-url and mayfly-sha256"},
		{"{}", "give the component mayfly-url and mayfly-sha256"},
	} {
		u.write("app/.gitlab-ci.yml", fmt.Sprintf(include, "deploy", tt.inputs))
		if tt.want != "" {
			u.isRefused("main", tt.want, nil)
			continue
		}
		if log := u.succeeds(nil); !strings.Contains(log, "this is mayfly: exec") {
			t.Error(log)
		}
	}
}

// TestTemplateHelm: the real Helm through the component.
func TestTemplateHelm(t *testing.T) {
	helm := os.Getenv("MAYFLY_HELM")
	if helm == "" {
		t.Skip("MAYFLY_HELM names no helm: run make test-outsiders")
	}
	u := newUses(t, true, map[string]string{
		".gitlab-ci.yml":            fmt.Sprintf(include, "helm", "{role: gitlab-deployer, cluster: "+lab.ClusterName+", namespace: production, release: shop, values: more.yaml}"),
		"more.yaml":                 "greeting: hello from values\n",
		"chart/Chart.yaml":          "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
		"chart/values.yaml":         "greeting: none\n",
		"chart/templates/data.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {greeting: {{ .Values.greeting | quote }}}\n",
	}, map[string]string{"helm": helm})
	u.permit()
	u.succeeds(nil)
	if got := u.kubectl("get", "configmap", "shop", "-n", "production", "-o", "jsonpath={.data.greeting}"); got != "hello from values" {
		t.Errorf("the chart says %q", got)
	}
	u.write("app/more.yaml", "greeting: again\n")
	if log := u.succeeds(nil); !strings.Contains(log, "REVISION: 2") {
		t.Errorf("no upgrade:\n%s", log)
	}
	u.isRefused("feature", "AccessDenied", nil)
}

// TestTemplateTerraform: OpenTofu and the real AWS provider through the
// component; what is applied is the plan of the job before.
func TestTemplateTerraform(t *testing.T) {
	programs := os.Getenv("MAYFLY_TERRAFORM")
	if programs == "" {
		t.Skip("MAYFLY_TERRAFORM names no folder with tofu and terraform-provider-aws: run make test-outsiders")
	}
	u := newUses(t, false, map[string]string{
		".gitlab-ci.yml": fmt.Sprintf(include, "terraform", "{program: tofu, plan-role: gitlab-planner, role: gitlab-deployer, directory: infra}"),
		"infra/main.tf": `provider "aws" { region = "` + lab.Region + `" }
data "aws_caller_identity" "who" {}
resource "aws_iam_role" "made" {
  name               = "made-by-the-job"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { AWS = data.aws_caller_identity.who.account_id }, Action = "sts:AssumeRole" }] })
}
`}, map[string]string{"tofu": filepath.Join(programs, "tofu")})
	mirror := filepath.Join(u.dir, "mirror")
	provider := filepath.Join(mirror, "registry.opentofu.org", "hashicorp", "aws", "6.0.0", runtime.GOOS+"_"+runtime.GOARCH)
	if err := os.MkdirAll(provider, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(programs, "terraform-provider-aws"), filepath.Join(provider, "terraform-provider-aws_v6.0.0")); err != nil {
		t.Fatal(err)
	}
	u.write("tofu.rc", fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", mirror))
	u.makeRole(t, "gitlab-planner", u.trust("StringLike", "project_path:my_group/app:*"))
	for role, action := range map[string]string{"gitlab-planner": "iam:Get*", "gitlab-deployer": "iam:*"} {
		policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["` + action + `","iam:List*"],"Resource":"*"}]}`
		if _, err := iam.NewFromConfig(u.config).PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("inline"), PolicyDocument: &policy}); err != nil {
			t.Fatal(err)
		}
	}
	variables := map[string]string{"TF_CLI_CONFIG_FILE": filepath.Join(u.dir, "tofu.rc"), "CHECKPOINT_DISABLE": "1"}
	made := func() bool {
		_, err := iam.NewFromConfig(u.config).GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("made-by-the-job")})
		return err == nil
	}
	if log := u.succeeds(variables); !strings.Contains(log, "1 to add") || made() {
		t.Errorf("the plan alone made something, or nothing:\n%s", log)
	}
	if _, log := u.pipeline("feature", variables, "terraform:apply"); !strings.Contains(log, "AccessDenied") || made() {
		t.Errorf("a feature branch has applied:\n%s", log)
	}
	if log := u.succeeds(variables, "terraform:apply"); !strings.Contains(log, "1 added") || !made() {
		t.Errorf("nothing was applied:\n%s", log)
	}
}

// TestTemplateVault: a secret through the component, from a server that speaks
// Vault's protocol.
func TestTemplateVault(t *testing.T) {
	u := newUses(t, false, map[string]string{"run": "#!/bin/sh\necho \"the password has ${#PASSWORD} characters, the ID token ${#MAYFLY_ID_TOKEN}\"\n", ".gitlab-ci.yml": ""}, map[string]string{})
	if err := os.Chmod(filepath.Join(u.dir, "app", "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	v := vaulttest.New(t)
	v.Trust("jwt", u.State.GitLabURL(), u.keySet(t))
	v.Role("jwt", "app", vaulttest.Role{Audiences: []string{v.URL}, Claims: map[string][]string{"project_path": {"my_group/app"}, "ref": {"main"}}, Policies: []string{"app"}})
	v.Policy("app", "kv/data/app/*")
	v.KV("kv", 2)
	v.Put("kv", "app/db", map[string]any{"password": "seventeen letters"})
	v.Put("kv", "other/db", map[string]any{"password": "not yours"})
	variables := map[string]string{"VAULT_ADDR": v.URL, "VAULT_ROLE": "app", "VAULT_CACERT": v.CAFile()}
	ci := func(secret string) {
		u.write("app/.gitlab-ci.yml", fmt.Sprintf(include, "vault", "{secret: '"+secret+"', command: ./run}"))
	}
	ci("PASSWORD=kv/app/db#password")
	if log := u.succeeds(variables); !strings.Contains(log, "the password has 17 characters, the ID token 0") || strings.Contains(log, "seventeen letters") {
		t.Error(log)
	}
	u.isRefused("feature", "400", variables)
	ci("PASSWORD=kv/other/db#password")
	u.isRefused("main", "403", variables)
	if alive := v.Alive(); len(alive) > 0 {
		t.Errorf("%d tokens of Vault are left", len(alive))
	}
}

// keySet is what the lab's GitLab publishes.
func (u uses) keySet(t *testing.T) []byte {
	t.Helper()
	pem, err := os.ReadFile(u.GitLabCA())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := c.Get(u.State.GitLabURL() + "/oauth/discovery/keys")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return body
}
