package iamwire_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

// The decoders, by operation, each giving what it read as text.
var decoders = map[string]func(*awsquery.Request) (string, error){
	"CreateOpenIDConnectProvider": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeCreateProvider(r)
		return fmt.Sprintf("%q", in), err
	},
	"GetOpenIDConnectProvider": func(r *awsquery.Request) (string, error) { return iamwire.DecodeProviderARN(r) },
	"AddClientIDToOpenIDConnectProvider": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodeClientID(r)
		return a + " " + b, err
	},
	"UpdateOpenIDConnectProviderThumbprint": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodeThumbprints(r)
		return fmt.Sprint(a, b), err
	},
	"CreateRole": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeCreateRole(r)
		return fmt.Sprintf("%+v", in), err
	},
	"GetRole": func(r *awsquery.Request) (string, error) { return iamwire.DecodeRoleName(r) },
	"UpdateRole": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeUpdateRole(r)
		description := "none"
		if in.Description != nil {
			description = fmt.Sprintf("%q", *in.Description)
		}
		return fmt.Sprint(in.Name, " ", description, " ", in.MaxSessionSeconds), err
	},
	"UpdateAssumeRolePolicy": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodeUpdateTrust(r)
		return a + " " + b, err
	},
	"PutRolePolicy": func(r *awsquery.Request) (string, error) {
		a, b, c, err := iamwire.DecodePutRolePolicy(r)
		return a + " " + b + " " + c, err
	},
	"GetRolePolicy": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodeRolePolicyName(r)
		return a + " " + b, err
	},
	"ListRoles": func(r *awsquery.Request) (string, error) {
		a, p, err := iamwire.DecodeListRoles(r)
		return fmt.Sprintf("%q %+v", a, p), err
	},
	"CreatePolicy": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeCreatePolicy(r)
		return fmt.Sprintf("%+v", in), err
	},
	"GetPolicy": func(r *awsquery.Request) (string, error) { return iamwire.DecodePolicyARN(r) },
	"GetPolicyVersion": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodePolicyVersion(r)
		return a + " " + b, err
	},
	"CreatePolicyVersion": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeCreatePolicyVersion(r)
		return fmt.Sprintf("%+v", in), err
	},
	"ListPolicyVersions": func(r *awsquery.Request) (string, error) {
		a, s, err := iamwire.DecodePolicySection(r)
		return fmt.Sprintf("%s %+v", a, s), err
	},
	"TagPolicy": func(r *awsquery.Request) (string, error) {
		a, l, err := iamwire.DecodeTagPolicy(r)
		return fmt.Sprint(a, l), err
	},
	"UntagPolicy": func(r *awsquery.Request) (string, error) {
		a, l, err := iamwire.DecodeUntagPolicy(r)
		return fmt.Sprint(a, l), err
	},
	"ListPolicies": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeListPolicies(r)
		return fmt.Sprintf("%+v", in), err
	},
	"ListEntitiesForPolicy": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeListEntities(r)
		return fmt.Sprintf("%+v", in), err
	},
	"AttachRolePolicy": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodeAttach(r)
		return a + " " + b, err
	},
	"ListAttachedRolePolicies": func(r *awsquery.Request) (string, error) {
		a, b, p, err := iamwire.DecodeListAttached(r)
		return fmt.Sprintf("%s %q %+v", a, b, p), err
	},
	"PutRolePermissionsBoundary": func(r *awsquery.Request) (string, error) {
		a, b, err := iamwire.DecodePutBoundary(r)
		return a + " " + b, err
	},
	"ListRoleTags": func(r *awsquery.Request) (string, error) {
		a, s, err := iamwire.DecodeRoleTags(r)
		return fmt.Sprintf("%s %+v", a, s), err
	},
	"ListOpenIDConnectProviderTags": func(r *awsquery.Request) (string, error) {
		a, s, err := iamwire.DecodeProviderTags(r)
		return fmt.Sprintf("%s %+v", a, s), err
	},
	"GetAccountAuthorizationDetails": func(r *awsquery.Request) (string, error) {
		f, p, err := iamwire.DecodeAccountDetails(r)
		return fmt.Sprintf("%v %+v", f, p), err
	},
	"CreateAccountAlias": func(r *awsquery.Request) (string, error) { return iamwire.DecodeAlias(r) },
	"ListAccountAliases": func(r *awsquery.Request) (string, error) {
		p, err := iamwire.DecodeListAliases(r)
		return fmt.Sprintf("%+v", p), err
	},
	"SimulateCustomPolicy": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeSimulateCustom(r)
		return fmt.Sprintf("%+v", in), err
	},
	"SimulatePrincipalPolicy": func(r *awsquery.Request) (string, error) {
		in, err := iamwire.DecodeSimulatePrincipal(r)
		return fmt.Sprintf("%+v", in), err
	},
	"ListRolePolicies": func(r *awsquery.Request) (string, error) {
		a, p, err := iamwire.DecodeRolePage(r)
		return fmt.Sprintf("%q %+v", a, p), err
	},
}

