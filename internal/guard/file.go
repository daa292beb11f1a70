package guard

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format is the version of facts.yaml that this package reads and writes: the
// value of its key mayfly-facts.
const Format = 1

// maxFile bounds a file: a thousand projects take a few megabytes.
const maxFile = 64 << 20

// FormatError is a file that is no facts.yaml of this version. Line and Column
// count from 1; 0 is not known.
type FormatError struct {
	Line, Column int
	Detail       string
}

func (e *FormatError) Error() string {
	switch {
	case e.Line == 0:
		return e.Detail
	case e.Column == 0:
		return fmt.Sprintf("line %d: %s", e.Line, e.Detail)
	}
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Detail)
}

// Decode reads a facts.yaml; docs/facts.md describes it. A key that is not there
// is an unknown fact; where the tier is free, what that tier lacks is absent. An
// unknown key, one written twice, another version and whatever else is not
// understood are refused, as a *FormatError.
func Decode(data []byte) (*Facts, error) {
	root, err := parse(data)
	if err != nil {
		return nil, err
	}
	r := &reader{}
	f := r.facts(root)
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

// parse reads the one YAML document of a file.
func parse(data []byte) (*yaml.Node, error) {
	if len(data) > maxFile {
		return nil, &FormatError{Detail: fmt.Sprintf("the file is larger than %d bytes", maxFile)}
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document yaml.Node
	if err := d.Decode(&document); errors.Is(err, io.EOF) {
		return nil, &FormatError{Detail: "the file is empty"}
	} else if err != nil {
		return nil, yamlError(err)
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		return nil, &FormatError{Line: second.Line, Column: second.Column, Detail: "there is more than one document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlError(err)
	}
	return document.Content[0], nil
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func yamlError(err error) error {
	if m := yamlErrorLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return &FormatError{Line: line, Detail: "not YAML: " + m[2]}
	}
	return &FormatError{Detail: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
}

// reader reads a file; its first error stays.
type reader struct {
	err  error
	name string // of the key being read
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{n.Line, n.Column, fmt.Sprintf(format, args...)}
	}
}

// mapping reads each key of a mapping by its name, and refuses the others.
func (r *reader) mapping(n *yaml.Node, what string, keys []key) {
	if n.Kind == yaml.AliasNode {
		r.fail(n, "aliases are not read here")
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%s should be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content) && r.err == nil; i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		at := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value })
		switch {
		case name.Kind != yaml.ScalarNode || at < 0:
			r.fail(name, "%s has no key %q", what, name.Value)
		case seen[name.Value]:
			r.fail(name, "key %q is written twice", name.Value)
		case value.Kind == yaml.AliasNode:
			r.fail(value, "aliases are not read here")
		default:
			seen[name.Value] = true
			r.name = name.Value
			keys[at].read(r, value)
		}
	}
	for _, k := range keys {
		if k.need && !seen[k.name] {
			r.fail(n, "%s needs the key %s", what, k.name)
		}
	}
}

func (r *reader) facts(root *yaml.Node) *Facts {
	f := &Facts{}
	format := 0
	head := []key{needKey("mayfly-facts", &format, count)}
	if root.Kind != yaml.MappingNode {
		r.fail(root, "a file of facts should be a mapping")
		return f
	}
	for i := 0; i+1 < len(root.Content); i += 2 { // before anything else: another version may have other keys
		if root.Content[i].Value == "mayfly-facts" {
			r.name = "mayfly-facts"
			head[0].read(r, root.Content[i+1])
			if r.err == nil && format != Format {
				r.fail(root.Content[i+1], "this is version %d of the format; version %d is read here", format, Format)
			}
		}
	}
	var projects, groups *yaml.Node
	keys := append(head, f.keys()...)
	r.section(root, "a file of facts", append(keys, holdKey("projects", &projects), holdKey("groups", &groups)))
	if f.Issuer == "" {
		f.Issuer = f.GitLab
	}
	if projects != nil {
		f.Projects = sections(r, projects, func(n *yaml.Node) (p Project) {
			r.section(n, "a project", p.keys())
			if p.Tier.bare() {
				p.Tier = f.Tier
			}
			r.refusePaid(n, &p)
			p.Settle()
			return p
		})
	}
	if groups != nil {
		f.Groups = sections(r, groups, func(n *yaml.Node) (g Group) {
			r.section(n, "a group", g.keys())
			return g
		})
	}
	r.unique(f, projects, groups)
	return f
}

