package server

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/wire/oauthwire"
)

const testAudience = "kubernetes/prod"

// teachTokens is teach, and lets the role have tokens for testAudience.
func (w *world) teachTokens() {
	w.t.Helper()
	w.teach()
	w.query("iam", "2010-05-08", "PutRolePolicy", url.Values{"RoleName": {"deployer"}, "PolicyName": {"tokens"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"mayfly:IssueToken","Resource":["arn:aws:mayfly:us-east-1:` + testAccount + `:audience/kubernetes/prod","arn:aws:mayfly:us-east-1:` + testAccount + `:audience/rsa"]}]}`}})
}

// tokenForm is a request for a token, with changes: name, value, name, value.
func tokenForm(token string, changes ...string) url.Values {
	form := url.Values{"grant_type": {oauthwire.TokenExchange}, "subject_token": {token}, "subject_token_type": {oauthwire.IDToken}, "resource": {roleARN}, "audience": {testAudience}}
	for i := 0; i < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
	}
	return form
}

func (w *world) askToken(form url.Values) answer {
	w.t.Helper()
	req := w.request(http.MethodPost, oauthwire.TokenPath, form.Encode())
	req.Header.Set("Content-Type", oauthwire.ContentType)
	return w.send(req)
}

// issued is the token of an answer.
func (w *world) issued(a answer) string {
	w.t.Helper()
	r, err := oauthwire.ParseTokenResponse([]byte(a.body))
	if err != nil || a.status != http.StatusOK {
		w.t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return r.AccessToken
}

// keySet is the keys that the server publishes, found as a relying party does and
// read by somebody else's code.
func (w *world) keySet() *jose.JSONWebKeySet {
	w.t.Helper()
	var m oauthwire.Metadata
	if err := json.Unmarshal([]byte(w.send(w.request("GET", oauthwire.DiscoveryPath, "")).body), &m); err != nil || m.Issuer != w.PublicURL() || m.JWKSURI != w.PublicURL()+oauthwire.KeysPath {
		w.t.Fatalf("%+v %v", m, err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.send(w.request("GET", oauthwire.KeysPath, "")).body), &keys); err != nil {
		w.t.Fatal(err)
	}
	return &keys
}

// verifies are the claims of a token, and whether one of the keys signed it.
func (w *world) verifies(token string, keys *jose.JSONWebKeySet) (claims map[string]any, ok bool) {
	w.t.Helper()
	header := part(w.t, token, 0)
	if header["typ"] != accesstoken.Type || len(header) != 3 {
		w.t.Errorf("the header is %v", header)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range keys.Key(header["kid"].(string)) {
		_, err := signed.Verify(k)
		ok = ok || err == nil && k.Algorithm == header["alg"]
	}
	return part(w.t, token, 1), ok
}

// part is a part of a token, read as JSON.
func part(t *testing.T, token string, i int) (out map[string]any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTokenExchange(t *testing.T) {
	w := newWorld(t, nil)
	w.teachTokens()
	a := w.askToken(tokenForm(w.job("acme/web", "main")))
	token := w.issued(a)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v", a.header)
	}
	claims, ok := w.verifies(token, w.keySet())
	if !ok {
		t.Error("it does not verify with the published keys")
	}
	for name, want := range map[string]any{"iss": w.PublicURL(), "aud": testAudience, "sub": "arn:aws:sts::" + testAccount + ":assumed-role/deployer/acme-web-574-302", "federated_issuer": testIssuer, "project_path": "acme/web", "roles": "[" + roleARN + "]"} {
		if fmt.Sprint(claims[name]) != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 300 {
		t.Errorf("it lives %v seconds", life)
	}
	grant := url.Values{"grant_type": {oauthwire.JWTBearer}, "assertion": {w.job("acme/web", "main")}, "resource": {roleARN}, "audience": {testAudience}}
	if _, ok := w.verifies(w.issued(w.askToken(grant)), w.keySet()); !ok {
		t.Error("the JWT bearer grant's does not verify")
	}
	asJWT := w.askToken(tokenForm(w.job("acme/web", "main"), "requested_token_type", oauthwire.JWT))
	if w.issued(asJWT); !strings.Contains(asJWT.body, `"issued_token_type":"`+oauthwire.JWT+`"`) {
		t.Error(asJWT.body)
	}
	for _, kind := range []string{"Application/X-WWW-Form-Urlencoded", oauthwire.ContentType + "; charset=UTF-8", oauthwire.ContentType + `;charset="utf-8"`} {
		req := w.request(http.MethodPost, oauthwire.TokenPath, tokenForm(w.job("acme/web", "main")).Encode())
		req.Header.Set("Content-Type", kind)
		w.issued(w.send(req))
	}
	if got := w.events("mayfly:IssueToken"); len(got) != 6 || got[0].Issued != claims["sid"] {
		t.Errorf("%+v", got)
	}
}

// TestTokenExchangeRefuses: each in OAuth's words, and none of them is kept by
// anybody on the way.
func TestTokenExchangeRefuses(t *testing.T) {
	w := newWorld(t, nil)
	w.teachTokens()
	good := w.job("acme/web", "main")
	own := w.issued(w.askToken(tokenForm(good)))
	post := func(body string, change func(*http.Request)) func() answer {
		return func() answer {
			req := w.request(http.MethodPost, oauthwire.TokenPath, body)
			req.Header.Set("Content-Type", oauthwire.ContentType)
			change(req)
			return w.send(req)
		}
	}
	header := func(name string, values ...string) func() answer {
		return post(tokenForm(good).Encode(), func(r *http.Request) { r.Header[name] = values })
	}
	form := func(changes ...string) func() answer {
		return func() answer { return w.askToken(tokenForm(good, changes...)) }
	}
	grant := url.Values{"grant_type": {oauthwire.JWTBearer}, "assertion": {w.job("acme/web", "dev")}, "resource": {roleARN}, "audience": {testAudience}}
	for _, tt := range []struct {
		name   string
		ask    func() answer
		status int
		code   string
		says   string
	}{
		{"a job of another branch", func() answer { return w.askToken(tokenForm(w.job("acme/web", "dev"))) }, 400, "invalid_request", "Not authorized to perform sts:AssumeRoleWithWebIdentity. This token was refused: the role wants another branch"},
		{"a stranger", func() answer { return w.askToken(tokenForm(w.job("other/web", "main"))) }, 400, "invalid_request", `"Not authorized to perform sts:AssumeRoleWithWebIdentity"`},
		{"its grant", func() answer { return w.askToken(grant) }, 400, "invalid_grant", "the role wants another branch"},
		{"another role", form("resource", roleARN+"2"), 400, "invalid_request", "Not authorized"},
		{"no role", form("resource", "https://example.com"), 400, "invalid_target", "not the ARN of a role"},
		{"another audience", form("audience", "kubernetes/staging"), 400, "invalid_target", "audience/kubernetes/staging because no identity-based policy allows"},
		{"two audiences", post(tokenForm(good).Encode()+"&audience=rsa", func(*http.Request) {}), 400, "invalid_target", "audience stands twice"},
		{"a token of this server", form("subject_token", own), 400, "invalid_request", "not a valid JWT"},
		{"no token", form("subject_token", "x"), 400, "invalid_request", "not a valid JWT"},
		{"a scope", form("scope", "openid"), 400, "invalid_scope", "scope is refused"},
		{"an actor", form("actor_token", good), 400, "invalid_request", "actor_token is refused"},
		{"a client", form("client_id", "x"), 401, "invalid_client", "client_id is refused"},
		{"a client's password", header("Authorization", "Basic eDp5"), 401, "invalid_client", "Authorization is refused"},
		{"a bearer token", header("Authorization", "Bearer "+own), 401, "invalid_client", "Authorization is refused"},
		{"a client's password behind nothing", header("Authorization", "", "Basic eDp5"), 401, "invalid_client", "Authorization is refused"},
		{"another grant", form("grant_type", "password"), 400, "unsupported_grant_type", "only"},
		{"an unknown parameter", form("lifetime", "3600"), 400, "invalid_request", "lifetime is not supported"},
		{"JSON", header("Content-Type", "application/json"), 400, "invalid_request", "Content-Type"},
		{"no type", header("Content-Type", ""), 400, "invalid_request", "Content-Type"},
		{"two types", header("Content-Type", oauthwire.ContentType, "application/json"), 400, "invalid_request", "Content-Type"},
		{"other characters", header("Content-Type", oauthwire.ContentType+"; charset=utf-16"), 400, "invalid_request", "Content-Type"},
		{"a type with more to it", header("Content-Type", oauthwire.ContentType+"; charset=utf-8; x=y"), 400, "invalid_request", "Content-Type"},
		{"a body that is said to be compressed", header("Content-Encoding", "gzip"), 415, "invalid_request", "must not be encoded"},
		{"parameters in the URL", post(tokenForm(good).Encode(), func(r *http.Request) { r.URL.RawQuery = "audience=x" }), 400, "invalid_request", "belong into the body"},
		{"a body that is too long", post(strings.Repeat("a", oauthwire.MaxBodyBytes+1), func(*http.Request) {}), 413, "invalid_request", "longer than"},
		{"a GET", func() answer { return w.send(w.request("GET", oauthwire.TokenPath+"?"+tokenForm(good).Encode(), "")) }, 405, "invalid_request", "by a POST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.ask()
			e, err := oauthwire.ParseError([]byte(a.body))
			if err != nil || a.status != tt.status || e.Code != tt.code || !strings.Contains(a.body, tt.says) {
				t.Errorf("%d %s", a.status, a.body)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" || (a.header.Get("WWW-Authenticate") != "") != (tt.status == 401) {
				t.Errorf("%v", a.header)
			}
		})
	}
}

// TestStrangersTokenRequests: a stranger's refusal is byte for byte that of a role
// that does not exist.
func TestStrangersTokenRequests(t *testing.T) {
	w, roles := strangers(t)
	for name, token := range w.strangersTokens() {
		want := ""
		for _, role := range roles {
			a := w.askToken(tokenForm(token, "resource", role))
			got := fmt.Sprint(a.status, a.body)
			if want == "" {
				want = got
			}
			if got != want || !strings.Contains(got, "Not authorized to perform sts:AssumeRoleWithWebIdentity\"") {
				t.Errorf("a token %s, %s: %s\nof %s: %s", name, role, got, roles[0], want)
			}
		}
	}
}

// TestIssuerDocuments: both documents are one, keep the issuer's name and may be
// kept for a while; the keys are public.
func TestIssuerDocuments(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Config.PublicURL = "https://mayfly.example.com/" })
	get := func(method, path string) answer {
		req, err := http.NewRequest(method, "https://"+w.main.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w.send(req)
	}
	one, other := get("GET", oauthwire.DiscoveryPath), get("GET", oauthwire.MetadataPath)
	if one.body != other.body || one.status != 200 || one.header.Get("Cache-Control") != "public, max-age=300" || one.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %v", one, other)
	}
	v, err := strictjson.Parse([]byte(one.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"issuer": "https://mayfly.example.com", "jwks_uri": "https://mayfly.example.com/oauth/jwks", "token_endpoint": "https://mayfly.example.com/oauth/token"} {
		if got, _ := v.Get(name).Text(); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	keys := get("GET", oauthwire.KeysPath)
	if set, err := jwt.ParseKeySet([]byte(keys.body)); err != nil || set.Len() != 2 || keys.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%v %v", keys, err)
	}
	for _, path := range []string{oauthwire.DiscoveryPath, oauthwire.MetadataPath, oauthwire.KeysPath} {
		if a := get("HEAD", path); a.status != 200 || a.body != "" {
			t.Errorf("HEAD %s: %v", path, a)
		}
		if a := get("POST", path); a.status != 405 || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("POST %s: %v", path, a)
		}
		if a := get("GET", path+"/"); a.status != 404 {
			t.Errorf("%s/: %v", path, a)
		}
	}
}

// TestOwnIssuerIsNoProvider: nobody can make this server believe its own tokens.
func TestOwnIssuerIsNoProvider(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Config.PublicURL = "https://mayfly.example.com" })
	at := w.main.Addr().String()
	w.hc.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", at)
	}
	register := func(url string) answer {
		return w.send(w.signed(w.admin, "iam", http.MethodPost, "/", "Action=CreateOpenIDConnectProvider&Version=2010-05-08&ClientIDList.member.1=x&Url="+url))
	}
	for _, url := range []string{"https://mayfly.example.com", "https://mayfly.example.com/", "https://MAYFLY.example.com"} {
		got := register(url)
		if got.status != 400 || !strings.Contains(got.body, "own issuer") {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
	for _, url := range []string{"https://mayfly.example.com:8443", "https://mayfly.example.com/gitlab", "https://mayfly.example.co"} {
		if got := register(url); got.status != 200 {
			t.Errorf("%s: %d %s", url, got.status, got.body)
		}
	}
}

// TestTokensThroughRotations: tokens verify with what is published while they
// live, whatever is rotated; the next key is published before it signs; a dropped
// one vouches for nothing.
func TestTokensThroughRotations(t *testing.T) {
	var c clock
	w := newWorld(t, c.in)
	w.issuer.SetNow(c.now)
	w.teachTokens()
	ask := func() string { return w.issued(w.askToken(tokenForm(w.job("acme/web", "main")))) }
	kid := func(token string) string { return part(t, token, 0)["kid"].(string) }
	first := ask()
	kept := w.keySet() // by a relying party that keeps it for an hour
	w.rotate(t)
	if second := ask(); kid(second) != kid(first) {
		t.Error("a key signs that was not published for an hour")
	}
	c.pass(time.Hour)
	w.admin = w.askAdmin()
	third := ask()
	if kid(third) == kid(first) {
		t.Error("the next key does not sign")
	}
	if _, ok := w.verifies(third, kept); !ok {
		t.Error("who kept the key set does not know the next key")
	}
	if _, ok := w.verifies(first, w.keySet()); !ok {
		t.Error("the first token does not verify any more")
	}
	c.pass(accesstoken.MaxLife + 5*time.Minute)
	if len(w.keySet().Key(kid(first))) > 0 {
		t.Error("a key whose last token has ended is published")
	}
	w.revokeOld(t)
	keys := w.keySet()
	if _, ok := w.verifies(third, keys); ok || len(keys.Keys) != 2 {
		t.Error("a dropped key vouches for a token")
	}
	w.admin = w.askAdmin()
	if _, ok := w.verifies(ask(), keys); !ok {
		t.Error("the new key's token does not verify")
	}
}

// TestRS256Audience: an audience whose owner reads no elliptic curves.
func TestRS256Audience(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Config.Tokens.Audiences = []AudienceConfig{{Name: "rsa", Algorithm: "RS256", Life: Duration(time.Minute)}}
	})
	w.teachTokens()
	token := w.issued(w.askToken(tokenForm(w.job("acme/web", "main"), "audience", "rsa")))
	claims, ok := w.verifies(token, w.keySet())
	if !ok || part(t, token, 0)["alg"] != "RS256" || claims["exp"].(float64)-claims["iat"].(float64) != 60 {
		t.Errorf("%v", claims)
	}
	other := w.issued(w.askToken(tokenForm(w.job("acme/web", "main"))))
	if _, ok := w.verifies(other, w.keySet()); !ok || part(t, other, 0)["alg"] != "ES256" {
		t.Error("the other audience's")
	}
	if n := len(w.keySet().Keys); n != 4 {
		t.Errorf("%d keys are published", n)
	}
}

// TestTokensAreThrottled: as at the other doors, in OAuth's words.
func TestTokensAreThrottled(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Config.Limits.Refusals = 1
		o.Config.TrustedProxies = Prefixes{netip.MustParsePrefix("127.0.0.0/8")}
	})
	w.teachTokens()
	from := func(source, token string) answer {
		req := w.request(http.MethodPost, oauthwire.TokenPath, tokenForm(token).Encode())
		req.Header.Set("Content-Type", oauthwire.ContentType)
		req.Header.Set("X-Forwarded-For", source)
		return w.send(req)
	}
	for range 30 {
		if a := from("192.0.2.1", w.job("acme/web", "main")); a.status != 200 {
			t.Fatalf("who is let in is throttled: %v", a)
		}
	}
	var last answer
	for range 100 {
		if last = from("192.0.2.1", "x"); last.status == 429 {
			break
		}
	}
	if last.status != 429 || !strings.Contains(last.body, `"temporarily_unavailable"`) || last.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", last)
	}
	if a := from("192.0.2.2", "x"); a.status != 400 {
		t.Errorf("another source: %v", a)
	}
}

// TestTokenPage: docs/token-exchange.md says of every claim, path, parameter and
// error what it is.
func TestTokenPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/token-exchange.md")
	if err != nil {
		t.Fatal(err)
	}
	words := append(accesstoken.Names(), oauthwire.DiscoveryPath, oauthwire.MetadataPath, oauthwire.KeysPath, oauthwire.TokenPath, oauthwire.TokenExchange, oauthwire.IDToken,
		oauthwire.InvalidRequest, oauthwire.InvalidClient, oauthwire.InvalidGrant, oauthwire.InvalidScope, oauthwire.InvalidTarget, oauthwire.UnsupportedGrantType, oauthwire.TemporarilyUnavailable)
	for name := range tokenForm("x") {
		words = append(words, name)
	}
	for _, word := range append(words, "assertion", "requested_token_type", "scope", "actor_token", "actor_token_type", "client_id", "client_secret", "client_assertion", "client_assertion_type") {
		if !strings.Contains(string(page), "`"+word+"`") {
			t.Errorf("it does not explain %s", word)
		}
	}
}

// TestTokensAreNoBearerTokens: what this server signed opens none of its own doors.
func TestTokensAreNoBearerTokens(t *testing.T) {
	w := newWorld(t, nil)
	w.teachTokens()
	token := w.issued(w.askToken(tokenForm(w.job("acme/web", "main"))))
	if a := w.exchange(token); a.status != 400 || !strings.Contains(a.body, "InvalidIdentityToken") {
		t.Errorf("STS: %v", a)
	}
	claims := fakeissuer.JobClaims("mayfly", "acme/web", "main")
	claims["iss"] = w.PublicURL()
	if a := w.exchange(w.issuer.Token(claims)); a.status != 400 || !strings.Contains(a.body, "issued by this server itself") {
		t.Errorf("STS: %v", a)
	}
	for _, path := range []string{"/mayfly/v1/clusters", "/clusters", "/?Action=GetCallerIdentity&Version=2011-06-15"} {
		req := w.request("GET", path, "")
		req.Header.Set("Authorization", "Bearer "+token)
		if a := w.send(req); a.status < 400 {
			t.Errorf("%s: %v", path, a)
		}
	}
}
