// Package oauthapi is Mayfly's issuer: its token endpoint (RFC 8693, RFC 7523), its
// metadata (RFC 8414, OpenID Connect Discovery) and its keys.
package oauthapi

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/oauthwire"
)

// API serves the paths of oauthwire. Every field is required.
type API struct {
	STS        *sts.Service
	Issuer     string
	Algorithms []string      // that tokens may be signed with
	Keys       func() []byte // the key set as it is published now
	// MaxAge is how long metadata and keys may be kept.
	MaxAge time.Duration
	// Refused is told of each refusal: the one line it leaves in the log.
	Refused func(r *http.Request, operation string, status int, err error)
}

// Token answers a request for a token.
func (a *API) Token(w http.ResponseWriter, r *http.Request) {
	in, err := request(w, r)
	if err != nil {
		a.refuse(w, r, oauthwire.TokenRequest{}, err)
		return
	}
	out, err := a.STS.IssueToken(r.Context(), sts.IssueTokenInput{RoleARN: in.Resource, Audience: in.Audience, Token: in.Token, Info: httpedge.Info(r)})
	if err != nil {
		a.refuse(w, r, in, err)
		return
	}
	w.Header().Set("Pragma", "no-cache") // RFC 6749 §5.1, beside Cache-Control, which httpedge sets
	answer := oauthwire.TokenResponse{AccessToken: out.Token.Reveal(), IssuedType: in.Wanted, TokenType: "Bearer", ExpiresIn: int64(out.Life / time.Second)}
	write(w, http.StatusOK, answer.Encode())
}

// request reads a request for a token. The error is an *oauthwire.Error or a
// *formError.
func request(w http.ResponseWriter, r *http.Request) (oauthwire.TokenRequest, error) {
	if r.Method != http.MethodPost {
		return oauthwire.TokenRequest{}, &formError{http.StatusMethodNotAllowed, "a token is asked for by a POST"}
	}
	// A client that means to prove itself (RFC 6749 §2.3.1) believes something of
	// this server that is not so.
	if len(r.Header.Values("Authorization")) > 0 {
		return oauthwire.TokenRequest{}, &oauthwire.Error{Code: oauthwire.InvalidClient, Description: "the header Authorization is refused: no clients are registered here, the subject token is the proof"}
	}
	if r.URL.RawQuery != "" {
		return oauthwire.TokenRequest{}, &formError{http.StatusBadRequest, "the parameters belong into the body: a URL is logged on its way"}
	}
	if !isForm(r.Header.Values("Content-Type")) {
		return oauthwire.TokenRequest{}, &formError{http.StatusBadRequest, "the Content-Type is not " + oauthwire.ContentType + " in UTF-8"}
	}
	if len(r.Header.Values("Content-Encoding")) > 0 { // RFC 9110 §15.5.16
		return oauthwire.TokenRequest{}, &formError{http.StatusUnsupportedMediaType, "the body must not be encoded"}
	}
	body, err := httpedge.Body(w, r, oauthwire.MaxBodyBytes)
	switch {
	case errors.Is(err, httpedge.ErrTooLarge):
		return oauthwire.TokenRequest{}, &formError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", oauthwire.MaxBodyBytes)}
	case err != nil:
		return oauthwire.TokenRequest{}, &formError{http.StatusBadRequest, "the body cannot be read"}
	}
	return oauthwire.DecodeTokenRequest(string(body))
}

// isForm reports whether a body is said to be a form that is read here as whoever
// sent it, and everybody on its way, reads it.
func isForm(types []string) bool {
	if len(types) != 1 {
		return false
	}
	kind, params, err := mime.ParseMediaType(types[0])
	charset, said := params["charset"]
	return err == nil && kind == oauthwire.ContentType && (len(params) == 0 || len(params) == 1 && said && strings.EqualFold(charset, "utf-8"))
}

// refuse answers an error.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, in oauthwire.TokenRequest, err error) {
	f := explain(in.GrantType, err)
	if f.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if f.status == http.StatusUnauthorized { // RFC 6749 §5.2, RFC 9110 §15.5.2
		w.Header().Set("WWW-Authenticate", `Bearer error="`+oauthwire.InvalidClient+`"`)
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	a.Refused(r, "oauth:token", f.status, err)
	write(w, f.status, f.Encode())
}

// Throttled is the answer to who comes too often.
func Throttled(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusTooManyRequests, (&oauthwire.Error{Code: oauthwire.TemporarilyUnavailable, Description: "rate exceeded"}).Encode())
}

// Metadata answers the issuer's metadata, the same at both of its paths.
func (a *API) Metadata(w http.ResponseWriter, r *http.Request) {
	a.document(w, r, oauthwire.MetadataOf(a.Issuer, a.Algorithms, accesstoken.Names()).Encode())
}

// KeySet answers the issuer's public keys.
func (a *API) KeySet(w http.ResponseWriter, r *http.Request) { a.document(w, r, a.Keys()) }

// document answers what everybody may read and keep for a while.
func (a *API) document(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		write(w, http.StatusMethodNotAllowed, (&oauthwire.Error{Code: oauthwire.InvalidRequest, Description: "this is read with a GET"}).Encode())
		return
	}
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(a.MaxAge/time.Second)))
	write(w, http.StatusOK, body)
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	if status != http.StatusOK {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}
