// Package storetest is the suite every kind of database must pass to keep
// Mayfly's configuration and audit log.
package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/store"
)

// Database is one database under test.
type Database struct {
	// Config is what every Open of it is given, perhaps with a field changed.
	Config store.Config
	// Open opens the store; the first time the database is made.
	Open func(c store.Config) (*store.DB, error)
	// SQL opens the database past the store, to look and to tamper.
	SQL func() (*sql.DB, error)
	// Faults makes calls of the driver fail.
	Faults *Faults
	// Unlock are the statements that let the audit tables be changed, and rows
	// refer to what is not there.
	Unlock []string
	// Verify checks events against a checkpoint and its signature, and gives
	// their number.
	Verify func(lines [][]byte, checkpoint string) (int64, error)
}

// Run runs the suite. fresh gives a new, empty database each time.
func Run(t *testing.T, fresh func(t *testing.T) Database) {
	for _, test := range []struct {
		name string
		run  func(*bench)
	}{
		{"a new database has an account and nothing else", (*bench).startsEmpty},
		{"every change is in force at once and there after a restart", (*bench).keepsChanges},
		{"a commit decided on an old snapshot is stale and leaves nothing", (*bench).refusesStale},
		{"of many commits decided on one snapshot, one gets through", (*bench).letsOneThrough},
		{"events stand in the order they were recorded", (*bench).keepsOrder},
		{"what was refused is found by its id", (*bench).findsDenials},
		{"many callers at once lose nothing", (*bench).losesNothing},
		{"readers see whole snapshots and stated events while others write", (*bench).readsWhole},
		{"what cannot be written is refused alone", (*bench).blamesOne},
		{"no role refers to a managed policy that is not there", (*bench).refusesDangling},
		{"whichever call fails, nothing of the transaction is left", (*bench).failsWhole},
		{"a database that hangs refuses all that wait within one timeout", (*bench).boundsHang},
		{"a commit whose answer was lost is found again", (*bench).findsLostCommit},
		{"a commit that was lost is not in force", (*bench).forgetsLostCommit},
		{"somebody else's change is noticed", (*bench).noticesOthers},
		{"FailNext fails the whole batch and nothing after", (*bench).failsNext},
		{"little space is kept for what is allowed", (*bench).keepsReserve},
		{"a caller who has gone is not recorded", (*bench).heedsContext},
		{"closing finishes what was handed over", (*bench).closes},
		{"the audit tables refuse to be changed", (*bench).onlyGrows},
		{"rows that make no sense fail the start", (*bench).refusesNonsense},
		{"another account's database is refused", (*bench).refusesAccount},
		{"a commit without a snapshot is refused", (*bench).refusesNoBase},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &bench{T: t, ctx: t.Context(), fresh: fresh, base: fresh(t)}
			b.db = b.open(b.base.Config)
			test.run(b)
			if err := b.db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

// bench is a store under test.
type bench struct {
	*testing.T
	ctx   context.Context
	fresh func(*testing.T) Database
	base  Database
	db    *store.DB
}

func (b *bench) open(c store.Config) *store.DB {
	b.Helper()
	c.Account = account
	db, err := b.base.Open(c)
	if err != nil {
		b.Fatalf("open: %v", err)
	}
	b.Cleanup(func() { db.Close() })
	return db
}

// reopen closes the store, opens it again, and checks that it is as it was.
func (b *bench) reopen() {
	b.Helper()
	before, head := Text(b.db.Snapshot()), b.db.Checkpoint()
	if err := b.db.Close(); err != nil {
		b.Fatalf("close: %v", err)
	}
	b.db = b.open(b.base.Config)
	if after := Text(b.db.Snapshot()); after != before {
		b.Fatalf("a restart changed the configuration.\nbefore: %s\nafter:  %s", before, after)
	}
	if after := b.db.Checkpoint(); after != head {
		b.Fatalf("a restart changed the checkpoint.\nbefore: %s\nafter:  %s", head, after)
	}
	b.verify()
}

// commit commits changes decided on the snapshot in force.
func (b *bench) commit(changes ...registry.Change) {
	b.Helper()
	if err := b.db.Commit(b.ctx, b.db.Snapshot(), changes, happened("iam:Change", audit.Allowed)); err != nil {
		b.Fatalf("commit: %v", err)
	}
}

// lines are all events of the log.
func (b *bench) lines() [][]byte {
	b.Helper()
	var out [][]byte
	for {
		page, err := b.db.Audit(b.ctx, int64(len(out)), 100)
		if err != nil {
			b.Fatalf("read the log: %v", err)
		}
		for _, l := range page {
			if l.Index != int64(len(out)) {
				b.Fatalf("event %d stands at %d", l.Index, len(out))
			}
			out = append(out, l.Body)
		}
		if len(page) < 100 {
			return out
		}
	}
}

// verify checks the log against its checkpoint and gives its length.
func (b *bench) verify() int {
	b.Helper()
	lines := b.lines()
	n, err := b.base.Verify(lines, b.db.Checkpoint())
	if err != nil || int(n) != len(lines) {
		b.Fatalf("the log does not verify: %d of %d events: %v", n, len(lines), err)
	}
	return int(n)
}

func (b *bench) startsEmpty() {
	s := b.db.Snapshot()
	want := Text(registry.New(account, b.base.Config.Now().UTC().Truncate(time.Microsecond)))
	if got := Text(s); got != want {
		b.Errorf("got %s, want %s", got, want)
	}
	if n := b.verify(); n != 0 {
		b.Errorf("%d events", n)
	}
	b.reopen()
	if err := b.db.Ready(b.ctx); err != nil {
		b.Error(err)
	}
}

func (b *bench) keepsChanges() {
	noAudience := provider("https://gitlab.example")
	noAudience.ClientIDs = nil
	onePolicy := role(b, "Deployer")
	delete(onePolicy.Inline, "again")
	onePolicy.Description = ""
	anew := role(b, "dEPLOYER")
	anew.ID = "AROA9"
	retired := managed(b, "Deploy")
	retired.Default, retired.Versions, retired.Tags = 3, retired.Versions[1:], nil
	remade := managed(b, "dEPLOY")
	remade.ID, remade.Path = "ANPA9", "/"
	full := entry("one", "second")
	bare := eks.AccessEntry{ClusterID: full.ClusterID, Cluster: full.Cluster, PrincipalARN: full.PrincipalARN, PrincipalID: full.PrincipalID, UUID: "u", Created: at(9), Modified: at(9)}
	apiOnly := cluster("two")
	apiOnly.Mode, apiOnly.TrustAccounts, apiOnly.Tags = eks.ModeAPI, nil, nil
	everything, fewer := accessPolicy("everything"), accessPolicy("log-reader")
	everything.Rules = []eks.Rule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}, {NonResourceURLs: []string{"*"}, Verbs: []string{"*"}}}
	fewer.Rules, fewer.Modified = fewer.Rules[:1], at(9)
	moved := cluster("two")
	moved.Mode, moved.Updates = eks.ModeAPI, []eks.Update{{ID: "u-1", Mode: eks.ModeAPIAndConfigMap, Created: at(8)}, {ID: "u-2", Mode: eks.ModeAPI, Created: at(9)}}
	another := cluster("one")
	another.ID = "id-of-another"
	type changes = []registry.Change
	steps := []struct {
		name string
		changes
	}{
		{"a provider", changes{registry.PutProvider{Provider: provider("https://gitlab.example")}}},
		{"a provider with a port and a path", changes{registry.PutProvider{Provider: provider("https://gitlab.example:8443/a/")}}},
		{"a provider without an audience", changes{registry.PutProvider{Provider: noAudience}}},
		{"a role", changes{registry.PutRole{Role: role(b, "Deployer")}}},
		{"a role that trusts another, and itself", changes{registry.PutRole{Role: role(b, "second", "ci/Deployer", "ci/second")}}},
		{"the first role with one policy less", changes{registry.PutRole{Role: onePolicy}}},
		{"a role made anew under the name, in other case", changes{registry.PutRole{Role: anew}}},
		{"two managed policies", changes{registry.PutPolicy{Policy: managed(b, "Deploy")}, registry.PutPolicy{Policy: managed(b, "limit")}}},
		{"a role that has them both", changes{registry.PutRole{Role: with(role(b, "third"), "", "ANPALIMIT", "ANPADEPLOY")}}},
		{"the role with one of them, bounded by the other", changes{registry.PutRole{Role: with(role(b, "third"), "ANPALIMIT", "ANPADEPLOY")}}},
		{"a role that is made with a boundary and a policy it has not yet", changes{registry.PutPolicy{Policy: managed(b, "late")}, registry.PutRole{Role: with(role(b, "bounded"), "ANPALATE", "ANPADEPLOY", "ANPALATE")}}},
		{"another default version, one version less, no tags", changes{registry.PutPolicy{Policy: retired}}},
		{"roles go with what they refer to", changes{registry.DeleteRole{Name: "BOUNDED"}, registry.DeletePolicy{ID: "ANPALATE"}}},
		{"a role without any", changes{registry.PutRole{Role: role(b, "third")}}},
		{"a managed policy made anew under the name, in other case", changes{registry.PutPolicy{Policy: remade}}},
		{"a managed policy goes", changes{registry.DeletePolicy{ID: "ANPALIMIT"}}},
		{"an alias", changes{registry.SetAlias{Alias: "acme"}}},
		{"another alias, and a provider", changes{registry.SetAlias{Alias: "acme-web"}, registry.PutProvider{Provider: provider("https://c.example")}}},
		{"no alias", changes{registry.SetAlias{}}},
		{"a last alias", changes{registry.SetAlias{Alias: "acme"}}},
		{"two clusters and their entries at once", changes{registry.PutCluster{Cluster: cluster("one")}, registry.PutCluster{Cluster: cluster("two")},
			registry.PutEntry{Entry: entry("one", "Deployer")}, registry.PutEntry{Entry: entry("two", "Deployer")}, registry.PutEntry{Entry: full}}},
		{"an entry with nothing", changes{registry.PutEntry{Entry: bare}}},
		{"an entry goes", changes{registry.DeleteEntry{Cluster: "one", Principal: entry("one", "Deployer").PrincipalARN}}},
		{"a cluster in another mode", changes{registry.PutCluster{Cluster: apiOnly}}},
		{"a custom access policy", changes{registry.PutAccessPolicy{Policy: accessPolicy("log-reader")}}},
		{"another, and an entry that has it", changes{registry.PutAccessPolicy{Policy: everything}, registry.PutEntry{Entry: full.Associate(everything.ARN, eks.Scope{Type: eks.ClusterScope}, at(9))}}},
		{"the first with other rules", changes{registry.PutAccessPolicy{Policy: fewer}}},
		{"an access policy goes", changes{registry.DeleteAccessPolicy{Name: "log-reader"}}},
		{"a cluster with updates", changes{registry.PutCluster{Cluster: moved}}},
		{"a cluster registered anew loses its entries", changes{registry.PutCluster{Cluster: another}}},
		{"a cluster goes with its entries", changes{registry.DeleteCluster{Name: "two"}}},
		{"a role goes, whatever the case", changes{registry.DeleteRole{Name: "DEPLOYER"}}},
		{"a provider goes", changes{registry.DeleteProvider{URL: "https://gitlab.example"}}},
		{"what is not there goes", changes{registry.DeleteProvider{URL: "x"}, registry.DeleteRole{Name: "x"}, registry.DeletePolicy{ID: "x"}, registry.DeleteCluster{Name: "x"}, registry.DeleteEntry{Cluster: "x", Principal: "y"}, registry.DeleteAccessPolicy{Name: "x"}}},
		{"nothing", nil},
	}
	for i, step := range steps {
		before := b.db.Snapshot()
		want := Text(before)
		if len(step.changes) > 0 {
			want = Text(before.With(step.changes...))
		}
		b.commit(step.changes...)
		if got := Text(b.db.Snapshot()); got != want {
			b.Fatalf("%s: in force is\n%s\nwant\n%s", step.name, got, want)
		}
		if n := b.verify(); n != i+1 {
			b.Fatalf("%s: %d events after %d changes", step.name, n, i+1)
		}
		b.reopen()
	}
}

