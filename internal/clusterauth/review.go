package clusterauth

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
)

// clusterHeader is the signed header that binds a bearer token to one cluster.
const clusterHeader = "x-k8s-aws-id"

// ReviewInput is a TokenReview for one cluster; URL is what the bearer token
// holds, unverified.
type ReviewInput struct {
	Cluster eks.Cluster
	URL     string
	Info    request.Info
}

// Review says whose bearer token it is in a cluster. Every refusal is a
// *Refusal. All of this holds for the identity it returns:
//   - the token is a presigned GetCallerIdentity, signed for this cluster's
//     name by the secret key inside its own session token
//   - it was signed no longer ago than the cluster allows, and at most a minute
//     ahead of our clock
//   - the session was sealed by this server, has not expired, and its role and
//     provider exist, the very ones it was made with
//   - an access entry made for that very role names it, or, where the cluster
//     has none for it and reads aws-auth, that ConfigMap does
//   - it was recorded, once a minute for a session
func (s *Service) Review(ctx context.Context, in ReviewInput) (eks.Identity, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	sess, err := s.open(snap, in, now)
	if err == nil && sess.Reader != "" {
		// Mayfly itself, some times a minute: not recorded.
		id, err := readerIdentity(sess, in.Cluster, now)
		if err != nil {
			return eks.Identity{}, s.refuse(err)
		}
		return s.seal(id, in.Cluster, snap.Account)
	}
	var id eks.Identity
	if err == nil {
		id, err = s.identify(ctx, snap, sess, in.Cluster, now)
	}
	if err == nil {
		err = s.recordReview(ctx, in, id, sess, now)
	}
	if err != nil {
		return eks.Identity{}, s.refuse(err)
	}
	return s.seal(id, in.Cluster, snap.Account)
}

// refuse counts a refusal on its way out.
func (s *Service) refuse(err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		s.Count(r.Reason.String())
	}
	return err
}

// open verifies a bearer token's signature under the key inside its own session
// token.
func (s *Service) open(snap *registry.Snapshot, in ReviewInput, now time.Time) (session.Session, error) {
	signed, err := sigv4.ParsePresigned(in.URL, sigv4.Header{Name: clusterHeader, Value: in.Cluster.Name})
	if err != nil {
		return session.Session{}, &Refusal{NotABearer, reasonOf(err)}
	}
	sess, err := session.Open(signed.SessionToken(), signed.Scope().AccessKeyID, snap.Account, s.Sealer)
	if err != nil {
		return session.Session{}, &Refusal{UnknownToken, err}
	}
	window := sigv4.DefaultWindow()
	window.Past, window.Future = min(window.Past, in.Cluster.BearerMaxAge), maxAhead
	if err := signed.Verify(sess.Secret(), now, window); err != nil {
		return session.Session{}, &Refusal{BadSignature, err}
	}
	return sess, nil
}

// maxAhead is how far a signer's clock may be ahead: a token dated further ahead
// would live that much longer than a cluster allows.
const maxAhead = time.Minute

// reasonOf is why a URL is no presigned one, without the sentence about it: that
// may quote the URL.
func reasonOf(err error) error {
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return errors.New(e.Reason.String())
	}
	return nil
}

// identify finds the identity of a role's session in a cluster.
func (s *Service) identify(ctx context.Context, snap *registry.Snapshot, sess session.Session, c eks.Cluster, now time.Time) (eks.Identity, error) {
	who, err := snap.Principal(sess, now)
	if err != nil {
		return eks.Identity{}, &Refusal{Ended, err}
	}
	p := principalOf(who)
	if e, ok := entryOf(snap, c, sess.RoleID); ok {
		return mapped(p.IdentifyEntry(e))
	}
	if !c.Mode.ConfigMap() {
		return eks.Identity{}, &Refusal{NotMapped, fmt.Errorf("no access entry of %s is for %s", c.Name, who.Role)}
	}
	m, err := s.Mappings.Mappings(ctx, c)
	if err != nil {
		return eks.Identity{}, &Refusal{NotReadable, err}
	}
	mapping, ok := m.Find(p)
	if !ok {
		return eks.Identity{}, &Refusal{NotMapped, fmt.Errorf("neither an access entry nor aws-auth of %s is for %s", c.Name, p.CanonicalARN)}
	}
	return mapped(p.IdentifyMapping(mapping))
}

// entryOf is the entry of a role in this very cluster, if its mode has entries.
func entryOf(snap *registry.Snapshot, c eks.Cluster, roleID string) (eks.AccessEntry, bool) {
	e, ok := snap.EntryOfRole(c.Name, roleID)
	return e, ok && c.Mode.Entries() && e.ClusterID == c.ID
}

func mapped(id eks.Identity, err error) (eks.Identity, error) {
	if err != nil {
		return eks.Identity{}, &Refusal{NotMapped, err}
	}
	return id, nil
}

// principalOf is a principal as the rules of a cluster see it.
func principalOf(who session.Principal) eks.Principal {
	s := who.Session
	p := eks.Principal{
		ARN: who.ARN().String(), CanonicalARN: canonicalARN(who.Role), Account: string(who.Account),
		PrincipalID: s.RoleID, SessionName: s.Name, AccessKeyID: s.AccessKeyID(), SessionID: s.ID.String(), Expires: strconv.FormatInt(s.Expires.Unix(), 10),
		Issuer: s.Claims.Issuer, ProviderID: s.ProviderID,
	}
	for name, value := range s.Claims.All() {
		p.Claims = append(p.Claims, eks.Claim{Name: name, Value: value})
	}
	return p
}

// canonicalARN is the role's ARN without its path, as aws-iam-authenticator
// derives it from a session's ARN.
func canonicalARN(r arn.Role) string {
	r.Path = "/"
	return r.String()
}
