package regular

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Term is what a pattern matches in which * and ? are wildcards, less what some
// others match.
type Term struct {
	Pattern string
	Except  []string
}

// Description is a language in words that a person can read. It speaks of what is
// within a universe only: `*` is all of that.
type Description struct {
	// Exact: what is within the universe is in the language just if it is in one
	// of the Terms or, where there is a Regexp, if that matches. Otherwise the
	// Terms hold more than the language, and Examples are some of its texts.
	Exact    bool
	Terms    []Term
	Regexp   string // anchored; only where no few patterns are exact
	Examples []string
}

// What is still read at a glance.
const (
	maxWords     = 20  // of a finite set
	maxTerms     = 8   // patterns a language may be told in
	maxExcept    = 20  // patterns a term may except
	maxRegexpLen = 300 // characters
)

// describeStates is what may be spent on each kind of description before another
// must do.
const describeStates = 400_000

// Describe tells what a language holds within a universe. Hints are patterns that
// the reader knows already, and are preferred where they fit. What it says is
// exact has been compared with the language.
//
// It is for the reader's sake alone, so it has a budget of its own, and what is
// too much for that is no failure of the Work: the Description is then not exact.
// Nor is it of what a Work made that has failed.
func (w *Work) Describe(l, within Language, hints ...string) Description {
	d := describer{Work: NewWork(describeStates), universe: within.least()}
	d.l = d.Intersect(l, within).least()
	if w.err != nil || d.err != nil {
		return everything()
	}
	switch {
	case d.l.IsEmpty():
		return Description{Exact: true}
	case d.l.Equal(within):
		return Description{Exact: true, Terms: everything().Terms}
	}
	if word, ok := d.l.Word(); ok && !strings.ContainsAny(word, "*?") {
		return Description{Exact: true, Terms: []Term{{Pattern: word}}}
	}
	for _, h := range hints {
		m := d.Intersect(d.Wildcard(h), within)
		if d.err == nil && m.Equal(d.l) {
			return Description{Exact: true, Terms: []Term{{Pattern: h}}} // as the reader wrote it
		}
		if d.err == nil && !m.IsEmpty() {
			d.hints = append(d.hints, described{Term{Pattern: h}, m})
		}
	}
	d.fresh = freshByte(d.l.d, within.d)
	d.free = d.Complement(d.Subtract(within, d.l))
	terms, told := d.terms()
	if told && len(terms) <= maxTerms {
		return Description{Exact: true, Terms: terms}
	}
	d.Work = NewWork(describeStates)
	expression, ok := d.expression()
	switch {
	case ok && (!told || 4*len(expression) < length(terms)):
		return Description{Exact: true, Regexp: expression}
	case told:
		return Description{Exact: true, Terms: terms}
	}
	return d.inexact()
}

func everything() Description { return Description{Terms: []Term{{Pattern: "*"}}} }

// Language is what a Description says: all that its Terms hold or its Regexp
// matches, within the universe or not.
func (d Description) Language(w *Work) Language {
	if d.Regexp != "" {
		l, _ := w.Regexp(d.Regexp)
		return l
	}
	var all []Language
	for _, t := range d.Terms {
		all = append(all, w.term(t))
	}
	return w.Union(all...)
}

func (w *Work) term(t Term) Language {
	var except []Language
	for _, p := range t.Except {
		except = append(except, w.Wildcard(p))
	}
	return w.Subtract(w.Wildcard(t.Pattern), w.Union(except...))
}

// String is the description in one line. A text that could be misread there, or
// that a terminal would not show, is quoted.
func (d Description) String() string {
	between := ", "
	var terms []string
	for _, t := range d.Terms {
		s := shown([]string{t.Pattern})
		if len(t.Except) > 0 {
			s += " except " + shown(t.Except)
			between = "; "
		}
		terms = append(terms, s)
	}
	switch {
	case d.Regexp != "":
		return "regular expression " + d.Regexp
	case d.Exact && len(terms) == 0:
		return "nothing"
	case d.Exact:
		return strings.Join(terms, between)
	}
	s := "some of " + strings.Join(terms, between)
	if len(d.Examples) > 0 {
		s += ", for example " + shown(d.Examples)
	}
	return s
}

func shown(texts []string) string {
	var out []string
	for _, t := range texts {
		if t == "" || strings.ContainsFunc(t, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '"' || !unicode.IsPrint(r) }) {
			t = strconv.Quote(t)
		}
		out = append(out, t)
	}
	return strings.Join(out, ", ")
}

