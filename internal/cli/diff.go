package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

func newDiff(a *app) *cobra.Command {
	var gitlabs []string
	cmd := &cobra.Command{Use: "diff OLD NEW", Short: "Say whether a change of a trust policy lets in anybody new", Args: exactArgs("OLD", "NEW"),
		Long: `diff compares two trust policies by whom they let in, whatever way they are
written, and shows the shortest new one. Tokens of gitlab.com, and of the GitLabs
named with --gitlab, are taken to be as GitLab makes them; of any other issuer
every token is thought possible.

Exit status: 0 nobody new gets in, 1 somebody does, 3 unknown, 2 a wrong call.`,
		Example: "  mayfly diff old-trust.json new-trust.json",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := checkIssuers(gitlabs); err != nil {
				return err
			}
			old, err := a.trustFile(args[0])
			if err != nil {
				return err
			}
			changed, err := a.trustFile(args[1])
			if err != nil {
				return err
			}
			change, err := prove.Diff(old, changed, gitlabProviders(gitlabs, old, changed))
			if err != nil {
				return err
			}
			if err := a.reportChange(change, old, changed); err != nil {
				return err
			}
			return exitWith(map[prove.Verdict]prove.Verdict{prove.Proven: prove.Refuted, prove.Refuted: prove.Proven}[change.Wider])
		}}
	gitlabFlag(cmd, &gitlabs)
	return cmd
}

func gitlabFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringSliceVar(to, "gitlab", nil, "`URL` of an issuer that is a GitLab, besides https://gitlab.com (repeatable)")
}

// gitlabProviders are the providers of some policies that are GitLabs.
func gitlabProviders(urls []string, docs ...*policy.Document) []arn.Provider {
	var out []arn.Provider
	for _, d := range docs {
		for _, p := range prove.Providers(d) {
			is := func(url string) bool { return url == "https://"+p.URL || url == "https://"+p.URL+"/" }
			if (p.URL == "gitlab.com" || slices.ContainsFunc(urls, is)) && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// checkIssuers refuses what is no URL of an issuer.
func checkIssuers(urls []string) error {
	for _, text := range urls {
		if host, https := strings.CutPrefix(text, "https://"); !https || host == "" {
			return &usageError{fmt.Errorf("--gitlab %s: an https URL is wanted", text)}
		}
	}
	return nil
}

// changeWords say what a policy became, by whether it is wider and narrower.
func changeWords(c prove.Change) string {
	switch {
	case c.Wider == prove.Proven && c.Narrower == prove.Refuted:
		return "wider"
	case c.Wider == prove.Proven:
		return "different: wider, and narrower elsewhere or unknown"
	case c.Wider == prove.Unknown:
		return "unknown"
	case c.Narrower == prove.Proven:
		return "narrower"
	case c.Narrower == prove.Unknown:
		return "narrower or equal"
	}
	return "equal"
}

func (a *app) reportChange(c prove.Change, docs ...*policy.Document) error {
	if a.output == "json" {
		return a.json(map[string]any{"change": changeWords(c), "wider": yesNo(c.Wider), "narrower": yesNo(c.Narrower),
			"added": differencesJSON(c.Added), "removed": differencesJSON(c.Removed), "unknown": append([]string{}, c.Unknown...)})
	}
	fmt.Fprintln(a.stdout, changeWords(c))
	a.differences("now gets in", c.Added, docs)
	a.differences("no longer gets in", c.Removed, docs)
	for _, why := range c.Unknown {
		fmt.Fprintf(a.stdout, "  unknown because %s\n", plain(why))
	}
	return nil
}

func yesNo(v prove.Verdict) string {
	return map[prove.Verdict]string{prove.Proven: "yes", prove.Refuted: "no", prove.Unknown: "unknown"}[v]
}

func (a *app) differences(what string, list []prove.Difference, docs []*policy.Document) {
	for _, d := range list {
		if d.Who != "" {
			fmt.Fprintf(a.stdout, "  %s, by %s: %s\n", what, plain(d.Statement), plain(d.Who))
			continue
		}
		fmt.Fprintf(a.stdout, "  %s, by %s: a job with\n", what, plain(d.Statement))
		a.claims(d.Claims.About(d.Provider, docs...))
	}
}

func (a *app) claims(claims prove.Claims) {
	for _, c := range claims {
		fmt.Fprintf(a.stdout, "    %s: %s\n", plain(c.Key), plain(c.Value))
	}
}

type differenceJSON struct {
	Statement string            `json:"statement"`
	Principal string            `json:"principal,omitempty"`
	Claims    map[string]string `json:"claims,omitempty"`
}

func differencesJSON(list []prove.Difference) []differenceJSON {
	out := []differenceJSON{}
	for _, d := range list {
		out = append(out, differenceJSON{d.Statement, d.Who, d.Claims.Token(d.Provider)})
	}
	return out
}
