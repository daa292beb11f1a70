package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/guardfacts"
	"mayfly.internal/internal/webclient"
)

// GuardsConfig is about reading what a GitLab enforces, for roles that ask about it
// (mayfly:guard/… in their trust policies). It is read with a token of scope
// read_api; where none is named, nothing is read and such roles let nobody in.
type GuardsConfig struct {
	// URL is where the GitLab is. Default: the issuer's url.
	URL string `yaml:"url"`
	// CAFile is the only CA that may vouch for it. Default: the issuer's ca_file.
	CAFile string `yaml:"ca_file"`
	// TokenFile is a file with the token; it is read anew at need.
	TokenFile string `yaml:"token_file"`
	// TokenEnv is an environment variable of the server's with the token.
	TokenEnv string `yaml:"token_env"`
	// TokenVault is where the token is in Vault or OpenBao: PATH#FIELD. VAULT_ADDR
	// and VAULT_TOKEN name the server.
	TokenVault string `yaml:"token_vault"`
	// Tier is the GitLab's, free, premium or ultimate, where the token cannot see
	// it. Default: GitLab is asked.
	Tier string `yaml:"tier"`
	// MaxAge is how old facts may be that a role is given by: 10s to 1h. Default
	// 5m.
	MaxAge Duration `yaml:"max_age"`
	// Refresh is how often the facts of projects are read anew whose jobs asked
	// within the hour: 5s or more, and less than max_age. Default 1m.
	Refresh Duration `yaml:"refresh"`
}

// Bounds of how old facts are.
const (
	defaultMaxAge  = 5 * time.Minute
	defaultRefresh = time.Minute
	minMaxAge      = 10 * time.Second
	maxMaxAge      = time.Hour
	minRefresh     = 5 * time.Second
)

// tokenLife is how long a token is used before it is read anew.
const tokenLife = time.Minute

// guardsMaxWait is how long one request to a GitLab waits for it to be less busy.
const guardsMaxWait = 10 * time.Second

// configured reports whether anything is said.
func (g GuardsConfig) configured() bool { return g != GuardsConfig{} }

func (g GuardsConfig) token() gitlab.TokenSource {
	return gitlab.TokenSource{File: g.TokenFile, Env: g.TokenEnv, Vault: g.TokenVault}
}

func (g GuardsConfig) maxAge() time.Duration  { return orDefault(g.MaxAge, defaultMaxAge) }
func (g GuardsConfig) refresh() time.Duration { return orDefault(g.Refresh, defaultRefresh) }

func orDefault(d Duration, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}

// check says everything that is wrong with an issuer's guards.
func (g GuardsConfig) check(is IssuerConfig, bad func(format string, args ...any)) {
	if !g.configured() {
		return
	}
	if !is.settings().GitLab {
		bad("guards: only a GitLab has them; set gitlab: true if it is one")
	}
	named := 0
	for _, source := range []string{g.TokenFile, g.TokenEnv, g.TokenVault} {
		if source != "" {
			named++
		}
	}
	if named != 1 {
		bad("guards: name one of token_file, token_env and token_vault")
	}
	if named == 1 && g.TokenFile != "" { // the others may be there for the server alone
		if _, err := g.token().Load(context.Background(), os.Getenv); err != nil {
			bad("guards.token_file: %w", err)
		}
	}
	if path, field, found := strings.Cut(g.TokenVault, "#"); g.TokenVault != "" && (!found || strings.Trim(path, "/") == "" || field == "") {
		bad("guards.token_vault: %q is no PATH#FIELD, such as secret/ci/gitlab#token", g.TokenVault)
	}
	if g.CAFile != "" {
		if _, err := webclient.Roots(g.CAFile); err != nil {
			bad("guards.ca_file: %w", err)
		}
	}
	if err := gitlab.CheckURL(g.at(is)); err != nil {
		bad("guards.url: %w", err)
	}
	switch guard.Tier(g.Tier) {
	case "", guard.Free, guard.Premium, guard.Ultimate:
	default:
		bad("guards.tier: %q is none of free, premium and ultimate", g.Tier)
	}
	if d := g.maxAge(); d < minMaxAge || d > maxMaxAge {
		bad("guards.max_age: %s is not between %s and %s", d, minMaxAge, maxMaxAge)
	}
	if d := g.refresh(); d < minRefresh || d >= g.maxAge() {
		bad("guards.refresh: %s is not between %s and max_age, which is %s", d, minRefresh, g.maxAge())
	}
}

