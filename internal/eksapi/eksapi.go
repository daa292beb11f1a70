// Package eksapi is the EKS API for clusters, access entries and access
// policies: it routes and decodes a REST-JSON request whose caller is known,
// calls control, and encodes what came of it.
package eksapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

// API serves EKS operations.
type API struct{ Control *control.Service }

// Request is a routed request: the names in its path and what else it carries.
type Request struct {
	Operation string
	Cluster   string
	Principal string
	Policy    string
	Query     url.Values
	Body      []byte
}

// routes are the paths served. An ARN in a path is one segment, percent-encoded
// (a slash is %2F), so a path is split before it is decoded.
var routes = []struct {
	method    string
	path      string // {cluster}, {principal} and {policy} stand for one segment
	operation string
}{
	{http.MethodGet, "/clusters", "ListClusters"},
	{http.MethodGet, "/clusters/{cluster}", "DescribeCluster"},
	{http.MethodPost, "/clusters/{cluster}/access-entries", "CreateAccessEntry"},
	{http.MethodGet, "/clusters/{cluster}/access-entries", "ListAccessEntries"},
	{http.MethodGet, "/clusters/{cluster}/access-entries/{principal}", "DescribeAccessEntry"},
	{http.MethodPost, "/clusters/{cluster}/access-entries/{principal}", "UpdateAccessEntry"},
	{http.MethodDelete, "/clusters/{cluster}/access-entries/{principal}", "DeleteAccessEntry"},
	{http.MethodPost, "/clusters/{cluster}/access-entries/{principal}/access-policies", "AssociateAccessPolicy"},
	{http.MethodGet, "/clusters/{cluster}/access-entries/{principal}/access-policies", "ListAssociatedAccessPolicies"},
	{http.MethodDelete, "/clusters/{cluster}/access-entries/{principal}/access-policies/{policy}", "DisassociateAccessPolicy"},
	{http.MethodGet, "/access-policies", "ListAccessPolicies"},
}

// Route finds the operation of a method and an escaped path; ok is false if
// there is none.
func Route(method, escapedPath string) (Request, bool) {
	have := strings.Split(escapedPath, "/")
	for _, route := range routes {
		if r, ok := match(strings.Split(route.path, "/"), have); ok && method == route.method {
			r.Operation = route.operation
			return r, true
		}
	}
	return Request{}, false
}

func match(want, have []string) (r Request, ok bool) {
	if len(want) != len(have) {
		return Request{}, false
	}
	names := map[string]*string{"{cluster}": &r.Cluster, "{principal}": &r.Principal, "{policy}": &r.Policy}
	for i := range want {
		target := names[want[i]]
		if target == nil {
			if want[i] != have[i] {
				return Request{}, false
			}
			continue
		}
		text, err := url.PathUnescape(have[i])
		if err != nil || text == "" {
			return Request{}, false
		}
		*target = text
	}
	return r, true
}

// operations :: name → what answers it.
var operations = map[string]func(a *API, ctx context.Context, c control.Call, r Request) (any, error){
	"ListClusters":                 (*API).listClusters,
	"DescribeCluster":              (*API).describeCluster,
	"CreateAccessEntry":            (*API).createEntry,
	"ListAccessEntries":            (*API).listEntries,
	"DescribeAccessEntry":          (*API).describeEntry,
	"UpdateAccessEntry":            (*API).updateEntry,
	"DeleteAccessEntry":            (*API).deleteEntry,
	"AssociateAccessPolicy":        (*API).associate,
	"ListAssociatedAccessPolicies": (*API).listAssociated,
	"DisassociateAccessPolicy":     (*API).disassociate,
	"ListAccessPolicies":           (*API).listPolicies,
}

// Do answers a routed request: its result, or an error for Failure.
func (a *API) Do(ctx context.Context, c control.Call, r Request) (any, error) {
	return operations[r.Operation](a, ctx, c, r)
}

// defaultPage is how many items EKS shows when a caller does not say.
const defaultPage = 100

// paged is the part of a list that the request asks for.
func paged[T any](items []T, name func(T) string, r Request, allowed ...string) ([]T, string, error) {
	size := defaultPage
	for key := range r.Query {
		known := key == "maxResults" || key == "nextToken"
		for _, a := range allowed {
			known = known || key == a
		}
		if !known || len(r.Query[key]) != 1 {
			return nil, "", &awsrest.ShapeError{Detail: "The query parameter " + key + " is not supported, or stands twice"}
		}
	}
	if text := r.Query.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return nil, "", &awsrest.ShapeError{Detail: "maxResults is a number from 1 to 100"}
		}
		size = n
	}
	return awsrest.Page(items, name, r.Query.Get("nextToken"), size)
}

func (a *API) listClusters(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.Clusters(ctx, c, c.Info.Region)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(k eks.Cluster) string { return k.Name }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListClusters{Clusters: []string{}, NextToken: next}
	for _, k := range page {
		out.Clusters = append(out.Clusters, k.Name)
	}
	return out, nil
}

