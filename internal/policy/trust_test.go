package policy_test

import (
	"fmt"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// trustWith is a trust policy of one statement that trusts gitlab.com under a
// condition.
func trustWith(t *testing.T, condition string) *policy.Document {
	return mustParse(t, policy.Trust, statement(fmt.Sprintf(`"Effect": "Allow", "Principal": {"Federated": %q},
		"Action": "sts:AssumeRoleWithWebIdentity", "Condition": %s`, gitlab, condition)))
}

func TestTestsKey(t *testing.T) {
	for condition, want := range map[string]bool{
		`{"StringEquals": {"gitlab.com:sub": "project_path:acme/web:ref_type:branch:ref:main"}}`:               true,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/*"}}`:                                            true,
		`{"StringLike": {"gitlab.com:sub": "project_id:4711:*"}}`:                                              true,
		`{"StringLike": {"gitlab.com:sub": "*:ref:main"}}`:                                                     false,
		`{"StringLike": {"gitlab.com:sub": "*:*"}}`:                                                            false,
		`{"StringLike": {"gitlab.com:sub": "?*p*"}}`:                                                           false,
		`{"StringLike": {"gitlab.com:sub": "project_path:*"}}`:                                                 false,
		`{"StringLike": {"gitlab.com:sub": "project_path:*/web:*"}}`:                                           false,
		`{"StringLike": {"gitlab.com:sub": "project_path: *"}}`:                                                false,
		`{"StringEqualsIgnoreCase": {"gitlab.com:sub": "x"}}`:                                                  true,
		`{"ForAnyValue:StringLike": {"gitlab.com:sub": "project_path:acme/*"}}`:                                true,
		`{"StringLike": {"GitLab.com:SUB": "project_path:acme/*"}}`:                                            true,
		`{"StringLike": {"gitlab.com:sub": "*"}, "StringEquals": {"gitlab.com:sub": "project_path:acme/web"}}`: true,
		`{"StringLike": {"gitlab.com:sub": ["a*", "b*"]}}`:                                                     true,
		`{"StringLike": {"gitlab.com:sub": "*"}}`:                                                              false,
		`{"StringLike": {"gitlab.com:sub": "?*"}}`:                                                             false,
		`{"StringLike": {"gitlab.com:sub": "**"}}`:                                                             false,
		`{"StringLike": {"gitlab.com:sub": ["project_path:acme/*", "*"]}}`:                                     false,
		`{"StringEquals": {"gitlab.com:sub": "*"}}`:                                                            false,
		`{"StringEquals": {"gitlab.com:sub": ""}}`:                                                             false,
		`{"StringEquals": {"gitlab.com:sub": []}}`:                                                             false,
		`{"StringLike": {"gitlab.com:sub": "${gitlab.com:sub}"}}`:                                              false,
		`{"StringLike": {"gitlab.com:sub": "${gitlab.com:none, '*'}x"}}`:                                       false,
		`{"StringNotLike": {"gitlab.com:sub": "project_path:evil/*"}}`:                                         false,
		`{"StringNotEquals": {"gitlab.com:sub": "x"}}`:                                                         false,
		`{"StringLikeIfExists": {"gitlab.com:sub": "project_path:acme/*"}}`:                                    false,
		`{"ForAllValues:StringLike": {"gitlab.com:sub": "project_path:acme/*"}}`:                               false,
		`{"Null": {"gitlab.com:sub": "false"}}`:                                                                false,
		`{"ArnLike": {"gitlab.com:sub": "arn:aws:iam::111122223333:role/x"}}`:                                  false,
		`{"StringLike": {"gitlab.com:aud": "project_path:acme/*"}}`:                                            false,
		`{"StringLike": {"gitlab.example.com:sub": "project_path:acme/*"}}`:                                    false,
		`{"StringLike": {"gitlab.com:sub2": "project_path:acme/*"}}`:                                           false,
		`{}`: false,
	} {
		t.Run(condition, func(t *testing.T) {
			d := trustWith(t, condition)
			if got := d.Statements()[0].TestsKey("gitlab.com:sub"); got != want {
				t.Errorf("TestsKey = %v", got)
			}
			if got := d.Untested(gitlab, "gitlab.com:sub") == nil; got != want {
				t.Errorf("Untested says %v", got)
			}
		})
	}
}

func TestTrusts(t *testing.T) {
	other := arn.Provider{Account: "111122223333", URL: "gitlab.example.com:8443/a"}
	for name, tt := range map[string]struct {
		inside         string
		gitlab, second bool
	}{
		"one provider":             {`"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"}`, true, false},
		"another":                  {`"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.example.com:8443/a"}`, false, true},
		"both":                     {`"Effect": "Allow", "Principal": {"Federated": ["arn:aws:iam::111122223333:oidc-provider/gitlab.com", "arn:aws:iam::111122223333:oidc-provider/gitlab.example.com:8443/a"]}`, true, true},
		"everyone":                 {`"Effect": "Allow", "Principal": "*"`, true, true},
		"everyone in AWS's words":  {`"Effect": "Allow", "Principal": {"AWS": "*"}`, true, true},
		"the account":              {`"Effect": "Allow", "Principal": {"AWS": "111122223333"}`, false, false},
		"a Deny trusts no one":     {`"Effect": "Deny", "Principal": "*"`, false, false},
		"another account's":        {`"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::999922223333:oidc-provider/gitlab.com"}`, false, false},
		"a provider AWS knows":     {`"Effect": "Allow", "Principal": {"Federated": "accounts.google.com"}`, false, false},
		"the service of that name": {`"Effect": "Allow", "Principal": {"Service": "gitlab.com"}`, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustParse(t, policy.Trust, statement(tt.inside+`, "Action": "sts:AssumeRoleWithWebIdentity"`)).Statements()[0]
			if s.Trusts(gitlab) != tt.gitlab || s.Trusts(other) != tt.second {
				t.Errorf("gitlab.com %v, the other %v", s.Trusts(gitlab), s.Trusts(other))
			}
		})
	}
}

