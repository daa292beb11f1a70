package policy

import (
	"net/netip"
	"slices"
	"strings"
)

// truth is the three-valued answer of everything a statement consists of. The
// zero value is no.
type truth uint8

const (
	no truth = iota
	yes
	unknown // it cannot be evaluated: helps no Allow, stops no Deny
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// not leaves the unknown unknown.
func (t truth) not() truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// and is yes if both are, no if one is.
func (t truth) and(u truth) truth {
	switch {
	case t == no || u == no:
		return no
	case t == unknown || u == unknown:
		return unknown
	}
	return yes
}

// Test is what an operator compares, its negation, set form and IfExists taken
// off.
type Test uint8

const (
	StringEquals Test = iota + 1
	StringEqualsIgnoreCase
	StringLike
	NumericEquals
	NumericLessThan
	NumericLessThanEquals
	NumericGreaterThan
	NumericGreaterThanEquals
	DateEquals
	DateLessThan
	DateLessThanEquals
	DateGreaterThan
	DateGreaterThanEquals
	Bool
	BinaryEquals
	IPAddress
	ARNLike // ArnEquals is the same
	Null
)

// operators is the table of condition operators: name → what is compared, and
// whether the result is turned round. (IAM User Guide, "IAM JSON policy
// elements: Condition operators".)
var operators = map[string]struct {
	test    Test
	negated bool
}{
	"StringEquals":              {StringEquals, false},
	"StringNotEquals":           {StringEquals, true},
	"StringEqualsIgnoreCase":    {StringEqualsIgnoreCase, false},
	"StringNotEqualsIgnoreCase": {StringEqualsIgnoreCase, true},
	"StringLike":                {StringLike, false},
	"StringNotLike":             {StringLike, true},
	"NumericEquals":             {NumericEquals, false},
	"NumericNotEquals":          {NumericEquals, true},
	"NumericLessThan":           {NumericLessThan, false},
	"NumericLessThanEquals":     {NumericLessThanEquals, false},
	"NumericGreaterThan":        {NumericGreaterThan, false},
	"NumericGreaterThanEquals":  {NumericGreaterThanEquals, false},
	"DateEquals":                {DateEquals, false},
	"DateNotEquals":             {DateEquals, true},
	"DateLessThan":              {DateLessThan, false},
	"DateLessThanEquals":        {DateLessThanEquals, false},
	"DateGreaterThan":           {DateGreaterThan, false},
	"DateGreaterThanEquals":     {DateGreaterThanEquals, false},
	"Bool":                      {Bool, false},
	"BinaryEquals":              {BinaryEquals, false},
	"IpAddress":                 {IPAddress, false},
	"NotIpAddress":              {IPAddress, true},
	"ArnEquals":                 {ARNLike, false},
	"ArnLike":                   {ARNLike, false},
	"ArnNotEquals":              {ARNLike, true},
	"ArnNotLike":                {ARNLike, true},
	"Null":                      {Null, false},
}

// SetForm says how an operator treats the values of a multivalued key.
type SetForm uint8

const (
	Single       SetForm = iota // the key has one value
	ForAllValues                // every value must pass; so does no value at all
	ForAnyValue                 // one value must pass
)

// Operator is a condition operator taken apart.
type Operator struct {
	Test     Test
	Negated  bool // no policy value may match, instead of one must
	IfExists bool // an absent key passes
	Set      SetForm
	name     string
}

// String is the operator as it stands in the policy.
func (o Operator) String() string { return o.name }

// parseOperator takes an operator's name apart; false if there is none of that
// name. Names are case-sensitive.
func parseOperator(name string) (Operator, bool) {
	o := Operator{name: name}
	base, found := strings.CutPrefix(name, "ForAllValues:")
	if found {
		o.Set = ForAllValues
	} else if base, found = strings.CutPrefix(name, "ForAnyValue:"); found {
		o.Set = ForAnyValue
	}
	base, o.IfExists = strings.CutSuffix(base, "IfExists")
	entry, known := operators[base]
	o.Test, o.Negated = entry.test, entry.negated
	if !known || o.Test == Null && o.IfExists { // Null asks about presence itself
		return Operator{}, false
	}
	return o, true
}

// Condition is one key under one operator, and its values.
type Condition struct {
	operator Operator
	key      string // as written
	values   []Value
	position Position
}

// Operator is the operator.
func (c *Condition) Operator() Operator { return c.operator }

// Key is the condition key as written.
func (c *Condition) Key() string { return c.key }

// IsKey reports whether the condition is about a key; case does not count.
func (c *Condition) IsKey(key string) bool { return equalFold(c.key, key) }

// Values are the policy's values. The caller must not change the slice.
func (c *Condition) Values() []Value { return c.values }

// Position is where the key stands.
func (c *Condition) Position() Position { return c.position }

// Value is one value of a condition.
type Value struct {
	text    string
	parts   []Part
	compare comparer
}

// Text is the value as written; a number or boolean in JSON's spelling.
func (v *Value) Text() string { return v.text }

// Parts are the pieces of a value of a String operator (for StringEquals, '*'
// and '?' are literal); nil for other operators. The caller must not change
// the slice.
func (v *Value) Parts() []Part { return v.parts }

// Why says what became of a condition.
type Why uint8

const (
	Matched      Why = iota // a policy value matched (for a negated operator: none did)
	NoMatch                 // no policy value matched
	Excluded                // a value that the negated operator excludes
	Absent                  // the request has no such key
	Present                 // Null wants the key absent, and the request has it
	ManyValues              // the key has many values, the operator is for one
	Incomparable            // a value of the request, or a variable's, is not of the operator's kind
	NoValues                // the policy lists no values to compare with
	Unanswered              // nobody could find out the key's value
)

// holds evaluates the condition.
func (c *Condition) holds(ctx Context) (truth, Why) {
	values, multivalued, _ := ctx.Values(c.key)
	switch {
	case multivalued && ctx.Unanswered(c.key) != "":
		return unknown, Unanswered
	case len(c.values) == 0:
		return unknown, NoValues
	case c.operator.Test == Null:
		return c.holdsNull(!empty(values))
	case len(values) == 0:
		return c.holdsAbsent()
	case c.operator.Set == ForAllValues:
		return c.holdsForAll(values, ctx)
	case c.operator.Set == ForAnyValue:
		return c.holdsForAny(values, ctx)
	case multivalued:
		return unknown, ManyValues
	}
	t := c.passes(values[0], ctx)
	return t, c.why(t)
}

// Holds evaluates the condition alone: whether it holds, and whether it could be
// evaluated at all. One that could not helps no Allow and stops no Deny.
func (c *Condition) Holds(ctx Context) (holds, evaluable bool) {
	t, _ := c.holds(ctx)
	return t == yes, t != unknown
}

// empty: no value, or only empty ones. Null and ForAllValues take that for the
// absence of the key, as AWS does.
func empty(values []string) bool {
	return !slices.ContainsFunc(values, func(s string) bool { return s != "" })
}

func (c *Condition) holdsNull(present bool) (truth, Why) {
	for i := range c.values {
		if wantAbsent := bool(c.values[i].compare.(nullTest)); wantAbsent != present {
			return yes, Matched
		}
	}
	if present {
		return no, Present
	}
	return no, Absent
}

// holdsAbsent: a positive operator fails for want of the key, a negated one
// holds, and the set forms decide before both.
func (c *Condition) holdsAbsent() (truth, Why) {
	switch o := c.operator; {
	case o.IfExists, o.Set == ForAllValues:
		return yes, Matched
	case o.Set == ForAnyValue:
		return no, Absent
	case o.Negated:
		return yes, Matched
	}
	return no, Absent
}

func (c *Condition) holdsForAll(values []string, ctx Context) (truth, Why) {
	if empty(values) {
		return yes, Matched
	}
	t := yes
	for _, seen := range values {
		t = t.and(c.passes(seen, ctx))
	}
	return t, c.why(t)
}

func (c *Condition) holdsForAny(values []string, ctx Context) (truth, Why) {
	t := yes
	for _, seen := range values {
		t = t.and(c.passes(seen, ctx).not()) // De Morgan
	}
	t = t.not()
	return t, c.why(t)
}

// passes compares one value of the request with the policy's: one must match,
// for a negated operator none may.
func (c *Condition) passes(seen string, ctx Context) truth {
	t := yes
	for i := range c.values {
		t = t.and(c.values[i].compare.compare(seen, ctx).not())
	}
	if c.operator.Negated {
		return t
	}
	return t.not()
}

func (c *Condition) why(t truth) Why {
	switch {
	case t == yes:
		return Matched
	case t == unknown:
		return Incomparable
	case c.operator.Negated:
		return Excluded
	}
	return NoMatch
}

// comparer compares a value of the request with one value of the policy, read
// when the policy was parsed.
type comparer interface {
	compare(seen string, ctx Context) truth
}

type equalTest struct {
	template
	fold bool
}

func (e *equalTest) compare(seen string, ctx Context) truth {
	want, r := e.resolveText(ctx)
	switch {
	case r != resolved:
		return unresolved(r)
	case e.fold:
		return truthOf(strings.EqualFold(seen, want))
	}
	return truthOf(seen == want)
}

type likeTest struct{ template }

func (l *likeTest) compare(seen string, ctx Context) truth {
	matched, r := l.match(seen, ctx)
	if r != resolved {
		return unresolved(r)
	}
	return truthOf(matched)
}

// unresolved: a variable without a value equals nothing (so a negated operator
// holds), one with many values is a fault. (IAM User Guide, "Policy variables
// with no value".)
func unresolved(r resolution) truth {
	if r == missing {
		return no
	}
	return unknown
}

// order is a comparison of two values that have one: the test reads the sign
// of comparing the request's value with the policy's.
type order uint8

const (
	equal order = iota
	less
	lessEqual
	greater
	greaterEqual
)

func (o order) holds(sign int) bool {
	switch o {
	case equal:
		return sign == 0
	case less:
		return sign < 0
	case lessEqual:
		return sign <= 0
	case greater:
		return sign > 0
	case greaterEqual:
		return sign >= 0
	}
	return false // unreachable
}

type numericTest struct {
	order order
	want  decimal
}

func (n *numericTest) compare(seen string, _ Context) truth {
	d, ok := parseDecimal(seen)
	if !ok {
		return unknown
	}
	return truthOf(n.order.holds(d.compare(n.want)))
}

type dateTest struct {
	order order
	want  instant
}

func (d *dateTest) compare(seen string, _ Context) truth {
	i, ok := parseInstant(seen)
	if !ok {
		return unknown
	}
	return truthOf(d.order.holds(i.compare(d.want)))
}

type boolTest bool

func (b boolTest) compare(seen string, _ Context) truth {
	v, ok := parseBool(seen)
	if !ok {
		return unknown
	}
	return truthOf(v == bool(b))
}

type binaryTest string

func (b binaryTest) compare(seen string, _ Context) truth {
	v, ok := parseBinary(seen)
	if !ok {
		return unknown
	}
	return truthOf(v == string(b))
}

type ipTest struct{ block netip.Prefix }

func (i *ipTest) compare(seen string, _ Context) truth {
	a, ok := parseAddr(seen)
	if !ok {
		return unknown
	}
	return truthOf(i.block.Contains(a))
}

type arnTest struct{ arnPattern }

func (a *arnTest) compare(seen string, ctx Context) truth {
	matched, ok, r := a.match(seen, ctx)
	switch {
	case !ok:
		return unknown
	case r != resolved:
		return unresolved(r)
	}
	return truthOf(matched)
}

// nullTest is true where the policy wants the key absent. Condition.holds asks
// it before there is a value to compare.
type nullTest bool

func (nullTest) compare(string, Context) truth { return unknown }

// compileValue reads a policy's value for a test. A problem says why it is
// none, "" that it is one.
func compileValue(test Test, text string, variables bool) (v Value, problem string) {
	v.text = text
	switch test {
	case StringEquals, StringEqualsIgnoreCase:
		t, problem := compileTemplate(text, false, variables)
		v.parts, v.compare = t.parts, &equalTest{t, test == StringEqualsIgnoreCase}
		return v, problem
	case StringLike:
		t, problem := compileTemplate(text, true, variables)
		v.parts, v.compare = t.parts, &likeTest{t}
		return v, problem
	case ARNLike:
		p, problem := compileARN(text, variables)
		v.compare = &arnTest{p}
		return v, problem
	}
	return compileTyped(test, text)
}

// compileTyped reads a value of a test in which variables and wildcards mean
// nothing.
func compileTyped(test Test, text string) (v Value, problem string) {
	v.text = text
	switch test {
	case NumericEquals, NumericLessThan, NumericLessThanEquals, NumericGreaterThan, NumericGreaterThanEquals:
		d, ok := parseDecimal(text)
		v.compare = &numericTest{order(test - NumericEquals), d}
		return v, unless(ok, "it is not a number like 42 or -0.5")
	case DateEquals, DateLessThan, DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals:
		i, ok := parseInstant(text)
		v.compare = &dateTest{order(test - DateEquals), i}
		return v, unless(ok, "it is not a date like 2026-11-23T03:00:00Z, nor seconds since 1970")
	case Bool:
		b, ok := parseBool(text)
		v.compare = boolTest(b)
		return v, unless(ok, "it is neither true nor false")
	case Null:
		b, ok := parseBool(text)
		v.compare = nullTest(b)
		return v, unless(ok, "it is neither true (the key is absent) nor false (it is there)")
	case BinaryEquals:
		b, ok := parseBinary(text)
		v.compare = binaryTest(b)
		return v, unless(ok, "it is not base64")
	case IPAddress:
		p, ok := parsePrefix(text)
		v.compare = &ipTest{p}
		return v, unless(ok, "it is not an address block like 203.0.113.0/24 or 2001:db8::/32")
	}
	return v, "there is no such test" // unreachable
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}
