package kubeapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/kubeapi"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/vectortest"
	"mayfly.internal/internal/wire/kubewire"
)

const account = arn.AccountID("111122223333")

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is the webhooks behind their edge. The cluster prod has the id c-prod,
// and there the administrator's role has an entry for the namespace production.
type world struct {
	t        *testing.T
	handler  http.Handler
	snapshot *registry.Snapshot
	sealer   *sessiontest.Sealer
	log      bytes.Buffer
	api      *kubeapi.API
	audit    func(context.Context) error
	mappings func(context.Context) (eks.Mappings, error)

	mu      sync.Mutex
	counted map[string]int
}

func (w *world) Snapshot() *registry.Snapshot                    { return w.snapshot }
func (w *world) Record(ctx context.Context, _ audit.Event) error { return w.audit(ctx) }
func (w *world) Mappings(ctx context.Context, _ eks.Cluster) (eks.Mappings, error) {
	return w.mappings(ctx)
}

// peerHeader says whose client certificate a request comes with: in the server
// it is the TLS stack's word.
const peerHeader = "X-Test-Peer"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, sealer: sessiontest.NewSealer(t), counted: map[string]int{}, audit: func(context.Context) error { return nil }, mappings: func(context.Context) (eks.Mappings, error) { return eks.Mappings{}, nil }}
	admin := iam.AdminRole(account, start)
	entry := eks.AccessEntry{ClusterID: "c-prod", Cluster: "prod", PrincipalARN: admin.ARN().String(), PrincipalID: admin.ID, UUID: "u", Groups: []string{"g"}}
	entry = entry.Associate("arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy", eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production"}}, start)
	cluster := func(id, name string) registry.Change {
		return registry.PutCluster{Cluster: eks.Cluster{ID: id, Name: name, Region: "eu-central-1", Account: account, Mode: eks.ModeAPIAndConfigMap, BearerMaxAge: 15 * time.Minute}}
	}
	w.snapshot = registry.New(account, start).With(cluster("c-prod", "prod"), cluster("c-stage", "stage"), cluster("", "odd"), registry.PutEntry{Entry: entry})
	now := func() time.Time { return start }
	auth, err := clusterauth.New(clusterauth.Config{Registry: w, Sealer: w.sealer, Audit: w, Mappings: w, Now: now, Count: func(reason string) { w.mu.Lock(); w.counted[reason]++; w.mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	api := &kubeapi.API{Auth: auth, Registry: w, Log: log, Peer: func(r *http.Request) (string, bool) {
		id := r.Header.Get(peerHeader)
		return strings.TrimPrefix(id, "empty"), id != ""
	}}
	w.api = api
	w.handler = (&httpedge.Edge{Log: log, Now: now}).Wrap("kubernetes", api.Handler())
	return w
}

// bearer is a bearer token of the administrator's session for a cluster.
func (w *world) bearer(cluster string, life time.Duration) string {
	w.t.Helper()
	_, creds, err := session.Issue(session.Session{RoleID: iam.AdminRole(account, start).ID, Name: "uid-0", AdminUID: "0", Issued: start, Expires: start.Add(life)}, account, w.sealer, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	const host = "sts.eu-central-1.amazonaws.com"
	query, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: host, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: cluster}}},
		sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretKey: creds.Secret, SessionToken: creds.Token.Reveal()}, "eu-central-1", "sts", time.Minute, start)
	if err != nil {
		w.t.Fatal(err)
	}
	return kubewire.EncodeBearer("https://" + host + "/?" + query)
}

// call sends a request with the certificate of prod; change may change it.
func (w *world) call(method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(peerHeader, "c-prod")
	for _, c := range change {
		c(r)
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return out
}

func tokenReview(version, token string) string {
	return `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/` + version + `","metadata":{"creationTimestamp":null},"spec":{"token":"` + token + `","audiences":["https://kubernetes.default.svc"]},"status":{"user":{}}}`
}

type reviewAnswer struct {
	APIVersion, Kind string
	Spec             map[string]any
	Status           struct {
		Authenticated bool
		User          *struct {
			Username, UID string
			Groups        []string
			Extra         map[string][]string
		}
		Audiences []string
		Error     string
	}
}

type accessAnswer struct {
	APIVersion, Kind string
	Spec             map[string]any
	Status           struct {
		Allowed, Denied bool
		Reason          string
	}
}

func decode[T any](t *testing.T, out *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if out.Code != http.StatusOK || out.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", out.Code, out.Header().Get("Content-Type"), out.Body)
	}
	if err := json.Unmarshal(out.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, out.Body)
	}
	return v
}

const (
	authenticate = "/kubernetes/prod/authenticate"
	authorize    = "/kubernetes/prod/authorize"
)

