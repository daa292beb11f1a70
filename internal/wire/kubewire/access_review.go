package kubewire

import (
	"strings"

	"mayfly.internal/internal/strictjson"
)

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
// is a *ShapeError, and then the value is zero.
//
// fieldSelector and labelSelector are looked at for their kind and passed over:
// they narrow a request, and whoever allows it without them may allow it so
// (authorization.k8s.io/v1 ResourceAttributes).
func DecodeSubjectAccessReview(body []byte) (SubjectAccessReview, error) {
	v, err := decode(body, "SubjectAccessReview", "authorization.k8s.io/v1", "authorization.k8s.io/v1beta1")
	if err != nil {
		return SubjectAccessReview{}, err
	}
	var r reader
	spec, version := v.Get("spec"), r.text(v.Get("apiVersion"), "apiVersion")
	groups := "groups"
	if strings.HasSuffix(version, "/v1beta1") {
		groups = "group"
	}
	out := SubjectAccessReview{
		APIVersion: version,
		User:       r.text(spec.Get("user"), "spec.user"),
		UID:        r.text(spec.Get("uid"), "spec.uid"),
		Groups:     r.texts(spec.Get(groups), "spec."+groups),
		Extra:      r.extra(spec.Get("extra")),
		Resource:   r.resource(spec.Get("resourceAttributes")),
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
