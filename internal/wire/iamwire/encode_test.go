package iamwire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// sent is a form as the server reads it.
func sent(t *testing.T, f *awsquery.Form) *awsquery.Request {
	t.Helper()
	r, err := awsquery.Decode(string(f.Body()), nil)
	if err != nil || r.Version != iamwire.Version {
		t.Fatalf("%s: %v", f.Body(), err)
	}
	return r
}

// TestEncode: what the client says is what the server reads.
func TestEncode(t *testing.T) {
	full := iamwire.CreateRole{Path: "/a/", Name: "r", Trust: "{\"a\":\n\"b c+d\"}", Description: "d e", Boundary: policyARN, MaxSessionSeconds: 3600, Tags: []iamwire.Tag{{Key: "k", Value: ""}, {Key: "l", Value: "v"}}}
	for _, want := range []iamwire.CreateRole{full, {Name: "r", Trust: "{}"}} {
		if got, err := iamwire.DecodeCreateRole(sent(t, iamwire.EncodeCreateRole(want))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, want := range []iamwire.CreateProvider{{URL: "https://gitlab.com", ClientIDs: []string{"a", "b"}, Thumbprints: []string{strings.Repeat("a", 40)}, Tags: []iamwire.Tag{{Key: "k", Value: "v"}}}, {URL: "u"}} {
		if got, err := iamwire.DecodeCreateProvider(sent(t, iamwire.EncodeCreateProvider(want))); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, tt := range []struct {
		form         *awsquery.Form
		action, want string
	}{
		{iamwire.EncodeGetRole("r"), "GetRole", "r"},
		{iamwire.EncodeUpdateTrust("r", "{}"), "UpdateAssumeRolePolicy", "r {}"},
		{iamwire.EncodePutRolePolicy("r", "p", "{ }"), "PutRolePolicy", "r p { }"},
		{iamwire.EncodeGetRolePolicy("r", "p"), "GetRolePolicy", "r p"},
		{iamwire.EncodeListRoles("/a/", iamwire.Page{Marker: "m", MaxItems: 5}), "ListRoles", `"/a/" {Marker:m MaxItems:5}`},
		{iamwire.EncodeListRoles("", iamwire.Page{}), "ListRoles", `"" {Marker: MaxItems:0}`},
		{iamwire.EncodeGetProvider(arn), "GetOpenIDConnectProvider", arn},
		{iamwire.EncodeAddClientID(arn, "https://x"), "AddClientIDToOpenIDConnectProvider", arn + " https://x"},
	} {
		r := sent(t, tt.form)
		if got, err := decoders[tt.action](r); err != nil || got != tt.want || r.Action != tt.action || tt.form.Action() != tt.action {
			t.Errorf("%s: %s, %s, %v", tt.action, r.Action, got, err)
		}
	}
	if r := sent(t, iamwire.EncodeListProviders()); r.Action != "ListOpenIDConnectProviders" || r.Check() != nil {
		t.Errorf("%s, %v", r.Action, r.Check())
	}
}

func answer(action string, result any) []byte {
	return awsquery.Answer(iamwire.Namespace, action, result, "r-1")
}

const trust = `{"a": "b+c~d*(e)%20 ä"}`

var wireRole = iamwire.Role{Path: "/", Name: "r", ID: "AROA1", ARN: "arn:aws:iam::111122223333:role/r", Trust: iamwire.Document([]byte(trust)), MaxSession: 3600}

// TestParse: what the server answers is what the client reads, policies as text.
func TestParse(t *testing.T) {
	want := wireRole
	want.Trust = trust
	for _, action := range []string{"GetRole", "CreateRole"} {
		if got, err := iamwire.ParseRole(action, answer(action, iamwire.RoleResult{Role: wireRole})); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for _, last := range []bool{false, true} {
		roles, marker, err := iamwire.ParseListRoles(answer("ListRoles", iamwire.ListRolesResult{Roles: awsquery.List([]iamwire.Role{wireRole}), IsTruncated: !last, Marker: "m"}))
		if err != nil || !reflect.DeepEqual(roles, []iamwire.Role{want}) || (marker == "") != last {
			t.Errorf("%+v, %q, %v", roles, marker, err)
		}
	}
	if got, err := iamwire.ParseRolePolicy(answer("GetRolePolicy", iamwire.RolePolicyResult{Role: "r", Name: "p", Document: iamwire.Document([]byte(trust))})); err != nil || got != trust {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := iamwire.ParseListProviders(answer("ListOpenIDConnectProviders", iamwire.ListProvidersResult{Providers: awsquery.List([]iamwire.ProviderARN{{ARN: arn}})})); err != nil || len(got) != 1 || got[0] != arn {
		t.Errorf("%s, %v", got, err)
	}
	for shown, want := range map[string]string{"gitlab.com": "https://gitlab.com", "https://gitlab.example:8443": "https://gitlab.example:8443"} {
		url, ids, err := iamwire.ParseGetProvider(answer("GetOpenIDConnectProvider", iamwire.GetProviderResult{URL: shown, ClientIDs: awsquery.List([]string{"a", "b"})}))
		if err != nil || url != want || strings.Join(ids, " ") != "a b" {
			t.Errorf("%s, %s, %v", url, ids, err)
		}
	}
	if got, err := iamwire.ParseCreateProvider(answer("CreateOpenIDConnectProvider", iamwire.CreateProviderResult{ARN: arn})); err != nil || got != arn {
		t.Errorf("%s, %v", got, err)
	}
	if err := iamwire.ParseNothing("PutRolePolicy", answer("PutRolePolicy", nil)); err != nil {
		t.Error(err)
	}
}

// parsers are all of them, each giving its error and whether it gave anything.
var parsers = map[string]func([]byte) (any, error){
	"GetRole":                     func(b []byte) (any, error) { return iamwire.ParseRole("GetRole", b) },
	"GetRolePolicy":               func(b []byte) (any, error) { return iamwire.ParseRolePolicy(b) },
	"CreateOpenIDConnectProvider": func(b []byte) (any, error) { return iamwire.ParseCreateProvider(b) },
	"ListOpenIDConnectProviders":  func(b []byte) (any, error) { return iamwire.ParseListProviders(b) },
	"ListRoles": func(b []byte) (any, error) {
		roles, marker, err := iamwire.ParseListRoles(b)
		return struct {
			roles  []iamwire.Role
			marker string
		}{roles, marker}, err
	},
	"GetOpenIDConnectProvider": func(b []byte) (any, error) {
		url, ids, err := iamwire.ParseGetProvider(b)
		return struct {
			url string
			ids []string
		}{url, ids}, err
	},
	"PutRolePolicy": func(b []byte) (any, error) { return "", iamwire.ParseNothing("PutRolePolicy", b) },
}

func TestParseRefuses(t *testing.T) {
	bad, nameless := wireRole, wireRole
	bad.Trust, nameless.Name = "%7", ""
	for _, tt := range []struct {
		action string
		result any
		want   string
	}{
		{"GetRole", nil, "a role has no name or no ARN"},
		{"GetRole", iamwire.RoleResult{Role: nameless}, "a role has no name or no ARN"},
		{"GetRole", iamwire.RoleResult{Role: bad}, "a policy document is not percent-encoded"},
		{"ListRoles", iamwire.ListRolesResult{Roles: awsquery.List([]iamwire.Role{wireRole, bad})}, "a policy document is not percent-encoded"},
		{"ListRoles", iamwire.ListRolesResult{Roles: awsquery.List([]iamwire.Role{nameless})}, "a role has no name or no ARN"},
		{"ListRoles", iamwire.ListRolesResult{IsTruncated: true}, "more roles follow, and nothing says where"},
		{"GetRolePolicy", iamwire.RolePolicyResult{Role: "r", Name: "p"}, "the policy has no document"},
		{"GetRolePolicy", iamwire.RolePolicyResult{Document: "%"}, "a policy document is not percent-encoded"},
		{"GetOpenIDConnectProvider", iamwire.GetProviderResult{}, "the provider has no URL"},
		{"CreateOpenIDConnectProvider", iamwire.CreateProviderResult{}, "the provider has no ARN"},
	} {
		refused(t, tt.action, answer(tt.action, tt.result), tt.want)
	}
	for action := range parsers {
		refused(t, action, answer("Other", nil), action+"Response is wanted, not OtherResponse")
		refused(t, action, []byte("no"), "it is not XML")
	}
}

func refused(t *testing.T, action string, body []byte, want string) {
	t.Helper()
	got, err := parsers[action](body)
	if e, ok := errors.AsType[*awsquery.AnswerError](err); !ok || !strings.HasPrefix(e.Detail, want) {
		t.Errorf("%s %s: %v, want %s", action, body, err, want)
	}
	if !reflect.ValueOf(got).IsZero() {
		t.Errorf("%s %s: a refusal gives %+v", action, body, got)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add("GetRole", answer("GetRole", iamwire.RoleResult{Role: wireRole}))
	f.Add("ListRoles", answer("ListRoles", iamwire.ListRolesResult{Roles: awsquery.List([]iamwire.Role{wireRole}), IsTruncated: true, Marker: "m"}))
	f.Add("GetOpenIDConnectProvider", answer("GetOpenIDConnectProvider", iamwire.GetProviderResult{URL: "gitlab.com", ClientIDs: awsquery.List([]string{"a"})}))
	f.Add("ListOpenIDConnectProviders", answer("ListOpenIDConnectProviders", iamwire.ListProvidersResult{Providers: awsquery.List([]iamwire.ProviderARN{{ARN: arn}})}))
	f.Fuzz(func(t *testing.T, action string, body []byte) {
		parse := parsers[action]
		if parse == nil {
			return
		}
		got, err := parse(body)
		if err == nil {
			return
		}
		if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok {
			t.Fatal(err)
		}
		if !reflect.ValueOf(got).IsZero() {
			t.Fatalf("a refusal gives %+v", got)
		}
	})
}
