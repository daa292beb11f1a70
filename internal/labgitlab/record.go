package labgitlab

import (
	"strconv"
	"strings"
	"time"
)

// record reads one YAML mapping key by key and refuses what is left over. Its
// first error stays; later reads give zero values.
type record struct {
	node *node
	what string
	read map[string]bool
	err  *error
}

func newRecord(n *node, what string, err *error) *record {
	r := &record{node: n, what: what, read: map[string]bool{}, err: err}
	if !n.is(kindMap) {
		r.fail(n.pos, "%s should be a mapping, not %s", what, n.describe())
	}
	return r
}

func (r *record) fail(at Position, format string, args ...any) {
	if *r.err == nil {
		*r.err = malformed(at, format, args...)
	}
}

// take is the value of a key, nil where absent.
func (r *record) take(key string) *node {
	r.read[key] = true
	if value := r.node.get(key); !value.null() {
		return value
	}
	return nil
}

// done refuses keys that nobody read.
func (r *record) done() {
	if !r.node.is(kindMap) {
		return
	}
	for _, e := range r.node.entries {
		if !r.read[e.key] {
			r.fail(e.pos, "%s has no key %q", r.what, e.key)
		}
	}
}

func (r *record) text(key string) string {
	value := r.take(key)
	switch {
	case value == nil:
		return ""
	case !value.scalar():
		r.fail(value.pos, "%s should be a string, not %s", key, value.describe())
		return ""
	case value.is(kindString):
		return value.text
	default:
		return value.raw // a version, an id or a commit id, as written
	}
}

func (r *record) need(key string) string {
	value := r.text(key)
	if value == "" {
		r.fail(r.node.pos, "%s needs %s", r.what, key)
	}
	return value
}

func (r *record) textOr(key, otherwise string) string {
	if value := r.text(key); value != "" {
		return value
	}
	return otherwise
}

func (r *record) oneOf(key, otherwise string, allowed ...string) string {
	value := r.textOr(key, otherwise)
	for _, a := range allowed {
		if value == a {
			return value
		}
	}
	r.fail(r.node.keyPos(key), "%s should be one of %s, not %q", key, strings.Join(allowed, ", "), value)
	return value
}

func (r *record) boolean(key string, otherwise bool) bool {
	value := r.take(key)
	if value == nil {
		return otherwise
	}
	if !value.is(kindBool) {
		r.fail(value.pos, "%s should be true or false", key)
	}
	return value.text == "true"
}

// id reads a required positive number.
func (r *record) id(key string) int64 {
	value := r.take(key)
	if value == nil {
		r.fail(r.node.pos, "%s needs %s", r.what, key)
		return 0
	}
	return r.positive(key, value)
}

func (r *record) positive(key string, value *node) int64 {
	number, err := strconv.ParseInt(value.text, 10, 64)
	if err != nil || number <= 0 || !value.is(kindInt) {
		r.fail(value.pos, "%s should be a positive number", key)
	}
	return number
}

func (r *record) number(key string, otherwise int64) int64 {
	value := r.take(key)
	if value == nil {
		return otherwise
	}
	return r.positive(key, value)
}

// count reads a number that may be 0, which it is where it is left out.
func (r *record) count(key string) int {
	value := r.take(key)
	if value == nil {
		return 0
	}
	number, err := strconv.ParseUint(value.text, 10, 16)
	if err != nil || !value.is(kindInt) {
		r.fail(value.pos, "%s should be a number", key)
	}
	return int(number)
}

func (r *record) duration(key string, otherwise time.Duration) time.Duration {
	value := r.take(key)
	if value == nil {
		return otherwise
	}
	duration, err := parseDuration(value.text)
	if err != nil || duration <= 0 {
		r.fail(value.pos, "%s %v", key, errDuration)
	}
	return duration
}

func (r *record) strings(key string) []string {
	value := r.take(key)
	if value == nil {
		return nil
	}
	list, err := value.strings()
	if err != nil {
		r.fail(value.pos, "%s should be a list of strings", key)
	}
	return list
}

// items lists the entries of a list.
func (r *record) items(key string) []*node {
	value := r.take(key)
	if value == nil {
		return nil
	}
	if !value.is(kindList) {
		r.fail(value.pos, "%s should be a list, not %s", key, value.describe())
		return nil
	}
	return value.list
}

// recordsOf reads every entry of a list with the same function.
func recordsOf[T any](r *record, key, what string, read func(*record) T) []T {
	var out []T
	for _, item := range r.items(key) {
		inner := newRecord(item, what, r.err)
		value := read(inner)
		inner.done()
		out = append(out, value)
	}
	return out
}
