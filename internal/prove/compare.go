package prove

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// Change says what a new trust policy lets in that an old one did not, and the
// other way round.
type Change struct {
	// Wider: somebody new gets in. Narrower: somebody no longer does. Proven and
	// Refuted say yes and no, Unknown that nobody can say.
	Wider, Narrower Verdict
	Added, Removed  []Difference
	Unknown         []string // why something is unknown
}

// Difference is somebody who gets in by one policy and not by the other.
type Difference struct {
	Statement string // of the policy that lets them in
	Provider  arn.Provider
	Claims    Claims // a job of the provider; none: see Who
	Who       string // a principal of another kind
}

// Diff compares two trust policies over every token their issuers could sign:
// those of a GitLab as GitLab makes them, of others any.
func Diff(old, changed *policy.Document, gitlabs []arn.Provider) (Change, error) {
	var c Change
	var err error
	var why []string
	if c.Added, c.Wider, why, err = added(old, changed, gitlabs); err != nil {
		return Change{}, err
	}
	c.Unknown = append(c.Unknown, why...)
	if c.Removed, c.Narrower, why, err = added(changed, old, gitlabs); err != nil {
		return Change{}, err
	}
	c.Unknown = append(c.Unknown, why...)
	slices.Sort(c.Unknown)
	c.Unknown = slices.Compact(c.Unknown)
	return c, nil
}

// added is whom changed lets in and old does not. Proven: there is somebody.
func added(old, changed *policy.Document, gitlabs []arn.Provider) ([]Difference, Verdict, []string, error) {
	var out []Difference
	var why []string
	verdict := Refuted // nobody, so far
	for _, st := range changed.Statements() {
		if st.Denies() || samePlace(old, changed, st) {
			continue
		}
		for _, p := range providersOf(st) {
			if !st.CoversAction(actionWebIdentity) {
				continue
			}
			work := regular.NewWork(maxStates * 4)
			for s := range diffShapes(work, p, gitlabs, st, old, changed).of(work, st) {
				s.askedBy(old, changed)
				r := s.allows(work, changed, st, p)
				rest := region{r.surely, r.perhaps, r.unmodelled}
				for _, o := range old.Statements() {
					if !rest.empty() && !o.Denies() && o.Trusts(p) && o.CoversAction(actionWebIdentity) {
						rest = rest.minus(work, s.allows(work, old, o, p))
					}
				}
				if work.Err() != nil {
					return nil, Unknown, nil, work.Err()
				}
				d, ok := difference(s, st, rest.surely)
				if ok && s.coarse {
					why = append(why, s.origin.odd())
					continue
				}
				if ok && s.unlinked && asksBehindSub(p, old, changed) {
					why = append(why, "a project may make its sub of other components than GitLab's default, and what such a sub and the claims beside it say together is not compared")
					continue
				}
				if ok {
					d.Provider = p
					if s.unlinked {
						d.Claims = d.Claims.About(p, old, changed)
					}
					verdict = Proven
					out = append(out, d)
					break // one witness a statement and issuer
				}
				if !rest.empty() {
					why = append(why, rest.unmodelled...)
				}
			}
		}
		others, unsure := otherPrincipals(old, st)
		out, why = append(out, others...), append(why, unsure...)
		if len(others) > 0 {
			verdict = Proven
		}
	}
	if verdict == Refuted && len(why) > 0 {
		verdict = Unknown
	}
	return out, verdict, why, nil
}

// difference is the shortest request of some boxes.
func difference(s *Shape, st *policy.Statement, boxes []box) (Difference, bool) {
	for _, b := range boxes {
		if m, ok := b.shortest(); ok {
			return Difference{Statement: st.Name(), Claims: s.claims(m)}, true
		}
	}
	return Difference{}, false
}

// shortest is a request of the box with as few keys, and as short values, as can
// be.
func (b box) shortest() ([]member, bool) {
	if b.empty() {
		return nil, false
	}
	members := make([]member, len(b.parts))
	for i, p := range b.parts {
		members[i].missing = p.missing
		if !p.missing {
			members[i].word, _ = p.words.Witness()
		}
	}
	return members, true
}

// samePlace reports whether the old policy has the very statement, and denies
// nothing that the new one does not: then it adds nobody, whatever its conditions
// say.
func samePlace(old, changed *policy.Document, st *policy.Statement) bool {
	has := func(d *policy.Document, st *policy.Statement) bool {
		return slices.ContainsFunc(d.Statements(), func(o *policy.Statement) bool { return o.Says(st) })
	}
	for _, deny := range old.Statements() {
		if deny.Denies() && !has(changed, deny) {
			return false
		}
	}
	return has(old, st)
}

