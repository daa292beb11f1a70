package clusterauth

import (
	"context"
	"strconv"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
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
// no opinion; so does everything no access policy allows, and what is allowed
// but cannot be recorded. It denies what a session does that has ended, so that
// RBAC cannot allow it either: one that has expired, whose role, a role it was
// assumed through, or provider is gone, or the access entry its identity came
// from.
func (s *Service) Authorize(ctx context.Context, in AccessInput) Answer {
	now := s.Now()
	snap := s.Registry.Snapshot()
	if !s.genuine(in, snap.Account) {
		return Answer{Reason: "not a user of Mayfly's"}
	}
	if isReader(in) {
		return s.authorizeReader(in, now)
	}
	u, ok := claimed(in, snap)
	if !ok {
		return Answer{Reason: "not a user of Mayfly's"}
	}
	if why := ended(snap, in.Cluster, u, now); why != "" {
		return Answer{Denied: true, Reason: why}
	}
	e, ok := entryOf(snap, in.Cluster, u.entryKey)
	switch found := ok && e.UUID == u.entry; {
	case !found && u.entry != "":
		return Answer{Denied: true, Reason: "the access entry no longer exists"}
	case !found:
		return Answer{Reason: "the identity is not an access entry's; RBAC decides"}
	}
	o := e.Authorize(in.Attributes, snap.CustomPolicy)
	if o.Verdict != eks.Allow {
		return Answer{Reason: "no associated access policy allows this; RBAC decides"}
	}
	if err := s.recordAllow(ctx, in, u, o, now); err != nil {
		s.Count(NotRecorded.String())
		return Answer{Reason: "an access policy allows this, but it cannot be recorded; RBAC decides"}
	}
	return Answer{Allowed: true, Reason: o.Reason(e, in.Attributes)}
}

// user is who a SubjectAccessReview says asks, in terms that Review set.
type user struct {
	principalID string
	account     string
	arn         string
	sessionID   string // empty for whom AWS vouches for
	sessionKey  string // what tells sessions apart
	entryKey    string
	expires     time.Time
	issuer      string // empty for a session without an ID token behind it
	provider    string // likewise
	chain       []string
	entry       string // the access entry its identity came from; empty: a mapping
	aws         bool
}

// claimed reads the user out of a review whose seal holds. It is one of ours
// only if uid, principalId, canonicalArn and arn are single, present and agree
// on account and role, and the session has an id and an end: the user name alone
// is never looked at, so that impersonating a name gives nothing.
func claimed(in AccessInput, snap *registry.Snapshot) (user, bool) {
	u := user{
		principalID: one(in.Extra, eks.ExtraPrincipalID), arn: one(in.Extra, eks.ExtraARN), sessionID: one(in.Extra, eks.ExtraSession),
		issuer: one(in.Extra, eks.ExtraIssuer), provider: one(in.Extra, eks.ExtraProvider), entry: one(in.Extra, eks.ExtraEntry), aws: one(in.Extra, eks.ExtraRealm) == eks.RealmAWS,
		chain: in.Extra[eks.ExtraChain],
	}
	for _, key := range []string{eks.ExtraIssuer, eks.ExtraProvider, eks.ExtraEntry, eks.ExtraRealm} {
		if len(in.Extra[key]) > 1 {
			return user{}, false
		}
	}
	canonical, ok := u.canonical(in, snap)
	if !ok || canonical != one(in.Extra, eks.ExtraCanonicalARN) {
		return user{}, false
	}
	if u.expires, ok = expiry(in.Extra); !ok {
		return user{}, false
	}
	u.sessionKey, u.entryKey = u.sessionID, u.principalID
	if u.aws {
		u.sessionKey, u.entryKey = one(in.Extra, eks.ExtraAccessKeyID)+" "+u.arn, canonical
	}
	return u, u.principalID != "" && in.UID == eks.UIDOf(u.account, u.principalID)
}

// canonical is the canonical ARN that belongs to the other things a user says of
// itself, and sets its account.
func (u *user) canonical(in AccessInput, snap *registry.Snapshot) (string, bool) {
	name := one(in.Extra, eks.ExtraSessionName)
	if u.aws {
		a, err := arn.Parse(u.arn)
		id := u.principalID
		if name != "" {
			id += ":" + name
		}
		p, perr := eks.Vouched{ARN: u.arn, Account: a.Account, UserID: id}.Principal()
		u.account = a.Account
		return p.CanonicalARN, err == nil && perr == nil && u.sessionID == "" && a.Account != string(snap.Account)
	}
	s, err := arn.ParseSession(u.arn)
	u.account = string(s.Account)
	role, known := snap.RoleByID(u.principalID)
	if known && role.Name != s.Role {
		return "", false
	}
	return canonicalARN(arn.Role{Account: s.Account, Name: s.Role}), err == nil && s.Account == snap.Account && s.Name == name && isSessionID(u.sessionID)
}

// ended says why a session is no more, or nothing.
func ended(snap *registry.Snapshot, c eks.Cluster, u user, now time.Time) string {
	switch {
	case !now.Before(u.expires):
		return "the session has expired"
	case u.aws && !trusts(c, u.account):
		return "the cluster no longer trusts the AWS account"
	case u.aws:
		return ""
	}
	if _, ok := snap.RoleByID(u.principalID); !ok {
		return "the session's role no longer exists"
	}
	if !snap.HasRoles(u.chain) {
		return "a role the session was assumed through no longer exists"
	}
	if !providerExists(snap, u) {
		return "the session's identity provider no longer exists"
	}
	return ""
}

// one is the only value of a key, "" if there is none or more than one.
func one(extra map[string][]string, key string) string {
	if len(extra[key]) != 1 {
		return ""
	}
	return extra[key][0]
}

func expiry(extra map[string][]string) (time.Time, bool) {
	seconds, err := strconv.ParseInt(one(extra, eks.ExtraExpires), 10, 64)
	return time.Unix(seconds, 0), err == nil
}

// isSessionID reports whether text has the form of session.ID.String.
func isSessionID(text string) bool {
	if len(text) != 32 {
		return false
	}
	for _, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// providerExists reports whether the provider a session was made with is still
// there; a session without one needs none.
func providerExists(snap *registry.Snapshot, u user) bool {
	if u.provider == "" {
		return true
	}
	p, ok := snap.Provider(u.issuer)
	return ok && p.ID == u.provider
}
