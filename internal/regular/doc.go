// Package regular is regular languages over bytes: sets of texts that can be
// intersected, complemented and compared, asked for a member, and told to a person
// in patterns ([Work.Describe]).
//
// A [Language] is a minimal deterministic automaton in canonical form, so two
// languages are equal exactly when they look the same. What is infinite is
// always within [Text], the valid UTF-8 without NUL: policy conditions see no
// other text. NUL is left to callers that write several texts into one word
// ([Work.Preimage], [Work.Image]).
//
// Patterns as the IAM policy language has them (* and ?) can make automata of
// exponential size. Every operation that can grow takes its states from a
// [Work], which ends with [ErrTooLarge] instead of filling the memory: after
// that all answers of that Work mean nothing, and its Err says so.
//
// It knows no policy, no claims and no GitLab; prove does. It matches nothing at
// run time; wildcard does.
package regular
