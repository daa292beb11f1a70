package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/eks"
)

func open(t *testing.T, o Options) (*Server, error) {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	if o.Config.Listen == "" {
		o.Config = quiet()
	}
	s, err := New(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { s.close() })
	}
	return s, err
}

// TestStart: what a server refuses to start with, and in which words.
func TestStart(t *testing.T) {
	// used makes a data directory that a server has used.
	used := func(t *testing.T) string {
		dir := shortDir(t)
		s, err := open(t, Options{Data: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	spoil := func(name, text string) func(t *testing.T) Options {
		return func(t *testing.T) Options {
			dir := used(t)
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return Options{Data: dir}
		}
	}
	taken := func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().String()
	}
	for _, tt := range []struct {
		name string
		make func(t *testing.T) Options
		want string // "" starts
	}{
		{"a new directory", func(t *testing.T) Options { return Options{Data: shortDir(t)} }, ""},
		{"a used one", func(t *testing.T) Options { return Options{Data: used(t)} }, ""},
		{"a directory open to others", func(t *testing.T) Options {
			dir := used(t)
			os.Chmod(dir, 0o750)
			return Options{Data: dir}
		}, "open to others (mode 0750); run: chmod 700"},
		{"a keys folder open to others", func(t *testing.T) Options {
			dir := used(t)
			os.Chmod(filepath.Join(dir, "keys"), 0o701)
			return Options{Data: dir}
		}, "keys: it is open to others"},
		{"a directory another server uses", func(t *testing.T) Options {
			dir := shortDir(t)
			if _, err := open(t, Options{Data: dir}); err != nil {
				t.Fatal(err)
			}
			return Options{Data: dir}
		}, "another mayflyd uses"},
		{"a directory whose database is gone", func(t *testing.T) Options {
			dir := used(t)
			for _, f := range []string{"mayfly.db", "mayfly.db-wal", "mayfly.db-shm"} {
				os.Remove(filepath.Join(dir, f))
			}
			return Options{Data: dir}
		}, "mayfly.db"},
		{"a database that is none", spoil("mayfly.db", "hello, this is no database file"), "database"},
		{"damaged keys", spoil("keys/keyset.json", `{"v":1,"keys":[`), "keyset.json is damaged: it is no set of keys: unexpected EOF; without it every session ends: move it away to begin with new keys"},
		{"no keys", spoil("keys/keyset.json", ""), "keyset.json is damaged"},
		{"a key of another kind than it says", func(t *testing.T) Options {
			dir := used(t)
			path := filepath.Join(dir, "keys", "keyset.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(path, []byte(strings.Replace(string(text), `"ES256"`, `"RS256"`, 1)), 0o600)
			return Options{Data: dir}
		}, "its id or use is not that of its material"},
		{"a damaged audit key", spoil("keys/audit.key", "PRIVATE+KEY+x"), "audit.key is damaged"},
		{"an audit key without its public half", func(t *testing.T) Options {
			dir := used(t)
			path := filepath.Join(dir, "keys", "audit.key")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			os.WriteFile(path, []byte(first+"\n"), 0o600)
			return Options{Data: dir}
		}, "its two lines"},
		{"a damaged CA key", spoil("keys/ca.key", "-----BEGIN NOTHING"), "ca.key"},
		{"a damaged CA certificate", spoil("ca.pem", "-----BEGIN NOTHING"), "holds no certificate"},
		{"the CA certificate of another server", func(t *testing.T) Options {
			dir := used(t)
			other, err := os.ReadFile(filepath.Join(used(t), "ca.pem"))
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(dir, "ca.pem"), other, 0o644)
			return Options{Data: dir}
		}, "is not of the key"},
		{"another account than the database's", func(t *testing.T) Options {
			c := quiet()
			c.AccountID = "999999999999"
			return Options{Data: used(t), Config: c}
		}, "account"},
		{"a port that is taken", func(t *testing.T) Options {
			c := quiet()
			c.Listen = taken(t)
			return Options{Data: shortDir(t), Config: c}
		}, "address already in use"},
		{"a metrics port that is taken", func(t *testing.T) Options {
			c := quiet()
			c.MetricsListen = taken(t)
			return Options{Data: shortDir(t), Config: c}
		}, "metrics_listen:"},
		{"a socket path that is too long", func(t *testing.T) Options {
			return Options{Data: filepath.Join(shortDir(t), strings.Repeat("d", 100))}
		}, "name another with --admin-socket"},
		{"a file where the socket goes", func(t *testing.T) Options {
			dir := used(t)
			os.WriteFile(filepath.Join(dir, "admin.sock"), []byte("precious"), 0o600)
			return Options{Data: dir}
		}, "is there and is no socket"},
		{"a socket left behind", func(t *testing.T) Options {
			dir := used(t)
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "admin.sock")})
			if err != nil {
				t.Fatal(err)
			}
			l.SetUnlinkOnClose(false)
			l.Close()
			return Options{Data: dir}
		}, ""},
		{"no sockets at all", func(t *testing.T) Options {
			c := quiet()
			c.Admin.Socket, c.MetricsListen = "off", "off"
			return Options{Data: shortDir(t), Config: c}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := open(t, tt.make(t))
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

// TestFailedFirstStart: a first start that came to nothing does not forbid the
// second.
func TestFailedFirstStart(t *testing.T) {
	dir := shortDir(t)
	c := quiet()
	c.Listen = "192.0.2.1:1" // not ours
	if _, err := open(t, Options{Data: dir, Config: c}); err == nil {
		t.Fatal("it started")
	}
	if _, err := open(t, Options{Data: dir}); err != nil {
		t.Error(err)
	}
}

func TestModes(t *testing.T) {
	w := newWorld(t, nil)
	for name, want := range map[string]os.FileMode{"": 0o700, "keys": 0o700, "keys/keyset.json": 0o600, "keys/audit.key": 0o600, "keys/ca.key": 0o600, "ca.pem": 0o644, "admin.sock": 0o600, "mayfly.db": 0o600} {
		info, err := os.Stat(filepath.Join(w.data, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want && !(name == "mayfly.db" && got&0o077 != 0) { // the folder keeps the database private
			t.Errorf("DATA/%s has mode %04o, want %04o", name, got, want)
		}
	}
}

// TestAdminSocket: only who may gets credentials.
func TestAdminSocket(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Config.Admin.AllowUIDs = []uint32{4711} })
	for _, tt := range []struct {
		name string
		uid  any
		want int
	}{
		{"root", uint32(0), 200}, {"the server's user", uint32(os.Getuid()), 200}, {"one who is listed", uint32(4711), 200},
		{"anybody else", uint32(4712), 403}, {"a connection that says nothing of its peer", nil, 403}, {"a peer of another type", "0", 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(context.WithValue(context.Background(), peerKey{}, tt.uid), http.MethodPost, "http://mayflyd/credentials", nil)
			if err != nil {
				t.Fatal(err)
			}
			got := &recorder{header: http.Header{}}
			w.adminHandler().ServeHTTP(got, req)
			if got.status != tt.want || (got.status == 200) != strings.Contains(got.body, "ASIA") {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	if w.admin.ARN != fmt.Sprintf("arn:aws:sts::%s:assumed-role/mayfly-admin/uid-%d", testAccount, os.Getuid()) || w.admin.PublicURL != w.PublicURL() || w.admin.CAFile != w.CAFile() {
		t.Errorf("%+v", w.admin)
	}
	w.db.FailNext(errors.New("disk full"))
	req, _ := http.NewRequestWithContext(context.WithValue(context.Background(), peerKey{}, uint32(0)), http.MethodPost, "http://mayflyd/credentials", nil)
	got := &recorder{header: http.Header{}}
	w.adminHandler().ServeHTTP(got, req)
	if got.status != 503 || strings.Contains(got.body, "ASIA") || strings.Contains(got.body, "disk full") {
		t.Errorf("unrecorded: %d %s", got.status, got.body)
	}
}

type recorder struct {
	header http.Header
	status int
	body   string
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(s int)   { r.status = s }
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = 200
	}
	r.body += string(b)
	return len(b), nil
}

// TestShutdown: every request that was answered was answered whole, and every
// one under way when the server is told to stop is.
func TestShutdown(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	token := w.job("acme/web", "main")
	var ok, broken atomic.Int64
	var wg sync.WaitGroup
	var stopped atomic.Bool
	for range 8 {
		tr := w.transport(nil)
		hc := http.Client{Transport: tr}
		wg.Go(func() {
			for !stopped.Load() {
				resp, err := hc.Post(w.PublicURL()+"/", "application/x-www-form-urlencoded", strings.NewReader(exchangeForm(token)))
				if err != nil {
					return // refused: it was never taken
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "</AssumeRoleWithWebIdentityResponse>") {
					broken.Add(1)
					t.Errorf("%v %d %.300s", err, resp.StatusCode, body)
					return
				}
				ok.Add(1)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	w.stop()
	err := <-w.done
	w.done <- nil
	stopped.Store(true)
	wg.Wait()
	if err != nil || ok.Load() == 0 || broken.Load() != 0 {
		t.Fatalf("%v; %d whole, %d broken", err, ok.Load(), broken.Load())
	}
	// Every answer has its event.
	s, err := open(t, Options{Data: w.data})
	if err != nil {
		t.Fatal(err)
	}
	events := int64(0)
	for first := int64(0); ; {
		lines, err := s.db.Audit(t.Context(), first, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(lines) == 0 {
			break
		}
		for _, l := range lines {
			if strings.Contains(string(l.Body), "sts:AssumeRoleWithWebIdentity") {
				events++
			}
			first = l.Index + 1
		}
	}
	if events < ok.Load() {
		t.Errorf("%d answers, %d events", ok.Load(), events)
	}
}

// TestOwnCertificate: it is for the names clients use, and renewed in time.
func TestOwnCertificate(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var shift atomic.Int64
	w := newWorld(t, func(o *Options) {
		o.Config.PublicURL = "https://mayfly.example.com:8443"
		o.Now = func() time.Time { return at.Add(time.Duration(shift.Load())) }
	})
	w.Server.public = "https://" + w.main.Addr().String() // where the test reaches it
	first, err := w.certs.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(first.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "mayfly.example.com"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if again, _ := w.certs.get(nil); again != first {
		t.Error("it is made anew at each handshake")
	}
	shift.Store(int64(serverLife - renewEarly - time.Minute))
	if again, _ := w.certs.get(nil); again != first {
		t.Error("it is renewed too early")
	}
	shift.Store(int64(serverLife - renewEarly))
	renewed, err := w.certs.get(nil)
	if err != nil || renewed == first {
		t.Fatal("it is not renewed", err)
	}
	if a := w.send(w.request(http.MethodGet, "/healthz", "")); a.status != 200 {
		t.Error(a)
	}
}

// pairFor writes a certificate of its own for localhost.
func pairFor(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, now: time.Now}
	der, err := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}}, nil, key, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	text, err := encodeKey(key)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "tls.crt"), pemOf(der), 0o600)
	os.WriteFile(filepath.Join(dir, "tls.key"), text, 0o600)
}

// TestFileCertificate: the operator's files are read anew when they change;
// broken ones leave the last pair in use, and the log says so once.
func TestFileCertificate(t *testing.T) {
	dir := t.TempDir()
	pairFor(t, dir, "one")
	var shift atomic.Int64
	w := newWorld(t, func(o *Options) {
		o.Config.TLS = TLSConfig{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")}
		o.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	})
	served := func() string {
		c, err := tls.Dial("tcp", w.main.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	later := func() { shift.Add(int64(2 * time.Second)) }
	if got := served(); got != "one" {
		t.Fatal(got)
	}
	pairFor(t, dir, "two")
	later()
	if got := served(); got != "two" {
		t.Error("after a change:", got)
	}
	os.WriteFile(filepath.Join(dir, "tls.key"), []byte("broken"), 0o600)
	for range 3 {
		later()
		if got := served(); got != "two" {
			t.Error("with a broken key:", got)
		}
	}
	if n := strings.Count(w.log.String(), "cannot be used"); n != 1 {
		t.Errorf("the log says it %d times", n)
	}
	os.Remove(filepath.Join(dir, "tls.crt"))
	later()
	if got := served(); got != "two" {
		t.Error("with no certificate:", got)
	}
	pairFor(t, dir, "three")
	later()
	if got := served(); got != "three" {
		t.Error("after the repair:", got)
	}
}

// TestClusterCertificates: a cluster's path answers the cluster's own
// certificate and nobody else's.
func TestClusterCertificates(t *testing.T) {
	w := newWorld(t, nil)
	register := func(name string) eks.Cluster {
		body := fmt.Sprintf(`{"name":%q,"region":"us-east-1","endpoint":"https://10.0.0.5:6443","ca":%q}`, name, string(w.ca.pem))
		if a := w.send(w.signed(w.admin, "mayfly", http.MethodPost, "/mayfly/v1/clusters", body)); a.status != 200 {
			t.Fatal(a)
		}
		c, ok := w.db.Snapshot().Cluster(name)
		if !ok {
			t.Fatal("it is not registered")
		}
		return c
	}
	one, two := register("one"), register("two")
	pair := func(a *authority, c eks.Cluster) *tls.Certificate {
		cert, key, err := a.webhookCertificate(c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return &p
	}
	foreign, err := loadAuthority(foreignData(t), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	old := *w.ca
	old.now = func() time.Time { return time.Now().Add(-webhookLife - time.Hour) }
	gone := two
	gone.ID = "CLUSTER-OF-BEFORE"
	for _, tt := range []struct {
		name string
		cert *tls.Certificate
		path string
		want int // 0: the handshake fails
	}{
		{"its own", pair(w.ca, one), "/kubernetes/one/authenticate", 200},
		{"none", nil, "/kubernetes/one/authenticate", 401},
		{"another cluster's", pair(w.ca, two), "/kubernetes/one/authenticate", 401},
		{"that of an earlier cluster of the name", pair(w.ca, gone), "/kubernetes/two/authenticate", 401},
		{"for a cluster that is not registered", pair(w.ca, one), "/kubernetes/three/authenticate", 401},
		{"of another CA", pair(foreign, one), "/kubernetes/one/authenticate", 0},
		{"expired", pair(&old, one), "/kubernetes/one/authenticate", 0},
		{"the server's own", mustGet(t, w.certs), "/kubernetes/one/authenticate", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hc := http.Client{Transport: w.transport(tt.cert)}
			resp, err := hc.Post(w.PublicURL()+tt.path, "application/json", strings.NewReader(`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"k8s-aws-v1.x"}}`))
			if tt.want == 0 {
				if err == nil {
					t.Errorf("it answered %s", resp.Status)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.want || strings.Contains(string(body), `"authenticated":true`) {
				t.Errorf("%s %s", resp.Status, body)
			}
		})
	}
}

func mustGet(t *testing.T, c *certificates) *tls.Certificate {
	t.Helper()
	pair, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// foreignData is the data directory of another server.
func foreignData(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := openData(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestReload: a changed configuration is in force for the next request; what
// needs a restart is named; a broken one changes nothing.
func TestReload(t *testing.T) {
	var next Config
	var failure error
	w := newWorld(t, func(o *Options) {
		next = o.Config
		o.Load = func() (Config, error) { return next, failure }
	})
	w.teach()
	token := w.job("acme/web", "main")
	if a := w.exchange(token); a.status != 200 {
		t.Fatal(a)
	}
	es := next.Issuers[0]
	es.Algorithms = []string{"ES256"}
	next.Issuers = []IssuerConfig{es}
	next.Region, next.Admin.AllowUIDs = "eu-west-1", []uint32{4711}
	failure = errors.New("line 3: unknown key x")
	w.Reload()
	if a := w.exchange(token); a.status != 200 || !strings.Contains(w.log.String(), "unknown key x") {
		t.Errorf("a broken configuration: %d", a.status)
	}
	failure = nil
	w.Reload()
	if a := w.exchange(token); a.status != 400 || !strings.Contains(a.body, "InvalidIdentityToken") {
		t.Errorf("an algorithm that is no longer allowed: %d %s", a.status, a.body)
	}
	if got := w.live.Load().config; got.Region != "us-east-1" || len(got.Admin.AllowUIDs) != 1 {
		t.Errorf("%+v", got)
	}
	if log := w.log.String(); !strings.Contains(log, `"in_force":["admin.allow_uids","issuers"]`) || !strings.Contains(log, `"needs_restart":["region"]`) {
		t.Error(log[strings.LastIndex(log[:len(log)-1], "read anew"):])
	}
}

// TestListedUsersReachTheSocket: a list of users is of use only if they can open
// the socket at all.
func TestListedUsersReachTheSocket(t *testing.T) {
	for _, tt := range []struct {
		uids []uint32
		want os.FileMode
	}{{nil, 0o600}, {[]uint32{4711}, 0o666}} {
		w := newWorld(t, func(o *Options) { o.Config.Admin.AllowUIDs = tt.uids })
		info, err := os.Stat(w.SocketPath())
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != tt.want {
			t.Errorf("with the list %v the socket has mode %04o, want %04o", tt.uids, got, tt.want)
		}
	}
	c := Default()
	c.Admin.AllowUIDs = []uint32{4711}
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "admin.socket") {
		t.Errorf("a list without a socket they can reach: %v", err)
	}
}
