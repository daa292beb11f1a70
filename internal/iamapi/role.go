package iamapi

import (
	"context"
	"time"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// encodeRole is what every answer says of a role. The answers differ in the
// rest, as AWS's do.
func encodeRole(r iam.Role) iamwire.Role {
	return iamwire.Role{Path: r.Path, Name: r.Name, ID: r.ID, ARN: r.ARN().String(), CreateDate: awsquery.Time(r.Created), Trust: iamwire.Document(r.Trust.Text()), Description: r.Description}
}

func roleTags(r iam.Role) *awsquery.Members[iamwire.Tag] { return optionalTags(wireTags(r.Tags)) }

func (a *API) createRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeCreateRole(r)
	if err != nil {
		return nil, err
	}
	role, err := a.Control.CreateRole(ctx, c, control.RoleInput{Path: in.Path, Name: in.Name, Description: in.Description, MaxSession: time.Duration(in.MaxSessionSeconds) * time.Second,
		Trust: in.Trust, BoundaryARN: in.Boundary, Tags: iamTags(in.Tags)})
	if err != nil {
		return nil, err
	}
	out := encodeRole(role)
	out.MaxSession, out.Tags = in.MaxSessionSeconds, roleTags(role)
	return iamwire.RoleResult{Role: out}, nil
}

func (a *API) getRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodeRoleName(r)
	if err != nil {
		return nil, err
	}
	role, err := a.Control.Role(ctx, c, name)
	if err != nil {
		return nil, err
	}
	out := encodeRole(role.Role)
	out.MaxSession, out.Boundary, out.Tags, out.LastUsed = int(role.MaxSession/time.Second), iamwire.BoundaryOf(role.BoundaryARN), roleTags(role.Role), &iamwire.LastUsed{}
	return iamwire.RoleResult{Role: out}, nil
}

func (a *API) listRoles(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	prefix, page, err := iamwire.DecodeListRoles(r)
	if err != nil {
		return nil, err
	}
	roles, err := a.Control.Roles(ctx, c, prefix)
	if err != nil {
		return nil, err
	}
	shown, marker := paged(roles, page, func(r iam.Role) string { return r.Name })
	var list []iamwire.Role
	for _, role := range shown {
		out := encodeRole(role)
		out.MaxSession = int(role.MaxSession / time.Second)
		list = append(list, out)
	}
	return iamwire.ListRolesResult{Roles: awsquery.List(list), IsTruncated: marker != "", Marker: marker}, nil
}

func (a *API) updateRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeUpdateRole(r)
	if err != nil {
		return nil, err
	}
	if err := a.Control.UpdateRole(ctx, c, in.Name, in.Description, time.Duration(in.MaxSessionSeconds)*time.Second); err != nil {
		return nil, err
	}
	return iamwire.UpdateRoleResult{}, nil
}

func (a *API) describeRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, text, err := iamwire.DecodeRoleDescription(r)
	if err != nil {
		return nil, err
	}
	role, err := a.Control.DescribeRole(ctx, c, name, text)
	if err != nil {
		return nil, err
	}
	out := encodeRole(role.Role)
	out.MaxSession, out.Boundary, out.Tags = int(role.MaxSession/time.Second), iamwire.BoundaryOf(role.BoundaryARN), roleTags(role.Role)
	return iamwire.RoleResult{Role: out}, nil
}

func (a *API) listInstanceProfiles(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, _, err := iamwire.DecodeRolePage(r)
	if err != nil {
		return nil, err
	}
	return iamwire.NoInstanceProfilesResult{}, a.Control.InstanceProfiles(ctx, c, name)
}

func (a *API) deleteRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodeRoleName(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeleteRole(ctx, c, name)
}

func (a *API) updateTrust(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, trust, err := iamwire.DecodeUpdateTrust(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.UpdateTrust(ctx, c, name, trust)
}

func (a *API) putRolePolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, text, err := iamwire.DecodePutRolePolicy(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.PutRolePolicy(ctx, c, role, name, text)
}

func (a *API) getRolePolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, err := iamwire.DecodeRolePolicyName(r)
	if err != nil {
		return nil, err
	}
	found, text, err := a.Control.RolePolicy(ctx, c, role, name)
	if err != nil {
		return nil, err
	}
	return iamwire.RolePolicyResult{Role: found.Name, Name: name, Document: iamwire.Document(text)}, nil
}

func (a *API) listRolePolicies(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, page, err := iamwire.DecodeRolePage(r)
	if err != nil {
		return nil, err
	}
	names, err := a.Control.RolePolicies(ctx, c, role)
	if err != nil {
		return nil, err
	}
	shown, marker := paged(names, page, func(s string) string { return s })
	return iamwire.ListRolePoliciesResult{Names: awsquery.List(shown), IsTruncated: marker != "", Marker: marker}, nil
}

func (a *API) deleteRolePolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, err := iamwire.DecodeRolePolicyName(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeleteRolePolicy(ctx, c, role, name)
}
