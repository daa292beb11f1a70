package prove

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/guard"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

// doorProjects are projects whose guards stand, do not, or are not known.
func doorProjects(t *testing.T) []*guard.Project {
	t.Helper()
	var out []*guard.Project
	for _, keys := range []string{
		`protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}, {name: "rel*", push: maintainer, merge: maintainer, force_push: true}], protected_tags: [{name: "v*", create: maintainer}], approval_rules: [{name: A, type: any_approver, required: 2, branches: every}], approval_rules_overridable: false, mirror: false, author_may_approve: false, pipeline_variables: maintainer, committers_may_approve: true, reset_approvals_on_push: true`,
		`protected_branches: [{name: main, push: no one, merge: maintainer}, {name: "re*", merge: maintainer, force_push: false, code_owners: true}], protected_tags: none`,
		`tier: free, protected_branches: [{name: main, push: no one, merge: maintainer, force_push: false}], protected_tags: [{name: "*", create: no one}], pipeline_variables: developer`,
		`protected_branches: none`, `id: 7`,
		`protected_branches: [{name: "*", push: no one, merge: no one, force_push: false}], mirror: false`,
		`protected_branches: [{name: main, push: no one, merge: developer, force_push: false}], approval_rules: [{name: A, type: regular, required: 1, branches: every}, {name: B, type: any_approver, required: 1, branches: [main]}], approval_rules_overridable: false, mirror: false`,
	} {
		f, err := guard.Decode([]byte("mayfly-facts: 1\ngitlab: https://gitlab.example.com\nprojects:\n  - {path: acme/web, default_branch: main, " + keys + "}\n"))
		if err != nil {
			t.Fatal(keys, err)
		}
		out = append(out, &f.Projects[0])
	}
	return out
}

// randomDoorCondition is a condition on a guard, one that could not be saved too.
func randomDoorCondition(r *rand.Rand) string {
	keys := append(guard.DoorKeys(), "mayfly:guard/nonesuch", "MAYFLY:guard/Protected")
	key := keys[r.Intn(len(keys))]
	if key == "mayfly:guard/approvals" {
		return fmt.Sprintf(`%q:{%q:"%d"}`, []string{"NumericGreaterThanEquals", "NumericLessThan", "NumericEquals", "NumericNotEqualsIfExists"}[r.Intn(4)], key, r.Intn(4))
	}
	operators := []string{"Bool", "StringEquals", "StringNotEquals", "BoolIfExists", "ForAllValues:StringEquals", "ForAnyValue:StringLike", "Null"}
	return fmt.Sprintf(`%q:{%q:%q}`, operators[r.Intn(len(operators))], key, []string{"true", "false"}[r.Intn(2)])
}

// TestDoorIsExact: of every ref, a policy that asks what GitLab enforces lets in
// what the exchange lets in with the same facts; and where those are not known,
// whatever the exchange may find out.
func TestDoorIsExact(t *testing.T) {
	t.Parallel()
	refs := []string{"main", "release", "rel", "re", "dev", "v1", "production"}
	r, in, out, open := rand.New(rand.NewSource(7)), 0, 0, 0
	for _, p := range doorProjects(t) {
		is := &Issuer{Provider: gitlab}
		w := regular.NewWork(maxStates)
		shapes := is.shapes(w, p)
		for range Fewer(60) {
			text := fmt.Sprintf(`{"Effect":"Allow","Principal":{"Federated":%q},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"%s:sub":"project_path:acme/web:*"},%s}}`, gitlab, gitlab.URL, randomDoorCondition(r))
			if r.Intn(3) == 0 {
				text += fmt.Sprintf(`,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{%s}}`, randomDoorCondition(r))
			}
			doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+text+`]}`))
			if err != nil {
				t.Fatal(err, text)
			}
			for _, s := range shapes {
				region := s.allows(w, doc, doc.Statements()[0], gitlab)
				for _, ref := range refs {
					if s.origin.ref == guard.Tag && ref == "main" {
						continue
					}
					at := part{words: w.Preimage(regular.Literal(ref), template(trackRef), originTracks)}
					surely, perhaps := len(within(w, region.surely, 0, at)) > 0, len(within(w, region.perhaps, 0, at)) > 0
					allowed, known := atTheDoor(t, w, s, doc, ref)
					switch {
					case surely && !allowed, allowed && !perhaps, known && surely != perhaps:
						t.Fatalf("%s\n%s at %s: the exchange lets it in %v, known %v; as a set surely %v, perhaps %v", text, s.Name, ref, allowed, known, surely, perhaps)
					case allowed:
						in++
					case known:
						out++
					default:
						open++
					}
				}
			}
		}
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
	}
	if in < Fewer(500) || out < Fewer(500) || open < Fewer(100) {
		t.Errorf("%d in, %d out, %d open: the test says little", in, out, open)
	}
}

