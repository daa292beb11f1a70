package regular

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Regexp is the text in which a regular expression of RE2's syntax finds a match,
// anywhere if it is not anchored. The error is that of package regexp: what it
// does not take (back references, looking ahead) is refused there, by name.
func (w *Work) Regexp(pattern string) (Language, error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return Language{}, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return Language{}, err
	}
	return w.search(prog), nil
}

// neighbour is what an empty-width assertion can see of the character at its
// side, or that there is none.
type neighbour uint8

const (
	other neighbour = iota
	edgeOfText
	newline
	word
)

func neighbourOf(r rune) neighbour {
	switch {
	case r == '\n':
		return newline
	case syntax.IsWordChar(r):
		return word
	}
	return other
}

// example is a character that looks like that to an assertion.
func (n neighbour) example() rune { return [...]rune{' ', -1, '\n', 'a'}[n] }

// runeClass are characters that a program does not tell apart.
type runeClass struct {
	ranges []runeRange
	side   neighbour
}

type runeRange struct{ lo, hi rune }

// search walks all ways of a program at once, character by character. A set of
// instructions waits at each position: what assertions let through from there
// depends on the character to come.
func (w *Work) search(prog *syntax.Prog) Language {
	classes := classesOfProg(prog)
	seen := make([]bool, len(prog.Inst)) // scratch
	type place struct {
		before  neighbour
		waiting string // the instructions as bytes
	}
	n := newNFA()
	found := n.state()
	n.accept[found] = true
	n.characterTo(found, found)
	number := map[place]int32{}
	var order []place
	add := func(before neighbour, waiting []uint32) int32 {
		slices.Sort(waiting)
		p := place{before: before}
		for _, pc := range slices.Compact(waiting) {
			p.waiting += string(binary.LittleEndian.AppendUint32(nil, pc))
		}
		if id, ok := number[p]; ok {
			return id
		}
		number[p] = n.state()
		order = append(order, p)
		return number[p]
	}
	begin := []uint32{uint32(prog.Start)}
	start := add(edgeOfText, begin)
	counted := 0
	for i := 0; i < len(order); i++ {
		p := order[i]
		if !w.spend(1 + (len(n.edges)-counted)/2 + len(p.waiting)/64) { // a class may have hundreds of ranges, a set as many instructions
			return Language{}
		}
		counted = len(n.edges)
		from := number[p]
		waiting := decodePCs(p.waiting)
		if _, matched := passed(prog, seen, waiting, p.before, edgeOfText); matched {
			n.accept[from] = true
		}
		var at [4][]uint32 // :: kind of the next character → instructions that consume it
		var done [4]bool
		for _, side := range []neighbour{other, newline, word} {
			at[side], done[side] = passed(prog, seen, waiting, p.before, side)
		}
		for _, c := range classes {
			to := found
			if !done[c.side] {
				next := slices.Clone(begin)
				for _, pc := range at[c.side] {
					if inst := &prog.Inst[pc]; inst.MatchRune(c.ranges[0].lo) {
						next = append(next, inst.Out)
					}
				}
				to = add(c.side, next)
			}
			for _, r := range c.ranges {
				n.runes(from, to, r.lo, r.hi)
			}
		}
	}
	return w.determinize(n, []int32{start})
}

func decodePCs(waiting string) []uint32 {
	pcs := make([]uint32, 0, len(waiting)/4)
	for ; waiting != ""; waiting = waiting[4:] {
		pcs = append(pcs, binary.LittleEndian.Uint32([]byte(waiting[:4])))
	}
	return pcs
}

// passed are the instructions that consume a character, of those that can be
// come to between two neighbours; matched says that the program is through.
func passed(prog *syntax.Prog, seen []bool, pcs []uint32, before, behind neighbour) (consuming []uint32, matched bool) {
	holds := syntax.EmptyOpContext(before.example(), behind.example())
	clear(seen)
	stack := slices.Clone(pcs)
	for len(stack) > 0 {
		pc := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			stack = append(stack, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			stack = append(stack, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^holds == 0 {
				stack = append(stack, inst.Out)
			}
		case syntax.InstMatch:
			matched = true
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			consuming = append(consuming, pc)
		}
	}
	return consuming, matched
}

// classesOfProg puts the characters into classes that no instruction of a program
// tells apart. NUL and surrogates are in none.
func classesOfProg(prog *syntax.Prog) []runeClass {
	begins := []rune{1, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1, 0xD800, 0xE000}
	var consuming []*syntax.Inst
	for i := range prog.Inst {
		inst := &prog.Inst[i]
		switch inst.Op {
		case syntax.InstRune, syntax.InstRune1:
			for i, r := range inst.Rune {
				begins = append(begins, r+rune(i%2))
			}
			if r := inst.Rune; len(r) == 1 {
				begins = append(begins, r[0]+1)
				for c := unicode.SimpleFold(r[0]); c != r[0]; c = unicode.SimpleFold(c) {
					begins = append(begins, c, c+1)
				}
			}
		case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		default:
			continue
		}
		consuming = append(consuming, inst)
	}
	slices.Sort(begins)
	begins = slices.Compact(begins)
	at := map[string]int{}
	var classes []runeClass
	for i, lo := range begins {
		hi := rune(utf8.MaxRune)
		if i+1 < len(begins) {
			hi = begins[i+1] - 1
		}
		if lo < 1 || lo == 0xD800 || lo > hi {
			continue
		}
		key := []byte{byte(neighbourOf(lo))}
		for _, inst := range consuming {
			bit := byte(0)
			if inst.MatchRune(lo) {
				bit = 1
			}
			key = append(key, bit)
		}
		id, ok := at[string(key)]
		if !ok {
			id = len(classes)
			at[string(key)] = id
			classes = append(classes, runeClass{side: neighbourOf(lo)})
		}
		classes[id].ranges = append(classes[id].ranges, runeRange{lo, hi})
	}
	return classes
}

// runes leads from one state to another by any character of a range, which holds
// no surrogates.
func (n *nfa) runes(from, to int32, lo, hi rune) {
	for _, end := range []rune{0x7F, 0x7FF, 0xFFFF} { // each length by itself
		if lo <= end && hi > end {
			n.runes(from, to, lo, end)
			n.runes(from, to, end+1, hi)
			return
		}
	}
	// Cut until all that follows the first byte in which the ends differ is free.
	for shift := 6; shift <= 18 && hi > 0x7F; shift += 6 {
		mask := rune(1)<<shift - 1
		if lo&^mask == hi&^mask {
			break
		}
		if lo&mask != 0 {
			n.runes(from, to, lo, lo|mask)
			n.runes(from, to, (lo|mask)+1, hi)
			return
		}
		if hi&mask != mask {
			n.runes(from, to, lo, hi&^mask-1)
			n.runes(from, to, hi&^mask, hi)
			return
		}
	}
	var first, last [utf8.UTFMax]byte
	size := utf8.EncodeRune(first[:], lo)
	utf8.EncodeRune(last[:], hi)
	for i := range size {
		next := to
		if i < size-1 {
			next = n.state()
		}
		n.edge(from, next, first[i], last[i])
		from = next
	}
}
