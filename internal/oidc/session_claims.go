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

	memberTags       = "principal_tags"
	memberTransitive = "transitive_tag_keys"

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
// or, for issuers that cannot nest claims, the tags each in a claim of its own:
//
//	"https://aws.amazon.com/tags/principal_tags/Team": "a",
//	"https://aws.amazon.com/tags/transitive_tag_keys": ["Team"]
//
// What is not of these forms is refused, not left out: a policy may rest on a tag
// being there.
func (c *Claims) readSessionClaims() error {
	if v := c.values.Get(claimSourceIdentity); v.Kind() != strictjson.Missing {
		text, ok := v.Text()
		if !ok || len(text) < 2 || !arn.IsName(text, maxSourceIDSize) || strings.HasPrefix(text, "aws:") {
			return reject(MalformedClaim, claimSourceIdentity, "the source identity is not 2 to 64 of the characters A-Za-z0-9_+=,.@-")
		}
		c.sourceIdentity = text
	}
	tags, transitive, err := c.tagClaims()
	if err != nil {
		return err
	}
	if err := c.readTags(tags); err != nil {
		return err
	}
	return c.readTransitive(transitive)
}

func rejectTags(format string, args ...any) error {
	return reject(MalformedClaim, claimTags, "the claim "+claimTags+" "+format, args...)
}

// tagClaims are the members that are tags and the list of transitive keys, from
// one claim or from several, not from both.
func (c *Claims) tagClaims() (tags []strictjson.Member, transitive strictjson.Value, err error) {
	nested := c.values.Get(claimTags)
	switch nested.Kind() {
	case strictjson.Missing:
		return c.flatTagClaims()
	case strictjson.Object:
	default:
		return nil, transitive, rejectTags("is not an object")
	}
	for _, m := range nested.Members() {
		switch {
		case m.Name == memberTransitive:
			transitive = m.Value
		case m.Name == memberTags && m.Value.Kind() == strictjson.Object:
			tags = m.Value.Members()
		case m.Name == memberTags:
			return nil, transitive, rejectTags("does not hold principal_tags as an object")
		default:
			return nil, transitive, rejectTags("holds the unknown member %q", clip(m.Name))
		}
	}
	if slices.ContainsFunc(c.values.Members(), func(m strictjson.Member) bool { return strings.HasPrefix(m.Name, claimTags+"/") }) {
		return nil, transitive, rejectTags("stands beside claims that begin with it")
	}
	return tags, transitive, nil
}

// flatTagClaims are the tags that have a claim each.
func (c *Claims) flatTagClaims() (tags []strictjson.Member, transitive strictjson.Value, err error) {
	for _, m := range c.values.Members() {
		name, ok := strings.CutPrefix(m.Name, claimTags+"/")
		if !ok {
			continue
		}
		key, isTag := strings.CutPrefix(name, memberTags+"/")
		switch {
		case isTag:
			tags = append(tags, strictjson.Member{Name: key, NameOffset: m.NameOffset, Value: m.Value})
		case name == memberTransitive:
			transitive = m.Value
		default:
			return nil, transitive, rejectTags("stands there as the unknown claim %q", clip(m.Name))
		}
	}
	return tags, transitive, nil
}

func (c *Claims) readTags(tags []strictjson.Member) error {
	if len(tags) > maxTags {
		return rejectTags("holds %d tags, at most %d are allowed", len(tags), maxTags)
	}
	for i, m := range tags {
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
		case hasFold(tags[:i], m.Name):
			return rejectTags("holds two tags %q but for upper and lower case", clip(m.Name))
		}
		c.sessionTags = append(c.sessionTags, Tag{Key: m.Name, Value: text})
	}
	return nil
}

func (c *Claims) readTransitive(v strictjson.Value) error {
	switch v.Kind() {
	case strictjson.Missing:
		return nil
	case strictjson.Array:
	default:
		return rejectTags("does not hold transitive_tag_keys as an array")
	}
	for _, item := range v.Items() {
		text, ok := item.Text()
		if !ok || !slices.ContainsFunc(c.sessionTags, func(t Tag) bool { return t.Key == text }) || slices.Contains(c.transitiveKeys, text) {
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
