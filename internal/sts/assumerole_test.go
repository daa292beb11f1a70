package sts

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
)

// make makes a role of a trust policy that is bound as one that is saved is, and
// of permission statements.
func (w *world) make(t *testing.T, r iam.Role, trust, permissions string) string {
	t.Helper()
	doc, err := policy.Parse(policy.Trust, []byte(trust))
	if err != nil {
		t.Fatal(err)
	}
	snap := w.db.Snapshot()
	if r.Trust, err = doc.Bind(func(name arn.Role) (string, bool) { of, ok := snap.Role(name.Name); return of.ID, ok }); err != nil {
		t.Fatal(err)
	}
	if permissions != "" {
		d, err := policy.Parse(policy.Permission, []byte(`{"Version":"2012-10-17","Statement":[`+permissions+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Inline = map[string]*policy.Document{"inline": d}
	}
	if r.ID, err = iam.NewID("AROA", rand.Reader); err != nil {
		t.Fatal(err)
	}
	r.Account, r.Path, r.Created = account, "/", now
	if r.MaxSession == 0 {
		r.MaxSession = time.Hour
	}
	w.put(t, registry.PutRole{Role: r})
	return r.ARN().String()
}

// trusts is an Allow for an AWS principal.
func trusts(principal, actions, conditions string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":` + actions + `,"Condition":{` + conditions + `}}`
}

const (
	assumeRole = `"sts:AssumeRole"`
	allActions = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
	roleStart  = "arn:aws:iam::111122223333:role/"
	mayAssume  = `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`
)

// ci makes the role ci, which a job of acme/web may have, and gives a call of a
// session of it.
func (w *world) ci(t *testing.T, permissions string, change ...map[string]any) Call {
	t.Helper()
	w.make(t, iam.Role{Name: "ci", Tags: []iam.Tag{{Key: "Team", Value: "of-the-role"}}}, trust(statement(gitlab, `["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`, anyBranch)), permissions)
	out, reason, public := w.exchange(t, input(roleStart+"ci", w.job(change...)))
	if reason != 0 {
		t.Fatal(reason, public)
	}
	return call(out.Principal)
}

func call(who session.Principal) Call {
	return Call{who, request.Info{ID: "request-7", Source: netip.MustParseAddr("192.0.2.9"), Secure: true, Region: "eu-central-1", Time: now}}
}

func asks(role string, change ...func(*AssumeRoleInput)) AssumeRoleInput {
	in := AssumeRoleInput{RoleARN: role, SessionName: "hop-1"}
	for _, c := range change {
		c(&in)
	}
	return in
}

// assume asks, and says the reason of a refusal; 0 is success.
func (w *world) assume(t *testing.T, c Call, in AssumeRoleInput) (Assumed, Reason, string) {
	t.Helper()
	out, err := w.AssumeRole(t.Context(), c, in)
	if err == nil {
		return out, 0, ""
	}
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("the error is no Refusal: %v", err)
	}
	if !cmp.Equal(out.Credentials.AccessKeyID+out.Credentials.Secret.Reveal()+out.Credentials.Token.Reveal(), "") {
		t.Error("a refusal came with credentials")
	}
	return out, r.Reason, r.Public
}

// TestAssumeRole: the session, what it carries along, and what is recorded.
func TestAssumeRole(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume)
	role := w.make(t, iam.Role{Name: "deploy"}, trust(trusts(roleStart+"ci", assumeRole, "")), "")
	out, reason, public := w.assume(t, c, asks(role))
	if reason != 0 {
		t.Fatal(reason, public)
	}
	if got := out.Principal.ARN().String(); got != "arn:aws:sts::111122223333:assumed-role/deploy/hop-1" {
		t.Error("the session is", got)
	}
	opened, err := session.Open(out.Credentials.Token.Reveal(), out.Credentials.AccessKeyID, account, w.Sealer)
	if err != nil {
		t.Fatal(err)
	}
	from := c.Caller.Session
	if !opened.Expires.Equal(now.Add(time.Hour)) || opened.ProviderID != from.ProviderID || opened.Claims != from.Claims || !slices.Equal(opened.Chain, []string{from.RoleID}) || opened.ID == from.ID || opened.Secret().Reveal() == from.Secret().Reveal() {
		t.Errorf("the session token holds %+v", opened)
	}
	events := w.events(t)
	e := events[len(events)-1]
	e.Time = time.Time{}
	want := audit.Event{Action: "sts:AssumeRole", Outcome: audit.Allowed, Request: "request-7", Source: "192.0.2.9", Actor: "arn:aws:sts::111122223333:assumed-role/ci/run-1", Session: from.ID.String(), Resource: role,
		Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.com", Claims: e.Claims, Issued: opened.ID.String(), As: out.Principal.ARN().String(), Expires: opened.Expires,
		Matched: []string{"trust policy, statement 1", "identity policy 1, statement 1"}, Detail: map[string]string{"session_name": "hop-1", "chain": `["` + from.RoleID + `"]`}}
	if d := cmp.Diff(want, e); d != "" || e.Claims["project_path"] != project || e.Claims["job_id"] != "302" {
		t.Errorf("the event: %s %v", d, e.Claims)
	}
}

