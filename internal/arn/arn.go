// Package arn parses and prints Amazon Resource Names and has a type for each
// kind of resource Mayfly names: a role, a role session, a managed policy, an
// identity provider, a cluster. (IAM User Guide, "IAM ARNs"; EKS "Actions, resources and
// condition keys".)
//
// It does not know whether what a name names exists, and it does not match
// patterns; policy does.
package arn

import (
	"fmt"
	"strings"
)

// Partition is the one partition Mayfly serves. ARNs of others parse, and
// match nothing here.
const Partition = "aws"

// ARN is a resource name taken apart. Fields hold the text between the colons,
// unchanged; Resource is all that follows the fifth colon.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	Resource  string
}

// MaxLen is the longest ARN the IAM and STS models accept.
const MaxLen = 2048

// ParseError says why a text is not the ARN that is wanted.
type ParseError struct {
	Text   string
	Detail string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("%q is not an ARN: %s", clip(e.Text), e.Detail)
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func refuse(text, format string, args ...any) error {
	return &ParseError{Text: text, Detail: fmt.Sprintf(format, args...)}
}

// Parse takes a text apart at its first five colons. Every refusal is a
// *ParseError, and then the ARN is the zero value. Wildcards are characters
// like others here.
func Parse(text string) (ARN, error) {
	if len(text) > MaxLen {
		return ARN{}, refuse(text, "longer than %d characters", MaxLen)
	}
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] == 0x7f {
			return ARN{}, refuse(text, "it holds a control character")
		}
	}
	p := strings.SplitN(text, ":", 6)
	switch {
	case p[0] != "arn":
		return ARN{}, refuse(text, `it does not begin with "arn:"`)
	case len(p) < 6:
		return ARN{}, refuse(text, "it has fewer than six parts")
	case p[1] == "":
		return ARN{}, refuse(text, "the partition is empty")
	case p[2] == "":
		return ARN{}, refuse(text, "the service is empty")
	case p[5] == "":
		return ARN{}, refuse(text, "the resource is empty")
	}
	return ARN{Partition: p[1], Service: p[2], Region: p[3], Account: p[4], Resource: p[5]}, nil
}

