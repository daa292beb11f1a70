package iam_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
)

const account arn.AccountID = "111122223333"

// reason is the reason of an error, 0 for none; -1 for an error of another
// room.
func reason(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*iam.Error](err); ok {
		return int(e.Reason)
	}
	return -1
}

func trust(t testing.TB, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func permission(t testing.TB, text string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(policy.Permission, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

// private trusts a private issuer.
const private = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"},"Action":"sts:AssumeRoleWithWebIdentity"}}`

// padded is a trust policy of n characters that count, and some that do not.
func padded(t testing.TB, n int) *policy.Document {
	sid := `"Sid":"x",`
	text := strings.Replace(private, `{"Effect"`, `{`+sid+`"Effect"`, 1)
	text = strings.Replace(text, `"Sid":"x"`, `"Sid":"x`+strings.Repeat("x", n-len(text))+`"`, 1)
	return trust(t, " \n\t"+text+strings.Repeat(" ", 5000))
}

func TestCheckRole(t *testing.T) {
	good := iam.Role{Account: account, Path: "/ci/", Name: "deploy", MaxSession: 2 * time.Hour, Trust: trust(t, private)}
	with := func(change func(*iam.Role)) iam.Role {
		r := good
		change(&r)
		return r
	}
	tags := func(n int) (out []iam.Tag) {
		for i := range n {
			out = append(out, iam.Tag{Key: fmt.Sprint("k", i)})
		}
		return out
	}
	for _, tt := range []struct {
		name string
		role iam.Role
		want iam.Reason
	}{
		{"a role", good, 0},
		{"no path", with(func(r *iam.Role) { r.Path = "" }), 0},
		{"a name of every kind of character", with(func(r *iam.Role) { r.Name = "Az09_+=,.@-" }), 0},
		{"a name of 64", with(func(r *iam.Role) { r.Name = strings.Repeat("n", 64) }), 0},
		{"a name of 65", with(func(r *iam.Role) { r.Name = strings.Repeat("n", 65) }), iam.InvalidValue},
		{"no name", with(func(r *iam.Role) { r.Name = "" }), iam.InvalidValue},
		{"a name with a slash", with(func(r *iam.Role) { r.Name = "a/b" }), iam.InvalidValue},
		{"a name with a wildcard", with(func(r *iam.Role) { r.Name = "a*" }), iam.InvalidValue},
		{"a name with a colon", with(func(r *iam.Role) { r.Name = "a:b" }), iam.InvalidValue},
		{"a name with a line break", with(func(r *iam.Role) { r.Name = "a\n" }), iam.InvalidValue},
		{"a name of other letters", with(func(r *iam.Role) { r.Name = "größe" }), iam.InvalidValue},
		{"a path without its end", with(func(r *iam.Role) { r.Path = "/ci" }), iam.InvalidValue},
		{"a path without its beginning", with(func(r *iam.Role) { r.Path = "ci/" }), iam.InvalidValue},
		{"a path with a space", with(func(r *iam.Role) { r.Path = "/c i/" }), iam.InvalidValue},
		{"a path of 513", with(func(r *iam.Role) { r.Path = "/" + strings.Repeat("p", 511) + "/" }), iam.InvalidValue},
		{"the administrator's name", with(func(r *iam.Role) { r.Name = "mayfly-admin" }), iam.Unmodifiable},
		{"the administrator's name in capitals", with(func(r *iam.Role) { r.Name = "MAYFLY-Admin" }), iam.Unmodifiable},
		{"a name like the administrator's", with(func(r *iam.Role) { r.Name = "mayfly-admin2" }), 0},
		{"no maximum session", with(func(r *iam.Role) { r.MaxSession = 0 }), 0},
		{"sessions of an hour", with(func(r *iam.Role) { r.MaxSession = time.Hour }), 0},
		{"sessions of less", with(func(r *iam.Role) { r.MaxSession = time.Hour - time.Second }), iam.InvalidValue},
		{"sessions of twelve hours", with(func(r *iam.Role) { r.MaxSession = 12 * time.Hour }), 0},
		{"sessions of more", with(func(r *iam.Role) { r.MaxSession = 12*time.Hour + time.Second }), iam.InvalidValue},
		{"sessions of less than nothing", with(func(r *iam.Role) { r.MaxSession = -time.Hour }), iam.InvalidValue},
		{"50 tags", with(func(r *iam.Role) { r.Tags = tags(50) }), 0},
		{"51 tags", with(func(r *iam.Role) { r.Tags = tags(51) }), iam.LimitExceeded},
		{"a tag twice", with(func(r *iam.Role) { r.Tags = []iam.Tag{{Key: "a"}, {Key: "a"}} }), iam.InvalidInput},
		{"a tag twice but for case", with(func(r *iam.Role) { r.Tags = []iam.Tag{{Key: "Team"}, {Key: "tEAM"}} }), iam.InvalidInput},
		{"a tag of AWS's", with(func(r *iam.Role) { r.Tags = []iam.Tag{{Key: "AWS:x"}} }), iam.InvalidInput},
		{"a trust of 2048 characters", with(func(r *iam.Role) { r.Trust = padded(t, 2048) }), 0},
		{"a trust of 2049 characters", with(func(r *iam.Role) { r.Trust = padded(t, 2049) }), iam.LimitExceeded},
		{"no trust", with(func(r *iam.Role) { r.Trust = nil }), iam.Malformed},
		{"a permission policy for a trust", with(func(r *iam.Role) {
			r.Trust = permission(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*"}}`)
		}), iam.Malformed},
		{"a trust in everyone of gitlab.com", with(func(r *iam.Role) { r.Trust = trust(t, strings.ReplaceAll(private, "gitlab.example", "gitlab.com")) }), iam.Malformed},
		{"nothing", iam.Role{}, iam.InvalidValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := iam.CheckRole(tt.role, iam.DefaultQuotas)
			if reason(err) != int(tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			switch {
			case err != nil && (got.Name != "" || got.Trust != nil):
				t.Errorf("a refusal gives %+v", got)
			case err == nil && (got.Path == "" || got.MaxSession == 0):
				t.Errorf("it is not filled in: %+v", got)
			}
		})
	}
	if got, _ := iam.CheckRole(iam.Role{Name: "r", Trust: good.Trust}, iam.DefaultQuotas); got.Path != "/" || got.MaxSession != time.Hour {
		t.Errorf("the defaults are %q and %v", got.Path, got.MaxSession)
	}
}

// TestCheckShared asks of every shared issuer the key it must be confined by.
func TestCheckShared(t *testing.T) {
	keys := map[string]string{
		"gitlab.com": "gitlab.com:sub", "token.actions.githubusercontent.com": "token.actions.githubusercontent.com:sub",
		"vstoken.actions.githubusercontent.com":              "vstoken.actions.githubusercontent.com:sub",
		"oidc-configuration.audit-log.githubusercontent.com": "oidc-configuration.audit-log.githubusercontent.com:sub",
		"app.terraform.io": "app.terraform.io:sub", "agent.buildkite.com": "agent.buildkite.com:sub", "oidc.codefresh.io": "oidc.codefresh.io:sub",
		"studio.datachain.ai/api": "studio.datachain.ai/api:sub", "scalr.io": "scalr.io:sub", "tokens.cloud.shisho.dev": "tokens.cloud.shisho.dev:sub", "proidc.upbound.io": "proidc.upbound.io:sub",
		"api.pulumi.com/oidc": "api.pulumi.com/oidc:aud", "sandboxes.cloud": "sandboxes.cloud:aud", "oidc.vercel.com": "oidc.vercel.com:aud", "cognito-identity.amazonaws.com": "cognito-identity.amazonaws.com:aud",
		"rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7": "rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7:sub",
		"rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr": "rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr:sub",
		"rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg": "rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg:sub",
		"rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26": "rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26:sub",
		"oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb":         "oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb:sub",
		"oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu":         "oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu:sub",
		"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d":                "sts:RoleSessionName",
		"sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d/":               "sts:RoleSessionName",
	}
	if n := iam.SharedIssuers(); n != len(keys)-1 {
		t.Errorf("%d issuers are known, %d are asked for", n, len(keys)-1)
	}
	doc := func(url, condition string) *policy.Document {
		return trust(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/`+url+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{`+condition+`}}]}`)
	}
	for url, key := range keys {
		t.Run(url, func(t *testing.T) {
			if got := iam.SharedKey(arn.Provider{Account: account, URL: url}); got != key {
				t.Fatalf("the key is %q, want %q", got, key)
			}
			claim := key[strings.LastIndexByte(key, ':')+1:]
			other := map[string]string{"sub": "aud", "aud": "sub", "RoleSessionName": "sub"}[claim]
			for _, tt := range []struct {
				name, condition string
				want            iam.Reason
			}{
				{"exactly", `"StringEquals":{"` + key + `":"x"}`, 0},
				{"by a pattern", `"StringLike":{"` + key + `":"project_path:acme/*"}`, 0},
				{"in other case", `"StringEquals":{"` + strings.ToUpper(key) + `":"x"}`, 0},
				{"not at all", ``, iam.Malformed},
				{"another claim", `"StringEquals":{"` + url + `:` + other + `":"x"}`, iam.Malformed},
				{"by wildcards alone", `"StringLike":{"` + key + `":"*"}`, iam.Malformed},
				{"by wildcards among others", `"StringLike":{"` + key + `":["x","?*"]}`, iam.Malformed},
				{"by what it is not", `"StringNotEquals":{"` + key + `":"x"}`, iam.Malformed},
				{"if it is there", `"StringEqualsIfExists":{"` + key + `":"x"}`, iam.Malformed},
				{"for all values", `"ForAllValues:StringEquals":{"` + key + `":"x"}`, iam.Malformed},
				{"by its presence", `"Null":{"` + key + `":"false"}`, iam.Malformed},
				{"by a variable", `"StringEquals":{"` + key + `":"${aws:userid}"}`, iam.Malformed},
			} {
				if err := iam.CheckShared(doc(url, tt.condition)); reason(err) != int(tt.want) {
					t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
				}
			}
		})
	}
}

func TestCheckSharedLooksAtEveryStatement(t *testing.T) {
	const good = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.com:sub":"project_path:acme/*"}}}`
	const open = `{"Sid":"Open","Effect":"Allow","Principal":{"Federated":["arn:aws:iam::111122223333:oidc-provider/gitlab.example","arn:aws:iam::111122223333:oidc-provider/gitlab.com"]},"Action":"sts:AssumeRoleWithWebIdentity"}`
	const deny = `{"Effect":"Deny","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity"}`
	const self = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com.example"},"Action":"sts:AssumeRoleWithWebIdentity"}`
	const account = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`
	const foreign = `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::999988887777:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity"}`
	for _, tt := range []struct {
		name       string
		statements []string
		want       iam.Reason
	}{
		{"one that says whose", []string{good}, 0},
		{"a denial needs no condition", []string{good, deny}, 0},
		{"an issuer whose name begins the same", []string{self}, 0},
		{"an account", []string{account}, 0},
		{"an open one among good ones", []string{good, open, good}, iam.Malformed},
		{"an open one in a list of issuers", []string{open}, iam.Malformed},
		{"another account's provider", []string{foreign}, iam.Malformed},
	} {
		err := iam.CheckShared(trust(t, `{"Version":"2012-10-17","Statement":[`+strings.Join(tt.statements, ",")+`]}`))
		if reason(err) != int(tt.want) {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if tt.want != 0 && !strings.Contains(err.Error(), "gitlab.com:sub") {
			t.Errorf("%s: it does not say which key is missing: %v", tt.name, err)
		}
	}
	if err := iam.CheckShared(trust(t, `{"Version":"2012-10-17","Statement":[`+good+`,`+open+`]}`)); !strings.Contains(err.Error(), "Open") {
		t.Errorf("it does not name the statement: %v", err)
	}
}

func TestInline(t *testing.T) {
	big := func(n int) *policy.Document {
		head, tail := `{"Version":"2012-10-17","Statement":{"Sid":"`, `","Effect":"Allow","Action":"a:b","Resource":"*"}}`
		return permission(t, head+strings.Repeat("x", n-len(head)-len(tail))+tail+"\n ")
	}
	none := iam.Role{Name: "r"}
	one, err := none.WithInline("a", big(5120), iam.DefaultQuotas)
	if err != nil || len(one.Inline) != 1 || len(none.Inline) != 0 {
		t.Fatalf("%v, %d, %d", err, len(one.Inline), len(none.Inline))
	}
	two, err := one.WithInline("b", big(5120), iam.DefaultQuotas)
	if err != nil || len(two.Inline) != 2 || len(one.Inline) != 1 {
		t.Fatalf("exactly the quota: %v", err)
	}
	if _, err := one.WithInline("b", big(5121), iam.DefaultQuotas); reason(err) != int(iam.LimitExceeded) {
		t.Errorf("one over the quota: %v", err)
	}
	if again, err := two.WithInline("b", big(200), iam.DefaultQuotas); err != nil || len(again.Inline) != 2 {
		t.Errorf("a policy put in place of another: %v", err)
	}
	for name, want := range map[string]iam.Reason{"": iam.InvalidValue, "a/b": iam.InvalidValue, strings.Repeat("n", 129): iam.InvalidValue, strings.Repeat("n", 128): 0, "a b": iam.InvalidValue} {
		if _, err := none.WithInline(name, big(200), iam.DefaultQuotas); reason(err) != int(want) {
			t.Errorf("policy name %q: %v", name, err)
		}
	}
	less, err := two.WithoutInline("a")
	if err != nil || len(less.Inline) != 1 || len(two.Inline) != 2 || less.Inline["b"] == nil {
		t.Errorf("without one: %v, %d left of %d", err, len(less.Inline), len(two.Inline))
	}
	for _, name := range []string{"a", "B", ""} {
		if _, err := less.WithoutInline(name); reason(err) != int(iam.NoSuchEntity) {
			t.Errorf("without %q: %v", name, err)
		}
	}
}

func TestCheckProvider(t *testing.T) {
	for url, want := range map[string]iam.Reason{
		"https://gitlab.com": 0, "https://gitlab.example:8443/a/b": 0, "https://gitlab.example/": 0,
		"": iam.InvalidValue, "http://gitlab.com": iam.InvalidValue, "gitlab.com": iam.InvalidValue, "https://": iam.InvalidValue, "https://gitlab.com?x": iam.InvalidValue,
		"https://aws": iam.InvalidValue, "https://STS": iam.InvalidValue, "https://mayfly/x": iam.InvalidValue, "https://a/../b": iam.InvalidValue, "https://a/*": iam.InvalidValue,
		"https://" + strings.Repeat("a.", 124): iam.InvalidValue,
	} {
		err := iam.CheckProviderURL(url)
		if reason(err) != int(want) {
			t.Errorf("%q: got %v", url, err)
		}
		if err != nil && strings.Count(err.Error(), "Invalid Open ID Connect Provider URL") != 1 {
			t.Errorf("%q: it does not say it in AWS's words, once: %v", url, err)
		}
	}
	ids := make([]string, 101)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	if _, err := iam.CheckClientIDs(ids); reason(err) != int(iam.LimitExceeded) {
		t.Errorf("101 client ids: %v", err)
	}
	if got, err := iam.CheckClientIDs(append(ids[:100:100], ids[:100]...)); err != nil || len(got) != 100 {
		t.Errorf("100 client ids, each twice: %d, %v", len(got), err)
	}
	if got, err := iam.CheckClientIDs([]string{"b", "a", "b", "A"}); err != nil || strings.Join(got, " ") != "b a A" {
		t.Errorf("got %v, %v", got, err)
	}
	for n, want := range map[int]iam.Reason{0: 0, 5: 0, 6: iam.InvalidInput} {
		if err := iam.CheckThumbprints(make([]string, n)); reason(err) != int(want) {
			t.Errorf("%d thumbprints: %v", n, err)
		}
	}
}

// TestAdministrator: nobody can assume the administrator's role, whoever they
// are; it may do everything.
func TestAdministrator(t *testing.T) {
	admin := iam.AdminRole(account, time.Unix(0, 0))
	if !admin.BuiltIn || admin.ARN().String() != "arn:aws:iam::111122223333:role/mayfly-admin" {
		t.Errorf("it is %+v", admin)
	}
	itself := policy.SessionPrincipal(admin.ARN(), admin.ID, arn.Session{Account: account, Role: admin.Name, Name: "uid-0"})
	for name, who := range map[string]policy.Principal{
		"a job": policy.FederatedPrincipal(arn.Provider{Account: account, URL: "gitlab.com"}), "itself": itself, "its account": policy.RootPrincipal(account), "a stranger": policy.AnonymousPrincipal(), "nobody": {},
	} {
		for _, action := range []string{"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession"} {
			d := policy.Evaluate(policy.Request{Principal: who, Action: action, Resource: admin.ARN().String()},
				policy.Set{Resource: []*policy.Document{admin.Trust}, ResourceAccount: account, Identity: slices.Collect(maps.Values(admin.Inline))})
			if d.Allowed() {
				t.Errorf("%s may %s", name, action)
			}
		}
	}
	for _, action := range []string{"iam:CreateRole", "eks:DeleteAccessEntry", "mayfly:ReadAudit"} {
		d := policy.Evaluate(policy.Request{Principal: itself, Action: action, Resource: "*"}, policy.Set{ResourceAccount: account, Identity: slices.Collect(maps.Values(admin.Inline))})
		if !d.Allowed() {
			t.Errorf("it may not %s", action)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for i := range 200 {
		id, err := iam.NewID("AROA", bytes.NewReader([]byte{byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}))
		if err != nil || len(id) != 21 || !strings.HasPrefix(id, "AROA") || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || seen[id] {
			t.Fatalf("%q, %v", id, err)
		}
		seen[id] = true
	}
	if id, err := iam.NewID("AROA", bytes.NewReader(make([]byte, 10))); !errors.Is(err, io.ErrUnexpectedEOF) || id != "" {
		t.Errorf("without enough entropy: %q, %v", id, err)
	}
	zero, _ := iam.NewID("AROA", bytes.NewReader(make([]byte, 11)))
	last, _ := iam.NewID("AROA", bytes.NewReader(append(make([]byte, 10), 255)))
	if zero == last {
		t.Error("the last byte drawn is not in the id")
	}
}

// TestTagKeys: what policies take for two keys are two, and no tag goes with
// another: a policy that keeps a key from being set keeps it from being removed.
func TestTagKeys(t *testing.T) {
	have := []iam.Tag{{Key: "sensitive", Value: "yes"}, {Key: "Kind", Value: "x"}}
	for _, other := range []string{"\u017fensitive", "\u212aind", "sensitive ", "sens\u0131tive"} {
		got, err := iam.WithTags(have, []iam.Tag{{Key: other, Value: "no"}})
		if err != nil || len(got) != 3 || got[0] != have[0] || got[1] != have[1] {
			t.Errorf("%q made %v, %v", other, got, err)
		}
		if got := iam.WithoutTags(have, []string{other}); len(got) != 2 {
			t.Errorf("%q removed one: %v", other, got)
		}
	}
	if got, err := iam.WithTags(have, []iam.Tag{{Key: "SENSITIVE", Value: "no"}}); err != nil || len(got) != 2 || got[1] != (iam.Tag{Key: "SENSITIVE", Value: "no"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := iam.InvalidValue; r <= iam.NotHere; r++ {
		if name := r.String(); name == "" || seen[name] {
			t.Errorf("reason %d is called %q", r, name)
		} else {
			seen[name] = true
		}
	}
	if iam.Reason(0).String() != "" || (iam.NotHere+1).String() != "" {
		t.Error("what is no reason has a name")
	}
}
