// Package control is the control plane: it authorises, checks, applies and
// records every change to providers, roles, clusters and access entries.
//
// Each operation is a public method that says what it is about and how it
// changes a snapshot; every change goes through one function, change, which
// authorises the caller, decides, and commits the change with its audit event
// in one transaction. What was refused is recorded too.
//
// It knows no protocol: the edges decode requests, and turn the typed errors
// of iam, eks and policy, and *DeniedError, into codes.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// Store gives the configuration in force and commits what follows.
type Store interface {
	Snapshot() *registry.Snapshot
	// Commit makes changes decided on base and their event durable and in
	// force. It gives an error for which Stale is true if another change came
	// first; any other error means that nothing was written.
	Commit(ctx context.Context, base *registry.Snapshot, changes []registry.Change, e audit.Event) error
	// Record makes an event durable by itself.
	Record(ctx context.Context, e audit.Event) error
}

// Config is what the service needs; every field but Changed is required.
type Config struct {
	Store Store
	Stale func(error) bool // whether a Commit failed because it must be decided anew
	Now   func() time.Time
	Rand  io.Reader
	// Changed is told of every change in force. Nil: nobody is.
	Changed func(*registry.Snapshot)
}

// Service is the control plane. It is safe for concurrent use.
type Service struct{ Config }

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Stale == nil || c.Now == nil || c.Rand == nil {
		return nil, errors.New("control: Store, Stale, Now and Rand are required")
	}
	return &Service{c}, nil
}

// Call is a signed request: who asks, and what else is known of it.
type Call struct {
	Caller session.Principal
	Info   request.Info
}

// DeniedError says that the caller's policies do not allow an action.
type DeniedError struct {
	Caller   string // ARN
	Action   string
	Resource string
	Explicit bool // by an explicit deny
}

func (e *DeniedError) Error() string {
	how := "because no identity-based policy allows the " + e.Action + " action"
	if e.Explicit {
		how = "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", e.Caller, e.Action, e.Resource, how)
}

// authorize asks the caller's policies, as they are now.
func authorize(snap *registry.Snapshot, c Call, action, resource string) error {
	role, ok := snap.RoleByID(c.Caller.Session.RoleID)
	if !ok {
		return &DeniedError{Caller: c.Caller.ARN().String(), Action: action, Resource: resource}
	}
	set := policy.Set{Identity: role.Permissions(), ResourceAccount: snap.Account}
	if text := c.Caller.Session.Policy; text != "" {
		d, err := policy.Parse(policy.SessionPolicy, []byte(text))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the session's policy cannot be read")
		}
		set.Session = []*policy.Document{d}
	}
	keys, err := callerKeys(c)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the request's context cannot be built")
	}
	d := policy.Evaluate(policy.Request{Principal: policy.SessionPrincipal(c.Caller.Role, c.Caller.Session.RoleID, c.Caller.ARN()), Action: action, Resource: resource, Context: keys}, set)
	if !d.Allowed() {
		return &DeniedError{Caller: c.Caller.ARN().String(), Action: action, Resource: resource, Explicit: d.Effect == policy.ExplicitDeny}
	}
	return nil
}

// callerKeys is the context of a signed request (IAM User Guide, "AWS global
// condition context keys", properties of the principal).
func callerKeys(c Call) (policy.Context, error) {
	var b policy.ContextBuilder
	for k, v := range c.Info.Keys() {
		b.Set(k, v)
	}
	s := c.Caller.Session
	b.Set("aws:PrincipalArn", c.Caller.Role.String())
	b.Set("aws:PrincipalAccount", string(c.Caller.Account))
	b.Set("aws:PrincipalType", "AssumedRole")
	b.Set("aws:userid", c.Caller.UserID())
	b.Set("aws:TokenIssueTime", s.Issued.Format(time.RFC3339))
	if s.SourceIdentity != "" {
		b.Set("aws:SourceIdentity", s.SourceIdentity)
	}
	for _, t := range s.Tags {
		b.Set("aws:PrincipalTag/"+t.Key, t.Value)
	}
	return b.Context()
}

// read authorises a call that changes nothing, and gives the snapshot to answer
// from. Reads are not recorded one by one.
func (s *Service) read(ctx context.Context, c Call, action string, on resource) (*registry.Snapshot, error) {
	snap := s.Store.Snapshot()
	if err := authorize(snap, c, action, on(snap)); err != nil {
		return nil, s.refuse(ctx, s.event(c, action, on(snap), nil), err)
	}
	return snap, nil
}

// resource is what an operation is about, as an ARN. It is asked of the very
// snapshot that is decided on: an object that was made anew under a name
// meanwhile may have another ARN.
type resource func(*registry.Snapshot) string

// fixed is a resource whose ARN the request itself gives.
func fixed(arn string) resource { return func(*registry.Snapshot) string { return arn } }

// attempts is how often a change is decided anew because others came first.
const attempts = 16

// change is the one way to change anything: authorise the caller, decide on the
// snapshot in force which changes the operation means, commit them with their
// event. decide may be called more than once.
func (s *Service) change(ctx context.Context, c Call, action string, on resource, detail map[string]string, decide func(*registry.Snapshot) ([]registry.Change, error)) error {
	for range attempts {
		snap := s.Store.Snapshot()
		ev := s.event(c, action, on(snap), detail)
		if err := authorize(snap, c, action, ev.Resource); err != nil {
			return s.refuse(ctx, ev, err)
		}
		changes, err := decide(snap)
		if err != nil {
			return s.refuse(ctx, ev, err)
		}
		ev.Outcome = audit.Allowed
		switch err := s.Store.Commit(ctx, snap, changes, ev); {
		case err == nil:
			if s.Changed != nil {
				s.Changed(s.Store.Snapshot())
			}
			return nil
		case !s.Stale(err):
			return fault.Wrap(fault.Unavailable, err, "The change could not be recorded, so it was not made. Try again.")
		}
	}
	return fault.New(fault.Throttled, "Other changes keep coming first. Try again.")
}

func (s *Service) event(c Call, action, resource string, detail map[string]string) audit.Event {
	return audit.Event{Time: s.Now(), Action: action, Request: c.Info.ID, Source: sourceText(c.Info), Actor: c.Caller.ARN().String(), Session: c.Caller.Session.ID.String(), Resource: resource, Detail: detail}
}

func sourceText(i request.Info) string {
	if !i.Source.IsValid() {
		return ""
	}
	return i.Source.String()
}

// refuse records a refusal and gives it back. A refusal that cannot be recorded
// is still a refusal.
func (s *Service) refuse(ctx context.Context, ev audit.Event, err error) error {
	ev.Outcome, ev.Reason = audit.Denied, fault.KindOf(err).String()
	if _, denied := errors.AsType[*DeniedError](err); denied {
		ev.Reason = "not authorized"
	} else if _, known := errors.AsType[*fault.Error](err); !known {
		ev.Reason = "invalid"
	}
	if rerr := s.Store.Record(ctx, ev); rerr != nil {
		return errors.Join(err, fmt.Errorf("record the refusal: %w", rerr))
	}
	return err
}
