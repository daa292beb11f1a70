// Package housetest is a whole server in a test: the assembled trust plane on
// loopback with a provider, a role and a job of it.
package housetest

import (
	"context"
	"crypto"
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
	"sync/atomic"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/server"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/mayflywire"
	"mayfly.internal/internal/wire/stswire"
)

// Account is the server's account, Issuer the provider it knows, Role the role
// that main of the project acme/web may assume, and Next the one that sessions of
// Role may; both may do nothing.
const (
	Account = "111122223333"
	Issuer  = "https://gitlab.example"
	Role    = "arn:aws:iam::" + Account + ":role/deployer"
	Next    = "arn:aws:iam::" + Account + ":role/next"
	Region  = "us-east-1"
)

// House is a running server and credentials for it.
type House struct {
	URL     string
	CAFile  string
	Data    string
	Admin   stswire.Credentials // the administrator's
	Expired stswire.Credentials // of an administrator, three quarters of an hour ago
	Job     stswire.Credentials // of a job of acme/web

	// Door is where user 11 signs in, at an issuer of its own, for the client
	// mayfly-cli; PersonRole is the role that trusts that person.
	Door       *fakeissuer.Door
	People     *fakeissuer.Issuer
	PersonRole string

	t      testing.TB
	issuer *fakeissuer.Issuer
	socket string
	http   *http.Client
}

// New starts a server in a directory of its own; it ends with the test.
func New(t testing.TB) *House {
	t.Helper()
	dir, err := os.MkdirTemp("", "house") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	h := &House{Data: filepath.Join(dir, "data"), t: t, issuer: fakeissuer.New(t)}
	yes := true
	c := server.Default()
	c.Listen, c.MetricsListen, c.AccountID = "127.0.0.1:0", "off", Account
	h.People = fakeissuer.New(t)
	h.Door = h.People.Door("mayfly-cli", "11")
	c.Issuers = []server.IssuerConfig{{URL: Issuer, JWKSFile: h.issuer.KeySetFile(), GitLab: &yes}, {URL: h.People.URL, JWKSFile: h.People.KeySetFile(), GitLab: &yes, LoginClientIDs: []string{h.Door.ClientID}}}
	var shift atomic.Int64
	s, err := server.New(t.Context(), server.Options{Config: c, Data: h.Data, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	h.URL, h.CAFile, h.socket = s.PublicURL(), s.CAFile(), s.SocketPath()
	h.http = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: h.pool()}}}
	t.Cleanup(h.http.CloseIdleConnections)
	shift.Store(-int64(time.Hour))
	h.Expired = h.askAdmin()
	shift.Store(0)
	h.Admin = h.askAdmin()
	h.teach()
	h.Job = h.exchange(h.Token("acme/web", "main"))
	return h
}

