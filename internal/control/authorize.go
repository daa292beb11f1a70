package control

import (
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// authorize asks the caller's policies, as they are now. The caller's session
// must still stand.
func authorize(snap *registry.Snapshot, c Call, op operation, on object, now time.Time) error {
	who, err := snap.Principal(c.Caller.Session, now)
	if err != nil {
		return &DeniedError{Caller: c.Caller.ARN().String(), Action: op.action, Resource: on.arn}
	}
	role, _ := snap.RoleByID(who.Session.RoleID)
	set := policy.Set{Identity: role.Permissions(), ResourceAccount: snap.Account}
	if text := who.Session.Policy; text != "" {
		d, err := policy.Parse(policy.SessionPolicy, []byte(text))
		if err != nil {
			return fault.Wrap(fault.Internal, err, "the session's policy cannot be read")
		}
		set.Session = []*policy.Document{d}
	}
	keys, err := conditions(c, who, role, op, on)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "the request's context cannot be built")
	}
	for _, action := range append([]string{op.action}, op.also...) {
		req := policy.Request{Principal: policy.SessionPrincipal(who.Role, who.Session.RoleID, who.ARN()), Action: action, Resource: on.arn, Context: keys}
		if !policy.Evaluate(req, set).Allowed() {
			return denied(who, req, set)
		}
	}
	return nil
}

// denied says which policy stood in the way: one that denies, else the first
// that does not allow.
func denied(who session.Principal, req policy.Request, set policy.Set) error {
	x := policy.Explain(req, set)
	e := &DeniedError{Caller: who.ARN().String(), Action: req.Action, Resource: req.Resource, Explicit: x.Effect == policy.ExplicitDeny}
	if !e.Explicit {
		e.Session = !slices.Contains(x.Silent, policy.LayerIdentity)
		return e
	}
	for _, ref := range x.Statements {
		if ref.Denies() {
			e.Session = ref.Layer == policy.LayerSession
			break
		}
	}
	return e
}

// keys sets condition keys of a request.
type keys func(*policy.ContextBuilder)

// conditions is the context of a signed request: what is known of the request,
// of the caller, of what it asks for and of what it is about.
func conditions(c Call, who session.Principal, role iam.Role, op operation, on object) (policy.Context, error) {
	var b policy.ContextBuilder
	for k, v := range c.Info.Keys() {
		b.Set(k, v)
	}
	callerKeys(&b, who, role)
	b.Set("aws:ResourceAccount", string(who.Account))
	service, _, _ := strings.Cut(op.action, ":")
	for k, v := range on.tags {
		b.Set("aws:ResourceTag/"+k, v)
		if service == "iam" {
			b.Set("iam:ResourceTag/"+k, v)
		}
	}
	if len(op.tags) > 0 {
		var names []string
		for k, v := range op.tags {
			b.Set("aws:RequestTag/"+k, v)
			names = append(names, k)
		}
		b.SetMany("aws:TagKeys", names)
	}
	for _, set := range []keys{op.keys, on.keys} {
		if set != nil {
			set(&b)
		}
	}
	return b.Context()
}

// callerKeys are the properties of the principal (IAM User Guide, "AWS global
// condition context keys"). The claims a session keeps are keys of their own,
// as in the exchange; AWS keeps aud, sub and amr alone.
func callerKeys(b *policy.ContextBuilder, who session.Principal, role iam.Role) {
	s := who.Session
	b.Set("aws:PrincipalArn", who.Role.String())
	b.Set("aws:PrincipalAccount", string(who.Account))
	b.Set("aws:PrincipalType", "AssumedRole")
	b.Set("aws:PrincipalIsAWSService", "false")
	b.Set("aws:ViaAWSService", "false")
	b.Set("aws:userid", who.UserID())
	b.Set("aws:TokenIssueTime", s.Issued.UTC().Format(time.RFC3339))
	if s.SourceIdentity != "" {
		b.Set("aws:SourceIdentity", s.SourceIdentity)
	}
	if prefix, ok := strings.CutPrefix(s.Claims.Issuer, "https://"); ok {
		b.Set("aws:FederatedProvider", "arn:aws:iam::"+string(who.Account)+":oidc-provider/"+prefix)
		for name, value := range s.Claims.All() {
			if name != "jti" { // a session keeps its hash alone
				b.Set(prefix+":"+name, value)
			}
		}
	}
	// A session tag stands in for the role's tag of the same key, whatever its
	// case (IAM User Guide, "Pass session tags in AWS STS").
	tags := map[string]session.Tag{}
	for _, t := range role.Tags {
		tags[strings.ToLower(t.Key)] = session.Tag{Key: t.Key, Value: t.Value}
	}
	for _, t := range s.Tags {
		tags[strings.ToLower(t.Key)] = t
	}
	for _, t := range tags {
		b.Set("aws:PrincipalTag/"+t.Key, t.Value)
	}
}
