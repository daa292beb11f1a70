package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/oauthwire"
)

// IssueToken says which token of Mayfly's own is wanted.
type IssueToken struct {
	IDToken  secret.String // the proof of who asks
	Role     string        // its ARN
	Audience string        // whom the token is for: kubernetes/my-cluster, https://vault.example.com
}

// IssuedToken is a token that Mayfly has signed.
type IssuedToken struct {
	Token   secret.String
	Expires time.Time // by this machine's clock
}

// IssueToken exchanges an ID token for one of Mayfly's own (RFC 8693), for a role
// and an audience. It is unsigned, whoever asks: the ID token says who that is. It
// is asked again like a question, also where the provider of the ID token could
// not be reached. A refusal is an *Error whose Code is OAuth's: invalid_request
// where the role does not trust the ID token, or it is none to be believed;
// invalid_target where the role may have no token for the audience.
func (c *Client) IssueToken(ctx context.Context, in IssueToken) (IssuedToken, error) {
	l := *c.link
	l.config.Credentials = sigv4.Credentials{}
	asked := l.config.Now()
	r := request{method: http.MethodPost, path: oauthwire.TokenPath, contentType: oauthwire.ContentType,
		body: oauthwire.TokenRequest{GrantType: oauthwire.TokenExchange, Token: in.IDToken.Reveal(), Resource: in.Role, Audience: in.Audience}.Encode()}
	out, err := retried(ctx, &l, func() (oauthwire.TokenResponse, error) {
		return exchange(ctx, &l, r, oauthwire.ParseTokenResponse, oauthError)
	})
	if err != nil {
		return IssuedToken{}, err
	}
	if out.IssuedType != oauthwire.AccessToken && out.IssuedType != oauthwire.JWT {
		return IssuedToken{}, fmt.Errorf("the answer of %s: it is no access token", l.host)
	}
	return IssuedToken{secret.New(out.AccessToken), asked.Add(time.Duration(out.ExpiresIn) * time.Second)}, nil
}

// Issuer is what the server says of itself as an issuer of tokens. It needs no
// credentials.
func (c *Client) Issuer(ctx context.Context) (oauthwire.Metadata, error) {
	l := *c.link
	l.config.Credentials = sigv4.Credentials{}
	return retried(ctx, &l, func() (oauthwire.Metadata, error) {
		return exchange(ctx, &l, request{method: http.MethodGet, path: oauthwire.DiscoveryPath}, oauthwire.ParseMetadata, oauthError)
	})
}

func oauthError(a answer) *Error {
	e, err := oauthwire.ParseError(a.body)
	if err != nil {
		return nil
	}
	return &Error{Status: a.status, Code: e.Code, Message: e.Description, Request: a.header.Get(requestIDHeader)}
}
