package oidc_test

import (
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/oidc"
)

func TestParseProviderURLRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"nothing":                           "",
		"no scheme":                         "gitlab.com",
		"http":                              "http://gitlab.com",
		"HTTPS in capitals":                 "HTTPS://gitlab.com",
		"no host":                           "https://",
		"no host but a path":                "https:///x",
		"no host but a port":                "https://:443",
		"a query":                           "https://gitlab.com?x",
		"a query behind a path":             "https://gitlab.com/x?y=1",
		"an empty query":                    "https://gitlab.com?",
		"a fragment":                        "https://gitlab.com#x",
		"an empty fragment":                 "https://gitlab.com/#",
		"a user":                            "https://user@gitlab.com",
		"a user and password":               "https://user:pass@gitlab.com",
		"another host behind a user":        "https://gitlab.com@evil.example",
		"a space":                           "https://gitlab.com ",
		"a space before":                    " https://gitlab.com",
		"a newline":                         "https://gitlab.com\n",
		"a NUL":                             "https://gitlab.com\x00",
		"a backslash":                       `https://gitlab.com\x`,
		"a tab in the path":                 "https://gitlab.com/\tx",
		"an empty label":                    "https://gitlab..com",
		"a trailing dot":                    "https://gitlab.com.",
		"a label that begins with a hyphen": "https://-gitlab.com",
		"a label that ends with a hyphen":   "https://gitlab-.com",
		"a label of 64":                     "https://" + strings.Repeat("a", 64) + ".com",
		"a wildcard":                        "https://*.com",
		"a name outside ASCII":              "https://gïtlab.com",
		"an escaped host":                   "https://gitlab%2ecom",
		"an IPv6 address":                   "https://[::1]",
		"an IPv6 address with a port":       "https://[::1]:8443",
		"port 0":                            "https://gitlab.com:0",
		"port 65536":                        "https://gitlab.com:65536",
		"an empty port":                     "https://gitlab.com:",
		"a port with a leading zero":        "https://gitlab.com:0443",
		"a port with a sign":                "https://gitlab.com:+443",
		"a port in words":                   "https://gitlab.com:https",
		"two ports":                         "https://gitlab.com:1:2",
		"an empty segment":                  "https://gitlab.com//x",
		"a slash more at the end":           "https://gitlab.com/x//",
		"two slashes alone":                 "https://gitlab.com//",
		"a dot segment":                     "https://gitlab.com/./x",
		"a dot-dot segment":                 "https://gitlab.com/x/../y",
		"a dot-dot segment at the end":      "https://gitlab.com/x/..",
		"an escaped path":                   "https://gitlab.com/a%20b",
		"an escaped dot-dot":                "https://gitlab.com/%2e%2e",
		"a colon in the path":               "https://gitlab.com/x:y",
		"a wildcard in the path":            "https://gitlab.com/*",
		"a policy variable in the path":     "https://gitlab.com/${aws:x}",
		"256 characters":                    "https://gitlab.com/" + strings.Repeat("a", 237),
		"the prefix aws":                    "https://aws",
		"the prefix AWS":                    "https://AWS",
		"the prefix sts":                    "https://sts",
		"the prefix iam with a port":        "https://iam:8443",
		"the prefix eks with a path":        "https://eks/x",
		"the prefix mayfly":                 "https://mayfly",
		"the prefix Mayfly":                 "https://Mayfly",
		"the prefix saml":                   "https://saml",
		"the prefix s3 with a slash":        "https://s3/",
		"the prefix kubernetes":             "https://kubernetes",
	} {
		t.Run(name, func(t *testing.T) {
			issuer, err := oidc.ParseProviderURL(url)
			if err == nil || issuer != "" || fault.KindOf(err) != fault.Invalid {
				t.Errorf("ParseProviderURL(%q) = %q, %v", url, issuer, err)
			}
		})
	}
}

func TestParseProviderURLAccepts(t *testing.T) {
	for url, prefix := range map[string]string{
		"https://gitlab.com":                                "gitlab.com",
		"https://gitlab.com/":                               "gitlab.com/",
		"https://GitLab.Example.com":                        "GitLab.Example.com",
		"https://gitlab.example.com:8443":                   "gitlab.example.com:8443",
		"https://gitlab.example.com:443":                    "gitlab.example.com:443",
		"https://example.com/gitlab":                        "example.com/gitlab",
		"https://example.com/Gitlab/sub/":                   "example.com/Gitlab/sub/",
		"https://127.0.0.1:40001":                           "127.0.0.1:40001",
		"https://gitlab":                                    "gitlab",
		"https://gitlab_web:8443/x":                         "gitlab_web:8443/x",
		"https://localhost:8443":                            "localhost:8443",
		"https://aws.example":                               "aws.example",
		"https://oidc.eks.eu-central-1.amazonaws.com/id/A0": "oidc.eks.eu-central-1.amazonaws.com/id/A0",
		"https://example.com/.well_known/~x":                "example.com/.well_known/~x",
		"https://gitlab.com/" + strings.Repeat("a", 236):    "gitlab.com/" + strings.Repeat("a", 236),
	} {
		t.Run(url[:min(len(url), 60)], func(t *testing.T) {
			issuer, err := oidc.ParseProviderURL(url)
			if err != nil || string(issuer) != url || issuer.KeyPrefix() != prefix {
				t.Errorf("ParseProviderURL = %q (%q), %v", issuer, issuer.KeyPrefix(), err)
			}
			p := oidc.Provider{Account: "111122223333", URL: url}
			name := p.ARN().String()
			if back, err := arn.ParseProvider(name); err != nil || back != p.ARN() || name != "arn:aws:iam::111122223333:oidc-provider/"+prefix {
				t.Errorf("the ARN is %s, %v", name, err)
			}
			if p.KeyPrefix() != prefix || p.Issuer() != issuer {
				t.Errorf("prefix %q, issuer %q", p.KeyPrefix(), p.Issuer())
			}
		})
	}
}

// No registered provider's keys begin like somebody else's.
func FuzzParseProviderURL(f *testing.F) {
	for _, seed := range []string{"https://gitlab.com", "https://a:1/b/", "https://aws", "https://a/../b", "https://sts.x/y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		issuer, err := oidc.ParseProviderURL(url)
		if err != nil {
			if issuer != "" {
				t.Fatal("an error with a value")
			}
			return
		}
		key := strings.ToLower(issuer.KeyPrefix() + ":x")
		for _, prefix := range []string{"aws:", "sts:", "iam:", "eks:", "mayfly:"} {
			if strings.HasPrefix(key, prefix) {
				t.Fatalf("%q fills keys that begin %q", url, prefix)
			}
		}
		if string(issuer) != url || strings.ContainsAny(url, " \t\r\n?#@*$\\") {
			t.Fatalf("%q became %q", url, issuer)
		}
	})
}
