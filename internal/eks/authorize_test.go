package eks_test

import (
	"strings"
	"testing"

	"mayfly.internal/internal/eks"
)

const policies = "arn:aws:eks::aws:cluster-access-policy/"

func namespaces(names ...string) eks.Scope {
	return eks.Scope{Type: eks.NamespaceScope, Namespaces: names}
}

var wholeCluster = eks.Scope{Type: eks.ClusterScope}

// question is a resource request of the core group; the functions below change
// one thing of it.
func question(verb, resource, namespace string, change ...func(*eks.Attributes)) eks.Attributes {
	resource, sub, _ := strings.Cut(resource, "/")
	a := eks.Attributes{IsResource: true, Verb: verb, Resource: resource, Subresource: sub, Namespace: namespace, Version: "v1"}
	for _, c := range change {
		c(&a)
	}
	return a
}

func named(name string) func(*eks.Attributes) { return func(a *eks.Attributes) { a.Name = name } }
func group(g string) func(*eks.Attributes)    { return func(a *eks.Attributes) { a.Group = g } }
func url(verb, path string) eks.Attributes    { return eks.Attributes{Verb: verb, Path: path} }

// none is where there are no custom policies.
func none(string) (*eks.AccessPolicy, bool) { return nil, false }

func TestScope(t *testing.T) {
	for _, tt := range []struct {
		name  string
		scope eks.Scope
		ask   eks.Attributes
		want  bool
	}{
		{"the namespace itself", namespaces("production"), question("get", "pods", "production"), true},
		{"the second of two", namespaces("stage", "production"), question("get", "pods", "production"), true},
		{"a pattern", namespaces("dev-*"), question("get", "pods", "dev-7"), true},
		{"a pattern that matches the empty rest", namespaces("dev-*"), question("get", "pods", "dev-"), true},
		{"a pattern in the middle", namespaces("team-*-dev"), question("get", "pods", "team-web-dev"), true},
		{"every namespace", namespaces("*"), question("get", "pods", "anything"), true},

		{"another namespace", namespaces("production"), question("get", "pods", "stage"), false},
		{"a namespace whose name begins the same", namespaces("production"), question("get", "pods", "production-2"), false},
		{"a namespace that the name begins with", namespaces("production"), question("get", "pods", "prod"), false},
		{"upper case", namespaces("production"), question("get", "pods", "Production"), false},
		{"a trailing line break", namespaces("production"), question("get", "pods", "production\n"), false},
		{"before a pattern", namespaces("dev-*"), question("get", "pods", "xdev-7"), false},
		{"a pattern's own text", namespaces("dev-*"), question("get", "pods", "dev"), false},
		{"a question mark is no wildcard", namespaces("de?"), question("get", "pods", "dev"), false},

		{"all namespaces at once", namespaces("production"), question("list", "pods", ""), false},
		{"all namespaces at once, under a pattern", namespaces("dev-*"), question("list", "pods", ""), false},
		{"all namespaces at once, under the star", namespaces("*"), question("list", "pods", ""), false},
		{"what has no namespace, under the star", namespaces("*"), question("get", "nodes", ""), false},
		{"a path, under the star", namespaces("*"), url("get", "/metrics"), false},
		{"a path that pretends to a namespace", namespaces("*"), eks.Attributes{Verb: "get", Path: "/x", Namespace: "production"}, false},
		{"no namespaces", namespaces(), question("get", "pods", "production"), false},
		{"the empty name", namespaces(""), question("list", "pods", ""), false},
		{"the zero value", eks.Scope{}, question("get", "pods", "production"), false},
		{"namespaces without the type", eks.Scope{Namespaces: []string{"production"}}, question("get", "pods", "production"), false},

		{"the whole cluster: a namespace", wholeCluster, question("get", "pods", "production"), true},
		{"the whole cluster: all namespaces", wholeCluster, question("list", "pods", ""), true},
		{"the whole cluster: a node", wholeCluster, question("get", "nodes", "", named("n1")), true},
		{"the whole cluster: a path", wholeCluster, url("get", "/metrics"), true},

		// The API server puts the name of a Namespace object into its namespace too.
		{"the Namespace object it names", namespaces("production"), question("get", "namespaces", "production", named("production")), true},
		{"its subresource", namespaces("production"), question("update", "namespaces/finalize", "production", named("production")), true},
		{"another Namespace object", namespaces("production"), question("get", "namespaces", "stage", named("stage")), false},
		{"another Namespace object under its name", namespaces("production"), question("delete", "namespaces", "production", named("stage")), false},
		{"a list of Namespace objects under its name", namespaces("production"), question("list", "namespaces", "production"), false},
		{"a list of all Namespace objects", namespaces("*"), question("list", "namespaces", ""), false},
		{"a new Namespace object", namespaces("*"), question("create", "namespaces", "", named("production")), false},
		{"a resource of another group that is called so", namespaces("production"), question("get", "namespaces", "production", named("x"), group("example.com")), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.scope.Covers(tt.ask); got != tt.want {
				t.Errorf("Covers = %t", got)
			}
		})
	}
}

