package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/regular"
)

// Guard names something GitLab can enforce.
type Guard string

const (
	BranchProtection   Guard = "branch-protection"
	BranchCreation     Guard = "branch-creation"
	TagProtection      Guard = "tag-protection"
	PushLevels         Guard = "push-levels"
	TagCreators        Guard = "tag-creators"
	ForcePushes        Guard = "force-pushes"
	PullMirroring      Guard = "pull-mirroring"
	Approvals          Guard = "approvals"
	ApprovalOverrides  Guard = "approval-overrides"
	AuthorApproval     Guard = "author-approval"
	CommitterApproval  Guard = "committer-approval"
	ApprovalReset      Guard = "approval-reset"
	CodeOwnerApproval  Guard = "code-owner-approval"
	VariableOverride   Guard = "variable-override"
	MergeRequestSource Guard = "merge-request-pipelines"
)

// Gap is refs at which a guard that some requirement needs does not stand, or
// nobody knows that it stands.
type Gap struct {
	Guard  Guard
	Breaks []Requirement
	Refs   regular.Language
	// Surely: the guard is not there. Else nobody could find out, and Why says
	// why not.
	Surely bool
	// Who can walk through, and Does what it takes, with %s for the ref: "a
	// Developer", "pushes branch %s".
	Who, Does string
	Why       string // the fact behind it
	Fix       string // what to change
	Page      string // where, below the project's own page
	Level     Level  // who it takes at least, where that is a role; else 0
	Source    Source
}

// RefKind is the kind of pipeline a ref belongs to.
type RefKind uint8

const (
	Branch RefKind = iota
	Tag
	MergeRequest // the ref is the source branch
)

// Pages of a project's settings.
const (
	pageRepository   = "/-/settings/repository"
	pageMergeRequest = "/-/settings/merge_requests"
	pageCI           = "/-/settings/ci_cd"
)

// Refs is every name a ref of the kind can have in the project. No tag is called
// like the default branch.
func (p *Project) Refs(w *regular.Work, kind RefKind) regular.Language {
	if kind != Tag {
		return BranchNames()
	}
	if name, known := p.DefaultBranch.Value(); known {
		return w.Subtract(TagNames(), regular.Literal(name))
	}
	return TagNames()
}

// ProtectedRefs is the refs of a kind that some rule protects; false if nobody
// knows the rules.
func (p *Project) ProtectedRefs(w *regular.Work, kind RefKind) (regular.Language, bool) {
	var all []regular.Language
	if kind == Tag {
		rules, known := p.ProtectedTags.Value()
		for _, r := range rules {
			all = append(all, matching(w, r.Name))
		}
		return w.Intersect(w.Union(all...), TagNames()), known
	}
	rules, known := p.ProtectedBranches.Value()
	for _, r := range rules {
		all = append(all, matching(w, r.Name))
	}
	return w.Intersect(w.Union(all...), BranchNames()), known
}

// Gaps are the gaps of a project for a kind of pipeline: every guard that one of
// the requirements needs and that is missing, or perhaps missing, at some ref.
// Requirements that are not about refs (immutable-id, protected-environment) have
// none here.
func (p *Project) Gaps(w *regular.Work, kind RefKind, require []Requirement) []Gap {
	s := &survey{p: p, w: w, kind: kind, require: require}
	switch kind {
	case Tag:
		s.tags()
	case MergeRequest:
		if !s.mergeRequests() {
			s.branches()
		}
	default:
		s.branches()
	}
	s.variables()
	return s.gaps
}

// survey walks through a project's guards.
type survey struct {
	p       *Project
	w       *regular.Work
	kind    RefKind
	require []Requirement
	gaps    []Gap
}

// needed are the requirements, among some kinds, that were asked for.
func (s *survey) needed(kinds ...Kind) []Requirement {
	var out []Requirement
	for _, r := range s.require {
		if slices.Contains(kinds, r.Kind) {
			out = append(out, r)
		}
	}
	return out
}

