package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/wire/ekswire"
)

// execution is what exec is asked.
type execution struct {
	job
	static    bool
	cluster   string
	namespace string
	jwt       bool
	audience  string // of jwt
}

func newExec(a *app) *cobra.Command {
	x := &execution{job: job{app: a}}
	cmd := &cobra.Command{Use: "exec [flags] -- COMMAND [ARGUMENT…]", Short: "Run a command with a role's credentials, for as long as it takes", Args: atLeastArgs("COMMAND"), Annotations: outputs("text"),
		Long: `exec exchanges the job's ID token for the credentials of a role and runs a
command with them. The command's environment does not hold the ID token, nor
other credentials of AWS's; its signals, streams and exit status are passed
through.

The command asks for its credentials on loopback, as AWS's SDKs do in containers,
and gets new ones for as long as the ID token lives, however short they live
themselves. With --static they stand in AWS_ACCESS_KEY_ID and its like, for
programs that know nothing else, and end after --duration.

With --cluster the command finds a kubeconfig for that cluster, whose tokens this
program makes: kubectl and helm need nothing else. They are those of EKS, for a
cluster whose API server asks Mayfly's webhook; with --cluster-jwt they are
Mayfly's own, for one that 'mayfly cluster authentication-config' has set up.

With --aws all of it is asked of AWS itself.`,
		Example: `  mayfly exec --role deployer -- terraform apply
  mayfly exec --role deployer --cluster my-cluster --namespace web -- kubectl apply -f web.yaml
  mayfly exec --role deployer --static --duration 1h -- ./old-program`,
		RunE: func(cmd *cobra.Command, args []string) error { return x.run(cmd.Context(), args) }}
	x.flags(cmd)
	f := cmd.Flags()
	f.SetInterspersed(false) // flags behind the command are its own
	f.BoolVar(&x.static, "static", false, "put the credentials into the environment, where nothing renews them")
	f.StringVar(&x.cluster, "cluster", "", "`NAME` of the cluster for which there is a kubeconfig")
	f.StringVar(&x.namespace, "namespace", "", "`NAMESPACE` that the kubeconfig names")
	f.BoolVar(&x.jwt, "cluster-jwt", false, "have Mayfly sign the tokens for the cluster, for the audience kubernetes/NAME")
	f.StringVar(&x.audience, "cluster-audience", "", "`AUDIENCE` of the tokens that Mayfly signs for the cluster; implies --cluster-jwt")
	return cmd
}

