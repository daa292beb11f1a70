package server

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/awssts"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwks"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/keyset"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/webclient"
)

// Config is the server's configuration file. Every key may be left out; the
// comments say what then holds. An unknown key is an error.
type Config struct {
	// Listen is the one address of every API: HOST:PORT for HTTPS, or
	// http://HOST:PORT on a loopback address, for trying things out and for a
	// proxy on the same machine. Default 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// PublicURL is how clients reach the server. It goes into certificates,
	// printed configurations and the admin's environment. Default: made of
	// Listen, with the host localhost.
	PublicURL string `yaml:"public_url"`
	// Region is the region clients are told to use. Default us-east-1.
	Region string `yaml:"region"`
	// AccountID is the account of a new data directory: twelve digits. Default:
	// drawn once. It cannot be changed later.
	AccountID string `yaml:"account_id"`
	// TLS names a certificate and key to serve with; both are read anew when
	// they change. Default: a certificate of the server's own CA (DATA/ca.pem).
	TLS TLSConfig `yaml:"tls"`
	// MetricsListen is where /metrics is, in plain HTTP. Default
	// 127.0.0.1:9464; "off" closes it.
	MetricsListen string `yaml:"metrics_listen"`
	// TrustedProxies are the addresses whose X-Forwarded-For and
	// X-Forwarded-Proto are believed. Default: none.
	TrustedProxies Prefixes `yaml:"trusted_proxies"`
	// Limits bound what one address may take up.
	Limits LimitsConfig `yaml:"limits"`
	// Quotas bound what may be made. Default: AWS's.
	Quotas QuotasConfig `yaml:"quotas"`
	// Admin is the Unix socket of the first administrator.
	Admin AdminConfig `yaml:"admin"`
	// MaxSessionDuration is the longest any session lasts, whatever its role
	// allows: 15m to 12h. Default 1h.
	MaxSessionDuration Duration `yaml:"max_session_duration"`
	// Audit is about the audit log.
	Audit AuditConfig `yaml:"audit"`
	// AWSAuthMaxAge is how long the last aws-auth ConfigMap of a cluster that
	// cannot be read is used. Then nobody is mapped by it. Default 10m.
	AWSAuthMaxAge Duration `yaml:"aws_auth_max_age"`
	// AWSSTS is about asking real AWS who signed a bearer token, for clusters
	// registered with --trust-aws-account.
	AWSSTS AWSSTSConfig `yaml:"aws_sts"`
	// Authenticator opens the port of aws-iam-authenticator for one cluster.
	Authenticator AuthenticatorConfig `yaml:"authenticator"`
	// JWKS is about fetching issuers' keys.
	JWKS JWKSConfig `yaml:"jwks"`
	// Keys is about the server's own keys: those that sessions are sealed and
	// tokens are signed with.
	Keys KeysConfig `yaml:"keys"`
	// Tokens is about the tokens that the server itself signs.
	Tokens TokensConfig `yaml:"tokens"`
	// Issuers says more of single issuers. An issuer needs no entry here to be
	// registered as a provider.
	Issuers []IssuerConfig `yaml:"issuers"`
}

// TLSConfig names a certificate chain and its key, PEM files.
type TLSConfig struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// LimitsConfig bounds what one address may take up: an IPv4 address, or an IPv6
// /64. Behind trusted proxies it is the client's. Refusals by the webhooks and
// unknown paths are not counted.
type LimitsConfig struct {
	// Refusals is how many requests a second may be refused, with bursts of ten
	// times as many; beyond that the answer is Throttling. Requests that are
	// not refused are not counted. 0: any number. Default 100.
	Refusals int `yaml:"refusals"`
	// Connections is how many connections it may hold open. Trusted proxies may
	// hold any number. 0: any number. Default 1024.
	Connections int `yaml:"connections"`
}

