package iamapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

func wireTags(tags []iam.Tag) []iamwire.Tag {
	var out []iamwire.Tag
	for _, t := range tags {
		out = append(out, iamwire.Tag(t))
	}
	return out
}

func (a *API) tagRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, tags, err := iamwire.DecodeTagRole(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.TagRole(ctx, c, name, iamTags(tags))
}

func (a *API) untagRole(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, keys, err := iamwire.DecodeUntagRole(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.UntagRole(ctx, c, name, keys)
}

func (a *API) listRoleTags(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, section, err := iamwire.DecodeRoleTags(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Control.RoleTags(ctx, c, name)
	return tagSection(tags, section), err
}

func (a *API) tagProvider(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, tags, err := iamwire.DecodeTagProvider(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.TagProvider(ctx, c, name, iamTags(tags))
}

func (a *API) untagProvider(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, keys, err := iamwire.DecodeUntagProvider(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.UntagProvider(ctx, c, name, keys)
}

func (a *API) listProviderTags(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, section, err := iamwire.DecodeProviderTags(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Control.ProviderTags(ctx, c, name)
	return tagSection(tags, section), err
}

func (a *API) tagPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, tags, err := iamwire.DecodeTagPolicy(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.TagPolicy(ctx, c, name, iamTags(tags))
}

func (a *API) untagPolicy(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, keys, err := iamwire.DecodeUntagPolicy(r)
	if err != nil {
		return nil, err
	}
	return nil, a.Control.UntagPolicy(ctx, c, name, keys)
}

func (a *API) listPolicyTags(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	name, section, err := iamwire.DecodePolicySection(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Control.PolicyTags(ctx, c, name)
	return tagSection(tags, section), err
}

// tagSection is the part of a list of tags that is asked for. Not every key fits
// into a marker.
func tagSection(tags []iam.Tag, s iamwire.Section) iamwire.ListTagsResult {
	shown, marker := sectioned(tags, s)
	return iamwire.ListTagsResult{Tags: awsquery.List(wireTags(shown)), IsTruncated: marker != "", Marker: marker}
}
