package authz

import (
	"fmt"

	"mayfly.internal/internal/policy"
)

// DeniedError says that a caller's policies do not allow an action. Its text is
// AWS's (IAM User Guide, "Troubleshoot access denied error messages").
type DeniedError struct {
	Caller   string // ARN
	Action   string
	Resource string
	Explicit bool // by an explicit deny
	// Layer is where the policy stands that denies, or that does not allow. The
	// zero value stands for the role's own.
	Layer policy.Layer
}

func (e *DeniedError) Error() string {
	an, kind := "an ", "identity-based policy"
	switch e.Layer {
	case policy.LayerSession:
		an, kind = "a ", "session policy"
	case policy.LayerBoundary:
		an, kind = "a ", "permissions boundary"
	case policy.LayerResource:
		an, kind = "a ", "resource-based policy"
	}
	why := fmt.Sprintf("because no %s allows the %s action", kind, e.Action)
	if e.Explicit {
		why = "with an explicit deny in " + an + kind
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", e.Caller, e.Action, e.Resource, why)
}
