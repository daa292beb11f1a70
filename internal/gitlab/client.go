package gitlab

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/webclient"
)

// Config says which GitLab to ask, and as whom.
type Config struct {
	URL       string         // base URL: https://gitlab.com, with a path where the instance has one; http on loopback alone
	Token     secret.String  // a personal, project, group or OAuth access token
	Roots     *x509.CertPool // who vouches for the instance; nil: the system's
	UserAgent string
	// Dial opens connections. Nil: the network, or the proxy that the environment names.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxWait is how long one request waits for GitLab to be less busy. Zero: two minutes.
	MaxWait time.Duration
	Now     func() time.Time                                 // nil: time.Now
	Sleep   func(ctx context.Context, d time.Duration) error // nil: waits
}

const (
	// requestTimeout bounds one attempt.
	requestTimeout = 30 * time.Second
	// defaultMaxWait is Config.MaxWait where it is zero: GitLab.com counts
	// requests by the minute.
	defaultMaxWait = 2 * time.Minute
	// maxAttempts bounds how often a request that failed on the way, or at the
	// other end, is made.
	maxAttempts = 4
	// maxBusy bounds how often a request that came too soon is made again.
	maxBusy = 10
	// firstPause is the pause after the first failure; each next is twice as long.
	firstPause = 500 * time.Millisecond
	// maxAnswer bounds an answer; a page of a hundred projects has under 1 MiB.
	maxAnswer = 16 << 20
	// perPage is the most GitLab gives in a page.
	perPage = 100
	// maxPages bounds a list: GitLab pages by offset up to 50 000 entries.
	maxPages = 500
	// maxAtOnce bounds the requests under way.
	maxAtOnce = 6
)

// Client asks one instance. It is safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	http   *http.Client
	slots  chan struct{}

	mu   sync.Mutex
	anew time.Time // when GitLab counts requests anew, where it takes none before
}

// New makes a Client. It makes no network call.
func New(c Config) (*Client, error) {
	base, err := parseURL(c.URL)
	switch {
	case err != nil:
		return nil, err
	case c.Token.Empty():
		return nil, errors.New("there is no token for GitLab")
	case strings.ContainsFunc(c.Token.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return nil, errors.New("what is given as a token for GitLab is none: it has spaces or other characters that no token has")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = webclient.Wait
	}
	if c.MaxWait == 0 {
		c.MaxWait = defaultMaxWait
	}
	t := webclient.Transport(c.Roots)
	t.MaxConnsPerHost, t.MaxIdleConnsPerHost = maxAtOnce, maxAtOnce
	if c.Dial != nil {
		t.Proxy, t.DialContext = nil, c.Dial
	}
	return &Client{config: c, base: base, slots: make(chan struct{}, maxAtOnce), http: webclient.New(t, requestTimeout)}, nil
}

// CheckURL refuses what New refuses as a GitLab's URL.
func CheckURL(text string) error {
	_, err := parseURL(text)
	return err
}

func parseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSuffix(text, "/"))
	switch {
	case err != nil || base.Hostname() == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.ForceQuery || base.Fragment != "" || base.User != nil:
		return nil, fmt.Errorf("%q is no URL of a GitLab, such as https://gitlab.com", webclient.Named(text))
	case base.Scheme == "http" && !webclient.IsLoopback(base.Hostname()):
		return nil, fmt.Errorf("%s is not https: no token goes there", text)
	case strings.HasSuffix(base.Path, "/api/v4"):
		return nil, fmt.Errorf("%s is the API's URL; the instance's is wanted: %s", text, strings.TrimSuffix(text, "/api/v4"))
	}
	return base, nil
}

// URL is the instance's base URL, with no slash at the end.
func (c *Client) URL() string { return c.base.String() }

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of GitLab that is no success.
type Error struct {
	Call    string // method and path
	Status  int
	Message string        // GitLab's own word, if it had one
	Waited  time.Duration // of 429: how long it was waited before
	after   time.Duration // of 429: how long to wait
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %d %s", e.Call, e.Status, http.StatusText(e.Status))
	if e.Message != "" && !strings.Contains(e.Message, http.StatusText(e.Status)) {
		text += ": " + e.Message
	}
	switch {
	case e.Status == http.StatusTooManyRequests && e.Waited > 0:
		text += fmt.Sprintf(", also after waiting %s", e.Waited.Round(time.Second))
	case e.Status >= 300 && e.Status < 400:
		text += "; redirects are not followed: is the URL the instance's own, and was the project or group moved?"
	}
	return text
}

