package clusterauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/vectortest"
)

func TestReview(t *testing.T) {
	w := newWorld(t)
	id := w.known(w.job())
	sessionID := one(id.Extra, eks.ExtraSession)
	want := eks.Identity{
		Username: "arn:aws:sts::111122223333:assumed-role/deployer/job-7", UID: "aws-iam-authenticator:111122223333:AROADEPLOYER", Groups: []string{"deployers"},
		Extra: map[string][]string{
			"arn": {"arn:aws:sts::111122223333:assumed-role/deployer/job-7"}, "canonicalArn": {"arn:aws:iam::111122223333:role/deployer"}, "sessionName": {"job-7"},
			"accessKeyId": id.Extra["accessKeyId"], "principalId": {"AROADEPLOYER"}, "sigs.k8s.io/aws-iam-authenticator/principalId": {"AROADEPLOYER"},
			"mayfly/session": {sessionID}, "mayfly/expires": {fmt.Sprint(start.Add(15 * time.Minute).Unix())}, "mayfly/issuer": {gitlab}, "mayfly/provider": {"OIDC1"}, "mayfly/entry": {"entry-of-AROADEPLOYER"}, extraSeal: id.Extra[extraSeal],
			"gitlab.example/project_path": {"acme/web"}, "gitlab.example/ref": {"main"}, "gitlab.example/job_id": {"7"},
		},
	}
	if d := cmp.Diff(want, id); d != "" {
		t.Error(d)
	}
	events := w.events("kubernetes:TokenReview")
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	if e := events[0]; e.Actor != id.Username || e.Session != sessionID || e.Cluster != "prod" || e.Request != "request-1" || e.Source != "192.0.2.7" || e.Detail["username"] != id.Username || e.Detail["groups"] != "deployers" {
		t.Errorf("%+v", e)
	}
}

