package control

import (
	"context"
	"slices"
	"strings"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// tagging is an operation that puts tags on a resource.
func tagging(action string, on resource, tags []iam.Tag) operation {
	return operation{action: action, on: on, tags: tagMap(tags), asked: detail{}.withJSON("tags", tags)}
}

// untagging is one that takes tags away: policies are asked with their keys.
func untagging(action string, on resource, keys []string) operation {
	return operation{action: action, on: on, asked: detail{}.withJSON("tag_keys", keys), keys: func(b *policy.ContextBuilder) { b.SetMany("aws:TagKeys", keys) }}
}

// TagRole is IAM TagRole.
func (s *Service) TagRole(ctx context.Context, c Call, name string, tags []iam.Tag) error {
	return s.changeRole(ctx, c, tagging("iam:TagRole", role(c, name), tags), name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		var err error
		r.Tags, err = iam.WithTags(r.Tags, tags)
		return put(r), err
	})
}

// UntagRole is IAM UntagRole; a key that is not there changes nothing.
func (s *Service) UntagRole(ctx context.Context, c Call, name string, keys []string) error {
	return s.changeRole(ctx, c, untagging("iam:UntagRole", role(c, name), keys), name, func(_ *registry.Snapshot, r iam.Role) (decision, error) {
		r.Tags = iam.WithoutTags(r.Tags, keys)
		return put(r), nil
	})
}

// RoleTags is IAM ListRoleTags: by key.
func (s *Service) RoleTags(ctx context.Context, c Call, name string) ([]iam.Tag, error) {
	r, err := s.readRole(ctx, c, "iam:ListRoleTags", name)
	return byKey(r.Tags), err
}

// TagProvider is IAM TagOpenIDConnectProvider.
func (s *Service) TagProvider(ctx context.Context, c Call, name string, tags []iam.Tag) error {
	return s.changeProvider(ctx, c, tagging("iam:TagOpenIDConnectProvider", provider(name), tags), name, func(p *oidc.Provider) error {
		out, err := iam.WithTags(providerTags(*p), tags)
		p.Tags = oidcTags(out)
		return err
	})
}

// UntagProvider is IAM UntagOpenIDConnectProvider; a key that is not there
// changes nothing.
func (s *Service) UntagProvider(ctx context.Context, c Call, name string, keys []string) error {
	return s.changeProvider(ctx, c, untagging("iam:UntagOpenIDConnectProvider", provider(name), keys), name, func(p *oidc.Provider) error {
		p.Tags = oidcTags(iam.WithoutTags(providerTags(*p), keys))
		return nil
	})
}

// ProviderTags is IAM ListOpenIDConnectProviderTags: by key.
func (s *Service) ProviderTags(ctx context.Context, c Call, name string) ([]iam.Tag, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:ListOpenIDConnectProviderTags", on: provider(name)})
	if err != nil {
		return nil, err
	}
	p, err := findProvider(snap, name)
	return byKey(providerTags(p)), err
}

// providerTags are a provider's tags as IAM has them, oidcTags the reverse.
func providerTags(p oidc.Provider) []iam.Tag {
	var out []iam.Tag
	for _, t := range p.Tags {
		out = append(out, iam.Tag(t))
	}
	return out
}

func oidcTags(tags []iam.Tag) []oidc.Tag {
	var out []oidc.Tag
	for _, t := range tags {
		out = append(out, oidc.Tag(t))
	}
	return out
}

func byKey(tags []iam.Tag) []iam.Tag {
	return slices.SortedFunc(slices.Values(tags), func(a, b iam.Tag) int { return strings.Compare(a.Key, b.Key) })
}
