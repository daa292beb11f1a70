package httpedge

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func TestLimit(t *testing.T) {
	at := start
	l := &Limit{PerSecond: 2, Burst: 10, Now: func() time.Time { return at }}
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 10 {
		if !l.Allows(one) {
			t.Fatalf("after %d refusals it may not be answered", i)
		}
		l.Refused(one)
	}
	if l.Allows(one) || l.Allows(netip.MustParseAddr("::ffff:192.0.2.1")) {
		t.Error("after ten refusals at once it is answered")
	}
	if !l.Allows(other) {
		t.Error("another source is kept out")
	}
	at = at.Add(499 * time.Millisecond)
	if l.Allows(one) {
		t.Error("it is forgiven too soon")
	}
	at = at.Add(time.Millisecond)
	if !l.Allows(one) {
		t.Error("it is not forgiven")
	}
	l.Refused(one)
	if l.Allows(one) {
		t.Error("all was forgiven at once")
	}
	at = at.Add(time.Hour)
	for range 10 {
		l.Refused(one)
	}
	if l.Allows(one) {
		t.Error("an hour of quiet buys more than the burst")
	}
}

// TestLimitForgets: however many were refused at once, a source is answered again
// soon after it stops.
func TestLimitForgets(t *testing.T) {
	at := start
	l := &Limit{PerSecond: 2, Burst: 10, Now: func() time.Time { return at }}
	a := netip.MustParseAddr("192.0.2.1")
	for range 100_000 {
		l.Refused(a)
	}
	if l.Allows(a) {
		t.Error("it is answered")
	}
	if at = at.Add(500 * time.Millisecond); !l.Allows(a) {
		t.Error("half a second later it is not")
	}
}

func TestForgive(t *testing.T) {
	l := &Limit{PerSecond: 1, Burst: 1, Now: func() time.Time { return start }}
	h := l.Guard(func(w http.ResponseWriter, _ *http.Request) { Forgive(w); w.WriteHeader(400) }, func(http.ResponseWriter, *http.Request) { t.Error("throttled") })
	for range 10 {
		h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	Forgive(httptest.NewRecorder()) // no harm
}

func TestLimitOfIPv6(t *testing.T) {
	l := &Limit{PerSecond: 1, Burst: 2, Now: func() time.Time { return start }}
	l.Refused(netip.MustParseAddr("2001:db8:1:2::1"))
	l.Refused(netip.MustParseAddr("2001:db8:1:2:ffff::2"))
	if l.Allows(netip.MustParseAddr("2001:db8:1:2::3")) || !l.Allows(netip.MustParseAddr("2001:db8:1:3::1")) {
		t.Error("a /64 is not one source")
	}
	if l := (&Limit{Now: func() time.Time { return start }}); !l.Allows(netip.Addr{}) {
		t.Error("no limit refuses")
	}
}

// TestLimitRemembersBoundedly: a stranger with many addresses fills no memory,
// and does not make the server forget others at once.
func TestLimitRemembersBoundedly(t *testing.T) {
	l := &Limit{PerSecond: 1, Burst: 1, Now: func() time.Time { return start }}
	victim := netip.MustParseAddr("192.0.2.1")
	l.Refused(victim)
	for i := range maxSources {
		l.Refused(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if l.Allows(victim) {
		t.Error("a generation later it is forgotten")
	}
	for i := range 4 * maxSources {
		l.Refused(netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(l.recent) + len(l.older); n > 2*maxSources {
		t.Errorf("%d sources are remembered", n)
	}
}

func TestGuard(t *testing.T) {
	l := &Limit{PerSecond: 1, Burst: 3, Now: func() time.Time { return start }}
	status := http.StatusOK
	asked := 0
	h := l.Guard(func(w http.ResponseWriter, _ *http.Request) { asked++; w.WriteHeader(status) }, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	ask := func() int {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	for _, status = range []int{200, 302, 500, 503} {
		for range 10 {
			if ask() != status {
				t.Fatalf("who is answered %d is throttled", status)
			}
		}
	}
	status, asked = http.StatusForbidden, 0
	for i := range 10 {
		if got, want := ask(), map[bool]int{true: 403, false: 429}[i < 3]; got != want {
			t.Errorf("refusal %d: %d", i, got)
		}
	}
	if asked != 3 {
		t.Errorf("it was asked %d times", asked)
	}
}

func TestPerSource(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{}, 100)
	var exempt atomic.Pointer[[]netip.Prefix]
	exempt.Store(&[]netip.Prefix{})
	l := &PerSource{Listener: inner, Max: 3, Closed: func() { closed <- struct{}{} }, Exempt: func() []netip.Prefix { return *exempt.Load() }}
	t.Cleanup(func() { l.Close() })
	accepted := make(chan net.Conn, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	var held []net.Conn
	for range 3 {
		dial()
		held = append(held, <-accepted)
	}
	refused := dial()
	<-closed
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("a fourth connection is answered")
	}
	held[0].Close()
	held[0].Close() // twice is once
	dial()
	held[0] = <-accepted
	dial()
	<-closed
	if len(accepted) != 0 {
		t.Error("closing one twice made room for two")
	}
	for _, c := range held {
		c.Close()
	}
	if len(l.open) != 0 {
		t.Errorf("%v are counted after all were closed", l.open)
	}
	exempt.Store(&[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	for range 10 {
		dial()
		<-accepted
	}
}

func BenchmarkLimitAllows(b *testing.B) {
	l := &Limit{PerSecond: 100, Burst: 1000, Now: time.Now}
	for i := range 1000 {
		l.Refused(netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/250, i%250)))
	}
	a := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		l.Allows(a)
	}
}