// QuotasConfig bounds what may be made.
type QuotasConfig struct {
	// Roles is how many roles there may be beside mayfly-admin. Default 1000.
	Roles int `yaml:"roles"`
	// Providers is how many identity providers there may be. Default 100.
	Providers int `yaml:"providers"`
	// Policies is how many managed policies there may be. Default 1500, at most
	// 5000.
	Policies int `yaml:"policies"`
	// AttachedPerRole is how many managed policies one role may have, its
	// boundary not counted. Default 10, at most 20.
	AttachedPerRole int `yaml:"policies_per_role"`
	// VersionsPerPolicy is how many versions one managed policy may have.
	// Default and at most 5.
	VersionsPerPolicy int `yaml:"versions_per_policy"`
	// PolicyLength is how many characters that are not white space a managed
	// policy may have. Default and at most 6144.
	PolicyLength int `yaml:"policy_length"`
	// TrustLength is the same of a trust policy. Default 2048, at most 4096.
	TrustLength int `yaml:"trust_policy_length"`
	// InlineLength is the same of all inline policies of a role together. Default
	// and at most 10240.
	InlineLength int `yaml:"inline_policies_length"`
}

// check says of each quota that is out of its bounds what they are.
func (q QuotasConfig) check(bad func(format string, args ...any)) {
	most := iam.MaxQuotas
	for _, one := range []struct {
		key      string
		is, upTo int
	}{
		{"roles", q.Roles, most.Roles}, {"providers", q.Providers, most.Providers}, {"policies", q.Policies, most.Policies}, {"policies_per_role", q.AttachedPerRole, most.AttachedPerRole},
		{"versions_per_policy", q.VersionsPerPolicy, most.VersionsPerPolicy}, {"policy_length", q.PolicyLength, most.PolicyLength}, {"trust_policy_length", q.TrustLength, most.TrustLength},
		{"inline_policies_length", q.InlineLength, most.InlineLength},
	} {
		switch {
		case one.is < 1:
			bad("quotas.%s: a number below 1", one.key)
		case one.upTo > 0 && one.is > one.upTo:
			bad("quotas.%s: %d is more than AWS gives anybody, which is %d", one.key, one.is, one.upTo)
		}
	}
}

// AWSSTSConfig is about asking real AWS who signed a bearer token.
type AWSSTSConfig struct {
	// Partition is AWS's partition whose STS is asked: aws, aws-cn, aws-us-gov
	// and so on. Default: that of authenticator.config, else aws.
	Partition string `yaml:"partition"`
	// Regions are those whose STS may be asked. Default: the partition's, as this
	// version knows them.
	Regions []string `yaml:"regions"`
	// RequestsPerSecond bounds how often AWS is asked for one cluster, with
	// bursts of twice as many. Default 50.
	RequestsPerSecond int `yaml:"requests_per_second"`
}

// AuthenticatorConfig opens the port of aws-iam-authenticator.
type AuthenticatorConfig struct {
	// Config is the configuration file of aws-iam-authenticator. Default: none,
	// and the port is closed.
	Config string `yaml:"config"`
	// Cluster is the name the cluster is registered under. Default: the file's
	// clusterID.
	Cluster string `yaml:"cluster"`
	// HealthListen is where /healthz is in plain HTTP: HOST:PORT, or "off".
	// Default: port 21363 of the file's server.address.
	HealthListen string `yaml:"health_listen"`
}

// maxLimit is the largest limit that means something.
const maxLimit = 1_000_000

// burst is how many seconds' worth of refusals may come at once.
const burst = 10

// AdminConfig is about the admin socket.
type AdminConfig struct {
	// Socket is its path, or "off". Default DATA/admin.sock.
	Socket string `yaml:"socket"`
	// AllowUIDs are users who may use it besides root and the server's own. They
	// need socket too: the data directory is closed to them.
	AllowUIDs []uint32 `yaml:"allow_uids"`
}

// AuditConfig is about the audit log.
type AuditConfig struct {
	// Reserve is how much space must stay free: below it refusals are no longer
	// recorded, so that there is room for what is allowed. "0" for none.
	// Default 512MiB.
	Reserve Size `yaml:"reserve"`
}

