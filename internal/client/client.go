// Package client is Mayfly's own Go client, for the command line. It signs
// requests with SigV4 and speaks the wire rooms' shapes.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/mayflywire"
)

// Config says which server to ask, and as whom.
type Config struct {
	Endpoint    string // https://host:port
	Region      string
	Credentials sigv4.Credentials
	CAFile      string // PEM; empty: the system's
	UserAgent   string
	Now         func() time.Time // nil: time.Now
}

// Client asks one server. It is safe for concurrent use.
type Client struct {
	config Config
	host   string // of the server, for errors
	base   string // its URL, with no slash at the end
	http   *http.Client
}

// requestTimeout bounds one request.
const requestTimeout = 30 * time.Second

// New makes a Client. It makes no network call.
func New(c Config) (*Client, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Hostname() == "" || base.Scheme != "https" && base.Scheme != "http" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, fmt.Errorf("%q is no URL of a server, such as https://mayfly.example.com", c.Endpoint)
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if c.CAFile != "" {
		if t.TLSClientConfig.RootCAs, err = Roots(c.CAFile); err != nil {
			return nil, err
		}
	}
	return &Client{config: c, host: base.Host, base: strings.TrimSuffix(base.String(), "/"), http: &http.Client{Transport: t, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil // a signed request is for one server
}

// Roots are the certificates of a PEM file that vouches for a server.
func Roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the server's CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("the server's CA: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// Error is an answer that refuses.
type Error struct {
	Status  int
	Code    string
	Message string
	Request string // the server's id of the request
}

func (e *Error) Error() string {
	text := e.Message
	if e.Code != "" {
		text = e.Code + ": " + text
	}
	if e.Request != "" {
		text += " (request " + e.Request + ")"
	}
	return text
}

// maxAnswer bounds an answer; the largest is a page of audit events.
const maxAnswer = 64 << 20

// do asks for an escaped path of the own API and decodes the answer into out.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	u, err := url.Parse(c.base + path) // not url.JoinPath, which reads dots and escapes
	if err != nil {
		return err
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.sign(req, body); err != nil {
		return err
	}
	req.Header.Set("User-Agent", c.config.UserAgent)
	resp, err := c.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // it names the URL, which nobody needs
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.host, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer of %s: %w", c.host, err)
	case len(answer) > maxAnswer:
		return fmt.Errorf("the answer of %s is larger than %d bytes", c.host, maxAnswer)
	case resp.StatusCode != http.StatusOK:
		e := &Error{Status: resp.StatusCode, Request: resp.Header.Get("X-Amzn-Requestid")}
		var w mayflywire.Error
		if json.Unmarshal(answer, &w) != nil || w.Message == "" {
			w.Message = fmt.Sprintf("%s answered %s; is it a Mayfly server?", c.host, resp.Status)
		}
		e.Code, e.Message = w.Code, w.Message
		return e
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer of %s is not what this version knows: %w", c.host, err)
	}
	return nil
}

// sign signs a request for Mayfly's own API; without credentials it stays
// unsigned.
func (c *Client) sign(req *http.Request, body []byte) error {
	if c.config.Credentials.AccessKeyID == "" {
		return nil
	}
	r := sigv4.Request{Method: req.Method, Host: req.URL.Host, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery, Body: body}
	for name, values := range req.Header {
		for _, v := range values {
			r.Headers = append(r.Headers, sigv4.Header{Name: name, Value: v})
		}
	}
	add, err := sigv4.Sign(r, c.config.Credentials, c.config.Region, mayflywire.Service, c.config.Now())
	if err != nil {
		return err
	}
	for _, h := range add {
		req.Header.Set(h.Name, h.Value)
	}
	return nil
}

// Server says who the server is. It needs no credentials.
func (c *Client) Server(ctx context.Context) (out mayflywire.Server, err error) {
	err = c.do(ctx, http.MethodGet, "/mayfly/v1/server", nil, nil, &out)
	return out, err
}

// RegisterCluster makes a cluster known.
func (c *Client) RegisterCluster(ctx context.Context, in mayflywire.Cluster) (out mayflywire.Cluster, err error) {
	err = c.do(ctx, http.MethodPost, "/mayfly/v1/clusters", nil, in, &out)
	return out, err
}

// Clusters lists the registered clusters.
func (c *Client) Clusters(ctx context.Context) ([]mayflywire.Cluster, error) {
	var out mayflywire.Clusters
	err := c.do(ctx, http.MethodGet, "/mayfly/v1/clusters", nil, nil, &out)
	return out.Clusters, err
}

// doCluster asks for the path of a cluster, and what follows it.
func (c *Client) doCluster(ctx context.Context, method, name, rest string, out any) error {
	if !isSegment(name) {
		return fmt.Errorf("%q is no cluster's name", name)
	}
	return c.do(ctx, method, "/mayfly/v1/clusters/"+url.PathEscape(name)+rest, nil, nil, out)
}

// isSegment reports whether a name can stand in a path. One that is a dot segment
// has no path of its own: whoever routes it takes it away (RFC 3986 §5.2.4).
func isSegment(name string) bool { return name != "" && name != "." && name != ".." }

// Cluster describes one.
func (c *Client) Cluster(ctx context.Context, name string) (out mayflywire.Cluster, err error) {
	err = c.doCluster(ctx, http.MethodGet, name, "", &out)
	return out, err
}

// DeregisterCluster forgets one.
func (c *Client) DeregisterCluster(ctx context.Context, name string) error {
	return c.doCluster(ctx, http.MethodDelete, name, "", &struct{}{})
}

// WebhookConfig issues what a cluster's API server needs.
func (c *Client) WebhookConfig(ctx context.Context, name string) (out mayflywire.WebhookConfig, err error) {
	err = c.doCluster(ctx, http.MethodPost, name, "/webhook-config", &out)
	return out, err
}

// CreateAccessPolicy makes a custom access policy.
func (c *Client) CreateAccessPolicy(ctx context.Context, in mayflywire.CreateAccessPolicy) (out mayflywire.AccessPolicy, err error) {
	err = c.do(ctx, http.MethodPost, "/mayfly/v1/access-policies", nil, in, &out)
	return out, err
}

// AccessPolicies lists the access policies, without their rules.
func (c *Client) AccessPolicies(ctx context.Context) ([]mayflywire.AccessPolicy, error) {
	var out mayflywire.AccessPolicies
	err := c.do(ctx, http.MethodGet, "/mayfly/v1/access-policies", nil, nil, &out)
	return out.AccessPolicies, err
}

func (c *Client) doAccessPolicy(ctx context.Context, method, name string, in, out any) error {
	if !isSegment(name) {
		return fmt.Errorf("%q is no access policy's name", name)
	}
	return c.do(ctx, method, "/mayfly/v1/access-policies/"+url.PathEscape(name), nil, in, out)
}

// AccessPolicy describes one, custom or AWS's own.
func (c *Client) AccessPolicy(ctx context.Context, name string) (out mayflywire.AccessPolicy, err error) {
	err = c.doAccessPolicy(ctx, http.MethodGet, name, nil, &out)
	return out, err
}

// UpdateAccessPolicy gives a custom one other rules.
func (c *Client) UpdateAccessPolicy(ctx context.Context, name string, in mayflywire.UpdateAccessPolicy) (out mayflywire.AccessPolicy, err error) {
	err = c.doAccessPolicy(ctx, http.MethodPut, name, in, &out)
	return out, err
}

// DeleteAccessPolicy removes a custom one that no access entry has.
func (c *Client) DeleteAccessPolicy(ctx context.Context, name string) error {
	return c.doAccessPolicy(ctx, http.MethodDelete, name, nil, &struct{}{})
}

// Audit reads events from first on, and a checkpoint of the whole log.
func (c *Client) Audit(ctx context.Context, first int64, limit int) (out mayflywire.Audit, err error) {
	err = c.do(ctx, http.MethodGet, "/mayfly/v1/audit/events", url.Values{"first": {strconv.FormatInt(first, 10)}, "limit": {strconv.Itoa(limit)}}, nil, &out)
	return out, err
}

// ExplainTrust asks what a role's trust policy would say to a token.
func (c *Client) ExplainTrust(ctx context.Context, in mayflywire.ExplainTrust) (out mayflywire.TrustExplanation, err error) {
	err = c.do(ctx, http.MethodPost, "/mayfly/v1/explain-trust", nil, in, &out)
	return out, err
}

// Denial reads the event of what was refused under a request id.
func (c *Client) Denial(ctx context.Context, id string) (out mayflywire.AuditLine, err error) {
	if !isSegment(id) {
		return out, fmt.Errorf("%q is no denial's id", id)
	}
	err = c.do(ctx, http.MethodGet, "/mayfly/v1/denials/"+url.PathEscape(id), nil, nil, &out)
	return out, err
}

// Denials reads the events of what was refused, the newest first.
func (c *Client) Denials(ctx context.Context, limit int) ([]mayflywire.AuditLine, error) {
	var out mayflywire.Denials
	err := c.do(ctx, http.MethodGet, "/mayfly/v1/denials", url.Values{"limit": {strconv.Itoa(limit)}}, nil, &out)
	return out.Denials, err
}
