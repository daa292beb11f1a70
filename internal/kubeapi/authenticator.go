package kubeapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/wire/kubewire"
)

// Authenticator serves what aws-iam-authenticator serves: POST /authenticate for
// one cluster, without a client certificate, with its statuses. (v0.7.18,
// pkg/server.)
type Authenticator struct {
	Auth     *clusterauth.Service
	Registry interface{ Snapshot() *registry.Snapshot }
	Cluster  string             // the name it is registered under
	BoundTo  string             // what its bearer tokens are bound to
	Mapper   clusterauth.Mapper // who is mapped, beside access entries
	// Scrubbed are the accounts whose principals' ids and ARNs the cluster does
	// not get to see.
	Scrubbed []string
	// Observe is told the result and the time of each request.
	Observe func(Result, time.Duration)
	Metrics http.Handler
	Log     *slog.Logger
}

// Result is what became of a request, in the words of aws-iam-authenticator's
// metric authenticate_latency_seconds.
type Result string

const (
	Malformed    Result = "malformed_request"
	InvalidToken Result = "invalid_token"
	STSError     Result = "sts_error"
	STSThrottled Result = "sts_throttling"
	UnknownUser  Result = "uknown_user" // as it is spelled there
	Success      Result = "success"
)

// Results are all of them.
var Results = []Result{Malformed, InvalidToken, STSError, STSThrottled, UnknownUser, Success}

// denyBody is what a refused token is answered with.
const denyBody = `{"metadata":{"creationTimestamp":null},"spec":{},"status":{"user":{}}}`

// Handler routes the port's paths.
func (a *Authenticator) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/authenticate", func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		a.Observe(a.authenticate(w, r), time.Since(began))
	})
	mux.Handle("/metrics", a.Metrics)
	mux.HandleFunc("/healthz", Healthy)
	return mux
}

// Healthy says ok.
func Healthy(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }

func (a *Authenticator) authenticate(w http.ResponseWriter, r *http.Request) Result {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "expected POST", http.StatusMethodNotAllowed)
		return Malformed
	}
	body, err := httpedge.Body(w, r, kubewire.MaxReviewBytes)
	if err != nil {
		http.Error(w, "the request body is too large or could not be read", http.StatusRequestEntityTooLarge)
		return Malformed
	}
	review, err := kubewire.DecodeTokenReview(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return Malformed
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	id, err := a.identity(r.WithContext(ctx), review)
	if err != nil {
		return a.deny(w, r, err)
	}
	answer(w, kubewire.EncodeTokenReview(review, kubewire.TokenReviewStatus{Authenticated: true, User: &kubewire.UserInfo{Username: id.Username, UID: id.UID, Groups: id.Groups, Extra: id.Extra}}))
	return Success
}

// identity says whose token it is.
func (a *Authenticator) identity(r *http.Request, review kubewire.TokenReview) (eks.Identity, error) {
	url, err := kubewire.DecodeBearer(review.Token)
	if err != nil {
		return eks.Identity{}, &clusterauth.Refusal{Reason: clusterauth.NotABearer, Err: err}
	}
	c, ok := a.Registry.Snapshot().Cluster(a.Cluster)
	if !ok {
		return eks.Identity{}, &clusterauth.Refusal{Reason: clusterauth.NotReadable, Err: errors.New("the cluster " + a.Cluster + " is not registered; run: mayfly cluster register " + a.Cluster)}
	}
	id, err := a.Auth.Review(r.Context(), clusterauth.ReviewInput{Cluster: c, URL: url, Info: httpedge.Info(r), Name: a.BoundTo, Mapper: a.Mapper})
	if err == nil && slices.ContainsFunc(a.Scrubbed, id.IsOf) {
		id.UID, id.Extra = "aws-iam-authenticator:administrative:"+id.Username, nil
	}
	return id, err
}

// deny answers a refused token: 403, or 429 where AWS does not want to be asked.
// What was wrong, the log tells.
func (a *Authenticator) deny(w http.ResponseWriter, r *http.Request, err error) Result {
	a.Log.Warn("bearer token refused", "cluster", a.Cluster, "request", httpedge.Info(r).ID, "why", err)
	result, status := InvalidToken, http.StatusForbidden
	if e, ok := errors.AsType[*clusterauth.Refusal](err); ok {
		switch e.Reason {
		case clusterauth.Throttled:
			result, status = STSThrottled, http.StatusTooManyRequests
		case clusterauth.Unreachable, clusterauth.BadSignature:
			result = STSError
		case clusterauth.NotMapped, clusterauth.NotReadable, clusterauth.NotTrusted:
			result = UnknownUser
		}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, denyBody+"\n")
	return result
}
