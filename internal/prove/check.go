package prove

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// maxStates is what the question about one statement may cost.
const maxStates = 1 << 20

// World is what roles are judged in: the GitLabs whose jobs may reach them, and
// what must hold of those jobs. It is made once for many roles and is not safe
// for concurrent use.
type World struct {
	issuers []*issuerWorld
	require []guard.Requirement
}

// issuerWorld is an issuer with what was found out of its projects, once for all
// roles.
type issuerWorld struct {
	*Issuer
	require  []guard.Requirement
	projects map[string]*projectWorld // :: full path → shapes and gaps
	others   []*Shape
	free     map[string]*Shape // :: lead and origin → the shape of its unusual subs
	person   *Shape
	err      error
}

type projectWorld struct {
	*guard.Project
	shapes []*Shape
	forks  []*Shape // made at need
	reused []*Shape // made at need: of another project under its path
	gaps   map[guard.RefKind][]guard.Gap
}

// NewWorld makes a world of issuers. No requirements: the default ones.
func NewWorld(require []guard.Requirement, issuers ...*Issuer) *World {
	if require == nil {
		require = guard.Default()
	}
	w := &World{require: require}
	for _, is := range issuers {
		w.issuers = append(w.issuers, &issuerWorld{Issuer: is, require: require, projects: map[string]*projectWorld{}})
	}
	return w
}

// Check says whether every job that a trust policy lets in meets the world's
// requirements.
func (w *World) Check(role string, doc *policy.Document) Report {
	r := Report{Role: role, Require: w.require, Verdict: Proven, Notes: w.notes(doc)}
	for _, st := range doc.Statements() {
		if st.Denies() {
			continue
		}
		one, ok := w.statement(role, doc, st)
		if !ok {
			continue
		}
		r.Statements = append(r.Statements, one)
		r.Verdict = r.Verdict.worse(one.Verdict)
	}
	return r
}

// notes are what a verdict about a policy rests on besides the facts.
func (w *World) notes(doc *policy.Document) []string {
	var out []string
	if asksDoor(doc) && slices.ContainsFunc(w.issuers, func(is *issuerWorld) bool { return is.Realm == Mayfly }) {
		out = append(out, "what the policy asks of mayfly:guard/ is answered when a job comes, from facts of the server's own, at most its guards.max_age old")
	}
	for _, is := range w.issuers {
		if is.Facts == nil || !slices.Contains(Providers(doc), is.Provider) {
			continue
		}
		if !is.Facts.Taken.IsZero() {
			out = append(out, fmt.Sprintf("what %s enforces is as it was at %s", is.Facts.GitLab, is.Facts.Taken.UTC().Format(time.RFC3339)))
		}
		if _, known := is.Facts.Version.Value(); !known {
			out = append(out, is.Facts.GitLab+" is taken to be GitLab 18.2.2 or newer: before that, pipelines of forks had their parent's sub")
		}
	}
	return out
}

// statement judges one Allow statement; false if it is about nothing that assumes
// the role.
func (w *World) statement(role string, doc *policy.Document, st *policy.Statement) (StatementReport, bool) {
	out := StatementReport{Name: st.Name(), Sid: st.Sid(), Line: st.Position().Line, EndLine: st.End().Line, Verdict: Proven}
	about := false
	if st.CoversAction(actionWebIdentity) {
		for _, is := range w.issuers {
			if st.Trusts(is.Provider) {
				about = true
				is.judge(role, doc, st, &out)
			}
		}
	}
	for _, other := range w.otherWays(st) {
		about = true
		out.Findings = append(out.Findings, other)
	}
	for _, f := range out.Findings {
		out.Verdict = out.Verdict.worse(f.Verdict)
	}
	return out, about
}

// otherWays are the principals of a statement that nothing here follows.
func (w *World) otherWays(st *policy.Statement) []Finding {
	var out []Finding
	unknown := func(format string, args ...any) {
		out = append(out, Finding{Verdict: Unknown, Why: fmt.Sprintf(format, args...)})
	}
	web, assume := st.CoversAction(actionWebIdentity), st.CoversAction("sts:AssumeRole")
	names, _ := st.Principals()
	for _, n := range names {
		switch n.Type {
		case policy.Federated:
			p, err := arn.ParseProvider(n.Text)
			known := slices.ContainsFunc(w.issuers, func(is *issuerWorld) bool { return err == nil && is.Provider == p })
			if web && !known {
				unknown("it trusts %s, and nothing is known of what is signed there", n.Text)
			}
		case policy.AWSPrincipal:
			if assume {
				unknown("%s may assume the role too: prove that one's role as well", n.Text)
			}
		case policy.Service:
			if assume {
				unknown("the service %s may assume the role too", n.Text)
			}
		case policy.Everyone:
			if assume {
				unknown("everyone in the account's reach whose policies allow it may assume the role too")
			}
			if web {
				unknown("it trusts every identity provider of the account, and the others' tokens are not looked at")
			}
		}
	}
	return out
}

