package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

const account = arn.AccountID("111122223333")

func TestZeroValuesRefuse(t *testing.T) {
	if got := policy.Evaluate(policy.Request{}, policy.Set{}); got.Effect != policy.ImplicitDeny || got.Allowed() || got.Statements != nil {
		t.Errorf("%+v", got)
	}
	if (policy.Decision{}).Allowed() || policy.Effect(77).String() != "implicit deny" {
		t.Error("the zero decision allows, or an unknown effect reads as one")
	}
	everything := mustParse(t, policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "*"`))
	everyone := mustParse(t, policy.Resource, statement(`"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"`))
	set := policy.Set{Identity: []*policy.Document{everything}, Resource: []*policy.Document{everyone}}
	if policy.Evaluate(policy.Request{Action: "a:b", Resource: "*"}, set).Allowed() {
		t.Error("nobody is allowed something")
	}
}

// TestStory asks the story's trust policy about the job and its neighbours.
func TestStory(t *testing.T) {
	trust := mustParse(t, policy.Trust, deployTrust)
	with := func(name, value string) map[string]string {
		claims := map[string]string{}
		for k, v := range deployClaims {
			claims[k] = v
		}
		claims[name] = value
		return claims
	}
	without := func(name string) map[string]string {
		claims := with(name, "")
		delete(claims, name)
		return claims
	}
	const sub = "project_path:my_group/my-fancy_project:ref_type:branch:ref:production"
	for _, tt := range []struct {
		name   string
		claims map[string]string
		want   policy.Effect
	}{
		{"the job on the branch production", deployClaims, policy.Allow},
		{"another branch", with("sub", strings.Replace(sub, "production", "feature", 1)), policy.ImplicitDeny},
		{"a branch whose name begins the same", with("sub", sub+"-hotfix"), policy.ImplicitDeny},
		{"a tag of the same name", with("sub", strings.Replace(sub, "branch", "tag", 1)), policy.ImplicitDeny},
		{"a project with a longer name", with("sub", strings.Replace(sub, "my-fancy_project", "my-fancy_project2", 1)), policy.ImplicitDeny},
		{"a group with a longer name", with("sub", strings.Replace(sub, "my_group", "xmy_group", 1)), policy.ImplicitDeny},
		{"a subgroup of the same name", with("sub", strings.Replace(sub, "my_group/", "my_group/my_group/", 1)), policy.ImplicitDeny},
		{"upper case", with("sub", strings.ToUpper(sub)), policy.ImplicitDeny},
		{"a trailing newline", with("sub", sub+"\n"), policy.ImplicitDeny},
		{"the subject doubled", with("sub", sub+sub), policy.ImplicitDeny},
		{"an empty subject", with("sub", ""), policy.ImplicitDeny},
		{"no subject", without("sub"), policy.ImplicitDeny},
		{"another audience", with("aud", "gitlab-aws-deploy2"), policy.ImplicitDeny},
		{"no audience", without("aud"), policy.ImplicitDeny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := policy.Evaluate(exchange(t, tt.claims), policy.Set{Resource: []*policy.Document{trust}})
			if got.Effect != tt.want {
				t.Errorf("%v", got.Effect)
			}
		})
	}
	for name, change := range map[string]func(*policy.Request){
		"another action":             func(r *policy.Request) { r.Action = "sts:AssumeRole" },
		"the tagging of the session": func(r *policy.Request) { r.Action = "sts:TagSession" },
		"another provider": func(r *policy.Request) {
			r.Principal = policy.FederatedPrincipal(arn.Provider{Account: account, URL: "gitlab.example.com"})
		},
		"the provider with a path": func(r *policy.Request) {
			r.Principal = policy.FederatedPrincipal(arn.Provider{Account: account, URL: "gitlab.com/"})
		},
		"the provider in upper case": func(r *policy.Request) {
			r.Principal = policy.FederatedPrincipal(arn.Provider{Account: account, URL: "GITLAB.com"})
		},
		"the same provider in an other account": func(r *policy.Request) {
			r.Principal = policy.FederatedPrincipal(arn.Provider{Account: "999922223333", URL: "gitlab.com"})
		},
		"someone anonymous":                        func(r *policy.Request) { r.Principal = policy.AnonymousPrincipal() },
		"a service that is called as the provider": func(r *policy.Request) { r.Principal = policy.ServicePrincipal(gitlab.String()) },
		"nobody": func(r *policy.Request) { r.Principal = policy.Principal{} },
		"array where a string belongs": func(r *policy.Request) {
			var b policy.ContextBuilder
			b.Set("gitlab.com:aud", "gitlab-aws-deploy")
			b.SetMany("gitlab.com:sub", []string{deployClaims["sub"]})
			r.Context, _ = b.Context()
		},
	} {
		t.Run(name, func(t *testing.T) {
			req := exchange(t, deployClaims)
			change(&req)
			if got := policy.Evaluate(req, policy.Set{Resource: []*policy.Document{trust}}); got.Effect != policy.ImplicitDeny {
				t.Errorf("%v", got.Effect)
			}
		})
	}
}

// deployer is the session that composition is tried with.
var deployer = struct {
	role    arn.Role
	id      string
	session arn.Session
}{arn.Role{Account: account, Path: "/ci/", Name: "deploy"}, "AROAEXAMPLEEXAMPLE123", arn.Session{Account: account, Role: "deploy", Name: "job-1"}}

// TestComposition: which layers must allow, for each way the resource's policy
// may name the caller. The letters are what layers say: a allow, d deny,
// n nothing, - no such layer; in the order resource, identity, session,
// boundary.
func TestComposition(t *testing.T) {
	session := policy.SessionPrincipal(deployer.role, deployer.id, deployer.session)
	names := map[string]string{
		"session": `{"AWS": "arn:aws:sts::111122223333:assumed-role/deploy/job-1"}`,
		"role":    `{"AWS": "arn:aws:iam::111122223333:role/ci/deploy"}`,
		"id":      `{"AWS": "AROAEXAMPLEEXAMPLE123"}`,
		"account": `{"AWS": "111122223333"}`,
		"root":    `{"AWS": "arn:aws:iam::111122223333:root"}`,
		"all":     `"*"`,
		"other":   `{"AWS": "999922223333"}`,
	}
	const same, foreign = account, arn.AccountID("999922223333")
	for _, tt := range []struct {
		named, says string
		owner       arn.AccountID
		want        policy.Effect
	}{
		{"", "-a--", same, policy.Allow}, {"", "-n--", same, policy.ImplicitDeny}, {"", "-d--", same, policy.ExplicitDeny},
		{"", "----", same, policy.ImplicitDeny}, {"", "--a-", same, policy.ImplicitDeny}, {"", "---a", same, policy.ImplicitDeny}, {"", "--aa", same, policy.ImplicitDeny},
		{"", "-aa-", same, policy.Allow}, {"", "-an-", same, policy.ImplicitDeny}, {"", "-ad-", same, policy.ExplicitDeny}, {"", "-na-", same, policy.ImplicitDeny},
		{"", "-a-a", same, policy.Allow}, {"", "-a-n", same, policy.ImplicitDeny}, {"", "-a-d", same, policy.ExplicitDeny}, {"", "-aan", same, policy.ImplicitDeny}, {"", "-aaa", same, policy.Allow},
		{"", "-a--", foreign, policy.ImplicitDeny}, {"", "-a--", "", policy.ImplicitDeny},

		{"session", "a---", same, policy.Allow}, {"session", "annn", same, policy.Allow}, {"session", "a-d-", same, policy.ExplicitDeny}, {"session", "a--d", same, policy.ExplicitDeny}, {"session", "ad--", same, policy.ExplicitDeny},
		{"session", "d---", same, policy.ExplicitDeny}, {"session", "daaa", same, policy.ExplicitDeny},
		{"session", "a---", foreign, policy.ImplicitDeny}, {"session", "aa--", foreign, policy.Allow}, {"session", "aan-", foreign, policy.ImplicitDeny}, {"session", "aa-n", foreign, policy.ImplicitDeny},

		{"role", "a---", same, policy.Allow}, {"role", "an--", same, policy.Allow}, {"role", "a-n-", same, policy.ImplicitDeny}, {"role", "a--n", same, policy.ImplicitDeny}, {"role", "a-aa", same, policy.Allow},
		{"role", "aaan", same, policy.ImplicitDeny}, {"role", "daaa", same, policy.ExplicitDeny}, {"role", "a---", foreign, policy.ImplicitDeny}, {"role", "aa--", foreign, policy.Allow},
		{"id", "a---", same, policy.Allow}, {"id", "a-n-", same, policy.ImplicitDeny},

		{"account", "a---", same, policy.ImplicitDeny}, {"account", "aa--", same, policy.Allow}, {"account", "aaa-", same, policy.Allow}, {"account", "aan-", same, policy.ImplicitDeny}, {"account", "da--", same, policy.ExplicitDeny},
		{"account", "a---", foreign, policy.ImplicitDeny}, {"account", "aa--", foreign, policy.Allow},
		{"root", "a---", same, policy.ImplicitDeny}, {"root", "aa--", same, policy.Allow}, {"root", "aa--", foreign, policy.Allow}, {"root", "da--", same, policy.ExplicitDeny},

		{"all", "a---", same, policy.Allow}, {"all", "annn", same, policy.Allow}, {"all", "a---", foreign, policy.ImplicitDeny}, {"all", "aa--", foreign, policy.Allow}, {"all", "d---", same, policy.ExplicitDeny},

		{"other", "a---", same, policy.ImplicitDeny}, {"other", "aa--", same, policy.Allow}, {"other", "da--", same, policy.Allow}, {"other", "aa--", foreign, policy.ImplicitDeny},
	} {
		t.Run(fmt.Sprintf("%s names the %s, of %s", tt.says, tt.named, tt.owner), func(t *testing.T) {
			set := policy.Set{
				Resource:        layer(t, policy.Resource, tt.says[0], `"Principal": `+names[tt.named]+","),
				Identity:        layer(t, policy.Permission, tt.says[1], ""),
				Session:         layer(t, policy.SessionPolicy, tt.says[2], ""),
				Boundary:        layer(t, policy.Boundary, tt.says[3], ""),
				ResourceAccount: tt.owner,
			}
			req := policy.Request{Principal: session, Action: "a:do", Resource: "arn:aws:a:::x"}
			got := policy.Evaluate(req, set)
			if got.Effect != tt.want {
				t.Errorf("%v, want %v\n%s", got.Effect, tt.want, policy.Explain(req, set).Text(true))
			}
			x := policy.Explain(req, set)
			if diff := cmp.Diff(x.Effect, got.Effect); diff != "" || len(x.Statements) != len(got.Statements) {
				t.Errorf("Explain decides otherwise: %s", diff)
			}
			if (len(x.Silent) > 0) != (got.Effect == policy.ImplicitDeny) {
				t.Errorf("silent layers %v with %v", x.Silent, got.Effect)
			}
		})
	}
}

// layer makes a layer that says something: allow, deny, nothing about it, or
// that is not there.
func layer(t *testing.T, kind policy.Kind, says byte, principal string) []*policy.Document {
	effect, action := "Allow", "a:do"
	switch says {
	case '-':
		return nil
	case 'd':
		effect = "Deny"
	case 'n':
		action = "a:other"
	}
	return []*policy.Document{mustParse(t, kind, statement(fmt.Sprintf(`"Effect": %q, %s "Action": %q, "Resource": "*"`, effect, principal, action)))}
}

// TestAssumingNeedsTrust: identity policies alone make no one a role.
func TestAssumingNeedsTrust(t *testing.T) {
	everything := []*policy.Document{mustParse(t, policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "*"`))}
	nothing := []*policy.Document{mustParse(t, policy.SessionPolicy, statement(`"Effect": "Allow", "Action": "s3:*", "Resource": "*"`))}
	trust := func(principal string) []*policy.Document {
		return []*policy.Document{mustParse(t, policy.Trust, statement(`"Effect": "Allow", "Principal": `+principal+`, "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]`))}
	}
	who := policy.SessionPrincipal(deployer.role, deployer.id, deployer.session)
	for _, tt := range []struct {
		name, action string
		set          policy.Set
		want         policy.Effect
	}{
		{"no trust policy at hand", "sts:AssumeRole", policy.Set{Identity: everything}, policy.ImplicitDeny},
		{"in any case of the action's name", "STS:assumerole", policy.Set{Identity: everything}, policy.ImplicitDeny},
		{"a trust policy that names others", "sts:AssumeRole", policy.Set{Identity: everything, Resource: trust(`{"AWS": "999922223333"}`)}, policy.ImplicitDeny},
		{"a trust policy that names the account", "sts:AssumeRole", policy.Set{Identity: everything, Resource: trust(`{"AWS": "111122223333"}`)}, policy.Allow},
		{"the account's word without one's own", "sts:AssumeRole", policy.Set{Resource: trust(`{"AWS": "111122223333"}`)}, policy.ImplicitDeny},
		{"a trust policy that names the session", "sts:AssumeRole", policy.Set{Resource: trust(`"*"`)}, policy.Allow},
		{"an action the trust policy does not list", "sts:AssumeRoleWithWebIdentity", policy.Set{Identity: everything, Resource: trust(`"*"`)}, policy.ImplicitDeny},
		{"tags without a trust policy's word", "sts:TagSession", policy.Set{Identity: everything, Resource: trust(`{"AWS": "999922223333"}`)}, policy.ImplicitDeny},
		{"tags by the trust policy alone", "STS:tagsession", policy.Set{Resource: trust(`"*"`)}, policy.Allow},
		{"a source identity without a trust policy's word", "sts:SetSourceIdentity", policy.Set{Identity: everything}, policy.ImplicitDeny},
		{"a source identity by the trust policy alone", "sts:SetSourceIdentity", policy.Set{Resource: trust(`"*"`)}, policy.ImplicitDeny},
		{"a source identity by both", "STS:setsourceidentity", policy.Set{Identity: everything, Resource: trust(`"*"`)}, policy.Allow},
		{"a source identity by both, past a session policy", "sts:SetSourceIdentity", policy.Set{Identity: everything, Session: nothing, Resource: trust(`"*"`)}, policy.ImplicitDeny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.set.ResourceAccount = account
			got := policy.Evaluate(policy.Request{Principal: who, Action: tt.action, Resource: "arn:aws:iam::111122223333:role/x"}, tt.set)
			if got.Effect != tt.want {
				t.Errorf("%v", got.Effect)
			}
		})
	}
}

