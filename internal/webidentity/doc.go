// Package webidentity is what a role's trust policy says of a web identity: of
// whom an ID token was signed for. It decides whether the policy lets it in, and
// says why not, to each as much as it may hear (CONTRACTS §3):
//
//   - a stranger nothing
//   - a job of the role's own projects which of its own claims failed, and what
//     kind of value was wanted; the policy's own values only where the operator
//     has said so for the issuer
//   - the operator everything: a Trace, which the audit log keeps
//
// Near misses are said in words ("the role wants a branch, this job ran for the
// tag v1"); the table of them is misses.
//
// It verifies no token (oidc does) and evaluates no condition (policy does). What
// it decides on unverified claims is an answer to "what if" and nothing more.
package webidentity
