package webidentity

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
)

// guardOf is the name, behind the prefix, of a condition key about what GitLab
// enforces.
func guardOf(key string) (string, bool) {
	if len(key) < len(guard.DoorPrefix) || !policy.SameKey(key[:len(guard.DoorPrefix)], guard.DoorPrefix) {
		return "", false
	}
	return policy.FoldKey(key[len(guard.DoorPrefix):]), true
}

// AsksGuards reports whether a trust policy asks what GitLab enforces.
func AsksGuards(trust *policy.Document) bool {
	for _, s := range trust.Statements() {
		conditions := s.Conditions()
		for i := range conditions {
			if _, ok := guardOf(conditions[i].Key()); ok {
				return true
			}
			for _, v := range conditions[i].Values() {
				if slices.ContainsFunc(v.Parts(), func(p policy.Part) bool { _, ok := guardOf(p.Text); return ok && p.Kind == policy.Variable }) {
					return true
				}
			}
		}
	}
	return false
}

// CheckGuards refuses a trust policy that asks what GitLab enforces by a key that
// there is not, in a way that would let somebody in where nobody knows, or about
// projects that it does not name.
func CheckGuards(trust *policy.Document) error {
	for _, s := range trust.Statements() {
		asks := false
		for _, key := range s.Keys() {
			name, ok := guardOf(key)
			if !ok {
				continue
			}
			asks = true
			if !slices.Contains(guard.DoorKeys(), guard.DoorPrefix+name) {
				return iam.Refuse(iam.Malformed, "The trust policy's %s asks about %s, and there is no such condition key: there are %s.", s.Name(), key, strings.Join(guard.DoorKeys(), ", "))
			}
		}
		if !asks {
			continue
		}
		if err := checkGuardConditions(s); err != nil {
			return err
		}
		if !s.Denies() && !namesProjects(s) {
			return iam.Refuse(iam.Malformed, "The trust policy's %s asks what GitLab enforces without saying of whose projects: name one identity provider, "+
				"and add a condition on its sub, project_id or namespace_id with StringEquals or StringLike, without a wildcard in the first part of a path.", s.Name())
		}
	}
	return nil
}

// checkGuardConditions holds a statement's conditions on guards to operators that
// say what must be.
func checkGuardConditions(s *policy.Statement) error {
	conditions := s.Conditions()
	for i := range conditions {
		c := &conditions[i]
		for _, v := range c.Variables() {
			if _, ok := guardOf(v); ok {
				return iam.Refuse(iam.Malformed, "The trust policy's %s compares with ${%s}: what GitLab enforces is no value to compare others with.", s.Name(), v)
			}
		}
		name, ok := guardOf(c.Key())
		if !ok {
			continue
		}
		o := c.Operator()
		numeric := o.Test >= policy.NumericEquals && o.Test <= policy.NumericGreaterThanEquals
		switch {
		case o.Negated || o.IfExists || o.Set == policy.ForAllValues || o.Test == policy.Null:
			return iam.Refuse(iam.Malformed, "The trust policy's %s asks about %s with %s: say what it must be, with Bool, StringEquals or a Numeric operator that is not negated and without IfExists or ForAllValues.", s.Name(), c.Key(), o)
		case name == "approvals" && !numeric:
			return iam.Refuse(iam.Malformed, "The trust policy's %s asks about %s, which is a number, with %s: use NumericGreaterThanEquals.", s.Name(), c.Key(), o)
		case name != "approvals" && o.Test != policy.Bool && o.Test > policy.StringEqualsIgnoreCase:
			return iam.Refuse(iam.Malformed, "The trust policy's %s asks about %s, which is true or false, with %s: use Bool.", s.Name(), c.Key(), o)
		}
	}
	return nil
}

func namesProjects(s *policy.Statement) bool {
	names, not := s.Principals()
	if not || len(names) == 0 {
		return false
	}
	return !slices.ContainsFunc(names, func(n policy.PrincipalName) bool {
		p, err := arn.ParseProvider(n.Text)
		return n.Type != policy.Federated || err != nil || !s.NamesProjects(p)
	})
}

// Guards is what is known, at the door, of what GitLab enforces around a token's
// job: facts, or why there are none.
type Guards struct {
	Project *guard.Project // nil: see Why
	Why     string
}

// GuardKeys sets the condition keys about what GitLab enforces that a trust policy
// asks about. Each has a value or nobody knows it, and then no condition on it
// holds, whatever its operator.
func GuardKeys(b *policy.ContextBuilder, trust *policy.Document, c Claims, g Guards) {
	var answers []guard.DoorAnswer
	if g.Project != nil {
		answers, g.Why = doorAnswers(g.Project, c)
	}
	done := map[string]bool{}
	for _, s := range trust.Statements() {
		for _, key := range s.Keys() {
			name, ok := guardOf(key)
			if !ok || done[name] {
				continue
			}
			done[name] = true
			at := slices.IndexFunc(answers, func(a guard.DoorAnswer) bool { return a.Key == guard.DoorPrefix+name })
			if at < 0 {
				b.SetUnanswered(guard.DoorPrefix+name, cmp.Or(g.Why, "there is no such key"))
				continue
			}
			if value, known := answers[at].Value.Value(); known {
				b.Set(guard.DoorPrefix+name, value)
			} else {
				b.SetUnanswered(guard.DoorPrefix+name, cmp.Or(answers[at].Value.Why(), "nobody knows"))
			}
		}
	}
}

// GuardsKnown are the condition keys about what GitLab enforces that a context
// has, with their values.
func GuardsKnown(keys policy.Context) map[string]string {
	out := map[string]string{}
	for key, values := range keys.All() {
		if _, ok := guardOf(key); ok && len(values) == 1 {
			out[key] = values[0]
		}
	}
	return out
}

