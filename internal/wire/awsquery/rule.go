package awsquery

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rule is what the model asks of one parameter.
type Rule struct {
	Required bool
	Min, Max int // length in characters; Max 0: no bound
	// Form, if set, says whether a value is of the model's pattern, and Pattern
	// how AWS writes that.
	Form    func(string) bool
	Pattern string
	OneOf   []string // if not nil, the values there are
	Secret  bool     // the value is not repeated in an error
}

// Of is the form of texts of some characters.
func Of(alphabet func(rune) bool) func(string) bool {
	return func(text string) bool {
		return !strings.ContainsFunc(text, func(c rune) bool { return !alphabet(c) })
	}
}

// IsWord is [\w+=,.@-], of which names in IAM and STS are made.
func IsWord(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_+=,.@-", c)
}

// IsDocument is [\u0009\u000A\u000D\u0020-\u00FF], of which policies are made.
func IsDocument(c rune) bool { return c == '\t' || c == '\n' || c == '\r' || ' ' <= c && c <= 0xff }

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
	switch n := utf8.RuneCountInString(value); {
	case n < rule.Min:
		r.breaks("%s at '%s' failed to satisfy constraint: Member must have length greater than or equal to %d", shown, member(name), rule.Min)
	case rule.Max > 0 && n > rule.Max:
		r.breaks("%s at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", shown, member(name), rule.Max)
	case rule.Form != nil && !rule.Form(value):
		r.breaks("%s at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", shown, member(name), rule.Pattern)
	case rule.OneOf != nil && !slices.Contains(rule.OneOf, value):
		r.breaks("%s at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]", shown, member(name), strings.Join(rule.OneOf, ", "))
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
	case err != nil || strconv.Itoa(n) != value: // 0900 and +900 are other texts
		r.breaks("Value '%s' at '%s' failed to satisfy constraint: Member must be a whole number", clip(value), member(name))
		return 0
	case n < min:
		r.breaks("Value '%d' at '%s' failed to satisfy constraint: Member must have value greater than or equal to %d", n, member(name), min)
	case n > max:
		r.breaks("Value '%d' at '%s' failed to satisfy constraint: Member must have value less than or equal to %d", n, member(name), max)
	}
	return n
}

// Bool is the value of a parameter that is true or false; false where it is
// absent.
func (r *Request) Bool(name string) bool {
	return r.Text(name, Rule{OneOf: []string{"true", "false"}}) == "true"
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

// Needs keeps for Check that a list must be given, if it is not.
func (r *Request) Needs(list string) {
	for name := range r.params {
		if name == list || strings.HasPrefix(name, list+".member.") {
			return
		}
	}
	r.breaks("Value null at '%s' failed to satisfy constraint: Member must not be null", member(list))
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
	if r.params[name] == "" {
		r.used[name] = true
	}
	prefix := name + ".member."
	members := map[string]bool{} // :: prefix and index → present
	for p := range r.params {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			index, _, _ := strings.Cut(rest, ".")
			members[prefix+index] = true
		}
	}
	var out []string
	for range members {
		next := prefix + strconv.Itoa(len(out)+1)
		if !members[next] {
			r.breaks("Value at '%s' failed to satisfy constraint: Member must be a list with the members 1, 2, …", member(name))
			r.use(prefix)
			return nil
		}
		out = append(out, next)
	}
	if len(out) > max {
		r.breaks("Value at '%s' failed to satisfy constraint: Member must have length less than or equal to %d", member(name), max)
		r.use(prefix)
		return nil
	}
	return out
}

// use marks all parameters of a list as asked for, so that one that is broken as
// a whole is not complained of again.
func (r *Request) use(prefix string) {
	for p := range r.params {
		if strings.HasPrefix(p, prefix) {
			r.used[p] = true
		}
	}
}
