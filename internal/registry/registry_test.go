package registry_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

const account arn.AccountID = "111122223333"

var created = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func empty() *registry.Snapshot { return registry.New(account, created) }

func provider(url, id string) registry.Change {
	return registry.PutProvider{Provider: oidc.Provider{ID: id, Account: account, URL: url}}
}

func role(path, name, id string) registry.Change {
	d, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sts:*"}]}`))
	if err != nil {
		panic(err)
	}
	return registry.PutRole{Role: iam.Role{ID: id, Account: account, Path: path, Name: name, Trust: d}}
}

// bound is a role with a boundary and attached policies.
func bound(name, id, boundary string, attached ...string) registry.Change {
	c := role("/", name, id).(registry.PutRole)
	c.Role.Boundary, c.Role.Attached = boundary, attached
	return c
}

func managed(path, name, id string) registry.Change {
	return registry.PutPolicy{Policy: iam.ManagedPolicy{ID: id, Account: account, Path: path, Name: name}}
}

func cluster(name, id string) registry.Change {
	return registry.PutCluster{Cluster: eks.Cluster{Name: name, ID: id, Account: account, Region: "eu-central-1"}}
}

func entry(cluster, principal, roleID string) registry.Change {
	return registry.PutEntry{Entry: eks.AccessEntry{Cluster: cluster, PrincipalARN: principal, PrincipalID: roleID}}
}

func accessPolicy(name string, verbs ...string) registry.Change {
	return registry.PutAccessPolicy{Policy: &eks.AccessPolicy{ARN: eks.AccessPolicyARN(account, name), Name: name, Rules: []eks.Rule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: verbs}}}}
}

// names are all that a snapshot holds, as short words.
func names(s *registry.Snapshot) string {
	var out []string
	for _, p := range s.Providers() {
		out = append(out, p.URL+"="+p.ID)
	}
	for _, r := range s.Roles() {
		out = append(out, r.Path+r.Name+"="+r.ID)
	}
	for _, p := range s.CustomPolicies() {
		out = append(out, p.Name+"="+strings.Join(p.Rules[0].Verbs, ","))
	}
	for _, p := range s.Policies() {
		u := s.PolicyUsage(p.ID)
		out = append(out, fmt.Sprintf("%s%s=%s:%d,%d", p.Path, p.Name, p.ID, u.Attached, u.Boundary))
	}
	for _, c := range s.Clusters() {
		out = append(out, c.Name+"="+c.ID)
		for _, e := range s.Entries(c.Name) {
			out = append(out, c.Name+"/"+e.PrincipalARN+"="+e.PrincipalID)
		}
	}
	return strings.Join(out, " ")
}

func TestNewHoldsTheAdministratorAlone(t *testing.T) {
	s := empty()
	if got, want := names(s), "/mayfly-admin="+iam.AdminID; got != want || s.Generation != 1 || s.Account != account {
		t.Errorf("%q at generation %d", got, s.Generation)
	}
	if r, ok := s.RoleByID(iam.AdminID); !ok || !r.BuiltIn || !r.Created.Equal(created) {
		t.Errorf("the administrator is %+v", r)
	}
	var zero registry.Snapshot
	if _, ok := zero.Role("mayfly-admin"); ok || len(zero.Roles())+len(zero.Providers())+len(zero.Clusters())+len(zero.Entries("c")) != 0 {
		t.Error("the zero snapshot holds something")
	}
}

