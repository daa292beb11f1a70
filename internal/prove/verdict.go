package prove

import (
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
)

// Verdict is what a question about a role comes to. The zero value is Unknown.
type Verdict uint8

const (
	// Unknown: nobody can say, for reasons that are given.
	Unknown Verdict = iota
	// Refuted: there is a job that gets through; it is shown.
	Refuted
	// Proven: no job gets through.
	Proven
)

var verdictNames = [...]string{"unknown", "refuted", "proven"}

// String is the verdict in a word.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return verdictNames[Unknown]
}

// Worse is the verdict on two things together: one hole refutes, and what is
// unknown proves nothing.
func (v Verdict) Worse(u Verdict) Verdict {
	switch {
	case v == Refuted || u == Refuted:
		return Refuted
	case v == Unknown || u == Unknown:
		return Unknown
	}
	return Proven
}

// Guards that are not about refs, and so none of the guard room's.
const (
	guardKnownProjects guard.Guard = "known-projects"
	guardImmutableID   guard.Guard = "immutable-id"
	guardForkPipelines guard.Guard = "fork-pipelines"
	guardRunsElsewhere guard.Guard = "runs-elsewhere"
	guardJobsOnly      guard.Guard = "jobs-only"
	guardEnvironment   guard.Guard = "environment-protection"
)

// Report is the verdict on a role, and why.
type Report struct {
	Role       string
	Verdict    Verdict
	Require    []guard.Requirement
	Statements []StatementReport // those that let anybody in, in the order written
	Notes      []string          // what the verdict rests on besides
}

// StatementReport is the verdict on one statement.
type StatementReport struct {
	Name     string // as policy.Statement.Name has it
	Sid      string
	Line     int // 1-based, where the statement begins
	EndLine  int
	Verdict  Verdict
	Findings []Finding // what speaks against it; none if it is proven
	Reach    []Reach   // where it lets jobs in
}

// Finding is one way through, or one thing that nobody knows.
type Finding struct {
	Verdict  Verdict // Refuted or Unknown
	Requires []guard.Requirement
	Guard    guard.Guard
	Project  string // its full path; empty: no project in particular
	Kind     string // branch, tag, merge request or sign-in
	Ref      string
	// Claims are a job that gets through, of the provider, as condition keys; of
	// an unknown one, a job that perhaps does.
	Provider arn.Provider
	Claims   Claims
	// Walk is what somebody does, step by step, to hold the role.
	Walk []string
	Why  string // the fact behind it, or why it is unknown
	Fix  string // what to change
	Page string // where, as a URL; empty: nowhere in particular
	// Level is the least role it takes in the project; 0: not a matter of roles.
	Level guard.Level
}

// Reach is jobs of one kind of a project that a statement lets in.
type Reach struct {
	Project string
	Kind    string
	Refs    string   // as a pattern
	Closed  []string // the guards that stand there
}
