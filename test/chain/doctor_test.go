package chain

import (
	"regexp"
	"testing"

	"mayfly.internal/internal/lab"
)

// TestDoctor: what keeps a job of the lab from deploying to a real API server is
// found, one thing after the other, until nothing does.
func TestDoctor(t *testing.T) {
	u := newUses(t, true, map[string]string{".gitlab-ci.yml": `
doctor:
  id_tokens: {MAYFLY_ID_TOKEN: {aud: gitlab-aws-deploy}}
  script:
    - mayfly doctor --role gitlab-deployer --cluster ` + lab.ClusterName + ` --namespace $NAMESPACE --can 'create deployments.apps' --can 'get pods/log'
`}, map[string]string{})
	finds := func(ref, namespace, status string, want ...string) {
		t.Helper()
		got, log := u.pipeline(ref, map[string]string{"NAMESPACE": namespace})
		if got != "success" && status == "success" || got != "failed" && status == "failed" {
			t.Errorf("%s, want %s:\n%s", got, status, log)
		}
		for _, w := range want {
			if !regexp.MustCompile("(?m)^" + w).MatchString(log) {
				t.Errorf("no %q in:\n%s", w, log)
			}
		}
	}
	finds("feature", "production", "failed", "ok +audience +\"gitlab-aws-deploy\"", "failed +role .*AccessDenied", "skipped +cluster")
	finds("main", "production", "failed", "ok +role", "failed +cluster +AccessDenied")
	u.permit()
	finds("main", "production", "success", "ok +API server", "ok +access entry +it is arn:aws:sts::", "ok +may create deployments.apps", "ok +may get pods/log")
	finds("main", "default", "failed", "ok +access entry", "failed +may create deployments.apps +the role may not, in the namespace default")
}
