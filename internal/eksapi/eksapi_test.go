package eksapi_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/control"
	"mayfly.internal/internal/control/controltest"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/eksapi"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
	"mayfly.internal/internal/wire/awsrest"
)

const (
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`
	role  = "arn:aws:iam::111122223333:role/ci/deployer"
	view  = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
	ca    = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
	edit  = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
)

// world is the API over a real control plane and store, with two clusters and a
// role.
type world struct {
	testing.TB
	eksapi.API
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
	w := &world{t, eksapi.API{Control: ctl}, db, control.Call{Caller: who, Info: request.Info{ID: "r", Region: "eu-central-1", Time: time.Now()}}}
	for name, mode := range map[string]eks.AuthenticationMode{"prod": eks.ModeAPI, "classic": eks.ModeConfigMap} {
		if _, err := ctl.RegisterCluster(t.Context(), w.call, eks.Cluster{Name: name, Region: "eu-central-1", Endpoint: "https://k8s.example:6443", CA: []byte(ca), Mode: mode}); err != nil {
			t.Fatal(err)
		}
	}
	w.role("/ci/", "deployer")
	return w
}

func (w *world) role(path, name string) {
	w.Helper()
	if _, err := w.Control.CreateRole(w.Context(), w.call, control.RoleInput{Path: path, Name: name, Trust: trust}); err != nil {
		w.Fatal(err)
	}
}

// do does a request: method, escaped path with its query, and body. It gives
// status, error type and body as a client gets them.
func (w *world) do(method, target, body string) (int, string) {
	w.Helper()
	path, query, _ := strings.Cut(target, "?")
	r, ok := eksapi.Route(method, path)
	if !ok {
		return 0, "no route"
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		w.Fatal(err)
	}
	r.Query, r.Body = values, []byte(body)
	out, err := w.Do(w.Context(), w.call, r)
	if err != nil {
		f := eksapi.Failure(err)
		return f.Status, f.Code + " " + string(f.Body())
	}
	return http.StatusOK, string(awsrest.Encode(out))
}

// drawn are the parts of a body that differ each time.
var drawn = regexp.MustCompile(`\d{10}\.\d{3}|[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func (w *world) check(method, target, body, want string) {
	w.Helper()
	status, got := w.do(method, target, body)
	got = drawn.ReplaceAllString(got, "#")
	if status != http.StatusOK {
		got = fmt.Sprint(status, " ", got)
	}
	if got != want {
		w.Errorf("%s %s %s\ngot  %s\nwant %s", method, target, body, got, want)
	}
}

var (
	encodedRole = url.QueryEscape(role)
	entries     = "/clusters/prod/access-entries"
	entry       = entries + "/" + encodedRole
	policies    = entry + "/access-policies"
)

func TestClusters(t *testing.T) {
	w := newWorld(t)
	w.check("GET", "/clusters", "", `{"clusters":["classic","prod"]}`)
	w.check("GET", "/clusters?include=all", "", `{"clusters":["classic","prod"]}`)
	w.check("GET", "/clusters?maxResults=1", "", `{"clusters":["classic"],"nextToken":"Y2xhc3NpYw"}`)
	w.check("GET", "/clusters?maxResults=1&nextToken=Y2xhc3NpYw", "", `{"clusters":["prod"]}`)
	w.check("GET", "/clusters/prod", "", `{"cluster":{"name":"prod","arn":"arn:aws:eks:eu-central-1:111122223333:cluster/prod","createdAt":#,"endpoint":"https://k8s.example:6443","resourcesVpcConfig":{"subnetIds":[],"securityGroupIds":[],"publicAccessCidrs":[]},`+
		`"kubernetesNetworkConfig":{},"logging":{"clusterLogging":[]},"identity":{},"status":"ACTIVE","certificateAuthority":{"data":"`+base64.StdEncoding.EncodeToString([]byte(ca))+`"},"tags":{},"accessConfig":{"authenticationMode":"API"},"upgradePolicy":{}}}`)
	w.check("GET", "/clusters/none", "", `404 ResourceNotFoundException {"clusterName":"none","message":"No cluster found for name: none."}`)
	w.check("GET", "/clusters/pr%6Fd", "{}", w.same("GET", "/clusters/prod"))
	w.call.Info.Region = "us-east-1"
	w.check("GET", "/clusters", "", `{"clusters":[]}`)
	w.check("GET", "/clusters/prod", "", `404 ResourceNotFoundException {"clusterName":"prod","message":"No cluster found for name: prod."}`)
}

// TestUpdates: the mode moves on one step at a time, in AWS's words, and is in
// force before the answer.
func TestUpdates(t *testing.T) {
	w := newWorld(t)
	const path = "/clusters/classic/update-config"
	update := func(mode string) string {
		return `{"update":{"id":"#","status":"Successful","type":"AccessConfigUpdate","params":[{"type":"AuthenticationMode","value":"\"` + mode + `\""}],"createdAt":#,"errors":[]}}`
	}
	unsupported := func(from, to string) string {
		return `400 InvalidParameterException {"message":"Unsupported authentication mode update from ` + from + ` to ` + to + `"}`
	}
	w.check("GET", "/clusters/classic/updates", "", `{"updateIds":[]}`)
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"API"}}`, unsupported("CONFIG_MAP", "API"))
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"CONFIG_MAP"}}`, unsupported("CONFIG_MAP", "CONFIG_MAP"))
	_, first := w.do("POST", path, `{"accessConfig":{"authenticationMode":"API_AND_CONFIG_MAP"},"clientRequestToken":"t"}`)
	if got := drawn.ReplaceAllString(first, "#"); got != update("API_AND_CONFIG_MAP") {
		t.Error(first)
	}
	if _, mode := w.do("GET", "/clusters/classic", ""); !strings.Contains(mode, `"status":"ACTIVE"`) || !strings.Contains(mode, `"authenticationMode":"API_AND_CONFIG_MAP"`) {
		t.Error(mode)
	}
	if _, again := w.do("POST", path, `{"accessConfig":{"authenticationMode":"API_AND_CONFIG_MAP"},"clientRequestToken":"t"}`); again != first { // its answer was lost
		t.Errorf("repeated: %s", again)
	}
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"API_AND_CONFIG_MAP"}}`, unsupported("API_AND_CONFIG_MAP", "API_AND_CONFIG_MAP"))
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"CONFIG_MAP"}}`, unsupported("API_AND_CONFIG_MAP", "CONFIG_MAP"))
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"API"}}`, update("API"))
	w.check("POST", path, `{"accessConfig":{"authenticationMode":"API_AND_CONFIG_MAP"}}`, unsupported("API", "API_AND_CONFIG_MAP"))

	id := strings.Split(first, `"`)[5]
	if _, got := w.do("GET", "/clusters/classic/updates/"+id, ""); got != first {
		t.Error(got)
	}
	w.check("GET", "/clusters/prod/updates/"+id, "", `404 ResourceNotFoundException {"clusterName":"prod","message":"No update found for ID: #"}`)
	w.check("GET", "/clusters/classic/updates/none", "", `404 ResourceNotFoundException {"clusterName":"classic","message":"No update found for ID: none"}`)
	w.check("GET", "/clusters/classic/updates", "", `{"updateIds":["#","#"]}`)
	_, page := w.do("GET", "/clusters/classic/updates?maxResults=1", "")
	next := strings.Split(page, `"`)
	if len(next) != 9 || next[5] != "nextToken" {
		t.Fatal(page)
	}
	w.check("GET", "/clusters/classic/updates?maxResults=1&nextToken="+next[7], "", `{"updateIds":["#"]}`)

	for body, why := range map[string]string{
		``: "accessConfig is missing", `{"accessConfig":{}}`: "accessConfig.authenticationMode is missing", `{"accessConfig":{"authenticationMode":1}}`: "accessConfig.authenticationMode must be a string, not number",
		`{"accessConfig":{"authenticationMode":"NONE"}}`: `The authentication mode \"NONE\" is invalid: API, API_AND_CONFIG_MAP or CONFIG_MAP is wanted`, `{"logging":{}}`: "logging is not supported",
		`{"accessConfig":{"authenticationMode":"API"},"resourcesVpcConfig":{"endpointPublicAccess":true}}`: "resourcesVpcConfig is not supported",
		`{"accessConfig":{"authenticationMode":"API","bootstrapClusterCreatorAdminPermissions":true}}`:     "accessConfig.bootstrapClusterCreatorAdminPermissions is not supported",
		`{"accessConfig":{"authenticationMode":"API"},"upgradePolicy":{"supportType":"STANDARD"}}`:         "upgradePolicy is not supported",
		`{"accessConfig":{"authenticationMode":"API"},"deletionProtection":true}`:                          "deletionProtection is not supported",
	} {
		w.check("POST", path, body, `400 InvalidParameterException {"message":"`+why+`"}`)
	}
	for _, name := range []string{"nodegroupName", "addonName", "capabilityName"} {
		for _, of := range []string{"updates", "updates/" + id} {
			w.check("GET", "/clusters/classic/"+of+"?"+name+"=x", "", `400 InvalidParameterException {"message":"The query parameter `+name+` is not supported here, or stands twice"}`)
		}
	}
}

