package prove_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
	"mayfly.internal/internal/regular"
)

var provider = arn.Provider{Account: "111122223333", URL: "gitlab.example.com"}

// small is the words of the small world: two projects that are known and two
// that are not, four refs, two kinds of ref, sources, environments and people.
var small = struct {
	refs, branchSources, mergeSources, userIDs []string
	environments                               []*environment
}{
	refs:          []string{"main", "release/1", "v1", "Feature-1"},
	branchSources: []string{"push", "schedule", "parent_pipeline"},
	mergeSources:  []string{"merge_request_event", "parent_pipeline"},
	userIDs:       []string{"1", "2", "3"},
	environments: []*environment{nil, {"production", "true", "production", "start"}, {"production", "false", "production", "start"}, {"stage", "true", "staging", "start"},
		{"stage", "false", "staging", "start"}},
}

// dice makes what is random of a test.
type dice struct{ *rand.Rand }

// bytesSource makes a fuzzer's bytes into random numbers: zeros, when they end.
type bytesSource struct{ data []byte }

func (s *bytesSource) Seed(int64) {}

func (s *bytesSource) Int63() int64 {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int64(b) << 32
}

func (d dice) one(in int) bool { return d.Intn(in) == 0 }

func pick[T any](d dice, list ...T) T { return list[d.Intn(len(list))] }

func maybe[T any](d dice, in int, make func() T) guard.Fact[T] {
	if d.one(in) {
		return guard.Unknown[T]("nobody looked")
	}
	return guard.Known(make())
}

func (d dice) bool() bool { return d.Intn(2) == 0 }

func (d dice) access() []guard.Access {
	return pick(d, []guard.Access{}, []guard.Access{}, []guard.Access{{}}, []guard.Access{{Level: guard.Maintainer}}, []guard.Access{{Level: guard.Developer}}, []guard.Access{{}, {DeployKey: 3}}, []guard.Access{{User: 12}})
}

func (d dice) ruleName() string {
	return pick(d, "main", "main", "release/*", "release/1", "*", "m*n", "*e*", "v*", "Feature-1", "nosuch")
}

// project is what is known of a project, at random; unknown one time in so many.
func (d dice) project(path string, id int64, unknown int) guard.Project {
	p := guard.Project{Path: path, ID: guard.Known(id), NamespaceID: guard.Known[int64](70), DefaultBranch: guard.Known("main"),
		Tier: guard.Known(pick(d, guard.Free, guard.Premium, guard.Premium, guard.Ultimate)), Visibility: guard.Known("private"),
		SubComponents: guard.Known(pick(d, defaultSub, defaultSub, defaultSub, defaultSub, []string{"project_path", "ref"}, []string{"project_id", "ref_type", "ref"},
			[]string{"project_path", "ref_protected"}, []string{"project_path", "ref_type", "ref", "environment_protected"}, []string{"project_path", "ref", "ref"},
			[]string{"job_project_path", "ref_type", "ref"}, []string{"project_path", "ref", "project_id"}))}
	if d.one(unknown) {
		p.ID = guard.Unknown[int64]("nobody looked")
	}
	if d.one(unknown) {
		p.DefaultBranch = guard.Unknown[string]("nobody looked")
	}
	p.ProtectMergeRequestPipelines, p.ForkPipelinesInParent = maybe(d, unknown, d.bool), maybe(d, unknown, d.bool)
	p.PipelineVariables = maybe(d, unknown, func() guard.Level { return pick(d, guard.NoAccess, guard.Developer, guard.Maintainer, guard.Owner) })
	p.ProtectedBranches = maybe(d, unknown, func() []guard.ProtectedBranch {
		out := []guard.ProtectedBranch{}
		for range d.Intn(4) {
			rule := guard.ProtectedBranch{Name: d.ruleName(), Push: maybe(d, unknown, d.access), Merge: maybe(d, unknown, d.access), ForcePush: maybe(d, unknown, func() bool { return d.one(3) })}
			if tier, _ := p.Tier.Value(); tier != guard.Free {
				rule.CodeOwners = maybe(d, unknown, d.bool)
			}
			out = append(out, rule)
		}
		return out
	})
	p.ProtectedTags = maybe(d, unknown, func() []guard.ProtectedTag {
		out := []guard.ProtectedTag{}
		for range d.Intn(3) {
			out = append(out, guard.ProtectedTag{Name: d.ruleName(), Create: maybe(d, unknown, d.access)})
		}
		return out
	})
	if tier, _ := p.Tier.Value(); tier != guard.Free {
		d.paid(&p, unknown)
	}
	p.Settle()
	return p
}

var defaultSub = []string{"project_path", "ref_type", "ref"}

