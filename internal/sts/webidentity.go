package sts

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/webidentity"
)

const (
	actionWebIdentity    = webidentity.ActionAssume
	actionTagSession     = webidentity.ActionTagSession
	actionSourceIdentity = webidentity.ActionSourceIdentity
)

// notAuthorized is what a stranger learns: the same for a role that does not
// exist.
const notAuthorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity"

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
	Assumed
	Provider oidc.Provider
	Subject  string
	Audience string
}

// AssumeRoleWithWebIdentity exchanges an ID token of a registered provider for
// a role session. Every refusal is a *Refusal; the audit event is durable
// before any credential leaves this function.
func (s *Service) AssumeRoleWithWebIdentity(ctx context.Context, in WebIdentityInput) (WebIdentityOutput, error) {
	now := s.Now()
	plan, err := planWebIdentity(in) // plan
	if err != nil {
		return WebIdentityOutput{}, s.count(err)
	}
	x, err := s.letIn(ctx, plan, newEvent(actionWebIdentity, in.Info, now), in.Info) // gather, decide
	if err != nil {
		return WebIdentityOutput{}, err
	}
	made, err := s.give(ctx, x.event, x.grant, x.known.snapshot) // record
	if err != nil {
		return WebIdentityOutput{}, err
	}
	return WebIdentityOutput{Assumed: made, Provider: x.known.provider, Subject: x.token.Subject(), Audience: made.Session.Claims.Audience}, nil // answer
}

// exchange is an ID token that a role lets in: what is given for it is not made
// yet, and nothing is recorded.
type exchange struct {
	event audit.Event
	known webIdentityFacts
	token believed
	grant grant
}

// letIn believes an ID token and asks whether the role lets it in, whatever is to
// be given for it. A refusal is recorded or counted here.
func (s *Service) letIn(ctx context.Context, plan webIdentityPlan, ev audit.Event, info request.Info) (exchange, error) {
	known, err := s.gather(ctx, plan) // gather
	if err != nil {
		return exchange{}, s.count(err)
	}
	token, err := verify(plan, known, ev.Time) // decide: whose token it is
	if err != nil {
		if !verified(err) {
			return exchange{}, s.count(err)
		}
		return exchange{}, s.deny(ctx, plan.describe(ev, known, nil), err)
	}
	if plan.name == "" {
		plan.name = webidentity.SessionName(token.Text)
	}
	ev = plan.describe(ev, known, &token)
	if known, err = s.gatherGuards(ctx, plan.rolePlan, known, token.Claims, info); err != nil { // gather: what is enforced around its job
		return exchange{}, s.deny(ctx, ev, err)
	}
	grant, err := decideWebIdentity(plan, known, token, info, s.MaxSession, ev.Time) // decide: what it may have
	known.record(ev, grant.guards)
	if err != nil {
		return exchange{}, s.deny(ctx, ev, known.guards.refusal(err))
	}
	return exchange{ev, known, token, grant}, nil
}

func newEvent(action string, info request.Info, now time.Time) audit.Event {
	return audit.Event{Time: now, Action: action, Request: info.ID, Source: sourceText(info), Detail: map[string]string{}}
}

