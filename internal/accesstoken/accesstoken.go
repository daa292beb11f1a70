// Package accesstoken is what stands in the tokens that Mayfly itself signs (RFC
// 9068): who somebody is, for whoever trusts Mayfly's issuer, a Kubernetes API
// server, Vault, any OpenID Connect relying party.
//
// Such a token cannot be recalled, so it lives minutes. It is for one audience.
// What its subject may do there, the relying party decides: there are no scopes.
//
// It does not decide who gets a token (sts does) and signs nothing (jwt does).
package accesstoken

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/session"
)

// Type is the header's typ (RFC 9068 §2.1). It keeps a token from being taken for
// an ID token (RFC 8725 §3.11), by this server too.
const Type = "at+jwt"

// How long a token lives, and how long at most (CONTRACTS §7).
const (
	DefaultLife = 5 * time.Minute
	MaxLife     = 10 * time.Minute
)

// maxAudience is the longest name of an audience. The action on it is named in
// policies, as part of an ARN.
const maxAudience = 255

// CheckAudience refuses what is no name of an audience: 1 to 255 of the characters
// of a URL, without those that mean something in a policy or in a text.
func CheckAudience(name string) error {
	if name == "" || len(name) > maxAudience {
		return fmt.Errorf("an audience has 1 to %d characters", maxAudience)
	}
	const others = "-._~:/@+=,%#&"
	if i := strings.IndexFunc(name, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune(others, c))
	}); i >= 0 {
		return fmt.Errorf("an audience is of letters, digits and %s", others)
	}
	return nil
}

// Claims are those of the ID token that a token is given for.
type Claims interface {
	// Text is a claim that is a string, "" if there is none.
	Text(name string) string
}

// copied are the claims of an ID token that keep their names. None of them says
// how to reach a person.
var copied = []string{
	"project_path", "project_id", "namespace_path", "namespace_id", "job_project_path", "job_project_id", "project_visibility",
	"ref", "ref_type", "ref_path", "ref_protected", "sha", "pipeline_id", "pipeline_source", "job_id", "ci_config_ref_uri", "runner_environment",
	"environment", "environment_protected", "environment_action", "deployment_tier", "user_id", "user_login", "user_access_level",
}

// Copied are the names of claims that are taken from an ID token.
func Copied() []string { return slices.Clone(copied) }

// Names are the names of all claims there can be.
func Names() []string {
	return append([]string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "sid", "roles", "federated_issuer", "federated_subject"}, copied...)
}

// Token is a token about to be signed.
type Token struct {
	Issuer   string
	Audience string
	ID       string // jti: never used twice
	// Principal is the session that the token is of; it lives as long.
	Principal session.Principal
	Claims    Claims // of the ID token
}

// Payload is the token's claims:
//
//	iss, aud, exp, iat, jti    RFC 7519 §4.1
//	sub                        the ARN of the session
//	client_id                  the audience of the ID token, which IAM calls a client ID (RFC 9068 §2.2 wants it)
//	sid                        the id of the session, as the audit log has it
//	roles                      the ARN of the role, the only one (RFC 9068 §2.2.3.1)
//	federated_issuer           iss of the ID token
//	federated_subject          sub of the ID token
//	project_path, ref …        claims of the ID token that are strings, under their names
//
// The session's name, at the end of sub, is for people to read.
func (t Token) Payload() []byte {
	s := t.Principal.Session
	claims := map[string]any{
		"iss": t.Issuer, "aud": t.Audience, "exp": s.Expires.Unix(), "iat": s.Issued.Unix(), "jti": t.ID, "sub": t.Principal.ARN().String(), "client_id": s.Claims.Audience,
		"sid": s.ID.String(), "roles": []string{t.Principal.Role.String()}, "federated_issuer": s.Claims.Issuer, "federated_subject": s.Claims.Subject,
	}
	for _, name := range copied {
		if text := t.Claims.Text(name); text != "" {
			claims[name] = text
		}
	}
	out, err := json.Marshal(claims)
	if err != nil {
		panic("accesstoken: " + err.Error()) // unreachable: texts and numbers
	}
	return out
}
