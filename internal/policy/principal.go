package policy

import "mayfly.internal/internal/arn"

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