// answer is a success.
type answer struct {
	body   []byte
	header http.Header
}

// do makes a request until it is answered: it waits while GitLab says that there
// were too many, and tries again what failed on the way or at the other end.
// What changes something is made once.
func (c *Client) do(ctx context.Context, method, path string, query url.Values) (answer, error) {
	call := method + " " + path
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%s: %w", call, ctx.Err())
	}
	var waited time.Duration
	wait := func(d time.Duration) bool {
		if d <= 0 {
			return true
		}
		if waited+d > c.config.MaxWait {
			return false
		}
		waited += d
		return c.config.Sleep(ctx, d) == nil
	}
	failures, busy := 0, 0
	for {
		if !wait(c.pause()) {
			return answer{}, &Error{Call: call, Status: http.StatusTooManyRequests, Waited: waited}
		}
		a, err := c.attempt(ctx, call, method, path, query)
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("%s: %w", call, ctx.Err())
		}
		refusal, answered := errors.AsType[*Error](err)
		again := false
		switch {
		case answered && refusal.Status == http.StatusTooManyRequests:
			busy++
			again = busy <= maxBusy && wait(refusal.after)
			refusal.Waited = waited
		case method == http.MethodGet && (answered && refusal.Status >= 500 && refusal.Status != http.StatusNotImplemented || !answered && isPassing(err)):
			failures++
			again = failures < maxAttempts && wait(firstPause<<(failures-1))
		}
		if !again {
			return answer{}, err
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

// pause is how long it is until GitLab counts anew, where the last request that
// it takes has been made.
func (c *Client) pause() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.anew.Sub(c.config.Now())
}

func (c *Client) attempt(ctx context.Context, call, method, path string, query url.Values) (answer, error) {
	u, err := url.Parse(c.base.String() + "/api/v4" + path) // not url.JoinPath, which reads escapes
	if err != nil {
		return answer{}, err
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.config.Token.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.config.UserAgent)
	resp, err := c.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // it names the URL, which nobody needs
	}
	if err != nil {
		return answer{}, fmt.Errorf("%s: ask %s: %w", call, c.base.Host, slow(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	after := c.heed(resp)
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%s: read the answer of %s: %w", call, c.base.Host, slow(err))
	case len(body) > maxAnswer:
		return answer{}, &sizeError{call}
	case resp.StatusCode != http.StatusOK && !(method == http.MethodPost && resp.StatusCode == http.StatusCreated):
		return answer{}, &Error{Call: call, Status: resp.StatusCode, Message: c.message(body), after: after}
	}
	return answer{body, resp.Header}, nil
}

// slow says of an attempt that took too long how long that is.
func slow(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("it takes longer than %s", requestTimeout)
	}
	return err
}

// heed reads how long to wait after a 429, which is this request's matter alone:
// some have a limit of their own. Where the last request that is counted has
// been made, the next one of any kind waits.
// (GitLab documentation, Rate limits, Response headers)
func (c *Client) heed(resp *http.Response) (after time.Duration) {
	now := c.config.Now()
	reset, ok := epoch(resp.Header.Get("RateLimit-Reset"))
	if resp.StatusCode == http.StatusTooManyRequests {
		if at, said := retryAfter(resp.Header.Get("Retry-After"), now); said {
			return max(at.Sub(now), time.Second)
		}
		if ok {
			return max(reset.Sub(now), time.Second)
		}
		return time.Second
	}
	if ok && resp.Header.Get("RateLimit-Remaining") == "0" && reset.Sub(now) <= c.config.MaxWait {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.anew = reset
	}
	return 0
}

// retryAfter reads seconds or a date (RFC 9110 §10.2.3).
func retryAfter(text string, now time.Time) (time.Time, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return now.Add(time.Duration(seconds) * time.Second), true
	}
	at, err := http.ParseTime(text)
	return at, err == nil
}

func epoch(text string) (time.Time, bool) {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}

