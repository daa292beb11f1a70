package eks

import (
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"mayfly.internal/internal/arn"
)

// Limits of custom access policies. They are ours: EKS has no such policies
// (aws/containers-roadmap#2411). They leave room for Kubernetes' ClusterRole
// admin ten times over, and bound what one request can cost.
const (
	MaxAccessPolicies = 500  // of an account
	maxRules          = 500  // of a policy
	maxRuleTexts      = 5000 // of a policy, in all lists of all its rules
	maxRuleText       = 253  // the length of a Kubernetes name
)

// AccessPolicyARN is the ARN of the access policy that a name means: one of
// AWS's own, or a custom one of the account.
func AccessPolicyARN(account arn.AccountID, name string) string {
	if IsOwnPolicy(name) {
		return accessPolicyPrefix + name
	}
	return arn.ARN{Partition: arn.Partition, Service: "eks", Account: string(account), Resource: "cluster-access-policy/" + name}.String()
}

// IsOwnPolicy reports whether a name is that of one of AWS's own access policies,
// those without published rules among them.
func IsOwnPolicy(name string) bool {
	own := accessPolicyPrefix + name
	return awsPolicies[own] != nil || namesOnly[own]
}

// CheckAccessPolicyName refuses a name that no custom access policy can have:
// it is one of a cluster's form, and cannot be taken for one of AWS's.
func CheckAccessPolicyName(name string) error {
	if !IsClusterName(name) {
		return refuse(InvalidValue, "The access policy name %q is invalid: a letter or digit and then letters, digits, - and _ are wanted, 100 at most", clip(name))
	}
	for own := range ownARNs() {
		if strings.EqualFold(own, accessPolicyPrefix+name) {
			return refuse(NotSupported, "The access policy %s is AWS's own: it cannot be made, changed or deleted", name)
		}
	}
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "amazon") || strings.HasPrefix(lower, "aws") {
		return refuse(InvalidValue, "The access policy name %q is invalid: names that begin with Amazon or AWS are kept for AWS's own", name)
	}
	return nil
}

// ownARNs are the ARNs of AWS's own policies, those without published rules
// among them.
func ownARNs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for arn := range awsPolicies {
			if !yield(arn) {
				return
			}
		}
		for arn := range namesOnly {
			if !yield(arn) {
				return
			}
		}
	}
}

// CheckRules refuses rules that a ClusterRole could not have (Kubernetes,
// pkg/apis/rbac/validation), and those that would allow nothing where they seem
// to: RBAC compares all but a few stars as plain text.
func CheckRules(rules []Rule) error {
	if len(rules) == 0 || len(rules) > maxRules {
		return refuse(InvalidValue, "An access policy has 1 to %d rules", maxRules)
	}
	texts := 0
	for i, r := range rules {
		if err := r.check(fmt.Sprintf("rules[%d]", i)); err != nil {
			return err
		}
		texts += len(r.APIGroups) + len(r.Resources) + len(r.ResourceNames) + len(r.NonResourceURLs) + len(r.Verbs)
	}
	if texts > maxRuleTexts {
		return refuse(InvalidValue, "The rules of an access policy hold %d verbs, groups, resources, names and URLs at most", maxRuleTexts)
	}
	return nil
}

func (r Rule) check(at string) error {
	switch {
	case len(r.Verbs) == 0:
		return refuse(InvalidValue, "%s.verbs is missing", at)
	case len(r.NonResourceURLs) > 0 && len(r.APIGroups)+len(r.Resources)+len(r.ResourceNames) > 0:
		return refuse(InvalidValue, "%s is for resources and for nonResourceURLs: one of them is wanted", at)
	case len(r.NonResourceURLs) == 0 && len(r.APIGroups) == 0:
		return refuse(InvalidValue, `%s.apiGroups is missing: the core group is ""`, at)
	case len(r.NonResourceURLs) == 0 && len(r.Resources) == 0:
		return refuse(InvalidValue, "%s.resources is missing", at)
	}
	for _, list := range []struct {
		name  string
		texts []string
		is    func(string) bool
		want  string
	}{
		{"verbs", r.Verbs, func(s string) bool { return s == "*" || isWord(s) }, "a verb such as get, or * for all"},
		{"apiGroups", r.APIGroups, isGroup, `a group such as apps, without its version, "" for the core group, or * for all`},
		{"resources", r.Resources, isResource, "a resource such as pods, pods/log or */scale, or * for all"},
		{"resourceNames", r.ResourceNames, isWord, "a name without *; all names are meant where resourceNames is missing"},
		{"nonResourceURLs", r.NonResourceURLs, isURL, "a path such as /healthz, or one that ends in * such as /metrics/*"},
	} {
		for i, text := range list.texts {
			if len(text) > maxRuleText || !list.is(text) {
				return refuse(InvalidValue, "%s.%s[%d] is %q: %s, is wanted, %d characters at most", at, list.name, i, clip(text), list.want, maxRuleText)
			}
		}
	}
	return nil
}

// isWord reports whether a text is one that RBAC compares as it is.
func isWord(s string) bool {
	return s != "" && !strings.Contains(s, "*") && !hasControl(s) && utf8.ValidString(s)
}

func isGroup(s string) bool {
	return s == "" || s == "*" || isWord(s) && !strings.Contains(s, "/")
}

func isResource(s string) bool {
	resource, sub, divided := strings.Cut(s, "/")
	switch {
	case !divided:
		return s == "*" || isWord(s)
	case !isWord(sub) || strings.Contains(sub, "/"):
		return false
	}
	return resource == "*" || isWord(resource)
}

func isURL(s string) bool {
	path := strings.TrimSuffix(s, "*")
	return s == "*" || strings.HasPrefix(path, "/") && isWord(path)
}
