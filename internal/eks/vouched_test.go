package eks_test

import (
	"encoding/json"
	"testing"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/vectortest"
)

func TestVouchedPrincipal(t *testing.T) {
	for _, tt := range []struct{ name, arn, account, userID, canonical, id, session string }{
		{"a role session", "arn:aws:sts::444455556666:assumed-role/deployer/job-7", "444455556666", "AROA1:job-7", "arn:aws:iam::444455556666:role/deployer", "AROA1", "job-7"},
		{"another partition", "arn:aws-cn:sts::444455556666:assumed-role/deployer/job-7", "444455556666", "AROA1:job-7", "arn:aws-cn:iam::444455556666:role/deployer", "AROA1", "job-7"},
		{"a user", "arn:aws:iam::444455556666:user/team/jane", "444455556666", "AIDA1", "arn:aws:iam::444455556666:user/team/jane", "AIDA1", ""},
		{"the root", "arn:aws:iam::444455556666:root", "444455556666", "444455556666", "arn:aws:iam::444455556666:root", "444455556666", ""},
		{"a federated user", "arn:aws:sts::444455556666:federated-user/bob", "444455556666", "444455556666:bob", "arn:aws:sts::444455556666:federated-user/bob", "444455556666:bob", ""},

		{name: "nothing"},
		{name: "no ARN", arn: "deployer", account: "444455556666", userID: "AROA1:x"},
		{name: "another account", arn: "arn:aws:sts::111122223333:assumed-role/deployer/x", account: "444455556666", userID: "AROA1:x"},
		{name: "no account", arn: "arn:aws:sts:::assumed-role/deployer/x", account: "", userID: "AROA1:x"},
		{name: "an account that is none", arn: "arn:aws:sts::12:assumed-role/deployer/x", account: "12", userID: "AROA1:x"},
		{name: "a region", arn: "arn:aws:sts:eu-west-1:444455556666:assumed-role/deployer/x", account: "444455556666", userID: "AROA1:x"},
		{name: "no user id", arn: "arn:aws:iam::444455556666:user/jane", account: "444455556666"},
		{name: "a session without a name", arn: "arn:aws:sts::444455556666:assumed-role/deployer/x", account: "444455556666", userID: "AROA1"},
		{name: "a session with two names", arn: "arn:aws:sts::444455556666:assumed-role/deployer/x", account: "444455556666", userID: "AROA1:x:y"},
		{name: "a session of nobody", arn: "arn:aws:sts::444455556666:assumed-role/deployer/x", account: "444455556666", userID: ":x"},
		{name: "a session's name with a brace", arn: "arn:aws:sts::444455556666:assumed-role/deployer/x", account: "444455556666", userID: "AROA1:{{x}}"},
		{name: "a role with a path", arn: "arn:aws:sts::444455556666:assumed-role/team/deployer/x", account: "444455556666", userID: "AROA1:x"},
		{name: "a role alone", arn: "arn:aws:sts::444455556666:assumed-role/deployer", account: "444455556666", userID: "AROA1:x"},
		{name: "a role's own ARN", arn: "arn:aws:iam::444455556666:role/deployer", account: "444455556666", userID: "AROA1"},
		{name: "a user of no name", arn: "arn:aws:iam::444455556666:user/", account: "444455556666", userID: "AIDA1"},
		{name: "a user at sts", arn: "arn:aws:sts::444455556666:user/jane", account: "444455556666", userID: "AIDA1"},
		{name: "a session at iam", arn: "arn:aws:iam::444455556666:assumed-role/deployer/x", account: "444455556666", userID: "AROA1:x"},
		{name: "a bucket", arn: "arn:aws:s3::444455556666:user/jane", account: "444455556666", userID: "AIDA1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := eks.Vouched{ARN: tt.arn, Account: tt.account, UserID: tt.userID, AccessKeyID: "AKIA1"}.Principal()
			if (err == nil) != (tt.canonical != "") {
				t.Fatalf("%+v, %v", p, err)
			}
			if p.CanonicalARN != tt.canonical || p.PrincipalID != tt.id || p.SessionName != tt.session || p.AWS != (err == nil) || err == nil && (p.ARN != tt.arn || p.Account != tt.account || p.AccessKeyID != "AKIA1") {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestVouchedVectors runs aws-iam-authenticator's readings of STS's answer.
func TestVouchedVectors(t *testing.T) {
	var doc struct {
		Cases []struct {
			Name, ARN, Account string
			UserID             string `json:"user_id"`
			Expect             struct {
				Canonical, Error string
				UserID           string `json:"user_id"`
				Session          string `json:"session_name"`
			}
		} `json:"caller_identity"`
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/tokens.json"), &doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.Cases {
		p, err := eks.Vouched{ARN: c.ARN, Account: c.Account, UserID: c.UserID}.Principal()
		if (err == nil) != (c.Expect.Error == "") || p.CanonicalARN != c.Expect.Canonical || p.PrincipalID != c.Expect.UserID || p.SessionName != c.Expect.Session {
			t.Errorf("%s: %+v, %v", c.Name, p, err)
		}
	}
	if len(doc.Cases) < 7 {
		t.Errorf("%d cases", len(doc.Cases))
	}
}

func TestCanonicalARN(t *testing.T) {
	for text, want := range map[string]string{
		"arn:aws:iam::444455556666:role/deployer":         "arn:aws:iam::444455556666:role/deployer",
		"arn:aws:iam::444455556666:role/team/ci/deployer": "arn:aws:iam::444455556666:role/deployer",
		"arn:aws:iam::444455556666:user/team/jane":        "arn:aws:iam::444455556666:user/team/jane",

		"arn:aws:iam::444455556666:role/":                     "",
		"arn:aws:iam::444455556666:role/team/":                "",
		"arn:aws:iam::444455556666:role":                      "",
		"arn:aws:iam::444455556666:root":                      "",
		"arn:aws:iam::444455556666:group/devs":                "",
		"arn:aws:iam::44445555666:role/deployer":              "",
		"arn:aws:iam:eu-west-1:444455556666:role/deployer":    "",
		"arn:aws:sts::444455556666:assumed-role/deployer/x":   "",
		"arn:aws:iam::444455556666:role/deployer*":            "",
		"arn:aws:iam::444455556666:role/te am/deployer":       "",
		"arn:aws:iam::444455556666:user/{{SessionName}}/jane": "",
		"": "",
	} {
		account, got, ok := eks.CanonicalARN(text)
		if got != want || ok != (want != "") || ok && account != "444455556666" {
			t.Errorf("%s: %q, %q, %t", text, account, got, ok)
		}
	}
}

func FuzzVouchedPrincipal(f *testing.F) {
	f.Add("arn:aws:sts::444455556666:assumed-role/deployer/job-7", "444455556666", "AROA1:job-7")
	f.Add("arn:aws:iam::444455556666:user/team/jane", "444455556666", "AIDA1")
	f.Fuzz(func(t *testing.T, arn, account, id string) {
		p, err := eks.Vouched{ARN: arn, Account: account, UserID: id}.Principal()
		if err != nil {
			if p.ARN != "" || p.AWS {
				t.Errorf("%+v", p)
			}
			return
		}
		if !p.AWS || p.Account != account || p.PrincipalID == "" || p.SessionID != "" {
			t.Errorf("%+v", p)
		}
	})
}
