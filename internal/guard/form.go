package guard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// form is how facts.yaml writes the values of one type.
type form[T any] struct {
	read  func(r *reader, n *yaml.Node) T
	write func(T) *yaml.Node
}

func scalar(value string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(value)
	n.Style &^= yaml.LiteralStyle // what SetString gives several lines
	return n
}

// plain is a scalar that is no string: a number, a truth value, a time.
func plain(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// text is a string that is not empty. A scalar of another kind is taken as it
// is written: a branch may be called 1.10.
var text = form[string]{
	read: func(r *reader, n *yaml.Node) string {
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || n.Value == "" || n.Style&yaml.TaggedStyle != 0 {
			r.fail(n, "%s should be a string", r.name)
			return ""
		}
		return n.Value
	},
	write: scalar,
}

var truth = form[bool]{
	read: func(r *reader, n *yaml.Node) bool {
		if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" || n.Style != 0 {
			r.fail(n, "%s should be true or false", r.name)
		}
		return n.Value == "true"
	},
	write: func(v bool) *yaml.Node { return plain("!!bool", strconv.FormatBool(v)) },
}

// id is a number of GitLab's.
var id = form[int64]{
	read: func(r *reader, n *yaml.Node) int64 {
		v, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.Style != 0 || err != nil || v <= 0 || strconv.FormatInt(v, 10) != n.Value {
			r.fail(n, "%s should be a positive number", r.name)
		}
		return v
	},
	write: func(v int64) *yaml.Node { return plain("!!int", strconv.FormatInt(v, 10)) },
}

// maxCount bounds numbers of approvals and megabytes.
const maxCount = 1_000_000

var count = form[int]{
	read: func(r *reader, n *yaml.Node) int {
		v, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || n.Style != 0 || err != nil || v < 0 || v > maxCount || strconv.Itoa(v) != n.Value {
			r.fail(n, "%s should be a number from 0 to %d", r.name, maxCount)
		}
		return v
	},
	write: func(v int) *yaml.Node { return plain("!!int", strconv.Itoa(v)) },
}

var moment = form[time.Time]{
	read: func(r *reader, n *yaml.Node) time.Time {
		at, err := time.Parse(time.DateOnly, n.Value)
		if err != nil {
			at, err = time.Parse(time.RFC3339Nano, n.Value)
		}
		if n.Kind != yaml.ScalarNode || err != nil || at.Year() < 1970 || at.Year() > 9000 {
			r.fail(n, "%s should be a date or time such as 2026-11-23 or 2026-11-23T12:00:00Z", r.name)
			return time.Time{}
		}
		return at.UTC()
	},
	write: func(at time.Time) *yaml.Node {
		at = at.UTC()
		if at.Equal(at.Truncate(24 * time.Hour)) {
			return plain("!!timestamp", at.Format(time.DateOnly))
		}
		return plain("!!timestamp", at.Format(time.RFC3339Nano))
	},
}

func oneOf[T ~string](allowed ...T) form[T] {
	return form[T]{
		read: func(r *reader, n *yaml.Node) T {
			if n.Kind != yaml.ScalarNode || !slices.Contains(allowed, T(n.Value)) {
				words := make([]string, len(allowed))
				for i, a := range allowed {
					words[i] = string(a)
				}
				r.fail(n, "%s should be one of %s", r.name, strings.Join(words, ", "))
				return ""
			}
			return T(n.Value)
		},
		write: func(v T) *yaml.Node { return scalar(string(v)) },
	}
}

var deploymentTier = oneOf("production", "staging", "testing", "development", "other")

// path is the full path of a project or group.
var path = form[string]{
	read: func(r *reader, n *yaml.Node) string {
		v := text.read(r, n)
		if v != "" && (strings.HasPrefix(v, "/") || strings.HasSuffix(v, "/") || strings.Contains(v, "//") || strings.ContainsAny(v, ":*? \t\r\n%")) {
			r.fail(n, "%s should be a full path such as my_group/my-fancy_project", r.name)
		}
		return v
	},
	write: scalar,
}

// baseURL is an instance's address, as its tokens' iss has it.
var baseURL = form[string]{
	read: func(r *reader, n *yaml.Node) string {
		v := text.read(r, n)
		u, err := url.Parse(v)
		if v != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "") {
			r.fail(n, "%s should be a URL such as https://gitlab.com", r.name)
		}
		return v
	},
	write: scalar,
}

