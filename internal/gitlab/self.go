package gitlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"mayfly.internal/internal/secret"
)

// Token is what GitLab says of the token that asks. Its value is not in it.
type Token struct {
	ID      int64
	Name    string
	Scopes  []string
	Created time.Time
	Expires time.Time // at the beginning of the day, UTC; zero: never
}

// MayRotate reports whether the token's scopes let it rotate itself.
// (Personal access tokens API, Self-rotate)
func (t Token) MayRotate() bool {
	return slices.Contains(t.Scopes, "self_rotate") || slices.Contains(t.Scopes, "api")
}

type selfAnswer struct {
	ID      int64     `json:"id"`
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Created time.Time `json:"created_at"`
	Expires said[day] `json:"expires_at"`
	Value   string    `json:"token"` // of a rotation
}

func (a selfAnswer) token() (Token, error) {
	expires, err := a.Expires.or(day{})
	if err == nil && (a.ID <= 0 || a.Created.IsZero()) {
		err = errors.New("it describes no token")
	}
	return Token{ID: a.ID, Name: a.Name, Scopes: a.Scopes, Created: a.Created, Expires: time.Time(expires)}, err
}

const self = "/personal_access_tokens/self"

// Self describes the token that asks. OAuth tokens have no such description.
func (c *Client) Self(ctx context.Context) (Token, error) {
	a, err := get[selfAnswer](ctx, c, self)
	if err != nil {
		return Token{}, err
	}
	t, err := a.token()
	if err != nil {
		err = garbage("GET "+self, err)
	}
	return t, err
}

// botOf are the usernames of the users behind tokens of projects and groups.
var botOf = regexp.MustCompile(`^(project|group)_([0-9]+)_bot`)

// Rotate has GitLab put a new token in the place of the one that asks, which is
// dead from then on, and gives it. The new one lives as long as the old one was
// to; GitLab may shorten that.
func (c *Client) Rotate(ctx context.Context) (secret.String, Token, error) {
	now, err := c.Self(ctx)
	if err != nil {
		return secret.String{}, Token{}, err
	}
	query := url.Values{}
	if life := now.Expires.Sub(now.Created); !now.Expires.IsZero() && life > 0 {
		query.Set("expires_at", c.config.Now().UTC().Add(life).Format(time.DateOnly))
	}
	path := self + "/rotate"
	a, err := c.do(ctx, http.MethodPost, path, query)
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusMethodNotAllowed { // no person's token
		if path, err = c.rotatePath(ctx); err == nil {
			a, err = c.do(ctx, http.MethodPost, path, query)
		}
	}
	if err != nil {
		return secret.String{}, Token{}, err
	}
	var out selfAnswer
	if err := json.Unmarshal(a.body, &out); err != nil || out.Value == "" {
		return secret.String{}, Token{}, garbage("POST "+path, errors.New("it holds no token, and the old one may be dead"))
	}
	t, _ := out.token() // there is a new token: that counts
	return secret.New(out.Value), t, nil
}

// rotatePath is where the token of a project or group rotates itself.
func (c *Client) rotatePath(ctx context.Context) (string, error) {
	user, err := get[struct {
		Username string `json:"username"`
	}](ctx, c, "/user")
	if err != nil {
		return "", err
	}
	m := botOf.FindStringSubmatch(user.Username)
	if m == nil {
		return "", fmt.Errorf("POST %s/rotate: 405 Method Not Allowed: the token is no person's, project's or group's access token", self)
	}
	return "/" + m[1] + "s/" + m[2] + "/access_tokens/self/rotate", nil
}
