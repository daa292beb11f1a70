package webidentity

import (
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/session"
)

// Actions that a trust policy is asked about.
const (
	ActionAssume         = "sts:AssumeRoleWithWebIdentity"
	ActionTagSession     = "sts:TagSession"
	ActionSourceIdentity = "sts:SetSourceIdentity"
)

// Claims are those of a token: oidc.Claims, which are verified, or oidc.Supposed,
// which are not.
type Claims interface {
	Subject() string
	Text(name string) string
	IsPerson() bool
	SourceIdentity() string
	SessionTags() []oidc.Tag
	TransitiveTagKeys() []string
	ConditionKeys(prefix string) iter.Seq2[string, oidc.Values]
}

// Question is what a role's trust policy is asked about a token.
type Question struct {
	Trust    *policy.Document // of the role; nil: there is no such role
	Role     string           // its ARN
	Account  arn.AccountID    // the role's
	Provider arn.Provider     // of the token
	Claims   Claims
	// LoginClientIDs are the audiences that people of the issuer sign in with.
	LoginClientIDs []string
	Keys           policy.Context // the claims, as ClaimKeys has them, and what else is known
}

// ClaimKeys sets the condition keys that a token's claims are.
func ClaimKeys(b *policy.ContextBuilder, p arn.Provider, c Claims) {
	for key, v := range c.ConditionKeys(p.URL) {
		if v.Multi {
			b.SetMany(key, v.List)
		} else {
			b.Set(key, v.List[0])
		}
	}
	b.Set("aws:FederatedProvider", p.String())
}

// Tags are the session tags that a token asks for.
func Tags(c Claims) (out []session.Tag) {
	transitive := c.TransitiveTagKeys()
	for _, t := range c.SessionTags() {
		out = append(out, session.Tag{Key: t.Key, Value: t.Value, Transitive: slices.Contains(transitive, t.Key)})
	}
	return out
}

// SessionKeys sets the condition keys of the session that is asked for, in
// whatever way: its name, how long it is to last and what it brings along.
func SessionKeys(b *policy.ContextBuilder, name string, duration time.Duration, sourceIdentity string, tags []session.Tag) {
	b.Set("sts:RoleSessionName", name)
	b.Set("sts:DurationSeconds", strconv.Itoa(int(duration/time.Second)))
	if sourceIdentity != "" {
		b.Set("sts:SourceIdentity", sourceIdentity)
	}
	if len(tags) == 0 {
		return
	}
	var names, transitive []string
	for _, t := range tags {
		b.Set("aws:RequestTag/"+t.Key, t.Value)
		names = append(names, t.Key)
		if t.Transitive {
			transitive = append(transitive, t.Key)
		}
	}
	b.SetMany("aws:TagKeys", names)
	b.SetMany("sts:TransitiveTagKeys", transitive)
}

// Answer is what the trust policy says. The zero value refuses.
type Answer struct {
	question Question
	allowed  bool
	matched  []string
	action   string // that is not allowed; of an answer that allows, the first
	decision policy.Decision
}

// Ask asks about every action that the token needs: all must be allowed.
func (q Question) Ask() Answer {
	a := Answer{question: q, action: ActionAssume}
	if q.Trust == nil {
		return a
	}
	for _, action := range q.actions() {
		d := policy.Evaluate(q.request(action), q.set())
		names := q.counting(d)
		if !d.Allowed() || len(names) == 0 {
			a.action, a.decision, a.matched = action, d, nil
			return a
		}
		a.matched = append(a.matched, names...)
	}
	a.allowed = true
	return a
}

func (q Question) actions() []string {
	out := []string{ActionAssume}
	if len(q.Claims.SessionTags()) > 0 {
		out = append(out, ActionTagSession)
	}
	if q.Claims.SourceIdentity() != "" {
		out = append(out, ActionSourceIdentity)
	}
	return out
}

func (q Question) request(action string) policy.Request {
	return policy.Request{Principal: policy.FederatedPrincipal(q.Provider), Action: action, Resource: q.Role, Context: q.Keys}
}

func (q Question) set() policy.Set {
	return policy.Set{Resource: []*policy.Document{q.Trust}, ResourceAccount: q.Account}
}

// Allowed reports whether the trust policy lets the token in.
func (a Answer) Allowed() bool { return a.allowed }

// Matched are the names of the statements that allow; none if it is refused.
func (a Answer) Matched() []string { return a.matched }

// Cause is why it is refused, in a few words for the log.
func (a Answer) Cause() string {
	switch {
	case a.allowed:
		return ""
	case a.question.Trust == nil:
		return "no such role"
	case a.decision.Allowed():
		return a.action + ": " + notCounting
	}
	return a.action + ": " + a.decision.Effect.String()
}

// notCounting is why a policy that matches does not let a token in: see counts.
const notCounting = "the statements that match do not say whose tokens of a shared issuer, or which login client, they mean"

// counting are the names of the statements that allow and may.
func (q Question) counting(d policy.Decision) []string {
	var names []string
	for _, s := range d.Statements {
		if !s.Denies() && q.counts(s.Statement) {
			names = append(names, s.Name())
		}
	}
	return names
}

// counts reports whether a statement that matches may let this token in.
//
// A shared issuer gives tokens to everyone in the world, so a statement must
// confine the claim that says whose it is; this is asked at use as well, for
// statements that were stored before the rule or trust everyone. And a
// statement is meant for jobs: it lets a person in only if it names one of the
// issuer's login client ids as audience.
func (q Question) counts(s *policy.Statement) bool {
	if key := iam.SharedKey(q.Provider); key != "" && !s.TestsKey(key) {
		return false
	}
	return !q.Claims.IsPerson() || namesAudience(s, q.Provider.URL+":aud", q.LoginClientIDs)
}

// namesAudience reports whether a statement confines the audience to some of
// the ids, each named in full.
func namesAudience(s *policy.Statement, key string, ids []string) bool {
	conditions := s.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if !c.IsKey(key) || c.Operator().String() != "StringEquals" {
			continue
		}
		named := 0
		for _, v := range c.Values() {
			if slices.Contains(ids, v.Text()) {
				named++
			}
		}
		if named > 0 && named == len(c.Values()) {
			return true
		}
	}
	return false
}

// project says which project the token belongs to: the first component of its
// sub and the claims with ids.
func (q Question) project() policy.Project {
	subject := q.Claims.Subject()
	if parts := strings.SplitN(subject, ":", 3); len(parts) == 3 {
		subject = parts[0] + ":" + parts[1]
	}
	return policy.Project{Provider: q.Provider, Subject: subject, ProjectID: q.Claims.Text("project_id"), NamespaceID: q.Claims.Text("namespace_id")}
}
