package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"mayfly.internal/internal/wire/mayflywire"
)

// parseRules reads the rules of an access policy, in YAML or JSON: a ClusterRole,
// an object with rules alone, or the list itself. The note, where there is one,
// is what a person should know of what was read.
func parseRules(data []byte) (rules []mayflywire.Rule, note string, err error) {
	object, err := toObject(data)
	if err != nil {
		return nil, "", err
	}
	role, err := mayflywire.DecodeClusterRole(object)
	if err != nil {
		return nil, "", err
	}
	if note, err = checkRole(role); err != nil {
		return nil, "", err
	}
	return role.Rules, note, nil
}

// toObject is the one YAML document of a file as a JSON object; a list is taken
// for the rules.
func toObject(data []byte) ([]byte, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var document any
	switch err := d.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it is empty")
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	switch v := document.(type) {
	case []any:
		document = map[string]any{"rules": v}
	case map[string]any:
	default:
		return nil, errors.New("it holds neither an object nor a list")
	}
	out, err := json.Marshal(document)
	if err != nil {
		return nil, errors.New("it holds what JSON has no word for")
	}
	return out, nil
}

// checkRole refuses what is no ClusterRole. One whose rules the cluster fills in
// is taken only as a cluster gave it, with a uid and the rules of that moment: in
// a manifest the rules beside an aggregationRule mean nothing.
func checkRole(r mayflywire.ClusterRole) (note string, err error) {
	bare := r.APIVersion == "" && r.Kind == ""
	switch {
	case !bare && (r.Kind != "ClusterRole" || !strings.HasPrefix(r.APIVersion, "rbac.authorization.k8s.io/")):
		return "", fmt.Errorf("kind %q of apiVersion %q: a ClusterRole of rbac.authorization.k8s.io/v1 is wanted, or the rules of one", r.Kind, r.APIVersion)
	case bare && (r.Metadata || r.Aggregated):
		return "", errors.New("kind is missing: a ClusterRole is wanted, or the rules of one")
	case r.Aggregated && r.UID == "":
		return "", errors.New("aggregationRule is not supported: an access policy has the rules it is given")
	case r.Aggregated:
		return "the rules are those that the cluster has aggregated; the policy will not follow them", nil
	}
	return "", nil
}

// yamlRule is a rule as it is printed: a line for each list.
type yamlRule struct {
	APIGroups       []string `yaml:"apiGroups,omitempty,flow"`
	Resources       []string `yaml:"resources,omitempty,flow"`
	ResourceNames   []string `yaml:"resourceNames,omitempty,flow"`
	NonResourceURLs []string `yaml:"nonResourceURLs,omitempty,flow"`
	Verbs           []string `yaml:"verbs,flow"`
}

// formatRules is what parseRules reads.
func formatRules(rules []mayflywire.Rule) (string, error) {
	var out struct {
		Rules []yamlRule `yaml:"rules"`
	}
	for _, r := range rules {
		out.Rules = append(out.Rules, yamlRule(r))
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(out), e.Close())
	return b.String(), err
}