// add notes a gap, if any requirement breaks and any ref is in it.
func (s *survey) add(g Gap) {
	g.Refs = s.w.Intersect(g.Refs, s.p.Refs(s.w, s.kind))
	if len(g.Breaks) > 0 && !g.Refs.IsEmpty() {
		s.gaps = append(s.gaps, g)
	}
}

// unknown notes that nobody knows of a guard at some refs.
func unknownOf[T any](s *survey, g Gap, f Fact[T]) {
	g.Surely, g.Why, g.Source = false, f.Why(), f.Source()
	g.Who, g.Does = "", ""
	s.add(g)
}

// onlyRefs are the requirements that mean nothing at a ref that is not protected.
var onlyRefs = []Kind{Protected, Reviewed, NoAuthorApproval, NoForcePush, NoDirectPush, NoCommitterApproval, ResetApprovals, CodeOwners}

func (s *survey) branches() {
	if !s.branchProtection() {
		return
	}
	s.firstPush()
	s.pushes()
	s.mirror()
	s.approvals()
	s.creations()
}

// branchProtection: a branch that no rule matches is anybody's with the role of a
// Developer. false if nobody knows the rules.
func (s *survey) branchProtection() bool {
	g := Gap{Guard: BranchProtection, Breaks: s.needed(onlyRefs...), Refs: s.p.Refs(s.w, Branch), Surely: true, Level: Developer,
		Who: "a Developer", Does: "pushes branch %s", Why: "not protected", Page: pageRepository,
		Fix: "protect the branch, or let the role trust protected branches only"}
	if s.kind == MergeRequest {
		g.Does = "opens a merge request from branch %s"
	}
	covered, known := s.p.ProtectedRefs(s.w, Branch)
	if !known {
		unknownOf(s, g, s.p.ProtectedBranches)
		return false
	}
	g.Source = s.p.ProtectedBranches.Source()
	g.Refs = s.w.Subtract(g.Refs, covered)
	s.pushable(g)
	return true
}

// pushable notes a gap at branches that somebody would have to push first: the
// push rule may refuse their names. The default branch's it never does.
func (s *survey) pushable(g Gap) {
	rule, known := s.p.PushRule.Value()
	switch {
	case s.p.PushRule.State() == StateAbsent:
	case !known:
		g.Why = "whether the push rule refuses the name: " + s.p.PushRule.Why()
		g.Surely, g.Source, g.Who, g.Does = false, s.p.PushRule.Source(), "", ""
	case rule.BranchName != "":
		allowed, err := s.w.Regexp(rule.BranchName)
		if err != nil {
			g.Why = "whether the push rule refuses the name: " + err.Error()
			g.Surely, g.Source, g.Who, g.Does = false, s.p.PushRule.Source(), "", ""
			break
		}
		refused := g
		if name, told := s.p.DefaultBranch.Value(); told {
			allowed = s.w.Union(allowed, regular.Literal(name))
		} else { // any of them may be the default branch
			refused.Refs = s.w.Subtract(g.Refs, allowed)
			unknownOf(s, refused, s.p.DefaultBranch)
		}
		g.Refs = s.w.Intersect(g.Refs, allowed)
	}
	s.add(g)
}

// firstPush: while the repository is empty no rule holds for its Maintainers. (GitLab,
// app/models/protected_branch.rb, protected_ref_accessible_to?)
func (s *survey) firstPush() {
	if empty, _ := s.p.EmptyRepo.Value(); empty {
		s.add(Gap{Guard: PushLevels, Breaks: s.needed(NoDirectPush, Reviewed), Refs: s.p.Refs(s.w, s.kind), Surely: true, Level: Maintainer, Source: s.p.EmptyRepo.Source(),
			Who: "a Maintainer", Does: "pushes the first commit straight to branch %s", Why: "the repository is empty, and its first push is held to no rule", Fix: "make the first commit"})
	}
}

