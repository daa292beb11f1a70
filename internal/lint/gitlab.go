package lint

import (
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// conditions looks at each condition by itself.
func (l *linter) conditions(st *policy.Statement) {
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		l.literal(st, c)
		l.issuer(st, c)
		l.guard(st, c)
		if !st.Denies() {
			l.open(st, c)
			l.filled(st, c)
		}
	}
}

// guard: what GitLab enforces is asked in ways that let nobody in where nobody
// knows, and by a Mayfly server alone.
func (l *linter) guard(st *policy.Statement, c *policy.Condition) {
	key, o := policy.FoldKey(c.Key()), c.Operator()
	switch {
	case !strings.HasPrefix(key, guard.DoorPrefix):
	case !slices.Contains(guard.DoorKeys(), key):
		l.remark("no-such-guard", st, c.Position(), "write one of "+strings.Join(guard.DoorKeys(), ", "), "there is no condition key %s", c.Key())
	case o.Negated || o.IfExists || o.Set == policy.ForAllValues || o.Test == policy.Null:
		l.remark("open-operator", st, c.Position(), "say what it must be, with Bool or a Numeric operator", "%s on %s would hold where nobody knows what GitLab enforces; a Mayfly server does not save it", o, c.Key())
	case l.Realm == prove.AWS:
		l.remark("never-filled", st, c.Position(), "use the policy with Mayfly, which asks GitLab", "AWS never fills %s: the condition never holds", c.Key())
	}
}

// literal: a wildcard under an operator that has none.
func (l *linter) literal(st *policy.Statement, c *policy.Condition) {
	o := c.Operator()
	if o.Test != policy.StringEquals && o.Test != policy.StringEqualsIgnoreCase {
		return
	}
	for _, v := range c.Values() {
		if strings.ContainsAny(v.Text(), "*?") && !strings.Contains(v.Text(), "${") {
			l.remark("wildcard-as-text", st, c.Position(), "write StringLike, or the text without wildcards",
				"%s compares %s with %q, in which * and ? stand for themselves", o, c.Key(), v.Text())
		}
	}
}

// issuer: a key of an issuer that the statement does not name is never there.
func (l *linter) issuer(st *policy.Statement, c *policy.Condition) {
	providers := providersOf(st)
	prefix, claim, found := cutKey(c.Key())
	if len(providers) == 0 || !found || !strings.Contains(prefix, ".") {
		return
	}
	if slices.ContainsFunc(providers, func(p arn.Provider) bool { return strings.EqualFold(p.URL, prefix) }) {
		return
	}
	l.remark("other-issuer", st, c.Position(), fmt.Sprintf("write %s:%s", providers[0].URL, claim),
		"no token of %s has the key %s", providers[0].URL, c.Key())
}

// cutKey parts a condition key at its last colon: an issuer may have a port.
func cutKey(key string) (prefix, claim string, found bool) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 {
		return "", key, false
	}
	return key[:i], key[i+1:], true
}

// open: a condition that holds where the claim is missing confines nobody whose
// token lacks it.
func (l *linter) open(st *policy.Statement, c *policy.Condition) {
	o := c.Operator()
	if o.Test == policy.Null || c.Confines() || !isClaim(st, c.Key()) {
		return
	}
	how := ""
	switch {
	case o.IfExists:
		how = "IfExists"
	case o.Set == policy.ForAllValues:
		how = "ForAllValues"
	case o.Negated:
		how = "a negated operator"
	default:
		return
	}
	_, claim, _ := cutKey(c.Key())
	if o.Negated && alwaysThere[claim] && !o.IfExists && o.Set != policy.ForAllValues && l.Realm == prove.Mayfly {
		return // it can be relied on here
	}
	l.remark("open-operator", st, c.Position(), "say what the claim must be, with StringEquals or StringLike; where some value must be kept out, add a Null condition that wants the key there",
		"%s on %s holds for a token without the claim (%s)", o, c.Key(), how)
}

// alwaysThere are the claims that every job's token has.
var alwaysThere = map[string]bool{"sub": true, "aud": true, "iss": true, "project_id": true, "project_path": true, "namespace_id": true, "namespace_path": true,
	"ref": true, "ref_type": true, "ref_path": true, "ref_protected": true, "pipeline_source": true, "pipeline_id": true, "job_id": true, "sha": true, "jti": true}

