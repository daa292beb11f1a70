package clusterauth

import (
	"sync"
	"time"
)

// once runs something once per key and span of time, and remembers a bounded
// number of keys: when they are too many it forgets all and records again,
// which is more than asked for, never less.
type once struct {
	span time.Duration

	mu   sync.Mutex
	seen map[string]*entry // :: key → when it was done
}

type entry struct {
	mu   sync.Mutex
	done time.Time
}

// maxRemembered bounds the memory of a once: some 10 MB of keys.
const maxRemembered = 100_000

func newOnce(span time.Duration) *once { return &once{span: span, seen: map[string]*entry{}} }

// do runs f unless it has succeeded for the key within the span. Callers with
// the same key wait for the one that runs; if it fails, the next tries.
func (o *once) do(key string, now time.Time, f func() error) error {
	o.mu.Lock()
	e := o.seen[key]
	if e == nil {
		if len(o.seen) >= maxRemembered {
			o.seen = map[string]*entry{}
		}
		e = &entry{}
		o.seen[key] = e
	}
	o.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.done.IsZero() && now.Sub(e.done) < o.span {
		return nil
	}
	if err := f(); err != nil {
		return err
	}
	e.done = now
	return nil
}
