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

// CreateRole is IAM CreateRole; role carries what the caller asks for, trust
// the text of its trust policy.
func (s *Service) CreateRole(ctx context.Context, c Call, role iam.Role, trust string) (iam.Role, error) {
	role.Account, role.Created = c.Caller.Account, s.Now()
	if role.Path == "" {
		role.Path = "/"
	}
	detail := map[string]string{"trust_policy": trust}
	err := s.change(ctx, c, "iam:CreateRole", fixed(role.ARN().String()), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		var err error
		if role.Trust, err = parseTrust(snap, trust); err != nil {
			return nil, err
		}
		if role, err = iam.CheckRole(role); err != nil {
			return nil, err
		}
		if _, taken := snap.Role(role.Name); taken {
			return nil, iam.Refuse(iam.AlreadyExists, "Role with name %s already exists.", role.Name)
		}
		if len(snap.Roles()) > iam.MaxRoles { // the administrator's is not counted
			return nil, iam.Refuse(iam.LimitExceeded, "Cannot exceed quota for RolesPerAccount: %d", iam.MaxRoles)
		}
		if role.ID, err = iam.NewID("AROA", s.Rand); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutRole{Role: role}}, nil
	})
	if err != nil {
		return iam.Role{}, err
	}
	return role, nil
}

// Role is IAM GetRole.
func (s *Service) Role(ctx context.Context, c Call, name string) (iam.Role, error) {
	return s.readRole(ctx, c, "iam:GetRole", name)
}

// readRole authorises a read of one role and finds it.
func (s *Service) readRole(ctx context.Context, c Call, action, name string) (iam.Role, error) {
	snap, err := s.read(ctx, c, action, roleARN(c, name))
	if err != nil {
		return iam.Role{}, err
	}
	return findRole(snap, name)
}

// roleARN is the resource of an operation on a role: with the path of the role
// if there is one of that name.
func roleARN(c Call, name string) resource {
	return func(snap *registry.Snapshot) string {
		if r, ok := snap.Role(name); ok {
			return r.ARN().String()
		}
		return arn.Role{Account: c.Caller.Account, Path: "/", Name: name}.String()
	}
}

// Roles is IAM ListRoles: those whose path begins with prefix, by name.
func (s *Service) Roles(ctx context.Context, c Call, prefix string) ([]iam.Role, error) {
	all := arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: "role" + prefixOr(prefix) + "*"}
	snap, err := s.read(ctx, c, "iam:ListRoles", fixed(all.String()))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(snap.Roles(), func(r iam.Role) bool { return !strings.HasPrefix(r.Path, prefixOr(prefix)) }), nil
}

func prefixOr(prefix string) string {
	if prefix == "" {
		return "/"
	}
	return prefix
}

// DeleteRole is IAM DeleteRole. Every session of the role ends with it.
func (s *Service) DeleteRole(ctx context.Context, c Call, name string) error {
	return s.changeRole(ctx, c, "iam:DeleteRole", name, nil, func(_ *registry.Snapshot, r iam.Role) (registry.Change, error) {
		if len(r.Inline) > 0 {
			return nil, iam.Refuse(iam.InUse, "Cannot delete entity, must delete policies first.")
		}
		return registry.DeleteRole{Name: r.Name}, nil
	})
}

// UpdateRole is IAM UpdateRole; nil and zero leave a field as it is.
func (s *Service) UpdateRole(ctx context.Context, c Call, name string, description *string, maxSession time.Duration) error {
	return s.changeRole(ctx, c, "iam:UpdateRole", name, nil, func(_ *registry.Snapshot, r iam.Role) (registry.Change, error) {
		if description != nil {
			r.Description = *description
		}
		if maxSession != 0 {
			r.MaxSession = maxSession
		}
		return registry.PutRole{Role: r}, nil
	})
}

// UpdateTrust is IAM UpdateAssumeRolePolicy.
func (s *Service) UpdateTrust(ctx context.Context, c Call, name, trust string) error {
	detail := map[string]string{"trust_policy": trust}
	return s.changeRole(ctx, c, "iam:UpdateAssumeRolePolicy", name, detail, func(snap *registry.Snapshot, r iam.Role) (registry.Change, error) {
		var err error
		if r.Trust, err = parseTrust(snap, trust); err != nil {
			return nil, err
		}
		return registry.PutRole{Role: r}, iam.CheckTrust(r.Trust)
	})
}

// parseTrust reads a trust policy and ties each role it names to the id of the
// role of that name now: one made anew under the name is not trusted (IAM User
// Guide, "AWS JSON policy elements: Principal").
func parseTrust(snap *registry.Snapshot, text string) (*policy.Document, error) {
	d, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		return nil, err
	}
	return d.Bind(func(name arn.Role) (string, bool) {
		r, ok := snap.Role(name.Name)
		return r.ID, ok && r.Account == name.Account && r.Name == name.Name && (name.Path == "" || name.Path == r.Path)
	})
}

// PutRolePolicy is IAM PutRolePolicy.
func (s *Service) PutRolePolicy(ctx context.Context, c Call, role, name, text string) error {
	detail := map[string]string{"policy": name, "document": text}
	return s.changeRole(ctx, c, "iam:PutRolePolicy", role, detail, func(_ *registry.Snapshot, r iam.Role) (registry.Change, error) {
		d, err := policy.Parse(policy.Permission, []byte(text))
		if err != nil {
			return nil, err
		}
		r, err = r.WithInline(name, d)
		return registry.PutRole{Role: r}, err
	})
}

// DeleteRolePolicy is IAM DeleteRolePolicy.
func (s *Service) DeleteRolePolicy(ctx context.Context, c Call, role, name string) error {
	return s.changeRole(ctx, c, "iam:DeleteRolePolicy", role, map[string]string{"policy": name}, func(_ *registry.Snapshot, r iam.Role) (registry.Change, error) {
		r, err := r.WithoutInline(name)
		return registry.PutRole{Role: r}, err
	})
}

// RolePolicy is IAM GetRolePolicy: the text of an inline policy.
func (s *Service) RolePolicy(ctx context.Context, c Call, role, name string) ([]byte, error) {
	r, err := s.readRole(ctx, c, "iam:GetRolePolicy", role)
	if err != nil {
		return nil, err
	}
	d := r.Inline[name]
	if d == nil {
		return nil, iam.NoSuchPolicy(name)
	}
	return d.Text(), nil
}

// RolePolicies is IAM ListRolePolicies: the names of the inline policies.
func (s *Service) RolePolicies(ctx context.Context, c Call, role string) ([]string, error) {
	r, err := s.readRole(ctx, c, "iam:ListRolePolicies", role)
	if err != nil {
		return nil, err
	}
	var names []string
	for n := range r.Inline {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

// changeRole is change for an operation on one role that is not Mayfly's own.
func (s *Service) changeRole(ctx context.Context, c Call, action, name string, detail map[string]string, decide func(*registry.Snapshot, iam.Role) (registry.Change, error)) error {
	return s.change(ctx, c, action, roleARN(c, name), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		r, err := findRole(snap, name)
		if err != nil {
			return nil, err
		}
		if r.BuiltIn {
			return nil, iam.Refuse(iam.Unmodifiable, "The role %s is Mayfly's own and cannot be changed.", r.Name)
		}
		ch, err := decide(snap, r)
		if err != nil {
			return nil, err
		}
		return []registry.Change{ch}, nil
	})
}

func findRole(snap *registry.Snapshot, name string) (iam.Role, error) {
	r, ok := snap.Role(name)
	if !ok {
		return iam.Role{}, iam.NoSuchRole(name)
	}
	return r, nil
}