// atTheDoor asks the evaluator, as the exchange does with the project's facts, and
// whether they decide.
func atTheDoor(t *testing.T, w *regular.Work, s *Shape, doc *policy.Document, ref string) (allowed, known bool) {
	t.Helper()
	members, ok := s.all().limit(w, 0, part{words: w.Preimage(regular.Literal(ref), template(trackRef), originTracks)}).pick()
	if !ok {
		t.Fatal("no such job")
	}
	var b policy.ContextBuilder
	for _, c := range s.claims(members) {
		if !isDoor(c.Key) {
			b.Set(c.Key, c.Value)
		}
	}
	known = true
	for _, a := range s.origin.project.Door(s.origin.ref, ref) {
		v, told := a.Value.Value()
		if told {
			b.Set(a.Key, v)
			continue
		}
		b.SetUnanswered(a.Key, "?")
		for _, st := range doc.Statements() {
			for _, name := range st.Keys() {
				known = known && !policy.SameKey(name, a.Key)
			}
		}
	}
	b.SetUnanswered("mayfly:guard/nonesuch", "?")
	ctx, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	d := policy.Evaluate(policy.Request{Principal: policy.FederatedPrincipal(gitlab), Action: actionWebIdentity, Resource: "*", Context: ctx}, policy.Set{Resource: []*policy.Document{doc}, ResourceAccount: gitlab.Account})
	return d.Allowed(), known
}

