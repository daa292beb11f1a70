// Package gitlab is a small client of GitLab's REST API: it reads what guard
// wants to know of projects.
//
// It needs a token of scope read_api, and the role that docs/facts.md names
// for each fact. What one endpoint refuses leaves the facts behind it unknown,
// with the reason, and everything else stands. That the tier lacks something is
// told from the right to see it by what the instance and the namespace say of
// themselves.
//
// The token goes to the one host it is for, over TLS, and follows no redirect.
// It is shown in no error and no log, and kept nowhere but where it came from.
package gitlab
