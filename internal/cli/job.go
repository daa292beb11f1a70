package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/client"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/webidentity"
	"mayfly.internal/internal/wire/stswire"
)

// job is a job that asks for a role's credentials with its ID token: which
// server, which role and which token are meant.
type job struct {
	*app
	token    idToken
	role     string
	account  string
	session  string
	duration time.Duration
}

// What STS gives (STS API, AssumeRoleWithWebIdentity).
const (
	leastDuration = 15 * time.Minute
	mostDuration  = 12 * time.Hour
)

func (j *job) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&j.askAWS, "aws", false, "ask AWS itself, not a Mayfly server")
	f.StringVar(&j.role, "role", "", "name or ARN of the `ROLE` (default $AWS_ROLE_ARN)")
	f.StringVar(&j.account, "account", "", "`ID` of the account of a role that is named without one (default $MAYFLY_ACCOUNT_ID, else the server's)")
	f.StringVar(&j.session, "role-session-name", "", "`NAME` of the role session (default: project, pipeline and job of the ID token)")
	f.DurationVar(&j.duration, "duration", leastDuration, "how `LONG` credentials live: 15m to 12h, and no longer than the role allows")
	j.token.flags(cmd)
	j.token.signedIn = j.signedIn
}

// check refuses a call that no server could answer.
func (j *job) check() error {
	if j.duration < leastDuration || j.duration > mostDuration || j.duration%time.Second != 0 {
		return &usageError{fmt.Errorf("--duration %s: whole seconds from 15m to 12h are wanted", j.duration)}
	}
	if j.session != "" && (len(j.session) < 2 || !arn.IsName(j.session, maxSessionName)) {
		return &usageError{fmt.Errorf("--role-session-name %q: 2 to %d of the characters A-Za-z0-9+=,.@_- are wanted", j.session, maxSessionName)}
	}
	return j.oneServer()
}

// config says which STS and EKS are meant, unsigned. Where nobody names a region
// it is a Mayfly server's own.
func (j *job) config(ctx context.Context) (client.AWSConfig, error) {
	c, err := j.awsConfigOf(client.Profile{})
	if err != nil || c.Region != "" {
		return c, err
	}
	if j.realAWS() {
		return c, hint(&usageError{errors.New("no region is named")}, "name it with --region or AWS_REGION")
	}
	c.Region, _, err = j.ofServer(ctx)
	return c, err
}

// ofServer is what a Mayfly server says of itself.
func (j *job) ofServer(ctx context.Context) (region, account string, err error) {
	c, err := j.unsigned()
	if err != nil {
		return "", "", err
	}
	s, err := c.Server(ctx)
	return s.Region, s.Account, explain(err)
}

// unsigned is the client of a Mayfly server for what needs no credentials.
func (j *job) unsigned() (*client.Client, error) {
	server, err := j.serverURL()
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Endpoint: server, Region: j.signingRegion(), CAFile: j.serverCAFile(), UserAgent: "mayfly/" + Version})
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// roleARN is the role that is meant: as it is named, or completed by the account
// that is named, or the server's.
func (j *job) roleARN(ctx context.Context) (arn.Role, error) {
	name := firstOf(j.role, os.Getenv("AWS_ROLE_ARN"))
	if name == "" {
		return arn.Role{}, hint(&usageError{errors.New("no role is named")}, "name it with --role")
	}
	if !strings.HasPrefix(name, "arn:") {
		account := firstOf(j.account, os.Getenv("MAYFLY_ACCOUNT_ID"))
		if account == "" && j.realAWS() {
			return arn.Role{}, hint(&usageError{fmt.Errorf("the account of the role %s is not known", name)}, "give --role the role's ARN, or name its account with --account")
		}
		if account == "" {
			var err error
			if _, account, err = j.ofServer(ctx); err != nil {
				return arn.Role{}, err
			}
		}
		name = "arn:aws:iam::" + account + ":role/" + strings.TrimPrefix(name, "/")
	}
	r, err := arn.ParseRole(name)
	if err != nil {
		return r, &usageError{fmt.Errorf("--role: %w", err)}
	}
	return r, nil
}

// issue exchanges an ID token for one of Mayfly's own.
func (j *job) issue(ctx context.Context, role arn.Role, audience string, idToken secret.String) (client.IssuedToken, error) {
	c, err := j.unsigned()
	if err != nil {
		return client.IssuedToken{}, err
	}
	issued, err := c.IssueToken(ctx, client.IssueToken{IDToken: idToken, Role: role.String(), Audience: audience})
	if e, ok := errors.AsType[*client.Error](err); ok {
		switch e.Code {
		case "invalid_request":
			return issued, hint(fmt.Errorf("there is no token of Mayfly's own: %w", err), "mayfly can --role "+role.String()+" says why, to whoever may mayfly:ExplainTrust the role")
		case "invalid_target":
			return issued, hint(fmt.Errorf("there is no token of Mayfly's own: %w", err), "the role's permission policy must allow mayfly:IssueToken on arn:aws:mayfly:REGION:ACCOUNT:audience/"+audience)
		}
	}
	return issued, explain(err)
}