func isClaim(st *policy.Statement, key string) bool {
	prefix, _, _ := cutKey(key)
	return slices.ContainsFunc(providersOf(st), func(p arn.Provider) bool { return strings.EqualFold(p.URL, prefix) })
}

func providersOf(st *policy.Statement) []arn.Provider {
	var out []arn.Provider
	names, _ := st.Principals()
	for _, n := range names {
		if p, err := arn.ParseProvider(n.Text); n.Type == policy.Federated && err == nil {
			out = append(out, p)
		}
	}
	return out
}

// filled: a key that nobody fills is always absent.
func (l *linter) filled(st *policy.Statement, c *policy.Condition) {
	if !isClaim(st, c.Key()) {
		return
	}
	prefix, claim, _ := cutKey(c.Key())
	if l.Realm != prove.AWS {
		gitlab := slices.ContainsFunc(providersOf(st), func(p arn.Provider) bool { return strings.EqualFold(p.URL, prefix) && l.isGitLab(p) })
		if gitlab && prove.SetBy(claim) == 0 {
			l.remark("unknown-claim", st, c.Position(), "compare it with the claims of a token", "GitLab's tokens have no claim %s, as far as is known", claim)
		}
		return
	}
	if prove.AWSFills(prefix, claim) {
		return
	}
	l.remark("never-filled", st, c.Position(), "say it with sub, or use the policy with Mayfly, where every claim is a key",
		"AWS never fills %s: %s", c.Key(), map[bool]string{true: "the condition never holds", false: "the condition always holds"}[c.Confines()])
}

// gitlab looks at what a statement takes of a GitLab's jobs.
func (l *linter) gitlab(st *policy.Statement, p arn.Provider) {
	s := survey(st, p)
	switch {
	case !s.confines("sub", "project_path", "project_id", "namespace_path", "namespace_id"):
		l.remark("no-subject", st, st.Position(), fmt.Sprintf(`add "StringEquals": {"%s:sub": "project_path:GROUP/PROJECT:ref_type:branch:ref:BRANCH"}`, p.URL),
			"every job of %s is trusted whose author writes the right aud", p.URL)
		return
	case l.reading.Nothing(st, p):
		l.remark("matches-nothing", st, st.Position(), "compare it with a token of the job: mayfly can --claims", "no token that a GitLab signs is taken: a value is misspelt, or two conditions exclude each other")
		return
	}
	for _, c := range s.conditions {
		_, claim, _ := cutKey(c.Key())
		for _, v := range c.Values() {
			l.value(st, c, claim, v)
		}
	}
	l.refs(st, p, s)
	l.pinned(st, p, s)
	l.claims(st, s)
}

// surveyed are the conditions of a statement that confine claims of an issuer.
type surveyed struct{ conditions []*policy.Condition }

func survey(st *policy.Statement, p arn.Provider) surveyed {
	var s surveyed
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if prefix, _, _ := cutKey(c.Key()); strings.EqualFold(prefix, p.URL) && c.Confines() {
			s.conditions = append(s.conditions, c)
		}
	}
	return s
}

// confines reports whether any of some claims is confined.
func (s surveyed) confines(claims ...string) bool {
	return slices.ContainsFunc(s.conditions, func(c *policy.Condition) bool {
		_, claim, _ := cutKey(c.Key())
		return slices.ContainsFunc(claims, func(name string) bool { return strings.EqualFold(name, claim) })
	})
}

// value looks at where a pattern of a path begins to be open.
func (l *linter) value(st *policy.Statement, c *policy.Condition, claim string, v policy.Value) {
	if strings.EqualFold(claim, "sub") && strings.HasPrefix(v.Text(), "job_project_") {
		l.remark("where-it-runs", st, c.Position(), "lead sub with project_path or project_id, or bind ref_protected too", "%q is where the job runs: a fork's merge request runs there too", v.Text())
		return
	}
	if c.Operator().Test != policy.StringLike {
		return
	}
	path, open := v.Text(), false
	switch strings.ToLower(claim) {
	case "sub":
		var led bool
		if path, led = strings.CutPrefix(path, "project_path:"); !led {
			if strings.HasPrefix(path, "*") || strings.HasPrefix(path, "?") {
				l.remark("any-project", st, c.Position(), "begin with project_path:GROUP/PROJECT:", "%q says nothing of the project", v.Text())
			}
			return
		}
	case "project_path", "namespace_path":
	default:
		return
	}
	at := strings.IndexAny(path, "*?")
	if at < 0 {
		return
	}
	if colon := strings.IndexByte(path, ':'); colon >= 0 && colon < at {
		return // the path is whole
	}
	before := path[:at]
	open = !strings.HasSuffix(before, "/")
	switch {
	case !strings.Contains(before, "/"):
		l.remark("any-project", st, c.Position(), "write the group's whole name and a slash, or better the project's path", "%q: anybody can make a group whose name begins with %q", v.Text(), before)
	case open:
		l.remark("open-path", st, c.Position(), fmt.Sprintf("write %s: for the project alone, or %s/* for what is below it", before, before), "%q fits %s-evil too", v.Text(), before)
	default:
		l.remark("group-wildcard", st, c.Position(), "name the projects", "%q trusts every project below %s, and whoever may create one", v.Text(), strings.TrimSuffix(before, "/"))
	}
}

