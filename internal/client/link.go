package client

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

	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/webclient"
)

// requestTimeout bounds one request.
const requestTimeout = 30 * time.Second

// maxAnswer bounds an answer; the largest is a page of audit events.
const maxAnswer = 64 << 20

const requestIDHeader = "X-Amzn-Requestid"

// link sends requests to one server, signed for one service. It is safe for
// concurrent use.
type link struct {
	config  Config
	region  string // to sign for
	service string
	host    string // of the server, for errors
	base    string // its URL, with no slash at the end
	http    *http.Client
}

func newLink(c Config, endpoint, region, service string) (*link, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = webclient.Wait
	}
	base, err := url.Parse(endpoint)
	if err != nil || base.Hostname() == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, fmt.Errorf("%q is no URL of a server, such as https://mayfly.example.com", webclient.Named(endpoint))
	}
	if base.Scheme == "http" && !webclient.IsLoopback(base.Hostname()) {
		return nil, fmt.Errorf("%s is not https: no token goes there", endpoint)
	}
	var roots *x509.CertPool
	if c.CAFile != "" {
		if roots, err = webclient.Roots(c.CAFile); err != nil {
			return nil, fmt.Errorf("the server's CA: %w", err)
		}
	}
	return &link{config: c, region: region, service: service, host: base.Host, base: strings.TrimSuffix(base.String(), "/"), http: webclient.New(webclient.Transport(roots), requestTimeout)}, nil
}

// request is what is asked of a server.
type request struct {
	method      string
	path        string // escaped
	query       url.Values
	contentType string // of the body
	body        []byte
	unsigned    bool // even where there are credentials
}

// answer is what the server says, whatever its status.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request and reads the answer.
func (l *link) send(ctx context.Context, r request) (answer, error) {
	u, err := url.Parse(l.base + r.path) // not url.JoinPath, which reads dots and escapes
	if err != nil {
		return answer{}, err
	}
	u.RawQuery = r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return answer{}, err
	}
	if len(r.body) > 0 {
		req.Header.Set("Content-Type", r.contentType)
	}
	if !r.unsigned {
		if err := l.sign(req, r.body); err != nil {
			return answer{}, err
		}
	}
	req.Header.Set("User-Agent", l.config.UserAgent)
	resp, err := l.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // it names the URL, which nobody needs
	}
	if err != nil {
		return answer{}, fmt.Errorf("ask %s: %w", l.host, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read the answer of %s: %w", l.host, err)
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("the answer of %s is larger than %d bytes", l.host, maxAnswer)
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// sign signs a request; without credentials it stays unsigned.
func (l *link) sign(req *http.Request, body []byte) error {
	if l.config.Credentials.AccessKeyID == "" {
		return nil
	}
	r := sigv4.Request{Method: req.Method, Host: req.URL.Host, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery, Body: body}
	for name, values := range req.Header {
		for _, v := range values {
			r.Headers = append(r.Headers, sigv4.Header{Name: name, Value: v})
		}
	}
	add, err := sigv4.Sign(r, l.config.Credentials, l.region, l.service, l.config.Now())
	if err != nil {
		return err
	}
	for _, h := range add {
		req.Header.Set(h.Name, h.Value)
	}
	return nil
}

// statusText is a status as HTTP/1.1 writes it.
func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}
