package awssts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/awssts"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/vectortest"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const (
	host  = "sts.eu-central-1.amazonaws.com"
	query = "Action=GetCallerIdentity&Version=2011-06-15"
	jane  = `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"444455556666","Arn":"arn:aws:iam::444455556666:user/jane","UserId":"AIDAJANE"},"ResponseMetadata":{"RequestId":"1"}}}`
)

// aws is AWS STS as far as a bearer token goes: it verifies the signature under
// the one key it knows, and answers as it is told.
type aws struct {
	t      *testing.T
	status int
	body   string
	err    error
	asked  []*http.Request
}

func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, r)
	if a.err != nil {
		return nil, a.err
	}
	status, body := a.status, a.body
	if status == 0 {
		status, body = http.StatusOK, jane
		signed, err := sigv4.Parse(sigv4.Request{Method: r.Method, Host: r.URL.Host, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Headers: []sigv4.Header{{Name: "x-k8s-aws-id", Value: r.Header.Get("x-k8s-aws-id")}}})
		if err == nil {
			err = signed.Verify(secret.New("wJalrXUtnFEMI"), now, sigv4.DefaultWindow())
		}
		if err != nil {
			status, body = http.StatusForbidden, `{"Error":{"Code":"SignatureDoesNotMatch","Message":"no","Type":"Sender"},"RequestId":"1"}`
		}
	}
	w := httptest.NewRecorder()
	if status == http.StatusFound {
		w.Header().Set("Location", "https://elsewhere.example/")
	}
	w.WriteHeader(status)
	w.WriteString(body)
	return w.Result(), nil
}

type signing struct {
	host, path, query, cluster, region, service, header string
	at                                                  time.Time
	expires                                             time.Duration
}

// presign makes a bearer token's URL; the zero value of a field is what aws eks
// get-token does for the cluster prod.
func presign(t *testing.T, s signing) string {
	t.Helper()
	for field, value := range map[*string]string{&s.host: host, &s.path: "/", &s.query: query, &s.cluster: "prod", &s.region: "eu-central-1", &s.service: "sts", &s.header: "x-k8s-aws-id"} {
		if *field == "" {
			*field = value
		}
	}
	if s.at.IsZero() {
		s.at = now
	}
	if s.expires == 0 {
		s.expires = time.Minute
	}
	q, err := sigv4.Presign(sigv4.Request{Method: "GET", Host: s.host, Path: s.path, RawQuery: s.query, Headers: []sigv4.Header{{Name: s.header, Value: s.cluster}}},
		sigv4.Credentials{AccessKeyID: "AKIAJANE", SecretKey: secret.New("wJalrXUtnFEMI")}, s.region, s.service, s.expires, s.at)
	if err != nil {
		t.Fatal(err)
	}
	return "https://" + s.host + s.path + "?" + q
}

func source(t *testing.T, a *aws, change ...func(*awssts.Config)) *awssts.Source {
	t.Helper()
	c := awssts.Config{Now: func() time.Time { return now }, Transport: a}
	for _, f := range change {
		f(&c)
	}
	s, err := awssts.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCaller(t *testing.T) {
	for _, s := range []signing{
		{},
		{host: "sts.amazonaws.com", region: "us-east-1"},
		{host: "sts-fips.us-west-2.amazonaws.com", region: "us-west-2"},
		{host: "sts.eu-west-1.api.aws", region: "eu-west-1"},
		{at: now.Add(-14 * time.Minute)},
		{at: now.Add(4 * time.Minute)},
		{expires: 15 * time.Minute},
	} {
		a := &aws{t: t}
		url := presign(t, s)
		got, err := source(t, a).Caller(t.Context(), url, "prod", "c-prod")
		if want := (eks.Vouched{ARN: "arn:aws:iam::444455556666:user/jane", Account: "444455556666", UserID: "AIDAJANE", AccessKeyID: "AKIAJANE"}); err != nil || got != want {
			t.Errorf("%+v: %+v, %v", s, got, err)
			continue
		}
		if r := a.asked[0]; len(a.asked) != 1 || r.URL.String() != url || r.Method != "GET" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("sent is %s", r.URL)
		}
	}
}

