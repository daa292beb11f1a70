// Package sts turns a web identity into a role session, and says who signed a
// request.
//
// Every exchange walks the same five beats: plan what is asked, gather what
// must be known, decide, record, answer. Credentials leave only after their
// audit event is durable. The two decisions in it, planWebIdentity and
// decideWebIdentity, are plain functions on values.
//
// It knows no protocol; stsapi does. It decides nothing about clusters;
// clusterauth does.
package sts

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// Registry gives the configuration in force.
type Registry interface{ Snapshot() *registry.Snapshot }

// Keys gives the key set of a registered issuer, fetched at need; keyID is the
// key the caller hopes to find. An error means that nobody could say: the
// caller must refuse.
type Keys interface {
	Keys(ctx context.Context, issuer, keyID string) (*jwt.KeySet, error)
}

// Recorder makes an audit event durable, or fails.
type Recorder interface {
	Record(ctx context.Context, e audit.Event) error
}

// Config is what the service needs. Every field is required but MaxSession and
// Count.
type Config struct {
	Registry Registry
	Keys     Keys
	Settings func(issuer string) oidc.Settings // what the operator says of an issuer
	Sealer   session.Sealer
	Audit    Recorder
	Now      func() time.Time
	Rand     io.Reader
	// MaxSession is the longest a session may last, whatever its role allows.
	// 0: one hour.
	MaxSession time.Duration
	// Count is told of each refusal that is too early to be recorded one by
	// one: a stranger can send any number of those. Nil: nobody is.
	Count func(reason string)
}

// Service is the security token service. It is safe for concurrent use.
type Service struct{ Config }

// New makes a Service; it refuses a Config that lacks something.
func New(c Config) (*Service, error) {
	if c.Registry == nil || c.Keys == nil || c.Settings == nil || c.Sealer == nil || c.Audit == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("sts: a required field of Config is missing")
	}
	if c.MaxSession == 0 {
		c.MaxSession = time.Hour
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	return &Service{c}, nil
}

// Reason says why an exchange was refused. The edge turns it into STS's code.
type Reason uint8

const (
	InvalidParameter Reason = iota + 1 // ValidationError
	MalformedPolicy                    // the session policy
	TooLarge                           // session policy or tags
	InvalidToken                       // not a token we believe
	ExpiredToken                       // it was one
	NoKeys                             // the issuer's keys could not be had
	NotTrusted                         // the role does not trust it, or there is no such role
	NotRecorded                        // the audit log could not be written
	NotForSessions                     // only an IAM user may ask it, and there are none
)

var reasonNames = [...]string{"", "invalid parameter", "malformed session policy", "session too large", "invalid token", "expired token", "issuer keys unavailable", "not trusted by the role", "not recorded", "not for sessions"}

// String is the reason in words, for the audit log and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Refusal is why an exchange was refused: Public is for the caller, Err for
// the log.
type Refusal struct {
	Reason Reason
	Public string
	Err    error
}

func (e *Refusal) Error() string {
	if e.Err == nil {
		return e.Public
	}
	return e.Public + ": " + e.Err.Error()
}

func (e *Refusal) Unwrap() error { return e.Err }

func refuse(r Reason, cause error, format string, args ...any) *Refusal {
	return &Refusal{Reason: r, Public: fmt.Sprintf(format, args...), Err: cause}
}

// RefuseSession is the refusal of an operation that takes long-lived credentials,
// of which there are none here: AWS's words to a caller with temporary ones.
func RefuseSession(action string) error {
	return refuse(NotForSessions, nil, "Cannot call %s with session credentials", action)
}

// WebIdentityInput is what AssumeRoleWithWebIdentity is asked.
type WebIdentityInput struct {
	RoleARN     string
	SessionName string
	Token       string
	ProviderID  string
	PolicyARNs  []string
	Policy      string
	Duration    time.Duration // 0: one hour, or the server's ceiling if that is less
	Info        request.Info
}

