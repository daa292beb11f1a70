package server

import (
	"context"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/guardfacts"
	"mayfly.internal/internal/jwks"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
)

// live is what a running server replaces when its configuration is read anew.
// It is immutable.
type live struct {
	config   Config
	settings map[string]oidc.Settings
	keys     *jwks.Source
	guards   *guardfacts.Cache
}

func newLive(c Config, now func() time.Time, m *metrics, log *slog.Logger) *live {
	keys := c.keys()
	keys.Now = now
	return &live{config: c, settings: c.settings(), keys: jwks.New(keys), guards: c.guards(now, m, log)}
}

// Keys gives the keys of a registered issuer, as the configuration in force
// says. Those of a provider that was deleted are not those of one made anew for
// the issuer: deleting it is how an operator drops keys that leaked.
func (s *Server) Keys(ctx context.Context, issuer, keyID string) (*jwt.KeySet, error) {
	source := s.live.Load().keys
	p, _ := s.db.Snapshot().Provider(issuer)
	if before, loaded := s.known.Swap(issuer, p.ID); loaded && before != p.ID {
		source.Forget(issuer)
	}
	return source.Keys(ctx, issuer, keyID)
}

// settings is what the operator says of an issuer.
func (s *Server) settings(issuer string) oidc.Settings {
	if v, ok := s.live.Load().settings[issuer]; ok {
		return v
	}
	return oidc.DefaultSettings(oidc.Issuer(issuer))
}

// reloadable are the keys that need no restart.
var reloadable = []string{"tls", "trusted_proxies", "admin.allow_uids", "jwks", "issuers"}

// Reload reads the configuration anew and puts in force what can be. What
// cannot is named in the log, and so is what is wrong with a file that changes
// nothing.
func (s *Server) Reload() {
	if s.load == nil {
		s.log.Warn("there is no configuration to read anew")
		return
	}
	c, err := s.load()
	if err != nil {
		s.log.Error("the configuration cannot be read; what was in force stays", "why", err)
		return
	}
	old := s.live.Load()
	changed := differences(old.config, c)
	next := old.config
	next.TLS, next.TrustedProxies, next.Admin.AllowUIDs, next.JWKS, next.Issuers = c.TLS, c.TrustedProxies, c.Admin.AllowUIDs, c.JWKS, c.Issuers
	l := &live{config: next, settings: old.settings, keys: old.keys, guards: old.guards}
	if slices.Contains(changed, "issuers") || slices.Contains(changed, "jwks") {
		l = newLive(next, s.now, s.metrics, s.log) // what was fetched goes too: another CA may vouch for it now
	}
	s.live.Store(l)
	if l.guards != old.guards {
		old.guards.Close()
	}
	s.certs.use(next.TLS)
	var now, later []string
	for _, key := range changed {
		if slices.Contains(reloadable, key) {
			now = append(now, key)
		} else {
			later = append(later, key)
		}
	}
	s.log.Info("the configuration was read anew", "in_force", now, "needs_restart", later)
}

// differences are the keys in which two configurations differ.
func differences(a, b Config) []string {
	return fieldDifferences("", reflect.ValueOf(a), reflect.ValueOf(b))
}

func fieldDifferences(prefix string, a, b reflect.Value) (out []string) {
	for i := range a.NumField() {
		name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("yaml"), ",")
		x, y := a.Field(i), b.Field(i)
		switch {
		case name == "admin":
			out = append(out, fieldDifferences("admin.", x, y)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			out = append(out, prefix+name)
		}
	}
	return out
}
