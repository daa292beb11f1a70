package iam

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"mayfly.internal/internal/arn"
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
	Attached    []string                    // ids of managed policies, in order, none twice
	Boundary    string                      // id of the managed policy that bounds it, or ""
	Tags        []Tag
	Created     time.Time
	// BuiltIn marks Mayfly's own administrator role: listed, immutable, not
	// assumable by token.
	BuiltIn bool
}

// ARN is the role's name.
func (r Role) ARN() arn.Role { return arn.Role{Account: r.Account, Path: r.Path, Name: r.Name} }

// The IAM model's bounds on a role.
const (
	maxRoleNameLen   = 64
	maxPolicyNameLen = 128
	minMaxSession    = time.Hour
	maxMaxSession    = 12 * time.Hour
)

// DefaultMaxSession is a role's longest session where nobody says otherwise.
const DefaultMaxSession = time.Hour

// CheckRole checks a role that is about to be made and fills in what was not
// given: the path / and a maximum session of one hour. Its trust policy is
// parsed already.
func CheckRole(r Role, q Quotas) (Role, error) {
	if r.Path == "" {
		r.Path = "/"
	}
	if r.MaxSession == 0 {
		r.MaxSession = DefaultMaxSession
	}
	switch {
	case !arn.IsName(r.Name, maxRoleNameLen):
		return Role{}, Refuse(InvalidValue, "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
	case !arn.IsPath(r.Path):
		return Role{}, Refuse(InvalidValue, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	case strings.EqualFold(r.Name, AdminName):
		return Role{}, Refuse(Unmodifiable, "The role name %s is Mayfly's own", AdminName)
	}
	for _, err := range []error{CheckMaxSession(r.MaxSession), CheckTags(r.Tags), CheckTrust(r.Trust, q)} {
		if err != nil {
			return Role{}, err
		}
	}
	return r, nil
}

// CheckMaxSession checks a role's maximum session duration.
func CheckMaxSession(d time.Duration) error {
	if d < minMaxSession || d > maxMaxSession {
		return Refuse(InvalidValue, "The maximum session duration is 3600 to 43200 seconds")
	}
	return nil
}

// CheckTrust checks a trust policy's size and that no statement trusts a shared
// issuer without saying whose jobs it means. A role without one is refused.
func CheckTrust(trust *policy.Document, q Quotas) error {
	if trust == nil || trust.Kind() != policy.Trust {
		return Refuse(Malformed, "A role needs a trust policy")
	}
	if n := lengthWithoutSpace(trust.Text()); n > q.TrustLength {
		return Refuse(LimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", q.TrustLength)
	}
	return CheckShared(trust)
}

// WithInline is the role with an inline policy put in place of one of the same
// name.
func (r Role) WithInline(name string, d *policy.Document, q Quotas) (Role, error) {
	if !arn.IsName(name, maxPolicyNameLen) {
		return Role{}, badPolicyName()
	}
	inline := maps.Clone(r.Inline)
	if inline == nil {
		inline = map[string]*policy.Document{}
	}
	inline[name] = d
	total := 0
	for _, d := range inline {
		total += lengthWithoutSpace(d.Text())
	}
	if total > q.InlineLength {
		return Role{}, Refuse(LimitExceeded, "Maximum policy size of %d bytes exceeded for role %s", q.InlineLength, r.Name)
	}
	r.Inline = inline
	return r, nil
}

// WithoutInline is the role without an inline policy.
func (r Role) WithoutInline(name string) (Role, error) {
	if r.Inline[name] == nil {
		return Role{}, NoSuchPolicy(name)
	}
	r.Inline = maps.Clone(r.Inline)
	delete(r.Inline, name)
	return r, nil
}

// WithAttached is the role with a managed policy attached; one that is attached
// stays so.
func (r Role) WithAttached(id string, q Quotas) (Role, error) {
	at, there := slices.BinarySearch(r.Attached, id)
	switch {
	case there:
		return r, nil
	case len(r.Attached) >= q.AttachedPerRole:
		return Role{}, Refuse(LimitExceeded, "Cannot exceed quota for PoliciesPerRole: %d", q.AttachedPerRole)
	}
	r.Attached = slices.Insert(slices.Clone(r.Attached), at, id)
	return r, nil
}

// WithoutAttached is the role without a managed policy, and whether it had it.
func (r Role) WithoutAttached(id string) (Role, bool) {
	at, there := slices.BinarySearch(r.Attached, id)
	if there {
		r.Attached = slices.Delete(slices.Clone(r.Attached), at, at+1)
	}
	return r, there
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
