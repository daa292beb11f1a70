package jwt

import (
	"crypto"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
)

// Algorithm is a signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1. Only
// asymmetric ones exist here: a key set is public, so a symmetric algorithm
// would let everyone sign with it. The zero value is no algorithm.
type Algorithm string

const (
	RS256 Algorithm = "RS256"
	RS384 Algorithm = "RS384"
	RS512 Algorithm = "RS512"
	PS256 Algorithm = "PS256"
	PS384 Algorithm = "PS384"
	PS512 Algorithm = "PS512"
	ES256 Algorithm = "ES256"
	ES384 Algorithm = "ES384"
	ES512 Algorithm = "ES512"
	EdDSA Algorithm = "EdDSA" // Ed25519 alone
)

// family says which key an algorithm needs.
type family struct {
	keyType string // the JWK's kty
	curve   string // the JWK's crv; "" for RSA
	jose    jose.SignatureAlgorithm
	pss     crypto.Hash // of RSASSA-PSS alone
}

var families = map[Algorithm]family{
	RS256: {"RSA", "", jose.RS256, 0},
	RS384: {"RSA", "", jose.RS384, 0},
	RS512: {"RSA", "", jose.RS512, 0},
	PS256: {"RSA", "", jose.PS256, crypto.SHA256},
	PS384: {"RSA", "", jose.PS384, crypto.SHA384},
	PS512: {"RSA", "", jose.PS512, crypto.SHA512},
	ES256: {"EC", "P-256", jose.ES256, 0},
	ES384: {"EC", "P-384", jose.ES384, 0},
	ES512: {"EC", "P-521", jose.ES512, 0},
	EdDSA: {"OKP", "Ed25519", jose.EdDSA, 0},
}

// Algorithms are all algorithms there are, in the order of RFC 7518.
func Algorithms() []Algorithm {
	return []Algorithm{RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, EdDSA}
}

// ParseAlgorithm reads an algorithm by its registered name, case-sensitively.
// "none" and the HMAC algorithms are unknown here.
func ParseAlgorithm(name string) (Algorithm, bool) {
	a := Algorithm(name)
	return a, slices.Contains(Algorithms(), a)
}
