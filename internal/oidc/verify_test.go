package oidc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
)

const (
	audience = "https://mayfly.example"
	login    = "0f1e2d3c4b5a"
)

// now is when every test looks at its token, issued a minute before.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is one issuer with its provider.
type world struct {
	issuer   *fakeissuer.Issuer
	provider oidc.Provider
	settings oidc.Settings
}

func newWorld(t testing.TB) *world {
	t.Helper()
	i := fakeissuer.New(t)
	i.SetNow(func() time.Time { return now.Add(-time.Minute) })
	return &world{
		issuer:   i,
		provider: oidc.Provider{ID: "p1", Account: "111122223333", URL: i.URL, ClientIDs: []string{audience, login}},
	}
}

func (w *world) verify(t testing.TB, token string, at time.Time) (oidc.Claims, error) {
	t.Helper()
	u, err := jwt.Parse(token)
	if err != nil {
		t.Fatalf("the token does not parse: %v", err)
	}
	keys, err := jwt.ParseKeySet(w.issuer.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	return oidc.Verify(w.provider, w.settings, u, keys, at)
}

// base are the claims of a token that verifies.
func base() map[string]any {
	return map[string]any{"aud": audience, "sub": "machine-7"}
}

func with(changes map[string]any) map[string]any {
	all := base()
	maps.Copy(all, changes)
	return all
}

func wantRejected(t *testing.T, c oidc.Claims, err error, reason oidc.Reason, claim string) *oidc.RejectedError {
	t.Helper()
	e, ok := errors.AsType[*oidc.RejectedError](err)
	if !ok {
		t.Fatalf("error = %v, want a rejection for %v", err, reason)
	}
	if e.Reason != reason || e.Claim != claim {
		t.Errorf("rejected for %v (claim %q): %v; want %v (claim %q)", e.Reason, e.Claim, err, reason, claim)
	}
	if c.Subject() != "" || c.Kind() != oidc.Nobody || len(maps.Collect(c.ConditionKeys("p"))) != 0 {
		t.Error("a rejected token gave claims")
	}
	return e
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	token := w.issuer.Token(base())
	c, err := w.verify(t, token, now)
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer() != oidc.Issuer(w.issuer.URL) || c.Subject() != "machine-7" || len(c.Audience()) != 1 || c.Audience()[0] != audience {
		t.Errorf("claims = %v %v %v", c.Issuer(), c.Subject(), c.Audience())
	}
	if !c.IssuedAt().Equal(now.Add(-time.Minute)) || !c.Expires().Equal(now.Add(59*time.Minute)) {
		t.Errorf("times = %v to %v", c.IssuedAt(), c.Expires())
	}
	if c.Kind() != oidc.Workload || c.IsJob() || c.IsPerson() {
		t.Errorf("kind = %v", c.Kind())
	}
	u, err := jwt.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	if c.TokenDigest() != u.Digest() || c.TokenID() == u.Digest() {
		t.Error("the token's digest is not the digest of its text, or its id is not that of its jti")
	}
	c2, err := w.verify(t, w.issuer.Token(with(map[string]any{"jti": nil})), now)
	if err != nil || c2.TokenID() != c2.TokenDigest() {
		t.Errorf("without a jti the token's digest is its id: %v", err)
	}
}

// TestClaimsAreRefused changes one thing at a time in a token that verifies.
func TestClaimsAreRefused(t *testing.T) {
	w := newWorld(t)
	other := "https://other.example"
	for _, tt := range []struct {
		name   string
		claims map[string]any
		reason oidc.Reason
		claim  string
	}{
		{"another issuer", map[string]any{"iss": other}, oidc.WrongIssuer, "iss"},
		{"no issuer", map[string]any{"iss": nil}, oidc.WrongIssuer, "iss"},
		{"the issuer with a slash more", map[string]any{"iss": w.issuer.URL + "/"}, oidc.WrongIssuer, "iss"},
		{"the issuer without its scheme, as GitLab once wrote it", map[string]any{"iss": strings.TrimPrefix(w.issuer.URL, "https://")}, oidc.WrongIssuer, "iss"},
		{"the issuer over http", map[string]any{"iss": "http" + strings.TrimPrefix(w.issuer.URL, "https")}, oidc.WrongIssuer, "iss"},
		{"the issuer in upper case", map[string]any{"iss": strings.ToUpper(w.issuer.URL)}, oidc.WrongIssuer, "iss"},
		{"the issuer with a space", map[string]any{"iss": w.issuer.URL + " "}, oidc.WrongIssuer, "iss"},
		{"the issuer with a path", map[string]any{"iss": w.issuer.URL + "/x"}, oidc.WrongIssuer, "iss"},
		{"the issuer in a list", map[string]any{"iss": []string{w.issuer.URL}}, oidc.WrongIssuer, "iss"},

		{"no sub", map[string]any{"sub": nil}, oidc.MissingClaim, "sub"},
		{"sub empty", map[string]any{"sub": ""}, oidc.MalformedClaim, "sub"},
		{"sub a number", map[string]any{"sub": 7}, oidc.MalformedClaim, "sub"},
		{"sub a list", map[string]any{"sub": []string{"machine-7"}}, oidc.MalformedClaim, "sub"},
		{"sub with a newline", map[string]any{"sub": "machine-7\n"}, oidc.MalformedClaim, "sub"},
		{"sub with a NUL", map[string]any{"sub": "machine-7\x00"}, oidc.MalformedClaim, "sub"},
		{"sub with an escape sequence", map[string]any{"sub": "\x1b[2J"}, oidc.MalformedClaim, "sub"},
		{"sub with a C1 control", map[string]any{"sub": "a\u0085b"}, oidc.MalformedClaim, "sub"},
		{"sub with what XML cannot write", map[string]any{"sub": "a\uffff"}, oidc.MalformedClaim, "sub"},
		{"sub of 2049 bytes", map[string]any{"sub": strings.Repeat("a", 2049)}, oidc.MalformedClaim, "sub"},

		{"no aud", map[string]any{"aud": nil}, oidc.MissingClaim, "aud"},
		{"aud empty", map[string]any{"aud": ""}, oidc.MalformedClaim, "aud"},
		{"aud an empty list", map[string]any{"aud": []string{}}, oidc.MalformedClaim, "aud"},
		{"aud a number", map[string]any{"aud": 1}, oidc.MalformedClaim, "aud"},
		{"aud true", map[string]any{"aud": true}, oidc.MalformedClaim, "aud"},
		{"aud an object", map[string]any{"aud": map[string]any{audience: 1}}, oidc.MalformedClaim, "aud"},
		{"aud a list with a number", map[string]any{"aud": []any{1}}, oidc.MalformedClaim, "aud"},
		{"aud a list in a list", map[string]any{"aud": []any{[]string{audience}}}, oidc.MalformedClaim, "aud"},
		{"aud of eleven", map[string]any{"aud": strings.Split("a b c d e f g h i j "+audience, " ")}, oidc.MalformedClaim, "aud"},
		{"another audience", map[string]any{"aud": other}, oidc.WrongAudience, "aud"},
		{"an audience with a slash more", map[string]any{"aud": audience + "/"}, oidc.WrongAudience, "aud"},
		{"an audience in upper case", map[string]any{"aud": strings.ToUpper(audience)}, oidc.WrongAudience, "aud"},
		{"an audience that begins the same", map[string]any{"aud": audience + ".evil.example"}, oidc.WrongAudience, "aud"},
		{"an audience that is a wildcard", map[string]any{"aud": "*"}, oidc.WrongAudience, "aud"},
		{"two audiences, the first ours", map[string]any{"aud": []string{audience, other}}, oidc.WrongAudience, "aud"},
		{"two audiences, the last ours", map[string]any{"aud": []string{other, audience}}, oidc.WrongAudience, "aud"},
		{"two audiences, both ours", map[string]any{"aud": []string{audience, login}}, oidc.WrongAudience, "aud"},
		{"our audience twice", map[string]any{"aud": []string{audience, audience}}, oidc.MalformedClaim, "aud"},
		{"issued to another party", map[string]any{"azp": other}, oidc.WrongAudience, "azp"},
		{"azp a list", map[string]any{"azp": []string{audience}}, oidc.MalformedClaim, "azp"},
		{"azp null", map[string]any{"azp": json.RawMessage("null")}, oidc.MalformedClaim, "azp"},
		{"azp empty", map[string]any{"azp": ""}, oidc.WrongAudience, "azp"},

		{"a second sub in capitals", map[string]any{"SUB": "admin"}, oidc.AmbiguousClaims, ""},
		{"a second aud in mixed case", map[string]any{"Aud": audience}, oidc.AmbiguousClaims, ""},
		{"a second sub with a long s", map[string]any{"ſub": "admin"}, oidc.AmbiguousClaims, ""},
		{"two claims with a Kelvin sign", map[string]any{"key": 1, "\u212aey": 2}, oidc.AmbiguousClaims, ""},
		{"two claims outside ASCII", map[string]any{"ÄRA": 1, "ära": 2}, oidc.AmbiguousClaims, ""},
		{"a claim with a very long name", map[string]any{strings.Repeat("n", 257): 1}, oidc.MalformedClaim, strings.Repeat("n", 200) + "…"},

		{"jti a number", map[string]any{"jti": 1}, oidc.MalformedClaim, "jti"},
		{"jti empty", map[string]any{"jti": ""}, oidc.MalformedClaim, "jti"},
		{"jti of 1025 bytes", map[string]any{"jti": strings.Repeat("j", 1025)}, oidc.MalformedClaim, "jti"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := w.verify(t, w.issuer.Token(with(tt.claims)), now)
			if tt.reason == oidc.AmbiguousClaims {
				if e, ok := errors.AsType[*oidc.RejectedError](err); ok {
					tt.claim = e.Claim // either of the two may be named
				}
			}
			wantRejected(t, c, err, tt.reason, tt.claim)
		})
	}
	many := base()
	for n := range 200 {
		many[fmt.Sprint("c", n)] = n
	}
	c, err := w.verify(t, w.issuer.Token(many), now)
	wantRejected(t, c, err, oidc.MalformedClaim, "")
}