// JWKSConfig is about fetching issuers' keys.
type JWKSConfig struct {
	// MaxStale is how long the last key set of an issuer that cannot be reached
	// is used. Then its tokens are refused. Default 1h.
	MaxStale Duration `yaml:"max_stale"`
}

// KeysConfig is about the server's own keys.
type KeysConfig struct {
	// RotateAfter is the age at which the next key takes over: 1h or more.
	// Default 720h.
	RotateAfter Duration `yaml:"rotate_after"`
	// PublishAhead is how long a key that signs is published before it does, at
	// most rotate_after: longer than whoever trusts this server keeps its key set.
	// Default 1h.
	PublishAhead Duration `yaml:"publish_ahead"`
}

// minRotateAfter keeps the number of keys small that still open what they sealed.
const minRotateAfter = time.Hour

func (k KeysConfig) check(bad func(format string, args ...any)) {
	if d := time.Duration(k.RotateAfter); d < minRotateAfter {
		bad("keys.rotate_after: %s is less than %s", d, minRotateAfter)
	}
	if k.PublishAhead > k.RotateAfter {
		bad("keys.publish_ahead: %s is more than rotate_after, which is %s: no key would ever sign in time", time.Duration(k.PublishAhead), time.Duration(k.RotateAfter))
	}
}

// wantedKeys is what the server's keys are to be like.
func (c Config) wantedKeys() keyset.Wanted {
	longest := map[keyset.Use]time.Duration{keyset.Sealing: time.Duration(c.MaxSessionDuration)}
	for _, alg := range c.tokenAlgorithms() {
		longest[keyset.Use(alg)] = accesstoken.MaxLife
	}
	return keyset.Wanted{After: time.Duration(c.Keys.RotateAfter), Ahead: time.Duration(c.Keys.PublishAhead), Longest: longest}
}

// maxKeep is how long others may keep the server's keys at most.
const maxKeep = 5 * time.Minute

// keepKeys is how long others may keep the server's keys: a new one is published
// long enough for all to have read it before it signs.
func (c Config) keepKeys() time.Duration { return min(maxKeep, time.Duration(c.Keys.PublishAhead)/2) }

// TokensConfig is about the tokens that the server itself signs.
type TokensConfig struct {
	// Audiences says more of single audiences. One needs no entry here to be given
	// tokens for: the permission policies of roles decide that.
	Audiences []AudienceConfig `yaml:"audiences"`
}

// AudienceConfig says how tokens for one audience are made.
type AudienceConfig struct {
	// Name is the audience, exactly as it is asked for.
	Name string `yaml:"name"`
	// Algorithm signs the tokens: ES256, or RS256 for who knows no other. Default
	// ES256.
	Algorithm string `yaml:"algorithm"`
	// Life is how long a token lives, 30s to 10m: it cannot be recalled. Default 5m.
	Life Duration `yaml:"life"`
}

// minTokenLife is the shortest life of a token that its bearer can still use.
const minTokenLife = 30 * time.Second

// check says everything that is wrong with what is said of audiences.
func (t TokensConfig) check(bad func(format string, args ...any)) {
	seen := map[string]bool{}
	for i, a := range t.Audiences {
		at := fmt.Sprintf("tokens.audiences[%d] (%s)", i, a.Name)
		if err := accesstoken.CheckAudience(a.Name); err != nil {
			bad("%s: name: %w", at, err)
		}
		if seen[a.Name] {
			bad("%s: the audience stands twice", at)
		}
		seen[a.Name] = true
		if a.Algorithm != "" && a.Algorithm != string(jwt.ES256) && a.Algorithm != string(jwt.RS256) {
			bad("%s: algorithm: %q is neither ES256 nor RS256", at, a.Algorithm)
		}
		if d := time.Duration(a.Life); d != 0 && (d < minTokenLife || d > accesstoken.MaxLife || d%time.Second != 0) {
			bad("%s: life: %s is not between %s and %s in whole seconds", at, d, minTokenLife, accesstoken.MaxLife)
		}
	}
}

