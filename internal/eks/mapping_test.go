package eks_test

import (
	"encoding/json"
	"strings"
	"testing"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/vectortest"
)

func TestFindMapping(t *testing.T) {
	m := eks.Mappings{
		Roles: []eks.Mapping{
			{ARN: "arn:aws:iam::111122223333:role/deployer", Username: "first"},
			{ARN: "arn:aws:iam::111122223333:role/Builder", Username: "builder"},
			{ARN: "arn:aws:iam::111122223333:role/DEPLOYER", Username: "second", Groups: []string{"g"}},
			{ARN: "arn:aws:iam::111122223333:role/nameless", Groups: []string{"g"}},
			{ARN: "arn:aws:iam::111122223333:role/team/ci/pathed", Username: "pathed"},
			{ARN: "arn:aws:sts::111122223333:assumed-role/session/s", Username: "session"},
		},
		Users: []eks.Mapping{
			{ARN: "arn:aws:iam::111122223333:role/builder", Username: "from-users"},
			{ARN: "arn:aws:iam::111122223333:role/odd", Username: "odd"},
			{ARN: "arn:aws:iam::111122223333:user/deployer2", Username: "user"},
		},
		Accounts: []string{"444455556666", ""},
	}
	for _, tt := range []struct{ name, canonical, account, want string }{
		{"the later of two entries", "arn:aws:iam::111122223333:role/deployer", "111122223333", "second"},
		{"whatever the case", "arn:aws:iam::111122223333:role/bUILDER", "111122223333", "builder"},
		{"a role in mapUsers, as the original has it", "arn:aws:iam::111122223333:role/odd", "111122223333", "odd"},
		{"without a user name", "arn:aws:iam::111122223333:role/nameless", "111122223333", "arn:aws:iam::111122223333:role/nameless"},
		{"by its account", "arn:aws:iam::444455556666:role/anything", "444455556666", "arn:aws:iam::444455556666:role/anything"},

		{"another role", "arn:aws:iam::111122223333:role/deployer3", "111122223333", ""},
		{"a role whose name begins the same", "arn:aws:iam::111122223333:role/deploye", "111122223333", ""},
		{"the role of another account", "arn:aws:iam::999922223333:role/deployer", "999922223333", ""},
		{"a user of the name", "arn:aws:iam::111122223333:user/deployer", "111122223333", ""},
		{"a path that is written", "arn:aws:iam::111122223333:role/pathed", "111122223333", "pathed"},
		{"the last part of a path", "arn:aws:iam::111122223333:role/ci", "111122223333", ""},
		{"a session that is written", "arn:aws:iam::111122223333:role/session", "111122223333", ""},
		{"an account that is not there", "arn:aws:iam::777755556666:role/anything", "777755556666", ""},
		{"no account at all", "arn:aws:iam:::role/x", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := m.Find(eks.Principal{CanonicalARN: tt.canonical, Account: tt.account})
			if ok != (tt.want != "") || got.Username != tt.want {
				t.Errorf("%+v, %t", got, ok)
			}
		})
	}
	if _, ok := (eks.Mappings{}).Find(eks.Principal{CanonicalARN: "arn:aws:iam::111122223333:role/x", Account: "111122223333"}); ok {
		t.Error("no mappings map somebody")
	}
	if got, _ := m.Find(eks.Principal{CanonicalARN: "arn:aws:iam::444455556666:role/x", Account: "444455556666"}); len(got.Groups) != 0 {
		t.Errorf("an account's principal is in %v", got.Groups)
	}
}

