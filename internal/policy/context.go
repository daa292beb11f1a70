package policy

import (
	"fmt"
	"iter"
	"strings"
)

// Context is what is known about a request: condition keys and their values.
// It is immutable; the zero value knows nothing. Key names are compared without
// regard to the case of ASCII letters, the part after a slash (the tag key of
// aws:RequestTag/…) included. (IAM User Guide, "Condition", key names.)
type Context struct {
	keys map[string]contextValue // :: folded key → value
}

type contextValue struct {
	name   string // as the builder was given it
	values []string
	many   bool // multivalued, though there may be one value or none
}

// Values are the values of a key; ok is false if the request has no such key.
// The caller must not change the slice.
func (c Context) Values(key string) (values []string, multivalued, ok bool) {
	v, ok := c.keys[foldKey(key)]
	return v.values, v.many, ok
}

// All walks the keys, as they were written, and their values, in no order.
func (c Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, v := range c.keys {
			if !yield(v.name, v.values) {
				return
			}
		}
	}
}

// ContextBuilder makes a Context. The zero value is ready.
type ContextBuilder struct {
	keys map[string]contextValue
	err  error
}

// Set gives a single-valued key its value. Bytes that are not UTF-8 become
// U+FFFD, so that no value can slip past a pattern undecoded.
func (b *ContextBuilder) Set(key, value string) {
	b.put(key, contextValue{name: key, values: []string{utf8Only(value)}})
}

// SetMany gives a multivalued key its values: it stays multivalued when there
// is one value, and when there is none.
func (b *ContextBuilder) SetMany(key string, values []string) {
	clean := make([]string, len(values))
	for i, v := range values {
		clean[i] = utf8Only(v)
	}
	b.put(key, contextValue{name: key, values: clean, many: true})
}

func (b *ContextBuilder) put(key string, v contextValue) {
	folded := foldKey(key)
	if old, taken := b.keys[folded]; taken && b.err == nil {
		b.err = fmt.Errorf("condition key %q is set twice (as %q and %q)", key, old.name, key)
	}
	if b.keys == nil {
		b.keys = make(map[string]contextValue)
	}
	b.keys[folded] = v
}

// Context is what was set. It is an error if a key was set twice, be it in
// different case: one of the two would silently win, and nobody can say which
// the policy's author meant.
func (b *ContextBuilder) Context() (Context, error) {
	if b.err != nil {
		return Context{}, b.err
	}
	c := Context{keys: b.keys}
	b.keys = nil
	return c, nil
}

func utf8Only(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// foldKey lowers ASCII letters and nothing else: the Kelvin sign never becomes
// a k, so no claim name from elsewhere in Unicode collides with one of ours.
func foldKey(key string) string {
	for i := 0; i < len(key); i++ {
		if 'A' <= key[i] && key[i] <= 'Z' {
			return foldBytes(key)
		}
	}
	return key
}

func foldBytes(key string) string {
	out := []byte(key)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