// TestDoorVerdicts: a role that has guards asked at the exchange is proven by what
// it asks; strangers' projects have whatever guards their owners set.
func TestDoorVerdicts(t *testing.T) {
	const pinned = `"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:ref_type:branch:ref:*"},"StringEquals":{"gitlab.example.com:project_id":"7"}`
	const all = `"Bool":{"mayfly:guard/protected":"true","mayfly:guard/direct-push":"false","mayfly:guard/force-push":"false","mayfly:guard/author-approval":"false","mayfly:guard/merge-request":"false"},"NumericGreaterThanEquals":{"mayfly:guard/approvals":"1"}`
	unknown := strings.NewReplacer("    author_may_approve: false\n", "", "    approval_rules_overridable: false\n", "").Replace(facts)
	for _, tt := range []struct {
		name, facts, conditions string
		realm                   Realm
		want                    Verdict
	}{
		{"nothing is asked", facts, pinned, Mayfly, Refuted},
		{"everything is asked", facts, pinned + "," + all, Mayfly, Proven},
		{"protection alone is asked", facts, pinned + `,"Bool":{"mayfly:guard/protected":"true"}`, Mayfly, Refuted},
		{"the other way round", facts, pinned + "," + strings.Replace(all, `protected":"true`, `protected":"false`, 1), Mayfly, Proven},
		{"facts are missing, and the exchange has them", unknown, pinned + "," + all, Mayfly, Proven},
		{"facts are missing, and the exchange is not asked for them", unknown, pinned + "," + strings.Replace(all, `"mayfly:guard/author-approval":"false",`, "", 1), Mayfly, Unknown},
		{"too few approvals are asked for", unknown, pinned + "," + strings.Replace(all, `approvals":"1"`, `approvals":"0"`, 1), Mayfly, Unknown},
		{"not pinned", facts, strings.Split(pinned, `,"StringEquals"`)[0] + "," + all, Mayfly, Refuted},
		{"every project of a group", facts, `"StringLike":{"gitlab.example.com:sub":"project_path:acme/*"},` + all, Mayfly, Refuted},
		{"a sub that only strangers make", facts, `"StringLike":{"gitlab.example.com:sub":"project_path:*:deployment_tier:production"},` + all, Mayfly, Refuted},
		{"a key that there is not", facts, pinned + `,"BoolIfExists":{"mayfly:guard/nonesuch":"true"}`, Mayfly, Proven},
		{"a key that AWS never fills", facts, pinned + "," + all, AWS, Proven},
		{"a key that AWS never fills, and IfExists", facts, strings.Split(pinned, `,"StringEquals"`)[0] + `,"BoolIfExists":{"mayfly:guard/protected":"true"}`, AWS, Refuted},
	} {
		f, err := guard.Decode([]byte(tt.facts))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+gitlab.String()+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{`+tt.conditions+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r := NewWorld(nil, &Issuer{Provider: gitlab, Facts: f, Realm: tt.realm}).Check("r", doc)
		if r.Verdict != tt.want {
			t.Errorf("%s: %v\n%s", tt.name, r.Verdict, fmt.Sprintf("%+v", r))
		}
		if noted := strings.Contains(strings.Join(r.Notes, "\n"), "answered when a job comes"); noted != (strings.Contains(tt.conditions, "mayfly:guard/") && tt.realm == Mayfly) {
			t.Errorf("%s: %q", tt.name, r.Notes)
		}
	}
}

// TestDoorBetweenPolicies: policies of which one asks what GitLab enforces can be
// held against each other.
func TestDoorBetweenPolicies(t *testing.T) {
	parse := func(conditions string) *policy.Document {
		doc, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+gitlab.String()+`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringLike":{"gitlab.example.com:sub":"project_path:acme/web:ref_type:branch:ref:main"}`+conditions+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	const protected, two = `,"Bool":{"mayfly:guard/protected":"true"}`, `,"NumericGreaterThanEquals":{"mayfly:guard/approvals":"2"}`
	plain, asks, more := parse(""), parse(protected), parse(protected+two)
	open := parse(`,"Bool":{"mayfly:guard/protected":"false"}`)
	for _, tt := range []struct {
		old, changed    *policy.Document
		wider, narrower Verdict
	}{
		{plain, asks, Refuted, Proven}, {asks, plain, Proven, Refuted}, {asks, more, Refuted, Proven}, {more, asks, Proven, Refuted}, {asks, asks, Refuted, Refuted}, {asks, open, Proven, Proven},
	} {
		c, err := Diff(tt.old, tt.changed, []arn.Provider{gitlab})
		if err != nil || c.Wider != tt.wider || c.Narrower != tt.narrower {
			t.Errorf("%s\n%s\nwider %v, narrower %v, %v %v", tt.old.Text(), tt.changed.Text(), c.Wider, c.Narrower, c.Unknown, err)
		}
	}
	for _, tt := range []struct {
		a, b *policy.Document
		want Verdict
	}{{plain, asks, Refuted}, {asks, plain, Refuted}, {asks, open, Proven}, {open, more, Proven}} {
		w := NewWorld(nil, &Issuer{Provider: gitlab})
		if o, err := w.Disjoint(tt.a, tt.b); err != nil || o.Verdict != tt.want {
			t.Errorf("%s\n%s\n%+v %v", tt.a.Text(), tt.b.Text(), o, err)
		}
	}
}
