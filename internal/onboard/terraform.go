package onboard

import (
	"fmt"
	"strings"
)

// Terraform is the same as resources of the AWS provider, in the form of
// examples/terraform.
func (p Plan) Terraform() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What %s (project %d of %s) needs to deploy.
#
# The identity provider is every project's; examples/terraform makes it. It must
# accept the audience %s.
`, p.Project, p.ProjectID, p.GitLab, p.Audience)
	labels := map[string]bool{}
	for _, r := range p.Roles {
		r.terraform(&b, p, label(r.Name, labels))
	}
	return b.String()
}

func (r Role) terraform(b *strings.Builder, p Plan, label string) {
	fmt.Fprintf(b, `
# %s: jobs of branch %s
data "aws_iam_policy_document" "%s_trust" {
  statement {
    sid     = %s
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [%s]
    }
`, r.Name, r.Branch, label, quote(trustSid), quote(p.Provider.String()))
	for _, c := range p.conditions(r.sub) {
		var values []string
		for _, v := range c.values {
			values = append(values, quote(v))
		}
		fmt.Fprintf(b, `    condition {
      test     = "StringEquals"
      variable = %s
      values   = [%s]
    }
`, quote(p.Provider.URL+":"+c.claim), strings.Join(values, ", "))
	}
	fmt.Fprintf(b, `  }
}

resource "aws_iam_role" "%[1]s" {
  name               = %[2]s
  description        = %[3]s
  assume_role_policy = data.aws_iam_policy_document.%[1]s_trust.json
}

data "aws_iam_policy_document" "%[1]s" {
  statement {
    sid       = %[4]s
    actions   = ["eks:DescribeCluster"]
    resources = [%[5]s]
  }
}

resource "aws_iam_role_policy" "%[1]s" {
  name   = %[6]s
  role   = aws_iam_role.%[1]s.name
  policy = data.aws_iam_policy_document.%[1]s.json
}

resource "aws_eks_access_entry" "%[1]s" {
  cluster_name  = %[7]s
  principal_arn = aws_iam_role.%[1]s.arn
}

resource "aws_eks_access_policy_association" "%[1]s" {
  cluster_name  = aws_eks_access_entry.%[1]s.cluster_name
  principal_arn = aws_eks_access_entry.%[1]s.principal_arn
  policy_arn    = %[8]s
  access_scope {
    type       = "namespace"
    namespaces = [%[9]s]
  }
}

output "%[1]s_role_arn" {
  description = "EKS_ROLE_ARN of the job"
  value       = aws_iam_role.%[1]s.arn
}
`, label, quote(r.ARN.Name), quote(r.Description), quote(policySid), quote(p.Cluster.String()), quote(PolicyName), quote(p.Cluster.Name), quote(r.AccessPolicy), quote(r.Namespace))
}

// label is a name for resources: letters, digits, _ and -, no digit first, and no
// other environment's.
func label(name string, taken map[string]bool) string {
	out := strings.ReplaceAll(name, ".", "_")
	if out[0] == '-' || '0' <= out[0] && out[0] <= '9' {
		out = "_" + out
	}
	for taken[out] {
		out += "_"
	}
	taken[out] = true
	return out
}

// quote is a string of Terraform's language.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{").Replace(text) + `"`
}
