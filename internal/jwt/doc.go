// Package jwt reads and verifies signed JSON Web Tokens in compact form, and
// the JSON Web Key Sets that verify them (RFC 7515, 7517, 7518, 7519, narrowed
// by RFC 8725).
//
// There are two beats. Parse takes a text apart and refuses whatever is not
// plain: it gives an Unverified value, of which only hints may be used, such as
// which issuer to look up. Unverified.Verify checks the signature with the keys
// of that issuer under an explicit list of algorithms, and is the only maker of
// a Verified value. The signature itself is go-jose's work; what it is shown
// has passed our own first pass.
//
// The package does not know what a claim means: issuer, audience and times are
// the rules of package oidc. It fetches nothing: header fields that name a key
// or where to find one (jwk, jku, x5u, x5c) are refused, not followed. It does
// not decrypt (JWE), and knows no symmetric algorithm and no JSON serialisation.
//
// A SigningKey makes what Mayfly itself issues; it shares nothing with the checks.
package jwt
