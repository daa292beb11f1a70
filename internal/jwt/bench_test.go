package jwt_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
)

// BenchmarkVerify is what reading and verifying a job's token costs beside the
// RSA operation it cannot do without.
func BenchmarkVerify(b *testing.B) {
	i := fakeissuer.New(b)
	text := i.Token(fakeissuer.JobClaims("https://mayfly.example", "my-group/my-project", "main"))
	keys, err := jwt.ParseKeySet(i.KeySet())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("token", func(b *testing.B) {
		for b.Loop() {
			u, err := jwt.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := u.Verify(keys, []jwt.Algorithm{jwt.RS256}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare RSA", func(b *testing.B) {
		at := strings.LastIndexByte(text, '.')
		signature, err := base64.RawURLEncoding.DecodeString(text[at+1:])
		if err != nil {
			b.Fatal(err)
		}
		public := i.PrivateKey(jwt.RS256).Public().(*rsa.PublicKey)
		for b.Loop() {
			digest := sha256.Sum256([]byte(text[:at]))
			if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := jwt.Parse(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkParseKeySet(b *testing.B) {
	i := fakeissuer.New(b)
	data := i.KeySet()
	for b.Loop() {
		if _, err := jwt.ParseKeySet(data); err != nil {
			b.Fatal(err)
		}
	}
}
