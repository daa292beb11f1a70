package webidentity

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mayfly.internal/internal/policy"
)

// Trace is a decision with the reason for each statement that did not match: what
// only those learn who may see the policy. Its JSON stands in the audit log and in
// the answers of Mayfly's own API.
type Trace struct {
	Action     string      `json:"action"`
	Effect     string      `json:"effect"`          // allow, implicit deny, explicit deny
	Hints      []string    `json:"hints,omitempty"` // of what came nearest, in words
	Statements []Statement `json:"statements,omitempty"`
	LeftOut    int         `json:"left_out,omitempty"` // statements for which there was no room
}

// Statement says what became of one statement.
type Statement struct {
	Name     string    `json:"name"`    // with the policy it stands in
	Effect   string    `json:"effect"`  // Allow, Deny
	Outcome  string    `json:"outcome"` // one of the Outcomes
	Failures []Failure `json:"failures,omitempty"`
}

// Outcomes of a statement.
const (
	Matches      = "matches"
	DoesNotMatch = "does not match"
	Unevaluable  = "cannot be evaluated" // helps no Allow, stops no Deny
	DoesNotCount = "matches and does not count"
)

// Failure is an element or a condition that did not match.
type Failure struct {
	Element  string   `json:"element"` // Principal, Action, Resource, Condition
	Operator string   `json:"operator,omitempty"`
	Key      string   `json:"key,omitempty"`
	Seen     []string `json:"seen,omitempty"`   // what the request has
	Wanted   []string `json:"wanted,omitempty"` // what the policy lists
	Reason   string   `json:"reason"`
}

// Bounds of a trace: it is kept for every refusal.
const (
	MaxTrace  = 8 << 10 // bytes of its JSON
	maxValue  = 256     // bytes of one value
	maxValues = 20      // of one condition, seen and wanted each
	maxHints  = 8
)

// unkept is a claim whose values are in no trace: no e-mail address is recorded.
const unkept = "user_email"

// Trace is the whole of it, for those who may see the policy.
func (a Answer) Trace() Trace {
	q := a.question
	if q.Trust == nil {
		return Trace{Action: a.action, Effect: policy.ImplicitDeny.String(), Hints: []string{"there is no such role"}}
	}
	x := policy.Explain(q.request(a.action), q.set())
	for i := range x.Traces {
		for j := range x.Traces[i].Failures {
			if f := &x.Traces[i].Failures[j]; q.isUnkept(f.Condition) {
				f.Seen = nil
			}
		}
	}
	t := newTrace(x, func(t *policy.Trace, f policy.Failure) string { return q.reason(t, f, true) })
	for i := range x.Traces {
		if s := x.Traces[i]; s.Matched && !s.Denies() && !q.counts(s.Statement) {
			t.Statements[i].Outcome = DoesNotCount
			t.Statements[i].Failures = []Failure{{Element: elements[policy.ElementCondition], Reason: q.whyNotCounting(s.Statement)}}
		}
	}
	if !a.allowed {
		t.Effect, t.Hints = a.effect(), q.hints(x)
	}
	return t
}

// effect: a policy whose statements do not count allows nothing.
func (a Answer) effect() string {
	if a.decision.Allowed() {
		return policy.ImplicitDeny.String()
	}
	return a.decision.Effect.String()
}

// TraceOf is the trace of any decision.
func TraceOf(x policy.Explanation) Trace {
	return newTrace(x, func(_ *policy.Trace, f policy.Failure) string { return x.Sentence(f, false) })
}

func newTrace(x policy.Explanation, reason func(*policy.Trace, policy.Failure) string) Trace {
	out := Trace{Action: x.Request.Action, Effect: x.Effect.String()}
	for i := range x.Traces {
		t := &x.Traces[i]
		s := Statement{Name: t.String(), Effect: effects[t.Denies()], Outcome: DoesNotMatch}
		switch {
		case t.Matched:
			s.Outcome = Matches
		case t.Unevaluable:
			s.Outcome = Unevaluable
		}
		for _, f := range t.Failures {
			s.Failures = append(s.Failures, newFailure(f, reason(t, f)))
		}
		out.Statements = append(out.Statements, s)
	}
	return out
}

