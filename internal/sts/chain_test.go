package sts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// hop assumes a role that must let the caller in.
func (w *world) hop(t *testing.T, c Call, in AssumeRoleInput) Call {
	t.Helper()
	out, reason, public := w.assume(t, c, in)
	if reason != 0 {
		t.Fatal(reason, public)
	}
	who, err := w.db.Snapshot().Principal(out.Session, w.at)
	if err != nil {
		t.Fatal(err)
	}
	return call(who)
}

// TestChainCarriesAlong: transitive tags and the source identity go from session
// to session; other tags, and session policies, stay behind.
func TestChainCarriesAlong(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume)
	anyone := trust(trusts("111122223333", allActions, ""))
	first := w.make(t, iam.Role{Name: "first", Tags: []iam.Tag{{Key: "Heart", Value: "role"}}}, anyone, mayAssume)
	second := w.make(t, iam.Role{Name: "second", Tags: []iam.Tag{{Key: "STAR", Value: "role"}, {Key: "Sun", Value: "role"}}}, anyone, mayAssume)
	a := w.hop(t, c, asks(first, func(in *AssumeRoleInput) {
		in.Tags, in.TransitiveKeys = []session.Tag{{Key: "Star", Value: "1"}, {Key: "Heart", Value: "1"}, {Key: "Moon", Value: ""}}, []string{"star", "Heart"}
		in.SourceIdentity, in.Policy = "alice", `{"Version":"2012-10-17","Statement":[`+mayAssume+`]}`
	}))
	b := w.hop(t, a, asks(second, func(in *AssumeRoleInput) { in.Tags = []session.Tag{{Key: "Own", Value: "2"}} }))
	got := b.Caller.Session
	want := []session.Tag{{Key: "Star", Value: "1", Transitive: true}, {Key: "Heart", Value: "1", Transitive: true}, {Key: "Own", Value: "2"}}
	if d := cmp.Diff(want, got.Tags); d != "" || got.SourceIdentity != "alice" || got.Policy != "" || got.PolicyIDs != nil {
		t.Errorf("%s; %+v", d, got)
	}
	if want := []string{c.Caller.Session.RoleID, a.Caller.Session.RoleID}; !slices.Equal(got.Chain, want) || got.Claims != c.Caller.Session.Claims || got.ProviderID != c.Caller.Session.ProviderID {
		t.Errorf("the chain is %v, want %v", got.Chain, want)
	}
	// A session tag stands in for the role's, in whatever case.
	var keys policy.ContextBuilder
	role, _ := w.db.Snapshot().RoleByID(got.RoleID)
	authz.CallerKeys(&keys, b.Caller, role)
	ctx, err := keys.Context()
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{"aws:PrincipalTag/Star": "1", "aws:PrincipalTag/Heart": "1", "aws:PrincipalTag/Own": "2", "aws:PrincipalTag/Sun": "role", "aws:PrincipalTag/Moon": "", "aws:SourceIdentity": "alice", "gitlab.com:project_path": project} {
		if values, _, ok := ctx.Values(key); ok != (value != "") || ok && values[0] != value {
			t.Errorf("%s is %v", key, values)
		}
	}
	events := w.events(t)
	e := events[len(events)-1]
	if e.Detail["source_identity"] != "alice" || e.Detail["tags"] != `{"Heart":"1","Own":"2","Star":"1"}` || e.Detail["transitive_tag_keys"] != `["Star","Heart"]` || e.Detail["chain"] != toJSON(got.Chain) {
		t.Errorf("recorded was %v", e.Detail)
	}
}

