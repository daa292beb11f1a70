package clusterauth

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// AccessInput is a SubjectAccessReview of one cluster.
type AccessInput struct {
	Cluster    eks.Cluster
	User       string
	UID        string
	Extra      map[string][]string
	Attributes eks.Attributes
	Info       request.Info
}

// Answer is what the authorizer says. The zero value is no opinion.
type Answer struct {
	Allowed bool
	Denied  bool // the session is expired or gone, and for no other reason
	Reason  string
}

// Authorize answers a SubjectAccessReview. A user that is not one of ours gets
// no opinion; so does everything no access policy allows. It denies what a
// session does that has ended, so that RBAC cannot allow it either.
func (s *Service) Authorize(ctx context.Context, in AccessInput) Answer {
	now := s.Now()
	u, ok := claimed(in)
	if !ok {
		return Answer{Reason: "not a user of Mayfly's"}
	}
	if u.reader {
		return s.authorizeReader(u, in, now)
	}
	snap := s.Registry.Snapshot()
	if why := ended(snap, u, in.Cluster, now); why != "" {
		return Answer{Denied: true, Reason: "" + why}
	}
	e, ok := snap.EntryOfRole(in.Cluster.Name, u.principalID)
	if !ok || !in.Cluster.Mode.Entries() || e.UUID != u.entry {
		return Answer{Reason: "no access entry; RBAC decides"}
	}
	o := e.Authorize(in.Attributes)
	if o.Verdict != eks.Allow {
		return Answer{Reason: "no associated access policy allows this; RBAC decides"}
	}
	if err := s.recordAllow(ctx, in, u, o, now); err != nil {
		return Answer{Reason: "the audit log cannot be written, so nothing is allowed"}
	}
	return Answer{Allowed: true, Reason: fmt.Sprintf("EKS Access Policy: allowed by %q of %q to User %q", o.Policy, e.PrincipalARN, u.principalID)}
}

// user is who a SubjectAccessReview says asks, in terms that Review set.
type user struct {
	principalID string
	session     string
	entry       string // the access entry its identity came from, may be empty
	expires     time.Time
	reader      bool
}

// claimed reads the user out of a review. It is one of ours only if uid,
// principalId and canonicalArn are single, present and agree: the user name
// alone is never looked at, so that impersonating a name gives nothing. (The
// API server writes impersonated keys of extra in lower case, so those are not
// these.)
func claimed(in AccessInput) (user, bool) {
	one := func(key string) string {
		if len(in.Extra[key]) != 1 {
			return ""
		}
		return in.Extra[key][0]
	}
	u := user{principalID: one(eks.ExtraPrincipalID), session: one(eks.ExtraSession), entry: one(extraEntry)}
	canonical := one(eks.ExtraCanonicalARN)
	if u.principalID == "" || canonical == "" || u.session == "" {
		return user{}, false
	}
	seconds, err := strconv.ParseInt(one(eks.ExtraExpires), 10, 64)
	if err != nil {
		return user{}, false
	}
	u.expires = time.Unix(seconds, 0)
	if in.UID == readerUID && u.principalID == readerUID && canonical == readerUID {
		u.reader = true
		return u, true
	}
	role, err := arn.ParseRole(canonical)
	return u, err == nil && in.UID == eks.UIDOf(string(role.Account), u.principalID)
}

// ended says why a user's session has ended, or nothing.
func ended(snap *registry.Snapshot, u user, c eks.Cluster, now time.Time) string {
	if !now.Before(u.expires) {
		return "the session has expired"
	}
	if _, ok := snap.RoleByID(u.principalID); !ok {
		return "the role no longer exists"
	}
	if u.entry == "" {
		return ""
	}
	if e, ok := snap.EntryOfRole(c.Name, u.principalID); !ok || e.UUID != u.entry {
		return "the access entry no longer exists"
	}
	return ""
}

// recordAllow records the first allow of a session for a namespace and a verb.
func (s *Service) recordAllow(ctx context.Context, in AccessInput, u user, o eks.Opinion, now time.Time) error {
	a := in.Attributes
	key := u.session + " " + in.Cluster.ID + " " + a.Namespace + " " + a.Verb
	return s.allows.do(key, now, func() error {
		return s.Audit.Record(ctx, audit.Event{Time: now, Action: "kubernetes:SubjectAccessReview", Outcome: audit.Allowed, Request: in.Info.ID, Source: sourceText(in.Info), Cluster: in.Cluster.Name,
			Actor: first(in.Extra[eks.ExtraARN]), Session: u.session, Matched: []string{o.Policy},
			Detail: map[string]string{"namespace": a.Namespace, "verb": a.Verb, "resource": a.Resource, "name": a.Name, "path": a.Path}})
	})
}

// The aws-auth reader: Mayfly itself, reading one ConfigMap of one cluster.
const (
	readerUID  = "mayfly:aws-auth-reader"
	readerName = "mayfly:aws-auth-reader"
)

// reader is the identity of a reader's session, in its own cluster only.
func reader(sess session.Session, c eks.Cluster, now time.Time) (eks.Identity, error) {
	if sess.Reader != c.ID {
		return eks.Identity{}, &Refusal{NotMapped, fmt.Errorf("the session may read aws-auth of another cluster")}
	}
	if sess.Expired(now) {
		return eks.Identity{}, &Refusal{Ended, registry.ErrExpired}
	}
	return eks.Identity{Username: readerName, UID: readerUID, Extra: map[string][]string{
		eks.ExtraCanonicalARN: {readerUID}, eks.ExtraPrincipalID: {readerUID}, eks.ExtraAccessKeyID: {sess.AccessKeyID()},
		eks.ExtraSession: {sess.ID.String()}, eks.ExtraExpires: {strconv.FormatInt(sess.Expires.Unix(), 10)},
	}}, nil
}

// authorizeReader allows get, list and watch of kube-system/aws-auth and
// nothing else.
func (s *Service) authorizeReader(u user, in AccessInput, now time.Time) Answer {
	if !now.Before(u.expires) {
		return Answer{Denied: true, Reason: "the session has expired"}
	}
	a := in.Attributes
	read := a.Verb == "get" || a.Verb == "list" || a.Verb == "watch"
	if read && a.IsResource && a.Group == "" && a.Resource == "configmaps" && a.Subresource == "" && a.Namespace == "kube-system" && a.Name == "aws-auth" {
		return Answer{Allowed: true, Reason: "its own reading of aws-auth"}
	}
	return Answer{Reason: "its reader may read aws-auth and nothing else"}
}
