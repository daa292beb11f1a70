// Package strictjson reads one JSON value (RFC 8259) the way a verifier must:
// no duplicate names, nothing after the value, bounded depth, valid UTF-8,
// numbers kept as written, names compared case-sensitively.
//
// encoding/json takes the last of two equal names, folds the case of names and
// replaces broken UTF-8; two readers of one document that differ in such a
// point are how tokens and policies have been forged. This package is the only
// reader of tokens, policies and webhook bodies.
//
// It does not bind values to Go structs and does not write JSON.
package strictjson

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is the kind of a JSON value. The zero value is Missing: a Value that
// was never parsed.
type Kind uint8

const (
	Missing Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

var kindNames = [...]string{"missing", "null", "true or false", "number", "string", "array", "object"}

// String is the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "missing"
}

// Value is one parsed JSON value. It is immutable; the zero value is Missing.
type Value struct {
	kind   Kind
	truth  bool
	offset int    // 0-based offset of the value's first byte in the text
	text   string // string: decoded; number: as written
	parts  *parts // of an array or object that is not empty
}

// parts keeps what few values have out of all of them.
type parts struct {
	items   []Value
	members []Member
	end     int
}

// Member is one name and value of an object, in the order written.
type Member struct {
	Name       string
	NameOffset int // 0-based offset of the name's opening quote
	Value      Value
}

// Kind is the kind of the value.
func (v Value) Kind() Kind { return v.kind }

// Offset is the 0-based byte offset of the value in the text it came from.
func (v Value) Offset() int { return v.offset }

// End is the 0-based offset just behind an array or object that holds something;
// of any other value it is 0.
func (v Value) End() int {
	if v.parts == nil {
		return 0
	}
	return v.parts.end
}

// Text is the decoded text of a string, "" and false for any other kind.
func (v Value) Text() (string, bool) {
	if v.kind != String {
		return "", false
	}
	return v.text, true
}

// Number is a number as it was written, "" and false for any other kind.
func (v Value) Number() (string, bool) {
	if v.kind != Number {
		return "", false
	}
	return v.text, true
}

// Int64 is the value of a number written as a plain integer (no fraction, no
// exponent) that fits; false for everything else.
func (v Value) Int64() (int64, bool) {
	if v.kind != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}

// Bool is the value of true or false; ok is false for any other kind.
func (v Value) Bool() (value, ok bool) { return v.truth, v.kind == Bool }

// Items are the values of an array, in order; nil for any other kind. The
// caller must not change the slice.
func (v Value) Items() []Value {
	if v.parts == nil {
		return nil
	}
	return v.parts.items
}

// Members are the members of an object, in order; nil for any other kind. The
// caller must not change the slice.
func (v Value) Members() []Member {
	if v.parts == nil {
		return nil
	}
	return v.parts.members
}

// Get is the value of the member called name, compared case-sensitively, or a
// Missing value.
func (v Value) Get(name string) Value {
	members := v.Members()
	for i := range members {
		if members[i].Name == name {
			return members[i].Value
		}
	}
	return Value{}
}

