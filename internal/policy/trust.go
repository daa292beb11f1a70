package policy

import (
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/wildcard"
)

// trustActions are the actions a trust policy can be about.
var trustActions = []string{
	"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML",
	"sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext",
}

// awsTrustActions is AWS's sentence for any other.
const awsTrustActions = "AssumeRole policy may only specify STS AssumeRole actions."

// trustable reports whether an action pattern of a trust policy is one of STS
// and covers an action that trust policies are about.
func trustable(pattern string) bool {
	vendor, _, _ := strings.Cut(pattern, ":")
	if FoldKey(vendor) != "sts" {
		return false
	}
	p := wildcard.Compile(pattern)
	for _, name := range trustActions {
		if p.MatchFold(name) {
			return true
		}
	}
	return false
}

// TrustActions are the actions a trust policy can be about.
func TrustActions() []string { return slices.Clone(trustActions) }

// NeedsTrust reports whether the resource's own policy must allow an action,
// whatever identity policies say: no one becomes a role that does not trust
// them, and no one brings along into its sessions what it does not let in.
// (IAM User Guide, "Permissions required to add session tags".)
func NeedsTrust(action string) bool {
	return slices.ContainsFunc(trustActions, func(name string) bool { return equalFold(name, action) })
}

// needsBoth reports whether the caller's own policies must allow an action too,
// however closely the resource's names it. (IAM User Guide, "Permissions
// required to set source identity".)
func needsBoth(action string) bool { return equalFold(action, "sts:SetSourceIdentity") }

// Trusts reports whether the statement allows something to those whom an
// identity provider vouches for: it is an Allow and names the provider, or
// everyone.
func (s *Statement) Trusts(p arn.Provider) bool {
	if s.deny || s.principals == nil || s.principals.not {
		return false
	}
	who := FederatedPrincipal(p)
	return s.principals.grant(&who, s.strict()) != notNamed
}

// Concerns reports whether the statement, whatever its effect, is about those
// whom an identity provider vouches for.
func (s *Statement) Concerns(p arn.Provider) bool {
	if s.principals == nil || s.principals.not {
		return s.principals == nil
	}
	who := FederatedPrincipal(p)
	return s.principals.grant(&who, s.strict()) != notNamed
}

// NamesPrincipal reports whether the statement's Principal element has a name as
// it stands in another.
func (s *Statement) NamesPrincipal(n PrincipalName) bool {
	return s.principals != nil && slices.ContainsFunc(s.principals.names, func(m PrincipalName) bool { return m.Type == n.Type && m.Text == n.Text })
}

// SameConditions reports whether another statement has the same conditions, in
// whatever order.
func (s *Statement) SameConditions(t *Statement) bool {
	same := func(a, b *Condition) bool {
		return a.operator == b.operator && a.IsKey(b.key) && sameTexts(a.texts(), b.texts())
	}
	return covers(s.conditions, t.conditions, same) && covers(t.conditions, s.conditions, same)
}

func covers(a, b []Condition, same func(a, b *Condition) bool) bool {
	for i := range b {
		if !slices.ContainsFunc(a, func(c Condition) bool { return same(&c, &b[i]) }) {
			return false
		}
	}
	return true
}

