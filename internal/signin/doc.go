// Package signin signs a person in at an OpenID provider, from a program on the
// person's own machine, and gives the ID token: by authorization code with PKCE
// and a redirect to loopback (RFC 6749 §4.1, RFC 7636, RFC 8252), or by a code
// that the person types elsewhere (RFC 8628). The program is a public client: it
// has no secret that could be stolen from it.
//
// What must hold before a token leaves this room:
//
//   - every endpoint is https, but for an issuer that is on loopback itself
//   - the discovery document is of the very issuer that was asked for (OpenID
//     Connect Discovery §4.3), and the redirect, where it says so, too (RFC 9207)
//   - the redirect has the state of this sign-in, came to this listener by its own
//     name, and is the first that has
//   - the code is exchanged with the verifier whose hash the provider got first
//   - the token's iss, aud, azp, nonce and times are right (OpenID Connect Core
//     §3.1.3.7). Its signature is for the server to check: the token came from the
//     provider itself over TLS, and of what it says nothing is decided here.
//
// It keeps nothing: access and refresh tokens that come along are dropped unread.
// It opens no browser, prints nothing and reads no environment but the proxy's.
package signin
