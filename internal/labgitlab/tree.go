package labgitlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of one YAML file, as GitLab's application settings default them.
const (
	maxYAMLBytes = 2 << 20 // max_yaml_size_bytes
	maxYAMLDepth = 100     // max_yaml_depth
	// maxYAMLNodes bounds a tree after aliases, extends and references are
	// followed, where GitLab bounds the parsed value's memory.
	maxYAMLNodes = 500_000
)

type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindString
	kindList
	kindMap
	kindReference // GitLab's !reference [job, key, …], not yet followed
)

// node is one immutable YAML value with the place it was written. Trees share
// nodes freely: an alias, an extended job and a reference point at the same
// values.
type node struct {
	kind    kind
	text    string // a scalar, printed as GitLab would print it
	raw     string // a scalar, as written
	pos     Position
	list    []*node // of a list or a reference
	entries []entry // of a map, in order
	index   map[string]int
	size    int // nodes in this tree, counting shared ones each time
}

type entry struct {
	key   string
	pos   Position
	value *node
}

func (n *node) is(k kind) bool { return n != nil && n.kind == k }

// null reports whether a value is absent; GitLab treats `key:` like no key.
func (n *node) null() bool { return n == nil || n.kind == kindNull }

func (n *node) scalar() bool {
	return n != nil && n.kind >= kindBool && n.kind <= kindString
}

// get is the value of key in a map, nil where there is none.
func (n *node) get(key string) *node {
	if e := n.entry(key); e != nil {
		return e.value
	}
	return nil
}

func (n *node) has(key string) bool { return !n.get(key).null() }

func (n *node) entry(key string) *entry {
	if !n.is(kindMap) {
		return nil
	}
	if i, ok := n.index[key]; ok {
		return &n.entries[i]
	}
	return nil
}

// keyPos is where key is written, or where the map is if it has no such key.
func (n *node) keyPos(key string) Position {
	if e := n.entry(key); e != nil {
		return e.pos
	}
	return n.pos
}

func newMap(pos Position, entries []entry) *node {
	n := &node{kind: kindMap, pos: pos, index: make(map[string]int, len(entries))}
	for _, e := range entries {
		n.set(e)
	}
	n.size = 1
	for _, e := range n.entries {
		n.size = addSize(n.size, e.value.size)
	}
	return n
}

// set is for maps under construction: a later entry takes the earlier one's
// place and wins, as in Ruby.
func (n *node) set(e entry) {
	if i, ok := n.index[e.key]; ok {
		n.entries[i] = e
		return
	}
	n.index[e.key] = len(n.entries)
	n.entries = append(n.entries, e)
}

func newList(pos Position, k kind, items []*node) *node {
	n := &node{kind: k, pos: pos, list: items, size: 1}
	for _, item := range items {
		n.size = addSize(n.size, item.size)
	}
	return n
}

func addSize(a, b int) int { return min(a+b, maxYAMLNodes+1) }

// merge is Ruby's deep_merge: maps join key by key, anything else of over
// replaces base.
func merge(base, over *node) *node {
	if !base.is(kindMap) || !over.is(kindMap) {
		return over
	}
	entries := append([]entry(nil), base.entries...)
	for _, e := range over.entries {
		if below := base.get(e.key); below != nil {
			e.value = merge(below, e.value)
		}
		entries = append(entries, e)
	}
	return newMap(over.pos, entries)
}

func (n *node) without(key string) *node {
	if n.entry(key) == nil {
		return n
	}
	var kept []entry
	for _, e := range n.entries {
		if e.key != key {
			kept = append(kept, e)
		}
	}
	return newMap(n.pos, kept)
}

func (n *node) with(e entry) *node {
	return newMap(n.pos, append(append([]entry(nil), n.entries...), e))
}

// treeReader turns yaml.v3's nodes into ours.
type treeReader struct {
	file   string
	strict bool // refuse a key written twice
	ready  map[*yaml.Node]*node
	open   map[*yaml.Node]bool
}

// parseYAML reads every document of a file.
func parseYAML(file string, content []byte, strict bool) ([]*node, error) {
	if len(content) > maxYAMLBytes {
		return nil, malformed(Position{File: file}, "the file is larger than %d bytes", maxYAMLBytes)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var documents []*node
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, yamlError(file, err)
		}
		reader := treeReader{file: file, strict: strict, ready: map[*yaml.Node]*node{}, open: map[*yaml.Node]bool{}}
		root, err := reader.read(&document, 0)
		if err != nil {
			return nil, err
		}
		documents = append(documents, root)
	}
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func yamlError(file string, err error) error {
	at, detail := Position{File: file}, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
		detail = m[2]
	}
	return malformed(at, "not YAML: %s", detail)
}

