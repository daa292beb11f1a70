package jwks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/strictjson"
)

const (
	maxAnswer      = jwt.MaxKeySetBytes // 1 MiB, CONTRACTS §2
	maxAnswerHead  = 64 << 10
	maxURIBytes    = 2048
	maxCAFileBytes = 1 << 20
	maxAddresses   = 8               // of one host; more are not tried
	dialTimeout    = 2 * time.Second // of one address, so that a dead one leaves time for the next
)

// fetchKeys reads or fetches an issuer's key set.
func (s *Source) fetchKeys(ctx context.Context, issuer string) (*jwt.KeySet, error) {
	set, err := s.load(ctx, issuer)
	if err != nil {
		return nil, fmt.Errorf("fetch the keys of %s: %w", issuer, err)
	}
	return set, nil
}

func (s *Source) load(ctx context.Context, issuer string) (*jwt.KeySet, error) {
	settings := s.config.Issuers[issuer]
	if settings.JWKSFile != "" {
		data, err := readFile(settings.JWKSFile, maxAnswer)
		if err != nil {
			return nil, err
		}
		return jwt.ParseKeySet(data)
	}
	client, err := s.client(issuer, settings)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	document, err := get(ctx, client, discoveryURL(issuer))
	if err != nil {
		return nil, err
	}
	uri, err := readDiscovery(document, issuer)
	if err != nil {
		return nil, err
	}
	data, err := get(ctx, client, uri)
	if err != nil {
		return nil, err
	}
	return jwt.ParseKeySet(data)
}

// discoveryURL is OpenID Connect Discovery §4: a slash that ends the issuer is
// dropped before the suffix.
func discoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// readDiscovery takes jwks_uri from a discovery document that says it is this
// issuer's (§4.3: the values MUST be exactly equal).
func readDiscovery(document []byte, issuer string) (string, error) {
	doc, err := strictjson.Parse(document)
	if err != nil {
		return "", fmt.Errorf("the discovery document is not JSON with distinct names: %w", err)
	}
	if claimed, _ := doc.Get("issuer").Text(); claimed != issuer {
		return "", fmt.Errorf("the discovery document is of the issuer %q", clip(claimed))
	}
	uri, ok := doc.Get("jwks_uri").Text()
	if !ok || len(uri) > maxURIBytes {
		return "", fmt.Errorf("the discovery document has no jwks_uri of at most %d bytes", maxURIBytes)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Contains(uri, "#") {
		return "", fmt.Errorf("the jwks_uri %q is not a plain https URL", clip(uri))
	}
	return uri, nil
}

// client is an HTTP client for one fetch of one issuer: its certificate
// authorities, its open addresses, no proxy, no redirect, nothing kept.
func (s *Source) client(issuer string, settings Issuer) (*http.Client, error) {
	if !strings.HasPrefix(issuer, "https://") {
		return nil, errors.New("the issuer is not an https URL")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if settings.CAFile != "" {
		pem, err := readFile(settings.CAFile, maxCAFileBytes)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", settings.CAFile)
		}
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, // a proxy would connect where the check of addresses cannot see
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return s.dial(ctx, network, address, issuer, settings.AllowAddresses)
			},
			TLSClientConfig:        config,
			DisableCompression:     true, // so that a small answer stays small
			MaxResponseHeaderBytes: maxAnswerHead,
		},
	}, nil
}

// dial resolves the host and connects to the first of its addresses that is
// open and answers. What is checked is what is dialled: the name is not
// resolved again.
func (s *Source) dial(ctx context.Context, network, address, issuer string, open []netip.Prefix) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := s.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, addr := range addresses[:min(len(addresses), maxAddresses)] {
		if class := closed(addr, open); class != "" {
			failures = append(failures, &ClosedAddressError{Issuer: issuer, Host: host, Address: addr, Class: class})
			continue
		}
		conn, err := s.dialOne(ctx, network, net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	if len(failures) == 0 {
		return nil, fmt.Errorf("%s has no address", host)
	}
	return nil, errors.Join(failures...)
}

func (s *Source) dialOne(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return s.config.Dial(ctx, network, address)
}

func (s *Source) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	return s.config.Resolve(ctx, host)
}

// get fetches one document. The error never quotes the body.
func get(ctx context.Context, client *http.Client, uri string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, uri, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "mayfly")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	switch {
	case 300 <= answer.StatusCode && answer.StatusCode < 400:
		return nil, fmt.Errorf("%s answered with a redirect, which is not followed", uri)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answered with status %d", uri, answer.StatusCode)
	}
	data, err := readAll(answer.Body, maxAnswer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	return data, nil
}

// readAll reads up to most bytes; a longer text is an error and not cut.
func readAll(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	return data, err
}

func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f, most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// clip keeps an outsider's text short in an error.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
