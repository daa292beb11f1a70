package oidc

import (
	"fmt"
	"time"
)

// Reason says why a token is not believed.
type Reason uint8

const (
	// Unverified: no better reason is known. The zero value; never made here.
	Unverified Reason = iota
	// WrongIssuer: the iss is not this provider's.
	WrongIssuer
	// AlgorithmNotAllowed: the issuer may not sign with this, or not with this key.
	AlgorithmNotAllowed
	// UnknownKey: the issuer publishes no usable key of the token's key id.
	UnknownKey
	// BadSignature: the issuer's key did not sign this text.
	BadSignature
	// MissingClaim: a claim every token must have is not there. Claim names it.
	MissingClaim
	// MalformedClaim: a claim is not of the form it must have. Claim names it.
	MalformedClaim
	// AmbiguousClaims: two claims have names equal but for case. Claim names one.
	AmbiguousClaims
	// WrongAudience: the token is for somebody else.
	WrongAudience
	// Expired: exp is not in the future. At is exp.
	Expired
	// TooOld: issued longer ago than this issuer's tokens are used. At is iat.
	TooOld
	// NotYetValid: iat or nbf lies in the future. At is that time.
	NotYetValid
	// NeitherJobNorPerson: a GitLab signed it, for neither.
	NeitherJobNorPerson
)

var reasonNames = [...]string{
	"unverified", "wrong issuer", "algorithm not allowed", "unknown key", "bad signature", "missing claim",
	"malformed claim", "ambiguous claims", "wrong audience", "expired", "too old", "not yet valid",
	"neither job nor person",
}

// String is the reason in words, for logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unverified"
}

// Verified reports whether a token refused for this reason had a good
// signature of its issuer. What failed earlier is counted, not recorded one by
// one: a stranger can send any number of it.
func (r Reason) Verified() bool { return r >= MissingClaim }

// RejectedError is every error of Verify.
type RejectedError struct {
	Reason Reason
	Claim  string    // the claim it is about, "" if none
	Detail string    // one sentence that may quote the token's own claims
	At     time.Time // Expired, TooOld, NotYetValid: the time in the token
	Now    time.Time // Expired, TooOld, NotYetValid: when it was looked at
	Issued time.Time // likewise: iat
	Until  time.Time // likewise: exp
	Err    error     // the *jwt.Error underneath, nil if the signature is good
}

func (e *RejectedError) Error() string { return e.Detail }

// Unwrap gives the cause.
func (e *RejectedError) Unwrap() error { return e.Err }

func reject(reason Reason, claim, format string, args ...any) *RejectedError {
	return &RejectedError{Reason: reason, Claim: claim, Detail: fmt.Sprintf(format, args...)}
}

// clip keeps an outsider's text short in an error.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
