package guard

import (
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/regular"
)

// A protected branch that is not there yet may be created by whoever may merge into
// it, from a commit that any protected branch has. What is made so is no better
// guarded than the weakest of them. (GitLab, lib/gitlab/checks/branch_check.rb,
// protected_branch_creation_checks.)
//
// A branch that a rule names in full, and the default branch, are taken to be there.

// inherited are the requirements that a new branch meets no better than the one it
// is made from.
var inherited = []Kind{Reviewed, NoDirectPush, NoAuthorApproval, NoCommitterApproval, ResetApprovals, CodeOwners}

// wild reports whether a rule is for branches that need not be there.
func (r ProtectedBranch) wild() bool { return strings.Contains(r.Name, "*") }

// example is a branch that the rule protects, and nobody thought of; false if there
// is none.
func (r ProtectedBranch) example() (string, bool) {
	name := strings.ReplaceAll(r.Name, "*", "new-branch")
	return name, BranchNames().Contains(name)
}

// creations: branches that can be made from weaker ones.
func (s *survey) creations() {
	rules, _ := s.p.ProtectedBranches.Value()
	var there []regular.Language
	for _, r := range rules {
		if !r.wild() {
			there = append(there, regular.Literal(r.Name))
		}
	}
	if name, told := s.p.DefaultBranch.Value(); told {
		there = append(there, regular.Literal(name))
	}
	weak := slices.Clone(s.gaps)
	var out []Gap
	for _, r := range rules {
		if who, known := r.Merge.Value(); !r.wild() || known && len(someone(who)) == 0 {
			continue
		}
		for _, requirement := range s.needed(inherited...) {
			from, branch, ok := weakest(rules, weak, requirement)
			if !ok {
				continue
			}
			g := s.creation(r, from, branch)
			g.Breaks, g.Refs = []Requirement{requirement}, s.w.Subtract(matching(s.w, r.Name), s.w.Union(append(broken(weak, requirement), there...)...))
			if i := slices.IndexFunc(out, func(o Gap) bool { return o.Why == g.Why && o.Refs.Equal(g.Refs) }); i >= 0 {
				out[i].Breaks = append(out[i].Breaks, requirement)
				continue
			}
			out = append(out, g)
		}
	}
	for _, g := range out {
		s.pushable(g)
	}
}

// creation is the gap of the branches of a rule that can be made from one where
// another gap is.
func (s *survey) creation(r ProtectedBranch, from Gap, branch string) Gap {
	g := Gap{Guard: BranchCreation, Surely: true, Page: pageRepository, Source: s.p.ProtectedBranches.Source(), Does: "creates branch %s from branch " + branch,
		Why: fmt.Sprintf("whoever may merge into %q may create such branches, from any that is protected, and of branch %s: %s", r.Name, branch, from.Why),
		Fix: "guard every protected branch as well, or let the rule name its branch in full"}
	who, known := r.Merge.Value()
	_, told := s.p.DefaultBranch.Value()
	switch {
	case !known:
		g.Surely, g.Does, g.Why, g.Source = false, "", "who may merge: "+r.Merge.Why()+"; if anybody: "+g.Why, r.Merge.Source()
	case !told:
		g.Surely, g.Does, g.Why, g.Source = false, "", "which branch is the default one, and so is there: "+s.p.DefaultBranch.Why()+"; if it is another: "+g.Why, s.p.DefaultBranch.Source()
	case !from.Surely:
		g.Surely, g.Does, g.Source = false, "", from.Source
	default:
		g.Who, g.Level = whoAre(someone(who))
		g.Level = max(g.Level, from.Level)
	}
	return g
}

// weakest is a gap for a requirement at some protected branch, a sure one if there
// is any, and the branch; false if there is none.
func weakest(rules []ProtectedBranch, gaps []Gap, requirement Requirement) (gap Gap, branch string, ok bool) {
	for _, r := range rules {
		name, is := r.example()
		for _, g := range gaps {
			if is && (!ok || g.Surely && !gap.Surely) && slices.Contains(g.Breaks, requirement) && g.Refs.Contains(name) {
				gap, branch, ok = g, name, true
			}
		}
	}
	return gap, branch, ok
}

// broken are the refs at which some gaps surely break a requirement.
func broken(gaps []Gap, requirement Requirement) []regular.Language {
	var out []regular.Language
	for _, g := range gaps {
		if g.Surely && slices.Contains(g.Breaks, requirement) {
			out = append(out, g.Refs)
		}
	}
	return out
}

// creation looks at the branches from which the door's may have been made.
func (d *door) creation() {
	may, unsure := d.creatable()
	if may == no {
		return
	}
	rules, _ := d.p.ProtectedBranches.Value()
	for _, r := range rules {
		name, is := r.example()
		if !is {
			continue
		}
		from := &door{p: d.p, kind: Branch, ref: name}
		from.guards()
		for _, k := range inherited {
			switch {
			case k == Reviewed:
				d.from(from, may, unsure)
			case from.broken[k] && may == yes:
				d.breaks(k)
			case from.broken[k]:
				d.unknown(unsure, k)
			case from.unsure[k] != nil:
				d.unknown(from.unsure[k], k)
			}
		}
	}
}

// from counts the approvals that a branch needs from which the door's perhaps was
// made.
func (d *door) from(other *door, may answer, unsure Said) {
	n := other.needs()
	if may != yes && n.surely < d.made.surely {
		d.made.surely, d.made.why = n.surely, unsure.Why()
	} else if n.surely < d.made.surely {
		d.made.surely, d.made.why = n.surely, n.why
	}
	if may == yes {
		d.made.perhaps = min(d.made.perhaps, n.perhaps)
	}
}

// creatable says whether the branch may have been created by somebody who may merge
// into it, and of what is not known whether it may.
func (d *door) creatable() (answer, Said) {
	name, told := d.p.DefaultBranch.Value()
	if told && name == d.ref {
		return no, nil
	}
	found := no
	var unsure Said
	for _, r := range d.rules() {
		switch who, known := r.Merge.Value(); {
		case !r.wild():
			return no, nil
		case !known:
			found, unsure = max(found, perhaps), r.Merge
		case len(someone(who)) > 0:
			found = yes
		}
	}
	if found == yes && !told {
		return perhaps, &d.p.DefaultBranch
	}
	return found, unsure
}
