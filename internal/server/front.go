package server

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eksapi"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/iamapi"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/stsapi"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/iamwire"
	"mayfly.internal/internal/wire/stswire"
)

// front is the door of the AWS APIs: it finds out which service and operation a
// request is for, who signed it, and hands it on.
type front struct {
	sts  *sts.Service
	stsA *stsapi.API
	iamA *iamapi.API
	eksA *eksapi.API
	log  *slog.Logger
}

// query serves / : STS and IAM, told apart by the API version.
func (f *front) query(w http.ResponseWriter, r *http.Request) {
	body, err := httpedge.Body(w, r, awsquery.MaxBodyBytes)
	if err != nil {
		f.refuseQuery(w, r, "", awsquery.Failure{Status: bodyStatus(err), Code: "RequestEntityTooLarge", Message: "The request body is too large or could not be read"})
		return
	}
	form, skip := string(body), (func(string) bool)(nil)
	switch {
	case r.Method == http.MethodGet && len(body) == 0:
		form, skip = r.URL.RawQuery, isSignatureParameter
	case r.Method != http.MethodPost || r.URL.RawQuery != "":
		f.refuseQuery(w, r, "", awsquery.Failure{Status: http.StatusBadRequest, Code: "MalformedQueryString", Message: "A POST carries its parameters in the body, a presigned GET in its query"})
		return
	}
	q, err := awsquery.Decode(form, skip)
	if err != nil {
		f.refuseQuery(w, r, "", awsquery.Failure{Status: http.StatusBadRequest, Code: "MalformedInput", Message: err.Error()})
		return
	}
	switch {
	case q.Action == "":
		f.refuseQuery(w, r, stswire.Namespace, awsquery.Failure{Status: http.StatusBadRequest, Code: "MissingAction", Message: "The request must contain the parameter Action"})
	case q.Version == stswire.Version && stsapi.Serves(q.Action):
		f.serveSTS(w, r, q, body)
	case q.Version == iamwire.Version && iamapi.Serves(q.Action):
		f.serveIAM(w, r, q, body)
	default:
		f.log.Info("unknown operation", "action", clean(q.Action), "version", clean(q.Version), "request", httpedge.Info(r).ID, "see", compatPage(q.Version))
		f.refuseQuery(w, r, stswire.Namespace, awsquery.Failure{Status: http.StatusBadRequest, Code: "InvalidAction", Message: "Could not find operation " + clean(q.Action) + " for version " + clean(q.Version)})
	}
}

// rateExceeded is AWS's sentence for who comes too often.
const rateExceeded = "Rate exceeded"

func (f *front) throttledQuery(w http.ResponseWriter, r *http.Request) {
	f.refuseQuery(w, r, "", awsquery.Failure{Status: http.StatusBadRequest, Code: "Throttling", Message: rateExceeded})
}

func (f *front) throttledREST(w http.ResponseWriter, _ *http.Request) {
	refuseREST(w, awsrest.Failure{Status: http.StatusTooManyRequests, Code: "ThrottlingException", Message: rateExceeded})
}

// compatPage says which operations of a version there are, and which are not.
func compatPage(version string) string {
	if version == iamwire.Version {
		return "docs/compat/iam.md"
	}
	return "docs/compat/sts.md"
}

// bodyStatus is the status for a body that could not be read.
func bodyStatus(err error) int {
	if errors.Is(err, httpedge.ErrTooLarge) {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// isSignatureParameter reports whether a query parameter belongs to the
// signature of a presigned URL.
func isSignatureParameter(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "x-amz-")
}

// clean is a stranger's word in an error or a log: short, printable.
func clean(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c == 0x7f {
			return '?'
		}
		return c
	}, s)
}

func (f *front) serveSTS(w http.ResponseWriter, r *http.Request, q *awsquery.Request, body []byte) {
	var result any
	var err error
	if stsapi.GivesCredentials(q.Action) && r.Method != http.MethodPost {
		f.refuseQuery(w, r, stswire.Namespace, awsquery.Failure{Status: http.StatusMethodNotAllowed, Code: "InvalidAction", Message: "What gives credentials belongs into the body of a POST: a URL is logged on its way"})
		return
	}
	if stsapi.Unsigned(q.Action) {
		result, err = f.stsA.AssumeRoleWithWebIdentity(r.Context(), httpedge.Info(r), q)
	} else {
		who, region, cerr := f.sts.Caller(httpedge.Signed(r, body), "sts")
		if err = cerr; err == nil {
			info := httpedge.Info(r)
			info.Region = region
			result, err = f.stsA.Do(r.Context(), sts.Call{Caller: who, Info: info}, q)
		}
	}
	if err != nil {
		failure := stsapi.Failure(err)
		if failure.Code == "IDPCommunicationError" {
			httpedge.Forgive(w) // the issuer's fault: all its jobs wait for it together
		}
		f.logFailure(r, "sts:"+q.Action, failure.Status, err)
		f.refuseQuery(w, r, stswire.Namespace, failure)
		return
	}
	f.answerQuery(w, r, stswire.Namespace, q.Action, result)
}

