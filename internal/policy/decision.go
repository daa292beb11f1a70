package policy

// Effect is what a set of policies says of a request. The zero value is
// ImplicitDeny.
type Effect uint8

const (
	ImplicitDeny Effect = iota // nothing allows it
	ExplicitDeny               // a Deny matched, or cannot be ruled out
	Allow                      // it is allowed
)

var effectNames = [...]string{"implicit deny", "explicit deny", "allow"}

// String is the effect in words.
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return effectNames[ImplicitDeny]
}

// Decision is the answer of Evaluate. The zero value is an implicit deny.
type Decision struct {
	Effect Effect
	// Statements are all statements that matched, layer by layer, in the order
	// written: those that allow as well as those that deny, whatever came out.
	// The caller must not change the slice.
	Statements []StatementRef
}

// Allowed reports whether the request may go ahead.
func (d Decision) Allowed() bool { return d.Effect == Allow }

// Layer says which of the policies of a Set a statement stands in.
type Layer uint8

const (
	LayerResource Layer = iota + 1 // the trust policy, or another resource's policy
	LayerIdentity
	LayerSession
	LayerBoundary
)

var layerNames = [...]string{"", "resource policy", "identity policy", "session policy", "permissions boundary"}

// String is the layer in words.
func (l Layer) String() string {
	if int(l) < len(layerNames) {
		return layerNames[l]
	}
	return ""
}

// StatementRef points at one statement of a Set.
type StatementRef struct {
	Layer    Layer
	Document int // index in the Set's list for that layer
	*Statement
	// Unevaluable: the statement is a Deny that could not be evaluated and
	// counts as matching for that reason.
	Unevaluable bool
}