// terms :: audience → how tokens for it are made, of those that an entry says more
// of.
func (t TokensConfig) terms() map[string]sts.Terms {
	out := map[string]sts.Terms{}
	for _, a := range t.Audiences {
		out[a.Name] = sts.Terms{Algorithm: cmp.Or(jwt.Algorithm(a.Algorithm), jwt.ES256), Life: cmp.Or(time.Duration(a.Life), accesstoken.DefaultLife)}
	}
	return out
}

// tokenAlgorithms are those that tokens may be signed with.
func (c Config) tokenAlgorithms() []string {
	out := []string{string(jwt.ES256)}
	if slices.ContainsFunc(c.Tokens.Audiences, func(a AudienceConfig) bool { return a.Algorithm == string(jwt.RS256) }) {
		out = append(out, string(jwt.RS256))
	}
	return out
}

// IssuerConfig says more of one issuer.
type IssuerConfig struct {
	// URL is the issuer, exactly as in its tokens' iss.
	URL string `yaml:"url"`
	// CAFile is the only CA that may vouch for the issuer's hosts. Default: the
	// system's.
	CAFile string `yaml:"ca_file"`
	// JWKSFile is the issuer's key set; then nothing is fetched.
	JWKSFile string `yaml:"jwks_file"`
	// AllowAddresses opens loopback, link-local and private addresses for this
	// issuer. Default: they are closed.
	AllowAddresses Prefixes `yaml:"allow_addresses"`
	// Algorithms are those the issuer may sign with. Default: RS256 for a
	// GitLab, RS256/384/512 and ES256/384/512 for others.
	Algorithms []string `yaml:"algorithms"`
	// GitLab says that the issuer is a GitLab, which signs for jobs and for
	// people. Default: true for https://gitlab.com alone.
	GitLab *bool `yaml:"gitlab"`
	// LoginClientIDs are the ids of OAuth applications whose people may be
	// trusted by roles that name them. Default: none, so jobs only.
	LoginClientIDs []string `yaml:"login_client_ids"`
	// AllowMultipleAudiences accepts tokens for more than one audience. Default
	// false.
	AllowMultipleAudiences bool `yaml:"allow_multiple_audiences"`
	// MaxTokenAge is how long after its iat a token is accepted, whatever its
	// exp. Default 24h.
	MaxTokenAge Duration `yaml:"max_token_age"`
	// Explain is what a job of a role's own projects learns when the role
	// refuses it: "names", which of its claims failed and what kind of value is
	// wanted, or "values", what the trust policy wants as well. Default names.
	Explain string `yaml:"explain"`
	// Guards is about reading what a GitLab enforces around its jobs.
	Guards GuardsConfig `yaml:"guards"`
}

// Duration is a time span in a configuration file: 90s, 15m, 1h.
type Duration time.Duration

// UnmarshalYAML reads a span.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v <= 0 {
		return wrong(n, "%q is no time span such as 90s, 15m or 1h", n.Value)
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes in a configuration file: 0, 64MiB, 1GiB.
type Size int64

var sizeUnits = map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	text, factor := n.Value, int64(1)
	for suffix, f := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, factor = rest, f
		}
	}
	v, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return wrong(n, "%q is no size such as 64MiB or 1GiB", n.Value)
	}
	*s = Size(int64(v) * factor)
	return nil
}

// Prefixes are blocks of addresses in a configuration file: 10.0.0.0/8.
type Prefixes []netip.Prefix

