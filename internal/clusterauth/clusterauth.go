// Package clusterauth answers a cluster's two questions: whose token is this,
// and may they do that.
//
// A bearer token is a presigned GetCallerIdentity of a session this server
// sealed. The authorizer allows
// or has no opinion; it denies for one reason only: the session is expired or
// gone. What it reads back from a review is what Review put into the user's
// extra, and it counts only where every part of it agrees.
//
// A token signed for real AWS is believed where the cluster trusts an AWS
// account, and AWS vouches for it. Those are two realms: what is about Mayfly's
// roles is never about AWS's, whatever they are called.
//
// It knows no protocol; kubeapi does. It does not know who the asking cluster
// is; kubeapi tells it.
package clusterauth

import (
	"context"
	"errors"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// Registry gives the configuration in force.
type Registry interface{ Snapshot() *registry.Snapshot }

// Recorder makes an audit event durable, or fails.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) error
}

// Mappings gives what a cluster's aws-auth ConfigMap says. An error means that
// nobody knows: nobody is mapped then. It is asked while the cluster waits for
// an answer, and to find out it may itself send the cluster a request whose
// review comes here meanwhile; no lock is held over the call.
type Mappings interface {
	Mappings(ctx context.Context, c eks.Cluster) (eks.Mappings, error)
}

// Mapper finds what a cluster maps a principal to that no access entry is for;
// false: it maps it to nobody. An error means that nobody knows. The rules for
// Mappings hold for it as well.
type Mapper interface {
	Map(ctx context.Context, c eks.Cluster, p eks.Principal) (eks.Mapping, bool, error)
}

// AWS asks real AWS who signed a presigned URL that is bound to a name. An error
// is a *fault.Error.
type AWS interface {
	Caller(ctx context.Context, url, name, clusterID string) (eks.Vouched, error)
}

// Config is what the service needs. Every field but AWS, CRD and Count is
// required.
type Config struct {
	Registry Registry
	Sealer   session.Sealer
	Audit    Recorder
	Mappings Mappings
	Now      func() time.Time
	// AWS is asked about tokens for clusters that trust an AWS account. Nil: no
	// such token is believed.
	AWS AWS
	// CRD says of which clusters the aws-auth reader may list the
	// IAMIdentityMappings as well. Nil: of none.
	CRD func(eks.Cluster) bool
	// Count is told of each refusal, by reason. Nil: nobody is.
	Count func(reason string)
}

// Service answers clusters. It is safe for concurrent use.
type Service struct {
	Config
	reviews *once[reviewKey, struct{}]
	allows  *once[allowKey, struct{}]
	vouched *once[vouchedKey, eks.Vouched]
	budget  *budget
}

// New makes a Service; it refuses a Config that lacks something.
func New(c Config) (*Service, error) {
	if c.Registry == nil || c.Sealer == nil || c.Audit == nil || c.Mappings == nil || c.Now == nil {
		return nil, errors.New("clusterauth: a required field of Config is missing")
	}
	if c.CRD == nil {
		c.CRD = func(eks.Cluster) bool { return false }
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	return &Service{Config: c, reviews: newOnce[reviewKey, struct{}](reviewSpan), allows: newOnce[allowKey, struct{}](session.MaxDuration),
		vouched: newOnce[vouchedKey, eks.Vouched](vouchedSpan), budget: newBudget(maxAllowsPerMinute)}, nil
}

// Reason says why a bearer token is nobody's in a cluster.
type Reason uint8

const (
	NotABearer   Reason = iota + 1 // not a presigned GetCallerIdentity for a cluster
	BadSignature                   // signed by another key, for another cluster, or at another time
	UnknownToken                   // the session token is not ours
	Ended                          // the session has expired, or its role, one it was assumed through, or its provider is gone
	OtherCluster                   // an aws-auth reader's session, made for another cluster
	NotMapped                      // neither an access entry nor a mapping names the principal
	NotReadable                    // aws-auth, or what else maps, could not be read
	NotRecorded                    // the audit log could not be written
	NotTrusted                     // AWS vouches for it, and the cluster does not trust its account
	Throttled                      // AWS is asked too often
	Unreachable                    // AWS does not answer
)

var reasonNames = [...]string{"", "not a bearer token", "bad signature", "unknown session token", "session ended", "session of another cluster", "principal not mapped", "mappings not readable", "not recorded",
	"AWS account not trusted", "AWS asked too often", "AWS does not answer"}

// String is the reason in words, for logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Refusal is why a bearer token is nobody's. The cluster is told the reason in
// words; Err is for the log. Neither holds anything of the token.
type Refusal struct {
	Reason Reason
	Err    error
}

func (e *Refusal) Error() string {
	if e.Err == nil {
		return e.Reason.String()
	}
	return e.Reason.String() + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Refusal) Unwrap() error { return e.Err }
