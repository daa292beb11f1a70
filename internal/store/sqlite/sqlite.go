// Package sqlite opens a store in one file.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite", without cgo

	"mayfly.internal/internal/store"
)

// Open opens the database file at path and brings its schema up to date. A
// missing file is made only if create is set: a server that lost its database
// must say so, not begin anew.
//
// Every commit reaches the disk before it is acknowledged (synchronous=FULL),
// and readers do not wait for the writer (WAL).
func Open(ctx context.Context, path string, create bool, c store.Config) (*store.DB, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err == nil {
			err = f.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "busy_timeout(5000)", "wal_autocheckpoint(1000)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	if err := store.Migrate(ctx, db, goose.DialectSQLite3); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c.DB = db
	c.Dialect = store.Dialect{
		Name:  "sqlite",
		Begin: func(ctx context.Context, db *sql.DB) (*sql.Tx, error) { return db.BeginTx(ctx, nil) },
		Free:  func() (int64, error) { return free(filepath.Dir(path)) },
	}
	s, err := store.Open(ctx, c)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
