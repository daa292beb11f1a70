package session

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
)

// The sealed text is a version byte and then fields: one byte of tag, the
// length as a varint, the bytes. Fields may stand in any order; an unknown tag
// is refused, so that an older server never half-understands a newer session.
const encodingVersion = 1

type tag byte

const (
	tagID tag = iota + 1
	tagSecret
	tagRoleID
	tagProviderID
	tagName
	tagIssued
	tagExpires
	tagSourceIdentity
	tagPolicy     // as it is
	tagPolicyFlat // deflated
	tagTag
	tagTransitiveTag
	tagReader
	tagAdminUID
	tagSubject      // as it is
	tagSubjectParts // built from the claims, see subjectTemplate
	tagClaim        // tagClaim+i is field i of claimFields
)

const (
	tagChain    tag = iota + 128 // one for each role, in order
	tagPolicyID                  // one for each policy
)

// repeats reports whether a field may stand there more than once.
func (t tag) repeats() bool {
	return t == tagTag || t == tagTransitiveTag || t == tagChain || t == tagPolicyID
}

// claimFields are the claims of a session in the order of their tags. A new
// one goes to the end.
var claimFields = []struct {
	name  string
	field func(*Claims) *string
}{
	{"iss", func(c *Claims) *string { return &c.Issuer }},
	{"aud", func(c *Claims) *string { return &c.Audience }},
	{"jti", func(c *Claims) *string { return &c.TokenID }},
	{"project_path", func(c *Claims) *string { return &c.ProjectPath }},
	{"project_id", func(c *Claims) *string { return &c.ProjectID }},
	{"namespace_id", func(c *Claims) *string { return &c.NamespaceID }},
	{"ref", func(c *Claims) *string { return &c.Ref }},
	{"ref_type", func(c *Claims) *string { return &c.RefType }},
	{"sha", func(c *Claims) *string { return &c.SHA }},
	{"pipeline_id", func(c *Claims) *string { return &c.PipelineID }},
	{"job_id", func(c *Claims) *string { return &c.JobID }},
	{"user_id", func(c *Claims) *string { return &c.UserID }},
	{"user_login", func(c *Claims) *string { return &c.UserLogin }},
	{"environment", func(c *Claims) *string { return &c.Environment }},
}

// All are the claims that are present, name and value, in a fixed order.
func (c *Claims) All() func(yield func(name, value string) bool) {
	return func(yield func(string, string) bool) {
		if c.Subject != "" && !yield("sub", c.Subject) {
			return
		}
		for _, f := range claimFields {
			if v := *f.field(c); v != "" && !yield(f.name, v) {
				return
			}
		}
	}
}

// subjectTemplate names the claims a GitLab subject repeats, with one byte
// each (reference: GitLab "sub" components); the byte stands in the template
// for "name:value".
var subjectTemplate = []struct {
	mark byte
	name string
	of   func(*Claims) string
}{
	{1, "project_path", func(c *Claims) string { return c.ProjectPath }},
	{2, "ref_type", func(c *Claims) string { return c.RefType }},
	{3, "ref", func(c *Claims) string { return c.Ref }},
	{4, "project_id", func(c *Claims) string { return c.ProjectID }},
}

// foldSubject is sub with its repeated parts as marks, or "" if sub is not
// made of name:value components or holds a mark itself.
func foldSubject(c *Claims) string {
	if strings.ContainsAny(c.Subject, "\x01\x02\x03\x04") {
		return ""
	}
	out := ":" + c.Subject + ":"
	for _, t := range subjectTemplate {
		if v := t.of(c); v != "" {
			out = strings.Replace(out, ":"+t.name+":"+v+":", ":"+string(rune(t.mark))+":", 1)
		}
	}
	out = out[1 : len(out)-1]
	if unfoldSubject(out, c) != c.Subject {
		return ""
	}
	return out
}

func unfoldSubject(folded string, c *Claims) string {
	for _, t := range subjectTemplate {
		folded = strings.Replace(folded, string(rune(t.mark)), t.name+":"+t.of(c), 1)
	}
	return folded
}

// encode is a session's plain text, and how many bytes of it are its session
// policies and tags.
func encode(s Session, key [30]byte) (plain []byte, packed int) {
	out := []byte{encodingVersion}
	put := func(t tag, value string) {
		if value != "" {
			out = append(out, byte(t))
			out = binary.AppendUvarint(out, uint64(len(value)))
			out = append(out, value...)
		}
	}
	putTime := func(t tag, at time.Time) {
		put(t, string(binary.AppendUvarint(nil, uint64(at.Unix()))))
	}
	put(tagID, string(s.ID[:]))
	put(tagSecret, string(key[:]))
	put(tagRoleID, s.RoleID)
	put(tagProviderID, s.ProviderID)
	put(tagName, s.Name)
	putTime(tagIssued, s.Issued)
	putTime(tagExpires, s.Expires)
	put(tagSourceIdentity, s.SourceIdentity)
	for _, id := range s.Chain {
		put(tagChain, id)
	}
	before := len(out)
	if flat := deflate(s.Policy); len(flat) < len(s.Policy) {
		put(tagPolicyFlat, flat)
	} else {
		put(tagPolicy, s.Policy)
	}
	for _, id := range s.PolicyIDs {
		put(tagPolicyID, id)
	}
	for _, t := range s.Tags {
		pair := string(binary.AppendUvarint(nil, uint64(len(t.Key)))) + t.Key + t.Value
		if t.Transitive {
			put(tagTransitiveTag, pair)
		} else {
			put(tagTag, pair)
		}
	}
	packed = len(out) - before
	put(tagReader, s.Reader)
	put(tagAdminUID, s.AdminUID)
	for i, f := range claimFields {
		put(tagClaim+tag(i), *f.field(&s.Claims))
	}
	if folded := foldSubject(&s.Claims); folded != "" {
		put(tagSubjectParts, folded)
	} else {
		put(tagSubject, s.Claims.Subject)
	}
	return out, packed
}