// TestReviewNeighbours changes one thing of a bearer token that is good.
func TestReviewNeighbours(t *testing.T) {
	flip := func(url, parameter string) string {
		_, after, _ := strings.Cut(url, parameter+"=")
		c := after[0]
		other := byte('0')
		if c == '0' {
			other = '1'
		}
		return strings.Replace(url, parameter+"="+string(c), parameter+"="+string(other), 1)
	}
	const past, ahead = 15 * time.Minute, time.Minute
	cases := []struct {
		name string
		url  func(w *world) string
		want Reason // 0: it is taken
	}{
		{"as aws eks get-token makes it", func(w *world) string { return w.url(w.job(), signing{}) }, 0},
		{"for another host", func(w *world) string { return w.url(w.job(), signing{host: "mayfly.example:8443"}) }, 0},
		{"in clear", func(w *world) string {
			return strings.Replace(w.url(w.job(), signing{}), "https://", "http://", 1)
		}, 0},
		{"signed as long ago as may be", func(w *world) string {
			c := w.job(func(s *session.Session) { s.Expires = s.Expires.Add(time.Hour) })
			u := w.url(c, signing{})
			w.pass(past)
			return u
		}, 0},
		{"with a lifetime of nothing, which nobody looks at", func(w *world) string { return w.url(w.job(), signing{expires: time.Second}) }, 0},
		{"signed as far ahead as a clock may be", func(w *world) string { return w.url(w.job(), signing{at: start.Add(ahead)}) }, 0},
		{"in the last second of the session", func(w *world) string { c := w.job(); w.pass(15*time.Minute - time.Second); return w.url(c, signing{}) }, 0},

		{"in the second the session ends", func(w *world) string { c := w.job(); w.pass(15 * time.Minute); return w.url(c, signing{}) }, Ended},
		{"signed a second too long ago", func(w *world) string {
			c := w.job(func(s *session.Session) { s.Expires = s.Expires.Add(time.Hour) })
			u := w.url(c, signing{})
			w.pass(past + time.Second)
			return u
		}, BadSignature},
		{"signed a second too far ahead", func(w *world) string { return w.url(w.job(), signing{at: start.Add(ahead + time.Second)}) }, BadSignature},
		{"for another cluster", func(w *world) string { return w.url(w.job(), signing{cluster: "stage"}) }, BadSignature},
		{"for a cluster whose name begins the same", func(w *world) string { return w.url(w.job(), signing{cluster: "prod2"}) }, BadSignature},
		{"for the cluster in capitals", func(w *world) string { return w.url(w.job(), signing{cluster: "PROD"}) }, BadSignature},
		{"one digit of the signature", func(w *world) string { return flip(w.url(w.job(), signing{}), "X-Amz-Signature") }, BadSignature},
		{"another version, after signing", func(w *world) string {
			return strings.Replace(w.url(w.job(), signing{}), "2011-06-15", "2011-06-16", 1)
		}, BadSignature},
		{"another host, after signing", func(w *world) string { return strings.Replace(w.url(w.job(), signing{}), "://sts.", "://sta.", 1) }, BadSignature},
		{"another path, after signing", func(w *world) string { return strings.Replace(w.url(w.job(), signing{}), "com/?", "com/x?", 1) }, BadSignature},
		{"another session's token under the key", func(w *world) string {
			a, b := w.job(), w.job()
			a.Token = b.Token
			return w.url(a, signing{})
		}, UnknownToken},
		{"another session's key id", func(w *world) string {
			a, b := w.job(), w.job()
			a.AccessKeyID = b.AccessKeyID
			return w.url(a, signing{})
		}, UnknownToken},
		{"another session's secret", func(w *world) string {
			a, b := w.job(), w.job()
			a.Secret = b.Secret
			return w.url(a, signing{})
		}, BadSignature},
		{"sealed by another server", func(w *world) string {
			return w.url(w.issue(session.Session{RoleID: "AROADEPLOYER", ProviderID: "OIDC1", Name: "job-7", Issued: start, Expires: start.Add(time.Hour), Claims: session.Claims{Issuer: gitlab}}, sessiontest.NewSealer(w.t), account), signing{})
		}, UnknownToken},
		{"sealed for another account", func(w *world) string {
			return w.url(w.issue(session.Session{RoleID: "AROADEPLOYER", ProviderID: "OIDC1", Name: "job-7", Issued: start, Expires: start.Add(time.Hour), Claims: session.Claims{Issuer: gitlab}}, w.sealer, "999922223333"), signing{})
		}, UnknownToken},
		{"another Action", func(w *world) string {
			return w.url(w.job(), signing{query: "Action=AssumeRole&Version=2011-06-15"})
		}, NotABearer},
		{"the Action in lower case", func(w *world) string {
			return w.url(w.job(), signing{query: "Action=getcalleridentity&Version=2011-06-15"})
		}, NotABearer},
		{"no Action", func(w *world) string { return w.url(w.job(), signing{query: "Version=2011-06-15"}) }, NotABearer},
		{"two Actions", func(w *world) string {
			return w.url(w.job(), signing{query: "Action=GetCallerIdentity&Action=GetCallerIdentity&Version=2011-06-15"})
		}, NotABearer},
		{"two Actions but for case", func(w *world) string {
			return w.url(w.job(), signing{query: "Action=GetCallerIdentity&action=AssumeRole&Version=2011-06-15"})
		}, NotABearer},
		{"a parameter of nobody's", func(w *world) string {
			return w.url(w.job(), signing{query: "Action=GetCallerIdentity&RoleArn=x&Version=2011-06-15"})
		}, NotABearer},
		{"a second key id, after signing", func(w *world) string { return w.url(w.job(), signing{}) + "&x-amz-credential=eve" }, NotABearer},
		{"a fragment", func(w *world) string { return w.url(w.job(), signing{}) + "#x" }, NotABearer},
		{"a user before the host", func(w *world) string {
			return strings.Replace(w.url(w.job(), signing{}), "https://", "https://u@", 1)
		}, NotABearer},
		{"signed for IAM", func(w *world) string { return w.url(w.job(), signing{service: "iam"}) }, NotABearer},
		{"signed for EKS", func(w *world) string { return w.url(w.job(), signing{service: "eks"}) }, NotABearer},
		{"bound to no cluster", func(w *world) string { return w.url(w.job(), signing{headers: []sigv4.Header{}}) }, NotABearer},
		{"bound by another header", func(w *world) string {
			return w.url(w.job(), signing{headers: []sigv4.Header{{Name: "x-k8s-aws-i", Value: "prod"}}})
		}, NotABearer},
		{"one more header signed", func(w *world) string {
			return w.url(w.job(), signing{headers: []sigv4.Header{{Name: "accept", Value: "x"}, {Name: "x-k8s-aws-id", Value: "prod"}}})
		}, NotABearer},
		{"a lifetime above a quarter of an hour", func(w *world) string { return w.url(w.job(), signing{expires: 15*time.Minute + time.Second}) }, NotABearer},
		{"no URL", func(*world) string { return "" }, NotABearer},
	}
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			url := tt.url(w)
			if _, got := w.review(url); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if tt.want != 0 && (w.count(tt.want) != 1 || len(w.events("kubernetes:TokenReview")) != 0) {
				t.Errorf("counted %v, recorded %d", w.counted, len(w.events("kubernetes:TokenReview")))
			}
		})
	}
}