// same is the body of a request.
func (w *world) same(method, target string) string {
	w.Helper()
	_, body := w.do(method, target, "")
	return drawn.ReplaceAllString(body, "#")
}

func TestEntries(t *testing.T) {
	w := newWorld(t)
	one := func(groups, tags, username string) string {
		return `{"accessEntry":{"clusterName":"prod","principalArn":"` + role + `","kubernetesGroups":` + groups + `,"accessEntryArn":"arn:aws:eks:eu-central-1:111122223333:access-entry/prod/role/111122223333/deployer/#",` +
			`"createdAt":#,"modifiedAt":#,"tags":` + tags + `,"username":"` + username + `","type":"STANDARD"}}`
	}
	const byDefault = "arn:aws:sts::111122223333:assumed-role/deployer/{{SessionName}}"
	w.check("GET", entries, "", `{"accessEntries":[]}`)
	w.check("POST", entries, `{"principalArn":"`+role+`","clientRequestToken":"t-1"}`, one("[]", "{}", byDefault))
	w.check("POST", entries, `{"principalArn":"`+role+`","clientRequestToken":"t-1"}`, one("[]", "{}", byDefault)) // its answer was lost
	w.check("POST", entries, `{"principalArn":"`+role+`","clientRequestToken":"t-2"}`, `409 ResourceInUseException {"clusterName":"prod","message":"The specified access entry resource is already in use on this cluster."}`)
	w.check("POST", entries, `{"principalArn":"`+role+`"}`, `409 ResourceInUseException {"clusterName":"prod","message":"The specified access entry resource is already in use on this cluster."}`)
	w.check("GET", entry, "", one("[]", "{}", byDefault))
	w.check("POST", entry, `{"kubernetesGroups":["a","b"],"clientRequestToken":"u"}`, one(`["a","b"]`, "{}", byDefault))
	w.check("POST", entry, `{"username":"ci:{{SessionName}}"}`, one(`["a","b"]`, "{}", "ci:{{SessionName}}"))
	w.check("POST", entry, `{"kubernetesGroups":[],"username":""}`, one("[]", "{}", byDefault))
	w.check("POST", entry, `{}`, one("[]", "{}", byDefault))
	w.check("GET", entries, "", `{"accessEntries":["`+role+`"]}`)
	w.check("DELETE", entry, "", `{}`)
	missing := `404 ResourceNotFoundException {"clusterName":"prod","message":"The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'."}`
	missing = strings.ReplaceAll(missing, "'", `'`)
	w.check("DELETE", entry, "", missing)
	w.check("GET", entry, "", missing)
	w.check("POST", entry, `{}`, missing)
	w.check("POST", entries, `{"principalArn":"`+role+`","tags":{"k":"v"},"kubernetesGroups":["g"],"username":"u","type":"STANDARD"}`, one(`["g"]`, `{"k":"v"}`, "u"))

	w.check("POST", entries, `{"principalArn":"arn:aws:iam::111122223333:role/deployer"}`, `400 InvalidParameterException {"clusterName":"prod","message":"The specified principalArn is invalid: invalid principal"}`)
	w.check("POST", entries, `{"principalArn":"`+role+`","kubernetesGroups":["system:masters"]}`, `400 InvalidParameterException {"message":"The kubernetes group name system:masters is invalid, it cannot start with system:"}`)
	w.check("POST", entries, `{"principalArn":"`+role+`","username":"system:x"}`, `400 InvalidParameterException {"message":"The username must not begin with system:"}`)
	w.check("POST", entries, `{"kubernetesGroups":[]}`, `400 InvalidParameterException {"message":"principalArn is missing"}`)
	w.check("POST", "/clusters/classic/access-entries", `{"principalArn":"`+role+`"}`, `400 InvalidRequestException {"message":"The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation."}`)
	w.check("GET", "/clusters/none/access-entries", "", `404 ResourceNotFoundException {"clusterName":"none","message":"No cluster found for name: none."}`)
	w.db.FailNext(errors.New("disk full"))
	w.check("DELETE", entry, "", `503 ServiceUnavailableException {"message":"The change could not be recorded, so it was not made. Try again."}`)
	w.check("GET", entries, "", `{"accessEntries":["`+role+`"]}`)
}

