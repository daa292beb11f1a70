package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/webclient"
)

// gitlabFlags say which GitLab to ask, and where the token for it is.
type gitlabFlags struct {
	url, caFile, tier string
	token             gitlab.TokenSource
	rotate            bool
}

func (g *gitlabFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.url, "gitlab", "", "`URL` of the GitLab instance")
	f.StringVar(&g.caFile, "gitlab-ca-file", "", "PEM `FILE` of the CA that vouches for the instance (default the system's)")
	f.StringVar(&g.token.File, "gitlab-token-file", "", "`FILE` that holds a token of scope read_api")
	f.StringVar(&g.token.Env, "gitlab-token-env", "", "`NAME` of the environment variable that holds it (default GITLAB_TOKEN)")
	f.StringVar(&g.token.Vault, "gitlab-token-vault", "", "`PATH#FIELD` of it in Vault or OpenBao, such as secret/ci/gitlab#token (VAULT_ADDR, VAULT_TOKEN)")
	f.BoolVar(&g.rotate, "rotate", false, "have GitLab put a new token into --gitlab-token-file first (scope self_rotate)")
	f.StringVar(&g.tier, "tier", "", "`TIER` that the projects have, where the token cannot see it: free, premium or ultimate")
	complete(cmd, "tier", string(guard.Free), string(guard.Premium), string(guard.Ultimate))
}

// unasked refuses flags that mean nothing where no GitLab is asked.
func (g *gitlabFlags) unasked() error {
	for _, f := range [][2]string{{"gitlab-ca-file", g.caFile}, {"gitlab-token-file", g.token.File}, {"gitlab-token-env", g.token.Env}, {"gitlab-token-vault", g.token.Vault}, {"tier", g.tier}} {
		if f[1] != "" {
			return &usageError{fmt.Errorf("--%s goes with --gitlab", f[0])}
		}
	}
	if g.rotate {
		return &usageError{errors.New("--rotate goes with --gitlab")}
	}
	return nil
}

// statedTier is the tier --tier names.
func (g *gitlabFlags) statedTier() (guard.Tier, error) {
	t := guard.Tier(g.tier)
	if t != "" && !slices.Contains([]guard.Tier{guard.Free, guard.Premium, guard.Ultimate}, t) {
		return "", &usageError{fmt.Errorf("--tier %s: free, premium and ultimate are known", g.tier)}
	}
	return t, nil
}

// client is the client for the GitLab that is meant, its token rotated if that
// was asked. It says on standard error how old the token is.
func (g *gitlabFlags) client(ctx context.Context, a *app) (*gitlab.Client, error) {
	named := 0
	for _, v := range []string{g.token.File, g.token.Env, g.token.Vault} {
		if v != "" {
			named++
		}
	}
	if named > 1 {
		return nil, &usageError{errors.New("--gitlab-token-file, --gitlab-token-env and --gitlab-token-vault: one of them")}
	}
	if named == 0 {
		g.token.Env = "GITLAB_TOKEN"
	}
	c, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	if g.rotate {
		t, err := g.token.Rotate(ctx, c)
		c.Close()
		if err != nil {
			return nil, explainGitLab(err)
		}
		fmt.Fprintf(a.stderr, "mayfly: the token in %s is rotated%s\n", g.token.File, lifetime(t, time.Now()))
		return g.connect(ctx)
	}
	if t, err := c.Self(ctx); err == nil { // of an OAuth token nothing is said
		g.age(a, t)
	}
	return c, nil
}

func (g *gitlabFlags) connect(ctx context.Context) (*gitlab.Client, error) {
	config := gitlab.Config{URL: g.url, UserAgent: "mayfly/" + Version}
	if config.URL == "" { // not $CI_SERVER_URL: whoever starts a pipeline may set variables, and the token would follow
		return nil, &usageError{errors.New("--gitlab is missing")}
	}
	var err error
	if g.caFile != "" {
		if config.Roots, err = roots(g.caFile); err != nil {
			return nil, err
		}
	}
	if config.Token, err = g.token.Load(ctx, os.Getenv); err != nil {
		return nil, hint(err, "name a token of scope read_api with --gitlab-token-file, --gitlab-token-env or --gitlab-token-vault; docs/facts.md says which role it needs")
	}
	c, err := gitlab.New(config)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

func roots(file string) (*x509.CertPool, error) {
	pool, err := webclient.Roots(file)
	if err != nil {
		return nil, fmt.Errorf("--gitlab-ca-file: %w", err)
	}
	return pool, nil
}

// expiresSoon is when a token's end is worth a warning.
const expiresSoon = 14 * 24 * time.Hour

// age says how old a token is, as a warning where its end is near.
func (g *gitlabFlags) age(a *app, t gitlab.Token) {
	now := time.Now()
	word := ""
	if !t.Expires.IsZero() && t.Expires.Sub(now) < expiresSoon {
		word = "warning: "
	}
	fmt.Fprintf(a.stderr, "mayfly: %sthe token %q was made %s%s\n", word, t.Name, days(now.Sub(t.Created), "ago"), lifetime(t, now))
	if word != "" && g.token.File != "" && t.MayRotate() {
		fmt.Fprintln(a.stderr, "mayfly: --rotate replaces it")
	}
}

func lifetime(t gitlab.Token, now time.Time) string {
	if t.Expires.IsZero() {
		return "; it does not expire"
	}
	return fmt.Sprintf("; it expires %s, on %s", days(t.Expires.Sub(now), "from now"), t.Expires.Format(time.DateOnly))
}

func days(d time.Duration, direction string) string {
	switch n := int(d / (24 * time.Hour)); {
	case d < 0:
		return "in the past"
	case n == 0:
		return "less than a day " + direction
	case n == 1:
		return "1 day " + direction
	default:
		return fmt.Sprintf("%d days %s", n, direction)
	}
}

// explainGitLab adds what to do to an error of GitLab's client.
func explainGitLab(err error) error {
	e, answered := errors.AsType[*gitlab.Error](err)
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return hint(err, "name the CA that vouches for the instance with --gitlab-ca-file")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return hint(err, "is GitLab there? --gitlab names the instance")
	}
	if !answered {
		return err
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return hint(err, "the token is unknown to this instance, revoked or expired")
	case http.StatusForbidden, http.StatusNotFound:
		return hint(err, "GitLab says 403 or 404 of what the token may not see: it needs the scope read_api, and in most projects the role Maintainer; docs/facts.md says which for what")
	case http.StatusTooManyRequests:
		return hint(err, "GitLab counts requests by the minute: try again, with fewer projects at once")
	}
	return err
}
