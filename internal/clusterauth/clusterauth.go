// Package clusterauth answers a cluster's two questions: whose token is this,
// and may they do that.
//
// A bearer token is a presigned GetCallerIdentity of a session this server
// sealed; nothing is forwarded to anyone to be believed. The authorizer allows
// or has no opinion; it denies for one reason only: the session is expired or
// gone. What it reads back from a review is what Review put into the user's
// extra, and it counts only where every part of it agrees.
//
// It knows no protocol; kubeapi does. It does not know who the asking cluster
// is; kubeapi tells it. It believes no token signed against real AWS.
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

// Config is what the service needs. Every field but Count is required.
type Config struct {
	Registry Registry
	Sealer   session.Sealer
	Audit    Recorder
	Mappings Mappings
	Now      func() time.Time
	// Count is told of each refusal, by reason. Nil: nobody is.
	Count func(reason string)
}

// Service answers clusters. It is safe for concurrent use.
type Service struct {
	Config
	reviews *once[reviewKey]
	allows  *once[allowKey]
	budget  *budget
}

// New makes a Service; it refuses a Config that lacks something.
func New(c Config) (*Service, error) {
	if c.Registry == nil || c.Sealer == nil || c.Audit == nil || c.Mappings == nil || c.Now == nil {
		return nil, errors.New("clusterauth: a required field of Config is missing")
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	return &Service{Config: c, reviews: newOnce[reviewKey](reviewSpan), allows: newOnce[allowKey](session.MaxDuration), budget: newBudget(maxAllowsPerMinute)}, nil
}

// Reason says why a bearer token is nobody's in a cluster.
type Reason uint8

const (
	NotABearer   Reason = iota + 1 // not a presigned GetCallerIdentity for a cluster
	BadSignature                   // signed by another key, for another cluster, or at another time
	UnknownToken                   // the session token is not ours
	Ended                          // the session has expired, or its role or provider is gone
	OtherCluster                   // an aws-auth reader's session, made for another cluster
	NotMapped                      // neither an access entry nor aws-auth names the principal
	NotReadable                    // aws-auth could not be read
	NotRecorded                    // the audit log could not be written
)

var reasonNames = [...]string{"", "not a bearer token", "bad signature", "unknown session token", "session ended", "session of another cluster", "principal not mapped", "aws-auth not readable", "not recorded"}

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