// maxMessage bounds what is shown of GitLab's own words.
const maxMessage = 200

// message is what GitLab says of a refusal, made safe to show: one line, and
// without the token, should the answer hold it.
func (c *Client) message(body []byte) string {
	var said struct {
		Message, Error json.RawMessage
		Description    string `json:"error_description"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	text := said.Description
	for _, raw := range []json.RawMessage{said.Error, said.Message} {
		var words string
		if json.Unmarshal(raw, &words) == nil && words != "" {
			text = words
		}
	}
	text = strings.ReplaceAll(text, c.config.Token.Reveal(), "[redacted]")
	text = webclient.OneLine(text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return strings.TrimSpace(text)
}

// get asks for one object.
func get[T any](ctx context.Context, c *Client, path string) (out T, err error) {
	a, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return out, err
	}
	if err := decode(a.body, &out); err != nil {
		return *new(T), garbage("GET "+path, err)
	}
	return out, nil
}

// decode reads JSON. Bytes that are no UTF-8 would be read as other names than
// GitLab means.
func decode(body []byte, to any) error {
	if !utf8.Valid(body) {
		return errors.New("it is not UTF-8")
	}
	return json.Unmarshal(body, to)
}

// GarbageError is an answer that is not what GitLab documents. What it holds is
// not repeated.
type GarbageError struct {
	Call   string
	Detail string
}

func (e *GarbageError) Error() string {
	return e.Call + ": the answer is not understood: " + e.Detail
}

func garbage(call string, err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &GarbageError{call, fmt.Sprintf("%s is of the kind %s", cmp.Or(t.Field, "it"), t.Value)}
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok || errors.Is(err, io.ErrUnexpectedEOF) {
		return &GarbageError{call, "it is not JSON"}
	}
	return &GarbageError{call, strings.ReplaceAll(err.Error(), "\n", "; ")}
}

// pages asks for a whole list, page after page: by GitLab's numbers, or by its
// links where it gives no numbers (keyset pagination). A list that breaks off
// is an error, never a shorter list.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	next := url.Values{}
	for name, values := range query {
		next[name] = values
	}
	next.Set("per_page", strconv.Itoa(perPage))
	out := []T{}
	for range maxPages {
		a, err := c.do(ctx, http.MethodGet, path, next)
		if err != nil {
			return nil, err
		}
		var page []T
		if err := decode(a.body, &page); err != nil {
			return nil, garbage("GET "+path, err)
		}
		if page == nil {
			return nil, garbage("GET "+path, errors.New("it is no list"))
		}
		out = append(out, page...)
		following, err := nextPage(a.header, next)
		if err != nil {
			return nil, garbage("GET "+path, err)
		}
		if following == nil {
			if a.header["X-Next-Page"] == nil && a.header["Link"] == nil && len(page) >= perPage {
				return nil, garbage("GET "+path, errors.New("it does not say whether there is another page"))
			}
			return out, nil
		}
		next = following
	}
	return nil, fmt.Errorf("GET %s: the list has more than %d entries", path, maxPages*perPage)
}

// nextPage is the query of the page that follows; nil if there is none. Of a
// link only the query is taken: the token goes nowhere else.
func nextPage(h http.Header, query url.Values) (url.Values, error) {
	if number, said := h["X-Next-Page"]; said {
		if number[0] == "" {
			return nil, nil
		}
		n, err := strconv.Atoi(number[0])
		current, _ := strconv.Atoi(cmp.Or(query.Get("page"), "1"))
		if err != nil || n <= current {
			return nil, errors.New("its pages do not go on")
		}
		next := url.Values{}
		for name, values := range query {
			next[name] = values
		}
		next.Set("page", number[0])
		return next, nil
	}
	for _, header := range h.Values("Link") {
		for link := range strings.SplitSeq(header, ",") {
			target, parameters, _ := strings.Cut(link, ";")
			if !strings.Contains(parameters, `rel="next"`) {
				continue
			}
			u, err := url.Parse(strings.Trim(strings.TrimSpace(target), "<>"))
			if err != nil || u.Query().Encode() == query.Encode() {
				return nil, errors.New("its pages do not go on")
			}
			return u.Query(), nil
		}
	}
	return nil, nil
}
