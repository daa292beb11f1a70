package eks

import (
	"strings"
)

// Mappings are what a cluster's aws-auth ConfigMap says, or another of the
// sources that aws-iam-authenticator reads.
type Mappings struct {
	Roles    []Mapping
	Users    []Mapping
	Accounts []string // every principal of these is let in, under its ARN and in no group
	// ByID finds an entry by its user id; an ARN it has as well must agree.
	ByID bool
	// Reserved are prefixes of user names that nobody gets from here.
	Reserved []string
}

// Mapping ties an ARN to a Kubernetes identity.
type Mapping struct {
	ARN      string // of a role, with its path or without, or of a user
	UserID   string // AROA… or AIDA…; counts where Mappings.ByID is set
	Username string // a template; empty: the canonical ARN
	Groups   []string
	Reserved []string // prefixes that the user name, filled in, must not have
}

// CheckMapping refuses a mapping that would put a name the caller chooses into
// a group, or into a user name where it could be another's, and one with a
// placeholder that Mayfly cannot fill in, or Mayfly's own names.
// aws-iam-authenticator takes these.
// What an administrator writes out in full, system:masters included, is theirs
// to say: whoever writes aws-auth has the cluster.
func CheckMapping(m Mapping) error {
	if m.ARN == "" && m.UserID == "" {
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

// NeverMatches says why no principal can have a mapping's ARN, or nothing.
func (m Mapping) NeverMatches() string {
	if strings.Contains(m.ARN, ":assumed-role/") {
		return "an assumed-role ARN never matches: write the role's, arn:aws:iam::ACCOUNT:role/NAME"
	}
	return ""
}

// Find is the mapping of a principal, as aws-iam-authenticator finds it: the
// last role entry that is for it, else the last user entry, else its account.
func (m Mappings) Find(p Principal) (Mapping, bool) {
	for _, list := range [][]Mapping{m.Roles, m.Users} {
		for i := len(list) - 1; i >= 0; i-- {
			if m.isFor(list[i], p) {
				return list[i].orDefault(p, m.Reserved), true
			}
		}
	}
	for _, a := range m.Accounts {
		if a == p.Account && a != "" {
			return Mapping{ARN: p.CanonicalARN}.orDefault(p, m.Reserved), true
		}
	}
	return Mapping{}, false
}

// isFor reports whether an entry is a principal's: by its ARN, or by its id and,
// if it has one, its ARN.
func (m Mappings) isFor(e Mapping, p Principal) bool {
	if m.ByID {
		return e.UserID != "" && e.UserID == p.PrincipalID && (e.ARN == "" || e.hasARNOf(p))
	}
	return e.hasARNOf(p)
}

// hasARNOf compares ARNs without regard to case. A session's ARN has no path, so
// the original never matches a role's ARN that is written with one; here it is
// compared where it is known, and else left out: the name is the role's alone in
// its account.
func (m Mapping) hasARNOf(p Principal) bool {
	if strings.EqualFold(m.ARN, p.CanonicalARN) {
		return true
	}
	cut := strings.LastIndexByte(m.ARN, '/') + 1
	if cut == 0 || !strings.EqualFold(m.ARN[cut:], p.CanonicalARN[strings.LastIndexByte(p.CanonicalARN, '/')+1:]) {
		return false
	}
	if p.RoleARN != "" {
		return strings.EqualFold(m.ARN, p.RoleARN)
	}
	_, canonical, ok := CanonicalARN(m.ARN)
	return ok && strings.EqualFold(canonical, p.CanonicalARN)
}

// orDefault fills in what a mapping has not itself: the reserved prefixes of its
// source, and the user name of one that has none. (The original
// makes a user without a name, of which kubectl top and others die.)
func (m Mapping) orDefault(p Principal, reserved []string) Mapping {
	m.Reserved = reserved
	if m.Username == "" {
		m.Username = p.CanonicalARN
	}
	return m
}