func TestAuthenticate(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		w := newWorld(t)
		token := w.bearer("prod", time.Hour)
		out := w.call("POST", authenticate, tokenReview(version, token))
		got := decode[reviewAnswer](t, out)
		if got.APIVersion != "authentication.k8s.io/"+version || got.Kind != "TokenReview" || !got.Status.Authenticated || got.Status.Error != "" || len(got.Status.Audiences) != 0 || len(got.Spec) != 0 {
			t.Errorf("%+v", got)
		}
		if u := got.Status.User; u == nil || u.Username != "arn:aws:sts::111122223333:assumed-role/mayfly-admin/uid-0" || u.UID == "" || len(u.Groups) != 1 || len(u.Extra["canonicalArn"]) != 1 {
			t.Errorf("%+v", got.Status.User)
		}
		if strings.Contains(out.Body.String(), token[:40]) {
			t.Error("the answer holds the token")
		}
		if out.Header().Get("Cache-Control") != "no-store" {
			t.Error("the answer may be kept")
		}
	}
	// A review without a version is answered without one.
	w := newWorld(t)
	got := decode[reviewAnswer](t, w.call("POST", authenticate, `{"spec":{"token":"`+w.bearer("prod", time.Hour)+`"}}`))
	if got.APIVersion != "" || got.Kind != "" || !got.Status.Authenticated {
		t.Errorf("%+v", got)
	}
}

// A refused token is nobody's, with status 200 and a reason that holds nothing
// of it. The log has the denial's id.
func TestAuthenticateRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		token func(w *world) string
		says  string // the answer's error; "": none, another authenticator may know the token
	}{
		{"for another cluster", func(w *world) string { return w.bearer("stage", time.Hour) }, "bad signature"},
		{"of a session that has ended", func(w *world) string { return w.bearer("prod", -time.Second) }, "session ended"},
		{"cut short", func(w *world) string { t := w.bearer("prod", time.Hour); return t[:len(t)-8] }, "not a bearer token"},
		{"with a byte too many for base64", func(w *world) string { return w.bearer("prod", time.Hour) + "====" }, "not a bearer token"},
		{"longer than is looked at", func(*world) string { return "k8s-aws-v1." + strings.Repeat("a", 5000) }, "not a bearer token"},
		{"of a URL that is none", func(*world) string { return kubewire.EncodeBearer("nonsense") }, "not a bearer token"},
		{"of another server", func(*world) string { return newWorld(t).bearer("prod", time.Hour) }, "unknown session token"},
		{"a service account's", func(*world) string { return "eyJhbGciOiJSUzI1NiJ9.e30.c2ln" }, ""},
		{"another version's", func(*world) string { return "k8s-aws-v2.aaaa" }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			token := tt.token(w)
			out := w.call("POST", authenticate, tokenReview("v1", token))
			got := decode[reviewAnswer](t, out)
			if got.Status.Authenticated || got.Status.User != nil || got.APIVersion != "authentication.k8s.io/v1" {
				t.Errorf("%+v", got)
			}
			id := out.Header().Get("X-Amzn-Requestid")
			want := tt.says
			if want != "" {
				want += " (denial " + id + ")"
			}
			if got.Status.Error != want {
				t.Errorf("the error is %q, want %q", got.Status.Error, want)
			}
			if said := w.log.String(); (tt.says != "") != strings.Contains(said, id) || (tt.says != "") != (w.counted[tt.says] == 1) {
				t.Errorf("counted %v, the log: %s", w.counted, said)
			}
			for _, text := range []string{out.Body.String(), w.log.String()} {
				if strings.Contains(text, token[11:]) || len(token) > 60 && strings.Contains(text, token[20:60]) {
					t.Errorf("it holds the token: %s", text)
				}
			}
		})
	}
}

func accessReview(version, namespace string, user *reviewAnswer) string {
	extra, err := json.Marshal(user.Status.User.Extra)
	if err != nil {
		panic(err)
	}
	return `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/` + version + `","metadata":{"creationTimestamp":null},"spec":{"resourceAttributes":{"namespace":"` + namespace +
		`","verb":"create","group":"apps","version":"v1","resource":"deployments","labelSelector":{"requirements":[]}},"user":"` + user.Status.User.Username + `","groups":["g"],"extra":` + string(extra) + `,"uid":"` + user.Status.User.UID + `"},"status":{"allowed":false}}`
}

