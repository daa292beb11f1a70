package guardfacts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mayfly.internal/internal/guard"
)

const issuer = "https://gitlab.example"

// gitlab is what a test's cache reads from.
type gitlab struct {
	mu      sync.Mutex
	protect bool          // main is protected
	path    string        // of project 7
	err     error         // there is no answer
	partial error         // some facts are unknown
	slow    time.Duration // an answer takes
	reads   map[int64]int
	most    int // readings at once
	now     int
}

func newGitLab() *gitlab { return &gitlab{protect: true, path: "acme/web", reads: map[int64]int{}} }

func (g *gitlab) set(change func(*gitlab)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func (g *gitlab) count(id int64) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads[id]
}

func (g *gitlab) read(ctx context.Context, id int64, path string) (*guard.Project, error) {
	g.mu.Lock()
	g.reads[id]++
	g.now++
	g.most = max(g.most, g.now)
	slow, err, partial := g.slow, g.err, g.partial
	p := &guard.Project{Path: path, ID: guard.Known(id), ProtectedBranches: guard.Known([]guard.ProtectedBranch{})}
	if id == 7 {
		p.Path = g.path
	}
	if g.protect {
		p.ProtectedBranches = guard.Known([]guard.ProtectedBranch{{Name: "main"}})
	}
	g.mu.Unlock()
	defer g.set(func(g *gitlab) { g.now-- })
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	return p, partial
}

func (g *gitlab) cache(t *testing.T) *Cache {
	c := New(Config{Issuers: map[string]Issuer{issuer: {Read: g.read, MaxAge: 5 * time.Minute, Refresh: time.Minute}}})
	t.Cleanup(func() { c.Close(); time.Sleep(readTimeout) }) // a reading ends
	return c
}

// asks is what the cache says of main of a project: protected, open, or why not.
func asks(t *testing.T, c *Cache, id int64, path string) string {
	t.Helper()
	return asksPinned(t, c, id, path, false)
}

func asksPinned(t *testing.T, c *Cache, id int64, path string, pinned bool) string {
	t.Helper()
	p, taken, err := c.Guards(t.Context(), issuer, id, path, pinned)
	if e, ok := errors.AsType[*guard.ObstacleError](err); ok {
		if p != nil || !taken.IsZero() {
			t.Error("facts come with an obstacle")
		}
		return []string{"", "unread", "being read", "reused"}[e.Obstacle] + ": " + e.Why
	}
	if age := time.Since(taken); age < 0 || age > 5*time.Minute {
		t.Errorf("facts of %v ago are given out", age)
	}
	for _, a := range p.Door(guard.Branch, "main") {
		if v, _ := a.Value.Value(); a.Key == guard.DoorPrefix+"protected" {
			return map[string]string{"true": "protected", "false": "open"}[v]
		}
	}
	return "?"
}

func bubble(t *testing.T, run func(t *testing.T)) { t.Helper(); synctest.Test(t, run) }

// TestUnprotect: a change at GitLab is known within the refresh, whoever asks.
func TestUnprotect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		if got := asks(t, c, 7, "acme/web"); got != "protected" {
			t.Fatal(got)
		}
		g.set(func(g *gitlab) { g.protect = false })
		if got := asks(t, c, 7, "acme/web"); got != "protected" || g.count(7) != 1 {
			t.Error("fresh facts were read anew", got)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if got := asks(t, c, 7, "acme/web"); got != "open" {
			t.Error(got)
		}
	})
}

// TestDown: facts serve until they are MaxAge old, then nobody knows; and they are
// there again as soon as GitLab is.
func TestDown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		asks(t, c, 7, "acme/web")
		g.set(func(g *gitlab) { g.err = errors.New("connection refused to 10.0.0.1") })
		time.Sleep(299 * time.Second)
		if got := asks(t, c, 7, "acme/web"); got != "protected" {
			t.Error(got)
		}
		time.Sleep(2 * time.Second)
		for range 3 {
			got := asks(t, c, 7, "acme/web")
			if !strings.HasPrefix(got, "unread: GitLab has not answered since ") || strings.Contains(got, "10.0.0.1") {
				t.Error(got)
			}
		}
		g.set(func(g *gitlab) { g.err = nil })
		time.Sleep(spacing)
		if got := asks(t, c, 7, "acme/web"); got != "protected" {
			t.Error(got)
		}
	})
}

// TestNeverAnswers: a project that could never be read is not asked for more often
// than the spacing lets it.
func TestNeverAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		g.err = errors.New("no route to host")
		c := g.cache(t)
		for range 100 {
			if got := asks(t, c, 7, "acme/web"); got != "unread: GitLab does not answer" {
				t.Fatal(got)
			}
		}
		if n := g.count(7); n != 1 {
			t.Errorf("%d readings", n)
		}
		if got := asks(t, c, 0, ""); got != "unread: GitLab does not answer" {
			t.Error(got)
		}
		_, _, err := c.Guards(t.Context(), "https://other.example", 7, "acme/web", true)
		if e, ok := errors.AsType[*guard.ObstacleError](err); !ok || e.Obstacle != guard.Unread {
			t.Error(err)
		}
	})
}

// TestSlow: who comes first waits two seconds and is told to ask again; the
// reading goes on.
func TestSlow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		g.slow = 5 * time.Second
		c := g.cache(t)
		began := time.Now()
		if got := asks(t, c, 7, "acme/web"); got != "being read: what GitLab enforces is being read" || time.Since(began) != patience {
			t.Error(got, time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := c.Guards(gone, issuer, 7, "acme/web", false); err == nil || time.Since(began) != patience {
			t.Error("who goes away waits", err)
		}
		time.Sleep(3 * time.Second)
		if got := asks(t, c, 7, "acme/web"); got != "protected" || g.count(7) != 1 {
			t.Error(got, g.count(7))
		}
		g.set(func(g *gitlab) { g.slow = time.Minute }) // a reading has its own end
		time.Sleep(10 * time.Minute)
		if got := asks(t, c, 7, "acme/web"); !strings.HasPrefix(got, "being read") && !strings.HasPrefix(got, "unread") {
			t.Error(got)
		}
	})
}

