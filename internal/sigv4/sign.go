package sigv4

import (
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/secret"
)

// Credentials are what a client signs with.
type Credentials struct {
	AccessKeyID  string
	SecretKey    secret.String
	SessionToken string // "" for keys that have none
}

// Sign gives the headers to add to a request so that it is signed:
// X-Amz-Date, X-Amz-Security-Token if there is one, and Authorization. Every
// header of r is signed, and host. The error is for a request that cannot be
// signed as it is: no credentials, or signed already.
func Sign(r Request, c Credentials, region, service string, now time.Time) ([]Header, error) {
	scope, err := newScope(c, region, service, now)
	if err != nil {
		return nil, err
	}
	if h := r.headers(); len(h["authorization"])+len(h["x-amz-date"])+len(h["x-amz-security-token"]) > 0 {
		return nil, errors.New("the request has headers of a signature already")
	}
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return nil, err
	}
	added := []Header{{"X-Amz-Date", now.UTC().Format(timeFormat)}}
	if c.SessionToken != "" {
		added = append(added, Header{"X-Amz-Security-Token", c.SessionToken})
	}
	r.Headers = slices.Concat(r.Headers, added)
	h := r.headers()
	hash, err := payloadHash(r.Body, h)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(h))
	canonical := canonicalRequest(r.Method, r.Path, canonicalQuery(query, ""), h, names, hash)
	return append(added, Header{"Authorization", algorithm +
		" Credential=" + scope.AccessKeyID + "/" + scope.String() +
		", SignedHeaders=" + strings.Join(names, ";") +
		", Signature=" + hex.EncodeToString(sign(c.SecretKey, scope, now, canonical))}), nil
}

// Presign gives the query with which the request is signed, in canonical order
// and the signature last. Every header of r is signed, and host; whoever uses
// the URL must send them.
func Presign(r Request, c Credentials, region, service string, expires time.Duration, now time.Time) (string, error) {
	scope, err := newScope(c, region, service, now)
	if err != nil {
		return "", err
	}
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return "", err
	}
	if in, err := signatureParameters(query); err != nil || len(in) > 0 {
		return "", errors.New("the request has parameters of a signature already")
	}
	h := r.headers()
	hash, err := payloadHash(r.Body, h)
	if err != nil {
		return "", err
	}
	names := slices.Sorted(maps.Keys(h))
	query = append(query,
		parameter{"X-Amz-Algorithm", algorithm},
		parameter{"X-Amz-Credential", scope.AccessKeyID + "/" + scope.String()},
		parameter{"X-Amz-Date", now.UTC().Format(timeFormat)},
		parameter{"X-Amz-Expires", strconv.Itoa(int(expires / time.Second))},
		parameter{"X-Amz-SignedHeaders", strings.Join(names, ";")})
	if c.SessionToken != "" {
		query = append(query, parameter{"X-Amz-Security-Token", c.SessionToken})
	}
	text := canonicalQuery(query, "")
	canonical := canonicalRequest(r.Method, r.Path, text, h, names, hash)
	return text + "&X-Amz-Signature=" + hex.EncodeToString(sign(c.SecretKey, scope, now, canonical)), nil
}

func newScope(c Credentials, region, service string, now time.Time) (Scope, error) {
	if c.AccessKeyID == "" || c.SecretKey.Empty() {
		return Scope{}, errors.New("there are no credentials to sign with")
	}
	return parseCredential(c.AccessKeyID + "/" + now.UTC().Format(dayFormat) + "/" + region + "/" + service + "/" + terminator)
}