// judge adds what a statement lets in of an issuer's jobs.
func (is *issuerWorld) judge(role string, doc *policy.Document, st *policy.Statement, out *StatementReport) {
	if key := iam.SharedKey(is.Provider); is.Realm == Mayfly && key != "" && !st.TestsKey(key) {
		return // the exchange lets nobody in by such a statement
	}
	work := regular.NewWork(maxStates)
	filter := newFilter(work, is.Provider.URL, st)
	j := &judgement{issuerWorld: is, work: work, role: role, doc: doc, statement: st, filter: filter, out: out}
	if is.Facts != nil {
		for i := range is.Facts.Projects {
			p := &is.Facts.Projects[i]
			if filter.mayBe(p) {
				j.project(p)
			}
			j.forks(p)
		}
	}
	j.others()
	j.person()
	if err := work.Err(); err != nil {
		*out = StatementReport{Name: out.Name, Sid: out.Sid, Line: out.Line, EndLine: out.EndLine, Verdict: Proven,
			Findings: []Finding{{Verdict: Unknown, Why: err.Error()}}}
	}
}

// judgement is one statement against one issuer.
type judgement struct {
	*issuerWorld
	work      *regular.Work
	role      string
	doc       *policy.Document
	statement *policy.Statement
	filter    filter
	out       *StatementReport
}

// world is what is known of a project, found out once.
func (is *issuerWorld) world(p *guard.Project) *projectWorld {
	if known := is.projects[p.Path]; known != nil {
		return known
	}
	work := regular.NewWork(maxStates)
	pw := &projectWorld{Project: p, gaps: map[guard.RefKind][]guard.Gap{}}
	pw.shapes = is.shapes(work, p)
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag, guard.MergeRequest} {
		pw.gaps[kind] = p.Gaps(work, kind, is.require)
	}
	is.projects[p.Path] = pw
	if work.Err() != nil {
		is.err = work.Err()
	}
	return pw
}

func hasKind(list []guard.Requirement, kind guard.Kind) bool {
	return slices.ContainsFunc(list, func(r guard.Requirement) bool { return r.Kind == kind })
}

// forksOf are the shapes of the jobs of a project's forks that may run in it, for a
// statement that may take them for the project's. Else a fork is another project.
func (is *issuerWorld) forksOf(p *guard.Project, st *policy.Statement) []*Shape {
	if on, told := p.ForkPipelinesInParent.Value(); !on && told || !asksWhereItRuns(st, is.Provider, p) {
		return nil
	}
	pw := is.world(p)
	if pw.forks == nil {
		work := regular.NewWork(maxStates)
		for _, v := range variants(origin{class: ForkOfKnown, project: p, ref: guard.MergeRequest}, subComponents(p)) {
			pw.forks = append(pw.forks, is.shape(work, v))
		}
		is.err = firstOf(is.err, work.Err())
	}
	return pw.forks
}

// project judges what the statement lets in of a project that is known.
func (j *judgement) project(p *guard.Project) {
	pw := j.world(p)
	if j.err != nil {
		j.finding(Finding{Verdict: Unknown, Project: p.Path, Why: "its rules: " + j.err.Error()})
		return
	}
	if p.SubComponents.State() != guard.StateKnown {
		j.finding(Finding{Verdict: Unknown, Guard: "sub-components", Project: p.Path, Why: "what the project's sub is made of: " + p.SubComponents.Why(),
			Fix: "sub_claim_components in its facts: [project_path, ref_type, ref] is GitLab's default"})
	}
	for _, s := range pw.shapes {
		r := s.allows(j.work, j.doc, j.statement, j.Provider)
		if r.empty() {
			continue
		}
		j.reach(s, r)
		for _, gap := range pw.gaps[s.origin.ref] {
			if gap = closed(j.statement, gap); len(gap.Breaks) == 0 {
				continue
			}
			bad := part{words: j.work.Preimage(gap.Refs, template(trackRef), originTracks)}
			j.gap(s, r, gap, 0, bad)
		}
		j.environment(s, r)
	}
	j.reused(p)
}

