package stsapi

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"mayfly.internal/internal/reasontest"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsquery"
)

// TestEveryReasonHasACode: nothing falls through to an empty code.
func TestEveryReasonHasACode(t *testing.T) {
	want := map[sts.Reason]string{
		sts.InvalidParameter: "400 ValidationError", sts.MalformedPolicy: "400 MalformedPolicyDocument", sts.TooLarge: "400 PackedPolicyTooLarge", sts.InvalidToken: "400 InvalidIdentityToken",
		sts.ExpiredToken: "400 ExpiredTokenException", sts.NoKeys: "400 IDPCommunicationError", sts.NotTrusted: "403 AccessDenied", sts.NotRecorded: "503 ServiceUnavailable",
		sts.NotForSessions: "403 AccessDenied", sts.NotAllowed: "403 AccessDenied", sts.InvalidTags: "400 InvalidParameterValue", sts.InvalidMessage: "400 InvalidAuthorizationMessageException",
		sts.PathReused: "403 AccessDenied", sts.GuardsNotRead: "400 IDPCommunicationError", sts.InvalidTarget: "403 AccessDenied",
	}
	for i := range reasontest.Count(t, "../sts", "Reason") {
		r := sts.Reason(i + 1)
		f := Failure(fmt.Errorf("wrapped: %w", &sts.Refusal{Reason: r, Public: "public", Err: errors.New("private")}))
		if got := fmt.Sprint(f.Status, " ", f.Code); got != want[r] || f.Message != "public" {
			t.Errorf("%s: %s %q", r, got, f.Message)
		}
	}
}

// TestUnknownReasonSaysNothing: a reason without a row is not an empty answer.
func TestUnknownReasonSaysNothing(t *testing.T) {
	if f := Failure(&sts.Refusal{Public: "public"}); f.Status != http.StatusInternalServerError || f.Code != "InternalFailure" {
		t.Errorf("%+v", f)
	}
}

func TestCallerFailure(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  *sts.CallerError
		want string
	}{
		{"no signature", &sts.CallerError{Reason: sts.NoSignature, Err: errors.New("x")}, "403 MissingAuthenticationToken"},
		{"an expired session", &sts.CallerError{Reason: sts.SessionExpired, Err: errors.New("x")}, "403 ExpiredToken"},
		{"a token of somebody else", &sts.CallerError{Reason: sts.UnknownToken, Err: errors.New("x")}, "403 InvalidClientTokenId"},
		{"another service", &sts.CallerError{Reason: sts.WrongService, Err: errors.New("x")}, "403 SignatureDoesNotMatch"},
		{"a wrong signature", &sts.CallerError{Reason: sts.BadSignature, Err: errors.New("x")}, "403 SignatureDoesNotMatch"},
		{"half a signature", &sts.CallerError{Reason: sts.IncompleteSignature, Err: errors.New("x")}, "400 IncompleteSignature"},
		{"no reason at all", &sts.CallerError{Err: errors.New("x")}, "403 InvalidClientTokenId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Failure(tt.err)
			if got := fmt.Sprint(f.Status, " ", f.Code); got != tt.want || f.Message == "" {
				t.Errorf("%s %q", got, f.Message)
			}
		})
	}
}

// TestUnknownErrorsSayNothing: what nobody foresaw is an InternalFailure without
// its text.
func TestUnknownErrorsSayNothing(t *testing.T) {
	f := Failure(errors.New("SELECT secret FROM account"))
	if f.Status != http.StatusInternalServerError || f.Code != "InternalFailure" || f.Message == "" || len(f.Message) != len("The request processing has failed because of an unknown error, exception or failure.") {
		t.Errorf("%+v", f)
	}
	if f := Failure(&awsquery.ConstraintError{}); f.Code != "ValidationError" || f.Status != http.StatusBadRequest {
		t.Errorf("%+v", f)
	}
}

func TestServes(t *testing.T) {
	for action, want := range map[string][2]bool{"AssumeRoleWithWebIdentity": {true, true}, "GetCallerIdentity": {true, false}, "GetSessionToken": {true, false}, "GetAccessKeyInfo": {true, false}, "AssumeRole": {true, false}, "DecodeAuthorizationMessage": {true, false}, "AssumeRoleWithSAML": {}, "assumerole": {}, "getcalleridentity": {}, "": {}} {
		if got := [2]bool{Serves(action), Unsigned(action)}; got != want {
			t.Errorf("%q: %v", action, got)
		}
	}
}
