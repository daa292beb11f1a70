package server

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// coarse is by how much a timer of the runtime's may be late, and more: it waits in
// epoll, whose unit is the millisecond, counted from when it began to. What had
// passed of a millisecond before a wait is then seen behind it.
const coarse = 2 * time.Millisecond

// wait lets time pass, unless the client goes away, and ends when it should: the
// system itself waits for the last of it.
func wait(ctx context.Context, d time.Duration) {
	end := time.Now().Add(d)
	if d > coarse {
		t := time.NewTimer(d - coarse)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	for left := time.Until(end); left > 0; left = time.Until(end) {
		ts := syscall.NsecToTimespec(int64(left))
		if err := syscall.Nanosleep(&ts, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}
