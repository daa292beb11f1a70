package iam

import (
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// sharedIssuers :: issuer without scheme → the claim a trust policy must
// confine, because everyone in the world can get a token of that issuer (IAM
// User Guide, "Identity provider controls for shared OIDC providers").
var sharedIssuers = map[string]string{
	"gitlab.com":                                         "sub",
	"token.actions.githubusercontent.com":                "sub",
	"vstoken.actions.githubusercontent.com":              "sub",
	"oidc-configuration.audit-log.githubusercontent.com": "sub",
	"app.terraform.io":                                   "sub",
	"agent.buildkite.com":                                "sub",
	"oidc.codefresh.io":                                  "sub",
	"studio.datachain.ai/api":                            "sub",
	"scalr.io":                                           "sub",
	"tokens.cloud.shisho.dev":                            "sub",
	"proidc.upbound.io":                                  "sub",
	"api.pulumi.com/oidc":                                "aud",
	"sandboxes.cloud":                                    "aud",
	"oidc.vercel.com":                                    "aud",
	"cognito-identity.amazonaws.com":                     "aud",
}

// SharedKey is the condition key that a statement trusting a provider must
// confine, empty for an issuer that is not shared.
func SharedKey(p arn.Provider) string {
	if claim := sharedIssuers[p.URL]; claim != "" {
		return p.URL + ":" + claim
	}
	return ""
}

// CheckShared refuses a trust policy in which a statement trusts a shared
// issuer by name without confining the key that says whose token it is.
func CheckShared(trust *policy.Document) error {
	for _, s := range trust.Statements() {
		names, not := s.Principals()
		if s.Denies() || not {
			continue
		}
		for _, n := range names {
			p, err := arn.ParseProvider(n.Text)
			if n.Type != policy.Federated || err != nil {
				continue
			}
			if key := SharedKey(p); key != "" && !s.TestsKey(key) {
				return Refuse(Malformed, "The trust policy's %s trusts %s, where anyone can get a token, without saying whose: "+
					"add a condition on %s with StringEquals or StringLike and a value that is not only wildcards.", s.Name(), p.URL, key)
			}
		}
	}
	return nil
}
