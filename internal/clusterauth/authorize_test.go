package clusterauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

const (
	allowed = "allowed"
	denied  = "denied"
	opinion = "no opinion"
)

func verdict(a Answer) string {
	switch {
	case a.Allowed && !a.Denied:
		return allowed
	case a.Denied && !a.Allowed:
		return denied
	case !a.Allowed && !a.Denied:
		return opinion
	}
	return "both"
}

func TestAuthorize(t *testing.T) {
	w := newWorld(t)
	id := w.known(w.job())
	in := func(ns string, change ...func(*eks.Attributes)) eks.Attributes {
		a := deploy(ns)
		for _, c := range change {
			c(&a)
		}
		return a
	}
	for _, tt := range []struct {
		name string
		ask  eks.Attributes
		want string
	}{
		{"deploys in its namespace", in("production"), allowed},
		{"reads its Namespace object", eks.Attributes{IsResource: true, Verb: "get", Resource: "namespaces", Namespace: "production", Name: "production"}, allowed},
		{"deploys elsewhere", in("default"), opinion},
		{"deploys in a namespace whose name begins the same", in("production-2"), opinion},
		{"deploys in kube-system", in("kube-system"), opinion},
		{"lists in all namespaces", in("", func(a *eks.Attributes) { a.Verb = "list" }), opinion},
		{"grants rights", in("production", func(a *eks.Attributes) { a.Group, a.Resource = "rbac.authorization.k8s.io", "rolebindings" }), opinion},
		{"reads a node", eks.Attributes{IsResource: true, Verb: "get", Resource: "nodes", Name: "n1"}, opinion},
		{"calls a path", eks.Attributes{Verb: "get", Path: "/metrics"}, opinion},
		{"reads aws-auth", eks.Attributes{IsResource: true, Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "aws-auth"}, opinion},
		{"nothing", eks.Attributes{}, opinion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := w.may(id, tt.ask); verdict(got) != tt.want || got.Reason == "" {
				t.Errorf("%+v, want %s", got, tt.want)
			}
		})
	}
	if got, want := w.may(id, in("production")).Reason, `EKS Access Policy: allowed by RoleBinding "arn:aws:iam::111122223333:role/team/deployer+arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy/production" of ClusterRole "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy" to User "AROADEPLOYER"`; got != want {
		t.Errorf("the reason is\n%s, want\n%s", got, want)
	}
}

