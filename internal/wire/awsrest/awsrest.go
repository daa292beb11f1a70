// Package awsrest is the AWS REST-JSON protocol: JSON bodies, errors named in
// a header, page tokens (EKS 2017-11-01).
//
// It knows no operation and decides nothing; ekswire has the shapes.
package awsrest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"mayfly.internal/internal/strictjson"
)

// MaxBodyBytes bounds a request body; the largest is an access entry with its
// groups and tags.
const MaxBodyBytes = 128 << 10

// ErrorTypeHeader names the error of an answer.
const ErrorTypeHeader = "X-Amzn-Errortype"

// Failure is an error as the protocol shows it.
type Failure struct {
	Status  int
	Code    string // "ResourceNotFoundException"
	Message string
	Cluster string // the cluster concerned, may be empty
}

// Body is the JSON body of the failure.
func (f Failure) Body() []byte {
	return Encode(struct {
		Cluster string `json:"clusterName,omitempty"`
		Message string `json:"message"`
	}{f.Cluster, f.Message})
}

// Encode is a value's JSON.
func Encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("awsrest: " + err.Error()) // unreachable: shapes of strings, numbers and lists
	}
	return out
}

// Time is a time on the wire: seconds since the epoch, as a number.
type Time time.Time

func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', 3, 64), nil
}

func (t *Time) UnmarshalJSON(data []byte) error {
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil {
		return fmt.Errorf("a time is written as seconds since the epoch: %w", err)
	}
	*t = Time(time.UnixMilli(int64(seconds * 1000)).UTC())
	return nil
}

// ShapeError says what is wrong with a request's body.
type ShapeError struct{ Detail string }

func (e *ShapeError) Error() string { return e.Detail }

// Body reads the members of a JSON object one by one.
type Body struct {
	value strictjson.Value
	path  string
	used  map[string]bool
	err   *error // shared with the objects inside
}

// ParseBody reads a request body; an empty one is an empty object.
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

func (b *Body) get(name string, kind strictjson.Kind) (strictjson.Value, bool) {
	b.used[name] = true
	v := b.value.Get(name)
	switch v.Kind() {
	case kind:
		return v, true
	case strictjson.Missing, strictjson.Null:
		return v, false
	}
	b.fail("%s%s is a %s where a %s is wanted", b.path, name, v.Kind(), kind)
	return v, false
}

func (b *Body) fail(format string, args ...any) {
	if *b.err == nil {
		*b.err = &ShapeError{fmt.Sprintf(format, args...)}
	}
}

// Text is a string member, empty where it is absent.
func (b *Body) Text(name string) string {
	v, _ := b.get(name, strictjson.String)
	s, _ := v.Text()
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
		if item.Kind() != strictjson.String {
			b.fail("%s%s[%d] is a %s where a string is wanted", b.path, name, i, item.Kind())
		}
		s, _ := item.Text()
		out = append(out, s)
	}
	return out, given
}

// TextMap is an object of strings.
func (b *Body) TextMap(name string) map[string]string {
	v, ok := b.get(name, strictjson.Object)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, m := range v.Members() {
		if m.Value.Kind() != strictjson.String {
			b.fail("%s%s.%s is a %s where a string is wanted", b.path, name, m.Name, m.Value.Kind())
		}
		out[m.Name], _ = m.Value.Text()
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

// Check refuses, with *ShapeError, a member of the wrong kind and a member that
// nobody asked for.
func (b *Body) Check() error {
	for _, m := range b.value.Members() {
		if !b.used[m.Name] {
			b.fail("%s%s is not supported", b.path, m.Name)
		}
	}
	return *b.err
}

// Page takes the part of a sorted list that a page token and a size ask for,
// and makes the token of the next page. The token is the last name shown; a
// name that has gone since does no harm.
func Page[T any](items []T, name func(T) string, token string, size int) (page []T, next string, err error) {
	after := ""
	if token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) == 0 {
			return nil, "", &ShapeError{"The nextToken is not one that this server gave"}
		}
		after = string(raw)
	}
	start := 0
	for start < len(items) && token != "" && name(items[start]) <= after {
		start++
	}
	page = items[start:]
	if size > 0 && len(page) > size {
		page = page[:size]
		next = base64.RawURLEncoding.EncodeToString([]byte(name(page[size-1])))
	}
	return page, next, nil
}
