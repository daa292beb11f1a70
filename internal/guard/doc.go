// Package guard holds what GitLab enforces around a job: the facts of its
// projects that decide who can make a job run with which claims.
//
//   - [Facts] are an instance's projects as somebody read them: protected
//     branches, tags and environments, approvals, members, and so on.
//   - Each is a [Fact]: known, unknown because …, or known to be absent because
//     the tier lacks it. What could not be seen is never taken for "there is
//     none".
//   - [Decode] and [Encode] are their file, facts.yaml, which docs/facts.md
//     describes.
//
// It asks nobody: internal/gitlab reads the facts of an instance.
package guard
