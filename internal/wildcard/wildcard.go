// Package wildcard matches text against the patterns of the IAM policy
// language: '*' stands for any run of characters, the empty one and one with
// '/' or ':' in it included; '?' stands for exactly one character; every other
// character stands for itself. (IAM User Guide, "IAM JSON policy elements:
// Condition operators", StringLike; "… Resource", wildcards.)
//
// A character is a Unicode code point, not a byte: '?' matches "é" whole. A
// byte of the text that is not part of valid UTF-8 counts as one character.
//
// There is one matcher in the house and this is it. It does not know ARNs,
// escapes or policy variables: policy hands it literal pieces through a
// Builder.
package wildcard

import (
	"strings"
	"unicode/utf8"
)

// Pattern is a compiled pattern. It is immutable and may be shared. The zero
// value matches nothing, not even the empty text.
type Pattern struct {
	// segments are what stands between the '*': the first is anchored at the
	// beginning of the text, the last at its end. One segment: no '*' at all.
	segments []segment
}

// segment is a run of '?' and literal text: each atom is so many characters to
// skip, then a text to find there.
type segment struct {
	atoms []atom
	runes int // characters in the segment, '?' included
}

type atom struct {
	skip    int
	literal string
}

// Compile makes the pattern of a text in which '*' and '?' are wildcards. A
// text that is not valid UTF-8 is nobody's pattern and matches nothing.
func Compile(pattern string) Pattern {
	var b Builder
	b.Pattern(pattern)
	return b.Compile()
}

// Builder makes a pattern from pieces, of which some are literal whatever
// characters they hold: values put in for policy variables, and the escapes
// ${*}, ${?}, ${$}. The zero value is ready.
type Builder struct {
	segments []segment
	current  segment
	broken   bool // a piece was not valid UTF-8
}

// Pattern appends text in which '*' and '?' are wildcards.
func (b *Builder) Pattern(text string) {
	for text != "" {
		i := strings.IndexAny(text, "*?")
		if i < 0 {
			b.Literal(text)
			return
		}
		b.Literal(text[:i])
		if text[i] == '*' {
			b.AnyRun()
		} else {
			b.AnyChar()
		}
		text = text[i+1:]
	}
}

// Literal appends text that stands for itself.
func (b *Builder) Literal(text string) {
	if text == "" {
		return
	}
	b.broken = b.broken || !utf8.ValidString(text)
	b.current.runes += utf8.RuneCountInString(text)
	n := len(b.current.atoms)
	if n == 0 {
		b.current.atoms = append(b.current.atoms, atom{literal: text})
		return
	}
	b.current.atoms[n-1].literal += text
}

// AnyChar appends a '?'.
func (b *Builder) AnyChar() {
	b.current.runes++
	n := len(b.current.atoms)
	if n == 0 || b.current.atoms[n-1].literal != "" {
		b.current.atoms = append(b.current.atoms, atom{skip: 1})
		return
	}
	b.current.atoms[n-1].skip++
}

// AnyRun appends a '*'.
func (b *Builder) AnyRun() {
	if len(b.segments) > 0 && b.current.runes == 0 {
		return // "**" is "*"
	}
	b.segments = append(b.segments, b.current)
	b.current = segment{}
}

// Compile is the pattern of what was appended so far. The Builder must not be
// used afterwards.
func (b *Builder) Compile() Pattern {
	if b.broken {
		return Pattern{}
	}
	return Pattern{segments: append(b.segments, b.current)}
}

// Match reports whether the whole text matches. It takes time of the order of
// len(pattern) × len(text) at worst and allocates nothing.
func (p Pattern) Match(text string) bool { return p.match(text, false) }

// MatchFold is Match with ASCII letters equal whatever their case, as action
// names are compared. No other character is ever equal to an ASCII letter.
func (p Pattern) MatchFold(text string) bool { return p.match(text, true) }

// match finds each segment between two '*' as far left as it goes. That is
// enough: whatever stands to its right has then the most room, and no earlier
// choice need be taken back.
func (p Pattern) match(text string, fold bool) bool {
	n := len(p.segments)
	if n == 0 {
		return false
	}
	end, ok := p.segments[0].matchPrefix(text, fold)
	if !ok {
		return false
	}
	text = text[end:]
	if n == 1 {
		return text == ""
	}
	for _, s := range p.segments[1 : n-1] {
		if end, ok = s.find(text, fold); !ok {
			return false
		}
		text = text[end:]
	}
	return p.segments[n-1].matchSuffix(text, fold)
}

// matchPrefix reports whether text begins with the segment, and where the
// segment then ends.
func (s segment) matchPrefix(text string, fold bool) (end int, ok bool) {
	for _, a := range s.atoms {
		for range a.skip {
			if end == len(text) {
				return 0, false
			}
			_, size := utf8.DecodeRuneInString(text[end:])
			end += size
		}
		if !hasPrefix(text[end:], a.literal, fold) {
			return 0, false
		}
		end += len(a.literal)
	}
	return end, true
}

// find is the end of the leftmost place in text where the segment matches.
func (s segment) find(text string, fold bool) (end int, ok bool) {
	for at := 0; ; {
		if a := s.atoms[0]; a.skip == 0 && !fold { // the usual case: leap to the literal
			i := strings.Index(text[at:], a.literal)
			if i < 0 {
				return 0, false
			}
			at += i
		}
		if end, ok := s.matchPrefix(text[at:], fold); ok {
			return at + end, true
		}
		if at == len(text) {
			return 0, false
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
}

// matchSuffix reports whether text ends with the segment: it steps back by as
// many characters as the segment has.
func (s segment) matchSuffix(text string, fold bool) bool {
	at := len(text)
	for range s.runes {
		if at == 0 {
			return false
		}
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	end, ok := s.matchPrefix(text[at:], fold)
	return ok && at+end == len(text)
}

func hasPrefix(text, prefix string, fold bool) bool {
	if !fold {
		return strings.HasPrefix(text, prefix)
	}
	if len(text) < len(prefix) {
		return false
	}
	for i := 0; i < len(prefix); i++ {
		if lower(text[i]) != lower(prefix[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
