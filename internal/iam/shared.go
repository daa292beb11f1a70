package iam

import (
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// sharedIssuers :: issuer without scheme → the claim that says whose token it
// is, because everyone in the world can get a token of that issuer. A name with
// a colon is a condition key of its own. (IAM User Guide, "Identity-provider
// controls for shared OIDC providers".)
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

	// IBM Turbonomic SaaS, by where it is hosted. AWS says that IBM changes
	// these now and then.
	"rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg": "sub",
	"rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26": "sub",
	"oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb":         "sub",
	"oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu":         "sub",

	// Azure Sentinel: the tenant stands in the session's name, not in a claim.
	"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d": "sts:RoleSessionName",
}

// SharedKey is the condition key that a statement trusting a provider must
// confine, empty for an issuer that is not shared.
func SharedKey(p arn.Provider) string {
	claim := sharedIssuers[strings.TrimSuffix(p.URL, "/")]
	if claim == "" || strings.Contains(claim, ":") {
		return claim
	}
	return p.URL + ":" + claim
}

// CheckShared refuses a trust policy in which a statement trusts a shared
// issuer by name without confining the key that says whose token it is. Of a
// statement that trusts everyone, the exchange asks it.
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
