package cli

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"golang.org/x/term"

	"mayfly.internal/internal/attack"
	"mayfly.internal/internal/webclient"
)

func newAttack(a *app) *cobra.Command {
	var in attackInput
	cmd := &cobra.Command{Use: "attack --issuer-key FILE --claims FILE --role ARN", Short: "Try forged tokens and requests on an STS or a webhook", Args: exactArgs(),
		Long: `attack asks an STS for what it must not give: with forged tokens, bent requests
and bent signatures, of the kinds that have got through elsewhere. With a
second role, which trusts sessions of the first for sts:AssumeRole and nothing
else, it tries to assume that one. With an audience, for which the role may have
tokens and for no other, it tries the token endpoint /oauth/token, its keys and
its metadata, and what those tokens are good for elsewhere. With a webhook's
kubeconfig it asks the TokenReview webhook of a cluster as well. The target may
be Mayfly's own or another's.

It needs what an attacker should never have: the private key of an issuer that
the target trusts, best one made for this, and the claims of one job that the
target lets in. The role must trust exactly the sub and aud of those claims. It
begins and ends with the unbent request, which must be let in; it changes
nothing at the target but its logs.

Exit status 0 says that everything was refused, 1 that something was not.`,
		Example: `  mayfly attack --server https://sts.example.com --issuer-key test-issuer.pem --key-id test-1 \
      --claims job.json --role arn:aws:iam::111122223333:role/attacked
  mayfly attack --server https://sts.example.com --issuer-key test-issuer.pem --key-id test-1 \
      --claims job.json --role arn:aws:iam::111122223333:role/attacked \
      --assume-role arn:aws:iam::111122223333:role/attacked-next --audience kubernetes/my-cluster \
      --webhook-kubeconfig authentication-webhook.kubeconfig --cluster my-cluster`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.attack(cmd.Context(), in) }}
	f := cmd.Flags()
	f.StringVar(&a.server, "endpoint", "", "`URL` of the STS to attack; the same as --server")
	f.StringVar(&in.keyFile, "issuer-key", "", "PEM `FILE` of the issuer's private key: RSA, P-256 or Ed25519")
	f.StringVar(&in.keyID, "key-id", "", "`KID` under which the issuer publishes that key")
	f.StringVar(&in.claimsFile, "claims", "", "JSON `FILE` of the claims of a job that is let in: iss, sub, aud and what the role asks for")
	f.StringVar(&in.role, "role", "", "`ARN` of the role that job may have")
	f.StringVar(&in.next, "assume-role", "", "`ARN` of a role that sessions of --role may assume, to attack that too")
	f.StringVar(&in.audience, "audience", "", "`AUDIENCE` for which the role may have tokens of the server's own, to attack its token endpoint too")
	f.StringVar(&in.kubeconfig, "webhook-kubeconfig", "", "kubeconfig `FILE` of a cluster's TokenReview webhook, to attack it too")
	f.StringVar(&in.cluster, "cluster", "", "`NAME` of that cluster")
	f.BoolVar(&in.all, "all", false, "list what was refused, too")
	return cmd
}

type attackInput struct {
	keyFile, keyID, claimsFile, role, next, audience, kubeconfig, cluster string
	all                                                                   bool
}

// attackReport is what attack says with -o json.
type attackReport struct {
	Endpoint string          `json:"endpoint"`
	Refused  int             `json:"refused"`
	Accepted int             `json:"accepted"`
	Broken   int             `json:"broken"`
	Attacks  []attack.Result `json:"attacks"`
}

func (a *app) attack(ctx context.Context, in attackInput) error {
	target, err := a.target(in)
	if err != nil {
		return err
	}
	f, ok := a.stderr.(*os.File)
	bar := ok && term.IsTerminal(int(f.Fd()))
	results, failed := attack.Run(ctx, target, func(r attack.Result, done, all int) {
		if bar {
			fmt.Fprintf(a.stderr, "\r\x1b[Kmayfly: %d of %d attacks, %s", done, all, r.ID)
		}
	})
	if bar {
		fmt.Fprint(a.stderr, "\r\x1b[K")
	}
	if _, ok := errors.AsType[*attack.ControlError](failed); ok && len(results) == 0 {
		return hint(failed, "the role must trust the claims' iss, sub and aud, and the issuer must publish the key under the kid of --key-id",
			"with --assume-role that role must trust the sessions of --role for sts:AssumeRole",
			"with --audience the role's permission policy must allow mayfly:IssueToken on arn:aws:mayfly:REGION:ACCOUNT:audience/AUDIENCE, and no other",
			"with --webhook-kubeconfig the role also needs an identity in the cluster",
			"a certificate that is not trusted: name its CA with --server-ca-file or AWS_CA_BUNDLE")
	}
	report := attackReport{Endpoint: target.Endpoint, Attacks: results}
	for _, r := range results {
		switch r.Verdict {
		case attack.Refused:
			report.Refused++
		case attack.Accepted:
			report.Accepted++
		default:
			report.Broken++
		}
	}
	if err := a.printAttacks(report, in.all); err != nil {
		return err
	}
	switch {
	case failed != nil:
		return fmt.Errorf("after %d attacks: %w", len(results), failed)
	case report.Accepted+report.Broken > 0:
		return fmt.Errorf("%s accepts %d of %d attacks and breaks at %d", target.Endpoint, report.Accepted, len(results), report.Broken)
	}
	fmt.Fprintf(a.stderr, "mayfly: %s refuses all of %d attacks\n", target.Endpoint, len(results))
	return nil
}

