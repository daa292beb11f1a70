package sigv4_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

var (
	now   = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	creds = sigv4.Credentials{AccessKeyID: "ASIAEXAMPLEEXAMPLE01", SecretKey: secret.New("canary-secret-key/abc+def"), SessionToken: "canary-session-token+/="}
)

const region = "eu-central-1"

func headers(pairs ...string) []sigv4.Header {
	var list []sigv4.Header
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, sigv4.Header{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

// query is a Query call as the AWS CLI sends it.
func query() sigv4.Request {
	return sigv4.Request{
		Method: "POST", Host: "sts.example:8443", Path: "/",
		Headers: headers("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
		Body:    []byte("Action=GetCallerIdentity&Version=2011-06-15"),
	}
}

// rest is a REST call whose path holds an escaped ARN.
func rest() sigv4.Request {
	return sigv4.Request{
		Method: "GET", Host: "eks.example", RawQuery: "maxResults=5&nextToken=a%2Bb%20c",
		Path: "/clusters/my-cluster/access-entries/arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fdeployer",
	}
}

func signed(t testing.TB, r sigv4.Request, service string) sigv4.Request {
	t.Helper()
	added, err := sigv4.Sign(r, creds, region, service, now)
	if err != nil {
		t.Fatal(err)
	}
	r.Headers = slices.Concat(r.Headers, added)
	return r
}

func presigned(t testing.TB, r sigv4.Request, service string) sigv4.Request {
	t.Helper()
	text, err := sigv4.Presign(r, creds, region, service, time.Minute, now)
	if err != nil {
		t.Fatal(err)
	}
	r.RawQuery = text
	return r
}

func verify(r sigv4.Request, at time.Time) error {
	s, err := sigv4.Parse(r)
	if err != nil {
		return err
	}
	return s.Verify(creds.SecretKey, at, sigv4.DefaultWindow())
}

func wantReason(t *testing.T, err error, want sigv4.Reason) *sigv4.Error {
	t.Helper()
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok || e.Reason != want {
		t.Fatalf("error = %v, want reason %v", err, want)
	}
	if strings.Contains(e.Detail, "canary") {
		t.Errorf("the error shows a secret: %s", e.Detail)
	}
	return e
}

func TestRoundTrip(t *testing.T) {
	for name, r := range map[string]sigv4.Request{
		"a Query call": query(), "a REST call": rest(),
		"an empty path":             {Method: "GET", Host: "a.example"},
		"UTF-8 in header and query": {Method: "GET", Host: "a.example", Path: "/", RawQuery: "n=%C3%A9&N=2&n=1", Headers: headers("X-Amz-Meta", "é  ü")},
		"a path of slashes":         {Method: "GET", Host: "a.example", Path: "//"},
	} {
		t.Run(name, func(t *testing.T) {
			for form, sign := range map[string]func(testing.TB, sigv4.Request, string) sigv4.Request{"header": signed, "query": presigned} {
				s, err := sigv4.Parse(sign(t, r, "sts"))
				if err != nil {
					t.Fatal(form, err)
				}
				if err := s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()); err != nil {
					t.Error(form, err)
				}
				want := sigv4.Scope{AccessKeyID: creds.AccessKeyID, Date: "20261123", Region: region, Service: "sts"}
				if s.Scope() != want || !s.Time().Equal(now) || s.SessionToken() != creds.SessionToken || s.Presigned() != (form == "query") {
					t.Errorf("%s: %v %v %v", form, s.Scope(), s.Time(), s.Presigned())
				}
				if form == "query" && s.Expires() != time.Minute {
					t.Errorf("expires = %v", s.Expires())
				}
				if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "canary") {
					t.Error("printing shows the session token")
				}
				if s.ScopedTo("sts") != nil {
					t.Error("not scoped to sts")
				}
				for _, service := range []string{"iam", "", "STS", "st"} {
					wantReason(t, s.ScopedTo(service), sigv4.BadScope)
				}
			}
		})
	}
}

// edit changes a signed request; each change must make it refused.
type edit struct {
	name   string
	change func(*sigv4.Request)
	reason sigv4.Reason
}

func setHeader(name, value string) func(*sigv4.Request) {
	return func(r *sigv4.Request) {
		r.Headers = slices.Clone(r.Headers)
		for i, h := range r.Headers {
			if strings.EqualFold(h.Name, name) {
				r.Headers[i].Value = value
				return
			}
		}
		r.Headers = append(r.Headers, sigv4.Header{Name: name, Value: value})
	}
}

func addHeader(name, value string) func(*sigv4.Request) {
	return func(r *sigv4.Request) {
		r.Headers = append(slices.Clone(r.Headers), sigv4.Header{Name: name, Value: value})
	}
}

func dropHeader(name string) func(*sigv4.Request) {
	return func(r *sigv4.Request) {
		r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h sigv4.Header) bool { return strings.EqualFold(h.Name, name) })
	}
}