// UnmarshalYAML reads a list of blocks.
func (p *Prefixes) UnmarshalYAML(n *yaml.Node) error {
	var texts []yaml.Node
	if err := n.Decode(&texts); err != nil {
		return err
	}
	var bad yaml.TypeError
	for i := range texts {
		block, err := netip.ParsePrefix(texts[i].Value)
		switch {
		case err != nil || block.Addr().Is4In6():
			bad.Errors = append(bad.Errors, fmt.Sprintf("line %d: %q is no block of addresses such as 10.0.0.0/8 or fd00::/8", texts[i].Line, texts[i].Value))
		case block != block.Masked():
			bad.Errors = append(bad.Errors, fmt.Sprintf("line %d: %q has bits behind its length; %s is meant", texts[i].Line, texts[i].Value, block.Masked()))
		}
		*p = append(*p, block)
	}
	if len(bad.Errors) > 0 {
		return &bad
	}
	return nil
}

// wrong is a value that cannot be read; reading goes on, so that everything
// wrong is said at once.
func wrong(n *yaml.Node, format string, args ...any) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: "+format, append([]any{n.Line}, args...)...)}}
}

const defaultReserve = 512 << 20

// Default is the configuration of no file at all.
func Default() Config {
	return Config{Listen: "127.0.0.1:8443", Region: "us-east-1", MetricsListen: "127.0.0.1:9464", Limits: LimitsConfig{Refusals: 100, Connections: 1024},
		Quotas: QuotasConfig(iam.DefaultQuotas), MaxSessionDuration: Duration(time.Hour),
		Audit: AuditConfig{Reserve: defaultReserve}, AWSAuthMaxAge: Duration(10 * time.Minute), AWSSTS: AWSSTSConfig{RequestsPerSecond: awssts.DefaultPerSecond}, JWKS: JWKSConfig{MaxStale: Duration(time.Hour)},
		Keys: KeysConfig{RotateAfter: Duration(720 * time.Hour), PublishAhead: Duration(time.Hour)}}
}

