package policy_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
)

// chooser makes choices, from a seed or from a fuzzer's bytes.
type chooser struct {
	data []byte
	rand *rand.Rand
}

func (c *chooser) n(n int) int {
	if c.rand != nil {
		return c.rand.IntN(n)
	}
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b) % n
}

func (c *chooser) maybe(oneIn int) bool { return c.n(oneIn) == 1 }

func pick[T any](c *chooser, from []T) T { return from[c.n(len(from))] }

// some picks up to n different elements, at least one.
func some[T any](c *chooser, from []T, n int) []T {
	var all []T
	for range 1 + c.n(n) {
		all = append(all, pick(c, from))
	}
	return all
}

// The small world: few enough words that statements meet requests.
var (
	worldKeys   = []string{"k:a", "K:A", "k:b", "k:list", "k:none", "aws:RequestTag/Team"}
	worldTexts  = []string{"", "a", "A", "ab", "a*b", "axb", "b"}
	worldValues = map[string][]string{
		"String":  {"a", "A", "ab", "a*", "*", "?", "a?b", "", "${k:b}", "${K:B}x", "a${k:none, 'b'}", "${k:none}", "${*}", "a${*}b", "${k:list}", "${k:none}${k:list}", "$a"},
		"Numeric": {"1", "2", "10", "1.0", "-1", "0.5", "9007199254740993"},
		"Date":    {"2026-11-23", "2026-11-23T03:00:00Z", "1795402800", "2026-11-23T04:00:00+01:00", "0"},
		"Bool":    {"true", "false", "True"},
		"Binary":  {"", "AA==", "bWF5Zmx5"},
		"Ip":      {"203.0.113.0/24", "203.0.113.7", "0.0.0.0/0", "2001:db8::/32", "::/0"},
		"Arn":     {"arn:aws:iam::111122223333:role/a", "arn:*:*:*:*:*", "arn:aws:iam::*:role/*", "arn:aws:iam::111122223333:role/${k:b}", "arn:aws:${k:none}::${k:list}:a", "arn:aws:iam:*:role/a:x"},
		"Null":    {"true", "false"},
	}
	worldSeen      = []string{"", "a", "A", "ab", "a*b", "axb", "b", "1", "1.00", "10", "-1", "9007199254740992", "2026-11-23T00:00:00Z", "2026-11-23T03:00:00Z", "1795402801", "true", "FALSE", "AA==", "bWF5Zmx5", "203.0.113.7", "203.0.114.1", "2001:db8::1", "arn:aws:iam::111122223333:role/a", "arn:aws:iam::999922223333:role/a", "arn:aws:iam::x"}
	worldOperators = []string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
		"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
		"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals",
		"Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "Null"}
	worldActions       = []string{"s:get", "s:get", "s:put", "t:get", "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"}
	worldActionForms   = []string{"*", "*", "*", "s:*", "s:get", "S:GET", "s:?et", "t:*", "sts:AssumeRole", "sts:*"}
	worldTrustForms    = []string{"sts:*", "sts:AssumeRole", "STS:assumerole", "sts:TagSession", "sts:SetSourceIdentity"}
	worldResources     = []string{"*", "arn:aws:s:::a", "arn:aws:s:::ab", "arn:aws:s:::a*b"}
	worldResourceForms = []string{"*", "*", "*", "*", "arn:aws:s:::a", "arn:aws:s:::a*", "arn:aws:s:::?b", "arn:aws:s:::${k:b}", "arn:aws:s:::${k:none}*", "arn:aws:s:::${k:list}", "arn:aws:s:::${k:none, 'a'}", "arn:aws:s:::a${*}b", "arn:aws:*s:::a"}
	worldPrincipals    = []string{
		`"*"`, `"*"`, `{"AWS": "*"}`, `{"AWS": "111122223333"}`, `{"AWS": "111122223333"}`, `{"AWS": "arn:aws:iam::111122223333:root"}`, `{"AWS": "999922223333"}`,
		`{"AWS": "arn:aws:iam::111122223333:role/ci/deploy"}`, `{"AWS": "arn:aws:iam::111122223333:role/deploy"}`, `{"AWS": "AROAEXAMPLEEXAMPLE123"}`,
		`{"AWS": ["arn:aws:sts::111122223333:assumed-role/deploy/job-1", "999922223333"]}`, `{"AWS": "arn:aws:iam::111122223333:user/deploy"}`,
		`{"Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"}`, `{"Service": "ec2.amazonaws.com", "AWS": "AROAOTHEROTHEROTHER01"}`,
	}
)

