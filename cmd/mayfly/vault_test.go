package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/vault/vaulttest"
)

// vaultAudience is what the scripts' Vault wants as aud.
const vaultAudience = "https://vault.example"

// scriptVault is the Vault of a script, and what must never be seen of it.
type scriptVault struct {
	*vaulttest.Server
	hidden []string // ID tokens and secrets
}

// trustMayfly mounts an auth method for tokens of Mayfly's own.
func (v *scriptVault) trustMayfly(ts *testscript.TestScript) {
	h, ok := ts.Value("house").(*housetest.House)
	if !ok {
		ts.Fatalf("this script has no house")
	}
	ca, err := os.ReadFile(h.CAFile)
	ts.Check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	resp, err := c.Get(h.URL + "/oauth/jwks")
	ts.Check(err)
	defer resp.Body.Close()
	keys, err := io.ReadAll(resp.Body)
	ts.Check(err)
	v.Trust("mayfly", h.URL, keys)
	v.Role("mayfly", "my-app", vaulttest.Role{Audiences: []string{vaultAudience}, Claims: map[string][]string{"roles": {housetest.Role}}, Policies: []string{"my-app"}})
}

// vaultCmd: `vault up` starts a Vault that trusts the house's GitLab and has some
// secrets, `vault trust-mayfly` has it believe the house's own tokens, `vault id VARIABLE [CLAIM=VALUE…]` sets a variable to an ID token for
// it, `vault role NAME OPTION…` writes a role, `vault break PATH STATUS BODY` has a
// path answer so once, `vault seal` seals it, `vault namespace NAME` moves it all into
// a namespace, `vault alive N` and `vault leases N`
// count, `vault asked PATH N` counts requests, and `vault silent` looks through what
// the last command said, and the files under $WORK, for a token or a secret.
func vaultCmd(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := ts.Value("vault").(*scriptVault)
	switch {
	case neg || len(args) == 0 || v == nil:
		ts.Fatalf("usage: vault up | id | role | break | seal | alive | leases | asked | silent")
	case args[0] == "up":
		v.up(ts)
	case args[0] == "id" && len(args) > 1:
		change := map[string]any{"aud": vaultAudience}
		for _, text := range args[2:] {
			name, value, _ := strings.Cut(text, "=")
			change[name] = value
		}
		h, _ := ts.Value("house").(*housetest.House)
		token := h.TokenWith("acme/web", "main", change)
		v.hidden = append(v.hidden, token)
		ts.Setenv(args[1], token)
	case args[0] == "role" && len(args) > 1:
		r := vaulttest.Role{Audiences: []string{vaultAudience}, Policies: []string{"my-app"}}
		r.Batch, r.NoDefault = slices.Contains(args[2:], "batch"), slices.Contains(args[2:], "no-default")
		for _, text := range args[2:] {
			if n, ok := strings.CutPrefix(text, "uses="); ok {
				r.Uses, _ = strconv.Atoi(n)
			}
			if d, ok := strings.CutPrefix(text, "ttl="); ok {
				r.TTL, _ = time.ParseDuration(d)
			}
		}
		v.Role("jwt", args[1], r)
	case args[0] == "break" && len(args) == 4:
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		v.Break(args[1], status, 1, http.Header{"Retry-After": {"3600"}, "Location": {"https://other.example/v1/x"}}, args[3])
	case args[0] == "trust-mayfly":
		v.trustMayfly(ts)
	case args[0] == "seal":
		v.Seal()
	case args[0] == "namespace" && len(args) == 2:
		v.InNamespace(args[1])
	case args[0] == "alive" && len(args) == 2:
		counted(ts, "tokens alive", len(v.Alive()), args[1])
	case args[0] == "leases" && len(args) == 2:
		counted(ts, "leases", v.Leases(), args[1])
	case args[0] == "asked" && len(args) == 3:
		n := 0
		for _, r := range v.Requests() {
			if r.Path == args[1] {
				n++
			}
		}
		counted(ts, "requests for "+args[1], n, args[2])
	case args[0] == "silent":
		v.silent(ts)
	default:
		ts.Fatalf("vault %s?", strings.Join(args, " "))
	}
}

