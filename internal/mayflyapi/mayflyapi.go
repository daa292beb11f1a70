// Package mayflyapi is Mayfly's own API, /mayfly/v1: what AWS has no word for.
// Requests are signed like all others, for the service mayfly, and authorised
// by the same policies.
package mayflyapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/mayflywire"
)

// Webhooks issues what a cluster's API server needs to ask this server.
type Webhooks interface {
	WebhookConfig(c eks.Cluster) (mayflywire.WebhookConfig, error)
}

// AuditLog reads the audit log: events by index, and the newest checkpoint,
// which states at least as many events as were given.
type AuditLog interface {
	AuditPage(ctx context.Context, first int64, limit int) (lines []mayflywire.AuditLine, checkpoint string, err error)
	// Denial is the event of what was refused under a request id, if there is one.
	Denial(ctx context.Context, request string) (line mayflywire.AuditLine, found bool, err error)
	// Denials are the events of what was refused, the newest first.
	Denials(ctx context.Context, limit int) ([]mayflywire.AuditLine, error)
}

// Trust says what a role's trust policy says of a token.
type Trust interface {
	Explain(ctx context.Context, in sts.ExplainInput) (sts.Explained, error)
}

// API serves /mayfly/v1.
type API struct {
	Control  *control.Service
	Caller   func(r sigv4.Request, service string) (session.Principal, string, error)
	Webhooks Webhooks
	Audit    AuditLog
	Trust    Trust
	Server   mayflywire.Server
	// Refused is told of each refusal: the one line it leaves in the log.
	Refused func(r *http.Request, operation string, status int, err error)
}

// Handler routes the API's paths.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /mayfly/v1/server", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, a.Server) })
	mux.HandleFunc("POST /mayfly/v1/clusters", a.signed("mayfly:RegisterCluster", a.registerCluster))
	mux.HandleFunc("GET /mayfly/v1/clusters", a.signed("eks:ListClusters", a.listClusters))
	mux.HandleFunc("GET /mayfly/v1/clusters/{name}", a.signed("eks:DescribeCluster", a.describeCluster))
	mux.HandleFunc("DELETE /mayfly/v1/clusters/{name}", a.signed("mayfly:DeregisterCluster", a.deregisterCluster))
	mux.HandleFunc("POST /mayfly/v1/clusters/{name}/webhook-config", a.signed("mayfly:IssueClusterWebhook", a.webhookConfig))
	mux.HandleFunc("POST /mayfly/v1/access-policies", a.signed("mayfly:CreateAccessPolicy", a.createAccessPolicy))
	mux.HandleFunc("GET /mayfly/v1/access-policies", a.signed("mayfly:ListAccessPolicies", a.listAccessPolicies))
	mux.HandleFunc("GET /mayfly/v1/access-policies/{name}", a.signed("mayfly:DescribeAccessPolicy", a.describeAccessPolicy))
	mux.HandleFunc("PUT /mayfly/v1/access-policies/{name}", a.signed("mayfly:UpdateAccessPolicy", a.updateAccessPolicy))
	mux.HandleFunc("DELETE /mayfly/v1/access-policies/{name}", a.signed("mayfly:DeleteAccessPolicy", a.deleteAccessPolicy))
	mux.HandleFunc("GET /mayfly/v1/audit/events", a.signed("mayfly:ReadAudit", a.auditEvents))
	mux.HandleFunc("GET /mayfly/v1/denials", a.signed("mayfly:ListDenials", a.denials))
	mux.HandleFunc("GET /mayfly/v1/denials/{id}", a.signed("mayfly:ExplainDenial", a.denial))
	mux.HandleFunc("POST /mayfly/v1/explain-trust", a.signed("mayfly:ExplainTrust", a.explainTrust))
	mux.HandleFunc("/mayfly/v1/", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusNotFound, mayflywire.Error{Code: "UnknownOperation", Message: "There is no such operation in this version"})
	})
	return mux
}

// maxBody bounds a request; the largest are a cluster with its CA, and an access
// policy's rules.
const maxBody = 256 << 10

