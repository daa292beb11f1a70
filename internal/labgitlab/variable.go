package labgitlab

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Variable is one CI/CD variable as a job sees it.
type Variable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Masked bool   `json:"masked,omitempty"`
	Raw    bool   `json:"raw,omitempty"`  // its value is not expanded
	File   bool   `json:"file,omitempty"` // the job gets the path of a file holding the value
}

// variableList is GitLab's collection: later entries win over earlier ones of
// the same key.
type variableList []Variable

func (l variableList) find(key string) (Variable, bool) {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Key == key {
			return l[i], true
		}
	}
	return Variable{}, false
}

// lookup reads values as written, which is what rules:if compares.
func (l variableList) lookup() lookup {
	last := make(map[string]string, len(l))
	for _, v := range l {
		last[v.Key] = v.Value
	}
	return func(name string) (string, bool) {
		value, ok := last[name]
		return value, ok
	}
}

func (l *variableList) add(key, value string) {
	*l = append(*l, Variable{Key: key, Value: value})
}

// GitLab's two notions of a reference in a value: between variables $$ and %%
// are escapes, in other texts (an environment's name, an aud) they are not.
var (
	variableReference = regexp.MustCompile(`\$\$|%%|` + referenceForms)
	textReference     = regexp.MustCompile(referenceForms)
)

const referenceForms = `\$([a-zA-Z_][a-zA-Z0-9_]*)|\$\{([a-zA-Z_][a-zA-Z0-9_]*)\}|%([a-zA-Z_][a-zA-Z0-9_]*)%`

func referenceName(match []string) string { return match[1] + match[2] + match[3] }

// expandText replaces references in a value such as an environment's name or
// an aud; what is not defined becomes nothing (ExpandVariables.expand).
func (l variableList) expandText(text string) string {
	return l.replace(text, func(string) string { return "" })
}

// expandExisting leaves undefined references as written
// (ExpandVariables.expand_existing).
func (l variableList) expandExisting(text string) string {
	return l.replace(text, func(written string) string { return written })
}

func (l variableList) replace(text string, missing func(string) string) string {
	return textReference.ReplaceAllStringFunc(text, func(written string) string {
		if v, ok := l.find(referenceName(textReference.FindStringSubmatch(written))); ok {
			return v.Value
		}
		return missing(written)
	})
}

// expander resolves references between variables.
type expander struct {
	list   variableList
	forJob bool
	done   map[int]string
	open   []int
}

// expandAll gives every variable its value with references to other variables
// followed, in any order; raw and file variables keep theirs. A variable that
// refers to itself sees the earlier one of the same key. A longer circle is
// refused, as GitLab refuses the job. Only the winner of each key remains, in
// the order of first appearance.
func (l variableList) expandAll() (variableList, error) { return l.expandWith(false) }

// expandForJob also makes the runner's own last pass: $$ becomes $, and
// whatever shell-like form is left in a value that is not raw becomes nothing.
func (l variableList) expandForJob() (variableList, error) { return l.expandWith(true) }

// withFiles expands for a job whose file variables lie in dir: other variables
// that name one get its path, the variable itself keeps the content to write.
func (l variableList) withFiles(dir string) (variableList, error) {
	contents := map[string]string{}
	paths := slices.Clone(l)
	for i, v := range paths {
		if v.File {
			contents[v.Key] = v.Value
			paths[i].Value = filepath.Join(dir, v.Key)
		}
	}
	out, err := paths.expandForJob()
	for i, v := range out {
		if v.File {
			out[i].Value = contents[v.Key]
		}
	}
	return out, err
}

func (l variableList) expandWith(forJob bool) (variableList, error) {
	x := expander{list: l, forJob: forJob, done: map[int]string{}}
	winners, order := map[string]int{}, []string(nil)
	for i, v := range l {
		if _, seen := winners[v.Key]; !seen {
			order = append(order, v.Key)
		}
		winners[v.Key] = i
	}
	out := make(variableList, 0, len(order))
	for _, key := range order {
		value, err := x.value(winners[key])
		if err != nil {
			return nil, err
		}
		v := l[winners[key]]
		v.Value = value
		out = append(out, v)
	}
	return out, nil
}

// maxVariableBytes bounds one expanded value: Linux refuses a longer
// environment string (MAX_ARG_STRLEN).
const maxVariableBytes = 128 << 10

func (x *expander) value(i int) (string, error) {
	v := x.list[i]
	if v.Raw || v.File {
		return v.Value, nil
	}
	if value, ok := x.done[i]; ok {
		return value, nil
	}
	if slices.Contains(x.open, i) {
		return "", malformed(Position{}, "circular variable reference detected: %s", x.circle(i))
	}
	x.open = append(x.open, i)
	value, err := x.expand(v.Value, i)
	x.open = x.open[:len(x.open)-1]
	if err != nil {
		return "", err
	}
	x.done[i] = value
	return value, nil
}

func (x *expander) expand(text string, self int) (string, error) {
	var b strings.Builder
	rest := text
	for _, match := range variableReference.FindAllStringSubmatch(text, -1) {
		before, after, _ := strings.Cut(rest, match[0])
		b.WriteString(x.plain(before))
		rest = after
		replacement, err := x.reference(match, self)
		if err != nil {
			return "", err
		}
		b.WriteString(replacement)
		if b.Len() > maxVariableBytes {
			return "", malformed(Position{}, "variable %s is longer than %d bytes", x.list[self].Key, maxVariableBytes)
		}
	}
	b.WriteString(x.plain(rest))
	return b.String(), nil
}

func (x *expander) reference(match []string, self int) (string, error) {
	name := referenceName(match)
	if name == "" { // $$ or %%
		if x.forJob && match[0] == "$$" {
			return "$", nil
		}
		return match[0], nil
	}
	if of := x.referent(name, self); of >= 0 {
		return x.value(of)
	}
	return "", nil
}

// plain is text without references.
func (x *expander) plain(text string) string {
	if !x.forJob || !strings.Contains(text, "$") {
		return text
	}
	return os.Expand(text, func(string) string { return "" })
}

// referent finds which entry a reference from entry `from` means.
func (x *expander) referent(name string, from int) int {
	below := len(x.list)
	if x.list[from].Key == name {
		below = from
	}
	for i := below - 1; i >= 0; i-- {
		if x.list[i].Key == name {
			return i
		}
	}
	return -1
}

func (x *expander) circle(i int) string {
	var names []string
	for _, j := range x.open[slices.Index(x.open, i):] {
		names = append(names, x.list[j].Key)
	}
	return strings.Join(names, ", ")
}
