package prove

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// forksOf are the shapes of the jobs of a project's forks that may run in it, for a
// statement that may take them for the project's. Else a fork is another project.
func (is *issuerWorld) forksOf(p *guard.Project, doc *policy.Document, st *policy.Statement) []*Shape {
	if on, told := p.ForkPipelinesInParent.Value(); !on && told || !asksWhereItRuns(doc, st, is.Provider, p) {
		return nil
	}
	pw := is.world(p)
	if pw.forks == nil {
		work := regular.NewWork(is.budget())
		for _, v := range variants(origin{class: ForkOfKnown, project: p, ref: guard.MergeRequest}, subComponents(p)) {
			pw.forks = append(pw.forks, is.shape(work, v))
		}
		is.err = cmp.Or(is.err, work.Err())
	}
	return pw.forks
}

// reused judges whether another project under the same path gets in, written as it is
// or in other letters.
func (j *judgement) reused(p *guard.Project, spelt bool) {
	if j.filter.pins(p) || !hasKind(j.require, guard.ImmutableID) {
		return
	}
	for _, s := range j.reusedOf(p, spelt) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.whole(s, r, reusedPath(p))
			return // one finding says it, of branches or tags
		}
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
		s, r, err := j.stranger(origin{class: ReusedPath, project: p, ref: kind, spelt: spelt})
		if err != nil {
			j.finding(Finding{Verdict: Unknown, Guard: guardImmutableID, Project: p.Path, Why: err.Error()})
		}
		if s != nil {
			j.whole(s, r, reusedPath(p))
			return
		}
	}
}

// reusedOf are the shapes of another project's tokens under the path of one.
func (is *issuerWorld) reusedOf(p *guard.Project, spelt bool) []*Shape {
	pw := is.world(p)
	if pw.reused[spelt] == nil {
		work := regular.NewWork(is.budget())
		pw.reused[spelt] = is.reusedShapes(work, p, spelt)
		is.err = cmp.Or(is.err, work.Err())
	}
	return pw.reused[spelt]
}

// forks judges what the statement lets in of a project's forks.
func (j *judgement) forks(p *guard.Project) {
	for _, s := range j.forksOf(p, j.doc, j.statement) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			gap := j.forkRuns(p)
			// A fork that the statement names is a project, and nobody knows of it
			// that it is a fork.
			for _, named := range []regular.Template{template(trackProjectID), template(trackNamespace, "/", trackName)} {
				if values, few := j.values(s, r, named); few {
					for _, why := range j.mayBeForks(p, values) {
						j.finding(Finding{Verdict: Unknown, Requires: gap.Breaks, Guard: gap.Guard, Fix: j.fix(gap), Why: strings.Join(append([]string{why}, r.unmodelled...), "; ")})
					}
					return
				}
			}
			j.whole(s, r, gap)
			return
		}
	}
}

// mayBeForks is why nobody can say that none of some projects, by their paths or
// ids, is a fork of another.
func (j *judgement) mayBeForks(p *guard.Project, values []string) []string {
	var out, strangers []string
	for _, v := range values {
		q, known := j.Facts.Project(v)
		if id, err := strconv.ParseInt(v, 10, 64); err == nil {
			q, known = j.Facts.ProjectID(id)
		}
		switch {
		case !known:
			strangers = append(strangers, v)
		case !isRoot(p) || !isRoot(q):
			out = append(out, "nobody knows whether the project "+q.Path+" is a fork of "+p.Path)
		}
	}
	if len(strangers) > 0 {
		out = append(out, "nothing is known of the project "+strings.Join(strangers, ", ")+", which may be a fork of "+p.Path)
	}
	return out
}

// isRoot reports whether a project is surely no fork.
func isRoot(p *guard.Project) bool {
	from, known := p.ForkedFrom.Value()
	return known && from == ""
}

// otherShapes are the shapes of the projects nothing is known of.
func (is *issuerWorld) otherShapes() []*Shape {
	if is.others == nil {
		work := regular.NewWork(is.budget() * 4)
		for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
			for _, components := range [][]string{defaultComponents, idComponents} {
				is.others = append(is.others, is.shape(work, origin{class: OtherProject, ref: kind, components: components}))
			}
		}
		if work.Err() != nil {
			is.err = work.Err()
		}
	}
	return is.others
}

// personShapes is the shape of people who sign in, for a statement that may let
// them in at all.
func (is *issuerWorld) personShapes(st *policy.Statement) []*Shape {
	if is.Realm == Mayfly && !st.ConfinesTo(is.Provider.URL+":aud", is.LoginClientIDs) {
		return nil
	}
	if is.person == nil {
		is.person = is.shape(regular.NewWork(is.budget()), origin{class: Person})
	}
	return []*Shape{is.person}
}