func TestAuthorize(t *testing.T) {
	entry := eks.AccessEntry{PrincipalARN: "arn:aws:iam::111122223333:role/deployer", PrincipalID: "AROAEXAMPLE", Policies: []eks.Association{
		{PolicyARN: policies + "AmazonEKSEditPolicy", Scope: namespaces("production", "dev-*")},
		{PolicyARN: policies + "AmazonEKSViewPolicy", Scope: namespaces("stage")},
		{PolicyARN: policies + "NoSuchPolicy", Scope: wholeCluster},
		{PolicyARN: policies + "AmazonEKSEventPolicy", Scope: wholeCluster}, // AWS's, without published rules
	}}
	deploy := func(ns string) eks.Attributes { return question("create", "deployments", ns, group("apps")) }
	for _, tt := range []struct {
		name string
		ask  eks.Attributes
		want string // the policy that allows, "" for no opinion
	}{
		{"deploys in production", deploy("production"), "AmazonEKSEditPolicy"},
		{"deploys in a namespace of the pattern", deploy("dev-1"), "AmazonEKSEditPolicy"},
		{"looks at stage", question("list", "pods", "stage"), "AmazonEKSViewPolicy"},
		{"reads a log in stage", question("get", "pods/log", "stage", named("web-0")), "AmazonEKSViewPolicy"},

		{"does not deploy in stage", deploy("stage"), ""},
		{"does not deploy in a third", deploy("default"), ""},
		{"does not deploy in kube-system", deploy("kube-system"), ""},
		{"does not deploy in all", deploy(""), ""},
		{"does not read secrets in stage", question("get", "secrets", "stage", named("x")), ""},
		{"does not run commands in stage", question("create", "pods/exec", "stage", named("web-0")), ""},
		{"does not see nodes", question("list", "nodes", ""), ""},
		{"does not grant itself more", question("create", "rolebindings", "production", group("rbac.authorization.k8s.io")), ""},
		{"does not call a path", url("get", "/metrics"), ""},
		{"another group's deployments", question("create", "deployments", "production", group("example.com")), ""},
		{"a verb in upper case", question("CREATE", "configmaps", "production"), ""},
		{"no verb", question("", "configmaps", "production"), ""},
		{"the star as a verb", question("*", "configmaps", "production"), ""},
		{"the star as a resource", question("get", "*", "production"), ""},
		{"the empty request", eks.Attributes{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := entry.Authorize(tt.ask, none)
			if strings.TrimPrefix(got.Policy, policies) != tt.want || (got.Verdict == eks.Allow) != (tt.want != "") {
				t.Errorf("Authorize = %+v", got)
			}
		})
	}
	if got := (eks.AccessEntry{}).Authorize(deploy("production"), none); got.Verdict != eks.NoOpinion {
		t.Errorf("an entry without policies: %+v", got)
	}
}

