package httpedge

import (
	"net"
	"net/netip"
	"sync"
)

// PerSource is a listener that closes what one source opens beyond Max
// connections: somebody who holds them open must not keep others out. Sources in
// Exempt, such as proxies, are not counted.
type PerSource struct {
	net.Listener
	Max    int
	Exempt func() []netip.Prefix
	Closed func() // is told of each; nil: nobody is

	mu   sync.Mutex
	open map[netip.Prefix]int // :: source → its open connections
}

// Accept gives the next connection that is not too many.
func (l *PerSource) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.Max <= 0 {
			return c, err
		}
		peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err != nil || l.exempt(peer.Addr().Unmap()) {
			return c, nil
		}
		source := sourceOf(peer.Addr())
		if l.enter(source) {
			return &countedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(source) })}, nil
		}
		c.Close()
		if l.Closed != nil {
			l.Closed()
		}
	}
}

func (l *PerSource) exempt(a netip.Addr) bool {
	if l.Exempt == nil {
		return false
	}
	for _, p := range l.Exempt() {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (l *PerSource) enter(source netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source] >= l.Max {
		return false
	}
	if l.open == nil {
		l.open = map[netip.Prefix]int{}
	}
	l.open[source]++
	return true
}

func (l *PerSource) leave(source netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[source]--; l.open[source] <= 0 {
		delete(l.open, source)
	}
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