func (a *API) describeCluster(ctx context.Context, c control.Call, r Request) (any, error) {
	k, err := a.Control.Cluster(ctx, c, c.Info.Region, r.Cluster)
	if err != nil {
		return nil, err
	}
	return ekswire.DescribeCluster{Cluster: ekswire.Cluster{
		Name: k.Name, ARN: k.ARN().String(), CreatedAt: awsrest.Time(k.Created), Endpoint: k.Endpoint, Status: "ACTIVE",
		ResourcesVPCConfig: ekswire.VPCConfig{SubnetIDs: []string{}, SecurityGroupIDs: []string{}}, Logging: ekswire.Logging{ClusterLogging: []struct{}{}},
		CertificateAuthority: ekswire.CertificateAuthority{Data: k.CA}, Tags: tagsOf(k.Tags), AccessConfig: ekswire.AccessConfig{AuthenticationMode: string(k.Mode)},
	}}, nil
}

// tagsOf is a map that is there even if it is empty.
func tagsOf(tags map[string]string) map[string]string {
	if tags == nil {
		return map[string]string{}
	}
	return tags
}

func (a *API) createEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	in, err := ekswire.DecodeCreateAccessEntry(r.Body)
	if err != nil {
		return nil, err
	}
	k, e, err := a.Control.CreateEntry(ctx, c, r.Cluster, control.EntryInput{Principal: in.PrincipalARN, Groups: in.Groups, Username: in.Username, Type: in.Type, Tags: in.Tags, Token: in.ClientToken})
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

func encodeEntry(k eks.Cluster, e eks.AccessEntry) ekswire.OneAccessEntry {
	groups := e.Groups
	if groups == nil {
		groups = []string{}
	}
	return ekswire.OneAccessEntry{AccessEntry: ekswire.AccessEntry{ClusterName: k.Name, PrincipalARN: e.PrincipalARN, KubernetesGroups: groups, ARN: e.ARN(k),
		CreatedAt: awsrest.Time(e.Created), ModifiedAt: awsrest.Time(e.Modified), Tags: tagsOf(e.Tags), Username: e.UsernameTemplate(), Type: eks.Standard}}
}

func (a *API) listEntries(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.Entries(ctx, c, r.Cluster, r.Query.Get("associatedPolicyArn"))
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(e eks.AccessEntry) string { return e.PrincipalARN }, r, "associatedPolicyArn")
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAccessEntries{AccessEntries: []string{}, NextToken: next}
	for _, e := range page {
		out.AccessEntries = append(out.AccessEntries, e.PrincipalARN)
	}
	return out, nil
}

func (a *API) describeEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	k, e, err := a.Control.Entry(ctx, c, r.Cluster, r.Principal)
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

func (a *API) updateEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	in, err := ekswire.DecodeUpdateAccessEntry(r.Body)
	if err != nil {
		return nil, err
	}
	var groups *[]string
	if in.GroupsGiven {
		groups = &in.Groups
	}
	k, e, err := a.Control.UpdateEntry(ctx, c, r.Cluster, r.Principal, groups, in.Username)
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

func (a *API) deleteEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	return ekswire.Empty{}, a.Control.DeleteEntry(ctx, c, r.Cluster, r.Principal)
}

func (a *API) associate(ctx context.Context, c control.Call, r Request) (any, error) {
	policy, scope, err := ekswire.DecodeAssociateAccessPolicy(r.Body)
	if err != nil {
		return nil, err
	}
	e, err := a.Control.AssociatePolicy(ctx, c, r.Cluster, r.Principal, policy, eks.Scope{Type: eks.ScopeType(scope.Type), Namespaces: scope.Namespaces})
	if err != nil {
		return nil, err
	}
	out := ekswire.AssociateAccessPolicy{ClusterName: r.Cluster, PrincipalARN: r.Principal}
	for _, as := range e.Policies {
		if as.PolicyARN == policy {
			out.Associated = encodeAssociation(as)
		}
	}
	return out, nil
}

func encodeAssociation(a eks.Association) ekswire.AssociatedPolicy {
	ns := a.Scope.Namespaces
	if ns == nil {
		ns = []string{}
	}
	return ekswire.AssociatedPolicy{PolicyARN: a.PolicyARN, Scope: ekswire.Scope{Type: string(a.Scope.Type), Namespaces: ns}, AssociatedAt: awsrest.Time(a.Associated), ModifiedAt: awsrest.Time(a.Modified)}
}

func (a *API) listAssociated(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.AssociatedPolicies(ctx, c, r.Cluster, r.Principal)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(a eks.Association) string { return a.PolicyARN }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAssociatedAccessPolicies{ClusterName: r.Cluster, PrincipalARN: r.Principal, Associated: []ekswire.AssociatedPolicy{}, NextToken: next}
	for _, as := range page {
		out.Associated = append(out.Associated, encodeAssociation(as))
	}
	return out, nil
}

func (a *API) disassociate(ctx context.Context, c control.Call, r Request) (any, error) {
	return ekswire.Empty{}, a.Control.DisassociatePolicy(ctx, c, r.Cluster, r.Principal, r.Policy)
}

func (a *API) listPolicies(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.AccessPolicies(ctx, c)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(p *eks.AccessPolicy) string { return p.Name }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAccessPolicies{AccessPolicies: []ekswire.AccessPolicy{}, NextToken: next}
	for _, p := range page {
		out.AccessPolicies = append(out.AccessPolicies, ekswire.AccessPolicy{Name: p.Name, ARN: p.ARN})
	}
	return out, nil
}
