package eksapi_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"mayfly.internal/internal/eksapi"
)

func TestRoute(t *testing.T) {
	const escaped = "arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fci%2Fdeployer"
	for _, tt := range []struct {
		method, path string
		want         eksapi.Request
	}{
		{"GET", "/clusters", eksapi.Request{Operation: "ListClusters"}},
		{"GET", "/clusters/prod", eksapi.Request{Operation: "DescribeCluster", Cluster: "prod"}},
		{"GET", "/clusters/access-entries", eksapi.Request{Operation: "DescribeCluster", Cluster: "access-entries"}},
		{"GET", "/clusters/a%2Fb", eksapi.Request{Operation: "DescribeCluster", Cluster: "a/b"}},
		{"GET", "/clusters/%2e%2e%2f", eksapi.Request{Operation: "DescribeCluster", Cluster: "../"}},
		{"GET", "/clusters/...", eksapi.Request{Operation: "DescribeCluster", Cluster: "..."}},
		{"GET", "/clusters/a%20b+c%25", eksapi.Request{Operation: "DescribeCluster", Cluster: "a b+c%"}},
		{"POST", "/clusters/prod/access-entries", eksapi.Request{Operation: "CreateAccessEntry", Cluster: "prod"}},
		{"GET", "/clusters/prod/access-entries", eksapi.Request{Operation: "ListAccessEntries", Cluster: "prod"}},
		{"GET", "/clusters/prod/access-entries/" + escaped, eksapi.Request{Operation: "DescribeAccessEntry", Cluster: "prod", Principal: role}},
		{"POST", "/clusters/prod/access-entries/" + escaped, eksapi.Request{Operation: "UpdateAccessEntry", Cluster: "prod", Principal: role}},
		{"DELETE", "/clusters/prod/access-entries/" + strings.ToLower(escaped), eksapi.Request{Operation: "DeleteAccessEntry", Cluster: "prod", Principal: role}},
		{"POST", "/clusters/prod/access-entries/" + escaped + "/access-policies", eksapi.Request{Operation: "AssociateAccessPolicy", Cluster: "prod", Principal: role}},
		{"GET", "/clusters/prod/access-entries/" + escaped + "/access-policies", eksapi.Request{Operation: "ListAssociatedAccessPolicies", Cluster: "prod", Principal: role}},
		{"DELETE", "/clusters/prod/access-entries/" + escaped + "/access-policies/arn%3Ax%2Fy", eksapi.Request{Operation: "DisassociateAccessPolicy", Cluster: "prod", Principal: role, Policy: "arn:x/y"}},
		{"POST", "/clusters/prod/update-config", eksapi.Request{Operation: "UpdateClusterConfig", Cluster: "prod"}},
		{"GET", "/clusters/prod/updates", eksapi.Request{Operation: "ListUpdates", Cluster: "prod"}},
		{"GET", "/clusters/prod/updates/a%2Fb", eksapi.Request{Operation: "DescribeUpdate", Cluster: "prod", Update: "a/b"}},
		{"GET", "/access-policies", eksapi.Request{Operation: "ListAccessPolicies"}},
		{"POST", "/tags/" + escaped, eksapi.Request{Operation: "TagResource", Resource: role}},
		{"DELETE", "/tags/" + escaped, eksapi.Request{Operation: "UntagResource", Resource: role}},
		{"GET", "/tags/" + escaped, eksapi.Request{Operation: "ListTagsForResource", Resource: role}},
	} {
		got, ok := eksapi.Route(tt.method, tt.path)
		if !ok || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s %s: %+v, %v", tt.method, tt.path, got, ok)
		}
	}
}