// TestAssumeRoleDecides: each neighbour of what is allowed is refused, in the
// words for a role that does not exist.
func TestAssumeRoleDecides(t *testing.T) {
	const session1 = "arn:aws:sts::111122223333:assumed-role/ci/"
	external := func(id string) func(*AssumeRoleInput) { return func(in *AssumeRoleInput) { in.ExternalID = id } }
	plainly := func(*AssumeRoleInput) {}
	for _, tt := range []struct {
		name, permissions, trust string
		change                   func(*AssumeRoleInput)
		want                     Reason
	}{
		{"the role by its name", "", trust(trusts(roleStart+"ci", assumeRole, "")), plainly, 0},
		{"the session by its name", "", trust(trusts(session1+"run-1", assumeRole, "")), plainly, 0},
		{"another session by its name", "", trust(trusts(session1+"run-2", assumeRole, "")), plainly, NotAllowed},
		{"the account, and the caller's policy", mayAssume, trust(trusts("111122223333", assumeRole, "")), plainly, 0},
		{"the account's root, and the caller's policy", mayAssume, trust(trusts("arn:aws:iam::111122223333:root", assumeRole, "")), plainly, 0},
		{"the account alone", "", trust(trusts("111122223333", assumeRole, "")), plainly, NotAllowed},
		{"the account, and a policy about another role", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + roleStart + `deploy-2"}`, trust(trusts("111122223333", assumeRole, "")), plainly, NotAllowed},
		{"the account, and a policy about another action", `{"Effect":"Allow","Action":"sts:TagSession","Resource":"*"}`, trust(trusts("111122223333", assumeRole, "")), plainly, NotAllowed},
		{"the account, and a policy that denies", mayAssume + `,{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}`, trust(trusts("111122223333", assumeRole, "")), plainly, NotAllowed},
		{"the role, and its policy denies", `{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}`, trust(trusts(roleStart+"ci", assumeRole, "")), plainly, NotAllowed},
		{"the role, and the trust policy denies too", mayAssume, trust(trusts(roleStart+"ci", assumeRole, ""), `{"Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}`), plainly, NotAllowed},
		{"the caller's policy alone", mayAssume, trust(statement(gitlab, assume, onlyWeb)), plainly, NotAllowed},
		{"another account", mayAssume, trust(trusts("999922223333", assumeRole, "")), plainly, NotAllowed},
		{"another role", mayAssume, trust(trusts(roleStart+"other", assumeRole, "")), plainly, NotAllowed},
		{"tags alone", mayAssume, trust(trusts(roleStart+"ci", `"sts:TagSession"`, "")), plainly, NotAllowed},
		{"the external id", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:ExternalId":"x-7"}`)), external("x-7"), 0},
		{"another external id", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:ExternalId":"x-7"}`)), external("x-8"), NotAllowed},
		{"the external id in upper case", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:ExternalId":"x-7"}`)), external("X-7"), NotAllowed},
		{"no external id", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:ExternalId":"x-7"}`)), plainly, NotAllowed},
		{"an external id nobody asks for", "", trust(trusts(roleStart+"ci", assumeRole, "")), external("x-7"), 0},
		{"the session name", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:RoleSessionName":"hop-1"}`)), plainly, 0},
		{"another session name", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:RoleSessionName":"hop-2"}`)), plainly, NotAllowed},
		{"a short session", "", trust(trusts(roleStart+"ci", assumeRole, `"NumericLessThanEquals":{"sts:DurationSeconds":"900"}`)), func(in *AssumeRoleInput) { in.Duration = 15 * time.Minute }, 0},
		{"a session too long for that", "", trust(trusts(roleStart+"ci", assumeRole, `"NumericLessThanEquals":{"sts:DurationSeconds":"900"}`)), plainly, NotAllowed},
		{"a claim of the job", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"gitlab.com:project_path":"acme/web","gitlab.com:ref":"main"}`)), plainly, 0},
		{"another job's claim", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"gitlab.com:project_path":"acme/web2"}`)), plainly, NotAllowed},
		{"a tag of the caller's role", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"aws:PrincipalTag/Team":"of-the-role"}`)), plainly, 0},
		{"another tag of it", "", trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"aws:PrincipalTag/Team":"other"}`)), plainly, NotAllowed},
		{"a tag of the role to assume", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Stage":"test","iam:ResourceTag/Stage":"test"}}}`, trust(trusts("111122223333", assumeRole, "")), plainly, 0},
		{"another tag of that", `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/Stage":"production"}}}`, trust(trusts("111122223333", assumeRole, "")), plainly, NotAllowed},
		{"the role under another path", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) { in.RoleARN = roleStart + "x/deploy" }, NotAllowed},
		{"the role in upper case", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) { in.RoleARN = roleStart + "Deploy" }, NotAllowed},
		{"another account's role", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) { in.RoleARN = "arn:aws:iam::999922223333:role/deploy" }, NotAllowed},
		{"no role", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) { in.RoleARN = roleStart + "nobody" }, NotAllowed},
		{"the administrator's role", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) { in.RoleARN = roleStart + iam.AdminName }, NotAllowed},
		{"the administrator's role for longer", mayAssume, trust(trusts("111122223333", assumeRole, "")), func(in *AssumeRoleInput) {
			in.RoleARN, in.Policy = roleStart+iam.AdminName, `{"Version":"2012-10-17","Statement":[`+mayAssume+`]}`
		}, NotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.ci(t, tt.permissions)
			w.make(t, iam.Role{Name: "other"}, trust(statement(gitlab, assume, onlyWeb)), "")
			role := w.make(t, iam.Role{Name: "deploy", Tags: []iam.Tag{{Key: "Stage", Value: "test"}}}, tt.trust, "")
			in := asks(role, tt.change)
			_, reason, public := w.assume(t, c, in)
			if reason != tt.want {
				t.Fatalf("got %q with %q, want %q", reason, public, tt.want)
			}
			if want := "User: arn:aws:sts::111122223333:assumed-role/ci/run-1 is not authorized to perform: sts:AssumeRole on resource: " + in.RoleARN; reason != 0 && public != want {
				t.Errorf("got  %s\nwant %s", public, want)
			}
			events := w.events(t)
			if e := events[len(events)-1]; reason != 0 && (len(events) != 2 || e.Action != "sts:AssumeRole" || e.Outcome != audit.Denied || e.Reason != "not authorized" || e.Resource != in.RoleARN || e.Issued != "" || e.Actor == "" || e.Detail["cause"] == "") {
				t.Errorf("recorded was %+v", e)
			}
		})
	}
}

