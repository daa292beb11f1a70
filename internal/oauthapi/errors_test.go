package oauthapi

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"mayfly.internal/internal/reasontest"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/oauthwire"
)

// TestEveryReasonHasACode: nothing falls through to an empty code.
func TestEveryReasonHasACode(t *testing.T) {
	const refused, target, busy = "400 invalid_request or invalid_grant", "400 invalid_target", "503 temporarily_unavailable"
	want := map[sts.Reason]string{
		sts.InvalidToken: refused, sts.ExpiredToken: refused, sts.NotTrusted: refused, sts.PathReused: refused, sts.InvalidTags: refused,
		sts.InvalidTarget: target, sts.NotAllowed: target, sts.NoKeys: busy, sts.GuardsNotRead: busy, sts.NotRecorded: busy,
		sts.InvalidParameter: "400 invalid_request", sts.MalformedPolicy: "400 invalid_request", sts.TooLarge: "400 invalid_request", sts.NotForSessions: "400 invalid_request", sts.InvalidMessage: "400 invalid_request",
	}
	for i := range reasontest.Count(t, "../sts", "Reason") {
		r := sts.Reason(i + 1)
		err := fmt.Errorf("wrapped: %w", &sts.Refusal{Reason: r, Public: "public", Err: errors.New("private")})
		exchange, grant := explain(oauthwire.TokenExchange, err), explain(oauthwire.JWTBearer, err)
		got := fmt.Sprint(exchange.status, " ", exchange.Code)
		if grant.Code != exchange.Code {
			got += " or " + grant.Code
		}
		if got != want[r] || exchange.Description != "public" || grant.status != exchange.status {
			t.Errorf("%s: %s %q", r, got, exchange.Description)
		}
	}
}

// TestUnknownErrorsSayNothing: what nobody foresaw is an error without its text.
func TestUnknownErrorsSayNothing(t *testing.T) {
	for _, err := range []error{errors.New("SELECT secret"), &sts.Refusal{Public: "public"}, &sts.CallerError{Err: errors.New("SELECT secret")}} {
		if f := explain(oauthwire.TokenExchange, err); f.status != http.StatusInternalServerError || f.Code != oauthwire.ServerError || f.Description != "there was an internal error" {
			t.Errorf("%+v", f)
		}
	}
}

func TestFormErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&oauthwire.Error{Code: oauthwire.InvalidClient, Description: "d"}, "401 invalid_client d"},
		{&oauthwire.Error{Code: oauthwire.InvalidScope, Description: "d"}, "400 invalid_scope d"},
		{&oauthwire.Error{Code: oauthwire.UnsupportedGrantType, Description: "d"}, "400 unsupported_grant_type d"},
		{&formError{http.StatusRequestEntityTooLarge, "d"}, "413 invalid_request d"},
	} {
		f := explain("", tt.err)
		if got := fmt.Sprint(f.status, " ", f.Code, " ", f.Description); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}
