package jwks

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/jwt"
)

// Config says how keys are fetched and how long they are kept. The zero value
// works: public issuers, the system's certificate authorities.
type Config struct {
	// Issuers is what the operator says about single issuers.
	Issuers map[string]Issuer // :: issuer URL → its settings

	// RefreshAfter is the age at which a set is fetched anew. A key that an
	// issuer withdraws is believed no longer than this while the issuer can be
	// reached. Zero: 10 minutes.
	RefreshAfter time.Duration

	// MaxStale is the age up to which a set is used while its issuer cannot be
	// reached. Beyond it the issuer's tokens are refused. Zero: 1 hour.
	MaxStale time.Duration

	// Now is the clock. Nil: time.Now.
	Now func() time.Time

	// Resolve finds the addresses of a host name. Nil: the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)

	// Dial connects to an address that passed the check. Nil: a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Issuer is what the operator says about one issuer. The zero value is a
// public issuer.
type Issuer struct {
	// CAFile is a PEM file of the certificate authorities that alone may vouch
	// for the issuer's hosts. Empty: the system's. It is read at every fetch,
	// so a renewed file needs no restart.
	CAFile string

	// JWKSFile is the key set itself; then nothing is fetched. It is read anew
	// when a set would be fetched anew.
	JWKSFile string

	// AllowAddresses opens ranges of loopback, link-local, private and other
	// special addresses for this issuer. Addresses of cloud metadata services
	// stay closed.
	AllowAddresses []netip.Prefix
}

const (
	defaultRefresh  = 10 * time.Minute
	defaultMaxStale = time.Hour

	// fetchTimeout bounds discovery and key set together. AWS gives an
	// identity provider 5 s.
	fetchTimeout = 5 * time.Second

	// patience is how long a caller whose key is at hand waits for a refresh.
	patience = time.Second

	// refetchSpacing is the least time between two fetches while there are keys
	// to go on with (CONTRACTS §2). It is counted from the earlier one's start,
	// so that noise cannot keep a rotated key out for longer.
	refetchSpacing = 10 * time.Second

	// retrySpacing is the least time between two fetches while there are none.
	retrySpacing = time.Second
)

// Source gives the keys of issuers. It is safe for concurrent use.
type Source struct {
	config Config
	fetch  func(ctx context.Context, issuer string) (*jwt.KeySet, error)

	mu      sync.Mutex
	entries map[string]*entry // :: issuer URL → what is known of its keys
}

// entry is one issuer's keys. Nothing is shared between two entries, so a key
// of one issuer never verifies for another.
type entry struct {
	mu      sync.Mutex
	set     *jwt.KeySet
	fetched time.Time // when the fetch of set began
	asked   time.Time // when the last fetch began, whatever became of it
	failure error     // of the last fetch, nil if it succeeded
	flight  *flight   // the fetch that is under way
}

type flight struct{ done chan struct{} }

// New makes a source. It reads and fetches nothing yet.
func New(config Config) *Source {
	if config.RefreshAfter <= 0 {
		config.RefreshAfter = defaultRefresh
	}
	if config.MaxStale <= 0 {
		config.MaxStale = defaultMaxStale
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Resolve == nil {
		config.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	s := &Source{config: config, entries: map[string]*entry{}}
	s.fetch = s.fetchKeys
	return s
}

// Keys are the keys of a registered issuer, fetched if there are none yet, if
// they are old, or if kid is not among them. kid may be empty. That a set was
// returned does not mean that it holds kid.
//
// Callers that need the same fetch share it; ctx ends a caller's wait, not the
// fetch. While the issuer cannot be reached, the last set serves until it is
// MaxStale old. The error is then a *fault.Error of kind Unavailable whose
// cause is for the log only.
func (s *Source) Keys(ctx context.Context, issuer, kid string) (*jwt.KeySet, error) {
	e := s.entry(issuer)
	f, inHand := s.consult(e, issuer, kid)
	if f != nil {
		if err := wait(ctx, f, inHand); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "the keys of the identity provider were not there in time")
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !s.usable(e) {
		return nil, fault.Wrap(fault.Unavailable, e.why(), "the keys of the identity provider could not be fetched")
	}
	return e.set, nil
}

// Forget drops what is known of an issuer, for one whose provider was deleted.
func (s *Source) Forget(issuer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.entries, issuer)
}

func (s *Source) entry(issuer string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[issuer]
	if e == nil {
		e = &entry{}
		s.entries[issuer] = e
	}
	return e
}

// consult gives the fetch to wait for, nil if none is wanted or it is too early
// for one, and whether the caller has a key to go on with meanwhile.
func (s *Source) consult(e *entry, issuer, kid string) (f *flight, inHand bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := s.config.Now()
	usable := s.usable(e)
	inHand = usable && e.set.Has(kid)
	if inHand && now.Sub(e.fetched) <= s.config.RefreshAfter {
		return nil, true
	}
	spacing := retrySpacing
	if usable {
		spacing = refetchSpacing
	}
	if e.flight == nil && (e.asked.IsZero() || now.Sub(e.asked) >= spacing) {
		e.asked = now
		e.flight = &flight{done: make(chan struct{})}
		go s.fly(e, e.flight, issuer, now)
	}
	return e.flight, inHand
}

// fly fetches for everyone who waits. It has a deadline of its own.
func (s *Source) fly(e *entry, f *flight, issuer string, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := s.fetch(ctx, issuer)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flight, e.failure = nil, err
	switch {
	case err == nil:
		e.set, e.fetched = set, began
	case published(err):
		e.set = nil
	}
	close(f.done)
}

// published reports whether the issuer gave its private key away. Then what we
// have of it is worth nothing, and is not kept for a while like after other
// failures.
func published(err error) bool {
	e, ok := errors.AsType[*jwt.Error](err)
	return ok && e.Reason == jwt.PrivateKey
}

// wait waits for the fetch: as long as ctx lasts, or only a little for a caller
// who has keys in hand.
func wait(ctx context.Context, f *flight, inHand bool) error {
	var enough <-chan time.Time
	if inHand {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		enough = timer.C
	}
	select {
	case <-f.done:
	case <-enough:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// usable reports whether the entry's set may be used. The caller holds e.mu.
func (s *Source) usable(e *entry) bool {
	return e.set != nil && s.config.Now().Sub(e.fetched) <= s.config.MaxStale
}

func (e *entry) why() error {
	if e.failure == nil {
		return errors.New("no fetch has succeeded yet")
	}
	return e.failure
}
