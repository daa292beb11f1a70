package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Element names a part of a statement.
type Element uint8

const (
	ElementPrincipal Element = iota + 1
	ElementAction
	ElementResource
	ElementCondition
)

// Explanation is a decision with the reason for each statement that did not
// match.
type Explanation struct {
	Decision
	Request Request
	Traces  []Trace // every statement of the set, layer by layer, in the order written
	// Silent are the layers that had to allow and did not; none unless the
	// effect is ImplicitDeny.
	Silent []Layer
}

// Trace says what became of one statement.
type Trace struct {
	StatementRef
	Matched  bool
	Failures []Failure // every element and condition that did not match or could not be evaluated
}

// Failure is one element or condition that did not match.
type Failure struct {
	Element     Element
	Unevaluable bool
	// For ElementCondition: which, why, and what the request has there.
	Condition *Condition
	Why       Why
	Seen      []string
	Missing   string // of Unanswered: why nobody knows
}

// Explain decides as Evaluate does, by the same code, and keeps the reasons.
func Explain(req Request, set Set) Explanation {
	x := Explanation{Request: req}
	e := evaluation{req: req, bounded: len(set.Boundary) > 0, explain: &x}
	e.run(set)
	x.Decision = Decision{Effect: e.effect(set), Statements: e.refs}
	if x.Effect == ImplicitDeny {
		missing := e.missing(set)
		for l := LayerResource; l <= LayerBoundary; l++ {
			if missing.has(l) {
				x.Silent = append(x.Silent, l)
			}
		}
	}
	return x
}

// note records an element's outcome. On a nil Trace it does nothing.
func (t *Trace) note(outcome truth, f Failure, ctx Context) {
	if t == nil || outcome == yes {
		return
	}
	f.Unevaluable = outcome == unknown
	if f.Condition != nil {
		f.Seen, _, _ = ctx.Values(f.Condition.key)
		f.Missing = ctx.Unanswered(f.Condition.key)
	}
	t.Failures = append(t.Failures, f)
}

// Text is the explanation for a person, a line per fact. With values it also
// says what the policies want, which is for those who may read them; without,
// only what kind of thing is wanted and what the request itself has.
func (x Explanation) Text(values bool) string {
	var b strings.Builder
	b.WriteString(x.headline() + "\n")
	for i := range x.Traces {
		t := &x.Traces[i]
		if t.Matched {
			if x.Effect != Allow && !t.Denies() {
				fmt.Fprintf(&b, "%s allows, and that is not enough\n", t.String())
			}
			continue
		}
		outcome := "does not match"
		if t.Unevaluable {
			outcome = "cannot be evaluated"
		}
		fmt.Fprintf(&b, "%s %s:\n", t.String(), outcome)
		for _, f := range t.Failures {
			b.WriteString("  " + x.Sentence(f, values) + "\n")
		}
	}
	return b.String()
}

// String says where the statement stands: `identity policy 2, statement "Read"`.
func (r StatementRef) String() string {
	switch {
	case r.kind == Trust:
		return r.kind.String() + ", " + r.Name()
	case r.Layer == LayerBoundary:
		return r.Layer.String() + ", " + r.Name()
	}
	return r.Layer.String() + " " + strconv.Itoa(r.Document+1) + ", " + r.Name()
}

// headline is the effect, and whose word made it.
func (x Explanation) headline() string {
	var by []string
	for _, r := range x.Statements {
		switch {
		case r.Denies() != (x.Effect == ExplicitDeny) || x.Effect == ImplicitDeny:
		case r.Unevaluable:
			by = append(by, r.String()+" (cannot be evaluated, so it counts)")
		default:
			by = append(by, r.String())
		}
	}
	for _, l := range x.Silent {
		name := l.String()
		if l == LayerResource && NeedsTrust(x.Request.Action) {
			name = Trust.String()
		}
		by = append(by, "the "+name+" does not allow it")
	}
	switch {
	case len(by) == 0: // no statement denies, yet it is denied: see Evaluate
		return x.Effect.String() + ": a policy cannot be read"
	case x.Effect == ImplicitDeny:
		return x.Effect.String() + ": " + strings.Join(by, "; ")
	}
	return x.Effect.String() + " by " + strings.Join(by, "; ")
}

// Sentence says why an element did not match, with the policy's values or
// without.
func (x Explanation) Sentence(f Failure, values bool) string {
	switch f.Element {
	case ElementPrincipal:
		return "Principal: it does not name the caller, " + x.Request.Principal.String()
	case ElementAction:
		return "Action: it is not about " + strconv.Quote(x.Request.Action)
	case ElementResource:
		if f.Unevaluable {
			return "Resource: a variable in it has no single value"
		}
		return "Resource: it is not about " + strconv.Quote(x.Request.Resource)
	}
	s := "Condition " + f.Condition.operator.String() + ": " + f.Reason()
	if values && f.Condition.operator.Test != Null && f.Why != NoValues {
		s += "; the policy lists " + quoteAll(f.Condition.texts())
	}
	return s
}

// Reason says of a condition what the request has, and what kind of value was
// wanted.
func (f Failure) Reason() string {
	c := f.Condition
	is := c.key + " is " + quoteAll(f.Seen)
	switch f.Why {
	case NoMatch:
		return is + ", " + c.wanted()
	case Excluded:
		return is + ", and that is excluded"
	case Absent:
		if c.operator.Test == Null {
			return "the request has no " + c.key + ", and it must have one"
		}
		return "the request has no " + c.key + ", " + c.wanted()
	case Present:
		return is + ", and the request must not have it"
	case ManyValues:
		return c.key + " has several values (" + quoteAll(f.Seen) + "), and the operator is for keys with one"
	case Incomparable:
		return is + ", which cannot be compared: " + c.wanted()
	case NoValues:
		return "the policy lists no values for " + c.key
	case Unanswered:
		return c.key + " is not known: " + f.Missing
	}
	return is // unreachable: Matched is no failure
}

// wanted says what kind of value a condition asks for.
func (c *Condition) wanted() string {
	kind := c.wantedKind()
	switch c.operator.Set {
	case ForAllValues:
		return "every value must be " + kind
	case ForAnyValue:
		return "some value must be " + kind
	}
	return "wanted is " + kind
}

func (c *Condition) wantedKind() string {
	switch t := c.operator.Test; t {
	case StringEquals:
		return "a text listed"
	case StringEqualsIgnoreCase:
		return "a text listed, whatever its case"
	case StringLike:
		return "a text that fits a pattern"
	case NumericEquals, NumericLessThan, NumericLessThanEquals, NumericGreaterThan, NumericGreaterThanEquals:
		return "a number" + bounds[t-NumericEquals]
	case DateEquals, DateLessThan, DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals:
		return "a date" + bounds[t-DateEquals]
	case Bool:
		return "true or false, as listed"
	case BinaryEquals:
		return "base64 of the bytes listed"
	case IPAddress:
		return "an address in a block"
	case ARNLike:
		return "an ARN that fits a pattern"
	}
	return "" // unreachable: Null has its own words
}

// bounds words an order, in the order of the order type.
var bounds = [...]string{" listed", " below a bound", " up to a bound", " above a bound", " from a bound upwards"}

func (c *Condition) texts() []string {
	all := make([]string, len(c.values))
	for i := range c.values {
		all[i] = c.values[i].text
	}
	return all
}

// quoteAll quotes text that may be hostile: a branch may be called anything.
func quoteAll(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return strings.Join(quoted, ", ")
}