// String is the name as AWS writes it; of the zero value, the empty string.
func (a ARN) String() string {
	if a == (ARN{}) {
		return ""
	}
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// AccountID is the twelve-digit namespace of roles.
type AccountID string

// ParseAccountID accepts exactly twelve ASCII digits.
func ParseAccountID(text string) (AccountID, error) {
	if len(text) != 12 || strings.Trim(text, "0123456789") != "" {
		return "", fmt.Errorf("%q is not an account id: twelve digits are wanted", clip(text))
	}
	return AccountID(text), nil
}

// Role names an IAM role: arn:aws:iam::ACCOUNT:role/PATH/NAME.
type Role struct {
	Account AccountID
	Path    string // "/" or "/a/b/"
	Name    string
}

// ParseRole reads the ARN of a role of Mayfly's partition.
func ParseRole(text string) (Role, error) {
	a, account, err := parseOf(text, "iam", "role/")
	if err != nil {
		return Role{}, err
	}
	rest := strings.TrimPrefix(a.Resource, "role")
	cut := strings.LastIndexByte(rest, '/')
	r := Role{Account: account, Path: rest[:cut+1], Name: rest[cut+1:]}
	if !IsName(r.Name, 64) {
		return Role{}, refuse(text, "the role name is not 1 to 64 of the characters A-Za-z0-9+=,.@_-")
	}
	if !IsPath(r.Path) {
		return Role{}, refuse(text, "the path is not / or /…/ of printable ASCII")
	}
	return r, nil
}

func (r Role) String() string {
	if r == (Role{}) {
		return ""
	}
	return "arn:" + Partition + ":iam::" + string(r.Account) + ":role" + r.Path + r.Name
}

// Session names a role session:
// arn:aws:sts::ACCOUNT:assumed-role/ROLE-NAME/SESSION-NAME. The role's path is
// not part of it.
type Session struct {
	Account AccountID
	Role    string
	Name    string
}

// ParseSession reads the ARN of a role session of Mayfly's partition.
func ParseSession(text string) (Session, error) {
	a, account, err := parseOf(text, "sts", "assumed-role/")
	if err != nil {
		return Session{}, err
	}
	p := strings.Split(a.Resource, "/")
	if len(p) != 3 || !IsName(p[1], 64) || !IsName(p[2], 64) {
		return Session{}, refuse(text, "assumed-role/ROLE/SESSION is wanted")
	}
	return Session{Account: account, Role: p[1], Name: p[2]}, nil
}

func (s Session) String() string {
	if s == (Session{}) {
		return ""
	}
	return "arn:" + Partition + ":sts::" + string(s.Account) + ":assumed-role/" + s.Role + "/" + s.Name
}

// Policy names a managed policy: arn:aws:iam::ACCOUNT:policy/PATH/NAME.
type Policy struct {
	Account AccountID
	Path    string // "/" or "/a/b/"
	Name    string
}

// ParsePolicy reads the ARN of a managed policy of an account; AWS's own, which
// stand in the account "aws", are not here.
func ParsePolicy(text string) (Policy, error) {
	a, account, err := parseOf(text, "iam", "policy/")
	if err != nil {
		return Policy{}, err
	}
	rest := strings.TrimPrefix(a.Resource, "policy")
	cut := strings.LastIndexByte(rest, '/')
	p := Policy{Account: account, Path: rest[:cut+1], Name: rest[cut+1:]}
	if !IsName(p.Name, 128) {
		return Policy{}, refuse(text, "the policy name is not 1 to 128 of the characters A-Za-z0-9+=,.@_-")
	}
	if !IsPath(p.Path) {
		return Policy{}, refuse(text, "the path is not / or /…/ of printable ASCII")
	}
	return p, nil
}

func (p Policy) String() string {
	if p == (Policy{}) {
		return ""
	}
	return "arn:" + Partition + ":iam::" + string(p.Account) + ":policy" + p.Path + p.Name
}

// Provider names an identity provider:
// arn:aws:iam::ACCOUNT:oidc-provider/HOST[:PORT][/PATH].
type Provider struct {
	Account AccountID
	URL     string // the issuer without "https://", exactly as registered
}

// ParseProvider reads the ARN of an OIDC identity provider of Mayfly's
// partition.
func ParseProvider(text string) (Provider, error) {
	a, account, err := parseOf(text, "iam", "oidc-provider/")
	if err != nil {
		return Provider{}, err
	}
	url := strings.TrimPrefix(a.Resource, "oidc-provider/")
	if url == "" {
		return Provider{}, refuse(text, "the provider's URL is empty")
	}
	return Provider{Account: account, URL: url}, nil
}

func (p Provider) String() string {
	if p == (Provider{}) {
		return ""
	}
	return "arn:" + Partition + ":iam::" + string(p.Account) + ":oidc-provider/" + p.URL
}

// Cluster names a cluster: arn:aws:eks:REGION:ACCOUNT:cluster/NAME.
type Cluster struct {
	Region  string
	Account AccountID
	Name    string
}

func (c Cluster) String() string {
	if c == (Cluster{}) {
		return ""
	}
	return "arn:" + Partition + ":eks:" + c.Region + ":" + string(c.Account) + ":cluster/" + c.Name
}

// Audience names whom a token of Mayfly's own may be for:
// arn:aws:mayfly:REGION:ACCOUNT:audience/NAME.
type Audience struct {
	Region  string
	Account AccountID
	Name    string
}

func (a Audience) String() string {
	if a == (Audience{}) {
		return ""
	}
	return "arn:" + Partition + ":mayfly:" + a.Region + ":" + string(a.Account) + ":audience/" + a.Name
}

// parseOf reads an ARN of Mayfly's partition with no region, of the service,
// in a twelve-digit account, whose resource begins with prefix.
func parseOf(text, service, prefix string) (ARN, AccountID, error) {
	a, err := Parse(text)
	if err != nil {
		return ARN{}, "", err
	}
	switch {
	case a.Partition != Partition:
		return ARN{}, "", refuse(text, "the partition is %q, here it is %q", a.Partition, Partition)
	case a.Service != service:
		return ARN{}, "", refuse(text, "the service is %q, %q is wanted", a.Service, service)
	case a.Region != "":
		return ARN{}, "", refuse(text, "%s resources have no region", service)
	case !strings.HasPrefix(a.Resource, prefix):
		return ARN{}, "", refuse(text, "a resource of the form %s… is wanted", prefix)
	}
	account, err := ParseAccountID(a.Account)
	if err != nil {
		return ARN{}, "", refuse(text, "%v", err)
	}
	return a, account, nil
}

// IsName reports whether text is 1 to max characters of [\w+=,.@-], the
// alphabet of role, policy and session names.
func IsName(text string, max int) bool {
	if text == "" || len(text) > max {
		return false
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_+=,.@-", c) >= 0) {
			return false
		}
	}
	return true
}

// IsPath reports whether text is an IAM path: "/", or printable ASCII without
// spaces between two slashes, 512 characters at most.
func IsPath(text string) bool {
	if text == "" || len(text) > 512 || text[0] != '/' || text[len(text)-1] != '/' {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] < 0x21 || text[i] > 0x7e {
			return false
		}
	}
	return true
}
