package webidentity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/policy"
)

// miss is a condition on a claim that does not hold, and what is known besides.
type miss struct {
	policy.Failure
	claim     string // in lower case
	question  *Question
	statement *policy.Trace
	all       bool // the policy's own values may be spoken of, also those about other projects
}

// misses is the table of near misses: claim → how to say that it is not what the
// role wants. "" leaves it to the general sentence, which says what the claim is
// and what kind of value was wanted. GitLab's documentation of ID tokens has what
// the claims mean.
var misses = map[string]func(miss) string{
	"sub":                   miss.subject,
	"project_id":            miss.pinned,
	"namespace_id":          miss.pinned,
	"project_path":          miss.project,
	"namespace_path":        miss.project,
	"ref_type":              miss.refType,
	"ref":                   miss.ref,
	"ref_path":              miss.ref,
	"ref_protected":         miss.protected,
	"environment":           miss.environment,
	"environment_protected": miss.environmentProtected,
	"environment_action":    miss.ofEnvironment,
	"deployment_tier":       miss.ofEnvironment,
	"pipeline_source":       miss.source,
	"runner_environment":    miss.runner,
	"aud":                   miss.audience,
	"user_login":            miss.starter,
	"user_email":            miss.starter,
	"user_id":               miss.starter,
	"user_access_level":     miss.starter,
}

// reason says why an element of a statement did not match. all: for those who may
// see the policy; else for a job of the statement's own project.
func (q Question) reason(t *policy.Trace, f policy.Failure, all bool) string {
	claim, isClaim := q.claimOf(f.Condition)
	switch {
	case f.Condition == nil:
		return policy.Explanation{Request: q.request(ActionAssume)}.Sentence(f, false)
	case !isClaim:
		if name, ok := guardOf(f.Condition.Key()); ok {
			return cmp.Or(miss{Failure: f, question: &q}.guarded(name), f.Reason())
		}
		return f.Reason()
	}
	if all && claim == unkept {
		return "the claim " + claim + " is not what the role wants"
	}
	m := miss{f, claim, &q, t, all}
	words := ""
	if say := misses[claim]; say != nil && !f.Unevaluable {
		words = say(m)
	}
	if words == "" && f.Why == policy.Absent && f.Condition.Operator().Test != policy.Null {
		words = "the token has no claim " + claim
	}
	if words == "" {
		words = f.Reason()
	}
	if slip := m.slip(); all && slip != "" {
		words += "; " + slip
	}
	return words
}

// is reports whether the claim has this one value.
func (m miss) is(value string) bool { return len(m.Seen) == 1 && m.Seen[0] == value }

// other reports whether the claim has one value, which is none of those the
// policy lists.
func (m miss) other() bool { return m.Why == policy.NoMatch && len(m.Seen) == 1 }

// wanted is the value the policy lists, if it may be spoken of and is the only
// one.
func (m miss) wanted() (string, bool) {
	if values := m.Condition.Values(); m.all && len(values) == 1 {
		return values[0].Text(), true
	}
	return "", false
}

// subject takes sub apart, so that its words are about the project, the type of
// the ref or the ref.
func (m miss) subject() string {
	if !m.other() {
		return ""
	}
	own := components(m.Seen[0])
	nearest := m.nearestSubject(own)
	switch {
	case len(own) == 0 || nearest == nil:
		return ""
	case !nearest.sameParts:
		return m.otherParts(own, nearest)
	case len(nearest.pairs) == 0:
		return ""
	case nearest.otherProject:
		return fmt.Sprintf("the role is for another project than %q", own[0].value)
	}
	byName := map[string]pair{}
	for _, p := range nearest.pairs {
		byName[p.own.name] = p
	}
	if p, ok := byName["ref_type"]; ok {
		return m.wantsType([]string{p.want})
	}
	if p, ok := byName["ref"]; ok {
		return m.wantsRef(p.want, nearest.like, m.all && nearest.only)
	}
	p, part, words := nearest.pairs[0], m, ""
	part.Seen = []string{p.own.value}
	switch p.own.name {
	case "ref_protected":
		words = part.protected()
	case "environment_protected":
		words = part.environmentProtected()
	}
	if words != "" {
		return words
	}
	return fmt.Sprintf("the role wants another %s in sub than %q", p.own.name, p.own.value)
}

