package labgitlab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Door is the lab's own API: a Server in the same process, or a Client of one
// in another.
type Door interface {
	// CreatePipeline, StartJob and FinishJob return a *Refusal when the lab
	// says no. Any other error means that it could not be asked.
	CreatePipeline(ctx context.Context, request PipelineRequest) (*Pipeline, error)
	StartJob(ctx context.Context, id int64, start StartRequest) (*StartedJob, error)
	FinishJob(ctx context.Context, id int64, status JobStatus) error
}

var (
	_ Door = (*Server)(nil)
	_ Door = (*Client)(nil)
)

// Client speaks to the door of a running lab.
type Client struct {
	// URL is the instance's address on loopback, without a trailing slash.
	URL string
	// Secret is the lab's.
	Secret string
	// HTTP trusts the lab's certificate; nil is http.DefaultClient.
	HTTP *http.Client
}

// maxAnswer bounds what a lab may answer.
const maxAnswer = 64 << 20

// CreatePipeline asks the lab for a pipeline.
func (c *Client) CreatePipeline(ctx context.Context, request PipelineRequest) (*Pipeline, error) {
	return ask[*Pipeline](ctx, c, http.MethodPost, "/pipelines", request)
}

// StartJob asks for a job's variables and tokens.
func (c *Client) StartJob(ctx context.Context, id int64, start StartRequest) (*StartedJob, error) {
	return ask[*StartedJob](ctx, c, http.MethodPost, fmt.Sprintf("/jobs/%d/start", id), start)
}

// FinishJob tells the lab how a job ended.
func (c *Client) FinishJob(ctx context.Context, id int64, status JobStatus) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, fmt.Sprintf("/jobs/%d/finish", id), finishRequest{status})
	return err
}

// LoginToken asks for the ID token of a person who signs in to an OAuth
// application.
func (c *Client) LoginToken(ctx context.Context, login, clientID, nonce string) (string, error) {
	answer, err := ask[loginAnswer](ctx, c, http.MethodPost, "/login-tokens", loginRequest{login, clientID, nonce})
	return answer.IDToken, err
}

// Projects lists the lab's projects.
func (c *Client) Projects(ctx context.Context) ([]ProjectSummary, error) {
	return ask[[]ProjectSummary](ctx, c, http.MethodGet, "/projects", nil)
}

// ProtectBranch protects a branch, or changes how it is protected.
func (c *Client) ProtectBranch(ctx context.Context, change BranchProtection) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, "/protected-branches", change)
	return err
}

// UnprotectBranch takes a protected branch's rule away.
func (c *Client) UnprotectBranch(ctx context.Context, project, name string) error {
	_, err := ask[struct{}](ctx, c, http.MethodDelete, "/protected-branches", unprotectRequest{project, name})
	return err
}

// ChangeApprovals changes a project's approvals.
func (c *Client) ChangeApprovals(ctx context.Context, change ApprovalsChange) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, "/approvals", change)
	return err
}

// ask makes one call; with an error the answer is zero.
func ask[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var out T
	text, err := c.call(ctx, method, path, body)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return *new(T), fmt.Errorf("read the lab's answer: %w", err)
	}
	return out, nil
}

func (c *Client) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	if u, err := url.Parse(c.URL); err != nil || !isLoopback(u.Host) {
		return nil, fmt.Errorf("the lab's GitLab is on this machine; %q is not", c.URL)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+"/-/lab"+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Secret)
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.client().Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the lab's GitLab: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // read to the end below
	text, err := io.ReadAll(http.MaxBytesReader(nil, answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the lab's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, readRefusal(answer.Status, text)
	}
	return text, nil
}

func readRefusal(status string, text []byte) error {
	var refusal Refusal
	if err := json.Unmarshal(text, &refusal); err != nil || refusal.Detail == "" {
		return fmt.Errorf("the lab's GitLab answered %s: %.200s", status, bytes.TrimSpace(text))
	}
	return &refusal
}

// client follows no redirects: the secret goes to the lab alone.
func (c *Client) client() *http.Client {
	base := c.HTTP
	if base == nil {
		base = http.DefaultClient
	}
	copied := *base
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &copied
}
