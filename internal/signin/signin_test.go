package signin_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/signin"
)

// world is an issuer with a door, and somebody's machine.
type world struct {
	issuer *fakeissuer.Issuer
	door   *fakeissuer.Door
	config signin.Config
	pauses []time.Duration
}

func newWorld(t *testing.T) *world {
	i := fakeissuer.New(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(i.CA())
	w := &world{issuer: i, door: i.Door("mayfly-cli", "11")}
	w.config = signin.Config{Issuer: i.URL, ClientID: "mayfly-cli", Roots: pool, UserAgent: "test",
		Sleep: func(ctx context.Context, d time.Duration) error { w.pauses = append(w.pauses, d); return ctx.Err() }}
	return w
}

// browser opens a URL as a person's browser does, and gives what it shows.
func (w *world) browser(t *testing.T, at string) (status int, header http.Header, page string) {
	hc := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.config.Roots}, DisableKeepAlives: true}}
	resp, err := hc.Get(at)
	if err != nil {
		t.Error(err)
		return 0, nil, ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// visit signs in with a browser.
func (w *world) visit(t *testing.T) (signin.Token, string, error) {
	t.Helper()
	p, err := signin.Discover(t.Context(), w.config)
	if err != nil {
		return signin.Token{}, "", err
	}
	defer p.Close()
	v, err := p.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	shown := make(chan string, 1)
	go func() {
		_, _, page := w.browser(t, v.URL())
		shown <- page
	}()
	ctx, stop := context.WithTimeoutCause(t.Context(), 2*time.Second, errors.New("nobody came"))
	defer stop()
	token, err := v.Wait(ctx)
	v.Close()
	return token, <-shown, err
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		token, page, err := w.visit(t)
		if err != nil || token.Subject != "11" || token.Login != "sample-user" || time.Until(token.Expires) > 2*time.Minute || token.Text.Empty() {
			t.Fatalf("%+v, %v", token, err)
		}
		if !strings.Contains(page, "You can close this window") || strings.Contains(page, "state") || strings.Contains(page, "script") {
			t.Errorf("the page: %s", page)
		}
	}
	a, b := w.door.Visits()[0], w.door.Visits()[1]
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(a.Get(name)) != 43 || a.Get(name) == b.Get(name) {
			t.Errorf("%s: %q, then %q", name, a.Get(name), b.Get(name))
		}
	}
	w.door.Spoil("iss", "says-issuer")
	if _, _, err := w.visit(t); err != nil {
		t.Errorf("a provider that says its issuer: %v", err)
	}
}

// TestRefuses: whatever is bent on the way, no token comes out.
func TestRefuses(t *testing.T) {
	for _, tt := range []struct{ spoil, want string }{
		{"other-issuer", `of the issuer "https://gitlab.example"`},
		{"http-token", "is not https"},
		{"no-s256", "PKCE"},
		{"state", "nobody came"},
		{"no-state", "nobody came"},
		{"denied", "access_denied: The resource owner"},
		{"no-code", "no code"},
		{"two-codes", "code twice"},
		{"mixed-up", "another issuer"},
		{"says-issuer", "does not say its issuer"},
		{"forged-code", "invalid_grant"},
		{"confidential", "invalid_client: The provider says so.�[31m"},
		{"garbage", "not as an OpenID provider"},
		{"twice", "not as an OpenID provider"},
		{"huge", "larger than"},
		{"down", "status 502"},
		{"redirect", "status 307"},
		{"no-id-token", "no ID token"},
		{"nonce", "nonce"},
		{"no-nonce", "nonce"},
		{"iss-of-token", "of the issuer"},
		{"aud", "not for the client"},
		{"two-auds", "not for the client"},
		{"azp", "another client"},
		{"expired", "has expired"},
		{"future", "future"},
		{"no-sub", "no sub"},
		{"hang", "deadline exceeded"},
	} {
		t.Run(tt.spoil, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.door.Spoil(tt.spoil)
			token, page, err := w.visit(t)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !token.Text.Empty() {
				t.Errorf("%+v, %v, want %q", token, err, tt.want)
			}
			if strings.Contains(page, "signed in.") || strings.Contains(page, "You are signed in") || strings.Contains(page, "alert") {
				t.Errorf("the page: %s", page)
			}
		})
	}
}

// TestIssuers are those that nobody signs in at.
func TestIssuers(t *testing.T) {
	w := newWorld(t)
	for _, issuer := range []string{"", "gitlab.com", "http://gitlab.com", "http://localhost:1", "ftp://127.0.0.1", "https://", "https://user@gitlab.com", "https://gitlab.com#a", "https://gitlab.com#", "https://gitlab.com?a=b", w.issuer.URL + "/", "https://127.0.0.1.nip.example"} {
		c := w.config
		c.Issuer = issuer
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		if _, err := signin.Discover(ctx, c); err == nil {
			t.Errorf("%q is asked", issuer)
		}
		stop()
	}
	for _, id := range []string{"", "a\nb", "ä", strings.Repeat("a", 256)} {
		c := w.config
		c.ClientID = id
		if _, err := signin.Discover(t.Context(), c); err == nil {
			t.Errorf("the client id %q is taken", id)
		}
	}
	c := w.config
	c.Roots = nil
	if _, err := signin.Discover(t.Context(), c); err == nil {
		t.Error("a provider that nobody vouches for is asked")
	}
}

