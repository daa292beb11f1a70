package prove

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// Of a project that nobody knows the jobs may be odder than the other shapes say.
// Its merge requests may run in another such project; and its sub may name the
// project behind other components, or say one of them twice. The shapes here hold
// every such token. They hold more, for it is forgotten how sub hangs together with
// other claims: what they do not let in, nobody gets, and what they do is unknown.

// coarse judges the odd tokens of projects nothing is known of, by work of its own:
// what is too large here leaves what was found. It looks only at what is proven
// without them.
func (j *judgement) coarse() {
	reused := j.mayBeReused()
	if !j.filter.mayBeOther(j.Facts) && !reused {
		return
	}
	work, look := regular.NewWork(j.budget()), *j
	look.work = work
	for s := range j.coarseOf(work, j.statement, reused) {
		r := s.allows(work, j.doc, j.statement, j.Provider)
		if r.empty() || work.Err() != nil {
			continue
		}
		f := Finding{Verdict: Unknown, Requires: j.require, Guard: guardKnownProjects, Kind: s.origin.kind(), Fix: "name the one project that is meant by project_id, and give its facts",
			Why: strings.Join(append([]string{s.origin.odd()}, slices.Compact(slices.Clone(r.unmodelled))...), "; ")}
		if paths, all := look.values(s, r, template(trackNamespace, "/", trackName)); all && len(paths) > 0 { // none where it is too large
			f.Project = paths[0]
		}
		j.finding(f)
		return // one finding says it
	}
	if err := cmp.Or(j.err, work.Err()); err != nil {
		j.finding(Finding{Verdict: Unknown, Why: "odd tokens of other projects: " + err.Error()})
	}
}

// odd is why nobody can say that an odd token is not made.
func (o origin) odd() string {
	if o.class == RunsElsewhere {
		return "nothing is known of the projects: one's merge requests may run in another, where its jobs have such tokens"
	}
	return "nothing is known of the project: its owner may have made sub of other components, or of one of them twice, and then a job may have such a token"
}

// mayBeReused reports whether the statement may be about another project under the
// path of one that is known, where that matters.
func (j *judgement) mayBeReused() bool {
	if j.Facts == nil || !hasKind(j.require, guard.ImmutableID) {
		return false
	}
	for _, leads := range j.filter.leads {
		if !slices.ContainsFunc(leads, func(lead string) bool { return strings.Contains(lead, "project_path:") || !isKnown(j.Facts, lead) }) {
			return false // an id is never used again
		}
	}
	return slices.ContainsFunc(j.Facts.Projects, func(p guard.Project) bool {
		return (j.filter.mayBeReused(&p, false) || j.filter.mayBeReused(&p, true)) && !j.filter.pins(&p)
	})
}

// coarseOf are the coarse shapes that a statement may be about, made at need; with
// those of projects that took the path of a known one, or without.
func (is *issuerWorld) coarseOf(w *regular.Work, st *policy.Statement, reused bool) iter.Seq[*Shape] {
	within := newFilter(w, is.Provider.URL, st).subjects
	origins := []origin{{class: RunsElsewhere, ref: guard.MergeRequest, protected: "false", reused: reused},
		{class: OtherProject, ref: guard.Branch, reused: reused}, {class: OtherProject, ref: guard.Tag, reused: reused}}
	return func(yield func(*Shape) bool) {
		for _, o := range origins {
			for _, lead := range leads {
				if slices.ContainsFunc(within, func(l regular.Language) bool { return !l.Begins(lead + ":") }) {
					continue
				}
				for _, s := range is.coarseBehind(o, lead) {
					if !yield(s) {
						return
					}
				}
			}
		}
	}
}

// coarseBehind are the coarse shapes of an origin whose sub has a lead.
func (is *issuerWorld) coarseBehind(o origin, lead string) []*Shape {
	name := fmt.Sprint(lead, " of ", o, " ", o.reused)
	if is.odd[name] == nil {
		if is.odd == nil {
			is.odd = map[string][]*Shape{}
		}
		work := regular.NewWork(is.budget())
		switch {
		case o.class == RunsElsewhere:
			is.odd[name] = is.strangersElsewhere(work, o, lead)
		case o.ref == guard.Tag:
			is.odd[name] = []*Shape{is.unlinkedBehind(work, o, lead, oddBehind().tags.odd)}
		default:
			is.odd[name] = []*Shape{is.unlinkedBehind(work, o, lead, oddBehind().branches.odd)}
		}
		for _, s := range is.odd[name] {
			s.coarse = true
		}
		is.err = cmp.Or(is.err, work.Err())
	}
	return is.odd[name]
}

