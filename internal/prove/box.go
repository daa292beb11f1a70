package prove

import (
	"slices"

	"mayfly.internal/internal/regular"
)

// box is a set of requests of a shape: for each group the words it may be, and
// whether it may be missing. A request is in the box if each of its groups is.
type box struct {
	shape *Shape
	parts []part
}

type part struct {
	words   regular.Language
	missing bool
}

func (p part) empty() bool { return p.words.IsEmpty() && !p.missing }

// all is the box of every request of a shape.
func (s *Shape) all() box {
	b := box{s, make([]part, len(s.groups))}
	for i, g := range s.groups {
		b.parts[i] = part{g.Words, g.Optional}
	}
	return b
}

// empty reports whether no request is in the box.
func (b box) empty() bool { return b.shape == nil || slices.ContainsFunc(b.parts, part.empty) }

// limit is the requests of the box in which one group is within bounds.
func (b box) limit(w *regular.Work, group int, bounds part) box {
	p := b.parts[group]
	if (!p.missing || bounds.missing) && w.Within(p.words, bounds.words) {
		return b
	}
	out := box{b.shape, slices.Clone(b.parts)}
	out.parts[group] = part{w.Intersect(p.words, bounds.words), p.missing && bounds.missing}
	return out
}

// exclude is the requests of the box in which one group is not within bounds.
func (b box) exclude(w *regular.Work, group int, bounds part) box {
	p := b.parts[group]
	out := box{b.shape, slices.Clone(b.parts)}
	out.parts[group] = part{w.Subtract(p.words, bounds.words), p.missing && !bounds.missing}
	return out
}

// and is the requests that are in both boxes, of one shape.
func (b box) and(w *regular.Work, c box) box {
	for i, p := range c.parts {
		b = b.limit(w, i, p)
	}
	return b
}

// intersect is the requests that are in one of each, as boxes.
func intersect(w *regular.Work, a, b []box) []box {
	var out []box
	for _, x := range a {
		for _, y := range b {
			if z := x.and(w, y); !z.empty() {
				out = append(out, z)
			}
		}
	}
	return out
}

// minus is the requests of the boxes that are not in c, as boxes that do not
// overlap.
func minus(w *regular.Work, boxes []box, c box) []box {
	var out []box
	for _, b := range boxes {
		if b.and(w, c).empty() {
			out = append(out, b)
			continue
		}
		for i, p := range c.parts {
			if rest := b.exclude(w, i, p); !rest.empty() {
				out = append(out, rest)
			}
			b = b.limit(w, i, p)
		}
	}
	return out
}

// contains reports whether a request is in the box.
func (b box) contains(members []member) bool {
	for i, m := range members {
		if m.missing && !b.parts[i].missing || !m.missing && !b.parts[i].words.Contains(m.word) {
			return false
		}
	}
	return len(members) > 0
}
