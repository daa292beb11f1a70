package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/oauthwire"
)

// tokenServer answers requests for tokens one after the other.
type tokenServer struct {
	t       *testing.T
	answers []func(http.ResponseWriter)
	seen    []oauthwire.TokenRequest
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	in, err := oauthwire.DecodeTokenRequest(string(body))
	if err != nil {
		s.t.Errorf("%s: %v", body, err)
	}
	if r.Method != http.MethodPost || r.URL.Path != oauthwire.TokenPath || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != oauthwire.ContentType {
		s.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
	}
	if r.Header.Get("Authorization") != "" || r.Header.Get("X-Amz-Security-Token") != "" {
		s.t.Error("the request says whose credentials the client has")
	}
	s.seen = append(s.seen, in)
	s.answers[min(len(s.seen), len(s.answers))-1](w)
}

func refusal(status int, e oauthwire.Error) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("X-Amzn-Requestid", "4711")
		w.WriteHeader(status)
		w.Write(e.Encode())
	}
}

func says(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func TestIssueToken(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	given := says(200, string(oauthwire.TokenResponse{AccessToken: "a.b.c", IssuedType: oauthwire.AccessToken, TokenType: "Bearer", ExpiresIn: 300}.Encode()))
	busy := refusal(503, oauthwire.Error{Code: oauthwire.TemporarilyUnavailable, Description: "wait"})
	for name, tt := range map[string]struct {
		answers []func(http.ResponseWriter)
		asked   int
		want    string // of the error; "": the token
		code    string
	}{
		"a token":                    {[]func(http.ResponseWriter){given}, 1, "", ""},
		"one after some time":        {[]func(http.ResponseWriter){busy, busy, given}, 3, "", ""},
		"a server that stays busy":   {[]func(http.ResponseWriter){busy}, 4, "wait", oauthwire.TemporarilyUnavailable},
		"a refused target":           {[]func(http.ResponseWriter){refusal(400, oauthwire.Error{Code: oauthwire.InvalidTarget, Description: "no\x1b[31m"}), given}, 1, "no", oauthwire.InvalidTarget},
		"a refused token":            {[]func(http.ResponseWriter){refusal(400, oauthwire.Error{Code: oauthwire.InvalidRequest, Description: "Not authorized"}), given}, 1, "Not authorized (request 4711)", oauthwire.InvalidRequest},
		"somebody else":              {[]func(http.ResponseWriter){says(404, "<html>")}, 1, "answered 404 Not Found and not as MAYFLY does", ""},
		"an answer that is none":     {[]func(http.ResponseWriter){says(200, "<html>")}, 1, "the answer of ", ""},
		"a token of another kind":    {[]func(http.ResponseWriter){says(200, `{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:saml2","token_type":"Bearer","expires_in":300}`)}, 1, "it is no access token", ""},
		"a token that never expires": {[]func(http.ResponseWriter){says(200, `{"access_token":"x","issued_token_type":"`+oauthwire.AccessToken+`","token_type":"Bearer"}`)}, 1, "expires_in", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &tokenServer{t: t, answers: tt.answers}
			h := httptest.NewServer(s)
			defer h.Close()
			c, err := client.New(client.Config{Endpoint: h.URL, Region: "us-east-1", Now: func() time.Time { return now }, Wait: func(context.Context, time.Duration) error { return nil },
				Credentials: sigv4.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretKey: secret.New("x"), SessionToken: "y"}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.IssueToken(t.Context(), client.IssueToken{IDToken: secret.New("canary-id-token"), Role: "arn:aws:iam::111122223333:role/deployer", Audience: "kubernetes/prod"})
			if tt.want == "" && (err != nil || got.Token.Reveal() != "a.b.c" || !got.Expires.Equal(now.Add(5*time.Minute))) {
				t.Errorf("%v %v", got, err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !got.Token.Empty()) {
				t.Errorf("%v %v, want %q", got, err, tt.want)
			}
			if e, ok := errors.AsType[*client.Error](err); tt.code != "" && (!ok || e.Code != tt.code) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b") || err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%q", err)
			}
			if len(s.seen) != tt.asked || s.seen[0].Token != "canary-id-token" || s.seen[0].Audience != "kubernetes/prod" || s.seen[0].Resource != "arn:aws:iam::111122223333:role/deployer" {
				t.Errorf("asked %d times: %+v", len(s.seen), s.seen)
			}
		})
	}
}

func TestIssuer(t *testing.T) {
	h := housetest.New(t)
	c, err := client.New(houseConfig(h))
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.Issuer(t.Context())
	if err != nil || m.Issuer != h.URL || m.JWKSURI != h.URL+oauthwire.KeysPath {
		t.Errorf("%+v %v", m, err)
	}
	// And from the server itself a refusal by the role, which may have no token.
	_, err = c.IssueToken(t.Context(), client.IssueToken{IDToken: secret.New(h.Token("acme/web", "main")), Role: housetest.Role, Audience: "kubernetes/prod"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != oauthwire.InvalidTarget || e.Request == "" {
		t.Error(err)
	}
}
