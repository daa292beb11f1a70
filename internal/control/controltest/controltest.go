// Package controltest is a control plane over a store in a test.
package controltest

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/store"
)

// New is the control plane of a store, with the clock and AWS's quotas.
func New(t testing.TB, db *store.DB) *control.Service {
	t.Helper()
	s, err := control.New(control.Config{Store: db, Stale: func(err error) bool { return errors.Is(err, store.ErrStale) }, Now: time.Now, Rand: rand.Reader, Sealer: sessiontest.NewSealer(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Admin is an administrator of the store's account for an hour.
func Admin(db *store.DB) (session.Principal, error) {
	now := time.Now()
	return db.Snapshot().Principal(session.Session{RoleID: iam.AdminID, Name: "uid-0", AdminUID: "0", Expires: now.Add(time.Hour)}, now)
}
