package prove

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// What sub may be made of (GitLab, ci_id_token_sub_claim_components): something
// that says which project, and behind it some of the others in any order. Whoever
// owns a project chooses; one that nobody knows may have chosen anything.
var (
	leads   = []string{"project_path", "project_id", "job_project_path", "job_project_id", "source_project_path", "source_project_id"}
	behinds = []string{"ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"}
)

// component is a component's languages: of its name and value.
func component(w *regular.Work, name string) regular.Language {
	values := map[string]regular.Language{
		"project_path": w.Concat(guard.NamespacePaths(), regular.Literal("/"), guard.SegmentNames()), "project_id": guard.Numbers(),
		"ref_type": regular.OneOf("branch", "tag"), "ref": w.Union(guard.BranchNames(), guard.TagNames()),
		"ref_protected": regular.OneOf("true", "false"), "environment_protected": regular.OneOf("true", "false"), "deployment_tier": regular.OneOf(tiers...),
	}
	value, ok := values[name]
	if !ok {
		value = values["project_"+name[len(name)-len("id"):]]
		if name[len(name)-len("path"):] == "path" {
			value = values["project_path"]
		}
	}
	return w.Concat(regular.Literal(name+":"), value)
}

// subjects are the subs that lists of components make.
type subjects struct {
	component map[string]regular.Language
	unusual   map[string]regular.Language // :: lead and ref_type → what may follow, but for GitLab's default
}

var customSubjects = sync.OnceValue(func() subjects {
	w := regular.NewWork(1 << 20)
	s := subjects{map[string]regular.Language{}, map[string]regular.Language{}}
	for _, name := range append(slices.Clone(leads), behinds...) {
		s.component[name] = component(w, name)
	}
	for _, refType := range []string{"branch", "tag"} {
		var then []regular.Language
		for _, name := range behinds {
			c := s.component[name]
			if name == "ref_type" {
				c = regular.Literal("ref_type:" + refType)
			}
			then = append(then, w.Concat(regular.Literal(":"), c))
		}
		anything := w.Repeat(w.Union(then...))
		for _, lead := range leads {
			s.unusual[lead+refType] = anything
			if lead == defaultComponents[0] || lead == idComponents[0] {
				s.unusual[lead+refType] = w.Subtract(anything, w.Concat(regular.Literal(":"), s.of(w, defaultComponents[1:])))
			}
		}
	}
	return s
})

// of is the subs of one list of components.
func (s subjects) of(w *regular.Work, components []string) regular.Language {
	var parts []regular.Language
	for i, name := range components {
		if i > 0 {
			parts = append(parts, regular.Literal(":"))
		}
		parts = append(parts, s.component[name])
	}
	return w.Concat(parts...)
}

// lists are the lists of components behind a lead, shorter ones first, that make a
// sub in every one of some languages. GitLab's own two are left out.
func (s subjects) lists(w *regular.Work, lead string, within []regular.Language) iter.Seq[[]string] {
	meets := func(subs regular.Language) bool {
		return !slices.ContainsFunc(within, func(l regular.Language) bool { return !w.Overlap(l, subs) })
	}
	more := w.Union(regular.Literal(""), w.Concat(regular.Literal(":"), regular.Text()))
	return func(yield func([]string) bool) {
		queue := [][]string{{lead}}
		for len(queue) > 0 && w.Err() == nil {
			list := queue[0]
			queue = queue[1:]
			subs := s.of(w, list)
			if !meets(w.Concat(subs, more)) {
				continue
			}
			if !slices.Equal(list, defaultComponents) && !slices.Equal(list, idComponents) && meets(subs) && !yield(list) {
				return
			}
			for _, name := range behinds {
				if !slices.Contains(list, name) {
					queue = append(queue, append(list[:len(list):len(list)], name))
				}
			}
		}
	}
}

// unlinked is the shape of an origin's tokens whose sub is made in an unusual way
// behind a lead, where it is forgotten how what follows hangs together with other
// claims. What it does not let in, no such token gets.
func (is *Issuer) unlinked(w *regular.Work, o origin, lead string) *Shape {
	refType, _ := o.refType()
	return is.unlinkedBehind(w, o, lead, customSubjects().unusual[lead+refType])
}

// unlinkedBehind is such a shape, of subs that say some things behind the lead.
func (is *Issuer) unlinkedBehind(w *regular.Work, o origin, lead string, behind regular.Language) *Shape {
	o.components = []string{lead}
	b := &shapeBuilder{w: w, issuer: is, origin: o}
	g := b.originGroup()
	g.Words, g.Tracks = w.Join(g.Words, behind), originTracks+1
	g.Keys[0].Template = append(g.Keys[0].Template, regular.Piece{Track: originTracks + 1})
	s := is.finish(w, o, append([]Group{g}, b.otherGroups()...))
	s.unlinked = true
	return s
}