// length is how long a description is to read.
func length(terms []Term) int {
	n := 0
	for _, t := range terms {
		n += len(t.Pattern) + 2
		for _, p := range t.Except {
			n += len(p) + 2
		}
	}
	return n
}

// describer looks for descriptions.
//
// It guesses and then looks whether the guess is right: a guess is made with one
// byte in place of all that patterns do not tell apart (fresh), and a long run of
// it in place of every *.
type describer struct {
	*Work
	l, universe Language // l is within the universe
	free        Language // what may be said: the language, and what is outside the universe
	fresh       byte
	hints       []described
}

// described is a term and what it holds of the universe.
type described struct {
	Term
	l Language
}

// freshByte is a byte of printable ASCII that as many others as can be are like,
// in all states.
func freshByte(automata ...*dfa) byte {
	var column [256]uint64 // a hash: a collision makes a worse guess
	for _, d := range automata {
		if d == nil {
			continue
		}
		for _, edges := range d.edges {
			for c := range column {
				column[c] *= 0x9E3779B97F4A7C15
			}
			for _, e := range edges {
				for c := int(e.lo); c <= int(e.hi); c++ {
					column[c] += uint64(e.to) + 1
				}
			}
		}
	}
	like := map[uint64][]byte{}
	for c := byte(0x21); c < 0x7F; c++ {
		like[column[c]] = append(like[column[c]], c)
	}
	var best []byte
	for _, group := range like {
		if len(group) > len(best) || len(group) == len(best) && group[0] < best[0] {
			best = group
		}
	}
	for _, b := range best { // a letter, if there is one
		if 'a' <= b|0x20 && b|0x20 <= 'z' {
			return b
		}
	}
	return best[0]
}

// terms are an exact description in few patterns, the shortest of several.
func (d *describer) terms() ([]Term, bool) {
	var best []Term
	better := func(terms []Term) {
		if len(terms) > 0 && (best == nil || length(terms) < length(best)) && d.exact(terms) {
			best = terms
		}
	}
	if words, all := d.l.Words(maxWords); all {
		better(literals(words))
	}
	better(d.cover(d.around))
	excepts, odd := excepted(best)
	if best == nil || odd {
		better(d.cover(d.about))
	}
	if best == nil || excepts == 0 && len(best) > 1 {
		better(d.cover(d.inside))
	}
	return best, best != nil
}

// excepted is how many patterns terms except, and whether one of them counts
// characters.
func excepted(terms []Term) (n int, odd bool) {
	for _, t := range terms {
		n += len(t.Except)
		odd = odd || slices.ContainsFunc(t.Except, func(p string) bool { return strings.Contains(p, "?") })
	}
	return n, odd
}

// literals are terms of a word each; nil if one cannot be said so.
func literals(words []string) []Term {
	var terms []Term
	for _, word := range words {
		if strings.ContainsAny(word, "*?") {
			return nil
		}
		terms = append(terms, Term{Pattern: word})
	}
	return terms
}

// exact reports whether terms hold what the language holds, and no guess was
// wrong.
func (d *describer) exact(terms []Term) bool {
	told := d.Intersect(Description{Terms: terms}.Language(d.Work), d.universe)
	return d.err == nil && told.Equal(d.l)
}

// cover makes terms until they hold all of the language. find is a term that is
// within it and holds something of what is left.
func (d *describer) cover(find func(left Language) (described, bool)) []Term {
	left := d.l
	var found []described
	for !left.IsEmpty() {
		next, ok := d.hinted(left)
		if !ok {
			next, ok = find(left)
		}
		if !ok || d.err != nil || len(found) == 2*maxTerms {
			return nil
		}
		found = append(found, next)
		left = d.Subtract(left, next.l)
	}
	found = d.needed(found)
	if len(found) > maxTerms || d.err != nil {
		return nil
	}
	var terms []Term
	for _, f := range found {
		terms = append(terms, f.Term)
	}
	slices.SortFunc(terms, func(a, b Term) int { return cmp.Compare(a.Pattern, b.Pattern) })
	return terms
}

// hinted is a hint that is within the language and holds something of what is
// left.
func (d *describer) hinted(left Language) (described, bool) {
	for _, h := range d.hints {
		if d.Overlap(h.l, left) && d.Within(h.l, d.l) {
			return h, true
		}
	}
	return described{}, false
}

