package sts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/webidentity"
)

const actionAssumeRole = "sts:AssumeRole"

// maxChained is how long a session lasts at most that another session asked for;
// every caller here is one (IAM User Guide, "Role chaining").
const maxChained = time.Hour

// AssumeRoleInput is what AssumeRole is asked.
type AssumeRoleInput struct {
	RoleARN        string
	SessionName    string
	PolicyARNs     []string
	Policy         string
	Duration       time.Duration // 0: one hour, or the server's ceiling if that is less
	Tags           []session.Tag // Transitive is not looked at
	TransitiveKeys []string      // of Tags
	ExternalID     string
	SourceIdentity string
}

// AssumeRole makes a session of another role for a caller that the role trusts.
// Every refusal is a *Refusal, recorded like every other answer to a signed
// request; the audit event is durable before any credential leaves this
// function.
//
// The new session carries along what stands behind the caller's: the provider
// and the claims of its ID token, its source identity, its transitive tags, and
// the roles it came through. It ends when any of those roles, or the provider,
// is deleted; not when the caller's session expires.
func (s *Service) AssumeRole(ctx context.Context, c Call, in AssumeRoleInput) (Assumed, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	ev := c.event(snap, actionAssumeRole, now)
	ev.Resource, ev.Detail["session_name"] = clip(in.RoleARN), clip(in.SessionName)
	plan, err := planAssumeRole(c.Caller.Session, in) // plan
	if err != nil {
		return Assumed{}, s.deny(ctx, ev, err)
	}
	who, err := snap.Principal(c.Caller.Session, now) // gather
	if err != nil {
		return Assumed{}, s.deny(ctx, ev, notAllowed(&authz.DeniedError{Caller: c.Caller.ARN().String(), Action: actionAssumeRole, Resource: plan.role.String()}))
	}
	grant, err := decideAssumeRole(plan, assumeRoleFacts{snap, Call{who, c.Info}, roleOf(snap, plan.role)}, s.MaxSession, s.Sealer, now) // decide
	if err != nil {
		return Assumed{}, s.deny(ctx, ev, err)
	}
	return s.give(ctx, ev, grant, snap) // record, answer
}

// event is a signed request as it is recorded, with what stands behind the
// caller's session.
func (c Call) event(snap *registry.Snapshot, action string, now time.Time) audit.Event {
	from := c.Caller.Session
	ev := audit.Event{Time: now, Action: action, Request: c.Info.ID, Source: sourceText(c.Info), Actor: c.Caller.ARN().String(), Session: from.ID.String(), Detail: map[string]string{}}
	if p, ok := snap.Provider(from.Claims.Issuer); ok {
		ev.Provider = p.ARN().String()
	}
	for name, value := range from.Claims.All() {
		if ev.Claims == nil {
			ev.Claims = map[string]string{}
		}
		ev.Claims[name] = value
	}
	return ev
}

// assumeRolePlan is a request of AssumeRole whose form is right, and what its
// session will bring along.
type assumeRolePlan struct {
	rolePlan
	externalID string
	along      brought
}

