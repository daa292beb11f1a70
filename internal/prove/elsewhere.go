package prove

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// The merge requests of a project may run in the project they go to: one that it is
// a fork of, or a fork of it, which a Developer can make. Their tokens say whose
// branch it is, and everything else as that project is set: what sub is made of, its
// environments, their protection. Of that project nothing is known here, whichever
// it is.

// Tracks of the group that says where such a job comes from, beside those of every
// other. Its path is the same in all, which leaves that one's free.
const (
	trackBefore = trackNamespace   // what sub says before the ref, or all of it
	trackBehind = originTracks + 1 // what it says behind
)

// elsewhere judges the jobs of a project's merge requests that run in another one.
// What it finds is unknown at best, so it looks only at what is proven without it.
func (j *judgement) elsewhere(p *guard.Project) {
	if !j.filter.mayRunElsewhere(p) {
		return
	}
	pw := j.world(p)
	if !pw.lookedElsewhere {
		work := regular.NewWork(j.budget())
		pw.elsewhere, pw.lookedElsewhere = j.elsewhereOf(work, p, j.brokenElsewhere(work, pw)), true
		j.err = cmp.Or(j.err, work.Err())
	}
	if j.err != nil {
		j.finding(Finding{Verdict: Unknown, Project: p.Path, Why: "its merge requests in other projects: " + j.err.Error()})
		return
	}
	for _, s := range pw.elsewhere {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.finding(Finding{Verdict: Unknown, Requires: j.breaksElsewhere(s, r), Guard: guardRunsElsewhere, Project: p.Path, Kind: s.origin.kind(),
				Why: strings.Join(append([]string{ranElsewhere(p)}, slices.Compact(slices.Clone(r.unmodelled))...), "; "), Fix: j.fix(guard.Gap{Guard: guardRunsElsewhere,
					Fix: "ask for a pipeline_source that is no merge request's, or for the project's own job_project_id"})})
			return // one finding says it
		}
	}
}

// mayTakeMergeRequests reports whether the statement may take a token of a merge
// request's pipeline: quickly seen, and most ask for others.
func (j *judgement) mayTakeMergeRequests() bool {
	key := j.Provider.URL + ":pipeline_source"
	if j.Realm == AWS && !AWSFills(j.Provider.URL, "pipeline_source") {
		return true
	}
	conditions := j.statement.Conditions()
	return slices.ContainsFunc(mergeSources, func(source string) bool {
		for i := range conditions {
			if c := &conditions[i]; c.IsKey(key) && len(c.Variables()) == 0 {
				if holds, _ := holdsFor(c, setting{key, source}); !holds {
					return false
				}
			}
		}
		return true
	})
}

// ranElsewhere is why nobody can say what a project's merge requests run by.
func ranElsewhere(p *guard.Project) string {
	const set = ", and what that one sets is not known: what sub is made of, and which environments are protected"
	if isRoot(p) {
		return "merge requests of the project " + p.Path + " may run in a fork of it, which a Developer can make" + set
	}
	if from, known := p.ForkedFrom.Value(); known {
		return "the project " + p.Path + " is a fork of " + from + ": its merge requests may run in the project they go to" + set
	}
	return "merge requests of the project " + p.Path + " may run in the project they go to, a fork of it or the one it is a fork of" + set
}

// notOfRefs are the requirements that the other project's settings decide, whatever
// the ref.
func notOfRefs(require []guard.Requirement) []guard.Requirement {
	var out []guard.Requirement
	for _, r := range require {
		if r.Kind == guard.EnvironmentProtected || r.Kind == guard.NoVariableOverride {
			out = append(out, r)
		}
	}
	return out
}

// brokenElsewhere is the branches whose merge requests' jobs break, or perhaps
// break, a requirement where they run elsewhere. A guard of the branch is the
// project's own wherever its jobs run.
func (is *issuerWorld) brokenElsewhere(w *regular.Work, pw *projectWorld) regular.Language {
	if len(notOfRefs(is.require)) > 0 {
		return guard.BranchNames()
	}
	var out regular.Language
	for _, gap := range pw.gaps[guard.MergeRequest] {
		out = w.Union(out, gap.Refs)
	}
	return out
}

