// Package oauthwire is the shapes of an OAuth 2.0 token endpoint, for both sides:
// token exchange (RFC 8693), the JWT bearer grant (RFC 7523 §2.1), their errors
// (RFC 6749 §5.2) and the issuer's metadata (RFC 8414, OpenID Connect Discovery).
// It decides nothing but what of them is served here.
package oauthwire

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"mayfly.internal/internal/strictjson"
)

// Grant types.
const (
	TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	JWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// Token types (RFC 8693 §3).
const (
	AccessToken = "urn:ietf:params:oauth:token-type:access_token"
	IDToken     = "urn:ietf:params:oauth:token-type:id_token"
	JWT         = "urn:ietf:params:oauth:token-type:jwt"
)

// Error codes (RFC 6749 §5.2, RFC 8693 §2.2.2). TemporarilyUnavailable is of §4.1.2.1,
// where a server says that it cannot answer now.
const (
	InvalidRequest         = "invalid_request"
	InvalidClient          = "invalid_client"
	InvalidGrant           = "invalid_grant"
	InvalidScope           = "invalid_scope"
	InvalidTarget          = "invalid_target"
	UnsupportedGrantType   = "unsupported_grant_type"
	TemporarilyUnavailable = "temporarily_unavailable"
	ServerError            = "server_error"
)

// MaxBodyBytes bounds a request: the longest token looked at, and room.
const MaxBodyBytes = 64 << 10

// ContentType is that of a request.
const ContentType = "application/x-www-form-urlencoded"

// TokenRequest is a request for a token.
type TokenRequest struct {
	GrantType string
	Token     string // the subject token, or the assertion
	Resource  string // the role's ARN
	Audience  string // whom the token is for
	Wanted    string // the type of token: AccessToken or JWT
}

// Error is a refusal of the token endpoint.
type Error struct {
	Code        string
	Description string
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

func refuse(code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// refused :: parameter that is known and not served → the error's code and why.
var refused = map[string][2]string{
	"scope":                 {InvalidScope, "there are no scopes here: what a token may do, whoever it is for decides"},
	"actor_token":           {InvalidRequest, "nobody acts for another here: the token is of the session of the role alone"},
	"actor_token_type":      {InvalidRequest, "nobody acts for another here: the token is of the session of the role alone"},
	"client_id":             {InvalidClient, "no clients are registered here: the subject token is the proof"},
	"client_secret":         {InvalidClient, "no clients are registered here: the subject token is the proof"},
	"client_assertion":      {InvalidClient, "no clients are registered here: the subject token is the proof"},
	"client_assertion_type": {InvalidClient, "no clients are registered here: the subject token is the proof"},
}

// DecodeTokenRequest reads the body of a request. Every refusal is an *Error. A
// parameter that stands twice, in whatever case, or is not known is refused by
// its name: RFC 8693 lets a resource and an audience stand several times; here a
// token is of one role and for one audience.
func DecodeTokenRequest(body string) (TokenRequest, error) {
	params, err := decodeForm(body)
	if err != nil {
		return TokenRequest{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if why, ok := refused[name]; ok {
			return TokenRequest{}, refuse(why[0], "the parameter %s is refused: %s", name, why[1])
		}
	}
	r := reader{params: params}
	out := TokenRequest{GrantType: r.required("grant_type")}
	switch {
	case r.err != nil:
		return TokenRequest{}, r.err
	case out.GrantType == TokenExchange:
		out.Token = r.required("subject_token")
		r.oneOf("subject_token_type", "", IDToken, JWT)
		out.Wanted = r.oneOf("requested_token_type", AccessToken, AccessToken, JWT)
	case out.GrantType == JWTBearer:
		out.Token, out.Wanted = r.required("assertion"), AccessToken
	default:
		return TokenRequest{}, refuse(UnsupportedGrantType, "grant_type: only %s and %s are served", TokenExchange, JWTBearer)
	}
	out.Resource, out.Audience = r.required("resource"), r.required("audience")
	if err := r.check(); err != nil {
		return TokenRequest{}, err
	}
	return out, nil
}

// maxParameters is how many a request has at most, of all that are known.
const maxParameters = 16

func decodeForm(body string) (map[string]string, error) {
	params, folded := map[string]string{}, map[string]bool{}
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		fold := strings.ToLower(name)
		switch {
		case err1 != nil || err2 != nil || !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, refuse(InvalidRequest, "the body is not "+ContentType+" in UTF-8")
		case folded[fold] && (fold == "resource" || fold == "audience"):
			return nil, refuse(InvalidTarget, "the parameter %s stands twice: a token is of one role and for one audience", fold)
		case folded[fold]:
			return nil, refuse(InvalidRequest, "the parameter %s stands twice", clip(name))
		case len(folded) == maxParameters:
			return nil, refuse(InvalidRequest, "there are more than %d parameters", maxParameters)
		}
		folded[fold] = true
		params[name] = value
	}
	return params, nil
}

// reader reads parameters and keeps the first error.
type reader struct {
	params map[string]string
	err    error
}

func (r *reader) fail(code, format string, args ...any) {
	if r.err == nil {
		r.err = refuse(code, format, args...)
	}
}

// text takes a parameter. One without a value is none (RFC 6749 §3.2).
func (r *reader) text(name string) string {
	value := r.params[name]
	delete(r.params, name)
	return value
}

func (r *reader) required(name string) string {
	value := r.text(name)
	if value == "" {
		r.fail(InvalidRequest, "the parameter %s is missing", name)
	}
	return value
}

// oneOf is a parameter that has one of some values; without a default it is
// required.
func (r *reader) oneOf(name, otherwise string, values ...string) string {
	value := r.text(name)
	switch {
	case value == "" && otherwise != "":
		return otherwise
	case value == "":
		r.fail(InvalidRequest, "the parameter %s is missing", name)
	case !slices.Contains(values, value):
		r.fail(InvalidRequest, "%s: only %s", name, strings.Join(values, " and ")+" are served")
	}
	return value
}

// check refuses what nobody asked for.
func (r *reader) check() error {
	for _, name := range slices.Sorted(maps.Keys(r.params)) {
		r.fail(InvalidRequest, "the parameter %s is not supported", clip(name))
	}
	return r.err
}

// maxName is how much of a parameter's name an error repeats: more than the longest
// name that is known, and too little of a token that stands where a name belongs.
const maxName = 32

// clip shortens a stranger's text for an error.
func clip(s string) string {
	if len(s) > maxName {
		return strings.ToValidUTF8(s[:maxName], "") + "…"
	}
	return s
}

// Encode is the body of a request for token exchange or the JWT bearer grant.
func (r TokenRequest) Encode() []byte {
	form := url.Values{"grant_type": {r.GrantType}, "resource": {r.Resource}, "audience": {r.Audience}}
	if r.GrantType == JWTBearer {
		form.Set("assertion", r.Token)
		return []byte(form.Encode())
	}
	form.Set("subject_token", r.Token)
	form.Set("subject_token_type", IDToken)
	if r.Wanted != "" {
		form.Set("requested_token_type", r.Wanted)
	}
	return []byte(form.Encode())
}

// TokenResponse is the answer to a request (RFC 8693 §2.2.1).
type TokenResponse struct {
	AccessToken string `json:"access_token"`
	IssuedType  string `json:"issued_token_type"`
	TokenType   string `json:"token_type"` // Bearer
	ExpiresIn   int64  `json:"expires_in"` // seconds
}

// Encode is the answer's body.
func (r TokenResponse) Encode() []byte { return encode(r) }

// maxExpiresIn is the longest life of a token that is believed: a day.
const maxExpiresIn = 24 * 60 * 60

// ParseTokenResponse reads an answer.
func ParseTokenResponse(body []byte) (TokenResponse, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return TokenResponse{}, fmt.Errorf("it is not JSON with distinct names: %w", err)
	}
	var out TokenResponse
	for _, m := range []struct {
		name string
		into *string
	}{{"access_token", &out.AccessToken}, {"issued_token_type", &out.IssuedType}, {"token_type", &out.TokenType}} {
		text, ok := v.Get(m.name).Text()
		if !ok || text == "" {
			return TokenResponse{}, fmt.Errorf("it has no %s", m.name)
		}
		*m.into = text
	}
	var ok bool
	if out.ExpiresIn, ok = v.Get("expires_in").Int64(); !ok || out.ExpiresIn < 1 || out.ExpiresIn > maxExpiresIn {
		return TokenResponse{}, fmt.Errorf("its expires_in is no number of seconds up to a day")
	}
	if !strings.EqualFold(out.TokenType, "Bearer") { // RFC 6749 §5.1: case insensitive
		return TokenResponse{}, fmt.Errorf("its token_type is not Bearer")
	}
	return out, nil
}

// wireError is an error as it travels.
type wireError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// Encode is the error's body. What a description may not hold is left out (RFC
// 6749 §5.2: printable ASCII without quotes and backslashes).
func (e *Error) Encode() []byte {
	return encode(wireError{e.Code, describable(e.Description)})
}

func describable(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '"':
			return '\''
		case c == '…':
			return '~'
		case c < 0x20 || c > 0x7e || c == '\\':
			return '?'
		}
		return c
	}, text)
}

