package control

import (
	"context"
	"slices"
	"strings"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// Role is a role, and the ARN of the managed policy that bounds it, if one does.
type Role struct {
	iam.Role
	BoundaryARN string
}

// bounded is a role with its boundary's ARN.
func bounded(snap *registry.Snapshot, r iam.Role) Role {
	p, _ := snap.Policy(r.Boundary)
	return Role{r, p.ARN().String()}
}

// boundRole is the resource of an operation that changes what a role may do:
// policies are told what bounds the role now.
func boundRole(c Call, name string) resource {
	plain := role(c, name)
	return func(snap *registry.Snapshot) object {
		on := plain(snap)
		if r, ok := snap.Role(name); ok && r.Boundary != "" {
			on.keys = boundaryKey(bounded(snap, r).BoundaryARN)
		}
		return on
	}
}

// boundaryKey is the condition key for what bounds a role, or is to bound it.
func boundaryKey(name string) func(*policy.ContextBuilder) {
	return func(b *policy.ContextBuilder) {
		if name != "" {
			b.Set("iam:PermissionsBoundary", name)
		}
	}
}

// policyKey is the condition key for the managed policy that is attached or
// detached.
func policyKey(name string) func(*policy.ContextBuilder) {
	return func(b *policy.ContextBuilder) { b.Set("iam:PolicyARN", name) }
}

// AttachPolicy is IAM AttachRolePolicy; attaching one that is attached changes
// nothing.
func (s *Service) AttachPolicy(ctx context.Context, c Call, name, policyARN string) error {
	op := operation{action: "iam:AttachRolePolicy", on: boundRole(c, name), asked: detail{"policy_arn": policyARN}, keys: policyKey(policyARN)}
	return s.changeRole(ctx, c, op, name, func(snap *registry.Snapshot, r iam.Role) (decision, error) {
		p, err := findPolicy(snap, policyARN)
		switch {
		case iam.IsReason(err, iam.NoSuchEntity):
			return decision{}, iam.NotAttachable(policyARN)
		case err != nil:
			return decision{}, err
		}
		r, err = r.WithAttached(p.ID, s.quota)
		d := put(r)
		d.made = detail{"policy_id": p.ID}
		return d, err
	})
}

// DetachPolicy is IAM DetachRolePolicy.
func (s *Service) DetachPolicy(ctx context.Context, c Call, name, policyARN string) error {
	op := operation{action: "iam:DetachRolePolicy", on: boundRole(c, name), asked: detail{"policy_arn": policyARN}, keys: policyKey(policyARN)}
	return s.changeRole(ctx, c, op, name, func(snap *registry.Snapshot, r iam.Role) (decision, error) {
		p, err := findPolicy(snap, policyARN)
		if err != nil {
			return decision{}, err
		}
		r, was := r.WithoutAttached(p.ID)
		if !was {
			return decision{}, iam.NoSuchManagedPolicy(policyARN)
		}
		d := put(r)
		d.made = detail{"policy_id": p.ID}
		return d, nil
	})
}

// AttachedPolicies is IAM ListAttachedRolePolicies: by name, those whose path
// begins with prefix.
func (s *Service) AttachedPolicies(ctx context.Context, c Call, name, prefix string) ([]iam.ManagedPolicy, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:ListAttachedRolePolicies", on: role(c, name)})
	if err != nil {
		return nil, err
	}
	r, err := findRole(snap, name)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(attached(snap, r), func(p iam.ManagedPolicy) bool { return !strings.HasPrefix(p.Path, prefix) }), nil
}

// attached are the managed policies attached to a role, by name.
func attached(snap *registry.Snapshot, r iam.Role) []iam.ManagedPolicy {
	var out []iam.ManagedPolicy
	for _, id := range r.Attached {
		if p, ok := snap.Policy(id); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b iam.ManagedPolicy) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// PutBoundary is IAM PutRolePermissionsBoundary.
func (s *Service) PutBoundary(ctx context.Context, c Call, name, policyARN string) error {
	op := operation{action: "iam:PutRolePermissionsBoundary", on: role(c, name), asked: detail{"permissions_boundary": policyARN}, keys: boundaryKey(policyARN)}
	return s.changeRole(ctx, c, op, name, func(snap *registry.Snapshot, r iam.Role) (decision, error) {
		var err error
		if r.Boundary, err = findBoundary(snap, policyARN); err != nil {
			return decision{}, err
		}
		d := put(r)
		d.made = detail{"boundary_id": r.Boundary}
		return d, nil
	})
}

// findBoundary is the id of the managed policy that is to bound a role.
func findBoundary(snap *registry.Snapshot, name string) (string, error) {
	p, err := findPolicy(snap, name)
	if iam.IsReason(err, iam.NoSuchEntity) {
		return "", iam.NoSuchBoundary(name)
	}
	return p.ID, err
}

// DeleteBoundary is IAM DeleteRolePermissionsBoundary; where there is none it
// changes nothing.
func (s *Service) DeleteBoundary(ctx context.Context, c Call, name string) error {
	op := operation{action: "iam:DeleteRolePermissionsBoundary", on: boundRole(c, name)}
	return s.changeRole(ctx, c, op, name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		r.Boundary = ""
		return put(r), nil
	})
}
