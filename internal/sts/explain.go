package sts

import (
	"errors"
	"strings"
	"unicode/utf8"

	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/request"
)

// untrusted is the refusal of a token its role does not trust.
//
// A stranger gets AWS's bare sentence, which is also that of a role that does
// not exist. A caller whose token belongs to the role's projects learns more:
// which of its own claims failed and what kind of value was wanted, never who
// else is trusted; the policy's own values only where the operator says so for
// the issuer (CONTRACTS §3).
func untrusted(k webIdentityFacts, b believed, req policy.Request, set policy.Set, d policy.Decision, info request.Info) error {
	cause := errors.New(req.Action + ": " + d.Effect.String())
	why := ""
	if d.Allowed() {
		why = "the statements that match do not say whose tokens of a shared issuer, or which login client, they mean"
		cause = errors.New(req.Action + ": " + why)
	}
	own := projectOf(k, b)
	if !k.role.Trust.Knows(own) {
		return refuse(NotTrusted, cause, notAuthorized)
	}
	if why == "" {
		why = explainTrust(policy.Explain(req, set), own, k.provider.KeyPrefix(), k.settings.Explain == oidc.ExplainValues)
	}
	return refuse(NotTrusted, cause, "%s. %s (denial %s)", notAuthorized, clipExplanation(why), info.ID)
}

// projectOf says which project a token belongs to: the first component of its
// sub and the claims with ids.
func projectOf(k webIdentityFacts, b believed) policy.Project {
	subject := b.Subject()
	if parts := strings.SplitN(subject, ":", 3); len(parts) == 3 {
		subject = parts[0] + ":" + parts[1]
	}
	return policy.Project{Provider: k.provider.ARN(), Subject: subject, ProjectID: b.kept.ProjectID, NamespaceID: b.kept.NamespaceID}
}

// explainTrust says why a trust policy does not let a token in: of the statements
// that know its project, by the one that comes nearest, with the fewest
// conditions that failed. The others are other projects' business.
func explainTrust(x policy.Explanation, own policy.Project, prefix string, values bool) string {
	if x.Effect == policy.ExplicitDeny {
		return "A statement of the role's trust policy denies it"
	}
	var nearest *policy.Trace
	for i := range x.Traces {
		t := &x.Traces[i]
		if t.Denies() || len(t.Failures) == 0 || t.Failures[0].Element != policy.ElementCondition || !t.Statement.Knows(own) {
			continue // it is about another issuer, another action or another project
		}
		if nearest == nil || len(t.Failures) < len(nearest.Failures) {
			nearest = t
		}
	}
	if nearest == nil {
		return "No statement of the role's trust policy is about " + x.Request.Action + " by this issuer"
	}
	var why []string
	for _, f := range nearest.Failures {
		sentence := "a condition that is not about the token is not met"
		if isClaimKey(f.Condition, prefix) {
			sentence = x.Sentence(f, values)
		}
		why = append(why, sentence)
	}
	return "This token was refused: " + strings.Join(why, "; ")
}

// isClaimKey reports whether a condition is about a claim of the caller's own
// token, which the caller knows anyway.
func isClaimKey(c *policy.Condition, prefix string) bool {
	return c != nil && len(c.Key()) > len(prefix) && strings.EqualFold(c.Key()[:len(prefix)+1], prefix+":")
}

// maxExplanation bounds what a refusal says: claims can be long.
const maxExplanation = 2000

func clipExplanation(text string) string {
	if len(text) <= maxExplanation {
		return text
	}
	text = text[:maxExplanation]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + "…"
}
