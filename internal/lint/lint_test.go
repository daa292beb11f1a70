package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

var gitlabCom = arn.Provider{Account: "111122223333", URL: "gitlab.com"}

// statement is an Allow of gitlab.com with some conditions, whose keys are written
// without the issuer.
func statement(conditions string) string {
	return written(`"Principal":{"Federated":"`+gitlabCom.String()+`"},"Action":"sts:AssumeRoleWithWebIdentity"`, conditions)
}

func written(elements, conditions string) string {
	for _, claim := range []string{"sub", "aud", "project_id", "project_path", "namespace_id", "pipeline_source", "environment", "environment_protected", "deployment_tier", "environment_action",
		"user_login", "user_email", "user_id", "ref_protected", "ref_type", "ref", "nosuch", "job_project_path"} {
		conditions = strings.ReplaceAll(conditions, `"`+claim+`":`, `"gitlab.com:`+claim+`":`)
	}
	return `{"Effect":"Allow",` + elements + `,"Condition":{` + conditions + `}}`
}

func remarks(t *testing.T, o Options, statements ...string) []Remark {
	t.Helper()
	doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",\n")+`]}`))
	if err != nil {
		t.Fatalf("%v: %s", err, statements)
	}
	return Check(doc, o)
}

func rulesOf(list []Remark) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.Rule)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

const (
	goodSub = `"sub":"project_path:acme/web:ref_type:branch:ref:main"`
	pinned  = `"project_id":"7","pipeline_source":"push"`
	good    = `"StringEquals":{` + goodSub + `,` + pinned + `}`
)

func TestGoodPolicyHasNoRemarks(t *testing.T) {
	for _, conditions := range []string{
		good,
		`"StringEquals":{"sub":"project_id:7:ref_type:branch:ref:main","pipeline_source":"push"}`,
		`"StringEquals":{` + goodSub + `,` + pinned + `,"aud":"sts","user_id":"1","environment":"production","environment_protected":"true"}`,
		`"StringLike":{"sub":"project_path:acme/web:ref_type:branch:ref:release/*"},"StringEquals":{` + pinned + `}`,
		`"StringEquals":{` + goodSub + `,"project_id":"7","pipeline_source":"dependency_management_security_update"}`, // the newest of the sources
		`"StringLike":{"sub":"project_path:acme/web:*"},"StringEquals":{` + pinned + `,"ref_type":"branch","ref":"main"}`,
	} {
		for _, realm := range []prove.Realm{prove.Mayfly, prove.AWS} {
			if realm == prove.AWS && strings.Contains(conditions, `"environment"`) || realm == prove.AWS && strings.Contains(conditions, `"ref_type"`) {
				continue // claims that AWS never fills
			}
			if list := remarks(t, Options{Realm: realm}, statement(conditions)); len(list) > 0 {
				t.Errorf("%s: %v", conditions, list)
			}
		}
	}
}

