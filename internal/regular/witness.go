package regular

import (
	"slices"
	"strings"
)

// Costs of a witness's parts: what the language demands costs the same on every
// way, so these decide how what it leaves open is filled. A word of the caller's
// is cheaper than a letter of nobody's choosing.
const (
	costWord      = 6
	costLetter    = 10
	costPrintable = 14
	costOther     = 40
)

// Witness is a text of the language that a person can read: a short one, made
// where the language leaves a choice of the words given, earlier ones rather than
// later ones, and else of small letters and digits. false if the language is
// empty.
//
// With no words it is a shortest text.
func (l Language) Witness(words ...string) (string, bool) {
	if l = l.least(); l.d == nil {
		return "", false
	}
	type arrival struct {
		cost int
		from int32
		text string
	}
	best := make([]arrival, len(l.d.edges))
	for i := range best {
		best[i].cost = -1
	}
	best[0] = arrival{0, -1, ""}
	queue := &costQueue{{0, 0}}
	for len(*queue) > 0 {
		c := queue.next()
		if c.cost > best[c.state].cost {
			continue
		}
		if l.d.accept[c.state] {
			var parts []string
			for s := c.state; s >= 0; s = best[s].from {
				parts = append(parts, best[s].text)
			}
			slices.Reverse(parts)
			return strings.Join(parts, ""), true
		}
		relax := func(to int32, cost int, text string) {
			if cost += c.cost; best[to].cost < 0 || cost < best[to].cost {
				best[to] = arrival{cost, c.state, text}
				queue.add(costed{cost, to})
			}
		}
		for i, word := range words {
			if to := l.d.walk(c.state, word); to >= 0 && word != "" {
				relax(to, costWord*16+i, word)
			}
		}
		for _, e := range l.d.edges[c.state] {
			b, cost := readable(e.lo, e.hi)
			if b < 'a' || b > 'z' {
				cost = cost*16 + 1 // of equals, a small letter
			} else {
				cost *= 16
			}
			relax(e.to, cost, string([]byte{b}))
		}
	}
	return "", false // unreachable: every state leads to an accepting one
}

// readable is the byte of a range that reads best, and what it costs.
func readable(lo, hi byte) (byte, int) {
	for _, r := range []struct {
		lo, hi byte
		cost   int
	}{{'a', 'z', costLetter}, {'0', '9', costLetter}, {'A', 'Z', costLetter}, {'-', '/', costLetter}, {'_', '_', costLetter}, {0x21, 0x7E, costPrintable}} {
		if from, to := max(lo, r.lo), min(hi, r.hi); from <= to {
			return from, r.cost
		}
	}
	return lo, costOther
}

type costed struct {
	cost  int
	state int32
}

// costQueue gives the cheapest first, and of equals the one whose number is
// lowest, so that the same language always has the same witness. It is a heap,
// without container/heap's interface, which would allocate for each.
type costQueue []costed

func (q costQueue) less(i, j int) bool {
	return q[i].cost < q[j].cost || q[i].cost == q[j].cost && q[i].state < q[j].state
}

func (q *costQueue) add(c costed) {
	*q = append(*q, c)
	h := *q
	for i := len(h) - 1; i > 0 && h.less(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (q *costQueue) next() costed {
	h := *q
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*q = h
	for i := 0; 2*i+1 < last; {
		child := 2*i + 1
		if child+1 < last && h.less(child+1, child) {
			child++
		}
		if !h.less(child, i) {
			break
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
	return first
}
