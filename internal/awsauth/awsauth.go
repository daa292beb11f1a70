// Package awsauth reads whom clusters map to what: their aws-auth ConfigMaps, and
// the IAMIdentityMappings of aws-iam-authenticator's CRD, each through the
// cluster's own door: with a bearer token of a session that the cluster's
// webhook knows and that may read these and nothing else. No kubeconfig is held.
//
// It reads while it is asked and not otherwise: what was read ten seconds ago
// is read again in the background, what was read half a minute ago is waited
// for. So a change of the ConfigMap is in force for a busy cluster in some
// seconds, and for every one within thirty. While the cluster cannot be read
// the last map serves for Config.MaxAge, then nobody is mapped.
//
// It dials only the registered endpoint, checks it against the registered CA
// alone, and follows no redirect and no proxy variable. It decides nothing about
// principals; eks does.
package awsauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// Config is what a Reader needs; all of it is required but Log.
type Config struct {
	// Credentials makes a reader's session for a cluster.
	Credentials func(ctx context.Context, c eks.Cluster) (session.Credentials, error)
	// Registry says which clusters there are: what was read of one that is
	// gone, or was registered anew, is forgotten.
	Registry interface{ Snapshot() *registry.Snapshot }
	// MaxAge is how long the last map serves while a cluster cannot be read. Less
	// than thirty seconds is thirty.
	MaxAge time.Duration
	// BoundTo is what a cluster's bearer tokens are bound to. Nil: its name.
	BoundTo func(c eks.Cluster) string
	Now     func() time.Time
	// Log is told of what cannot be read and of entries that are dropped. Nil:
	// nobody is.
	Log *slog.Logger
}

const (
	// freshFor is how long a map is used as it is: the API server keeps the
	// identities made of it as long (--authentication-token-webhook-cache-ttl).
	freshFor = 10 * time.Second
	// staleFor is how long a map is used while a newer one is being read; an
	// older one is waited for.
	staleFor = 30 * time.Second
	// waitFor is how long anybody waits for a read: the API server waits three
	// seconds for its answer.
	waitFor = 2 * time.Second
	// readTimeout bounds one read, the cluster's own questions to us included.
	readTimeout = 5 * time.Second
	// retryAfter is the pause after a read that failed.
	retryAfter = time.Second
	// renewBefore is how long a session must still last for one more read.
	renewBefore = 10 * time.Second
)

// Reader reads and keeps aws-auth ConfigMaps. It is safe for concurrent use.
type Reader struct {
	config Config
	wait   time.Duration

	mu      sync.Mutex
	sources map[sourceKey]*source
}

type sourceKey struct{ cluster, object string } // cluster id, object.name

// object is something that is read of a cluster.
type object struct {
	name    string
	path    string
	read    func(body []byte) (map[string]string, error)        // what it says, of its JSON
	parse   func(data map[string]string) (eks.Mappings, []note) // and what that means
	missing func(body []byte) bool                              // whether an answer 404 says that there is none
}

