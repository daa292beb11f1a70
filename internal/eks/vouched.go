package eks

import (
	"strings"

	"mayfly.internal/internal/arn"
)

// Vouched is whom real AWS STS names as the signer of a bearer token (STS
// GetCallerIdentity). It is another realm than Mayfly's own roles: nothing that
// is about those is about it.
type Vouched struct {
	ARN     string
	Account string
	UserID  string // AROA…:SESSION of a role session, AIDA… of a user
	// AccessKeyID is what the token says it was signed with.
	AccessKeyID string
}

// Principal is the principal of a vouched identity: a role session, a user, an
// account's root or a federated user. What contradicts itself is refused.
func (v Vouched) Principal() (Principal, error) {
	a, err := arn.Parse(v.ARN)
	if err != nil {
		return Principal{}, refuse(InvalidValue, "AWS answers with an ARN that is none: %v", err)
	}
	if _, err := arn.ParseAccountID(v.Account); err != nil || a.Account != v.Account || a.Region != "" {
		return Principal{}, refuse(InvalidValue, "AWS answers with the account %q and the ARN %q", clip(v.Account), clip(v.ARN))
	}
	p := Principal{ARN: v.ARN, CanonicalARN: v.ARN, Account: v.Account, PrincipalID: v.UserID, AccessKeyID: v.AccessKeyID, AWS: true}
	kind, name, _ := strings.Cut(a.Resource, "/")
	switch {
	case v.UserID == "":
		return Principal{}, refuse(InvalidValue, "AWS answers with no UserId")
	case a.Service == "sts" && kind == "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		id, session, ok := strings.Cut(v.UserID, ":")
		if !ok || strings.Contains(session, ":") || strings.Count(name, "/") != 1 || !arn.IsName(role, 64) || id == "" || !arn.IsName(session, 64) {
			return Principal{}, refuse(InvalidValue, "AWS answers with a role session that is none: %q, %q", clip(v.ARN), clip(v.UserID))
		}
		a.Service, a.Resource = "iam", "role/"+role
		p.CanonicalARN, p.PrincipalID, p.SessionName = a.String(), id, session
	case a.Service == "iam" && (kind == "user" && name != "" || a.Resource == "root"), a.Service == "sts" && kind == "federated-user" && name != "":
	default:
		return Principal{}, refuse(InvalidValue, "AWS answers with %q, which is no role session, user, root or federated user", clip(v.ARN))
	}
	return p, nil
}

// CanonicalARN is the ARN under which a principal of a real AWS account is known
// to a cluster: a role's without its path, for a session's ARN has none, and
// role names are unique in an account whatever their paths (IAM CreateRole,
// "RoleName"); a user's as it is. False for everything else, and for a path that
// could be taken for a placeholder.
func CanonicalARN(text string) (_ arn.AccountID, canonical string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "iam" || a.Region != "" {
		return "", "", false
	}
	account, err := arn.ParseAccountID(a.Account)
	kind, rest, _ := strings.Cut(a.Resource, "/")
	name := rest[strings.LastIndexByte(rest, '/')+1:]
	if err != nil || strings.Contains(text, "{") || !arn.IsName(name, 64) || !arn.IsPath("/"+strings.TrimSuffix(rest, name)) {
		return "", "", false
	}
	switch kind {
	case "role":
		a.Resource = "role/" + name
	case "user":
	default:
		return "", "", false
	}
	return account, a.String(), true
}
