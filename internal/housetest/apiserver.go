package housetest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"mayfly.internal/internal/wire/mayflywire"
)

// APIServer is as much of a Kubernetes API server as a caller needs that asks about
// itself: it has the house's webhooks say who that is, and what it may do.
type APIServer struct {
	server *httptest.Server
	hook   *atomic.Pointer[mayflywire.WebhookConfig]
	spoilt *atomic.Pointer[[]string]
}

// APIServer starts one for a new cluster, in which nobody has an access entry.
func (h *House) APIServer(name string) *APIServer {
	s := &APIServer{hook: &atomic.Pointer[mayflywire.WebhookConfig]{}, spoilt: &atomic.Pointer[[]string]{}}
	s.Spoil()
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, h, *s.hook.Load()) }))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.StartTLS()
	h.t.Cleanup(s.server.Close)
	hook := h.register(name, "API", s.server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}))
	s.hook.Store(&hook)
	return s
}

// Close ends it.
func (s *APIServer) Close() { s.server.Close() }

// Spoil makes it answer wrongly: garbage, old (it knows no SelfSubjectReview), or
// broken.
func (s *APIServer) Spoil(names ...string) { s.spoilt.Store(&names) }

func (s *APIServer) serve(w http.ResponseWriter, r *http.Request, h *House, hook mayflywire.WebhookConfig) {
	spoilt := strings.Join(*s.spoilt.Load(), " ")
	self := r.URL.Path == "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	switch {
	case spoilt == "garbage":
		io.WriteString(w, "<html>")
		return
	case spoilt == "broken":
		w.WriteHeader(http.StatusInternalServerError)
		return
	case r.Method != http.MethodPost || self && spoilt == "old" || !self && r.URL.Path != "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
		http.NotFound(w, r)
		return
	}
	var asked struct {
		Spec struct{ ResourceAttributes map[string]string }
	}
	var who struct {
		Status struct {
			Authenticated bool
			User          map[string]any
		}
	}
	err := json.NewDecoder(r.Body).Decode(&asked)
	if err == nil {
		err = review(h, hook, hook.AuthenticateURL, map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": map[string]any{"token": strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}}, &who)
	}
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	case !who.Status.Authenticated:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	if self {
		json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "status": map[string]any{"userInfo": who.Status.User}})
		return
	}
	spec := map[string]any{"resourceAttributes": asked.Spec.ResourceAttributes}
	for from, to := range map[string]string{"username": "user", "uid": "uid", "groups": "groups", "extra": "extra"} {
		spec[to] = who.Status.User[from]
	}
	var may struct{ Status map[string]any }
	if review(h, hook, hook.AuthorizeURL, map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}, &may) != nil {
		may.Status = map[string]any{"allowed": false}
	}
	json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{}, "status": may.Status})
}

// review asks a webhook of the house's as an API server does.
func review(h *House, hook mayflywire.WebhookConfig, url string, in, out any) error {
	own, err := tls.X509KeyPair([]byte(hook.ClientCertificate), []byte(hook.ClientKey))
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	hc := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: h.pool(), Certificates: []tls.Certificate{own}}}}
	resp, err := hc.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(out)
}
