// Package control is the control plane: it authorises, checks, applies and
// records every change to providers, roles, clusters, access entries and custom
// access policies.
//
// Each operation is a public method that says what it is about and how it
// changes a snapshot. There are two ways on from there and no third: change
// authorises the caller, decides, and commits the change with its audit event
// in one transaction; read authorises and gives the snapshot to answer from.
// What was refused is recorded too.
//
// An event of a change holds all that is needed to make the change again: what
// was asked for, and the ids that were drawn.
//
// It knows no protocol: the edges decode requests, and turn the typed errors
// of iam, eks, policy and authz, and *Error, into codes.
package control

import (
	"context"
	"errors"
	"io"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// Store gives the configuration in force and commits what follows.
type Store interface {
	Snapshot() *registry.Snapshot
	// Commit makes changes decided on base and their event durable and in
	// force. It gives an error for which Stale is true if another change came
	// first; after any other error the caller must be told that nothing was
	// done.
	Commit(ctx context.Context, base *registry.Snapshot, changes []registry.Change, e audit.Event) error
	// Record makes an event durable by itself.
	Record(ctx context.Context, e audit.Event) error
}

// Config is what the service needs; every field but Quotas is required.
type Config struct {
	Store Store
	Stale func(error) bool // whether a Commit failed because it must be decided anew
	Now   func() time.Time
	Rand  io.Reader
	// Sealer seals what a refusal tells those who may decode it.
	Sealer session.Sealer
	// Quotas bound what may be made. What is 0 has AWS's default.
	Quotas iam.Quotas
	// Issuer is the iss of the tokens that this server signs, which cannot be a
	// provider. Empty: it signs none.
	Issuer string
}

// Service is the control plane. It is safe for concurrent use.
type Service struct {
	store Store
	stale func(error) bool
	clock func() time.Time
	rand  io.Reader

	sealer session.Sealer
	quota  iam.Quotas
	issuer string
}

// New makes a Service.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Stale == nil || c.Now == nil || c.Rand == nil || c.Sealer == nil {
		return nil, errors.New("control: Store, Stale, Now, Rand and Sealer are required")
	}
	return &Service{c.Store, c.Stale, c.Now, c.Rand, c.Sealer, c.Quotas.OrDefault(), c.Issuer}, nil
}

// now is the time as it is stored: what is in force and what is loaded after a
// restart are the same.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Call is a signed request: who asks, and what else is known of it.
type Call struct {
	Caller session.Principal
	Info   request.Info
}
