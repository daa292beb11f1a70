package prove

import (
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// filter tells at little cost which projects a statement cannot be about, so that
// a thousand roles can be held against a thousand projects. It errs on the side of
// looking.
type filter struct {
	subjects []regular.Language            // one of each must have the project's sub as a beginning
	exact    map[string][]regular.Language // :: claim → languages its value must be in
	leads    [][]string                    // one of each must be the first component of sub, whole
	spelt    [][]string                    // one of each must have the project's path in it, in small letters
}

// newFilter reads the conditions that confine the project: positive ones on text
// without variables.
func newFilter(w *regular.Work, prefix string, st *policy.Statement) filter {
	f := filter{exact: map[string][]regular.Language{}}
	conditions := st.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if !c.Confines() || len(c.Variables()) > 0 {
			continue
		}
		var l regular.Language
		for _, v := range c.Values() {
			l = w.Union(l, valueLanguage(w, c.Operator(), v, nil))
		}
		if c.IsKey(prefix+":sub") || c.IsKey(prefix+":project_path") {
			var texts []string
			for _, v := range c.Values() {
				texts = append(texts, strings.ToLower(v.Text()))
			}
			f.spelt = append(f.spelt, texts)
		}
		if c.IsKey(prefix + ":sub") {
			f.subjects = append(f.subjects, l)
			if leads := leadsOf(c); leads != nil {
				f.leads = append(f.leads, leads)
			}
		}
		for _, claim := range []string{"project_path", "project_id", "namespace_path", "namespace_id"} {
			if c.IsKey(prefix + ":" + claim) {
				f.exact[claim] = append(f.exact[claim], l)
			}
		}
	}
	return f
}

// mayBe reports whether the statement may be about a project, under the project's
// own id or, its path reused, another's.
func (f filter) mayBe(p *guard.Project) bool {
	if !f.mayBeAt(p) {
		return false
	}
	led := "project_path:" + p.Path
	if lead, kind, _ := strings.Cut(subComponents(p)[0], "project_"); kind == "id" {
		id, known := p.ID.Value()
		if !known {
			return true
		}
		led = lead + "project_id:" + strconv.FormatInt(id, 10)
	} else {
		led = lead + led
	}
	reused := "project_path:" + p.Path
	for _, l := range f.subjects {
		if !l.Begins(led) && !l.Begins(reused) {
			return false
		}
	}
	return true
}

// mayBeReused reports whether the statement may be about a project's path, as it is
// or in other letters.
func (f filter) mayBeReused(p *guard.Project, spelt bool) bool {
	if !spelt {
		return f.mayBe(p)
	}
	path := strings.ToLower(p.Path)
	return len(f.spelt) > 0 && !slices.ContainsFunc(f.spelt, func(texts []string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, path) })
	})
}

// mayBeAt reports whether the claims of a project's path that the statement asks
// for, but for sub, may be a project's.
func (f filter) mayBeAt(p *guard.Project) bool {
	for _, l := range f.exact["project_path"] {
		if !l.Contains(p.Path) {
			return false
		}
	}
	for _, l := range f.exact["namespace_path"] {
		if !l.Contains(p.Namespace()) {
			return false
		}
	}
	return true
}

// pins reports whether the statement names no id but the project's own, or its
// group's.
func (f filter) pins(p *guard.Project) bool {
	for claim, id := range map[string]guard.Fact[int64]{"project_id": p.ID, "namespace_id": p.NamespaceID} {
		for _, l := range f.exact[claim] {
			own, known := id.Value()
			if word, one := l.Word(); known && one && word == strconv.FormatInt(own, 10) {
				return true
			}
		}
	}
	return false
}

// leadsOf are the first components of a condition's values; nil if one of them has
// a wildcard there, or does not say it in full.
func leadsOf(c *policy.Condition) []string {
	if c.Operator().Test == policy.StringEqualsIgnoreCase {
		return nil
	}
	var out []string
	for _, v := range c.Values() {
		parts := v.Parts()
		if len(parts) == 0 || parts[0].Kind != policy.Literal {
			return nil
		}
		name, rest, _ := strings.Cut(parts[0].Text, ":")
		value, _, whole := strings.Cut(rest, ":")
		if !whole && len(parts) > 1 {
			return nil
		}
		out = append(out, name+":"+value)
	}
	return out
}

// mayBeOther reports whether the statement may be about projects that are not
// known.
func (f filter) mayBeOther(known *guard.Facts) bool {
	if known == nil {
		return true
	}
	for _, leads := range f.leads {
		if !slices.ContainsFunc(leads, func(lead string) bool { return !isKnown(known, lead) }) {
			return false
		}
	}
	for _, l := range f.exact["project_id"] {
		ids, few := l.Words(maxValues)
		if few && !slices.ContainsFunc(ids, func(id string) bool { return !isKnown(known, "project_id:"+id) }) {
			return false
		}
	}
	return true
}

// isKnown reports whether a component of sub is of a project that is known.
func isKnown(known *guard.Facts, lead string) bool {
	name, value, _ := strings.Cut(lead, ":")
	if strings.HasSuffix(name, "project_path") {
		p, ok := known.Project(value)
		return ok && p.Path == value
	}
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || !strings.HasSuffix(name, "project_id") {
		return false
	}
	_, ok := known.ProjectID(id)
	return ok
}
