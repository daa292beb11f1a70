package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// names are the names of some policies.
func names(list []control.ManagedPolicy) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestPolicyStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	p, err := w.CreatePolicy(ctx, admin, control.PolicyInput{Path: "/a/", Name: "p", Description: "d", Document: describe + "\n"})
	name := p.ARN().String()
	if err != nil || name != "arn:aws:iam::111122223333:policy/a/p" || len(p.ID) != 21 || p.Default != 1 || !p.Created.Equal(p.Updated) || p.Created.IsZero() {
		t.Fatalf("%+v, %v", p, err)
	}
	has := func(want string) {
		t.Helper()
		list, err := w.PolicyVersions(ctx, admin, name)
		var got []string
		for _, v := range list {
			if v.Default {
				got = append(got, v.ID()+"*")
			} else {
				got = append(got, v.ID())
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("it has %v, %v; want %s", got, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	more := func(asDefault bool) string {
		t.Helper()
		v, err := w.CreatePolicyVersion(ctx, admin, name, describe, asDefault)
		must(err)
		if v.Default != asDefault {
			t.Errorf("made is %+v", v)
		}
		return v.ID()
	}
	has("v1*")
	time.Sleep(time.Millisecond)
	if got := more(false) + more(true) + more(false) + more(false); got != "v2v3v4v5" {
		t.Errorf("made are %s", got)
	}
	has("v5 v4 v3* v2 v1")
	if _, err := w.CreatePolicyVersion(ctx, admin, name, describe, false); reason(err) != "limit exceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version." {
		t.Errorf("a sixth: %v", err)
	}
	must(w.DeletePolicyVersion(ctx, admin, name, "v5"))
	if got := more(true); got != "v6" {
		t.Errorf("a number is used twice: %s", got)
	}
	must(w.SetDefaultPolicyVersion(ctx, admin, name, "v1"))
	has("v6 v4 v3 v2 v1*")
	if v, err := w.PolicyVersion(ctx, admin, name, "v1"); err != nil || string(v.Document.Text()) != describe+"\n" || !v.Default {
		t.Errorf("%+v, %v", v, err)
	}
	if got, err := w.Policy(ctx, admin, name); err != nil || got.ID != p.ID || got.Description != "d" || !got.Updated.After(p.Updated) || !got.Created.Equal(p.Created) || got.Default != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, v := range []string{"v2", "v3", "v4", "v6"} {
		must(w.DeletePolicyVersion(ctx, admin, name, v))
	}
	has("v1*")
	must(w.DeletePolicy(ctx, admin, name))
	again, err := w.CreatePolicy(ctx, admin, control.PolicyInput{Path: "/a/", Name: "P", Document: describe})
	if err != nil || again.ID == p.ID || again.Latest != 1 {
		t.Errorf("made anew it is %+v, %v", again, err)
	}
}

func TestPolicyLists(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	for _, tt := range []struct {
		filter control.PolicyFilter
		want   string
	}{
		{control.PolicyFilter{}, "given limit spare"},
		{control.PolicyFilter{Prefix: "/"}, "given limit spare"},
		{control.PolicyFilter{Prefix: "/ci/"}, "given"},
		{control.PolicyFilter{Prefix: "/CI/"}, ""},
		{control.PolicyFilter{Used: true}, "given limit"},
		{control.PolicyFilter{Usage: control.PermissionsPolicy}, "given"},
		{control.PolicyFilter{Usage: control.PermissionsBoundary}, "limit"},
		{control.PolicyFilter{Used: true, Usage: control.PermissionsBoundary, Prefix: "/ci/"}, ""},
		{control.PolicyFilter{AWS: true}, ""},
	} {
		list, err := w.Policies(ctx, admin, tt.filter)
		if got := names(list); err != nil || got != tt.want {
			t.Errorf("%+v: %q, %v", tt.filter, got, err)
		}
	}
	if err := w.AttachPolicy(ctx, admin, "second", limitARN); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		of     string
		filter control.EntityFilter
		want   string
	}{
		{givenARN, control.EntityFilter{}, "deployer"},
		{spareARN, control.EntityFilter{}, ""},
		{limitARN, control.EntityFilter{}, "deployer second"},
		{limitARN, control.EntityFilter{Usage: control.PermissionsPolicy}, "second"},
		{limitARN, control.EntityFilter{Usage: control.PermissionsBoundary}, "deployer"},
		{limitARN, control.EntityFilter{Prefix: "/ci/"}, "deployer"},
		{limitARN, control.EntityFilter{Prefix: "/c/"}, ""},
		{limitARN, control.EntityFilter{Others: true}, ""},
	} {
		list, err := w.PolicyEntities(ctx, admin, tt.of, tt.filter)
		var got []string
		for _, r := range list {
			got = append(got, r.Name)
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%s %+v: %v, %v", tt.of, tt.filter, got, err)
		}
	}
	if p, err := w.Policy(ctx, admin, limitARN); err != nil || p.Usage != (registry.PolicyUsage{Attached: 1, Boundary: 1}) {
		t.Errorf("%+v, %v", p.Usage, err)
	}
}

// TestAttachmentStory: what is attached has its say at once, and no longer than
// it is attached.
func TestAttachmentStory(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	may := func(want bool) {
		t.Helper()
		r, _ := w.db.Snapshot().Role("deployer")
		_, err := w.Cluster(ctx, w.call(session.Session{RoleID: r.ID, Name: "s"}), region, "prod")
		if (err == nil) != want {
			t.Errorf("it may: %v", err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const nothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
	may(true)
	must(w.DeleteRolePolicy(ctx, admin, "deployer", "describe"))
	may(true) // the attached policy says so too
	must(w.DetachPolicy(ctx, admin, "deployer", givenARN))
	may(false)
	must(w.AttachPolicy(ctx, admin, "deployer", spareARN))
	must(w.AttachPolicy(ctx, admin, "DEPLOYER", spareARN))
	may(true)
	if list, err := w.AttachedPolicies(ctx, admin, "deployer", "/"); err != nil || len(list) != 1 || list[0].Name != "spare" {
		t.Errorf("attached is %v, %v", list, err)
	}
	_, err := w.CreatePolicyVersion(ctx, admin, spareARN, nothing, false)
	must(err)
	may(true)
	must(w.SetDefaultPolicyVersion(ctx, admin, spareARN, "v2"))
	may(false)
	must(w.SetDefaultPolicyVersion(ctx, admin, spareARN, "v1"))
	may(true)

	_, err = w.CreatePolicy(ctx, admin, control.PolicyInput{Name: "narrow", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}`})
	must(err)
	must(w.PutBoundary(ctx, admin, "deployer", "arn:aws:iam::111122223333:policy/narrow"))
	may(false)
	if r, err := w.Role(ctx, admin, "deployer"); err != nil || r.BoundaryARN != "arn:aws:iam::111122223333:policy/narrow" {
		t.Errorf("%s, %v", r.BoundaryARN, err)
	}
	must(w.DeleteBoundary(ctx, admin, "deployer"))
	may(true)
	must(w.DeleteBoundary(ctx, admin, "deployer"))
	if r, err := w.Role(ctx, admin, "deployer"); err != nil || r.BoundaryARN != "" {
		t.Errorf("%s, %v", r.BoundaryARN, err)
	}
	must(w.DetachPolicy(ctx, admin, "deployer", spareARN))
	must(w.DeletePolicyVersion(ctx, admin, spareARN, "v2"))
	must(w.DeletePolicy(ctx, admin, spareARN))

	// A role goes with its boundary, and leaves nothing in use.
	r, err := w.CreateRole(ctx, admin, control.RoleInput{Name: "bounded", Trust: trust, BoundaryARN: "arn:aws:iam::111122223333:policy/narrow"})
	must(err)
	if in, _ := w.db.Snapshot().RoleByID(r.ID); in.Boundary == "" {
		t.Error("it is made without its boundary")
	}
	must(w.DeleteRole(ctx, admin, "bounded"))
	must(w.DeletePolicy(ctx, admin, "arn:aws:iam::111122223333:policy/narrow"))
}

// TestPolicyQuotas: the last that fits is made, the next is refused.
func TestPolicyQuotas(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	spare, _ := w.db.Snapshot().PolicyByName("spare")
	var many []registry.Change
	for n := len(w.db.Snapshot().Policies()); n < iam.DefaultQuotas.Policies-1; n++ {
		spare.Name, spare.ID = fmt.Sprint("p", n), fmt.Sprint("ANPA", n)
		many = append(many, registry.PutPolicy{Policy: spare})
	}
	if err := w.db.Commit(ctx, w.db.Snapshot(), many, audit.Event{Time: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreatePolicy(ctx, admin, control.PolicyInput{Name: "last", Document: describe}); err != nil {
		t.Errorf("the last that fits: %v", err)
	}
	if _, err := w.CreatePolicy(ctx, admin, control.PolicyInput{Name: "more", Document: describe}); reason(err) != "limit exceeded: Cannot exceed quota for PoliciesPerAccount: 1500" {
		t.Errorf("got %v", err)
	}
	for n := range 11 {
		err := w.AttachPolicy(ctx, admin, "second", fmt.Sprint("arn:aws:iam::111122223333:policy/p", n+100))
		if want := map[bool]string{true: "limit exceeded: Cannot exceed quota for PoliciesPerRole: 10"}[n == 10]; reason(err) != want {
			t.Errorf("the policy %d: %v", n+1, err)
		}
	}
	if err := w.AttachPolicy(ctx, admin, "second", "arn:aws:iam::111122223333:policy/p100"); err != nil {
		t.Errorf("one that is attached: %v", err)
	}
	if err := w.PutBoundary(ctx, admin, "second", limitARN); err != nil {
		t.Errorf("a boundary beside them: %v", err)
	}
}

// TestAccount: what is told of the account as a whole.
func TestAccount(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	d, err := w.AccountDetails(ctx, admin)
	if err != nil || len(d.Roles) != 3 || len(d.Policies) != 3 || d.Roles[0].Name != "deployer" || d.Roles[0].BoundaryARN != limitARN || len(d.Roles[0].Attached) != 1 || d.Policies[1].Usage.Boundary != 1 || len(d.Policies[1].Versions) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	s, err := w.AccountSummary(ctx, admin)
	for name, want := range map[string]int{
		"Roles": 2, "RolesQuota": 1000, "Providers": 1, "Policies": 3, "PoliciesQuota": 1500, "PolicyVersionsInUse": 5, "PolicyVersionsInUseQuota": 7500, "VersionsPerPolicyQuota": 5, "PolicySizeQuota": 6144,
		"RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048, "AttachedPoliciesPerRoleQuota": 10, "Users": 0, "MFADevices": 0, "GlobalEndpointTokenVersion": 2,
	} {
		if got, ok := s[name]; !ok || got != want {
			t.Errorf("%s is %d", name, got)
		}
	}
	if err != nil || len(s) != 34 {
		t.Errorf("%d figures, %v", len(s), err)
	}
	if err := w.CreateAlias(ctx, admin, "other"); err != nil {
		t.Error(err)
	}
	if a, err := w.Alias(ctx, admin); err != nil || a != "other" {
		t.Errorf("the alias is %q, %v", a, err)
	}
	if err := w.DeleteAlias(ctx, admin, "other"); err != nil {
		t.Error(err)
	}
	if a, err := w.Alias(ctx, admin); err != nil || a != "" {
		t.Errorf("the alias is %q, %v", a, err)
	}
}

// TestSimulatesWhatHolds: of a role, a simulation says what happens when the
// role's session asks.
func TestSimulatesWhatHolds(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	tagged := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetRole","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"web"}}}]}`
	never := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`
	for _, step := range []struct {
		name   string
		do     func() error
		effect policy.Effect
	}{
		{"nothing speaks of it", func() error { return nil }, policy.ImplicitDeny},
		{"an inline policy allows", func() error { return w.PutRolePolicy(ctx, admin, "deployer", "get", tagged) }, policy.Allow},
		{"the tag goes", func() error { return w.UntagRole(ctx, admin, "deployer", []string{"team"}) }, policy.ImplicitDeny},
		{"the tag comes back", func() error { return w.TagRole(ctx, admin, "deployer", []iam.Tag{{Key: "Team", Value: "web"}}) }, policy.Allow},
		{"the boundary does not reach so far", func() error { return w.SetDefaultPolicyVersion(ctx, admin, limitARN, "v2") }, policy.ImplicitDeny},
		{"the boundary goes", func() error { return w.DeleteBoundary(ctx, admin, "deployer") }, policy.Allow},
		{"an attached policy denies", func() error {
			_, err := w.CreatePolicyVersion(ctx, admin, givenARN, never, true)
			return err
		}, policy.ExplicitDeny},
		{"it is detached", func() error { return w.DetachPolicy(ctx, admin, "deployer", givenARN) }, policy.Allow},
		{"it denies as the boundary", func() error { return w.PutBoundary(ctx, admin, "deployer", givenARN) }, policy.ExplicitDeny},
	} {
		must(step.do())
		out, more, err := w.SimulatePrincipal(ctx, admin, roleARN, control.SimulateInput{Actions: []string{"iam:GetRole"}, Resources: []string{secondARN}, Max: 1})
		must(err)
		if len(out) != 1 || more || out[0].Effect != step.effect {
			t.Errorf("%s: it says %+v", step.name, out)
		}
		r, _ := w.db.Snapshot().Role("deployer")
		_, err = w.Role(ctx, w.call(session.Session{RoleID: r.ID, Name: "s"}), "second")
		if (err == nil) != (step.effect == policy.Allow) {
			t.Errorf("%s: a session gets %v", step.name, err)
		}
	}
}

func TestSimulate(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	doc := func(statement string) string { return `{"Version":"2012-10-17","Statement":[` + statement + `]}` }
	put := doc(`{"Sid":"Put","Effect":"Allow","Action":"s3:Put*","Resource":"arn:aws:s3:::b/*"}`)
	const object = "arn:aws:s3:::b/o"
	entry := func(kind string, values ...string) []control.ContextEntry {
		return []control.ContextEntry{{Key: "a:key", Type: kind, Values: values}}
	}
	under := func(condition string) string {
		return doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{` + condition + `}}`)
	}
	toUser := doc(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:user/anna"},"Action":"s3:*","Resource":"*"}`)
	text := func(o authz.Outcome) string {
		var by []string
		for _, m := range o.Matched {
			by = append(by, m.Source.Name)
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s by %v missing %v foreign %v", o.Action, o.Effect, by, o.Missing, o.Foreign))
	}
	for _, tt := range []struct {
		name string
		in   control.SimulateInput
		want string
	}{
		{"allowed", control.SimulateInput{Policies: []string{describe, put}}, "s3:PutObject allow by [PolicyInputList.2] missing [] foreign false"},
		{"within a boundary", control.SimulateInput{Policies: []string{put}, Boundary: []string{doc(allow("*", "*"))}}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"beyond a boundary", control.SimulateInput{Policies: []string{put}, Boundary: []string{describe}}, "s3:PutObject implicit deny by [PolicyInputList.1] missing [] foreign false"},
		{"denied by a boundary", control.SimulateInput{Policies: []string{put}, Boundary: []string{doc(deny("s3:*", "*"))}}, "s3:PutObject explicit deny by [PermissionsBoundaryPolicyInputList.1] missing [] foreign false"},
		{"by a boundary alone", control.SimulateInput{Policies: []string{describe}, Boundary: []string{doc(allow("*", "*"))}}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"denied", control.SimulateInput{Policies: []string{put, doc(deny("*", object))}}, "s3:PutObject explicit deny by [PolicyInputList.2] missing [] foreign false"},
		{"by nothing", control.SimulateInput{Policies: []string{describe}}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"a key that is not known", control.SimulateInput{Policies: []string{under(`"StringEquals":{"a:key":"${a:other}"}`)}}, "s3:PutObject implicit deny by [] missing [a:key a:other] foreign false"},
		{"a variable that is not known", control.SimulateInput{Policies: []string{doc(allow("s3:*", "arn:aws:s3:::${aws:userid}/*"))}}, "s3:PutObject implicit deny by [] missing [aws:userid] foreign false"},
		{"a key of another action", control.SimulateInput{Policies: []string{put, strings.Replace(under(`"StringEquals":{"a:key":"v"}`), "s3:", "ec2:", 1)}}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"a key that is known in other case", control.SimulateInput{Policies: []string{under(`"StringEquals":{"A:KEY":"v"}`)}, Context: entry("string", "v")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"another value", control.SimulateInput{Policies: []string{under(`"StringEquals":{"a:key":"v"}`)}, Context: entry("string", "w")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"no type", control.SimulateInput{Policies: []string{under(`"StringEquals":{"a:key":"v"}`)}, Context: entry("", "v")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"a list", control.SimulateInput{Policies: []string{under(`"ForAllValues:StringEquals":{"a:key":["v","w"]}`)}, Context: entry("stringList", "v", "w")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"a list of more", control.SimulateInput{Policies: []string{under(`"ForAllValues:StringEquals":{"a:key":["v","w"]}`)}, Context: entry("stringList", "v", "x")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"an empty list", control.SimulateInput{Policies: []string{under(`"ForAnyValue:StringEquals":{"a:key":"v"}`)}, Context: entry("stringList")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"a number", control.SimulateInput{Policies: []string{under(`"NumericLessThan":{"a:key":"10"}`)}, Context: entry("numeric", "9.5")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"numbers", control.SimulateInput{Policies: []string{under(`"ForAnyValue:NumericEquals":{"a:key":"10"}`)}, Context: entry("numericList", "9", "10")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"a boolean", control.SimulateInput{Policies: []string{under(`"Bool":{"a:key":"true"}`)}, Context: entry("boolean", "true")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"booleans", control.SimulateInput{Policies: []string{under(`"ForAllValues:Bool":{"a:key":"true"}`)}, Context: entry("booleanList", "true", "false")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"an address", control.SimulateInput{Policies: []string{under(`"IpAddress":{"a:key":"192.0.2.0/24"}`)}, Context: entry("ip", "192.0.2.9")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"addresses", control.SimulateInput{Policies: []string{under(`"ForAnyValue:IpAddress":{"a:key":"192.0.2.0/24"}`)}, Context: entry("ipList", "::1")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"bytes", control.SimulateInput{Policies: []string{under(`"BinaryEquals":{"a:key":"QQ=="}`)}, Context: entry("binary", "QQ==")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"many bytes", control.SimulateInput{Policies: []string{under(`"ForAnyValue:BinaryEquals":{"a:key":"QQ=="}`)}, Context: entry("binaryList", "QQ==")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"a date", control.SimulateInput{Policies: []string{under(`"DateLessThan":{"a:key":"2026-01-01T00:00:00Z"}`)}, Context: entry("date", "2025-12-31T23:59:59Z")}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
		{"dates", control.SimulateInput{Policies: []string{under(`"ForAnyValue:DateLessThan":{"a:key":"2026-01-01T00:00:00Z"}`)}, Context: entry("dateList", "2026-01-01T00:00:00Z")}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"a resource's policy", control.SimulateInput{Policies: []string{describe}, ResourcePolicy: toUser, CallerARN: "arn:aws:iam::444455556666:user/anna"}, "s3:PutObject allow by [ResourcePolicy] missing [] foreign false"},
		{"a resource's policy for another", control.SimulateInput{Policies: []string{describe}, ResourcePolicy: toUser, CallerARN: "arn:aws:iam::444455556666:user/ann"}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"a foreign resource that one side allows", control.SimulateInput{Policies: []string{describe}, ResourcePolicy: toUser, CallerARN: "arn:aws:iam::444455556666:user/anna", ResourceOwner: "arn:aws:iam::123456789012:root"}, "s3:PutObject implicit deny by [ResourcePolicy] missing [] foreign true"},
		{"a foreign resource that both allow", control.SimulateInput{Policies: []string{put}, ResourcePolicy: toUser, CallerARN: "arn:aws:iam::444455556666:user/anna", ResourceOwner: "arn:aws:iam::123456789012:root"}, "s3:PutObject allow by [ResourcePolicy PolicyInputList.1] missing [] foreign true"},
		{"a foreign resource without a policy", control.SimulateInput{Policies: []string{doc(allow("*", "*"))}, Resources: []string{"arn:aws:sqs:us-east-1:123456789012:q"}}, "s3:PutObject implicit deny by [PolicyInputList.1] missing [] foreign true"},
		{"a resource's policy for a role", control.SimulateInput{Policies: []string{describe}, CallerARN: roleARN, ResourcePolicy: doc(`{"Effect":"Allow","Principal":{"AWS":"` + roleARN + `"},"Action":"s3:*","Resource":"*"}`)}, "s3:PutObject allow by [ResourcePolicy] missing [] foreign false"},
		{"no resource", control.SimulateInput{Policies: []string{put}, Resources: []string{"*"}}, "s3:PutObject implicit deny by [] missing [] foreign false"},
		{"any resource", control.SimulateInput{Policies: []string{doc(allow("s3:*", "*"))}, Resources: []string{"*"}}, "s3:PutObject allow by [PolicyInputList.1] missing [] foreign false"},
	} {
		tt.in.Actions, tt.in.Max = []string{"s3:PutObject"}, 10
		if tt.in.Resources == nil {
			tt.in.Resources = []string{object}
		}
		out, more, err := w.SimulateCustom(ctx, admin, tt.in)
		if err != nil || len(out) != 1 || more {
			t.Errorf("%s: %v, %v", tt.name, out, err)
		} else if got := text(out[0]); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}

	// A role's own, the given ones beside them, a boundary in place of its own.
	ask := func(in control.SimulateInput) string {
		t.Helper()
		in.Resources, in.Max = []string{"arn:aws:eks:eu-central-1:111122223333:cluster/prod"}, 10
		out, _, err := w.SimulatePrincipal(ctx, admin, roleARN, in)
		if err != nil || len(out) != len(in.Actions) {
			t.Fatalf("%v, %v", out, err)
		}
		return text(out[0])
	}
	for _, tt := range []struct{ name, got, want string }{
		{"its own", ask(control.SimulateInput{Actions: []string{"eks:DescribeCluster"}}), "eks:DescribeCluster allow by [role_deployer_describe given] missing [] foreign false"},
		{"beside its own", ask(control.SimulateInput{Actions: []string{"eks:ListClusters"}, Policies: []string{doc(allow("eks:List*", "*"))}}), "eks:ListClusters allow by [PolicyInputList.1] missing [] foreign false"},
		{"another boundary", ask(control.SimulateInput{Actions: []string{"eks:DescribeCluster"}, Boundary: []string{doc(allow("iam:*", "*"))}}), "eks:DescribeCluster implicit deny by [role_deployer_describe given] missing [] foreign false"},
		{"what is known of it", ask(control.SimulateInput{Actions: []string{"s3:X"}, Policies: []string{under(`"StringEquals":{"aws:PrincipalTag/team":"web","aws:PrincipalArn":"` + roleARN + `"}`)}}), "s3:X allow by [PolicyInputList.1] missing [] foreign false"},
		{"what is given instead", ask(control.SimulateInput{Actions: []string{"s3:X"}, Policies: []string{under(`"StringEquals":{"aws:PrincipalTag/team":"web"}`)}, Context: []control.ContextEntry{{Key: "aws:principaltag/TEAM", Values: []string{"data"}}}}), "s3:X implicit deny by [] missing [] foreign false"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, tt.got, tt.want)
		}
	}
}

// TestSimulatePages: each action on each resource in turn, as much as is asked
// for.
func TestSimulatePages(t *testing.T) {
	w := newWorld(t)
	in := control.SimulateInput{Policies: []string{describe}, Actions: []string{"a:A", "a:B", "a:C"}, Resources: []string{"arn:aws:a:::1", "arn:aws:a:::2"}}
	for size := 1; size < 9; size++ {
		var got []string
		for skip, more := 0, true; more; skip += size {
			in.Skip, in.Max = skip, size
			var out []authz.Outcome
			var err error
			if out, more, err = w.SimulateCustom(t.Context(), w.admin(), in); err != nil {
				t.Fatal(err)
			}
			for _, o := range out {
				got = append(got, o.Action[2:]+o.Resource[12:])
			}
		}
		if strings.Join(got, " ") != "A1 A2 B1 B2 C1 C2" {
			t.Errorf("by %d: %v", size, got)
		}
	}
	// An answer in which very much matches ends early.
	every := strings.TrimSuffix(strings.Repeat(allow("*", "*")+",", 1500), ",")
	big := control.SimulateInput{Policies: []string{`{"Statement":[` + every + `]}`}, Actions: in.Actions, Resources: in.Resources}
	var sizes []int
	for more := true; more; {
		big.Max = 100
		var out []authz.Outcome
		var err error
		if out, more, err = w.SimulateCustom(t.Context(), w.admin(), big); err != nil || len(out) == 0 {
			t.Fatal(err)
		}
		big.Skip, sizes = big.Skip+len(out), append(sizes, len(out))
	}
	if fmt.Sprint(sizes) != "[4 2]" {
		t.Errorf("with 1500 statements that match the pages are of %v", sizes)
	}
	in.Skip = 7
	if out, more, err := w.SimulateCustom(t.Context(), w.admin(), in); err != nil || more || len(out) != 0 {
		t.Errorf("behind the end: %v, %v, %v", out, more, err)
	}
}

func TestSimulateRefuses(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	entry := func(kind string, values ...string) func(*control.SimulateInput) {
		return func(in *control.SimulateInput) {
			in.Context = []control.ContextEntry{{Key: "a:key", Type: kind, Values: values}}
		}
	}
	action := func(name string) func(*control.SimulateInput) {
		return func(in *control.SimulateInput) { in.Actions = []string{"iam:GetRole", name} }
	}
	for name, tt := range map[string]struct {
		change func(*control.SimulateInput)
		want   string
	}{
		"a policy that is none":         {func(in *control.SimulateInput) { in.Policies = []string{describe, "{"} }, "invalid input: PolicyInputList.2: line 1"},
		"a trust policy":                {func(in *control.SimulateInput) { in.Policies = []string{trust} }, "invalid input: PolicyInputList.1: "},
		"a boundary that is none":       {func(in *control.SimulateInput) { in.Boundary = []string{"{}"} }, "invalid input: PermissionsBoundaryPolicyInputList.1: "},
		"a boundary of the old version": {func(in *control.SimulateInput) { in.Boundary = []string{strings.Replace(describe, "2012", "2008", 1)} }, "invalid input: PermissionsBoundaryPolicyInputList.1: "},
		"a resource's policy of nobody": {func(in *control.SimulateInput) { in.ResourcePolicy, in.CallerARN = describe, roleARN }, "invalid input: ResourcePolicy: "},
		"an action without a service":   {action("GetRole"), "invalid input: Invalid action name: GetRole"},
		"an action of many":             {action("iam:Get*"), "invalid input: Invalid action name: iam:Get*"},
		"every action":                  {action("*"), "invalid input: Invalid action name: *"},
		"an action of two services":     {action("a:b:c"), "invalid input: Invalid action name: a:b:c"},
		"an action without a name":      {action("iam:"), "invalid input: Invalid action name: iam:"},
		"assuming a role":               {action("sts:assumeROLE"), "invalid input: The simulation of sts:assumeROLE is not supported: the trust policy"},
		"assuming a role with a token":  {action("sts:AssumeRoleWithWebIdentity"), "invalid input: The simulation of "},
		"a resource that is no ARN":     {func(in *control.SimulateInput) { in.Resources = []string{"prod"} }, "invalid input: Invalid resource ARN: prod"},
		"a caller that is a session":    {func(in *control.SimulateInput) { in.CallerARN = "arn:aws:sts::111122223333:assumed-role/r/s" }, "invalid input: CallerArn is not"},
		"a caller that is a service":    {func(in *control.SimulateInput) { in.CallerARN = "ec2.amazonaws.com" }, "invalid input: CallerArn is not"},
		"a caller that is an account":   {func(in *control.SimulateInput) { in.CallerARN = "arn:aws:iam::111122223333:root" }, "invalid input: CallerArn is not"},
		"a caller of no account":        {func(in *control.SimulateInput) { in.CallerARN = "arn:aws:iam:::user/anna" }, "invalid input: CallerArn is not"},
		"an owner that is a number":     {func(in *control.SimulateInput) { in.ResourceOwner = "111122223333" }, "invalid input: ResourceOwner is not"},
		"an owner that is a role":       {func(in *control.SimulateInput) { in.ResourceOwner = roleARN }, "invalid input: ResourceOwner is not"},
		"a number that is none":         {entry("numeric", "ten"), `invalid input: Invalid value for context key a:key: "ten" is no numeric`},
		"a number among others":         {entry("numericList", "1", ""), "invalid input: Invalid value for context key a:key"},
		"a boolean that is none":        {entry("boolean", "yes"), "invalid input: Invalid value for context key a:key"},
		"an address that is a block":    {entry("ip", "192.0.2.0/24"), "invalid input: Invalid value for context key a:key"},
		"bytes that are none":           {entry("binary", "?"), "invalid input: Invalid value for context key a:key"},
		"a date that is none":           {entry("date", "tomorrow"), "invalid input: Invalid value for context key a:key"},
		"two texts for one":             {entry("string", "a", "b"), "invalid input: Context key a:key must have one value: it is of the type string"},
		"no text for one":               {entry("string"), "invalid input: Context key a:key must have one value"},
		"no value of no type":           {entry(""), "invalid input: Context key a:key must have one value"},
		"a key twice, but for case": {func(in *control.SimulateInput) {
			in.Context = []control.ContextEntry{{Key: "a:key", Values: []string{"1"}}, {Key: "A:Key", Values: []string{"1"}}}
		}, "invalid input: A context key is given twice"},
	} {
		in := control.SimulateInput{Policies: []string{describe}, Actions: []string{"iam:GetRole"}, Max: 10}
		tt.change(&in)
		for kind, do := range map[string]func() ([]authz.Outcome, bool, error){
			"custom": func() ([]authz.Outcome, bool, error) { return w.SimulateCustom(ctx, admin, in) },
			"role":   func() ([]authz.Outcome, bool, error) { return w.SimulatePrincipal(ctx, admin, roleARN, in) },
		} {
			if out, _, err := do(); out != nil || !strings.HasPrefix(reason(err), tt.want) {
				t.Errorf("%s, %s: %v, %v", name, kind, out, err)
			}
		}
	}
	if _, _, err := w.SimulateCustom(ctx, admin, control.SimulateInput{Policies: []string{describe}, Actions: []string{"a:b"}, ResourcePolicy: describe, Max: 1}); !strings.HasPrefix(reason(err), "invalid input: CallerArn is required with ResourcePolicy") {
		t.Errorf("a resource's policy without a caller: %v", err)
	}
	for source, want := range map[string]string{
		"arn:aws:iam::111122223333:role/none":         "no such entity: The role with name none cannot be found.",
		"arn:aws:iam::111122223333:role/deployer":     "no such entity: ",
		"arn:aws:iam::999988887777:role/ci/deployer":  "no such entity: ",
		"arn:aws:iam::111122223333:user/anna":         "invalid input: Invalid Entity Arn: arn:aws:iam::111122223333:user/anna.",
		"arn:aws:sts::111122223333:assumed-role/ci/x": "invalid input: Invalid Entity Arn: ",
		"deployer": "invalid input: Invalid Entity Arn: ",
	} {
		if _, _, err := w.SimulatePrincipal(ctx, admin, source, control.SimulateInput{Actions: []string{"a:b"}, Max: 1}); !strings.HasPrefix(reason(err), want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}