// A refusal says nothing of the token, not even to the log.
func TestRefusalsHoldNoToken(t *testing.T) {
	w := newWorld(t)
	creds := w.job()
	good := w.url(creds, signing{})
	for _, url := range []string{good + "&" + creds.Token.Reveal() + "=1", good + "&x=" + creds.Token.Reveal(), strings.Replace(good, "X-Amz-Security-Token=", "X-Amz-Security-Token-", 1),
		strings.Replace(good, "X-Amz-Signature", "x-amz-signature", 1), strings.Replace(good, "GetCallerIdentity", creds.Token.Reveal(), 1), w.url(creds, signing{cluster: "stage"}), "https://" + creds.Token.Reveal()} {
		_, err := w.Review(t.Context(), ReviewInput{Cluster: w.cluster("prod"), URL: url, Info: info})
		if err == nil {
			t.Errorf("it is taken")
			continue
		}
		if token := creds.Token.Reveal(); strings.Contains(err.Error(), token[:20]) || strings.Contains(err.Error(), token[len(token)-20:]) || strings.Contains(err.Error(), creds.Secret.Reveal()) {
			t.Errorf("%v", err)
		}
	}
}

func TestBearerMaxAge(t *testing.T) {
	w := newWorld(t)
	c := prod()
	c.BearerMaxAge = 2 * time.Minute
	w.put(registry.PutCluster{Cluster: c})
	url := w.url(w.job(), signing{expires: 15 * time.Minute})
	w.pass(2 * time.Minute)
	if _, got := w.review(url); got != 0 {
		t.Errorf("at its age: %s", got)
	}
	w.pass(time.Second)
	if _, got := w.review(url); got != BadSignature {
		t.Errorf("a second over its age: %q", got)
	}
	c.BearerMaxAge = 0
	if _, got := w.reviewIn(c, w.url(w.job(), signing{})); got != BadSignature {
		t.Errorf("of a cluster that takes none: %q", got)
	}
	c.BearerMaxAge = time.Hour
	url = w.url(w.job(func(s *session.Session) { s.Expires = s.Expires.Add(time.Hour) }), signing{})
	w.pass(15*time.Minute + time.Second)
	if _, got := w.reviewIn(c, url); got != BadSignature {
		t.Errorf("older than AWS takes: %q", got)
	}
}

