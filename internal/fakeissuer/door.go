package fakeissuer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Door is where one person signs in at an issuer, as GitLab has it: /oauth/authorize,
// /oauth/token and /oauth/authorize_device for one public client. Whoever comes is
// taken to be the person, and to agree.
//
// It is strict where a provider is: a code is good once, for the redirect and the
// verifier it was asked with. Spoil bends it.
type Door struct {
	ClientID, UserID string

	issuer *Issuer

	mu      sync.Mutex
	life    time.Duration // of its ID tokens
	spoilt  map[string]bool
	codes   map[string]codeGrant // :: code → what it was asked with
	pending map[string]int       // :: device code → how often the person still is not there
	asked   int
	visits  []url.Values // the parameters of each visit to /oauth/authorize
}

type codeGrant struct{ redirect, challenge, nonce string }

// Door lets a person sign in at the issuer.
func (i *Issuer) Door(clientID, userID string) *Door {
	d := &Door{ClientID: clientID, UserID: userID, life: 2 * time.Minute, issuer: i, spoilt: map[string]bool{}, codes: map[string]codeGrant{}, pending: map[string]int{}}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.door = d
	return d
}

// SetLife says how long its ID tokens live from now on.
func (d *Door) SetLife(life time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life = life
}

// Spoil makes it answer wrongly; without names, well again. The names are those
// that its code asks bent for.
func (d *Door) Spoil(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spoilt = map[string]bool{}
	for _, name := range names {
		d.spoilt[name] = true
	}
}

// Visits are the parameters with which browsers came.
func (d *Door) Visits() []url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.visits
}

func (d *Door) bent(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spoilt[name]
}

func (d *Door) serve(w http.ResponseWriter, r *http.Request) bool {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		d.discovery(w)
	case "/oauth/authorize":
		d.authorize(w, r)
	case "/oauth/token":
		d.token(w, r)
	case "/oauth/authorize_device":
		d.device(w, r)
	default:
		return false
	}
	return true
}

