package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"mayfly.internal/internal/secret"
)

// CallbackPath is the path of the redirect. An application is registered with
// http://127.0.0.1/callback: of loopback addresses the port does not count
// (RFC 8252 §7.3).
const CallbackPath = "/callback"

// Visit is a sign-in with a browser that is under way: a listener on loopback that
// waits for the browser to come back, once.
type Visit struct {
	provider *Provider
	listener net.Listener
	server   *http.Server
	verifier secret.String // PKCE
	state    string
	nonce    string
	url      string

	mu      sync.Mutex
	taken   bool
	answer  chan answer
	verdict chan struct{} // closed once good is set
	good    bool
}

// answer is what a redirect brought.
type answer struct {
	code secret.String
	err  error
}

// Listen begins a sign-in. The caller closes it.
func (p *Provider) Listen(ctx context.Context) (*Visit, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", "127.0.0.1:0") // the address, not the name localhost: RFC 8252 §8.3
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	v := &Visit{provider: p, listener: l, verifier: secret.New(random()), state: random(), nonce: random(), answer: make(chan answer, 1), verdict: make(chan struct{})}
	challenge := sha256.Sum256([]byte(v.verifier.Reveal()))
	to, err := url.Parse(p.authorize)
	if err != nil {
		return nil, errors.Join(err, l.Close()) // unreachable: parseMetadata has parsed it
	}
	q := to.Query()
	for name, value := range map[string]string{"response_type": "code", "client_id": p.config.ClientID, "redirect_uri": v.redirect(), "scope": "openid",
		"state": v.state, "nonce": v.nonce, "code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256"} {
		q.Set(name, value)
	}
	to.RawQuery = q.Encode()
	v.url = to.String()
	v.server = &http.Server{Handler: v, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 2 * requestTimeout, MaxHeaderBytes: 32 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go v.server.Serve(l) // Close ends it
	return v, nil
}

// random is 256 bits as text: a verifier (RFC 7636 §4.1), a state, a nonce.
func random() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (v *Visit) redirect() string { return "http://" + v.listener.Addr().String() + CallbackPath }

// URL is what the person's browser is to open. Whoever else sees it can do nothing
// with it: a code that is not of this visit's verifier is worth nothing here, and
// one that is, elsewhere.
func (v *Visit) URL() string { return v.url }

// Close stops to listen, after an answer under way.
func (v *Visit) Close() {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	if v.server.Shutdown(ctx) != nil {
		v.server.Close()
	}
}

// Wait waits for the browser to come back and exchanges what it brings.
func (v *Visit) Wait(ctx context.Context) (Token, error) {
	var a answer
	select {
	case a = <-v.answer:
	case <-ctx.Done():
		return Token{}, context.Cause(ctx)
	}
	t, err := v.redeem(ctx, a)
	v.good = err == nil
	close(v.verdict)
	return t, err
}

// redeem is RFC 6749 §4.1.3 with RFC 7636 §4.5.
func (v *Visit) redeem(ctx context.Context, a answer) (Token, error) {
	if a.err != nil {
		return Token{}, a.err
	}
	p := v.provider
	out, err := p.post(ctx, p.token, url.Values{"grant_type": {"authorization_code"}, "code": {a.code.Reveal()}, "redirect_uri": {v.redirect()},
		"client_id": {p.config.ClientID}, "code_verifier": {v.verifier.Reveal()}})
	if err != nil {
		return Token{}, err
	}
	return p.idToken(out, v.nonce)
}

// ServeHTTP is the loopback listener. It shows nothing of what a request holds,
// and sends nobody anywhere.
func (v *Visit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host != v.listener.Addr().String(): // a name that resolves to loopback, or another port's browser
		show(w, http.StatusMisdirectedRequest, pageStray)
		return
	case r.URL.Path != CallbackPath:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		show(w, http.StatusMethodNotAllowed, pageStray)
		return
	}
	a, mine := v.read(r.URL.RawQuery)
	if !mine {
		show(w, http.StatusBadRequest, pageStray)
		return
	}
	if !v.take(a) {
		show(w, http.StatusConflict, pageStray)
		return
	}
	select {
	case <-v.verdict:
	case <-r.Context().Done():
		return
	}
	if v.good {
		show(w, http.StatusOK, pageGood)
	} else {
		show(w, http.StatusOK, pageBad)
	}
}

// take hands over the first answer; there is no second.
func (v *Visit) take(a answer) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.taken {
		return false
	}
	v.taken = true
	v.answer <- a
	return true
}

// read reads a redirect's query (RFC 6749 §4.1.2, RFC 9207 §2). One without this
// sign-in's state is not ours, and changes nothing.
func (v *Visit) read(query string) (a answer, mine bool) {
	q, err := url.ParseQuery(query)
	if err != nil || len(q["state"]) != 1 || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(v.state)) != 1 {
		return answer{}, false
	}
	for _, name := range []string{"code", "error", "iss"} {
		if len(q[name]) > 1 { // RFC 6749 §3.1
			return answer{err: fmt.Errorf("the provider's redirect has %s twice", name)}, true
		}
	}
	issuer, said := q.Get("iss"), q.Has("iss")
	switch {
	case said && issuer != v.provider.config.Issuer:
		return answer{err: errors.New("the redirect is of another issuer than the one that was asked (RFC 9207)")}, true
	case !said && v.provider.saysIssuer:
		return answer{err: errors.New("the redirect does not say its issuer, and the provider's always do (RFC 9207)")}, true
	case q.Get("error") != "":
		return answer{err: refusal(q.Get("error"), q.Get("error_description"))}, true
	case q.Get("code") == "" || len(q.Get("code")) > 4096:
		return answer{err: errors.New("the redirect brought no code")}, true
	}
	return answer{code: secret.New(q.Get("code"))}, true
}
