package prove

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/regular"
)

var gitlab = arn.Provider{Account: "111122223333", URL: "gitlab.example.com"}

// smallWorld is a GitLab so small that all its jobs can be looked at: two
// projects, four refs, two types of ref, three sources, two environments and
// none, three people.
func smallWorld() []*Shape {
	w := regular.NewWork(1 << 20)
	key := func(name string, pieces ...any) Key {
		k := Key{Name: gitlab.URL + ":" + name}
		for _, p := range pieces {
			switch p := p.(type) {
			case int:
				k.Template = append(k.Template, regular.Piece{Track: p})
			case string:
				k.Template = append(k.Template, regular.Piece{Text: p})
			}
		}
		return k
	}
	var shapes []*Shape
	for _, kind := range []string{"branch", "tag"} {
		refs := regular.OneOf("main", "release/1", "", "Feature-1")
		origin := w.Join(w.Union(w.Join(regular.OneOf("7"), regular.OneOf("acme"), regular.OneOf("web")), w.Join(regular.OneOf("8"), regular.OneOf("acme/web"), regular.OneOf("api"))), refs)
		protected := w.Join(regular.Text(), regular.Text(), regular.Text(), w.Wildcard("*a*"))
		protectedKey := key("ref_protected")
		protectedKey.Cases = []Case{{"true", w.Intersect(origin, protected)}, {"false", w.Subtract(origin, protected)}}
		shapes = append(shapes, NewShape(kind,
			Group{Words: origin, Tracks: 4, Keys: []Key{
				key("sub", "project_path:", 2, "/", 3, ":ref_type:"+kind+":ref:", 4), key("project_id", 1),
				key("project_path", 2, "/", 3), key("namespace_path", 2), key("ref", 4), protectedKey,
			}},
			Group{Words: regular.OneOf(kind), Tracks: 1, Keys: []Key{key("ref_type", 1)}},
			Group{Words: regular.OneOf("push", "schedule", "merge_request_event"), Tracks: 1, Keys: []Key{key("pipeline_source", 1)}},
			Group{Words: w.Join(regular.OneOf("production", "stage"), regular.OneOf("true")), Tracks: 2, Optional: true, Keys: []Key{key("environment", 1), key("environment_protected", 2)}},
			Group{Words: w.Union(w.Join(regular.OneOf("1"), regular.OneOf("ann")), w.Join(regular.OneOf("2"), regular.OneOf("Bob")), w.Join(regular.OneOf("3"), regular.OneOf(""))), Tracks: 2, Keys: []Key{key("user_id", 1), key("user_login", 2)}},
		))
	}
	return shapes
}

// requests are all requests of a shape.
func requests(t testing.TB, s *Shape) [][]member {
	t.Helper()
	all := [][]member{nil}
	for _, g := range s.groups {
		words, ok := g.Words.Words(1000)
		if !ok {
			t.Fatal("the world is not small")
		}
		var choices []member
		for _, word := range words {
			choices = append(choices, member{word: word})
		}
		if g.Optional {
			choices = append(choices, member{missing: true})
		}
		var next [][]member
		for _, m := range all {
			for _, c := range choices {
				next = append(next, append(m[:len(m):len(m)], c))
			}
		}
		all = next
	}
	return all
}

func contains(boxes []box, members []member) bool {
	for _, b := range boxes {
		if b.contains(members) {
			return true
		}
	}
	return false
}

