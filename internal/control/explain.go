package control

import (
	"context"
	"strings"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
)

// ExplainTrust authorises a question what the trust policy of a role says, and
// gives the role. It is named by its name or its ARN.
func (s *Service) ExplainTrust(ctx context.Context, c Call, named string) (iam.Role, error) {
	on := role(c, named)
	if strings.HasPrefix(named, "arn:") {
		on = roleOfARN(named)
	}
	snap, err := s.read(ctx, c, operation{action: "mayfly:ExplainTrust", on: on})
	if err != nil {
		return iam.Role{}, err
	}
	return findNamed(snap, named)
}

// findNamed finds the role of a name or an ARN.
func findNamed(snap *registry.Snapshot, named string) (iam.Role, error) {
	if !strings.HasPrefix(named, "arn:") {
		return findRole(snap, named)
	}
	name, err := arn.ParseRole(named)
	if err != nil {
		return iam.Role{}, iam.NoSuchRole(named)
	}
	r, ok := snap.RoleByARN(name)
	if !ok {
		return iam.Role{}, iam.NoSuchRole(named)
	}
	return r, nil
}

// denialARN is the resource of an operation on the denial of an id.
func denialARN(c Call, id string) string {
	return arn.ARN{Partition: arn.Partition, Service: "mayfly", Account: string(c.Caller.Account), Resource: "denial/" + id}.String()
}

// ExplainDenial authorises a reading of the event of what was refused. An id that
// is none is not repeated, neither to the log nor to the caller: somebody may have
// taken a token for one.
func (s *Service) ExplainDenial(ctx context.Context, c Call, id string) error {
	if !isRequestID(id) {
		id = "malformed"
	}
	_, err := s.read(ctx, c, operation{action: "mayfly:ExplainDenial", on: fixed(denialARN(c, id))})
	return err
}

// isRequestID reports whether an id is of the form that requests have.
func isRequestID(id string) bool {
	return len(id) == 36 && strings.Trim(id, "0123456789abcdef-") == ""
}

// ListDenials authorises a reading of the events of all that was refused.
func (s *Service) ListDenials(ctx context.Context, c Call) error {
	_, err := s.read(ctx, c, operation{action: "mayfly:ListDenials", on: fixed(denialARN(c, "*"))})
	return err
}

// NoDenial is the refusal to show one that there is not.
func NoDenial(id string) error {
	if !isRequestID(id) {
		return &Error{NoSuchDenial, "", "That is no id of a denial: a request id is wanted, such as 2c5e8a3c-7d0e-4d0b-8f19-0c1c5a6f1e55."}
	}
	return &Error{NoSuchDenial, "", "No denial found for id: " + id + ". It is the request id of the refusal, and is kept for a token whose signature was good and for signed requests."}
}