// TestChainAsks: what is inherited must be let in like what is passed, by
// the role that is to be assumed, and a source identity by the caller's own
// policies too.
func TestChainAsks(t *testing.T) {
	tagged := map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Cost": "7"}, "transitive_tag_keys": []string{"Cost"}}}
	private := map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Cost": "7"}}}
	named := map[string]any{"https://aws.amazon.com/source_identity": "alice"}
	ci := roleStart + "ci"
	for _, tt := range []struct {
		name, permissions, trust string
		token                    map[string]any
		change                   func(*AssumeRoleInput)
		want                     string // the action that is refused; empty: none
	}{
		{"nothing", "", trust(trusts(ci, assumeRole, "")), nil, nil, ""},
		{"a transitive tag", "", trust(trusts(ci, `["sts:AssumeRole","sts:TagSession"]`, "")), tagged, nil, ""},
		{"a transitive tag that is not let in", mayAssume, trust(trusts(ci, assumeRole, "")), tagged, nil, "sts:TagSession"},
		{"a tag that is not transitive", "", trust(trusts(ci, assumeRole, "")), private, nil, ""},
		{"a transitive tag of the value wanted", "", trust(trusts(ci, allActions, `"StringEquals":{"aws:RequestTag/Cost":"7","aws:PrincipalTag/Cost":"7"},"ForAllValues:StringEquals":{"aws:TagKeys":["Cost"],"sts:TransitiveTagKeys":["Cost"]}`)), tagged, nil, ""},
		{"a transitive tag of another value", "", trust(trusts(ci, assumeRole, ""), trusts(ci, `"sts:TagSession"`, `"StringEquals":{"aws:RequestTag/Cost":"8"}`)), tagged, nil, "sts:TagSession"},
		{"a tag beside it", "", trust(trusts(ci, allActions, `"ForAllValues:StringEquals":{"aws:TagKeys":["Cost"]}`)), tagged, func(in *AssumeRoleInput) { in.Tags = []session.Tag{{Key: "a", Value: "b"}} }, "sts:AssumeRole"},
		{"a tag made transitive that may not be", "", trust(trusts(ci, allActions, `"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["Cost"]}`)), nil, func(in *AssumeRoleInput) {
			in.Tags, in.TransitiveKeys = []session.Tag{{Key: "a", Value: "b"}}, []string{"a"}
		}, "sts:AssumeRole"},
		{"the same tag not transitive", "", trust(trusts(ci, allActions, `"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["Cost"]}`)), nil, func(in *AssumeRoleInput) { in.Tags = []session.Tag{{Key: "a", Value: "b"}} }, ""},
		{"an inherited source identity", mayAssume, trust(trusts(ci, allActions, `"StringEquals":{"sts:SourceIdentity":"alice","aws:SourceIdentity":"alice"}`)), named, nil, ""},
		{"an inherited source identity passed again", mayAssume, trust(trusts(ci, allActions, "")), named, func(in *AssumeRoleInput) { in.SourceIdentity = "alice" }, ""},
		{"an inherited source identity that is not let in", mayAssume, trust(trusts(ci, assumeRole, "")), named, nil, "sts:SetSourceIdentity"},
		{"an inherited source identity the caller may not bring", "", trust(trusts(ci, allActions, "")), named, nil, "sts:SetSourceIdentity"},
		{"a new source identity", mayAssume, trust(trusts(ci, allActions, `"StringEquals":{"sts:SourceIdentity":"bob"}`)), nil, func(in *AssumeRoleInput) { in.SourceIdentity = "bob" }, ""},
		{"another than the role wants", mayAssume, trust(trusts(ci, allActions, `"StringEquals":{"sts:SourceIdentity":"bob"}`)), nil, func(in *AssumeRoleInput) { in.SourceIdentity = "eve" }, "sts:AssumeRole"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			c := w.ci(t, tt.permissions, tt.token)
			role := w.make(t, iam.Role{Name: "target"}, tt.trust, "")
			in := asks(role)
			if tt.change != nil {
				tt.change(&in)
			}
			_, reason, public := w.assume(t, c, in)
			if tt.want == "" && reason != 0 || tt.want != "" && (reason != NotAllowed || !strings.Contains(public, "perform: "+tt.want+" on")) {
				t.Errorf("%q with %q; want %q", reason, public, tt.want)
			}
		})
	}
}