// family is the kind of value an operator compares.
func family(operator string) string {
	base := strings.TrimPrefix(operator, "Not")
	for f := range worldValues {
		if strings.HasPrefix(base, f) {
			return f
		}
	}
	return ""
}

// worldStatement makes a statement of a kind.
func worldStatement(c *chooser, kind policy.Kind) map[string]any {
	s := map[string]any{"Effect": pick(c, []string{"Allow", "Allow", "Allow", "Allow", "Deny"})}
	actions, resources := worldActionForms, worldResourceForms[:len(worldResourceForms)-1]
	if kind == policy.Trust {
		actions = worldTrustForms
	}
	s[negatable(c, "Action", kind != policy.Trust)] = some(c, actions, 2)
	if kind != policy.Trust {
		s[negatable(c, "Resource", true)] = some(c, resources, 2)
	}
	if kind == policy.Trust || kind == policy.Resource {
		s[negatable(c, "Principal", kind == policy.Resource && s["Effect"] == "Deny")] = json.RawMessage(pick(c, worldPrincipals))
	}
	conditions := map[string]any{}
	for range pick(c, []int{0, 0, 1, 1, 2}) {
		operator := pick(c, worldOperators)
		values := worldValues[family(operator)]
		name := pick(c, []string{"", "", "ForAllValues:", "ForAnyValue:"}) + operator
		if operator != "Null" && c.maybe(5) {
			name += "IfExists"
		}
		list := some(c, values, 3)
		if c.maybe(20) {
			list = []string{}
		}
		conditions[name] = map[string]any{pick(c, worldKeys): list}
	}
	if len(conditions) > 0 {
		s["Condition"] = conditions
	}
	return s
}

func negatable(c *chooser, name string, may bool) string {
	if may && c.maybe(5) {
		return "Not" + name
	}
	return name
}

