package prove

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/policy"
)

// witness completes a finding with a job that gets through, and the walk that
// makes it. A refutation is shown only if the evaluator itself lets the job in:
// what it refuses is a fault of this package, and nothing is claimed.
func (j *judgement) witness(s *Shape, members []member, f Finding, who, does string) {
	f.Provider, f.Claims = j.Provider, s.claims(members)
	f.Kind = s.origin.kind()
	prefix := j.Provider.URL + ":"
	f.Ref, _ = f.Claims.Get(prefix + "ref")
	sub, _ := f.Claims.Get(prefix + "sub")
	if tracks := strings.Split(members[0].word, "\x00"); len(tracks) == originTracks {
		f.Project, f.Ref = tracks[trackNamespace-1]+"/"+tracks[trackName-1], tracks[trackRef-1]
	}
	d := replay(j.doc, j.Provider, f.Claims)
	if f.Verdict == Refuted && !d.Allowed() {
		f.Verdict, f.Why = Unknown, "a job was found that the policy's own evaluator refuses: this is a fault of mayfly, please report it"
		f.Walk = nil
		j.finding(f)
		return
	}
	if who != "" {
		what := f.Ref
		if s.origin.class == OtherProject {
			what = f.Project
		}
		f.Walk = append(f.Walk, fmt.Sprintf("%s %s (%s)", who, named(does, what), f.Why))
	}
	if sub != "" {
		f.Walk = append(f.Walk, "the job's sub is "+sub)
	}
	f.Walk = append(f.Walk, j.matched(s, f.Claims), "role "+j.role)
	j.finding(f)
}

func named(does, what string) string {
	if !strings.Contains(does, "%s") {
		return does
	}
	return fmt.Sprintf(does, what)
}

// matched says by what the statement takes the job.
func (j *judgement) matched(s *Shape, claims Claims) string {
	var by []string
	conditions := j.statement.Conditions()
	for i := range conditions {
		c := &conditions[i]
		name := strings.TrimPrefix(c.Key(), j.Provider.URL+":")
		value, ok := claims.Get(c.Key())
		if why := s.unmodelled(policy.FoldKey(c.Key())); !ok && why != "" {
			by = append(by, fmt.Sprintf("%s %s, perhaps", c.Operator(), name))
			continue
		}
		if !ok {
			by = append(by, fmt.Sprintf("%s %s, which holds for a token without it", c.Operator(), name))
			continue
		}
		by = append(by, fmt.Sprintf("%s %s %s", c.Operator(), name, j.listed(s, c, value)))
	}
	if len(by) == 0 {
		return j.statement.Name() + " has no conditions"
	}
	return j.statement.Name() + " takes it: " + strings.Join(by, "; ")
}

// listed is the policy's value that a key's value matches, or all of them.
func (j *judgement) listed(s *Shape, c *policy.Condition, value string) string {
	var texts []string
	fixed, why := s.fixed(j.work, c)
	for _, v := range c.Values() {
		if why == "" && c.Confines() && valueLanguage(j.work, c.Operator(), v, fixed).Contains(value) {
			return v.Text()
		}
		texts = append(texts, v.Text())
	}
	return strings.Join(texts, ", ")
}
