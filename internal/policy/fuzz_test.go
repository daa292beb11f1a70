package policy_test

import (
	"reflect"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// FuzzParse: whatever the text, Parse refuses it with a place and a sentence,
// or makes a document that says the same when parsed again and that can be
// asked anything.
func FuzzParse(f *testing.F) {
	f.Add(uint8(policy.Trust), []byte(deployTrust))
	f.Add(uint8(policy.Permission), []byte(statement(permissionBase+`, "Condition": {"ForAllValues:StringLikeIfExists": {"a:k": ["${aws:userid, 'x'}*", "?"]}, "Null": {"a:k": true}}`)))
	f.Add(uint8(policy.Resource), []byte(statement(`"Effect": "Deny", "NotPrincipal": {"AWS": ["*", "111122223333"], "Federated": "accounts.google.com"}, "NotAction": "a:*", "NotResource": [null, "arn:aws:s3:::${a:k}"]`)))
	f.Add(uint8(policy.Boundary), []byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:eks", "Condition": {"DateLessThan": {"a:k": "2026-11-23T03:00:00+01:00"}, "ArnLike": {"a:k": "arn:*:*:*:${a:k}:*"}, "IpAddress": {"a:k": "::/0"}, "BinaryEquals": {"a:k": "AA=="}, "NumericEquals": {"a:k": -1.50}}}}`))
	f.Add(uint8(policy.Managed), []byte(`{"Statement": [{"Sid": "a"}, {"Sid": "a", "Effect": "denY"}]}`))
	f.Add(uint8(policy.SessionPolicy), []byte(`{`))
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		d, err := policy.Parse(policy.Kind(kind), text)
		if err != nil {
			checkRefusal(t, d, err, text)
			return
		}
		if string(d.Text()) != string(text) || d.Kind() != policy.Kind(kind) || len(d.Statements()) == 0 {
			t.Fatalf("%v of %d statements: %s", d.Kind(), len(d.Statements()), d.Text())
		}
		again, err := policy.Parse(d.Kind(), d.Text())
		if err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("parsed again it is another document, or none: %v", err)
		}
		askEverything(t, d)
	})
}

func checkRefusal(t *testing.T, d *policy.Document, err error, text []byte) {
	e, ok := err.(*policy.SyntaxError)
	if !ok || d != nil {
		t.Fatalf("%v, %v", d, err)
	}
	if e.Reason == 0 || e.Detail == "" || e.Explanation == "" || e.Offset < 0 || e.Offset > len(text) || e.Line < 1 || e.Column < 1 {
		t.Fatalf("%+v", e)
	}
}

// askEverything calls all a document can be asked; it must not panic, and the
// two evaluators must agree.
func askEverything(t *testing.T, d *policy.Document) {
	if b, err := d.Bind(func(arn.Role) (string, bool) { return "AROAEXAMPLEEXAMPLE123", true }); err != nil || len(b.BoundRoles()) > 0 && b == d {
		t.Fatalf("%v, %v", b, err)
	}
	d.Untested(gitlab, "gitlab.com:sub")
	d.Knows(policy.Project{Provider: gitlab, Subject: "project_path:a/b", ProjectID: "1", NamespaceID: "2"})
	set := policy.Set{ResourceAccount: account}
	switch d.Kind() {
	case policy.Trust, policy.Resource:
		set.Resource = []*policy.Document{d}
	case policy.SessionPolicy:
		set.Session = []*policy.Document{d}
	case policy.Boundary:
		set.Boundary = []*policy.Document{d}
	default:
		set.Identity = []*policy.Document{d}
	}
	for _, s := range d.Statements() {
		s.Principals()
		actions, _ := s.Actions()
		resources, _ := s.Resources()
		req := policy.Request{Principal: policy.FederatedPrincipal(gitlab), Action: actions[0], Resource: append(resources, "*")[0], Context: contextFor(t, s)}
		if got, x := policy.Evaluate(req, set), policy.Explain(req, set); got.Effect != x.Effect || x.Text(true) == "" {
			t.Fatalf("Evaluate says %v, Explain %v", got.Effect, x.Effect)
		}
	}
}

// contextFor gives every key of a statement the text of its own first value.
func contextFor(t *testing.T, s *policy.Statement) policy.Context {
	var b policy.ContextBuilder
	seen := map[string]bool{}
	conditions := s.Conditions()
	for i := range conditions {
		c := &conditions[i]
		for other := range seen {
			if c.IsKey(other) {
				seen[c.Key()] = true
			}
		}
		if seen[c.Key()] {
			continue
		}
		seen[c.Key()] = true
		if values := c.Values(); len(values) > 0 && c.Operator().Set == policy.Single {
			b.Set(c.Key(), values[0].Text())
		} else {
			b.SetMany(c.Key(), []string{"x"})
		}
	}
	c, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
