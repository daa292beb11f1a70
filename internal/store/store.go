// Package store keeps the configuration and the audit log in SQL. One writer
// commits changes and audit events, many in one transaction; readers use the
// snapshot in memory.
//
// What a caller is told has happened is on disk: Commit returns after the
// transaction is durable, and the new snapshot is in force before it returns.
// The bytes of an event are stored as they were hashed.
//
// It decides nothing and knows no protocol. Packages below it open a database
// of one kind.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/registry"
)

// Dialect is what differs between databases; the query texts do not.
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
	DB      *sql.DB
	Dialect Dialect
	Signer  note.Signer // signs the audit checkpoint
	Now     func() time.Time
	Rand    io.Reader // for the account id; nil: crypto/rand
	// Account is the account of a new database; empty: one is drawn.
	Account arn.AccountID
	// AuditReserve is how many bytes must stay free for denials to be recorded
	// at all; below it only what was allowed is. 0: no reserve.
	AuditReserve int64
}

// DB is an open store.
type DB struct {
	db       *sql.DB
	dialect  Dialect
	signer   note.Signer
	now      func() time.Time
	reserve  int64
	snapshot atomic.Pointer[registry.Snapshot]

	jobs chan job
	done chan struct{}
	tree *audit.Tree // the writer's alone

	close     sync.RWMutex // held for reading while a job is handed over
	closed    bool
	failNext  atomic.Pointer[error]
	headEvery sync.Mutex
	head      string // the newest checkpoint
}

// ErrClosed is what Commit gives once the store is closing.
var ErrClosed = errors.New("the store is closed")

// Open loads the snapshot and the edge of the audit tree and starts the
// writer. The schema must be in place.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.DB == nil || c.Signer == nil || c.Now == nil || c.Dialect.Begin == nil {
		return nil, errors.New("store: DB, Dialect, Signer and Now are required")
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	s := &DB{db: c.DB, dialect: c.Dialect, signer: c.Signer, now: c.Now, reserve: c.AuditReserve, jobs: make(chan job, maxBatch), done: make(chan struct{})}
	account, created, err := s.account(ctx, c)
	if err != nil {
		return nil, err
	}
	snap, err := s.load(ctx, account, created)
	if err != nil {
		return nil, fmt.Errorf("load the configuration: %w", err)
	}
	s.snapshot.Store(snap)
	if err := s.loadTree(ctx); err != nil {
		return nil, fmt.Errorf("load the audit tree: %w", err)
	}
	go s.write()
	return s, nil
}

// Snapshot is the configuration in force.
func (s *DB) Snapshot() *registry.Snapshot { return s.snapshot.Load() }

// Close finishes what was handed over and closes the database.
func (s *DB) Close() error {
	s.close.Lock()
	if s.closed {
		s.close.Unlock()
		return nil
	}
	s.closed = true
	close(s.jobs)
	s.close.Unlock()
	<-s.done
	return s.db.Close()
}

// FailNext makes the next transaction fail with err: for tests of what happens
// then.
func (s *DB) FailNext(err error) { s.failNext.Store(&err) }

// account reads or makes the account id, once per database.
func (s *DB) account(ctx context.Context, c Config) (arn.AccountID, time.Time, error) {
	var id string
	var created int64
	err := s.db.QueryRowContext(ctx, `SELECT id, created FROM account`).Scan(&id, &created)
	switch {
	case err == nil:
		account, err := arn.ParseAccountID(id)
		if err == nil && c.Account != "" && c.Account != account {
			err = fmt.Errorf("the configuration names the account %s, the database holds %s", c.Account, account)
		}
		return account, time.UnixMicro(created).UTC(), err
	case !errors.Is(err, sql.ErrNoRows):
		return "", time.Time{}, fmt.Errorf("read the account: %w", err)
	}
	account := c.Account
	if account == "" {
		if account, err = drawAccount(c.Rand); err != nil {
			return "", time.Time{}, err
		}
	}
	at := c.Now().UTC().Truncate(time.Microsecond)
	_, err = s.db.ExecContext(ctx, `INSERT INTO account (one, id, created) VALUES (1, $1, $2)`, string(account), at.UnixMicro())
	return account, at, err
}

// drawAccount draws twelve digits that do not begin with 0: tools that take an
// account id for a number would lose it.
func drawAccount(random io.Reader) (arn.AccountID, error) {
	var b [11]byte
	out := make([]byte, 0, 12)
	for len(out) < 12 {
		if _, err := io.ReadFull(random, b[:1]); err != nil {
			return "", fmt.Errorf("draw an account id: %w", err)
		}
		if d := b[0]; d < 250 && (len(out) > 0 || d%10 != 0) { // 250: below it the digits are even
			out = append(out, '0'+d%10)
		}
	}
	return arn.AccountID(out), nil
}

func (s *DB) loadTree(ctx context.Context) error {
	var size int64
	if err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM audit_event`).Scan(&size); err != nil {
		return err
	}
	tree, err := audit.LoadTree(size, func(index int64) (audit.Hash, error) {
		var h []byte
		if err := s.db.QueryRowContext(ctx, `SELECT hash FROM audit_hash WHERE idx = $1`, index).Scan(&h); err != nil {
			return audit.Hash{}, err
		}
		if len(h) != len(audit.Hash{}) {
			return audit.Hash{}, errors.New("a stored hash has the wrong length")
		}
		return audit.Hash(h), nil
	})
	if err != nil {
		return err
	}
	s.tree = tree
	var head string
	switch err := s.db.QueryRowContext(ctx, `SELECT note FROM audit_head`).Scan(&head); {
	case errors.Is(err, sql.ErrNoRows) && size == 0:
		head, err = tree.Checkpoint(s.signer)
		if err != nil {
			return err
		}
	case err != nil:
		return err
	}
	s.setHead(head)
	return nil
}

func (s *DB) setHead(head string) {
	s.headEvery.Lock()
	s.head = head
	s.headEvery.Unlock()
}

// Checkpoint is the newest signed statement of the audit log's size and root.
func (s *DB) Checkpoint() string {
	s.headEvery.Lock()
	defer s.headEvery.Unlock()
	return s.head
}

// AuditLine is one event as it is stored.
type AuditLine struct {
	Index int64
	Body  []byte
}

// Audit reads events by index, from first, at most limit of them.
func (s *DB) Audit(ctx context.Context, first int64, limit int) ([]AuditLine, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT idx, body FROM audit_event WHERE idx >= $1 ORDER BY idx LIMIT $2`, first, limit)
	if err != nil {
		return nil, fmt.Errorf("read audit events: %w", err)
	}
	defer rows.Close()
	var out []AuditLine
	for rows.Next() {
		var l AuditLine
		if err := rows.Scan(&l.Index, &l.Body); err != nil {
			return nil, fmt.Errorf("read audit events: %w", err)
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// Ready reports whether the database answers.
func (s *DB) Ready(ctx context.Context) error {
	var one int
	return s.db.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

func toJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic("store: " + err.Error()) // unreachable: maps and lists of strings
	}
	return string(out)
}
