package prove

import (
	"slices"
	"strings"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// judge adds what a statement lets in of an issuer's jobs.
func (is *issuerWorld) judge(role string, doc *policy.Document, st *policy.Statement, out *StatementReport) {
	if key := iam.SharedKey(is.Provider); is.Realm == Mayfly && key != "" && !st.TestsKey(key) {
		return // the exchange lets nobody in by such a statement
	}
	work := regular.NewWork(is.budget())
	filter := newFilter(work, is.Provider.URL, st)
	j := &judgement{issuerWorld: is, work: work, role: role, doc: doc, statement: st, filter: filter, out: out, taken: map[*Shape]region{}, sure: map[*Shape][]box{}}
	if is.Facts != nil {
		for i := range is.Facts.Projects {
			p := &is.Facts.Projects[i]
			switch {
			case filter.mayBe(p):
				j.project(p)
			case filter.mayBeReused(p, true):
				j.reused(p, true)
			}
			j.forks(p)
		}
	}
	j.others()
	j.person()
	if is.Facts != nil && len(out.Findings) == 0 && j.mayTakeMergeRequests() {
		for i := range is.Facts.Projects {
			j.elsewhere(&is.Facts.Projects[i])
		}
	}
	if len(out.Findings) == 0 {
		j.coarse()
	}
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
	taken     map[*Shape]region // what the statement takes, found out at need
	sure      map[*Shape][]box  // and what of it is surely made
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
		r := j.takes(s)
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
	j.reused(p, false)
}

// gap adds a finding if the region reaches into a gap.
func (j *judgement) gap(s *Shape, r region, gap guard.Gap, group int, bad part) {
	f := Finding{Requires: gap.Breaks, Guard: gap.Guard, Why: gap.Why, Fix: j.fix(gap), Level: gap.Level}
	if gap.Page != "" {
		f.Page = j.page(s.origin.project, gap.Page)
	}
	if gap.Surely {
		taken, settled := within(j.work, r.surely, group, bad), j.settled(s, group, bad)
		if j.work.Err() != nil {
			return // what is left over says nothing
		}
		if len(taken) > 0 {
			f.Verdict = Refuted
			if why := j.unsettled(s, settled, group); len(why) > 0 {
				f.Verdict, f.Why = Unknown, strings.Join(why, "; ")+"; without that: "+gap.Why
			} else {
				taken = settled
			}
			if m, ok := taken[0].pick(); ok && j.work.Err() == nil {
				j.witness(s, m, f, gap.Who, gap.Does)
			}
			return
		}
	}
	perhaps := within(j.work, r.perhaps, group, bad)
	if len(perhaps) == 0 || j.work.Err() != nil {
		return
	}
	f.Verdict = Unknown
	if gap.Surely { // then it is the policy that nobody can read
		f.Why = strings.Join(slices.Compact(slices.Clone(r.unmodelled)), "; ") + "; without that: " + gap.Why
	}
	m, _ := perhaps[0].pick()
	j.witness(s, m, f, gap.Who, gap.Does)
}

// fix is what to change about a gap, where AWS cannot ask for what Mayfly can.
func (j *judgement) fix(gap guard.Gap) string {
	asks := func(claim string) bool { return j.Realm == Mayfly || AWSFills(j.Provider.URL, claim) }
	switch {
	case gap.Guard == guardImmutableID && !asks("project_id"):
		return "AWS knows no project_id of this issuer: let the project's sub begin with it (ci_id_token_sub_claim_components), and ask for that"
	case gap.Guard == guardForkPipelines && !asks("project_id"):
		return "AWS knows no project of this issuer but by sub: let that begin with project_path or project_id; or turn off running fork pipelines in the parent project"
	case gap.Guard == guardRunsElsewhere && !asks("pipeline_source"):
		return "AWS cannot tell pipelines of merge requests apart for this issuer: let the project's sub begin with job_project_id (ci_id_token_sub_claim_components), and ask for that; or use the role with Mayfly"
	case gap.Guard == guard.MergeRequestSource && !asks("pipeline_source"):
		return "AWS cannot tell pipelines of merge requests apart for this issuer: open none from the branch, or use the role with Mayfly"
	case gap.Guard == guardEnvironment && !asks("environment_protected"):
		return "AWS knows no environments: use the role with Mayfly, or do not require it"
	}
	return gap.Fix
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
	if o.class == ReusedPath {
		return out
	}
	out = append(out, claimFact{[]string{"project_visibility"}, "its visibility", &p.Visibility})
	if o.environment == nil || *o.environment != (environment{}) { // else the jobs have none
		out = append(out, claimFact{[]string{"environment_protected"}, "its protected environments", &p.ProtectedEnvironments},
			claimFact{[]string{"environment_protected"}, "its groups' protected environments", &p.GroupProtectedEnvironments},
			claimFact{[]string{"environment_protected"}, "the tiers of its environments", environmentTiers(p)})
	}
	switch {
	case o.class == ForkOfKnown:
		return out[2:] // its ids are its own, and it is never protected
	case o.ref == guard.Tag:
		return append(out, claimFact{[]string{"ref_protected"}, "its protected tags", &p.ProtectedTags})
	}
	out = append(out, claimFact{[]string{"ref_protected"}, "its protected branches", &p.ProtectedBranches})
	if o.ref == guard.MergeRequest {
		out = append(out, claimFact{[]string{"ref_protected"}, "whether merge requests' pipelines can be protected", &p.ProtectMergeRequestPipelines})
	}
	return out
}

// environmentTiers are the project's environments, or why nobody knows the tier of one
// of them, where a group protects some tiers and not others.
func environmentTiers(p *guard.Project) guard.Said {
	if list, known := p.Environments.Value(); known && slices.ContainsFunc(list, func(e guard.Environment) bool { return e.Tier == "" }) {
		untold := guard.Unknown[string]("the facts do not say")
		return &untold
	}
	return &p.Environments
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
		if (st == j.statement || st.Denies()) && (in(st, claim) || slices.Contains(components, claim) && in(st, "sub")) {
			return true
		}
	}
	return false
}