// TestRules: each mistake is found, and its neighbours are not taken for it.
func TestRules(t *testing.T) {
	like := func(sub string) string {
		return statement(`"StringLike":{"sub":"` + sub + `"},"StringEquals":{` + pinned + `}`)
	}
	seen := map[string]bool{}
	for _, tt := range []struct {
		rule  string
		realm prove.Realm
		has   [][]string // policies, by their statements
		lacks [][]string
	}{
		{rule: "no-subject", has: [][]string{{statement(`"StringEquals":{"aud":"sts"}`)}, {statement(`"StringNotEquals":{` + goodSub + `}`)}, {statement(`"StringEqualsIfExists":{` + goodSub + `}`)}},
			lacks: [][]string{{statement(`"StringEquals":{"project_id":"7"}`)}, {statement(good)}}},
		{rule: "any-project", has: [][]string{{like("project_path:acme*")}, {like("*:ref:main")}, {like("project_path:*/web:ref_type:branch:ref:main")}, {like("project_path:a?me/web:ref_type:branch:ref:main")}},
			lacks: [][]string{{like("project_path:acme/web:*")}, {like("project_path:acme/*:ref_type:branch:ref:main")}}},
		{rule: "open-path", has: [][]string{{like("project_path:acme/web*:ref_type:branch:ref:main")}, {like("project_path:acme/web*")}},
			lacks: [][]string{{like("project_path:acme/web:*")}, {like("project_path:acme/web/*:ref_type:branch:ref:main")}}},
		{rule: "group-wildcard", has: [][]string{{like("project_path:acme/*:ref_type:branch:ref:main")}, {statement(`"StringLike":{"project_path":"acme/*","sub":"project_path:acme/web:ref_type:branch:ref:main"}`)}},
			lacks: [][]string{{like("project_path:acme/web:ref_type:branch:ref:rel/*")}, {like("project_path:acme/web*")}}},
		{rule: "any-ref", has: [][]string{{like("project_path:acme/web:*")}, {like("project_path:acme/web:ref_type:branch:ref:*")}, {like("project_path:acme/web:ref_type:tag:*")}},
			lacks: [][]string{{like("project_path:acme/web:ref_type:branch:ref:r*")}, {statement(`"StringLike":{"sub":"project_path:acme/web:*"},"StringEquals":{` + pinned + `,"ref_protected":"true"}`)}}},
		{rule: "any-ref-type", has: [][]string{{like("project_path:acme/web:*:ref:main")}, {like("project_path:acme/web:ref_type:*:ref:rel/*")}},
			lacks: [][]string{{like("project_path:acme/web:ref_type:branch:ref:rel*")}, {like("project_path:acme/web:ref_type:tag:ref:v*")}}},
		{rule: "wildcard-as-text", has: [][]string{{statement(`"StringEquals":{"sub":"project_path:acme/web:ref_type:branch:ref:*"}`)}, {statement(`"StringEqualsIgnoreCase":{"sub":"project_path:acme/we?:ref_type:branch:ref:main"}`)}},
			lacks: [][]string{{like("project_path:acme/web:ref_type:branch:ref:*")}, {statement(good)}}},
		{rule: "open-operator", has: [][]string{{statement(good + `,"StringEqualsIfExists":{"environment":"x"}`)}, {statement(good + `,"ForAllValues:StringEquals":{"environment":"x"}`)}, {statement(good + `,"StringNotEquals":{"environment":"x"}`)}},
			lacks: [][]string{{statement(good + `,"StringNotEquals":{"ref":"x"}`)}, {statement(good + `,"Null":{"environment":"false"}`)}, {statement(good + `,"ForAnyValue:StringEquals":{"environment":"x"}`)}}},
		{rule: "open-operator", realm: prove.AWS, has: [][]string{{statement(good + `,"StringNotEquals":{"ref":"x"}`)}}},
		{rule: "unknown-claim", has: [][]string{{statement(good + `,"StringLike":{"nosuch":"x"}`)}}, lacks: [][]string{{statement(good)}}},
		{rule: "never-filled", realm: prove.AWS, has: [][]string{{statement(good + `,"StringLike":{"environment":"x"}`)}}, lacks: [][]string{{statement(good)}}},
		{rule: "never-filled", lacks: [][]string{{statement(good + `,"StringLike":{"environment":"x"}`)}}},
		{rule: "not-pinned", has: [][]string{{statement(`"StringEquals":{` + goodSub + `,"pipeline_source":"push"}`)}, {statement(`"StringEquals":{` + goodSub + `},"StringEqualsIfExists":{"project_id":"7"}`)}},
			lacks: [][]string{{statement(good)}, {statement(`"StringEquals":{` + goodSub + `,"namespace_id":"70"}`)}, {statement(`"StringEquals":{"sub":"project_id:7:ref_type:branch:ref:main"}`)}}},
		{rule: "job-chosen", has: [][]string{{statement(good + `,"StringLike":{"environment":"x"}`)}, {statement(good + `,"StringLike":{"deployment_tier":"production","environment_protected":"true"}`)}},
			lacks: [][]string{{statement(good + `,"StringLike":{"environment":"x","environment_protected":"true"}`)}}},
		{rule: "changeable", has: [][]string{{statement(good + `,"StringLike":{"user_login":"x"}`)}, {statement(good + `,"StringLike":{"user_email":"x"}`)}}, lacks: [][]string{{statement(good + `,"StringLike":{"user_id":"1"}`)}}},
		{rule: "merge-requests", has: [][]string{{statement(`"StringEquals":{` + goodSub + `,"project_id":"7"}`)}}, lacks: [][]string{{statement(good)}, {like("project_path:acme/web:ref_type:tag:ref:v*")}}},
		{rule: "matches-nothing", has: [][]string{{statement(`"StringEquals":{"sub":"project_path:acme/web:ref_type:branches:ref:main"}`)}, {statement(`"StringEquals":{"sub":"project_path:acme/web:ref_type:branch:ref:main","ref":"stage"}`)}, {statement(`"StringEquals":{"sub":"project_path:acme/web:branch:main"}`)}},
			lacks: [][]string{{statement(good)}, {statement(`"StringEquals":{"sub":"project_path:acme/web:ref:main"}`)}, {statement(`"StringEquals":{"sub":"project_path:acme/web:ref_protected:true"}`)}}},
		{rule: "redundant", has: [][]string{{statement(good), statement(good)}, {like("project_path:acme/web:*"), statement(good)}},
			lacks: [][]string{{statement(good), like("project_path:acme/web:*")}, {statement(good), strings.Replace(statement(good), "main", "stage", 1)}}},
		{rule: "wrong-action", has: [][]string{{written(`"Principal":{"Federated":"`+gitlabCom.String()+`"},"Action":"sts:AssumeRole"`, good)}}, lacks: [][]string{{statement(good)},
			{written(`"Principal":{"Federated":"`+gitlabCom.String()+`"},"Action":"sts:TagSession"`, good)}, {written(`"Principal":{"Federated":"`+gitlabCom.String()+`"},"Action":"sts:*"`, good)}}},
		{rule: "everyone", has: [][]string{{written(`"Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"`, good)}}, lacks: [][]string{{statement(good)}, {strings.Replace(written(`"Principal":"*","Action":"sts:*"`, good), "Allow", "Deny", 1), statement(good)}}},
		{rule: "no-such-guard", has: [][]string{{statement(good + `,"Bool":{"mayfly:guard/protectd":"true"}`)}}, lacks: [][]string{{statement(good + `,"Bool":{"mayfly:guard/protected":"true"}`)}, {statement(good)}}},
		{rule: "open-operator", has: [][]string{{statement(good + `,"BoolIfExists":{"mayfly:guard/protected":"true"}`)}}, lacks: [][]string{{statement(good + `,"Bool":{"mayfly:guard/protected":"true"}`)}}},
		{rule: "never-filled", realm: prove.AWS, has: [][]string{{statement(good + `,"Bool":{"mayfly:guard/protected":"true"}`)}}},
		{rule: "where-it-runs", has: [][]string{{like("job_project_path:acme/web:ref_type:branch:ref:main")}, {statement(`"StringEquals":{"sub":"job_project_id:7:ref_type:branch:ref:main"}`)}}, lacks: [][]string{{statement(good)}}},
	} {
		seen[tt.rule] = true
		for _, statements := range tt.has {
			if got := rulesOf(remarks(t, Options{Realm: tt.realm}, statements...)); !slices.Contains(got, tt.rule) {
				t.Errorf("%s is not found (but %v): %s", tt.rule, got, statements)
			}
		}
		for _, statements := range tt.lacks {
			if got := rulesOf(remarks(t, Options{Realm: tt.realm}, statements...)); slices.Contains(got, tt.rule) {
				t.Errorf("%s is found: %s", tt.rule, statements)
			}
		}
	}
	for _, r := range Rules() {
		if !seen[r.Name] && r.Name != "other-issuer" { // see TestOtherIssuer
			t.Errorf("nobody tests %s", r.Name)
		}
	}
}