// TestHerd: whoever needs the same facts shares one reading.
func TestHerd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		g.slow = time.Second
		c := g.cache(t)
		var all sync.WaitGroup
		for i := range 500 {
			all.Go(func() {
				if got := asks(t, c, int64(7+i%5), fmt.Sprintf("acme/web%s", strings.Repeat("x", i%5))); got != "protected" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		for id := range int64(5) {
			if n := g.count(7 + id); n != 1 {
				t.Errorf("%d readings", n)
			}
		}
	})
}

// TestRefreshIsBounded: a refresh has few readings under way, leaves out what
// nobody asked about lately, and ends with Close.
func TestRefreshIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		for id := range int64(20) {
			asks(t, c, 100+id, fmt.Sprint("acme/p", 100+id))
		}
		g.set(func(g *gitlab) { g.slow, g.most = 100*time.Millisecond, 0 })
		time.Sleep(2 * time.Minute)
		g.set(func(g *gitlab) {
			if g.most != refreshers {
				t.Errorf("%d readings at once", g.most)
			}
		})
		time.Sleep(lately)
		n := g.count(119)
		time.Sleep(10 * time.Minute)
		if g.count(119) != n {
			t.Error("it is read though nobody asks")
		}
		if _, projects := c.Age(issuer); projects != 0 {
			t.Error(projects)
		}
		asks(t, c, 119, "acme/p119")
		n = g.count(119)
		c.Close()
		time.Sleep(3 * time.Minute)
		if g.count(119) != n {
			t.Error("it is read after Close")
		}
		if age, projects := c.Age(issuer); age != 3*time.Minute+100*time.Millisecond || projects != 1 {
			t.Error(age, projects)
		}
	})
}

// TestPaths: another project under a path that was one's is refused unless the
// role names it by its id; a token that is older than its project's path too.
func TestPaths(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		asks(t, c, 7, "acme/web")
		for range 2 {
			if got := asks(t, c, 8, "Acme/Web"); !strings.HasPrefix(got, "reused: ") {
				t.Error(got)
			}
		}
		if g.count(8) != 0 {
			t.Error("GitLab was asked")
		}
		if got := asksPinned(t, c, 8, "acme/web", true); got != "protected" {
			t.Error(got)
		}
		if got := asks(t, c, 8, "acme/web"); !strings.HasPrefix(got, "reused: ") {
			t.Error("one role's word counts for another", got)
		}
		if got := asks(t, c, 7, "ACME/web"); got != "protected" {
			t.Error("the case of letters counts", got)
		}
		g.set(func(g *gitlab) { g.path = "acme/shop" })
		time.Sleep(2 * time.Second)
		if got := asks(t, c, 7, "acme/shop"); got != "protected" {
			t.Error("a new path waits for the facts to age", got)
		}
		if got := asks(t, c, 7, "acme/web"); got != "unread: GitLab has this token's project under another path: the token is older than that" {
			t.Error(got)
		}
		if got := asks(t, c, 9, "acme/shop"); !strings.HasPrefix(got, "reused: ") {
			t.Error(got)
		}
	})
}

// TestPartial: what is known in part replaces nothing that may still be given out.
func TestPartial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		asks(t, c, 7, "acme/web")
		g.set(func(g *gitlab) { g.protect, g.partial = false, errors.New("GET /x: 500") })
		time.Sleep(4 * time.Minute)
		if got := asks(t, c, 7, "acme/web"); got != "protected" {
			t.Error(got)
		}
		time.Sleep(2 * time.Minute)
		if got := asks(t, c, 7, "acme/web"); got != "open" {
			t.Error(got)
		}
	})
}

// TestForgets: no more projects are kept than may be; those go that were not asked
// about for longest.
func TestForgets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := newGitLab()
		c := g.cache(t)
		for id := range int64(maxProjects) {
			asks(t, c, 1000+id, fmt.Sprint("acme/p", id))
			time.Sleep(time.Millisecond)
		}
		asks(t, c, 1000, "acme/p0")
		asks(t, c, 5000, "acme/new")
		b := c.books[issuer]
		b.mu.Lock()
		n, first, second := len(b.entries), b.entries[1000], b.entries[1001]
		b.mu.Unlock()
		if n != maxProjects || first == nil || second != nil {
			t.Errorf("%d projects are kept", n)
		}
		for id := range int64(maxPaths) {
			b.mu.Lock()
			b.remember(&guard.Project{Path: fmt.Sprint("acme/q", id), ID: guard.Known(id + 1)}, time.Now())
			b.mu.Unlock()
		}
		if len(b.paths) != maxPaths {
			t.Errorf("%d paths are remembered", len(b.paths))
		}
	})
}

// TestOthersFacts: facts of another project than the one that was asked about are
// nobody's.
func TestOthersFacts(t *testing.T) {
	failed := ""
	c := New(Config{Issuers: map[string]Issuer{issuer: {MaxAge: time.Minute, Refresh: time.Minute, Read: func(context.Context, int64, string) (*guard.Project, error) {
		return &guard.Project{Path: "acme/web", ID: guard.Known(int64(8))}, nil
	}}}, Failed: func(_ string, _ int64, err error) { failed = err.Error() }})
	defer c.Close()
	if got := asks(t, c, 7, "acme/web"); got != "unread: GitLab does not answer" || failed != "the facts are of another project" {
		t.Error(got, failed)
	}
}
