package mayflyapi

import (
	"errors"
	"net/http"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/mayflywire"
)

// failure is an error as this API shows it.
type failure struct {
	status int
	code   string
}

// ruleCodes :: reason of eks → our code and status.
var ruleCodes = map[eks.Reason]failure{
	eks.InvalidValue:  {http.StatusBadRequest, "InvalidParameter"},
	eks.NoSuchPolicy:  {http.StatusBadRequest, "InvalidParameter"},
	eks.NotInThisMode: {http.StatusBadRequest, "InvalidRequest"},
	eks.TooMany:       {http.StatusConflict, "LimitExceeded"},
	eks.NotSupported:  {http.StatusBadRequest, "InvalidParameter"},
}

// clusterCodes :: reason of control → our code and status.
var clusterCodes = map[control.Reason]failure{
	control.NoSuchCluster:      {http.StatusNotFound, "NoSuchCluster"},
	control.NoSuchEntry:        {http.StatusNotFound, "NoSuchEntry"},
	control.NoSuchAssociation:  {http.StatusNotFound, "NoSuchAssociation"},
	control.EntryExists:        {http.StatusConflict, "EntryExists"},
	control.ClusterExists:      {http.StatusConflict, "ClusterExists"},
	control.NoSuchResource:     {http.StatusNotFound, "NoSuchResource"},
	control.NoSuchUpdate:       {http.StatusNotFound, "NoSuchUpdate"},
	control.NoSuchAccessPolicy: {http.StatusNotFound, "NoSuchAccessPolicy"},
	control.AccessPolicyExists: {http.StatusConflict, "AccessPolicyExists"},
	control.AccessPolicyInUse:  {http.StatusConflict, "AccessPolicyInUse"},
	control.NoSuchDenial:       {http.StatusNotFound, "NoSuchDenial"},
	control.InvalidPrincipal:   {http.StatusBadRequest, "InvalidParameter"},
	control.InvalidTags:        {http.StatusBadRequest, "InvalidParameter"},
}

// callerCodes :: why a request is nobody's → our code; the status is 403.
var callerCodes = map[sts.CallerReason]string{
	sts.NoSignature:         "MissingAuthenticationToken",
	sts.IncompleteSignature: "IncompleteSignature",
	sts.BadSignature:        "SignatureDoesNotMatch",
	sts.UnknownToken:        "InvalidClientTokenId",
	sts.SessionExpired:      "ExpiredToken",
	sts.WrongService:        "SignatureDoesNotMatch",
}

// explain is the status and body of an error; what is not known says nothing.
func explain(err error) (int, mayflywire.Error) {
	if e, ok := errors.AsType[*awsrest.ShapeError](err); ok {
		return http.StatusBadRequest, mayflywire.Error{Code: "InvalidParameter", Message: e.Detail}
	}
	if e, ok := errors.AsType[*eks.Error](err); ok {
		return ruleCodes[e.Reason].with(e.Detail)
	}
	if e, ok := errors.AsType[*control.Error](err); ok {
		return clusterCodes[e.Reason].with(e.Detail)
	}
	if iam.IsReason(err, iam.NoSuchEntity) {
		return failure{http.StatusNotFound, "NoSuchEntity"}.with(err.Error())
	}
	if e, ok := errors.AsType[*authz.DeniedError](err); ok {
		return http.StatusForbidden, mayflywire.Error{Code: "AccessDenied", Message: e.Message()}
	}
	if e, ok := errors.AsType[*sts.CallerError](err); ok && callerCodes[e.Reason] != "" {
		return http.StatusForbidden, mayflywire.Error{Code: callerCodes[e.Reason], Message: callerMessage(e)}
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.Unavailable {
		return http.StatusServiceUnavailable, mayflywire.Error{Code: "Unavailable", Message: e.Public}
	} else if ok && e.Kind == fault.Throttled {
		return http.StatusTooManyRequests, mayflywire.Error{Code: "Throttled", Message: e.Public}
	}
	return failure{}.with("")
}

// with is the answer with a sentence. A failure that has no row says nothing.
func (f failure) with(message string) (int, mayflywire.Error) {
	if f.code == "" {
		return http.StatusInternalServerError, mayflywire.Error{Code: "Internal", Message: "There was an internal error"}
	}
	return f.status, mayflywire.Error{Code: f.code, Message: message}
}

// callerMessage says what a stranger may know: what is wrong with the signature
// is AWS's sentence, what is wrong with the token is not told.
func callerMessage(e *sts.CallerError) string {
	switch e.Reason {
	case sts.SessionExpired:
		return "The security token included in the request is expired"
	case sts.UnknownToken:
		return "The security token included in the request is invalid"
	case sts.NoSignature:
		return "The request is not signed"
	}
	return e.Error()
}
