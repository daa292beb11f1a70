package control

import (
	"errors"
	"fmt"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
)

// Reason says what is wrong with an operation that the rules alone cannot know.
// The zero value is none.
type Reason uint8

const (
	NoSuchCluster      Reason = iota + 1 // none of that name in the region
	NoSuchEntry                          // the principal has none in the cluster
	NoSuchAssociation                    // the entry has no such policy
	EntryExists                          // the principal has one in the cluster
	ClusterExists                        // the name is taken, in whatever region
	InvalidPrincipal                     // it is no role that exists
	InvalidTags                          // two keys that differ in case alone
	NoSuchResource                       // the ARN names nothing that has tags
	NoSuchUpdate                         // none of that id of the cluster
	NoSuchAccessPolicy                   // no custom one of that name
	AccessPolicyExists                   // the name is taken
	AccessPolicyInUse                    // entries have it
	NoSuchDenial                         // nothing was refused under the id
)

var reasonNames = [...]string{"", "no such cluster", "no such access entry", "no such association", "access entry exists", "cluster exists", "invalid principal", "invalid tags", "no such resource", "no such update", "no such access policy", "access policy exists", "access policy in use", "no such denial"}

// String is the reason in words, for the audit log.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Error is a refusal about a cluster, its entries or their policies. Detail is AWS's sentence
// where it is known.
type Error struct {
	Reason  Reason
	Cluster string
	Detail  string
}

func (e *Error) Error() string { return e.Detail }

func noCluster(name string) error {
	return &Error{NoSuchCluster, name, fmt.Sprintf("No cluster found for name: %s.", name)}
}

// UnreadableError is a request whose parameters cannot be read. Err, which the
// edge made, says why.
type UnreadableError struct{ Err error }

func (e *UnreadableError) Error() string { return e.Err.Error() }
func (e *UnreadableError) Unwrap() error { return e.Err }

// outcomeOf is what a refusal was, and why in a short fixed word, for the audit
// log: a denial, or that we could not do it.
func outcomeOf(err error) (audit.Outcome, string) {
	if _, ok := errors.AsType[*authz.DeniedError](err); ok {
		return audit.Denied, "not authorized"
	}
	if _, ok := errors.AsType[*UnreadableError](err); ok {
		return audit.Denied, "unreadable request"
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return audit.Denied, e.Reason.String()
	}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return audit.Denied, e.Reason.String()
	}
	if _, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return audit.Denied, iam.Malformed.String()
	}
	if _, ok := errors.AsType[*eks.Error](err); ok {
		return audit.Denied, "invalid parameter"
	}
	return audit.Failed, fault.KindOf(err).String()
}
