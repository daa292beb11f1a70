// Package guardfacts keeps what GitLabs enforce around the projects whose jobs ask
// for roles, as fresh as the operator wants it.
//
// A project is read when a job of it is first asked about, and again and again
// while jobs of it are. What is older than its issuer's MaxAge is not given out;
// while a GitLab does not answer, the last facts serve until then. Callers that
// need the same reading share it, and wait a little for it.
//
// It must only be asked about projects that some role is for: it keeps a bounded
// number of them and forgets those that were not asked about for longest. It
// remembers which id a path had, so that another project under it is noticed.
package guardfacts
