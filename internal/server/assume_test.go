package server

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/sigv4"
)

// TestAssumeRole: a job's session becomes another role's, and that one's a
// third's, through the assembled server; each way of asking wrongly has AWS's
// code; and what is made ends with any role on the way.
func TestAssumeRole(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	const mayAll = `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`
	w.makeRole("first", `{"Effect":"Allow","Principal":{"AWS":"`+roleARN+`"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"x-7"}}}`, mayAll)
	w.makeRole("second", `{"Effect":"Allow","Principal":{"AWS":"`+testAccount+`"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}`, "")
	job := w.given(w.exchange(w.job("acme/web", "main")))
	external := url.Values{"ExternalId": {"x-7"}}
	with := func(more ...string) url.Values {
		out := url.Values{"ExternalId": {"x-7"}}
		for i := 0; i < len(more); i += 2 {
			out.Set(more[i], more[i+1])
		}
		return out
	}
	const denied = "User: arn:aws:sts::111122223333:assumed-role/deployer/run-1 is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/"
	for _, tt := range []struct {
		name, role string
		params     url.Values
		status     int
		code, text string
	}{
		{"the external id", "first", external, 200, "", ""},
		{"without it", "first", nil, 403, "AccessDenied", denied + "first. Encoded authorization failure message: "},
		{"a role that does not exist", "nobody", external, 403, "AccessDenied", denied + "nobody. Encoded authorization failure message: "},
		{"a role it may not ask for", "second", external, 403, "AccessDenied", denied + "second. Encoded authorization failure message: "},
		{"the administrator's role", "mayfly-admin", external, 403, "AccessDenied", denied + "mayfly-admin. Encoded authorization failure message: "},
		{"an hour and a second", "first", with("DurationSeconds", "3601"), 400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"a session name with a colon", "first", with("RoleSessionName", "Session1:2"), 400, "ValidationError", `1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"an MFA device", "first", with("SerialNumber", "arn:aws:iam::111122223333:mfa/x", "TokenCode", "123456"), 400, "ValidationError", "the parameter is not supported for AssumeRole"},
		{"a context", "first", with("ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/x"), 400, "ValidationError", "the parameter is not supported for AssumeRole"},
		{"a policy that is none", "first", with("Policy", "{}"), 400, "MalformedPolicyDocument", ""},
		{"a managed policy there is not", "first", with("PolicyArns.member.1.arn", "arn:aws:iam::111122223333:policy/none"), 400, "ValidationError", "does not exist or is not attachable"},
		{"tags that differ in case", "first", with("Tags.member.1.Key", "a", "Tags.member.1.Value", "", "Tags.member.2.Key", "A", "Tags.member.2.Value", ""), 400, "InvalidParameterValue", "Duplicate tag keys found."},
		{"tags that do not fit", "first", with("Tags.member.1.Key", "a", "Tags.member.1.Value", strings.Repeat("1aZ", 85), "Tags.member.2.Key", "b", "Tags.member.2.Value", strings.Repeat("1aZ", 85), "Tags.member.3.Key", "c", "Tags.member.3.Value", strings.Repeat("1aZ", 85),
			"Tags.member.4.Key", "d", "Tags.member.4.Value", strings.Repeat("1aZ", 85), "Tags.member.5.Key", "e", "Tags.member.5.Value", strings.Repeat("1aZ", 85), "Tags.member.6.Key", "f", "Tags.member.6.Value", strings.Repeat("1aZ", 85)), 400, "PackedPolicyTooLarge", "Packed size of session tags consumes 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, got := w.assume(job, tt.role, tt.params)
			if got.status != tt.status || tt.code != "" && between(got.body, "<Code>", "<") != tt.code || !strings.Contains(html.UnescapeString(got.body), tt.text) {
				t.Errorf("%d %s; want %d %s %s", got.status, got.body, tt.status, tt.code, tt.text)
			}
		})
	}
	first, got := w.assume(job, "first", with("Tags.member.1.Key", "Team", "Tags.member.1.Value", "web", "TransitiveTagKeys.member.1", "team"))
	if !strings.Contains(got.body, "<PackedPolicySize>1</PackedPolicySize><AssumedRoleUser>") || !strings.Contains(got.body, ":hop-1</AssumedRoleId><Arn>arn:aws:sts::111122223333:assumed-role/first/hop-1</Arn>") {
		t.Errorf("%d %s", got.status, got.body)
	}
	second, got := w.assume(first, "second", url.Values{"SourceIdentity": {"alice"}})
	if !strings.Contains(got.body, "<SourceIdentity>alice</SourceIdentity>") {
		t.Errorf("%d %s", got.status, got.body)
	}
	who := func(a AdminCredentials) answer {
		return w.send(w.signed(a, "sts", "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15"))
	}
	if got := who(second); !strings.Contains(got.body, "<Arn>arn:aws:sts::111122223333:assumed-role/second/hop-1</Arn>") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if _, got := w.assume(first, "second", url.Values{"Tags.member.1.Key": {"TEAM"}, "Tags.member.1.Value": {"x"}}); got.status != 400 || !strings.Contains(html.UnescapeString(got.body), "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.") {
		t.Errorf("%d %s", got.status, got.body)
	}
	w.query("iam", "2010-05-08", "DeleteRolePolicy", url.Values{"RoleName": {"first"}, "PolicyName": {"inline"}})
	if got := who(second); got.status != 200 {
		t.Errorf("without a policy of a role on the way: %d %s", got.status, got.body)
	}
	w.query("iam", "2010-05-08", "DeleteRole", url.Values{"RoleName": {"first"}})
	if got := who(second); got.status != 403 || between(got.body, "<Code>", "<") != "InvalidClientTokenId" {
		t.Errorf("without a role on the way: %d %s", got.status, got.body)
	}
}

// TestAssumeRoleDoor: it must be signed, for STS, in a POST.
func TestAssumeRoleDoor(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	w.makeRole("first", `{"Effect":"Allow","Principal":{"AWS":"`+testAccount+`"},"Action":"sts:AssumeRole"}`, "")
	form := "Action=AssumeRole&Version=2011-06-15&RoleSessionName=hop-1&RoleArn=" + url.QueryEscape("arn:aws:iam::"+testAccount+":role/first")
	u, err := url.Parse(w.PublicURL())
	if err != nil {
		t.Fatal(err)
	}
	query, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: u.Host, Path: "/", RawQuery: form}, credentials(w.admin), "us-east-1", "sts", time.Minute, w.now())
	if err != nil {
		t.Fatal(err)
	}
	post := func(change func(*http.Request)) *http.Request {
		r := w.signed(w.admin, "sts", "POST", "/", form)
		if change != nil {
			change(r)
		}
		return r
	}
	job := w.given(w.exchange(w.job("acme/web", "main")))
	for _, tt := range []struct {
		name   string
		req    *http.Request
		status int
		code   string
	}{
		{"signed", post(nil), 200, ""},
		{"presigned", w.request("GET", "/?"+query, ""), 405, "InvalidAction"},
		{"not signed", post(func(r *http.Request) { r.Header.Del("Authorization") }), 403, "MissingAuthenticationToken"},
		{"signed for IAM", w.signed(w.admin, "iam", "POST", "/", form), 403, "SignatureDoesNotMatch"},
		{"another's session token", post(func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", job.Credentials.SessionToken) }), 403, "InvalidClientTokenId"},
		{"under IAM's version", w.signed(w.admin, "iam", "POST", "/", strings.Replace(form, "2011-06-15", "2010-05-08", 1)), 400, "InvalidAction"},
		{"without parameters", w.signed(w.admin, "sts", "POST", "/", "Action=AssumeRole&Version=2011-06-15"), 400, "ValidationError"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := w.send(tt.req)
			if got.status != tt.status || between(got.body, "<Code>", "<") != tt.code || (got.status == 200) != strings.Contains(got.body, "<SecretAccessKey>") {
				t.Errorf("%d %s; want %d %s", got.status, got.body, tt.status, tt.code)
			}
		})
	}
}

// TestDecodeAuthorizationMessage: what a refusal says in its encoded message is
// for those who may decode it.
func TestDecodeAuthorizationMessage(t *testing.T) {
	w := newWorld(t, nil)
	w.teach()
	w.makeRole("auditor", `{"Effect":"Allow","Principal":{"AWS":"`+testAccount+`"},"Action":"sts:AssumeRole"}`, `{"Effect":"Allow","Action":"sts:DecodeAuthorizationMessage","Resource":"*"}`)
	job := w.given(w.exchange(w.job("acme/web", "main")))
	auditor, _ := w.assume(w.admin, "auditor", nil)
	decode := func(who AdminCredentials, message string) answer {
		return w.send(w.signed(who, "sts", "POST", "/", url.Values{"Action": {"DecodeAuthorizationMessage"}, "Version": {"2011-06-15"}, "EncodedMessage": {message}}.Encode()))
	}
	refusals := map[string]answer{
		"iam:ListRoles":                  w.send(w.signed(job, "iam", "POST", "/", "Action=ListRoles&Version=2010-05-08")),
		"eks:ListClusters":               w.send(w.signed(job, "eks", "GET", "/clusters", "")),
		"mayfly:ReadAudit":               w.send(w.signed(job, "mayfly", "GET", "/mayfly/v1/audit/events?first=0&limit=1", "")),
		"sts:AssumeRole":                 func() answer { _, got := w.assume(job, "auditor", nil); return got }(),
		"sts:DecodeAuthorizationMessage": decode(job, "x"),
	}
	for action, got := range refusals {
		_, message, found := strings.Cut(got.body, ". Encoded authorization failure message: ")
		message = message[:max(0, strings.IndexAny(message, `<"`))]
		if got.status != 403 || !found {
			t.Errorf("%s: %d %s", action, got.status, got.body)
			continue
		}
		if got := decode(job, message); got.status != 403 || between(got.body, "<Code>", "<") != "AccessDenied" {
			t.Errorf("%s: the job decodes %d %s", action, got.status, got.body)
		}
		got = decode(auditor, message)
		text := html.UnescapeString(between(got.body, "<DecodedMessage>", "<"))
		for _, want := range []string{`{"allowed":false,"explicitDeny":false,`, `"action":"` + action + `"`, `"arn":"arn:aws:sts::111122223333:assumed-role/deployer/run-1"`, `{"key":"gitlab.example:8443/path:project_path","values":{"items":[{"value":"acme/web"}]}}`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s\ndoes not hold %s", action, text, want)
			}
		}
	}
	for name, message := range map[string]string{"nothing of ours": "abc", "a session token": job.Credentials.SessionToken} {
		if got := decode(auditor, message); got.status != 400 || between(got.body, "<Code>", "<") != "InvalidAuthorizationMessageException" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if got := decode(auditor, strings.Repeat("a", 10241)); got.status != 400 || between(got.body, "<Code>", "<") != "ValidationError" {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.log.String(); strings.Contains(got, "Encoded authorization") {
		t.Error("the log holds an encoded message")
	}
}
