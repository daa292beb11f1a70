package cli

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/vault"
	"mayfly.internal/internal/webclient"
)

func newVault(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "vault", Short: "Read secrets of Vault or OpenBao as this job", Args: exactArgs(),
		Long: `vault logs in to HashiCorp Vault or OpenBao with this job's ID token, at an auth
method of type jwt, does what is asked, and revokes the Vault token again. With
--role and --audience it logs in with a token of Mayfly's own, which the server
gives for the ID token, to whom the role trusts.

Of a key/value engine a secret is named as vault kv get names it, whichever of
the two versions the engine has: kv/my-app/db, without data/. Of anything else
the path is the API's: database/creds/my-app. A field of it follows a #.

How a server is set up for that is in docs/vault.md.`,
		Example: "  mayfly vault read kv/my-app/db --vault-role my-app",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newVaultLogin(a), newVaultRead(a), newVaultExec(a))
	return cmd
}

// vaultLogin is which Vault is meant, and as whom.
type vaultLogin struct {
	*app
	url, role, path, namespace, ca string

	token   idToken
	mayfly  string // role for which Mayfly is asked for a token; empty: the ID token is shown
	account string // of it
}

func (v *vaultLogin) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&v.url, "vault-server", "", "`URL` of Vault (default $VAULT_ADDR, $VAULT_SERVER_URL)")
	f.StringVar(&v.role, "vault-role", "", "`ROLE` of the auth method (default $VAULT_ROLE, $VAULT_AUTH_ROLE, the method's default role)")
	f.StringVar(&v.path, "auth-path", "", "`PATH` at which the auth method is mounted (default $VAULT_AUTH_PATH, jwt)")
	f.StringVar(&v.namespace, "namespace", "", "`NAMESPACE` of it all (default $VAULT_NAMESPACE, the root namespace)")
	f.StringVar(&v.ca, "vault-ca-file", "", "PEM `FILE` of the CA that vouches for Vault (default $VAULT_CACERT, the system's)")
	f.StringVar(&v.mayfly, "role", "", "show Vault a token of Mayfly's own, for this `ROLE` of Mayfly's and --audience")
	f.StringVar(&v.account, "account", "", "`ID` of the account of a --role that is named without one (default $MAYFLY_ACCOUNT_ID, else the server's)")
	v.token.flags(cmd)
	f.Lookup("audience").Usage = "only an ID token for this `AUDIENCE`; with --role, the audience of the token that Mayfly gives"
	f.Lookup("id-token-env").Usage = "environment `VARIABLE` that holds the ID token (default $VAULT_ID_TOKEN, $MAYFLY_ID_TOKEN, the file of $AWS_WEB_IDENTITY_TOKEN_FILE, else the one variable that holds an ID token)"
}

// vaultSession is a login whose token is to be revoked.
type vaultSession struct {
	*vault.Session
	login *vaultLogin
	proof proof
	made  time.Time
	ended bool
}

// proof is what is shown to Vault.
type proof struct {
	jwt    secret.String
	claims strictjson.Value // unverified, for hints
	whose  string

	where, idToken string // where the ID token is, which no program gets, and it
}

// open logs in. Whoever gets a session closes it.
func (v *vaultLogin) open(ctx context.Context) (*vaultSession, error) {
	c, err := v.client()
	if err != nil {
		return nil, err
	}
	p, err := v.prove(ctx)
	if err != nil {
		return nil, err
	}
	hideMemory()
	outlivePipes() // for good: the token is revoked last
	s, err := c.Login(ctx, firstOf(v.path, os.Getenv("VAULT_AUTH_PATH"), "jwt"), firstOf(v.role, os.Getenv("VAULT_ROLE"), os.Getenv("VAULT_AUTH_ROLE")), p.jwt)
	if err != nil {
		return nil, p.explain(err)
	}
	return &vaultSession{Session: s, login: v, proof: p, made: time.Now()}, nil
}

