package prove

import (
	"slices"
	"strings"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// Access is jobs of one kind that a role lets in, as a person says it.
type Access struct {
	Statement string
	Issuer    string // as in the provider's ARN
	Project   string // its full path, or a pattern of paths; empty for people
	Known     bool   // the project's facts are known
	RunsIn    string // the project in which jobs of others, forks of it, run
	Kind      string // branch, tag, merge request or sign-in
	Refs      string // as patterns
	Sources   string // pipeline_source, as patterns; empty: any
	Claims    []Confined
	Perhaps   []string // what nobody here can read, so that fewer may get in
}

// Confined is a claim that the statement confines beyond project, ref and source.
type Confined struct{ Key, Values string }

// WhoCan is everybody whom a trust policy lets in.
func (w *World) WhoCan(doc *policy.Document) ([]Access, error) {
	var out []Access
	for _, st := range doc.Statements() {
		if st.Denies() || !st.CoversAction(actionWebIdentity) {
			continue
		}
		for _, is := range w.issuers {
			if !st.Trusts(is.Provider) {
				continue
			}
			list, err := is.whoCan(doc, st)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// OtherWays are the ways into the role that nothing here follows: principals that
// are no identity provider, providers that are not among the world's, and tokens
// that WhoCan does not list, where it lists none.
func (w *World) OtherWays(doc *policy.Document) []string {
	var out []string
	for _, st := range doc.Statements() {
		if st.Denies() {
			continue
		}
		for _, f := range w.otherWays(st) {
			out = append(out, st.Name()+": "+f.Why)
		}
		for _, is := range w.issuers {
			if why := is.oddWay(doc, st); why != "" {
				out = append(out, st.Name()+": "+why)
			}
		}
	}
	return out
}

// oddWay is why nobody can say that a statement lets in no job, where whoCan finds
// none.
func (is *issuerWorld) oddWay(doc *policy.Document, st *policy.Statement) string {
	if !st.Trusts(is.Provider) || !st.CoversAction(actionWebIdentity) {
		return ""
	}
	if list, err := is.whoCan(doc, st); err != nil || len(list) > 0 {
		return ""
	}
	work := regular.NewWork(is.budget())
	takes := func(s *Shape) bool { return !s.allows(work, doc, st, is.Provider).empty() }
	for _, s := range is.elsewhereAll(work, st) {
		if takes(s) {
			return ranElsewhere(s.origin.project)
		}
	}
	for s := range is.coarseOf(work, st, true) {
		if takes(s) {
			return s.origin.odd()
		}
	}
	return ""
}

func (is *issuerWorld) whoCan(doc *policy.Document, st *policy.Statement) ([]Access, error) {
	work := regular.NewWork(is.budget())
	shapes, err := is.reachable(work, doc, st)
	if err != nil {
		return nil, err
	}
	var out []Access
	for _, s := range shapes {
		r := s.allows(work, doc, st, is.Provider)
		for _, b := range r.perhaps {
			a := b.access(work, is, st)
			a.Perhaps = r.unmodelled
			if !slices.ContainsFunc(out, func(have Access) bool { return have.same(a) }) {
				out = append(out, a)
			}
		}
	}
	return out, work.Err()
}

func (a Access) same(b Access) bool {
	return a.Statement == b.Statement && a.Project == b.Project && a.RunsIn == b.RunsIn && a.Kind == b.Kind && a.Refs == b.Refs && a.Sources == b.Sources && slices.Equal(a.Claims, b.Claims)
}

// reachable are the shapes that a statement may be about: of the projects that the
// filter leaves, of all others, and of people.
func (is *issuerWorld) reachable(work *regular.Work, doc *policy.Document, st *policy.Statement) ([]*Shape, error) {
	var out []*Shape
	filter := newFilter(work, is.Provider.URL, st)
	if is.Facts != nil {
		for i := range is.Facts.Projects {
			p := &is.Facts.Projects[i]
			if filter.mayBe(p) {
				out = append(out, is.world(p).shapes...)
			}
			out = append(out, is.forksOf(p, doc, st)...)
		}
	}
	return append(append(out, is.otherShapes()...), is.personShapes(st)...), is.err
}

// access says a box in words.
func (b box) access(w *regular.Work, is *issuerWorld, st *policy.Statement) Access {
	a := Access{Statement: st.Name(), Issuer: is.Provider.URL, Kind: b.shape.origin.kind()}
	prefix := is.Provider.URL + ":"
	hints := patternsOf(st)
	if b.shape.origin.class == Person {
		a.Project = ""
	} else {
		project := template(trackNamespace, "/", trackName)
		paths := w.Image(b.parts[0].words, project, originTracks)
		every := w.Image(b.shape.groups[0].Words, project, originTracks)
		if b.shape.origin.class == KnownProject {
			every = regular.Text()
		}
		a.Project = w.Describe(paths, every, hints...).String()
		a.Known = b.shape.origin.class == KnownProject
		if b.shape.origin.class == ForkOfKnown {
			a.RunsIn = b.shape.origin.project.Path
		}
		refs := w.Image(b.parts[0].words, template(trackRef), originTracks)
		a.Refs = w.Describe(refs, b.shape.refNames(), hints...).String()
	}
	for i, p := range b.parts {
		whole := b.shape.groups[i]
		if i == 0 || p.words.Equal(whole.Words) && p.missing == whole.Optional {
			continue
		}
		for _, c := range confinedOf(w, whole, p, hints) {
			if policy.SameKey(c.Key, prefix+"pipeline_source") {
				a.Sources = c.Values
				continue
			}
			a.Claims = append(a.Claims, Confined{strings.TrimPrefix(c.Key, prefix), c.Values})
		}
	}
	return a
}

// confinedOf are the keys of a group that its part of a box confines. Of one that
// only has to be there, or not, the first key says so.
func confinedOf(w *regular.Work, g Group, p part, hints []string) []Confined {
	if p.words.IsEmpty() {
		return []Confined{{g.Keys[0].Name, "absent"}}
	}
	var out []Confined
	for _, k := range g.Keys {
		values, all := k.image(w, g, p.words), k.image(w, g, g.Words)
		if values.Equal(all) {
			continue
		}
		text := describeValues(w, values, all, hints)
		if p.missing {
			text += ", or absent"
		}
		out = append(out, Confined{k.Name, text})
	}
	if len(out) == 0 && p.missing != g.Optional {
		out = append(out, Confined{g.Keys[0].Name, "present"})
	}
	return out
}

// describeValues says which of a key's values are meant: where there are few, by
// naming them or those that are not.
func describeValues(w *regular.Work, values, all regular.Language, hints []string) string {
	list, few := values.Words(maxValues)
	every, finite := all.Words(maxValues)
	if !few || !finite {
		return w.Describe(values, all, hints...).String()
	}
	if 2*len(list) <= len(every) || len(list) == len(every) {
		return strings.Join(list, ", ")
	}
	return "any but " + strings.Join(slices.DeleteFunc(every, func(v string) bool { return slices.Contains(list, v) }), ", ")
}

// image is the values the key has in some of its group's words.
func (k Key) image(w *regular.Work, g Group, words regular.Language) regular.Language {
	g.Words = words
	return key{Key: k}.values(w, g)
}

// refNames is every name a ref of the shape can have.
func (s *Shape) refNames() regular.Language {
	if s.origin.ref == guard.Tag {
		return guard.TagNames()
	}
	return guard.BranchNames()
}

// patternsOf are the patterns a reader of the statement knows: the values of its
// conditions, and of sub the parts behind its components' names.
func patternsOf(st *policy.Statement) []string {
	var out []string
	conditions := st.Conditions()
	for i := range conditions {
		for _, v := range conditions[i].Values() {
			text := v.Text()
			out = append(out, text)
			for _, name := range []string{"project_path:", ":ref:"} {
				if _, behind, found := strings.Cut(text, name); found {
					value, _, _ := strings.Cut(behind, ":")
					out = append(out, value)
				}
			}
		}
	}
	return out
}
