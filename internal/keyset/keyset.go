// Package keyset is the keys a server seals sessions and signs tokens with, and
// when each of them counts.
//
// A key that seals takes over at once, and the one before it opens until the
// longest session it may have sealed has ended. A key that signs is made long
// before it signs and is published from then on, so that whoever keeps the key
// set for a while knows it when it is first used; the one before it stays
// published until the last token it signed has ended. What happens when is
// written into the keys themselves, so that a server that was stopped, or whose
// clock moves on, needs to decide nothing anew.
//
// It makes no keys, reads no clock and stores nothing: server does. What a key's
// material is, it does not know.
package keyset

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mayfly.internal/internal/secret"
)

// Use is what a key is for.
type Use string

const (
	Sealing Use = "sealing" // sessions, and whatever else nobody but this server reads
	ES256   Use = "ES256"   // tokens, by the algorithm of that name (RFC 7518 §3.1)
	RS256   Use = "RS256"
)

// signs reports whether keys of this use are published before they count.
func (u Use) signs() bool { return u != Sealing }

// Slack is how much longer than what it made a key lives: for what was under way
// while another took over, and for clocks of others that are late.
const Slack = 5 * time.Minute

// MaxKeys is how many keys a set holds: a verifier need not look at more than a
// hundred (CONTRACTS §2).
const MaxKeys = 100

// Key is one key.
type Key struct {
	ID   string
	Use  Use
	Made time.Time
	// From is when it begins to seal or sign. Zero: it is published and waits to
	// be called.
	From time.Time
	// Until is when it ends: then it opens nothing and is not published. Zero: no
	// other has been called to take over.
	Until time.Time
	// Longest is how long what it seals or signs lives at most.
	Longest  time.Duration
	Material secret.String
}

// State is what a key is good for at a moment. The zero value is good for
// nothing.
type State uint8

const (
	Ended   State = iota
	Next          // published, and signs nothing yet
	Primary       // seals, or signs
	Old           // opens, or is published, and makes nothing new
)

var stateNames = [...]string{"ended", "next", "primary", "old"}

// String is the state in a word.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return stateNames[Ended]
}

// Set is all keys of a server, in the order they were made. It is immutable; the
// zero value holds none.
type Set struct{ keys []Key }

// Keys are the keys of the set.
func (s Set) Keys() []Key { return slices.Clone(s.keys) }

// Primary is the key that seals or signs now; false if there is none.
func (s Set) Primary(use Use, now time.Time) (Key, bool) {
	i := s.primary(use, now)
	if i < 0 {
		return Key{}, false
	}
	return s.keys[i], true
}

// primary is the index of the key that was called last. A clock that was set
// back finds the key before it, or, if there is none, the first.
func (s Set) primary(use Use, now time.Time) int {
	best, first := -1, -1
	for i, k := range s.keys {
		if k.Use != use || k.From.IsZero() || s.retired(k, now) {
			continue
		}
		if first < 0 || k.From.Before(s.keys[first].From) {
			first = i
		}
		if !k.From.After(now) && (best < 0 || !k.From.Before(s.keys[best].From)) {
			best = i
		}
	}
	if best < 0 {
		return first
	}
	return best
}

// retired reports whether a key is to make nothing more and no other is about to
// take over.
func (s Set) retired(k Key, now time.Time) bool {
	return !k.Until.IsZero() && !slices.ContainsFunc(s.keys, func(o Key) bool { return o.Use == k.Use && o.From.After(now) })
}

// State is what the key of an id is good for now.
func (s Set) State(id string, now time.Time) State {
	i := slices.IndexFunc(s.keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Ended
	}
	switch k := s.keys[i]; {
	case k.Ended(now):
		return Ended
	case i == s.primary(k.Use, now):
		return Primary
	case k.From.IsZero() || k.From.After(now):
		return Next
	}
	return Old
}

// Ended reports whether a key opens nothing any more and is not published.
func (k Key) Ended(now time.Time) bool { return !k.Until.IsZero() && !now.Before(k.Until) }

// Published are the keys that verifiers are to know now.
func (s Set) Published(now time.Time) (out []Key) {
	for _, k := range s.keys {
		if k.Use.signs() && !k.Ended(now) {
			out = append(out, k)
		}
	}
	return out
}

// Maker makes a key of a use: its ID and Material.
type Maker func(Use) (Key, error)

// Wanted is what a server's keys are to be like.
type Wanted struct {
	// Longest :: use → how long what its keys make lives at most. A use that is not
	// there is not wanted.
	Longest map[Use]time.Duration
	// Ahead is how long a signing key is published before it signs.
	Ahead time.Duration
	// After is the age at which the next key takes over.
	After time.Duration
}

// uses are the uses that are wanted, in an order that stays.
func (w Wanted) uses() []Use {
	return slices.DeleteFunc([]Use{Sealing, ES256, RS256}, func(u Use) bool { return w.Longest[u] == 0 })
}

// Change is what became of keys, by id.
type Change struct {
	Made    []string // new ones
	Called  []string // those that make what is made from now on, or from a moment on that is near
	Retired []string // those they take over from
	Dropped []string // those that are gone
	// Pending are the keys that were called before and do not sign yet: nothing
	// was to be done about their use.
	Pending []string
}

// Any reports whether anything changed.
func (c Change) Any() bool { return len(c.Made)+len(c.Called)+len(c.Retired)+len(c.Dropped) > 0 }

