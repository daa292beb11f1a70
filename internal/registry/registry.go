// Package registry is the configuration in force: providers, roles, managed
// policies, clusters, access entries and custom access policies as one immutable
// value, and the changes that make the next one.
//
// The hot paths read a Snapshot and nothing else. A change is a value too: a
// service decides which changes an operation means, the store writes exactly
// those, and the same changes make the new snapshot.
//
// It does not check whether a change is allowed or well-formed (control, iam
// and eks do), and it stores nothing.
package registry

import (
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
)

// Snapshot is all that is registered at one moment. It is immutable and safe
// to share; the zero value has nothing in it.
type Snapshot struct {
	Account    arn.AccountID
	Alias      string // of the account, or ""
	Generation int64  // 1 for a new account; each With adds one

	providers      table[string, oidc.Provider]     // :: "https://…" → provider
	roles          table[string, iam.Role]          // :: role name in lower case → role
	roleIDs        table[string, string]            // :: role id → role name in lower case
	policies       table[string, iam.ManagedPolicy] // :: policy id → policy
	policyIDs      table[string, string]            // :: policy name in lower case → policy id
	usage          table[string, PolicyUsage]       // :: policy id → how many roles refer to it
	clusters       table[string, eks.Cluster]       // :: cluster name → cluster
	entries        table[entryKey, eks.AccessEntry]
	byPrincipal    table[entryKey, string]          // :: cluster name, principal id → principal ARN of the entry
	accessPolicies table[string, *eks.AccessPolicy] // :: ARN → custom access policy
}

type entryKey struct{ cluster, principal string }

// New is the snapshot of an account in which nothing is registered but the
// administrator's role.
func New(account arn.AccountID, created time.Time) *Snapshot {
	return Restore(account, created, 1)
}

// Restore is the snapshot of an account as it was stored: generation is the one
// it had, changes make everything that is registered.
func Restore(account arn.AccountID, created time.Time, generation int64, changes ...Change) *Snapshot {
	s := &Snapshot{Account: account, Generation: generation}
	PutRole{iam.AdminRole(account, created)}.apply(s)
	for _, c := range changes {
		c.apply(s)
	}
	return s
}

// Provider is the provider of an issuer, compared byte for byte.
func (s *Snapshot) Provider(issuer string) (oidc.Provider, bool) {
	return s.providers.get(issuer)
}

// ProviderByARN is the provider an ARN names.
func (s *Snapshot) ProviderByARN(name arn.Provider) (oidc.Provider, bool) {
	p, ok := s.providers.get("https://" + name.URL)
	return p, ok && p.Account == name.Account
}

// Providers are all providers, by URL.
func (s *Snapshot) Providers() []oidc.Provider {
	return sorted(s.providers, func(p oidc.Provider) string { return p.URL }, nil)
}

// Role is the role of a name; names differ by more than case (IAM CreateRole,
// "RoleName").
func (s *Snapshot) Role(name string) (iam.Role, bool) {
	return s.roles.get(fold(name))
}

// fold is a name of a role or a policy in lower case: ASCII alone, which is all
// such a name can hold. strings.ToLower would make a k of the Kelvin sign.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, name)
}

// RoleByARN is the role an ARN names: account, path and name, all exactly.
func (s *Snapshot) RoleByARN(name arn.Role) (iam.Role, bool) {
	r, ok := s.Role(name.Name)
	if !ok || r.ARN() != name {
		return iam.Role{}, false
	}
	return r, true
}

// RoleByID is the role of an id.
func (s *Snapshot) RoleByID(id string) (iam.Role, bool) {
	key, _ := s.roleIDs.get(id)
	return s.roles.get(key)
}

// Roles are all roles, by name.
func (s *Snapshot) Roles() []iam.Role {
	return sorted(s.roles, func(r iam.Role) string { return r.Name }, nil)
}

// PolicyUsage is how many roles refer to a managed policy.
type PolicyUsage struct {
	Attached int // to have what it allows
	Boundary int // to be bounded by it
}

// Policy is the managed policy of an id, which is how roles refer to it.
func (s *Snapshot) Policy(id string) (iam.ManagedPolicy, bool) {
	return s.policies.get(id)
}

