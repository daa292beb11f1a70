package kubewire

import "mayfly.internal/internal/strictjson"

// EncodeSelfSubjectReview asks an API server who it takes its caller for
// (authentication.k8s.io/v1, since Kubernetes 1.28).
func EncodeSelfSubjectReview() []byte {
	return encode(map[string]string{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
}

// ParseSelfSubjectReview reads the answer. Every refusal is a *ShapeError, and then
// the user is nobody.
func ParseSelfSubjectReview(body []byte) (UserInfo, error) {
	status, err := answered(body, "SelfSubjectReview")
	if err != nil {
		return UserInfo{}, err
	}
	var r reader
	user := status.Get("userInfo")
	out := UserInfo{Username: r.text(user.Get("username"), "status.userInfo.username"), UID: r.text(user.Get("uid"), "status.userInfo.uid"), Groups: r.texts(user.Get("groups"), "status.userInfo.groups"),
		Extra: r.extra(user.Get("extra"))}
	if r.err == nil && out.Username == "" {
		r.err = refuse("status.userInfo.username is empty")
	}
	if r.err != nil {
		return UserInfo{}, r.err
	}
	return out, nil
}

// EncodeSelfSubjectAccessReview asks an API server whether its caller may do
// something (authorization.k8s.io/v1).
func EncodeSelfSubjectAccessReview(a ResourceAttributes) []byte {
	attributes := map[string]string{}
	for name, value := range map[string]string{"namespace": a.Namespace, "verb": a.Verb, "group": a.Group, "version": a.Version, "resource": a.Resource, "subresource": a.Subresource, "name": a.Name} {
		if value != "" {
			attributes[name] = value
		}
	}
	return encode(map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": attributes}})
}

// ParseSelfSubjectAccessReview reads the answer. Every refusal is a *ShapeError, and
// then nothing is allowed.
func ParseSelfSubjectAccessReview(body []byte) (AccessStatus, error) {
	status, err := answered(body, "SelfSubjectAccessReview")
	if err != nil {
		return AccessStatus{}, err
	}
	allowed, said := status.Get("allowed").Bool()
	if !said {
		return AccessStatus{}, refuse("status.allowed is missing")
	}
	var r reader
	denied, _ := status.Get("denied").Bool()
	out := AccessStatus{Allowed: allowed, Denied: denied, Reason: r.text(status.Get("reason"), "status.reason")}
	if r.err != nil {
		return AccessStatus{}, r.err
	}
	return out, nil
}

// answered is the status of an API server's answer of a kind.
func answered(body []byte, kind string) (strictjson.Value, error) {
	if len(body) > MaxReviewBytes {
		return strictjson.Value{}, refuse("the answer is larger than %d bytes", MaxReviewBytes)
	}
	v, err := strictjson.Parse(body)
	if err != nil {
		return strictjson.Value{}, refuse("expected a %s: %s", kind, clip(err.Error()))
	}
	said, _ := v.Get("kind").Text()
	if status := v.Get("status"); said == kind && status.Kind() == strictjson.Object {
		return status, nil
	}
	return strictjson.Value{}, refuse("expected a %s with a status", kind)
}