// LoadConfig reads a configuration file over the defaults; an empty path is the
// defaults. The error says everything that is wrong at once.
func LoadConfig(path string) (Config, error) {
	c := Default()
	if path == "" {
		return c, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	if err := errors.Join(decode(data, &c), c.Check()); err != nil {
		return Config{}, fmt.Errorf("%s:\n%w", path, err)
	}
	return c, nil
}

func decode(data []byte, c *Config) error {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	err := dec.Decode(c)
	if several, ok := errors.AsType[*yaml.TypeError](err); ok {
		return forPeople(several)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	return nil
}

var (
	unknownField = regexp.MustCompile(`field (\S+) not found in type .*`)
	wrongType    = regexp.MustCompile("cannot unmarshal !!(\\S+)(?: `(.*)`)? into .*")
)

// forPeople takes the names of Go's types out of what the YAML reader says.
func forPeople(several *yaml.TypeError) error {
	var errs []error
	for _, text := range several.Errors {
		text = unknownField.ReplaceAllString(text, "unknown key $1")
		text = wrongType.ReplaceAllString(text, "a $1 does not belong here: $2")
		errs = append(errs, errors.New(strings.TrimSuffix(text, ": ")))
	}
	return errors.Join(errs...)
}

// plainURL is a host's URL in its usual spelling: small letters, no default port, no
// path.
func plainURL(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || port == map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return u.Scheme + "://" + host
}

// Check says everything that is wrong with a configuration, one line each.
func (c Config) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := c.listen(); err != nil {
		bad("listen: %w", err)
	}
	if u, err := url.Parse(c.PublicURL); c.PublicURL != "" && (err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "") {
		bad("public_url: %q is no URL of a host, such as https://mayfly.example.com", c.PublicURL)
	} else if c.PublicURL != "" && plainURL(u) != strings.TrimSuffix(c.PublicURL, "/") {
		bad("public_url: %q is to be written %s: as the issuer of tokens it is compared letter by letter", c.PublicURL, plainURL(u))
	}
	if !eks.IsRegion(c.Region) {
		bad("region: %q is no region's name, such as eu-central-1", c.Region)
	}
	if _, err := arn.ParseAccountID(c.AccountID); c.AccountID != "" && err != nil {
		bad("account_id: %w", err)
	}
	if err := c.TLS.check(); err != nil {
		bad("tls: %w", err)
	}
	if c.MetricsListen != "off" {
		if err := checkAddress(c.MetricsListen); err != nil {
			bad("metrics_listen: %w", err)
		}
	}
	for _, p := range c.TrustedProxies {
		if p.IsValid() && p.Bits() == 0 {
			bad("trusted_proxies: %s believes everyone about where they come from", p)
		}
	}
	if n := max(c.Limits.Refusals, c.Limits.Connections); c.Limits.Refusals < 0 || c.Limits.Connections < 0 || n > maxLimit {
		bad("limits: a number below 0 or above %d; 0 is no limit", maxLimit)
	}
	c.Quotas.check(bad)
	c.Keys.check(bad)
	c.Tokens.check(bad)
	if len(c.Admin.AllowUIDs) > 0 && (c.Admin.Socket == "" || c.Admin.Socket == "off") {
		bad("admin.allow_uids: name admin.socket too, in a folder these users can enter; the data directory is closed to them")
	}
	if len(c.Admin.Socket) > maxSocketPath {
		bad("admin.socket: the path is longer than %d bytes", maxSocketPath)
	}
	if d := time.Duration(c.MaxSessionDuration); d < session.MinDuration || d > session.MaxDuration {
		bad("max_session_duration: %s is not between 15m and 12h", d)
	}
	d, err := loadDropIn(c.Authenticator)
	if err != nil {
		bad("authenticator: %w", err)
	}
	if c.Authenticator.Config == "" && (c.Authenticator.Cluster != "" || c.Authenticator.HealthListen != "") {
		bad("authenticator: config is missing, so that the port is closed")
	}
	if h := c.Authenticator.HealthListen; h != "" && h != "off" {
		if err := checkAddress(h); err != nil {
			bad("authenticator.health_listen: %w", err)
		}
	}
	if n := c.AWSSTS.RequestsPerSecond; n < 1 || n > maxLimit {
		bad("aws_sts.requests_per_second: %d is not between 1 and %d", n, maxLimit)
	}
	if _, err := awssts.New(c.aws(d)); err != nil {
		bad("aws_sts: %w", err)
	}
	if d != nil && c.AWSSTS.Partition != "" && c.AWSSTS.Partition != d.config.Partition {
		bad("aws_sts.partition: %q here and %q in %s", c.AWSSTS.Partition, d.config.Partition, c.Authenticator.Config)
	}
	seen := map[string]bool{}
	for i, is := range c.Issuers {
		for _, err := range is.check(seen[is.URL]) {
			bad("issuers[%d] (%s): %w", i, is.URL, err)
		}
		seen[is.URL] = true
	}
	return errors.Join(errs...)
}

// aws is what the operator says about asking AWS STS; d may be nil.
func (c Config) aws(d *dropIn) awssts.Config {
	out := awssts.Config{Partition: c.AWSSTS.Partition, Regions: c.AWSSTS.Regions, PerSecond: c.AWSSTS.RequestsPerSecond}
	if d != nil && out.Partition == "" {
		out.Partition = d.config.Partition
	}
	return out
}

// check says everything that is wrong with an issuer's entry.
func (is IssuerConfig) check(twice bool) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if twice {
		bad("the issuer stands twice")
	}
	if _, err := oidc.ParseProviderURL(is.URL); err != nil {
		bad("url: %w", err)
	}
	if is.CAFile != "" {
		if _, err := webclient.Roots(is.CAFile); err != nil {
			bad("ca_file: %w", err)
		}
	}
	if is.JWKSFile != "" {
		text, err := os.ReadFile(is.JWKSFile)
		if err == nil {
			_, err = jwt.ParseKeySet(text)
		}
		if err != nil {
			bad("jwks_file: %w", err)
		}
	}
	for _, a := range is.Algorithms {
		if _, ok := jwt.ParseAlgorithm(a); !ok {
			bad("algorithms: %q is none of %v", a, jwt.Algorithms())
		}
	}
	if len(is.LoginClientIDs) > 0 && !is.settings().GitLab {
		bad("login_client_ids: only a GitLab signs for people; set gitlab: true if it is one")
	}
	if _, ok := explains[is.Explain]; !ok {
		bad("explain: %q is neither names nor values", is.Explain)
	}
	is.Guards.check(is, bad)
	return errs
}

