package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
)

// endpoint answers one child's questions on loopback, in the protocol of container
// credentials (AWS SDKs and Tools Reference Guide, "Container credential
// provider"): who does not say its token, or asks under another name, gets
// nothing.
type endpoint struct {
	answers map[string]answer // :: path → what is said there
	token   secret.String     // what Authorization must be
	host    string            // 127.0.0.1:PORT, what Host must be
	server  *http.Server
	stop    context.CancelFunc
}

// answer is what is said to who may ask.
type answer func(context.Context) (map[string]string, error)

const (
	credentialsPath  = "/credentials"
	clusterTokenPath = "/cluster-token"
)

// newEndpoint listens and serves, until close is called, which calls stop.
func newEndpoint(answers map[string]answer, stop context.CancelFunc) (*endpoint, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{answers: answers, token: newToken(), host: l.Addr().String(), stop: stop}
	e.server = &http.Server{Handler: e, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0)}
	go e.server.Serve(l)
	return e, nil
}

// newToken is a secret that nobody guesses.
func newToken() secret.String {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

// url is what the child is told to ask.
func (e *endpoint) url(path string) string { return "http://" + e.host + path }

func (e *endpoint) close() {
	e.server.Close()
	e.stop()
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if status, problem := e.refuse(r); problem != "" {
		answerFailure(w, status, "AccessDenied", problem)
		return
	}
	body, err := e.answers[r.URL.Path](r.Context())
	if err != nil {
		failure, code := http.StatusBadGateway, "ServiceUnavailable"
		if refused, ok := errors.AsType[*client.Error](err); ok && refused.Status < 500 && refused.Code != "" {
			failure, code = http.StatusForbidden, refused.Code // no use to try again
		}
		answerFailure(w, failure, code, "mayfly exec has none: "+err.Error())
		return
	}
	answerJSON(w, http.StatusOK, body)
}

// containerCredentials are a session's, as the protocol has them.
func containerCredentials(s client.Session) map[string]string {
	return map[string]string{"AccessKeyId": s.Credentials.AccessKeyID, "SecretAccessKey": s.Credentials.SecretKey.Reveal(), "Token": s.Credentials.SessionToken, "Expiration": s.Expires.UTC().Format(time.RFC3339)}
}

// refuse is why a request is not answered. Host comes first: a page in a browser
// that resolves a name of its own to loopback sends another.
func (e *endpoint) refuse(r *http.Request) (status int, problem string) {
	said := r.Header.Values("Authorization")
	switch {
	case r.Host != e.host:
		return http.StatusMisdirectedRequest, "this is not the host you ask for"
	case len(said) != 1 || !sameSecret(said[0], e.token):
		return http.StatusUnauthorized, "the token in Authorization is not that of AWS_CONTAINER_AUTHORIZATION_TOKEN"
	case e.answers[r.URL.Path] == nil || r.URL.RawPath != "" || r.URL.RawQuery != "" || r.URL.ForceQuery:
		return http.StatusNotFound, "there is nothing here"
	case r.Method != http.MethodGet:
		return http.StatusMethodNotAllowed, "only GET is answered"
	}
	return 0, ""
}

// sameSecret compares in a time that tells nothing of either.
func sameSecret(text string, s secret.String) bool {
	a, b := sha256.Sum256([]byte(text)), sha256.Sum256([]byte(s.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// answerFailure answers as SDKs read it: they show the code and the message.
func answerFailure(w http.ResponseWriter, status int, code, message string) {
	answerJSON(w, status, map[string]string{"code": code, "message": message})
}

func answerJSON(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // the child hangs up when it likes
}