// TestReviewOfWhatIsGone takes something away under a session that is good.
func TestReviewOfWhatIsGone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world)
		want   Reason
	}{
		{"nothing", func(*world) {}, 0},
		{"the role's description", func(w *world) {
			r := role("deployer", "AROADEPLOYER")
			r.Description = "new"
			w.put(registry.PutRole{Role: r})
		}, 0},
		{"the role", func(w *world) { w.put(registry.DeleteRole{Name: "deployer"}) }, Ended},
		{"the role, and another made under its name", func(w *world) { w.put(registry.PutRole{Role: role("deployer", "AROAANOTHER")}) }, Ended},
		{"that too, with an entry", func(w *world) {
			w.put(registry.PutRole{Role: role("deployer", "AROAANOTHER")}, registry.PutEntry{Entry: entryFor("deployer", "AROAANOTHER")})
		}, Ended},
		{"the provider", func(w *world) { w.put(registry.DeleteProvider{URL: gitlab}) }, Ended},
		{"the provider, and another made under its URL", func(w *world) { w.put(registry.PutProvider{Provider: provider("OIDC2")}) }, Ended},
		{"the entry", func(w *world) {
			w.put(registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN})
		}, NotMapped},
		{"the entry, and one for another role of its name", func(w *world) { w.put(registry.PutEntry{Entry: entryFor("deployer", "AROAANOTHER")}) }, NotMapped},
		{"the entry, and one for a neighbour", func(w *world) {
			w.put(registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN}, registry.PutEntry{Entry: entryFor("deployer2", "AROADEPLOYER2")})
		}, NotMapped},
		{"the cluster, and another registered under its name", func(w *world) {
			c := prod()
			c.ID = "c-prod-2"
			w.put(registry.DeleteCluster{Name: "prod"}, registry.PutCluster{Cluster: c})
		}, NotMapped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			creds := w.job()
			w.known(creds)
			tt.change(w)
			w.pass(time.Second)
			if _, got := w.review(w.url(creds, signing{})); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// An entry counts only in the cluster it was made in, by id.
func TestEntryOfAnotherRegistration(t *testing.T) {
	w := newWorld(t)
	c := prod()
	c.ID = "c-prod-2"
	if _, got := w.reviewIn(c, w.url(w.job(), signing{})); got != NotMapped {
		t.Errorf("%q", got)
	}
}

// TestModes is which of the two sources counts.
func TestModes(t *testing.T) {
	const mapped, other = "from-aws-auth", "arn:aws:iam::111122223333:role/other"
	said := eks.Mappings{Roles: []eks.Mapping{{ARN: "arn:aws:iam::111122223333:role/deployer", Username: mapped, Groups: []string{"mapped"}}}}
	pathed := eks.Mappings{Roles: []eks.Mapping{{ARN: "arn:aws:iam::111122223333:role/team/deployer", Username: mapped}}}
	const fromEntry = "arn:aws:sts::111122223333:assumed-role/deployer/job-7"
	for _, tt := range []struct {
		name  string
		mode  eks.AuthenticationMode
		entry bool
		said  eks.Mappings
		err   error
		want  string // user name
		why   Reason
		asked bool // aws-auth
	}{
		{"entries: an entry", eks.ModeAPI, true, said, nil, fromEntry, 0, false},
		{"entries: a mapping does not count", eks.ModeAPI, false, said, nil, "", NotMapped, false},
		{"both: the entry wins", eks.ModeAPIAndConfigMap, true, said, nil, fromEntry, 0, false},
		{"both: the entry needs no aws-auth", eks.ModeAPIAndConfigMap, true, said, errors.New("down"), fromEntry, 0, false},
		{"both: a mapping without an entry", eks.ModeAPIAndConfigMap, false, said, nil, mapped, 0, true},
		{"both: neither", eks.ModeAPIAndConfigMap, false, eks.Mappings{Roles: []eks.Mapping{{ARN: other}}}, nil, "", NotMapped, true},
		{"both: aws-auth cannot be read", eks.ModeAPIAndConfigMap, false, said, errors.New("down"), "", NotReadable, true},
		{"aws-auth: an entry does not count", eks.ModeConfigMap, true, eks.Mappings{}, nil, "", NotMapped, true},
		{"aws-auth: the mapping counts beside an entry", eks.ModeConfigMap, true, said, nil, mapped, 0, true},
		{"aws-auth: the role's path is written", eks.ModeConfigMap, false, pathed, nil, mapped, 0, true},
		{"aws-auth: another path is written", eks.ModeConfigMap, false, eks.Mappings{Roles: []eks.Mapping{{ARN: "arn:aws:iam::111122223333:role/other/deployer"}}}, nil, "", NotMapped, true},
		{"aws-auth: the account", eks.ModeConfigMap, false, eks.Mappings{Accounts: []string{"111122223333"}}, nil, "arn:aws:iam::111122223333:role/deployer", 0, true},
		{"aws-auth: another account", eks.ModeConfigMap, false, eks.Mappings{Accounts: []string{"111122223334"}}, nil, "", NotMapped, true},
		{"aws-auth: a name that cannot be filled in", eks.ModeConfigMap, false, eks.Mappings{Roles: []eks.Mapping{{ARN: said.Roles[0].ARN, Username: "{{EC2PrivateDNSName}}"}}}, nil, "", NotMapped, true},
		{"no mode at all", "", true, said, nil, "", NotMapped, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if !tt.entry {
				w.put(registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN})
			}
			w.mappings.said, w.mappings.err = tt.said, tt.err
			c := w.cluster("prod")
			c.Mode = tt.mode
			id, why := w.reviewIn(c, w.url(w.job(), signing{}))
			if id.Username != tt.want || why != tt.why || (w.mappings.asked > 0) != tt.asked {
				t.Errorf("user %q, %q, aws-auth asked %d times", id.Username, why, w.mappings.asked)
			}
			if entry := one(id.Extra, eks.ExtraEntry); (entry != "") != (id.Username == fromEntry) {
				t.Errorf("the entry is %q", entry)
			}
		})
	}
}

