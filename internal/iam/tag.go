package iam

import "strings"

// Tag is a key and a value an operator hangs on an object.
type Tag struct{ Key, Value string }

// CheckTags refuses too many tags, keys that differ in case alone, and keys
// that are AWS's. The form of keys and values is the wire's.
func CheckTags(tags []Tag) error {
	if len(tags) > maxTags {
		return Refuse(LimitExceeded, "Cannot exceed quota for TagsPerResource: %d", maxTags)
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch key := strings.ToLower(t.Key); {
		case seen[key]:
			return Refuse(InvalidInput, "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		case strings.HasPrefix(key, "aws:"):
			return Refuse(InvalidInput, "Tag keys may not begin with aws:")
		default:
			seen[key] = true
		}
	}
	return nil
}
