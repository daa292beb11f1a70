package eksapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

// listClusters shows registered clusters always: there are no others. include=all
// asks for them on AWS.
func (a *API) listClusters(ctx context.Context, c control.Call, r Request) (any, error) {
	if r.Query.Has("include") && r.Query.Get("include") != "all" {
		return nil, &awsrest.ShapeError{Detail: "include is all, or absent"}
	}
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
		ResourcesVPCConfig: ekswire.VPCConfig{SubnetIDs: []string{}, SecurityGroupIDs: []string{}, PublicAccessCIDRs: []string{}}, Logging: ekswire.Logging{ClusterLogging: []struct{}{}},
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

// textsOf is a list that is there even if it is empty.
func textsOf(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
