package webidentity

import (
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/oidc"
)

// TestTokenHints: what is said of a token that its issuer signed, and nothing of
// one that nobody knows who signed.
func TestTokenHints(t *testing.T) {
	at := time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)
	for reason, want := range map[oidc.Reason]string{
		oidc.WrongAudience: "set aud: in the job's id_tokens", oidc.Expired: "this one for 1h0m0s from 2026-11-23T11:00:00Z on", oidc.TooOld: "this one for 1h0m0s",
		oidc.NotYetValid: "clocks", oidc.NeitherJobNorPerson: "project_id, pipeline_id and job_id",
	} {
		if got := TokenHint(&oidc.RejectedError{Reason: reason, Issued: at, Until: at.Add(time.Hour)}); !strings.Contains(got, want) {
			t.Errorf("%s: %q", reason, got)
		}
	}
	for reason := range oidc.NeitherJobNorPerson {
		if got := TokenHint(&oidc.RejectedError{Reason: reason}); !reason.Verified() && got != "" {
			t.Errorf("%s: %q", reason, got)
		}
	}
	if got := TokenHint(&oidc.RejectedError{Reason: oidc.Expired}); got != "" {
		t.Errorf("an expired token without times: %q", got)
	}
}
