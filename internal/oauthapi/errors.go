package oauthapi

import (
	"errors"
	"net/http"

	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/oauthwire"
)

// formError is a request whose form is wrong before its parameters are read.
type formError struct {
	status int
	detail string
}

func (e *formError) Error() string { return e.detail }

// failure is an error as the token endpoint shows it.
type failure struct {
	status int
	*oauthwire.Error
}

// The code of a token that is not believed or not let in: RFC 8693 §2.2.2 wants
// invalid_request for a subject token that is "unacceptable based on policy", RFC
// 7523 §3.1 invalid_grant for an assertion.
const refusedToken = "token"

// codes :: reason of a refused exchange → OAuth's code and status.
var codes = map[sts.Reason]struct {
	status int
	code   string
}{
	sts.InvalidParameter: {http.StatusBadRequest, oauthwire.InvalidRequest},
	sts.MalformedPolicy:  {http.StatusBadRequest, oauthwire.InvalidRequest},
	sts.TooLarge:         {http.StatusBadRequest, oauthwire.InvalidRequest},
	sts.InvalidToken:     {http.StatusBadRequest, refusedToken},
	sts.ExpiredToken:     {http.StatusBadRequest, refusedToken},
	sts.NotTrusted:       {http.StatusBadRequest, refusedToken},
	sts.PathReused:       {http.StatusBadRequest, refusedToken},
	sts.NotForSessions:   {http.StatusBadRequest, oauthwire.InvalidRequest},
	sts.NotAllowed:       {http.StatusBadRequest, oauthwire.InvalidTarget},
	sts.InvalidTags:      {http.StatusBadRequest, refusedToken},
	sts.InvalidMessage:   {http.StatusBadRequest, oauthwire.InvalidRequest},
	sts.InvalidTarget:    {http.StatusBadRequest, oauthwire.InvalidTarget},
	sts.NoKeys:           {http.StatusServiceUnavailable, oauthwire.TemporarilyUnavailable},
	sts.GuardsNotRead:    {http.StatusServiceUnavailable, oauthwire.TemporarilyUnavailable},
	sts.NotRecorded:      {http.StatusServiceUnavailable, oauthwire.TemporarilyUnavailable},
}

// explain is an error as the client of a grant hears it; what is not known says
// nothing.
func explain(grant string, err error) failure {
	if e, ok := errors.AsType[*oauthwire.Error](err); ok {
		status := http.StatusBadRequest
		if e.Code == oauthwire.InvalidClient { // RFC 6749 §5.2
			status = http.StatusUnauthorized
		}
		return failure{status, e}
	}
	if e, ok := errors.AsType[*formError](err); ok {
		return failure{e.status, &oauthwire.Error{Code: oauthwire.InvalidRequest, Description: e.detail}}
	}
	if e, ok := errors.AsType[*sts.Refusal](err); ok && codes[e.Reason].code != "" {
		known := codes[e.Reason]
		if known.code == refusedToken {
			known.code = oauthwire.InvalidRequest
			if grant == oauthwire.JWTBearer {
				known.code = oauthwire.InvalidGrant
			}
		}
		return failure{known.status, &oauthwire.Error{Code: known.code, Description: e.Public}}
	}
	return failure{http.StatusInternalServerError, &oauthwire.Error{Code: oauthwire.ServerError, Description: "there was an internal error"}}
}
