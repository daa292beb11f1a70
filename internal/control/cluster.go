package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
)

// RegisterCluster makes a cluster known. What is empty of mode and bearer age
// takes its default. It makes no network call.
func (s *Service) RegisterCluster(ctx context.Context, c Call, k eks.Cluster) (eks.Cluster, error) {
	k.Account = c.Caller.Account
	if k.Mode == "" {
		k.Mode = eks.ModeAPI
	}
	if k.BearerMaxAge == 0 {
		k.BearerMaxAge = eks.DefaultBearerMaxAge
	}
	made := object{arn: k.ARN().String(), cluster: k.Name}
	op := operation{action: "mayfly:RegisterCluster", on: func(*registry.Snapshot) object { return made }, tags: k.Tags,
		asked: detail{"endpoint": k.Endpoint, "ca": string(k.CA), "authentication_mode": string(k.Mode), "bearer_max_age": k.BearerMaxAge.String()}.
			withJSON("trust_aws_accounts", k.TrustAccounts).withJSON("tags", k.Tags)}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		if err := first(eks.CheckCluster(k), eks.CheckTags(k.Tags)); err != nil {
			return decision{}, err
		}
		if slices.Contains(k.TrustAccounts, k.Account) {
			return decision{}, &Error{InvalidPrincipal, k.Name, fmt.Sprintf("The account %s is Mayfly's own: real AWS cannot vouch for it", k.Account)}
		}
		if _, taken := snap.Cluster(k.Name); taken {
			return decision{}, &Error{ClusterExists, k.Name, fmt.Sprintf("Cluster already exists with name: %s", k.Name)}
		}
		var err error
		if k.ID, err = newUUID(s.rand); err != nil {
			return decision{}, err
		}
		k.Created = now
		return decision{[]registry.Change{registry.PutCluster{Cluster: k}}, detail{"id": k.ID}}, nil
	})
	if err != nil {
		return eks.Cluster{}, err
	}
	return k, nil
}

// DeregisterCluster forgets a cluster, its entries and its webhook's identity.
func (s *Service) DeregisterCluster(ctx context.Context, c Call, name string) error {
	op := operation{action: "mayfly:DeregisterCluster", on: cluster(c, "", name)}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		k, err := findCluster(snap, "", name)
		if err != nil {
			return decision{}, err
		}
		return decision{[]registry.Change{registry.DeleteCluster{Name: name}}, detail{"id": k.ID}}, nil
	})
}

// cluster is the resource of an operation on a cluster: the cluster of the name
// in the region, or the one there would be. An empty region is any.
func cluster(c Call, region, name string) resource {
	return func(snap *registry.Snapshot) object {
		k, err := findCluster(snap, region, name)
		if err != nil {
			if region == "" {
				region = c.Info.Region
			}
			return object{arn: arn.Cluster{Region: region, Account: c.Caller.Account, Name: name}.String(), cluster: name}
		}
		return object{arn: k.ARN().String(), cluster: name, tags: k.Tags}
	}
}

// Cluster is EKS DescribeCluster: the cluster of a name in a region. An empty
// region is any.
func (s *Service) Cluster(ctx context.Context, c Call, region, name string) (eks.Cluster, error) {
	return s.readCluster(ctx, c, "eks:DescribeCluster", region, name)
}

// readCluster is read for an operation on one cluster.
func (s *Service) readCluster(ctx context.Context, c Call, action, region, name string) (eks.Cluster, error) {
	snap, err := s.read(ctx, c, operation{action: action, on: cluster(c, region, name)})
	if err != nil {
		return eks.Cluster{}, err
	}
	return findCluster(snap, region, name)
}

// Clusters is EKS ListClusters: the clusters of a region, all for an empty one.
func (s *Service) Clusters(ctx context.Context, c Call, region string) ([]eks.Cluster, error) {
	all := arn.ARN{Partition: arn.Partition, Service: "eks", Region: region, Account: string(c.Caller.Account), Resource: "cluster/*"}
	snap, err := s.read(ctx, c, operation{action: "eks:ListClusters", on: fixed(all.String())})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(snap.Clusters(), func(k eks.Cluster) bool { return region != "" && k.Region != region }), nil
}

// findCluster finds a cluster of a region; one of another region is none.
func findCluster(snap *registry.Snapshot, region, name string) (eks.Cluster, error) {
	k, ok := snap.Cluster(name)
	if !ok || region != "" && k.Region != region {
		return eks.Cluster{}, noCluster(name)
	}
	return k, nil
}

// IssueWebhook authorises and records the issue of a client certificate for a
// cluster's API server. The certificate is made after it, of nothing that could
// fail but the machine.
func (s *Service) IssueWebhook(ctx context.Context, c Call, name string) (eks.Cluster, error) {
	var k eks.Cluster
	op := operation{action: "mayfly:IssueClusterWebhook", on: cluster(c, "", name)}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		var err error
		k, err = findCluster(snap, "", name)
		return decision{made: detail{"id": k.ID}}, err
	})
	if err != nil {
		return eks.Cluster{}, err
	}
	return k, nil
}

// ReadAudit authorises a reading of the audit log.
func (s *Service) ReadAudit(ctx context.Context, c Call) error {
	log := arn.ARN{Partition: arn.Partition, Service: "mayfly", Account: string(c.Caller.Account), Resource: "audit-log"}
	_, err := s.read(ctx, c, operation{action: "mayfly:ReadAudit", on: fixed(log.String())})
	return err
}
