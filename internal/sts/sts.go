// Package sts turns a web identity, or a role session, into a session of a role,
// and says who signed a request.
//
// Every exchange walks the same five beats: plan what is asked, gather what
// must be known, decide, record, answer. Credentials leave only after their
// audit event is durable. What is planned and what is decided are plain
// functions on values.
//
// It knows no protocol; stsapi does. It decides nothing about clusters;
// clusterauth does.
package sts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
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

// Config is what the service needs. Every field is required but Guards, Issuer,
// MaxSession, Count and Wait.
type Config struct {
	Registry Registry
	Keys     Keys
	Guards   Guards                            // nil: nobody is asked what GitLab enforces
	Settings func(issuer string) oidc.Settings // what the operator says of an issuer
	Issuer   *Issuer                           // nil: no tokens are issued
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
	// Wait lets time pass, so that how long a refusal takes does not tell whether
	// there is a role. Nil: no refusal waits.
	Wait func(ctx context.Context, d time.Duration)
}

// Service is the security token service. It is safe for concurrent use.
type Service struct{ Config }

// New makes a Service; it refuses a Config that lacks something.
func New(c Config) (*Service, error) {
	if c.Registry == nil || c.Keys == nil || c.Settings == nil || c.Sealer == nil || c.Audit == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("sts: a required field of Config is missing")
	}
	if c.Guards == nil {
		c.Guards = noGuards{}
	}
	if c.MaxSession == 0 {
		c.MaxSession = time.Hour
	}
	if c.Count == nil {
		c.Count = func(string) {}
	}
	if c.Wait == nil {
		c.Wait = func(context.Context, time.Duration) {}
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
	InvalidTags                        // session tags that cannot be the session's
	NotAllowed                         // the caller's policies, the role's trust policy or, for all it is told, there is no such role
	InvalidMessage                     // not an encoded authorization message
	PathReused                         // the project's path was another's, and the role asks what GitLab enforces
	GuardsNotRead                      // what GitLab enforces is being read
	InvalidTarget                      // the role may have no token for the audience, or there can be none
)

var reasonNames = [...]string{"", "invalid parameter", "malformed session policy", "session too large", "invalid token", "expired token", "issuer keys unavailable", "not trusted by the role", "not recorded", "not for sessions", "invalid tags", "not authorized", "invalid message", "project path reused", "guards not read yet", "invalid target"}

// String is the reason in words, for the audit log and metrics.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// Refusal is why an exchange was refused: Public is for the caller, Err for
// the log, Trace for the operator, who finds it in the audit event.
type Refusal struct {
	Reason Reason
	Public string
	Err    error
	Trace  string // a webidentity.Trace, encoded; "" where no policy was asked
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

// Call is a signed request: who asks, and what else is known of it.
type Call struct {
	Caller session.Principal
	Info   request.Info
}

// Assumed is a role session that was made.
type Assumed struct {
	Credentials session.Credentials
	Session     session.Session
	Principal   session.Principal
}

// give makes the session of a grant. Its event is durable before it leaves this
// function.
func (s *Service) give(ctx context.Context, ev audit.Event, g grant, snap *registry.Snapshot) (Assumed, error) {
	made, creds, err := session.Issue(g.session, snap.Account, s.Sealer, s.Rand)
	if err != nil {
		return Assumed{}, s.deny(ctx, ev, g.tooLarge(err))
	}
	who := session.Principal{Session: made, Role: g.role.ARN(), Account: snap.Account}
	ev.Outcome, ev.Issued, ev.As, ev.Expires, ev.Matched = audit.Allowed, made.ID.String(), who.ARN().String(), made.Expires, g.matched
	describe(ev.Detail, made)
	if err := s.Audit.Record(ctx, ev); err != nil {
		return Assumed{}, refuse(NotRecorded, err, "The exchange could not be recorded, so no credentials were issued. Try again.")
	}
	return Assumed{creds, made, who}, nil
}

// count notes a refusal of somebody whose token did not verify.
func (s *Service) count(err error) error {
	if r, ok := errors.AsType[*Refusal](err); ok {
		s.Count(r.Reason.String())
	} else {
		s.Count("internal")
	}
	return err
}

// refusalTime is how long a refusal by a role takes at least: longer than it takes
// to ask any trust policy, to say of each statement why it does not match and to
// record that, none of which there is for a role that does not exist.
const refusalTime = 10 * time.Millisecond

// deny records a refusal and gives it back; one that cannot be recorded is
// still a refusal.
func (s *Service) deny(ctx context.Context, ev audit.Event, err error) error {
	ev.Outcome, ev.Reason = audit.Denied, fault.Internal.String()
	if r, ok := errors.AsType[*Refusal](err); ok {
		ev.Reason = r.Reason.String()
		if r.Err != nil {
			ev.Detail["cause"] = r.Err.Error()
		}
		if r.Trace != "" {
			ev.Detail["trace"] = r.Trace
		}
	}
	s.Count(ev.Reason)
	if rerr := s.Audit.Record(context.WithoutCancel(ctx), ev); rerr != nil {
		err = errors.Join(err, fmt.Errorf("record the refusal: %w", rerr))
	}
	if r, ok := errors.AsType[*Refusal](err); ok && (r.Reason == NotTrusted || r.Reason == NotAllowed || r.Reason == PathReused) {
		s.Wait(ctx, refusalTime-s.Now().Sub(ev.Time))
	}
	return err
}

// describe adds to an event what a session brings along, as it is sealed.
func describe(detail map[string]string, s session.Session) {
	add := func(name, value string) {
		if value != "" && value != "null" {
			detail[name] = value
		}
	}
	add("source_identity", s.SourceIdentity)
	add("policy", s.Policy)
	add("policy_ids", toJSON(s.PolicyIDs))
	add("chain", toJSON(s.Chain))
	tags, transitive := map[string]string{}, []string(nil)
	for _, t := range s.Tags {
		tags[t.Key] = t.Value
		if t.Transitive {
			transitive = append(transitive, t.Key)
		}
	}
	if len(tags) > 0 {
		add("tags", toJSON(tags))
	}
	add("transitive_tag_keys", toJSON(transitive))
}

func toJSON(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic("sts: " + err.Error()) // unreachable: lists and maps of strings
	}
	return string(out)
}

func sourceText(i request.Info) string {
	if !i.Source.IsValid() {
		return ""
	}
	return i.Source.String()
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func adminRole(snap *registry.Snapshot) iam.Role {
	r, _ := snap.RoleByID(iam.AdminID)
	return r
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
