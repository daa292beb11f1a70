package iam

import (
	"slices"
	"strings"

	"mayfly.internal/internal/policy"
)

// Tag is a key and a value an operator hangs on an object.
type Tag struct{ Key, Value string }

// CheckTags refuses too many tags, two keys that policies cannot tell apart
// (policy.SameKey), and keys that are AWS's. The form of keys and values is the
// wire's.
func CheckTags(tags []Tag) error {
	if len(tags) > maxTags {
		return Refuse(LimitExceeded, "Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	for i, t := range tags {
		switch {
		case hasKey(tags[:i], t.Key):
			return Refuse(InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return Refuse(InvalidInput, "Tag keys may not begin with aws:")
		}
	}
	return nil
}

func hasKey(tags []Tag, key string) bool {
	return slices.ContainsFunc(tags, func(t Tag) bool { return policy.SameKey(t.Key, key) })
}

// WithTags is a list of tags with others put in: one of the same key, be it in
// another case, takes the place of the one there is (IAM User Guide, "Tags for
// IAM resources").
func WithTags(have, add []Tag) ([]Tag, error) {
	if err := CheckTags(add); err != nil {
		return nil, err
	}
	out := WithoutTags(have, keysOf(add))
	out = append(out, add...)
	return out, CheckTags(out)
}

// WithoutTags is a list of tags without those of some keys, in whatever case: what
// policies take for one key is one, and nothing else is.
func WithoutTags(have []Tag, keys []string) []Tag {
	return slices.DeleteFunc(slices.Clone(have), func(t Tag) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return policy.SameKey(key, t.Key) })
	})
}

func keysOf(tags []Tag) []string {
	var out []string
	for _, t := range tags {
		out = append(out, t.Key)
	}
	return out
}