// TestLoopback: who else may come to the listener, and what it does about it.
func TestLoopback(t *testing.T) {
	w := newWorld(t)
	p, err := signin.Discover(t.Context(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	other, err := p.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	mine, err := url.Parse(v.URL())
	if err != nil {
		t.Fatal(err)
	}
	back, state := mine.Query().Get("redirect_uri"), mine.Query().Get("state")
	theirs, err := url.Parse(other.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, url, host string
		want                    int
	}{
		{"another sign-in's state", "GET", back + "?code=a&state=" + theirs.Query().Get("state"), "", 400},
		{"no state", "GET", back + "?code=a", "", 400},
		{"an empty state", "GET", back + "?code=a&state=", "", 400},
		{"two states", "GET", back + "?code=a&state=" + state + "&state=" + state, "", 400},
		{"a state in the fragment", "GET", back + "?code=a#state=" + state, "", 400},
		{"half a query", "GET", back + "?code=%zz&state=" + state, "", 400},
		{"a semicolon", "GET", back + "?code=a;b&state=" + state, "", 400},
		{"another name of this machine", "GET", back + "?code=a&state=" + state, "localhost:" + mustParse(t, back).Port(), 421},
		{"a name that somebody points here", "GET", back + "?code=a&state=" + state, "evil.example", 421},
		{"another port", "GET", back + "?code=a&state=" + state, "127.0.0.1:1", 421},
		{"a form", "POST", back + "?code=a&state=" + state, "", 405},
		{"another path", "GET", strings.TrimSuffix(back, "callback") + "?code=a&state=" + state, "", 404},
		{"a path below", "GET", back + "/?code=a&state=" + state, "", 404},
		{"a redirect it might follow", "GET", back + "?next=https://evil.example", "", 400},
	} {
		req, err := http.NewRequest(tt.method, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tt.host
		resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want || resp.Header.Get("Location") != "" || strings.Contains(string(body), "evil") || strings.Contains(string(body), state) {
			t.Errorf("%s: %s, want %d\n%s", tt.name, resp.Status, tt.want, body)
		}
	}
	// All that was nothing: the person's browser still comes in time, and one that
	// plays its address again does not.
	done := make(chan error, 1)
	go func() {
		_, err := v.Wait(t.Context())
		done <- err
	}()
	status, header, page := w.browser(t, v.URL())
	if err := <-done; err != nil || status != 200 || !strings.Contains(page, "You are signed in") {
		t.Fatalf("%d, %v: %s", status, err, page)
	}
	if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%v", header)
	}
	if status, _, page := w.browser(t, back+"?code=again&state="+state); status != 409 || !strings.Contains(page, "not an open sign-in") {
		t.Errorf("a replay: %d %s", status, page)
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDevice(t *testing.T) {
	for _, tt := range []struct{ spoil, want string }{
		{"", ""},
		{"slow-down", ""},
		{"elsewhere", ""},
		{"device-denied", "access_denied"},
		{"device-expired", "expired_token"},
		{"http-device", "is not https"},
		{"escape", "no code"},
		{"no-end", "when the code ends"},
		{"no-device", "no device codes"},
		{"aud", "not for the client"},
		{"expired", "has expired"},
		{"garbage", "not as an OpenID provider"},
	} {
		t.Run(tt.spoil, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.door.Spoil(tt.spoil)
			token, err := w.device(t)
			if tt.want == "" && (err != nil || token.Subject != "11") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !token.Text.Empty()) {
				t.Fatalf("%+v, %v, want %q", token, err, tt.want)
			}
			if tt.spoil == "slow-down" && (len(w.pauses) != 2 || w.pauses[0] != time.Second || w.pauses[1] != 6*time.Second) {
				t.Errorf("it waited %v", w.pauses)
			}
		})
	}
}

func (w *world) device(t *testing.T) (signin.Token, error) {
	p, err := signin.Discover(t.Context(), w.config)
	if err != nil {
		return signin.Token{}, err
	}
	d, err := p.AskDevice(t.Context())
	if err != nil {
		return signin.Token{}, err
	}
	if d.Code != "0A44L90H" || d.URL != w.issuer.URL+"/oauth/device" || d.Whole != "" && !strings.HasPrefix(d.Whole, d.URL) {
		t.Errorf("%+v", d)
	}
	return d.Wait(t.Context())
}

// TestGivenUp: whoever waits can be told to stop.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	p, err := signin.Discover(t.Context(), w.config)
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := v.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	v.Close()
	if _, err := http.Get(mustParse(t, v.URL()).Query().Get("redirect_uri")); err == nil {
		t.Error("somebody still listens")
	}
	d, err := p.AskDevice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