// needed leaves out, longest first, the terms that the others hold.
func (d *describer) needed(found []described) []described {
	slices.SortStableFunc(found, func(a, b described) int { return cmp.Compare(length([]Term{b.Term}), length([]Term{a.Term})) })
	for i := 0; i < len(found); {
		var others []Language
		for j, f := range found {
			if j != i {
				others = append(others, f.l)
			}
		}
		if d.Within(found[i].l, d.Union(others...)) {
			found = slices.Delete(found, i, i+1)
		} else {
			i++
		}
	}
	return found
}

// around is a term with a pattern as wide as the language is by and large, less
// what the language lacks and no more.
func (d *describer) around(left Language) (described, bool) { return d.roughly(left, true) }

// about is around, but may except what is there too: that is for another term.
func (d *describer) about(left Language) (described, bool) { return d.roughly(left, false) }

func (d *describer) roughly(left Language, tight bool) (described, bool) {
	bones := d.skeleton(left)
	for _, by := range []Language{d.l, left} { // what is left is narrower
		pattern := d.widen(bones, func(p []Token) bool { return d.generic(by, p) })
		if d.Within(d.universe, d.within(pattern)) {
			pattern = []Token{{Kind: AnyRun}}
		}
		if t, ok := d.less(pattern, left, tight); ok {
			return t, true
		}
	}
	return described{}, false
}

// less is a term of a pattern and what it must except; false if that cannot be
// said, or leaves nothing of what is left.
func (d *describer) less(pattern []Token, left Language, tight bool) (described, bool) {
	if !sayable(pattern) {
		return described{}, false
	}
	if p, l, ok := d.narrowed(pattern, func(l Language) bool { return d.Within(l, d.free) }); ok && d.Overlap(l, left) {
		return described{Term{Pattern: spelled(p)}, d.Intersect(l, d.universe)}, true
	}
	best, ok := d.excepting(pattern, tight)
	if !ok {
		return described{}, false
	}
	if n := len(best.Except); n > 3 { // the shortest texts may be what it lacks
		for _, p := range longer(pattern) {
			if t, ok := d.excepting(p, tight); ok && len(t.Except) < min(len(best.Except), n-2) && d.Within(best.l, t.l) {
				best = t
			}
		}
	}
	return best, d.Overlap(best.l, left)
}

// excepting is a term of just that pattern.
func (d *describer) excepting(pattern []Token, tight bool) (described, bool) {
	whole := d.within(pattern)
	except, lacks, ok := d.exceptions(d.Subtract(whole, d.l), d.Intersect(whole, d.l), tight)
	return described{Term{spelled(pattern), except}, d.Subtract(whole, lacks)}, ok
}

// exceptions are patterns that hold all that is missing, and if they are to be
// tight, if possible, nothing of what is there.
func (d *describer) exceptions(missing, there Language, tight bool) (patterns []string, hold Language, ok bool) {
	for _, h := range d.hints {
		if d.Overlap(h.l, missing) && !d.Overlap(h.l, there) {
			patterns, hold, missing = append(patterns, h.Pattern), d.Union(hold, h.l), d.Subtract(missing, h.l)
		}
	}
	for !missing.IsEmpty() {
		if len(patterns) == maxExcept || d.err != nil {
			return nil, Language{}, false
		}
		p := d.widen(d.skeleton(missing), func(p []Token) bool { return d.generic(missing, p) })
		l := d.Pattern(p...)
		if tight {
			if q, m, ok := d.narrowed(p, func(l Language) bool { return !d.Overlap(l, there) }); ok {
				p, l = q, m
			}
		}
		if !sayable(p) || !d.Overlap(l, missing) {
			return nil, Language{}, false
		}
		patterns, hold, missing = append(patterns, spelled(p)), d.Union(hold, l), d.Subtract(missing, l)
	}
	slices.Sort(patterns)
	return patterns, hold, d.err == nil
}

// narrowed is a pattern of which all is well, or which becomes so if one run is
// not to be empty or shorter than a few characters.
func (d *describer) narrowed(p []Token, well func(Language) bool) ([]Token, Language, bool) {
	if !sayable(p) {
		return nil, Language{}, false
	}
	if l := d.Pattern(p...); d.err == nil && well(l) {
		return p, l, true
	}
	for _, q := range longer(p) {
		if l := d.Pattern(q...); d.err == nil && well(l) {
			return q, l, true
		}
	}
	return nil, Language{}, false
}