// unusualOf are the shapes of others' tokens whose sub is made in an unusual way,
// behind the leads that a statement may take; nil: behind all.
func (is *issuerWorld) unusualOf(w *regular.Work, st *policy.Statement) []*Shape {
	var out []*Shape
	var within []regular.Language
	if st != nil {
		within = newFilter(w, is.Provider.URL, st).subjects
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
		for _, lead := range leads {
			if !slices.ContainsFunc(within, func(l regular.Language) bool { return !l.Begins(lead + ":") }) {
				out = append(out, is.unusual(origin{class: OtherProject, ref: kind}, lead))
			}
		}
	}
	return out
}

// unusual is the shape of a stranger's tokens whose sub is made in an unusual way
// behind a lead, as unlinked makes it.
func (is *issuerWorld) unusual(o origin, lead string) *Shape {
	if is.free == nil {
		is.free = map[string]*Shape{}
	}
	name := lead + " of " + o.String()
	if is.free[name] == nil {
		work := regular.NewWork(is.budget())
		is.free[name] = is.unlinked(work, o, lead)
		is.err = cmp.Or(is.err, work.Err())
	}
	return is.free[name]
}

// strangers are the shapes of a stranger's tokens whose sub is made in an unusual
// way and may be one that each of some statements takes.
func (is *issuerWorld) strangers(w *regular.Work, o origin, docs []*policy.Document, statements []*policy.Statement) iter.Seq[*Shape] {
	return func(yield func(*Shape) bool) {
		var within []regular.Language
		for _, st := range statements {
			within = append(within, newFilter(w, is.Provider.URL, st).subjects...)
		}
		for _, lead := range leads {
			if slices.ContainsFunc(within, func(l regular.Language) bool { return !l.Begins(lead + ":") }) {
				continue
			}
			free := is.unusual(o, lead)
			free.askedBy(docs...)
			taken := []box{free.all()}
			for k, st := range statements {
				taken = intersect(w, taken, free.allows(w, docs[k], st, is.Provider).perhaps)
			}
			if len(taken) == 0 {
				continue
			}
			for list := range customSubjects().lists(w, lead, within) {
				o.components = list
				for _, v := range variants(o, list) {
					if !yield(is.shape(w, v)) {
						return
					}
				}
			}
		}
	}
}

// stranger is the first of the strangers whom a statement lets in; an error if
// there are too many to look at.
func (j *judgement) stranger(o origin) (*Shape, region, error) {
	w := regular.NewWork(j.budget() / strangersShare)
	for s := range j.strangers(w, o, []*policy.Document{j.doc}, []*policy.Statement{j.statement}) {
		if r := s.allows(w, j.doc, j.statement, j.Provider); !r.empty() && w.Err() == nil {
			return s, r, nil
		}
	}
	if w.Err() != nil {
		return nil, region{}, errTooMany
	}
	return nil, region{}, nil
}

var errTooMany = errors.New("a project's owner can choose what sub is made of, in too many ways to look at for this statement")

// subOf is what GitLab makes sub of, as pieces of a template, or why that cannot
// be said.
func (b *shapeBuilder) subOf(components []string) (pieces []any, unmodelled string) {
	last := 0
	for _, c := range components {
		value, ok := b.component(c)
		if !ok {
			continue // GitLab ignores a component it does not know, and one that the job lacks
		}
		for _, v := range value {
			if track, is := v.(int); is {
				if track <= last {
					return nil, "sub has " + c + " behind what it follows from, or twice"
				}
				last = track
			}
		}
		if len(pieces) > 0 {
			pieces = append(pieces, ":")
		}
		pieces = append(append(pieces, c+":"), value...)
	}
	return pieces, ""
}

// component is the value of one component.
func (b *shapeBuilder) component(name string) (value []any, ok bool) {
	o := b.origin
	refType, _ := o.refType()
	switch name {
	case "project_path", "source_project_path":
		if o.class == KnownProject {
			return []any{o.project.Path}, true
		}
		return []any{trackNamespace, "/", trackName}, true
	case "job_project_path":
		if o.class == KnownProject || o.class == ForkOfKnown {
			return []any{o.project.Path}, true
		}
		return []any{trackNamespace, "/", trackName}, true
	case "project_id", "source_project_id":
		if o.class == KnownProject {
			return b.projectID(), true
		}
		return []any{trackProjectID}, true
	case "job_project_id":
		if o.class == KnownProject || o.class == ForkOfKnown {
			return b.projectID(), true
		}
		return []any{trackProjectID}, true
	case "ref_type":
		return []any{refType}, true
	case "ref":
		return []any{trackRef}, true
	case "ref_protected":
		return []any{o.protected}, true
	case "environment_protected", "deployment_tier":
		if o.environment == nil || *o.environment == (environment{}) {
			return nil, false
		}
		return []any{map[string]string{"environment_protected": o.environment.protected, "deployment_tier": o.environment.tier}[name]}, true
	}
	return nil, false
}

// projectID is the id of the project where a job runs.
func (b *shapeBuilder) projectID() []any {
	if id, known := b.origin.project.ID.Value(); known {
		return []any{strconv.FormatInt(id, 10)}
	}
	return []any{trackProjectID}
}
