// Package originalbody keeps a request's body in its context: what Vault 1.14.8 has
// of its own copy of the sdk, and the published sdk nearest to it lacks. build.sh
// puts it into the copy that it builds.
package originalbody

import (
	"context"
	"io"
)

type key struct{}

// ContextOriginalBodyValue is the body that a context keeps.
func ContextOriginalBodyValue(ctx context.Context) (io.ReadCloser, bool) {
	body, ok := ctx.Value(key{}).(io.ReadCloser)
	return body, ok
}

// CreateContextOriginalBody is a context that keeps a body.
func CreateContextOriginalBody(parent context.Context, body io.ReadCloser) context.Context {
	return context.WithValue(parent, key{}, body)
}
