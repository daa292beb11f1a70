package cli

import (
	"strings"
	"testing"

	"mayfly.internal/internal/wire/ekswire"
)

// TestPolicyDiff: policies are compared by what they say.
func TestPolicyDiff(t *testing.T) {
	const want = `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":"sts:x","Condition":{"StringEquals":{"p:aud":"a","p:source":["push","web"]}}}]}`
	for name, have := range map[string]string{
		"the same":           want,
		"in another form":    strings.NewReplacer("{", "{\n  ", "]", "\n]").Replace(want),
		"in another order":   `{"Statement":[{"Condition":{"StringEquals":{"p:source":["web","push"],"p:aud":"a"}},"Action":"sts:x","Effect":"Allow","Sid":"A"}],"Version":"2012-10-17"}`,
		"with lists of one":  `{"Version":"2012-10-17","Statement":{"Sid":"A","Effect":"Allow","Action":["sts:x"],"Condition":{"StringEquals":{"p:aud":["a"],"p:source":["push","web"]}}}}`,
		"with other escapes": strings.Replace(want, "sts:x", `sts\u003ax`, 1),
	} {
		if diff := policyDiff(have, want); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, tt := range map[string]struct{ have, lost, got string }{
		"a value":         {strings.Replace(want, `"a"`, `"b"`, 1), `- ` + `        "p:aud": "b",`, `+ ` + `        "p:aud": "a",`},
		"a value more":    {strings.Replace(want, `"web"]`, `"web","*"]`, 1), `-           "*",`, ""},
		"a statement":     {`{"Version":"2012-10-17","Statement":[]}`, `-   "Statement": []`, `+     "Sid": "A"`},
		"a deny":          {strings.Replace(want, "Allow", "Deny", 1), `"Effect": "Deny"`, `"Effect": "Allow"`},
		"a letter's case": {strings.Replace(want, "sts:x", "sts:X", 1), `sts:X`, `sts:x`},
		"no JSON":         {"no\nJSON", "- no\n- JSON\n", "+ {"},
		"nothing":         {"", "- \n", "+ {"},
	} {
		diff := policyDiff(tt.have, want)
		if !strings.Contains(diff, tt.lost) || !strings.Contains(diff, tt.got) {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if diff := policyDiff(`["`+strings.Repeat(`x","`, 1<<16)+`"]`, want); len(diff) > 100 || !strings.Contains(diff, "lines") {
		t.Errorf("a long one: %.200s", diff)
	}
}

func TestEntryDiff(t *testing.T) {
	entry := func(change func(*ekswire.AccessEntry)) ekswire.AccessEntry {
		e := ekswire.AccessEntry{Type: "STANDARD", Username: "arn:aws:sts::111122223333:assumed-role/r/{{SessionName}}"}
		change(&e)
		return e
	}
	if diff := entryDiff(entry(func(*ekswire.AccessEntry) {}), false); diff != "" {
		t.Error(diff)
	}
	for want, e := range map[string]ekswire.AccessEntry{
		"- groups a, b\n+ no groups":                   entry(func(e *ekswire.AccessEntry) { e.KubernetesGroups = []string{"a", "b"} }),
		"- type EC2\n+ type STANDARD":                  entry(func(e *ekswire.AccessEntry) { e.Type = "EC2" }),
		"- user name admin\n+ the default":             entry(func(e *ekswire.AccessEntry) { e.Username = "admin" }),
		"- user name a:{{SessionName}}\n+ the default": entry(func(e *ekswire.AccessEntry) { e.Username = "a:{{SessionName}}" }),
	} {
		if diff := entryDiff(e, false); diff != want {
			t.Errorf("got %q, want %q", diff, want)
		}
	}
	if diff := entryDiff(entry(func(*ekswire.AccessEntry) {}), true); !strings.Contains(diff, "earlier role of that name") {
		t.Error(diff)
	}
}

func TestAssociated(t *testing.T) {
	const edit, view = "arn:aws:eks::aws:cluster-access-policy/Edit", "arn:aws:eks::aws:cluster-access-policy/View"
	web := ekswire.Scope{Type: "namespace", Namespaces: []string{"web"}}
	for _, tt := range []struct {
		have []ekswire.AssociatedPolicy
		want standing
	}{
		{nil, standing{}},
		{[]ekswire.AssociatedPolicy{{PolicyARN: edit, Scope: web}}, standing{there: true}},
		{[]ekswire.AssociatedPolicy{{PolicyARN: view, Scope: web}}, standing{note: "it has more, which is left: View in the namespaces web"}},
		{[]ekswire.AssociatedPolicy{{PolicyARN: edit, Scope: ekswire.Scope{Type: "cluster"}}}, standing{there: true, diff: "- the whole cluster\n+ the namespaces web"}},
		{[]ekswire.AssociatedPolicy{{PolicyARN: edit, Scope: ekswire.Scope{Type: "namespace", Namespaces: []string{"web", "api"}}}}, standing{there: true, diff: "- the namespaces api, web\n+ the namespaces web"}},
	} {
		if got := associated(tt.have, edit, web); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.have, got, tt.want)
		}
	}
}

// FuzzPolicyDiff: no policy differs from itself, and a difference is one from
// either side.
func FuzzPolicyDiff(f *testing.F) {
	f.Add(`{"a":["x","y"],"b":[1]}`, `{"b":1,"a":["y","x"]}`)
	f.Add("no", `[[[]]]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if diff := policyDiff(a, a); diff != "" {
			t.Fatalf("%q differs from itself: %s", a, diff)
		}
		if (policyDiff(a, b) == "") != (policyDiff(b, a) == "") {
			t.Fatalf("%q and %q differ from one side", a, b)
		}
	})
}
