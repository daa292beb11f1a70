package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// ManagedPolicy is a managed policy and how many roles refer to it.
type ManagedPolicy struct {
	iam.ManagedPolicy
	Usage registry.PolicyUsage
}

// PolicyInput is what CreatePolicy is asked for. What is empty takes its
// default.
type PolicyInput struct {
	Path        string
	Name        string
	Description string
	Document    string // the text of its first version
	Tags        []iam.Tag
}

// CreatePolicy is IAM CreatePolicy.
func (s *Service) CreatePolicy(ctx context.Context, c Call, in PolicyInput) (ManagedPolicy, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	p := iam.ManagedPolicy{Account: c.Caller.Account, Path: in.Path, Name: in.Name, Description: in.Description, Tags: in.Tags}
	op := operation{action: "iam:CreatePolicy", on: fixed(p.ARN().String()), tags: tagMap(in.Tags),
		asked: detail{}.with("document", in.Document).with("description", in.Description).withJSON("tags", in.Tags)}
	if len(in.Tags) > 0 { // IAM User Guide, "Tag customer managed policies"
		op.also = []string{"iam:TagPolicy"}
	}
	var made iam.ManagedPolicy
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		d, err := policy.Parse(policy.Managed, []byte(in.Document))
		if err != nil {
			return decision{}, err
		}
		if made, err = iam.CheckManaged(p); err != nil {
			return decision{}, err
		}
		if made, _, err = made.WithVersion(d, true, now, s.quota); err != nil {
			return decision{}, err
		}
		if _, taken := snap.PolicyByName(p.Name); taken {
			return decision{}, iam.Refuse(iam.AlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", p.Name)
		}
		if len(snap.Policies()) >= s.quota.Policies {
			return decision{}, iam.Refuse(iam.LimitExceeded, "Cannot exceed quota for PoliciesPerAccount: %d", s.quota.Policies)
		}
		if made.ID, err = iam.NewID("ANPA", s.rand); err != nil {
			return decision{}, err
		}
		made.Created = now
		return decision{[]registry.Change{registry.PutPolicy{Policy: made}}, detail{"id": made.ID}}, nil
	})
	if err != nil {
		return ManagedPolicy{}, err
	}
	return ManagedPolicy{ManagedPolicy: made}, nil
}

// managed is the resource of an operation on one managed policy.
func managed(name string) resource {
	return func(snap *registry.Snapshot) object {
		p, err := findPolicy(snap, name)
		if err != nil {
			return object{arn: name}
		}
		return object{arn: name, tags: tagMap(p.Tags)}
	}
}

// findPolicy finds the managed policy of an ARN.
func findPolicy(snap *registry.Snapshot, name string) (iam.ManagedPolicy, error) {
	n, err := arn.ParsePolicy(name)
	if err != nil && !iam.IsAWSPolicy(name) {
		return iam.ManagedPolicy{}, iam.Refuse(iam.InvalidValue, "Invalid ARN:  Could not be parsed!")
	}
	p, ok := snap.PolicyByARN(n)
	if !ok {
		return iam.ManagedPolicy{}, iam.NoSuchManagedPolicy(name)
	}
	return p, nil
}

// Policy is IAM GetPolicy.
func (s *Service) Policy(ctx context.Context, c Call, name string) (ManagedPolicy, error) {
	snap, p, err := s.readPolicy(ctx, c, "iam:GetPolicy", name)
	return ManagedPolicy{p, snap.PolicyUsage(p.ID)}, err
}

// readPolicy authorises a read of one managed policy and finds it.
func (s *Service) readPolicy(ctx context.Context, c Call, action, name string) (*registry.Snapshot, iam.ManagedPolicy, error) {
	snap, err := s.read(ctx, c, operation{action: action, on: managed(name)})
	if err != nil {
		return &registry.Snapshot{}, iam.ManagedPolicy{}, err
	}
	p, err := findPolicy(snap, name)
	return snap, p, err
}

// Usage is a way in which roles refer to a managed policy. The zero value is
// any.
type Usage string

const (
	PermissionsPolicy   Usage = "PermissionsPolicy"   // to have what it allows
	PermissionsBoundary Usage = "PermissionsBoundary" // to be bounded by it
)