var (
	effects  = map[bool]string{true: "Deny", false: "Allow"}
	elements = map[policy.Element]string{policy.ElementPrincipal: "Principal", policy.ElementAction: "Action", policy.ElementResource: "Resource", policy.ElementCondition: "Condition"}
)

func newFailure(f policy.Failure, reason string) Failure {
	out := Failure{Element: elements[f.Element], Reason: clip(reason, 4*maxValue)}
	if c := f.Condition; c != nil {
		out.Operator, out.Key, out.Seen = c.Operator().String(), clip(c.Key(), maxValue), clipAll(f.Seen)
		out.Wanted = clipAll(texts(c.Values()))
	}
	return out
}

func texts(values []policy.Value) []string {
	out := make([]string, len(values))
	for i := range values {
		out[i] = values[i].Text()
	}
	return out
}

func clipAll(list []string) []string {
	var out []string
	for i, text := range list {
		if i == maxValues {
			return append(out, fmt.Sprintf("… and %d more", len(list)-i))
		}
		out = append(out, clip(text, maxValue))
	}
	return out
}

// clip cuts what is longer than anybody needs to see.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// Encode is the trace as one line of JSON of at most MaxTrace bytes: statements
// that do not fit are left out, the last first, and counted, and hints are not
// more than half of it.
func (t Trace) Encode() string {
	for len(t.Hints) > 0 && len(encode(t.Hints)) > MaxTrace/2 {
		t.Hints = t.Hints[:len(t.Hints)-1]
	}
	room := MaxTrace - len(encode(Trace{Action: t.Action, Effect: t.Effect, Hints: t.Hints, LeftOut: 1 << 30}))
	for i, s := range t.Statements {
		if room -= len(encode(s)) + 1; room < 0 {
			t.Statements, t.LeftOut = t.Statements[:i], t.LeftOut+len(t.Statements)-i
			break
		}
	}
	return encode(t)
}

func encode(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic("webidentity: " + err.Error()) // unreachable: structs of texts
	}
	return string(out)
}

// DecodeTrace reads what Encode wrote.
func DecodeTrace(text string) (Trace, error) {
	var t Trace
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return Trace{}, fmt.Errorf("decode a trace: %w", err)
	}
	if t.Action == "" || t.Effect == "" {
		return Trace{}, errors.New("decode a trace: it names no action and effect")
	}
	return t, nil
}

// Text is the trace for a person. What is others' text in it is quoted.
func (t Trace) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", plain(t.Action), plain(t.Effect))
	for _, s := range t.Statements {
		fmt.Fprintf(&b, "%s (%s) %s", plain(s.Name), plain(s.Effect), plain(s.Outcome))
		if len(s.Failures) > 0 {
			b.WriteString(":")
		}
		b.WriteString("\n")
		for _, f := range s.Failures {
			f.text(&b)
		}
	}
	if t.LeftOut > 0 {
		fmt.Fprintf(&b, "and %d more, for which there was no room\n", t.LeftOut)
	}
	return b.String()
}

func (f Failure) text(b *strings.Builder) {
	if f.Key == "" {
		fmt.Fprintf(b, "  %s\n", plain(f.Reason))
		return
	}
	fmt.Fprintf(b, "  %s %s\n    %s\n", plain(f.Operator), plain(f.Key), plain(f.Reason))
	if len(f.Seen) > 0 {
		fmt.Fprintf(b, "    the request has  %s\n", quoteAll(f.Seen))
	}
	if len(f.Wanted) > 0 {
		fmt.Fprintf(b, "    the policy lists %s\n", quoteAll(f.Wanted))
	}
}
