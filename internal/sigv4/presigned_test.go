package sigv4_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/vectortest"
)

var cluster = sigv4.Header{Name: "x-k8s-aws-id", Value: "my-cluster"}

// bearer is the URL inside a bearer token, as `aws eks get-token` makes it.
func bearer(t testing.TB, base string, service string, more ...sigv4.Header) string {
	t.Helper()
	rest := base[strings.Index(base, "://")+3:]
	host, path, _ := strings.Cut(rest, "/")
	r := sigv4.Request{
		Method: "GET", Host: strings.TrimSuffix(host, ":443"), Path: "/" + path,
		RawQuery: "Action=GetCallerIdentity&Version=2011-06-15", Headers: append([]sigv4.Header{cluster}, more...),
	}
	return base + "?" + presigned(t, r, service).RawQuery
}

func TestBearerTokens(t *testing.T) {
	for _, base := range []string{
		"https://sts.eu-central-1.amazonaws.com/", "https://sts.amazonaws.com/", "http://127.0.0.1:9999/", "https://mayfly.example:8443/",
		"https://mayfly.example/sts", "https://mayfly.example:443/",
	} {
		t.Run(base, func(t *testing.T) {
			s, err := sigv4.ParsePresigned(bearer(t, base, "sts"), cluster)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()); err != nil {
				t.Error(err)
			}
			if s.SessionToken() != creds.SessionToken || s.Scope().AccessKeyID != creds.AccessKeyID || !s.Presigned() || s.Expires() != time.Minute {
				t.Errorf("read as %v", s.Scope())
			}
		})
	}
	// The path may be left out.
	url := strings.Replace(bearer(t, "https://mayfly.example/", "sts"), "example/?", "example?", 1)
	s, err := sigv4.ParsePresigned(url, cluster)
	if err != nil || s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()) != nil {
		t.Errorf("without a path: %v", err)
	}
}

// A token for one cluster is nothing at another.
func TestBearerTokenForAnotherCluster(t *testing.T) {
	url := bearer(t, "https://sts.amazonaws.com/", "sts")
	for _, name := range []string{"other", "my-cluster2", "My-Cluster", "", "my-cluster,my-cluster"} {
		s, err := sigv4.ParsePresigned(url, sigv4.Header{Name: cluster.Name, Value: name})
		if err != nil {
			t.Fatal(err)
		}
		wantReason(t, s.Verify(creds.SecretKey, now, sigv4.DefaultWindow()), sigv4.Mismatch)
	}
	_, err := sigv4.ParsePresigned(url, sigv4.Header{Name: "x-other-id", Value: "my-cluster"})
	wantReason(t, err, sigv4.Unsigned)
	_, err = sigv4.ParsePresigned(url, sigv4.Header{})
	wantReason(t, err, sigv4.Unsigned)
}

