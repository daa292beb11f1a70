package regular

// Piece is a part of a text that is made of tracks: the track of that number,
// counted from 1, or, if that is 0, the Text itself.
type Piece struct {
	Track int
	Text  string
}

// Template says how a text is made of tracks. A track stands in it once at most,
// and in the order of their numbers.
type Template []Piece

// Concat is every text of the first language followed by one of the second and
// so on.
func (w *Work) Concat(languages ...Language) Language { return w.concat("", languages) }

// Join is Concat with a NUL between: the words of several tracks.
func (w *Work) Join(tracks ...Language) Language { return w.concat("\x00", tracks) }

func (w *Work) concat(between string, languages []Language) Language {
	n := newNFA()
	start := n.state()
	at := []int32{start}
	for i, l := range languages {
		from := n.state()
		for _, s := range at {
			if i > 0 {
				s = n.literal(s, between)
			}
			n.skip(s, from)
		}
		at = n.embed(from, l)
	}
	for _, s := range at {
		n.accept[s] = true
	}
	return w.determinize(n, []int32{start})
}

// Repeat is any number of texts of a language, none included, one after the
// other.
func (w *Work) Repeat(l Language) Language {
	n := newNFA()
	start := n.state()
	n.accept[start] = true
	for _, end := range n.embed(start, l) {
		n.skip(end, start)
	}
	return w.determinize(n, []int32{start})
}

// layout is a Template laid out for so many tracks.
type layout struct {
	used   []bool
	before []string // :: used track → the constant text before it
	behind string   // the constant text at the end
}

func (t Template) layout(tracks int) layout {
	l := layout{used: make([]bool, tracks), before: make([]string, tracks)}
	last, text := -1, ""
	for _, p := range t {
		if p.Track == 0 {
			text += p.Text
			continue
		}
		i := p.Track - 1
		if i <= last || i >= tracks {
			panic("regular: a template's tracks are not in their order") // programmer error
		}
		l.used[i], l.before[i], text, last = true, text, "", i
	}
	l.behind = text
	return l
}

// Preimage is the words of so many tracks, joined by NUL, of which the template
// makes a text of the language. What the tracks may be is not its concern: all
// bytes but NUL.
func (w *Work) Preimage(l Language, t Template, tracks int) Language {
	if l.IsEmpty() || w.err != nil {
		return Language{}
	}
	l = l.least()
	lay := t.layout(tracks)
	type at struct {
		state int32
		track int
	}
	enter := func(s int32, track int) at {
		if lay.used[track] {
			s = l.d.walk(s, lay.before[track])
		}
		return at{s, track}
	}
	number := map[at]int32{}
	var order []at
	add := func(a at) int32 {
		id, ok := number[a]
		if !ok {
			id = int32(len(order))
			number[a] = id
			order = append(order, a)
		}
		return id
	}
	if start := enter(0, 0); start.state >= 0 {
		add(start)
	}
	d := &dfa{}
	for i := 0; i < len(order); i++ {
		if !w.spend(1) {
			return Language{}
		}
		a := order[i]
		var edges []edge
		end := false
		if a.track == tracks-1 {
			s := l.d.walk(a.state, lay.behind)
			end = s >= 0 && l.d.accept[s]
		} else if next := enter(a.state, a.track+1); next.state >= 0 {
			edges = append(edges, edge{0, 0, add(next)})
		}
		if lay.used[a.track] {
			for _, e := range l.d.edges[a.state] {
				if e.hi > 0 { // a track holds no NUL
					edges = appendEdge(edges, edge{max(e.lo, 1), e.hi, add(at{e.to, a.track})})
				}
			}
		} else {
			edges = appendEdge(edges, edge{1, 255, int32(i)})
		}
		d.edges, d.accept = append(d.edges, edges), append(d.accept, end)
	}
	return Language{d.canonical()}
}

// Image is the texts that a template makes of the words of so many tracks.
func (w *Work) Image(words Language, t Template, tracks int) Language {
	if words.IsEmpty() || w.err != nil {
		return Language{}
	}
	words = words.least()
	lay := t.layout(tracks)
	n := newNFA()
	type at struct {
		state int32
		track int
	}
	number := map[at]int32{}
	var order []at
	add := func(a at) int32 {
		id, ok := number[a]
		if !ok {
			id = n.state()
			number[a] = id
			order = append(order, a)
		}
		return id
	}
	enter := func(from int32, a at) {
		if lay.used[a.track] {
			from = n.literal(from, lay.before[a.track])
		}
		n.skip(from, add(a))
	}
	start, end := n.state(), n.state()
	n.accept[end] = true
	enter(start, at{0, 0})
	for i := 0; i < len(order); i++ {
		if !w.spend(1) {
			return Language{}
		}
		a := order[i]
		id := number[a]
		if a.track == tracks-1 && words.d.accept[a.state] {
			n.skip(n.literal(id, lay.behind), end)
		}
		for _, e := range words.d.edges[a.state] {
			lo := e.lo
			if lo == 0 {
				if a.track+1 < tracks {
					enter(id, at{e.to, a.track + 1})
				}
				if e.hi == 0 {
					continue
				}
				lo = 1
			}
			to := add(at{e.to, a.track})
			if lay.used[a.track] {
				n.edge(id, to, lo, e.hi)
			} else {
				n.skip(id, to)
			}
		}
	}
	return w.determinize(n, []int32{start})
}
