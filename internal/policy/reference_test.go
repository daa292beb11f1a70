package policy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"mayfly.internal/internal/policy"
)

// The reference evaluator: the definitions of the language written down again,
// slowly, over encoding/json, regular expressions and big numbers, sharing no
// code with the package. Truth is a number, -1 false, 0 unknown, 1 true, so
// that "and" is the minimum, "or" the maximum and "not" the minus sign.

const (
	refFalse   = -1
	refUnknown = 0
	refTrue    = 1
)

func refOf(b bool) int {
	if b {
		return refTrue
	}
	return refFalse
}

// refCaller is who asks, by all names it answers to.
type refCaller struct {
	anonymous, inAccount    bool
	account, self, role, id string // self: session or user or role or root ARN
	federated, service      string
	isRoot                  bool
}

// refRequest is a request as the reference sees it: context keys in lower case.
type refRequest struct {
	caller           refCaller
	action, resource string
	single           map[string]string
	many             map[string][]string
}

// refLayers are the texts of the policies, and the resource's owner.
type refLayers struct {
	resource, identity, session, boundary []string
	trust                                 bool // the resource policies are trust policies
	owner                                 string
}

func refEvaluate(r refRequest, l refLayers) policy.Effect {
	denied := false
	allow := func(docs []string, names bool) (any bool, named int) {
		for _, text := range docs {
			for _, s := range refStatements(text) {
				matched, n := r.statement(s, names, l.trust, len(l.boundary) > 0)
				if s.effect == "Deny" && matched >= refUnknown {
					denied = true
				}
				if s.effect == "Allow" && matched == refTrue {
					any, named = true, max(named, n)
				}
			}
		}
		return any, named
	}
	byResource, named := allow(l.resource, true)
	byIdentity, _ := allow(l.identity, false)
	bySession, _ := allow(l.session, false)
	byBoundary, _ := allow(l.boundary, false)
	if denied {
		return policy.ExplicitDeny
	}
	narrow := (len(l.session) == 0 || bySession) && (len(l.boundary) == 0 || byBoundary)
	own := byIdentity && narrow
	ok := false
	switch {
	case !r.caller.inAccount:
		ok = byResource && named == 3
	case l.owner != r.caller.account, strings.ToLower(r.action) == "sts:setsourceidentity":
		ok = byResource && own
	case (strings.HasPrefix(strings.ToLower(r.action), "sts:assumerole") || strings.ToLower(r.action) == "sts:tagsession") && !byResource:
		ok = false
	default:
		ok = own || byResource && (named == 3 || named == 2 && narrow)
	}
	if ok {
		return policy.Allow
	}
	return policy.ImplicitDeny
}

type refStatement struct {
	version, effect string
	m               map[string]any
}

func refStatements(text string) (all []refStatement) {
	var d map[string]any
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	if err := dec.Decode(&d); err != nil {
		panic(err)
	}
	version, _ := d["Version"].(string)
	for _, s := range refList(d["Statement"]) {
		m := s.(map[string]any)
		all = append(all, refStatement{version, m["Effect"].(string), m})
	}
	return all
}

func refList(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func refText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "true"
		}
		return "false"
	case json.Number:
		return v.String()
	}
	panic(v)
}

func (r refRequest) statement(s refStatement, names, trust, bounded bool) (matched, named int) {
	matched, named = refTrue, 3
	if names {
		element, not := s.m["Principal"], false
		if element == nil {
			element, not = s.m["NotPrincipal"], true
		}
		named = r.named(element, trust && s.effect == "Allow")
		matched = refOf(named > 0)
		if not {
			matched = refOf(named == 0 || bounded && r.caller.inAccount)
			named = 0
		}
	}
	matched = min(matched, r.actionMatches(s), r.resourceMatches(s))
	if c, ok := s.m["Condition"].(map[string]any); ok {
		for operator, keys := range c {
			for key, values := range keys.(map[string]any) {
				matched = min(matched, r.condition(s.version, operator, key, refList(values)))
			}
		}
	}
	return matched, named
}

