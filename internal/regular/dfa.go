package regular

import (
	"slices"
	"sync/atomic"
)

// dfa is a partial deterministic automaton: what has no edge is refused. State 0
// is the start. In canonical form it is minimal, every state is on a path from
// the start to an accepting one, and states are numbered breadth first in the
// order of bytes; the empty language has no states.
type dfa struct {
	edges  [][]edge // :: state → edges, in the order of bytes, not overlapping
	accept []bool

	// loose: it is trimmed, and not in canonical form yet, which is made when it
	// is first needed.
	loose bool
	least atomic.Pointer[dfa]
}

// edge leads to a state by any of the bytes lo to hi.
type edge struct {
	lo, hi byte
	to     int32
}

// step is where a byte leads from a state; -1 is nowhere. A state of -1 stays.
func (d *dfa) step(state int32, c byte) int32 {
	if state < 0 {
		return -1
	}
	edges := d.edges[state]
	i, found := slices.BinarySearchFunc(edges, c, func(e edge, c byte) int {
		switch {
		case e.hi < c:
			return -1
		case e.lo > c:
			return 1
		}
		return 0
	})
	if !found {
		return -1
	}
	return edges[i].to
}

// walk is where a text leads from a state.
func (d *dfa) walk(state int32, text string) int32 {
	for i := 0; i < len(text) && state >= 0; i++ {
		state = d.step(state, text[i])
	}
	return state
}

// start is the start state, -1 if the language is empty.
func (d *dfa) start() int32 {
	if d == nil || len(d.edges) == 0 {
		return -1
	}
	return 0
}

// canonical is the automaton minimised, trimmed and numbered anew.
func (d *dfa) canonical() *dfa {
	d = d.trim()
	if d == nil {
		return nil
	}
	return d.merge(d.equivalent()).renumber()
}

// trim drops the states that no accepted text passes. nil: there are none else.
func (d *dfa) trim() *dfa {
	n := len(d.edges)
	if n == 0 {
		return nil
	}
	reached := reach(n, []int32{0}, func(s int32, visit func(int32)) {
		for _, e := range d.edges[s] {
			visit(e.to)
		}
	})
	var ends []int32
	for s, a := range d.accept {
		if a && reached[s] {
			ends = append(ends, int32(s))
		}
	}
	into, begins := d.into()
	useful := reach(n, ends, func(s int32, visit func(int32)) {
		for _, from := range into[begins[s]:begins[s+1]] {
			visit(from)
		}
	})
	if !useful[0] {
		return nil
	}
	if !slices.Contains(reached, false) && !slices.Contains(useful, false) {
		return d
	}
	number, count := make([]int32, n), int32(0)
	for s := range number {
		number[s] = -1
		if reached[s] && useful[s] {
			number[s] = count
			count++
		}
	}
	out := &dfa{edges: make([][]edge, count), accept: make([]bool, count)}
	for s, to := range number {
		if to < 0 {
			continue
		}
		out.accept[to] = d.accept[s]
		for _, e := range d.edges[s] {
			if number[e.to] >= 0 {
				out.edges[to] = append(out.edges[to], edge{e.lo, e.hi, number[e.to]})
			}
		}
	}
	return out
}

// into are the states that edges come from, by where they lead: those into a
// state stand from its begin to that of the next.
func (d *dfa) into() (from, begins []int32) {
	begins = make([]int32, len(d.edges)+1)
	for _, edges := range d.edges {
		for _, e := range edges {
			begins[e.to+1]++
		}
	}
	for s := range d.edges {
		begins[s+1] += begins[s]
	}
	from = make([]int32, begins[len(d.edges)])
	at := slices.Clone(begins)
	for s, edges := range d.edges {
		for _, e := range edges {
			from[at[e.to]] = int32(s)
			at[e.to]++
		}
	}
	return from, begins
}

