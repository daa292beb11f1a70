package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
)

// fill makes n roles, each with an entry in one cluster.
func fill(tb testing.TB, db *store.DB, n int) {
	tb.Helper()
	account := db.Snapshot().Account
	trust, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::`+string(account)+`:oidc-provider/gitlab.bench.example"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.bench.example:sub":"project_path:my_group/*:ref_type:branch:ref:production"}}}]}`))
	if err != nil {
		tb.Fatal(err)
	}
	at := time.Now()
	k := eks.Cluster{ID: "c", Account: account, Name: "prod", Region: "eu-central-1", Endpoint: "https://127.0.0.1:1", CA: []byte("ca"), Mode: eks.ModeAPI, BearerMaxAge: eks.DefaultBearerMaxAge, Created: at}
	changes := []registry.Change{registry.PutCluster{Cluster: k}}
	for i := range n {
		id := fmt.Sprintf("AROA%017d", i)
		role := iam.Role{ID: id, Account: account, Path: "/", Name: fmt.Sprint("role-", i), MaxSession: time.Hour, Trust: trust, Created: at}
		entry := eks.AccessEntry{ClusterID: k.ID, Cluster: k.Name, PrincipalARN: role.ARN().String(), PrincipalID: id, UUID: fmt.Sprint(i), Created: at, Modified: at}
		changes = append(changes, registry.PutRole{Role: role}, registry.PutEntry{Entry: entry})
	}
	if err := db.Commit(tb.Context(), db.Snapshot(), changes, audit.Event{Time: at, Action: "fill", Outcome: audit.Allowed}); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkScale is what 10 and 10 000 roles and access entries cost: finding
// one of each, a change, and opening the store anew.
func BenchmarkScale(b *testing.B) {
	skey, _, err := note.GenerateKey(rand.Reader, "mayfly.bench/audit")
	if err != nil {
		b.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{10, 10_000} {
		path := filepath.Join(dataDir(b), "mayfly.db")
		open := func(create bool) *store.DB {
			db, err := sqlite.Open(context.Background(), path, create, store.Config{Signer: signer, Now: time.Now, Timeout: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			return db
		}
		db := open(true)
		fill(b, db, n)
		id := fmt.Sprintf("AROA%017d", n/2)
		b.Run(fmt.Sprint("find/", n), func(b *testing.B) {
			for b.Loop() {
				snap := db.Snapshot()
				if _, ok := snap.RoleByID(id); !ok {
					b.Fatal("no role")
				}
				if _, ok := snap.EntryOfPrincipal("prod", id); !ok {
					b.Fatal("no entry")
				}
			}
		})
		role, _ := db.Snapshot().RoleByID(id)
		b.Run(fmt.Sprint("change/", n), func(b *testing.B) {
			for b.Loop() {
				if err := db.Commit(b.Context(), db.Snapshot(), []registry.Change{registry.PutRole{Role: role}}, audit.Event{Time: time.Now(), Action: "change", Outcome: audit.Allowed}); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint("start/", n), func(b *testing.B) {
			for b.Loop() {
				db := open(false)
				if len(db.Snapshot().Roles()) < n {
					b.Fatal("roles are missing")
				}
				db.Close()
			}
		})
	}
}