// describe adds to an event what is asked, of whom, and with which token.
func (p webIdentityPlan) describe(ev audit.Event, k webIdentityFacts, b *believed) audit.Event {
	digest := p.token.Digest()
	ev.Resource, ev.Provider, ev.Token = p.role.String(), k.provider.ARN().String(), hex.EncodeToString(digest[:])
	if p.name != "" {
		ev.Detail["session_name"] = p.name
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
	guards   guardFacts
}

// gather finds the provider of the token's issuer, its keys and the role. An
// issuer that is not registered stops here: no packet is sent to it.
func (s *Service) gather(ctx context.Context, p webIdentityPlan) (webIdentityFacts, error) {
	issuer := p.token.UnverifiedIssuer()
	if s.Issuer != nil && issuer == s.Issuer.URL {
		return webIdentityFacts{}, refuse(InvalidToken, nil, "The token was issued by this server itself, which takes none of its own: the job's ID token is wanted")
	}
	asked, ok := s.Registry.Snapshot().Provider(issuer)
	if !ok {
		return webIdentityFacts{}, noProvider(issuer)
	}
	keys, err := s.Keys.Keys(ctx, issuer, p.token.KeyID())
	if err != nil {
		return webIdentityFacts{}, refuse(NoKeys, err, "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements")
	}
	return s.inForce(p.rolePlan, webIdentityFacts{provider: asked, keys: keys, settings: s.Settings(issuer)})
}

// inForce is what is known with the configuration in force now: a fetch may have
// taken seconds, in which a trust policy was tightened.
func (s *Service) inForce(p rolePlan, k webIdentityFacts) (webIdentityFacts, error) {
	asked, ok := k.provider, false
	k.snapshot = s.Registry.Snapshot()
	if k.provider, ok = k.snapshot.Provider(asked.URL); !ok || k.provider.ID != asked.ID {
		return k, noProvider(asked.URL)
	}
	k.role = roleOf(k.snapshot, p.role)
	return k, nil
}

func noProvider(issuer string) error {
	return refuse(InvalidToken, nil, "No OpenIDConnect provider found in your account for %s", clip(issuer))
}

// webIdentityPlan is a request whose form is right. Nothing in it is verified.
type webIdentityPlan struct {
	rolePlan
	token jwt.Unverified
}

// planWebIdentity checks all that needs no knowledge.
func planWebIdentity(in WebIdentityInput) (webIdentityPlan, error) {
	var p webIdentityPlan
	if in.ProviderID != "" {
		return p, refuse(InvalidParameter, nil, "ProviderId must not be set for an OpenID Connect ID token")
	}
	role, err := arn.ParseRole(in.RoleARN)
	if err != nil {
		return p, refuse(InvalidParameter, err, "Request ARN is invalid")
	}
	if p.rolePlan, err = planRole(role, in.SessionName, in.Policy, in.PolicyARNs, in.Duration); err != nil {
		return p, err
	}
	p.token, err = parseIDToken(in.Token)
	return p, err
}

// parseIDToken takes a token apart. A token file often ends with a line break,
// which clients send along.
func parseIDToken(text string) (jwt.Unverified, error) {
	token, err := jwt.Parse(strings.TrimRight(text, "\r\n"))
	if err != nil {
		return token, refuse(InvalidToken, err, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	return token, nil
}

// believed is a verified token, what a session keeps of it, and what it asks the
// session to bring along.
type believed struct {
	oidc.Claims
	kept  session.Claims
	along brought
}

// verify believes the token, or says why not.
func verify(p webIdentityPlan, k webIdentityFacts, now time.Time) (believed, error) {
	claims, err := oidc.Verify(k.provider, k.settings, p.token, k.keys, now)
	if err != nil {
		return believed{}, tokenRefusal(err)
	}
	return believed{claims, keptClaims(claims), broughtBy(claims)}, nil
}

// broughtBy is what a token asks the session to bring along.
func broughtBy(claims webidentity.Claims) brought {
	return brought{sourceIdentity: claims.SourceIdentity(), tags: webidentity.Tags(claims)}
}

// verified reports whether the token of a refusal was signed by its issuer.
func verified(err error) bool {
	r, ok := errors.AsType[*oidc.RejectedError](err)
	return ok && r.Reason.Verified()
}

// tokenRefusal is AWS's words for what oidc found wrong.
func tokenRefusal(err error) error {
	r, ok := errors.AsType[*oidc.RejectedError](err)
	if !ok {
		return err
	}
	hint := ""
	if text := webidentity.TokenHint(r); text != "" {
		hint = "; " + text
	}
	switch r.Reason {
	case oidc.Expired:
		return refuse(ExpiredToken, err, "Token expired: current date/time %d must be before the expiration date/time%d%s", r.Now.Unix(), r.At.Unix(), hint)
	case oidc.TooOld:
		return refuse(ExpiredToken, err, "Token too old: %d%s", r.At.Unix(), hint)
	case oidc.WrongAudience:
		return refuse(InvalidToken, err, "Incorrect token audience: %s%s", r.Detail, hint)
	case oidc.MissingClaim:
		return refuse(InvalidToken, err, "Missing a required claim: %s", r.Claim)
	case oidc.WrongIssuer, oidc.AlgorithmNotAllowed, oidc.UnknownKey, oidc.BadSignature:
		return refuse(InvalidToken, err, "The web identity token that was passed could not be validated: %s", r.Reason)
	}
	return refuse(InvalidToken, err, "%s%s", r.Detail, hint)
}

// decideWebIdentity decides whether a believed token may become a session of
// the role, and which. Whether the role trusts the token comes first: what else
// is wrong with a request would tell a stranger that the role exists.
func decideWebIdentity(p webIdentityPlan, k webIdentityFacts, b believed, info request.Info, ceiling time.Duration, now time.Time) (grant, error) {
	duration := p.seconds(ceiling)
	keys, err := trustContext(p.rolePlan, k, b.Claims, info, duration)
	if err != nil {
		return grant{}, refuse(InvalidToken, err, "The token's claims cannot be condition keys: %v", err)
	}
	said := k.question(p.role, b.Claims, keys).Ask()
	if !said.Allowed() {
		return grant{guards: webidentity.GuardsKnown(keys)}, untrusted(said, k.settings, info)
	}
	g, err := p.grant(k.snapshot, k.role.Role, b.along, duration, ceiling, now)
	g.guards = webidentity.GuardsKnown(keys)
	if err != nil {
		return g, err
	}
	g.matched, g.session.ProviderID, g.session.Claims = said.Matched(), k.provider.ID, b.kept
	return g, nil
}

// trustContext is what the trust policy is asked with: every claim as a
// condition key, and what else is known of the request.
func trustContext(p rolePlan, k webIdentityFacts, claims webidentity.Claims, info request.Info, duration time.Duration) (policy.Context, error) {
	var b policy.ContextBuilder
	webidentity.ClaimKeys(&b, k.provider.ARN(), claims)
	for key, v := range info.Keys() {
		b.Set(key, v)
	}
	p.keys(broughtBy(claims), duration)(&b)
	if k.asksGuards() {
		webidentity.GuardKeys(&b, k.role.Trust, claims, k.guards.Guards)
	}
	return b.Context()
}

// question is what the role's trust policy is asked. A role that does not exist
// and one that does not trust are refused alike.
func (k webIdentityFacts) question(role arn.Role, claims webidentity.Claims, keys policy.Context) webidentity.Question {
	q := webidentity.Question{Role: role.String(), Account: k.snapshot.Account, Provider: k.provider.ARN(), Claims: claims, LoginClientIDs: k.settings.LoginClientIDs, Keys: keys}
	if k.role.exists {
		q.Trust = k.role.Trust
	}
	return q
}

// keptClaims are the claims a session carries.
func keptClaims(c oidc.Claims) session.Claims {
	out := session.Claims{
		Issuer: string(c.Issuer()), Subject: c.Subject(), Audience: strings.Join(c.ConditionAudience(), " "),
		ProjectPath: c.Text("project_path"), ProjectID: c.Text("project_id"), NamespaceID: c.Text("namespace_id"),
		Ref: c.Text("ref"), RefType: c.Text("ref_type"), SHA: c.Text("sha"), PipelineID: c.Text("pipeline_id"), JobID: c.Text("job_id"),
		UserID: c.Text("user_id"), UserLogin: c.Text("user_login"), Environment: c.Text("environment"),
	}
	if c.Text("jti") != "" {
		id := c.TokenID()
		out.TokenID = hex.EncodeToString(id[:16])
	}
	return out
}
