package server

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
)

const otherIssuer = "https://other.example"

// strangers is a world of roles that trust others, none of them a stranger. They
// are by name; some there are not.
func strangers(t *testing.T) (*world, []string) {
	w := newWorld(t, func(o *Options) {
		yes := true
		o.Config.Issuers = append(o.Config.Issuers, IssuerConfig{URL: otherIssuer, JWKSFile: o.Config.Issuers[0].JWKSFile, GitLab: &yes})
		o.Config.Limits.Refusals = 0 // a test asks often
	})
	w.teach()
	w.query("iam", "2010-05-08", "CreateOpenIDConnectProvider", url.Values{"Url": {otherIssuer}, "ClientIDList.member.1": {"mayfly"}})
	host := strings.TrimPrefix(testIssuer, "https://")
	allow := func(conditions string) string {
		return `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::` + testAccount + `:oidc-provider/` + host + `"},"Action":["sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Condition":{` + strings.ReplaceAll(conditions, "HOST", host) + `}}`
	}
	var long []string
	for i := range 5 {
		long = append(long, allow(fmt.Sprintf(`"StringLike":{"HOST:sub":"project_path:g%d/*"},"Bool":{"HOST:ref_protected":"true"}`, i)))
	}
	for name, statements := range map[string]string{
		"of-a-group":           allow(`"StringLike":{"HOST:sub":"project_path:acme/*"}`),
		"of-any-group":         allow(`"StringLike":{"HOST:sub":"project_path:*/web:ref_type:branch:ref:prod"}`),
		"of-part-of-a-group":   allow(`"StringLike":{"HOST:sub":"project_path:oth*/web:ref_type:branch:ref:prod"}`),
		"pinned":               allow(`"StringLike":{"HOST:sub":"project_path:other/web:*"},"StringEquals":{"HOST:project_id":"4711"}`),
		"pinned-namespace":     allow(`"StringLike":{"HOST:sub":"project_path:other/web:*"},"StringEquals":{"HOST:namespace_id":"4711"}`),
		"of-a-branch":          allow(`"StringEquals":{"HOST:ref":"prod"}`),
		"that-asks-gitlab":     allow(`"StringLike":{"HOST:sub":"project_path:acme/*"},"Bool":{"mayfly:guard/protected":"true"}`),
		"of-others":            allow(`"StringNotLike":{"HOST:sub":"project_path:other/*"}`),
		"of-an-address":        allow(`"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`),
		"that-denies":          allow(`"StringLike":{"HOST:sub":"project_path:*"}`) + `,{"Sid":"NoStrangers","Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringLike":{"` + host + `:sub":"project_path:other/*"}}}`,
		"that-cannot-evaluate": allow(`"NumericEquals":{"HOST:ref":"1"}`),
		"with-a-long-policy":   strings.Join(long, ","),
		"of-a-role":            `{"Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},"Action":"sts:AssumeRole"}`,
	} {
		w.makeRole(name, statements, "")
	}
	var roles []string
	for _, name := range []string{"deployer", "of-a-group", "of-any-group", "of-part-of-a-group", "pinned", "pinned-namespace", "of-a-branch", "that-asks-gitlab", "of-others", "of-an-address", "that-denies", "that-cannot-evaluate", "with-a-long-policy", "of-a-role",
		"mayfly-admin", "none", "Deployer-none", "path/deployer"} {
		roles = append(roles, "arn:aws:iam::"+testAccount+":role/"+name)
	}
	return w, append(roles, "arn:aws:iam::444455556666:role/deployer")
}

// ask asks for a session of a role.
func (w *world) ask(role, token string, more url.Values) answer {
	w.t.Helper()
	form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"run-1"}, "WebIdentityToken": {token}}
	for name, values := range more {
		form[name] = values
	}
	req := w.request(http.MethodPost, "/", form.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.send(req)
}

// strangersTokens are tokens that none of the roles lets in.
func (w *world) strangersTokens() map[string]string {
	of := func(issuer string, changes map[string]any) string {
		claims := fakeissuer.JobClaims("mayfly", "other/web", "main")
		claims["iss"] = issuer
		for name, value := range changes {
			claims[name] = value
		}
		return w.issuer.Token(claims)
	}
	return map[string]string{
		"of another project":      of(testIssuer, nil),
		"of the branch":           of(testIssuer, map[string]any{"ref": "main2", "sub": "project_path:other/web:ref_type:branch:ref:main2"}),
		"for a tag":               of(testIssuer, map[string]any{"ref_type": "tag", "sub": "project_path:other/web:ref_type:tag:ref:main"}),
		"for a merge request":     of(testIssuer, map[string]any{"pipeline_source": "merge_request_event", "ref_protected": "false"}),
		"with tags":               of(testIssuer, map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}}),
		"with a source identity":  of(testIssuer, map[string]any{"https://aws.amazon.com/source_identity": "somebody"}),
		"of another issuer":       of(otherIssuer, nil),
		"of another issuer's web": of(otherIssuer, map[string]any{"project_path": "acme/web", "sub": "project_path:acme/web:ref_type:branch:ref:main"}),
	}
}