func TestClaimsAreAccepted(t *testing.T) {
	w := newWorld(t)
	for name, claims := range map[string]map[string]any{
		"a list of one audience":                        {"aud": []string{audience}},
		"issued to the audience":                        {"azp": audience},
		"issued to another client of the same provider": {"azp": login},
		"no nbf":                             {"nbf": nil},
		"no jti":                             {"jti": nil},
		"a sub of 255 bytes":                 {"sub": strings.Repeat("a", 255)},
		"a sub of 2048 bytes":                {"sub": strings.Repeat("a", 2048)},
		"a sub that a shell would run":       {"sub": `";rm -rf /;$(id)` + "`id`"},
		"a sub that a browser would run":     {"sub": `<script>alert(1)</script>`},
		"a sub that reads right to left":     {"sub": "main\u202egnp.exe"},
		"a claim whose name differs by more": {"subs": "x", "audience": "y"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := w.verify(t, w.issuer.Token(with(claims)), now)
			if err != nil {
				t.Fatal(err)
			}
			if sub, ok := claims["sub"]; ok && c.Subject() != sub {
				t.Errorf("sub = %q", c.Subject())
			}
			if v, ok := c.Get("aud"); !ok || v.Multi || len(v.List) != 1 || v.List[0] != audience {
				t.Errorf("aud = %v", v)
			}
		})
	}
}

