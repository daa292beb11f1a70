package sts

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/webidentity"
)

const actionIssueToken = "mayfly:IssueToken"

// Issuer is Mayfly as others see it who trust its tokens. Every field is required.
type Issuer struct {
	URL    string // iss
	Region string // of the ARNs of audiences
	// Terms is what the operator says of tokens for an audience.
	Terms func(audience string) Terms
	// Sign signs a token of a type with a key that is published, and says which.
	Sign func(alg jwt.Algorithm, typ string, payload []byte) (token secret.String, keyID string, err error)
}

// Terms are how tokens for an audience are signed, and how long they live.
type Terms struct {
	Algorithm jwt.Algorithm
	Life      time.Duration
}

// IssueTokenInput is what IssueToken is asked.
type IssueTokenInput struct {
	RoleARN  string
	Audience string
	Token    string // the ID token
	Info     request.Info
}

// IssuedToken is a token that was signed.
type IssuedToken struct {
	Token secret.String
	Life  time.Duration
}

// IssueToken exchanges an ID token of a registered provider for a token of
// Mayfly's own (RFC 8693), which says for minutes who the session of a role is.
// The role's trust policy decides whether the ID token is let in, as for
// AssumeRoleWithWebIdentity and with the same keys; then what permits and bounds
// the role decides whether its session may have a token for the audience. Every
// refusal is a *Refusal; the audit event is durable before the token leaves this
// function.
//
// The session has no credentials: the token is all there is of it.
func (s *Service) IssueToken(ctx context.Context, in IssueTokenInput) (IssuedToken, error) {
	now := s.Now()
	plan, err := s.planIssueToken(in) // plan
	if err != nil {
		return IssuedToken{}, s.count(err)
	}
	ev := newEvent(actionIssueToken, in.Info, now)
	ev.Detail["audience"] = in.Audience
	x, err := s.letIn(ctx, plan.webIdentityPlan, ev, in.Info) // gather, decide: who it is
	if err != nil {
		return IssuedToken{}, err
	}
	if err := s.decideTarget(&x, in); err != nil { // decide: whom it may have a token for
		return IssuedToken{}, s.deny(ctx, x.event, err)
	}
	token, err := s.sign(&x, in.Audience, plan.terms)
	if err != nil {
		return IssuedToken{}, s.deny(ctx, x.event, err)
	}
	if err := s.Audit.Record(ctx, x.event); err != nil { // record
		return IssuedToken{}, refuse(NotRecorded, err, "The exchange could not be recorded, so no token was issued. Try again.")
	}
	return IssuedToken{token, plan.terms.Life}, nil // answer
}

// issuePlan is a request for a token whose form is right. Nothing in it is
// verified.
type issuePlan struct {
	webIdentityPlan // without a session name, which the ID token's claims make
	terms           Terms
}

func (s *Service) planIssueToken(in IssueTokenInput) (issuePlan, error) {
	var p issuePlan
	if s.Issuer == nil {
		return p, errors.New("sts: this service issues no tokens") // unreachable: nobody routes to it
	}
	var err error
	if p.role, err = arn.ParseRole(in.RoleARN); err != nil {
		return p, refuse(InvalidTarget, err, "The resource is not the ARN of a role")
	}
	if err := accesstoken.CheckAudience(in.Audience); err != nil {
		return p, refuse(InvalidTarget, nil, "The audience cannot be named in a policy: %v", err)
	}
	p.terms = s.Issuer.Terms(in.Audience)
	p.duration = p.terms.Life
	p.token, err = parseIDToken(in.Token)
	return p, err
}

// decideTarget asks the role's policies whether its session may have a token for
// the audience.
func (s *Service) decideTarget(x *exchange, in IssueTokenInput) error {
	made, err := session.Begin(x.grant.session, s.Rand)
	if err != nil {
		return err
	}
	x.grant.session = made
	target := arn.Audience{Region: s.Issuer.Region, Account: x.known.snapshot.Account, Name: in.Audience}
	decisions, err := authz.Authorize(x.known.snapshot, authz.Question{Caller: x.principal(), Info: in.Info, Actions: []string{actionIssueToken}, Resource: target.String()})
	if denied, ok := errors.AsType[*authz.DeniedError](err); ok {
		r := refuse(InvalidTarget, denied, "%s (denial %s)", denied, in.Info.ID)
		if denied.Why != nil {
			r.Trace = webidentity.TraceOf(*denied.Why).Encode()
		}
		return r
	}
	if err != nil {
		return err
	}
	for _, d := range decisions {
		x.grant.matched = append(x.grant.matched, allowing(d)...)
	}
	return nil
}

// principal is who the token will say that its bearer is.
func (x exchange) principal() session.Principal {
	return session.Principal{Session: x.grant.session, Role: x.grant.role.ARN(), Account: x.known.snapshot.Account}
}

// sign makes the token of an exchange and completes its event.
func (s *Service) sign(x *exchange, audience string, terms Terms) (secret.String, error) {
	var id [16]byte
	if _, err := io.ReadFull(s.Rand, id[:]); err != nil {
		return secret.String{}, fmt.Errorf("draw a token id: %w", err)
	}
	who := x.principal()
	t := accesstoken.Token{Issuer: s.Issuer.URL, Audience: audience, ID: hex.EncodeToString(id[:]), Principal: who, Claims: x.token}
	token, key, err := s.Issuer.Sign(terms.Algorithm, accesstoken.Type, t.Payload())
	if err != nil {
		return secret.String{}, err
	}
	made := who.Session
	x.event.Outcome, x.event.Issued, x.event.As, x.event.Expires, x.event.Matched = audit.Allowed, made.ID.String(), who.ARN().String(), made.Expires, x.grant.matched
	describe(x.event.Detail, made)
	x.event.Detail["jti"], x.event.Detail["kid"], x.event.Detail["life"] = t.ID, key, strconv.Itoa(int(terms.Life/time.Second))
	return token, nil
}