func worldDocument(c *chooser, kind policy.Kind) string {
	d := map[string]any{}
	if kind == policy.Boundary || !c.maybe(4) {
		d["Version"] = "2012-10-17"
	}
	var statements []any
	for range 1 + c.n(3) {
		statements = append(statements, worldStatement(c, kind))
	}
	d["Statement"] = statements
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// world is one question: for the package, and for the reference.
type world struct {
	req   policy.Request
	set   policy.Set
	ref   refRequest
	texts refLayers
}

func newWorld(t testing.TB, c *chooser) world {
	var w world
	w.chooseCaller(c)
	w.chooseContext(t, c)
	w.req.Action, w.req.Resource = pick(c, worldActions), pick(c, worldResources)
	w.ref.action, w.ref.resource = w.req.Action, w.req.Resource
	w.texts.owner = pick(c, []string{"111122223333", "111122223333", "111122223333", "999922223333"})
	w.set.ResourceAccount = arn.AccountID(w.texts.owner)
	resourceKind := policy.Resource
	if w.texts.trust = c.maybe(3); w.texts.trust {
		resourceKind = policy.Trust
	}
	w.set.Resource, w.texts.resource = worldLayer(t, c, resourceKind)
	w.set.Identity, w.texts.identity = worldLayer(t, c, policy.Permission)
	if c.maybe(3) {
		w.set.Session, w.texts.session = worldLayer(t, c, policy.SessionPolicy)
	}
	if c.maybe(3) {
		w.set.Boundary, w.texts.boundary = worldLayer(t, c, policy.Boundary)
	}
	return w
}

func worldLayer(t testing.TB, c *chooser, kind policy.Kind) (docs []*policy.Document, texts []string) {
	for range pick(c, []int{0, 1, 1, 2}) {
		text := worldDocument(c, kind)
		docs = append(docs, mustParse(t, kind, text))
		texts = append(texts, text)
	}
	return docs, texts
}

func (w *world) chooseCaller(c *chooser) {
	const id, account = "AROAEXAMPLEEXAMPLE123", "111122223333"
	role := arn.Role{Account: account, Path: "/ci/", Name: "deploy"}
	switch c.n(7) {
	case 0:
		w.req.Principal = policy.AnonymousPrincipal()
		w.ref.caller = refCaller{anonymous: true}
	case 1:
		w.req.Principal = policy.FederatedPrincipal(gitlab)
		w.ref.caller = refCaller{federated: gitlab.String()}
	case 2:
		w.req.Principal = policy.ServicePrincipal("ec2.amazonaws.com")
		w.ref.caller = refCaller{service: "ec2.amazonaws.com"}
	case 3:
		w.req.Principal = policy.RootPrincipal(account)
		w.ref.caller = refCaller{inAccount: true, account: account, isRoot: true}
	case 4:
		w.req.Principal = policy.UserPrincipal(arn.ARN{Partition: "aws", Service: "iam", Account: account, Resource: "user/deploy"})
		w.ref.caller = refCaller{inAccount: true, account: account, self: "arn:aws:iam::111122223333:user/deploy"}
	case 5:
		w.req.Principal = policy.RolePrincipal(role, id)
		w.ref.caller = refCaller{inAccount: true, account: account, role: role.String(), id: id}
	default:
		s := arn.Session{Account: account, Role: "deploy", Name: "job-1"}
		w.req.Principal = policy.SessionPrincipal(role, id, s)
		w.ref.caller = refCaller{inAccount: true, account: account, self: s.String(), role: role.String(), id: id}
	}
}

func (w *world) chooseContext(t testing.TB, c *chooser) {
	var b policy.ContextBuilder
	w.ref.single, w.ref.many = map[string]string{}, map[string][]string{}
	for _, key := range []string{"k:a", "k:b", "aws:requesttag/team"} {
		if c.maybe(4) {
			continue
		}
		value := pick(c, worldSeen)
		if key == "k:b" {
			value = pick(c, worldTexts)
		}
		b.Set(key, value)
		w.ref.single[key] = value
	}
	if !c.maybe(4) {
		values := some(c, worldSeen, 3)
		if c.maybe(5) {
			values = nil
		}
		b.SetMany("K:List", values)
		w.ref.many["k:list"] = values
	}
	var err error
	if w.req.Context, err = b.Context(); err != nil {
		t.Fatal(err)
	}
}

// check compares the two evaluators, and asks what must hold of any question.
func (w world) check(t testing.TB, c *chooser) {
	t.Helper()
	got, want := policy.Evaluate(w.req, w.set), refEvaluate(w.ref, w.texts)
	if got.Effect != want {
		t.Fatalf("Evaluate says %v, the reference %v\n%s", got.Effect, want, w.describe())
	}
	x := policy.Explain(w.req, w.set)
	if x.Effect != got.Effect || !slices.Equal(x.Statements, got.Statements) {
		t.Fatalf("Explain says %v, Evaluate %v\n%s", x.Effect, got.Effect, w.describe())
	}
	for i := range x.Traces {
		if tr := &x.Traces[i]; tr.Matched != (len(tr.Failures) == 0) {
			t.Fatalf("%s matched: %v, with %d failures\n%s", tr, tr.Matched, len(tr.Failures), w.describe())
		}
	}
	if (len(x.Silent) > 0) != (x.Effect == policy.ImplicitDeny) || x.Text(true) == "" || x.Text(false) == "" {
		t.Fatalf("%v with silent layers %v", x.Effect, x.Silent)
	}
	w.checkMetamorphic(t, c, got.Effect)
}

// checkMetamorphic: whatever is added or taken away in the narrowing direction
// never turns a refusal into an allow, and an explicit deny stays one.
func (w world) checkMetamorphic(t testing.TB, c *chooser, before policy.Effect) {
	t.Helper()
	narrower := map[string]policy.Set{
		"an added Deny":              w.with(func(s *policy.Set) { addStatement(t, c, s, "Deny") }),
		"an added session policy":    w.with(func(s *policy.Set) { narrowSession(t, c, s) }),
		"a removed Allow":            w.with(func(s *policy.Set) { removeStatement(t, c, s, "Allow") }),
		"a removed identity policy":  w.with(func(s *policy.Set) { s.Identity = withoutAllows(t, s.Identity) }),
		"another account's resource": w.with(func(s *policy.Set) { s.ResourceAccount = "999922223333" }),
	}
	for what, set := range narrower {
		if after := policy.Evaluate(w.req, set).Effect; after == policy.Allow && before != policy.Allow || before == policy.ExplicitDeny && after != policy.ExplicitDeny {
			t.Fatalf("%s turns %v into %v\n%s", what, before, after, w.describe())
		}
	}
}

func (w world) with(change func(*policy.Set)) policy.Set {
	s := w.set
	s.Resource, s.Identity = slices.Clone(s.Resource), slices.Clone(s.Identity)
	s.Session, s.Boundary = slices.Clone(s.Session), slices.Clone(s.Boundary)
	change(&s)
	return s
}

// rewrite parses a document again with its statements changed. A document left
// without statements gets one that matches nothing.
func rewrite(t testing.TB, d *policy.Document, change func([]any) []any) *policy.Document {
	var m map[string]any
	if err := json.Unmarshal(d.Text(), &m); err != nil {
		t.Fatal(err)
	}
	statements := change(m["Statement"].([]any))
	if len(statements) == 0 {
		nothing := map[string]any{"Effect": "Deny", "Action": "sts:SetContext"}
		if d.Kind() != policy.Trust {
			nothing["Resource"] = "arn:aws:none:::none"
		}
		if d.Kind() == policy.Trust || d.Kind() == policy.Resource {
			nothing["Principal"] = map[string]any{"AWS": "000000000000"}
		}
		statements = []any{nothing}
	}
	m["Statement"] = statements
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(t, d.Kind(), string(text))
}

// documentsOf are the set's lists that have documents.
func documentsOf(s *policy.Set) (lists [][]*policy.Document) {
	for _, l := range [][]*policy.Document{s.Resource, s.Identity, s.Session, s.Boundary} {
		if len(l) > 0 {
			lists = append(lists, l)
		}
	}
	return lists
}

func addStatement(t testing.TB, c *chooser, s *policy.Set, effect string) {
	lists := documentsOf(s)
	if len(lists) == 0 {
		return
	}
	l := pick(c, lists)
	i := c.n(len(l))
	added := worldStatement(c, l[i].Kind())
	added["Effect"] = effect
	l[i] = rewrite(t, l[i], func(all []any) []any { return append(all, added) })
}

func removeStatement(t testing.TB, c *chooser, s *policy.Set, effect string) {
	lists := documentsOf(s)
	if len(lists) == 0 {
		return
	}
	l := pick(c, lists)
	i := c.n(len(l))
	l[i] = rewrite(t, l[i], func(all []any) []any {
		at := c.n(len(all))
		if all[at].(map[string]any)["Effect"] != effect {
			return all
		}
		return slices.Delete(all, at, at+1)
	})
}

// narrowSession adds a session policy where there is none, else takes the
// Allows out of one that is there.
func narrowSession(t testing.TB, c *chooser, s *policy.Set) {
	if len(s.Session) == 0 {
		s.Session = []*policy.Document{mustParse(t, policy.SessionPolicy, worldDocument(c, policy.SessionPolicy))}
		return
	}
	s.Session = withoutAllows(t, s.Session)
}

func withoutAllows(t testing.TB, docs []*policy.Document) (narrowed []*policy.Document) {
	for _, d := range docs {
		narrowed = append(narrowed, rewrite(t, d, func(all []any) []any {
			return slices.DeleteFunc(all, func(s any) bool { return s.(map[string]any)["Effect"] == "Allow" })
		}))
	}
	return narrowed
}

func (w world) describe() string {
	return fmt.Sprintf("%s does %s to %s of %s, knowing %v %v\nresource (trust: %v): %s\nidentity: %s\nsession: %s\nboundary: %s\n%s",
		w.req.Principal, w.req.Action, w.req.Resource, w.texts.owner, w.ref.single, w.ref.many,
		w.texts.trust, strings.Join(w.texts.resource, "\n  "), strings.Join(w.texts.identity, "\n  "),
		strings.Join(w.texts.session, "\n  "), strings.Join(w.texts.boundary, "\n  "), policy.Explain(w.req, w.set).Text(true))
}

// TestAgainstReference compares with the reference evaluator on random
// questions, and counts that they are worth asking.
func TestAgainstReference(t *testing.T) {
	c := &chooser{rand: rand.New(rand.NewPCG(2026, 11))}
	count := map[policy.Effect]int{}
	n := 6_000
	if testing.Short() {
		n = 1_000
	}
	for range n {
		w := newWorld(t, c)
		w.check(t, c)
		count[policy.Evaluate(w.req, w.set).Effect]++
	}
	for effect := policy.ImplicitDeny; effect <= policy.Allow; effect++ {
		if count[effect] < n/20 {
			t.Errorf("only %d of %d questions end in %v", count[effect], n, effect)
		}
	}
	t.Logf("%v", count)
}

// FuzzEvaluate asks the same of questions the fuzzer makes.
func FuzzEvaluate(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 0))
	for range 20 {
		seed := make([]byte, 120)
		for i := range seed {
			seed[i] = byte(r.IntN(256))
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &chooser{data: data}
		newWorld(t, c).check(t, c)
	})
}
