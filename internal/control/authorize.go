package control

import (
	"strings"
	"time"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
)

// authorize asks the caller's policies, as they are now. The caller's session
// must still stand.
func (s *Service) authorize(snap *registry.Snapshot, c Call, op operation, on object, now time.Time) error {
	who, err := snap.Principal(c.Caller.Session, now)
	if err != nil {
		return &authz.DeniedError{Caller: c.Caller.ARN().String(), Action: op.action, Resource: on.arn}
	}
	_, err = authz.Authorize(snap, authz.Question{Caller: who, Info: c.Info, Actions: append([]string{op.action}, op.also...), Resource: on.arn,
		Keys: []authz.Keys{requestTags(op), op.keys}, About: []authz.Keys{resourceTags(op, on), on.keys}, Seal: s.sealer})
	return err
}

// resourceTags are the tags that the resource has.
func resourceTags(op operation, on object) authz.Keys {
	return func(b *policy.ContextBuilder) {
		service, _, _ := strings.Cut(op.action, ":")
		for k, v := range on.tags {
			b.Set("aws:ResourceTag/"+k, v)
			if service == "iam" {
				b.Set("iam:ResourceTag/"+k, v)
			}
		}
	}
}

// requestTags are the tags that are asked for.
func requestTags(op operation) authz.Keys {
	return func(b *policy.ContextBuilder) {
		if len(op.tags) == 0 {
			return
		}
		var names []string
		for k, v := range op.tags {
			b.Set("aws:RequestTag/"+k, v)
			names = append(names, k)
		}
		b.SetMany("aws:TagKeys", names)
	}
}
