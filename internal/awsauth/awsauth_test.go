package awsauth

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/kubewire"
)

const account = arn.AccountID("111122223333")

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a Reader and a cluster's endpoint that answers as a test wants.
type world struct {
	*Reader
	t      *testing.T
	server *httptest.Server
	log    bytes.Buffer

	mu       sync.Mutex
	at       time.Time
	snapshot *registry.Snapshot
	answer   http.HandlerFunc
	requests []*http.Request
	remotes  map[string]bool
	issued   []string // cluster ids credentials were asked for
	sealer   *sessiontest.Sealer
	failing  error // of Credentials
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: start, remotes: map[string]bool{}, sealer: sessiontest.NewSealer(t)}
	w.says(okMap("deployers"))
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // failed handshakes are wanted here
	w.server.StartTLS()
	t.Cleanup(w.server.Close)
	w.put(registry.PutCluster{Cluster: w.cluster("c-prod", "prod")})
	var err error
	w.Reader, err = New(Config{Credentials: w.credentials, Registry: w, MaxAge: 10 * time.Minute, Now: w.now, Log: slog.New(slog.NewTextHandler(&lockedWriter{w: &w.log}, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (w *world) cluster(id, name string) eks.Cluster {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
	return eks.Cluster{ID: id, Name: name, Region: "eu-central-1", Account: account, Endpoint: w.server.URL, CA: ca, Mode: eks.ModeAPIAndConfigMap, BearerMaxAge: 15 * time.Minute}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// Snapshot is the configuration in force.
func (w *world) Snapshot() *registry.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.snapshot
}

func (w *world) put(changes ...registry.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.snapshot == nil {
		w.snapshot = registry.New(account, start)
	}
	w.snapshot = w.snapshot.With(changes...)
}

func (w *world) credentials(_ context.Context, c eks.Cluster) (session.Credentials, error) {
	now := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.issued = append(w.issued, c.ID)
	if w.failing != nil {
		return session.Credentials{}, w.failing
	}
	_, creds, err := session.Issue(session.Session{Reader: c.ID, Name: "aws-auth-reader", Issued: now, Expires: now.Add(time.Minute)}, account, w.sealer, rand.Reader)
	return creds, err
}

func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.requests = append(w.requests, r.Clone(context.Background()))
	w.remotes[r.RemoteAddr] = true
	answer := w.answer
	w.mu.Unlock()
	answer(rw, r)
}

// says sets what the cluster answers from now on.
func (w *world) says(answer http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *world) asked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.requests)
}

// okMap is a ConfigMap that maps deployer to a group.
func okMap(group string) http.HandlerFunc {
	return body(200, configMapJSON(map[string]string{"mapRoles": "- rolearn: " + deployer + "\n  username: deployer\n  groups: [" + group + "]\n"}))
}

func configMapJSON(data map[string]string) string {
	out, err := json.Marshal(map[string]any{"kind": "ConfigMap", "apiVersion": "v1", "metadata": map[string]any{"name": "aws-auth", "namespace": "kube-system", "resourceVersion": "1"}, "data": data})
	if err != nil {
		panic(err)
	}
	return string(out)
}

func body(status int, text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		io.WriteString(rw, text)
	}
}

const notFound = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","details":{"name":"aws-auth","kind":"configmaps"},"code":404}`

// group is the group deployer is mapped to: "" if it is mapped to none, "?" if
// nobody knows.
func (w *world) group() string {
	w.t.Helper()
	c, ok := w.Snapshot().Cluster("prod")
	if !ok {
		c = eks.Cluster{Name: "prod"}
	}
	m, err := w.Mappings(w.t.Context(), c)
	if err != nil {
		return "?"
	}
	found, _ := m.Find(eks.Principal{CanonicalARN: deployer, Account: string(account)})
	return strings.Join(found.Groups, " ")
}