// holdKey keeps a key's value for later.
func holdKey(name string, to **yaml.Node) key {
	return key{name: name, read: func(_ *reader, n *yaml.Node) { *to = n }}
}

func sections[T any](r *reader, n *yaml.Node, read func(*yaml.Node) T) []T {
	r.name = "the list"
	return list(form[T]{read: func(_ *reader, n *yaml.Node) T { return read(n) }}).read(r, n)
}

// unique refuses a project or group that is listed twice.
func (r *reader) unique(f *Facts, projects, groups *yaml.Node) {
	if r.err != nil {
		return
	}
	paths, ids := map[string]bool{}, map[int64]bool{}
	for i, p := range f.Projects {
		lower := strings.ToLower(p.Path)
		number, known := p.ID.Value()
		switch {
		case paths[lower]:
			r.fail(projects.Content[i], "project %s is listed twice", p.Path)
		case known && ids[number]:
			r.fail(projects.Content[i], "project id %d is listed twice", number)
		}
		paths[lower], ids[number] = true, known || ids[number]
	}
	seen := map[int64]bool{}
	for i, g := range f.Groups {
		if seen[g.ID] {
			r.fail(groups.Content[i], "group %d is listed twice", g.ID)
		}
		seen[g.ID] = true
	}
}

// section reads a mapping of facts, with what it says of those it has not:
// unknown and absent, name → reason, and sources.
func (r *reader) section(n *yaml.Node, what string, keys []key) {
	var unknown, absent, sources *yaml.Node
	r.mapping(n, what, append(slices.Clone(keys), holdKey("unknown", &unknown), holdKey("absent", &absent), holdKey("sources", &sources)))
	r.lacking(unknown, "unknown", StateUnknown, keys)
	r.lacking(absent, "absent", StateAbsent, keys)
	if sources != nil {
		r.sources(sources, keys)
	}
}

// lacking reads why facts have no value.
func (r *reader) lacking(n *yaml.Node, what string, state State, keys []key) {
	if n == nil {
		return
	}
	var reasons []key
	for _, k := range keys {
		if k.fact == nil {
			continue
		}
		reasons = append(reasons, key{name: k.name, read: func(r *reader, n *yaml.Node) {
			if !k.fact.bare() {
				r.fail(n, "%s is said to be %s, and more is said of it elsewhere", k.name, what)
			}
			k.fact.lack(state, text.read(r, n))
		}})
	}
	r.mapping(n, what, reasons)
}

// origin is one entry of sources.
type origin struct {
	Source
	facts []string
}

func (o *origin) keys() []key {
	return []key{needKey("call", &o.Call, text), needKey("at", &o.At, moment), needKey("facts", &o.facts, list(text))}
}

func (r *reader) sources(n *yaml.Node, keys []key) {
	r.name = "sources"
	stamped := map[string]bool{}
	of := record("an entry of sources", (*origin).keys)
	list(form[origin]{read: func(r *reader, n *yaml.Node) origin {
		o := of.read(r, n)
		for _, name := range o.facts {
			at := slices.IndexFunc(keys, func(k key) bool { return k.name == name && k.fact != nil })
			if at < 0 {
				r.fail(n, "sources name a fact %q, which there is not", name)
			} else if stamped[name] {
				r.fail(n, "sources name the fact %s twice", name)
			} else {
				keys[at].fact.stamp(o.Source)
			}
			stamped[name] = true
		}
		return o
	}}).read(r, n)
}

// notInFree is why a fact is absent where the tier is free.
const notInFree = "the tier free has none"

// refusePaid refuses what the tier free cannot have: it would look like a guard
// and guard nothing.
func (r *reader) refusePaid(n *yaml.Node, p *Project) {
	if tier, known := p.Tier.Value(); !known || tier != Free {
		return
	}
	for _, k := range p.keys() {
		if k.paid && k.fact.State() == StateKnown {
			r.fail(n, "%s is given, and the tier free has none", k.name)
		}
	}
	branches, _ := p.ProtectedBranches.Value()
	for i := range branches {
		for _, k := range branches[i].keys() {
			if k.paid && k.fact.State() == StateKnown {
				r.fail(n, "%s of a protected branch is given, and the tier free has none", k.name)
			}
		}
	}
}