func (f *front) serveIAM(w http.ResponseWriter, r *http.Request, q *awsquery.Request, body []byte) {
	who, region, err := f.sts.Caller(httpedge.Signed(r, body), "iam")
	if err != nil {
		failure := stsapi.Failure(err)
		f.logFailure(r, "iam:"+q.Action, failure.Status, err)
		f.refuseQuery(w, r, iamwire.Namespace, failure)
		return
	}
	info := httpedge.Info(r)
	info.Region = region
	result, err := f.iamA.Do(r.Context(), control.Call{Caller: who, Info: info}, q)
	if err != nil {
		failure := iamapi.Failure(err)
		f.logFailure(r, "iam:"+q.Action, failure.Status, err)
		f.refuseQuery(w, r, iamwire.Namespace, failure)
		return
	}
	f.answerQuery(w, r, iamwire.Namespace, q.Action, result)
}

// logFailure is the one line a refusal or a failure leaves: errors are returned
// up to here and logged once.
func (f *front) logFailure(r *http.Request, operation string, status int, err error) {
	info := httpedge.Info(r)
	level := slog.LevelInfo
	if status >= 500 {
		level = slog.LevelError
	}
	f.log.Log(r.Context(), level, "refused", "operation", operation, "status", status, "request", info.ID, "source", info.Source, "why", err)
}

// wantsJSON reports whether a client of STS asked for JSON (aws-iam-authenticator
// does).
func wantsJSON(r *http.Request, namespace string) bool {
	return namespace == stswire.Namespace && strings.Contains(r.Header.Get("Accept"), "application/json")
}

func (f *front) answerQuery(w http.ResponseWriter, r *http.Request, namespace, action string, result any) {
	id := httpedge.Info(r).ID
	if wantsJSON(r, namespace) {
		write(w, http.StatusOK, "application/json", awsquery.AnswerJSON(action, result, id))
		return
	}
	write(w, http.StatusOK, "text/xml", awsquery.Answer(namespace, action, result, id))
}

func (f *front) refuseQuery(w http.ResponseWriter, r *http.Request, namespace string, failure awsquery.Failure) {
	if namespace == "" {
		namespace = stswire.Namespace
	}
	id := httpedge.Info(r).ID
	if wantsJSON(r, namespace) {
		write(w, failure.Status, "application/json", failure.BodyJSON(id))
		return
	}
	write(w, failure.Status, "text/xml", failure.Body(namespace, id))
}

func write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body))) // else a body of more than 2 KiB is sent in chunks
	w.WriteHeader(status)
	w.Write(body)
}

// rest serves EKS.
func (f *front) rest(w http.ResponseWriter, r *http.Request) {
	body, err := httpedge.Body(w, r, awsrest.MaxBodyBytes)
	if err != nil {
		refuseREST(w, awsrest.Failure{Status: bodyStatus(err), Code: "InvalidParameterException", Message: "The request body is too large or could not be read"})
		return
	}
	op, ok := eksapi.Route(r.Method, r.URL.EscapedPath())
	if !ok {
		f.log.Info("unknown operation", "method", r.Method, "path", clean(r.URL.EscapedPath()), "request", httpedge.Info(r).ID, "see", "docs/compat/eks.md")
		refuseREST(w, awsrest.Failure{Status: http.StatusForbidden, Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"})
		return
	}
	who, region, err := f.sts.Caller(httpedge.Signed(r, body), "eks")
	if err == nil {
		info := httpedge.Info(r)
		info.Region = region
		op.Body = body
		var out any
		if op.Query, err = url.ParseQuery(r.URL.RawQuery); err != nil { // net/http leaves out what it cannot read
			err = &awsrest.ShapeError{Detail: "The query string cannot be read"}
		} else if out, err = f.eksA.Do(r.Context(), control.Call{Caller: who, Info: info}, op); err == nil {
			write(w, http.StatusOK, "application/json", awsrest.Encode(out))
			return
		}
	}
	failure := eksapi.Failure(err)
	f.logFailure(r, "eks:"+op.Operation, failure.Status, err)
	refuseREST(w, failure)
}

func refuseREST(w http.ResponseWriter, failure awsrest.Failure) {
	w.Header().Set(awsrest.ErrorTypeHeader, failure.Code)
	write(w, failure.Status, "application/json", failure.Body())
}
