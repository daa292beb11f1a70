package server

import (
	"context"
	"testing"
	"time"
)

// TestWaitHidesWhatPassed: what had passed before a wait is not seen after it, be it
// a tenth of a millisecond. The shortest of many waits is looked at: others may keep
// this machine busy.
func TestWaitHidesWhatPassed(t *testing.T) {
	const whole = 5 * time.Millisecond
	least, most := time.Hour, time.Duration(0)
	for passed := 100 * time.Microsecond; passed < time.Millisecond; passed += 200 * time.Microsecond {
		shortest := time.Hour
		for range 100 {
			began := time.Now()
			wait(t.Context(), whole-passed)
			shortest = min(shortest, time.Since(began)+passed)
		}
		if shortest < whole {
			t.Errorf("of %v only %v have passed", whole, shortest)
		}
		least, most = min(least, shortest), max(most, shortest)
	}
	t.Logf("at least %v to %v: as far as these are apart, what had passed before is seen", least, most)
}

func TestWaitEnds(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	began := time.Now()
	wait(ctx, time.Hour)
	wait(t.Context(), -time.Hour)
	wait(t.Context(), 0)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
