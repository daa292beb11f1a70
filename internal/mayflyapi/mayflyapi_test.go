package mayflyapi_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/control/controltest"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/mayflyapi"
	"mayfly.internal/internal/reasontest"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
	"mayfly.internal/internal/sts"
	"mayfly.internal/internal/webidentity"
	"mayfly.internal/internal/wire/mayflywire"
)

const ca = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

// world is the API over a real control plane and store; who signs is for a test
// to say.
type world struct {
	testing.TB
	api     mayflyapi.API
	db      *store.DB
	key     note.Verifier
	caller  func(r sigv4.Request, service string) (session.Principal, string, error)
	refused []string // :: "operation status" of each refusal
}

func newWorld(t testing.TB) *world {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "mayfly.test/audit")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{TB: t}
	if w.key, err = note.NewVerifier(vkey); err != nil {
		t.Fatal(err)
	}
	w.db = sqlitetest.Open(t, store.Config{Signer: signer})
	ctl := controltest.New(t, w.db)
	w.caller = func(sigv4.Request, string) (session.Principal, string, error) {
		who, err := controltest.Admin(w.db)
		return who, "eu-west-1", err
	}
	w.api = mayflyapi.API{Control: ctl, Webhooks: webhooks{}, Audit: log{w.db}, Server: mayflywire.Server{Version: "1.2", Account: "111122223333", Region: "eu-central-1", AuditKey: vkey},
		Caller: func(r sigv4.Request, service string) (session.Principal, string, error) { return w.caller(r, service) },
		Refused: func(_ *http.Request, operation string, status int, err error) {
			if err == nil {
				t.Error("a refusal without a reason")
			}
			w.refused = append(w.refused, fmt.Sprint(operation, " ", status))
		}}
	return w
}

type webhooks struct{}

func (webhooks) WebhookConfig(c eks.Cluster) (mayflywire.WebhookConfig, error) {
	if c.Name == "broken" {
		return mayflywire.WebhookConfig{}, errors.New("keys/ca.key: permission denied")
	}
	return mayflywire.WebhookConfig{Cluster: c.Name, ClientKey: "key of " + c.ID}, nil
}

type log struct{ db *store.DB }

func (l log) AuditPage(ctx context.Context, first int64, limit int) ([]mayflywire.AuditLine, string, error) {
	lines, err := l.db.Audit(ctx, first, limit)
	if err != nil {
		return nil, "", err
	}
	out := []mayflywire.AuditLine{}
	for _, l := range lines {
		out = append(out, mayflywire.AuditLine{Index: l.Index, Body: string(l.Body)})
	}
	return out, l.db.Checkpoint(), nil
}

func (l log) Denial(ctx context.Context, request string) (mayflywire.AuditLine, bool, error) {
	line, found, err := l.db.Denial(ctx, request)
	return mayflywire.AuditLine{Index: line.Index, Body: string(line.Body)}, found, err
}

func (l log) Denials(ctx context.Context, limit int) ([]mayflywire.AuditLine, error) {
	lines, err := l.db.Denials(ctx, limit)
	out := []mayflywire.AuditLine{}
	for _, l := range lines {
		out = append(out, mayflywire.AuditLine{Index: l.Index, Body: string(l.Body)})
	}
	return out, err
}

// do does a request and gives its status and body.
func (w *world) do(method, target, body string) (int, string) {
	w.Helper()
	rec := httptest.NewRecorder()
	w.api.Handler().ServeHTTP(rec, httptest.NewRequest(method, target, strings.NewReader(body)))
	if ct := rec.Header().Get("Content-Type"); ct != "application/json" || !json.Valid(rec.Body.Bytes()) {
		w.Errorf("%s %s: %s %s", method, target, ct, rec.Body)
	}
	return rec.Code, rec.Body.String()
}

var drawn = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

func (w *world) check(method, target, body, want string) {
	w.Helper()
	status, got := w.do(method, target, body)
	got = fmt.Sprint(status, " ", drawn.ReplaceAllString(got, "#"))
	if got != want {
		w.Errorf("%s %s %s\ngot  %s\nwant %s", method, target, body, got, want)
	}
}

func text(s string) string { out, _ := json.Marshal(s); return string(out) }

