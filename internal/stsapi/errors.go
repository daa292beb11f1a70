package stsapi

import (
	"errors"
	"net/http"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsquery"
)

// codes :: reason of a refused exchange → STS's code and status.
var codes = map[sts.Reason]awsquery.Failure{
	sts.InvalidParameter: {Status: http.StatusBadRequest, Code: "ValidationError"},
	sts.MalformedPolicy:  {Status: http.StatusBadRequest, Code: "MalformedPolicyDocument"},
	sts.TooLarge:         {Status: http.StatusBadRequest, Code: "PackedPolicyTooLarge"},
	sts.InvalidToken:     {Status: http.StatusBadRequest, Code: "InvalidIdentityToken"},
	sts.ExpiredToken:     {Status: http.StatusBadRequest, Code: "ExpiredTokenException"},
	sts.NoKeys:           {Status: http.StatusBadRequest, Code: "IDPCommunicationError"},
	sts.NotTrusted:       {Status: http.StatusForbidden, Code: "AccessDenied"},
	sts.PathReused:       {Status: http.StatusForbidden, Code: "AccessDenied"},
	sts.GuardsNotRead:    {Status: http.StatusBadRequest, Code: "IDPCommunicationError"},
	sts.NotForSessions:   {Status: http.StatusForbidden, Code: "AccessDenied"},
	sts.NotAllowed:       {Status: http.StatusForbidden, Code: "AccessDenied"},
	sts.InvalidTarget:    {Status: http.StatusForbidden, Code: "AccessDenied"},
	sts.InvalidTags:      {Status: http.StatusBadRequest, Code: "InvalidParameterValue"},
	sts.InvalidMessage:   {Status: http.StatusBadRequest, Code: "InvalidAuthorizationMessageException"},
	sts.NotRecorded:      {Status: http.StatusServiceUnavailable, Code: "ServiceUnavailable"},
}

// Failure is an error as STS shows it; what is not known is an InternalFailure
// that says nothing.
func Failure(err error) awsquery.Failure {
	if e, ok := errors.AsType[*awsquery.ConstraintError](err); ok {
		return awsquery.Failure{Status: http.StatusBadRequest, Code: "ValidationError", Message: e.Error()}
	}
	if e, ok := errors.AsType[*sts.Refusal](err); ok && codes[e.Reason].Code != "" {
		f := codes[e.Reason]
		f.Message = e.Public
		if denied, ok := errors.AsType[*authz.DeniedError](e.Err); ok {
			f.Message += denied.Attachment()
		}
		return f
	}
	if e, ok := errors.AsType[*sts.CallerError](err); ok {
		return CallerFailure(e)
	}
	return awsquery.Failure{Status: http.StatusInternalServerError, Code: "InternalFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}
}

// CallerFailure is a request that is nobody's, as the Query services show it.
func CallerFailure(e *sts.CallerError) awsquery.Failure {
	f := awsquery.Failure{Status: http.StatusForbidden}
	switch e.Reason {
	case sts.NoSignature:
		f.Code, f.Message = "MissingAuthenticationToken", "Request is missing Authentication Token"
	case sts.SessionExpired:
		f.Code, f.Message = "ExpiredToken", "The security token included in the request is expired"
	case sts.IncompleteSignature:
		f.Status, f.Code, f.Message = http.StatusBadRequest, "IncompleteSignature", e.Error()
	case sts.WrongService, sts.BadSignature:
		f.Code, f.Message = "SignatureDoesNotMatch", e.Error()
	default:
		f.Code, f.Message = "InvalidClientTokenId", "The security token included in the request is invalid"
	}
	return f
}
