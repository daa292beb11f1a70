package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/registry"
)

// maxBatch is how many commits share one transaction at most. It bounds the
// wait of the first of them; measured, larger batches gain nothing.
const maxBatch = 256

// commitTimeout bounds one transaction: a database that hangs must become a
// refusal, not a queue.
const commitTimeout = 10 * time.Second

// job is one commit waiting for the writer.
type job struct {
	base    *registry.Snapshot // what the changes were decided on; nil without changes
	changes []registry.Change
	events  []audit.Event
	done    chan error
}

// ErrStale is what Commit gives when the configuration has changed since the
// snapshot the changes were decided on. Decide again.
var ErrStale = errors.New("the configuration has changed meanwhile")

// Record makes an event durable.
func (s *DB) Record(ctx context.Context, e audit.Event) error {
	return s.hand(ctx, job{events: []audit.Event{e}})
}

// Commit makes changes and their event durable in one transaction, and in
// force. base is the snapshot the changes were decided on: if another change
// came first, nothing is written and ErrStale is returned.
func (s *DB) Commit(ctx context.Context, base *registry.Snapshot, changes []registry.Change, e audit.Event) error {
	return s.hand(ctx, job{base: base, changes: changes, events: []audit.Event{e}})
}

// ErrReserve is what Record gives for a denial when little space is left: what
// is allowed must still be recorded.
var ErrReserve = errors.New("the space reserved for the audit of what is allowed is reached")

func (s *DB) hand(ctx context.Context, j job) error {
	j.done = make(chan error, 1)
	if err := s.send(ctx, j); err != nil {
		return err
	}
	// The outcome is waited for even if the caller has gone: an event on its
	// way must not be reported as not recorded.
	return <-j.done
}

func (s *DB) send(ctx context.Context, j job) error {
	s.close.RLock()
	defer s.close.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.jobs <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the one writer: it takes all that waits, up to maxBatch, and commits
// it in one transaction. While a transaction is under way the next batch
// gathers, so the batches grow with the load.
func (s *DB) write() {
	defer close(s.done)
	for first := range s.jobs {
		batch := []job{first}
	gather:
		for len(batch) < maxBatch {
			select {
			case j, ok := <-s.jobs:
				if !ok {
					break gather
				}
				batch = append(batch, j)
			default:
				break gather
			}
		}
		s.commit(batch)
	}
}

// commit writes a batch. If it fails as a whole, each job is tried by itself,
// so that one that cannot be written does not fail the others.
func (s *DB) commit(batch []job) {
	batch = s.shed(batch)
	if len(batch) == 0 {
		return
	}
	errs, err := s.transact(batch)
	if err != nil && len(batch) > 1 {
		for _, j := range batch {
			s.commit([]job{j})
		}
		return
	}
	for i, j := range batch {
		if err != nil {
			errs[i] = err
		}
		j.done <- errs[i]
	}
}

// shed refuses denials while the free space is below the reserve.
func (s *DB) shed(batch []job) []job {
	if s.reserve == 0 || s.dialect.Free == nil {
		return batch
	}
	free, err := s.dialect.Free()
	if err != nil || free >= s.reserve {
		return batch
	}
	kept := batch[:0]
	for _, j := range batch {
		if len(j.changes) == 0 && len(j.events) == 1 && j.events[0].Outcome != audit.Allowed {
			j.done <- ErrReserve
			continue
		}
		kept = append(kept, j)
	}
	return kept
}

// transact writes a batch in one transaction. errs says per job what became of
// it, nil or ErrStale; err is a failure of the whole.
func (s *DB) transact(batch []job) (errs []error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	errs = make([]error, len(batch))
	if fail := s.failNext.Swap(nil); fail != nil {
		return errs, *fail
	}
	tx, err := s.dialect.Begin(ctx, s.db)
	if err != nil {
		return errs, fmt.Errorf("begin a transaction: %w", err)
	}
	defer tx.Rollback()

	snap, tree := s.Snapshot(), s.tree.Clone()
	inForce := snap
	insert, err := tx.PrepareContext(ctx, `INSERT INTO audit_event (idx, at, body) VALUES ($1, $2, $3)`)
	if err != nil {
		return errs, fmt.Errorf("prepare: %w", err)
	}
	hash, err := tx.PrepareContext(ctx, `INSERT INTO audit_hash (idx, hash) VALUES ($1, $2)`)
	if err != nil {
		return errs, fmt.Errorf("prepare: %w", err)
	}
	for i, j := range batch {
		if j.base != nil {
			if j.base.Generation != snap.Generation {
				errs[i] = ErrStale
				continue
			}
			for _, c := range j.changes {
				if err := writeChange(ctx, tx, c); err != nil {
					return errs, fmt.Errorf("write a change: %w", err)
				}
			}
			if len(j.changes) > 0 {
				snap = snap.With(j.changes...)
			}
		}
		for _, e := range j.events {
			if err := appendEvent(ctx, insert, hash, tree, e); err != nil {
				return errs, fmt.Errorf("write an audit event: %w", err)
			}
		}
	}
	head := s.Checkpoint()
	if tree.Size() != s.tree.Size() {
		if head, err = tree.Checkpoint(s.signer); err != nil {
			return errs, err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO audit_head (one, note) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET note = excluded.note`, head); err != nil {
			return errs, fmt.Errorf("write the audit checkpoint: %w", err)
		}
	}
	if snap != inForce {
		if _, err := tx.ExecContext(ctx, `UPDATE account SET generation = $1`, snap.Generation); err != nil {
			return errs, fmt.Errorf("write the generation: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return errs, fmt.Errorf("commit: %w", err)
	}
	s.tree = tree
	s.setHead(head)
	s.snapshot.Store(snap)
	return errs, nil
}

func appendEvent(ctx context.Context, insert, hash *sql.Stmt, tree *audit.Tree, e audit.Event) error {
	body, err := e.Encode()
	if err != nil {
		return err
	}
	index := tree.Size()
	hashes, err := tree.Append(body)
	if err != nil {
		return err
	}
	if _, err := insert.ExecContext(ctx, index, e.Time.UnixMicro(), body); err != nil {
		return err
	}
	for _, h := range hashes {
		if _, err := hash.ExecContext(ctx, h.Index, h.Hash[:]); err != nil {
			return err
		}
	}
	return nil
}
