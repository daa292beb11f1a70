package iam

import (
	"errors"
	"fmt"
	"strings"

	"mayfly.internal/internal/arn"
)

// Reason says which rule of this room was broken. The edge turns it into IAM's
// error code. The zero value is none.
type Reason uint8

const (
	InvalidValue  Reason = iota + 1 // ValidationError
	InvalidInput                    // InvalidInput
	NoSuchEntity                    // it does not exist
	AlreadyExists                   // the name is taken
	LimitExceeded                   // a quota
	InUse                           // it must be emptied first
	Unmodifiable                    // it is Mayfly's own
	Malformed                       // a policy document that may not stand there
	NotHere                         // IAM has it, Mayfly does not, on purpose
)

var reasonNames = [...]string{"", "invalid value", "invalid input", "no such entity", "already exists", "limit exceeded", "in use", "unmodifiable", "malformed policy", "does not exist here"}

// String is the reason in words, for the audit log.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Error is a refusal of this room. Detail is a sentence for the caller, in
// AWS's words where they are known.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Refuse makes an Error.
func Refuse(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// IsReason reports whether an error is a refusal of this room for a reason.
func IsReason(err error, r Reason) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Reason == r
}

// NoSuchRole is AWS's words for a role that does not exist.
func NoSuchRole(name string) error {
	return Refuse(NoSuchEntity, "The role with name %s cannot be found.", name)
}

// NoSuchPolicy is AWS's words for an inline policy that does not exist.
func NoSuchPolicy(name string) error {
	return Refuse(NoSuchEntity, "The role policy with name %s cannot be found.", name)
}

// NoSuchManagedPolicy is AWS's words for a managed policy that does not exist.
// AWS's own policies do not exist here, and whoever asks for one learns what to
// do.
func NoSuchManagedPolicy(name string) error {
	return Refuse(NoSuchEntity, "Policy %s was not found.%s", name, notOurs(name))
}

// NotAttachable is AWS's words for a managed policy that does not exist and is
// to be attached.
func NotAttachable(name string) error {
	return Refuse(NoSuchEntity, "Policy %s does not exist or is not attachable.%s", name, notOurs(name))
}

// NoSuchBoundary is AWS's words for a managed policy that does not exist and is
// to bound a role.
func NoSuchBoundary(name string) error {
	return Refuse(NoSuchEntity, "Scope ARN: %s does not exist or is not attachable.%s", name, notOurs(name))
}

// notOurs is what to do instead of asking for one of AWS's own policies.
func notOurs(name string) string {
	if !IsAWSPolicy(name) {
		return ""
	}
	return " AWS's own managed policies do not exist here: create it as a customer managed policy of this account (aws iam create-policy), and use its ARN."
}

// IsAWSPolicy reports whether an ARN is of one of AWS's own managed policies.
func IsAWSPolicy(name string) bool {
	return strings.HasPrefix(name, "arn:"+arn.Partition+":iam::aws:policy/")
}

// NoSuchProvider is AWS's words for a provider that does not exist.
func NoSuchProvider(name string) error {
	return Refuse(NoSuchEntity, "OpenIDConnect Provider not found for arn %s", name)
}
