package regular

import (
	"encoding/binary"
	"slices"
)

// nfa is an automaton that may be in several states at once.
type nfa struct {
	edges  [][]edge // in no order, perhaps overlapping
	skips  [][]int32
	accept map[int32]bool
}

func newNFA() *nfa { return &nfa{accept: map[int32]bool{}} }

func (n *nfa) state() int32 {
	n.edges, n.skips = append(n.edges, nil), append(n.skips, nil)
	return int32(len(n.edges) - 1)
}

func (n *nfa) edge(from, to int32, lo, hi byte) {
	n.edges[from] = append(n.edges[from], edge{lo, hi, to})
}

// skip leads from one state to another by no byte at all.
func (n *nfa) skip(from, to int32) { n.skips[from] = append(n.skips[from], to) }

// literal leads from a state on by a text.
func (n *nfa) literal(from int32, text string) int32 {
	for i := range len(text) {
		next := n.state()
		n.edge(from, next, text[i], text[i])
		from = next
	}
	return from
}

// character leads to a new state by one character.
func (n *nfa) character(from int32) int32 {
	to := n.state()
	n.characterTo(from, to)
	return to
}

// characterTo leads from one state to another by any character but NUL, in its
// only valid encoding (RFC 3629 §4).
func (n *nfa) characterTo(from, to int32) {
	one, two, three := n.state(), n.state(), n.state() // so many bytes 80-BF are to come
	n.edge(one, to, 0x80, 0xBF)
	n.edge(two, one, 0x80, 0xBF)
	n.edge(three, two, 0x80, 0xBF)
	n.edge(from, to, 0x01, 0x7F)
	n.edge(from, one, 0xC2, 0xDF)
	n.edge(from, two, 0xE1, 0xEC)
	n.edge(from, two, 0xEE, 0xEF)
	n.edge(from, three, 0xF1, 0xF3)
	for _, special := range []struct{ lead, lo, hi byte }{
		{0xE0, 0xA0, 0xBF}, // no overlong forms
		{0xED, 0x80, 0x9F}, // no surrogates
		{0xF0, 0x90, 0xBF},
		{0xF4, 0x80, 0x8F}, // up to U+10FFFF
	} {
		s, next := n.state(), one
		if special.lead >= 0xF0 {
			next = two
		}
		n.edge(from, s, special.lead, special.lead)
		n.edge(s, next, special.lo, special.hi)
	}
}

// embed leads from a state through the texts of a language to the states given
// back.
func (n *nfa) embed(from int32, l Language) (ends []int32) {
	if l.IsEmpty() {
		return nil
	}
	base := int32(len(n.edges))
	for _, edges := range l.d.edges {
		s := n.state()
		for _, e := range edges {
			n.edge(s, base+e.to, e.lo, e.hi)
		}
	}
	n.skip(from, base)
	for s, a := range l.d.accept {
		if a {
			ends = append(ends, base+int32(s))
		}
	}
	return ends
}

// determinize is the language that is accepted from some states.
func (w *Work) determinize(n *nfa, start []int32) Language {
	if w.err != nil {
		return Language{}
	}
	class := classesOf(func(yield func(lo, hi byte)) {
		for _, edges := range n.edges {
			for _, e := range edges {
				yield(e.lo, e.hi)
			}
		}
	})
	var lows []byte // the first byte of each class
	for c := range 256 {
		if c == 0 || class[c] != class[c-1] {
			lows = append(lows, byte(c))
		}
	}
	sub := subsets{nfa: n, number: map[string]int32{}, seen: make([]bool, len(n.edges))}
	sub.add(start)
	d := &dfa{}
	targets := make([][]int32, len(lows))
	for i := 0; i < len(sub.sets); i++ {
		if !w.spend(1) {
			return Language{}
		}
		set := sub.sets[i]
		accept := false
		for c := range targets {
			targets[c] = targets[c][:0]
		}
		for _, s := range set {
			accept = accept || n.accept[s]
			for _, e := range n.edges[s] {
				for c := int(class[e.lo]); c <= int(class[e.hi]); c++ {
					targets[c] = append(targets[c], e.to)
				}
			}
		}
		var edges []edge
		for c, list := range targets {
			if len(list) == 0 {
				continue
			}
			hi := byte(255)
			if c+1 < len(lows) {
				hi = lows[c+1] - 1
			}
			edges = appendEdge(edges, edge{lows[c], hi, sub.add(list)})
		}
		d.edges, d.accept = append(d.edges, edges), append(d.accept, accept)
	}
	return Language{d.canonical()}
}

// subsets numbers the sets of states that an nfa can be in at once.
type subsets struct {
	*nfa
	sets   [][]int32
	number map[string]int32 // :: the set's states as bytes → its number
	seen   []bool           // scratch
}

// add is the number of the set of the states given and those skipped to.
func (s *subsets) add(states []int32) int32 {
	var set []int32
	stack := slices.Clone(states)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.seen[at] {
			continue
		}
		s.seen[at] = true
		set = append(set, at)
		stack = append(stack, s.skips[at]...)
	}
	slices.Sort(set)
	key := make([]byte, 0, 4*len(set))
	for _, at := range set {
		s.seen[at] = false
		key = binary.LittleEndian.AppendUint32(key, uint32(at))
	}
	id, ok := s.number[string(key)]
	if !ok {
		id = int32(len(s.sets))
		s.number[string(key)] = id
		s.sets = append(s.sets, set)
	}
	return id
}