// settled waits until no read is under way.
func (w *world) settled() {
	w.t.Helper()
	for range 1000 {
		w.Reader.mu.Lock()
		busy := false
		for _, s := range w.sources {
			s.mu.Lock()
			busy = busy || s.reading != nil
			s.mu.Unlock()
		}
		w.Reader.mu.Unlock()
		if !busy {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatal("a read does not end")
}

func TestNewRefuses(t *testing.T) {
	good := Config{Credentials: func(context.Context, eks.Cluster) (session.Credentials, error) { return session.Credentials{}, nil }, Registry: &world{}, Now: time.Now}
	for name, change := range map[string]func(*Config){
		"no credentials": func(c *Config) { c.Credentials = nil }, "no registry": func(c *Config) { c.Registry = nil }, "no clock": func(c *Config) { c.Now = nil },
	} {
		c := good
		change(&c)
		if r, err := New(c); err == nil || r != nil {
			t.Errorf("%s: a reader was made", name)
		}
	}
	if r, err := New(good); err != nil || r.config.MaxAge != staleFor {
		t.Errorf("%v", err)
	}
}

func TestMappings(t *testing.T) {
	w := newWorld(t)
	if got := w.group(); got != "deployers" {
		t.Fatalf("%q; %s", got, &w.log)
	}
	r := w.requests[0]
	if r.Method != "GET" || r.RequestURI != "/api/v1/namespaces/kube-system/configmaps/aws-auth" || r.Header.Get("Accept") != "application/json" {
		t.Errorf("%s %s %v", r.Method, r.RequestURI, r.Header)
	}
	// The bearer token is one of a reader's session of this very cluster.
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	url, err := kubewire.DecodeBearer(token)
	if !ok || err != nil {
		t.Fatal(err)
	}
	signed, err := sigv4.ParsePresigned(url, sigv4.Header{Name: "x-k8s-aws-id", Value: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := session.Open(signed.SessionToken(), signed.Scope().AccessKeyID, account, w.sealer)
	if err != nil || opened.Reader != "c-prod" || opened.RoleID != "" {
		t.Fatalf("%+v, %v", opened, err)
	}
	if err := signed.Verify(opened.Secret(), start, sigv4.DefaultWindow()); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(url, "https://sts.mayfly.invalid/?") {
		t.Errorf("it is signed for %s", url[:40])
	}
}

// TestAges: what is fresh is used, what is stale is used and read anew, what is
// old is waited for, and what is too old while it cannot be read maps nobody.
func TestAges(t *testing.T) {
	w := newWorld(t)
	w.group()
	w.says(okMap("changed"))
	for _, step := range []struct {
		pass  time.Duration
		group string
		asked int
	}{
		{0, "deployers", 1},
		{freshFor - time.Second, "deployers", 1},
		{time.Second, "deployers", 2}, // and read anew meanwhile
		{0, "changed", 2},
		{staleFor, "changed", 3}, // waited for
	} {
		w.pass(step.pass)
		if got := w.group(); got != step.group {
			t.Errorf("after %s: %q, want %q", w.now().Sub(start), got, step.group)
		}
		w.settled()
		if got := w.asked(); got != step.asked {
			t.Errorf("after %s: asked %d times, want %d", w.now().Sub(start), got, step.asked)
		}
	}
	w.says(okMap("again"))
	w.pass(staleFor)
	if got := w.group(); got != "again" {
		t.Errorf("an old map was not waited for: %q", got)
	}
	// From here on it cannot be read.
	w.says(body(503, "down"))
	for _, step := range []struct {
		pass  time.Duration
		group string
	}{
		{time.Minute, "again"},
		{9*time.Minute - time.Second, "again"},
		{time.Second, "?"},
		{time.Hour, "?"},
	} {
		w.pass(step.pass)
		if got := w.group(); got != step.group {
			t.Errorf("down for %s: %q, want %q", step.pass, got, step.group)
		}
	}
	w.says(okMap("back"))
	w.pass(retryAfter)
	if got := w.group(); got != "back" {
		t.Errorf("back again: %q", got)
	}
	if text := w.log.String(); strings.Contains(text, "k8s-aws-v1") || !strings.Contains(text, "the cluster answers 503") {
		t.Errorf("the log: %s", text)
	}
}

// TestAnswers is what a cluster may answer.
func TestAnswers(t *testing.T) {
	const ok = "deployers"
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
		says   string // in the log
	}{
		{"the ConfigMap", okMap(ok), ok, ""},
		{"a ConfigMap without data", body(200, `{"kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"}}`), "", ""},
		{"null data", body(200, `{"kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":null}`), "", ""},
		{"that there is none", body(404, notFound), "", ""},
		{"an entry that is dropped", body(200, configMapJSON(map[string]string{"mapRoles": "- rolearn: x\n  username: \"{{EC2PrivateDNSName}}\"\n"})), "", "EC2PrivateDNSName"},

		{"404 of something in between", body(404, "404 page not found"), "?", "answers 404"},
		{"404 of another object", body(404, strings.Replace(notFound, `"aws-auth"`, `"other"`, 1)), "?", "answers 404"},
		{"401", body(401, `{}`), "?", "does not know the reader"},
		{"403", body(403, `{}`), "?", "does not let the reader read"},
		{"429", body(429, `{}`), "?", "answers 429"},
		{"500", body(500, `{}`), "?", "answers 500"},
		{"201", body(201, configMapJSON(nil)), "?", "answers 201"},
		{"no JSON", body(200, `not json`), "?", "no ConfigMap"},
		{"nothing", body(200, ``), "?", "no ConfigMap"},
		{"a list", body(200, `[]`), "?", "not the ConfigMap"},
		{"another kind", body(200, strings.Replace(configMapJSON(nil), "ConfigMap", "Secret", 1)), "?", "not the ConfigMap"},
		{"another name", body(200, strings.Replace(configMapJSON(nil), "aws-auth", "other", 1)), "?", "not the ConfigMap"},
		{"another namespace", body(200, strings.Replace(configMapJSON(nil), "kube-system", "default", 1)), "?", "not the ConfigMap"},
		{"data that are no text", body(200, `{"kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":{"mapRoles":[]}}`), "?", "not all text"},
		{"a key twice", body(200, `{"kind":"ConfigMap","metadata":{"name":"aws-auth","namespace":"kube-system"},"data":{"mapRoles":"","mapRoles":""}}`), "?", "stands twice"},
		{"more than is read", body(200, configMapJSON(map[string]string{"x": strings.Repeat("x", maxBody)})), "?", "larger than"},
		{"an end too early", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000")
			io.WriteString(rw, `{"kind":`)
		}, "?", "EOF"},
		{"headers without end", func(rw http.ResponseWriter, _ *http.Request) {
			for i := range 100 {
				rw.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		}, "?", "header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.says(tt.answer)
			if got := w.group(); got != tt.want {
				t.Errorf("%q", got)
			}
			if text := w.log.String(); (text == "") != (tt.says == "") || !strings.Contains(text, tt.says) || strings.Contains(text, "k8s-aws-v1") {
				t.Errorf("the log: %s", text)
			}
		})
	}
}

// A redirect is an answer like others; a token follows it nowhere.
func TestNoRedirect(t *testing.T) {
	elsewhere := 0
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	w := newWorld(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		w.says(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, other.URL, status) })
		w.pass(retryAfter)
		if got := w.group(); got != "?" || elsewhere != 0 {
			t.Errorf("%d: %q, %d requests elsewhere", status, got, elsewhere)
		}
	}
}

