package control_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/storetest"
)

// port is the store with a word in each call.
type port struct {
	control.Store
	commit func() error
	record func() error
}

func (p port) Commit(ctx context.Context, base *registry.Snapshot, changes []registry.Change, e audit.Event) error {
	if p.commit != nil {
		if err := p.commit(); err != nil {
			return err
		}
	}
	return p.Store.Commit(ctx, base, changes, e)
}

func (p port) Record(ctx context.Context, e audit.Event) error {
	if p.record != nil {
		if err := p.record(); err != nil {
			return err
		}
	}
	return p.Store.Record(ctx, e)
}

// over is the same world seen through another port.
func (w *world) over(p control.Store, random io.Reader) *world {
	w.t.Helper()
	s, err := control.New(control.Config{Store: p, Stale: func(err error) bool { return errors.Is(err, store.ErrStale) }, Now: time.Now, Rand: random, Sealer: sessiontest.NewSealer(w.t)})
	if err != nil {
		w.t.Fatal(err)
	}
	return &world{s, w.t, w.db}
}

var errBroken = errors.New("broken")

// TestFaults fails every port under every operation: it is refused, nothing is
// changed, and that we could not do it is recorded where it can be.
func TestFaults(t *testing.T) {
	every(t, func(t *testing.T, w *world, o operation) {
		broken := func() error { return errBroken }
		before := w.text()
		if !o.changes {
			if err := o.do(t.Context(), w.over(port{w.db, broken, broken}, strings.NewReader("")), w.admin()); err != nil {
				t.Errorf("a read needs neither to record nor to draw: %v", err)
			}
		} else {
			n := w.count()
			err := o.do(t.Context(), w.over(port{w.db, broken, nil}, zeros{}), w.admin())
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Unavailable || strings.Contains(e.Public, "broken") || !errors.Is(err, errBroken) {
				t.Errorf("the commit fails: %v", err)
			}
			if events := w.events(n); len(events) != 1 || events[0].Outcome != audit.Failed || events[0].Reason != "unavailable" || events[0].Action != o.action {
				t.Errorf("the commit fails: recorded is %+v", events)
			}
			n = w.count()
			err = o.do(t.Context(), w.over(port{w.db, broken, broken}, zeros{}), w.admin())
			if fault.KindOf(err) != fault.Unavailable || w.count() != n {
				t.Errorf("nothing can be recorded: %v", err)
			}
			n = w.count()
			err = o.do(t.Context(), w.over(port{w.db, func() error { return store.ErrStale }, nil}, zeros{}), w.admin())
			if fault.KindOf(err) != fault.Throttled {
				t.Errorf("others always come first: %v", err)
			}
			if events := w.events(n); len(events) != 1 || events[0].Outcome != audit.Failed || events[0].Reason != "throttled" {
				t.Errorf("others always come first: recorded is %+v", events)
			}
		}
		n := w.count()
		err := o.do(t.Context(), w.over(port{w.db, broken, broken}, zeros{}), w.powerless())
		if _, ok := errors.AsType[*authz.DeniedError](err); !ok || !errors.Is(err, errBroken) {
			t.Errorf("a denial that cannot be recorded: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		err = o.do(gone, w, w.powerless())
		if _, ok := errors.AsType[*authz.DeniedError](err); !ok || len(w.events(n)) != 1 {
			t.Errorf("a caller who goes away before the denial: %v, %d events", err, len(w.events(n)))
		}
		if o.changes {
			if err := o.do(gone, w, w.admin()); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, context.Canceled) {
				t.Errorf("a caller who goes away before the commit: %v", err)
			}
		}
		if err := w.db.Close(); err != nil {
			t.Fatal(err)
		}
		if o.changes {
			if err := o.do(t.Context(), w, w.admin()); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, store.ErrClosed) {
				t.Errorf("the store is closed: %v", err)
			}
		}
		if w.text() != before {
			t.Errorf("something changed:\n%s\nwas\n%s", w.text(), before)
		}
	})
}

// powerless is a call of the role second, which may do nothing.
func (w *world) powerless() control.Call {
	r, _ := w.db.Snapshot().Role("second")
	c := w.admin()
	c.Caller.Session.RoleID, c.Caller.Role = r.ID, r.ARN()
	return c
}

