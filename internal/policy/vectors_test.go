package policy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/vectortest"
)

// The cases of other implementations, with expected verdicts. A case that is
// not about what this room does is listed in testdata/skips.json under a
// sentence that says why; an entry that no case uses fails the test.

type vector struct {
	ID, Kind, Confidence, Name string

	// authorize, statement_eval
	Request struct {
		Action             string
		Resource           json.RawMessage
		Principal          json.RawMessage
		Context            map[string]any
		WildcardOnlyAction bool
		AccountName        string `json:"account_name"`
	}
	Policies struct {
		IdentityPolicies     []json.RawMessage
		ResourcePolicy       json.RawMessage
		SessionPolicy        json.RawMessage
		PermissionBoundaries []json.RawMessage
	}
	Policy     json.RawMessage
	PolicyKind string `json:"policy_kind"`

	// condition, resource_match, action_match, principal_match
	Condition       json.RawMessage
	Context         map[string]any
	Resource        string
	Action          string
	Patterns        []string
	Element, Effect string
	Principal       json.RawMessage
	PolicyPrincipal struct{ Type, Value string } `json:"policy_principal"`

	// trust_eval
	TrustPolicy  json.RawMessage `json:"trust_policy"`
	ProviderARN  string          `json:"provider_arn"`
	IssuerPrefix string          `json:"issuer_prefix"`
	Claims       map[string]string

	// validate
	PolicyType string `json:"policy_type"`
	Document   json.RawMessage

	Expected json.RawMessage
}

func (v *vector) expect() string { return strings.Trim(string(v.Expected), `"`) }

