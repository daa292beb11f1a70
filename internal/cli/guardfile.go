package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/wildcard"
)

// guardFile is where what roles require is looked for.
const guardFile = "mayfly-guard.yaml"

// guards says what each role requires: the first pattern that matches its name
// decides.
type guards []guarded

type guarded struct {
	match   string
	require []guard.Requirement // an empty list is nothing; it is never nil
}

// guardFile reads the file that is named, or the one that lies here.
func (p *proving) guardFile() (guards, error) {
	path := firstOf(p.guards, guardFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && p.guards == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what roles require: %w", err)
	}
	g, err := decodeGuards(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

// decodeGuards reads a mayfly-guard.yaml. An entry that does not say what it requires
// is refused: whoever means nothing writes [].
func decodeGuards(text []byte) (guards, error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := d.Decode(&document); errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	} else if err != nil {
		return nil, fmt.Errorf("not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is one document")
	}
	root := document.Content[0]
	if version := value(root, "mayfly-guard"); version == nil || version.Value != "1" {
		return nil, errors.New("it begins with mayfly-guard: 1, the version of its format")
	}
	roles, err := guardKeys(root, "the file", "mayfly-guard", "roles")
	if err != nil {
		return nil, err
	}
	list, err := guardList(roles["roles"], "roles")
	if err != nil {
		return nil, err
	}
	var out guards
	for _, n := range list {
		one, err := decodeGuarded(n)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func decodeGuarded(n *yaml.Node) (g guarded, err error) {
	keys, err := guardKeys(n, "an entry of roles", "match", "require")
	if err != nil {
		return g, err
	}
	if keys["match"] == nil || keys["match"].Kind != yaml.ScalarNode || keys["match"].Value == "" {
		return g, fmt.Errorf("line %d: match is missing: a role's name, or a pattern of some", n.Line)
	}
	g.match = keys["match"].Value
	if keys["require"] == nil {
		return g, fmt.Errorf("line %d: what %s requires is missing: a list; [] is nothing", n.Line, g.match)
	}
	g.require = []guard.Requirement{}
	list, err := guardList(keys["require"], "require")
	if err != nil || len(list) == 0 {
		return g, err
	}
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = n.Value
	}
	if g.require, err = guard.ParseRequirements(strings.Join(words, ",")); err != nil {
		return g, fmt.Errorf("%s: %w", g.match, err)
	}
	return g, nil
}

// guardKeys are the values of a mapping that has some keys and no others.
func guardKeys(n *yaml.Node, what string, names ...string) (map[string]*yaml.Node, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: %s should be a mapping of %s", n.Line, what, inWords(names))
	}
	out := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		switch {
		case !slices.Contains(names, name.Value):
			return nil, fmt.Errorf("line %d: %s has no key %q; there are %s", name.Line, what, name.Value, inWords(names))
		case out[name.Value] != nil:
			return nil, fmt.Errorf("line %d: key %q is written twice", name.Line, name.Value)
		}
		out[name.Value] = n.Content[i+1]
	}
	return out, nil
}

// guardList is the entries of a list; none where it is left out.
func guardList(n *yaml.Node, what string) ([]*yaml.Node, error) {
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		return nil, fmt.Errorf("line %d: %s should be a list", n.Line, what)
	}
	return n.Content, nil
}

// of is what a role requires. What the command line says goes before the file; a
// role that the file does not name is held to the default.
func (g guards) of(role, flag string) ([]guard.Requirement, error) {
	if flag != "" {
		list, err := guard.ParseRequirements(flag)
		if err != nil {
			return nil, &usageError{fmt.Errorf("--require: %w", err)}
		}
		return list, nil
	}
	for _, r := range g {
		if wildcard.Compile(r.match).Match(role) {
			return r.require, nil
		}
	}
	return guard.Default(), nil
}
