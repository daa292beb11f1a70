package policy

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/strictjson"
)

// Principal is who asks. The zero value is nobody: no principal element names
// it, "*" included.
type Principal struct {
	kind    principalKind
	name    string // what is compared with a principal element: an ARN or a name
	account string // twelve digits; "" for those outside any account
	role    string // ARN of the role, for a role and its sessions
	roleID  string // its unique id
}

type principalKind uint8

const (
	nobody principalKind = iota
	anonymous
	federated
	service
	root
	user
	role
	roleSession
)

// AnonymousPrincipal is someone who did not sign. Only "*" names it.
func AnonymousPrincipal() Principal { return Principal{kind: anonymous} }

// FederatedPrincipal is someone whom an identity provider vouches for, during
// the exchange: no role and no session yet.
func FederatedPrincipal(p arn.Provider) Principal {
	return Principal{kind: federated, name: p.String(), account: string(p.Account)}
}

// SessionPrincipal is a role session. Statements name it by its own ARN, or by
// its role: by the role's ARN with its path, or by the role's unique id. A role
// of the same name under another path, or made anew, is another role.
func SessionPrincipal(r arn.Role, roleID string, s arn.Session) Principal {
	return Principal{kind: roleSession, name: s.String(), account: string(s.Account), role: r.String(), roleID: roleID}
}

// RolePrincipal is a role as such: whom SimulatePrincipalPolicy asks about.
func RolePrincipal(r arn.Role, roleID string) Principal {
	return Principal{kind: role, name: r.String(), account: string(r.Account), role: r.String(), roleID: roleID}
}

// RootPrincipal is an account's root user.
func RootPrincipal(account arn.AccountID) Principal {
	return Principal{kind: root, name: rootARN(string(account)), account: string(account)}
}

// UserPrincipal is an IAM user, by ARN. Mayfly has none; SimulateCustomPolicy
// may ask about one.
func UserPrincipal(a arn.ARN) Principal {
	return Principal{kind: user, name: a.String(), account: a.Account}
}

// ServicePrincipal is an AWS service, like "ec2.amazonaws.com".
func ServicePrincipal(name string) Principal { return Principal{kind: service, name: name} }

// String is the principal's ARN or name.
func (p Principal) String() string {
	switch p.kind {
	case nobody:
		return "nobody"
	case anonymous:
		return "anonymous"
	}
	return p.name
}

// inAccount reports whether identity policies, boundaries and accounts apply to
// the principal at all.
func (p *Principal) inAccount() bool {
	return p.kind == root || p.kind == user || p.kind == role || p.kind == roleSession
}

func rootARN(account string) string { return "arn:" + arn.Partition + ":iam::" + account + ":root" }

// grant says how closely a statement names the principal. A closer one is
// greater. It decides which layers still have a say; see Evaluate.
type grant uint8

const (
	notNamed     grant = iota
	namesAccount       // the account, which hands the question on to its own policies
	namesRole          // the role: its sessions stay within boundary and session policies
	namesCaller        // the caller itself, or everyone
)

// PrincipalType is the key a name stands under in a Principal element.
type PrincipalType uint8

const (
	Everyone      PrincipalType = iota + 1 // "*", and {"AWS": "*"}, which means the same
	AWSPrincipal                           // an account, role, session or user
	Federated                              // an identity provider
	Service                                // an AWS service
	CanonicalUser                          // an S3 canonical user id; nobody here has one
)

// PrincipalName is one name of a Principal or NotPrincipal element.
type PrincipalName struct {
	Type PrincipalType
	Text string // as written
	// RoleID is the unique id of the role that is meant, where the name is one
	// or was bound to one; else "". A bound name means that very role, whatever
	// is called so later.
	RoleID string

	form    nameForm
	account string // for an account's name: its number
	offset  int
}

// nameForm tells the forms of an AWS principal's name apart.
type nameForm uint8

const (
	otherName   nameForm = iota // a user, or something Mayfly has not: compared as text
	accountName                 // twelve digits, or the ARN that ends in :root
	roleName                    // the ARN of a role
	sessionName                 // the ARN of a role session
	roleIDName                  // a role's unique id
)

