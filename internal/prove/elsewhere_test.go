package prove

import (
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
)

// TestElsewhere: the merge requests of a project that may be a fork may run in
// another one, whose environments are protected as its owner likes.
func TestElsewhere(t *testing.T) {
	const (
		sub        = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:*"}`
		id         = `"StringEquals":{"$:project_id":"7"`
		deploys    = `,"$:environment":"production","$:environment_protected":"true"`
		production = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:production"}`
	)
	facts := strings.Replace(facts, "protected_environments: none", "protected_environments: [{name: production}]", 1)
	none := strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1)
	second := strings.NewReplacer("acme/web", "acme/api", "id: 7", "id: 8").Replace(facts[strings.Index(facts, "  - "):])
	fork := strings.Replace(none, "forked_from: none", "forked_from: old/web", 1)
	led := strings.NewReplacer("[{name: production}]", "none", "[project_path, ref_type, ref]", "[project_path, ref_type, ref, environment_protected]").Replace(facts)
	for _, tt := range []struct {
		name, facts, conditions, require string
		realm                            Realm
		want                             Verdict
	}{
		{"it rests on an environment of the other project", facts, sub + "," + id + deploys + `}`, "protected-environment", Mayfly, Unknown},
		{"the project is a fork", fork, sub + "," + id + deploys + `}`, "protected-environment", Mayfly, Unknown},
		{"the project is no fork, but somebody can make one of it", none, sub + "," + id + deploys + `}`, "protected-environment", Mayfly, Unknown},
		{"no fork, and it has to run in another that is known", none + second, sub + "," + id + deploys + `,"$:job_project_path":"acme/api"}`, "protected-environment", Mayfly, Unknown},
		{"which is no fork either", none + strings.Replace(second, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1), sub + "," + id + deploys + `,"$:job_project_path":"acme/api"}`, "protected-environment", Mayfly, Proven},
		{"no merge requests' pipelines", facts, sub + "," + id + deploys + `,"$:pipeline_source":["push","web"]}`, "protected-environment", Mayfly, Proven},
		{"any but a merge request's pipeline, a child of one too", facts, sub + "," + id + deploys + `},"StringNotEquals":{"$:pipeline_source":"merge_request_event"}`, "protected-environment", Mayfly, Unknown},
		{"it has to run in the project, by its id", facts, sub + "," + id + deploys + `,"$:job_project_id":"7"}`, "protected-environment", Mayfly, Proven},
		{"it has to run in the project, by its path", facts, sub + "," + id + deploys + `,"$:job_project_path":"acme/web"}`, "protected-environment", Mayfly, Proven},
		{"it has to run in another one", facts, sub + "," + id + deploys + `,"$:job_project_id":"8"}`, "protected-environment", Mayfly, Unknown},
		{"its own facts have no such environment", strings.Replace(facts, "[{name: production}]", "none", 1), sub + "," + id + deploys + `}`, "protected", Mayfly, Unknown},
		{"the branch is the project's, wherever its job runs", facts, production + "," + id + `}`, "protected,no-force-push,immutable-id", Mayfly, Proven},
		{"what a Developer of the other project sets", facts, production + "," + id + `}`, "protected,no-variable-override", Mayfly, Unknown},
		{"ref_protected, which such a job never has", facts, sub + "," + id + deploys + `,"$:ref_protected":"true"}`, "protected-environment", Mayfly, Proven},
		{"sub says so on AWS", led, `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:*:environment_protected:true"}`, "protected", AWS, Unknown},
		{"sub says so, of a branch that is protected", led, `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:ref:production:environment_protected:true"}`, "protected", AWS, Proven},
		{"sub as nobody but another project makes it", facts, `"StringLike":{"$:sub":"project_id:7:*ref:main"}`, "protected", AWS, Unknown},
		{"sub led by the project where it runs", facts, `"StringLike":{"$:sub":"job_project_path:old/*"},` + id + `}`, "protected", Mayfly, Unknown},
		{"a ref at the end of what sub may say", facts, `"StringLike":{"$:sub":"project_path:acme/web:*:ref:production"},` + id + `,"$:ref_type":"branch"}`, "protected", Mayfly, Proven},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := checked(t, tt.facts, tt.conditions, tt.require, tt.realm)
			elsewhere := slices.ContainsFunc(r.Statements[0].Findings, func(f Finding) bool {
				return f.Verdict == Unknown && len(f.Requires) > 0 && f.Fix != "" &&
					(f.Guard == guardRunsElsewhere && f.Project == "acme/web" || f.Guard == guardForkPipelines && strings.Contains(f.Why, "acme/web is a fork of acme/api"))
			})
			if r.Verdict != tt.want || elsewhere != (tt.want == Unknown) {
				t.Errorf("%s, %+v", r.Verdict, r.Statements[0].Findings)
			}
		})
	}
}

// TestElsewhereBoth: two roles are not kept apart by an environment that another
// project protects.
func TestElsewhereBoth(t *testing.T) {
	parse := func(conditions string) *policy.Document {
		return parseTrust(t, allowing(`"StringEquals":{`+conditions+`}`))
	}
	const own, pushes = `"$:project_id":"7","$:environment_protected":"true"`, `,"$:pipeline_source":"push"`
	for _, tt := range []struct {
		facts, a, b string
		want        Verdict
	}{
		{facts, own, own, Unknown},
		{facts, own, own + pushes, Proven},
		{strings.Replace(facts, "    tier: premium\n", "    tier: premium\n    forked_from: none\n", 1), own, own, Unknown},
	} {
		f, err := guard.Decode([]byte(tt.facts))
		if err != nil {
			t.Fatal(err)
		}
		if o, err := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).Disjoint(parse(tt.a), parse(tt.b)); err != nil || o.Verdict != tt.want {
			t.Errorf("%s and %s: %+v %v", tt.a, tt.b, o, err)
		}
	}
}