// PolicyByName is the managed policy of a name; names differ by more than case
// and path (IAM CreatePolicy, "PolicyName").
func (s *Snapshot) PolicyByName(name string) (iam.ManagedPolicy, bool) {
	id, _ := s.policyIDs.get(fold(name))
	return s.policies.get(id)
}

// PolicyByARN is the managed policy an ARN names: account, path and name, all
// exactly. What refers to a policy for longer than a request keeps its id.
func (s *Snapshot) PolicyByARN(name arn.Policy) (iam.ManagedPolicy, bool) {
	p, ok := s.PolicyByName(name.Name)
	if !ok || p.ARN() != name {
		return iam.ManagedPolicy{}, false
	}
	return p, true
}

// Policies are all managed policies, by name.
func (s *Snapshot) Policies() []iam.ManagedPolicy {
	return sorted(s.policies, func(p iam.ManagedPolicy) string { return p.Name }, nil)
}

// PolicyUsage is how many roles refer to the managed policy of an id.
func (s *Snapshot) PolicyUsage(id string) PolicyUsage {
	u, _ := s.usage.get(id)
	return u
}

// Cluster is the cluster of a name.
func (s *Snapshot) Cluster(name string) (eks.Cluster, bool) {
	return s.clusters.get(name)
}

// Clusters are all clusters, by name.
func (s *Snapshot) Clusters() []eks.Cluster {
	return sorted(s.clusters, func(c eks.Cluster) string { return c.Name }, nil)
}

// Entry is a cluster's entry for a principal ARN.
func (s *Snapshot) Entry(cluster, principal string) (eks.AccessEntry, bool) {
	return s.entries.get(entryKey{cluster, principal})
}

// EntryOfPrincipal is a cluster's entry that was made for the principal of an
// id (eks.AccessEntry, "PrincipalID"): not of a name, so that a role made anew
// under an old name finds none.
func (s *Snapshot) EntryOfPrincipal(cluster, id string) (eks.AccessEntry, bool) {
	principal, _ := s.byPrincipal.get(entryKey{cluster, id})
	e, ok := s.entries.get(entryKey{cluster, principal})
	return e, ok && id != ""
}

// Entries are a cluster's entries, by principal ARN.
func (s *Snapshot) Entries(cluster string) []eks.AccessEntry {
	return sorted(s.entries, func(e eks.AccessEntry) string { return e.PrincipalARN }, func(e eks.AccessEntry) bool { return e.Cluster == cluster })
}

// CustomPolicy is the custom access policy of an ARN.
func (s *Snapshot) CustomPolicy(arn string) (*eks.AccessPolicy, bool) {
	return s.accessPolicies.get(arn)
}

// CustomPolicies are all custom access policies, by name.
func (s *Snapshot) CustomPolicies() []*eks.AccessPolicy {
	return sorted(s.accessPolicies, func(p *eks.AccessPolicy) string { return p.Name }, nil)
}

// AccessPolicy is the access policy of an ARN, custom or AWS's own. Of any other
// ARN it gives eks.FindAccessPolicy's error.
func (s *Snapshot) AccessPolicy(arn string) (*eks.AccessPolicy, error) {
	if p, ok := s.CustomPolicy(arn); ok {
		return p, nil
	}
	return eks.FindAccessPolicy(arn)
}

// EntriesWith are the entries, of all clusters, that have an access policy
// associated, by cluster and principal ARN.
func (s *Snapshot) EntriesWith(policyARN string) []eks.AccessEntry {
	return sorted(s.entries, func(e eks.AccessEntry) string { return e.Cluster + " " + e.PrincipalARN }, func(e eks.AccessEntry) bool {
		_, has := e.Association(policyARN)
		return has
	})
}

// AccessPolicyUses are how many entries, of all clusters, have each access policy
// associated :: ARN → entries.
func (s *Snapshot) AccessPolicyUses() map[string]int {
	uses := map[string]int{}
	for _, e := range s.entries.all() {
		for _, a := range e.Policies {
			uses[a.PolicyARN]++
		}
	}
	return uses
}

// sorted are the values of a table for which keep holds, by name.
func sorted[K comparable, V any](t table[K, V], name func(V) string, keep func(V) bool) []V {
	var out []V
	for _, v := range t.all() {
		if keep == nil || keep(v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b V) int { return strings.Compare(name(a), name(b)) })
	return out
}
