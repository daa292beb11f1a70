package control

import (
	"context"
	"slices"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/registry"
)

// providerIDPrefix begins the id of a provider. AWS shows none; audit and
// sessions name a provider by it.
const providerIDPrefix = "OIDC"

// CreateProvider is IAM CreateOpenIDConnectProvider. It makes no network call:
// the first exchange fetches the keys.
func (s *Service) CreateProvider(ctx context.Context, c Call, url string, clientIDs, thumbprints []string, tags []oidc.Tag) (oidc.Provider, error) {
	p := oidc.Provider{Account: c.Caller.Account, URL: url, ClientIDs: clientIDs, Thumbprints: thumbprints, Tags: tags, Created: s.Now()}
	detail := map[string]string{"client_ids": strings.Join(clientIDs, " ")}
	err := s.change(ctx, c, "iam:CreateOpenIDConnectProvider", fixed(p.ARN().String()), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		if err := iam.CheckProviderURL(url); err != nil {
			return nil, err
		}
		ids, err := iam.CheckClientIDs(clientIDs)
		if err != nil {
			return nil, err
		}
		if err := iam.CheckThumbprints(thumbprints); err != nil {
			return nil, err
		}
		if err := iam.CheckTags(iamTags(tags)); err != nil {
			return nil, err
		}
		if _, taken := snap.Provider(url); taken {
			return nil, iam.Refuse(iam.AlreadyExists, "Provider with url %s already exists.", url)
		}
		if len(snap.Providers()) >= iam.MaxProviders {
			return nil, iam.Refuse(iam.LimitExceeded, "Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", iam.MaxProviders)
		}
		p.ClientIDs = ids
		if p.ID, err = iam.NewID(providerIDPrefix, s.Rand); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutProvider{Provider: p}}, nil
	})
	if err != nil {
		return oidc.Provider{}, err
	}
	return p, nil
}

func iamTags(tags []oidc.Tag) []iam.Tag {
	out := make([]iam.Tag, len(tags))
	for i, t := range tags {
		out[i] = iam.Tag(t)
	}
	return out
}

// Provider is IAM GetOpenIDConnectProvider.
func (s *Service) Provider(ctx context.Context, c Call, name string) (oidc.Provider, error) {
	snap, err := s.read(ctx, c, "iam:GetOpenIDConnectProvider", fixed(name))
	if err != nil {
		return oidc.Provider{}, err
	}
	return findProvider(snap, name)
}

// Providers is IAM ListOpenIDConnectProviders.
func (s *Service) Providers(ctx context.Context, c Call) ([]oidc.Provider, error) {
	snap, err := s.read(ctx, c, "iam:ListOpenIDConnectProviders", fixed(providersARN(c)))
	if err != nil {
		return nil, err
	}
	return snap.Providers(), nil
}

// providersARN is the resource of a list of providers.
func providersARN(c Call) string {
	return arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: "oidc-provider/*"}.String()
}

// DeleteProvider is IAM DeleteOpenIDConnectProvider. Every session made with
// one of the provider's tokens ends with it.
func (s *Service) DeleteProvider(ctx context.Context, c Call, name string) error {
	return s.change(ctx, c, "iam:DeleteOpenIDConnectProvider", fixed(name), nil, func(snap *registry.Snapshot) ([]registry.Change, error) {
		p, err := findProvider(snap, name)
		if err != nil {
			return nil, err
		}
		return []registry.Change{registry.DeleteProvider{URL: p.URL}}, nil
	})
}

// AddClientID is IAM AddClientIDToOpenIDConnectProvider; adding one that is
// there changes nothing.
func (s *Service) AddClientID(ctx context.Context, c Call, name, id string) error {
	return s.updateProvider(ctx, c, "iam:AddClientIDToOpenIDConnectProvider", name, map[string]string{"client_id": id}, func(p *oidc.Provider) (err error) {
		p.ClientIDs, err = iam.CheckClientIDs(append(slices.Clone(p.ClientIDs), id))
		return err
	})
}

// RemoveClientID is IAM RemoveClientIDFromOpenIDConnectProvider; removing one
// that is not there changes nothing.
func (s *Service) RemoveClientID(ctx context.Context, c Call, name, id string) error {
	return s.updateProvider(ctx, c, "iam:RemoveClientIDFromOpenIDConnectProvider", name, map[string]string{"client_id": id}, func(p *oidc.Provider) error {
		p.ClientIDs = slices.DeleteFunc(slices.Clone(p.ClientIDs), func(have string) bool { return have == id })
		return nil
	})
}

// SetThumbprints is IAM UpdateOpenIDConnectProviderThumbprint. Thumbprints are
// kept and shown; they are no anchor of trust here.
func (s *Service) SetThumbprints(ctx context.Context, c Call, name string, prints []string) error {
	return s.updateProvider(ctx, c, "iam:UpdateOpenIDConnectProviderThumbprint", name, nil, func(p *oidc.Provider) error {
		if len(prints) == 0 {
			return iam.Refuse(iam.InvalidInput, "Thumbprint list must contain at least one entry.")
		}
		p.Thumbprints = prints
		return iam.CheckThumbprints(prints)
	})
}

func (s *Service) updateProvider(ctx context.Context, c Call, action, name string, detail map[string]string, update func(*oidc.Provider) error) error {
	return s.change(ctx, c, action, fixed(name), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		p, err := findProvider(snap, name)
		if err != nil {
			return nil, err
		}
		if err := update(&p); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutProvider{Provider: p}}, nil
	})
}

func findProvider(snap *registry.Snapshot, name string) (oidc.Provider, error) {
	n, err := arn.ParseProvider(name)
	if err != nil {
		return oidc.Provider{}, iam.Refuse(iam.InvalidInput, "Invalid ARN: %s", name)
	}
	p, ok := snap.ProviderByARN(n)
	if !ok {
		return oidc.Provider{}, iam.NoSuchProvider(name)
	}
	return p, nil
}
