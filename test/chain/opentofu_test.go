package chain

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
)

// tofu runs OpenTofu in a working directory of the example, in a world.
type tofu struct {
	t       *testing.T
	w       world
	program string
	dir     string
	env     map[string]string
	vars    []string
}

// newTofu is OpenTofu with the real AWS provider, with files in its directory;
// testenv/terraform/build.sh makes both programs.
func newTofu(t *testing.T, w world, patterns ...string) *tofu {
	t.Helper()
	programs := os.Getenv("MAYFLY_TERRAFORM")
	if programs == "" {
		t.Skip("MAYFLY_TERRAFORM names no folder with tofu and terraform-provider-aws: run make test-outsiders")
	}
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x := &tofu{t: t, w: w, program: filepath.Join(programs, "tofu"), dir: t.TempDir(), env: env}
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(filepath.Join(x.dir, filepath.Base(f)), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	config := filepath.Join(x.dir, "tofu.rc")
	if err := os.WriteFile(config, []byte(fmt.Sprintf("provider_installation {\n  dev_overrides {\n    \"hashicorp/aws\" = %q\n  }\n}\n", programs)), 0o600); err != nil {
		t.Fatal(err)
	}
	env["TF_CLI_CONFIG_FILE"], env["CHECKPOINT_DISABLE"], env["TF_IN_AUTOMATION"], env["AWS_REGION"] = config, "1", "1", lab.Region
	return x
}

// run runs a command and gives its exit code and all it said.
func (x *tofu) run(args ...string) (int, string) {
	x.t.Helper()
	args = append(args, "-no-color")
	if args[0] == "plan" || args[0] == "apply" || args[0] == "destroy" {
		args = append(append(args, "-input=false"), x.vars...)
	}
	out, err := x.w.Run(x.t.Context(), x.env, x.program, append([]string{"-chdir=" + x.dir}, args...)...)
	if failed, ok := errors.AsType[*lab.CommandError](err); ok {
		if exit, ok := errors.AsType[*exec.ExitError](failed.Err); ok {
			return exit.ExitCode(), out + failed.Output
		}
	}
	if err != nil {
		x.t.Fatal(err)
	}
	return 0, out
}

func (x *tofu) must(args ...string) string {
	x.t.Helper()
	code, out := x.run(args...)
	if code != 0 {
		x.t.Fatalf("tofu %s: %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// settled demands that a plan finds nothing to do.
func (x *tofu) settled(after string) {
	x.t.Helper()
	if code, out := x.run("plan", "-detailed-exitcode"); code != 0 {
		x.t.Errorf("after %s the plan is not empty (%d):\n%s", after, code, out)
	}
}

// TestTerraformApply runs the example with OpenTofu and the real AWS provider:
// create, no drift, use, change, import, destroy.
func TestTerraformApply(t *testing.T) {
	w := newWorld(t)
	x := newTofu(t, w, "../../examples/terraform/*.tf", "testdata/terraform/*.tf") // the example beside what others need
	x.vars = []string{"-var", "gitlab_url=" + w.State.GitLabURL(), "-var", "region=" + lab.Region}
	w.register(t, lab.ClusterName)
	x.must("apply", "-auto-approve")
	x.settled("create")
	deployer, second := w.role("gitlab-deployer"), w.role("ci/second")
	token := w.token(t, production())
	stage := w.token(t, labgitlab.PipelineRequest{Project: project, Ref: "stage", RefType: "branch"})
	refused := func(role, token, want, why string) {
		t.Helper()
		if _, err := w.exchange(t, role, token); code(err) != want {
			t.Errorf("%s: %v", why, err)
		}
	}
	if got := x.must("output", "bearer_token"); strings.TrimSpace(got) != "true" {
		t.Errorf("the bearer token of aws_eks_cluster_auth is none: %s", got)
	}
	for _, role := range []string{deployer, second} {
		if _, err := w.exchange(t, role, token); err != nil {
			t.Errorf("the job of %s: %v", role, err)
		}
		refused(role, stage, "AccessDenied", "the job of another branch")
	}

	created := x.vars
	x.vars = append(x.vars[:len(x.vars):len(x.vars)], "-var", "branch=stage", "-var", "namespace=staging", "-var", "boundary=false", "-var", `tags={"managed-by"="tofu","team"="web"}`, "-var", "audience=another")
	x.must("apply", "-auto-approve")
	x.settled("change")
	refused(deployer, token, "InvalidIdentityToken", "the job with the audience that was known before")
	x.vars = created
	x.must("apply", "-auto-approve")
	x.settled("change back")
	if _, err := w.exchange(t, deployer, token); err != nil {
		t.Errorf("the job again: %v", err)
	}

	// What is there is taken over by who has lost the state.
	if err := os.Remove(filepath.Join(x.dir, "terraform.tfstate")); err != nil {
		t.Fatal(err)
	}
	const view, edit = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
	describe, bound := "arn:aws:iam::"+w.account+":policy/gitlab-describe-"+lab.ClusterName, "arn:aws:iam::"+w.account+":policy/limits/bound"
	var imports strings.Builder
	for _, i := range [][2]string{
		{"aws_iam_openid_connect_provider.gitlab", w.provider()},
		{"aws_iam_role.deployer", "gitlab-deployer"}, {"aws_iam_role.second", "second"},
		{"aws_iam_policy.describe", describe}, {"aws_iam_policy.bound", bound},
		{"aws_iam_role_policy.second", "second:describe"},
		{"aws_iam_role_policy_attachment.describe", "gitlab-deployer/" + describe}, {"aws_iam_role_policy_attachment.second", "second/" + describe},
		{"aws_eks_access_entry.deployer", lab.ClusterName + ":" + deployer}, {"aws_eks_access_entry.second", lab.ClusterName + ":" + second},
		{"aws_eks_access_policy_association.edit", lab.ClusterName + "#" + deployer + "#" + edit}, {"aws_eks_access_policy_association.second", lab.ClusterName + "#" + second + "#" + view},
	} {
		fmt.Fprintf(&imports, "import {\n  to = %s\n  id = %q\n}\n", i[0], i[1])
	}
	path := filepath.Join(x.dir, "import.tf")
	if err := os.WriteFile(path, []byte(imports.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out := x.must("apply", "-auto-approve")
	if !strings.Contains(out, "12 imported, 0 added, ") || !strings.Contains(out, " 0 destroyed") {
		t.Errorf("import: %s", tail(out, 20))
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	x.settled("import")

	x.must("destroy", "-auto-approve")
	roles, err := iam.NewFromConfig(w.config).ListRoles(t.Context(), &iam.ListRolesInput{})
	if err != nil || len(roles.Roles) != 1 {
		t.Errorf("%d roles are left, %v", len(roles.Roles), err)
	}
	policies, err := iam.NewFromConfig(w.config).ListPolicies(t.Context(), &iam.ListPoliciesInput{})
	if err != nil || len(policies.Policies) != 0 {
		t.Errorf("%d policies are left, %v", len(policies.Policies), err)
	}
}