// principals is a Principal or NotPrincipal element.
type principals struct {
	names []PrincipalName
	not   bool
}

// grant tells how the element's names fit the caller, NotPrincipal aside.
// strict: names of roles count only when bound.
func (p *principals) grant(who *Principal, strict bool) grant {
	best := notNamed
	if who.kind == nobody {
		return best
	}
	for i := range p.names {
		best = max(best, p.names[i].grant(who, strict))
	}
	return best
}

func (n *PrincipalName) grant(who *Principal, strict bool) grant {
	switch n.Type {
	case Everyone:
		return namesCaller
	case Federated:
		return grantIf(who.kind == federated && n.Text == who.name, namesCaller)
	case Service:
		return grantIf(who.kind == service && n.Text == who.name, namesCaller)
	case AWSPrincipal:
		return n.grantAWS(who, strict)
	}
	return notNamed
}

func (n *PrincipalName) grantAWS(who *Principal, strict bool) grant {
	if !who.inAccount() {
		return notNamed
	}
	switch n.form {
	case accountName:
		if who.kind == root {
			return grantIf(n.account == who.account, namesCaller)
		}
		return grantIf(n.account == who.account, namesAccount)
	case roleIDName:
		return grantIf(n.RoleID == who.roleID, namesRole)
	case roleName:
		if n.RoleID != "" {
			return grantIf(n.RoleID == who.roleID, namesRole)
		}
		return grantIf(n.Text == who.role && !strict, namesRole)
	case sessionName:
		sameRole := n.RoleID == who.roleID || n.RoleID == "" && !strict
		return grantIf(n.Text == who.name && sameRole, namesCaller)
	}
	return grantIf(n.Text == who.name, namesCaller)
}

func grantIf(ok bool, g grant) grant {
	if ok {
		return g
	}
	return notNamed
}

func (p *parser) principalElement(s *Statement, m strictjson.Member) {
	switch {
	case !p.kind.namesPrincipals():
		p.refuse(phasePrincipal, m.NameOffset, ReasonProhibited, "Policy document should not specify a principal.",
			"a %s has no %s: it is about the role it belongs to", p.kind, m.Name)
		return
	case p.kind == Trust && m.Name == "NotPrincipal":
		p.refuse(phasePrincipal, m.NameOffset, ReasonProhibited, "Has prohibited field NotPrincipal.",
			"a trust policy has no NotPrincipal: it names whom it trusts")
		return
	}
	s.principals = &principals{not: m.Name == "NotPrincipal", names: p.principalNames(m)}
}

// principalTypes are the keys of a Principal element.
var principalTypes = map[string]PrincipalType{
	"AWS": AWSPrincipal, "Federated": Federated, "Service": Service, "CanonicalUser": CanonicalUser,
}

func (p *parser) principalNames(m strictjson.Member) []PrincipalName {
	if text, ok := m.Value.Text(); ok {
		if text != "*" {
			p.refusePrincipal(m.Value.Offset(), "AWS", text, `it must stand in an object that says of which type it is, like {"AWS": …}`)
		}
		return []PrincipalName{{Type: Everyone, Text: text, offset: m.Value.Offset()}}
	}
	if m.Value.Kind() != strictjson.Object || len(m.Value.Members()) == 0 {
		p.syntax(m.Value.Offset(), ReasonPrincipal, `%s must be "*" or an object with AWS, Federated, Service or CanonicalUser`, m.Name)
		return nil
	}
	var names []PrincipalName
	for _, t := range m.Value.Members() {
		kind, known := principalTypes[t.Name]
		if !known {
			p.syntax(t.NameOffset, ReasonPrincipal, "%s knows AWS, Federated, Service and CanonicalUser, not %q", m.Name, t.Name)
			continue
		}
		items := p.items(m.Name, t.Value, false)
		if len(items) == 0 {
			p.syntax(t.Value.Offset(), ReasonPrincipal, "the list of %s principals is empty", t.Name)
		}
		for _, i := range items {
			names = append(names, p.principalName(kind, t.Name, i))
		}
	}
	return names
}

