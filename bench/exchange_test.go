// Package bench measures the assembled server against a bare limit in the same
// run, so that the figures are ratios and the machine's speed drops out.
package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/server"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite"
)

const (
	issuer      = "https://gitlab.bench.example"
	connections = 32
	span        = 3 * time.Second // of each measurement; both sides take turns
	turns       = 3
)

// signer makes ID tokens of a job.
type signer struct{ key *rsa.PrivateKey }

func newSigner(tb testing.TB) signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	return signer{key}
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func (s signer) jwks() string {
	return fmt.Sprintf(`{"keys":[{"kty":"RSA","use":"sig","alg":"RS256","kid":"k","n":%q,"e":%q}]}`, b64(s.key.N.Bytes()), b64(big.NewInt(int64(s.key.E)).Bytes()))
}

func (s signer) token(tb testing.TB) string {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{"iss": issuer, "aud": "bench", "sub": "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", "iat": now, "nbf": now - 5, "exp": now + 3600, "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
		"namespace_id": "72", "namespace_path": "my_group", "project_id": "4711", "project_path": "my_group/my-fancy_project", "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "user_access_level": "maintainer",
		"pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "production", "ref_type": "branch", "ref_path": "refs/heads/production", "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
		"sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private", "ci_config_ref_uri": "gitlab.bench.example/my_group/my-fancy_project//.gitlab-ci.yml@refs/heads/production", "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc"})
	if err != nil {
		tb.Fatal(err)
	}
	text := b64([]byte(`{"alg":"RS256","kid":"k","typ":"JWT"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	return text + "." + b64(sig)
}

// bare is the limit: an HTTP server that reads the same form, checks one RS256
// signature, seals one session's worth of bytes, and answers. With a log it
// makes one audit event durable before that, as Mayfly must: what is left
// between the two is all that Mayfly does besides.
func bare(tb testing.TB, s signer, log *store.DB) string {
	h, err := keyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		tb.Fatal(err)
	}
	var seal tink.AEAD
	if seal, err = aead.New(h); err != nil {
		tb.Fatal(err)
	}
	session := bytes.Repeat([]byte("s"), 400)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return
		}
		token := form.Get("WebIdentityToken")
		if !rs256(s, token) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		sealed, err := seal.Encrypt(session, nil)
		if err != nil {
			return
		}
		if log != nil {
			if err := log.Record(r.Context(), exchangeEvent); err != nil {
				tb.Error(err)
				return
			}
		}
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, "<A><B>%s</B></A>", b64(sealed))
	})}
	go srv.Serve(l)
	tb.Cleanup(func() { srv.Close() })
	return "http://" + l.Addr().String() + "/"
}

// exchangeEvent is as long as that of Mayfly's exchange.
var exchangeEvent = audit.Event{Time: time.Now(), Action: "sts:AssumeRoleWithWebIdentity", Outcome: audit.Allowed, Detail: map[string]string{"padding": strings.Repeat("x", 915)}}

// newLog is a store on a real disk.
func newLog(tb testing.TB) *store.DB {
	skey, _, err := note.GenerateKey(rand.Reader, "mayfly.bench/audit")
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sqlite.Open(tb.Context(), filepath.Join(dataDir(tb), "mayfly.db"), true, store.Config{Signer: signer, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	return db
}

// dataDir is a directory beside the sources: /tmp may be memory.
func dataDir(tb testing.TB) string {
	dir, err := os.MkdirTemp(".", "data-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.Abs(dir); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// rs256 checks a token's signature and nothing else.
func rs256(s signer, token string) bool {
	dot := strings.LastIndexByte(token, '.')
	sig, _ := base64.RawURLEncoding.DecodeString(token[dot+1:])
	sum := sha256.Sum256([]byte(token[:dot]))
	return rsa.VerifyPKCS1v15(&s.key.PublicKey, crypto.SHA256, sum[:], sig) == nil
}

// mayfly is the whole server, with SQLite on a real disk and every exchange
// recorded before it is answered. It gives the URL and the role.
func mayfly(tb testing.TB, s signer) (url, role string) {
	dir := dataDir(tb)
	jwks := filepath.Join(dir, "jwks.json")
	if err := os.WriteFile(jwks, []byte(s.jwks()), 0o600); err != nil {
		tb.Fatal(err)
	}
	yes := true
	c := server.Default()
	c.Listen, c.MetricsListen = "http://127.0.0.1:0", "off"
	c.Admin.Socket = filepath.Join(dir, "s")
	c.Issuers = []server.IssuerConfig{{URL: issuer, JWKSFile: jwks, GitLab: &yes}}
	srv, err := server.New(tb.Context(), server.Options{Config: c, Data: filepath.Join(dir, "data"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx) }()
	tb.Cleanup(func() { cancel(); <-done })
	return srv.PublicURL() + "/", teach(tb, srv.PublicURL(), c.Admin.Socket)
}

// rate is what a load came to.
type rate struct {
	perSecond float64
	cpu       float64 // microseconds of processor time for each answer, the client's included
}

// load keeps connections busy with the same request for a span; every answer
// must be 200.
func load(tb testing.TB, target, form string) rate {
	tr := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}
	defer tr.CloseIdleConnections()
	hc := http.Client{Transport: tr}
	var answered atomic.Int64
	var wg sync.WaitGroup
	start, used := time.Now(), cpu()
	for range connections {
		wg.Go(func() {
			for time.Since(start) < span {
				resp, err := hc.Post(target, "application/x-www-form-urlencoded", strings.NewReader(form))
				if err != nil {
					tb.Error(err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					tb.Errorf("%s: %s", resp.Status, body)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	n := float64(answered.Load())
	return rate{n / time.Since(start).Seconds(), (cpu() - used).Seconds() * 1e6 / n}
}

// exchangeForm is the request of a job.
func exchangeForm(tb testing.TB, s signer, role string) string {
	return url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"GitLabRunner-1"}, "DurationSeconds": {"900"}, "WebIdentityToken": {s.token(tb)}}.Encode()
}

// BenchmarkExchange measures exchanges per second with durable audit at 32
// connections, as a ratio to the bare limit and to the bare limit with the same
// durable audit.
func BenchmarkExchange(b *testing.B) {
	s := newSigner(b)
	target, role := mayfly(b, s)
	form := exchangeForm(b, s, role)
	sides := []struct {
		name, url string
		sum       rate
	}{{name: "bare", url: bare(b, s, nil)}, {name: "recorded", url: bare(b, s, newLog(b))}, {name: "exchange", url: target}}
	for _, side := range sides { // warm all
		load(b, side.url, form)
	}
	for b.Loop() {
		for i := range sides {
			sides[i].sum = rate{}
		}
		for range turns {
			for i := range sides {
				r := load(b, sides[i].url, form)
				sides[i].sum.perSecond += r.perSecond / turns
				sides[i].sum.cpu += r.cpu / turns
			}
		}
		ours := sides[len(sides)-1].sum.perSecond
		for _, side := range sides {
			b.ReportMetric(side.sum.perSecond, side.name+"/s")
			b.ReportMetric(side.sum.cpu, "µs-cpu/"+side.name)
			if side.url != target {
				b.ReportMetric(ours/side.sum.perSecond, "ratio-to-"+side.name)
			}
		}
	}
}

// TestMain runs both sides with the garbage collector's setting of mayflyd.
func TestMain(m *testing.M) {
	debug.SetGCPercent(server.GCPercent)
	os.Exit(m.Run())
}
