package control_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/control"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

// neighbour is an ARN one character off.
func neighbour(arn string) string {
	switch {
	case arn == "*":
		return "arn:aws:eks:eu-central-1:111122223333:cluster/prod"
	case strings.HasSuffix(arn, "/"):
		return arn + "~"
	}
	return arn[:len(arn)-1] + "~"
}

// TestAuthorisation: each operation is allowed by exactly its action on exactly
// its resource; what is next to either does not do. What is denied changes
// nothing, and is recorded.
func TestAuthorisation(t *testing.T) {
	every(t, func(t *testing.T, w *world, o operation) {
		on := o.on(w)
		other := o.action[:len(o.action)-1] + "~"
		needed := allow(o.action, on)
		for _, also := range o.also {
			needed += "," + allow(also, on)
		}
		session := func(statements string) session.Session {
			return session.Session{Name: "s", Policy: `{"Version":"2012-10-17","Statement":[` + statements + `]}`}
		}
		for _, tt := range []struct {
			name     string
			call     func() control.Call
			explicit bool
			session  bool
		}{
			{"another action", func() control.Call { return w.as(allow(other, on)) }, false, false},
			{"all but the action", func() control.Call {
				return w.as(`{"Effect":"Allow","NotAction":"` + o.action + `","Resource":"*"}`)
			}, false, false},
			{"another resource", func() control.Call { return w.as(allow(o.action, neighbour(on))) }, false, false},
			{"all but the resource", func() control.Call {
				return w.as(`{"Effect":"Allow","Action":"` + o.action + `","NotResource":"` + on + `"}`)
			}, false, false},
			{"an explicit deny", func() control.Call { return w.as(needed + "," + deny(o.action, "*")) }, true, false},
			{"an explicit deny of the service", func() control.Call {
				return w.as(allow("*", "*") + "," + deny(o.action[:strings.IndexByte(o.action, ':')]+":*", on))
			}, true, false},
			{"a condition that does not hold", func() control.Call {
				return w.as(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`)
			}, false, false},
			{"a session policy of another action", func() control.Call { return w.callerWith(needed, session(allow(other, "*"))) }, false, true},
			{"a session policy of another resource", func() control.Call { return w.callerWith(needed, session(allow("*", neighbour(on)))) }, false, true},
			{"a session policy that denies", func() control.Call { return w.callerWith(needed, session(allow("*", "*")+","+deny(o.action, on))) }, true, true},
			{"a session policy allows what the role does not", func() control.Call {
				return w.callerWith(allow(other, on), session(allow("*", "*")))
			}, false, false},
			{"an administrator whose session policy allows something else", func() control.Call {
				s := session(allow(other, "*"))
				s.RoleID, s.AdminUID = iam.AdminID, "0"
				return w.call(s)
			}, false, true},
		} {
			c := tt.call()
			before, n := w.text(), w.count()
			err := o.do(t.Context(), w, c)
			e, ok := errors.AsType[*authz.DeniedError](err)
			if !ok {
				t.Errorf("%s: got %v", tt.name, err)
				continue
			}
			if e.Action != o.action || e.Resource != on || e.Caller != c.Caller.ARN().String() || e.Explicit != tt.explicit || (e.Layer == policy.LayerSession) != tt.session {
				t.Errorf("%s: got %+v (%v), want the resource %s", tt.name, *e, err, on)
			}
			if w.text() != before {
				t.Errorf("%s: it changed something", tt.name)
			}
			events := w.events(n)
			if len(events) != 1 || events[0].Outcome != audit.Denied || events[0].Reason != "not authorized" || events[0].Action != o.action || events[0].Resource != on ||
				events[0].Actor != c.Caller.ARN().String() || events[0].Request != "request-1" || events[0].Source != "192.0.2.7" {
				t.Errorf("%s: recorded is %+v", tt.name, events)
			}
		}
		for _, also := range o.also {
			err := o.do(t.Context(), w, w.as(strings.Replace(needed, ","+allow(also, on), "", 1)))
			if e, ok := errors.AsType[*authz.DeniedError](err); !ok || e.Action != also {
				t.Errorf("without %s: got %v", also, err)
			}
		}
		c := w.callerWith(needed, session(needed+","+allow("eks:DescribeAccessEntry", "*")))
		n := w.count()
		if err := o.do(t.Context(), w, c); err != nil {
			t.Fatalf("exactly what is needed: %v", err)
		}
		events := w.events(n)
		if !o.changes {
			if len(events) != 0 {
				t.Errorf("a read recorded %+v", events)
			}
			return
		}
		if len(events) != 1 || events[0].Outcome != audit.Allowed || events[0].Reason != "" || events[0].Action != o.action || events[0].Resource != on {
			t.Errorf("recorded is %+v", events)
		}
	})
}

// TestEndedSessions: a session that has ended since its request was signed may
// do nothing any more.
func TestEndedSessions(t *testing.T) {
	for name, end := range map[string]func(w *world) error{
		"the role is deleted": func(w *world) error {
			return w.db.Commit(t.Context(), w.db.Snapshot(), []registry.Change{registry.DeleteRole{Name: "caller"}}, audit.Event{Time: time.Now()})
		},
		"the role is made anew": func(w *world) error {
			r, _ := w.db.Snapshot().Role("caller")
			r.ID = "AROAANOTHER"
			return w.db.Commit(t.Context(), w.db.Snapshot(), []registry.Change{registry.DeleteRole{Name: "caller"}, registry.PutRole{Role: r}}, audit.Event{Time: time.Now()})
		},
		"the provider is deleted": func(w *world) error { return w.DeleteProvider(t.Context(), w.admin(), providerARN) },
		"it has expired":          func(*world) error { time.Sleep(350 * time.Millisecond); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p, _ := w.db.Snapshot().Provider("https://gitlab.example")
			s := session.Session{Name: "s", ProviderID: p.ID, Claims: session.Claims{Issuer: "https://gitlab.example"}}
			if name == "it has expired" {
				w.as(allow("*", "*"))
				s.Expires = time.Now().Add(300 * time.Millisecond)
			}
			c := w.callerWith(allow("*", "*"), s)
			if err := end(w); err != nil {
				t.Fatal(err)
			}
			_, err := w.Role(t.Context(), c, "second")
			if _, ok := errors.AsType[*authz.DeniedError](err); !ok {
				t.Errorf("a read: %v", err)
			}
			err = w.DeleteRole(t.Context(), c, "second")
			if _, ok := errors.AsType[*authz.DeniedError](err); !ok {
				t.Errorf("a change: %v", err)
			}
		})
	}
}

// TestConditionKeys asks for one key each, by a policy that allows everything
// under that condition alone.
func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	p, _ := w.db.Snapshot().Provider("https://gitlab.example")
	s := session.Session{Name: "job-7", ProviderID: p.ID, SourceIdentity: "anna", Tags: []session.Tag{{Key: "tEAM", Value: "data"}},
		Claims: session.Claims{Issuer: "https://gitlab.example", Subject: "project_path:acme/web:ref_type:branch:ref:main", Audience: "mayfly", ProjectID: "7", TokenID: "00ff", Ref: "main"}}
	role := func(c control.Call) error { _, err := w.Role(ctx, c, "deployer"); return err }
	getProvider := func(c control.Call) error { _, err := w.Provider(ctx, c, providerARN); return err }
	describeCluster := func(c control.Call) error { _, err := w.Cluster(ctx, c, region, "prod"); return err }
	entryTags := func(c control.Call) error {
		k, _ := w.db.Snapshot().Cluster("prod")
		e, _ := w.db.Snapshot().Entry("prod", roleARN)
		_, err := w.Tags(ctx, c, e.ARN(k))
		return err
	}
	describeEntry := func(c control.Call) error { _, _, err := w.Entry(ctx, c, "prod", roleARN); return err }
	create := func(in control.EntryInput) func(control.Call) error {
		return func(c control.Call) error {
			in.Principal = "arn:aws:iam::111122223333:role/none" // refused after authorisation
			_, _, err := w.CreateEntry(ctx, c, "prod", in)
			if e, ok := errors.AsType[*control.Error](err); ok && e.Reason == control.InvalidPrincipal {
				return nil
			}
			return err
		}
	}
	associate := func(scope eks.Scope) func(control.Call) error {
		return func(c control.Call) error {
			_, err := w.AssociatePolicy(ctx, c, "prod", roleARN, "no-such-policy", scope)
			if _, ok := errors.AsType[*eks.Error](err); ok {
				return nil
			}
			return err
		}
	}
	mode := func(to eks.AuthenticationMode) func(control.Call) error {
		return func(c control.Call) error {
			_, err := w.UpdateMode(ctx, c, "prod", to, "") // refused after authorisation
			if _, ok := errors.AsType[*eks.Error](err); ok {
				return nil
			}
			return err
		}
	}
	// On a role of its own: the tags of deployer are asked about below.
	untag := func(keys ...string) func(control.Call) error {
		return func(c control.Call) error { return w.UntagRole(ctx, c, "second", keys) }
	}
	tag := func(tags ...iam.Tag) func(control.Call) error {
		return func(c control.Call) error { return w.TagRole(ctx, c, "second", tags) }
	}
	createRole := func(tags ...iam.Tag) func(control.Call) error {
		return func(c control.Call) error {
			_, err := w.CreateRole(ctx, c, control.RoleInput{Name: "deployer", Trust: trust, Tags: tags})
			if e, ok := errors.AsType[*iam.Error](err); ok && e.Reason == iam.AlreadyExists {
				return nil
			}
			return err
		}
	}
	// Each is refused after authorisation.
	refused := func(err error) error {
		if _, ok := errors.AsType[*iam.Error](err); ok {
			return nil
		}
		return err
	}
	const none = "arn:aws:iam::111122223333:policy/none"
	attach := func(role string) func(control.Call) error {
		return func(c control.Call) error { return refused(w.AttachPolicy(ctx, c, role, none)) }
	}
	detach := func(c control.Call) error { return refused(w.DetachPolicy(ctx, c, "deployer", none)) }
	bound := func(c control.Call) error { return refused(w.PutBoundary(ctx, c, "deployer", none)) }
	createBound := func(name string) func(control.Call) error {
		return func(c control.Call) error {
			_, err := w.CreateRole(ctx, c, control.RoleInput{Name: "deployer", Trust: trust, BoundaryARN: name})
			return refused(err)
		}
	}
	getPolicy := func(c control.Call) error { _, err := w.Policy(ctx, c, givenARN); return err }
	inline := func(c control.Call) error { return refused(w.PutRolePolicy(ctx, c, "deployer", "a/b", describe)) }
	takeInline := func(c control.Call) error { return refused(w.DeleteRolePolicy(ctx, c, "deployer", "none")) }
	simulateRole := func(c control.Call) error {
		_, _, err := w.SimulatePrincipal(ctx, c, roleARN, control.SimulateInput{Actions: []string{"iam:GetRole"}, Max: 1})
		return err
	}
	scoped := eks.Scope{Type: eks.NamespaceScope, Namespaces: []string{"production", "stage"}}
	for _, tt := range []struct {
		condition string
		do        func(control.Call) error
		want      bool
	}{
		{`"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/caller"}`, role, true},
		{`"StringEquals":{"aws:PrincipalAccount":"111122223333"}`, role, true},
		{`"StringEquals":{"aws:ResourceAccount":"111122223333"}`, role, true},
		{`"StringEquals":{"aws:PrincipalType":"AssumedRole"}`, role, true},
		{`"Bool":{"aws:PrincipalIsAWSService":"false"}`, role, true},
		{`"Bool":{"aws:ViaAWSService":"false"}`, role, true},
		{`"Bool":{"aws:ViaAWSService":"true"}`, role, false},
		{`"StringLike":{"aws:userid":"AROA*:job-7"}`, role, true},
		{`"DateGreaterThan":{"aws:TokenIssueTime":"2026-01-01T00:00:00Z"}`, role, time.Now().Year() >= 2026},
		{`"StringEquals":{"aws:SourceIdentity":"anna"}`, role, true},
		{`"StringEquals":{"aws:FederatedProvider":"arn:aws:iam::111122223333:oidc-provider/gitlab.example"}`, role, true},
		{`"StringEquals":{"gitlab.example:aud":"mayfly"}`, role, true},
		{`"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"}`, role, true},
		{`"StringLike":{"gitlab.example:sub":"project_path:acme/other:*"}`, role, false},
		{`"StringEquals":{"gitlab.example:project_id":"7"}`, role, true},
		{`"StringEquals":{"gitlab.example:project_id":"8"}`, role, false},
		{`"StringLike":{"gitlab.example:jti":"*"}`, role, false},
		{`"StringEquals":{"aws:PrincipalTag/team":"data"}`, role, true},
		{`"StringEquals":{"aws:PrincipalTag/team":"web"}`, role, false},
		{`"StringEquals":{"aws:PrincipalTag/Stage":"test"}`, role, true},
		{`"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, role, true},
		{`"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`, role, false},
		{`"Bool":{"aws:SecureTransport":"true"}`, role, true},
		{`"StringEquals":{"aws:RequestedRegion":"eu-central-1"}`, role, true},
		{`"Null":{"aws:MultiFactorAuthPresent":"true"}`, role, true},

		{`"StringEquals":{"aws:ResourceTag/team":"web"}`, role, true},
		{`"StringEquals":{"iam:ResourceTag/team":"web"}`, role, true},
		{`"StringEquals":{"aws:ResourceTag/team":"data"}`, role, false},
		{`"StringEquals":{"iam:ResourceTag/team":"web"}`, getProvider, true},
		{`"StringEquals":{"aws:ResourceTag/team":"web"}`, describeCluster, true},
		{`"StringEquals":{"iam:ResourceTag/team":"web"}`, describeCluster, false},
		{`"StringEquals":{"aws:ResourceTag/team":"web"}`, describeEntry, true},

		{`"StringEquals":{"eks:authenticationMode":"CONFIG_MAP"}`, mode(eks.ModeConfigMap), true},
		{`"StringEquals":{"eks:authenticationMode":"API"}`, mode(eks.ModeConfigMap), false},

		{`"StringEquals":{"aws:RequestTag/k":"v"}`, createRole(iam.Tag{Key: "k", Value: "v"}), true},
		{`"StringEquals":{"aws:RequestTag/k":"v"}`, createRole(iam.Tag{Key: "k", Value: "w"}), false},
		{`"StringEquals":{"aws:RequestTag/k":"v"}`, createRole(), false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["k","l"]}`, createRole(iam.Tag{Key: "k"}, iam.Tag{Key: "l"}), true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["k","l"]}`, createRole(iam.Tag{Key: "k"}, iam.Tag{Key: "m"}), false},

		{`"ArnEquals":{"iam:PolicyARN":"` + none + `"}`, attach("deployer"), true},
		{`"ArnEquals":{"iam:PolicyARN":"` + givenARN + `"}`, attach("deployer"), false},
		{`"ArnEquals":{"iam:PolicyARN":"` + none + `"}`, detach, true},
		{`"ArnLike":{"iam:PolicyARN":"arn:aws:iam::*:policy/other/*"}`, detach, false},
		{`"Null":{"iam:PolicyARN":"true"}`, inline, true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, attach("deployer"), true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, attach("second"), false},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, detach, true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, inline, true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + givenARN + `"}`, inline, false},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, takeInline, true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + none + `"}`, bound, true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, bound, false}, // it is what bounds the role now
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, createBound(limitARN), true},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, createBound(none), false},
		{`"StringEquals":{"iam:PermissionsBoundary":"` + limitARN + `"}`, createBound(""), false},
		{`"Null":{"iam:PermissionsBoundary":"true"}`, role, true},
		{`"StringEquals":{"aws:ResourceTag/team":"web"}`, getPolicy, true},
		{`"StringEquals":{"iam:ResourceTag/team":"web"}`, getPolicy, true},
		{`"StringEquals":{"iam:ResourceTag/team":"data"}`, getPolicy, false},
		{`"StringEquals":{"iam:ResourceTag/team":"web"}`, simulateRole, true},
		{`"StringEquals":{"iam:ResourceTag/team":"data"}`, simulateRole, false},

		{`"ForAllValues:StringEquals":{"aws:TagKeys":["k","l"]}`, untag("k"), true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["k","l"]}`, untag("k", "team"), false},
		{`"Null":{"aws:RequestTag/k":"true"}`, untag("k"), true},
		{`"StringEquals":{"aws:RequestTag/k":"v"}`, tag(iam.Tag{Key: "k", Value: "v"}), true},
		{`"StringEquals":{"aws:RequestTag/k":"v"}`, tag(iam.Tag{Key: "k", Value: "w"}), false},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["k"]}`, tag(iam.Tag{Key: "k"}, iam.Tag{Key: "team"}), false},
		{`"StringEquals":{"aws:ResourceTag/team":"data"}`, tag(iam.Tag{Key: "team", Value: "data"}), false},

		{`"StringEquals":{"eks:principalArn":"arn:aws:iam::111122223333:role/none"}`, create(control.EntryInput{}), true},
		{`"StringEquals":{"eks:accessEntryType":"STANDARD"}`, create(control.EntryInput{}), true},
		{`"StringEquals":{"eks:username":"ci:x"}`, create(control.EntryInput{Username: "ci:x"}), true},
		{`"Null":{"eks:username":"true"}`, create(control.EntryInput{}), true},
		{`"Null":{"eks:username":"true"}`, create(control.EntryInput{Username: "ci:x"}), false},
		{`"ForAllValues:StringEquals":{"eks:kubernetesGroups":"deployers"}`, create(control.EntryInput{Groups: []string{"deployers"}}), true},
		{`"ForAllValues:StringEquals":{"eks:kubernetesGroups":"deployers"}`, create(control.EntryInput{Groups: []string{"deployers", "admins"}}), false},
		{`"StringEquals":{"aws:RequestTag/k":"v"}`, create(control.EntryInput{Tags: map[string]string{"k": "v"}}), true},

		{`"StringEquals":{"eks:clusterName":"prod"}`, describeEntry, true},
		{`"StringEquals":{"eks:principalArn":"` + roleARN + `"}`, entryTags, true},
		{`"StringEquals":{"eks:principalArn":"` + roleARN + `2"}`, entryTags, false},
		{`"StringEquals":{"aws:ResourceTag/team":"web"}`, entryTags, true},
		{`"StringEquals":{"aws:ResourceTag/team":"data"}`, entryTags, false},
		{`"StringEquals":{"eks:principalArn":"` + roleARN + `"}`, describeEntry, true},
		{`"StringEquals":{"eks:accessEntryType":"STANDARD"}`, describeEntry, true},
		{`"ForAnyValue:StringEquals":{"eks:kubernetesGroups":"deployers"}`, describeEntry, true},
		{`"StringLike":{"eks:username":"arn:aws:sts::111122223333:assumed-role/deployer/*"}`, describeEntry, true},

		{`"StringEquals":{"eks:policyArn":"no-such-policy"}`, associate(scoped), true},
		{`"StringEquals":{"eks:policyArn":"` + viewPolicy + `"}`, associate(scoped), false},
		{`"StringEquals":{"eks:accessScope":"namespace"}`, associate(scoped), true},
		{`"StringEquals":{"eks:accessScope":"namespace"}`, associate(eks.Scope{Type: eks.ClusterScope}), false},
		{`"ForAllValues:StringLike":{"eks:namespaces":["prod*","stage"]}`, associate(scoped), true},
		{`"ForAllValues:StringLike":{"eks:namespaces":["prod*"]}`, associate(scoped), false},
	} {
		for _, effect := range []string{"Allow", "Deny"} {
			statement := `{"Effect":"` + effect + `","Action":"*","Resource":"*","Condition":{` + tt.condition + `}}`
			if effect == "Deny" {
				statement += "," + allow("*", "*")
			}
			err := tt.do(w.callerWith(statement, s))
			_, denied := errors.AsType[*authz.DeniedError](err)
			if err != nil && !denied {
				t.Fatalf("%s: %v", tt.condition, err)
			}
			if denied == (tt.want == (effect == "Allow")) {
				t.Errorf("%s under %s: denied %v", effect, tt.condition, denied)
			}
		}
	}
}