// named: 3 the caller itself or everyone, 2 its role, 1 its account, 0 not.
func (r refRequest) named(element any, bindingNeeded bool) int {
	c := r.caller
	if element == "*" {
		return 3
	}
	best := 0
	for typ, list := range element.(map[string]any) {
		for _, v := range refList(list) {
			name, n := v.(string), 0
			switch {
			case typ == "AWS" && name == "*", typ == "Federated" && name == c.federated && name != "", typ == "Service" && name == c.service && name != "":
				n = 3
			case typ != "AWS" || !c.inAccount:
			case name == c.account, name == "arn:aws:iam::"+c.account+":root":
				n = 1
				if c.isRoot {
					n = 3
				}
			case name == c.id:
				n = 2
			case bindingNeeded && (strings.Contains(name, ":role/") || strings.Contains(name, ":assumed-role/")):
			case name == c.role:
				n = 2
			case name == c.self:
				n = 3
			}
			best = max(best, n)
		}
	}
	return best
}

func (r refRequest) actionMatches(s refStatement) int {
	element, not := s.m["Action"], false
	if element == nil {
		element, not = s.m["NotAction"], true
	}
	any := false
	for _, p := range refList(element) {
		any = any || refGlob(strings.ToLower(p.(string))).MatchString(strings.ToLower(r.action))
	}
	return refOf(any != not)
}

func (r refRequest) resourceMatches(s refStatement) int {
	element, not := s.m["Resource"], false
	if element == nil {
		element, not = s.m["NotResource"], true
	}
	if element == nil {
		return refTrue
	}
	best := refFalse
	for _, p := range refList(element) {
		re, missing, many := r.pattern(s.version, p.(string))
		switch {
		case many, missing && not:
			best = max(best, refUnknown)
		case missing:
		case re.MatchString(r.resource):
			best = refTrue
		}
	}
	if not {
		return -best
	}
	return best
}

func refGlob(p string) *regexp.Regexp {
	re := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p))
	return regexp.MustCompile("(?s)^(?:" + re + ")$")
}

var refVariable = regexp.MustCompile(`(?s)\$\{[^}]*\}`)

// pattern is a policy text as a regular expression, wildcards and variables in
// force.
func (r refRequest) pattern(version, text string) (re *regexp.Regexp, missing, many bool) {
	wild := strings.NewReplacer(`\*`, ".*", `\?`, ".")
	out, last := "", 0
	for _, at := range r.variablesIn(version, text) {
		value, miss, mult := r.variable(text[at[0]:at[1]])
		missing, many = missing || miss, many || mult
		out += wild.Replace(regexp.QuoteMeta(text[last:at[0]])) + regexp.QuoteMeta(value)
		last = at[1]
	}
	out += wild.Replace(regexp.QuoteMeta(text[last:]))
	return regexp.MustCompile("(?s)^(?:" + out + ")$"), missing, many
}

func (r refRequest) variablesIn(version, text string) [][]int {
	if version != "2012-10-17" {
		return nil
	}
	return refVariable.FindAllStringIndex(text, -1)
}

func (r refRequest) variable(text string) (value string, missing, many bool) {
	body := text[2 : len(text)-1]
	if body == "*" || body == "?" || body == "$" {
		return body, false, false
	}
	key, fallback, hasFallback := strings.Cut(body, ",")
	key = strings.ToLower(strings.TrimSpace(key))
	if _, ok := r.many[key]; ok {
		return "", false, true
	}
	if v, ok := r.single[key]; ok {
		return v, false, false
	}
	if hasFallback {
		return strings.Trim(strings.TrimSpace(fallback), "'"), false, false
	}
	return "", true, false
}

// expand is a policy text with its variables put in, for operators without
// wildcards.
func (r refRequest) expand(version, text string) (out string, missing, many bool) {
	last := 0
	for _, at := range r.variablesIn(version, text) {
		value, miss, mult := r.variable(text[at[0]:at[1]])
		missing, many = missing || miss, many || mult
		out += text[last:at[0]] + value
		last = at[1]
	}
	return out + text[last:], missing, many
}

func (r refRequest) condition(version, operator, key string, wanted []any) int {
	set, base, found := strings.Cut(operator, ":")
	if !found {
		set, base = "", operator
	}
	base, ifExists := strings.CutSuffix(base, "IfExists")
	key = strings.ToLower(key)
	var seen []string
	value, isSingle := r.single[key]
	values, isMany := r.many[key]
	if isSingle {
		seen = []string{value}
	} else if isMany {
		seen = values
	}
	if len(wanted) == 0 {
		return refUnknown
	}
	blank := strings.Join(seen, "") == ""
	if base == "Null" {
		for _, w := range wanted {
			if (strings.ToLower(refText(w)) == "true") == blank {
				return refTrue
			}
		}
		return refFalse
	}
	negated := strings.Contains(base, "Not")
	if len(seen) == 0 {
		return refOf(ifExists || set == "ForAllValues" || set != "ForAnyValue" && negated)
	}
	if set == "ForAllValues" && blank {
		return refTrue
	}
	if set == "" && isMany {
		return refUnknown
	}
	all, any := refTrue, refFalse
	for _, v := range seen {
		one := refFalse
		for _, w := range wanted {
			one = max(one, r.compare(version, strings.Replace(base, "Not", "", 1), refText(w), v))
		}
		if negated {
			one = -one
		}
		all, any = min(all, one), max(any, one)
	}
	if set == "ForAnyValue" {
		return any
	}
	return all
}

