package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// EntryInput is what CreateAccessEntry is asked for.
type EntryInput struct {
	Principal string
	Groups    []string
	Username  string
	Type      string
	Tags      map[string]string
	// Token makes the request one that may be repeated: asked again with the
	// same token for the same, the same entry is the answer. Empty: no token.
	Token string
}

// CreateEntry is EKS CreateAccessEntry. The entry is for the role as it is now:
// one made anew under its name will not be it.
func (s *Service) CreateEntry(ctx context.Context, c Call, name string, in EntryInput) (eks.Cluster, eks.AccessEntry, error) {
	var k eks.Cluster
	var entry eks.AccessEntry
	op := operation{action: "eks:CreateAccessEntry", on: cluster(c, c.Info.Region, name), tags: in.Tags, keys: in.keys,
		asked: detail{"principal": in.Principal}.with("username", in.Username).with("type", in.Type).withJSON("groups", in.Groups).withJSON("tags", in.Tags)}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		var err error
		if k, err = entriesOf(snap, c.Info.Region, name); err != nil {
			return decision{}, err
		}
		if err := first(eks.CheckType(in.Type), eks.CheckUsername(in.Username), eks.CheckGroups(in.Groups), eks.CheckTags(in.Tags)); err != nil {
			return decision{}, err
		}
		id, err := principalID(snap, k, in.Principal)
		if err != nil {
			return decision{}, err
		}
		entry = eks.AccessEntry{ClusterID: k.ID, Cluster: name, PrincipalARN: in.Principal, PrincipalID: id, Username: in.Username, Groups: in.Groups, Tags: in.Tags, Created: now, Modified: now}
		if entry.UUID, err = s.entryUUID(entry, in.Token); err != nil {
			return decision{}, err
		}
		made := detail{"id": entry.UUID, "principal_id": id, "cluster_id": k.ID}
		if id == iam.AdminID {
			made["warning"] = "the administrator's role may now enter the cluster"
		}
		if old, taken := snap.Entry(name, in.Principal); taken {
			if in.Token == "" || !same(old, entry) {
				return decision{}, &Error{EntryExists, name, "The specified access entry resource is already in use on this cluster."}
			}
			entry, made["repeated"] = old, "true"
			return decision{made: made}, nil
		}
		if _, taken := snap.EntryOfPrincipal(name, id); taken {
			return decision{}, &Error{EntryExists, name, "The specified access entry resource is already in use on this cluster: it names the same role with another path."}
		}
		return decision{[]registry.Change{registry.PutEntry{Entry: entry}}, made}, nil
	})
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	return k, entry, nil
}

// keys are the condition keys of CreateAccessEntry (Service Authorization
// Reference, Amazon EKS).
func (in EntryInput) keys(b *policy.ContextBuilder) {
	b.Set("eks:principalArn", in.Principal)
	kind := in.Type
	if kind == "" {
		kind = eks.Standard
	}
	b.Set("eks:accessEntryType", kind)
	if in.Username != "" {
		b.Set("eks:username", in.Username)
	}
	if len(in.Groups) > 0 {
		b.SetMany("eks:kubernetesGroups", in.Groups)
	}
}

// entryUUID is an entry's UUID: random, or made from the caller's token, so that
// a request that is repeated is known by what it would make.
func (s *Service) entryUUID(e eks.AccessEntry, token string) (string, error) {
	if token == "" {
		return newUUID(s.rand)
	}
	return uuidOf("access entry", e.ClusterID, e.PrincipalARN, e.PrincipalID, token), nil
}

// same reports whether two entries were asked for in the same words with the
// same token.
func same(a, b eks.AccessEntry) bool {
	return a.UUID == b.UUID && a.Username == b.Username && slices.Equal(a.Groups, b.Groups) && maps.Equal(a.Tags, b.Tags)
}

