package authz_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/authz"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
)

const (
	account = arn.AccountID("111122223333")
	on      = "arn:aws:iam::111122223333:role/r"
)

// document is a policy of some statements, or nil for none.
func document(t testing.TB, kind policy.Kind, statements string) *policy.Document {
	t.Helper()
	if statements == "" {
		return nil
	}
	d, err := policy.Parse(kind, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
	if err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
	return d
}

// layers are what the policies of a caller say, layer by layer.
type layers struct{ inline, attached, boundary, session string }

// managed is a managed policy with an older version that allows everything and
// a newer one that denies everything.
func managed(t testing.TB, id, statements string) registry.Change {
	t.Helper()
	return registry.PutPolicy{Policy: iam.ManagedPolicy{ID: id, Account: account, Path: "/", Name: "name-of-" + id, Default: 2, Latest: 3, Versions: []iam.PolicyVersion{
		{Number: 1, Document: document(t, policy.Managed, everything)}, {Number: 2, Document: document(t, policy.Managed, statements)}, {Number: 3, Document: document(t, policy.Managed, nothing)}}}}
}

const (
	everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	nothing    = `{"Effect":"Deny","Action":"*","Resource":"*"}`
	get        = `{"Effect":"Allow","Action":"iam:GetRole","Resource":"` + on + `"}`
	otherName  = `{"Effect":"Allow","Action":"iam:GetRole","Resource":"` + on + `x"}`
	otherVerb  = `{"Effect":"Allow","Action":"iam:ListRoles","Resource":"*"}`
	never      = `{"Effect":"Deny","Action":"iam:GetRole","Resource":"*"}`
)

// world is a snapshot with a role of those layers, and a session of it.
func world(t testing.TB, l layers) (*registry.Snapshot, session.Session) {
	t.Helper()
	role := iam.Role{ID: "AROA1", Account: account, Path: "/", Name: "caller"}
	changes := []registry.Change{managed(t, "ANPA9", everything)} // which nobody refers to
	if l.inline != "" {
		role.Inline = map[string]*policy.Document{"b": document(t, policy.Permission, l.inline), "a": document(t, policy.Permission, otherVerb)}
	}
	if l.attached != "" {
		changes = append(changes, managed(t, "ANPA1", l.attached))
		role.Attached = []string{"ANPA1"}
	}
	if l.boundary != "" {
		changes = append(changes, managed(t, "ANPA2", l.boundary))
		role.Boundary = "ANPA2"
	}
	s := session.Session{RoleID: role.ID, Name: "s", Expires: time.Unix(1<<40, 0)}
	if l.session != "" {
		s.Policy = `{"Version":"2012-10-17","Statement":[` + l.session + `]}`
	}
	return registry.New(account, time.Unix(0, 0)).With(append(changes, registry.PutRole{Role: role})...), s
}

func ask(t testing.TB, snap *registry.Snapshot, s session.Session) error {
	t.Helper()
	who, err := snap.Principal(s, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = authz.Authorize(snap, authz.Question{Caller: who, Actions: []string{"iam:GetRole"}, Resource: on})
	return err
}

// TestLayers: the role's own policies, its boundary and the session's policy
// must each allow, where they are present. A boundary alone, or a session's
// policy, allows nothing, and a deny in any of them wins.
func TestLayers(t *testing.T) {
	const (
		identity = policy.LayerIdentity
		boundary = policy.LayerBoundary
		sess     = policy.LayerSession
	)
	for _, tt := range []struct {
		name     string
		of       layers
		want     policy.Layer // where it is denied; 0: allowed
		explicit bool
	}{
		{"inline", layers{inline: get}, 0, false},
		{"attached", layers{attached: get}, 0, false},
		{"inline and attached", layers{inline: get, attached: get}, 0, false},
		{"one of them", layers{inline: otherVerb, attached: get}, 0, false},
		{"the other", layers{inline: get, attached: otherName}, 0, false},
		{"within a boundary", layers{inline: get, boundary: get}, 0, false},
		{"attached within a boundary", layers{attached: get, boundary: everything}, 0, false},
		{"within a session policy", layers{attached: get, session: get}, 0, false},
		{"within both", layers{inline: get, attached: otherVerb, boundary: get, session: get}, 0, false},

		{"no policies", layers{}, identity, false},
		{"another resource", layers{inline: otherName}, identity, false},
		{"attached for another resource", layers{attached: otherName}, identity, false},
		{"attached for another action", layers{attached: otherVerb}, identity, false},
		{"a boundary alone", layers{boundary: everything}, identity, false},
		{"a boundary alone that says just this", layers{inline: otherVerb, boundary: get}, identity, false},
		{"a session policy alone", layers{session: everything}, identity, false},
		{"boundary and session policy alone", layers{boundary: everything, session: everything}, identity, false},
		{"a boundary of another action", layers{inline: get, boundary: otherVerb}, boundary, false},
		{"a boundary of another resource", layers{inline: get, boundary: otherName}, boundary, false},
		{"a boundary that attached policies do not widen", layers{inline: everything, attached: everything, boundary: otherVerb}, boundary, false},
		{"a boundary that a session policy does not widen", layers{inline: get, boundary: otherVerb, session: everything}, boundary, false},
		{"a session policy of another action", layers{inline: get, boundary: get, session: otherVerb}, sess, false},
		{"a session policy of another resource", layers{attached: get, session: otherName}, sess, false},

		{"inline denies", layers{inline: never + "," + everything, attached: get}, identity, true},
		{"attached denies", layers{inline: get, attached: never}, identity, true},
		{"the boundary denies", layers{inline: get, attached: get, boundary: never + "," + everything}, boundary, true},
		{"the session policy denies", layers{inline: get, boundary: get, session: never + "," + everything}, sess, true},
		{"the boundary denies what nothing allows", layers{boundary: never}, boundary, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			snap, s := world(t, tt.of)
			err := ask(t, snap, s)
			if tt.of.session == "" { // a simulation of the role says what happens
				role, _ := snap.RoleByID(s.RoleID)
				of := authz.OfRole(snap, role)
				sim := authz.Simulation{Caller: policy.RolePrincipal(role.ARN(), role.ID), Account: account, Identity: of.Identity, Boundary: of.Boundary}
				want := map[bool]policy.Effect{true: policy.Allow, false: policy.ImplicitDeny}[tt.want == 0]
				if tt.explicit {
					want = policy.ExplicitDeny
				}
				if got := sim.Ask("iam:GetRole", on); got.Effect != want || got.Foreign || len(got.Matched) == 0 && want != policy.ImplicitDeny {
					t.Errorf("a simulation says %+v", got)
				}
			}
			if tt.want == 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			e, ok := errors.AsType[*authz.DeniedError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if e.Layer == 0 {
				e.Layer = identity
			}
			if e.Layer != tt.want || e.Explicit != tt.explicit {
				t.Errorf("it is denied by the %s, explicitly %v: %v", e.Layer, e.Explicit, e)
			}
		})
	}
}

// TestWhatIsGone: a role that refers to a policy that is not there may do
// nothing, for nobody knows what the policy denied. One made anew under the name
// is another.
func TestWhatIsGone(t *testing.T) {
	for name, of := range map[string]layers{"attached": {inline: everything, attached: get}, "the boundary": {inline: everything, boundary: get}} {
		snap, s := world(t, of)
		if err := ask(t, snap, s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, id := range []string{"ANPA1", "ANPA2"} {
			snap = snap.With(registry.DeletePolicy{ID: id})
		}
		if err := ask(t, snap, s); err == nil {
			t.Errorf("%s: it is gone, and the rest allows", name)
		}
		for _, id := range []string{"ANPA1", "ANPA2"} {
			anew := managed(t, id, everything).(registry.PutPolicy)
			anew.Policy.ID += "ANEW"
			snap = snap.With(anew)
		}
		if err := ask(t, snap, s); err == nil {
			t.Errorf("%s: one made anew under the name has its say", name)
		}
	}
	snap, s := world(t, layers{inline: everything})
	if err := ask(t, snap, s); err != nil {
		t.Error(err)
	}
	s.RoleID = "AROA2"
	if set, err := authz.Policies(snap, s); err != nil || len(set.Identity)+len(set.Boundary)+len(set.Session) != 0 {
		t.Errorf("a session whose role is gone has %+v, %v", set, err)
	}
	s.Policy = "{"
	if _, err := authz.Policies(snap, s); err == nil {
		t.Error("a session policy that is none is passed over")
	}
}

// TestOfRole: what a role's policies are called, in an order that stays.
func TestOfRole(t *testing.T) {
	snap, _ := world(t, layers{inline: get, attached: get, boundary: everything})
	role, _ := snap.RoleByID("AROA1")
	role.Attached = append(role.Attached, "ANPA9")
	of := authz.OfRole(snap, role)
	var names []string
	for _, s := range append(of.Identity, of.Boundary...) {
		if s.Document == nil || (s.Document.Kind() == policy.Managed) != (s.Managed != arn.Policy{}) {
			t.Errorf("%s is %v of %s", s.Name, s.Document, s.Managed)
		}
		names = append(names, s.Name+s.Managed.String())
	}
	const managed = "arn:aws:iam::111122223333:policy/name-of-"
	if got, want := strings.Join(names, " "), "a b name-of-ANPA1"+managed+"ANPA1 name-of-ANPA9"+managed+"ANPA9 name-of-ANPA2"+managed+"ANPA2"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkPolicies(b *testing.B) {
	snap, s := world(b, layers{inline: get, attached: get, boundary: everything})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := authz.Policies(snap, s); err != nil {
			b.Fatal(err)
		}
	}
}
