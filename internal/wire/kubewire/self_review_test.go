package kubewire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSelfReviews(t *testing.T) {
	user, err := ParseSelfSubjectReview([]byte(`{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":"2026-11-23T00:00:00Z"},
		"status":{"userInfo":{"username":"arn:aws:sts::111122223333:assumed-role/deployer/run-1","uid":"mayfly:1","groups":["system:authenticated"],"extra":{"arn":["a"]}}}}`))
	if diff := cmp.Diff(UserInfo{Username: "arn:aws:sts::111122223333:assumed-role/deployer/run-1", UID: "mayfly:1", Groups: []string{"system:authenticated"}, Extra: map[string][]string{"arn": {"a"}}}, user); diff != "" || err != nil {
		t.Error(diff, err)
	}
	const want = `{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"group":"apps","namespace":"production","resource":"deployments","verb":"create"}}}`
	if got := string(EncodeSelfSubjectAccessReview(ResourceAttributes{Namespace: "production", Verb: "create", Group: "apps", Resource: "deployments"})); got != want {
		t.Error(got)
	}
	status, err := ParseSelfSubjectAccessReview([]byte(`{"kind":"SelfSubjectAccessReview","spec":{},"status":{"allowed":true,"reason":"because"}}`))
	if diff := cmp.Diff(AccessStatus{Allowed: true, Reason: "because"}, status); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestSelfReviewsRefuse(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "<html>", `{"kind":"Status","status":"Failure"}`, `{"kind":"SelfSubjectReview"}`, `{"kind":"SelfSubjectReview","status":{}}`,
		`{"kind":"SelfSubjectReview","status":{"userInfo":{"username":""}}}`, `{"kind":"SelfSubjectReview","status":{"userInfo":{"username":1}}}`, `{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"a","groups":"b"}}}`,
		`{"kind":"SelfSubjectAccessReview","status":{}}`, `{"kind":"SelfSubjectAccessReview","status":{"allowed":"true"}}`, `{"kind":"SelfSubjectAccessReview","status":{"allowed":true,"allowed":false}}`,
		`{"kind":"selfsubjectaccessreview","status":{"allowed":true}}`, `{"kind":"SelfSubjectAccessReview","status":{"allowed":true,"reason":1}}`} {
		if u, err := ParseSelfSubjectReview([]byte(body)); err == nil || u.Username != "" {
			t.Errorf("%s: %+v", body, u)
		}
		if s, err := ParseSelfSubjectAccessReview([]byte(body)); err == nil || s.Allowed {
			t.Errorf("%s: %+v", body, s)
		}
	}
}

// FuzzSelfReviews: whatever an API server answers, what is refused is nobody, who
// may do nothing.
func FuzzSelfReviews(f *testing.F) {
	for _, seed := range []string{`{"kind":"SelfSubjectReview","status":{"userInfo":{"username":"a","groups":["b"],"extra":{"c":["d"]}}}}`, `{"kind":"SelfSubjectAccessReview","status":{"allowed":true,"denied":false,"reason":"r"}}`, "{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if u, err := ParseSelfSubjectReview(body); (err == nil) != (u.Username != "") {
			t.Errorf("%+v, %v", u, err)
		}
		if s, err := ParseSelfSubjectAccessReview(body); err != nil && s != (AccessStatus{}) {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