// TestAccessPolicyDelegation: the permission policy of docs/access-policies.md
// lets a team make its own access policies, and give them in its own namespace.
func TestAccessPolicyDelegation(t *testing.T) {
	page, err := os.ReadFile("../../docs/access-policies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```json\n")
	document, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no policy")
	}
	w := newWorld(t)
	ctx, admin := t.Context(), w.admin()
	c := w.as(allow("sts:GetCallerIdentity", "*"))
	if err := w.PutRolePolicy(ctx, admin, "caller", "p", strings.ReplaceAll(document, "ACCOUNT_ID", string(account))); err != nil {
		t.Fatal(err)
	}
	create := func(name string) error { _, err := w.CreateAccessPolicy(ctx, c, name, reading("pods")); return err }
	associate := func(policyARN string, scope eks.Scope) error {
		_, err := w.AssociatePolicy(ctx, c, "prod", roleARN, policyARN, scope)
		return err
	}
	in := func(names ...string) eks.Scope { return eks.Scope{Type: eks.NamespaceScope, Namespaces: names} }
	for _, tt := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"makes its own", func() error { return create("team-web-logs") }, true},
		{"makes another's", func() error { return create("team-data-logs") }, false},
		{"changes its own", func() error {
			_, _, err := w.UpdateAccessPolicy(ctx, c, "team-web-logs", reading("pods/log"))
			return err
		}, true},
		{"changes another's", func() error { _, _, err := w.UpdateAccessPolicy(ctx, c, "used", reading("pods/log")); return err }, false},
		{"looks at its own", func() error { _, err := w.AccessPolicy(ctx, c, "team-web-logs"); return err }, true},
		{"looks at AWS's", func() error { _, err := w.AccessPolicy(ctx, c, "AmazonEKSEditPolicy"); return err }, false},
		{"gives its own in its namespace", func() error { return associate(customARN+"team-web-logs", in("team-web")) }, true},
		{"gives its own elsewhere", func() error { return associate(customARN+"team-web-logs", in("team-data")) }, false},
		{"gives its own in its namespace and elsewhere", func() error { return associate(customARN+"team-web-logs", in("team-web", "team-data")) }, false},
		{"gives its own in all namespaces", func() error { return associate(customARN+"team-web-logs", in("*")) }, false},
		{"gives its own in the whole cluster", func() error { return associate(customARN+"team-web-logs", eks.Scope{Type: eks.ClusterScope}) }, false},
		{"gives AWS's in its namespace", func() error { return associate(editPolicy, in("team-web")) }, false},
		{"gives another's in its namespace", func() error { return associate(customARN+"used", in("team-web")) }, false},
	} {
		err := tt.do()
		if _, denied := errors.AsType[*authz.DeniedError](err); denied == tt.want || tt.want && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
