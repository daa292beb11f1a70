package oidc

import (
	"errors"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/strictjson"
)

const (
	leeway = 60 * time.Second // for nbf and iat, CONTRACTS §2; exp has none

	// maxTime keeps times where Go, JSON and AWS's XML agree on them.
	maxTime = 253402300799 // 9999-12-31T23:59:59Z

	maxClaims      = 200 // GitLab's tokens have about 45
	maxClaimName   = 256
	maxSubject     = 2048 // GitLab's paths and refs together; what fits a session is the session's to say
	maxAudience    = 1000 // AWS's bound of an audience
	maxAudiences   = 10
	maxTokenIDSize = 1024
)

// Verify says whether a token is to be believed and what it then says. keys
// are the keys of p's issuer and of no other. Every refusal is a
// *RejectedError, and then the claims are zero.
//
// All of this holds for the claims it returns:
//
//   - iss equals p.URL byte for byte (OIDC Core §3.1.3.7 item 2)
//   - the signature is by the one key of keys that the token means, with an
//     algorithm of s that fits that key (items 6 to 8)
//   - no two claims have names that are equal but for case
//   - iss, sub, aud, iat and exp are there; sub is a non-empty string without
//     control characters
//   - aud is one string, or an array of one; with s.AllowMultipleAudiences an
//     array of several different ones
//   - one of aud is in p.ClientIDs (item 3)
//   - azp, if there, is in p.ClientIDs too (items 4 and 5)
//   - iat, exp and nbf are plain integers; iat < exp
//   - now is before exp, not more than 60 s before iat and nbf, and not more
//     than s.MaxTokenAge after iat
//   - jti, if there, is a short string; with s.Use == UseOnce it is there
//   - session tags and source identity, if the token carries any, are of AWS's
//     form
//   - with s.GitLab it is a job's or a person's, never both
func Verify(p Provider, s Settings, tok jwt.Unverified, keys *jwt.KeySet, now time.Time) (Claims, error) {
	if p.URL == "" || tok.UnverifiedIssuer() != p.URL {
		return Claims{}, reject(WrongIssuer, "iss", "the token's issuer is not this provider's")
	}
	verified, err := tok.Verify(keys, s.AllowedAlgorithms())
	if err != nil {
		return Claims{}, rejectSignature(err)
	}
	c, err := read(verified)
	if err != nil {
		return Claims{}, err
	}
	for _, check := range []func() error{
		func() error { return c.checkAudience(p, s) },
		func() error { return c.checkTimes(s, now) },
		func() error { return c.checkTokenID(s) },
		func() error { return c.readSessionClaims() },
		func() error { return c.classify(s) },
	} {
		if err := check(); err != nil {
			return Claims{}, err
		}
	}
	return *c, nil
}

func rejectSignature(err error) error {
	reason := BadSignature
	if e, ok := errors.AsType[*jwt.Error](err); ok {
		switch e.Reason {
		case jwt.AlgorithmNotAllowed:
			reason = AlgorithmNotAllowed
		case jwt.UnknownKey, jwt.AmbiguousKey:
			reason = UnknownKey
		}
	}
	return &RejectedError{Reason: reason, Detail: err.Error(), Err: err}
}

// read takes the claims of a verified token that every token has.
func read(v jwt.Verified) (*Claims, error) {
	c := &Claims{values: v.Claims(), tokenDigest: v.Digest()}
	if err := checkNames(c.values.Members()); err != nil {
		return nil, err
	}
	for _, name := range []string{"sub", "aud", "exp", "iat"} { // iss was compared
		if err := c.demand(name); err != nil {
			return nil, err
		}
	}
	iss, _ := c.values.Get("iss").Text()
	c.issuer = Issuer(iss)
	if err := c.readSubject(); err != nil {
		return nil, err
	}
	return c, nil
}

// demand refuses a token without a claim.
func (c *Claims) demand(name string) error {
	if c.values.Get(name).Kind() == strictjson.Missing {
		return reject(MissingClaim, name, "the token has no claim %s", name)
	}
	return nil
}

func (c *Claims) readSubject() error {
	subject, ok := c.values.Get("sub").Text()
	if !ok || !isPlain(subject, maxSubject) {
		return reject(MalformedClaim, "sub", "the claim sub is not a string of 1 to %d bytes without control characters", maxSubject)
	}
	c.subject = subject
	return nil
}

// checkNames refuses two claims whose names are equal but for case. Condition
// keys are compared without case, so a policy could not say which it means.
func checkNames(members []strictjson.Member) error {
	if len(members) > maxClaims {
		return reject(MalformedClaim, "", "the token has %d claims, at most %d are looked at", len(members), maxClaims)
	}
	for i, m := range members {
		if len(m.Name) > maxClaimName {
			return reject(MalformedClaim, clip(m.Name), "a claim's name is longer than %d bytes", maxClaimName)
		}
		if hasFold(members[:i], m.Name) {
			return reject(AmbiguousClaims, m.Name, "two claims are called %s but for upper and lower case", clip(m.Name))
		}
	}
	return nil
}

// hasFold reports whether a member's name is equal to name but for case. Members
// are few, so comparing with each beats a map of them.
func hasFold(members []strictjson.Member, name string) bool {
	return slices.ContainsFunc(members, func(m strictjson.Member) bool { return strings.EqualFold(m.Name, name) })
}

