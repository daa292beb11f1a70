package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/sigv4"
)

const formType = "application/x-www-form-urlencoded"

// TestFront: every way of asking wrongly, and the AWS code and status for it.
func TestFront(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	stsForm := "Action=GetCallerIdentity&Version=2011-06-15"
	foreign := w.admin
	foreign.Credentials.SecretAccessKey = "x"
	unknown := w.admin
	unknown.Credentials.AccessKeyID = "ASIAAAAAAAAAAAAAAAAA"
	noToken := w.admin
	noToken.Credentials.SessionToken = ""
	raw := func(method, path, contentType, body string) *http.Request {
		r := w.request(method, path, body)
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return r
	}
	edit := func(r *http.Request, change func(*http.Request)) *http.Request {
		change(r)
		return r
	}
	for _, tt := range []struct {
		name   string
		req    *http.Request
		status int
		code   string
	}{
		{"GetCallerIdentity", w.signed(w.admin, "sts", "POST", "/", stsForm), 200, "<Arn>arn:aws:sts::111122223333:assumed-role/mayfly-admin/uid-"},
		{"the path //, as Vault writes it", w.signed(w.admin, "sts", "POST", "//", stsForm), 200, "<GetCallerIdentityResult>"},
		{"GetAccessKeyInfo", w.signed(w.admin, "sts", "POST", "/", "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=ASIAABCDEFGHIJKLMNOP"), 200, "<Account>111122223333</Account>"},
		{"GetAccessKeyInfo of no key", w.signed(w.admin, "sts", "POST", "/", "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=AKIAABCDEFGHIJKLMNOP"), 400, "<Code>ValidationError</Code>"},
		{"GetAccessKeyInfo not signed", raw("POST", "/", formType, "Action=GetAccessKeyInfo&Version=2011-06-15&AccessKeyId=ASIAABCDEFGHIJKLMNOP"), 403, "<Code>MissingAuthenticationToken</Code>"},
		{"GetSessionToken", w.signed(w.admin, "sts", "POST", "/", "Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900"), 403, "<Code>AccessDenied</Code><Message>Cannot call GetSessionToken with session credentials</Message>"},
		{"GetFederationToken", w.signed(w.admin, "sts", "POST", "/", "Action=GetFederationToken&Version=2011-06-15&Name=bob"), 403, "Cannot call GetFederationToken with session credentials"},
		{"a user", w.signed(w.admin, "iam", "POST", "/", "Action=CreateUser&Version=2010-05-08&UserName=bob"), 400, "<Code>UnsupportedOperation</Code>"},
		{"a user not signed", raw("POST", "/", formType, "Action=CreateUser&Version=2010-05-08&UserName=bob"), 403, "<Code>MissingAuthenticationToken</Code>"},
		{"IAM", w.signed(w.admin, "iam", "POST", "/", "Action=GetRole&Version=2010-05-08&RoleName=deployer"), 200, "<RoleName>deployer</RoleName>"},
		{"EKS", w.signed(w.admin, "eks", "GET", "/clusters", ""), 200, `"clusters":[]`},
		{"our own API", w.signed(w.admin, "mayfly", "GET", "/mayfly/v1/clusters", ""), 200, `"clusters"`},
		{"who the server is, unsigned", raw("GET", "/mayfly/v1/server", "", ""), 200, testAccount},
		{"not signed", raw("POST", "/", formType, stsForm), 403, "<Code>MissingAuthenticationToken</Code>"},
		{"IAM not signed", raw("POST", "/", formType, "Action=ListRoles&Version=2010-05-08"), 403, "<Code>MissingAuthenticationToken</Code>"},
		{"EKS not signed", raw("GET", "/clusters", "", ""), 403, "MissingAuthenticationTokenException"},
		{"our own API not signed", raw("GET", "/mayfly/v1/clusters", "", ""), 403, `"MissingAuthenticationToken"`},
		{"signed with another secret", w.signed(foreign, "sts", "POST", "/", stsForm), 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"signed with another key id", w.signed(unknown, "sts", "POST", "/", stsForm), 403, "<Code>InvalidClientTokenId</Code>"},
		{"signed without a session token", w.signed(noToken, "sts", "POST", "/", stsForm), 403, "<Code>InvalidClientTokenId</Code>"},
		{"signed for another service", w.signed(w.admin, "iam", "POST", "/", stsForm), 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"a header changed after signing", edit(w.signed(w.admin, "sts", "POST", "/", stsForm), func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260101T000000Z") }), 403, "<Code>"},
		{"half a signature", edit(raw("POST", "/", formType, stsForm), func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }), 400, "<Code>IncompleteSignature</Code>"},
		{"no action", raw("POST", "/", formType, "Version=2011-06-15"), 400, "<Code>MissingAction</Code>"},
		{"no body", raw("POST", "/", formType, ""), 400, "<Code>MissingAction</Code>"},
		{"JSON where a form belongs", raw("POST", "/", "application/json", `{"Action":"GetCallerIdentity"}`), 400, "<Code>MissingAction</Code>"},
		{"an unknown action", raw("POST", "/", formType, "Action=CreateBucket&Version=2011-06-15"), 400, "<Code>InvalidAction</Code>"},
		{"an action of STS we do not serve", raw("POST", "/", formType, "Action=AssumeRoot&Version=2011-06-15"), 400, "<Code>InvalidAction</Code>"},
		{"an action in other case", raw("POST", "/", formType, "Action=getcalleridentity&Version=2011-06-15"), 400, "<Code>InvalidAction</Code>"},
		{"an action under the other service's version", raw("POST", "/", formType, "Action=GetCallerIdentity&Version=2010-05-08"), 400, "<Code>InvalidAction</Code>"},
		{"an unknown version", raw("POST", "/", formType, "Action=GetCallerIdentity&Version=2099-01-01"), 400, "<Code>InvalidAction</Code>"},
		{"no version", raw("POST", "/", formType, "Action=GetCallerIdentity"), 400, "<Code>InvalidAction</Code>"},
		{"a hostile action", raw("POST", "/", formType, "Action=%3Cscript%3E%0A&Version=1"), 400, "&lt;script&gt;?"},
		{"a parameter twice", raw("POST", "/", formType, stsForm+"&action=GetCallerIdentity"), 400, "<Code>MalformedInput</Code>"},
		{"a broken escape", raw("POST", "/", formType, stsForm+"&x=%zz"), 400, "<Code>MalformedInput</Code>"},
		{"parameters in body and query", raw("POST", "/?Action=GetCallerIdentity", formType, stsForm), 400, "<Code>MalformedQueryString</Code>"},
		{"PUT", raw("PUT", "/", formType, stsForm), 400, "<Code>MalformedQueryString</Code>"},
		{"DELETE", raw("DELETE", "/", "", ""), 400, "<Code>MalformedQueryString</Code>"},
		{"HEAD", raw("HEAD", "/", "", ""), 400, ""},
		{"a body of half a megabyte and a byte", raw("POST", "/", formType, "Action="+strings.Repeat("x", 512<<10)), 413, "<Code>RequestEntityTooLarge</Code>"},
		{"a token in a URL", raw("GET", "/?"+exchangeForm("x.y.z"), "", ""), 405, "<Code>InvalidAction</Code>"},
		{"an exchange without parameters", raw("POST", "/", formType, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15"), 400, "3 validation errors detected"},
		{"an exchange with a parameter of another operation", raw("POST", "/", formType, exchangeForm("x.y.z")+"&SerialNumber=1"), 400, "<Code>ValidationError</Code>"},
		{"an exchange with no token of ours", raw("POST", "/", formType, exchangeForm("not-a-token")), 400, "<Code>InvalidIdentityToken</Code>"},
		{"an unknown path of EKS", raw("GET", "/clusters/a/b/c/d", "", ""), 403, "MissingAuthenticationTokenException"},
		{"an unknown method of EKS", raw("PATCH", "/clusters", "", ""), 403, "MissingAuthenticationTokenException"},
		{"an unknown path of our own API", raw("GET", "/mayfly/v1/nothing", "", ""), 404, "UnknownOperation"},
		{"a path nobody knows", raw("GET", "/admin", "", ""), 404, "nothing at this path"},
		{"a path that tries to climb", raw("GET", "/clusters/../healthz", "", ""), 403, "MissingAuthenticationTokenException"},
		{"metrics on the public address", raw("GET", "/metrics", "", ""), 404, "nothing"},
		{"the credentials of the socket on the public address", raw("POST", "/credentials", "", ""), 404, "nothing"},
		{"a cluster's path without a certificate", raw("POST", "/kubernetes/x/authenticate", "application/json", "{}"), 401, ""},
		{"health", raw("GET", "/healthz", "", ""), 200, "ok"},
		{"readiness", raw("GET", "/readyz", "", ""), 200, "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.send(tt.req)
			if got.status != tt.status || !strings.Contains(got.body, tt.code) && !strings.Contains(got.header.Get("X-Amzn-Errortype"), tt.code) {
				t.Errorf("%d %s; want %d %s", got.status, got.body, tt.status, tt.code)
			}
			if got.header.Get("X-Amzn-Requestid") == "" {
				t.Error("the answer has no request id")
			}
			if strings.HasPrefix(tt.code, "<Code>") && (got.header.Get("Content-Type") != "text/xml" || !strings.Contains(got.body, "<RequestId>"+got.header.Get("X-Amzn-Requestid"))) {
				t.Errorf("%v %s", got.header, got.body)
			}
		})
	}
}

// TestPresigned: GetCallerIdentity as a presigned GET, as a bearer token holds
// it, in XML and, where the client accepts it, in JSON.
func TestPresigned(t *testing.T) {
	w := newWorld(t, nil)
	u, err := url.Parse(w.PublicURL())
	if err != nil {
		t.Fatal(err)
	}
	presign := func(change func(*sigv4.Request)) *http.Request {
		r := sigv4.Request{Method: "GET", Host: u.Host, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15"}
		if change != nil {
			change(&r)
		}
		query, err := sigv4.Presign(r, credentials(w.admin), "us-east-1", "sts", time.Minute, w.now())
		if err != nil {
			t.Fatal(err)
		}
		return w.request("GET", "/?"+query, "")
	}
	for _, tt := range []struct {
		name, accept, want, contentType string
		status                          int
		change                          func(*http.Request)
	}{
		{"XML", "", "<GetCallerIdentityResult><Arn>", "text/xml", 200, nil},
		{"JSON", "application/json", `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":`, "application/json", 200, nil},
		{"a refusal in JSON", "application/json", `"Code":"SignatureDoesNotMatch"`, "application/json", 403, func(r *http.Request) { r.URL.RawQuery += "&x=y" }},
		{"with a body", "", "MalformedQueryString", "text/xml", 400, func(r *http.Request) {
			r.Method, r.Body, r.ContentLength = "POST", http.NoBody, 0
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := presign(nil)
			if tt.accept != "" {
				r.Header.Set("Accept", tt.accept)
			}
			if tt.change != nil {
				tt.change(r)
			}
			got := w.send(r)
			if got.status != tt.status || !strings.Contains(got.body, tt.want) || got.header.Get("Content-Type") != tt.contentType {
				t.Errorf("%d %s %s", got.status, got.header.Get("Content-Type"), got.body)
			}
		})
	}
}

// TestReadiness: a server whose database does not answer is alive and not
// ready, and an exchange that cannot be recorded is refused.
func TestReadiness(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	w.db.FailNext(errors.New("disk full"))
	got := w.exchange(w.job("acme/web", "main"))
	if got.status != 503 || !strings.Contains(got.body, "<Code>ServiceUnavailable</Code>") || strings.Contains(got.body, "ASIA") || strings.Contains(got.body, "disk full") {
		t.Errorf("unrecorded: %d %s", got.status, got.body)
	}
	if !strings.Contains(w.log.String(), "disk full") {
		t.Error("the log does not say why")
	}
	w.db.Close()
	if got := w.send(w.request("GET", "/healthz", "")); got.status != 200 {
		t.Error("health:", got)
	}
	if got := w.send(w.request("GET", "/readyz", "")); got.status != 503 || strings.Contains(got.body, "sql") {
		t.Error("readiness:", got)
	}
	if got := w.exchange(w.job("acme/web", "main")); got.status != 503 || strings.Contains(got.body, "ASIA") {
		t.Errorf("closed: %d %s", got.status, got.body)
	}
}

// TestHeaderLimit: a request whose headers are larger than any client's is not
// read to its end.
func TestHeaderLimit(t *testing.T) {
	w := newWorld(t, nil)
	r := w.request("GET", "/healthz", "")
	r.Header.Set("X-Padding", strings.Repeat("x", 16<<10))
	if got := w.send(r); got.status != 200 {
		t.Errorf("16 KiB: %d", got.status)
	}
	r = w.request("GET", "/healthz", "")
	r.Header.Set("X-Padding", strings.Repeat("x", 64<<10))
	resp, err := w.hc.Do(r)
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("64 KiB: %s", resp.Status)
		}
	}
}
