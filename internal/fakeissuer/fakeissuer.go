// Package fakeissuer is an OpenID Connect issuer for tests: a real HTTPS server
// on loopback with a discovery document and a key set, whose keys the test
// holds. It signs whatever it is asked to sign, also what no issuer would, and
// it fails in the ways issuers fail.
//
// It is no GitLab: it does not know which claims belong together (package
// labgitlab does), it only has the shape of a job's and a person's token at
// hand.
package fakeissuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/jwt"
)

// Issuer is one running issuer. It is safe for concurrent use.
type Issuer struct {
	// URL is its issuer URL, https://127.0.0.1:PORT.
	URL string

	t  testing.TB // Fatal only: a fuzz target may not call Helper of its F
	ca *authority

	mu       sync.Mutex
	keys     map[jwt.Algorithm]*key // :: algorithm → the key that signs with it now
	used     []*key                 // to give back
	claimed  string                 // what the discovery document says the issuer is
	keySet   []byte                 // published in place of keys; nil: keys
	failure  http.HandlerFunc       // answers everything; nil: the issuer is well
	door     *Door                  // where people sign in; nil: nobody does
	requests int
	now      func() time.Time
}

// New starts an issuer that ends with the test. It signs RS256, and whatever
// else it is asked for; only keys that were asked for are published.
func New(t testing.TB) *Issuer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{URL: "https://" + listener.Addr().String(), t: t, ca: newAuthority(t), keys: map[jwt.Algorithm]*key{}, now: time.Now}
	i.claimed = i.URL
	i.key(jwt.RS256)
	server := &http.Server{
		Handler: i, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{i.ca.leaf}},
	}
	go server.ServeTLS(listener, "", "")
	t.Cleanup(func() {
		server.Close()
		i.mu.Lock()
		defer i.mu.Unlock()
		giveBack(i.used)
	})
	return i
}

// ServeHTTP answers like an issuer, or as the test told it to fail.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.requests++
	failure, claimed, door := i.failure, i.claimed, i.door
	i.mu.Unlock()
	if failure != nil {
		failure(w, r)
		return
	}
	if door != nil && door.serve(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": claimed, "jwks_uri": i.URL + "/oauth/discovery/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "subject_types_supported": []string{"public"},
		})
	case "/oauth/discovery/keys":
		w.Write(i.KeySet())
	default:
		http.NotFound(w, r)
	}
}

// CA is the certificate, in PEM, of the authority that vouches for the issuer.
func (i *Issuer) CA() []byte { return i.ca.pem }

// CAFile is the path of a file that holds CA.
func (i *Issuer) CAFile() string {
	return i.file("ca.pem", i.CA())
}

// KeySetFile is the path of a file that holds the key set as it is now.
func (i *Issuer) KeySetFile() string {
	return i.file("jwks.json", i.KeySet())
}

func (i *Issuer) file(name string, data []byte) string {
	file := filepath.Join(i.t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		i.t.Fatal(err)
	}
	return file
}

// SetNow sets the clock that Token reads.
func (i *Issuer) SetNow(now func() time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.now = now
}

// Requests is how many requests have arrived.
func (i *Issuer) Requests() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

// Rotate replaces all keys at once, without overlap, as GitLab does.
func (i *Issuer) Rotate() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for alg := range i.keys {
		i.keys[alg] = take(i.t, alg)
		i.used = append(i.used, i.keys[alg])
	}
}

// Publish publishes this text in place of the issuer's own key set; nil, its
// own again.
func (i *Issuer) Publish(keySet []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keySet = keySet
}

// Claim makes the discovery document say that it is of another issuer.
func (i *Issuer) Claim(issuer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claimed = issuer
}

// Up ends every failure.
func (i *Issuer) Up() { i.fail(nil) }

// Down breaks every connection.
func (i *Issuer) Down() {
	i.fail(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Status answers everything with a status and a body that looks like a secret.
func (i *Issuer) Status(code int) {
	i.fail(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "upstream-secret-text", code) })
}

// Hang answers nothing until the client gives up.
func (i *Issuer) Hang() {
	i.fail(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Drip answers without end, a byte at a time.
func (i *Issuer) Drip() {
	i.fail(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// Oversize answers everything with a document of that many bytes.
func (i *Issuer) Oversize(bytes int) {
	i.fail(func(w http.ResponseWriter, _ *http.Request) {
		chunk := make([]byte, 64<<10)
		for n := 0; n < bytes; n += len(chunk) {
			if _, err := w.Write(chunk[:min(len(chunk), bytes-n)]); err != nil {
				return
			}
		}
	})
}

// Redirect answers everything with a redirect to that URL.
func (i *Issuer) Redirect(to string) {
	i.fail(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
}

// Answer answers everything with this document.
func (i *Issuer) Answer(document string) {
	i.fail(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, document) })
}

func (i *Issuer) fail(with http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failure = with
}

// Token is a token signed with RS256. It has iss, iat, nbf, exp (in an hour)
// and jti as GitLab sets them, and the claims given; one that is given as nil is
// left out.
func (i *Issuer) Token(claims map[string]any) string {
	return i.TokenAs(jwt.RS256, claims)
}

// TokenAs is Token with another algorithm.
func (i *Issuer) TokenAs(alg jwt.Algorithm, claims map[string]any) string {
	i.mu.Lock()
	now := i.now().Unix()
	i.mu.Unlock()
	all := map[string]any{"iss": i.URL, "iat": now, "nbf": now - 5, "exp": now + 3600, "jti": rand.Text()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(all)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.Sign(alg, map[string]any{"alg": alg, "kid": i.KeyID(alg), "typ": "JWT"}, payload)
}

// JobClaims are the claims of a job of a GitLab project on a branch, with the
// audience; ids are made up.
func JobClaims(audience, project, branch string) map[string]any {
	return map[string]any{
		"aud": audience, "sub": "project_path:" + project + ":ref_type:branch:ref:" + branch,
		"project_id": "20", "project_path": project, "namespace_id": "72", "namespace_path": path.Dir(project),
		"user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "user_access_level": "developer",
		"pipeline_id": "574", "pipeline_source": "push", "job_id": "302",
		"ref": branch, "ref_type": "branch", "ref_path": "refs/heads/" + branch, "ref_protected": "true",
		"runner_id": 1, "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
		"project_visibility": "private",
	}
}

// PersonClaims are the claims of somebody who signed in at a GitLab.
func PersonClaims(clientID, userID string) map[string]any {
	return map[string]any{
		"aud": clientID, "sub": userID, "auth_time": time.Now().Unix(), "sub_legacy": "b1946ac92492d2347c6235b4d2611184",
		"name": "Sample User", "nickname": "sample-user", "preferred_username": "sample-user",
		"groups_direct": []string{"my-group"},
	}
}

// authority vouches for the issuer's address.
type authority struct {
	pem  []byte
	leaf tls.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	caKey, leafKey := newECKey(t), newECKey(t)
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		}
	}
	ca := template(1, "fake issuer CA")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf := template(2, "fake issuer")
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	leaf.DNSNames = []string{"localhost", "issuer.test"}
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, leafKey.Public(), caKey)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{
		pem:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
		leaf: tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey},
	}
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
