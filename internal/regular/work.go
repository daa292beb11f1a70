package regular

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrTooLarge is the error of a Work whose states are used up.
var ErrTooLarge = errors.New("too large: the patterns have more states between them than are allowed")

// Work is what a question may cost. It makes languages and counts the states
// that this takes, one with many edges as several; once they are used up, Err is ErrTooLarge, and no language it
// has made, or says is empty, may be believed. It is for one goroutine.
type Work struct {
	left     int
	err      error
	patterns map[string]Language // :: tokens, spelled out → what they match: the same are asked for again and again
}

// NewWork is a Work of so many states.
func NewWork(states int) *Work { return &Work{left: states} }

// Err is ErrTooLarge if the Work was not enough, else nil.
func (w *Work) Err() error { return w.err }

// spend takes states from the Work; false if there are none left.
func (w *Work) spend(states int) bool {
	w.left -= states
	if w.left < 0 {
		w.err = ErrTooLarge
	}
	return w.err == nil
}

// Text is every text: valid UTF-8 without NUL.
func Text() Language { return text }

// Literal is one text.
func Literal(word string) Language { return literal(word) }

func literal(word string) Language {
	d := &dfa{edges: make([][]edge, len(word)+1), accept: make([]bool, len(word)+1)}
	for i := range len(word) {
		d.edges[i] = []edge{{word[i], word[i], int32(i + 1)}}
	}
	d.accept[len(word)] = true
	return Language{d}
}

// OneOf is the set of some texts.
func OneOf(words ...string) Language {
	d := &dfa{edges: [][]edge{nil}, accept: []bool{false}}
	for _, word := range words {
		s := int32(0)
		for i := range len(word) {
			next := d.step(s, word[i])
			if next < 0 {
				next = int32(len(d.edges))
				d.edges, d.accept = append(d.edges, nil), append(d.accept, false)
				at, _ := slices.BinarySearchFunc(d.edges[s], word[i], func(e edge, c byte) int { return int(e.lo) - int(c) })
				d.edges[s] = slices.Insert(d.edges[s], at, edge{word[i], word[i], next})
			}
			s = next
		}
		d.accept[s] = true
	}
	return Language{d.canonical()}
}

// TokenKind says what a Token stands for.
type TokenKind uint8

const (
	Exactly TokenKind = iota // its text
	AnyRun                   // '*': any characters, none included
	AnyChar                  // '?': exactly one character
	AnyCase                  // its text, whatever the case of its letters (strings.EqualFold)
)

// Token is a piece of a pattern.
type Token struct {
	Kind TokenKind
	Text string
}

// Pattern is what a pattern matches. One that has a NUL or is not valid UTF-8
// matches nothing.
func (w *Work) Pattern(tokens ...Token) Language {
	for _, t := range tokens {
		if !utf8.ValidString(t.Text) || strings.Contains(t.Text, "\x00") {
			return Language{}
		}
	}
	if len(tokens) == 1 && tokens[0].Kind == Exactly {
		return literal(tokens[0].Text)
	}
	key := patternKey(tokens)
	if known, ok := w.patterns[key]; ok && w.err == nil {
		return known
	}
	n := newNFA()
	at := n.state()
	start := at
	for i, t := range tokens {
		switch t.Kind {
		case AnyRun:
			if i == 0 || tokens[i-1].Kind != AnyRun { // "**" is "*"
				at = n.run(at)
			}
		case AnyChar:
			at = n.character(at)
		case Exactly:
			at = n.literal(at, t.Text)
		case AnyCase:
			for _, r := range t.Text {
				at = n.foldedRune(at, r)
			}
		}
	}
	n.accept[at] = true
	l := w.determinize(n, []int32{start})
	if w.patterns == nil {
		w.patterns = map[string]Language{}
	}
	if w.err == nil {
		w.patterns[key] = l
	}
	return l
}

// patternKey spells tokens out: no text has a NUL.
func patternKey(tokens []Token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte(byte(t.Kind))
		b.WriteString(t.Text)
		b.WriteByte(0)
	}
	return b.String()
}