// otherParts is about a sub of other components than the policy speaks of: a
// project can say which its jobs' tokens have.
func (m miss) otherParts(own []component, nearest *subjectDifference) string {
	var has, wants []string
	for _, c := range own {
		has = append(has, c.name)
	}
	for _, c := range nearest.want {
		if !slices.Contains(subjectComponents, c.name) && !m.all {
			return "this token's sub is made of " + strings.Join(has, ", ") + ", and the role wants one of other parts"
		}
		wants = append(wants, c.name)
	}
	return "this token's sub is made of " + strings.Join(has, ", ") + ", and the role wants one of " + strings.Join(wants, ", ")
}

// project is about a path. Who hears it without seeing the policy is of the
// role's project by another condition.
func (m miss) project() string {
	if !m.other() {
		return ""
	}
	kind := strings.TrimSuffix(m.claim, "_path")
	if want, ok := m.wanted(); ok {
		return fmt.Sprintf("the role wants the %s %q, this token's is %q", kind, want, m.Seen[0])
	}
	return fmt.Sprintf("the role wants another %s than %q", kind, m.Seen[0])
}

// pinned is about an id. It is a stranger's, who never hears it: only those who
// may see the policy do.
func (m miss) pinned() string {
	if !m.other() || !m.all {
		return ""
	}
	kind := strings.TrimSuffix(m.claim, "_id")
	if m.holds("sub") || m.holds(kind+"_path") {
		return fmt.Sprintf("the role pins %s, and this %s has another id (%s) although its path is the same: was the path used again by another?", m.claim, kind, m.Seen[0])
	}
	return fmt.Sprintf("the role is for a %s of another id than %s", kind, m.Seen[0])
}

// holds reports whether the statement has a condition on a claim, and all of them
// hold.
func (m miss) holds(claim string) bool {
	is := func(c *policy.Condition) bool { name, ok := m.question.claimOf(c); return ok && name == claim }
	conditions := m.statement.Conditions()
	for i := range conditions {
		if is(&conditions[i]) {
			return !slices.ContainsFunc(m.statement.Failures, func(f policy.Failure) bool { return is(f.Condition) })
		}
	}
	return false
}

func (m miss) refType() string {
	switch {
	case m.other():
		return m.wantsType(texts(m.Condition.Values()))
	case m.Why == policy.Excluded && m.is("tag"):
		return "the role lets no tags in, " + m.ran()
	case m.Why == policy.Excluded && m.is("branch"):
		return "the role lets no branches in, " + m.ran()
	}
	return ""
}

// wantsType says which type of ref the role wants, where that is one.
func (m miss) wantsType(types []string) string {
	switch {
	case len(types) == 1 && (types[0] == "branch" || types[0] == "tag"):
		return "the role wants a " + types[0] + ", " + m.ran()
	case m.all:
		return ""
	}
	return "the role wants another type of ref, " + m.ran()
}

func (m miss) ref() string {
	values, want := m.Condition.Values(), ""
	switch {
	case m.other():
		if len(values) == 1 {
			want = values[0].Text()
		}
		return m.wantsRef(want, m.Condition.Operator().Test == policy.StringLike, m.all && want != "")
	case m.Why == policy.Excluded:
		return "the role excludes this ref: " + m.ran()
	}
	return ""
}

// wantsRef says that the role wants another ref of the same type. named: which.
func (m miss) wantsRef(want string, like, named bool) string {
	kind := m.refKind()
	switch pattern := like && strings.ContainsAny(want, "*?"); {
	case named && pattern:
		return fmt.Sprintf("the role wants a %s whose name fits %q, %s", kind, want, m.ran())
	case named:
		return fmt.Sprintf("the role wants the %s %q, %s", kind, want, m.ran())
	case pattern:
		return "the role wants a " + kind + " whose name fits a pattern, " + m.ran()
	}
	return "the role wants another " + kind + ", " + m.ran()
}

func (m miss) protected() string {
	if m.Why == policy.Absent || !m.is("false") && !m.is("") {
		return ""
	}
	switch ref := m.refName(); {
	case m.mergeRequest():
		return "ref_protected is false, and " + m.ran()
	case ref != "":
		return fmt.Sprintf("ref_protected is false: the %s %q is not protected", m.refKind(), ref)
	}
	return "ref_protected is false: the " + m.refKind() + " is not protected"
}