// longer are a pattern's forms in which one run is not to be shorter than some
// characters.
func longer(p []Token) (forms [][]Token) {
	for i, t := range p {
		for n := 1; n <= 6 && t.Kind == AnyRun; n++ {
			forms = append(forms, slices.Insert(slices.Clone(p), i, slices.Repeat([]Token{{Kind: AnyChar}}, n)...))
		}
	}
	return forms
}

// inside is a pattern that lacks nothing, made from one text of what is left.
func (d *describer) inside(left Language) (described, bool) {
	p := d.skeleton(left)
	well := func(p []Token) bool { return sayable(p) && d.Within(d.Pattern(p...), d.free) }
	for i := range p { // as narrow as need be
		if p[i].Kind != Exactly && !well(p) {
			p[i] = Token{Text: string([]byte{d.fresh})}
		}
	}
	if !well(p) || !d.Overlap(d.Pattern(p...), left) {
		return described{}, false
	}
	at := draft{bones: p, run: make([]bool, len(p)+1), gone: make([]bool, len(p))}
	l := d.Pattern(p...)
	wider := func() bool {
		q := at.tokens()
		m := d.Pattern(q...)
		if !sayable(q) || !d.Within(l, m) || !d.Within(m, d.free) {
			return false
		}
		l = m
		return true
	}
	at.set(at.run, true, wider)
	at.set(at.gone, true, wider)
	// What made it no wider makes it no clearer.
	l = d.Intersect(l, d.universe)
	same := func() bool { return d.Within(l, d.Pattern(at.tokens()...)) }
	at.restore(same)
	at.set(at.run, false, same)
	return described{Term{Pattern: spelled(at.tokens())}, l}, d.err == nil
}

// draft is a pattern in the making: a run may be put before each of its bones or
// behind the last, and any may be gone.
type draft struct {
	bones     []Token
	run, gone []bool
}

// set sets those flags that can be set so, one after the other, if all is well.
func (at *draft) set(flags []bool, to bool, well func() bool) {
	for i, was := range flags {
		if was != to {
			if flags[i] = to; !well() {
				flags[i] = was
			}
		}
	}
}

// restore brings back what is gone, from its ends, as long as all is well: no
// letter by itself between two runs.
func (at *draft) restore(well func() bool) {
	for i := range at.gone {
		if at.gone[i] && (i == 0 || !at.gone[i-1]) {
			at.gone[i] = false
			at.gone[i] = !well()
		}
	}
	for i := len(at.gone) - 1; i >= 0; i-- {
		if at.gone[i] && (i == len(at.gone)-1 || !at.gone[i+1]) {
			at.gone[i] = false
			at.gone[i] = !well()
		}
	}
}

func (at *draft) tokens() (p []Token) {
	run := Token{Kind: AnyRun}
	for i := 0; i <= len(at.bones); i++ {
		if at.run[i] && (len(p) == 0 || p[len(p)-1] != run) {
			p = append(p, run)
		}
		if i < len(at.bones) && !at.gone[i] && (at.bones[i] != run || len(p) == 0 || p[len(p)-1] != run) {
			p = append(p, at.bones[i])
		}
	}
	return p
}

// within is what a pattern holds of the universe.
func (d *describer) within(p []Token) Language { return d.Intersect(d.Pattern(p...), d.universe) }

// widen puts a * wherever it may stand, and leaves out what then need not.
func (d *describer) widen(p []Token, well func([]Token) bool) []Token {
	run := Token{Kind: AnyRun}
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i].Kind == AnyRun || i > 0 && p[i-1].Kind == AnyRun {
			continue
		}
		if q := slices.Insert(slices.Clone(p), i, run); well(q) {
			p = q
		}
	}
	for i := 0; i < len(p); {
		before, behind := i > 0 && p[i-1].Kind == AnyRun, i+1 < len(p) && p[i+1].Kind == AnyRun
		if p[i].Kind == AnyRun || !before && !behind {
			i++
			continue
		}
		q := slices.Delete(slices.Clone(p), i, i+1)
		if before && behind {
			q = slices.Delete(q, i, i+1)
		}
		if !well(q) {
			i++
			continue
		}
		p, i = q, max(i-1, 0)
	}
	return p
}