func TestAuthorize(t *testing.T) {
	for _, version := range []string{"v1", "v1beta1"} {
		w := newWorld(t)
		user := decode[reviewAnswer](t, w.call("POST", authenticate, tokenReview("v1", w.bearer("prod", time.Hour))))
		for namespace, want := range map[string]bool{"production": true, "default": false, "": false} {
			got := decode[accessAnswer](t, w.call("POST", authorize, accessReview(version, namespace, &user)))
			if got.Status.Allowed != want || got.Status.Denied || got.Status.Reason == "" || got.APIVersion != "authorization.k8s.io/"+version || got.Kind != "SubjectAccessReview" || len(got.Spec) != 0 {
				t.Errorf("%q: %+v", namespace, got)
			}
		}
		// What the session may do elsewhere is another cluster's to say.
		other := decode[accessAnswer](t, w.call("POST", "/kubernetes/stage/authorize", accessReview(version, "production", &user), func(r *http.Request) { r.Header.Set(peerHeader, "c-stage") }))
		if other.Status.Allowed || other.Status.Denied {
			t.Errorf("in another cluster: %+v", other)
		}
		w.snapshot = w.snapshot.With(registry.DeleteEntry{Cluster: "prod", Principal: iam.AdminRole(account, start).ARN().String()})
		got := decode[accessAnswer](t, w.call("POST", authorize, accessReview(version, "default", &user)))
		if got.Status.Allowed || !got.Status.Denied {
			t.Errorf("without its entry: %+v", got)
		}
	}
	w := newWorld(t)
	got := decode[accessAnswer](t, w.call("POST", authorize, `{"spec":{"nonResourceAttributes":{"path":"/metrics","verb":"get"},"user":"kubernetes-admin"}}`))
	if got.Status.Allowed || got.Status.Denied {
		t.Errorf("a stranger: %+v", got)
	}
}

// TestDoor is what is refused before a review is read.
func TestDoor(t *testing.T) {
	w := newWorld(t)
	good := tokenReview("v1", w.bearer("prod", time.Hour))
	peer := func(id string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(peerHeader, id) } }
	kind := func(t string) func(*http.Request) { return func(r *http.Request) { r.Header.Set("Content-Type", t) } }
	for _, tt := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		says                     string
	}{
		{"as it should be", "POST", authenticate, good, nil, 200, ""},
		{"with a charset", "POST", authenticate, good, kind("application/json; charset=utf-8"), 200, ""},
		{"without a content type", "POST", authenticate, good, func(r *http.Request) { r.Header.Del("Content-Type") }, 200, ""},

		{"without a certificate", "POST", authenticate, good, func(r *http.Request) { r.Header.Del(peerHeader) }, 401, "client certificate"},
		{"with another cluster's certificate", "POST", authenticate, good, peer("c-stage"), 401, "client certificate"},
		{"with the certificate of a registration before", "POST", authenticate, good, peer("c-prod-0"), 401, "client certificate"},
		{"with a certificate of nobody", "POST", authenticate, good, peer("empty"), 401, "client certificate"},
		{"with a certificate of nobody, for a cluster without an id", "POST", "/kubernetes/odd/authenticate", good, peer("empty"), 401, "client certificate"},
		{"for a cluster that does not exist", "POST", "/kubernetes/nowhere/authenticate", good, nil, 401, "client certificate"},
		{"for a cluster that does not exist, as nobody", "POST", "/kubernetes/nowhere/authenticate", good, peer("empty"), 401, "client certificate"},
		{"for another cluster", "POST", "/kubernetes/stage/authenticate", good, nil, 401, "client certificate"},
		{"for the cluster in capitals", "POST", "/kubernetes/PROD/authenticate", good, nil, 401, "client certificate"},
		{"for no cluster", "POST", "/kubernetes//authenticate", good, nil, 307, ""}, // to a path that is none
		{"to authorize, without a certificate", "POST", authorize, good, func(r *http.Request) { r.Header.Del(peerHeader) }, 401, "client certificate"},
		{"a stranger's GET", "GET", authenticate, "", func(r *http.Request) { r.Header.Del(peerHeader) }, 401, "client certificate"},

		{"GET", "GET", authenticate, "", nil, 405, "expected POST"},
		{"PUT", "PUT", authenticate, good, nil, 405, "expected POST"},
		{"HEAD", "HEAD", authorize, "", nil, 405, ""},
		{"another path", "POST", "/kubernetes/prod/impersonate", good, nil, 404, ""},
		{"a longer path", "POST", authenticate + "/x", good, nil, 404, ""},
		{"a shorter path", "POST", "/kubernetes/prod", good, nil, 404, ""},
		{"protobuf", "POST", authenticate, good, kind("application/vnd.kubernetes.protobuf"), 415, "expected application/json"},
		{"a form", "POST", authenticate, good, kind("application/x-www-form-urlencoded"), 415, "expected application/json"},
		{"a content type that is none", "POST", authenticate, good, kind("application/json;;"), 415, "expected application/json"},
		{"too large", "POST", authenticate, strings.Repeat(" ", kubewire.MaxReviewBytes+1), nil, 413, "too large"},
		{"nothing", "POST", authenticate, "", nil, 400, "expected a request body"},
		{"no JSON", "POST", authenticate, "not valid json", nil, 400, "expected a request body to be a TokenReview"},
		{"the other review", "POST", authenticate, `{"kind":"SubjectAccessReview","spec":{}}`, nil, 400, "TokenReview"},
		{"another version", "POST", authenticate, strings.Replace(good, "/v1", "/v2", 1), nil, 400, "apiVersion"},
		{"a review of neither kind", "POST", authorize, `{"spec":{"user":"u"}}`, nil, 400, "exactly one"},
		{"a token where an access review belongs", "POST", authorize, good, nil, 400, "SubjectAccessReview"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var changes []func(*http.Request)
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			out := w.call(tt.method, tt.path, tt.body, changes...)
			if out.Code != tt.status || !strings.Contains(out.Body.String(), tt.says) {
				t.Errorf("%d %s, want %d %s", out.Code, out.Body, tt.status, tt.says)
			}
			if tt.status != 200 && strings.Contains(out.Body.String(), "k8s-aws-v1") {
				t.Errorf("the answer holds the token: %s", out.Body)
			}
			if allow := out.Header().Get("Allow"); (tt.status == 405) != (allow == "POST") {
				t.Errorf("Allow: %q", allow)
			}
		})
	}
	if strings.Contains(w.log.String(), "k8s-aws-v1") {
		t.Error("the log holds a token")
	}
}