// zeros is randomness that never ends and is none.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestNoEntropy: what needs an id is refused where none can be drawn.
func TestNoEntropy(t *testing.T) {
	drawing := map[string]bool{"iam:CreateOpenIDConnectProvider": true, "iam:CreateRole": true, "iam:CreatePolicy": true, "mayfly:RegisterCluster": true, "eks:CreateAccessEntry": true, "eks:UpdateClusterConfig": true}
	for _, o := range changing() {
		w := newWorld(t)
		before, n := w.text(), w.count()
		err := o.do(t.Context(), w.over(w.db, strings.NewReader("short")), w.admin())
		if !drawing[o.action] {
			if err != nil {
				t.Errorf("%s: %v", o.action, err)
			}
			continue
		}
		events := w.events(n)
		if !errors.Is(err, io.ErrUnexpectedEOF) || w.text() != before || len(events) != 1 || events[0].Outcome != audit.Failed || events[0].Reason != "internal" {
			t.Errorf("%s: %v; recorded is %+v", o.action, err, events)
		}
	}
}

func TestNewNeeds(t *testing.T) {
	w := start(t)
	good := control.Config{Store: w.db, Stale: func(error) bool { return false }, Now: time.Now, Rand: zeros{}, Sealer: sessiontest.NewSealer(t)}
	for name, take := range map[string]func(*control.Config){
		"store": func(c *control.Config) { c.Store = nil }, "stale": func(c *control.Config) { c.Stale = nil }, "now": func(c *control.Config) { c.Now = nil }, "rand": func(c *control.Config) { c.Rand = nil },
		"sealer": func(c *control.Config) { c.Sealer = nil },
	} {
		c := good
		take(&c)
		if s, err := control.New(c); err == nil || s != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// TestContention: of many changes at once all get through, one after the other,
// and each sees those before it.
func TestContention(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			if _, err := w.CreateRole(context.Background(), admin, control.RoleInput{Name: fmt.Sprint("r", i), Trust: trust}); err != nil {
				t.Errorf("create: %v", err)
			}
		})
		all.Go(func() {
			if err := w.AddClientID(context.Background(), admin, providerARN, fmt.Sprint("c", i)); err != nil {
				t.Errorf("add: %v", err)
			}
		})
	}
	all.Wait()
	p, _ := w.db.Snapshot().Provider("https://gitlab.example")
	if n := len(w.db.Snapshot().Roles()); len(p.ClientIDs) != 25 || n != 24+3 {
		t.Errorf("%d client ids, %d roles", len(p.ClientIDs), n)
	}

	// Of many who make one role, one does.
	var made sync.Map
	for i := range 16 {
		all.Go(func() {
			r, err := w.CreateRole(context.Background(), admin, control.RoleInput{Name: "one", Description: fmt.Sprint(i), Trust: trust})
			if err == nil {
				made.Store(i, r.ID)
			} else if e, ok := errors.AsType[*iam.Error](err); !ok || e.Reason != iam.AlreadyExists {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	var ids []string
	made.Range(func(_, id any) bool { ids = append(ids, id.(string)); return true })
	r, _ := w.db.Snapshot().Role("one")
	if len(ids) != 1 || ids[0] != r.ID {
		t.Errorf("%v were made, in force is %s", ids, r.ID)
	}
}

// TestNoEntryOutlivesItsPolicy: some associate a policy, some delete it and some
// make it anew, all at once. Done again from the audit log one by one, no step
// leaves an entry with a policy that is not there.
func TestNoEntryOutlivesItsPolicy(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ctx := context.Background()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 12 {
				if _, err := w.AssociatePolicy(ctx, admin, "prod", roleARN, customARN+"unused", eks.Scope{Type: eks.ClusterScope}); err == nil {
					w.DisassociatePolicy(ctx, admin, "prod", roleARN, customARN+"unused")
				}
			}
		})
		all.Go(func() {
			for range 12 {
				if err := w.DeleteAccessPolicy(ctx, admin, "unused"); err == nil {
					w.CreateAccessPolicy(ctx, admin, "unused", reading("secrets"))
				}
			}
		})
	}
	all.Wait()
	seen := map[string]bool{} // what happened at all
	role, _ := w.db.Snapshot().Role(iam.AdminName)
	s := registry.New(account, role.Created)
	for _, e := range w.events(0) {
		seen[e.Action+" "+e.Reason] = true
		if changes := replay(t, s, e); len(changes) > 0 {
			s = s.With(changes...)
		}
		if _, there := s.CustomPolicy(customARN + "unused"); !there && len(s.EntriesWith(customARN+"unused")) > 0 {
			t.Fatalf("after %s of %s an entry has a policy that is not there", e.Action, e.Time)
		}
	}
	if got, want := storetest.Text(s), w.text(); got != want {
		t.Errorf("the log tells\n%s\nin force is\n%s", got, want)
	}
	for _, what := range []string{"mayfly:DeleteAccessPolicy ", "mayfly:DeleteAccessPolicy access policy in use", "eks:AssociateAccessPolicy ", "eks:DisassociateAccessPolicy "} {
		if !seen[what] {
			t.Errorf("%s: never; they did not meet", what)
		}
	}
}