func (a *app) printAttacks(report attackReport, all bool) error {
	if a.output == "json" {
		return a.json(report)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	if all || report.Accepted+report.Broken > 0 {
		fmt.Fprintln(w, "VERDICT\tATTACK\tWHAT\tKNOWN FROM\tANSWER")
	}
	for _, r := range report.Attacks {
		if all || r.Verdict != attack.Refused {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Verdict, r.ID, r.What, r.Class, r.Answer)
		}
	}
	return w.Flush()
}

// target is what is attacked, from the command line.
func (a *app) target(in attackInput) (t attack.Target, err error) {
	for _, f := range [][2]string{{"issuer-key", in.keyFile}, {"claims", in.claimsFile}, {"role", in.role}} {
		if f[1] == "" {
			return t, &usageError{fmt.Errorf("--%s is missing", f[0])}
		}
	}
	if (in.kubeconfig == "") != (in.cluster == "") {
		return t, &usageError{errors.New("--webhook-kubeconfig and --cluster belong together")}
	}
	server, err := a.serverURL()
	if err != nil {
		return t, err
	}
	if u, err := url.Parse(server); err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return t, &usageError{fmt.Errorf("%q is no URL of a server, such as https://sts.example.com", server)}
	}
	t = attack.Target{Endpoint: strings.TrimSuffix(server, "/"), Role: in.role, Next: in.next, Audience: in.audience, Region: a.signingRegion(), KeyID: in.keyID}
	var roots *x509.CertPool
	if file := a.serverCAFile(); file != "" {
		if roots, err = webclient.Roots(file); err != nil {
			return t, fmt.Errorf("the server's CA: %w", err)
		}
	}
	t.HTTP = attacker(roots)
	if t.Key, err = readKey(in.keyFile); err != nil {
		return t, fmt.Errorf("the issuer's key: %w", err)
	}
	if t.Claims, err = readClaims(in.claimsFile); err != nil {
		return t, fmt.Errorf("the claims: %w", err)
	}
	if in.kubeconfig != "" {
		if t.Webhook, err = readWebhook(in.kubeconfig, in.cluster); err != nil {
			return t, fmt.Errorf("the webhook's kubeconfig: %w", err)
		}
	}
	return t, nil
}

// attackTimeout bounds one attack: a target that lets it wait is broken.
const attackTimeout = 60 * time.Second

// attacker is a client that asks the target and nobody it points to. No roots:
// the system's.
func attacker(roots *x509.CertPool, pairs ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: attackTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, Certificates: pairs}, Proxy: http.ProxyFromEnvironment},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// readKey reads a private key in PEM: PKCS #8, PKCS #1 or SEC 1.
func readKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM", path)
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%s holds a %s, a private key is wanted", path, block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("%s holds no private key that can be read", path) // err may quote it
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that does not sign", path)
	}
	return signer, attack.CheckKey(signer)
}

func readClaims(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.UseNumber()
	var claims map[string]any
	if err := d.Decode(&claims); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s holds more than one object", path)
	}
	for _, name := range []string{"iss", "sub", "aud"} {
		if text, ok := claims[name].(string); !ok || text == "" {
			return nil, fmt.Errorf("%s has no %s that is a string", path, name)
		}
	}
	return claims, nil
}

// readWebhook reads a kubeconfig as an API server is given for a webhook.
func readWebhook(path, cluster string) (*attack.Webhook, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string `yaml:"server"`
				CA     string `yaml:"certificate-authority-data"`
				CAFile string `yaml:"certificate-authority"`
			} `yaml:"cluster"`
		} `yaml:"clusters"`
		Users []struct {
			User struct {
				Certificate string `yaml:"client-certificate-data"`
				Key         string `yaml:"client-key-data"`
				File        string `yaml:"client-certificate"`
			} `yaml:"user"`
		} `yaml:"users"`
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(k.Clusters) != 1 || len(k.Users) > 1 || k.Clusters[0].Cluster.Server == "" {
		return nil, fmt.Errorf("%s does not name one cluster and at most one user", path)
	}
	if k.Clusters[0].Cluster.CAFile != "" || len(k.Users) == 1 && k.Users[0].User.File != "" {
		return nil, fmt.Errorf("%s names files; certificates are wanted in it (certificate-authority-data, client-certificate-data)", path)
	}
	var parts [3][]byte
	data := []string{k.Clusters[0].Cluster.CA, "", ""}
	if len(k.Users) == 1 {
		data[1], data[2] = k.Users[0].User.Certificate, k.Users[0].User.Key
	}
	for i, d := range data {
		if parts[i], err = base64.StdEncoding.DecodeString(d); err != nil {
			return nil, fmt.Errorf("%s: its data are not base64", path)
		}
	}
	var pairs []tls.Certificate
	if len(parts[1]) > 0 {
		pair, err := tls.X509KeyPair(parts[1], parts[2])
		if err != nil {
			return nil, fmt.Errorf("%s: its client certificate and key do not fit", path)
		}
		pairs = append(pairs, pair)
	}
	var roots *x509.CertPool
	if len(parts[0]) > 0 {
		if roots = x509.NewCertPool(); !roots.AppendCertsFromPEM(parts[0]) {
			return nil, fmt.Errorf("%s: its certificate-authority-data hold no PEM certificate", path)
		}
	}
	return &attack.Webhook{URL: k.Clusters[0].Cluster.Server, HTTP: attacker(roots, pairs...), Cluster: cluster}, nil
}
