package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/webclient"
)

// What an endpoint of container credentials may take and answer. A first answer may
// need an exchange.
const (
	containerTime      = 30 * time.Second
	maxContainerAnswer = 64 << 10
)

// containerHosts are the hosts that may be asked without TLS, besides loopback.
var containerHosts = []string{"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"}

// HasContainerCredentials reports whether the environment names an endpoint that
// gives credentials, as that of a container does, and of a child of mayfly exec.
func HasContainerCredentials(getenv func(string) string) bool {
	return getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" || getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != ""
}

// ContainerCredentials asks that endpoint. (AWS SDKs and Tools Reference Guide,
// "Container credential provider".)
func ContainerCredentials(ctx context.Context, getenv func(string) string) (Profile, error) {
	u, err := containerURL(getenv)
	if err != nil {
		return Profile{}, err
	}
	token := getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if file := getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return Profile{}, err
		}
		token = string(text)
	}
	if strings.ContainsAny(token, "\r\n") {
		return Profile{}, errors.New("the authorization token of the container's credentials has line breaks")
	}
	body, err := askContainer(ctx, u, token)
	if err != nil {
		return Profile{}, fmt.Errorf("the credentials of %s: %w", u.Host, err)
	}
	p, err := parseContainer(body, time.Now())
	if err != nil {
		return Profile{}, fmt.Errorf("the credentials of %s: %w", u.Host, err)
	}
	return p, nil
}

// ClusterToken is a token for a cluster that mayfly exec gives its child.
type ClusterToken struct {
	IssuedToken
	Audience string
}

// AskClusterToken asks the endpoint of mayfly exec for one.
func AskClusterToken(ctx context.Context, uri string, token secret.String) (ClusterToken, error) {
	u, err := localURL("MAYFLY_CLUSTER_TOKEN_URI", uri)
	if err != nil {
		return ClusterToken{}, err
	}
	body, err := askContainer(ctx, u, token.Reveal())
	if err != nil {
		return ClusterToken{}, fmt.Errorf("the token of %s: %w", u.Host, err)
	}
	var out struct {
		Audience, Token string
		Expiration      time.Time
	}
	if json.Unmarshal(body, &out) != nil || out.Token == "" || out.Audience == "" || out.Expiration.IsZero() { // the error may hold the token
		return ClusterToken{}, fmt.Errorf("the token of %s: the answer is not of the form that is wanted", u.Host)
	}
	return ClusterToken{IssuedToken{secret.New(out.Token), out.Expiration}, out.Audience}, nil
}

// containerURL is the endpoint's URL.
func containerURL(getenv func(string) string) (*url.URL, error) {
	if path := getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		if !strings.HasPrefix(path, "/") {
			return nil, fmt.Errorf("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is %q: a path is wanted", path)
		}
		return url.Parse("http://" + containerHosts[0] + path)
	}
	return localURL("AWS_CONTAINER_CREDENTIALS_FULL_URI", getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI"))
}

// localURL is the URL of a variable: without TLS, only of this machine.
func localURL(variable, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return nil, fmt.Errorf("%s is no URL, such as http://127.0.0.1:1234/credentials", variable)
	}
	ip, _ := netip.ParseAddr(u.Hostname()) // the zero value is no loopback
	if u.Scheme == "http" && !ip.IsLoopback() && !slices.Contains(containerHosts, u.Hostname()) {
		return nil, fmt.Errorf("%s names %s without TLS: that is taken from this machine alone", variable, u.Host)
	}
	return u, nil
}

// askContainer asks once: no proxy, no redirect.
func askContainer(ctx context.Context, u *url.URL, token string) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, containerTime)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxContainerAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxContainerAnswer:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxContainerAnswer)
	case resp.StatusCode != http.StatusOK:
		return nil, containerError(resp.StatusCode, body)
	}
	return body, nil
}

// containerError is what an endpoint says where it gives none.
func containerError(status int, body []byte) error {
	var said struct{ Code, Message string }
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		return &Error{Status: status, Message: "it answered " + statusText(status)}
	}
	return &Error{Status: status, Code: webclient.OneLine(said.Code), Message: webclient.OneLine(said.Message)}
}

// parseContainer reads an endpoint's answer.
func parseContainer(body []byte, now time.Time) (Profile, error) {
	var out struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	switch err := json.Unmarshal(body, &out); {
	case err != nil:
		return Profile{}, errors.New("the answer is no JSON of the form that is wanted") // the error may hold a key
	case out.AccessKeyID == "" || out.SecretAccessKey == "":
		return Profile{}, errors.New("the answer holds no AccessKeyId or no SecretAccessKey")
	case !out.Expiration.IsZero() && !now.Before(out.Expiration):
		return Profile{}, errors.New("they have expired")
	}
	return Profile{Credentials: sigv4.Credentials{AccessKeyID: out.AccessKeyID, SecretKey: secret.New(out.SecretAccessKey), SessionToken: out.Token}, Expires: out.Expiration}, nil
}
