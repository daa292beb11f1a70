// Package store keeps the configuration and the audit log in SQL. One writer
// commits changes and audit events, many in one transaction; readers use the
// snapshot in memory.
//
// What a caller is told has happened is on disk: Commit and Record return after
// the transaction is durable, and a new snapshot is in force before Commit
// returns. The bytes of an event are stored as they were hashed, and the
// checkpoint that states them is written in the same transaction.
//
// It decides nothing and knows no protocol. Packages below it open a database
// of one kind and bring its schema up to date.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/registry"
)

// Dialect is what differs between databases; the texts of the queries do not.
type Dialect struct {
	Name string
	// Begin starts a transaction that may write.
	Begin func(ctx context.Context, db *sql.DB) (*sql.Tx, error)
	// Free gives the bytes that may still be written, or an error if nobody
	// can say. Nil: not known.
	Free func() (int64, error)
}

// Config is what a store is made of.
type Config struct {
	DB      *sql.DB // its schema is in place, its account made
	Dialect Dialect
	Signer  note.Signer // signs the audit checkpoint
	Now     func() time.Time
	// Account is the account the database must be of; empty: any. A new
	// database is made for it, or for one drawn at random.
	Account arn.AccountID
	// AuditReserve is how many bytes must stay free for denials to be recorded
	// at all; below it only what was allowed is. 0: no reserve.
	AuditReserve int64
	// Timeout bounds what becomes of a batch. 0: ten seconds.
	Timeout time.Duration
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	db      *sql.DB
	dialect Dialect
	signer  note.Signer
	account arn.AccountID
	reserve int64
	timeout time.Duration

	snapshot atomic.Pointer[registry.Snapshot]
	head     atomic.Pointer[head]

	jobs    chan *job
	written chan struct{} // closed when the writer has finished
	gate    sync.RWMutex  // held for reading while a job is handed over
	closed  bool
	once    sync.Once
	closing error

	// The writer's alone.
	tree   *audit.Tree
	insert *sql.Stmt // of an audit event
	state  *sql.Stmt // of the checkpoint
	doubt  bool      // whether a transaction took place is not known: look before the next
	last   *last

	failNext atomic.Pointer[error]
}

// Open loads the configuration and the edge of the audit tree and starts the
// writer. A database without an account, or with one that is not c.Account, is
// refused: it is not the one that was meant. So is one whose rows make no sense,
// and one whose audit checkpoint does not state its events.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.DB == nil || c.Signer == nil || c.Now == nil || c.Dialect.Begin == nil {
		return nil, errors.New("store: DB, Dialect, Signer and Now are required")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	s := &DB{db: c.DB, dialect: c.Dialect, signer: c.Signer, account: c.Account, reserve: c.AuditReserve, timeout: c.Timeout, jobs: make(chan *job, maxBatch), written: make(chan struct{})}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	var err error
	for text, stmt := range map[string]**sql.Stmt{
		`INSERT INTO audit_event (idx, at, body, hashes, denial) VALUES ($1, $2, $3, $4, $5)`:                    &s.insert,
		`INSERT INTO audit_head (one, note) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET note = excluded.note`: &s.state,
	} {
		if *stmt, err = s.db.PrepareContext(ctx, text); err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
	}
	if s.last, err = newLast(); err != nil {
		return nil, err
	}
	go s.write()
	return s, nil
}

// load puts what the database holds in force. It is called while no
// transaction is under way.
func (s *DB) load(ctx context.Context) error {
	snap, err := loadSnapshot(ctx, s.db)
	if err != nil {
		return fmt.Errorf("load the configuration: %w", err)
	}
	if s.account != "" && s.account != snap.Account {
		return fmt.Errorf("the configuration names the account %s, the database holds %s", s.account, snap.Account)
	}
	tree, h, err := loadTree(ctx, s.db, s.signer)
	if err != nil {
		return fmt.Errorf("load the audit tree: %w", err)
	}
	s.tree = tree
	s.head.Store(h)
	s.snapshot.Store(snap)
	return nil
}

// Snapshot is the configuration in force.
func (s *DB) Snapshot() *registry.Snapshot { return s.snapshot.Load() }

// Ready reports whether the database answers.
func (s *DB) Ready(ctx context.Context) error {
	var one int
	return s.db.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

// Close finishes what was handed over and closes the database. What comes
// after it is refused with ErrClosed.
func (s *DB) Close() error {
	s.once.Do(func() {
		s.gate.Lock()
		s.closed = true
		close(s.jobs)
		s.gate.Unlock()
		<-s.written
		s.last.close()
		s.closing = s.db.Close()
	})
	return s.closing
}

// FailNext makes the next transaction fail with err: for tests of what happens
// then.
func (s *DB) FailNext(err error) { s.failNext.Store(&err) }
