// Package stsapi is the STS API: it decodes a Query request, calls sts, and
// encodes what came of it, as XML or as JSON.
package stsapi

import (
	"context"
	"errors"
	"maps"
	"slices"

	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

// API serves STS operations.
type API struct{ STS *sts.Service }

// Unsigned reports whether an action is one that needs no signature: the token
// in it is the proof.
func Unsigned(action string) bool { return action == "AssumeRoleWithWebIdentity" }

// GivesCredentials reports whether an action is one that whoever can repeat the
// request gets credentials from.
func GivesCredentials(action string) bool { return Unsigned(action) || action == "AssumeRole" }

// Serves reports whether an action is one of STS's that is served here.
func Serves(action string) bool { return Unsigned(action) || signed[action] != nil }

// operation answers a caller who is known.
type operation func(a *API, ctx context.Context, c sts.Call, r *awsquery.Request) (any, error)

// signed :: Action → what answers it.
var signed = map[string]operation{
	"AssumeRole":                 (*API).assumeRole,
	"DecodeAuthorizationMessage": (*API).decodeMessage,
	"GetCallerIdentity":          (*API).callerIdentity,
	"GetAccessKeyInfo":           (*API).accessKeyInfo,
	"GetSessionToken":            (*API).refuseSession,
	"GetFederationToken":         (*API).refuseSession,
}

// Operations are the actions that Serves.
func Operations() []string {
	return append(slices.Sorted(maps.Keys(signed)), "AssumeRoleWithWebIdentity")
}

// Do answers a signed operation, one that Serves and is not Unsigned. A request
// that cannot be read is recorded as every other refusal is.
func (a *API) Do(ctx context.Context, c sts.Call, r *awsquery.Request) (any, error) {
	do := signed[r.Action]
	if do == nil {
		return nil, fault.New(fault.Internal, "no operation") // unreachable: the door asks Serves
	}
	result, err := do(a, ctx, c, r)
	if _, unread := errors.AsType[*awsquery.ConstraintError](err); unread {
		return nil, a.STS.Unreadable(ctx, c, "sts:"+r.Action, err)
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// AssumeRoleWithWebIdentity answers that operation.
func (a *API) AssumeRoleWithWebIdentity(ctx context.Context, info request.Info, r *awsquery.Request) (any, error) {
	in, err := stswire.DecodeAssumeRoleWithWebIdentity(r)
	if err != nil {
		return nil, err
	}
	out, err := a.STS.AssumeRoleWithWebIdentity(ctx, sts.WebIdentityInput{RoleARN: in.RoleARN, SessionName: in.SessionName, Token: in.Token, ProviderID: in.ProviderID,
		PolicyARNs: in.PolicyARNs, Policy: in.Policy, Duration: in.Duration, Info: info})
	if err != nil {
		return nil, err
	}
	return stswire.WebIdentityResult{
		Subject: out.Subject, Audience: out.Audience, Provider: out.Provider.ARN().String(), SourceIdentity: out.Session.SourceIdentity, PackedPolicySize: out.Credentials.PackedPercent,
		AssumedRoleUser: user(out.Principal),
		Credentials:     EncodeCredentials(out.Credentials),
	}, nil
}

// EncodeCredentials is credentials on their way to the client they are for.
func EncodeCredentials(c session.Credentials) stswire.Credentials {
	return stswire.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret.Reveal(), SessionToken: c.Token.Reveal(), Expiration: awsquery.Time(c.Expires)}
}

func user(who session.Principal) stswire.AssumedRoleUser {
	return stswire.AssumedRoleUser{AssumedRoleID: who.UserID(), ARN: who.ARN().String()}
}

func (a *API) assumeRole(ctx context.Context, c sts.Call, r *awsquery.Request) (any, error) {
	in, err := stswire.DecodeAssumeRole(r)
	if err != nil {
		return nil, err
	}
	ask := sts.AssumeRoleInput{RoleARN: in.RoleARN, SessionName: in.SessionName, PolicyARNs: in.PolicyARNs, Policy: in.Policy, Duration: in.Duration,
		TransitiveKeys: in.TransitiveKeys, ExternalID: in.ExternalID, SourceIdentity: in.SourceIdentity}
	for _, t := range in.Tags {
		ask.Tags = append(ask.Tags, session.Tag{Key: t.Key, Value: t.Value})
	}
	out, err := a.STS.AssumeRole(ctx, c, ask)
	if err != nil {
		return nil, err
	}
	return stswire.AssumeRoleResult{SourceIdentity: out.Session.SourceIdentity, PackedPolicySize: out.Credentials.PackedPercent, AssumedRoleUser: user(out.Principal), Credentials: EncodeCredentials(out.Credentials)}, nil
}

func (a *API) decodeMessage(ctx context.Context, c sts.Call, r *awsquery.Request) (any, error) {
	encoded, err := stswire.DecodeAuthorizationMessage(r)
	if err != nil {
		return nil, err
	}
	text, err := a.STS.DecodeAuthorizationMessage(ctx, c, encoded)
	if err != nil {
		return nil, err
	}
	return stswire.AuthorizationMessageResult{DecodedMessage: text}, nil
}

func (a *API) callerIdentity(_ context.Context, c sts.Call, r *awsquery.Request) (any, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return stswire.CallerIdentityResult{ARN: c.Caller.ARN().String(), UserID: c.Caller.UserID(), Account: string(c.Caller.Account)}, nil
}

// accessKeyInfo tells the account of an access key id. All that are made here are
// of the one account; whether one was made cannot be seen from its id.
func (a *API) accessKeyInfo(_ context.Context, c sts.Call, r *awsquery.Request) (any, error) {
	if err := stswire.DecodeAccessKeyInfo(r); err != nil {
		return nil, err
	}
	return stswire.AccessKeyInfoResult{Account: string(c.Caller.Account)}, nil
}

// refuseSession: there are no users here, so that every caller has temporary
// credentials, which AWS does not let call these either.
func (a *API) refuseSession(_ context.Context, _ sts.Call, r *awsquery.Request) (any, error) {
	return nil, sts.RefuseSession(r.Action)
}
