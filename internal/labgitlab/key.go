package labgitlab

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

// signingKeyBits is what GitLab's documentation generates for
// ci_jwt_signing_key.
const signingKeyBits = 2048

// signingKey is one of the instance's two RSA keys.
type signingKey struct {
	private *rsa.PrivateKey
	id      string // RFC 7638 thumbprint
}

func newSigningKey(private *rsa.PrivateKey) (signingKey, error) {
	thumbprint, err := (&jose.JSONWebKey{Key: private.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		return signingKey{}, err
	}
	return signingKey{private, base64.RawURLEncoding.EncodeToString(thumbprint)}, nil
}

// public is the key as GitLab publishes it.
func (k signingKey) public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(jose.RS256), Use: "sig"}
}

// sign makes a compact JWS with GitLab's header: alg, kid, typ.
func (k signingKey) sign(payload []byte) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// loadKey reads a key from dir, or makes one and keeps it there with mode 0600,
// so that a lab that starts again is the same issuer. An empty dir keeps
// nothing.
func loadKey(dir, name string) (signingKey, error) {
	if dir == "" {
		return makeKey()
	}
	path := filepath.Join(dir, name)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeAndKeep(path)
	}
	if err != nil {
		return signingKey{}, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return signingKey{}, fmt.Errorf("%s holds no PEM block", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return signingKey{}, fmt.Errorf("read %s: %w", path, err)
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return signingKey{}, fmt.Errorf("%s is not an RSA key", path)
	}
	return newSigningKey(private)
}

func makeKey() (signingKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return signingKey{}, err
	}
	return newSigningKey(private)
}

func makeAndKeep(path string) (signingKey, error) {
	key, err := makeKey()
	if err != nil {
		return signingKey{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key.private)
	if err != nil {
		return signingKey{}, err
	}
	content := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return signingKey{}, err
	}
	if _, err := file.Write(content); err != nil {
		return signingKey{}, errors.Join(err, file.Close())
	}
	return key, file.Close()
}
