// Package iamapi is the IAM API: it decodes a Query request whose caller is
// known, calls control, and encodes what came of it.
package iamapi

import (
	"context"
	"strings"
	"time"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// API serves IAM operations.
type API struct{ Control *control.Service }

// operation answers one decoded request; a nil result has no result element.
type operation func(a *API, ctx context.Context, c control.Call, r *awsquery.Request) (any, error)

// operations :: Action → what answers it.
var operations = map[string]operation{
	"CreateOpenIDConnectProvider":             (*API).createProvider,
	"GetOpenIDConnectProvider":                (*API).getProvider,
	"ListOpenIDConnectProviders":              (*API).listProviders,
	"DeleteOpenIDConnectProvider":             (*API).deleteProvider,
	"AddClientIDToOpenIDConnectProvider":      (*API).addClientID,
	"RemoveClientIDFromOpenIDConnectProvider": (*API).removeClientID,
	"UpdateOpenIDConnectProviderThumbprint":   (*API).setThumbprints,
	"CreateRole":                              (*API).createRole,
	"GetRole":                                 (*API).getRole,
	"ListRoles":                               (*API).listRoles,
	"UpdateRole":                              (*API).updateRole,
	"DeleteRole":                              (*API).deleteRole,
	"UpdateAssumeRolePolicy":                  (*API).updateTrust,
	"PutRolePolicy":                           (*API).putRolePolicy,
	"GetRolePolicy":                           (*API).getRolePolicy,
	"ListRolePolicies":                        (*API).listRolePolicies,
	"DeleteRolePolicy":                        (*API).deleteRolePolicy,
}

// Serves reports whether an action is one of IAM's that is served here.
func Serves(action string) bool { return operations[action] != nil }

// Do answers a request: its result for awsquery.Answer, or an error for
// Failure.
func (a *API) Do(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	return operations[r.Action](a, ctx, c, r)
}

func (a *API) createProvider(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeCreateProvider(r)
	if err != nil {
		return nil, err
	}
	p, err := a.Control.CreateProvider(ctx, c, control.ProviderInput{URL: in.URL, ClientIDs: in.ClientIDs, Thumbprints: in.Thumbprints, Tags: iamTags(in.Tags)})
	if err != nil {
		return nil, err
	}
	return iamwire.CreateProviderResult{ARN: p.ARN().String(), Tags: optionalTags(providerTags(p))}, nil
}

func iamTags(tags []iamwire.Tag) []iam.Tag {
	var out []iam.Tag
	for _, t := range tags {
		out = append(out, iam.Tag(t))
	}
	return out
}

func providerTags(p oidc.Provider) []iamwire.Tag {
	var out []iamwire.Tag
	for _, t := range p.Tags {
		out = append(out, iamwire.Tag(t))
	}
	return out
}

// optionalTags is a list of tags, or nothing where there is none.
func optionalTags(tags []iamwire.Tag) *awsquery.Members[iamwire.Tag] {
	if len(tags) == 0 {
		return nil
	}
	out := awsquery.List(tags)
	return &out
}

func (a *API) getProvider(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodeProviderARN(r)
	if err != nil {
		return nil, err
	}
	p, err := a.Control.Provider(ctx, c, name)
	if err != nil {
		return nil, err
	}
	return iamwire.GetProviderResult{URL: p.KeyPrefix(), ClientIDs: awsquery.List(p.ClientIDs), Thumbprints: awsquery.List(p.Thumbprints), CreateDate: awsquery.Time(p.Created), Tags: awsquery.List(providerTags(p))}, nil
}

func (a *API) listProviders(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	list, err := a.Control.Providers(ctx, c)
	if err != nil {
		return nil, err
	}
	var out []iamwire.ProviderARN
	for _, p := range list {
		out = append(out, iamwire.ProviderARN{ARN: p.ARN().String()})
	}
	return iamwire.ListProvidersResult{Providers: awsquery.List(out)}, nil
}

func (a *API) deleteProvider(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodeProviderARN(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeleteProvider(ctx, c, name)
}

func (a *API) addClientID(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, id, err := iamwire.DecodeClientID(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.AddClientID(ctx, c, name, id)
}

func (a *API) removeClientID(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, id, err := iamwire.DecodeClientID(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.RemoveClientID(ctx, c, name, id)
}

func (a *API) setThumbprints(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, prints, err := iamwire.DecodeThumbprints(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.SetThumbprints(ctx, c, name, prints)
}

func (a *API) createRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeCreateRole(r)
	if err != nil {
		return nil, err
	}
	role, err := a.Control.CreateRole(ctx, c, control.RoleInput{Path: in.Path, Name: in.Name, Description: in.Description, MaxSession: time.Duration(in.MaxSessionSeconds) * time.Second,
		Trust: in.Trust, Tags: iamTags(in.Tags)})
	if err != nil {
		return nil, err
	}
	return iamwire.RoleResult{Role: encodeRole(role)}, nil
}

func encodeRole(r iam.Role) iamwire.Role {
	var tags []iamwire.Tag
	for _, t := range r.Tags {
		tags = append(tags, iamwire.Tag(t))
	}
	return iamwire.Role{Path: r.Path, Name: r.Name, ID: r.ID, ARN: r.ARN().String(), CreateDate: awsquery.Time(r.Created), Trust: iamwire.Document(r.Trust.Text()),
		Description: r.Description, MaxSession: int(r.MaxSession / time.Second), Tags: optionalTags(tags)}
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
	return iamwire.RoleResult{Role: encodeRole(role)}, nil
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
	var out []iamwire.Role
	for _, role := range shown {
		out = append(out, encodeRole(role))
	}
	return iamwire.ListRolesResult{Roles: awsquery.List(out), IsTruncated: marker != "", Marker: marker}, nil
}

// defaultPage is how many items IAM shows when a caller does not say.
const defaultPage = 100

// paged is the part of a list, sorted by name, that a page asks for. The marker
// is the last name shown.
func paged[T any](items []T, p iamwire.Page, name func(T) string) (shown []T, marker string) {
	for len(items) > 0 && p.Marker != "" && strings.Compare(name(items[0]), p.Marker) <= 0 {
		items = items[1:]
	}
	size := p.MaxItems
	if size == 0 {
		size = defaultPage
	}
	if len(items) <= size {
		return items, ""
	}
	return items[:size], name(items[size-1])
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
	r2, text, err := a.Control.RolePolicy(ctx, c, role, name)
	if err != nil {
		return nil, err
	}
	return iamwire.RolePolicyResult{Role: r2.Name, Name: name, Document: iamwire.Document(text)}, nil
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