// prove finds the ID token, and has Mayfly give another for it where that is asked.
func (v *vaultLogin) prove(ctx context.Context) (p proof, err error) {
	if v.mayfly != "" {
		return v.askMayfly(ctx)
	}
	if v.account != "" {
		return p, &usageError{errors.New("--account goes with --role")}
	}
	if !v.token.given() && os.Getenv("VAULT_ID_TOKEN") != "" {
		v.token.env = "VAULT_ID_TOKEN"
	}
	token, text, where, err := v.token.find()
	if err != nil {
		return p, err
	}
	return proof{secret.New(text), token.UnverifiedClaims(), "the ID token of " + where, where, text}, nil
}

// askMayfly exchanges the ID token for a token of Mayfly's own.
func (v *vaultLogin) askMayfly(ctx context.Context) (p proof, err error) {
	audience := v.token.audience
	if audience == "" {
		return p, &usageError{errors.New("--role: --audience is missing: whom the token of Mayfly's own is for, as the role in Vault has it in bound_audiences")}
	}
	t := v.token
	t.audience, t.signedIn = "", v.signedIn // that of the ID token is Mayfly's
	_, text, where, err := t.find()
	if err != nil {
		return p, err
	}
	j := &job{app: v.app, role: v.mayfly, account: v.account}
	role, err := j.roleARN(ctx)
	if err != nil {
		return p, err
	}
	issued, err := j.issue(ctx, role, audience, secret.New(text))
	if err != nil {
		return p, err
	}
	return proof{issued.Token, claimsOf(issued.Token), "Mayfly's token", where, text}, nil
}

// claimsOf is what a token says that was just given; nothing where it cannot be
// read: it is for hints.
func claimsOf(token secret.String) strictjson.Value {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return strictjson.Value{}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return strictjson.Value{}
	}
	claims, _ := strictjson.Parse(payload)
	return claims
}

func (v *vaultLogin) address() string {
	return firstOf(v.url, os.Getenv("VAULT_ADDR"), os.Getenv("VAULT_SERVER_URL"))
}

func (v *vaultLogin) inNamespace() string { return firstOf(v.namespace, os.Getenv("VAULT_NAMESPACE")) }

func (v *vaultLogin) caFile() string { return firstOf(v.ca, os.Getenv("VAULT_CACERT")) }

