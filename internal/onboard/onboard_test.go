package onboard_test

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/labgitlab"
	"mayfly.internal/internal/onboard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/prove"
)

// guarded is a project whose branches production and stage are guarded.
const guarded = `mayfly-facts: 1
gitlab: https://gitlab.example.com:8443/git
version: 19.1.0-ee
tier: premium
projects:
  - path: my_group/sub/web
    id: 7
    namespace_id: 70
    default_branch: main
    visibility: private
    mirror: false
    push_rule: none
    sub_claim_components: [project_path, ref_type, ref]
    protect_merge_request_pipelines: true
    author_may_approve: false
    approval_rules_overridable: false
    approval_rules: [{name: One, type: any_approver, required: 1, branches: protected}]
    protected_branches:
      - {name: production, push: no one, merge: maintainer, force_push: false}
      - {name: stage, push: no one, merge: maintainer, force_push: false}
    protected_tags: none
    protected_environments: none
    group_protected_environments: none
`

func facts(t *testing.T, text string) *guard.Facts {
	t.Helper()
	f, err := guard.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wanted is a request that is met.
func wanted(t *testing.T) onboard.Request {
	return onboard.Request{Facts: facts(t, guarded), Project: "my_group/sub/web", Environments: []onboard.Environment{{Name: "production", Branch: "production"}},
		Account: "111122223333", Region: "eu-central-1", Cluster: "my-cluster", Namespace: "web"}
}

func newPlan(t *testing.T, r onboard.Request) onboard.Plan {
	t.Helper()
	p, err := onboard.New(r)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const trust = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "GitLabJobs",
      "Effect": "Allow",
      "Principal": {
        "Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.example.com:8443/git"
      },
      "Action": "sts:AssumeRoleWithWebIdentity",
      "Condition": {
        "StringEquals": {
          "gitlab.example.com:8443/git:aud": "gitlab-aws-deploy",
          "gitlab.example.com:8443/git:pipeline_source": [
            "push",
            "web",
            "schedule"
          ],
          "gitlab.example.com:8443/git:project_id": "7",
          "gitlab.example.com:8443/git:ref_protected": "true",
          "gitlab.example.com:8443/git:sub": "project_path:my_group/sub/web:ref_type:branch:ref:production"
        }
      }
    }
  ]
}`

// TestNew: what is to be made, word for word, and that it is proven.
func TestNew(t *testing.T) {
	p := newPlan(t, wanted(t))
	r := p.Roles[0]
	if r.Closed || len(r.Report.Statements) != 1 || len(r.Report.Statements[0].Reach) == 0 {
		t.Errorf("nobody gets the role: %s", fmt.Sprintf("%+v", r.Report))
	}
	if r.Trust != trust {
		t.Errorf("trust policy:\n%s", r.Trust)
	}
	if want := `"Resource": "arn:aws:eks:eu-central-1:111122223333:cluster/my-cluster"`; !strings.Contains(r.Policy, want) {
		t.Errorf("policy:\n%s", r.Policy)
	}
	if r.ARN.String() != "arn:aws:iam::111122223333:role/web-production" || r.AccessPolicy != "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy" || r.Namespace != "web" || r.Description != "Jobs of my_group/sub/web (project 7) on production" {
		t.Errorf("%+v", r)
	}
	if !p.Proven() || len(p.Notes) > 0 || p.ProjectID != 7 || p.Issuer != "https://gitlab.example.com:8443/git" {
		t.Errorf("%+v\n%s", p, fmt.Sprintf("%+v", r.Report))
	}
	if _, err := policy.Parse(policy.Permission, []byte(r.Policy)); err != nil {
		t.Error(err)
	}
}

// TestWhoIsLetIn: by the evaluator, the job that is meant, and no neighbour.
func TestWhoIsLetIn(t *testing.T) {
	p := newPlan(t, wanted(t))
	doc, err := policy.Parse(policy.Trust, []byte(p.Roles[0].Trust))
	if err != nil {
		t.Fatal(err)
	}
	job := map[string]string{"aud": "gitlab-aws-deploy", "sub": "project_path:my_group/sub/web:ref_type:branch:ref:production", "project_id": "7", "ref_protected": "true", "pipeline_source": "push"}
	allowed := func(change map[string]string, drop string) bool {
		claims := maps.Clone(job)
		maps.Copy(claims, change)
		delete(claims, drop)
		var b policy.ContextBuilder
		for name, v := range claims {
			b.Set(p.Provider.URL+":"+name, v)
		}
		c, err := b.Context()
		if err != nil {
			t.Fatal(err)
		}
		return policy.Evaluate(policy.Request{Principal: policy.FederatedPrincipal(p.Provider), Action: "sts:AssumeRoleWithWebIdentity", Context: c}, policy.Set{Resource: []*policy.Document{doc}, ResourceAccount: p.Provider.Account}).Allowed()
	}
	for _, source := range onboard.DefaultSources() {
		if !allowed(map[string]string{"pipeline_source": source}, "") {
			t.Errorf("a job of %s is refused", source)
		}
	}
	for claim, values := range map[string][]string{
		"aud": {"other", ""}, "project_id": {"8", "07", ""}, "ref_protected": {"false", ""}, "pipeline_source": {"merge_request_event", "parent_pipeline", "external_pull_request_event", "trigger", "api", "pipeline", ""},
		"sub": {"project_path:my_group/sub/web:ref_type:tag:ref:production", "project_path:my_group/sub/web:ref_type:branch:ref:production2", "project_path:my_group/sub/web:ref_type:branch:ref:main", "project_path:my_group/sub/web2:ref_type:branch:ref:production", "7", ""},
	} {
		for _, v := range values {
			if allowed(map[string]string{claim: v}, "") {
				t.Errorf("a job whose %s is %q is let in", claim, v)
			}
		}
		if allowed(nil, claim) {
			t.Errorf("a job without %s is let in", claim)
		}
	}
}

// TestNotProven: a branch that is not guarded is written nevertheless, and the
// report says what is missing.
func TestNotProven(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"not protected":   {"name: production, push", "name: prod, push", "protect the branch"},
		"pushed directly": {"name: production, push: no one", "name: production, push: developer", "pushes straight to branch production"},
		"no approvals":    {"required: 1", "required: 0", "approval rule"},
		"nobody knows":    {"    protected_tags: none\n", "    unknown: {protected_tags: 403}\n", ""},
	} {
		r := wanted(t)
		r.Facts = facts(t, strings.Replace(guarded, tt.old, tt.new, 1))
		p := newPlan(t, r)
		if text := fmt.Sprintf("%+v", p.Roles[0].Report); p.Roles[0].Closed != (name == "not protected") || p.Proven() != (tt.want == "") || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestAWS: there a condition on a claim that is no key never holds, so it is left
// out, and what it would have proven is missing.
func TestAWS(t *testing.T) {
	r := wanted(t)
	r.Realm = prove.AWS
	p := newPlan(t, r)
	if text := p.Roles[0].Trust; strings.Contains(text, "project_id") || strings.Contains(text, "pipeline_source") || !strings.Contains(text, ":sub") || p.Proven() {
		t.Errorf("%s\n%s", text, fmt.Sprintf("%+v", p.Roles[0].Report))
	}
	r.Facts = facts(t, strings.Replace(guarded, "https://gitlab.example.com:8443/git", "https://gitlab.com", 1))
	if p := newPlan(t, r); !p.Proven() || !strings.Contains(p.Roles[0].Trust, "gitlab.com:project_id") {
		t.Errorf("%s\n%s", p.Roles[0].Trust, fmt.Sprintf("%+v", p.Roles[0].Report))
	}
}

func TestSubComponents(t *testing.T) {
	for components, want := range map[string]string{
		"[project_id, ref_type, ref]":                  "project_id:7:ref_type:branch:ref:production",
		"[project_path, ref, ref_type, ref_protected]": "project_path:my_group/sub/web:ref:production:ref_type:branch:ref_protected:true",
	} {
		r := wanted(t)
		r.Facts = facts(t, strings.Replace(guarded, "[project_path, ref_type, ref]", components, 1))
		if p := newPlan(t, r); !strings.Contains(p.Roles[0].Trust, `:sub": "`+want+`"`) || !p.Proven() {
			t.Errorf("%s: %s\n%s", components, p.Roles[0].Trust, fmt.Sprintf("%+v", p.Roles[0].Report))
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*onboard.Request)
		want   string
	}{
		"no environment":      {func(r *onboard.Request) { r.Environments = nil }, "no environment is named"},
		"one twice":           {func(r *onboard.Request) { r.Environments = append(r.Environments, r.Environments[0]) }, "the environment production is named twice"},
		"a name with a slash": {func(r *onboard.Request) { r.Environments[0].Name = "review/1" }, "is no name of an environment"},
		"no name":             {func(r *onboard.Request) { r.Environments[0].Name = "" }, "is no name of an environment"},
		"a pattern":           {func(r *onboard.Request) { r.Environments[0].Branch = "release/*" }, "is a pattern, and one branch is wanted"},
		"a question mark":     {func(r *onboard.Request) { r.Environments[0].Branch = "v?" }, "is a pattern"},
		"no branch":           {func(r *onboard.Request) { r.Environments[0].Branch = "" }, "is no name of a branch"},
		"no name of a branch": {func(r *onboard.Request) { r.Environments[0].Branch = "a b" }, "is no name of a branch"},
		"a policy variable":   {func(r *onboard.Request) { r.Environments[0].Branch = "a${aws:username}" }, "is no name of a branch"},
		"a variable":          {func(r *onboard.Request) { r.Environments[0].Branch = "a${b}" }, "which means something in one of the texts"},
		"a directive":         {func(r *onboard.Request) { r.Environments[0].Branch = "a%{b}" }, "which means something"},
		"a quote":             {func(r *onboard.Request) { r.Environments[0].Branch = `a"b` }, "which means something"},
		"a long name":         {func(r *onboard.Request) { r.Environments[0].Name = strings.Repeat("p", 61) }, "64 of the characters A-Za-z0-9+=,.@_- are wanted, and these are 65"},
		"a role's name":       {func(r *onboard.Request) { r.RoleName = "a b" }, "the role name \"a b\""},
		"a placeholder":       {func(r *onboard.Request) { r.RoleName = "{name}" }, "--role-name {name}: {group}, {project} and {environment} are known"},
		"one role for two": {func(r *onboard.Request) {
			r.RoleName, r.Environments = "x", append(r.Environments, onboard.Environment{Name: "stage", Branch: "stage"})
		}, "production and stage would have one role, x"},
		"one role but for case": {func(r *onboard.Request) {
			r.Environments = append(r.Environments, onboard.Environment{Name: "Production", Branch: "stage"})
		}, "would have one role"},
		"kube-system":             {func(r *onboard.Request) { r.Namespace = "kube-system" }, "the namespace kube-system is the cluster's own"},
		"kube-system made":        {func(r *onboard.Request) { r.Namespace, r.Environments[0].Name = "kube-{environment}", "system" }, "the namespace kube-system is the cluster's own"},
		"every namespace":         {func(r *onboard.Request) { r.Namespace = "*" }, "is a pattern, and one namespace is wanted"},
		"namespaces":              {func(r *onboard.Request) { r.Namespace = "kube-*" }, "is a pattern"},
		"no namespace":            {func(r *onboard.Request) { r.Namespace = "" }, `The namespace "" is invalid`},
		"a namespace of others":   {func(r *onboard.Request) { r.Namespace = "Web" }, `The namespace "Web" is invalid`},
		"no cluster":              {func(r *onboard.Request) { r.Cluster = "" }, "is no cluster's name"},
		"no region":               {func(r *onboard.Request) { r.Region = "" }, "is no region"},
		"another kind of policy":  {func(r *onboard.Request) { r.AccessPolicy = "arn:aws:iam::aws:policy/AdministratorAccess" }, "is no access policy"},
		"an audience":             {func(r *onboard.Request) { r.Audience = `a"` }, "the audience"},
		"merge requests":          {func(r *onboard.Request) { r.Sources = []string{"push", "merge_request_event"} }, "runs what nobody has merged"},
		"child pipelines":         {func(r *onboard.Request) { r.Sources = []string{"parent_pipeline"} }, "runs what nobody has merged"},
		"a source with a pattern": {func(r *onboard.Request) { r.Sources = []string{"*"} }, "is no pipeline source"},
		"a source twice":          {func(r *onboard.Request) { r.Sources = []string{"push", "push"} }, "named twice"},
	} {
		r := wanted(t)
		tt.change(&r)
		p, err := onboard.New(r)
		if e, ok := errors.AsType[*onboard.RequestError](err); !ok || !strings.Contains(e.Detail, tt.want) {
			t.Errorf("%s: %+v, %v", name, p.Roles, err)
		}
	}
}

