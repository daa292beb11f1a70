package regular

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expression is a regular expression that is exact within the universe, if there
// is a short one.
func (d *describer) expression() (string, bool) {
	m, ok := d.machine()
	if !ok {
		return "", false
	}
	m.merge()
	if len(m.kept) > maxRegexpLen/2 {
		return "", false // it would hardly be short
	}
	m.complete()
	inner, ok := m.expression()
	if !ok {
		return "", false
	}
	for _, form := range []string{"^%s$", "(?s)^%s$"} { // a newline is seldom in a universe
		e := fmt.Sprintf(form, inner)
		l, err := d.Regexp(e)
		if err == nil && d.Intersect(l, d.universe).Equal(d.l) && d.err == nil {
			return e, true
		}
	}
	return "", false
}

// machine is an automaton over classes of characters, which need not answer for
// every text.
type machine struct {
	classes [][]runeRange
	to      [][]int32 // :: state, class → state; -1 where the universe does not go
	answer  []answer
	parent  []int32 // :: state → the one it has been merged into, itself if none
	kept    []int32 // the states that are left, the start first
}

type answer uint8

const (
	no answer = iota
	yes
	unasked // no text of the universe ends there
)

// maxMachine is how many states a machine may have: merging looks at pairs.
const maxMachine = 500

// machine walks the language and the universe at once.
func (d *describer) machine() (*machine, bool) {
	l, u := newRuneWalk(d.l.d), newRuneWalk(d.universe.d)
	number := map[pair]int32{{0, 0}: 0}
	order := []pair{{0, 0}}
	type cut struct {
		runeRange
		to int32
	}
	var cuts [][]cut
	begins := []rune{1}
	m := &machine{}
	for i := 0; i < len(order); i++ {
		if i == maxMachine {
			return nil, false
		}
		p := order[i]
		switch {
		case !d.universe.d.accept[p.m]:
			m.answer = append(m.answer, unasked)
		case p.l >= 0 && d.l.d.accept[p.l]:
			m.answer = append(m.answer, yes)
		default:
			m.answer = append(m.answer, no)
		}
		var list []cut
		eachRunePair(l.from(p.l), u.from(p.m), func(lo, hi rune, a, b int32) {
			next := pair{a, b}
			if _, known := number[next]; !known {
				number[next] = int32(len(order))
				order = append(order, next)
			}
			list = append(list, cut{runeRange{lo, hi}, number[next]})
			begins = append(begins, lo, hi+1)
		})
		cuts = append(cuts, list)
	}
	slices.Sort(begins)
	begins = slices.Compact(begins)
	like := map[string]int{}
	m.to = make([][]int32, len(order))
	for i, lo := range begins {
		hi := rune(utf8.MaxRune)
		if i+1 < len(begins) {
			hi = begins[i+1] - 1
		}
		if lo > hi {
			continue
		}
		column := make([]int32, len(order))
		for s, list := range cuts {
			column[s] = -1
			if at, ok := slices.BinarySearchFunc(list, lo, func(c cut, r rune) int {
				switch {
				case c.hi < r:
					return -1
				case c.lo > r:
					return 1
				}
				return 0
			}); ok {
				column[s] = list[at].to
			}
		}
		key := fmt.Sprint(column)
		id, ok := like[key]
		if !ok {
			id = len(m.classes)
			like[key] = id
			m.classes = append(m.classes, nil)
			for s, to := range column {
				m.to[s] = append(m.to[s], to)
			}
		}
		m.classes[id] = append(m.classes[id], runeRange{lo, hi})
	}
	return m, true
}

// eachRunePair tells f where each range of characters leads in the language, -1
// being nowhere, and in the universe.
func eachRunePair(l, u []runeEdge, f func(lo, hi rune, a, b int32)) {
	for _, e := range u {
		at := e.lo
		for _, g := range l {
			if g.hi < at || g.lo > e.hi {
				continue
			}
			if g.lo > at {
				f(at, g.lo-1, -1, e.to)
				at = g.lo
			}
			end := min(g.hi, e.hi)
			f(at, end, g.to, e.to)
			at = end + 1
		}
		if at <= e.hi {
			f(at, e.hi, -1, e.to)
		}
	}
}

// runeWalk reads the bytes of an automaton as characters.
type runeWalk struct {
	*dfa
	edges map[int32][]runeEdge
	tails map[pair][]runeEdge // :: state, bytes to come → what they lead to
}

type runeEdge struct {
	lo, hi rune
	to     int32
}

func newRuneWalk(d *dfa) *runeWalk {
	return &runeWalk{d, map[int32][]runeEdge{}, map[pair][]runeEdge{}}
}

