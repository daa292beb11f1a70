package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwks"
	"mayfly.internal/internal/jwt"
)

const issuer = "https://gitlab.example"

// keySet is a set of one key of that id.
func keySet(t testing.TB, kid string) *jwt.KeySet {
	t.Helper()
	set, err := jwt.ParseKeySet(fmt.Appendf(nil, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":%q,"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, kid))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// script is an issuer whose every fetch gives what the test says at that time.
type script struct {
	mu      sync.Mutex
	set     *jwt.KeySet
	err     error
	delay   time.Duration
	fetches int
}

func (s *script) fetch(ctx context.Context, _ string) (*jwt.KeySet, error) {
	s.mu.Lock()
	s.fetches++
	set, err, delay := s.set, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return set, nil
}

func (s *script) say(set *jwt.KeySet, err error, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set, s.err, s.delay = set, err, delay
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetches
}

// scripted runs a test in a bubble whose clock moves only by sleeping.
func scripted(t *testing.T, test func(t *testing.T, s *jwks.Source, i *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		i := &script{set: keySet(t, "k1")}
		s := jwks.New(jwks.Config{})
		s.SetFetch(i.fetch)
		test(t, s, i)
	})
}

var errDown = errors.New("the issuer is down")

func wantKey(t *testing.T, s *jwks.Source, kid string) {
	t.Helper()
	set, err := s.Keys(t.Context(), issuer, kid)
	if err != nil || !set.Has(kid) {
		t.Errorf("Keys(%s) = %v, %v; want a set with it", kid, set, err)
	}
}

func wantNoKey(t *testing.T, s *jwks.Source, kid string) {
	t.Helper()
	set, err := s.Keys(t.Context(), issuer, kid)
	if err != nil || set.Has(kid) {
		t.Errorf("Keys(%s) = %v, %v; want a set without it", kid, set, err)
	}
}

func wantFetches(t *testing.T, i *script, want int) {
	t.Helper()
	if got := i.count(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}

func TestKnownKeysAreNotFetchedAgain(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		for range 100 {
			wantKey(t, s, "k1")
			time.Sleep(6 * time.Second) // ten minutes in all
		}
		wantFetches(t, i, 1)
		time.Sleep(time.Second)
		wantKey(t, s, "k1")
		wantFetches(t, i, 2)
	})
}

func TestUnknownKeysShareOneFetchPerTenSeconds(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		for n := range 1000 { // noise for 9.9 s after the first fetch
			wantNoKey(t, s, fmt.Sprint("noise-", n))
			time.Sleep(9900 * time.Microsecond)
		}
		wantFetches(t, i, 1)
		time.Sleep(100 * time.Millisecond)
		wantNoKey(t, s, "noise")
		wantFetches(t, i, 2)
		wantNoKey(t, s, "noise")
		wantFetches(t, i, 2)
	})
}

// GitLab rotates without overlap. However much noise there is, a job with the
// new key gets in ten seconds later.
func TestNoiseDoesNotOutlastARotation(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		time.Sleep(11 * time.Second)
		wantNoKey(t, s, "noise") // spends the fetch
		i.say(keySet(t, "k2"), nil, 0)
		deadline := time.Now().Add(10 * time.Second)
		for time.Now().Before(deadline) {
			wantNoKey(t, s, "k2")
			wantNoKey(t, s, "noise")
			time.Sleep(500 * time.Millisecond)
		}
		wantKey(t, s, "k2")
		wantNoKey(t, s, "k1") // and the old key is gone
	})
}

func TestCallersShareAFetch(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		i.say(keySet(t, "k1"), nil, 3*time.Second)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { wantKey(t, s, "k1") })
		}
		wg.Wait()
		wantFetches(t, i, 1)
	})
}

func TestACallerMayGiveUp(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		i.say(keySet(t, "k1"), nil, 3*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Keys(ctx, issuer, "k1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
		wantKey(t, s, "k1") // the fetch went on
		wantFetches(t, i, 1)
	})
}

func TestStaleKeysServeForAnHour(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		i.say(nil, errDown, 0)
		time.Sleep(time.Hour)
		wantKey(t, s, "k1")
		time.Sleep(time.Nanosecond)
		set, err := s.Keys(t.Context(), issuer, "k1")
		if err == nil || set != nil || !errors.Is(err, errDown) {
			t.Errorf("an hour and a bit later: %v, %v", set, err)
		}
		time.Sleep(time.Second)
		i.say(keySet(t, "k1"), nil, 0)
		wantKey(t, s, "k1") // and it recovers by itself
	})
}

