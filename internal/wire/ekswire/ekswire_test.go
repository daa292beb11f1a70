package ekswire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

const role = "arn:aws:iam::111122223333:role/deployer"

func TestDecodeCreateAccessEntry(t *testing.T) {
	for body, want := range map[string]ekswire.CreateAccessEntry{
		`{"principalArn":"` + role + `"}`: {PrincipalARN: role},
		`{"principalArn":"` + role + `","clientRequestToken":"0a-1b","kubernetesGroups":[],"tags":{}}`:                                                  {PrincipalARN: role, ClientToken: "0a-1b", Tags: map[string]string{}},
		`{"principalArn":"r","kubernetesGroups":["a","b"],"username":"u:{{SessionName}}","type":"STANDARD","tags":{"k":"v"},"clientRequestToken":null}`: {PrincipalARN: "r", Groups: []string{"a", "b"}, Username: "u:{{SessionName}}", Type: "STANDARD", Tags: map[string]string{"k": "v"}},
	} {
		if got, err := ekswire.DecodeCreateAccessEntry([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestDecodeUpdateAccessEntry(t *testing.T) {
	empty, name := "", "u"
	for body, want := range map[string]ekswire.UpdateAccessEntry{
		``:                          {},
		`{}`:                        {},
		`{"kubernetesGroups":null}`: {},
		`{"kubernetesGroups":[]}`:   {GroupsGiven: true},
		`{"kubernetesGroups":["a"],"username":"u","clientRequestToken":"t"}`: {Groups: []string{"a"}, GroupsGiven: true, Username: &name, ClientToken: "t"},
		`{"username":""}`: {Username: &empty},
	} {
		if got, err := ekswire.DecodeUpdateAccessEntry([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestDecodeUpdateClusterConfig(t *testing.T) {
	got, err := ekswire.DecodeUpdateClusterConfig([]byte(`{"accessConfig":{"authenticationMode":"API"},"clientRequestToken":"t"}`))
	if want := (ekswire.UpdateClusterConfig{AuthenticationMode: "API", ClientToken: "t"}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestDecodeAssociateAccessPolicy(t *testing.T) {
	for body, want := range map[string]ekswire.Scope{
		`{"policyArn":"p","accessScope":{"type":"cluster"}}`:                                       {Type: "cluster"},
		`{"accessScope":{"namespaces":["production","dev-*"],"type":"namespace"},"policyArn":"p"}`: {Type: "namespace", Namespaces: []string{"production", "dev-*"}},
		`{"policyArn":"p","accessScope":{"type":"cluster","namespaces":[]}}`:                       {Type: "cluster"},
	} {
		arn, scope, err := ekswire.DecodeAssociateAccessPolicy([]byte(body))
		if err != nil || arn != "p" || !reflect.DeepEqual(scope, want) {
			t.Errorf("%s: %s %+v, %v", body, arn, scope, err)
		}
	}
}

// The decoders, each giving its error and whether it gave anything else.
var decoders = map[string]func([]byte) (any, error){
	"create": func(b []byte) (any, error) { v, err := ekswire.DecodeCreateAccessEntry(b); return v, err },
	"update": func(b []byte) (any, error) { v, err := ekswire.DecodeUpdateAccessEntry(b); return v, err },
	"config": func(b []byte) (any, error) { v, err := ekswire.DecodeUpdateClusterConfig(b); return v, err },
	"associate": func(b []byte) (any, error) {
		arn, scope, err := ekswire.DecodeAssociateAccessPolicy(b)
		return struct {
			ARN   string
			Scope ekswire.Scope
		}{arn, scope}, err
	},
}

func TestDecodersRefuse(t *testing.T) {
	for _, tt := range []struct{ decoder, body, want string }{
		{"create", ``, "principalArn is missing"},
		{"create", `{"principalArn":""}`, "principalArn is missing"},
		{"create", `{"principalArn":null}`, "principalArn is missing"},
		{"create", `{"PrincipalArn":"x"}`, "principalArn is missing"},
		{"create", `{"principalArn":1}`, "principalArn must be a string, not number"},
		{"create", `{"principalArn":"x","kubernetesGroups":"a"}`, "kubernetesGroups must be an array, not string"},
		{"create", `{"principalArn":"x","kubernetesGroups":[["a"]]}`, "kubernetesGroups[0] must be a string, not array"},
		{"create", `{"principalArn":"x","tags":[{"Key":"k"}]}`, "tags must be an object, not array"},
		{"create", `{"principalArn":"x","tags":{"k":1}}`, "tags.k must be a string, not number"},
		{"create", `{"principalArn":"x","tags":{"k":"a","k":"b"}}`, "The request body is not JSON"},
		{"create", `{"principalArn":"x","policies":[]}`, "policies is not supported"},
		{"create", `{"principalArn":"x","principalArn":"y"}`, "The request body is not JSON"},
		{"create", `{"principalArn":"x"}{}`, "The request body is not JSON"},
		{"create", `[]`, "The request body is not a JSON object"},
		{"update", `{"type":"STANDARD"}`, "type is not supported"},
		{"update", `{"principalArn":"x"}`, "principalArn is not supported"},
		{"update", `{"username":1}`, "username must be a string, not number"},
		{"config", ``, "accessConfig is missing"},
		{"config", `{"accessConfig":null}`, "accessConfig is missing"},
		{"config", `{"accessConfig":{"authenticationMode":""}}`, "accessConfig.authenticationMode is missing"},
		{"config", `{"accessConfig":"API"}`, "accessConfig must be an object, not string"},
		{"config", `{"accessConfig":{"AuthenticationMode":"API"}}`, "accessConfig.authenticationMode is missing"},
		{"config", `{"accessConfig":{"authenticationMode":"API"},"logging":{"clusterLogging":[]}}`, "logging is not supported"},
		{"config", `{"accessConfig":{"authenticationMode":"API"},"name":"c"}`, "name is not supported"},
		{"associate", `{}`, "policyArn is missing"},
		{"associate", `{"policyArn":"p"}`, "accessScope is missing"},
		{"associate", `{"policyArn":"p","accessScope":null}`, "accessScope is missing"},
		{"associate", `{"policyArn":"p","accessScope":"cluster"}`, "accessScope must be an object, not string"},
		{"associate", `{"policyArn":"p","accessScope":{}}`, "accessScope.type is missing"},
		{"associate", `{"policyArn":"p","accessScope":{"type":"cluster","namespaces":"a"}}`, "accessScope.namespaces must be an array, not string"},
		{"associate", `{"policyArn":"p","accessScope":{"type":"cluster","Namespaces":["a"]}}`, "accessScope.Namespaces is not supported"},
		{"associate", `{"policyArn":"p","accessScope":{"type":"cluster"},"x":1}`, "x is not supported"},
		{"associate", `{"accessScope":{"type":"cluster"}}`, "policyArn is missing"},
	} {
		got, err := decoders[tt.decoder]([]byte(tt.body))
		if e, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !strings.HasPrefix(e.Detail, tt.want) {
			t.Errorf("%s %s: %v, want %s", tt.decoder, tt.body, err, tt.want)
		} else if !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s %s: a refusal gives %+v", tt.decoder, tt.body, got)
		}
	}
}

// TestAnswers pins the bodies as clients read them: what is empty is there.
func TestAnswers(t *testing.T) {
	at := awsrest.Time(time.UnixMilli(1795402807123))
	for _, tt := range []struct {
		v    any
		want string
	}{
		{ekswire.DescribeCluster{Cluster: ekswire.Cluster{Name: "c", ARN: "a", CreatedAt: at, Endpoint: "https://k", Status: "ACTIVE", CertificateAuthority: ekswire.CertificateAuthority{Data: []byte("PEM")}, Tags: map[string]string{},
			ResourcesVPCConfig: ekswire.VPCConfig{SubnetIDs: []string{}, SecurityGroupIDs: []string{}, PublicAccessCIDRs: []string{}}, Logging: ekswire.Logging{ClusterLogging: []struct{}{}}, AccessConfig: ekswire.AccessConfig{AuthenticationMode: "API"}}},
			`{"cluster":{"name":"c","arn":"a","createdAt":1795402807.123,"endpoint":"https://k","resourcesVpcConfig":{"subnetIds":[],"securityGroupIds":[],"publicAccessCidrs":[]},"kubernetesNetworkConfig":{},"logging":{"clusterLogging":[]},"identity":{},"status":"ACTIVE",` +
				`"certificateAuthority":{"data":"UEVN"},"tags":{},"accessConfig":{"authenticationMode":"API"},"upgradePolicy":{}}}`},
		{ekswire.OneUpdate{Update: ekswire.Update{ID: "u", Status: "Successful", Type: "AccessConfigUpdate", Params: []ekswire.UpdateParam{{Type: "AuthenticationMode", Value: `"API"`}}, CreatedAt: at, Errors: []struct{}{}}},
			`{"update":{"id":"u","status":"Successful","type":"AccessConfigUpdate","params":[{"type":"AuthenticationMode","value":"\"API\""}],"createdAt":1795402807.123,"errors":[]}}`},
		{ekswire.ListUpdates{UpdateIDs: []string{}}, `{"updateIds":[]}`},
		{ekswire.ListClusters{Clusters: []string{}}, `{"clusters":[]}`},
		{ekswire.ListClusters{Clusters: []string{"a"}, NextToken: "t"}, `{"clusters":["a"],"nextToken":"t"}`},
		{ekswire.OneAccessEntry{AccessEntry: ekswire.AccessEntry{ClusterName: "c", PrincipalARN: "p", KubernetesGroups: []string{}, ARN: "a", CreatedAt: at, ModifiedAt: at, Tags: map[string]string{}, Username: "u", Type: "STANDARD"}},
			`{"accessEntry":{"clusterName":"c","principalArn":"p","kubernetesGroups":[],"accessEntryArn":"a","createdAt":1795402807.123,"modifiedAt":1795402807.123,"tags":{},"username":"u","type":"STANDARD"}}`},
		{ekswire.ListAccessEntries{AccessEntries: []string{"p"}}, `{"accessEntries":["p"]}`},
		{ekswire.AssociateAccessPolicy{ClusterName: "c", PrincipalARN: "p", Associated: ekswire.AssociatedPolicy{PolicyARN: "a", Scope: ekswire.Scope{Type: "cluster", Namespaces: []string{}}, AssociatedAt: at, ModifiedAt: at}},
			`{"clusterName":"c","principalArn":"p","associatedAccessPolicy":{"policyArn":"a","accessScope":{"type":"cluster","namespaces":[]},"associatedAt":1795402807.123,"modifiedAt":1795402807.123}}`},
		{ekswire.ListAssociatedAccessPolicies{ClusterName: "c", PrincipalARN: "p", Associated: []ekswire.AssociatedPolicy{}}, `{"clusterName":"c","principalArn":"p","associatedAccessPolicies":[]}`},
		{ekswire.ListAccessPolicies{AccessPolicies: []ekswire.AccessPolicy{{Name: "n", ARN: "a"}}}, `{"accessPolicies":[{"name":"n","arn":"a"}]}`},
		{ekswire.Empty{}, `{}`},
	} {
		if got := string(awsrest.Encode(tt.v)); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func fuzz(f *testing.F, decoder string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		v, err := decoders[decoder](body)
		if err != nil {
			if _, ok := errors.AsType[*awsrest.ShapeError](err); !ok || !reflect.ValueOf(v).IsZero() {
				t.Fatalf("%+v, %v", v, err)
			}
			return
		}
		if !json.Valid(body) && len(body) > 0 {
			t.Fatalf("%q is no JSON and is %+v", body, v)
		}
	})
}

func FuzzDecodeCreateAccessEntry(f *testing.F) {
	fuzz(f, "create", `{"principalArn":"p","kubernetesGroups":["a"],"tags":{"k":"v"}}`, `{"principalArn":"p"`)
}

func FuzzDecodeUpdateAccessEntry(f *testing.F) {
	fuzz(f, "update", `{"username":"","kubernetesGroups":[]}`, `{}`)
}

func FuzzDecodeAssociateAccessPolicy(f *testing.F) {
	fuzz(f, "associate", `{"policyArn":"p","accessScope":{"type":"namespace","namespaces":["a"]}}`)
}

func FuzzDecodeUpdateClusterConfig(f *testing.F) {
	fuzz(f, "config", `{"accessConfig":{"authenticationMode":"API"},"clientRequestToken":"t"}`, `{"accessConfig":{}}`)
}