// WebIdentityOutput is what it gives.
type WebIdentityOutput struct {
	Credentials session.Credentials
	Session     session.Session
	Principal   session.Principal
	Provider    oidc.Provider
	Subject     string
	Audience    string
	// PackedPercent is how much of the room for a session policy is used; 0
	// without one.
	PackedPercent int
}

// AssumeRoleWithWebIdentity exchanges an ID token of a registered provider for
// a role session. Every refusal is a *Refusal; the audit event is durable
// before any credential leaves this function.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in WebIdentityInput) (WebIdentityOutput, error) {
	now := s.Now()
	plan, err := planWebIdentity(in) // plan
	if err != nil {
		return s.count(err)
	}
	known, err := s.gather(ctx, plan) // gather
	if err != nil {
		return s.count(err)
	}
	token, err := verify(plan, known, now) // decide: whose token it is
	if err != nil {
		if !verified(err) {
			return s.count(err)
		}
		return s.deny(ctx, newEvent(in, plan, known, nil, now), err)
	}
	ev := newEvent(in, plan, known, &token, now)
	grant, err := decideWebIdentity(plan, known, token, in.Info, s.MaxSession, now) // decide: what it may have
	if err != nil {
		return s.deny(ctx, ev, err)
	}
	made, creds, err := session.Issue(grant.session, known.snapshot.Account, s.Sealer, s.Rand)
	if err != nil {
		return s.deny(ctx, ev, issueRefusal(err))
	}
	who := session.Principal{Session: made, Role: known.role.ARN(), Account: known.snapshot.Account}
	ev.Outcome, ev.Issued, ev.As, ev.Expires, ev.Matched = audit.Allowed, made.ID.String(), who.ARN().String(), made.Expires, grant.matched
	if err := s.Audit.Record(ctx, ev); err != nil { // record
		return WebIdentityOutput{}, refuse(NotRecorded, err, "The exchange could not be recorded, so no credentials were issued. Try again.")
	}
	return WebIdentityOutput{Credentials: creds, Session: made, Principal: who, Provider: known.provider, Subject: token.Subject(), Audience: made.Claims.Audience, PackedPercent: grant.packedPercent}, nil // answer
}

// count notes a refusal of somebody whose token did not verify.
func (s *Service) count(err error) (WebIdentityOutput, error) {
	if r, ok := errors.AsType[*Refusal](err); ok {
		s.Count(r.Reason.String())
	} else {
		s.Count("internal")
	}
	return WebIdentityOutput{}, err
}

// deny records a refusal and gives it back; one that cannot be recorded is
// still a refusal.
func (s *Service) deny(ctx context.Context, ev audit.Event, err error) (WebIdentityOutput, error) {
	ev.Outcome, ev.Reason = audit.Denied, fault.Internal.String()
	if r, ok := errors.AsType[*Refusal](err); ok {
		ev.Reason = r.Reason.String()
		if r.Err != nil {
			ev.Detail = map[string]string{"cause": r.Err.Error()}
		}
	}
	s.Count(ev.Reason)
	if rerr := s.Audit.Record(ctx, ev); rerr != nil {
		err = errors.Join(err, fmt.Errorf("record the refusal: %w", rerr))
	}
	return WebIdentityOutput{}, err
}

func issueRefusal(err error) error {
	large, ok := errors.AsType[*session.TooLargeError](err)
	switch {
	case !ok:
		return err
	case large.Part == session.PartPolicy || large.Part == session.PartTags:
		return refuse(TooLarge, err, "Packed policy consumes %d%% of allotted space, please use smaller policy.", large.Percent)
	}
	return refuse(InvalidToken, err, "The claim %s of the token is too long to be kept in a session", large.Part)
}

func newEvent(in WebIdentityInput, p webIdentityPlan, k webIdentityFacts, b *believed, now time.Time) audit.Event {
	digest := p.token.Digest()
	ev := audit.Event{Time: now, Action: actionWebIdentity, Request: in.Info.ID, Resource: p.role.String(), Provider: k.provider.ARN().String(), Token: hex.EncodeToString(digest[:]),
		Detail: map[string]string{"session_name": in.SessionName}}
	if in.Info.Source.IsValid() {
		ev.Source = in.Info.Source.String()
	}
	if b != nil {
		ev.Claims = make(map[string]string, 16)
		for name, value := range b.kept.All() {
			ev.Claims[name] = value
		}
	}
	return ev
}

