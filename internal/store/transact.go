package store

import (
	"context"
	"database/sql"
	"fmt"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/registry"
)

// jobError says which job of a batch cannot be written.
type jobError struct {
	index int
	err   error
}

func (e *jobError) Error() string { return e.err.Error() }
func (e *jobError) Unwrap() error { return e.err }

// transaction is a batch being written: what will be in force, and what states
// it, if all of it gets through.
type transaction struct {
	tx       *sql.Tx
	insert   *sql.Stmt // of an audit event
	state    *sql.Stmt // of the checkpoint
	snapshot *registry.Snapshot
	tree     *audit.Tree
}

// transact writes a batch in one transaction and puts it in force. It marks the
// jobs that came too late as stale. A *jobError blames one job; then, and with
// any other error, nothing is written.
func (s *DB) transact(ctx context.Context, batch []*job) error {
	if fail := s.failNext.Swap(nil); fail != nil {
		return *fail
	}
	if s.doubt {
		if err := s.load(ctx); err != nil {
			return fmt.Errorf("find out what the last transaction left: %w", err)
		}
		s.doubt = false
	}
	t, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer t.tx.Rollback()
	for i, j := range batch {
		if err := t.add(ctx, j); err != nil {
			return &jobError{i, err}
		}
	}
	h, err := s.finish(ctx, t)
	if err != nil {
		return err
	}
	if err := t.tx.Commit(); err != nil {
		s.doubt = true
		return fmt.Errorf("commit: %w", err)
	}
	s.tree = t.tree
	s.head.Store(h)
	s.snapshot.Store(t.snapshot)
	return nil
}

func (s *DB) begin(ctx context.Context) (*transaction, error) {
	tx, err := s.dialect.Begin(ctx, s.db)
	if err != nil {
		return nil, fmt.Errorf("begin a transaction: %w", err)
	}
	return &transaction{tx: tx, insert: tx.StmtContext(ctx, s.insert), state: tx.StmtContext(ctx, s.state), snapshot: s.Snapshot(), tree: s.tree.Clone()}, nil
}

// add writes one job, unless the configuration has moved on since it was
// decided.
func (t *transaction) add(ctx context.Context, j *job) error {
	if j.stale = j.base != nil && j.base.Generation != t.snapshot.Generation; j.stale {
		return nil
	}
	for _, c := range j.changes {
		if err := writeChange(ctx, t.tx, c); err != nil {
			return fmt.Errorf("write a change: %w", err)
		}
	}
	if len(j.changes) > 0 {
		t.snapshot = t.snapshot.With(j.changes...)
	}
	if err := t.record(ctx, j); err != nil {
		return fmt.Errorf("write an audit event: %w", err)
	}
	return nil
}

// record appends a job's event to the log and to the tree.
func (t *transaction) record(ctx context.Context, j *job) error {
	index := t.tree.Size()
	made, err := t.tree.Append(j.body)
	if err != nil {
		return err
	}
	hashes := make([]byte, 0, len(made)*len(audit.Hash{}))
	for _, h := range made {
		hashes = append(hashes, h.Hash[:]...)
	}
	denial := sql.NullString{String: j.event.Request, Valid: j.event.Outcome != audit.Allowed && j.event.Request != ""}
	_, err = t.insert.ExecContext(ctx, index, j.event.Time.UnixMicro(), j.body, hashes, denial)
	return err
}

// finish writes what states the whole: the checkpoint and the generation.
func (s *DB) finish(ctx context.Context, t *transaction) (*head, error) {
	h := s.head.Load()
	if t.tree.Size() != h.size {
		note, err := t.tree.Checkpoint(s.signer)
		if err != nil {
			return nil, err
		}
		h = &head{note, t.tree.Size()}
		if _, err := t.state.ExecContext(ctx, note); err != nil {
			return nil, fmt.Errorf("write the audit checkpoint: %w", err)
		}
	}
	was, is := s.Snapshot().Generation, t.snapshot.Generation
	if is == was {
		return h, nil
	}
	result, err := t.tx.ExecContext(ctx, `UPDATE account SET generation = $1 WHERE generation = $2`, is, was)
	if err != nil {
		return nil, fmt.Errorf("write the generation: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		s.doubt = true
		return nil, fmt.Errorf("the database is no longer at generation %d: somebody else has written to it", was)
	}
	return h, nil
}
