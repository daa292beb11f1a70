// Package registry is the configuration in force: providers, roles, clusters
// and access entries as one immutable value, and the changes that make the
// next one.
//
// The hot paths read a Snapshot and nothing else. A change is a value too: a
// service decides which changes an operation means, the store writes exactly
// those, and the same changes make the new snapshot.
//
// It does not check whether a change is allowed or well-formed (control, iam
// and eks do), and it stores nothing.
package registry

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/session"
)

// Snapshot is all that is registered at one moment. It is immutable and safe
// to share; the zero value has nothing in it.
type Snapshot struct {
	Account    arn.AccountID
	Generation int64 // grows with each change

	providers map[string]oidc.Provider // :: "https://…" → provider
	roles     map[string]iam.Role      // :: role name in lower case → role
	roleIDs   map[string]string        // :: role id → role name in lower case
	clusters  map[string]eks.Cluster   // :: cluster name → cluster
	entries   map[entryKey]eks.AccessEntry
	byRole    map[entryKey]string // :: cluster name, role id → principal ARN of the entry
}

type entryKey struct{ cluster, principal string }

// New is the snapshot of an account in which nothing is registered but the
// administrator's role.
func New(account arn.AccountID, created time.Time) *Snapshot {
	s := &Snapshot{Account: account, providers: map[string]oidc.Provider{}, roles: map[string]iam.Role{}, roleIDs: map[string]string{},
		clusters: map[string]eks.Cluster{}, entries: map[entryKey]eks.AccessEntry{}, byRole: map[entryKey]string{}}
	return s.With(PutRole{iam.AdminRole(account, created)})
}

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
	// PutCluster adds a cluster or replaces the one of the same name.
	PutCluster struct{ Cluster eks.Cluster }
	// DeleteCluster removes a cluster and all its entries.
	DeleteCluster struct{ Name string }
	// PutEntry adds an access entry or replaces the one of the same principal.
	PutEntry struct{ Entry eks.AccessEntry }
	// DeleteEntry removes an access entry.
	DeleteEntry struct{ Cluster, Principal string }
)

func (c PutProvider) apply(s *Snapshot)    { s.providers[c.Provider.URL] = c.Provider }
func (c DeleteProvider) apply(s *Snapshot) { delete(s.providers, c.URL) }

func (c PutRole) apply(s *Snapshot) {
	DeleteRole{c.Role.Name}.apply(s)
	key := strings.ToLower(c.Role.Name)
	s.roles[key], s.roleIDs[c.Role.ID] = c.Role, key
}

func (c DeleteRole) apply(s *Snapshot) {
	key := strings.ToLower(c.Name)
	delete(s.roleIDs, s.roles[key].ID)
	delete(s.roles, key)
}

func (c PutCluster) apply(s *Snapshot) { s.clusters[c.Cluster.Name] = c.Cluster }

func (c DeleteCluster) apply(s *Snapshot) {
	delete(s.clusters, c.Name)
	for k := range s.entries {
		if k.cluster == c.Name {
			DeleteEntry{k.cluster, k.principal}.apply(s)
		}
	}
}

func (c PutEntry) apply(s *Snapshot) {
	DeleteEntry{c.Entry.Cluster, c.Entry.PrincipalARN}.apply(s)
	s.entries[entryKey{c.Entry.Cluster, c.Entry.PrincipalARN}] = c.Entry
	s.byRole[entryKey{c.Entry.Cluster, c.Entry.PrincipalID}] = c.Entry.PrincipalARN
}

func (c DeleteEntry) apply(s *Snapshot) {
	old, ok := s.entries[entryKey{c.Cluster, c.Principal}]
	if !ok {
		return
	}
	delete(s.entries, entryKey{c.Cluster, c.Principal})
	if s.byRole[entryKey{c.Cluster, old.PrincipalID}] == c.Principal {
		delete(s.byRole, entryKey{c.Cluster, old.PrincipalID})
	}
}

