package oidc

import (
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/strictjson"
)

// Claims is what a verified token says. Verify alone makes it. It is immutable;
// the zero value says nothing and is Nobody's.
type Claims struct {
	values      strictjson.Value // the payload
	tokenDigest [sha256.Size]byte

	issuer   Issuer
	subject  string
	audience []string
	party    string // azp, "" if there is none
	issued   time.Time
	expires  time.Time
	tokenID  string // jti, "" if there is none
	kind     Kind

	sourceIdentity string
	sessionTags    []Tag
	transitiveKeys []string
}

// Issuer is iss.
func (c Claims) Issuer() Issuer { return c.issuer }

// Subject is sub.
func (c Claims) Subject() string { return c.subject }

// Audience is aud: one, or several where the issuer's settings allow it.
func (c Claims) Audience() []string { return slices.Clone(c.audience) }

// IssuedAt is iat.
func (c Claims) IssuedAt() time.Time { return c.issued }

// Expires is exp.
func (c Claims) Expires() time.Time { return c.expires }

// TokenDigest is the SHA-256 of the token's text: how the audit names it.
func (c Claims) TokenDigest() [sha256.Size]byte { return c.tokenDigest }

// TokenID is the SHA-256 of jti. An issuer that sets none has as id the digest
// of the whole token, which is as unique.
func (c Claims) TokenID() [sha256.Size]byte {
	if c.tokenID == "" {
		return c.tokenDigest
	}
	return sha256.Sum256([]byte(c.tokenID))
}

// Kind says for whom the token was signed.
func (c Claims) Kind() Kind { return c.kind }

// IsJob reports whether a GitLab signed the token for a CI job.
func (c Claims) IsJob() bool { return c.kind == Job }

// IsPerson reports whether a GitLab signed the token for somebody who signed
// in. Such claims match a policy statement only if it names the audience.
func (c Claims) IsPerson() bool { return c.kind == Person }

// Values is one claim as conditions see it.
type Values struct {
	List  []string // never empty
	Multi bool     // the claim is an array, be it of one
}

// Get is a claim by its name, compared case-sensitively, as conditions see it
// (CONTRACTS §2): a string as is, true and false as words, a number as it was
// written, an array of these as a list. false: there is no such claim, or it is
// null, an object, an empty array or an array that holds any of these.
//
// aud with one value is never Multi, however the token writes it.
func (c Claims) Get(name string) (Values, bool) {
	return c.conditionValues(name, c.values.Get(name))
}

func (c Claims) conditionValues(name string, v strictjson.Value) (Values, bool) {
	if name == "aud" && len(c.audience) > 0 {
		return Values{List: slices.Clone(c.audience), Multi: len(c.audience) > 1}, true
	}
	return conditionValues(v)
}

// Text is a claim that is a string, "" if there is none: what is sealed in a
// session and shown to a cluster.
func (c Claims) Text(name string) string {
	if text, ok := c.values.Get(name).Text(); ok {
		return text
	}
	return ""
}

// ConditionAudience is what policies see as <prefix>:aud: azp where the token has
// one, else aud.
func (c Claims) ConditionAudience() []string {
	if c.party != "" {
		return []string{c.party}
	}
	return slices.Clone(c.audience)
}

// All yields every claim that has condition values, in the order of the token.
func (c Claims) All() iter.Seq2[string, Values] {
	return func(yield func(string, Values) bool) {
		for _, m := range c.values.Members() {
			if v, ok := c.conditionValues(m.Name, m.Value); ok && !yield(m.Name, v) {
				return
			}
		}
	}
}

// ConditionKeys yields the keys that policies see, under a provider's prefix
// (Provider.KeyPrefix): "<prefix>:<claim>" for every claim with condition
// values (DESIGN D2), and AWS's two that are not simply a claim:
//
//	<prefix>:aud    azp where the token has one, else aud
//	<prefix>:oaud   aud, where azp took the place of it
//
// A claim whose name holds a colon has no key: with it an issuer could fill a
// key of another provider. A claim called oaud has none either, since on AWS it
// would not be in that key. Names keep their case; Verify has seen to it that
// no two are equal without it.
func (c Claims) ConditionKeys(prefix string) iter.Seq2[string, Values] {
	return func(yield func(string, Values) bool) {
		if prefix == "" {
			return
		}
		for name, v := range c.All() {
			if name == "" || strings.Contains(name, ":") || strings.EqualFold(name, "oaud") {
				continue
			}
			if name == "aud" && c.party != "" {
				if !yield(prefix+":oaud", v) {
					return
				}
				v = Values{List: []string{c.party}}
			}
			if !yield(prefix+":"+name, v) {
				return
			}
		}
	}
}

func conditionValues(v strictjson.Value) (Values, bool) {
	if v.Kind() != strictjson.Array {
		text, ok := conditionValue(v)
		return Values{List: []string{text}}, ok
	}
	list := make([]string, 0, len(v.Items()))
	for _, item := range v.Items() {
		text, ok := conditionValue(item)
		if !ok {
			return Values{}, false
		}
		list = append(list, text)
	}
	return Values{List: list, Multi: true}, len(list) > 0
}

func conditionValue(v strictjson.Value) (string, bool) {
	switch v.Kind() {
	case strictjson.String:
		return v.Text()
	case strictjson.Number:
		return v.Number()
	case strictjson.Bool:
		if truth, _ := v.Bool(); truth {
			return "true", true
		}
		return "false", true
	}
	return "", false
}
