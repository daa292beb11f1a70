package labgitlab

import (
	"encoding/json"
	"errors"
	"slices"
)

// Audience is the aud of a token: one string or a list, and it stays what the
// YAML made it, a list of one included.
type Audience struct {
	values []string
	list   bool
}

// OneAudience is an aud written as a string.
func OneAudience(aud string) Audience { return Audience{values: []string{aud}} }

// Audiences is an aud written as a list.
func Audiences(auds ...string) Audience {
	return Audience{values: slices.Clone(auds), list: true}
}

// Values lists the audiences.
func (a Audience) Values() []string { return slices.Clone(a.values) }

// MarshalJSON writes a string or an array, as written.
func (a Audience) MarshalJSON() ([]byte, error) {
	if a.list {
		return json.Marshal(append([]string{}, a.values...))
	}
	if len(a.values) != 1 {
		return nil, errors.New("an audience without a value")
	}
	return json.Marshal(a.values[0])
}

// UnmarshalJSON reads a string or an array of strings.
func (a *Audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = OneAudience(one)
		return nil
	}
	var many []string
	if err := json.Unmarshal(text, &many); err != nil {
		return err
	}
	*a = Audiences(many...)
	return nil
}

// expand replaces variables in every audience.
func (a Audience) expand(variables variableList) Audience {
	out := Audience{list: a.list}
	for _, value := range a.values {
		out.values = append(out.values, variables.expandText(value))
	}
	return out
}