// New makes a Reader; it refuses a Config that lacks something.
func New(c Config) (*Reader, error) {
	if c.Credentials == nil || c.Registry == nil || c.Now == nil {
		return nil, errors.New("awsauth: a required field of Config is missing")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BoundTo == nil {
		c.BoundTo = func(c eks.Cluster) string { return c.Name }
	}
	c.MaxAge = max(c.MaxAge, staleFor)
	return &Reader{config: c, wait: waitFor, sources: map[sourceKey]*source{}}, nil
}

// Mappings is what a cluster's aws-auth says. A ConfigMap that does not exist
// maps nobody. An error means that nobody knows what it says.
//
// It holds no lock while it waits, and the reading goes on in the background
// when ctx ends: the cluster asks us who the reader is before it answers.
func (r *Reader) Mappings(ctx context.Context, c eks.Cluster) (eks.Mappings, error) {
	return r.mappings(ctx, c, &configMapObject)
}

// IdentityMappings is what a cluster's IAMIdentityMappings say; what holds for
// Mappings holds for it. A cluster without their CustomResourceDefinition cannot
// be read.
func (r *Reader) IdentityMappings(ctx context.Context, c eks.Cluster) (eks.Mappings, error) {
	return r.mappings(ctx, c, &identityMappingObject)
}

func (r *Reader) mappings(ctx context.Context, c eks.Cluster, o *object) (eks.Mappings, error) {
	s, err := r.source(c, o)
	if err != nil {
		return eks.Mappings{}, err
	}
	reading, usable := s.begin(r.config.Now(), func() { r.read(s) })
	if !usable && reading != nil {
		enough := time.NewTimer(r.wait)
		defer enough.Stop()
		select {
		case <-reading:
		case <-enough.C:
		case <-ctx.Done():
		}
	}
	return s.answer(r.config.Now(), r.config.MaxAge)
}

// source finds or begins what is known of a cluster, and forgets clusters that
// are gone.
func (r *Reader) source(c eks.Cluster, o *object) (*source, error) {
	snap := r.config.Registry.Snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.sources {
		if now, ok := snap.Cluster(s.cluster.Name); !ok || now.ID != key.cluster || !s.isOf(now) {
			delete(r.sources, key)
			s.client.CloseIdleConnections()
		}
	}
	c, ok := snap.Cluster(c.Name)
	if !ok {
		return nil, fmt.Errorf("the cluster %s is not registered", c.Name)
	}
	s := r.sources[sourceKey{c.ID, o.name}]
	if s == nil {
		client, err := newClient(c)
		if err != nil {
			return nil, err
		}
		s = &source{cluster: c, object: o, client: client}
		r.sources[sourceKey{c.ID, o.name}] = s
	}
	return s, nil
}

// read reads an object of a cluster and keeps what it says.
func (r *Reader) read(s *source) {
	notes, err := r.tryRead(s)
	if err != nil && s.failed(r.config.Now(), err) {
		r.config.Log.Warn(s.object.name+" cannot be read", "cluster", s.cluster.Name, "why", err)
	}
	for _, n := range notes {
		r.config.Log.Warn(s.object.name+" entry", "cluster", s.cluster.Name, "key", n.Key, "entry", n.Entry, "dropped", n.Dropped, "why", n.Detail)
	}
}

// tryRead gives what is to be said of an object that is new. It runs outside
// of any request, so it guards against panics itself: the data are a cluster's.
func (r *Reader) tryRead(s *source) (notes []note, err error) {
	defer func() {
		if p := recover(); p != nil {
			notes, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	began := r.config.Now()
	data, err := r.fetch(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.keep(began, data), nil
}

// source is what is known of one object of a cluster.
type source struct {
	cluster eks.Cluster
	object  *object
	client  client
	creds   session.Credentials // of the last reads; the read under way alone touches it

	mu       sync.Mutex
	reading  chan struct{} // closed at the end of the read under way; nil: there is none
	known    bool
	readAt   time.Time
	data     map[string]string
	mappings eks.Mappings
	failedAt time.Time // of the last read, if it failed
	err      error
	toldAt   time.Time // when the log was last told of a failure
}

// isOf reports whether the source still reads where the cluster is.
func (s *source) isOf(c eks.Cluster) bool {
	return s.cluster.Endpoint == c.Endpoint && bytes.Equal(s.cluster.CA, c.CA) && s.cluster.Region == c.Region
}

// begin starts a read if one is due. It gives the read under way, if any, and
// whether what is known may be used without waiting for it.
func (s *source) begin(now time.Time, read func()) (reading <-chan struct{}, usable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := now.Sub(s.readAt)
	if s.known && age < freshFor {
		return nil, true
	}
	if s.reading == nil && (s.err == nil || now.Sub(s.failedAt) >= retryAfter) {
		done := make(chan struct{})
		s.reading = done
		go func() {
			defer close(done)
			read()
			s.mu.Lock()
			s.reading = nil
			s.mu.Unlock()
		}()
	}
	return s.reading, s.known && age < staleFor
}

// answer is what is known, unless it is too old.
func (s *source) answer(now time.Time, maxAge time.Duration) (eks.Mappings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.known && now.Sub(s.readAt) < maxAge:
		return s.mappings, nil
	case s.err != nil:
		return eks.Mappings{}, fmt.Errorf("read %s of %s: %w", s.object.name, s.cluster.Name, s.err)
	}
	return eks.Mappings{}, fmt.Errorf("%s of %s is still being read", s.object.name, s.cluster.Name)
}

// failed notes a read that failed and reports whether to tell the log: of the
// first, and once a minute.
func (s *source) failed(now time.Time, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	tell := s.err == nil || now.Sub(s.toldAt) >= time.Minute
	s.failedAt, s.err = now, err
	if tell {
		s.toldAt = now
	}
	return tell
}

// keep notes what was read at a time, and gives what is to be said of it if it
// is new.
func (s *source) keep(at time.Time, data map[string]string) []note {
	s.mu.Lock()
	same := s.known && maps.Equal(s.data, data)
	s.mu.Unlock()
	var mappings eks.Mappings
	var notes []note
	if !same {
		mappings, notes = s.object.parse(data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known, s.readAt, s.err = true, at, nil
	if !same {
		s.data, s.mappings = data, mappings
	}
	return notes
}
