package keyset

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/secret"
)

const (
	month   = 30 * 24 * time.Hour
	hour    = time.Hour
	life    = 10 * time.Minute
	session = 12 * time.Hour
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func wanted(uses ...Use) Wanted {
	w := Wanted{Longest: map[Use]time.Duration{}, Ahead: hour, After: month}
	for _, u := range uses {
		w.Longest[u] = life
		if u == Sealing {
			w.Longest[u] = session
		}
	}
	return w
}

// maker numbers keys: sealing-1, sealing-2.
func maker() Maker {
	n := map[Use]int{}
	return func(u Use) (Key, error) {
		n[u]++
		id := fmt.Sprintf("%s-%d", u, n[u])
		return Key{ID: id, Material: secret.New("material of " + id)}, nil
	}
}

// states are the keys of a set that have not ended, each with its state.
func states(s Set, now time.Time) string {
	var out []string
	for _, k := range s.Keys() {
		if st := s.State(k.ID, now); st != Ended {
			out = append(out, k.ID+" "+st.String())
		}
	}
	return strings.Join(out, ", ")
}

// story is a server's keys as time goes by.
type story struct {
	t     *testing.T
	set   Set
	want  Wanted
	now   time.Time
	fresh Maker
}

func newStory(t *testing.T, uses ...Use) *story {
	s := &story{t: t, want: wanted(uses...), now: start, fresh: maker()}
	s.do(Set.Tend)
	return s
}

func (s *story) do(change func(Set, Wanted, time.Time, Maker) (Set, Change, error)) Change {
	s.t.Helper()
	next, c, err := change(s.set, s.want, s.now, s.fresh)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.set, err = Parse(next.Encode()); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *story) at(after time.Duration, want string) {
	s.t.Helper()
	s.now = start.Add(after)
	if got := states(s.set, s.now); got != want {
		s.t.Errorf("after %s: %s\nwant %s", after, got, want)
	}
}

// TestSealing: a new key seals at once; the one before it opens until the longest
// session has ended, to the second.
func TestSealing(t *testing.T) {
	s := newStory(t, Sealing)
	s.at(0, "sealing-1 primary")
	s.at(hour, "sealing-1 primary")
	s.do(Set.Rotate)
	s.at(hour, "sealing-1 old, sealing-2 primary")
	s.at(hour+session+Slack-time.Second, "sealing-1 old, sealing-2 primary")
	s.at(hour+session+Slack, "sealing-2 primary")
	if got := s.do(Set.Tend); !slices.Equal(got.Dropped, []string{"sealing-1"}) || len(s.set.Keys()) != 1 {
		t.Errorf("%+v", got)
	}
	if got := s.do(Set.Tend); got.Any() {
		t.Errorf("once more: %+v", got)
	}
}

// TestLongestSessionEver: a server that lets sessions live shorter than it did
// keeps a key for those that were sealed before.
func TestLongestSessionEver(t *testing.T) {
	s := newStory(t, Sealing)
	s.want.Longest[Sealing] = hour
	s.do(Set.Tend)
	s.do(Set.Rotate)
	s.at(session, "sealing-1 old, sealing-2 primary")
	s.do(Set.Rotate)
	s.at(session+hour+Slack, "sealing-3 primary")

	s = newStory(t, Sealing)
	s.want.Longest[Sealing] = 2 * session
	s.do(Set.Tend)
	s.do(Set.Rotate)
	s.at(2*session, "sealing-1 old, sealing-2 primary")
}

// TestSigning: a key is published for an hour at least before it signs, and until
// the last token it signed has ended.
func TestSigning(t *testing.T) {
	s := newStory(t, ES256)
	s.at(0, "ES256-1 primary, ES256-2 next")
	s.now = start.Add(10 * time.Minute)
	if got := s.do(Set.Rotate); !slices.Equal(got.Called, []string{"ES256-2"}) || !slices.Equal(got.Made, []string{"ES256-3"}) || !slices.Equal(got.Retired, []string{"ES256-1"}) {
		t.Errorf("%+v", got)
	}
	s.at(10*time.Minute, "ES256-1 primary, ES256-2 next, ES256-3 next")
	if got := s.do(Set.Rotate); got.Any() || !slices.Equal(got.Pending, []string{"ES256-2"}) {
		t.Errorf("called twice: %+v", got)
	}
	s.at(hour-time.Second, "ES256-1 primary, ES256-2 next, ES256-3 next")
	s.at(hour, "ES256-1 old, ES256-2 primary, ES256-3 next")
	s.at(hour+life+Slack-time.Second, "ES256-1 old, ES256-2 primary, ES256-3 next")
	if got := len(s.set.Published(s.now)); got != 3 {
		t.Errorf("%d keys are published", got)
	}
	s.at(hour+life+Slack, "ES256-2 primary, ES256-3 next")
	if got := s.set.Published(s.now); len(got) != 2 || got[0].ID != "ES256-2" {
		t.Errorf("%d keys are published, the first being %s", len(got), got[0].ID)
	}
	s.at(3*hour, "ES256-2 primary, ES256-3 next")
	s.do(Set.Rotate) // ES256-3 has been published long enough
	s.at(3*hour, "ES256-2 old, ES256-3 primary, ES256-4 next")
}

// TestByAge: keys take over by themselves, each use for itself.
func TestByAge(t *testing.T) {
	s := newStory(t, Sealing, ES256)
	s.now = start.Add(month - time.Second)
	if got := s.do(Set.Tend); got.Any() {
		t.Errorf("a second too early: %+v", got)
	}
	s.now = start.Add(month)
	want := Change{Made: []string{"sealing-2", "ES256-3"}, Called: []string{"sealing-2", "ES256-2"}, Retired: []string{"sealing-1", "ES256-1"}}
	if diff := cmp.Diff(want, s.do(Set.Tend)); diff != "" {
		t.Error(diff)
	}
	s.at(month, "sealing-1 old, ES256-1 old, ES256-2 primary, sealing-2 primary, ES256-3 next")
	s.now = start.Add(month + time.Hour)
	if got := s.do(Set.Tend); got.Any() && len(got.Made) > 0 {
		t.Errorf("an hour later: %+v", got)
	}
	s.now = start.Add(5 * month) // it was stopped
	s.do(Set.Tend)
	s.at(5*month, "ES256-2 old, sealing-2 old, ES256-3 primary, sealing-3 primary, ES256-4 next")
}

// TestOtherUses: a use that is wanted later begins with keys of its own, one that
// is wanted no more ends, and comes back with others.
func TestOtherUses(t *testing.T) {
	s := newStory(t, Sealing)
	s.want = wanted(Sealing, RS256)
	s.do(Set.Tend)
	s.at(0, "sealing-1 primary, RS256-1 primary, RS256-2 next")
	s.want = wanted(Sealing)
	s.do(Set.Tend)
	s.at(0, "sealing-1 primary, RS256-1 old")
	if _, ok := s.set.Primary(RS256, s.now); ok {
		t.Error("a retired key signs")
	}
	s.want = wanted(Sealing, RS256)
	s.do(Set.Tend)
	s.at(life+Slack, "sealing-1 primary, RS256-3 primary, RS256-4 next")
}

// TestRenew: nothing of before is left.
func TestRenew(t *testing.T) {
	s := newStory(t, Sealing, ES256)
	s.do(Set.Rotate)
	got := s.do(Set.Renew)
	want := Change{Made: []string{"sealing-3", "ES256-4", "ES256-5"}, Called: []string{"sealing-3", "ES256-4"}, Dropped: []string{"sealing-1", "ES256-1", "ES256-2", "sealing-2", "ES256-3"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.at(0, "sealing-3 primary, ES256-4 primary, ES256-5 next")
}

// TestClockSetBack: a clock that runs back finds keys that make and open what was
// made.
func TestClockSetBack(t *testing.T) {
	s := newStory(t, Sealing, ES256)
	for _, use := range []Use{Sealing, ES256} {
		if k, ok := s.set.Primary(use, start.Add(-hour)); !ok || !k.From.Equal(start) {
			t.Errorf("%s: %v %v", use, k, ok)
		}
	}
	s.do(Set.Rotate)
	if k, ok := s.set.Primary(Sealing, start.Add(-time.Second)); !ok || k.ID != "sealing-1" {
		t.Errorf("%v %v", k, ok)
	}
	if got := s.set.State("sealing-2", start.Add(-time.Second)); got != Next {
		t.Error(got)
	}
}

// TestFailures: what cannot be made changes nothing.
func TestFailures(t *testing.T) {
	full := newStory(t, Sealing)
	for range MaxKeys - 1 {
		full.do(Set.Rotate)
	}
	broken := func(Use) (Key, error) { return Key{}, errors.New("no randomness") }
	same := func(Use) (Key, error) { return Key{ID: "sealing-1", Material: secret.New("x")}, nil }
	for name, tt := range map[string]struct {
		from  Set
		fresh Maker
		want  string
	}{
		"a key that cannot be made":   {newStory(t, Sealing).set, broken, "no randomness"},
		"a first that cannot be made": {Set{}, broken, "no randomness"},
		"an id that is taken":         {newStory(t, Sealing).set, same, "two keys have the id"},
		"too many keys":               {full.set, maker2(), "too many keys"},
	} {
		before := tt.from.Encode()
		next, c, err := tt.from.Rotate(wanted(Sealing), start, tt.fresh)
		if err == nil || !strings.Contains(err.Error(), tt.want) || c.Any() || len(next.Keys()) != 0 {
			t.Errorf("%s: %+v %v", name, c, err)
		}
		if string(before) != string(tt.from.Encode()) {
			t.Errorf("%s: the set was changed", name)
		}
	}
}

func maker2() Maker {
	return func(Use) (Key, error) { return Key{ID: "another", Material: secret.New("x")}, nil }
}

// TestParseRefuses: what Encode did not write.
func TestParseRefuses(t *testing.T) {
	good := string(newStory(t, Sealing, ES256).set.Encode())
	if _, err := Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"no JSON":               "hello",
		"half of it":            good[:len(good)/2],
		"an array":              "[]",
		"another version":       strings.Replace(good, `"v": 1`, `"v": 2`, 1),
		"no version":            strings.Replace(good, `"v": 1,`, ``, 1),
		"an unknown member":     strings.Replace(good, `"v": 1`, `"v": 1, "w": 1`, 1),
		"more behind it":        good + "{}",
		"one id twice":          strings.Replace(good, "ES256-1", "sealing-1", 1),
		"a key without an id":   strings.Replace(good, `"ES256-1"`, `""`, 1),
		"one without material":  strings.Replace(good, `"material of ES256-1"`, `""`, 1),
		"another use":           strings.Replace(good, `"use": "ES256"`, `"use": "HS256"`, 1),
		"a time that is none":   strings.Replace(good, `"made": "2026-`, `"made": "x-`, 1),
		"a span that is none":   strings.Replace(good, `"longest": "`, `"longest": "x`, 1),
		"a span below 0":        strings.Replace(good, `"longest": "`, `"longest": "-`, 1),
		"a sealing key to come": strings.Replace(good, `"from"`, `"until"`, 1),
		"no time it was made":   strings.Replace(good, `"made": "2026-03-01T12:00:00Z"`, `"made": ""`, 1),
	} {
		if text == good {
			t.Fatalf("%s: nothing was changed", name)
		}
		if s, err := Parse([]byte(text)); err == nil || len(s.Keys()) > 0 {
			t.Errorf("%s is read: %s", name, states(s, start))
		}
	}
}

// TestErrorsHoldNoMaterial: what is wrong with a set is told without its secrets.
func TestErrorsHoldNoMaterial(t *testing.T) {
	good := string(newStory(t, Sealing).set.Encode())
	for _, text := range []string{strings.Replace(good, `"use": "sealing"`, `"use": "x"`, 1), strings.Replace(good, `"material": `, `"material": {"k":`, 1), good + "material of"} {
		if _, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "material of sealing-1") {
			t.Error(err)
		}
	}
	if k := newStory(t, Sealing).set.Keys()[0]; strings.Contains(fmt.Sprintf("%v %+v %#v", k, k, k), "material of") {
		t.Error("a key that is printed shows its material")
	}
}

func FuzzParse(f *testing.F) {
	now := start
	set, _, err := Set{}.Tend(wanted(Sealing, ES256, RS256), now, maker())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set.Encode())
	f.Add([]byte(`{"v":1,"keys":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			if len(s.Keys()) > 0 {
				t.Error("refused and not empty")
			}
			return
		}
		again, err := Parse(s.Encode())
		if err != nil || string(again.Encode()) != string(s.Encode()) {
			t.Errorf("%v", err)
		}
		if next, _, err := s.Tend(wanted(Sealing, ES256), now, maker2()); err == nil {
			if _, ok := next.Primary(Sealing, now); !ok {
				t.Error("nothing seals")
			}
		}
	})
}
