package control

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// SimulateInput is what SimulateCustomPolicy and SimulatePrincipalPolicy are
// asked for. Policies are texts.
type SimulateInput struct {
	Policies       []string // permission policies; beside those of the role, if one is asked about
	Boundary       []string // one at most; in place of the role's
	ResourcePolicy string
	ResourceOwner  string // ARN of an account's root
	CallerARN      string // of a role or a user
	Actions        []string
	Resources      []string // ARNs; none: *
	Context        []ContextEntry
	Skip, Max      int // which of the outcomes are wanted
}

// ContextEntry is a condition key and its values.
type ContextEntry struct {
	Key    string
	Type   string // of the model's ContextKeyTypeEnum; empty: string, or of many values stringList
	Values []string
}

// SimulateCustom is IAM SimulateCustomPolicy: what some policies say, each
// action on each resource in turn, and whether there are more outcomes. There may
// be fewer than were wanted when there are more.
func (s *Service) SimulateCustom(ctx context.Context, c Call, in SimulateInput) ([]authz.Outcome, bool, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:SimulateCustomPolicy", on: everything})
	if err != nil {
		return nil, false, err
	}
	sim := authz.Simulation{Caller: policy.RootPrincipal(snap.Account), Account: snap.Account}
	if in.ResourcePolicy != "" && in.CallerARN == "" {
		return nil, false, iam.Refuse(iam.InvalidInput, "CallerArn is required with ResourcePolicy: its Principal element needs somebody to be compared with.")
	}
	return simulate(snap, sim, in, nil)
}

// SimulatePrincipal is IAM SimulatePrincipalPolicy: the same of the policies a
// role has now, within its boundary.
func (s *Service) SimulatePrincipal(ctx context.Context, c Call, source string, in SimulateInput) ([]authz.Outcome, bool, error) {
	snap, err := s.read(ctx, c, operation{action: "iam:SimulatePrincipalPolicy", on: roleOfARN(source)})
	if err != nil {
		return nil, false, err
	}
	name, err := arn.ParseRole(source)
	if err != nil {
		return nil, false, iam.Refuse(iam.InvalidInput, "Invalid Entity Arn: %s. The policies of roles can be simulated; there are no users and groups here.", source)
	}
	r, ok := snap.RoleByARN(name)
	if !ok {
		return nil, false, iam.NoSuchRole(name.Name)
	}
	of := authz.OfRole(snap, r)
	for i, p := range of.Identity { // AWS's name for a role's inline policy
		if p.Managed == (arn.Policy{}) {
			of.Identity[i].Name = "role_" + r.Name + "_" + p.Name
		}
	}
	sim := authz.Simulation{Caller: policy.RolePrincipal(name, r.ID), Account: snap.Account, Identity: of.Identity, Boundary: of.Boundary}
	return simulate(snap, sim, in, authz.RoleKeys(r))
}

// roleOfARN is the resource of an operation on the role of an ARN.
func roleOfARN(name string) resource {
	return func(snap *registry.Snapshot) object {
		n, _ := arn.ParseRole(name)
		r, _ := snap.RoleByARN(n)
		return object{arn: name, tags: tagMap(r.Tags)}
	}
}

// simulate completes a simulation by what is asked for, and asks. known are keys
// that are known unless others are given.
func simulate(snap *registry.Snapshot, sim authz.Simulation, in SimulateInput, known map[string]string) ([]authz.Outcome, bool, error) {
	if err := first(addPolicies(&sim, in), addCaller(snap, &sim, in), addContext(&sim, in.Context, known), checkActions(in.Actions)); err != nil {
		return nil, false, err
	}
	resources := in.Resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	for _, r := range resources {
		if _, err := arn.Parse(r); err != nil && r != "*" {
			return nil, false, iam.Refuse(iam.InvalidInput, "Invalid resource ARN: %s", r)
		}
	}
	var out []authz.Outcome
	all, shown := len(in.Actions)*len(resources), 0
	next := in.Skip
	for ; next < min(in.Skip+in.Max, all) && shown < maxShown; next++ {
		o := sim.Ask(in.Actions[next/len(resources)], resources[next%len(resources)])
		out, shown = append(out, o), shown+len(o.Matched)+len(o.Missing)
	}
	return out, next < all, nil
}

// maxShown is how many statements and keys one answer shows before it ends early,
// as IAM's may: every statement may match every action on every resource, and ask
// about many keys.
const maxShown = 5000

