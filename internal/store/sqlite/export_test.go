package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/storetest"
)

// OpenWith is Open through another driver.
func OpenWith(ctx context.Context, driver, path string, create bool, c store.Config) (*store.DB, error) {
	return open(ctx, driver, path, create, c)
}

// Connect opens the file past the store.
func Connect(ctx context.Context, path string) (*sql.DB, error) {
	return connect(ctx, driverName, path)
}

// RegisterDriver registers the SQLite driver anew, with faults, and gives its
// name.
func RegisterDriver(lock *sync.Mutex, f *storetest.Faults) string {
	lock.Lock()
	defer lock.Unlock()
	db, _ := sql.Open(driverName, "") // connects to nothing
	name := fmt.Sprint("faulty", len(sql.Drivers()))
	sql.Register(name, storetest.Driver(db.Driver(), f))
	return name
}
