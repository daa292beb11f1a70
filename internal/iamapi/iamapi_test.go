package iamapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/control/controltest"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/iamapi"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/reasontest"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/iamwire"
)

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`

// world is the API over a real control plane and store.
type world struct {
	testing.TB
	iamapi.API
	db   *store.DB
	call control.Call
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db := sqlitetest.Open(t, store.Config{})
	ctl := controltest.New(t, db)
	who, err := controltest.Admin(db)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t, iamapi.API{Control: ctl}, db, control.Call{Caller: who, Info: request.Info{ID: "r", Region: "eu-central-1", Time: time.Now()}}}
}

// do does an operation with parameters, name and value in turn. It gives the
// status and body as a client gets them.
func (w *world) do(action string, params ...string) (int, string) {
	w.Helper()
	form := "Action=" + action + "&Version=" + iamwire.Version
	for i := 0; i < len(params); i += 2 {
		form += "&" + params[i] + "=" + url.QueryEscape(params[i+1])
	}
	r, err := awsquery.Decode(form, nil)
	if err != nil {
		w.Fatal(err)
	}
	if !iamapi.Serves(action) {
		w.Fatalf("%s is not served", action)
	}
	result, err := w.Do(w.Context(), w.call, r)
	if err != nil {
		f := iamapi.Failure(err)
		return f.Status, string(f.Body(iamwire.Namespace, "r"))
	}
	return http.StatusOK, string(awsquery.Answer(iamwire.Namespace, action, result, "r"))
}

// must is do for what must succeed; it gives the result's inside with what is
// drawn or timed made plain.
func (w *world) must(action string, params ...string) string {
	w.Helper()
	status, body := w.do(action, params...)
	if status != http.StatusOK {
		w.Fatalf("%s %q: %d %s", action, params, status, body)
	}
	body = strings.TrimPrefix(body, `<`+action+`Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">`)
	body = strings.TrimSuffix(body, `<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></`+action+`Response>`)
	body = strings.TrimSuffix(strings.TrimPrefix(body, `<`+action+`Result>`), `</`+action+`Result>`)
	return plain.ReplaceAllString(body, `>$1<`)
}

var plain = regexp.MustCompile(`>(AROA|ANPA)[A-Z2-7]{17}<|>\d\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ<`)

// fails is do for what must fail: its status, code and message.
func (w *world) fails(action string, params ...string) string {
	w.Helper()
	status, body := w.do(action, params...)
	code := regexp.MustCompile(`<Code>(.*)</Code><Message>(.*)</Message>`).FindStringSubmatch(body)
	if code == nil {
		return fmt.Sprint(status, " ", body)
	}
	return fmt.Sprint(status, " ", code[1], ": ", code[2])
}

const provider = "arn:aws:iam::111122223333:oidc-provider/gitlab.example:8443/a"

