package eks

import (
	"strings"
)

// Mappings are what a cluster's aws-auth ConfigMap says.
type Mappings struct {
	Roles    []Mapping
	Users    []Mapping
	Accounts []string // every principal of these is let in, under its ARN and in no group
}

// Mapping ties an ARN to a Kubernetes identity.
type Mapping struct {
	ARN      string // of a role without its path, or of a user
	Username string // a template; empty: the canonical ARN
	Groups   []string
}

// CheckMapping refuses a mapping that would put a name the caller chooses into
// a group, or into a user name where it could be another's, and one with a
// placeholder that Mayfly cannot fill in, or Mayfly's own names.
// aws-iam-authenticator takes these.
// What an administrator writes out in full, system:masters included, is theirs
// to say: whoever writes aws-auth has the cluster.
func CheckMapping(m Mapping) error {
	if m.ARN == "" {
		return refuse(InvalidValue, "The mapping names no ARN")
	}
	if len(m.Groups) > maxMappedGroups {
		return refuse(InvalidValue, "More than %d Kubernetes groups", maxMappedGroups)
	}
	for _, g := range m.Groups {
		switch {
		case g == "" || len(g) > maxGroupLen || hasControl(g):
			return refuse(InvalidValue, "The group %q is invalid: 1 to %d characters without control characters are wanted", clip(g), maxGroupLen)
		case strings.Contains(g, "{{"):
			return refuse(NotSupported, "The group %q has a placeholder: a group is fixed text here", clip(g))
		}
	}
	if len(m.Username) > maxUsername || hasControl(m.Username) {
		return refuse(InvalidValue, "The username is longer than %d characters or holds a control character", maxUsername)
	}
	if strings.HasPrefix(m.Username, ownPrefix) {
		return refuse(NotSupported, "The username must not begin with %s: Mayfly's own reader has such a name", ownPrefix)
	}
	t, err := parseTemplate(m.Username)
	if err != nil {
		return err
	}
	return t.checkUsername()
}

// NeverMatches says why no principal can have a mapping's ARN, or nothing. A
// session's ARN has no path, so neither does the canonical ARN made of it.
func (m Mapping) NeverMatches() string {
	_, resource, _ := strings.Cut(m.ARN, ":role/")
	switch {
	case strings.Contains(m.ARN, ":assumed-role/"):
		return "an assumed-role ARN never matches: write the role's, arn:aws:iam::ACCOUNT:role/NAME"
	case strings.Contains(resource, "/"):
		return "a role's path never matches: write arn:aws:iam::ACCOUNT:role/NAME without it"
	}
	return ""
}

// Find is the mapping of a principal, as aws-iam-authenticator finds it: the
// last role entry with its canonical ARN, compared without regard to case, else
// the last user entry, else its account.
func (m Mappings) Find(p Principal) (Mapping, bool) {
	for _, list := range [][]Mapping{m.Roles, m.Users} {
		for i := len(list) - 1; i >= 0; i-- {
			if strings.EqualFold(list[i].ARN, p.CanonicalARN) {
				return list[i].orDefault(p), true
			}
		}
	}
	for _, a := range m.Accounts {
		if a == p.Account && a != "" {
			return Mapping{ARN: p.CanonicalARN}.orDefault(p), true
		}
	}
	return Mapping{}, false
}

// orDefault fills in the user name of a mapping that has none. (The original
// makes a user without a name, of which kubectl top and others die.)
func (m Mapping) orDefault(p Principal) Mapping {
	if m.Username == "" {
		m.Username = p.CanonicalARN
	}
	return m
}