func (b *bench) refusesStale() {
	old := b.db.Snapshot()
	b.commit(registry.PutProvider{Provider: provider("https://a.example")})
	before, n := Text(b.db.Snapshot()), b.verify()
	err := b.db.Commit(b.ctx, old, []registry.Change{registry.DeleteProvider{URL: "https://a.example"}}, happened("iam:Change", audit.Allowed))
	if !errors.Is(err, store.ErrStale) {
		b.Fatalf("got %v, want ErrStale", err)
	}
	if err := b.db.Commit(b.ctx, old, nil, happened("mayfly:IssueClusterWebhook", audit.Allowed)); !errors.Is(err, store.ErrStale) {
		b.Fatalf("an event that was decided on an old snapshot: got %v, want ErrStale", err)
	}
	if got := Text(b.db.Snapshot()); got != before || b.verify() != n {
		b.Errorf("a stale commit left something behind: %s", got)
	}
	b.reopen()
}

func (b *bench) letsOneThrough() {
	for round := range 5 {
		base := b.db.Snapshot()
		var through atomic.Int32
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				url := fmt.Sprintf("https://r%d-%d.example", round, i)
				err := b.db.Commit(b.ctx, base, []registry.Change{registry.PutProvider{Provider: provider(url)}}, happened("iam:Change", audit.Allowed))
				if err == nil {
					through.Add(1)
				} else if !errors.Is(err, store.ErrStale) {
					b.Errorf("got %v, want ErrStale", err)
				}
			})
		}
		all.Wait()
		if n := len(b.db.Snapshot().Providers()); through.Load() != 1 || n != round+1 {
			b.Fatalf("round %d: %d got through, %d providers are there", round, through.Load(), n)
		}
	}
	if n := b.verify(); n != 5 {
		b.Errorf("%d events", n)
	}
	b.reopen()
}

