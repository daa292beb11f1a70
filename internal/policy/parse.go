package policy

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strings"

	"mayfly.internal/internal/strictjson"
)

// Reason says what sort of thing is wrong with a document. The zero value is
// none.
type Reason uint8

const (
	ReasonJSON       Reason = iota + 1 // the text is not one strict JSON value
	ReasonStructure                    // an element is missing, doubled, or of the wrong type
	ReasonElement                      // an element the language does not know
	ReasonProhibited                   // an element that does not belong into a document of this kind
	ReasonVersion                      // a version the language or the kind does not have
	ReasonEffect                       // neither Allow nor Deny
	ReasonSid                          // two statements of one Sid
	ReasonAction                       // an action that cannot be one
	ReasonResource                     // a resource that cannot be one
	ReasonPrincipal                    // a principal that cannot be one, or does not exist
	ReasonOperator                     // a condition operator the language does not know
	ReasonKey                          // a condition key that cannot be one
	ReasonValue                        // a condition value that its operator cannot compare
	ReasonVariable                     // a policy variable that does not end or names nothing
)

// SyntaxError says why a document is refused.
type SyntaxError struct {
	Position
	Reason Reason
	// Detail is the sentence AWS answers with (MalformedPolicyDocument), where
	// one is known; else "Syntax errors in policy."
	Detail string
	// Explanation says to a person what is wrong, and in which statement.
	Explanation string
}

func (e *SyntaxError) Error() string { return e.Position.String() + ": " + e.Explanation }

const (
	awsSyntax  = "Syntax errors in policy."
	awsVersion = "Policy document must be version 2012-10-17 or greater."
	awsJSON    = "This policy contains invalid Json"
)

// phase orders refusals as AWS does: a document with several faults is answered
// with the sentence of the earliest phase, wherever the fault stands.
type phase uint8

const (
	phaseSyntax phase = iota
	phaseVersion
	phasePrincipal
	phaseLegacy
	phaseSid
	phaseActions // there are some
	phaseResource
	phaseActionForm
	phaseResources // there are some
	phaseTrust
)

const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse reads and compiles a document. Every refusal is a *SyntaxError, and
// then the Document is nil. The caller bounds len(text).
func Parse(kind Kind, text []byte) (*Document, error) {
	p := parser{kind: kind, text: bytes.Clone(text)}
	if kind < Trust || kind > Resource {
		p.refuse(phaseSyntax, 0, ReasonProhibited, awsSyntax, "a document must be of some kind")
		return nil, p.found
	}
	root, err := strictjson.Parse(p.text)
	if err != nil {
		return nil, p.refuseJSON(err)
	}
	d := p.document(root)
	if p.found != nil {
		return nil, p.found
	}
	return d, nil
}

type parser struct {
	kind    Kind
	text    []byte
	version string
	lines   []int  // offsets where lines begin, once asked for
	where   string // "statement 2", for explanations
	found   *SyntaxError
	phase   phase // of found
}

// refuse notes a fault. The first of the earliest phase is the one reported.
func (p *parser) refuse(ph phase, offset int, reason Reason, detail, format string, args ...any) {
	if p.found != nil && p.phase <= ph {
		return
	}
	explanation := fmt.Sprintf(format, args...)
	if p.where != "" {
		explanation = p.where + ": " + explanation
	}
	p.phase = ph
	p.found = &SyntaxError{Position: p.position(offset), Reason: reason, Detail: detail, Explanation: explanation}
}

// position finds a line by bisection: a document has many positions.
func (p *parser) position(offset int) Position {
	if p.lines == nil {
		p.lines = []int{0}
		for i, c := range p.text {
			if c == '\n' {
				p.lines = append(p.lines, i+1)
			}
		}
	}
	line := sort.SearchInts(p.lines, offset+1)
	return Position{Offset: offset, Line: line, Column: offset - p.lines[line-1] + 1}
}