// environment: that a job deploys to a protected environment is not a matter of
// its ref.
func (j *judgement) environment(s *Shape, r region) {
	if !hasKind(j.require, guard.EnvironmentProtected) {
		return
	}
	gap := guard.Gap{Guard: guardEnvironment, Breaks: []guard.Requirement{{Kind: guard.EnvironmentProtected}}, Surely: true, Level: guard.Developer,
		Who: "a Developer", Does: "runs a job on %s that deploys to no protected environment", Why: "the statement does not ask for one",
		Fix: "ask for environment and, with it, environment_protected"}
	j.gap(s, r, gap, s.environmentGroup, part{j.work.Preimage(regular.Literal("false"), template(2), 4), true})
}

// whole adds the finding that a shape is let in at all.
func (j *judgement) whole(s *Shape, r region, gap guard.Gap) {
	j.gap(s, r, gap, 0, s.all().parts[0])
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
		refs, said := j.refsOf(s, b)
		one := Reach{Project: s.origin.project.Path, Kind: s.origin.kind(), Refs: said.String()}
		one.Closed = s.origin.project.Standing(j.work, s.origin.ref, refs, j.require, j.world(s.origin.project).gaps[s.origin.ref])
		if !slices.ContainsFunc(j.out.Reach, func(have Reach) bool {
			return have.Project == one.Project && have.Kind == one.Kind && have.Refs == one.Refs
		}) {
			j.out.Reach = append(j.out.Reach, one)
		}
	}
}

// refsOf is the refs of a box of what the statement takes of a project's jobs, and
// what they are in words.
func (j *judgement) refsOf(s *Shape, b box) (regular.Language, regular.Description) {
	if pattern, ok := j.asWritten(s); ok {
		w, every := j.work, s.refNames()
		refs := w.Intersect(w.Wildcard(pattern), every)
		if lacks := w.Subtract(every, s.origin.project.Refs(w, s.origin.ref)); !w.Overlap(refs, lacks) && !w.Within(every, refs) {
			return refs, regular.Description{Exact: true, Terms: []regular.Term{{Pattern: pattern}}}
		}
	}
	refs := j.work.Image(b.parts[0].words, template(trackRef), originTracks)
	return refs, j.work.Describe(refs, s.refNames(), patternsOf(j.statement)...)
}

// asWritten is the pattern of the refs that the statement takes of a shape, where
// it can be read off: at the end of the one thing that it asks of where jobs come
// from and that is not the same for all, the one value of sub.
func (j *judgement) asWritten(s *Shape) (pattern string, ok bool) {
	if s.origin.protected != "" || slices.ContainsFunc(j.doc.Statements(), (*policy.Statement).Denies) {
		return "", false
	}
	conditions := j.statement.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if k, found := s.keys[policy.FoldKey(c.Key())]; !found || k.group > 0 {
			continue
		}
		if _, _, same := s.constant(j.work, c.Key()); same {
			continue // all of them, or there would be none
		}
		if ok || !c.IsKey(j.Provider.URL+":sub") {
			return "", false
		}
		if pattern, ok = s.behind(c); !ok {
			return "", false
		}
	}
	return pattern, ok
}

// behind is the pattern of refs in the one value of a condition on sub, behind what
// is the same in every sub of the shape.
func (s *Shape) behind(c *policy.Condition) (pattern string, ok bool) {
	t := s.keys[policy.FoldKey(c.Key())].Template
	if len(t) == 0 || t[len(t)-1].Track != trackRef || !c.Confines() || len(c.Values()) != 1 || c.Operator().Test == policy.StringEqualsIgnoreCase {
		return "", false
	}
	var before, written strings.Builder
	for _, p := range t[:len(t)-1] {
		if p.Track > 0 {
			return "", false
		}
		before.WriteString(p.Text)
	}
	v := c.Values()[0]
	for _, p := range v.Parts() {
		written.WriteString(map[policy.PartKind]string{policy.Literal: p.Text, policy.AnyRun: "*", policy.AnyChar: "?"}[p.Kind])
	}
	if written.String() != v.Text() {
		return "", false // an escape, or a variable
	}
	return strings.CutPrefix(v.Text(), before.String())
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
