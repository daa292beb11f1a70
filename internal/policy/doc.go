// Package policy reads IAM policy documents and decides by them: parse,
// compile, evaluate, explain.
//
// A policy is a list of statements. Each has an effect and says whom it
// concerns (Principal, only in trust and resource policies), which actions,
// which resources, and under which conditions. The rules of evaluation, in ten
// lines:
//
//  1. A statement matches when its principal, action, resource and every
//     condition match.
//  2. A matching Deny anywhere decides: explicit deny.
//  3. A condition lists keys; several keys, and several operators, must all
//     hold. Several values of one key: one must match, for a negated operator
//     none may.
//  4. An absent key makes a positive operator false, a negated one true.
//  5. What cannot be evaluated (a date that is none, a key with many values
//     under an operator for one) never helps: such an Allow does not match,
//     such a Deny does.
//  6. The permissions boundary, the session policies and the identity
//     policies, where present, must each allow.
//  7. In the same account a trust or resource policy that names the caller
//     itself allows alone; naming the caller's role it allows within boundary
//     and session policies; naming the account it hands the question on.
//  8. Across accounts both sides must allow.
//  9. Assuming a role, and bringing along tags or a source identity, needs the
//     role's trust policy, whoever asks; a source identity the caller's own too.
//  10. Nothing allows: implicit deny.
//
// IAM User Guide: "IAM JSON policy element reference", "Policy evaluation
// logic", "Grammar of the IAM JSON policy language".
//
// Parse is the only maker of a Document; a Document is immutable, compiled and
// safe for concurrent use. Evaluate looks at every statement and allocates next
// to nothing; Explain walks the same code again and says why each statement did
// not match. Analysis (the forced conditions of shared issuers, the proof of
// who can reach a role) reads the same compiled form through Statements: there
// is no second parser.
//
// It does not know organisations (SCP, RCP), groups, access control lists,
// which claims a token had, how long a document may be, or who exists: a role
// named in a document is tied to its id by Bind, from the outside. It gives no
// one an action for free, not even sts:GetCallerIdentity. It does not know the
// time: aws:CurrentTime is a key like others, set by the caller.
package policy