func TestWith(t *testing.T) {
	const admin = " /mayfly-admin=" + iam.AdminID
	for _, tt := range []struct {
		name    string
		changes []registry.Change
		want    string
	}{
		{"a provider", []registry.Change{provider("https://a", "1")}, "https://a=1" + admin},
		{"a provider made anew", []registry.Change{provider("https://a", "1"), provider("https://a", "2")}, "https://a=2" + admin},
		{"an issuer of other case is another", []registry.Change{provider("https://a/x", "1"), provider("https://a/X", "2")}, "https://a/X=2 https://a/x=1" + admin},
		{"a provider goes", []registry.Change{provider("https://a", "1"), registry.DeleteProvider{URL: "https://a"}}, admin[1:]},
		{"a role", []registry.Change{role("/", "a", "1")}, "/a=1" + admin},
		{"a role of other case replaces it", []registry.Change{role("/", "a", "1"), role("/p/", "A", "2")}, "/p/A=2" + admin},
		{"a role goes in other case", []registry.Change{role("/", "a", "1"), registry.DeleteRole{Name: "A"}}, admin[1:]},
		{"a role that is not there goes", []registry.Change{registry.DeleteRole{Name: "x"}, registry.DeleteProvider{URL: "x"}, registry.DeleteCluster{Name: "x"}, registry.DeleteEntry{Cluster: "x", Principal: "y"}}, admin[1:]},
		{"an access policy", []registry.Change{accessPolicy("p", "get")}, admin[1:] + " p=get"},
		{"an access policy changes", []registry.Change{accessPolicy("p", "get"), accessPolicy("q", "get"), accessPolicy("p", "list")}, admin[1:] + " p=list q=get"},
		{"an access policy of other case is another", []registry.Change{accessPolicy("p", "get"), accessPolicy("P", "list")}, admin[1:] + " P=list p=get"},
		{"an access policy goes", []registry.Change{accessPolicy("p", "get"), accessPolicy("q", "get"), registry.DeleteAccessPolicy{Name: "p"}, registry.DeleteAccessPolicy{Name: "AmazonEKSEditPolicy"}}, admin[1:] + " q=get"},
		{"a managed policy", []registry.Change{managed("/", "p", "1")}, admin[1:] + " /p=1:0,0"},
		{"a managed policy changes", []registry.Change{managed("/", "p", "1"), managed("/", "p", "1")}, admin[1:] + " /p=1:0,0"},
		{"a managed policy of other case replaces it", []registry.Change{managed("/", "p", "1"), managed("/q/", "P", "2")}, admin[1:] + " /q/P=2:0,0"},
		{"a managed policy goes", []registry.Change{managed("/", "p", "1"), managed("/", "q", "2"), registry.DeletePolicy{ID: "1"}}, admin[1:] + " /q=2:0,0"},
		{"a managed policy that is not there goes", []registry.Change{managed("/", "p", "1"), registry.DeletePolicy{ID: "p"}, registry.DeletePolicy{}}, admin[1:] + " /p=1:0,0"},
		{"roles refer to a policy", []registry.Change{managed("/", "p", "1"), bound("a", "A", "1", "1"), bound("b", "B", "", "1")}, "/a=A /b=B" + admin + " /p=1:2,1"},
		{"a role refers to it no more", []registry.Change{managed("/", "p", "1"), bound("a", "A", "1", "1"), bound("b", "B", "", "1"), bound("a", "A", "")}, "/a=A /b=B" + admin + " /p=1:1,0"},
		{"a role that refers to it goes", []registry.Change{managed("/", "p", "1"), bound("a", "A", "1", "1"), bound("b", "B", "1"), registry.DeleteRole{Name: "a"}}, "/b=B" + admin + " /p=1:0,1"},
		{"a role is made anew without it", []registry.Change{managed("/", "p", "1"), bound("a", "A", "1", "1"), bound("A", "A2", "")}, "/A=A2" + admin + " /p=1:0,0"},
		{"entries", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), entry("k", "b", "B")}, admin[1:] + " k=1 k/a=A k/b=B"},
		{"an entry made anew", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), entry("k", "a", "A2")}, admin[1:] + " k=1 k/a=A2"},
		{"an entry goes", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), entry("k", "b", "B"), registry.DeleteEntry{Cluster: "k", Principal: "a"}}, admin[1:] + " k=1 k/b=B"},
		{"a cluster changes and keeps its entries", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), cluster("k", "1")}, admin[1:] + " k=1 k/a=A"},
		{"a cluster goes with its entries", []registry.Change{cluster("k", "1"), cluster("l", "2"), entry("k", "a", "A"), entry("l", "a", "A"), registry.DeleteCluster{Name: "k"}}, admin[1:] + " l=2 l/a=A"},
		{"a cluster registered anew has no entries", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), registry.DeleteCluster{Name: "k"}, cluster("k", "2")}, admin[1:] + " k=2"},
		{"a cluster replaced by another has no entries", []registry.Change{cluster("k", "1"), entry("k", "a", "A"), cluster("k", "2")}, admin[1:] + " k=2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := empty()
			s := start.With(tt.changes...)
			if got := names(s); got != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
			if s.Generation != 2 || s.Account != account {
				t.Errorf("generation %d, account %s", s.Generation, s.Account)
			}
			if names(start) != admin[1:] || start.Generation != 1 {
				t.Errorf("the first snapshot became %s", names(start))
			}
			one := empty()
			for _, c := range tt.changes {
				one = one.With(c)
			}
			if names(one) != tt.want || one.Generation != int64(1+len(tt.changes)) {
				t.Errorf("one by one: %s at %d", names(one), one.Generation)
			}
			if restored := registry.Restore(account, created, 7, tt.changes...); names(restored) != tt.want || restored.Generation != 7 {
				t.Errorf("restored: %s at %d", names(restored), restored.Generation)
			}
		})
	}
}

