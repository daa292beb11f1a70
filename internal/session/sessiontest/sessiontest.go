// Package sessiontest seals sessions for tests: the real keys are the server's.
package sessiontest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"testing"
)

// Sealer is AES-256-GCM under a random key.
type Sealer struct {
	aead cipher.AEAD
	Err  error // of every Seal from now on
}

// NewSealer makes a Sealer with a key of its own.
func NewSealer(t testing.TB) *Sealer {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return &Sealer{aead: aead}
}

// Seal implements session.Sealer.
func (s *Sealer) Seal(plain, associated []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, plain, associated), s.Err
}

// Open implements session.Sealer.
func (s *Sealer) Open(sealed, associated []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed, associated)
}
