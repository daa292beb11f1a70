package webidentity

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/strictjson"
)

// TestWhoCounts: a statement that matches lets in whom it means.
func TestWhoCounts(t *testing.T) {
	person := map[string]any{"iss": "https://gitlab.example", "aud": "login", "sub": "7"}
	const anyone = `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"}`
	for _, tt := range []struct {
		name, statements string
		claims           map[string]any
		allowed          bool
		outcome          string
	}{
		{"a job", allow(ownProject), web(), true, Matches},
		{"a person, without the audience's name", allow(`"StringEquals":{"gitlab.example:sub":"7"}`), person, false, DoesNotCount},
		{"a person, by a pattern of the audience", allow(`"StringLike":{"gitlab.example:aud":"login"}`), person, false, DoesNotCount},
		{"a person, by the audience and another", allow(`"StringEquals":{"gitlab.example:aud":["login","mayfly"]}`), person, false, DoesNotCount},
		{"a person, by the audience", allow(`"StringEquals":{"gitlab.example:aud":"login"}`), person, true, Matches},
		{"everyone, of an issuer that is not shared", anyone, web(), true, Matches},
	} {
		a := askAs(t, settingsOfGitLab, tt.statements, tt.claims)
		trace := a.Trace()
		if a.Allowed() != tt.allowed || trace.Statements[0].Outcome != tt.outcome || (trace.Effect == policy.Allow.String()) != tt.allowed || (len(a.Matched()) > 0) != tt.allowed || (a.Cause() == "") != tt.allowed {
			t.Errorf("%s: %v, %+v, %q", tt.name, a.Allowed(), trace, a.Cause())
		}
		if (len(trace.Hints) == 0) != tt.allowed {
			t.Errorf("%s: the hints are %q", tt.name, trace.Hints)
		}
		if said := a.ForCaller(true); said != "" && said != notCounting { // who is named is told that, and what is allowed needs no words
			t.Errorf("%s: the caller reads %q", tt.name, said)
		}
	}
	if a := (Answer{}); a.Allowed() || a.ForCaller(true) != "" {
		t.Error("the zero value allows")
	}
}

// TestSharedIssuer: a statement of a shared issuer says whose tokens it means.
func TestSharedIssuer(t *testing.T) {
	old := provider
	defer func() { provider = old }()
	provider.URL = "gitlab.com"
	claims := with(map[string]any{"iss": "https://gitlab.com"})
	a := ask(t, allow(`"StringEquals":{"gitlab.com:project_id":"20"}`), claims)
	if a.Allowed() || a.Trace().Statements[0].Outcome != DoesNotCount || !strings.HasPrefix(a.Trace().Hints[0], "statement 1 does not count: anyone can get a token of this issuer") || a.ForCaller(false) != notCounting {
		t.Errorf("%+v %q", a.Trace(), a.ForCaller(false))
	}
	if a := ask(t, allow(`"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"}`), claims); !a.Allowed() {
		t.Errorf("%+v", a.Trace())
	}
}

// TestStranger: whatever a policy says, who is not of its projects hears nothing.
func TestStranger(t *testing.T) {
	for _, statements := range []string{
		allow(`"StringEquals":{"gitlab.example:sub":"project_path:acme/other:ref_type:branch:ref:main"}`),
		allow(`"StringLike":{"gitlab.example:sub":"project_path:*:ref_type:branch:ref:prod"}`), // first segment
		allow(`"StringLike":{"gitlab.example:sub":"project_path:acm*/web:ref_type:branch:ref:prod"}`),
		allow(`"StringLike":{"gitlab.example:sub":"project_path:acme/web:*","gitlab.example:ref":"prod"},"StringEquals":{"gitlab.example:project_id":"21"}`),
		allow(`"StringLike":{"gitlab.example:sub":"project_path:acme/web:*","gitlab.example:ref":"prod"},"StringEquals":{"gitlab.example:namespace_id":"73"}`),
		allow(`"StringNotEquals":{"gitlab.example:sub":"project_path:acme/web:ref_type:branch:ref:main"}`),
		allow(`"StringEquals":{"gitlab.example:ref":"prod"}`),
		allow(`"StringEquals":{"gitlab.example:project_path":"acme/web","gitlab.example:ref":"prod"}`), // not among the terms of CONTRACTS §3
		strings.Replace(allow(ownProject+`,"StringEquals":{"gitlab.example:ref":"prod"}`), `"sts:AssumeRoleWithWebIdentity"`, `"sts:TagSession"`, 1),
		strings.Replace(allow(ownProject+`,"StringEquals":{"gitlab.example:ref":"prod"}`), "oidc-provider/gitlab.example", "oidc-provider/gitlab.example2", 1),
		`{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{` + ownProject + `}}`,
	} {
		a := ask(t, statements, web())
		if a.Allowed() || a.ForCaller(false) != "" || a.ForCaller(true) != "" {
			t.Errorf("%s\ntells %q", statements, a.ForCaller(true))
		}
		if trace := a.Trace(); len(trace.Hints) == 0 || len(trace.Statements) != 1 {
			t.Errorf("%s\ntells the operator %+v", statements, trace)
		}
	}
}