// principalID is what the entry of a principal is found by: a role's id, or the
// canonical ARN of a role or user of an AWS account that the cluster trusts.
func principalID(snap *registry.Snapshot, k eks.Cluster, principal string) (string, error) {
	account, canonical, ok := eks.CanonicalARN(principal)
	switch {
	case ok && account != snap.Account && slices.Contains(k.TrustAccounts, account):
		return canonical, nil
	case ok && account != snap.Account:
		return "", &Error{InvalidPrincipal, k.Name, fmt.Sprintf("The specified principalArn is invalid: invalid principal. The cluster trusts no identity of the AWS account %s (mayfly cluster register --trust-aws-account).", account)}
	}
	if name, err := arn.ParseRole(principal); err == nil {
		if role, ok := snap.RoleByARN(name); ok {
			return role.ID, nil
		}
	}
	return "", &Error{InvalidPrincipal, k.Name, "The specified principalArn is invalid: invalid principal"}
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
	snap, err := s.read(ctx, c, operation{action: action, on: entry(c, cluster, principal)})
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	return findEntry(snap, c.Info.Region, cluster, principal)
}

// entry is the resource of an operation on an entry. The ARN of one that does
// not exist ends in *, for the id it would have: whoever may ask about the
// principal's entry is told that there is none.
func entry(c Call, name, principal string) resource {
	return func(snap *registry.Snapshot) object {
		if k, e, err := findEntry(snap, c.Info.Region, name, principal); err == nil {
			return object{arn: e.ARN(k), cluster: name, tags: e.Tags, keys: func(b *policy.ContextBuilder) { entryKeys(b, e) }}
		}
		rest := "*"
		if role, err := arn.ParseRole(principal); err == nil {
			rest = "role/" + string(role.Account) + "/" + role.Name + "/*"
		}
		none := arn.ARN{Partition: arn.Partition, Service: "eks", Region: c.Info.Region, Account: string(c.Caller.Account), Resource: "access-entry/" + name + "/" + rest}
		return object{arn: none.String(), cluster: name}
	}
}

// entryKeys are the condition keys of an access entry (Service Authorization
// Reference, Amazon EKS, resource types).
func entryKeys(b *policy.ContextBuilder, e eks.AccessEntry) {
	b.Set("eks:clusterName", e.Cluster)
	b.Set("eks:principalArn", e.PrincipalARN)
	b.Set("eks:accessEntryType", eks.Standard)
	b.Set("eks:username", e.UsernameTemplate())
	if len(e.Groups) > 0 {
		b.SetMany("eks:kubernetesGroups", e.Groups)
	}
}

func findEntry(snap *registry.Snapshot, region, cluster, principal string) (eks.Cluster, eks.AccessEntry, error) {
	k, err := entriesOf(snap, region, cluster)
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	e, ok := snap.Entry(cluster, principal)
	if !ok {
		return eks.Cluster{}, eks.AccessEntry{}, &Error{NoSuchEntry, cluster, "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."}
	}
	return k, e, nil
}

// Entries is EKS ListAccessEntries: a cluster's entries, or those with a policy
// associated.
func (s *Service) Entries(ctx context.Context, c Call, name, policyARN string) ([]eks.AccessEntry, error) {
	snap, err := s.read(ctx, c, operation{action: "eks:ListAccessEntries", on: cluster(c, c.Info.Region, name)})
	if err != nil {
		return nil, err
	}
	if _, err := entriesOf(snap, c.Info.Region, name); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(snap.Entries(name), func(e eks.AccessEntry) bool {
		_, has := e.Association(policyARN)
		return policyARN != "" && !has
	}), nil
}

// UpdateEntry is EKS UpdateAccessEntry; nil leaves a field as it is.
func (s *Service) UpdateEntry(ctx context.Context, c Call, cluster, principal string, groups *[]string, username *string) (eks.Cluster, eks.AccessEntry, error) {
	op := operation{action: "eks:UpdateAccessEntry", on: entry(c, cluster, principal), asked: detail{"principal": principal}}
	if groups != nil {
		op.asked["groups"] = toJSON(append([]string{}, *groups...)) // an empty list is written down too
	}
	if username != nil {
		op.asked["username"] = *username
	}
	return s.changeEntry(ctx, c, op, cluster, principal, func(_ *registry.Snapshot, _ eks.Cluster, e eks.AccessEntry, now time.Time) (eks.AccessEntry, detail, error) {
		if groups != nil {
			e.Groups = *groups
		}
		if username != nil {
			e.Username = *username
		}
		e.Modified = now
		return e, nil, first(eks.CheckUsername(e.Username), eks.CheckGroups(e.Groups))
	})
}