func (d *Door) discovery(w http.ResponseWriter) {
	at := d.issuer.URL
	out := map[string]any{"issuer": at, "authorization_endpoint": at + "/oauth/authorize?theme=dark", "token_endpoint": at + "/oauth/token", "jwks_uri": at + "/oauth/discovery/keys",
		"grant_types_supported": []string{"authorization_code", "device_code"}, "code_challenge_methods_supported": []string{"plain", "S256"}}
	for name, change := range map[string]map[string]any{
		"other-issuer": {"issuer": "https://gitlab.example"},
		"http-token":   {"token_endpoint": "http" + strings.TrimPrefix(at, "https") + "/oauth/token"},
		"no-s256":      {"code_challenge_methods_supported": []string{"plain"}},
		"no-device":    {"grant_types_supported": []string{"authorization_code"}},
		"says-issuer":  {"authorization_response_iss_parameter_supported": true},
	} {
		if d.bent(name) {
			maps.Copy(out, change)
		}
	}
	answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, code string) {
	answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": "The provider says so.\x1b[31m"})
}

// authorize is GitLab's page, with the person's click already made.
func (d *Door) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || to.Scheme != "http" || to.Hostname() != "127.0.0.1" || to.Path != "/callback" || q.Get("client_id") != d.ClientID || q.Get("response_type") != "code" ||
		q.Get("scope") != "openid" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("theme") != "dark" {
		http.Error(w, "The redirect URI included is not valid.", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	d.mu.Lock()
	d.visits = append(d.visits, q)
	d.codes[code] = codeGrant{q.Get("redirect_uri"), q.Get("code_challenge"), q.Get("nonce")}
	d.mu.Unlock()
	back := url.Values{"state": {q.Get("state")}, "code": {code}}
	for name, change := range map[string]url.Values{
		"state":       {"state": {q.Get("state") + "x"}},
		"no-state":    {"state": nil},
		"denied":      {"code": nil, "error": {"access_denied"}, "error_description": {"The resource owner or authorization server denied the request.<script>alert(1)</script>"}},
		"no-code":     {"code": nil},
		"two-codes":   {"code": {code, code}},
		"iss":         {"iss": {d.issuer.URL}},
		"mixed-up":    {"iss": {"https://gitlab.example"}},
		"forged-code": {"code": {rand.Text()}},
	} {
		if d.bent(name) {
			maps.Copy(back, change)
		}
	}
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func (d *Door) token(w http.ResponseWriter, r *http.Request) {
	switch {
	case d.bent("garbage"):
		fmt.Fprint(w, "<html>You need to sign in")
		return
	case d.bent("twice"):
		fmt.Fprint(w, `{"id_token":"a","id_token":"b"}`)
		return
	case d.bent("huge"):
		fmt.Fprintf(w, `{"id_token":%q}`, strings.Repeat("a", 1<<20))
		return
	case d.bent("down"):
		w.WriteHeader(http.StatusBadGateway)
		return
	case d.bent("redirect"):
		http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusTemporaryRedirect)
		return
	case d.bent("hang"):
		<-r.Context().Done()
		return
	}
	if r.FormValue("client_id") != d.ClientID || d.bent("confidential") {
		refuse(w, "invalid_client")
		return
	}
	nonce, code := "", ""
	switch r.FormValue("grant_type") {
	case "authorization_code":
		nonce, code = d.redeem(r)
	case "urn:ietf:params:oauth:grant-type:device_code":
		code = d.look(r.FormValue("device_code"))
	default:
		code = "unsupported_grant_type"
	}
	if code != "" {
		refuse(w, code)
		return
	}
	out := map[string]any{"access_token": "canary-access-token", "refresh_token": "canary-refresh-token", "token_type": "Bearer", "scope": "openid", "id_token": d.idToken(nonce)}
	if d.bent("no-id-token") {
		delete(out, "id_token")
	}
	answer(w, http.StatusOK, out)
}

// redeem takes a code, once, from whoever asked for it.
func (d *Door) redeem(r *http.Request) (nonce, refusal string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, known := d.codes[r.FormValue("code")]
	delete(d.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !known || g.redirect != r.FormValue("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return "", "invalid_grant"
	}
	return g.nonce, ""
}

// idToken is a person's token, bent where it is spoilt.
func (d *Door) idToken(nonce string) string {
	claims := PersonClaims(d.ClientID, d.UserID)
	d.mu.Lock()
	claims["exp"] = time.Now().Add(d.life).Unix()
	d.mu.Unlock()
	if nonce != "" {
		claims["nonce"] = nonce
	}
	for name, change := range map[string]map[string]any{
		"nonce":        {"nonce": "another"},
		"no-nonce":     {"nonce": nil},
		"iss-of-token": {"iss": "https://gitlab.example"},
		"aud":          {"aud": "another-client"},
		"two-auds":     {"aud": []string{d.ClientID, "another-client"}},
		"azp":          {"azp": "another-client"},
		"expired":      {"exp": time.Now().Add(-time.Second).Unix()},
		"future":       {"iat": time.Now().Add(time.Hour).Unix()},
		"no-sub":       {"sub": nil},
	} {
		if d.bent(name) {
			maps.Copy(claims, change)
		}
	}
	return d.issuer.Token(claims)
}

// device is RFC 8628 §3.1; the person types the code while it is asked about for
// the second time.
func (d *Door) device(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_id") != d.ClientID || r.FormValue("scope") != "openid" {
		refuse(w, "invalid_client")
		return
	}
	code := rand.Text()
	d.mu.Lock()
	d.pending[code] = 1
	d.mu.Unlock()
	out := map[string]any{"device_code": code, "user_code": "0A44L90H", "verification_uri": d.issuer.URL + "/oauth/device",
		"verification_uri_complete": d.issuer.URL + "/oauth/device?user_code=0A44L90H", "expires_in": 300, "interval": 1}
	for name, change := range map[string]map[string]any{
		"http-device": {"verification_uri": "http://gitlab.example/oauth/device"},
		"escape":      {"user_code": "\x1b[2J0A44"},
		"elsewhere":   {"verification_uri_complete": "https://evil.example/?user_code=0A44L90H"},
		"no-end":      {"expires_in": nil},
	} {
		if d.bent(name) {
			maps.Copy(out, change)
		}
	}
	answer(w, http.StatusOK, out)
}

// look says what became of a device code, "" if it is good.
func (d *Door) look(code string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	n, known := d.pending[code]
	switch {
	case !known:
		return "invalid_grant"
	case d.spoilt["device-denied"]:
		return "access_denied"
	case d.spoilt["device-expired"]:
		return "expired_token"
	case n > 0 && d.spoilt["slow-down"]:
		d.pending[code]--
		return "slow_down"
	case n > 0:
		d.pending[code]--
		return "authorization_pending"
	}
	delete(d.pending, code)
	return ""
}
