package clusterauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/request"
)

// reviewSpan is how often a session's successful TokenReview is recorded in one
// cluster.
const reviewSpan = time.Minute

type reviewKey struct{ session, cluster string }

// recordReview records one successful TokenReview per session, cluster and
// minute; of whom AWS vouches for, per principal and access key. It is durable
// before the answer.
func (s *Service) recordReview(ctx context.Context, in ReviewInput, p eks.Principal, id eks.Identity, now time.Time) error {
	detail := map[string]string{"username": id.Username, "groups": clip(strings.Join(id.Groups, " "), 4096)}
	if p.AWS {
		detail["realm"], detail["access_key_id"] = eks.RealmAWS, p.AccessKeyID
	}
	_, err := s.reviews.do(ctx, reviewKey{sessionOf(p), in.Cluster.ID}, now, func() (struct{}, error) {
		return struct{}{}, s.Audit.Record(ctx, audit.Event{Time: now, Action: "kubernetes:TokenReview", Outcome: audit.Allowed, Request: in.Info.ID, Source: sourceText(in.Info), Cluster: in.Cluster.Name,
			Actor: p.ARN, Session: p.SessionID, Detail: detail})
	})
	if err != nil {
		return &Refusal{NotRecorded, err}
	}
	return nil
}

// sessionOf tells the sessions of principals apart: AWS's have no id here.
func sessionOf(p eks.Principal) string {
	if p.AWS {
		return p.AccessKeyID + " " + p.ARN
	}
	return p.SessionID
}

// allowKey stands for a session, cluster, namespace and verb. It is a hash: a
// review may hold a namespace of any length, and what is remembered of it must
// not.
type allowKey [sha256.Size]byte

func newAllowKey(parts ...string) allowKey { return digest(parts...) }

// digest is a hash of texts that no other list of texts has.
func digest(parts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// recordAllow records the first allow of a session for a namespace and a verb,
// before the answer. What it records of a review is bounded, in size and in
// number: whoever may ask a cluster can write reviews as it likes, and may fill
// its own role's answers with refusals but not everybody's audit log.
func (s *Service) recordAllow(ctx context.Context, in AccessInput, u user, o eks.Opinion, now time.Time) error {
	a := in.Attributes
	_, err := s.allows.do(ctx, newAllowKey(u.sessionKey, in.Cluster.ID, a.Namespace, a.Verb), now, func() (struct{}, error) {
		if !s.budget.take(in.Cluster.ID+" "+u.principalID, now) {
			return struct{}{}, errBudget
		}
		return struct{}{}, s.Audit.Record(ctx, audit.Event{Time: now, Action: "kubernetes:SubjectAccessReview", Outcome: audit.Allowed, Request: in.Info.ID, Source: sourceText(in.Info), Cluster: in.Cluster.Name,
			Actor: u.arn, Session: u.sessionID, Matched: []string{o.Policy},
			Detail: map[string]string{"namespace": clip(a.Namespace, maxText), "verb": clip(a.Verb, maxText), "resource": clip(a.Resource, maxText), "name": clip(a.Name, maxText), "path": clip(a.Path, maxText)}})
	})
	return err
}

// maxText bounds each text of a review in the audit log: Kubernetes' names have
// 253 characters at most, and a path is told by its beginning.
const maxText = 253

// clip cuts what a cluster says.
func clip(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func sourceText(i request.Info) string {
	if !i.Source.IsValid() {
		return ""
	}
	return i.Source.String()
}

// maxAllowsPerMinute bounds the allows recorded for one role in one cluster in a
// minute: a hundred jobs a second, each with one namespace and verb, and some
// 5 MB. It is the role's, so that nobody uses up what others need.
const maxAllowsPerMinute = 6000

var errBudget = errors.New("the role has had more allowed in this minute than is recorded one by one")

// budget counts by role, cluster and minute.
type budget struct {
	most int

	mu     sync.Mutex
	minute int64
	used   map[string]int // :: cluster id and role id → taken in this minute
}

func newBudget(most int) *budget { return &budget{most: most} }

// take reports whether a role may have one more in a cluster.
func (b *budget) take(key string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m := now.Unix() / 60; b.used == nil || m != b.minute {
		b.minute, b.used = m, map[string]int{}
	}
	if b.used[key] >= b.most {
		return false
	}
	b.used[key]++
	return true
}
