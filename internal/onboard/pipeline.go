package onboard

import (
	"fmt"
	"strings"
)

// Pipeline is the part of the project's .gitlab-ci.yml that deploys. It is
// examples/gitlab-to-kubernetes, for each environment.
func (p Plan) Pipeline() string {
	var b strings.Builder
	fmt.Fprintf(&b, `.deploy:
  id_tokens:
    GITLAB_OIDC_TOKEN:
      aud: "%s"
  script:
    - export $(printf "AWS_ACCESS_KEY_ID=%%s AWS_SECRET_ACCESS_KEY=%%s AWS_SESSION_TOKEN=%%s"
      $(aws sts assume-role-with-web-identity --role-arn "${EKS_ROLE_ARN}" --role-session-name "GitLabRunner-${CI_PIPELINE_ID}"
      --web-identity-token "${GITLAB_OIDC_TOKEN}" --duration-seconds 900
      --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]' --output text))
    - aws eks update-kubeconfig --name "%s" --region "%s"
    - kubectl config set-context --current --namespace="${DEPLOY_NAMESPACE}"
    - kubectl apply -f deployment.yaml
`, p.Audience, p.Cluster.Name, p.Cluster.Region)
	for _, r := range p.Roles {
		fmt.Fprintf(&b, `
deploy_%s:
  extends: .deploy
  environment: %s
  variables:
    EKS_ROLE_ARN: "%s"
    DEPLOY_NAMESPACE: "%s"
  rules:
    - if: '$CI_COMMIT_BRANCH == "%s" && $CI_PIPELINE_SOURCE =~ /^(%s)$/'
`, r.Name, quoteYAML(r.Name), r.ARN, r.Namespace, r.Branch, strings.Join(p.Sources, "|"))
	}
	return b.String()
}

// quoteYAML is a name that YAML might take for something else: 1, yes, @x.
func quoteYAML(name string) string { return `"` + name + `"` }
