package policy_test

import (
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// deployTrust is the trust policy of the story.
const deployTrust = `{ "Version": "2012-10-17", "Statement": [ { "Sid": "Deploy", "Effect": "Allow",
  "Principal": { "Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com" }, "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": { "StringEquals": { "gitlab.com:aud": "gitlab-aws-deploy" },
                 "StringLike": { "gitlab.com:sub": "project_path:my_group/my-fancy_project:ref_type:branch:ref:production" } } } ] }`

// deployClaims are the claims GitLab signs for the story's job.
var deployClaims = map[string]string{
	"aud": "gitlab-aws-deploy", "sub": "project_path:my_group/my-fancy_project:ref_type:branch:ref:production",
	"project_id": "20", "project_path": "my_group/my-fancy_project", "namespace_id": "72", "namespace_path": "my_group",
	"user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "user_access_level": "developer",
	"pipeline_id": "574", "pipeline_source": "push", "job_id": "302", "ref": "production", "ref_type": "branch",
	"ref_path": "refs/heads/production", "ref_protected": "true", "environment": "production",
	"runner_id": "1", "runner_environment": "gitlab-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
}

var gitlab = arn.Provider{Account: "111122223333", URL: "gitlab.com"}

// exchange is the request of a job with the given claims.
func exchange(t testing.TB, claims map[string]string) policy.Request {
	t.Helper()
	var b policy.ContextBuilder
	for name, value := range claims {
		b.Set("gitlab.com:"+name, value)
	}
	b.Set("aws:CurrentTime", "2026-11-23T03:00:00Z")
	b.Set("aws:SourceIp", "203.0.113.7")
	b.Set("sts:RoleSessionName", "GitLabRunner-574")
	c, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return policy.Request{Principal: policy.FederatedPrincipal(gitlab), Action: "sts:AssumeRoleWithWebIdentity", Context: c}
}

func mustParse(t testing.TB, kind policy.Kind, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func BenchmarkEvaluateTrust(b *testing.B) {
	set := policy.Set{Resource: []*policy.Document{mustParse(b, policy.Trust, deployTrust)}, ResourceAccount: "111122223333"}
	req := exchange(b, deployClaims)
	b.ReportAllocs()
	for b.Loop() {
		if !policy.Evaluate(req, set).Allowed() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkEvaluatePermission(b *testing.B) {
	set := policy.Set{ResourceAccount: "111122223333", Identity: []*policy.Document{mustParse(b, policy.Permission, `{
		"Version": "2012-10-17", "Statement": [
		{ "Sid": "NoDelete", "Effect": "Deny", "Action": "eks:Delete*", "Resource": "*" },
		{ "Sid": "Describe", "Effect": "Allow", "Action": ["eks:DescribeCluster", "eks:ListClusters"],
		  "Resource": "arn:aws:eks:eu-central-1:111122223333:cluster/*" } ] }`)}}
	s := arn.Session{Account: "111122223333", Role: "deploy", Name: "job-1"}
	req := policy.Request{
		Principal: policy.SessionPrincipal(arn.Role{Account: "111122223333", Path: "/", Name: "deploy"}, "AROAEXAMPLEEXAMPLE123", s),
		Action:    "eks:DescribeCluster", Resource: "arn:aws:eks:eu-central-1:111122223333:cluster/my-cluster",
	}
	b.ReportAllocs()
	for b.Loop() {
		if !policy.Evaluate(req, set).Allowed() {
			b.Fatal("refused")
		}
	}
}

func BenchmarkExplainTrust(b *testing.B) {
	set := policy.Set{Resource: []*policy.Document{mustParse(b, policy.Trust, deployTrust)}, ResourceAccount: "111122223333"}
	req := exchange(b, map[string]string{"aud": "elsewhere"})
	b.ReportAllocs()
	for b.Loop() {
		if policy.Explain(req, set).Allowed() {
			b.Fatal("allowed")
		}
	}
}

func BenchmarkParseTrust(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.Parse(policy.Trust, []byte(deployTrust)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestEvaluateAllocatesNothing(t *testing.T) {
	set := policy.Set{Resource: []*policy.Document{mustParse(t, policy.Trust, deployTrust)}, ResourceAccount: "111122223333"}
	req := exchange(t, deployClaims)
	if n := testing.AllocsPerRun(100, func() { policy.Evaluate(req, set) }); n > 0 {
		t.Errorf("%v allocations for the story's trust policy", n)
	}
}

// TestDecisionsShareNothing: what a decision holds of a statement is its own, of
// the document that was asked, whatever is appended to it.
func TestDecisionsShareNothing(t *testing.T) {
	first := mustParse(t, policy.Trust, deployTrust)
	bound, err := first.Bind(func(arn.Role) (string, bool) { return "AROAEXAMPLEEXAMPLE123", true })
	if err != nil {
		t.Fatal(err)
	}
	req := exchange(t, deployClaims)
	ask := func(docs ...*policy.Document) []policy.StatementRef {
		return policy.Evaluate(req, policy.Set{Resource: docs, ResourceAccount: "111122223333"}).Statements
	}
	one := ask(bound)
	if len(one) != 1 || one[0].Statement != bound.Statements()[0] || one[0].Statement == first.Statements()[0] {
		t.Errorf("%+v is not of the bound document", one)
	}
	_ = append(one, policy.StatementRef{Layer: policy.LayerSession})
	two := ask(bound, bound, first)
	if len(two) != 3 || two[0] != one[0] || two[1].Document != 1 || two[1].Statement != one[0].Statement || two[2].Document != 2 || two[2].Statement != first.Statements()[0] {
		t.Errorf("%+v", two)
	}
	if again := ask(bound); len(again) != 1 || again[0] != one[0] || cap(again) != 1 {
		t.Errorf("%+v", again)
	}
}