// form is a form of parameters, name and value in turn.
func form(t testing.TB, action string, params ...string) *awsquery.Request {
	t.Helper()
	text := "Action=" + action + "&Version=" + iamwire.Version
	for i := 0; i < len(params); i += 2 {
		text += "&" + params[i] + "=" + url.QueryEscape(params[i+1])
	}
	r, err := awsquery.Decode(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	arn       = "arn:aws:iam::111122223333:oidc-provider/gitlab.com"
	policyARN = "arn:aws:iam::111122223333:policy/p"
)

func TestDecode(t *testing.T) {
	print40 := strings.Repeat("aB", 20)
	for _, tt := range []struct {
		action string
		params []string
		want   string
	}{
		{"CreateOpenIDConnectProvider", []string{"Url", "https://gitlab.com", "ClientIDList.member.1", "a b", "ClientIDList.member.2", "c", "ThumbprintList.member.1", print40, "Tags.member.1.Key", "k", "Tags.member.1.Value", ""},
			`{"https://gitlab.com" ["a b" "c"] ["` + print40 + `"] [{"k" ""}]}`},
		{"CreateOpenIDConnectProvider", []string{"Url", "x"}, `{"x" [] [] []}`},
		{"CreateOpenIDConnectProvider", []string{"Url", "x", "ClientIDList", "", "ThumbprintList", "", "Tags", ""}, `{"x" [] [] []}`},
		{"GetOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", arn}, arn},
		{"AddClientIDToOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", arn, "ClientID", "x"}, arn + " x"},
		{"UpdateOpenIDConnectProviderThumbprint", []string{"OpenIDConnectProviderArn", arn, "ThumbprintList.member.1", print40}, arn + "[" + print40 + "]"},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", "{}\n"}, "{Path: Name:r Trust:{}\n Description: Boundary: MaxSessionSeconds:0 Tags:[]}"},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", "ÿ", "Path", "/a!b/", "Description", "¡ÿ\t", "MaxSessionDuration", "3600", "Tags.member.1.Key", "größe/α", "Tags.member.1.Value", "ß"},
			"{Path:/a!b/ Name:r Trust:ÿ Description:¡ÿ\t Boundary: MaxSessionSeconds:3600 Tags:[{Key:größe/α Value:ß}]}"},
		{"GetRole", []string{"RoleName", strings.Repeat("r", 64)}, strings.Repeat("r", 64)},
		{"UpdateRole", []string{"RoleName", "r"}, "r none 0"},
		{"UpdateRole", []string{"RoleName", "r", "Description", ""}, `r "" 0`},
		{"UpdateRole", []string{"RoleName", "r", "Description", "d", "MaxSessionDuration", "43200"}, `r "d" 43200`},
		{"UpdateAssumeRolePolicy", []string{"RoleName", "r", "PolicyDocument", "{}"}, "r {}"},
		{"PutRolePolicy", []string{"RoleName", "r", "PolicyName", "p", "PolicyDocument", "{}"}, "r p {}"},
		{"GetRolePolicy", []string{"RoleName", "r", "PolicyName", strings.Repeat("p", 128)}, "r " + strings.Repeat("p", 128)},
		{"ListRoles", nil, `"" {Marker: MaxItems:0}`},
		{"ListRoles", []string{"PathPrefix", "/a", "Marker", "m", "MaxItems", "1000"}, `"/a" {Marker:m MaxItems:1000}`},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", "{}", "PermissionsBoundary", policyARN}, "{Path: Name:r Trust:{} Description: Boundary:" + policyARN + " MaxSessionSeconds:0 Tags:[]}"},
		{"CreatePolicy", []string{"PolicyName", "p", "PolicyDocument", "{}"}, "{Path: Name:p Description: Document:{} Tags:[]}"},
		{"CreatePolicy", []string{"PolicyName", "p", "PolicyDocument", "{}", "Path", "/a.b/c=d/", "Description", "größe α", "Tags.member.1.Key", "k", "Tags.member.1.Value", ""}, "{Path:/a.b/c=d/ Name:p Description:größe α Document:{} Tags:[{Key:k Value:}]}"},
		{"GetPolicy", []string{"PolicyArn", policyARN}, policyARN},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "v10"}, policyARN + " v10"},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "v1.a-B"}, policyARN + " v1.a-B"},
		{"CreatePolicyVersion", []string{"PolicyArn", policyARN, "PolicyDocument", "{}", "SetAsDefault", "true"}, "{ARN:" + policyARN + " Document:{} Default:true}"},
		{"CreatePolicyVersion", []string{"PolicyArn", policyARN, "PolicyDocument", "{}", "SetAsDefault", "false"}, "{ARN:" + policyARN + " Document:{} Default:false}"},
		{"ListPolicyVersions", []string{"PolicyArn", policyARN}, policyARN + " {Skip:0 MaxItems:0}"},
		{"ListPolicyVersions", []string{"PolicyArn", policyARN, "Marker", "2", "MaxItems", "1"}, policyARN + " {Skip:2 MaxItems:1}"},
		{"TagPolicy", []string{"PolicyArn", policyARN, "Tags.member.1.Key", "k", "Tags.member.1.Value", "v"}, policyARN + "[{k v}]"},
		{"UntagPolicy", []string{"PolicyArn", policyARN, "TagKeys.member.1", "k"}, policyARN + "[k]"},
		{"ListPolicies", nil, "{Scope: Prefix: Usage: OnlyAttached:false Page:{Marker: MaxItems:0}}"},
		{"ListPolicies", []string{"Scope", "Local", "PathPrefix", "/a/", "PolicyUsageFilter", "PermissionsBoundary", "OnlyAttached", "true", "Marker", "m", "MaxItems", "7"}, "{Scope:Local Prefix:/a/ Usage:PermissionsBoundary OnlyAttached:true Page:{Marker:m MaxItems:7}}"},
		{"ListEntitiesForPolicy", []string{"PolicyArn", policyARN, "EntityFilter", "Role", "PathPrefix", "/a!b/", "PolicyUsageFilter", "PermissionsPolicy"}, "{ARN:" + policyARN + " Entity:Role Prefix:/a!b/ Usage:PermissionsPolicy Page:{Marker: MaxItems:0}}"},
		{"AttachRolePolicy", []string{"RoleName", "r", "PolicyArn", policyARN}, "r " + policyARN},
		{"ListAttachedRolePolicies", []string{"RoleName", "r", "PathPrefix", "/a/", "Marker", "m"}, `r "/a/" {Marker:m MaxItems:0}`},
		{"PutRolePermissionsBoundary", []string{"RoleName", "r", "PermissionsBoundary", policyARN}, "r " + policyARN},
		{"ListRoleTags", []string{"RoleName", "r", "Marker", "50", "MaxItems", "1"}, "r {Skip:50 MaxItems:1}"},
		{"ListOpenIDConnectProviderTags", []string{"OpenIDConnectProviderArn", arn, "Marker", "1"}, arn + " {Skip:1 MaxItems:0}"},
		{"GetAccountAuthorizationDetails", nil, "[] {Marker: MaxItems:0}"},
		{"GetAccountAuthorizationDetails", []string{"Filter.member.1", "Role", "Filter.member.2", "LocalManagedPolicy", "Marker", "role/r"}, "[Role LocalManagedPolicy] {Marker:role/r MaxItems:0}"},
		{"CreateAccountAlias", []string{"AccountAlias", "acme-1"}, "acme-1"},
		{"ListAccountAliases", []string{"MaxItems", "1"}, "{Marker: MaxItems:1}"},
		{"SimulateCustomPolicy", []string{"PolicyInputList.member.1", "{}", "ActionNames.member.1", "a:b"},
			"{Source: Policies:[{}] Boundary:[] Actions:[a:b] Resources:[] ResourcePolicy: ResourceOwner: CallerARN: Context:[] Section:{Skip:0 MaxItems:0}}"},
		{"SimulatePrincipalPolicy", []string{"PolicySourceArn", policyARN, "ActionNames.member.1", "a:b", "ActionNames.member.2", "a:c", "ResourceArns.member.1", "*", "PermissionsBoundaryPolicyInputList.member.1", "[]", "ResourcePolicy", "{ }",
			"ResourceOwner", "o", "CallerArn", "c", "ContextEntries.member.1.ContextKeyName", "a:key", "ContextEntries.member.1.ContextKeyType", "stringList", "ContextEntries.member.1.ContextKeyValues.member.1", "v", "ContextEntries.member.1.ContextKeyValues.member.2", "",
			"ContextEntries.member.2.ContextKeyName", "b:key", "Marker", "3", "MaxItems", "2"},
			"{Source:" + policyARN + " Policies:[] Boundary:[[]] Actions:[a:b a:c] Resources:[*] ResourcePolicy:{ } ResourceOwner:o CallerARN:c Context:[{Key:a:key Type:stringList Values:[v ]} {Key:b:key Type: Values:[]}] Section:{Skip:3 MaxItems:2}}"},
		{"ListRolePolicies", []string{"RoleName", "r", "MaxItems", "1"}, `"r" {Marker: MaxItems:1}`},
	} {
		if got, err := decoders[tt.action](form(t, tt.action, tt.params...)); err != nil || got != tt.want {
			t.Errorf("%s %q:\ngot  %s, %v\nwant %s", tt.action, tt.params, got, err, tt.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	role := func(params ...string) []string {
		return append([]string{"RoleName", "r", "AssumeRolePolicyDocument", "{}"}, params...)
	}
	provider := func(params ...string) []string { return append([]string{"Url", "https://x.example"}, params...) }
	policyOf := func(params ...string) []string {
		return append([]string{"PolicyName", "p", "PolicyDocument", "{}"}, params...)
	}
	simulated := func(params ...string) []string {
		return append([]string{"PolicyInputList.member.1", "{}", "ActionNames.member.1", "a:b"}, params...)
	}
	const pattern = "Member must satisfy regular expression pattern"
	for _, tt := range []struct {
		action string
		params []string
		want   string // part of the sentence
	}{
		{"CreateRole", nil, "2 validation errors detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null; Value null at 'assumeRolePolicyDocument'"},
		{"CreateRole", []string{"RoleName", "", "AssumeRolePolicyDocument", "{}"}, "'roleName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"CreateRole", []string{"RoleName", long(65), "AssumeRolePolicyDocument", "{}"}, "'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"CreateRole", []string{"RoleName", "a b", "AssumeRolePolicyDocument", "{}"}, pattern},
		{"CreateRole", []string{"RoleName", "a\n", "AssumeRolePolicyDocument", "{}"}, pattern},
		{"CreateRole", []string{"RoleName", "ä", "AssumeRolePolicyDocument", "{}"}, pattern},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", ""}, "'assumeRolePolicyDocument' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", long(131073)}, "Member must have length less than or equal to 131072"},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", "{}\x00"}, pattern},
		{"CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", "α"}, pattern},
		{"CreateRole", role("Path", "ci"), "'path' failed to satisfy constraint: " + pattern},
		{"CreateRole", role("Path", "/ci"), pattern},
		{"CreateRole", role("Path", "ci/"), pattern},
		{"CreateRole", role("Path", "//"), pattern},
		{"CreateRole", role("Path", "/a b/"), pattern},
		{"CreateRole", role("Path", "/a\x7f/"), pattern},
		{"CreateRole", role("Path", ""), "Member must have length greater than or equal to 1"},
		{"CreateRole", role("Path", "/"+long(511)+"/"), "Member must have length less than or equal to 512"},
		{"CreateRole", role("Description", long(1001)), "'description' failed to satisfy constraint: Member must have length less than or equal to 1000"},
		{"CreateRole", role("Description", "\u0080"), pattern},
		{"CreateRole", role("MaxSessionDuration", "3599"), "'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		{"CreateRole", role("MaxSessionDuration", "43201"), "Member must have value less than or equal to 43200"},
		{"CreateRole", role("MaxSessionDuration", ""), "Member must be a whole number"},
		{"CreateRole", role("Tags.member.1.Key", "k"), "Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null"},
		{"CreateRole", role("Tags.member.1.Key", "", "Tags.member.1.Value", ""), "'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"CreateRole", role("Tags.member.1.Key", long(129), "Tags.member.1.Value", ""), "Member must have length less than or equal to 128"},
		{"CreateRole", role("Tags.member.1.Key", "k", "Tags.member.1.Value", long(257)), "'tags.1.member.value' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"CreateRole", role("Tags.member.1.Key", "k!", "Tags.member.1.Value", ""), pattern},
		{"GetRole", []string{"RoleName", "r", "Path", "/"}, "'path' failed to satisfy constraint: the parameter is not supported for GetRole"},
		{"GetRole", nil, "Value null at 'roleName'"},
		{"UpdateRole", []string{"RoleName", "r", "Description", "α"}, pattern},
		{"UpdateRole", []string{"RoleName", "r", "MaxSessionDuration", "0"}, "Member must have value greater than or equal to 3600"},
		{"UpdateAssumeRolePolicy", []string{"RoleName", "r"}, "Value null at 'policyDocument'"},
		{"PutRolePolicy", []string{"RoleName", "r", "PolicyName", "a/b", "PolicyDocument", "{}"}, "'policyName' failed to satisfy constraint: " + pattern},
		{"PutRolePolicy", []string{"RoleName", "r", "PolicyName", long(129), "PolicyDocument", "{}"}, "Member must have length less than or equal to 128"},
		{"GetRolePolicy", []string{"RoleName", "r"}, "Value null at 'policyName'"},
		{"ListRoles", []string{"PathPrefix", "a"}, "'pathPrefix' failed to satisfy constraint: " + pattern},
		{"ListRoles", []string{"PathPrefix", ""}, "Member must have length greater than or equal to 1"},
		{"ListRoles", []string{"MaxItems", "0"}, "Member must have value greater than or equal to 1"},
		{"ListRoles", []string{"MaxItems", "1001"}, "Member must have value less than or equal to 1000"},
		{"ListRoles", []string{"Marker", ""}, "'marker' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"ListRoles", []string{"Marker", long(321)}, "Member must have length less than or equal to 320"},
		{"ListRoles", []string{"Marker", "a\n"}, pattern},
		{"ListRolePolicies", nil, "Value null at 'roleName'"},
		{"CreateOpenIDConnectProvider", nil, "Value null at 'url'"},
		{"CreateOpenIDConnectProvider", []string{"Url", long(256)}, "'url' failed to satisfy constraint: Member must have length less than or equal to 255"},
		{"CreateOpenIDConnectProvider", provider("ClientIDList.member.1", ""), "'clientIDList.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"CreateOpenIDConnectProvider", provider("ClientIDList.member.1", long(256)), "Member must have length less than or equal to 255"},
		{"CreateOpenIDConnectProvider", provider("ThumbprintList.member.1", long(39)), "Member must have length greater than or equal to 40"},
		{"CreateOpenIDConnectProvider", provider("ThumbprintList.member.1", long(41)), "Member must have length less than or equal to 40"},
		{"CreateOpenIDConnectProvider", provider("ThumbprintList.member.1", strings.Repeat("g", 40)), pattern},
		{"CreateOpenIDConnectProvider", provider("ClientIDList.1", "a"), "'clientIDList.1' failed to satisfy constraint: the parameter is not supported"},
		{"CreateOpenIDConnectProvider", provider("ClientIDList.member.2", "a"), "'clientIDList' failed to satisfy constraint: Member must be a list with the members 1, 2"},
		{"CreateRole", role("PermissionsBoundary", "short"), "'permissionsBoundary' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"CreatePolicy", nil, "2 validation errors detected: Value null at 'policyName'"},
		{"CreatePolicy", policyOf("Path", "/a!b/"), pattern},
		{"CreatePolicy", policyOf("Path", "/a//"), pattern},
		{"CreatePolicy", policyOf("Path", "a/"), pattern},
		{"CreatePolicy", policyOf("Path", "/a"), pattern},
		{"CreatePolicy", policyOf("Path", ""), "Member must have length greater than or equal to 1"},
		{"CreatePolicy", policyOf("Description", long(1001)), "Member must have length less than or equal to 1000"},
		{"CreatePolicy", policyOf("PolicyDocuments", "{}"), "'policyDocuments' failed to satisfy constraint: the parameter is not supported"},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "1"}, pattern},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "v0"}, pattern},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "v"}, pattern},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN, "VersionId", "v1.a_b"}, pattern},
		{"GetPolicyVersion", []string{"PolicyArn", policyARN}, "Value null at 'versionId'"},
		{"CreatePolicyVersion", []string{"PolicyArn", policyARN, "PolicyDocument", "{}", "SetAsDefault", "yes"}, "'setAsDefault' failed to satisfy constraint: Member must satisfy enum value set: [true, false]"},
		{"ListPolicyVersions", []string{"PolicyArn", policyARN, "Marker", "v1"}, "'marker' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9]+"},
		{"ListPolicyVersions", []string{"PolicyArn", policyARN, "Marker", "9999999"}, "Member must have length less than or equal to 6"},
		{"ListPolicyVersions", []string{"PolicyArn", policyARN, "Marker", "-1"}, pattern},
		{"TagPolicy", []string{"PolicyArn", policyARN}, "Value null at 'tags'"},
		{"UntagPolicy", []string{"PolicyArn", policyARN}, "Value null at 'tagKeys'"},
		{"ListPolicies", []string{"Scope", "local"}, "'scope' failed to satisfy constraint: Member must satisfy enum value set: [All, AWS, Local]"},
		{"ListPolicies", []string{"PolicyUsageFilter", "All"}, "Member must satisfy enum value set: [PermissionsPolicy, PermissionsBoundary]"},
		{"ListPolicies", []string{"PathPrefix", "/a"}, pattern},
		{"ListEntitiesForPolicy", []string{"PolicyArn", policyARN, "EntityFilter", "Policy"}, "Member must satisfy enum value set: [User, Role, Group, LocalManagedPolicy, AWSManagedPolicy]"},
		{"AttachRolePolicy", []string{"RoleName", "r"}, "Value null at 'policyArn'"},
		{"PutRolePermissionsBoundary", []string{"RoleName", "r"}, "Value null at 'permissionsBoundary'"},
		{"GetAccountAuthorizationDetails", []string{"Filter.member.1", "Policy"}, "'filter.1.member' failed to satisfy constraint: Member must satisfy enum value set"},
		{"CreateAccountAlias", []string{"AccountAlias", "ab"}, "Member must have length greater than or equal to 3"},
		{"CreateAccountAlias", []string{"AccountAlias", "Acme"}, pattern},
		{"CreateAccountAlias", []string{"AccountAlias", "ac--me"}, pattern},
		{"CreateAccountAlias", []string{"AccountAlias", "-acme"}, pattern},
		{"SimulateCustomPolicy", nil, "2 validation errors detected: Value null at 'policyInputList' failed to satisfy constraint: Member must not be null; Value null at 'actionNames'"},
		{"SimulateCustomPolicy", simulated("ResourceHandlingOption", "EC2-VPC-EBS"), "'resourceHandlingOption' failed to satisfy constraint: the parameter is not supported for SimulateCustomPolicy"},
		{"SimulateCustomPolicy", simulated("OrderedOrganizationPolicyInputList.member.1.x", "{}"), "the parameter is not supported for SimulateCustomPolicy"},
		{"SimulateCustomPolicy", simulated("PolicySourceArn", policyARN), "the parameter is not supported for SimulateCustomPolicy"},
		{"SimulateCustomPolicy", simulated("PermissionsBoundaryPolicyInputList.member.1", "{}", "PermissionsBoundaryPolicyInputList.member.2", "{}"), "'permissionsBoundaryPolicyInputList' failed to satisfy constraint: Member must have length less than or equal to 1"},
		{"SimulateCustomPolicy", simulated("ContextEntries.member.1.ContextKeyName", "a:b"), "'contextEntries.1.member.contextKeyName' failed to satisfy constraint: Member must have length greater than or equal to 5"},
		{"SimulateCustomPolicy", simulated("ContextEntries.member.1.ContextKeyValues.member.1", "v"), "Value null at 'contextEntries.1.member.contextKeyName'"},
		{"SimulateCustomPolicy", simulated("ContextEntries.member.1.ContextKeyName", "a:key", "ContextEntries.member.1.ContextKeyType", "text"), "Member must satisfy enum value set: [string, stringList"},
		{"SimulateCustomPolicy", simulated("ContextEntries.member.1.ContextKeyName", "a:key", "ContextEntries.member.1.Colour", "red"), "the parameter is not supported"},
		{"SimulatePrincipalPolicy", []string{"ActionNames.member.1", "a:b"}, "Value null at 'policySourceArn'"},
		{"SimulatePrincipalPolicy", []string{"PolicySourceArn", policyARN, "ActionNames.member.1", "ab"}, "Member must have length greater than or equal to 3"},
		{"GetOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", "short"}, "'openIDConnectProviderArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"AddClientIDToOpenIDConnectProvider", []string{"OpenIDConnectProviderArn", arn}, "Value null at 'clientID'"},
		{"UpdateOpenIDConnectProviderThumbprint", []string{"OpenIDConnectProviderArn", arn, "ThumbprintList.member.1", "x"}, "'thumbprintList.1.member'"},
	} {
		_, err := decoders[tt.action](form(t, tt.action, tt.params...))
		if e, ok := errors.AsType[*awsquery.ConstraintError](err); !ok || !strings.Contains(e.Error(), tt.want) {
			t.Errorf("%s %.80q: got %v\nwant %s", tt.action, tt.params, err, tt.want)
		}
	}
	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tags.member.%d.Value", i+1), "")
	}
	if _, err := decoders["CreateRole"](form(t, "CreateRole", role(many...)...)); err == nil || err.Error() != "1 validation error detected: Value at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50" {
		t.Errorf("51 tags: %v", err)
	}
}

