// Package oidc holds the rules of a relying party: what must be checked before
// an ID token is believed (OpenID Connect Core §3.1.3.7, RFC 8725, and AWS's
// requirements for web identity federation), and the record of a registered
// identity provider.
//
// Verify is the only maker of Claims that say anything. Its order is fixed: the
// issuer byte for byte, then the signature, then everything else; nothing of a
// token is named in an error before its signature verified.
//
// GitLab signs the tokens of its jobs and of its people with keys of one key
// set and under one issuer. For an issuer that is a GitLab, Verify says which of
// the two a token is, and refuses what is neither.
//
// The package does not fetch keys (package jwks does), does not decide what a
// subject may do (package policy does), and does not remember tokens: whether
// one was used before is for the service that records its use.
package oidc
