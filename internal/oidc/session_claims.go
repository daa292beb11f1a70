package oidc

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/strictjson"
)

const (
	claimTags           = "https://aws.amazon.com/tags"
	claimSourceIdentity = "https://aws.amazon.com/source_identity"

	maxTags         = 50  // STS quota
	maxTagKey       = 128 // characters, STS
	maxTagValue     = 256 // characters, STS
	maxSourceIDSize = 64  // STS
)

// SessionTags are the tags the token asks for, in its order. The trust policy
// must allow sts:TagSession for them.
func (c Claims) SessionTags() []Tag { return slices.Clone(c.sessionTags) }

// TransitiveTagKeys are the keys among SessionTags that go along when the
// session assumes another role.
func (c Claims) TransitiveTagKeys() []string { return slices.Clone(c.transitiveKeys) }

// SourceIdentity is the source identity the token asks for, "" if none. The
// trust policy must allow sts:SetSourceIdentity.
func (c Claims) SourceIdentity() string { return c.sourceIdentity }

// readSessionClaims reads AWS's two claims whose names hold a colon (IAM User
// Guide, "Pass session tags in AWS STS"):
//
//	"https://aws.amazon.com/tags": {
//	  "principal_tags": {"Team": ["a"]}, "transitive_tag_keys": ["Team"]
//	}
//	"https://aws.amazon.com/source_identity": "name"
//
// What is not of this form is refused, not left out: a policy may rest on a tag
// being there.
func (c *Claims) readSessionClaims() error {
	if v := c.values.Get(claimSourceIdentity); v.Kind() != strictjson.Missing {
		text, ok := v.Text()
		if !ok || len(text) < 2 || !arn.IsName(text, maxSourceIDSize) || strings.HasPrefix(text, "aws:") {
			return reject(MalformedClaim, claimSourceIdentity, "the source identity is not 2 to 64 of the characters A-Za-z0-9_+=,.@-")
		}
		c.sourceIdentity = text
	}
	tags := c.values.Get(claimTags)
	if tags.Kind() == strictjson.Missing {
		return nil
	}
	if tags.Kind() != strictjson.Object {
		return rejectTags("is not an object")
	}
	for _, m := range tags.Members() {
		var err error
		switch m.Name {
		case "principal_tags":
			err = c.readTags(m.Value)
		case "transitive_tag_keys":
			err = c.readTransitive(m.Value, tags.Get("principal_tags"))
		default:
			err = rejectTags("holds the unknown member %q", clip(m.Name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func rejectTags(format string, args ...any) error {
	return reject(MalformedClaim, claimTags, "the claim "+claimTags+" "+format, args...)
}

func (c *Claims) readTags(v strictjson.Value) error {
	if v.Kind() != strictjson.Object || len(v.Members()) > maxTags {
		return rejectTags("does not hold principal_tags as an object of at most %d tags", maxTags)
	}
	for i, m := range v.Members() {
		text, ok := m.Value.Text()
		if items := m.Value.Items(); len(items) == 1 { // AWS writes an array of one
			text, ok = items[0].Text()
		}
		switch {
		case !ok:
			return rejectTags("gives the tag %q not exactly one string", clip(m.Name))
		case m.Name == "" || !isTagText(m.Name, maxTagKey) || isReserved(m.Name):
			return rejectTags("holds the tag key %q, which is not of STS's form", clip(m.Name))
		case !isTagText(text, maxTagValue):
			return rejectTags("gives the tag %q a value not of STS's form", clip(m.Name))
		case hasFold(v.Members()[:i], m.Name):
			return rejectTags("holds two tags %q but for upper and lower case", clip(m.Name))
		}
		c.sessionTags = append(c.sessionTags, Tag{Key: m.Name, Value: text})
	}
	return nil
}

func (c *Claims) readTransitive(v, tags strictjson.Value) error {
	if v.Kind() != strictjson.Array {
		return rejectTags("does not hold transitive_tag_keys as an array")
	}
	for _, item := range v.Items() {
		text, ok := item.Text()
		if !ok || tags.Get(text).Kind() == strictjson.Missing || slices.Contains(c.transitiveKeys, text) {
			return rejectTags("holds a transitive key that is not one of its tags, or is there twice")
		}
		c.transitiveKeys = append(c.transitiveKeys, text)
	}
	return nil
}

// isReserved reports whether a tag key begins with aws: in any case.
func isReserved(key string) bool {
	prefix, _, found := strings.Cut(key, ":")
	return found && strings.EqualFold(prefix, "aws")
}

// isTagText reports whether text is of STS's [\p{L}\p{Z}\p{N}_.:/=+\-@]* in at
// most that many characters.
func isTagText(text string, most int) bool {
	return utf8.RuneCountInString(text) <= most && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}
