package guard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Requirement is something that must hold of every job that reaches a role.
type Requirement struct {
	Kind  Kind
	Count int // of Reviewed: how many approvals, at least 1
}

// Kind is what a requirement is about. The zero value is nothing.
type Kind uint8

const (
	// Protected: the job's ref is protected.
	Protected Kind = iota + 1
	// Reviewed: what the job runs came by a merge request that so many approved.
	Reviewed
	// NoAuthorApproval: nobody approves a merge request of their own.
	NoAuthorApproval
	// NoForcePush: the ref's history cannot be replaced.
	NoForcePush
	// NoDirectPush: nobody changes the ref but by a merge request.
	NoDirectPush
	// ImmutableID: the job's project is the one that was meant, whatever is
	// called so later.
	ImmutableID
	// NotMergeRequest: the job is not of a merge request's pipeline, which runs
	// what nobody has merged.
	NotMergeRequest
	// NoCommitterApproval: nobody approves a merge request they added a commit to.
	NoCommitterApproval
	// ResetApprovals: a commit added to a merge request takes its approvals back.
	ResetApprovals
	// CodeOwners: the owners of what changes approve.
	CodeOwners
	// NoVariableOverride: a Developer who starts a pipeline sets no variables.
	NoVariableOverride
	// EnvironmentProtected: the job deploys to a protected environment.
	EnvironmentProtected
)

var kindNames = [...]string{
	Protected: "protected", Reviewed: "reviewed", NoAuthorApproval: "no-author-approval", NoForcePush: "no-force-push",
	NoDirectPush: "no-direct-push", ImmutableID: "immutable-id", NotMergeRequest: "not-merge-request",
	NoCommitterApproval: "no-committer-approval", ResetApprovals: "reset-approvals", CodeOwners: "code-owners",
	NoVariableOverride: "no-variable-override", EnvironmentProtected: "protected-environment",
}

// KindNames are the words of all requirements.
func KindNames() []string { return slices.Clone(kindNames[1:]) }

// String is the requirement as --require writes it.
func (r Requirement) String() string {
	if int(r.Kind) >= len(kindNames) {
		return ""
	}
	if r.Kind == Reviewed {
		return kindNames[Reviewed] + "=" + strconv.Itoa(r.Count)
	}
	return kindNames[r.Kind]
}

// Default are the requirements where nobody names any.
func Default() []Requirement {
	return []Requirement{{Protected, 0}, {Reviewed, 1}, {NoAuthorApproval, 0}, {NoForcePush, 0}, {NoDirectPush, 0}, {ImmutableID, 0}, {NotMergeRequest, 0}}
}

// maxApprovals bounds reviewed=N, as GitLab bounds a rule's approvals.
const maxApprovals = 100

// ParseRequirements reads requirements with commas between them; "reviewed" alone
// is reviewed=1.
func ParseRequirements(text string) ([]Requirement, error) {
	var out []Requirement
	for word := range strings.SplitSeq(text, ",") {
		name, count, counted := strings.Cut(strings.TrimSpace(word), "=")
		kind := Kind(slices.Index(kindNames[:], name))
		if name == "" || int8(kind) < 1 {
			return nil, fmt.Errorf("%q is no requirement; there are %s", word, strings.Join(kindNames[1:], ", "))
		}
		r := Requirement{Kind: kind}
		if kind == Reviewed {
			r.Count = 1
		}
		if counted {
			n, err := strconv.Atoi(count)
			if kind != Reviewed || err != nil || n < 1 || n > maxApprovals {
				return nil, fmt.Errorf("%q: only reviewed has a number, from 1 to %d", word, maxApprovals)
			}
			r.Count = n
		}
		if slices.ContainsFunc(out, func(have Requirement) bool { return have.Kind == kind }) {
			return nil, fmt.Errorf("%s is named twice", name)
		}
		out = append(out, r)
	}
	return out, nil
}