func TestProviders(t *testing.T) {
	w := newWorld(t)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	check(w.must("ListOpenIDConnectProviders"), `<OpenIDConnectProviderList></OpenIDConnectProviderList>`)
	check(w.must("CreateOpenIDConnectProvider", "Url", "https://gitlab.example:8443/a", "ClientIDList.member.1", "mayfly", "ThumbprintList.member.1", strings.Repeat("ab", 20), "Tags.member.1.Key", "k", "Tags.member.1.Value", "v"),
		`<OpenIDConnectProviderArn>`+provider+`</OpenIDConnectProviderArn><Tags><member><Key>k</Key><Value>v</Value></member></Tags>`)
	check(w.must("CreateOpenIDConnectProvider", "Url", "https://b.example", "ClientIDList", ""), `<OpenIDConnectProviderArn>arn:aws:iam::111122223333:oidc-provider/b.example</OpenIDConnectProviderArn>`)
	check(w.must("GetOpenIDConnectProvider", "OpenIDConnectProviderArn", provider),
		`<Url>https://gitlab.example:8443/a</Url><ClientIDList><member>mayfly</member></ClientIDList><ThumbprintList><member>`+strings.Repeat("ab", 20)+`</member></ThumbprintList><CreateDate></CreateDate><Tags><member><Key>k</Key><Value>v</Value></member></Tags>`)
	check(w.must("AddClientIDToOpenIDConnectProvider", "OpenIDConnectProviderArn", provider, "ClientID", "b"), ``)
	check(w.must("AddClientIDToOpenIDConnectProvider", "OpenIDConnectProviderArn", provider, "ClientID", "b"), ``)
	check(w.must("RemoveClientIDFromOpenIDConnectProvider", "OpenIDConnectProviderArn", provider, "ClientID", "mayfly"), ``)
	check(w.must("UpdateOpenIDConnectProviderThumbprint", "OpenIDConnectProviderArn", provider, "ThumbprintList.member.1", strings.Repeat("cd", 20)), ``)
	check(w.must("GetOpenIDConnectProvider", "OpenIDConnectProviderArn", provider),
		`<Url>https://gitlab.example:8443/a</Url><ClientIDList><member>b</member></ClientIDList><ThumbprintList><member>`+strings.Repeat("cd", 20)+`</member></ThumbprintList><CreateDate></CreateDate><Tags><member><Key>k</Key><Value>v</Value></member></Tags>`)
	check(w.must("ListOpenIDConnectProviders"), `<OpenIDConnectProviderList><member><Arn>arn:aws:iam::111122223333:oidc-provider/b.example</Arn></member><member><Arn>`+provider+`</Arn></member></OpenIDConnectProviderList>`)
	check(w.fails("CreateOpenIDConnectProvider", "Url", "https://b.example"), "409 EntityAlreadyExists: Provider with url https://b.example already exists.")
	check(w.fails("CreateOpenIDConnectProvider", "Url", "http://c.example"), "400 ValidationError: Invalid Open ID Connect Provider URL: it does not begin with https://")
	check(w.must("DeleteOpenIDConnectProvider", "OpenIDConnectProviderArn", provider), ``)
	for _, action := range []string{"DeleteOpenIDConnectProvider", "GetOpenIDConnectProvider"} {
		check(w.fails(action, "OpenIDConnectProviderArn", provider), "404 NoSuchEntity: OpenIDConnect Provider not found for arn "+provider)
		check(w.fails(action, "OpenIDConnectProviderArn", "gitlab.example is not an ARN"), "400 ValidationError: Invalid ARN:  Could not be parsed!")
	}
	check(w.fails("UpdateOpenIDConnectProviderThumbprint", "OpenIDConnectProviderArn", "arn:aws:iam::111122223333:oidc-provider/b.example"), "400 InvalidInput: Thumbprint list must contain at least one entry.")
	check(w.fails("ListOpenIDConnectProviders", "MaxItems", "3"), "400 ValidationError: 1 validation error detected: Value at &#39;maxItems&#39; failed to satisfy constraint: the parameter is not supported for ListOpenIDConnectProviders")
}

