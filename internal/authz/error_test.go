package authz_test

import (
	"testing"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/policy"
)

// TestDeniedErrorSpeaksAWS pins the words that people search for.
func TestDeniedErrorSpeaksAWS(t *testing.T) {
	for _, tt := range []struct {
		e    authz.DeniedError
		want string
	}{
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R"}, "User: A is not authorized to perform: iam:GetRole on resource: R because no identity-based policy allows the iam:GetRole action"},
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R", Explicit: true}, "User: A is not authorized to perform: iam:GetRole on resource: R with an explicit deny in an identity-based policy"},
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R", Layer: policy.LayerSession}, "User: A is not authorized to perform: iam:GetRole on resource: R because no session policy allows the iam:GetRole action"},
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R", Layer: policy.LayerSession, Explicit: true}, "User: A is not authorized to perform: iam:GetRole on resource: R with an explicit deny in a session policy"},
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R", Layer: policy.LayerBoundary}, "User: A is not authorized to perform: iam:GetRole on resource: R because no permissions boundary allows the iam:GetRole action"},
		{authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R", Layer: policy.LayerBoundary, Explicit: true}, "User: A is not authorized to perform: iam:GetRole on resource: R with an explicit deny in a permissions boundary"},
		{authz.DeniedError{Caller: "A", Action: "sts:AssumeRole", Resource: "R", Layer: policy.LayerResource}, "User: A is not authorized to perform: sts:AssumeRole on resource: R because no resource-based policy allows the sts:AssumeRole action"},
		{authz.DeniedError{Caller: "A", Action: "sts:AssumeRole", Resource: "R", Layer: policy.LayerResource, Explicit: true}, "User: A is not authorized to perform: sts:AssumeRole on resource: R with an explicit deny in a resource-based policy"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