func TestPolicies(t *testing.T) {
	w := newWorld(t)
	w.do("POST", entries, `{"principalArn":"`+role+`"}`)
	w.role("/", "other")
	w.do("POST", entries, `{"principalArn":"arn:aws:iam::111122223333:role/other"}`)
	association := func(policy, scope string) string {
		return `{"policyArn":"` + policy + `","accessScope":` + scope + `,"associatedAt":#,"modifiedAt":#}`
	}
	head := `{"clusterName":"prod","principalArn":"` + role + `",`
	w.check("GET", policies, "", head+`"associatedAccessPolicies":[]}`)
	w.check("POST", policies, `{"policyArn":"`+view+`","accessScope":{"type":"cluster"}}`, head+`"associatedAccessPolicy":`+association(view, `{"type":"cluster","namespaces":[]}`)+`}`)
	w.check("POST", policies, `{"policyArn":"`+edit+`","accessScope":{"type":"namespace","namespaces":["production","dev-*"]}}`, head+`"associatedAccessPolicy":`+association(edit, `{"type":"namespace","namespaces":["production","dev-*"]}`)+`}`)
	w.check("POST", policies, `{"policyArn":"`+view+`","accessScope":{"type":"namespace","namespaces":["stage"]}}`, head+`"associatedAccessPolicy":`+association(view, `{"type":"namespace","namespaces":["stage"]}`)+`}`)
	w.check("GET", policies, "", head+`"associatedAccessPolicies":[`+association(edit, `{"type":"namespace","namespaces":["production","dev-*"]}`)+`,`+association(view, `{"type":"namespace","namespaces":["stage"]}`)+`]}`)
	w.check("GET", policies+"?maxResults=1", "", head+`"associatedAccessPolicies":[`+association(edit, `{"type":"namespace","namespaces":["production","dev-*"]}`)+`],"nextToken":"YXJuOmF3czpla3M6OmF3czpjbHVzdGVyLWFjY2Vzcy1wb2xpY3kvQW1hem9uRUtTRWRpdFBvbGljeQ"}`)
	w.check("GET", policies+"?nextToken=YXJuOmF3czpla3M6OmF3czpjbHVzdGVyLWFjY2Vzcy1wb2xpY3kvQW1hem9uRUtTRWRpdFBvbGljeQ", "", head+`"associatedAccessPolicies":[`+association(view, `{"type":"namespace","namespaces":["stage"]}`)+`]}`)
	w.check("GET", entries+"?associatedPolicyArn="+url.QueryEscape(edit), "", `{"accessEntries":["`+role+`"]}`)
	w.check("GET", entries+"?associatedPolicyArn=none", "", `{"accessEntries":[]}`)
	w.check("DELETE", policies+"/"+url.QueryEscape(view), "", `{}`)
	w.check("DELETE", policies+"/"+url.QueryEscape(view), "", `404 ResourceNotFoundException {"clusterName":"prod","message":"The specified policyArn is not associated with the access entry."}`)
	w.check("POST", policies, `{"policyArn":"`+view+`","accessScope":{"type":"namespace"}}`, `400 InvalidParameterException {"message":"The access scope of type namespace needs 1 to 100 namespaces"}`)
	if status, body := w.do("POST", policies, `{"policyArn":"arn:aws:iam::aws:policy/AdministratorAccess","accessScope":{"type":"cluster"}}`); status != 400 || !strings.HasPrefix(body, "InvalidParameterException ") {
		t.Errorf("an IAM policy: %d %s", status, body)
	}
	if status, body := w.do("GET", "/access-policies?maxResults=2", ""); status != 200 || !strings.HasPrefix(body, `{"accessPolicies":[{"name":"AmazonEKSAdminPolicy","arn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy"},{"name":"`) || !strings.Contains(body, "nextToken") {
		t.Errorf("%d %s", status, body)
	}
}