func TestWithLeavesTheOldSnapshotWhole(t *testing.T) {
	s := empty().With(provider("https://a", "1"), role("/", "a", "1"), cluster("k", "1"), entry("k", "x", "1"))
	want := names(s)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			n := s.With(provider("https://a", fmt.Sprint(i)), registry.DeleteRole{Name: "a"}, registry.DeleteCluster{Name: "k"}, role("/", "b", "2"))
			if names(n) == want {
				t.Error("nothing changed")
			}
		})
		all.Go(func() {
			if got := names(s); got != want {
				t.Errorf("it became %s", got)
			}
		})
	}
	all.Wait()
	if got := names(s); got != want {
		t.Errorf("it became %s", got)
	}
}

func TestLookups(t *testing.T) {
	s := empty().With(provider("https://gitlab.example", "P"), provider("https://gitlab.example/", "Q"), role("/ci/", "Deploy", "AROA1"), cluster("k", "K"),
		entry("k", "arn:aws:iam::111122223333:role/ci/Deploy", "AROA1"))
	found := func(name string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: found %v", name, got)
		}
	}
	is := func(_ any, ok bool) bool { return ok }
	found("an issuer", is(s.Provider("https://gitlab.example")), true)
	found("an issuer in upper case", is(s.Provider("https://GITLAB.example")), false)
	found("an issuer without its scheme", is(s.Provider("gitlab.example")), false)
	found("a provider's ARN", is(s.ProviderByARN(arn.Provider{Account: account, URL: "gitlab.example"})), true)
	found("a provider of another account", is(s.ProviderByARN(arn.Provider{Account: "999999999999", URL: "gitlab.example"})), false)
	if p, _ := s.ProviderByARN(arn.Provider{Account: account, URL: "gitlab.example/"}); p.ID != "Q" {
		t.Errorf("with a slash it is %q", p.ID)
	}
	found("a role in other case", is(s.Role("dEPLOY")), true)
	found("a role named with letters that only Unicode folds", is(empty().With(role("/", "kube", "1")).Role("\u212aube")), false)
	found("a role's ARN", is(s.RoleByARN(arn.Role{Account: account, Path: "/ci/", Name: "Deploy"})), true)
	found("a role's ARN in other case", is(s.RoleByARN(arn.Role{Account: account, Path: "/ci/", Name: "deploy"})), false)
	found("a role's ARN without its path", is(s.RoleByARN(arn.Role{Account: account, Path: "/", Name: "Deploy"})), false)
	found("a role's ARN in another account", is(s.RoleByARN(arn.Role{Account: "999999999999", Path: "/ci/", Name: "Deploy"})), false)
	found("a role's id", is(s.RoleByID("AROA1")), true)
	found("no id", is(s.RoleByID("")), false)
	p := empty().With(managed("/ci/", "Limit", "ANPA1"))
	found("a policy's id", is(p.Policy("ANPA1")), true)
	found("a policy's name for its id", is(p.Policy("Limit")), false)
	found("no policy id", is(p.Policy("")), false)
	found("a policy in other case", is(p.PolicyByName("lIMIT")), true)
	found("a policy's ARN", is(p.PolicyByARN(arn.Policy{Account: account, Path: "/ci/", Name: "Limit"})), true)
	found("a policy's ARN in other case", is(p.PolicyByARN(arn.Policy{Account: account, Path: "/ci/", Name: "limit"})), false)
	found("a policy's ARN without its path", is(p.PolicyByARN(arn.Policy{Account: account, Path: "/", Name: "Limit"})), false)
	found("a policy's ARN in another account", is(p.PolicyByARN(arn.Policy{Account: "999999999999", Path: "/ci/", Name: "Limit"})), false)
	found("no policy's ARN", is(p.PolicyByARN(arn.Policy{})), false)
	found("a cluster in other case", is(s.Cluster("K")), false)
	found("an entry", is(s.Entry("k", "arn:aws:iam::111122223333:role/ci/Deploy")), true)
	found("an entry without the path", is(s.Entry("k", "arn:aws:iam::111122223333:role/Deploy")), false)
	found("an entry elsewhere", is(s.Entry("l", "arn:aws:iam::111122223333:role/ci/Deploy")), false)
	found("the entry of a role", is(s.EntryOfPrincipal("k", "AROA1")), true)
	found("the entry of no role", is(s.EntryOfPrincipal("k", "")), false)
	found("the entry of a role elsewhere", is(s.EntryOfPrincipal("l", "AROA1")), false)
}

