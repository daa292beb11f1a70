// Package authz asks the policies of a caller whether it may do what it signed
// for: the permission policies of its role and the role's permissions boundary as
// they are now, the policies of its session, and, where the resource has one,
// that resource's own.
//
// It is the one place that knows which policies those are and what they are
// told of the caller. It evaluates nothing itself (policy does), does not look
// at whether the session still stands (registry does), and does not say what an
// operation is about (control and sts do).
package authz

import (
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// Question is what a caller asks to do.
type Question struct {
	Caller   session.Principal // registry.Principal made it, of the snapshot that is asked
	Info     request.Info
	Actions  []string         // all of them must be allowed
	Resource string           // ARN
	Trust    *policy.Document // the trust policy of the role to assume; nil: the resource has no policy
	Keys     []Keys           // condition keys of what is asked
	About    []Keys           // condition keys of what it is about, which are not the caller's to see
	Seal     session.Sealer   // seals what a refusal's encoded message says
}

// Keys sets condition keys of a request.
type Keys func(*policy.ContextBuilder)

// Authorize asks the caller's policies about every action of a question, and
// gives a decision for each. The first that is not allowed is the error, a
// *DeniedError; any other error means that nobody could say.
func Authorize(snap *registry.Snapshot, q Question) ([]policy.Decision, error) {
	who := q.Caller
	role, _ := snap.RoleByID(who.Session.RoleID)
	by, err := sourcesOf(snap, who.Session)
	if err != nil {
		return nil, err
	}
	set := by.set(snap.Account)
	if q.Trust != nil {
		set.Resource = []*policy.Document{q.Trust}
	}
	keys, err := q.context(role, append(slices.Clone(q.Keys), q.About...))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "the request's context cannot be built")
	}
	var out []policy.Decision
	for _, action := range q.Actions {
		req := policy.Request{Principal: policy.SessionPrincipal(who.Role, who.Session.RoleID, who.ARN()), Action: action, Resource: q.Resource, Context: keys}
		d := policy.Evaluate(req, set)
		if !d.Allowed() {
			return nil, q.denied(role, policy.Explain(req, set), by)
		}
		out = append(out, d)
	}
	return out, nil
}

// Policies are all policies that have a say in what a session may do, as they
// are now. A session whose role is gone has none.
func Policies(snap *registry.Snapshot, s session.Session) (policy.Set, error) {
	by, err := sourcesOf(snap, s)
	if err != nil {
		return policy.Set{}, err
	}
	return by.set(snap.Account), nil
}

// sources are the policies that have a say in what a session may do, and where
// they come from.
type sources struct {
	RolePolicies
	Session []Source // the inline policy, then the managed ones
}

func (s sources) set(account arn.AccountID) policy.Set {
	return policy.Set{Identity: documents(s.Identity), Boundary: documents(s.Boundary), Session: documents(s.Session), ResourceAccount: account}
}

func sourcesOf(snap *registry.Snapshot, s session.Session) (sources, error) {
	role, _ := snap.RoleByID(s.RoleID)
	out := sources{RolePolicies: OfRole(snap, role)}
	if s.Policy != "" {
		d, err := policy.Parse(policy.SessionPolicy, []byte(s.Policy))
		if err != nil {
			return sources{}, fault.Wrap(fault.Internal, err, "the session's policy cannot be read")
		}
		out.Session = append(out.Session, Source{Document: d})
	}
	for _, id := range s.PolicyIDs {
		out.Session = append(out.Session, managed(snap, id))
	}
	return out, nil
}

// RolePolicies are the policies that have a say in whatever a role does, each
// layer in an order that stays.
type RolePolicies struct {
	Identity []Source // the inline policies, then the attached ones
	Boundary []Source // one, or none
}

// Source is a policy and where it comes from.
type Source struct {
	Name     string     // of an inline policy; else of the managed one
	Managed  arn.Policy // the zero value: an inline policy
	Document *policy.Document
}

