package regular

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// nfa is an automaton that may be in several states at once.
type nfa struct {
	edges  [][]edge // in no order, perhaps overlapping
	skips  [][]int32
	accept []bool

	// runs are the loops of a pattern's *, in order. Once one is reached, all
	// that comes before it is of no more use: what is accepted from there is
	// accepted from the loop too.
	runs []run
}

// run is the states from the first to before the last; what comes before is of no
// more use once one of them is reached.
type run struct{ first, past int32 }

func newNFA() *nfa { return &nfa{} }

func (n *nfa) state() int32 {
	n.edges, n.skips, n.accept = append(n.edges, nil), append(n.skips, nil), append(n.accept, false)
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
	l = l.least()
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
	sub := newSubsets(n)
	sub.add(start)
	d := &dfa{}
	var edges []edge // of all states, one after the other
	targets := make([][]int32, len(lows))
	for i := 0; i < len(sub.sets); i++ {
		if !w.spend(1 + len(sub.sets[i])/16) { // a large set is as much as several small ones
			return Language{}
		}
		accept := false
		for c := range targets {
			targets[c] = targets[c][:0]
		}
		for _, s := range sub.sets[i] {
			accept = accept || n.accept[s]
			for _, e := range n.edges[s] {
				for c := int(class[e.lo]); c <= int(class[e.hi]); c++ {
					targets[c] = append(targets[c], e.to)
				}
			}
		}
		begin := len(edges)
		for c, list := range targets {
			if len(list) == 0 {
				continue
			}
			hi := byte(255)
			if c+1 < len(lows) {
				hi = lows[c+1] - 1
			}
			if c > 0 && len(edges) > begin && slices.Equal(list, targets[c-1]) {
				edges[len(edges)-1].hi = hi
				continue
			}
			to := sub.add(list)
			if last := len(edges) - 1; last >= begin && edges[last].to == to && edges[last].hi+1 == lows[c] {
				edges[last].hi = hi
				continue
			}
			edges = append(edges, edge{lows[c], hi, to})
		}
		d.edges, d.accept = append(d.edges, edges[begin:len(edges):len(edges)]), append(d.accept, accept)
		w.spend((len(edges) - begin) / 8)
	}
	return w.canonical(d)
}

// subsets numbers the sets of states that an nfa can be in at once.
type subsets struct {
	*nfa
	sets   [][]int32
	number map[string]int32 // :: the set's states as bytes → its number

	// scratch
	seen       []bool
	set, stack []int32
	key        []byte
}

func newSubsets(n *nfa) *subsets {
	return &subsets{nfa: n, number: map[string]int32{}, seen: make([]bool, len(n.edges))}
}

// add is the number of the set of the states given and those skipped to.
func (s *subsets) add(states []int32) int32 {
	s.set, s.stack = s.set[:0], append(s.stack[:0], states...)
	for len(s.stack) > 0 {
		at := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		if s.seen[at] {
			continue
		}
		s.seen[at] = true
		s.set = append(s.set, at)
		s.stack = append(s.stack, s.skips[at]...)
	}
	for _, at := range s.set {
		s.seen[at] = false
	}
	slices.Sort(s.set)
	s.forget()
	s.key = s.key[:0]
	for _, at := range s.set {
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(at))
	}
	id, ok := s.number[string(s.key)]
	if !ok {
		id = int32(len(s.sets))
		s.number[string(s.key)] = id
		s.sets = append(s.sets, slices.Clone(s.set))
	}
	return id
}

// forget drops from the set what comes before a run that has been reached.
func (s *subsets) forget() {
	if len(s.runs) == 0 {
		return
	}
	for i := len(s.set) - 1; i >= 0; i-- {
		at := s.set[i]
		r, _ := slices.BinarySearchFunc(s.runs, at, func(r run, at int32) int { return cmp.Compare(r.past, at+1) })
		if r < len(s.runs) && s.runs[r].first <= at {
			first, _ := slices.BinarySearch(s.set, s.runs[r].first)
			s.set = s.set[first:]
			return
		}
	}
}
