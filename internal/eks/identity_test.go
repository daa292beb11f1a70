package eks_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/vectortest"
)

func principal() eks.Principal {
	return eks.Principal{
		ARN: "arn:aws:sts::111122223333:assumed-role/deployer/GitLabRunner-7", CanonicalARN: "arn:aws:iam::111122223333:role/deployer", Account: "111122223333",
		PrincipalID: "AROAEXAMPLE", SessionName: "GitLabRunner-7", AccessKeyID: "ASIAEXAMPLE", SessionID: "00112233445566778899aabbccddeeff", Expires: "1795402800",
		Issuer: "https://GitLab.example.com:8443/sub/", ProviderID: "PROV1",
		Claims: []eks.Claim{{"sub", "project_path:g/p:ref_type:branch:ref:main"}, {"project_path", "g/p"}, {"ref", "main"}, {"sha", "abc"}, {"pipeline_id", "1"}, {"job_id", "2"},
			{"user_login", "jane"}, {"user_email", "jane@example.com"}, {"aud", "x"}, {"environment", ""}},
	}
}

func entry(username string, groups ...string) eks.AccessEntry {
	return eks.AccessEntry{PrincipalARN: "arn:aws:iam::111122223333:role/team/ci/deployer", PrincipalID: "AROAEXAMPLE", UUID: "u-1", Username: username, Groups: groups}
}

