// Package mayflywire is the shapes of Mayfly's own API, /mayfly/v1, for both
// sides. It decides nothing.
package mayflywire

import (
	"time"

	"mayfly.internal/internal/wire/awsrest"
)

// Service is the name requests of this API are signed for.
const Service = "mayfly"

// Server answers GET /mayfly/v1/server, unsigned.
type Server struct {
	Version string `json:"version"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// AuditKey is the public key that signs audit checkpoints, in the form of
	// golang.org/x/mod/sumdb/note.
	AuditKey string `json:"auditKey"`
}

// Cluster is a registered cluster.
type Cluster struct {
	Name               string            `json:"name"`
	ARN                string            `json:"arn,omitempty"`
	ID                 string            `json:"id,omitempty"`
	Region             string            `json:"region"`
	Endpoint           string            `json:"endpoint"`
	CA                 string            `json:"ca"` // PEM
	AuthenticationMode string            `json:"authenticationMode,omitempty"`
	TrustAWSAccounts   []string          `json:"trustAwsAccounts,omitempty"`
	BearerMaxAge       string            `json:"bearerMaxAge,omitempty"` // 15m0s
	Tags               map[string]string `json:"tags,omitempty"`
	CreatedAt          time.Time         `json:"createdAt,omitzero"`
}

// DecodeCluster reads the body of POST /mayfly/v1/clusters.
func DecodeCluster(data []byte) (Cluster, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return Cluster{}, err
	}
	c := Cluster{Name: b.Required("name"), Region: b.Required("region"), Endpoint: b.Required("endpoint"), CA: b.Required("ca"), AuthenticationMode: b.Text("authenticationMode"),
		BearerMaxAge: b.Text("bearerMaxAge"), Tags: b.TextMap("tags")}
	c.TrustAWSAccounts, _ = b.Texts("trustAwsAccounts")
	if err := b.Check(); err != nil {
		return Cluster{}, err
	}
	return c, nil
}

// Clusters answers GET /mayfly/v1/clusters.
type Clusters struct {
	Clusters []Cluster `json:"clusters"`
}

// WebhookConfig answers POST /mayfly/v1/clusters/NAME/webhook-config: what the
// cluster's API server needs to ask this server. The key is made for this
// answer and kept nowhere.
type WebhookConfig struct {
	Cluster           string    `json:"cluster"`
	AuthenticateURL   string    `json:"authenticateUrl"`
	AuthorizeURL      string    `json:"authorizeUrl"`
	CA                string    `json:"ca"`                // PEM, of this server
	ClientCertificate string    `json:"clientCertificate"` // PEM
	ClientKey         string    `json:"clientKey"`         // PEM
	Expires           time.Time `json:"expires"`
}

// Audit answers GET /mayfly/v1/audit/events: events as they are stored, one
// text each.
type Audit struct {
	Events []AuditLine `json:"events"`
	// Checkpoint is the signed size and root of the whole log at the time of
	// the answer.
	Checkpoint string `json:"checkpoint"`
}

// AuditLine is one stored event.
type AuditLine struct {
	Index int64  `json:"index"`
	Body  string `json:"body"` // the very bytes that are hashed: one line of JSON
}

// Error is the body of every refusal.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
