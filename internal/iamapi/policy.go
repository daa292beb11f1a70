package iamapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// encodePolicy is what every answer says of a managed policy.
func encodePolicy(p control.ManagedPolicy) iamwire.Policy {
	return iamwire.Policy{
		Name: p.Name, ID: p.ID, ARN: p.ARN().String(), Path: p.Path, DefaultVersion: iam.PolicyVersion{Number: p.Default}.ID(),
		Attached: p.Usage.Attached, Boundary: p.Usage.Boundary, Attachable: true, CreateDate: awsquery.Time(p.Created), UpdateDate: awsquery.Time(p.Updated),
	}
}

// encodeVersion is what every answer says of a version; its document is shown
// in some.
func encodeVersion(v control.PolicyVersion) iamwire.PolicyVersion {
	return iamwire.PolicyVersion{ID: v.ID(), Default: v.Default, CreateDate: awsquery.Time(v.Created)}
}

func withDocument(v control.PolicyVersion) iamwire.PolicyVersion {
	out := encodeVersion(v)
	out.Document = iamwire.Document(v.Document.Text())
	return out
}

func (a *API) createPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeCreatePolicy(r)
	if err != nil {
		return nil, err
	}
	p, err := a.Control.CreatePolicy(ctx, c, control.PolicyInput{Path: in.Path, Name: in.Name, Description: in.Description, Document: in.Document, Tags: iamTags(in.Tags)})
	if err != nil {
		return nil, err
	}
	out := encodePolicy(p)
	out.Description, out.Tags = p.Description, optionalTags(wireTags(p.Tags))
	return iamwire.PolicyResult{Policy: out}, nil
}

func (a *API) getPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodePolicyARN(r)
	if err != nil {
		return nil, err
	}
	p, err := a.Control.Policy(ctx, c, name)
	if err != nil {
		return nil, err
	}
	out, tags := encodePolicy(p), awsquery.List(wireTags(p.Tags))
	out.Description, out.Tags = p.Description, &tags
	return iamwire.PolicyResult{Policy: out}, nil
}

func (a *API) listPolicies(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeListPolicies(r)
	if err != nil {
		return nil, err
	}
	list, err := a.Control.Policies(ctx, c, control.PolicyFilter{Prefix: in.Prefix, Used: in.OnlyAttached, Usage: control.Usage(in.Usage), AWS: in.Scope == "AWS"})
	if err != nil {
		return nil, err
	}
	shown, marker := paged(list, in.Page, func(p control.ManagedPolicy) string { return p.Name })
	var out []iamwire.Policy
	for _, p := range shown {
		out = append(out, encodePolicy(p))
	}
	return iamwire.ListPoliciesResult{Policies: awsquery.List(out), IsTruncated: marker != "", Marker: marker}, nil
}

func (a *API) deletePolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, err := iamwire.DecodePolicyARN(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeletePolicy(ctx, c, name)
}

func (a *API) createPolicyVersion(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeCreatePolicyVersion(r)
	if err != nil {
		return nil, err
	}
	v, err := a.Control.CreatePolicyVersion(ctx, c, in.ARN, in.Document, in.Default)
	if err != nil {
		return nil, err
	}
	return iamwire.PolicyVersionResult{Version: encodeVersion(v)}, nil
}

func (a *API) getPolicyVersion(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, id, err := iamwire.DecodePolicyVersion(r)
	if err != nil {
		return nil, err
	}
	v, err := a.Control.PolicyVersion(ctx, c, name, id)
	if err != nil {
		return nil, err
	}
	return iamwire.PolicyVersionResult{Version: withDocument(v)}, nil
}

func (a *API) listPolicyVersions(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, section, err := iamwire.DecodePolicySection(r)
	if err != nil {
		return nil, err
	}
	list, err := a.Control.PolicyVersions(ctx, c, name)
	if err != nil {
		return nil, err
	}
	shown, marker := sectioned(list, section)
	var out []iamwire.PolicyVersion
	for _, v := range shown {
		out = append(out, encodeVersion(v))
	}
	return iamwire.ListPolicyVersionsResult{Versions: awsquery.List(out), IsTruncated: marker != "", Marker: marker}, nil
}

func (a *API) deletePolicyVersion(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, id, err := iamwire.DecodePolicyVersion(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeletePolicyVersion(ctx, c, name, id)
}

func (a *API) setDefaultPolicyVersion(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, id, err := iamwire.DecodePolicyVersion(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.SetDefaultPolicyVersion(ctx, c, name, id)
}

func (a *API) listEntities(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeListEntities(r)
	if err != nil {
		return nil, err
	}
	roles, err := a.Control.PolicyEntities(ctx, c, in.ARN, control.EntityFilter{Prefix: in.Prefix, Usage: control.Usage(in.Usage), Others: in.Entity != "" && in.Entity != "Role"})
	if err != nil {
		return nil, err
	}
	shown, marker := paged(roles, in.Page, func(r iam.Role) string { return r.Name })
	var out []iamwire.PolicyRole
	for _, r := range shown {
		out = append(out, iamwire.PolicyRole{Name: r.Name, ID: r.ID})
	}
	return iamwire.ListEntitiesResult{Roles: awsquery.List(out), IsTruncated: marker != "", Marker: marker}, nil
}

func (a *API) attachPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, err := iamwire.DecodeAttach(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.AttachPolicy(ctx, c, role, name)
}

func (a *API) detachPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, err := iamwire.DecodeAttach(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DetachPolicy(ctx, c, role, name)
}

func (a *API) listAttachedPolicies(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, prefix, page, err := iamwire.DecodeListAttached(r)
	if err != nil {
		return nil, err
	}
	list, err := a.Control.AttachedPolicies(ctx, c, role, prefix)
	if err != nil {
		return nil, err
	}
	shown, marker := paged(list, page, func(p iam.ManagedPolicy) string { return p.Name })
	return iamwire.ListAttachedResult{Policies: encodeAttached(shown), IsTruncated: marker != "", Marker: marker}, nil
}

func encodeAttached(list []iam.ManagedPolicy) awsquery.Members[iamwire.AttachedPolicy] {
	var out []iamwire.AttachedPolicy
	for _, p := range list {
		out = append(out, iamwire.AttachedPolicy{Name: p.Name, ARN: p.ARN().String()})
	}
	return awsquery.List(out)
}

func (a *API) putBoundary(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, name, err := iamwire.DecodePutBoundary(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.PutBoundary(ctx, c, role, name)
}

func (a *API) deleteBoundary(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	role, err := iamwire.DecodeRoleName(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.DeleteBoundary(ctx, c, role)
}
