package iamapi

import (
	"context"
	"maps"
	"slices"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// accountItem is a managed policy or a role of the account's details: one list
// that is shown in pages.
type accountItem struct {
	key    string // policies come before roles, each by name
	policy *control.PolicyDetails
	role   *control.RoleDetails
}

func (a *API) accountDetails(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	filter, page, err := iamwire.DecodeAccountDetails(r)
	if err != nil {
		return nil, err
	}
	details, err := a.Control.AccountDetails(ctx, c)
	if err != nil {
		return nil, err
	}
	wanted := func(kind string) bool { return len(filter) == 0 || slices.Contains(filter, kind) }
	var items []accountItem
	for i := range details.Policies {
		if p := &details.Policies[i]; wanted("LocalManagedPolicy") {
			items = append(items, accountItem{"policy/" + p.Name, p, nil})
		}
	}
	for i := range details.Roles {
		if r := &details.Roles[i]; wanted("Role") {
			items = append(items, accountItem{"role/" + r.Name, nil, r})
		}
	}
	shown, marker := paged(items, page, func(i accountItem) string { return i.key })
	var out iamwire.AccountDetailsResult
	size := 0
	for n, i := range shown {
		if size > maxDetails {
			marker = shown[n-1].key
			break
		}
		size += i.addTo(&out)
	}
	out.IsTruncated, out.Marker = marker != "", marker
	return out, nil
}

// maxDetails is how many bytes of policies one page of the account's details has
// before it ends early, as IAM's may: white space in a policy is free.
const maxDetails = 4 << 20

// addTo adds the item to an answer and gives the length of its policies.
func (i accountItem) addTo(out *iamwire.AccountDetailsResult) (size int) {
	if i.role != nil {
		r := encodeRoleDetail(i.role)
		out.Roles.Member = append(out.Roles.Member, r)
		for _, p := range r.Inline.Member {
			size += len(p.Document)
		}
		return size + len(r.Trust)
	}
	p := encodePolicyDetail(i.policy)
	out.Policies.Member = append(out.Policies.Member, p)
	for _, v := range p.Versions.Member {
		size += len(v.Document)
	}
	return size
}

func encodeRoleDetail(r *control.RoleDetails) iamwire.RoleDetail {
	var inline []iamwire.PolicyDetail
	for _, name := range slices.Sorted(maps.Keys(r.Inline)) {
		inline = append(inline, iamwire.PolicyDetail{Name: name, Document: iamwire.Document(r.Inline[name].Text())})
	}
	return iamwire.RoleDetail{
		Path: r.Path, Name: r.Name, ID: r.ID, ARN: r.ARN().String(), CreateDate: awsquery.Time(r.Created), Trust: iamwire.Document(r.Trust.Text()),
		Inline: awsquery.List(inline), Attached: encodeAttached(r.Attached), Boundary: iamwire.BoundaryOf(r.BoundaryARN), Tags: awsquery.List(wireTags(r.Tags)),
	}
}

func encodePolicyDetail(p *control.PolicyDetails) iamwire.ManagedPolicyDetail {
	out := iamwire.ManagedPolicyDetail{Policy: encodePolicy(p.ManagedPolicy)}
	out.Description = p.Description
	for _, v := range p.Versions {
		out.Versions.Member = append(out.Versions.Member, withDocument(v))
	}
	return out
}

func (a *API) accountSummary(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	summary, err := a.Control.AccountSummary(ctx, c)
	if err != nil {
		return nil, err
	}
	return iamwire.SummaryResult{Summary: iamwire.Map(summary)}, nil
}

func (a *API) createAlias(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	alias, err := iamwire.DecodeAlias(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.CreateAlias(ctx, c, alias)
}

func (a *API) deleteAlias(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	alias, err := iamwire.DecodeAlias(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeleteAlias(ctx, c, alias)
}

func (a *API) listAliases(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	page, err := iamwire.DecodeListAliases(r)
	if err != nil {
		return nil, err
	}
	alias, err := a.Control.Alias(ctx, c)
	if err != nil {
		return nil, err
	}
	all := []string{alias}
	if alias == "" {
		all = nil
	}
	shown, _ := paged(all, page, func(s string) string { return s })
	return iamwire.ListAliasesResult{Aliases: awsquery.List(shown)}, nil
}
