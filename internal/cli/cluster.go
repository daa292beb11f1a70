package cli

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/wire/mayflywire"
)

func newCluster(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "cluster", Short: "Register clusters and connect their API servers", Args: cobra.NoArgs,
		Example: "  mayfly cluster list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newClusterRegister(a), newClusterList(a), newClusterDescribe(a), newClusterDeregister(a), newWebhookConfig(a), newAuthenticationConfig(a))
	return cmd
}

func newClusterRegister(a *app) *cobra.Command {
	var in mayflywire.Cluster
	var caFile string
	var age time.Duration
	cmd := &cobra.Command{Use: "register NAME --endpoint URL --ca-file FILE --region REGION", Short: "Make a cluster known", Args: exactArgs("NAME"),
		Long: `register makes a cluster known to the server, under a name that no other cluster
of it has, whatever the region. Then 'mayfly cluster webhook-config' prints what
the cluster's API server needs.

Identities come from access entries (API), from the aws-auth ConfigMap
(CONFIG_MAP), or from both, access entries first (API_AND_CONFIG_MAP).`,
		Example: `  mayfly cluster register my-cluster --endpoint https://10.0.0.5:6443 --ca-file ca.crt \
      --region eu-central-1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			for _, f := range [][2]string{{"endpoint", in.Endpoint}, {"ca-file", caFile}} {
				if f[1] == "" {
					return &usageError{fmt.Errorf("--%s is missing", f[0])}
				}
			}
			in.Region = firstOf(a.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"))
			if in.Region == "" {
				return &usageError{errors.New("--region is missing")}
			}
			ca, err := os.ReadFile(caFile)
			if err != nil {
				return fmt.Errorf("the cluster's CA: %w", err)
			}
			if !x509.NewCertPool().AppendCertsFromPEM(ca) {
				return fmt.Errorf("the cluster's CA: %s holds no PEM certificate", caFile)
			}
			in.CA, in.BearerMaxAge = string(ca), age.String()
			c, err := a.client()
			if err != nil {
				return err
			}
			out, err := c.RegisterCluster(cmd.Context(), in)
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(out)
			}
			fmt.Fprintf(a.stdout, "%s\n", out.ARN)
			fmt.Fprintf(a.stderr, "mayfly: registered %s; next: mayfly cluster webhook-config %s --out DIR\n", out.Name, out.Name)
			return nil
		}}
	f := cmd.Flags()
	f.StringVar(&in.Endpoint, "endpoint", "", "https `URL` of the cluster's API server")
	f.StringVar(&caFile, "ca-file", "", "PEM `FILE` of the CA that vouches for the cluster's API server")
	f.StringVar(&in.AuthenticationMode, "authentication-mode", "API", "`MODE`, where identities come from: API, API_AND_CONFIG_MAP or CONFIG_MAP")
	f.StringSliceVar(&in.TrustAWSAccounts, "trust-aws-account", nil, "real AWS `ACCOUNT` whose STS is believed for this cluster (repeatable)")
	f.DurationVar(&age, "bearer-max-age", 15*time.Minute, "how `OLD` a bearer token may be")
	complete(cmd, "authentication-mode", "API", "API_AND_CONFIG_MAP", "CONFIG_MAP")
	return cmd
}

func newClusterList(a *app) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "List the registered clusters", Args: exactArgs(),
		Example: "  mayfly cluster list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.Clusters(cmd.Context())
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(mayflywire.Clusters{Clusters: list})
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tREGION\tMODE\tENDPOINT")
			for _, k := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.Name, k.Region, k.AuthenticationMode, k.Endpoint)
			}
			return w.Flush()
		}}
}

func newClusterDescribe(a *app) *cobra.Command {
	return &cobra.Command{Use: "describe NAME", Short: "Show a cluster", Args: exactArgs("NAME"),
		Example: "  mayfly cluster describe my-cluster -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			k, err := c.Cluster(cmd.Context(), args[0])
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(k)
			}
			w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
			for _, row := range [][2]string{{"Name", k.Name}, {"ARN", k.ARN}, {"ID", k.ID}, {"Region", k.Region}, {"Endpoint", k.Endpoint}, {"Authentication mode", k.AuthenticationMode},
				{"Bearer token age", k.BearerMaxAge}, {"Trusted AWS accounts", firstOf(strings.Join(k.TrustAWSAccounts, ", "), "none")}, {"Registered", k.CreatedAt.UTC().Format(time.RFC3339)}} {
				fmt.Fprintf(w, "%s:\t%s\n", row[0], row[1])
			}
			return w.Flush()
		}}
}

func newClusterDeregister(a *app) *cobra.Command {
	return &cobra.Command{Use: "deregister NAME", Short: "Forget a cluster, its access entries and its webhook's certificate", Args: exactArgs("NAME"),
		Example: "  mayfly cluster deregister my-cluster",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.DeregisterCluster(cmd.Context(), args[0]); err != nil {
				return explain(err)
			}
			fmt.Fprintf(a.stderr, "mayfly: %s is deregistered; its API server's webhook calls are refused from now on\n", args[0])
			return nil
		}}
}

func newWebhookConfig(a *app) *cobra.Command {
	var dir string
	var rbac bool
	cmd := &cobra.Command{Use: "webhook-config NAME", Short: "Issue what the cluster's API server needs to ask this server", Args: exactArgs("NAME"),
		Long: `webhook-config issues a client certificate for the cluster's API server and
writes three files: the kubeconfigs of the authentication and the authorization
webhook, and the AuthorizationConfiguration. With --out it writes them into a
directory (mode 0600) and prints the flags of kube-apiserver; without, it prints
all of it.

The certificate's key is made for this answer and kept nowhere. Run it again to
renew it.`,
		Example: `  mayfly cluster webhook-config my-cluster --out /etc/kubernetes/mayfly
  mayfly cluster webhook-config my-cluster --rbac | kubectl apply -f -   # without the authorizer`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if rbac {
				if dir != "" {
					return &usageError{errors.New("--rbac is printed and takes no --out")}
				}
				_, err := fmt.Fprint(a.stdout, readerRole)
				return err
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			w, err := c.WebhookConfig(cmd.Context(), args[0])
			if err != nil {
				return explain(err)
			}
			if a.output == "json" {
				return a.json(w)
			}
			at := firstOf(dir, "/etc/kubernetes/mayfly")
			if at, err = filepath.Abs(at); err != nil {
				return err
			}
			files := webhookFiles(w, at)
			if dir == "" {
				for _, f := range files {
					fmt.Fprintf(a.stdout, "# %s\n%s---\n", filepath.Join(at, f.name), f.text)
				}
				fmt.Fprint(a.stdout, apiServerFlags(at))
				return nil
			}
			if err := os.MkdirAll(at, 0o700); err != nil {
				return err
			}
			for _, f := range files {
				if err := replaceFile(filepath.Join(at, f.name), f.text); err != nil {
					return err
				}
			}
			fmt.Fprint(a.stdout, apiServerFlags(at))
			fmt.Fprintf(a.stderr, "mayfly: wrote %d files to %s; the certificate is good until %s\n", len(files), at, w.Expires.UTC().Format("2006-01-02"))
			return nil
		}}
	cmd.Flags().StringVar(&dir, "out", "", "`DIR` to write the files to")
	cmd.Flags().BoolVar(&rbac, "rbac", false, "print only the Role that lets Mayfly read aws-auth where its authorizer is not used")
	return cmd
}
