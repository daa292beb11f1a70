package mayflyapi

import (
	"context"
	"net/http"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/mayflywire"
)

func (a *API) createAccessPolicy(ctx context.Context, c control.Call, _ *http.Request, body []byte) (any, error) {
	in, err := mayflywire.DecodeCreateAccessPolicy(body)
	if err != nil {
		return nil, err
	}
	p, err := a.Control.CreateAccessPolicy(ctx, c, in.Name, rulesOf(in.Rules))
	if err != nil {
		return nil, err
	}
	return encodeAccessPolicy(control.AccessPolicyUse{AccessPolicy: p}), nil
}

func (a *API) updateAccessPolicy(ctx context.Context, c control.Call, r *http.Request, body []byte) (any, error) {
	in, err := mayflywire.DecodeUpdateAccessPolicy(body)
	if err != nil {
		return nil, err
	}
	p, warnings, err := a.Control.UpdateAccessPolicy(ctx, c, r.PathValue("name"), rulesOf(in.Rules))
	if err != nil {
		return nil, err
	}
	out := encodeAccessPolicy(p)
	out.Warnings = warnings
	return out, nil
}

func rulesOf(list []mayflywire.Rule) []eks.Rule {
	var out []eks.Rule
	for _, r := range list {
		out = append(out, eks.Rule(r))
	}
	return out
}

func encodeAccessPolicy(p control.AccessPolicyUse) mayflywire.AccessPolicy {
	out := mayflywire.AccessPolicy{Name: p.Name, ARN: p.ARN, BuiltIn: p.BuiltIn(), Entries: p.Entries, CreatedAt: p.Created, ModifiedAt: p.Modified}
	for _, r := range p.Rules {
		out.Rules = append(out.Rules, mayflywire.Rule(r))
	}
	return out
}

func (a *API) describeAccessPolicy(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	p, err := a.Control.AccessPolicy(ctx, c, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return encodeAccessPolicy(p), nil
}

func (a *API) listAccessPolicies(ctx context.Context, c control.Call, _ *http.Request, _ []byte) (any, error) {
	list, err := a.Control.AccessPolicyUses(ctx, c)
	if err != nil {
		return nil, err
	}
	out := mayflywire.AccessPolicies{AccessPolicies: []mayflywire.AccessPolicy{}}
	for _, p := range list {
		one := encodeAccessPolicy(p)
		one.Rules = nil
		out.AccessPolicies = append(out.AccessPolicies, one)
	}
	return out, nil
}

func (a *API) deleteAccessPolicy(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	return struct{}{}, a.Control.DeleteAccessPolicy(ctx, c, r.PathValue("name"))
}
