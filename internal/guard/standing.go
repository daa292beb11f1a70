package guard

import (
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/regular"
)

// Standing is what GitLab enforces at some refs of the project, in sentences: of
// the guards that the requirements ask for, those that stand at every one of the
// refs. The gaps are those of the kind.
func (p *Project) Standing(w *regular.Work, kind RefKind, refs regular.Language, require []Requirement, gaps []Gap) []string {
	var out []string
	var broken []Requirement
	for _, g := range gaps {
		if w.Overlap(g.Refs, refs) {
			broken = append(broken, g.Breaks...)
		}
	}
	meets := func(k Kind) bool {
		asked := slices.ContainsFunc(require, func(r Requirement) bool { return r.Kind == k })
		return asked && !slices.ContainsFunc(broken, func(r Requirement) bool { return r.Kind == k })
	}
	if kind == MergeRequest {
		return nil
	}
	if meets(Protected) {
		out = append(out, "protected by "+p.ruleNames(w, kind, refs))
	}
	if meets(NoDirectPush) {
		out = append(out, map[RefKind]string{Branch: "changed by merge requests alone", Tag: "created by no one"}[kind])
	}
	if meets(NoForcePush) && !meets(NoDirectPush) {
		out = append(out, "its history cannot be replaced")
	}
	for _, r := range require {
		if r.Kind == Reviewed && meets(Reviewed) && kind == Branch {
			out = append(out, fmt.Sprintf("merged with %d or more approvals", r.Count))
		}
	}
	for _, said := range []struct {
		kind Kind
		text string
	}{
		{NoAuthorApproval, "authors do not approve their own"}, {NoCommitterApproval, "nor those who added commits"},
		{ResetApprovals, "new commits take approvals back"}, {CodeOwners, "code owners approve"}, {NoVariableOverride, "Developers set no pipeline variables"},
	} {
		if meets(said.kind) && (kind == Branch || said.kind == NoVariableOverride) {
			out = append(out, said.text)
		}
	}
	return out
}

// ruleNames are the rules that protect any of some refs.
func (p *Project) ruleNames(w *regular.Work, kind RefKind, refs regular.Language) string {
	var list []string
	add := func(name string) {
		if w.Overlap(matching(w, name), refs) {
			list = append(list, fmt.Sprintf("%q", name))
		}
	}
	if kind == Tag {
		rules, _ := p.ProtectedTags.Value()
		for _, r := range rules {
			add(r.Name)
		}
	} else {
		rules, _ := p.ProtectedBranches.Value()
		for _, r := range rules {
			add(r.Name)
		}
	}
	return strings.Join(list, ", ")
}