// pushes: whoever passes one matching rule passes, so each rule that lets
// somebody push is a gap wherever it matches, however strict the others are.
func (s *survey) pushes() {
	rules, _ := s.p.ProtectedBranches.Value()
	for _, r := range rules {
		g := Gap{Guard: PushLevels, Breaks: s.needed(NoDirectPush, Reviewed), Refs: matching(s.w, r.Name), Surely: true, Page: pageRepository, Does: "pushes straight to branch %s",
			Source: s.p.ProtectedBranches.Source(), Fix: fmt.Sprintf("set who may push and merge to %q: allowed to push, no one", r.Name)}
		who, known := r.Push.Value()
		if !known {
			unknownOf(s, g, r.Push)
		}
		if who = someone(who); len(who) > 0 {
			g.Who, g.Level = whoAre(who)
			g.Why = fmt.Sprintf("the rule %q lets %s push", r.Name, listOf(who))
			s.add(g)
		}
		for _, by := range rules {
			s.forcePushes(r, by)
		}
	}
}

// forcePushes: one matching rule that allows force push allows it to whom any
// matching rule lets push. (GitLab, "Protection rules and permissions".)
func (s *survey) forcePushes(r, by ProtectedBranch) {
	g := Gap{Guard: ForcePushes, Breaks: s.needed(NoForcePush), Refs: s.w.Intersect(matching(s.w, r.Name), matching(s.w, by.Name)), Surely: true, Page: pageRepository,
		Does: "force-pushes branch %s", Source: s.p.ProtectedBranches.Source(), Fix: fmt.Sprintf("turn off force push for %q", r.Name)}
	who, known := by.Push.Value()
	who = someone(who)
	switch on, told := r.ForcePush.Value(); {
	case known && len(who) == 0, told && !on:
	case !told:
		unknownOf(s, g, r.ForcePush)
	case !known:
		unknownOf(s, g, by.Push)
	default:
		g.Who, g.Level = whoAre(who)
		g.Why = fmt.Sprintf("the rule %q allows force push, to %s", r.Name, listOf(who))
		if r.Name != by.Name {
			g.Why = fmt.Sprintf("the rule %q allows force push, and the rule %q lets %s push", r.Name, by.Name, listOf(who))
		}
		s.add(g)
	}
}

// mirror: a project that mirrors another takes over its branches and tags,
// reviewed or not.
func (s *survey) mirror() {
	g := Gap{Guard: PullMirroring, Breaks: s.needed(NoDirectPush, Reviewed, NoForcePush), Refs: s.p.Refs(s.w, s.kind), Surely: true,
		Who: "whoever may push to the repository it mirrors", Does: "pushes branch %s there", Why: "the project mirrors another repository",
		Fix: "turn off pull mirroring", Page: pageRepository, Source: s.p.Mirror.Source()}
	if s.kind == Tag {
		g.Breaks, g.Does = s.needed(NoDirectPush, Reviewed), "pushes tag %s there"
	}
	switch on, known := s.p.Mirror.Value(); {
	case s.p.Mirror.State() == StateAbsent:
	case !known:
		unknownOf(s, g, s.p.Mirror)
	case on:
		s.add(g)
	}
}

// approvals: what a merge needs, at branches that somebody may merge into.
func (s *survey) approvals() {
	open, perhaps, unsure := s.mergeable()
	s.merges(Gap{Refs: open, Surely: true, Level: Developer, Page: pageMergeRequest})
	// Where nobody knows whether anybody may merge, nothing is sure.
	n := len(s.gaps)
	s.merges(Gap{Refs: s.w.Subtract(perhaps, open), Surely: true, Level: Developer, Page: pageMergeRequest})
	for i := range s.gaps[n:] {
		if g := &s.gaps[n+i]; g.Surely {
			g.Surely, g.Who, g.Does, g.Why = false, "", "", "who may merge: "+unsure+"; if anybody: "+g.Why
		}
	}
}

