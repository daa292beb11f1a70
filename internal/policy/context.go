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
	keys []contextValue // few: looking through them beats building a map for each request
}

// contextValue is a key and its values: one, or many.
type contextValue struct {
	key      string // as the builder was given it
	one      [1]string
	many     []string
	multiple bool // multivalued, though there may be one value or none
	// unanswered says why nobody knows the key's value, though the request may
	// have one. Variables take it for one with many values: nothing can stand for
	// them.
	unanswered string
}

// values are the key's values.
func (v *contextValue) values() []string {
	if v.multiple {
		return v.many
	}
	return v.one[:]
}

// find is what is known of a key, nil if nothing is.
func (c Context) find(key string) *contextValue {
	for i := range c.keys {
		if equalFold(c.keys[i].key, key) {
			return &c.keys[i]
		}
	}
	return nil
}

// Values are the values of a key; ok is false if the request has no such key.
// The caller must not change the slice.
func (c Context) Values(key string) (values []string, multivalued, ok bool) {
	v := c.find(key)
	if v == nil {
		return nil, false, false
	}
	return v.values(), v.multiple, true
}

// Unanswered says why nobody knows the value of a key; "" if that is not so.
func (c Context) Unanswered(key string) string {
	if v := c.find(key); v != nil {
		return v.unanswered
	}
	return ""
}

// All walks the keys, as they were written, and their values, in no order.
func (c Context) All() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for i := range c.keys {
			if !yield(c.keys[i].key, c.keys[i].values()) {
				return
			}
		}
	}
}

// ContextBuilder makes a Context. The zero value is ready.
type ContextBuilder struct {
	context Context
	err     error
}

// Set gives a single-valued key its value. Bytes that are not UTF-8 become
// U+FFFD, so that no value can slip past a pattern undecoded.
func (b *ContextBuilder) Set(key, value string) {
	b.put(contextValue{key: key, one: [1]string{utf8Only(value)}})
}

// SetMany gives a multivalued key its values: it stays multivalued when there
// is one value, and when there is none.
func (b *ContextBuilder) SetMany(key string, values []string) {
	clean := make([]string, len(values))
	for i, v := range values {
		clean[i] = utf8Only(v)
	}
	b.put(contextValue{key: key, many: clean, multiple: true})
}

// SetUnanswered says that nobody could find out the value of a key, and why: no
// condition on it can be evaluated, whatever its operator.
func (b *ContextBuilder) SetUnanswered(key, why string) {
	b.put(contextValue{key: key, multiple: true, unanswered: why})
}

// usualKeys is room for those of a GitLab job's exchange.
const usualKeys = 48

func (b *ContextBuilder) put(v contextValue) {
	if old := b.context.find(v.key); old != nil && b.err == nil {
		b.err = fmt.Errorf("condition key %q is set twice (as %q and %q)", v.key, old.key, v.key)
	}
	if b.context.keys == nil {
		b.context.keys = make([]contextValue, 0, usualKeys)
	}
	b.context.keys = append(b.context.keys, v)
}

// Context is what was set. It is an error if a key was set twice, be it in
// different case: one of the two would silently win, and nobody can say which
// the policy's author meant.
func (b *ContextBuilder) Context() (Context, error) {
	if b.err != nil {
		return Context{}, b.err
	}
	c := b.context
	b.context = Context{}
	return c, nil
}

func utf8Only(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// SameKey reports whether two names are one condition key, or, behind a slash,
// one tag key.
func SameKey(a, b string) bool { return equalFold(a, b) }

// equalFold compares key names: ASCII letters without their case and nothing
// else. The Kelvin sign is no k, so no claim name from elsewhere in Unicode
// collides with one of ours.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
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

// FoldKey is a name of a condition key as one text for all that SameKey takes for
// the same.
func FoldKey(key string) string {
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
		out[i] = lower(c)
	}
	return string(out)
}
