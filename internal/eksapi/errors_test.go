package eksapi_test

import (
	"errors"
	"strings"
	"testing"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/eksapi"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/reasontest"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsrest"
)

// TestEveryReasonHasACode: a reason without a row would be answered with an
// empty code.
func TestEveryReasonHasACode(t *testing.T) {
	for i := range reasontest.Count(t, "../eks", "Reason") {
		f := eksapi.Failure(&eks.Error{Reason: eks.Reason(i + 1), Detail: "d"})
		if f.Code == "ServerException" || f.Status >= 500 || f.Message != "d" {
			t.Errorf("eks reason %d: %+v", i+1, f)
		}
	}
	for i := range reasontest.Count(t, "../control", "Reason") {
		f := eksapi.Failure(&control.Error{Reason: control.Reason(i + 1), Cluster: "c", Detail: "d"})
		if f.Code == "ServerException" || f.Status >= 500 || f.Message != "d" || f.Cluster != "c" {
			t.Errorf("%s: %+v", control.Reason(i+1), f)
		}
	}
	for i := range reasontest.Count(t, "../sts", "CallerReason") {
		f := eksapi.Failure(&sts.CallerError{Reason: sts.CallerReason(i + 1), Err: errors.New("d")})
		if f.Status != 403 || f.Code == "" || f.Message == "" {
			t.Errorf("caller reason %d: %+v", i+1, f)
		}
	}
}

func TestFailure(t *testing.T) {
	hidden := errors.New("/var/lib/mayfly/mayfly.db: disk I/O error")
	internal := awsrest.Failure{Status: 500, Code: "ServerException", Message: "There was an internal error."}
	for _, tt := range []struct {
		err  error
		want awsrest.Failure
	}{
		{&awsrest.ShapeError{Detail: "m"}, awsrest.Failure{Status: 400, Code: "InvalidParameterException", Message: "m"}},
		{&control.Error{Reason: control.NoSuchCluster, Cluster: "c", Detail: "m"}, awsrest.Failure{Status: 404, Code: "ResourceNotFoundException", Message: "m", Cluster: "c"}},
		{errors.Join(&control.Error{Reason: control.EntryExists, Cluster: "c", Detail: "m"}, hidden), awsrest.Failure{Status: 409, Code: "ResourceInUseException", Message: "m", Cluster: "c"}},
		{&authz.DeniedError{Caller: "A", Action: "eks:ListClusters", Resource: "R"}, awsrest.Failure{Status: 403, Code: "AccessDeniedException", Message: "User: A is not authorized to perform: eks:ListClusters on resource: R because no identity-based policy allows the eks:ListClusters action"}},
		{&sts.CallerError{Reason: sts.NoSignature, Err: hidden}, awsrest.Failure{Status: 403, Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}},
		{&sts.CallerError{Reason: sts.UnknownToken, Err: hidden}, awsrest.Failure{Status: 403, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}},
		{&sts.CallerError{Reason: sts.SessionExpired, Err: hidden}, awsrest.Failure{Status: 403, Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}},
		{&sts.CallerError{Reason: sts.BadSignature, Err: errors.New("m")}, awsrest.Failure{Status: 403, Code: "InvalidSignatureException", Message: "m"}},
		{&sts.CallerError{Reason: sts.IncompleteSignature, Err: errors.New("m")}, awsrest.Failure{Status: 403, Code: "IncompleteSignatureException", Message: "m"}},
		{&sts.CallerError{Reason: sts.WrongService, Err: errors.New("m")}, awsrest.Failure{Status: 403, Code: "InvalidSignatureException", Message: "m"}},
		{&sts.CallerError{Err: hidden}, awsrest.Failure{Status: 403, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}},
		{fault.Wrap(fault.Unavailable, hidden, "Try again."), awsrest.Failure{Status: 503, Code: "ServiceUnavailableException", Message: "Try again."}},
		{fault.New(fault.Throttled, "Later."), awsrest.Failure{Status: 429, Code: "ThrottlingException", Message: "Later."}},
		{fault.Wrap(fault.Internal, hidden, "it broke"), internal},
		{hidden, internal},
		{&eks.Error{Detail: "no reason"}, internal},
		{&control.Error{Detail: "no reason"}, internal},
	} {
		got := eksapi.Failure(tt.err)
		if got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.err, got, tt.want)
		}
		if strings.Contains(got.Message, "mayfly.db") {
			t.Errorf("a cause is shown: %s", got.Message)
		}
	}
}
