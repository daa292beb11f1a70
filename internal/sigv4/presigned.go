package sigv4

import (
	"slices"
	"strings"
	"time"
)

// maxBearerExpires bounds X-Amz-Expires of a bearer token, as
// aws-iam-authenticator does.
const maxBearerExpires = 15 * time.Minute

// bearerParameters are the parameters a bearer token's URL may have.
var bearerParameters = append([]string{"Action", "Version"}, parameterNames...)

// ParsePresigned reads the presigned GetCallerIdentity URL that is inside a
// bearer token. Every refusal is an *Error, and then the value is zero.
//
// bound is the header that binds the token to one recipient (x-k8s-aws-id and
// the cluster's name). The URL does not carry it; the verifier supplies its
// own, so that a token for another recipient does not verify.
//
// On top of what Parse refuses, it refuses
//
//   - a URL that is not http or https, has a user, a fragment, white space or
//     control characters
//   - a parameter other than Action, Version and the seven of a signature, or
//     one there twice, names compared without case
//   - an Action other than GetCallerIdentity, a service other than sts
//   - SignedHeaders other than host and the bound header
//   - X-Amz-Expires above 15 minutes
//
// Scheme, host and path do not matter beyond that the latter two are signed:
// who may be asked is settled by whose session token it is.
func ParsePresigned(url string, bound Header) (Signed, error) {
	r, err := splitURL(url)
	if err != nil {
		return Signed{}, err
	}
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return Signed{}, err
	}
	if err := checkBearerParameters(query); err != nil {
		return Signed{}, err
	}
	in, err := signatureParameters(query)
	if err != nil {
		return Signed{}, err
	}
	s, names, err := readQueryForm(in)
	if err != nil {
		return Signed{}, err
	}
	name := strings.ToLower(bound.Name)
	switch {
	case !slices.Contains(names, name):
		return Signed{}, refuse(Unsigned, "the header '%s' is not signed", name)
	case len(names) != 2: // host and name, or parseSignedHeaders had refused
		return Signed{}, refuse(Incomplete, "headers other than 'host' and '%s' are signed", name)
	case s.scope.Service != "sts":
		return Signed{}, refuse(BadScope, "Credential should be scoped to correct service: 'sts'.")
	case s.expires > maxBearerExpires:
		return Signed{}, refuse(Incomplete, "X-Amz-Expires is above %s", maxBearerExpires)
	}
	h := headers{"host": {r.Host}, name: {bound.Value}}
	s.canonical = canonicalRequest("GET", r.Path, canonicalQuery(query, "X-Amz-Signature"), h, names, hexSHA256(nil))
	return s, nil
}

func checkBearerParameters(query []parameter) error {
	seen := map[string]bool{}
	action := ""
	for _, p := range query {
		i := slices.IndexFunc(bearerParameters, func(name string) bool { return strings.EqualFold(p.name, name) })
		switch {
		case i < 0:
			return refuse(Incomplete, "the parameter %q is none of a bearer token's", clip(p.name))
		case seen[bearerParameters[i]]:
			return refuse(Ambiguous, "the parameter %s stands twice", bearerParameters[i])
		case p.name != bearerParameters[i]:
			return refuse(Ambiguous, "the parameter %s is written %q", bearerParameters[i], clip(p.name))
		}
		seen[p.name] = true
		if p.name == "Action" {
			action = p.value
		}
	}
	if action != "GetCallerIdentity" {
		return refuse(Incomplete, "the Action is '%s', GetCallerIdentity is wanted", clip(action))
	}
	return nil
}

// splitURL takes a URL apart without decoding any of it.
func splitURL(url string) (Request, error) {
	if len(url) > maxQuery {
		return Request{}, refuse(TooLong, "the URL has %d bytes, at most %d are looked at", len(url), maxQuery)
	}
	if strings.ContainsFunc(url, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) || strings.ContainsAny(url, "#\\") {
		return Request{}, refuse(Incomplete, "the URL holds a fragment or a character that has to be escaped")
	}
	scheme, rest, ok := strings.Cut(url, "://")
	defaultPort := map[string]string{"https": ":443", "http": ":80"}[scheme]
	if !ok || defaultPort == "" {
		return Request{}, refuse(Incomplete, "the URL does not begin with https:// or http://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	host = strings.TrimSuffix(host, defaultPort) // clients leave it out of Host
	if host == "" || strings.Contains(host, "@") {
		return Request{}, refuse(Incomplete, "the URL has no host, or has a user")
	}
	return Request{Method: "GET", Host: host, Path: "/" + path, RawQuery: query}, nil
}
