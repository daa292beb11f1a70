// Package kubewire is the Kubernetes shapes Mayfly speaks: TokenReview and
// SubjectAccessReview in and out, what a caller asks about itself, and the
// k8s-aws-v1 bearer token.
//
// The few structs are written by hand; a nested test module checks them against
// k8s.io/api, both ways. Names are read as they are written, case and all, and a
// name that stands twice is refused. Fields that are not read are passed over,
// so that a newer API server can add some.
//
// It decides nothing, verifies nothing and opens no socket.
package kubewire

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/strictjson"
)

// MaxReviewBytes bounds a review's body. A TokenReview carries a bearer token
// of at most 4 KiB, a SubjectAccessReview the groups and extra of a user; the
// largest Mayfly makes stays far below.
const MaxReviewBytes = 256 << 10

// ShapeError says why a body is not the review that is wanted.
type ShapeError struct{ Detail string }

func (e *ShapeError) Error() string { return e.Detail }

func refuse(format string, args ...any) error { return &ShapeError{fmt.Sprintf(format, args...)} }

// clip keeps an outsider's text short in an error.
func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}

func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("kubewire: " + err.Error()) // unreachable: strings, bools, maps and lists
	}
	return out
}

func decode(body []byte, kind string, versions ...string) (strictjson.Value, error) {
	if len(body) == 0 {
		return strictjson.Value{}, refuse("expected a request body")
	}
	if len(body) > MaxReviewBytes {
		return strictjson.Value{}, refuse("the request body is larger than %d bytes", MaxReviewBytes)
	}
	v, err := strictjson.Parse(body)
	if err != nil {
		return strictjson.Value{}, refuse("expected a request body to be a %s: %s", kind, clip(err.Error()))
	}
	if v.Kind() != strictjson.Object {
		return strictjson.Value{}, refuse("expected a request body to be a %s, not a JSON %s", kind, v.Kind())
	}
	if k := v.Get("kind"); k.Kind() != strictjson.Missing {
		if text, _ := k.Text(); text != kind {
			return strictjson.Value{}, refuse("expected a request body to be a %s", kind)
		}
	}
	if a := v.Get("apiVersion"); a.Kind() != strictjson.Missing {
		text, _ := a.Text()
		if !slices.Contains(versions, text) {
			return strictjson.Value{}, refuse("the apiVersion is not one of %s", strings.Join(versions, ", "))
		}
	}
	if v.Get("spec").Kind() != strictjson.Object {
		return strictjson.Value{}, refuse("expected a request body to be a %s with a spec", kind)
	}
	return v, nil
}

// reader takes fields out of a review and keeps the first that has the wrong
// kind.
type reader struct{ err error }

func (r *reader) want(v strictjson.Value, kind strictjson.Kind, field string) bool {
	switch v.Kind() {
	case kind:
		return true
	case strictjson.Missing, strictjson.Null:
		return false
	}
	if r.err == nil {
		r.err = refuse("%s is a JSON %s where a %s is wanted", field, v.Kind(), kind)
	}
	return false
}

func (r *reader) text(v strictjson.Value, field string) string {
	if !r.want(v, strictjson.String, field) {
		return ""
	}
	s, _ := v.Text()
	return s
}

func (r *reader) texts(v strictjson.Value, field string) []string {
	if !r.want(v, strictjson.Array, field) {
		return nil
	}
	out := make([]string, 0, len(v.Items()))
	for i, item := range v.Items() {
		if item.Kind() != strictjson.String && r.err == nil {
			r.err = refuse("%s[%d] is a JSON %s where a string is wanted", field, i, item.Kind())
		}
		s, _ := item.Text()
		out = append(out, s)
	}
	return out
}

func (r *reader) object(v strictjson.Value, field string) strictjson.Value {
	if !r.want(v, strictjson.Object, field) {
		return strictjson.Value{}
	}
	return v
}

func (r *reader) resource(v strictjson.Value) *ResourceAttributes {
	const field = "spec.resourceAttributes"
	a := r.object(v, field)
	if a.Kind() != strictjson.Object {
		return nil
	}
	for _, selector := range []string{"fieldSelector", "labelSelector"} {
		r.want(a.Get(selector), strictjson.Object, field+"."+selector)
	}
	get := func(name string) string { return r.text(a.Get(name), field+"."+name) }
	return &ResourceAttributes{Namespace: get("namespace"), Verb: get("verb"), Group: get("group"), Version: get("version"),
		Resource: get("resource"), Subresource: get("subresource"), Name: get("name")}
}

func (r *reader) extra(v strictjson.Value) map[string][]string {
	out := map[string][]string{}
	for _, m := range r.object(v, "spec.extra").Members() {
		out[m.Name] = r.texts(m.Value, "spec.extra."+clip(m.Name))
	}
	return out
}
