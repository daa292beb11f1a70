package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
)

func newCredentials(a *app) *cobra.Command {
	j := &job{app: a}
	var format string
	cmd := &cobra.Command{Use: "credentials --role ROLE", Short: "Print a role's credentials", Args: exactArgs(), Annotations: outputs("text"),
		Long: `credentials exchanges the job's ID token for the credentials of a role and prints
them:

  process      for credential_process in ~/.aws/config (the default)
  env          exports for sh, bash and zsh, with region, server and CA
  fish         the same for fish
  powershell   the same for PowerShell
  json         as STS answers

What is printed is a secret for as long as --duration. 'mayfly exec' shows it to
one command only, and renews it.`,
		Example: `  eval "$(mayfly credentials --role deployer --format env)"
  mayfly credentials --role deployer --format fish | source
  mayfly credentials --role deployer --format powershell | Out-String | Invoke-Expression

  [profile deployer]                        # in ~/.aws/config
  credential_process = mayfly credentials --role deployer`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show, ok := credentialFormats[format]
			if !ok {
				return &usageError{fmt.Errorf("--format %s: %s are known", format, inWords(slices.Sorted(maps.Keys(credentialFormats))))}
			}
			x, err := j.exchanger(cmd.Context())
			if err != nil {
				return err
			}
			s, err := x.exchange(cmd.Context())
			if err != nil {
				return err
			}
			return show(a, x, s)
		}}
	j.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "process", "`FORMAT`: process, env, fish, powershell or json")
	return cmd
}

// credentialFormats :: --format → how credentials are printed.
var credentialFormats = map[string]func(*app, *exchanger, client.Session) error{
	"process": func(a *app, _ *exchanger, s client.Session) error {
		return a.json(struct {
			Version                                                int
			AccessKeyId, SecretAccessKey, SessionToken, Expiration string
		}{1, s.Credentials.AccessKeyID, s.Credentials.SecretKey.Reveal(), s.Credentials.SessionToken, s.Expires.UTC().Format(time.RFC3339)})
	},
	"json": func(a *app, _ *exchanger, s client.Session) error {
		return a.json(map[string]any{"AssumedRoleUser": map[string]string{"Arn": s.ARN}, "Credentials": map[string]string{"AccessKeyId": s.Credentials.AccessKeyID,
			"SecretAccessKey": s.Credentials.SecretKey.Reveal(), "SessionToken": s.Credentials.SessionToken, "Expiration": s.Expires.UTC().Format(time.RFC3339)}})
	},
	"env":        inShell(func(name, value string) string { return "export " + name + "=" + quoteShell(value) }),
	"fish":       inShell(func(name, value string) string { return "set -gx " + name + " " + quoteFish(value) }),
	"powershell": inShell(func(name, value string) string { return "$env:" + name + " = " + quotePowerShell(value) }),
}

// inShell prints variables line by line. A value that a line cannot hold is
// refused: nobody's keys, URLs or paths have such.
func inShell(line func(name, value string) string) func(*app, *exchanger, client.Session) error {
	return func(a *app, x *exchanger, s client.Session) error {
		all, err := x.variables()
		if err != nil {
			return err
		}
		maps.Copy(all, staticVariables(s))
		var out strings.Builder
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if strings.ContainsFunc(all[name], func(c rune) bool { return c < ' ' || c == 0x7f }) {
				return errors.New("the value of " + name + " has control characters, which no shell is given")
			}
			out.WriteString(line(name, all[name]) + "\n")
		}
		_, err = fmt.Fprint(a.stdout, out.String())
		return err
	}
}

// quoteShell quotes for sh: in single quotes nothing means anything but the single
// quote (POSIX shell, "Single-Quotes").
func quoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// quoteFish quotes for fish: in single quotes a backslash goes before itself and the
// single quote (fish, "Quotes").
func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// quotePowerShell quotes for PowerShell: in single quotes a single quote is doubled,
// and four others are single quotes to it as well (PowerShell language specification
// §2.3.5.2, single-quote-character).
func quotePowerShell(text string) string {
	return "'" + strings.NewReplacer("'", "''", "\u2018", "\u2018\u2018", "\u2019", "\u2019\u2019", "\u201a", "\u201a\u201a", "\u201b", "\u201b\u201b").Replace(text) + "'"
}