// TestBreakGlass: the administrator's role may have an entry; its session has
// no ID token behind it.
func TestBreakGlass(t *testing.T) {
	w := newWorld(t)
	admin := iam.AdminRole(account, start)
	creds := w.issue(session.Session{RoleID: admin.ID, Name: "uid-0", AdminUID: "0", Issued: start, Expires: start.Add(15 * time.Minute)}, w.sealer, account)
	if _, got := w.review(w.url(creds, signing{})); got != NotMapped {
		t.Fatalf("without an entry: %q", got)
	}
	e := entryFor("x", admin.ID)
	e.PrincipalARN = admin.ARN().String()
	w.put(registry.PutEntry{Entry: e})
	id := w.known(creds)
	if id.Extra[eks.ExtraProvider] != nil || id.Extra[eks.ExtraIssuer] != nil {
		t.Errorf("%v", id.Extra)
	}
	if got := w.may(id, deploy("production")); !got.Allowed {
		t.Errorf("%+v", got)
	}
}

func TestReviewIsRecordedOnceAMinute(t *testing.T) {
	w := newWorld(t)
	creds := w.job()
	recorded := func() int { return len(w.events("kubernetes:TokenReview")) }
	for range 3 {
		w.known(creds)
		w.pass(20*time.Second - time.Millisecond)
	}
	if got := recorded(); got != 1 {
		t.Errorf("%d in the first minute", got)
	}
	w.pass(time.Second)
	w.known(creds)
	if got := recorded(); got != 2 {
		t.Errorf("%d after it", got)
	}
	w.known(w.job())
	if got := recorded(); got != 3 {
		t.Errorf("%d with another session", got)
	}
	c := prod()
	c.ID, c.Name = "c-stage", "stage"
	e := entryFor("deployer", "AROADEPLOYER")
	e.Cluster, e.ClusterID = "stage", "c-stage"
	w.put(registry.PutCluster{Cluster: c}, registry.PutEntry{Entry: e})
	if _, why := w.reviewIn(c, w.url(creds, signing{cluster: "stage"})); why != 0 || recorded() != 4 {
		t.Errorf("%q, %d in another cluster", why, recorded())
	}
}

// An aws-auth with many groups does not fill the audit log.
func TestRecordedGroupsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.put(registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN})
	w.mappings.said = eks.Mappings{Roles: []eks.Mapping{{ARN: "arn:aws:iam::111122223333:role/deployer", Groups: slices.Repeat([]string{strings.Repeat("g", 250)}, 250)}}}
	if id := w.known(w.job()); len(id.Groups) != 250 {
		t.Errorf("%d groups", len(id.Groups))
	}
	if groups := w.events("kubernetes:TokenReview")[0].Detail["groups"]; len(groups) > 4100 {
		t.Errorf("%d bytes of groups", len(groups))
	}
}