func sameTexts(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// Says reports whether the statement says what another does: the same effect, of
// the same principals, actions, resources and conditions, in whatever order. What
// is said in other words is not looked for.
func (s *Statement) Says(t *Statement) bool {
	texts := func(s *Statement) (principals, actions, resources []string) {
		names, _ := s.Principals()
		for _, n := range names {
			principals = append(principals, fmt.Sprint(n.Type, n.Text, n.RoleID))
		}
		actions, _ = s.Actions()
		resources, _ = s.Resources()
		return principals, actions, resources
	}
	sp, sa, sr := texts(s)
	tp, ta, tr := texts(t)
	return s.deny == t.deny && s.notAction == t.notAction && s.notRes == t.notRes && (s.principals == nil) == (t.principals == nil) &&
		(s.principals == nil || s.principals.not == t.principals.not) &&
		sameTexts(sp, tp) && sameTexts(sa, ta) && sameTexts(sr, tr) && s.SameConditions(t)
}

// TestsKey reports whether the statement confines a key: under a positive
// String operator, which fails when the key is absent, with values of which
// each begins with text that is neither a wildcard nor a variable. Identity
// provider controls ask this of shared issuers' subjects. (IAM User Guide,
// "Identity provider controls for shared OIDC providers".)
//
// Negated operators, IfExists and ForAllValues confine nothing: they hold for
// strangers, or for no value at all.
func (s *Statement) TestsKey(key string) bool {
	for i := range s.conditions {
		if c := &s.conditions[i]; c.IsKey(key) && c.confines() {
			return true
		}
	}
	return false
}

func (c *Condition) confines() bool {
	if !c.positiveString() || len(c.values) == 0 {
		return false
	}
	for i := range c.values {
		if !c.values[i].saysSomething() {
			return false
		}
	}
	return true
}

// Confines reports whether the condition holds only if its key is there, with a
// value that a String operator finds among those listed.
func (c *Condition) Confines() bool { return c.positiveString() }

// ConfinesTo reports whether the statement holds only if a key has one of some
// values, each of which it names in full.
func (s *Statement) ConfinesTo(key string, values []string) bool {
	for i := range s.conditions {
		c := &s.conditions[i]
		if !c.IsKey(key) || c.operator.name != "StringEquals" || len(c.values) == 0 {
			continue
		}
		if !slices.ContainsFunc(c.values, func(v Value) bool { return !slices.Contains(values, v.text) }) {
			return true
		}
	}
	return false
}

// positiveString: the condition holds only if the key is there and its value is
// among those the policy lists.
func (c *Condition) positiveString() bool {
	o := c.operator
	return o.Test <= StringLike && !o.Negated && !o.IfExists && o.Set != ForAllValues
}

// saysSomething: the value begins with literal text that goes on behind its
// first colon, and holds no variable, which could stand for the very value it is
// compared with. "*:ref:main" and "project_path:*" are everybody's.
func (v *Value) saysSomething() bool {
	for _, p := range v.parts {
		if p.Kind == Variable {
			return false
		}
	}
	if len(v.parts) == 0 || v.parts[0].Kind != Literal {
		return false
	}
	text := strings.TrimSpace(v.parts[0].Text)
	if _, after, found := strings.Cut(text, ":"); found {
		text = after
	}
	return strings.Trim(text, ":/*? ") != ""
}

// Untested is the first statement that trusts the provider without confining
// the key; nil if there is none.
func (d *Document) Untested(p arn.Provider, key string) *Statement {
	for _, s := range d.statements {
		if s.Trusts(p) && !s.TestsKey(key) {
			return s
		}
	}
	return nil
}

// Project says which project a verified token belongs to.
type Project struct {
	Provider arn.Provider
	// Subject is the leading component of the token's sub, like
	// "project_path:acme/web".
	Subject     string
	ProjectID   string
	NamespaceID string
}

// Knows reports whether some Allow statement about web identities knows the
// project: whether the caller may be told which of its own claims failed.
func (d *Document) Knows(p Project) bool {
	return slices.ContainsFunc(d.statements, func(s *Statement) bool {
		return s.CoversAction("sts:AssumeRoleWithWebIdentity") && s.Knows(p)
	})
}

// Knows reports whether an Allow statement, reduced to its issuer and project
// terms, would accept a token of the project. The terms are the project part of
// sub, project_id and namespace_id; a statement must have at least one, all it
// has must accept the token, and none may have a wildcard before the first slash
// of its value.
func (s *Statement) Knows(p Project) bool {
	if !s.Trusts(p.Provider) {
		return false
	}
	prefix, terms := p.Provider.URL+":", 0
	for i := range s.conditions {
		c := &s.conditions[i]
		var own string
		switch FoldKey(c.key) {
		case FoldKey(prefix + "sub"):
			own = p.Subject
		case FoldKey(prefix + "project_id"):
			own = p.ProjectID
		case FoldKey(prefix + "namespace_id"):
			own = p.NamespaceID
		default:
			continue
		}
		if !c.acceptsTerm(own) {
			return false
		}
		terms++
	}
	return terms > 0
}

// NamesProjects reports whether the statement could know a project of a provider:
// it has project terms, and each of their values says without a wildcard in its
// first path segment whose project it means.
func (s *Statement) NamesProjects(p arn.Provider) bool {
	terms := 0
	for i := range s.conditions {
		c := &s.conditions[i]
		if !c.IsKey(p.URL+":sub") && !c.IsKey(p.URL+":project_id") && !c.IsKey(p.URL+":namespace_id") {
			continue
		}
		if !c.positiveString() || slices.ContainsFunc(c.values, func(v Value) bool { _, ok := v.projectPart(); return !ok }) {
			return false
		}
		terms++
	}
	return terms > 0
}

// acceptsTerm reports whether the condition, cut to its project part, accepts
// the token's own.
func (c *Condition) acceptsTerm(own string) bool {
	if own == "" || !c.positiveString() {
		return false
	}
	return slices.ContainsFunc(c.values, func(v Value) bool { return v.AcceptsProject(own) })
}

// AcceptsProject reports whether a value of a String operator, cut to its project
// part, accepts the project part of a token's sub, or a token's id of a project
// or namespace.
func (v *Value) AcceptsProject(own string) bool {
	t, ok := v.projectPart()
	return ok && t.Match(own)
}

// projectPart is the value up to its second colon, as a pattern; false if a
// variable or a wildcard stands in it before a slash has come.
func (v *Value) projectPart() (wildcard.Pattern, bool) {
	var b wildcard.Builder
	colons, slash := 0, false
	for _, p := range v.parts {
		switch p.Kind {
		case Variable:
			return wildcard.Pattern{}, false
		case AnyRun, AnyChar:
			if !slash {
				return wildcard.Pattern{}, false
			}
			if p.Kind == AnyRun {
				b.AnyRun()
			} else {
				b.AnyChar()
			}
		case Literal:
			text, ended := untilColon(p.Text, &colons)
			b.Literal(text)
			if ended {
				return b.Compile(), true
			}
			slash = slash || strings.Contains(text, "/")
		}
	}
	return b.Compile(), true
}

// untilColon is text up to the second colon counted over all pieces.
func untilColon(text string, colons *int) (part string, ended bool) {
	for i := 0; i < len(text); i++ {
		if text[i] == ':' {
			if *colons++; *colons == 2 {
				return text[:i], true
			}
		}
	}
	return text, false
}
