package sts

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/webidentity"
)

// untrusted is the refusal of a token its role does not trust.
//
// A stranger gets AWS's bare sentence, which is also that of a role that does
// not exist. A caller whose token belongs to the role's projects learns more, the
// policy's own values only where the operator says so for the issuer (CONTRACTS
// §3). The whole of it goes into the audit event, where the operator finds it by
// the denial id.
func untrusted(said webidentity.Answer, settings oidc.Settings, info request.Info) error {
	r := refuse(NotTrusted, errors.New(said.Cause()), notAuthorized)
	if why := said.ForCaller(settings.Explain == oidc.ExplainValues); why != "" {
		r.Public = fmt.Sprintf("%s. %s (denial %s)", notAuthorized, clipExplanation(why), info.ID)
	}
	r.Trace = said.Trace().Encode()
	return r
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