// merges is what a merge needs at some branches.
func (s *survey) merges(base Gap) {
	for _, r := range s.needed(Reviewed) {
		s.required(base, r)
	}
	for _, setting := range []struct {
		guard    Guard
		breaks   []Requirement
		fact     Fact[bool]
		bad      bool
		who, why string
		does     string
		fix      string
	}{
		{ApprovalOverrides, s.needed(Reviewed), s.p.ApprovalRulesOverridable, true, "a Developer",
			"merge requests may have approval rules of their own", "opens a merge request into %s and takes its approval rules away", "turn on 'Prevent editing approval rules in merge requests'"},
		{AuthorApproval, s.needed(NoAuthorApproval), s.p.AuthorMayApprove, true, "a Developer",
			"authors may approve their own merge requests", "opens a merge request into %s and approves it", "turn on 'Prevent approval by merge request creator'"},
		{CommitterApproval, s.needed(NoCommitterApproval), s.p.CommittersMayApprove, true, "a Developer",
			"those who add commits may approve", "adds a commit to somebody's merge request into %s and approves it", "turn on 'Prevent approvals by users who add commits'"},
		{ApprovalReset, s.needed(ResetApprovals), s.p.ResetApprovalsOnPush, false, "a Developer",
			"approvals stay when commits are added", "adds a commit to an approved merge request into %s", "let approvals be removed when commits are added"},
	} {
		g := base
		g.Guard, g.Breaks, g.Who, g.Does, g.Why, g.Fix, g.Source = setting.guard, setting.breaks, setting.who, setting.does, setting.why, setting.fix, setting.fact.Source()
		switch value, known := setting.fact.Value(); {
		case setting.fact.State() == StateAbsent:
			if setting.guard != ApprovalOverrides { // where no approval can be required, there is nothing to override
				g.Why, g.Fix = setting.fact.Why(), noApprovals
				s.add(g)
			}
		case !known:
			unknownOf(s, g, setting.fact)
		case value == setting.bad:
			s.add(g)
		}
	}
	s.codeOwners(base)
}

// noApprovals is what to do where the tier has no approvals.
const noApprovals = "this tier cannot require approvals: let no one but a person you trust alone merge (merge access to one user needs Premium; Maintainers otherwise), or ask for protected,no-direct-push only"

// mergeable is the protected branches that somebody may change, and those that
// somebody may or perhaps may, and why that is not known.
func (s *survey) mergeable() (surely, perhaps regular.Language, why string) {
	rules, _ := s.p.ProtectedBranches.Value()
	for _, r := range rules {
		refs := matching(s.w, r.Name)
		for _, list := range []Fact[[]Access]{r.Merge, r.Push} {
			switch who, known := list.Value(); {
			case !known:
				perhaps, why = s.w.Union(perhaps, refs), list.Why()
			case len(someone(who)) > 0:
				surely, perhaps = s.w.Union(surely, refs), s.w.Union(perhaps, refs)
			}
		}
	}
	return surely, perhaps, why
}

