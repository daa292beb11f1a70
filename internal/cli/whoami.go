package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/jwt"
)

func newWhoami(a *app) *cobra.Command {
	w := &whoami{app: a}
	cmd := &cobra.Command{Use: "whoami", Short: "Say whose credentials and which ID token are at hand", Args: exactArgs(),
		Long: `whoami asks STS whose credentials are at hand, and says until when they are good
where that is known. Of the ID token at hand, if there is one, it shows the claims
that trust policies ask for, which nobody has verified here, and when it ends.`,
		Example: `  mayfly whoami
  mayfly exec --role deployer -- mayfly whoami
  mayfly whoami -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return w.run(cmd.Context()) }}
	a.awsFlags(cmd)
	w.token.flags(cmd)
	w.token.signedIn = a.signedIn
	return cmd
}

type whoami struct {
	*app
	token idToken
}

// identity is what whoami says, as JSON.
type identity struct {
	Caller  *callerJSON  `json:"caller,omitempty"`
	IDToken *idTokenJSON `json:"idToken,omitempty"`
}

type callerJSON struct {
	ARN     string    `json:"arn"`
	Account string    `json:"account"`
	Expires time.Time `json:"expires,omitzero"`
}

// idTokenJSON is an ID token that nobody has verified.
type idTokenJSON struct {
	Source  string      `json:"source"`
	Expires time.Time   `json:"expires,omitzero"`
	Claims  []claimJSON `json:"claims"`
}

type claimJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// shownClaims are those that trust policies ask for (docs/prove.md).
var shownClaims = []string{"iss", "aud", "sub", "project_path", "project_id", "namespace_id", "ref", "ref_type", "ref_protected", "environment", "environment_protected", "pipeline_source", "pipeline_id", "job_id", "user_login",
	"runner_environment"}

func (w *whoami) run(ctx context.Context) error {
	var out identity
	token, _, where, err := w.token.find()
	switch {
	case err == nil:
		out.IDToken = describeToken(token, where)
	case w.token.given():
		return err
	case !errors.Is(err, errNoToken):
		fmt.Fprintf(w.stderr, "mayfly: %s\n", err)
	}
	if out.Caller, err = w.ask(ctx); err != nil {
		return err
	}
	if out.Caller == nil && out.IDToken == nil {
		return hint(errors.New("there are neither credentials nor an ID token"), "mayfly exec --role ROLE -- COMMAND gives a command credentials; a job gets an ID token with id_tokens: in .gitlab-ci.yml")
	}
	if w.output == "json" {
		return w.json(out)
	}
	return w.print(out)
}

// ask asks whose the credentials at hand are; nil: there are none.
func (w *whoami) ask(ctx context.Context) (*callerJSON, error) {
	if err := w.oneServer(); err != nil {
		return nil, err
	}
	p, err := w.credentials(ctx)
	if err != nil || p.Credentials.AccessKeyID == "" {
		return nil, err
	}
	c, err := w.awsConfigOf(p)
	if err != nil {
		return nil, err
	}
	c.Region = firstOf(c.Region, "us-east-1")
	aws, err := newAWS(c)
	if err != nil {
		return nil, err
	}
	arn, account, err := aws.Caller(ctx)
	if err != nil {
		return nil, explain(err)
	}
	return &callerJSON{arn, account, p.Expires}, nil
}

func describeToken(token jwt.Unverified, where string) *idTokenJSON {
	out := &idTokenJSON{Source: where, Expires: tokenEnds(token).UTC(), Claims: []claimJSON{}}
	for _, name := range shownClaims {
		v := token.UnverifiedClaim(name)
		text := strings.Join(texts(v), ", ")
		if number, ok := v.Number(); ok {
			text = number
		} else if truth, ok := v.Bool(); ok {
			text = fmt.Sprint(truth)
		}
		if text != "" {
			out.Claims = append(out.Claims, claimJSON{name, text})
		}
	}
	return out
}

func (w *whoami) print(out identity) error {
	t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	if c := out.Caller; c != nil {
		fmt.Fprintf(t, "Caller:\t%s\nAccount:\t%s\nCredentials until:\t%s\n", plain(c.ARN), plain(c.Account), until(c.Expires, "not known"))
	} else {
		fmt.Fprint(t, "Caller:\tnobody: there are no credentials\n")
	}
	if token := out.IDToken; token != nil {
		fmt.Fprintf(t, "ID token of:\t%s\nIt ends:\t%s\n", plain(token.Source), until(token.Expires, "it does not say"))
		for _, c := range token.Claims {
			fmt.Fprintf(t, "  %s:\t%s\n", c.Name, plain(c.Value))
		}
	}
	return t.Flush()
}

// until is a time and how far it is.
func until(at time.Time, unknown string) string {
	if at.IsZero() {
		return unknown
	}
	left := time.Until(at).Round(time.Second)
	if left <= 0 {
		return at.UTC().Format(time.RFC3339) + " (over)"
	}
	return fmt.Sprintf("%s (in %s)", at.UTC().Format(time.RFC3339), left)
}
