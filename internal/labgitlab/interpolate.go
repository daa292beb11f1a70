package labgitlab

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Limits of interpolation (GitLab docs, "CI/CD inputs").
const (
	maxInputBytes        = 1 << 10 // of a string in an input
	maxInterpolatedBytes = 1 << 20 // of a string that holds an input
	maxInputBlocks       = 10_000
	maxInputFunctions    = 3
)

var (
	inputBlock    = regexp.MustCompile(`\$\[\[\s*(\S.*?\S)\s*\]\]`)
	inputTruncate = regexp.MustCompile(`^truncate\(\s*(\d+)\s*,\s*(\d+)\s*\)$`)
	shellUnsafe   = regexp.MustCompile(`[^A-Za-z0-9_\-.,:+/@\n]`)
)

// interpolator puts a file's inputs where it asks for them:
// $[[ inputs.NAME | FUNCTION ]].
type interpolator struct {
	values    map[string]*node
	variables variableList // for expand_vars
	blocks    int
}

// node is a tree with its blocks replaced, in keys and in values. A value that
// is one block and nothing else takes the input's type; in a longer text the
// input is written out.
func (x *interpolator) node(n *node) (*node, error) {
	switch {
	case n.is(kindString):
		return x.text(n)
	case n.is(kindList), n.is(kindReference):
		items := make([]*node, 0, len(n.list))
		for _, item := range n.list {
			out, err := x.node(item)
			if err != nil {
				return nil, err
			}
			items = append(items, out)
		}
		return newList(n.pos, n.kind, items), nil
	case n.is(kindMap):
		entries := make([]entry, 0, len(n.entries))
		for _, e := range n.entries {
			key, err := x.text(&node{kind: kindString, text: e.key, raw: e.key, pos: e.pos, size: 1})
			if err != nil {
				return nil, err
			}
			value, err := x.node(e.value)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry{key: key.text, pos: e.pos, value: value})
		}
		return newMap(n.pos, entries), nil
	}
	return n, nil
}

func (x *interpolator) text(n *node) (*node, error) {
	if !strings.Contains(n.text, "$[[") {
		return n, nil
	}
	blocks := inputBlock.FindAllStringSubmatchIndex(n.text, -1)
	if x.blocks += len(blocks); x.blocks > maxInputBlocks {
		return nil, malformed(n.pos, "too many interpolation blocks")
	}
	var out strings.Builder
	rest := 0
	for _, b := range blocks {
		written, data := n.text[b[0]:b[1]], n.text[b[2]:b[3]]
		value, err := x.block(n.pos, written, data)
		if err != nil {
			return nil, err
		}
		if len(written) == len(n.text) {
			return value, nil
		}
		if value.is(kindList) || value.is(kindMap) {
			return nil, notModelled(written, n.pos, "a list written out as text")
		}
		out.WriteString(n.text[rest:b[0]])
		out.WriteString(value.text)
		rest = b[1]
	}
	out.WriteString(n.text[rest:])
	if out.Len() > maxInterpolatedBytes {
		return nil, malformed(n.pos, "a text with inputs is larger than %d bytes", maxInterpolatedBytes)
	}
	return &node{kind: kindString, text: out.String(), raw: out.String(), pos: n.pos, size: 1}, nil
}

// block is the value of one block: an input, and what functions make of it.
func (x *interpolator) block(at Position, written, data string) (*node, error) {
	parts := strings.Split(data, "|")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	from, name, _ := strings.Cut(parts[0], ".")
	switch from {
	case "inputs":
	case "matrix": // is for parallel:matrix, later
		return &node{kind: kindString, text: written, raw: written, pos: at, size: 1}, nil
	case "component":
		return nil, notModelled("$[[ component ]]", at, "what a component may know of itself")
	default:
		return nil, malformed(at, "unknown interpolation context %q", from)
	}
	value, known := x.values[name]
	if !known {
		return nil, malformed(at, "unknown input name provided: `%s` in `%s`", name, parts[0])
	}
	if len(parts)-1 > maxInputFunctions {
		return nil, malformed(at, "too many functions in interpolation block")
	}
	placed := *value // the place is where it is used
	placed.pos = at
	if value.null() {
		placed = node{kind: kindNull, pos: at, size: 1}
	}
	for _, function := range parts[1:] {
		if !placed.is(kindString) {
			return nil, malformed(at, "invalid input type: %s can only be used with string inputs", function)
		}
		text, err := x.apply(function, placed.text)
		if err != nil {
			return nil, malformed(at, "%v", err)
		}
		placed.text, placed.raw = text, text
	}
	return &placed, nil
}

// apply is one function of a block on a text.
func (x *interpolator) apply(function, text string) (string, error) {
	switch {
	case function == "expand_vars":
		for _, match := range textReference.FindAllStringSubmatch(text, -1) {
			if v, ok := x.variables.find(referenceName(match)); ok && v.Masked {
				return "", fmt.Errorf("variable expansion error: masked variables cannot be expanded")
			}
		}
		return x.variables.expandExisting(text), nil
	case function == "posix_escape":
		if text == "" {
			return "''", nil
		}
		return strings.ReplaceAll(shellUnsafe.ReplaceAllString(text, `\$0`), "\n", "'\n'"), nil
	}
	m := inputTruncate.FindStringSubmatch(function)
	if m == nil {
		return "", fmt.Errorf("no function matching `%s`: check that the function name, arguments, and types are correct", function)
	}
	offset, err1 := strconv.Atoi(m[1])
	length, err2 := strconv.Atoi(m[2])
	runes := []rune(text)
	if err1 != nil || err2 != nil || offset > len(runes) {
		return "", nil // beyond its end, where Ruby has nothing
	}
	return string(runes[offset:min(len(runes), offset+min(length, len(runes)))]), nil
}
