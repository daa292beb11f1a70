package jwks

import (
	"context"
	"net/netip"

	"mayfly.internal/internal/jwt"
)

// SetFetch replaces the fetch, for tests of the cache alone.
func (s *Source) SetFetch(fetch func(ctx context.Context, issuer string) (*jwt.KeySet, error)) {
	s.fetch = fetch
}

// Closed is the check of one address.
func Closed(addr netip.Addr, open []netip.Prefix) string { return closed(addr, open) }

// DiscoveryURL is where an issuer's discovery document lies.
var DiscoveryURL = discoveryURL