func TestIdentityOfAnEntry(t *testing.T) {
	got, err := principal().IdentifyEntry(entry("", "deployers"))
	if err != nil {
		t.Fatal(err)
	}
	want := eks.Identity{
		Username: "arn:aws:sts::111122223333:assumed-role/deployer/GitLabRunner-7", UID: "aws-iam-authenticator:111122223333:AROAEXAMPLE", Groups: []string{"deployers"},
		Extra: map[string][]string{
			"arn": {"arn:aws:sts::111122223333:assumed-role/deployer/GitLabRunner-7"}, "canonicalArn": {"arn:aws:iam::111122223333:role/deployer"},
			"sessionName": {"GitLabRunner-7"}, "accessKeyId": {"ASIAEXAMPLE"}, "principalId": {"AROAEXAMPLE"}, "sigs.k8s.io/aws-iam-authenticator/principalId": {"AROAEXAMPLE"},
			"mayfly/session": {"00112233445566778899aabbccddeeff"}, "mayfly/expires": {"1795402800"}, "mayfly/issuer": {"https://GitLab.example.com:8443/sub/"}, "mayfly/provider": {"PROV1"}, "mayfly/entry": {"u-1"},
			"gitlab.example.com/sub/project_path": {"g/p"}, "gitlab.example.com/sub/ref": {"main"}, "gitlab.example.com/sub/sha": {"abc"},
			"gitlab.example.com/sub/pipeline_id": {"1"}, "gitlab.example.com/sub/job_id": {"2"}, "gitlab.example.com/sub/user_login": {"jane"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A session of the administrator has no ID token behind it.
func TestIdentityWithoutAnIssuer(t *testing.T) {
	p := principal()
	p.Issuer, p.ProviderID = "", ""
	got, err := p.IdentifyMapping(eks.Mapping{Username: "admin", Groups: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"accessKeyId", "arn", "canonicalArn", "mayfly/expires", "mayfly/session", "principalId", "sessionName", "sigs.k8s.io/aws-iam-authenticator/principalId"}
	if keys := slices.Sorted(maps.Keys(got.Extra)); !slices.Equal(keys, want) {
		t.Errorf("extra has %v, want %v", keys, want)
	}
}

func TestClaimPrefix(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://gitlab.com":               "gitlab.com/ref",
		"https://gitlab.example.com:8443":  "gitlab.example.com/ref",
		"https://gitlab.example.com/":      "gitlab.example.com/ref",
		"https://example.com:443/a/GitLab": "example.com/a/gitlab/ref",
		"https://[::1]:8443":               "::1/ref",
		"https://%zz":                      "",
		"nonsense":                         "",
	} {
		p := principal()
		p.Issuer = issuer
		id, err := p.IdentifyEntry(entry(""))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for key := range id.Extra {
			if strings.HasSuffix(key, "/ref") {
				got = key
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", issuer, got, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ name, template, session, want string }{
		{"nothing to fill in", "deployer", "x", "deployer"},
		{"the account", "a-{{AccountID}}-b", "x", "a-111122223333-b"},
		{"the session", "a:{{SessionName}}", "jane@example.com", "a:jane-example.com"},
		{"the session as it is", "a:{{SessionNameRaw}}", "jane@example.com", "a:jane@example.com"},
		{"the access key", "a-{{AccessKeyID}}-b", "x", "a-ASIAEXAMPLE-b"},
		{"twice", "a:{{SessionName}}:{{SessionName}}", "x", "a:x:x"},
		{"braces of other kinds", "a{b}}c", "x", "a{b}}c"},
		// A session name cannot hold braces; if one did, it would stay text.
		{"a session called like a placeholder", "u:{{SessionName}}", "{{AccessKeyID}}", "u:{{AccessKeyID}}"},
		{"a session called like another placeholder", "u:{{SessionName}}{{AccountID}}", "{{SessionNameRaw}}", "u:{{SessionNameRaw}}111122223333"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := principal()
			p.SessionName = tt.session
			id, err := p.IdentifyMapping(eks.Mapping{Username: tt.template})
			if err != nil || id.Username != tt.want {
				t.Errorf("%q, %v; want %q", id.Username, err, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, template, session string }{
		{"an instance's name", "system:node:{{EC2PrivateDNSName}}", "i-0123456789abcdef0"},
		{"an unknown placeholder", "{{Role}}", "x"},
		{"the wrong case", "{{sessionname}}", "x"},
		{"blanks inside", "{{ SessionName }}", "x"},
		{"an open end", "a{{SessionName", "x"},
		{"nothing at all", "", "x"},
		{"the reader's name", "mayfly:aws-auth-reader", "x"},
		{"the reader's name from the session", "{{SessionName}}", "mayfly:aws-auth-reader"},
		{"a name of Kubernetes' own from the session", "{{SessionName}}", "system:admin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := principal()
			p.SessionName = tt.session
			if id, err := p.IdentifyMapping(eks.Mapping{Username: tt.template}); err == nil || id.Username != "" || id.Extra != nil {
				t.Errorf("it is the user %+v", id)
			}
		})
	}
}

// TestTemplateVectors runs aws-iam-authenticator's template cases.
func TestTemplateVectors(t *testing.T) {
	var doc struct {
		Templates []struct {
			Template string
			Identity struct {
				Account string `json:"account_id"`
				Session string `json:"session_name"`
				Key     string `json:"access_key_id"`
			}
			Want  *string
			Error bool
		}
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/mapping.json"), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Templates) < 8 {
		t.Fatalf("%d cases", len(doc.Templates))
	}
	for _, c := range doc.Templates {
		p := eks.Principal{Account: c.Identity.Account, SessionName: c.Identity.Session, AccessKeyID: c.Identity.Key}
		id, err := p.IdentifyMapping(eks.Mapping{Username: c.Template})
		if (err != nil) != c.Error || c.Want != nil && id.Username != *c.Want {
			t.Errorf("%s: %q, %v", c.Template, id.Username, err)
		}
	}
}

// TestIdentityVectors compares with what aws-iam-authenticator answers.
func TestIdentityVectors(t *testing.T) {
	var doc struct {
		Success []struct {
			Mapping struct {
				ARN      string `json:"rolearn"`
				Username string
				Groups   []string
				Account  string
			}
			Identity struct{ ARN, Canonical, Account, Session, AKID, UserID string }
			User     struct {
				Username, UID string
				Groups        []string
				Extra         map[string][]string
			}
		}
	}
	raw := strings.ReplaceAll(string(vectortest.Read(t, "eks-bearer-tokens/webhook.json")), `"user_id"`, `"UserID"`)
	if err := json.Unmarshal([]byte(raw), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Success) != 2 {
		t.Fatalf("%d cases", len(doc.Success))
	}
	for _, c := range doc.Success {
		m := eks.Mappings{Accounts: []string{c.Mapping.Account}}
		if c.Mapping.ARN != "" {
			m.Roles = []eks.Mapping{{ARN: c.Mapping.ARN, Username: c.Mapping.Username, Groups: c.Mapping.Groups}}
		}
		p := eks.Principal{ARN: c.Identity.ARN, CanonicalARN: c.Identity.Canonical, Account: c.Identity.Account, SessionName: c.Identity.Session, AccessKeyID: c.Identity.AKID, PrincipalID: c.Identity.UserID}
		mapping, ok := m.Find(p)
		if !ok {
			t.Errorf("%s is not mapped", c.Identity.ARN)
			continue
		}
		id, err := p.IdentifyMapping(mapping)
		if err != nil {
			t.Error(err)
		}
		want := eks.Identity{Username: c.User.Username, UID: c.User.UID, Groups: c.User.Groups, Extra: c.User.Extra}
		if want.Extra == nil {
			want.Extra = id.Extra // that case does not say
		}
		if d := cmp.Diff(want, id); d != "" {
			t.Error(d)
		}
	}
}

func TestCheckUsername(t *testing.T) {
	for _, name := range []string{"", "deployer", "eksb:x", "System:x", "jobs:{{SessionName}}", "a:{{AccountID}}:{{SessionNameRaw}}", "{{AccountID}}", "{{AccessKeyID}}", "arn:aws:sts::111122223333:assumed-role/r/{{SessionName}}"} {
		if err := eks.CheckUsername(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"system:admin", "system:", "eks:x", "aws:x", "amazon:x", "iam:x", "mayfly:aws-auth-reader", "mayfly:{{SessionName}}",
		"{{SessionName}}", "job-{{SessionName}}", "{{SessionNameRaw}}:x", "{{AccountID}}{{SessionName}}", // no colon before the caller's own name
		"x:{{EC2PrivateDNSName}}", "x:{{Nothing}}", "x:{{SessionName", "a\nb", "a\x00b", strings.Repeat("a", 1025),
	} {
		if err := eks.CheckUsername(name); err == nil {
			t.Errorf("%.60q is taken", name)
		}
	}
}

// The vectors' reserved prefixes are those of an access entry.
func TestReservedPrefixVectors(t *testing.T) {
	var doc struct {
		Cases []struct {
			Username string
			Reserved []string
			Rejected bool
		} `json:"reserved_username_prefixes"`
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/mapping.json"), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, c := range doc.Cases {
		if err := eks.CheckUsername(c.Username); (err != nil) != c.Rejected {
			t.Errorf("%s: %v", c.Username, err)
		}
	}
}

func TestCheckGroups(t *testing.T) {
	many := slices.Repeat([]string{"g"}, 51)
	for _, groups := range [][]string{nil, {"deployers"}, {"oidc:admins", "a b"}, many[:50], {strings.Repeat("g", 253)}, {"x}}"}} {
		if err := eks.CheckGroups(groups); err != nil {
			t.Errorf("%.60q: %v", groups, err)
		}
	}
	for _, groups := range [][]string{many, {""}, {"system:masters"}, {"ok", "system:nodes"}, {"{{SessionName}}"}, {"g-{{AccountID}}"}, {"a{{"}, {"a\nb"}, {strings.Repeat("g", 254)}} {
		if err := eks.CheckGroups(groups); err == nil {
			t.Errorf("%.60q is taken", groups)
		}
	}
}

func TestCheckType(t *testing.T) {
	for _, kind := range []string{"", "STANDARD"} {
		if err := eks.CheckType(kind); err != nil {
			t.Errorf("%q: %v", kind, err)
		}
	}
	for _, kind := range []string{"FARGATE_LINUX", "EC2_LINUX", "EC2_WINDOWS", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"} {
		e, ok := errors.AsType[*eks.Error](eks.CheckType(kind))
		if !ok || e.Reason != eks.NotSupported || !strings.Contains(e.Detail, kind) {
			t.Errorf("%s: %v", kind, e)
		}
	}
	for _, kind := range []string{"standard", "STANDARD ", "OTHER"} {
		if e, ok := errors.AsType[*eks.Error](eks.CheckType(kind)); !ok || e.Reason != eks.InvalidValue {
			t.Errorf("%s: %v", kind, e)
		}
	}
}

func FuzzIdentify(f *testing.F) {
	for _, s := range []string{"deployer", "a:{{SessionName}}", "{{", "}}{{", "{{SessionName}}{{AccountID}}", "system:x"} {
		f.Add(s, "jane@example.com")
	}
	f.Fuzz(func(t *testing.T, template, session string) {
		p := principal()
		p.SessionName = session
		id, err := p.IdentifyMapping(eks.Mapping{Username: template})
		if err != nil {
			if id.Username != "" || id.UID != "" || id.Extra != nil {
				t.Errorf("a refusal and an identity: %+v", id)
			}
			return
		}
		if id.Username == "" || strings.HasPrefix(id.Username, "system:") && !strings.HasPrefix(template, "system:") {
			t.Errorf("%q with the session %q is %q", template, session, id.Username)
		}
		if !strings.Contains(template, "{{") && id.Username != template {
			t.Errorf("%q became %q", template, id.Username)
		}
		// What an entry or a mapping may hold never lets a session take a name
		// without a colon.
		if eks.CheckUsername(template) == nil && strings.Contains(template, "{{Session") && !strings.Contains(id.Username, ":") {
			t.Errorf("%q with the session %q is %q", template, session, id.Username)
		}
	})
}
