package labgitlab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mayfly.internal/internal/labgitlab"
)

// deployJob is the pipeline a team writes against AWS, word for word.
const deployJob = `
deploy_job:
  id_tokens:
    GITLAB_OIDC_TOKEN:
      aud: "gitlab-aws-deploy"
  script:
    - export $(printf "AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_SESSION_TOKEN=%s"
      $(aws sts assume-role-with-web-identity --role-arn "${EKS_ROLE_ARN}" --role-session-name "GitLabRunner-${CI_PIPELINE_ID}"
      --web-identity-token "${GITLAB_OIDC_TOKEN}" --duration-seconds 900
      --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text))
    - aws eks update-kubeconfig --name "my-cluster" --region "eu-central-1"
    - kubectl config set-context --current --namespace="production"
    - kubectl apply -f deployment.yaml
`

// The commands stand in for the real ones: they note how they were called.
const fakeAWS = `#!/bin/bash
case "$1 $2" in
"sts assume-role-with-web-identity")
	[ "$AWS_ENDPOINT_URL" = https://127.0.0.1:8443 ] || exit 9
	[[ "$4" = arn:aws:iam::111122223333:role/gitlab-deployer && "$6" =~ ^GitLabRunner-[0-9]+$ && "$8" = eyJ*.*.* ]] || exit 8
	printf 'ASIAEXAMPLE\tsecret-key\tsession-token\n' ;;
*) echo "aws $* as $AWS_ACCESS_KEY_ID/$AWS_SECRET_ACCESS_KEY/$AWS_SESSION_TOKEN" ;;
esac
`

const fakeKubectl = `#!/bin/bash
echo "kubectl $* with $AWS_ACCESS_KEY_ID"
[ "$1" != apply ] || cat "$3"
`

func TestADeployJobRunsUnchanged(t *testing.T) {
	tools := t.TempDir()
	for name, text := range map[string]string{"aws": fakeAWS, "kubectl": fakeKubectl} {
		if err := os.WriteFile(filepath.Join(tools, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s := project(t, "    variables: [{key: EKS_ROLE_ARN, value: \"arn:aws:iam::111122223333:role/gitlab-deployer\"}]",
		map[string]string{".gitlab-ci.yml": deployJob, "deployment.yaml": "kind: Deployment\n"})
	p := create(t, s, labgitlab.PipelineRequest{
		Project: "ann/site", Ref: "main",
		InstanceVariables: []labgitlab.Variable{{Key: "AWS_ENDPOINT_URL", Value: "https://127.0.0.1:8443"}},
	})
	report, out := run(t, s, p, func(r *labgitlab.Runner) {
		r.Environment = map[string]string{"PATH": tools + ":" + os.Getenv("PATH")}
	})
	if report.Status != labgitlab.PipelineSuccess {
		t.Fatal(out)
	}
	for _, want := range []string{
		"aws eks update-kubeconfig --name my-cluster --region eu-central-1 as ASIAEXAMPLE/secret-key/session-token\n",
		"kubectl config set-context --current --namespace=production with ASIAEXAMPLE\n",
		"kubectl apply -f deployment.yaml with ASIAEXAMPLE\nkind: Deployment\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("log lacks %q:\n%s", want, out)
		}
	}
}