func (m miss) environment() string {
	want, named := m.wanted()
	switch {
	case m.Why == policy.Absent:
		return "this job has no environment"
	case m.other() && named:
		return fmt.Sprintf("the role wants the environment %q, this job's is %q", want, m.Seen[0])
	case m.other():
		return fmt.Sprintf("the role wants another environment, this job's is %q", m.Seen[0])
	}
	return ""
}

func (m miss) environmentProtected() string {
	switch name := m.question.Claims.Text("environment"); {
	case m.Why == policy.Absent:
		return "this job has no environment"
	case m.is("false") && name != "":
		return fmt.Sprintf("environment_protected is false: the environment %q is not protected", name)
	case m.is("false"):
		return "environment_protected is false: the environment is not protected"
	}
	return ""
}

// ofEnvironment is about a claim that only jobs with an environment have.
func (m miss) ofEnvironment() string {
	if m.Why == policy.Absent {
		return "this job has no environment"
	}
	return ""
}

func (m miss) source() string {
	switch {
	case m.Why != policy.NoMatch && m.Why != policy.Excluded || len(m.Seen) != 1:
		return ""
	case m.is("merge_request_event"):
		return "the token is from a merge request pipeline"
	}
	return fmt.Sprintf("the role wants a pipeline of another source, this one's is %q", m.Seen[0])
}

func (m miss) runner() string {
	if !m.other() {
		return ""
	}
	return fmt.Sprintf("the role wants another kind of runner, this job ran on one that is %q", m.Seen[0])
}

func (m miss) audience() string {
	if !m.other() {
		return ""
	}
	return fmt.Sprintf("the role wants another audience than %q: set aud: in the job's id_tokens", m.Seen[0])
}

func (m miss) starter() string {
	if !m.other() {
		return ""
	}
	return fmt.Sprintf("who started this job has the %s %q, the role wants another", m.claim, m.Seen[0])
}

// ran says for which ref the job ran.
func (m miss) ran() string {
	ref, kind := m.refName(), m.refKind()
	switch {
	case ref == "":
		return "this job ran for a " + kind
	case m.mergeRequest():
		return fmt.Sprintf("this job ran for a merge request from the branch %q", ref)
	case kind == "tag":
		return fmt.Sprintf("this job ran for the tag %q", ref)
	case kind == "branch":
		return fmt.Sprintf("this job ran on the branch %q", ref)
	}
	return fmt.Sprintf("this job ran for the ref %q", ref)
}

func (m miss) mergeRequest() bool {
	return m.question.Claims.Text("pipeline_source") == "merge_request_event"
}

// refName is the ref's name, as the token says.
func (m miss) refName() string {
	if ref := m.question.Claims.Text("ref"); ref != "" {
		return ref
	}
	return componentOf(m.question.Claims.Subject(), "ref")
}

// refKind is branch or tag, as the token says; else ref.
func (m miss) refKind() string {
	kind := m.question.Claims.Text("ref_type")
	if kind == "" {
		kind = componentOf(m.question.Claims.Subject(), "ref_type")
	}
	if kind != "branch" && kind != "tag" {
		return "ref"
	}
	return kind
}

// slip is what may be wrong with the policy itself, for those who may see it.
func (m miss) slip() string {
	o := m.Condition.Operator()
	if !m.other() || o.Negated || o.Test > policy.StringLike {
		return ""
	}
	for _, want := range texts(m.Condition.Values()) {
		switch seen := m.Seen[0]; {
		case strings.EqualFold(want, seen):
			return "they differ in upper and lower case alone"
		case strings.TrimSpace(want) == strings.TrimSpace(seen):
			return "they differ in white space alone"
		case o.Test != policy.StringLike && strings.ContainsAny(want, "*?"):
			return "the policy's value holds a wildcard, which " + o.String() + " takes as it is written: is StringLike meant?"
		case m.claim == "ref" && strings.HasPrefix(want, "refs/"):
			return "the claim ref is a short name; the one that begins with refs/ is ref_path"
		}
	}
	return ""
}