func (b *bench) keepsOrder() {
	for i := range 300 {
		if err := b.db.Record(b.ctx, happened(fmt.Sprint("n", i), audit.Allowed)); err != nil {
			b.Fatal(err)
		}
	}
	b.reopen()
	for _, tt := range []struct {
		first int64
		limit int
		want  int
	}{{0, 1, 1}, {299, 5, 1}, {300, 5, 0}, {-7, 2, 2}, {0, 0, 0}, {0, -1, 0}, {math.MaxInt64, 1, 0}} {
		if page, err := b.db.Audit(b.ctx, tt.first, tt.limit); err != nil || len(page) != tt.want {
			b.Errorf("from %d at most %d: %d events, %v", tt.first, tt.limit, len(page), err)
		}
	}
	for i, line := range b.lines() {
		if e, err := audit.Decode(line); err != nil || e.Action != fmt.Sprint("n", i) {
			b.Fatalf("event %d is %q, %v", i, e.Action, err)
		}
	}
}

func (b *bench) findsDenials() {
	record := func(action string, o audit.Outcome, request string) {
		e := happened(action, o)
		e.Request = request
		if err := b.db.Record(b.ctx, e); err != nil {
			b.Fatal(err)
		}
	}
	record("allowed", audit.Allowed, "a")
	record("denied", audit.Denied, "b")
	record("failed", audit.Failed, "c")
	record("nameless", audit.Denied, "")
	record("denied again", audit.Denied, "b")
	record("denied", audit.Denied, "' OR 1=1; --")
	for range 2 {
		for id, want := range map[string]int64{"a": -1, "b": 4, "c": 2, "": -1, "B": -1, "b ": -1, "r": -1, "%": -1, "' OR 1=1; --": 5} {
			line, found, err := b.db.Denial(b.ctx, id)
			if err != nil || found != (want >= 0) || found && (line.Index != want || !bytes.Equal(line.Body, b.lines()[want])) || !found && line.Body != nil {
				b.Errorf("%q: %d %v, %v", id, line.Index, found, err)
			}
		}
		for limit, want := range map[int][]int64{-1: nil, 0: nil, 2: {5, 4}, 100: {5, 4, 2, 1}} {
			lines, err := b.db.Denials(b.ctx, limit)
			var got []int64
			for _, l := range lines {
				got = append(got, l.Index)
			}
			if err != nil || !slices.Equal(got, want) {
				b.Errorf("at most %d: %v, %v", limit, got, err)
			}
		}
		b.reopen()
	}
}

