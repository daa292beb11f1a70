package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/sigv4"
)

// fakeSTS makes sessions of a quarter of an hour while a token lives.
type fakeSTS struct {
	ends  time.Time
	takes time.Duration
	down  atomic.Bool
	made  atomic.Int64
	asked atomic.Int64
}

var errDown = errors.New("connection refused")

func (f *fakeSTS) exchange(ctx context.Context) (client.Session, error) {
	f.asked.Add(1)
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		return client.Session{}, ctx.Err()
	}
	switch {
	case f.down.Load():
		return client.Session{}, errDown
	case time.Now().After(f.ends):
		return client.Session{}, &client.Error{Status: 400, Code: "ExpiredTokenException", Message: "Token expired"}
	}
	return client.Session{Credentials: sigv4.Credentials{AccessKeyID: fmt.Sprint("ASIA", f.made.Add(1))}, Expires: time.Now().Add(15 * time.Minute)}, nil
}

// holding is a renewer of such an STS, which runs until the test ends, and what it
// tells.
func holding(t *testing.T, f *fakeSTS) (r *renewer, told func() []string) {
	t.Helper()
	s, err := f.exchange(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	r = newRenewer(s, f.exchange, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, err.Error())
	})
	go r.run(t.Context())
	return r, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestLongDeploy: a child that works for 40 minutes on credentials of 15 never sees
// one that has ended, while the ID token lives; afterwards it is refused, and a
// person is told once.
func TestLongDeploy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		sts := &fakeSTS{ends: start.Add(40 * time.Minute), takes: time.Second}
		r, told := holding(t, sts)
		seen := map[string]bool{}
		for time.Since(start) < 40*time.Minute {
			s, err := r.session(t.Context(), t.Context())
			if left := time.Until(s.Expires); err != nil || left < 4*time.Minute {
				t.Fatalf("after %s: %v left, %v", time.Since(start), left, err)
			}
			seen[s.Credentials.AccessKeyID] = true
			time.Sleep(7 * time.Second)
		}
		if len(seen) != 4 || len(told()) != 0 {
			t.Errorf("%d sessions, told %q", len(seen), told())
		}
		var last time.Time
		for time.Since(start) < time.Hour {
			s, err := r.session(t.Context(), t.Context())
			if err == nil && !time.Now().Before(s.Expires) {
				t.Fatalf("after %s it is given what has ended", time.Since(start))
			}
			if err == nil {
				last = s.Expires
			} else if !tokenEnded(err) || time.Now().Before(last) {
				t.Fatalf("after %s: %v", time.Since(start), err)
			}
			time.Sleep(7 * time.Second)
		}
		if list := told(); len(list) != 1 || !strings.Contains(list[0], "ExpiredTokenException: Token expired; the present credentials end at 2000-01-01T00:") {
			t.Errorf("told %q", list)
		}
		if n := sts.asked.Load(); n > 30 {
			t.Errorf("the server is asked %d times for a token that has ended", n)
		}
	})
}

// TestQuietChild: one that asks seldom is given what lives, too.
func TestQuietChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := holding(t, &fakeSTS{ends: time.Now().Add(4 * time.Hour), takes: time.Second})
		for range 6 {
			time.Sleep(37 * time.Minute)
			if s, err := r.session(t.Context(), t.Context()); err != nil || time.Until(s.Expires) < 4*time.Minute {
				t.Errorf("%v, %v", time.Until(s.Expires), err)
			}
		}
	})
}

// TestServerDown: what is at hand serves while it lives, a server that is back is
// used, and each outage is told once.
func TestServerDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &fakeSTS{ends: time.Now().Add(4 * time.Hour)}
		r, told := holding(t, sts)
		for outage := 1; outage <= 2; outage++ {
			sts.down.Store(true)
			time.Sleep(13 * time.Minute)
			if s, err := r.session(t.Context(), t.Context()); err != nil || !time.Now().Before(s.Expires) {
				t.Fatalf("%+v, %v", s, err)
			}
			time.Sleep(3 * time.Minute)
			if s, err := r.session(t.Context(), t.Context()); !errors.Is(err, errDown) || s != (client.Session{}) {
				t.Fatalf("%+v, %v", s, err)
			}
			sts.down.Store(false)
			time.Sleep(failurePause + time.Second)
			if s, err := r.session(t.Context(), t.Context()); err != nil || time.Until(s.Expires) < 14*time.Minute {
				t.Fatalf("%+v, %v", s, err)
			}
			if len(told()) != outage {
				t.Fatalf("told %q", told())
			}
		}
		if n := sts.asked.Load(); n > 200 {
			t.Errorf("the server is asked %d times", n)
		}
	})
}

// TestOneExchangeForAll: who asks at once shares an exchange, and who gives up does
// not end it for the others.
func TestOneExchangeForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sts := &fakeSTS{ends: time.Now().Add(4 * time.Hour), takes: 20 * time.Second}
		s, err := sts.exchange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := newRenewer(s, sts.exchange, func(err error) { t.Error(err) }) // nobody runs it: a machine that slept
		time.Sleep(time.Hour)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				ctx := t.Context()
				if i == 0 {
					short, stop := context.WithTimeout(ctx, time.Second)
					defer stop()
					if _, err := r.session(short, t.Context()); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					return
				}
				if s, err := r.session(ctx, t.Context()); err != nil || s.Credentials.AccessKeyID != "ASIA2" {
					t.Errorf("%+v, %v", s, err)
				}
			})
		}
		all.Wait()
		if sts.asked.Load() != 2 {
			t.Errorf("%d exchanges", sts.asked.Load())
		}
	})
}

// TestWrongClock: by a clock that is hours ahead every session has ended; it is
// given, and the server is not asked without a pause.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		exchange := func(context.Context) (client.Session, error) {
			asked.Add(1)
			return client.Session{ARN: "a", Expires: time.Now().Add(-3 * time.Hour)}, nil
		}
		s, _ := exchange(t.Context())
		r := newRenewer(s, exchange, func(err error) { t.Error(err) })
		go r.run(t.Context())
		time.Sleep(time.Hour)
		if asked.Load() > 61 {
			t.Errorf("asked %d times in an hour", asked.Load())
		}
		if s, err := r.session(t.Context(), t.Context()); err != nil || s.ARN != "a" {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