// Nobody is let in whom the audit log does not know.
func TestReviewThatCannotBeRecorded(t *testing.T) {
	w := newWorld(t)
	creds := w.job()
	w.db.FailNext(errors.New("the disk is full"))
	if _, got := w.review(w.url(creds, signing{})); got != NotRecorded || w.count(NotRecorded) != 1 {
		t.Fatalf("%q", got)
	}
	w.known(creds) // and once it can be, it is
	if got := len(w.events("kubernetes:TokenReview")); got != 1 {
		t.Errorf("%d events", got)
	}
}

func TestReaderIsItself(t *testing.T) {
	w := newWorld(t)
	id := w.known(w.reader("c-prod"))
	want := eks.Identity{Username: "mayfly:aws-auth-reader", UID: "mayfly:aws-auth-reader", Extra: map[string][]string{
		"canonicalArn": {"mayfly:aws-auth-reader"}, "principalId": {"mayfly:aws-auth-reader"}, "accessKeyId": id.Extra["accessKeyId"], "mayfly/session": id.Extra["mayfly/session"], "mayfly/expires": {fmt.Sprint(start.Add(time.Minute).Unix())}, extraSeal: id.Extra[extraSeal]}}
	if d := cmp.Diff(want, id); d != "" {
		t.Error(d)
	}
	if w.mappings.asked != 0 {
		t.Error("the reader asked for what it is to read")
	}
	if n := len(w.events("kubernetes:TokenReview")); n != 0 {
		t.Errorf("it is recorded %d times", n)
	}
}

