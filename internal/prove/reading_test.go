package prove_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/prove"
)

// This file reads facts the slow way: one job at a time, by loops over what
// GitLab's documentation says. It shares no code with guard's gaps nor with the
// shapes, and is what both are held against.

// sure is how sure something is.
type sure uint8

const (
	no sure = iota
	perhaps
	yes
)

func (s sure) and(t sure) sure { return min(s, t) }
func (s sure) or(t sure) sure  { return max(s, t) }

func is(b bool) sure {
	if b {
		return yes
	}
	return no
}

// whether is a fact of yes and no, where one that the tier lacks is something
// else.
func whether(f guard.Fact[bool], absent sure) sure {
	switch v, known := f.Value(); {
	case known:
		return is(v)
	case f.State() == guard.StateAbsent:
		return absent
	}
	return perhaps
}

func not(s sure) sure { return yes - s }

// job is a job, by what makes its token.
type job struct {
	person                           string // the sub of somebody who signed in: all else is empty
	path, id, namespaceID            string
	kind                             guard.RefKind
	ref, protected                   string
	source                           string
	environment                      *environment
	userID, login, aud               string // several audiences have blanks between
	runsIn, runsInID, runsInParentID string // of a fork's merge request: the parent project
}

type environment struct{ name, protected, tier, action string }

func parent(path string) string { return path[:strings.LastIndexByte(path, '/')] }

// sub is what GitLab makes of a list of components.
func (j job) sub(components []string) string {
	var parts []string
	for _, c := range components {
		value := ""
		switch c {
		case "project_path", "source_project_path":
			value = j.path
		case "project_id", "source_project_id":
			value = j.id
		case "job_project_path":
			value = j.runsIn
		case "job_project_id":
			value = j.runsInID
		case "ref_type":
			value = j.refType()
		case "ref":
			value = j.ref
		case "ref_protected":
			value = j.protected
		case "environment_protected", "deployment_tier":
			if j.environment == nil {
				continue
			}
			value = map[string]string{"environment_protected": j.environment.protected, "deployment_tier": j.environment.tier}[c]
		default:
			continue
		}
		parts = append(parts, c+":"+value)
	}
	return strings.Join(parts, ":")
}

func (j job) refType() string {
	if j.kind == guard.Tag {
		return "tag"
	}
	return "branch"
}

// claims are the token's, as condition keys.
func (j job) claims(p arn.Provider, realm prove.Realm, components []string) prove.Claims {
	all := prove.Claims{{Key: "iss", Value: "https://" + p.URL}, {Key: "aud", Value: j.aud}}
	add := func(key, value string) { all = append(all, prove.Claim{Key: key, Value: value}) }
	if j.person != "" {
		add("sub", j.person)
	} else {
		add("sub", j.sub(components))
		add("project_path", j.path)
		add("project_id", j.id)
		add("namespace_path", parent(j.path))
		add("namespace_id", j.namespaceID)
		add("job_project_path", j.runsIn)
		add("job_project_id", j.runsInID)
		add("job_namespace_path", parent(j.runsIn))
		add("job_namespace_id", j.runsInParentID)
		add("ref", j.ref)
		add("ref_type", j.refType())
		add("ref_path", map[string]string{"branch": "refs/heads/", "tag": "refs/tags/"}[j.refType()]+j.ref)
		add("ref_protected", j.protected)
		add("pipeline_source", j.source)
		add("user_id", j.userID)
		if j.login != "" {
			add("user_login", j.login)
		}
		if e := j.environment; e != nil {
			add("environment", e.name)
			add("environment_protected", e.protected)
			add("deployment_tier", e.tier)
			add("environment_action", e.action)
		}
	}
	var out prove.Claims
	for _, c := range all {
		if realm == prove.Mayfly || prove.AWSFills(p.URL, c.Key) {
			out = append(out, prove.Claim{Key: p.URL + ":" + c.Key, Value: c.Value})
		}
	}
	return append(out, prove.Claim{Key: "aws:FederatedProvider", Value: p.String()})
}

// reader reads a world's facts.
type reader struct {
	facts  *guard.Facts
	realm  prove.Realm
	logins []string
}

