// Package clusterauth answers a cluster's two questions: whose token is this,
// and may they do that.
//
// A bearer token is a presigned GetCallerIdentity of a session this server
// sealed; nothing is forwarded to anyone to be believed. The authorizer allows
// or has no opinion; it denies for one reason only: the session is expired or
// gone.
//
// It knows no protocol; kubeapi does.
package clusterauth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
)

// Registry gives the configuration in force.
type Registry interface{ Snapshot() *registry.Snapshot }

// Recorder makes an audit event durable, or fails.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) error
}

// Mappings gives what a cluster's aws-auth ConfigMap says. An error means that
// nobody knows: nobody is mapped then.
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
	reviews *once // session, cluster :: recorded this minute
	allows  *once // session, cluster, namespace, verb :: recorded
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Registry == nil || c.Sealer == nil || c.Audit == nil || c.Mappings == nil || c.Now == nil {
		return nil, errors.New("clusterauth: a required field of Config is missing")
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	return &Service{Config: c, reviews: newOnce(time.Minute), allows: newOnce(session.MaxDuration)}, nil
}

// Reason says why a bearer token is nobody's in a cluster.
type Reason uint8

const (
	NotABearer   Reason = iota + 1 // not a presigned GetCallerIdentity for this cluster
	BadSignature                   // signed by another key, for another cluster, or at another time
	UnknownToken                   // the session token is not ours
	Ended                          // the session has expired, or its role or provider is gone
	NotMapped                      // neither an access entry nor aws-auth names the principal
	NotReadable                    // aws-auth could not be read
	NotRecorded                    // the audit log could not be written
)

var reasonNames = [...]string{"", "not a bearer token", "bad signature", "unknown session token", "session ended", "principal not mapped", "aws-auth not readable", "not recorded"}

// String is the reason in words, for logs and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Refusal is why a bearer token is nobody's. The cluster is told the reason in
// words; Err is for the log.
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

func (e *Refusal) Unwrap() error { return e.Err }

// clusterHeader is the signed header that binds a bearer token to one cluster.
const clusterHeader = "x-k8s-aws-id"

// ReviewInput is a TokenReview for one cluster; URL is what the bearer token
// holds.
type ReviewInput struct {
	Cluster eks.Cluster
	URL     string
	Info    request.Info
}

// Review says whose bearer token it is in a cluster. Every refusal is a
// *Refusal. All of this holds for the identity it returns:
//   - the token is a presigned GetCallerIdentity, signed for this cluster's
//     name by the secret key inside its own session token
//   - it was signed no longer ago than the cluster allows, and not in the future
//   - the session was sealed by this server, has not expired, and its role and
//     provider exist
//   - an access entry made for that very role names it, or, where the cluster's
//     mode has no entry for it, the aws-auth ConfigMap
func (s *Service) Review(ctx context.Context, in ReviewInput) (eks.Identity, error) {
	now := s.Now()
	id, sess, err := s.identify(ctx, in, now)
	if err != nil {
		if r, ok := errors.AsType[*Refusal](err); ok {
			s.Count(r.Reason.String())
		}
		return eks.Identity{}, err
	}
	if err := s.recordReview(ctx, in, id, sess, now); err != nil {
		return eks.Identity{}, &Refusal{NotRecorded, err}
	}
	return id, nil
}

func (s *Service) identify(ctx context.Context, in ReviewInput, now time.Time) (eks.Identity, session.Session, error) {
	snap := s.Registry.Snapshot()
	sess, err := s.open(snap, in, now)
	if err != nil {
		return eks.Identity{}, sess, err
	}
	if sess.Reader != "" {
		id, err := reader(sess, in.Cluster, now)
		return id, sess, err
	}
	who, err := snap.Principal(sess, now)
	if err != nil {
		return eks.Identity{}, sess, &Refusal{Ended, err}
	}
	p := principalOf(who)
	if in.Cluster.Mode.Entries() {
		if e, ok := snap.EntryOfRole(in.Cluster.Name, sess.RoleID); ok && e.ClusterID == in.Cluster.ID {
			id, err := p.Identify(e.UsernameTemplate(), e.Groups)
			if err != nil {
				return eks.Identity{}, sess, &Refusal{NotMapped, err}
			}
			id.Extra[extraEntry] = []string{e.UUID}
			return id, sess, nil
		}
	}
	if !in.Cluster.Mode.ConfigMap() {
		return eks.Identity{}, sess, &Refusal{NotMapped, fmt.Errorf("no access entry of %s is for %s", in.Cluster.Name, who.Role)}
	}
	m, err := s.Mappings.Mappings(ctx, in.Cluster)
	if err != nil {
		return eks.Identity{}, sess, &Refusal{NotReadable, err}
	}
	found, ok := m.Find(p)
	if !ok {
		return eks.Identity{}, sess, &Refusal{NotMapped, fmt.Errorf("neither an access entry nor aws-auth of %s is for %s", in.Cluster.Name, who.Role)}
	}
	id, err := p.Identify(found.Username, found.Groups)
	if err != nil {
		return eks.Identity{}, sess, &Refusal{NotMapped, err}
	}
	return id, sess, nil
}

