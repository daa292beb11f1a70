package signin

import (
	"errors"
	"fmt"
	"time"

	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/strictjson"
)

// Token is a person's ID token. What it says is unverified: see the package.
type Token struct {
	Text    secret.String
	Subject string
	Login   string // preferred_username, where the provider says it
	Expires time.Time
}

// maxSkew is how much a provider's clock may be ahead of ours.
const maxSkew = 5 * time.Minute

// idToken reads the ID token of a token endpoint's answer. Without a nonce, which
// a device code has not, none is checked.
func (p *Provider) idToken(answer strictjson.Value, nonce string) (Token, error) {
	text, ok := answer.Get("id_token").Text()
	if !ok || text == "" {
		return Token{}, errors.New("the provider gave no ID token: the application needs the scope openid")
	}
	u, err := jwt.Parse(text)
	if err != nil {
		return Token{}, fmt.Errorf("the ID token: %w", err)
	}
	return p.check(u, secret.New(text), nonce)
}

// check is OpenID Connect Core §3.1.3.7; the numbers are its items.
func (p *Provider) check(u jwt.Unverified, text secret.String, nonce string) (Token, error) {
	now := p.config.Now()
	claim := func(name string) string {
		text, _ := u.UnverifiedClaim(name).Text()
		return text
	}
	issued, _ := u.UnverifiedClaim("iat").Int64()
	expires, _ := u.UnverifiedClaim("exp").Int64()
	azp := u.UnverifiedClaim("azp")
	switch {
	case u.UnverifiedIssuer() != p.config.Issuer: // 2
		return Token{}, fmt.Errorf("the ID token is of the issuer %q, not of %q", u.UnverifiedIssuer(), p.config.Issuer)
	case !onlyAudience(u.UnverifiedClaim("aud"), p.config.ClientID): // 3
		return Token{}, fmt.Errorf("the ID token is not for the client %q alone", p.config.ClientID)
	case azp.Kind() != strictjson.Missing && claim("azp") != p.config.ClientID: // 5
		return Token{}, fmt.Errorf("the ID token was made for another client than %q", p.config.ClientID)
	case expires <= now.Unix(): // 9
		return Token{}, errors.New("the ID token has expired as it comes; is the clock of this machine right?")
	case issued > now.Add(maxSkew).Unix(): // 10
		return Token{}, errors.New("the ID token is from the future; is the clock of this machine right?")
	case nonce != "" && claim("nonce") != nonce: // 11
		return Token{}, errors.New("the ID token is not of this sign-in: its nonce is another")
	case claim("sub") == "" || len(claim("sub")) > 255: // §2
		return Token{}, errors.New("the ID token has no sub")
	}
	return Token{Text: text, Subject: printable(claim("sub"), 255), Login: printable(claim("preferred_username"), 255), Expires: time.Unix(expires, 0)}, nil
}

// onlyAudience reports whether aud is one client, as text or the one of an array.
func onlyAudience(aud strictjson.Value, client string) bool {
	if items := aud.Items(); len(items) == 1 {
		aud = items[0]
	}
	text, ok := aud.Text()
	return ok && text == client
}