func TestClusters(t *testing.T) {
	w := newWorld(t)
	prod := `{"name":"prod","arn":"arn:aws:eks:eu-central-1:111122223333:cluster/prod","id":"#","region":"eu-central-1","endpoint":"https://k8s.example:6443","ca":` + text(ca) + `,"authenticationMode":"API","bearerMaxAge":"15m0s","createdAt":"#"}`
	w.check("GET", "/mayfly/v1/clusters", "", `200 {"clusters":[]}`)
	w.check("POST", "/mayfly/v1/clusters", `{"name":"prod","region":"eu-central-1","endpoint":"https://k8s.example:6443","ca":`+text(ca)+`}`, "200 "+prod)
	w.check("GET", "/mayfly/v1/clusters/prod", "", "200 "+prod)
	w.check("POST", "/mayfly/v1/clusters", `{"name":"b","region":"us-east-1","endpoint":"https://k","ca":`+text(ca)+`,"authenticationMode":"CONFIG_MAP","bearerMaxAge":"5m","trustAwsAccounts":["444455556666"],"tags":{"k":"v"}}`,
		`200 {"name":"b","arn":"arn:aws:eks:us-east-1:111122223333:cluster/b","id":"#","region":"us-east-1","endpoint":"https://k","ca":`+text(ca)+`,"authenticationMode":"CONFIG_MAP","trustAwsAccounts":["444455556666"],"bearerMaxAge":"5m0s","tags":{"k":"v"},"createdAt":"#"}`)
	if status, body := w.do("GET", "/mayfly/v1/clusters", ""); status != 200 || strings.Count(body, `"name"`) != 2 {
		t.Errorf("clusters of every region: %d %s", status, body)
	}
	w.check("DELETE", "/mayfly/v1/clusters/b", "", `200 {}`)
	w.check("DELETE", "/mayfly/v1/clusters/b", "", `404 {"code":"NoSuchCluster","message":"No cluster found for name: b."}`)
	w.check("GET", "/mayfly/v1/clusters/b", "", `404 {"code":"NoSuchCluster","message":"No cluster found for name: b."}`)
	w.check("GET", "/mayfly/v1/clusters/a%2Fb", "", `404 {"code":"NoSuchCluster","message":"No cluster found for name: a/b."}`)
	w.check("POST", "/mayfly/v1/clusters", `{"name":"prod","region":"eu-west-1","endpoint":"https://k","ca":`+text(ca)+`}`, `409 {"code":"ClusterExists","message":"Cluster already exists with name: prod"}`)
	w.check("POST", "/mayfly/v1/clusters/prod/webhook-config", "", `200 {"cluster":"prod","authenticateUrl":"","authorizeUrl":"","ca":"","clientCertificate":"","clientKey":"key of #","expires":"#"}`)
	w.check("POST", "/mayfly/v1/clusters/none/webhook-config", "", `404 {"code":"NoSuchCluster","message":"No cluster found for name: none."}`)
}

