variable "region" {
  description = "Region the cluster is registered in"
  default     = "eu-central-1"
}

variable "gitlab_url" {
  description = "GitLab, exactly as in its tokens' iss"
  default     = "https://gitlab.com"
}

variable "audience" {
  description = "aud of the job's ID token"
  default     = "gitlab-aws-deploy"
}

variable "project" {
  description = "Path of the project whose jobs deploy"
  default     = "my_group/my-fancy_project"
}

variable "branch" {
  description = "Branch whose jobs deploy: protect it"
  default     = "production"
}

variable "cluster" {
  description = "Name the cluster is registered under"
  default     = "my-cluster"
}

variable "namespace" {
  description = "Namespace the jobs deploy to"
  default     = "production"
}

variable "prefix" {
  description = "What the names of role and policy begin with"
  default     = "gitlab"
}

variable "tags" {
  type    = map(string)
  default = { managed-by = "terraform" }
}