func TestADeadIssuerIsNotAskedByEveryCaller(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		i.say(nil, errDown, 0)
		for range 100 { // one second in all
			if _, err := s.Keys(t.Context(), issuer, "k1"); !errors.Is(err, errDown) {
				t.Errorf("error = %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		wantFetches(t, i, 1)
	})
}

// A caller whose key is at hand waits a second for a refresh, not five.
func TestAHangingIssuerDelaysKnownKeysLittle(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		i.say(nil, nil, time.Hour)
		time.Sleep(11 * time.Minute)
		began := time.Now()
		wantKey(t, s, "k1")
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %s, one second is meant", took)
		}
		time.Sleep(5 * time.Second) // the fetch has given up; within ten seconds there is no other
		began = time.Now()
		wantKey(t, s, "k1")
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %s", took)
		}
	})
}

func TestAKeyGivenAwayIsDroppedAtOnce(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		_, leaked := jwt.ParseKeySet([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"AA","d":"AA"}]}`))
		i.say(nil, fmt.Errorf("fetch: %w", leaked), 0)
		time.Sleep(11 * time.Minute)
		if set, err := s.Keys(t.Context(), issuer, "k1"); err == nil {
			t.Errorf("keys = %v", set)
		}
	})
}

func TestAWithdrawnKeyIsGoneAfterTheRefresh(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		i.say(keySet(t, "k2"), nil, 0)
		time.Sleep(10*time.Minute + time.Nanosecond)
		wantNoKey(t, s, "k1")
	})
}

func TestForget(t *testing.T) {
	scripted(t, func(t *testing.T, s *jwks.Source, i *script) {
		wantKey(t, s, "k1")
		s.Forget(issuer)
		i.say(nil, errDown, 0)
		if set, err := s.Keys(t.Context(), issuer, "k1"); err == nil {
			t.Errorf("keys = %v", set)
		}
	})
}

func TestKeysOfTwoIssuersNeverMix(t *testing.T) {
	a, b := fakeissuer.New(t), fakeissuer.New(t)
	s := jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{
		a.URL: {CAFile: a.CAFile(), AllowAddresses: loopback},
		b.URL: {CAFile: b.CAFile(), AllowAddresses: loopback},
	}})
	for _, i := range []*fakeissuer.Issuer{a, b} {
		set, err := s.Keys(t.Context(), i.URL, b.KeyID(jwt.RS256))
		if err != nil || set.Len() != 1 || set.Has(b.KeyID(jwt.RS256)) != (i == b) {
			t.Errorf("keys of %s: %v, %v", i.URL, set, err)
		}
	}
}

// One issuer's settings open nothing for another.
func TestSettingsOfOneIssuerOpenNothingForAnother(t *testing.T) {
	a, b := fakeissuer.New(t), fakeissuer.New(t)
	s := jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{a.URL: {CAFile: a.CAFile(), AllowAddresses: loopback}}})
	cause := refused(t, s, b.URL)
	if _, ok := errors.AsType[*jwks.ClosedAddressError](cause); !ok || b.Requests() != 0 {
		t.Errorf("cause = %v, %d requests", cause, b.Requests())
	}
}

// TestRotationUnderLoad rotates a real issuer's keys while callers verify; run
// it with -race. Each caller always gets a set, and in the end the new key.
func TestRotationUnderLoad(t *testing.T) {
	i := fakeissuer.New(t)
	var offset atomic.Int64 // moves the clock past refetch spacing
	s := jwks.New(jwks.Config{
		Issuers: map[string]jwks.Issuer{i.URL: {CAFile: i.CAFile(), AllowAddresses: loopback}},
		Now:     func() time.Time { return time.Now().Add(time.Duration(offset.Load())) },
	})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				kid := i.KeyID(jwt.RS256)
				if n%4 == 0 {
					kid = "noise"
				}
				if set, err := s.Keys(t.Context(), i.URL, kid); err != nil || set.Len() != 1 {
					t.Errorf("Keys = %v, %v", set, err)
					return
				}
			}
		})
	}
	for range 5 {
		i.Rotate()
		offset.Add(int64(11 * time.Second))
		time.Sleep(50 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	offset.Add(int64(11 * time.Second))
	if set, err := s.Keys(t.Context(), i.URL, i.KeyID(jwt.RS256)); err != nil || !set.Has(i.KeyID(jwt.RS256)) {
		t.Errorf("after the last rotation: %v, %v", set, err)
	}
}

// A file that is replaced is read anew like a set that is fetched anew.
func TestKeySetFileIsReadAnew(t *testing.T) {
	i := fakeissuer.New(t)
	file := i.KeySetFile()
	now := time.Now()
	s := jwks.New(jwks.Config{Issuers: map[string]jwks.Issuer{i.URL: {JWKSFile: file}}, Now: func() time.Time { return now }})
	if _, err := s.Keys(t.Context(), i.URL, ""); err != nil {
		t.Fatal(err)
	}
	i.Rotate()
	if err := os.WriteFile(file, i.KeySet(), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(10 * time.Second)
	set, err := s.Keys(t.Context(), i.URL, i.KeyID(jwt.RS256))
	if err != nil || !set.Has(i.KeyID(jwt.RS256)) {
		t.Errorf("keys = %v, %v", set, err)
	}
}
