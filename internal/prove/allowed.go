package prove

import (
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

const actionWebIdentity = "sts:AssumeRoleWithWebIdentity"

// region is what a policy, or a statement of one, lets in of a shape. surely is
// what it lets in whatever the conditions say that nobody here can read; perhaps
// is what it lets in if those all hold. They are the same where there are none.
type region struct {
	surely, perhaps []box
	unmodelled      []string // why they differ
}

// exact reports whether nothing is left open.
func (r region) exact() bool { return len(r.unmodelled) == 0 }

func (r region) empty() bool { return len(r.perhaps) == 0 }

// matching reads a statement's conditions on a shape. An Allow matches only where
// every condition surely holds; a Deny also where one cannot be evaluated.
func (s *Shape) matching(w *regular.Work, st *policy.Statement) region {
	surely, perhaps := s.all(), s.all()
	var unmodelled []string
	for _, condition := range s.cheapFirst(st) {
		c := s.constrain(w, condition)
		if c.unmodelled != "" && c.unknown.empty() {
			unmodelled = append(unmodelled, c.unmodelled)
			surely = box{}
			continue
		}
		bounds := c.holds
		if st.Denies() {
			bounds = part{w.Union(bounds.words, c.open.words), bounds.missing || c.open.missing}
		}
		if !c.unknown.empty() && !perhaps.limit(w, c.group, c.unknown).empty() {
			unmodelled = append(unmodelled, c.unmodelled)
		}
		perhaps = perhaps.limit(w, c.group, part{w.Union(bounds.words, c.unknown.words), bounds.missing})
		if surely.shape != nil {
			surely = surely.limit(w, c.group, bounds)
		}
		if perhaps.empty() {
			return region{}
		}
	}
	r := region{perhaps: []box{perhaps}, unmodelled: unmodelled}
	if !surely.empty() {
		r.surely = []box{surely}
	}
	return r
}

// cheapFirst are a statement's conditions, those on project and ref behind the
// others, which may end the matter.
func (s *Shape) cheapFirst(st *policy.Statement) []*policy.Condition {
	var cheap, dear []*policy.Condition
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if k, found := s.keys[policy.FoldKey(c.Key())]; found && k.group == 0 {
			dear = append(dear, c)
		} else {
			cheap = append(cheap, c)
		}
	}
	return append(cheap, dear...)
}

// minus is what is left of a region that another, a Deny's, takes away from.
func (r region) minus(w *regular.Work, deny region) region {
	if r.empty() || deny.empty() {
		return r
	}
	out := region{surely: r.surely, perhaps: r.perhaps, unmodelled: r.unmodelled}
	for _, b := range deny.perhaps {
		out.surely = minus(w, out.surely, b)
	}
	for _, b := range deny.surely {
		out.perhaps = minus(w, out.perhaps, b)
	}
	if !deny.exact() {
		out.unmodelled = append(out.unmodelled[:len(out.unmodelled):len(out.unmodelled)], deny.unmodelled...)
	}
	if out.empty() {
		return region{}
	}
	return out
}

// allows is what one Allow statement of a policy lets in of a shape, what its
// Deny statements take away taken away.
func (s *Shape) allows(w *regular.Work, doc *policy.Document, st *policy.Statement, p arn.Provider) region {
	s.askedBy(doc)
	r := s.matching(w, st)
	for _, deny := range doc.Statements() {
		if r.empty() {
			return region{}
		}
		if deny.Denies() && deny.Concerns(p) && deny.CoversAction(actionWebIdentity) {
			r = r.minus(w, s.matching(w, deny))
		}
	}
	return r
}
