// Package eks is clusters, access entries, access policies and their scopes:
// which Kubernetes identity a principal has in a cluster, and what the access
// policies of its entry let it do there. (EKS API reference 2017-11-01; EKS
// User Guide, "Grant IAM users access to Kubernetes with EKS access entries".)
//
// An access policy allows or has no opinion; RBAC may still allow. Nothing here
// denies: that a session is revoked, expired or gone is for clusterauth to say.
//
// It does not verify who is asking, and it reads no cluster.
package eks