// reused judges whether another project under the same path gets in.
func (j *judgement) reused(p *guard.Project) {
	if j.filter.pins(p) || !hasKind(j.require, guard.ImmutableID) {
		return
	}
	for _, s := range j.reusedOf(p) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.whole(s, r, reusedPath(p))
			return // one finding says it, of branches or tags
		}
	}
	for _, kind := range []guard.RefKind{guard.Branch, guard.Tag} {
		s, r, err := j.stranger(origin{class: ReusedPath, project: p, ref: kind})
		if err != nil {
			j.finding(Finding{Verdict: Unknown, Guard: "immutable-id", Project: p.Path, Why: err.Error()})
		}
		if s != nil {
			j.whole(s, r, reusedPath(p))
			return
		}
	}
}

// reusedOf are the shapes of another project's tokens under the path of one.
func (is *issuerWorld) reusedOf(p *guard.Project) []*Shape {
	pw := is.world(p)
	if pw.reused == nil {
		work := regular.NewWork(maxStates)
		pw.reused = is.reusedShapes(work, p)
		is.err = firstOf(is.err, work.Err())
	}
	return pw.reused
}

// forks judges what the statement lets in of a project's forks.
func (j *judgement) forks(p *guard.Project) {
	for _, s := range j.forksOf(p, j.statement) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.whole(s, r, j.forkRuns(p))
			return
		}
	}
}

// gap adds a finding if the region reaches into a gap.
func (j *judgement) gap(s *Shape, r region, gap guard.Gap, group int, bad part) {
	f := Finding{Requires: gap.Breaks, Guard: gap.Guard, Why: gap.Why, Fix: gap.Fix, Level: gap.Level}
	if gap.Page != "" {
		f.Page = j.page(s.origin.project, gap.Page)
	}
	if gap.Surely {
		if m, ok := pickWithin(j.work, r.surely, group, bad); ok {
			f.Verdict = Refuted
			if why := j.unsettled(s, r, group, bad); len(why) > 0 {
				f.Verdict, f.Why = Unknown, strings.Join(why, "; ")+"; without that: "+gap.Why
			}
			j.witness(s, m, f, gap.Who, gap.Does)
			return
		}
	}
	m, ok := pickWithin(j.work, r.perhaps, group, bad)
	if !ok {
		return
	}
	f.Verdict = Unknown
	if gap.Surely { // then it is the policy that nobody can read
		f.Why = strings.Join(slices.Compact(slices.Clone(r.unmodelled)), "; ") + "; without that: " + gap.Why
	}
	j.witness(s, m, f, gap.Who, gap.Does)
}

// unsettled is why nobody can say which jobs of a project the statement takes:
// what it asks of them follows from facts that are not known.
func (j *judgement) unsettled(s *Shape, r region, group int, bad part) []string {
	p := s.origin.project
	if p == nil || s.origin.class == ForkOfKnown {
		return nil
	}
	var out []string
	for _, f := range claimFacts(s.origin) {
		if f.fact.State() == guard.StateUnknown && slices.ContainsFunc(f.claims, func(claim string) bool { return j.asks(s, claim) }) {
			out = append(out, f.what+": "+f.fact.Why())
		}
	}
	if s.origin.class == KnownProject && s.origin.ref == guard.Tag && p.DefaultBranch.State() == guard.StateUnknown {
		var refs regular.Language
		for _, b := range r.surely {
			refs = j.work.Union(refs, j.work.Image(b.limit(j.work, group, bad).parts[0].words, template(trackRef), originTracks))
		}
		if _, one := refs.Word(); one {
			out = append(out, "the default branch, like which no tag can be called: "+p.DefaultBranch.Why())
		}
	}
	return out
}

// claimFact is a fact that decides what claims a project's tokens have.
type claimFact struct {
	claims []string
	what   string
	fact   guard.Said
}

