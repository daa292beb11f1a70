package clusterauth

import (
	"context"
	"sync"
	"time"
)

// once does something once per key and span of time, and keeps what came of it.
// It remembers the keys of
// the span under way and of the one before it, and no more of either than max:
// a key that is forgotten early is done again, which is more than asked for,
// never less.
type once[K comparable, V any] struct {
	span time.Duration
	max  int

	mu            sync.Mutex
	began         time.Time // when recent was begun
	recent, older map[K]*attempt[V]
}

// attempt is one doing. Its fields are written before done is closed.
type attempt[V any] struct {
	done  chan struct{}
	at    time.Time
	value V
	err   error
}

// maxRemembered bounds a generation of a once: some 15 MB of keys.
const maxRemembered = 50_000

func newOnce[K comparable, V any](span time.Duration) *once[K, V] {
	return &once[K, V]{span: span, max: maxRemembered}
}

// do runs f unless it has succeeded for the key within the span, and gives what
// f gave then. Callers with the same key wait for the one that runs; if it
// fails, the next tries. It
// returns early, with ctx's error, when ctx ends; f runs on, and what becomes
// of it counts for those who come later.
func (o *once[K, V]) do(ctx context.Context, key K, now time.Time, f func() (V, error)) (V, error) {
	for {
		a, mine := o.join(key, now)
		if mine {
			go func() {
				defer close(a.done)
				if a.value, a.err = f(); a.err != nil {
					o.forget(key, a)
				}
			}()
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		if mine || a.err == nil {
			return a.value, a.err
		}
	}
}

// join is the attempt to wait for: one under way or done within the span, or a
// new one that the caller has to run.
func (o *once[K, V]) join(key K, now time.Time) (_ *attempt[V], mine bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.recent == nil || now.Sub(o.began) >= o.span || len(o.recent) >= o.max {
		o.older, o.recent, o.began = o.recent, map[K]*attempt[V]{}, now
	}
	a := o.recent[key]
	if a == nil {
		a = o.older[key]
	}
	if a != nil && a.stands(now, o.span) {
		return a, false
	}
	a = &attempt[V]{done: make(chan struct{}), at: now}
	o.recent[key] = a
	return a, true
}

// forget drops an attempt that failed: it is worth no memory.
func (o *once[K, V]) forget(key K, a *attempt[V]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.recent[key] == a {
		delete(o.recent, key)
	}
}

// stands reports whether an attempt is under way, or has succeeded within the
// span.
func (a *attempt[V]) stands(now time.Time, span time.Duration) bool {
	select {
	case <-a.done:
		return a.err == nil && now.Sub(a.at) < span
	default:
		return true
	}
}
