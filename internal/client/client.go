// Package client is Mayfly's own Go client, for the command line: of Mayfly's
// API, and of what it needs of IAM, STS and EKS, of a Mayfly server or of AWS
// itself. It signs requests with SigV4 and speaks the wire rooms' shapes.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/webclient"
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
	// Wait waits before a request is made again; its error ends it. Nil: a timer.
	Wait func(context.Context, time.Duration) error
}

// Client asks one server's own API. It is safe for concurrent use.
type Client struct{ *link }

// New makes a Client. It makes no network call.
func New(c Config) (*Client, error) {
	l, err := newLink(c, c.Endpoint, c.Region, mayflywire.Service)
	if err != nil {
		return nil, err
	}
	return &Client{l}, nil
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
	if e.Request != "" && !strings.Contains(text, e.Request) { // an OAuth error has it already
		text += " (request " + e.Request + ")"
	}
	return text
}

// do asks for an escaped path of the own API and decodes the answer into out.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	r := request{method: method, path: path, query: query}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		r.body, r.contentType = body, "application/json"
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		e := &Error{Status: a.status, Request: a.header.Get(requestIDHeader)}
		var w mayflywire.Error
		if json.Unmarshal(a.body, &w) != nil || w.Message == "" {
			w.Message = fmt.Sprintf("%s answered %s; is it a Mayfly server?", c.host, statusText(a.status))
		}
		e.Code, e.Message = webclient.OneLine(w.Code), webclient.OneLine(w.Message)
		return e
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("the answer of %s is not what this version knows: %w", c.host, err)
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