// providersOf are the identity providers that a statement names.
func providersOf(st *policy.Statement) []arn.Provider {
	var out []arn.Provider
	names, _ := st.Principals()
	for _, n := range names {
		if p, err := arn.ParseProvider(n.Text); n.Type == policy.Federated && err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Providers are the identity providers that a policy names, each once.
func Providers(doc *policy.Document) []arn.Provider {
	var out []arn.Provider
	for _, st := range doc.Statements() {
		for _, p := range providersOf(st) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// signed is everything that an issuer can sign.
type signed struct {
	shapes []*Shape
	gitlab *issuerWorld // whose coarse shapes are made at need; nil: it is none
}

// of are the shapes that a statement may be about, the coarse ones last.
func (all signed) of(w *regular.Work, st *policy.Statement) iter.Seq[*Shape] {
	return func(yield func(*Shape) bool) {
		if slices.ContainsFunc(all.shapes, func(s *Shape) bool { return !yield(s) }) || all.gitlab == nil {
			return
		}
		all.gitlab.coarseOf(w, st, false)(yield)
	}
}

// diffShapes are the shapes of everything an issuer can sign. One that is no
// GitLab, as far as is known, signs anything.
func diffShapes(w *regular.Work, p arn.Provider, gitlabs []arn.Provider, st *policy.Statement, docs ...*policy.Document) signed {
	if slices.Contains(gitlabs, p) {
		is := &issuerWorld{Issuer: &Issuer{Provider: p}}
		return signed{append(append(is.otherShapes(), is.shape(w, origin{class: Person})), is.unusualOf(w, st)...), is}
	}
	groups := requestGroups(w, p)
	made := map[string]bool{}
	for _, g := range groups {
		for _, k := range g.Keys {
			made[policy.FoldKey(k.Name)] = true
		}
	}
	for _, doc := range docs {
		for _, st := range doc.Statements() {
			for _, name := range st.Keys() {
				if fold := policy.FoldKey(name); !made[fold] && opaqueKeys(&Issuer{Provider: p})[fold] == "" {
					made[fold] = true
					groups = append(groups, Group{Words: regular.Text(), Tracks: 1, Optional: true, Keys: []Key{{Name: name, Template: template(1)}}})
				}
			}
		}
	}
	s := NewShape("a token of "+p.URL, groups...)
	s.opaque = opaqueKeys(&Issuer{Provider: p})
	return signed{shapes: []*Shape{s}}
}

// asksBehindSub reports whether some policies ask for a claim that an unusual sub
// may say as well.
func asksBehindSub(p arn.Provider, docs ...*policy.Document) bool {
	for _, doc := range docs {
		for _, st := range doc.Statements() {
			for _, key := range st.Keys() {
				for _, claim := range []string{"ref", "ref_path", "ref_protected", "environment_protected", "deployment_tier"} {
					if policy.SameKey(key, p.URL+":"+claim) {
						return true
					}
				}
			}
		}
	}
	return false
}

// otherPrincipals are those that a statement lets assume the role without a token,
// and that no statement of the old policy names.
func otherPrincipals(old *policy.Document, st *policy.Statement) (added []Difference, unsure []string) {
	names, _ := st.Principals()
	for _, n := range names {
		if n.Type == policy.Federated && strings.Contains(n.Text, ":oidc-provider/") {
			continue
		}
		for _, action := range policy.TrustActions() {
			if !st.CoversAction(action) || n.Type != policy.Everyone && action == actionWebIdentity && n.Type != policy.Federated {
				continue
			}
			named, same := false, false
			for _, o := range old.Statements() {
				if o.Denies() || !o.CoversAction(action) || !o.NamesPrincipal(n) {
					continue
				}
				named = true
				same = same || o.SameConditions(st) || len(o.Conditions()) == 0
			}
			switch {
			case !named:
				added = append(added, Difference{Statement: st.Name(), Who: n.Text + " by " + action})
			case !same:
				unsure = append(unsure, "conditions on "+n.Text+" are not compared")
			}
		}
	}
	return added, unsure
}

// ErrNoIssuer is the error of a question about a policy that trusts none of the
// issuers that are known.
var ErrNoIssuer = errors.New("the policy trusts none of the identity providers that are known")

// Overlap is a job that gets two roles, if there is one. Unknown: nobody can say,
// because.
type Overlap struct {
	Verdict  Verdict // Proven: no single job gets both
	Provider arn.Provider
	Claims   Claims // of a job that gets both
	Why      []string
}

// Disjoint says whether any single job gets both of two roles.
func (w *World) Disjoint(a, b *policy.Document) (Overlap, error) {
	out := Overlap{Verdict: Proven}
	for _, is := range w.issuers {
		for _, sa := range a.Statements() {
			for _, sb := range b.Statements() {
				if sa.Denies() || sb.Denies() || !sa.Trusts(is.Provider) || !sb.Trusts(is.Provider) || !sa.CoversAction(actionWebIdentity) || !sb.CoversAction(actionWebIdentity) {
					continue
				}
				found, err := is.both(&out, [2]*policy.Document{a, b}, [2]*policy.Statement{sa, sb})
				if found || err != nil {
					return out, err
				}
			}
		}
	}
	slices.Sort(out.Why)
	out.Why = slices.Compact(out.Why)
	return out, nil
}

// both looks for a job that two statements let in; true if there is one.
func (is *issuerWorld) both(out *Overlap, docs [2]*policy.Document, statements [2]*policy.Statement) (bool, error) {
	work := regular.NewWork(is.budget())
	look := func(s *Shape) bool {
		s.askedBy(docs[:]...)
		ra := s.allows(work, docs[0], statements[0], is.Provider)
		if ra.empty() {
			return false
		}
		rb := s.allows(work, docs[1], statements[1], is.Provider)
		if m, ok := meet(work, ra.surely, rb.surely); ok {
			*out = Overlap{Verdict: Refuted, Provider: is.Provider, Claims: s.claims(m)}
			return true
		}
		if _, ok := meet(work, ra.perhaps, rb.perhaps); ok {
			out.Verdict = Unknown
			out.Why = append(append(out.Why, ra.unmodelled...), rb.unmodelled...)
		}
		return false
	}
	shapes, err := is.reachable(work, docs[0], statements[0])
	for i := 0; is.Facts != nil && i < len(is.Facts.Projects); i++ { // what only the other one asks about
		if forks := is.forksOf(&is.Facts.Projects[i], docs[1], statements[1]); len(forks) > 0 && !slices.Contains(shapes, forks[0]) {
			shapes = append(shapes, forks...)
		}
	}
	if err != nil || slices.ContainsFunc(shapes, look) {
		return err == nil, cmp.Or(err, work.Err())
	}
	origins := []origin{{class: OtherProject}, {class: OtherProject, ref: guard.Tag}}
	filters := [2]filter{newFilter(work, is.Provider.URL, statements[0]), newFilter(work, is.Provider.URL, statements[1])}
	for i := 0; is.Facts != nil && i < len(is.Facts.Projects); i++ {
		p := &is.Facts.Projects[i]
		for _, spelt := range []bool{false, true} {
			if !filters[0].mayBeReused(p, spelt) || !filters[1].mayBeReused(p, spelt) {
				continue
			}
			if slices.ContainsFunc(is.reusedOf(p, spelt), look) {
				return true, work.Err()
			}
			origins = append(origins, origin{class: ReusedPath, project: p, spelt: spelt}, origin{class: ReusedPath, project: p, ref: guard.Tag, spelt: spelt})
		}
	}
	for _, o := range origins {
		few := regular.NewWork(is.budget() / strangersShare)
		for s := range is.strangers(few, o, docs[:], statements[:]) {
			if look(s) {
				return true, cmp.Or(work.Err(), few.Err())
			}
		}
		if few.Err() != nil {
			out.Verdict, out.Why = Unknown, append(out.Why, errTooMany.Error())
		}
	}
	for _, s := range is.elsewhereAll(work, statements[0]) {
		ra, rb := s.allows(work, docs[0], statements[0], is.Provider), s.allows(work, docs[1], statements[1], is.Provider)
		if _, ok := meet(work, ra.perhaps, rb.perhaps); ok {
			out.Verdict, out.Why = Unknown, append(out.Why, ranElsewhere(s.origin.project))
		}
	}
	for s := range is.coarseOf(work, statements[0], true) {
		ra, rb := s.allows(work, docs[0], statements[0], is.Provider), s.allows(work, docs[1], statements[1], is.Provider)
		if _, ok := meet(work, ra.perhaps, rb.perhaps); ok {
			out.Verdict, out.Why = Unknown, append(out.Why, s.origin.odd())
		}
	}
	return false, cmp.Or(work.Err(), is.err)
}

// meet is a request that is in one of the first boxes and one of the second.
func meet(w *regular.Work, a, b []box) ([]member, bool) {
	for _, x := range intersect(w, a, b) {
		if m, ok := x.pick(); ok {
			return m, true
		}
	}
	return nil, false
}
