package kubewire_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/vectortest"
	"mayfly.internal/internal/wire/kubewire"
)

func TestDecodeTokenReview(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       kubewire.TokenReview
	}{
		{"as an API server sends it", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":{"token":"k8s-aws-v1.x","audiences":["https://kubernetes.default.svc"]},"status":{"user":{}}}`,
			kubewire.TokenReview{APIVersion: "authentication.k8s.io/v1", Token: "k8s-aws-v1.x", Audiences: []string{"https://kubernetes.default.svc"}}},
		{"the beta version", `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","spec":{"token":"t"}}`, kubewire.TokenReview{APIVersion: "authentication.k8s.io/v1beta1", Token: "t"}},
		{"bare, as old clients send it", `{"spec":{"token":"t"}}`, kubewire.TokenReview{Token: "t"}},
		{"null audiences", `{"spec":{"token":"t","audiences":null}}`, kubewire.TokenReview{Token: "t"}},
		{"a field of tomorrow", `{"spec":{"token":"t","tomorrow":{"x":[1]}},"more":true}`, kubewire.TokenReview{Token: "t"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kubewire.DecodeTokenReview([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeTokenReviewRefuses(t *testing.T) {
	const secret = "k8s-aws-v1.c2VjcmV0"
	for name, body := range map[string]string{
		"nothing":                   ``,
		"no JSON":                   `not valid json`,
		"a list":                    `[]`,
		"a string":                  `"` + secret + `"`,
		"null":                      `null`,
		"no spec":                   `{"kind":"TokenReview"}`,
		"a null spec":               `{"spec":null}`,
		"a spec that is a string":   `{"spec":"` + secret + `"}`,
		"no token":                  `{"spec":{}}`,
		"an empty token":            `{"spec":{"token":""}}`,
		"a null token":              `{"spec":{"token":null}}`,
		"a token that is a number":  `{"spec":{"token":1}}`,
		"a token that is a list":    `{"spec":{"token":["` + secret + `"]}}`,
		"a token in another case":   `{"spec":{"Token":"` + secret + `"}}`,
		"two tokens":                `{"spec":{"token":"` + secret + `","token":"x"}}`,
		"two specs":                 `{"spec":{"token":"` + secret + `"},"spec":{"token":"x"}}`,
		"another kind":              `{"kind":"SubjectAccessReview","spec":{"token":"` + secret + `"}}`,
		"a kind that is a number":   `{"kind":1,"spec":{"token":"` + secret + `"}}`,
		"another group":             `{"apiVersion":"authorization.k8s.io/v1","spec":{"token":"` + secret + `"}}`,
		"another version":           `{"apiVersion":"authentication.k8s.io/v1alpha1","spec":{"token":"` + secret + `"}}`,
		"an empty version":          `{"apiVersion":"","spec":{"token":"` + secret + `"}}`,
		"a version that is null":    `{"apiVersion":null,"spec":{"token":"` + secret + `"}}`,
		"audiences that are a text": `{"spec":{"token":"` + secret + `","audiences":"x"}}`,
		"an audience of a number":   `{"spec":{"token":"` + secret + `","audiences":["x",1]}}`,
		"more after the value":      `{"spec":{"token":"` + secret + `"}}{}`,
		"an end too early":          `{"spec":{"token":"` + secret + `"}`,
		"broken UTF-8":              "{\"spec\":{\"token\":\"\xff\"}}",
		"too deep":                  `{"spec":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`,
		"too large":                 `{"spec":{"token":"` + strings.Repeat("x", kubewire.MaxReviewBytes) + `"}}`,
		"a name that is too long":   `{"` + strings.Repeat("x", 1000) + `":1,"` + strings.Repeat("x", 1000) + `":1}`,
	} {
		got, err := kubewire.DecodeTokenReview([]byte(body))
		e, ok := errors.AsType[*kubewire.ShapeError](err)
		if !ok || got.Token != "" || got.APIVersion != "" || got.Audiences != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if strings.Contains(e.Error(), "c2VjcmV0") || len(e.Error()) > 500 {
			t.Errorf("%s: the error holds the token, or is long: %.600s", name, e)
		}
	}
}

// The answer has the version that was asked for, or none if none was.
func TestEncodeTokenReview(t *testing.T) {
	user := &kubewire.UserInfo{Username: "u", UID: "1", Groups: []string{"g"}, Extra: map[string][]string{"k": {"v"}}}
	for _, tt := range []struct {
		name   string
		asked  string
		status kubewire.TokenReviewStatus
		want   string
	}{
		{"somebody", "authentication.k8s.io/v1", kubewire.TokenReviewStatus{Authenticated: true, User: user},
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","metadata":{},"spec":{},"status":{"authenticated":true,"user":{"username":"u","uid":"1","groups":["g"],"extra":{"k":["v"]}}}}`},
		{"somebody, the beta version", "authentication.k8s.io/v1beta1", kubewire.TokenReviewStatus{Authenticated: true, User: user},
			`{"apiVersion":"authentication.k8s.io/v1beta1","kind":"TokenReview","metadata":{},"spec":{},"status":{"authenticated":true,"user":{"username":"u","uid":"1","groups":["g"],"extra":{"k":["v"]}}}}`},
		{"nobody", "authentication.k8s.io/v1", kubewire.TokenReviewStatus{Error: "why"},
			`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","metadata":{},"spec":{},"status":{"authenticated":false,"error":"why"}}`},
		{"the zero status is nobody", "", kubewire.TokenReviewStatus{}, `{"metadata":{},"spec":{},"status":{"authenticated":false}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(kubewire.EncodeTokenReview(kubewire.TokenReview{APIVersion: tt.asked, Token: "secret"}, tt.status)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

const accessBody = `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/v1","metadata":{"creationTimestamp":null},"spec":{
	"resourceAttributes":{"namespace":"ns","verb":"create","group":"apps","version":"v1","resource":"deployments","subresource":"scale","name":"web"},
	"user":"u","groups":["a","b"],"uid":"1","extra":{"canonicalArn":["arn"],"k":["v","w"]}},"status":{"allowed":false}}`

func TestDecodeSubjectAccessReview(t *testing.T) {
	resource := &kubewire.ResourceAttributes{Namespace: "ns", Verb: "create", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Name: "web"}
	extra := map[string][]string{"canonicalArn": {"arn"}, "k": {"v", "w"}}
	for _, tt := range []struct {
		name, body string
		want       kubewire.SubjectAccessReview
	}{
		{"as an API server sends it", accessBody, kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/v1", User: "u", UID: "1", Groups: []string{"a", "b"}, Extra: extra, Resource: resource}},
		{"the beta version calls the groups group", strings.NewReplacer("k8s.io/v1", "k8s.io/v1beta1", `"groups"`, `"group"`).Replace(accessBody),
			kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/v1beta1", User: "u", UID: "1", Groups: []string{"a", "b"}, Extra: extra, Resource: resource}},
		{"the beta version's groups are none of v1", strings.ReplaceAll(accessBody, `"groups"`, `"group"`),
			kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/v1", User: "u", UID: "1", Extra: extra, Resource: resource}},
		{"a path", `{"apiVersion":"authorization.k8s.io/v1","spec":{"nonResourceAttributes":{"path":"/metrics","verb":"get"},"user":"u"}}`,
			kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/v1", User: "u", Extra: map[string][]string{}, NonResource: &kubewire.NonResourceAttributes{Path: "/metrics", Verb: "get"}}},
		{"selectors narrow, and are passed over", `{"spec":{"resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"requirements":[{"key":"spec.nodeName","operator":"In","values":["n1"]}]},"labelSelector":{"rawSelector":"a=b"}}}}`,
			kubewire.SubjectAccessReview{Extra: map[string][]string{}, Resource: &kubewire.ResourceAttributes{Verb: "list", Resource: "pods"}}},
		{"an empty resource", `{"spec":{"resourceAttributes":{},"nonResourceAttributes":null}}`, kubewire.SubjectAccessReview{Extra: map[string][]string{}, Resource: &kubewire.ResourceAttributes{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := kubewire.DecodeSubjectAccessReview([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestDecodeSubjectAccessReviewRefuses(t *testing.T) {
	with := func(attributes, rest string) string {
		return `{"apiVersion":"authorization.k8s.io/v1","spec":{"resourceAttributes":` + attributes + rest + `}}`
	}
	for name, body := range map[string]string{
		"nothing":                       ``,
		"neither a resource nor a path": `{"spec":{"user":"u"}}`,
		"both":                          with(`{"verb":"get"}`, `,"nonResourceAttributes":{"path":"/","verb":"get"}`),
		"both, one of them empty":       with(`{}`, `,"nonResourceAttributes":{}`),
		"both null":                     `{"spec":{"resourceAttributes":null,"nonResourceAttributes":null}}`,
		"a resource that is a list":     with(`[]`, ``),
		"a path that is a text":         `{"spec":{"nonResourceAttributes":"/metrics"}}`,
		"a namespace that is a list":    with(`{"namespace":["ns"]}`, ``),
		"a verb that is a number":       with(`{"verb":1}`, ``),
		"a field selector in text":      with(`{"verb":"list","fieldSelector":"a=b"}`, ``),
		"a label selector in a list":    with(`{"verb":"list","labelSelector":[]}`, ``),
		"two namespaces":                with(`{"namespace":"a","namespace":"b"}`, ``),
		"a user that is a number":       with(`{}`, `,"user":1`),
		"groups that are a text":        with(`{}`, `,"groups":"g"`),
		"a group that is null":          with(`{}`, `,"groups":["a",null]`),
		"extra that is a list":          with(`{}`, `,"extra":[]`),
		"an extra that is a text":       with(`{}`, `,"extra":{"k":"v"}`),
		"an extra of a number":          with(`{}`, `,"extra":{"k":[1]}`),
		"one extra twice":               with(`{}`, `,"extra":{"k":["a"],"k":["b"]}`),
		"another kind":                  `{"kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{}}}`,
		"another group":                 `{"apiVersion":"authentication.k8s.io/v1","spec":{"resourceAttributes":{}}}`,
		"too large":                     with(`{"name":"`+strings.Repeat("x", kubewire.MaxReviewBytes)+`"}`, ``),
	} {
		got, err := kubewire.DecodeSubjectAccessReview([]byte(body))
		if _, ok := errors.AsType[*kubewire.ShapeError](err); !ok || got.Resource != nil || got.NonResource != nil || got.Extra != nil || got.APIVersion != "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestEncodeSubjectAccessReview(t *testing.T) {
	for _, tt := range []struct {
		status kubewire.AccessStatus
		want   string
	}{
		{kubewire.AccessStatus{Allowed: true, Reason: "r"}, `{"allowed":true,"reason":"r"}`},
		{kubewire.AccessStatus{Denied: true, Reason: "r"}, `{"allowed":false,"denied":true,"reason":"r"}`},
		{kubewire.AccessStatus{}, `{"allowed":false}`},
	} {
		got := string(kubewire.EncodeSubjectAccessReview(kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/v1beta1"}, tt.status))
		if want := `{"apiVersion":"authorization.k8s.io/v1beta1","kind":"SubjectAccessReview","metadata":{},"spec":{},"status":` + tt.want + `}`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestReviewSamples decodes Kubernetes' own sample of each review, in which
// every field is filled in.
func TestReviewSamples(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		review, err := kubewire.DecodeTokenReview(vectortest.Read(t, "kubernetes/review-samples/authentication.k8s.io."+version+".TokenReview.json"))
		want := kubewire.TokenReview{APIVersion: "authentication.k8s.io/" + version, Token: "tokenValue", Audiences: []string{"audiencesValue"}}
		if d := cmp.Diff(want, review); err != nil || d != "" {
			t.Errorf("TokenReview %s: %v\n%s", version, err, d)
		}

		sample := vectortest.Read(t, "kubernetes/review-samples/authorization.k8s.io."+version+".SubjectAccessReview.json")
		if _, err := kubewire.DecodeSubjectAccessReview(sample); err == nil || !strings.Contains(err.Error(), "exactly one") {
			t.Errorf("SubjectAccessReview %s asks for a resource and a path at once: %v", version, err)
		}
		access, err := kubewire.DecodeSubjectAccessReview(without(t, sample, "nonResourceAttributes"))
		wantAccess := kubewire.SubjectAccessReview{APIVersion: "authorization.k8s.io/" + version, User: "userValue", UID: "uidValue", Groups: access.Groups, Extra: map[string][]string{"extraKey": {"extraValue"}},
			Resource: &kubewire.ResourceAttributes{Namespace: "namespaceValue", Verb: "verbValue", Group: "groupValue", Version: "versionValue", Resource: "resourceValue", Subresource: "subresourceValue", Name: "nameValue"}}
		if d := cmp.Diff(wantAccess, access); err != nil || d != "" || len(access.Groups) != 1 {
			t.Errorf("SubjectAccessReview %s: %v, groups %v\n%s", version, err, access.Groups, d)
		}
		access, err = kubewire.DecodeSubjectAccessReview(without(t, sample, "resourceAttributes"))
		if err != nil || access.Resource != nil || *access.NonResource != (kubewire.NonResourceAttributes{Path: "pathValue", Verb: "verbValue"}) {
			t.Errorf("SubjectAccessReview %s of a path: %+v, %v", version, access, err)
		}
	}
}

// without takes a field out of a sample's spec.
func without(t *testing.T, sample []byte, field string) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(sample, &doc); err != nil {
		t.Fatal(err)
	}
	delete(doc["spec"].(map[string]any), field)
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWebhookVectors holds our words for what is no review against
// aws-iam-authenticator's.
func TestWebhookVectors(t *testing.T) {
	var doc struct {
		HTTP []struct {
			Body     *string
			Status   int
			Contains string `json:"body_contains"`
		}
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/webhook.json"), &doc); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range doc.HTTP {
		if c.Status != 400 {
			continue // the method and the token are not this room's
		}
		body := ""
		if c.Body != nil {
			body = *c.Body
		}
		ran++
		if _, err := kubewire.DecodeTokenReview([]byte(body)); err == nil || !strings.Contains(err.Error(), c.Contains) {
			t.Errorf("%q: %v, want %q", body, err, c.Contains)
		}
	}
	if ran != 2 {
		t.Errorf("%d cases ran", ran)
	}
}

func FuzzDecodeTokenReview(f *testing.F) {
	for _, s := range []string{`{"spec":{"token":"t","audiences":["a"]}}`, `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}`, `{"spec":{"token":"\ud800"}}`, `{}`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := kubewire.DecodeTokenReview(body)
		if err != nil {
			if _, ok := errors.AsType[*kubewire.ShapeError](err); !ok || got.Token != "" || got.APIVersion != "" || got.Audiences != nil {
				t.Errorf("a refusal and a review: %+v, %v", got, err)
			}
			return
		}
		doc := map[string]any{"spec": map[string]any{"token": got.Token, "audiences": got.Audiences}}
		if got.APIVersion != "" {
			doc["apiVersion"], doc["kind"] = got.APIVersion, "TokenReview"
		}
		again, err := kubewire.DecodeTokenReview(marshal(t, doc))
		if d := cmp.Diff(got, again); err != nil || d != "" && len(got.Audiences) > 0 {
			t.Errorf("%v\n%s", err, d)
		}
		answer, err := strictjson.Parse(kubewire.EncodeTokenReview(got, kubewire.TokenReviewStatus{Error: got.Token}))
		if err != nil || answer.Get("spec").Get("token").Kind() != strictjson.Missing {
			t.Errorf("the answer: %v", err)
		}
	})
}

func FuzzDecodeSubjectAccessReview(f *testing.F) {
	for _, s := range []string{accessBody, `{"spec":{"nonResourceAttributes":{"path":"/x","verb":"get"}}}`, `{"apiVersion":"authorization.k8s.io/v1beta1","spec":{"group":["g"],"resourceAttributes":{}}}`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := kubewire.DecodeSubjectAccessReview(body)
		if err != nil {
			if _, ok := errors.AsType[*kubewire.ShapeError](err); !ok || got.Resource != nil || got.NonResource != nil || got.Extra != nil || got.User != "" {
				t.Errorf("a refusal and a review: %+v, %v", got, err)
			}
			return
		}
		if (got.Resource == nil) == (got.NonResource == nil) {
			t.Errorf("not exactly one kind of attributes: %+v", got)
		}
		groups := "groups"
		if strings.HasSuffix(got.APIVersion, "/v1beta1") {
			groups = "group"
		}
		spec := map[string]any{"user": got.User, "uid": got.UID, groups: got.Groups, "extra": got.Extra}
		if a := got.Resource; a != nil {
			spec["resourceAttributes"] = map[string]string{"namespace": a.Namespace, "verb": a.Verb, "group": a.Group, "version": a.Version, "resource": a.Resource, "subresource": a.Subresource, "name": a.Name}
		} else {
			spec["nonResourceAttributes"] = map[string]string{"path": got.NonResource.Path, "verb": got.NonResource.Verb}
		}
		doc := map[string]any{"spec": spec}
		if got.APIVersion != "" {
			doc["apiVersion"] = got.APIVersion
		}
		again, err := kubewire.DecodeSubjectAccessReview(marshal(t, doc))
		if err != nil || !slices.Equal(got.Groups, again.Groups) || !maps.EqualFunc(got.Extra, again.Extra, slices.Equal[[]string]) || got.User != again.User || got.UID != again.UID {
			t.Fatalf("%v\n%+v\n%+v", err, got, again)
		}
		if d := cmp.Diff(got.Resource, again.Resource) + cmp.Diff(got.NonResource, again.NonResource); d != "" {
			t.Error(d)
		}
	})
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
