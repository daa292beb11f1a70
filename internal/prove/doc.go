// Package prove says who can reach a role, exactly: which jobs of which projects
// a trust policy lets in, and whether what GitLab enforces stands before each of
// them.
package prove
