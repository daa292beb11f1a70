// Package kubernetes holds our own structs of the Kubernetes webhooks against
// k8s.io/api: encoded with theirs and decoded with ours, and back.
package kubernetes

import (
	"encoding/json"
	"reflect"
	"testing"

	authn "k8s.io/api/authentication/v1"
	authnbeta "k8s.io/api/authentication/v1beta1"
	authz "k8s.io/api/authorization/v1"
	authzbeta "k8s.io/api/authorization/v1beta1"

	"mayfly.internal/internal/wire/kubewire"
)

func encode(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokenReview(t *testing.T) {
	var asked authn.TokenReview
	asked.APIVersion, asked.Kind = "authentication.k8s.io/v1", "TokenReview"
	asked.Spec = authn.TokenReviewSpec{Token: "k8s-aws-v1.abc", Audiences: []string{"https://kubernetes.default.svc"}}
	got, err := kubewire.DecodeTokenReview(encode(t, asked))
	if err != nil || got.Token != asked.Spec.Token || got.APIVersion != asked.APIVersion || !reflect.DeepEqual(got.Audiences, asked.Spec.Audiences) {
		t.Fatalf("%+v, %v", got, err)
	}
	var answer authn.TokenReview
	status := kubewire.TokenReviewStatus{Authenticated: true, User: &kubewire.UserInfo{Username: "u", UID: "i", Groups: []string{"g"}, Extra: map[string][]string{"gitlab.com/ref": {"main"}}}}
	if err := json.Unmarshal(kubewire.EncodeTokenReview(got, status), &answer); err != nil {
		t.Fatal(err)
	}
	want := authn.TokenReviewStatus{Authenticated: true, User: authn.UserInfo{Username: "u", UID: "i", Groups: []string{"g"}, Extra: map[string]authn.ExtraValue{"gitlab.com/ref": {"main"}}}}
	if !reflect.DeepEqual(answer.Status, want) || answer.APIVersion != asked.APIVersion || answer.Kind != "TokenReview" {
		t.Errorf("%+v", answer)
	}
	var beta authnbeta.TokenReview
	beta.APIVersion, beta.Kind, beta.Spec.Token = "authentication.k8s.io/v1beta1", "TokenReview", "x"
	got, err = kubewire.DecodeTokenReview(encode(t, beta))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(kubewire.EncodeTokenReview(got, kubewire.TokenReviewStatus{Error: "no"}), &beta); err != nil || beta.Status.Authenticated || beta.Status.Error != "no" || beta.APIVersion != "authentication.k8s.io/v1beta1" {
		t.Errorf("%+v, %v", beta, err)
	}
}

func TestSubjectAccessReview(t *testing.T) {
	var asked authz.SubjectAccessReview
	asked.APIVersion, asked.Kind = "authorization.k8s.io/v1", "SubjectAccessReview"
	asked.Spec = authz.SubjectAccessReviewSpec{User: "u", UID: "i", Groups: []string{"g"}, Extra: map[string]authz.ExtraValue{"canonicalArn": {"a"}},
		ResourceAttributes: &authz.ResourceAttributes{Namespace: "n", Verb: "get", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web"}}
	got, err := kubewire.DecodeSubjectAccessReview(encode(t, asked))
	if err != nil {
		t.Fatal(err)
	}
	a := got.Resource
	if got.User != "u" || got.UID != "i" || got.Groups[0] != "g" || got.Extra["canonicalArn"][0] != "a" || got.NonResource != nil ||
		a.Namespace != "n" || a.Verb != "get" || a.Group != "apps" || a.Version != "v1" || a.Resource != "deployments" || a.Subresource != "scale" || a.Name != "web" {
		t.Errorf("%+v %+v", got, a)
	}
	for want, status := range map[authz.SubjectAccessReviewStatus]kubewire.AccessStatus{
		{Allowed: true, Reason: "r"}: {Allowed: true, Reason: "r"}, {Denied: true, Reason: "r"}: {Denied: true, Reason: "r"}, {}: {},
	} {
		var answer authz.SubjectAccessReview
		if err := json.Unmarshal(kubewire.EncodeSubjectAccessReview(got, status), &answer); err != nil || answer.Status != want {
			t.Errorf("%+v, %v", answer.Status, err)
		}
	}
	asked.Spec.ResourceAttributes, asked.Spec.NonResourceAttributes = nil, &authz.NonResourceAttributes{Path: "/healthz", Verb: "get"}
	if got, err = kubewire.DecodeSubjectAccessReview(encode(t, asked)); err != nil || got.Resource != nil || got.NonResource.Path != "/healthz" || got.NonResource.Verb != "get" {
		t.Errorf("%+v, %v", got, err)
	}
	var beta authzbeta.SubjectAccessReview
	beta.APIVersion, beta.Kind = "authorization.k8s.io/v1beta1", "SubjectAccessReview"
	beta.Spec = authzbeta.SubjectAccessReviewSpec{User: "u", Groups: []string{"g"}, NonResourceAttributes: &authzbeta.NonResourceAttributes{Path: "/", Verb: "get"}}
	if got, err = kubewire.DecodeSubjectAccessReview(encode(t, beta)); err != nil || len(got.Groups) != 1 || got.Groups[0] != "g" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSelfReviews(t *testing.T) {
	var self authn.SelfSubjectReview
	if err := json.Unmarshal(kubewire.EncodeSelfSubjectReview(), &self); err != nil || self.APIVersion != "authentication.k8s.io/v1" || self.Kind != "SelfSubjectReview" {
		t.Fatalf("%+v, %v", self, err)
	}
	self.Status.UserInfo = authn.UserInfo{Username: "u", UID: "i", Groups: []string{"g"}, Extra: map[string]authn.ExtraValue{"gitlab.com/ref": {"main"}}}
	user, err := kubewire.ParseSelfSubjectReview(encode(t, self))
	if want := (kubewire.UserInfo{Username: "u", UID: "i", Groups: []string{"g"}, Extra: map[string][]string{"gitlab.com/ref": {"main"}}}); err != nil || !reflect.DeepEqual(user, want) {
		t.Errorf("%+v, %v", user, err)
	}
	var may authz.SelfSubjectAccessReview
	want := authz.ResourceAttributes{Namespace: "n", Verb: "get", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web"}
	if err := json.Unmarshal(kubewire.EncodeSelfSubjectAccessReview(kubewire.ResourceAttributes{Namespace: "n", Verb: "get", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web"}), &may); err != nil || !reflect.DeepEqual(*may.Spec.ResourceAttributes, want) || may.Kind != "SelfSubjectAccessReview" {
		t.Fatalf("%+v, %v", may, err)
	}
	may.Status = authz.SubjectAccessReviewStatus{Allowed: true, Reason: "because"}
	if got, err := kubewire.ParseSelfSubjectAccessReview(encode(t, may)); err != nil || got != (kubewire.AccessStatus{Allowed: true, Reason: "because"}) {
		t.Errorf("%+v, %v", got, err)
	}
}
