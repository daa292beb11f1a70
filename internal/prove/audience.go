package prove

import (
	"slices"
	"strings"

	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// A job may ask for a token for several audiences at once. The exchange refuses it
// unless the issuer's configuration has allow_multiple_audiences, of which nothing
// here knows, and what AWS makes of one nobody says.

// severalAudiences is why nothing is said of such a token.
const severalAudiences = "a token may be for several audiences at once, and whether such a one is let in is not known here"

// several judges the tokens for several audiences, whatever those are. What it finds
// is unknown at best, so it looks only at what is proven without it.
func (is *issuerWorld) several(role string, doc *policy.Document, st *policy.Statement, out *StatementReport) {
	if len(out.Findings) > 0 || !is.tellsSeveral(doc, st) {
		return
	}
	if is.many == nil {
		issuer := *is.Issuer
		issuer.several = true
		is.many = &issuerWorld{Issuer: &issuer, require: is.require, projects: map[string]*projectWorld{}, states: is.states}
	}
	var many StatementReport
	is.many.judge(role, doc, st, &many)
	if len(many.Findings) > 0 {
		f := many.Findings[0]
		if !strings.Contains(f.Why, severalAudiences) {
			f.Why = severalAudiences + "; without that: " + f.Why
		}
		out.Findings = append(out.Findings, Finding{Verdict: Unknown, Requires: f.Requires, Guard: f.Guard, Project: f.Project, Kind: f.Kind, Why: f.Why, Fix: "ask for one audience, by StringEquals"})
	}
}

// tellsSeveral reports whether a token for several audiences may get in by a
// statement where, but for its audience, no other does.
func (is *issuerWorld) tellsSeveral(doc *policy.Document, st *policy.Statement) bool {
	key := is.Provider.URL + ":aud"
	w := regular.NewWork(is.budget())
	accepted := regular.Text()
	if len(is.Audiences) > 0 {
		accepted = regular.OneOf(is.Audiences...)
	}
	all, exact, asked := regular.Text(), true, false // what each audience has to be
	var some []regular.Language                      // what one of them has to be
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if !c.IsKey(key) {
			continue
		}
		o := c.Operator()
		values, read := audiencesOf(w, c)
		asked, exact = true, exact && read
		switch present, _ := holdsFor(c, setting{key, "x"}); {
		case o.Test == policy.Null && !present, o.Set == policy.Single && o.Test != policy.Null && is.Realm == Mayfly:
			return false // it is there, and an operator for one value does not hold
		case o.Set == policy.ForAllValues:
			all = w.Intersect(all, values)
		default:
			some = append(some, values)
		}
	}
	if slices.ContainsFunc(some, func(l regular.Language) bool { return !w.Overlap(l, all) }) || !w.Overlap(all, accepted) {
		return false
	}
	one := w.Intersect(append(some, all, accepted)...)
	return asked && (!exact || one.IsEmpty()) || slices.ContainsFunc(doc.Statements(), func(deny *policy.Statement) bool {
		return deny.Denies() && slices.ContainsFunc(deny.Keys(), func(name string) bool { return policy.SameKey(name, key) })
	})
}

// audiencesOf are the audiences for which a condition holds; false if that cannot be
// read, and it may be any.
func audiencesOf(w *regular.Work, c *policy.Condition) (regular.Language, bool) {
	o := c.Operator()
	if o.Test > policy.StringLike || len(c.Variables()) > 0 {
		return regular.Text(), false
	}
	var out regular.Language
	for _, v := range c.Values() {
		out = w.Union(out, valueLanguage(w, o, v, nil))
	}
	if o.Negated {
		out = w.Complement(out)
	}
	return out, true
}
