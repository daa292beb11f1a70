package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/prove"
)

func newWhoCan(a *app) *cobra.Command {
	p := &proving{app: a}
	cmd := &cobra.Command{Use: "who-can (ROLE… | --policy FILE…)", Short: "Say which projects, refs and pipelines can reach a role",
		Long: `who-can says whom a role's trust policy lets in: for each project whose facts are
known, and for all others together, which refs, which kinds of pipeline, and what
else the policy asks for. Patterns are as in policies, * standing for anything;
where they would not be exact, it says so.`,
		Example: `  mayfly who-can production-deployer --gitlab https://gitlab.com
  mayfly who-can --policy trust-policy.json`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.whoCan(cmd.Context(), args) }}
	p.flags(cmd)
	return cmd
}

// accessJSON is jobs that a role lets in, as JSON.
type accessJSON struct {
	Statement string            `json:"statement"`
	Issuer    string            `json:"issuer"`
	Project   string            `json:"project,omitempty"`
	Known     bool              `json:"known"`
	RunsIn    string            `json:"runsIn,omitempty"`
	Kind      string            `json:"kind"`
	Refs      string            `json:"refs,omitempty"`
	Sources   string            `json:"pipelineSources,omitempty"`
	Claims    map[string]string `json:"claims,omitempty"`
	Perhaps   []string          `json:"perhaps,omitempty"`
}

func (p *proving) whoCan(ctx context.Context, args []string) error {
	roles, err := p.roles.load(ctx, p.app, args)
	if err != nil {
		return err
	}
	issuers, err := p.world.issuers(ctx, p.app, roles)
	if err != nil {
		return err
	}
	world := prove.NewWorld(nil, issuers...)
	all := []map[string]any{}
	for i, r := range roles {
		list, err := world.WhoCan(r.trust)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		others := world.OtherWays(r.trust)
		if p.output == "json" {
			out := []accessJSON{}
			for _, one := range list {
				out = append(out, accessJSON{one.Statement, one.Issuer, one.Project, one.Known, one.RunsIn, one.Kind, one.Refs, one.Sources, confined(one.Claims), one.Perhaps})
			}
			all = append(all, map[string]any{"role": r.name, "access": out, "unknown": append([]string{}, others...)})
			continue
		}
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		p.printAccess(r, list, others)
	}
	if p.output == "json" {
		return p.json(map[string]any{"roles": all})
	}
	return nil
}

func confined(list []prove.Confined) map[string]string {
	out := map[string]string{}
	for _, c := range list {
		out[c.Key] = c.Values
	}
	return out
}

func (p *proving) printAccess(r trusting, list []prove.Access, others []string) {
	known := map[string]bool{}
	for _, one := range list {
		if one.Known {
			known[one.Project] = true
		}
	}
	fmt.Fprintf(p.stdout, "%s: %s\n", plain(r.name), plural(len(known), "project that is known", "projects that are known"))
	for _, one := range list {
		fmt.Fprintf(p.stdout, "  %s\n", plain(accessText(one)))
		for _, c := range one.Claims {
			fmt.Fprintf(p.stdout, "    %s: %s%s\n", plain(c.Key), plain(c.Values), setBy(c.Key))
		}
		for _, why := range one.Perhaps {
			fmt.Fprintf(p.stdout, "    perhaps fewer: %s\n", plain(why))
		}
	}
	for _, why := range others {
		fmt.Fprintf(p.stdout, "  unknown: %s\n", plain(why))
	}
	if len(list) == 0 && len(others) == 0 {
		fmt.Fprintln(p.stdout, "  nobody")
	}
}

// setBy warns of a claim that others than GitLab and Maintainers decide on.
func setBy(claim string) string {
	if who := prove.SetBy(claim); who >= prove.Author {
		return " (" + who.String() + " decides)"
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// accessText is one line: whose jobs, of which refs, started how.
func accessText(a prove.Access) string {
	if a.Kind == "sign-in" {
		return "people who sign in at " + a.Issuer
	}
	who := a.Project
	switch {
	case a.Known:
	case a.RunsIn != "":
		who = "forks " + who + " of " + a.RunsIn + ", run there"
	case who == "*" || who == "*/*":
		who = "any other project at " + a.Issuer
	case !strings.ContainsAny(who, "*?, ^"):
		who += " (nothing is known of it)"
	default:
		who = "other projects " + who
	}
	text := fmt.Sprintf("%s: %s %s", who, a.Kind, a.Refs)
	if a.Sources != "" {
		text += ", by " + a.Sources
	}
	return strings.TrimSpace(text)
}
