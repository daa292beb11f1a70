package sts

import (
	"context"
	"errors"

	"mayfly.internal/internal/authz"
)

const actionDecodeMessage = "sts:DecodeAuthorizationMessage"

// DecodeAuthorizationMessage makes clear what an encoded authorization message
// of this account says, for a caller whose policies allow it. Every refusal is a
// *Refusal. Refused callers are recorded; what is read is not, as other reads are
// not.
func (s *Service) DecodeAuthorizationMessage(ctx context.Context, c Call, encoded string) (string, error) {
	now := s.Now()
	snap := s.Registry.Snapshot()
	who, err := snap.Principal(c.Caller.Session, now)
	if err != nil {
		err = &authz.DeniedError{Caller: c.Caller.ARN().String(), Action: actionDecodeMessage, Resource: "*"}
	} else {
		_, err = authz.Authorize(snap, authz.Question{Caller: who, Info: c.Info, Actions: []string{actionDecodeMessage}, Resource: "*", Seal: s.Sealer})
	}
	if denied, ok := errors.AsType[*authz.DeniedError](err); ok {
		err = refuse(NotAllowed, denied, "%s", denied)
	}
	if err != nil {
		return "", s.deny(ctx, c.event(snap, actionDecodeMessage, now), err)
	}
	text, err := authz.Decode(encoded, snap.Account, s.Sealer)
	if err != nil {
		return "", refuse(InvalidMessage, nil, "The message passed is not an encoded authorization message of this account.")
	}
	return text, nil
}

// Unreadable records a signed request whose parameters cannot be read, and gives
// the refusal of it: who signs is held to what they send.
func (s *Service) Unreadable(ctx context.Context, c Call, action string, err error) error {
	return s.deny(ctx, c.event(s.Registry.Snapshot(), action, s.Now()), refuse(InvalidParameter, nil, "%s", err))
}