func (p *parser) refuseJSON(err error) error {
	detail, offset, explanation := awsSyntax, 0, err.Error()
	if p.kind == Trust {
		detail = awsJSON
	}
	if e, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		offset, explanation = e.Offset, e.Detail
	}
	p.refuse(phaseSyntax, offset, ReasonJSON, detail, "not JSON: %s", explanation)
	return p.found
}

// syntax refuses what AWS only calls a syntax error.
func (p *parser) syntax(offset int, reason Reason, format string, args ...any) {
	p.refuse(phaseSyntax, offset, reason, awsSyntax, format, args...)
}

// variables reports whether ${…} means something in this document.
func (p *parser) variables() bool { return p.version == version2012 }

func (p *parser) document(root strictjson.Value) *Document {
	d := &Document{kind: p.kind, text: p.text}
	if root.Kind() != strictjson.Object {
		p.syntax(root.Offset(), ReasonStructure, "a policy is a JSON object, this is %s", articled(root.Kind()))
		return nil
	}
	d.version = p.readVersion(root)
	var statements strictjson.Value
	for _, m := range root.Members() {
		switch m.Name {
		case "Version":
		case "Id":
			d.id = p.str(m)
		case "Statement":
			statements = m.Value
		default:
			p.syntax(m.NameOffset, ReasonElement, "a policy has no element %q; it has Version, Id and Statement", m.Name)
		}
	}
	d.statements = p.statements(root, statements)
	return d
}

func (p *parser) readVersion(root strictjson.Value) string {
	v := root.Get("Version")
	version, isText := v.Text()
	switch {
	case v.Kind() == strictjson.Missing:
		version = version2008
	case !isText || version != version2008 && version != version2012:
		p.syntax(v.Offset(), ReasonVersion, `the Version is neither "2012-10-17" nor "2008-10-17"`)
	}
	if version != version2012 && (p.kind == Managed || p.kind == Boundary) {
		p.refuse(phaseVersion, v.Offset(), ReasonVersion, awsVersion, `a %s must say "Version": "2012-10-17"`, p.kind)
	}
	p.version = version
	return version
}

// str is the text of a member that must be a string.
func (p *parser) str(m strictjson.Member) string {
	text, ok := m.Value.Text()
	if !ok {
		p.syntax(m.Value.Offset(), ReasonStructure, "%s must be a string, it is %s", m.Name, articled(m.Value.Kind()))
	}
	return text
}

// articled is a kind of JSON value with its article.
func articled(k strictjson.Kind) string {
	switch k {
	case strictjson.Array, strictjson.Object:
		return "an " + k.String()
	case strictjson.String, strictjson.Number:
		return "a " + k.String()
	}
	return k.String()
}

func (p *parser) statements(root, v strictjson.Value) []*Statement {
	var all []*Statement
	switch v.Kind() {
	case strictjson.Object:
		all = append(all, p.statement(0, v))
	case strictjson.Array:
		for i, item := range v.Items() {
			all = append(all, p.statement(i, item))
		}
	case strictjson.Missing:
		p.syntax(root.Offset(), ReasonStructure, "the policy has no Statement")
		return nil
	default:
		p.syntax(v.Offset(), ReasonStructure, "Statement must be an object or a list of objects, it is %s", articled(v.Kind()))
		return nil
	}
	p.where = ""
	if len(all) == 0 {
		p.syntax(v.Offset(), ReasonStructure, "the list of statements is empty")
	}
	p.uniqueSids(all)
	return all
}

func (p *parser) uniqueSids(all []*Statement) {
	seen := map[string]bool{}
	for _, s := range all {
		if s.sid != "" && seen[s.sid] {
			p.refuse(phaseSid, s.position.Offset, ReasonSid, "Statement IDs (SID) in a single policy must be unique.",
				"statement %d: the Sid %q is another statement's already", s.index+1, s.sid)
		}
		seen[s.sid] = true
	}
}

