// Package iam is roles and the limits of what IAM keeps: names, paths, sizes,
// quotas, and which trust a role may carry at all. (IAM API reference
// 2010-05-08; IAM User Guide, "IAM and STS quotas".)
//
// It evaluates no policy (policy does), knows no caller and stores nothing.
// Users, groups and access keys do not exist here, on purpose.
package iam

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
)

// Role is a set of permissions someone may assume. It is immutable: a change
// makes a new value.
type Role struct {
	ID          string // AROA…, never used twice
	Account     arn.AccountID
	Path        string
	Name        string
	Description string
	MaxSession  time.Duration
	Trust       *policy.Document
	Inline      map[string]*policy.Document // :: policy name → permission policy
	Tags        []Tag
	Created     time.Time
	// BuiltIn marks Mayfly's own administrator role: listed, immutable, not
	// assumable by token.
	BuiltIn bool
}

// Tag is a key and a value an operator hangs on an object.
type Tag struct{ Key, Value string }

// ARN is the role's name.
func (r Role) ARN() arn.Role { return arn.Role{Account: r.Account, Path: r.Path, Name: r.Name} }

// Permissions are the role's permission policies, in no particular order.
func (r Role) Permissions() []*policy.Document {
	out := make([]*policy.Document, 0, len(r.Inline))
	for _, d := range r.Inline {
		out = append(out, d)
	}
	return out
}

// Reason says which rule of this room was broken. The edge turns it into IAM's
// error code.
type Reason uint8

const (
	InvalidValue  Reason = iota + 1 // ValidationError
	InvalidInput                    // InvalidInput
	NoSuchEntity                    // it does not exist
	AlreadyExists                   // the name is taken
	LimitExceeded                   // a quota
	InUse                           // it must be emptied first
	Unmodifiable                    // it is Mayfly's own
	Malformed                       // a policy document that may not stand there
	NotSupported                    // AWS has it; Mayfly refuses it by name
)

// Error is a refusal of this room. Detail is a sentence for the caller, in
// AWS's words where they are known.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Refuse makes an Error.
func Refuse(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// Quotas. Each is AWS's default.
const (
	MaxRoles         = 1000
	MaxProviders     = 100
	maxTrustLen      = 2048  // characters without white space
	maxInlineLen     = 10240 // all inline policies of a role together, likewise
	maxClientIDs     = 100
	maxThumbprints   = 5
	maxTags          = 50
	defaultSession   = time.Hour
	maxRoleNameLen   = 64
	maxPolicyNameLen = 128
	idAlphabetBytes  = 10 // 16 characters of base32, and one digit
)

// NewID draws an id of 21 characters that begins with a prefix of four: AROA
// for a role.
func NewID(prefix string, random io.Reader) (string, error) {
	var b [idAlphabetBytes + 1]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw an id: %w", err)
	}
	return prefix + (base32.StdEncoding.EncodeToString(b[:]))[:17], nil
}

// CheckRole checks a role that is about to be made; its policies are parsed
// already. zero MaxSession means one hour.
func CheckRole(r Role) (Role, error) {
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = defaultSession
	}
	switch {
	case !arn.IsName(r.Name, maxRoleNameLen):
		return Role{}, Refuse(InvalidValue, "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	case !arn.IsPath(r.Path):
		return Role{}, Refuse(InvalidValue, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	case strings.EqualFold(r.Name, AdminName):
		return Role{}, Refuse(Unmodifiable, "The role name %s is Mayfly's own", AdminName)
	case r.MaxSession < time.Hour || r.MaxSession > 12*time.Hour:
		return Role{}, Refuse(InvalidValue, "The maximum session duration is 3600 to 43200 seconds")
	}
	if err := CheckTags(r.Tags); err != nil {
		return Role{}, err
	}
	return r, CheckTrust(r.Trust)
}

// CheckTags refuses too many tags and keys that differ in case alone.
func CheckTags(tags []Tag) error {
	if len(tags) > maxTags {
		return Refuse(LimitExceeded, "Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch key := strings.ToLower(t.Key); {
		case seen[key]:
			return Refuse(InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(key, "aws:"):
			return Refuse(InvalidInput, "Tag keys may not begin with aws:")
		default:
			seen[key] = true
		}
	}
	return nil
}

// CheckTrust checks a trust policy's size and that no statement trusts a shared
// issuer without saying whose jobs it means.
func CheckTrust(trust *policy.Document) error {
	if n := lengthWithoutSpace(trust.Text()); n > maxTrustLen {
		return Refuse(LimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", maxTrustLen)
	}
	return CheckShared(trust)
}

// WithInline is the role with an inline policy put in place of one of the same
// name.
func (r Role) WithInline(name string, d *policy.Document) (Role, error) {
	if !arn.IsName(name, maxPolicyNameLen) {
		return Role{}, Refuse(InvalidValue, "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	}
	inline := map[string]*policy.Document{name: d}
	total := lengthWithoutSpace(d.Text())
	for n, old := range r.Inline {
		if n != name {
			inline[n], total = old, total+lengthWithoutSpace(old.Text())
		}
	}
	if total > maxInlineLen {
		return Role{}, Refuse(LimitExceeded, "Maximum policy size of %d bytes exceeded for role %s", maxInlineLen, r.Name)
	}
	r.Inline = inline
	return r, nil
}

// WithoutInline is the role without an inline policy.
func (r Role) WithoutInline(name string) (Role, error) {
	if r.Inline[name] == nil {
		return Role{}, NoSuchPolicy(name)
	}
	inline := map[string]*policy.Document{}
	for n, d := range r.Inline {
		if n != name {
			inline[n] = d
		}
	}
	r.Inline = inline
	return r, nil
}

// NoSuchRole, NoSuchPolicy and NoSuchProvider are AWS's words for what does
// not exist.
func NoSuchRole(name string) error {
	return Refuse(NoSuchEntity, "The role with name %s cannot be found.", name)
}

func NoSuchPolicy(name string) error {
	return Refuse(NoSuchEntity, "The role policy with name %s cannot be found.", name)
}

func NoSuchProvider(name string) error {
	return Refuse(NoSuchEntity, "OpenIDConnect Provider not found for arn %s", name)
}

// lengthWithoutSpace counts characters as the quotas do: white space is free.
func lengthWithoutSpace(text []byte) int {
	n := 0
	for _, c := range string(text) {
		if !unicode.IsSpace(c) {
			n++
		}
	}
	return n
}

// CheckClientIDs checks a provider's audiences and gives them without
// duplicates.
func CheckClientIDs(ids []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			out, seen[id] = append(out, id), true
		}
	}
	if len(out) > maxClientIDs {
		return nil, Refuse(LimitExceeded, "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClientIDs)
	}
	return out, nil
}

// CheckThumbprints checks how many there are; their form is the wire's. They
// are stored and returned and are no anchor of trust.
func CheckThumbprints(prints []string) error {
	if len(prints) > maxThumbprints {
		return Refuse(InvalidInput, "Thumbprint list must contain fewer than %d entries.", maxThumbprints)
	}
	return nil
}

// CheckProviderURL checks the URL a provider is about to be made for.
func CheckProviderURL(url string) error {
	if _, err := oidc.ParseProviderURL(url); err != nil {
		return Refuse(InvalidValue, "Invalid Open ID Connect Provider URL: %v", err)
	}
	return nil
}
