package prove

import (
	"fmt"

	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// Shape is a set of requests that are made alike: those of all jobs of one kind,
// like the branch pipelines of a project. What may vary are the words of its
// groups, each on its own: a request of the shape is one word of each group.
// Every condition key is made of the words of one group.
//
// A key that no group makes is absent from every request of the shape.
type Shape struct {
	Name   string
	groups []Group
	keys   map[string]key // :: policy.FoldKey of the condition key
	names  []string       // the keys as written, in the order they were given
	origin origin
	// environmentGroup says what a job's environment is; a person's shape has none.
	environmentGroup int
	// unlinked: it is forgotten how sub hangs together with other claims.
	unlinked bool
	// coarse: it holds more than such tokens.
	coarse bool
	// taken :: folded key → the values it can have, found out at need.
	taken map[string]regular.Language
	doors bool // the exchange answers what GitLab enforces
	owned bool // and of strangers' projects it is among the groups
	// opaque :: folded key → why nothing can be said of it, though requests have it.
	opaque map[string]string
	// unknownPrefix begins the keys, folded, that requests may have though no group
	// makes them: claims that GitLab may fill one day. Empty: there are none.
	unknownPrefix string
}

// Group is a part of a request that varies on its own.
type Group struct {
	// Words are what the group may be: the words of its tracks, joined by NUL.
	Words  regular.Language
	Tracks int
	// Optional: the group may be missing from a request, and all its keys with it.
	Optional bool
	// Open are tracks of which GitLab decides by facts that nobody knows what they
	// say: of the words that differ there alone just one is made.
	Open []int
	// Doubtful are words that, by such facts, may never be made.
	Doubtful regular.Language
	// Usual is a word that stands in a witness where it may; empty: none.
	Usual string
	// Keys are the condition keys made of the group's words.
	Keys []Key
}

// Key says how a condition key is made of a group's words: by a template, or by
// cases that do not overlap and together, with the unknown, are all words.
type Key struct {
	Name     string
	Template regular.Template
	Cases    []Case
	// Unknown are the words of which nobody here knows the value, though somebody may.
	Unknown regular.Language
}

// Case is a value of a key, and the words that have it.
type Case struct {
	Value string
	Words regular.Language
}

type key struct {
	Key
	group int
}

// NewShape makes a shape of its groups. It panics if a key is made twice: that
// is a mistake of the program.
func NewShape(name string, groups ...Group) *Shape {
	s := &Shape{Name: name, keys: map[string]key{}, taken: map[string]regular.Language{}}
	s.add(groups...)
	return s
}

// add has the shape vary in more groups.
func (s *Shape) add(groups ...Group) {
	for _, g := range groups {
		for _, k := range g.Keys {
			fold := policy.FoldKey(k.Name)
			if _, twice := s.keys[fold]; twice {
				panic(fmt.Sprintf("prove: the key %s is made twice", k.Name))
			}
			s.keys[fold] = key{k, len(s.groups)}
			s.names = append(s.names, k.Name)
		}
		s.groups = append(s.groups, g)
	}
}

// constant is a key's value, if every request of the shape has the same.
func (s *Shape) constant(w *regular.Work, name string) (value string, absent, ok bool) {
	k, found := s.keys[policy.FoldKey(name)]
	if !found {
		return "", true, true
	}
	g := s.groups[k.group]
	if g.Optional {
		return "", false, false
	}
	value, ok = s.valuesOf(w, policy.FoldKey(name)).Word()
	return value, false, ok
}

// valuesOf are the values that a key, by its folded name, can have.
func (s *Shape) valuesOf(w *regular.Work, name string) regular.Language {
	if known, ok := s.taken[name]; ok {
		return known
	}
	k := s.keys[name]
	values := k.values(w, s.groups[k.group])
	if w.Err() == nil {
		s.taken[name] = values
	}
	return values
}

// values are the values that a key has in a group's words.
func (k key) values(w *regular.Work, g Group) regular.Language {
	if k.Cases == nil {
		return w.Image(g.Words, k.Template, g.Tracks)
	}
	var values []string
	for _, c := range k.Cases {
		if w.Overlap(c.Words, g.Words) {
			values = append(values, c.Value)
		}
	}
	return regular.OneOf(values...)
}

// words are the group's words that give the key a value of a language.
func (k key) words(w *regular.Work, g Group, values regular.Language) regular.Language {
	if k.Cases == nil {
		return w.Preimage(values, k.Template, g.Tracks)
	}
	var out regular.Language
	for _, c := range k.Cases {
		if values.Contains(c.Value) {
			out = w.Union(out, c.Words)
		}
	}
	return out
}