func (b *bench) losesNothing() {
	const callers, each = 32, 40
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := range each {
				if err := b.db.Record(b.ctx, happened(fmt.Sprintf("%d/%d", c, i), audit.Allowed)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	b.reopen()
	next := map[string]int{} // :: caller → what comes next of it
	for _, line := range b.lines() {
		e, err := audit.Decode(line)
		if err != nil {
			b.Fatal(err)
		}
		caller, i, _ := strings.Cut(e.Action, "/")
		if fmt.Sprint(next[caller]) != i {
			b.Fatalf("of caller %s came %s, not %d", caller, i, next[caller])
		}
		next[caller]++
	}
	for c := range callers {
		if n := next[fmt.Sprint(c)]; n != each {
			b.Errorf("caller %d: %d of %d events", c, n, each)
		}
	}
}

func (b *bench) readsWhole() {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			s := b.db.Snapshot()
			if n := len(s.Providers()); int64(n) != 2*(s.Generation-1) {
				b.Errorf("half a change is in force: %d providers at generation %d", n, s.Generation)
				return
			}
			page, err := b.db.Audit(b.ctx, 0, 1000)
			if err != nil {
				b.Error(err)
				return
			}
			if stated, err := audit.CheckpointSize(b.db.Checkpoint()); err != nil || stated < int64(len(page)) {
				b.Errorf("%d events were given and the checkpoint states %d: %v", len(page), stated, err)
				return
			}
		}
	}()
	for i := range 60 {
		b.commit(registry.PutProvider{Provider: provider(fmt.Sprintf("https://a%d.example", i))}, registry.PutProvider{Provider: provider(fmt.Sprintf("https://b%d.example", i))})
		if err := b.db.Record(b.ctx, happened("e", audit.Allowed)); err != nil {
			b.Fatal(err)
		}
	}
	close(stop)
	<-done
}

