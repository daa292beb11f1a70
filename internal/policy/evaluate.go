package policy

import "mayfly.internal/internal/arn"

// Request is what is asked: may this principal do this action to this resource,
// all that is known being the context.
type Request struct {
	Principal Principal
	Action    string // like "eks:DescribeCluster"; case does not count
	// Resource is the ARN of what the action is done to, or "*" for an action
	// that has no resource. A trust policy does not look at it.
	Resource string
	Context  Context
}

// Set is all policies that have a say, by where they stand. No policies, in any
// of the lists: nothing of that sort is attached.
type Set struct {
	// Resource are the policies of the resource: the role's trust policy when a
	// role is assumed.
	Resource []*Document
	// ResourceAccount owns the resource. If it is not the principal's account,
	// or empty, both sides must allow.
	ResourceAccount arn.AccountID
	// Identity are the permission policies of the principal.
	Identity []*Document
	// Session are the session policies: if there are any, one must allow.
	Session []*Document
	// Boundary is the permissions boundary: if there is one, it must allow.
	Boundary []*Document
}

// Evaluate decides. It looks at every statement of every policy.
//
// A document that is nil, or of a kind that does not belong where it stands, is
// a policy nobody can read: the request is denied. (IAM User Guide, "Policy
// evaluation logic"; the package comment has the rules.)
func Evaluate(req Request, set Set) Decision {
	e := evaluation{req: req, bounded: len(set.Boundary) > 0}
	e.run(set)
	return Decision{Effect: e.effect(set), Statements: e.refs}
}

type evaluation struct {
	req     Request
	bounded bool // the principal has a permissions boundary
	explain *Explanation

	refs     []StatementRef
	denied   bool
	resource grant // the closest a matching Allow of a resource policy names the principal
	allowed  [LayerBoundary + 1]bool
}

func (e *evaluation) run(set Set) {
	e.layer(LayerResource, set.Resource)
	e.layer(LayerIdentity, set.Identity)
	e.layer(LayerSession, set.Session)
	e.layer(LayerBoundary, set.Boundary)
}

// belongs lists which kinds of document may stand in which layer.
var belongs = [...][Resource + 1]bool{
	LayerResource: {Trust: true, Resource: true},
	LayerIdentity: {Permission: true, Managed: true},
	LayerSession:  {SessionPolicy: true, Managed: true},
	LayerBoundary: {Boundary: true, Managed: true},
}

func (e *evaluation) layer(l Layer, documents []*Document) {
	for i, d := range documents {
		if d == nil || !belongs[l][d.kind] {
			e.denied = true
			continue
		}
		for _, s := range d.statements {
			e.statement(StatementRef{Layer: l, Document: i, Statement: s})
		}
	}
}

func (e *evaluation) statement(ref StatementRef) {
	var trace *Trace
	if e.explain != nil {
		e.explain.Traces = append(e.explain.Traces, Trace{StatementRef: ref})
		trace = &e.explain.Traces[len(e.explain.Traces)-1]
	}
	t, g := e.match(ref.Statement, trace)
	ref.Unevaluable = t == unknown
	if trace != nil {
		trace.Matched, trace.Unevaluable = t == yes, ref.Unevaluable
	}
	switch {
	case t == no, t == unknown && !ref.Denies():
		return
	case ref.Denies():
		e.denied = true
	case ref.Layer == LayerResource:
		e.resource = max(e.resource, g)
	}
	e.allowed[ref.Layer] = e.allowed[ref.Layer] || !ref.Denies()
	if alone := &ref.Statement.alone; e.refs == nil && ref == alone[ref.Layer] {
		e.refs = alone[ref.Layer : ref.Layer+1 : ref.Layer+1]
		return
	}
	e.refs = append(e.refs, ref)
}

// match compares a statement with the request, and says how closely it names
// the principal. With a trace it looks at every element, else it stops at the
// first that does not match.
func (e *evaluation) match(s *Statement, trace *Trace) (truth, grant) {
	g, t := e.matchPrincipal(s)
	trace.note(t, Failure{Element: ElementPrincipal}, e.req.Context)
	if a := truthOf(s.matchAction(e.req.Action)); a != yes {
		trace.note(a, Failure{Element: ElementAction}, e.req.Context)
		t = t.and(a)
	}
	if t == no && trace == nil {
		return no, g
	}
	r := s.matchResource(e.req.Resource, e.req.Context)
	trace.note(r, Failure{Element: ElementResource}, e.req.Context)
	t = t.and(r)
	for i := range s.conditions {
		if t == no && trace == nil {
			return no, g
		}
		c, why := s.conditions[i].holds(e.req.Context)
		trace.note(c, Failure{Element: ElementCondition, Condition: &s.conditions[i], Why: why}, e.req.Context)
		t = t.and(c)
	}
	return t, g
}

// matchPrincipal: a statement of a policy that is attached to the principal is
// about it.
//
// A Deny with NotPrincipal always reaches a principal that has a permissions
// boundary. (IAM User Guide, "NotPrincipal", key points.)
func (e *evaluation) matchPrincipal(s *Statement) (grant, truth) {
	if s.principals == nil {
		return namesCaller, yes
	}
	g := s.principals.grant(&e.req.Principal, s.strict())
	if s.principals.not {
		named := g != notNamed && !(e.bounded && e.req.Principal.inAccount())
		return notNamed, truthOf(!named && e.req.Principal.kind != nobody)
	}
	return g, truthOf(g != notNamed)
}

// effect composes what the layers said.
func (e *evaluation) effect(set Set) Effect {
	switch {
	case e.denied:
		return ExplicitDeny
	case e.missing(set) == 0:
		return Allow
	}
	return ImplicitDeny
}

// layers is a set of Layers, a bit each.
type layers uint8

func (s layers) with(l Layer, add bool) layers {
	if add {
		return s | 1<<l
	}
	return s
}

func (s layers) has(l Layer) bool { return s&(1<<l) != 0 }

// missing is every layer that had to allow and did not; none means allowed.
func (e *evaluation) missing(set Set) (m layers) {
	who := &e.req.Principal
	if !who.inAccount() { // no identity policies: the resource's word is all
		return m.with(LayerResource, who.kind == nobody || e.resource != namesCaller)
	}
	both := set.ResourceAccount == "" || string(set.ResourceAccount) != who.account || needsBoth(e.req.Action)
	m = m.with(LayerResource, e.resource == notNamed && (both || NeedsTrust(e.req.Action)))
	if both || e.resource <= namesAccount {
		m = m.with(LayerIdentity, !e.allowed[LayerIdentity])
		m = m.with(LayerResource, m.has(LayerIdentity) && e.resource == notNamed && len(set.Resource) > 0)
	}
	if both || e.resource <= namesRole {
		m = m.with(LayerSession, len(set.Session) > 0 && !e.allowed[LayerSession])
		m = m.with(LayerBoundary, len(set.Boundary) > 0 && !e.allowed[LayerBoundary])
	}
	return m
}
