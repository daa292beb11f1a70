package sigv4

import (
	"encoding/hex"

	"mayfly.internal/internal/secret"
)

// Canonical is the canonical request of a parsed one, for tests.
func (s Signed) Canonical() string { return s.canonical }

// StringToSign is what is signed of a parsed request, for tests.
func (s Signed) StringToSign() string { return stringToSign(s.scope, s.time, s.canonical) }

// SignatureWith is the signature of a parsed request under any key, also under
// none, which Sign refuses.
func (s Signed) SignatureWith(key secret.String) string {
	return hex.EncodeToString(sign(key, s.scope, s.time, s.canonical))
}