// explains :: explain → what it means.
var explains = map[string]oidc.Explain{"": oidc.ExplainNames, "names": oidc.ExplainNames, "values": oidc.ExplainValues}

// check reads the pair as the server will.
func (t TLSConfig) check() error {
	if t.CertFile == "" && t.KeyFile == "" {
		return nil
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return errors.New("cert_file and key_file go together")
	}
	_, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	return err
}

// checkAddress refuses what is no HOST:PORT.
func checkAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is no HOST:PORT", text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no port", port)
	}
	return nil
}

// listenAddress is where to listen and whether in plain HTTP.
type listenAddress struct {
	address string
	plain   bool
}

func (c Config) listen() (listenAddress, error) {
	address, plain := strings.CutPrefix(c.Listen, "http://")
	address = strings.TrimPrefix(address, "https://")
	if err := checkAddress(address); err != nil {
		return listenAddress{}, err
	}
	host, _, _ := net.SplitHostPort(address) // checkAddress has split it
	if ip, err := netip.ParseAddr(host); plain && (err != nil || !ip.IsLoopback()) {
		return listenAddress{}, fmt.Errorf("http:// is allowed on a loopback address only, such as http://127.0.0.1:8080: %q", c.Listen)
	}
	return listenAddress{address, plain}, nil
}

// settings :: issuer → what the operator says of it to oidc.
func (c Config) settings() map[string]oidc.Settings {
	out := map[string]oidc.Settings{}
	for _, is := range c.Issuers {
		out[is.URL] = is.settings()
	}
	return out
}

func (is IssuerConfig) settings() oidc.Settings {
	s := oidc.DefaultSettings(oidc.Issuer(is.URL))
	for _, a := range is.Algorithms {
		alg, _ := jwt.ParseAlgorithm(a) // Check has refused others
		s.Algorithms = append(s.Algorithms, alg)
	}
	if is.GitLab != nil {
		s.GitLab = *is.GitLab
	}
	s.LoginClientIDs, s.AllowMultipleAudiences, s.MaxTokenAge, s.Explain = is.LoginClientIDs, is.AllowMultipleAudiences, time.Duration(is.MaxTokenAge), explains[is.Explain]
	return s
}

// keys is what the operator says about fetching keys.
func (c Config) keys() jwks.Config {
	out := jwks.Config{Issuers: map[string]jwks.Issuer{}, MaxStale: time.Duration(c.JWKS.MaxStale)}
	for _, is := range c.Issuers {
		out.Issuers[is.URL] = jwks.Issuer{CAFile: is.CAFile, JWKSFile: is.JWKSFile, AllowAddresses: is.AllowAddresses}
	}
	return out
}

// DefaultData is the data directory where none is named: /var/lib/mayfly for
// root, else $XDG_DATA_HOME/mayfly.
func DefaultData() (string, error) {
	if os.Getuid() == 0 {
		return "/var/lib/mayfly", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "mayfly"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no data directory: %w; name one with --data", err)
	}
	return filepath.Join(home, ".local", "share", "mayfly"), nil
}

// openData makes or checks the data directory: 0700, with a folder for keys.
func openData(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return err
	}
	for _, d := range []string{dir, filepath.Join(dir, "keys")} {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return &fs.PathError{Op: "use", Path: d, Err: fmt.Errorf("it is open to others (mode %04o); run: chmod 700 %s", info.Mode().Perm(), d)}
		}
	}
	return nil
}