// signed is the door of every operation but one: body, caller, operation,
// answer. A request that cannot be read is recorded under its action.
func (a *API) signed(action string, do func(ctx context.Context, c control.Call, r *http.Request, body []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := httpedge.Body(w, r, maxBody)
		if err != nil {
			answer(w, http.StatusRequestEntityTooLarge, mayflywire.Error{Code: "TooLarge", Message: "The request body is too large or could not be read"})
			return
		}
		who, region, err := a.Caller(httpedge.Signed(r, body), mayflywire.Service)
		var out any
		if err == nil {
			call := control.Call{Caller: who, Info: httpedge.Info(r)}
			call.Info.Region = region
			out, err = do(r.Context(), call, r, body)
			if _, unread := errors.AsType[*awsrest.ShapeError](err); unread {
				err = a.Control.Unreadable(r.Context(), call, action, err)
			}
		}
		if err != nil {
			a.Refused(r, "mayfly:"+r.Pattern, refuse(w, err), err)
			return
		}
		answer(w, http.StatusOK, out)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(awsrest.Encode(v))
}

// Throttled is the answer to who comes too often.
func Throttled(w http.ResponseWriter, _ *http.Request) {
	refuse(w, fault.New(fault.Throttled, "Rate exceeded"))
}

// refuse turns an error into an answer and gives its status.
func refuse(w http.ResponseWriter, err error) int {
	status, body := explain(err)
	answer(w, status, body)
	return status
}

func (a *API) registerCluster(ctx context.Context, c control.Call, _ *http.Request, body []byte) (any, error) {
	in, err := mayflywire.DecodeCluster(body)
	if err != nil {
		return nil, err
	}
	k := eks.Cluster{Name: in.Name, Region: in.Region, Endpoint: in.Endpoint, CA: []byte(in.CA), Mode: eks.AuthenticationMode(in.AuthenticationMode), Tags: in.Tags}
	for _, text := range in.TrustAWSAccounts {
		id, err := arn.ParseAccountID(text)
		if err != nil {
			return nil, &awsrest.ShapeError{Detail: "trustAwsAccounts: " + err.Error()}
		}
		k.TrustAccounts = append(k.TrustAccounts, id)
	}
	if in.BearerMaxAge != "" {
		if k.BearerMaxAge, err = time.ParseDuration(in.BearerMaxAge); err != nil {
			return nil, &awsrest.ShapeError{Detail: "bearerMaxAge is no time span such as 15m"}
		}
	}
	k, err = a.Control.RegisterCluster(ctx, c, k)
	if err != nil {
		return nil, err
	}
	return encodeCluster(k), nil
}

func encodeCluster(k eks.Cluster) mayflywire.Cluster {
	out := mayflywire.Cluster{Name: k.Name, ARN: k.ARN().String(), ID: k.ID, Region: k.Region, Endpoint: k.Endpoint, CA: string(k.CA), AuthenticationMode: string(k.Mode),
		BearerMaxAge: k.BearerMaxAge.String(), Tags: k.Tags, CreatedAt: k.Created}
	for _, id := range k.TrustAccounts {
		out.TrustAWSAccounts = append(out.TrustAWSAccounts, string(id))
	}
	return out
}

func (a *API) listClusters(ctx context.Context, c control.Call, _ *http.Request, _ []byte) (any, error) {
	list, err := a.Control.Clusters(ctx, c, "")
	if err != nil {
		return nil, err
	}
	out := mayflywire.Clusters{Clusters: []mayflywire.Cluster{}}
	for _, k := range list {
		out.Clusters = append(out.Clusters, encodeCluster(k))
	}
	return out, nil
}

func (a *API) describeCluster(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	k, err := a.Control.Cluster(ctx, c, "", r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return encodeCluster(k), nil
}

func (a *API) deregisterCluster(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	return struct{}{}, a.Control.DeregisterCluster(ctx, c, r.PathValue("name"))
}

func (a *API) webhookConfig(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	k, err := a.Control.IssueWebhook(ctx, c, r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return a.Webhooks.WebhookConfig(k)
}

// auditPage is how many events one answer holds at most.
const auditPage = 1000

func (a *API) auditEvents(ctx context.Context, c control.Call, r *http.Request, _ []byte) (any, error) {
	if err := a.Control.ReadAudit(ctx, c); err != nil {
		return nil, err
	}
	var first, limit int64 = 0, auditPage
	if err := numbers(r, map[string]*int64{"first": &first, "limit": &limit}); err != nil {
		return nil, err
	}
	lines, checkpoint, err := a.Audit.AuditPage(ctx, first, int(min(limit, auditPage)))
	if err != nil {
		return nil, err
	}
	return mayflywire.Audit{Events: lines, Checkpoint: checkpoint}, nil
}

// numbers reads the whole numbers of a query; absent ones stay as they are. What
// is not known, or stands twice, is refused.
func numbers(r *http.Request, into map[string]*int64) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &awsrest.ShapeError{Detail: "The query cannot be read"}
	}
	for name, values := range query {
		if into[name] == nil || len(values) != 1 {
			return &awsrest.ShapeError{Detail: "A query parameter is not supported here, or stands twice"}
		}
		n, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil || n < 0 {
			return &awsrest.ShapeError{Detail: name + " is no whole number"}
		}
		*into[name] = n
	}
	return nil
}
