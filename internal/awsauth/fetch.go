package awsauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/wire/kubewire"
)

var configMapObject = object{name: "aws-auth", path: "/api/v1/namespaces/kube-system/configmaps/aws-auth", read: configMap, parse: parse, missing: isNotFound}

const (
	// maxBody bounds the answer: etcd keeps objects of 1.5 MiB, and JSON may
	// escape them to some more.
	maxBody = 4 << 20
	// dialTimeout bounds each of connection and TLS handshake.
	dialTimeout = 2 * time.Second
)

// client is an HTTP client for one cluster's endpoint.
type client struct{ *http.Client }

// newClient makes a client that trusts the cluster's registered CA alone. It
// keeps one connection. It does not speak HTTP/2: there a connection whose other
// end has vanished would outlive the reads that time out on it.
func newClient(c eks.Cluster) (client, error) {
	if !strings.HasPrefix(c.Endpoint, "https://") {
		return client{}, fmt.Errorf("the endpoint of %s is not https: no token goes there", c.Name)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(c.CA) {
		return client{}, fmt.Errorf("the certificate authority registered for %s holds no certificate", c.Name)
	}
	return client{&http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // not from the environment either
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    dialTimeout,
			MaxConnsPerHost:        1,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			DisableCompression:     true, // a bound of what is read is then one of what is sent
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// fetch reads what an object of a cluster says. There is none: empty data. No
// error holds anything of the bearer token.
func (r *Reader) fetch(ctx context.Context, s *source) (map[string]string, error) {
	bearer, err := r.bearer(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("sign a bearer token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.cluster.Endpoint, "/")+s.object.path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "mayfly")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxBody:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	case resp.StatusCode == http.StatusOK:
		return s.object.read(body)
	case resp.StatusCode == http.StatusNotFound && s.object.missing(body):
		return map[string]string{}, nil
	case resp.StatusCode == http.StatusUnauthorized:
		return nil, errors.New("the cluster does not know the reader (401): its API server needs the authentication webhook of 'mayfly cluster webhook-config'")
	case resp.StatusCode == http.StatusNotFound && s.object == &identityMappingObject:
		return nil, errors.New("the cluster has no CustomResourceDefinition iamidentitymappings.iamauthenticator.k8s.aws (404)")
	case resp.StatusCode == http.StatusForbidden:
		return nil, errors.New("the cluster does not let the reader read (403): its API server needs the authorization webhook, or the roles of 'mayfly cluster webhook-config --rbac'")
	}
	return nil, fmt.Errorf("the cluster answers %d", resp.StatusCode)
}

// signingHost stands in the presigned URL, which nobody calls. The top-level
// domain does not exist (RFC 2606 §2).
const signingHost = "sts.mayfly.invalid"

// bearer is a bearer token for the cluster, of a session that serves for several
// reads: each session is an event of the audit log.
func (r *Reader) bearer(ctx context.Context, s *source) (string, error) {
	now := r.config.Now()
	if !now.Add(renewBefore).Before(s.creds.Expires) {
		creds, err := r.config.Credentials(ctx, s.cluster)
		if err != nil {
			return "", err
		}
		s.creds = creds
	}
	return presign(s.creds, s.cluster.Region, r.config.BoundTo(s.cluster), now)
}

func presign(creds session.Credentials, region, boundTo string, now time.Time) (string, error) {
	query, err := sigv4.Presign(sigv4.Request{Method: http.MethodGet, Host: signingHost, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: boundTo}}},
		sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretKey: creds.Secret, SessionToken: creds.Token.Reveal()}, region, "sts", time.Minute, now)
	if err != nil {
		return "", err
	}
	return kubewire.EncodeBearer("https://" + signingHost + "/?" + query), nil
}

// configMap takes the data out of a ConfigMap that is aws-auth.
func configMap(body []byte) (map[string]string, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no ConfigMap: %w", err)
	}
	if text(v.Get("kind")) != "ConfigMap" || text(v.Get("metadata").Get("name")) != "aws-auth" || text(v.Get("metadata").Get("namespace")) != "kube-system" {
		return nil, errors.New("the answer is not the ConfigMap aws-auth")
	}
	data := map[string]string{}
	for _, m := range v.Get("data").Members() {
		value, ok := m.Value.Text()
		if !ok {
			return nil, errors.New("the answer is no ConfigMap: its data are not all text")
		}
		data[m.Name] = value
	}
	return data, nil
}

// isNotFound reports whether an answer is Kubernetes' own word that the
// ConfigMap does not exist, and not that of something in between.
func isNotFound(body []byte) bool {
	v, err := strictjson.Parse(body)
	return err == nil && text(v.Get("kind")) == "Status" && text(v.Get("reason")) == "NotFound" && text(v.Get("details").Get("name")) == "aws-auth"
}

func text(v strictjson.Value) string {
	s, _ := v.Text()
	return s
}
