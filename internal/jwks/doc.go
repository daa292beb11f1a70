// Package jwks fetches and keeps the key sets of issuers: from their discovery
// documents (OpenID Connect Discovery 1.0 §4), or from a file where the
// operator says so.
//
// An issuer's URL was typed by an operator, but names resolve to what others
// say, and an answer may be anything. So every address is checked when it is
// dialled; redirects and proxies are not followed; sizes and times are bounded;
// and the public part of an error never holds what came back.
//
// The package decides nothing about tokens, asks no issuer that its caller did
// not name, and must only be asked for registered ones: it takes every URL it
// is given for one.
package jwks
