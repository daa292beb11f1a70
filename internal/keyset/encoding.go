package keyset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"mayfly.internal/internal/secret"
)

const version = 1

// wireSet is the set as it is stored.
type wireSet struct {
	Version int       `json:"v"`
	Keys    []wireKey `json:"keys"`
}

type wireKey struct {
	ID       string `json:"id"`
	Use      Use    `json:"use"`
	Made     string `json:"made"`
	From     string `json:"from,omitempty"`
	Until    string `json:"until,omitempty"`
	Longest  string `json:"longest"`
	Material string `json:"material"`
}

// Encode is the set, its keys' material included: it is a secret.
func (s Set) Encode() []byte {
	w := wireSet{Version: version, Keys: []wireKey{}}
	for _, k := range s.keys {
		w.Keys = append(w.Keys, wireKey{k.ID, k.Use, formatTime(k.Made), formatTime(k.From), formatTime(k.Until), k.Longest.String(), k.Material.Reveal()})
	}
	out, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		panic("keyset: " + err.Error()) // unreachable: texts and numbers
	}
	return append(out, '\n')
}

// Parse reads what Encode wrote. It refuses a set of another version, one with
// anything missing or unknown in it, and one whose keys share an id.
func Parse(data []byte) (Set, error) {
	var w wireSet
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Set{}, fmt.Errorf("it is no set of keys: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Set{}, errors.New("there is more behind the set of keys")
	}
	if w.Version != version {
		return Set{}, fmt.Errorf("it is of version %d, not %d", w.Version, version)
	}
	if len(w.Keys) > MaxKeys {
		return Set{}, fmt.Errorf("it holds %d keys, at most %d are read", len(w.Keys), MaxKeys)
	}
	var s Set
	for i, from := range w.Keys {
		k, err := from.key()
		if err == nil && slices.ContainsFunc(s.keys, func(o Key) bool { return o.ID == k.ID }) {
			err = errors.New("its id is another's too")
		}
		if err != nil {
			return Set{}, fmt.Errorf("key %d: %w", i+1, err)
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

func (w wireKey) key() (k Key, err error) {
	if w.ID == "" || w.Material == "" {
		return k, errors.New("it has no id or no material")
	}
	if !slices.Contains([]Use{Sealing, ES256, RS256}, w.Use) {
		return k, fmt.Errorf("%q is no use of a key", w.Use)
	}
	k = Key{ID: w.ID, Use: w.Use, Material: secret.New(w.Material)}
	if k.Longest, err = time.ParseDuration(w.Longest); err != nil || k.Longest < 0 {
		return Key{}, fmt.Errorf("%q is no time span", w.Longest)
	}
	for _, t := range []struct {
		text string
		into *time.Time
	}{{w.Made, &k.Made}, {w.From, &k.From}, {w.Until, &k.Until}} {
		if *t.into, err = parseTime(t.text); err != nil {
			return Key{}, err
		}
	}
	if k.Made.IsZero() || k.From.IsZero() && (!k.Use.signs() || !k.Until.IsZero()) {
		return Key{}, errors.New("a time is missing")
	}
	return k, nil
}

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time", text)
	}
	return t.UTC(), nil
}
