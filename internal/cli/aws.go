package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// awsFlags adds the flags of a verb that can ask AWS itself as well.
func (a *app) awsFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&a.askAWS, "aws", false, "ask AWS itself, not a Mayfly server")
	f.StringVar(&a.profile, "profile", "", "`NAME` of the profile in ~/.aws whose credentials sign; without --server it asks AWS itself")
}

// realAWS reports whether AWS itself is meant, not a Mayfly server.
func (a *app) realAWS() bool { return a.askAWS || a.profile != "" && a.server == "" }

// aws is the client for the IAM, STS and EKS that are meant.
func (a *app) aws(ctx context.Context) (*client.AWS, error) {
	c, err := a.awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	c.Region = firstOf(c.Region, "us-east-1")
	return newAWS(c)
}

func newAWS(c client.AWSConfig) (*client.AWS, error) {
	out, err := client.NewAWS(c)
	if err != nil {
		return nil, &usageError{err}
	}
	return out, nil
}

// awsConfig says which IAM, STS and EKS are meant, and as whom. The region is
// empty where nobody names one.
func (a *app) awsConfig(ctx context.Context) (client.AWSConfig, error) {
	if err := a.oneServer(); err != nil {
		return client.AWSConfig{}, err
	}
	p, err := a.credentials(ctx)
	if err != nil {
		return client.AWSConfig{}, err
	}
	return a.awsConfigOf(p)
}

// oneServer refuses two servers that are meant at once.
func (a *app) oneServer() error {
	if a.askAWS && a.server != "" {
		return &usageError{errors.New("--server names a Mayfly server, and --aws means AWS itself")}
	}
	return nil
}

// awsConfigOf is awsConfig for credentials that are at hand, or for none.
func (a *app) awsConfigOf(p client.Profile) (client.AWSConfig, error) {
	c := client.AWSConfig{Config: client.Config{Region: firstOf(a.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), p.Region), CAFile: firstOf(a.serverCAFile(), p.CAFile),
		Credentials: p.Credentials, UserAgent: "mayfly/" + Version}}
	if !client.IsRegion(c.Region) {
		return client.AWSConfig{}, &usageError{fmt.Errorf("%q is no region, such as eu-central-1", c.Region)}
	}
	if !a.realAWS() {
		var err error
		c.Endpoint, err = a.serverURL()
		return c, err
	}
	// Whoever set this means another server, and its credentials are not AWS's.
	if other := os.Getenv("AWS_ENDPOINT_URL"); other != "" {
		return client.AWSConfig{}, hint(&usageError{fmt.Errorf("AWS itself is meant, and AWS_ENDPOINT_URL is %s", other)}, "unset AWS_ENDPOINT_URL, and AWS_CA_BUNDLE with it; or name a Mayfly server with --server")
	}
	if p.Endpoint != "" {
		return client.AWSConfig{}, hint(&usageError{fmt.Errorf("AWS itself is meant, and the profile has %s", p.Endpoint)}, "if that is a Mayfly server, name it with --server; else set AWS_ENDPOINT_URL_IAM, _STS and _EKS")
	}
	c.IAM, c.STS, c.EKS = os.Getenv("AWS_ENDPOINT_URL_IAM"), os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL_EKS")
	return c, nil
}

// credentials are what signs, and what a profile says besides: --profile's, the
// environment's, a container's, or, for AWS itself, those of AWS_PROFILE or the default profile.
func (a *app) credentials(ctx context.Context) (client.Profile, error) {
	if a.profile == "" {
		p, err := environmentCredentials(ctx)
		if err != nil || p.Credentials.AccessKeyID != "" || !a.realAWS() {
			return p, err
		}
	}
	name := firstOf(a.profile, os.Getenv("AWS_PROFILE"), "default")
	p, err := client.LoadProfile(ctx, client.FindProfileFiles(os.Getenv), name, time.Now())
	if err == nil {
		return p, nil
	}
	if _, ok := errors.AsType[*client.UnsupportedError](err); ok {
		return p, hint(err, fmt.Sprintf("eval \"$(aws configure export-credentials --profile %s --format env)\", then --aws instead of --profile", name))
	}
	if errors.Is(err, client.ErrNoProfile) && a.profile == "" {
		return p, hint(err, "there are no credentials in AWS_ACCESS_KEY_ID either", "name a profile with --profile")
	}
	return p, err
}

// environmentCredentials are those that the environment holds, or those of the
// endpoint that it names; none is no error.
func environmentCredentials(ctx context.Context) (client.Profile, error) {
	id := os.Getenv("AWS_ACCESS_KEY_ID")
	if id == "" && client.HasContainerCredentials(os.Getenv) {
		p, err := client.ContainerCredentials(ctx, os.Getenv)
		if errors.Is(err, syscall.ECONNREFUSED) {
			err = hint(err, "AWS_CONTAINER_CREDENTIALS_FULL_URI names them; those of mayfly exec end with its command")
		}
		return p, err
	}
	if id != "" && os.Getenv("AWS_SECRET_ACCESS_KEY") == "" {
		return client.Profile{}, errors.New("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")
	}
	p := client.Profile{Credentials: sigv4.Credentials{AccessKeyID: id, SecretKey: secret.New(os.Getenv("AWS_SECRET_ACCESS_KEY")), SessionToken: os.Getenv("AWS_SESSION_TOKEN")}}
	if at, err := time.Parse(time.RFC3339, os.Getenv("AWS_CREDENTIAL_EXPIRATION")); err == nil {
		p.Expires = at
	}
	return p, nil
}
