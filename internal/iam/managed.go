package iam

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// ManagedPolicy is a permission policy with a name of its own. Roles refer to it
// by its id, to have what it allows or to be bounded by it: one made anew under
// the name is another. It is immutable: a change makes a new value.
type ManagedPolicy struct {
	ID          string // ANPA…, never used twice
	Account     arn.AccountID
	Path        string
	Name        string
	Description string
	Created     time.Time
	Updated     time.Time // when its newest version was made
	Tags        []Tag
	Versions    []PolicyVersion // by number; the default one is among them
	Default     int             // number of the version that has a say
	Latest      int             // the highest number there has been: none is used twice
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	Number   int
	Document *policy.Document // of kind policy.Managed
	Created  time.Time
}

// ID is the version's name: v1, v2, …
func (v PolicyVersion) ID() string { return "v" + strconv.Itoa(v.Number) }

// ARN is the policy's name.
func (p ManagedPolicy) ARN() arn.Policy {
	return arn.Policy{Account: p.Account, Path: p.Path, Name: p.Name}
}

// Document is what the policy says: its default version. The zero value says
// nothing that anyone can read.
func (p ManagedPolicy) Document() *policy.Document {
	for _, v := range p.Versions {
		if v.Number == p.Default {
			return v.Document
		}
	}
	return nil
}

// Version is the version of a name.
func (p ManagedPolicy) Version(id string) (PolicyVersion, error) {
	for _, v := range p.Versions {
		if v.ID() == id {
			return v, nil
		}
	}
	return PolicyVersion{}, Refuse(NoSuchEntity, "Policy %s version %s does not exist or is not attachable.", p.ARN(), id)
}

// CheckManaged checks a managed policy that is about to be made and fills in the
// path / where none is given. Its document is checked with its first version.
func CheckManaged(p ManagedPolicy) (ManagedPolicy, error) {
	if p.Path == "" {
		p.Path = "/"
	}
	switch {
	case !arn.IsName(p.Name, maxPolicyNameLen):
		return ManagedPolicy{}, badPolicyName()
	case !isPolicyPath(p.Path):
		return ManagedPolicy{}, Refuse(InvalidValue, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return p, CheckTags(p.Tags)
}

func badPolicyName() error {
	return Refuse(InvalidValue, "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-")
}

// isPolicyPath is the IAM model's policyPathType, narrower than a role's path.
func isPolicyPath(path string) bool {
	if path == "/" {
		return true
	}
	if !arn.IsPath(path) {
		return false
	}
	for name := range strings.SplitSeq(path[1:len(path)-1], "/") {
		if !arn.IsName(name, len(path)) {
			return false
		}
	}
	return true
}

// WithVersion is the policy with another version, and that version. The first
// one is the default.
func (p ManagedPolicy) WithVersion(d *policy.Document, asDefault bool, now time.Time, q Quotas) (ManagedPolicy, PolicyVersion, error) {
	switch {
	case d == nil || d.Kind() != policy.Managed:
		return ManagedPolicy{}, PolicyVersion{}, Refuse(Malformed, "A managed policy needs a document")
	case lengthWithoutSpace(d.Text()) > q.PolicyLength:
		return ManagedPolicy{}, PolicyVersion{}, Refuse(LimitExceeded, "Cannot exceed quota for PolicySize: %d", q.PolicyLength)
	case len(p.Versions) >= q.VersionsPerPolicy:
		return ManagedPolicy{}, PolicyVersion{}, Refuse(LimitExceeded, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", q.VersionsPerPolicy)
	}
	v := PolicyVersion{Number: p.Latest + 1, Document: d, Created: now}
	p.Versions, p.Latest, p.Updated = append(slices.Clone(p.Versions), v), v.Number, now
	if asDefault || len(p.Versions) == 1 {
		p.Default = v.Number
	}
	return p, v, nil
}

// WithoutVersion is the policy without one of its versions, which is not the
// default one.
func (p ManagedPolicy) WithoutVersion(id string) (ManagedPolicy, error) {
	v, err := p.Version(id)
	switch {
	case err != nil:
		return ManagedPolicy{}, err
	case v.Number == p.Default:
		return ManagedPolicy{}, Refuse(InUse, "Cannot delete the default version of a policy.")
	}
	p.Versions = slices.DeleteFunc(slices.Clone(p.Versions), func(have PolicyVersion) bool { return have.Number == v.Number })
	return p, nil
}

// WithDefault is the policy with another of its versions as the default one.
func (p ManagedPolicy) WithDefault(id string) (ManagedPolicy, error) {
	v, err := p.Version(id)
	if err != nil {
		return ManagedPolicy{}, err
	}
	p.Default = v.Number
	return p, nil
}