// strangersElsewhere are the shapes of the merge requests of strangers' projects
// that run in other projects: with GitLab's own sub, and with any other. Those that
// run in a project of which it is known what sub is made of are forks' jobs, at
// which forksOf looks.
func (is *Issuer) strangersElsewhere(w *regular.Work, o origin, lead string) []*Shape {
	b := &shapeBuilder{w: w, issuer: is, origin: o}
	ids, paths := b.strangersRunIn()
	var out []*Shape
	add := func(components []string, sub func(g *Group)) {
		one := *b
		one.origin.components = components
		g := one.originGroup()
		sub(&g)
		s := is.finish(w, one.origin, append([]Group{g, b.runsIn(ids, paths)}, one.otherGroups()...))
		s.unlinked = true
		out = append(out, s)
	}
	behind := oddBehind().branches.any
	for _, usual := range [][]string{defaultComponents, idComponents} {
		if lead == usual[0] {
			add(usual, func(*Group) {})
			behind = w.Subtract(behind, w.Concat(regular.Literal(":"), customSubjects().of(w, usual[1:])))
		}
	}
	add([]string{lead}, func(g *Group) {
		sub := &g.Keys[0]
		switch lead { // the project where it runs is another group's
		case "job_project_path":
			*sub, behind = b.key("sub", lead+":"), w.Concat(w.Image(paths, template(1, "/", 2), 2), behind)
		case "job_project_id":
			*sub, behind = b.key("sub", lead+":"), w.Concat(ids, behind)
		}
		g.Words, g.Tracks = w.Join(g.Words, behind), originTracks+1
		sub.Template = append(sub.Template, regular.Piece{Track: originTracks + 1})
	})
	return out
}

// strangersRunIn are the ids and, as two tracks, the paths of the projects in which
// strangersElsewhere has jobs run.
func (b *shapeBuilder) strangersRunIn() (ids, paths regular.Language) {
	ids, paths = guard.Numbers(), b.w.Join(guard.NamespacePaths(), guard.SegmentNames())
	if b.issuer.Facts == nil {
		return ids, paths
	}
	for i := range b.issuer.Facts.Projects {
		p := &b.issuer.Facts.Projects[i]
		if on, told := p.ForkPipelinesInParent.Value(); (!told || on) && p.SubComponents.State() != guard.StateKnown {
			continue
		}
		if ids = b.w.Subtract(ids, knownID(p.ID)); !b.origin.reused {
			paths = b.w.Subtract(paths, pathOf(b.w, p))
		}
	}
	return ids, paths
}

// behindLead is what may stand in sub behind the component that leads it: anything,
// and what strangers does not try.
type behindLead struct{ any, odd regular.Language }

// oddBehind is what a stranger's sub may say behind its lead, for each kind of ref.
// GitLab takes any component any number of times. Which project it names there is
// left open, and how names of projects and refs are made: none has a colon.
var oddBehind = sync.OnceValue(func() (out struct{ branches, tags behindLead }) {
	w := regular.NewWork(1 << 20)
	name := w.Subtract(regular.Text(), w.Union(regular.Literal(""), w.Concat(regular.Text(), regular.Literal(":"), regular.Text())))
	component := func(c string) regular.Language {
		if c == "ref" || strings.HasSuffix(c, "_path") {
			return w.Concat(regular.Literal(c+":"), name)
		}
		return customSubjects().component[c]
	}
	for i, refType := range []string{"branch", "tag"} {
		each := map[string]regular.Language{"ref_type": regular.OneOf("ref_type:" + refType)}
		for _, name := range behinds[1:] {
			each[name] = component(name)
		}
		var project, all []regular.Language
		for _, name := range leads {
			project = append(project, w.Concat(regular.Literal(":"), component(name)))
		}
		for _, name := range behinds {
			all = append(all, w.Concat(regular.Literal(":"), each[name]))
		}
		b := behindLead{any: w.Repeat(w.Union(append(all, project...)...))}
		odd := []regular.Language{w.Concat(b.any, w.Union(project...), b.any)}
		for _, one := range all {
			odd = append(odd, w.Concat(b.any, one, b.any, one, b.any))
		}
		b.odd = w.Union(odd...)
		if i == 0 {
			out.branches = b
		} else {
			out.tags = b
		}
	}
	return out
})