// others judges what the statement lets in of projects nothing is known of.
func (j *judgement) others() {
	if !j.filter.mayBeOther(j.Facts) {
		return
	}
	shapes := j.otherShapes()
	if j.err != nil {
		j.finding(Finding{Verdict: Unknown, Why: "other projects: " + j.err.Error()})
		return
	}
	for _, s := range shapes {
		r := s.allows(j.work, j.doc, j.statement, j.Provider)
		if !r.empty() && j.anotherProject(s, r) {
			return // one finding says it
		}
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
		s, r, err := j.stranger(origin{class: OtherProject, ref: kind})
		if err != nil {
			j.finding(Finding{Verdict: Unknown, Guard: guardKnownProjects, Why: err.Error()})
		}
		if s != nil {
			j.anotherProject(s, r)
			return // what sub is made of besides changes nothing
		}
	}
}

// anotherProject adds what lets other projects in. Where the statement names them
// all, by path or id, nobody has read their facts; else one can be made.
func (j *judgement) anotherProject(s *Shape, r region) bool {
	if paths, all := j.values(s, r, template(trackNamespace, "/", trackName)); all {
		for _, path := range paths {
			j.finding(Finding{Verdict: Unknown, Project: path, Why: "nothing is known of the project", Fix: "mayfly facts pull --gitlab https://" + j.Provider.URL + " --project " + path + " reads its facts"})
		}
		return false // the tags' are the same; findings are not repeated
	}
	if ids, all := j.values(s, r, template(trackProjectID)); all {
		for _, id := range ids {
			j.finding(Finding{Verdict: Unknown, Why: "nothing is known of the project with the id " + id, Fix: "mayfly facts pull --gitlab https://" + j.Provider.URL + " --project PATH reads its facts"})
		}
		return false
	}
	j.whole(s, r, guard.Gap{Guard: guardKnownProjects, Breaks: j.require, Surely: true,
		Who: "anyone who may create a project there", Does: "creates the project %s, of which they are the Owner", Why: "the statement trusts projects by a pattern, ones that do not exist yet among them",
		Fix: "name the projects the role is for"})
	return true
}

// values are what a text made of the origin's tracks can be in a region, if those
// are not more than the statement lists: then it names them, and by no pattern.
func (j *judgement) values(s *Shape, r region, t regular.Template) (values []string, few bool) {
	var all regular.Language
	for _, b := range r.perhaps {
		all = j.work.Union(all, j.work.Image(b.parts[0].words, t, s.groups[0].Tracks))
	}
	listed := 0
	for _, c := range j.statement.Conditions() {
		listed += len(c.Values())
	}
	return all.Words(min(listed, maxValues))
}

// person judges whether people who sign in get the role.
func (j *judgement) person() {
	for _, s := range j.personShapes(j.statement) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.whole(s, r, guard.Gap{Guard: guardJobsOnly, Breaks: j.require, Surely: true, Who: "somebody", Does: "signs in with GitLab at an application that uses its ID tokens",
				Why: "the token of somebody who signs in has the same issuer and keys as a job's", Fix: "ask for a sub that begins with project_path: or project_id:"})
		}
	}
}

func reusedPath(p *guard.Project) guard.Gap {
	return guard.Gap{Guard: guardImmutableID, Breaks: []guard.Requirement{{Kind: guard.ImmutableID}}, Surely: true,
		Who: "anyone", Does: "creates a project at the path " + p.Path + ", once it is renamed, moved or deleted, and pushes %s", Why: "the statement knows the project by its path alone",
		Fix: "ask for project_id too (mayfly lint --fix writes it)"}
}

// asksWhereItRuns reports whether a statement is about the project that a job runs
// in, rather than the one it is of: it asks so, or one that denies, or the project's
// sub does.
func asksWhereItRuns(doc *policy.Document, st *policy.Statement, p arn.Provider, of *guard.Project) bool {
	return slices.ContainsFunc(subComponents(of), func(c string) bool { return strings.HasPrefix(c, "job_project_") }) ||
		slices.ContainsFunc(doc.Statements(), func(one *policy.Statement) bool {
			return (one == st || one.Denies()) && slices.ContainsFunc(one.Keys(), func(key string) bool { return strings.HasPrefix(policy.FoldKey(key), policy.FoldKey(p.URL+":job_")) })
		})
}

// forkRuns: a fork's merge request may run in its parent, if somebody of the
// parent lets it.
func (j *judgement) forkRuns(p *guard.Project) guard.Gap {
	_, known := p.ForkPipelinesInParent.Value()
	gap := guard.Gap{Guard: guardForkPipelines, Breaks: j.require, Surely: known,
		Who: "anyone who may fork the project", Does: "opens a merge request from a fork's branch %s, whose pipeline runs in the project once a member starts it", Why: "a fork's job runs where its merge request goes",
		Fix: "ask for project_path or project_id, which are the fork's own; or turn off running fork pipelines in the parent project", Page: "/-/settings/ci_cd"}
	if !known {
		gap.Why = "whether pipelines of forks may run in the project: " + p.ForkPipelinesInParent.Why()
	}
	return gap
}
