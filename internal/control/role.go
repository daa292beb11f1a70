package control

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/webidentity"
)

// RoleInput is what CreateRole is asked for. What is empty takes its default.
type RoleInput struct {
	Path        string
	Name        string
	Description string
	MaxSession  time.Duration
	Trust       string // the text of the trust policy
	BoundaryARN string // of the managed policy that is to bound it
	Tags        []iam.Tag
}

// CreateRole is IAM CreateRole.
func (s *Service) CreateRole(ctx context.Context, c Call, in RoleInput) (iam.Role, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	role := iam.Role{Account: c.Caller.Account, Path: in.Path, Name: in.Name, Description: in.Description, MaxSession: in.MaxSession, Tags: in.Tags}
	op := operation{action: "iam:CreateRole", on: fixed(role.ARN().String()), tags: tagMap(in.Tags), keys: boundaryKey(in.BoundaryARN),
		asked: detail{}.with("trust_policy", in.Trust).with("permissions_boundary", in.BoundaryARN).with("description", in.Description).with("max_session", seconds(in.MaxSession)).withJSON("tags", in.Tags)}
	if len(in.Tags) > 0 { // IAM User Guide, "Tag IAM roles"
		op.also = []string{"iam:TagRole"}
	}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		var err error
		if role.Trust, err = parseTrust(snap, in.Trust); err != nil {
			return decision{}, err
		}
		if role, err = iam.CheckRole(role, s.quota); err != nil {
			return decision{}, err
		}
		if _, taken := snap.Role(role.Name); taken {
			return decision{}, iam.Refuse(iam.AlreadyExists, "Role with name %s already exists.", role.Name)
		}
		if len(snap.Roles()) > s.quota.Roles { // the administrator's is not counted
			return decision{}, iam.Refuse(iam.LimitExceeded, "Cannot exceed quota for RolesPerAccount: %d", s.quota.Roles)
		}
		if in.BoundaryARN != "" {
			if role.Boundary, err = findBoundary(snap, in.BoundaryARN); err != nil {
				return decision{}, err
			}
		}
		if role.ID, err = iam.NewID("AROA", s.rand); err != nil {
			return decision{}, err
		}
		role.Created = now
		return decision{[]registry.Change{registry.PutRole{Role: role}}, trusted(role.Trust).with("id", role.ID).with("boundary_id", role.Boundary)}, nil
	})
	if err != nil {
		return iam.Role{}, err
	}
	return role, nil
}

// seconds is a duration as the audit log has it, empty for none.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// trusted is which roles a trust policy names, and the ids it means.
func trusted(trust *policy.Document) detail {
	ids := map[string]string{}
	for role, id := range trust.BoundRoles() {
		ids[role.String()] = id
	}
	return detail{}.withJSON("trusted_roles", ids)
}

// Role is IAM GetRole.
func (s *Service) Role(ctx context.Context, c Call, name string) (Role, error) {
	return s.readRole(ctx, c, "iam:GetRole", name)
}

// readRole authorises a read of one role and finds it.
func (s *Service) readRole(ctx context.Context, c Call, action, name string) (Role, error) {
	snap, err := s.read(ctx, c, operation{action: action, on: role(c, name)})
	if err != nil {
		return Role{}, err
	}
	r, err := findRole(snap, name)
	if err != nil {
		return Role{}, err
	}
	return bounded(snap, r), nil
}

// role is the resource of an operation on one role: with the path of the role
// if there is one of that name.
func role(c Call, name string) resource {
	return func(snap *registry.Snapshot) object {
		r, ok := snap.Role(name)
		if !ok {
			return object{arn: arn.Role{Account: c.Caller.Account, Path: "/", Name: name}.String()}
		}
		return object{arn: r.ARN().String(), tags: tagMap(r.Tags)}
	}
}

// Roles is IAM ListRoles: those whose path begins with prefix, by name. An
// empty prefix is /.
func (s *Service) Roles(ctx context.Context, c Call, prefix string) ([]iam.Role, error) {
	if prefix == "" {
		prefix = "/"
	}
	all := arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: "role" + prefix}
	snap, err := s.read(ctx, c, operation{action: "iam:ListRoles", on: fixed(all.String())})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(snap.Roles(), func(r iam.Role) bool { return !strings.HasPrefix(r.Path, prefix) }), nil
}

// DeleteRole is IAM DeleteRole. Every session of the role ends with it.
func (s *Service) DeleteRole(ctx context.Context, c Call, name string) error {
	op := operation{action: "iam:DeleteRole", on: role(c, name)}
	return s.changeRole(ctx, c, op, name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		switch {
		case len(r.Attached) > 0:
			return decision{}, iam.Refuse(iam.InUse, "Cannot delete entity, must detach all policies first.")
		case len(r.Inline) > 0:
			return decision{}, iam.Refuse(iam.InUse, "Cannot delete entity, must delete policies first.")
		}
		return decision{changes: []registry.Change{registry.DeleteRole{Name: r.Name}}}, nil
	})
}

