package sigv4

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
)

// Signed is a request that describes its signature well. Nothing it says is
// proven before Verify. The zero value never verifies.
type Signed struct {
	scope     Scope
	time      time.Time
	signature []byte
	token     secret.String
	presigned bool
	expires   time.Duration
	canonical string // the canonical request
}

// Scope is whose key is wanted, and for what.
func (s Signed) Scope() Scope { return s.scope }

// Time is X-Amz-Date.
func (s Signed) Time() time.Time { return s.time }

// SessionToken is X-Amz-Security-Token, "" if the request carries none.
func (s Signed) SessionToken() string { return s.token.Reveal() }

// Presigned reports whether the signature stands in the query.
func (s Signed) Presigned() bool { return s.presigned }

// Expires is X-Amz-Expires of a presigned request. STS does not honour it, nor
// does Verify: clients sign bearer tokens for 60 s and use them for 14 minutes.
func (s Signed) Expires() time.Duration { return s.expires }

// String keeps session tokens out of logs.
func (s Signed) String() string { return "[request signed by " + s.scope.AccessKeyID + "]" }

// GoString keeps session tokens out of logs.
func (s Signed) GoString() string { return s.String() }

// description is what says how a request is signed, from either place.
type description struct {
	credential, signedHeaders, signature string
	date, token                          string
}

// Parse reads a request signed in its Authorization header or in its query.
// Every refusal is an *Error, and then the value is zero. It refuses
//
//   - a request signed in neither place, or that says something of a signature
//     in both
//   - a part of the description that is missing, not of its form, there twice
//     (names compared without case) or too long
//   - an algorithm other than AWS4-HMAC-SHA256
//   - a scope whose date is not the day of X-Amz-Date
//   - SignedHeaders that are not lower case, sorted and distinct, lack host,
//     name a header the request does not have, or leave out one that begins
//     with x-amz- or, in the header form, content-type
//   - an x-amz-content-sha256 that is not the hash of the body
func Parse(r Request) (Signed, error) {
	if len(r.Path) > maxPath {
		return Signed{}, refuse(TooLong, "the path has %d bytes, at most %d are looked at", len(r.Path), maxPath)
	}
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return Signed{}, err
	}
	inQuery, err := signatureParameters(query)
	if err != nil {
		return Signed{}, err
	}
	h := r.headers()
	_, inHeader := h["authorization"]
	switch {
	case inHeader && len(inQuery) > 0:
		return Signed{}, refuse(Ambiguous, "the request says how it is signed both in its Authorization header and in its query")
	case inHeader:
		return parseHeader(r, h, query)
	case len(inQuery) > 0:
		return parseQueryForm(r, h, query, inQuery)
	}
	return Signed{}, refuse(Missing, "Request is missing Authentication Token")
}

// signatureParameters are the query's parameters that describe a signature, by
// their proper name. One in another spelling is refused: a reader that folds
// case and one that does not would see two requests.
func signatureParameters(query []parameter) (map[string]string, error) {
	found := map[string]string{}
	for _, p := range query {
		for _, name := range parameterNames {
			if !strings.EqualFold(p.name, name) {
				continue
			}
			if p.name != name {
				return nil, refuse(Ambiguous, "the parameter %s is written %q", name, clip(p.name))
			}
			if _, twice := found[name]; twice {
				return nil, refuse(Ambiguous, "the parameter %s stands twice", name)
			}
			found[name] = p.value
		}
	}
	return found, nil
}

var parameterNames = []string{
	"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-SignedHeaders",
}

// parseHeader reads the header form:
//
//	Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
func parseHeader(r Request, h headers, query []parameter) (Signed, error) {
	authorization, err := h.one("authorization")
	if err != nil {
		return Signed{}, err
	}
	d, err := parseAuthorization(authorization)
	if err != nil {
		return Signed{}, err
	}
	if d.date, err = h.one("x-amz-date"); err != nil {
		return Signed{}, err
	}
	if d.date == "" {
		return Signed{}, refuse(Incomplete, "Authorization header requires existence of a 'X-Amz-Date' header.")
	}
	if d.token, err = h.one("x-amz-security-token"); err != nil {
		return Signed{}, err
	}
	s, names, err := d.read()
	if err != nil {
		return Signed{}, err
	}
	if err := checkSigned(h, names, "content-type"); err != nil {
		return Signed{}, err
	}
	hash, err := payloadHash(r.Body, h)
	if err != nil {
		return Signed{}, err
	}
	s.canonical = canonicalRequest(r.Method, r.Path, canonicalQuery(query, ""), h, names, hash)
	return s, nil
}

