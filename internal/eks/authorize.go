package eks

import (
	"fmt"
	"strings"

	"mayfly.internal/internal/wildcard"
)

// Attributes are what a Kubernetes request wants to do: the resource or the
// non-resource form of a SubjectAccessReview (authorization.k8s.io/v1).
//
// The field and label selectors of newer reviews are left out. They only narrow
// what is asked for, and an access policy cannot ask for one: what it allows
// without a selector it allows with one.
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
		return a.IsResource && a.Namespace != "" && !elsewhere(a) && s.names(a.Namespace)
	}
	return false
}

// elsewhere reports whether a request for a Namespace object stands under the
// name of another namespace. The API server puts the Namespace's own name into
// both (k8s.io/apiserver RequestInfo: /api/v1/namespaces/NAME is in the
// namespace NAME), so that a scope reaches the Namespace objects it names, as a
// RoleBinding does; /api/v1/namespaces/a/namespaces/b would be a in the one and
// b in the other.
func elsewhere(a Attributes) bool {
	return a.Group == "" && a.Resource == "namespaces" && a.Name != a.Namespace
}

func (s Scope) names(namespace string) bool {
	for _, pattern := range s.Namespaces {
		if matchNamespace(pattern, namespace) {
			return true
		}
	}
	return false
}

// matchNamespace compares a namespace with a name or a pattern. Only * is
// special: a namespace name holds no ?, and a pattern with one matches nothing.
func matchNamespace(pattern, namespace string) bool {
	switch {
	case strings.Contains(pattern, "?"):
		return false
	case strings.Contains(pattern, "*"):
		return wildcard.Compile(pattern).Match(namespace)
	}
	return pattern == namespace
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
// custom finds the policies that are not AWS's own.
func (e AccessEntry) Authorize(a Attributes, custom func(arn string) (*AccessPolicy, bool)) Opinion {
	for _, as := range e.Policies {
		p, found := awsPolicies[as.PolicyARN]
		if !found {
			p, found = custom(as.PolicyARN)
		}
		if found && as.Scope.Covers(a) && p.Allows(a) {
			return Opinion{Verdict: Allow, Policy: as.PolicyARN, Scope: as.Scope}
		}
	}
	return Opinion{}
}

// Reason is an Allow in the words EKS puts into a cluster's audit log, which
// are RBAC's with the association as the binding. It is "" for no opinion.
func (o Opinion) Reason(e AccessEntry, a Attributes) string {
	if o.Verdict != Allow {
		return ""
	}
	binding := fmt.Sprintf("ClusterRoleBinding %q", e.PrincipalARN+"+"+o.Policy)
	if o.Scope.Type == NamespaceScope {
		binding = fmt.Sprintf("RoleBinding %q", e.PrincipalARN+"+"+o.Policy+"/"+a.Namespace)
	}
	return fmt.Sprintf("EKS Access Policy: allowed by %s of ClusterRole %q to User %q", binding, o.Policy, e.PrincipalID)
}

// KubeSystemWarning says that an association makes its principal more than it
// seems: whoever may write the ConfigMap kube-system/aws-auth of a cluster that
// reads it can map itself to system:masters. It is "" where that is not so, and
// where the association gives the whole cluster openly.
func KubeSystemWarning(c Cluster, p *AccessPolicy, s Scope) string {
	if !c.Mode.ConfigMap() || s.Type == ClusterScope && p.Name == "AmazonEKSClusterAdminPolicy" {
		return ""
	}
	write := Attributes{IsResource: true, Namespace: "kube-system", Version: "v1", Resource: "configmaps", Name: "aws-auth"}
	for _, verb := range []string{"create", "update", "patch"} {
		if write.Verb = verb; s.Covers(write) && p.Allows(write) {
			return fmt.Sprintf("%s in kube-system of %s is cluster-admin: it may write the ConfigMap aws-auth, which this cluster reads (authentication mode %s), and so map itself to system:masters", p.Name, c.Name, c.Mode)
		}
	}
	return ""
}
