package labgitlab

import (
	"fmt"
	"strconv"
	"strings"
)

// AccessLevel is GitLab's numeric role. The zero value is no access.
type AccessLevel int

const (
	NoAccess   AccessLevel = 0
	Guest      AccessLevel = 10
	Planner    AccessLevel = 15
	Reporter   AccessLevel = 20
	Developer  AccessLevel = 30
	Maintainer AccessLevel = 40
	Owner      AccessLevel = 50
)

var accessLevelNames = []struct {
	level AccessLevel
	name  string
}{
	{NoAccess, "no one"}, {Guest, "guest"}, {Planner, "planner"}, {Reporter, "reporter"},
	{Developer, "developer"}, {Maintainer, "maintainer"}, {Owner, "owner"},
}

func (l AccessLevel) String() string {
	for _, known := range accessLevelNames {
		if known.level == l {
			return known.name
		}
	}
	return strconv.Itoa(int(l))
}

// parseAccessLevel reads a role by name or by GitLab's number.
func parseAccessLevel(text string) (AccessLevel, error) {
	for _, known := range accessLevelNames {
		if strings.EqualFold(text, known.name) || text == strconv.Itoa(int(known.level)) {
			return known.level, nil
		}
	}
	return NoAccess, fmt.Errorf("%q is not an access level (no one, guest, planner, reporter, developer, maintainer, owner, or GitLab's number)", text)
}

// AccessRule is one entry of a *_access_levels list: a role, or one user, or
// the members of one group, or a deploy key.
type AccessRule struct {
	Level     AccessLevel
	User      string // login
	Group     string // full path
	DeployKey int64
}

// allows reports whether a rule lets a person through. An entry with a user or
// group means that user or group alone, not the role beside it.
func (r AccessRule) allows(w *World, user *User, level AccessLevel) bool {
	switch {
	case r.DeployKey != 0:
		return false
	case r.User != "":
		return strings.EqualFold(r.User, user.Username)
	case r.Group != "":
		return w.groupLevel(r.Group, user) >= Guest
	default:
		return r.Level > NoAccess && level >= r.Level
	}
}
