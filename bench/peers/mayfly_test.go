package peers

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/server"
	"mayfly.internal/internal/sigv4"
)

const (
	issuer  = "https://localhost" // where the peer asks, which takes no port
	account = "111122223333"
	form    = "application/x-www-form-urlencoded"
)

// jobs makes ID tokens of jobs.
type jobs struct{ key *rsa.PrivateKey }

func newJobs(tb testing.TB) jobs {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return jobs{key}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func (j jobs) jwks() string {
	return fmt.Sprintf(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":%q,"e":%q}]}`, b64(j.key.N.Bytes()), b64(big.NewInt(int64(j.key.E)).Bytes()))
}

func (j jobs) token(tb testing.TB) string {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": issuer, "aud": "bench", "sub": "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", "iat": now, "nbf": now - 5, "exp": now + 3600, "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
		"namespace_id": "72", "namespace_path": "my_group", "project_id": "4711", "project_path": "my_group/my-fancy_project", "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "user_access_level": "maintainer",
		"pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "production", "ref_type": "branch", "ref_path": "refs/heads/production", "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
		"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private", "ci_config_ref_uri": "localhost/my_group/my-fancy_project//.gitlab-ci.yml@refs/heads/production", "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc"})
	if err != nil {
		tb.Fatal(err)
	}
	text := b64([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, j.key, crypto.SHA256, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + b64(sig)
}

// exchange is the request of a job.
func (j jobs) exchange(tb testing.TB, role string) string {
	return url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"GitLabRunner-1"}, "DurationSeconds": {"900"}, "WebIdentityToken": {j.token(tb)}}.Encode()
}

// caller signs an administrator's requests.
type caller struct {
	base        string
	credentials sigv4.Credentials
}

// call sends one request; its answer must be 200.
func (c caller) call(tb testing.TB, service, path, contentType, body string) string {
	u, err := url.Parse(c.base + path)
	if err != nil {
		tb.Fatal(err)
	}
	r := sigv4.Request{Method: http.MethodPost, Host: u.Host, Path: u.Path, Headers: []sigv4.Header{{Name: "Content-Type", Value: contentType}}, Body: []byte(body)}
	add, err := sigv4.Sign(r, c.credentials, "us-east-1", service, time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for _, h := range add {
		req.Header.Set(h.Name, h.Value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s %v", resp.Status, answer, err)
	}
	return string(answer)
}

// teach registers the issuer and a role that trusts its jobs, and gives the
// role's ARN. The thumbprint is for who pins the issuer's certificate.
func (c caller) teach(tb testing.TB, thumbprint string) string {
	host := strings.TrimPrefix(issuer, "https://")
	provider := url.Values{"Action": {"CreateOpenIDConnectProvider"}, "Version": {"2010-05-08"}, "Url": {issuer}, "ClientIDList.member.1": {"bench"}, "ThumbprintList.member.1": {thumbprint}}
	arn := between(c.call(tb, "iam", "/", form, provider.Encode()), "<OpenIDConnectProviderArn>")
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + arn + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + host + `:aud":"bench"},"StringLike":{"` + host + `:sub":"project_path:my_group/*:ref_type:branch:ref:production"}}}]}`
	role := url.Values{"Action": {"CreateRole"}, "Version": {"2010-05-08"}, "RoleName": {"bench"}, "AssumeRolePolicyDocument": {trust}}
	return between(c.call(tb, "iam", "/", form, role.Encode()), "<Arn>")
}

// between is what stands after an element's opening.
func between(text, open string) string {
	_, text, _ = strings.Cut(text, open)
	text, _, _ = strings.Cut(text, "<")
	return text
}

// ours is the whole Mayfly, with SQLite on a real disk.
type ours struct {
	caller
	role       string
	kubeconfig string // what the API server gets for the port of aws-iam-authenticator
}

// clusterID is what bearer tokens are bound to.
const clusterID = "prod"

func mayfly(tb testing.TB, j jobs, a authority, aws http.RoundTripper) ours {
	dir := dataDir(tb)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
		return path
	}
	o := ours{kubeconfig: filepath.Join(dir, "kubeconfig.yaml")}
	yes := true
	c := server.Default()
	c.Listen, c.MetricsListen, c.AccountID = "http://127.0.0.1:0", "off", account
	c.Admin.Socket = filepath.Join(dir, "s")
	c.Issuers = []server.IssuerConfig{{URL: issuer, JWKSFile: write("jwks.json", j.jwks()), GitLab: &yes}}
	c.AWSSTS.RequestsPerSecond = 1_000_000
	c.Authenticator = server.AuthenticatorConfig{HealthListen: "off", Config: write("authenticator.yaml", `
clusterID: `+clusterID+`
server:
  port: 0
  stateDir: `+dir+`/state
  generateKubeconfig: `+o.kubeconfig+`
  mapUsers:
  - {userARN: `+jane+`, username: jane, groups: [devs]}
  mapRoles:
  - {roleARN: "arn:aws:iam::`+account+`:role/bench", username: deployer, groups: [devs]}
`)}
	srv, err := server.New(tb.Context(), server.Options{Config: c, Data: filepath.Join(dir, "data"), Log: slog.New(slog.NewJSONHandler(io.Discard, nil)), AWS: aws})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	tb.Cleanup(func() { cancel(); <-done })
	o.caller = caller{srv.PublicURL(), askAdmin(tb, c.Admin.Socket)}
	o.role = o.teach(tb, strings.Repeat("0", 40))
	cluster, err := json.Marshal(map[string]any{"name": clusterID, "endpoint": "https://127.0.0.1:1", "ca": a.pem(), "region": region, "authenticationMode": "CONFIG_MAP", "trustAwsAccounts": []string{"444455556666"}})
	if err != nil {
		tb.Fatal(err)
	}
	o.call(tb, "mayfly", "/mayfly/v1/clusters", "application/json", string(cluster))
	return o
}

// askAdmin gets an administrator's credentials from the socket.
func askAdmin(tb testing.TB, socket string) sigv4.Credentials {
	hc := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := hc.Post("http://mayflyd/credentials", "", nil)
		if err == nil {
			defer resp.Body.Close()
			var a server.AdminCredentials
			if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
				tb.Fatal(err)
			}
			return sigv4.Credentials{AccessKeyID: a.Credentials.AccessKeyID, SecretKey: secret.New(a.Credentials.SecretAccessKey), SessionToken: a.Credentials.SessionToken}
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
	}
}

// session exchanges a job's token for credentials.
func (o ours) session(tb testing.TB, j jobs) sigv4.Credentials {
	resp, err := http.Post(o.base+"/", form, strings.NewReader(j.exchange(tb, o.role)))
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result struct {
			Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		} `xml:"AssumeRoleWithWebIdentityResult"`
	}
	if err := xml.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %v", resp.Status, err)
	}
	c := answer.Result.Credentials
	return sigv4.Credentials{AccessKeyID: c.AccessKeyId, SecretKey: secret.New(c.SecretAccessKey), SessionToken: c.SessionToken}
}