// TestFindMappingWithPath: where the role's path is known, a mapping that writes
// one must write that one.
func TestFindMappingWithPath(t *testing.T) {
	const canonical = "arn:aws:iam::111122223333:role/deployer"
	for _, tt := range []struct {
		name, written, role string
		want                bool
	}{
		{"its path", "arn:aws:iam::111122223333:role/team/deployer", "arn:aws:iam::111122223333:role/team/deployer", true},
		{"its path in other case", "arn:aws:iam::111122223333:role/Team/deployer", "arn:aws:iam::111122223333:role/team/deployer", true},
		{"no path", canonical, "arn:aws:iam::111122223333:role/team/deployer", true},
		{"a path that only AWS knows", "arn:aws:iam::111122223333:role/team/deployer", "", true},

		{"another path", "arn:aws:iam::111122223333:role/other/deployer", "arn:aws:iam::111122223333:role/team/deployer", false},
		{"a path the role does not have", "arn:aws:iam::111122223333:role/team/deployer", canonical, false},
		{"a path in another account", "arn:aws:iam::444455556666:role/team/deployer", "", false},
		{"a path of a user", "arn:aws:iam::111122223333:user/team/deployer", "", false},
		{"a session of the name", "arn:aws:sts::111122223333:assumed-role/x/deployer", "", false},
		{"a path of no ARN", "role/team/deployer", "", false},
	} {
		m := eks.Mappings{Roles: []eks.Mapping{{ARN: tt.written, Username: "u"}}}
		if _, ok := m.Find(eks.Principal{CanonicalARN: canonical, RoleARN: tt.role, Account: "111122223333"}); ok != tt.want {
			t.Errorf("%s: %t", tt.name, ok)
		}
	}
}

// TestFindMappingByID: an entry's id decides, and an ARN beside it must agree.
func TestFindMappingByID(t *testing.T) {
	p := eks.Principal{CanonicalARN: "arn:aws:iam::111122223333:role/deployer", PrincipalID: "AROA1", Account: "111122223333"}
	for _, tt := range []struct {
		name string
		m    eks.Mapping
		want bool
	}{
		{"the id", eks.Mapping{UserID: "AROA1"}, true},
		{"the id and the ARN", eks.Mapping{UserID: "AROA1", ARN: "arn:aws:iam::111122223333:role/deployer"}, true},
		{"the id and the ARN with a path", eks.Mapping{UserID: "AROA1", ARN: "arn:aws:iam::111122223333:role/x/deployer"}, true},
		{"the id and another ARN", eks.Mapping{UserID: "AROA1", ARN: "arn:aws:iam::111122223333:role/builder"}, false},
		{"another id and the ARN", eks.Mapping{UserID: "AROA2", ARN: "arn:aws:iam::111122223333:role/deployer"}, false},
		{"the id in other case", eks.Mapping{UserID: "aroa1"}, false},
		{"the ARN alone", eks.Mapping{ARN: "arn:aws:iam::111122223333:role/deployer"}, false},
		{"neither", eks.Mapping{}, false},
	} {
		if _, ok := (eks.Mappings{ByID: true, Roles: []eks.Mapping{tt.m}}).Find(p); ok != tt.want {
			t.Errorf("%s: %t", tt.name, ok)
		}
	}
	if _, ok := (eks.Mappings{Roles: []eks.Mapping{{UserID: "AROA1"}}}).Find(p); ok {
		t.Error("an id counts where ARNs are compared")
	}
	if _, ok := (eks.Mappings{ByID: true, Roles: []eks.Mapping{{}}}).Find(eks.Principal{}); ok {
		t.Error("nobody is found by no id")
	}
}

func TestReservedUsernames(t *testing.T) {
	p := eks.Principal{CanonicalARN: "arn:aws:iam::111122223333:role/deployer", Account: "111122223333", SessionName: "admin"}
	for _, tt := range []struct {
		username string
		reserved []string
		want     bool
	}{
		{"jane", nil, true},
		{"jane", []string{"aws:", "", "x"}, true},
		{"aws:jane", []string{"aws:"}, false},
		{"team:{{SessionName}}", []string{"team:admin"}, false},
		{"", []string{"arn:"}, false},
	} {
		m, ok := eks.Mappings{Roles: []eks.Mapping{{ARN: p.CanonicalARN, Username: tt.username}}, Reserved: tt.reserved}.Find(p)
		if _, err := p.IdentifyMapping(m); !ok || (err == nil) != tt.want {
			t.Errorf("%q under %q: %v", tt.username, tt.reserved, err)
		}
	}
	m, _ := eks.Mappings{Accounts: []string{"111122223333"}, Reserved: []string{"arn:"}}.Find(p)
	if _, err := p.IdentifyMapping(m); err == nil {
		t.Error("an account's principal has a reserved name")
	}
}