// required: the branches for which no rule asks for so many approvals.
func (s *survey) required(g Gap, r Requirement) {
	g.Guard, g.Breaks = Approvals, []Requirement{r}
	g.Who, g.Does, g.Source = "a Developer", "opens a merge request into %s and has it merged", s.p.ApprovalRules.Source()
	g.Fix = fmt.Sprintf("add an approval rule that requires %d for all protected branches", r.Count)
	rules, known := s.p.ApprovalRules.Value()
	switch {
	case s.p.ApprovalRules.State() == StateAbsent:
		g.Why, g.Fix = s.p.ApprovalRules.Why(), noApprovals
		s.add(g)
		return
	case !known:
		unknownOf(s, g, s.p.ApprovalRules)
		return
	}
	var surely, perhaps, thin regular.Language // the branches where so many are needed, perhaps are, and seem to be
	g.Why = fmt.Sprintf("no approval rule that applies to it requires %d", r.Count)
	unsure := g
	unsure.Surely, unsure.Who, unsure.Does = false, "", ""
	for _, rule := range rules {
		if rule.Required < r.Count || rule.Type != "any_approver" && rule.Type != "regular" {
			continue
		}
		refs := s.ruleRefs(rule)
		switch enough, why := s.p.enough(rule); {
		case why != "":
			perhaps, unsure.Why = s.w.Union(perhaps, refs), why
		case enough:
			surely = s.w.Union(surely, refs)
		default:
			thin = s.w.Union(thin, refs)
		}
	}
	unsure.Refs = s.w.Subtract(s.w.Intersect(g.Refs, perhaps), surely)
	g.Refs = s.w.Subtract(g.Refs, s.w.Union(perhaps, surely))
	few := g
	few.Refs, few.Why = s.w.Intersect(g.Refs, thin), "the approval rules that apply to it name too few approvers, and GitLab takes a rule that nobody can meet for met"
	few.Fix = "name more approvers than the rule requires: an author cannot approve, and a rule that nobody else can meet counts as met"
	g.Refs = s.w.Subtract(g.Refs, thin)
	s.add(g)
	s.add(few)
	s.add(unsure)
}

// enough reports whether a rule has approvers enough to mean what it says. GitLab
// approves one by itself that requires more than can approve, and an author
// cannot, where authors may not approve their own. why says what nobody knows.
// (GitLab, "Merge request approval rules", invalid rules.)
func (p *Project) enough(rule ApprovalRule) (enough bool, why string) {
	if rule.Type == "any_approver" {
		return true, ""
	}
	approvers, told := rule.Approvers.Value()
	if !told {
		return false, fmt.Sprintf("who may approve by the rule %q: %s", rule.Name, rule.Approvers.Why())
	}
	authors, known := p.AuthorMayApprove.Value()
	if len(approvers) == rule.Required && !known {
		return false, "whether an author may approve: " + p.AuthorMayApprove.Why()
	}
	return len(approvers) > rule.Required || authors && len(approvers) == rule.Required, ""
}

// ruleRefs is the branches that an approval rule applies to.
func (s *survey) ruleRefs(rule ApprovalRule) regular.Language {
	switch rule.Branches {
	case ProtectedOnly:
		refs, _ := s.p.ProtectedRefs(s.w, Branch)
		return refs
	case NamedBranches:
		var refs []regular.Language
		for _, name := range rule.Named {
			refs = append(refs, matching(s.w, name))
		}
		return s.w.Union(refs...)
	}
	return BranchNames()
}

// codeOwners: one matching rule that asks for code owners is enough.
func (s *survey) codeOwners(g Gap) {
	g.Guard, g.Breaks = CodeOwnerApproval, s.needed(CodeOwners)
	g.Who, g.Does, g.Page, g.Source = "a Developer", "opens a merge request into %s that its code owners never see", pageRepository, s.p.ProtectedBranches.Source()
	g.Why, g.Fix = "no rule requires code owner approval", "turn on code owner approval for the protected branch"
	rules, _ := s.p.ProtectedBranches.Value()
	var perhaps []ProtectedBranch
	for _, r := range rules {
		switch on, known := r.CodeOwners.Value(); {
		case known && on:
			g.Refs = s.w.Subtract(g.Refs, matching(s.w, r.Name))
		case r.CodeOwners.State() == StateUnknown:
			perhaps = append(perhaps, r)
		}
	}
	for _, r := range perhaps {
		unsure := g
		unsure.Refs = s.w.Intersect(g.Refs, matching(s.w, r.Name))
		g.Refs = s.w.Subtract(g.Refs, unsure.Refs)
		unknownOf(s, unsure, r.CodeOwners)
	}
	s.add(g)
}