func TestReaderNeighbours(t *testing.T) {
	for _, tt := range []struct {
		name string
		url  func(w *world) string
		want Reason
	}{
		{"in the last second", func(w *world) string { c := w.reader("c-prod"); w.pass(59 * time.Second); return w.url(c, signing{}) }, 0},
		{"in the second it ends", func(w *world) string { c := w.reader("c-prod"); w.pass(time.Minute); return w.url(c, signing{}) }, Ended},
		{"of another cluster", func(w *world) string { return w.url(w.reader("c-stage"), signing{}) }, OtherCluster},
		{"of the cluster's name", func(w *world) string { return w.url(w.reader("prod"), signing{}) }, OtherCluster},
		{"of the registration before", func(w *world) string {
			creds := w.reader("c-prod")
			c := prod()
			c.ID = "c-prod-2"
			w.put(registry.DeleteCluster{Name: "prod"}, registry.PutCluster{Cluster: c})
			return w.url(creds, signing{})
		}, OtherCluster},
		{"signed for another cluster", func(w *world) string { return w.url(w.reader("c-prod"), signing{cluster: "stage"}) }, BadSignature},
		{"sealed by another server", func(w *world) string {
			return w.url(w.issue(session.Session{Reader: "c-prod", Name: "aws-auth-reader", Issued: start, Expires: start.Add(time.Minute)}, sessiontest.NewSealer(w.t), account), signing{})
		}, UnknownToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if _, got := w.review(tt.url(w)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// A mapping or an entry cannot name the reader: it has no role.
func TestReaderIsNoPrincipal(t *testing.T) {
	w := newWorld(t)
	w.mappings.said = eks.Mappings{Roles: []eks.Mapping{{ARN: readerName, Username: "x", Groups: []string{"system:masters"}}}, Accounts: []string{"", string(account)}}
	if id := w.known(w.reader("c-prod")); id.Username != readerName || id.Groups != nil {
		t.Errorf("%+v", id)
	}
}

// TestTokenVectors runs aws-iam-authenticator's tokens. Ours are signed with our
// own keys, so none of them is anybody; those it refuses for their form, and
// those it would take to STS, fail before a session is found.
func TestTokenVectors(t *testing.T) {
	raw := vectortest.Read(t, "eks-bearer-tokens/tokens.json")
	var doc struct {
		Cases []struct {
			ID, Expect string
			URL        string `json:"url_template"`
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	w, ran := newWorld(t), 0
	moment := regexp.MustCompile(`\{\{NOW([+-]\d+m)?\}\}`)
	for _, c := range doc.Cases {
		if c.URL == "" {
			continue // the whole token is given: kubewire's to refuse
		}
		ran++
		url := moment.ReplaceAllStringFunc(c.URL, func(text string) string {
			d, _ := time.ParseDuration(strings.TrimPrefix(strings.Trim(text, "{}NOW"), "+"))
			return start.Add(d).Format("20060102T150405Z")
		})
		if _, got := w.review(url); got != NotABearer && got != UnknownToken {
			t.Errorf("%s (%s): %q", c.ID, c.Expect, got)
		}
	}
	if ran < 55 {
		t.Errorf("%d cases ran", ran)
	}
}

// TestReviewRace asks for many sessions at once while the configuration changes.
func TestReviewRace(t *testing.T) {
	w := newWorld(t)
	sessions := make([]session.Credentials, 8)
	for i := range sessions {
		sessions[i] = w.job()
	}
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			id, why := w.review(w.url(sessions[i%len(sessions)], signing{}))
			if why != 0 {
				t.Errorf("%q", why)
				return
			}
			if got := w.may(id, deploy("production")); !got.Allowed {
				t.Errorf("%+v", got)
			}
		})
	}
	for i := range 8 {
		r := role("other", fmt.Sprintf("AROAOTHER%d", i))
		w.put(registry.PutRole{Role: r})
	}
	wg.Wait()
	if a, b := len(w.events("kubernetes:TokenReview")), len(w.events("kubernetes:SubjectAccessReview")); a != len(sessions) || b != len(sessions) {
		t.Errorf("%d and %d events for %d sessions", a, b, len(sessions))
	}
}

// chained is what becomes of a session of the role deployer that another role
// made, which a job's session assumed.
func chained(s *session.Session) { s.Chain = []string{"AROAFIRST", "AROASECOND"} }

// TestChained: a session that was assumed through others has the identity of its
// own role's entry and the claims of the job they began with, and ends with each
// of them, at both of a cluster's questions.
func TestChained(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world)
		review Reason
		may    string
	}{
		{"nothing", func(*world) {}, 0, allowed},
		{"the first role", func(w *world) { w.put(registry.DeleteRole{Name: "first"}) }, Ended, denied},
		{"the first role, and another of its name", func(w *world) { w.put(registry.PutRole{Role: role("first", "AROAANOTHER")}) }, Ended, denied},
		{"the second role", func(w *world) { w.put(registry.DeleteRole{Name: "second"}) }, Ended, denied},
		{"its own role", func(w *world) { w.put(registry.DeleteRole{Name: "deployer"}) }, Ended, denied},
		{"the provider", func(w *world) { w.put(registry.DeleteProvider{URL: gitlab}) }, Ended, denied},
		{"the provider, and another of its URL", func(w *world) { w.put(registry.PutProvider{Provider: provider("OIDC2")}) }, Ended, denied},
		{"the entry of a role on the way", func(w *world) {
			w.put(registry.PutEntry{Entry: entryFor("first", "AROAFIRST")}, registry.DeleteEntry{Cluster: "prod", Principal: entryFor("first", "").PrincipalARN})
		}, 0, allowed},
		{"its own role's entry", func(w *world) {
			w.put(registry.PutEntry{Entry: entryFor("first", "AROAFIRST")}, registry.DeleteEntry{Cluster: "prod", Principal: entryFor("deployer", "").PrincipalARN})
		}, NotMapped, denied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(registry.PutRole{Role: role("first", "AROAFIRST")}, registry.PutRole{Role: role("second", "AROASECOND")})
			creds := w.job(chained)
			id := w.known(creds)
			if one(id.Extra, "gitlab.example/project_path") != "acme/web" || one(id.Extra, eks.ExtraProvider) != "OIDC1" || id.UID != eks.UIDOf(string(account), "AROADEPLOYER") || !slices.Equal(id.Extra[eks.ExtraChain], []string{"AROAFIRST", "AROASECOND"}) {
				t.Errorf("the identity is %+v", id)
			}
			tt.change(w)
			w.pass(time.Second)
			if _, got := w.review(w.url(creds, signing{})); got != tt.review {
				t.Errorf("reviewed: %q, want %q", got, tt.review)
			}
			if got := w.may(id, deploy("production")); verdict(got) != tt.may {
				t.Errorf("authorized: %+v, want %s", got, tt.may)
			}
		})
	}
}
