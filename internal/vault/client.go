package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/webclient"
)

// Config says which server to ask.
type Config struct {
	URL       string         // https://vault.example.com:8200, with a path where a proxy has it under one; http on loopback alone
	Namespace string         // of Vault Enterprise and OpenBao; empty: the root namespace
	Roots     *x509.CertPool // who vouches for the server; nil: the system's
	UserAgent string
	// Wait waits before a request is made again; its error ends it. Nil: a timer.
	Wait func(context.Context, time.Duration) error
}

const (
	// requestTimeout bounds one attempt.
	requestTimeout = 30 * time.Second
	// maxAttempts bounds how often a request is made.
	maxAttempts = 4
	// firstPause is the pause after the first failure; each next is twice as long.
	firstPause = 500 * time.Millisecond
	// maxPause bounds the pause that a server asks for: a job waits.
	maxPause = 15 * time.Second
	// maxAnswer bounds an answer. Vault's storage takes at most 1 MiB for an entry
	// (Vault, Limits and maximums), which JSON may write six times as long.
	maxAnswer = 8 << 20
)

// Client asks one server. It is safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
}

// New makes a Client. It makes no network call.
func New(c Config) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(c.URL, "/"))
	switch {
	case err != nil || base.Hostname() == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.ForceQuery || base.Fragment != "" || base.User != nil:
		return nil, fmt.Errorf("%q is no URL of a Vault server, such as https://vault.example.com:8200", webclient.Named(c.URL))
	case base.Scheme == "http" && !webclient.IsLoopback(base.Hostname()):
		return nil, fmt.Errorf("%s is not https: no token goes there", c.URL)
	case strings.HasSuffix(base.Path, "/v1"):
		return nil, fmt.Errorf("%s is the API's URL; the server's is wanted: %s", c.URL, strings.TrimSuffix(base.String(), "/v1"))
	case strings.ContainsFunc(c.Namespace, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, fmt.Errorf("%q is no namespace", c.Namespace)
	}
	if c.Wait == nil {
		c.Wait = webclient.Wait
	}
	return &Client{config: c, base: base, http: webclient.New(webclient.Transport(c.Roots), requestTimeout)}, nil
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of Vault that is no success.
type Error struct {
	Call     string // what was asked, such as read kv/my-app/db
	Status   int
	Messages []string // Vault's own words, if it had any
	Location string   // of a redirect: scheme and host of where it points
	after    time.Duration
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.Call, e.Status, http.StatusText(e.Status))
	if len(e.Messages) > 0 {
		text += ": " + strings.Join(e.Messages, "; ")
	}
	if e.Location != "" {
		text += ": it points to " + e.Location + ", and redirects are not followed: a token is for one server"
	}
	return text
}

// Says reports whether Vault's words hold a text.
func (e *Error) Says(text string) bool {
	for _, m := range e.Messages {
		if strings.Contains(m, text) {
			return true
		}
	}
	return false
}

// Sealed reports whether Vault holds its secrets under seal: somebody must
// unseal it.
func (e *Error) Sealed() bool {
	return e.Status == http.StatusServiceUnavailable && e.Says("Vault is sealed")
}

// call is a request. Its path, and its query if it has one, are escaped.
type call struct {
	name    string // for errors
	method  string
	path    string // below /v1/
	query   string
	token   secret.String
	body    secret.String
	hidden  []secret.String // what no error may show, besides the token
	noAgain bool            // not made again when its answer was lost: it may have done something
}

// do makes a request until it is answered: what Vault cannot answer now is asked
// again. Its body is empty where there is nothing to say.
func (c *Client) do(ctx context.Context, r call) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		body, err := c.attempt(ctx, r)
		if err == nil || ctx.Err() != nil || attempt == maxAttempts {
			return body, err
		}
		pause := firstPause << (attempt - 1)
		if refusal, answered := errors.AsType[*Error](err); answered {
			passing := refusal.Status == http.StatusTooManyRequests || refusal.Status >= 500 && refusal.Status != http.StatusNotImplemented && !refusal.Sealed()
			if !passing || refusal.after > maxPause {
				return body, err
			}
			pause = max(pause, refusal.after)
		} else if r.noAgain || !isPassing(err) {
			return body, err
		}
		if c.config.Wait(ctx, pause) != nil {
			return body, err
		}
	}
}

