package prove

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// constraint is what a condition says of the requests of a shape: in one group,
// for which words it holds. Where unmodelled is not empty nobody here can say
// which they are, or but for the unknown ones, and why.
type constraint struct {
	group      int
	holds      part // the condition holds
	open       part // it cannot be evaluated: such a request helps no Allow and stops no Deny
	unknown    part // nobody here knows; why is in unmodelled
	unmodelled string
}

// constant is a constraint that all requests of the shape meet, or none.
func constant(s *Shape, holds bool) constraint {
	if holds {
		return constraint{holds: s.all().parts[0]}
	}
	return constraint{}
}

// maxValues is up to how many values of a key are looked at one by one.
const maxValues = 256

// constrain reads a condition as a constraint on a shape. The operators that
// compare text are read as languages; any other is asked of each value the key
// can have, where those are few. Both end in the evaluator's own code: nothing
// here knows what an operator does with a key that is absent.
func (s *Shape) constrain(w *regular.Work, c *policy.Condition) constraint {
	k, found := s.keys[policy.FoldKey(c.Key())]
	if why := s.unmodelled(policy.FoldKey(c.Key())); !found && why != "" {
		return constraint{unmodelled: why}
	}
	if !found && s.doors && isDoor(c.Key()) {
		if k, found = s.door(w, c.Key()); !found {
			return constraint{open: s.all().parts[0]}
		}
	}
	if !found {
		holds, evaluable := holdsFor(c)
		out := constant(s, holds)
		if !evaluable {
			out.open = s.all().parts[0]
		}
		return out
	}
	g := s.groups[k.group]
	out := constraint{group: k.group}
	if g.Optional {
		out.holds.missing, out.open.missing = missing(holdsFor(c))
	}
	var values, holds, open regular.Language
	textual := c.Confines() && len(c.Values()) > 0 && k.Cases == nil // what the key can be makes no difference
	if !textual {
		values = s.valuesOf(w, policy.FoldKey(c.Key()))
	}
	if list, few := values.Words(maxValues); few && !textual {
		fixed, why := s.fixed(w, c)
		if why != "" {
			out.unmodelled = why
			return out
		}
		holds, open = sortValues(c, list, fixed)
	} else {
		var why string
		if holds, open, why = s.textual(w, c, values); why != "" {
			out.unmodelled = why
			return out
		}
	}
	out.holds.words, out.open.words = k.words(w, g, holds), k.words(w, g, open)
	if !k.Unknown.IsEmpty() {
		out.unknown.words = k.Unknown
		out.unmodelled = "the facts do not say what " + k.Name + " is"
	}
	return out
}

// unmodelled is why nothing is known of a key, by its folded name, that no group
// makes; empty if requests do not have it.
func (s *Shape) unmodelled(name string) string {
	if claim, ok := strings.CutPrefix(name, s.unknownPrefix); ok && s.unknownPrefix != "" && s.opaque[name] == "" && SetBy(claim) == 0 {
		return fmt.Sprintf("%s is no claim that is known of GitLab", claim)
	}
	return s.opaque[name]
}

func missing(holds, evaluable bool) (yes, open bool) { return holds && evaluable, !evaluable }

// setting is a key and its value.
type setting struct{ key, value string }

// holdsFor asks the evaluator about a request with some keys and no others.
func holdsFor(c *policy.Condition, settings ...setting) (holds, evaluable bool) {
	var b policy.ContextBuilder
	for _, s := range settings {
		b.Set(s.key, s.value)
	}
	ctx, err := b.Context()
	if err != nil {
		return false, false // a key twice: callers see to it that it does not happen
	}
	return c.Holds(ctx)
}

