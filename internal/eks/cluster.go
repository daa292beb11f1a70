package eks

import (
	"encoding/pem"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
)

// AuthenticationMode says which sources a cluster's identities come from. The
// zero value is none.
type AuthenticationMode string

const (
	ModeAPI             AuthenticationMode = "API"                // access entries
	ModeAPIAndConfigMap AuthenticationMode = "API_AND_CONFIG_MAP" // both; an entry wins
	ModeConfigMap       AuthenticationMode = "CONFIG_MAP"         // the aws-auth ConfigMap
)

// Entries reports whether access entries count in this mode.
func (m AuthenticationMode) Entries() bool { return m == ModeAPI || m == ModeAPIAndConfigMap }

// ConfigMap reports whether the aws-auth ConfigMap counts in this mode.
func (m AuthenticationMode) ConfigMap() bool { return m == ModeConfigMap || m == ModeAPIAndConfigMap }

// Cluster is a registered Kubernetes API server.
type Cluster struct {
	ID            string // unique for ever: a cluster registered anew under the name is another
	Name          string // unique in the server, whatever the region
	Region        string
	Account       arn.AccountID
	Endpoint      string // https URL of the API server
	CA            []byte // PEM, what the endpoint's certificate is checked against
	Mode          AuthenticationMode
	TrustAccounts []arn.AccountID // real AWS accounts whose STS is believed for this cluster
	BearerMaxAge  time.Duration   // how old a bearer token may be
	Created       time.Time
	Tags          map[string]string
	Updates       []Update // of its mode, oldest first
}

// DefaultBearerMaxAge is the life AWS gives a presigned GetCallerIdentity.
const DefaultBearerMaxAge = 15 * time.Minute

// ARN is the cluster's name.
func (c Cluster) ARN() arn.Cluster {
	return arn.Cluster{Region: c.Region, Account: c.Account, Name: c.Name}
}

// NeedEntries refuses an access-entry operation on a cluster whose mode has
// none.
func (c Cluster) NeedEntries() error {
	if !c.Mode.Entries() {
		return refuse(NotInThisMode, "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return nil
}

// CheckCluster checks what is asked to be registered; zero values of Mode and
// BearerMaxAge have been replaced by defaults before.
func CheckCluster(c Cluster) error {
	switch {
	case !IsClusterName(c.Name):
		return refuse(InvalidValue, "The cluster name %q is invalid: a letter or digit and then letters, digits, - and _ are wanted, 100 at most", clip(c.Name))
	case !IsRegion(c.Region):
		return refuse(InvalidValue, "The region %q is invalid: a name such as eu-central-1 is wanted", clip(c.Region))
	case checkMode(c.Mode) != nil:
		return checkMode(c.Mode)
	case c.BearerMaxAge < time.Minute || c.BearerMaxAge > DefaultBearerMaxAge:
		return refuse(InvalidValue, "The bearer token age %s is invalid: 1m to 15m is wanted", c.BearerMaxAge)
	case !holdsCertificate(c.CA):
		return refuse(InvalidValue, "The cluster needs the certificate authority of its endpoint: PEM with at least one certificate")
	}
	return checkEndpoint(c.Endpoint)
}

func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.Hostname() == "":
		return refuse(InvalidValue, "The endpoint %q is invalid: an https URL is wanted", clip(text))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return refuse(InvalidValue, "The endpoint %q is invalid: it has more than a host and a port", clip(text))
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsUnspecified() {
		return refuse(InvalidValue, "The endpoint %q names no host", clip(text))
	}
	return nil
}

// IsClusterName is the EKS model's ^[0-9A-Za-z][A-Za-z0-9\-_]*, 1 to 100.
func IsClusterName(name string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	return name != "" && len(name) <= 100 && strings.IndexByte(alnum, name[0]) >= 0 && strings.Trim(name, alnum+"-_") == ""
}

// IsRegion reports whether text has the shape of a region's name.
func IsRegion(text string) bool {
	return len(text) >= 2 && len(text) <= 32 && text[0] >= 'a' && text[0] <= 'z' && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// holdsCertificate reports whether a text begins with a PEM certificate. Whether
// that is one the endpoint has, its first use shows.
func holdsCertificate(text []byte) bool {
	block, _ := pem.Decode(text)
	return block != nil && block.Type == "CERTIFICATE"
}
