// Package fault is how a failure travels from the room where the fact is known
// to the edge that answers: a kind, a sentence the caller may read, and a
// private cause that only the log sees.
//
// It does not know any protocol: which code and which HTTP status a kind
// becomes is decided once, by the edge that answers.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure it is. The zero value is Internal, so that a
// failure nobody classified tells a stranger nothing.
type Kind uint8

const (
	Internal    Kind = iota // our defect, or a cause we did not foresee
	Invalid                 // the request itself is wrong and will stay wrong
	Denied                  // the caller may not
	NotFound                // what the request names does not exist
	Conflict                // it exists already, or is in use
	Exhausted               // a quota is reached
	Throttled               // too many requests; later may do
	Unavailable             // something we need did not answer; later may do
)

var kindNames = [...]string{"internal", "invalid", "denied", "not found", "conflict", "exhausted", "throttled", "unavailable"}

// String is the kind in words, for logs and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "internal"
}

// Error is a failure with two audiences.
type Error struct {
	Kind Kind
	// Public is one sentence that the caller may read. It holds no secret, no
	// other caller's data and no cause.
	Public string
	// Err is the cause, for the log and for errors.As. It is never rendered to
	// a caller.
	Err error
}

// Error is the public sentence followed by the cause: text for the log.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Public
	case e.Public == "":
		return e.Err.Error()
	}
	return e.Public + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a failure of a kind with a public sentence and no further cause.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...)}
}

// Wrap makes a failure of a kind with a public sentence and a private cause.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Public: fmt.Sprintf(format, args...), Err: cause}
}

// KindOf is the kind of the first Error in err's chain, else Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}
