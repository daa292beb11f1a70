package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/registry"
)

// AccessPolicyUse is an access policy and how many entries, of all clusters,
// have it associated.
type AccessPolicyUse struct {
	*eks.AccessPolicy
	Entries int
}

// accessPolicy is the resource of an operation on the access policy of a name:
// one of AWS's own, or a custom one, be it there or not.
func accessPolicy(c Call, name string) resource {
	return fixed(eks.AccessPolicyARN(c.Caller.Account, name))
}

// findCustom finds the custom access policy of a name, for a change of it. AWS's
// own are refused by name.
func findCustom(snap *registry.Snapshot, name string) (*eks.AccessPolicy, error) {
	if err := eks.CheckAccessPolicyName(name); err != nil {
		return nil, err
	}
	p, ok := snap.CustomPolicy(eks.AccessPolicyARN(snap.Account, name))
	if !ok {
		return nil, noAccessPolicy(name)
	}
	return p, nil
}

func noAccessPolicy(name string) error {
	return &Error{NoSuchAccessPolicy, "", fmt.Sprintf("No access policy found for name: %s.", name)}
}

// CreateAccessPolicy makes a custom access policy. Until an entry is associated
// with it, it gives nobody anything.
func (s *Service) CreateAccessPolicy(ctx context.Context, c Call, name string, rules []eks.Rule) (*eks.AccessPolicy, error) {
	var p *eks.AccessPolicy
	op := operation{action: "mayfly:CreateAccessPolicy", on: accessPolicy(c, name), asked: detail{"rules": toJSON(rules)}}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		if err := first(eks.CheckAccessPolicyName(name), eks.CheckRules(rules)); err != nil {
			return decision{}, err
		}
		p = &eks.AccessPolicy{ARN: eks.AccessPolicyARN(snap.Account, name), Name: name, Rules: rules, Created: now, Modified: now}
		if _, taken := snap.CustomPolicy(p.ARN); taken {
			return decision{}, &Error{AccessPolicyExists, "", fmt.Sprintf("An access policy already exists with name: %s", name)}
		}
		if len(snap.CustomPolicies()) >= eks.MaxAccessPolicies {
			return decision{}, &eks.Error{Reason: eks.TooMany, Detail: fmt.Sprintf("There are %d custom access policies already, which is the most", eks.MaxAccessPolicies)}
		}
		return decision{changes: []registry.Change{registry.PutAccessPolicy{Policy: p}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// UpdateAccessPolicy puts other rules in the place of a custom policy's, for
// every entry that has it, at once. The warnings say which of these may now do
// more than it seems.
func (s *Service) UpdateAccessPolicy(ctx context.Context, c Call, name string, rules []eks.Rule) (use AccessPolicyUse, warnings []string, err error) {
	op := operation{action: "mayfly:UpdateAccessPolicy", on: accessPolicy(c, name), asked: detail{"rules": toJSON(rules)}}
	err = s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		old, err := findCustom(snap, name)
		if err != nil {
			return decision{}, err
		}
		if err := eks.CheckRules(rules); err != nil {
			return decision{}, err
		}
		p := *old
		p.Rules, p.Modified = rules, now
		entries := snap.EntriesWith(p.ARN)
		use, warnings = AccessPolicyUse{&p, len(entries)}, kubeSystemWarnings(snap, &p, entries)
		return decision{[]registry.Change{registry.PutAccessPolicy{Policy: &p}}, detail{}.with("warning", strings.Join(warnings, "; "))}, nil
	})
	if err != nil {
		return AccessPolicyUse{}, nil, err
	}
	return use, warnings, nil
}

// maxWarnings is how many warnings are given for one change: each stands for
// entries of one cluster.
const maxWarnings = 10

// kubeSystemWarnings are the warnings about a policy in the scopes its entries
// have it, one for a cluster.
func kubeSystemWarnings(snap *registry.Snapshot, p *eks.AccessPolicy, entries []eks.AccessEntry) (out []string) {
	warned := ""
	for _, e := range entries {
		k, _ := snap.Cluster(e.Cluster)
		as, _ := e.Association(p.ARN)
		if text := eks.KubeSystemWarning(k, p, as.Scope); text != "" && k.Name != warned && len(out) < maxWarnings {
			out, warned = append(out, text), k.Name
		}
	}
	return out
}

// DeleteAccessPolicy removes a custom access policy that no entry has: so an
// entry never finds another policy under the name it was given.
func (s *Service) DeleteAccessPolicy(ctx context.Context, c Call, name string) error {
	op := operation{action: "mayfly:DeleteAccessPolicy", on: accessPolicy(c, name)}
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		p, err := findCustom(snap, name)
		if err != nil {
			return decision{}, err
		}
		if n := len(snap.EntriesWith(p.ARN)); n > 0 {
			return decision{}, &Error{AccessPolicyInUse, "", fmt.Sprintf("The access policy %s is associated with %s.", name, counted(n, "access entry", "access entries"))}
		}
		return decision{changes: []registry.Change{registry.DeleteAccessPolicy{Name: name}}}, nil
	})
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

// AccessPolicy is the access policy of a name, custom or AWS's own.
func (s *Service) AccessPolicy(ctx context.Context, c Call, name string) (AccessPolicyUse, error) {
	snap, err := s.read(ctx, c, operation{action: "mayfly:DescribeAccessPolicy", on: accessPolicy(c, name)})
	if err != nil {
		return AccessPolicyUse{}, err
	}
	p, err := snap.AccessPolicy(eks.AccessPolicyARN(snap.Account, name))
	if err != nil && !eks.IsOwnPolicy(name) {
		err = noAccessPolicy(name)
	}
	if err != nil {
		return AccessPolicyUse{}, err
	}
	return AccessPolicyUse{p, len(snap.EntriesWith(p.ARN))}, nil
}

// AccessPolicies is EKS ListAccessPolicies: AWS's own and the custom ones.
func (s *Service) AccessPolicies(ctx context.Context, c Call) ([]*eks.AccessPolicy, error) {
	snap, err := s.read(ctx, c, operation{action: "eks:ListAccessPolicies", on: fixed("*")})
	if err != nil {
		return nil, err
	}
	return accessPolicies(snap), nil
}

func accessPolicies(snap *registry.Snapshot) []*eks.AccessPolicy {
	return append(eks.AccessPolicies(), snap.CustomPolicies()...)
}

// AccessPolicyUses are all access policies, AWS's own and the custom ones.
func (s *Service) AccessPolicyUses(ctx context.Context, c Call) ([]AccessPolicyUse, error) {
	all := arn.ARN{Partition: arn.Partition, Service: "eks", Account: string(c.Caller.Account), Resource: "cluster-access-policy/*"}
	snap, err := s.read(ctx, c, operation{action: "mayfly:ListAccessPolicies", on: fixed(all.String())})
	if err != nil {
		return nil, err
	}
	var out []AccessPolicyUse
	uses := snap.AccessPolicyUses()
	for _, p := range accessPolicies(snap) {
		out = append(out, AccessPolicyUse{p, uses[p.ARN]})
	}
	return out, nil
}