// AssociatePolicy is EKS AssociateAccessPolicy: it replaces the scope of a
// policy that is associated already.
func (s *Service) AssociatePolicy(ctx context.Context, c Call, cluster, principal, policyARN string, scope eks.Scope) (eks.AccessEntry, error) {
	op := operation{action: "eks:AssociateAccessPolicy", on: entry(c, cluster, principal), keys: associationKeys(policyARN, scope),
		asked: detail{"principal": principal, "policy": policyARN, "scope": string(scope.Type)}.withJSON("namespaces", scope.Namespaces)}
	_, e, err := s.changeEntry(ctx, c, op, cluster, principal, func(snap *registry.Snapshot, k eks.Cluster, e eks.AccessEntry, now time.Time) (eks.AccessEntry, detail, error) {
		p, err := snap.AccessPolicy(policyARN)
		if err != nil {
			return e, nil, err
		}
		after := e.Associate(policyARN, scope, now)
		if err := first(eks.CheckScope(scope), after.CheckAssociations()); err != nil {
			return e, nil, err
		}
		return after, detail{}.with("warning", eks.KubeSystemWarning(k, p, scope)), nil
	})
	return e, err
}

// associationKeys are the condition keys of an association (Service
// Authorization Reference, Amazon EKS).
func associationKeys(policyARN string, scope eks.Scope) authz.Keys {
	return func(b *policy.ContextBuilder) {
		b.Set("eks:policyArn", policyARN)
		if scope.Type != "" {
			b.Set("eks:accessScope", string(scope.Type))
		}
		if len(scope.Namespaces) > 0 {
			b.SetMany("eks:namespaces", scope.Namespaces)
		}
	}
}

// DisassociatePolicy is EKS DisassociateAccessPolicy.
func (s *Service) DisassociatePolicy(ctx context.Context, c Call, cluster, principal, policyARN string) error {
	op := operation{action: "eks:DisassociateAccessPolicy", on: entry(c, cluster, principal), keys: associationKeys(policyARN, eks.Scope{}), asked: detail{"principal": principal, "policy": policyARN}}
	_, _, err := s.changeEntry(ctx, c, op, cluster, principal, func(_ *registry.Snapshot, _ eks.Cluster, e eks.AccessEntry, _ time.Time) (eks.AccessEntry, detail, error) {
		e, ok := e.Disassociate(policyARN)
		if !ok {
			return e, nil, &Error{NoSuchAssociation, cluster, "The specified policyArn is not associated with the access entry."}
		}
		return e, nil, nil
	})
	return err
}

// AssociatedPolicies is EKS ListAssociatedAccessPolicies.
func (s *Service) AssociatedPolicies(ctx context.Context, c Call, cluster, principal string) ([]eks.Association, error) {
	_, e, err := s.readEntry(ctx, c, "eks:ListAssociatedAccessPolicies", cluster, principal)
	return e.Policies, err
}

// DeleteEntry is EKS DeleteAccessEntry.
func (s *Service) DeleteEntry(ctx context.Context, c Call, cluster, principal string) error {
	op := operation{action: "eks:DeleteAccessEntry", on: entry(c, cluster, principal), asked: detail{"principal": principal}}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		_, e, err := findEntry(snap, c.Info.Region, cluster, principal)
		if err != nil {
			return decision{}, err
		}
		return decision{[]registry.Change{registry.DeleteEntry{Cluster: cluster, Principal: principal}}, detail{"id": e.UUID}}, nil
	})
}

// changeEntry is change for an operation that puts another entry in the place
// of one.
func (s *Service) changeEntry(ctx context.Context, c Call, op operation, cluster, principal string, update func(*registry.Snapshot, eks.Cluster, eks.AccessEntry, time.Time) (eks.AccessEntry, detail, error)) (eks.Cluster, eks.AccessEntry, error) {
	var k eks.Cluster
	var e eks.AccessEntry
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		var err error
		if k, e, err = findEntry(snap, c.Info.Region, cluster, principal); err != nil {
			return decision{}, err
		}
		made := detail{"id": e.UUID}
		var more detail
		if e, more, err = update(snap, k, e, now); err != nil {
			return decision{}, err
		}
		maps.Copy(made, more)
		return decision{[]registry.Change{registry.PutEntry{Entry: e}}, made}, nil
	})
	if err != nil {
		return eks.Cluster{}, eks.AccessEntry{}, err
	}
	return k, e, nil
}