// reach are the states that can be come to from some.
func reach(n int, from []int32, next func(s int32, visit func(int32))) []bool {
	seen := make([]bool, n)
	var stack []int32
	visit := func(s int32) {
		if !seen[s] {
			seen[s] = true
			stack = append(stack, s)
		}
	}
	for _, s := range from {
		if int(s) < n {
			visit(s)
		}
	}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		next(s, visit)
	}
	return seen
}

// renumber numbers the states breadth first, and joins edges that lie side by
// side.
func (d *dfa) renumber() *dfa {
	number := make([]int32, len(d.edges))
	for i := range number {
		number[i] = -1
	}
	order := []int32{0}
	number[0] = 0
	out := &dfa{edges: make([][]edge, len(d.edges)), accept: make([]bool, len(d.edges))}
	for i := 0; i < len(order); i++ {
		s := order[i]
		out.accept[i] = d.accept[s]
		var joined []edge
		for _, e := range d.edges[s] {
			if number[e.to] < 0 {
				number[e.to] = int32(len(order))
				order = append(order, e.to)
			}
			joined = appendEdge(joined, edge{e.lo, e.hi, number[e.to]})
		}
		out.edges[i] = joined
	}
	return out
}

// appendEdge appends an edge behind the others, joining it with the last where
// they lie side by side.
func appendEdge(edges []edge, e edge) []edge {
	if n := len(edges); n > 0 && edges[n-1].to == e.to && edges[n-1].hi+1 == e.lo {
		edges[n-1].hi = e.hi
		return edges
	}
	return append(edges, e)
}

// merge makes one state of each block of a partition.
func (d *dfa) merge(block []int32) *dfa {
	// The start's block comes first.
	count := int32(0)
	number := make([]int32, len(block)) // and one; 0 is none yet
	at := func(b int32) int32 {
		if number[b] == 0 {
			count++
			number[b] = count
		}
		return number[b] - 1
	}
	at(block[0])
	for _, b := range block {
		at(b)
	}
	out := &dfa{edges: make([][]edge, count), accept: make([]bool, count)}
	done := make([]bool, count)
	for s, edges := range d.edges {
		to := at(block[s])
		if done[to] {
			continue
		}
		done[to] = true
		out.accept[to] = d.accept[s]
		for _, e := range edges {
			out.edges[to] = appendEdge(out.edges[to], edge{e.lo, e.hi, at(block[e.to])})
		}
	}
	return out
}

// equivalent is the block of each state in the coarsest partition of which no
// text tells two states of a block apart. The automaton must be trimmed.
//
// (A. Valmari, "Fast brief practical DFA minimization", Information Processing
// Letters 112, 2012: both states and transitions are refined, each by the other;
// O(m log n) for m transitions.)
func (d *dfa) equivalent() []int32 {
	t := d.transitions()
	n := len(d.edges)
	blocks, cords := newPartition(n), newPartition(len(t.tail))
	for s, a := range d.accept {
		if a {
			blocks.mark(int32(s))
		}
	}
	blocks.split()
	cords.group(t.label)
	b := int32(1)
	for c := int32(0); c < cords.sets; c++ {
		for i := cords.first[c]; i < cords.past[c]; i++ {
			blocks.mark(t.tail[cords.elements[i]])
		}
		blocks.split()
		for ; b < blocks.sets; b++ {
			for i := blocks.first[b]; i < blocks.past[b]; i++ {
				head := blocks.elements[i]
				for j := t.into[head]; j < t.into[head+1]; j++ {
					cords.mark(t.byHead[j])
				}
			}
			cords.split()
		}
	}
	return blocks.set
}

// transitions are the edges cut into pieces that bear the same label in every
// state: a label is a class of bytes that no edge tells apart.
type transitions struct {
	tail, label, head []int32
	byHead            []int32 // the transitions, by head
	into              []int32 // :: state → where in byHead those into it begin
}

