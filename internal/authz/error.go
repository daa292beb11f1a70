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
	// Encoded is the message that DecodeAuthorizationMessage makes clear, or "".
	Encoded string
	// Why is the whole decision, which is for the audit log alone; nil if no
	// policy was asked.
	Why *policy.Explanation
}

// Message is what the caller is told: the sentence, and behind it the encoded
// message, as EC2 has it.
func (e *DeniedError) Message() string { return e.Error() + e.Attachment() }

// Attachment is the encoded message as it stands behind a sentence.
func (e *DeniedError) Attachment() string {
	if e.Encoded == "" {
		return ""
	}
	return ". Encoded authorization failure message: " + e.Encoded
}

// Bare is the sentence without the reason: the same for a resource that does not
// exist.
func (e *DeniedError) Bare() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", e.Caller, e.Action, e.Resource)
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
	return e.Bare() + " " + why
}