func (v *vaultLogin) client() (*vault.Client, error) {
	if v.address() == "" {
		return nil, hint(&usageError{errors.New("no Vault is named")}, "name it with --vault-server URL or VAULT_ADDR")
	}
	config := vault.Config{URL: v.address(), Namespace: v.inNamespace(), UserAgent: "mayfly/" + Version}
	if file := v.caFile(); file != "" {
		pool, err := webclient.Roots(file)
		if err != nil {
			return nil, fmt.Errorf("the CA of Vault: %w", err)
		}
		config.Roots = pool
	}
	c, err := vault.New(config)
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// revokeTimeout bounds how long we try to revoke a token: a runner that cancels a
// job waits a little, too.
const revokeTimeout = 20 * time.Second

// revoke ends the token, also where what was asked has been cancelled.
func (s *vaultSession) revoke(ctx context.Context) error {
	if s.ended {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	err := s.Revoke(ctx)
	s.ended = err == nil
	return err
}

// close ends the token, or says that it lives, and until when.
func (s *vaultSession) close(ctx context.Context) {
	if err := s.revoke(ctx); err != nil {
		fmt.Fprintf(s.login.stderr, "mayfly: warning: the Vault token is not revoked, and lives %s: %v\n", s.lives(), err)
		if e, ok := errors.AsType[*vault.Error](err); ok && e.Status == http.StatusForbidden {
			fmt.Fprintln(s.login.stderr, "mayfly: hint: its policies must let it update auth/token/revoke-self, as the policy default does; token_no_default_policy takes that away")
		}
	}
}

// lives is until when the token lives, for a person.
func (s *vaultSession) lives() string {
	a := s.Auth()
	who := ""
	if a.Accessor != "" {
		who = " (accessor " + plain(a.Accessor) + ")"
	}
	if a.TTL == 0 {
		return "for ever" + who
	}
	return "until " + s.made.Add(a.TTL).UTC().Format(time.RFC3339) + who
}

func newVaultLogin(a *app) *cobra.Command {
	v := &vaultLogin{app: a}
	var tokenOnly bool
	cmd := &cobra.Command{Use: "login", Short: "Log in to Vault, and say what that gives", Args: exactArgs(),
		Long: `login logs in and says which policies that gives, and for how long. The token is
revoked at once: nobody would have it.

With --token-only it prints the token and nothing else, and leaves it alive for
whoever asked: revoke it with vault token revoke -self. To run one program with
secrets, or with a token, mayfly vault exec is the safer way.`,
		Example: `  mayfly vault login --vault-server https://vault.example.com --vault-role my-app
  VAULT_TOKEN=$(mayfly vault login --vault-role my-app --token-only) vault kv list kv/my-app`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tokenOnly && a.output != "text" {
				return &usageError{errors.New("--token-only prints the token alone: no -o goes with it")}
			}
			s, err := v.open(cmd.Context())
			if err != nil {
				return err
			}
			if tokenOnly {
				_, err := fmt.Fprintln(a.stdout, s.Auth().Token.Reveal())
				if err != nil { // nobody has it
					s.close(cmd.Context())
				}
				return err
			}
			defer s.close(cmd.Context())
			return s.report(cmd.Context())
		}}
	v.flags(cmd)
	cmd.Flags().BoolVar(&tokenOnly, "token-only", false, "print the token alone, and do not revoke it")
	return cmd
}

// login as JSON.
type vaultGrant struct {
	Role      string            `json:"role,omitempty"`
	Path      string            `json:"path,omitempty"`
	Policies  []string          `json:"policies"`
	Accessor  string            `json:"accessor,omitempty"`
	Type      string            `json:"type"`
	Seconds   int64             `json:"leaseDuration"`
	Renewable bool              `json:"renewable"`
	Uses      int64             `json:"numUses,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
}

// report says what the login gave. What the login's own answer does not say, Vault
// is asked for; a token that may not ask is no failure.
func (s *vaultSession) report(ctx context.Context) error {
	auth := s.Auth()
	out := vaultGrant{Role: auth.Metadata["role"], Policies: auth.Policies, Accessor: auth.Accessor, Type: "service", Seconds: int64(auth.TTL / time.Second), Renewable: auth.Renewable, Uses: auth.Uses, Metadata: auth.Metadata}
	if auth.Batch {
		out.Type = "batch"
	}
	if look, err := s.Lookup(ctx); err == nil {
		out.Path, out.Policies = look.Path, look.Policies
	}
	if s.login.output == "json" {
		return s.login.json(out)
	}
	w := tabwriter.NewWriter(s.login.stdout, 0, 0, 2, ' ', 0)
	lives := "until it is revoked"
	if auth.TTL > 0 {
		lives = auth.TTL.String()
	}
	if auth.Renewable {
		lives += ", renewable"
	}
	rows := [][2]string{{"Role", out.Role}, {"Logged in at", out.Path}, {"Policies", strings.Join(out.Policies, ", ")}, {"Accessor", out.Accessor}, {"Type", out.Type}, {"Lives", lives}}
	if out.Uses > 0 {
		rows = append(rows, [2]string{"Good for", fmt.Sprintf("%d requests", out.Uses)})
	}
	for _, name := range slices.Sorted(maps.Keys(out.Metadata)) {
		if name != "role" {
			rows = append(rows, [2]string{"Metadata " + name, out.Metadata[name]})
		}
	}
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(w, "%s:\t%s\n", plain(row[0]), plain(row[1]))
		}
	}
	return w.Flush()
}

// vaultRead is what is read.
type vaultRead struct {
	vaultLogin
	field   string
	version int64
}

func newVaultRead(a *app) *cobra.Command {
	v := &vaultRead{vaultLogin: vaultLogin{app: a}}
	cmd := &cobra.Command{Use: "read PATH", Short: "Read a secret of Vault", Args: exactArgs("PATH"),
		Long: `read logs in, reads a secret, prints it, and revokes the token. It goes to standard
output: into a job's log, unless it is piped on. mayfly vault exec hands secrets
to one program alone.

With --field it prints that field's value and nothing else: a string itself,
numbers and truth values as they are written, lists and objects as JSON.

A secret that Vault makes when it is read, such as database credentials, ends with
the token it was read with. That token is then not revoked, which is said.`,
		Example: `  mayfly vault read kv/my-app/db --vault-role my-app
  mayfly vault read kv/my-app/db --field password
  mayfly vault read kv/my-app/db --version 3 -o json`,
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args[0]) }}
	v.flags(cmd)
	cmd.Flags().StringVar(&v.field, "field", "", "print the value of this `FIELD` alone")
	cmd.Flags().Int64Var(&v.version, "version", 0, "`N` of the version (default the newest)")
	return cmd
}

func (v *vaultRead) run(ctx context.Context, path string) error {
	switch {
	case v.version < 0:
		return &usageError{fmt.Errorf("--version %d: a number from 1 is wanted", v.version)}
	case v.field != "" && v.output != "text":
		return &usageError{errors.New("--field prints one value alone: no -o goes with it")}
	}
	s, err := v.open(ctx)
	if err != nil {
		return err
	}
	got, err := s.Read(ctx, path, v.version)
	if err != nil {
		s.close(ctx)
		return s.explain(err)
	}
	if got.Leased() {
		fmt.Fprintf(v.stderr, "mayfly: warning: what was read lives %s, and ends with its Vault token, which is not revoked and lives %s\n", got.Lease.TTL, s.lives())
	} else {
		s.close(ctx)
	}
	return v.print(got)
}

func (v *vaultRead) print(got vault.Secret) error {
	if v.field != "" {
		text, err := fieldOf(got, v.field)
		if err != nil {
			return err
		}
		if f, ok := v.bareOutput().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			text += "\n"
		}
		_, err = fmt.Fprint(v.stdout, text)
		return err
	}
	if v.output == "json" {
		out := struct {
			Path    string                     `json:"path"`
			Version int64                      `json:"version,omitempty"`
			Lease   int64                      `json:"leaseDuration,omitempty"`
			Data    map[string]json.RawMessage `json:"data"`
		}{got.Path, got.Version, int64(got.Lease.TTL / time.Second), map[string]json.RawMessage{}}
		for _, f := range got.Fields() {
			out.Data[f.Name] = json.RawMessage(f.JSON.Reveal())
		}
		return v.json(out)
	}
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FIELD\tVALUE")
	for _, f := range got.Fields() {
		fmt.Fprintf(w, "%s\t%s\n", plain(f.Name), plain(firstOf(f.Text.Reveal(), f.JSON.Reveal()))) // null, and "" for nothing
	}
	return w.Flush()
}

// fieldOf is the text of a secret's field.
func fieldOf(s vault.Secret, name string) (string, error) {
	f, ok := s.Field(name)
	switch {
	case !ok:
		var names []string
		for _, f := range s.Fields() {
			names = append(names, f.Name)
		}
		return "", hint(fmt.Errorf("%s has no field %q", s.Path, name), "its fields are "+plain(inWords(names)))
	case f.Null:
		return "", fmt.Errorf("%s: the field %q is null", s.Path, name)
	}
	return f.Text.Reveal(), nil
}

// explain adds what to do to what Vault said of a read.
func (s *vaultSession) explain(err error) error {
	if gone, ok := errors.AsType[*vault.GoneError](err); ok {
		if gone.Destroyed {
			return hint(err, "what is destroyed is gone; another version may be there: --version N")
		}
		return hint(err, fmt.Sprintf("vault kv undelete -versions=%d %s brings it back; another version may be there: --version N", gone.Version, gone.Path))
	}
	e, ok := errors.AsType[*vault.Error](err)
	if !ok {
		return explainVault(err)
	}
	auth := s.Auth()
	switch {
	case e.Status == http.StatusForbidden && auth.Uses > 0:
		return hint(err, fmt.Sprintf("the token is good for %d requests, and for none after those: each engine and each secret takes one, its revocation too (token_num_uses of the role)", auth.Uses))
	case e.Status == http.StatusForbidden:
		return hint(err, "the token's policies are "+plain(inWords(auth.Policies))+": one of them must let it read the path; of a key/value engine of version 2 a policy names kv/data/my-app/db, and a job kv/my-app/db")
	case e.Status == http.StatusNotFound:
		return hint(err, "there is nothing at that path, or no such version of it")
	}
	return explainVault(err)
}

const notVault = "is it a Vault server? --vault-server and VAULT_ADDR name it"

// explainVault adds what to do to an error of Vault's client, whatever was asked.
func explainVault(err error) error {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return hint(err, "name the CA that vouches for Vault with --vault-ca-file or VAULT_CACERT")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return hint(err, "is Vault there? --vault-server and VAULT_ADDR name it")
	}
	e, ok := errors.AsType[*vault.Error](err)
	switch {
	case !ok:
		return explainReach(err)
	case e.Sealed():
		return hint(err, "somebody must unseal it: vault operator unseal")
	case e.Status == http.StatusTooManyRequests:
		return hint(err, "a quota of Vault counts requests or leases: try again later, or ask for less at once")
	case e.Location != "":
		return hint(err, "name the server that answers, a load balancer or the active node, with --vault-server")
	case e.Status == http.StatusNotFound && e.Says("no handler for route"):
		return hint(err, "nothing is mounted there: is the namespace right? --namespace and VAULT_NAMESPACE name it")
	case len(e.Messages) == 0 && e.Status != http.StatusNotFound:
		return hint(err, notVault)
	}
	return err
}

// loginHints are what Vault says of a login that it refuses, and which claim of
// the token that is about: the words are those of its jwt auth method.
var loginHints = []struct{ says, claim, hint string }{
	{"invalid audience", "aud", "set id_tokens: aud: in .gitlab-ci.yml to what the role has as bound_audiences"},
	{"no audiences bound to the role", "aud", "the role must list it as bound_audiences"},
	{"invalid issuer", "iss", "the auth method has another bound_issuer; it is compared letter by letter"},
	{"invalid subject", "sub", "the role has another bound_subject"},
	{"token is expired", "exp", "a job's token lives as long as the job may run: its timeout; a new job gets a new one"},
	{"token not yet valid", "nbf", "the clocks of GitLab and Vault differ"},
	{"issued in the future", "iat", "the clocks of GitLab and Vault differ"},
	{"error verifying token signature", "iss", "the auth method must have the keys of this issuer: its oidc_discovery_url or jwks_url"},
	{"could not be found", "", "--vault-role names a role of the auth method that --auth-path names: vault list auth/jwt/role"},
	{"missing role", "", "name one with --vault-role: the auth method has no default role"},
}

// explain adds what to do to a refused login. Vault names the bound claim that does
// not fit, and the token says what it has there.
func (p proof) explain(err error) error {
	e, ok := errors.AsType[*vault.Error](err)
	if !ok {
		return explainVault(err)
	}
	if e.Status == http.StatusForbidden {
		return hint(err, "is an auth method mounted there? --auth-path names it; or the role takes logins only from other addresses (token_bound_cidrs)")
	}
	if e.Status == http.StatusNotFound && len(e.Messages) == 0 {
		return hint(err, notVault)
	}
	if e.Status != http.StatusBadRequest {
		return explainVault(err)
	}
	for _, message := range e.Messages {
		if _, rest, found := strings.Cut(message, "error validating claims: claim \""); found {
			claim, _, _ := strings.Cut(rest, `"`)
			return hint(err, p.has(claim), "the role's bound_claims say what is wanted of it")
		}
		for _, h := range loginHints {
			if strings.Contains(message, h.says) {
				if h.claim == "" {
					return hint(err, h.hint)
				}
				return hint(err, p.has(h.claim), h.hint)
			}
		}
	}
	return err
}

// has is what the token says of itself, to whoever has it.
func (p proof) has(claim string) string {
	v := p.claims.Get(claim)
	says := ""
	if list := texts(v); len(list) > 0 {
		says = quoted(list)
	} else if number, ok := v.Int64(); ok {
		says = fmt.Sprint(number)
		if slices.Contains([]string{"exp", "nbf", "iat"}, claim) {
			says = time.Unix(number, 0).UTC().Format(time.RFC3339)
		}
	}
	if says == "" {
		return fmt.Sprintf("%s has no claim %s", p.whose, plain(claim))
	}
	return fmt.Sprintf("%s has %s: %s", p.whose, plain(claim), says)
}
