// Package kubeapi is the two webhooks a Kubernetes API server calls:
// authentication (TokenReview) and authorization (SubjectAccessReview), at
// /kubernetes/NAME/authenticate and /kubernetes/NAME/authorize.
//
// Which cluster asks is known by its client certificate. A bearer token is
// never logged.
package kubeapi

import (
	"errors"
	"log/slog"
	"net/http"

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

// Handler routes the webhooks' paths.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /kubernetes/{cluster}/authenticate", a.known(a.authenticate))
	mux.HandleFunc("POST /kubernetes/{cluster}/authorize", a.known(a.authorize))
	return mux
}

// known lets a request through whose client certificate was issued to the very
// cluster the path names; one that was registered anew under the name has
// another.
func (a *API) known(next func(http.ResponseWriter, *http.Request, eks.Cluster, []byte)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, ok := a.Peer(r)
		c, found := a.Registry.Snapshot().Cluster(r.PathValue("cluster"))
		if !ok || !found || c.ID != id {
			http.Error(w, "a client certificate of this cluster is wanted; 'mayfly cluster webhook-config' issues one", http.StatusUnauthorized)
			return
		}
		body, err := httpedge.Body(w, r, kubewire.MaxReviewBytes)
		if err != nil {
			http.Error(w, "the request body is too large or could not be read", http.StatusRequestEntityTooLarge)
			return
		}
		next(w, r, c, body)
	}
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
// in words.
func (a *API) status(r *http.Request, c eks.Cluster, review kubewire.TokenReview) kubewire.TokenReviewStatus {
	info := httpedge.Info(r)
	url, err := kubewire.DecodeBearer(review.Token)
	if err != nil {
		// Another authenticator's token, most often: not worth a line each.
		a.Auth.Count(clusterauth.NotABearer.String())
		return kubewire.TokenReviewStatus{Error: clusterauth.NotABearer.String()}
	}
	id, err := a.Auth.Review(r.Context(), clusterauth.ReviewInput{Cluster: c, URL: url, Info: info})
	if err != nil {
		a.Log.Warn("bearer token refused", "cluster", c.Name, "request", info.ID, "why", err)
		reason := "internal error"
		if e, ok := errors.AsType[*clusterauth.Refusal](err); ok {
			reason = e.Reason.String()
		}
		return kubewire.TokenReviewStatus{Error: reason + " (denial " + info.ID + ")"}
	}
	return kubewire.TokenReviewStatus{Authenticated: true, User: &kubewire.UserInfo{Username: id.Username, UID: id.UID, Groups: id.Groups, Extra: id.Extra}}
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