func claimFacts(o origin) []claimFact {
	p := o.project
	out := []claimFact{
		{[]string{"project_id", "job_project_id", "source_project_id"}, "the project's id", &p.ID},
		{[]string{"namespace_id", "job_namespace_id"}, "its group's id", &p.NamespaceID},
	}
	if o.class != KnownProject {
		return out
	}
	out = append(out, claimFact{[]string{"project_visibility"}, "its visibility", &p.Visibility},
		claimFact{[]string{"environment_protected"}, "its protected environments", &p.ProtectedEnvironments},
		claimFact{[]string{"environment_protected"}, "its groups' protected environments", &p.GroupProtectedEnvironments})
	if o.ref == guard.Tag {
		return append(out, claimFact{[]string{"ref_protected"}, "its protected tags", &p.ProtectedTags})
	}
	out = append(out, claimFact{[]string{"ref_protected"}, "its protected branches", &p.ProtectedBranches})
	if o.ref == guard.MergeRequest {
		out = append(out, claimFact{[]string{"ref_protected"}, "whether merge requests' pipelines can be protected", &p.ProtectMergeRequestPipelines})
	}
	return out
}

// asks reports whether the statement, or one that denies, looks at a claim, by
// itself or in sub.
func (j *judgement) asks(s *Shape, claim string) bool {
	components := s.origin.components
	if components == nil {
		components = subComponents(s.origin.project)
	}
	in := func(st *policy.Statement, claim string) bool {
		return slices.ContainsFunc(st.Keys(), func(key string) bool { return policy.SameKey(key, j.Provider.URL+":"+claim) })
	}
	for _, st := range j.doc.Statements() {
		if (st == j.statement || st.Denies()) && (in(st, claim) || has(components, claim) && in(st, "sub")) {
			return true
		}
	}
	return false
}

// pickWithin is a request of the boxes in which one group is within bounds.
func pickWithin(w *regular.Work, boxes []box, group int, bounds part) ([]member, bool) {
	for _, b := range boxes {
		if m, ok := b.limit(w, group, bounds).pick(); ok {
			return m, w.Err() == nil
		}
	}
	return nil, false
}

// environment: that a job deploys to a protected environment is not a matter of
// its ref.
func (j *judgement) environment(s *Shape, r region) {
	if !hasKind(j.require, guard.EnvironmentProtected) {
		return
	}
	k, ok := s.keys[policy.FoldKey(j.Provider.URL+":environment_protected")]
	if !ok {
		return
	}
	gap := guard.Gap{Guard: "environment-protection", Breaks: []guard.Requirement{{Kind: guard.EnvironmentProtected}}, Surely: true, Level: guard.Developer,
		Who: "a Developer", Does: "runs a job on %s that deploys to no protected environment", Why: "the statement does not ask for one",
		Fix: "ask for environment and, with it, environment_protected"}
	j.gap(s, r, gap, k.group, part{j.work.Preimage(regular.Literal("false"), template(2), 4), true})
}

// otherShapes are the shapes of the projects nothing is known of.
func (is *issuerWorld) otherShapes() []*Shape {
	if is.others == nil {
		work := regular.NewWork(maxStates * 4)
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
		is.person = is.shape(regular.NewWork(maxStates), origin{class: Person})
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
			j.finding(Finding{Verdict: Unknown, Guard: "known-projects", Why: err.Error()})
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
			j.finding(Finding{Verdict: Unknown, Project: path, Why: "nothing is known of the project", Fix: "mayfly facts pull --project " + path + " reads its facts"})
		}
		return false // the tags' are the same; findings are not repeated
	}
	if ids, all := j.values(s, r, template(trackProjectID)); all {
		for _, id := range ids {
			j.finding(Finding{Verdict: Unknown, Why: "nothing is known of the project with the id " + id, Fix: "mayfly facts pull --project PATH reads its facts"})
		}
		return false
	}
	j.whole(s, r, guard.Gap{Guard: "known-projects", Breaks: j.require, Surely: true,
		Who: "anyone who may create a project there", Does: "creates the project %s, of which they are the Owner", Why: "the statement trusts projects by a pattern, ones that do not exist yet among them",
		Fix: "name the projects the role is for"})
	return true
}

// values are what a text made of the origin's tracks can be in a region, if that
// is few.
func (j *judgement) values(s *Shape, r region, t regular.Template) (values []string, few bool) {
	var all regular.Language
	for _, b := range r.perhaps {
		all = j.work.Union(all, j.work.Image(b.parts[0].words, t, s.groups[0].Tracks))
	}
	return all.Words(maxValues)
}

