package kubernetes

import (
	"math/rand/v2"
	"strings"
	"testing"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"mayfly.internal/internal/eks"
)

// TestRules holds the matching of access policies against Kubernetes' own: what a
// policy allows is what its rules cover, for every request of a small world and
// many policies.
func TestRules(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 11))
	some := func(from string) (out []string) {
		words := strings.Split(from, " ")
		for range 1 + r.IntN(2) {
			out = append(out, words[r.IntN(len(words))])
		}
		return out
	}
	var asks []eks.Attributes
	for _, verb := range []string{"get", "list", "delete"} {
		for _, path := range []string{"/", "/a", "/ab", "/a/", "/a/b", "/b"} {
			asks = append(asks, eks.Attributes{Verb: verb, Path: path})
		}
		for _, group := range []string{"", "apps", "x"} {
			for _, resource := range []string{"pods", "pods/log", "deployments", "deployments/scale", "log"} {
				for _, name := range []string{"", "a", "b"} {
					kind, sub, _ := strings.Cut(resource, "/")
					asks = append(asks, eks.Attributes{IsResource: true, Verb: verb, Group: group, Resource: kind, Subresource: sub, Name: name, Namespace: "n"})
				}
			}
		}
	}
	allowed, refused := 0, 0
	for range 3000 {
		var rules []eks.Rule
		for range 1 + r.IntN(3) {
			rule := eks.Rule{Verbs: some("get list delete *")}
			if r.IntN(4) == 0 {
				rule.NonResourceURLs = some("/ /a /a/ /a/* /a* /* * /b")
			} else {
				rule.APIGroups, rule.Resources = some(" apps *"), some("pods pods/log */log */scale deployments deployments/scale *")
				if r.IntN(2) == 0 {
					rule.ResourceNames = some("a b")
				}
			}
			rules = append(rules, rule)
		}
		if err := eks.CheckRules(rules); err != nil {
			t.Fatalf("%+v: %v", rules, err)
		}
		policy, theirs := &eks.AccessPolicy{Rules: rules}, []rbac.PolicyRule{}
		for _, rule := range rules {
			theirs = append(theirs, rbac.PolicyRule{Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames, NonResourceURLs: rule.NonResourceURLs})
		}
		for _, ask := range asks {
			want, _ := validation.Covers(theirs, []rbac.PolicyRule{asRule(ask)})
			if got := policy.Allows(ask); got != want {
				t.Fatalf("%+v\nof %+v: allowed %v, Kubernetes says %v", ask, rules, got, want)
			}
			if want {
				allowed++
			} else {
				refused++
			}
		}
	}
	if allowed < 10000 || refused < 10000 {
		t.Errorf("%d allowed, %d refused: that proves little", allowed, refused)
	}
}

// asRule is the rule that allows one request and nothing else.
func asRule(a eks.Attributes) rbac.PolicyRule {
	if !a.IsResource {
		return rbac.PolicyRule{Verbs: []string{a.Verb}, NonResourceURLs: []string{a.Path}}
	}
	rule := rbac.PolicyRule{Verbs: []string{a.Verb}, APIGroups: []string{a.Group}, Resources: []string{a.Resource}}
	if a.Subresource != "" {
		rule.Resources[0] += "/" + a.Subresource
	}
	if a.Name != "" {
		rule.ResourceNames = []string{a.Name}
	}
	return rule
}