func (r *treeReader) at(n *yaml.Node) Position {
	return Position{File: r.file, Line: n.Line, Column: n.Column}
}

func (r *treeReader) read(n *yaml.Node, depth int) (*node, error) {
	if depth > maxYAMLDepth {
		return nil, malformed(r.at(n), "nested deeper than %d levels", maxYAMLDepth)
	}
	if done, ok := r.ready[n]; ok {
		return done, nil
	}
	if r.open[n] {
		return nil, malformed(r.at(n), "an anchor contains itself")
	}
	r.open[n] = true
	read, err := r.readKind(n, depth)
	delete(r.open, n)
	if err != nil {
		return nil, err
	}
	if read.size > maxYAMLNodes {
		return nil, malformed(r.at(n), "more than %d values once aliases are followed", maxYAMLNodes)
	}
	r.ready[n] = read
	return read, nil
}

func (r *treeReader) readKind(n *yaml.Node, depth int) (*node, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) != 1 {
			return nil, malformed(r.at(n), "an empty document")
		}
		return r.read(n.Content[0], depth)
	case yaml.AliasNode:
		return r.read(n.Alias, depth+1)
	case yaml.SequenceNode:
		return r.readList(n, depth)
	case yaml.MappingNode:
		return r.readMap(n, depth)
	case yaml.ScalarNode:
		return r.readScalar(n)
	default:
		return &node{kind: kindNull, pos: r.at(n), size: 1}, nil
	}
}

func (r *treeReader) readList(n *yaml.Node, depth int) (*node, error) {
	items := make([]*node, 0, len(n.Content))
	for _, child := range n.Content {
		item, err := r.read(child, depth+1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if n.Tag != "!reference" {
		return newList(r.at(n), kindList, items), nil
	}
	for _, item := range items {
		if !item.is(kindString) {
			return nil, malformed(item.pos, "!reference takes a list of strings")
		}
	}
	if len(items) == 0 {
		return nil, malformed(r.at(n), "!reference takes at least one string")
	}
	return newList(r.at(n), kindReference, items), nil
}

func (r *treeReader) readMap(n *yaml.Node, depth int) (*node, error) {
	building := &node{kind: kindMap, pos: r.at(n), index: map[string]int{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, child := n.Content[i], n.Content[i+1]
		key, err := r.read(name, depth+1)
		if err != nil {
			return nil, err
		}
		value, err := r.read(child, depth+1)
		if err != nil {
			return nil, err
		}
		if isMergeKey(name) && mergeInto(building, value) {
			continue
		}
		if !key.scalar() {
			return nil, malformed(r.at(name), "a key must be a plain word")
		}
		if _, twice := building.index[key.text]; twice && r.strict {
			return nil, malformed(r.at(name), "key %q is written twice", key.text)
		}
		building.set(entry{key: key.text, pos: r.at(name), value: value})
	}
	return newMap(building.pos, building.entries), nil
}

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style == 0
}

// mergeInto applies `<<:`. As in the YAML reader GitLab uses (Psych), the
// merged keys win over keys written above the `<<` and lose to those below it;
// of a list of maps the first wins.
func mergeInto(building, value *node) bool {
	switch {
	case value.is(kindMap):
		for _, e := range value.entries {
			building.set(e)
		}
		return true
	case value.is(kindList):
		for _, item := range value.list {
			if !item.is(kindMap) {
				return false
			}
		}
		for i := len(value.list) - 1; i >= 0; i-- {
			mergeInto(building, value.list[i])
		}
		return true
	}
	return false
}

func (r *treeReader) readScalar(n *yaml.Node) (*node, error) {
	out := &node{kind: kindString, text: n.Value, raw: n.Value, pos: r.at(n), size: 1}
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&quoted != 0 || n.Style&yaml.TaggedStyle != 0 && n.ShortTag() == "!!str" {
		return out, nil
	}
	var err error
	out.kind, out.text, err = resolveScalar(n.Value)
	if err != nil {
		return nil, malformed(out.pos, "%v", err)
	}
	return out, nil
}

// strings lists a list of strings.
func (n *node) strings() ([]string, error) {
	if !n.is(kindList) {
		return nil, malformed(n.pos, "should be a list of strings")
	}
	out := make([]string, 0, len(n.list))
	for _, item := range n.list {
		if !item.is(kindString) {
			return nil, malformed(item.pos, "should be a string")
		}
		out = append(out, item.text)
	}
	return out, nil
}

// describe names a value's type in an error.
func (n *node) describe() string {
	switch {
	case n.null():
		return "nothing"
	case n.is(kindList):
		return "a list"
	case n.is(kindMap):
		return "a mapping"
	case n.is(kindString):
		return "a string"
	case n.is(kindReference):
		return "a !reference"
	default:
		return fmt.Sprintf("%s (quote it to make it a string)", n.raw)
	}
}
