package labgitlab

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// RefType is what a pipeline's ref is.
type RefType string

const (
	Branch RefType = "branch"
	Tag    RefType = "tag"
)

// refPath is the full name of a ref.
func refPath(t RefType, name string) string {
	if t == Tag {
		return "refs/tags/" + name
	}
	return "refs/heads/" + name
}

// matchRefName is GitLab's matching of protected names (RefMatcher): the exact
// name, or, if the rule contains `*`, a case-sensitive pattern in which `*`
// stands for any characters, `/` and none included. Nothing else is special.
func matchRefName(rule, name string) bool {
	parts := strings.Split(rule, "*")
	if len(parts) == 1 {
		return rule != "" && rule == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, last)
}

var startsWithSHA = regexp.MustCompile(`^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{40})(?:[^0-9a-fA-F]|$)`)

// checkRefName applies GitLab's rules for new branch and tag names, and says
// which one a name breaks.
func checkRefName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case strings.ContainsFunc(name, forbiddenInRef):
		return `contains one of: control character, space, ~ ^ : ? * [ \`
	case name == "HEAD" || name[0] == '-' || strings.HasPrefix(name, "refs/heads/") ||
		strings.HasPrefix(name, "refs/remotes/") || strings.HasPrefix(name, "refs/tags/"):
		return "is HEAD, or begins with - or refs/"
	case strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{"):
		return "contains .. or // or @{"
	case name[0] == '/' || strings.HasSuffix(name, "/") || strings.HasSuffix(name, "."):
		return "begins or ends with / or ends with ."
	case startsWithSHA.MatchString(name):
		return "begins like a commit id"
	}
	for component := range strings.SplitSeq(name, "/") {
		if component[0] == '.' || strings.HasSuffix(component, ".lock") {
			return "has a component that begins with . or ends with .lock"
		}
	}
	return ""
}

func forbiddenInRef(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r)
}

// slug is GitLab's form of a name for host names: lower case, at most 63 bytes
// of letters, digits and hyphens, no hyphen at either end.
func slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
		if b.Len() == 63 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}