// from are the edges from a state that is at the beginning of a character.
func (r *runeWalk) from(s int32) []runeEdge {
	if s < 0 {
		return nil
	}
	if edges, ok := r.edges[s]; ok {
		return edges
	}
	var edges []runeEdge
	for _, e := range r.dfa.edges[s] {
		for c := rune(e.lo); c <= rune(e.hi); c++ {
			switch {
			case c < 0x80:
				edges = appendRuneEdge(edges, runeEdge{c, c, e.to})
			case c < 0xE0:
				edges = r.shifted(edges, e.to, 1, c&0x1F)
			case c < 0xF0:
				edges = r.shifted(edges, e.to, 2, c&0x0F)
			default:
				edges = r.shifted(edges, e.to, 3, c&0x07)
			}
		}
	}
	r.edges[s] = edges
	return edges
}

// shifted appends what so many bytes more lead to, behind the bits of those
// before.
func (r *runeWalk) shifted(edges []runeEdge, s int32, left int32, bits rune) []runeEdge {
	bits <<= 6 * left
	for _, e := range r.tail(s, left) {
		edges = appendRuneEdge(edges, runeEdge{bits | e.lo, bits | e.hi, e.to})
	}
	return edges
}

func (r *runeWalk) tail(s int32, left int32) []runeEdge {
	if left == 0 {
		return []runeEdge{{0, 0, s}}
	}
	key := pair{s, left}
	if edges, ok := r.tails[key]; ok {
		return edges
	}
	var edges []runeEdge
	for _, e := range r.dfa.edges[s] {
		for c := rune(e.lo); c <= rune(e.hi); c++ {
			edges = r.shifted(edges, e.to, left-1, c&0x3F)
		}
	}
	r.tails[key] = edges
	return edges
}

// appendRuneEdge joins edges that lie side by side, or with nothing but surrogates
// between.
func appendRuneEdge(edges []runeEdge, e runeEdge) []runeEdge {
	if n := len(edges); n > 0 && edges[n-1].to == e.to && (edges[n-1].hi+1 == e.lo || edges[n-1].hi == 0xD7FF && e.lo == 0xE000) {
		edges[n-1].hi = e.hi
		return edges
	}
	return append(edges, e)
}

// merge makes one of states that no text of the universe tells apart, as far as
// it meets them in the order of the walk. The smallest machine would be hard to
// find: it has don't-cares.
//
// (K. Lang, B. Pearlmutter, R. Price, "Results of the Abbadingo One DFA learning
// competition", ICGI 1998: red states are kept, blue ones are their successors.)
func (m *machine) merge() {
	m.parent = make([]int32, len(m.to))
	for s := range m.parent {
		m.parent[s] = int32(s)
	}
	m.kept = []int32{0}
	for {
		blue := int32(-1)
		for _, s := range m.kept {
			for _, to := range m.to[s] {
				if to >= 0 && blue < 0 && !slices.Contains(m.kept, m.find(to)) {
					blue = m.find(to)
				}
			}
		}
		if blue < 0 {
			return
		}
		if !slices.ContainsFunc(m.kept, func(s int32) bool { return m.fold(s, blue) }) {
			m.kept = append(m.kept, blue)
		}
	}
}

func (m *machine) find(s int32) int32 {
	for m.parent[s] != s {
		s = m.parent[s]
	}
	return s
}

// fold makes one state of two, and of those that the same text leads to from
// both. false, and nothing is done, if some would answer otherwise.
func (m *machine) fold(s, t int32) bool {
	var undo []func()
	todo := []pair{{s, t}}
	for len(todo) > 0 {
		a, b := m.find(todo[0].l), m.find(todo[0].m)
		todo = todo[1:]
		if a == b {
			continue
		}
		if slices.Contains(m.kept, b) {
			a, b = b, a
		}
		if m.answer[a]+m.answer[b] == no+yes || slices.Contains(m.kept, b) {
			for _, f := range slices.Backward(undo) {
				f()
			}
			return false
		}
		was := m.answer[a]
		undo = append(undo, func() { m.parent[b], m.answer[a] = b, was })
		m.parent[b], m.answer[a] = a, min(m.answer[a], m.answer[b])
		for c, to := range m.to[b] {
			switch at := m.to[a][c]; {
			case to < 0:
			case at < 0:
				undo = append(undo, func() { m.to[a][c] = -1 })
				m.to[a][c] = to
			default:
				todo = append(todo, pair{at, to})
			}
		}
	}
	return true
}

