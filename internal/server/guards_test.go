package server

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/labgitlab"
)

const (
	guardToken  = "glpat-root-0123456789"
	staleToken  = "glpat-old-0123456789" // it has expired
	guardMaxAge = 300 * time.Millisecond
)

// guardedWorld is a server that reads what the lab's stand-in of GitLab enforces.
type guardedWorld struct {
	*world
	lab   *labgitlab.Server
	token string // the file with the server's token for it

	refuse atomic.Int32 // the status that every request is answered with; 0: GitLab is well
	asked  atomic.Int32
}

func newGuardedWorld(t *testing.T) *guardedWorld {
	t.Helper()
	g := &guardedWorld{token: fileWith(t, "token", guardToken+"\n")}
	w, err := labgitlab.LoadWorld(filepath.Join("..", "labgitlab", "testdata", "world", "world.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if g.lab, err = labgitlab.New(labgitlab.Config{World: w, ExternalURL: testIssuer, Secret: "a-secret-of-the-lab-0123456789"}); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.asked.Add(1)
		if status := g.refuse.Load(); status != 0 {
			http.Error(w, `{"message":"out of order"}`, int(status))
			return
		}
		g.lab.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	ca := fileWith(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	g.world = newWorld(t, func(o *Options) {
		o.Config.Issuers[0].Guards = GuardsConfig{URL: front.URL + "/path", CAFile: ca, TokenFile: g.token, MaxAge: Duration(guardMaxAge), Refresh: Duration(guardMaxAge / 3)}
		o.Config.Limits.Refusals = 0
	})
	g.teach()
	host := strings.TrimPrefix(testIssuer, "https://")
	g.makeRole("guarded", `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::`+testAccount+`:oidc-provider/`+host+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringLike":{"`+host+`:sub":"project_path:my-group/shop:ref_type:branch:ref:*"},"Bool":{"mayfly:guard/protected":"true","mayfly:guard/force-push":"false"}}}`, "")
	return g
}

// deploy asks for the guarded role with the token of a job on a branch.
func (g *guardedWorld) deploy(branch string, changes ...map[string]any) answer {
	g.t.Helper()
	claims := fakeissuer.JobClaims("mayfly", "my-group/shop", branch)
	claims["iss"] = testIssuer
	for _, c := range changes {
		for name, v := range c {
			claims[name] = v
		}
	}
	return g.ask("arn:aws:iam::"+testAccount+":role/guarded", g.issuer.Token(claims), nil)
}

// until asks until the answer is of a status, for at most some seconds.
func (g *guardedWorld) until(status int, branch string) (answer, time.Duration) {
	g.t.Helper()
	began := time.Now()
	for {
		a := g.deploy(branch)
		if took := time.Since(began); a.status == status || took > 5*time.Second {
			return a, took
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestUnprotectClosesTheDoor is the story: a branch is unprotected in GitLab, and
// the next exchange is refused with a sentence that the job's author understands;
// when it is protected again, the door is open.
func TestUnprotectClosesTheDoor(t *testing.T) {
	g := newGuardedWorld(t)
	if a := g.deploy("production"); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	if a := g.deploy("feature-1"); a.status != http.StatusForbidden || !strings.Contains(unescaped(a.body), `This token was refused: the branch "feature-1" is not protected, or no longer (Bool mayfly:guard/protected); the history of the branch "feature-1" can be replaced`) {
		t.Error(a.status, a.body)
	}
	if a := g.deploy("release/1"); a.status != http.StatusForbidden || !strings.Contains(unescaped(a.body), `the history of the branch "release/1" can be replaced by a force push (Bool mayfly:guard/force-push)`) {
		t.Error(a.status, a.body)
	}
	if err := g.lab.UnprotectBranch("my-group/shop", "production"); err != nil {
		t.Fatal(err)
	}
	a, took := g.until(http.StatusForbidden, "production")
	if took > 5*guardMaxAge || !strings.Contains(unescaped(a.body), `the branch "production" is not protected, or no longer`) {
		t.Errorf("after %s: %s", took, a.body)
	}
	if err := g.lab.ProtectBranch(labgitlab.BranchProtection{Project: "my-group/shop", Name: "production"}); err != nil {
		t.Fatal(err)
	}
	if a, took := g.until(http.StatusOK, "production"); a.status != http.StatusOK {
		t.Errorf("after %s: %s", took, a.body)
	}
	metrics := g.scraped()
	for _, want := range []string{`mayfly_guard_readings_total{issuer="` + testIssuer + `",outcome="read"}`, `mayfly_guard_projects{issuer="` + testIssuer + `"} 1`, "mayfly_guard_facts_age_seconds{", "mayfly_guard_reading_seconds_count{"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}
	log := g.send(g.signed(g.admin, "mayfly", "GET", "/mayfly/v1/audit/events?first=0&limit=1000", "")).body
	if !strings.Contains(log, `guards_taken`) || !strings.Contains(log, `\\\"mayfly:guard/protected\\\":\\\"true\\\"`) {
		t.Error("the audit log does not say what an exchange rested on")
	}
	g.keepsSecrets()
}

func unescaped(text string) string {
	return strings.NewReplacer("&#34;", `"`, "&quot;", `"`, "&#39;", "'").Replace(text)
}

func (g *guardedWorld) scraped() string {
	g.t.Helper()
	resp, err := http.Get("http://" + g.scrape.Addr().String() + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(text)
}

// keepsSecrets holds that the token for GitLab stands nowhere but in its file.
func (g *guardedWorld) keepsSecrets() {
	g.t.Helper()
	places := map[string]string{"the log": g.log.String(), "the metrics": g.scraped(), "the audit log": g.send(g.signed(g.admin, "mayfly", "GET", "/mayfly/v1/audit/events?first=0&limit=1000", "")).body}
	err := filepath.WalkDir(g.data, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, err := os.ReadFile(path)
			places[path] = string(text)
			return err
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for place, text := range places {
		for _, token := range []string{guardToken, staleToken, "glpat-"} {
			if strings.Contains(text, token) {
				g.t.Errorf("%s holds the token for GitLab", place)
			}
		}
	}
}

// TestGitLabOutOfOrder: while GitLab does not answer, or refuses the server's
// token, the last facts serve until they are too old.
func TestGitLabOutOfOrder(t *testing.T) {
	for name, status := range map[string]int32{"down": http.StatusNotImplemented, "the token is dead": http.StatusUnauthorized} {
		t.Run(name, func(t *testing.T) {
			g := newGuardedWorld(t)
			if a := g.deploy("production"); a.status != http.StatusOK {
				t.Fatal(a.status, a.body)
			}
			g.refuse.Store(status)
			if a := g.deploy("production"); a.status != http.StatusOK {
				t.Error("fresh facts do not serve", a.body)
			}
			a, took := g.until(http.StatusForbidden, "production")
			if took > 5*guardMaxAge || !regexp.MustCompile(`what GitLab enforces is not known: GitLab has not answered since 2\d\d\d-.*Z \(Bool mayfly:guard/protected\)`).MatchString(a.body) || strings.Contains(a.body, "127.0.0.1") {
				t.Errorf("after %s: %s", took, a.body)
			}
			if !strings.Contains(g.log.String(), "what a GitLab enforces could not be read") {
				t.Error("the log does not say so")
			}
			g.refuse.Store(0)
			if a, _ := g.until(http.StatusOK, "production"); a.status != http.StatusOK {
				t.Error(a.body)
			}
			g.keepsSecrets()
		})
	}
}

// TestTokenIsReadAnew: a token that GitLab refuses was perhaps rotated.
func TestTokenIsReadAnew(t *testing.T) {
	g := newGuardedWorld(t)
	for _, token := range []string{staleToken, guardToken} {
		if err := os.WriteFile(g.token, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{staleToken: http.StatusForbidden, guardToken: http.StatusOK}[token]
		if a, _ := g.until(want, "production"); a.status != want {
			t.Error(a.status, a.body)
		}
	}
	g.keepsSecrets()
}

// TestGuardsMayNotBeSeen: a token that may not see the settings leaves them unknown.
func TestGuardsMayNotBeSeen(t *testing.T) {
	g := newGuardedWorld(t)
	if err := os.WriteFile(g.token, []byte("glpat-stranger-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := g.deploy("production"); a.status != http.StatusForbidden || !strings.Contains(a.body, "what GitLab enforces is not known: GET /projects/20: 404 Not Found (Bool mayfly:guard/protected)") {
		t.Error(a.status, a.body)
	}
}

// TestPathsAreUsedAgain: another project under a path that was one's is refused,
// recorded and counted.
func TestPathsAreUsedAgain(t *testing.T) {
	g := newGuardedWorld(t)
	if a := g.deploy("production"); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	a := g.deploy("production", map[string]any{"project_id": "2000"})
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "was it used again by another?") {
		t.Error(a.status, a.body)
	}
	if !strings.Contains(g.scraped(), `mayfly_exchange_refused_total{reason="project path reused"} 1`) {
		t.Error("it is not counted")
	}
}

// TestGuardsHerd: many jobs at once need one reading. On a slow machine it takes
// longer than a job waits, which is then told to come again.
func TestGuardsHerd(t *testing.T) {
	g := newGuardedWorld(t)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			if a, _ := g.until(http.StatusOK, "production"); a.status != http.StatusOK {
				t.Error(a.status, a.body)
			}
		})
	}
	all.Wait()
	if n := g.asked.Load(); n > 40 {
		t.Errorf("GitLab got %d requests", n)
	}
}

// TestGuardsReloaded: with another configuration facts are read anew, and without
// one nobody is let in.
func TestGuardsReloaded(t *testing.T) {
	g := newGuardedWorld(t)
	if a := g.deploy("production"); a.status != http.StatusOK {
		t.Fatal(a.status, a.body)
	}
	c := g.live.Load().config
	c.Issuers = []IssuerConfig{c.Issuers[0]}
	c.Issuers[0].Guards = GuardsConfig{}
	g.load = func() (Config, error) { return c, nil }
	g.Reload()
	if a := g.deploy("production"); a.status != http.StatusForbidden || !strings.Contains(a.body, "this server does not read what the issuer enforces") {
		t.Error(a.status, a.body)
	}
}

// TestGuardPoliciesAreChecked: a trust policy that asks for a guard that there is
// not, or in a way that lets in where nobody knows, is not saved.
func TestGuardPoliciesAreChecked(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	host := strings.TrimPrefix(testIssuer, "https://")
	for condition, want := range map[string]string{
		`"Bool":{"mayfly:guard/protectd":"true"}`:          "there is no such condition key",
		`"BoolIfExists":{"mayfly:guard/protected":"true"}`: "with BoolIfExists",
	} {
		document := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + testAccount + `:oidc-provider/` + host + `"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + host + `:sub":"project_path:acme/web:ref_type:branch:ref:main"},` + condition + `}}]}`
		for _, action := range []string{"CreateRole&RoleName=new&AssumeRolePolicyDocument=", "UpdateAssumeRolePolicy&RoleName=deployer&PolicyDocument="} {
			a := w.send(w.signed(w.admin, "iam", "POST", "/", "Version=2010-05-08&Action="+action+strings.NewReplacer("+", "%2B", "&", "%26", "%", "%25").Replace(document)))
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, "MalformedPolicyDocument") || !strings.Contains(a.body, want) {
				t.Errorf("%s: %d %s", action, a.status, a.body)
			}
		}
	}
}