// addPolicies adds the policies that were given as texts, by AWS's names for
// them.
func addPolicies(sim *authz.Simulation, in SimulateInput) error {
	parse := func(kind policy.Kind, name, text string) (authz.Source, error) {
		d, err := policy.Parse(kind, []byte(text))
		if err != nil {
			return authz.Source{}, iam.Refuse(iam.InvalidInput, "%s: %v", name, err)
		}
		return authz.Source{Name: name, Document: d}, nil
	}
	for i, text := range in.Policies {
		p, err := parse(policy.Permission, numbered("PolicyInputList", i), text)
		if err != nil {
			return err
		}
		sim.Identity = append(sim.Identity, p)
	}
	for i, text := range in.Boundary {
		p, err := parse(policy.Boundary, numbered("PermissionsBoundaryPolicyInputList", i), text)
		if err != nil {
			return err
		}
		sim.Boundary = []authz.Source{p}
	}
	if in.ResourcePolicy == "" {
		return nil
	}
	p, err := parse(policy.Resource, "ResourcePolicy", in.ResourcePolicy)
	sim.Resource = []authz.Source{p}
	return err
}

// addCaller adds who is to be compared with a resource's policy, and who owns
// resources whose ARN does not say so.
func addCaller(snap *registry.Snapshot, sim *authz.Simulation, in SimulateInput) error {
	if in.ResourceOwner != "" {
		a, _ := arn.Parse(in.ResourceOwner)
		owner, err := arn.ParseAccountID(a.Account)
		if err != nil || in.ResourceOwner != "arn:"+arn.Partition+":iam::"+a.Account+":root" {
			return iam.Refuse(iam.InvalidInput, "ResourceOwner is not the ARN of an account: arn:aws:iam::ACCOUNT:root is wanted")
		}
		sim.Owner = owner
	}
	if in.CallerARN == "" {
		return nil
	}
	if name, err := arn.ParseRole(in.CallerARN); err == nil {
		r, _ := snap.RoleByARN(name)
		sim.Caller, sim.Account = policy.RolePrincipal(name, r.ID), name.Account
		return nil
	}
	a, _ := arn.Parse(in.CallerARN)
	account, err := arn.ParseAccountID(a.Account)
	if err != nil || a.Partition != arn.Partition || a.Service != "iam" || !strings.HasPrefix(a.Resource, "user/") {
		return iam.Refuse(iam.InvalidInput, "CallerArn is not the ARN of a role or a user: %s", in.CallerARN)
	}
	sim.Caller, sim.Account = policy.UserPrincipal(a), account
	return nil
}

// contextTests :: type of a context entry, without List → the test its values
// must pass.
var contextTests = map[string]policy.Test{
	"string": policy.StringEquals, "numeric": policy.NumericEquals, "boolean": policy.Bool, "ip": policy.IPAddress, "binary": policy.BinaryEquals, "date": policy.DateEquals,
}

// addContext adds the condition keys that were given, and of those known the
// others.
func addContext(sim *authz.Simulation, entries []ContextEntry, known map[string]string) error {
	var b policy.ContextBuilder
	for _, e := range entries {
		base, many := strings.CutSuffix(e.Type, "List")
		if e.Type == "" {
			base, many = "string", len(e.Values) > 1
		}
		for _, v := range e.Values {
			if !contextTests[base].Compares(v) {
				return iam.Refuse(iam.InvalidInput, "Invalid value for context key %s: %q is no %s", e.Key, v, base)
			}
		}
		switch {
		case many:
			b.SetMany(e.Key, e.Values)
		case len(e.Values) == 1:
			b.Set(e.Key, e.Values[0])
		default:
			return iam.Refuse(iam.InvalidInput, "Context key %s must have one value: it is of the type %s", e.Key, base)
		}
	}
	for key, value := range known {
		given := func(e ContextEntry) bool { return policy.SameKey(e.Key, key) }
		if !slices.ContainsFunc(entries, given) {
			b.Set(key, value)
		}
	}
	var err error
	if sim.Context, err = b.Context(); err != nil {
		return iam.Refuse(iam.InvalidInput, "A context key is given twice: %v", err)
	}
	return nil
}

// checkActions refuses what is no action, and the assuming of roles: a trust
// policy decides on it, and a simulation has none.
func checkActions(actions []string) error {
	for _, a := range actions {
		service, name, ok := strings.Cut(a, ":")
		switch {
		case !ok || service == "" || name == "" || strings.ContainsAny(a, "*? ") || strings.Contains(name, ":"):
			return iam.Refuse(iam.InvalidInput, "Invalid action name: %s. One like iam:CreateRole is wanted, without wildcards.", a)
		case policy.NeedsTrust(a):
			return iam.Refuse(iam.InvalidInput, "The simulation of %s is not supported: the trust policy of the role to assume decides.", a)
		}
	}
	return nil
}

// numbered is the name of an item of a list, from 1.
func numbered(list string, i int) string { return list + "." + strconv.Itoa(i+1) }
