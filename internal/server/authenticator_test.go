package server

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/kubewire"
)

// awsSTS is AWS STS with one user, jane.
type awsSTS struct {
	mu    sync.Mutex
	asked []string
	down  bool
}

func (a *awsSTS) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.Host)
	if a.down {
		return nil, io.ErrUnexpectedEOF
	}
	w := httptest.NewRecorder()
	signed, err := sigv4.Parse(sigv4.Request{Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: r.Header.Get("x-k8s-aws-id")}}})
	if err == nil {
		err = signed.Verify(secret.New("jane's key"), time.Now(), sigv4.DefaultWindow())
	}
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"Error":{"Code":"SignatureDoesNotMatch"}}`)
		return w.Result(), nil
	}
	io.WriteString(w, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"444455556666","Arn":"arn:aws:iam::444455556666:user/jane","UserId":"AIDAJANE"}}}`)
	return w.Result(), nil
}

func bearerOf(t *testing.T, c sigv4.Credentials, boundTo string) string {
	t.Helper()
	const host = "sts.eu-central-1.amazonaws.com"
	query, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: host, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: boundTo}}}, c, "eu-central-1", "sts", time.Minute, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return kubewire.EncodeBearer("https://" + host + "/?" + query)
}

const authenticatorConfig = `
clusterID: k8s.example.com
server:
  port: 0
  stateDir: DIR/state
  generateKubeconfig: DIR/kubeconfig.yaml
  mapUsers:
  - userARN: arn:aws:iam::444455556666:user/jane
    username: jane
    groups: [devs]
`

