package control

import (
	"context"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
)

// NoUser records and refuses an operation on users, groups, their keys,
// passwords and devices: there are none, on purpose.
func (s *Service) NoUser(ctx context.Context, c Call, action string) error {
	return s.refuse(ctx, operation{action: action}.event(c, object{}, s.now()),
		iam.Refuse(iam.NotHere, "IAM users, groups and access keys do not exist here, on purpose: a job or a person exchanges an ID token for credentials that last minutes (sts:AssumeRoleWithWebIdentity)"))
}

// NoUsers authorises a list of users, or of groups, of which there are none; kind
// is user or group.
func (s *Service) NoUsers(ctx context.Context, c Call, action, kind string) error {
	all := arn.ARN{Partition: arn.Partition, Service: "iam", Account: string(c.Caller.Account), Resource: kind + "/*"}
	_, err := s.read(ctx, c, operation{action: action, on: fixed(all.String())})
	return err
}