func parseAuthorization(text string) (description, error) {
	if len(text) > maxAuthorization {
		return description{}, refuse(TooLong, "the Authorization header has %d bytes, at most %d are looked at", len(text), maxAuthorization)
	}
	name, rest, _ := strings.Cut(text, " ")
	if name != algorithm {
		return description{}, refuse(Incomplete, "the Authorization header's algorithm is '%s', only '%s' is supported", clip(name), algorithm)
	}
	var d description
	fields := map[string]*string{"Credential": &d.credential, "SignedHeaders": &d.signedHeaders, "Signature": &d.signature}
	for part := range strings.SplitSeq(rest, ",") {
		key, value, hasValue := strings.Cut(strings.Trim(part, " "), "=")
		field := fields[key]
		switch {
		case !hasValue && key != "":
			return description{}, refuse(Incomplete, "'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", clip(key), clip(text))
		case field == nil && key != "":
			return description{}, refuse(Incomplete, "'%s' is not a parameter of an Authorization header", clip(key))
		case field != nil && *field != "":
			return description{}, refuse(Ambiguous, "the Authorization header names '%s' twice", key)
		case field != nil:
			*field = value
		}
	}
	detail := ""
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if *fields[key] == "" {
			detail += "Authorization header requires '" + key + "' parameter. "
		}
	}
	if detail != "" {
		return description{}, refuse(Incomplete, "%sAuthorization=%s", detail, algorithm)
	}
	return d, nil
}

// parseQueryForm reads the query form. Content-type may stay unsigned there:
// whoever follows a link cannot choose it.
func parseQueryForm(r Request, h headers, query []parameter, in map[string]string) (Signed, error) {
	for _, name := range []string{"x-amz-date", "x-amz-security-token"} {
		if len(h[name]) > 0 {
			return Signed{}, refuse(Ambiguous, "the request is signed in its query and has the header %s", name)
		}
	}
	s, names, err := readQueryForm(in)
	if err != nil {
		return Signed{}, err
	}
	if err := checkSigned(h, names, ""); err != nil {
		return Signed{}, err
	}
	hash, err := payloadHash(r.Body, h)
	if err != nil {
		return Signed{}, err
	}
	s.canonical = canonicalRequest(r.Method, r.Path, canonicalQuery(query, "X-Amz-Signature"), h, names, hash)
	return s, nil
}

const maxExpires = 7 * 24 * time.Hour // AWS's bound of X-Amz-Expires

func readQueryForm(in map[string]string) (Signed, []string, error) {
	for _, name := range parameterNames {
		if in[name] == "" && name != "X-Amz-Security-Token" {
			return Signed{}, nil, refuse(Incomplete, "AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", name)
		}
	}
	if in["X-Amz-Algorithm"] != algorithm {
		return Signed{}, nil, refuse(Incomplete, "X-Amz-Algorithm is '%s', only '%s' is supported", clip(in["X-Amz-Algorithm"]), algorithm)
	}
	d := description{
		credential: in["X-Amz-Credential"], signedHeaders: in["X-Amz-SignedHeaders"], signature: in["X-Amz-Signature"],
		date: in["X-Amz-Date"], token: in["X-Amz-Security-Token"],
	}
	s, names, err := d.read()
	if err != nil {
		return Signed{}, nil, err
	}
	seconds, err := strconv.ParseUint(in["X-Amz-Expires"], 10, 31)
	if s.expires = time.Duration(seconds) * time.Second; err != nil || s.expires > maxExpires {
		return Signed{}, nil, refuse(Incomplete, "X-Amz-Expires is '%s', seconds up to one week are wanted", clip(in["X-Amz-Expires"]))
	}
	s.presigned = true
	return s, names, nil
}

// read takes the description apart.
func (d description) read() (Signed, []string, error) {
	scope, err := parseCredential(d.credential)
	if err != nil {
		return Signed{}, nil, err
	}
	at, err := parseTime(d.date)
	if err != nil {
		return Signed{}, nil, err
	}
	if d.date[:len(dayFormat)] != scope.Date {
		return Signed{}, nil, refuse(BadScope, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", scope.Date, d.date[:len(dayFormat)], d.date)
	}
	if len(d.token) > maxSessionToken {
		return Signed{}, nil, refuse(TooLong, "the session token has %d bytes, at most %d are looked at", len(d.token), maxSessionToken)
	}
	signature, err := hex.DecodeString(d.signature)
	if err != nil || len(signature) != 32 || d.signature != strings.ToLower(d.signature) {
		return Signed{}, nil, refuse(Incomplete, "the signature is not 64 hexadecimal digits in lower case")
	}
	names, err := parseSignedHeaders(d.signedHeaders)
	if err != nil {
		return Signed{}, nil, err
	}
	return Signed{scope: scope, time: at, signature: signature, token: secret.New(d.token)}, names, nil
}

// checkSigned compares the list of signed headers with the headers there are.
// must is one more header that has to be signed if it is there.
func checkSigned(h headers, names []string, must string) error {
	listed := make(map[string]bool, len(names))
	for _, name := range names {
		if listed[name] = true; len(h[name]) == 0 {
			return refuse(Incomplete, "the signed header '%s' is not in the request", clip(name))
		}
	}
	for name := range h {
		if !listed[name] && (strings.HasPrefix(name, "x-amz-") || name == must) {
			return refuse(Unsigned, "the header '%s' is not signed", clip(name))
		}
	}
	return nil
}

// payloadHash is the hash of the body, which the client may have stated. The
// ways of S3 to leave the body out are refused.
func payloadHash(body []byte, h headers) (string, error) {
	hash := hexSHA256(body)
	stated, err := h.one("x-amz-content-sha256")
	if err != nil {
		return "", err
	}
	if len(h["x-amz-content-sha256"]) > 0 && stated != hash {
		return "", refuse(PayloadMismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return hash, nil
}