// randomPolicy is a trust policy about the small world, most of it about nothing
// that exists there.
func randomPolicy(r *rand.Rand, modelled bool) string {
	pick := func(list ...string) string { return list[r.Intn(len(list))] }
	keys := []string{"sub", "project_id", "project_path", "namespace_path", "ref", "ref_protected", "ref_type", "pipeline_source", "environment", "environment_protected", "user_id", "user_login", "USER_LOGIN", "nosuchclaim"}
	values := map[string][]string{
		"sub":            {"project_path:acme/web:ref_type:branch:ref:main", "project_path:acme/*:ref:*", "project_path:acme/web*", "*:ref:main", "*", "project_path:*/api:ref_type:tag:*", "project_path:acme/web:ref_type:??????:ref:${gitlab.example.com:ref}", "PROJECT_PATH:ACME/WEB:REF_TYPE:BRANCH:REF:MAIN"},
		"project_id":     {"7", "8", "?", "07", "7.0"},
		"project_path":   {"acme/web", "acme/*", "acme/web/api", "ACME/web", "*/*/*", "${gitlab.example.com:namespace_path}/web"},
		"namespace_path": {"acme", "acme/*", "acme*", "*web"},
		"ref":            {"main", "release/*", "", "*", "*?", "feature-1", "F*-?", "${gitlab.example.com:ref_type}"},
		"ref_protected":  {"true", "false", "TRUE", "t*"}, "ref_type": {"branch", "tag", "*a*", "${gitlab.example.com:nosuchclaim, 'tag'}"},
		"pipeline_source": {"push", "schedule", "*e*", "merge_request_event", "web"}, "environment": {"production", "stage", "prod*", ""},
		"environment_protected": {"true", "false"}, "user_id": {"1", "2", "03", "?"}, "user_login": {"ann", "bob", "", "*o*"}, "USER_LOGIN": {"Bob"}, "nosuchclaim": {"x", "", "*"},
	}
	operators := []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike", "StringLike", "StringEquals", "Bool", "NumericEquals", "NumericLessThan", "Null"}
	if !modelled {
		operators = append(operators, "DateLessThan", "IpAddress", "ArnLike", "BinaryEquals")
	}
	var statements []string
	for i := range 1 + r.Intn(3) {
		effect := pick("Allow", "Allow", "Deny")
		if i == 0 {
			effect = "Allow"
		}
		conditions := map[string]map[string][]string{}
		for range r.Intn(4) {
			op, k := pick(operators...), pick(keys...)
			var list []string
			for range 1 + r.Intn(2) {
				list = append(list, pick(values[k]...))
			}
			switch {
			case op == "Null" || op == "Bool":
				list = []string{pick("true", "false")}
			case strings.HasPrefix(op, "Numeric"):
				list = []string{pick("7", "2", "7.5", "-1")}
			case op == "DateLessThan":
				list = []string{"2026-11-23"}
			case op == "IpAddress":
				list = []string{"10.0.0.0/8"}
			case op == "ArnLike":
				list = []string{"arn:aws:iam::111122223333:oidc-provider/*"}
			case op == "BinaryEquals":
				list = []string{"bWFpbg=="}
			}
			op = pick("", "", "", "ForAnyValue:", "ForAllValues:") + op
			if !strings.Contains(op, "Null") {
				op += pick("", "", "IfExists")
			}
			k = gitlab.URL + ":" + k
			if !modelled && r.Intn(6) == 0 {
				k = "aws:SourceIp"
			}
			if conditions[op] == nil {
				conditions[op] = map[string][]string{}
			}
			if !hasFold(conditions[op], k) {
				conditions[op][k] = list
			}
		}
		text, _ := json.Marshal(conditions)
		c := ""
		if len(conditions) > 0 {
			c = `,"Condition":` + string(text)
		}
		statements = append(statements, fmt.Sprintf(`{"Effect":%q,"Principal":{"Federated":%q},"Action":%q%s}`, effect,
			pick(gitlab.String(), gitlab.String(), gitlab.String(), "arn:aws:iam::111122223333:oidc-provider/other.example.com"),
			pick("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity", "sts:*", "sts:TagSession"), c))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func hasFold(m map[string][]string, k string) bool {
	for have := range m {
		if strings.EqualFold(have, k) {
			return true
		}
	}
	return false
}

// lets is everything a policy lets in of a shape.
func (s *Shape) lets(w *regular.Work, doc *policy.Document) region {
	var out region
	for _, st := range doc.Statements() {
		if st.Trusts(gitlab) && st.CoversAction(actionWebIdentity) {
			r := s.allows(w, doc, st, gitlab)
			out.surely, out.perhaps, out.unmodelled = append(out.surely, r.surely...), append(out.perhaps, r.perhaps...), append(out.unmodelled, r.unmodelled...)
		}
	}
	return out
}

// agree compares what a policy lets in, as a set, with what the evaluator says of
// each request of the world.
func agree(t *testing.T, world []*Shape, all [][][]member, text string) (allowed int, exact bool) {
	t.Helper()
	doc, err := policy.Parse(policy.Trust, []byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	exact = true
	for i, s := range world {
		w := regular.NewWork(1 << 22)
		r := s.lets(w, doc)
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
		exact = exact && r.exact()
		for _, m := range all[i] {
			claims := s.claims(m)
			want := replay(doc, gitlab, claims).Allowed()
			surely, perhaps := contains(r.surely, m), contains(r.perhaps, m)
			if surely && !want || want && !perhaps || r.exact() && surely != perhaps {
				t.Fatalf("%s\n%v\nallowed: %v, as a set surely %v, perhaps %v (%q)", text, claims, want, surely, perhaps, r.unmodelled)
			}
			if want {
				allowed++
			}
		}
		for _, b := range r.surely {
			if m, ok := b.pick(); !ok || !replay(doc, gitlab, s.claims(m)).Allowed() {
				t.Fatalf("%s\nthe witness is refused: %v", text, s.claims(m))
			}
		}
	}
	return allowed, exact
}

// TestExact: over the small world a policy as a set is what the evaluator lets in.
func TestExact(t *testing.T) {
	t.Parallel()
	world := smallWorld()
	var all [][][]member
	for _, s := range world {
		all = append(all, requests(t, s))
	}
	r := rand.New(rand.NewSource(1))
	something, exactly := 0, 0
	policies := Fewer(600)
	for i := range policies {
		allowed, exact := agree(t, world, all, randomPolicy(r, i%3 != 0))
		if allowed > 0 {
			something++
		}
		if exact {
			exactly++
		}
	}
	if something < policies/10 || exactly < policies/2 {
		t.Errorf("of %d policies %d allow anything and %d are read exactly: the test says little", policies, something, exactly)
	}
	t.Logf("%d requests; of %d policies %d allow something, %d are read exactly", len(all[0])+len(all[1]), policies, something, exactly)
}

// FuzzExact is TestExact of a fuzzer's choosing.
func FuzzExact(f *testing.F) {
	for seed := range int64(8) {
		text := make([]byte, 200)
		rand.New(rand.NewSource(seed)).Read(text)
		f.Add(text)
	}
	world := smallWorld()
	var all [][][]member
	for _, s := range world {
		all = append(all, requests(f, s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := rand.New(&fuzzed{data})
		agree(t, world, all, randomPolicy(r, r.Intn(3) > 0))
	})
}

// fuzzed makes a fuzzer's bytes into random numbers: zeros, when they end.
type fuzzed struct{ data []byte }

func (s *fuzzed) Seed(int64) {}

func (s *fuzzed) Int63() int64 {
	if len(s.data) == 0 {
		return 0
	}
	b := s.data[0]
	s.data = s.data[1:]
	return int64(b) << 32
}