// TestMatchVectors runs aws-iam-authenticator's matching cases.
func TestMatchVectors(t *testing.T) {
	var doc struct {
		Match []struct {
			Mapping struct {
				RoleARN, UserARN string
				SSO              *struct{}
			}
			Subject string
			Match   bool
		}
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/mapping.json"), &doc); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range doc.Match {
		if c.Mapping.SSO != nil {
			continue // AWS's single sign-on vouches for nobody here; the original matches these behind a feature gate only
		}
		ran++
		var m eks.Mappings
		if c.Mapping.RoleARN != "" {
			m.Roles = []eks.Mapping{{ARN: c.Mapping.RoleARN}}
		} else {
			m.Users = []eks.Mapping{{ARN: c.Mapping.UserARN}}
		}
		if _, ok := m.Find(eks.Principal{CanonicalARN: c.Subject}); ok != c.Match {
			t.Errorf("%+v and %s: %t", c.Mapping, c.Subject, ok)
		}
	}
	if ran != 6 {
		t.Errorf("%d cases ran", ran)
	}
}

func TestCheckMapping(t *testing.T) {
	const arn = "arn:aws:iam::111122223333:role/r"
	for _, m := range []eks.Mapping{
		{ARN: arn},
		{ARN: arn, Username: "deployer", Groups: []string{"deployers"}},
		{ARN: arn, Username: "admin", Groups: []string{"system:masters"}},
		{ARN: arn, Username: "system:*", Groups: []string{"system:masters"}},
		{ARN: arn, Username: "ci:{{SessionName}}", Groups: []string{"ci"}},
		{ARN: arn, Username: "ci-{{AccountID}}-{{AccessKeyID}}"},
	} {
		if err := eks.CheckMapping(m); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
	for name, m := range map[string]eks.Mapping{
		"no ARN":                                {Username: "x"},
		"an instance's name":                    {ARN: arn, Username: "system:node:{{EC2PrivateDNSName}}", Groups: []string{"system:nodes"}},
		"a node by the caller's own name":       {ARN: arn, Username: "system:node:{{SessionName}}"},
		"a part of Kubernetes by that name":     {ARN: arn, Username: "system:serviceaccount:a:{{SessionNameRaw}}"},
		"a user by that name":                   {ARN: arn, Username: "{{SessionName}}"},
		"a user that only ends in a colon":      {ARN: arn, Username: "{{SessionName}}:x"},
		"a group by that name":                  {ARN: arn, Username: "x", Groups: []string{"ok", "{{SessionName}}"}},
		"a group by that name, raw":             {ARN: arn, Username: "x", Groups: []string{"team:{{SessionNameRaw}}"}},
		"a group with any placeholder":          {ARN: arn, Username: "x", Groups: []string{"team-{{AccountID}}"}},
		"the reader":                            {ARN: arn, Username: "mayfly:aws-auth-reader"},
		"an unknown placeholder":                {ARN: arn, Username: "x:{{Role}}"},
		"a line break in the name":              {ARN: arn, Username: "x\ny"},
		"a line break in a group":               {ARN: arn, Username: "x", Groups: []string{"a\nb"}},
		"an empty group":                        {ARN: arn, Username: "x", Groups: []string{""}},
		"more groups than a review could carry": {ARN: arn, Username: "x", Groups: strings.Split(strings.Repeat("g,", 251), ",")},
	} {
		if err := eks.CheckMapping(m); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}

func TestNeverMatches(t *testing.T) {
	for arn, wants := range map[string]string{
		"arn:aws:iam::111122223333:role/deployer":                  "",
		"arn:aws:iam::111122223333:user/team/jane":                 "",
		"arn:aws:iam::111122223333:role/team/ci/deployer":          "",
		"arn:aws:sts::111122223333:assumed-role/deployer/session7": "assumed-role",
	} {
		if got := (eks.Mapping{ARN: arn}).NeverMatches(); (got == "") != (wants == "") || !strings.Contains(got, wants) {
			t.Errorf("%s: %q", arn, got)
		}
	}
}
