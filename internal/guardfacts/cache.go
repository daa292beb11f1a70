package guardfacts

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/guard"
)

// Issuer is a GitLab whose facts are kept.
type Issuer struct {
	// Read reads the facts of a project, by its id. path is what a token calls it.
	// Facts may come with an error: something in them is unknown that might be
	// known the next time.
	Read func(ctx context.Context, id int64, path string) (*guard.Project, error)
	// MaxAge is the age up to which facts are given out.
	MaxAge time.Duration
	// Refresh is the age at which those of projects that were asked about lately
	// are read anew.
	Refresh time.Duration
}

// Config says whose facts are kept.
type Config struct {
	Issuers map[string]Issuer // :: issuer URL → how its projects are read
	Now     func() time.Time  // nil: time.Now
	// Observe is told of each reading. Nil: nobody is.
	Observe func(issuer string, outcome Outcome, took time.Duration)
	// Failed is told why a reading failed, for the log. Nil: nobody is.
	Failed func(issuer string, project int64, err error)
}

// Outcome is what became of a reading.
type Outcome string

const (
	Whole   Outcome = "read"
	Partial Outcome = "read in part"
	Failure Outcome = "failed"
)

// Outcomes are all of them.
var Outcomes = []Outcome{Whole, Partial, Failure}

const (
	// maxProjects bounds how many projects of an issuer are kept.
	maxProjects = 1000
	// maxPaths bounds how many paths of an issuer are remembered.
	maxPaths = 10 * maxProjects
	// patience is how long a caller waits for a reading.
	patience = 2 * time.Second
	// readTimeout bounds one reading.
	readTimeout = 20 * time.Second
	// spacing is the least time between two readings of a project.
	spacing = time.Second
	// lately is for how long after it was asked about a project is read anew.
	lately = time.Hour
	// refreshers is how many readings the refresh of an issuer has under way.
	refreshers = 2
)

// Cache keeps facts. It is safe for concurrent use.
type Cache struct {
	config Config
	books  map[string]*book // :: issuer URL
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

// book is what is known of one issuer's projects.
type book struct {
	Issuer
	name  string
	cache *Cache
	slots chan struct{} // of the refresh

	mu      sync.Mutex
	entries map[int64]*entry
	paths   map[string]bound // :: path, in lower case → whose it is
}

// entry is one project.
type entry struct {
	project *guard.Project // nil: it was never read
	taken   time.Time      // when the reading of project began
	asked   time.Time      // when somebody asked last
	tried   time.Time      // when the last reading began
	path    string         // as the last token called it
	failure error          // of the last reading
	flight  chan struct{}  // closed when the reading under way ends; nil: there is none
}

// bound is the project that a path is known to be of.
type bound struct {
	id int64
	at time.Time
}

// New makes a Cache and begins to keep it fresh, until Close.
func New(c Config) *Cache {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, Outcome, time.Duration) {}
	}
	if c.Failed == nil {
		c.Failed = func(string, int64, error) {}
	}
	ctx, stop := context.WithCancel(context.Background())
	cache := &Cache{config: c, books: map[string]*book{}, stop: stop}
	for name, is := range c.Issuers {
		b := &book{Issuer: is, name: name, cache: cache, slots: make(chan struct{}, refreshers), entries: map[int64]*entry{}, paths: map[string]bound{}}
		cache.books[name] = b
		cache.ended.Go(func() { b.keepFresh(ctx) })
	}
	return cache
}

// Close ends the refresh. Who asks is still answered.
func (c *Cache) Close() {
	c.stop()
	c.ended.Wait()
}

// Guards gives the facts of an issuer's project, by its id, and when they were
// read. path is what a verified token calls it; unless pinned, a path that was
// another project's is refused. The error is a *guard.ObstacleError.
func (c *Cache) Guards(ctx context.Context, issuer string, id int64, path string, pinned bool) (*guard.Project, time.Time, error) {
	b := c.books[issuer]
	if b == nil {
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Unread, Why: "this server does not read what the issuer enforces (issuers, guards)"}
	}
	if !pinned && b.isReused(id, path) {
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Reused, Why: "the path of this token's project was that of a project with another id: was it used again by another? A role that is for this one names its project_id"}
	}
	if flight := b.consult(id, path); flight != nil {
		wait(ctx, flight)
	}
	return b.answer(id, path)
}

// wait waits for a reading, but not for long.
func wait(ctx context.Context, flight chan struct{}) {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-flight:
	case <-enough.C:
	case <-ctx.Done():
	}
}

// isReused reports whether the path is known to be, or to have been, another
// project's.
func (b *book) isReused(id int64, path string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok := b.paths[strings.ToLower(path)]
	return ok && known.id != id
}

// consult gives the reading to wait for, nil if there is nothing to wait for.
func (b *book) consult(id int64, path string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cache.config.Now()
	e := b.entries[id]
	if e == nil {
		b.makeRoom()
		e = &entry{}
		b.entries[id] = e
	}
	e.asked, e.path = now, path
	if b.good(e, path, now) {
		return nil
	}
	if e.flight == nil && (e.tried.IsZero() || now.Sub(e.tried) >= spacing) {
		b.start(id, e, now)
	}
	return e.flight
}

