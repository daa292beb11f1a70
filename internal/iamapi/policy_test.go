package iamapi_test

import (
	"regexp"
	"strings"
	"testing"

	"mayfly.internal/internal/wire/iamwire"
)

const (
	readOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:Describe*","Resource":"*"}]}`
	policyA  = "arn:aws:iam::111122223333:policy/a"
)

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	head := func(path, name, version, counts string) string {
		return `<PolicyName>` + name + `</PolicyName><PolicyId>ANPA</PolicyId><Arn>arn:aws:iam::111122223333:policy` + path + name + `</Arn><Path>` + path + `</Path><DefaultVersionId>` + version + `</DefaultVersionId>` + counts + `<IsAttachable>true</IsAttachable>`
	}
	const (
		unused = `<AttachmentCount>0</AttachmentCount><PermissionsBoundaryUsageCount>0</PermissionsBoundaryUsageCount>`
		dates  = `<CreateDate></CreateDate><UpdateDate></UpdateDate>`
		b      = "arn:aws:iam::111122223333:policy/ci/b"
		end    = `<IsTruncated>false</IsTruncated>`
	)
	check(w.must("ListPolicies"), `<Policies></Policies>`+end)
	check(w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", readOnly), `<Policy>`+head("/", "a", "v1", unused)+dates+`</Policy>`)
	check(w.must("CreatePolicy", "PolicyName", "b", "Path", "/ci/", "Description", "d & e", "PolicyDocument", readOnly+"\n", "Tags.member.1.Key", "k", "Tags.member.1.Value", ""),
		`<Policy>`+head("/ci/", "b", "v1", unused)+`<Description>d &amp; e</Description>`+dates+`<Tags><member><Key>k</Key><Value></Value></member></Tags></Policy>`)
	check(w.must("GetPolicy", "PolicyArn", policyA), `<Policy>`+head("/", "a", "v1", unused)+dates+`<Tags></Tags></Policy>`)
	check(w.must("CreatePolicyVersion", "PolicyArn", b, "PolicyDocument", readOnly), `<PolicyVersion><VersionId>v2</VersionId><IsDefaultVersion>false</IsDefaultVersion><CreateDate></CreateDate></PolicyVersion>`)
	check(w.must("CreatePolicyVersion", "PolicyArn", b, "PolicyDocument", readOnly, "SetAsDefault", "true"), `<PolicyVersion><VersionId>v3</VersionId><IsDefaultVersion>true</IsDefaultVersion><CreateDate></CreateDate></PolicyVersion>`)
	check(w.must("GetPolicyVersion", "PolicyArn", b, "VersionId", "v1"), `<PolicyVersion><Document>`+iamwire.Document([]byte(readOnly+"\n"))+`</Document><VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion><CreateDate></CreateDate></PolicyVersion>`)
	version := func(id, is string) string {
		return `<member><VersionId>` + id + `</VersionId><IsDefaultVersion>` + is + `</IsDefaultVersion><CreateDate></CreateDate></member>`
	}
	check(w.must("ListPolicyVersions", "PolicyArn", b), `<Versions>`+version("v3", "true")+version("v2", "false")+version("v1", "false")+`</Versions>`+end)
	check(w.must("ListPolicyVersions", "PolicyArn", b, "MaxItems", "2"), `<Versions>`+version("v3", "true")+version("v2", "false")+`</Versions><IsTruncated>true</IsTruncated><Marker>2</Marker>`)
	check(w.must("ListPolicyVersions", "PolicyArn", b, "MaxItems", "2", "Marker", "2"), `<Versions>`+version("v1", "false")+`</Versions>`+end)
	check(w.must("SetDefaultPolicyVersion", "PolicyArn", b, "VersionId", "v2"), ``)
	check(w.must("DeletePolicyVersion", "PolicyArn", b, "VersionId", "v1"), ``)
	check(w.fails("DeletePolicyVersion", "PolicyArn", b, "VersionId", "v2"), "409 DeleteConflict: Cannot delete the default version of a policy.")
	check(w.fails("GetPolicyVersion", "PolicyArn", b, "VersionId", "v1"), "404 NoSuchEntity: Policy "+b+" version v1 does not exist or is not attachable.")
	check(w.fails("CreatePolicyVersion", "PolicyArn", b, "PolicyDocument", strings.Replace(readOnly, "2012", "2008", 1)), "400 MalformedPolicyDocument: Policy document must be version 2012-10-17 or greater. (line 1, column 12: a managed policy must say &#34;Version&#34;: &#34;2012-10-17&#34;)")

	w.must("CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trust)
	check(w.must("ListAttachedRolePolicies", "RoleName", "r"), `<AttachedPolicies></AttachedPolicies>`+end)
	check(w.must("AttachRolePolicy", "RoleName", "r", "PolicyArn", b), ``)
	check(w.must("AttachRolePolicy", "RoleName", "r", "PolicyArn", b), ``)
	check(w.must("AttachRolePolicy", "RoleName", "r", "PolicyArn", policyA), ``)
	attachedB := `<member><PolicyName>b</PolicyName><PolicyArn>` + b + `</PolicyArn></member>`
	check(w.must("ListAttachedRolePolicies", "RoleName", "R"), `<AttachedPolicies><member><PolicyName>a</PolicyName><PolicyArn>`+policyA+`</PolicyArn></member>`+attachedB+`</AttachedPolicies>`+end)
	check(w.must("ListAttachedRolePolicies", "RoleName", "r", "PathPrefix", "/ci/"), `<AttachedPolicies>`+attachedB+`</AttachedPolicies>`+end)
	check(w.must("PutRolePermissionsBoundary", "RoleName", "r", "PermissionsBoundary", b), ``)
	if got := w.must("GetRole", "RoleName", "r"); !strings.Contains(got, `<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>`+b+`</PermissionsBoundaryArn></PermissionsBoundary>`) {
		t.Errorf("the role is %s", got)
	}
	used := `<AttachmentCount>1</AttachmentCount><PermissionsBoundaryUsageCount>1</PermissionsBoundaryUsageCount>`
	check(w.must("ListPolicies", "PathPrefix", "/ci/", "Scope", "Local"), `<Policies><member>`+head("/ci/", "b", "v2", used)+dates+`</member></Policies>`+end)
	check(w.must("ListPolicies", "OnlyAttached", "true", "PolicyUsageFilter", "PermissionsBoundary"), `<Policies><member>`+head("/ci/", "b", "v2", used)+dates+`</member></Policies>`+end)
	check(w.must("ListPolicies", "Scope", "AWS"), `<Policies></Policies>`+end)
	entities := func(roles string) string {
		return `<PolicyGroups></PolicyGroups><PolicyUsers></PolicyUsers><PolicyRoles>` + roles + `</PolicyRoles>` + end
	}
	check(w.must("ListEntitiesForPolicy", "PolicyArn", b), entities(`<member><RoleName>r</RoleName><RoleId>AROA</RoleId></member>`))
	check(w.must("ListEntitiesForPolicy", "PolicyArn", b, "EntityFilter", "Role", "PathPrefix", "/"), entities(`<member><RoleName>r</RoleName><RoleId>AROA</RoleId></member>`))
	check(w.must("ListEntitiesForPolicy", "PolicyArn", b, "EntityFilter", "User"), entities(``))
	check(w.must("ListEntitiesForPolicy", "PolicyArn", policyA, "PolicyUsageFilter", "PermissionsBoundary"), entities(``))

	check(w.fails("DeletePolicy", "PolicyArn", policyA), "409 DeleteConflict: Cannot delete a policy attached to entities.")
	check(w.fails("DeleteRole", "RoleName", "r"), "409 DeleteConflict: Cannot delete entity, must detach all policies first.")
	check(w.must("DetachRolePolicy", "RoleName", "r", "PolicyArn", policyA), ``)
	check(w.fails("DetachRolePolicy", "RoleName", "r", "PolicyArn", policyA), "404 NoSuchEntity: Policy "+policyA+" was not found.")
	check(w.must("DetachRolePolicy", "RoleName", "r", "PolicyArn", b), ``)
	check(w.fails("DeletePolicy", "PolicyArn", b), "409 DeleteConflict: Cannot delete a policy attached to entities.")
	check(w.must("DeleteRolePermissionsBoundary", "RoleName", "r"), ``)
	check(w.fails("DeletePolicy", "PolicyArn", b), "409 DeleteConflict: This policy has more than one version. Before you delete a policy, you must delete the policy&#39;s versions. The default version is deleted with the policy.")
	check(w.must("DeletePolicyVersion", "PolicyArn", b, "VersionId", "v3"), ``)
	check(w.must("DeletePolicy", "PolicyArn", b), ``)
	check(w.fails("GetPolicy", "PolicyArn", b), "404 NoSuchEntity: Policy "+b+" was not found.")
	check(w.must("DeleteRole", "RoleName", "r"), ``)
	check(w.fails("CreatePolicy", "PolicyName", "A", "PolicyDocument", readOnly), "409 EntityAlreadyExists: A policy called A already exists. Duplicate names are not allowed.")
}

// TestBoundaryInAnswers: where AWS shows what bounds a role, and where it does
// not.
func TestBoundaryInAnswers(t *testing.T) {
	w := newWorld(t)
	w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", readOnly)
	const shown = `<PermissionsBoundaryArn>` + policyA + `</PermissionsBoundaryArn>`
	for _, tt := range []struct {
		want   bool
		action string
		params []string
	}{
		{false, "CreateRole", []string{"RoleName", "r", "AssumeRolePolicyDocument", trust, "PermissionsBoundary", policyA}},
		{true, "GetRole", []string{"RoleName", "r"}},
		{true, "UpdateRoleDescription", []string{"RoleName", "r", "Description", "d"}},
		{false, "ListRoles", nil},
		{true, "GetAccountAuthorizationDetails", nil},
	} {
		if got := w.must(tt.action, tt.params...); strings.Contains(got, shown) != tt.want {
			t.Errorf("%s: %s", tt.action, got)
		}
	}
}

// TestAWSPolicies: those of AWS do not exist here, and whoever asks for one is
// told what to do.
func TestAWSPolicies(t *testing.T) {
	w := newWorld(t)
	w.must("CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trust)
	const aws = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
	const hint = " AWS&#39;s own managed policies do not exist here: create it as a customer managed policy of this account (aws iam create-policy), and use its ARN."
	for action, tt := range map[string]struct {
		params []string
		want   string
	}{
		"AttachRolePolicy":           {[]string{"RoleName", "r", "PolicyArn", aws}, "Policy " + aws + " does not exist or is not attachable."},
		"GetPolicy":                  {[]string{"PolicyArn", aws}, "Policy " + aws + " was not found."},
		"PutRolePermissionsBoundary": {[]string{"RoleName", "r", "PermissionsBoundary", aws}, "Scope ARN: " + aws + " does not exist or is not attachable."},
		"CreateRole":                 {[]string{"RoleName", "s", "AssumeRolePolicyDocument", trust, "PermissionsBoundary", aws}, "Scope ARN: " + aws + " does not exist or is not attachable."},
	} {
		if got := w.fails(action, tt.params...); got != "404 NoSuchEntity: "+tt.want+hint {
			t.Errorf("%s: %s", action, got)
		}
	}
}

func TestAccount(t *testing.T) {
	w := newWorld(t)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const end = `<IsTruncated>false</IsTruncated>`
	check(w.must("ListAccountAliases"), `<AccountAliases></AccountAliases>`+end)
	check(w.must("CreateAccountAlias", "AccountAlias", "acme"), ``)
	check(w.must("CreateAccountAlias", "AccountAlias", "acme-web"), ``)
	check(w.must("ListAccountAliases", "MaxItems", "1"), `<AccountAliases><member>acme-web</member></AccountAliases>`+end)
	check(w.must("ListAccountAliases", "Marker", "acme-web"), `<AccountAliases></AccountAliases>`+end)
	check(w.fails("CreateAccountAlias", "AccountAlias", "acme-web"), "409 EntityAlreadyExists: The account alias acme-web already exists.")
	check(w.fails("DeleteAccountAlias", "AccountAlias", "acme"), "404 NoSuchEntity: The account alias acme does not exist.")
	check(w.must("DeleteAccountAlias", "AccountAlias", "acme-web"), ``)

	w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", readOnly)
	w.must("CreateRole", "RoleName", "r", "AssumeRolePolicyDocument", trust, "PermissionsBoundary", policyA, "Tags.member.1.Key", "k", "Tags.member.1.Value", "v")
	w.must("AttachRolePolicy", "RoleName", "r", "PolicyArn", policyA)
	w.must("PutRolePolicy", "RoleName", "r", "PolicyName", "p", "PolicyDocument", readOnly)
	if got := w.must("GetAccountSummary"); !strings.Contains(got, `<entry><key>Policies</key><value>1</value></entry>`) || !strings.Contains(got, `<entry><key>Roles</key><value>1</value></entry>`) || strings.Count(got, "<entry>") != 34 {
		t.Errorf("the summary is %s", got)
	}
	nobody := `<UserDetailList></UserDetailList><GroupDetailList></GroupDetailList>`
	doc := iamwire.Document([]byte(readOnly))
	role := `<member><Path>/</Path><RoleName>r</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role/r</Arn><CreateDate></CreateDate><AssumeRolePolicyDocument>` + iamwire.Document([]byte(trust)) +
		`</AssumeRolePolicyDocument><InstanceProfileList></InstanceProfileList><RolePolicyList><member><PolicyName>p</PolicyName><PolicyDocument>` + doc + `</PolicyDocument></member></RolePolicyList>` +
		`<AttachedManagedPolicies><member><PolicyName>a</PolicyName><PolicyArn>` + policyA + `</PolicyArn></member></AttachedManagedPolicies>` +
		`<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>` + policyA + `</PermissionsBoundaryArn></PermissionsBoundary>` +
		`<Tags><member><Key>k</Key><Value>v</Value></member></Tags><RoleLastUsed></RoleLastUsed></member>`
	managed := `<member><PolicyName>a</PolicyName><PolicyId>ANPA</PolicyId><Arn>` + policyA + `</Arn><Path>/</Path><DefaultVersionId>v1</DefaultVersionId><AttachmentCount>1</AttachmentCount><PermissionsBoundaryUsageCount>1</PermissionsBoundaryUsageCount>` +
		`<IsAttachable>true</IsAttachable><CreateDate></CreateDate><UpdateDate></UpdateDate><PolicyVersionList><member><Document>` + doc + `</Document><VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion><CreateDate></CreateDate></member></PolicyVersionList></member>`
	check(w.must("GetAccountAuthorizationDetails", "Filter.member.1", "LocalManagedPolicy"), nobody+`<RoleDetailList></RoleDetailList><Policies>`+managed+`</Policies>`+end)
	check(w.must("GetAccountAuthorizationDetails", "Filter.member.1", "User", "Filter.member.2", "AWSManagedPolicy"), nobody+`<RoleDetailList></RoleDetailList><Policies></Policies>`+end)
	check(w.must("GetAccountAuthorizationDetails", "MaxItems", "1"), nobody+`<RoleDetailList></RoleDetailList><Policies>`+managed+`</Policies><IsTruncated>true</IsTruncated><Marker>policy/a</Marker>`)
	if got := w.must("GetAccountAuthorizationDetails", "MaxItems", "1", "Marker", "policy/a"); !strings.Contains(got, `<RoleName>mayfly-admin</RoleName>`) || !strings.HasSuffix(got, `<IsTruncated>true</IsTruncated><Marker>role/mayfly-admin</Marker>`) {
		t.Errorf("the second page is %s", got)
	}
	check(w.must("GetAccountAuthorizationDetails", "Filter.member.1", "Role", "MaxItems", "1", "Marker", "role/mayfly-admin"), nobody+`<RoleDetailList>`+role+`</RoleDetailList><Policies></Policies>`+end)
}

// TestDetailsEndEarly: policies may be mostly white space, and a page of many
// such ends before it is as long as was asked for.
func TestDetailsEndEarly(t *testing.T) {
	w := newWorld(t)
	wide := strings.TrimSuffix(readOnly, "}") + strings.Repeat(" ", 130_000) + "}"
	for _, name := range []string{"a", "b", "c", "d"} {
		w.must("CreatePolicy", "PolicyName", name, "PolicyDocument", wide)
		for range 4 {
			w.must("CreatePolicyVersion", "PolicyArn", "arn:aws:iam::111122223333:policy/"+name, "PolicyDocument", wide)
		}
	}
	names, marker := "", ""
	for page := range 5 {
		params := []string{"Filter.member.1", "LocalManagedPolicy", "MaxItems", "1000"}
		if marker != "" {
			params = append(params, "Marker", marker)
		}
		got := w.must("GetAccountAuthorizationDetails", params...)
		for _, m := range regexp.MustCompile(`<PolicyName>(.)<`).FindAllStringSubmatch(got, -1) {
			names += m[1]
		}
		next := regexp.MustCompile(`<IsTruncated>true</IsTruncated><Marker>(.*)</Marker>`).FindStringSubmatch(got)
		if next == nil {
			if page == 0 {
				t.Errorf("one page has %d bytes", len(got))
			}
			break
		}
		marker = next[1]
	}
	if names != "abcd" {
		t.Errorf("the pages have %s", names)
	}
}

func TestSimulate(t *testing.T) {
	w := newWorld(t)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const end = `<IsTruncated>false</IsTruncated>`
	matched := func(policy, kind, from, to string) string {
		return `<member><SourcePolicyId>` + policy + `</SourcePolicyId><SourcePolicyType>` + kind + `</SourcePolicyType><StartPosition><Line>1</Line><Column>` + from + `</Column></StartPosition><EndPosition><Line>1</Line><Column>` + to + `</Column></EndPosition></member>`
	}
	const one = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	// Of everything: no details, nothing specific.
	check(w.must("SimulateCustomPolicy", "PolicyInputList.member.1", one, "ActionNames.member.1", "iam:GetRole"),
		`<EvaluationResults><member><EvalActionName>iam:GetRole</EvalActionName><EvalResourceName>*</EvalResourceName><EvalDecision>allowed</EvalDecision><MatchedStatements>`+matched("PolicyInputList.1", "IAM Policy", "38", "84")+
			`</MatchedStatements><MissingContextValues></MissingContextValues></member></EvaluationResults>`+end)

	// The API reference's same-account example.
	const role = "arn:aws:iam::111122223333:role/pol-sim-test"
	boundary := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:*","s3:*"],"Resource":"*"}}`
	bounded := `<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>true</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>`
	by := `<MatchedStatements>` + matched("PolicyInputList.1", "IAM Policy", "38", "84") + `</MatchedStatements><MissingContextValues></MissingContextValues>`
	check(w.must("SimulateCustomPolicy", "PolicyInputList.member.1", one, "PermissionsBoundaryPolicyInputList.member.1", boundary, "ActionNames.member.1", "iam:GetRole", "ResourceArns.member.1", role),
		`<EvaluationResults><member><EvalActionName>iam:GetRole</EvalActionName><EvalResourceName>`+role+`</EvalResourceName><EvalDecision>allowed</EvalDecision>`+by+bounded+`<EvalDecisionDetails></EvalDecisionDetails>`+
			`<ResourceSpecificResults><member><EvalResourceName>`+role+`</EvalResourceName><EvalResourceDecision>allowed</EvalResourceDecision>`+by+bounded+`</member></ResourceSpecificResults></member></EvaluationResults>`+end)

	// Its cross-account example.
	const object = "arn:aws:s3:::mary/Test"
	resource := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/arnav"},"Action":["s3:List*","s3:Put*"],"Resource":"arn:aws:s3:::mary/*"}]}`
	details := `<EvalDecisionDetails><entry><key>IAM Policy</key><value>implicitDeny</value></entry><entry><key>Permissions Boundary Policy</key><value>implicitDeny</value></entry><entry><key>Resource Policy</key><value>allowed</value></entry></EvalDecisionDetails>`
	outside := `<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>`
	check(w.must("SimulateCustomPolicy", "PolicyInputList.member.1", readOnly, "PermissionsBoundaryPolicyInputList.member.1", strings.Replace(boundary, `,"s3:*"`, "", 1), "ActionNames.member.1", "s3:PutObject", "ResourceArns.member.1", object,
		"ResourceOwner", "arn:aws:iam::123456789012:root", "CallerArn", "arn:aws:iam::444455556666:user/arnav", "ResourcePolicy", resource),
		`<EvaluationResults><member><EvalActionName>s3:PutObject</EvalActionName><EvalResourceName>`+object+`</EvalResourceName><EvalDecision>implicitDeny</EvalDecision><MatchedStatements></MatchedStatements><MissingContextValues></MissingContextValues>`+outside+details+
			`<ResourceSpecificResults><member><EvalResourceName>`+object+`</EvalResourceName><EvalResourceDecision>implicitDeny</EvalResourceDecision><MatchedStatements>`+matched("ResourcePolicy", "Resource Policy", "38", "180")+
			`</MatchedStatements><MissingContextValues></MissingContextValues>`+details+outside+`</member></ResourceSpecificResults></member></EvaluationResults>`+end)

	// A deny is the only entry, and what is not known is named.
	deny := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"web"}}}]}`
	if got := w.must("SimulateCustomPolicy", "PolicyInputList.member.1", one, "PolicyInputList.member.2", deny, "ActionNames.member.1", "iam:GetRole"); !strings.Contains(got, `<EvalDecision>explicitDeny</EvalDecision><MatchedStatements><member><SourcePolicyId>PolicyInputList.2</SourcePolicyId>`) ||
		strings.Contains(got, "PolicyInputList.1") || !strings.Contains(got, `<MissingContextValues><member>aws:PrincipalTag/team</member></MissingContextValues>`) {
		t.Errorf("a deny: %s", got)
	}

	w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", one)
	w.must("CreateRole", "RoleName", "pol-sim-test", "AssumeRolePolicyDocument", trust)
	w.must("PutRolePolicy", "RoleName", "pol-sim-test", "PolicyName", "p", "PolicyDocument", readOnly)
	w.must("AttachRolePolicy", "RoleName", "pol-sim-test", "PolicyArn", policyA)
	if got := w.must("SimulatePrincipalPolicy", "PolicySourceArn", role, "ActionNames.member.1", "eks:DescribeCluster"); !strings.Contains(got, `<MatchedStatements>`+matched("role_pol-sim-test_p", "IAM Policy", "38", "96")+matched("a", "IAM Policy", "38", "84")+`</MatchedStatements>`) {
		t.Errorf("a role's own: %s", got)
	}
	check(w.fails("SimulatePrincipalPolicy", "PolicySourceArn", "arn:aws:iam::111122223333:user/anna", "ActionNames.member.1", "a:b"), "400 InvalidInput: Invalid Entity Arn: arn:aws:iam::111122223333:user/anna. The policies of roles can be simulated; there are no users and groups here.")
	check(w.fails("SimulateCustomPolicy", "PolicyInputList.member.1", "{", "ActionNames.member.1", "a:b"), "400 InvalidInput: PolicyInputList.1: line 1, column 2: not JSON: a name in double quotes is expected here")
}
