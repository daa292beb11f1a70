package sqlite_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
	"mayfly.internal/internal/store/storetest"
)

func now() time.Time { return time.Date(2026, 11, 23, 3, 0, 0, 123456789, time.FixedZone("CET", 3600)) }

// keys signs and checks the checkpoints of one test.
func keys(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

var drivers sync.Mutex

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Database {
		signer, verifier := keys(t)
		path := filepath.Join(t.TempDir(), "may fly?.db")
		faults := &storetest.Faults{}
		driver := sqlite.RegisterDriver(&drivers, faults)
		return storetest.Database{
			Config: store.Config{Signer: signer, Now: now},
			Open: func(c store.Config) (*store.DB, error) {
				return sqlite.OpenWith(context.Background(), driver, path, true, c)
			},
			SQL:    func() (*sql.DB, error) { return sqlite.Connect(context.Background(), path) },
			Faults: faults,
			Unlock: []string{`PRAGMA foreign_keys = OFF`, `DROP TRIGGER audit_event_update`, `DROP TRIGGER audit_event_delete`},
			Verify: func(lines [][]byte, checkpoint string) (int64, error) {
				var v audit.Verifier
				for _, l := range lines {
					if err := v.Add(l); err != nil {
						return 0, err
					}
				}
				return v.Finish(checkpoint, verifier)
			},
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	signer, _ := keys(t)
	config := store.Config{Signer: signer, Now: now}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		create  bool
		prepare func(path string)
	}{
		"a missing database":                      {false, func(string) {}},
		"an empty file":                           {false, func(path string) { write(path, "") }},
		"an empty file, at the first start":       {true, func(path string) { write(path, "") }},
		"a file that is no database":              {true, func(path string) { write(path, strings.Repeat("not a database ", 100)) }},
		"a log without its database":              {true, func(path string) { write(path+"-wal", "x") }},
		"a directory":                             {true, func(path string) { os.Mkdir(path, 0o700) }},
		"a directory that is not there":           {true, func(path string) { os.Remove(filepath.Dir(path)) }},
		"a schema of a newer version":             {true, func(path string) { newer(t, path, config) }},
		"a database of another program's account": {true, func(path string) { other(t, path, config) }},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "d", "mayfly.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			tt.prepare(path)
			c := config
			c.Account = "111122223333"
			db, err := sqlite.Open(t.Context(), path, tt.create, c)
			if err == nil {
				db.Close()
				t.Fatal("it opened")
			}
			if !tt.create {
				if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
					t.Error("it began a new database")
				}
			}
		})
	}
}

// made makes a database and closes it.
func made(t *testing.T, path string, c store.Config) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, true, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func newer(t *testing.T, path string, c store.Config) {
	made(t, path, c)
	db, err := sqlite.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`); err != nil {
		t.Fatal(err)
	}
}

func other(t *testing.T, path string, c store.Config) {
	c.Account = "999988887777"
	made(t, path, c)
}

// TestBeginsAgain is a first start that was cut short: what it left is no
// hindrance and no database.
func TestBeginsAgain(t *testing.T) {
	signer, _ := keys(t)
	config := store.Config{Signer: signer, Now: now}
	path := filepath.Join(t.TempDir(), "mayfly.db")
	for _, left := range []string{".new", ".new-wal", ".new-shm"} {
		if err := os.WriteFile(path+left, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made(t, path, config)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the database's mode is %v", info.Mode())
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("%v are there, %v", files, err)
	}
	db, err := sqlite.Open(t.Context(), path, false, config)
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
}

// TestAccountIsDrawn: a database that is given no account draws one of twelve
// digits, each its own, and keeps it.
func TestAccountIsDrawn(t *testing.T) {
	signer, _ := keys(t)
	seen := map[string]bool{}
	for range 5 {
		path := filepath.Join(t.TempDir(), "mayfly.db")
		config := store.Config{Signer: signer, Now: now}
		made(t, path, config)
		for range 2 {
			db, err := sqlite.Open(t.Context(), path, false, config)
			if err != nil {
				t.Fatal(err)
			}
			id := string(db.Snapshot().Account)
			if len(id) != 12 || id[0] == '0' || strings.Trim(id, "0123456789") != "" {
				t.Errorf("the account is %q", id)
			}
			seen[id] = true
			db.Close()
		}
	}
	if len(seen) != 5 {
		t.Errorf("five databases have %d accounts", len(seen))
	}
}

func TestStoreNeeds(t *testing.T) {
	signer, _ := keys(t)
	for name, c := range map[string]store.Config{"no signer": {Now: now}, "nothing": {}, "no database": {Signer: signer, Now: now}} {
		if _, err := store.Open(t.Context(), c); err == nil {
			t.Errorf("%s: it opened", name)
		}
	}
}
