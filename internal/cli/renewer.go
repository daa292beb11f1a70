package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"mayfly.internal/internal/client"
)

// renewer holds a role session's credentials and renews them before they end, for
// as long as the ID token lives. Whoever asks at once shares one exchange. It is
// safe for concurrent use.
type renewer struct {
	exchange func(context.Context) (client.Session, error)
	// tell says why the credentials could not be renewed: once, until they could be
	// again.
	tell func(error)

	mu      sync.Mutex
	current client.Session
	life    time.Duration // that current had when it was new
	pending chan struct{} // closed when the exchange under way is over; nil: none is
	failed  error         // of the last exchange
	again   time.Time     // there is no other exchange before then
	told    bool
}

// How long after an exchange that failed there is no other: a server that is down
// may be back soon, a token that has ended stays so unless its file is renewed.
const (
	failurePause = 5 * time.Second
	endedPause   = time.Minute
)

// newRenewer holds a session that has just been made.
func newRenewer(s client.Session, exchange func(context.Context) (client.Session, error), tell func(error)) *renewer {
	return &renewer{exchange: exchange, tell: tell, current: s, life: time.Until(s.Expires)}
}

// run renews the credentials when a third of their life is left, until ctx ends.
func (r *renewer) run(ctx context.Context) {
	for {
		t := time.NewTimer(r.due())
		select {
		case <-t.C:
			r.renew(ctx, ctx)
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}

// due is how long to wait before the next exchange.
func (r *renewer) due() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failed != nil:
		return time.Until(r.again)
	case r.life <= 0: // by a clock that is wrong
		return endedPause
	}
	return time.Until(r.current.Expires) - r.life/3
}

// session is a session that has not ended: what is at hand, or a new one. The
// exchange goes on for others when the one who asks gives up; base ends it.
func (r *renewer) session(ctx, base context.Context) (client.Session, error) {
	r.mu.Lock()
	s, enough := r.current, r.life/15 // a minute of a quarter of an hour
	r.mu.Unlock()
	if time.Until(s.Expires) > enough {
		return s, nil
	}
	err := r.renew(ctx, base)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil && !time.Now().Before(r.current.Expires) {
		return client.Session{}, err
	}
	return r.current, nil
}

// renew makes an exchange, or waits for the one under way.
func (r *renewer) renew(ctx, base context.Context) error {
	r.mu.Lock()
	if r.pending == nil {
		if r.failed != nil && time.Now().Before(r.again) {
			defer r.mu.Unlock()
			return r.failed
		}
		r.pending = make(chan struct{})
		go r.make(base)
	}
	done := r.pending
	r.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// make makes an exchange.
func (r *renewer) make(ctx context.Context) {
	s, err := r.exchange(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.current, r.life, r.told = s, time.Until(s.Expires), false
	case tokenEnded(err):
		r.again = time.Now().Add(endedPause)
	default:
		r.again = time.Now().Add(failurePause)
	}
	r.failed = err
	if err != nil && !r.told && ctx.Err() == nil {
		r.told = true
		r.tell(fmt.Errorf("%w; the present credentials end at %s", err, r.current.Expires.UTC().Format(time.RFC3339)))
	}
	close(r.pending)
	r.pending = nil
}

// tokenEnded reports whether an exchange failed because the ID token has ended.
func tokenEnded(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Code == "ExpiredTokenException"
}