func (d *dfa) transitions() transitions {
	class := classesOf(func(yield func(lo, hi byte)) {
		for _, edges := range d.edges {
			for _, e := range edges {
				yield(e.lo, e.hi)
			}
		}
	})
	count := 0
	for _, edges := range d.edges {
		for _, e := range edges {
			count += int(class[e.hi]-class[e.lo]) + 1
		}
	}
	t := transitions{tail: make([]int32, 0, count), label: make([]int32, 0, count), head: make([]int32, 0, count)}
	for s, edges := range d.edges {
		for _, e := range edges {
			for c := int32(class[e.lo]); c <= int32(class[e.hi]); c++ {
				t.tail, t.label, t.head = append(t.tail, int32(s)), append(t.label, c), append(t.head, e.to)
			}
		}
	}
	t.into = make([]int32, len(d.edges)+1)
	for _, h := range t.head {
		t.into[h+1]++
	}
	for i := range d.edges {
		t.into[i+1] += t.into[i]
	}
	t.byHead = make([]int32, len(t.head))
	at := slices.Clone(t.into)
	for i, h := range t.head {
		t.byHead[at[h]] = int32(i)
		at[h]++
	}
	return t
}

// classesOf numbers the bytes so that ranges tell two of them apart only if their
// numbers differ; the numbers grow with the bytes.
func classesOf(ranges func(yield func(lo, hi byte))) (class [256]uint8) {
	var begins [257]bool
	ranges(func(lo, hi byte) { begins[lo], begins[int(hi)+1] = true, true })
	n := uint8(0)
	for c := 1; c < 256; c++ {
		if begins[c] {
			n++
		}
		class[c] = n
	}
	return class
}

// partition is a partition of 0…n-1 that can be refined: elements are marked,
// then every set with marked and unmarked ones is split.
type partition struct {
	elements, location, set []int32
	first, past, marked     []int32
	touched                 []int32
	sets                    int32
}

func newPartition(n int) *partition {
	p := &partition{elements: make([]int32, n), location: make([]int32, n), set: make([]int32, n),
		first: make([]int32, n+1), past: make([]int32, n+1), marked: make([]int32, n+1)}
	for i := range p.elements {
		p.elements[i], p.location[i] = int32(i), int32(i)
	}
	if n > 0 {
		p.sets, p.past[0] = 1, int32(n)
	}
	return p
}

// group makes a set of the elements of each label.
func (p *partition) group(label []int32) {
	var begins [257]int32 // labels are classes of bytes
	for _, c := range label {
		begins[c+1]++
	}
	for c := range 256 {
		begins[c+1] += begins[c]
	}
	for e, c := range label {
		p.elements[begins[c]] = int32(e)
		begins[c]++
	}
	p.sets = 0
	for i, e := range p.elements {
		if i == 0 || label[e] != label[p.elements[i-1]] {
			if p.sets > 0 {
				p.past[p.sets-1] = int32(i)
			}
			p.first[p.sets] = int32(i)
			p.sets++
		}
		p.set[e], p.location[e] = p.sets-1, int32(i)
	}
	if p.sets > 0 {
		p.past[p.sets-1] = int32(len(p.elements))
	}
}

func (p *partition) mark(e int32) {
	s := p.set[e]
	i, j := p.location[e], p.first[s]+p.marked[s]
	if i < j {
		return // marked already
	}
	p.elements[i] = p.elements[j]
	p.location[p.elements[i]] = i
	p.elements[j], p.location[e] = e, j
	if p.marked[s] == 0 {
		p.touched = append(p.touched, s)
	}
	p.marked[s]++
}

// split makes a new set of the smaller half of each that is marked in part.
func (p *partition) split() {
	for _, s := range p.touched {
		j := p.first[s] + p.marked[s]
		marked := p.marked[s]
		p.marked[s] = 0
		if j == p.past[s] {
			continue
		}
		z := p.sets
		if marked <= p.past[s]-j {
			p.first[z], p.past[z], p.first[s] = p.first[s], j, j
		} else {
			p.first[z], p.past[z], p.past[s] = j, p.past[s], j
		}
		for i := p.first[z]; i < p.past[z]; i++ {
			p.set[p.elements[i]] = z
		}
		p.sets++
	}
	p.touched = p.touched[:0]
}
