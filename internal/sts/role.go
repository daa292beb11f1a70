package sts

import (
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/webidentity"
)

// defaultDuration is what STS gives a caller that does not say.
const defaultDuration = time.Hour

// Bounds of session policies (STS AssumeRole, "PolicyArns").
const (
	maxPolicies      = 10
	maxPoliciesPlain = 2048 // characters of the inline policy and of the ARNs
)

// rolePlan is what every way of assuming a role is asked, its form checked.
// Nothing in it is known to exist.
type rolePlan struct {
	role     arn.Role
	name     string
	policy   *policy.Document // inline session policy, or nil
	policies []arn.Policy     // managed session policies
	duration time.Duration    // 0: not given
}

// planRole checks the form of what is asked; the role is read already.
func planRole(role arn.Role, name, inline string, policyARNs []string, duration time.Duration) (rolePlan, error) {
	p := rolePlan{role: role, name: name, duration: duration}
	switch {
	case !arn.IsName(name, 64) || len(name) < 2:
		return p, refuse(InvalidParameter, nil, "The role session name is invalid: 2 to 64 of the characters A-Za-z0-9_+=,.@- are wanted")
	case duration != 0 && (duration < session.MinDuration || duration > session.MaxDuration):
		return p, refuse(InvalidParameter, nil, "The requested DurationSeconds is not between 900 and 43200")
	case len(policyARNs) > maxPolicies:
		return p, refuse(InvalidParameter, nil, "At most %d PolicyArns may be passed", maxPolicies)
	}
	plain := utf8.RuneCountInString(inline)
	for _, text := range policyARNs {
		plain += utf8.RuneCountInString(text)
		name, err := arn.ParsePolicy(text)
		if err != nil {
			return p, noPolicy(text, err)
		}
		p.policies = append(p.policies, name)
	}
	if plain > maxPoliciesPlain {
		return p, refuse(InvalidParameter, nil, "The session policy and the ARNs of managed session policies are longer than %d characters together", maxPoliciesPlain)
	}
	if inline != "" {
		var err error
		if p.policy, err = policy.Parse(policy.SessionPolicy, []byte(inline)); err != nil {
			return p, refuse(MalformedPolicy, nil, "%s", err)
		}
	}
	return p, nil
}

func noPolicy(text string, err error) error {
	return refuse(InvalidParameter, err, "Policy %s does not exist or is not attachable.", clip(text))
}

// seconds is how long the session is asked to last. What is not given is the
// same for every role, one that does not exist included: a role never allows
// less (IAM model, roleMaxSessionDurationType).
func (p rolePlan) seconds(ceiling time.Duration) time.Duration {
	if p.duration == 0 {
		return min(defaultDuration, ceiling)
	}
	return p.duration
}

// checkDuration holds what is asked to what the role allows and to the server's
// ceiling. More than allowed is refused, not cut.
func checkDuration(asked, role, ceiling time.Duration) error {
	switch {
	case asked > role:
		return refuse(InvalidParameter, nil, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case asked > ceiling:
		return refuse(InvalidParameter, nil, "The requested DurationSeconds exceeds this server's max_session_duration of %d seconds.", int(ceiling/time.Second))
	}
	return nil
}

// brought is what a session brings along for policies to see.
type brought struct {
	sourceIdentity string
	tags           []session.Tag
}

// actions are those that must be allowed for the session, the first being the
// operation itself.
func (b brought) actions(first string) []string {
	out := []string{first}
	if len(b.tags) > 0 {
		out = append(out, actionTagSession)
	}
	if b.sourceIdentity != "" {
		out = append(out, actionSourceIdentity)
	}
	return out
}

// keys are the condition keys of what is asked.
func (p rolePlan) keys(along brought, duration time.Duration) authz.Keys {
	return func(b *policy.ContextBuilder) {
		webidentity.SessionKeys(b, p.name, duration, along.sourceIdentity, along.tags)
	}
}

// registryRole is a role that may not exist: the exchange goes on without one,
// so that a stranger cannot tell.
type registryRole struct {
	iam.Role
	exists bool
}

func roleOf(snap *registry.Snapshot, name arn.Role) registryRole {
	r, ok := snap.RoleByARN(name)
	return registryRole{r, ok && r.Account == snap.Account}
}

// grant is a decision to issue a session.
type grant struct {
	session session.Session
	role    iam.Role
	matched []string          // the statements that allowed
	guards  map[string]string // condition key → what GitLab enforces, of those that the role asks about
}

// grant makes of a plan that is allowed the session it asks for. What is wrong
// with the rest of a request is said here, and to nobody whom the role does not
// trust: it would tell that the role, or a policy, exists.
func (p rolePlan) grant(snap *registry.Snapshot, role iam.Role, along brought, duration, ceiling time.Duration, now time.Time) (grant, error) {
	if err := checkDuration(duration, role.MaxSession, ceiling); err != nil {
		return grant{}, err
	}
	s := session.Session{RoleID: role.ID, Name: p.name, Issued: now, Expires: now.Add(duration), SourceIdentity: along.sourceIdentity, Tags: along.tags}
	if p.policy != nil {
		s.Policy = string(p.policy.Text())
	}
	for _, name := range p.policies {
		m, ok := snap.PolicyByARN(name)
		if !ok {
			return grant{}, noPolicy(name.String(), nil)
		}
		if !slices.Contains(s.PolicyIDs, m.ID) {
			s.PolicyIDs = append(s.PolicyIDs, m.ID)
		}
	}
	return grant{session: s, role: role}, nil
}

// tooLarge is the refusal of a session that could not be issued.
func (g grant) tooLarge(err error) error {
	large, ok := errors.AsType[*session.TooLargeError](err)
	switch {
	case !ok:
		return err
	case large.Part == session.PartTags:
		return refuse(TooLarge, err, "Packed size of session tags consumes %d%% of allotted space.", large.Percent)
	case large.Part == session.PartPolicy:
		return refuse(TooLarge, err, "Packed policy consumes %d%% of allotted space, please use smaller policy.", large.Percent)
	case len(g.session.Chain) > 0:
		return refuse(InvalidParameter, err, "The session does not fit into a session token: the claim %s of the token behind it is too long", large.Part)
	}
	return refuse(InvalidToken, err, "The claim %s of the token is too long to be kept in a session", large.Part)
}
