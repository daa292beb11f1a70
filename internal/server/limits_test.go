package server

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestThrottling: who is refused too often is told so in each API's words, and
// others are not.
func TestThrottling(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Config.Limits.Refusals = 1 // ten at once
		o.Config.TrustedProxies = Prefixes{netip.MustParsePrefix("127.0.0.0/8")}
	})
	w.teach()
	from := func(source string, req *http.Request) answer {
		req.Header.Set("X-Forwarded-For", source)
		return w.send(req)
	}
	exchange := func(source, token string) answer {
		req := w.request(http.MethodPost, "/", exchangeForm(token))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return from(source, req)
	}
	good := w.job("acme/web", "main")
	for range 50 {
		if got := exchange("192.0.2.1", good); got.status != 200 {
			t.Fatalf("who is let in is throttled: %d %s", got.status, got.body)
		}
	}
	exhaust := func() {
		t.Helper()
		for range 1000 {
			got := exchange("192.0.2.1", "not.a.token")
			if strings.Contains(got.body, "Throttling") {
				return
			}
			if got.status != 400 || !strings.Contains(got.body, "InvalidIdentityToken") {
				t.Fatalf("%d %s", got.status, got.body)
			}
		}
		t.Fatal("who is refused is never throttled")
	}
	for _, tt := range []struct {
		name string
		req  *http.Request
		want int
		text string
	}{
		{"an exchange", w.request(http.MethodPost, "/", exchangeForm(good)), 400, "<Code>Throttling</Code><Message>Rate exceeded</Message>"},
		{"IAM", w.signed(w.admin, "iam", http.MethodPost, "/", "Action=ListRoles&Version=2010-05-08"), 400, "<Code>Throttling</Code>"},
		{"EKS", w.signed(w.admin, "eks", http.MethodGet, "/clusters", ""), 429, "Rate exceeded"},
		{"our own API", w.request(http.MethodGet, "/mayfly/v1/server", ""), 429, `"Throttled"`},
		{"health", w.request(http.MethodGet, "/healthz", ""), 200, "ok"},
	} {
		exhaust() // again: a slow machine forgives meanwhile
		if got := from("192.0.2.1", tt.req); got.status != tt.want || !strings.Contains(got.body, tt.text) || tt.name == "EKS" && got.header.Get("X-Amzn-Errortype") != "ThrottlingException" {
			t.Errorf("%s: %d %s", tt.name, got.status, got.body)
		}
	}
	if got := exchange("192.0.2.2", good); got.status != 200 {
		t.Errorf("another source: %d %s", got.status, got.body)
	}
	time.Sleep(1100 * time.Millisecond)
	if got := exchange("192.0.2.1", good); got.status != 200 {
		t.Errorf("a second later: %d %s", got.status, got.body)
	}
	resp, err := http.Get("http://" + w.scrape.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); !regexp.MustCompile(`(?m)^mayfly_throttled_total [1-9]`).Match(text) {
		t.Error("the metrics do not count what was throttled")
	}
}

// TestHeldConnections: somebody who opens connections and says nothing keeps
// nobody else out, and costs little.
func TestHeldConnections(t *testing.T) {
	const held = 1000
	w := newWorld(t, func(o *Options) { o.Config.Limits.Connections = held + 3 })
	w.teach()
	w.exchange(w.job("acme/web", "main")) // the client's own connection
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	at := w.main.Addr().String()
	var open []net.Conn
	hold := func() net.Conn {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for i := range held {
		c := hold()
		if i%2 == 0 { // half of them begin a handshake, and go no further
			c.Write([]byte{22, 3, 1, 0, 200})
		}
		open = append(open, c)
	}
	start := time.Now()
	if got := w.exchange(w.job("acme/web", "main")); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("an exchange takes %s meanwhile", took)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if used := int64(after.HeapInuse) - int64(before.HeapInuse); used > held*64<<10 {
		t.Errorf("%d connections take %d KiB each", held, used/held>>10)
	}
	// Those beyond the bound are closed at once, and room comes back.
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		c := hold()
		wg.Go(func() {
			c.SetReadDeadline(time.Now().Add(3 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err != nil && !isTimeout(err) {
				refused.Add(1)
			}
		})
	}
	if wg.Wait(); refused.Load() < 7 {
		t.Errorf("%d of 10 connections beyond the bound are closed", refused.Load())
	}
	for _, c := range open {
		c.Close()
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		c, err := tls.Dial("tcp", at, w.transport(nil).TLSClientConfig)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no room comes back: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// TestSlowBodies: a request that trickles in holds its own connection and no
// more.
func TestSlowBodies(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	for range 100 {
		c, err := tls.Dial("tcp", w.main.Addr().String(), w.transport(nil).TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10000\r\n\r\nAction=")
	}
	start := time.Now()
	for range 20 {
		if got := w.exchange(w.job("acme/web", "main")); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("20 exchanges take %s meanwhile", took)
	}
}
