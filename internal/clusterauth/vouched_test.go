package clusterauth

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/session"
)

// aws is real AWS as a test wants it: who it says has signed, whoever did.
type aws struct {
	who   eks.Vouched
	err   error
	asked []string // :: URL, name, cluster id
}

func (a *aws) Caller(_ context.Context, url, name, clusterID string) (eks.Vouched, error) {
	a.asked = append(a.asked, url+" "+name+" "+clusterID)
	return a.who, a.err
}

const theirs = "444455556666"

func theirRole(name string) string { return "arn:aws:iam::" + theirs + ":role/" + name }

// vouching is a world whose cluster prod trusts the AWS account 444455556666,
// and AWS, which says that the role deployer of that account has signed.
func vouching(t *testing.T) (*world, *aws) {
	w := newWorld(t)
	c := prod()
	c.TrustAccounts = []arn.AccountID{theirs}
	w.put(registry.PutCluster{Cluster: c})
	a := &aws{who: eks.Vouched{ARN: "arn:aws:sts::" + theirs + ":assumed-role/deployer/job-7", Account: theirs, UserID: "AROATHEIRS:job-7", AccessKeyID: "ASIATHEIRS"}}
	w.AWS = a
	w.mappings.said = eks.Mappings{Roles: []eks.Mapping{{ARN: theirRole("deployer"), Username: "aws:{{SessionName}}", Groups: []string{"g"}}}}
	return w, a
}

// theirs is a token that none of our sessions signed.
func (w *world) theirs(how signing) string {
	return w.url(session.Credentials{AccessKeyID: "ASIATHEIRS", Secret: secret.New("x"), Token: secret.New("IQoJb3JpZ2luX2VjE")}, how)
}

func theirEntry(role string) eks.AccessEntry {
	e := entryFor(role, theirRole(role))
	e.PrincipalARN, e.UUID = theirRole("team/"+role), "entry-of-theirs"
	return e
}