// breaksElsewhere are the requirements that the jobs of a region break.
func (j *judgement) breaksElsewhere(s *Shape, r region) []guard.Requirement {
	out := notOfRefs(j.require)
	for _, gap := range j.world(s.origin.project).gaps[guard.MergeRequest] {
		bad := part{words: j.work.Preimage(gap.Refs, template(trackRef), trackBehind)}
		if len(within(j.work, r.perhaps, 0, bad)) == 0 {
			continue
		}
		for _, one := range gap.Breaks {
			if !slices.Contains(out, one) {
				out = append(out, one)
			}
		}
	}
	return out
}

// besides are what a list of components says besides a ref, as others may choose
// it: GitLab takes any of them any number of times.
var besides = sync.OnceValue(func() regular.Language {
	w := regular.NewWork(1 << 20)
	var all []regular.Language
	for _, name := range leads {
		all = append(all, customSubjects().component[name])
	}
	all = append(all, regular.OneOf("ref_type:branch", "ref_protected:false", "environment_protected:true", "environment_protected:false"),
		customSubjects().component["deployment_tier"])
	return w.Concat(regular.Literal(":"), w.Union(all...))
})

// elsewhereOf are the shapes of the tokens of a project's merge requests from some
// branches, run in another project: one where sub says the ref and one where it
// does not. They hold every such token, and may hold others: a ref that sub says
// again need not be the same.
func (is *Issuer) elsewhereOf(w *regular.Work, p *guard.Project, refs regular.Language) []*Shape {
	if refs.IsEmpty() {
		return nil
	}
	o := origin{class: RunsElsewhere, project: p, ref: guard.MergeRequest}
	b := &shapeBuilder{w: w, issuer: is, origin: o}
	again := w.Concat(regular.Literal(":ref:"), refs)
	silent := w.Concat(b.leadsElsewhere(), w.Repeat(besides()))
	says := w.Concat(b.leadsElsewhere(), w.Repeat(w.Union(besides(), again)))
	behind := w.Repeat(w.Union(besides(), again))
	return []*Shape{
		is.finish(w, o, append([]Group{b.elsewhereGroup(says, refs, behind, trackBefore, ":ref:", trackRef, trackBehind), b.runsInGroup()}, b.otherGroups()...)),
		is.finish(w, o, append([]Group{b.elsewhereGroup(silent, refs, regular.Literal(""), trackBefore), b.runsInGroup()}, b.otherGroups()...)),
	}
}

// elsewhereGroup says where the job comes from: the project, its branch, and a sub
// made of some pieces.
func (b *shapeBuilder) elsewhereGroup(before, refs, behind regular.Language, sub ...any) Group {
	p := b.origin.project
	refType, refPath := b.origin.refType()
	return Group{Tracks: trackBehind, Words: b.w.Join(b.ownID(p), idOf(p.NamespaceID), before, regular.Literal(""), refs, regular.Literal("false"), behind),
		Keys: []Key{b.key("sub", sub...), b.key("project_id", trackProjectID), b.key("namespace_id", trackNamespaceID), b.key("project_path", p.Path), b.key("namespace_path", p.Namespace()),
			b.key("ref", trackRef), b.key("ref_path", refPath, trackRef), b.key("ref_type", refType), b.key("ref_protected", trackProtected)}}
}

// runsInGroup says where the job runs: anywhere but in its own project, in those
// that are known to run no others' merge requests, and in those that are surely not
// of its forks and no fork of them.
func (b *shapeBuilder) runsInGroup() Group {
	ids, paths := b.elsewhereBut(func(p *guard.Project) bool {
		on, told := p.ForkPipelinesInParent.Value()
		return told && !on || isRoot(p) && isRoot(b.origin.project) // which no one can be a fork of
	})
	return b.runsIn(ids, paths)
}

