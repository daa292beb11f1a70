package labgitlab

import (
	"regexp"
	"slices"
	"strings"
)

// inputKeys are what spec:inputs may say of an input.
var inputKeys = []string{"type", "default", "description", "options", "regex"}

// input is one that a file declares in its header.
type input struct {
	name     string
	pos      Position
	kind     string // string, number, boolean or array
	fallback *node  // default; nil: a value must be given
	options  []*node
	regex    *regexp.Regexp
}

// readInputs reads the header of a file (GitLab docs, "spec:inputs").
func readInputs(header *node) ([]input, error) {
	for _, e := range header.entries {
		if e.key != "spec" {
			return nil, malformed(e.pos, "the header config contains unknown keys: %s", e.key)
		}
	}
	spec := header.get("spec")
	if spec.null() {
		return nil, nil
	}
	if !spec.is(kindMap) {
		return nil, malformed(spec.pos, "spec should be a mapping, not %s", spec.describe())
	}
	for _, e := range spec.entries {
		switch e.key {
		case "inputs":
		case "include", "component":
			return nil, notModelled("spec:"+e.key, e.pos, "inputs of the file itself only")
		default:
			return nil, malformed(e.pos, "spec config contains unknown keys: %s", e.key)
		}
	}
	declared := spec.get("inputs")
	if declared.null() {
		return nil, nil
	}
	if !declared.is(kindMap) {
		return nil, malformed(declared.pos, "spec:inputs should be a mapping, not %s", declared.describe())
	}
	var inputs []input
	for _, e := range declared.entries {
		in, err := readInput(e)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

func readInput(e entry) (input, error) {
	in := input{name: e.key, pos: e.pos, kind: "string"}
	if e.value.null() {
		return in, nil
	}
	if !e.value.is(kindMap) {
		return in, malformed(e.value.pos, "spec:inputs:%s should be a mapping, not %s", e.key, e.value.describe())
	}
	for _, key := range e.value.entries {
		if key.key == "rules" {
			return in, notModelled("spec:inputs:rules", key.pos, "an input's default and options are the same for everybody")
		}
		if !slices.Contains(inputKeys, key.key) {
			return in, malformed(key.pos, "spec:inputs:%s config contains unknown keys: %s", e.key, key.key)
		}
	}
	if kind := e.value.get("type"); !kind.null() {
		if in.kind = kind.text; !slices.Contains([]string{"string", "number", "boolean", "array"}, in.kind) {
			return in, malformed(kind.pos, "unknown input specification for `%s` (valid types: array, boolean, number, string)", e.key)
		}
	}
	if options := e.value.get("options"); !options.null() {
		if !options.is(kindList) || in.kind == "boolean" || in.kind == "array" {
			return in, malformed(options.pos, "`%s` input: options should be a list, of strings or numbers", e.key)
		}
		in.options = options.list
	}
	if pattern := e.value.get("regex"); !pattern.null() {
		if !pattern.is(kindString) || in.kind != "string" {
			return in, malformed(pattern.pos, "`%s` input: RegEx validation can only be used with string inputs", e.key)
		}
		var err error
		if in.regex, err = regexp.Compile(pattern.text); err != nil {
			return in, malformed(pattern.pos, "`%s` input: invalid regular expression", e.key)
		}
	}
	if fallback := e.value.entry("default"); fallback != nil {
		in.fallback = fallback.value
		if detail := in.check(in.fallback); detail != "" {
			return in, malformed(fallback.pos, "`%s` input: default value %s", e.key, detail)
		}
	}
	return in, nil
}

// check says what is wrong with a value, in GitLab's words.
func (in *input) check(value *node) string {
	var fits bool
	switch in.kind {
	case "number":
		fits = value.is(kindInt) || value.is(kindFloat)
	case "boolean":
		fits = value.is(kindBool)
	case "array":
		fits = value.is(kindList)
	default:
		fits = value.is(kindString)
	}
	switch {
	case value.null():
		return "" // default: null, which becomes nothing
	case !fits:
		return "is not a " + in.kind
	case len(value.text) > maxInputBytes:
		return "is too large"
	case in.options != nil && !slices.ContainsFunc(in.options, func(o *node) bool { return o.kind == value.kind && o.text == value.text }):
		var allowed []string
		for _, o := range in.options {
			allowed = append(allowed, o.text)
		}
		return "is not in the list of allowed values: " + strings.Join(allowed, ", ")
	case in.regex != nil && !in.regex.MatchString(value.text):
		return "does not match required RegEx pattern"
	}
	return ""
}

// inputValues gives each declared input its value: what the include gives, or
// its default. given may be nil.
func inputValues(declared []input, given *node, at Position) (map[string]*node, error) {
	if !given.null() && !given.is(kindMap) {
		return nil, malformed(given.pos, "include:inputs should be a mapping, not %s", given.describe())
	}
	if given.is(kindMap) {
		for _, e := range given.entries {
			if !slices.ContainsFunc(declared, func(in input) bool { return in.name == e.key }) {
				return nil, malformed(e.pos, "unknown input arguments: %s", e.key)
			}
		}
	}
	values := make(map[string]*node, len(declared))
	for _, in := range declared {
		value := given.get(in.name)
		switch {
		case value.null() && in.fallback == nil:
			return nil, malformed(at, "`%s` input: required value has not been provided", in.name)
		case value.null():
			value = in.fallback
		default:
			if detail := in.check(value); detail != "" {
				return nil, malformed(value.pos, "`%s` input: provided value %s", in.name, detail)
			}
		}
		values[in.name] = value
	}
	return values, nil
}