func TestFactsRefuse(t *testing.T) {
	for name, tt := range map[string]struct{ old, new, want string }{
		"another project":       {"path: my_group/sub/web", "path: my_group/sub/web2", "nothing is known of the project my_group/sub/web"},
		"no id":                 {"    id: 7\n", "", "the id of the project my_group/sub/web is not known"},
		"no TLS":                {"https://gitlab", "http://gitlab", "has no https:// URL"},
		"an environment in sub": {"[project_path, ref_type, ref]", "[project_path, ref_type, ref, environment_protected]", "has environment_protected in it"},
		"no ref in sub":         {"[project_path, ref_type, ref]", "[project_path, ref_type]", "does not say the ref"},
		"no type in sub":        {"[project_path, ref_type, ref]", "[project_path, ref]", "does not say the ref_type"},
	} {
		r := wanted(t)
		r.Facts = facts(t, strings.Replace(guarded, tt.old, tt.new, 1))
		p, err := onboard.New(r)
		if e, ok := errors.AsType[*onboard.FactsError](err); !ok || !strings.Contains(e.Detail, tt.want) {
			t.Errorf("%s: %+v, %v", name, p.Roles, err)
		}
	}
	r := wanted(t)
	r.Project = "MY_GROUP/sub/Web" // GitLab ignores case, tokens do not
	if p := newPlan(t, r); p.Project != "my_group/sub/web" {
		t.Errorf("%+v", p)
	}
}

