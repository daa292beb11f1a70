package jwt_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"

	"mayfly.internal/internal/jwt"
)

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func TestVerifyRS256(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(`{"alg":"RS256","kid":"k1","typ":"JWT"}`)) + "." + b64([]byte(`{"iss":"https://issuer.example"}`))
	digest := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.ParseKeySet(fmt.Appendf(nil, `{"keys":[{"kty":"RSA","kid":"k1","use":"sig","alg":"RS256","n":"%s","e":"AQAB"}]}`, b64(private.N.Bytes())))
	if err != nil {
		t.Fatal(err)
	}
	u, err := jwt.Parse(text + "." + b64(sig))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(keys, []jwt.Algorithm{jwt.RS256}); err != nil {
		t.Error(err)
	}
	if _, err := u.Verify(keys, []jwt.Algorithm{jwt.RS384}); err == nil {
		t.Error("an algorithm outside the list verified")
	}
}