// exchanger exchanges a job's ID token for a role's credentials, as often as it
// is asked. It is safe for concurrent use.
type exchanger struct {
	token  idToken
	config client.AWSConfig // unsigned
	aws    *client.AWS
	in     stswire.AssumeRoleWithWebIdentity // but for the token
}

// exchanger is what makes the job's exchanges. It finds the token, and asks
// nobody for credentials yet.
func (j *job) exchanger(ctx context.Context) (*exchanger, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	token, _, _, err := j.token.find()
	if err != nil {
		return nil, err
	}
	role, err := j.roleARN(ctx)
	if err != nil {
		return nil, err
	}
	x := &exchanger{token: j.token, in: stswire.AssumeRoleWithWebIdentity{RoleARN: role.String(), SessionName: firstOf(j.session, sessionName(token)), Duration: j.duration}}
	if x.config, err = j.config(ctx); err != nil {
		return nil, err
	}
	x.aws, err = newAWS(x.config)
	return x, err
}

// exchange gives new credentials. A token that stands in a file is read anew:
// somebody may renew it.
func (x *exchanger) exchange(ctx context.Context) (client.Session, error) {
	_, text, _, err := x.token.find()
	if err != nil {
		return client.Session{}, err
	}
	in := x.in
	in.Token = text
	latest := time.Now().Add(in.Duration)
	s, err := x.aws.AssumeRoleWithWebIdentity(ctx, in)
	if s.Expires.After(latest) {
		s.Expires = latest // our clock is behind the server's, and it is ours that is asked
	}
	return s, x.explain(err)
}

// explain adds what to do to a refused exchange. What a Mayfly server says to a
// job of the role's own projects comes in the message's further sentences.
func (x *exchanger) explain(err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return explain(err)
	}
	wrapped := fmt.Errorf("the exchange for %s is refused: %w", x.in.RoleARN, err)
	can := "mayfly can --role " + x.in.RoleARN + " says why, to whoever may mayfly:ExplainTrust the role"
	switch e.Code {
	case "AccessDenied":
		if x.config.Endpoint == "" {
			return hint(wrapped, "the role's trust policy does not let this token in, or there is no such role; CloudTrail's event of it holds the token's sub")
		}
		return hint(wrapped, "the role's trust policy does not let this token in, or there is no such role", can, "the operator finds it by the request's id: mayfly denials show "+firstOf(e.Request, "ID"))
	case "ExpiredTokenException":
		return hint(wrapped, "a job's token lives as long as the job may run: its timeout; a new job gets a new one")
	case "InvalidIdentityToken":
		return hint(wrapped, "it is about the token alone: its issuer must be a provider there, and its audience one of that provider's (id_tokens: aud: in .gitlab-ci.yml)")
	case "IDPCommunicationError":
		return hint(wrapped, "the server could not read the issuer's keys, or what GitLab enforces around the job; it is not this job's fault, and the server's log says why")
	case "ValidationError":
		return hint(wrapped, "--duration may be no longer than the role's MaxSessionDuration")
	}
	return wrapped
}

// variables name the server, its CA and the region to AWS's clients and to mayfly.
func (x *exchanger) variables() (map[string]string, error) {
	c := x.config
	out := map[string]string{"AWS_REGION": c.Region, "AWS_DEFAULT_REGION": c.Region} // CLI v1 reads only the latter
	if c.Endpoint != "" {
		out["MAYFLY_SERVER"], out["AWS_ENDPOINT_URL"] = c.Endpoint, c.Endpoint
	}
	if c.CAFile != "" {
		file, err := absolute(c.CAFile)
		if err != nil {
			return nil, err
		}
		out["AWS_CA_BUNDLE"] = file
	}
	return out, nil
}

const maxSessionName = 64 // STS

// sessionName is a name for the session of a token's job.
func sessionName(token jwt.Unverified) string {
	return webidentity.SessionName(func(claim string) string {
		text, _ := token.UnverifiedClaim(claim).Text()
		return text
	})
}

// tokenEnds is when a token says that it ends; the zero time if it does not.
func tokenEnds(token jwt.Unverified) time.Time {
	if at, ok := token.UnverifiedClaim("exp").Int64(); ok && at > 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}
