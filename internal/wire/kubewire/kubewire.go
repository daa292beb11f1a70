// Package kubewire is the Kubernetes shapes Mayfly speaks: TokenReview and
// SubjectAccessReview in and out, and the k8s-aws-v1 bearer token.
//
// The few structs are written by hand; a nested test module checks them against
// k8s.io/api, both ways. The package decides nothing and opens no socket.
package kubewire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// TokenReview is the question of authentication.k8s.io: whose token is this?
type TokenReview struct {
	APIVersion string // authentication.k8s.io/v1 or /v1beta1; empty as old clients send it
	Token      string
	Audiences  []string
}

// DecodeTokenReview reads the body of a TokenReview. Every refusal is a
// *ShapeError that holds nothing of the token.
func DecodeTokenReview(body []byte) (TokenReview, error) {
	v, err := decode(body, "TokenReview", "authentication.k8s.io/v1", "authentication.k8s.io/v1beta1")
	if err != nil {
		return TokenReview{}, err
	}
	var r reader
	spec := v.Get("spec")
	out := TokenReview{APIVersion: r.text(v.Get("apiVersion"), "apiVersion"), Token: r.text(spec.Get("token"), "spec.token"), Audiences: r.texts(spec.Get("audiences"), "spec.audiences")}
	if r.err == nil && out.Token == "" {
		return TokenReview{}, refuse("spec.token is empty")
	}
	if r.err != nil {
		return TokenReview{}, r.err
	}
	return out, nil
}

