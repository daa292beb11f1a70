package attack_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"mayfly.internal/internal/attack"
	"mayfly.internal/internal/housetest"
)

// house is the assembled server as a target, with a webhook.
func house(t *testing.T) attack.Target {
	t.Helper()
	h := housetest.New(t)
	w := h.Cluster("prod", "API")
	pair, err := tls.X509KeyPair([]byte(w.ClientCertificate), []byte(w.ClientKey))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(h.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	h.Permit("mayfly:IssueToken", "arn:aws:mayfly:"+housetest.Region+":"+housetest.Account+":audience/kubernetes/prod")
	key, id := h.IssuerKey()
	return attack.Target{Endpoint: h.URL, HTTP: web(t, &tls.Config{RootCAs: pool}), Role: housetest.Role, Region: housetest.Region, Key: key, KeyID: id, Claims: h.JobClaims(), Next: housetest.Next, Audience: "kubernetes/prod",
		Webhook: &attack.Webhook{URL: w.AuthenticateURL, HTTP: web(t, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}), Cluster: "prod"}}
}

func web(t *testing.T, c *tls.Config) *http.Client {
	tr := &http.Transport{TLSClientConfig: c}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// TestDocs: docs/security-testing.md names attacks that there are, and says how
// many.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/security-testing.md")
	if err != nil {
		t.Fatal(err)
	}
	answers, err := os.ReadFile("testdata/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	var ids []string
	for line := range strings.Lines(string(answers)) {
		id, _, _ := strings.Cut(line, " ")
		group, _, _ := strings.Cut(id, "/")
		ids, count[group] = append(ids, id), count[group]+1
	}
	for _, m := range regexp.MustCompile("`((token|request|signature|assume|subject|assertion|exchange|issued|issuer|bearer)/[^`]+)`").FindAllStringSubmatch(string(doc), -1) {
		if !slices.ContainsFunc(ids, func(id string) bool { ok, err := path.Match(m[1], id); return ok && err == nil }) {
			t.Errorf("there is no attack %s", m[1])
		}
	}
	for group, n := range count {
		if !regexp.MustCompile(fmt.Sprintf("(?m)^\\| `%s/`.* \\| %d \\| 0 \\|", group, n)).Match(doc) {
			t.Errorf("it does not say that there are %d attacks %s/", n, group)
		}
	}
	if !strings.Contains(string(doc), fmt.Sprintf("sends %d bent", len(ids))) {
		t.Errorf("it does not say that there are %d attacks", len(ids))
	}
}

var update = flag.Bool("update", false, "write testdata/answers.txt anew")

// TestMayflyAcceptsNone: what is bent is refused, with a proper answer, and
// afterwards what is not bent still works. The answers are pinned: an attack that
// is refused for another reason than its own tries nothing.
func TestMayflyAcceptsNone(t *testing.T) {
	results, err := attack.Run(t.Context(), house(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var answers strings.Builder
	random := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z|[0-9]{8,}(T[0-9]+Z?)?|[-_A-Za-z0-9]{32}~`)
	for _, r := range results {
		fmt.Fprintf(&answers, "%-40s %s\n", r.ID, random.ReplaceAllString(r.Answer, "…"))
		if r.Verdict != attack.Refused {
			t.Errorf("%s (%s): %s, %s", r.ID, r.What, r.Verdict, r.Answer)
		}
		if ids[r.ID] || r.What == "" || r.Answer == "" {
			t.Errorf("%+v stands twice, or says nothing", r)
		}
		ids[r.ID] = true
	}
	const golden = "testdata/answers.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(answers.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(answers.String(), "\n")); d != "" {
		t.Errorf("other answers than before (-update writes them):\n%s", d)
	}
}

// TestCredulous: a target that lets everybody in, and tells everybody everything, is
// told so, attack by attack. An attack that this one does not fall for shows nothing
// elsewhere.
func TestCredulous(t *testing.T) {
	for name, key := range keys(t) {
		everything := credulous(t, key)
		target := job(everything.URL, key)
		target.Next, target.Audience = "arn:aws:iam::111122223333:role/next", "kubernetes/prod"
		target.Webhook = &attack.Webhook{URL: everything.URL, HTTP: http.DefaultClient, Cluster: "prod"}
		seen := 0
		results, err := attack.Run(t.Context(), target, func(_ attack.Result, done, all int) {
			if seen++; seen != done || done > all {
				t.Errorf("%d of %d is called %d", seen, all, done)
			}
		})
		if err != nil || seen != len(results) {
			t.Fatalf("%s: %v, %d of %d", name, err, seen, len(results))
		}
		for _, r := range results {
			if r.Verdict != attack.Accepted {
				t.Errorf("%s: %s: %s, %s", name, r.ID, r.Verdict, r.Answer)
			}
		}
	}
}

// credulous believes whatever it is asked, repeats it, and publishes all it has and
// the key of somebody else's.
func credulous(t *testing.T, foreign crypto.Signer) *httptest.Server {
	part := base64.RawURLEncoding.EncodeToString
	token := part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part([]byte(`{"aud":["a","b"],"exp":99999999999,"jti":"1","roles":"evil","user_email":"person@evil.invalid"}`)) + "."
	var number []byte
	switch public := foreign.Public().(type) {
	case *rsa.PublicKey:
		number = public.N.Bytes()
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		number = point[1:33]
	case ed25519.PublicKey:
		number = public
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=31536000", "Set-Cookie": "session=1"} {
			w.Header().Set(name, value)
		}
		io.WriteString(w, `<AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tokentokentoken</SessionToken><Arn>arn:x</Arn> {"status": {"authenticated": true}}
			{"access_token": "`+token+`", "refresh_token": "r"} {"issuer": "http://evil.invalid", "token_endpoint": "http://evil.invalid/token", "algs": ["none"]}
			{"keys": [{"kty": "oct", "k": "s", "use": "enc", "x": "`+part(number)+`"}]} `)
		text, err := url.QueryUnescape(r.RequestURI)
		fmt.Fprint(w, r.Method, r.RequestURI, text, err, r.Header)
		if body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10)); err == nil {
			text, err := url.QueryUnescape(string(body))
			fmt.Fprint(w, string(body), text, err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func keys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"RSA": r, "P-256": e, "Ed25519": d}
}

// TestCheckKey: a key that cannot sign what is asked of it is refused before
// anything is sent.
func TestCheckKey(t *testing.T) {
	wide, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}}
	for name, key := range map[string]crypto.Signer{"P-384": wide, "RSA of 1024 bits": short} {
		results, err := attack.Run(t.Context(), job("http://127.0.0.1:1", key), nil)
		if _, sent := errors.AsType[*attack.ControlError](err); err == nil || sent || len(results) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range keys(t) {
		if err := attack.CheckKey(key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func job(url string, key crypto.Signer) attack.Target {
	return attack.Target{Endpoint: url, HTTP: http.DefaultClient, Role: "arn:aws:iam::111122223333:role/deployer", Region: "us-east-1", Key: key, KeyID: "k",
		Claims: map[string]any{"iss": "https://gitlab.example", "aud": "mayfly", "sub": "project_path:acme/web:ref_type:branch:ref:main"}}
}

// TestControl: where the unbent request is refused, nothing is tried.
func TestControl(t *testing.T) {
	answers := map[string]string{
		"refuses everything": "<Code>AccessDenied</Code>", "gives half of the credentials": "<SecretAccessKey>s</SecretAccessKey>",
		"knows no signature": "<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey>",
	}
	for name, answer := range answers {
		var asked atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); io.WriteString(w, answer) }))
		results, err := attack.Run(t.Context(), job(s.URL, keys(t)["RSA"]), nil)
		s.Close()
		if _, ok := errors.AsType[*attack.ControlError](err); !ok || len(results) != 0 || asked.Load() > 2 {
			t.Errorf("a target that %s: %d results after %d requests, %v", name, len(results), asked.Load(), err)
		}
	}
}

// TestBroken: a crash is no refusal.
func TestBroken(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		switch {
		case n <= 2:
			io.WriteString(w, `<AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tokentokentoken</SessionToken><Arn>a</Arn>`)
		case n%2 == 0:
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, strings.Repeat("\x1b[31m", 100))
		}
	}))
	t.Cleanup(s.Close)
	results, err := attack.Run(t.Context(), job(s.URL, keys(t)["Ed25519"]), nil)
	if _, ok := errors.AsType[*attack.ControlError](err); !ok {
		t.Errorf("it is dead afterwards: %v", err)
	}
	for _, r := range results {
		if r.Verdict != attack.Broken || strings.ContainsRune(r.Answer, 0x1b) || len(r.Answer) > 400 {
			t.Errorf("%s: %s, %q", r.ID, r.Verdict, r.Answer)
		}
	}
}

// TestThrottled: an attack that is throttled has shown nothing yet.
func TestThrottled(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		if n == 1 {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "<Code>Throttling</Code>")
			return
		}
		if !strings.Contains(string(body), "WebIdentityToken=") {
			t.Errorf("asked again with %q", body)
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(s.Close)
	_, err := attack.Run(t.Context(), job(s.URL, keys(t)["Ed25519"]), nil)
	if e, ok := errors.AsType[*attack.ControlError](err); !ok || e.Answer != "403" || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}

func TestStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	target := house(t)
	results, err := attack.Run(ctx, target, func(_ attack.Result, done, _ int) {
		if done == 3 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) || len(results) != 3 {
		t.Errorf("%d results, %v", len(results), err)
	}
}
