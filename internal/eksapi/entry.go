package eksapi

import (
	"context"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
)

func (a *API) createEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	in, err := ekswire.DecodeCreateAccessEntry(r.Body)
	if err != nil {
		return nil, err
	}
	k, e, err := a.Control.CreateEntry(ctx, c, r.Cluster, control.EntryInput{Principal: in.PrincipalARN, Groups: in.Groups, Username: in.Username, Type: in.Type, Tags: in.Tags, Token: in.ClientToken})
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

func encodeEntry(k eks.Cluster, e eks.AccessEntry) ekswire.OneAccessEntry {
	return ekswire.OneAccessEntry{AccessEntry: ekswire.AccessEntry{ClusterName: k.Name, PrincipalARN: e.PrincipalARN, KubernetesGroups: textsOf(e.Groups), ARN: e.ARN(k),
		CreatedAt: awsrest.Time(e.Created), ModifiedAt: awsrest.Time(e.Modified), Tags: tagsOf(e.Tags), Username: e.UsernameTemplate(), Type: eks.Standard}}
}

func (a *API) listEntries(ctx context.Context, c control.Call, r Request) (any, error) {
	list, err := a.Control.Entries(ctx, c, r.Cluster, r.Query.Get("associatedPolicyArn"))
	if err != nil {
		return nil, err
	}
	page, next, err := paged(list, func(e eks.AccessEntry) string { return e.PrincipalARN }, r)
	if err != nil {
		return nil, err
	}
	out := ekswire.ListAccessEntries{AccessEntries: []string{}, NextToken: next}
	for _, e := range page {
		out.AccessEntries = append(out.AccessEntries, e.PrincipalARN)
	}
	return out, nil
}

func (a *API) describeEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	k, e, err := a.Control.Entry(ctx, c, r.Cluster, r.Principal)
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

// updateEntry is idempotent by itself: a client's request token says nothing
// more.
func (a *API) updateEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	in, err := ekswire.DecodeUpdateAccessEntry(r.Body)
	if err != nil {
		return nil, err
	}
	var groups *[]string
	if in.GroupsGiven {
		groups = &in.Groups
	}
	k, e, err := a.Control.UpdateEntry(ctx, c, r.Cluster, r.Principal, groups, in.Username)
	if err != nil {
		return nil, err
	}
	return encodeEntry(k, e), nil
}

func (a *API) deleteEntry(ctx context.Context, c control.Call, r Request) (any, error) {
	return ekswire.Empty{}, a.Control.DeleteEntry(ctx, c, r.Cluster, r.Principal)
}