// TestAuthorizeCustomPolicy: a custom policy allows what it holds, as it is when
// it is asked; what it never held, or holds no longer, RBAC decides.
func TestAuthorizeCustomPolicy(t *testing.T) {
	w := newWorld(t)
	custom := func(verbs ...string) registry.Change {
		return registry.PutAccessPolicy{Policy: &eks.AccessPolicy{ARN: eks.AccessPolicyARN(account, "logs"), Name: "logs", Created: start, Modified: start,
			Rules: []eks.Rule{{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: verbs}}}}
	}
	entry := entryFor("deployer", "AROADEPLOYER")
	entry.Policies = nil
	entry = entry.Associate(eks.AccessPolicyARN(account, "logs"), eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production"}}, start)
	w.put(custom("get"), registry.PutEntry{Entry: entry})
	id := w.known(w.job())
	log := func(verb, namespace string) eks.Attributes {
		return eks.Attributes{IsResource: true, Verb: verb, Resource: "pods", Subresource: "log", Namespace: namespace, Name: "web-0"}
	}
	ask := func(name string, a eks.Attributes, want string) {
		t.Helper()
		if got := w.may(id, a); verdict(got) != want {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
	}
	ask("reads a log", log("get", "production"), allowed)
	ask("reads a log elsewhere", log("get", "stage"), opinion)
	ask("deletes a pod", eks.Attributes{IsResource: true, Verb: "delete", Resource: "pods", Namespace: "production", Name: "web-0"}, opinion)
	ask("deploys", deploy("production"), opinion)
	if e := w.events("kubernetes:SubjectAccessReview"); len(e) != 1 || !slices.Equal(e[0].Matched, []string{"arn:aws:eks::111122223333:cluster-access-policy/logs"}) {
		t.Errorf("recorded is %+v", e)
	}
	w.put(custom("list"))
	ask("reads a log under other rules", log("get", "production"), opinion)
	ask("lists logs under them", log("list", "production"), allowed)
	w.put(registry.DeleteAccessPolicy{Name: "logs"})
	ask("lists logs without the policy", log("list", "production"), opinion)
}

// TestAuthorizeWhatIsGone: denial is for what has ended and for nothing else. It
// is asked for what would be allowed and for what would not: RBAC may allow
// that, and must not.
func TestAuthorizeWhatIsGone(t *testing.T) {
	entry := entryFor("deployer", "AROADEPLOYER")
	for _, tt := range []struct {
		name           string
		change         func(w *world)
		own, elsewhere string
		because        string
	}{
		{"nothing", func(*world) {}, allowed, opinion, ""},
		{"in the session's last second", func(w *world) { w.pass(15*time.Minute - time.Second) }, allowed, opinion, ""},
		{"in the second it ends", func(w *world) { w.pass(15 * time.Minute) }, denied, denied, "the session has expired"},
		{"the role", func(w *world) { w.put(registry.DeleteRole{Name: "deployer"}) }, denied, denied, "the session's role no longer exists"},
		{"the role, and another of its name", func(w *world) { w.put(registry.PutRole{Role: role("deployer", "AROAANOTHER")}) }, denied, denied, "the session's role no longer exists"},
		{"the role's name", func(w *world) {
			w.put(registry.DeleteRole{Name: "deployer"}, registry.PutRole{Role: role("renamed", "AROADEPLOYER")})
		}, opinion, opinion, "not a user of Mayfly's"},
		{"the provider", func(w *world) { w.put(registry.DeleteProvider{URL: gitlab}) }, denied, denied, "the session's identity provider no longer exists"},
		{"the provider, and another of its URL", func(w *world) { w.put(registry.PutProvider{Provider: provider("OIDC2")}) }, denied, denied, "the session's identity provider no longer exists"},
		{"the entry", func(w *world) { w.put(registry.DeleteEntry{Cluster: "prod", Principal: entry.PrincipalARN}) }, denied, denied, "the access entry no longer exists"},
		{"the entry, and another for the same role", func(w *world) {
			e := entry
			e.UUID = "another"
			w.put(registry.DeleteEntry{Cluster: "prod", Principal: e.PrincipalARN}, registry.PutEntry{Entry: e})
		}, denied, denied, "the access entry no longer exists"},
		{"another provider", func(w *world) {
			w.put(registry.PutProvider{Provider: oidc.Provider{ID: "OIDC9", Account: account, URL: "https://other.example", Created: start}}, registry.DeleteProvider{URL: "https://other.example"})
		}, allowed, opinion, ""},
		{"the policy", func(w *world) {
			e, _ := entry.Disassociate(policies + "AmazonEKSEditPolicy")
			w.put(registry.PutEntry{Entry: e})
		}, opinion, opinion, ""},
		{"the policy's namespace", func(w *world) {
			w.put(registry.PutEntry{Entry: entry.Associate(policies+"AmazonEKSEditPolicy", eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"elsewhere"}}, start)})
		}, opinion, allowed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			id := w.known(w.job())
			tt.change(w)
			own, other := w.may(id, deploy("production")), w.may(id, deploy("elsewhere"))
			if verdict(own) != tt.own || verdict(other) != tt.elsewhere {
				t.Errorf("its own: %+v, elsewhere: %+v", own, other)
			}
			if tt.because != "" && (own.Reason != tt.because || other.Reason != tt.because) {
				t.Errorf("because %q and %q", own.Reason, other.Reason)
			}
		})
	}
}

