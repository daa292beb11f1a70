package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

const (
	testIssuer  = "https://gitlab.example:8443/path"
	testAccount = "111122223333"
)

// syncBuffer is a log that a test reads while the server writes.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// world is a running server with a client of its own.
type world struct {
	*Server
	t      *testing.T
	log    *syncBuffer
	issuer *fakeissuer.Issuer
	stop   context.CancelFunc
	done   chan error
	hc     *http.Client
	admin  AdminCredentials
}

// quiet is a configuration on free ports with no issuer.
func quiet() Config {
	c := Default()
	c.Listen, c.MetricsListen, c.AccountID = "127.0.0.1:0", "127.0.0.1:0", testAccount
	return c
}

// newWorld starts a server; change sets its configuration.
func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{t: t, log: &syncBuffer{}, issuer: fakeissuer.New(t), done: make(chan error, 1)}
	yes := true
	c := quiet()
	c.Issuers = []IssuerConfig{{URL: testIssuer, JWKSFile: w.issuer.KeySetFile(), GitLab: &yes}}
	o := Options{Config: c, Data: shortDir(t), Log: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(&o)
	}
	var err error
	if w.Server, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.done <- w.Serve(ctx) }()
	t.Cleanup(func() { w.end() })
	w.hc = &http.Client{Transport: w.transport(nil)}
	w.admin = w.askAdmin()
	return w
}

// shortDir is a data directory whose socket's name is not too long.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "d")
}

func (w *world) end() {
	w.stop()
	select {
	case err := <-w.done:
		w.done <- nil
		if err != nil {
			w.t.Errorf("the server ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		w.t.Error("the server does not end")
	}
}

// transport trusts the server's CA; cert is the client's certificate.
func (w *world) transport(cert *tls.Certificate) *http.Transport {
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(w.CAFile())
	if err != nil {
		w.t.Fatal(err)
	}
	pool.AppendCertsFromPEM(pem)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Time: w.now}}
	if cert != nil {
		tr.TLSClientConfig.Certificates = []tls.Certificate{*cert}
	}
	w.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (w *world) askAdmin() (a AdminCredentials) {
	w.t.Helper()
	hc := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", w.SocketPath())
	}}}
	resp, err := hc.Post("http://mayflyd/credentials", "", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(req *http.Request) answer {
	w.t.Helper()
	resp, err := w.hc.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (w *world) request(method, path, body string) *http.Request {
	w.t.Helper()
	req, err := http.NewRequest(method, w.PublicURL()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	return req
}

// signed is a request signed for a service by credentials.
func (w *world) signed(a AdminCredentials, service, method, path, body string) *http.Request {
	w.t.Helper()
	req := w.request(method, path, body)
	if service == "mayfly" || service == "eks" {
		req.Header.Set("Content-Type", "application/json")
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	r := sigv4.Request{Method: method, Host: req.URL.Host, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery, Body: []byte(body)}
	for name, values := range req.Header {
		r.Headers = append(r.Headers, sigv4.Header{Name: name, Value: values[0]})
	}
	add, err := sigv4.Sign(r, credentials(a), "us-east-1", service, w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range add {
		req.Header.Set(h.Name, h.Value)
	}
	return req
}

func credentials(a AdminCredentials) sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: a.Credentials.AccessKeyID, SecretKey: secret.New(a.Credentials.SecretAccessKey), SessionToken: a.Credentials.SessionToken}
}

// query calls an operation of STS or IAM as the administrator; its answer must
// be 200.
func (w *world) query(service, version, action string, params url.Values) string {
	w.t.Helper()
	form := url.Values{"Action": {action}, "Version": {version}}
	maps.Copy(form, params)
	got := w.send(w.signed(w.admin, service, http.MethodPost, "/", form.Encode()))
	if got.status != http.StatusOK {
		w.t.Fatalf("%s: %d %s", action, got.status, got.body)
	}
	return got.body
}

const roleARN = "arn:aws:iam::" + testAccount + ":role/deployer"

// teach registers the issuer and a role that trusts acme/web's main.
func (w *world) teach() {
	w.t.Helper()
	host := strings.TrimPrefix(testIssuer, "https://")
	w.query("iam", "2010-05-08", "CreateOpenIDConnectProvider", url.Values{"Url": {testIssuer}, "ClientIDList.member.1": {"mayfly"}})
	w.query("iam", "2010-05-08", "CreateRole", url.Values{"RoleName": {"deployer"}, "AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::` + testAccount + `:oidc-provider/` + host + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + host + `:sub":"project_path:acme/web:ref_type:branch:ref:main"}}}]}`}})
}

// job is the token of a job of a project's branch.
func (w *world) job(project, branch string) string {
	claims := fakeissuer.JobClaims("mayfly", project, branch)
	claims["iss"] = testIssuer
	return w.issuer.Token(claims)
}

func exchangeForm(token string) string {
	return url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {roleARN}, "RoleSessionName": {"run-1"}, "WebIdentityToken": {token}}.Encode()
}

// exchange asks for a session with a token.
func (w *world) exchange(token string) answer {
	w.t.Helper()
	req := w.request(http.MethodPost, "/", exchangeForm(token))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

// makeRole makes a role of a statement of its trust policy, and of its permission
// policy unless that is empty.
func (w *world) makeRole(name, trust, permission string) {
	w.t.Helper()
	w.query("iam", "2010-05-08", "CreateRole", url.Values{"RoleName": {name}, "AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[` + trust + `]}`}})
	if permission != "" {
		w.query("iam", "2010-05-08", "PutRolePolicy", url.Values{"RoleName": {name}, "PolicyName": {"inline"}, "PolicyDocument": {`{"Version":"2012-10-17","Statement":[` + permission + `]}`}})
	}
}

// assume asks for a session of a role of a name.
func (w *world) assume(who AdminCredentials, role string, params url.Values) (AdminCredentials, answer) {
	w.t.Helper()
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + testAccount + ":role/" + role}, "RoleSessionName": {"hop-1"}}
	maps.Copy(form, params)
	got := w.send(w.signed(who, "sts", http.MethodPost, "/", form.Encode()))
	return w.given(got), got
}

// given are the credentials of an answer.
func (w *world) given(got answer) AdminCredentials {
	out := w.admin
	out.Credentials.AccessKeyID, out.Credentials.SecretAccessKey, out.Credentials.SessionToken = between(got.body, "<AccessKeyId>", "<"), between(got.body, "<SecretAccessKey>", "<"), between(got.body, "<SessionToken>", "<")
	return out
}