func loadVectors(t *testing.T) []vector {
	data := vectortest.Read(t, "iam-policy/cases.json")
	var file struct{ Cases []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

// skips are the cases not to run: id → why not.
func loadSkips(t *testing.T) map[string]string {
	data, err := os.ReadFile("testdata/skips.json")
	if err != nil {
		t.Fatal(err)
	}
	var groups []struct {
		Because string
		Cases   []string
	}
	if err := json.Unmarshal(data, &groups); err != nil {
		t.Fatal(err)
	}
	skips := map[string]string{}
	for _, g := range groups {
		if len(g.Because) < 20 {
			t.Errorf("a skip wants a sentence, not %q", g.Because)
		}
		for _, id := range g.Cases {
			if skips[id] != "" {
				t.Errorf("%s is skipped twice", id)
			}
			skips[id] = g.Because
		}
	}
	return skips
}

func TestVectors(t *testing.T) {
	cases, skips := loadVectors(t), loadSkips(t)
	judges := map[string]func(*testing.T, *vector){
		"authorize": judgeAuthorize, "statement_eval": judgeStatement, "condition": judgeCondition,
		"resource_match": judgeResource, "action_match": judgeAction, "principal_match": judgePrincipal,
		"trust_eval": judgeTrust, "validate": judgeParse,
	}
	ran := map[string]int{}
	for i := range cases {
		v := &cases[i]
		judge := judges[v.Kind]
		if judge == nil || v.Confidence != "high" {
			continue
		}
		if skips[v.ID] != "" {
			delete(skips, v.ID)
			continue
		}
		ran[v.Kind]++
		t.Run(v.ID, func(t *testing.T) { judge(t, v) })
	}
	for id, why := range skips {
		t.Errorf("testdata/skips.json skips %s, which is no case that would run (%s)", id, why)
	}
	t.Logf("cases run: %v", ran)
}

// judgeAuthorize composes all layers of a request.
func judgeAuthorize(t *testing.T, v *vector) {
	var resource struct{ Resource, AccountID string }
	if err := json.Unmarshal(v.Request.Resource, &resource); err != nil {
		t.Fatal(err)
	}
	set := policy.Set{ResourceAccount: arn.AccountID(resource.AccountID)}
	for _, d := range v.Policies.IdentityPolicies {
		set.Identity = append(set.Identity, parse(t, policy.Permission, acceptable(t, policy.Permission, d)))
	}
	for _, d := range v.Policies.PermissionBoundaries {
		set.Boundary = append(set.Boundary, parse(t, policy.Boundary, d))
	}
	if d := v.Policies.SessionPolicy; d != nil {
		set.Session = append(set.Session, parse(t, policy.SessionPolicy, d))
	}
	if d := v.Policies.ResourcePolicy; d != nil {
		kind := resourceKind(v.Request.Action)
		set.Resource = append(set.Resource, parse(t, kind, acceptable(t, kind, d)))
	}
	req := policy.Request{
		Principal: asker(t, v.Request.Principal), Action: v.Request.Action,
		Resource: resource.Resource, Context: contextOf(t, v.Request.Context),
	}
	got := policy.Evaluate(req, set)
	want := map[string]policy.Effect{
		"Allowed": policy.Allow, "ImplicitlyDenied": policy.ImplicitDeny, "ExplicitlyDenied": policy.ExplicitDeny,
	}[v.expect()]
	if got.Effect != want {
		t.Errorf("%s: %v, want %v\n%s", v.Name, got.Effect, want, policy.Explain(req, set).Text(true))
	}
}

// resourceKind: the resource policy of a role is its trust policy.
func resourceKind(action string) policy.Kind {
	if strings.HasPrefix(action, "sts:AssumeRole") {
		return policy.Trust
	}
	return policy.Resource
}

// acceptable rewrites what AWS refuses when a policy is saved and other engines
// pass over, so that the verdict can be compared all the same: "Principal":
// "arn:…" is read as {"AWS": "arn:…"}; a Principal in an identity policy and a
// Resource in a trust policy are taken out.
func acceptable(t *testing.T, kind policy.Kind, doc json.RawMessage) json.RawMessage {
	var d map[string]any
	if err := json.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	list, ok := d["Statement"].([]any)
	if !ok {
		return doc
	}
	for _, s := range list {
		s := s.(map[string]any)
		if name, ok := s["Principal"].(string); ok && name != "*" {
			s["Principal"] = map[string]any{"AWS": name}
		}
		switch kind {
		case policy.Trust:
			delete(s, "Resource")
		case policy.Permission:
			delete(s, "Principal")
		}
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func parse(t *testing.T, kind policy.Kind, doc json.RawMessage) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, doc)
	if err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return d
}

// asker makes the principal of a case from its ARN or name.
func asker(t *testing.T, raw json.RawMessage) policy.Principal {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return policy.AnonymousPrincipal()
	}
	if s, err := arn.ParseSession(name); err == nil {
		return policy.SessionPrincipal(arn.Role{Account: s.Account, Path: "/", Name: s.Role}, "AROAEXAMPLEEXAMPLE123", s)
	}
	if r, err := arn.ParseRole(name); err == nil {
		return policy.RolePrincipal(r, "AROAEXAMPLEEXAMPLE123")
	}
	a, err := arn.Parse(name)
	switch {
	case err != nil:
		return policy.ServicePrincipal(name)
	case a.Resource == "root":
		return policy.RootPrincipal(arn.AccountID(a.Account))
	}
	return policy.UserPrincipal(a)
}

func contextOf(t *testing.T, keys map[string]any) policy.Context {
	t.Helper()
	var b policy.ContextBuilder
	for k, v := range keys {
		switch v := v.(type) {
		case string:
			b.Set(k, v)
		case []any:
			var values []string
			for _, item := range v {
				values = append(values, item.(string))
			}
			b.SetMany(k, values)
		default:
			t.Fatalf("context key %s has a %T", k, v)
		}
	}
	c, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// judgeStatement evaluates one policy alone: does it allow, does it deny.
func judgeStatement(t *testing.T, v *vector) {
	kind, set := policy.Permission, policy.Set{ResourceAccount: "123456789012"}
	who := policy.RolePrincipal(arn.Role{Account: "123456789012", Path: "/", Name: "someone"}, "AROAEXAMPLEEXAMPLE123")
	if v.PolicyKind == "resourcePolicy" {
		kind = policy.Resource
	}
	if len(v.Request.Principal) > 0 && string(v.Request.Principal) != "null" {
		who = asker(t, v.Request.Principal)
	}
	d := parse(t, kind, v.Policy)
	if kind == policy.Resource {
		set.Resource = []*policy.Document{d}
	} else {
		set.Identity = []*policy.Document{d}
	}
	var resource string
	if err := json.Unmarshal(v.Request.Resource, &resource); err != nil {
		t.Fatal(err)
	}
	req := policy.Request{Principal: who, Action: v.Request.Action, Resource: resource, Context: contextOf(t, v.Request.Context)}
	got := policy.Evaluate(req, set).Effect
	ok := map[string]bool{
		"allow": got == policy.Allow, "not-allow": got != policy.Allow,
		"deny": got == policy.ExplicitDeny, "not-deny": got != policy.ExplicitDeny,
	}[v.expect()]
	if !ok {
		t.Errorf("%s: %v, want %s\n%s", v.Name, got, v.expect(), policy.Explain(req, set).Text(true))
	}
}

// ask wraps a fragment of a statement into a policy and asks whether it
// matches. A fragment that Parse refuses matches nothing.
func ask(t *testing.T, kind policy.Kind, statement string, req policy.Request) bool {
	t.Helper()
	d, err := policy.Parse(kind, []byte(`{"Version": "2012-10-17", "Statement": [`+statement+`]}`))
	if err != nil {
		t.Logf("refused: %v", err)
		return false
	}
	set := policy.Set{ResourceAccount: "123456789012", Identity: []*policy.Document{d}}
	if kind == policy.Resource {
		set.Identity, set.Resource = nil, set.Identity
	}
	if (req.Principal == policy.Principal{}) {
		req.Principal = policy.RolePrincipal(arn.Role{Account: "123456789012", Path: "/", Name: "someone"}, "AROAEXAMPLEEXAMPLE123")
	}
	return len(policy.Evaluate(req, set).Statements) > 0
}

func judgeCondition(t *testing.T, v *vector) {
	got := ask(t, policy.Permission, fmt.Sprintf(`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": %s}`, v.Condition),
		policy.Request{Action: "a:b", Resource: "*", Context: contextOf(t, v.Context)})
	if fmt.Sprint(got) != v.expect() {
		t.Errorf("%s: %s in %v is %v", v.Name, v.Condition, v.Context, got)
	}
}

func judgeAction(t *testing.T, v *vector) {
	patterns, _ := json.Marshal(v.Patterns)
	got := ask(t, policy.Permission, fmt.Sprintf(`{"Effect": "Allow", "Action": %s, "Resource": "*"}`, patterns),
		policy.Request{Action: v.Action, Resource: "*"})
	if fmt.Sprint(got) != v.expect() {
		t.Errorf("%s: %s matches %q: %v", v.Name, patterns, v.Action, got)
	}
}

func judgeResource(t *testing.T, v *vector) {
	patterns, _ := json.Marshal(v.Patterns)
	kind, who := policy.Permission, ""
	if _, test, _ := strings.Cut(v.Name, "> "); strings.HasPrefix(test, "resource:") {
		kind, who = policy.Resource, `"Principal": "*",`
	}
	got := ask(t, kind, fmt.Sprintf(`{"Effect": %q, %s "Action": "*", %q: %s}`, v.Effect, who, v.Element, patterns),
		policy.Request{Action: "a:b", Resource: v.Resource, Context: contextOf(t, v.Context)})
	if fmt.Sprint(got) != v.expect() {
		t.Errorf("%s: %s %s matches %q: %v", v.Name, v.Element, patterns, v.Resource, got)
	}
}

func judgePrincipal(t *testing.T, v *vector) {
	got := ask(t, policy.Resource, fmt.Sprintf(`{"Effect": %q, "Principal": {%q: %q}, "Action": "*", "Resource": "*"}`,
		v.Effect, v.PolicyPrincipal.Type, v.PolicyPrincipal.Value), policy.Request{Principal: asker(t, v.Principal), Action: "a:b", Resource: "*"})
	if want := v.expect() != "NoMatch"; got != want {
		t.Errorf("%s: %v names %s: %v", v.Name, v.PolicyPrincipal, v.Principal, got)
	}
}

// judgeTrust asks a trust policy about a web identity.
func judgeTrust(t *testing.T, v *vector) {
	p, err := arn.ParseProvider(v.ProviderARN)
	if err != nil {
		t.Fatal(err)
	}
	var b policy.ContextBuilder
	for name, value := range v.Claims {
		b.Set(v.IssuerPrefix+":"+name, value)
	}
	c, err := b.Context()
	if err != nil {
		t.Fatal(err)
	}
	got := policy.Evaluate(
		policy.Request{Principal: policy.FederatedPrincipal(p), Action: "sts:AssumeRoleWithWebIdentity", Context: c},
		policy.Set{Resource: []*policy.Document{parse(t, policy.Trust, v.TrustPolicy)}, ResourceAccount: p.Account})
	if fmt.Sprint(got.Allowed()) != v.expect() {
		t.Errorf("%s: %v", v.Name, got.Effect)
	}
}

// judgeParse compares acceptance, and AWS's sentence for refusals.
func judgeParse(t *testing.T, v *vector) {
	var want struct {
		Valid   bool
		Message string
	}
	if err := json.Unmarshal(v.Expected, &want); err != nil {
		t.Fatal(err)
	}
	text := []byte(v.Document)
	var raw string
	if json.Unmarshal(text, &raw) == nil {
		text = []byte(raw)
	}
	_, err := policy.Parse(policy.Managed, text)
	if (err == nil) != want.Valid {
		t.Fatalf("%s: %v\n%s", v.Name, err, text)
	}
	if e, ok := err.(*policy.SyntaxError); ok && e.Detail != want.Message {
		t.Errorf("%s\n got %s\nwant %s\n%v", text, e.Detail, want.Message, err)
	}
}
