package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
)

// operation is what one call is about.
type operation struct {
	action string
	also   []string // further actions that must be allowed on the same resource
	on     resource
	asked  detail            // what the caller asks for, as it is recorded
	tags   map[string]string // that are asked for
	keys   authz.Keys        // condition keys of what is asked for
}

// unambiguous refuses tags that differ in case alone: condition keys do not tell
// them apart, so that no policy can be asked about them.
func (op operation) unambiguous(on object) error {
	var seen []string
	for key := range op.tags {
		if slices.ContainsFunc(seen, func(other string) bool { return policy.SameKey(other, key) }) {
			return &Error{InvalidTags, on.cluster, "Two tag keys differ in case alone"}
		}
		seen = append(seen, key)
	}
	return nil
}

// object is the resource of an operation.
type object struct {
	arn     string
	cluster string // its name, where one is concerned
	tags    map[string]string
	keys    authz.Keys // condition keys it brings along
}

// resource finds the object of an operation in the very snapshot that is
// decided on: what was made anew under a name meanwhile may have another ARN.
type resource func(*registry.Snapshot) object

// fixed is a resource whose ARN the request itself gives.
func fixed(arn string) resource { return func(*registry.Snapshot) object { return object{arn: arn} } }

// detail is what an audit event says beyond the fields all events have: enough,
// with the resource, to make the change again. Lists and maps are JSON.
//
//	a provider        url client_ids thumbprints tags tag_keys client_id; id
//	a role            trust_policy description max_session (seconds) tags tag_keys policy document policy_arn permissions_boundary; id trusted_roles (ARN → id) policy_id boundary_id
//	a managed policy  document description tags tag_keys set_as_default version; id version
//	the account       alias
//	a cluster         endpoint ca authentication_mode bearer_max_age trust_aws_accounts tags tag_keys; id update repeated
//	an entry          principal groups username type tags tag_keys policy scope namespaces; id principal_id cluster_id repeated warning
//	an access policy  rules; warning
//
// What stands before the semicolon was asked for, what follows was made here.
type detail map[string]string

// with adds a value that is there.
func (d detail) with(name, value string) detail {
	if value != "" {
		d[name] = value
	}
	return d
}

// withJSON adds a list or a map that is not empty, as JSON: nothing in it can be
// taken for its punctuation.
func (d detail) withJSON(name string, value any) detail {
	if text := toJSON(value); text != "null" && text != "[]" && text != "{}" {
		d[name] = text
	}
	return d
}

func toJSON(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic("control: " + err.Error()) // unreachable: lists and maps of strings
	}
	return string(out)
}

// decision is what an operation comes to.
type decision struct {
	changes []registry.Change
	made    detail // ids that were drawn, and what an auditor must see
}

// attempts is how often a change is decided anew because others came first. Of
// those that wait for one another, one gets through each time.
const attempts = 64

// change is the one way to change anything: authorise the caller, decide on the
// snapshot in force which changes the operation means, commit them with their
// event. decide may be called more than once; what it makes bears the time of
// the event.
func (s *Service) change(ctx context.Context, c Call, op operation, decide func(*registry.Snapshot, time.Time) (decision, error)) error {
	var ev audit.Event
	for range attempts {
		snap, now := s.store.Snapshot(), s.now()
		on := op.on(snap)
		ev = op.event(c, on, now)
		if err := first(op.unambiguous(on), s.authorize(snap, c, op, on, now)); err != nil {
			return s.refuse(ctx, ev, err)
		}
		d, err := decide(snap, now)
		if err != nil {
			return s.refuse(ctx, ev, err)
		}
		ev.Outcome = audit.Allowed
		maps.Copy(ev.Detail, d.made)
		switch err := s.store.Commit(ctx, snap, d.changes, ev); {
		case err == nil:
			return nil
		case !s.stale(err):
			return s.refuse(ctx, op.event(c, on, now), fault.Wrap(fault.Unavailable, err, "The change could not be recorded, so it was not made. Try again."))
		}
	}
	return s.refuse(ctx, op.event(c, object{arn: ev.Resource, cluster: ev.Cluster}, ev.Time), fault.New(fault.Throttled, "Other changes keep coming first. Try again."))
}

// read authorises a call that changes nothing, and gives the snapshot to answer
// from. Reads are not recorded one by one; refused ones are.
func (s *Service) read(ctx context.Context, c Call, op operation) (*registry.Snapshot, error) {
	snap, now := s.store.Snapshot(), s.now()
	on := op.on(snap)
	if err := s.authorize(snap, c, op, on, now); err != nil {
		return nil, s.refuse(ctx, op.event(c, on, now), err)
	}
	return snap, nil
}

// Unreadable records a signed request whose parameters cannot be read, and gives
// err back: who signs is held to what they send.
func (s *Service) Unreadable(ctx context.Context, c Call, action string, err error) error {
	return s.refuse(ctx, operation{action: action}.event(c, object{}, s.now()), &UnreadableError{err})
}

// event is the operation as it is recorded, before anybody has decided on it.
func (op operation) event(c Call, on object, now time.Time) audit.Event {
	d := maps.Clone(op.asked)
	if d == nil {
		d = detail{}
	}
	return audit.Event{Time: now, Action: op.action, Request: c.Info.ID, Source: sourceText(c.Info), Actor: c.Caller.ARN().String(), Session: c.Caller.Session.ID.String(),
		Resource: on.arn, Cluster: on.cluster, Detail: d}
}

func sourceText(i request.Info) string {
	if !i.Source.IsValid() {
		return ""
	}
	return i.Source.String()
}

// refuse records a refusal and gives it back. A refusal that cannot be recorded
// is still a refusal, and a caller who goes away does not keep it from being
// recorded.
func (s *Service) refuse(ctx context.Context, ev audit.Event, err error) error {
	ev.Outcome, ev.Reason = outcomeOf(err)
	for name, value := range ev.Detail {
		ev.Detail[name] = clip(value)
	}
	ev.Resource, ev.Cluster = clip(ev.Resource), clip(ev.Cluster)
	if rerr := s.store.Record(context.WithoutCancel(ctx), ev); rerr != nil {
		return errors.Join(err, fmt.Errorf("record the refusal: %w", rerr))
	}
	return err
}

// maxRefused is how much of a refused value is recorded: enough to see what was
// tried, too little to fill the log with.
const maxRefused = 2048

// clip shortens a value and names the whole of it by its hash.
func clip(value string) string {
	if len(value) <= maxRefused {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return strings.ToValidUTF8(value[:maxRefused], "") + "… sha256:" + hex.EncodeToString(sum[:])
}
