package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/webidentity"
	"mayfly.internal/internal/wire/mayflywire"
)

// can is what is asked: who would get which role.
type can struct {
	*app
	token                                    idToken
	role, session, claims, policy, providing string
}

func newCan(a *app) *cobra.Command {
	c := &can{app: a}
	cmd := &cobra.Command{Use: "can (--role ROLE | --policy FILE)", Short: "Say whether a role lets an ID token in, and exactly why (not)", Args: exactArgs(),
		Long: `can asks the server what the trust policy of a role says to an ID token: the one
of this job, found as in a job, or to the claims of a file, which one might have.
Nothing is issued. It needs mayfly:ExplainTrust on the role.

A token's signature and times are checked; of claims the answer says what could
not be. With --policy it asks a file and no server, and then nobody knows the
provider: what it accepts is not checked.

Exit status: 0 the role lets it in, 1 it does not, 2 a wrong call.`,
		Example: `  mayfly can --role deployer                              # this job's ID token
  mayfly can --role deployer --claims claims.json         # what if
  mayfly can --policy trust-policy.json --claims claims.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) }}
	f := cmd.Flags()
	f.StringVar(&c.role, "role", "", "name or ARN of the `ROLE`")
	f.StringVar(&c.policy, "policy", "", "trust policy in a `FILE`, instead of a role's")
	f.StringVar(&c.claims, "claims", "", "JSON `FILE` of the claims of a token; - is standard input")
	f.StringVar(&c.providing, "provider", "", "with --policy: `ARN or URL` of the token's identity provider (default: the one of its iss that the policy names)")
	f.StringVar(&c.session, "session-name", "mayfly-can", "role session `NAME` that would be asked for")
	c.token.flags(cmd)
	c.token.signedIn = c.signedIn
	return cmd
}

func (c *can) run(ctx context.Context) error {
	switch {
	case (c.role == "") == (c.policy == ""):
		return &usageError{errors.New("either --role or --policy is wanted")}
	case c.claims != "" && c.token.given():
		return &usageError{errors.New("either --claims or an ID token is wanted")}
	case c.providing != "" && c.policy == "":
		return &usageError{errors.New("--provider goes with --policy: a server knows its providers")}
	}
	said, err := c.ask(ctx)
	if err != nil {
		return err
	}
	return c.report(said)
}

// ask asks the server, or the policy of a file.
func (c *can) ask(ctx context.Context) (mayflywire.TrustExplanation, error) {
	in := mayflywire.ExplainTrust{Role: c.role, SessionName: c.session}
	var payload strictjson.Value
	if c.claims != "" {
		data, err := c.readFile(c.claims, maxClaims)
		if err != nil {
			return mayflywire.TrustExplanation{}, fmt.Errorf("the claims: %w", err)
		}
		if payload, err = strictjson.Parse(data); err != nil || payload.Kind() != strictjson.Object {
			return mayflywire.TrustExplanation{}, fmt.Errorf("the claims: %s holds no JSON object with distinct names", c.claims)
		}
		if iss, _ := payload.Get("iss").Text(); iss == "" && c.policy == "" {
			return mayflywire.TrustExplanation{}, fmt.Errorf("the claims: %s has no iss, and nobody knows whose token it would be", c.claims)
		}
		in.Claims = string(data)
	} else {
		token, text, where, err := c.token.find()
		if err != nil {
			return mayflywire.TrustExplanation{}, err
		}
		fmt.Fprintf(c.stderr, "mayfly: the ID token is that of %s\n", where)
		payload, in.Token = token.UnverifiedClaims(), text
	}
	if c.policy != "" {
		return c.offline(payload)
	}
	server, err := c.client()
	if err != nil {
		return mayflywire.TrustExplanation{}, err
	}
	said, err := server.ExplainTrust(ctx, in)
	return said, explain(err)
}

// maxClaims bounds a file of claims: a token has less.
const maxClaims = 64 << 10

// offline asks the policy of a file, by the code that the server runs.
func (c *can) offline(payload strictjson.Value) (out mayflywire.TrustExplanation, err error) {
	trust, err := c.trustFile(c.policy)
	if err != nil {
		return out, err
	}
	p, err := c.provider(trust, payload)
	if err != nil {
		return out, err
	}
	out.Role = c.policy
	out.Unchecked = []string{"the signature and the times", "whether the provider accepts the audience", "whether the token is a job's or a person's"}
	asked := oidc.Provider{URL: "https://" + p.URL, Account: p.Account, ClientIDs: texts(payload.Get("aud"))}
	supposed, refused, err := oidc.Suppose(asked, oidc.Settings{}, payload)
	if err != nil {
		refused = append(refused, &oidc.RejectedError{Detail: err.Error()})
	}
	for _, e := range refused {
		out.Problems = append(out.Problems, e.Detail)
	}
	if err != nil {
		return out, nil
	}
	if webidentity.AsksGuards(trust) {
		out.Unchecked = append(out.Unchecked, "what GitLab enforces: a server asks it")
	}
	keys, err := c.keys(trust, p, supposed)
	if err != nil {
		return out, fmt.Errorf("the claims cannot be condition keys: %w", err)
	}
	said := webidentity.Question{Trust: trust, Account: p.Account, Provider: p, Claims: supposed, Keys: keys}.Ask()
	out.Allowed, out.Trace = said.Allowed() && len(refused) == 0, json.RawMessage(said.Trace().Encode())
	return out, nil
}

// keys are the condition keys of an exchange at this moment, over TLS and from
// nowhere.
func (c *can) keys(trust *policy.Document, p arn.Provider, claims webidentity.Claims) (policy.Context, error) {
	var b policy.ContextBuilder
	webidentity.ClaimKeys(&b, p, claims)
	for key, value := range (request.Info{Secure: true, Time: time.Now()}).Keys() {
		b.Set(key, value)
	}
	webidentity.SessionKeys(&b, c.session, time.Hour, claims.SourceIdentity(), webidentity.Tags(claims))
	webidentity.GuardKeys(&b, trust, claims, webidentity.Guards{Why: "a file knows nothing of it; ask a server, with --role"})
	return b.Context()
}

// provider is the token's: the one that is named, else the one of its iss that
// the policy names, else one of no account.
func (c *can) provider(trust *policy.Document, payload strictjson.Value) (arn.Provider, error) {
	if strings.HasPrefix(c.providing, "arn:") {
		p, err := arn.ParseProvider(c.providing)
		if err != nil {
			return p, &usageError{fmt.Errorf("--provider: %w", err)}
		}
		return p, nil
	}
	issuer := c.providing
	if issuer == "" {
		issuer, _ = payload.Get("iss").Text()
	}
	url, ok := strings.CutPrefix(issuer, "https://")
	if !ok || url == "" {
		return arn.Provider{}, &usageError{fmt.Errorf("the provider of %q is not known: an https URL is wanted as iss, or --provider", issuer)}
	}
	for _, s := range trust.Statements() {
		names, _ := s.Principals()
		for _, n := range names {
			if p, err := arn.ParseProvider(n.Text); err == nil && p.URL == url {
				return p, nil
			}
		}
	}
	return arn.Provider{Account: "000000000000", URL: url}, nil
}

// texts is a JSON string, or the strings of an array.
func texts(v strictjson.Value) (out []string) {
	if text, ok := v.Text(); ok {
		return []string{text}
	}
	for _, item := range v.Items() {
		if text, ok := item.Text(); ok {
			out = append(out, text)
		}
	}
	return out
}

// report prints what was said; what is not let in is a failure.
func (c *can) report(said mayflywire.TrustExplanation) error {
	var trace webidentity.Trace
	if said.Trace != nil {
		var err error
		if trace, err = webidentity.DecodeTrace(string(said.Trace)); err != nil {
			return err
		}
	}
	if c.output == "json" {
		if err := c.json(said); err != nil {
			return err
		}
	} else {
		c.print(said, trace)
	}
	if said.Allowed {
		return nil
	}
	var hints []string
	for _, text := range append(said.Problems, trace.Hints...) {
		hints = append(hints, plain(text))
	}
	return hint(fmt.Errorf("%s does not let this token in", said.Role), hints...)
}

func (c *can) print(said mayflywire.TrustExplanation, trace webidentity.Trace) {
	verdict := "refused"
	if said.Allowed {
		verdict = "allowed"
	}
	fmt.Fprintf(c.stdout, "%s: %s\n", verdict, said.Role)
	for _, text := range said.Problems {
		fmt.Fprintf(c.stdout, "the token: %s\n", plain(text))
	}
	if trace.Action != "" {
		fmt.Fprint(c.stdout, trace.Text())
	}
	for _, text := range said.Unchecked {
		fmt.Fprintf(c.stdout, "not checked: %s\n", text)
	}
}
