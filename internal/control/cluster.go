package control

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
)

// Reason says what is wrong with an operation on clusters and entries that eks
// itself cannot know.
type Reason uint8

const (
	NoSuchCluster Reason = iota + 1
	NoSuchEntry
	NoSuchAssociation
	EntryExists
	ClusterExists
	InvalidPrincipal
)

// ClusterError is a refusal about a cluster or its entries. Detail is AWS's
// sentence where it is known.
type ClusterError struct {
	Reason  Reason
	Cluster string
	Detail  string
}

func (e *ClusterError) Error() string { return e.Detail }

func noCluster(name string) error {
	return &ClusterError{NoSuchCluster, name, fmt.Sprintf("No cluster found for name: %s.", name)}
}

// RegisterCluster makes a cluster known. It makes no network call.
func (s *Service) RegisterCluster(ctx context.Context, c Call, cluster eks.Cluster) (eks.Cluster, error) {
	cluster.Account, cluster.Created = c.Caller.Account, s.Now()
	if cluster.Mode == "" {
		cluster.Mode = eks.ModeAPI
	}
	if cluster.BearerMaxAge == 0 {
		cluster.BearerMaxAge = eks.DefaultBearerMaxAge
	}
	detail := map[string]string{"endpoint": cluster.Endpoint, "authentication_mode": string(cluster.Mode), "bearer_max_age": cluster.BearerMaxAge.String(), "trust_aws_accounts": accounts(cluster.TrustAccounts)}
	err := s.change(ctx, c, "mayfly:RegisterCluster", fixed(cluster.ARN().String()), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		if err := eks.CheckCluster(cluster); err != nil {
			return nil, err
		}
		for _, a := range cluster.TrustAccounts {
			if a == cluster.Account {
				return nil, &ClusterError{InvalidPrincipal, cluster.Name, fmt.Sprintf("The account %s is Mayfly's own: real AWS cannot vouch for it", a)}
			}
		}
		if _, taken := snap.Cluster(cluster.Name); taken {
			return nil, &ClusterError{ClusterExists, cluster.Name, fmt.Sprintf("Cluster already exists with name: %s", cluster.Name)}
		}
		var err error
		if cluster.ID, err = newUUID(s.Rand); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutCluster{Cluster: cluster}}, nil
	})
	if err != nil {
		return eks.Cluster{}, err
	}
	return cluster, nil
}

func accounts(list []arn.AccountID) string {
	out := make([]string, len(list))
	for i, a := range list {
		out[i] = string(a)
	}
	return strings.Join(out, " ")
}

// newUUID draws a random UUID (RFC 9562 §5.4).
func newUUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("draw a UUID: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// DeregisterCluster forgets a cluster, its entries and its webhook's identity.
func (s *Service) DeregisterCluster(ctx context.Context, c Call, name string) error {
	return s.change(ctx, c, "mayfly:DeregisterCluster", clusterARN(c, name), nil, func(snap *registry.Snapshot) ([]registry.Change, error) {
		if _, ok := snap.Cluster(name); !ok {
			return nil, noCluster(name)
		}
		return []registry.Change{registry.DeleteCluster{Name: name}}, nil
	})
}

// clusterARN is the resource of an operation on a cluster: its own ARN, or the
// one it would have in the region of the request.
func clusterARN(c Call, name string) resource {
	return func(snap *registry.Snapshot) string {
		if k, ok := snap.Cluster(name); ok {
			return k.ARN().String()
		}
		return arn.Cluster{Region: c.Info.Region, Account: c.Caller.Account, Name: name}.String()
	}
}

// Cluster is EKS DescribeCluster: the cluster of a name in a region. An empty
// region is any.
func (s *Service) Cluster(ctx context.Context, c Call, action, region, name string) (eks.Cluster, error) {
	snap, err := s.read(ctx, c, action, clusterARN(c, name))
	if err != nil {
		return eks.Cluster{}, err
	}
	return findCluster(snap, region, name)
}

// Clusters is EKS ListClusters: the clusters of a region, all for an empty one.
func (s *Service) Clusters(ctx context.Context, c Call, region string) ([]eks.Cluster, error) {
	all := arn.ARN{Partition: arn.Partition, Service: "eks", Region: region, Account: string(c.Caller.Account), Resource: "cluster/*"}
	snap, err := s.read(ctx, c, "eks:ListClusters", fixed(all.String()))
	if err != nil {
		return nil, err
	}
	var out []eks.Cluster
	for _, k := range snap.Clusters() {
		if region == "" || k.Region == region {
			out = append(out, k)
		}
	}
	return out, nil
}

// findCluster finds a cluster of a region; one of another region is none.
func findCluster(snap *registry.Snapshot, region, name string) (eks.Cluster, error) {
	k, ok := snap.Cluster(name)
	if !ok || region != "" && k.Region != region {
		return eks.Cluster{}, noCluster(name)
	}
	return k, nil
}

// EntryInput is what CreateAccessEntry is asked for.
type EntryInput struct {
	Principal string
	Groups    []string
	Username  string
	Type      string
	Tags      map[string]string
}

// CreateEntry is EKS CreateAccessEntry. The entry is for the role as it is now:
// one made anew under its name will not be it.
func (s *Service) CreateEntry(ctx context.Context, c Call, cluster string, in EntryInput) (eks.Cluster, eks.AccessEntry, error) {
	var k eks.Cluster
	var entry eks.AccessEntry
	detail := map[string]string{"principal": in.Principal, "groups": strings.Join(in.Groups, " "), "username": in.Username}
	err := s.change(ctx, c, "eks:CreateAccessEntry", clusterARN(c, cluster), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		var err error
		if k, err = entriesOf(snap, c.Info.Region, cluster); err != nil {
			return nil, err
		}
		if err := errorsFirst(eks.CheckType(in.Type), eks.CheckUsername(in.Username), eks.CheckGroups(in.Groups), eks.CheckTags(in.Tags)); err != nil {
			return nil, err
		}
		role, err := principalRole(snap, cluster, in.Principal)
		if err != nil {
			return nil, err
		}
		if _, taken := snap.Entry(cluster, in.Principal); taken {
			return nil, &ClusterError{EntryExists, cluster, "The specified access entry resource is already in use on this cluster."}
		}
		now := s.Now()
		entry = eks.AccessEntry{ClusterID: k.ID, Cluster: cluster, PrincipalARN: in.Principal, PrincipalID: role.ID, Username: in.Username, Groups: in.Groups, Tags: in.Tags, Created: now, Modified: now}
		if entry.UUID, err = newUUID(s.Rand); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutEntry{Entry: entry}}, nil
	})
	return k, entry, err
}

func errorsFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// principalRole finds the role an entry is to be made for.
func principalRole(snap *registry.Snapshot, cluster, principal string) (iam.Role, error) {
	invalid := func() error {
		return &ClusterError{InvalidPrincipal, cluster, "The specified principalArn is invalid: invalid principal"}
	}
	name, err := arn.ParseRole(principal)
	if err != nil {
		return iam.Role{}, invalid()
	}
	role, ok := snap.RoleByARN(name)
	if !ok {
		return iam.Role{}, invalid()
	}
	return role, nil
}

// entriesOf finds a cluster whose mode has access entries.
func entriesOf(snap *registry.Snapshot, region, name string) (eks.Cluster, error) {
	k, err := findCluster(snap, region, name)
	if err != nil {
		return eks.Cluster{}, err
	}
	return k, k.NeedEntries()
}

// Entry is EKS DescribeAccessEntry.
func (s *Service) Entry(ctx context.Context, c Call, cluster, principal string) (eks.Cluster, eks.AccessEntry, error) {
	return s.readEntry(ctx, c, "eks:DescribeAccessEntry", cluster, principal)
}

// readEntry authorises a read of one entry and finds it.
func (s *Service) readEntry(ctx context.Context, c Call, action, cluster, principal string) (eks.Cluster, eks.AccessEntry, error) {
	snap, err := s.read(ctx, c, action, entryARN(c, cluster, principal))
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	return findEntry(snap, c.Info.Region, cluster, principal)
}

// entryARN is the resource of an operation on an entry: the entry's, or the
// cluster's if there is none.
func entryARN(c Call, cluster, principal string) resource {
	return func(snap *registry.Snapshot) string {
		if k, ok := snap.Cluster(cluster); ok {
			if e, ok := snap.Entry(cluster, principal); ok {
				return e.ARN(k)
			}
		}
		return clusterARN(c, cluster)(snap)
	}
}

func findEntry(snap *registry.Snapshot, region, cluster, principal string) (eks.Cluster, eks.AccessEntry, error) {
	k, err := entriesOf(snap, region, cluster)
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	e, ok := snap.Entry(cluster, principal)
	if !ok {
		return k, eks.AccessEntry{}, &ClusterError{NoSuchEntry, cluster, "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."}
	}
	return k, e, nil
}

// Entries is EKS ListAccessEntries.
func (s *Service) Entries(ctx context.Context, c Call, cluster string) ([]eks.AccessEntry, error) {
	snap, err := s.read(ctx, c, "eks:ListAccessEntries", clusterARN(c, cluster))
	if err != nil {
		return nil, err
	}
	if _, err := entriesOf(snap, c.Info.Region, cluster); err != nil {
		return nil, err
	}
	return snap.Entries(cluster), nil
}