func counted(ts *testscript.TestScript, what string, n int, want string) {
	if strconv.Itoa(n) != want {
		ts.Fatalf("%d %s, want %s", n, what, want)
	}
}

func (v *scriptVault) up(ts *testscript.TestScript) {
	h, ok := ts.Value("house").(*housetest.House)
	t, is := ts.Value("t").(testing.TB)
	if !ok || !is {
		ts.Fatalf("this script has no house")
	}
	key, id := h.IssuerKey()
	jwk := fakeissuer.PublicJWK(key.Public())
	jwk["kid"], jwk["alg"] = id, "RS256"
	keys, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	ts.Check(err)
	v.Server = vaulttest.New(t)
	v.Trust("jwt", housetest.Issuer, keys)
	v.Role("jwt", "my-app", vaulttest.Role{Audiences: []string{vaultAudience}, Claims: map[string][]string{"ref": {"main"}}, Policies: []string{"my-app"}})
	v.KV("kv", 2)
	v.KV("old", 1)
	v.Policy("my-app", "kv/data/my-app/*", "old/my-app/*", "database/creds/my-app")
	secret := func(name string) string {
		text := "CANARY-" + rand.Text()
		v.hidden = append(v.hidden, text)
		ts.Setenv("SECRET_"+name, text)
		return text
	}
	v.Put("kv", "my-app/db", map[string]any{"user": "app", "password": secret("FIRST")})
	v.Put("kv", "my-app/db", map[string]any{"user": "app", "password": secret("DB"), "port": 5432, "read-only": false, "hosts": []string{"a", "b"}, "gone": nil})
	v.Put("kv", "my-app/tls", map[string]any{"key": "-----BEGIN-----\n" + secret("KEY") + "\n-----END-----\n", "nul": "a\x00b"})
	v.Put("kv", "my-app/twice", map[string]any{"a-b": "1", "a_b": "2"})
	v.Put("kv", "other/db", map[string]any{"password": secret("OTHER")})
	v.Put("old", "my-app/db", map[string]any{"password": secret("OLD")})
	v.Put("kv", "my-app/gone", map[string]any{"a": "b"})
	v.Put("kv", "my-app/gone", map[string]any{"a": "b"})
	v.Delete("kv", "my-app/gone", 1, true)
	v.Delete("kv", "my-app/gone", 2, false)
	v.Lend("database", "creds/my-app", map[string]any{"username": "v-my-app", "password": secret("LENT")}, time.Hour)
	ts.Setenv("VAULT_ADDR", v.URL)
	ts.Setenv("VAULT_CACERT", ts.MkAbs("vault-ca.pem"))
	ts.Setenv("VAULT_ROLE", "my-app")
	ts.Check(os.WriteFile(ts.MkAbs("vault-ca.pem"), v.CA(), 0o600))
	ts.Check(os.Mkdir(ts.MkAbs("tmp"), 0o700))
	ts.Setenv("TMPDIR", ts.MkAbs("tmp"))
}

// silent looks for what no command may show, nor leave behind.
func (v *scriptVault) silent(ts *testscript.TestScript) {
	if len(v.hidden) < 6 || len(v.Tokens()) == 0 {
		ts.Fatalf("there is nothing to hide: %d tokens and secrets, %d Vault tokens", len(v.hidden), len(v.Tokens()))
	}
	texts := map[string]string{"standard output": ts.ReadFile("stdout"), "standard error": ts.ReadFile("stderr")}
	ts.Check(fs.WalkDir(os.DirFS(ts.MkAbs(".")), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			texts[path] = ts.ReadFile(path)
		}
		return err
	}))
	for where, text := range texts {
		for _, hidden := range slices.Concat(v.hidden, v.Tokens()) {
			if strings.Contains(text, hidden) {
				ts.Fatalf("%s shows what begins with %.16s", where, hidden)
			}
		}
	}
	left, err := os.ReadDir(ts.Getenv("TMPDIR"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("%s is left behind", left[0].Name())
	}
}