// glob matches as GitLab's protections do: * is any run of characters.
func glob(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	if pattern[0] == '*' {
		for i := 0; i <= len(name); i++ {
			if glob(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	}
	return name != "" && pattern[0] == name[0] && glob(pattern[1:], name[1:])
}

// somebody reports whether a list of who may lets anybody.
func somebody(f guard.Fact[[]guard.Access]) sure {
	list, known := f.Value()
	if !known {
		return perhaps
	}
	for _, a := range list {
		if a != (guard.Access{}) {
			return yes
		}
	}
	return no
}

// protectedBy is whether any rule for branches, or tags, matches a ref.
func protectedBy(p *guard.Project, tag bool, ref string) sure {
	if tag {
		rules, known := p.ProtectedTags.Value()
		if !known {
			return perhaps
		}
		return is(slices.ContainsFunc(rules, func(r guard.ProtectedTag) bool { return glob(r.Name, ref) }))
	}
	rules, known := p.ProtectedBranches.Value()
	if !known {
		return perhaps
	}
	return is(slices.ContainsFunc(rules, func(r guard.ProtectedBranch) bool { return glob(r.Name, ref) }))
}

// breaks is whether a job of a project whose facts are known breaks a
// requirement.
func (r reader) breaks(j job, require guard.Requirement) sure {
	if r.isElsewhere(j) {
		switch require.Kind {
		case guard.EnvironmentProtected, guard.NoVariableOverride: // by whoever owns that project
			return yes
		}
		j.runsIn = j.path // the branch is guarded as it is
	}
	p, _ := r.facts.Project(j.runsIn)
	own := strings.EqualFold(j.path, p.Path) && j.runsIn == j.path
	if !own || j.path != p.Path || !isOf(p, j) {
		return is(!own || require.Kind == guard.ImmutableID) // a fork's job breaks them all; one under a path used again breaks the one
	}
	switch require.Kind {
	case guard.ImmutableID:
		return no
	case guard.EnvironmentProtected:
		return is(j.environment == nil || j.environment.protected != "true")
	case guard.NoVariableOverride:
		level, known := p.PipelineVariables.Value()
		if !known {
			return perhaps
		}
		return is(level > guard.NoAccess && level <= guard.Developer)
	case guard.NotMergeRequest:
		return is(j.kind == guard.MergeRequest)
	}
	if j.kind == guard.MergeRequest && (require.Kind == guard.Reviewed || require.Kind == guard.NoDirectPush) {
		return yes
	}
	open := not(protectedBy(p, j.kind == guard.Tag, j.ref))
	if j.kind != guard.Tag {
		open = open.and(pushable(p, j.ref))
	}
	if j.kind == guard.Tag {
		return open.or(r.tagBreaks(p, j.ref, require))
	}
	return open.or(r.branchBreaks(p, j.ref, require))
}

func (r reader) tagBreaks(p *guard.Project, tag string, require guard.Requirement) sure {
	if require.Kind != guard.Reviewed && require.Kind != guard.NoDirectPush {
		return no
	}
	rules, _ := p.ProtectedTags.Value()
	may := mirrored(p)
	for _, rule := range rules {
		if glob(rule.Name, tag) {
			may = may.or(somebody(rule.Create))
		}
	}
	return may
}

func mirrored(p *guard.Project) sure { return whether(p.Mirror, no) }

// branchBreaks: the branch is protected. One that need not be there yet may be made
// from any that is protected.
func (r reader) branchBreaks(p *guard.Project, branch string, require guard.Requirement) sure {
	out := r.changeBreaks(p, branch, require)
	name, told := p.DefaultBranch.Value()
	rules, _ := p.ProtectedBranches.Value()
	made := no
	for _, rule := range rules {
		if glob(rule.Name, branch) {
			made = made.or(somebody(rule.Merge))
		}
	}
	switch {
	case slices.Contains([]guard.Kind{guard.Protected, guard.NoForcePush}, require.Kind), told && name == branch,
		slices.ContainsFunc(rules, func(rule guard.ProtectedBranch) bool { return rule.Name == branch }):
		return out
	case !told:
		made = made.and(perhaps)
	}
	for _, rule := range rules {
		from := strings.ReplaceAll(rule.Name, "*", "0")
		out = out.or(made.and(pushable(p, branch)).and(r.changeBreaks(p, from, require)))
	}
	return out
}

func (r reader) changeBreaks(p *guard.Project, branch string, require guard.Requirement) sure {
	push, merge, force, owners := no, no, no, no
	rules, known := p.ProtectedBranches.Value()
	if !known {
		return perhaps
	}
	for _, rule := range rules {
		if glob(rule.Name, branch) {
			push, merge, force = push.or(somebody(rule.Push)), merge.or(somebody(rule.Merge)), force.or(whether(rule.ForcePush, no))
			owners = owners.or(whether(rule.CodeOwners, no))
		}
	}
	changes := push.or(merge)
	switch require.Kind {
	case guard.NoDirectPush:
		return push.or(mirrored(p))
	case guard.NoForcePush:
		return push.and(force).or(mirrored(p))
	case guard.Reviewed:
		return push.or(mirrored(p)).or(changes.and(not(approved(p, branch, require.Count)).or(whether(p.ApprovalRulesOverridable, no))))
	case guard.NoAuthorApproval:
		return changes.and(whether(p.AuthorMayApprove, yes))
	case guard.NoCommitterApproval:
		return changes.and(whether(p.CommittersMayApprove, yes))
	case guard.ResetApprovals:
		return changes.and(not(whether(p.ResetApprovalsOnPush, no)))
	case guard.CodeOwners:
		return changes.and(not(owners))
	}
	return no
}

// approved is whether some approval rule that applies to a protected branch asks
// for so many, and means it: a rule that names fewer than it requires counts as
// met, and so does one of which the author is needed.
func approved(p *guard.Project, branch string, count int) sure {
	rules, known := p.ApprovalRules.Value()
	if !known {
		return map[bool]sure{true: no, false: perhaps}[p.ApprovalRules.State() == guard.StateAbsent]
	}
	out := no
	for _, rule := range rules {
		if rule.Required < count || rule.Type != "any_approver" && rule.Type != "regular" {
			continue
		}
		if rule.Branches == guard.NamedBranches && !slices.ContainsFunc(rule.Named, func(name string) bool { return glob(name, branch) }) {
			continue
		}
		if rule.Type == "any_approver" {
			return yes
		}
		approvers, told := rule.Approvers.Value()
		enough := is(len(approvers) > rule.Required).or(is(len(approvers) == rule.Required).and(whether(p.AuthorMayApprove, no)))
		if !told {
			enough = perhaps
		}
		out = out.or(enough)
	}
	return out
}

func idIs(f guard.Fact[int64], id string) bool {
	known, ok := f.Value()
	return !ok || strconv.FormatInt(known, 10) == id
}

// mintable is whether GitLab gives a job such a token: whether the parts agree
// with the facts and with each other.
func (r reader) mintable(j job) sure {
	there, fits := r.mint(j)
	return there.and(fits)
}

// mint is whether there is such a job, and whether what GitLab says of it is what
// its token says.
func (r reader) mint(j job) (there, fits sure) {
	if several := j; strings.Contains(j.aud, " ") { // the exchange's configuration may let it in; on AWS nobody knows
		several.aud = "sts"
		there, fits = r.mint(several)
		return there.and(perhaps), fits
	}
	if j.person != "" {
		return is(number(j.person) && (r.realm == prove.AWS && len(j.aud) == 64 || slices.Contains(r.logins, j.aud))), yes
	}
	if !refName(j.ref) || !number(j.id) || !number(j.namespaceID) || !fullPath(j.path) || j.protected != "true" && j.protected != "false" {
		return no, no
	}
	ofMerge := slices.Contains([]string{"merge_request_event", "parent_pipeline", "external_pull_request_event"}, j.source)
	if j.kind == guard.MergeRequest && !ofMerge || j.kind != guard.MergeRequest && ofMerge && j.source != "parent_pipeline" {
		return no, no
	}
	if r.isElsewhere(j) {
		return r.elsewhere(j)
	}
	if _, known := r.facts.Project(j.runsIn); j.runsIn != j.path && known {
		return r.fork(j)
	}
	if j.runsIn != j.path { // a stranger's merge request in another stranger's project
		home := j
		home.runsIn, home.runsInID, home.runsInParentID = j.path, j.id, j.namespaceID
		there, fits = r.mint(home)
		return there.and(perhaps).and(is(j.kind == guard.MergeRequest && j.protected == "false")), fits
	}
	if j.runsInID != j.id || j.runsInParentID != j.namespaceID {
		return no, no
	}
	if p, ok := r.facts.Project(j.path); ok && p.Path == j.path {
		return r.ofPath(p, j)
	}
	for i := range r.facts.Projects {
		p := &r.facts.Projects[i]
		if p.ID.State() == guard.StateKnown && idIs(p.ID, j.id) {
			return no, no // ids are unique; paths too, whatever their letters' case, but they may become free
		}
		if ns, known := p.NamespaceID.Value(); known && (parent(p.Path) == parent(j.path)) != (strconv.FormatInt(ns, 10) == j.namespaceID) {
			return no, no
		}
	}
	return yes, yes
}

// fork: the job of a fork's merge request runs in the parent, with the parent's
// environments; GitLab never takes it for protected.
func (r reader) fork(j job) (there, fits sure) {
	p, ok := r.facts.Project(j.runsIn)
	if !ok || j.kind != guard.MergeRequest || j.protected != "false" || !idIs(p.ID, j.runsInID) || !idIs(p.NamespaceID, j.runsInParentID) {
		return no, no
	}
	if id, known := p.ID.Value(); known && j.id == strconv.FormatInt(id, 10) {
		return no, no
	}
	there, fits = whether(p.ForkPipelinesInParent, no), environmentFits(p, j.environment)
	if p.ID.State() != guard.StateKnown || p.NamespaceID.State() != guard.StateKnown {
		fits = fits.and(perhaps)
	}
	return there, fits
}

// isElsewhere reports whether a job is of a project that is known and runs in
// another one.
func (r reader) isElsewhere(j job) bool {
	p, known := r.facts.Project(j.path)
	return known && p.Path == j.path && isOf(p, j) && j.runsIn != j.path
}

// elsewhere: a merge request of a project runs in one that it may go to, a fork or
// the one it is a fork of, with that one's environments. Which those are, nobody ever
// knows for sure, but that two that are no forks are not.
func (r reader) elsewhere(j job) (there, fits sure) {
	from, _ := r.facts.Project(j.path)
	if j.kind != guard.MergeRequest || j.protected != "false" || j.runsInID == j.id {
		return no, no
	}
	there, fits = perhaps, yes
	if from.ID.State() != guard.StateKnown || from.NamespaceID.State() != guard.StateKnown {
		fits = perhaps
	}
	for i := range r.facts.Projects {
		p := &r.facts.Projects[i]
		switch {
		case p.Path != j.runsIn && p.ID.State() == guard.StateKnown && idIs(p.ID, j.runsInID):
			return no, no
		case p.Path == j.runsIn && noFork(p) && noFork(from):
			return no, no
		case p.Path == j.runsIn && (!idIs(p.ID, j.runsInID) || !idIs(p.NamespaceID, j.runsInParentID)):
			return no, no
		case p.Path == j.runsIn:
			there, fits = there.and(whether(p.ForkPipelinesInParent, no)), fits.and(environmentFits(p, j.environment))
		}
	}
	return there, fits
}

func noFork(p *guard.Project) bool {
	from, known := p.ForkedFrom.Value()
	return known && from == ""
}

// ofPath: a job of the project that is known, or of another under its path.
func (r reader) ofPath(p *guard.Project, j job) (there, fits sure) {
	for i := range r.facts.Projects {
		if other := &r.facts.Projects[i]; other != p && other.ID.State() == guard.StateKnown && idIs(other.ID, j.id) {
			return no, no // it is that project, wherever it has moved
		}
	}
	if !isOf(p, j) {
		return is(p.ID.State() != guard.StateKnown || !idIs(p.ID, j.id) && !idIs(p.NamespaceID, j.namespaceID)), yes
	}
	there, fits = yes, environmentFits(p, j.environment)
	if p.ID.State() != guard.StateKnown || p.NamespaceID.State() != guard.StateKnown {
		fits = fits.and(perhaps)
	}
	if j.kind == guard.Tag {
		switch name, known := p.DefaultBranch.Value(); {
		case known && name == j.ref:
			return no, no
		case !known:
			there = perhaps
		}
	}
	isProtected := protectedBy(p, j.kind == guard.Tag, j.ref)
	switch {
	case j.kind == guard.MergeRequest && j.protected == "true": // and the target's too
		there = there.and(isProtected).and(whether(p.ProtectMergeRequestPipelines, no))
	case j.kind == guard.MergeRequest: // or else its target is not
	case j.protected == "true":
		fits = fits.and(isProtected)
	default:
		fits = fits.and(not(isProtected))
	}
	return there, fits
}

// turnsOut is every job that j may turn out to be: like it but for what GitLab
// says of it by facts that nobody knows.
func (r reader) turnsOut(j job) []job {
	p, ok := r.facts.Project(j.runsIn)
	if !ok || j.runsIn == j.path && !isOf(p, j) {
		return []job{j}
	}
	all := []job{j}
	vary := func(values []string, set func(*job, string)) {
		for _, one := range slices.Clone(all) {
			for _, v := range values {
				other := one
				if set(&other, v); r.mintable(other) != no {
					all = append(all, other)
				}
			}
		}
	}
	if j.kind != guard.MergeRequest { // there it is the target that decides, which is chosen
		vary([]string{"true", "false"}, func(j *job, v string) { j.protected = v })
	}
	if j.environment != nil && !environmentChosen(p, j.environment) {
		vary([]string{"true", "false"}, func(j *job, v string) {
			e := *j.environment
			e.protected, j.environment = v, &e
		})
	}
	if p.ID.State() != guard.StateKnown {
		vary([]string{"1", "7", "8", "67", "99", "123"}, func(j *job, v string) {
			if j.runsInID = v; j.runsIn == j.path {
				j.id = v
			}
		})
	}
	return all
}

// environmentFits is whether an environment is protected as it says.
func environmentFits(p *guard.Project, e *environment) sure {
	switch {
	case e == nil:
		return yes
	case environmentChosen(p, e):
		return yes
	case e.protected == "false":
		return not(environmentIs(p, e))
	}
	return environmentIs(p, e)
}

// namesEnvironment is whether some list of protected environments has a name.
func namesEnvironment(f guard.Fact[[]guard.ProtectedEnvironment], name string) bool {
	list, _ := f.Value()
	return slices.ContainsFunc(list, func(g guard.ProtectedEnvironment) bool { return g.Name == name })
}

// madeEnvironment is the environment that there is, if it is known what there is.
func madeEnvironment(p *guard.Project, name string) (made guard.Environment, known bool) {
	list, known := p.Environments.Value()
	for _, e := range list {
		known = known && e.Tier != ""
		if e.Name == name {
			made = e
		}
	}
	return made, known
}

// environmentChosen is whether the job's author chooses whether an environment is
// protected: there is none of its name, and a group protects some tiers.
func environmentChosen(p *guard.Project, e *environment) bool {
	some, all := false, true
	for _, tier := range []string{"production", "staging", "testing", "development", "other"} {
		some, all = some || namesEnvironment(p.GroupProtectedEnvironments, tier), all && namesEnvironment(p.GroupProtectedEnvironments, tier)
	}
	made, known := madeEnvironment(p, e.name)
	return p.ProtectedEnvironments.State() == guard.StateKnown && !namesEnvironment(p.ProtectedEnvironments, e.name) && some && !all && known && made.Name == ""
}

// environmentIs is whether an environment is protected: by its name, or in a group by
// the tier it was made with, whatever the job calls it now.
func environmentIs(p *guard.Project, e *environment) sure {
	switch own, shared := p.ProtectedEnvironments, p.GroupProtectedEnvironments; {
	case namesEnvironment(own, e.name):
		return yes
	case own.State() == guard.StateAbsent:
		return no
	case own.State() == guard.StateUnknown || shared.State() == guard.StateUnknown:
		return perhaps
	}
	made, known := madeEnvironment(p, e.name)
	out := map[bool]sure{}
	for _, tier := range []string{"production", "staging", "testing", "development", "other"} {
		if !known || made.Tier == tier || made.Name == "" {
			out[namesEnvironment(p.GroupProtectedEnvironments, tier)] = yes
		}
	}
	switch {
	case len(out) == 2:
		return perhaps
	case out[true] == yes:
		return yes
	}
	return no
}

func number(text string) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n > 0 && text[0] != '0' || err != nil && len(text) > 19 && strings.Trim(text, "0123456789") == ""
}

// refName is what git and GitLab take for a ref's name, character by character.
func refName(name string) bool {
	if name == "" || name == "HEAD" || name[0] == '-' || name[0] == '/' || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") {
		return false
	}
	for _, c := range name {
		if c <= ' ' || c == 0x7f || strings.ContainsRune(`~^:?*[\`, c) {
			return false
		}
	}
	for component := range strings.SplitSeq(name, "/") {
		if component == "" || component[0] == '.' || strings.HasSuffix(component, ".lock") {
			return false
		}
	}
	return !strings.Contains(name, "..") && !strings.Contains(name, "@{") && !strings.HasPrefix(name, "refs/heads/") && !strings.HasPrefix(name, "refs/remotes/")
}

func fullPath(path string) bool {
	segments := strings.Split(path, "/")
	for _, s := range segments {
		if s == "" || s[0] == '-' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" {
			return false
		}
	}
	return len(segments) >= 2
}

// isOf reports whether a job may be of the very project, by its ids.
func isOf(p *guard.Project, j job) bool {
	return idIs(p.ID, j.id) && idIs(p.NamespaceID, j.namespaceID)
}

// pushable is whether the push rule takes a branch's name; the default branch's
// it always does.
func pushable(p *guard.Project, branch string) sure {
	rule, known := p.PushRule.Value()
	name, told := p.DefaultBranch.Value()
	switch {
	case p.PushRule.State() == guard.StateAbsent || known && rule.BranchName == "" || known && regexp.MustCompile(rule.BranchName).MatchString(branch):
		return yes
	case !known || !told:
		return perhaps
	}
	return is(name == branch)
}
