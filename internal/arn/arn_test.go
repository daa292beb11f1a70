package arn_test

import (
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
)

const account = "111122223333"

func TestParse(t *testing.T) {
	a, err := arn.Parse("arn:aws:eks:eu-central-1:111122223333:access-entry/c:d/e")
	if err != nil {
		t.Fatal(err)
	}
	want := arn.ARN{Partition: "aws", Service: "eks", Region: "eu-central-1", Account: account, Resource: "access-entry/c:d/e"}
	if a != want {
		t.Errorf("got %+v", a)
	}
	for _, bad := range []string{"", "arn", "arn:aws:iam::111122223333", "ARN:aws:iam::111122223333:role/x", "arn::iam::1:role/x",
		"arn:aws:::1:role/x", "arn:aws:iam::111122223333:", " arn:aws:iam::111122223333:role/x", "arn:aws:iam::111122223333:role/x\n",
		"arn:aws:iam::111122223333:role/" + strings.Repeat("x", 2048)} {
		if a, err := arn.Parse(bad); err == nil || a != (arn.ARN{}) {
			t.Errorf("Parse(%q) = %+v, %v", bad, a, err)
		}
	}
}

func TestParseRole(t *testing.T) {
	for text, want := range map[string]arn.Role{
		"arn:aws:iam::111122223333:role/deploy":     {Account: account, Path: "/", Name: "deploy"},
		"arn:aws:iam::111122223333:role/a/b/deploy": {Account: account, Path: "/a/b/", Name: "deploy"},
	} {
		got, err := arn.ParseRole(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseRole(%q) = %+v, %v; prints as %q", text, got, err, got)
		}
	}
	for name, bad := range map[string]string{
		"another partition":      "arn:aws-cn:iam::111122223333:role/deploy",
		"another service":        "arn:aws:sts::111122223333:role/deploy",
		"a region":               "arn:aws:iam:eu-central-1:111122223333:role/deploy",
		"a short account":        "arn:aws:iam::11112222333:role/deploy",
		"letters in the account": "arn:aws:iam::11112222333a:role/deploy",
		"no account":             "arn:aws:iam:::role/deploy",
		"a user":                 "arn:aws:iam::111122223333:user/deploy",
		"no name":                "arn:aws:iam::111122223333:role/",
		"a name of only a path":  "arn:aws:iam::111122223333:role/deploy/",
		"a wildcard":             "arn:aws:iam::111122223333:role/deploy*",
		"a long name":            "arn:aws:iam::111122223333:role/" + strings.Repeat("x", 65),
		"a space in the path":    "arn:aws:iam::111122223333:role/a b/deploy",
		"a session":              "arn:aws:sts::111122223333:assumed-role/deploy/s",
	} {
		if got, err := arn.ParseRole(bad); err == nil || got != (arn.Role{}) {
			t.Errorf("%s: ParseRole(%q) = %+v, %v", name, bad, got, err)
		}
	}
}

func TestParsePolicy(t *testing.T) {
	long := strings.Repeat("x", 128)
	for text, want := range map[string]arn.Policy{
		"arn:aws:iam::111122223333:policy/limit":     {Account: account, Path: "/", Name: "limit"},
		"arn:aws:iam::111122223333:policy/a/b/limit": {Account: account, Path: "/a/b/", Name: "limit"},
		"arn:aws:iam::111122223333:policy/" + long:   {Account: account, Path: "/", Name: long},
	} {
		got, err := arn.ParsePolicy(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParsePolicy(%q) = %+v, %v; prints as %q", text, got, err, got)
		}
	}
	for name, bad := range map[string]string{
		"another partition":      "arn:aws-cn:iam::111122223333:policy/limit",
		"another service":        "arn:aws:sts::111122223333:policy/limit",
		"a region":               "arn:aws:iam:eu-central-1:111122223333:policy/limit",
		"one of AWS's":           "arn:aws:iam::aws:policy/AdministratorAccess",
		"no account":             "arn:aws:iam:::policy/limit",
		"a role":                 "arn:aws:iam::111122223333:role/limit",
		"no name":                "arn:aws:iam::111122223333:policy/",
		"a name of only a path":  "arn:aws:iam::111122223333:policy/limit/",
		"a wildcard":             "arn:aws:iam::111122223333:policy/limit*",
		"a long name":            "arn:aws:iam::111122223333:policy/" + long + "x",
		"a space in the path":    "arn:aws:iam::111122223333:policy/a b/limit",
		"an access policy's ARN": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy",
	} {
		if got, err := arn.ParsePolicy(bad); err == nil || got != (arn.Policy{}) {
			t.Errorf("%s: ParsePolicy(%q) = %+v, %v", name, bad, got, err)
		}
	}
	if got := (arn.Policy{}).String(); got != "" {
		t.Errorf("the zero value prints as %q", got)
	}
}

func TestParseSession(t *testing.T) {
	text := "arn:aws:sts::111122223333:assumed-role/deploy/GitLabRunner-7"
	got, err := arn.ParseSession(text)
	if err != nil || got != (arn.Session{Account: account, Role: "deploy", Name: "GitLabRunner-7"}) || got.String() != text {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"arn:aws:sts::111122223333:assumed-role/deploy", "arn:aws:sts::111122223333:assumed-role/a/deploy/s",
		"arn:aws:sts::111122223333:assumed-role//s", "arn:aws:iam::111122223333:assumed-role/deploy/s", "arn:aws:sts::111122223333:assumed-role/deploy/s s"} {
		if got, err := arn.ParseSession(bad); err == nil || got != (arn.Session{}) {
			t.Errorf("ParseSession(%q) = %+v, %v", bad, got, err)
		}
	}
}

func TestParseProvider(t *testing.T) {
	for _, url := range []string{"gitlab.com", "gitlab.example:8443/sub/path", "gitlab.example/"} {
		text := "arn:aws:iam::111122223333:oidc-provider/" + url
		if got, err := arn.ParseProvider(text); err != nil || got.URL != url || got.String() != text {
			t.Errorf("ParseProvider(%q) = %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"arn:aws:iam::111122223333:oidc-provider/", "arn:aws:iam::111122223333:saml-provider/x", "gitlab.com"} {
		if got, err := arn.ParseProvider(bad); err == nil || got != (arn.Provider{}) {
			t.Errorf("ParseProvider(%q) = %+v, %v", bad, got, err)
		}
	}
}

func TestAudience(t *testing.T) {
	if got := (arn.Audience{Region: "eu-central-1", Account: "111122223333", Name: "kubernetes/prod"}).String(); got != "arn:aws:mayfly:eu-central-1:111122223333:audience/kubernetes/prod" {
		t.Error(got)
	}
	if got := (arn.Audience{}).String(); got != "" {
		t.Error(got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iam::111122223333:role/a/b")
	f.Add("arn:aws:sts::111122223333:assumed-role/deploy/s")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := arn.Parse(text); err == nil && a.String() != text {
			t.Fatalf("%q prints as %q", text, a)
		}
		if r, err := arn.ParseRole(text); err == nil && r.String() != text {
			t.Fatalf("%q prints as %q", text, r)
		}
		if p, err := arn.ParsePolicy(text); err == nil && p.String() != text {
			t.Fatalf("%q prints as %q", text, p)
		}
		if s, err := arn.ParseSession(text); err == nil && s.String() != text {
			t.Fatalf("%q prints as %q", text, s)
		}
	})
}