// ErrTooMany says that keys were changed so often that the set is full of those
// that must still open what they sealed.
var ErrTooMany = errors.New("too many keys are still in use: wait until some have ended, or drop all of them with --revoke-old")

// Tend makes what is missing, calls the next key where the primary one is older
// than it may get, and drops what has ended.
func (s Set) Tend(w Wanted, now time.Time, fresh Maker) (Set, Change, error) {
	c := changing{Set: Set{slices.Clone(s.keys)}, wanted: w, now: now, fresh: fresh}
	c.dropEnded()
	c.retireUnwanted()
	for _, use := range w.uses() {
		if i := c.primary(use, now); i >= 0 && now.Sub(c.keys[i].From) >= w.After {
			c.rotate(use)
		}
	}
	c.complete()
	return c.done()
}

// Rotate calls the next key of every use.
func (s Set) Rotate(w Wanted, now time.Time, fresh Maker) (Set, Change, error) {
	c := changing{Set: Set{slices.Clone(s.keys)}, wanted: w, now: now, fresh: fresh}
	c.dropEnded()
	c.complete()
	for _, use := range w.uses() {
		c.rotate(use)
	}
	c.complete()
	return c.done()
}

// Renew drops every key and begins with new ones, which seal and sign at once.
func (s Set) Renew(w Wanted, now time.Time, fresh Maker) (Set, Change, error) {
	c := changing{wanted: w, now: now, fresh: fresh}
	for _, k := range s.keys {
		c.change.Dropped = append(c.change.Dropped, k.ID)
	}
	c.complete()
	return c.done()
}

// changing is a set on its way to another.
type changing struct {
	Set
	wanted Wanted
	now    time.Time
	fresh  Maker
	change Change
	err    error
}

func (c *changing) done() (Set, Change, error) {
	if c.err == nil && len(c.keys) > MaxKeys {
		c.err = ErrTooMany
	}
	if c.err != nil {
		return Set{}, Change{}, c.err
	}
	return c.Set, c.change, nil
}

func (c *changing) dropEnded() {
	c.keys = slices.DeleteFunc(c.keys, func(k Key) bool {
		if k.Ended(c.now) {
			c.change.Dropped = append(c.change.Dropped, k.ID)
		}
		return k.Ended(c.now)
	})
}

// retireUnwanted lets the keys of a use end that nothing is made with any more.
func (c *changing) retireUnwanted() {
	wanted := c.wanted.uses()
	c.keys = slices.DeleteFunc(c.keys, func(k Key) bool {
		gone := !slices.Contains(wanted, k.Use) && (k.From.IsZero() || k.From.After(c.now))
		if gone {
			c.change.Dropped = append(c.change.Dropped, k.ID)
		}
		return gone
	})
	for i := range c.keys {
		if k := &c.keys[i]; !slices.Contains(wanted, k.Use) && k.Until.IsZero() {
			c.retire(k, c.now)
		}
	}
}

// retire lets a key end when all that it made has.
func (c *changing) retire(k *Key, at time.Time) {
	k.Until = at.Add(k.Longest + Slack)
	c.change.Retired = append(c.change.Retired, k.ID)
}

// complete makes the keys that are missing, and notes how long what the primary
// ones make may live.
func (c *changing) complete() {
	for _, use := range c.wanted.uses() {
		if c.primary(use, c.now) < 0 {
			c.add(use, c.now)
		}
		if use.signs() && c.waiting(use) < 0 {
			c.add(use, time.Time{})
		}
		if i := c.primary(use, c.now); i >= 0 {
			c.keys[i].Longest = max(c.keys[i].Longest, c.wanted.Longest[use])
		}
	}
}

// add makes a key that counts from a moment on, or waits.
func (c *changing) add(use Use, from time.Time) {
	if c.err != nil {
		return
	}
	k, err := c.fresh(use)
	if err == nil && slices.ContainsFunc(c.keys, func(o Key) bool { return o.ID == k.ID }) {
		err = fmt.Errorf("two keys have the id %s", k.ID)
	}
	if err != nil {
		c.err = err
		return
	}
	k.Use, k.Made, k.From, k.Longest = use, c.now, from, c.wanted.Longest[use]
	c.keys = append(c.keys, k)
	c.change.Made = append(c.change.Made, k.ID)
	if !from.IsZero() {
		c.change.Called = append(c.change.Called, k.ID)
	}
}

// waiting is the index of the key that waits to be called.
func (c *changing) waiting(use Use) int {
	return slices.IndexFunc(c.keys, func(k Key) bool { return k.Use == use && k.From.IsZero() })
}

// rotate calls the next key of a use. One that was called and does not sign yet
// stays the one: it is published no sooner for being called twice.
func (c *changing) rotate(use Use) {
	if i := slices.IndexFunc(c.keys, func(k Key) bool { return k.Use == use && k.From.After(c.now) }); i >= 0 && use.signs() {
		c.change.Pending = append(c.change.Pending, c.keys[i].ID)
		return
	}
	before, at := c.primary(use, c.now), c.now
	if before < 0 || c.err != nil {
		return
	}
	if use.signs() {
		i := c.waiting(use)
		if i < 0 {
			return // complete makes one; it is called the next time
		}
		if ready := c.keys[i].Made.Add(c.wanted.Ahead); ready.After(at) {
			at = ready
		}
		c.keys[i].From, c.keys[i].Longest = at, c.wanted.Longest[use]
		c.change.Called = append(c.change.Called, c.keys[i].ID)
	} else {
		c.add(use, at)
	}
	c.retire(&c.keys[before], at)
}
