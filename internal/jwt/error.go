package jwt

import "fmt"

// Reason says in which way a token or key set is refused. The zero value is
// Malformed.
type Reason uint8

const (
	// Malformed: not the compact form, base64url, JSON or fields wanted.
	Malformed Reason = iota
	// TooLarge: more bytes or more keys than are looked at.
	TooLarge
	// UnsupportedHeader: the header holds a field that is not alg, kid, typ or
	// a certificate thumbprint, or one of these with a value that is not used
	// for ID tokens.
	UnsupportedHeader
	// AlgorithmNotAllowed: the algorithm is none of ours, none of the caller's
	// list, or does not fit the key.
	AlgorithmNotAllowed
	// UnknownKey: the key set holds no usable key of the token's key id.
	UnknownKey
	// BadSignature: the signature is not by that key over this text.
	BadSignature
	// PrivateKey: the key set publishes a private or symmetric key.
	PrivateKey
	// AmbiguousKey: it is not clear which key is meant.
	AmbiguousKey
)

var reasonNames = [...]string{
	"malformed", "too large", "unsupported header", "algorithm not allowed",
	"unknown key", "bad signature", "private key", "ambiguous key",
}

// String is the reason in words, for logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "malformed"
}

// Error is every error of this package. Detail is for the log and for a caller
// whose token verified: it may hold text of the token's header or of the key
// set, never of the payload or the signature.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func refuse(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// clip keeps an outsider's text short in an error.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