// A body that ends too early, or does not end, is no review.
func TestBodyThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	out := w.call("POST", authenticate, "", func(r *http.Request) { r.Body = io.NopCloser(&broken{}) })
	if out.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

type broken struct{}

func (*broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// The API server waits three seconds; whatever hangs, it has an answer by then,
// and the answer lets nobody in.
func TestLatencyIsBounded(t *testing.T) {
	hang := func(ctx context.Context) error { time.Sleep(10 * time.Second); return nil } // like a disk: it knows no context
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.bearer("prod", time.Hour)
		user := decode[reviewAnswer](t, w.call("POST", authenticate, tokenReview("v1", token)))

		w.audit = hang
		began := time.Now()
		if got := decode[reviewAnswer](t, w.call("POST", authenticate, tokenReview("v1", w.bearer("prod", time.Hour)))); got.Status.Authenticated || !strings.HasPrefix(got.Status.Error, "not recorded") {
			t.Errorf("the audit log hangs: %+v", got)
		}
		if took := time.Since(began); took >= 3*time.Second {
			t.Errorf("authentication took %s", took)
		}
		began = time.Now()
		if got := decode[accessAnswer](t, w.call("POST", authorize, accessReview("v1", "production", &user))); got.Status.Allowed || got.Status.Denied {
			t.Errorf("the audit log hangs: %+v", got)
		}
		if took := time.Since(began); took >= 3*time.Second {
			t.Errorf("authorization took %s", took)
		}

		// Nor does it wait for aws-auth.
		w.snapshot = w.snapshot.With(registry.DeleteEntry{Cluster: "prod", Principal: iam.AdminRole(account, start).ARN().String()})
		w.mappings = func(ctx context.Context) (eks.Mappings, error) { <-ctx.Done(); return eks.Mappings{}, ctx.Err() }
		began = time.Now()
		if got := decode[reviewAnswer](t, w.call("POST", authenticate, tokenReview("v1", w.bearer("prod", time.Hour)))); got.Status.Authenticated || !strings.HasPrefix(got.Status.Error, "mappings not readable") {
			t.Errorf("aws-auth hangs: %+v", got)
		}
		if took := time.Since(began); took >= 3*time.Second {
			t.Errorf("authentication took %s", took)
		}
		time.Sleep(time.Minute) // what hangs comes to its end
	})
}

// TestWebhookVectors holds the door against aws-iam-authenticator's, save that a
// refused token is 200 here: the API server would ask again otherwise.
func TestWebhookVectors(t *testing.T) {
	raw := vectortest.Read(t, "eks-bearer-tokens/webhook.json")
	var doc struct {
		HTTP []struct {
			Method, Case string
			Body         *string
			Status       int
			Contains     string `json:"body_contains"`
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range doc.HTTP {
		if c.Case != "" {
			continue // STS is not asked here, and an identity that is not mapped is clusterauth's case
		}
		ran++
		body := ""
		if c.Body != nil {
			body = *c.Body
		}
		want := c.Status
		if want == 403 {
			want = 200
		}
		out := newWorld(t).call(c.Method, authenticate, body)
		if out.Code != want || !strings.Contains(out.Body.String(), c.Contains) || strings.Contains(out.Body.String(), `"authenticated":true`) {
			t.Errorf("%s %q: %d %s", c.Method, body, out.Code, out.Body)
		}
	}
	if ran != 4 {
		t.Errorf("%d cases ran", ran)
	}
}
