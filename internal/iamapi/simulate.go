package iamapi

import (
	"cmp"
	"context"
	"strconv"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

func (a *API) simulateCustom(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeSimulateCustom(r)
	if err != nil {
		return nil, err
	}
	asked := simulateInput(in)
	out, more, err := a.Control.SimulateCustom(ctx, c, asked)
	if err != nil {
		return nil, err
	}
	return encodeSimulation(out, more, asked), nil
}

func (a *API) simulatePrincipal(ctx context.Context, c control.Call, r *awsquery.Request) (any, error) {
	in, err := iamwire.DecodeSimulatePrincipal(r)
	if err != nil {
		return nil, err
	}
	asked := simulateInput(in)
	out, more, err := a.Control.SimulatePrincipal(ctx, c, in.Source, asked)
	if err != nil {
		return nil, err
	}
	return encodeSimulation(out, more, asked), nil
}

func simulateInput(in iamwire.Simulate) control.SimulateInput {
	out := control.SimulateInput{
		Policies: in.Policies, Boundary: in.Boundary, ResourcePolicy: in.ResourcePolicy, ResourceOwner: in.ResourceOwner, CallerARN: in.CallerARN,
		Actions: in.Actions, Resources: in.Resources, Skip: in.Skip, Max: cmp.Or(in.MaxItems, defaultPage),
	}
	for _, e := range in.Context {
		out.Context = append(out.Context, control.ContextEntry(e))
	}
	return out
}

func encodeSimulation(list []authz.Outcome, more bool, in control.SimulateInput) iamwire.SimulateResult {
	out := iamwire.SimulateResult{IsTruncated: more}
	if more {
		out.Marker = strconv.Itoa(in.Skip + len(list))
	}
	for _, o := range list {
		out.Results.Member = append(out.Results.Member, encodeOutcome(o))
	}
	return out
}

// encodeOutcome is an outcome as AWS has it: of what nothing allows, no statement
// decides; with a resource the result is repeated for it.
func encodeOutcome(o authz.Outcome) iamwire.EvaluationResult {
	specific := iamwire.ResourceEvaluation{Resource: o.Resource, Decision: decisions[o.Effect], Matched: encodeMatched(o.Matched), Missing: awsquery.List(o.Missing), Details: encodeLayers(o)}
	if boundary, bounded := o.Layers[policy.LayerBoundary]; bounded {
		specific.Boundary = &iamwire.BoundaryDecision{Allowed: boundary == policy.Allow}
	}
	out := iamwire.EvaluationResult{Action: o.Action, Resource: o.Resource, Decision: specific.Decision, Missing: specific.Missing, Boundary: specific.Boundary}
	if o.Effect != policy.ImplicitDeny {
		out.Matched = specific.Matched
	}
	if o.Resource != "*" {
		list := awsquery.List([]iamwire.ResourceEvaluation{specific})
		out.Details, out.Specific = cmp.Or(specific.Details, &iamwire.Entries[string]{}), &list
	}
	return out
}

// decisions :: effect → AWS's word.
var decisions = map[policy.Effect]string{policy.Allow: "allowed", policy.ExplicitDeny: "explicitDeny", policy.ImplicitDeny: "implicitDeny"}

// layerNames :: layer → AWS's name for the type of policy.
var layerNames = map[policy.Layer]string{policy.LayerIdentity: "IAM Policy", policy.LayerResource: "Resource Policy", policy.LayerBoundary: "Permissions Boundary Policy"}

// encodeLayers is what each type of policy says, where the resource is of
// another account.
func encodeLayers(o authz.Outcome) *iamwire.Entries[string] {
	if !o.Foreign {
		return nil
	}
	says := map[string]string{}
	for l, effect := range o.Layers {
		says[layerNames[l]] = decisions[effect]
	}
	out := iamwire.Map(says)
	return &out
}

func encodeMatched(list []authz.Match) awsquery.Members[iamwire.MatchedStatement] {
	var out []iamwire.MatchedStatement
	for _, m := range list {
		out = append(out, iamwire.MatchedStatement{Policy: m.Source.Name, Type: layerNames[m.Layer], Start: encodePosition(m.Position()), End: encodePosition(m.End())})
	}
	return awsquery.List(out)
}

func encodePosition(p policy.Position) iamwire.Position {
	return iamwire.Position{Line: p.Line, Column: p.Column}
}
