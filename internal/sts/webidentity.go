package sts

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

const (
	actionWebIdentity    = "sts:AssumeRoleWithWebIdentity"
	actionTagSession     = "sts:TagSession"
	actionSourceIdentity = "sts:SetSourceIdentity"
)

// notAuthorized is what a stranger learns: the same for a role that does not
// exist.
const notAuthorized = "Not authorized to perform sts:AssumeRoleWithWebIdentity"

// defaultDuration is what STS gives a caller that does not say.
const defaultDuration = time.Hour

// webIdentityPlan is a request whose form is right. Nothing in it is verified.
type webIdentityPlan struct {
	role     arn.Role
	name     string
	token    jwt.Unverified
	policy   *policy.Document
	duration time.Duration // 0: not given
}

// planWebIdentity checks all that needs no knowledge.
func planWebIdentity(in WebIdentityInput) (webIdentityPlan, error) {
	p := webIdentityPlan{name: in.SessionName, duration: in.Duration}
	var err error
	switch {
	case in.ProviderID != "":
		return p, refuse(InvalidParameter, nil, "ProviderId must not be set for an OpenID Connect ID token")
	case len(in.PolicyARNs) > 0:
		return p, refuse(InvalidParameter, nil, "PolicyArns are not supported: this server has no managed policies")
	case !arn.IsName(in.SessionName, 64) || len(in.SessionName) < 2:
		return p, refuse(InvalidParameter, nil, "The role session name is invalid: 2 to 64 of the characters A-Za-z0-9_+=,.@- are wanted")
	case in.Duration != 0 && (in.Duration < session.MinDuration || in.Duration > session.MaxDuration):
		return p, refuse(InvalidParameter, nil, "The requested DurationSeconds is not between 900 and 43200")
	}
	if p.role, err = arn.ParseRole(in.RoleARN); err != nil {
		return p, refuse(InvalidParameter, err, "Request ARN is invalid")
	}
	if in.Policy != "" {
		if p.policy, err = policy.Parse(policy.SessionPolicy, []byte(in.Policy)); err != nil {
			return p, refuse(MalformedPolicy, nil, "%s", err)
		}
	}
	// A token file often ends with a line break, which clients send along.
	if p.token, err = jwt.Parse(strings.TrimRight(in.Token, "\r\n")); err != nil {
		return p, refuse(InvalidToken, err, "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)")
	}
	return p, nil
}

// registryRole is a role that may not exist: the exchange goes on without one,
// so that a stranger cannot tell.
type registryRole struct {
	iam.Role
	exists bool
}

func adminRole(snap *registry.Snapshot) iam.Role {
	r, _ := snap.RoleByID(iam.AdminID)
	return r
}

// believed is a verified token and what a session keeps of it.
type believed struct {
	oidc.Claims
	kept session.Claims
}

// verify believes the token, or says why not.
func verify(p webIdentityPlan, k webIdentityFacts, now time.Time) (believed, error) {
	claims, err := oidc.Verify(k.provider, k.settings, p.token, k.keys, now)
	if err != nil {
		return believed{}, tokenRefusal(err)
	}
	return believed{claims, keptClaims(claims)}, nil
}

// verified reports whether the token of a refusal was signed by its issuer.
func verified(err error) bool {
	r, ok := errors.AsType[*oidc.RejectedError](err)
	return ok && r.Reason.Verified()
}

// tokenRefusal is AWS's words for what oidc found wrong.
func tokenRefusal(err error) error {
	r, ok := errors.AsType[*oidc.RejectedError](err)
	if !ok {
		return err
	}
	switch r.Reason {
	case oidc.Expired:
		return refuse(ExpiredToken, err, "Token expired: current date/time %d must be before the expiration date/time%d", r.Now.Unix(), r.At.Unix())
	case oidc.TooOld:
		return refuse(ExpiredToken, err, "Token too old: %d", r.At.Unix())
	case oidc.WrongAudience:
		return refuse(InvalidToken, err, "Incorrect token audience")
	case oidc.MissingClaim:
		return refuse(InvalidToken, err, "Missing a required claim: %s", r.Claim)
	case oidc.WrongIssuer, oidc.AlgorithmNotAllowed, oidc.UnknownKey, oidc.BadSignature:
		return refuse(InvalidToken, err, "The web identity token that was passed could not be validated: %s", r.Reason)
	}
	return refuse(InvalidToken, err, "%s", r.Detail)
}

// grant is a decision to issue a session.
type grant struct {
	session       session.Session
	matched       []string // the statements that allowed
	packedPercent int
}

// decideWebIdentity decides whether a believed token may become a session of
// the role, and which. Whether the role trusts the token comes first: what else
// is wrong with a request would tell a stranger that the role exists.
func decideWebIdentity(p webIdentityPlan, k webIdentityFacts, b believed, info request.Info, ceiling time.Duration, now time.Time) (grant, error) {
	allowed := min(k.role.MaxSession, ceiling)
	asked := p.duration
	if asked == 0 {
		asked = min(defaultDuration, allowed)
	}
	keys, err := trustContext(p, k, b, info, asked)
	if err != nil {
		return grant{}, refuse(InvalidToken, err, "The token's claims cannot be condition keys: %v", err)
	}
	matched, err := decideTrust(k, b, keys, info)
	if err != nil {
		return grant{}, err
	}
	if err := checkDuration(asked, k.role.MaxSession, ceiling); err != nil {
		return grant{}, err
	}
	s := session.Session{
		RoleID: k.role.ID, ProviderID: k.provider.ID, Name: p.name, Issued: now, Expires: now.Add(asked),
		SourceIdentity: b.SourceIdentity(), Claims: b.kept,
	}
	for _, t := range b.SessionTags() {
		s.Tags = append(s.Tags, session.Tag{Key: t.Key, Value: t.Value, Transitive: slices.Contains(b.TransitiveTagKeys(), t.Key)})
	}
	g := grant{session: s, matched: matched}
	if p.policy != nil {
		g.session.Policy = string(p.policy.Text())
		g.packedPercent = max(1, len(g.session.Policy)*100/maxPackedPolicy)
	}
	return g, nil
}