// blamesOne hands over many jobs at once, of which some cannot be written: an
// entry of a cluster that is not there.
func (b *bench) blamesOne() {
	var all sync.WaitGroup
	var good atomic.Int32
	for i := range 64 {
		all.Go(func() {
			if i%4 == 0 {
				base := b.db.Snapshot()
				err := b.db.Commit(b.ctx, base, []registry.Change{registry.PutEntry{Entry: entry("nowhere", "x")}}, happened("bad", audit.Allowed))
				if err == nil || errors.Is(err, store.ErrStale) {
					b.Errorf("an entry of no cluster: %v", err)
				}
				return
			}
			if err := b.db.Record(b.ctx, happened("good", audit.Allowed)); err != nil {
				b.Error(err)
			}
			good.Add(1)
		})
	}
	all.Wait()
	if n := b.verify(); n != int(good.Load()) {
		b.Errorf("%d events of %d are there", n, good.Load())
	}
	if g := b.db.Snapshot().Generation; g != 1 {
		b.Errorf("the generation is %d", g)
	}
	b.reopen()
}

// refusesDangling asks for changes after which a role would refer to a managed
// policy that is not there.
func (b *bench) refusesDangling() {
	b.commit(registry.PutPolicy{Policy: managed(b, "deploy")}, registry.PutPolicy{Policy: managed(b, "limit")}, registry.PutRole{Role: with(role(b, "deployer"), "ANPALIMIT", "ANPADEPLOY")})
	anew := managed(b, "DEPLOY")
	anew.ID = "ANPA9"
	before := Text(b.db.Snapshot())
	for name, change := range map[string]registry.Change{
		"an attached policy goes":                  registry.DeletePolicy{ID: "ANPADEPLOY"},
		"a boundary goes":                          registry.DeletePolicy{ID: "ANPALIMIT"},
		"an attached policy is made anew":          registry.PutPolicy{Policy: anew},
		"a role gets a policy that is not there":   registry.PutRole{Role: with(role(b, "second"), "", "ANPAGONE")},
		"a role gets a boundary that is not there": registry.PutRole{Role: with(role(b, "second"), "ANPAGONE")},
	} {
		if err := b.db.Commit(b.ctx, b.db.Snapshot(), []registry.Change{change}, happened("iam:Change", audit.Allowed)); err == nil {
			b.Errorf("%s: it was done", name)
		}
		if got := Text(b.db.Snapshot()); got != before {
			b.Errorf("%s: in force is\n%s", name, got)
		}
	}
	b.reopen()
}

