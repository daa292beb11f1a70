package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/prove"
)

// worldSource says what is known of the GitLabs behind the policies.
type worldSource struct {
	file   string
	gitlab gitlabFlags
	realm  string
	logins []string
	facts  *guard.Facts
}

func (s *worldSource) flags(cmd *cobra.Command) {
	s.gitlab.add(cmd)
	f := cmd.Flags()
	f.Lookup("gitlab").Usage = "`URL` of a GitLab that is asked what it enforces around the projects that the policies name"
	f.StringVar(&s.file, "facts", "", "what GitLab enforces, in a `FILE` that mayfly facts pull writes")
	f.StringVar(&s.realm, "realm", "", "whose exchange it is, `mayfly|aws`: real AWS knows few of GitLab's claims (default mayfly, or aws where AWS itself is asked)")
	complete(cmd, "realm", "mayfly", "aws")
	f.StringSliceVar(&s.logins, "login-client-id", nil, "`AUDIENCE` with which people sign in (repeatable)")
}

// realmOf is whose exchange is meant.
func realmOf(name string, aws bool) (prove.Realm, error) {
	switch {
	case name == "aws", name == "" && aws:
		return prove.AWS, nil
	case name == "mayfly", name == "":
		return prove.Mayfly, nil
	}
	return 0, &usageError{fmt.Errorf("--realm %s: mayfly and aws are known", name)}
}

// issuers are the GitLabs that the policies trust, with what is known of them.
func (s *worldSource) issuers(ctx context.Context, a *app, roles []trusting) ([]*prove.Issuer, error) {
	realm, err := realmOf(s.realm, a.realAWS())
	if err != nil {
		return nil, err
	}
	switch {
	case s.file != "" && s.gitlab.url != "":
		return nil, &usageError{errors.New("either --facts or --gitlab is wanted")}
	case s.gitlab.url != "":
		err = s.pull(ctx, a, roles)
	default:
		if err = s.gitlab.unasked(); err == nil && s.file != "" {
			s.facts, err = a.factsFile(s.file)
		}
	}
	if err != nil {
		return nil, err
	}
	var out []*prove.Issuer
	for _, r := range roles {
		for _, p := range prove.Providers(r.trust) {
			known := s.facts != nil && strings.TrimPrefix(s.facts.Issuer, "https://") == p.URL
			if slices.ContainsFunc(out, func(is *prove.Issuer) bool { return is.Provider == p }) || !known && !prove.IsGitLab(r.trust, p) {
				continue
			}
			is := &prove.Issuer{Provider: p, Realm: realm, Audiences: r.audiences[p], LoginClientIDs: s.logins}
			if known {
				is.Facts = s.facts
			}
			out = append(out, is)
		}
	}
	return out, nil
}

func (a *app) factsFile(path string) (*guard.Facts, error) {
	text, err := a.readFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("the facts: %w", err)
	}
	facts, err := guard.Decode(text)
	if err != nil {
		return nil, fmt.Errorf("the facts: %s: %w", path, err)
	}
	return facts, nil
}

// maxPulled bounds how many projects are asked about at once.
const maxPulled = 2000

// pull asks a GitLab what it enforces around the projects that the policies are
// about. What it does not show is unknown, and the verdict says so.
func (s *worldSource) pull(ctx context.Context, a *app, roles []trusting) error {
	tier, err := s.gitlab.statedTier()
	if err != nil {
		return err
	}
	c, err := s.gitlab.client(ctx, a)
	if err != nil {
		return err
	}
	defer c.Close()
	paths, err := projectsOf(ctx, c, roles, c.URL())
	if err != nil {
		return err
	}
	if len(paths) > maxPulled {
		return fmt.Errorf("the policies are about %d projects, and at most %d are asked about", len(paths), maxPulled)
	}
	show, done := progress(a.stderr)
	s.facts, err = c.Pull(ctx, paths, tier, show)
	done()
	if s.facts == nil {
		return explainGitLab(err)
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "mayfly: %s\n", plainLines(err.Error()))
	}
	return nil
}

// plainLines is plain of each line.
func plainLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n  ")
}

// projectsOf are the projects that policies name, or that there are in the groups
// they trust.
func projectsOf(ctx context.Context, c *gitlab.Client, roles []trusting, base string) ([]string, error) {
	var paths, trusted []string
	about := false
	for _, r := range roles {
		for _, p := range prove.Providers(r.trust) {
			if "https://"+p.URL != strings.TrimSuffix(base, "/") {
				trusted = append(trusted, "https://"+p.URL)
				continue
			}
			about = true
			list, err := projectsOfRole(ctx, c, r, p)
			if err != nil {
				return nil, err
			}
			paths = append(paths, list...)
		}
	}
	if !about {
		return nil, hint(fmt.Errorf("no policy trusts %s", base), "they trust "+firstOf(strings.Join(unique(trusted), ", "), "no identity provider"))
	}
	return unique(paths), nil
}

func projectsOfRole(ctx context.Context, c *gitlab.Client, r trusting, p arn.Provider) ([]string, error) {
	var paths []string
	for _, st := range r.trust.Statements() {
		if named, all := prove.Named(r.trust, st, p); all && !st.Denies() && st.Trusts(p) {
			paths = append(paths, named...)
		}
	}
	for _, group := range prove.Groups(r.trust, p) {
		if !gitlab.IsPath(group) {
			continue // no GitLab has it
		}
		inside, err := c.GroupProjects(ctx, group)
		if err != nil {
			return nil, explainGitLab(err)
		}
		for _, path := range inside {
			if prove.Concerns(r.trust, p, path) {
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}