// Settle fills in what the tier says of facts of which nobody said anything:
// where it is known to be free, those that it lacks are absent. Whoever makes a
// Project calls it last.
func (p *Project) Settle() {
	if tier, known := p.Tier.Value(); !known || tier != Free {
		return
	}
	settle(p.keys())
	branches, _ := p.ProtectedBranches.Value()
	for i := range branches {
		settle(branches[i].keys())
	}
}

func settle(keys []key) {
	for _, k := range keys {
		if k.paid && k.fact.bare() {
			source := k.fact.Source()
			k.fact.lack(StateAbsent, notInFree)
			k.fact.stamp(source)
		}
	}
}

// Encode writes a facts.yaml.
func Encode(f *Facts) ([]byte, error) {
	root := writeMapping([]key{needKey("mayfly-facts", new(Format), count)})
	head := *f
	if head.Issuer == head.GitLab {
		head.Issuer = ""
	}
	root.Content = append(root.Content, writeSection(head.keys(), false).Content...)
	var projects, groups []*yaml.Node
	for i, p := range f.Projects {
		if p.Tier == f.Tier {
			p.Tier = Fact[Tier]{}
		}
		tier, _ := f.Projects[i].Tier.Value()
		projects = append(projects, writeSection(p.keys(), tier == Free))
	}
	for _, g := range f.Groups {
		groups = append(groups, writeSection(g.keys(), false))
	}
	addSections(root, "projects", projects)
	addSections(root, "groups", groups)
	var out bytes.Buffer
	out.WriteString("# What GitLab enforces around its jobs; docs/facts.md describes this file.\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := errors.Join(e.Encode(root), e.Close())
	return out.Bytes(), err
}

func addSections(root *yaml.Node, name string, all []*yaml.Node) {
	if len(all) > 0 {
		root.Content = append(root.Content, scalar(name), &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: all})
	}
}

func writeMapping(keys []key) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, k := range keys {
		if value := k.write(); value != nil {
			n.Content = append(n.Content, scalar(k.name), value)
		}
	}
	return n
}

// writeSection is a mapping of facts with unknown, absent and sources. What
// Settle finds out again of the tier free is left out.
func writeSection(keys []key, free bool) *yaml.Node {
	n := writeMapping(keys)
	var unknown, absent []key
	var origins []origin
	for _, k := range keys {
		if k.fact == nil {
			continue
		}
		why := key{name: k.name, write: func() *yaml.Node { return scalar(k.fact.Why()) }}
		switch {
		case k.fact.State() == StateUnknown && !k.fact.bare():
			unknown = append(unknown, why)
		case k.fact.State() == StateAbsent && !(free && k.paid && k.fact.Why() == notInFree):
			absent = append(absent, why)
		}
		if s := k.fact.Source(); s != (Source{}) {
			at := slices.IndexFunc(origins, func(o origin) bool { return o.Source == s })
			if at < 0 {
				at, origins = len(origins), append(origins, origin{Source: s})
			}
			origins[at].facts = append(origins[at].facts, k.name)
		}
	}
	if len(unknown) > 0 {
		n.Content = append(n.Content, scalar("unknown"), writeMapping(unknown))
	}
	if len(absent) > 0 {
		n.Content = append(n.Content, scalar("absent"), writeMapping(absent))
	}
	if len(origins) > 0 {
		n.Content = append(n.Content, scalar("sources"), list(record("", (*origin).keys)).write(origins))
	}
	return n
}

// Unread makes every fact of a project unknown, for one reason.
func (p *Project) Unread(why string, s Source) {
	for _, k := range p.keys() {
		if k.fact != nil {
			k.fact.lack(StateUnknown, why)
			k.fact.stamp(s)
		}
	}
}

// Said is what is known of one fact, whatever its type.
type Said interface {
	State() State
	Why() string
	Source() Source
}

// All goes through a project's facts, by their names in facts.yaml.
func (p *Project) All() iter.Seq2[string, Said] {
	return func(yield func(string, Said) bool) {
		for _, k := range p.keys() {
			if k.fact != nil && !yield(k.name, k.fact) {
				return
			}
		}
	}
}
