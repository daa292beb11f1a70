# The story of examples/gitlab-to-kubernetes as Terraform: jobs of one branch of
# one project may deploy to one namespace of one cluster, with no stored secret.
#
# Where Mayfly is comes from the environment, and so do the credentials:
#
#   eval "$(mayflyd admin credentials)"    # or those of a role with these rights
#   terraform init && terraform apply -var gitlab_url=https://gitlab.com -var cluster=my-cluster

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.79"
    }
  }
}

provider "aws" {
  region = var.region
}

data "aws_caller_identity" "current" {}

data "aws_eks_cluster" "this" {
  name = var.cluster
}

locals {
  issuer = trimprefix(var.gitlab_url, "https://") # the claims' condition keys begin with it
}

# Whose tokens may be exchanged at all.
resource "aws_iam_openid_connect_provider" "gitlab" {
  url            = var.gitlab_url
  client_id_list = [var.audience]
  tags           = var.tags
}

# Which of them may become the role: the jobs of one branch of one project.
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.gitlab.arn]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:aud"
      values   = [var.audience]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.issuer}:sub"
      values   = ["project_path:${var.project}:ref_type:branch:ref:${var.branch}"]
    }
  }
}

resource "aws_iam_role" "deployer" {
  name                 = "${var.prefix}-deployer"
  description          = "Jobs of ${var.project} on ${var.branch}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
  tags                 = var.tags
}

# What the role may call: find out where the cluster is.
data "aws_iam_policy_document" "describe" {
  statement {
    actions   = ["eks:DescribeCluster"]
    resources = [data.aws_eks_cluster.this.arn]
  }
}

resource "aws_iam_policy" "describe" {
  name   = "${var.prefix}-describe-${var.cluster}"
  policy = data.aws_iam_policy_document.describe.json
  tags   = var.tags
}

resource "aws_iam_role_policy_attachment" "describe" {
  role       = aws_iam_role.deployer.name
  policy_arn = aws_iam_policy.describe.arn
}

# What it may do inside: edit one namespace.
resource "aws_eks_access_entry" "deployer" {
  cluster_name  = data.aws_eks_cluster.this.name
  principal_arn = aws_iam_role.deployer.arn
  tags          = var.tags
}

resource "aws_eks_access_policy_association" "edit" {
  cluster_name  = data.aws_eks_cluster.this.name
  principal_arn = aws_eks_access_entry.deployer.principal_arn
  policy_arn    = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
  access_scope {
    type       = "namespace"
    namespaces = [var.namespace]
  }
}

output "role_arn" {
  description = "EKS_ROLE_ARN of the job"
  value       = aws_iam_role.deployer.arn
}

output "account_id" {
  value = data.aws_caller_identity.current.account_id
}

output "endpoint" {
  value = data.aws_eks_cluster.this.endpoint
}