// SyntaxError says what is wrong and where.
type SyntaxError struct {
	Offset int // 0-based, in bytes
	Line   int // 1-based
	Column int // 1-based, in bytes
	Detail string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// Position is the 1-based line and column (in bytes) of a 0-based offset.
func Position(data []byte, offset int) (line, column int) {
	line, start := 1, 0
	for i := 0; i < offset && i < len(data); i++ {
		if data[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, offset - start + 1
}

// MaxDepth is how deep arrays and objects may nest. Nothing Mayfly reads nests
// deeper than eight; the bound keeps recursion small.
const MaxDepth = 32

// Parse reads data as exactly one JSON value. Every refusal is a *SyntaxError,
// and then the value is Missing. The caller bounds len(data).
func Parse(data []byte) (Value, error) {
	p := parser{data: string(data)}
	p.open = make([]Member, 0, min(strings.Count(p.data, ",")+1, fewNames))
	p.space()
	v := p.value(0)
	p.space()
	if p.err == nil && p.pos < len(data) {
		p.fail(p.pos, "more text after the value")
	}
	if p.err != nil {
		p.err.Line, p.err.Column = Position(data, p.err.Offset)
		return Value{}, p.err
	}
	return v, nil
}

// sharedBytes is how long a document may be for its texts to share one copy of
// it. Of a longer one each has its own: somebody who keeps a name must not keep
// a megabyte with it.
const sharedBytes = 32 << 10

type parser struct {
	data string
	pos  int
	open []Member     // the members so far of the objects that are not at their end, outer ones first
	err  *SyntaxError // the first refusal; every later step is skipped
}

func (p *parser) fail(offset int, format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{Offset: offset, Detail: fmt.Sprintf(format, args...)}
	}
}

// text is a part of the document, to be kept.
func (p *parser) text(from, to int) string {
	if len(p.data) <= sharedBytes {
		return p.data[from:to]
	}
	return strings.Clone(p.data[from:to])
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// peek is the next byte, 0 at the end of the text.
func (p *parser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *parser) value(depth int) Value {
	if p.err != nil {
		return Value{}
	}
	if depth > MaxDepth {
		p.fail(p.pos, "nested deeper than %d", MaxDepth)
		return Value{}
	}
	start := p.pos
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return Value{kind: String, offset: start, text: p.str()}
	case c == '-' || '0' <= c && c <= '9':
		return Value{kind: Number, offset: start, text: p.number()}
	case p.word("true"):
		return Value{kind: Bool, offset: start, truth: true}
	case p.word("false"):
		return Value{kind: Bool, offset: start}
	case p.word("null"):
		return Value{kind: Null, offset: start}
	case p.pos >= len(p.data):
		p.fail(start, "the text ends where a value is expected")
	default:
		p.fail(start, "a value is expected here")
	}
	return Value{}
}

func (p *parser) word(w string) bool {
	if !strings.HasPrefix(p.data[p.pos:], w) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *parser) object(depth int) Value {
	v := Value{kind: Object, offset: p.pos}
	p.pos++
	p.space()
	if p.peek() == '}' {
		p.pos++
		return v
	}
	first := len(p.open)
	var names names
	for p.err == nil {
		p.space()
		at := p.pos
		if p.peek() != '"' {
			p.fail(at, "a name in double quotes is expected here")
			break
		}
		name := p.str()
		if p.err == nil && names.has(p.open[first:], name) {
			p.fail(at, "the name %q stands twice in this object", name)
		}
		p.space()
		p.expect(':', "a colon is expected after a name")
		p.space()
		value := p.value(depth + 1) // before p.open is read: an object in it may take p.open over
		p.open = append(p.open, Member{Name: name, NameOffset: at, Value: value})
		p.space()
		if p.peek() == '}' {
			p.pos++
			v.parts = &parts{members: p.take(first), end: p.pos}
			return v
		}
		p.expect(',', "a comma or the end of the object is expected here")
	}
	return Value{}
}

// take takes the members of the innermost open object off. Those of the outermost
// need no copy: nothing is written behind them any more.
func (p *parser) take(first int) []Member {
	members := slices.Clip(p.open[first:])
	if first == 0 {
		p.open = nil
		return members
	}
	p.open = p.open[:first]
	return slices.Clone(members)
}

// names finds a name that stands twice in an object. Comparing each with each is
// quickest while there are few.
type names map[string]bool

const fewNames = 64

// has reports whether one of members, to which one was added since it was last
// asked, is called name.
func (n *names) has(members []Member, name string) bool {
	if len(members) < fewNames {
		return slices.ContainsFunc(members, func(m Member) bool { return m.Name == name })
	}
	if *n == nil {
		*n = names{}
		for _, m := range members {
			(*n)[m.Name] = true
		}
	}
	(*n)[members[len(members)-1].Name] = true
	return (*n)[name]
}

func (p *parser) array(depth int) Value {
	v := Value{kind: Array, offset: p.pos}
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		return v
	}
	var items []Value
	for p.err == nil {
		p.space()
		items = append(items, p.value(depth+1))
		p.space()
		if p.peek() == ']' {
			p.pos++
			v.parts = &parts{items: items, end: p.pos}
			return v
		}
		p.expect(',', "a comma or the end of the array is expected here")
	}
	return Value{}
}

func (p *parser) expect(c byte, detail string) {
	if p.err != nil {
		return
	}
	if p.peek() != c || p.pos >= len(p.data) {
		p.fail(p.pos, "%s", detail)
		return
	}
	p.pos++
}

// number reads RFC 8259 §6: no leading zero, no plus sign, digits on both
// sides of the point.
func (p *parser) number() string {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits() {
		p.fail(start, "not a number")
	}
	if p.peek() == '.' {
		p.pos++
		if !p.digits() {
			p.fail(start, "a digit is expected after the decimal point")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			p.fail(start, "a digit is expected in the exponent")
		}
	}
	if c := p.peek(); '0' <= c && c <= '9' {
		p.fail(start, "a number may not begin with 0")
	}
	return p.text(start, p.pos)
}

func (p *parser) digits() bool {
	start := p.pos
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}

// str reads a string, RFC 8259 §7. Unpaired surrogates and bytes that are not
// UTF-8 are refused: nobody can say which text they would mean.
func (p *parser) str() string {
	start := p.pos
	p.pos++
	for i := p.pos; i < len(p.data); i++ { // the common case: nothing to decode
		switch c := p.data[i]; {
		case c == '"':
			s := p.text(p.pos, i)
			if !utf8.ValidString(s) {
				p.fail(start, "the string is not valid UTF-8")
			}
			p.pos = i + 1
			return s
		case c == '\\':
			return p.escaped(start, i)
		case c < 0x20:
			p.fail(i, "a control character stands in a string; write it as \\u%04x", c)
			return ""
		}
	}
	p.fail(start, "the string does not end")
	return ""
}

func (p *parser) escaped(start, i int) string {
	out := append([]byte(nil), p.data[p.pos:i]...)
	for p.pos = i; p.pos < len(p.data); {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			if !utf8.Valid(out) {
				p.fail(start, "the string is not valid UTF-8")
			}
			return string(out)
		case c < 0x20:
			p.fail(p.pos, "a control character stands in a string; write it as \\u%04x", c)
			return ""
		case c != '\\':
			out = append(out, c)
			p.pos++
		default:
			r, ok := p.escape()
			if !ok {
				return ""
			}
			out = utf8.AppendRune(out, r)
		}
	}
	p.fail(start, "the string does not end")
	return ""
}

func (p *parser) escape() (rune, bool) {
	at := p.pos
	p.pos++
	c := p.peek()
	p.pos++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		r, ok := p.hex4()
		if ok && utf16.IsSurrogate(r) {
			low := rune(-1)
			if p.word(`\u`) {
				low, ok = p.hex4()
			}
			r = utf16.DecodeRune(r, low)
			ok = ok && r != utf8.RuneError
		}
		if !ok {
			p.fail(at, "not a Unicode escape of a character")
		}
		return r, ok
	}
	p.fail(at, "unknown escape in a string")
	return 0, false
}

func (p *parser) hex4() (rune, bool) {
	if len(p.data)-p.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(p.data[p.pos:p.pos+4], 16, 16)
	p.pos += 4
	return rune(n), err == nil
}