// TestWhoIsNamed asks every form of principal element about every sort of
// caller: each names exactly those listed.
func TestWhoIsNamed(t *testing.T) {
	callers := map[string]policy.Principal{
		"anonymous":    policy.AnonymousPrincipal(),
		"job":          policy.FederatedPrincipal(gitlab),
		"root":         policy.RootPrincipal(account),
		"user":         policy.UserPrincipal(arn.ARN{Partition: "aws", Service: "iam", Account: string(account), Resource: "user/deploy"}),
		"role":         policy.RolePrincipal(deployer.role, deployer.id),
		"session":      policy.SessionPrincipal(deployer.role, deployer.id, deployer.session),
		"namesake":     policy.SessionPrincipal(arn.Role{Account: account, Path: "/", Name: "deploy"}, "AROANAMESAKENAMESAKE1", arn.Session{Account: account, Role: "deploy", Name: "job-2"}),
		"far session":  policy.SessionPrincipal(arn.Role{Account: "999922223333", Path: "/ci/", Name: "deploy"}, "AROAFARFARFARFARFAR01", arn.Session{Account: "999922223333", Role: "deploy", Name: "job-1"}),
		"service":      policy.ServicePrincipal("ec2.amazonaws.com"),
		"nobody":       {},
		"id-less role": policy.RolePrincipal(arn.Role{Account: "999922223333", Path: "/", Name: "x"}, ""),
	}
	for element, named := range map[string]string{
		`"*"`:                     "anonymous, job, root, user, role, session, namesake, far session, service, id-less role",
		`{"AWS": "*"}`:            "anonymous, job, root, user, role, session, namesake, far session, service, id-less role",
		`{"AWS": "111122223333"}`: "root, user, role, session, namesake",
		`{"AWS": "arn:aws:iam::111122223333:root"}`:                                          "root, user, role, session, namesake",
		`{"AWS": "999922223333"}`:                                                            "far session, id-less role",
		`{"AWS": "arn:aws:iam::111122223333:role/ci/deploy"}`:                                "role, session",
		`{"AWS": "arn:aws:iam::111122223333:role/deploy"}`:                                   "namesake",
		`{"AWS": "arn:aws:iam::111122223333:role/ci/Deploy"}`:                                "",
		`{"AWS": "arn:aws:sts::111122223333:assumed-role/deploy/job-1"}`:                     "session",
		`{"AWS": "arn:aws:sts::111122223333:assumed-role/deploy/job-2"}`:                     "namesake",
		`{"AWS": "AROAEXAMPLEEXAMPLE123"}`:                                                   "role, session",
		`{"AWS": "AROANAMESAKENAMESAKE1"}`:                                                   "namesake",
		`{"AWS": "AIDAEXAMPLEEXAMPLE123"}`:                                                   "",
		`{"AWS": "arn:aws:iam::111122223333:user/deploy"}`:                                   "user",
		`{"AWS": "arn:aws-cn:iam::111122223333:role/ci/deploy"}`:                             "",
		`{"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"}`:                "job",
		`{"Federated": "arn:aws:iam::999922223333:oidc-provider/gitlab.com"}`:                "",
		`{"Federated": "arn:aws:iam::111122223333:saml-provider/gitlab.com"}`:                "",
		`{"Service": "ec2.amazonaws.com"}`:                                                   "service",
		`{"Service": "EC2.amazonaws.com"}`:                                                   "",
		`{"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5"}`:            "",
		`{"AWS": ["999922223333", "AROAEXAMPLEEXAMPLE123"], "Service": "ec2.amazonaws.com"}`: "far session, id-less role, role, session, service",
	} {
		d := mustParse(t, policy.Resource, statement(`"Effect": "Deny", "Principal": `+element+`, "Action": "*", "Resource": "*"`))
		not := mustParse(t, policy.Resource, statement(`"Effect": "Deny", "NotPrincipal": `+element+`, "Action": "*", "Resource": "*"`))
		for caller, who := range callers {
			listed := slices.Contains(strings.Split(named, ", "), caller)
			t.Run(element+" and "+caller, func(t *testing.T) {
				req := policy.Request{Principal: who, Action: "a:b", Resource: "*"}
				got := policy.Evaluate(req, policy.Set{Resource: []*policy.Document{d}}).Effect == policy.ExplicitDeny
				if got != listed {
					t.Errorf("named: %v", got)
				}
				others := policy.Evaluate(req, policy.Set{Resource: []*policy.Document{not}}).Effect == policy.ExplicitDeny
				if want := !listed && caller != "nobody"; others != want {
					t.Errorf("NotPrincipal reaches: %v", others)
				}
			})
		}
	}
}

