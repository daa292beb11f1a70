package store_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
)

// BenchmarkRecord is audit events made durable by 32 callers at once, and
// BenchmarkFsync the disk's own limit: an append of one event's size and a
// sync, one after the other.
func BenchmarkRecord(b *testing.B) {
	skey, _, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		b.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	db, err := sqlite.Open(context.Background(), filepath.Join(b.TempDir(), "mayfly.db"), true, store.Config{Signer: signer, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, callers := range []int{1, 32} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			var wg sync.WaitGroup
			left := make(chan struct{}, b.N)
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			b.ResetTimer()
			for range callers {
				wg.Go(func() {
					for range left {
						if err := db.Record(context.Background(), exchange()); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func exchange() audit.Event {
	return audit.Event{Time: time.Now(), Action: "sts:AssumeRoleWithWebIdentity", Outcome: audit.Allowed, Request: "0f4c2e0e-5b8a-4c59-8d0a-6c3c9d1f7a11", Source: "192.0.2.7",
		Resource: "arn:aws:iam::111122223333:role/gitlab-deployer", Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
		Token: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Claims: map[string]string{"sub": "project_path:acme/web:ref_type:branch:ref:main", "project_id": "7", "pipeline_id": "1234", "job_id": "5678"},
		Issued: "00112233445566778899aabbccddeeff", As: "arn:aws:sts::111122223333:assumed-role/gitlab-deployer/GitLabRunner-1234", Expires: time.Now().Add(15 * time.Minute), Matched: []string{"1"}}
}

func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	body := exchange().Encode()
	b.ResetTimer()
	for range b.N {
		if _, err := f.Write(body); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
