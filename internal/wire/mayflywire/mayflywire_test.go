package mayflywire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/mayflywire"
)

// TestClusterRoundTrip: what our client writes, our server reads.
func TestClusterRoundTrip(t *testing.T) {
	for _, c := range []mayflywire.Cluster{
		{Name: "prod", Region: "eu-central-1", Endpoint: "https://k8s.example:6443", CA: "-----BEGIN CERTIFICATE-----\n"},
		{Name: "prod", Region: "eu-central-1", Endpoint: "https://k8s.example", CA: "x", AuthenticationMode: "API", TrustAWSAccounts: []string{"444455556666"}, BearerMaxAge: "5m", Tags: map[string]string{"k": "v"}},
	} {
		got, err := mayflywire.DecodeCluster(awsrest.Encode(c))
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("%s became %+v, %v", awsrest.Encode(c), got, err)
		}
	}
}

func TestDecodeClusterRefuses(t *testing.T) {
	const rest = `"region":"eu-central-1","endpoint":"https://k","ca":"x"`
	for body, want := range map[string]string{
		``:                                    "name is missing",
		`{` + rest + `}`:                      "name is missing",
		`{"name":"c"}`:                        "region is missing",
		`{"name":1,` + rest + `}`:             "name must be a string, not number",
		`{"name":"c",` + rest + `,"arn":"a"}`: "arn is not supported",
		`{"name":"c",` + rest + `,"id":"a"}`:  "id is not supported",
		`{"name":"c",` + rest + `,"trustAwsAccounts":[444455556666]}`: "trustAwsAccounts[0] must be a string, not number",
		`{"name":"c",` + rest + `,"tags":{"k":null}}`:                 "tags.k must be a string, not null",
		`{"name":"c",` + rest + `,"bearerMaxAge":900}`:                "bearerMaxAge must be a string, not number",
		`{"name":"c",` + rest + `,"name":"d"}`:                        "The request body is not JSON",
	} {
		got, err := mayflywire.DecodeCluster([]byte(body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, want) || !reflect.DeepEqual(got, mayflywire.Cluster{}) {
			t.Errorf("%s: %+v, %v, want %s", body, got, err, want)
		}
	}
}

const somePod = `{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}`

var podRule = mayflywire.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}

