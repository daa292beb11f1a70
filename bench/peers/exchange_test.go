package peers

import (
	"crypto/sha1"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/versity/versitygw/iamapi"
	"github.com/versity/versitygw/iamapi/storage"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// identityProvider is the issuer, whose keys the peer fetches. A provider's URL
// has no port, so it stands on 443.
func identityProvider(tb testing.TB, a authority, j jobs) {
	a.serve(tb, "localhost", "127.0.0.1:443", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			io.WriteString(w, j.jwks())
			return
		}
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, issuer, issuer+"/jwks")
	}))
}

// versity is versitygw's IAM with a new store: each session stays in it until it
// expires, and it holds storage.MaxActiveSessionsPerRole of a role.
func versity(tb testing.TB, a authority, j jobs) side {
	store, err := storage.NewInternal(dataDir(tb))
	if err != nil {
		tb.Fatal(err)
	}
	srv, err := iamapi.New(store, iamapi.RootCredentials{Access: "AKIAROOT000000000000", Secret: "root's key"}, iamapi.WithQuiet(), iamapi.WithKeepAlive())
	if err != nil {
		tb.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", freePort(tb))
	go srv.ServeMultiPort([]string{address})
	tb.Cleanup(func() { srv.Shutdown() })
	s := side{"peer", pooled(tb, nil), "http://" + address + "/", form, func() string { return "" }, ""}
	s.waitFor(tb)
	root := caller{"http://" + address, sigv4.Credentials{AccessKeyID: "AKIAROOT000000000000", SecretKey: secret.New("root's key")}}
	body := j.exchange(tb, root.teach(tb, fmt.Sprintf("%x", sha1.Sum(a.cert.Raw))))
	s.body, s.want = func() string { return body }, "<SessionToken>"
	if status, answer, err := s.ask(); err != nil || status != http.StatusOK { // it fetches the keys
		tb.Fatalf("%d %s %v; run.sh patches the peer so that it asks an issuer on this machine", status, answer, err)
	}
	return s
}

// fill is the parts in which a peer's store is filled.
const fill = 3

// BenchmarkExchange measures exchanges per second at 32 connections beside
// versitygw: Mayfly's are recorded before they are answered. The peer gets
// slower with each session, so each third of what its store holds is told.
func BenchmarkExchange(b *testing.B) {
	a, j := newAuthority(b), newJobs(b)
	identityProvider(b, a, j)
	us := mayfly(b, j, a, nil)
	body := j.exchange(b, us.role)
	mine := side{"mayfly", pooled(b, nil), us.base + "/", form, func() string { return body }, "<SessionToken>"}
	load(b, mine, 0) // warm
	part := int64(storage.MaxActiveSessionsPerRole/fill - 1)
	for b.Loop() {
		var ours, whole rate
		var theirs [fill]rate
		for range turns {
			add(&ours, load(b, mine, 0))
			peer := versity(b, a, j)
			for i := range theirs {
				r := load(b, peer, part)
				add(&theirs[i], r)
				whole.answers += r.answers
				whole.perSecond += r.answers / r.perSecond // seconds, until all are known
				whole.cpu += r.cpu * r.answers
			}
		}
		whole.perSecond, whole.cpu = whole.answers/whole.perSecond, whole.cpu/whole.answers
		b.ReportMetric(ours.perSecond, "mayfly/s")
		b.ReportMetric(ours.cpu, "µs-cpu/mayfly")
		b.ReportMetric(whole.perSecond, "peer/s")
		b.ReportMetric(whole.cpu, "µs-cpu/peer")
		b.ReportMetric(ours.perSecond/whole.perSecond, "mayfly-to-peer")
		b.ReportMetric(ours.cpu/whole.cpu, "cpu-mayfly-to-peer")
		for i, r := range theirs {
			b.ReportMetric(r.perSecond, fmt.Sprintf("peer-third-%d/s", i+1))
			b.ReportMetric(r.cpu, fmt.Sprintf("µs-cpu/peer-third-%d", i+1))
		}
	}
}

// add adds a turn to a mean.
func add(sum *rate, r rate) {
	sum.answers += r.answers / turns
	sum.perSecond += r.perSecond / turns
	sum.cpu += r.cpu / turns
}