func TestSeveralAudiences(t *testing.T) {
	w := newWorld(t)
	w.settings.AllowMultipleAudiences = true
	c, err := w.verify(t, w.issuer.Token(with(map[string]any{"aud": []string{"https://other.example", audience}})), now)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := c.Get("aud"); !v.Multi || len(v.List) != 2 {
		t.Errorf("aud = %v", v)
	}
	c, err = w.verify(t, w.issuer.Token(with(map[string]any{"aud": []string{"a", "b"}})), now)
	wantRejected(t, c, err, oidc.WrongAudience, "aud")
}

// TestTimes holds a token issued at 12:00:00 for an hour against the clock.
func TestTimes(t *testing.T) {
	w := newWorld(t)
	at := func(text string) time.Time {
		v, err := time.Parse("15:04:05.999999999", text)
		if err != nil {
			t.Fatal(err)
		}
		return now.Add(time.Duration(v.Hour()-12)*time.Hour + time.Duration(v.Minute())*time.Minute + time.Duration(v.Second())*time.Second + time.Duration(v.Nanosecond()))
	}
	n := now.Unix()
	hour := map[string]any{"iat": n, "nbf": n - 5, "exp": n + 3600}
	for _, tt := range []struct {
		name, clock string
		claims      map[string]any
		reason      oidc.Reason // Unverified: accepted
		claim       string
	}{
		{"the moment it is issued", "12:00:00", hour, 0, ""},
		{"one second before it expires", "12:59:59", hour, 0, ""},
		{"the last nanosecond", "12:59:59.999999999", hour, 0, ""},
		{"the moment it expires", "13:00:00", hour, oidc.Expired, "exp"},
		{"one second too old", "13:00:01", hour, oidc.Expired, "exp"},
		{"our clock a minute behind", "11:59:00", hour, 0, ""},
		{"our clock a minute and a nanosecond behind", "11:58:59.999999999", hour, oidc.NotYetValid, "iat"},
		{"nbf a minute ahead", "12:00:00", map[string]any{"iat": n, "nbf": n + 60, "exp": n + 3600}, 0, ""},
		{"nbf a minute and a second ahead", "12:00:00", map[string]any{"iat": n, "nbf": n + 61, "exp": n + 3600}, oidc.NotYetValid, "nbf"},
		{"nbf behind exp", "12:00:00", map[string]any{"iat": n, "nbf": n + 4000, "exp": n + 3600}, oidc.NotYetValid, "nbf"},
		{"iat at exp", "12:00:00", map[string]any{"iat": n + 10, "exp": n + 10}, oidc.MalformedClaim, "exp"},
		{"iat behind exp", "12:00:00", map[string]any{"iat": n + 20, "exp": n + 10}, oidc.MalformedClaim, "exp"},
		{"a day old", "12:00:00", map[string]any{"iat": n - 86400, "exp": n + 3600}, 0, ""},
		{"a day and a second old", "12:00:00", map[string]any{"iat": n - 86401, "exp": n + 3600}, oidc.TooOld, "iat"},
		{"a token for years, fresh", "12:00:00", map[string]any{"iat": n, "exp": n + 1e9}, 0, ""},
		{"good until 2262, beyond what nanoseconds count", "12:00:00", map[string]any{"iat": n, "exp": int64(9223372037)}, 0, ""},
		{"good until the year 9999", "12:00:00", map[string]any{"iat": n, "exp": int64(253402300799)}, 0, ""},
		{"good until the year 10000", "12:00:00", map[string]any{"iat": n, "exp": int64(253402300800)}, oidc.MalformedClaim, "exp"},
		{"issued in 1970", "12:00:00", map[string]any{"iat": 0, "exp": n + 10}, oidc.TooOld, "iat"},
		{"issued in 9999", "12:00:00", map[string]any{"iat": int64(253402300798), "exp": int64(253402300799)}, oidc.NotYetValid, "iat"},
		{"no exp", "12:00:00", map[string]any{"exp": nil}, oidc.MissingClaim, "exp"},
		{"no iat", "12:00:00", map[string]any{"iat": nil}, oidc.MissingClaim, "iat"},
		{"exp a string", "12:00:00", map[string]any{"exp": "1795435200"}, oidc.MalformedClaim, "exp"},
		{"exp null", "12:00:00", map[string]any{"exp": json.RawMessage("null")}, oidc.MalformedClaim, "exp"},
		{"exp a fraction", "12:00:00", map[string]any{"exp": json.RawMessage("1795435200.5")}, oidc.MalformedClaim, "exp"},
		{"exp a whole fraction", "12:00:00", map[string]any{"exp": json.RawMessage("1795435200.0")}, oidc.MalformedClaim, "exp"},
		{"exp with an exponent", "12:00:00", map[string]any{"exp": json.RawMessage("2e9")}, oidc.MalformedClaim, "exp"},
		{"exp negative", "12:00:00", map[string]any{"exp": -1}, oidc.MalformedClaim, "exp"},
		{"exp minus zero", "12:00:00", map[string]any{"exp": json.RawMessage("-0")}, oidc.MalformedClaim, "exp"},
		{"exp beyond 64 bits", "12:00:00", map[string]any{"exp": json.RawMessage("18446744073709551616")}, oidc.MalformedClaim, "exp"},
		{"exp the largest of 64 bits", "12:00:00", map[string]any{"exp": json.RawMessage("9223372036854775807")}, oidc.MalformedClaim, "exp"},
		{"exp a list", "12:00:00", map[string]any{"exp": []int64{n + 3600}}, oidc.MalformedClaim, "exp"},
		{"iat a string", "12:00:00", map[string]any{"iat": "0"}, oidc.MalformedClaim, "iat"},
		{"iat negative", "12:00:00", map[string]any{"iat": -1}, oidc.MalformedClaim, "iat"},
		{"nbf a string", "12:00:00", map[string]any{"nbf": "0"}, oidc.MalformedClaim, "nbf"},
		{"nbf null", "12:00:00", map[string]any{"nbf": json.RawMessage("null")}, oidc.MalformedClaim, "nbf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims := maps.Clone(hour)
			maps.Copy(claims, tt.claims)
			clock := at(tt.clock)
			c, err := w.verify(t, w.issuer.Token(with(claims)), clock)
			if tt.reason == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := wantRejected(t, c, err, tt.reason, tt.claim)
			switch tt.reason {
			case oidc.Expired, oidc.TooOld, oidc.NotYetValid:
				if !e.Now.Equal(clock) || e.At.IsZero() {
					t.Errorf("the rejection holds %v and %v", e.At, e.Now)
				}
			}
		})
	}
	w.settings.MaxTokenAge = time.Minute
	if _, err := w.verify(t, w.issuer.Token(with(hour)), now.Add(time.Minute)); err != nil {
		t.Errorf("exactly as old as is allowed: %v", err)
	}
	c, err := w.verify(t, w.issuer.Token(with(hour)), now.Add(time.Minute+time.Nanosecond))
	wantRejected(t, c, err, oidc.TooOld, "iat")
}