func (d dice) paid(p *guard.Project, unknown int) {
	seldom := func() bool { return d.one(4) }
	p.Mirror, p.AuthorMayApprove, p.CommittersMayApprove, p.ApprovalRulesOverridable = maybe(d, unknown, func() bool { return d.one(8) }), maybe(d, unknown, seldom), maybe(d, unknown, seldom), maybe(d, unknown, seldom)
	p.ResetApprovalsOnPush = maybe(d, unknown, d.bool)
	p.ApprovalRules = maybe(d, unknown, func() []guard.ApprovalRule {
		out := []guard.ApprovalRule{}
		for range d.Intn(4) {
			rule := guard.ApprovalRule{Name: "Rule", Type: pick(d, "any_approver", "regular", "regular", "code_owner"), Required: d.Intn(3), Branches: pick(d, guard.EveryBranch, guard.ProtectedOnly, guard.NamedBranches),
				Approvers: maybe(d, unknown, func() []int64 { return pick(d, []int64{}, []int64{1}, []int64{1, 2}, []int64{1, 2, 3}) })}
			if rule.Branches == guard.NamedBranches {
				rule.Named = []string{d.ruleName()}
			}
			out = append(out, rule)
		}
		return out
	})
	p.PushRule = maybe(d, unknown, func() guard.PushRule {
		return pick(d, guard.PushRule{}, guard.PushRule{}, guard.PushRule{Set: true, BranchName: "^(main|release/.*)$"}, guard.PushRule{Set: true, BranchName: "e"})
	})
	p.ProtectedEnvironments = maybe(d, unknown, func() []guard.ProtectedEnvironment {
		return pick(d, nil, []guard.ProtectedEnvironment{{Name: "production"}})
	})
	p.GroupProtectedEnvironments = maybe(d, unknown, func() []guard.ProtectedEnvironment {
		return pick(d, nil, nil, []guard.ProtectedEnvironment{{Name: "staging"}})
	})
	p.Environments = maybe(d, unknown, func() []guard.Environment {
		return pick(d, nil, []guard.Environment{{Name: "stage", Tier: "staging"}}, []guard.Environment{{Name: "stage", Tier: "other"}, {Name: "production", Tier: "production"}}, []guard.Environment{{Name: "stage"}})
	})
}

// requirements are some, at random.
func (d dice) requirements() []guard.Requirement {
	if d.one(4) {
		return guard.Default()
	}
	var words []string
	for _, name := range guard.KindNames() {
		if d.one(4) {
			if name == "reviewed" && d.bool() {
				name = "reviewed=2"
			}
			words = append(words, name)
		}
	}
	if len(words) == 0 {
		words = []string{"protected"}
	}
	out, err := guard.ParseRequirements(strings.Join(words, ","))
	if err != nil {
		panic(err)
	}
	return out
}