// of is how many roles refer to a policy in that way.
func (u Usage) of(all registry.PolicyUsage) int {
	switch u {
	case PermissionsPolicy:
		return all.Attached
	case PermissionsBoundary:
		return all.Boundary
	}
	return all.Attached + all.Boundary
}

// PolicyFilter says which managed policies are listed.
type PolicyFilter struct {
	Prefix string // what the path begins with; empty: /
	Used   bool   // only those that a role refers to, by Usage
	Usage  Usage  // if it is not empty, only those that a role refers to in that way
	AWS    bool   // only AWS's own, of which there are none here
}

// Policies is IAM ListPolicies: by name.
func (s *Service) Policies(ctx context.Context, c Call, f PolicyFilter) ([]ManagedPolicy, error) {
	if f.Prefix == "" {
		f.Prefix = "/"
	}
	all := arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: "policy" + f.Prefix}
	snap, err := s.read(ctx, c, operation{action: "iam:ListPolicies", on: fixed(all.String())})
	if err != nil || f.AWS {
		return nil, err
	}
	var out []ManagedPolicy
	for _, p := range snap.Policies() {
		usage := snap.PolicyUsage(p.ID)
		if strings.HasPrefix(p.Path, f.Prefix) && (!f.Used && f.Usage == "" || f.Usage.of(usage) > 0) {
			out = append(out, ManagedPolicy{p, usage})
		}
	}
	return out, nil
}

// DeletePolicy is IAM DeletePolicy: of one that no role refers to and that has
// its default version alone.
func (s *Service) DeletePolicy(ctx context.Context, c Call, name string) error {
	op := operation{action: "iam:DeletePolicy", on: managed(name)}
	return s.changePolicy(ctx, c, op, name, func(snap *registry.Snapshot, p iam.ManagedPolicy, _ time.Time) (decision, error) {
		switch {
		case snap.PolicyUsage(p.ID) != registry.PolicyUsage{}:
			return decision{}, iam.Refuse(iam.InUse, "Cannot delete a policy attached to entities.")
		case len(p.Versions) > 1:
			return decision{}, iam.Refuse(iam.InUse, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
		}
		return decision{changes: []registry.Change{registry.DeletePolicy{ID: p.ID}}}, nil
	})
}

// changePolicy is change for an operation on one managed policy.
func (s *Service) changePolicy(ctx context.Context, c Call, op operation, name string, decide func(*registry.Snapshot, iam.ManagedPolicy, time.Time) (decision, error)) error {
	return s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		p, err := findPolicy(snap, name)
		if err != nil {
			return decision{}, err
		}
		d, err := decide(snap, p, now)
		if err != nil {
			return decision{}, err
		}
		d.made = detail{"id": p.ID}.with("version", d.made["version"])
		return d, nil
	})
}

// putPolicy is the decision to put a managed policy in place of the one of its
// id.
func putPolicy(p iam.ManagedPolicy) decision {
	return decision{changes: []registry.Change{registry.PutPolicy{Policy: p}}}
}

// PolicyVersion is a version of a managed policy.
type PolicyVersion struct {
	iam.PolicyVersion
	Default bool // it is the one that has a say
}

// CreatePolicyVersion is IAM CreatePolicyVersion.
func (s *Service) CreatePolicyVersion(ctx context.Context, c Call, name, text string, asDefault bool) (PolicyVersion, error) {
	op := operation{action: "iam:CreatePolicyVersion", on: managed(name), asked: detail{"document": text}}
	if asDefault {
		op.asked["set_as_default"] = "true"
	}
	out := PolicyVersion{Default: asDefault}
	err := s.changePolicy(ctx, c, op, name, func(_ *registry.Snapshot, p iam.ManagedPolicy, now time.Time) (decision, error) {
		d, err := policy.Parse(policy.Managed, []byte(text))
		if err != nil {
			return decision{}, err
		}
		if p, out.PolicyVersion, err = p.WithVersion(d, asDefault, now, s.quota); err != nil {
			return decision{}, err
		}
		made := putPolicy(p)
		made.made = detail{"version": out.ID()}
		return made, nil
	})
	return out, err
}

