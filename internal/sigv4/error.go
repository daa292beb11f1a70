package sigv4

import (
	"fmt"
	"time"
)

// Reason says why a request is not believed.
type Reason uint8

const (
	// Missing: the request carries no signature. Also the zero value.
	Missing Reason = iota
	// Incomplete: a part of the signature's description is not there or not of
	// its form. Detail is AWS's sentence where it is known.
	Incomplete
	// Ambiguous: something stands twice of which one must be, in one spelling
	// or two, or the request is signed in two ways.
	Ambiguous
	// TooLong: a part is longer than what is looked at.
	TooLong
	// BadScope: the credential scope is not of its form, or not the day's.
	BadScope
	// Unsigned: a header is not signed that must be.
	Unsigned
	// PayloadMismatch: the body is not the one that was signed, or the caller
	// asks that it be left out.
	PayloadMismatch
	// Expired: signed too long ago.
	Expired
	// NotYetValid: signed in the future.
	NotYetValid
	// Mismatch: the signature is not by this key over this request.
	Mismatch
)

var reasonNames = [...]string{
	"missing", "incomplete", "ambiguous", "too long", "bad scope", "unsigned header", "payload mismatch",
	"expired", "not yet valid", "mismatch",
}

// String is the reason in words, for logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "missing"
}

// Error is every error of Parse, ParsePresigned and Verify. Detail is one
// sentence for the caller, in AWS's words where AWS has some; it may quote what
// the caller sent, never a session token.
type Error struct {
	Reason Reason
	Detail string
	At     time.Time // Expired, NotYetValid: when the request was signed
	Now    time.Time // Expired, NotYetValid: when it was looked at
}

func (e *Error) Error() string { return e.Detail }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// clip keeps an outsider's text short in an error.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
