package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/registry"
)

const (
	// maxBatch is how many jobs share one transaction at most. It bounds the
	// wait of the first of them; measured, larger batches gain nothing.
	maxBatch = 256
	// worthwhile is how many are not kept waiting for more: a transaction costs
	// as much by itself as some fifteen events in it.
	worthwhile = 16
)

// defaultTimeout bounds what becomes of a batch: a database that hangs must
// become a refusal, not a queue.
const defaultTimeout = 10 * time.Second

var (
	// ErrStale is what Commit gives when the configuration has changed since
	// the snapshot the changes were decided on. Decide again.
	ErrStale = errors.New("the configuration has changed meanwhile")
	// ErrReserve is what Record gives for a denial when little space is left:
	// what is allowed must still be recorded.
	ErrReserve = errors.New("the space reserved for the audit of what is allowed is reached")
	// ErrClosed is what Commit and Record give once the store is closing.
	ErrClosed = errors.New("the store is closed")
)

// job is one commit waiting for the writer.
type job struct {
	base    *registry.Snapshot // what the changes were decided on; nil for an event alone
	changes []registry.Change
	event   audit.Event
	body    []byte     // the event's bytes
	stale   bool       // the writer's word on the attempt under way
	done    chan error // holds one
}

// Record makes an event durable.
func (s *DB) Record(ctx context.Context, e audit.Event) error {
	return s.hand(ctx, &job{event: e})
}

// Commit makes changes and their event durable in one transaction, and in
// force. base is the snapshot the changes were decided on: if another change
// came first, nothing is written and ErrStale is returned. After any other
// error the changes are not in force, unless the database lost its answer to
// the commit: then they are in force from the next transaction on, or not at
// all.
func (s *DB) Commit(ctx context.Context, base *registry.Snapshot, changes []registry.Change, e audit.Event) error {
	if base == nil {
		return errors.New("store: a commit without the snapshot it was decided on")
	}
	return s.hand(ctx, &job{base: base, changes: changes, event: e})
}

// hand gives a job to the writer and waits for its outcome, even if the caller
// has gone meanwhile: an event on its way must not be reported as not recorded.
func (s *DB) hand(ctx context.Context, j *job) error {
	j.body = j.event.Encode() // here and not in the one writer: many do it at once
	j.done = make(chan error, 1)
	if err := s.send(ctx, j); err != nil {
		return err
	}
	return <-j.done
}

func (s *DB) send(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
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
	defer close(s.written)
	for first := range s.jobs {
		s.commit(s.gather(first))
	}
}

// gather is the first job and all that wait behind it, in their order. While
// they are few it lets requests that have arrived go first: they are about to
// hand over events of their own. On an idle server nothing else can go, and the
// job is committed at once.
func (s *DB) gather(first *job) []*job {
	batch := []*job{first}
	began := time.Now()
	for tried := false; len(batch) < maxBatch; {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				return batch
			}
			batch, tried = append(batch, j), false
		default:
			if tried || len(batch) >= worthwhile || time.Since(began) > longestPass {
				return batch
			}
			s.last.pass()
			tried = true
		}
	}
	return batch
}

// commit writes a batch and tells each job what became of it. A job that cannot
// be written is refused, and the others are tried again without it; what fails
// the transaction as such fails them all.
func (s *DB) commit(batch []*job) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	batch = s.shed(batch)
	for len(batch) > 0 {
		err := s.transact(ctx, batch)
		bad, own := errors.AsType[*jobError](err)
		if !own || ctx.Err() != nil {
			tell(batch, err)
			return
		}
		batch[bad.index].done <- bad.err
		batch = slices.Delete(batch, bad.index, bad.index+1)
	}
}

// tell ends a batch: with err all of it has failed.
func tell(batch []*job, err error) {
	for _, j := range batch {
		switch {
		case err != nil:
			j.done <- err
		case j.stale:
			j.done <- ErrStale
		default:
			j.done <- nil
		}
	}
}

// shed refuses what is not allowed while the free space is below the reserve.
func (s *DB) shed(batch []*job) []*job {
	if s.reserve == 0 || s.dialect.Free == nil {
		return batch
	}
	free, err := s.dialect.Free()
	if err != nil || free >= s.reserve {
		return batch
	}
	return slices.DeleteFunc(batch, func(j *job) bool {
		shed := j.base == nil && j.event.Outcome != audit.Allowed
		if shed {
			j.done <- ErrReserve
		}
		return shed
	})
}
