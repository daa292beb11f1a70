package server

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"
)

// sealer is the session keys: a Tink keyset, so that a new key can take over
// while sessions under the old one live on. XAES-256-GCM: its nonces are long
// enough to be drawn at random without a counter.
type sealer struct{ aead tink.AEAD }

func (s sealer) Seal(plain, ad []byte) ([]byte, error)  { return s.aead.Encrypt(plain, ad) }
func (s sealer) Open(sealed, ad []byte) ([]byte, error) { return s.aead.Decrypt(sealed, ad) }

// loadSealer reads DATA/keys/sealing.json, making it on the first start.
func loadSealer(data string) (sealer, error) {
	path := filepath.Join(data, "keys", "sealing.json")
	raw, err := once(path, func() ([]byte, error) {
		h, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		err = insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&out))
		return out.Bytes(), err
	})
	if err != nil {
		return sealer{}, fmt.Errorf("session keys: %w", err)
	}
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(raw)))
	if err != nil {
		return sealer{}, fmt.Errorf("session keys: %s is damaged: %w; without it every session ends: move it away to begin with new keys", path, err)
	}
	a, err := aead.New(h)
	if err != nil {
		return sealer{}, fmt.Errorf("session keys: %s is damaged: %w; without it every session ends: move it away to begin with new keys", path, err)
	}
	return sealer{a}, nil
}

// auditKeyName is the name of the key that signs audit checkpoints.
const auditKeyName = "mayfly/audit"

// loadAuditKey reads DATA/keys/audit.key, making it on the first start, and
// gives the signer and the public verifier key as text.
func loadAuditKey(data string) (note.Signer, string, error) {
	path := filepath.Join(data, "keys", "audit.key")
	raw, err := once(path, func() ([]byte, error) {
		skey, vkey, err := note.GenerateKey(rand.Reader, auditKeyName)
		return []byte(skey + "\n" + vkey + "\n"), err
	})
	if err != nil {
		return nil, "", fmt.Errorf("audit key: %w", err)
	}
	skey, vkey, _ := bytes.Cut(bytes.TrimSpace(raw), []byte("\n"))
	signer, err := note.NewSigner(string(skey))
	if err != nil {
		return nil, "", fmt.Errorf("audit key: %s is damaged: %w", path, err)
	}
	verifier, err := note.NewVerifier(string(vkey))
	if err != nil || verifier.KeyHash() != signer.KeyHash() {
		return nil, "", fmt.Errorf("audit key: %s is damaged: its two lines are not a private key and its public one", path)
	}
	return signer, string(vkey), nil
}

// once reads a file that is made once: with 0600, whole or not at all.
func once(path string, make func() ([]byte, error)) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return raw, err
	}
	if raw, err = make(); err != nil {
		return nil, err
	}
	return raw, writeFile(path, raw, 0o600)
}

// writeFile writes a file whole or not at all, and durably.
func writeFile(path string, data []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed, as it should
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
