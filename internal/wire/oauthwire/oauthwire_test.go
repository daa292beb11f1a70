package oauthwire

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const role = "arn:aws:iam::111122223333:role/deployer"

// good is a request that is served.
func good() url.Values {
	return url.Values{"grant_type": {TokenExchange}, "subject_token": {"a.b.c"}, "subject_token_type": {IDToken}, "resource": {role}, "audience": {"kubernetes/prod"}}
}

// with is good but for some parameters; one without values is left out.
func with(pairs ...string) string {
	form := good()
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form.Encode()
}

func without(name string) string {
	form := good()
	form.Del(name)
	return form.Encode()
}

func bearer(pairs ...string) string {
	form := url.Values{"grant_type": {JWTBearer}, "assertion": {"a.b.c"}, "resource": {role}, "audience": {"kubernetes/prod"}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form.Encode()
}

func TestDecodeTokenRequest(t *testing.T) {
	want := TokenRequest{GrantType: TokenExchange, Token: "a.b.c", Resource: role, Audience: "kubernetes/prod", Wanted: AccessToken}
	asJWT, asGrant := want, want
	asJWT.Wanted, asGrant.GrantType = JWT, JWTBearer
	for name, tt := range map[string]struct {
		body string
		want TokenRequest
	}{
		"an exchange":                            {good().Encode(), want},
		"of a jwt":                               {with("subject_token_type", JWT), want},
		"for an access token":                    {with("requested_token_type", AccessToken), want},
		"for a jwt":                              {with("requested_token_type", JWT), asJWT},
		"with a parameter that says nothing":     {with("requested_token_type", ""), want},
		"with ampersands":                        {"&" + good().Encode() + "&&", want},
		"the other grant":                        {bearer(), asGrant},
		"as the client writes it":                {string(want.Encode()), want},
		"as the client writes a jwt's":           {string(asJWT.Encode()), asJWT},
		"as the client writes the other grant's": {string(asGrant.Encode()), asGrant},
	} {
		got, err := DecodeTokenRequest(tt.body)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestDecodeRefuses: each by its name.
func TestDecodeRefuses(t *testing.T) {
	body := good().Encode()
	for name, tt := range map[string]struct{ body, code, says string }{
		"nothing":                        {"", InvalidRequest, "grant_type is missing"},
		"no grant type":                  {without("grant_type"), InvalidRequest, "grant_type is missing"},
		"another grant type":             {with("grant_type", "client_credentials"), UnsupportedGrantType, "only"},
		"a code":                         {with("grant_type", "authorization_code"), UnsupportedGrantType, "only"},
		"a grant type in other case":     {with("grant_type", strings.ToUpper(TokenExchange)), UnsupportedGrantType, "only"},
		"no token":                       {without("subject_token"), InvalidRequest, "subject_token is missing"},
		"an empty token":                 {with("subject_token", ""), InvalidRequest, "subject_token is missing"},
		"no token type":                  {without("subject_token_type"), InvalidRequest, "subject_token_type is missing"},
		"an access token":                {with("subject_token_type", AccessToken), InvalidRequest, "subject_token_type: only"},
		"a refresh token":                {with("subject_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), InvalidRequest, "subject_token_type: only"},
		"a refresh token wanted":         {with("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), InvalidRequest, "requested_token_type: only"},
		"an ID token wanted":             {with("requested_token_type", IDToken), InvalidRequest, "requested_token_type: only"},
		"no resource":                    {without("resource"), InvalidRequest, "resource is missing"},
		"no audience":                    {without("audience"), InvalidRequest, "audience is missing"},
		"an empty audience":              {with("audience", ""), InvalidRequest, "audience is missing"},
		"two resources":                  {body + "&resource=x", InvalidTarget, "resource stands twice"},
		"two audiences":                  {body + "&audience=x", InvalidTarget, "audience stands twice"},
		"the same audience twice":        {body + "&audience=kubernetes%2Fprod", InvalidTarget, "audience stands twice"},
		"two audiences, one in capitals": {body + "&AUDIENCE=x", InvalidTarget, "audience stands twice"},
		"two tokens":                     {body + "&subject_token=x", InvalidRequest, "subject_token stands twice"},
		"two tokens, one escaped":        {body + "&subject%5Ftoken=x", InvalidRequest, "subject_token stands twice"},
		"two grant types":                {body + "&grant_type=x", InvalidRequest, "grant_type stands twice"},
		"a scope":                        {with("scope", "openid"), InvalidScope, "scope is refused"},
		"an empty scope":                 {with("scope", ""), InvalidScope, "scope is refused"},
		"an actor":                       {with("actor_token", "a.b.c"), InvalidRequest, "actor_token is refused"},
		"an actor's type":                {with("actor_token_type", JWT), InvalidRequest, "actor_token_type is refused"},
		"a client":                       {with("client_id", "me"), InvalidClient, "client_id is refused"},
		"a client's secret":              {with("client_secret", "s"), InvalidClient, "client_secret is refused"},
		"a client's assertion":           {with("client_assertion", "a.b.c"), InvalidClient, "client_assertion is refused"},
		"a client's assertion's type":    {with("client_assertion_type", "x"), InvalidClient, "client_assertion_type is refused"},
		"an unknown parameter":           {with("duration", "3600"), InvalidRequest, "duration is not supported"},
		"a known one in other case":      {strings.Replace(body, "audience", "Audience", 1), InvalidRequest, "audience is missing"},
		"an assertion in an exchange":    {with("assertion", "a.b.c"), InvalidRequest, "assertion is not supported"},
		"a subject token in a grant":     {bearer("subject_token", "a.b.c"), InvalidRequest, "subject_token is not supported"},
		"a grant without an assertion":   {bearer("assertion", ""), InvalidRequest, "assertion is missing"},
		"a scope in a grant":             {bearer("scope", "x"), InvalidScope, "scope is refused"},
		"half an escape":                 {body + "&x=%2", InvalidRequest, "the body is not"},
		"no UTF-8":                       {body + "&x=%ff", InvalidRequest, "the body is not"},
		"seventeen parameters":           {"a=&b=&c=&d=&e=&f=&g=&h=&i=&j=&k=&l=&m=&n=&o=&p=&q=", InvalidRequest, "more than 16"},
	} {
		got, err := DecodeTokenRequest(tt.body)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != tt.code || !strings.Contains(e.Description, tt.says) || got != (TokenRequest{}) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// TestErrorsRepeatNoToken: a token that stands where a parameter's name belongs is
// not repeated, nor is its signature.
func TestErrorsRepeatNoToken(t *testing.T) {
	long := strings.Repeat("A", maxName+1)
	for _, body := range []string{good().Encode() + "&" + long, long + "&" + long, with("grant_type", long), with("subject_token_type", long), with("requested_token_type", long)} {
		if _, err := DecodeTokenRequest(body); err == nil || strings.Contains(err.Error(), long) {
			t.Errorf("%.200s: %v", body, err)
		}
	}
}

func TestTokenResponse(t *testing.T) {
	want := TokenResponse{"a.b.c", AccessToken, "Bearer", 300}
	got, err := ParseTokenResponse(want.Encode())
	if err != nil || got != want {
		t.Errorf("%+v %v", got, err)
	}
	text := string(want.Encode())
	for name, body := range map[string]string{
		"nothing": "", "an array": "[]", "no JSON": "x", "half": text[:20], "a token twice": strings.Replace(text, "{", `{"access_token":"x",`, 1),
		"no token": strings.Replace(text, "access_token\":", "x\":", 1), "an empty token": strings.Replace(text, "a.b.c", "", 1), "a token in capitals": strings.Replace(text, "access_token\":", "Access_Token\":", 1),
		"no type": strings.Replace(text, "issued_token_type", "x", 1), "another kind of token": strings.Replace(text, "Bearer", "N_A", 1),
		"no end": strings.Replace(text, "expires_in", "x", 1), "an end as text": strings.Replace(text, "300", `"300"`, 1), "no life": strings.Replace(text, "300", "0", 1), "a life before": strings.Replace(text, "300", "-1", 1), "a year": strings.Replace(text, "300", "31536000", 1), "half a second": strings.Replace(text, "300", "0.5", 1),
	} {
		if got, err := ParseTokenResponse([]byte(body)); err == nil || got != (TokenResponse{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestError: what a description may not hold stands in none (RFC 6749 §5.2).
func TestError(t *testing.T) {
	e := &Error{InvalidTarget, "the role \"x\\y\" …\n\x1b[31mü"}
	body := string(e.Encode())
	if want := `{"error":"invalid_target","error_description":"the role 'x?y' ~??[31m?"}`; body != want {
		t.Errorf("%s", body)
	}
	got, err := ParseError([]byte(body))
	if err != nil || got.Code != InvalidTarget {
		t.Errorf("%+v %v", got, err)
	}
	for _, body := range []string{"", "[]", "{}", `{"error":1}`, `{"error":""}`, `{"Error":"x"}`, `{"error":"x","error":"y"}`} {
		if got, err := ParseError([]byte(body)); err == nil || got != nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestMetadata(t *testing.T) {
	got := string(MetadataOf("https://mayfly.example:8443", []string{"ES256"}, []string{"sub"}).Encode())
	want := `{"issuer":"https://mayfly.example:8443","token_endpoint":"https://mayfly.example:8443/oauth/token","jwks_uri":"https://mayfly.example:8443/oauth/jwks",` +
		`"grant_types_supported":["urn:ietf:params:oauth:grant-type:token-exchange","urn:ietf:params:oauth:grant-type:jwt-bearer"],"response_types_supported":["id_token"],` +
		`"token_endpoint_auth_methods_supported":["none"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["ES256"],"claims_supported":["sub"]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseMetadata(t *testing.T) {
	text := string(MetadataOf("https://mayfly.example:8443", nil, nil).Encode())
	got, err := ParseMetadata([]byte(text))
	if err != nil || got.Issuer != "https://mayfly.example:8443" || got.JWKSURI != "https://mayfly.example:8443/oauth/jwks" || got.TokenEndpoint != "https://mayfly.example:8443/oauth/token" {
		t.Errorf("%+v %v", got, err)
	}
	for name, body := range map[string]string{"nothing": "", "an array": "[]", "no issuer": strings.Replace(text, `"issuer"`, `"x"`, 1), "an issuer twice": strings.Replace(text, "{", `{"issuer":"https://x.example",`, 1), "a number": strings.Replace(text, `"https://mayfly.example:8443"`, "1", 1),
		"no keys": strings.Replace(text, "jwks_uri", "x", 1), "a file": strings.Replace(text, "https://mayfly.example:8443/oauth/jwks", "file:///etc/passwd", 1), "a query": strings.Replace(text, "/oauth/jwks", "/?x", 1), "a user": strings.Replace(text, `"https://mayfly.example:8443"`, `"https://u@mayfly.example"`, 1)} {
		if got, err := ParseMetadata([]byte(body)); err == nil || got.Issuer != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzDecodeTokenRequest(f *testing.F) {
	for _, body := range []string{"", good().Encode(), bearer(), with("scope", "x"), good().Encode() + "&audience=x", "%", "a=%ff"} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r, err := DecodeTokenRequest(body)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || r != (TokenRequest{}) {
				t.Errorf("%+v %v", r, err)
			}
			return
		}
		again, err := DecodeTokenRequest(string(r.Encode()))
		if err != nil || again != r {
			t.Errorf("%+v is %+v once more: %v", r, again, err)
		}
	})
}

func FuzzParseAnswers(f *testing.F) {
	f.Add(TokenResponse{"a.b.c", AccessToken, "Bearer", 300}.Encode())
	f.Add((&Error{InvalidTarget, "x"}).Encode())
	f.Add(MetadataOf("https://mayfly.example", nil, nil).Encode())
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := ParseTokenResponse(body); err == nil {
			if again, err := ParseTokenResponse(r.Encode()); err != nil || again != r {
				t.Errorf("%+v %+v %v", r, again, err)
			}
		}
		if m, err := ParseMetadata(body); err == nil && m.Issuer == "" {
			t.Error("an issuer without a name")
		}
		if e, err := ParseError(body); err == nil {
			if _, err := ParseError(e.Encode()); err != nil {
				t.Error(err)
			}
		}
	})
}