func TestDecodeAccessPolicy(t *testing.T) {
	full := mayflywire.Rule{APIGroups: []string{"*"}, Resources: []string{"*/scale"}, ResourceNames: []string{"a"}, Verbs: []string{"*"}}
	path := mayflywire.Rule{NonResourceURLs: []string{"/metrics/*"}, Verbs: []string{"get"}}
	in, err := mayflywire.DecodeCreateAccessPolicy([]byte(`{"name":"p","rules":[` + somePod + `,{"apiGroups":["*"],"resources":["*/scale"],"resourceNames":["a"],"nonResourceURLs":null,"verbs":["*"]},{"nonResourceURLs":["/metrics/*"],"verbs":["get"]}]}`))
	if want := (mayflywire.CreateAccessPolicy{Name: "p", Rules: []mayflywire.Rule{podRule, full, path}}); err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("%+v, %v", in, err)
	}
	role, err := mayflywire.DecodeClusterRole([]byte(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{"name":"view","uid":"u","labels":{"a":"b"},"x":[1]},"aggregationRule":{"clusterRoleSelectors":[{}]},"rules":[` + somePod + `]}`))
	if want := (mayflywire.ClusterRole{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole", Metadata: true, UID: "u", Aggregated: true, Rules: []mayflywire.Rule{podRule}}); err != nil || !reflect.DeepEqual(role, want) {
		t.Errorf("%+v, %v", role, err)
	}
	role, err = mayflywire.DecodeClusterRole([]byte(`{"rules":[]}`))
	if err != nil || !reflect.DeepEqual(role, mayflywire.ClusterRole{}) {
		t.Errorf("%+v, %v", role, err)
	}
}

func TestDecodeAccessPolicyRefuses(t *testing.T) {
	for body, want := range map[string]string{
		``:                             "name is missing",
		`{"rules":[` + somePod + `]}`:  "name is missing",
		`{"name":"p"}`:                 "rules is missing",
		`{"name":"p","rules":null}`:    "rules is missing",
		`{"name":"p","rules":{}}`:      "rules must be an array, not object",
		`{"name":"p","Rules":[]}`:      "Rules is not supported",
		`{"name":"p","rules":["get"]}`: "rules[0] must be an object, not string",
		`{"name":"p","rules":[` + somePod + `,null]}`:                      "rules[1] must be an object, not null",
		`{"name":"p","rules":[{"verbs":"get"}]}`:                           "rules[0].verbs must be an array, not string",
		`{"name":"p","rules":[` + somePod + `,{"verbs":["get",1]}]}`:       "rules[1].verbs[1] must be a string, not number",
		`{"name":"p","rules":[{"verbs":["get"],"apigroups":["*"]}]}`:       "rules[0].apigroups is not supported",
		`{"name":"p","rules":[{"verbs":["get"],"nonResourceUrls":["*"]}]}`: "rules[0].nonResourceUrls is not supported",
		`{"name":"p","rules":[{"verbs":["get"],"verbs":["*"]}]}`:           "The request body is not JSON",
		`{"name":"p","rules":[` + somePod + `],"arn":"a"}`:                 "arn is not supported",
		`{"name":"p","rules":[` + somePod + `],"builtIn":true}`:            "builtIn is not supported",
	} {
		got, err := mayflywire.DecodeCreateAccessPolicy([]byte(body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, want) || !reflect.DeepEqual(got, mayflywire.CreateAccessPolicy{}) {
			t.Errorf("%s: %+v, %v, want %s", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		``: "rules is missing", `{"name":"p","rules":[]}`: "name is not supported", `{"rules":[{}],"x":1}`: "x is not supported",
	} {
		got, err := mayflywire.DecodeUpdateAccessPolicy([]byte(body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, want) || got.Rules != nil {
			t.Errorf("%s: %+v, %v, want %s", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		``: "rules is missing", `{"kind":1,"rules":[]}`: "kind must be a string, not number", `{"metadata":"x","rules":[]}`: "metadata must be an object, not string",
		`{"subjects":[],"rules":[]}`: "subjects is not supported", `{"aggregationRule":[],"rules":[]}`: "aggregationRule must be an object, not array",
	} {
		got, err := mayflywire.DecodeClusterRole([]byte(body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, want) || !reflect.DeepEqual(got, mayflywire.ClusterRole{}) {
			t.Errorf("%s: %+v, %v, want %s", body, got, err, want)
		}
	}
}

func TestDecodeExplainTrust(t *testing.T) {
	for _, in := range []mayflywire.ExplainTrust{{Role: "r", SessionName: "n", Token: "a.b.c"}, {Role: "arn:aws:iam::111122223333:role/r", SessionName: "n", Claims: `{"iss":"x"}`}, {Role: "r", SessionName: "n"}} {
		if got, err := mayflywire.DecodeExplainTrust(awsrest.Encode(in)); err != nil || got != in {
			t.Errorf("%+v became %+v, %v", in, got, err)
		}
	}
	for body, want := range map[string]string{
		``: "role is missing", `{"role":"r"}`: "sessionName is missing", `{"role":1,"sessionName":"n"}`: "role must be a string, not number",
		`{"role":"r","sessionName":"n","claims":{"iss":"x"}}`: "claims must be a string, not object", `{"role":"r","sessionName":"n","duration":900}`: "duration is not supported",
		`{"role":"r","sessionName":"n","role":"s"}`: "The request body is not JSON",
	} {
		got, err := mayflywire.DecodeExplainTrust([]byte(body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, want) || got != (mayflywire.ExplainTrust{}) {
			t.Errorf("%s: %+v, %v, want %s", body, got, err, want)
		}
	}
}

// TestAnswers pins the bodies.
func TestAnswers(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		v    any
		want string
	}{
		{mayflywire.Server{Version: "1", Account: "111122223333", Region: "eu-central-1", AuditKey: "k"}, `{"version":"1","account":"111122223333","region":"eu-central-1","auditKey":"k"}`},
		{mayflywire.Clusters{Clusters: []mayflywire.Cluster{{Name: "c", ARN: "a", ID: "i", Region: "r", Endpoint: "e", CA: "x", AuthenticationMode: "API", BearerMaxAge: "15m0s", CreatedAt: at}}},
			`{"clusters":[{"name":"c","arn":"a","id":"i","region":"r","endpoint":"e","ca":"x","authenticationMode":"API","bearerMaxAge":"15m0s","createdAt":"2026-11-23T03:00:00Z"}]}`},
		{mayflywire.Audit{Events: []mayflywire.AuditLine{{Index: 0, Body: `{"v":1}`}}, Checkpoint: "c"}, `{"events":[{"index":0,"body":"{\"v\":1}"}],"checkpoint":"c"}`},
		{mayflywire.AccessPolicy{Name: "p", ARN: "a", Entries: 2, Rules: []mayflywire.Rule{podRule}, CreatedAt: at, ModifiedAt: at, Warnings: []string{"w"}},
			`{"name":"p","arn":"a","builtIn":false,"entries":2,"rules":[` + somePod + `],"createdAt":"2026-11-23T03:00:00Z","modifiedAt":"2026-11-23T03:00:00Z","warnings":["w"]}`},
		{mayflywire.AccessPolicies{AccessPolicies: []mayflywire.AccessPolicy{{Name: "p", ARN: "a", BuiltIn: true}}}, `{"accessPolicies":[{"name":"p","arn":"a","builtIn":true,"entries":0}]}`},
		{mayflywire.Denials{Denials: []mayflywire.AuditLine{{Index: 3, Body: `{}`}}}, `{"denials":[{"index":3,"body":"{}"}]}`},
		{mayflywire.TrustExplanation{Role: "r", Problems: []string{"p"}, Unchecked: []string{"u"}, Trace: []byte(`{"action":"a"}`)}, `{"role":"r","allowed":false,"problems":["p"],"unchecked":["u"],"trace":{"action":"a"}}`},
		{mayflywire.TrustExplanation{Role: "r", Allowed: true}, `{"role":"r","allowed":true}`},
		{mayflywire.Error{Code: "AccessDenied", Message: "m"}, `{"code":"AccessDenied","message":"m"}`},
		{mayflywire.WebhookConfig{Cluster: "c", AuthenticateURL: "a", AuthorizeURL: "b", CA: "x", ClientCertificate: "y", ClientKey: "z", Expires: at},
			`{"cluster":"c","authenticateUrl":"a","authorizeUrl":"b","ca":"x","clientCertificate":"y","clientKey":"z","expires":"2026-11-23T03:00:00Z"}`},
	} {
		if got := string(awsrest.Encode(tt.v)); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func FuzzDecodeCluster(f *testing.F) {
	f.Add([]byte(`{"name":"c","region":"r","endpoint":"e","ca":"x","trustAwsAccounts":["1"],"tags":{"k":"v"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := mayflywire.DecodeCluster(body)
		if err != nil {
			if !reflect.DeepEqual(c, mayflywire.Cluster{}) {
				t.Fatalf("a refusal gives %+v", c)
			}
			return
		}
		if len(c.TrustAWSAccounts) == 0 {
			c.TrustAWSAccounts = nil
		}
		if len(c.Tags) == 0 {
			c.Tags = nil
		}
		again, err := mayflywire.DecodeCluster(awsrest.Encode(c))
		if err != nil || !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v became %+v, %v", c, again, err)
		}
	})
}

