// Package eksapi is the EKS API for clusters, access entries and access
// policies: it routes and decodes a REST-JSON request whose caller is known,
// calls control, and encodes what came of it.
package eksapi

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/wire/awsrest"
)

// API serves EKS operations.
type API struct{ Control *control.Service }

// Request is a routed request: the names in its path and what else it carries.
type Request struct {
	Operation string
	Cluster   string
	Principal string
	Policy    string
	Resource  string
	Update    string
	Query     url.Values
	Body      []byte
}

// operation answers a routed request.
type operation struct {
	do    func(a *API, ctx context.Context, c control.Call, r Request) (any, error)
	query []string // the query parameters it knows
	body  bool     // it takes a body
	list  string   // the one query parameter that may stand more than once
}

var pages = []string{"maxResults", "nextToken"}

// operations :: name → what answers it.
var operations = map[string]operation{
	"ListClusters":                 {do: (*API).listClusters, query: append([]string{"include"}, pages...)},
	"DescribeCluster":              {do: (*API).describeCluster},
	"UpdateClusterConfig":          {do: (*API).updateConfig, body: true},
	"DescribeUpdate":               {do: (*API).describeUpdate},
	"ListUpdates":                  {do: (*API).listUpdates, query: pages},
	"CreateAccessEntry":            {do: (*API).createEntry, body: true},
	"ListAccessEntries":            {do: (*API).listEntries, query: append([]string{"associatedPolicyArn"}, pages...)},
	"DescribeAccessEntry":          {do: (*API).describeEntry},
	"UpdateAccessEntry":            {do: (*API).updateEntry, body: true},
	"DeleteAccessEntry":            {do: (*API).deleteEntry},
	"AssociateAccessPolicy":        {do: (*API).associate, body: true},
	"ListAssociatedAccessPolicies": {do: (*API).listAssociated, query: pages},
	"DisassociateAccessPolicy":     {do: (*API).disassociate},
	"ListAccessPolicies":           {do: (*API).listPolicies, query: pages},
	"TagResource":                  {do: (*API).tag, body: true},
	"UntagResource":                {do: (*API).untag, query: []string{"tagKeys"}, list: "tagKeys"},
	"ListTagsForResource":          {do: (*API).listTags},
}

// Operations are the operations that Route finds.
func Operations() []string { return slices.Sorted(maps.Keys(operations)) }

// Do answers a routed request: its result, or an error for Failure. A query
// parameter or a body that the operation does not know is refused: what is
// ignored may be what was meant to narrow it. A request that cannot be read is
// recorded as every other refusal is.
func (a *API) Do(ctx context.Context, c control.Call, r Request) (any, error) {
	op, ok := operations[r.Operation]
	if !ok {
		return nil, fault.New(fault.Internal, "no operation") // unreachable: Route gives no other
	}
	err := op.takes(r)
	var out any
	if err == nil {
		out, err = op.do(a, ctx, c, r)
	}
	if _, unread := errors.AsType[*awsrest.ShapeError](err); unread {
		return nil, a.Control.Unreadable(ctx, c, "eks:"+r.Operation, err)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// takes refuses a query parameter and a body that the operation does not know.
func (op operation) takes(r Request) error {
	for name, values := range r.Query {
		if !slices.Contains(op.query, name) || len(values) != 1 && name != op.list {
			return &awsrest.ShapeError{Detail: "The query parameter " + clip(name) + " is not supported here, or stands twice"}
		}
	}
	if len(r.Body) > 0 && !op.body {
		if b, err := awsrest.ParseBody(r.Body); err != nil || b.Check() != nil { // some clients send {}
			return &awsrest.ShapeError{Detail: r.Operation + " takes no body"}
		}
	}
	return nil
}

func clip(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}

// defaultPage is how many items EKS shows when a caller does not say.
const defaultPage = 100

// paged is the part of a list that the request asks for.
func paged[T any](items []T, name func(T) string, r Request) ([]T, string, error) {
	size := defaultPage
	if text := r.Query.Get("maxResults"); r.Query.Has("maxResults") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 || strconv.Itoa(n) != text {
			return nil, "", &awsrest.ShapeError{Detail: "maxResults is a number from 1 to 100"}
		}
		size = n
	}
	return awsrest.Page(items, name, r.Query.Get("nextToken"), size)
}
