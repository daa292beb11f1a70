// Package httpedge is what every HTTP request meets first: an id, the client's
// address, limits of size, a guard against panics, and one line in the log.
//
// It knows no API. The order of things behind it is the API's own.
package httpedge

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/request"
	"mayfly.internal/internal/sigv4"
)

// Edge wraps handlers.
type Edge struct {
	Log *slog.Logger
	Now func() time.Time
	// TrustedProxies are the peers whose X-Forwarded-For and
	// X-Forwarded-Proto count, asked for each request. Nil or none: the TCP peer
	// is the client.
	TrustedProxies func() []netip.Prefix
	// Observe is told of each answer, for metrics. Nil: nobody is.
	Observe func(route string, status int, took time.Duration)
}

type infoKey struct{}

// Info is what the edge learnt of a request that came through Wrap.
func Info(r *http.Request) request.Info {
	info, _ := r.Context().Value(infoKey{}).(request.Info)
	return info
}

// maxUserAgent is how much of a client's own description is kept.
const maxUserAgent = 256

// Wrap puts the edge before a handler; route names it in logs and metrics.
func (e *Edge) Wrap(route string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := e.Now()
		source, secure := e.client(r)
		info := request.Info{ID: newRequestID(), Source: source, Secure: secure, UserAgent: clean(r.UserAgent(), maxUserAgent), Time: start}
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, info))
		w.Header().Set("X-Amzn-Requestid", info.ID)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		seen := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					panic(p)
				}
				e.Log.Error("panic while answering", "route", route, "request", info.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if seen.status != 0 { // half an answer must not look like a whole one
					defer panic(http.ErrAbortHandler)
				} else {
					http.Error(seen, "internal error, request "+info.ID, http.StatusInternalServerError)
				}
			}
			took := e.Now().Sub(start)
			if e.Observe != nil {
				e.Observe(route, seen.code(), took)
			}
			if !e.Log.Enabled(r.Context(), slog.LevelDebug) {
				return
			}
			e.Log.Debug("answered", "route", route, "request", info.ID, "status", seen.code(), "source", source, "took", took)
		}()
		next.ServeHTTP(seen, r)
	})
}

// recorder remembers what became of an answer.
type recorder struct {
	http.ResponseWriter
	status   int
	forgiven bool // see Forgive
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

// newRequestID is a random UUID (RFC 9562 §5.4), as AWS's request ids look.
func newRequestID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// clean bounds a client's text and takes what is not printable ASCII out of it.
func clean(text string, max int) string {
	if len(text) > max {
		text = text[:max]
	}
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e {
			return '?'
		}
		return c
	}, text)
}

// client is the address a request came from and whether it came over TLS: the
// TCP peer's, or, while the peer is a trusted proxy, what that proxy says, from
// right to left to the first address that is none. A proxy that says nothing of
// the client is itself the client.
func (e *Edge) client(r *http.Request) (netip.Addr, bool) {
	secure := r.TLS != nil
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, secure
	}
	addr := peer.Addr().Unmap()
	if !e.trusted(addr) {
		return addr, secure
	}
	if said := lastOf(r.Header.Values("X-Forwarded-Proto")); said != "" {
		secure = strings.EqualFold(said, "https")
	}
	forwarded := strings.Join(r.Header.Values("X-Forwarded-For"), ",")
	if forwarded == "" {
		return addr, secure
	}
	hops := strings.Split(forwarded, ",")
	for i := len(hops) - 1; i >= 0 && e.trusted(addr); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil || hop.Zone() != "" {
			return netip.Addr{}, false // a trusted proxy that writes nonsense vouches for nothing
		}
		addr = hop.Unmap()
	}
	return addr, secure
}

// lastOf is the last item of a header's list: what the nearest proxy said.
func lastOf(values []string) string {
	list := strings.Join(values, ",")
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

func (e *Edge) trusted(a netip.Addr) bool {
	if e.TrustedProxies == nil {
		return false
	}
	for _, p := range e.TrustedProxies() {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// ErrTooLarge is what Body gives for a body over its bound.
var ErrTooLarge = errors.New("the request body is too large")

// Body reads a request's body, max bytes at most.
func Body(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= max {
		buf.Grow(int(n) + bytes.MinRead) // room to see the end without growing
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, max))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, ErrTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	return buf.Bytes(), nil
}

// Signed is a request as its signature sees it: what arrived, not what net/http
// made of it.
func Signed(r *http.Request, body []byte) sigv4.Request {
	path, query, _ := strings.Cut(target(r.RequestURI), "?")
	out := sigv4.Request{Method: r.Method, Host: r.Host, Path: path, RawQuery: query, Body: body}
	for name, values := range r.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, sigv4.Header{Name: name, Value: v})
		}
	}
	if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" && r.Method != http.MethodGet {
		// net/http takes this header out of some requests; aws-sdk-go signs it.
		out.Headers = append(out.Headers, sigv4.Header{Name: "Content-Length", Value: strconv.FormatInt(r.ContentLength, 10)})
	}
	return out
}

// target is the path and query of a request line, in its own text: http.Request
// has them decoded and put together again. A request line may also name the
// whole URL (RFC 9112 §3.2.2); clients of proxies write that.
func target(uri string) string {
	if strings.HasPrefix(uri, "/") {
		return uri
	}
	_, rest, ok := strings.Cut(uri, "://")
	if !ok {
		return uri
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return "/"
}
