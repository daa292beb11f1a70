package eks

import (
	"net/url"
	"slices"
	"strings"
)

// Principal is who signed a bearer token, as the rules of a cluster see it.
type Principal struct {
	ARN          string // arn:aws:sts::…:assumed-role/ROLE/SESSION
	CanonicalARN string // arn:aws:iam::…:role/ROLE, without the path
	Account      string
	RoleARN      string // with the path; empty where only AWS knows it
	PrincipalID  string // AROA…
	SessionName  string // the caller's own choice
	AccessKeyID  string
	SessionID    string
	Expires      string // Unix time, in seconds, as text

	// Issuer is the iss of the ID token behind the session, and ProviderID the
	// provider it was registered as; both empty for a session without one.
	Issuer     string
	ProviderID string
	// Chain are the ids of the roles the session was assumed through.
	Chain []string
	// Claims are what the session kept of that token.
	Claims []Claim

	// AWS says that real AWS vouches for the principal, which is then none of
	// Mayfly's.
	AWS bool
}

// Claim is one claim of the ID token behind a session.
type Claim struct{ Name, Value string }

// Identity is a Kubernetes user (authentication.k8s.io/v1 UserInfo).
type Identity struct {
	Username string
	UID      string
	Groups   []string
	Extra    map[string][]string
}

// IsOf reports whether the identity is a principal's of an account.
func (id Identity) IsOf(account string) bool {
	return strings.HasPrefix(id.UID, UIDOf(account, ""))
}

// The keys of extra. The first six are aws-iam-authenticator's; the authorizer
// reads back all but extraUpstreamID. An impersonator cannot set those with a
// capital letter: the API server lowers the names in Impersonate-Extra headers.
const (
	ExtraARN          = "arn"
	ExtraCanonicalARN = "canonicalArn"
	ExtraSessionName  = "sessionName"
	ExtraAccessKeyID  = "accessKeyId"
	ExtraPrincipalID  = "principalId"
	extraUpstreamID   = "sigs.k8s.io/aws-iam-authenticator/principalId"

	ExtraSession  = "mayfly/session"
	ExtraExpires  = "mayfly/expires"  // Unix time, in seconds
	ExtraIssuer   = "mayfly/issuer"   // absent for a session without an ID token behind it
	ExtraProvider = "mayfly/provider" // id of the issuer's provider, likewise
	ExtraChain    = "mayfly/chain"    // ids of the roles the session was assumed through, the first one first; absent for none
	ExtraEntry    = "mayfly/entry"    // UUID of the access entry, absent for an identity from aws-auth
	ExtraRealm    = "mayfly/realm"    // RealmAWS for an identity real AWS vouches for, else absent
)

// RealmAWS is the realm of what real AWS vouches for.
const RealmAWS = "aws"

// jobClaims are the claims shown in a cluster: what ties a request to its job
// and the person behind it. Never user_email or user_identities: they are
// personal data that every cluster's audit log would keep.
var jobClaims = map[string]bool{
	"project_path": true, "project_id": true, "ref": true, "ref_type": true, "sha": true,
	"pipeline_id": true, "job_id": true, "user_login": true, "user_id": true, "environment": true,
}

// UIDOf is the uid of a principal: aws-iam-authenticator:ACCOUNT:AROA….
func UIDOf(account, principalID string) string {
	return "aws-iam-authenticator:" + account + ":" + principalID
}

// IdentifyEntry is the identity an access entry gives a principal.
func (p Principal) IdentifyEntry(e AccessEntry) (Identity, error) {
	id, err := p.identify(e.UsernameTemplate(), e.Groups)
	if err != nil {
		return Identity{}, err
	}
	id.Extra[ExtraEntry] = []string{e.UUID}
	return id, nil
}

// IdentifyMapping is the identity a mapping of aws-auth gives a principal.
func (p Principal) IdentifyMapping(m Mapping) (Identity, error) {
	id, err := p.identify(m.Username, m.Groups)
	if err != nil {
		return Identity{}, err
	}
	for _, prefix := range m.Reserved {
		if prefix != "" && strings.HasPrefix(id.Username, prefix) {
			return Identity{}, refuse(InvalidValue, "The username %q begins with %q, which is reserved", clip(id.Username), prefix)
		}
	}
	return id, nil
}

