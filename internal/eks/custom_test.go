package eks_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/eks"
)

const custom = "arn:aws:eks::111122223333:cluster-access-policy/"

// policy is a custom access policy.
func policy(name string, rules ...eks.Rule) *eks.AccessPolicy {
	return &eks.AccessPolicy{ARN: custom + name, Name: name, Rules: rules, Created: now, Modified: now}
}

// have finds among some custom policies.
func have(policies ...*eks.AccessPolicy) func(string) (*eks.AccessPolicy, bool) {
	return func(arn string) (*eks.AccessPolicy, bool) {
		i := slices.IndexFunc(policies, func(p *eks.AccessPolicy) bool { return p.ARN == arn })
		if i < 0 {
			return nil, false
		}
		return policies[i], true
	}
}

func core(verbs, resources string) eks.Rule {
	return eks.Rule{APIGroups: []string{""}, Resources: strings.Fields(resources), Verbs: strings.Fields(verbs)}
}

func TestAccessPolicyARN(t *testing.T) {
	for name, want := range map[string]string{
		"log-reader":              custom + "log-reader",
		"AmazonEKSEditPolicy":     policies + "AmazonEKSEditPolicy",
		"AmazonEKSAutoNodePolicy": policies + "AmazonEKSAutoNodePolicy", // without published rules
		"amazonEKSEditPolicy":     custom + "amazonEKSEditPolicy",       // which nobody can make
		"*":                       custom + "*",
		"":                        custom,
	} {
		if got := eks.AccessPolicyARN("111122223333", name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
	if !find(t, "AmazonEKSEditPolicy").BuiltIn() || policy("AmazonEKSEditPolicy").BuiltIn() || policy("a").BuiltIn() {
		t.Error("whose a policy is does not follow from its ARN")
	}
}

func TestCheckAccessPolicyName(t *testing.T) {
	for _, name := range []string{"log-reader", "a", "0", "A_b-9", strings.Repeat("a", 100), "EKSEditPolicy", "my-AmazonEKSEditPolicy", "awk"} {
		if err := eks.CheckAccessPolicyName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, want := range map[string]eks.Reason{
		"": eks.InvalidValue, "-a": eks.InvalidValue, "a.b": eks.InvalidValue, "a/b": eks.InvalidValue, "a*": eks.InvalidValue, "a\n": eks.InvalidValue, "ä": eks.InvalidValue, "..": eks.InvalidValue, strings.Repeat("a", 101): eks.InvalidValue, strings.Repeat("ß", 9999): eks.InvalidValue,
		"AmazonEKSEditPolicy": eks.NotSupported, "amazoneksEDITpolicy": eks.NotSupported, "AIDevOpsAgentAccessPolicy": eks.NotSupported, "aidevopsagentaccesspolicy": eks.NotSupported,
		"AmazonEKSFuturePolicy": eks.InvalidValue, "amazon": eks.InvalidValue, "AWSPolicy": eks.InvalidValue, "aws-x": eks.InvalidValue,
	} {
		e, ok := errors.AsType[*eks.Error](eks.CheckAccessPolicyName(name))
		if !ok || e.Reason != want || len(e.Detail) > 500 {
			t.Errorf("%.60q: %v", name, e)
		}
	}
}

func TestCheckRules(t *testing.T) {
	long := strings.Repeat("x", 253)
	many := slices.Repeat([]string{"x"}, 4998)
	for name, rules := range map[string][]eks.Rule{
		"a resource":                 {core("get list", "pods")},
		"everything":                 {{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, {NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}},
		"subresources":               {{APIGroups: []string{"", "apps"}, Resources: []string{"pods/log", "*/scale"}, Verbs: []string{"get"}}},
		"names":                      {{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"aws-auth", "system:x", "a b"}, Verbs: []string{"get"}}},
		"paths":                      {{NonResourceURLs: []string{"/healthz", "/metrics/*", "/", "/*", "/api*"}, Verbs: []string{"get"}}},
		"a group with dots":          {{APIGroups: []string{"rbac.authorization.k8s.io"}, Resources: []string{"roles"}, Verbs: []string{"escalate"}}},
		"texts of the longest sort":  {{APIGroups: []string{long}, Resources: []string{long}, ResourceNames: []string{long}, Verbs: []string{long}}},
		"as many texts as there may": {{APIGroups: []string{""}, Resources: many, Verbs: []string{"get"}}},
		"as many rules as there may": slices.Repeat([]eks.Rule{core("get", "pods")}, 500),
	} {
		if err := eks.CheckRules(rules); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	change := func(change func(*eks.Rule)) []eks.Rule {
		r := core("get", "pods")
		change(&r)
		return []eks.Rule{core("get", "pods"), r}
	}
	url := func(urls ...string) []eks.Rule {
		return change(func(r *eks.Rule) { *r = eks.Rule{NonResourceURLs: urls, Verbs: []string{"get"}} })
	}
	const verb, group, resource, named, path = "rules[1].verbs[0] is ", "rules[1].apiGroups[0] is ", "rules[1].resources[0] is ", "rules[1].resourceNames[0] is ", "rules[1].nonResourceURLs[0] is "
	for _, tt := range []struct {
		name  string
		rules []eks.Rule
		want  string
	}{
		{"none", nil, "An access policy has 1 to 500 rules"},
		{"too many", slices.Repeat([]eks.Rule{core("get", "pods")}, 501), "An access policy has 1 to 500 rules"},
		{"too much", []eks.Rule{{APIGroups: []string{""}, Resources: append(many, "y"), Verbs: []string{"get"}}}, "The rules of an access policy hold 5000"},
		{"an empty rule", []eks.Rule{{}}, "rules[0].verbs is missing"},
		{"no verbs", change(func(r *eks.Rule) { r.Verbs = nil }), "rules[1].verbs is missing"},
		{"no groups", change(func(r *eks.Rule) { r.APIGroups = nil }), `rules[1].apiGroups is missing: the core group is ""`},
		{"no resources", change(func(r *eks.Rule) { r.Resources = nil }), "rules[1].resources is missing"},
		{"names alone", change(func(r *eks.Rule) { r.Resources, r.APIGroups, r.ResourceNames = nil, nil, []string{"a"} }), "rules[1].apiGroups is missing"},
		{"resources and paths", change(func(r *eks.Rule) { r.NonResourceURLs = []string{"/x"} }), "rules[1] is for resources and for nonResourceURLs"},
		{"names and paths", change(func(r *eks.Rule) {
			*r = eks.Rule{NonResourceURLs: []string{"/x"}, ResourceNames: []string{"a"}, Verbs: []string{"get"}}
		}), "rules[1] is for resources and for nonResourceURLs"},
		{"an empty verb", change(func(r *eks.Rule) { r.Verbs = []string{""} }), verb},
		{"part of a verb", change(func(r *eks.Rule) { r.Verbs = []string{"get*"} }), verb},
		{"a verb with a line break", change(func(r *eks.Rule) { r.Verbs = []string{"get\n"} }), verb},
		{"a verb that is no text", change(func(r *eks.Rule) { r.Verbs = []string{"\xff"} }), verb},
		{"a long verb", change(func(r *eks.Rule) { r.Verbs = []string{long + "x"} }), verb},
		{"a group with its version", change(func(r *eks.Rule) { r.APIGroups = []string{"apps/v1"} }), group},
		{"part of a group", change(func(r *eks.Rule) { r.APIGroups = []string{"*.k8s.io"} }), group},
		{"an empty resource", change(func(r *eks.Rule) { r.Resources = []string{""} }), resource},
		{"part of a resource", change(func(r *eks.Rule) { r.Resources = []string{"pod*"} }), resource},
		{"all subresources of one", change(func(r *eks.Rule) { r.Resources = []string{"pods/*"} }), resource},
		{"all subresources of all", change(func(r *eks.Rule) { r.Resources = []string{"*/*"} }), resource},
		{"no subresource", change(func(r *eks.Rule) { r.Resources = []string{"pods/"} }), resource},
		{"a subresource of nothing", change(func(r *eks.Rule) { r.Resources = []string{"/log"} }), resource},
		{"two subresources", change(func(r *eks.Rule) { r.Resources = []string{"pods/log/x"} }), resource},
		{"an empty name", change(func(r *eks.Rule) { r.ResourceNames = []string{""} }), named},
		{"part of a name", change(func(r *eks.Rule) { r.ResourceNames = []string{"app-*"} }), named},
		{"all names", change(func(r *eks.Rule) { r.ResourceNames = []string{"*"} }), named},
		{"an empty path", url(""), path},
		{"a path without its slash", url("healthz"), path},
		{"a star in the middle", url("/a/*/b"), path},
		{"two stars", url("/a**"), path},
		{"a path with a line break", url("/a\n"), path},
	} {
		e, ok := errors.AsType[*eks.Error](eks.CheckRules(tt.rules))
		if !ok || e.Reason != eks.InvalidValue || !strings.HasPrefix(e.Detail, tt.want) || len(e.Detail) > 500 {
			t.Errorf("%s: %v, want %s", tt.name, e, tt.want)
		}
	}
}

// AWS's own rules are of the form that custom ones must have: they are what one
// copies.
func TestOwnRulesAreRules(t *testing.T) {
	for _, p := range eks.AccessPolicies() {
		if err := eks.CheckRules(p.Rules); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

// TestAuthorizeCustom: each rule with its neighbours, in the scope of a
// namespace and of the cluster.
func TestAuthorizeCustom(t *testing.T) {
	found := have(policy("logs", core("get", "pods/log"), core("get list", "pods")),
		policy("wide", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, eks.Rule{NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}),
		policy("scaler", eks.Rule{APIGroups: []string{"apps"}, Resources: []string{"*/scale"}, Verbs: []string{"update"}}),
		policy("one-map", eks.Rule{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{"settings"}, Verbs: []string{"get", "update", "list", "create"}}),
		policy("probe", eks.Rule{NonResourceURLs: []string{"/healthz", "/metrics/*"}, Verbs: []string{"get"}}))
	for _, tt := range []struct {
		name   string
		policy string
		scope  eks.Scope
		ask    eks.Attributes
		want   bool
	}{
		{"reads a log", "logs", namespaces("stage"), question("get", "pods/log", "stage", named("web-0")), true},
		{"lists pods", "logs", namespaces("stage"), question("list", "pods", "stage"), true},
		{"deletes a pod", "logs", namespaces("stage"), question("delete", "pods", "stage", named("web-0")), false},
		{"writes a log", "logs", namespaces("stage"), question("update", "pods/log", "stage", named("web-0")), false},
		{"runs a command", "logs", namespaces("stage"), question("create", "pods/exec", "stage", named("web-0")), false},
		{"reads a log elsewhere", "logs", namespaces("stage"), question("get", "pods/log", "production", named("web-0")), false},
		{"lists pods everywhere", "logs", namespaces("*"), question("list", "pods", ""), false},
		{"lists pods everywhere in the cluster", "logs", wholeCluster, question("list", "pods", ""), true},
		{"a pod of another group", "logs", wholeCluster, question("get", "pods", "stage", group("metrics.k8s.io")), false},

		{"anything in its namespace", "wide", namespaces("stage"), question("escalate", "roles", "stage", group("rbac.authorization.k8s.io")), true},
		{"a node, from a namespace", "wide", namespaces("stage"), question("get", "nodes", "", named("n1")), false},
		{"a node, from every namespace", "wide", namespaces("*"), question("get", "nodes", "", named("n1")), false},
		{"a path, from every namespace", "wide", namespaces("*"), url("get", "/metrics"), false},
		{"a new namespace, from every namespace", "wide", namespaces("*"), question("create", "namespaces", ""), false},
		{"a node", "wide", wholeCluster, question("get", "nodes", "", named("n1")), true},
		{"a path", "wide", wholeCluster, url("delete", "/x"), true},

		{"scales a deployment", "scaler", namespaces("stage"), question("update", "deployments/scale", "stage", group("apps")), true},
		{"changes a deployment", "scaler", namespaces("stage"), question("update", "deployments", "stage", group("apps")), false},
		{"changes its status", "scaler", namespaces("stage"), question("update", "deployments/status", "stage", group("apps")), false},
		{"scales what is of no group", "scaler", namespaces("stage"), question("update", "replicationcontrollers/scale", "stage"), false},

		{"changes the one it names", "one-map", namespaces("stage"), question("update", "configmaps", "stage", named("settings")), true},
		{"changes another", "one-map", namespaces("stage"), question("update", "configmaps", "stage", named("settings2")), false},
		{"lists all", "one-map", namespaces("stage"), question("list", "configmaps", "stage"), false},
		{"lists by its name", "one-map", namespaces("stage"), question("list", "configmaps", "stage", named("settings")), true},
		{"makes one, whose name the review does not tell", "one-map", namespaces("stage"), question("create", "configmaps", "stage"), false},

		{"a probe", "probe", wholeCluster, url("get", "/healthz"), true},
		{"below a probe", "probe", wholeCluster, url("get", "/healthz/etcd"), false},
		{"a metric", "probe", wholeCluster, url("get", "/metrics/slis"), true},
		{"posting a metric", "probe", wholeCluster, url("post", "/metrics/slis"), false},
		{"a probe from every namespace", "probe", namespaces("*"), url("get", "/healthz"), false},

		{"a policy that is gone", "gone", wholeCluster, question("get", "pods", "stage"), false},
		{"a policy in other case", "LOGS", wholeCluster, question("get", "pods", "stage"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := eks.AccessEntry{PrincipalARN: "arn:aws:iam::111122223333:role/r", PrincipalID: "AROA"}.Associate(custom+tt.policy, tt.scope, now)
			got := e.Authorize(tt.ask, found)
			if (got.Verdict == eks.Allow) != tt.want || tt.want && (got.Policy != custom+tt.policy || !strings.Contains(got.Reason(e, tt.ask), tt.policy)) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A custom policy does not stand in for one of AWS's, whatever is found under
// its ARN.
func TestCustomDoesNotReplaceOwn(t *testing.T) {
	wide := policy("x", eks.Rule{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}})
	e := eks.AccessEntry{}.Associate(policies+"AmazonEKSViewPolicy", wholeCluster, now)
	if got := e.Authorize(question("delete", "pods", "stage"), func(string) (*eks.AccessPolicy, bool) { return wide, true }); got.Verdict != eks.NoOpinion {
		t.Errorf("%+v", got)
	}
}

func TestKubeSystemWarningOfCustom(t *testing.T) {
	both := eks.Cluster{Name: "c", Mode: eks.ModeAPIAndConfigMap}
	one := core("patch", "configmaps")
	one.ResourceNames = []string{"aws-auth"}
	another := one
	another.ResourceNames = []string{"settings"}
	for _, tt := range []struct {
		name  string
		rule  eks.Rule
		mode  eks.AuthenticationMode
		scope eks.Scope
		warns bool
	}{
		{"writes ConfigMaps", core("get update", "configmaps"), eks.ModeAPIAndConfigMap, namespaces("kube-system"), true},
		{"makes ConfigMaps", core("create", "configmaps"), eks.ModeConfigMap, namespaces("*"), true},
		{"patches aws-auth alone", one, eks.ModeAPIAndConfigMap, namespaces("kube-*"), true},
		{"does anything", core("*", "*"), eks.ModeAPIAndConfigMap, wholeCluster, true},

		{"reads ConfigMaps", core("get list watch", "configmaps"), eks.ModeAPIAndConfigMap, namespaces("kube-system"), false},
		{"patches another", another, eks.ModeAPIAndConfigMap, namespaces("kube-system"), false},
		{"writes them elsewhere", core("update", "configmaps"), eks.ModeAPIAndConfigMap, namespaces("production"), false},
		{"writes what else is called so", eks.Rule{APIGroups: []string{"example.com"}, Resources: []string{"configmaps"}, Verbs: []string{"*"}}, eks.ModeAPIAndConfigMap, namespaces("kube-system"), false},
		{"where aws-auth does not count", core("*", "*"), eks.ModeAPI, wholeCluster, false},
	} {
		c := both
		c.Mode = tt.mode
		if got := eks.KubeSystemWarning(c, policy("mine", tt.rule), tt.scope); (got != "") != tt.warns || tt.warns && !strings.HasPrefix(got, "mine in kube-system of c is cluster-admin") {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}

func TestCheckAssociations(t *testing.T) {
	var e eks.AccessEntry
	for i := range 50 {
		e = e.Associate(fmt.Sprint(custom, i), wholeCluster, now)
	}
	if err := e.CheckAssociations(); err != nil {
		t.Errorf("the last that fits: %v", err)
	}
	if err := e.Associate(custom+"7", namespaces("a"), now).CheckAssociations(); err != nil {
		t.Errorf("one of them again: %v", err)
	}
	if got, ok := errors.AsType[*eks.Error](e.Associate(custom+"more", wholeCluster, now).CheckAssociations()); !ok || got.Reason != eks.TooMany {
		t.Errorf("one more: %v", got)
	}
}

func BenchmarkAuthorizeCustom(b *testing.B) {
	p := policy("p", core("get", "pods/log"), core("get list", "pods"))
	largest := policy("largest", slices.Repeat([]eks.Rule{{APIGroups: []string{"apps"}, Resources: strings.Fields("aaaaaaaaaaa bbbbbbbbbbb ccccccccccc ddddddddddd eeeeeeeeeee fffffffffff ggggggggggg deployments"), Verbs: []string{"delete"}}}, 500)...)
	for name, bb := range map[string]struct {
		policy *eks.AccessPolicy
		want   eks.Verdict
	}{"small": {p, eks.Allow}, "largest": {largest, eks.NoOpinion}} {
		b.Run(name, func(b *testing.B) {
			e := eks.AccessEntry{}.Associate(bb.policy.ARN, namespaces("production"), now)
			ask, found := question("get", "pods/log", "production"), have(bb.policy)
			if name == "largest" {
				ask = question("delete", "deploymentz", "production", group("apps"))
			}
			b.ReportAllocs()
			for b.Loop() {
				if e.Authorize(ask, found).Verdict != bb.want {
					b.Fatal("another verdict")
				}
			}
		})
	}
}
