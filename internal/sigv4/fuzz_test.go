package sigv4_test

import (
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/sigv4"
)

// FuzzParse signs whatever request it is given and wants it to verify; then
// whatever the second half makes of it must be the same request or be refused.
func FuzzParse(f *testing.F) {
	f.Add("POST", "/", "a=b", "X-Amz-Meta", "v", "body", "", "")
	f.Add("GET", "/a%2Fb//../c", "n=%20+&n", "Accept", " a  b ", "", "Authorization", "AWS4-HMAC-SHA256 Credential=A/20261123/r/s/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("GET", "/x", "X-Amz-Signature=1&x-amz-date=2", "Host", "evil", "", "X-Amz-Security-Token", "t")
	f.Fuzz(func(t *testing.T, method, path, query, name, value, body, name2, value2 string) {
		r := sigv4.Request{Method: method, Host: "a.example", Path: path, RawQuery: query, Body: []byte(body), Headers: headers(name, value)}
		added, err := sigv4.Sign(r, creds, region, "sts", now)
		if err != nil {
			return
		}
		r.Headers = slices.Concat(r.Headers, added)
		s, err := sigv4.Parse(r)
		if err == nil {
			if err := s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()); err != nil {
				t.Fatalf("what we sign does not verify: %v\n%s", err, s.Canonical())
			}
		}
		more := r
		more.Headers = slices.Concat(r.Headers, headers(name2, value2))
		again, err := sigv4.Parse(more)
		if err != nil {
			if again.Canonical() != "" || again.Verify(creds.SecretKey, now, sigv4.DefaultWindow()) == nil {
				t.Fatal("an error with a value")
			}
			return
		}
		if strings.HasPrefix(strings.ToLower(name2), "x-amz-") {
			t.Fatalf("%q was added after signing", name2)
		}
	})
}

// FuzzParsePresigned: what is accepted verifies only if it is the token we
// signed, whatever was done to it.
func FuzzParsePresigned(f *testing.F) {
	good := bearer(f, "https://sts.amazonaws.com/", "sts")
	f.Add(good)
	f.Add(strings.Replace(good, "&", "&&", 1))
	f.Add(strings.Replace(good, "host%3B", "host;", 1))
	f.Add(good + "&x-amz-date=1")
	f.Add("http://a/?Action=GetCallerIdentity")
	want, err := sigv4.ParsePresigned(good, cluster)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, url string) {
		s, err := sigv4.ParsePresigned(url, cluster)
		if err != nil {
			if s.Canonical() != "" || s.SessionToken() != "" {
				t.Fatal("an error with a value")
			}
			return
		}
		if s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()) == nil && s.Canonical() != want.Canonical() {
			t.Fatalf("%q verifies as another request", url)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r := signed(b, query(), "sts")
	b.Run("header", func(b *testing.B) {
		for b.Loop() {
			if err := verify(r, now); err != nil {
				b.Fatal(err)
			}
		}
	})
	url := bearer(b, "https://sts.amazonaws.com/", "sts")
	b.Run("bearer token", func(b *testing.B) {
		for b.Loop() {
			s, err := sigv4.ParsePresigned(url, cluster)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
