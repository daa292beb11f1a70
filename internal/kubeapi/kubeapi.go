// Package kubeapi is the two webhooks a Kubernetes API server calls:
// authentication (TokenReview) and authorization (SubjectAccessReview), at
// /kubernetes/NAME/authenticate and /kubernetes/NAME/authorize.
//
// Which cluster asks is known by its client certificate. A refused token is
// answered with 200 and nobody, so that the API server does not ask again; the
// statuses 4xx are for what is no review. A bearer token is never logged and
// never part of an answer.
//
// It decides nothing about tokens and rights; clusterauth does.
package kubeapi

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"mayfly.internal/internal/clusterauth"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/wire/kubewire"
)

// API serves the webhooks.
type API struct {
	Auth     *clusterauth.Service
	Registry interface{ Snapshot() *registry.Snapshot }
	// Peer gives the id of the cluster whose client certificate the request
	// came with, false if it came without a valid one.
	Peer func(*http.Request) (clusterID string, ok bool)
	Log  *slog.Logger
}

// answerWithin bounds an answer: the API server waits three seconds
// (webhook-config's timeout), and an answer it no longer waits for is none.
const answerWithin = 2500 * time.Millisecond

// Handler routes the webhooks' paths.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/kubernetes/{cluster}/authenticate", a.known(a.authenticate))
	mux.HandleFunc("/kubernetes/{cluster}/authorize", a.known(a.authorize))
	return mux
}

// known lets a review through whose client certificate was issued to the very
// cluster the path names; one that was registered anew under the name has
// another. It comes before all else, so that a stranger learns nothing of what
// clusters there are.
func (a *API) known(next func(http.ResponseWriter, *http.Request, eks.Cluster, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := a.Peer(r)
		c, found := a.Registry.Snapshot().Cluster(r.PathValue("cluster"))
		if !ok || !found || c.ID != id || id == "" {
			http.Error(w, "a client certificate of this cluster is wanted; 'mayfly cluster webhook-config' issues one", http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "expected POST", http.StatusMethodNotAllowed)
			return
		}
		if !isJSON(r.Header.Get("Content-Type")) {
			http.Error(w, "expected application/json", http.StatusUnsupportedMediaType)
			return
		}
		body, err := httpedge.Body(w, r, kubewire.MaxReviewBytes)
		if err != nil {
			http.Error(w, "the request body is too large or could not be read", http.StatusRequestEntityTooLarge)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		next(w, r.WithContext(ctx), c, body)
	}
}

// isJSON reports whether a Content-Type is JSON's; one that is left out is.
func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && t == "application/json"
}

func (a *API) authenticate(w http.ResponseWriter, r *http.Request, c eks.Cluster, body []byte) {
	review, err := kubewire.DecodeTokenReview(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, kubewire.EncodeTokenReview(review, a.status(r, c, review)))
}

// status is the answer to a TokenReview: an identity, or nobody with a reason
// in words. A token that does not begin as one of ours is nobody's without a
// reason: it is another authenticator's.
func (a *API) status(r *http.Request, c eks.Cluster, review kubewire.TokenReview) kubewire.TokenReviewStatus {
	url, err := kubewire.DecodeBearer(review.Token)
	switch {
	case errors.Is(err, kubewire.ErrNotBearer):
		return kubewire.TokenReviewStatus{}
	case err != nil:
		a.Auth.Count(clusterauth.NotABearer.String())
		return a.nobody(r, c, &clusterauth.Refusal{Reason: clusterauth.NotABearer, Err: err})
	}
	id, err := a.Auth.Review(r.Context(), clusterauth.ReviewInput{Cluster: c, URL: url, Info: httpedge.Info(r)})
	if err != nil {
		return a.nobody(r, c, err)
	}
	return kubewire.TokenReviewStatus{Authenticated: true, User: &kubewire.UserInfo{Username: id.Username, UID: id.UID, Groups: id.Groups, Extra: id.Extra}}
}

// nobody is the answer to a refused token. The cluster learns the reason's name
// and the denial id, with which the log tells the rest.
func (a *API) nobody(r *http.Request, c eks.Cluster, err error) kubewire.TokenReviewStatus {
	id := httpedge.Info(r).ID
	a.Log.Warn("bearer token refused", "cluster", c.Name, "request", id, "why", err)
	reason := "internal error"
	if e, ok := errors.AsType[*clusterauth.Refusal](err); ok {
		reason = e.Reason.String()
	}
	return kubewire.TokenReviewStatus{Error: reason + " (denial " + id + ")"}
}

func (a *API) authorize(w http.ResponseWriter, r *http.Request, c eks.Cluster, body []byte) {
	review, err := kubewire.DecodeSubjectAccessReview(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	got := a.Auth.Authorize(r.Context(), clusterauth.AccessInput{Cluster: c, User: review.User, UID: review.UID, Extra: review.Extra, Attributes: attributes(review), Info: httpedge.Info(r)})
	answer(w, kubewire.EncodeSubjectAccessReview(review, kubewire.AccessStatus{Allowed: got.Allowed, Denied: got.Denied, Reason: got.Reason}))
}

func attributes(r kubewire.SubjectAccessReview) eks.Attributes {
	if a := r.Resource; a != nil {
		return eks.Attributes{IsResource: true, Verb: a.Verb, Namespace: a.Namespace, Group: a.Group, Version: a.Version, Resource: a.Resource, Subresource: a.Subresource, Name: a.Name}
	}
	return eks.Attributes{Verb: r.NonResource.Verb, Path: r.NonResource.Path}
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}
