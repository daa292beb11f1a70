// Package vault is a small client of HashiCorp Vault and OpenBao: it logs in with
// a JSON Web Token, reads secrets of key/value engines and of any other path,
// looks its token up, renews it, and revokes it.
//
// The token goes to the one host it is for, over TLS, and follows no redirect.
// Neither it, nor the JSON Web Token, nor a secret is shown in an error.
//
// It writes no secret, lists none, administers nothing, and unwraps no wrapped
// answer.
package vault