func (p *parser) statement(index int, v strictjson.Value) *Statement {
	p.where = fmt.Sprintf("statement %d", index+1)
	s := (&Statement{kind: p.kind, index: index, position: p.position(v.Offset()), end: p.position(v.End())}).settled()
	if v.Kind() != strictjson.Object {
		p.syntax(v.Offset(), ReasonStructure, "a statement is an object, this is %s", articled(v.Kind()))
		return s
	}
	for _, m := range v.Members() {
		p.element(s, m)
	}
	p.whole(s, v)
	return s
}

func (p *parser) element(s *Statement, m strictjson.Member) {
	switch m.Name {
	case "Sid":
		s.sid = p.str(m)
	case "Effect":
		s.deny = p.effect(m)
	case "Principal", "NotPrincipal":
		p.principalElement(s, m)
	case "Action", "NotAction":
		p.actionElement(s, m)
	case "Resource", "NotResource":
		p.resourceElement(s, m)
	case "Condition":
		s.conditions = p.conditions(m.Value)
	default:
		p.syntax(m.NameOffset, ReasonElement, "a statement has no element %q", m.Name)
	}
}

// whole checks what a statement must have and may not have twice.
func (p *parser) whole(s *Statement, v strictjson.Value) {
	has := func(name string) bool { return v.Get(name).Kind() != strictjson.Missing }
	at := v.Offset()
	for _, name := range []string{"Principal", "Action", "Resource"} {
		if has(name) && has("Not"+name) {
			p.syntax(at, ReasonStructure, "it has both %s and Not%s", name, name)
		}
	}
	if !has("Effect") {
		p.syntax(at, ReasonEffect, "it has no Effect")
	}
	if p.kind.namesPrincipals() && !has("Principal") && !has("NotPrincipal") {
		p.refuse(phasePrincipal, at, ReasonPrincipal, "Missing required field Principal",
			"it has no Principal, and a statement of a %s must say whom it concerns", p.kind)
	}
	if s.principals != nil && s.principals.not && !s.deny {
		p.refuse(phasePrincipal, at, ReasonProhibited, awsSyntax,
			"NotPrincipal stands beside Effect Allow: that would allow everyone else, strangers included")
	}
	if len(s.actions) == 0 {
		p.refuse(phaseActions, at, ReasonAction, "Policy statement must contain actions.", "it has no actions")
	}
	if len(s.resources) == 0 && p.kind != Trust {
		p.refuse(phaseResources, at, ReasonResource, "Policy statement must contain resources.", "it has no resources")
	}
}

func (p *parser) effect(m strictjson.Member) (deny bool) {
	switch effect := p.str(m); {
	case effect == "Allow":
		return false
	case effect == "Deny":
	case strings.EqualFold(effect, "Allow"), strings.EqualFold(effect, "Deny"):
		p.refuse(phaseLegacy, m.Value.Offset(), ReasonEffect, awsLegacy, "the Effect %q is misspelt: case counts", effect)
	default:
		p.syntax(m.Value.Offset(), ReasonEffect, "the Effect is neither Allow nor Deny")
	}
	return true
}

// item is one text of an element that may be a string or a list of them.
type item struct {
	text   string
	offset int
}

// items reads a string or a list of strings. null in a list is passed over,
// where AWS does.
func (p *parser) items(name string, v strictjson.Value, nulls bool) []item {
	one := func(v strictjson.Value) (item, bool) {
		text, ok := v.Text()
		if !ok && !(nulls && v.Kind() == strictjson.Null) {
			p.syntax(v.Offset(), ReasonStructure, "%s must hold strings, this is %s", name, articled(v.Kind()))
		}
		return item{text, v.Offset()}, ok
	}
	if v.Kind() != strictjson.Array {
		nulls = false
		i, _ := one(v)
		return []item{i}
	}
	var all []item
	for _, v := range v.Items() {
		if i, ok := one(v); ok {
			all = append(all, i)
		}
	}
	return all
}