// failsWhole fails every call of a transaction in turn.
func (b *bench) failsWhole() {
	b.commit(registry.PutCluster{Cluster: cluster("one")})
	changes := []registry.Change{registry.PutProvider{Provider: provider("https://a.example")}, registry.PutPolicy{Policy: managed(b, "Deploy")},
		registry.PutRole{Role: with(role(b, "deployer"), "ANPADEPLOY", "ANPADEPLOY")}, registry.PutEntry{Entry: entry("one", "deployer")},
		registry.DeleteEntry{Cluster: "one", Principal: entry("one", "deployer").PrincipalARN}, registry.DeleteRole{Name: "deployer"}, registry.DeletePolicy{ID: "ANPADEPLOY"}}
	before, head := Text(b.db.Snapshot()), b.db.Checkpoint()
	for n := 1; ; n++ {
		b.base.Faults.FailAt(n)
		err := b.db.Commit(b.ctx, b.db.Snapshot(), changes, happened("iam:Change", audit.Allowed))
		if b.base.Faults.Pending() {
			if err != nil || n < 10 {
				b.Fatalf("after %d calls: %v", n, err)
			}
			b.Logf("a transaction makes %d calls", n-1)
			break
		}
		if !errors.Is(err, ErrFault) {
			b.Fatalf("call %d failed and the commit gave %v", n, err)
		}
		if got := Text(b.db.Snapshot()); got != before || b.db.Checkpoint() != head {
			b.Fatalf("call %d failed and left\n%s", n, got)
		}
		b.verify()
	}
	b.reopen()
}

func (b *bench) boundsHang() {
	if err := b.db.Close(); err != nil {
		b.Fatal(err)
	}
	c := b.base.Config
	c.Timeout = 50 * time.Millisecond
	b.db = b.open(c)
	for _, at := range []int{1, 4, 5} { // the begin, an event, its hash
		b.base.Faults.HangAt(at)
		start := time.Now()
		var refused, recorded atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				switch err := b.db.Record(b.ctx, happened("e", audit.Allowed)); {
				case err == nil:
					recorded.Add(1)
				case errors.Is(err, context.DeadlineExceeded):
					refused.Add(1)
				default:
					b.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if refused.Load() == 0 || time.Since(start) > 30*c.Timeout {
			b.Errorf("call %d hung: %d were refused, %d recorded, in %v", at, refused.Load(), recorded.Load(), time.Since(start))
		}
	}
	b.verify()
}

func (b *bench) findsLostCommit() {
	b.base.Faults.LoseAnswer()
	err := b.db.Commit(b.ctx, b.db.Snapshot(), []registry.Change{registry.PutProvider{Provider: provider("https://a.example")}}, happened("iam:Change", audit.Allowed))
	if !errors.Is(err, ErrFault) {
		b.Fatalf("got %v", err)
	}
	if err := b.db.Record(b.ctx, happened("next", audit.Allowed)); err != nil {
		b.Fatalf("after a lost answer nothing can be recorded: %v", err)
	}
	if _, ok := b.db.Snapshot().Provider("https://a.example"); !ok {
		b.Error("what was committed is not in force")
	}
	if n := b.verify(); n != 2 {
		b.Errorf("%d events", n)
	}
	b.commit(registry.DeleteProvider{URL: "https://a.example"})
	b.reopen()
}

func (b *bench) forgetsLostCommit() {
	for n := 1; ; n++ {
		b.base.Faults.FailAt(n)
		err := b.db.Record(b.ctx, happened("lost", audit.Allowed))
		if b.base.Faults.Pending() {
			break
		}
		if err == nil {
			b.Fatalf("call %d failed and the event counts as recorded", n)
		}
	}
	if n := b.verify(); n != 1 {
		b.Errorf("%d events", n)
	}
	b.reopen()
}

// noticesOthers lets somebody else change the configuration past the store, as
// no one may.
func (b *bench) noticesOthers() {
	b.commit(registry.PutProvider{Provider: provider("https://a.example")})
	b.tamper(`UPDATE account SET generation = generation + 1`, `DELETE FROM provider`)
	err := b.db.Commit(b.ctx, b.db.Snapshot(), []registry.Change{registry.PutProvider{Provider: provider("https://b.example")}}, happened("iam:Change", audit.Allowed))
	if err == nil {
		b.Fatal("a change was written over somebody else's")
	}
	if err := b.db.Record(b.ctx, happened("e", audit.Allowed)); err != nil {
		b.Fatal(err)
	}
	if s := b.db.Snapshot(); len(s.Providers()) != 0 || s.Generation != 3 {
		b.Errorf("in force is not what the database holds: %s", Text(s))
	}
	b.commit(registry.PutProvider{Provider: provider("https://c.example")})
	b.reopen()
}

func (b *bench) failsNext() {
	broken := errors.New("broken")
	before := Text(b.db.Snapshot())
	for name, do := range map[string]func() error{
		"Record": func() error { return b.db.Record(b.ctx, happened("e", audit.Allowed)) },
		"Commit": func() error {
			return b.db.Commit(b.ctx, b.db.Snapshot(), []registry.Change{registry.PutProvider{Provider: provider("https://a.example")}}, happened("e", audit.Allowed))
		},
	} {
		b.db.FailNext(broken)
		if err := do(); !errors.Is(err, broken) {
			b.Errorf("%s: got %v", name, err)
		}
		if Text(b.db.Snapshot()) != before || b.verify() != 0 {
			b.Errorf("%s: something is left", name)
		}
	}
	if err := b.db.Record(b.ctx, happened("e", audit.Allowed)); err != nil {
		b.Errorf("the one after: %v", err)
	}
}

func (b *bench) keepsReserve() {
	c := b.base.Config
	c.AuditReserve = math.MaxInt64
	if err := b.db.Close(); err != nil {
		b.Fatal(err)
	}
	b.db = b.open(c)
	for _, o := range []audit.Outcome{audit.Denied, audit.Failed, ""} {
		if err := b.db.Record(b.ctx, happened("e", o)); !errors.Is(err, store.ErrReserve) {
			b.Errorf("%q: got %v, want ErrReserve", o, err)
		}
	}
	if err := b.db.Record(b.ctx, happened("e", audit.Allowed)); err != nil {
		b.Errorf("what is allowed: %v", err)
	}
	b.commit(registry.PutProvider{Provider: provider("https://a.example")})
	if n := b.verify(); n != 2 {
		b.Errorf("%d events", n)
	}
}

func (b *bench) heedsContext() {
	gone, cancel := context.WithCancel(b.ctx)
	cancel()
	for range 50 {
		if err := b.db.Record(gone, happened("e", audit.Allowed)); !errors.Is(err, context.Canceled) {
			b.Fatalf("got %v", err)
		}
	}
	if n := b.verify(); n != 0 {
		b.Errorf("%d events", n)
	}
}

func (b *bench) closes() {
	var all sync.WaitGroup
	var recorded atomic.Int32
	for range 32 {
		all.Go(func() {
			for {
				switch err := b.db.Record(b.ctx, happened("e", audit.Allowed)); {
				case err == nil:
					recorded.Add(1)
				case errors.Is(err, store.ErrClosed):
					return
				default:
					b.Errorf("got %v", err)
					return
				}
			}
		})
	}
	for recorded.Load() < 40 {
		time.Sleep(time.Millisecond)
	}
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(func() {
			if err := b.db.Close(); err != nil {
				b.Error(err)
			}
		})
	}
	closers.Wait()
	all.Wait()
	b.db = b.open(b.base.Config)
	if n := b.verify(); n != int(recorded.Load()) || n == 0 {
		b.Errorf("%d events are there, %d were recorded", n, recorded.Load())
	}
}

