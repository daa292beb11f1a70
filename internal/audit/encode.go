package audit

import (
	"maps"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Whether a member whose text is empty is written.
const (
	always = false
	ifAny  = true
)

// appendText writes a member whose value is a string, behind another one.
func appendText(b []byte, name, text string, omitEmpty bool) []byte {
	if omitEmpty && text == "" {
		return b
	}
	return appendString(appendName(b, name), text)
}

// appendList writes a member whose value is a list of strings, if it has any.
func appendList(b []byte, name string, list []string) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(appendName(b, name), '[')
	for i, text := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, text)
	}
	return append(b, ']')
}

// appendMap writes a member whose value is an object of strings, sorted by name,
// if it has any.
func appendMap(b []byte, name string, m map[string]string) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(appendName(b, name), '{')
	var room [24]string // for the claims a session keeps
	keys := slices.AppendSeq(room[:0], maps.Keys(m))
	slices.Sort(keys)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		b = appendString(b, m[key])
	}
	return append(b, '}')
}

func appendName(b []byte, name string) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

const hex = "0123456789abcdef"

// appendString writes text as a JSON string the way encoding/json does, with
// HTML's characters escaped and broken UTF-8 replaced; DEL, the C1 controls and
// Unicode's format characters are escaped too.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	done := 0 // of text, written
	for i := 0; i < len(text); {
		if verbatim[text[i]] {
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(text[i:])
		if !isVerbatim(c, size) {
			b = appendEscape(append(b, text[done:i]...), c)
			done = i + size
		}
		i += size
	}
	return append(append(b, text[done:]...), '"')
}

// verbatim are the bytes that are characters written as they are.
var verbatim = func() (table [256]bool) {
	for c := range rune(utf8.RuneSelf) {
		table[c] = isVerbatim(c, 1)
	}
	return table
}()

// isVerbatim reports whether a character of so many bytes is written as it is.
func isVerbatim(c rune, size int) bool {
	if c < utf8.RuneSelf {
		return c >= 0x20 && c != 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	broken := c == utf8.RuneError && size == 1
	return !broken && c > 0x9f && c != 0x2028 && c != 0x2029 && !unicode.Is(unicode.Cf, c)
}

func appendEscape(b []byte, c rune) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', byte(c))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	var units [2]uint16
	for _, u := range utf16.AppendRune(units[:0], c) {
		b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&0xf], hex[u>>4&0xf], hex[u&0xf])
	}
	return b
}
