package eks

import (
	"mayfly.internal/internal/wildcard"
)

// Attributes are what a Kubernetes request wants to do: the resource or the
// non-resource form of a SubjectAccessReview (authorization.k8s.io/v1).
type Attributes struct {
	IsResource  bool
	Verb        string
	Namespace   string // empty: cluster-scoped, or all namespaces
	Group       string
	Version     string
	Resource    string
	Subresource string
	Name        string
	Path        string // of a non-resource request
}

// ScopeType is how far an association reaches. The zero value reaches nothing.
type ScopeType string

const (
	ClusterScope   ScopeType = "cluster"
	NamespaceScope ScopeType = "namespace"
)

// Scope is where an associated access policy applies.
type Scope struct {
	Type       ScopeType
	Namespaces []string // with NamespaceScope: names, with * for any run of characters
}

// Covers reports whether a request lies in the scope. A namespace scope covers
// only requests in one namespace it names: a cluster-scoped request and a list
// over all namespaces have no namespace and are never covered, not even by
// "*". A non-resource request is covered by a cluster scope alone.
func (s Scope) Covers(a Attributes) bool {
	switch s.Type {
	case ClusterScope:
		return true
	case NamespaceScope:
		if !a.IsResource || a.Namespace == "" {
			return false
		}
		for _, pattern := range s.Namespaces {
			if matchNamespace(pattern, a.Namespace) {
				return true
			}
		}
	}
	return false
}

// matchNamespace compares a namespace with a name or a pattern. Only * is
// special: a namespace name holds no ?, and neither may a pattern.
func matchNamespace(pattern, namespace string) bool {
	return wildcard.Compile(pattern).Match(namespace)
}

// Verdict is what the authorizer thinks of a request. The zero value is no
// opinion.
type Verdict uint8

const (
	NoOpinion Verdict = iota
	Allow
)

// Opinion is a verdict and the association it rests on.
type Opinion struct {
	Verdict Verdict
	Policy  string // ARN of the access policy that allows
	Scope   Scope
}

// Authorize asks every association of the entry. It allows if one of them
// covers the request and its policy has a rule for it; else it has no opinion.
func (e AccessEntry) Authorize(a Attributes) Opinion {
	for _, as := range e.Policies {
		p, err := FindAccessPolicy(as.PolicyARN)
		if err == nil && as.Scope.Covers(a) && p.Allows(a) {
			return Opinion{Verdict: Allow, Policy: as.PolicyARN, Scope: as.Scope}
		}
	}
	return Opinion{}
}
