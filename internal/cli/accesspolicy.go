package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/wire/mayflywire"
)

func newAccessPolicy(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "access-policy", Short: "Make access policies of your own for access entries", Args: cobra.NoArgs,
		Example: "  mayfly access-policy create log-reader --rules log-reader.yaml",
		Long: `access-policy makes custom access policies, beside AWS's own. An access entry
gets one with 'aws eks associate-access-policy', in a namespace or the whole
cluster, as it gets AWS's; changes are in force at once.

The rules are those of a Kubernetes ClusterRole. Whoever may write a policy
gives all who have it what it holds.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newAccessPolicyCreate(a), newAccessPolicyUpdate(a), newAccessPolicyList(a), newAccessPolicyDescribe(a), newAccessPolicyDelete(a))
	return cmd
}

const rulesHelp = `FILE is YAML or JSON: a ClusterRole, an object with its rules alone, or the list
of rules itself; - is standard input. * stands for all verbs, groups or
resources, "*/scale" for that subresource of all; a non-resource URL may end in
*. In the scope of a namespace a policy never reaches what has none.`

func newAccessPolicyCreate(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{Use: "create NAME --rules FILE", Short: "Make a custom access policy", Args: exactArgs("NAME"), Long: "create makes a custom access policy.\n\n" + rulesHelp,
		Example: `  mayfly access-policy create log-reader --rules log-reader.yaml
  kubectl get clusterrole view -o yaml | mayfly access-policy create our-view --rules -
  mayfly access-policy describe AmazonEKSEditPolicy > mine.yaml   # a beginning, to edit`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.writeAccessPolicy(cmd.Context(), path, func(ctx context.Context, c *client.Client, rules []mayflywire.Rule) (mayflywire.AccessPolicy, error) {
				return c.CreateAccessPolicy(ctx, mayflywire.CreateAccessPolicy{Name: args[0], Rules: rules})
			})
		}}
	cmd.Flags().StringVar(&path, "rules", "", "YAML or JSON `FILE` of the rules; - is standard input")
	return cmd
}

func newAccessPolicyUpdate(a *app) *cobra.Command {
	var path string
	cmd := &cobra.Command{Use: "update NAME --rules FILE", Short: "Give a custom access policy other rules, for all who have it", Args: exactArgs("NAME"),
		Long:    "update puts other rules in the place of a custom access policy's, in force at\nonce for every access entry that has it.\n\n" + rulesHelp,
		Example: "  mayfly access-policy update log-reader --rules log-reader.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.writeAccessPolicy(cmd.Context(), path, func(ctx context.Context, c *client.Client, rules []mayflywire.Rule) (mayflywire.AccessPolicy, error) {
				return c.UpdateAccessPolicy(ctx, args[0], mayflywire.UpdateAccessPolicy{Rules: rules})
			})
		}}
	cmd.Flags().StringVar(&path, "rules", "", "YAML or JSON `FILE` of the rules; - is standard input")
	return cmd
}

// writeAccessPolicy reads the rules, sends them, and says what came of it.
func (a *app) writeAccessPolicy(ctx context.Context, path string, write func(context.Context, *client.Client, []mayflywire.Rule) (mayflywire.AccessPolicy, error)) error {
	if path == "" {
		return &usageError{errors.New("--rules is missing")}
	}
	rules, note, err := a.readRules(path)
	if err != nil {
		return fmt.Errorf("the rules: %w", err)
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	p, err := write(ctx, c, rules)
	if err != nil {
		return explain(err)
	}
	if a.output == "json" {
		err = a.json(p)
	} else {
		_, err = fmt.Fprintln(a.stdout, p.ARN)
	}
	if note != "" {
		fmt.Fprintf(a.stderr, "mayfly: %s\n", note)
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(a.stderr, "mayfly: warning: %s\n", w)
	}
	return err
}

// maxRulesFile bounds what is read of a file; the server takes less.
const maxRulesFile = 1 << 20

func (a *app) readRules(path string) ([]mayflywire.Rule, string, error) {
	data, err := a.readFile(path, maxRulesFile)
	if err != nil {
		return nil, "", err
	}
	rules, note, err := parseRules(data)
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return rules, note, nil
}

func newAccessPolicyList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the access policies, AWS's own and the custom ones", Args: exactArgs(),
		Example: "  mayfly access-policy list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.AccessPolicies(cmd.Context())
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(mayflywire.AccessPolicies{AccessPolicies: list})
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tKIND\tENTRIES\tMODIFIED")
			for _, p := range list {
				kind, modified := "AWS", "-"
				if !p.BuiltIn {
					kind, modified = "custom", p.ModifiedAt.UTC().Format(time.RFC3339)
				}
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", p.Name, kind, p.Entries, modified)
			}
			return w.Flush()
		}}
}

func newAccessPolicyDescribe(a *app) *cobra.Command {
	return &cobra.Command{Use: "describe NAME", Short: "Show an access policy's rules, in the form that create and update take", Args: exactArgs("NAME"),
		Example: "  mayfly access-policy describe AmazonEKSEditPolicy > mine.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p, err := c.AccessPolicy(cmd.Context(), args[0])
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(p)
			}
			rules, err := formatRules(p.Rules)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "# %s\n", p.ARN)
			if p.BuiltIn {
				fmt.Fprintln(a.stdout, "# AWS's own")
			} else {
				fmt.Fprintf(a.stdout, "# made %s, modified %s\n", p.CreatedAt.UTC().Format(time.RFC3339), p.ModifiedAt.UTC().Format(time.RFC3339))
			}
			_, err = fmt.Fprintf(a.stdout, "# access entries that have it: %d\n%s", p.Entries, rules)
			return err
		}}
}

func newAccessPolicyDelete(a *app) *cobra.Command {
	return &cobra.Command{Use: "delete NAME", Short: "Delete a custom access policy that no access entry has", Args: exactArgs("NAME"),
		Example: "  mayfly access-policy delete log-reader",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.DeleteAccessPolicy(cmd.Context(), args[0]); err != nil {
				return explain(err)
			}
			fmt.Fprintf(a.stderr, "mayfly: %s is deleted\n", args[0])
			return nil
		}}
}
