package chain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"

	"mayfly.internal/internal/lab"
	"mayfly.internal/internal/labgitlab"
)

// facts are those of the lab's GitLab, in a file.
func (w world) facts(t *testing.T) string {
	t.Helper()
	file, token := filepath.Join(t.TempDir(), "facts.yaml"), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("glpat-lab-mia-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.mayfly(t, "facts", "pull", "--gitlab", w.State.GitLabURL(), "--gitlab-ca-file", filepath.Join(w.Dir, "gitlab-ca.crt"), "--gitlab-token-file", token, "--project", project, "-o", file)
	return file
}

// onboarding is a call for two environments, each with its own role and namespace.
func onboarding(facts string, more ...string) []string {
	return append([]string{"onboard", project, "--facts", facts, "--environment", "production=production", "--environment", "stage=stage", "--cluster", lab.ClusterName, "--namespace", "{environment}",
		"--require", "protected,no-direct-push,immutable-id,not-merge-request"}, more...)
}

// letIn demands that jobs get the roles of onboarding that are theirs, and no
// others.
func (w world) letIn(t *testing.T) {
	t.Helper()
	production, stage := w.token(t, production()), w.token(t, labgitlab.PipelineRequest{Project: project, Ref: "stage", RefType: "branch"})
	request := labgitlab.PipelineRequest{Project: project, Ref: "production", RefType: "branch", Source: "trigger"}
	for _, tt := range []struct{ role, token, want string }{
		{"my-fancy_project-production", production, ""}, {"my-fancy_project-stage", stage, ""},
		{"my-fancy_project-production", stage, "AccessDenied"}, {"my-fancy_project-stage", production, "AccessDenied"},
		{"my-fancy_project-production", w.token(t, request), "AccessDenied"},
	} {
		if _, err := w.exchange(t, w.role(tt.role), tt.token); code(err) != tt.want {
			t.Errorf("%s: %v, want %q", tt.role, err, tt.want)
		}
	}
}

// TestOnboard: what it makes, the SDK sees, and jobs of the lab's GitLab get.
func TestOnboard(t *testing.T) {
	w := newWorld(t)
	w.register(t, lab.ClusterName)
	facts := w.facts(t)
	if out := w.mayfly(t, onboarding(facts, "--apply")...); strings.Count(out, ": made\n") != 9 {
		t.Errorf("made: %s", out)
	}
	if out := w.mayfly(t, onboarding(facts, "--apply")...); strings.Count(out, ": there\n") != 9 {
		t.Errorf("again: %s", out)
	}
	w.letIn(t)
	for _, name := range []string{"production", "stage"} {
		out, err := eks.NewFromConfig(w.config).ListAssociatedAccessPolicies(t.Context(), &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String(lab.ClusterName), PrincipalArn: aws.String(w.role("my-fancy_project-" + name))})
		if err != nil || len(out.AssociatedAccessPolicies) != 1 || strings.Join(out.AssociatedAccessPolicies[0].AccessScope.Namespaces, " ") != name {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
}

// TestTerraformOnboard: what Terraform makes of onboard's text is what onboard
// makes itself.
func TestTerraformOnboard(t *testing.T) {
	w := newWorld(t)
	x := newTofu(t, w)
	w.register(t, lab.ClusterName)
	facts := w.facts(t)
	if err := os.WriteFile(filepath.Join(x.dir, "main.tf"), []byte(w.mayfly(t, onboarding(facts, "-o", "terraform")...)), 0o600); err != nil {
		t.Fatal(err)
	}
	x.must("apply", "-auto-approve")
	x.settled("create")
	out := w.mayfly(t, onboarding(facts, "--apply")...)
	if strings.Count(out, ": there\n") != 8 || !strings.Contains(out, "with the audience gitlab-aws-deploy: made\n") {
		t.Errorf("onboard finds to do: %s", out)
	}
	x.settled("onboard")
	w.letIn(t)
}