// TestCallerSendsNothing: what is not exactly a bearer token for an allowed STS
// reaches nobody.
func TestCallerSendsNothing(t *testing.T) {
	good := presign(t, signing{})
	rest := strings.TrimPrefix(good, "https://"+host)
	for name, url := range map[string]string{
		"nothing":                            "",
		"plain http":                         "http" + strings.TrimPrefix(good, "https"),
		"the scheme in capitals":             "HTTPS" + strings.TrimPrefix(good, "https"),
		"a region that does not exist":       presign(t, signing{host: "sts.evil-1.amazonaws.com", region: "evil-1"}),
		"another partition":                  presign(t, signing{host: "sts.cn-north-1.amazonaws.com.cn", region: "cn-north-1"}),
		"GovCloud, whose domain is the same": presign(t, signing{host: "sts.us-gov-west-1.amazonaws.com", region: "us-gov-west-1"}),
		"another service of AWS":             presign(t, signing{host: "s3.eu-central-1.amazonaws.com"}),
		"a host that begins the same":        "https://" + host + ".evil.example" + rest,
		"a host that ends the same":          "https://evil." + host + rest,
		"a user that looks like a host":      "https://" + host + "@evil.example" + rest,
		"a user":                             "https://u:p@" + host + rest,
		"a port":                             "https://" + host + ":8443" + rest,
		"the usual port":                     "https://" + host + ":443" + rest,
		"the host in capitals":               "https://" + strings.ToUpper(host) + rest,
		"a dot behind the host":              "https://" + host + "." + rest,
		"a backslash":                        "https://" + host + `\@evil.example` + rest,
		"no path":                            "https://" + host + rest[1:],
		"another path":                       presign(t, signing{path: "/x"}),
		"two slashes":                        "https://" + host + "/" + rest,
		"a fragment":                         good + "#x",
		"a line break":                       good + "\nx",
		"another action":                     presign(t, signing{query: "Action=AssumeRole&Version=2011-06-15"}),
		"a parameter more":                   presign(t, signing{query: query + "&RoleArn=x"}),
		"an action twice":                    good + "&Action=GetCallerIdentity",
		"an action twice, in other case":     good + "&action=AssumeRole",
		"another header":                     presign(t, signing{header: "x-k8s-aws-ib"}),
		"another service's scope":            presign(t, signing{service: "iam"}),
		"another region's scope":             presign(t, signing{region: "us-east-1"}),
		"sixteen minutes old":                presign(t, signing{at: now.Add(-16 * time.Minute)}),
		"six minutes ahead":                  presign(t, signing{at: now.Add(6 * time.Minute)}),
		"for a week":                         presign(t, signing{expires: 7 * 24 * time.Hour}),
	} {
		a := &aws{t: t}
		got, err := source(t, a).Caller(t.Context(), url, "prod", "c-prod")
		if fault.KindOf(err) != fault.Invalid || err == nil || got != (eks.Vouched{}) || len(a.asked) > 0 {
			t.Errorf("%s: %+v, %v, %d requests", name, got, err, len(a.asked))
			continue
		}
		if strings.Contains(err.Error(), "Signature=") {
			t.Errorf("%s: the error holds the token: %v", name, err)
		}
	}
}

// TestCallerForAnotherCluster: AWS verifies the cluster's name, and so the token
// of another cluster is disowned.
func TestCallerForAnotherCluster(t *testing.T) {
	a := &aws{t: t}
	_, err := source(t, a).Caller(t.Context(), presign(t, signing{cluster: "staging"}), "prod", "c-prod")
	if fault.KindOf(err) != fault.Denied || len(a.asked) != 1 || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("%v", err)
	}
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
		err    error
		want   fault.Kind
	}{
		{"no answer", 0, "", fmt.Errorf("dial tcp: i/o timeout"), fault.Unavailable},
		{"throttled", 400, `{"Error":{"Code":"Throttling"}}`, nil, fault.Throttled},
		{"throttled as XML", 400, `<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>`, nil, fault.Throttled},
		{"denied", 403, `{"Error":{"Code":"InvalidClientTokenId"}}`, nil, fault.Denied},
		{"denied without a word", 403, ``, nil, fault.Denied},
		{"a code that is text", 403, `{"Error":{"Code":"<b>\u001b[31mno"}}`, nil, fault.Denied},
		{"a redirect", 302, ``, nil, fault.Denied},
		{"no content", 204, ``, nil, fault.Denied},
		{"their fault", 503, `busy`, nil, fault.Unavailable},
		{"no JSON", 200, `<GetCallerIdentityResponse/>`, nil, fault.Unavailable},
		{"an empty object", 200, `{}`, nil, fault.Unavailable},
		{"no ARN", 200, strings.Replace(jane, `"Arn"`, `"arn"`, 1), nil, fault.Unavailable},
		{"no account", 200, strings.Replace(jane, `"444455556666","Arn"`, `444455556666,"Arn"`, 1), nil, fault.Unavailable},
		{"no user id", 200, strings.Replace(jane, `AIDAJANE`, ``, 1), nil, fault.Unavailable},
		{"an ARN twice", 200, strings.Replace(jane, `"Arn"`, `"Arn":"x","Arn"`, 1), nil, fault.Unavailable},
		{"far too much", 200, jane + strings.Repeat(" ", 64<<10), nil, fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var seen []int
			a := &aws{t: t, status: tt.status, body: tt.body, err: tt.err}
			s := source(t, a, func(c *awssts.Config) {
				c.Observe = func(region string, status int, throttled bool) {
					if seen = append(seen, status); region != "eu-central-1" || throttled != (tt.want == fault.Throttled) {
						t.Errorf("%s, throttled %t", region, throttled)
					}
				}
			})
			got, err := s.Caller(t.Context(), presign(t, signing{}), "prod", "c-prod")
			if _, ok := errors.AsType[*fault.Error](err); !ok || fault.KindOf(err) != tt.want || got != (eks.Vouched{}) || len(a.asked) != 1 || len(seen) != 1 || seen[0] != tt.status {
				t.Errorf("%+v, %v, %d requests, seen %v", got, err, len(a.asked), seen)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "Signature=") || strings.Contains(text, "\x1b") {
				t.Errorf("the error holds what it must not: %v", err)
			}
		})
	}
}

