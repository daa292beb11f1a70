package signin

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/webclient"
)

const (
	// requestTimeout bounds one request.
	requestTimeout = 30 * time.Second
	// maxAnswer bounds an answer; GitLab's discovery document has 3 KiB.
	maxAnswer = 256 << 10
)

// Config says where to sign in, and as which client.
type Config struct {
	Issuer    string         // https://gitlab.com, byte for byte as its tokens have it; http on loopback alone
	ClientID  string         // of a public client
	Roots     *x509.CertPool // who vouches for the provider; nil: the system's
	UserAgent string
	Now       func() time.Time                                 // nil: time.Now
	Sleep     func(ctx context.Context, d time.Duration) error // nil: waits
}

// Provider is an OpenID provider to sign in at. It is safe for concurrent use.
type Provider struct {
	config Config
	http   *http.Client
	metadata
}

// metadata is what the provider says of itself.
type metadata struct {
	authorize, token string
	device           string // empty: there are no device codes
	saysIssuer       bool   // its redirects say of whom they are
}

// Error is an answer that refuses (RFC 6749 §4.1.2.1, §5.2; RFC 8628 §3.5).
type Error struct {
	Code        string // access_denied, invalid_client, …
	Description string // the provider's words, printable
}

func (e *Error) Error() string {
	if e.Description == "" {
		return e.Code
	}
	return e.Code + ": " + e.Description
}

// Discover asks an issuer for its endpoints.
func Discover(ctx context.Context, c Config) (*Provider, error) {
	issuer, err := endpoint(c.Issuer, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the issuer: %w", err)
	case issuer.RawQuery != "":
		return nil, fmt.Errorf("the issuer: %q has a query", c.Issuer)
	case c.ClientID == "" || len(c.ClientID) > 255 || strings.ContainsFunc(c.ClientID, func(r rune) bool { return r < ' ' || r > '~' }): // RFC 6749 Appendix A.1
		return nil, fmt.Errorf("%q is no client id", c.ClientID)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = webclient.Wait
	}
	p := &Provider{config: c, http: webclient.New(webclient.Transport(c.Roots), requestTimeout)}
	status, body, err := p.ask(ctx, http.MethodGet, strings.TrimSuffix(c.Issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d to a question for its discovery document; is it an OpenID provider?", issuer.Host, status)
	}
	if p.metadata, err = parseMetadata(body, c.Issuer); err != nil {
		return nil, fmt.Errorf("the discovery document of %s: %w", issuer.Host, err)
	}
	return p, nil
}

// Close ends idle connections.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// HasDevice reports whether the provider has device codes.
func (p *Provider) HasDevice() bool { return p.device != "" }

// Host is the provider's, for a person.
func (p *Provider) Host() string {
	u, err := url.Parse(p.config.Issuer)
	if err != nil {
		return "" // unreachable: Discover has parsed it
	}
	return u.Host
}

// parseMetadata reads a discovery document (OpenID Connect Discovery §4.2).
func parseMetadata(data []byte, issuer string) (m metadata, err error) {
	v, err := strictjson.Parse(data)
	if err != nil {
		return m, err
	}
	if said, _ := v.Get("issuer").Text(); said != issuer {
		return m, fmt.Errorf("it is of the issuer %q, and %q was asked", said, issuer)
	}
	loopback := strings.HasPrefix(issuer, "http:")
	get := func(name string, needed bool) string {
		text, _ := v.Get(name).Text()
		if text == "" && !needed || err != nil {
			return ""
		}
		if _, bad := endpoint(text, !loopback); bad != nil {
			err = fmt.Errorf("%s: %w", name, bad)
		}
		return text
	}
	out := metadata{authorize: get("authorization_endpoint", true), token: get("token_endpoint", true), device: get("device_authorization_endpoint", false)}
	if err != nil {
		return metadata{}, err
	}
	// PKCE protects the code from others on this machine: no sign-in without.
	// A provider that lists nothing may still know it (RFC 8414 §2).
	if methods := v.Get("code_challenge_methods_supported"); methods.Kind() != strictjson.Missing && !lists(methods, "S256") {
		return metadata{}, errors.New("the provider has no PKCE with S256 (RFC 7636)")
	}
	// GitLab has device codes since 17.2 and says so under Doorkeeper's name of the
	// grant, but not where (lxc/incus#4013, int128/kubelogin#1584).
	if base, ok := strings.CutSuffix(out.token, "/oauth/token"); ok && out.device == "" && lists(v.Get("grant_types_supported"), "device_code") {
		out.device = base + "/oauth/authorize_device"
	}
	out.saysIssuer, _ = v.Get("authorization_response_iss_parameter_supported").Bool()
	return out, nil
}

func lists(v strictjson.Value, want string) bool {
	for _, item := range v.Items() {
		if text, _ := item.Text(); text == want {
			return true
		}
	}
	return false
}

// endpoint reads a URL that something secret goes to.
func endpoint(text string, https bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, fmt.Errorf("%q is no URL such as https://gitlab.com", webclient.Named(text))
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http" || https || !webclient.IsLoopback(u.Hostname()):
		return nil, fmt.Errorf("%q is not https", text)
	}
	return u, nil
}

// ask sends one request; a form is posted.
func (p *Provider) ask(ctx context.Context, method, to string, form url.Values) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader([]byte(form.Encode())))
	if err != nil {
		return 0, nil, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", p.config.UserAgent)
	resp, err := p.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its URL may hold something
	}
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", req.URL.Host, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	case len(body) > maxAnswer:
		return 0, nil, fmt.Errorf("the answer of %s is larger than %d bytes", req.URL.Host, maxAnswer)
	}
	return resp.StatusCode, body, nil
}

// post posts a form and gives the JSON object that is answered, or an *Error.
func (p *Provider) post(ctx context.Context, to string, form url.Values) (strictjson.Value, error) {
	status, body, err := p.ask(ctx, http.MethodPost, to, form)
	if err != nil {
		return strictjson.Value{}, err
	}
	v, err := parseAnswer(status, body)
	if _, refused := errors.AsType[*Error](err); err != nil && !refused {
		err = fmt.Errorf("the answer of %s: %w", hostOf(to), err)
	}
	return v, err
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "" // unreachable: every endpoint was parsed
	}
	return u.Host
}

// parseAnswer reads what a token or device endpoint answers.
func parseAnswer(status int, body []byte) (strictjson.Value, error) {
	v, err := strictjson.Parse(body)
	code, _ := v.Get("error").Text()
	switch {
	case err != nil || v.Kind() != strictjson.Object:
		return strictjson.Value{}, fmt.Errorf("status %d, and not as an OpenID provider answers", status)
	case status == http.StatusOK && code == "":
		return v, nil
	case code == "":
		return strictjson.Value{}, fmt.Errorf("status %s, and no reason", strconv.Itoa(status))
	}
	description, _ := v.Get("error_description").Text()
	return strictjson.Value{}, refusal(code, description)
}

func refusal(code, description string) *Error {
	return &Error{Code: printable(code, 64), Description: printable(description, 300)}
}

// printable is others' text on one line, as much of it as is shown.
func printable(text string, most int) string {
	text = webclient.OneLine(text)
	for i := range text {
		if i >= most {
			return text[:i] + "…"
		}
	}
	return text
}
