package control

import (
	"context"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/registry"
)

// providerIDPrefix begins the id of a provider. AWS shows none; audit and
// sessions name a provider by it.
const providerIDPrefix = "OIDC"

// ProviderInput is what CreateOpenIDConnectProvider is asked for.
type ProviderInput struct {
	URL         string
	ClientIDs   []string
	Thumbprints []string
	Tags        []iam.Tag
}

// CreateProvider is IAM CreateOpenIDConnectProvider. It makes no network call:
// the first exchange fetches the keys.
func (s *Service) CreateProvider(ctx context.Context, c Call, in ProviderInput) (oidc.Provider, error) {
	p := oidc.Provider{Account: c.Caller.Account, URL: in.URL, Thumbprints: in.Thumbprints, Tags: oidcTags(in.Tags)}
	op := operation{action: "iam:CreateOpenIDConnectProvider", on: fixed(p.ARN().String()), tags: tagMap(in.Tags),
		asked: detail{}.with("url", in.URL).withJSON("client_ids", in.ClientIDs).withJSON("thumbprints", in.Thumbprints).withJSON("tags", in.Tags)}
	if len(in.Tags) > 0 { // IAM User Guide, "Tag OpenID Connect (OIDC) identity providers"
		op.also = []string{"iam:TagOpenIDConnectProvider"}
	}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		var err error
		if p.ClientIDs, err = iam.CheckClientIDs(in.ClientIDs); err != nil {
			return decision{}, err
		}
		if err := first(iam.CheckProviderURL(in.URL), iam.CheckThumbprints(in.Thumbprints), iam.CheckTags(in.Tags)); err != nil {
			return decision{}, err
		}
		if s.isOwn(in.URL) {
			return decision{}, iam.Refuse(iam.InvalidInput, "Invalid Open ID Connect Provider URL: it is this server's own issuer, and a token that it has signed is no proof for another")
		}
		if _, taken := snap.Provider(in.URL); taken {
			return decision{}, iam.Refuse(iam.AlreadyExists, "Provider with url %s already exists.", in.URL)
		}
		if len(snap.Providers()) >= s.quota.Providers {
			return decision{}, iam.Refuse(iam.LimitExceeded, "Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", s.quota.Providers)
		}
		if p.ID, err = iam.NewID(providerIDPrefix, s.rand); err != nil {
			return decision{}, err
		}
		p.Created = now
		return decision{[]registry.Change{registry.PutProvider{Provider: p}}, detail{"id": p.ID}}, nil
	})
	if err != nil {
		return oidc.Provider{}, err
	}
	return p, nil
}

// isOwn reports whether a URL is this server's own issuer, or would be taken for
// it.
func (s *Service) isOwn(url string) bool {
	return s.issuer != "" && strings.EqualFold(strings.TrimRight(url, "/"), s.issuer)
}

// tagMap is tags by key. Two of one key, be it in other case, are none: the
// operation refuses them, and no policy can be asked about them.
func tagMap(tags []iam.Tag) map[string]string {
	if iam.CheckTags(tags) != nil {
		return nil
	}
	out := map[string]string{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

// first is the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// provider is the resource of an operation on one provider.
func provider(name string) resource {
	return func(snap *registry.Snapshot) object {
		p, err := findProvider(snap, name)
		if err != nil {
			return object{arn: name}
		}
		return object{arn: name, tags: tagMap(providerTags(p))}
	}
}

// Provider is IAM GetOpenIDConnectProvider.
func (s *Service) Provider(ctx context.Context, c Call, name string) (oidc.Provider, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:GetOpenIDConnectProvider", on: provider(name)})
	if err != nil {
		return oidc.Provider{}, err
	}
	return findProvider(snap, name)
}

// Providers is IAM ListOpenIDConnectProviders.
func (s *Service) Providers(ctx context.Context, c Call) ([]oidc.Provider, error) {
	all := arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: "oidc-provider/*"}
	snap, err := s.read(ctx, c, operation{action: "iam:ListOpenIDConnectProviders", on: fixed(all.String())})
	if err != nil {
		return nil, err
	}
	return snap.Providers(), nil
}

// DeleteProvider is IAM DeleteOpenIDConnectProvider. Every session made with
// one of the provider's tokens ends with it.
func (s *Service) DeleteProvider(ctx context.Context, c Call, name string) error {
	op := operation{action: "iam:DeleteOpenIDConnectProvider", on: provider(name)}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		p, err := findProvider(snap, name)
		if err != nil {
			return decision{}, err
		}
		return decision{[]registry.Change{registry.DeleteProvider{URL: p.URL}}, detail{"id": p.ID}}, nil
	})
}

// AddClientID is IAM AddClientIDToOpenIDConnectProvider; adding one that is
// there changes nothing.
func (s *Service) AddClientID(ctx context.Context, c Call, name, id string) error {
	op := operation{action: "iam:AddClientIDToOpenIDConnectProvider", on: provider(name), asked: detail{"client_id": id}}
	return s.changeProvider(ctx, c, op, name, func(p *oidc.Provider) (err error) {
		p.ClientIDs, err = iam.CheckClientIDs(append(slices.Clone(p.ClientIDs), id))
		return err
	})
}

// RemoveClientID is IAM RemoveClientIDFromOpenIDConnectProvider; removing one
// that is not there changes nothing.
func (s *Service) RemoveClientID(ctx context.Context, c Call, name, id string) error {
	op := operation{action: "iam:RemoveClientIDFromOpenIDConnectProvider", on: provider(name), asked: detail{"client_id": id}}
	return s.changeProvider(ctx, c, op, name, func(p *oidc.Provider) error {
		p.ClientIDs = slices.DeleteFunc(slices.Clone(p.ClientIDs), func(have string) bool { return have == id })
		return nil
	})
}

// SetThumbprints is IAM UpdateOpenIDConnectProviderThumbprint. Thumbprints are
// kept and shown; they are no anchor of trust here.
func (s *Service) SetThumbprints(ctx context.Context, c Call, name string, prints []string) error {
	op := operation{action: "iam:UpdateOpenIDConnectProviderThumbprint", on: provider(name), asked: detail{}.withJSON("thumbprints", prints)}
	return s.changeProvider(ctx, c, op, name, func(p *oidc.Provider) error {
		if len(prints) == 0 {
			return iam.Refuse(iam.InvalidInput, "Thumbprint list must contain at least one entry.")
		}
		p.Thumbprints = prints
		return iam.CheckThumbprints(prints)
	})
}

// changeProvider is change for an operation on one provider.
func (s *Service) changeProvider(ctx context.Context, c Call, op operation, name string, update func(*oidc.Provider) error) error {
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		p, err := findProvider(snap, name)
		if err != nil {
			return decision{}, err
		}
		if err := update(&p); err != nil {
			return decision{}, err
		}
		return decision{[]registry.Change{registry.PutProvider{Provider: p}}, detail{"id": p.ID}}, nil
	})
}

func findProvider(snap *registry.Snapshot, name string) (oidc.Provider, error) {
	n, err := arn.ParseProvider(name)
	if err != nil {
		return oidc.Provider{}, iam.Refuse(iam.InvalidValue, "Invalid ARN:  Could not be parsed!")
	}
	p, ok := snap.ProviderByARN(n)
	if !ok {
		return oidc.Provider{}, iam.NoSuchProvider(name)
	}
	return p, nil
}
