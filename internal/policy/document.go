package policy

import (
	"bytes"
	"fmt"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/wildcard"
)

// Kind says where a document stands, and so what it may hold. The zero value is
// no kind; Parse refuses it.
type Kind uint8

const (
	// Trust is a role's trust policy: it names principals and no resources (the
	// role itself is the resource), and allows only the assuming of roles.
	Trust Kind = iota + 1
	// Permission is an inline policy of a role.
	Permission
	// Managed is a policy with an ARN of its own. AWS wants version 2012-10-17
	// there; else it is as Permission.
	Managed
	// SessionPolicy narrows one session.
	SessionPolicy
	// Boundary is a permissions boundary; its rules are those of Managed.
	Boundary
	// Resource is the policy of another resource: it names principals too.
	Resource
)

var kindNames = [...]string{"", "trust policy", "permission policy", "managed policy", "session policy", "permissions boundary", "resource policy"}

// String is the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// namesPrincipals reports whether statements of the kind say whom they concern.
func (k Kind) namesPrincipals() bool { return k == Trust || k == Resource }

// Position is a place in a document.
type Position struct {
	Offset int // 0-based, in bytes
	Line   int // 1-based
	Column int // 1-based, in bytes
}

func (p Position) String() string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// Document is a policy, parsed and compiled. It is immutable. Parse makes it.
type Document struct {
	kind       Kind
	text       []byte
	version    string
	id         string
	statements []*Statement
}

// Kind is where the document stands.
func (d *Document) Kind() Kind { return d.kind }

// Text is the document as it was written, byte for byte.
func (d *Document) Text() []byte { return bytes.Clone(d.text) }

// Version is the version of the language: "2012-10-17" or "2008-10-17"; where
// the document names none, the latter.
func (d *Document) Version() string { return d.version }

// ID is the document's Id, or "".
func (d *Document) ID() string { return d.id }

// Statements are the statements in the order written; there is at least one.
// The caller must not change the slice.
func (d *Document) Statements() []*Statement { return d.statements }

// Statement is one statement of a document.
type Statement struct {
	kind       Kind // the document's
	index      int
	position   Position
	end        Position
	sid        string
	deny       bool
	principals *principals
	actions    []action
	notAction  bool
	resources  []resource // none in a trust policy
	notRes     bool
	conditions []Condition

	// alone are the statement's own references as the first document of each
	// layer: a decision that one statement makes needs no other memory.
	alone [LayerBoundary + 1]StatementRef
}

// settled fills in what points at the statement itself; a copy needs it anew.
func (s *Statement) settled() *Statement {
	for l := range s.alone {
		s.alone[l] = StatementRef{Layer: Layer(l), Statement: s}
	}
	return s
}

type action struct {
	text    string
	pattern wildcard.Pattern
}

type resource struct {
	text string
	template
}

// Index is the statement's place in the document, from 0.
func (s *Statement) Index() int { return s.index }

// Position is where the statement stands.
func (s *Statement) Position() Position { return s.position }

// End is the place just behind the statement.
func (s *Statement) End() Position { return s.end }

// Sid is the statement's identifier, or "".
func (s *Statement) Sid() string { return s.sid }

// Name is how to speak of the statement: by its Sid, else by its number from 1.
func (s *Statement) Name() string {
	if s.sid != "" {
		return fmt.Sprintf("statement %q", s.sid)
	}
	return fmt.Sprintf("statement %d", s.index+1)
}

// Denies reports whether the statement's Effect is Deny; else it is Allow.
func (s *Statement) Denies() bool { return s.deny }

// Principals are the names of the statement's Principal element, or, if not is
// true, its NotPrincipal element; none where the kind has none.
func (s *Statement) Principals() (names []PrincipalName, not bool) {
	if s.principals == nil {
		return nil, false
	}
	return append([]PrincipalName(nil), s.principals.names...), s.principals.not
}

// Actions are the patterns of the Action or, if not is true, the NotAction
// element, as written.
func (s *Statement) Actions() (patterns []string, not bool) {
	for i := range s.actions {
		patterns = append(patterns, s.actions[i].text)
	}
	return patterns, s.notAction
}

// strict: names of roles count only when bound to an id. So it is for what a
// trust policy allows; what is denied by name stays denied.
func (s *Statement) strict() bool { return s.kind == Trust && !s.deny }

// CoversAction reports whether the statement is about an action.
func (s *Statement) CoversAction(name string) bool { return s.matchAction(name) }

// Resources are the patterns of the Resource or, if not is true, the
// NotResource element, as written; none in a trust policy.
func (s *Statement) Resources() (patterns []string, not bool) {
	for i := range s.resources {
		patterns = append(patterns, s.resources[i].text)
	}
	return patterns, s.notRes
}

// Conditions are the statement's conditions; all must hold. The caller must not
// change the slice.
func (s *Statement) Conditions() []Condition { return s.conditions }

// RoleResolver finds the unique id of the role that a principal element names.
// For the name of a session the Path is "", since sessions' ARNs do not carry
// it; role names are unique in an account whatever their paths.
type RoleResolver func(arn.Role) (roleID string, ok bool)

// Bind is the document with every role that its principal elements name tied to
// the role's unique id, as AWS does when a trust policy is saved: a role deleted
// and made anew is not trusted because it is called the same. The Allow
// statements of a trust policy name no role until this is done.
//
// The error is a *SyntaxError for the first name that resolves to no role.
func (d *Document) Bind(resolve RoleResolver) (*Document, error) {
	bound := *d
	bound.statements = make([]*Statement, len(d.statements))
	for i, s := range d.statements {
		c := *s
		bound.statements[i] = c.settled()
		if s.principals == nil {
			continue
		}
		names, err := d.bindNames(s.principals.names, resolve)
		if err != nil {
			return nil, err
		}
		c.principals = &principals{names: names, not: s.principals.not}
	}
	return &bound, nil
}

func (d *Document) bindNames(names []PrincipalName, resolve RoleResolver) ([]PrincipalName, error) {
	bound := append([]PrincipalName(nil), names...)
	for i := range bound {
		n := &bound[i]
		if n.form != roleName && n.form != sessionName {
			continue
		}
		id, ok := resolve(n.namedRole())
		if !ok || id == "" {
			p := parser{kind: d.kind, text: d.text}
			p.refusePrincipal(n.offset, "AWS", n.Text, "there is no such role")
			return nil, p.found
		}
		n.RoleID = id
	}
	return bound, nil
}

// namedRole is the role that the ARN of a role or a session names.
func (n *PrincipalName) namedRole() arn.Role {
	if n.form == sessionName {
		s, _ := arn.ParseSession(n.Text) // it was parsed before
		return arn.Role{Account: s.Account, Name: s.Role}
	}
	r, _ := arn.ParseRole(n.Text)
	return r
}

// BoundRoles are the roles the document names and the ids they are bound to, to
// be stored beside its text: Bind from these again when it is loaded, not from
// the roles of that day.
func (d *Document) BoundRoles() map[arn.Role]string {
	roles := make(map[arn.Role]string)
	for _, s := range d.statements {
		if s.principals == nil {
			continue
		}
		for i := range s.principals.names {
			if n := &s.principals.names[i]; n.RoleID != "" && n.form != roleIDName {
				roles[n.namedRole()] = n.RoleID
			}
		}
	}
	return roles
}