// TestCustomPolicies: an account's own policies stand among AWS's.
func TestCustomPolicies(t *testing.T) {
	w := newWorld(t)
	w.do("POST", entries, `{"principalArn":"`+role+`"}`)
	const mine = "arn:aws:eks::111122223333:cluster-access-policy/log-reader"
	missing := `400 InvalidParameterException {"message":"The policyArn parameter format is not valid: no access policy is called \"` + mine + `\". 'aws eks list-access-policies' lists them."}`
	body := `{"policyArn":"` + mine + `","accessScope":{"type":"namespace","namespaces":["stage"]}}`
	w.check("POST", policies, body, missing)
	if _, err := w.Control.CreateAccessPolicy(t.Context(), w.call, "log-reader", []eks.Rule{{APIGroups: []string{""}, Resources: []string{"pods/log"}, Verbs: []string{"get"}}}); err != nil {
		t.Fatal(err)
	}
	associated := `{"policyArn":"` + mine + `","accessScope":{"type":"namespace","namespaces":["stage"]},"associatedAt":#,"modifiedAt":#}`
	head := `{"clusterName":"prod","principalArn":"` + role + `",`
	w.check("POST", policies, body, head+`"associatedAccessPolicy":`+associated+`}`)
	w.check("GET", policies, "", head+`"associatedAccessPolicies":[`+associated+`]}`)
	w.check("GET", entries+"?associatedPolicyArn="+url.QueryEscape(mine), "", `{"accessEntries":["`+role+`"]}`)
	if _, list := w.do("GET", "/access-policies", ""); strings.Count(list, `"name"`) != 8 || !strings.Contains(list, `{"name":"log-reader","arn":"`+mine+`"}`) {
		t.Error(list)
	}
	w.check("GET", "/access-policies?maxResults=1&nextToken="+base64.RawURLEncoding.EncodeToString([]byte("AmazonEKSViewPolicy")), "", `{"accessPolicies":[{"name":"log-reader","arn":"`+mine+`"}]}`)
	w.check("DELETE", policies+"/"+url.QueryEscape(mine), "", `{}`)
	w.check("GET", policies, "", head+`"associatedAccessPolicies":[]}`)
}