func (p *parser) actionElement(s *Statement, m strictjson.Member) {
	s.notAction = m.Name == "NotAction"
	if s.notAction && p.kind == Trust {
		p.refuse(phaseTrust, m.NameOffset, ReasonProhibited, awsTrustActions, "a trust policy has no NotAction: it lists what it is about")
	}
	for _, i := range p.items(m.Name, m.Value, false) {
		a, _ := p.action(i.text, i.offset)
		s.actions = append(s.actions, a)
	}
}

func (p *parser) resourceElement(s *Statement, m strictjson.Member) {
	s.notRes = m.Name == "NotResource"
	if p.kind == Trust {
		p.refuse(phaseTrust, m.NameOffset, ReasonProhibited, "Has prohibited field Resource.",
			"a trust policy has no %s: it is about the role it belongs to", m.Name)
		return
	}
	for _, i := range p.items(m.Name, m.Value, true) {
		r, _ := p.resource(i.text, i.offset)
		s.resources = append(s.resources, r)
	}
}

func (p *parser) conditions(v strictjson.Value) []Condition {
	if v.Kind() != strictjson.Object {
		p.syntax(v.Offset(), ReasonStructure, "Condition must be an object of operators, it is %s", articled(v.Kind()))
		return nil
	}
	var all []Condition
	for _, m := range v.Members() {
		all = append(all, p.operator(m)...)
	}
	return all
}

// operator reads the keys under one operator. An operator without keys says
// nothing, whatever its name: AWS accepts it, and so do we.
func (p *parser) operator(m strictjson.Member) []Condition {
	if m.Value.Kind() != strictjson.Object {
		p.syntax(m.Value.Offset(), ReasonStructure, "the operator %s must hold an object of keys and values, it is %s", m.Name, articled(m.Value.Kind()))
		return nil
	}
	if len(m.Value.Members()) == 0 {
		return nil
	}
	o, ok := parseOperator(m.Name)
	if !ok {
		p.syntax(m.NameOffset, ReasonOperator, "there is no condition operator %q", m.Name)
		return nil
	}
	var all []Condition
	for _, k := range m.Value.Members() {
		if problem := refuseKey(k.Name); problem != "" {
			p.syntax(k.NameOffset, ReasonKey, "the condition key %q %s", k.Name, problem)
			continue
		}
		all = append(all, Condition{
			operator: o, key: k.Name, position: p.position(k.NameOffset),
			values: p.values(o, k),
		})
	}
	return all
}

// refuseKey says why a name cannot be a condition key. Such a key would never
// be in a request, and nobody would notice.
func refuseKey(name string) string {
	switch {
	case name == "":
		return "is empty"
	case strings.TrimSpace(name) != name:
		return "begins or ends with white space"
	case strings.Contains(name, "${"):
		return "holds a variable, and variables stand in values only"
	case strings.IndexFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }) >= 0:
		return "holds a control character"
	}
	return ""
}

// values reads a condition's values: a string, number or boolean, or a list of
// these. An empty list is accepted, as AWS does; the condition can then not be
// evaluated.
func (p *parser) values(o Operator, k strictjson.Member) []Value {
	items := []strictjson.Value{k.Value}
	if k.Value.Kind() == strictjson.Array {
		items = k.Value.Items()
	}
	all := make([]Value, 0, len(items))
	for _, v := range items {
		text, ok := scalar(v)
		if !ok {
			p.syntax(v.Offset(), ReasonStructure, "the values of %s are strings, numbers or booleans, this is %s", k.Name, articled(v.Kind()))
			continue
		}
		value, problem := compileValue(o.Test, text, p.variables())
		if problem != "" {
			p.refuse(phaseLegacy, v.Offset(), ReasonValue, awsLegacy, "%s of %s cannot compare with %q: %s", o, k.Name, text, problem)
			continue
		}
		all = append(all, value)
	}
	return all
}

// scalar is a condition value as text: a number as written, a boolean as a
// word.
func scalar(v strictjson.Value) (string, bool) {
	if b, ok := v.Bool(); ok {
		if b {
			return "true", true
		}
		return "false", true
	}
	if n, ok := v.Number(); ok {
		return n, true
	}
	return v.Text()
}
