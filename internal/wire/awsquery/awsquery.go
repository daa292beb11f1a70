// Package awsquery is the AWS Query protocol: form parameters in, XML result
// and error envelopes out (STS 2011-06-15, IAM 2010-05-08).
//
// It knows no operation and decides nothing; stswire and iamwire have the
// shapes.
package awsquery

import (
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxBodyBytes bounds a request body. The largest parameter of the operations
// served is IAM's AssumeRolePolicyDocument, 131,072 characters in the model;
// its quota here is far smaller, and every byte may be written as three.
const MaxBodyBytes = 512 << 10

// maxParameters bounds how many parameters one request may carry: 100 client
// ids, 50 tags of two, and room.
const maxParameters = 512

// Request is a decoded form: an operation and its parameters.
type Request struct {
	Action  string
	Version string

	params map[string]string // :: name → value
	used   map[string]bool   // :: name → some reader asked for it
	broken []string          // the constraints that failed, in order
}

// FormError says why a body is not a form of the Query protocol.
type FormError struct{ Detail string }

func (e *FormError) Error() string { return e.Detail }

// Decode reads a form: the body of a POST, or the query of a presigned GET
// (then skip names the signature's own parameters). A parameter that stands
// twice, in whatever case, is refused: two readers of one request must not
// read two things.
func Decode(form string, skip func(name string) bool) (*Request, error) {
	r := &Request{params: map[string]string{}, used: map[string]bool{}}
	folded := map[string]bool{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(name)
		value, err2 := url.QueryUnescape(value)
		switch {
		case err1 != nil || err2 != nil:
			return nil, &FormError{"The request body is not application/x-www-form-urlencoded: a % is not followed by two hexadecimal digits"}
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, &FormError{"The request body is not valid UTF-8"}
		case folded[strings.ToLower(name)]:
			return nil, &FormError{fmt.Sprintf("The parameter %s stands twice in the request", clip(name))}
		case len(folded) == maxParameters:
			return nil, &FormError{fmt.Sprintf("The request has more than %d parameters", maxParameters)}
		}
		folded[strings.ToLower(name)] = true
		if skip == nil || !skip(name) {
			r.params[name] = value
		}
	}
	r.Action, r.Version = r.params["Action"], r.params["Version"]
	r.used["Action"], r.used["Version"] = true, true
	return r, nil
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// Rule is what the model asks of one parameter.
type Rule struct {
	Required bool
	Min, Max int // length in characters; Max 0: no bound
	// Alphabet, if set, is a text that the value's characters must match, and
	// Pattern how AWS writes it.
	Alphabet func(rune) bool
	Pattern  string
	Secret   bool // the value is not repeated in an error
}

// Text is the value of a parameter under a rule; empty where it is absent. A
// broken rule is kept for Check.
func (r *Request) Text(name string, rule Rule) string {
	value, present := r.params[name]
	r.used[name] = true
	if !present {
		if rule.Required {
			r.breaks("Value null at '%s' failed to satisfy constraint: Member must not be null", member(name))
		}
		return ""
	}
	shown := "Value '" + clip(value) + "'"
	if rule.Secret {
		shown = "Value"
	}
	n := utf8.RuneCountInString(value)
	switch {
	case n < rule.Min:
		r.breaks("%s at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", shown, member(name), rule.Min)
	case rule.Max > 0 && n > rule.Max:
		r.breaks("%s at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", shown, member(name), rule.Max)
	case rule.Alphabet != nil && strings.ContainsFunc(value, func(c rune) bool { return !rule.Alphabet(c) }):
		r.breaks("%s at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", shown, member(name), rule.Pattern)
	}
	return value
}

// Has reports whether a parameter is present, however empty.
func (r *Request) Has(name string) bool {
	_, ok := r.params[name]
	return ok
}

// Int is the value of a parameter as a whole number between min and max, 0
// where it is absent.
func (r *Request) Int(name string, min, max int) int {
	r.used[name] = true
	value, present := r.params[name]
	if !present {
		return 0
	}
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		r.breaks("Value '%s' at '%s' failed to satisfy constraint: Member must be a whole number", clip(value), member(name))
	case n < min:
		r.breaks("Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to %d", n, member(name), min)
	case n > max:
		r.breaks("Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", n, member(name), max)
	}
	return n
}

// List is the values of NAME.member.1, NAME.member.2 … under a rule, max of
// them at most.
func (r *Request) List(name string, max int, rule Rule) []string {
	var out []string
	for _, item := range r.Each(name, max) {
		out = append(out, r.Text(item, rule))
	}
	return out
}

// Pairs are the Key and Value of NAME.member.N, max of them at most.
func (r *Request) Pairs(name string, max int, key, value Rule) [][2]string {
	var out [][2]string
	for _, item := range r.Each(name, max) {
		out = append(out, [2]string{r.Text(item+".Key", key), r.Text(item+".Value", value)})
	}
	return out
}

// Each gives the names NAME.member.1, NAME.member.2 … that are present, in
// order, max of them at most. A list with a hole or an index that is no number
// is broken. An empty NAME (a client's empty list) has no member.
func (r *Request) Each(name string, max int) []string {
	prefix := name + ".member."
	if r.params[name] == "" {
		r.used[name] = true
	}
	seen := map[int]bool{}
	for p := range r.params {
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		index, _, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(index)
		if err != nil || n < 1 || strconv.Itoa(n) != index {
			r.breaks("Value '%s' at '%s' failed to satisfy constraint: Member must be a list with the members 1, 2, …", clip(p), member(name))
			return nil
		}
		seen[n] = true
	}
	if len(seen) > max {
		r.breaks("Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member(name), max)
		for p := range r.params {
			r.used[p] = r.used[p] || strings.HasPrefix(p, prefix)
		}
		return nil
	}
	order := make([]int, 0, len(seen))
	for n := range seen {
		order = append(order, n)
	}
	sort.Ints(order)
	out := make([]string, len(order))
	for i, n := range order {
		if n != i+1 {
			r.breaks("Value at '%s' failed to satisfy constraint: Member must be a list with the members 1, 2, …", member(name))
			return nil
		}
		out[i] = prefix + strconv.Itoa(n)
	}
	return out
}

// member is a parameter's name as AWS writes it in constraint errors: with a
// small first letter.
func member(name string) string {
	if name == "" {
		return name
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func (r *Request) breaks(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

// ConstraintError lists every parameter that breaks its rule, in AWS's words.
type ConstraintError struct{ Broken []string }

func (e *ConstraintError) Error() string {
	noun := "errors"
	if len(e.Broken) == 1 {
		noun = "error"
	}
	return fmt.Sprintf("%d validation %s detected: %s", len(e.Broken), noun, strings.Join(e.Broken, "; "))
}

// Check is called when an operation has read all it knows: it refuses with
// *ConstraintError if a rule was broken or if a parameter is left that nobody
// asked for, by its name. A parameter that is silently ignored may be the one
// that was meant to narrow something.
func (r *Request) Check() error {
	var left []string
	for name := range r.params {
		if !r.used[name] {
			left = append(left, name)
		}
	}
	sort.Strings(left)
	for _, name := range left {
		r.breaks("Value at '%s' failed to satisfy constraint: the parameter is not supported for %s", member(clip(name)), clip(r.Action))
	}
	if len(r.broken) > 0 {
		return &ConstraintError{r.broken}
	}
	return nil
}