// fixed are the values of the keys that the condition's variables name. A
// variable that is not the same in every request is not modelled.
func (s *Shape) fixed(w *regular.Work, c *policy.Condition) (settings []setting, unmodelled string) {
	for _, name := range c.Variables() {
		if _, done := settingOf(settings, policy.Part{Text: name}); done {
			continue
		}
		if policy.SameKey(name, c.Key()) {
			return nil, fmt.Sprintf("%s is compared with itself, as ${%s}", c.Key(), name)
		}
		value, absent, ok := s.constant(w, name)
		_, found := s.keys[policy.FoldKey(name)]
		switch why := s.unmodelled(policy.FoldKey(name)); {
		case !found && why != "":
			return nil, why
		case s.doors && isDoor(name):
			return nil, fmt.Sprintf("%s is compared with ${%s}, which is what GitLab enforces then", c.Key(), name)
		case !ok:
			return nil, fmt.Sprintf("%s is compared with ${%s}, which is not the same in every job", c.Key(), name)
		case !absent:
			settings = append(settings, setting{name, value})
		}
	}
	return settings, ""
}

// sortValues asks the condition of each value.
func sortValues(c *policy.Condition, values []string, fixed []setting) (holds, open regular.Language) {
	var yes, unsure []string
	for _, v := range values {
		h, evaluable := holdsFor(c, append(fixed[:len(fixed):len(fixed)], setting{c.Key(), v})...)
		switch {
		case !evaluable:
			unsure = append(unsure, v)
		case h:
			yes = append(yes, v)
		}
	}
	return regular.OneOf(yes...), regular.OneOf(unsure...)
}

// textual reads a condition on a key that can have too many values to be asked
// one by one.
func (s *Shape) textual(w *regular.Work, c *policy.Condition, values regular.Language) (holds, open regular.Language, unmodelled string) {
	o := c.Operator()
	switch {
	case len(c.Values()) == 0:
		return regular.Language{}, values, ""
	case o.Test == policy.Null:
		return s.presence(w, c, values), regular.Language{}, ""
	case o.Test > policy.StringLike:
		return holds, open, fmt.Sprintf("%s compares %s, and that can be anything: only String operators can be read there", o, c.Key())
	}
	fixed, why := s.fixed(w, c)
	if why != "" {
		return holds, open, why
	}
	var listed regular.Language
	for _, v := range c.Values() {
		listed = w.Union(listed, valueLanguage(w, o, v, fixed))
	}
	holds = listed // and what it cannot be: that makes no difference to the words
	if o.Negated {
		holds = w.Subtract(values, listed)
	}
	// The set forms take an empty value for none at all.
	if o.Set == policy.ForAllValues && values.Contains("") {
		holds = w.Union(holds, regular.Literal(""))
	}
	return holds, regular.Language{}, ""
}

// presence reads Null: the empty text counts as absent.
func (s *Shape) presence(w *regular.Work, c *policy.Condition, values regular.Language) regular.Language {
	var out regular.Language
	if h, _ := holdsFor(c, setting{c.Key(), "x"}); h {
		out = w.Subtract(values, regular.Literal(""))
	}
	if h, _ := holdsFor(c, setting{c.Key(), ""}); h {
		out = w.Union(out, w.Intersect(values, regular.Literal("")))
	}
	return out
}

// valueLanguage is what one value of a String operator matches.
func valueLanguage(w *regular.Work, o policy.Operator, v policy.Value, fixed []setting) regular.Language {
	kind := regular.Exactly
	if o.Test == policy.StringEqualsIgnoreCase {
		kind = regular.AnyCase
	}
	var tokens []regular.Token
	for _, p := range v.Parts() {
		switch p.Kind {
		case policy.AnyRun:
			tokens = append(tokens, regular.Token{Kind: regular.AnyRun})
		case policy.AnyChar:
			tokens = append(tokens, regular.Token{Kind: regular.AnyChar})
		case policy.Literal:
			tokens = append(tokens, regular.Token{Kind: kind, Text: p.Text})
		case policy.Variable:
			text, ok := settingOf(fixed, p)
			if !ok {
				return regular.Language{} // a variable without a value equals nothing
			}
			tokens = append(tokens, regular.Token{Kind: kind, Text: text})
		}
	}
	return w.Pattern(tokens...)
}

func settingOf(fixed []setting, p policy.Part) (string, bool) {
	for _, s := range fixed {
		if policy.SameKey(s.key, p.Text) {
			return s.value, true
		}
	}
	return p.Default, p.HasDefault
}