// orNone writes an empty string as the word none.
func orNone(of form[string]) form[string] {
	return form[string]{
		read: func(r *reader, n *yaml.Node) string {
			if n.Kind == yaml.ScalarNode && n.Value == "none" {
				return ""
			}
			return of.read(r, n)
		},
		write: func(v string) *yaml.Node {
			if v == "" {
				return scalar("none")
			}
			return of.write(v)
		},
	}
}

var role = form[Level]{
	read: func(r *reader, n *yaml.Node) Level {
		level, err := ParseLevel(n.Value)
		if n.Kind != yaml.ScalarNode {
			r.fail(n, "%s should be a role", r.name)
		} else if err != nil {
			r.fail(n, "%v", err)
		}
		return level
	},
	write: func(l Level) *yaml.Node {
		if l.String() == strconv.Itoa(int(l)) {
			return plain("!!int", l.String())
		}
		return scalar(l.String())
	},
}

// access is one entry of a list of who may.
var access = form[Access]{
	read: func(r *reader, n *yaml.Node) (a Access) {
		if n.Kind != yaml.ScalarNode {
			r.fail(n, "%s should be a role, or a user, group or deploy key with its number: maintainer, user 12", r.name)
			return a
		}
		for prefix, number := range map[string]*int64{"user ": &a.User, "group ": &a.Group, "deploy key ": &a.DeployKey} {
			if rest, ok := strings.CutPrefix(n.Value, prefix); ok {
				v, err := strconv.ParseInt(rest, 10, 64)
				if err != nil || v <= 0 || strconv.FormatInt(v, 10) != rest {
					r.fail(n, "%q should be %sand a positive number", n.Value, prefix)
				}
				*number = v
				return a
			}
		}
		a.Level = role.read(r, n)
		return a
	},
	write: func(a Access) *yaml.Node {
		if a == (Access{Level: a.Level}) {
			return role.write(a.Level)
		}
		return scalar(a.String())
	},
}

// who is a list of who may: one entry, or several; no one is the empty list.
var who = form[[]Access]{
	read: func(r *reader, n *yaml.Node) []Access {
		entries := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			entries = n.Content
		}
		out := []Access{}
		for _, entry := range entries {
			if a := access.read(r, entry); a != (Access{}) {
				out = append(out, a)
			}
		}
		return out
	},
	write: func(all []Access) *yaml.Node {
		switch len(all) {
		case 0:
			return scalar(NoAccess.String())
		case 1:
			return access.write(all[0])
		}
		return list(access).write(all)
	},
}

// list is a list, where none is the empty one.
func list[T any](of form[T]) form[[]T] {
	return form[[]T]{
		read: func(r *reader, n *yaml.Node) []T {
			out := []T{}
			if n.Kind == yaml.ScalarNode && n.Value == "none" {
				return out
			}
			if n.Kind != yaml.SequenceNode {
				r.fail(n, "%s should be a list, or none", r.name)
				return out
			}
			for _, item := range n.Content {
				out = append(out, of.read(r, item))
			}
			return out
		},
		write: func(all []T) *yaml.Node {
			if len(all) == 0 {
				return scalar("none")
			}
			n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
			for _, v := range all {
				item := of.write(v)
				if item.Kind == yaml.MappingNode {
					n.Style = 0
				}
				n.Content = append(n.Content, item)
			}
			return n
		},
	}
}

// record is a mapping on one line.
func record[T any](what string, keys func(*T) []key) form[T] {
	return form[T]{
		read: func(r *reader, n *yaml.Node) (v T) {
			r.mapping(n, what, keys(&v))
			return v
		},
		write: func(v T) *yaml.Node {
			n := writeMapping(keys(&v))
			n.Style = yaml.FlowStyle
			return n
		},
	}
}

// pushRule is a mapping, or none.
var pushRule = form[PushRule]{
	read: func(r *reader, n *yaml.Node) PushRule {
		if n.Kind == yaml.ScalarNode && n.Value == "none" {
			return PushRule{}
		}
		p := record("a push rule", (*PushRule).keys).read(r, n)
		p.Set = true
		return p
	},
	write: func(p PushRule) *yaml.Node {
		if !p.Set {
			return scalar("none")
		}
		return record("a push rule", (*PushRule).keys).write(p)
	},
}
