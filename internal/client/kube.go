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
	"strings"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/webclient"
	"mayfly.internal/internal/wire/kubewire"
)

// KubeConfig says which Kubernetes API server to ask, and with which bearer token.
type KubeConfig struct {
	Endpoint  string // https://host:port
	CA        []byte // PEM
	Token     secret.String
	UserAgent string
}

// Kube asks an API server the two questions that a caller may ask about itself. It
// is safe for concurrent use.
type Kube struct {
	config KubeConfig
	base   *url.URL
	http   *http.Client
}

// KubeError is an API server's answer that refuses.
type KubeError struct {
	Status int
	Host   string
}

func (e *KubeError) Error() string {
	return fmt.Sprintf("%s answered %s", e.Host, statusText(e.Status))
}

// NewKube makes a Kube. It makes no network call.
func NewKube(c KubeConfig) (*Kube, error) {
	base, err := url.Parse(c.Endpoint)
	if err != nil || base.Hostname() == "" || base.Scheme != "https" || base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, fmt.Errorf("%q is no https URL of an API server", c.Endpoint)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.CA) {
		return nil, errors.New("the cluster's CA is no PEM certificate")
	}
	return &Kube{config: c, base: base, http: webclient.New(webclient.Transport(pool), requestTimeout)}, nil
}

// Close ends idle connections.
func (k *Kube) Close() { k.http.CloseIdleConnections() }

// Self is whom the API server takes the token's bearer for.
func (k *Kube) Self(ctx context.Context) (kubewire.UserInfo, error) {
	return askKube(ctx, k, "/apis/authentication.k8s.io/v1/selfsubjectreviews", kubewire.EncodeSelfSubjectReview(), kubewire.ParseSelfSubjectReview)
}

// May is whether the bearer may do something.
func (k *Kube) May(ctx context.Context, a kubewire.ResourceAttributes) (kubewire.AccessStatus, error) {
	return askKube(ctx, k, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", kubewire.EncodeSelfSubjectAccessReview(a), kubewire.ParseSelfSubjectAccessReview)
}

func askKube[T any](ctx context.Context, k *Kube, path string, body []byte, parse func([]byte) (T, error)) (out T, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(k.base.String(), "/")+path, bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+k.config.Token.Reveal())
	req.Header.Set("User-Agent", k.config.UserAgent)
	resp, err := k.http.Do(req)
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if err != nil {
		return out, fmt.Errorf("ask %s: %w", k.base.Host, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusCreated {
		return out, &KubeError{Status: resp.StatusCode, Host: k.base.Host}
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, kubewire.MaxReviewBytes+1))
	if err != nil {
		return out, fmt.Errorf("read the answer of %s: %w", k.base.Host, err)
	}
	if out, err = parse(said); err != nil {
		return out, fmt.Errorf("the answer of %s: %w", k.base.Host, err)
	}
	return out, nil
}