func TestOneUseNeedsAnID(t *testing.T) {
	w := newWorld(t)
	w.settings.Use = oidc.UseOnce
	if _, err := w.verify(t, w.issuer.Token(base()), now); err != nil {
		t.Error(err)
	}
	c, err := w.verify(t, w.issuer.Token(with(map[string]any{"jti": nil})), now)
	wantRejected(t, c, err, oidc.MissingClaim, "jti")
}

// TestSignatures: everything else of the token is right.
func TestSignatures(t *testing.T) {
	w, evil := newWorld(t), fakeissuer.New(t)
	evil.SetNow(func() time.Time { return now })
	forged := func(kid string) string {
		claims := with(map[string]any{"iss": w.issuer.URL, "iat": now.Unix(), "exp": now.Unix() + 60})
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return evil.Sign(jwt.RS256, map[string]any{"alg": "RS256", "kid": kid}, payload)
	}
	check := func(token string, reason oidc.Reason) {
		t.Helper()
		c, err := w.verify(t, token, now)
		e := wantRejected(t, c, err, reason, "")
		if _, ok := errors.AsType[*jwt.Error](err); !ok || e.Reason.Verified() {
			t.Errorf("error = %#v", err)
		}
		if strings.Contains(e.Detail, "machine-7") {
			t.Errorf("the rejection names a claim nobody signed: %s", e.Detail)
		}
	}
	check(forged(w.issuer.KeyID(jwt.RS256)), oidc.BadSignature)
	check(forged(evil.KeyID(jwt.RS256)), oidc.UnknownKey)
	old := w.issuer.Token(base())
	w.issuer.Rotate()
	check(old, oidc.UnknownKey)
	check(w.issuer.TokenAs(jwt.PS256, base()), oidc.AlgorithmNotAllowed)
	check(w.issuer.TokenAs(jwt.EdDSA, base()), oidc.AlgorithmNotAllowed)
	if _, err := w.verify(t, w.issuer.TokenAs(jwt.ES384, base()), now); err != nil {
		t.Errorf("ES384 is AWS's too: %v", err)
	}
	w.settings.Algorithms = []jwt.Algorithm{jwt.EdDSA}
	check(w.issuer.TokenAs(jwt.ES384, base()), oidc.AlgorithmNotAllowed)
	if _, err := w.verify(t, w.issuer.TokenAs(jwt.EdDSA, base()), now); err != nil {
		t.Errorf("EdDSA is configured: %v", err)
	}
	w.settings = oidc.Settings{GitLab: true}
	check(w.issuer.TokenAs(jwt.ES384, fakeissuer.JobClaims(audience, "g/p", "main")), oidc.AlgorithmNotAllowed)
}