// UpdateEntry is EKS UpdateAccessEntry; nil leaves a field as it is.
func (s *Service) UpdateEntry(ctx context.Context, c Call, cluster, principal string, groups *[]string, username *string) (eks.Cluster, eks.AccessEntry, error) {
	return s.changeEntry(ctx, c, "eks:UpdateAccessEntry", cluster, principal, nil, func(e eks.AccessEntry) (eks.AccessEntry, error) {
		if groups != nil {
			e.Groups = *groups
		}
		if username != nil {
			e.Username = *username
		}
		e.Modified = s.Now()
		return e, errorsFirst(eks.CheckUsername(e.Username), eks.CheckGroups(e.Groups))
	})
}

// AssociatePolicy is EKS AssociateAccessPolicy: it replaces the scope of a
// policy that is associated already.
func (s *Service) AssociatePolicy(ctx context.Context, c Call, cluster, principal, policyARN string, scope eks.Scope) (eks.AccessEntry, error) {
	detail := map[string]string{"principal": principal, "policy": policyARN, "scope": string(scope.Type), "namespaces": strings.Join(scope.Namespaces, " ")}
	_, e, err := s.changeEntry(ctx, c, "eks:AssociateAccessPolicy", cluster, principal, detail, func(e eks.AccessEntry) (eks.AccessEntry, error) {
		if _, err := eks.FindAccessPolicy(policyARN); err != nil {
			return e, err
		}
		if err := eks.CheckScope(scope); err != nil {
			return e, err
		}
		return e.Associate(policyARN, scope, s.Now()), nil
	})
	return e, err
}

// DisassociatePolicy is EKS DisassociateAccessPolicy.
func (s *Service) DisassociatePolicy(ctx context.Context, c Call, cluster, principal, policyARN string) error {
	detail := map[string]string{"principal": principal, "policy": policyARN}
	_, _, err := s.changeEntry(ctx, c, "eks:DisassociateAccessPolicy", cluster, principal, detail, func(e eks.AccessEntry) (eks.AccessEntry, error) {
		e, ok := e.Disassociate(policyARN)
		if !ok {
			return e, &ClusterError{NoSuchAssociation, cluster, "The specified policyArn is not associated with the access entry."}
		}
		return e, nil
	})
	return err
}

// AssociatedPolicies is EKS ListAssociatedAccessPolicies.
func (s *Service) AssociatedPolicies(ctx context.Context, c Call, cluster, principal string) ([]eks.Association, error) {
	_, e, err := s.readEntry(ctx, c, "eks:ListAssociatedAccessPolicies", cluster, principal)
	return e.Policies, err
}

// AccessPolicies is EKS ListAccessPolicies.
func (s *Service) AccessPolicies(ctx context.Context, c Call) ([]*eks.AccessPolicy, error) {
	if _, err := s.read(ctx, c, "eks:ListAccessPolicies", fixed("*")); err != nil {
		return nil, err
	}
	return eks.AccessPolicies(), nil
}

// DeleteEntry is EKS DeleteAccessEntry.
func (s *Service) DeleteEntry(ctx context.Context, c Call, cluster, principal string) error {
	return s.change(ctx, c, "eks:DeleteAccessEntry", entryARN(c, cluster, principal), map[string]string{"principal": principal}, func(snap *registry.Snapshot) ([]registry.Change, error) {
		if _, _, err := findEntry(snap, c.Info.Region, cluster, principal); err != nil {
			return nil, err
		}
		return []registry.Change{registry.DeleteEntry{Cluster: cluster, Principal: principal}}, nil
	})
}

func (s *Service) changeEntry(ctx context.Context, c Call, action, cluster, principal string, detail map[string]string, update func(eks.AccessEntry) (eks.AccessEntry, error)) (eks.Cluster, eks.AccessEntry, error) {
	var k eks.Cluster
	var entry eks.AccessEntry
	err := s.change(ctx, c, action, entryARN(c, cluster, principal), detail, func(snap *registry.Snapshot) ([]registry.Change, error) {
		var err error
		if k, entry, err = findEntry(snap, c.Info.Region, cluster, principal); err != nil {
			return nil, err
		}
		if entry, err = update(entry); err != nil {
			return nil, err
		}
		return []registry.Change{registry.PutEntry{Entry: entry}}, nil
	})
	return k, entry, err
}

// IssueWebhook authorises and records the issue of a client certificate for a
// cluster's API server.
func (s *Service) IssueWebhook(ctx context.Context, c Call, name string) (eks.Cluster, error) {
	var k eks.Cluster
	err := s.change(ctx, c, "mayfly:IssueClusterWebhook", clusterARN(c, name), nil, func(snap *registry.Snapshot) ([]registry.Change, error) {
		var err error
		k, err = findCluster(snap, "", name)
		return nil, err
	})
	return k, err
}

// ReadAudit authorises a reading of the audit log.
func (s *Service) ReadAudit(ctx context.Context, c Call) error {
	log := arn.ARN{Partition: arn.Partition, Service: "mayfly", Account: string(c.Caller.Account), Resource: "audit-log"}
	_, err := s.read(ctx, c, "mayfly:ReadAudit", fixed(log.String()))
	return err
}
