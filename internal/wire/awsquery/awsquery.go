// Package awsquery is the AWS Query protocol: form parameters in, XML result
// and error envelopes out (STS 2011-06-15, IAM 2010-05-08).
//
// It knows no operation and decides nothing; stswire and iamwire have the
// shapes.
package awsquery

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
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

// Request is a decoded form: an operation and its parameters. An operation
// reads the parameters it knows, each under its rule, and then calls Check. It
// is not safe for concurrent use.
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
// read two things. Every refusal is a *FormError.
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

// clip shortens a stranger's text for an error.
func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
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
	broken := slices.Clone(r.broken)
	for _, name := range slices.Sorted(maps.Keys(r.params)) {
		if !r.used[name] {
			broken = append(broken, fmt.Sprintf("Value at '%s' failed to satisfy constraint: the parameter is not supported for %s", member(clip(name)), clip(r.Action)))
		}
	}
	if len(broken) > 0 {
		return &ConstraintError{broken}
	}
	return nil
}

func (r *Request) breaks(format string, args ...any) {
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

// member is a parameter's name as AWS writes it in constraint errors: with
// small first letters, and tags.1.member.key for Tags.member.1.Key.
func member(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if p != "" && 'A' <= p[0] && p[0] <= 'Z' {
			parts[i] = string(p[0]+'a'-'A') + p[1:]
		}
	}
	for i := 0; i+1 < len(parts); i++ {
		if parts[i] == "member" {
			parts[i], parts[i+1] = parts[i+1], parts[i]
			i++
		}
	}
	return strings.Join(parts, ".")
}
