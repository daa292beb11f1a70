package labgitlab

import (
	"slices"
	"strings"
)

// maxExtends is GitLab's MAX_NESTING_LEVELS of extends.
const maxExtends = 10

// extendAll replaces every top-level mapping that has `extends` by the deep
// merge of what it extends, in order, with itself on top.
func extendAll(root *node) (*node, error) {
	x := extension{root: root, done: map[string]*node{}}
	entries := make([]entry, 0, len(root.entries))
	for _, e := range root.entries {
		value, err := x.extended(e.key, nil)
		if err != nil {
			return nil, err
		}
		if value.size > maxYAMLNodes {
			return nil, malformed(e.pos, "%s: more than %d values once extends is followed", e.key, maxYAMLNodes)
		}
		e.value = value
		entries = append(entries, e)
	}
	return newMap(root.pos, entries), nil
}

type extension struct {
	root *node
	done map[string]*node
}

func (x *extension) extended(key string, from []string) (*node, error) {
	if done, ok := x.done[key]; ok {
		return done, nil
	}
	own := x.root.get(key)
	extends := own.get("extends")
	if extends.null() {
		return own, nil
	}
	switch {
	case slices.Contains(from, key):
		return nil, malformed(extends.pos, "%s: circular dependency detected in extends", key)
	case len(from) > maxExtends:
		return nil, malformed(extends.pos, "%s: nesting too deep in extends", key)
	}
	names, err := oneOrMore(extends)
	if err != nil {
		return nil, malformed(extends.pos, "%s: extends should be a job name or a list of them", key)
	}
	merged := newMap(own.pos, nil)
	for _, name := range names {
		base := x.root.get(name)
		if base == nil {
			return nil, malformed(extends.pos, "%s: unknown keys in extends (%s)", key, name)
		}
		if !base.is(kindMap) {
			return nil, malformed(extends.pos, "%s: invalid base hashes in extends (%s)", key, name)
		}
		resolved, err := x.extended(name, append(from, key))
		if err != nil {
			return nil, err
		}
		merged = merge(merged, resolved)
	}
	result := merge(merged, own)
	x.done[key] = result
	return result, nil
}

// oneOrMore reads a string or a list of strings.
func oneOrMore(n *node) ([]string, error) {
	if n.is(kindString) {
		return []string{n.text}, nil
	}
	return n.strings()
}

// resolveReferences replaces every !reference by the value at its place. As in
// GitLab this comes after extends, so a reference sees extended jobs.
func resolveReferences(root *node) (*node, error) {
	r := referenceResolver{root: root, done: map[*node]*node{}, open: map[*node]bool{}}
	return r.resolve(root)
}

type referenceResolver struct {
	root *node
	done map[*node]*node
	open map[*node]bool
}

func (r *referenceResolver) resolve(n *node) (*node, error) {
	if n.scalar() || n.null() {
		return n, nil
	}
	if done, ok := r.done[n]; ok {
		return done, nil
	}
	resolved, err := r.resolveKind(n)
	if err != nil {
		return nil, err
	}
	if resolved.size > maxYAMLNodes {
		return nil, malformed(n.pos, "more than %d values once references are followed", maxYAMLNodes)
	}
	r.done[n] = resolved
	return resolved, nil
}

func (r *referenceResolver) resolveKind(n *node) (*node, error) {
	switch n.kind {
	case kindReference:
		return r.follow(n)
	case kindList:
		items := make([]*node, len(n.list))
		for i, item := range n.list {
			resolved, err := r.resolve(item)
			if err != nil {
				return nil, err
			}
			items[i] = resolved
		}
		return newList(n.pos, kindList, items), nil
	default: // a map
		entries := slices.Clone(n.entries)
		for i := range entries {
			resolved, err := r.resolve(entries[i].value)
			if err != nil {
				return nil, err
			}
			entries[i].value = resolved
		}
		return newMap(n.pos, entries), nil
	}
}

func (r *referenceResolver) follow(n *node) (*node, error) {
	if r.open[n] {
		return nil, malformed(n.pos, "%s is part of a circular chain", n.reference())
	}
	r.open[n] = true
	defer delete(r.open, n)
	target := r.root
	for _, step := range n.list {
		if target.is(kindReference) {
			followed, err := r.resolve(target)
			if err != nil {
				return nil, err
			}
			target = followed
		}
		target = target.get(step.text)
	}
	if target.null() {
		return nil, malformed(n.pos, "%s could not be found", n.reference())
	}
	return r.resolve(target)
}

func (n *node) reference() string {
	var steps []string
	for _, item := range n.list {
		steps = append(steps, item.text)
	}
	return "!reference [" + strings.Join(steps, ", ") + "]"
}
