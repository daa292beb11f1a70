package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/eks"
)

func newAuthenticationConfig(a *app) *cobra.Command {
	var audience string
	cmd := &cobra.Command{Use: "authentication-config NAME", Short: "Print the configuration of an API server that takes Mayfly's tokens", Args: exactArgs("NAME"),
		Long: `authentication-config prints the AuthenticationConfiguration with which
kube-apiserver (1.34 or newer, --authentication-config) takes tokens that Mayfly
signs, without a webhook. The cluster need not be registered; its name makes the
audience of its tokens.

A token's user is "mayfly:" and the ARN of its session, its group "mayfly:" and
the ARN of its role: bind roles of the cluster's RBAC to the group. The job's
claims are in extra. The server and its CA are asked and used as this command is
told to reach them: the API server must reach the issuer at its public_url.`,
		Example: `  mayfly cluster authentication-config my-cluster > authentication-config.yaml
  kubectl create rolebinding deployers -n production --clusterrole edit \
      --group mayfly:arn:aws:iam::123456789012:role/gitlab-deployer`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !eks.IsClusterName(args[0]) {
				return &usageError{fmt.Errorf("%q is no cluster's name", args[0])}
			}
			wanted := firstOf(audience, kubernetesAudience(args[0]))
			if err := accesstoken.CheckAudience(wanted); err != nil {
				return &usageError{fmt.Errorf("--audience: %w", err)}
			}
			c, err := (&job{app: a}).unsigned()
			if err != nil {
				return err
			}
			m, err := c.Issuer(cmd.Context())
			if err != nil {
				return explain(err)
			}
			if !strings.HasPrefix(m.Issuer, "https://") {
				return hint(fmt.Errorf("the issuer is %s, and an API server takes none that is not https", m.Issuer), "set public_url in the server's configuration")
			}
			var ca []byte
			if file := a.serverCAFile(); file != "" {
				if ca, err = a.readFile(file, maxCAFile); err != nil {
					return fmt.Errorf("the server's CA: %w", err)
				}
			}
			config := authenticationConfig(m.Issuer, string(ca), wanted)
			if a.output == "json" {
				return a.json(config)
			}
			text, err := encodeYAML(config)
			if err != nil {
				return err
			}
			fmt.Fprint(a.stdout, text)
			if isLocal(m.Issuer) {
				fmt.Fprintf(a.stderr, "mayfly: hint: the issuer is %s: an API server on another machine cannot reach it; public_url in the server's configuration names one that it can\n", m.Issuer)
			}
			return nil
		}}
	cmd.Flags().StringVar(&audience, "audience", "", "`AUDIENCE` of the cluster's tokens (default kubernetes/NAME)")
	return cmd
}

// maxCAFile is how much of a file of CA certificates is read.
const maxCAFile = 1 << 20

func encodeYAML(v any) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := errors.Join(e.Encode(v), e.Close()); err != nil {
		return "", err
	}
	return out.String(), nil
}

// isLocal reports whether an issuer is one of this machine alone.
func isLocal(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
}

// The shapes of an AuthenticationConfiguration (Kubernetes, "Using Authentication
// Configuration").
type (
	authnConfig struct {
		APIVersion string     `json:"apiVersion" yaml:"apiVersion"`
		Kind       string     `json:"kind" yaml:"kind"`
		JWT        []authnJWT `json:"jwt" yaml:"jwt"`
	}
	authnJWT struct {
		Issuer   authnIssuer   `json:"issuer" yaml:"issuer"`
		Claims   []authnRule   `json:"claimValidationRules" yaml:"claimValidationRules"`
		Mappings authnMappings `json:"claimMappings" yaml:"claimMappings"`
		Users    []authnRule   `json:"userValidationRules" yaml:"userValidationRules"`
	}
	authnIssuer struct {
		URL       string   `json:"url" yaml:"url"`
		CA        string   `json:"certificateAuthority,omitempty" yaml:"certificateAuthority,omitempty"`
		Audiences []string `json:"audiences" yaml:"audiences"`
	}
	authnRule struct {
		Expression string `json:"expression" yaml:"expression"`
		Message    string `json:"message" yaml:"message"`
	}
	authnMappings struct {
		Username authnClaim   `json:"username" yaml:"username"`
		Groups   authnClaim   `json:"groups" yaml:"groups"`
		UID      authnUID     `json:"uid" yaml:"uid"`
		Extra    []authnExtra `json:"extra" yaml:"extra"`
	}
	authnClaim struct {
		Claim  string `json:"claim" yaml:"claim"`
		Prefix string `json:"prefix" yaml:"prefix"`
	}
	authnUID struct {
		Claim string `json:"claim" yaml:"claim"`
	}
	authnExtra struct {
		Key   string `json:"key" yaml:"key"`
		Value string `json:"valueExpression" yaml:"valueExpression"`
	}
)

// extraClaims are the claims that a cluster is told of beside the user, as far as a
// token has them: those that TokenReview gives it, and whose word they are.
var extraClaims = []string{"federated_issuer", "federated_subject", "project_path", "project_id", "namespace_id", "ref", "ref_type", "sha", "pipeline_id", "job_id", "user_id", "user_login", "environment"}

// authenticationConfig is the configuration of an API server that trusts an issuer
// for one audience. Nothing in a user or a group is the caller's choice but the end
// of the user's name; none can be Kubernetes' own.
func authenticationConfig(issuer, ca, audience string) authnConfig {
	const prefix = "mayfly:"
	j := authnJWT{
		Issuer: authnIssuer{URL: issuer, CA: ca, Audiences: []string{audience}},
		Claims: []authnRule{{fmt.Sprintf("claims.exp - claims.iat <= %d", int(accesstoken.MaxLife.Seconds())), "a token cannot be recalled, so it lives ten minutes at most"}},
		Mappings: authnMappings{
			Username: authnClaim{"sub", prefix}, Groups: authnClaim{"roles", prefix}, UID: authnUID{"sid"}, Extra: []authnExtra{},
		},
		Users: []authnRule{
			{`!user.username.startsWith("system:")`, "no user of Kubernetes' own"},
			{`user.groups.all(group, !group.startsWith("system:"))`, "no group of Kubernetes' own"},
		},
	}
	host := "mayfly"
	if u, err := url.Parse(issuer); err == nil && !strings.Contains(u.Hostname(), ":") { // an IPv6 address is no domain
		host = strings.ToLower(u.Hostname())
	}
	for _, claim := range extraClaims {
		j.Mappings.Extra = append(j.Mappings.Extra, authnExtra{host + "/" + claim, "has(claims." + claim + ") ? claims." + claim + ` : ""`})
	}
	return authnConfig{"apiserver.config.k8s.io/v1", "AuthenticationConfiguration", []authnJWT{j}}
}