// With is the snapshot after some changes; s itself stays as it is.
func (s *Snapshot) With(changes ...Change) *Snapshot {
	next := &Snapshot{Account: s.Account, Generation: s.Generation + 1, providers: maps.Clone(s.providers), roles: maps.Clone(s.roles), roleIDs: maps.Clone(s.roleIDs),
		clusters: maps.Clone(s.clusters), entries: maps.Clone(s.entries), byRole: maps.Clone(s.byRole)}
	for _, c := range changes {
		c.apply(next)
	}
	return next
}

// Provider is the provider of an issuer, compared byte for byte.
func (s *Snapshot) Provider(issuer string) (oidc.Provider, bool) {
	p, ok := s.providers[issuer]
	return p, ok
}

// ProviderByARN is the provider an ARN names.
func (s *Snapshot) ProviderByARN(name arn.Provider) (oidc.Provider, bool) {
	p, ok := s.providers["https://"+name.URL]
	return p, ok && p.Account == name.Account
}

// Providers are all providers, by URL.
func (s *Snapshot) Providers() []oidc.Provider {
	return sorted(s.providers, func(p oidc.Provider) string { return p.URL })
}

// Role is the role of a name; names differ by more than case (IAM CreateRole,
// "RoleName").
func (s *Snapshot) Role(name string) (iam.Role, bool) {
	r, ok := s.roles[strings.ToLower(name)]
	return r, ok
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
	r, ok := s.roles[s.roleIDs[id]]
	return r, ok
}

// Roles are all roles, by name.
func (s *Snapshot) Roles() []iam.Role {
	return sorted(s.roles, func(r iam.Role) string { return r.Name })
}

// Cluster is the cluster of a name.
func (s *Snapshot) Cluster(name string) (eks.Cluster, bool) {
	c, ok := s.clusters[name]
	return c, ok
}

// Clusters are all clusters, by name.
func (s *Snapshot) Clusters() []eks.Cluster {
	return sorted(s.clusters, func(c eks.Cluster) string { return c.Name })
}

// Entry is a cluster's entry for a principal ARN.
func (s *Snapshot) Entry(cluster, principal string) (eks.AccessEntry, bool) {
	e, ok := s.entries[entryKey{cluster, principal}]
	return e, ok
}

// EntryOfRole is a cluster's entry that was made for the role of an id: not of
// a name, so that a role made anew under an old name finds none.
func (s *Snapshot) EntryOfRole(cluster, roleID string) (eks.AccessEntry, bool) {
	e, ok := s.entries[entryKey{cluster, s.byRole[entryKey{cluster, roleID}]}]
	return e, ok && roleID != ""
}

// Entries are a cluster's entries, by principal ARN.
func (s *Snapshot) Entries(cluster string) []eks.AccessEntry {
	of := map[string]eks.AccessEntry{}
	for k, e := range s.entries {
		if k.cluster == cluster {
			of[k.principal] = e
		}
	}
	return sorted(of, func(e eks.AccessEntry) string { return e.PrincipalARN })
}

func sorted[K comparable, V any](m map[K]V, name func(V) string) []V {
	return slices.SortedFunc(maps.Values(m), func(a, b V) int { return strings.Compare(name(a), name(b)) })
}

// Why a session that opened is nobody's any more.
var (
	ErrExpired = errors.New("the session has expired")
	ErrGone    = errors.New("the session's role or identity provider no longer exists")
	ErrReader  = errors.New("the session may read one aws-auth ConfigMap and nothing else")
)

// Principal is who acts in a session: it holds only while the role and the
// provider it was made with exist, by id. It refuses with ErrExpired, ErrGone
// or, for a reader's session, ErrReader.
func (s *Snapshot) Principal(of session.Session, now time.Time) (session.Principal, error) {
	if of.Reader != "" {
		return session.Principal{}, ErrReader
	}
	if of.Expired(now) {
		return session.Principal{}, ErrExpired
	}
	role, ok := s.RoleByID(of.RoleID)
	if !ok {
		return session.Principal{}, ErrGone
	}
	if of.ProviderID != "" {
		if p, ok := s.Provider(of.Claims.Issuer); !ok || p.ID != of.ProviderID {
			return session.Principal{}, ErrGone
		}
	}
	return session.Principal{Session: of, Role: role.ARN(), Account: s.Account}, nil
}