func TestAccessPolicies(t *testing.T) {
	w := newWorld(t)
	const path, pods = "/mayfly/v1/access-policies", `[{"apiGroups":[""],"resources":["pods","pods/log"],"verbs":["get"]}]`
	one := func(rules, rest string) string {
		return `{"name":"log-reader","arn":"arn:aws:eks::111122223333:cluster-access-policy/log-reader","builtIn":false,"entries":0,"rules":` + rules + `,"createdAt":"#","modifiedAt":"#"` + rest + `}`
	}
	w.check("POST", path, `{"name":"log-reader","rules":`+pods+`}`, "200 "+one(pods, ""))
	w.check("GET", path+"/log-reader", "", "200 "+one(pods, ""))
	const wide = `[{"nonResourceURLs":["/metrics/*"],"verbs":["*"]},{"apiGroups":["*"],"resources":["*/scale"],"resourceNames":["a"],"verbs":["*"]}]`
	w.check("PUT", path+"/log-reader", `{"rules":`+wide+`}`, "200 "+one(wide, ""))
	w.check("GET", path+"/log-reader", "", "200 "+one(wide, ""))
	if status, body := w.do("GET", path, ""); status != 200 || strings.Count(body, `"name"`) != 8 || !strings.Contains(body, `{"name":"AmazonEKSViewPolicy","arn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy","builtIn":true,"entries":0}`) || strings.Contains(body, "rules") {
		t.Errorf("%d %s", status, body)
	}
	w.check("GET", path+"/AmazonEKSSecretReaderPolicy", "", `200 {"name":"AmazonEKSSecretReaderPolicy","arn":"arn:aws:eks::aws:cluster-access-policy/AmazonEKSSecretReaderPolicy","builtIn":true,"entries":0,"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get","list","watch"]}]}`)

	w.check("POST", path, `{"name":"log-reader","rules":`+pods+`}`, `409 {"code":"AccessPolicyExists","message":"An access policy already exists with name: log-reader"}`)
	w.check("POST", path, `{"name":"AmazonEKSViewPolicy","rules":`+pods+`}`, `400 {"code":"InvalidParameter","message":"The access policy AmazonEKSViewPolicy is AWS's own: it cannot be made, changed or deleted"}`)
	w.check("PUT", path+"/AmazonEKSViewPolicy", `{"rules":`+pods+`}`, `400 {"code":"InvalidParameter","message":"The access policy AmazonEKSViewPolicy is AWS's own: it cannot be made, changed or deleted"}`)
	w.check("POST", path, `{"name":"other","rules":[]}`, `400 {"code":"InvalidParameter","message":"An access policy has 1 to 500 rules"}`)
	w.check("POST", path, `{"name":"other","rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pod*"]}]}`, `400 {"code":"InvalidParameter","message":"rules[0].resources[0] is \"pod*\": a resource such as pods, pods/log or */scale, or * for all, is wanted, 253 characters at most"}`)
	w.check("PUT", path+"/log-reader", `{"rules":`+pods+`,"name":"x"}`, `400 {"code":"InvalidParameter","message":"name is not supported"}`)
	w.check("PUT", path+"/none", `{"rules":`+pods+`}`, `404 {"code":"NoSuchAccessPolicy","message":"No access policy found for name: none."}`)
	w.check("GET", path+"/a%2Fb", "", `404 {"code":"NoSuchAccessPolicy","message":"No access policy found for name: a/b."}`)
	if status, body := w.do("PATCH", path+"/log-reader", ""); status != 404 || !strings.Contains(body, "UnknownOperation") {
		t.Errorf("PATCH: %d %s", status, body)
	}

	// One entry in a cluster that reads aws-auth.
	call := w.adminCall()
	if _, err := w.api.Control.RegisterCluster(t.Context(), call, eks.Cluster{Name: "both", Region: "eu-west-1", Endpoint: "https://k", CA: []byte(ca), Mode: eks.ModeAPIAndConfigMap}); err != nil {
		t.Fatal(err)
	}
	const admin = "arn:aws:iam::111122223333:role/mayfly-admin"
	if _, _, err := w.api.Control.CreateEntry(t.Context(), call, "both", control.EntryInput{Principal: admin}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.Control.AssociatePolicy(t.Context(), call, "both", admin, "arn:aws:eks::111122223333:cluster-access-policy/log-reader", eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"kube-*"}}); err != nil {
		t.Fatal(err)
	}
	w.check("DELETE", path+"/log-reader", "", `409 {"code":"AccessPolicyInUse","message":"The access policy log-reader is associated with 1 access entry."}`)
	if status, body := w.do("PUT", path+"/log-reader", `{"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["patch"]}]}`); status != 200 || !strings.Contains(body, `"entries":1`) || !strings.Contains(body, `"warnings":["log-reader in kube-system of both is cluster-admin`) {
		t.Errorf("%d %s", status, body)
	}
	if err := w.api.Control.DeregisterCluster(t.Context(), call, "both"); err != nil {
		t.Fatal(err)
	}
	w.check("DELETE", path+"/log-reader", "", `200 {}`)
	w.check("DELETE", path+"/log-reader", "", `404 {"code":"NoSuchAccessPolicy","message":"No access policy found for name: log-reader."}`)
}