// TestLimit: a cluster that asks too often keeps no other from asking.
func TestLimit(t *testing.T) {
	at, a := now, &aws{t: t}
	s := source(t, a, func(c *awssts.Config) { c.PerSecond, c.Now = 2, func() time.Time { return at } })
	ask := func(cluster string) error {
		_, err := s.Caller(context.Background(), presign(t, signing{}), "prod", cluster)
		return err
	}
	for i := range 4 {
		if err := ask("c-1"); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if err := ask("c-1"); fault.KindOf(err) != fault.Throttled || len(a.asked) != 4 {
		t.Errorf("the fifth: %v", err)
	}
	if err := ask("c-2"); err != nil {
		t.Errorf("another cluster: %v", err)
	}
	at = at.Add(500 * time.Millisecond)
	if err := ask("c-1"); err != nil {
		t.Errorf("half a second later: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range []awssts.Config{{Partition: "aws-evil"}, {Partition: "AWS"}, {Regions: []string{"evil.example/"}}, {Regions: []string{"eu-central-1", ""}}} {
		if _, err := awssts.New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestHostVectors runs aws-iam-authenticator's hosts. It takes any region of the
// right shape; here a region is one of a list, to which a configuration can add.
func TestHostVectors(t *testing.T) {
	var doc struct {
		Hosts []struct {
			Partition, Host string
			Valid           bool
			Region          string `json:"verifier_region"`
		} `json:"sts_hosts"`
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/tokens.json"), &doc); err != nil {
		t.Fatal(err)
	}
	for _, v := range doc.Hosts {
		a := &aws{t: t, status: 403}
		c := awssts.Config{Partition: v.Partition, Now: func() time.Time { return now }, Transport: a}
		if v.Region != "" {
			c.Regions = append(awssts.Regions(v.Partition), v.Region)
		}
		s, err := awssts.New(c)
		if err != nil {
			if v.Valid {
				t.Errorf("%s: %v", v.Partition, err)
			}
			continue
		}
		region, want := "us-east-1", v.Valid
		if parts := strings.Split(v.Host, "."); len(parts) > 3 || strings.HasSuffix(v.Host, "api.aws") {
			region = parts[1]
		}
		if strings.Contains(v.Host, "not-a-region") && v.Region != region {
			want = false
		}
		s.Caller(t.Context(), presign(t, signing{host: v.Host, region: region}), "prod", "c")
		if (len(a.asked) == 1) != want {
			t.Errorf("%s %s with %q: %d requests, want %t", v.Partition, v.Host, v.Region, len(a.asked), want)
		}
	}
	if len(doc.Hosts) < 60 {
		t.Errorf("%d hosts", len(doc.Hosts))
	}
}

func FuzzCaller(f *testing.F) {
	f.Add("https://sts.eu-central-1.amazonaws.com/?"+query, jane)
	f.Add("https://"+host+"@evil.example/?"+query, `{"GetCallerIdentityResponse":{}}`)
	f.Fuzz(func(t *testing.T, url, answer string) {
		a := &aws{t: t, status: 200, body: answer}
		s := source(t, a)
		got, err := s.Caller(t.Context(), url, "prod", "c")
		for _, r := range a.asked {
			if r.URL.Scheme != "https" || !isAWS(r.URL.Host) || r.URL.Path != "/" || r.URL.User != nil {
				t.Errorf("sent to %s", r.URL)
			}
		}
		if err != nil && got != (eks.Vouched{}) {
			t.Errorf("%+v, %v", got, err)
		}
		// What AWS answers, whatever is asked.
		if got, err := source(t, a).Caller(t.Context(), presign(t, signing{}), "prod", "c"); err == nil && (got.ARN == "" || got.Account == "" || got.UserID == "") {
			t.Errorf("%+v", got)
		}
	})
}

// isAWS says of a host, by other means than the room, whether it is one of STS's
// in the partition aws.
func isAWS(host string) bool {
	return regexp.MustCompile(`^sts(-fips)?\.[a-z]{2}-[a-z]+-[0-9]\.(amazonaws\.com|api\.aws)$`).MatchString(host) || host == "sts.amazonaws.com"
}