// policy is a trust policy that somebody could have written for the small world,
// good or bad.
func (d dice) policy() string {
	var statements []string
	for range 1 + d.Intn(2) {
		statements = append(statements, d.statement("Allow"))
	}
	if d.one(3) {
		statements = append(statements, d.statement("Deny"))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// several has a policy ask for more than one audience, or deny some of them, by an
// operator for many values.
func (d dice) several(text string) string {
	asks := func(op string, values ...string) string {
		list, _ := json.Marshal(values)
		return fmt.Sprintf(`%q:{"%s:aud":%s}`, op, provider.URL, list)
	}
	one := pick(d, asks("ForAnyValue:StringEquals", "sts"), asks("ForAllValues:StringLike", "*s*", "login-app"), asks("ForAnyValue:StringLike", "s*"))
	changed := strings.Replace(text, `"Condition":{`, `"Condition":{`+pick(d, "", one+",", one+","+asks("ForAnyValue:StringEqualsIgnoreCase", "login-app")+",", one+","+asks("StringLike", "s*")+",", one+","+asks("ForAnyValue:StringEqualsIgnoreCase", "login-app")+",", asks("Null", "false")+","), -1)
	if d.one(3) {
		changed = strings.TrimSuffix(changed, "]}") + fmt.Sprintf(`,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{%s}}]}`,
			pick(d, asks("ForAllValues:StringEquals", "sts"), asks("ForAnyValue:StringEquals", "login-app"), asks("StringNotEquals", "sts"), asks("ForAnyValue:StringNotEquals", "sts")))
	}
	if _, err := policy.Parse(policy.Trust, []byte(changed)); err != nil {
		return text // an operator twice
	}
	return changed
}

func (d dice) statement(effect string) string {
	conditions := map[string]map[string][]string{}
	add := func(op, key string, values ...string) {
		if conditions[op] == nil {
			conditions[op] = map[string][]string{}
		}
		if !strings.HasPrefix(key, "aws:") {
			key = provider.URL + ":" + key
		}
		conditions[op][key] = append(conditions[op][key], values...)
	}
	path := pick(d, "acme/web", "acme/web", "acme/api")
	if effect == "Allow" && !d.one(12) {
		ref := pick(d, "main", "main", "release/1", "v1", "release/*", "*", "m*", "Feature-?")
		lead := pick(d, "project_path:"+path, "project_path:"+path, "project_path:"+path, "project_path:"+path, "project_path:"+path, "project_path:acme/*", "project_path:"+path+"*", "project_id:7", "job_project_path:"+path, "project_path:evil/web")
		sub := lead + pick(d, ":ref_type:branch:ref:"+ref, ":ref_type:branch:ref:"+ref, ":ref_type:branch:ref:"+ref, ":ref_type:tag:ref:"+ref, ":*:ref:"+ref, ":ref:"+ref, ":ref_protected:true", ":*", ":ref:"+ref+":ref:*", ":ref:"+ref+":project_id:?",
			":ref_type:branch:ref:"+ref+":environment_protected:true")
		add(pick(d, "StringLike", "StringLike", "StringLike", "StringEquals"), "sub", sub)
	}
	if effect == "Allow" && d.bool() {
		add("StringEquals", "project_id", pick(d, "7", "7", "8", "99"))
	}
	if effect == "Allow" && d.bool() {
		add("StringEquals", "pipeline_source", "push", "schedule")
	}
	if effect == "Allow" && d.one(4) {
		add("StringEquals", "ref_protected", "true")
	}
	if effect == "Allow" && d.one(4) {
		add("StringEquals", "environment", "production")
		add(pick(d, "StringEquals", "Bool", "StringEqualsIfExists"), "environment_protected", "true")
	}
	for range pick(d, 0, 0, 1, 2) {
		claim := pick(d, "project_path", "namespace_id", "ref", "ref_type", "ref_protected", "pipeline_source", "environment", "deployment_tier", "user_id", "aud", "job_project_path", "project_id")
		values := map[string][]string{"project_path": {"acme/web", "acme/*", "evil/web"}, "namespace_id": {"70", "990"}, "ref": {"main", "release/*", "*1"}, "ref_type": {"branch", "tag"}, "ref_protected": {"true", "false"},
			"pipeline_source": {"push", "merge_request_event", "*e*"}, "environment": {"production", "stage"}, "deployment_tier": {"staging", "production"}, "user_id": {"1", "2"}, "aud": {"sts", "login-app"},
			"job_project_path": {"acme/web", "acme/*"}, "project_id": {"7", "99", "?"}}[claim]
		add(pick(d, "", "", "", "", "ForAnyValue:", "ForAllValues:")+pick(d, "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")+pick(d, "", "", "", "IfExists"), claim, pick(d, values...))
	}
	if d.one(12) {
		add("IpAddress", "aws:SourceIp", "10.0.0.0/8")
	}
	text, _ := json.Marshal(conditions)
	principal := fmt.Sprintf(`{"Federated":%q}`, provider.String())
	if effect == "Deny" && d.one(4) {
		principal = `"*"`
	}
	return fmt.Sprintf(`{"Effect":%q,"Principal":%s,"Action":"sts:AssumeRoleWithWebIdentity","Condition":%s}`, effect, principal, text)
}

// oddPolicy is a trust policy that hardly anybody would write: any operator on any
// claim.
func (d dice) oddPolicy() string {
	var statements []string
	for i := range 1 + d.Intn(3) {
		effect := "Allow"
		if i > 0 && d.bool() {
			effect = "Deny"
		}
		conditions := map[string]map[string][]string{}
		for range 1 + d.Intn(4) {
			op, key, values := d.oddCondition()
			if conditions[op] == nil {
				conditions[op] = map[string][]string{}
			}
			conditions[op][provider.URL+":"+key] = values
		}
		text, _ := json.Marshal(conditions)
		statements = append(statements, fmt.Sprintf(`{"Effect":%q,"Principal":{"Federated":%q},"Action":"sts:*","Condition":%s}`, effect, provider.String(), text))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func (d dice) oddCondition() (op, key string, values []string) {
	all := []struct {
		key    string
		values []string
	}{
		{"sub", []string{"project_path:acme/*", "*:ref:main", "PROJECT_PATH:ACME/WEB:REF_TYPE:BRANCH:REF:MAIN", "project_?*:7:*", "*protected:true", "project_path:acme/web:ref_type:${gitlab.example.com:ref_type}:ref:*", "12", "*"}},
		{"project_path", []string{"acme/web", "ACME/*", "*/web", "acme/web?"}}, {"project_id", []string{"7", "?", "8", "99"}}, {"namespace_path", []string{"acme", "*a*"}},
		{"namespace_id", []string{"70", "9*"}}, {"job_project_path", []string{"acme/web", "*"}}, {"job_project_id", []string{"7", "8"}}, {"job_namespace_path", []string{"acme"}}, {"job_namespace_id", []string{"70"}},
		{"ref", []string{"main", "*1", "MAIN", "Feature-?", "*/*", ""}}, {"ref_path", []string{"refs/heads/*", "refs/tags/v1", "*main"}}, {"ref_type", []string{"branch", "tag", "TAG"}},
		{"ref_protected", []string{"true", "false", "TRUE", "?????"}}, {"pipeline_source", []string{"push", "*_*", "merge_request_event", "schedule"}},
		{"environment", []string{"production", "stage", "pro*", ""}}, {"environment_protected", []string{"true", "false"}}, {"deployment_tier", []string{"production", "staging", "*"}}, {"environment_action", []string{"start", "stop"}},
		{"user_id", []string{"1", "", "?"}}, {"user_login", []string{"ann", "ANN", "*"}}, {"aud", []string{"sts", "login-app", "*"}},
	}
	one := all[d.Intn(len(all))]
	if d.one(4) {
		one = all[0]
	}
	op = pick(d, "StringEquals", "StringEquals", "StringLike", "StringLike", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "Null", "Bool")
	for range 1 + d.Intn(2) {
		values = append(values, pick(d, one.values...))
	}
	if op == "Bool" && !strings.HasSuffix(one.key, "protected") {
		op = "Null" // of all texts it can be asked of few alone
	}
	if op == "Null" || op == "Bool" {
		values = []string{pick(d, "true", "false")}
	}
	if op != "Null" && d.one(4) {
		op += "IfExists"
	}
	return pick(d, "", "", "", "ForAnyValue:", "ForAllValues:") + op, one.key, values
}

// smallCase is a random world, and what is asked of it.
type smallCase struct {
	reader
	require []guard.Requirement
	issuer  *prove.Issuer
	world   *prove.World
	tokens  []token
}

// token is a job's token, made.
type token struct {
	job
	components []string
	claims     prove.Claims
	context    policy.Context
	made       sure
}

func (d dice) world() *smallCase {
	unknown := pick(d, 1<<30, 1<<30, 12, 5)
	f := &guard.Facts{GitLab: "https://gitlab.example.com", Issuer: "https://gitlab.example.com", Projects: []guard.Project{d.project("acme/web", 7, unknown), d.project("acme/api", 8, unknown)}}
	c := &smallCase{require: d.requirements()}
	c.facts = f
	c.issuer = &prove.Issuer{Provider: provider, Facts: f}
	if d.one(3) {
		c.issuer.Realm, c.realm = prove.AWS, prove.AWS
	}
	if d.one(3) {
		c.issuer.LoginClientIDs = []string{"login-app"}
		c.logins = c.issuer.LoginClientIDs
	}
	c.make()
	return c
}

// make finds the tokens of the world.
func (c *smallCase) make() {
	c.world = prove.NewWorld(c.require, c.issuer)
	c.tokens = nil
	for _, j := range c.everyJob() {
		for _, components := range c.components(j) {
			claims := j.claims(provider, c.realm, components)
			made := c.mintable(j)
			if c.isOdd(j, components) {
				made = made.and(perhaps) // a stranger's, of which nothing better is said
			}
			c.tokens = append(c.tokens, token{j, components, claims, contextOf(claims), made})
		}
	}
}

// forks says of the world's projects whether they are forks: so far nobody did.
func (d dice) forks(c *smallCase) {
	for i := range c.facts.Projects {
		c.facts.Projects[i].ForkedFrom = pick(d, guard.Known(""), guard.Known(""), guard.Known("old/web"), guard.Known(c.facts.Projects[1-i].Path), guard.Unknown[string]("nobody looked"))
	}
	c.make()
}

// everyJob is every job of the small world that GitLab may make a token for.
func (c *smallCase) everyJob() []job {
	var out []job
	add := func(j job) {
		if c.mintable(j) != no {
			out = append(out, j)
		}
	}
	for _, p := range []struct{ path, id, ns, runsIn, runsInID, runsInNS string }{
		{"acme/web", "7", "70", "acme/web", "7", "70"}, {"acme/web", "99", "990", "acme/web", "99", "990"}, {"acme/api", "8", "70", "acme/api", "8", "70"},
		{"acme/web2", "67", "70", "acme/web2", "67", "70"}, {"evil/web", "66", "660", "evil/web", "66", "660"}, {"evil/web", "66", "660", "acme/web", "7", "70"},
		{"ACME/web", "99", "990", "ACME/web", "99", "990"},
	} {
		for _, kind := range []guard.RefKind{guard.Branch, guard.Tag, guard.MergeRequest} {
			sources := small.branchSources
			if kind == guard.MergeRequest {
				sources = small.mergeSources
			}
			for _, ref := range small.refs {
				for _, source := range sources {
					for _, e := range small.environments {
						for i, protected := range []string{"true", "false"} {
							user := small.userIDs[(len(out)+i)%len(small.userIDs)]
							add(job{path: p.path, id: p.id, namespaceID: p.ns, kind: kind, ref: ref, protected: protected, source: source, environment: e, userID: user, login: "ann", aud: "sts",
								runsIn: p.runsIn, runsInID: p.runsInID, runsInParentID: p.runsInNS})
						}
					}
				}
			}
		}
	}
	for _, p := range []job{
		{path: "acme/web", id: "7", namespaceID: "70", runsIn: "evil/web", runsInID: "66", runsInParentID: "660"}, {path: "acme/api", id: "8", namespaceID: "70", runsIn: "evil/web", runsInID: "66", runsInParentID: "660"},
		{path: "evil/web", id: "66", namespaceID: "660", runsIn: "acme/web2", runsInID: "67", runsInParentID: "70"}, {path: "acme/web", id: "99", namespaceID: "990", runsIn: "evil/web", runsInID: "66", runsInParentID: "660"},
		{path: "acme/web", id: "7", namespaceID: "70", runsIn: "acme/api", runsInID: "8", runsInParentID: "70"}, {path: "acme/api", id: "8", namespaceID: "70", runsIn: "acme/web", runsInID: "7", runsInParentID: "70"},
	} {
		p.kind, p.protected, p.login, p.aud = guard.MergeRequest, "false", "ann", "sts"
		for _, p.ref = range small.refs {
			for _, p.source = range small.mergeSources {
				for _, p.environment = range small.environments {
					p.userID = small.userIDs[len(out)%len(small.userIDs)]
					add(p)
				}
			}
		}
	}
	for _, p := range []job{{path: "acme/web", id: "7", namespaceID: "70"}, {path: "acme/api", id: "8", namespaceID: "70"}, {path: "evil/web", id: "66", namespaceID: "660"}} {
		p.runsIn, p.runsInID, p.runsInParentID, p.source, p.userID, p.aud = p.path, p.id, p.namespaceID, "push", "1", "sts login-app"
		for _, p.ref = range small.refs {
			for _, p.environment = range small.environments[:2] {
				for _, p.protected = range []string{"true", "false"} {
					add(p)
				}
			}
		}
	}
	add(job{person: "12", aud: "login-app"})
	add(job{person: "12", aud: strings.Repeat("0a", 32)})
	return out
}

// components are what sub may be made of, in a job's project: where nobody knows
// the project its owner chooses.
func (c *smallCase) components(j job) [][]string {
	if p, ok := c.facts.Project(j.runsIn); ok && (j.runsIn != j.path || isOf(p, j)) {
		list, _ := p.SubComponents.Value()
		return [][]string{list}
	}
	out := [][]string{defaultSub, {"project_id", "ref_type", "ref"}, {"project_path", "ref"}, {"project_path", "ref_protected"}, {"project_path", "ref_type", "ref", "environment_protected"},
		{"project_path", "ref", "project_id"}, {"project_path", "ref", "ref"}}
	if j.runsIn != j.path {
		out = append(out, []string{"job_project_path", "ref_type", "ref", "project_path"}, []string{"project_path", "ref_type", "ref", "environment_protected"},
			[]string{"project_path", "ref", "environment_protected"}, []string{"project_id", "ref"}, []string{"project_id", "ref_protected"}, []string{"project_id", "ref_type", "ref", "environment_protected"}, []string{"project_id", "ref", "project_id"})
	}
	return out
}

// isOdd reports whether a stranger's token is one of those of which prove says at
// most that nobody knows: it runs in another stranger's project, or its sub names a
// project behind other components, or one of them twice.
func (c *smallCase) isOdd(j job, components []string) bool {
	if p, ok := c.facts.Project(j.runsIn); j.person != "" || c.isElsewhere(j) || ok && (j.runsIn != j.path || isOf(p, j)) {
		return false
	}
	return j.runsIn != j.path || slices.Equal(components, []string{"project_path", "ref", "project_id"}) || slices.Equal(components, []string{"project_path", "ref", "ref"})
}

func contextOf(claims prove.Claims) policy.Context {
	var b policy.ContextBuilder
	for _, c := range claims {
		if many := strings.Fields(c.Value); c.Key == provider.URL+":aud" && len(many) > 1 {
			b.SetMany(c.Key, many)
			continue
		}
		b.Set(c.Key, c.Value)
	}
	ctx, err := b.Context()
	if err != nil {
		panic(err)
	}
	return ctx
}

func allowed(doc *policy.Document, ctx policy.Context) bool {
	return policy.Evaluate(policy.Request{Principal: policy.FederatedPrincipal(provider), Action: "sts:AssumeRoleWithWebIdentity", Resource: "*", Context: ctx},
		policy.Set{Resource: []*policy.Document{doc}, ResourceAccount: provider.Account}).Allowed()
}

// exchangeTakes is whether the exchange takes a token at all: on Mayfly a person
// only by a statement that names the audience.
func (c *smallCase) exchangeTakes(doc *policy.Document, j job) bool {
	if j.person == "" || c.realm == prove.AWS {
		return true
	}
	return slices.ContainsFunc(doc.Statements(), func(st *policy.Statement) bool {
		return !st.Denies() && st.ConfinesTo(provider.URL+":aud", c.logins)
	})
}

// violation is whether a job breaks any requirement.
func (c *smallCase) violation(j job) sure {
	_, runsInKnown := c.facts.Project(j.runsIn)
	if p, known := c.facts.Project(j.path); known && !runsInKnown && !isOf(p, j) && j.runsIn != j.path { // another project's, under the path of one that is known
		return c.breaks(job{path: j.path, runsIn: j.path, id: j.id, namespaceID: j.namespaceID}, guard.Requirement{Kind: guard.ImmutableID}).and(is(slices.ContainsFunc(c.require, func(r guard.Requirement) bool { return r.Kind == guard.ImmutableID })))
	}
	if j.person != "" || !runsInKnown && !c.isElsewhere(j) {
		return yes
	}
	out := no
	for _, r := range c.require {
		out = out.or(c.breaks(j, r))
	}
	return out
}

// enumerate is the worst that any job of the small world that the policy allows
// does. What the policy asks and nobody here can say (aws:SourceIp) is not set.
func (c *smallCase) enumerate(doc *policy.Document, named bool) (worst sure, by prove.Claims) {
	for _, one := range c.tokens {
		if !allowed(doc, one.context) || !c.exchangeTakes(doc, one.job) {
			continue
		}
		v := c.violation(one.job).and(one.made)
		if one.made == perhaps && !c.isOdd(one.job, one.components) {
			v = v.or(c.surely(doc, one.job, one.components, c.violation))
		}
		if _, known := c.facts.Project(one.path); !known && named && one.person == "" {
			v = v.and(perhaps) // it is meant, and nobody has read its facts
		}
		if v > worst {
			worst, by = v, one.claims
		}
	}
	return worst, by
}

// surely is whether a job is there and, whatever it turns out to be, gets in and
// breaks something.
func (c *smallCase) surely(doc *policy.Document, j job, components []string, breaks func(job) sure) sure {
	out, _ := c.mint(j)
	for _, one := range c.turnsOut(j) {
		if out == no || !allowed(doc, contextOf(one.claims(provider, c.realm, components))) {
			return no
		}
		out = out.and(breaks(one))
	}
	return out
}

// jobOf makes a finding's job of its claims.
func (c *smallCase) jobOf(f prove.Finding) job {
	get := func(claim string) string { v, _ := f.Claims.Get(provider.URL + ":" + claim); return v }
	j := job{aud: get("aud")}
	if f.Kind == "sign-in" {
		j.person = get("sub")
		return j
	}
	j.kind = map[string]guard.RefKind{"branch": guard.Branch, "tag": guard.Tag, "merge request": guard.MergeRequest}[f.Kind]
	j.path, j.ref, j.id, j.namespaceID, j.protected, j.source = f.Project, f.Ref, get("project_id"), get("namespace_id"), get("ref_protected"), get("pipeline_source")
	j.runsIn, j.runsInID, j.runsInParentID, j.userID, j.login = get("job_project_path"), get("job_project_id"), get("job_namespace_id"), get("user_id"), get("user_login")
	if p, known := c.facts.Project(j.path); j.source == "merge_request_event" && (!known || !isOf(p, j)) {
		j.kind = guard.MergeRequest // of strangers one shape has them both
	}
	if name, ok := f.Claims.Get(provider.URL + ":environment"); ok {
		j.environment = &environment{name, get("environment_protected"), get("deployment_tier"), get("environment_action")}
	}
	return j
}

// plausible are the jobs that a finding on AWS may mean, where claims other than
// sub and aud do not show.
func (c *smallCase) plausible(f prove.Finding) []job {
	j := c.jobOf(f)
	if c.realm == prove.Mayfly || j.person != "" {
		return []job{j}
	}
	var out []job
	sub, _ := f.Claims.Get(provider.URL + ":sub")
	j.source, j.userID, j.runsIn = "push", "1", j.path
	if j.kind == guard.MergeRequest {
		j.source = "merge_request_event"
	}
	type ids struct{ id, ns string }
	all := []ids{{"67", "70"}, {"66", "660"}, {"99", "990"}, {"7", "70"}, {"8", "70"}}
	if _, rest, ok := strings.Cut(sub, "project_id:"); ok {
		id, _, _ := strings.Cut(rest, ":")
		all = append(all, ids{id, "70"}, ids{id, "990"})
	}
	environments := append(slices.Clone(small.environments), &environment{"hotfix", "true", "other", "start"}, &environment{"hotfix", "false", "other", "start"}) // one that no rule names
	for _, n := range all {
		for _, protected := range []string{"true", "false"} {
			for _, e := range environments {
				for _, runs := range []struct{ in, id, ns string }{{j.path, n.id, n.ns}, {"acme/web", "7", "70"}, {"acme/api", "8", "70"}} {
					one := j
					one.id, one.namespaceID, one.protected, one.environment = n.id, n.ns, protected, e
					one.runsIn, one.runsInID, one.runsInParentID = runs.in, runs.id, runs.ns
					out = append(out, one)
				}
			}
		}
	}
	return out
}

// finding checks a finding's witness: the evaluator lets it in, GitLab could
// make it, and it breaks what it is said to break, as surely as the finding says.
func (c *smallCase) finding(doc *policy.Document, f prove.Finding) string {
	if len(f.Claims) == 0 {
		if f.Verdict == prove.Refuted {
			return "a refutation without a witness"
		}
		return ""
	}
	if f.Verdict == prove.Refuted && !allowed(doc, contextOf(f.Claims)) {
		return "the evaluator refuses the witness"
	}
	best, why := no, "no such token is made"
	sub, _ := f.Claims.Get(provider.URL + ":sub")
	for _, j := range c.plausible(f) {
		for _, components := range c.componentsOf(j, sub) {
			if sub != "" && j.person == "" && j.sub(components) != sub {
				continue
			}
			if slices.ContainsFunc(j.claims(provider, c.realm, components), func(one prove.Claim) bool { return !c.shows(f, one) }) {
				continue
			}
			if c.mintable(j) == no {
				continue
			}
			breaks := func(j job) sure { return c.breaksAll(j, f.Requires) }
			if breaks(j) == no {
				why = "it breaks nothing"
			}
			best = best.or(c.mintable(j).and(breaks(j))).or(c.surely(doc, j, components, breaks))
		}
	}
	if best == no || f.Verdict == prove.Refuted && best != yes && !c.chosen(f) {
		return fmt.Sprintf("the witness is none: %s (%d)", why, best)
	}
	return ""
}

// shows is whether a finding's token says what a job's does. What cannot be read
// is not in it: sub, and the id of the project that a fork's job runs in.
func (c *smallCase) shows(f prove.Finding, one prove.Claim) bool {
	v, ok := f.Claims.Get(one.Key)
	if !ok && one.Key == provider.URL+":job_project_id" {
		path, _ := f.Claims.Get(provider.URL + ":job_project_path")
		p, known := c.facts.Project(path)
		return known && f.Project != path && p.ID.State() != guard.StateKnown
	}
	return ok && v == one.Value || !ok && one.Key == provider.URL+":sub"
}

// breaksAll is whether a job breaks all of some requirements.
func (c *smallCase) breaksAll(j job, all []guard.Requirement) sure {
	breaks := c.violation(j)
	if _, known := c.facts.Project(j.runsIn); known && j.person == "" {
		for _, r := range all {
			breaks = breaks.and(c.breaks(j, r))
		}
	}
	return breaks
}

// chosen reports whether a witness stands for others of which not all can be what
// nobody knows: another project's id, which may be the one of a project that is
// known; a tag's name, which may be the default branch's.
func (c *smallCase) chosen(f prove.Finding) bool {
	return slices.ContainsFunc(c.facts.Projects, func(p guard.Project) bool {
		return p.ID.State() != guard.StateKnown && p.Path != f.Project || p.DefaultBranch.State() != guard.StateKnown && p.Path == f.Project && f.Kind == "tag"
	})
}

// idsUnknown reports whether an id or a default branch's name is unknown.
func (c *smallCase) idsUnknown() bool {
	return slices.ContainsFunc(c.facts.Projects, func(p guard.Project) bool {
		return p.ID.State() != guard.StateKnown || p.DefaultBranch.State() != guard.StateKnown
	})
}

// componentsOf are those of the job's project; where its owner chooses them, those
// that make such a sub.
func (c *smallCase) componentsOf(j job, sub string) [][]string {
	own := c.components(j)
	if len(own) == 1 || sub == "" || j.person != "" {
		return own[:1]
	}
	var list []string
	for i, word := range strings.Split(sub, ":") {
		if i%2 == 0 {
			list = append(list, word)
		}
	}
	leads := []string{"project_path", "project_id", "job_project_path", "job_project_id", "source_project_path", "source_project_id"}
	rest := []string{"ref_type", "ref", "ref_protected", "environment_protected", "deployment_tier"}
	if !slices.Contains(leads, list[0]) || slices.ContainsFunc(list[1:], func(name string) bool { return !slices.Contains(rest, name) }) {
		return nil
	}
	return [][]string{list}
}

// unknowns reports whether any fact is unknown.
func (c *smallCase) unknowns() bool {
	for i := range c.facts.Projects {
		if strings.Contains(fmt.Sprintf("%+v", c.facts.Projects[i]), "nobody looked") {
			return true
		}
	}
	return false
}

// judge checks the verdict on a policy against the reading of the facts; "" if
// they agree.
func (c *smallCase) judge(doc *policy.Document, text string) (prove.Report, string) {
	report := c.world.Check("deployer", doc)
	for _, s := range report.Statements {
		for _, f := range s.Findings {
			if wrong := c.finding(doc, f); wrong != "" {
				return report, fmt.Sprintf("%s: %s %s %s %s\n%v", wrong, f.Verdict, f.Guard, f.Project, f.Why, f.Claims)
			}
		}
	}
	unread := strings.Contains(text, "aws:SourceIp") || strings.Contains(fmt.Sprintf("%+v", report), "too many ways") // the evaluator is asked without it
	unmade := strings.Contains(fmt.Sprintf("%+v", report), "behind what it follows from") ||                          // a fork's sub that is not modelled, and said not to be
		strings.Contains(fmt.Sprintf("%+v", report), "nobody knows whether the project") // is a fork of the other: the facts do not say
	for _, few := range []string{"several audiences", " runs-elsewhere ", "have such tokens", "have such a token", regular.ErrTooLarge.Error()} { // of which the small world has a few jobs alone
		unmade = unmade || strings.Contains(said(report), few)
	}
	named := strings.Contains(text, "evil") || strings.Contains(text, `"99"`)
	worst, by := c.enumerate(doc, named)
	switch {
	case report.Verdict == prove.Proven && worst > no && !unread:
		return report, fmt.Sprintf("proven, but this breaks something (%d): %v", worst, by)
	case report.Verdict == prove.Unknown && worst == yes && !unread && !c.oddSub() && !c.idsUnknown():
		return report, fmt.Sprintf("unknown, but this surely breaks something: %v", by)
	case report.Verdict == prove.Unknown && worst == no && !unread && !named && !unmade && !c.oddSub() && !c.unknowns():
		return report, "unknown, and nothing is"
	}
	return report, ""
}

// oddSub reports whether a project's sub is made as nobody here can follow: one
// text twice in it.
func (c *smallCase) oddSub() bool {
	return slices.ContainsFunc(c.facts.Projects, func(p guard.Project) bool {
		list, _ := p.SubComponents.Value()
		return slices.Equal(list, []string{"project_path", "ref", "ref"})
	})
}

func (c *smallCase) String() string {
	text, err := guard.Encode(c.facts)
	if err != nil {
		return err.Error()
	}
	words := make([]string, len(c.require))
	for i, r := range c.require {
		words[i] = r.String()
	}
	return fmt.Sprintf("%s\nrequire=%s realm=%d logins=%s", text, strings.Join(words, ","), c.realm, strconv.Quote(strings.Join(c.logins, " ")))
}

// TestVerdict: over small worlds whose facts are drawn at random the verdict is
// what a slow reading of the same facts says of each job.
func TestVerdict(t *testing.T) {
	t.Parallel()
	verdicts := map[prove.Verdict]int{}
	seeds := []int64{
		282,  // a merge request from a branch of which nobody knows whether it is protected
		351,  // a fork that the statement names by its id
		523,  // jobs without an environment, where nobody knows which are protected
		592,  // a fork whose sub is in an order that is not modelled
		794,  // a protected environment is required, and AWS knows none
		1149, // what nobody knows is not asked: whichever it is, the job gets in
		1280, // an environment that is surely protected, where others may be
		1394, // a fork of a project whose id nobody knows
		1450, // sub says what nobody knows, and nobody asks for it
		1491, // a Deny that asks for a claim that AWS does not see
		1535, // a fork's job deploys to its parent's environments
		3398, // a project that is known may be a fork of another
		4017, // and its sub is in an order that is not modelled
		5610, // an environment that no rule names, which AWS does not see
		2049, // of two tokens one is made, and each breaks what is required
	}
	seeds = seeds[:prove.Fewer(len(seeds))] // all but under the race detector
	for seed := range int64(prove.Fewer(12)) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		d := dice{rand.New(rand.NewSource(seed))}
		c := d.world()
		for i := range 15 {
			if i == 8 {
				d.forks(c)
			}
			text := d.policy()
			if i >= 5 && i < 10 {
				text = d.oddPolicy()
			}
			if i >= 10 {
				text = d.several(text)
			}
			if i == 14 {
				text = strings.ReplaceAll(text, "acme/web", "ACME/web")
			}
			doc, err := policy.Parse(policy.Trust, []byte(text))
			if err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			report, wrong := c.judge(doc, text)
			if wrong != "" {
				t.Fatalf("seed %d: %s\n\n%s\n%s\n%s", seed, wrong, text, c, said(report))
			}
			verdicts[report.Verdict]++
		}
	}
	for _, v := range []prove.Verdict{prove.Unknown, prove.Refuted, prove.Proven} {
		if verdicts[v] < prove.Fewer(5) {
			t.Errorf("%d policies are %s: the test says little", verdicts[v], v)
		}
	}
	t.Log(verdicts)
}

// FuzzVerdict is TestVerdict of a fuzzer's choosing.
func FuzzVerdict(f *testing.F) {
	for seed := range int64(prove.Fewer(20)) {
		text := make([]byte, 400)
		rand.New(rand.NewSource(seed)).Read(text)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := dice{rand.New(&bytesSource{data})}
		c := d.world()
		text := d.policy()
		if d.one(3) {
			text = d.oddPolicy()
		}
		if d.bool() {
			d.forks(c)
			text = d.several(text)
		}
		doc, err := policy.Parse(policy.Trust, []byte(text))
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if report, wrong := c.judge(doc, text); wrong != "" {
			t.Fatalf("%s\n\n%s\n%s\n%s", wrong, text, c, said(report))
		}
	})
}

// said is a report in lines.
func said(r prove.Report) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.Verdict)
	for _, s := range r.Statements {
		fmt.Fprintln(&b, s.Name, s.Verdict)
		for _, f := range s.Findings {
			fmt.Fprintln(&b, "  ", f.Verdict, f.Guard, f.Project, f.Why, f.Walk)
		}
	}
	return b.String()
}