// TestTags: of a cluster and of an entry, each by its own ARN.
func TestTags(t *testing.T) {
	w := newWorld(t)
	w.do("POST", entries, `{"principalArn":"`+role+`","tags":{"team":"web"}}`)
	_, described := w.do("GET", entry, "")
	arn := regexp.MustCompile(`"accessEntryArn":"([^"]*)"`).FindStringSubmatch(described)
	if arn == nil {
		t.Fatal(described)
	}
	clusterARN := strings.Split(arn[1], ":access-entry/")[0] + ":cluster/prod"
	for _, on := range []struct{ arn, first string }{{arn[1], `{"tags":{"team":"web"}}`}, {clusterARN, `{"tags":{}}`}} {
		at := "/tags/" + url.QueryEscape(on.arn)
		w.check("GET", at, "", on.first)
		w.check("POST", at, `{"tags":{"Team":"data"}}`, map[bool]string{true: `{}`, false: `400 InvalidParameterException {"clusterName":"prod","message":"Two tag keys differ in case alone"}`}[on.arn == clusterARN])
		w.check("POST", at, `{"tags":{"b":"1","c":""}}`, `{}`)
		w.check("POST", at, `{"tags":{"b":"2"}}`, `{}`)
		w.check("DELETE", at+"?tagKeys=c&tagKeys=missing&tagKeys=team&tagKeys=Team", "", `{}`)
		w.check("GET", at, "", `{"tags":{"b":"2"}}`)
		for body, why := range map[string]string{
			``: "tags is missing, or empty", `{"tags":{}}`: "tags is missing, or empty", `{"tags":{"a":1}}`: "tags.a must be a string, not number", `{"tags":{"a":"b"},"x":1}`: "",
			`{"tags":{"aws:a":"b"}}`: "", `{"tags":{"a":"b","A":"b"}}`: "Two tag keys differ in case alone", `{"tags":{"B":"3"}}`: "Two tag keys differ in case alone",
		} {
			if status, got := w.do("POST", at, body); status != 400 || !strings.HasPrefix(got, "InvalidParameterException ") || !strings.Contains(got, why) {
				t.Errorf("%s %s: %d %s", on.arn, body, status, got)
			}
		}
		for _, query := range []string{"", "?tagKeys=a&x=b"} {
			if status, got := w.do("DELETE", at+query, ""); status != 400 {
				t.Errorf("%s %s: %d %s", on.arn, query, status, got)
			}
		}
		w.check("GET", at, "", `{"tags":{"b":"2"}}`)
	}
	for _, other := range []string{"x", clusterARN + "2", strings.Replace(clusterARN, "eu-central-1", "us-east-1", 1), strings.Replace(clusterARN, ":111122223333:", ":444455556666:", 1), strings.Replace(clusterARN, ":eks:", ":iam:", 1),
		arn[1] + "x", arn[1][:len(arn[1])-1], strings.Replace(arn[1], "access-entry/prod", "access-entry/classic", 1), strings.Replace(clusterARN, "cluster/", "nodegroup/", 1), clusterARN + "/x"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			target, body := "/tags/"+url.QueryEscape(other), ""
			if method == "POST" {
				body = `{"tags":{"a":"b"}}`
			} else if method == "DELETE" {
				target += "?tagKeys=b"
			}
			if status, got := w.do(method, target, body); status != 404 || !strings.HasPrefix(got, "NotFoundException ") {
				t.Errorf("%s %s: %d %s", method, other, status, got)
			}
		}
	}
}

