package authz

import (
	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// Simulation is policies and a caller to be asked about, while nobody does
// anything. Its answers are those of policy.Evaluate.
type Simulation struct {
	Caller   policy.Principal
	Account  arn.AccountID // the caller's
	Identity []Source
	Boundary []Source
	Resource []Source      // of every resource that is asked about
	Owner    arn.AccountID // of resources whose ARN names no account; empty: the caller's
	Context  policy.Context
}

// Outcome is what the policies of a simulation say of one action on one
// resource.
type Outcome struct {
	Action, Resource string
	Effect           policy.Effect
	// Matched are the statements that matched: of an explicit deny those that
	// deny; else those that allow, without the boundary's, which allow nothing.
	Matched []Match
	Missing []string // keys that statements about the action ask about, and that are not known
	Foreign bool     // the resource is of another account than the caller
	// Layers are what each layer that there is says by itself.
	Layers map[policy.Layer]policy.Effect
}

// Match is a statement that matched, and its policy.
type Match struct {
	Source
	Layer policy.Layer
	*policy.Statement
}

// Ask asks about an action on a resource.
func (s Simulation) Ask(action, resource string) Outcome {
	set := policy.Set{Identity: documents(s.Identity), Boundary: documents(s.Boundary), Resource: documents(s.Resource), ResourceAccount: s.ownerOf(resource)}
	d := policy.Evaluate(policy.Request{Principal: s.Caller, Action: action, Resource: resource, Context: s.Context}, set)
	out := Outcome{Action: action, Resource: resource, Effect: d.Effect, Foreign: set.ResourceAccount != s.Account, Layers: s.layers(d), Missing: s.missing(action)}
	for _, ref := range d.Statements {
		deny := d.Effect == policy.ExplicitDeny
		if ref.Denies() == deny && (deny || ref.Layer != policy.LayerBoundary) {
			out.Matched = append(out.Matched, Match{s.sources(ref.Layer)[ref.Document], ref.Layer, ref.Statement})
		}
	}
	return out
}

// ownerOf is the account that owns a resource.
func (s Simulation) ownerOf(resource string) arn.AccountID {
	if a, err := arn.Parse(resource); err == nil {
		if account, err := arn.ParseAccountID(a.Account); err == nil {
			return account
		}
	}
	if s.Owner != "" {
		return s.Owner
	}
	return s.Account
}

// sources are the policies of a layer.
func (s Simulation) sources(l policy.Layer) []Source {
	switch l {
	case policy.LayerIdentity:
		return s.Identity
	case policy.LayerBoundary:
		return s.Boundary
	case policy.LayerResource:
		return s.Resource
	}
	return nil
}

// simulated are the layers a simulation has.
var simulated = []policy.Layer{policy.LayerIdentity, policy.LayerResource, policy.LayerBoundary}

// layers are what the layers that there are say, each by itself.
func (s Simulation) layers(d policy.Decision) map[policy.Layer]policy.Effect {
	out := map[policy.Layer]policy.Effect{}
	for _, l := range simulated {
		if l == policy.LayerIdentity || len(s.sources(l)) > 0 {
			out[l] = policy.ImplicitDeny
		}
	}
	for _, ref := range d.Statements {
		switch {
		case ref.Denies():
			out[ref.Layer] = policy.ExplicitDeny
		case out[ref.Layer] != policy.ExplicitDeny:
			out[ref.Layer] = policy.Allow
		}
	}
	return out
}

// missing are the keys that statements about an action ask about and that the
// simulation does not know.
func (s Simulation) missing(action string) []string {
	var out []string
	seen := map[string]bool{} // :: policy.FoldKey → it was looked for
	for _, l := range simulated {
		for _, source := range s.sources(l) {
			if source.Document == nil {
				continue
			}
			for _, statement := range source.Document.Statements() {
				if statement.CoversAction(action) {
					out = s.addUnknown(out, seen, statement.Keys())
				}
			}
		}
	}
	return out
}

// addUnknown adds to a list the keys that are not known and were not looked for.
func (s Simulation) addUnknown(list []string, seen map[string]bool, keys []string) []string {
	for _, key := range keys {
		fold := policy.FoldKey(key)
		if _, _, known := s.Context.Values(key); !known && !seen[fold] {
			list = append(list, key)
		}
		seen[fold] = true
	}
	return list
}