func TestParsePresignedRefuses(t *testing.T) {
	good := bearer(t, "https://sts.amazonaws.com/", "sts")
	replace := func(old, with string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the URL", old)
		}
		return strings.Replace(good, old, with, 1)
	}
	for _, tt := range []struct {
		name, url string
		reason    sigv4.Reason
	}{
		{"nothing", "", sigv4.Incomplete},
		{"no scheme", strings.TrimPrefix(good, "https:"), sigv4.Incomplete},
		{"another scheme", replace("https://", "ftp://"), sigv4.Incomplete},
		{"the scheme in capitals", replace("https://", "HTTPS://"), sigv4.Incomplete},
		{"no host", replace("sts.amazonaws.com", ""), sigv4.Incomplete},
		{"a user", replace("https://", "https://user:pass@"), sigv4.Incomplete},
		{"another host behind a user", replace("amazonaws.com/", "amazonaws.com@evil.example/"), sigv4.Incomplete},
		{"a backslash", replace("amazonaws.com/", `amazonaws.com\@evil.example/`), sigv4.Incomplete},
		{"a fragment", good + "#x", sigv4.Incomplete},
		{"a newline", good + "\n", sigv4.Incomplete},
		{"a NUL", good + "\x00", sigv4.Incomplete},
		{"a space", replace("Action=", " Action="), sigv4.Incomplete},
		{"a byte outside ASCII", good + "é", sigv4.Incomplete},
		{"65 KiB", good + strings.Repeat("x", 65<<10), sigv4.TooLong},
		{"no query", "https://sts.amazonaws.com/", sigv4.Incomplete},
		{"a query that cannot be decoded", good + "%gh", sigv4.Incomplete},
		{"another host", replace("sts.amazonaws.com", "sts.example"), sigv4.Mismatch},
		{"another port", replace("amazonaws.com/", "amazonaws.com:8443/"), sigv4.Mismatch},
		{"the default port of another scheme", replace("amazonaws.com/", "amazonaws.com:80/"), sigv4.Mismatch},
		{"another path", replace("amazonaws.com/", "amazonaws.com/x"), sigv4.Mismatch},

		{"no Action", replace("Action=GetCallerIdentity&", ""), sigv4.Incomplete},
		{"another Action", replace("GetCallerIdentity", "AssumeRole"), sigv4.Incomplete},
		{"the Action in lower case", replace("GetCallerIdentity", "getcalleridentity"), sigv4.Incomplete},
		{"action in lower case", replace("Action=", "action="), sigv4.Ambiguous},
		{"a second Action", replace("&Version", "&Action=AssumeRole&Version"), sigv4.Ambiguous},
		{"a second action in lower case", replace("&Version", "&action=AssumeRole&Version"), sigv4.Ambiguous},
		{"another Version", replace("2011-06-15", "2011-06-16"), sigv4.Mismatch},
		{"a role", replace("&Version", "&RoleArn=x&Version"), sigv4.Incomplete},
		{"a parameter called host", replace("&Version", "&host=x&Version"), sigv4.Incomplete},
		{"a parameter without a name", replace("&Version", "&=x&Version"), sigv4.Incomplete},
		{"an x-amz parameter nobody knows", replace("&Version", "&X-Amz-Target=x&Version"), sigv4.Incomplete},
		{"a second credential in lower case", good + "&x-amz-credential=eve", sigv4.Ambiguous},
		{"a second credential", good + "&X-Amz-Credential=eve", sigv4.Ambiguous},
		{"a credential in lower case", replace("X-Amz-Credential", "x-amz-credential"), sigv4.Ambiguous},

		{"the cluster's header unsigned", replace("host%3Bx-k8s-aws-id", "host"), sigv4.Unsigned},
		{"host unsigned", replace("host%3Bx-k8s-aws-id", "x-k8s-aws-id"), sigv4.Unsigned},
		{"a name that begins like the cluster's header", replace("x-k8s-aws-id", "x-k8s-aws-id2"), sigv4.Unsigned},
		{"another separator", replace("host%3Bx-k8s-aws-id", "host,x-k8s-aws-id"), sigv4.Incomplete},
		{"the cluster's header in capitals", replace("x-k8s-aws-id", "X-K8s-Aws-Id"), sigv4.Incomplete},
		{"an expiry of 901 s", replace("X-Amz-Expires=60", "X-Amz-Expires=901"), sigv4.Incomplete},
		{"an expiry of 900 s that was not signed", replace("X-Amz-Expires=60", "X-Amz-Expires=900"), sigv4.Mismatch},
		{"no expiry", replace("X-Amz-Expires=60&", ""), sigv4.Incomplete},
		{"another service in the scope", replace("%2Fsts%2F", "%2Feks%2F"), sigv4.BadScope},
		{"the day before in the scope", replace("%2F20261123%2F", "%2F20261122%2F"), sigv4.BadScope},
		{"no session token", replace("&X-Amz-Security-Token=canary-session-token%2B%2F%3D", ""), sigv4.Mismatch},
		{"another session token", replace("canary-session-token", "other"), sigv4.Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := sigv4.ParsePresigned(tt.url, cluster)
			if err == nil {
				err = s.Verify(creds.SecretKey, now, sigv4.DefaultWindow())
			}
			wantReason(t, err, tt.reason)
		})
	}
	_, err := sigv4.ParsePresigned(bearer(t, "https://sts.amazonaws.com/", "eks"), cluster)
	wantReason(t, err, sigv4.BadScope)
	_, err = sigv4.ParsePresigned(bearer(t, "https://sts.amazonaws.com/", "sts", sigv4.Header{Name: "accept", Value: "application/json"}), cluster)
	wantReason(t, err, sigv4.Incomplete)
}

// TestAuthenticatorTokens holds ParsePresigned against the tokens of
// aws-iam-authenticator's own tests: what it refuses for its form we refuse,
// but for its list of hosts, which does not apply to tokens sealed here. Its
// acceptable URLs carry no signature, so nothing of them may be accepted; its
// one really signed token must verify.
func TestAuthenticatorTokens(t *testing.T) {
	var file struct {
		Cases []struct {
			ID      string `json:"id"`
			Expect  string `json:"expect"`
			URL     string `json:"url_template"`
			Token   string `json:"token_template"`
			KeyID   string `json:"access_key_id"`
			Key     string `json:"secret_access_key"`
			Clock   string `json:"clock"`
			Cluster string `json:"cluster_id"`
		} `json:"cases"`
	}
	data := vectortest.Read(t, "eks-bearer-tokens/tokens.json")
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	golden := 0
	for _, c := range file.Cases {
		t.Run(c.ID, func(t *testing.T) {
			if c.Expect != "golden" {
				url := strings.NewReplacer("{{NOW}}", "20261123T120000Z", "{{NOW-16m}}", "20261123T114400Z").Replace(c.URL)
				if s, err := sigv4.ParsePresigned(url, cluster); err == nil {
					t.Errorf("%q is accepted as %v", url, s.Scope())
				}
				return
			}
			golden++
			url, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(c.Token, "k8s-aws-v1."))
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, c.Clock)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{c.Cluster, "other"} {
				s, err := sigv4.ParsePresigned(string(url), sigv4.Header{Name: cluster.Name, Value: id})
				if err != nil {
					t.Fatal(err)
				}
				err = s.Verify(secret.New(c.Key), at, sigv4.DefaultWindow())
				if (err == nil) != (id == c.Cluster) || s.Scope().AccessKeyID != c.KeyID {
					t.Errorf("for cluster %s: %v", id, err)
				}
			}
		})
	}
	if golden == 0 || len(file.Cases) < 70 {
		t.Errorf("%d cases, %d of them signed", len(file.Cases), golden)
	}
}