// TestAccessPolicies: a custom policy is found by its whole ARN; AWS's own are
// there without being registered.
func TestAccessPolicies(t *testing.T) {
	const own, mine = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", "arn:aws:eks::111122223333:cluster-access-policy/p"
	s := empty().With(accessPolicy("p", "get"), cluster("k", "1"), cluster("l", "2"), entry("k", "a", "A"))
	for arn, want := range map[string]string{
		mine: "p", own: "AmazonEKSEditPolicy", mine + "2": "", strings.ToUpper(mine): "", "p": "", "": "",
		"arn:aws:eks::999999999999:cluster-access-policy/p": "", "arn:aws:eks::aws:cluster-access-policy/p": "", "arn:aws:eks::111122223333:cluster-access-policy/AmazonEKSEditPolicy": "",
	} {
		p, err := s.AccessPolicy(arn)
		if want == "" {
			if e, ok := errors.AsType[*eks.Error](err); !ok || e.Reason != eks.NoSuchPolicy || p != nil {
				t.Errorf("%s: %+v, %v", arn, p, err)
			}
		} else if err != nil || p.Name != want || p.ARN != arn {
			t.Errorf("%s: %+v, %v", arn, p, err)
		}
		if _, ok := s.CustomPolicy(arn); ok != (arn == mine) {
			t.Errorf("%s is custom: %v", arn, ok)
		}
	}
	with := func(cluster, principal, policy string) registry.Change {
		e := eks.AccessEntry{Cluster: cluster, PrincipalARN: principal, PrincipalID: principal}
		return registry.PutEntry{Entry: e.Associate(policy, eks.Scope{Type: eks.ClusterScope}, created)}
	}
	s = s.With(with("l", "a", mine), with("k", "b", mine), with("k", "c", own), with("k", "d", mine+"2"))
	var got []string
	for _, e := range s.EntriesWith(mine) {
		got = append(got, e.Cluster+"/"+e.PrincipalARN)
	}
	if want := "k/b l/a"; strings.Join(got, " ") != want {
		t.Errorf("%v have it, want %s", got, want)
	}
	if got := s.AccessPolicyUses(); !reflect.DeepEqual(got, map[string]int{mine: 2, own: 1, mine + "2": 1}) {
		t.Errorf("policies are used %v", got)
	}
	if n := len(s.EntriesWith("")); n != 0 {
		t.Errorf("%d entries have no policy", n)
	}
}

// TestEntryOfPrincipal: an entry is its role's by id. A role made anew under the
// name finds none until it gets an entry of its own.
func TestEntryOfPrincipal(t *testing.T) {
	s := empty().With(role("/", "a", "AROA1"), cluster("k", "K"), entry("k", "a", "AROA1"))
	s = s.With(registry.DeleteRole{Name: "a"}, role("/", "a", "AROA2"))
	if _, ok := s.EntryOfPrincipal("k", "AROA2"); ok {
		t.Error("the new role has the old one's entry")
	}
	if e, ok := s.EntryOfPrincipal("k", "AROA1"); !ok || e.PrincipalARN != "a" {
		t.Error("the old role's entry is gone")
	}
	s = s.With(entry("k", "a", "AROA2"))
	if _, ok := s.EntryOfPrincipal("k", "AROA1"); ok {
		t.Error("the old role still has an entry")
	}
	if _, ok := s.EntryOfPrincipal("k", "AROA2"); !ok {
		t.Error("the new role has none")
	}
	s = s.With(registry.DeleteCluster{Name: "k"}, cluster("k", "K2"))
	if _, ok := s.EntryOfPrincipal("k", "AROA2"); ok {
		t.Error("a cluster registered anew has the old one's entry")
	}
}