// UpdateRole is IAM UpdateRole. A nil description stays as it is; a maximum
// session of zero becomes the default of one hour, as the API reference says.
func (s *Service) UpdateRole(ctx context.Context, c Call, name string, description *string, maxSession time.Duration) error {
	if maxSession == 0 {
		maxSession = iam.DefaultMaxSession
	}
	op := operation{action: "iam:UpdateRole", on: role(c, name), asked: detail{}.with("max_session", seconds(maxSession))}
	if description != nil {
		op.asked["description"] = *description
	}
	return s.changeRole(ctx, c, op, name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		if description != nil {
			r.Description = *description
		}
		r.MaxSession = maxSession
		return put(r), iam.CheckMaxSession(r.MaxSession)
	})
}

// DescribeRole is IAM UpdateRoleDescription.
func (s *Service) DescribeRole(ctx context.Context, c Call, name, description string) (Role, error) {
	op := operation{action: "iam:UpdateRoleDescription", on: role(c, name), asked: detail{"description": description}}
	var out Role
	err := s.changeRole(ctx, c, op, name, func(snap *registry.Snapshot, r iam.Role) (decision, error) {
		r.Description = description
		out = bounded(snap, r)
		return put(r), nil
	})
	return out, err
}

// InstanceProfiles is IAM ListInstanceProfilesForRole: there are none here.
func (s *Service) InstanceProfiles(ctx context.Context, c Call, name string) error {
	_, err := s.readRole(ctx, c, "iam:ListInstanceProfilesForRole", name)
	return err
}

// put is the decision to put a role in place of the one of its id.
func put(r iam.Role) decision {
	return decision{changes: []registry.Change{registry.PutRole{Role: r}}}
}

// UpdateTrust is IAM UpdateAssumeRolePolicy.
func (s *Service) UpdateTrust(ctx context.Context, c Call, name, trust string) error {
	op := operation{action: "iam:UpdateAssumeRolePolicy", on: role(c, name), asked: detail{"trust_policy": trust}}
	return s.changeRole(ctx, c, op, name, func(snap *registry.Snapshot, r iam.Role) (decision, error) {
		var err error
		if r.Trust, err = parseTrust(snap, trust); err != nil {
			return decision{}, err
		}
		d := put(r)
		d.made = trusted(r.Trust)
		return d, iam.CheckTrust(r.Trust, s.quota)
	})
}

// parseTrust reads a trust policy and ties each role it names to the id of the
// role of that name now: one made anew under the name is not trusted (IAM User
// Guide, "AWS JSON policy elements: Principal").
func parseTrust(snap *registry.Snapshot, text string) (*policy.Document, error) {
	d, err := policy.Parse(policy.Trust, []byte(text))
	if err == nil {
		err = webidentity.CheckGuards(d)
	}
	if err != nil {
		return nil, err
	}
	return d.Bind(func(name arn.Role) (string, bool) {
		r, ok := snap.Role(name.Name)
		return r.ID, ok && r.Account == name.Account && r.Name == name.Name && (name.Path == "" || name.Path == r.Path)
	})
}

// PutRolePolicy is IAM PutRolePolicy.
func (s *Service) PutRolePolicy(ctx context.Context, c Call, name, policyName, text string) error {
	op := operation{action: "iam:PutRolePolicy", on: boundRole(c, name), asked: detail{"policy": policyName, "document": text}}
	return s.changeRole(ctx, c, op, name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		d, err := policy.Parse(policy.Permission, []byte(text))
		if err != nil {
			return decision{}, err
		}
		r, err = r.WithInline(policyName, d, s.quota)
		return put(r), err
	})
}

// DeleteRolePolicy is IAM DeleteRolePolicy.
func (s *Service) DeleteRolePolicy(ctx context.Context, c Call, name, policyName string) error {
	op := operation{action: "iam:DeleteRolePolicy", on: boundRole(c, name), asked: detail{"policy": policyName}}
	return s.changeRole(ctx, c, op, name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		r, err := r.WithoutInline(policyName)
		return put(r), err
	})
}

// RolePolicy is IAM GetRolePolicy: the role and the text of an inline policy.
func (s *Service) RolePolicy(ctx context.Context, c Call, name, policyName string) (iam.Role, []byte, error) {
	r, err := s.readRole(ctx, c, "iam:GetRolePolicy", name)
	if err != nil {
		return iam.Role{}, nil, err
	}
	d := r.Inline[policyName]
	if d == nil {
		return iam.Role{}, nil, iam.NoSuchPolicy(policyName)
	}
	return r.Role, d.Text(), nil
}

// RolePolicies is IAM ListRolePolicies: the names of the inline policies.
func (s *Service) RolePolicies(ctx context.Context, c Call, name string) ([]string, error) {
	r, err := s.readRole(ctx, c, "iam:ListRolePolicies", name)
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
func (s *Service) changeRole(ctx context.Context, c Call, op operation, name string, decide func(*registry.Snapshot, iam.Role) (decision, error)) error {
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		r, err := findRole(snap, name)
		if err != nil {
			return decision{}, err
		}
		if r.BuiltIn {
			return decision{}, iam.Refuse(iam.Unmodifiable, "The role %s is Mayfly's own and cannot be changed.", r.Name)
		}
		d, err := decide(snap, r)
		if err != nil {
			return decision{}, err
		}
		if d.made == nil {
			d.made = detail{}
		}
		d.made["id"] = r.ID
		return d, nil
	})
}

func findRole(snap *registry.Snapshot, name string) (iam.Role, error) {
	r, ok := snap.Role(name)
	if !ok {
		return iam.Role{}, iam.NoSuchRole(name)
	}
	return r, nil
}