// TestDropIn: an API server that was configured for aws-iam-authenticator asks
// this port and gets answers, from one start to the next.
func TestDropIn(t *testing.T) {
	dir, sts := t.TempDir(), &awsSTS{}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(authenticatorConfig, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	data := shortDir(t)
	start := func() *world {
		return newWorld(t, func(o *Options) {
			o.Config.Authenticator = AuthenticatorConfig{Config: path, Cluster: "prod", HealthListen: "127.0.0.1:0"}
			o.Data, o.AWS = data, sts
		})
	}
	w := start()
	ca, err := os.ReadFile(w.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	register, err := json.Marshal(map[string]any{"name": "prod", "endpoint": "https://127.0.0.1:1", "ca": string(ca), "region": "eu-central-1", "authenticationMode": "CONFIG_MAP", "trustAwsAccounts": []string{"444455556666"}})
	if err != nil {
		t.Fatal(err)
	}
	client, url := apiServer(t, filepath.Join(dir, "kubeconfig.yaml"))
	jane := sigv4.Credentials{AccessKeyID: "AKIAJANE", SecretKey: secret.New("jane's key")}
	if status, body := review(t, client, url, bearerOf(t, jane, "k8s.example.com")); status != 403 || strings.Contains(body, "jane") {
		t.Errorf("before the cluster is registered: %d %s", status, body)
	}
	if got := w.send(w.signed(w.admin, "mayfly", http.MethodPost, "/mayfly/v1/clusters", string(register))); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	status, body := review(t, client, url, bearerOf(t, jane, "k8s.example.com"))
	for _, want := range []string{`"authenticated":true`, `"username":"jane"`, `"uid":"aws-iam-authenticator:444455556666:AIDAJANE"`, `"groups":["devs"]`, `"canonicalArn":["arn:aws:iam::444455556666:user/jane"]`} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d %s, want %s", status, body, want)
		}
	}
	for name, token := range map[string]string{
		"bound to the cluster's name here": bearerOf(t, jane, "prod"),
		"signed with another key":          bearerOf(t, sigv4.Credentials{AccessKeyID: "AKIAJANE", SecretKey: secret.New("x")}, "k8s.example.com"),
		"nobody's of ours is mapped":       bearerOf(t, credentials(w.admin), "k8s.example.com"),
		"no token":                         "x",
	} {
		if status, body := review(t, client, url, token); status != 403 || strings.Contains(body, "true") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	sts.mu.Lock()
	sts.down = true
	if len(sts.asked) != 3 { // jane's, and two that AWS disowned: nothing else is sent
		t.Errorf("AWS was asked %d times", len(sts.asked))
	}
	sts.mu.Unlock()
	other := sigv4.Credentials{AccessKeyID: "AKIAJANE2", SecretKey: jane.SecretKey} // a token that AWS has not seen
	if status, body := review(t, client, url, bearerOf(t, other, "k8s.example.com")); status != 403 || strings.Contains(body, "jane") {
		t.Errorf("while AWS does not answer: %d %s", status, body)
	}
	metrics := get(t, client, strings.Replace(url, "/authenticate", "/metrics", 1))
	for _, want := range []string{
		`aws_iam_authenticator_authenticate_latency_seconds_count{result="success"} `, `aws_iam_authenticator_authenticate_latency_seconds_count{result="uknown_user"} 2`, `aws_iam_authenticator_authenticate_latency_seconds_count{result="invalid_token"} 1`,
		`aws_iam_authenticator_sts_responses_total{ResponseCode="200",StsRegion="eu-central-1"} 1`, `aws_iam_authenticator_sts_responses_total{ResponseCode="403",StsRegion="eu-central-1"} 2`,
		`aws_iam_authenticator_sts_connection_failures_total{StsRegion="eu-central-1"} 1`, `aws_iam_authenticator_authenticate_latency_seconds_count{result="sts_error"} 3`,
		`aws_iam_authenticator_dynamic_file_enabled 0`, `aws_iam_authenticator_configmap_watch_failures_total 0`, `aws_iam_authenticator_dynamicfile_failures_total 0`, `mayfly_aws_sts_requests_total{region="eu-central-1",status="200"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s\n%s", want, regexp.MustCompile(`(?m)^(aws_iam|mayfly_aws).*`).FindAllString(metrics, -1))
		}
	}
	if got := get(t, client, strings.Replace(url, "/authenticate", "/healthz", 1)); got != "ok" {
		t.Errorf("healthz: %q", got)
	}
	if got := get(t, http.DefaultClient, "http://"+w.dropIn.health.Addr().String()+"/healthz"); got != "ok" {
		t.Errorf("the health port: %q", got)
	}
	if log := w.log.String(); strings.Contains(log, "k8s-aws-v1") || strings.Contains(log, "X-Amz-Signature") {
		t.Error("the log holds a bearer token")
	}
	before, err := os.ReadFile(filepath.Join(dir, "state", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	w.end()
	start()
	after, err := os.ReadFile(filepath.Join(dir, "state", "cert.pem"))
	if err != nil || !bytes.Equal(before, after) {
		t.Error("the certificate, which the API server holds, changed")
	}
	if info, err := os.Stat(filepath.Join(dir, "state", "key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
}

// apiServer is a client as the kubeconfig that was written makes one.
func apiServer(t *testing.T, kubeconfig string) (*http.Client, string) {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string) string {
		m := regexp.MustCompile(name + `: (\S+)`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("no %s in %s", name, text)
		}
		return string(m[1])
	}
	pem, err := base64.StdEncoding.DecodeString(field("certificate-authority-data"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate")
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	if !strings.HasPrefix(field("server"), "https://localhost:") {
		t.Errorf("server is %s", field("server"))
	}
	return &http.Client{Transport: tr}, field("server")
}

func review(t *testing.T, client *http.Client, url, token string) (int, string) {
	t.Helper()
	resp, err := client.Post(url, "application/json", strings.NewReader(`{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","spec":{"token":"`+token+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestDropInConfig: what is wrong is said before anything listens.
func TestDropInConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(text string) string {
		path := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name, text string
		change     func(*Config)
		want       string
	}{
		{"no such file", "", func(c *Config) { c.Authenticator.Config = dir + "/none" }, "no such file"},
		{"a file with a mistake", "clusterID: c\nserver: {master: x}", nil, "server.master is not supported"},
		{"a clusterID that is no name", "clusterID: k8s.example.com", nil, "authenticator.cluster"},
		{"a partition there and another here", "clusterID: c\nserver: {partition: aws-cn}", func(c *Config) { c.AWSSTS.Partition = "aws" }, "aws_sts.partition"},
		{"no partition of AWS", "clusterID: c\nserver: {partition: aws-x}", nil, `"aws-x" is no partition`},
		{"no region", "clusterID: c", func(c *Config) { c.AWSSTS.Regions = []string{"evil.example/"} }, "is no region's name"},
		{"no health address", "clusterID: c", func(c *Config) { c.Authenticator.HealthListen = "x" }, "authenticator.health_listen"},
		{"a cluster and no file", "", func(c *Config) { c.Authenticator = AuthenticatorConfig{Cluster: "c"} }, "config is missing"},
		{"nobody may ask", "clusterID: c", func(c *Config) { c.AWSSTS.RequestsPerSecond = 0 }, "requests_per_second"},
	} {
		c := quiet()
		c.Authenticator.Config = file(tt.text)
		if tt.change != nil {
			tt.change(&c)
		}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// What cannot be put in place stops the start, and says what to do.
	start := func(text string) error {
		c := quiet()
		c.Authenticator = AuthenticatorConfig{Config: file(strings.Replace(text, "k8s.example.com", "prod", 1)), HealthListen: "off"}
		_, err := New(t.Context(), Options{Config: c, Data: shortDir(t), Log: slog.New(slog.DiscardHandler)})
		return err
	}
	if err := start(strings.Replace(authenticatorConfig, "DIR/kubeconfig.yaml", "DIR/none/kubeconfig.yaml", 1)); err == nil || !strings.Contains(err.Error(), "server.kubeconfigPregenerated") {
		t.Errorf("a kubeconfig in no folder: %v", err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	if err := start(strings.Replace(authenticatorConfig, "port: 0", "port: "+port, 1)); err == nil || !strings.Contains(err.Error(), "authenticator: listen") {
		t.Errorf("a port that is taken: %v", err)
	}
	// One of the pair is not made anew beside the other.
	if err := os.Remove(dir + "/state/cert.pem"); err != nil {
		t.Fatal(err)
	}
	if err := start(authenticatorConfig); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("a key without its certificate: %v", err)
	}
}