func TestVouched(t *testing.T) {
	w, a := vouching(t)
	id, why := w.review(w.theirs(signing{}))
	if why != 0 || id.Username != "aws:job-7" || id.UID != "aws-iam-authenticator:444455556666:AROATHEIRS" || !slices.Equal(id.Groups, []string{"g"}) {
		t.Fatalf("%+v, %q", id, why)
	}
	for key, want := range map[string]string{"arn": a.who.ARN, "canonicalArn": theirRole("deployer"), "sessionName": "job-7", "accessKeyId": "ASIATHEIRS", "principalId": "AROATHEIRS", "mayfly/realm": "aws", "mayfly/session": "", "mayfly/entry": "", "mayfly/issuer": ""} {
		if got := one(id.Extra, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if len(a.asked) != 1 || !strings.HasSuffix(a.asked[0], " prod c-prod") {
		t.Errorf("asked: %q", a.asked)
	}
	events := w.events("kubernetes:TokenReview")
	if len(events) != 1 || events[0].Actor != a.who.ARN || events[0].Session != "" || events[0].Detail["realm"] != "aws" || events[0].Detail["access_key_id"] != "ASIATHEIRS" || events[0].Detail["username"] != "aws:job-7" {
		t.Errorf("%+v", events)
	}
	// RBAC decides about who is mapped.
	if got := w.may(id, deploy("production")); got.Allowed || got.Denied || !strings.Contains(got.Reason, "RBAC") {
		t.Errorf("%+v", got)
	}
}

// TestVouchedEntry: an access entry is found whatever its role's path, and its
// policies decide.
func TestVouchedEntry(t *testing.T) {
	w, _ := vouching(t)
	w.put(registry.PutEntry{Entry: theirEntry("deployer")})
	id, why := w.review(w.theirs(signing{}))
	if why != 0 || one(id.Extra, eks.ExtraEntry) != "entry-of-theirs" || id.Username != "arn:aws:sts::444455556666:assumed-role/deployer/job-7" {
		t.Fatalf("%+v, %q", id, why)
	}
	if got := w.may(id, deploy("production")); !got.Allowed {
		t.Errorf("%+v", got)
	}
	if got := w.may(id, deploy("staging")); got.Allowed || got.Denied {
		t.Errorf("another namespace: %+v", got)
	}
	if e := w.events("kubernetes:SubjectAccessReview"); len(e) != 1 || e[0].Actor != "arn:aws:sts::444455556666:assumed-role/deployer/job-7" {
		t.Errorf("%+v", e)
	}
	// What ends, ends.
	for name, change := range map[string]func(w *world){
		"a quarter of an hour later": func(w *world) { w.pass(15 * time.Minute) },
		"the entry is gone":          func(w *world) { w.put(registry.DeleteEntry{Cluster: "prod", Principal: theirRole("team/deployer")}) },
		"the entry was made anew": func(w *world) {
			e := theirEntry("deployer")
			e.UUID = "another"
			w.put(registry.DeleteEntry{Cluster: "prod", Principal: e.PrincipalARN}, registry.PutEntry{Entry: e})
		},
		"the account is trusted no more": func(w *world) { w.put(registry.PutCluster{Cluster: prod()}) },
		"another account is trusted": func(w *world) {
			c := prod()
			c.TrustAccounts = []arn.AccountID{"777788889999"}
			w.put(registry.PutCluster{Cluster: c})
		},
	} {
		w, _ := vouching(t)
		w.put(registry.PutEntry{Entry: theirEntry("deployer")})
		id, _ := w.review(w.theirs(signing{}))
		change(w)
		if got := w.may(id, deploy("production")); got.Allowed || !got.Denied {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestVouchedRefusals: AWS's word is asked for where the cluster trusts an
// account, and taken for those accounts alone.
func TestVouchedRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, a *aws)
		how    signing
		want   Reason
		asked  int
	}{
		{"a cluster that trusts no account", func(w *world, _ *aws) { w.put(registry.PutCluster{Cluster: prod()}) }, signing{}, UnknownToken, 0},
		{"a server that asks nobody", func(w *world, _ *aws) { w.AWS = nil }, signing{}, UnknownToken, 0},
		{"no token of AWS's form", nil, signing{query: "Action=AssumeRole&Version=2011-06-15"}, NotABearer, 0},
		{"older than the cluster allows", func(w *world, _ *aws) {
			c := prod()
			c.TrustAccounts, c.BearerMaxAge = []arn.AccountID{theirs}, time.Minute
			w.put(registry.PutCluster{Cluster: c})
		}, signing{at: start.Add(-61 * time.Second)}, BadSignature, 0},
		{"AWS disowns it", func(_ *world, a *aws) { a.err = fault.New(fault.Denied, "403") }, signing{}, BadSignature, 1},
		{"not to be sent", func(_ *world, a *aws) { a.err = fault.New(fault.Invalid, "host") }, signing{}, NotABearer, 1},
		{"AWS is asked too often", func(_ *world, a *aws) { a.err = fault.New(fault.Throttled, "429") }, signing{}, Throttled, 1},
		{"AWS does not answer", func(_ *world, a *aws) { a.err = fault.New(fault.Unavailable, "timeout") }, signing{}, Unreachable, 1},
		{"a defect", func(_ *world, a *aws) { a.err = context.DeadlineExceeded }, signing{}, Unreachable, 1},
		{"another account", func(_ *world, a *aws) {
			a.who.ARN, a.who.Account = "arn:aws:sts::777788889999:assumed-role/deployer/job-7", "777788889999"
		}, signing{}, NotTrusted, 1},
		{"Mayfly's own account", func(_ *world, a *aws) {
			a.who.ARN, a.who.Account = "arn:aws:sts::111122223333:assumed-role/deployer/job-7", "111122223333"
		}, signing{}, NotTrusted, 1},
		{"Mayfly's own account, though it is trusted", func(w *world, a *aws) {
			c := prod()
			c.TrustAccounts = []arn.AccountID{account}
			w.put(registry.PutCluster{Cluster: c})
			a.who.ARN, a.who.Account = "arn:aws:sts::111122223333:assumed-role/deployer/job-7", "111122223333"
		}, signing{}, NotTrusted, 1},
		{"an answer that contradicts itself", func(_ *world, a *aws) { a.who.Account = "777788889999" }, signing{}, NotTrusted, 1},
		{"the id of a role of ours", func(w *world, a *aws) { a.who.UserID = "AROADEPLOYER:job-7"; w.mappings.said = eks.Mappings{} }, signing{}, NotMapped, 1},
		{"a role nobody maps", func(_ *world, a *aws) { a.who.ARN = "arn:aws:sts::444455556666:assumed-role/builder/job-7" }, signing{}, NotMapped, 1},
		{"a user of the role's name", func(_ *world, a *aws) {
			a.who.ARN, a.who.UserID = "arn:aws:iam::444455556666:user/deployer", "AIDATHEIRS"
		}, signing{}, NotMapped, 1},
		{"a mode without mappings", func(w *world, _ *aws) {
			c := prod()
			c.TrustAccounts, c.Mode = []arn.AccountID{theirs}, eks.ModeAPI
			w.put(registry.PutCluster{Cluster: c})
		}, signing{}, NotMapped, 1},
		{"an entry for the role of that name of ours", func(w *world, _ *aws) { w.mappings.said = eks.Mappings{} }, signing{}, NotMapped, 1},
		{"an entry in another cluster", func(w *world, _ *aws) {
			w.mappings.said = eks.Mappings{}
			c := prod()
			c.Name, c.ID = "stage", "c-stage"
			e := theirEntry("deployer")
			e.Cluster, e.ClusterID = "stage", "c-stage"
			w.put(registry.PutCluster{Cluster: c}, registry.PutEntry{Entry: e})
		}, signing{}, NotMapped, 1},
		{"an entry in a mode without entries", func(w *world, _ *aws) {
			w.mappings.said = eks.Mappings{}
			c := prod()
			c.TrustAccounts, c.Mode = []arn.AccountID{theirs}, eks.ModeConfigMap
			w.put(registry.PutCluster{Cluster: c}, registry.PutEntry{Entry: theirEntry("deployer")})
		}, signing{}, NotMapped, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, a := vouching(t)
			if tt.change != nil {
				tt.change(w, a)
			}
			if _, got := w.review(w.theirs(tt.how)); got != tt.want || len(a.asked) != tt.asked {
				t.Errorf("%q, asked %d times", got, len(a.asked))
			}
			if n := w.count(tt.want); n != 1 {
				t.Errorf("counted %d times", n)
			}
			if e := w.events("kubernetes:TokenReview"); len(e) > 0 {
				t.Errorf("recorded: %+v", e)
			}
		})
	}
}

// TestOursAreNotAsked: AWS is never shown a token of one of our sessions, good or
// not.
func TestOursAreNotAsked(t *testing.T) {
	w, a := vouching(t)
	job := w.job()
	w.known(job)
	w.review(w.url(job, signing{cluster: "stage"}))
	w.review(w.url(w.reader("c-prod"), signing{}))
	w.pass(time.Hour)
	w.review(w.url(job, signing{}))
	if len(a.asked) > 0 {
		t.Errorf("asked: %q", a.asked)
	}
}

// TestVouchedIsRemembered: one token, one question a minute; a refusal is asked
// anew.
func TestVouchedIsRemembered(t *testing.T) {
	w, a := vouching(t)
	url := w.theirs(signing{})
	for range 3 {
		if _, why := w.review(url); why != 0 {
			t.Fatal(why)
		}
	}
	if len(a.asked) != 1 {
		t.Errorf("asked %d times", len(a.asked))
	}
	w.review(w.theirs(signing{cluster: "prod2"}))
	if len(a.asked) != 2 {
		t.Errorf("another token: asked %d times", len(a.asked))
	}
	w.pass(time.Minute)
	a.err = fault.New(fault.Denied, "403")
	for range 2 {
		if _, why := w.review(url); why != BadSignature {
			t.Errorf("%q", why)
		}
	}
	if len(a.asked) != 4 {
		t.Errorf("after a minute: asked %d times", len(a.asked))
	}
	// What is remembered does not outlive the token.
	a.err = nil
	url = w.theirs(signing{at: start.Add(-13*time.Minute - 30*time.Second)})
	if _, why := w.review(url); why != 0 {
		t.Fatal(why)
	}
	w.pass(31 * time.Second)
	if _, why := w.review(url); why != BadSignature {
		t.Errorf("%q", why)
	}
}

// TestVouchedForgeries: a user of a SubjectAccessReview is one of AWS's only as
// Review answered it.
func TestVouchedForgeries(t *testing.T) {
	w, _ := vouching(t)
	w.put(registry.PutEntry{Entry: theirEntry("deployer")})
	id, _ := w.review(w.theirs(signing{}))
	ours := w.known(w.job())
	for name, change := range map[string]func(extra map[string][]string){
		"no realm":              func(x map[string][]string) { delete(x, eks.ExtraRealm) },
		"another realm":         func(x map[string][]string) { x[eks.ExtraRealm] = []string{"mayfly"} },
		"two realms":            func(x map[string][]string) { x[eks.ExtraRealm] = []string{"aws", "aws"} },
		"another entry":         func(x map[string][]string) { x[eks.ExtraEntry] = []string{"entry-of-AROADEPLOYER"} },
		"another access key":    func(x map[string][]string) { x[eks.ExtraAccessKeyID] = []string{"ASIAOTHER"} },
		"another canonical ARN": func(x map[string][]string) { x[eks.ExtraCanonicalARN] = []string{theirRole("admin")} },
		"our own canonical ARN": func(x map[string][]string) { x[eks.ExtraCanonicalARN] = ours.Extra[eks.ExtraCanonicalARN] },
		"a later end":           func(x map[string][]string) { x[eks.ExtraExpires] = []string{"99999999999"} },
		"a session of ours":     func(x map[string][]string) { x[eks.ExtraSession] = ours.Extra[eks.ExtraSession] },
		"the seal of another":   func(x map[string][]string) { x[extraSeal] = ours.Extra[extraSeal] },
	} {
		in := w.ask(id, deploy("production"))
		in.Extra = map[string][]string{}
		for k, v := range id.Extra {
			in.Extra[k] = v
		}
		change(in.Extra)
		if got := w.Authorize(t.Context(), in); got.Allowed || got.Denied {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestReviewUnderAnotherName: a cluster's tokens may be bound to another text
// than its name, but not to the name of another cluster.
func TestReviewUnderAnotherName(t *testing.T) {
	w := newWorld(t)
	review := func(name, signedFor string) error {
		_, err := w.Review(t.Context(), ReviewInput{Cluster: w.cluster("prod"), URL: w.url(w.job(), signing{cluster: signedFor}), Info: info, Name: name})
		return err
	}
	if err := review("k8s.example.com", "k8s.example.com"); err != nil {
		t.Error(err)
	}
	if err := review("prod", "prod"); err != nil {
		t.Error(err)
	}
	if err := review("k8s.example.com", "prod"); err == nil {
		t.Error("the cluster's name is good under another")
	}
	c := prod()
	c.Name, c.ID = "stage", "c-stage"
	w.put(registry.PutCluster{Cluster: c})
	if err := review("stage", "stage"); err == nil {
		t.Error("a token of stage is good in prod")
	}
}
