package webclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestClient(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "/header":
			w.Header().Set("X", strings.Repeat("x", 2*maxHeaderBytes))
		case "/slow":
			<-r.Context().Done()
		}
		if got := r.Header.Get("Accept-Encoding"); got != "" {
			t.Errorf("Accept-Encoding is %q", got)
		}
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	c := New(Transport(roots), 500*time.Millisecond)
	resp, err := c.Get(s.URL + "/redirect")
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect || resp.ProtoMajor != 2 {
		t.Fatalf("%+v, %v", resp, err)
	}
	for _, path := range []string{"/header", "/slow"} {
		if _, err := c.Get(s.URL + path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	if _, err := New(Transport(nil), time.Second).Get(s.URL); err == nil {
		t.Error("a certificate that nobody vouches for was taken")
	}
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	roots.AddCert(old.Certificate())
	if _, err := New(Transport(roots), time.Second).Get(old.URL); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestIsLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.8.9.1": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "0.0.0.0": false, "10.0.0.1": false, "::": false, "127.1": false, "example.com": false,
	} {
		if got := IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestNamed(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "x": "x", "a@b": "a@b", "https://host:1/p": "https://host:1/p", "https://host/@p": "https://[redacted]@p", "@//": "@//",
		"https://user:s3cret@host": "https://[redacted]@host", "https://glpat-s3cret@host/p": "https://[redacted]@host/p", "https://u:s3c%ret@%@host": "https://[redacted]@host",
		"//u:s3cret@host": "//[redacted]@host",
	} {
		if got := Named(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "no äöü ☃": "no äöü ☃", "a\tb\r\nc": "a b  c", "\x1b[31mred\x07\x00\x7f": "\ufffd[31mred\ufffd\ufffd\ufffd",
		"\u009b31m": "\ufffd31m", "\u202egpj": "\ufffdgpj", "a\u2028b\u00a0c": "a b c", "\xff": "\ufffd",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := Wait(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		why := errors.New("asked to end")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(why) })
		began = time.Now()
		if err := Wait(ctx, time.Hour); !errors.Is(err, why) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

func TestRoots(t *testing.T) {
	dir := t.TempDir()
	none, good := filepath.Join(dir, "none.pem"), filepath.Join(dir, "good.pem")
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for path, text := range map[string][]byte{none: []byte("-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n"), good: certificate} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots, err := Roots(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Transport(roots), time.Second).Get(s.URL); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{none: none + " holds no PEM certificate", dir: "is a directory", filepath.Join(dir, "missing"): "no such file or directory"} {
		if pool, err := Roots(path); pool != nil || err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