// adminCall is a call of the administrator's.
func (w *world) adminCall() control.Call {
	w.Helper()
	who, err := controltest.Admin(w.db)
	if err != nil {
		w.Fatal(err)
	}
	return control.Call{Caller: who, Info: request.Info{ID: "r", Region: "eu-west-1", Time: time.Now()}}
}

func TestRegisterRefuses(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		``:                     `{"code":"InvalidParameter","message":"name is missing"}`,
		`{"name":"c"}`:         `{"code":"InvalidParameter","message":"region is missing"}`,
		`{"name":"c","arn":1}`: `{"code":"InvalidParameter","message":"region is missing"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":"x","bearerMaxAge":"soon"}`:                            `{"code":"InvalidParameter","message":"bearerMaxAge is no time span such as 15m"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":"x","trustAwsAccounts":["12"]}`:                        `{"code":"InvalidParameter","message":"trustAwsAccounts: \"12\" is not an account id: twelve digits are wanted"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":` + text(ca) + `,"trustAwsAccounts":["111122223333"]}`: `{"code":"InvalidParameter","message":"The account 111122223333 is Mayfly's own: real AWS cannot vouch for it"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":` + text(ca) + `,"bearerMaxAge":"16m"}`:                `{"code":"InvalidParameter","message":"The bearer token age 16m0s is invalid: 1m to 15m is wanted"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":` + text(ca) + `,"tags":{"a":"1","A":"2"}}`:            `{"code":"InvalidParameter","message":"Two tag keys differ in case alone"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":` + text(ca) + `,"authenticationMode":"NONE"}`:         `{"code":"InvalidParameter","message":"The authentication mode \"NONE\" is invalid: API, API_AND_CONFIG_MAP or CONFIG_MAP is wanted"}`,
		`{"name":"c","region":"eu-central-1","endpoint":"http://k","ca":` + text(ca) + `}`:                                      `{"code":"InvalidParameter","message":"The endpoint \"http://k\" is invalid: an https URL is wanted"}`,
		`[]`: `{"code":"InvalidParameter","message":"The request body is not a JSON object"}`,
	} {
		w.check("POST", "/mayfly/v1/clusters", body, "400 "+want)
	}
	lines, err := w.db.Audit(t.Context(), 0, 100)
	if err != nil || len(lines) != 11 {
		t.Errorf("%d refusals are recorded, %v", len(lines), err)
	}
	for _, l := range lines {
		if !strings.Contains(string(l.Body), `"action":"mayfly:RegisterCluster","outcome":"denied"`) {
			t.Errorf("recorded is %s", l.Body)
		}
	}
	if n := len(w.db.Snapshot().Clusters()); n != 0 {
		t.Errorf("%d clusters are registered", n)
	}
	if status, body := w.do("POST", "/mayfly/v1/clusters", strings.Repeat(" ", 256<<10)+"{}"); status != 413 || !strings.Contains(body, "TooLarge") {
		t.Errorf("a body too large: %d %s", status, body)
	}
}