// TestChainEnds: a session that was assumed through others ends with each of
// them, and with nothing else; and a role made anew under the name of one that
// is trusted is not.
func TestChainEnds(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume)
	first := w.make(t, iam.Role{Name: "first"}, trust(trusts(roleStart+"ci", assumeRole, "")), "")
	second := w.make(t, iam.Role{Name: "second"}, trust(trusts(roleStart+"first", assumeRole, "")), "")
	b := w.hop(t, w.hop(t, c, asks(first)), asks(second)).Caller.Session
	stands := func(change ...registry.Change) bool {
		_, err := w.db.Snapshot().With(change...).Principal(b, now)
		if err != nil && !errors.Is(err, registry.ErrGone) {
			t.Error(err)
		}
		return err == nil
	}
	ci, _ := w.db.Snapshot().Role("ci")
	ci.ID += "2"
	gl, _ := w.db.Snapshot().Provider(gitlab)
	gl.ID += "2"
	if !stands() || !stands(registry.DeleteProvider{URL: machine}) {
		t.Error("the session has ended")
	}
	for name, change := range map[string][]registry.Change{
		"the first role":        {registry.DeleteRole{Name: "ci"}},
		"the first role anew":   {registry.DeleteRole{Name: "ci"}, registry.PutRole{Role: ci}},
		"the role on the way":   {registry.DeleteRole{Name: "first"}},
		"its own role":          {registry.DeleteRole{Name: "second"}},
		"the provider":          {registry.DeleteProvider{URL: gitlab}},
		"the provider anew":     {registry.DeleteProvider{URL: gitlab}, registry.PutProvider{Provider: gl}},
		"everything of account": {registry.DeleteRole{Name: "ci"}, registry.DeleteRole{Name: "first"}, registry.DeleteRole{Name: "second"}},
	} {
		if stands(change...) {
			t.Errorf("the session outlives %s", name)
		}
	}
	// The calling session may expire.
	w.at = c.Caller.Session.Expires.Add(-time.Second)
	late := w.hop(t, c, asks(first))
	w.at = c.Caller.Session.Expires
	if _, err := w.db.Snapshot().Principal(late.Caller.Session, w.at); err != nil {
		t.Errorf("a session ended with its caller's: %v", err)
	}
	if _, reason, _ := w.assume(t, c, asks(first)); reason != NotAllowed {
		t.Errorf("an expired caller: %q", reason)
	}
	w.at = now
	// ci, made anew, is not the one that first trusts.
	w.put(t, registry.DeleteRole{Name: "ci"})
	if _, reason, _ := w.assume(t, w.ci(t, mayAssume), asks(first)); reason != NotAllowed {
		t.Errorf("a role of a trusted name: %q", reason)
	}
}

// TestChainIsBounded: what one token started cannot go on for ever.
func TestChainIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume)
	role := w.make(t, iam.Role{Name: "again"}, trust(trusts("111122223333", assumeRole, "")), mayAssume)
	for range session.MaxChain {
		c = w.hop(t, c, asks(role))
	}
	if _, reason, public := w.assume(t, c, asks(role)); reason != InvalidParameter || !strings.Contains(public, "4 roles already") {
		t.Errorf("%q %q", reason, public)
	}
}

