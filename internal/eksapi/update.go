package eksapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

func (a *API) updateConfig(ctx context.Context, c control.Call, r Request) (any, error) {
	in, err := ekswire.DecodeUpdateClusterConfig(r.Body)
	if err != nil {
		return nil, err
	}
	u, err := a.Control.UpdateMode(ctx, c, r.Cluster, eks.AuthenticationMode(in.AuthenticationMode), in.ClientToken)
	if err != nil {
		return nil, err
	}
	return encodeUpdate(u), nil
}

// encodeUpdate shows an update as successful from the first: it is in force.
func encodeUpdate(u eks.Update) ekswire.OneUpdate {
	return ekswire.OneUpdate{Update: ekswire.Update{ID: u.ID, Status: "Successful", Type: "AccessConfigUpdate", CreatedAt: awsrest.Time(u.Created), Errors: []struct{}{},
		Params: []ekswire.UpdateParam{{Type: "AuthenticationMode", Value: string(awsrest.Encode(string(u.Mode)))}}}}
}

func (a *API) describeUpdate(ctx context.Context, c control.Call, r Request) (any, error) {
	u, err := a.Control.Update(ctx, c, r.Cluster, r.Update)
	if err != nil {
		return nil, err
	}
	return encodeUpdate(u), nil
}

func (a *API) listUpdates(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.Updates(ctx, c, r.Cluster)
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(u eks.Update) string { return u.ID }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListUpdates{UpdateIDs: []string{}, NextToken: next}
	for _, u := range page {
		out.UpdateIDs = append(out.UpdateIDs, u.ID)
	}
	return out, nil
}