// good reports whether the facts may be given out.
func (b *book) good(e *entry, path string, now time.Time) bool {
	return e.project != nil && now.Sub(e.taken) <= b.MaxAge && strings.EqualFold(e.project.Path, path)
}

// makeRoom forgets the project that was not asked about for longest, where there
// are as many as may be.
func (b *book) makeRoom() {
	if len(b.entries) < maxProjects {
		return
	}
	var oldest int64
	for id, e := range b.entries {
		if o := b.entries[oldest]; e.flight == nil && (o == nil || e.asked.Before(o.asked)) {
			oldest = id
		}
	}
	delete(b.entries, oldest)
}

// answer gives the facts, or says why not.
func (b *book) answer(id int64, path string) (*guard.Project, time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, now := b.entries[id], b.cache.config.Now()
	switch {
	case e == nil: // forgotten meanwhile
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.BeingRead, Why: "there are too many projects to keep their facts"}
	case b.good(e, path, now):
		return e.project, e.taken, nil
	case e.flight != nil:
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.BeingRead, Why: "what GitLab enforces is being read"}
	case e.failure == nil && e.project != nil && now.Sub(e.taken) <= b.MaxAge:
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Unread, Why: "GitLab has this token's project under another path: the token is older than that"}
	case e.project == nil:
		return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Unread, Why: "GitLab does not answer", Err: e.failure}
	}
	return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Unread, Why: "GitLab has not answered since " + e.taken.UTC().Format(time.RFC3339), Err: e.failure}
}

// start begins a reading. The caller holds b.mu.
func (b *book) start(id int64, e *entry, now time.Time) {
	e.tried, e.flight = now, make(chan struct{})
	path := e.path
	go b.read(id, e, path, now)
}

// read reads for everyone who waits. It has a deadline of its own.
func (b *book) read(id int64, e *entry, path string, began time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	clock := time.Now()
	project, err := b.Read(ctx, id, path)
	if project != nil {
		if known, ok := project.ID.Value(); ok && known != id {
			project, err = nil, errors.New("the facts are of another project")
		}
	}
	outcome := Whole
	switch {
	case project == nil:
		outcome, err = Failure, cmp.Or(err, errors.New("there are no facts"))
	case err != nil:
		outcome = Partial
	}
	b.cache.config.Observe(b.name, outcome, time.Since(clock))
	if err != nil {
		b.cache.config.Failed(b.name, id, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.failure = err
	// What is known in part replaces nothing that is known and may still be given out.
	if outcome == Whole || outcome == Partial && !b.good(e, path, b.cache.config.Now()) {
		e.project, e.taken = project, began
		b.remember(project, began)
	}
	close(e.flight)
	e.flight = nil
}

// remember notes whose the project's path is. The caller holds b.mu.
func (b *book) remember(p *guard.Project, at time.Time) {
	id, known := p.ID.Value()
	path := strings.ToLower(p.Path)
	if have, ok := b.paths[path]; !known || ok && have.id != id {
		return // somebody has to say that it is meant
	}
	b.paths[path] = bound{id, at}
	if len(b.paths) <= maxPaths {
		return
	}
	var oldest string
	for name, is := range b.paths {
		if oldest == "" || is.at.Before(b.paths[oldest].at) {
			oldest = name
		}
	}
	delete(b.paths, oldest)
}

// keepFresh reads anew what was asked about lately.
func (b *book) keepFresh(ctx context.Context) {
	tick := time.NewTicker(b.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.refresh(ctx)
		}
	}
}

// refresh reads what is due, the oldest facts first, a few at a time.
func (b *book) refresh(ctx context.Context) {
	for _, id := range b.due() {
		select {
		case b.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		flight := b.again(id)
		go func() { // a reading ends
			<-flight
			<-b.slots
		}()
	}
}

// due are the projects that were asked about lately and whose facts are old enough
// to be read anew. A reading takes its time: half the age is old enough, since
// nobody looks again before Refresh has passed.
func (b *book) due() []int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.cache.config.Now()
	var ids []int64
	for id, e := range b.entries {
		if now.Sub(e.asked) <= lately && now.Sub(e.tried) >= b.Refresh/2 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y int64) int { return b.entries[x].taken.Compare(b.entries[y].taken) })
	return ids
}

// again begins to read a project anew, and gives the reading: one that has ended if
// the project was forgotten.
func (b *book) again(id int64) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[id]
	if e == nil {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	if e.flight == nil {
		b.start(id, e, b.cache.config.Now())
	}
	return e.flight
}

// Age is the age of the oldest facts of an issuer's projects that were asked about
// lately, and how many such projects there are.
func (c *Cache) Age(issuer string) (oldest time.Duration, projects int) {
	b := c.books[issuer]
	if b == nil {
		return 0, 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := c.config.Now()
	for _, e := range b.entries {
		if e.project != nil && now.Sub(e.asked) <= lately {
			oldest, projects = max(oldest, now.Sub(e.taken)), projects+1
		}
	}
	return oldest, projects
}