func TestUntestedFindsTheStatement(t *testing.T) {
	d := mustParse(t, policy.Trust, `{"Version": "2012-10-17", "Statement": [
		{"Effect": "Deny", "Principal": "*", "Action": "sts:*"},
		{"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"},
		{"Sid": "Tight", "Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"StringLike": {"gitlab.com:sub": "project_path:acme/*"}}},
		{"Sid": "Loose", "Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"}, "Action": "sts:TagSession"}]}`)
	if s := d.Untested(gitlab, "gitlab.com:sub"); s == nil || s.Sid() != "Loose" {
		t.Errorf("found %v", s)
	}
}

// TestKnows: who may be told why. A stranger must not be, whatever the policy
// says of wildcards.
func TestKnows(t *testing.T) {
	web := policy.Project{Provider: gitlab, Subject: "project_path:acme/web", ProjectID: "20", NamespaceID: "72"}
	for condition, want := range map[string]bool{
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/web:ref_type:branch:ref:main"}}`:                                                    true,
		`{"StringEquals": {"gitlab.com:sub": "project_path:acme/web:ref_type:branch:ref:main", "gitlab.com:aud": "x", "gitlab.com:ref": "main"}}`: true,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/*"}}`:                                                                               true,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/*:ref_type:branch:ref:main"}}`:                                                      true,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/w?b:*"}}`:                                                                           true,
		`{"StringLike": {"gitlab.com:sub": ["project_path:other/x:*", "project_path:acme/web:*"]}}`:                                               true,
		`{"StringEquals": {"gitlab.com:project_id": "20"}}`:                                                                                       true,
		`{"StringEquals": {"gitlab.com:project_id": 20}}`:                                                                                         true,
		`{"StringEquals": {"gitlab.com:namespace_id": "72"}}`:                                                                                     true,
		`{"StringEquals": {"gitlab.com:namespace_id": "72"}, "StringLike": {"gitlab.com:sub": "project_path:acme/web:*"}}`:                        true,
		`{"StringEquals": {"gitlab.com:namespace_id": "72"}, "StringNotLike": {"gitlab.com:ref": "*"}}`:                                           true,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/api:*"}}`:                                                                           false,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/web2:*"}}`:                                                                          false,
		`{"StringLike": {"gitlab.com:sub": "project_path:ACME/web:*"}}`:                                                                           false,
		`{"StringLike": {"gitlab.com:sub": "*"}}`:                                                                                                 false,
		`{"StringLike": {"gitlab.com:sub": "project_path:*"}}`:                                                                                    false,
		`{"StringLike": {"gitlab.com:sub": "project_path:ac*/web:*"}}`:                                                                            false,
		`{"StringLike": {"gitlab.com:sub": "project_path:acm?/web:*"}}`:                                                                           false,
		`{"StringLike": {"gitlab.com:sub": "*:acme/web:*"}}`:                                                                                      false,
		`{"StringLike": {"gitlab.com:sub": "${gitlab.com:sub}"}}`:                                                                                 false,
		`{"StringLike": {"gitlab.com:sub": "project_path:acme/${gitlab.com:x}"}}`:                                                                 false,
		`{"StringLike": {"gitlab.com:project_id": "2*"}}`:                                                                                         false,
		`{"StringEquals": {"gitlab.com:project_id": "21"}}`:                                                                                       false,
		`{"StringEquals": {"gitlab.com:project_id": "20"}, "StringLike": {"gitlab.com:sub": "project_path:acme/api:*"}}`:                          false,
		`{"StringEquals": {"gitlab.com:project_id": "20"}, "StringNotEquals": {"gitlab.com:namespace_id": "72"}}`:                                 false,
		`{"StringNotEquals": {"gitlab.com:project_id": "21"}}`:                                                                                    false,
		`{"StringEqualsIfExists": {"gitlab.com:project_id": "20"}}`:                                                                               false,
		`{"ForAllValues:StringEquals": {"gitlab.com:project_id": "20"}}`:                                                                          false,
		`{"NumericEquals": {"gitlab.com:project_id": "20"}}`:                                                                                      false,
		`{"StringEquals": {"gitlab.com:aud": "x"}}`:                                                                                               false,
		`{"StringEquals": {"gitlab.example.com:project_id": "20"}}`:                                                                               false,
		`{}`: false,
	} {
		t.Run(condition, func(t *testing.T) {
			if got := trustWith(t, condition).Knows(web); got != want {
				t.Errorf("Knows = %v", got)
			}
		})
	}
	own := `{"StringEquals": {"gitlab.com:project_id": "20"}}`
	for name, p := range map[string]policy.Project{
		"the zero project": {}, "a project without ids": {Provider: gitlab},
		"another provider":                {Provider: arn.Provider{Account: "111122223333", URL: "gitlab.example.com"}, ProjectID: "20"},
		"the provider of another account": {Provider: arn.Provider{Account: "999922223333", URL: "gitlab.com"}, ProjectID: "20"},
	} {
		t.Run(name, func(t *testing.T) {
			if trustWith(t, own).Knows(p) || trustWith(t, `{"StringEquals": {"gitlab.com:project_id": ""}}`).Knows(p) {
				t.Error("it is known")
			}
		})
	}
	t.Run("a Deny knows no one", func(t *testing.T) {
		d := mustParse(t, policy.Trust, statement(`"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": `+own))
		if d.Knows(web) {
			t.Error("it is known")
		}
	})
	t.Run("another action knows no one", func(t *testing.T) {
		d := mustParse(t, policy.Trust, statement(`"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", "Condition": `+own))
		if d.Knows(web) {
			t.Error("it is known")
		}
	})
}