func TestRoles(t *testing.T) {
	w := newWorld(t)
	check := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	common := func(path, name, doc string) string {
		return `<Path>` + path + `</Path><RoleName>` + name + `</RoleName><RoleId>AROA</RoleId><Arn>arn:aws:iam::111122223333:role` + path + name + `</Arn><CreateDate></CreateDate><AssumeRolePolicyDocument>` + iamwire.Document([]byte(doc)) + `</AssumeRolePolicyDocument>`
	}
	check(w.must("CreateRole", "RoleName", "a", "AssumeRolePolicyDocument", trust), `<Role>`+common("/", "a", trust)+`</Role>`)
	check(w.must("GetRole", "RoleName", "a"), `<Role>`+common("/", "a", trust)+`<MaxSessionDuration>3600</MaxSessionDuration><RoleLastUsed></RoleLastUsed></Role>`)
	check(w.must("CreateRole", "RoleName", "b", "Path", "/ci/", "Description", "d & e", "MaxSessionDuration", "7200", "AssumeRolePolicyDocument", trust+"\n", "Tags.member.1.Key", "k", "Tags.member.1.Value", ""),
		`<Role>`+common("/ci/", "b", trust+"\n")+`<Description>d &amp; e</Description><MaxSessionDuration>7200</MaxSessionDuration><Tags><member><Key>k</Key><Value></Value></member></Tags></Role>`)
	check(w.must("UpdateRole", "RoleName", "b", "Description", ""), ``)
	check(w.must("GetRole", "RoleName", "B"), `<Role>`+common("/ci/", "b", trust+"\n")+`<MaxSessionDuration>3600</MaxSessionDuration><Tags><member><Key>k</Key><Value></Value></member></Tags><RoleLastUsed></RoleLastUsed></Role>`)
	check(w.must("UpdateRole", "RoleName", "b", "MaxSessionDuration", "7200"), ``)
	other := strings.Replace(trust, "gitlab.example", "other.example", 1)
	check(w.must("UpdateAssumeRolePolicy", "RoleName", "b", "PolicyDocument", other), ``)
	check(w.must("ListRoles", "PathPrefix", "/ci/"), `<Roles><member>`+common("/ci/", "b", other)+`<MaxSessionDuration>7200</MaxSessionDuration></member></Roles><IsTruncated>false</IsTruncated>`)
	if got := w.must("ListRoles"); strings.Count(got, "<member>") != 3 || !strings.Contains(got, "<RoleName>mayfly-admin</RoleName>") {
		t.Errorf("all roles are %s", got)
	}

	const doc = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"arn:aws:eks:*:*:cluster/a%2Fb"}}`
	check(w.must("ListRolePolicies", "RoleName", "b"), `<PolicyNames></PolicyNames><IsTruncated>false</IsTruncated>`)
	check(w.must("PutRolePolicy", "RoleName", "b", "PolicyName", "p", "PolicyDocument", doc), ``)
	check(w.must("PutRolePolicy", "RoleName", "b", "PolicyName", "o", "PolicyDocument", doc), ``)
	check(w.must("ListRolePolicies", "RoleName", "b"), `<PolicyNames><member>o</member><member>p</member></PolicyNames><IsTruncated>false</IsTruncated>`)
	check(w.must("GetRolePolicy", "RoleName", "B", "PolicyName", "p"), `<RoleName>b</RoleName><PolicyName>p</PolicyName><PolicyDocument>`+iamwire.Document([]byte(doc))+`</PolicyDocument>`)
	check(w.fails("DeleteRole", "RoleName", "b"), "409 DeleteConflict: Cannot delete entity, must delete policies first.")
	check(w.must("DeleteRolePolicy", "RoleName", "b", "PolicyName", "o"), ``)
	check(w.must("DeleteRolePolicy", "RoleName", "b", "PolicyName", "p"), ``)
	check(w.fails("GetRolePolicy", "RoleName", "b", "PolicyName", "p"), "404 NoSuchEntity: The role policy with name p cannot be found.")
	check(w.must("DeleteRole", "RoleName", "b"), ``)
	check(w.fails("GetRole", "RoleName", "b"), "404 NoSuchEntity: The role with name b cannot be found.")

	check(w.fails("CreateRole", "RoleName", "A", "AssumeRolePolicyDocument", trust), "409 EntityAlreadyExists: Role with name A already exists.")
	check(w.fails("CreateRole", "RoleName", "c", "AssumeRolePolicyDocument", "{not json"), "400 MalformedPolicyDocument: This policy contains invalid Json (line 1, column 2: not JSON: a name in double quotes is expected here)")
	check(w.fails("DeleteRole", "RoleName", "mayfly-admin"), "400 UnmodifiableEntity: The role mayfly-admin is Mayfly&#39;s own and cannot be changed.")
	if got := w.fails("CreateRole", "RoleName", "c", "AssumeRolePolicyDocument", strings.Replace(trust, "gitlab.example", "gitlab.com", 1)); !strings.HasPrefix(got, "400 MalformedPolicyDocument: ") || !strings.Contains(got, "gitlab.com:sub") {
		t.Errorf("a trust in everyone: %s", got)
	}
	if got := w.fails("PutRolePolicy", "RoleName", "a", "PolicyName", "p", "PolicyDocument", strings.Replace(doc, `"Effect"`, `"Sid":"`+strings.Repeat("x", 10240)+`","Effect"`, 1)); got != "409 LimitExceeded: Maximum policy size of 10240 bytes exceeded for role a" {
		t.Errorf("a policy too large: %.200s", got)
	}
	if got := w.fails("CreateRole", "RoleName", "c d", "Path", "x", "AssumeRolePolicyDocument", trust); !strings.HasPrefix(got, "400 ValidationError: 2 validation errors detected: ") {
		t.Errorf("two broken rules: %s", got)
	}
}

// TestTags: a key is one key in whatever case, and the newest spelling stays.
func TestTags(t *testing.T) {
	w := newWorld(t)
	w.must("CreateRole", "RoleName", "a", "AssumeRolePolicyDocument", trust, "Tags.member.1.Key", "Team", "Tags.member.1.Value", "x")
	w.must("CreateOpenIDConnectProvider", "Url", "https://gitlab.example:8443/a", "Tags.member.1.Key", "Team", "Tags.member.1.Value", "x")
	w.must("CreatePolicy", "PolicyName", "a", "PolicyDocument", readOnly, "Tags.member.1.Key", "Team", "Tags.member.1.Value", "x")
	for _, on := range []struct{ kind, name, value string }{{"Role", "RoleName", "a"}, {"OpenIDConnectProvider", "OpenIDConnectProviderArn", provider}, {"Policy", "PolicyArn", policyA}} {
		list := func() string { return w.must("List"+on.kind+"Tags", on.name, on.value) }
		tag := func(key, value string) string {
			return `<member><Key>` + key + `</Key><Value>` + value + `</Value></member>`
		}
		for _, step := range []struct{ got, want string }{
			{list(), `<Tags>` + tag("Team", "x") + `</Tags><IsTruncated>false</IsTruncated>`},
			{w.must("Tag"+on.kind, on.name, on.value, "Tags.member.1.Key", "b", "Tags.member.1.Value", "", "Tags.member.2.Key", "TEAM", "Tags.member.2.Value", "y"), ``},
			{list(), `<Tags>` + tag("TEAM", "y") + tag("b", "") + `</Tags><IsTruncated>false</IsTruncated>`},
			{w.must("List"+on.kind+"Tags", on.name, on.value, "MaxItems", "1"), `<Tags>` + tag("TEAM", "y") + `</Tags><IsTruncated>true</IsTruncated><Marker>1</Marker>`},
			{w.must("List"+on.kind+"Tags", on.name, on.value, "MaxItems", "1", "Marker", "1"), `<Tags>` + tag("b", "") + `</Tags><IsTruncated>false</IsTruncated>`},
			{w.must("Untag"+on.kind, on.name, on.value, "TagKeys.member.1", "team", "TagKeys.member.2", "missing"), ``},
			{list(), `<Tags>` + tag("b", "") + `</Tags><IsTruncated>false</IsTruncated>`},
			{w.fails("Tag"+on.kind, on.name, on.value, "Tags.member.1.Key", "a", "Tags.member.1.Value", "", "Tags.member.2.Key", "A", "Tags.member.2.Value", ""), "400 InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive."},
			{w.fails("Tag"+on.kind, on.name, on.value, "Tags.member.1.Key", "Aws:x", "Tags.member.1.Value", ""), "400 InvalidInput: Tag keys may not begin with aws:"},
			{w.fails("Tag"+on.kind, on.name, on.value), "400 ValidationError: 1 validation error detected: Value null at &#39;tags&#39; failed to satisfy constraint: Member must not be null"},
			{w.fails("Untag"+on.kind, on.name, on.value), "400 ValidationError: 1 validation error detected: Value null at &#39;tagKeys&#39; failed to satisfy constraint: Member must not be null"},
			{list(), `<Tags>` + tag("b", "") + `</Tags><IsTruncated>false</IsTruncated>`},
		} {
			if step.got != step.want {
				t.Errorf("%s: got  %s\nwant %s", on.kind, step.got, step.want)
			}
		}
		var many []string
		for i := range 50 {
			many = append(many, fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i), fmt.Sprintf("Tags.member.%d.Value", i+1), "")
		}
		if got := w.fails("Tag"+on.kind, append([]string{on.name, on.value}, many...)...); got != "409 LimitExceeded: Cannot exceed quota for TagsPerResource: 50" {
			t.Errorf("51 tags: %s", got)
		}
		if got := w.fails("List"+on.kind+"Tags", on.name, strings.Replace(on.value, "a", "z", -1)); !strings.HasPrefix(got, "40") {
			t.Errorf("tags of what does not exist: %s", got)
		}
	}
	if got := w.fails("TagRole", "RoleName", "mayfly-admin", "Tags.member.1.Key", "a", "Tags.member.1.Value", ""); !strings.HasPrefix(got, "400 UnmodifiableEntity: ") {
		t.Errorf("a tag of the administrator's: %s", got)
	}
}

// TestEmptyLists are what Terraform asks of each role.
func TestEmptyLists(t *testing.T) {
	w := newWorld(t)
	w.must("CreateRole", "RoleName", "a", "AssumeRolePolicyDocument", trust)
	for action, want := range map[string]string{
		"ListAttachedRolePolicies": `<AttachedPolicies></AttachedPolicies><IsTruncated>false</IsTruncated>`, "ListInstanceProfilesForRole": `<InstanceProfiles></InstanceProfiles><IsTruncated>false</IsTruncated>`,
	} {
		if got := w.must(action, "RoleName", "A"); got != want {
			t.Errorf("%s: %s", action, got)
		}
		if got := w.fails(action, "RoleName", "b"); got != "404 NoSuchEntity: The role with name b cannot be found." {
			t.Errorf("%s of no role: %s", action, got)
		}
	}
	if got := w.must("UpdateRoleDescription", "RoleName", "a", "Description", "d"); !strings.Contains(got, `<Role><Path>/</Path><RoleName>a</RoleName>`) || !strings.Contains(got, `<Description>d</Description><MaxSessionDuration>3600</MaxSessionDuration>`) {
		t.Errorf("described it is %s", got)
	}
	if got := w.fails("UpdateRoleDescription", "RoleName", "a"); !strings.Contains(got, "Value null at &#39;description&#39;") {
		t.Errorf("no description: %s", got)
	}
}

// TestPages walks the lists page by page.
func TestPages(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		name := fmt.Sprint("r", i)
		want = append(want, name)
		w.must("CreateRole", "RoleName", name, "Path", "/p/", "AssumeRolePolicyDocument", trust)
		w.must("PutRolePolicy", "RoleName", "r0", "PolicyName", fmt.Sprint("p", i), "PolicyDocument", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"*"}}`)
	}
	for i := range 7 {
		w.must("CreatePolicy", "PolicyName", fmt.Sprint("p", i), "Path", "/p/", "PolicyDocument", readOnly)
		w.must("AttachRolePolicy", "RoleName", "r0", "PolicyArn", fmt.Sprint("arn:aws:iam::111122223333:policy/p/p", i))
		w.must("PutRolePermissionsBoundary", "RoleName", fmt.Sprint("r", i), "PermissionsBoundary", "arn:aws:iam::111122223333:policy/p/p0")
		w.must("TagRole", "RoleName", "r0", "Tags.member.1.Key", fmt.Sprint("α", i), "Tags.member.1.Value", "") // no marker can hold it
	}
	name := regexp.MustCompile(`<PolicyName>([^<]*)<`)
	item := map[string]*regexp.Regexp{"ListRoles": regexp.MustCompile(`<RoleName>([^<]*)<`), "ListRolePolicies": regexp.MustCompile(`<member>([^<]*)<`), "ListPolicies": name, "ListAttachedRolePolicies": name,
		"ListEntitiesForPolicy": regexp.MustCompile(`<RoleName>([^<]*)<`), "ListRoleTags": regexp.MustCompile(`<Key>\pL([^<]*)<`), "SimulateCustomPolicy": regexp.MustCompile(`<EvalActionName>r:([^<]*)<`)}
	simulate := []string{"PolicyInputList.member.1", readOnly}
	for i := range 7 {
		simulate = append(simulate, fmt.Sprintf("ActionNames.member.%d", i+1), fmt.Sprint("r:r", i))
	}
	marker := regexp.MustCompile(`<IsTruncated>true</IsTruncated><Marker>(.*)</Marker>`)
	for _, tt := range []struct {
		action string
		params []string
	}{{"ListRoles", []string{"PathPrefix", "/p/"}}, {"ListRolePolicies", []string{"RoleName", "r0"}}, {"ListPolicies", []string{"PathPrefix", "/p/"}}, {"ListAttachedRolePolicies", []string{"RoleName", "r0"}},
		{"ListEntitiesForPolicy", []string{"PolicyArn", "arn:aws:iam::111122223333:policy/p/p0"}}, {"ListRoleTags", []string{"RoleName", "r0"}}, {"SimulateCustomPolicy", simulate}} {
		for _, size := range []int{1, 2, 3, 6, 7, 8, 1000} {
			var got []string
			params := append(tt.params, "MaxItems", fmt.Sprint(size))
			for page := 0; page < 9; page++ {
				body := w.must(tt.action, params...)
				for _, m := range item[tt.action].FindAllStringSubmatch(body, -1) {
					got = append(got, "r"+m[1][len(m[1])-1:])
				}
				next := marker.FindStringSubmatch(body)
				if next == nil {
					break
				}
				params = append(append(slices.Clip(tt.params), "MaxItems", fmt.Sprint(size)), "Marker", next[1])
			}
			if strings.Join(got, " ") != strings.Join(want, " ") {
				t.Errorf("%s by %d: %v", tt.action, size, got)
			}
		}
	}
	for _, action := range []string{"ListRoleTags", "SimulateCustomPolicy"} {
		params := map[string][]string{"ListRoleTags": {"RoleName", "r0"}, "SimulateCustomPolicy": simulate}[action]
		if body := w.must(action, append(slices.Clip(params), "Marker", "999999")...); strings.Contains(body, "<member>") {
			t.Errorf("%s after the end: %s", action, body)
		}
		if got := w.fails(action, append(slices.Clip(params), "Marker", "zzz")...); !strings.HasPrefix(got, "400 ValidationError: ") {
			t.Errorf("%s with a marker that nobody gave: %s", action, got)
		}
	}
	if body := w.must("ListRoles", "Marker", "zzz"); strings.Contains(body, "<member>") {
		t.Errorf("after the end: %s", body)
	}
}

