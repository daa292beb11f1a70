package iamapi

import (
	"errors"
	"net/http"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/wire/awsquery"
)

// codes :: reason of iam → IAM's code and status.
var codes = map[iam.Reason]awsquery.Failure{
	iam.InvalidValue:  {Status: http.StatusBadRequest, Code: "ValidationError"},
	iam.InvalidInput:  {Status: http.StatusBadRequest, Code: "InvalidInput"},
	iam.NoSuchEntity:  {Status: http.StatusNotFound, Code: "NoSuchEntity"},
	iam.AlreadyExists: {Status: http.StatusConflict, Code: "EntityAlreadyExists"},
	iam.LimitExceeded: {Status: http.StatusConflict, Code: "LimitExceeded"},
	iam.InUse:         {Status: http.StatusConflict, Code: "DeleteConflict"},
	iam.Unmodifiable:  {Status: http.StatusBadRequest, Code: "UnmodifiableEntity"},
	iam.NotHere:       {Status: http.StatusBadRequest, Code: "UnsupportedOperation"},
	iam.Malformed:     {Status: http.StatusBadRequest, Code: "MalformedPolicyDocument"},
}

// Failure is an error as IAM shows it; what is not known is a ServiceFailure
// that says nothing.
func Failure(err error) awsquery.Failure {
	if e, ok := errors.AsType[*awsquery.ConstraintError](err); ok {
		return awsquery.Failure{Status: http.StatusBadRequest, Code: "ValidationError", Message: e.Error()}
	}
	if e, ok := errors.AsType[*policy.SyntaxError](err); ok {
		return awsquery.Failure{Status: http.StatusBadRequest, Code: "MalformedPolicyDocument", Message: e.Detail + " (" + e.Error() + ")"}
	}
	if e, ok := errors.AsType[*iam.Error](err); ok && codes[e.Reason].Code != "" {
		f := codes[e.Reason]
		f.Message = e.Detail
		return f
	}
	if e, ok := errors.AsType[*authz.DeniedError](err); ok {
		return awsquery.Failure{Status: http.StatusForbidden, Code: "AccessDenied", Message: e.Message()}
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Unavailable {
		return awsquery.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable", Message: e.Public}
	} else if ok && e.Kind == fault.Throttled {
		return awsquery.Failure{Status: http.StatusBadRequest, Code: "Throttling", Message: e.Public}
	}
	return awsquery.Failure{Status: http.StatusInternalServerError, Code: "ServiceFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}
}
