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

// ExplainDenial authorises a reading of the event of what was refused.
func (s *Service) ExplainDenial(ctx context.Context, c Call, id string) error {
	_, err := s.read(ctx, c, operation{action: "mayfly:ExplainDenial", on: fixed(denialARN(c, id))})
	return err
}

// ListDenials authorises a reading of the events of all that was refused.
func (s *Service) ListDenials(ctx context.Context, c Call) error {
	_, err := s.read(ctx, c, operation{action: "mayfly:ListDenials", on: fixed(denialARN(c, "*"))})
	return err
}

// NoDenial is the refusal to show one that there is not.
func NoDenial(id string) error {
	return &Error{NoSuchDenial, "", "No denial found for id: " + clip(id) + ". It is the request id of the refusal, and is kept for a token whose signature was good and for signed requests."}
}
