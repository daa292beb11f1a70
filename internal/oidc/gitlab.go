package oidc

import (
	"slices"
	"strings"

	"mayfly.internal/internal/strictjson"
)

// Kind says for whom an issuer signed a token.
type Kind uint8

const (
	// Nobody is the kind of claims that were never verified.
	Nobody Kind = iota
	// Workload is whatever an issuer that is no GitLab signs for.
	Workload
	// Job is a CI job of a GitLab.
	Job
	// Person is somebody who signed in at a GitLab.
	Person
)

var kindNames = [...]string{"nobody", "workload", "job", "person"}

// String is the kind in words, for audit and metrics.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "nobody"
}

// projectComponents are the components of sub that name a project; GitLab
// demands that one of them leads.
var projectComponents = []string{
	"project_path", "project_id", "job_project_path", "job_project_id", "source_project_path", "source_project_id",
}

// classify tells jobs from people. Both have the same issuer and key set, so a
// good signature alone says neither.
//
// A job chooses its audience in its YAML. It may therefore name the one people
// sign in with, and a policy that trusts people by that audience would take it
// for one; such a token is refused.
func (c *Claims) classify(s Settings) error {
	if !s.GitLab {
		c.kind = Workload
		return nil
	}
	login := slices.ContainsFunc(c.audience, func(a string) bool { return slices.Contains(s.LoginClientIDs, a) })
	marks := 0
	for _, name := range []string{"project_id", "pipeline_id", "job_id"} {
		if isNumber(c.Text(name)) { // as strings: GitLab writes no other
			marks++
		}
	}
	components := splitSubject(c.subject)
	led := len(components) > 0 && slices.Contains(projectComponents, components[0].name)
	switch {
	case marks == 3 && led && !login:
		c.kind = Job
		return c.checkComponents(components)
	case marks == 3 && led:
		return reject(NeitherJobNorPerson, "aud", "a job's token has the audience people sign in with")
	case login && !led && !c.hasAny("project_id", "pipeline_id", "job_id") && isNumber(c.subject):
		c.kind = Person
		return nil
	}
	return reject(NeitherJobNorPerson, "sub", "the token is neither a job's nor that of somebody who signed in")
}

func (c *Claims) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return c.values.Get(name).Kind() != strictjson.Missing
	})
}

func isNumber(text string) bool {
	return text != "" && len(text) <= 20 && strings.Trim(text, "0123456789") == ""
}

type component struct{ name, value string }

// splitSubject takes a job's sub apart: name:value pairs joined by colons. No
// value holds a colon, so there is one way to do it. A text of another form
// has no components.
func splitSubject(subject string) []component {
	parts := strings.Split(subject, ":")
	if len(parts)%2 != 0 {
		return nil
	}
	var list []component
	for i := 0; i < len(parts); i += 2 {
		if parts[i] == "" || parts[i+1] == "" {
			return nil
		}
		list = append(list, component{parts[i], parts[i+1]})
	}
	return list
}

// checkComponents compares what sub says with the claim of the same name.
// GitLab makes both from one value; a token in which they differ is not of a
// GitLab we know, and a policy on one of them would not mean the other.
func (c *Claims) checkComponents(components []component) error {
	for _, part := range components {
		if text, ok := c.values.Get(part.name).Text(); ok && text != part.value {
			return reject(MalformedClaim, "sub", "sub says %s is %q, the claim of that name says %q", clip(part.name), clip(part.value), clip(text))
		}
	}
	return nil
}
