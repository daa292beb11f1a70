package labgitlab

import (
	"errors"
	"fmt"
	"strings"
)

// Reason is why the stand-in refused. The zero value is no known reason, which
// callers treat as a failure of the lab itself.
type Reason int

const (
	ReasonNone         Reason = iota
	ReasonMalformed           // a file is not what GitLab would accept
	ReasonNotModelled         // GitLab accepts it, the lab does not imitate it
	ReasonUnknown             // no such project, ref, user, job or environment
	ReasonForbidden           // GitLab would not let this user do it
	ReasonNoPipeline          // rules leave nothing to run
	ReasonConflict            // the object is not in a state that allows it
	ReasonUnauthorized        // the caller of the lab's door has no secret
)

var reasonNames = [...]string{
	ReasonNone:         "none",
	ReasonMalformed:    "malformed",
	ReasonNotModelled:  "not_modelled",
	ReasonUnknown:      "unknown",
	ReasonForbidden:    "forbidden",
	ReasonNoPipeline:   "no_pipeline",
	ReasonConflict:     "conflict",
	ReasonUnauthorized: "unauthorized",
}

func (r Reason) String() string {
	if r < 0 || int(r) >= len(reasonNames) {
		return fmt.Sprintf("reason(%d)", int(r))
	}
	return reasonNames[r]
}

// MarshalText writes the reason's name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a reason's name; an unknown one becomes ReasonNone.
func (r *Reason) UnmarshalText(text []byte) error {
	*r = ReasonNone
	for reason, name := range reasonNames {
		if name == string(text) {
			*r = Reason(reason)
		}
	}
	return nil
}

// Position is a place in a YAML file. Line and Column count from 1; a zero
// Line means the file as a whole.
type Position struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Refusal is every "no" of this package: one reason for programs, one sentence
// for people, and the place that caused it where there is one.
type Refusal struct {
	Reason  Reason   `json:"reason"`
	Keyword string   `json:"keyword,omitempty"` // the keyword refused by name
	Where   Position `json:"where,omitzero"`
	Detail  string   `json:"detail"`
}

func (r *Refusal) Error() string {
	var b strings.Builder
	if at := r.Where.String(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(r.Detail)
	return b.String()
}

// ReasonOf is the reason of the first Refusal in err, or ReasonNone.
func ReasonOf(err error) Reason {
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Reason
	}
	return ReasonNone
}

func refuse(reason Reason, at Position, format string, args ...any) error {
	return &Refusal{Reason: reason, Where: at, Detail: fmt.Sprintf(format, args...)}
}

func malformed(at Position, format string, args ...any) error {
	return refuse(ReasonMalformed, at, format, args...)
}

// notModelled refuses a keyword by name.
func notModelled(keyword string, at Position, why string) error {
	return &Refusal{
		Reason:  ReasonNotModelled,
		Keyword: keyword,
		Where:   at,
		Detail:  fmt.Sprintf("the lab does not model %q: %s", keyword, why),
	}
}
