package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/wildcard"
)

// guardFile is where what roles require is looked for.
const guardFile = "mayfly-guard.yaml"

// guards says what each role requires: the first pattern that matches its name
// decides.
type guards struct {
	path  string
	Guard int `yaml:"mayfly-guard"`
	Roles []struct {
		Match   string   `yaml:"match"`
		Require []string `yaml:"require"`
	} `yaml:"roles"`
}

// guardFile reads the file that is named, or the one that lies here.
func (p *proving) guardFile() (guards, error) {
	path := firstOf(p.guards, guardFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && p.guards == "" {
		return guards{}, nil
	}
	if err != nil {
		return guards{}, fmt.Errorf("what roles require: %w", err)
	}
	g := guards{path: path}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&g); err != nil {
		return guards{}, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return guards{}, fmt.Errorf("%s: it is one document", path)
	}
	if g.Guard != 1 {
		return guards{}, fmt.Errorf("%s: it begins with mayfly-guard: 1, the version of its format", path)
	}
	for i, r := range g.Roles {
		if r.Match == "" {
			return guards{}, fmt.Errorf("%s: entry %d of roles has no match", path, i+1)
		}
		if _, err := guard.ParseRequirements(strings.Join(r.Require, ",")); len(r.Require) > 0 && err != nil {
			return guards{}, fmt.Errorf("%s: %s: %w", path, r.Match, err)
		}
	}
	return g, nil
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
	for _, r := range g.Roles {
		if !wildcard.Compile(r.Match).Match(role) {
			continue
		}
		if len(r.Require) == 0 {
			return []guard.Requirement{}, nil
		}
		return guard.ParseRequirements(strings.Join(r.Require, ","))
	}
	return guard.Default(), nil
}
