package sts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/strictjson"
	"mayfly.internal/internal/webidentity"
)

// untrusted is the refusal of a token its role does not trust.
//
// A stranger gets AWS's bare sentence, which is also that of a role that does
// not exist. A caller whose token belongs to the role's projects learns more, the
// policy's own values only where the operator says so for the issuer (CONTRACTS
// §3). The whole of it goes into the audit event, where the operator finds it by
// the denial id.
func untrusted(said webidentity.Answer, settings oidc.Settings, info request.Info) error {
	r := refuse(NotTrusted, errors.New(said.Cause()), notAuthorized)
	if why := said.ForCaller(settings.Explain == oidc.ExplainValues); why != "" {
		r.Public = fmt.Sprintf("%s. %s (denial %s)", notAuthorized, clipExplanation(why), info.ID)
	}
	r.Trace = said.Trace().Encode()
	return r
}

// maxExplanation bounds what a refusal says: claims can be long.
const maxExplanation = 2000

func clipExplanation(text string) string {
	if len(text) <= maxExplanation {
		return text
	}
	text = text[:maxExplanation]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}

// ExplainInput asks what a role's trust policy says of a token: of an ID token,
// or of claims that one might have.
type ExplainInput struct {
	Role        iam.Role
	SessionName string // it would ask for
	Token       string // an ID token, or
	Claims      string // a JSON object
	Info        request.Info
}

// Explained is the answer to it.
type Explained struct {
	Allowed   bool
	Problems  []string // what is wrong with the token itself, whatever the role
	Unchecked []string // what could not be looked at
	Trace     *webidentity.Trace
}

// Explain says whether an exchange for a session without a session policy and of
// the usual duration would be granted, and why not, as the exchange itself would
// decide. It issues and records nothing; whoever asks must be allowed to see the
// role's trust policy. The error is a *Refusal for what cannot be read.
func (s *Service) Explain(ctx context.Context, in ExplainInput) (Explained, error) {
	p, err := planExplain(in) // plan
	if err != nil {
		return Explained{}, err
	}
	issuer, _ := p.claims.Get("iss").Text()
	k := webIdentityFacts{snapshot: s.Registry.Snapshot(), settings: s.Settings(issuer), role: registryRole{in.Role, true}} // gather
	var known bool
	if k.provider, known = k.snapshot.Provider(issuer); !known {
		return Explained{Problems: []string{problem(noProvider(issuer))}}, nil
	}
	var out Explained
	reasons := s.checkToken(ctx, p, k, &out)
	supposed, refused, err := oidc.Suppose(k.provider, k.settings, p.claims) // decide
	if e, ok := errors.AsType[*oidc.RejectedError](err); ok {
		refused = []*oidc.RejectedError{e}
	}
	for _, e := range refused {
		if !slices.Contains(reasons, e.Reason) {
			out.Problems = append(out.Problems, problem(tokenRefusal(e)))
		}
	}
	if err != nil {
		return out, nil
	}
	in.Info.Region = "" // an exchange is not signed
	if k, err = s.gatherGuards(ctx, p.rolePlan, k, supposed, in.Info); err != nil {
		out.Problems = append(out.Problems, problem(err))
		return out, nil
	}
	keys, err := trustContext(p.rolePlan, k, supposed, in.Info, p.seconds(s.MaxSession))
	if err != nil {
		out.Problems = append(out.Problems, "The token's claims cannot be condition keys: "+err.Error())
		return out, nil
	}
	said := k.question(p.role, supposed, keys).Ask()
	if o := k.guards.obstacle; o != nil && o.Obstacle == guard.BeingRead && !said.Allowed() {
		out.Problems = append(out.Problems, guardsNotRead)
	}
	trace := said.Trace()
	out.Allowed, out.Trace = said.Allowed() && len(out.Problems) == 0, &trace
	return out, nil
}

// explainPlan is a question whose form is right. Nothing in it is verified.
type explainPlan struct {
	webIdentityPlan
	claims strictjson.Value
	given  bool // there is a token
}

func planExplain(in ExplainInput) (explainPlan, error) {
	var p explainPlan
	var err error
	if p.rolePlan, err = planRole(in.Role.ARN(), in.SessionName, "", nil, 0); err != nil {
		return p, err
	}
	if p.given = in.Token != ""; p.given == (in.Claims != "") {
		return p, refuse(InvalidParameter, nil, "Either a token or claims are wanted")
	}
	if p.given {
		p.token, err = jwt.Parse(strings.TrimRight(in.Token, "\r\n"))
		if err != nil {
			return p, refuse(InvalidToken, err, "The token cannot be read: %s", err)
		}
		p.claims = p.token.UnverifiedClaims()
		return p, nil
	}
	p.claims, err = strictjson.Parse([]byte(in.Claims))
	if err != nil || p.claims.Kind() != strictjson.Object {
		return p, refuse(InvalidParameter, err, "The claims are not one JSON object with distinct names")
	}
	return p, nil
}

// checkToken verifies a token as far as there is one, and gives the reasons for
// which it is not believed.
func (s *Service) checkToken(ctx context.Context, p explainPlan, k webIdentityFacts, out *Explained) []oidc.Reason {
	if !p.given {
		out.Unchecked = []string{"the signature and the times: there is no token, only what one might say"}
		return nil
	}
	var err error
	if k.keys, err = s.Keys.Keys(ctx, k.provider.URL, p.token.KeyID()); err != nil {
		out.Unchecked = []string{"the signature and the times: the issuer's keys could not be had"}
		return nil
	}
	_, err = oidc.Verify(k.provider, k.settings, p.token, k.keys, s.Now())
	e, rejected := errors.AsType[*oidc.RejectedError](err)
	if !rejected {
		return nil
	}
	out.Problems = append(out.Problems, problem(tokenRefusal(err)))
	return []oidc.Reason{e.Reason}
}

// problem is a refusal's sentence for the caller.
func problem(err error) string {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Public
	}
	return err.Error()
}