// PolicyVersion is IAM GetPolicyVersion.
func (s *Service) PolicyVersion(ctx context.Context, c Call, name, id string) (PolicyVersion, error) {
	_, p, err := s.readPolicy(ctx, c, "iam:GetPolicyVersion", name)
	if err != nil {
		return PolicyVersion{}, err
	}
	v, err := p.Version(id)
	return PolicyVersion{v, v.Number == p.Default}, err
}

// PolicyVersions is IAM ListPolicyVersions: the newest first.
func (s *Service) PolicyVersions(ctx context.Context, c Call, name string) ([]PolicyVersion, error) {
	_, p, err := s.readPolicy(ctx, c, "iam:ListPolicyVersions", name)
	return versions(p), err
}

func versions(p iam.ManagedPolicy) []PolicyVersion {
	var out []PolicyVersion
	for _, v := range slices.Backward(p.Versions) {
		out = append(out, PolicyVersion{v, v.Number == p.Default})
	}
	return out
}

// DeletePolicyVersion is IAM DeletePolicyVersion.
func (s *Service) DeletePolicyVersion(ctx context.Context, c Call, name, id string) error {
	op := operation{action: "iam:DeletePolicyVersion", on: managed(name), asked: detail{"version": id}}
	return s.changePolicy(ctx, c, op, name, func(_ *registry.Snapshot, p iam.ManagedPolicy, _ time.Time) (decision, error) {
		p, err := p.WithoutVersion(id)
		return putPolicy(p), err
	})
}

// SetDefaultPolicyVersion is IAM SetDefaultPolicyVersion. Every role that refers
// to the policy has the version from then on.
func (s *Service) SetDefaultPolicyVersion(ctx context.Context, c Call, name, id string) error {
	op := operation{action: "iam:SetDefaultPolicyVersion", on: managed(name), asked: detail{"version": id}}
	return s.changePolicy(ctx, c, op, name, func(_ *registry.Snapshot, p iam.ManagedPolicy, _ time.Time) (decision, error) {
		p, err := p.WithDefault(id)
		return putPolicy(p), err
	})
}

// TagPolicy is IAM TagPolicy.
func (s *Service) TagPolicy(ctx context.Context, c Call, name string, tags []iam.Tag) error {
	return s.changePolicy(ctx, c, tagging("iam:TagPolicy", managed(name), tags), name, func(_ *registry.Snapshot, p iam.ManagedPolicy, _ time.Time) (decision, error) {
		var err error
		p.Tags, err = iam.WithTags(p.Tags, tags)
		return putPolicy(p), err
	})
}

// UntagPolicy is IAM UntagPolicy; a key that is not there changes nothing.
func (s *Service) UntagPolicy(ctx context.Context, c Call, name string, keys []string) error {
	return s.changePolicy(ctx, c, untagging("iam:UntagPolicy", managed(name), keys), name, func(_ *registry.Snapshot, p iam.ManagedPolicy, _ time.Time) (decision, error) {
		p.Tags = iam.WithoutTags(p.Tags, keys)
		return putPolicy(p), nil
	})
}

// PolicyTags is IAM ListPolicyTags: by key.
func (s *Service) PolicyTags(ctx context.Context, c Call, name string) ([]iam.Tag, error) {
	_, p, err := s.readPolicy(ctx, c, "iam:ListPolicyTags", name)
	return byKey(p.Tags), err
}

// EntityFilter says which of the roles that refer to a policy are listed.
type EntityFilter struct {
	Prefix string // what the role's path begins with; empty: /
	Usage  Usage
	Others bool // only what is no role, of which there is nothing here
}

// PolicyEntities is IAM ListEntitiesForPolicy: the roles, by name, that refer to
// a managed policy.
func (s *Service) PolicyEntities(ctx context.Context, c Call, name string, f EntityFilter) ([]iam.Role, error) {
	snap, p, err := s.readPolicy(ctx, c, "iam:ListEntitiesForPolicy", name)
	if err != nil || f.Others {
		return nil, err
	}
	return slices.DeleteFunc(snap.Roles(), func(r iam.Role) bool {
		attached, bounded := slices.Contains(r.Attached, p.ID), r.Boundary == p.ID
		refers := attached && f.Usage != PermissionsBoundary || bounded && f.Usage != PermissionsPolicy
		return !refers || !strings.HasPrefix(r.Path, f.Prefix)
	}), nil
}
