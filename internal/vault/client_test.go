package vault_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/vault"
	"mayfly.internal/internal/vault/vaulttest"
)

const canary = "s3cr3t-CANARY-77d1"

// world is a Vault that trusts an issuer, and a client of it.
type world struct {
	*vaulttest.Server
	issuer *fakeissuer.Issuer
	waited []time.Duration
	client *vault.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Server: vaulttest.New(t), issuer: fakeissuer.New(t)}
	w.issuer.PrivateKey(jwt.RS256)
	w.Trust("jwt", w.issuer.URL, w.issuer.KeySet())
	w.KV("kv", 2)
	w.KV("old", 1)
	w.Lend("database", "creds/app", map[string]any{"username": "v-1", "password": canary}, time.Hour)
	w.Policy("my-app", "kv/data/my-app/*", "old/my-app/*", "database/creds/app")
	w.Role("jwt", "my-app", vaulttest.Role{Audiences: []string{"https://vault.example.com"}, Claims: map[string][]string{"ref": {"main"}, "project_path": {"acme/web"}}, Policies: []string{"my-app"}, TTL: 20 * time.Minute, MaxTTL: time.Hour})
	w.Put("kv", "my-app/db", map[string]any{"user": "app", "password": "first"})
	w.Put("kv", "my-app/db", map[string]any{"user": "app", "password": canary, "port": json.Number("5432"), "tls": true, "hosts": []string{"a", "b"}, "none": nil, "e": []any{}, "o": map[string]any{}})
	w.Put("kv", "other/db", map[string]any{"password": canary})
	w.Put("old", "my-app/db", map[string]any{"password": canary})
	w.client = w.connect(t, vault.Config{URL: w.URL})
	return w
}

