package server

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/keyset"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/sts"
)

func fileWith(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadConfig(t *testing.T) {
	i := fakeissuer.New(t)
	c, err := LoadConfig(fileWith(t, "m.yaml", `
listen: http://127.0.0.1:8080
public_url: https://mayfly.example.com:8443/
region: eu-central-1
account_id: "111122223333"
metrics_listen: "off"
trusted_proxies: [10.0.0.0/8, "fd00::/8"]
limits: {refusals: 7, connections: 0}
quotas: {roles: 5000, trust_policy_length: 4096}
admin: {socket: /run/mayfly.sock, allow_uids: [1000]}
max_session_duration: 2h
audit: {reserve: 1GiB}
aws_auth_max_age: 5m
jwks: {max_stale: 30m}
keys: {rotate_after: 24h, publish_ahead: 4m}
tokens: {audiences: [{name: rsa, algorithm: RS256}, {name: "https://vault.example.com:8200", life: 10m}]}
issuers:
- url: https://gitlab.example:8443/path
  ca_file: `+i.CAFile()+`
  jwks_file: `+i.KeySetFile()+`
  allow_addresses: [192.168.0.0/16]
  algorithms: [RS256, EdDSA]
  gitlab: true
  login_client_ids: [abc]
  allow_multiple_audiences: true
  max_token_age: 1h
  explain: values
  guards:
    url: https://gitlab.internal
    ca_file: `+i.CAFile()+`
    token_file: `+fileWith(t, "token", "glpat-x\n")+`
    tier: premium
    max_age: 2m
    refresh: 20s
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "http://127.0.0.1:8080" || time.Duration(c.MaxSessionDuration) != 2*time.Hour || c.Audit.Reserve != 1<<30 || len(c.TrustedProxies) != 2 || c.Limits != (LimitsConfig{7, 0}) || c.Quotas != (QuotasConfig{5000, 100, 1500, 10, 5, 6144, 4096, 10240}) || c.Admin.AllowUIDs[0] != 1000 {
		t.Errorf("%+v", c)
	}
	if w := c.wantedKeys(); w.After != 24*time.Hour || w.Ahead != 4*time.Minute || len(w.Longest) != 3 || w.Longest[keyset.Sealing] != 2*time.Hour || w.Longest[keyset.RS256] != 10*time.Minute || c.keepKeys() != 2*time.Minute {
		t.Errorf("%+v", w)
	}
	if got := c.Tokens.terms(); !reflect.DeepEqual(got, map[string]sts.Terms{"rsa": {Algorithm: jwt.RS256, Life: 5 * time.Minute}, "https://vault.example.com:8200": {Algorithm: jwt.ES256, Life: 10 * time.Minute}}) {
		t.Errorf("%+v", got)
	}
	s := c.settings()["https://gitlab.example:8443/path"]
	if !s.GitLab || !s.AllowMultipleAudiences || s.MaxTokenAge != time.Hour || s.Explain != oidc.ExplainValues || len(s.Algorithms) != 2 || s.Use != oidc.UseAny {
		t.Errorf("%+v", s)
	}
	if g := c.Issuers[0].Guards; g.at(c.Issuers[0]) != "https://gitlab.internal" || g.maxAge() != 2*time.Minute || g.refresh() != 20*time.Second || g.Tier != "premium" || !g.configured() {
		t.Errorf("%+v", g)
	}
	for name, text := range map[string]string{"an empty file": "", "a comment": "# nothing\n", "no file": "-"} {
		path := ""
		if text != "-" {
			path = fileWith(t, "m.yaml", text)
		}
		if got, err := LoadConfig(path); err != nil || !reflect.DeepEqual(got, Default()) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := LoadConfig(filepath.Join(t.TempDir(), "missing.yaml")); err == nil {
		t.Error("a missing file was read")
	}
}

// TestEverythingWrongAtOnce: one run of check says all of it, in words that
// name the key and no type of ours.
func TestEverythingWrongAtOnce(t *testing.T) {
	notPEM := fileWith(t, "ca.pem", "hello")
	_, err := LoadConfig(fileWith(t, "m.yaml", `
listn: x
listen: http://0.0.0.0:8080
public_url: mayfly.example.com
region: Europe
account_id: "123"
tls: {cert_file: /does/not/exist.pem}
metrics_listen: 127.0.0.1:http
trusted_proxies: [10.0.0.0, 10.0.0.1/8, 0.0.0.0/0]
limits: {refusals: -1}
quotas: {roles: 0}
admin: {socket: /`+strings.Repeat("s", 120)+`, allow_uids: [root]}
max_session_duration: 13h
audit: {reserve: lots}
aws_auth_max_age: -5m
jwks: {max_stale: 0s, use: once}
keys: {rotate_after: 30m, publish_ahead: 45m, dir: x}
tokens:
  audiences:
  - {name: "kubernetes/*", algorithm: EdDSA, life: 11m}
  - {name: rsa, life: 90500ms}
  - {name: rsa, algorithm: RS256, lifetime: 5m}
issuers:
- url: http://gitlab.example
  ca_file: `+notPEM+`
  jwks_file: `+notPEM+`
  algorithms: [HS256]
  explain: everything
  guards: {url: ftp://gitlab.example, token_file: /does/not/exist, token_env: X, ca_file: `+notPEM+`, tier: gold, max_age: 2h, refresh: 3s, refesh: 1m}
- url: https://ci.example
  login_client_ids: [abc]
  one_use: true
  guards: {token_vault: secret/data/ci, max_age: 30s, refresh: 30s}
- url: https://gitlab.com
  guards: {token_file: /does/not/exist, url: http://gitlab.com}
- url: https://gitlab.example.org
  gitlab: true
  guards: {refresh: 1m}
- url: https://ci.example
`))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{
		"line 2: unknown key listn", "listen: http:// is allowed on a loopback address only", `public_url: "mayfly.example.com"`, `region: "Europe"`, "account_id:", "cert_file and key_file go together",
		`metrics_listen: "http" is no port`, `"10.0.0.0" is no block`, "10.0.0.0/8 is meant", "believes everyone", "limits: a number below 0", "quotas.roles: a number below 1", "admin.socket: the path is longer", `a str does not belong here: root`, "max_session_duration: 13h0m0s",
		`"lots" is no size`, `"-5m" is no time span`, `"0s" is no time span`, "unknown key use", "keys.rotate_after: 30m0s is less than 1h0m0s", "keys.publish_ahead: 45m0s is more than rotate_after, which is 30m0s", "unknown key dir",
		"tokens.audiences[0] (kubernetes/*): name: an audience is of letters", `tokens.audiences[0] (kubernetes/*): algorithm: "EdDSA" is neither`, "tokens.audiences[0] (kubernetes/*): life: 11m0s is not between 30s and 10m0s", "tokens.audiences[1] (rsa): life: 1m30.5s", "tokens.audiences[2] (rsa): the audience stands twice", "unknown key lifetime",
		"issuers[0] (http://gitlab.example): url:", "ca_file:", "no PEM certificate", "jwks_file:", `algorithms: "HS256"`, `explain: "everything"`,
		"issuers[1] (https://ci.example): login_client_ids", "unknown key one_use", "issuers[4] (https://ci.example): the issuer stands twice",
		"unknown key refesh", "issuers[0] (http://gitlab.example): guards: only a GitLab has them", "guards: name one of token_file, token_env and token_vault", "guards.ca_file: ", `guards.url: "ftp://gitlab.example" is no URL of a GitLab`,
		`guards.tier: "gold"`, "guards.max_age: 2h0m0s is not between 10s and 1h0m0s", "guards.refresh: 3s is not between 5s", "guards.refresh: 30s is not between 5s and max_age, which is 30s", `guards.token_vault: "secret/data/ci" is no PATH#FIELD`,
		"issuers[2] (https://gitlab.com): guards.token_file: ", "guards.url: http://gitlab.com is not https", "issuers[3] (https://gitlab.example.org): guards: name one of",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for _, leak := range []string{"server.", "netip", "!!", "Config"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("it says %q", leak)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestConfigForm(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"two documents":       {"region: eu-central-1\n---\nregion: eu-west-1\n", "more than one document"},
		"a key twice":         {"region: eu-central-1\nregion: eu-west-1\n", "already defined"},
		"not a mapping":       {"- listen\n", "does not belong here"},
		"not YAML":            {"listen: [\n", "did not find"},
		"a prefix as mapping": {"trusted_proxies: {a: b}\n", "does not belong here"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := LoadConfig(fileWith(t, "m.yaml", tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
}

// TestLimits: each number is looked at by itself.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Limits = LimitsConfig{} }, ""},
		{func(c *Config) { c.Limits = LimitsConfig{maxLimit, maxLimit} }, ""},
		{func(c *Config) { c.Limits.Refusals = -1 }, "limits: "},
		{func(c *Config) { c.Limits.Connections = -1 }, "limits: "},
		{func(c *Config) { c.Limits.Refusals = maxLimit + 1 }, "limits: "},
		{func(c *Config) { c.Limits.Connections = maxLimit + 1 }, "limits: "},
		{func(c *Config) { c.Quotas = QuotasConfig{1, 1, 1, 1, 1, 1, 1, 1} }, ""},
		{func(c *Config) { c.Quotas = QuotasConfig{100_000, 100_000, 5000, 20, 5, 6144, 4096, 10240} }, ""},
		{func(c *Config) { c.Quotas.Roles = 0 }, "quotas.roles: "},
		{func(c *Config) { c.Quotas.Providers = 0 }, "quotas.providers: "},
		{func(c *Config) { c.Quotas.Policies = 0 }, "quotas.policies: "},
		{func(c *Config) { c.Quotas.Policies = 5001 }, "quotas.policies: 5001 is more than AWS gives anybody, which is 5000"},
		{func(c *Config) { c.Quotas.AttachedPerRole = -1 }, "quotas.policies_per_role: "},
		{func(c *Config) { c.Quotas.AttachedPerRole = 21 }, "quotas.policies_per_role: "},
		{func(c *Config) { c.Quotas.VersionsPerPolicy = 0 }, "quotas.versions_per_policy: "},
		{func(c *Config) { c.Quotas.VersionsPerPolicy = 6 }, "quotas.versions_per_policy: "},
		{func(c *Config) { c.Quotas.PolicyLength = 0 }, "quotas.policy_length: "},
		{func(c *Config) { c.Quotas.PolicyLength = 6145 }, "quotas.policy_length: "},
		{func(c *Config) { c.Quotas.TrustLength = 0 }, "quotas.trust_policy_length: "},
		{func(c *Config) { c.Quotas.TrustLength = 4097 }, "quotas.trust_policy_length: "},
		{func(c *Config) { c.Quotas.InlineLength = 0 }, "quotas.inline_policies_length: "},
		{func(c *Config) { c.Quotas.InlineLength = 10241 }, "quotas.inline_policies_length: "},
	} {
		c := quiet()
		tt.change(&c)
		if err := c.Check(); (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v %+v: %v", c.Limits, c.Quotas, err)
		}
	}
}

func TestListen(t *testing.T) {
	for text, want := range map[string]listenAddress{
		"127.0.0.1:8443": {"127.0.0.1:8443", false}, "https://0.0.0.0:443": {"0.0.0.0:443", false}, ":8443": {":8443", false}, "http://127.0.0.1:80": {"127.0.0.1:80", true}, "http://[::1]:80": {"[::1]:80", true},
		"http://0.0.0.0:80": {}, "http://:80": {}, "http://localhost:80": {}, "http://192.168.0.1:80": {}, "http://[::]:80": {}, "ftp://127.0.0.1:80": {}, "127.0.0.1": {}, "127.0.0.1:99999": {}, "": {},
	} {
		got, err := Config{Listen: text}.listen()
		if got != want || (err == nil) != (want != listenAddress{}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// TestEveryKeyIsReloadedOrNot: each key of the configuration is one that Reload
// puts in force or one it says needs a restart, and the operator's guide says
// of each what it means.
func TestEveryKey(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operator.md")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	var walk func(prefix string, v reflect.Type)
	walk = func(prefix string, v reflect.Type) {
		for i := range v.NumField() {
			f := v.Field(i)
			name := prefix + f.Tag.Get("yaml")
			if f.Type.Kind() == reflect.Struct {
				walk(name+".", f.Type)
				continue
			}
			keys = append(keys, name)
		}
	}
	walk("", reflect.TypeFor[Config]())
	walk("", reflect.TypeFor[IssuerConfig]())
	walk("tokens.audiences.", reflect.TypeFor[AudienceConfig]())
	for _, key := range keys {
		if !strings.Contains(string(guide), "`"+key+"`") {
			t.Errorf("docs/operator.md does not explain %s", key)
		}
	}
	for _, key := range reloadable {
		if !slices.ContainsFunc(keys, func(k string) bool { return k == key || strings.HasPrefix(k, key+".") }) {
			t.Errorf("%s is no key", key)
		}
	}
}

func TestDifferences(t *testing.T) {
	a, b := quiet(), quiet()
	if got := differences(a, b); got != nil {
		t.Error(got)
	}
	b.Region, b.Admin.AllowUIDs, b.Issuers = "eu-west-1", []uint32{7}, []IssuerConfig{{URL: "https://x.example"}}
	if diff := cmp.Diff([]string{"region", "admin.allow_uids", "issuers"}, differences(a, b)); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultData(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/xdg")
	got, err := DefaultData()
	want := "/xdg/mayfly"
	if os.Getuid() == 0 {
		want = "/var/lib/mayfly"
	}
	if got != want || err != nil {
		t.Error(got, err)
	}
}

// TestPublicURL: it is the issuer of what the server signs, and has one spelling.
func TestPublicURL(t *testing.T) {
	for url, want := range map[string]string{
		"https://mayfly.example.com": "", "https://mayfly.example.com/": "", "https://mayfly.example.com:8443": "", "http://127.0.0.1:8080": "", "https://[2001:db8::1]:8443": "", "": "",
		"HTTPS://mayfly.example.com": "is to be written https://mayfly.example.com:", "https://Mayfly.example.com": "is to be written https://mayfly.example.com:",
		"https://mayfly.example.com:443": "is to be written https://mayfly.example.com:", "https://[2001:db8::1]:443/": "is to be written https://[2001:db8::1]:",
		"http://127.0.0.1:80": "is to be written http://127.0.0.1:", "https://mayfly.example.com//": "is to be written https://mayfly.example.com:", "https://mayfly.example.com:": "is to be written",
		"https://mayfly.example.com/x": "no URL of a host", "ftp://mayfly.example.com": "no URL of a host", "https://u@mayfly.example.com": "no URL of a host",
	} {
		err := Config{PublicURL: url}.Check()
		if got := err != nil && strings.Contains(err.Error(), "public_url: "); got != (want != "") || got && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
	}
}