func TestServer(t *testing.T) {
	w := newWorld(t)
	w.caller = func(sigv4.Request, string) (session.Principal, string, error) {
		t.Error("it asks who signed")
		return session.Principal{}, "", errors.New("nobody")
	}
	if status, body := w.do("GET", "/mayfly/v1/server", ""); status != 200 || !strings.HasPrefix(body, `{"version":"1.2","account":"111122223333","region":"eu-central-1","auditKey":"mayfly.test/audit+`) {
		t.Errorf("%d %s", status, body)
	}
	for _, target := range []string{"/mayfly/v1/", "/mayfly/v1/none", "/mayfly/v1/clusters/a/b", "/mayfly/v1/audit"} {
		if status, body := w.do("GET", target, ""); status != 404 || !strings.Contains(body, "UnknownOperation") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
	if status, _ := w.do("PUT", "/mayfly/v1/server", ""); status != 404 {
		t.Errorf("PUT: %d", status)
	}
}

// TestAudit reads the log page by page and checks it against the checkpoint, as
// mayfly audit verify does.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		if err := w.db.Record(t.Context(), audit.Event{Time: time.Now(), Action: fmt.Sprint("n", i), Outcome: audit.Allowed}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(target string) mayflywire.Audit {
		t.Helper()
		status, body := w.do("GET", target, "")
		var page mayflywire.Audit
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
			t.Fatalf("%s: %d %s", target, status, body)
		}
		return page
	}
	var v audit.Verifier
	n := int64(0)
	for {
		page := read(fmt.Sprintf("/mayfly/v1/audit/events?first=%d&limit=2", n))
		if len(page.Events) == 0 {
			break
		}
		for _, l := range page.Events {
			if l.Index != n {
				t.Fatalf("event %d is numbered %d", n, l.Index)
			}
			if err := v.Add([]byte(l.Body)); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if stated, err := v.Finish(read("/mayfly/v1/audit/events").Checkpoint, w.key); err != nil || stated != 5 {
		t.Errorf("%d, %v", stated, err)
	}
	for target, want := range map[string]int{"": 5, "?limit=0": 0, "?first=4": 1, "?first=5": 0, "?limit=999999999": 5, "?first=9223372036854775807": 0} {
		if page := read("/mayfly/v1/audit/events" + target); len(page.Events) != want || page.Events == nil {
			t.Errorf("%q: %d events", target, len(page.Events))
		}
	}
	for _, target := range []string{"?first=-1", "?first=x", "?limit=1.5", "?limit=", "?first=1&first=2", "?from=1", "?first=99999999999999999999", "?first=%zz", "?first=1;limit=2"} {
		if status, body := w.do("GET", "/mayfly/v1/audit/events"+target, ""); status != 400 || !strings.Contains(body, "InvalidParameter") {
			t.Errorf("%s: %d %s", target, status, body)
		}
	}
}

// trust answers what a test wants.
type trust struct {
	said  sts.Explained
	err   error
	asked []sts.ExplainInput
}

func (f *trust) Explain(_ context.Context, in sts.ExplainInput) (sts.Explained, error) {
	f.asked = append(f.asked, in)
	return f.said, f.err
}

func TestExplainTrust(t *testing.T) {
	w := newWorld(t)
	f := &trust{said: sts.Explained{Problems: []string{"p"}, Unchecked: []string{"u"}, Trace: &webidentity.Trace{Action: "a", Effect: "implicit deny"}}}
	w.api.Trust = f
	const path = "/mayfly/v1/explain-trust"
	for _, named := range []string{"mayfly-admin", "arn:aws:iam::111122223333:role/mayfly-admin"} {
		w.check("POST", path, `{"role":"`+named+`","sessionName":"run-1","claims":"{}"}`, `200 {"role":"arn:aws:iam::111122223333:role/mayfly-admin","allowed":false,"problems":["p"],"unchecked":["u"],"trace":{"action":"a","effect":"implicit deny"}}`)
	}
	f.said = sts.Explained{Allowed: true}
	w.check("POST", path, `{"role":"mayfly-admin","sessionName":"run-1","token":"t"}`, `200 {"role":"arn:aws:iam::111122223333:role/mayfly-admin","allowed":true}`)
	if len(f.asked) != 3 || f.asked[0].Claims != "{}" || f.asked[2].Token != "t" || f.asked[2].SessionName != "run-1" || f.asked[2].Role.Name != "mayfly-admin" || f.asked[2].Info.Region != "eu-west-1" {
		t.Errorf("asked is %+v", f.asked)
	}
	f.err = &sts.Refusal{Reason: sts.InvalidParameter, Public: "The role session name is invalid", Err: errors.New("hidden")}
	w.check("POST", path, `{"role":"mayfly-admin","sessionName":"a b","token":"t"}`, `400 {"code":"InvalidParameter","message":"The role session name is invalid"}`)
	f.err = errors.New("disk full")
	w.check("POST", path, `{"role":"mayfly-admin","sessionName":"run-1","token":"t"}`, `500 {"code":"Internal","message":"There was an internal error"}`)
	f.asked = nil
	w.check("POST", path, `{"role":"none","sessionName":"run-1","token":"t"}`, `404 {"code":"NoSuchEntity","message":"The role with name none cannot be found."}`)
	w.check("POST", path, `{"role":"arn:aws:iam::111122223333:policy/x","sessionName":"run-1","token":"t"}`, `404 {"code":"NoSuchEntity","message":"The role with name arn:aws:iam::111122223333:policy/x cannot be found."}`)
	w.check("POST", path, `{"role":"mayfly-admin"}`, `400 {"code":"InvalidParameter","message":"sessionName is missing"}`)
	if f.asked != nil {
		t.Errorf("asked is %+v", f.asked)
	}
}

func TestDenials(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		if err := w.db.Record(t.Context(), audit.Event{Time: time.Now(), Action: fmt.Sprint("n", i), Outcome: audit.Denied, Request: fmt.Sprint("00000000-0000-4000-8000-00000000000", i)}); err != nil {
			t.Fatal(err)
		}
	}
	w.check("GET", "/mayfly/v1/denials/00000000-0000-4000-8000-000000000001", "", `200 {"index":1,"body":"{\"v\":1,\"time\":\"#\",\"action\":\"n1\",\"outcome\":\"denied\",\"request\":\"#\"}"}`)
	w.check("GET", "/mayfly/v1/denials/00000000-0000-4000-8000-000000000007", "", `404 {"code":"NoSuchDenial","message":"No denial found for id: #. It is the request id of the refusal, and is kept for a token whose signature was good and for signed requests."}`)
	for _, id := range []string{"id%2F7", "none", strings.Repeat("a", 37), "00000000-0000-4000-8000-00000000000A", strings.Repeat("x", 5000)} {
		w.check("GET", "/mayfly/v1/denials/"+id, "", `404 {"code":"NoSuchDenial","message":"That is no id of a denial: a request id is wanted, such as #."}`)
	}
	for query, want := range map[string]int{"": 3, "?limit=2": 2, "?limit=0": 0, "?limit=99999999": 3} {
		if status, body := w.do("GET", "/mayfly/v1/denials"+query, ""); status != 200 || strings.Count(body, `"index"`) != want || !strings.HasPrefix(body, `{"denials":[`) {
			t.Errorf("%q: %d %s", query, status, body)
		}
	}
	if _, body := w.do("GET", "/mayfly/v1/denials?limit=1", ""); !strings.Contains(body, `"index":2`) {
		t.Errorf("the newest is not the first: %s", body)
	}
	for _, query := range []string{"?limit=-1", "?first=1", "?limit=1&limit=2"} {
		if status, body := w.do("GET", "/mayfly/v1/denials"+query, ""); status != 400 || !strings.Contains(body, "InvalidParameter") {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
}

// TestEveryOperationAsksWho: nothing but the server's own card is given to
// nobody, or to somebody who may nothing; each refusal leaves its line.
func TestEveryOperationAsksWho(t *testing.T) {
	w := newWorld(t)
	if status, body := w.do("POST", "/mayfly/v1/clusters", `{"name":"broken","region":"eu-central-1","endpoint":"https://k","ca":`+text(ca)+`}`); status != 200 {
		t.Fatal(body)
	}
	operations := [][3]string{{"POST", "/mayfly/v1/clusters", `{"name":"c","region":"eu-central-1","endpoint":"https://k","ca":` + text(ca) + `}`}, {"GET", "/mayfly/v1/clusters", ""}, {"GET", "/mayfly/v1/clusters/broken", ""},
		{"POST", "/mayfly/v1/access-policies", `{"name":"p","rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]}`}, {"GET", "/mayfly/v1/access-policies", ""}, {"GET", "/mayfly/v1/access-policies/p", ""},
		{"PUT", "/mayfly/v1/access-policies/p", `{"rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]}`}, {"DELETE", "/mayfly/v1/access-policies/p", ""},
		{"DELETE", "/mayfly/v1/clusters/broken", ""}, {"POST", "/mayfly/v1/clusters/broken/webhook-config", ""}, {"GET", "/mayfly/v1/audit/events", ""},
		{"GET", "/mayfly/v1/denials", ""}, {"GET", "/mayfly/v1/denials/none", ""}, {"POST", "/mayfly/v1/explain-trust", `{"role":"mayfly-admin","sessionName":"run-1","claims":"{}"}`}}
	asks := w.caller
	for _, op := range operations {
		w.caller = func(r sigv4.Request, service string) (session.Principal, string, error) {
			if service != "mayfly" || r.Method != op[0] || string(r.Body) != op[2] {
				t.Errorf("asked about %s %s for %s", r.Method, r.Body, service)
			}
			return session.Principal{}, "", &sts.CallerError{Reason: sts.UnknownToken, Err: errors.New("cipher: message authentication failed")}
		}
		before := len(w.refused)
		w.check(op[0], op[1], op[2], `403 {"code":"InvalidClientTokenId","message":"The security token included in the request is invalid"}`)
		w.caller = func(r sigv4.Request, service string) (session.Principal, string, error) {
			who, region, err := asks(r, service)
			who.Session.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}`
			return who, region, err
		}
		if status, body := w.do(op[0], op[1], op[2]); status != 403 || !strings.HasPrefix(body, `{"code":"AccessDenied","message":"User: arn:aws:sts::111122223333:assumed-role/mayfly-admin/uid-0 is not authorized to perform: `) {
			t.Errorf("%s %s: %d %s", op[0], op[1], status, body)
		}
		if got := w.refused[before:]; len(got) != 2 || !strings.HasPrefix(got[0], "mayfly:"+op[0]+" /mayfly/v1/") || !strings.HasSuffix(got[0], " 403") {
			t.Errorf("%s %s left the lines %q", op[0], op[1], got)
		}
	}
	w.caller = asks
	w.check("POST", "/mayfly/v1/clusters/broken/webhook-config", "", `500 {"code":"Internal","message":"There was an internal error"}`)
	w.db.FailNext(errors.New("disk full"))
	w.check("DELETE", "/mayfly/v1/clusters/broken", "", `503 {"code":"Unavailable","message":"The change could not be recorded, so it was not made. Try again."}`)
}

// TestEveryReasonHasACode: a reason without a row would be an internal error.
func TestEveryReasonHasACode(t *testing.T) {
	for i := range reasontest.Count(t, "../eks", "Reason") {
		if status, e := mayflyapi.Explain(&eks.Error{Reason: eks.Reason(i + 1), Detail: "d"}); status >= 500 || e.Message != "d" {
			t.Errorf("eks reason %d: %d %+v", i+1, status, e)
		}
	}
	for i := range reasontest.Count(t, "../control", "Reason") {
		if status, e := mayflyapi.Explain(&control.Error{Reason: control.Reason(i + 1), Detail: "d"}); status >= 500 || e.Message != "d" {
			t.Errorf("%s: %d %+v", control.Reason(i+1), status, e)
		}
	}
	for i := range reasontest.Count(t, "../sts", "CallerReason") {
		if status, e := mayflyapi.Explain(&sts.CallerError{Reason: sts.CallerReason(i + 1), Err: errors.New("d")}); status != 403 || e.Code == "" || e.Message == "" {
			t.Errorf("caller reason %d: %d %+v", i+1, status, e)
		}
	}
	hidden := errors.New("/var/lib/mayfly/mayfly.db: disk I/O error")
	for _, tt := range []struct {
		err    error
		status int
		want   mayflywire.Error
	}{
		{hidden, 500, mayflywire.Error{Code: "Internal", Message: "There was an internal error"}},
		{fault.Wrap(fault.Internal, hidden, "it broke"), 500, mayflywire.Error{Code: "Internal", Message: "There was an internal error"}},
		{fault.Wrap(fault.Throttled, hidden, "Later."), 429, mayflywire.Error{Code: "Throttled", Message: "Later."}},
		{&eks.Error{Detail: "no reason"}, 500, mayflywire.Error{Code: "Internal", Message: "There was an internal error"}},
		{&sts.CallerError{Err: hidden}, 500, mayflywire.Error{Code: "Internal", Message: "There was an internal error"}},
		{&sts.CallerError{Reason: sts.SessionExpired, Err: hidden}, 403, mayflywire.Error{Code: "ExpiredToken", Message: "The security token included in the request is expired"}},
		{&sts.CallerError{Reason: sts.NoSignature, Err: hidden}, 403, mayflywire.Error{Code: "MissingAuthenticationToken", Message: "The request is not signed"}},
	} {
		if status, got := mayflyapi.Explain(tt.err); status != tt.status || got != tt.want {
			t.Errorf("%v: %d %+v", tt.err, status, got)
		}
	}
}