func (w *world) connect(t *testing.T, c vault.Config) *vault.Client {
	t.Helper()
	c.Roots = x509.NewCertPool()
	c.Roots.AppendCertsFromPEM(w.CA())
	c.UserAgent = "mayfly/test"
	c.Wait = func(_ context.Context, d time.Duration) error { w.waited = append(w.waited, d); return nil }
	client, err := vault.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func (w *world) token(change map[string]any) secret.String {
	claims := fakeissuer.JobClaims("https://vault.example.com", "acme/web", "main")
	claims["iss"], claims["iat"], claims["exp"] = w.issuer.URL, time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return secret.New(w.issuer.Token(claims))
}

func (w *world) login(t *testing.T) *vault.Session {
	t.Helper()
	s, err := w.client.Login(t.Context(), "jwt", "my-app", w.token(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"", `"" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"vault.example.com", `"vault.example.com" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"ftp://vault.example.com", `"ftp://vault.example.com" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"https://u:p@vault.example.com", `"https://[redacted]@vault.example.com" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"https://vault.example.com?a", `"https://vault.example.com?a" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"https://vault.example.com#a", `"https://vault.example.com#a" is no URL of a Vault server, such as https://vault.example.com:8200`},
		{"http://vault.example.com:8200", "http://vault.example.com:8200 is not https: no token goes there"},
		{"http://localhost.example", "http://localhost.example is not https: no token goes there"},
		{"https://vault.example.com/v1/", "https://vault.example.com/v1/ is the API's URL; the server's is wanted: https://vault.example.com"},
	} {
		if _, err := vault.New(vault.Config{URL: tt.url}); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
	for _, namespace := range []string{"a b", "a\r\nHost: x", "ä"} {
		if _, err := vault.New(vault.Config{URL: "https://vault.example.com", Namespace: namespace}); err == nil || err.Error() != fmt.Sprintf("%q is no namespace", namespace) {
			t.Errorf("%q: %v", namespace, err)
		}
	}
	for _, good := range []string{"https://vault.example.com", "https://example.com:8200/vault/", "http://127.0.0.1:8200", "http://[::1]:8200", "http://LOCALHOST"} {
		if _, err := vault.New(vault.Config{URL: good, Namespace: "a/b"}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

// Each neighbour of the login that is allowed is refused in Vault's words.
func TestLoginRefused(t *testing.T) {
	w := newWorld(t)
	w.Role("jwt", "no-audience", vaulttest.Role{Claims: map[string][]string{"ref": {"main"}}})
	for _, tt := range []struct {
		name, mount, role string
		change            map[string]any
		status            int
		want              string
	}{
		{"another branch", "jwt", "my-app", map[string]any{"ref": "dev"}, 400, `error validating claims: claim "ref" does not match any associated bound claim values`},
		{"another project", "jwt", "my-app", map[string]any{"project_path": "acme/web2"}, 400, `error validating claims: claim "project_path" does not match any associated bound claim values`},
		{"no such claim", "jwt", "my-app", map[string]any{"ref": nil}, 400, `error validating claims: claim "ref" is missing`},
		{"another audience", "jwt", "my-app", map[string]any{"aud": "mayfly"}, 400, "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience"},
		{"another issuer", "jwt", "my-app", map[string]any{"iss": w.issuer.URL + "/"}, 400, "error validating token: invalid issuer (iss) claim"},
		{"expired", "jwt", "my-app", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, 400, "error validating token: invalid expiration time (exp) claim: token is expired"},
		{"a role that binds no audience", "jwt", "no-audience", nil, 400, "audience claim found in JWT but no audiences bound to the role"},
		{"a role that is not there", "jwt", "other", nil, 400, `role "other" could not be found`},
		{"no role", "jwt", "", nil, 400, "missing role"},
		{"a method that is not there", "gitlab", "my-app", nil, 403, "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.client.Login(t.Context(), tt.mount, tt.role, w.token(tt.change))
			e, ok := errors.AsType[*vault.Error](err)
			if !ok || e.Status != tt.status || len(e.Messages) != 1 || e.Messages[0] != tt.want {
				t.Errorf("%v", err)
			}
		})
	}
	forged := w.token(nil).Reveal()
	if _, err := w.client.Login(t.Context(), "jwt", "my-app", secret.New(forged[:len(forged)-6]+"AAAAAA")); err == nil || !strings.Contains(err.Error(), "error verifying token signature") {
		t.Errorf("a forged signature: %v", err)
	}
	for _, mount := range []string{"", "a//b", "../token", "jwt/..", "a\nb"} {
		if _, err := w.client.Login(t.Context(), mount, "my-app", w.token(nil)); err == nil || !strings.Contains(err.Error(), "is no path of an auth method") {
			t.Errorf("%q: %v", mount, err)
		}
	}
	if alive := w.Alive(); len(alive) != 0 {
		t.Errorf("%d tokens are alive", len(alive))
	}
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	a := w.login(t).Auth()
	if !strings.HasPrefix(a.Token.Reveal(), "hvs.") || a.Accessor == "" || fmt.Sprint(a.Policies) != "[default my-app]" || a.TTL != 20*time.Minute || !a.Renewable || a.Batch || a.Metadata["role"] != "my-app" {
		t.Errorf("%+v", a)
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(text, a.Token.Reveal()) {
		t.Error("a login prints its token")
	}
	w.Trust("ci/jwt", w.issuer.URL, w.issuer.KeySet())
	w.Role("ci/jwt", "my-app", vaulttest.Role{Audiences: []string{"https://vault.example.com"}})
	for _, mount := range []string{"ci/jwt", "/ci/jwt/"} {
		if _, err := w.client.Login(t.Context(), mount, "my-app", w.token(nil)); err != nil {
			t.Errorf("%s: %v", mount, err)
		}
	}
}

func TestRead(t *testing.T) {
	w := newWorld(t)
	s := w.login(t)
	got, err := s.Read(t.Context(), "kv/my-app/db", 0)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, f := range got.Fields() {
		fields = append(fields, f.Name+"="+f.Text.Reveal()+" "+f.JSON.Reveal())
	}
	want := `e=[] [], hosts=["a","b"] ["a","b"], none= null, o={} {}, password=` + canary + ` "` + canary + `", port=5432 5432, tls=true true, user=app "app"`
	if text := strings.Join(fields, ", "); text != want || got.Version != 2 || got.Leased() || got.Path != "kv/my-app/db" {
		t.Errorf("version %d: %s", got.Version, text)
	}
	if text := fmt.Sprintf("%v %+v %#v", got, got, got.Fields()); strings.Contains(text, canary) {
		t.Error("a secret prints its fields")
	}
	if f, ok := got.Field("user"); !ok || f.Text.Reveal() != "app" {
		t.Errorf("user is %q, %v", f.Text.Reveal(), ok)
	}
	for _, name := range []string{"User", "use", "", "zzz"} {
		if _, ok := got.Field(name); ok {
			t.Errorf("there is a field %q", name)
		}
	}
	for _, tt := range []struct {
		path    string
		version int64
		want    string // of the field password
	}{{"kv/my-app/db", 1, "first"}, {"kv/my-app/db", 2, canary}, {"old/my-app/db", 0, canary}, {"database/creds/app", 0, canary}} {
		got, err := s.Read(t.Context(), tt.path, tt.version)
		if f, _ := got.Field("password"); err != nil || f.Text.Reveal() != tt.want || got.Leased() != strings.HasPrefix(tt.path, "database/") {
			t.Errorf("%s, version %d: %q, %v", tt.path, tt.version, f.Text.Reveal(), err)
		}
	}
	asked := 0
	for _, r := range w.Requests() {
		if strings.HasPrefix(r.Path, "sys/internal/") {
			asked++
		}
	}
	if asked != 3 {
		t.Errorf("of three engines it was asked %d times which they are", asked)
	}
}

func TestReadRefused(t *testing.T) {
	w := newWorld(t)
	w.Put("kv", "my-app/gone", map[string]any{"a": "b"})
	w.Put("kv", "my-app/gone", map[string]any{"a": "b"})
	w.Delete("kv", "my-app/gone", 1, true)
	w.Delete("kv", "my-app/gone", 2, false)
	w.KV("hidden", 2)
	s := w.login(t)
	before := len(w.Requests())
	for _, tt := range []struct {
		path    string
		version int64
		want    string
	}{
		{"kv/other/db", 0, "read kv/other/db: 403 Forbidden: permission denied"},
		{"kv/my-app", 0, "read kv/my-app: 403 Forbidden: permission denied"},
		{"kv/data/my-app/db", 0, "read kv/data/my-app/db: 403 Forbidden: permission denied"},
		{"kv/my-app/none", 0, "read kv/my-app/none: 404 Not Found"},
		{"kv/my-app/db", 3, "read kv/my-app/db: 404 Not Found"},
		{"kv/my-app/gone", 1, "kv/my-app/gone: version 1 was destroyed"},
		{"kv/my-app/gone", 2, "kv/my-app/gone: version 2 was deleted on 20"},
		{"kv/my-app/gone", 0, "kv/my-app/gone: version 2 was deleted on 20"},
		{"old/my-app/db", 1, "old/my-app/db: only secrets of a key/value engine of version 2 have versions"},
		{"old/other/db", 0, "read old/other/db: 403 Forbidden: permission denied"},
		{"hidden/a", 0, `find the engine of hidden/a: 403 Forbidden: preflight capability check returned 403, please ensure client's policies grant access to path "hidden/a/"`},
		{"none/a", 0, `find the engine of none/a: 403 Forbidden: preflight capability check`},
		{"kv", 0, "kv: it names a key/value engine, and no secret of it"},
	} {
		if _, err := s.Read(t.Context(), tt.path, tt.version); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s, version %d: %v", tt.path, tt.version, err)
		}
	}
	if len(w.Requests()) == before {
		t.Error("nothing was asked")
	}
	before = len(w.Requests())
	for _, path := range []string{"", "/", "kv/", "/kv/a", "kv//a", "kv/../sys/raw", "kv/./a", "..", "kv/a\nb", "kv/a\x00"} {
		if _, err := s.Read(t.Context(), path, 0); err == nil || !strings.HasSuffix(err.Error(), "is no path of Vault, such as kv/my-app/db") {
			t.Errorf("%q: %v", path, err)
		}
	}
	if len(w.Requests()) != before {
		t.Error("Vault was asked for what is no path")
	}
}

// What a path holds stays in it.
func TestPathsAreEscaped(t *testing.T) {
	w := newWorld(t)
	w.Put("kv", "my-app/a b?version=1#x%2f", map[string]any{"a": "b"})
	got, err := w.login(t).Read(t.Context(), "kv/my-app/a b?version=1#x%2f", 0)
	if f, _ := got.Field("a"); err != nil || f.Text.Reveal() != "b" {
		t.Errorf("%q, %v", f.Text.Reveal(), err)
	}
}

func TestNamespace(t *testing.T) {
	w := newWorld(t)
	w.InNamespace("team/web")
	if _, err := w.client.Login(t.Context(), "jwt", "my-app", w.token(nil)); err == nil || !strings.Contains(err.Error(), `404 Not Found: no handler for route "auth/jwt/login". route entry not found.`) {
		t.Errorf("outside of the namespace: %v", err)
	}
	c := w.connect(t, vault.Config{URL: w.URL, Namespace: "team/web"})
	s, err := c.Login(t.Context(), "jwt", "my-app", w.token(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "kv/my-app/db", 0); err != nil {
		t.Error(err)
	}
	if err := s.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRevoke(t *testing.T) {
	w := newWorld(t)
	s := w.login(t)
	if _, err := s.Read(t.Context(), "database/creds/app", 0); err != nil || w.Leases() != 1 || len(w.Alive()) != 1 {
		t.Fatalf("%d leases, %d tokens, %v", w.Leases(), len(w.Alive()), err)
	}
	if err := s.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Leases() != 0 || len(w.Alive()) != 0 {
		t.Errorf("%d leases, %d tokens", w.Leases(), len(w.Alive()))
	}
	if _, err := s.Read(t.Context(), "kv/my-app/db", 0); err == nil || !strings.HasSuffix(err.Error(), "403 Forbidden: permission denied") {
		t.Errorf("a revoked token: %v", err)
	}
	w.Role("jwt", "bare", vaulttest.Role{Audiences: []string{"https://vault.example.com"}, NoDefault: true, Policies: []string{"my-app"}})
	w.Role("jwt", "batch", vaulttest.Role{Audiences: []string{"https://vault.example.com"}, Batch: true, Policies: []string{"my-app"}})
	bare, err := w.client.Login(t.Context(), "jwt", "bare", w.token(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.Revoke(t.Context()); err == nil || err.Error() != "revoke the token: 403 Forbidden: permission denied" {
		t.Errorf("without the policy default: %v", err)
	}
	batch, err := w.client.Login(t.Context(), "jwt", "batch", w.token(nil))
	if err != nil || !batch.Auth().Batch {
		t.Fatalf("%+v, %v", batch, err)
	}
	before := len(w.Requests())
	if err := batch.Revoke(t.Context()); !errors.Is(err, vault.ErrBatch) || len(w.Requests()) != before {
		t.Errorf("a batch token: %v", err)
	}
}

// A token is not renewed past its longest life, and a lease ends with it.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.SetNow(func() time.Time { return now })
	s := w.login(t)
	leased, err := s.Read(t.Context(), "database/creds/app", 0)
	if err != nil || leased.Lease.TTL != time.Hour || !leased.Lease.Renewable {
		t.Fatalf("%+v, %v", leased.Lease, err)
	}
	for _, want := range []time.Duration{20 * time.Minute, 20 * time.Minute, 15 * time.Minute} {
		now = now.Add(15 * time.Minute)
		if ttl, err := s.Renew(t.Context()); err != nil || ttl != want {
			t.Errorf("the token lives %s, %v", ttl, err)
		}
		if ttl, err := s.RenewLease(t.Context(), leased.Lease); err != nil || ttl != time.Hour || w.Leases() != 1 {
			t.Errorf("the lease lives %s, %v", ttl, err)
		}
	}
	look, err := s.Lookup(t.Context())
	if err != nil || look.TTL != 15*time.Minute || look.Accessor != s.Auth().Accessor || look.Path != "auth/jwt/login" || fmt.Sprint(look.Policies) != "[default my-app]" {
		t.Errorf("%+v, %v", look, err)
	}
	now = now.Add(16 * time.Minute)
	if _, err := s.Renew(t.Context()); err == nil {
		t.Error("an expired token was renewed")
	}
	if w.Leases() != 0 {
		t.Error("a lease outlives its token")
	}
}

func TestUses(t *testing.T) {
	w := newWorld(t)
	w.Role("jwt", "twice", vaulttest.Role{Audiences: []string{"https://vault.example.com"}, Policies: []string{"my-app"}, Uses: 2})
	s, err := w.client.Login(t.Context(), "jwt", "twice", w.token(nil))
	if err != nil || s.Auth().Uses != 2 {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context(), "kv/my-app/db", 0); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(t.Context(), "kv/my-app/db", 0); err == nil || len(w.Alive()) != 0 {
		t.Errorf("a third use: %v", err)
	}
}

// What Vault cannot answer now is asked again, within bounds; what is refused is
// not, and a login whose answer was lost is not made twice.
func TestAskedAgain(t *testing.T) {
	const path = "auth/token/lookup-self"
	for _, tt := range []struct {
		name          string
		status, times int
		after         string
		body          string
		waits         int
		want          string
	}{
		{"busy", 429, 2, "", `{"errors":["request path \"auth/token/lookup-self\": rate limit quota exceeded"]}`, 2, ""},
		{"busy, and says for how long", 429, 1, "7", "", 1, ""},
		{"busy for long", 429, 9, "600", `{"errors":["rate limit quota exceeded"]}`, 0, "look the token up: 429 Too Many Requests: rate limit quota exceeded"},
		{"no active node yet", 500, 3, "", `{"errors":["local node not active but active cluster node not found"]}`, 3, ""},
		{"a proxy without Vault", 502, 9, "", "<html>", 3, "look the token up: 502 Bad Gateway"},
		{"sealed", 503, 1, "", `{"errors":["Vault is sealed"]}`, 0, "look the token up: 503 Service Unavailable: Vault is sealed"},
		{"refused", 403, 1, "", `{"errors":["permission denied"]}`, 0, "look the token up: 403 Forbidden: permission denied"},
		{"two errors", 400, 1, "", `{"errors":["a\nb\u001b[31m","", 7, "c"]}`, 0, "look the token up: 400 Bad Request: a b\ufffd[31m; c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			s := w.login(t)
			w.waited = nil
			w.Break(path, tt.status, tt.times, http.Header{"Retry-After": {tt.after}}, tt.body)
			_, err := s.Lookup(t.Context())
			if text := fmt.Sprint(err); len(w.waited) != tt.waits || (err != nil || tt.want != "") && text != tt.want {
				t.Errorf("waited %v: %v", w.waited, err)
			}
			if tt.after == "7" && w.waited[0] != 7*time.Second {
				t.Errorf("waited %v", w.waited)
			}
		})
	}
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1); panic(http.ErrAbortHandler) }))
	defer server.Close()
	c, err := vault.New(vault.Config{URL: server.URL, Wait: func(context.Context, time.Duration) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), "jwt", "my-app", secret.New("x")); err == nil || asked.Load() != 1 {
		t.Errorf("a login was made %d times: %v", asked.Load(), err)
	}
}

// A token goes to one server: a redirect is told, not followed.
func TestRedirectsAreNotFollowed(t *testing.T) {
	w := newWorld(t)
	s := w.login(t)
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		w.Break("auth/token/lookup-self", status, 1, http.Header{"Location": {other.URL + "/v1/auth/token/lookup-self?token=x"}}, "")
		_, err := s.Lookup(t.Context())
		if e, ok := errors.AsType[*vault.Error](err); !ok || e.Location != other.URL || !strings.HasSuffix(err.Error(), "it points to "+other.URL+", and redirects are not followed: a token is for one server") {
			t.Errorf("%d: %v", status, err)
		}
	}
	if elsewhere.Load() != 0 {
		t.Errorf("the other server was asked %d times", elsewhere.Load())
	}
}

func TestOversizeAndGarbage(t *testing.T) {
	w := newWorld(t)
	s := w.login(t)
	const find, read = "sys/internal/ui/mounts/kv/my-app/db", "kv/data/my-app/db"
	for _, tt := range []struct{ name, path, body, want string }{
		{"an answer without end", find, strings.Repeat(" ", 9<<20), "find the engine of kv/my-app/db: the answer is larger than 8388608 bytes"},
		{"no JSON", find, "<html>" + canary, "find the engine of kv/my-app/db: the answer is not understood: it is not JSON with distinct names"},
		{"a list", find, "[]", "find the engine of kv/my-app/db: the answer is not understood: it is no JSON object"},
		{"no path", find, `{"data":{"type":"kv"}}`, "find the engine of kv/my-app/db: the answer is not understood: it names no path"},
		{"another engine's", find, `{"data":{"type":"kv","path":"sys/"}}`, "find the engine of kv/my-app/db: the answer is not understood: it is about another path"},
		{"a version that is to come", find, `{"data":{"type":"kv","path":"kv/","options":{"version":"3"}}}`, "find the engine of kv/my-app/db: the answer is not understood: it is a key/value engine of a version that is not known"},
		{"no version", read, `{"data":{"data":{"password":"` + canary + `"}}}`, "read kv/my-app/db: the answer is not understood: it names no version"},
		{"no fields", read, `{"data":{"data":"` + canary + `","metadata":{"version":1}}}`, "read kv/my-app/db: the answer is not understood: it holds no fields"},
		{"a field twice", read, `{"data":{"data":{"a":"` + canary + `","a":"b"},"metadata":{"version":1}}}`, "read kv/my-app/db: the answer is not understood: it is not JSON with distinct names"},
		{"nested without end", read, strings.Repeat("[", 99), "read kv/my-app/db: the answer is not understood: it is nested deeper than 32"},
	} {
		w.Break(tt.path, 200, 1, nil, tt.body)
		if _, err := s.Read(t.Context(), "kv/my-app/db", 0); err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, tt := range []struct{ name, body, want string }{
		{"no token", `{"auth":{}}`, "it holds no token"},
		{"nothing", `{"auth":null}`, "it holds no token"},
		{"a token that would end a header", `{"auth":{"client_token":"a\r\nb"}}`, "it holds no token"},
		{"wrapped", `{"wrap_info":{"token":"x"}}`, "it is wrapped"},
		{"a second factor", `{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"x"}}}`, "it wants a second factor, which no job has"},
		{"a time of no length", `{"auth":{"client_token":"a","lease_duration":-1}}`, "lease_duration is no number of seconds"},
		{"a time without end", `{"auth":{"client_token":"a","lease_duration":9223372037}}`, "lease_duration is no number of seconds"},
	} {
		w.Break("auth/jwt/login", 200, 1, nil, tt.body)
		if _, err := w.client.Login(t.Context(), "jwt", "my-app", w.token(nil)); err == nil || err.Error() != "log in at auth/jwt as my-app: the answer is not understood: "+tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// No error shows a token, even where Vault's words would.
func TestErrorsShowNoToken(t *testing.T) {
	w := newWorld(t)
	s := w.login(t)
	w.Break("auth/token/lookup-self", 400, 1, nil, `{"errors":["bad token `+s.Auth().Token.Reveal()+`"]}`)
	if _, err := s.Lookup(t.Context()); err == nil || err.Error() != "look the token up: 400 Bad Request: bad token [redacted]" {
		t.Error(err)
	}
	token := w.token(nil)
	w.Break("auth/jwt/login", 400, 1, nil, `{"errors":["bad token `+token.Reveal()+`"]}`)
	if _, err := w.client.Login(t.Context(), "jwt", "my-app", token); err == nil || err.Error() != "log in at auth/jwt as my-app: 400 Bad Request: bad token [redacted]" {
		t.Error(err)
	}
}

func TestUntrusted(t *testing.T) {
	w := newWorld(t)
	c, err := vault.New(vault.Config{URL: w.URL, Wait: func(context.Context, time.Duration) error { t.Error("it waits"); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), "jwt", "my-app", w.token(nil)); err == nil || !strings.Contains(err.Error(), "certificate") || len(w.Requests()) != 0 {
		t.Errorf("%d requests: %v", len(w.Requests()), err)
	}
}

// Every request says that it is one, and a password manager's proxy may insist.
func TestHeaders(t *testing.T) {
	var header http.Header
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
		w.WriteHeader(http.StatusTeapot)
	}))
	defer server.Close()
	c, err := vault.New(vault.Config{URL: server.URL, Namespace: "team", UserAgent: "mayfly/test"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Login(t.Context(), "jwt", "", secret.New("a.b.c")); err == nil || err.Error() != "log in at auth/jwt as its default role: 418 I'm a teapot" {
		t.Error(err)
	}
	if header.Get("X-Vault-Request") != "true" || header.Get("X-Vault-Namespace") != "team" || header.Get("User-Agent") != "mayfly/test" || header.Get("X-Vault-Token") != "" || header.Get("Content-Type") != "application/json" || body != `{"jwt":"a.b.c"}` {
		t.Errorf("%v %s", header, body)
	}
}
