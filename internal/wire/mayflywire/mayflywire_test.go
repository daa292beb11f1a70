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