func TestPrincipal(t *testing.T) {
	now := created.Add(time.Hour)
	full := empty().With(provider("https://gitlab.example", "P1"), role("/ci/", "deploy", "AROA1"))
	job := session.Session{RoleID: "AROA1", ProviderID: "P1", Name: "job", Issued: created, Expires: now, Claims: session.Claims{Issuer: "https://gitlab.example"}}
	with := func(change func(*session.Session)) session.Session {
		s := job
		change(&s)
		return s
	}
	chain := full.With(role("/", "first", "AROA2"), role("/", "second", "AROA3"))
	chained := with(func(s *session.Session) { s.Chain = []string{"AROA2", "AROA3"} })
	for _, tt := range []struct {
		name string
		snap *registry.Snapshot
		of   session.Session
		at   time.Time
		want error
	}{
		{"a job's session", full, job, now.Add(-time.Second), nil},
		{"in its last nanosecond", full, job, now.Add(-1), nil},
		{"at its end", full, job, now, registry.ErrExpired},
		{"after its end", full, job, now.Add(time.Second), registry.ErrExpired},
		{"an administrator's session", full, with(func(s *session.Session) {
			s.RoleID, s.ProviderID, s.AdminUID, s.Claims = iam.AdminID, "", "0", session.Claims{}
		}), created, nil},
		{"a session made without a token", full, with(func(s *session.Session) { s.ProviderID = "" }), created, nil},
		{"no session", full, session.Session{}, created, registry.ErrExpired},
		{"a reader's session", full, with(func(s *session.Session) { s.Reader = "k" }), created, registry.ErrReader},
		{"a reader's session with no role", full, session.Session{Reader: "k", Expires: now}, created, registry.ErrReader},
		{"a session of no role", full, with(func(s *session.Session) { s.RoleID = "" }), created, registry.ErrGone},
		{"the role is deleted", full.With(registry.DeleteRole{Name: "deploy"}), job, created, registry.ErrGone},
		{"the role is made anew", full.With(registry.DeleteRole{Name: "deploy"}, role("/ci/", "deploy", "AROA2")), job, created, registry.ErrGone},
		{"the provider is deleted", full.With(registry.DeleteProvider{URL: "https://gitlab.example"}), job, created, registry.ErrGone},
		{"the provider is made anew", full.With(registry.DeleteProvider{URL: "https://gitlab.example"}, provider("https://gitlab.example", "P2")), job, created, registry.ErrGone},
		{"another provider has the id", full.With(registry.DeleteProvider{URL: "https://gitlab.example"}, provider("https://other.example", "P1")), job, created, registry.ErrGone},
		{"nothing is registered", &registry.Snapshot{}, job, created, registry.ErrGone},
		{"a chained session", chain, chained, created, nil},
		{"the first role of its chain is deleted", chain.With(registry.DeleteRole{Name: "first"}), chained, created, registry.ErrGone},
		{"the second role of its chain is deleted", chain.With(registry.DeleteRole{Name: "second"}), chained, created, registry.ErrGone},
		{"a role of its chain is made anew", chain.With(registry.DeleteRole{Name: "second"}, role("/", "second", "AROA4")), chained, created, registry.ErrGone},
		{"the role a chain led to is deleted", chain.With(registry.DeleteRole{Name: "deploy"}), chained, created, registry.ErrGone},
		{"the provider a chain began with is deleted", chain.With(registry.DeleteProvider{URL: "https://gitlab.example"}), chained, created, registry.ErrGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			who, err := tt.snap.Principal(tt.of, tt.at)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err != nil {
				if !reflect.DeepEqual(who, session.Principal{}) {
					t.Errorf("a refusal names somebody: %+v", who)
				}
				return
			}
			if who.Account != account || who.Session.RoleID != tt.of.RoleID {
				t.Errorf("it is %+v", who)
			}
		})
	}
	if who, _ := full.Principal(job, created); who.ARN().String() != "arn:aws:sts::111122223333:assumed-role/deploy/job" || who.Role.String() != "arn:aws:iam::111122223333:role/ci/deploy" || who.UserID() != "AROA1:job" {
		t.Errorf("it is %s of %s, %s", who.ARN(), who.Role, who.UserID())
	}
}
