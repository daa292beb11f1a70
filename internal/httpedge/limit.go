package httpedge

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limit bounds how often one source may be refused. A stranger pays with
// refusals for what it makes the server do; who is let in pays nothing, however
// often it comes. It is safe for concurrent use.
type Limit struct {
	// PerSecond is how many refusals a second a source may have in the long
	// run, and Burst how many at once. No PerSecond: there is no limit.
	PerSecond, Burst int
	Now              func() time.Time

	mu            sync.Mutex
	recent, older map[netip.Prefix]debt // :: source → its refusals
}

// debt is how many refusals a source had at a time, less those forgiven since
// the one before.
type debt struct {
	refusals float64
	at       time.Time
}

// Forgive says of an answer that its status is not the source's fault, whatever
// AWS's number for it.
func Forgive(w http.ResponseWriter) {
	if r, ok := w.(*recorder); ok {
		r.forgiven = true
	}
}

// maxSources is how many sources are remembered in each of two generations. Who
// has more than as many addresses is not bounded by a limit per address.
const maxSources = 1 << 15

// sourceOf is what counts as one source: an IPv4 address, or an IPv6 network of
// the size that one customer gets.
func sourceOf(a netip.Addr) netip.Prefix {
	bits := 32
	if a = a.Unmap(); a.Is6() {
		bits = 64
	}
	p, _ := a.WithZone("").Prefix(bits) // an invalid address is a source too: nobody's
	return p
}

// Allows reports whether a source may be answered now.
func (l *Limit) Allows(a netip.Addr) bool {
	if l.PerSecond <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.recent)+len(l.older) == 0 {
		return true
	}
	return l.left(sourceOf(a))+1 <= float64(l.Burst)
}

// Refused notes that a source was refused. What it owes ends at the burst: however
// many requests were under way at once, it is answered again a second later.
func (l *Limit) Refused(a netip.Addr) {
	if l.PerSecond <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	source := sourceOf(a)
	d := debt{min(l.left(source)+1, float64(l.Burst)), l.Now()}
	if l.recent == nil || len(l.recent) >= maxSources {
		l.older, l.recent = l.recent, map[netip.Prefix]debt{}
	}
	l.recent[source] = d
}

// left is the debt of a source by now.
func (l *Limit) left(source netip.Prefix) float64 {
	d, ok := l.recent[source]
	if !ok {
		d = l.older[source]
	}
	return max(0, d.refusals-l.Now().Sub(d.at).Seconds()*float64(l.PerSecond))
}

// Guard keeps a handler from sources that were refused too often: they get
// throttled's answer. A refusal is a status from 400 to 499, unless the handler
// says by Forgive that it is not the source's fault.
func (l *Limit) Guard(next, throttled http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		source := Info(r).Source
		if !l.Allows(source) {
			throttled(w, r)
			return
		}
		seen := &recorder{ResponseWriter: w}
		next(seen, r)
		if status := seen.code(); status >= 400 && status < 500 && !seen.forgiven {
			l.Refused(source)
		}
	}
}
