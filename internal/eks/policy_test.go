package eks_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/vectortest"
)

var now = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func find(t *testing.T, name string) *eks.AccessPolicy {
	t.Helper()
	p, err := eks.FindAccessPolicy(policies + name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The rules are typed from AWS's tables; a rule that slipped in or out changes
// these numbers.
func TestPolicyTable(t *testing.T) {
	want := map[string]int{"AmazonEKSAdminPolicy": 22, "AmazonEKSAdminViewPolicy": 1, "AmazonEKSClusterAdminPolicy": 2, "AmazonEKSEditPolicy": 20,
		"AmazonEKSHybridPolicy": 1, "AmazonEKSSecretReaderPolicy": 1, "AmazonEKSViewPolicy": 10}
	var names []string
	for _, p := range eks.AccessPolicies() {
		names = append(names, p.Name)
		if len(p.Rules) != want[p.Name] || p.ARN != policies+p.Name {
			t.Errorf("%s (%s) has %d rules, want %d", p.Name, p.ARN, len(p.Rules), want[p.Name])
		}
		for i, r := range p.Rules {
			resource := len(r.APIGroups) > 0 && len(r.Resources) > 0 && len(r.NonResourceURLs) == 0
			path := len(r.NonResourceURLs) > 0 && len(r.APIGroups)+len(r.Resources) == 0
			if resource == path || len(r.Verbs) == 0 || slices.Contains(r.Resources, "") || slices.Contains(r.Verbs, "") {
				t.Errorf("%s: rule %d is not whole: %+v", p.Name, i, r)
			}
		}
	}
	if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(names, sorted) {
		t.Errorf("policies %v, want %v", names, sorted)
	}
}

func TestFindAccessPolicy(t *testing.T) {
	for name, wants := range map[string]string{
		policies + "AmazonEKSAutoNodePolicy":                                  "does not publish its rules",
		policies + "AmazonEKSEventPolicy":                                     "does not publish its rules",
		policies + "AmazonEKSEditPolicy ":                                     "no access policy is called",
		policies + "amazoneksEditPolicy":                                      "no access policy is called",
		"arn:aws:eks::123456789012:cluster-access-policy/MyPolicy":            "no access policy is called",
		"arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSEditPolicy":       "no access policy is called",
		"arn:aws:eks::aws:cluster-access-policy/" + strings.Repeat("x", 9999): "no access policy is called",
		"": "no access policy is called",
	} {
		p, err := eks.FindAccessPolicy(name)
		e, ok := errors.AsType[*eks.Error](err)
		if p != nil || !ok || e.Reason != eks.NoSuchPolicy || !strings.Contains(e.Detail, wants) || len(e.Detail) > 500 {
			t.Errorf("%.60q: %v, %v", name, p, err)
		}
	}
}

// probe is every group, resource and verb some rule names, and one of each that
// none names.
func probe(lists ...[]eks.Rule) []eks.Attributes {
	groups, resources, verbs := map[string]bool{"example.com": true}, map[string]bool{"widgets": true, "pods/widget": true}, map[string]bool{"use": true}
	for _, rules := range lists {
		for _, r := range rules {
			for _, g := range r.APIGroups {
				groups[g] = true
			}
			for _, x := range r.Resources {
				resources[x] = true
			}
			for _, v := range r.Verbs {
				verbs[v] = true
			}
		}
	}
	var out []eks.Attributes
	for g := range groups {
		for x := range resources {
			for v := range verbs {
				out = append(out, question(v, x, "ns", group(g), named("n")))
			}
		}
	}
	return out
}

// covers asks b everything a allows.
func covers(t *testing.T, a, b *eks.AccessPolicy) (allowed int) {
	t.Helper()
	for _, ask := range probe(a.Rules, b.Rules) {
		if a.Allows(ask) {
			allowed++
			if !b.Allows(ask) {
				t.Errorf("%s allows what %s does not: %+v", a.Name, b.Name, ask)
			}
		}
	}
	if allowed == 0 {
		t.Errorf("%s allows nothing", a.Name)
	}
	return allowed
}

func TestPoliciesContainEachOther(t *testing.T) {
	view, edit, admin, all := find(t, "AmazonEKSViewPolicy"), find(t, "AmazonEKSEditPolicy"), find(t, "AmazonEKSAdminPolicy"), find(t, "AmazonEKSClusterAdminPolicy")
	v, e, a := covers(t, view, edit), covers(t, edit, admin), covers(t, admin, all)
	if v >= e || e >= a {
		t.Errorf("view %d, edit %d, admin %d: each must be less than the next", v, e, a)
	}
	covers(t, view, find(t, "AmazonEKSAdminViewPolicy"))
	covers(t, find(t, "AmazonEKSSecretReaderPolicy"), find(t, "AmazonEKSAdminViewPolicy"))
	for _, p := range []*eks.AccessPolicy{view, edit, admin} {
		if p.Allows(url("get", "/metrics")) || p.Allows(question("impersonate", "users", "")) || p.Allows(question("escalate", "roles", "ns", group("rbac.authorization.k8s.io"))) {
			t.Errorf("%s reaches outside of a namespace", p.Name)
		}
	}
	if view.Allows(question("get", "secrets", "ns", named("x"))) || edit.Allows(question("create", "rolebindings", "ns", group("rbac.authorization.k8s.io"))) {
		t.Error("view reads secrets, or edit grants rights")
	}
}

// AWS's View, Edit and Admin allow nothing that Kubernetes' own cluster roles of
// these names do not.
func TestPoliciesAreWithinTheClusterRoles(t *testing.T) {
	var doc struct {
		Roles map[string][]struct{ APIGroups, Resources, ResourceNames, NonResourceURLs, Verbs []string }
	}
	if err := json.Unmarshal(vectortest.Read(t, "kubernetes/user-facing-roles.json"), &doc); err != nil {
		t.Fatal(err)
	}
	for name, policy := range map[string]string{"view": "AmazonEKSViewPolicy", "edit": "AmazonEKSEditPolicy", "admin": "AmazonEKSAdminPolicy", "cluster-admin": "AmazonEKSClusterAdminPolicy"} {
		role := &eks.AccessPolicy{Name: "ClusterRole " + name}
		for _, r := range doc.Roles[name] {
			role.Rules = append(role.Rules, eks.Rule(r))
		}
		covers(t, find(t, policy), role)
	}
}

// TestRule is Kubernetes' matching of one rule, each allowed case beside its
// neighbours.
func TestRule(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule eks.Rule
		ask  eks.Attributes
		want bool
	}{
		{"exactly", eks.Rule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}, question("get", "deployments", "n", group("apps")), true},
		{"another verb", eks.Rule{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}, question("list", "deployments", "n", group("apps")), false},
		{"the core group is the empty one", eks.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}, question("get", "pods", "n"), true},
		{"the core group only", eks.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}, question("get", "pods", "n", group("metrics.k8s.io")), false},
		{"no groups", eks.Rule{Resources: []string{"pods"}, Verbs: []string{"get"}}, question("get", "pods", "n"), false},
		{"no verbs", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*"}}, question("get", "pods", "n"), false},
		{"the zero rule", eks.Rule{}, question("get", "pods", "n"), false},
		{"a resource does not bring its subresource", eks.Rule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"*"}}, question("create", "pods/exec", "n"), false},
		{"nor a subresource its resource", eks.Rule{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"*"}}, question("get", "pods", "n"), false},
		{"the star brings both", eks.Rule{APIGroups: []string{""}, Resources: []string{"*"}, Verbs: []string{"*"}}, question("create", "pods/exec", "n"), true},
		{"a subresource of anything", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*/scale"}, Verbs: []string{"*"}}, question("update", "deployments/scale", "n", group("apps")), true},
		{"that subresource only", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*/scale"}, Verbs: []string{"*"}}, question("update", "deployments/status", "n", group("apps")), false},
		{"not the resource itself", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*/scale"}, Verbs: []string{"*"}}, question("update", "deployments", "n", group("apps")), false},
		{"*/* means nothing to RBAC", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*/*"}, Verbs: []string{"*"}}, question("get", "pods", "n"), false},
		{"a prefix is no wildcard", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"po*"}, Verbs: []string{"*"}}, question("get", "pods", "n"), false},
		{"a name", eks.Rule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"get"}}, question("get", "configmaps", "n", named("b")), true},
		{"another name", eks.Rule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"a", "b"}, Verbs: []string{"get"}}, question("get", "configmaps", "n", named("c")), false},
		{"a list has no name", eks.Rule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"a"}, Verbs: []string{"list"}}, question("list", "configmaps", "n"), false},
		{"a path", eks.Rule{NonResourceURLs: []string{"/healthz"}, Verbs: []string{"get"}}, url("get", "/healthz"), true},
		{"a longer path", eks.Rule{NonResourceURLs: []string{"/healthz"}, Verbs: []string{"get"}}, url("get", "/healthz/etcd"), false},
		{"a path's rest", eks.Rule{NonResourceURLs: []string{"/metrics/*"}, Verbs: []string{"get"}}, url("get", "/metrics/slis"), true},
		{"without the slash", eks.Rule{NonResourceURLs: []string{"/metrics/*"}, Verbs: []string{"get"}}, url("get", "/metrics"), false},
		{"all paths", eks.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}, url("get", "/anything"), true},
		{"a rule for paths allows no resource", eks.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}, question("get", "pods", "n"), false},
		{"a rule for resources allows no path", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, url("get", "/metrics"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &eks.AccessPolicy{Rules: []eks.Rule{tt.rule}}
			if got := p.Allows(tt.ask); got != tt.want {
				t.Errorf("Allows = %t", got)
			}
		})
	}
}

// Removing a rule or narrowing a scope never allows more.
func TestNarrowingNeverWidens(t *testing.T) {
	for _, p := range eks.AccessPolicies() {
		asks := probe(p.Rules)
		for i := range p.Rules {
			less := &eks.AccessPolicy{Rules: slices.Delete(slices.Clone(p.Rules), i, i+1)}
			for _, ask := range asks {
				if less.Allows(ask) && !p.Allows(ask) {
					t.Fatalf("%s without rule %d allows more: %+v", p.Name, i, ask)
				}
			}
		}
	}
	asks := []eks.Attributes{url("get", "/x")}
	for _, ns := range []string{"", "a", "ab", "b"} {
		asks = append(asks, question("get", "pods", ns), question("get", "namespaces", ns, named("a")), question("get", "namespaces", ns, named(ns)))
	}
	wider := []eks.Scope{wholeCluster, namespaces("*"), namespaces("a*", "b"), namespaces("a*"), namespaces("a"), namespaces()}
	for i := 1; i < len(wider); i++ {
		for _, ask := range asks {
			if wider[i].Covers(ask) && !wider[i-1].Covers(ask) {
				t.Errorf("%v covers what %v does not: %+v", wider[i], wider[i-1], ask)
			}
		}
	}
}
