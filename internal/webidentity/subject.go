package webidentity

import (
	"slices"
	"strings"

	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/wildcard"
)

// subjectComponents are those a GitLab's sub can be made of (GitLab's
// documentation, "ID token authentication", ci_id_token_sub_claim_components).
var subjectComponents = []string{
	"project_path", "project_id", "job_project_path", "job_project_id", "source_project_path", "source_project_id",
	"ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier",
}

// component is a piece of a sub: name:value.
type component struct{ name, value string }

// components takes a sub, or a policy's pattern of one, apart. What is left over
// at the end is a name without a value.
func components(subject string) []component {
	if subject == "" {
		return nil
	}
	parts := strings.Split(subject, ":")
	var out []component
	for i := 0; i < len(parts); i += 2 {
		c := component{name: parts[i]}
		if i+1 < len(parts) {
			c.value = parts[i+1]
		}
		out = append(out, c)
	}
	return out
}

// componentOf is a component's value in a sub, "" if it has none of the name.
func componentOf(subject, name string) string {
	for _, c := range components(subject) {
		if c.name == name {
			return c.value
		}
	}
	return ""
}

// pair is a component of a token's sub and what a policy wants there.
type pair struct {
	own  component
	want string
}

// subjectDifference is how a token's sub differs from one value of a policy.
type subjectDifference struct {
	want         []component
	pairs        []pair // in which they differ
	sameParts    bool   // both are made of the same components
	otherProject bool
	like         bool // the value is a pattern
	only         bool // no other value was looked at
}

// nearestSubject is how the token's sub differs from the value of the policy that
// comes nearest. Without the right to see the policy only values count that are
// about the token's own project: the others are other projects' business.
func (m miss) nearestSubject(own []component) (best *subjectDifference) {
	values, project, looked := m.Condition.Values(), m.question.project().Subject, 0
	for i := range values {
		v := &values[i]
		about := v.AcceptsProject(project)
		if slices.ContainsFunc(v.Parts(), func(p policy.Part) bool { return p.Kind == policy.Variable }) || !about && !m.all {
			continue
		}
		looked++
		d := differ(own, components(v.Text()), m.Condition.Operator().Test)
		d.otherProject = !about
		if best == nil || d.distance() < best.distance() {
			best = d
		}
	}
	if best != nil {
		best.only = looked == 1
	}
	return best
}

// distance orders differences: another project is farthest, then other parts.
func (d *subjectDifference) distance() int {
	n := len(d.pairs)
	if !d.sameParts {
		n += 100
	}
	if d.otherProject {
		n += 1000
	}
	return n
}

// differ compares component by component. A wildcard at the end of a pattern's
// value reaches over the components that follow.
func differ(own, want []component, test policy.Test) *subjectDifference {
	d := &subjectDifference{want: want, like: test == policy.StringLike}
	i, open := 0, false // open: the value before ends in a wildcard
	for _, w := range want {
		if d.like && w.value == "" && w.name != "" && strings.Trim(w.name, "*") == "" {
			d.sameParts = true // the rest may be anything
			return d
		}
		for open && i < len(own) && own[i].name != w.name {
			i++
		}
		if i == len(own) || own[i].name != w.name {
			return d
		}
		if !fits(w.value, own[i].value, test) {
			d.pairs = append(d.pairs, pair{own[i], w.value})
		}
		i, open = i+1, d.like && strings.HasSuffix(w.value, "*")
	}
	d.sameParts = i == len(own) || open
	return d
}

func fits(want, seen string, test policy.Test) bool {
	switch test {
	case policy.StringLike:
		return wildcard.Compile(want).Match(seen)
	case policy.StringEqualsIgnoreCase:
		return strings.EqualFold(want, seen)
	}
	return want == seen
}
