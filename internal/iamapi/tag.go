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
	name, page, err := iamwire.DecodeRolePage(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Control.RoleTags(ctx, c, name)
	return tagPage(tags, page), err
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
	name, page, err := iamwire.DecodeProviderPage(r)
	if err != nil {
		return nil, err
	}
	tags, err := a.Control.ProviderTags(ctx, c, name)
	return tagPage(tags, page), err
}

func tagPage(tags []iam.Tag, page iamwire.Page) iamwire.ListTagsResult {
	shown, marker := paged(tags, page, func(t iam.Tag) string { return t.Key })
	return iamwire.ListTagsResult{Tags: awsquery.List(wireTags(shown)), IsTruncated: marker != "", Marker: marker}
}
