package peers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	peerconfig "sigs.k8s.io/aws-iam-authenticator/pkg/config"
	"sigs.k8s.io/aws-iam-authenticator/pkg/mapper"
	peerserver "sigs.k8s.io/aws-iam-authenticator/pkg/server"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/kubewire"
)

const (
	jane   = "arn:aws:iam::444455556666:user/jane"
	region = "eu-central-1"
	stsOf  = "sts." + region + ".amazonaws.com"
)

// reachAWS leads http.DefaultTransport, which the peer asks AWS through, to a
// fake STS that answers at once and says jane. It counts the questions.
func reachAWS(tb testing.TB, a authority) (*http.Transport, *atomic.Int64) {
	var asked atomic.Int64
	address := a.serve(tb, stsOf, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"444455556666","Arn":"`+jane+`","UserId":"AIDAJANE"}}}`)
	}))
	tr := http.DefaultTransport.(*http.Transport)
	dial, conf := tr.DialContext, tr.TLSClientConfig
	tr.TLSClientConfig = &tls.Config{RootCAs: a.pool()}
	tr.DialContext = func(ctx context.Context, network, to string) (net.Conn, error) {
		if to == stsOf+":443" {
			to = address
		}
		return dial(ctx, network, to)
	}
	tb.Cleanup(func() {
		tr.CloseIdleConnections()
		tr.DialContext, tr.TLSClientConfig = dial, conf
	})
	return tr, &asked
}

// authenticator is aws-iam-authenticator with a file's mapping. It gives the
// kubeconfig that it wrote.
func authenticator(tb testing.TB) string {
	dir := dataDir(tb)
	path := filepath.Join(dir, "kubeconfig.yaml")
	ctx, cancel := context.WithCancel(context.Background())
	srv := peerserver.New(ctx, peerconfig.Config{PartitionID: "aws", ClusterID: clusterID, Address: "127.0.0.1", Hostname: "localhost", HostPort: freePort(tb), HealthPort: freePort(tb),
		StateDir: dir, GenerateKubeconfigPath: path, BackendMode: []string{mapper.ModeMountedFile}, EC2DescribeInstancesQps: 15, EC2DescribeInstancesBurst: 5,
		UserMappings: []peerconfig.UserMapping{{UserARN: jane, Username: "jane", Groups: []string{"devs"}}}})
	go srv.Run(make(chan struct{}))
	tb.Cleanup(func() { srv.Close(); cancel() })
	return path
}

// review is a side whose API server was configured with a kubeconfig.
func review(tb testing.TB, name, kubeconfig string, token func() string) side {
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		tb.Fatal(err)
	}
	field := func(name string) string {
		m := regexp.MustCompile(name + `: "?([^"\s]+)`).FindSubmatch(text)
		if m == nil {
			tb.Fatalf("no %s in %s", name, text)
		}
		return string(m[1])
	}
	pem, err := base64.StdEncoding.DecodeString(field("certificate-authority-data"))
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return side{name, pooled(tb, pool), field("server"), "application/json", func() string {
		return `{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","spec":{"token":"` + token() + `"}}`
	}, `"authenticated":true`}
}

// bearer is the token of an identity, as "aws eks get-token" prints it.
func bearer(tb testing.TB, c sigv4.Credentials) string {
	query, err := sigv4.Presign(sigv4.Request{Method: http.MethodGet, Host: stsOf, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: clusterID}}}, c, region, "sts", time.Minute, time.Now())
	if err != nil {
		tb.Error(err)
	}
	return kubewire.EncodeBearer("https://" + stsOf + "/?" + query)
}

// BenchmarkWebhook measures TokenReviews per second at 32 connections beside
// aws-iam-authenticator: a new token of AWS each time, the same one again, and
// a session of Mayfly's own, which the peer has no equal of. The one that is
// alike asks AWS through the peer's transport.
func BenchmarkWebhook(b *testing.B) {
	a, j := newAuthority(b), newJobs(b)
	aws, asked := reachAWS(b, a)
	// The peer's transport keeps two connections, Mayfly's own sixteen.
	pool := aws.Clone()
	pool.MaxIdleConnsPerHost = 16
	b.Cleanup(pool.CloseIdleConnections)
	us, alike, them := mayfly(b, j, a, pool), mayfly(b, j, a, aws), authenticator(b)
	var count atomic.Int64
	fresh := func() string { // no two access keys are alike, so no two tokens
		return bearer(b, sigv4.Credentials{AccessKeyID: fmt.Sprintf("AKIA%016d", count.Add(1)), SecretKey: secret.New("jane's key")})
	}
	again := func(c sigv4.Credentials) func() string {
		token := bearer(b, c)
		return func() string { return token }
	}
	same, session := again(sigv4.Credentials{AccessKeyID: "AKIAJANE000000000000", SecretKey: secret.New("jane's key")}), again(us.session(b, j))
	sides := []struct {
		side
		to  int // the index of what it is a ratio to; its own: none
		sum rate
		ask float64
	}{
		{side: review(b, "peer-new", them, fresh), to: 0}, {side: review(b, "mayfly-new", us.kubeconfig, fresh), to: 0}, {side: review(b, "mayfly-new-alike", alike.kubeconfig, fresh), to: 0},
		{side: review(b, "peer-again", them, same), to: 3}, {side: review(b, "mayfly-again", us.kubeconfig, same), to: 3},
		{side: review(b, "mayfly-own", us.kubeconfig, session), to: 3},
	}
	for _, s := range sides { // warm all
		s.waitFor(b)
		load(b, s.side, 0)
	}
	for b.Loop() {
		for i := range sides {
			sides[i].sum, sides[i].ask = rate{}, 0
		}
		for range turns {
			for i := range sides {
				s := &sides[i]
				before := asked.Load()
				r := load(b, s.side, 0)
				s.sum.perSecond += r.perSecond / turns
				s.sum.cpu += r.cpu / turns
				s.ask += float64(asked.Load()-before) / r.answers / turns
			}
		}
		for i, s := range sides {
			b.ReportMetric(s.sum.perSecond, s.name+"/s")
			b.ReportMetric(s.sum.cpu, "µs-cpu/"+s.name)
			b.ReportMetric(s.ask, "asked-aws/"+s.name)
			if s.to != i {
				b.ReportMetric(s.sum.perSecond/sides[s.to].sum.perSecond, s.name+"-to-"+sides[s.to].name)
				b.ReportMetric(s.sum.cpu/sides[s.to].sum.cpu, "cpu-"+s.name+"-to-"+sides[s.to].name)
			}
		}
	}
}

// waitFor waits until somebody listens.
func (s side) waitFor(tb testing.TB) {
	u, err := url.Parse(s.url)
	if err != nil {
		tb.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", u.Host)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal(err)
		}
	}
}