// complete answers where nobody asks: no, and a character the universe does not
// have there leads where most lead.
func (m *machine) complete() {
	number := map[int32]int32{}
	for i, s := range m.kept {
		number[s] = int32(i)
	}
	to, answers := make([][]int32, len(m.kept)), make([]answer, len(m.kept))
	for i, s := range m.kept {
		answers[i] = no
		if m.answer[s] == yes {
			answers[i] = yes
		}
		most, usual := 0, int32(-1)
		weight := map[int32]int{}
		for c, next := range m.to[s] {
			if next < 0 {
				continue
			}
			at := number[m.find(next)]
			for _, r := range m.classes[c] {
				weight[at] += int(r.hi-r.lo) + 1
			}
			if weight[at] > most {
				most, usual = weight[at], at
			}
		}
		for _, next := range m.to[s] {
			at := usual
			if next >= 0 {
				at = number[m.find(next)]
			}
			to[i] = append(to[i], at)
		}
	}
	m.to, m.answer = to, answers
}

// expression is the shorter of what two orders of eliminating the states give.
func (m *machine) expression() (string, bool) {
	n := len(m.to)
	into := make([][]int32, n)
	var ends []int32
	for s, row := range m.to {
		for _, t := range row {
			if t >= 0 {
				into[t] = append(into[t], int32(s))
			}
		}
		if m.answer[s] == yes {
			ends = append(ends, int32(s))
		}
	}
	useful := reach(n, ends, func(s int32, visit func(int32)) {
		for _, from := range into[s] {
			visit(from)
		}
	})
	best := ""
	for _, last := range []bool{false, true} {
		g := m.graph(useful)
		for len(g.left) > 0 && g.length() < 100*maxRegexpLen {
			g.eliminate(g.next(last))
		}
		if e := g.between[n][n+1]; len(g.left) == 0 && e != nil && (best == "" || len(e.grouped()) < len(best)) {
			best = e.grouped()
		}
	}
	return best, best != "" && len(best) <= maxRegexpLen
}

// graph is an automaton whose edges bear expressions. The last two states are
// its start and its end.
type graph struct {
	between [][]*expression
	left    []int
}

func (m *machine) graph(useful []bool) *graph {
	n := len(m.to)
	g := &graph{between: make([][]*expression, n+2)}
	for i := range g.between {
		g.between[i] = make([]*expression, n+2)
	}
	for s, row := range m.to {
		if !useful[s] {
			continue
		}
		g.left = append(g.left, s)
		by := map[int32][]runeRange{}
		for c, t := range row {
			if t >= 0 && useful[t] {
				by[t] = append(by[t], m.classes[c]...)
			}
		}
		for t, ranges := range by {
			g.between[s][t] = &expression{class(ranges), atom}
		}
		if m.answer[s] == yes {
			g.between[s][n+1] = &expression{"", sequence}
		}
	}
	g.between[n][0] = &expression{"", sequence}
	return g
}

func (g *graph) length() int {
	n := 0
	for _, row := range g.between {
		for _, e := range row {
			if e != nil {
				n += len(e.text)
			}
		}
	}
	return n
}

// next is the state to eliminate: the last of the walk, or the one that makes
// least of it.
func (g *graph) next(last bool) int {
	if last {
		return g.left[len(g.left)-1]
	}
	return slices.MinFunc(g.left, func(a, b int) int { return cmp.Compare(g.weight(a), g.weight(b)) })
}

func (g *graph) weight(k int) int {
	in, out, inText, outText := 0, 0, 0, 0
	for i := range g.between {
		if e := g.between[i][k]; e != nil && i != k {
			in, inText = in+1, inText+len(e.text)
		}
		if e := g.between[k][i]; e != nil && i != k {
			out, outText = out+1, outText+len(e.text)
		}
	}
	weight := in*outText + out*inText
	if e := g.between[k][k]; e != nil {
		weight += in * out * len(e.text)
	}
	return weight
}

// eliminate takes a state out: what went through it goes directly.
func (g *graph) eliminate(k int) {
	loop := g.between[k][k]
	for i := range g.between {
		for j := range g.between {
			in, out := g.between[i][k], g.between[k][j]
			if i == k || j == k || in == nil || out == nil {
				continue
			}
			g.between[i][j] = or(g.between[i][j], then(repeated(in, loop), out))
		}
	}
	for i := range g.between {
		g.between[i][k], g.between[k][i] = nil, nil
	}
	g.left = slices.DeleteFunc(g.left, func(s int) bool { return s == k })
}

// expression is a regular expression; nil matches nothing.
type expression struct {
	text string
	form form
}

type form uint8

const (
	atom        form = iota // a character, a class, a group
	sequence                // also the empty one, and what bears ?, * or +
	alternative             // has a | outside groups
)

// grouped is the expression as it can stand in a sequence.
func (e *expression) grouped() string {
	if e.form == alternative {
		return "(" + e.text + ")"
	}
	return e.text
}

