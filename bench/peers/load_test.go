// Package peers measures Mayfly beside other programs that answer the same
// requests, in one process and by turns, so that the figures are ratios and the
// machine's speed drops out. run.sh runs it.
package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"mayfly.internal/internal/server"
)

const (
	connections = 32
	span        = 3 * time.Second // of each measurement; the sides take turns
	turns       = 3
)

// side is one of those who are compared.
type side struct {
	name        string
	client      *http.Client
	url         string
	contentType string
	body        func() string
	want        string // in each answer, which is 200
}

// rate is what a load came to.
type rate struct {
	answers   float64
	perSecond float64
	cpu       float64 // microseconds of processor time for each answer, the client's included
}

// load keeps connections busy for a span, or until there have been most
// answers; 0 is no limit.
func load(tb testing.TB, s side, most int64) rate {
	var asked, answered atomic.Int64
	var wg sync.WaitGroup
	start, used := time.Now(), cpu()
	for range connections {
		wg.Go(func() {
			for time.Since(start) < span && (most == 0 || asked.Add(1) <= most) {
				status, body, err := s.ask()
				if err != nil || status != http.StatusOK || !strings.Contains(body, s.want) {
					tb.Errorf("%s: %d %s %v", s.name, status, body, err)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	if tb.Failed() {
		tb.FailNow()
	}
	n := float64(answered.Load())
	return rate{n, n / time.Since(start).Seconds(), (cpu() - used).Seconds() * 1e6 / n}
}

func (s side) ask() (status int, answer string, err error) {
	resp, err := s.client.Post(s.url, s.contentType, strings.NewReader(s.body()))
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// cpu is the processor time this process has used, both sides alike.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// pooled is a client whose connections stay open.
func pooled(tb testing.TB, roots *x509.CertPool) *http.Client {
	tr := &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, TLSClientConfig: &tls.Config{RootCAs: roots}}
	tb.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// authority signs the certificates of the fake servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// serve answers for a host at an address, in HTTP/1.1 over TLS, and gives the
// address it took.
func (a authority) serve(tb testing.TB, host, address string, h http.Handler) string {
	t := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{host}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}}})
	if err != nil {
		tb.Skipf("the fake of %s needs %s: %v", host, address, err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	tb.Cleanup(func() { srv.Close() })
	return l.Addr().String()
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

// freePort is a port that a peer is told, which cannot choose one.
func freePort(tb testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestMain runs all sides with the garbage collector's setting of mayflyd. All
// write their logs, to nowhere, and no peer finds anything of a person's AWS.
func TestMain(m *testing.M) {
	debug.SetGCPercent(server.GCPercent)
	logrus.SetOutput(io.Discard)
	for name, value := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_REGION": "eu-central-1"} {
		os.Setenv(name, value)
	}
	os.Exit(m.Run())
}
