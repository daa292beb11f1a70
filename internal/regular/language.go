package regular

import "slices"

// Language is a set of texts. It is immutable and may be shared; the zero value
// is the empty set.
type Language struct{ d *dfa }

// least is the language with its automaton in canonical form.
func (l Language) least() Language {
	if l.d == nil || !l.d.loose {
		return l
	}
	d := l.d.least.Load()
	if d == nil {
		d = l.d.merge(l.d.equivalent()).renumber() // two at once make the same
		l.d.least.Store(d)
	}
	return Language{d}
}

// IsEmpty reports whether no text is in the language.
func (l Language) IsEmpty() bool { return l.d == nil }

// Contains reports whether a text is in the language.
func (l Language) Contains(text string) bool {
	s := l.d.start()
	if s < 0 {
		return false
	}
	s = l.d.walk(s, text)
	return s >= 0 && l.d.accept[s]
}

// Begins reports whether some text of the language begins with a prefix.
func (l Language) Begins(prefix string) bool {
	s := l.d.start()
	return s >= 0 && l.d.walk(s, prefix) >= 0
}

// Equal reports whether two languages hold the same texts.
func (l Language) Equal(m Language) bool {
	if l.d == m.d {
		return true
	}
	l, m = l.least(), m.least()
	if l.d == nil || m.d == nil || !slices.Equal(l.d.accept, m.d.accept) {
		return false
	}
	return slices.EqualFunc(l.d.edges, m.d.edges, func(a, b []edge) bool { return slices.Equal(a, b) })
}

// States is how many states the smallest automaton of the language has.
func (l Language) States() int {
	if l = l.least(); l.d == nil {
		return 0
	}
	return len(l.d.edges)
}

// After is what may follow a prefix: the texts t for which prefix+t is in the
// language.
func (l Language) After(prefix string) Language {
	l = l.least()
	s := l.d.start()
	if s < 0 {
		return Language{}
	}
	s = l.d.walk(s, prefix)
	if s < 0 {
		return Language{}
	}
	return l.from(s)
}

// from is what is accepted from a state on.
func (l Language) from(s int32) Language {
	if s == 0 {
		return l
	}
	seen := reach(len(l.d.edges), []int32{s}, func(s int32, visit func(int32)) {
		for _, e := range l.d.edges[s] {
			visit(e.to)
		}
	})
	// States stay minimal when others go: only their numbers change.
	number, order := make([]int32, len(seen)), []int32{s}
	for i := range number {
		number[i] = -1
	}
	number[s] = 0
	for i, ok := range seen {
		if ok && int32(i) != s {
			number[i] = int32(len(order))
			order = append(order, int32(i))
		}
	}
	out := &dfa{edges: make([][]edge, len(order)), accept: make([]bool, len(order))}
	for i, old := range order {
		out.accept[i] = l.d.accept[old]
		for _, e := range l.d.edges[old] {
			out.edges[i] = append(out.edges[i], edge{e.lo, e.hi, number[e.to]})
		}
	}
	return Language{out.renumber()}
}

// IsFinite reports whether the language holds finitely many texts.
func (l Language) IsFinite() bool {
	_, finite := l.heights()
	return finite
}

// heights are, for a finite language, how long the longest text from each state
// is.
func (l Language) heights() (height []int, finite bool) {
	if l.d == nil {
		return nil, true
	}
	const open, unknown = -2, -1
	height = make([]int, len(l.d.edges))
	for i := range height {
		height[i] = unknown
	}
	type frame struct {
		state int32
		next  int
	}
	stack := []frame{{0, 0}}
	height[0] = open
	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		if f.next == len(l.d.edges[f.state]) {
			best := 0
			for _, e := range l.d.edges[f.state] {
				best = max(best, height[e.to]+1)
			}
			height[f.state] = best
			stack = stack[:len(stack)-1]
			continue
		}
		to := l.d.edges[f.state][f.next].to
		f.next++
		switch height[to] {
		case open:
			return nil, false
		case unknown:
			height[to] = open
			stack = append(stack, frame{to, 0})
		}
	}
	return height, true
}

// Words are all texts of the language, in the order of bytes, if there are at
// most so many.
func (l Language) Words(atMost int) (words []string, all bool) {
	if _, finite := l.heights(); !finite {
		return nil, false
	}
	if l.d == nil {
		return nil, true
	}
	var walk func(s int32, prefix []byte) bool
	walk = func(s int32, prefix []byte) bool {
		if l.d.accept[s] {
			if len(words) == atMost {
				return false
			}
			words = append(words, string(prefix))
		}
		for _, e := range l.d.edges[s] {
			for c := int(e.lo); c <= int(e.hi); c++ {
				if !walk(e.to, append(prefix, byte(c))) {
					return false
				}
			}
		}
		return true
	}
	if !walk(0, nil) {
		return nil, false
	}
	return words, true
}

// Word is the text of a language that holds one.
func (l Language) Word() (word string, ok bool) {
	words, ok := l.Words(1)
	if !ok || len(words) == 0 {
		return "", false
	}
	return words[0], true
}
