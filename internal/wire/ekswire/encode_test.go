package ekswire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

func TestPaths(t *testing.T) {
	const entry = "/clusters/c/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fdeployer"
	for got, want := range map[string]string{
		ekswire.ClusterPath("c"): "/clusters/c", ekswire.EntriesPath("c"): "/clusters/c/access-entries", ekswire.EntryPath("c", role): entry, ekswire.PoliciesPath("c", role): entry + "/access-policies",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestEncode: what the client says is what the server reads.
func TestEncode(t *testing.T) {
	for _, want := range []ekswire.CreateAccessEntry{
		{PrincipalARN: role},
		{PrincipalARN: role, Groups: []string{"a"}, Username: "u", Type: "STANDARD", Tags: map[string]string{"k": "<v>"}, ClientToken: "t"},
	} {
		if got, err := ekswire.DecodeCreateAccessEntry(ekswire.EncodeCreateAccessEntry(want)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, want := range []ekswire.Scope{{Type: "namespace", Namespaces: []string{"a", "b-*"}}, {Type: "cluster"}} {
		if arn, got, err := ekswire.DecodeAssociateAccessPolicy(ekswire.EncodeAssociateAccessPolicy("p", want)); err != nil || arn != "p" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s %+v, %v", arn, got, err)
		}
	}
}

var (
	wireCluster = ekswire.Cluster{Name: "c", ARN: "a", Endpoint: "https://k", Status: "ACTIVE", CertificateAuthority: ekswire.CertificateAuthority{Data: []byte("PEM")}, CreatedAt: awsrest.Time(time.UnixMilli(1795402807123).UTC()),
		AccessConfig: ekswire.AccessConfig{AuthenticationMode: "API"}, Tags: map[string]string{"k": "v"}}
	wireEntry  = ekswire.AccessEntry{ClusterName: "c", PrincipalARN: role, KubernetesGroups: []string{"g"}, ARN: "a", Username: "u", Type: "STANDARD"}
	wirePolicy = ekswire.AssociatedPolicy{PolicyARN: "p", Scope: ekswire.Scope{Type: "namespace", Namespaces: []string{"n"}}}
)

// parsers are all of them, each giving its error and whether it gave anything.
var parsers = map[string]func([]byte) (any, error){
	"cluster":    func(b []byte) (any, error) { return ekswire.ParseCluster(b) },
	"entry":      func(b []byte) (any, error) { return ekswire.ParseAccessEntry(b) },
	"associated": func(b []byte) (any, error) { return ekswire.ParseAssociated(b) },
	"list": func(b []byte) (any, error) {
		list, next, err := ekswire.ParseListAssociated(b)
		return ekswire.ListAssociatedAccessPolicies{Associated: list, NextToken: next}, err
	},
}

// TestParse: what the server answers is what the client reads.
func TestParse(t *testing.T) {
	zero := awsrest.Time(time.Unix(0, 0).UTC())
	entry, policy := wireEntry, wirePolicy
	entry.CreatedAt, entry.ModifiedAt, policy.AssociatedAt, policy.ModifiedAt = zero, zero, zero, zero
	for _, tt := range []struct {
		parser     string
		body, want any
	}{
		{"cluster", ekswire.DescribeCluster{Cluster: wireCluster}, wireCluster},
		{"entry", ekswire.OneAccessEntry{AccessEntry: entry}, entry},
		{"associated", ekswire.AssociateAccessPolicy{Associated: policy}, policy},
		{"list", ekswire.ListAssociatedAccessPolicies{ClusterName: "c", Associated: []ekswire.AssociatedPolicy{policy}, NextToken: "t"}, ekswire.ListAssociatedAccessPolicies{Associated: []ekswire.AssociatedPolicy{policy}, NextToken: "t"}},
	} {
		if got, err := parsers[tt.parser](awsrest.Encode(tt.body)); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", tt.parser, got, err)
		}
	}
}

// TestParseAWS: AWS's answer says more than Mayfly's.
func TestParseAWS(t *testing.T) {
	got, err := ekswire.ParseCluster([]byte(`{"cluster":{"name":"c","arn":"arn:aws:eks:eu-central-1:111122223333:cluster/c","createdAt":1.795402807123E9,"version":"1.34","endpoint":"https://k","roleArn":"r",
		"resourcesVpcConfig":{"subnetIds":["s"],"vpcId":"v","endpointPublicAccess":true},"kubernetesNetworkConfig":{"serviceIpv4Cidr":"10.100.0.0/16"},"logging":{"clusterLogging":[{"types":["api"],"enabled":false}]},
		"identity":{"oidc":{"issuer":"https://oidc"}},"status":"ACTIVE","certificateAuthority":{"data":"UEVN"},"clientRequestToken":null,"tags":{},"accessConfig":{"bootstrapClusterCreatorAdminPermissions":null,"authenticationMode":"API"}}}`))
	if err != nil || got.Endpoint != "https://k" || got.AccessConfig.AuthenticationMode != "API" || string(got.CertificateAuthority.Data) != "PEM" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ parser, body, want string }{
		{"cluster", `{}`, "the cluster has no name or no ARN"},
		{"cluster", `{"cluster":{"name":"c"}}`, "the cluster has no name or no ARN"},
		{"cluster", `{"cluster":{"name":"c","arn":"a","certificateAuthority":{"data":"!"}}}`, "it is not JSON of the form that is wanted"},
		{"entry", `{}`, "the access entry has no principal"},
		{"entry", `{"accessEntry":{"principalArn":"p","createdAt":"now"}}`, "it is not JSON of the form that is wanted"},
		{"associated", `{}`, "the association has no policy"},
		{"list", `{"associatedAccessPolicies":{}}`, "it is not JSON of the form that is wanted"},
		{"list", `<html>`, "it is not JSON of the form that is wanted"},
	} {
		got, err := parsers[tt.parser]([]byte(tt.body))
		if e, ok := errors.AsType[*awsrest.AnswerError](err); !ok || !strings.HasPrefix(e.Detail, tt.want) || !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s %s: %+v, %v, want %s", tt.parser, tt.body, got, err, tt.want)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("cluster", awsrest.Encode(ekswire.DescribeCluster{Cluster: wireCluster}))
	f.Add("entry", awsrest.Encode(ekswire.OneAccessEntry{AccessEntry: wireEntry}))
	f.Add("associated", awsrest.Encode(ekswire.AssociateAccessPolicy{Associated: wirePolicy}))
	f.Add("list", awsrest.Encode(ekswire.ListAssociatedAccessPolicies{Associated: []ekswire.AssociatedPolicy{wirePolicy}, NextToken: "t"}))
	f.Fuzz(func(t *testing.T, parser string, body []byte) {
		parse := parsers[parser]
		if parse == nil {
			return
		}
		got, err := parse(body)
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*awsrest.AnswerError](err); !ok || !reflect.ValueOf(got).IsZero() {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}
