package httpedge

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/request"
	"mayfly.internal/internal/sigv4"
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// TestClient: who is believed about where a request came from.
func TestClient(t *testing.T) {
	proxies := prefixes("10.0.0.0/8", "2001:db8::/32")
	for _, tt := range []struct {
		name    string
		proxies []netip.Prefix
		peer    string
		tls     bool
		headers [][2]string
		want    string // "" for no address
		secure  bool
	}{
		{"no proxies: the peer", nil, "192.0.2.1:999", true, [][2]string{{"X-Forwarded-For", "198.51.100.9"}, {"X-Forwarded-Proto", "http"}}, "192.0.2.1", true},
		{"a peer that is no proxy is not believed", proxies, "192.0.2.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9"}, {"X-Forwarded-Proto", "https"}}, "192.0.2.1", false},
		{"a proxy is believed", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9"}, {"X-Forwarded-Proto", "https"}}, "198.51.100.9", true},
		{"a proxy that was reached over TLS but itself was not", proxies, "10.1.1.1:999", true, [][2]string{{"X-Forwarded-For", "198.51.100.9"}, {"X-Forwarded-Proto", "http"}}, "198.51.100.9", false},
		{"the client cannot put itself further left", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "203.0.113.1, 198.51.100.9"}}, "198.51.100.9", false},
		{"a chain of proxies", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9, 10.3.3.3,10.2.2.2"}}, "198.51.100.9", false},
		{"several header lines are one list", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "203.0.113.1"}, {"X-Forwarded-For", "198.51.100.9"}}, "198.51.100.9", false},
		{"nothing but proxies: the outermost", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "10.3.3.3, 10.2.2.2"}}, "10.3.3.3", false},
		{"a proxy that says nothing", proxies, "10.1.1.1:999", true, nil, "10.1.1.1", true},
		{"garbage from a proxy", proxies, "10.1.1.1:999", true, [][2]string{{"X-Forwarded-For", "198.51.100.9, unknown"}, {"X-Forwarded-Proto", "https"}}, "", false},
		{"garbage left of the client is not read", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "<script>, 198.51.100.9"}}, "198.51.100.9", false},
		{"an empty element is garbage", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9,"}}, "", false},
		{"an address with a port is garbage", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9:80"}}, "", false},
		{"an address with a zone is garbage", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "fe80::1%eth0"}}, "", false},
		{"IPv4-mapped peer", proxies, "[::ffff:10.1.1.1]:999", false, [][2]string{{"X-Forwarded-For", "::ffff:198.51.100.9"}}, "198.51.100.9", false},
		{"IPv4-mapped hop of a proxy", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-For", "198.51.100.9, ::ffff:10.2.2.2"}}, "198.51.100.9", false},
		{"IPv6", proxies, "[2001:db8::1]:999", false, [][2]string{{"X-Forwarded-For", "2001:db9::7"}}, "2001:db9::7", false},
		{"the nearest proxy's word on the scheme counts", proxies, "10.1.1.1:999", false, [][2]string{{"X-Forwarded-Proto", "https, http"}}, "10.1.1.1", false},
		{"a Unix socket has no address", proxies, "@", false, [][2]string{{"X-Forwarded-For", "198.51.100.9"}}, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "http://mayfly.test/", nil)
			r.RemoteAddr = tt.peer
			if tt.tls {
				r = httptest.NewRequest(http.MethodGet, "https://mayfly.test/", nil)
				r.RemoteAddr = tt.peer
			}
			for _, h := range tt.headers {
				r.Header.Add(h[0], h[1])
			}
			e := &Edge{TrustedProxies: func() []netip.Prefix { return tt.proxies }}
			addr, secure := e.client(r)
			got := ""
			if addr.IsValid() {
				got = addr.String()
			}
			if got != tt.want || secure != tt.secure {
				t.Errorf("%q, secure %t; want %q, %t", got, secure, tt.want, tt.secure)
			}
		})
	}
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestWrap(t *testing.T) {
	var seen request.Info
	var observed []string
	at := time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	e := &Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return at }, Observe: func(route string, status int, _ time.Duration) {
		observed = append(observed, fmt.Sprint(route, " ", status))
	}}
	h := e.Wrap("here", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = Info(r)
		w.WriteHeader(http.StatusTeapot)
	}))
	ids := map[string]bool{}
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("User-Agent", "evil\x01\x7fü"+strings.Repeat("x", 300))
		r.Header.Set("X-Amzn-Requestid", "chosen-by-the-client")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		id := w.Header().Get("X-Amzn-Requestid")
		if !uuid.MatchString(id) || ids[id] || id != seen.ID {
			t.Errorf("the request id is %q, the handler saw %q", id, seen.ID)
		}
		ids[id] = true
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("the headers are %v", w.Header())
		}
	}
	if len(seen.UserAgent) > maxUserAgent || !strings.HasPrefix(seen.UserAgent, "evil???xxx") {
		t.Errorf("the user agent is kept as %q", seen.UserAgent)
	}
	if !seen.Time.Equal(at) {
		t.Error(seen.Time)
	}
	if !slices.Equal(observed, []string{"here 418", "here 418", "here 418"}) {
		t.Error(observed)
	}
	if got := Info(httptest.NewRequest(http.MethodGet, "/", nil)); got != (request.Info{}) {
		t.Errorf("a request that did not come through Wrap has %+v", got)
	}
}

