package clusterauth

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnce(t *testing.T) {
	o := newOnce[string, struct{}](time.Minute)
	ran := map[string]int{}
	do := func(key string, at time.Duration) error {
		return o.only(t.Context(), key, start.Add(at), func() error { ran[key]++; return nil })
	}
	for _, step := range []struct {
		key  string
		at   time.Duration
		want int
	}{
		{"a", 0, 1}, {"a", time.Second, 1}, {"a", 59 * time.Second, 1},
		{"b", 59 * time.Second, 1},
		{"a", time.Minute, 2},
		{"b", 90 * time.Second, 1}, // a generation later, and still within its span
		{"b", 119 * time.Second, 2},
		{"a", 119 * time.Second, 2},
		{"a", -time.Hour, 2}, // a clock that was set back records no more often
		{"a", time.Hour, 3},
	} {
		if err := do(step.key, step.at); err != nil || ran[step.key] != step.want {
			t.Errorf("%s at %s: ran %d times, want %d (%v)", step.key, step.at, ran[step.key], step.want, err)
		}
	}
}

// Failing is not having done.
func TestOnceFails(t *testing.T) {
	o := newOnce[string, struct{}](time.Minute)
	broken := errors.New("broken")
	for range 2 {
		if err := o.only(t.Context(), "a", start, func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
	ran := false
	if err := o.only(t.Context(), "a", start, func() error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("ran %t, %v", ran, err)
	}
}

// What is remembered is bounded: of two spans, and of max keys each.
func TestOnceMemory(t *testing.T) {
	o := newOnce[int, struct{}](time.Minute)
	o.max = 10
	ran := 0
	for i := range 1000 {
		if err := o.only(t.Context(), i, start, func() error { ran++; return nil }); err != nil {
			t.Fatal(err)
		}
		if len(o.recent) > 10 || len(o.older) > 10 {
			t.Fatalf("%d and %d keys", len(o.recent), len(o.older))
		}
	}
	o.only(t.Context(), 999, start, func() error { ran++; return nil })
	if ran != 1000 {
		t.Errorf("ran %d times", ran)
	}
	o.only(t.Context(), 0, start, func() error { ran++; return nil })
	if ran != 1001 {
		t.Error("a key that was forgotten is not done again")
	}
}

// Many with one key wait for one doing; if it fails, the next of them tries.
func TestOnceTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnce[string, struct{}](time.Minute)
		var ran, failed atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := o.only(t.Context(), "a", start, func() error {
					time.Sleep(time.Second)
					if ran.Add(1) <= 2 {
						return errors.New("broken")
					}
					return nil
				})
				if err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		if ran.Load() != 3 || failed.Load() != 2 {
			t.Errorf("ran %d times, %d failed", ran.Load(), failed.Load())
		}
	})
}

// A caller whose time is up goes without; what it began counts for the next.
func TestOnceDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOnce[string, struct{}](time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ran := 0
		slow := func() error { time.Sleep(5 * time.Second); ran++; return nil }
		began := time.Now()
		if err := o.only(ctx, "a", start, slow); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("it took %s", took)
		}
		if err := o.only(t.Context(), "a", start, slow); err != nil || ran != 1 {
			t.Errorf("ran %d times, %v", ran, err)
		}
	})
}

// only is do for what gives nothing.
func (o *once[K, V]) only(ctx context.Context, key K, now time.Time, f func() error) error {
	_, err := o.do(ctx, key, now, func() (v V, err error) { return v, f() })
	return err
}

// What came of it is given to those who come later, and nothing of what failed.
func TestOnceValue(t *testing.T) {
	o := newOnce[string, int](time.Minute)
	for i, step := range []struct {
		gives int
		err   error
		want  int
	}{{1, errors.New("broken"), 1}, {2, nil, 2}, {3, nil, 2}} {
		got, err := o.do(t.Context(), "a", start, func() (int, error) { return step.gives, step.err })
		if got != step.want || err != step.err {
			t.Errorf("%d: %d, %v", i, got, err)
		}
	}
}