// TestAdministratorAssumes: the administrator is a principal like others, and
// stays known.
func TestAdministratorAssumes(t *testing.T) {
	w := newWorld(t)
	_, admin, err := w.AdminCredentials(t.Context(), "1000", 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	jobs := w.make(t, iam.Role{Name: "jobs"}, trust(statement(gitlab, assume, onlyWeb)), "")
	if _, reason, _ := w.assume(t, call(admin), asks(jobs)); reason != NotAllowed {
		t.Errorf("a role that trusts jobs: %q", reason)
	}
	people := w.make(t, iam.Role{Name: "people"}, trust(trusts("111122223333", assumeRole, "")), "")
	got := w.hop(t, call(admin), asks(people)).Caller.Session
	if got.AdminUID != "1000" || !slices.Equal(got.Chain, []string{iam.AdminID}) || got.ProviderID != "" {
		t.Errorf("%+v", got)
	}
}

// managed makes a managed policy of some statements.
func (w *world) managed(t *testing.T, name, statements string) string {
	t.Helper()
	d, err := policy.Parse(policy.Managed, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := iam.ManagedPolicy{ID: "ANPA" + strings.ToUpper(name) + fmt.Sprint(len(w.db.Snapshot().Policies())), Account: account, Path: "/", Name: name, Created: now, Updated: now, Default: 1, Latest: 1, Versions: []iam.PolicyVersion{{Number: 1, Document: d, Created: now}}}
	w.put(t, registry.PutPolicy{Policy: p})
	return p.ARN().String()
}

// may asks a session's policies.
func (w *world) may(t *testing.T, who session.Principal, action string) bool {
	t.Helper()
	_, err := authz.Authorize(w.db.Snapshot(), authz.Question{Caller: who, Actions: []string{action}, Resource: "*"})
	if _, denied := errors.AsType[*authz.DeniedError](err); err != nil && !denied {
		t.Fatal(err)
	}
	return err == nil
}

// TestManagedSessionPolicies: they narrow a session as they are when it is used;
// one that is gone, or made anew, leaves the session nothing.
func TestManagedSessionPolicies(t *testing.T) {
	w := newWorld(t)
	narrow := w.managed(t, "narrow", `{"Effect":"Allow","Action":"eks:Describe*","Resource":"*"}`)
	wide := w.managed(t, "wide", `{"Effect":"Allow","Action":"eks:*","Resource":"*"}`)
	w.make(t, iam.Role{Name: "ci"}, trust(statement(gitlab, assume, onlyWeb)), `{"Effect":"Allow","Action":["eks:*","iam:*"],"Resource":"*"}`)
	for _, tt := range []struct {
		name     string
		arns     []string
		inline   string
		describe bool
		list     bool
		roles    bool
	}{
		{"none", nil, "", true, true, true},
		{"one", []string{narrow}, "", true, false, false},
		{"the same twice", []string{narrow, narrow}, "", true, false, false},
		{"two: either may allow", []string{narrow, wide}, "", true, true, false},
		{"an inline one beside it", []string{narrow}, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}`, true, false, true},
		{"an inline one that denies", []string{wide}, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"eks:List*","Resource":"*"}]}`, true, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(roleStart+"ci", w.job())
			in.PolicyARNs, in.Policy = tt.arns, tt.inline
			out, reason, public := w.exchange(t, in)
			if reason != 0 {
				t.Fatal(reason, public)
			}
			if got := [3]bool{w.may(t, out.Principal, "eks:DescribeCluster"), w.may(t, out.Principal, "eks:ListClusters"), w.may(t, out.Principal, "iam:ListRoles")}; got != [3]bool{tt.describe, tt.list, tt.roles} {
				t.Errorf("describe, list, roles: %v", got)
			}
			if (out.Credentials.PackedPercent > 0) != (len(tt.arns) > 0) {
				t.Errorf("the packed size is %d%%", out.Credentials.PackedPercent)
			}
		})
	}
	in := input(roleStart+"ci", w.job())
	in.PolicyARNs = []string{narrow}
	out, _, _ := w.exchange(t, in)
	w.put(t, registry.DeletePolicy{ID: out.Session.PolicyIDs[0]})
	if w.may(t, out.Principal, "eks:DescribeCluster") {
		t.Error("a session is allowed what a policy allowed that is gone")
	}
	w.managed(t, "narrow", `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	if w.may(t, out.Principal, "eks:DescribeCluster") {
		t.Error("a session has a policy that was made anew")
	}
	if _, err := w.db.Snapshot().Principal(out.Session, now); err != nil {
		t.Errorf("it is nobody's any more: %v", err)
	}
}

// TestNothingWidens is metamorphic: a session policy never lets a session do
// what it may not without one, and a chained session never does what the role it
// became may not.
func TestNothingWidens(t *testing.T) {
	w := newWorld(t)
	random := rand.New(rand.NewPCG(7, 11))
	actions := []string{"eks:DescribeCluster", "eks:ListClusters", "iam:GetRole", "iam:ListRoles", "sts:AssumeRole", "s3:GetObject"}
	forms := append([]string{"*", "eks:*", "iam:*", "sts:*"}, actions...)
	statements := func() string {
		var out []string
		for range 1 + random.IntN(3) {
			effect, element := "Allow", "Action"
			if random.IntN(4) == 0 {
				effect = "Deny"
			}
			if random.IntN(6) == 0 {
				element = "NotAction"
			}
			out = append(out, fmt.Sprintf(`{"Effect":%q,%q:%q,"Resource":"*"}`, effect, element, forms[random.IntN(len(forms))]))
		}
		return strings.Join(out, ",")
	}
	narrower := 0
	for i := range 40 {
		c := w.ci(t, mayAssume+","+`{"Effect":"Allow","Action":"*","Resource":"*"}`)
		role := w.make(t, iam.Role{Name: "target"}, trust(trusts(roleStart+"ci", allActions, "")), statements())
		bare := w.hop(t, c, asks(role))
		policies := w.managed(t, fmt.Sprint("p", i), statements())
		held := w.hop(t, c, asks(role, func(in *AssumeRoleInput) {
			if random.IntN(2) == 0 {
				in.Policy = `{"Version":"2012-10-17","Statement":[` + statements() + `]}`
			}
			if in.Policy == "" || random.IntN(2) == 0 {
				in.PolicyARNs = []string{policies}
			}
		}))
		of, _ := w.db.Snapshot().RoleByARN(bare.Caller.Role)
		for _, action := range actions {
			alone := policy.Evaluate(policy.Request{Principal: policy.RolePrincipal(of.ARN(), of.ID), Action: action, Resource: "*"}, policy.Set{Identity: []*policy.Document{of.Inline["inline"]}, ResourceAccount: account}).Allowed()
			chained, narrowed := w.may(t, bare.Caller, action), w.may(t, held.Caller, action)
			if chained && !alone || narrowed && !chained {
				t.Fatalf("%s: the role %v, chained %v, with a session policy %v", action, alone, chained, narrowed)
			}
			if chained && !narrowed {
				narrower++
			}
		}
	}
	if narrower == 0 {
		t.Error("no session policy narrowed anything")
	}
}