func FuzzDecodeAccessPolicy(f *testing.F) {
	f.Add([]byte(`{"name":"p","rules":[` + somePod + `,{"nonResourceURLs":["/metrics/*"],"verbs":["get"]}]}`))
	f.Add([]byte(`{"name":"p","rules":[{"apiGroups":["*"],"resources":["*/scale"],"resourceNames":["a"],"verbs":["*"]}]}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"ClusterRole","metadata":{"uid":"u"},"aggregationRule":{},"rules":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := mayflywire.DecodeClusterRole(body); err != nil && !reflect.DeepEqual(r, mayflywire.ClusterRole{}) {
			t.Fatalf("a refusal gives %+v", r)
		}
		if u, err := mayflywire.DecodeUpdateAccessPolicy(body); err != nil && u.Rules != nil {
			t.Fatalf("a refusal gives %+v", u)
		}
		in, err := mayflywire.DecodeCreateAccessPolicy(body)
		if err != nil {
			if !reflect.DeepEqual(in, mayflywire.CreateAccessPolicy{}) {
				t.Fatalf("a refusal gives %+v", in)
			}
			return
		}
		text := awsrest.Encode(in)
		if in.Rules == nil {
			text = awsrest.Encode(map[string]any{"name": in.Name, "rules": []string{}})
		}
		again, err := mayflywire.DecodeCreateAccessPolicy(text)
		if err != nil || string(awsrest.Encode(again)) != string(awsrest.Encode(in)) {
			t.Fatalf("%+v became %+v, %v", in, again, err)
		}
	})
}
