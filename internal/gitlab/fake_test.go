package gitlab

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
)

const canary = "glpat-CANARY-3b9f1c"

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fake is a GitLab that answers what a test says: testdata/answers.json, each
// answer as GitLab's documentation publishes it, and what a test puts over it.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	answers  map[string]string           // :: escaped path below /api/v4 → body
	over     map[string]http.HandlerFunc // :: the same → handler
	requests []string                    // method and URL
	at       time.Time
	slept    []time.Duration
}

func newFake(t *testing.T) *fake {
	t.Helper()
	var answers map[string]json.RawMessage
	if err := json.Unmarshal(answersFile(t), &answers); err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, answers: map[string]string{}, over: map[string]http.HandlerFunc{}, at: start}
	for path, body := range answers {
		f.answers[path] = string(body)
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug) // broken connections are wanted here
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func answersFile(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api/v4")
	f.mu.Lock()
	f.requests = append(f.requests, r.Method+" "+r.URL.RequestURI())
	handler, body := f.over[path], f.answers[path]
	f.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer "+canary:
		status(http.StatusUnauthorized, `{"message":"401 Unauthorized"}`)(w, r)
	case handler != nil:
		handler(w, r)
	case body == "":
		status(http.StatusNotFound, `{"message":"404 Not Found"}`)(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Next-Page", "")
		io.WriteString(w, body)
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// says sets what a path answers from now on.
func (f *fake) says(path, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = body
}

// does has a path answered by a handler.
func (f *fake) does(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over[path] = h
}

func (f *fake) asked(what string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.Contains(r, what) {
			n++
		}
	}
	return n
}

func (f *fake) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

func (f *fake) sleep(_ context.Context, d time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slept = append(f.slept, d)
	f.at = f.at.Add(d)
	return nil
}

func (f *fake) config() Config {
	roots := x509.NewCertPool()
	roots.AddCert(f.Certificate())
	return Config{URL: f.URL, Token: secret.New(canary), Roots: roots, UserAgent: "mayfly/test", Now: f.now, Sleep: f.sleep}
}

func (f *fake) client() *Client {
	f.t.Helper()
	c, err := New(f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.Close)
	return c
}

// list is n numbered entries of a list.
func list(from, n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`{"id":%d}`, from+i))
	}
	return "[" + strings.Join(out, ",") + "]"
}