// Job is a job of a GitLab's project.
type Job struct {
	Project int64
	Path    string // of the project, as the token says
	Ref     string
	kinds   []guard.RefKind // several: the token does not say which
}

// JobOf says which job a token is of, or why what GitLab enforces around it cannot
// be told. (GitLab's documentation, "ID token authentication", token payload.)
func JobOf(c Claims) (j Job, why string) {
	id, err := strconv.ParseInt(c.Text("project_id"), 10, 64)
	j = Job{Project: id, Path: c.Text("project_path"), Ref: c.Text("ref")}
	switch runs, source := c.Text("job_project_id"), c.Text("pipeline_source"); {
	case c.IsPerson():
		return Job{}, "the token is a person's"
	case err != nil || id <= 0 || !strings.Contains(j.Path, "/") || j.Ref == "":
		return Job{}, "the token does not name a job's project and ref"
	case runs != "" && runs != c.Text("project_id"):
		return Job{}, "the job runs in another project than the one it is of: a fork's merge request"
	case c.Text("ref_type") == "tag":
		j.kinds = []guard.RefKind{guard.Tag}
	case c.Text("ref_type") != "branch" || source == "":
		return Job{}, "the token does not say what kind of pipeline its job is of"
	case source == "merge_request_event" || source == "external_pull_request_event":
		j.kinds = []guard.RefKind{guard.MergeRequest}
	case source == "parent_pipeline":
		j.kinds = []guard.RefKind{guard.Branch, guard.MergeRequest}
	default:
		j.kinds = []guard.RefKind{guard.Branch}
	}
	return j, ""
}

// doorAnswers are what a project's facts say of a token's job.
func doorAnswers(p *guard.Project, c Claims) ([]guard.DoorAnswer, string) {
	j, why := JobOf(c)
	if why != "" {
		return nil, why
	}
	answers := p.Door(j.kinds[0], j.Ref)
	for _, kind := range j.kinds[1:] {
		for i, other := range p.Door(kind, j.Ref) {
			value, known := answers[i].Value.Value()
			if v, told := other.Value.Value(); !known || !told || v != value {
				answers[i].Value = guard.Unknown[string]("the job is of a child pipeline, and its token does not say whether that is a merge request's")
			}
		}
	}
	return answers, ""
}

// WantsGuards reports whether an answer that was given without knowing what GitLab
// enforces may change with it: some statement about the token's own project fails
// for want of that alone, or stops somebody for it.
//
// Whoever is not of a statement's projects never has it asked, so that nobody but
// the role's own can make this server ask, or learn from it that it does.
func (a Answer) WantsGuards() bool {
	q := a.question
	if a.allowed || q.Trust == nil {
		return false
	}
	x, near, open := policy.Explain(q.request(a.action), q.set()), false, false
	for i := range x.Traces {
		t := &x.Traces[i]
		unanswered := onlyUnanswered(t)
		switch {
		case t.Denies():
			open = open || t.Unevaluable && unanswered
			if t.Matched || t.Unevaluable && !unanswered {
				return false
			}
		case t.Statement.Knows(q.project()) && (t.Matched || unanswered):
			near = true
			open = open || unanswered
		}
	}
	return near && open
}

// PinsProject reports whether every statement about the token's project that asks
// what GitLab enforces names it by its id too.
func (q Question) PinsProject() bool {
	id, own := []string{q.Claims.Text("project_id")}, q.project()
	for _, s := range q.Trust.Statements() {
		asks := slices.ContainsFunc(s.Keys(), func(key string) bool { _, ok := guardOf(key); return ok })
		if asks && s.Knows(own) && !s.ConfinesTo(q.Provider.URL+":project_id", id) {
			return false
		}
	}
	return true
}

// onlyUnanswered reports whether nothing but unknown guards keeps a statement from
// matching.
func onlyUnanswered(t *policy.Trace) bool {
	return len(t.Failures) > 0 && !slices.ContainsFunc(t.Failures, func(f policy.Failure) bool {
		if f.Condition == nil {
			return true
		}
		_, ok := guardOf(f.Condition.Key())
		return !ok || f.Why != policy.Unanswered
	})
}

// guardMisses is how to say that a guard is not what the role wants: key → its
// value → words, in which %s is the ref.
var guardMisses = map[string]map[string]string{
	"protected":          {"false": "%s is not protected, or no longer"},
	"direct-push":        {"true": "somebody may change %s without a merge request"},
	"force-push":         {"true": "the history of %s can be replaced by a force push"},
	"author-approval":    {"true": "authors may approve their own merge requests into %s"},
	"committer-approval": {"true": "those who add commits may approve merge requests into %s"},
	"approval-reset":     {"false": "approvals of merge requests into %s stay when commits are added"},
	"code-owners":        {"false": "code owners need not approve merge requests into %s"},
	"variable-override":  {"true": "Developers may set variables of pipelines of %s"},
	"merge-request":      {"true": "the token is from a merge request pipeline"},
}

// guarded says of a guard why it is not what the role wants.
func (m miss) guarded(name string) string {
	ref := fmt.Sprintf("the %s %q", m.refKind(), m.refName())
	switch {
	case m.Why == policy.Unanswered:
		return "what GitLab enforces is not known: " + m.Missing
	case m.Why != policy.NoMatch || len(m.Seen) != 1:
		return ""
	case name == "approvals" && m.Seen[0] == "0":
		return "nobody need approve what is merged into " + ref
	case name == "approvals":
		return fmt.Sprintf("a merge into %s needs %s approvals, and the role wants another number", ref, m.Seen[0])
	}
	words := guardMisses[name][m.Seen[0]]
	if strings.Contains(words, "%s") {
		words = fmt.Sprintf(words, ref)
	}
	return words
}