// A token whose signature is good at one provider is nothing at another, even
// one with the same keys.
func TestProvidersAreNotMixed(t *testing.T) {
	w := newWorld(t)
	u, err := jwt.Parse(w.issuer.Token(base()))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.ParseKeySet(w.issuer.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	other := w.provider
	other.URL = "https://other.example"
	for name, p := range map[string]oidc.Provider{"another provider": other, "no provider": {}, "a provider without audiences": {URL: w.issuer.URL}} {
		if c, err := oidc.Verify(p, oidc.Settings{}, u, keys, now); err == nil || c.Subject() != "" {
			t.Errorf("%s: %v", name, c)
		}
	}
	if _, err := oidc.Verify(w.provider, oidc.Settings{}, u, nil, now); err == nil {
		t.Error("verifies without keys")
	}
	if _, err := oidc.Verify(oidc.Provider{}, oidc.Settings{}, jwt.Unverified{}, keys, now); err == nil {
		t.Error("a zero token verifies at a zero provider")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := oidc.Unverified; r <= oidc.NeitherJobNorPerson; r++ {
		if seen[r.String()] {
			t.Errorf("reason %d has the name of another: %s", r, r)
		}
		seen[r.String()] = true
	}
	if oidc.Reason(200).String() != "unverified" || oidc.Unverified.Verified() || oidc.BadSignature.Verified() || !oidc.MissingClaim.Verified() {
		t.Error("an unknown reason is named, or a boundary is wrong")
	}
	if oidc.Kind(200).String() != "nobody" {
		t.Error("an unknown kind is named")
	}
}

// verifyPayload signs and verifies a payload as it is written; one that is no
// token at all is refused like a bad one.
func (w *world) verifyPayload(t testing.TB, payload string) (oidc.Claims, error) {
	t.Helper()
	header := `{"alg":"EdDSA","kid":"` + w.issuer.KeyID(jwt.EdDSA) + `"}`
	u, err := jwt.Parse(w.issuer.SignRaw(jwt.EdDSA, []byte(header), []byte(payload)))
	if err != nil {
		return oidc.Claims{}, err
	}
	keys, err := jwt.ParseKeySet(w.issuer.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	settings := w.settings
	settings.Algorithms = []jwt.Algorithm{jwt.EdDSA}
	return oidc.Verify(w.provider, settings, u, keys, now)
}
