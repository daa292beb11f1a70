// Package sqlite opens a store in one file.
//
// Every commit reaches the disk before it is acknowledged (synchronous=FULL),
// and readers do not wait for the writer (WAL). A missing file is made only on
// request: a server that lost its database must say so, not begin anew.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
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

//go:embed migrations/*.sql
var migrations embed.FS

// driverName is the name under which modernc.org/sqlite registers itself.
const driverName = "sqlite"

// Open opens the database file at path and brings its schema up to date. If
// create is set, a missing file is made.
func Open(ctx context.Context, path string, create bool, c store.Config) (*store.DB, error) {
	return open(ctx, driverName, path, create, c)
}

func open(ctx context.Context, driver, path string, create bool, c store.Config) (*store.DB, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && create {
		err = begin(ctx, driver, path, c)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if c.DB, err = connect(ctx, driver, path); err != nil {
		return nil, fmt.Errorf("open the database %s: %w", path, err)
	}
	c.Dialect = store.Dialect{
		Name:  "sqlite",
		Begin: func(ctx context.Context, db *sql.DB) (*sql.Tx, error) { return db.BeginTx(ctx, nil) },
		Free:  func() (int64, error) { return free(filepath.Dir(path)) },
	}
	s, err := store.Open(ctx, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, err), c.DB.Close())
	}
	return s, nil
}

// begin makes a database under another name and gives it its own when it is
// whole: a file at path is never half made.
func begin(ctx context.Context, driver, path string, c store.Config) error {
	for _, left := range []string{path + "-wal", path + "-shm"} {
		if _, err := os.Lstat(left); err == nil {
			return fmt.Errorf("%s is there and its database is not: it was lost", left)
		}
	}
	half := path + ".new"
	for _, old := range []string{half, half + "-wal", half + "-shm"} { // of a start that was cut short
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(half, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	db, err := connect(ctx, driver, half)
	if err != nil {
		return err
	}
	if err := errors.Join(store.Create(ctx, db, c.Account, c.Now(), rand.Reader), db.Close()); err != nil {
		return err
	}
	if err := os.Rename(half, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a name in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// pragmas hold for every connection.
var pragmas = []string{"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "busy_timeout(5000)"}

// connect opens the file and brings its schema up to date.
func connect(ctx context.Context, driver, path string) (*sql.DB, error) {
	q := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}
	db, err := sql.Open(driver, "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = store.Migrate(ctx, db, goose.DialectSQLite3, files)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// free gives the bytes an unprivileged process may still write where dir is.
func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