// tamper runs statements past the store.
func (b *bench) tamper(statements ...string) {
	b.Helper()
	if err := b.try(statements...); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) try(statements ...string) error {
	b.Helper()
	db, err := b.base.SQL()
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // what one statement says of the connection holds for the next
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) onlyGrows() {
	b.commit(registry.PutProvider{Provider: provider("https://a.example")})
	for _, s := range []string{
		`UPDATE audit_event SET at = 0`, `DELETE FROM audit_event`, `UPDATE audit_event SET idx = 7 WHERE idx = 0`, `UPDATE audit_event SET hashes = x''`,
	} {
		if err := b.try(s); err == nil {
			b.Errorf("%s: the database did it", s)
		}
	}
	b.reopen()
}

func (b *bench) refusesNonsense() {
	const (
		fewer   = "five events become four"
		forged  = "the checkpoint is signed by nobody"
		emptied = "the log and its checkpoint are gone, the configuration is not"
	)
	for _, damage := range []string{
		`DELETE FROM account`,
		`UPDATE account SET id = '12'`,
		`UPDATE provider SET client_ids = '['`,
		`UPDATE provider SET tags = '{}'`,
		`UPDATE role SET trust = '{}'`,
		`UPDATE role SET trust = ''`,
		`UPDATE role SET trust_roles = '[]'`,
		`UPDATE role SET tags = 'null,'`,
		`UPDATE role SET name = 'Mayfly-Admin'`,
		`UPDATE role_policy SET document = '{"Statement":[]}'`,
		`UPDATE policy_version SET document = '{"Statement":[]}'`,
		`UPDATE policy_version SET document = replace(document, '2012-10-17', '2008-10-17')`,
		`UPDATE managed_policy SET default_version = 2`,
		`UPDATE managed_policy SET latest_version = 2`,
		`UPDATE managed_policy SET tags = '['`,
		`DELETE FROM policy_version`,
		`UPDATE role SET boundary = 'ANPAGONE'`,
		`UPDATE role SET boundary = ''`,
		`UPDATE role_attachment SET policy_id = 'ANPAGONE'`,
		`UPDATE cluster SET mode = 'NONE'`,
		`UPDATE cluster SET trust_accounts = '"1"'`,
		`UPDATE cluster SET updates = '{"id":"u"}'`,
		`UPDATE access_entry SET policies = '[{"policy":1}]'`,
		`UPDATE access_entry SET k8s_groups = '"a"'`,
		`UPDATE access_policy SET rules = '['`,
		`UPDATE access_policy SET rules = '[]'`,
		`UPDATE access_policy SET rules = '[{"verbs":[]}]'`,
		`UPDATE access_policy SET rules = '[{"verbs":["get"],"apiGroups":[""],"resources":["pod*"]}]'`,
		`UPDATE access_policy SET name = 'AmazonEKSEditPolicy'`,
		`UPDATE access_policy SET name = '../x'`,
		`UPDATE audit_head SET note = 'hello'`,
		`DELETE FROM audit_head`,
		emptied,
		forged,
		fewer,
		`DELETE FROM audit_event WHERE idx = 3`,
		`DELETE FROM audit_event`,
		`UPDATE audit_event SET hashes = x''`,
		`UPDATE audit_event SET hashes = (SELECT hashes FROM audit_event WHERE idx = 0)`,
		`UPDATE audit_event SET hashes = body`,
		`ALTER TABLE role RENAME TO gone`,
	} {
		if err := b.db.Close(); err != nil {
			b.Fatal(err)
		}
		b.base = b.fresh(b.T)
		b.db = b.open(b.base.Config)
		b.commit(registry.PutProvider{Provider: provider("https://a.example")})
		b.commit(registry.PutPolicy{Policy: managed(b, "Deploy")}, registry.PutRole{Role: with(role(b, "deployer", "ci/deployer"), "ANPADEPLOY", "ANPADEPLOY")})
		b.commit(registry.PutCluster{Cluster: cluster("one")})
		b.commit(registry.PutEntry{Entry: entry("one", "deployer")})
		b.commit(registry.PutAccessPolicy{Policy: accessPolicy("log-reader")})
		b.reopen()
		head := b.db.Checkpoint()
		if err := b.db.Close(); err != nil {
			b.Fatal(err)
		}
		switch damage {
		case fewer:
			damage = `UPDATE audit_head SET note = '` + strings.Replace(head, "\n5\n", "\n4\n", 1) + `'`
		case forged:
			damage = `UPDATE audit_head SET note = '` + head[:len(head)-8] + "AAAAAA=\n" + `'`
		case emptied:
			damage = `DELETE FROM audit_head; DELETE FROM audit_event`
		}
		b.tamper(append(b.base.Unlock, damage)...)
		c := b.base.Config
		c.Account = account
		if db, err := b.base.Open(c); err == nil {
			b.Errorf("%s: the store opened", damage)
			db.Close()
		}
	}
}

func (b *bench) refusesAccount() {
	if err := b.db.Close(); err != nil {
		b.Fatal(err)
	}
	c := b.base.Config
	c.Account = "999988887777"
	if db, err := b.base.Open(c); err == nil {
		db.Close()
		b.Error("it opened")
	}
}

func (b *bench) refusesNoBase() {
	err := b.db.Commit(b.ctx, nil, []registry.Change{registry.PutProvider{Provider: provider("https://a.example")}}, happened("e", audit.Allowed))
	if err == nil || b.verify() != 0 {
		b.Errorf("got %v and %d events", err, b.verify())
	}
}