// at is where the GitLab is.
func (g GuardsConfig) at(is IssuerConfig) string {
	if g.URL != "" {
		return g.URL
	}
	return is.URL
}

// guards keeps the facts of the issuers that have them.
func (c Config) guards(now func() time.Time, m *metrics, log *slog.Logger) *guardfacts.Cache {
	out := guardfacts.Config{Issuers: map[string]guardfacts.Issuer{}, Now: now, Observe: m.readGuards,
		Failed: func(issuer string, project int64, err error) {
			log.Warn("what a GitLab enforces could not be read, or not all of it", "issuer", issuer, "project", project, "why", err)
		}}
	for _, is := range c.Issuers {
		if is.Guards.configured() {
			r := &guardReader{config: is.Guards, issuer: is, getenv: os.Getenv, now: now}
			out.Issuers[is.URL] = guardfacts.Issuer{Read: r.read, MaxAge: is.Guards.maxAge(), Refresh: is.Guards.refresh()}
		}
	}
	return guardfacts.New(out)
}

// guardReader reads the facts of one GitLab, with a token that it reads anew now
// and then: somebody may have rotated it.
type guardReader struct {
	config GuardsConfig
	issuer IssuerConfig
	getenv func(string) string
	now    func() time.Time

	mu     sync.Mutex
	client *gitlab.Client
	loaded time.Time // when its token was read
}

func (r *guardReader) read(ctx context.Context, id int64, path string) (*guard.Project, error) {
	c, err := r.current(ctx, nil)
	if err != nil {
		return nil, err
	}
	p, err := c.Guards(ctx, id, path, guard.Tier(r.config.Tier))
	if refusal, ok := errors.AsType[*gitlab.Error](err); !ok || refusal.Status != http.StatusUnauthorized {
		return p, err
	}
	if c, err = r.current(ctx, c); err != nil { // the token may be another by now
		return nil, err
	}
	return c.Guards(ctx, id, path, guard.Tier(r.config.Tier))
}

// current is a client with a token that was read lately, and is not the one that
// GitLab has refused.
func (r *guardReader) current(ctx context.Context, refused *gitlab.Client) (*gitlab.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client != refused && r.now().Sub(r.loaded) < tokenLife {
		return r.client, nil
	}
	token, err := r.config.token().Load(ctx, r.getenv)
	if err != nil {
		return nil, err
	}
	c := gitlab.Config{URL: r.config.at(r.issuer), Token: token, UserAgent: "mayflyd/" + Version, MaxWait: guardsMaxWait}
	file := r.config.CAFile
	if file == "" {
		file = r.issuer.CAFile
	}
	if file != "" {
		if c.Roots, err = webclient.Roots(file); err != nil {
			return nil, err
		}
	}
	client, err := gitlab.New(c)
	if err != nil {
		return nil, err
	}
	if r.client != nil {
		r.client.Close() // requests under way go on
	}
	r.client, r.loaded = client, r.now()
	return client, nil
}

// Guards says what a registered issuer enforces around a project's jobs, as the
// configuration in force says.
func (s *Server) Guards(ctx context.Context, issuer string, project int64, path string, pinned bool) (*guard.Project, time.Time, error) {
	return s.live.Load().guards.Guards(ctx, issuer, project, path, pinned)
}

// guardAges are the ages of the facts of each issuer that has any.
func (s *Server) guardAges() []guardAge {
	l := s.live.Load()
	var out []guardAge
	for _, is := range l.config.Issuers {
		if is.Guards.configured() {
			oldest, projects := l.guards.Age(is.URL)
			out = append(out, guardAge{is.URL, oldest, projects})
		}
	}
	return out
}
