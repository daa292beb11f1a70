package webidentity

import (
	"fmt"
	"strconv"
	"strings"

	"mayfly.internal/internal/policy"
)

// ForCaller is what the caller may hear of a refusal: "" for a stranger, who
// hears nothing. A caller whose token belongs to the role's projects learns which
// of its own claims failed and what kind of value was wanted, never who else is
// trusted; with values, the policy's own values too.
func (a Answer) ForCaller(values bool) string {
	q := a.question
	if q.Trust == nil || a.allowed || !q.Trust.Knows(q.project()) {
		return ""
	}
	if a.decision.Allowed() {
		return notCounting
	}
	x := policy.Explain(q.request(a.action), q.set())
	if x.Effect == policy.ExplicitDeny {
		return "A statement of the role's trust policy denies it" + stopped(x)
	}
	nearest := q.nearest(x, true)
	if nearest == nil {
		return "No statement of the role's trust policy is about " + a.action + " by this issuer"
	}
	var why []string
	for _, f := range nearest.Failures {
		if !q.isOwn(f.Condition) {
			why = append(why, "a condition that is not about the token is not met")
			continue
		}
		sentence := fmt.Sprintf("%s (%s %s)", q.reason(nearest, f, false), f.Condition.Operator(), f.Condition.Key())
		if values && f.Condition.Operator().Test != policy.Null {
			sentence += ", the policy lists " + quoteAll(texts(f.Condition.Values()))
		}
		why = append(why, sentence)
	}
	return "This token was refused: " + strings.Join(why, "; ")
}

// stopped adds that a Deny stops whom nobody knows enough about.
func stopped(x policy.Explanation) string {
	for i := range x.Traces {
		if t := &x.Traces[i]; t.Denies() && t.Unevaluable && onlyUnanswered(t) {
			return ": what GitLab enforces is not known: " + t.Failures[0].Missing
		}
	}
	return ""
}

// nearest is the Allow statement that comes nearest to letting the token in:
// about its issuer and the action, with the fewest conditions that failed, those
// that know its project first. known: only among these; the others are other
// projects' business.
func (q Question) nearest(x policy.Explanation, known bool) (best *policy.Trace) {
	own, bestKnows := q.project(), false
	for i := range x.Traces {
		t := &x.Traces[i]
		if t.Denies() || len(t.Failures) == 0 || t.Failures[0].Element != policy.ElementCondition {
			continue // it is about another issuer or another action
		}
		knows := t.Statement.Knows(own)
		if known && !knows {
			continue
		}
		if best == nil || knows && !bestKnows || knows == bestKnows && len(t.Failures) < len(best.Failures) {
			best, bestKnows = t, knows
		}
	}
	return best
}

// hints say of a refusal what came nearest, for those who may see the policy.
func (q Question) hints(x policy.Explanation) (out []string) {
	add := func(hint string) {
		if len(out) < maxHints {
			out = append(out, clip(hint, 2*maxValue))
		}
	}
	for i := range x.Traces {
		t := &x.Traces[i]
		switch {
		case t.Denies() && t.Matched:
			add(t.Name() + " denies it")
		case t.Denies() && t.Unevaluable:
			add(t.Name() + " denies it: it cannot be evaluated, so it counts")
		case t.Matched && !t.Denies() && !q.counts(t.Statement):
			add(t.Name() + " does not count: " + q.whyNotCounting(t.Statement))
		}
	}
	if len(out) > 0 {
		return out
	}
	nearest := q.nearest(x, false)
	if nearest == nil {
		add(q.nobodyAsked(x))
		return out
	}
	for _, f := range nearest.Failures {
		add(q.reason(nearest, f, true))
	}
	return out
}

// nobodyAsked says why no Allow statement comes near: the issuer or the action.
func (q Question) nobodyAsked(x policy.Explanation) string {
	for i := range x.Traces {
		t := &x.Traces[i]
		if !t.Denies() && len(t.Failures) > 0 && t.Failures[0].Element == policy.ElementAction {
			return "no statement that trusts " + q.Provider.String() + " is about " + x.Request.Action
		}
	}
	return "no statement trusts the provider " + q.Provider.String()
}

// whyNotCounting is why a statement that matches lets nobody in.
func (q Question) whyNotCounting(s *policy.Statement) string {
	if q.Claims.IsPerson() && !namesAudience(s, q.Provider.URL+":aud", q.LoginClientIDs) {
		return "the token is a person's, and the statement does not name the audience people sign in with"
	}
	return "anyone can get a token of this issuer, and the statement does not say whose it means"
}

// isOwn reports whether a condition is about a claim of the caller's own token,
// which the caller knows anyway, or about what GitLab enforces around its job.
func (q Question) isOwn(c *policy.Condition) bool {
	_, claim := q.claimOf(c)
	_, guards := guardOf(c.Key())
	return claim || guards
}

func (q Question) isUnkept(c *policy.Condition) bool {
	claim, ok := q.claimOf(c)
	return ok && claim == unkept
}

// claimOf is the claim that a condition is about, in lower case.
func (q Question) claimOf(c *policy.Condition) (string, bool) {
	if c == nil {
		return "", false
	}
	claim, ok := strings.CutPrefix(policy.FoldKey(c.Key()), policy.FoldKey(q.Provider.URL)+":")
	return claim, ok && !strings.Contains(claim, ":") // another issuer's, on another port
}

// plain is text for a terminal: quoted where it would steer one.
func plain(text string) string {
	if strings.ContainsFunc(text, func(c rune) bool { return !strconv.IsPrint(c) }) {
		return strconv.Quote(text)
	}
	return text
}

// quoteAll quotes text that may be hostile: a branch may be called anything.
func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, text := range list {
		quoted[i] = strconv.Quote(text)
	}
	return strings.Join(quoted, ", ")
}