// UserInfo is a Kubernetes user as a TokenReview's answer shows it.
type UserInfo struct {
	Username string              `json:"username,omitempty"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups,omitempty"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

type tokenReviewAnswer struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   struct{}          `json:"metadata"`
	Spec       struct{}          `json:"spec"`
	Status     TokenReviewStatus `json:"status"`
}

// TokenReviewStatus is the answer to a TokenReview. The zero value is "nobody".
type TokenReviewStatus struct {
	Authenticated bool      `json:"authenticated"`
	User          *UserInfo `json:"user,omitempty"`
	Audiences     []string  `json:"audiences,omitempty"`
	Error         string    `json:"error,omitempty"`
}

// EncodeTokenReview is the answer's body, in the version that was asked.
func EncodeTokenReview(asked TokenReview, s TokenReviewStatus) []byte {
	out := tokenReviewAnswer{APIVersion: asked.APIVersion, Status: s}
	if out.APIVersion != "" {
		out.Kind = "TokenReview"
	}
	return encode(out)
}

// SubjectAccessReview is the question of authorization.k8s.io: may this user do
// that? Exactly one of Resource and NonResource is set.
type SubjectAccessReview struct {
	APIVersion  string
	User        string
	UID         string
	Groups      []string
	Extra       map[string][]string
	Resource    *ResourceAttributes
	NonResource *NonResourceAttributes
}

// ResourceAttributes are the resource form of a SubjectAccessReview.
type ResourceAttributes struct {
	Namespace, Verb, Group, Version, Resource, Subresource, Name string
}

// NonResourceAttributes are the non-resource form.
type NonResourceAttributes struct{ Path, Verb string }

// DecodeSubjectAccessReview reads the body of a SubjectAccessReview, version v1
// or v1beta1 (whose "group" list holds what v1 calls "groups"). Every refusal
// is a *ShapeError.
func DecodeSubjectAccessReview(body []byte) (SubjectAccessReview, error) {
	v, err := decode(body, "SubjectAccessReview", "authorization.k8s.io/v1", "authorization.k8s.io/v1beta1")
	if err != nil {
		return SubjectAccessReview{}, err
	}
	var r reader
	spec := v.Get("spec")
	groups := "groups"
	if strings.HasSuffix(r.text(v.Get("apiVersion"), "apiVersion"), "v1beta1") {
		groups = "group"
	}
	out := SubjectAccessReview{
		APIVersion: r.text(v.Get("apiVersion"), "apiVersion"),
		User:       r.text(spec.Get("user"), "spec.user"),
		UID:        r.text(spec.Get("uid"), "spec.uid"),
		Groups:     r.texts(spec.Get(groups), "spec."+groups),
		Extra:      r.extra(spec.Get("extra")),
	}
	if a := r.object(spec.Get("resourceAttributes"), "spec.resourceAttributes"); a.Kind() == strictjson.Object {
		get := func(name string) string { return r.text(a.Get(name), "spec.resourceAttributes."+name) }
		out.Resource = &ResourceAttributes{Namespace: get("namespace"), Verb: get("verb"), Group: get("group"), Version: get("version"),
			Resource: get("resource"), Subresource: get("subresource"), Name: get("name")}
	}
	if a := r.object(spec.Get("nonResourceAttributes"), "spec.nonResourceAttributes"); a.Kind() == strictjson.Object {
		out.NonResource = &NonResourceAttributes{Path: r.text(a.Get("path"), "spec.nonResourceAttributes.path"), Verb: r.text(a.Get("verb"), "spec.nonResourceAttributes.verb")}
	}
	if r.err == nil && (out.Resource == nil) == (out.NonResource == nil) {
		r.err = refuse("exactly one of spec.resourceAttributes and spec.nonResourceAttributes is wanted")
	}
	if r.err != nil {
		return SubjectAccessReview{}, r.err
	}
	return out, nil
}

// AccessStatus is the answer to a SubjectAccessReview. The zero value is no
// opinion.
type AccessStatus struct {
	Allowed bool   `json:"allowed"`
	Denied  bool   `json:"denied,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// EncodeSubjectAccessReview is the answer's body, in the version that was
// asked.
func EncodeSubjectAccessReview(asked SubjectAccessReview, s AccessStatus) []byte {
	return encode(struct {
		APIVersion string       `json:"apiVersion"`
		Kind       string       `json:"kind"`
		Metadata   struct{}     `json:"metadata"`
		Spec       struct{}     `json:"spec"`
		Status     AccessStatus `json:"status"`
	}{APIVersion: asked.APIVersion, Kind: "SubjectAccessReview", Status: s})
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
		return strictjson.Value{}, refuse("expected a request body to be a %s: %v", kind, err)
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
		known := false
		for _, version := range versions {
			known = known || text == version
		}
		if !known {
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

func (r *reader) extra(v strictjson.Value) map[string][]string {
	out := map[string][]string{}
	for _, m := range r.object(v, "spec.extra").Members() {
		out[m.Name] = r.texts(m.Value, "spec.extra."+m.Name)
	}
	return out
}

// Bearer tokens.
const (
	bearerPrefix   = "k8s-aws-v1."
	MaxBearerBytes = 4096 // aws-iam-authenticator pkg/token, maxTokenLenBytes
)

// ErrBearer is why a text is no bearer token of the k8s-aws-v1 form.
var ErrBearer = errors.New("not a k8s-aws-v1 bearer token")

// DecodeBearer takes the presigned URL out of a bearer token. The URL is
// unverified text.
func DecodeBearer(token string) (string, error) {
	rest, ok := strings.CutPrefix(token, bearerPrefix)
	switch {
	case len(token) > MaxBearerBytes:
		return "", fmt.Errorf("%w: larger than %d bytes", ErrBearer, MaxBearerBytes)
	case !ok:
		return "", fmt.Errorf("%w: it does not begin with %s", ErrBearer, bearerPrefix)
	}
	url, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || base64.RawURLEncoding.EncodedLen(len(url)) != len(rest) || len(url) == 0 {
		return "", fmt.Errorf("%w: it is not base64url without padding", ErrBearer)
	}
	return string(url), nil
}

// EncodeBearer makes the bearer token of a presigned URL.
func EncodeBearer(url string) string {
	return bearerPrefix + base64.RawURLEncoding.EncodeToString([]byte(url))
}
