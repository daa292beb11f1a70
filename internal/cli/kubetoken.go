package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/webclient"
	"mayfly.internal/internal/wire/kubewire"
)

func newKubeToken(a *app) *cobra.Command {
	k := &kubeToken{clusterJob: clusterJob{job: job{app: a}}}
	cmd := &cobra.Command{Use: "kube-token --cluster NAME", Short: "Print a token for a cluster, as kubectl asks for one", Args: exactArgs(), Annotations: outputs("text", "json"),
		Long: `kube-token is a credential plugin of kubectl and of whatever else reads a
kubeconfig: it prints an ExecCredential, in the version that
KUBERNETES_EXEC_INFO asks for. The token is the one that 'aws eks get-token' makes:
a presigned question to STS who the caller is, good for a quarter of an hour and
for this cluster alone. Nobody is asked for it.

It signs with the credentials in AWS_ACCESS_KEY_ID and its like, with those that
'mayfly exec' or a container gives, or with those of a profile.

With --jwt the token is one that Mayfly signs, for a cluster that trusts it as
'mayfly cluster authentication-config' says. 'mayfly exec' gives it to its
command; elsewhere the ID token is exchanged for one of --role.`,
		Example: `  mayfly kube-token --cluster my-cluster
  mayfly kube-token --cluster my-cluster --profile production
  mayfly kube-token --cluster my-cluster --jwt --role deployer`,
		RunE: func(cmd *cobra.Command, _ []string) error { return k.run(cmd.Context()) }}
	f := cmd.Flags()
	f.StringVar(&a.profile, "profile", "", "`NAME` of the profile in ~/.aws whose credentials sign")
	k.flags(cmd)
	return cmd
}

// kubeToken is what kube-token is asked.
type kubeToken struct{ clusterJob }

func (k *kubeToken) run(ctx context.Context) error {
	if err := k.check(); err != nil {
		return err
	}
	version, err := kubewire.DecodeExecInfo(os.Getenv("KUBERNETES_EXEC_INFO"))
	if err != nil {
		return hint(fmt.Errorf("KUBERNETES_EXEC_INFO: %w", err), "the apiVersion of the exec plugin in the kubeconfig is what kubectl puts there; mayfly kubeconfig writes one that is known")
	}
	ask := k.presigned
	if k.jwt {
		ask = k.signed
	}
	token, until, err := ask(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(k.stdout, "%s\n", kubewire.EncodeExecCredential(version, token, until))
	return err
}

// What a token of EKS is made of (aws eks get-token; aws-iam-authenticator
// pkg/token): STS takes it for a quarter of an hour, whatever it says itself.
const (
	clusterHeader = "x-k8s-aws-id"
	presignedLife = time.Minute
	bearerLife    = 14 * time.Minute
)

// presigned makes a token as EKS has it.
func (k *kubeToken) presigned(ctx context.Context) (token string, until time.Time, err error) {
	p, err := k.signer(ctx)
	if err != nil {
		return "", until, err
	}
	region := firstOf(k.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), p.Region)
	if region == "" {
		return "", until, hint(&usageError{errors.New("no region is named")}, "name it with --region or AWS_REGION")
	}
	server := firstOf(k.server, os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL"), "https://sts."+region+".amazonaws.com")
	now := time.Now()
	if token, err = bearer(server, k.cluster, region, p.Credentials, now); err != nil {
		return "", until, err
	}
	until = now.Add(bearerLife)
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires // the credentials are renewed before that
	}
	return token, until, nil
}

// bearer is the token of EKS for a cluster: byte for byte what aws eks get-token
// makes at the same second.
func bearer(server, cluster, region string, c sigv4.Credentials, now time.Time) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return "", &usageError{fmt.Errorf("%q is no URL of a server, such as https://mayfly.example.com", webclient.Named(server))}
	}
	path := firstOf(u.EscapedPath(), "/")
	r := sigv4.Request{Method: "GET", Host: signedHost(u), Path: path, RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: clusterHeader, Value: cluster}}}
	query, err := sigv4.Presign(r, c, region, "sts", presignedLife, now)
	if err != nil {
		return "", err
	}
	return kubewire.EncodeBearer(u.Scheme + "://" + u.Host + path + "?" + tokenLast(query)), nil
}

// signedHost is the Host of a request: without the port that goes without saying.
func signedHost(u *url.URL) string {
	if u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80" {
		return strings.TrimSuffix(u.Host, ":"+u.Port())
	}
	return u.Host
}

// tokenLast has the session token stand where AWS's own client puts it: behind the
// signed headers. The order means nothing, but tokens can be compared.
func tokenLast(query string) string {
	const name, signed = "&X-Amz-Security-Token=", "&X-Amz-Signature="
	at := strings.Index(query, name)
	if at < 0 {
		return query
	}
	token, rest := query[at:], ""
	if end := strings.IndexByte(token[1:], '&'); end >= 0 {
		token, rest = token[:end+1], token[end+1:]
	}
	before, signature, _ := strings.Cut(rest, signed)
	return query[:at] + before + token + signed + signature
}

// signer is who signs: --profile, the environment's credentials, AWS_PROFILE, a
// container's credentials, the default profile, in the order of AWS's own clients.
func (a *app) signer(ctx context.Context) (client.Profile, error) {
	named := os.Getenv("AWS_PROFILE") != ""
	if a.profile == "" && os.Getenv("AWS_ACCESS_KEY_ID") == "" && (named || !client.HasContainerCredentials(os.Getenv)) {
		a.profile = firstOf(os.Getenv("AWS_PROFILE"), "default")
	} else {
		named = true
	}
	p, err := a.credentials(ctx)
	if errors.Is(err, client.ErrNoProfile) && !named {
		err = hint(errors.New("there are no credentials"), "mayfly exec --role ROLE -- COMMAND gives a command some; else AWS_ACCESS_KEY_ID and its like, or --profile")
	}
	return p, err
}
