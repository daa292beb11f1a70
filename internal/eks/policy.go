package eks

import (
	_ "embed"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"mayfly.internal/internal/strictjson"
)

// AccessPolicy is a named set of Kubernetes verbs: one of AWS's own, or a custom
// one. It only allows; what it does not name it has no opinion on. It is
// immutable: whoever holds one shares it.
type AccessPolicy struct {
	ARN      string
	Name     string
	Rules    []Rule
	Created  time.Time // zero: AWS's own
	Modified time.Time // likewise
}

// BuiltIn reports whether the policy is AWS's own.
func (p *AccessPolicy) BuiltIn() bool { return awsPolicies[p.ARN] != nil }

// Rule allows some verbs on some resources, or on some non-resource URLs, as a
// rule of a Kubernetes ClusterRole does (k8s.io/api/rbac/v1 PolicyRule).
type Rule struct {
	APIGroups       []string `json:"apiGroups,omitempty"`       // "" is the core group, "*" all
	Resources       []string `json:"resources,omitempty"`       // "pods", "pods/log", "*", "*/scale"
	ResourceNames   []string `json:"resourceNames,omitempty"`   // empty: all names
	NonResourceURLs []string `json:"nonResourceURLs,omitempty"` // "/healthz", "/metrics/*", "*"
	Verbs           []string `json:"verbs"`                     // "*" is all
}

const accessPolicyPrefix = "arn:aws:eks::aws:cluster-access-policy/"

//go:embed policies.json
var policiesJSON []byte

// awsPolicies :: ARN → policy, AWS's own with their documented rules.
// namesOnly :: ARN → true, AWS's own that have a name and no published rules.
var awsPolicies, namesOnly = loadPolicies()

func loadPolicies() (map[string]*AccessPolicy, map[string]bool) {
	doc, err := strictjson.Parse(policiesJSON)
	if err != nil {
		panic("eks: policies.json: " + err.Error()) // unreachable: the file is compiled in
	}
	policies, names := map[string]*AccessPolicy{}, map[string]bool{}
	for _, v := range doc.Get("policies").Items() {
		name, _ := v.Get("name").Text()
		p := &AccessPolicy{ARN: accessPolicyPrefix + name, Name: name}
		for _, r := range v.Get("rules").Items() {
			p.Rules = append(p.Rules, Rule{
				APIGroups: texts(r.Get("apiGroups")), Resources: texts(r.Get("resources")), ResourceNames: texts(r.Get("resourceNames")),
				NonResourceURLs: texts(r.Get("nonResourceURLs")), Verbs: texts(r.Get("verbs")),
			})
		}
		policies[p.ARN] = p
	}
	for _, v := range doc.Get("namesOnly").Items() {
		name, _ := v.Text()
		names[accessPolicyPrefix+name] = true
	}
	return policies, names
}

func texts(v strictjson.Value) []string {
	var out []string
	for _, item := range v.Items() {
		s, _ := item.Text()
		out = append(out, s)
	}
	return out
}

// AccessPolicies are AWS's access policies whose rules are known, by name.
func AccessPolicies() []*AccessPolicy {
	out := make([]*AccessPolicy, 0, len(awsPolicies))
	for _, p := range awsPolicies {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// FindAccessPolicy is AWS's own access policy of an ARN. It refuses one whose
// rules AWS does not publish by name: guessing what it allows would be a hole.
// Custom policies are registry's to find.
func FindAccessPolicy(arn string) (*AccessPolicy, error) {
	if p := awsPolicies[arn]; p != nil {
		return p, nil
	}
	if namesOnly[arn] {
		return nil, refuse(NoSuchPolicy, "The access policy %s exists at AWS, which does not publish its rules; it is not supported here.", strings.TrimPrefix(arn, accessPolicyPrefix))
	}
	return nil, refuse(NoSuchPolicy, "The policyArn parameter format is not valid: no access policy is called %q. 'aws eks list-access-policies' lists them.", clip(arn))
}

// Allows reports whether a rule of the policy covers a request, whatever its
// namespace.
func (p *AccessPolicy) Allows(a Attributes) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.allows(a) })
}

// allows is Kubernetes' own matching (k8s.io/component-helpers/auth/rbac and
// k8s.io/kubernetes pkg/apis/rbac/v1, VerbMatches and its neighbours): each list
// must hold the value or "*"; a subresource is written "pods/log", and "*/scale"
// is the scale of anything. A rule with names matches no request without one: a
// list, or a create.
func (r Rule) allows(a Attributes) bool {
	if !holds(r.Verbs, a.Verb) {
		return false
	}
	if !a.IsResource {
		return slices.ContainsFunc(r.NonResourceURLs, func(pattern string) bool { return matchURL(pattern, a.Path) })
	}
	return holds(r.APIGroups, a.Group) && r.matchResource(a) && (len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.Name))
}

func (r Rule) matchResource(a Attributes) bool {
	want := a.Resource
	if a.Subresource != "" {
		want += "/" + a.Subresource
	}
	return slices.ContainsFunc(r.Resources, func(have string) bool {
		return have == want || have == "*" || a.Subresource != "" && have == "*/"+a.Subresource
	})
}

func holds(list []string, value string) bool {
	return slices.Contains(list, value) || slices.Contains(list, "*")
}

// matchURL compares a path with a rule's: * at the end stands for any rest.
func matchURL(pattern, path string) bool {
	if prefix := strings.TrimRight(pattern, "*"); prefix != pattern {
		return strings.HasPrefix(path, prefix)
	}
	return pattern == path
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// Reason says which rule of this room a value broke. Edges turn it into the
// service's error code.
type Reason uint8

const (
	InvalidValue  Reason = iota + 1 // a parameter is malformed
	NoSuchPolicy                    // no access policy of that ARN
	NotInThisMode                   // the cluster's authentication mode does not allow it
	TooMany                         // a quota
	NotSupported                    // AWS has it; Mayfly refuses it by name
)

// Error is a refusal of this room. Detail is a sentence for the caller.
type Error struct {
	Reason Reason
	Detail string
}

func (e *Error) Error() string { return e.Detail }

func refuse(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Detail: fmt.Sprintf(format, args...)}
}