// isPassing reports whether an error on the way may be gone the next time.
func isPassing(err error) bool {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, tooLarge := errors.AsType[*sizeError](err)
	return !untrusted && !tooLarge
}

type sizeError struct{ call string }

func (e *sizeError) Error() string {
	return fmt.Sprintf("%s: the answer is larger than %d bytes", e.call, maxAnswer)
}

func (c *Client) attempt(ctx context.Context, r call) ([]byte, error) {
	u, err := url.Parse(c.base.String() + "/v1/" + r.path) // not url.JoinPath, which reads escapes
	if err != nil {
		return nil, fmt.Errorf("%s: that is no path", r.name)
	}
	u.RawQuery = r.query
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader([]byte(r.body.Reveal())))
	if err != nil {
		return nil, err
	}
	if !r.body.Empty() {
		req.Header.Set("Content-Type", "application/json")
	}
	if !r.token.Empty() {
		req.Header.Set("X-Vault-Token", r.token.Reveal())
	}
	if c.config.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", c.config.Namespace)
	}
	req.Header.Set("X-Vault-Request", "true") // agents and proxies may insist on it (Vault Agent, require_request_header)
	req.Header.Set("User-Agent", c.config.UserAgent)
	resp, err := c.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // it names the URL, which nobody needs
	}
	if err != nil {
		return nil, fmt.Errorf("%s: ask %s: %w", r.name, c.base.Host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: read the answer of %s: %w", r.name, c.base.Host, err)
	case len(body) > maxAnswer:
		return nil, &sizeError{r.name}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent:
		return body, c.refusal(r, resp, body)
	}
	return body, nil
}

// refusal reads an answer that is no success.
func (c *Client) refusal(r call, resp *http.Response, body []byte) *Error {
	e := &Error{Call: r.name, Status: resp.StatusCode}
	for _, text := range decodeErrors(body) {
		for _, hidden := range append(r.hidden, r.token) {
			if !hidden.Empty() {
				text = strings.ReplaceAll(text, hidden.Reveal(), "[redacted]")
			}
		}
		e.Messages = append(e.Messages, oneLine(text))
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		e.after = time.Duration(seconds) * time.Second
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Location = "nowhere"
		if to, err := resp.Location(); err == nil && to.Host != "" {
			e.Location = oneLine(to.Scheme + "://" + to.Host)
		}
	}
	return e
}

const (
	// maxMessages and maxMessage bound what is shown of Vault's own words.
	maxMessages = 5
	maxMessage  = 400
)

// oneLine is others' text made safe to show.
func oneLine(text string) string {
	text = webclient.OneLine(text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}

// escape is a path of segments as the URL has it. Segments that no path keeps,
// and a slash at either end, are refused.
func escape(path string) (string, error) {
	var out []string
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.ContainsFunc(segment, unicode.IsControl) {
			return "", fmt.Errorf("%q is no path of Vault, such as kv/my-app/db", path)
		}
		out = append(out, url.PathEscape(segment))
	}
	return strings.Join(out, "/"), nil
}

// Login exchanges a JSON Web Token for a Vault token, at the JWT auth method that
// is mounted at a path, under one of its roles; an empty role is the method's
// default.
// (Vault HTTP API, JWT/OIDC auth method, JWT login)
func (c *Client) Login(ctx context.Context, mount, role string, jwt secret.String) (*Session, error) {
	path, err := escape(strings.Trim(mount, "/"))
	if err != nil {
		return nil, fmt.Errorf("%q is no path of an auth method, such as jwt", mount)
	}
	body := encodeLogin(role, jwt)
	name := "log in at auth/" + strings.Trim(mount, "/") + " as " + cmp.Or(role, "its default role")
	raw, err := c.do(ctx, call{name: name, method: http.MethodPost, path: "auth/" + path + "/login", body: body, hidden: []secret.String{jwt}, noAgain: true})
	if err != nil {
		return nil, err
	}
	auth, err := decodeAuth(raw)
	if err != nil {
		return nil, &GarbageError{name, err.Error()}
	}
	return &Session{client: c, auth: auth}, nil
}

// GarbageError is an answer that is not what Vault documents. What it holds is
// not repeated.
type GarbageError struct {
	Call   string
	Detail string
}

func (e *GarbageError) Error() string {
	return e.Call + ": the answer is not understood: " + e.Detail
}
