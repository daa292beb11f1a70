package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/secret"
)

// Auth is a Vault token and what Vault says of it.
type Auth struct {
	Token     secret.String
	Accessor  string
	Policies  []string // the token's own and its identity's
	Metadata  map[string]string
	TTL       time.Duration // zero: it does not expire
	Renewable bool
	Batch     bool  // a batch token: nobody can revoke or renew it
	Uses      int64 // how many requests it is good for; zero: any number
}

// Session is a login. It is safe for concurrent use.
type Session struct {
	client *Client
	auth   Auth

	mu     sync.Mutex
	mounts []Mount // that were asked for
}

// Auth is what the login gave.
func (s *Session) Auth() Auth { return s.auth }

// With is a session with a token that somebody else got. What Vault would say of
// it is not known.
func (c *Client) With(token secret.String) *Session {
	return &Session{client: c, auth: Auth{Token: token}}
}

// Mount is where a secrets engine is mounted.
type Mount struct {
	Path    string // with a slash at the end
	Type    string
	Version int64 // of a key/value engine: 1 or 2; else 0
}

// NoVersionsError is a version asked of a secret that has none.
type NoVersionsError struct{ Path string }

func (e *NoVersionsError) Error() string {
	return e.Path + ": only secrets of a key/value engine of version 2 have versions"
}

// GoneError is a version of a secret that was deleted.
type GoneError struct {
	Path      string
	Version   int64
	Deleted   string // when, as Vault writes it
	Destroyed bool   // it cannot be undeleted
}

func (e *GoneError) Error() string {
	if e.Destroyed {
		return fmt.Sprintf("%s: version %d was destroyed", e.Path, e.Version)
	}
	return fmt.Sprintf("%s: version %d was deleted on %s", e.Path, e.Version, e.Deleted)
}

// Read reads a secret by the path that people write: of a key/value engine of
// version 2 kv/my-app/db, not kv/data/my-app/db; of anything else the API's own
// path. Version zero is the newest; of what has no versions any other is refused.
// (Vault HTTP API, KV secrets engine version 2, Read secret version)
func (s *Session) Read(ctx context.Context, path string, version int64) (Secret, error) {
	escaped, err := escape(path)
	if err != nil {
		return Secret{}, err
	}
	mount, err := s.mount(ctx, path, escaped)
	if err != nil {
		return Secret{}, err
	}
	r := call{name: "read " + path, method: http.MethodGet, path: escaped, token: s.auth.Token}
	switch rest, below := strings.CutPrefix(path, mount.Path); {
	case mount.Version != 2 && version != 0:
		return Secret{}, &NoVersionsError{path}
	case mount.Version != 2:
	case !below:
		return Secret{}, fmt.Errorf("%s: it names a key/value engine, and no secret of it", path)
	default:
		prefix, err := escape(strings.TrimSuffix(mount.Path, "/"))
		if err != nil {
			return Secret{}, &GarbageError{r.name, err.Error()}
		}
		if rest, err = escape(rest); err != nil {
			return Secret{}, err
		}
		r.path = prefix + "/data/" + rest
		if version != 0 {
			r.query = "version=" + strconv.FormatInt(version, 10)
		}
	}
	body, err := s.client.do(ctx, r)
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Status == http.StatusNotFound && mount.Version == 2 {
		if gone, is := decodeGone(body); is { // the answer has the version's metadata, and no data
			gone.Path = path
			return Secret{}, gone
		}
	}
	if err != nil {
		return Secret{}, err
	}
	out, err := decodeSecret(body, mount.Version == 2)
	if err != nil {
		return Secret{}, &GarbageError{r.name, err.Error()}
	}
	out.Path = path
	return out, nil
}

// mount is where a path's engine is mounted. A server that does not know the
// question has no engine of version 2, as Vault's own client takes it.
// (Vault documentation, KV secrets engine version 2: preflight)
func (s *Session) mount(ctx context.Context, path, escaped string) (Mount, error) {
	s.mu.Lock()
	for _, m := range s.mounts {
		if strings.HasPrefix(path, m.Path) {
			s.mu.Unlock()
			return m, nil
		}
	}
	s.mu.Unlock()
	name := "find the engine of " + path
	body, err := s.client.do(ctx, call{name: name, method: http.MethodGet, path: "sys/internal/ui/mounts/" + escaped, token: s.auth.Token})
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Status == http.StatusNotFound {
		return Mount{}, nil
	}
	if err != nil {
		return Mount{}, err
	}
	m, err := decodeMount(body)
	if err == nil && !strings.HasPrefix(path+"/", m.Path) {
		err = errors.New("it is about another path")
	}
	if err != nil {
		return Mount{}, &GarbageError{name, err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mounts = append(s.mounts, m)
	return m, nil
}

// Lookup is what Vault says of the token now.
// (Vault HTTP API, Token auth method, Lookup a token (self))
func (s *Session) Lookup(ctx context.Context) (Lookup, error) {
	const name = "look the token up"
	body, err := s.client.do(ctx, call{name: name, method: http.MethodGet, path: "auth/token/lookup-self", token: s.auth.Token})
	if err != nil {
		return Lookup{}, err
	}
	out, err := decodeLookup(body)
	if err != nil {
		return Lookup{}, &GarbageError{name, err.Error()}
	}
	return out, nil
}

// Lookup is a token as Vault describes it.
type Lookup struct {
	Accessor string
	Policies []string // the token's own and its identity's
	Path     string   // of the login
	TTL      time.Duration
	Expires  string // as Vault writes it; empty: never
}

// Renew asks for another while of the token, and says how long it lives then.
// (Vault HTTP API, Token auth method, Renew a token (self))
func (s *Session) Renew(ctx context.Context) (time.Duration, error) {
	const name = "renew the token"
	body, err := s.client.do(ctx, call{name: name, method: http.MethodPost, path: "auth/token/renew-self", token: s.auth.Token})
	if err != nil {
		return 0, err
	}
	auth, err := decodeAuth(body)
	if err != nil {
		return 0, &GarbageError{name, err.Error()}
	}
	return auth.TTL, nil
}

// RenewLease asks for another while of a leased secret, and says how long it
// lives then.
// (Vault HTTP API, /sys/leases, Renew lease)
func (s *Session) RenewLease(ctx context.Context, l Lease) (time.Duration, error) {
	const name = "renew a lease"
	body, err := s.client.do(ctx, call{name: name, method: http.MethodPost, path: "sys/leases/renew", token: s.auth.Token, body: encodeLease(l.ID), hidden: []secret.String{l.ID}})
	if err != nil {
		return 0, err
	}
	ttl, err := decodeRenewedLease(body)
	if err != nil {
		return 0, &GarbageError{name, err.Error()}
	}
	return ttl, nil
}

// ErrBatch is why a batch token cannot be revoked.
var ErrBatch = errors.New("it is a batch token, which nobody can revoke")

// Revoke ends the token, and every lease that was taken with it.
// (Vault HTTP API, Token auth method, Revoke a token (self))
func (s *Session) Revoke(ctx context.Context) error {
	if s.auth.Batch {
		return ErrBatch
	}
	_, err := s.client.do(ctx, call{name: "revoke the token", method: http.MethodPost, path: "auth/token/revoke-self", token: s.auth.Token})
	return err
}