// inAuthorization replaces a text in the Authorization header.
func inAuthorization(old, with string) func(*sigv4.Request) {
	return func(r *sigv4.Request) {
		r.Headers = slices.Clone(r.Headers)
		for i, h := range r.Headers {
			if h.Name == "Authorization" {
				r.Headers[i].Value = strings.Replace(h.Value, old, with, 1)
			}
		}
	}
}

func inQuery(old, with string) func(*sigv4.Request) {
	return func(r *sigv4.Request) { r.RawQuery = strings.Replace(r.RawQuery, old, with, 1) }
}

func TestHeaderFormRefuses(t *testing.T) {
	good := signed(t, query(), "sts")
	if err := verify(good, now); err != nil {
		t.Fatal(err)
	}
	const signedList = "content-type;host;x-amz-date;x-amz-security-token"
	for _, tt := range []edit{
		{"unsigned", dropHeader("Authorization"), sigv4.Missing},
		{"signed in the query too", func(r *sigv4.Request) { r.RawQuery = "X-Amz-Signature=" + strings.Repeat("0", 64) }, sigv4.Ambiguous},
		{"a session token in the query too", func(r *sigv4.Request) { r.RawQuery = "X-Amz-Security-Token=x" }, sigv4.Ambiguous},
		{"a credential in the query in another case", func(r *sigv4.Request) { r.RawQuery = "x-amz-credential=eve" }, sigv4.Ambiguous},
		{"two Authorization headers", addHeader("authorization", "Basic eDp5"), sigv4.Ambiguous},
		{"another scheme", setHeader("Authorization", "Bearer abc"), sigv4.Incomplete},
		{"an empty Authorization", setHeader("Authorization", ""), sigv4.Incomplete},
		{"the algorithm alone", setHeader("Authorization", "AWS4-HMAC-SHA256"), sigv4.Incomplete},
		{"the algorithm in lower case", inAuthorization("AWS4-HMAC", "aws4-hmac"), sigv4.Incomplete},
		{"SHA-1", inAuthorization("SHA256", "SHA1"), sigv4.Incomplete},
		{"SigV4A", inAuthorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), sigv4.Incomplete},
		{"an Authorization of 9 KiB", inAuthorization("Credential", strings.Repeat("x", 9000)), sigv4.TooLong},
		{"no Credential", inAuthorization("Credential=", "Cred="), sigv4.Incomplete},
		{"Credential in lower case", inAuthorization("Credential=", "credential="), sigv4.Incomplete},
		{"Credential twice", inAuthorization("Credential=", "Credential=AKIAEVE/20261123/eu-central-1/sts/aws4_request, Credential="), sigv4.Ambiguous},
		{"Signature twice", inAuthorization("Signature=", "Signature="+strings.Repeat("0", 64)+", Signature="), sigv4.Ambiguous},
		{"a part without an equal sign", inAuthorization("SignedHeaders", "x, SignedHeaders"), sigv4.Incomplete},
		{"no SignedHeaders", inAuthorization("SignedHeaders="+signedList+", ", ""), sigv4.Incomplete},
		{"no Signature", inAuthorization(", Signature=", ", "), sigv4.Incomplete},

		{"a scope of four parts", inAuthorization("/aws4_request", ""), sigv4.Incomplete},
		{"a scope of six parts", inAuthorization("/aws4_request", "/x/aws4_request"), sigv4.Incomplete},
		{"another terminator", inAuthorization("aws4_request", "aws5_request"), sigv4.BadScope},
		{"no access key id", inAuthorization(creds.AccessKeyID, ""), sigv4.Incomplete},
		{"an access key id with a newline", inAuthorization(creds.AccessKeyID, "ASIA\n"), sigv4.Incomplete},
		{"an access key id of 129", inAuthorization(creds.AccessKeyID, strings.Repeat("A", 129)), sigv4.Incomplete},
		{"another access key id", inAuthorization(creds.AccessKeyID, "ASIAEXAMPLEEXAMPLE02"), sigv4.Incomplete}, // allowed by Parse; see below
		{"the day before", inAuthorization("20261123", "20261122"), sigv4.BadScope},
		{"a day that is none", inAuthorization("20261123", "20261131"), sigv4.BadScope},
		{"a day in letters", inAuthorization("20261123", "today"), sigv4.BadScope},
		{"no region", inAuthorization(region, ""), sigv4.BadScope},
		{"a region in capitals", inAuthorization(region, "EU-central-1"), sigv4.BadScope},
		{"a region that ends with a hyphen", inAuthorization(region, "eu-"), sigv4.BadScope},
		{"a region of 65", inAuthorization(region, strings.Repeat("a", 65)), sigv4.BadScope},
		{"another region", inAuthorization(region, "eu-central-2"), sigv4.Mismatch},
		{"another service", inAuthorization("/sts/", "/iam/"), sigv4.Mismatch},
		{"no service", inAuthorization("/sts/", "//"), sigv4.BadScope},

		{"one bit of the signature", func(r *sigv4.Request) { flipSignature(r) }, sigv4.Mismatch},
		{"a signature in capitals", func(r *sigv4.Request) { upperSignature(r) }, sigv4.Incomplete},
		{"a signature cut short", func(r *sigv4.Request) { cutSignature(r) }, sigv4.Incomplete},
		{"a signature that is no hexadecimal", inAuthorization("Signature=", "Signature=g"), sigv4.Incomplete},

		{"SignedHeaders without host", inAuthorization(signedList, "content-type;x-amz-date;x-amz-security-token"), sigv4.Unsigned},
		{"SignedHeaders without content-type", inAuthorization(signedList, "host;x-amz-date;x-amz-security-token"), sigv4.Unsigned},
		{"SignedHeaders without the date", inAuthorization(signedList, "content-type;host;x-amz-security-token"), sigv4.Unsigned},
		{"SignedHeaders without the session token", inAuthorization(signedList, "content-type;host;x-amz-date"), sigv4.Unsigned},
		{"SignedHeaders in another order", inAuthorization("content-type;host", "host;content-type"), sigv4.Incomplete},
		{"SignedHeaders in capitals", inAuthorization("content-type;host", "Content-Type;host"), sigv4.Incomplete},
		{"SignedHeaders with a name twice", inAuthorization("content-type;host", "content-type;content-type;host"), sigv4.Ambiguous},
		{"SignedHeaders with an empty name", inAuthorization("content-type;host", ";content-type;host"), sigv4.Incomplete},
		{"SignedHeaders with a header that is not there", inAuthorization("content-type;host", "a;content-type;host"), sigv4.Incomplete},
		{"SignedHeaders of 65 names", inAuthorization(signedList, manyNames(65)), sigv4.TooLong},

		{"no date", dropHeader("X-Amz-Date"), sigv4.Incomplete},
		{"two dates", addHeader("x-amz-date", "20261123T120000Z"), sigv4.Ambiguous},
		{"a date with a fraction", setHeader("X-Amz-Date", "20261123T120000.5Z"), sigv4.Incomplete},
		{"a date of another form", setHeader("X-Amz-Date", "Mon, 23 Nov 2026 12:00:00 GMT"), sigv4.Incomplete},
		{"a date with a zone", setHeader("X-Amz-Date", "20261123T120000+00"), sigv4.Incomplete},
		{"a second later", setHeader("X-Amz-Date", "20261123T120001Z"), sigv4.Mismatch},
		{"two session tokens", addHeader("x-amz-security-token", "y"), sigv4.Ambiguous},
		{"another session token", setHeader("X-Amz-Security-Token", "other"), sigv4.Mismatch},
		{"no session token", dropHeader("X-Amz-Security-Token"), sigv4.Incomplete},
		{"a session token of 9 KiB", setHeader("X-Amz-Security-Token", strings.Repeat("t", 9000)), sigv4.TooLong},
		{"a header added after signing", addHeader("X-Amz-Target", "evil"), sigv4.Unsigned},
		{"a header of ours added after signing, in lower case", addHeader("x-amz-meta", ""), sigv4.Unsigned},
		{"a content type added to one", addHeader("content-type", "multipart/form-data"), sigv4.Mismatch},
		{"another content type", setHeader("Content-Type", "text/plain"), sigv4.Mismatch},

		{"another method", func(r *sigv4.Request) { r.Method = "GET" }, sigv4.Mismatch},
		{"the method in lower case", func(r *sigv4.Request) { r.Method = "post" }, sigv4.Mismatch},
		{"another host", func(r *sigv4.Request) { r.Host = "sts.example" }, sigv4.Mismatch},
		{"another path", func(r *sigv4.Request) { r.Path = "/x" }, sigv4.Mismatch},
		{"a path of 9 KiB", func(r *sigv4.Request) { r.Path = "/" + strings.Repeat("p", 9000) }, sigv4.TooLong},
		{"a parameter added", func(r *sigv4.Request) { r.RawQuery = "Action=AssumeRole" }, sigv4.Mismatch},
		{"an empty parameter added", func(r *sigv4.Request) { r.RawQuery = "x" }, sigv4.Mismatch},
		{"a query that cannot be decoded", func(r *sigv4.Request) { r.RawQuery = "x=%g0" }, sigv4.Incomplete},
		{"a query that ends in a percent sign", func(r *sigv4.Request) { r.RawQuery = "x=%" }, sigv4.Incomplete},
		{"a query of 65 KiB", func(r *sigv4.Request) { r.RawQuery = strings.Repeat("q", 65<<10) }, sigv4.TooLong},
		{"another body", func(r *sigv4.Request) { r.Body = []byte("Action=AssumeRole") }, sigv4.Mismatch},
		{"no body", func(r *sigv4.Request) { r.Body = nil }, sigv4.Mismatch},
		{"a body one byte longer", func(r *sigv4.Request) { r.Body = append(slices.Clone(r.Body), ' ') }, sigv4.Mismatch},
		{"a body said to be unsigned", addHeader("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), sigv4.Unsigned},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := good
			tt.change(&r)
			err := verify(r, now)
			if tt.name == "another access key id" { // the caller looks up another key for it
				if err != nil {
					t.Errorf("the access key id is not under the signature, as in AWS: %v", err)
				}
				return
			}
			wantReason(t, err, tt.reason)
		})
	}
}

func manyNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("a%03d", i))
	}
	return strings.Join(names, ";")
}

func editSignature(r *sigv4.Request, change func(string) string) {
	r.Headers = slices.Clone(r.Headers)
	for i, h := range r.Headers {
		if before, signature, ok := strings.Cut(h.Value, "Signature="); h.Name == "Authorization" && ok {
			r.Headers[i].Value = before + "Signature=" + change(signature)
		}
	}
}

func flipSignature(r *sigv4.Request) {
	editSignature(r, func(s string) string {
		data, err := hex.DecodeString(s)
		if err != nil {
			panic(err)
		}
		data[31] ^= 1
		return hex.EncodeToString(data)
	})
}

func upperSignature(r *sigv4.Request) { editSignature(r, strings.ToUpper) }

func cutSignature(r *sigv4.Request) { editSignature(r, func(s string) string { return s[:62] }) }

// What a client may vary without changing the request.
func TestHeaderFormAccepts(t *testing.T) {
	for _, tt := range []edit{
		{name: "no space behind the commas", change: inAuthorization(", SignedHeaders", ",SignedHeaders")},
		{name: "a header that is not ours added on the way", change: addHeader("X-Forwarded-For", "10.0.0.1")},
		{name: "header names in lower case", change: func(r *sigv4.Request) {
			r.Headers = slices.Clone(r.Headers)
			for i := range r.Headers {
				if r.Headers[i].Name != "Authorization" {
					r.Headers[i].Name = strings.ToLower(r.Headers[i].Name)
				}
			}
		}},
		{name: "white space around a value", change: setHeader("Content-Type", "  application/x-www-form-urlencoded;   charset=utf-8\t")},
		{name: "a doubled slash", change: func(r *sigv4.Request) { r.Path = "//" }},
		{name: "nothing", change: func(*sigv4.Request) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(t, query(), "sts")
			tt.change(&r)
			if err := verify(r, now); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestQueryFormRefuses(t *testing.T) {
	r := rest()
	r.Headers = headers("X-K8s-Aws-Id", "my-cluster")
	good := presigned(t, r, "eks")
	if err := verify(good, now); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []edit{
		{"no algorithm", inQuery("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), sigv4.Incomplete},
		{"another algorithm", inQuery("SHA256", "SHA1"), sigv4.Incomplete},
		{"no credential", inQuery("X-Amz-Credential", "X-Credential"), sigv4.Incomplete},
		{"no date", inQuery("X-Amz-Date=20261123T120000Z&", ""), sigv4.Incomplete},
		{"no expiry", inQuery("X-Amz-Expires=60&", ""), sigv4.Incomplete},
		{"an empty expiry", inQuery("X-Amz-Expires=60", "X-Amz-Expires="), sigv4.Incomplete},
		{"an expiry below nothing", inQuery("X-Amz-Expires=60", "X-Amz-Expires=-1"), sigv4.Incomplete},
		{"an expiry with a sign", inQuery("X-Amz-Expires=60", "X-Amz-Expires=%2B60"), sigv4.Incomplete},
		{"an expiry with a unit", inQuery("X-Amz-Expires=60", "X-Amz-Expires=60s"), sigv4.Incomplete},
		{"an expiry above a week", inQuery("X-Amz-Expires=60", "X-Amz-Expires=604801"), sigv4.Incomplete},
		{"a vast expiry", inQuery("X-Amz-Expires=60", "X-Amz-Expires=99999999999999999999"), sigv4.Incomplete},
		{"another expiry", inQuery("X-Amz-Expires=60", "X-Amz-Expires=61"), sigv4.Mismatch},
		{"no signed headers", inQuery("X-Amz-SignedHeaders=host%3Bx-k8s-aws-id", "X-Amz-SignedHeaders="), sigv4.Incomplete},
		{"the cluster's header unsigned", inQuery("host%3Bx-k8s-aws-id", "host"), sigv4.Mismatch},
		{"the session token left out", inQuery("X-Amz-Security-Token", "X-Security-Token"), sigv4.Mismatch},
		{"the session token twice", inQuery("&X-Amz-Signature", "&X-Amz-Security-Token=x&X-Amz-Signature"), sigv4.Ambiguous},
		{"the credential twice, once in lower case", inQuery("&X-Amz-Signature", "&x-amz-credential=eve&X-Amz-Signature"), sigv4.Ambiguous},
		{"the credential in lower case alone", inQuery("X-Amz-Credential", "x-amz-credential"), sigv4.Ambiguous},
		{"the credential with an escaped name, twice", inQuery("&X-Amz-Signature", "&X%2DAmz-Credential=eve&X-Amz-Signature"), sigv4.Ambiguous},
		{"the signature twice", func(r *sigv4.Request) { r.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }, sigv4.Ambiguous},
		{"a date header too", addHeader("X-Amz-Date", "20261123T120000Z"), sigv4.Ambiguous},
		{"a session token header too", addHeader("X-Amz-Security-Token", "x"), sigv4.Ambiguous},
		{"an x-amz header that is not signed", addHeader("X-Amz-Target", "x"), sigv4.Unsigned},
		{"another cluster", setHeader("X-K8s-Aws-Id", "other-cluster"), sigv4.Mismatch},
		{"the cluster's header twice", addHeader("X-K8s-Aws-Id", "other-cluster"), sigv4.Mismatch},
		{"the cluster's header gone", dropHeader("X-K8s-Aws-Id"), sigv4.Incomplete},
		{"a parameter added", func(r *sigv4.Request) { r.RawQuery += "&a=b" }, sigv4.Mismatch},
		{"a parameter changed", inQuery("maxResults=5", "maxResults=6"), sigv4.Mismatch},
		{"a parameter doubled", inQuery("maxResults=5", "maxResults=5&maxResults=5"), sigv4.Mismatch},
		{"a body", func(r *sigv4.Request) { r.Body = []byte("x") }, sigv4.Mismatch},
		{"the path decoded once", func(r *sigv4.Request) { r.Path = strings.ReplaceAll(r.Path, "%3A", ":") }, sigv4.Mismatch},
		{"the path escaped in lower case", func(r *sigv4.Request) { r.Path = strings.ReplaceAll(r.Path, "%3A", "%3a") }, sigv4.Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := good
			tt.change(&r)
			wantReason(t, verify(r, now), tt.reason)
		})
	}
	reordered := good
	parts := strings.Split(good.RawQuery, "&")
	slices.Reverse(parts)
	reordered.RawQuery = strings.Join(parts, "&") + "&"
	reordered.Headers = slices.Concat(reordered.Headers, headers("Content-Type", "text/plain", "Accept", "application/json"))
	if err := verify(reordered, now); err != nil {
		t.Errorf("the same query in another order: %v", err)
	}
}

func TestPayloadHash(t *testing.T) {
	r := query()
	r.Headers = append(r.Headers, sigv4.Header{Name: "x-amz-content-sha256", Value: strings.Repeat("0", 64)})
	if _, err := sigv4.Sign(r, creds, region, "sts", now); err == nil {
		t.Error("signed with a hash that is not the body's")
	}
	for _, value := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", strings.Repeat("0", 64)} {
		r := signed(t, query(), "sts")
		setHeader("x-amz-content-sha256", value)(&r)
		inAuthorization("host;", "host;x-amz-content-sha256;")(&r)
		wantReason(t, verify(r, now), sigv4.PayloadMismatch)
	}
}

func TestTimes(t *testing.T) {
	good := signed(t, query(), "sts")
	for _, tt := range []struct {
		name   string
		at     time.Time
		reason sigv4.Reason // Missing: accepted
		detail string
	}{
		{"the moment it is signed", now, 0, ""},
		{"15 minutes later", now.Add(15 * time.Minute), 0, ""},
		{"15 minutes and a nanosecond later", now.Add(15*time.Minute + 1), sigv4.Expired, "Signature expired: 20261123T120000Z is now earlier than 20261123T120000Z (20261123T121500Z - 15 min.)"},
		{"an hour later", now.Add(time.Hour), sigv4.Expired, "Signature expired: 20261123T120000Z is now earlier than 20261123T124500Z (20261123T130000Z - 15 min.)"},
		{"5 minutes before", now.Add(-5 * time.Minute), 0, ""},
		{"5 minutes and a nanosecond before", now.Add(-5*time.Minute - 1), sigv4.NotYetValid, "Signature not yet current: 20261123T120000Z is still later than 20261123T115959Z (20261123T115459Z + 5 min.)"},
		{"a year before", now.AddDate(-1, 0, 0), sigv4.NotYetValid, ""},
		{"the year 1", time.Time{}, sigv4.NotYetValid, ""},
		{"the year 2262", time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC), sigv4.Expired, ""},
		{"the year 9999", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), sigv4.Expired, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := verify(good, tt.at)
			if tt.reason == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e := wantReason(t, err, tt.reason)
			if tt.detail != "" && e.Detail != tt.detail {
				t.Errorf("detail = %s", e.Detail)
			}
			if !e.At.Equal(now) || !e.Now.Equal(tt.at) {
				t.Errorf("the error holds %v and %v", e.At, e.Now)
			}
		})
	}
	s, err := sigv4.Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]sigv4.Window{"no window": {}, "no past": {Future: time.Hour}, "a negative past": {Past: -time.Hour, Future: time.Hour}} {
		if err := s.Verify(creds.SecretKey, now, w); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	// A presigned URL is good for the window, whatever X-Amz-Expires says.
	if err := verify(presigned(t, query(), "sts"), now.Add(14*time.Minute)); err != nil {
		t.Error(err)
	}
	wantReason(t, verify(presigned(t, query(), "sts"), now.Add(16*time.Minute)), sigv4.Expired)
}

