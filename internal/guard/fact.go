package guard

import "time"

// State is how much is known of a fact. The zero value is unknown.
type State uint8

const (
	// StateUnknown: nobody could find out. It is not "there is none".
	StateUnknown State = iota
	// StateKnown: the fact has a value, which may be an empty list.
	StateKnown
	// StateAbsent: GitLab's tier lacks it, so that it guards nothing.
	StateAbsent
)

func (s State) String() string { return [...]string{"unknown", "known", "absent"}[s] }

// Source is where a fact was read, and when. The zero value is a file that does
// not say.
type Source struct {
	Call string // method and path below /api/v4: GET /projects/20/protected_branches
	At   time.Time
}

// Fact is one thing about GitLab. The zero value is unknown. A fact inside of
// another (a protected branch's levels) has the source of the one around it.
type Fact[T any] struct {
	state  State
	value  T
	why    string
	source Source
}

// Known is a fact with a value.
func Known[T any](value T) Fact[T] { return Fact[T]{state: StateKnown, value: value} }

// Unknown is a fact that nobody could find out, and why.
func Unknown[T any](why string) Fact[T] { return Fact[T]{why: why} }

// Absent is a fact that the tier has no word for, and why that is known.
func Absent[T any](why string) Fact[T] { return Fact[T]{state: StateAbsent, why: why} }

// From gives the fact its source.
func (f Fact[T]) From(s Source) Fact[T] {
	f.source = s
	return f
}

// Value is the value, if the fact is known. An absent fact has none.
func (f Fact[T]) Value() (value T, known bool) { return f.value, f.state == StateKnown }

// State says how much is known.
func (f Fact[T]) State() State { return f.state }

// Source is where the fact was read, or where it could not be read.
func (f Fact[T]) Source() Source { return f.source }

// Why says why the fact is unknown or absent. Of one that is known it is empty.
func (f Fact[T]) Why() string {
	if f.why == "" && f.state == StateUnknown {
		return "the facts do not say"
	}
	return f.why
}