// TestNotPrincipalAndBoundary: a Deny with NotPrincipal reaches whoever has a
// permissions boundary, named or not.
func TestNotPrincipalAndBoundary(t *testing.T) {
	set := policy.Set{
		Resource: []*policy.Document{mustParse(t, policy.Resource, statement(`"Effect": "Deny", "NotPrincipal": {"AWS": "AROAEXAMPLEEXAMPLE123"}, "Action": "*", "Resource": "*"`))},
		Identity: []*policy.Document{mustParse(t, policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "*"`))}, ResourceAccount: account,
	}
	req := policy.Request{Principal: policy.RolePrincipal(deployer.role, deployer.id), Action: "a:b", Resource: "*"}
	if got := policy.Evaluate(req, set).Effect; got != policy.Allow {
		t.Errorf("without a boundary: %v", got)
	}
	set.Boundary = []*policy.Document{mustParse(t, policy.Boundary, statement(`"Effect": "Allow", "Action": "*", "Resource": "*"`))}
	if got := policy.Evaluate(req, set).Effect; got != policy.ExplicitDeny {
		t.Errorf("with a boundary: %v", got)
	}
}

// TestUnreadablePolicyDenies: a document that is not there, or stands where its
// kind does not belong, is a policy nobody can read.
func TestUnreadablePolicyDenies(t *testing.T) {
	grant := mustParse(t, policy.Permission, statement(`"Effect": "Allow", "Action": "*", "Resource": "*"`))
	everyone := mustParse(t, policy.Resource, statement(`"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"`))
	for name, set := range map[string]policy.Set{
		"an identity policy that is nil":            {Identity: []*policy.Document{grant, nil}},
		"a session policy that is nil":              {Identity: []*policy.Document{grant}, Session: []*policy.Document{nil}},
		"a boundary that is nil":                    {Identity: []*policy.Document{grant}, Boundary: []*policy.Document{nil}},
		"a trust policy that is nil":                {Identity: []*policy.Document{grant}, Resource: []*policy.Document{nil}},
		"a permission policy as a resource's":       {Resource: []*policy.Document{grant}},
		"a resource's policy as a permission":       {Identity: []*policy.Document{everyone}},
		"a permission policy as a boundary":         {Identity: []*policy.Document{grant}, Boundary: []*policy.Document{grant}},
		"a resource's policy as a session policy":   {Identity: []*policy.Document{grant}, Session: []*policy.Document{everyone}},
		"a permission policy as a session policy":   {Identity: []*policy.Document{grant}, Session: []*policy.Document{grant}},
		"a document that Parse never made (a zero)": {Identity: []*policy.Document{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			set.ResourceAccount = account
			req := policy.Request{Principal: policy.RolePrincipal(deployer.role, deployer.id), Action: "a:b", Resource: "*"}
			if got := policy.Evaluate(req, set); got.Effect != policy.ExplicitDeny {
				t.Errorf("%v", got.Effect)
			}
			if got := policy.Explain(req, set).Text(true); !strings.HasPrefix(got, "explicit deny: a policy cannot be read\n") {
				t.Error(got)
			}
		})
	}
}

// TestEveryStatementIsSeen: all that match are named, also behind the one that
// decided.
func TestEveryStatementIsSeen(t *testing.T) {
	d := mustParse(t, policy.Permission, `{"Version": "2012-10-17", "Statement": [
		{"Sid": "A", "Effect": "Allow", "Action": "a:*", "Resource": "*"},
		{"Sid": "B", "Effect": "Deny", "Action": "a:b", "Resource": "*"},
		{"Sid": "C", "Effect": "Allow", "Action": "c:*", "Resource": "*"},
		{"Effect": "Allow", "Action": "*", "Resource": "*"},
		{"Sid": "E", "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NumericLessThan": {"a:n": 5}}}]}`)
	got := policy.Evaluate(policy.Request{Principal: policy.RolePrincipal(deployer.role, deployer.id), Action: "a:b", Resource: "*", Context: contextOf(t, map[string]any{"a:n": "many"})},
		policy.Set{Identity: []*policy.Document{d}, ResourceAccount: account})
	var seen []string
	for _, s := range got.Statements {
		seen = append(seen, fmt.Sprintf("%s denies=%v unevaluable=%v", s, s.Denies(), s.Unevaluable))
	}
	want := []string{
		`identity policy 1, statement "A" denies=false unevaluable=false`,
		`identity policy 1, statement "B" denies=true unevaluable=false`,
		`identity policy 1, statement 4 denies=false unevaluable=false`,
		`identity policy 1, statement "E" denies=true unevaluable=true`,
	}
	if diff := cmp.Diff(want, seen); diff != "" || got.Effect != policy.ExplicitDeny {
		t.Errorf("%v\n%s", got.Effect, diff)
	}
}

func TestResources(t *testing.T) {
	c := contextOf(t, map[string]any{"aws:userid": "bob", "a:list": []any{"bob"}, "a:star": "*"})
	for _, tt := range []struct{ name, element, resource, want string }{
		{"everything", `"Resource": "*"`, "arn:aws:eks:eu-central-1:111122223333:cluster/a", "holds"},
		{"everything, for an action without a resource", `"Resource": "*"`, "*", "holds"},
		{"an ARN is not everything", `"Resource": "arn:aws:eks:*:*:*"`, "*", "fails"},
		{"the cluster", `"Resource": "arn:aws:eks:eu-central-1:111122223333:cluster/a"`, "arn:aws:eks:eu-central-1:111122223333:cluster/a", "holds"},
		{"a cluster with a longer name", `"Resource": "arn:aws:eks:eu-central-1:111122223333:cluster/a"`, "arn:aws:eks:eu-central-1:111122223333:cluster/ab", "fails"},
		{"a cluster in other case", `"Resource": "arn:aws:eks:eu-central-1:111122223333:cluster/a"`, "arn:aws:eks:eu-central-1:111122223333:cluster/A", "fails"},
		{"another region", `"Resource": "arn:aws:eks:eu-*:111122223333:cluster/a"`, "arn:aws:eks:us-east-1:111122223333:cluster/a", "fails"},
		{"a star reaches over colons", `"Resource": "arn:aws:logs:*:7:*"`, "arn:aws:logs:eu:1:log-group:7:stream", "holds"},
		{"what is missing at the end is anything", `"Resource": "arn:aws:eks:eu-central-1"`, "arn:aws:eks:eu-central-1:111122223333:cluster/a", "holds"},
		{"what is missing at the end is in the region", `"Resource": "arn:aws:eks:eu-central-1"`, "arn:aws:eks:eu-central-2:111122223333:cluster/a", "fails"},
		{"a variable", `"Resource": "arn:aws:a:::home/${aws:userid}/*"`, "arn:aws:a:::home/bob/x", "holds"},
		{"a variable, another's", `"Resource": "arn:aws:a:::home/${aws:userid}/*"`, "arn:aws:a:::home/eve/x", "fails"},
		{"what a variable stands for is literal", `"Resource": "arn:aws:a:::home/${a:star}"`, "arn:aws:a:::home/eve", "fails"},
		{"a missing variable matches nothing", `"Resource": "arn:aws:a:::home/${a:none}*"`, "arn:aws:a:::home/", "fails"},
		{"a missing variable beside what matches", `"Resource": ["arn:aws:a:::home/${a:none}", "arn:aws:a:::*"]`, "arn:aws:a:::home/", "holds"},
		{"a multivalued key is no variable", `"Resource": "arn:aws:a:::home/${a:list}"`, "arn:aws:a:::home/bob", "unknown"},
		{"a multivalued key beside what matches", `"Resource": ["arn:aws:a:::home/${a:list}", "*"]`, "arn:aws:a:::home/bob", "holds"},
		{"all but one", `"NotResource": "arn:aws:a:::x"`, "arn:aws:a:::y", "holds"},
		{"the one", `"NotResource": "arn:aws:a:::x"`, "arn:aws:a:::x", "fails"},
		{"all but what a missing variable names", `"NotResource": "arn:aws:a:::${a:none}"`, "arn:aws:a:::y", "unknown"},
		{"the one, beside a missing variable", `"NotResource": ["arn:aws:a:::${a:none}", "arn:aws:a:::x"]`, "arn:aws:a:::x", "fails"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			matches := func(effect string) bool {
				d := mustParse(t, policy.Permission, statement(fmt.Sprintf(`"Effect": %q, "Action": "*", %s`, effect, tt.element)))
				return len(policy.Evaluate(policy.Request{Principal: policy.RolePrincipal(deployer.role, deployer.id), Action: "a:b", Resource: tt.resource, Context: c},
					policy.Set{Identity: []*policy.Document{d}}).Statements) > 0
			}
			got := "fails"
			switch allow, deny := matches("Allow"), matches("Deny"); {
			case allow:
				got = "holds"
			case deny:
				got = "unknown"
			}
			if got != tt.want {
				t.Errorf("%s for %s %s, want %s", tt.element, tt.resource, got, tt.want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	for _, tt := range []struct {
		name, element, action string
		want                  bool
	}{
		{"the action", `"Action": "eks:DescribeCluster"`, "eks:DescribeCluster", true},
		{"the action in other case", `"Action": "EKS:describecluster"`, "eks:DescribeCluster", true},
		{"an action that begins so", `"Action": "eks:Describe"`, "eks:DescribeCluster", false},
		{"a pattern", `"Action": "eks:Describe*"`, "eks:DescribeCluster", true},
		{"another service's", `"Action": "eks:*"`, "iam:GetRole", false},
		{"a service that begins so", `"Action": "eks:*"`, "eks-auth:AssumeRole", false},
		{"all", `"Action": "*"`, "iam:GetRole", true},
		{"all but some", `"NotAction": ["iam:*", "sts:*"]`, "eks:DescribeCluster", true},
		{"one of the some", `"NotAction": ["iam:*", "sts:*"]`, "STS:AssumeRole", false},
		{"a space is a character", `"Action": "eks:DescribeCluster "`, "eks:DescribeCluster", false},
		{"a comma is no list", `"Action": "eks:DescribeCluster,ListClusters"`, "eks:DescribeCluster", false},
		{"a variable is no variable", `"Action": "eks:${x}"`, "eks:x", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := mustParse(t, policy.Permission, statement(fmt.Sprintf(`"Effect": "Allow", "Resource": "*", %s`, tt.element)))
			got := policy.Evaluate(policy.Request{Principal: policy.RolePrincipal(deployer.role, deployer.id), Action: tt.action, Resource: "*", Context: one(t, "x")},
				policy.Set{Identity: []*policy.Document{d}, ResourceAccount: account})
			if got.Allowed() != tt.want || d.Statements()[0].CoversAction(tt.action) != tt.want {
				t.Errorf("%s for %s: %v", tt.element, tt.action, got.Effect)
			}
		})
	}
}