var errEncoding = errors.New("session: the sealed text is not one of ours")

// decode reads what encode wrote. Only sealed text reaches it; it is strict
// all the same, for a defect here would be a session nobody issued.
func decode(data []byte) (Session, error) {
	if len(data) == 0 || data[0] != encodingVersion {
		return Session{}, errEncoding
	}
	var s Session
	var folded string
	seen := map[tag]bool{}
	for data = data[1:]; len(data) > 0; {
		t := tag(data[0])
		n, width := binary.Uvarint(data[1:])
		if width <= 0 || n > uint64(len(data)-1-width) {
			return Session{}, errEncoding
		}
		value := string(data[1+width : 1+width+int(n)])
		data = data[1+width+int(n):]
		if seen[t] && !t.repeats() {
			return Session{}, errEncoding
		}
		seen[t] = true
		if t == tagSubjectParts {
			folded = value
			continue
		}
		if !s.set(t, value) {
			return Session{}, errEncoding
		}
	}
	if folded != "" {
		s.Claims.Subject = unfoldSubject(folded, &s.Claims)
	}
	for _, t := range []tag{tagID, tagSecret, tagIssued, tagExpires} {
		if !seen[t] {
			return Session{}, errEncoding
		}
	}
	return s, nil
}

func (s *Session) set(t tag, value string) bool {
	ok := true
	switch t {
	case tagID:
		ok = copy(s.ID[:], value) == len(s.ID) && len(value) == len(s.ID)
	case tagSecret:
		ok = len(value) == 30
		s.secret = secret.New(base64.StdEncoding.EncodeToString([]byte(value)))
	case tagRoleID:
		s.RoleID = value
	case tagProviderID:
		s.ProviderID = value
	case tagName:
		s.Name = value
	case tagIssued:
		s.Issued, ok = decodeTime(value)
	case tagExpires:
		s.Expires, ok = decodeTime(value)
	case tagSourceIdentity:
		s.SourceIdentity = value
	case tagPolicy:
		s.Policy = value
	case tagPolicyFlat:
		s.Policy, ok = inflate(value)
	case tagTag, tagTransitiveTag:
		n, width := binary.Uvarint([]byte(value))
		if width <= 0 || n > uint64(len(value)-width) {
			return false
		}
		s.Tags = append(s.Tags, Tag{Key: value[width : width+int(n)], Value: value[width+int(n):], Transitive: t == tagTransitiveTag})
	case tagChain:
		s.Chain = append(s.Chain, value)
		ok = value != "" && len(s.Chain) <= MaxChain
	case tagPolicyID:
		s.PolicyIDs = append(s.PolicyIDs, value)
		ok = value != ""
	case tagReader:
		s.Reader = value
	case tagAdminUID:
		s.AdminUID = value
	case tagSubject:
		s.Claims.Subject = value
	default:
		i := int(t) - int(tagClaim)
		if i < 0 || i >= len(claimFields) {
			return false
		}
		*claimFields[i].field(&s.Claims) = value
	}
	return ok
}

func decodeTime(value string) (time.Time, bool) {
	n, width := binary.Uvarint([]byte(value))
	return time.Unix(int64(n), 0).UTC(), width == len(value) && n < 1<<40
}

// maxPolicyLen is the longest session policy STS accepts, in characters of one
// or two bytes.
const maxPolicyLen = 2 * 2048

func deflate(text string) string {
	if text == "" {
		return ""
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return text // unreachable: the level is a constant
	}
	io.WriteString(w, text)
	w.Close()
	return out.String()
}

func inflate(flat string) (string, bool) {
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(strings.NewReader(flat)), maxPolicyLen+1))
	return string(out), err == nil && len(out) <= maxPolicyLen
}

// tooLarge says what makes a session too large: the caller's policies and tags,
// which take packed bytes of the room there is for them, or, where there is
// none, the longest claim.
func tooLarge(s Session, packed, room int) *TooLargeError {
	if room <= 0 {
		part, most := "sub", len(s.Claims.Subject)
		for name, value := range s.Claims.All() {
			if len(value) > most {
				part, most = name, len(value)
			}
		}
		return &TooLargeError{part, percent(maxSealedLen-room, maxSealedLen)}
	}
	tags := 0
	for _, t := range s.Tags {
		tags += len(t.Key) + len(t.Value)
	}
	if tags*2 > packed {
		return &TooLargeError{PartTags, percent(packed, room)}
	}
	return &TooLargeError{PartPolicy, percent(packed, room)}
}

// The values of TooLargeError.Part that are no claims.
const (
	PartPolicy = "session policy"
	PartTags   = "session tags"
)
