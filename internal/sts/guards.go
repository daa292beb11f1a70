package sts

import (
	"context"
	"errors"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/webidentity"
)

// Guards says what a GitLab enforces around the jobs of a project, by the id that
// a verified token has for it, and when that was read. path is what the token
// calls it; pinned says that the role names it by its id. The error is a
// *guard.ObstacleError.
type Guards interface {
	Guards(ctx context.Context, issuer string, project int64, path string, pinned bool) (facts *guard.Project, taken time.Time, err error)
}

// guardFacts is what is known of the guards around a token's job. The zero value:
// the role does not ask.
type guardFacts struct {
	webidentity.Guards
	taken    time.Time
	obstacle *guard.ObstacleError
}

// notAsked are the guards before anybody is asked about them.
var notAsked = guardFacts{Guards: webidentity.Guards{Why: "nobody was asked: the role does not let the job in whatever GitLab enforces"}}

// asksGuards reports whether the role's trust policy asks what GitLab enforces.
func (k webIdentityFacts) asksGuards() bool {
	return k.role.exists && webidentity.AsksGuards(k.role.Trust)
}

// gatherGuards finds out what GitLab enforces around a token's job, if the role's
// trust policy asks and it depends on that whether the token is let in. The token
// is verified: nobody else's makes this server ask anybody anything.
func (s *Service) gatherGuards(ctx context.Context, p rolePlan, k webIdentityFacts, claims webidentity.Claims, info request.Info) (webIdentityFacts, error) {
	if !k.asksGuards() {
		return k, nil
	}
	k.guards = notAsked
	keys, err := trustContext(p, k, claims, info, p.seconds(s.MaxSession))
	if err != nil {
		return k, nil // the decision says so
	}
	question := k.question(p.role, claims, keys)
	if !question.Ask().WantsGuards() {
		return k, nil
	}
	job, why := webidentity.JobOf(claims)
	switch {
	case !k.settings.GitLab:
		k.guards.Why = "the token's issuer is no GitLab"
		return k, nil
	case why != "":
		k.guards.Why = why
		return k, nil
	}
	k.guards = guardFacts{}
	k.guards.Project, k.guards.taken, err = s.Guards.Guards(ctx, k.provider.URL, job.Project, job.Path, question.PinsProject())
	if e, ok := errors.AsType[*guard.ObstacleError](err); ok {
		k.guards.obstacle, k.guards.Why = e, e.Why
	} else if err != nil {
		return k, err
	}
	return s.inForce(p, k)
}

// refusal is the refusal that an obstacle makes of one by the role: a path that was
// another project's is a matter of its own, and who comes too early is told to ask
// again, by the code that AWS's SDKs do that for.
func (g guardFacts) refusal(err error) error {
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Reason != NotTrusted || g.obstacle == nil {
		return err
	}
	switch g.obstacle.Obstacle {
	case guard.Reused:
		r.Reason = PathReused
	case guard.BeingRead:
		return &Refusal{Reason: GuardsNotRead, Public: guardsNotRead, Err: g.obstacle, Trace: r.Trace}
	}
	if g.obstacle.Err != nil {
		r.Err = errors.Join(r.Err, g.obstacle.Err)
	}
	return r
}

// guardsNotRead is what a job of the role's own projects hears that came before
// its project's facts.
const guardsNotRead = "What GitLab enforces for this project is being read. Try again in a moment."

// record notes in an event what was known of the guards that the role asks about.
func (k webIdentityFacts) record(ev audit.Event, known map[string]string) {
	if len(known) == 0 || k.guards.taken.IsZero() {
		return
	}
	ev.Detail["guards"] = toJSON(known)
	ev.Detail["guards_taken"] = k.guards.taken.UTC().Format(time.RFC3339)
}

// noGuards is a server that reads no facts.
type noGuards struct{}

func (noGuards) Guards(context.Context, string, int64, string, bool) (*guard.Project, time.Time, error) {
	return nil, time.Time{}, &guard.ObstacleError{Obstacle: guard.Unread, Why: "this server does not read what the issuer enforces (issuers, guards)"}
}