// TestQueriesAndBodies: what an operation does not know is refused by name.
func TestQueriesAndBodies(t *testing.T) {
	w := newWorld(t)
	w.do("POST", entries, `{"principalArn":"`+role+`"}`)
	unknown := func(name string) string {
		return `400 InvalidParameterException {"message":"The query parameter ` + name + ` is not supported here, or stands twice"}`
	}
	w.check("GET", "/clusters?x=1", "", unknown("x"))
	w.check("GET", "/clusters?maxresults=1", "", unknown("maxresults"))
	w.check("GET", "/clusters?maxResults=1&maxResults=2", "", unknown("maxResults"))
	w.check("GET", "/clusters?associatedPolicyArn=x", "", unknown("associatedPolicyArn"))
	w.check("GET", "/clusters/prod?maxResults=1", "", unknown("maxResults"))
	w.check("DELETE", entry+"?force=true", "", unknown("force"))
	w.check("POST", entry+"?x", `{}`, unknown("x"))
	w.check("GET", "/clusters?"+strings.Repeat("x", 500), "", unknown(strings.Repeat("x", 100)+"…"))
	for _, n := range []string{"0", "101", "-1", "", "1.0", "01", "+1", "x", "99999999999999999999"} {
		w.check("GET", "/clusters?maxResults="+url.QueryEscape(n), "", `400 InvalidParameterException {"message":"maxResults is a number from 1 to 100"}`)
	}
	w.check("GET", "/clusters?nextToken=%25", "", `400 InvalidParameterException {"message":"The nextToken is not one that this server gave"}`)
	w.check("GET", "/clusters?include=some", "", `400 InvalidParameterException {"message":"include is all, or absent"}`)
	w.check("GET", "/clusters/prod", `{"x":1}`, `400 InvalidParameterException {"message":"DescribeCluster takes no body"}`)
	w.check("DELETE", entry, `{"force":true}`, `400 InvalidParameterException {"message":"DeleteAccessEntry takes no body"}`)
	w.check("DELETE", entry, `x`, `400 InvalidParameterException {"message":"DeleteAccessEntry takes no body"}`)
	w.check("POST", entry, `{"type":"STANDARD"}`, `400 InvalidParameterException {"message":"type is not supported"}`)
	w.check("GET", entries, "", `{"accessEntries":["`+role+`"]}`)
	if out, err := w.Do(t.Context(), w.call, eksapi.Request{Operation: "CreateCluster"}); err == nil || out != nil {
		t.Errorf("an operation that does not exist: %v, %v", out, err)
	}
}

// TestUnreadable: who signs is held to what they send, also to what nobody can
// read.
func TestUnreadable(t *testing.T) {
	w := newWorld(t)
	first := int64(3) // what newWorld did
	for _, r := range [][3]string{{"POST", entries, "{"}, {"POST", entries, `{"principalArn":1}`}, {"GET", "/clusters?x=1", ""}, {"GET", "/clusters?maxResults=0", ""}, {"DELETE", entry, "x"}} {
		if status, body := w.do(r[0], r[1], r[2]); status != 400 || !strings.HasPrefix(body, "InvalidParameterException ") {
			t.Errorf("%q: %d %s", r, status, body)
		}
	}
	lines, err := w.db.Audit(t.Context(), first, 10)
	if err != nil || len(lines) != 5 || !strings.Contains(string(lines[4].Body), `"action":"eks:DeleteAccessEntry","outcome":"denied","reason":"unreadable request"`) {
		t.Errorf("recorded is %+v, %v", lines, err)
	}
}
