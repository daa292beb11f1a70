package server

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
)

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
	f, err := stageFile(path, data, mode)
	if err != nil {
		return err
	}
	return f.commit()
}

// staged is a file that is written and does not lie where it belongs yet.
type staged struct{ name, path string }

// stageFile writes a file durably beside the one it is to replace.
func stageFile(path string, data []byte, mode os.FileMode) (staged, error) {
	f, err := os.CreateTemp(filepath.Dir(path), stagePrefix+"*")
	if err != nil {
		return staged{}, err
	}
	s := staged{f.Name(), path}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		s.drop()
	}
	return s, err
}

// stagePrefix begins the names of staged files.
const stagePrefix = ".new-"

// commit puts the file where it belongs.
func (s staged) commit() error {
	if err := os.Rename(s.name, s.path); err != nil {
		s.drop()
		return err
	}
	dir, err := os.Open(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (s staged) drop() { os.Remove(s.name) }

// sweep removes what a process left behind that was killed while it wrote a file
// of a folder: it may hold keys.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, stagePrefix+"*"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
