// Package stsapi is the STS API: it decodes a Query request, calls sts, and
// encodes what came of it, as XML or as JSON.
package stsapi

import (
	"context"
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

// Serves reports whether an action is one of STS's that is served here.
func Serves(action string) bool { return Unsigned(action) || signed[action] != nil }

// signed :: Action → what answers a caller who is known.
var signed = map[string]func(who session.Principal, r *awsquery.Request) (any, error){
	"GetCallerIdentity":  callerIdentity,
	"GetAccessKeyInfo":   accessKeyInfo,
	"GetSessionToken":    refuseSession,
	"GetFederationToken": refuseSession,
}

// Operations are the actions that Serves.
func Operations() []string {
	return append(slices.Sorted(maps.Keys(signed)), "AssumeRoleWithWebIdentity")
}

// Do answers a signed operation, one that Serves and is not Unsigned. None of
// them needs a permission.
func (a *API) Do(who session.Principal, r *awsquery.Request) (any, error) {
	do := signed[r.Action]
	if do == nil {
		return nil, fault.New(fault.Internal, "no operation") // unreachable: the door asks Serves
	}
	return do(who, r)
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
		Subject: out.Subject, Audience: out.Audience, Provider: out.Provider.ARN().String(), SourceIdentity: out.Session.SourceIdentity, PackedPolicySize: out.PackedPercent,
		AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: out.Principal.UserID(), ARN: out.Principal.ARN().String()},
		Credentials:     EncodeCredentials(out.Credentials),
	}, nil
}

// EncodeCredentials is credentials on their way to the client they are for.
func EncodeCredentials(c session.Credentials) stswire.Credentials {
	return stswire.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.Secret.Reveal(), SessionToken: c.Token.Reveal(), Expiration: awsquery.Time(c.Expires)}
}

func callerIdentity(who session.Principal, r *awsquery.Request) (any, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return stswire.CallerIdentityResult{ARN: who.ARN().String(), UserID: who.UserID(), Account: string(who.Account)}, nil
}

// accessKeyInfo tells the account of an access key id. All that are made here are
// of the one account; whether one was made cannot be seen from its id.
func accessKeyInfo(who session.Principal, r *awsquery.Request) (any, error) {
	if err := stswire.DecodeAccessKeyInfo(r); err != nil {
		return nil, err
	}
	return stswire.AccessKeyInfoResult{Account: string(who.Account)}, nil
}

// refuseSession: there are no users here, so that every caller has temporary
// credentials, which AWS does not let call these either.
func refuseSession(_ session.Principal, r *awsquery.Request) (any, error) {
	return nil, sts.RefuseSession(r.Action)
}