// isPlain reports whether text is 1 to most bytes without control characters.
// XML 1.0 §2.2 has no way to write those, and STS answers with sub and aud.
func isPlain(text string, most int) bool {
	return text != "" && len(text) <= most && !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 || 0x7f <= r && r < 0xa0 || r == 0xfffe || r == 0xffff
	})
}

// checkAudience is OIDC Core §3.1.3.7 items 3 to 5.
func (c *Claims) checkAudience(p Provider, s Settings) error {
	list, err := stringOrList(c.values.Get("aud"))
	if err != nil {
		return err
	}
	if len(list) > 1 && !s.AllowMultipleAudiences {
		return reject(WrongAudience, "aud", "the token is for %d audiences; this provider's tokens are for one", len(list))
	}
	accepted := func(audience string) bool { return slices.Contains(p.ClientIDs, audience) }
	if !slices.ContainsFunc(list, accepted) {
		return reject(WrongAudience, "aud", "the token is for the audience %q, which this provider does not accept", clip(list[0]))
	}
	c.audience = list
	azp := c.values.Get("azp")
	if azp.Kind() == strictjson.Missing {
		return nil
	}
	// AWS shows azp to policies in the place of aud, so it is held to the same.
	party, ok := azp.Text()
	if !ok {
		return reject(MalformedClaim, "azp", "the claim azp is a JSON %s, a string is wanted", azp.Kind())
	}
	if !accepted(party) {
		return reject(WrongAudience, "azp", "the token was issued to %q, which this provider does not accept", clip(party))
	}
	c.party = party
	return nil
}

// stringOrList reads aud, RFC 7519 §4.1.3.
func stringOrList(v strictjson.Value) ([]string, error) {
	items := v.Items()
	if v.Kind() != strictjson.Array {
		items = []strictjson.Value{v}
	}
	if len(items) == 0 || len(items) > maxAudiences {
		return nil, reject(MalformedClaim, "aud", "the claim aud lists %d audiences, 1 to %d are wanted", len(items), maxAudiences)
	}
	var list []string
	for _, item := range items {
		text, ok := item.Text()
		if !ok || !isPlain(text, maxAudience) {
			return nil, reject(MalformedClaim, "aud", "the claim aud is not of strings of 1 to %d bytes without control characters", maxAudience)
		}
		if slices.Contains(list, text) {
			return nil, reject(MalformedClaim, "aud", "the claim aud lists %q twice", clip(text))
		}
		list = append(list, text)
	}
	return list, nil
}

// checkTimes is OIDC Core §3.1.3.7 items 9 and 10, and RFC 7519 §4.1.5.
func (c *Claims) checkTimes(s Settings, now time.Time) error {
	issued, err := c.readTime("iat")
	if err != nil {
		return err
	}
	expires, err := c.readTime("exp")
	if err != nil {
		return err
	}
	notBefore := issued
	if c.values.Get("nbf").Kind() != strictjson.Missing {
		if notBefore, err = c.readTime("nbf"); err != nil {
			return err
		}
	}
	rejectTime := func(reason Reason, claim string, at time.Time, format string) error {
		e := reject(reason, claim, format, at.Format(time.RFC3339))
		e.At, e.Now, e.Issued, e.Until = at, now, issued, expires
		return e
	}
	switch {
	case !issued.Before(expires):
		return reject(MalformedClaim, "exp", "the token expires before it is issued")
	case !now.Before(expires): // RFC 7519 §4.1.4: on or after
		return rejectTime(Expired, "exp", expires, "the token expired at %s")
	case now.Add(leeway).Before(issued):
		return rejectTime(NotYetValid, "iat", issued, "the token is issued in the future, at %s")
	case now.Add(leeway).Before(notBefore):
		return rejectTime(NotYetValid, "nbf", notBefore, "the token is not valid before %s")
	case now.Sub(issued) > s.maxTokenAge():
		return rejectTime(TooOld, "iat", issued, "the token was issued too long ago, at %s")
	}
	c.issued, c.expires = issued, expires
	return nil
}

// readTime reads seconds since the epoch. AWS wants integers; RFC 7519 §2
// would allow a fraction, and a reader through float64 loses what it means.
func (c *Claims) readTime(name string) (time.Time, error) {
	n, ok := c.values.Get(name).Int64()
	if !ok || n < 0 || n > maxTime {
		return time.Time{}, reject(MalformedClaim, name, "the claim %s is not a whole number of seconds since 1970", name)
	}
	return time.Unix(n, 0).UTC(), nil
}

func (c *Claims) checkTokenID(s Settings) error {
	jti := c.values.Get("jti")
	if jti.Kind() == strictjson.Missing {
		if s.Use == UseOnce {
			return reject(MissingClaim, "jti", "the token has no claim jti, and this issuer's tokens are good for one use")
		}
		return nil
	}
	text, ok := jti.Text()
	if !ok || text == "" || len(text) > maxTokenIDSize {
		return reject(MalformedClaim, "jti", "the claim jti is not a string of 1 to %d bytes", maxTokenIDSize)
	}
	c.tokenID = text
	return nil
}
