package prove

import (
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// AWSFills reports whether AWS makes a condition key of a claim of an issuer, by
// its URL without scheme.
func AWSFills(issuer, claim string) bool {
	return awsClaims[claim] || issuer == "gitlab.com" && awsGitLabClaims[claim]
}

// Reading is a policy of which several things are asked, in the world of no facts.
// What is found out of its issuers and statements is found out once. It is not
// safe for concurrent use.
type Reading struct {
	doc      *policy.Document
	gitlabs  []arn.Provider
	shapes   map[arn.Provider]signed
	regions  map[taken]region
	examples map[taken][]member
}

// taken is what a statement takes of a shape.
type taken struct {
	statement *policy.Statement
	shape     *Shape
}

// Read begins to read a policy. The providers are those that are GitLabs besides
// gitlab.com.
func Read(doc *policy.Document, gitlabs []arn.Provider) *Reading {
	return &Reading{doc, gitlabs, map[arn.Provider]signed{}, map[taken]region{}, map[taken][]member{}}
}

// of are the shapes of a provider's tokens.
func (r *Reading) of(w *regular.Work, p arn.Provider) signed {
	if known, ok := r.shapes[p]; ok {
		return known
	}
	gitlabs := r.gitlabs
	if p.URL == "gitlab.com" {
		gitlabs = []arn.Provider{p}
	}
	shapes := diffShapes(w, p, gitlabs, nil, r.doc)
	if w.Err() == nil {
		r.shapes[p] = shapes
	}
	return shapes
}

// takes is what a statement takes of a shape, and a token of it.
func (r *Reading) takes(w *regular.Work, st *policy.Statement, s *Shape, p arn.Provider) (region, []member) {
	at := taken{st, s}
	if known, ok := r.regions[at]; ok {
		return known, r.examples[at]
	}
	out := s.allows(w, r.doc, st, p)
	if w.Err() != nil {
		return out, nil
	}
	r.regions[at] = out
	if !out.empty() {
		r.examples[at], _ = out.perhaps[0].shortest()
	}
	return out, r.examples[at]
}

// Nothing reports whether a statement takes no token that a GitLab signs, however a
// project's sub is made.
func (r *Reading) Nothing(st *policy.Statement, p arn.Provider) bool {
	w := regular.NewWork(maxStates)
	for s := range r.of(w, p).of(w, st) {
		if taken, _ := r.takes(w, st, s, p); !taken.empty() {
			return false
		}
	}
	return w.Err() == nil
}

// Within reports whether a statement lets in nobody whom another of the policy
// does not. It says no where it cannot tell.
func (r *Reading) Within(st, other *policy.Statement) bool {
	if _, named := st.Principals(); named || !st.CoversAction(actionWebIdentity) || !other.CoversAction(actionWebIdentity) {
		return false
	}
	w := regular.NewWork(maxStates)
	providers := providersOf(st)
	names, _ := st.Principals()
	if len(providers) != len(names) {
		return false
	}
	for _, p := range providers {
		if !other.Trusts(p) {
			return false
		}
		for s := range r.of(w, p).of(w, st) {
			mine, example := r.takes(w, st, s, p)
			if mine.empty() {
				continue
			}
			others, _ := r.takes(w, other, s, p)
			if !slices.ContainsFunc(others.surely, func(b box) bool { return b.contains(example) }) || !mine.minus(w, others).empty() {
				return false
			}
		}
	}
	return w.Err() == nil
}

// IsGitLab reports whether a provider of a policy is a GitLab, as far as its name
// and the subjects that the policy asks for say so.
func IsGitLab(doc *policy.Document, p arn.Provider) bool {
	host, _, _ := strings.Cut(p.URL, "/")
	named := slices.Contains(strings.FieldsFunc(strings.ToLower(host), func(r rune) bool { return r == '.' || r == '-' }), "gitlab")
	return named || slices.ContainsFunc(doc.Statements(), func(st *policy.Statement) bool {
		return slices.ContainsFunc(st.Conditions(), func(c policy.Condition) bool {
			return c.IsKey(p.URL+":sub") && slices.ContainsFunc(c.Values(), func(v policy.Value) bool {
				return strings.HasPrefix(v.Text(), "project_path:") || strings.HasPrefix(v.Text(), "project_id:")
			})
		})
	})
}

// Named is the projects that a statement is about, by their full paths; false if
// it says so by a pattern, or not at all.
func Named(doc *policy.Document, st *policy.Statement, p arn.Provider) (paths []string, all bool) {
	w := regular.NewWork(maxStates)
	var taken regular.Language
	is := &issuerWorld{Issuer: &Issuer{Provider: p}}
	for _, s := range append(is.otherShapes(), is.unusualOf(w, st)...) {
		for _, b := range s.allows(w, doc, st, p).perhaps {
			taken = w.Union(taken, w.Image(b.parts[0].words, template(trackNamespace, "/", trackName), s.groups[0].Tracks))
		}
	}
	paths, all = taken.Words(maxValues)
	return paths, all && w.Err() == nil
}

// Concerns reports whether a policy may be about a project of a provider's. It
// errs on the side of yes.
func Concerns(doc *policy.Document, p arn.Provider, path string) bool {
	w := regular.NewWork(maxStates)
	return slices.ContainsFunc(doc.Statements(), func(st *policy.Statement) bool {
		if st.Denies() || !st.CoversAction(actionWebIdentity) || !st.Trusts(p) {
			return false
		}
		return newFilter(w, p.URL, st).mayBe(&guard.Project{Path: path})
	})
}

// Groups are the groups that a policy trusts by a pattern: each is what stands
// before the last slash ahead of the first wildcard.
func Groups(doc *policy.Document, p arn.Provider) []string {
	var out []string
	for _, st := range doc.Statements() {
		conditions := st.Conditions()
		for i := range conditions {
			c := &conditions[i]
			if st.Denies() || !st.Trusts(p) || !c.Confines() || !c.IsKey(p.URL+":sub") && !c.IsKey(p.URL+":project_path") && !c.IsKey(p.URL+":namespace_path") {
				continue
			}
			for _, v := range c.Values() {
				text := strings.TrimPrefix(v.Text(), "project_path:")
				if c.IsKey(p.URL + ":namespace_path") {
					text += "/*"
				}
				wild := strings.IndexAny(text, "*?")
				if colon := strings.IndexByte(text, ':'); wild < 0 || colon >= 0 && colon < wild {
					continue
				}
				if slash := strings.LastIndexByte(text[:wild], '/'); slash > 0 && !slices.Contains(out, text[:slash]) {
					out = append(out, text[:slash])
				}
			}
		}
	}
	return out
}

// Refs is which refs a statement takes.
type Refs struct {
	AnyBranch, AnyTag bool   // every name of a branch, or tag
	SameNameTag       string // a tag it takes, called like a branch it takes
	MergeRequests     bool
}

// RefsOf looks at which refs a statement takes of a GitLab's projects.
func (r *Reading) RefsOf(st *policy.Statement, p arn.Provider) Refs {
	var out Refs
	w := regular.NewWork(maxStates)
	var taken, every [2]regular.Language // of branches and tags
	for _, s := range r.of(w, p).shapes {
		if s.origin.class != OtherProject || s.unlinked {
			continue
		}
		i := s.origin.ref
		var refs regular.Language
		takes, _ := r.takes(w, st, s, p)
		for _, b := range takes.perhaps {
			refs = w.Union(refs, w.Image(b.parts[0].words, template(trackRef), originTracks))
			if k, ok := s.keys[policy.FoldKey(p.URL+":pipeline_source")]; ok && i == guard.Branch {
				out.MergeRequests = out.MergeRequests || w.Overlap(b.parts[k.group].words, regular.OneOf(mergeSources...))
			}
		}
		taken[i], every[i] = w.Union(taken[i], refs), s.refNames()
	}
	all := func(kind guard.RefKind) bool { return !every[kind].IsEmpty() && taken[kind].Equal(every[kind]) }
	out.AnyBranch, out.AnyTag = all(guard.Branch), all(guard.Tag)
	if both := w.Intersect(taken[guard.Branch], taken[guard.Tag]); !out.AnyBranch && !out.AnyTag {
		out.SameNameTag, _ = both.Witness(fillers...)
	}
	return out
}

// LedByID reports whether every token that a statement takes has a sub that names
// the project by its id.
func LedByID(doc *policy.Document, st *policy.Statement, p arn.Provider) bool {
	return slices.ContainsFunc(st.Conditions(), func(c policy.Condition) bool {
		return c.IsKey(p.URL+":sub") && c.Confines() && !slices.ContainsFunc(c.Values(), func(v policy.Value) bool {
			parts := v.Parts()
			return len(parts) == 0 || parts[0].Kind != policy.Literal || !hasIDPrefix(parts[0].Text)
		})
	})
}

// hasIDPrefix reports whether a text begins with a whole project_id component.
func hasIDPrefix(text string) bool {
	id, led := strings.CutPrefix(text, "project_id:")
	id, _, whole := strings.Cut(id, ":")
	return led && whole && guard.Numbers().Contains(id)
}
