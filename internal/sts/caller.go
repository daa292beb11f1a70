package sts

import (
	"errors"

	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
)

// CallerReason says why a signed request is nobody's.
type CallerReason uint8

const (
	NoSignature         CallerReason = iota + 1 // it is not signed at all
	IncompleteSignature                         // the signature is described so badly that nobody can say whether it matches; Err is a *sigv4.Error
	BadSignature                                // Err is a *sigv4.Error with AWS's sentence
	UnknownToken                                // the session token is not ours, or not the key's
	SessionExpired                              // it was
	WrongService                                // the credential scope is another service's
)

// CallerError is why a signed request is nobody's.
type CallerError struct {
	Reason CallerReason
	Err    error
}

func (e *CallerError) Error() string { return e.Err.Error() }
func (e *CallerError) Unwrap() error { return e.Err }

// Caller says who signed a request for a service. Every refusal is a
// *CallerError. All of this holds for the principal it returns:
//   - the request is signed for the service, in its header or its query, and
//     the signature is by the secret key inside its own session token, over the
//     request as it arrived, within the window of time STS grants
//   - the session token was sealed by this server, for this account, and
//     belongs to the access key id that signed
//   - the session has not expired, its role exists, and so does the provider it
//     was made with
//
// It returns the region of the credential scope as well.
func (s *Service) Caller(r sigv4.Request, service string) (session.Principal, string, error) {
	now := s.Now()
	signed, err := sigv4.Parse(r)
	if err != nil {
		return session.Principal{}, "", &CallerError{reasonOf(err), err}
	}
	if err := signed.ScopedTo(service); err != nil {
		return session.Principal{}, "", &CallerError{WrongService, err}
	}
	snap := s.Registry.Snapshot()
	opened, err := session.Open(signed.SessionToken(), signed.Scope().AccessKeyID, snap.Account, s.Sealer)
	if err != nil {
		return session.Principal{}, "", &CallerError{UnknownToken, err}
	}
	if err := signed.Verify(opened.Secret(), now, sigv4.DefaultWindow()); err != nil {
		return session.Principal{}, "", &CallerError{reasonOf(err), err}
	}
	who, err := snap.Principal(opened, now)
	switch {
	case errors.Is(err, registry.ErrExpired):
		return session.Principal{}, "", &CallerError{SessionExpired, err}
	case err != nil:
		return session.Principal{}, "", &CallerError{UnknownToken, err}
	}
	return who, signed.Scope().Region, nil
}

// reasonOf is what an error of sigv4 means for its caller.
func reasonOf(err error) CallerReason {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		switch e.Reason {
		case sigv4.Missing:
			return NoSignature
		case sigv4.Incomplete, sigv4.Ambiguous, sigv4.TooLong:
			return IncompleteSignature
		}
	}
	return BadSignature
}
