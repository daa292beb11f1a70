package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/mayflywire"
)

// kubeSystem looks at what roles of a Mayfly server may do in its clusters, for
// those whose namespaced access makes them administrators (CONTRACTS: a scope on
// kube-system with write, where aws-auth is read). What the caller may not see is
// said, and no reason to fail: the verdict is about who gets the role.
func (p *proving) kubeSystem(ctx context.Context, roles []trusting) map[string][]string {
	out := map[string][]string{} // :: role → sentences
	if len(p.roles.files) > 0 || p.realAWS() {
		return out
	}
	if err := p.lookAtClusters(ctx, roles, out); err != nil {
		fmt.Fprintf(p.stderr, "mayfly: what the roles may do in clusters is not known: %s\n", plain(err.Error()))
	}
	return out
}

func (p *proving) lookAtClusters(ctx context.Context, roles []trusting, out map[string][]string) error {
	own, err := p.client()
	if err != nil {
		return err
	}
	clusters, err := own.Clusters(ctx)
	if err != nil {
		return err
	}
	rules := map[string]*eks.AccessPolicy{} // :: name → the policy
	for _, k := range clusters {
		at := eks.Cluster{Name: k.Name, Mode: eks.AuthenticationMode(k.AuthenticationMode)}
		if !at.Mode.ConfigMap() {
			continue
		}
		config, err := p.awsConfig(ctx)
		if err != nil {
			return err
		}
		config.Region = k.Region
		api, err := newAWS(config)
		if err != nil {
			return err
		}
		for _, r := range roles {
			list, err := api.AccessPolicies(ctx, k.Name, r.arn)
			if e, ok := errors.AsType[*client.Error](err); ok && e.Code == "ResourceNotFoundException" {
				continue // no entry
			}
			if err != nil {
				return err
			}
			for _, a := range list {
				policy, err := accessPolicy(ctx, own, rules, a)
				if err != nil {
					return err
				}
				scope := eks.Scope{Type: eks.ScopeType(a.Scope.Type), Namespaces: a.Scope.Namespaces}
				if warning := eks.KubeSystemWarning(at, policy, scope); warning != "" && !slices.Contains(out[r.name], warning) {
					out[r.name] = append(out[r.name], warning)
				}
			}
		}
	}
	return nil
}

// accessPolicy is an associated policy with its rules.
func accessPolicy(ctx context.Context, own *client.Client, known map[string]*eks.AccessPolicy, a ekswire.AssociatedPolicy) (*eks.AccessPolicy, error) {
	if p := known[a.PolicyARN]; p != nil {
		return p, nil
	}
	list, err := own.AccessPolicies(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(p mayflywire.AccessPolicy) bool { return p.ARN == a.PolicyARN })
	if i < 0 {
		return &eks.AccessPolicy{ARN: a.PolicyARN}, nil // it gives nothing
	}
	full, err := own.AccessPolicy(ctx, list[i].Name)
	if err != nil {
		return nil, err
	}
	p := &eks.AccessPolicy{ARN: full.ARN, Name: full.Name}
	for _, r := range full.Rules {
		p.Rules = append(p.Rules, eks.Rule(r))
	}
	known[a.PolicyARN] = p
	return p, nil
}
