package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// newTestEndpoint is an endpoint that gives one session, or one error.
func newTestEndpoint(t *testing.T, s client.Session, err error) *endpoint {
	t.Helper()
	e, wrong := newEndpoint(map[string]answer{credentialsPath: func(context.Context) (map[string]string, error) { return containerCredentials(s), err }}, func() {})
	if wrong != nil {
		t.Fatal(wrong)
	}
	t.Cleanup(e.close)
	return e
}

var someSession = client.Session{ARN: "arn", Credentials: sigv4.Credentials{AccessKeyID: "ASIA1", SecretKey: secret.New("s3cret"), SessionToken: "t0ken"}, Expires: time.Date(2036, 11, 23, 12, 0, 0, 0, time.UTC)}

// raw sends a request as it is written, and gives the answer.
func raw(t *testing.T, e *endpoint, text string) (status int, body string) {
	t.Helper()
	c, err := net.Dial("tcp", e.host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// TestEndpoint: one request is answered, and none beside it.
func TestEndpoint(t *testing.T) {
	e := newTestEndpoint(t, someSession, nil)
	token := e.token.Reveal()
	good := "GET /credentials HTTP/1.1\nHost: " + e.host + "\nAuthorization: " + token + "\nConnection: close\n\n"
	if status, body := raw(t, e, good); status != 200 || body != `{"AccessKeyId":"ASIA1","Expiration":"2036-11-23T12:00:00Z","SecretAccessKey":"s3cret","Token":"t0ken"}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
	port := e.host[strings.LastIndexByte(e.host, ':')+1:]
	for name, tt := range map[string]struct {
		old, new string
		status   int
	}{
		"another host":            {"Host: " + e.host, "Host: attacker.example:" + port, 421},
		"localhost by name":       {"Host: " + e.host, "Host: localhost:" + port, 421},
		"no port":                 {"Host: " + e.host, "Host: 127.0.0.1", 421},
		"no host":                 {"Host: " + e.host, "Host: ", 421},
		"no token":                {"Authorization: " + token + "\n", "", 401},
		"an empty token":          {token, "", 401},
		"another token":           {token, strings.Repeat("A", len(token)), 401},
		"the token's beginning":   {token, token[:len(token)-1], 401},
		"more than the token":     {token, token + "x", 401},
		"a scheme before it":      {token, "Bearer " + token, 401},
		"two tokens":              {"Authorization: " + token, "Authorization: " + token + "\nAuthorization: " + token, 401},
		"another path":            {"/credentials", "/", 404},
		"a longer path":           {"/credentials", "/credentials/", 404},
		"a path's detour":         {"/credentials", "/x/../credentials", 404},
		"a doubled slash":         {"/credentials", "//credentials", 404},
		"an escaped path":         {"/credentials", "/%63redentials", 404},
		"a query":                 {"/credentials", "/credentials?a=b", 404},
		"an empty query":          {"/credentials", "/credentials?", 404},
		"POST":                    {"GET", "POST", 405},
		"HEAD":                    {"GET", "HEAD", 405},
		"OPTIONS":                 {"GET", "OPTIONS", 405},
		"a proxy's form of it":    {"GET /credentials", "GET http://attacker.example/credentials", 421},
		"a host of two addresses": {"Host: " + e.host, "Host: " + e.host + "," + e.host, 421},
	} {
		status, body := raw(t, e, strings.Replace(good, tt.old, tt.new, 1))
		if status != tt.status && !(strings.Contains(tt.new, ",") && status == 400) || strings.Contains(body, "s3cret") || strings.Contains(body, token) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	other := newTestEndpoint(t, someSession, nil)
	if other.host == e.host || other.token.Reveal() == token {
		t.Error("two endpoints have the same address or token")
	}
	e.close()
	if c, err := net.DialTimeout("tcp", e.host, time.Second); err == nil {
		c.Close()
		t.Error("it listens after its end")
	}
}

// TestEndpointWithoutCredentials: SDKs show the message, and try again where it may
// help.
func TestEndpointWithoutCredentials(t *testing.T) {
	for want, err := range map[string]error{
		`403 {"code":"ExpiredTokenException","message":"mayfly exec has none: ExpiredTokenException: m"}`: &client.Error{Status: 400, Code: "ExpiredTokenException", Message: "m"},
		`403 {"code":"AccessDenied","message":"mayfly exec has none: wrapped: AccessDenied: m"}`:          fmt.Errorf("wrapped: %w", &client.Error{Status: 403, Code: "AccessDenied", Message: "m"}),
		`502 {"code":"ServiceUnavailable","message":"mayfly exec has none: ServiceFailure: m"}`:           &client.Error{Status: 500, Code: "ServiceFailure", Message: "m"},
		`502 {"code":"ServiceUnavailable","message":"mayfly exec has none: connection refused"}`:          errors.New("connection refused"),
	} {
		e := newTestEndpoint(t, someSession, err)
		status, body := raw(t, e, "GET /credentials HTTP/1.1\nHost: "+e.host+"\nAuthorization: "+e.token.Reveal()+"\n\n")
		if got := fmt.Sprintf("%d %s", status, strings.TrimSpace(body)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestClientReadsEndpoint: what mayfly serves is what mayfly reads.
func TestClientReadsEndpoint(t *testing.T) {
	e := newTestEndpoint(t, someSession, nil)
	env := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": e.url(credentialsPath), "AWS_CONTAINER_AUTHORIZATION_TOKEN": e.token.Reveal()}
	p, err := client.ContainerCredentials(t.Context(), func(name string) string { return env[name] })
	if err != nil || p.Credentials.AccessKeyID != "ASIA1" || p.Credentials.SecretKey.Reveal() != "s3cret" || p.Credentials.SessionToken != "t0ken" || !p.Expires.Equal(someSession.Expires) {
		t.Errorf("%+v, %v", p, err)
	}
	env["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "x"
	if p, err := client.ContainerCredentials(t.Context(), func(name string) string { return env[name] }); err == nil || p != (client.Profile{}) || !strings.Contains(err.Error(), "AWS_CONTAINER_AUTHORIZATION_TOKEN") {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestClusterToken: the child gets a token for the audience that exec was started
// for, once for several who ask, and reads no other form.
func TestClusterToken(t *testing.T) {
	said := map[string]string{"Audience": "kubernetes/k", "Token": "t0ken", "Expiration": "2036-11-23T12:00:00Z"}
	e, err := newEndpoint(map[string]answer{clusterTokenPath: func(context.Context) (map[string]string, error) { return said, nil }}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	got, err := client.AskClusterToken(t.Context(), e.url(clusterTokenPath), e.token)
	if err != nil || got.Audience != "kubernetes/k" || got.Token.Reveal() != "t0ken" || !got.Expires.Equal(someSession.Expires) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, ask := range map[string]func() (client.ClusterToken, error){
		"another token": func() (client.ClusterToken, error) {
			return client.AskClusterToken(t.Context(), e.url(clusterTokenPath), secret.New("x"))
		},
		"credentials, which it has none of": func() (client.ClusterToken, error) {
			return client.AskClusterToken(t.Context(), e.url(credentialsPath), e.token)
		},
		"another machine": func() (client.ClusterToken, error) {
			return client.AskClusterToken(t.Context(), "http://192.0.2.1/cluster-token", e.token)
		},
		"an answer of another form": func() (client.ClusterToken, error) {
			other := newTestEndpoint(t, someSession, nil)
			return client.AskClusterToken(t.Context(), other.url(credentialsPath), other.token)
		},
	} {
		if got, err := ask(); err == nil || got != (client.ClusterToken{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	said["Token"] = ""
	if got, err := client.AskClusterToken(t.Context(), e.url(clusterTokenPath), e.token); err == nil || got != (client.ClusterToken{}) {
		t.Errorf("%+v, %v", got, err)
	}
}