func TestRouteRefuses(t *testing.T) {
	for _, tt := range []struct{ method, path string }{
		{"GET", ""}, {"GET", "/"}, {"GET", "clusters"}, {"GET", "/Clusters"}, {"GET", "/clusters/"}, {"GET", "//clusters"}, {"GET", "/clusters//access-entries"}, {"GET", "/clusters/prod/"},
		{"HEAD", "/clusters"}, {"get", "/clusters"}, {"OPTIONS", "/clusters"}, {"PUT", "/clusters/prod"}, {"DELETE", "/clusters/prod"}, {"POST", "/clusters"}, {"POST", "/access-policies"}, {"", "/clusters"},
		{"GET", "/clusters/prod/update-config"}, {"PUT", "/clusters/prod/update-config"}, {"POST", "/clusters/prod/updates"}, {"DELETE", "/clusters/prod/updates/u"}, {"GET", "/clusters/prod/updates/"}, {"GET", "/clusters/prod/updates/.."},
		{"GET", "/clusters/prod/node-groups"}, {"GET", "/clusters/prod/access-entries/a/b"}, {"GET", "/clusters/prod/access-entries/a/access-policies/b"},
		{"GET", "/clusters/prod/access-entries/arn:aws:iam::111122223333:role/ci/deployer"}, // its slashes are not encoded
		{"GET", "/clusters/."}, {"GET", "/clusters/.."}, {"GET", "/clusters/%2e"}, {"GET", "/clusters/%2E%2e"}, {"GET", "/clusters/../access-entries"},
		{"GET", "/clusters/a%00"}, {"GET", "/clusters/a%0Ab"}, {"GET", "/clusters/%7f"}, {"GET", "/clusters/%ff"}, {"GET", "/clusters/%"}, {"GET", "/clusters/%zz"}, {"GET", "/clusters/%C0%AF"},
		{"GET", "/cl%75sters"}, {"GET", "/clusters%2Fprod"}, {"GET", "/access-policies/x"}, {"GET", "/tags"}, {"GET", "/tags/"}, {"PUT", "/tags/x"}, {"GET", "/tags/arn:aws:eks:eu-central-1:111122223333:cluster/prod"},
	} {
		if got, ok := eksapi.Route(tt.method, tt.path); ok || !reflect.DeepEqual(got, eksapi.Request{}) {
			t.Errorf("%s %s is %+v", tt.method, tt.path, got)
		}
	}
}

func FuzzRoute(f *testing.F) {
	for _, path := range []string{"/clusters", "/clusters/prod/access-entries/arn%3Aaws/access-policies/x%2Fy", "/clusters/%2e%2e", "/access-policies", "/tags/arn%3Aaws%3Ax%2Fy", "/clusters/access-entries/updates/u", "/%"} {
		f.Add("GET", path)
		f.Add("DELETE", path)
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		r, ok := eksapi.Route(method, path)
		if !ok {
			if !reflect.DeepEqual(r, eksapi.Request{}) {
				t.Fatalf("a refusal gives %+v", r)
			}
			return
		}
		if r.Operation == "" {
			t.Fatal("no operation")
		}
		// Written again it is the same request.
		again := "/clusters"
		switch {
		case r.Operation == "ListAccessPolicies":
			again = "/access-policies"
		case r.Resource != "":
			again = "/tags/" + url.PathEscape(r.Resource)
		case r.Cluster != "":
			again += "/" + url.PathEscape(r.Cluster)
		}
		if r.Resource == "" && strings.Contains(r.Operation, "Access") && r.Cluster != "" {
			again += "/access-entries"
			if r.Principal != "" {
				again += "/" + url.PathEscape(r.Principal)
			}
			if strings.Count(path, "/") > 4 {
				again += "/access-policies"
			}
			if r.Policy != "" {
				again += "/" + url.PathEscape(r.Policy)
			}
		}
		switch r.Operation {
		case "UpdateClusterConfig":
			again += "/update-config"
		case "ListUpdates":
			again += "/updates"
		case "DescribeUpdate":
			again += "/updates/" + url.PathEscape(r.Update)
		}
		if r2, ok := eksapi.Route(method, again); !ok || !reflect.DeepEqual(r, r2) {
			t.Fatalf("%q became %q: %+v, %v", path, again, r2, ok)
		}
	})
}