// person judges whether people who sign in get the role.
func (j *judgement) person() {
	for _, s := range j.personShapes(j.statement) {
		if r := s.allows(j.work, j.doc, j.statement, j.Provider); !r.empty() {
			j.whole(s, r, guard.Gap{Guard: "jobs-only", Breaks: j.require, Surely: true, Who: "somebody", Does: "signs in with GitLab at an application that uses its ID tokens",
				Why: "the token of somebody who signs in has the same issuer and keys as a job's", Fix: "ask for a sub that begins with project_path: or project_id:"})
		}
	}
}

// whole adds the finding that a shape is let in at all.
func (j *judgement) whole(s *Shape, r region, gap guard.Gap) {
	j.gap(s, r, gap, 0, s.all().parts[0])
}

func reusedPath(p *guard.Project) guard.Gap {
	return guard.Gap{Guard: "immutable-id", Breaks: []guard.Requirement{{Kind: guard.ImmutableID}}, Surely: true,
		Who: "anyone", Does: "creates a project at the path " + p.Path + ", once it is renamed, moved or deleted, and pushes %s", Why: "the statement knows the project by its path alone",
		Fix: "ask for project_id too (mayfly lint --fix writes it)"}
}

// asksWhereItRuns reports whether a statement is about the project that a job runs
// in, rather than the one it is of: it asks so, or the project's sub does.
func asksWhereItRuns(st *policy.Statement, p arn.Provider, of *guard.Project) bool {
	return slices.ContainsFunc(subComponents(of), func(c string) bool { return strings.HasPrefix(c, "job_project_") }) ||
		slices.ContainsFunc(st.Keys(), func(key string) bool { return strings.HasPrefix(policy.FoldKey(key), policy.FoldKey(p.URL+":job_")) })
}

// forkRuns: a fork's merge request may run in its parent, if somebody of the
// parent lets it.
func (j *judgement) forkRuns(p *guard.Project) guard.Gap {
	_, known := p.ForkPipelinesInParent.Value()
	gap := guard.Gap{Guard: "fork-pipelines", Breaks: j.require, Surely: known,
		Who: "anyone who may fork the project", Does: "opens a merge request from a fork's branch %s, whose pipeline runs in the project once a member starts it", Why: "a fork's job runs where its merge request goes",
		Fix: "ask for project_path or project_id, which are the fork's own; or turn off running fork pipelines in the parent project", Page: "/-/settings/ci_cd"}
	if !known {
		gap.Why = "whether pipelines of forks may run in the project: " + p.ForkPipelinesInParent.Why()
	}
	return gap
}

// page is the URL of a page of a project's settings.
func (j *judgement) page(p *guard.Project, page string) string {
	if p == nil || j.Facts == nil {
		return ""
	}
	return strings.TrimSuffix(j.Facts.GitLab, "/") + "/" + p.Path + page
}

// reach notes where the statement lets jobs in.
func (j *judgement) reach(s *Shape, r region) {
	for _, b := range r.perhaps {
		refs := j.work.Image(b.parts[0].words, template(trackRef), originTracks)
		one := Reach{Project: s.origin.project.Path, Kind: s.origin.kind(), Refs: j.work.Describe(refs, s.refNames(), patternsOf(j.statement)...).String()}
		one.Closed = s.origin.project.Standing(j.work, s.origin.ref, refs, j.require, j.world(s.origin.project).gaps[s.origin.ref])
		if !slices.ContainsFunc(j.out.Reach, func(have Reach) bool {
			return have.Project == one.Project && have.Kind == one.Kind && have.Refs == one.Refs
		}) {
			j.out.Reach = append(j.out.Reach, one)
		}
	}
}

func (o origin) kind() string {
	if o.class == Person {
		return "sign-in"
	}
	return map[guard.RefKind]string{guard.Branch: "branch", guard.Tag: "tag", guard.MergeRequest: "merge request"}[o.ref]
}

// finding adds a finding unless it is there.
func (j *judgement) finding(f Finding) {
	for i := range j.out.Findings {
		have := &j.out.Findings[i]
		if have.Guard == f.Guard && have.Project == f.Project && have.Kind == f.Kind && have.Verdict == f.Verdict && have.Why == f.Why {
			return
		}
	}
	j.out.Findings = append(j.out.Findings, f)
}