// two is two environments side by side.
func two(t *testing.T) onboard.Request {
	r := wanted(t)
	r.Namespace, r.RoleName = "{project}-{environment}", "{group}.{project}@{environment}"
	r.Environments = append(r.Environments, onboard.Environment{Name: "1.stage", Branch: "stage"})
	r.Namespace = "web"
	return r
}

func TestNotes(t *testing.T) {
	if p := newPlan(t, two(t)); len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "production and 1.stage share the namespace web") || p.Roles[1].ARN.Name != "my_group-sub.web@1.stage" {
		t.Errorf("%q", p.Notes)
	}
	r := two(t)
	r.Environments[1].Branch = "production"
	if p := newPlan(t, r); len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "are of one branch") {
		t.Errorf("%q", p.Notes)
	}
}

// TestPipeline: the lab's GitLab reads it, and every job asks for a token.
func TestPipeline(t *testing.T) {
	p := newPlan(t, two(t))
	f, err := labgitlab.LoadPipeline(fstest.MapFS{".gitlab-ci.yml": {Data: []byte(p.Pipeline())}}, ".gitlab-ci.yml")
	if err != nil {
		t.Fatalf("%v\n%s", err, p.Pipeline())
	}
	if jobs := f.Jobs(); !slices.Equal(jobs, []string{"deploy_production", "deploy_1.stage"}) {
		t.Errorf("jobs: %q", jobs)
	}
	if tokens := f.IDTokens(); len(tokens) != 2 {
		t.Errorf("tokens: %+v", tokens)
	}
	for _, want := range []string{`aud: "gitlab-aws-deploy"`, `update-kubeconfig --name "my-cluster" --region "eu-central-1"`, `EKS_ROLE_ARN: "arn:aws:iam::111122223333:role/my_group-sub.web@1.stage"`, `'$CI_COMMIT_BRANCH == "stage" && $CI_PIPELINE_SOURCE =~ /^(push|web|schedule)$/'`} {
		if !strings.Contains(p.Pipeline(), want) {
			t.Errorf("%s is not in\n%s", want, p.Pipeline())
		}
	}
}

// TestTerraform: terraform reads it and would write it alike.
func TestTerraform(t *testing.T) {
	text := newPlan(t, two(t)).Terraform()
	for _, want := range []string{`resource "aws_iam_role" "production"`, `resource "aws_iam_role" "_1_stage"`, `variable = "gitlab.example.com:8443/git:sub"`, `values   = ["project_path:my_group/sub/web:ref_type:branch:ref:stage"]`,
		`values   = ["push", "web", "schedule"]`, `namespaces = ["web"]`, `identifiers = ["arn:aws:iam::111122223333:oidc-provider/gitlab.example.com:8443/git"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("there is no terraform here to read it")
	}
	cmd := exec.Command(terraform, "fmt", "-check", "-diff", "-")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestAccount: the zero value of what nobody says is not an account.
func TestAccount(t *testing.T) {
	if p := newPlan(t, wanted(t)); p.Cluster != (arn.Cluster{Region: "eu-central-1", Account: "111122223333", Name: "my-cluster"}) || p.Provider.Account != "111122223333" {
		t.Errorf("%+v", p)
	}
}
