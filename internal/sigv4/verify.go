package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"mayfly.internal/internal/secret"
)

// Window says how far a request's time may be from ours. The zero value
// accepts none.
type Window struct {
	Past   time.Duration // how long a signature is good
	Future time.Duration // how far the signer's clock may be ahead
}

// DefaultWindow is what STS grants: 15 minutes back and 5 ahead.
func DefaultWindow() Window {
	return Window{Past: 15 * time.Minute, Future: 5 * time.Minute}
}

// mismatch is AWS's text, whatever it was that differs.
const mismatch = "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."

// Verify says whether the request was signed with the key and recently. Every
// refusal is an *Error. It holds the signature's time against the window, then
// compares signatures in constant time. An empty key verifies nothing.
//
// Whether the key is that of the access key id, whether the session token is
// the key's, and whether region and service are ours, is the caller's to check.
func (s Signed) Verify(key secret.String, now time.Time, w Window) error {
	if s.canonical == "" {
		return refuse(Missing, "Request is missing Authentication Token")
	}
	if err := s.checkTime(now, w); err != nil {
		return err
	}
	if key.Empty() || !hmac.Equal(s.signature, sign(key, s.scope, s.time, s.canonical)) {
		return refuse(Mismatch, mismatch)
	}
	return nil
}

func (s Signed) checkTime(now time.Time, w Window) error {
	format := func(t time.Time) string { return t.UTC().Format(timeFormat) }
	var e *Error
	switch earliest, latest := now.Add(-w.Past), now.Add(w.Future); {
	case w.Past <= 0 || s.time.Before(earliest):
		e = refuse(Expired, "Signature expired: %s is now earlier than %s (%s - %s.)", format(s.time), format(earliest), format(now), minutes(w.Past))
	case s.time.After(latest):
		e = refuse(NotYetValid, "Signature not yet current: %s is still later than %s (%s + %s.)", format(s.time), format(latest), format(now), minutes(w.Future))
	default:
		return nil
	}
	e.At, e.Now = s.time, now
	return e
}

func minutes(d time.Duration) string { return fmt.Sprintf("%d min", int(d/time.Minute)) }

// ScopedTo refuses a signature made for another service, in AWS's words.
func (s Signed) ScopedTo(service string) error {
	if service == "" || s.scope.Service != service {
		return refuse(BadScope, "Credential should be scoped to correct service: '%s'.", service)
	}
	return nil
}

// sign is the signature over a canonical request.
func sign(key secret.String, scope Scope, at time.Time, canonical string) []byte {
	return mac(signingKey(key, scope), stringToSign(scope, at, canonical))
}

func stringToSign(scope Scope, at time.Time, canonical string) string {
	return algorithm + "\n" + at.UTC().Format(timeFormat) + "\n" + scope.String() + "\n" + hexSHA256([]byte(canonical))
}

func signingKey(key secret.String, scope Scope) []byte {
	k := mac([]byte("AWS4"+key.Reveal()), scope.Date)
	k = mac(k, scope.Region)
	k = mac(k, scope.Service)
	return mac(k, terminator)
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