var requestID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// bytes is an answer as it arrived, but for its date and the id of the request,
// which is that in every place.
func (a answer) bytes(t *testing.T) string {
	t.Helper()
	id := a.header.Get("X-Amzn-Requestid")
	if !requestID.MatchString(id) || strings.Count(a.body, id) != 1 {
		t.Errorf("the id %q does not stand in %s once", id, a.body)
	}
	a.header.Del("Date")
	var b strings.Builder
	if err := a.header.Write(&b); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(a.status, "\n", strings.ReplaceAll(b.String()+"\n"+a.body, id, "ID"))
}

// TestStrangerHearsNothing: whatever a stranger asks, the answer is byte for byte
// that of a role that does not exist, but for the id; and by the id the operator
// finds why.
func TestStrangerHearsNothing(t *testing.T) {
	w, roles := strangers(t)
	var all sync.WaitGroup
	for name, token := range w.strangersTokens() {
		for _, more := range []url.Values{
			nil, {"DurationSeconds": {"43200"}}, {"DurationSeconds": {"899"}}, {"PolicyArns.member.1.arn": {"arn:aws:iam::" + testAccount + ":policy/none"}},
			{"Policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}}, {"Policy": {"{}"}}, {"ProviderId": {"x"}},
		} {
			all.Go(func() { w.sameForAll(roles, "a token "+name, token, more) })
		}
	}
	all.Wait()
	// Whom a role lets in is no stranger: the test would notice.
	if a := w.ask(roles[0], w.job("acme/web", "main"), nil); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := w.ask(roles[0], w.job("acme/web", "dev"), nil); !strings.Contains(a.body, "the role wants another branch, this job ran on the branch &#34;dev&#34;") && !strings.Contains(a.body, "the role wants another branch, this job ran on the branch &quot;dev&quot;") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// sameForAll asks a question about every role and compares the answers.
func (w *world) sameForAll(roles []string, name, token string, more url.Values) {
	want := ""
	for _, role := range roles {
		a := w.ask(role, token, more)
		id, got := a.header.Get("X-Amzn-Requestid"), a.bytes(w.t)
		if want == "" {
			want = got
		}
		if got != want {
			w.t.Errorf("%s, %v, %s:\n%s\nof %s:\n%s", name, more, role, got, roles[0], want)
		}
		if a.status != http.StatusForbidden {
			continue // what is wrong with the request itself, whatever the role
		}
		shown := w.send(w.signed(w.admin, "mayfly", "GET", "/mayfly/v1/denials/"+id, ""))
		if shown.status != http.StatusOK || !strings.Contains(shown.body, id) || !strings.Contains(shown.body, `trace`) {
			w.t.Errorf("the operator finds %d %s", shown.status, shown.body)
		}
	}
	if more == nil && (!strings.HasPrefix(want, "403") || !strings.Contains(want, "<Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message>")) {
		w.t.Errorf("%s: %s", name, want)
	}
}

const (
	tries  = 400 // of each question, for its time
	atOnce = 4
)

// TestStrangerSeesNoTime: how long a refusal takes does not tell whether there is
// a role, in distribution. What is asserted is coarse, so that a busy machine does
// not fail it; what was measured is logged.
func TestStrangerSeesNoTime(t *testing.T) {
	w, _ := strangers(t)
	token := w.strangersTokens()["of another project"]
	names := []string{"none", "nobody", "deployer", "that-denies", "with-a-long-policy"}
	var mu sync.Mutex
	took := make([][]time.Duration, len(names))
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for range tries / atOnce {
				for _, n := range rand.Perm(len(names)) {
					began := time.Now()
					if a := w.ask("arn:aws:iam::"+testAccount+":role/"+names[n], token, nil); a.status != http.StatusForbidden {
						t.Errorf("%d %s", a.status, a.body)
						return
					}
					mu.Lock()
					took[n] = append(took[n], time.Since(began))
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for n := range took {
		slices.Sort(took[n])
	}
	for n, name := range names {
		often := slower(took[n], took[0])
		t.Logf("%-20s median %v, quarter to three quarters %v to %v, slower than one of none in %.1f %% of pairs", name, took[n][len(took[n])/2], took[n][len(took[n])/4], took[n][len(took[n])*3/4], 100*often)
		if often < 0.25 || often > 0.75 {
			t.Errorf("%s is slower than a role that is not there in %.1f %% of pairs", name, 100*often)
		}
	}
}

// slower is in how many pairs a time of one sorted list is longer than one of
// another: a half where nobody can tell them apart.
func slower(of, than []time.Duration) float64 {
	n := 0
	for _, d := range of {
		at, _ := slices.BinarySearch(than, d)
		n += at
	}
	return float64(n) / float64(len(of)*len(than))
}
