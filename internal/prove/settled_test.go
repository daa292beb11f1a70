package prove

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// TestUndecided: what a token says of a job may follow from facts that nobody
// knows. A job is surely let in only if it is whatever they turn out to be.
func TestUndecided(t *testing.T) {
	t.Parallel()
	const (
		noBranches     = `    protected_branches:` + "\n" + `      - {name: production, push: no one, merge: maintainer, force_push: false}` + "\n"
		noEnvironments = "    protected_environments: none\n    group_protected_environments: none\n"
		noGroups       = "    protected_environments: none\n    group_protected_environments: none\n|    protected_environments: [{name: production}]\n"
		bySub          = "[project_path, ref_type, ref]|[project_path, ref_protected]"
		anyRef         = `"StringLike":{"$:sub":"project_path:acme/web:*"},"StringEquals":{"$:pipeline_source":"push"}`
		all            = `"StringLike":{"$:sub":"project_path:acme/web:ref_type:branch:*"},"StringEquals":{"$:pipeline_source":"push"}`
	)
	for _, c := range []struct {
		lacks, require, conditions string
		want                       Verdict
	}{
		{noBranches, "no-variable-override", all, Refuted},
		{noBranches, "no-variable-override", all + `,"Bool":{"$:ref_protected":"true"}`, Unknown},
		{noBranches, "no-variable-override", all + `,"Bool":{"$:ref_protected":"false"}`, Unknown},
		{noBranches, "no-variable-override", all + `,"StringEqualsIgnoreCase":{"$:ref_protected":["true","False"]}`, Refuted},
		{noBranches, "no-variable-override", all + `},DENY{"Bool":{"$:ref_protected":"true"}`, Unknown},
		{noBranches, "no-variable-override", all + `},DENY{"Bool":{"$:ref_protected":"true"},"StringEquals":{"$:environment":"stage"}`, Refuted},
		{noBranches, "no-variable-override", all + `},DENY{"Bool":{"$:ref_protected":"true"},"Null":{"$:environment":"false"}},DENY{"Bool":{"$:ref_protected":"false"},"Null":{"$:environment":"true"}`, Unknown},
		{noBranches + ";" + bySub, "no-variable-override", anyRef, Refuted},
		{noBranches + ";" + bySub, "no-variable-override", `"StringLike":{"$:sub":"project_path:acme/web:ref_protected:true"},"StringEquals":{"$:pipeline_source":"push"}`, Unknown},
		{noBranches + ";" + bySub, "no-variable-override", anyRef + `,"Bool":{"$:ref_protected":"true"}`, Unknown},
		{bySub, "no-variable-override", `"StringLike":{"$:sub":"project_path:acme/web:ref_protected:true"},"StringEquals":{"$:pipeline_source":"push"}`, Refuted},
		{noEnvironments, "protected-environment", all, Refuted},
		{noEnvironments, "protected-environment", all + `,"ForAnyValue:StringEquals":{"$:environment":"production"}`, Unknown},
		{noEnvironments, "protected-environment", all + `,"StringEqualsIfExists":{"$:environment":"production"}`, Refuted},
		{noEnvironments, "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:environment":"production"}`, Refuted},
		{noEnvironments, "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:environment":"production","$:environment_protected":"true"}`, Unknown},
		{noGroups, "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:environment":"production","$:environment_protected":"true"}`, Refuted},
		{noGroups, "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:environment":"production","$:environment_protected":"false"}`, Proven},
		{noGroups, "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:environment":"stage","$:environment_protected":"true"}`, Unknown},
		{noGroups, "protected-environment", all + `,"ForAnyValue:StringEquals":{"$:environment":"production"}`, Proven},
		{noGroups, "protected-environment", all + `,"ForAnyValue:StringEquals":{"$:environment":"stage"}`, Unknown},
		{"    visibility: private\n", "no-variable-override", all + `,"StringNotEquals":{"$:project_visibility":"public"}`, Unknown},
		{"    visibility: private\n", "no-variable-override", all + `,"ForAnyValue:StringLike":{"$:project_visibility":"p*"},"StringEqualsIfExists":{"$:project_visibility":["public","private","internal"]}`, Unknown},
		{"    visibility: private\n", "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:project_visibility":["public","private","internal"]}`, Refuted},
		{"    id: 7\n", "no-variable-override", all + `,"ForAnyValue:StringEquals":{"$:project_id":"7"}`, Unknown},
		{"    id: 7\n", "no-variable-override", all + `,"StringNotEquals":{"$:project_id":"7"}`, Unknown},
		{"    id: 7\n", "no-variable-override", all + `,"ForAnyValue:StringLike":{"$:project_id":"?*"}`, Refuted},
	} {
		text := strings.ReplaceAll(facts, "pipeline_variables: maintainer", "pipeline_variables: developer")
		for edit := range strings.SplitSeq(c.lacks, ";") {
			old, now, _ := strings.Cut(edit, "|")
			if !strings.Contains(text, old) {
				t.Fatalf("the facts have no %q", old)
			}
			text = strings.Replace(text, old, now, 1)
		}
		f, err := guard.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		require, err := guard.ParseRequirements(c.require)
		if err != nil {
			t.Fatal(err)
		}
		allow := fmt.Sprintf(`{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{`, gitlab)
		conditions := strings.ReplaceAll(c.conditions, "DENY{", `{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{`)
		conditions = strings.ReplaceAll(strings.ReplaceAll(conditions, "},{", "}},{"), "$", gitlab.URL)
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+allow+conditions+`}}]}`))
		if err != nil {
			t.Fatalf("%v: %s", err, conditions)
		}
		if got := NewWorld(require, &Issuer{Provider: gitlab, Facts: f}).Check("deployer", doc); got.Verdict != c.want {
			t.Errorf("without %q, %s of %s: %s, want %s: %+v", c.lacks, c.require, c.conditions, got.Verdict, c.want, got.Statements)
		}
	}
}

// TestEveryClaim: what GitLab puts into a job's token is made by some group, or is
// said not to be known. Else a condition on it would be read as on an absent key.
func TestEveryClaim(t *testing.T) {
	t.Parallel()
	f, err := guard.Decode([]byte(facts))
	if err != nil {
		t.Fatal(err)
	}
	is := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f}).issuers[0]
	shapes := slices.Concat(is.world(&f.Projects[0]).shapes, is.otherShapes(), is.reusedOf(&f.Projects[0], false),
		[]*Shape{is.shape(regular.NewWork(maxStates), origin{class: ForkOfKnown, project: &f.Projects[0], ref: guard.MergeRequest})})
	for claim := range setters {
		if claim == "user_identities" || claim == "job_config" {
			continue // objects, of which no condition key is made
		}
		key := policy.FoldKey(gitlab.URL + ":" + claim)
		for _, s := range shapes {
			if _, made := s.keys[key]; !made && s.unmodelled(key) == "" {
				t.Errorf("%s has no %s", s.Name, claim)
			}
		}
	}
}
