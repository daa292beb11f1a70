package control

import (
	"context"
	"maps"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// tagged is what an ARN of EKS names: a cluster, or an entry of it.
type tagged struct {
	cluster eks.Cluster
	entry   eks.AccessEntry
	isEntry bool
}

// findTagged finds what an ARN names in the caller's region.
func findTagged(snap *registry.Snapshot, region, name string) (tagged, error) {
	none := &Error{NoSuchResource, "", "The specified resource could not be found"}
	a, err := arn.Parse(name)
	if err != nil || a.Service != "eks" {
		return tagged{}, none
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	clusterName, _, _ := strings.Cut(rest, "/")
	k, err := findCluster(snap, region, clusterName)
	switch {
	case err != nil:
		return tagged{}, none
	case kind == "cluster" && k.ARN().String() == name:
		return tagged{cluster: k}, nil
	case kind != "access-entry":
		return tagged{}, none
	}
	for _, e := range snap.Entries(clusterName) {
		if e.ARN(k) == name {
			return tagged{k, e, true}, nil
		}
	}
	return tagged{}, none
}

func (t tagged) tags() map[string]string {
	if t.isEntry {
		return t.entry.Tags
	}
	return t.cluster.Tags
}

// with is the decision to give it other tags.
func (t tagged) with(tags map[string]string) (decision, error) {
	if err := first(eks.CheckTags(tags), operation{tags: tags}.unambiguous(object{cluster: t.cluster.Name})); err != nil {
		return decision{}, err
	}
	if t.isEntry {
		t.entry.Tags = tags
		return decision{[]registry.Change{registry.PutEntry{Entry: t.entry}}, detail{"id": t.entry.UUID, "principal": t.entry.PrincipalARN}}, nil
	}
	t.cluster.Tags = tags
	return decision{[]registry.Change{registry.PutCluster{Cluster: t.cluster}}, detail{"id": t.cluster.ID}}, nil
}

// taggedBy is the resource that an ARN names.
func taggedBy(c Call, name string) resource {
	return func(snap *registry.Snapshot) object {
		t, err := findTagged(snap, c.Info.Region, name)
		if err != nil {
			return object{arn: name}
		}
		on := object{arn: name, cluster: t.cluster.Name, tags: t.tags()}
		if t.isEntry {
			on.keys = func(b *policy.ContextBuilder) { entryKeys(b, t.entry) }
		}
		return on
	}
}

// Tag is EKS TagResource: a tag of the same key, in the same case, gets the new
// value.
func (s *Service) Tag(ctx context.Context, c Call, name string, tags map[string]string) error {
	op := operation{action: "eks:TagResource", on: taggedBy(c, name), tags: tags, asked: detail{}.withJSON("tags", tags)}
	return s.retag(ctx, c, op, name, func(have map[string]string) { maps.Copy(have, tags) })
}

// Untag is EKS UntagResource; a key that is not there changes nothing.
func (s *Service) Untag(ctx context.Context, c Call, name string, keys []string) error {
	return s.retag(ctx, c, untagging("eks:UntagResource", taggedBy(c, name), keys), name, func(have map[string]string) {
		for _, key := range keys {
			delete(have, key)
		}
	})
}

func (s *Service) retag(ctx context.Context, c Call, op operation, name string, edit func(map[string]string)) error {
	return s.change(ctx, c, op, func(snap *registry.Snapshot, _ time.Time) (decision, error) {
		t, err := findTagged(snap, c.Info.Region, name)
		if err != nil {
			return decision{}, err
		}
		tags := map[string]string{}
		maps.Copy(tags, t.tags())
		edit(tags)
		return t.with(tags)
	})
}

// Tags is EKS ListTagsForResource.
func (s *Service) Tags(ctx context.Context, c Call, name string) (map[string]string, error) {
	snap, err := s.read(ctx, c, operation{action: "eks:ListTagsForResource", on: taggedBy(c, name)})
	if err != nil {
		return nil, err
	}
	t, err := findTagged(snap, c.Info.Region, name)
	return t.tags(), err
}
