package eksapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

func (a *API) tag(ctx context.Context, c control.Call, r Request) (any, error) {
	tags, err := ekswire.DecodeTagResource(r.Body)
	if err != nil {
		return nil, err
	}
	return ekswire.Empty{}, a.Control.Tag(ctx, c, r.Resource, tags)
}

func (a *API) untag(ctx context.Context, c control.Call, r Request) (any, error) {
	keys := r.Query["tagKeys"]
	if len(keys) == 0 || len(keys) > maxTagKeys {
		return nil, &awsrest.ShapeError{Detail: "tagKeys names 1 to 50 keys"}
	}
	return ekswire.Empty{}, a.Control.Untag(ctx, c, r.Resource, keys)
}

const maxTagKeys = 50 // EKS model, TagKeyList

func (a *API) listTags(ctx context.Context, c control.Call, r Request) (any, error) {
	tags, err := a.Control.Tags(ctx, c, r.Resource)
	if err != nil {
		return nil, err
	}
	return ekswire.ListTags{Tags: tagsOf(tags)}, nil
}
