package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
	"mayfly.internal/internal/strictjson"
)

// Pin is the policy with the projects that it names by their paths pinned to the
// ids that the facts know, and what was done, a sentence a statement. What is not
// pinned is as it was, byte for byte; if nothing is, it is the same document.
//
// A statement that speaks of projects by a pattern is not pinned: nobody knows
// which ids it means.
func Pin(doc *policy.Document, o Options) (*policy.Document, []string, error) {
	l := newLinter(doc, o)
	root, err := strictjson.Parse(doc.Text())
	if err != nil {
		return nil, nil, err // unreachable: it was parsed before
	}
	statements := root.Get("Statement").Items()
	if root.Get("Statement").Kind() == strictjson.Object {
		statements = []strictjson.Value{root.Get("Statement")}
	}
	var edits []edit
	var what []string
	for i, st := range doc.Statements() {
		for _, p := range providersOf(st) {
			if st.Denies() || !st.CoversAction(webIdentity) || !l.isGitLab(p) || survey(st, p).confines("project_id", "namespace_id") || prove.LedByID(doc, st, p) {
				continue
			}
			ids, why := l.ids(st, p)
			if why != "" {
				what = append(what, st.Name()+" is not pinned: "+why)
				continue
			}
			edits = append(edits, pinEdit(doc.Text(), statements[i].Get("Condition"), p.URL+":project_id", ids))
			what = append(what, fmt.Sprintf("%s is pinned to project_id %s", st.Name(), strings.Join(ids, ", ")))
		}
	}
	if len(edits) == 0 {
		return doc, what, nil
	}
	fixed, err := policy.Parse(doc.Kind(), apply(doc.Text(), edits))
	if err != nil {
		return nil, nil, fmt.Errorf("the policy with its ids is none: %w", err) // longer than allowed, say
	}
	return fixed, what, nil
}

// ids are the ids of the projects that a statement names.
func (l *linter) ids(st *policy.Statement, p arn.Provider) (ids []string, why string) {
	paths, all := prove.Named(l.doc, st, p)
	switch {
	case !all:
		return nil, "it names projects by a pattern"
	case len(paths) == 0:
		return nil, "it takes no token"
	case l.Facts == nil || strings.TrimPrefix(l.Facts.Issuer, "https://") != p.URL:
		return nil, "the facts are not of " + p.URL
	}
	for _, path := range paths {
		project, ok := l.Facts.Project(path)
		if !ok {
			return nil, "the facts do not know " + path
		}
		id, known := project.ID.Value()
		if !known {
			return nil, "the id of " + path + ": " + project.ID.Why()
		}
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids, ""
}

// edit is text to be put in at a place.
type edit struct {
	offset int // 0-based, in bytes
	text   string
}

// pinEdit adds a key to the statement's StringEquals, or makes one. A statement
// that names a project has operators; one of them may have no keys.
func pinEdit(text []byte, condition strictjson.Value, key string, ids []string) edit {
	value, _ := json.Marshal(ids)
	if len(ids) == 1 {
		value, _ = json.Marshal(ids[0])
	}
	member := strconv.Quote(key) + ": " + string(value)
	into := condition
	for _, m := range condition.Members() {
		if m.Name == "StringEquals" {
			into = m.Value
		}
	}
	if len(into.Members()) == 0 {
		return edit{into.Offset() + 1, member}
	}
	first := into.Members()[0].NameOffset
	if into.Offset() == condition.Offset() {
		member = `"StringEquals": {` + member + "}"
	}
	// What stands between the brace and the first member stands before the next one too.
	between := text[into.Offset()+1 : first]
	if !bytes.ContainsRune(between, '\n') {
		between = []byte(" ")
	}
	return edit{first, member + "," + string(between)}
}

func apply(text []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return b.offset - a.offset })
	for _, e := range edits {
		text = slices.Concat(text[:e.offset], []byte(e.text), text[e.offset:])
	}
	return text
}
