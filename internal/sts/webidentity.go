package sts

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

const (
	actionWebIdentity    = "sts:AssumeRoleWithWebIdentity"
	actionTagSession     = "sts:TagSession"
	actionSourceIdentity = "sts:SetSourceIdentity"
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
	known, err := s.gather(ctx, plan) // gather
	if err != nil {
		return WebIdentityOutput{}, s.count(err)
	}
	token, err := verify(plan, known, now) // decide: whose token it is
	if err != nil {
		if !verified(err) {
			return WebIdentityOutput{}, s.count(err)
		}
		return WebIdentityOutput{}, s.deny(ctx, newEvent(in, plan, known, nil, now), err)
	}
	ev := newEvent(in, plan, known, &token, now)
	grant, err := decideWebIdentity(plan, known, token, in.Info, s.MaxSession, now) // decide: what it may have
	if err != nil {
		return WebIdentityOutput{}, s.deny(ctx, ev, err)
	}
	made, err := s.give(ctx, ev, grant, known.snapshot) // record
	if err != nil {
		return WebIdentityOutput{}, err
	}
	return WebIdentityOutput{Assumed: made, Provider: known.provider, Subject: token.Subject(), Audience: made.Session.Claims.Audience}, nil // answer
}

func newEvent(in WebIdentityInput, p webIdentityPlan, k webIdentityFacts, b *believed, now time.Time) audit.Event {
	digest := p.token.Digest()
	ev := audit.Event{Time: now, Action: actionWebIdentity, Request: in.Info.ID, Source: sourceText(in.Info), Resource: p.role.String(), Provider: k.provider.ARN().String(), Token: hex.EncodeToString(digest[:]),
		Detail: map[string]string{"session_name": in.SessionName}}
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
	// A token file often ends with a line break, which clients send along.
	if p.token, err = jwt.Parse(strings.TrimRight(in.Token, "\r\n")); err != nil {
		return p, refuse(InvalidToken, err, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	return p, nil
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
	b := believed{claims, keptClaims(claims), brought{sourceIdentity: claims.SourceIdentity()}}
	for _, t := range claims.SessionTags() {
		b.along.tags = append(b.along.tags, session.Tag{Key: t.Key, Value: t.Value, Transitive: slices.Contains(claims.TransitiveTagKeys(), t.Key)})
	}
	return b, nil
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
	switch r.Reason {
	case oidc.Expired:
		return refuse(ExpiredToken, err, "Token expired: current date/time %d must be before the expiration date/time%d", r.Now.Unix(), r.At.Unix())
	case oidc.TooOld:
		return refuse(ExpiredToken, err, "Token too old: %d", r.At.Unix())
	case oidc.WrongAudience:
		return refuse(InvalidToken, err, "Incorrect token audience")
	case oidc.MissingClaim:
		return refuse(InvalidToken, err, "Missing a required claim: %s", r.Claim)
	case oidc.WrongIssuer, oidc.AlgorithmNotAllowed, oidc.UnknownKey, oidc.BadSignature:
		return refuse(InvalidToken, err, "The web identity token that was passed could not be validated: %s", r.Reason)
	}
	return refuse(InvalidToken, err, "%s", r.Detail)
}

// decideWebIdentity decides whether a believed token may become a session of
// the role, and which. Whether the role trusts the token comes first: what else
// is wrong with a request would tell a stranger that the role exists.
func decideWebIdentity(p webIdentityPlan, k webIdentityFacts, b believed, info request.Info, ceiling time.Duration, now time.Time) (grant, error) {
	duration := p.seconds(ceiling)
	keys, err := trustContext(p, k, b, info, duration)
	if err != nil {
		return grant{}, refuse(InvalidToken, err, "The token's claims cannot be condition keys: %v", err)
	}
	matched, err := decideTrust(k, b, keys, info)
	if err != nil {
		return grant{}, err
	}
	g, err := p.grant(k.snapshot, k.role.Role, b.along, duration, ceiling, now)
	if err != nil {
		return grant{}, err
	}
	g.matched, g.session.ProviderID, g.session.Claims = matched, k.provider.ID, b.kept
	return g, nil
}

// trustContext is what the trust policy is asked with: every claim as a
// condition key, and what else is known of the request.
func trustContext(p webIdentityPlan, k webIdentityFacts, claims believed, info request.Info, duration time.Duration) (policy.Context, error) {
	var b policy.ContextBuilder
	for key, v := range claims.ConditionKeys(k.provider.KeyPrefix()) {
		if v.Multi {
			b.SetMany(key, v.List)
		} else {
			b.Set(key, v.List[0])
		}
	}
	for key, v := range info.Keys() {
		b.Set(key, v)
	}
	b.Set("aws:FederatedProvider", k.provider.ARN().String())
	p.keys(claims.along, duration)(&b)
	return b.Context()
}

// decideTrust asks the role's trust policy for each action the token needs, and
// gives the names of the statements that allow. A role that does not exist and
// one that does not trust are refused alike.
func decideTrust(k webIdentityFacts, b believed, keys policy.Context, info request.Info) ([]string, error) {
	if !k.role.exists {
		return nil, refuse(NotTrusted, errors.New("no such role"), notAuthorized)
	}
	set := policy.Set{Resource: []*policy.Document{k.role.Trust}, ResourceAccount: k.snapshot.Account}
	req := policy.Request{Principal: policy.FederatedPrincipal(k.provider.ARN()), Resource: k.role.ARN().String(), Context: keys}
	var matched []string
	for _, action := range b.along.actions(actionWebIdentity) {
		req.Action = action
		d := policy.Evaluate(req, set)
		names := countingStatements(d, k, b)
		if !d.Allowed() || len(names) == 0 {
			return nil, untrusted(k, b, req, set, d, info)
		}
		matched = append(matched, names...)
	}
	return matched, nil
}

// countingStatements are the names of the statements that allow and may.
func countingStatements(d policy.Decision, k webIdentityFacts, b believed) []string {
	var names []string
	for _, s := range d.Statements {
		if !s.Denies() && counts(s.Statement, k, b.Claims) {
			names = append(names, s.Name())
		}
	}
	return names
}

// counts reports whether a statement that matches may let this token in.
//
// A shared issuer gives tokens to everyone in the world, so a statement must
// confine the claim that says whose it is; this is asked at use as well, for
// statements that were stored before the rule or trust everyone. And a
// statement is meant for jobs: it lets a person in only if it names one of the
// issuer's login client ids as audience.
func counts(s *policy.Statement, k webIdentityFacts, claims oidc.Claims) bool {
	if key := iam.SharedKey(k.provider.ARN()); key != "" && !s.TestsKey(key) {
		return false
	}
	return !claims.IsPerson() || namesAudience(s, k.provider.KeyPrefix()+":aud", k.settings.LoginClientIDs)
}

// namesAudience reports whether a statement confines the audience to some of
// the ids, each named in full.
func namesAudience(s *policy.Statement, key string, ids []string) bool {
	conditions := s.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if !c.IsKey(key) || c.Operator().String() != "StringEquals" {
			continue
		}
		named := 0
		for _, v := range c.Values() {
			if slices.Contains(ids, v.Text()) {
				named++
			}
		}
		if named > 0 && named == len(c.Values()) {
			return true
		}
	}
	return false
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
