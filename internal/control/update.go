package control

import (
	"context"
	"fmt"
	"time"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// UpdateMode is EKS UpdateClusterConfig, of the authentication mode: it is in
// force when this returns. A token makes the request one that may be repeated:
// asked again with the same token for the same, the same update is the answer.
func (s *Service) UpdateMode(ctx context.Context, c Call, name string, mode eks.AuthenticationMode, token string) (eks.Update, error) {
	var u eks.Update
	op := operation{action: "eks:UpdateClusterConfig", on: cluster(c, c.Info.Region, name), asked: detail{"authentication_mode": string(mode)},
		keys: func(b *policy.ContextBuilder) { b.Set("eks:authenticationMode", string(mode)) }}
	err := s.change(ctx, c, op, func(snap *registry.Snapshot, now time.Time) (decision, error) {
		k, err := findCluster(snap, c.Info.Region, name)
		if err != nil {
			return decision{}, err
		}
		u = eks.Update{Mode: mode, Created: now}
		if u.ID, err = s.updateID(k, u, token); err != nil {
			return decision{}, err
		}
		made := detail{"id": k.ID, "update": u.ID}
		if old, done := k.Update(u.ID); done {
			u, made["repeated"] = old, "true"
			return decision{made: made}, nil
		}
		if k, err = k.ChangeMode(u); err != nil {
			return decision{}, err
		}
		return decision{[]registry.Change{registry.PutCluster{Cluster: k}}, made}, nil
	})
	if err != nil {
		return eks.Update{}, err
	}
	return u, nil
}

// updateID is an update's id: random, or made from the caller's token, as an
// access entry's is.
func (s *Service) updateID(k eks.Cluster, u eks.Update, token string) (string, error) {
	if token == "" {
		return newUUID(s.rand)
	}
	return uuidOf("cluster update", k.ID, string(u.Mode), token), nil
}

// Update is EKS DescribeUpdate.
func (s *Service) Update(ctx context.Context, c Call, name, id string) (eks.Update, error) {
	k, err := s.readCluster(ctx, c, "eks:DescribeUpdate", c.Info.Region, name)
	if err != nil {
		return eks.Update{}, err
	}
	u, ok := k.Update(id)
	if !ok {
		return eks.Update{}, &Error{NoSuchUpdate, name, fmt.Sprintf("No update found for ID: %s", id)}
	}
	return u, nil
}

// Updates is EKS ListUpdates.
func (s *Service) Updates(ctx context.Context, c Call, name string) ([]eks.Update, error) {
	k, err := s.readCluster(ctx, c, "eks:ListUpdates", c.Info.Region, name)
	return k.Updates, err
}