func (h *House) pool() *x509.CertPool {
	text, err := os.ReadFile(h.CAFile)
	if err != nil {
		h.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// Token is the ID token of a job of a project's branch.
func (h *House) Token(project, branch string) string {
	return h.issuer.Token(claims(project, branch))
}

// TokenWith is Token with other claims in place of some; nil leaves one out.
func (h *House) TokenWith(project, branch string, change map[string]any) string {
	c := claims(project, branch)
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return h.issuer.Token(c)
}

func claims(project, branch string) map[string]any {
	out := fakeissuer.JobClaims("mayfly", project, branch)
	out["iss"] = Issuer
	return out
}

// IssuerKey is the key that signs for Issuer, and its id.
func (h *House) IssuerKey() (key crypto.Signer, id string) {
	return h.issuer.PrivateKey(jwt.RS256), h.issuer.KeyID(jwt.RS256)
}

// JobClaims are the claims of the job that Role lets in.
func (h *House) JobClaims() map[string]any { return claims("acme/web", "main") }

// Cluster registers a cluster, in an authentication mode that has entries, in
// which Role has an identity, and gives what its API server needs. There is no
// such API server.
func (h *House) Cluster(name, mode string) mayflywire.WebhookConfig {
	ca, err := os.ReadFile(h.CAFile)
	if err != nil {
		h.t.Fatal(err)
	}
	out := h.register(name, mode, "https://127.0.0.1:1", ca)
	h.EKS("/clusters/"+name+"/access-entries", `{"principalArn":"`+Role+`"}`)
	return out
}

// register makes a cluster known and gives what its API server needs.
func (h *House) register(name, mode, endpoint string, ca []byte) mayflywire.WebhookConfig {
	c, err := client.New(client.Config{Endpoint: h.URL, Region: Region, CAFile: h.CAFile, Credentials: h.admin()})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := c.RegisterCluster(h.t.Context(), mayflywire.Cluster{Name: name, Region: Region, Endpoint: endpoint, CA: string(ca), AuthenticationMode: mode}); err != nil {
		h.t.Fatal(err)
	}
	out, err := c.WebhookConfig(h.t.Context(), name)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// Entitle gives Role an access policy in a namespace of a cluster.
func (h *House) Entitle(cluster, policyARN, namespace string) {
	h.EKS("/clusters/"+cluster+"/access-entries/"+url.PathEscape(Role)+"/access-policies", `{"policyArn":"`+policyARN+`","accessScope":{"type":"namespace","namespaces":["`+namespace+`"]}}`)
}

// EKS posts a body to the EKS API as the administrator.
func (h *House) EKS(path, body string) {
	req, err := http.NewRequest(http.MethodPost, h.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	h.sign(req, body, "eks")
	h.send(req)
}

// Permit gives Role a permission policy of one statement that allows an action.
func (h *House) Permit(action, resource string) {
	h.iam("PutRolePolicy", url.Values{"RoleName": {"deployer"}, "PolicyName": {"permit"}, "PolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}]}`}})
}

func (h *House) admin() sigv4.Credentials {
	return sigv4.Credentials{AccessKeyID: h.Admin.AccessKeyID, SecretKey: secret.New(h.Admin.SecretAccessKey), SessionToken: h.Admin.SessionToken}
}

// sign signs a request as the administrator.
func (h *House) sign(req *http.Request, body, service string) {
	r := sigv4.Request{Method: req.Method, Host: req.URL.Host, Path: req.URL.EscapedPath(), Body: []byte(body), Headers: []sigv4.Header{{Name: "Content-Type", Value: req.Header.Get("Content-Type")}}}
	add, err := sigv4.Sign(r, h.admin(), Region, service, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, header := range add {
		req.Header.Set(header.Name, header.Value)
	}
}

func (h *House) askAdmin() stswire.Credentials {
	hc := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.socket)
	}}}
	resp, err := hc.Post("http://mayflyd/credentials", "", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var a server.AdminCredentials
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		h.t.Fatal(err)
	}
	return a.Credentials
}

// teach registers the provider and the role, as an administrator does.
func (h *House) teach() {
	host := strings.TrimPrefix(Issuer, "https://")
	h.iam("CreateOpenIDConnectProvider", url.Values{"Url": {Issuer}, "ClientIDList.member.1": {"mayfly"}})
	h.iam("CreateRole", url.Values{"RoleName": {"deployer"}, "AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::` + Account + `:oidc-provider/` + host + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + host + `:sub":"project_path:acme/web:ref_type:branch:ref:main"}}}]}`}})
	people := strings.TrimPrefix(h.People.URL, "https://")
	h.iam("CreateOpenIDConnectProvider", url.Values{"Url": {h.People.URL}, "ClientIDList.member.1": {h.Door.ClientID}})
	h.iam("CreateRole", url.Values{"RoleName": {"person"}, "AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
		"Principal":{"Federated":"arn:aws:iam::` + Account + `:oidc-provider/` + people + `"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"` + people + `:sub":"` + h.Door.UserID + `","` + people + `:aud":"` + h.Door.ClientID + `"}}}]}`}})
	h.PersonRole = "arn:aws:iam::" + Account + ":role/person"
	h.iam("CreateRole", url.Values{"RoleName": {"next"}, "AssumeRolePolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + Role + `"},"Action":"sts:AssumeRole"}]}`}})
}

func (h *House) iam(action string, params url.Values) {
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	maps.Copy(form, params)
	body := form.Encode()
	req := h.form(body)
	h.sign(req, body, "iam")
	h.send(req)
}

func (h *House) form(body string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, h.URL+"/", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// send sends a request that must succeed.
func (h *House) send(req *http.Request) string {
	status, body := h.ask(req)
	if status != http.StatusOK {
		h.t.Fatalf("%d %s", status, body)
	}
	return body
}

func (h *House) ask(req *http.Request) (status int, body string) {
	resp, err := h.http.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Assume asks for a role with a token: HTTP's status, and the answer.
func (h *House) Assume(role, token string) (status int, body string) {
	return h.ask(h.exchangeForm(token, role))
}

// Tokens are ID tokens by name: one that Role lets in, and some next to it.
func (h *House) Tokens() map[string]string {
	change := func(changes map[string]any) string {
		c := h.JobClaims()
		maps.Copy(c, changes)
		return h.issuer.Token(c)
	}
	good, hour := h.Token("acme/web", "main"), time.Now().Add(-2*time.Hour).Unix()
	return map[string]string{
		"good":     good,
		"forged":   good[:strings.LastIndexByte(good, '.')+1] + strings.Repeat("A", len(good)-strings.LastIndexByte(good, '.')-1),
		"tag":      change(map[string]any{"sub": "project_path:acme/web:ref_type:tag:ref:main", "ref_type": "tag", "ref_path": "refs/tags/main"}),
		"audience": change(map[string]any{"aud": "https://vault.example"}),
		"expired":  change(map[string]any{"iat": hour, "nbf": hour, "exp": hour + 3600}),
		"stranger": h.Token("other/project", "main"),
	}
}

// Refused tries to exchange a token, and gives the id of the request that refused
// it.
func (h *House) Refused(token, role string) string {
	resp, err := h.http.Do(h.exchangeForm(token, role))
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		h.t.Fatalf("it is not refused: %s", resp.Status)
	}
	return resp.Header.Get("X-Amzn-Requestid")
}

func (h *House) exchangeForm(token, role string) *http.Request {
	return h.form(url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {stswire.Version}, "RoleArn": {role}, "RoleSessionName": {"run-1"}, "WebIdentityToken": {token}}.Encode())
}

// exchange gives the credentials that a token is good for.
func (h *House) exchange(token string) stswire.Credentials {
	req := h.exchangeForm(token, Role)
	req.Header.Set("Accept", "application/json")
	var out struct {
		AssumeRoleWithWebIdentityResponse struct {
			AssumeRoleWithWebIdentityResult stswire.WebIdentityResult
		}
	}
	if err := json.Unmarshal([]byte(h.send(req)), &out); err != nil {
		h.t.Fatal(err)
	}
	return out.AssumeRoleWithWebIdentityResponse.AssumeRoleWithWebIdentityResult.Credentials
}