// with is the expression with ?, * or + behind it.
func (e *expression) with(suffix string) *expression {
	if e.text == "" {
		return e
	}
	if e.form != atom {
		return &expression{"(" + e.text + ")" + suffix, sequence}
	}
	return &expression{e.text + suffix, sequence}
}

func or(a, b *expression) *expression {
	switch {
	case a == nil || b != nil && a.text == b.text:
		return b
	case b == nil:
		return a
	case a.text == "":
		return b.optional()
	case b.text == "":
		return a.optional()
	}
	return &expression{a.text + "|" + b.text, alternative}
}

func (e *expression) optional() *expression {
	if body, ok := strings.CutSuffix(e.text, "+"); ok && e.form == sequence && single(body) {
		return &expression{body + "*", sequence}
	}
	return e.with("?")
}

// single reports whether a text is one class, group or character.
func single(text string) bool {
	switch {
	case strings.HasPrefix(text, "["):
		return strings.Count(text, "[") == 1 && strings.HasSuffix(text, "]") && !strings.Contains(text, `\`)
	case strings.HasPrefix(text, "("):
		return strings.Count(text, "(") == 1 && strings.HasSuffix(text, ")")
	}
	return utf8.RuneCountInString(text) == 1
}

func then(a, b *expression) *expression {
	if a.text == "" {
		return b
	}
	if b.text == "" {
		return a
	}
	// [x][x]* is [x]+.
	if i := strings.IndexByte(b.text, ']') + 1; b.form == sequence && b.text[0] == '[' && strings.HasPrefix(b.text[i:], "*") &&
		strings.HasSuffix(a.grouped(), b.text[:i]) && !strings.HasSuffix(a.text, `\`+b.text[:i]) {
		return &expression{a.grouped() + "+" + b.text[i+1:], sequence}
	}
	return &expression{a.grouped() + b.grouped(), sequence}
}

// repeated is an expression and then any number of another.
func repeated(e, loop *expression) *expression {
	if loop == nil {
		return e
	}
	if e.text == loop.text {
		return e.with("+")
	}
	return then(e, loop.with("*"))
}

// class is any one of some characters, as an expression says it.
func class(ranges []runeRange) string {
	slices.SortFunc(ranges, func(a, b runeRange) int { return cmp.Compare(a.lo, b.lo) })
	var in, out []runeRange
	at := rune(1)
	for _, r := range ranges {
		if n := len(in); n > 0 && in[n-1].hi+1 == r.lo {
			in[n-1].hi = r.hi
		} else {
			if at < r.lo && (at != 0xD800 || r.lo != 0xE000) {
				out = append(out, runeRange{at, r.lo - 1})
			}
			in = append(in, r)
		}
		at = r.hi + 1
	}
	if at <= utf8.MaxRune {
		out = append(out, runeRange{at, utf8.MaxRune})
	}
	if len(out) == 0 {
		return "."
	}
	if len(in) == 1 && in[0].lo == in[0].hi {
		return escaped(in[0].lo, `\.+*?()|[]{}^$`)
	}
	if in[len(in)-1].hi == utf8.MaxRune {
		return "[^" + inClass(out) + "]"
	}
	return "[" + inClass(in) + "]"
}

// inClass is ranges as a class lists them: letters and digits by range, other
// printable characters one by one unless they are many, and the hyphen last.
func inClass(ranges []runeRange) string {
	var b strings.Builder
	hyphen := ""
	write := func(lo, hi rune) {
		if lo == '-' && hi == '-' {
			hyphen = "-"
			return
		}
		b.WriteString(escaped(lo, `\]^-[`))
		if hi > lo+1 {
			b.WriteByte('-')
		}
		if hi > lo {
			b.WriteString(escaped(hi, `\]^-[`))
		}
	}
	for _, r := range ranges {
		if r.hi-r.lo > 80 {
			write(r.lo, r.hi)
			continue
		}
		for lo := r.lo; lo <= r.hi; {
			hi := lo
			for hi < r.hi && kindOf(hi+1) == kindOf(lo) {
				hi++
			}
			if hi-lo < 8 && kindOf(lo) == '!' {
				hi = lo
			}
			write(lo, hi)
			lo = hi + 1
		}
	}
	return b.String() + hyphen
}

// kindOf tells apart the characters that a range had better not hold together.
func kindOf(r rune) rune {
	switch {
	case '0' <= r && r <= '9':
		return '0'
	case 'A' <= r && r <= 'Z':
		return 'A'
	case 'a' <= r && r <= 'z':
		return 'a'
	case 0x21 <= r && r <= 0x7E:
		return '!'
	}
	return 0
}

func escaped(r rune, special string) string {
	switch {
	case strings.ContainsRune(special, r):
		return `\` + string(r)
	case unicode.IsPrint(r):
		return string(r)
	}
	return fmt.Sprintf(`\x{%x}`, r)
}
