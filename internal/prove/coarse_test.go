package prove

import (
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

// TestCoarse: strangers' merge requests run in other strangers' projects, and their
// owners make sub of anything. What no stranger can have is proven still.
func TestCoarse(t *testing.T) {
	t.Parallel()
	lax := strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1)
	root := strings.Replace(lax, "fork_pipelines_in_parent: true", "fork_pipelines_in_parent: false", 1)
	const two = `"$:project_path":"evil/web","$:job_project_path":"evil/api"`
	for _, tt := range []struct {
		name, facts, conditions, require string
		realm                            Realm
		want                             Verdict
	}{
		{"two strangers' projects", root, `"StringEquals":{` + two + `}`, "protected", Mayfly, Unknown},
		{"two strangers' groups", root, `"StringLike":{"$:project_path":"evil/*","$:job_namespace_path":"other"}`, "protected", Mayfly, Unknown},
		{"by their ids", root, `"StringEquals":{"$:project_id":"55","$:job_project_id":"56"}`, "protected", Mayfly, Unknown},
		{"with GitLab's sub", root, `"StringEquals":{` + two + `,"$:sub":"project_path:evil/web:ref_type:branch:ref:main","$:ref":"main"}`, "protected", Mayfly, Unknown},
		{"with the sub of another ref", root, `"StringEquals":{` + two + `,"$:sub":"project_path:evil/web:ref_type:branch:ref:main","$:ref":"stage"}`, "protected", Mayfly, Proven},
		{"with a sub that the other project leads", root, `"StringEquals":{"$:project_path":"evil/web","$:sub":"job_project_path:evil/api:ref:main"}`, "protected", Mayfly, Unknown},
		{"of a tag", root, `"StringEquals":{` + two + `,"$:ref_type":"tag"}`, "protected", Mayfly, Proven},
		{"of a push", root, `"StringEquals":{` + two + `,"$:pipeline_source":"push"}`, "protected", Mayfly, Proven},
		{"of a protected ref", root, `"StringEquals":{` + two + `,"$:ref_protected":"true"}`, "protected", Mayfly, Proven},
		{"one project with two paths", root, `"StringEquals":{"$:project_path":"evil/web"},"StringLike":{"$:project_path":"evil/api"}`, "protected", Mayfly, Proven},
		{"a stranger's in one that runs no fork's", root, `"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"acme/web"}`, "protected", Mayfly, Proven},
		{"and in one that does", lax, `"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"acme/web"}`, "protected", Mayfly, Unknown},
		{"the project's, in a fork of it", root, `"StringEquals":{"$:project_path":"acme/web","$:job_project_path":"evil/api"}`, "protected", Mayfly, Unknown},
		{"another's under its path", root, `"StringEquals":{"$:project_path":"acme/web","$:job_project_path":"evil/api"}`, "protected,immutable-id", Mayfly, Unknown},
		{"not under its id", root, `"StringEquals":{"$:project_path":"acme/web","$:job_project_path":"evil/api","$:project_id":"7","$:ref":"production"}`, "protected,immutable-id", Mayfly, Proven},
		{"the path behind the ref", root, `"StringLike":{"$:sub":"project_id:55:ref:main:project_path:evil/web"}`, "protected", AWS, Unknown},
		{"its id behind a pattern", root, `"StringLike":{"$:sub":"project_path:evil/*:ref:main:project_id:?"}`, "protected", AWS, Unknown},
		{"a component twice", root, `"StringLike":{"$:sub":"project_path:evil/web:ref:main:ref:main"}`, "protected", AWS, Unknown},
		{"of a tag, twice", root, `"StringLike":{"$:sub":"project_path:evil/web:ref_type:tag:ref_type:tag"}`, "protected", AWS, Unknown},
		{"what is no component", root, `"StringLike":{"$:sub":"project_path:evil/web:environment:production"}`, "protected", AWS, Proven},
		{"no project in front", root, `"StringLike":{"$:sub":"ref:main:project_path:evil/web"}`, "protected", AWS, Proven},
		{"a tag's and a branch's", root, `"StringLike":{"$:sub":"project_path:evil/web:ref_type:tag:ref:x:ref_type:branch"}`, "protected", AWS, Proven},
		{"the known project's path in front", root, `"StringLike":{"$:sub":"project_path:acme/web:ref:production:project_id:55"}`, "protected", AWS, Proven},
		{"which another may take", root, `"StringLike":{"$:sub":"project_path:acme/web:ref:main:project_id:55"}`, "protected,immutable-id", AWS, Unknown},
		{"the known project's id in front", root, `"StringLike":{"$:sub":"project_id:7:ref:production:project_id:*"}`, "protected,immutable-id", AWS, Proven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := checked(t, tt.facts, tt.conditions, tt.require, tt.realm)
			if r.Verdict != tt.want {
				t.Errorf("%s, %+v", r.Verdict, r.Statements[0].Findings)
			}
			if f := r.Statements[0].Findings; tt.want == Unknown && (f[0].Why == "" || f[0].Fix == "" || len(f[0].Requires) == 0) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestCoarseDeny: a Deny may leave those alone that run elsewhere.
func TestCoarseDeny(t *testing.T) {
	t.Parallel()
	f, err := guard.Decode([]byte(strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	for deny, want := range map[string]Verdict{
		`"StringEquals":{"$:job_project_path":"evil/web"}`:                 Unknown,
		`"StringNotEquals":{"$:job_project_path":"acme/web"}`:              Unknown,
		`"StringNotEquals":{"$:job_project_path":["evil/api","acme/api"]}`: Unknown,
		`"StringLike":{"$:job_project_path":"*"}`:                          Proven,
	} {
		doc := parseTrust(t, allowing(`"StringEquals":{"$:project_path":"evil/web"}`)+`,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{`+deny+`}}`)
		if r := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).Check("r", doc); r.Verdict != want {
			t.Errorf("%s: %s, %+v", deny, r.Verdict, r.Statements[0].Findings)
		}
	}
}

// TestCoarseBoth: what is let in of strangers counts where two policies are
// compared.
func TestCoarseBoth(t *testing.T) {
	t.Parallel()
	f, err := guard.Decode([]byte(strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	parse := func(conditions string) *policy.Document { return parseTrust(t, allowing(conditions)) }
	const from, in, odd = `"StringEquals":{"$:project_path":"evil/web"}`, `"StringEquals":{"$:job_project_path":"evil/api"}`, `"StringLike":{"$:sub":"project_path:evil/web:ref:main:project_id:*"}`
	for _, tt := range []struct {
		a, b string
		want Verdict
	}{
		{from, in, Unknown},
		{from, strings.Replace(in, "}", `,"$:pipeline_source":"push"}`, 1), Proven},
		{odd, odd, Unknown},
		{odd, strings.Replace(odd, "main", "stage", 1), Proven},
	} {
		o, err := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).Disjoint(parse(tt.a), parse(tt.b))
		if err != nil || o.Verdict != tt.want || (tt.want == Unknown) != (len(o.Why) > 0) {
			t.Errorf("%s and %s: %+v %v", tt.a, tt.b, o, err)
		}
	}
	nobody, gitlabs := parse(`"StringEquals":{"$:project_path":"evil/web","$:project_id":"x"}`), []arn.Provider{gitlab}
	for conditions, want := range map[string]Verdict{
		odd: Unknown, `"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"evil/api"}`: Unknown,
		`"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"evil/api","$:ref_type":"tag"}`: Refuted,
	} {
		c, err := Diff(nobody, parse(conditions), gitlabs)
		if err != nil || c.Wider != want || c.Narrower != Refuted || (want == Unknown) != (len(c.Unknown) > 0) {
			t.Errorf("%s: %+v %v", conditions, c, err)
		}
		if c, err = Diff(parse(conditions), parse(conditions+" "), gitlabs); err != nil || c.Wider != Refuted {
			t.Errorf("%s and itself: %+v %v", conditions, c, err)
		}
	}
	for conditions, want := range map[string]int{odd: 1, `"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"evil/api"}`: 1, from: 0,
		`"StringEquals":{"$:project_path":"evil/web","$:job_project_path":"evil/api","$:ref_type":"tag"}`: 0} {
		w, doc := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}), parse(conditions)
		list, err := w.WhoCan(doc)
		if ways := w.OtherWays(doc); err != nil || len(ways) != want || want > 0 && len(list) > 0 {
			t.Errorf("%s: %v, %+v %v", conditions, ways, list, err)
		}
	}
	fork, err := guard.Decode([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	if ways := NewWorld(nil, &Issuer{Provider: gitlab, Facts: fork}).OtherWays(parse(`"StringEquals":{"$:project_id":"7","$:job_project_path":"evil/api"}`)); len(ways) != 1 || !strings.Contains(ways[0], "is a fork") {
		t.Error(ways)
	}
	// A job of somebody's fork in the project is one of each.
	for _, pair := range [][2]string{{from, strings.Replace(in, "evil/api", "acme/web", 1)}, {strings.Replace(in, "evil/api", "acme/web", 1), from}} {
		if o, err := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).Disjoint(parse(pair[0]), parse(pair[1])); err != nil || o.Verdict == Proven {
			t.Errorf("%v: %+v %v", pair, o, err)
		}
	}
}

// TestReusedInOtherLetters: a path that became free may be taken in other letters,
// and a policy may say it so.
func TestReusedInOtherLetters(t *testing.T) {
	t.Parallel()
	const production = `"StringEquals":{"$:sub":"project_path:ACME/web:ref_type:branch:ref:production"`
	for _, tt := range []struct {
		name, conditions, require string
		want                      Verdict
	}{
		{"its path in other letters", production + `}`, "immutable-id", Refuted},
		{"the claim", `"StringEquals":{"$:project_path":"acme/Web"}`, "immutable-id", Refuted},
		{"pinned", production + `,"$:project_id":"7"}`, "immutable-id", Proven},
		{"the group is pinned", production + `,"$:namespace_id":"70"}`, "immutable-id", Proven},
		{"nobody asks for it", production + `}`, "protected", Proven},
		{"with an unusual sub", `"StringEquals":{"$:sub":"project_path:ACME/web:ref:production"}`, "immutable-id", Refuted},
		{"with an odd one", `"StringEquals":{"$:sub":"project_path:ACME/web:ref:production:project_id:55"}`, "immutable-id", Unknown},
		{"two spellings at once", production + `,"$:project_path":"acme/web"}`, "immutable-id", Proven},
		{"a path that begins so", `"StringEquals":{"$:project_path":"ACME/web/x"}`, "immutable-id", Unknown},
	} {
		r := checked(t, facts, tt.conditions, tt.require, Mayfly)
		if r.Verdict != tt.want {
			t.Errorf("%s: %s, %+v", tt.name, r.Verdict, r.Statements[0].Findings)
		}
	}
	f, err := guard.Decode([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	for other, want := range map[string]Verdict{"ACME/web": Refuted, "ACME/Web": Proven} {
		a, b := parseTrust(t, allowing(production+`}`)), parseTrust(t, allowing(`"StringEquals":{"$:project_path":"`+other+`"}`))
		if o, err := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).Disjoint(a, b); err != nil || o.Verdict != want {
			t.Errorf("%s: %+v %v", other, o, err)
		}
	}
}