// TestAssumeRoleRefusesForm: what follows from the request and the caller's own
// session is refused before anything is looked up, the same for every role, and
// recorded.
func TestAssumeRoleRefusesForm(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume, map[string]any{"https://aws.amazon.com/source_identity": "alice",
		"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Cost": "7", "Own": "1"}, "transitive_tag_keys": []string{"Cost"}}})
	role := w.make(t, iam.Role{Name: "deploy"}, trust(trusts(roleStart+"ci", allActions, "")), "")
	tags := func(pairs ...string) func(*AssumeRoleInput) {
		return func(in *AssumeRoleInput) {
			for i := 0; i < len(pairs); i += 2 {
				in.Tags = append(in.Tags, session.Tag{Key: pairs[i], Value: pairs[i+1]})
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*AssumeRoleInput)
		want   Reason
		text   string
	}{
		{"no ARN", func(in *AssumeRoleInput) { in.RoleARN = "nothing-valid-in-here" }, InvalidParameter, "nothing-valid-in-here is invalid"},
		{"a user's ARN", func(in *AssumeRoleInput) { in.RoleARN = "arn:aws:iam::111122223333:user/x" }, InvalidParameter, "arn:aws:iam::111122223333:user/x is invalid"},
		{"a session name with a colon", func(in *AssumeRoleInput) { in.SessionName = "a:b" }, InvalidParameter, "session name"},
		{"fourteen minutes", func(in *AssumeRoleInput) { in.Duration = 14 * time.Minute }, InvalidParameter, "between 900"},
		{"an hour and a second", func(in *AssumeRoleInput) { in.Duration = time.Hour + time.Second }, InvalidParameter, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{"a policy that is none", func(in *AssumeRoleInput) { in.Policy = "{" }, MalformedPolicy, ""},
		{"another source identity", func(in *AssumeRoleInput) { in.SourceIdentity = "bob" }, InvalidParameter, "cannot be changed"},
		{"a source identity of one character", func(in *AssumeRoleInput) { in.SourceIdentity = "b" }, InvalidParameter, "source identity is invalid"},
		{"a source identity of AWS's", func(in *AssumeRoleInput) { in.SourceIdentity = "aws:x" }, InvalidParameter, "source identity is invalid"},
		{"two tags that differ in case", tags("a", "1", "A", "1"), InvalidTags, "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"two tags that differ in Unicode's case", tags("k", "1", "\u212a", "1"), InvalidTags, "Duplicate tag keys found."},
		{"a tag of AWS's", tags("aws:x", "1"), InvalidTags, "aws:"},
		{"a tag of AWS's in upper case", tags("AWS:x", "1"), InvalidTags, "aws:"},
		{"an inherited tag", tags("Cost", "8"), InvalidTags, "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."},
		{"an inherited tag with its own value", tags("Cost", "7"), InvalidTags, "One of the specified transitive tag keys can't be set"},
		{"an inherited tag in lower case", tags("cost", "7"), InvalidTags, "One of the specified transitive tag keys can't be set"},
		{"a transitive key that is no tag", func(in *AssumeRoleInput) { tags("a", "1")(in); in.TransitiveKeys = []string{"b"} }, InvalidTags, "The specified transitive tag key must be included in the requested tags."},
		{"a transitive key without tags", func(in *AssumeRoleInput) { in.TransitiveKeys = []string{"Cost"} }, InvalidTags, "The specified transitive tag key must be included in the requested tags."},
		{"more tags than a session has", func(in *AssumeRoleInput) {
			for i := range 50 {
				tags(fmt.Sprint("t", i), "")(in)
			}
		}, InvalidTags, "51 tags"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, of := range []string{role, roleStart + "nobody"} {
				before := len(w.events(t))
				_, reason, public := w.assume(t, c, asks(of, tt.change))
				if reason != tt.want || !strings.Contains(public, tt.text) {
					t.Errorf("%s: %q with %q; want %q with %q", of, reason, public, tt.want, tt.text)
				}
				events := w.events(t)
				if len(events) != before+1 || events[before].Outcome != audit.Denied || events[before].Reason != tt.want.String() {
					t.Errorf("%d events: %+v", len(events)-before, events[len(events)-1])
				}
			}
		})
	}
}

// TestAssumeRoleTellsNobody: a caller that the role does not trust cannot tell it
// from one that does not exist, whatever else the request has, nor by the length
// of what is encoded.
func TestAssumeRoleTellsNobody(t *testing.T) {
	for _, tt := range []struct {
		name, permissions string
		change            func(*AssumeRoleInput)
	}{
		{"plainly", "", func(*AssumeRoleInput) {}},
		{"allowed by its own policies", mayAssume, func(*AssumeRoleInput) {}},
		{"denied by its own policies", `{"Effect":"Deny","Action":"sts:*","Resource":"*"}`, func(*AssumeRoleInput) {}},
		{"with a managed policy that there is not", "", func(in *AssumeRoleInput) { in.PolicyARNs = []string{"arn:aws:iam::111122223333:policy/none"} }},
		{"with tags", "", func(in *AssumeRoleInput) { in.Tags = []session.Tag{{Key: "a", Value: "b"}} }},
		{"with a long external id", "", func(in *AssumeRoleInput) { in.ExternalID = strings.Repeat("x", 1224) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.ci(t, tt.permissions)
			roles := map[string]string{
				"there is none":              "",
				"one for jobs":               trust(statement(gitlab, assume, onlyWeb)),
				"another account's":          trust(trusts("999922223333", allActions, "")),
				"one with another condition": trust(trusts(roleStart+"ci", allActions, `"StringEquals":{"sts:ExternalId":"secret"}`)),
				"one that denies":            trust(`{"Sid":"ALongNameOfAStatement","Effect":"Deny","Principal":"*","Action":"sts:*"}`),
			}
			if tt.permissions != mayAssume { // which would be let in
				roles["one of the account"] = trust(trusts("111122223333", allActions, ""))
			}
			var want string
			var size int
			for _, name := range slices.Backward(slices.Sorted(maps.Keys(roles))) { // none is first
				if doc := roles[name]; doc != "" {
					w.make(t, iam.Role{Name: "target", Tags: []iam.Tag{{Key: "Secret", Value: "value"}}, MaxSession: 12 * time.Hour}, doc, "")
				}
				_, err := w.AssumeRole(t.Context(), c, asks(roleStart+"target", tt.change))
				r, _ := errors.AsType[*Refusal](err)
				denied, ok := errors.AsType[*authz.DeniedError](err)
				if !ok || r.Reason != NotAllowed || denied.Encoded == "" {
					t.Fatalf("%s: %v", name, err)
				}
				if want == "" {
					want, size = r.Public, len(denied.Encoded)
				}
				if r.Public != want || len(denied.Encoded) != size {
					t.Errorf("%s: %q and %d characters; another: %q and %d", name, r.Public, len(denied.Encoded), want, size)
				}
			}
		})
	}
}

// TestAssumeRoleAfterTrust: what is wrong beyond that is said to whom the role
// trusts.
func TestAssumeRoleAfterTrust(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, "")
	role := w.make(t, iam.Role{Name: "deploy"}, trust(trusts(roleStart+"ci", assumeRole, "")), "")
	w.MaxSession = 30 * time.Minute
	for _, tt := range []struct {
		name   string
		change func(*AssumeRoleInput)
		want   Reason
		text   string
	}{
		{"as long as the server allows", func(in *AssumeRoleInput) { in.Duration = 30 * time.Minute }, 0, ""},
		{"longer than the server allows", func(in *AssumeRoleInput) { in.Duration = 31 * time.Minute }, InvalidParameter, "max_session_duration of 1800 seconds"},
		{"tags without sts:TagSession", func(in *AssumeRoleInput) { in.Tags = []session.Tag{{Key: "a", Value: "b"}} }, NotAllowed, "is not authorized to perform: sts:TagSession on resource: " + role},
		{"a source identity without its action", func(in *AssumeRoleInput) { in.SourceIdentity = "alice" }, NotAllowed, "is not authorized to perform: sts:SetSourceIdentity on resource: " + role},
		{"a managed policy that does not exist", func(in *AssumeRoleInput) { in.PolicyARNs = []string{"arn:aws:iam::111122223333:policy/none"} }, InvalidParameter, "Policy arn:aws:iam::111122223333:policy/none does not exist or is not attachable."},
		{"another account's managed policy", func(in *AssumeRoleInput) { in.PolicyARNs = []string{"arn:aws:iam::999922223333:policy/narrow"} }, InvalidParameter, "does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, reason, public := w.assume(t, c, asks(role, tt.change)); reason != tt.want || !strings.Contains(public, tt.text) {
				t.Errorf("%q with %q; want %q with %q", reason, public, tt.want, tt.text)
			}
		})
	}
	out, reason, _ := w.assume(t, c, asks(role))
	if got := out.Credentials.Expires.Sub(now); reason != 0 || got != 30*time.Minute {
		t.Errorf("a duration that is not given is %s, %q", got, reason)
	}
}
