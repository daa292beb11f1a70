package eksapi

import (
	"errors"
	"net/http"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsrest"
)

// ruleCodes :: reason of eks → EKS's code and status.
var ruleCodes = map[eks.Reason]awsrest.Failure{
	eks.InvalidValue:  {Status: http.StatusBadRequest, Code: "InvalidParameterException"},
	eks.NoSuchPolicy:  {Status: http.StatusBadRequest, Code: "InvalidParameterException"},
	eks.NotInThisMode: {Status: http.StatusBadRequest, Code: "InvalidRequestException"},
	eks.TooMany:       {Status: http.StatusBadRequest, Code: "ResourceLimitExceededException"},
	eks.NotSupported:  {Status: http.StatusBadRequest, Code: "InvalidParameterException"},
}

// clusterCodes :: reason of control → EKS's code and status.
var clusterCodes = map[control.Reason]awsrest.Failure{
	control.NoSuchCluster:      {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.NoSuchEntry:        {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.NoSuchAssociation:  {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.EntryExists:        {Status: http.StatusConflict, Code: "ResourceInUseException"},
	control.ClusterExists:      {Status: http.StatusConflict, Code: "ResourceInUseException"},
	control.InvalidTags:        {Status: http.StatusBadRequest, Code: "InvalidParameterException"},
	control.NoSuchResource:     {Status: http.StatusNotFound, Code: "NotFoundException"},
	control.NoSuchUpdate:       {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.NoSuchAccessPolicy: {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.AccessPolicyExists: {Status: http.StatusConflict, Code: "ResourceInUseException"},
	control.AccessPolicyInUse:  {Status: http.StatusConflict, Code: "ResourceInUseException"},
	control.NoSuchDenial:       {Status: http.StatusNotFound, Code: "ResourceNotFoundException"},
	control.InvalidPrincipal:   {Status: http.StatusBadRequest, Code: "InvalidParameterException"},
}

// Failure is an error as EKS shows it; what is not known is a ServerException
// that says nothing.
func Failure(err error) awsrest.Failure {
	if e, ok := errors.AsType[*awsrest.ShapeError](err); ok {
		return awsrest.Failure{Status: http.StatusBadRequest, Code: "InvalidParameterException", Message: e.Detail}
	}
	if e, ok := errors.AsType[*eks.Error](err); ok && ruleCodes[e.Reason].Code != "" {
		f := ruleCodes[e.Reason]
		f.Message = e.Detail
		return f
	}
	if e, ok := errors.AsType[*control.Error](err); ok && clusterCodes[e.Reason].Code != "" {
		f := clusterCodes[e.Reason]
		f.Message, f.Cluster = e.Detail, e.Cluster
		return f
	}
	if e, ok := errors.AsType[*authz.DeniedError](err); ok {
		return awsrest.Failure{Status: http.StatusForbidden, Code: "AccessDeniedException", Message: e.Message()}
	}
	if e, ok := errors.AsType[*sts.CallerError](err); ok {
		return CallerFailure(e)
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Unavailable {
		return awsrest.Failure{Status: http.StatusServiceUnavailable, Code: "ServiceUnavailableException", Message: e.Public}
	} else if ok && e.Kind == fault.Throttled {
		return awsrest.Failure{Status: http.StatusTooManyRequests, Code: "ThrottlingException", Message: e.Public}
	}
	return awsrest.Failure{Status: http.StatusInternalServerError, Code: "ServerException", Message: "There was an internal error."}
}

// CallerFailure is a request that is nobody's, as the REST-JSON services show
// it.
func CallerFailure(e *sts.CallerError) awsrest.Failure {
	f := awsrest.Failure{Status: http.StatusForbidden}
	switch e.Reason {
	case sts.NoSignature:
		f.Code, f.Message = "MissingAuthenticationTokenException", "Missing Authentication Token"
	case sts.SessionExpired:
		f.Code, f.Message = "ExpiredTokenException", "The security token included in the request is expired"
	case sts.IncompleteSignature:
		f.Code, f.Message = "IncompleteSignatureException", e.Error()
	case sts.WrongService, sts.BadSignature:
		f.Code, f.Message = "InvalidSignatureException", e.Error()
	default:
		f.Code, f.Message = "UnrecognizedClientException", "The security token included in the request is invalid."
	}
	return f
}