// refs looks at which branches and tags are meant.
func (l *linter) refs(st *policy.Statement, p arn.Provider, s surveyed) {
	reach := l.reading.RefsOf(st, p)
	if reach.AnyBranch || reach.AnyTag {
		what := map[bool]string{true: "branch", false: "tag"}[reach.AnyBranch]
		if reach.AnyBranch && reach.AnyTag {
			what = "branch and every tag"
		}
		if !s.confines("ref_protected") && !asksDoor(l.Realm, st, guard.Protected) {
			l.remark("any-ref", st, st.Position(), "name the ref: …:ref_type:branch:ref:BRANCH", "every %s is trusted, and any Developer pushes one", what)
		}
	}
	if reach.SameNameTag != "" {
		l.remark("any-ref-type", st, st.Position(), "write ref_type:branch", "a tag called %q is trusted as the branch is", reach.SameNameTag)
	}
	if reach.MergeRequests && !s.confines("pipeline_source") && !asksDoor(l.Realm, st, guard.NotMergeRequest) && !asksDoor(l.Realm, st, guard.NoDirectPush) {
		fix := fmt.Sprintf(`add "StringEquals": {"%s:pipeline_source": ["push", "web", "schedule"]}`, p.URL)
		if l.Realm == prove.AWS && !prove.AWSFills(p.URL, "pipeline_source") {
			fix = "AWS cannot tell them apart for this issuer: open no merge requests from the branch"
		}
		l.remark("merge-requests", st, st.Position(), fix, "pipelines of merge requests from the branch are trusted, and they run what nobody has merged")
	}
}

// asksDoor reports whether a statement has a Mayfly server ask for a requirement
// when the job comes.
func asksDoor(realm prove.Realm, st *policy.Statement, kind guard.Kind) bool {
	return realm == prove.Mayfly && prove.Demands(st, guard.Requirement{Kind: kind})
}

// pinned: a path names whoever has it now.
func (l *linter) pinned(st *policy.Statement, p arn.Provider, s surveyed) {
	if s.confines("project_id", "namespace_id") || prove.LedByID(l.doc, st, p) {
		return
	}
	if l.Realm == prove.AWS && !prove.AWSFills(p.URL, "project_id") {
		l.remark("not-pinned", st, st.Position(), "let the project's sub begin with project_id (ci_id_token_sub_claim_components)", "whoever gets the project's path gets the role")
		return
	}
	l.remark("not-pinned", st, st.Position(), fmt.Sprintf(`add "%s:project_id" to StringEquals (mayfly lint --fix --facts FILE writes it)`, p.URL), "whoever gets the project's path gets the role")
}

// claims looks at claims that are weaker than they seem.
func (l *linter) claims(st *policy.Statement, s surveyed) {
	for _, c := range s.conditions {
		_, claim, _ := cutKey(c.Key())
		switch strings.ToLower(claim) {
		case "environment", "environment_action":
			if !s.confines("environment_protected") {
				l.remark("job-chosen", st, c.Position(), `add environment_protected: "true", and protect the environment`, "any job can say environment: %s in its YAML", claim)
			}
		case "deployment_tier":
			l.remark("job-chosen", st, c.Position(), "ask for environment and environment_protected instead", "any job can say which deployment_tier it is of")
		case "user_login", "user_email":
			l.remark("changeable", st, c.Position(), "ask for user_id", "people can change their %s, and another can take it", claim)
		}
	}
}
