package iamwire

import "mayfly.internal/internal/wire/awsquery"

// Simulate is the request SimulateCustomPolicy, or SimulatePrincipalPolicy.
type Simulate struct {
	Source                                   string // PolicySourceArn, of SimulatePrincipalPolicy
	Policies, Boundary                       []string
	Actions, Resources                       []string
	ResourcePolicy, ResourceOwner, CallerARN string
	Context                                  []ContextEntry
	Section
}

// ContextEntry is a condition key and its values.
type ContextEntry struct {
	Key, Type string
	Values    []string
}

// The rules of a simulation's parameters. The model bounds no list; what a
// request may carry does.
var (
	listed       = awsquery.Rule{Required: true, Min: 1, Max: 2048}
	actionName   = awsquery.Rule{Required: true, Min: 3, Max: 128}
	resourceName = awsquery.Rule{Min: 1, Max: 2048}
	contextKey   = awsquery.Rule{Required: true, Min: 5, Max: 256}
	contextType  = awsquery.Rule{OneOf: []string{"string", "stringList", "numeric", "numericList", "boolean", "booleanList", "ip", "ipList", "binary", "binaryList", "date", "dateList"}}
)

const maxListed = 256 // what a request may carry, and no bound of the model's

// DecodeSimulateCustom reads the parameters of SimulateCustomPolicy.
// ResourceHandlingOption, about machines of EC2, is not read and so refused by
// name.
func DecodeSimulateCustom(r *awsquery.Request) (Simulate, error) {
	r.Needs("PolicyInputList")
	in := simulation(r)
	return in, r.Check()
}

// DecodeSimulatePrincipal reads the parameters of SimulatePrincipalPolicy.
func DecodeSimulatePrincipal(r *awsquery.Request) (Simulate, error) {
	in := simulation(r)
	in.Source = r.Text("PolicySourceArn", policyARN)
	return in, r.Check()
}

func simulation(r *awsquery.Request) Simulate {
	r.Needs("ActionNames")
	in := Simulate{
		Policies: r.List("PolicyInputList", maxListed, document), Boundary: r.List("PermissionsBoundaryPolicyInputList", 1, document),
		Actions: r.List("ActionNames", maxListed, actionName), Resources: r.List("ResourceArns", maxListed, listed),
		ResourcePolicy: r.Text("ResourcePolicy", optional(document)), ResourceOwner: r.Text("ResourceOwner", resourceName), CallerARN: r.Text("CallerArn", resourceName), Section: section(r),
	}
	for _, item := range r.Each("ContextEntries", maxListed) {
		in.Context = append(in.Context, ContextEntry{
			Key: r.Text(item+".ContextKeyName", contextKey), Type: r.Text(item+".ContextKeyType", contextType), Values: r.List(item+".ContextKeyValues", maxListed, awsquery.Rule{}),
		})
	}
	return in
}

// SimulateResult answers SimulateCustomPolicy and SimulatePrincipalPolicy.
type SimulateResult struct {
	Results     awsquery.Members[EvaluationResult] `xml:"EvaluationResults"`
	IsTruncated bool                               `xml:"IsTruncated"`
	Marker      string                             `xml:"Marker,omitempty"`
}

// EvaluationResult is what a simulation says of one action on one resource.
type EvaluationResult struct {
	Action   string                                `xml:"EvalActionName"`
	Resource string                                `xml:"EvalResourceName"`
	Decision string                                `xml:"EvalDecision"`
	Matched  awsquery.Members[MatchedStatement]    `xml:"MatchedStatements"`
	Missing  awsquery.Members[string]              `xml:"MissingContextValues"`
	Boundary *BoundaryDecision                     `xml:"PermissionsBoundaryDecisionDetail"`
	Details  *Entries[string]                      `xml:"EvalDecisionDetails"`     // where a resource was given
	Specific *awsquery.Members[ResourceEvaluation] `xml:"ResourceSpecificResults"` // likewise
}

// ResourceEvaluation is the same, as a result repeats it for the resource.
type ResourceEvaluation struct {
	Resource string                             `xml:"EvalResourceName"`
	Decision string                             `xml:"EvalResourceDecision"`
	Matched  awsquery.Members[MatchedStatement] `xml:"MatchedStatements"`
	Missing  awsquery.Members[string]           `xml:"MissingContextValues"`
	Details  *Entries[string]                   `xml:"EvalDecisionDetails"`
	Boundary *BoundaryDecision                  `xml:"PermissionsBoundaryDecisionDetail"`
}

// BoundaryDecision is what a permissions boundary says by itself.
type BoundaryDecision struct {
	Allowed bool `xml:"AllowedByPermissionsBoundary"`
}

// MatchedStatement is where a statement that matched stands.
type MatchedStatement struct {
	Policy string   `xml:"SourcePolicyId"`
	Type   string   `xml:"SourcePolicyType"`
	Start  Position `xml:"StartPosition"`
	End    Position `xml:"EndPosition"`
}

// Position is a place in a policy, from 1.
type Position struct {
	Line   int `xml:"Line"`
	Column int `xml:"Column"`
}