// ParseError reads an error's body.
func ParseError(body []byte) (*Error, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("it is not JSON with distinct names: %w", err)
	}
	code, ok := v.Get("error").Text()
	if !ok || code == "" {
		return nil, fmt.Errorf("it has no error")
	}
	description, _ := v.Get("error_description").Text()
	return &Error{code, description}, nil
}

// Metadata is what an issuer says of itself (RFC 8414 §2, OpenID Connect Discovery
// 1.0 §3).
type Metadata struct {
	Issuer            string   `json:"issuer"`
	TokenEndpoint     string   `json:"token_endpoint"`
	JWKSURI           string   `json:"jwks_uri"`
	GrantTypes        []string `json:"grant_types_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	AuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	SubjectTypes      []string `json:"subject_types_supported"`
	SigningAlgorithms []string `json:"id_token_signing_alg_values_supported"`
	Claims            []string `json:"claims_supported"`
}

// Paths of an issuer.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	MetadataPath  = "/.well-known/oauth-authorization-server"
	KeysPath      = "/oauth/jwks"
	TokenPath     = "/oauth/token"
)

// MetadataOf is the metadata of an issuer whose tokens are signed with some
// algorithms and carry some claims. The response type is that of no endpoint
// there is: relying parties want to read one (AWS IAM User Guide, "Create an
// OpenID Connect identity provider").
func MetadataOf(issuer string, algorithms, claims []string) Metadata {
	return Metadata{Issuer: issuer, TokenEndpoint: issuer + TokenPath, JWKSURI: issuer + KeysPath, GrantTypes: []string{TokenExchange, JWTBearer}, ResponseTypes: []string{"id_token"},
		AuthMethods: []string{"none"}, SubjectTypes: []string{"public"}, SigningAlgorithms: algorithms, Claims: claims}
}

// Encode is the metadata's document.
func (m Metadata) Encode() []byte { return encode(m) }

// ParseMetadata reads a metadata document, as far as whoever trusts the issuer
// needs it.
func ParseMetadata(body []byte) (Metadata, error) {
	v, err := strictjson.Parse(body)
	if err != nil {
		return Metadata{}, fmt.Errorf("it is not JSON with distinct names: %w", err)
	}
	var out Metadata
	for _, m := range []struct {
		name string
		into *string
	}{{"issuer", &out.Issuer}, {"token_endpoint", &out.TokenEndpoint}, {"jwks_uri", &out.JWKSURI}} {
		text, ok := v.Get(m.name).Text()
		if u, err := url.Parse(text); !ok || err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return Metadata{}, fmt.Errorf("its %s is no URL", m.name)
		}
		*m.into = text
	}
	return out, nil
}

func encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("oauthwire: " + err.Error()) // unreachable: structs of texts and numbers
	}
	return out
}
