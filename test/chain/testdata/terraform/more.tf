# What the example does not need, and others do.

data "aws_eks_cluster_auth" "this" {
  name = var.cluster
}

# The token is another one each time; that it is one does not change.
output "bearer_token" {
  value = nonsensitive(startswith(data.aws_eks_cluster_auth.this.token, "k8s-aws-v1."))
}

variable "boundary" {
  type    = bool
  default = true
}

data "aws_iam_policy_document" "bound" {
  statement {
    actions   = ["eks:*", "sts:*"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "bound" {
  name        = "bound"
  path        = "/limits/"
  description = "No more than this"
  policy      = data.aws_iam_policy_document.bound.json
}

resource "aws_iam_role" "second" {
  name                  = "second"
  path                  = "/ci/"
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  max_session_duration  = var.boundary ? 3600 : 7200
  permissions_boundary  = var.boundary ? aws_iam_policy.bound.arn : null
  force_detach_policies = true
}

resource "aws_iam_role_policy" "second" {
  name   = "describe"
  role   = aws_iam_role.second.id
  policy = data.aws_iam_policy_document.describe.json
}

resource "aws_iam_role_policy_attachment" "second" {
  role       = aws_iam_role.second.name
  policy_arn = aws_iam_policy.describe.arn
}

resource "aws_eks_access_entry" "second" {
  cluster_name      = var.cluster
  principal_arn     = aws_iam_role.second.arn
  kubernetes_groups = var.boundary ? ["readers"] : ["readers", "writers"]
  user_name         = "ci:{{SessionName}}"
}

resource "aws_eks_access_policy_association" "second" {
  cluster_name  = var.cluster
  principal_arn = aws_eks_access_entry.second.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
  access_scope {
    type = "cluster"
  }
}
