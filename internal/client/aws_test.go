package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/housetest"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/awsrest"
	"mayfly.internal/internal/wire/ekswire"
	"mayfly.internal/internal/wire/iamwire"
	"mayfly.internal/internal/wire/stswire"
)

// houseConfig is the administrator's of a whole server.
func houseConfig(h *housetest.House) client.Config {
	return client.Config{Endpoint: h.URL, Region: housetest.Region, CAFile: h.CAFile, UserAgent: "mayfly/test",
		Credentials: sigv4.Credentials{AccessKeyID: h.Admin.AccessKeyID, SecretKey: secret.New(h.Admin.SecretAccessKey), SessionToken: h.Admin.SessionToken}}
}

func newAWS(t *testing.T, c client.AWSConfig) *client.AWS {
	t.Helper()
	a, err := client.NewAWS(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:UserAgent":"100% + ä"}}}]}`

// TestAgainstAServer: everything is asked of the assembled server, which verifies
// the signatures; once as a Mayfly server, once as AWS's services by endpoints of
// their own.
func TestAgainstAServer(t *testing.T) {
	h := housetest.New(t)
	h.Cluster("k", "API")
	one := houseConfig(h)
	three := client.AWSConfig{Config: one, IAM: h.URL, STS: h.URL, EKS: h.URL}
	three.Endpoint = ""
	for name, c := range map[string]client.AWSConfig{"server": {Config: one}, "services": three} {
		t.Run(name, func(t *testing.T) { story(t, newAWS(t, c), name) })
	}
}

func story(t *testing.T, a *client.AWS, name string) {
	ctx := t.Context()
	arn, account, err := a.Caller(ctx)
	if err != nil || account != housetest.Account || !strings.Contains(arn, "assumed-role/mayfly-admin/") {
		t.Errorf("caller: %s %s, %v", arn, account, err)
	}
	role, err := a.CreateRole(ctx, iamwire.CreateRole{Name: name, Path: "/ci/", Trust: trust, MaxSessionSeconds: 3600, Tags: []iamwire.Tag{{Key: "k", Value: "v w"}}})
	want := client.Role{ARN: "arn:aws:iam::" + housetest.Account + ":role/ci/" + name, Path: "/ci/", Name: name, ID: role.ID, Trust: trust, MaxSession: time.Hour}
	if err != nil || role != want || role.ID == "" {
		t.Errorf("create: %+v, %v", role, err)
	}
	if got, err := a.Role(ctx, name); err != nil || got != want {
		t.Errorf("get: %+v, %v", got, err)
	}
	if got, err := a.Roles(ctx, "/ci/"); err != nil || len(got) == 0 || got[len(got)-1].ARN == "" {
		t.Errorf("list: %+v, %v", got, err)
	}
	other := strings.Replace(trust, "100%", "99%", 1)
	if err := a.UpdateTrust(ctx, name, other); err != nil {
		t.Error(err)
	}
	if got, err := a.Role(ctx, name); err != nil || got.Trust != other {
		t.Errorf("changed: %s, %v", got.Trust, err)
	}
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`
	if err := a.PutRolePolicy(ctx, name, "p", text); err != nil {
		t.Error(err)
	}
	if got, err := a.RolePolicy(ctx, name, "p"); err != nil || got != text {
		t.Errorf("policy: %s, %v", got, err)
	}
	provider, err := a.CreateProvider(ctx, "https://"+name+".example/p", "one")
	if err != nil || provider != "arn:aws:iam::"+housetest.Account+":oidc-provider/"+name+".example/p" {
		t.Errorf("provider: %s, %v", provider, err)
	}
	if err := a.AddClientID(ctx, provider, "https://two"); err != nil {
		t.Error(err)
	}
	if got, err := a.Provider(ctx, provider); err != nil || !reflect.DeepEqual(got, client.Provider{ARN: provider, URL: "https://" + name + ".example/p", ClientIDs: []string{"one", "https://two"}}) {
		t.Errorf("provider: %+v, %v", got, err)
	}
	if got, err := a.Providers(ctx); err != nil || len(got) < 2 {
		t.Errorf("providers: %v, %v", got, err)
	}
	cluster, err := a.Cluster(ctx, "k")
	if err != nil || cluster.ARN != "arn:aws:eks:us-east-1:"+housetest.Account+":cluster/k" || cluster.AccessConfig.AuthenticationMode != "API" {
		t.Errorf("cluster: %+v, %v", cluster, err)
	}
	if entry, err := a.CreateAccessEntry(ctx, "k", ekswire.CreateAccessEntry{PrincipalARN: role.ARN}); err != nil || entry.PrincipalARN != role.ARN {
		t.Errorf("entry: %+v, %v", entry, err)
	}
	const edit = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"
	scope := ekswire.Scope{Type: "namespace", Namespaces: []string{"n"}}
	if got, err := a.AssociateAccessPolicy(ctx, "k", role.ARN, edit, scope); err != nil || got.PolicyARN != edit || !reflect.DeepEqual(got.Scope, scope) {
		t.Errorf("associate: %+v, %v", got, err)
	}
	if got, err := a.AccessEntry(ctx, "k", role.ARN); err != nil || got.PrincipalARN != role.ARN || got.Type != "STANDARD" {
		t.Errorf("entry: %+v, %v", got, err)
	}
	if got, err := a.AccessPolicies(ctx, "k", role.ARN); err != nil || len(got) != 1 || got[0].PolicyARN != edit {
		t.Errorf("policies: %+v, %v", got, err)
	}
	refusals(t, a)
}

// refusals: AWS's code and message, whichever protocol they come by.
func refusals(t *testing.T, a *client.AWS) {
	ctx := t.Context()
	_, role := a.Role(ctx, "nobody")
	_, roleName := a.Role(ctx, "a:b")
	_, exists := a.CreateRole(ctx, iamwire.CreateRole{Name: "deployer", Trust: trust})
	_, cluster := a.Cluster(ctx, "none")
	_, entry := a.AccessEntry(ctx, "k", "arn:aws:iam::"+housetest.Account+":role/nobody")
	_, path := a.Cluster(ctx, "..")
	for _, tt := range []struct {
		err  error
		code string
		want string
	}{
		{role, "NoSuchEntity", "The role with name nobody cannot be found."},
		{roleName, "ValidationError", "roleName"},
		{exists, "EntityAlreadyExists", "deployer"},
		{a.UpdateTrust(ctx, "deployer", "{}"), "MalformedPolicyDocument", ""},
		{cluster, "ResourceNotFoundException", "No cluster found for name: none."},
		{entry, "ResourceNotFoundException", "could not be found"},
		{path, "", ""},
	} {
		e, ok := errors.AsType[*client.Error](tt.err)
		if !ok || tt.code != "" && e.Code != tt.code || !strings.Contains(e.Message, tt.want) || e.Request == "" {
			t.Errorf("got %v, want %s: %s", tt.err, tt.code, tt.want)
		}
	}
}

func TestSignatureIsVerified(t *testing.T) {
	h := housetest.New(t)
	for name, change := range map[string]func(*client.Config){
		"InvalidClientTokenId":       func(c *client.Config) { c.Credentials.SessionToken = "x" },
		"SignatureDoesNotMatch":      func(c *client.Config) { c.Credentials.SecretKey = secret.New("other") },
		"MissingAuthenticationToken": func(c *client.Config) { c.Credentials = sigv4.Credentials{} },
	} {
		c := houseConfig(h)
		change(&c)
		_, err := newAWS(t, client.AWSConfig{Config: c}).Role(t.Context(), "deployer")
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAssumeRoleWithWebIdentity: a token is all it takes, and whose credentials
// the client has besides is not said.
func TestAssumeRoleWithWebIdentity(t *testing.T) {
	h := housetest.New(t)
	in := stswire.AssumeRoleWithWebIdentity{RoleARN: housetest.Role, SessionName: "acme-web-1", Token: h.Tokens()["good"], Duration: 20 * time.Minute}
	for name, c := range map[string]sigv4.Credentials{
		"no credentials":     {},
		"the administrator":  houseConfig(h).Credentials,
		"others' old ones":   {AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretKey: secret.New("x")},
		"those of a session": {AccessKeyID: h.Expired.AccessKeyID, SecretKey: secret.New(h.Expired.SecretAccessKey), SessionToken: h.Expired.SessionToken},
	} {
		config := houseConfig(h)
		config.Credentials = c
		s, err := newAWS(t, client.AWSConfig{Config: config}).AssumeRoleWithWebIdentity(t.Context(), in)
		if err != nil || s.ARN != "arn:aws:sts::"+housetest.Account+":assumed-role/deployer/acme-web-1" || time.Until(s.Expires) > 20*time.Minute || time.Until(s.Expires) < 19*time.Minute {
			t.Errorf("%s: %+v, %v", name, s, err)
			continue
		}
		config.Credentials = s.Credentials
		if arn, _, err := newAWS(t, client.AWSConfig{Config: config}).Caller(t.Context()); err != nil || arn != s.ARN {
			t.Errorf("%s: the caller is %s, %v", name, arn, err)
		}
	}
	a := newAWS(t, client.AWSConfig{Config: houseConfig(h)})
	for name, tt := range map[string]struct{ token, role, code string }{
		"another branch": {h.Token("acme/web", "other"), housetest.Role, "AccessDenied"},
		"another role":   {in.Token, housetest.Next, "AccessDenied"},
		"forged":         {h.Tokens()["forged"], housetest.Role, "InvalidIdentityToken"},
		"expired":        {h.Tokens()["expired"], housetest.Role, "ExpiredTokenException"},
		"no role":        {in.Token, "deployer", "ValidationError"},
	} {
		other := in
		other.Token, other.RoleARN = tt.token, tt.role
		s, err := a.AssumeRoleWithWebIdentity(t.Context(), other)
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != tt.code || s != (client.Session{}) || strings.Contains(err.Error(), tt.token) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	f := newFake(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("it is signed")
		}
		if n < 3 {
			fail(w, 400, "IDPCommunicationError")
			return
		}
		fail(w, 403, "IDPRejectedClaim")
	})
	if s, err := f.aws().AssumeRoleWithWebIdentity(t.Context(), in); err == nil || s != (client.Session{}) || len(f.asked) != 3 {
		t.Errorf("asked %d times: %+v, %v", len(f.asked), s, err)
	}
}

// fake is a server whose answers a test writes, and what it was asked.
type fake struct {
	t     *testing.T
	url   string
	asked []string // METHOD PATH BODY
	waits []time.Duration
}

func newFake(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *fake {
	f := &fake{t: t}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.asked = append(f.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		answer(len(f.asked), w, r)
	}))
	t.Cleanup(s.Close)
	f.url = s.URL
	return f
}

func (f *fake) aws() *client.AWS {
	return newAWS(f.t, client.AWSConfig{Config: client.Config{Endpoint: f.url, Region: "eu-central-1", Wait: func(_ context.Context, d time.Duration) error {
		f.waits = append(f.waits, d)
		return nil
	}}})
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	w.Write(awsquery.Failure{Status: status, Code: code, Message: "m"}.Body("n", "r-1"))
}

// TestRetry: a question is asked again while it may help, a change never.
func TestRetry(t *testing.T) {
	role := iamwire.RoleResult{Role: iamwire.Role{Name: "r", ARN: "a", Trust: "%7B%7D"}}
	for name, tt := range map[string]struct {
		status int
		code   string
		good   int // the answer from which on it succeeds
		asked  int
	}{
		"throttled":          {400, "Throttling", 3, 3},
		"throttled for long": {400, "ThrottlingException", 9, 4},
		"too many":           {429, "TooManyRequestsException", 2, 2},
		"unavailable":        {503, "ServiceUnavailable", 2, 2},
		"failing":            {500, "ServiceFailure", 4, 4},
		"refused":            {403, "AccessDenied", 2, 1},
		"not there":          {404, "NoSuchEntity", 2, 1},
	} {
		f := newFake(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < tt.good {
				fail(w, tt.status, tt.code)
				return
			}
			w.Write(awsquery.Answer("n", "GetRole", role, "r"))
		})
		_, err := f.aws().Role(t.Context(), "r")
		e, _ := errors.AsType[*client.Error](err)
		if len(f.asked) != tt.asked || (err == nil) != (tt.asked == tt.good) || err != nil && (e == nil || e.Code != tt.code || e.Request != "r-1") {
			t.Errorf("%s: asked %d times, %v", name, len(f.asked), err)
		}
		for i, d := range f.waits {
			if d < 0 || d >= 500*time.Millisecond<<i {
				t.Errorf("%s: waits %v", name, f.waits)
			}
		}
	}
	f := newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fail(w, 503, "ServiceUnavailable") })
	if _, err := f.aws().CreateRole(t.Context(), iamwire.CreateRole{Name: "r", Trust: "{}"}); err == nil || len(f.asked) != 1 {
		t.Errorf("a change is sent %d times, %v", len(f.asked), err)
	}
	f = newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(awsrest.ErrorTypeHeader, "ThrottlingException")
		w.WriteHeader(429)
		w.Write([]byte(`{"message":"Rate exceeded"}`))
	})
	if _, err := f.aws().Cluster(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "ThrottlingException: Rate exceeded") || len(f.asked) != 4 {
		t.Errorf("%d times, %v", len(f.asked), err)
	}
	f = newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) { fail(w, 503, "ServiceUnavailable") })
	ctx, cancel := context.WithCancel(t.Context())
	a := newAWS(t, client.AWSConfig{Config: client.Config{Endpoint: f.url, Region: "eu-central-1", Wait: func(context.Context, time.Duration) error { cancel(); return ctx.Err() }}})
	if _, err := a.Role(ctx, "r"); err == nil || len(f.asked) != 1 || !strings.Contains(err.Error(), "ServiceUnavailable") {
		t.Errorf("given up: %d times, %v", len(f.asked), err)
	}
}

// TestSettle: EKS is asked again while it does not know the principal, and for no
// other reason.
func TestSettle(t *testing.T) {
	for name, tt := range map[string]struct {
		code, message string
		good, asked   int
	}{
		"not known yet":   {"InvalidParameterException", "The specified principalArn is invalid: invalid principal.", 3, 3},
		"never known":     {"InvalidParameterException", "The specified principalArn is invalid: invalid principal.", 99, 40},
		"no entry yet":    {"ResourceNotFoundException", "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.", 2, 2},
		"another problem": {"InvalidParameterException", "The kubernetes group name is invalid", 2, 1},
		"no cluster":      {"ResourceNotFoundException", "No cluster found for name: k.", 2, 1},
	} {
		f := newFake(t, func(n int, w http.ResponseWriter, _ *http.Request) {
			if n < tt.good {
				w.Header().Set(awsrest.ErrorTypeHeader, tt.code)
				w.WriteHeader(400)
				w.Write(awsrest.Failure{Message: tt.message}.Body())
				return
			}
			w.Write(awsrest.Encode(ekswire.OneAccessEntry{AccessEntry: ekswire.AccessEntry{PrincipalARN: "p"}}))
		})
		a := f.aws()
		err := a.Settle(t.Context(), func() error {
			_, err := a.CreateAccessEntry(t.Context(), "k", ekswire.CreateAccessEntry{PrincipalARN: "p"})
			return err
		})
		if len(f.asked) != tt.asked || (err == nil) != (tt.asked == tt.good) {
			t.Errorf("%s: asked %d times, %v", name, len(f.asked), err)
		}
	}
}

// TestRolesPages: every page is read, and a list without an end is not.
func TestRolesPages(t *testing.T) {
	pages := 3
	f := newFake(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		role := iamwire.Role{Name: fmt.Sprint("r", n), ARN: "a", Trust: iamwire.Document([]byte(trust))}
		w.Write(awsquery.Answer("n", "ListRoles", iamwire.ListRolesResult{Roles: awsquery.List([]iamwire.Role{role}), IsTruncated: n < pages, Marker: fmt.Sprint("m+", n)}, "r"))
	})
	roles, err := f.aws().Roles(t.Context(), "/a/")
	if err != nil || len(roles) != 3 || roles[2].Name != "r3" || roles[0].Trust != trust {
		t.Errorf("%+v, %v", roles, err)
	}
	want := []string{
		"POST / Action=ListRoles&MaxItems=1000&PathPrefix=%2Fa%2F&Version=2010-05-08",
		"POST / Action=ListRoles&Marker=m%2B1&MaxItems=1000&PathPrefix=%2Fa%2F&Version=2010-05-08",
		"POST / Action=ListRoles&Marker=m%2B2&MaxItems=1000&PathPrefix=%2Fa%2F&Version=2010-05-08",
	}
	if !reflect.DeepEqual(f.asked, want) {
		t.Errorf("asked %q", f.asked)
	}
	pages = 1 << 30
	f.asked = nil
	if roles, err := f.aws().Roles(t.Context(), ""); err == nil || roles != nil || len(f.asked) > 100 {
		t.Errorf("%d roles, %v", len(roles), err)
	}
}

// TestAccessPoliciesPages: as AWS's clients write paths, colons encoded too.
func TestAccessPoliciesPages(t *testing.T) {
	f := newFake(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		w.Write(awsrest.Encode(ekswire.ListAssociatedAccessPolicies{Associated: []ekswire.AssociatedPolicy{{PolicyARN: fmt.Sprint("p", n)}}, NextToken: []string{"t/1", ""}[n-1]}))
	})
	list, err := f.aws().AccessPolicies(t.Context(), "k", "arn:aws:iam::1:role/r")
	const path = "GET /clusters/k/access-entries/arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr/access-policies"
	if err != nil || len(list) != 2 || !reflect.DeepEqual(f.asked, []string{path, path + "?nextToken=t%2F1"}) {
		t.Errorf("%+v, %v, asked %q", list, err, f.asked)
	}
}

// TestGarbage: an answer that is none is an error that names the server, and no
// credentials.
func TestGarbage(t *testing.T) {
	for _, tt := range []struct {
		status     int
		body, want string
	}{
		{200, "<html>", "GetRoleResponse is wanted, not html"},
		{200, "", "it is not XML"},
		{200, string(awsquery.Answer("n", "GetRole", nil, "r")), "a role has no name or no ARN"},
		{502, "<html>Bad Gateway</html>", "answered 502 Bad Gateway and not as IAM does"},
		{302, "", "answered 302 Found and not as IAM does"},
		{404, "no", "answered 404 Not Found and not as IAM does"},
	} {
		f := newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(tt.status)
			w.Write([]byte(tt.body))
		})
		host, _ := url.Parse(f.url)
		if r, err := f.aws().Role(t.Context(), "r"); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), host.Host) || r != (client.Role{}) {
			t.Errorf("%d %s: %+v, %v", tt.status, tt.body, r, err)
		}
	}
}

// TestMessageIsShown: what a server says is not obeyed by the terminal.
func TestMessageIsShown(t *testing.T) {
	f := newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(awsrest.ErrorTypeHeader, "AccessDeniedException")
		w.WriteHeader(403)
		w.Write(awsrest.Failure{Message: "no \x1b[2Jäöü\nand no"}.Body())
	})
	_, err := f.aws().Cluster(t.Context(), "k")
	if err == nil || err.Error() != "AccessDeniedException: no \uFFFD[2Jäöü and no" {
		t.Errorf("%q", err)
	}
	f = newFake(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		w.Write([]byte(`{"code":"\u001b[2JNo","message":"no\u009b2J\u202e\nmayfly: hint: run this"}`))
	})
	c, err := client.New(client.Config{Endpoint: f.url, Region: housetest.Region})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Server(t.Context()); err == nil || err.Error() != "\uFFFD[2JNo: no\uFFFD2J\uFFFD mayfly: hint: run this" {
		t.Errorf("%q", err)
	}
}

func TestNewAWSRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		c    client.AWSConfig
		want string
	}{
		"no region":          {client.AWSConfig{}, `"" is no region`},
		"a region of others": {client.AWSConfig{Config: client.Config{Region: "cn-north-1"}}, "another partition"},
		"a government's":     {client.AWSConfig{Config: client.Config{Region: "us-gov-west-1"}}, "another partition"},
		"a host":             {client.AWSConfig{Config: client.Config{Region: "evil.example/"}}, "is no region"},
		"a dot":              {client.AWSConfig{Config: client.Config{Region: "eu-central-1.evil"}}, "is no region"},
		"two answers":        {client.AWSConfig{Config: client.Config{Endpoint: "https://x", Region: "r"}, IAM: "https://y"}, "one server is named"},
		"an endpoint":        {client.AWSConfig{Config: client.Config{Region: "eu-central-1"}, EKS: "x"}, "is no URL"},
		"a CA":               {client.AWSConfig{Config: client.Config{Region: "eu-central-1", CAFile: "none.pem"}}, "none.pem"},
	} {
		if a, err := client.NewAWS(tt.c); err == nil || a != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := client.NewAWS(client.AWSConfig{Config: client.Config{Region: "eu-central-1"}}); err != nil {
		t.Error(err)
	}
}
