// Package secret has the types of values that must never be printed: every
// way Go has of turning a value into text gives a placeholder instead.
//
// It does not keep a value out of memory dumps, and it cannot stop a caller
// that asks for the value by name (Reveal).
package secret

import (
	"encoding/json"
	"fmt"
	"io"
)

const redacted = "[redacted]"

// String is text that must not be printed. The zero value is empty. Two of
// them are not compared with ==: that compares where they lie.
//
// The text lies behind a pointer because fmt calls no method of a value in an
// unexported field: it prints what the field holds, and of a pointer that is
// the address.
type String struct{ text *string }

// New wraps text.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{&text}
}

// Reveal is the text itself. Each call is a place to look at in review.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.text == nil }

func (s String) String() string               { return redacted }
func (s String) GoString() string             { return redacted }
func (s String) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (s String) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s String) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Bytes are bytes that must not be printed. The zero value is empty.
type Bytes struct{ text String }

// NewBytes copies data.
func NewBytes(data []byte) Bytes { return Bytes{New(string(data))} }

// Reveal is a copy of the bytes. Each call is a place to look at in review.
func (b Bytes) Reveal() []byte { return []byte(b.text.Reveal()) }

// Empty reports whether there are no bytes.
func (b Bytes) Empty() bool { return b.text.Empty() }

func (b Bytes) String() string               { return redacted }
func (b Bytes) GoString() string             { return redacted }
func (b Bytes) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (b Bytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (b Bytes) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
