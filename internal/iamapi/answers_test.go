package iamapi_test

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/vectortest"
)

// TestRecordedAnswers holds our answers against those recorded from IAM: what
// they say of a role, member by member.
func TestRecordedAnswers(t *testing.T) {
	data := vectortest.Read(t, "aws-answers/tests/aws/services/iam/test_iam.snapshot.json")
	var recorded map[string]struct {
		Content map[string]json.RawMessage `json:"recorded-content"`
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	const doc = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	const prefix = "tests/aws/services/iam/test_iam.py::"
	w := newWorld(t)
	w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}]}`)
	for _, tt := range []struct {
		test, answer string
		action       string
		params       []string
	}{
		{"TestIAMIntegrations::test_create_describe_role", "create_role_result", "CreateRole", []string{"RoleName", "a", "Path", "/p/", "AssumeRolePolicyDocument", doc}},
		{"TestIAMIntegrations::test_create_describe_role", "get_role_result", "GetRole", []string{"RoleName", "a"}},
		{"TestIAMIntegrations::test_create_describe_role", "list_roles_result", "ListRoles", []string{"PathPrefix", "/p/"}},
		{"TestIAMIntegrations::test_update_assume_role_policy", "created_role", "CreateRole", []string{"RoleName", "b", "AssumeRolePolicyDocument", doc}},
		{"TestIAMIntegrations::test_update_assume_role_policy", "updated_policy", "UpdateAssumeRolePolicy", []string{"RoleName", "b", "PolicyDocument", doc}},
		{"TestIAMExtensions::test_role_with_path_lifecycle", "create-role-response", "CreateRole", []string{"RoleName", "c", "Path", "/this/is/", "AssumeRolePolicyDocument", doc}},
		{"TestIAMExtensions::test_role_with_path_lifecycle", "get-role-response", "GetRole", []string{"RoleName", "c"}},
		{"TestIAMExtensions::test_role_with_path_lifecycle", "delete-role-response", "DeleteRole", []string{"RoleName", "c"}},
		{"TestRoles::test_role_with_tags", "create-role-response", "CreateRole", []string{"RoleName", "d", "Path", "/role-with-tags/", "AssumeRolePolicyDocument", doc, "Tags.member.1.Key", "test", "Tags.member.1.Value", "value"}},
		{"TestRoles::test_role_with_tags", "get-role-response", "GetRole", []string{"RoleName", "d"}},
		{"TestRoles::test_role_with_tags", "list-role-response", "ListRoles", []string{"PathPrefix", "/role-with-tags/"}},
		{"TestIAMIntegrations::test_list_roles_with_permission_boundary", "created_role", "CreateRole", []string{"RoleName", "bounded", "Path", "/bounded/", "AssumeRolePolicyDocument", doc, "PermissionsBoundary", policyA}},
		{"TestIAMIntegrations::test_list_roles_with_permission_boundary", "list_roles_result", "ListRoles", []string{"PathPrefix", "/bounded/"}},
		{"TestIAMIntegrations::test_role_attach_policy", "create_policy_response", "CreatePolicy", []string{"PolicyName", "b", "PolicyDocument", readOnly}},
		{"TestIAMIntegrations::test_role_attach_policy", "non_existent_malformed_policy_arn", "AttachRolePolicy", []string{"RoleName", "b", "PolicyArn", "longpolicynamebutnoarn"}},
		{"TestIAMIntegrations::test_role_attach_policy", "valid_arn_not_existent", "AttachRolePolicy", []string{"RoleName", "b", "PolicyArn", "arn:aws:iam::111122223333:policy/none"}},
		{"TestIAMIntegrations::test_role_attach_policy", "valid_policy_arn", "AttachRolePolicy", []string{"RoleName", "b", "PolicyArn", policyA}},
		{"TestIAMIntegrations::test_delete_non_existent_policy_returns_no_such_entity", "delete-non-existent-policy-exc", "DeletePolicy", []string{"PolicyArn", "arn:aws:iam::111122223333:policy/none"}},
		{"TestIAMIntegrations::test_simulate_principle_policy[role]", "response", "SimulatePrincipalPolicy", []string{"PolicySourceArn", "arn:aws:iam::111122223333:role/b", "ActionNames.member.1", "s3:PutObject", "ActionNames.member.2", "s3:GetObjectVersion", "ResourceArns.member.1", "arn:aws:s3:::bucket"}},
		{"TestIAMExtensions::test_create_role_with_malformed_assume_role_policy_document", "invalid-json", "CreateRole", []string{"RoleName", "e", "AssumeRolePolicyDocument", "{"}},
	} {
		t.Run(tt.test+" "+tt.answer, func(t *testing.T) {
			var theirs map[string]any
			if err := json.Unmarshal(recorded[prefix+tt.test].Content[tt.answer], &theirs); err != nil {
				t.Fatal(err)
			}
			want := theirs["ResponseMetadata"].(map[string]any)["HTTPStatusCode"].(float64)
			delete(theirs, "ResponseMetadata")
			if results, ok := theirs["EvaluationResults"].([]any); ok { // there are no organizations here
				for _, r := range results {
					delete(r.(map[string]any), "OrganizationsDecisionDetail")
				}
			}
			status, body := w.do(tt.action, tt.params...)
			if status != int(want) {
				t.Fatalf("%d %s, want %v", status, body, want)
			}
			ours := element(t, body)
			if inner, ok := ours[tt.action+"Result"].(map[string]any); ok {
				ours = inner
			}
			delete(ours, "ResponseMetadata")
			delete(ours, "RequestId")
			same(t, "", theirs, ours)
		})
	}
}

// same compares two answers: the same members, and the same values where the
// recording has not replaced them.
func same(t *testing.T, path string, theirs, ours any) {
	t.Helper()
	switch want := theirs.(type) {
	case map[string]any:
		if text, ok := ours.(string); ok && strings.HasPrefix(text, "%7B") { // a document
			plain, err := url.PathUnescape(text)
			var got any
			if err == nil {
				err = json.Unmarshal([]byte(plain), &got)
			}
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
		got, ok := ours.(map[string]any)
		if !ok && !(len(want) == 0 && ours == "") {
			t.Errorf("%s: ours is %v", path, ours)
			return
		}
		if a, b := slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)); !slices.Equal(a, b) {
			t.Errorf("%s: theirs has %v, ours %v", path, a, b)
			return
		}
		for k := range want {
			same(t, path+"/"+k, want[k], got[k])
		}
	case []any:
		if len(want) == 0 && ours == "" {
			return
		}
		list, _ := ours.(map[string]any)
		got, ok := list["member"].([]any)
		if !ok || len(got) != len(want) {
			t.Errorf("%s: ours is %v", path, ours)
			return
		}
		for i := range want {
			same(t, path, want[i], got[i])
		}
	case string:
		if got, ok := ours.(string); !ok || !strings.Contains(want, "<") && !strings.HasPrefix(got, want) {
			t.Errorf("%s: theirs is %q, ours %v", path, want, ours)
		}
	}
}

// element is an XML document as maps, lists of member and texts.
func element(t *testing.T, body string) map[string]any {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(body))
	var read func() any
	read = func() any {
		out, text := map[string]any{}, ""
		for {
			token, err := d.Token()
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				v := read()
				if token.Name.Local == "member" {
					list, _ := out["member"].([]any)
					out["member"] = append(list, v)
				} else {
					out[token.Name.Local] = v
				}
			case xml.CharData:
				text += string(token)
			default:
				if len(out) == 0 {
					return text
				}
				return out
			}
		}
	}
	root := read().(map[string]any)
	for _, inside := range root {
		if m, ok := inside.(map[string]any); ok {
			return m
		}
	}
	return root
}
