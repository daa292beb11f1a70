package clusterauth

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
)

const (
	account  = arn.AccountID("111122223333")
	gitlab   = "https://gitlab.example:8443"
	policies = "arn:aws:eks::aws:cluster-access-policy/"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is the service over the real store. In it are the provider gitlab, the
// role deployer of id AROADEPLOYER, and the cluster prod of id c-prod, in which
// an entry gives that role the namespace production.
type world struct {
	*Service
	t        *testing.T
	db       *store.DB
	sealer   session.Sealer
	mappings *mappings

	mu      sync.Mutex
	at      time.Time
	counted map[string]int
}

// mappings is aws-auth as a test wants it.
type mappings struct {
	mu    sync.Mutex
	said  eks.Mappings
	err   error
	asked int
}

func (m *mappings) Mappings(context.Context, eks.Cluster) (eks.Mappings, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return m.said, m.err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sealer: sessiontest.NewSealer(t), mappings: &mappings{}, at: start, counted: map[string]int{}}
	w.db = sqlitetest.Open(t, store.Config{Now: w.now, Account: account})
	var err error
	w.Service, err = New(Config{Registry: w.db, Sealer: w.sealer, Audit: w.db, Mappings: w.mappings, Now: w.now,
		Count: func(reason string) { w.mu.Lock(); defer w.mu.Unlock(); w.counted[reason]++ }})
	if err != nil {
		t.Fatal(err)
	}
	w.put(registry.PutProvider{Provider: provider("OIDC1")}, registry.PutRole{Role: role("deployer", "AROADEPLOYER")}, registry.PutCluster{Cluster: prod()}, registry.PutEntry{Entry: entryFor("deployer", "AROADEPLOYER")})
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

func (w *world) put(changes ...registry.Change) {
	w.t.Helper()
	if err := w.db.Commit(w.t.Context(), w.db.Snapshot(), changes, audit.Event{Time: start, Action: "test:Setup", Outcome: audit.Allowed}); err != nil {
		w.t.Fatal(err)
	}
}

func provider(id string) oidc.Provider {
	return oidc.Provider{ID: id, Account: account, URL: gitlab, ClientIDs: []string{"mayfly"}, Created: start}
}

var trust = func() *policy.Document {
	d, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example:8443"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"gitlab.example:8443:sub":"x"}}}]}`))
	if err != nil {
		panic(err)
	}
	return d
}()

func role(name, id string) iam.Role {
	return iam.Role{ID: id, Account: account, Path: "/team/", Name: name, MaxSession: time.Hour, Trust: trust, Created: start}
}

func prod() eks.Cluster {
	return eks.Cluster{ID: "c-prod", Name: "prod", Region: "eu-central-1", Account: account, Endpoint: "https://127.0.0.1:6443", CA: []byte("x"), Mode: eks.ModeAPIAndConfigMap, BearerMaxAge: 15 * time.Minute, Created: start}
}

func entryFor(roleName, roleID string) eks.AccessEntry {
	return eks.AccessEntry{ClusterID: "c-prod", Cluster: "prod", PrincipalARN: "arn:aws:iam::111122223333:role/team/" + roleName, PrincipalID: roleID, UUID: "entry-of-" + roleID, Groups: []string{"deployers"}, Created: start, Modified: start,
		Policies: []eks.Association{{PolicyARN: policies + "AmazonEKSEditPolicy", Scope: eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production"}}, Associated: start, Modified: start}}}
}

// job is a session of the role deployer, a quarter of an hour long.
func (w *world) job(change ...func(*session.Session)) session.Credentials {
	w.t.Helper()
	s := session.Session{RoleID: "AROADEPLOYER", ProviderID: "OIDC1", Name: "job-7", Issued: w.now(), Expires: w.now().Add(15 * time.Minute),
		Claims: session.Claims{Issuer: gitlab, Subject: "project_path:acme/web:ref_type:branch:ref:main", ProjectPath: "acme/web", Ref: "main", JobID: "7"}}
	for _, c := range change {
		c(&s)
	}
	return w.issue(s, w.sealer, account)
}

func (w *world) issue(s session.Session, seal session.Sealer, of arn.AccountID) session.Credentials {
	w.t.Helper()
	_, creds, err := session.Issue(s, of, seal, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return creds
}

// reader is a session that may read aws-auth of the cluster of an id.
func (w *world) reader(clusterID string) session.Credentials {
	return w.issue(session.Session{Reader: clusterID, Name: "aws-auth-reader", Issued: w.now(), Expires: w.now().Add(time.Minute)}, w.sealer, account)
}

// signing is how a bearer token is made; the zero value of a field is what aws
// eks get-token does for the cluster prod.
type signing struct {
	cluster, service, host, query string
	headers                       []sigv4.Header
	at                            time.Time
	expires                       time.Duration
}

// url is the presigned URL inside of a bearer token.
func (w *world) url(creds session.Credentials, how signing) string {
	w.t.Helper()
	fill := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	fill(&how.cluster, "prod")
	fill(&how.service, "sts")
	fill(&how.host, "sts.eu-central-1.amazonaws.com")
	fill(&how.query, "Action=GetCallerIdentity&Version=2011-06-15")
	if how.headers == nil {
		how.headers = []sigv4.Header{{Name: "x-k8s-aws-id", Value: how.cluster}}
	}
	if how.at.IsZero() {
		how.at = w.now()
	}
	if how.expires == 0 {
		how.expires = time.Minute
	}
	query, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: how.host, Path: "/", RawQuery: how.query, Headers: how.headers},
		sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretKey: creds.Secret, SessionToken: creds.Token.Reveal()}, "eu-central-1", how.service, how.expires, how.at)
	if err != nil {
		w.t.Fatal(err)
	}
	return "https://" + how.host + "/?" + query
}

var info = request.Info{ID: "request-1", Source: netip.MustParseAddr("192.0.2.7"), Secure: true}

// cluster is the cluster of a name as it is registered now.
func (w *world) cluster(name string) eks.Cluster {
	w.t.Helper()
	c, ok := w.db.Snapshot().Cluster(name)
	if !ok {
		w.t.Fatalf("there is no cluster %s", name)
	}
	return c
}

// review asks whose a URL is in prod, and says the reason of a refusal; 0 is an
// identity.
func (w *world) review(url string) (eks.Identity, Reason) {
	w.t.Helper()
	return w.reviewIn(w.cluster("prod"), url)
}

func (w *world) reviewIn(c eks.Cluster, url string) (eks.Identity, Reason) {
	w.t.Helper()
	id, err := w.Review(w.t.Context(), ReviewInput{Cluster: c, URL: url, Info: info})
	if err == nil {
		return id, 0
	}
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		w.t.Fatalf("a refusal that is none: %v", err)
	}
	if id.Username != "" || id.UID != "" || id.Groups != nil || id.Extra != nil {
		w.t.Errorf("a refusal and an identity: %+v", id)
	}
	return id, r.Reason
}

// known is the identity of a fresh token of creds in prod.
func (w *world) known(creds session.Credentials) eks.Identity {
	w.t.Helper()
	id, reason := w.review(w.url(creds, signing{}))
	if reason != 0 {
		w.t.Fatalf("refused: %s", reason)
	}
	return id
}

// deploy is a request to create a deployment.
func deploy(namespace string) eks.Attributes {
	return eks.Attributes{IsResource: true, Verb: "create", Group: "apps", Version: "v1", Resource: "deployments", Namespace: namespace}
}

// ask is the review of a request by an identity.
func (w *world) ask(id eks.Identity, a eks.Attributes) AccessInput {
	return AccessInput{Cluster: w.cluster("prod"), User: id.Username, UID: id.UID, Extra: id.Extra, Attributes: a, Info: info}
}

func (w *world) may(id eks.Identity, a eks.Attributes) Answer {
	w.t.Helper()
	return w.Authorize(w.t.Context(), w.ask(id, a))
}

// events are the recorded events of an action.
func (w *world) events(action string) []audit.Event {
	w.t.Helper()
	lines, err := w.db.Audit(w.t.Context(), 0, 100_000)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []audit.Event
	for _, l := range lines {
		e, err := audit.Decode(l.Body)
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Action == action {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) count(r Reason) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counted[r.String()]
}