// tags: nobody reviews a tag. Whoever may create it decides which commit it is.
func (s *survey) tags() {
	g := Gap{Guard: TagProtection, Breaks: s.needed(onlyRefs...), Refs: s.p.Refs(s.w, Tag), Surely: true, Level: Developer,
		Who: "a Developer", Does: "creates tag %s", Why: "not protected", Page: pageRepository, Source: s.p.ProtectedTags.Source(),
		Fix: "protect the tag, or let the role trust branches only (ref_type)"}
	covered, known := s.p.ProtectedRefs(s.w, Tag)
	if !known {
		unknownOf(s, g, s.p.ProtectedTags)
		return
	}
	g.Refs = s.w.Subtract(g.Refs, covered)
	s.add(g)
	s.mirror()
	rules, _ := s.p.ProtectedTags.Value()
	for _, r := range rules {
		g := Gap{Guard: TagCreators, Breaks: s.needed(NoDirectPush, Reviewed), Refs: matching(s.w, r.Name), Surely: true, Page: pageRepository,
			Does: "creates tag %s on a commit that nobody reviewed", Source: s.p.ProtectedTags.Source(),
			Fix: fmt.Sprintf("let no one create tags %q, or let the role trust branches only (ref_type)", r.Name)}
		who, known := r.Create.Value()
		if !known {
			unknownOf(s, g, r.Create)
			continue
		}
		if who = someone(who); len(who) > 0 {
			g.Who, g.Level = whoAre(who)
			g.Why = fmt.Sprintf("the rule %q lets %s create it", r.Name, listOf(who))
			s.add(g)
		}
	}
}

// mergeRequests: the pipeline of a merge request runs what nobody has merged yet.
// true if that breaks a requirement, and so all that is to be said of the branch.
func (s *survey) mergeRequests() bool {
	before := len(s.gaps)
	s.add(Gap{Guard: MergeRequestSource, Breaks: s.needed(NotMergeRequest, Reviewed, NoDirectPush), Refs: s.p.Refs(s.w, MergeRequest), Surely: true, Level: Developer,
		Who: "a Developer", Does: "opens a merge request from branch %s into any other, whose pipeline runs what nobody has reviewed", Why: "a merge request's pipeline has the ref of its source branch",
		Fix: "let the statement ask for pipeline_source, one of push, web, schedule and such as you need"})
	return len(s.gaps) > before
}

// variables: variables given to a pipeline change what its jobs do.
func (s *survey) variables() {
	g := Gap{Guard: VariableOverride, Breaks: s.needed(NoVariableOverride), Refs: s.p.Refs(s.w, s.kind), Surely: true, Level: Developer, Page: pageCI,
		Who: "a Developer", Does: "starts a pipeline of %s with variables of their own", Why: "Developers may set pipeline variables",
		Fix: "set the minimum role to use pipeline variables to maintainer, owner or no one", Source: s.p.PipelineVariables.Source()}
	switch level, known := s.p.PipelineVariables.Value(); {
	case !known:
		unknownOf(s, g, s.p.PipelineVariables)
	case level != NoAccess && level <= Developer:
		s.add(g)
	}
}

// someone is a list of who may without the entries that mean no one.
func someone(list []Access) []Access {
	return slices.DeleteFunc(slices.Clone(list), func(a Access) bool { return a == Access{} })
}

// whoAre is whom a list lets in, in words, and the lowest role among them.
func whoAre(list []Access) (who string, level Level) {
	roles := slices.DeleteFunc(slices.Clone(list), func(a Access) bool { return a.Level == NoAccess })
	if len(roles) > 0 {
		lowest := slices.MinFunc(roles, func(a, b Access) int { return cmp.Compare(a.Level, b.Level) })
		return "a " + title(lowest.Level.String()), lowest.Level
	}
	switch a := list[0]; {
	case a.DeployKey != 0:
		return "whoever holds " + a.String(), NoAccess
	case a.Group != 0:
		return "a member of " + a.String(), NoAccess
	}
	return list[0].String(), NoAccess
}

func listOf(list []Access) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
		if a.Level != NoAccess {
			words[i] = title(words[i]) + "s"
		}
	}
	return strings.Join(words, ", ")
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
