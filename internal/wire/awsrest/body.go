package awsrest

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/strictjson"
)

// ShapeError says what is wrong with a request's body or query.
type ShapeError struct{ Detail string }

func (e *ShapeError) Error() string { return e.Detail }

// Body reads the members of a JSON object one by one. An operation reads those
// it knows and then calls Check. It is not safe for concurrent use.
type Body struct {
	value strictjson.Value
	path  string
	used  map[string]bool
	err   *error // shared with the objects inside
}

// ParseBody reads a request body; an empty one is an empty object. Every
// refusal is a *ShapeError.
func ParseBody(data []byte) (*Body, error) {
	if len(data) == 0 {
		data = []byte("{}")
	}
	v, err := strictjson.Parse(data)
	if err != nil {
		return nil, &ShapeError{"The request body is not JSON: " + err.Error()}
	}
	if v.Kind() != strictjson.Object {
		return nil, &ShapeError{"The request body is not a JSON object"}
	}
	return &Body{value: v, used: map[string]bool{}, err: new(error)}, nil
}

var wanted = map[strictjson.Kind]string{strictjson.String: "a string", strictjson.Array: "an array", strictjson.Object: "an object"}

// get is a member of a kind; null counts as absent.
func (b *Body) get(name string, kind strictjson.Kind) (strictjson.Value, bool) {
	b.used[name] = true
	v := b.value.Get(name)
	switch v.Kind() {
	case kind:
		return v, true
	case strictjson.Missing, strictjson.Null:
		return strictjson.Value{}, false
	}
	b.fail("%s%s must be %s, not %s", b.path, name, wanted[kind], v.Kind())
	return strictjson.Value{}, false
}

// maxDetail bounds what is repeated of a stranger's names.
const maxDetail = 300

// fail keeps the first thing that is wrong.
func (b *Body) fail(format string, args ...any) {
	if *b.err != nil {
		return
	}
	detail := fmt.Sprintf(format, args...)
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	*b.err = &ShapeError{detail}
}

// Text is a string member, empty where it is absent.
func (b *Body) Text(name string) string {
	v, _ := b.get(name, strictjson.String)
	s, _ := v.Text()
	return s
}

// Required is a string member that must be there and not be empty.
func (b *Body) Required(name string) string {
	s := b.Text(name)
	if s == "" {
		b.fail("%s%s is missing", b.path, name)
	}
	return s
}

// OptionalText is a string member; nil where it is absent.
func (b *Body) OptionalText(name string) *string {
	v, ok := b.get(name, strictjson.String)
	if !ok {
		return nil
	}
	s, _ := v.Text()
	return &s
}

// Texts is a list of strings; given is false where it is absent.
func (b *Body) Texts(name string) (out []string, given bool) {
	v, given := b.get(name, strictjson.Array)
	for i, item := range v.Items() {
		s, ok := item.Text()
		if !ok {
			b.fail("%s%s[%d] must be a string, not %s", b.path, name, i, item.Kind())
		}
		out = append(out, s)
	}
	return out, given
}

// TextMap is an object of strings, nil where it is absent.
func (b *Body) TextMap(name string) map[string]string {
	v, ok := b.get(name, strictjson.Object)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, m := range v.Members() {
		s, ok := m.Value.Text()
		if !ok {
			b.fail("%s%s.%s must be a string, not %s", b.path, name, m.Name, m.Value.Kind())
		}
		out[m.Name] = s
	}
	return out
}

// Object is an object member; nil where it is absent. Its Check must be called
// too.
func (b *Body) Object(name string) *Body {
	v, ok := b.get(name, strictjson.Object)
	if !ok {
		return nil
	}
	return &Body{value: v, path: b.path + name + ".", used: map[string]bool{}, err: b.err}
}

// Objects is a list of objects; given is false where it is absent. The Check of
// each must be called too.
func (b *Body) Objects(name string) (out []*Body, given bool) {
	v, given := b.get(name, strictjson.Array)
	for i, item := range v.Items() {
		if item.Kind() != strictjson.Object {
			b.fail("%s%s[%d] must be an object, not %s", b.path, name, i, item.Kind())
			continue
		}
		out = append(out, &Body{value: item, path: fmt.Sprintf("%s%s[%d].", b.path, name, i), used: map[string]bool{}, err: b.err})
	}
	return out, given
}

// Check refuses, with *ShapeError, a member of the wrong kind and a member that
// nobody asked for. A member that is silently ignored may be the one that was
// meant to narrow something.
func (b *Body) Check() error {
	for _, m := range b.value.Members() {
		if !b.used[m.Name] {
			b.fail("%s%s is not supported", b.path, m.Name)
		}
	}
	return *b.err
}