func (x *execution) run(ctx context.Context, argv []string) error {
	if err := x.checkCluster(); err != nil {
		return err
	}
	ex, err := x.exchanger(ctx)
	if err != nil {
		return err
	}
	hideMemory()
	caught, release := catchSignals()
	defer release()
	s, err := ex.exchange(ctx)
	if err != nil {
		return err
	}
	dir, err := privateDir("mayfly-exec-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	env, err := x.childEnvironment(ex, dir)
	if err != nil {
		return err
	}
	if x.cluster != "" {
		if env["KUBECONFIG"], err = x.writeKubeconfig(ctx, ex, s, dir); err != nil {
			return err
		}
	}
	if x.static {
		maps.Copy(env, staticVariables(s))
	}
	if !x.static || x.jwt {
		e, err := x.serve(context.WithoutCancel(ctx), ex, s) // the child may need it to clean up
		if err != nil {
			return err
		}
		defer e.close()
		maps.Copy(env, x.endpointVariables(e))
	}
	if ctx.Err() != nil {
		return errNotStarted
	}
	_, token, where, err := x.token.find()
	if err != nil {
		return err
	}
	return child{argv, environment(os.Environ(), x.hidden(token, where), env)}.run(x.app, caught)
}

// checkCluster refuses what goes with a cluster where there is none.
func (x *execution) checkCluster() error {
	x.jwt = x.jwt || x.audience != ""
	switch {
	case x.namespace != "" && x.cluster == "":
		return &usageError{errors.New("--namespace goes with --cluster")}
	case x.jwt && x.cluster == "":
		return &usageError{errors.New("--cluster-jwt and --cluster-audience go with --cluster")}
	case x.jwt && x.realAWS():
		return &usageError{errors.New("AWS signs no tokens for clusters: --cluster-jwt and --cluster-audience go with a Mayfly server")}
	}
	x.audience = firstOf(x.audience, kubernetesAudience(x.cluster))
	return nil
}

// endpointVariables tell the child what to ask, and how.
func (x *execution) endpointVariables(e *endpoint) map[string]string {
	out := map[string]string{}
	if !x.static {
		out["AWS_CONTAINER_CREDENTIALS_FULL_URI"], out["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = e.url(credentialsPath), e.token.Reveal()
	}
	if x.jwt {
		out[clusterTokenURI], out[clusterTokenAuthorization] = e.url(clusterTokenPath), e.token.Reveal()
	}
	return out
}

// serve answers the child's questions and renews what it is given. It ends with
// the endpoint.
func (x *execution) serve(ctx context.Context, ex *exchanger, s client.Session) (*endpoint, error) {
	ctx, stop := context.WithCancel(ctx)
	r := newRenewer(s, ex.exchange, func(err error) { Report("mayfly", x.notRenewed(err), x.stderr) })
	answers := map[string]answer{}
	if !x.static {
		answers[credentialsPath] = func(asked context.Context) (map[string]string, error) {
			s, err := r.session(asked, ctx)
			return containerCredentials(s), err
		}
	}
	if x.jwt {
		issuer := &clusterIssuer{job: &x.job, audience: x.audience}
		answers[clusterTokenPath] = func(context.Context) (map[string]string, error) { return issuer.answer(ctx) }
	}
	e, err := newEndpoint(answers, stop)
	if err != nil {
		stop()
		return nil, err
	}
	if !x.static {
		go r.run(ctx)
	}
	return e, nil
}

// notRenewed says why a child will soon be without credentials.
func (x *execution) notRenewed(err error) error {
	if !tokenEnded(err) {
		return fmt.Errorf("the credentials are not renewed: %w", err)
	}
	token, _, where, wrong := x.token.find()
	ended := "has ended"
	if at := tokenEnds(token); wrong == nil && !at.IsZero() {
		ended = "ended at " + at.UTC().Format(time.RFC3339)
	}
	return hint(fmt.Errorf("the ID token of %s %s, so there are no new credentials: %w", firstOf(where, "the job"), ended, err), "a job's token lives as long as the job may run: its timeout")
}

// removedVariables are those by which AWS's clients would find other credentials,
// or the way to them, before or instead of ours.
var removedVariables = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION",
	"AWS_ACCESS_KEY", "AWS_SECRET_KEY", // older names of the SDKs for Go and Java
	"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CREDENTIAL_FILE", "AWS_ACCOUNT_ID",
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME",
	"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	clusterTokenURI, clusterTokenAuthorization,
}

// otherServers are the variables that name another server than AWS_ENDPOINT_URL
// for what Mayfly answers, or none.
var otherServers = []string{"AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_EKS", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"}

// hidden are the variables that a child does not see: those that lead to the ID
// token, whatever their name, and those that lead to other credentials.
func (x *execution) hidden(token, where string) func(name, value string) bool {
	list := removedVariables
	if x.realAWS() {
		list = append(slices.Clone(list), "MAYFLY_SERVER")
	} else {
		list = append(slices.Clone(list), otherServers...)
	}
	return func(name, value string) bool {
		return leadsToToken(value, token, where) || slices.ContainsFunc(list, func(removed string) bool { return sameVariable(removed, name) })
	}
}

// childEnvironment is what a child is told of the server, and files of AWS's own
// clients that are empty: a profile in theirs would come before what it is given.
func (x *execution) childEnvironment(ex *exchanger, dir string) (map[string]string, error) {
	env, err := ex.variables()
	if err != nil {
		return nil, err
	}
	env["AWS_EC2_METADATA_DISABLED"] = "true"
	for name, file := range map[string]string{"AWS_CONFIG_FILE": "config", "AWS_SHARED_CREDENTIALS_FILE": "credentials"} {
		env[name] = filepath.Join(dir, file)
		if err := os.WriteFile(env[name], nil, 0o600); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// staticVariables are the credentials of a session as variables.
func staticVariables(s client.Session) map[string]string {
	return map[string]string{"AWS_ACCESS_KEY_ID": s.Credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY": s.Credentials.SecretKey.Reveal(), "AWS_SESSION_TOKEN": s.Credentials.SessionToken,
		"AWS_CREDENTIAL_EXPIRATION": s.Expires.UTC().Format(time.RFC3339)}
}

// writeKubeconfig writes a kubeconfig of the cluster and gives its path.
func (x *execution) writeKubeconfig(ctx context.Context, ex *exchanger, s client.Session, dir string) (string, error) {
	c := ex.config
	c.Credentials = s.Credentials
	k, err := describeCluster(ctx, c, x.cluster)
	if err != nil {
		return "", err
	}
	plugin, err := kubeTokenPlugin(k, "")
	if err != nil {
		return "", err
	}
	if x.jwt {
		plugin.Args = append(plugin.Args, "--jwt", "--audience", x.audience)
	}
	text, err := mergeKubeconfig(nil, kubeEntries{cluster: k, user: k.ARN, context: k.ARN, namespace: x.namespace, plugin: plugin})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "kubeconfig")
	return path, os.WriteFile(path, text, 0o600)
}

// describeCluster asks for a cluster that can be reached.
func describeCluster(ctx context.Context, c client.AWSConfig, name string) (ekswire.Cluster, error) {
	aws, err := newAWS(c)
	if err != nil {
		return ekswire.Cluster{}, err
	}
	k, err := aws.Cluster(ctx, name)
	if e, ok := errors.AsType[*client.Error](err); ok && e.Code == "ResourceNotFoundException" {
		return k, hint(err, "clusters are asked for in the region "+c.Region+"; --region names another")
	}
	if err != nil {
		return k, explain(err)
	}
	if k.Status != "ACTIVE" && k.Status != "UPDATING" {
		return ekswire.Cluster{}, fmt.Errorf("the cluster %s is %s", name, plain(k.Status))
	}
	return k, nil
}