// open verifies a bearer token's signature under the key inside its own session
// token.
func (s *Service) open(snap *registry.Snapshot, in ReviewInput, now time.Time) (session.Session, error) {
	signed, err := sigv4.ParsePresigned(in.URL, sigv4.Header{Name: clusterHeader, Value: in.Cluster.Name})
	if err != nil {
		return session.Session{}, &Refusal{NotABearer, err}
	}
	sess, err := session.Open(signed.SessionToken(), signed.Scope().AccessKeyID, snap.Account, s.Sealer)
	if err != nil {
		return session.Session{}, &Refusal{UnknownToken, err}
	}
	window := sigv4.DefaultWindow()
	window.Past = min(window.Past, in.Cluster.BearerMaxAge)
	if err := signed.Verify(sess.Secret(), now, window); err != nil {
		return session.Session{}, &Refusal{BadSignature, err}
	}
	return sess, nil
}

// principalOf is a principal as the rules of a cluster see it.
func principalOf(who session.Principal) eks.Principal {
	s := who.Session
	p := eks.Principal{
		ARN: who.ARN().String(), CanonicalARN: canonicalARN(who), RoleARN: who.Role.String(), Account: string(who.Account),
		PrincipalID: s.RoleID, SessionName: s.Name, AccessKeyID: s.AccessKeyID(), SessionID: s.ID.String(), Expires: strconv.FormatInt(s.Expires.Unix(), 10),
		Issuer: issuerKey(s.Claims.Issuer),
	}
	for name, value := range s.Claims.All() {
		p.Claims = append(p.Claims, eks.Claim{Name: name, Value: value})
	}
	return p
}

// canonicalARN is the role's ARN without its path, as aws-iam-authenticator
// derives it from a session's ARN.
func canonicalARN(who session.Principal) string {
	r := who.Role
	r.Path = "/"
	return r.String()
}

// issuerKey is an issuer's host and path, without a port: the prefix of the
// claims in extra. Its keys are domain-prefixed paths, in which a port's colon
// may not stand.
func issuerKey(issuer string) string {
	rest := strings.TrimPrefix(issuer, "https://")
	host, path, found := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, ":")
	if found && path != "" {
		host += "/" + strings.TrimSuffix(path, "/")
	}
	return strings.ToLower(host) // extra's keys are lower case
}

// extraEntry is the access entry an identity came from: when it is deleted, the
// session ends in the cluster too.
const extraEntry = "mayfly/entry"

// recordReview records one successful TokenReview per session, cluster and
// minute. It is durable before the answer.
func (s *Service) recordReview(ctx context.Context, in ReviewInput, id eks.Identity, sess session.Session, now time.Time) error {
	if sess.Reader != "" {
		return nil // Mayfly's own reading of aws-auth, once a minute
	}
	key := sess.ID.String() + " " + in.Cluster.ID
	return s.reviews.do(key, now, func() error {
		return s.Audit.Record(ctx, audit.Event{Time: now, Action: "kubernetes:TokenReview", Outcome: audit.Allowed, Request: in.Info.ID, Source: sourceText(in.Info), Cluster: in.Cluster.Name,
			Actor: first(id.Extra[eks.ExtraARN]), Session: sess.ID.String(), Detail: map[string]string{"username": id.Username, "groups": strings.Join(id.Groups, " ")}})
	})
}

func sourceText(i request.Info) string {
	if !i.Source.IsValid() {
		return ""
	}
	return i.Source.String()
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