// TestTrace: the whole trace, as text and through its JSON.
func TestTrace(t *testing.T) {
	a := ask(t, `{"Sid":"Other","Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/other.example"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"other.example:sub":"x"}}},`+
		allow(`"StringLike":{"gitlab.example:sub":["project_path:acme/web:ref_type:tag:*","project_path:acme/api:*"]},"Bool":{"gitlab.example:ref":"true"}`), web())
	const want = `sts:AssumeRoleWithWebIdentity: implicit deny
trust policy, statement "Other" (Allow) does not match:
  Principal: it does not name the caller, arn:aws:iam::111122223333:oidc-provider/gitlab.example
  StringEquals other.example:sub
    the request has no other.example:sub, wanted is a text listed
    the policy lists "x"
trust policy, statement 2 (Allow) does not match:
  StringLike gitlab.example:sub
    the role wants a tag, this job ran on the branch "main"
    the request has  "project_path:acme/web:ref_type:branch:ref:main"
    the policy lists "project_path:acme/web:ref_type:tag:*", "project_path:acme/api:*"
  Bool gitlab.example:ref
    gitlab.example:ref is "main", which cannot be compared: wanted is true or false, as listed
    the request has  "main"
    the policy lists "true"
`
	trace := a.Trace()
	if got := trace.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again, err := DecodeTrace(trace.Encode())
	if err != nil || !reflect.DeepEqual(again, trace) {
		t.Errorf("%+v, %v", again, err)
	}
	if allowed := ask(t, allow(ownProject), web()).Trace(); allowed.Text() != "sts:AssumeRoleWithWebIdentity: allow\ntrust policy, statement 1 (Allow) matches\n" {
		t.Errorf("allowed: %s", allowed.Text())
	}
	for _, text := range []string{"", "{}", "[]", `{"action":"a"}`, `{"action":1,"effect":"b"}`} {
		if got, err := DecodeTrace(text); err == nil || !reflect.DeepEqual(got, Trace{}) {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

// TestTraceIsBounded: however long policy and claims are.
func TestTraceIsBounded(t *testing.T) {
	var statements []string
	for i := range 60 {
		statements = append(statements, allow(fmt.Sprintf(`"StringEquals":{"gitlab.example:note":["%s"],"gitlab.example:n%d":[%s"x"]}`, strings.Repeat(`\u202e`, 40), i, strings.Repeat(`"y",`, 30))))
	}
	a := ask(t, strings.Join(statements, ","), with(map[string]any{"note": strings.Repeat("é\"<", 3000)}))
	text := a.Trace().Encode()
	trace, err := DecodeTrace(text)
	if err != nil || len(text) > MaxTrace || len(text) < MaxTrace/2 || trace.LeftOut == 0 || trace.LeftOut+len(trace.Statements) != 60 || !json.Valid([]byte(text)) {
		t.Errorf("%d bytes, %d statements, %d left out, %v", len(text), len(trace.Statements), trace.LeftOut, err)
	}
	if got := trace.Text(); !strings.Contains(got, "and 5") || strings.ContainsAny(got, "\u202e\x1b") {
		t.Errorf("%s", got)
	}
	if said := a.ForCaller(true); said != "" {
		t.Errorf("a stranger reads %q", said)
	}
	// Claims that JSON makes six times as long.
	claims, keys := web(), []string(nil)
	for i := range 12 {
		claims[fmt.Sprint("c", i)] = strings.Repeat("<", 3000)
		keys = append(keys, fmt.Sprintf(`"gitlab.example:c%d":"<*"`, i))
	}
	conditions := ownProject + `,"StringNotLike":{` + strings.Join(keys, ",") + `}`
	text = ask(t, allow(conditions), claims).Trace().Encode()
	if trace, err := DecodeTrace(text); err != nil || len(text) > MaxTrace || len(trace.Hints) == 0 {
		t.Errorf("%d bytes, %d hints, %v", len(text), len(trace.Hints), err)
	}
}

// FuzzTrace: what is read is written again alike, and nothing in it steers a
// terminal.
func FuzzTrace(f *testing.F) {
	f.Add(`{"action":"sts:AssumeRole","effect":"implicit deny","hints":["a"],"statements":[{"name":"statement 1","effect":"Allow","outcome":"does not match","failures":[{"element":"Condition","operator":"Bool","key":"k","seen":["a"],"wanted":["b"],"reason":"r"}]}],"left_out":1}`)
	f.Add(`{"action":"\u001b[31m","effect":"x","statements":[{"failures":[{"key":"\u009b"}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		trace, err := DecodeTrace(text)
		if err != nil {
			if !reflect.DeepEqual(trace, Trace{}) {
				t.Errorf("an error came with %+v", trace)
			}
			return
		}
		if shown := trace.Text(); strings.ContainsAny(shown, "\x1b\r\u009b\u202e") {
			t.Errorf("%q", shown)
		}
		again, err := DecodeTrace(encode(trace))
		if err != nil || encode(again) != encode(trace) {
			t.Errorf("%+v became %+v, %v", trace, again, err)
		}
	})
}

// FuzzAsk: whatever policies and claims say, the trace agrees with the decision
// and keeps its bound, and who is not of a statement's project hears nothing.
func FuzzAsk(f *testing.F) {
	f.Add(`"StringLike":{"gitlab.example:sub":"project_path:acme/web:*"},"StringEquals":{"gitlab.example:ref":"main"}`, `{"iss":"https://gitlab.example","aud":"mayfly","sub":"project_path:acme/web:ref_type:branch:ref:dev","ref":"dev"}`)
	f.Add(`"StringEquals":{"gitlab.example:sub":["project_path:acme/web:ref:main","${aws:x}"]},"Null":{"gitlab.example:x":"true"}`, `{"iss":"https://gitlab.example","aud":"mayfly","sub":"project_path:acme/web:ref:dev","x":[1,true],"user_email":"a@b"}`)
	f.Add(`"StringNotLike":{"gitlab.example:sub":"*:*"},"ForAnyValue:StringLike":{"gitlab.example:x":"?"}`, `{"iss":"https://gitlab.example","aud":"mayfly","sub":"::","x":["a","b"]}`)
	f.Fuzz(func(t *testing.T, conditions, claims string) {
		trust, err := policy.Parse(policy.Trust, []byte(`{"Version":"2012-10-17","Statement":[`+allow(conditions)+`]}`))
		if err != nil {
			return
		}
		payload, err := strictjson.Parse([]byte(claims))
		if err != nil {
			return
		}
		said, _, err := oidc.Suppose(oidc.Provider{URL: "https://" + provider.URL, Account: account, ClientIDs: []string{"mayfly"}}, oidc.Settings{}, payload)
		if err != nil {
			return
		}
		var b policy.ContextBuilder
		ClaimKeys(&b, provider, said)
		keys, err := b.Context()
		if err != nil {
			return
		}
		q := Question{Trust: trust, Account: account, Provider: provider, Claims: said, Keys: keys}
		a := q.Ask()
		trace := a.Trace()
		if text := trace.Encode(); len(text) > MaxTrace || (trace.Effect == "allow") != a.Allowed() || (len(trace.Hints) > 0) == a.Allowed() {
			t.Errorf("allowed: %v, %d bytes of %+v", a.Allowed(), len(text), trace)
		}
		if heard := a.ForCaller(true); (heard != "") != (!a.Allowed() && trust.Knows(q.project())) {
			t.Errorf("heard is %q", heard)
		}
		if shown := trace.Text(); strings.ContainsAny(shown, "\x1b\r\u009b\u202e") {
			t.Errorf("%q", shown)
		}
	})
}