// TestDocument: a policy comes back through RFC 3986 as it was, in characters
// that every reader of URLs leaves alone.
func TestDocument(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": "b+c~d*(e)"}`: "%7B%22a%22%3A%20%22b%2Bc~d%2A%28e%29%22%7D",
		"ÿ\n%20":             "%C3%BF%0A%2520",
		"":                   "",
	} {
		got := iamwire.Document([]byte(text))
		if got != want {
			t.Errorf("%q is %s", text, got)
		}
		if back, err := url.PathUnescape(got); err != nil || back != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
}

// TestAnswers pins the bodies as clients read them.
func TestAnswers(t *testing.T) {
	tags := awsquery.List([]iamwire.Tag{{Key: "k", Value: "v"}})
	for _, tt := range []struct {
		result any
		want   string
	}{
		{iamwire.CreateProviderResult{ARN: arn}, `<OpenIDConnectProviderArn>` + arn + `</OpenIDConnectProviderArn>`},
		{iamwire.CreateProviderResult{ARN: arn, Tags: &tags}, `<OpenIDConnectProviderArn>` + arn + `</OpenIDConnectProviderArn><Tags><member><Key>k</Key><Value>v</Value></member></Tags>`},
		{iamwire.GetProviderResult{URL: "gitlab.com", ClientIDs: awsquery.List([]string{"a"}), CreateDate: "2026-11-23T03:00:00Z"},
			`<Url>gitlab.com</Url><ClientIDList><member>a</member></ClientIDList><ThumbprintList></ThumbprintList><CreateDate>2026-11-23T03:00:00Z</CreateDate><Tags></Tags>`},
		{iamwire.ListProvidersResult{Providers: awsquery.List([]iamwire.ProviderARN{{arn}})}, `<OpenIDConnectProviderList><member><Arn>` + arn + `</Arn></member></OpenIDConnectProviderList>`},
		{iamwire.RoleResult{Role: iamwire.Role{Path: "/", Name: "r", ID: "AROA1", ARN: "a", CreateDate: "d", Trust: "%7B%7D"}},
			`<Role><Path>/</Path><RoleName>r</RoleName><RoleId>AROA1</RoleId><Arn>a</Arn><CreateDate>d</CreateDate><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role>`},
		{iamwire.RoleResult{Role: iamwire.Role{Path: "/", Name: "r", ID: "AROA1", ARN: "a", CreateDate: "d", Trust: "%7B%7D", Description: "e", MaxSession: 3600, Tags: &tags, LastUsed: &iamwire.LastUsed{}}},
			`<Role><Path>/</Path><RoleName>r</RoleName><RoleId>AROA1</RoleId><Arn>a</Arn><CreateDate>d</CreateDate><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument><Description>e</Description>` +
				`<MaxSessionDuration>3600</MaxSessionDuration><Tags><member><Key>k</Key><Value>v</Value></member></Tags><RoleLastUsed></RoleLastUsed></Role>`},
		{iamwire.ListRolesResult{}, `<Roles></Roles><IsTruncated>false</IsTruncated>`},
		{iamwire.ListRolePoliciesResult{Names: awsquery.List([]string{"a", "b"}), IsTruncated: true, Marker: "b"}, `<PolicyNames><member>a</member><member>b</member></PolicyNames><IsTruncated>true</IsTruncated><Marker>b</Marker>`},
		{iamwire.RolePolicyResult{Role: "r", Name: "p", Document: "%7B%7D"}, `<RoleName>r</RoleName><PolicyName>p</PolicyName><PolicyDocument>%7B%7D</PolicyDocument>`},
		{iamwire.UpdateRoleResult{}, ``},
		{iamwire.SummaryResult{Summary: iamwire.Map(map[string]int{"Roles": 1, "Policies": 2})}, `<SummaryMap><entry><key>Policies</key><value>2</value></entry><entry><key>Roles</key><value>1</value></entry></SummaryMap>`},
		{iamwire.ListEntitiesResult{Roles: awsquery.List([]iamwire.PolicyRole{{Name: "r", ID: "AROA1"}})}, `<PolicyGroups></PolicyGroups><PolicyUsers></PolicyUsers><PolicyRoles><member><RoleName>r</RoleName><RoleId>AROA1</RoleId></member></PolicyRoles><IsTruncated>false</IsTruncated>`},
	} {
		got := string(awsquery.Answer(iamwire.Namespace, "X", tt.result, "r"))
		want := `<XResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><XResult>` + tt.want + `</XResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>`
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func FuzzDecoders(f *testing.F) {
	f.Add("RoleName=r&AssumeRolePolicyDocument={}&Path=/&Tags.member.1.Key=k&Tags.member.1.Value=v")
	f.Add("Url=https://x&ClientIDList.member.1=a&ThumbprintList.member.1=x")
	f.Add("OpenIDConnectProviderArn=" + arn + "&ClientID=x")
	f.Add("PathPrefix=/&Marker=m&MaxItems=5")
	f.Add("PolicyName=p&PolicyDocument={}&PolicyArn=" + policyARN + "&VersionId=v1.a&SetAsDefault=true&RoleName=r")
	f.Add("Scope=Local&OnlyAttached=true&PolicyUsageFilter=PermissionsBoundary&EntityFilter=Role&Filter.member.1=Role&AccountAlias=a-b&Marker=2")
	f.Add("PolicyInputList.member.1={}&ActionNames.member.1=a:b&ResourceArns.member.1=*&ContextEntries.member.1.ContextKeyName=a:key&ContextEntries.member.1.ContextKeyType=ipList&ContextEntries.member.1.ContextKeyValues.member.1=::1&PolicySourceArn=" + policyARN)
	f.Fuzz(func(t *testing.T, text string) {
		for action, decode := range decoders {
			r, err := awsquery.Decode(text, nil)
			if err != nil {
				return
			}
			if _, err := decode(r); err != nil {
				if e, ok := errors.AsType[*awsquery.ConstraintError](err); !ok || len(e.Broken) == 0 {
					t.Fatalf("%s: %v", action, err)
				}
			}
		}
	})
}
