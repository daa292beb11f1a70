package oidc

import (
	"errors"
	"iter"
	"slices"

	"mayfly.internal/internal/strictjson"
)

// Supposed is what a token would say if its signature were good and the time
// right: for answers to "what if", never for a decision. Nothing makes Claims of
// it.
type Supposed struct{ claims Claims }

// Suppose reads the claims of a token that nobody has verified as Verify reads
// those of one that was, but for the signature, the times and jti, which it does
// not look at. It gives everything that Verify would refuse; where the claims
// themselves cannot be read, also an error.
func Suppose(p Provider, s Settings, payload strictjson.Value) (_ Supposed, refused []*RejectedError, _ error) {
	c := &Claims{values: payload}
	if iss, ok := payload.Get("iss").Text(); !ok || p.URL == "" || iss != p.URL {
		return Supposed{}, nil, reject(WrongIssuer, "iss", "the token's issuer is not this provider's")
	}
	c.issuer = Issuer(p.URL)
	if err := checkNames(payload.Members()); err != nil {
		return Supposed{}, nil, err
	}
	for _, check := range []struct {
		claim string // it needs
		run   func() error
	}{
		{"sub", c.readSubject},
		{"aud", func() error { return c.checkAudience(p, s) }},
		{"iss", c.readSessionClaims},
		{"sub", func() error { return c.classify(s) }},
	} {
		err := c.demand(check.claim)
		if err == nil {
			err = check.run()
		}
		if e, ok := errors.AsType[*RejectedError](err); ok && !slices.ContainsFunc(refused, func(have *RejectedError) bool { return have.Detail == e.Detail }) {
			refused = append(refused, e)
		}
	}
	return Supposed{*c}, refused, nil
}

// Subject is sub.
func (s Supposed) Subject() string { return s.claims.subject }

// Text is Claims.Text.
func (s Supposed) Text(name string) string { return s.claims.Text(name) }

// IsPerson is Claims.IsPerson.
func (s Supposed) IsPerson() bool { return s.claims.IsPerson() }

// SourceIdentity is Claims.SourceIdentity.
func (s Supposed) SourceIdentity() string { return s.claims.SourceIdentity() }

// SessionTags is Claims.SessionTags.
func (s Supposed) SessionTags() []Tag { return s.claims.SessionTags() }

// TransitiveTagKeys is Claims.TransitiveTagKeys.
func (s Supposed) TransitiveTagKeys() []string { return s.claims.TransitiveTagKeys() }

// ConditionKeys is Claims.ConditionKeys.
func (s Supposed) ConditionKeys(prefix string) iter.Seq2[string, Values] {
	return s.claims.ConditionKeys(prefix)
}
