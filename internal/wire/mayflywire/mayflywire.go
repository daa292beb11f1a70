// Package mayflywire is the shapes of Mayfly's own API, /mayfly/v1, for both
// sides. It decides nothing.
package mayflywire

import (
	"encoding/json"
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

// AccessPolicy is an access policy: one of AWS's own, or a custom one.
type AccessPolicy struct {
	Name       string    `json:"name"`
	ARN        string    `json:"arn,omitempty"`
	BuiltIn    bool      `json:"builtIn"`         // AWS's own
	Entries    int       `json:"entries"`         // how many access entries have it
	Rules      []Rule    `json:"rules,omitempty"` // absent in a list
	CreatedAt  time.Time `json:"createdAt,omitzero"`
	ModifiedAt time.Time `json:"modifiedAt,omitzero"`
	// Warnings are about a change: which entries may now do more than it seems.
	Warnings []string `json:"warnings,omitempty"`
}

// Rule is a rule of an access policy, as a ClusterRole has it (Kubernetes,
// rbac.authorization.k8s.io/v1 PolicyRule).
type Rule struct {
	APIGroups       []string `json:"apiGroups,omitempty"`
	Resources       []string `json:"resources,omitempty"`
	ResourceNames   []string `json:"resourceNames,omitempty"`
	NonResourceURLs []string `json:"nonResourceURLs,omitempty"`
	Verbs           []string `json:"verbs"`
}

// CreateAccessPolicy is the body of POST /mayfly/v1/access-policies.
type CreateAccessPolicy struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules"`
}

// DecodeCreateAccessPolicy reads the body of POST /mayfly/v1/access-policies.
func DecodeCreateAccessPolicy(data []byte) (CreateAccessPolicy, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return CreateAccessPolicy{}, err
	}
	in := CreateAccessPolicy{Name: b.Required("name")}
	if in.Rules, err = decodeRules(b); err != nil {
		return CreateAccessPolicy{}, err
	}
	return in, nil
}

// UpdateAccessPolicy is the body of PUT /mayfly/v1/access-policies/NAME.
type UpdateAccessPolicy struct {
	Rules []Rule `json:"rules"`
}

// DecodeUpdateAccessPolicy reads the body of PUT /mayfly/v1/access-policies/NAME.
func DecodeUpdateAccessPolicy(data []byte) (UpdateAccessPolicy, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return UpdateAccessPolicy{}, err
	}
	rules, err := decodeRules(b)
	return UpdateAccessPolicy{rules}, err
}

// ClusterRole is a Kubernetes ClusterRole, as far as an access policy can be made
// of it, or no more than its rules.
type ClusterRole struct {
	APIVersion string
	Kind       string
	Metadata   bool   // it has some
	UID        string // of the metadata; empty unless a cluster gave it
	Aggregated bool   // the cluster fills its rules in
	Rules      []Rule
}

// DecodeClusterRole reads a ClusterRole's JSON.
func DecodeClusterRole(data []byte) (ClusterRole, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return ClusterRole{}, err
	}
	r := ClusterRole{APIVersion: b.Text("apiVersion"), Kind: b.Text("kind"), Aggregated: b.Object("aggregationRule") != nil}
	if meta := b.Object("metadata"); meta != nil {
		r.Metadata, r.UID = true, meta.Text("uid")
	}
	if r.Rules, err = decodeRules(b); err != nil {
		return ClusterRole{}, err
	}
	return r, nil
}

// decodeRules reads the last member of a body that is asked for, and checks the
// body.
func decodeRules(b *awsrest.Body) (out []Rule, err error) {
	list, given := b.Objects("rules")
	for _, item := range list {
		var r Rule
		r.APIGroups, _ = item.Texts("apiGroups")
		r.Resources, _ = item.Texts("resources")
		r.ResourceNames, _ = item.Texts("resourceNames")
		r.NonResourceURLs, _ = item.Texts("nonResourceURLs")
		r.Verbs, _ = item.Texts("verbs")
		if err := item.Check(); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := b.Check(); err != nil {
		return nil, err
	}
	if !given {
		return nil, &awsrest.ShapeError{Detail: "rules is missing"}
	}
	return out, nil
}

// AccessPolicies answers GET /mayfly/v1/access-policies.
type AccessPolicies struct {
	AccessPolicies []AccessPolicy `json:"accessPolicies"`
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

// Denials answers GET /mayfly/v1/denials: the events of what was refused, the
// newest first. GET /mayfly/v1/denials/ID answers one of them, an AuditLine.
type Denials struct {
	Denials []AuditLine `json:"denials"`
}

// ExplainTrust is the body of POST /mayfly/v1/explain-trust: what would the role
// say to this token, or to one of these claims.
type ExplainTrust struct {
	Role        string `json:"role"` // its name or ARN
	SessionName string `json:"sessionName"`
	Token       string `json:"token,omitempty"`  // an ID token, or
	Claims      string `json:"claims,omitempty"` // the text of a JSON object
}

// DecodeExplainTrust reads the body of POST /mayfly/v1/explain-trust.
func DecodeExplainTrust(data []byte) (ExplainTrust, error) {
	b, err := awsrest.ParseBody(data)
	if err != nil {
		return ExplainTrust{}, err
	}
	in := ExplainTrust{Role: b.Required("role"), SessionName: b.Required("sessionName"), Token: b.Text("token"), Claims: b.Text("claims")}
	if err := b.Check(); err != nil {
		return ExplainTrust{}, err
	}
	return in, nil
}

// TrustExplanation answers POST /mayfly/v1/explain-trust.
type TrustExplanation struct {
	Role    string `json:"role"` // ARN
	Allowed bool   `json:"allowed"`
	// Problems are what is wrong with the token itself, whatever the role.
	Problems []string `json:"problems,omitempty"`
	// Unchecked is what could not be looked at.
	Unchecked []string `json:"unchecked,omitempty"`
	// Trace is what became of each statement of the trust policy, in the form of
	// the audit log; absent where the policy could not be asked.
	Trace json.RawMessage `json:"trace,omitempty"`
}

// Error is the body of every refusal.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
