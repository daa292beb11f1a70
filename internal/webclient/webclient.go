// Package webclient is how this program asks others over HTTP with something
// secret in hand: GitLab, Vault, an OpenID provider, a Mayfly server, AWS, an API
// server.
//
// What is refused before anything is sent, each client says in its own words.
package webclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
	"unicode"
)

// maxHeaderBytes bounds the header of an answer.
const maxHeaderBytes = 64 << 10

// Transport connects with TLS 1.2 at least, to whom roots vouch for; nil are the
// system's. It asks the proxy that the environment names.
func Transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // a bound of what is read is then one of what is sent
	}
}

// Roots are the certificates of a PEM file that vouches for a server. An error
// names the file; whose CA it is, the caller says.
func Roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}

// New is a client that follows no redirect: a signature, a token or a code is for
// one server.
func New(t *http.Transport, timeout time.Duration) *http.Client {
	return &http.Client{Transport: t, Timeout: timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// IsLoopback reports whether a host is this machine, where a secret may go without
// TLS.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// Named is what somebody gave as a URL, for an error: without the user and the
// password that may be in it.
func Named(text string) string {
	from, to := strings.Index(text, "//")+len("//"), strings.LastIndexByte(text, '@')
	if from < len("//") || to < from {
		return text
	}
	return text[:from] + "[redacted]" + text[to:]
}

// OneLine is others' text on one line, as a terminal shows it and does not obey it:
// a further line could be taken for one of the program's own.
func OneLine(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsPrint(c):
			return c
		case unicode.IsSpace(c):
			return ' '
		}
		return unicode.ReplacementChar
	}, text)
}

// Wait waits, or says why ctx has ended.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
