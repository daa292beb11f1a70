package prove

import (
	"slices"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/regular"
)

// What a token says of a job may follow from facts that nobody knows. Then GitLab
// makes one of several tokens, and nobody here can say which. The job gets in
// surely if every one of them does.

// blurred is a group's words and those that are told from them by open tracks
// alone.
func (g Group) blurred(w *regular.Work, words regular.Language) regular.Language {
	if len(g.Open) == 0 || words.IsEmpty() {
		return words
	}
	var t regular.Template
	for track := 1; track <= g.Tracks; track++ {
		if slices.Contains(g.Open, track) {
			continue
		}
		if len(t) > 0 {
			t = append(t, regular.Piece{Text: "\n"}) // in no track of a group that has open ones
		}
		t = append(t, regular.Piece{Track: track})
	}
	return w.Preimage(w.Image(words, t, g.Tracks), t, g.Tracks)
}

// blurred is the requests of the box, and those that nobody can tell from them.
func (b box) blurred(w *regular.Work) box {
	out := box{b.shape, slices.Clone(b.parts)}
	for i, g := range b.shape.groups {
		out.parts[i].words = g.blurred(w, b.parts[i].words)
	}
	return out
}

// within are the requests of boxes in which one group is within bounds.
func within(w *regular.Work, boxes []box, group int, bounds part) []box {
	var out []box
	for _, b := range boxes {
		if p := b.parts[group]; !w.Overlap(p.words, bounds.words) && !(p.missing && bounds.missing) {
			continue // quickly seen, and mostly so
		}
		if b = b.limit(w, group, bounds); !b.empty() {
			out = append(out, b)
		}
	}
	return out
}

// kin are the shapes of which a token may be that nobody can tell from one of a
// shape: where sub says what nobody knows, there is one for each thing it can say.
func (is *issuerWorld) kin(w *regular.Work, s *Shape) []*Shape {
	pw := is.world(s.origin.project)
	if known, ok := pw.kin[s]; ok {
		return known
	}
	var out []*Shape
	all := s.all().blurred(w)
	for _, t := range slices.Concat(pw.shapes, pw.forks) {
		if t.origin.class == s.origin.class && t.origin.ref == s.origin.ref && !all.and(w, t.all()).empty() {
			out = append(out, t)
		}
	}
	if w.Err() == nil {
		pw.kin[s] = out
	}
	return out
}

// takes is what the statement takes of a shape.
func (j *judgement) takes(s *Shape) region {
	r, ok := j.taken[s]
	if !ok {
		r = s.allows(j.work, j.doc, j.statement, j.Provider)
		j.taken[s] = r
	}
	return r
}

// settled are the tokens of a shape that the statement takes, with a group within
// bounds, whatever nobody knows turns out to be: of each there is one that is
// surely made, it or one that it cannot be told from, and that is taken too.
func (j *judgement) settled(s *Shape, group int, bounds part) []box {
	w := j.work
	if c := s.origin.class; c != KnownProject && c != ForkOfKnown || !s.isOpen() {
		return within(w, j.takes(s).surely, group, bounds)
	}
	if len(s.groups[group].Open) == 0 || group == 0 { // nothing open is bounded: a gap is of refs
		all, ok := j.sure[s]
		if !ok {
			all = j.settle(s, func(b box) box { return b })
			j.sure[s] = all
		}
		return within(w, all, group, bounds)
	}
	return j.settle(s, func(b box) box { return b.limit(w, group, bounds) })
}

// settle is settled, of what some bounds leave.
func (j *judgement) settle(s *Shape, bounds func(box) box) []box {
	w := j.work
	var left []box
	for _, b := range j.takes(s).surely {
		if b = bounds(b).exclude(w, 0, part{words: s.groups[0].Doubtful}); !b.empty() {
			left = append(left, b)
		}
	}
	for _, t := range j.kin(w, s) {
		others := []box{t.all()}
		for _, b := range j.takes(t).surely {
			others = minus(w, others, bounds(b))
		}
		for _, b := range others {
			left = minus(w, left, b.blurred(w))
		}
	}
	return left
}

// isOpen reports whether any token of the shape may turn out to be another.
func (s *Shape) isOpen() bool {
	return slices.ContainsFunc(s.groups, func(g Group) bool { return len(g.Open) > 0 || !g.Doubtful.IsEmpty() })
}

// unsettled is why nobody can say which tokens of a shape are made, though the
// statement takes some: what it asks of them follows from facts that are not known.
func (j *judgement) unsettled(s *Shape, settled []box, group int) []string {
	if s.origin.class == ReusedPath {
		return j.undecided(s, func(claim string) bool { return j.asks(s, claim) })
	}
	if len(settled) > 0 {
		return j.maybeDefault(s, settled)
	}
	why := j.undecided(s, func(claim string) bool {
		return j.asks(s, claim) || group == s.environmentGroup && claim == "environment_protected"
	})
	if len(why) == 0 {
		why = j.undecided(s, func(string) bool { return true })
	}
	return why
}

// maybeDefault is why nobody can say whether there is a tag, where just one is
// taken: no tag is called like the default branch.
func (j *judgement) maybeDefault(s *Shape, settled []box) []string {
	p := s.origin.project
	if s.origin.class != KnownProject || s.origin.ref != guard.Tag || p.DefaultBranch.State() != guard.StateUnknown {
		return nil
	}
	var refs regular.Language
	for _, b := range settled {
		refs = j.work.Union(refs, j.work.Image(b.parts[0].words, template(trackRef), originTracks))
	}
	if _, one := refs.Word(); !one {
		return nil
	}
	return []string{"the default branch, like which no tag can be called: " + p.DefaultBranch.Why()}
}

// undecided are the facts behind some claims that nobody knows, and why.
func (j *judgement) undecided(s *Shape, about func(claim string) bool) []string {
	var out []string
	for _, f := range claimFacts(s.origin) {
		if f.fact.State() == guard.StateUnknown && slices.ContainsFunc(f.claims, about) {
			out = append(out, f.what+": "+f.fact.Why())
		}
	}
	return out
}
