package stswire_test

import (
	"strings"
	"testing"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

func BenchmarkAnswer(b *testing.B) {
	r := stswire.WebIdentityResult{Subject: "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", Audience: "gitlab-aws-deploy", Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
		AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: "AROAEXAMPLE:x", ARN: "arn:aws:sts::111122223333:assumed-role/deploy/GitLabRunner-574"},
		Credentials:     stswire.Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: strings.Repeat("s", 40), SessionToken: strings.Repeat("t", 1100), Expiration: "2026-11-23T03:00:00Z"}}
	b.ReportAllocs()
	for b.Loop() {
		awsquery.Answer("https://sts.amazonaws.com/doc/2011-06-15/", "AssumeRoleWithWebIdentity", r, "00000000-0000-0000-0000-000000000000")
	}
}
