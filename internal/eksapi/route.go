package eksapi

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// routes are the paths served. An ARN in a path is one segment, percent-encoded
// (a slash is %2F), so a path is split before it is decoded.
var routes = []struct {
	method    string
	path      string // {cluster}, {principal} and their like stand for one segment
	operation string
}{
	{http.MethodGet, "/clusters", "ListClusters"},
	{http.MethodGet, "/clusters/{cluster}", "DescribeCluster"},
	{http.MethodPost, "/clusters/{cluster}/update-config", "UpdateClusterConfig"},
	{http.MethodGet, "/clusters/{cluster}/updates", "ListUpdates"},
	{http.MethodGet, "/clusters/{cluster}/updates/{update}", "DescribeUpdate"},
	{http.MethodPost, "/clusters/{cluster}/access-entries", "CreateAccessEntry"},
	{http.MethodGet, "/clusters/{cluster}/access-entries", "ListAccessEntries"},
	{http.MethodGet, "/clusters/{cluster}/access-entries/{principal}", "DescribeAccessEntry"},
	{http.MethodPost, "/clusters/{cluster}/access-entries/{principal}", "UpdateAccessEntry"},
	{http.MethodDelete, "/clusters/{cluster}/access-entries/{principal}", "DeleteAccessEntry"},
	{http.MethodPost, "/clusters/{cluster}/access-entries/{principal}/access-policies", "AssociateAccessPolicy"},
	{http.MethodGet, "/clusters/{cluster}/access-entries/{principal}/access-policies", "ListAssociatedAccessPolicies"},
	{http.MethodDelete, "/clusters/{cluster}/access-entries/{principal}/access-policies/{policy}", "DisassociateAccessPolicy"},
	{http.MethodGet, "/access-policies", "ListAccessPolicies"},
	{http.MethodPost, "/tags/{resource}", "TagResource"},
	{http.MethodDelete, "/tags/{resource}", "UntagResource"},
	{http.MethodGet, "/tags/{resource}", "ListTagsForResource"},
}

// Route finds the operation of a method and an escaped path; ok is false if
// there is none. The names it gives are text without control characters, and
// no more: whether they name anything is for the service.
func Route(method, escapedPath string) (_ Request, ok bool) {
	have := strings.Split(escapedPath, "/")
	for _, route := range routes {
		if method != route.method {
			continue
		}
		if r, ok := match(strings.Split(route.path, "/"), have); ok {
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
	names := map[string]*string{"{cluster}": &r.Cluster, "{principal}": &r.Principal, "{policy}": &r.Policy, "{resource}": &r.Resource, "{update}": &r.Update}
	for i := range want {
		target := names[want[i]]
		if target == nil {
			if want[i] != have[i] {
				return Request{}, false
			}
			continue
		}
		text, err := url.PathUnescape(have[i])
		if err != nil || !isName(text) {
			return Request{}, false
		}
		*target = text
	}
	return r, true
}

// isName reports whether a segment can name something. A dot segment cannot: a
// proxy would have taken it out of the path, and then it is another path.
func isName(text string) bool {
	return text != "" && text != "." && text != ".." && utf8.ValidString(text) && !strings.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c == 0x7f })
}
