package webidentity

import (
	"time"

	"mayfly.internal/internal/oidc"
)

// TokenHint says of a token that is not believed though its issuer signed it what
// its owner can do: "" if there is nothing to add. It tells of roles nothing.
func TokenHint(e *oidc.RejectedError) string {
	switch e.Reason {
	case oidc.WrongAudience:
		return "set aud: in the job's id_tokens to an audience that this server accepts"
	case oidc.Expired, oidc.TooOld:
		if e.Issued.IsZero() || e.Until.IsZero() {
			return ""
		}
		return "a job's token lives as long as the job may run, this one for " + e.Until.Sub(e.Issued).String() + " from " + e.Issued.UTC().Format(time.RFC3339) + " on"
	case oidc.NotYetValid:
		return "compare the clocks of the issuer and of this server"
	case oidc.NeitherJobNorPerson:
		return "a job's token has project_id, pipeline_id and job_id, and a sub that begins with its project"
	}
	return ""
}
