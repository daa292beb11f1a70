package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
)

// The variables by which exec tells its child where there are tokens that Mayfly
// signs for the cluster.
const (
	clusterTokenURI           = "MAYFLY_CLUSTER_TOKEN_URI"
	clusterTokenAuthorization = "MAYFLY_CLUSTER_TOKEN_AUTHORIZATION"
)

// kubernetesAudience is whom a token for a cluster is for, where nobody says
// otherwise (mayfly cluster authentication-config has the same).
func kubernetesAudience(cluster string) string { return "kubernetes/" + cluster }

// clusterJob is a job that wants tokens for a cluster, of which Mayfly signs those
// of jwt.
type clusterJob struct {
	job
	cluster  string
	jwt      bool
	audience string // of jwt
}

func (j *clusterJob) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&j.cluster, "cluster", "", "`NAME` of the cluster, as it is registered")
	f.BoolVar(&j.jwt, "jwt", false, "have Mayfly sign the token")
	f.StringVar(&j.role, "role", "", "name or ARN of the `ROLE` for which Mayfly signs (default $AWS_ROLE_ARN)")
	f.StringVar(&j.account, "account", "", "`ID` of the account of a role that is named without one (default $MAYFLY_ACCOUNT_ID, else the server's)")
	j.token.flags(cmd)
	j.token.signedIn = j.signedIn
	f.Lookup("audience").Usage = "`AUDIENCE` of the token that Mayfly signs (default kubernetes/NAME); implies --jwt"
}

// check refuses what goes with jwt where there is none.
func (j *clusterJob) check() error {
	if j.cluster == "" {
		return &usageError{errors.New("--cluster is missing")}
	}
	j.audience, j.token.audience = j.token.audience, "" // that of the ID token is Mayfly's
	j.jwt = j.jwt || j.audience != ""
	if !j.jwt && (j.token.given() || j.role != "" || j.account != "") {
		return &usageError{errors.New("--role, --account and an ID token go with --jwt")}
	}
	j.audience = firstOf(j.audience, kubernetesAudience(j.cluster))
	return nil
}

// clusterIssuer has Mayfly sign tokens for one audience and no other. It is safe for
// concurrent use: who asks at once waits for one exchange.
type clusterIssuer struct {
	job      *job
	audience string

	mu      sync.Mutex
	current client.IssuedToken
	fresh   time.Time // until then current is given out
}

// token is a token with at least a third of its life left.
func (i *clusterIssuer) token(ctx context.Context) (client.IssuedToken, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Now().Before(i.fresh) {
		return i.current, nil
	}
	t := i.job.token
	_, text, _, err := t.find()
	if err != nil {
		return client.IssuedToken{}, err
	}
	role, err := i.job.roleARN(ctx)
	if err != nil {
		return client.IssuedToken{}, err
	}
	issued, err := i.job.issue(ctx, role, i.audience, secret.New(text))
	if err != nil {
		return client.IssuedToken{}, err
	}
	i.current, i.fresh = issued, issued.Expires.Add(-time.Until(issued.Expires)/3)
	return issued, nil
}

// answer is what the endpoint says.
func (i *clusterIssuer) answer(ctx context.Context) (map[string]string, error) {
	t, err := i.token(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{"Audience": i.audience, "Token": t.Token.Reveal(), "Expiration": t.Expires.UTC().Format(time.RFC3339)}, nil
}

// signed is a token that Mayfly signs: what exec gives its child, or one for the ID
// token at hand.
func (k *kubeToken) signed(ctx context.Context) (token string, until time.Time, err error) {
	if k.profile != "" {
		return "", until, &usageError{errors.New("--profile: no credentials sign a token of Mayfly's own")}
	}
	if os.Getenv(clusterTokenURI) != "" && !k.job.named() {
		given, err := client.AskClusterToken(ctx, os.Getenv(clusterTokenURI), secret.New(os.Getenv(clusterTokenAuthorization)))
		if err != nil {
			return "", until, err
		}
		if given.Audience != k.audience {
			return "", until, hint(fmt.Errorf("mayfly exec gives tokens for %q, not for %q", given.Audience, k.audience), "it was told so with --cluster-audience")
		}
		return given.Token.Reveal(), given.Expires, nil
	}
	issued, err := (&clusterIssuer{job: &k.job, audience: k.audience}).token(ctx)
	return issued.Token.Reveal(), issued.Expires, err
}

// named reports whether a role or an ID token is named, and not just found.
func (j *job) named() bool {
	return j.role != "" || j.account != "" || j.token.file != "" || j.token.env != ""
}