func TestReason(t *testing.T) {
	entry := eks.AccessEntry{PrincipalARN: "arn:aws:iam::111122223333:role/deployer", PrincipalID: "AROAEXAMPLE"}
	for _, tt := range []struct {
		scope eks.Scope
		want  string
	}{
		{wholeCluster, `EKS Access Policy: allowed by ClusterRoleBinding "arn:aws:iam::111122223333:role/deployer+arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" of ClusterRole "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" to User "AROAEXAMPLE"`},
		{namespaces("dev-*"), `EKS Access Policy: allowed by RoleBinding "arn:aws:iam::111122223333:role/deployer+arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy/dev-1" of ClusterRole "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" to User "AROAEXAMPLE"`},
	} {
		e := entry.Associate(policies+"AmazonEKSViewPolicy", tt.scope, now)
		ask := question("get", "pods", "dev-1")
		if got := e.Authorize(ask, none).Reason(e, ask); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	if got := (eks.Opinion{}).Reason(entry, eks.Attributes{}); got != "" {
		t.Errorf("no opinion has the reason %q", got)
	}
}

func TestKubeSystemWarning(t *testing.T) {
	both := eks.Cluster{Name: "c", Mode: eks.ModeAPIAndConfigMap}
	for _, tt := range []struct {
		name   string
		mode   eks.AuthenticationMode
		policy string
		scope  eks.Scope
		warns  bool
	}{
		{"edit in kube-system", eks.ModeAPIAndConfigMap, "AmazonEKSEditPolicy", namespaces("kube-system"), true},
		{"edit in kube-system, aws-auth alone", eks.ModeConfigMap, "AmazonEKSEditPolicy", namespaces("kube-system"), true},
		{"edit under a pattern that reaches it", eks.ModeAPIAndConfigMap, "AmazonEKSEditPolicy", namespaces("team", "kube-*"), true},
		{"edit everywhere", eks.ModeAPIAndConfigMap, "AmazonEKSEditPolicy", wholeCluster, true},
		{"cluster admin in kube-system alone", eks.ModeAPIAndConfigMap, "AmazonEKSClusterAdminPolicy", namespaces("kube-system"), true},
		{"admin in kube-system", eks.ModeAPIAndConfigMap, "AmazonEKSAdminPolicy", namespaces("*"), true},

		{"a cluster that does not read aws-auth", eks.ModeAPI, "AmazonEKSEditPolicy", namespaces("kube-system"), false},
		{"view in kube-system", eks.ModeAPIAndConfigMap, "AmazonEKSViewPolicy", namespaces("kube-system"), false},
		{"reading everything", eks.ModeAPIAndConfigMap, "AmazonEKSAdminViewPolicy", wholeCluster, false},
		{"edit elsewhere", eks.ModeAPIAndConfigMap, "AmazonEKSEditPolicy", namespaces("production"), false},
		{"cluster admin openly", eks.ModeAPIAndConfigMap, "AmazonEKSClusterAdminPolicy", wholeCluster, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := both
			c.Mode = tt.mode
			got := eks.KubeSystemWarning(c, find(t, tt.policy), tt.scope)
			if (got != "") != tt.warns || tt.warns && !strings.Contains(got, "cluster-admin") {
				t.Errorf("%q", got)
			}
		})
	}
}

func BenchmarkAuthorize(b *testing.B) {
	e := eks.AccessEntry{}.Associate(policies+"AmazonEKSEditPolicy", namespaces("dev-*", "production"), now)
	ask := question("create", "deployments", "production", group("apps"))
	b.ReportAllocs()
	for b.Loop() {
		if e.Authorize(ask, none).Verdict != eks.Allow {
			b.Fatal("no opinion")
		}
	}
}