// TestEveryReasonHasACode: a reason without a row would be answered with an
// empty code.
func TestEveryReasonHasACode(t *testing.T) {
	for r := range reasontest.Count(t, "../iam", "Reason") {
		f := iamapi.Failure(iam.Refuse(iam.Reason(r+1), "detail"))
		if f.Code == "" || f.Status < 400 || f.Message != "detail" {
			t.Errorf("%s: %+v", iam.Reason(r+1), f)
		}
	}
}

func TestFailure(t *testing.T) {
	_, syntax := policy.Parse(policy.Trust, []byte("{"))
	hidden := errors.New("/var/lib/mayfly/mayfly.db: disk I/O error")
	for _, tt := range []struct {
		err  error
		want awsquery.Failure
	}{
		{&awsquery.ConstraintError{Broken: []string{"x"}}, awsquery.Failure{Status: 400, Code: "ValidationError", Message: "1 validation error detected: x"}},
		{syntax, awsquery.Failure{Status: 400, Code: "MalformedPolicyDocument", Message: "This policy contains invalid Json (" + syntax.Error() + ")"}},
		{iam.Refuse(iam.NoSuchEntity, "m"), awsquery.Failure{Status: 404, Code: "NoSuchEntity", Message: "m"}},
		{errors.Join(iam.Refuse(iam.NoSuchEntity, "m"), hidden), awsquery.Failure{Status: 404, Code: "NoSuchEntity", Message: "m"}},
		{&authz.DeniedError{Caller: "A", Action: "iam:GetRole", Resource: "R"}, awsquery.Failure{Status: 403, Code: "AccessDenied", Message: "User: A is not authorized to perform: iam:GetRole on resource: R because no identity-based policy allows the iam:GetRole action"}},
		{fault.Wrap(fault.Unavailable, hidden, "Try again."), awsquery.Failure{Status: 503, Code: "ServiceUnavailable", Message: "Try again."}},
		{fault.New(fault.Throttled, "Later."), awsquery.Failure{Status: 400, Code: "Throttling", Message: "Later."}},
		{fault.Wrap(fault.Internal, hidden, "it broke"), awsquery.Failure{Status: 500, Code: "ServiceFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}},
		{hidden, awsquery.Failure{Status: 500, Code: "ServiceFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}},
		{&iam.Error{Detail: "no reason"}, awsquery.Failure{Status: 500, Code: "ServiceFailure", Message: "The request processing has failed because of an unknown error, exception or failure."}},
	} {
		got := iamapi.Failure(tt.err)
		if got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.err, got, tt.want)
		}
		if strings.Contains(got.Message, "mayfly.db") {
			t.Errorf("a cause is shown: %s", got.Message)
		}
	}
}

func TestServes(t *testing.T) {
	for action, want := range map[string]bool{"CreateRole": true, "createrole": false, "CreateUser": true, "CreateAccessKey": true, "createuser": false, "CreatePolicy": true, "CreateSAMLProvider": false, "AssumeRoleWithWebIdentity": false, "": false} {
		if iamapi.Serves(action) != want {
			t.Errorf("%q: %v", action, !want)
		}
	}
	w := newWorld(t)
	r, _ := awsquery.Decode("Action=CreateSAMLProvider", nil)
	if result, err := w.Do(t.Context(), w.call, r); err == nil || result != nil || iamapi.Failure(err).Status != 500 {
		t.Errorf("what is not served: %v, %v", result, err)
	}
}

// TestUsers: there are none, and who asks for one is told so and recorded.
func TestUsers(t *testing.T) {
	w := newWorld(t)
	for _, action := range []string{"CreateUser", "GetUser", "CreateAccessKey", "AttachUserPolicy", "CreateLoginProfile", "CreateGroup"} {
		if got := w.fails(action, "UserName", "bob", "Anything", "goes"); !strings.HasPrefix(got, "400 UnsupportedOperation: IAM users, groups and access keys do not exist here, on purpose") {
			t.Errorf("%s: %s", action, got)
		}
		events, err := w.db.Audit(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		last, err := audit.Decode(events[len(events)-1].Body)
		if err != nil || last.Action != "iam:"+action || last.Outcome != audit.Denied || last.Reason != "does not exist here" {
			t.Errorf("%s is recorded as %+v, %v", action, last, err)
		}
	}
	for action, want := range map[string]string{"ListUsers": "Users", "ListGroups": "Groups", "ListAccessKeys": "AccessKeyMetadata"} {
		if got := w.must(action); got != `<`+want+`></`+want+`><IsTruncated>false</IsTruncated>` {
			t.Errorf("%s: %s", action, got)
		}
		if got := w.fails(action, "Marker", ""); !strings.HasPrefix(got, "400 ValidationError: ") {
			t.Errorf("%s with a broken marker: %s", action, got)
		}
	}
}

// TestUnavailable: what cannot be recorded is answered with 503, and not made.
func TestUnavailable(t *testing.T) {
	w := newWorld(t)
	w.db.FailNext(errors.New("disk full"))
	if got := w.fails("CreateRole", "RoleName", "a", "AssumeRolePolicyDocument", trust); got != "503 ServiceUnavailable: The change could not be recorded, so it was not made. Try again." {
		t.Errorf("got %s", got)
	}
	if got := w.fails("GetRole", "RoleName", "a"); !strings.HasPrefix(got, "404 ") {
		t.Errorf("it was made: %s", got)
	}
}

// TestUnreadable: who signs is held to what they send, also to what nobody can
// read.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	for _, action := range []string{"CreateRole", "GetRole", "DeleteOpenIDConnectProvider", "ListRoles"} {
		if got := w.fails(action, "Colour", "red"); !strings.HasPrefix(got, "400 ValidationError: ") {
			t.Errorf("%s: %s", action, got)
		}
	}
	lines, err := w.db.Audit(t.Context(), 0, 10)
	if err != nil || len(lines) != 4 || !strings.Contains(string(lines[0].Body), `"action":"iam:CreateRole","outcome":"denied","reason":"unreadable request"`) {
		t.Errorf("recorded is %+v, %v", lines, err)
	}
}
