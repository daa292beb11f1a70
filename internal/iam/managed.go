package iam

import (
	"slices"
	"strconv"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// ManagedPolicy is a permission policy with a name of its own. Roles refer to it
// by its id, to have what it allows or to be bounded by it: one made anew under
// the name is another. It is immutable: a change makes a new value.
type ManagedPolicy struct {
	ID          string // ANPA…, never used twice
	Account     arn.AccountID
	Path        string
	Name        string
	Description string
	Created     time.Time
	Updated     time.Time // when its newest version was made
	Tags        []Tag
	Versions    []PolicyVersion // by number; the default one is among them
	Default     int             // number of the version that has a say
	Latest      int             // the highest number there has been: none is used twice
}

// PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	Number   int
	Document *policy.Document // of kind policy.Managed
	Created  time.Time
}

// ID is the version's name: v1, v2, …
func (v PolicyVersion) ID() string { return "v" + strconv.Itoa(v.Number) }

// ARN is the policy's name.
func (p ManagedPolicy) ARN() arn.Policy {
	return arn.Policy{Account: p.Account, Path: p.Path, Name: p.Name}
}

// Document is what the policy says: its default version. The zero value says
// nothing that anyone can read.
func (p ManagedPolicy) Document() *policy.Document {
	v, _ := p.numbered(p.Default)
	return v.Document
}

func (p ManagedPolicy) numbered(n int) (PolicyVersion, bool) {
	for _, v := range p.Versions {
		if v.Number == n {
			return v, true
		}
	}
	return PolicyVersion{}, false
}

// WithAttached is the role with a managed policy attached; one that is attached
// stays so.
func (r Role) WithAttached(id string) Role {
	at, there := slices.BinarySearch(r.Attached, id)
	if !there {
		r.Attached = slices.Insert(slices.Clone(r.Attached), at, id)
	}
	return r
}

// WithoutAttached is the role without a managed policy.
func (r Role) WithoutAttached(id string) Role {
	r.Attached = slices.DeleteFunc(slices.Clone(r.Attached), func(have string) bool { return have == id })
	return r
}
