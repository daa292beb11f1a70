package jwt

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"mayfly.internal/internal/strictjson"
)

const (
	// MaxBytes is the longest token looked at: what STS accepts as
	// WebIdentityToken.
	MaxBytes = 20000

	maxHeaderBytes = 1024 // decoded; GitLab's header has 90
	maxKeyIDBytes  = 256  // a key id is a thumbprint or a short name
)

// Unverified is a token that was taken apart and nothing more: whoever can
// reach us can make one that says anything. The zero value is no token and
// never verifies.
type Unverified struct {
	compact   string
	signed    string // the header's and the payload's text, with the dot between
	decoded   [3][]byte
	keyID     string
	algorithm Algorithm
	payload   strictjson.Value
	digest    [sha256.Size]byte
}

// The parts of a token, as indexes of Unverified.decoded.
const (
	header = iota
	payload
	signature
)

var partNames = [...]string{"header", "payload", "signature"}

// Parse takes a token in compact serialisation (RFC 7515 §7.1) apart. Every
// refusal is an *Error, and then the value is zero. It refuses, in this order:
//
//   - more than MaxBytes bytes
//   - anything but three non-empty parts of the base64url alphabet (white space
//     around the token too: the caller trims what its own transport added)
//   - base64url that is not canonical, so that one token has one text
//   - a header that is not one JSON object with distinct names, all of them
//     among alg, kid, typ, x5t and x5t#S256
//   - an alg that is not one of Algorithms
//   - a kid that is not a short, non-empty, printable string
//   - a typ other than JWT (RFC 8725 §3.11: an access token is no ID token)
//   - a payload that is not one JSON object with distinct names
func Parse(compact string) (Unverified, error) {
	u, err := parseParts(compact)
	if err != nil {
		return Unverified{}, err
	}
	if u.payload, err = u.object(payload, MaxBytes); err != nil {
		return Unverified{}, err
	}
	return u, nil
}

// parseParts does everything of Parse but read the payload.
func parseParts(compact string) (Unverified, error) {
	if len(compact) > MaxBytes {
		return Unverified{}, refuse(TooLarge, "the token has %d bytes, at most %d are looked at", len(compact), MaxBytes)
	}
	parts := strings.SplitN(compact, ".", 4)
	if len(parts) != 3 {
		return Unverified{}, refuse(Malformed, "the token is not three parts with a dot between")
	}
	u := Unverified{compact: compact, signed: compact[:strings.LastIndexByte(compact, '.')]}
	for i, text := range parts {
		if text == "" {
			return Unverified{}, refuse(Malformed, "the token's %s is empty", partNames[i])
		}
		var err error
		if u.decoded[i], err = decodeBase64URL(text); err != nil {
			return Unverified{}, refuse(Malformed, "the token's %s is not canonical base64url", partNames[i])
		}
	}
	fields, err := u.object(header, maxHeaderBytes)
	if err != nil {
		return Unverified{}, err
	}
	if u.algorithm, u.keyID, err = readHeader(fields); err != nil {
		return Unverified{}, err
	}
	u.digest = sha256.Sum256([]byte(compact))
	return u, nil
}

// strictBase64URL refuses set bits after the last byte: with them one token
// would have several texts, and digests of it would differ.
var strictBase64URL = base64.RawURLEncoding.Strict()

// decodeBase64URL reads RFC 4648 §5 without padding, in its one form. Go's
// decoder skips line breaks; this does not.
func decodeBase64URL(text string) ([]byte, error) {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return nil, base64.CorruptInputError(i)
	}
	return strictBase64URL.DecodeString(text)
}

// object reads a part that is one JSON object.
func (u Unverified) object(part, most int) (strictjson.Value, error) {
	name, data := partNames[part], u.decoded[part]
	if len(data) > most {
		return strictjson.Value{}, refuse(TooLarge, "the token's %s has %d bytes, at most %d are looked at", name, len(data), most)
	}
	v, err := strictjson.Parse(data)
	if err != nil {
		return strictjson.Value{}, refuse(Malformed, "the token's %s is not JSON with distinct names", name)
	}
	if v.Kind() != strictjson.Object {
		return strictjson.Value{}, refuse(Malformed, "the token's %s is a JSON %s, an object is wanted", name, v.Kind())
	}
	return v, nil
}

// readHeader takes the fields of RFC 7515 §4.1 that are used. Fields that name
// a key (jku, jwk, x5u, x5c) would let the token say how it is to be believed
// (RFC 8725 §3.10); crit and b64 (RFC 7797) would change what is signed; zip
// and enc belong to encryption. RFC 7515 lets a reader ignore fields it does
// not know; this one refuses them, because nobody signs ID tokens with any.
func readHeader(fields strictjson.Value) (alg Algorithm, kid string, err error) {
	for _, m := range fields.Members() {
		text, isText := m.Value.Text()
		switch m.Name {
		case "alg":
			known := false
			if alg, known = ParseAlgorithm(text); !known || !isText {
				return "", "", refuse(AlgorithmNotAllowed, "the token's algorithm is %q; only asymmetric ones are verified", clip(text))
			}
		case "kid":
			if kid = text; !isText || !isKeyID(text) {
				return "", "", refuse(UnsupportedHeader, "the token's key id is not a string of 1 to %d printable ASCII characters", maxKeyIDBytes)
			}
		case "typ":
			if !isText || !strings.EqualFold(text, "JWT") { // RFC 7515 §4.1.9: media types ignore case
				return "", "", refuse(UnsupportedHeader, "the token's type is %q, an ID token's is JWT", clip(text))
			}
		case "x5t", "x5t#S256": // GitHub and Entra send one beside kid; it is not used
			if !isText {
				return "", "", refuse(UnsupportedHeader, "the token's header field %s is not a string", m.Name)
			}
		default:
			return "", "", refuse(UnsupportedHeader, "the token's header holds the field %q, which is not accepted", clip(m.Name))
		}
	}
	if alg == "" {
		return "", "", refuse(AlgorithmNotAllowed, "the token's header names no algorithm")
	}
	return alg, kid, nil
}

func isKeyID(text string) bool {
	if text == "" || len(text) > maxKeyIDBytes {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}

// UnverifiedIssuer is the text of the payload's iss, "" if it is no string. It
// may select a provider to look up; it may not be believed.
func (u Unverified) UnverifiedIssuer() string {
	if text, ok := u.payload.Get("iss").Text(); ok {
		return text
	}
	return ""
}

// UnverifiedClaim is any value of the payload, for hints to the person whose
// token it is, never for a decision.
func (u Unverified) UnverifiedClaim(name string) strictjson.Value { return u.payload.Get(name) }

// UnverifiedClaims is the payload, for answers to "what if", never for a
// decision.
func (u Unverified) UnverifiedClaims() strictjson.Value { return u.payload }

// KeyID is the header's kid, "" if there is none: a hint which key to try.
func (u Unverified) KeyID() string { return u.keyID }

// Algorithm is the header's alg.
func (u Unverified) Algorithm() Algorithm { return u.algorithm }

// Digest is the SHA-256 of the compact text. A token has exactly one text, so
// equal tokens have equal digests.
func (u Unverified) Digest() [sha256.Size]byte { return u.digest }

// String keeps tokens out of logs.
func (u Unverified) String() string { return "[unverified token]" }

// GoString keeps tokens out of logs.
func (u Unverified) GoString() string { return u.String() }