func (p *parser) principalName(kind PrincipalType, typeName string, i item) PrincipalName {
	n := PrincipalName{Type: kind, Text: i.text, offset: i.offset}
	problem := ""
	switch kind {
	case AWSPrincipal:
		problem = n.readAWS()
	case Federated:
		problem = unless(isFederated(i.text), "it is neither the ARN of an identity provider nor one of those AWS knows by name")
	case Service:
		problem = unless(isServiceName(i.text), "a service is named like ec2.amazonaws.com")
	case CanonicalUser:
		problem = unless(i.text != "" && isLiteral(i.text), "it is not a canonical user id")
	}
	if problem != "" {
		p.refusePrincipal(i.offset, typeName, i.text, problem)
	}
	return n
}

func (p *parser) refusePrincipal(offset int, typeName, text, problem string) {
	p.refuse(phasePrincipal, offset, ReasonPrincipal, fmt.Sprintf(`Invalid principal in policy: "%s":"%s"`, typeName, text),
		"the principal %q: %s", text, problem)
}

// readAWS takes the name of an AWS principal apart. A problem says why it is
// none. Apart from "*" alone, wildcards do not stand in principals.
func (n *PrincipalName) readAWS() (problem string) {
	if n.Text == "*" {
		n.Type = Everyone
		return ""
	}
	if _, err := arn.ParseAccountID(n.Text); err == nil {
		n.form, n.account = accountName, n.Text
		return ""
	}
	if isUniqueID(n.Text) {
		if strings.HasPrefix(n.Text, "AROA") {
			n.form, n.RoleID = roleIDName, n.Text
		}
		return ""
	}
	if !isLiteral(n.Text) {
		return `wildcards do not stand in a principal, except "*" alone`
	}
	a, err := arn.Parse(n.Text)
	if err != nil || !partitions[a.Partition] || a.Region != "" || a.Service != "iam" && a.Service != "sts" {
		return "it is neither an account, nor the ARN of a role, a session or a user"
	}
	if _, err := arn.ParseAccountID(a.Account); err != nil {
		return "its account is not twelve digits"
	}
	return n.readARN(a)
}

// readARN takes the ARN of an AWS principal further apart. Roles of other
// partitions are no one here and stay text.
func (n *PrincipalName) readARN(a arn.ARN) (problem string) {
	kind, _, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service == "iam" && a.Resource == "root":
		n.form, n.account = accountName, a.Account
	case a.Service == "iam" && kind == "role":
		if _, err := arn.ParseRole(n.Text); err == nil {
			n.form = roleName
		} else if a.Partition == arn.Partition {
			return "it does not name a role"
		}
	case a.Service == "sts" && kind == "assumed-role":
		if _, err := arn.ParseSession(n.Text); err == nil {
			n.form = sessionName
		} else if a.Partition == arn.Partition {
			return "it does not name a role session"
		}
	case a.Service == "iam" && kind == "user", a.Service == "sts" && kind == "federated-user":
	default:
		return "it names neither an account, nor a role, a session or a user"
	}
	return ""
}

// isUniqueID reports whether text is a unique id of a role or a user, like
// AROAEXAMPLEEXAMPLE123.
func isUniqueID(text string) bool {
	if len(text) < 16 || len(text) > 128 || !strings.HasPrefix(text, "AROA") && !strings.HasPrefix(text, "AIDA") {
		return false
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; !('A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
			return false
		}
	}
	return true
}

// wellKnownIssuers are trusted by name, without a provider of one's own.
var wellKnownIssuers = map[string]bool{
	"accounts.google.com": true, "cognito-identity.amazonaws.com": true, "www.amazon.com": true, "graph.facebook.com": true,
}

func isFederated(text string) bool {
	if wellKnownIssuers[text] {
		return true
	}
	a, err := arn.Parse(text)
	if err != nil || !isLiteral(text) || !partitions[a.Partition] || a.Service != "iam" || a.Region != "" {
		return false
	}
	_, err = arn.ParseAccountID(a.Account)
	kind, name, _ := strings.Cut(a.Resource, "/")
	return err == nil && name != "" && (kind == "oidc-provider" || kind == "saml-provider")
}

func isServiceName(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= text[i] && text[i] <= '9' || text[i] == '-' || text[i] == '.') {
			return false
		}
	}
	return strings.Contains(text, ".")
}