// Wildcard is Pattern of a text in which * and ? are wildcards.
func (w *Work) Wildcard(pattern string) Language {
	var tokens []Token
	begin := 0
	for i := range len(pattern) {
		if c := pattern[i]; c == '*' || c == '?' {
			tokens = append(tokens, Token{Text: pattern[begin:i]}, Token{Kind: map[byte]TokenKind{'*': AnyRun, '?': AnyChar}[c]})
			begin = i + 1
		}
	}
	return w.Pattern(append(tokens, Token{Text: pattern[begin:]})...)
}

// Union is what is in any of the languages.
func (w *Work) Union(languages ...Language) Language {
	// Two by two: each automaton takes part in few products.
	for len(languages) > 1 {
		var half []Language
		for i := 0; i < len(languages); i += 2 {
			if i+1 == len(languages) {
				half = append(half, languages[i])
				break
			}
			half = append(half, w.product(languages[i], languages[i+1], either))
		}
		languages = half
	}
	if len(languages) == 0 {
		return Language{}
	}
	return languages[0]
}

// Intersect is what is in all of the languages; of none, Text.
func (w *Work) Intersect(languages ...Language) Language {
	if len(languages) == 0 {
		return text
	}
	l := languages[0]
	for _, m := range languages[1:] {
		l = w.product(l, m, both)
	}
	return l
}

// Subtract is what is in l and not in m.
func (w *Work) Subtract(l, m Language) Language { return w.product(l, m, butNot) }

// Complement is the text that is not in l.
func (w *Work) Complement(l Language) Language { return w.Subtract(text, l) }

// Within reports whether all of l is in m.
func (w *Work) Within(l, m Language) bool { return !w.holds(l, m, butNot) && w.err == nil }

// Overlap reports whether some text is in both. It may say so wrongly once the
// Work has failed.
func (w *Work) Overlap(l, m Language) bool { return w.holds(l, m, both) || w.err != nil }

type combine uint8

const (
	either combine = iota
	both
	butNot
)

func (c combine) accepts(l, m bool) bool {
	switch c {
	case either:
		return l || m
	case both:
		return l && m
	}
	return l && !m
}

// trivial answers where one side decides.
func (c combine) trivial(l, m Language) (Language, bool) {
	switch {
	case l.IsEmpty() && c == either:
		return m, true
	case l.IsEmpty():
		return Language{}, true
	case m.IsEmpty() && c == both:
		return Language{}, true
	case m.IsEmpty():
		return l, true
	case l.d == m.d && c == butNot:
		return Language{}, true
	case l.d == m.d:
		return l, true
	}
	return Language{}, false
}

// pair is a state of each of two automata.
type pair struct{ l, m int32 }

// holds reports whether the product holds a text, and makes no more of it than
// that takes.
func (w *Work) holds(l, m Language, c combine) bool {
	if out, ok := c.trivial(l, m); ok || w.err != nil {
		return w.err == nil && !out.IsEmpty()
	}
	seen := newPairs(l.d, m.d)
	seen.add(pair{0, 0})
	found := false
	for i := 0; i < len(seen.order) && !found && w.spend(1); i++ {
		p := seen.order[i]
		// Every state leads to an accepting one.
		found = c == butNot && p.m < 0 || c.accepts(l.d.accept[p.l], p.m >= 0 && m.d.accept[p.m])
		eachPair(l.d.edges[p.l], m.d.edgesOf(p.m), func(_, _ byte, a, b int32) {
			if a >= 0 && (c == butNot || b >= 0) {
				seen.add(pair{a, b})
			}
		})
	}
	return found
}

// product walks both automata at once. Its automaton is loose: where it is only
// asked whether anything is in it, or in it and another, that is enough.
func (w *Work) product(l, m Language, c combine) Language {
	if out, ok := c.trivial(l, m); ok || w.err != nil {
		return out
	}
	l, m = l.least(), m.least()
	pairs := newPairs(l.d, m.d)
	pairs.add(pair{0, 0})
	d := &dfa{}
	var edges []edge // of all states, one after the other
	for i := 0; i < len(pairs.order); i++ {
		if !w.spend(1) {
			return Language{}
		}
		p := pairs.order[i]
		d.accept = append(d.accept, c.accepts(p.l >= 0 && l.d.accept[p.l], p.m >= 0 && m.d.accept[p.m]))
		begin := len(edges)
		eachPair(l.d.edgesOf(p.l), m.d.edgesOf(p.m), func(lo, hi byte, a, b int32) {
			if c == both && (a < 0 || b < 0) || c == butNot && a < 0 {
				return
			}
			to := pairs.add(pair{a, b})
			if last := len(edges) - 1; last >= begin && edges[last].to == to && edges[last].hi+1 == lo {
				edges[last].hi = hi
				return
			}
			edges = append(edges, edge{lo, hi, to})
		})
		d.edges = append(d.edges, edges[begin:len(edges):len(edges)])
		w.spend((len(edges) - begin) / 8) // so are many edges
	}
	if w.err != nil {
		return Language{}
	}
	d = d.trim()
	if d != nil {
		d.loose = true
	}
	return Language{d}
}