func TestOtherIssuer(t *testing.T) {
	if got := rulesOf(remarks(t, Options{}, statement(good+`,"StringLike":{"gitlab.example.com:ref":"x"}`))); !slices.Contains(got, "other-issuer") {
		t.Error(got)
	}
	for _, fine := range []string{statement(good), statement(good + `,"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), statement(strings.ReplaceAll(good, `"sub"`, `"GITLAB.com:sub"`))} {
		if got := rulesOf(remarks(t, Options{}, fine)); slices.Contains(got, "other-issuer") {
			t.Error(fine)
		}
	}
}

// TestOwnGitLab: of a GitLab of one's own the same is said as of gitlab.com, be it
// named as one, called so, or known by the subjects that the policy asks for.
func TestOwnGitLab(t *testing.T) {
	for _, conditions := range []string{
		good,
		`"StringLike":{"sub":"project_path:acme/web:ref_type:branch:ref:release*"}`,
		`"StringLike":{"sub":"project_path:acme/web:*"}`,
		`"StringLike":{"sub":"project_path:acme*"},"StringEquals":{"nosuch":"x"}`,
		`"StringEquals":{"aud":"x"}`,
	} {
		want := rulesOf(remarks(t, Options{}, statement(conditions)))
		for _, host := range []string{"gitlab.example.com", "code.example.com:8443/git"} {
			own := strings.ReplaceAll(statement(conditions), "gitlab.com", host)
			var named Options
			if !strings.Contains(conditions, "project_path:") && !strings.HasPrefix(host, "gitlab.") {
				named.GitLabs = []arn.Provider{{Account: gitlabCom.Account, URL: host}}
			}
			if got := rulesOf(remarks(t, named, own)); !slices.Equal(got, want) {
				t.Errorf("%s: %v, of gitlab.com %v\n%s", host, got, want, own)
			}
		}
	}
	foreign := strings.ReplaceAll(statement(`"StringEquals":{"aud":"x"}`), "gitlab.com", "idp.example.com")
	if got := rulesOf(remarks(t, Options{}, foreign)); len(got) > 0 {
		t.Errorf("an issuer that is no GitLab: %v", got)
	}
}

// TestPlaces: a remark says where, and what to do.
func TestPlaces(t *testing.T) {
	for _, r := range remarks(t, Options{}, statement(good), statement(`"StringLike":{"sub":"project_path:acme*"}`), statement(`"StringEquals":{"aud":"x"}`)) {
		if r.Line < 2 || r.Column < 1 || r.Fix == "" || r.Message == "" || !strings.HasPrefix(r.Statement, "statement ") {
			t.Errorf("%+v", r)
		}
	}
}

// TestPin: what is pinned has no such remark any more, and prove agrees.
func TestPin(t *testing.T) {
	facts, err := guard.Decode([]byte("mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects: [{path: acme/web, id: 7}, {path: acme/api}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		conditions string
		pinned     bool
	}{
		"by its path":            {`"StringEquals":{` + goodSub + `}`, true},
		"with a wildcard behind": {`"StringLike":{"sub":"project_path:acme/web:*"}`, true},
		"by an unusual sub":      {`"StringEquals":{"sub":"project_path:acme/web:ref:main"}`, true},
		"beside no key":          {`"StringEquals":{},"StringLike":{` + goodSub + `}`, true},
		"by a pattern":           {`"StringLike":{"sub":"project_path:acme/*:ref_type:branch:ref:main"}`, false},
		"of unknown id":          {`"StringEquals":{"sub":"project_path:acme/api:ref_type:branch:ref:main"}`, false},
		"of no facts":            {`"StringEquals":{"sub":"project_path:acme/tools:ref_type:branch:ref:main"}`, false},
		"that is pinned":         {good, false},
	} {
		doc, err := policy.Parse(policy.Trust, fmt.Appendf(nil, `{"Version":"2012-10-17","Statement":[%s]}`, statement(tt.conditions)))
		if err != nil {
			t.Fatal(err)
		}
		fixed, said, err := Pin(doc, Options{Facts: facts})
		if err != nil {
			t.Fatal(err)
		}
		if tt.pinned != (string(fixed.Text()) != string(doc.Text())) {
			t.Errorf("%s: %s %v", name, fixed.Text(), said)
		}
		if tt.pinned && slices.Contains(rulesOf(Check(fixed, Options{})), "not-pinned") {
			t.Errorf("%s: not pinned: %s", name, fixed.Text())
		}
	}
}

// Whatever the policy, what is pinned is one, and pinned for good.
func FuzzPin(f *testing.F) {
	facts, err := guard.Decode([]byte("mayfly-facts: 1\ngitlab: https://gitlab.com\nprojects: [{path: acme/web, id: 7}]"))
	if err != nil {
		f.Fatal(err)
	}
	for _, conditions := range []string{`"StringEquals":{` + goodSub + `}`, `"StringEquals":{},"StringLike":{` + goodSub + `}`, good} {
		f.Add(fmt.Sprintf(`{"Version":"2012-10-17","Statement":[%s]}`, statement(conditions)))
		f.Add(fmt.Sprintf("{\n\"Statement\": %s }", statement(conditions)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := policy.Parse(policy.Trust, []byte(text))
		if err != nil || len(doc.Statements()) > 4 {
			return
		}
		fixed, _, err := Pin(doc, Options{Facts: facts})
		if err != nil {
			return
		}
		if again, _, err := Pin(fixed, Options{Facts: facts}); err != nil || again != fixed {
			t.Errorf("%s is pinned again: %v", fixed.Text(), err)
		}
	})
}

// BenchmarkCheck is a policy of hundreds of statements, each of which is held
// against those before it.
func BenchmarkCheck(b *testing.B) {
	var statements []string
	for i := range 300 {
		statements = append(statements, statement(fmt.Sprintf(`"StringLike":{"sub":"project_path:acme/web:ref_type:branch:ref:%d/*"},"StringEquals":{`+pinned+`}`, i)))
	}
	doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if list := Check(doc, Options{}); len(list) > 0 {
			b.Fatal(list)
		}
	}
}