// maxPackedPolicy is what a session policy's size is shown in percent of.
const maxPackedPolicy = 2048

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

// trustContext is what the trust policy is asked with: every claim as a
// condition key, and what else is known of the request.
func trustContext(p webIdentityPlan, k webIdentityFacts, claims believed, info request.Info, duration time.Duration) (policy.Context, error) {
	var b policy.ContextBuilder
	for key, v := range claims.ConditionKeys(k.provider.KeyPrefix()) {
		if v.Multi {
			b.SetMany(key, v.List)
		} else {
			b.Set(key, v.List[0])
		}
	}
	for key, v := range info.Keys() {
		b.Set(key, v)
	}
	b.Set("aws:FederatedProvider", k.provider.ARN().String())
	b.Set("sts:RoleSessionName", p.name)
	b.Set("sts:DurationSeconds", strconv.Itoa(int(duration/time.Second)))
	if id := claims.SourceIdentity(); id != "" {
		b.Set("sts:SourceIdentity", id)
	}
	if tags := claims.SessionTags(); len(tags) > 0 {
		var names []string
		for _, t := range tags {
			b.Set("aws:RequestTag/"+t.Key, t.Value)
			names = append(names, t.Key)
		}
		b.SetMany("aws:TagKeys", names)
		b.SetMany("sts:TransitiveTagKeys", claims.TransitiveTagKeys())
	}
	return b.Context()
}

// decideTrust asks the role's trust policy for each action the token needs, and
// gives the names of the statements that allow. A role that does not exist and
// one that does not trust are refused alike.
func decideTrust(k webIdentityFacts, b believed, keys policy.Context, info request.Info) ([]string, error) {
	if !k.role.exists || k.role.Account != k.snapshot.Account {
		return nil, refuse(NotTrusted, errors.New("no such role"), notAuthorized)
	}
	actions := []string{actionWebIdentity}
	if len(b.SessionTags()) > 0 {
		actions = append(actions, actionTagSession)
	}
	if b.SourceIdentity() != "" {
		actions = append(actions, actionSourceIdentity)
	}
	set := policy.Set{Resource: []*policy.Document{k.role.Trust}, ResourceAccount: k.snapshot.Account}
	req := policy.Request{Principal: policy.FederatedPrincipal(k.provider.ARN()), Resource: k.role.ARN().String(), Context: keys}
	var matched []string
	for _, action := range actions {
		req.Action = action
		d := policy.Evaluate(req, set)
		names := countingStatements(d, k, b)
		if !d.Allowed() || len(names) == 0 {
			return nil, untrusted(k, b, req, set, d, info)
		}
		matched = append(matched, names...)
	}
	return matched, nil
}

// countingStatements are the names of the statements that allow and may.
func countingStatements(d policy.Decision, k webIdentityFacts, b believed) []string {
	var names []string
	for _, s := range d.Statements {
		if !s.Denies() && counts(s.Statement, k, b.Claims) {
			names = append(names, s.Name())
		}
	}
	return names
}

// counts reports whether a statement that matches may let this token in.
//
// A shared issuer gives tokens to everyone in the world, so a statement must
// confine the claim that says whose it is; this is asked at use as well, for
// statements that were stored before the rule or trust everyone. And a
// statement is meant for jobs: it lets a person in only if it names one of the
// issuer's login client ids as audience.
func counts(s *policy.Statement, k webIdentityFacts, claims oidc.Claims) bool {
	if key := iam.SharedKey(k.provider.ARN()); key != "" && !s.TestsKey(key) {
		return false
	}
	return !claims.IsPerson() || namesAudience(s, k.provider.KeyPrefix()+":aud", k.settings.LoginClientIDs)
}

// namesAudience reports whether a statement confines the audience to some of
// the ids, each named in full.
func namesAudience(s *policy.Statement, key string, ids []string) bool {
	conditions := s.Conditions()
	for i := range conditions {
		c := &conditions[i]
		if !c.IsKey(key) || c.Operator().String() != "StringEquals" {
			continue
		}
		named := 0
		for _, v := range c.Values() {
			if slices.Contains(ids, v.Text()) {
				named++
			}
		}
		if named > 0 && named == len(c.Values()) {
			return true
		}
	}
	return false
}

// keptClaims are the claims a session carries.
func keptClaims(c oidc.Claims) session.Claims {
	out := session.Claims{
		Issuer: string(c.Issuer()), Subject: c.Subject(), Audience: strings.Join(c.ConditionAudience(), " "),
		ProjectPath: c.Text("project_path"), ProjectID: c.Text("project_id"), NamespaceID: c.Text("namespace_id"),
		Ref: c.Text("ref"), RefType: c.Text("ref_type"), SHA: c.Text("sha"), PipelineID: c.Text("pipeline_id"), JobID: c.Text("job_id"),
		UserID: c.Text("user_id"), UserLogin: c.Text("user_login"), Environment: c.Text("environment"),
	}
	if c.Text("jti") != "" {
		id := c.TokenID()
		out.TokenID = hex.EncodeToString(id[:16])
	}
	return out
}