// webIdentityFacts is what must be known to decide.
type webIdentityFacts struct {
	snapshot *registry.Snapshot
	provider oidc.Provider
	settings oidc.Settings
	keys     *jwt.KeySet
	role     registryRole
}

// gather finds the provider of the token's issuer, its keys and the role. An
// issuer that is not registered stops here: no packet is sent to it.
func (s *Service) gather(ctx context.Context, p webIdentityPlan) (webIdentityFacts, error) {
	issuer := p.token.UnverifiedIssuer()
	asked, ok := s.Registry.Snapshot().Provider(issuer)
	if !ok {
		return webIdentityFacts{}, noProvider(issuer)
	}
	keys, err := s.Keys.Keys(ctx, issuer, p.token.KeyID())
	if err != nil {
		return webIdentityFacts{}, refuse(NoKeys, err, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	// What is decided on is what is in force now: the fetch may have taken
	// seconds, in which a trust policy was tightened.
	k := webIdentityFacts{snapshot: s.Registry.Snapshot(), keys: keys, settings: s.Settings(issuer)}
	if k.provider, ok = k.snapshot.Provider(issuer); !ok || k.provider.ID != asked.ID {
		return k, noProvider(issuer)
	}
	k.role.Role, k.role.exists = k.snapshot.RoleByARN(p.role)
	return k, nil
}

func noProvider(issuer string) error {
	return refuse(InvalidToken, nil, "No OpenIDConnect provider found in your account for %s", clip(issuer))
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// AdminCredentials makes a session of the administrator's role for a user of
// this machine who reached the admin socket.
func (s *Service) AdminCredentials(ctx context.Context, uid string, duration time.Duration) (session.Credentials, session.Principal, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	role := adminRole(snap)
	made, creds, err := session.Issue(session.Session{RoleID: role.ID, Name: "uid-" + uid, AdminUID: uid, Issued: now, Expires: now.Add(duration)}, snap.Account, s.Sealer, s.Rand)
	if err != nil {
		return session.Credentials{}, session.Principal{}, err
	}
	who := session.Principal{Session: made, Role: role.ARN(), Account: snap.Account}
	ev := audit.Event{Time: now, Action: "mayfly:AdminCredentials", Outcome: audit.Allowed, Resource: role.ARN().String(), Issued: made.ID.String(), As: who.ARN().String(), Expires: made.Expires, Detail: map[string]string{"uid": uid}}
	if err := s.Audit.Record(ctx, ev); err != nil {
		return session.Credentials{}, session.Principal{}, refuse(NotRecorded, err, "The use of the admin socket could not be recorded, so no credentials were issued.")
	}
	return creds, who, nil
}

// ReaderCredentials makes a session that may read one cluster's aws-auth
// ConfigMap for a minute and do nothing else. It is recorded like every other.
func (s *Service) ReaderCredentials(ctx context.Context, c eks.Cluster) (session.Credentials, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	made, creds, err := session.Issue(session.Session{Reader: c.ID, Name: readerName, Issued: now, Expires: now.Add(readerLife)}, snap.Account, s.Sealer, s.Rand)
	if err != nil {
		return session.Credentials{}, err
	}
	ev := audit.Event{Time: now, Action: "mayfly:ReaderCredentials", Outcome: audit.Allowed, Resource: c.ARN().String(), Cluster: c.Name, Issued: made.ID.String(), As: readerName, Expires: made.Expires}
	if err := s.Audit.Record(ctx, ev); err != nil {
		return session.Credentials{}, refuse(NotRecorded, err, "The reading of aws-auth could not be recorded, so no credentials were made for it.")
	}
	return creds, nil
}

// readerName is how the audit log calls readers: they are nobody's role.
const readerName = "aws-auth-reader"

// readerLife is how long a reader's session lasts (CONTRACTS: 60 s).
const readerLife = time.Minute