// The environment's proxy is not asked: a token would show there.
func TestNoProxy(t *testing.T) {
	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied++ }))
	defer proxy.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	c, err := newClient(newWorld(t).cluster("c", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Transport.(*http.Transport).Proxy != nil {
		t.Error("there is a proxy")
	}
}

// Only the registered authority vouches for the endpoint.
func TestOtherAuthority(t *testing.T) {
	w := newWorld(t)
	for name, change := range map[string]func(*eks.Cluster){
		"a CA that is none":        func(c *eks.Cluster) { c.CA = []byte("not a certificate") },
		"another CA":               func(c *eks.Cluster) { c.CA = []byte(otherCA) },
		"another name":             func(c *eks.Cluster) { c.Endpoint = strings.Replace(c.Endpoint, "127.0.0.1", "localhost", 1) },
		"an endpoint in clear":     func(c *eks.Cluster) { c.Endpoint = strings.Replace(c.Endpoint, "https", "http", 1) },
		"an endpoint nobody is at": func(c *eks.Cluster) { c.Endpoint = "https://127.0.0.1:1" },
	} {
		c := w.cluster("c-"+name, "prod")
		change(&c)
		w.put(registry.DeleteCluster{Name: "prod"}, registry.PutCluster{Cluster: c})
		if got := w.group(); got != "?" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if n := w.asked(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

// A cluster that is gone is forgotten; one registered anew under its name is
// another, and so is one that lies elsewhere.
func TestClustersThatAreGone(t *testing.T) {
	w := newWorld(t)
	w.group()
	old, _ := w.Snapshot().Cluster("prod")
	w.put(registry.DeleteCluster{Name: "prod"})
	if _, err := w.Mappings(t.Context(), old); err == nil || len(w.sources) != 0 {
		t.Errorf("gone: %v, %d kept", err, len(w.sources))
	}
	w.put(registry.PutCluster{Cluster: old})
	w.group()
	w.says(body(500, ""))
	w.put(registry.PutCluster{Cluster: w.cluster("c-prod-2", "prod")})
	if got := w.group(); got != "?" || len(w.sources) != 1 {
		t.Errorf("registered anew: %q, %d kept", got, len(w.sources))
	}
	w.says(okMap("new"))
	w.pass(retryAfter)
	if got := w.group(); got != "new" {
		t.Errorf("read anew: %q", got)
	}
	if last := w.issued[len(w.issued)-1]; last != "c-prod-2" {
		t.Errorf("with credentials for %s", last)
	}
	moved := w.cluster("c-prod-2", "prod")
	moved.Endpoint += "/"
	w.says(body(500, ""))
	w.put(registry.PutCluster{Cluster: moved})
	if got := w.group(); got != "?" {
		t.Errorf("moved: %q", got)
	}
	// One is not another's.
	w.says(okMap("both"))
	w.pass(retryAfter)
	w.put(registry.PutCluster{Cluster: w.cluster("c-stage", "stage")})
	w.group()
	stage, _ := w.Snapshot().Cluster("stage")
	if _, err := w.Mappings(t.Context(), stage); err != nil || len(w.sources) != 2 || !slices.Contains(w.issued, "c-stage") {
		t.Errorf("%v, %d kept, credentials for %v", err, len(w.sources), w.issued)
	}
}

// A session serves for as many reads as it lasts: each is an event of the audit
// log.
func TestOneSessionForSeveralReads(t *testing.T) {
	w := newWorld(t)
	for range 13 { // two minutes
		w.group()
		w.settled()
		w.pass(freshFor)
	}
	if reads := w.asked(); reads != 13 || len(w.issued) != 3 {
		t.Errorf("%d reads with %d sessions", reads, len(w.issued))
	}
}

func TestNoCredentials(t *testing.T) {
	w := newWorld(t)
	w.failing = errors.New("no sealing key")
	if got := w.group(); got != "?" || w.asked() != 0 {
		t.Errorf("%q, asked %d times", got, w.asked())
	}
}

// Many ask at once; the cluster is read once, over one connection.
func TestOneReadForMany(t *testing.T) {
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := w.group(); got != "deployers" {
				t.Errorf("%q", got)
			}
		})
	}
	wg.Wait()
	if got := w.asked(); got != 1 {
		t.Errorf("read %d times", got)
	}
	for range 5 {
		w.pass(staleFor)
		w.group()
	}
	if len(w.remotes) != 1 || w.asked() != 6 {
		t.Errorf("%d connections for %d reads", len(w.remotes), w.asked())
	}
}

// A cluster that does not answer is waited for a little while, and asked again
// a little later.
func TestClusterThatHangs(t *testing.T) {
	w := newWorld(t)
	w.group()
	gate := make(chan struct{})
	w.says(func(rw http.ResponseWriter, r *http.Request) {
		<-gate
		okMap("late")(rw, r)
	})
	w.wait = 50 * time.Millisecond
	w.pass(staleFor)
	began := time.Now()
	if got := w.group(); got != "deployers" {
		t.Errorf("while it hangs: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.wait = time.Hour
	c, _ := w.Snapshot().Cluster("prod")
	if _, err := w.Mappings(ctx, c); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	w.pass(10 * time.Minute)
	if _, err := w.Mappings(ctx, c); err == nil {
		t.Error("a map older than it may be")
	}
	if got := w.asked(); got != 2 {
		t.Errorf("asked %d times while one is under way", got)
	}
	close(gate)
	w.settled()
	if got := w.group(); got != "?" && got != "late" {
		t.Errorf("%q", got)
	}
}

func TestFirstReadUnderWay(t *testing.T) {
	w := newWorld(t)
	gate := make(chan struct{})
	w.says(func(rw http.ResponseWriter, r *http.Request) { <-gate; okMap("late")(rw, r) })
	w.wait = time.Millisecond
	if got := w.group(); got != "?" {
		t.Errorf("%q", got)
	}
	close(gate)
	w.settled()
	if got := w.group(); got != "late" {
		t.Errorf("%q", got)
	}
}

// After a failure there is a pause, and the log is told once a minute.
func TestPauseAfterFailure(t *testing.T) {
	w := newWorld(t)
	w.says(body(500, ""))
	for range 10 {
		w.group()
		w.settled()
	}
	if got := w.asked(); got != 1 {
		t.Errorf("asked %d times in no time", got)
	}
	for range 25 {
		w.pass(3 * time.Second)
		w.group()
	}
	if got, told := w.asked(), strings.Count(w.log.String(), "cannot be read"); got != 26 || told != 2 {
		t.Errorf("asked %d times and told %d times in a minute and a quarter", got, told)
	}
	// One that begins anew is told at once.
	w.says(okMap("back"))
	w.pass(3 * time.Second)
	w.group()
	w.says(body(500, ""))
	w.pass(staleFor)
	w.group()
	if told := strings.Count(w.log.String(), "cannot be read"); told != 3 {
		t.Errorf("told %d times, with the failure after", told)
	}
}

// What is wrong with a ConfigMap is said once, until it changes.
func TestNotesAreSaidOnce(t *testing.T) {
	w := newWorld(t)
	bad := func(arn string) http.HandlerFunc {
		return body(200, configMapJSON(map[string]string{"mapRoles": "- rolearn: " + arn + "\n  username: \"{{EC2PrivateDNSName}}\"\n"}))
	}
	told := func() int { return strings.Count(w.log.String(), "EC2PrivateDNSName") }
	w.says(bad("a"))
	for range 3 {
		w.group()
		w.pass(staleFor)
	}
	if got := told(); got != 1 {
		t.Errorf("told %d times", got)
	}
	w.says(bad("b"))
	w.group()
	if got := told(); got != 2 {
		t.Errorf("told %d times after a change", got)
	}
}

func TestPanicIsAFailure(t *testing.T) {
	w := newWorld(t)
	w.Reader.config.Credentials = func(context.Context, eks.Cluster) (session.Credentials, error) { panic("a defect") }
	if got := w.group(); got != "?" || !strings.Contains(w.log.String(), "a defect") {
		t.Errorf("%q, %s", got, &w.log)
	}
}

type noAudit struct{}

func (noAudit) Record(context.Context, audit.Event) error { return nil }

// TestThroughTheClustersOwnDoor: while the cluster waits for our answer to a
// TokenReview we read its ConfigMap, and it asks us first who the reader is and
// whether it may. None of these waits for another.
func TestThroughTheClustersOwnDoor(t *testing.T) {
	w := newWorld(t)
	doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.put(registry.PutRole{Role: iam.Role{ID: "AROADEPLOYER", Account: account, Path: "/", Name: "deployer", MaxSession: time.Hour, Trust: doc}})
	auth, err := clusterauth.New(clusterauth.Config{Registry: w, Sealer: w.sealer, Audit: noAudit{}, Mappings: w.Reader, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := w.Snapshot().Cluster("prod")
	reviewed := 0
	w.says(func(rw http.ResponseWriter, r *http.Request) { // a kube-apiserver, in short
		url, err := kubewire.DecodeBearer(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if err != nil {
			rw.WriteHeader(401)
			return
		}
		id, err := auth.Review(r.Context(), clusterauth.ReviewInput{Cluster: c, URL: url})
		if err != nil {
			rw.WriteHeader(401)
			return
		}
		reviewed++
		may := auth.Authorize(r.Context(), clusterauth.AccessInput{Cluster: c, User: id.Username, UID: id.UID, Extra: id.Extra,
			Attributes: eks.Attributes{IsResource: true, Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "aws-auth", Version: "v1"}})
		if !may.Allowed {
			rw.WriteHeader(403)
			return
		}
		okMap("deployers")(rw, r)
	})
	_, creds, err := session.Issue(session.Session{RoleID: "AROADEPLOYER", Name: "job", Issued: start, Expires: start.Add(time.Hour)}, account, w.sealer, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	bearer, err := presign(creds, c.Region, c.Name, start)
	if err != nil {
		t.Fatal(err)
	}
	url, err := kubewire.DecodeBearer(bearer)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			id, err := auth.Review(t.Context(), clusterauth.ReviewInput{Cluster: c, URL: url})
			if err != nil || id.Username != "deployer" || strings.Join(id.Groups, " ") != "deployers" {
				t.Errorf("%+v, %v; %s", id, err, &w.log)
			}
		})
	}
	wg.Wait()
	if reviewed != 1 {
		t.Errorf("the reader was reviewed %d times", reviewed)
	}
}
