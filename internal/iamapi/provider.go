package iamapi

import (
	"context"
	"strings"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

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

func providerTags(p oidc.Provider) []iamwire.Tag {
	var out []iamwire.Tag
	for _, t := range p.Tags {
		out = append(out, iamwire.Tag(t))
	}
	return out
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
	return iamwire.GetProviderResult{URL: shownURL(p), ClientIDs: awsquery.List(p.ClientIDs), Thumbprints: awsquery.List(p.Thumbprints), CreateDate: awsquery.Time(p.Created), Tags: awsquery.List(providerTags(p))}, nil
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

// shownURL is a provider's URL as GetOpenIDConnectProvider shows it: without
// https://. AWS has no URL with a port; one keeps its scheme, for without it a
// reader takes the host for the scheme, and Terraform would replace the provider
// at every run.
func shownURL(p oidc.Provider) string {
	host, _, _ := strings.Cut(p.KeyPrefix(), "/")
	if strings.Contains(host, ":") {
		return p.URL
	}
	return p.KeyPrefix()
}