func TestKeys(t *testing.T) {
	s, err := sigv4.Parse(signed(t, query(), "sts"))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]secret.String{"another key": secret.New("x"), "the key in capitals": secret.New(strings.ToUpper(creds.SecretKey.Reveal())), "no key": {}} {
		if err := s.Verify(key, now, sigv4.DefaultWindow()); err == nil {
			t.Errorf("%s verifies", name)
		}
	}
	// A caller that found no key must not have found one everybody knows.
	r := signed(t, query(), "sts")
	editSignature(&r, func(string) string { return s.SignatureWith(secret.String{}) })
	if s, err = sigv4.Parse(r); err != nil {
		t.Fatal(err)
	}
	wantReason(t, s.Verify(secret.String{}, now, sigv4.DefaultWindow()), sigv4.Mismatch)
	wantReason(t, sigv4.Signed{}.Verify(creds.SecretKey, now, sigv4.DefaultWindow()), sigv4.Missing)
	wantReason(t, sigv4.Signed{}.Verify(secret.String{}, now, sigv4.DefaultWindow()), sigv4.Missing)
}

func TestSigningRefuses(t *testing.T) {
	for name, c := range map[string]sigv4.Credentials{"nothing": {}, "no key": {AccessKeyID: "A"}, "no id": {SecretKey: creds.SecretKey}, "a slash in the id": {AccessKeyID: "A/B", SecretKey: creds.SecretKey}} {
		if _, err := sigv4.Sign(query(), c, region, "sts", now); err == nil {
			t.Errorf("%s: signed", name)
		}
		if _, err := sigv4.Presign(query(), c, region, "sts", time.Minute, now); err == nil {
			t.Errorf("%s: presigned", name)
		}
	}
	if _, err := sigv4.Sign(signed(t, query(), "sts"), creds, region, "sts", now); err == nil {
		t.Error("signed twice")
	}
	if _, err := sigv4.Presign(presigned(t, query(), "sts"), creds, region, "sts", time.Minute, now); err == nil {
		t.Error("presigned twice")
	}
	for _, sign := range []func(sigv4.Request) error{
		func(r sigv4.Request) error { _, err := sigv4.Sign(r, creds, region, "sts", now); return err },
		func(r sigv4.Request) error {
			_, err := sigv4.Presign(r, creds, region, "sts", time.Minute, now)
			return err
		},
	} {
		r := query()
		r.RawQuery = "%"
		if sign(r) == nil {
			t.Error("signed a query that cannot be decoded")
		}
		r = query()
		r.Headers = append(r.Headers, sigv4.Header{Name: "X-Amz-Content-Sha256", Value: "UNSIGNED-PAYLOAD"})
		if sign(r) == nil {
			t.Error("signed without its body")
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := sigv4.Missing; r <= sigv4.Mismatch; r++ {
		if seen[r.String()] {
			t.Errorf("reason %d has the name of another: %s", r, r)
		}
		seen[r.String()] = true
	}
	if sigv4.Reason(200).String() != "missing" {
		t.Error("an unknown reason has a name of its own")
	}
}