// runsIn is the group that says where a job runs, apart from where it comes from: in
// a project of some ids and, as two tracks, paths.
func (b *shapeBuilder) runsIn(ids, paths regular.Language) Group {
	return Group{Tracks: 4, Words: b.w.Join(ids, guard.Numbers(), paths), Keys: []Key{b.key("job_project_id", 1), b.key("job_namespace_id", 2),
		b.key("job_project_path", 3, "/", 4), b.key("job_namespace_path", 3)}}
}

// elsewhereBut are the ids and, as two tracks, the paths of all projects but the
// origin's and some that are known.
func (b *shapeBuilder) elsewhereBut(not func(p *guard.Project) bool) (ids, paths regular.Language) {
	ids, paths = b.otherIDs(), b.otherPaths()
	for i := range b.issuer.Facts.Projects {
		if p := &b.issuer.Facts.Projects[i]; not(p) {
			ids, paths = b.w.Subtract(ids, knownID(p.ID)), b.w.Subtract(paths, pathOf(b.w, p))
		}
	}
	return ids, paths
}

// leadsElsewhere is what sub may begin with. Where it is known what the sub of the
// project where a job runs is made of, forks looks at those that begin with it.
func (b *shapeBuilder) leadsElsewhere() regular.Language {
	w, p := b.w, b.origin.project
	ids, paths := b.elsewhereBut(func(p *guard.Project) bool { return p.SubComponents.State() == guard.StateKnown })
	paths = w.Image(paths, template(1, "/", 2), 2)
	return w.Union(w.Concat(regular.OneOf("project_path:", "source_project_path:"), regular.Literal(p.Path)), w.Concat(regular.OneOf("project_id:", "source_project_id:"), b.ownID(p)),
		w.Concat(regular.Literal("job_project_path:"), paths), w.Concat(regular.Literal("job_project_id:"), ids))
}

// ownID is what the id of a project that is known can be.
func (b *shapeBuilder) ownID(p *guard.Project) regular.Language {
	if p.ID.State() == guard.StateKnown {
		return idOf(p.ID)
	}
	return b.w.Subtract(guard.Numbers(), b.knownIDs())
}

// otherIDs and otherPaths are those of any project but the origin's; paths as two
// tracks.
func (b *shapeBuilder) otherIDs() regular.Language {
	return b.w.Subtract(guard.Numbers(), knownID(b.origin.project.ID))
}

func (b *shapeBuilder) otherPaths() regular.Language {
	return b.w.Subtract(b.w.Join(guard.NamespacePaths(), guard.SegmentNames()), pathOf(b.w, b.origin.project))
}

// pathOf is a project's path as two tracks, in any case of its letters.
func pathOf(w *regular.Work, p *guard.Project) regular.Language {
	return w.Join(w.Pattern(regular.Token{Kind: regular.AnyCase, Text: p.Namespace()}), w.Pattern(regular.Token{Kind: regular.AnyCase, Text: p.Path[len(p.Namespace())+1:]}))
}

// mayRunElsewhere reports whether the statement may be about a project's merge
// requests that run in another one, which makes sub as it likes.
func (f filter) mayRunElsewhere(p *guard.Project) bool {
	id := ""
	if own, known := p.ID.Value(); known {
		id = strconv.FormatInt(own, 10)
	}
	subs := []string{"project_path:" + p.Path, "project_id:" + id, "job_project_path:", "job_project_id:", "source_project_path:" + p.Path, "source_project_id:" + id}
	return f.mayBeAt(p) && !slices.ContainsFunc(f.subjects, func(l regular.Language) bool { return !slices.ContainsFunc(subs, l.Begins) })
}

// elsewhereAll are the shapes of all a project's merge requests that may run in
// another one, for a statement that may be about them.
func (is *issuerWorld) elsewhereAll(w *regular.Work, st *policy.Statement) []*Shape {
	var out []*Shape
	filter := newFilter(w, is.Provider.URL, st)
	for i := 0; is.Facts != nil && i < len(is.Facts.Projects); i++ {
		if p := &is.Facts.Projects[i]; filter.mayRunElsewhere(p) {
			out = append(out, is.elsewhereOf(w, p, guard.BranchNames())...)
		}
	}
	return out
}