// OfRole are a role's policies as they are now: of managed ones the default
// version. One that there is not any more has a nil document, which nobody can
// read, so that everything is denied: what it denied must not come to be allowed.
func OfRole(snap *registry.Snapshot, role iam.Role) RolePolicies {
	out := RolePolicies{Identity: make([]Source, 0, len(role.Inline)+len(role.Attached))}
	for name, d := range role.Inline {
		out.Identity = append(out.Identity, Source{Name: name, Document: d})
	}
	slices.SortFunc(out.Identity, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	for _, id := range role.Attached {
		out.Identity = append(out.Identity, managed(snap, id))
	}
	if role.Boundary != "" {
		out.Boundary = []Source{managed(snap, role.Boundary)}
	}
	return out
}

func managed(snap *registry.Snapshot, id string) Source {
	p, _ := snap.Policy(id)
	return Source{Name: p.Name, Managed: p.ARN(), Document: p.Document()}
}

func documents(of []Source) []*policy.Document {
	var out []*policy.Document
	for _, s := range of {
		out = append(out, s.Document)
	}
	return out
}

// denied says which policy stood in the way: one that denies, else the first
// that does not allow.
func (q Question) denied(role iam.Role, x policy.Explanation, by sources) error {
	e := &DeniedError{Caller: q.Caller.ARN().String(), Action: x.Request.Action, Resource: x.Request.Resource, Explicit: x.Effect == policy.ExplicitDeny, Why: &x}
	if shown, err := q.context(role, q.Keys); err == nil && q.Seal != nil {
		e.Encoded = encode(newMessage(q.Caller, x, by, shown), q.Caller.Account, q.Seal)
	}
	if !e.Explicit {
		for _, l := range []policy.Layer{policy.LayerIdentity, policy.LayerResource, policy.LayerBoundary, policy.LayerSession} {
			if slices.Contains(x.Silent, l) {
				e.Layer = l
				break
			}
		}
		return e
	}
	for _, ref := range x.Statements {
		if ref.Denies() {
			e.Layer = ref.Layer
			break
		}
	}
	return e
}

// context is what the policies are told: what is known of the request, of the
// caller, of what it asks for and of what it is about.
func (q Question) context(role iam.Role, sets []Keys) (policy.Context, error) {
	var b policy.ContextBuilder
	for k, v := range q.Info.Keys() {
		b.Set(k, v)
	}
	CallerKeys(&b, q.Caller, role)
	b.Set("aws:ResourceAccount", string(q.Caller.Account))
	for _, set := range sets {
		if set != nil {
			set(&b)
		}
	}
	return b.Context()
}

// CallerKeys are the properties of a principal (IAM User Guide, "AWS global
// condition context keys"). The claims a session keeps are keys of their own,
// as in the exchange; AWS keeps aud, sub and amr alone.
func CallerKeys(b *policy.ContextBuilder, who session.Principal, role iam.Role) {
	s := who.Session
	role.Tags = withSessionTags(role.Tags, s.Tags)
	for key, value := range RoleKeys(role) {
		b.Set(key, value)
	}
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
}

// withSessionTags are a role's tags in a session: a session tag stands in for
// the role's tag of the same key, whatever its case (IAM User Guide, "Pass
// session tags in AWS STS").
func withSessionTags(of []iam.Tag, in []session.Tag) []iam.Tag {
	out := slices.Clone(of)
	for _, t := range in {
		out = slices.DeleteFunc(out, func(have iam.Tag) bool { return policy.SameKey(have.Key, t.Key) })
		out = append(out, iam.Tag{Key: t.Key, Value: t.Value})
	}
	return out
}

// RoleKeys are the condition keys that every session of a role brings along.
func RoleKeys(role iam.Role) map[string]string {
	keys := map[string]string{
		"aws:PrincipalArn": role.ARN().String(), "aws:PrincipalAccount": string(role.Account), "aws:PrincipalType": "AssumedRole",
		"aws:PrincipalIsAWSService": "false", "aws:ViaAWSService": "false",
	}
	for _, t := range role.Tags {
		keys["aws:PrincipalTag/"+t.Key] = t.Value
	}
	return keys
}
