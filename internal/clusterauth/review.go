package clusterauth

import (
	"context"
	"errors"
	"fmt"
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
	// Name is what the cluster's tokens are bound to. Empty: its name. Another
	// must not be the name of another cluster.
	Name string
	// Mapper is asked where no access entry is for the principal. Nil: the
	// cluster's aws-auth ConfigMap.
	Mapper Mapper
}

// Review says whose bearer token it is in a cluster. Every refusal is a
// *Refusal. All of this holds for the identity it returns:
//   - the token is a presigned GetCallerIdentity, signed for this cluster's
//     name by the secret key inside its own session token
//   - it was signed no longer ago than the cluster allows, and at most a minute
//     ahead of our clock
//   - the session was sealed by this server, has not expired, and its role, those
//     it was assumed through and its provider exist, the very ones it was made
//     with
//   - or else AWS vouches for the token, and names a principal of an account
//     that the cluster trusts and that is not Mayfly's
//   - an access entry made for that very role names it, or, where the cluster
//     has none for it and its mode has mappings, one of those does
//   - it was recorded, once a minute for a session
func (s *Service) Review(ctx context.Context, in ReviewInput) (eks.Identity, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	if in.Name == "" {
		in.Name = in.Cluster.Name
	} else if other, ok := snap.Cluster(in.Name); ok && other.ID != in.Cluster.ID {
		return eks.Identity{}, s.refuse(&Refusal{NotABearer, fmt.Errorf("%s is the name of another cluster, whose tokens must not be good here", in.Name)})
	}
	p, err := s.principal(ctx, snap, in, now)
	if err != nil {
		return eks.Identity{}, s.refuse(err)
	}
	if p.ARN == "" { // Mayfly itself, some times a minute: not recorded
		return s.seal(readerIdentity(p), in.Cluster, snap.Account)
	}
	id, err := s.identify(ctx, snap, p, in)
	if err == nil {
		err = s.recordReview(ctx, in, p, id, now)
	}
	if err != nil {
		return eks.Identity{}, s.refuse(err)
	}
	return s.seal(id, in.Cluster, snap.Account)
}

// principal is who signed a bearer token: one of our sessions, or whom AWS
// vouches for. A reader has no ARN.
func (s *Service) principal(ctx context.Context, snap *registry.Snapshot, in ReviewInput, now time.Time) (eks.Principal, error) {
	signed, err := sigv4.ParsePresigned(in.URL, sigv4.Header{Name: clusterHeader, Value: in.Name})
	if err != nil {
		return eks.Principal{}, &Refusal{NotABearer, reasonOf(err)}
	}
	sess, err := session.Open(signed.SessionToken(), signed.Scope().AccessKeyID, snap.Account, s.Sealer)
	switch {
	case err != nil && s.AWS != nil && len(in.Cluster.TrustAccounts) > 0:
		return s.askAWS(ctx, snap, in, signed, now)
	case err != nil:
		return eks.Principal{}, &Refusal{UnknownToken, err}
	}
	window := sigv4.DefaultWindow()
	window.Past, window.Future = min(window.Past, in.Cluster.BearerMaxAge), maxAhead
	if err := signed.Verify(sess.Secret(), now, window); err != nil {
		return eks.Principal{}, &Refusal{BadSignature, err}
	}
	if sess.Reader != "" {
		return readerOf(sess, in.Cluster, now)
	}
	who, err := snap.Principal(sess, now)
	if err != nil {
		return eks.Principal{}, &Refusal{Ended, err}
	}
	return principalOf(who), nil
}

// refuse counts a refusal on its way out.
func (s *Service) refuse(err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		s.Count(r.Reason.String())
	}
	return err
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

// identify finds the identity of a principal in a cluster.
func (s *Service) identify(ctx context.Context, snap *registry.Snapshot, p eks.Principal, in ReviewInput) (eks.Identity, error) {
	c := in.Cluster
	if e, ok := entryOf(snap, c, entryKey(p)); ok {
		return mapped(p.IdentifyEntry(e))
	}
	if !c.Mode.ConfigMap() {
		return eks.Identity{}, &Refusal{NotMapped, fmt.Errorf("no access entry of %s is for %s", c.Name, p.CanonicalARN)}
	}
	mapper := in.Mapper
	if mapper == nil {
		mapper = configMap{s.Mappings}
	}
	mapping, ok, err := mapper.Map(ctx, c, p)
	switch {
	case err != nil:
		return eks.Identity{}, &Refusal{NotReadable, err}
	case !ok:
		return eks.Identity{}, &Refusal{NotMapped, fmt.Errorf("neither an access entry nor a mapping of %s is for %s", c.Name, p.CanonicalARN)}
	}
	return mapped(p.IdentifyMapping(mapping))
}

// configMap maps as a cluster's aws-auth ConfigMap says.
type configMap struct{ of Mappings }

func (m configMap) Map(ctx context.Context, c eks.Cluster, p eks.Principal) (eks.Mapping, bool, error) {
	all, err := m.of.Mappings(ctx, c)
	if err != nil {
		return eks.Mapping{}, false, err
	}
	mapping, ok := all.Find(p)
	return mapping, ok, nil
}

// entryKey is what an access entry is found by: the id of a role of ours, so
// that one made anew under the name is another; the canonical ARN of a principal
// whose id AWS alone knows before it comes. No id is an ARN.
func entryKey(p eks.Principal) string {
	if p.AWS {
		return p.CanonicalARN
	}
	return p.PrincipalID
}

// entryOf is the entry of a principal in this very cluster, if its mode has
// entries.
func entryOf(snap *registry.Snapshot, c eks.Cluster, key string) (eks.AccessEntry, bool) {
	e, ok := snap.EntryOfPrincipal(c.Name, key)
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
		ARN: who.ARN().String(), CanonicalARN: canonicalARN(who.Role), RoleARN: who.Role.String(), Account: string(who.Account),
		PrincipalID: s.RoleID, SessionName: s.Name, AccessKeyID: s.AccessKeyID(), SessionID: s.ID.String(), Expires: expiryText(s.Expires),
		Issuer: s.Claims.Issuer, ProviderID: s.ProviderID, Chain: s.Chain,
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
