package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/client"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/kubewire"
	"mayfly.internal/internal/wire/stswire"
)

// doctor looks at all that a job's deployment needs, one after the other.
type doctor struct {
	job
	cluster, namespace string
	can                []string

	asks []kubewire.ResourceAttributes // of can

	// What the checks find, for those behind them.
	now     time.Time // the server's, or ours
	known   jwt.Unverified
	sts     client.AWSConfig // unsigned
	target  arn.Role
	refused error // of the exchange
	given   client.Session
	found   ekswire.Cluster
	kube    *client.Kube
	self    kubewire.UserInfo
	selfErr error
}

func newDoctor(a *app) *cobra.Command {
	d := &doctor{job: job{app: a}}
	cmd := &cobra.Command{Use: "doctor --role ROLE [--cluster NAME [--namespace NAME]]", Short: "Find what keeps a job from deploying", Args: exactArgs(),
		Long: `doctor does what a deployment does, step by step, and says of each whether it
works and what to do if not: the ID token and its claims, the server, the clocks,
the token's times and audience, the role, the cluster, its API server, the access
entry, and what the role may do in the namespace. What cannot work because of
something before it is skipped.

It changes nothing, but the exchange is a real one: it is in the audit log. It
never prints a token. With --aws all of it is asked of AWS itself.

Exit status: 0 all that was asked works, 1 something does not, 2 a wrong call.`,
		Example: `  mayfly doctor --role deployer
  mayfly doctor --role deployer --cluster my-cluster --namespace production
  mayfly doctor --role deployer --cluster my-cluster --namespace production \
      --can 'patch deployments.apps' --can 'get pods/log' -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context()) }}
	d.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&d.cluster, "cluster", "", "`NAME` of the cluster to deploy to")
	f.StringVar(&d.namespace, "namespace", "", "`NAME` of the namespace to deploy to")
	f.StringArrayVar(&d.can, "can", []string{"create deployments.apps"}, "`VERB RESOURCE` that must be allowed in the namespace, as kubectl names resources (repeatable)")
	return cmd
}

// finding is what a check found.
type finding struct {
	Check  string   `json:"check"`
	Status string   `json:"status"` // ok, failed or skipped
	Detail string   `json:"detail"`
	Facts  []fact   `json:"facts,omitempty"`
	Hints  []string `json:"hints,omitempty"`
}

type fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// check is one step; it is taken where those it needs worked.
type check struct {
	name  string
	needs []string
	run   func(context.Context) (detail string, facts []fact, err error)
}

func (d *doctor) checks() []check {
	list := []check{
		{"ID token", nil, d.seeToken},
		{"claims", []string{"ID token"}, d.seeClaims},
		{"server", nil, d.seeServer},
		{"clock", []string{"server"}, d.seeClock},
		{"token's times", []string{"ID token"}, d.seeTimes},
		{"audience", []string{"ID token", "server", "token's times"}, d.seeAudience},
		{"role", []string{"audience"}, d.seeRole},
		{"cluster", []string{"role"}, d.seeCluster},
		{"API server", []string{"cluster"}, d.seeAPIServer},
		{"access entry", []string{"API server"}, d.seeEntry},
	}
	for i, ask := range d.asks {
		list = append(list, check{"may " + d.can[i], []string{"access entry"}, func(ctx context.Context) (string, []fact, error) { return d.seeMay(ctx, ask) }})
	}
	return list
}

// errSkipped is what a check says that has nothing to look at.
type errSkipped string

func (e errSkipped) Error() string { return string(e) }

func (d *doctor) run(ctx context.Context) error {
	if err := d.check(); err != nil {
		return err
	}
	d.now = time.Now()
	var all []finding
	status := map[string]string{} // :: check → its status
	first := ""
	for _, c := range d.checks() {
		f := finding{Check: c.name, Status: "ok"}
		if i := slices.IndexFunc(c.needs, func(name string) bool { return status[name] != "ok" }); i >= 0 {
			f.Status, f.Detail = "skipped", "it needs the "+c.needs[i]
		} else {
			f.take(c.run(ctx))
		}
		if status[c.name] = f.Status; f.Status == "failed" && first == "" {
			first = c.name
		}
		all = append(all, f)
	}
	if d.kube != nil {
		d.kube.Close()
	}
	if err := errors.Join(ctx.Err(), d.print(all, first == "")); err != nil {
		return err
	}
	if first != "" {
		return fmt.Errorf("the first that does not work: %s", first)
	}
	return nil
}

// check refuses a call that makes no sense.
func (d *doctor) check() error {
	if d.namespace != "" && d.cluster == "" {
		return &usageError{errors.New("--namespace goes with --cluster")}
	}
	for _, text := range d.can {
		a, err := parseCan(text, d.namespace)
		if err != nil {
			return err
		}
		d.asks = append(d.asks, a)
	}
	return d.job.check()
}

// parseCan reads a verb and a resource: pods, deployments.apps, pods/log.
func parseCan(text, namespace string) (kubewire.ResourceAttributes, error) {
	verb, resource, _ := strings.Cut(text, " ")
	resource, sub, _ := strings.Cut(resource, "/")
	name, group, _ := strings.Cut(resource, ".")
	word := func(text string) bool { return strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-.*") == "" }
	if verb == "" || name == "" || !word(verb) || !word(name) || !word(group) || !word(sub) {
		return kubewire.ResourceAttributes{}, &usageError{fmt.Errorf("--can %q: a verb and a resource are wanted, such as 'create deployments.apps'", text)}
	}
	return kubewire.ResourceAttributes{Namespace: namespace, Verb: verb, Group: group, Resource: name, Subresource: sub}, nil
}

// take is what a check said, as a finding.
func (f *finding) take(detail string, facts []fact, err error) {
	f.Detail, f.Facts = detail, facts
	if err == nil {
		return
	}
	f.Status, f.Detail = "failed", err.Error()
	if _, ok := errors.AsType[errSkipped](err); ok {
		f.Status = "skipped"
	}
	if h, ok := errors.AsType[*HintError](err); ok {
		f.Hints = h.Hints
	}
}

func (d *doctor) print(all []finding, ok bool) error {
	if d.output == "json" {
		return d.json(struct {
			OK     bool      `json:"ok"`
			Checks []finding `json:"checks"`
		}{ok, all})
	}
	w := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.Check, plain(f.Detail))
		for _, fact := range f.Facts {
			fmt.Fprintf(w, "\t\t%s: %s\n", fact.Name, plain(fact.Value))
		}
		for _, text := range f.Hints {
			fmt.Fprintf(w, "\t\thint: %s\n", plain(text))
		}
	}
	return w.Flush()
}

func (d *doctor) seeToken(context.Context) (string, []fact, error) {
	token, _, where, err := d.token.find()
	if err != nil {
		return "", nil, err
	}
	d.known = token
	return "that of " + where, nil, nil
}

func (d *doctor) seeClaims(context.Context) (string, []fact, error) {
	var facts []fact
	for _, c := range describeToken(d.known, "").Claims {
		facts = append(facts, fact(c))
	}
	for _, name := range []string{"iss", "aud", "sub"} {
		if len(texts(d.known.UnverifiedClaim(name))) == 0 {
			return "", nil, fmt.Errorf("the token has no %s", name)
		}
	}
	return "unverified here", facts, nil
}

// seeServer is whether the server can be reached, and is one.
func (d *doctor) seeServer(ctx context.Context) (string, []fact, error) {
	c, err := d.awsConfigOf(client.Profile{})
	if err != nil {
		return "", nil, err
	}
	c.Region = firstOf(c.Region, d.signingRegion())
	probe := c.Config
	probe.Endpoint = c.STSEndpoint()
	contact, err := client.Probe(ctx, probe)
	if err != nil {
		return "", nil, explain(err)
	}
	if !contact.Date.IsZero() {
		d.now = contact.Date
	}
	facts := []fact{{"URL", probe.Endpoint}}
	if contact.TLS != "" {
		facts = append(facts, fact{"TLS", fmt.Sprintf("%s, certificate until %s", contact.TLS, contact.Expires.UTC().Format(time.DateOnly))})
	}
	if !d.realAWS() {
		own, err := d.unsigned()
		if err != nil {
			return "", nil, err
		}
		s, err := own.Server(ctx)
		if err != nil {
			return "", nil, explain(err)
		}
		facts = append(facts, fact{"version", s.Version}, fact{"account", s.Account}, fact{"region", s.Region})
	}
	if d.sts, err = d.config(ctx); err != nil {
		return "", nil, err
	}
	return "it answers", facts, nil
}

// maxSkew is what servers allow a token's nbf and iat; signatures may be five
// times as far off.
const maxSkew = time.Minute

func (d *doctor) seeClock(context.Context) (string, []fact, error) {
	off := time.Since(d.now).Round(time.Second)
	word := "ahead of"
	if off < 0 {
		off, word = -off, "behind"
	}
	if off > maxSkew {
		return "", nil, hint(fmt.Errorf("this machine's clock is %v %s the server's", off, word), "set the runner's clock (NTP): signatures that are five minutes off are refused, and a token of a GitLab that is a minute ahead")
	}
	return fmt.Sprintf("within %v of the server's", max(off, time.Second)), nil, nil
}

func (d *doctor) seeTimes(context.Context) (string, []fact, error) {
	const clocks = "if GitLab has just signed it, its clock and the server's differ"
	at := func(name string) (time.Time, bool) {
		n, ok := d.known.UnverifiedClaim(name).Int64()
		return time.Unix(n, 0), ok
	}
	ends, ok := at("exp")
	if !ok {
		return "", nil, errors.New("the token does not say when it ends (exp)")
	}
	if !d.now.Before(ends) {
		return "", nil, hint(fmt.Errorf("the token ended at %s, %v ago", ends.UTC().Format(time.RFC3339), d.now.Sub(ends).Round(time.Second)), "a job's token lives as long as the job may run: its timeout; a new job gets a new one, and a person: mayfly login", clocks)
	}
	for _, name := range []string{"nbf", "iat"} {
		if begins, ok := at(name); ok && begins.Sub(d.now) > maxSkew {
			return "", nil, hint(fmt.Errorf("the token begins at %s, in %v (%s)", begins.UTC().Format(time.RFC3339), begins.Sub(d.now).Round(time.Second), name), clocks)
		}
	}
	return fmt.Sprintf("good until %s, for %v", ends.UTC().Format(time.RFC3339), ends.Sub(d.now).Round(time.Second)), nil, nil
}

// seeAudience makes the exchange, which is the only way to know whether the provider
// there takes the token, and says what of its answer is about the audience.
func (d *doctor) seeAudience(ctx context.Context) (string, []fact, error) {
	list := audienceOf(d.known)
	for _, aud := range list {
		if strings.Contains(aud, "$") {
			return "", nil, hint(fmt.Errorf("the audience is %q: a variable that GitLab did not know", aud), "id_tokens: aud: expands variables of the project, the group and the instance, not of a file of the job's")
		}
	}
	var err error
	if d.target, err = d.roleARN(ctx); err != nil {
		d.refused = err // for the role to say
		return quoted(list), nil, nil
	}
	x := &exchanger{token: d.token, config: d.sts, in: stswire.AssumeRoleWithWebIdentity{RoleARN: d.target.String(), SessionName: firstOf(d.session, sessionName(d.known)), Duration: d.duration}}
	if x.aws, err = newAWS(d.sts); err != nil {
		return "", nil, err
	}
	d.given, d.refused = x.exchange(ctx)
	if e, ok := errors.AsType[*client.Error](d.refused); ok && e.Code == "InvalidIdentityToken" && strings.HasPrefix(e.Message, "Incorrect token audience") {
		return "", nil, hint(fmt.Errorf("%s: %w", quoted(list), e), "the audience of id_tokens: aud: in .gitlab-ci.yml must be a client id of the provider",
			"an operator adds one: aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ARN --client-id AUDIENCE")
	}
	return quoted(list), nil, nil
}

func (d *doctor) seeRole(context.Context) (string, []fact, error) {
	if d.refused != nil {
		return "", nil, d.refused
	}
	return "it lets the token in", []fact{{"session", d.given.ARN}, {"until", d.given.Expires.UTC().Format(time.RFC3339)}}, nil
}

func (d *doctor) seeCluster(ctx context.Context) (string, []fact, error) {
	if d.cluster == "" {
		return "", nil, errSkipped("--cluster names none")
	}
	c := d.sts
	c.Credentials = d.given.Credentials
	var err error
	d.found, err = describeCluster(ctx, c, d.cluster)
	if e, ok := errors.AsType[*client.Error](err); ok && strings.HasPrefix(e.Code, "AccessDenied") {
		err = hint(err, hintsOf(err, fmt.Sprintf("the role needs eks:DescribeCluster on arn:aws:eks:%s:%s:cluster/%s", c.Region, d.target.Account, d.cluster))...)
	}
	if err != nil {
		return "", nil, err
	}
	return d.found.ARN, []fact{{"endpoint", d.found.Endpoint}}, nil
}

// hintsOf are an error's hints, behind others.
func hintsOf(err error, first ...string) []string {
	if h, ok := errors.AsType[*HintError](err); ok {
		return append(first, h.Hints...)
	}
	return first
}

// seeAPIServer asks the API server who it takes the session for, and says whether it
// answered at all.
func (d *doctor) seeAPIServer(ctx context.Context) (string, []fact, error) {
	token, err := bearer(d.sts.STSEndpoint(), d.cluster, d.sts.Region, d.given.Credentials, time.Now())
	if err != nil {
		return "", nil, err
	}
	d.kube, err = client.NewKube(client.KubeConfig{Endpoint: d.found.Endpoint, CA: d.found.CertificateAuthority.Data, Token: secret.New(token), UserAgent: "mayfly/" + Version})
	if err != nil {
		return "", nil, err
	}
	d.self, d.selfErr = d.kube.Self(ctx)
	if _, answered := errors.AsType[*client.KubeError](d.selfErr); d.selfErr != nil && !answered {
		err := d.selfErr
		if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
			return "", nil, hint(err, "the cluster's CA as it is registered does not vouch for this API server: mayfly cluster describe "+d.cluster)
		}
		return "", nil, explainReach(hint(err, "is the way from this runner to the API server open?"))
	}
	return "it answers", []fact{{"URL", d.found.Endpoint}}, nil
}

// seeEntry is whom the API server takes the session for.
func (d *doctor) seeEntry(ctx context.Context) (string, []fact, error) {
	e, refused := errors.AsType[*client.KubeError](d.selfErr)
	if !refused {
		return "it is " + d.self.Username, []fact{{"groups", strings.Join(d.self.Groups, ", ")}}, nil
	}
	switch e.Status {
	case http.StatusUnauthorized:
		hints := []string{"the role needs an access entry: aws eks create-access-entry --cluster-name " + d.cluster + " --principal-arn " + d.target.String()}
		if !d.realAWS() {
			hints = append(hints, "if it has one, the API server does not ask Mayfly: mayfly cluster webhook-config "+d.cluster+" prints what it needs")
		}
		return "", nil, hint(fmt.Errorf("the API server takes the token for nobody's: %w", e), hints...)
	case http.StatusForbidden, http.StatusNotFound: // it may not ask, or Kubernetes is older than 1.28
		return "the token is taken; whose it is the API server does not say", nil, nil
	}
	return "", nil, e
}

func (d *doctor) seeMay(ctx context.Context, ask kubewire.ResourceAttributes) (string, []fact, error) {
	if d.namespace == "" {
		return "", nil, errSkipped("--namespace names none")
	}
	status, err := d.kube.May(ctx, ask)
	switch {
	case err != nil:
		return "", nil, err
	case !status.Allowed:
		return "", nil, hint(fmt.Errorf("the role may not, in the namespace %s%s", d.namespace, because(status.Reason)),
			fmt.Sprintf("aws eks associate-access-policy --cluster-name %s --principal-arn %s --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy --access-scope type=namespace,namespaces=%s", d.cluster, d.target, d.namespace),
			"or a RoleBinding in the namespace to the access entry's groups")
	}
	return "in the namespace " + d.namespace + because(status.Reason), nil, nil
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}
