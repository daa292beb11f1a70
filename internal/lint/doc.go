// Package lint names what is known to go wrong in trust policies for GitLab's
// jobs, and says what to write instead.
//
// What it says is about the policy alone: it needs no facts of GitLab but for the
// ids it pins. Whether the role is well guarded is prove's to say; a policy
// without a remark here may be refuted there, and one with remarks may be proven.
package lint