// planAssumeRole checks all that follows from the request and the caller's own
// session.
func planAssumeRole(from session.Session, in AssumeRoleInput) (assumeRolePlan, error) {
	p := assumeRolePlan{externalID: in.ExternalID}
	role, err := arn.ParseRole(in.RoleARN)
	if err != nil {
		return p, refuse(InvalidParameter, err, "%s is invalid", clip(in.RoleARN))
	}
	if p.rolePlan, err = planRole(role, in.SessionName, in.Policy, in.PolicyARNs, in.Duration); err != nil {
		return p, err
	}
	switch {
	case in.Duration > maxChained:
		return p, refuse(InvalidParameter, nil, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case len(from.Chain) >= session.MaxChain:
		return p, refuse(InvalidParameter, nil, "The calling session was assumed through %d roles already, and no further role can be assumed with it.", len(from.Chain))
	}
	if p.along.sourceIdentity, err = planSourceIdentity(from, in.SourceIdentity); err != nil {
		return p, err
	}
	p.along.tags, err = planTags(from.Tags, in.Tags, in.TransitiveKeys)
	return p, err
}

// planSourceIdentity is the source identity of the new session: one that is set
// stays (IAM User Guide, "Things to know about source identity").
func planSourceIdentity(from session.Session, asked string) (string, error) {
	switch {
	case asked == "":
		return from.SourceIdentity, nil
	case !arn.IsName(asked, 64) || len(asked) < 2:
		return "", refuse(InvalidParameter, nil, "The source identity is invalid: 2 to 64 of the characters A-Za-z0-9_+=,.@- are wanted")
	case from.SourceIdentity != "" && asked != from.SourceIdentity:
		return "", refuse(InvalidParameter, nil, "The source identity of the calling session is set and cannot be changed.")
	}
	return asked, nil
}

// maxTags bounds the tags of a session, the inherited ones included (STS quota).
const maxTags = 50

// planTags are the tags of the new session: the transitive ones of the caller's,
// and those that are passed. The sentences are AWS's (IAM User Guide, "Chaining
// roles with session tags").
func planTags(from, passed []session.Tag, transitive []string) ([]session.Tag, error) {
	var out []session.Tag
	for _, t := range from {
		if t.Transitive {
			out = append(out, t)
		}
	}
	inherited := len(out)
	for _, t := range passed {
		switch {
		case hasTag(out[inherited:], t.Key):
			return nil, refuse(InvalidTags, nil, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case hasTag(out[:inherited], t.Key):
			return nil, refuse(InvalidTags, nil, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, refuse(InvalidTags, nil, "Tag keys may not begin with aws:")
		}
		t.Transitive = slices.ContainsFunc(transitive, func(key string) bool { return strings.EqualFold(key, t.Key) })
		out = append(out, t)
	}
	for _, key := range transitive {
		if !hasTag(out[inherited:], key) {
			return nil, refuse(InvalidTags, nil, "The specified transitive tag key must be included in the requested tags.")
		}
	}
	if len(out) > maxTags {
		return nil, refuse(InvalidTags, nil, "The session would have %d tags with those of the calling session, at most %d are allowed.", len(out), maxTags)
	}
	return out, nil
}

func hasTag(tags []session.Tag, key string) bool {
	return slices.ContainsFunc(tags, func(t session.Tag) bool { return strings.EqualFold(t.Key, key) })
}

// assumeRoleFacts is what must be known to decide.
type assumeRoleFacts struct {
	snapshot *registry.Snapshot
	call     Call // as it stands in the snapshot
	role     registryRole
}

// decideAssumeRole decides whether a caller may have a session of the role, and
// which. Whether it is allowed comes first, and is refused in the same words for
// a role that does not exist: no policy of the role, then, has a say, and none
// else can allow.
func decideAssumeRole(p assumeRolePlan, k assumeRoleFacts, ceiling time.Duration, seal session.Sealer, now time.Time) (grant, error) {
	duration := p.seconds(ceiling)
	q := authz.Question{Caller: k.call.Caller, Info: k.call.Info, Actions: p.along.actions(actionAssumeRole), Resource: p.role.String(), Trust: k.role.Trust,
		Keys: []authz.Keys{p.keys(p.along, duration), p.externalKey}, About: []authz.Keys{k.role.keys}, Seal: seal}
	decisions, err := authz.Authorize(k.snapshot, q)
	if denied, ok := errors.AsType[*authz.DeniedError](err); ok {
		return grant{}, notAllowed(denied)
	} else if err != nil {
		return grant{}, err
	}
	if !k.role.exists {
		return grant{}, errors.New("sts: a role that does not exist was granted") // unreachable: see policy's rule 9
	}
	g, err := p.grant(k.snapshot, k.role.Role, p.along, duration, ceiling, now)
	if err != nil {
		return grant{}, err
	}
	from := k.call.Caller.Session
	g.session.ProviderID, g.session.Claims, g.session.AdminUID = from.ProviderID, from.Claims, from.AdminUID
	g.session.Chain = append(slices.Clone(from.Chain), from.RoleID)
	for _, d := range decisions {
		g.matched = append(g.matched, allowing(d)...)
	}
	return g, nil
}

// notAllowed is the refusal of a caller by policies: the sentence does not say
// by which, so that it is that of a role that does not exist. The encoded message
// does, as far as the caller's own are concerned.
func notAllowed(e *authz.DeniedError) error {
	r := refuse(NotAllowed, e, "%s", e.Bare())
	if e.Why != nil {
		r.Trace = webidentity.TraceOf(*e.Why).Encode()
	}
	return r
}

func (p assumeRolePlan) externalKey(b *policy.ContextBuilder) {
	if p.externalID != "" {
		b.Set("sts:ExternalId", p.externalID)
	}
}

// keys are the condition keys of the role that is to be assumed.
func (r registryRole) keys(b *policy.ContextBuilder) {
	for _, t := range r.Tags {
		b.Set("aws:ResourceTag/"+t.Key, t.Value)
		b.Set("iam:ResourceTag/"+t.Key, t.Value)
	}
}

// allowing are the statements that allow, and where they stand.
func allowing(d policy.Decision) []string {
	var names []string
	for _, ref := range d.Statements {
		if !ref.Denies() {
			names = append(names, ref.String())
		}
	}
	return names
}
