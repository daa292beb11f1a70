package registry

import (
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
)

// Change is one step from a snapshot to the next.
type Change interface{ apply(*Snapshot) }

type (
	// PutProvider adds a provider or replaces the one of the same URL.
	PutProvider struct{ Provider oidc.Provider }
	// DeleteProvider removes the provider of a URL.
	DeleteProvider struct{ URL string }
	// PutRole adds a role or replaces the one of the same name.
	PutRole struct{ Role iam.Role }
	// DeleteRole removes a role.
	DeleteRole struct{ Name string }
	// PutPolicy adds a managed policy or replaces the one of the same name. Roles
	// refer to it by its id: with another id it is another policy to them.
	PutPolicy struct{ Policy iam.ManagedPolicy }
	// DeletePolicy removes the managed policy of an id. No role may refer to it:
	// the store refuses it then.
	DeletePolicy struct{ ID string }
	// SetAlias gives the account its alias; empty: none.
	SetAlias struct{ Alias string }
	// PutCluster adds a cluster or replaces the one of the same name. Entries of
	// another cluster of that name, one of another id, go with it.
	PutCluster struct{ Cluster eks.Cluster }
	// DeleteCluster removes a cluster and all its entries.
	DeleteCluster struct{ Name string }
	// PutEntry adds an access entry or replaces the one of the same principal.
	PutEntry struct{ Entry eks.AccessEntry }
	// DeleteEntry removes an access entry.
	DeleteEntry struct{ Cluster, Principal string }
	// PutAccessPolicy adds a custom access policy or replaces the one of the
	// same name.
	PutAccessPolicy struct{ Policy *eks.AccessPolicy }
	// DeleteAccessPolicy removes a custom access policy.
	DeleteAccessPolicy struct{ Name string }
)

func (c PutProvider) apply(s *Snapshot)    { s.providers.put(c.Provider.URL, c.Provider) }
func (c DeleteProvider) apply(s *Snapshot) { s.providers.remove(c.URL) }

func (c PutRole) apply(s *Snapshot) {
	DeleteRole{c.Role.Name}.apply(s)
	key := fold(c.Role.Name)
	s.roles.put(key, c.Role)
	s.roleIDs.put(c.Role.ID, key)
	s.count(c.Role, 1)
}

func (c DeleteRole) apply(s *Snapshot) {
	key := fold(c.Name)
	old, _ := s.roles.get(key)
	s.roleIDs.remove(old.ID)
	s.roles.remove(key)
	s.count(old, -1)
}

// count adds to the usage of the managed policies that a role refers to.
func (s *Snapshot) count(r iam.Role, n int) {
	add := func(id string, to PolicyUsage) {
		u := s.PolicyUsage(id)
		u.Attached, u.Boundary = u.Attached+to.Attached, u.Boundary+to.Boundary
		if u == (PolicyUsage{}) {
			s.usage.remove(id)
			return
		}
		s.usage.put(id, u)
	}
	for _, id := range r.Attached {
		add(id, PolicyUsage{Attached: n})
	}
	if r.Boundary != "" {
		add(r.Boundary, PolicyUsage{Boundary: n})
	}
}

func (c PutPolicy) apply(s *Snapshot) {
	key := fold(c.Policy.Name)
	if old, ok := s.policyIDs.get(key); ok && old != c.Policy.ID {
		s.policies.remove(old)
	}
	s.policies.put(c.Policy.ID, c.Policy)
	s.policyIDs.put(key, c.Policy.ID)
}

func (c DeletePolicy) apply(s *Snapshot) {
	old, ok := s.policies.get(c.ID)
	if !ok {
		return
	}
	s.policies.remove(c.ID)
	s.policyIDs.remove(fold(old.Name))
}

func (c SetAlias) apply(s *Snapshot) { s.Alias = c.Alias }

func (c PutCluster) apply(s *Snapshot) {
	if old, ok := s.clusters.get(c.Cluster.Name); ok && old.ID != c.Cluster.ID {
		DeleteCluster{old.Name}.apply(s)
	}
	s.clusters.put(c.Cluster.Name, c.Cluster)
}

func (c DeleteCluster) apply(s *Snapshot) {
	s.clusters.remove(c.Name)
	for _, e := range s.Entries(c.Name) {
		DeleteEntry{e.Cluster, e.PrincipalARN}.apply(s)
	}
}

func (c PutEntry) apply(s *Snapshot) {
	DeleteEntry{c.Entry.Cluster, c.Entry.PrincipalARN}.apply(s)
	s.entries.put(entryKey{c.Entry.Cluster, c.Entry.PrincipalARN}, c.Entry)
	s.byPrincipal.put(entryKey{c.Entry.Cluster, c.Entry.PrincipalID}, c.Entry.PrincipalARN)
}

func (c DeleteEntry) apply(s *Snapshot) {
	old, ok := s.entries.get(entryKey{c.Cluster, c.Principal})
	if !ok {
		return
	}
	s.entries.remove(entryKey{c.Cluster, c.Principal})
	if of, _ := s.byPrincipal.get(entryKey{c.Cluster, old.PrincipalID}); of == c.Principal {
		s.byPrincipal.remove(entryKey{c.Cluster, old.PrincipalID})
	}
}

func (c PutAccessPolicy) apply(s *Snapshot) { s.accessPolicies.put(c.Policy.ARN, c.Policy) }

func (c DeleteAccessPolicy) apply(s *Snapshot) {
	s.accessPolicies.remove(eks.AccessPolicyARN(s.Account, c.Name))
}

// With is the snapshot after some changes; s itself stays as it is.
func (s *Snapshot) With(changes ...Change) *Snapshot {
	next := &Snapshot{Account: s.Account, Alias: s.Alias, Generation: s.Generation + 1, providers: s.providers.next(), roles: s.roles.next(), roleIDs: s.roleIDs.next(),
		policies: s.policies.next(), policyIDs: s.policyIDs.next(), usage: s.usage.next(),
		clusters: s.clusters.next(), entries: s.entries.next(), byPrincipal: s.byPrincipal.next(), accessPolicies: s.accessPolicies.next()}
	for _, c := range changes {
		c.apply(next)
	}
	return next
}