func (p Principal) identify(username string, groups []string) (Identity, error) {
	t, err := parseTemplate(username)
	if err != nil {
		return Identity{}, err
	}
	name := t.fill(p)
	if name == "" || strings.HasPrefix(name, ownPrefix) || strings.HasPrefix(name, "system:") && !strings.HasPrefix(username, "system:") {
		return Identity{}, refuse(InvalidValue, "The username %q is empty, or begins with system: or %s", clip(name), ownPrefix)
	}
	return Identity{Username: name, UID: UIDOf(p.Account, p.PrincipalID), Groups: groups, Extra: p.extra()}, nil
}

func (p Principal) extra() map[string][]string {
	out := map[string][]string{}
	for key, value := range map[string]string{
		ExtraARN: p.ARN, ExtraCanonicalARN: p.CanonicalARN, ExtraSessionName: p.SessionName, ExtraAccessKeyID: p.AccessKeyID,
		ExtraPrincipalID: p.PrincipalID, extraUpstreamID: p.PrincipalID,
		ExtraSession: p.SessionID, ExtraExpires: p.Expires, ExtraIssuer: p.Issuer, ExtraProvider: p.ProviderID,
	} {
		if value != "" {
			out[key] = []string{value}
		}
	}
	if p.AWS {
		out[ExtraRealm] = []string{RealmAWS}
	}
	if len(p.Chain) > 0 {
		out[ExtraChain] = slices.Clone(p.Chain)
	}
	if prefix := claimPrefix(p.Issuer); prefix != "" {
		for _, c := range p.Claims {
			if jobClaims[c.Name] && c.Value != "" {
				out[prefix+c.Name] = []string{c.Value}
			}
		}
	}
	return out
}

// claimPrefix is what stands before a claim's name in extra: the issuer's host
// and path, without a port, in lower case, for Kubernetes wants such keys to be
// domain-prefixed paths (authentication.k8s.io/v1 UserInfo; impersonation
// lowers them anyway). It is "" for what is no issuer.
func claimPrefix(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(u.Hostname()+u.EscapedPath(), "/")) + "/"
}

// template is a user name with placeholders: literal text and names in turn.
type template struct{ parts []part }

type part struct{ literal, name string }

// placeholders :: name → what stands for it. {{SessionName}} has every @
// replaced by -, as aws-iam-authenticator does.
var placeholders = map[string]func(Principal) string{
	"AccountID":      func(p Principal) string { return p.Account },
	"SessionName":    func(p Principal) string { return strings.ReplaceAll(p.SessionName, "@", "-") },
	"SessionNameRaw": func(p Principal) string { return p.SessionName },
	"AccessKeyID":    func(p Principal) string { return p.AccessKeyID },
}

// parseTemplate takes a user name apart once, so that a placeholder inside a
// session name stays text. (aws-iam-authenticator replaces one placeholder after
// the other, and so expands what a session name holds.)
func parseTemplate(text string) (template, error) {
	var t template
	for {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			t.parts = append(t.parts, part{literal: before})
		}
		if !found {
			return t, nil
		}
		name, after, closed := strings.Cut(rest, "}}")
		switch {
		case !closed:
			return template{}, refuse(InvalidValue, "The username has {{ without }}")
		case name == "EC2PrivateDNSName":
			return template{}, refuse(NotSupported, "The placeholder {{EC2PrivateDNSName}} is not supported: Mayfly knows no EC2 instances")
		case placeholders[name] == nil:
			return template{}, refuse(InvalidValue, "The username has the unknown placeholder {{%s}}: AccountID, SessionName, SessionNameRaw and AccessKeyID are known", clip(name))
		}
		t.parts = append(t.parts, part{name: name})
		text = after
	}
}

// checkUsername is EKS's rule that a colon must stand before a session name, so
// that nobody names a session into another user's name; and that no name of
// Kubernetes' own parts is made with one.
func (t template) checkUsername() error {
	before := ""
	for _, p := range t.parts {
		chosen := p.name == "SessionName" || p.name == "SessionNameRaw"
		switch {
		case chosen && !strings.Contains(before, ":"):
			return refuse(InvalidValue, "The username must have a colon before {{%s}}: the caller chooses its session's name", p.name)
		case chosen && strings.HasPrefix(before, "system:"):
			return refuse(InvalidValue, "The username must not begin with system: and hold {{%s}}: the caller chooses its session's name", p.name)
		}
		before += p.literal
	}
	return nil
}

func (t template) fill(p Principal) string {
	var b strings.Builder
	for _, part := range t.parts {
		if part.name != "" {
			b.WriteString(placeholders[part.name](p))
		} else {
			b.WriteString(part.literal)
		}
	}
	return b.String()
}
