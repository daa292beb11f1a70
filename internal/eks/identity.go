package eks

import (
	"strings"
)

// Principal is who signed a bearer token, as the rules of a cluster see it.
type Principal struct {
	ARN          string // arn:aws:sts::…:assumed-role/ROLE/SESSION
	CanonicalARN string // arn:aws:iam::…:role/ROLE, without the path
	RoleARN      string // with the path
	Account      string
	PrincipalID  string // AROA…
	SessionName  string
	AccessKeyID  string
	SessionID    string
	Expires      string // Unix time, in seconds, as text

	// Issuer is the host and path of the issuer, without a port; Claims are the
	// claims that tie a request to its job, in the order they are shown.
	Issuer string
	Claims []Claim
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

// The keys of extra that the authorizer reads back. The first six are
// aws-iam-authenticator's.
const (
	ExtraARN          = "arn"
	ExtraCanonicalARN = "canonicalArn"
	ExtraSessionName  = "sessionName"
	ExtraAccessKeyID  = "accessKeyId"
	ExtraPrincipalID  = "principalId"
	extraUpstreamID   = "sigs.k8s.io/aws-iam-authenticator/principalId"
	ExtraSession      = "mayfly/session"
	ExtraExpires      = "mayfly/expires"
)

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

// Identify is the identity of a principal under a user name template and
// groups, those of an access entry or of an aws-auth mapping.
func (p Principal) Identify(template string, groups []string) (Identity, error) {
	t, err := parseTemplate(template)
	if err != nil {
		return Identity{}, err
	}
	name := t.fill(p)
	if strings.HasPrefix(name, "system:") && !strings.HasPrefix(template, "system:") {
		return Identity{}, refuse(InvalidValue, "The username %q begins with system:", clip(name))
	}
	return Identity{Username: name, UID: UIDOf(p.Account, p.PrincipalID), Groups: groups, Extra: p.extra()}, nil
}

func (p Principal) extra() map[string][]string {
	out := map[string][]string{
		ExtraARN:          {p.ARN},
		ExtraCanonicalARN: {p.CanonicalARN},
		ExtraSessionName:  {p.SessionName},
		ExtraAccessKeyID:  {p.AccessKeyID},
		ExtraPrincipalID:  {p.PrincipalID},
		extraUpstreamID:   {p.PrincipalID},
	}
	if p.SessionID != "" {
		out[ExtraSession], out[ExtraExpires] = []string{p.SessionID}, []string{p.Expires}
	}
	for _, c := range p.Claims {
		if jobClaims[c.Name] && p.Issuer != "" {
			out[p.Issuer+"/"+c.Name] = []string{c.Value}
		}
	}
	return out
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
// session name stays text.
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
// that nobody names a session into another user's name.
func (t template) checkUsername() error {
	before := ""
	for _, p := range t.parts {
		if (p.name == "SessionName" || p.name == "SessionNameRaw") && !strings.Contains(before, ":") {
			return refuse(InvalidValue, "The username must have a colon before {{%s}}", p.name)
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
