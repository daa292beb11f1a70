package store

import (
	"testing"
	"time"
)

// TestPassEnds: whatever becomes of the pipe, the writer goes on.
func TestPassEnds(t *testing.T) {
	for name, spoil := range map[string]func(*last){
		"whole": func(*last) {}, "nobody writes": func(l *last) { l.w.Close() }, "nobody reads": func(l *last) { l.r.Close() }, "a byte left over": func(l *last) { l.w.Write([]byte{0}) },
	} {
		l, err := newLast()
		if err != nil {
			t.Fatal(err)
		}
		spoil(l)
		done := make(chan struct{})
		go func() { l.pass(); l.pass(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: a pass does not end", name)
		}
		l.close()
	}
}
