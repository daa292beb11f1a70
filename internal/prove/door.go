package prove

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// The condition keys mayfly:guard/… are answered by the exchange, from facts of its
// own. Of a project whose facts are known here it will say what they say; of one
// that nobody knows, what its owner has set; of forks and people nothing, and then
// no condition on them holds.

// isDoor reports whether a condition key is about what GitLab enforces.
func isDoor(key string) bool { return strings.HasPrefix(policy.FoldKey(key), guard.DoorPrefix) }

// door is a key about what GitLab enforces around the jobs of the shape; false if
// the exchange never knows it of them. It is made when it is first asked for: few
// policies do.
func (s *Shape) door(w *regular.Work, name string) (key, bool) {
	o := s.origin
	name = policy.FoldKey(name)
	if o.class != KnownProject {
		return key{}, false
	}
	cases, unknown := o.project.DoorCases(w, o.ref, name)
	if cases == nil {
		return key{}, false
	}
	at := func(refs regular.Language) regular.Language {
		return w.Intersect(s.groups[0].Words, w.Preimage(refs, template(trackRef), originTracks))
	}
	k := key{Key: Key{Name: name, Unknown: at(unknown)}}
	for _, c := range cases {
		k.Cases = append(k.Cases, Case{c.Value, at(c.Refs)})
	}
	if w.Err() == nil {
		s.keys[name] = k
		s.names = append(s.names, name)
	}
	return k, true
}

// ownersGroups are the keys of projects whose owner nobody knows, who sets what
// GitLab enforces there.
var ownersGroups = sync.OnceValue(func() []Group {
	either := regular.OneOf("true", "false")
	var numbers []string
	for n := range guard.MostApprovals + 1 {
		numbers = append(numbers, strconv.Itoa(n))
	}
	var out []Group
	for _, name := range guard.DoorKeys() {
		g := Group{Words: either, Tracks: 1, Keys: []Key{{Name: name, Template: template(1)}}}
		if name == guard.DoorPrefix+"approvals" {
			g.Words = regular.OneOf(numbers...)
		}
		out = append(out, g)
	}
	return out
})

// askedBy prepares the shape for questions about some policies: one that asks what
// GitLab enforces finds the groups of strangers' projects. Boxes that are held
// against each other are made after it.
func (s *Shape) askedBy(docs ...*policy.Document) {
	if !s.doors || s.owned || s.origin.class != OtherProject && s.origin.class != ReusedPath || !slices.ContainsFunc(docs, asksDoor) {
		return
	}
	s.owned = true
	s.add(ownersGroups()...)
}

// asksDoor reports whether a policy asks what GitLab enforces.
func asksDoor(doc *policy.Document) bool {
	for _, st := range doc.Statements() {
		conditions := st.Conditions()
		for i := range conditions {
			if c := &conditions[i]; isDoor(c.Key()) || slices.ContainsFunc(c.Variables(), isDoor) {
				return true
			}
		}
	}
	return false
}

// closed is a gap without the requirements that the statement has the exchange ask
// about itself: where nobody here knows whether a guard stands, nobody gets in
// unless it does.
func closed(st *policy.Statement, gap guard.Gap) guard.Gap {
	if gap.Surely {
		return gap // where it surely does not stand nobody gets in either
	}
	var left []guard.Requirement
	for _, r := range gap.Breaks {
		if !Demands(st, r) {
			left = append(left, r)
		}
	}
	gap.Breaks = left
	return gap
}

// Demands reports whether some condition of a statement holds only where the
// exchange finds a requirement met.
func Demands(st *policy.Statement, r guard.Requirement) bool {
	name, broken := r.Door()
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if name == "" || !c.IsKey(name) {
			continue
		}
		met := true
		for _, value := range broken {
			holds, _ := holdsFor(c, setting{name, value})
			met = met && !holds
		}
		if met {
			return true
		}
	}
	return false
}
