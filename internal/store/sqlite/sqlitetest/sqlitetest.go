// Package sqlitetest is a new SQLite store in a test.
package sqlitetest

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
)

// Open makes a store in a directory of the test and closes it with the test. Of
// c, a missing Signer is one with a key of its own, a missing Now the clock and
// a missing Account 111122223333.
func Open(t testing.TB, c store.Config) *store.DB {
	t.Helper()
	if c.Signer == nil {
		key, _, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
		if err != nil {
			t.Fatal(err)
		}
		if c.Signer, err = note.NewSigner(key); err != nil {
			t.Fatal(err)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Account == "" {
		c.Account = "111122223333"
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "mayfly.db"), true, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