func (r refRequest) compare(version, base, want, seen string) int {
	switch base {
	case "StringEquals", "StringEqualsIgnoreCase":
		text, missing, many := r.expand(version, want)
		switch {
		case many:
			return refUnknown
		case missing:
			return refFalse
		case base == "StringEquals":
			return refOf(text == seen)
		}
		return refOf(strings.EqualFold(text, seen)) // the world's letters are ASCII
	case "StringLike":
		return r.like(version, want, seen)
	case "ArnLike", "ArnEquals":
		return r.arnLike(version, want, seen)
	case "Bool":
		s := strings.ToLower(seen)
		if s != "true" && s != "false" {
			return refUnknown
		}
		return refOf(s == strings.ToLower(want))
	case "BinaryEquals":
		x, err := base64.StdEncoding.DecodeString(want)
		y, err2 := base64.StdEncoding.DecodeString(seen)
		if err != nil || err2 != nil {
			return refUnknown
		}
		return refOf(bytes.Equal(x, y))
	case "IpAddress":
		return refInBlock(want, seen)
	}
	if order, ok := strings.CutPrefix(base, "Numeric"); ok {
		return refOrder(order, refNumber(seen), refNumber(want))
	}
	order := strings.TrimPrefix(base, "Date")
	return refOrder(order, refDate(seen), refDate(want))
}

func (r refRequest) like(version, want, seen string) int {
	re, missing, many := r.pattern(version, want)
	switch {
	case many:
		return refUnknown
	case missing:
		return refFalse
	}
	return refOf(re.MatchString(seen))
}

// arnLike matches the six parts one by one. The world's ARN patterns have no
// colon within a variable.
func (r refRequest) arnLike(version, want, seen string) int {
	w := strings.SplitN(refVariable.ReplaceAllStringFunc(want, func(v string) string { return strings.ReplaceAll(v, ":", "\x00") }), ":", 6)
	s := strings.SplitN(seen, ":", 6)
	if len(s) != 6 {
		return refUnknown
	}
	all, fault := refTrue, false
	for i := range w {
		part := strings.ReplaceAll(w[i], "\x00", ":")
		_, _, many := r.pattern(version, part)
		fault = fault || many
		all = min(all, r.like(version, part, s[i]))
	}
	if fault {
		return refUnknown
	}
	return all
}

func refInBlock(want, seen string) int {
	a, err := netip.ParseAddr(seen)
	if err != nil {
		return refUnknown
	}
	host, bits, hasBits := strings.Cut(want, "/")
	b := netip.MustParseAddr(host)
	if a.Is4() != b.Is4() {
		return refFalse
	}
	n, width := b.BitLen(), uint(b.BitLen())
	if hasBits {
		n = int(refNumber(bits).Num().Int64())
	}
	x := new(big.Int).SetBytes(a.AsSlice())
	y := new(big.Int).SetBytes(b.AsSlice())
	return refOf(x.Rsh(x, width-uint(n)).Cmp(y.Rsh(y, width-uint(n))) == 0)
}

var refDigits = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

func refNumber(s string) *big.Rat {
	if !refDigits.MatchString(s) {
		return nil
	}
	n, _ := new(big.Rat).SetString(s)
	return n
}

func refDate(s string) *big.Rat {
	if regexp.MustCompile(`^[0-9]+$`).MatchString(s) {
		return refNumber(s)
	}
	if s == "-1" { // the one negative year of the world
		return new(big.Rat).SetInt64(time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return new(big.Rat).Add(new(big.Rat).SetInt64(t.Unix()), big.NewRat(int64(t.Nanosecond()), 1e9))
		}
	}
	return nil
}

func refOrder(order string, seen, want *big.Rat) int {
	if seen == nil || want == nil {
		return refUnknown
	}
	c := seen.Cmp(want)
	return refOf(map[string]bool{
		"Equals": c == 0, "LessThan": c < 0, "LessThanEquals": c <= 0, "GreaterThan": c > 0, "GreaterThanEquals": c >= 0,
	}[order])
}