// canonical is the language of an automaton that took no more than there was.
func (w *Work) canonical(d *dfa) Language {
	if w.err != nil {
		return Language{}
	}
	return Language{d.canonical()}
}

// pairs numbers the pairs of states that two automata can be in at once.
type pairs struct {
	order  []pair
	width  int
	table  []int32 // :: pair → its number and one, 0 if it has none; where that is small
	number map[pair]int32
}

const maxPairTable = 1 << 14

func newPairs(l, m *dfa) *pairs {
	p := &pairs{width: len(m.edges) + 1}
	if n := (len(l.edges) + 1) * p.width; n <= maxPairTable {
		p.table = make([]int32, n)
	} else {
		p.number = map[pair]int32{}
	}
	return p
}

// add is the number of a pair, a new one if it has none.
func (p *pairs) add(next pair) int32 {
	fresh := int32(len(p.order))
	if p.table != nil {
		at := &p.table[int(next.l+1)*p.width+int(next.m+1)]
		if *at > 0 {
			return *at - 1
		}
		*at = fresh + 1
	} else {
		if id, ok := p.number[next]; ok {
			return id
		}
		p.number[next] = fresh
	}
	p.order = append(p.order, next)
	return fresh
}

func (d *dfa) edgesOf(s int32) []edge {
	if s < 0 {
		return nil
	}
	return d.edges[s]
}

// eachPair cuts two lists of edges along each other's bounds: f is told where
// each range of bytes leads, -1 being nowhere, unless it leads nowhere in both.
func eachPair(a, b []edge, f func(lo, hi byte, a, b int32)) {
	for at, i, j := 0, 0, 0; at < 256; {
		for i < len(a) && int(a[i].hi) < at {
			i++
		}
		for j < len(b) && int(b[j].hi) < at {
			j++
		}
		end, ta, tb := 256, int32(-1), int32(-1)
		if i < len(a) {
			end, ta = bound(a[i], at, end)
		}
		if j < len(b) {
			end, tb = bound(b[j], at, end)
		}
		if ta >= 0 || tb >= 0 {
			f(byte(at), byte(end-1), ta, tb)
		}
		at = end
	}
}

// bound is where the range that begins at a byte ends at the latest, seen from
// one edge, and where the edge leads if it covers the byte.
func bound(e edge, at, end int) (int, int32) {
	if int(e.lo) > at {
		return min(end, int(e.lo)), -1
	}
	return min(end, int(e.hi)+1), e.to
}

// text is all valid UTF-8 without NUL (RFC 3629 §4).
var text = func() Language {
	n := newNFA()
	s := n.state()
	n.accept[s] = true
	n.characterTo(s, s)
	return NewWork(100).determinize(n, []int32{s})
}()

// run leads to a new state by any characters, none included.
func (n *nfa) run(from int32) int32 {
	at := n.state()
	n.skip(from, at)
	n.characterTo(at, at)
	n.runs = append(n.runs, run{at, int32(len(n.edges))})
	to := n.state() // what follows must not loop back
	n.skip(at, to)
	return to
}

// foldedRune is a character in any of its cases.
func (n *nfa) foldedRune(from int32, r rune) int32 {
	to := n.state()
	for c := r; ; {
		var b [utf8.UTFMax]byte
		at := from
		size := utf8.EncodeRune(b[:], c)
		for i := range size {
			next := to
			if i < size-1 {
				next = n.state()
			}
			n.edge(at, next, b[i], b[i])
			at = next
		}
		if c = unicode.SimpleFold(c); c == r {
			return to
		}
	}
}