// generic reports whether a language holds what a pattern stands for by and
// large.
func (d *describer) generic(l Language, p []Token) bool {
	l = l.least()
	s := l.d.start()
	for _, t := range p {
		if s < 0 {
			return false
		}
		switch t.Kind {
		case AnyRun:
			s = d.run(l, s)
		case AnyChar:
			s = l.d.step(s, d.fresh)
		default:
			s = l.d.walk(s, t.Text)
		}
	}
	return s >= 0 && l.d.accept[s]
}

// run is where a very long run of the fresh byte leads; -1 if nowhere for good.
func (d *describer) run(l Language, s int32) int32 {
	for range l.d.edges {
		next := l.d.step(s, d.fresh)
		if next < 0 || next == s {
			return next
		}
		s = next
	}
	return -1
}

// skeleton is a text of a language that reads well, with a * for each run that
// can be very long and a ? for each byte that is like most.
func (d *describer) skeleton(l Language) []Token {
	l = l.least()
	const costRun, costFresh = 1, 9
	type arrival struct {
		cost int
		from int32
		by   Token
	}
	best := make([]arrival, len(l.d.edges))
	for i := range best {
		best[i].cost = -1
	}
	best[0] = arrival{from: -1}
	queue := &costQueue{}
	queue.add(costed{0, 0})
	for {
		c := queue.next()
		if c.cost > best[c.state].cost {
			continue
		}
		if l.d.accept[c.state] {
			var p []Token
			for s := c.state; best[s].from >= 0; s = best[s].from {
				p = append(p, best[s].by)
			}
			slices.Reverse(p)
			return characters(p)
		}
		relax := func(to int32, cost int, by Token) {
			if cost += c.cost; best[to].cost < 0 || cost < best[to].cost {
				best[to] = arrival{cost, c.state, by}
				queue.add(costed{cost, to})
			}
		}
		if to := d.run(l, c.state); to >= 0 && to != c.state {
			relax(to, costRun, Token{Kind: AnyRun})
		}
		for _, e := range l.d.edges[c.state] {
			if e.lo <= d.fresh && d.fresh <= e.hi && e.lo < e.hi {
				relax(e.to, costFresh, Token{Kind: AnyChar})
				continue
			}
			b, cost := readable(e.lo, e.hi)
			if b == '*' || b == '?' { // cannot be said
				cost *= 100
			}
			relax(e.to, cost, Token{Text: string([]byte{b})})
		}
	}
}

// characters puts the bytes of a character into one token.
func characters(p []Token) []Token {
	var out []Token
	for _, t := range p {
		if n := len(out); n > 0 && t.Kind == Exactly && t.Text[0]&0xC0 == 0x80 && out[n-1].Kind == Exactly {
			out[n-1].Text += t.Text
			continue
		}
		out = append(out, t)
	}
	return out
}

// sayable reports whether a pattern can be written: there is no way to write a *
// or ? that stands for itself.
func sayable(p []Token) bool {
	return !slices.ContainsFunc(p, func(t Token) bool { return t.Kind == Exactly && strings.ContainsAny(t.Text, "*?") })
}

func spelled(p []Token) string {
	var b strings.Builder
	for _, t := range p {
		switch t.Kind {
		case AnyRun:
			b.WriteByte('*')
		case AnyChar:
			b.WriteByte('?')
		default:
			b.WriteString(t.Text)
		}
	}
	return b.String()
}

// inexact are patterns that hold all of the language and more, and examples.
func (d *describer) inexact() Description {
	d.Work = NewWork(describeStates)
	out := Description{Terms: d.wide()}
	if d.Work = NewWork(describeStates); !d.Within(d.l, Description{Terms: out.Terms}.Language(d.Work)) {
		out.Terms = everything().Terms
	}
	d.Work = NewWork(describeStates)
	for left := d.l; len(out.Examples) < 3; {
		word, ok := left.Witness()
		if !ok {
			break
		}
		out.Examples = append(out.Examples, word)
		left = d.Subtract(left, Literal(word))
	}
	return out
}

// wide are patterns as wide as the language is by and large.
func (d *describer) wide() []Term {
	var terms []Term
	for left := d.l; !left.IsEmpty() && len(terms) < maxTerms && d.err == nil; {
		p := d.widen(d.skeleton(left), func(p []Token) bool { return d.generic(d.l, p) })
		l := d.within(p)
		if !sayable(p) || !d.Overlap(l, left) {
			return nil
		}
		terms = append(terms, Term{Pattern: spelled(p)})
		left = d.Subtract(left, l)
	}
	return terms
}
