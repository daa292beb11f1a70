package cli

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mayfly.internal/internal/gitlab"
	"mayfly.internal/internal/guard"
)

func newFacts(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "facts", Short: "Read what GitLab enforces around its jobs", Args: cobra.NoArgs,
		Example: "  mayfly facts pull --gitlab https://gitlab.com --project my_group/my-fancy_project -o facts.yaml",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newFactsPull(a))
	return cmd
}

func newFactsPull(a *app) *cobra.Command {
	var g gitlabFlags
	var projects, groups []string
	var out, issuer string
	cmd := &cobra.Command{Use: "pull --gitlab URL --project PATH", Short: "Write the facts of projects into a file", Args: exactArgs(),
		Long: `pull asks GitLab what guards projects: protected branches, tags and environments,
approvals, members, tokens, schedules and so on. It writes them as YAML, which
can be read offline, changed by hand, and compared with an older one.

It needs a token of scope read_api and, for most facts, the role Maintainer in
the project. It changes nothing in GitLab, save with --rotate. What GitLab does
not show is written as unknown, with the reason; then the exit status is 1, and
the file holds all that could be read.

-o names the file here, not a format: what is written is YAML.`,
		Example: `  mayfly facts pull --gitlab https://gitlab.com --project my_group/my-fancy_project -o facts.yaml
  mayfly facts pull --gitlab https://gitlab.example.com --gitlab-ca-file ca.pem \
      --gitlab-token-file token --rotate --group my_group -o facts.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "json" || out == "text" {
				return &usageError{fmt.Errorf("-o names a file here, and %s is a format: say -o ./%[1]s if that is the file's name", out)}
			}
			tier, err := g.statedTier()
			if err != nil {
				return err
			}
			if u, err := url.Parse(issuer); issuer != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
				return &usageError{fmt.Errorf("--issuer %q is no https URL", issuer)}
			}
			if len(projects)+len(groups) == 0 {
				return &usageError{errors.New("--project is missing, or --group")}
			}
			for i, path := range slices.Concat(projects, groups) {
				if !gitlab.IsPath(path) || i < len(projects) && !strings.Contains(path, "/") {
					return &usageError{fmt.Errorf("%q is no full path of a project or group, such as my_group/my-fancy_project", path)}
				}
			}
			if out != "" && out != "-" {
				if err := mayReplace(out); err != nil {
					return fmt.Errorf("the facts: %w", err)
				}
			}
			c, err := g.client(cmd.Context(), a)
			if err != nil {
				return err
			}
			defer c.Close()
			for _, group := range groups {
				inside, err := c.GroupProjects(cmd.Context(), group)
				if err != nil {
					return explainGitLab(err)
				}
				projects = append(projects, inside...)
			}
			show, done := progress(a.stderr)
			facts, err := c.Pull(cmd.Context(), unique(projects), tier, show)
			done()
			if facts == nil {
				return explainGitLab(err)
			}
			facts.Issuer = firstOf(issuer, facts.Issuer)
			if written := writeFacts(a, out, facts); written != nil {
				return errors.Join(written, err)
			}
			sayUnknown(a.stderr, facts)
			return explainGitLab(err)
		}}
	g.add(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&projects, "project", nil, "full `PATH` of a project (repeatable)")
	f.StringArrayVar(&groups, "group", nil, "full `PATH` of a group: all projects in it and its subgroups (repeatable)")
	f.StringVar(&issuer, "issuer", "", "`URL` that the instance's ID tokens have as iss, where it is another than --gitlab")
	f.StringVarP(&out, "output", "o", "", "`FILE` to write (default standard output)")
	f.StringVar(&out, "out", "", "the same as --output, `FILE`")
	return cmd
}

func unique(all []string) []string {
	var out []string
	for _, v := range all {
		if !slices.ContainsFunc(out, func(known string) bool { return strings.EqualFold(known, v) }) {
			out = append(out, v)
		}
	}
	return out
}

func writeFacts(a *app, path string, facts *guard.Facts) error {
	text, err := guard.Encode(facts)
	if err != nil {
		return err
	}
	if path == "" || path == "-" {
		_, err = a.stdout.Write(text)
		return err
	}
	if err := replaceFile(path, string(text)); err != nil {
		return fmt.Errorf("the facts: %w", err)
	}
	count := fmt.Sprintf("%d projects", len(facts.Projects))
	if len(facts.Projects) == 1 {
		count = "1 project"
	}
	fmt.Fprintf(a.stderr, "mayfly: wrote the facts of %s to %s\n", count, path)
	return nil
}

// sayUnknown names the facts of each project that GitLab did not show.
func sayUnknown(w io.Writer, facts *guard.Facts) {
	for i := range facts.Projects {
		p := &facts.Projects[i]
		var names []string
		all := 0
		for name, fact := range p.All() {
			if all++; fact.State() == guard.StateUnknown {
				names = append(names, name)
			}
		}
		if len(names) == all {
			fmt.Fprintf(w, "mayfly: %s: everything is unknown\n", p.Path)
		} else if len(names) > 0 {
			fmt.Fprintf(w, "mayfly: %s: unknown: %s\n", p.Path, strings.Join(names, ", "))
		}
	}
}

// progress shows on a terminal which project is being read.
func progress(w io.Writer) (show func(gitlab.Progress), done func()) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	return func(p gitlab.Progress) {
			fmt.Fprintf(w, "\r\x1b[Kmayfly: reading %d of %d: %s", p.Number, p.Of, p.Project)
		},
		func() { fmt.Fprint(w, "\r\x1b[K") }
}