// An identity from aws-auth has no access policies: RBAC decides, until the
// session has ended.
func TestAuthorizeFromAwsAuth(t *testing.T) {
	fromMapping := func(t *testing.T) (*world, eks.Identity) {
		w := newWorld(t)
		w.put(registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN})
		w.mappings.said = eks.Mappings{Roles: []eks.Mapping{{ARN: "arn:aws:iam::111122223333:role/deployer", Username: "deployer"}}}
		return w, w.known(w.job())
	}
	for _, tt := range []struct {
		name   string
		change func(w *world)
		want   string
	}{
		{"as it is", func(*world) {}, opinion},
		{"an entry was made since", func(w *world) { w.put(registry.PutEntry{Entry: entryFor("deployer", "AROADEPLOYER")}) }, opinion},
		{"the session has expired", func(w *world) { w.pass(15 * time.Minute) }, denied},
		{"the role is gone", func(w *world) { w.put(registry.DeleteRole{Name: "deployer"}) }, denied},
		{"the provider is gone", func(w *world) { w.put(registry.DeleteProvider{URL: gitlab}) }, denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, id := fromMapping(t)
			tt.change(w)
			if got := w.may(id, deploy("production")); verdict(got) != tt.want {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestAuthorizeDisagreement changes one part of a user. With the seal it came
// with, nothing but the user name and what the authorizer does not read may
// change; and even under a seal of its own a part that disagrees is nobody's.
func TestAuthorizeDisagreement(t *testing.T) {
	set := func(key string, values ...string) func(*AccessInput) {
		return func(in *AccessInput) {
			in.Extra[key] = values
			if values == nil {
				delete(in.Extra, key)
			}
		}
	}
	for _, tt := range []struct {
		name     string
		change   func(*AccessInput)
		asItCame string // under the seal it came with
		resealed string // under a seal over the change
	}{
		{"nothing", func(*AccessInput) {}, allowed, allowed},
		{"the user name, which nobody reads", func(in *AccessInput) { in.User = "somebody" }, allowed, allowed},
		{"a claim, which nobody reads", set("gitlab.example/ref", "other"), allowed, allowed},

		{"the uid", func(in *AccessInput) { in.UID = "aws-iam-authenticator:111122223333:AROAOTHER" }, opinion, opinion},
		{"the uid's account", func(in *AccessInput) { in.UID = "aws-iam-authenticator:999922223333:AROADEPLOYER" }, opinion, opinion},
		{"no uid", func(in *AccessInput) { in.UID = "" }, opinion, opinion},
		{"principalId", set(eks.ExtraPrincipalID, "AROAOTHER"), opinion, opinion},
		{"no principalId", set(eks.ExtraPrincipalID), opinion, opinion},
		{"two principalIds", set(eks.ExtraPrincipalID, "AROADEPLOYER", "AROAOTHER"), opinion, opinion},
		{"canonicalArn of another role", set(eks.ExtraCanonicalARN, "arn:aws:iam::111122223333:role/other"), opinion, opinion},
		{"canonicalArn with the path", set(eks.ExtraCanonicalARN, "arn:aws:iam::111122223333:role/team/deployer"), opinion, opinion},
		{"canonicalArn in capitals", set(eks.ExtraCanonicalARN, "arn:aws:iam::111122223333:role/DEPLOYER"), opinion, opinion},
		{"canonicalArn of another account", set(eks.ExtraCanonicalARN, "arn:aws:iam::999922223333:role/deployer"), opinion, opinion},
		{"no canonicalArn", set(eks.ExtraCanonicalARN), opinion, opinion},
		{"arn of another role", set(eks.ExtraARN, "arn:aws:sts::111122223333:assumed-role/other/job-7"), opinion, opinion},
		{"arn of another session", set(eks.ExtraARN, "arn:aws:sts::111122223333:assumed-role/deployer/job-8"), opinion, opinion},
		{"arn of another account", set(eks.ExtraARN, "arn:aws:sts::999922223333:assumed-role/deployer/job-7"), opinion, opinion},
		{"an arn that is none", set(eks.ExtraARN, "deployer"), opinion, opinion},
		{"no arn", set(eks.ExtraARN), opinion, opinion},
		{"another session name", set(eks.ExtraSessionName, "job-8"), opinion, opinion},
		{"no session", set(eks.ExtraSession), opinion, opinion},
		{"an empty session", set(eks.ExtraSession, ""), opinion, opinion},
		{"two sessions", set(eks.ExtraSession, strings.Repeat("0", 32), strings.Repeat("1", 32)), opinion, opinion},
		{"a session of another form", set(eks.ExtraSession, strings.Repeat("g", 32)), opinion, opinion},
		{"a session that is too long", set(eks.ExtraSession, strings.Repeat("0", 33)), opinion, opinion},
		{"no end", set(eks.ExtraExpires), opinion, opinion},
		{"an end that is no number", set(eks.ExtraExpires, "tomorrow"), opinion, opinion},
		{"two ends", set(eks.ExtraExpires, "1", "9999999999"), opinion, opinion},
		{"two entries", set(eks.ExtraEntry, "entry-of-AROADEPLOYER", "x"), opinion, opinion},
		{"two providers", set(eks.ExtraProvider, "OIDC1", "x"), opinion, opinion},
		{"two issuers", set(eks.ExtraIssuer, gitlab, "x"), opinion, opinion},
		{"the names in lower case, as impersonation makes them", func(in *AccessInput) {
			lower := map[string][]string{}
			for key, v := range in.Extra {
				lower[strings.ToLower(key)] = v
			}
			in.Extra = lower
		}, opinion, opinion},
		{"no extra", func(in *AccessInput) { in.Extra = nil }, opinion, opinion},

		// These would say something to the authorizer, were they not sealed.
		{"a longer life", set(eks.ExtraExpires, "9999999999"), opinion, allowed},
		{"an end in the past", set(eks.ExtraExpires, "1"), opinion, denied},
		{"another provider", set(eks.ExtraProvider, "OIDC2"), opinion, denied},
		{"another issuer", set(eks.ExtraIssuer, "https://other.example"), opinion, denied},
		{"a role it was assumed through", set(eks.ExtraChain, "AROANOBODY"), opinion, denied},
		{"no entry", set(eks.ExtraEntry), opinion, opinion},
		{"another entry", set(eks.ExtraEntry, "another"), opinion, denied},
		{"another session's id", set(eks.ExtraSession, strings.Repeat("0", 32)), opinion, allowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			in := w.ask(w.known(w.job()), deploy("production"))
			in.Extra = maps.Clone(in.Extra)
			tt.change(&in)
			if got := w.Authorize(t.Context(), in); verdict(got) != tt.asItCame {
				t.Errorf("as it came: %+v, want %s", got, tt.asItCame)
			}
			if in.Extra == nil {
				in.Extra = map[string][]string{}
			}
			if _, err := w.seal(eks.Identity{UID: in.UID, Extra: in.Extra}, in.Cluster, account); err != nil {
				t.Fatal(err)
			}
			if got := w.Authorize(t.Context(), in); verdict(got) != tt.resealed {
				t.Errorf("sealed anew: %+v, want %s", got, tt.resealed)
			}
		})
	}
}

// Users of other kinds depend on Mayfly for nothing.
func TestAuthorizeStrangers(t *testing.T) {
	w := newWorld(t)
	for name, in := range map[string]AccessInput{
		"a certificate's user":           {User: "kubernetes-admin"},
		"a service account":              {User: "system:serviceaccount:a:b", UID: "1", Extra: map[string][]string{"authentication.kubernetes.io/pod-name": {"p"}}},
		"one who says canonicalArn":      {User: "x", Extra: map[string][]string{eks.ExtraCanonicalARN: {"arn:aws:iam::111122223333:role/deployer"}}},
		"one of aws-iam-authenticator's": {User: "x", UID: "aws-iam-authenticator:111122223333:AROADEPLOYER", Extra: map[string][]string{eks.ExtraCanonicalARN: {"arn:aws:iam::111122223333:role/deployer"}, eks.ExtraARN: {"arn:aws:sts::111122223333:assumed-role/deployer/s"}, eks.ExtraPrincipalID: {"AROADEPLOYER"}, eks.ExtraSessionName: {"s"}}},
		"one called like the reader":     {User: readerName, UID: readerName},
	} {
		in.Cluster, in.Attributes, in.Info = w.cluster("prod"), deploy("production"), info
		if got := w.Authorize(t.Context(), in); got.Allowed || got.Denied {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An identity is good in the cluster it was given in, and in no other: not in
// the one that was registered anew under the name either.
func TestAuthorizeInAnotherCluster(t *testing.T) {
	w := newWorld(t)
	in := w.ask(w.known(w.job()), deploy("production"))
	for _, change := range []func(*eks.Cluster){
		func(c *eks.Cluster) { c.ID, c.Name = "c-stage", "stage" },
		func(c *eks.Cluster) { c.ID = "c-prod-2" },
	} {
		other := in
		change(&other.Cluster)
		e := entryFor("deployer", "AROADEPLOYER")
		e.Cluster, e.ClusterID = other.Cluster.Name, other.Cluster.ID
		w.put(registry.PutCluster{Cluster: other.Cluster}, registry.PutEntry{Entry: e})
		if got := w.Authorize(t.Context(), other); verdict(got) != opinion {
			t.Errorf("%s: %+v", other.Cluster.ID, got)
		}
	}
}

func TestAuthorizeReader(t *testing.T) {
	awsAuth := eks.Attributes{IsResource: true, Verb: "get", Version: "v1", Resource: "configmaps", Namespace: "kube-system", Name: "aws-auth"}
	for _, tt := range []struct {
		name   string
		change func(*eks.Attributes)
		want   string
	}{
		{"gets aws-auth", func(*eks.Attributes) {}, allowed},
		{"lists it by name", func(a *eks.Attributes) { a.Verb = "list" }, allowed},
		{"watches it by name", func(a *eks.Attributes) { a.Verb = "watch" }, allowed},

		{"lists all of the namespace", func(a *eks.Attributes) { a.Verb, a.Name = "list", "" }, opinion},
		{"updates it", func(a *eks.Attributes) { a.Verb = "update" }, opinion},
		{"patches it", func(a *eks.Attributes) { a.Verb = "patch" }, opinion},
		{"deletes it", func(a *eks.Attributes) { a.Verb = "delete" }, opinion},
		{"says so in capitals", func(a *eks.Attributes) { a.Verb = "GET" }, opinion},
		{"another ConfigMap", func(a *eks.Attributes) { a.Name = "aws-auth2" }, opinion},
		{"one without a name", func(a *eks.Attributes) { a.Name = "" }, opinion},
		{"another namespace", func(a *eks.Attributes) { a.Namespace = "default" }, opinion},
		{"all namespaces", func(a *eks.Attributes) { a.Namespace = "" }, opinion},
		{"a Secret", func(a *eks.Attributes) { a.Resource = "secrets" }, opinion},
		{"another group's", func(a *eks.Attributes) { a.Group = "example.com" }, opinion},
		{"a subresource", func(a *eks.Attributes) { a.Subresource = "status" }, opinion},
		{"a path", func(a *eks.Attributes) { *a = eks.Attributes{Verb: "get", Path: "/api"} }, opinion},
		{"a path dressed as it", func(a *eks.Attributes) { a.IsResource = false }, opinion},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			a := awsAuth
			tt.change(&a)
			if got := w.may(w.known(w.reader("c-prod")), a); verdict(got) != tt.want {
				t.Errorf("%+v", got)
			}
			if n := len(w.events("kubernetes:SubjectAccessReview")); n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}

	crds := eks.Attributes{IsResource: true, Verb: "list", Group: "iamauthenticator.k8s.aws", Version: "v1alpha1", Resource: "iamidentitymappings"}
	for _, tt := range []struct {
		name   string
		change func(*eks.Attributes)
		reads  bool // whether the cluster's are read
		want   string
	}{
		{"lists what maps", func(*eks.Attributes) {}, true, allowed},
		{"lists what does not", func(*eks.Attributes) {}, false, opinion},
		{"creates one", func(a *eks.Attributes) { a.Verb = "create" }, true, opinion},
		{"their status", func(a *eks.Attributes) { a.Subresource = "status" }, true, opinion},
		{"another group's", func(a *eks.Attributes) { a.Group = "" }, true, opinion},
		{"other things of the group", func(a *eks.Attributes) { a.Resource = "*" }, true, opinion},
		{"in a namespace", func(a *eks.Attributes) { a.Namespace = "kube-system" }, true, opinion},
	} {
		w := newWorld(t)
		w.CRD = func(c eks.Cluster) bool { return tt.reads && c.ID == "c-prod" }
		a := crds
		tt.change(&a)
		if got := w.may(w.known(w.reader("c-prod")), a); verdict(got) != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}

	w := newWorld(t)
	id := w.known(w.reader("c-prod"))
	w.pass(time.Minute - time.Second)
	if got := w.may(id, awsAuth); verdict(got) != allowed {
		t.Errorf("in its last second: %+v", got)
	}
	w.pass(time.Second)
	if got := w.may(id, awsAuth); verdict(got) != denied {
		t.Errorf("in the second it ends: %+v", got)
	}
	other := w.ask(w.known(w.reader("c-prod")), awsAuth)
	other.Cluster.ID = "c-stage"
	if got := w.Authorize(t.Context(), other); verdict(got) != opinion {
		t.Errorf("in another cluster: %+v", got)
	}
	for name, change := range map[string]func(*AccessInput){
		"another user name": func(in *AccessInput) { in.User = "x" },
		"no end":            func(in *AccessInput) { delete(in.Extra, eks.ExtraExpires) },
	} {
		in := w.ask(w.known(w.reader("c-prod")), awsAuth)
		change(&in)
		if _, err := w.seal(eks.Identity{UID: in.UID, Extra: in.Extra}, in.Cluster, account); err != nil {
			t.Fatal(err)
		}
		if got := w.Authorize(t.Context(), in); verdict(got) != opinion {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAllowIsRecordedOnce(t *testing.T) {
	w := newWorld(t)
	w.put(registry.PutEntry{Entry: entryFor("deployer", "AROADEPLOYER").Associate(policies+"AmazonEKSEditPolicy", eks.Scope{Type: eks.ClusterScope}, start)})
	id := w.known(w.job())
	recorded := func() int { return len(w.events("kubernetes:SubjectAccessReview")) }
	with := func(ns, verb, resource string) eks.Attributes {
		return eks.Attributes{IsResource: true, Verb: verb, Resource: resource, Namespace: ns, Name: "n"}
	}
	for i, step := range []struct {
		ask  eks.Attributes
		want int
	}{
		{with("a", "get", "pods"), 1},
		{with("a", "get", "pods"), 1},
		{with("a", "get", "configmaps"), 1}, // the same namespace and verb
		{with("a", "update", "configmaps"), 2},
		{with("b", "get", "pods"), 3},
		{with("", "list", "pods"), 4},
		{with("kube-system", "get", "nodes/x"), 4}, // no opinion is not recorded
	} {
		w.may(id, step.ask)
		if got := recorded(); got != step.want {
			t.Errorf("step %d: %d events, want %d", i, got, step.want)
		}
		w.pass(time.Minute)
	}
	e := w.events("kubernetes:SubjectAccessReview")[0]
	if e.Actor != "arn:aws:sts::111122223333:assumed-role/deployer/job-7" || e.Session != one(id.Extra, eks.ExtraSession) || e.Cluster != "prod" || e.Source != "192.0.2.7" ||
		!slices.Equal(e.Matched, []string{policies + "AmazonEKSEditPolicy"}) || e.Detail["namespace"] != "a" || e.Detail["verb"] != "get" || e.Detail["resource"] != "pods" || e.Detail["name"] != "n" {
		t.Errorf("%+v", e)
	}
	w.may(w.known(w.job()), with("a", "get", "pods"))
	if got := recorded(); got != 5 {
		t.Errorf("%d events with another session", got)
	}
}

// What is allowed and cannot be recorded is not allowed.
func TestAllowThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	id := w.known(w.job())
	w.db.FailNext(errors.New("the disk is full"))
	if got := w.may(id, deploy("production")); verdict(got) != opinion || w.count(NotRecorded) != 1 {
		t.Errorf("%+v", got)
	}
	if got := w.may(id, deploy("production")); verdict(got) != allowed {
		t.Errorf("and once it can be: %+v", got)
	}
	w.budget = newBudget(0)
	if got := w.may(id, deploy("production")); verdict(got) != allowed {
		t.Errorf("recorded before, over budget: %+v", got)
	}
	read := deploy("production")
	read.Verb = "update"
	if got := w.may(id, read); verdict(got) != opinion {
		t.Errorf("over budget: %+v", got)
	}
	// Denial needs no record.
	w.pass(15 * time.Minute)
	w.db.FailNext(errors.New("the disk is full"))
	if got := w.may(id, deploy("production")); verdict(got) != denied {
		t.Errorf("ended, and the log cannot be written: %+v", got)
	}
}

// A review may say anything; what is recorded of it is short.
func TestRecordedTextIsBounded(t *testing.T) {
	w := newWorld(t)
	w.put(registry.PutEntry{Entry: entryFor("deployer", "AROADEPLOYER").Associate(policies+"AmazonEKSClusterAdminPolicy", eks.Scope{Type: eks.ClusterScope}, start)})
	id := w.known(w.job())
	long := strings.Repeat("é", 100_000)
	for _, a := range []eks.Attributes{{IsResource: true, Verb: long, Namespace: long, Resource: long, Name: long}, {Verb: "get", Path: long}} {
		if got := w.may(id, a); verdict(got) != allowed {
			t.Fatalf("%+v", got.Allowed)
		}
	}
	for _, e := range w.events("kubernetes:SubjectAccessReview") {
		for key, v := range e.Detail {
			if len(v) > 300 {
				t.Errorf("%s has %d bytes", key, len(v))
			}
		}
	}
}

// TestFaults: with each port failing, nobody is let in.
func TestFaults(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("a service without anything was made")
	}
	w := newWorld(t)
	creds := w.job()
	id := w.known(creds)
	w.pass(2 * time.Minute)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got := w.review(w.url(creds, signing{})); got != NotRecorded {
		t.Errorf("the store is closed: %q", got)
	}
	if got := w.may(id, deploy("production")); verdict(got) != opinion {
		t.Errorf("the store is closed: %+v", got)
	}
	for r := NotABearer; r <= NotRecorded; r++ {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
		if e := (&Refusal{Reason: r}); e.Error() != r.String() {
			t.Errorf("%s", e)
		}
	}
	if got := fmt.Sprint(Reason(99)); got != "" {
		t.Errorf("an unknown reason is %q", got)
	}
}

// brokenSealer opens and cannot seal.
type brokenSealer struct{ session.Sealer }

func (brokenSealer) Seal(_, _ []byte) ([]byte, error) { return nil, errors.New("no key") }

func TestReviewThatCannotBeSealed(t *testing.T) {
	w := newWorld(t)
	for _, creds := range []session.Credentials{w.job(), w.reader("c-prod")} {
		url := w.url(creds, signing{})
		w.Service.Sealer = brokenSealer{w.sealer}
		id, err := w.Review(t.Context(), ReviewInput{Cluster: w.cluster("prod"), URL: url, Info: info})
		if err == nil || id.Username != "" || id.Extra != nil {
			t.Errorf("%+v, %v", id, err)
		}
		w.Service.Sealer = w.sealer
	}
}
