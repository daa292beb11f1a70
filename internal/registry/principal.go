package registry

import (
	"errors"
	"time"

	"mayfly.internal/internal/session"
)

// Why a session that opened is nobody's any more.
var (
	ErrExpired = errors.New("the session has expired")
	ErrGone    = errors.New("the session's role, one it was assumed through, or its identity provider no longer exists")
	ErrReader  = errors.New("the session may read one aws-auth ConfigMap and nothing else")
)

// Principal is who acts in a session: it holds only while its role, those of the
// sessions it was made in, and the provider exist, by id. It refuses with
// ErrExpired, ErrGone or, for a reader's session, ErrReader.
func (s *Snapshot) Principal(of session.Session, now time.Time) (session.Principal, error) {
	if of.Reader != "" {
		return session.Principal{}, ErrReader
	}
	if of.Expired(now) {
		return session.Principal{}, ErrExpired
	}
	role, ok := s.RoleByID(of.RoleID)
	if !ok || !s.HasRoles(of.Chain) {
		return session.Principal{}, ErrGone
	}
	if of.ProviderID != "" {
		if p, ok := s.Provider(of.Claims.Issuer); !ok || p.ID != of.ProviderID {
			return session.Principal{}, ErrGone
		}
	}
	return session.Principal{Session: of, Role: role.ARN(), Account: s.Account}, nil
}

// HasRoles reports whether all roles of some ids exist.
func (s *Snapshot) HasRoles(ids []string) bool {
	for _, id := range ids {
		if _, ok := s.RoleByID(id); !ok {
			return false
		}
	}
	return true
}