// TestPanic: a panic is a 500 that says nothing but the request's id, or a
// broken connection once the answer has begun.
func TestPanic(t *testing.T) {
	var log bytes.Buffer
	var status atomic.Int64 // a client asks again when a connection breaks: two may be answered at once
	e := &Edge{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now, Observe: func(_ string, s int, _ time.Duration) { status.Store(int64(s)) }}
	var started atomic.Bool
	srv := httptest.NewServer(e.Wrap("boom", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if started.Load() {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		}
		panic("secret inside")
	})))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer srv.Close()
	resp, err := http.Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 500 || status.Load() != 500 || strings.Contains(string(body), "secret") || !strings.Contains(string(body), resp.Header.Get("X-Amzn-Requestid")) {
		t.Errorf("%d %d %q", resp.StatusCode, status.Load(), body)
	}
	if !strings.Contains(log.String(), "secret inside") || !strings.Contains(log.String(), "httpedge_test.go") {
		t.Errorf("the log does not say where: %s", log.String())
	}
	started.Store(true)
	resp, err = http.Get(srv.URL)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("half an answer came as a whole one")
	}
}

func TestAbortPassesThrough(t *testing.T) {
	e := &Edge{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			t.Error("ErrAbortHandler was swallowed")
		}
	}()
	e.Wrap("x", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

type breaking struct{}

func (breaking) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBody(t *testing.T) {
	for _, tt := range []struct {
		name string
		body io.Reader
		want string
		err  error // nil: any
		ok   bool
	}{
		{"as long as allowed", strings.NewReader("12345678"), "12345678", nil, true},
		{"empty", strings.NewReader(""), "", nil, true},
		{"a byte longer", strings.NewReader("123456789"), "", ErrTooLarge, false},
		{"a byte longer, of unknown length", io.MultiReader(strings.NewReader("12345"), strings.NewReader("6789")), "", ErrTooLarge, false},
		{"broken off", breaking{}, "", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Body(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", tt.body), 8)
			if string(got) != tt.want || (err == nil) != tt.ok || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// TestSigned: what a signature is checked over is what arrived on the wire.
func TestSigned(t *testing.T) {
	var got sigv4.Request
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := Body(w, r, 1<<10)
		got = Signed(r, body)
	}))
	defer srv.Close()
	header := func(name string) (out []string) {
		for _, h := range got.Headers {
			if strings.EqualFold(h.Name, name) {
				out = append(out, h.Value)
			}
		}
		return out
	}
	for _, tt := range []struct {
		name, text       string
		path, query      string
		host, body       string
		header           string
		want             []string
		contentLengthSet bool
	}{
		{"a path keeps its escapes", "GET /clusters/a%2Fb/%41?x=%7e&y=a+b HTTP/1.1\r\nHost: h:1\r\n\r\n", "/clusters/a%2Fb/%41", "x=%7e&y=a+b", "h:1", "", "", nil, false},
		{"a doubled slash stays", "GET //x/../y HTTP/1.1\r\nHost: h\r\n\r\n", "//x/../y", "", "h", "", "", nil, false},
		{"a request line with the whole URL", "GET http://h:1/p%20q?a=b HTTP/1.1\r\nHost: h:1\r\n\r\n", "/p%20q", "a=b", "h:1", "", "", nil, false},
		{"a whole URL without a path", "GET http://h?a=b HTTP/1.1\r\nHost: h\r\n\r\n", "", "a=b", "h", "", "", nil, false},
		{"headers that stand twice", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n", "/", "", "h", "", "X-A", []string{"1", "2"}, false},
		{"a body's length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", "/", "", "h", "abc", "Content-Length", []string{"3"}, true},
		{"no body of a POST", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", "/", "", "h", "", "Content-Length", []string{"0"}, true},
		{"a body in chunks has no length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "/", "", "h", "abc", "Content-Length", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got = sigv4.Request{}
			c, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, tt.text)
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
			if got.Path != tt.path || got.RawQuery != tt.query || got.Host != tt.host || string(got.Body) != tt.body {
				t.Errorf("%+v", got)
			}
			if tt.header != "" && !slices.Equal(header(tt.header), tt.want) {
				t.Errorf("%s is %q", tt.header, header(tt.header))
			}
		})
	}
}

func TestTarget(t *testing.T) {
	for uri, want := range map[string]string{"/a?b": "/a?b", "http://h/a": "/a", "https://h": "/", "http://h?x": "?x", "*": "*", "//a://b": "//a://b", "h:443": "h:443"} {
		if got := target(uri); got != want {
			t.Errorf("%q: %q, want %q", uri, got, want)
		}
	}
}

// FuzzForwarded: nobody but a trusted proxy has a say, and what it says is an
// address or nothing.
func FuzzForwarded(f *testing.F) {
	f.Add("198.51.100.9, 10.2.2.2", "https")
	f.Add("::ffff:10.0.0.1,fe80::1%eth0", "")
	f.Add(",,unknown", "http,https")
	f.Fuzz(func(t *testing.T, forwarded, proto string) {
		r := httptest.NewRequest(http.MethodGet, "http://mayfly.test/", nil)
		r.Header.Set("X-Forwarded-For", forwarded)
		r.Header.Set("X-Forwarded-Proto", proto)
		e := &Edge{TrustedProxies: func() []netip.Prefix { return prefixes("10.0.0.0/8") }}
		r.RemoteAddr = "192.0.2.1:999"
		if addr, secure := e.client(r); addr.String() != "192.0.2.1" || secure {
			t.Errorf("a stranger said %q %q and was believed: %s %t", forwarded, proto, addr, secure)
		}
		r.RemoteAddr = "10.1.1.1:999"
		if addr, secure := e.client(r); addr.Is4In6() || addr.Zone() != "" || !addr.IsValid() && secure || addr.IsValid() && forwarded != "" && !strings.Contains(forwarded, ":") && !strings.Contains(forwarded, addr.String()) {
			t.Errorf("a proxy said %q %q: %s %t", forwarded, proto, addr, secure)
		}
	})
}
