// Package prove says who can reach a role, exactly: which jobs of which projects
// its trust policy lets in, and whether what GitLab enforces stands before each of
// them.
//
//   - A [Shape] is a set of requests that are made alike; a policy's statement is,
//     of a shape, a set of boxes (allowed.go, condition.go, box.go).
//   - An [Issuer] is a GitLab with what is known of it; its shapes are everything
//     it could sign (gitlab.go, components.go).
//   - [World.Check] holds the one against the gaps that package guard finds in the
//     other: proven, refuted with a job that gets through, or unknown because …
//   - [World.WhoCan], [World.Disjoint] and [Diff] ask the same sets other
//     questions.
//
// The theory, and the roads not taken, are in DESIGN.md. The package decides no
// request: that is policy's, whose evaluator every witness is shown to. It asks no
// GitLab; it takes facts.
package prove
