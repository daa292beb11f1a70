package eksapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

func (a *API) associate(ctx context.Context, c control.Call, r Request) (any, error) {
	policy, scope, err := ekswire.DecodeAssociateAccessPolicy(r.Body)
	if err != nil {
		return nil, err
	}
	e, err := a.Control.AssociatePolicy(ctx, c, r.Cluster, r.Principal, policy, eks.Scope{Type: eks.ScopeType(scope.Type), Namespaces: scope.Namespaces})
	if err != nil {
		return nil, err
	}
	out := ekswire.AssociateAccessPolicy{ClusterName: r.Cluster, PrincipalARN: r.Principal}
	for _, as := range e.Policies {
		if as.PolicyARN == policy {
			out.Associated = encodeAssociation(as)
		}
	}
	return out, nil
}

func encodeAssociation(a eks.Association) ekswire.AssociatedPolicy {
	return ekswire.AssociatedPolicy{PolicyARN: a.PolicyARN, Scope: ekswire.Scope{Type: string(a.Scope.Type), Namespaces: textsOf(a.Scope.Namespaces)},
		AssociatedAt: awsrest.Time(a.Associated), ModifiedAt: awsrest.Time(a.Modified)}
}

func (a *API) listAssociated(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.AssociatedPolicies(ctx, c, r.Cluster, r.Principal)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(a eks.Association) string { return a.PolicyARN }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAssociatedAccessPolicies{ClusterName: r.Cluster, PrincipalARN: r.Principal, Associated: []ekswire.AssociatedPolicy{}, NextToken: next}
	for _, as := range page {
		out.Associated = append(out.Associated, encodeAssociation(as))
	}
	return out, nil
}

func (a *API) disassociate(ctx context.Context, c control.Call, r Request) (any, error) {
	return ekswire.Empty{}, a.Control.DisassociatePolicy(ctx, c, r.Cluster, r.Principal, r.Policy)
}

func (a *API) listPolicies(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.AccessPolicies(ctx, c)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(p *eks.AccessPolicy) string { return p.Name }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAccessPolicies{AccessPolicies: []ekswire.AccessPolicy{}, NextToken: next}
	for _, p := range page {
		out.AccessPolicies = append(out.AccessPolicies, ekswire.AccessPolicy{Name: p.Name, ARN: p.ARN})
	}
	return out, nil
}
