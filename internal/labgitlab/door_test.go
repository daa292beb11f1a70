package labgitlab_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/labgitlab"
)

func keySet(t *testing.T, server *labgitlab.Server) jose.JSONWebKeySet {
	t.Helper()
	answer := get(t, server, "gitlab.example.com", "/oauth/discovery/keys")
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(answer.Body.Bytes(), &keys); err != nil {
		t.Fatal(err)
	}
	return keys
}

func get(t *testing.T, server http.Handler, host, path string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "https://"+host+path, nil)
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	return answer
}

func TestDiscoveryNamesIssuerAndKeys(t *testing.T) {
	answer := get(t, testLab(t), "gitlab.example.com", "/.well-known/openid-configuration")
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Code)
	}
	var document map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"issuer":                                testIssuer,
		"jwks_uri":                              testIssuer + "/oauth/discovery/keys",
		"id_token_signing_alg_values_supported": []any{"RS256"},
		"subject_types_supported":               []any{"public"},
	} {
		if diff := cmp.Diff(want, document[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	claims, _ := document["claims_supported"].([]any)
	for _, claim := range claims {
		if claim == "project_path" {
			t.Error("GitLab's discovery lists no claim of CI tokens")
		}
	}
}

func TestKeySetIsTwoRSAKeysLoginFirst(t *testing.T) {
	server := testLab(t)
	answer := get(t, server, "gitlab.example.com", "/oauth/discovery/keys")
	if got := answer.Header().Get("Cache-Control"); got != "max-age=86400, public, must-revalidate, no-transform" {
		t.Errorf("Cache-Control %q", got)
	}
	var raw struct{ Keys []map[string]string }
	if err := json.Unmarshal(answer.Body.Bytes(), &raw); err != nil {
		t.Fatal(err)
	}
	if len(raw.Keys) != 2 {
		t.Fatalf("%d keys", len(raw.Keys))
	}
	for _, key := range raw.Keys {
		if key["kty"] != "RSA" || key["use"] != "sig" || key["alg"] != "RS256" || key["e"] != "AQAB" || len(key["kid"]) != 43 || len(key) != 6 {
			t.Errorf("key %v", key)
		}
	}
	login, err := server.LoginToken(context.Background(), "mia", "app", "")
	if err != nil {
		t.Fatal(err)
	}
	if raw.Keys[0]["kid"] != tokenPart(t, login, 0)["kid"] {
		t.Error("the first key is not the login key")
	}
}

func TestOtherHostsAreMisdirected(t *testing.T) {
	server := testLab(t)
	for _, tt := range []struct {
		host, path string
		want       int
	}{
		{"gitlab.example.com", "/oauth/discovery/keys", 200},
		{"GitLab.Example.com", "/oauth/discovery/keys", 200},
		{"127.0.0.1:9999", "/oauth/discovery/keys", 200},
		{"[::1]:9999", "/oauth/discovery/keys", 200},
		{"localhost", "/.well-known/openid-configuration", 200},
		{"evil.example", "/oauth/discovery/keys", 421},
		{"gitlab.example.com.evil.example", "/oauth/discovery/keys", 421},
		{"gitlab.example.com:8443", "/oauth/discovery/keys", 421},
		{"127.0.0.1.evil.example", "/.well-known/openid-configuration", 421},
		{"10.0.0.1", "/.well-known/openid-configuration", 421},
		{"gitlab.example.com", "/-/lab/projects", 421},
		{"evil.example", "/-/lab/projects", 421},
		{"localhost.evil.example", "/-/lab/projects", 421},
		{"127.0.0.1", "/-/lab/projects", 401},
		{"gitlab.localhost:8443", "/-/lab/projects", 401},
		{"127.0.0.1", "/oauth/token", 404},
		{"127.0.0.1", "/api/v4/projects/20", 401},
		{"evil.example", "/api/v4/projects/20", 421},
	} {
		if got := get(t, server, tt.host, tt.path).Code; got != tt.want {
			t.Errorf("%s%s: %d, want %d", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestDoorNeedsTheSecret(t *testing.T) {
	server := testLab(t)
	for _, authorization := range []string{"", "Bearer ", "Bearer wrong", "bearer " + testSecret, testSecret, "Basic " + testSecret, "Bearer " + testSecret + "x", "Bearer " + testSecret[1:]} {
		request := httptest.NewRequest(http.MethodPost, "https://127.0.0.1/-/lab/login-tokens", strings.NewReader(`{"user":"mia","client_id":"app"}`))
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, request)
		if answer.Code != http.StatusUnauthorized || strings.Contains(answer.Body.String(), "ey") {
			t.Errorf("Authorization %q: %d %s", authorization, answer.Code, answer.Body)
		}
	}
}

func TestDoorReadsStrictly(t *testing.T) {
	server := testLab(t)
	for _, tt := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/pipelines", `{"project":"my-group/shop","ref":"production"}`, 200},
		{"POST", "/pipelines", `{"project":"my-group/shop","ref":"production","admin":true}`, 422},
		{"POST", "/pipelines", `{"project":`, 422},
		{"POST", "/pipelines", strings.Repeat(" ", 5<<20) + `{}`, 422},
		{"POST", "/pipelines", `{"project":"my-group/none","ref":"main"}`, 404},
		{"POST", "/pipelines", `{"project":"my-group/shop","ref":"production","user":"stranger"}`, 403},
		{"POST", "/jobs/abc/start", `{}`, 404},
		{"POST", "/jobs/1/start", `{}`, 404},
		{"POST", "/jobs/1/finish", `{"status":"success"}`, 404},
		{"GET", "/pipelines", ``, 405},
		{"GET", "/projects", ``, 200},
	} {
		request := httptest.NewRequest(tt.method, "https://127.0.0.1/-/lab"+tt.path, strings.NewReader(tt.body))
		request.Header.Set("Authorization", "Bearer "+testSecret)
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, request)
		if answer.Code != tt.want {
			t.Errorf("%s %s %.60s: %d, want %d: %s", tt.method, tt.path, tt.body, answer.Code, tt.want, answer.Body)
		}
	}
}

func TestClientAndServerAgree(t *testing.T) {
	server := testLab(t)
	listener := httptest.NewUnstartedServer(server)
	listener.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // one handshake is meant to fail
	listener.StartTLS()
	defer listener.Close()
	client := &labgitlab.Client{URL: listener.URL, Secret: testSecret, HTTP: listener.Client()}
	ctx := context.Background()

	projects, err := client.Projects(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(server.Projects(), projects); diff != "" {
		t.Error(diff)
	}
	p, err := client.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "production", User: "mia"})
	if err != nil {
		t.Fatal(err)
	}
	job := jobOf(t, p, "deploy_job")
	if diff := cmp.Diff([]string{"https://a.example.com", "gitlab-aws-deploy"}, job.IDTokens[1].Audience.Values()); diff != "" {
		t.Error(diff)
	}
	if err := client.FinishJob(ctx, job.ID, labgitlab.JobSuccess); labgitlab.ReasonOf(err) != labgitlab.ReasonConflict {
		t.Errorf("finished a job that never started: %v", err)
	}
	started, err := client.StartJob(ctx, job.ID, labgitlab.StartRequest{ProjectDir: "/p"})
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, started, "CI_PROJECT_DIR"); got != "/p" {
		t.Errorf("CI_PROJECT_DIR %q", got)
	}
	if _, err := client.StartJob(ctx, job.ID, labgitlab.StartRequest{}); labgitlab.ReasonOf(err) != labgitlab.ReasonConflict {
		t.Errorf("a job started twice: %v", err)
	}
	if err := client.FinishJob(ctx, job.ID, "skipped"); labgitlab.ReasonOf(err) != labgitlab.ReasonUnknown {
		t.Errorf("a job ended as skipped: %v", err)
	}
	if err := client.FinishJob(ctx, job.ID, labgitlab.JobSuccess); err != nil {
		t.Error(err)
	}
	if err := client.FinishJob(ctx, job.ID, labgitlab.JobFailed); labgitlab.ReasonOf(err) != labgitlab.ReasonConflict {
		t.Errorf("a job ended twice: %v", err)
	}
	token, err := client.LoginToken(ctx, "mia", "app", "")
	if err != nil || tokenClaims(t, token)["sub"] != "11" {
		t.Errorf("login token: %v", err)
	}
	_, err = client.CreatePipeline(ctx, labgitlab.PipelineRequest{Project: "my-group/shop", Ref: "gone"})
	wantError(t, err, labgitlab.ReasonUnknown, "has no branch gone")

	wrong := &labgitlab.Client{URL: listener.URL, Secret: "another-secret-0123456789", HTTP: listener.Client()}
	_, err = wrong.Projects(ctx)
	wantReason(t, err, labgitlab.ReasonUnauthorized)
	untrusting := &labgitlab.Client{URL: listener.URL, Secret: testSecret}
	if _, err := untrusting.Projects(ctx); err == nil {
		t.Error("an unknown certificate was trusted")
	}
}

func TestClientSendsItsSecretNowhereElse(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("followed to %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	lab := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer lab.Close()
	for _, url := range []string{lab.URL, "https://gitlab.example.com", "http://127.0.0.1.evil.example", "", "127.0.0.1"} {
		client := &labgitlab.Client{URL: url, Secret: testSecret}
		if _, err := client.Projects(context.Background()); err == nil {
			t.Errorf("%q answered", url)
		}
	}
}

func TestServerConfigIsChecked(t *testing.T) {
	world, err := labgitlab.LoadWorld(filepath.Join("testdata", "world", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		c    labgitlab.Config
	}{
		{"no world", labgitlab.Config{ExternalURL: testIssuer, Secret: testSecret}},
		{"no url", labgitlab.Config{World: world, Secret: testSecret}},
		{"plain http", labgitlab.Config{World: world, ExternalURL: "http://gitlab.example.com", Secret: testSecret}},
		{"trailing slash", labgitlab.Config{World: world, ExternalURL: testIssuer + "/", Secret: testSecret}},
		{"credentials in the url", labgitlab.Config{World: world, ExternalURL: "https://a:b@gitlab.example.com", Secret: testSecret}},
		{"query", labgitlab.Config{World: world, ExternalURL: testIssuer + "?a=b", Secret: testSecret}},
		{"no secret", labgitlab.Config{World: world, ExternalURL: testIssuer}},
		{"short secret", labgitlab.Config{World: world, ExternalURL: testIssuer, Secret: "0123456789"}},
		{"key directory that is not there", labgitlab.Config{World: world, ExternalURL: testIssuer, Secret: testSecret, KeyDir: "/nonexistent"}},
	} {
		if _, err := labgitlab.New(tt.c); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}

func TestKeysOutliveTheServerAndArePrivate(t *testing.T) {
	world, err := labgitlab.LoadWorld(filepath.Join("testdata", "world", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := labgitlab.Config{World: world, ExternalURL: testIssuer, Secret: testSecret, KeyDir: dir, Now: time.Now}
	first, err := labgitlab.New(c)
	if err != nil {
		t.Fatal(err)
	}
	second, err := labgitlab.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(get(t, first, "localhost", "/oauth/discovery/keys").Body.String(), get(t, second, "localhost", "/oauth/discovery/keys").Body.String()); diff != "" {
		t.Error("a restart changed the keys")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("%v %v", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if err := os.WriteFile(filepath.Join(dir, entries[0].Name()), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := labgitlab.New(c); err == nil {
		t.Error("a broken key was replaced in silence")
	}
}

func TestInstanceUnderAPath(t *testing.T) {
	world, err := labgitlab.LoadWorld(filepath.Join("testdata", "world", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := labgitlab.New(labgitlab.Config{World: world, ExternalURL: "https://127.0.0.1:8443/git", Secret: testSecret, KeyDir: testKeys})
	if err != nil {
		t.Fatal(err)
	}
	if code := get(t, server, "127.0.0.1:8443", "/git/.well-known/openid-configuration").Code; code != 200 {
		t.Error(code)
	}
	if code := get(t, server, "127.0.0.1:8443", "/.well-known/openid-configuration").Code; code != 404 {
		t.Error(code)
	}
}
