package sts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/webidentity"
)

// TestExplanation: who belongs to the role's projects learns which of its own
// claims failed; everybody else learns nothing.
func TestExplanation(t *testing.T) {
	w := newWorld(t)
	const secretTerms = `"StringLike":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:release-*"},"StringEquals":{"gitlab.com:environment":"hidden-environment"},"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`
	role := w.role(t, "deployer", trust(
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:other/hidden-project:ref_type:branch:ref:main","gitlab.com:project_id":"99","gitlab.com:runner_environment":"hidden","gitlab.com:user_login":"hidden"}`),
		statement(gitlab, assume, secretTerms)))
	deny := w.role(t, "denied", trust(statement(gitlab, assume, anyBranch),
		`{"Sid":"HiddenSid","Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"gitlab.com:ref":"main"}}}`))
	// The other project's statement comes as near as the own one, and first.
	tie := w.role(t, "tie", trust(
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:other/hidden-project:ref_type:branch:ref:main"}`),
		statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:release"}`)))
	tagless := w.role(t, "tagless", trust(statement(gitlab, assume, anyBranch)))
	tagged := w.job(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}})
	for _, tt := range []struct {
		name, role, token string
		values            bool
		has, hasNot       []string
	}{
		{"a job of the project, on another branch", role, w.job(), false,
			[]string{notAuthorized + ". ", `the role wants a branch whose name fits a pattern, this job ran on the branch "main" (StringLike gitlab.com:sub)`, "this job has no environment (StringEquals gitlab.com:environment)", "a condition that is not about the token is not met", "(denial denial-1)"},
			[]string{"hidden", "release-", "SourceIp", "192.0.2.7", "198.51.100", "99"}},
		{"the same where the operator shows values", role, w.job(), true,
			[]string{"release-*", "hidden-environment"}, []string{"hidden-project", "198.51.100"}},
		{"a statement of another project that comes as near", tie, w.job(), true, []string{"ref:release"}, []string{"hidden"}},
		{"a job of another project", role, w.issuer.Token(jobOf("acme/web2", "main")), false, nil, nil},
		{"a job of another project where the operator shows values", role, w.issuer.Token(jobOf("acme/web2", "main")), true, nil, nil},
		{"an explicit deny", deny, w.job(), false, []string{"A statement of the role's trust policy denies it"}, []string{"HiddenSid", "ref"}},
		{"tags that no statement allows", tagless, tagged, false, []string{"sts:TagSession"}, []string{"acme"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := w.Settings
			defer func() { w.Settings = settings }()
			w.Settings = func(issuer string) oidc.Settings {
				s := settings(issuer)
				if tt.values {
					s.Explain = oidc.ExplainValues
				}
				return s
			}
			_, reason, text := w.exchange(t, input(tt.role, tt.token))
			if reason != NotTrusted {
				t.Fatal(reason)
			}
			if tt.has == nil && text != notAuthorized {
				t.Errorf("a stranger learns %q", text)
			}
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			for _, leak := range tt.hasNot {
				if strings.Contains(strings.TrimPrefix(text, notAuthorized), leak) {
					t.Errorf("%q says %q", text, leak)
				}
			}
		})
	}
}

// TestExplanationOfHostileClaims: a claim is quoted, and a long one is cut.
func TestExplanationOfHostileClaims(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, `"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"},"StringEquals":{"gitlab.com:note":"x"}`)))
	_, reason, text := w.exchange(t, input(role, w.job(map[string]any{"note": "\x1b[31m\r\n\"<script>"})))
	if reason != NotTrusted || strings.ContainsAny(text, "\x1b\r\n") || !strings.Contains(text, `\x1b`) {
		t.Errorf("%q %q", reason, text)
	}
	_, _, text = w.exchange(t, input(role, w.job(map[string]any{"note": strings.Repeat("é", 3000)})))
	if len(text) > maxExplanation+200 || strings.ContainsRune(text, '�') || !strings.Contains(text, "… (denial") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}

// explained asks what a role says of a token.
func (w *world) explained(t *testing.T, role, token string) Explained {
	t.Helper()
	name, err := arn.ParseRole(role)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := w.db.Snapshot().RoleByARN(name)
	if !ok {
		t.Fatal("no such role")
	}
	in := input(role, token)
	out, err := w.Explain(t.Context(), ExplainInput{Role: r, SessionName: in.SessionName, Token: token, Info: in.Info})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestExplainAgrees: what is explained as allowed is exchanged, and what is not is
// not, with the trace that the refusal leaves; nothing is issued or recorded.
func TestExplainAgrees(t *testing.T) {
	w := newWorld(t)
	tags := map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Team": []string{"a"}}, "transitive_tag_keys": []string{"Team"}}}
	roles := map[string]string{}
	for name, statements := range map[string]string{
		"exact": statement(gitlab, assume, onlyWeb), "any": statement(gitlab, `"sts:*"`, anyBranch), "untagged": statement(gitlab, assume, anyBranch),
		"tagged": statement(gitlab, `"sts:*"`, anyBranch+`,"StringEquals":{"aws:RequestTag/Team":"a"},"ForAllValues:StringEquals":{"sts:TransitiveTagKeys":"Team"}`),
		"people": statement(gitlab, assume, `"StringEquals":{"gitlab.com:aud":"`+login+`"},"StringLike":{"gitlab.com:sub":"1*"}`), "here": statement(gitlab, assume, anyBranch+`,"IpAddress":{"aws:SourceIp":"192.0.2.0/24"},"StringEquals":{"sts:RoleSessionName":"run-1"},"NumericEquals":{"sts:DurationSeconds":"3600"}`),
		"elsewhere": statement(gitlab, assume, anyBranch+`,"IpAddress":{"aws:SourceIp":"198.51.100.0/24"}`), "unsigned": statement(gitlab, assume, anyBranch+`,"Null":{"aws:RequestedRegion":"true"}`), "machines": statement(machine, assume, `"StringLike":{"machines.example:sub":"machine-*"}`),
		"denies": statement(gitlab, assume, anyBranch) + `,{"Effect":"Deny","Principal":"*","Action":"sts:*","Condition":{"StringEquals":{"gitlab.com:ref":"dev"}}}`,
	} {
		roles[name] = w.role(t, name, trust(statements))
	}
	tokens := map[string]string{
		"main": w.job(), "dev": w.issuer.Token(jobOf(project, "dev")), "another project": w.issuer.Token(jobOf("acme/web2", "main")), "tags": w.job(tags), "another audience": w.job(map[string]any{"aud": "other"}),
		"expired": w.job(map[string]any{"exp": now.Unix()}), "future": w.job(map[string]any{"iat": now.Unix() + 3600, "exp": now.Unix() + 7200}), "a person": w.issuer.Token(map[string]any{"iss": gitlab, "aud": login, "sub": "17"}), "a machine": w.workload(nil), "two claims": w.job(map[string]any{"Ref": "x"}),
		"no sub": w.workload(map[string]any{"sub": ""}), "forged": w.job()[:len(w.job())-30] + strings.Repeat("A", 30),
	}
	allowed := 0
	for role, name := range roles {
		for token, text := range tokens {
			n := len(w.events(t))
			said := w.explained(t, name, text)
			if len(w.events(t)) != n {
				t.Errorf("%s, %s: something is recorded", role, token)
			}
			_, reason, public := w.exchange(t, input(name, text))
			if said.Allowed != (reason == 0) || said.Allowed && (said.Trace == nil || said.Trace.Effect != "allow" || len(said.Problems)+len(said.Unchecked) > 0) {
				t.Errorf("%s, %s: %+v, and the exchange says %v %s", role, token, said, reason, public)
			}
			if reason == NotTrusted {
				events := w.events(t)
				if got := events[len(events)-1].Detail["trace"]; got != said.Trace.Encode() || len(said.Problems) > 0 {
					t.Errorf("%s, %s: recorded is %s\nexplained %s, %q", role, token, got, said.Trace.Encode(), said.Problems)
				}
			} else if reason != 0 && (len(said.Problems) == 0 || said.Problems[0] != public) {
				t.Errorf("%s, %s: the problems are %q, the refusal is %q", role, token, said.Problems, public)
			}
			if said.Allowed {
				allowed++
			}
		}
	}
	if allowed < 10 {
		t.Errorf("only %d pairs are allowed", allowed)
	}
}

// TestExplainClaims: claims without a token are asked about as far as there is
// something to ask.
func TestExplainClaims(t *testing.T) {
	w := newWorld(t)
	r, _ := w.db.Snapshot().Role("mayfly-admin")
	ask := func(in ExplainInput) (Explained, error) {
		in.Role, in.Info = r, request.Info{ID: "r", Time: now}
		return w.Explain(t.Context(), in)
	}
	for claims, want := range map[string]string{
		`{}`:                            "No OpenIDConnect provider found in your account for ",
		`{"iss":"https://gitlab.com/"}`: "No OpenIDConnect provider found in your account for https://gitlab.com/",
		`{"iss":"https://gitlab.com"}`:  "Missing a required claim: sub",
		`{"iss":"https://gitlab.com","sub":"x","aud":"mayfly","A":1,"a":2}`: "two claims are called a but for upper and lower case",
	} {
		said, err := ask(ExplainInput{SessionName: "run-1", Claims: claims})
		if err != nil || said.Allowed || len(said.Problems) == 0 || !strings.HasPrefix(said.Problems[0], want) {
			t.Errorf("%s: %+v, %v", claims, said, err)
		}
	}
	said, err := ask(ExplainInput{SessionName: "run-1", Claims: `{"iss":"https://machines.example","sub":"x","aud":"mayfly"}`})
	if err != nil || said.Allowed || len(said.Problems) != 0 || len(said.Unchecked) != 1 || said.Trace == nil {
		t.Errorf("%+v, %v", said, err)
	}
	for _, in := range []ExplainInput{
		{SessionName: "run-1"}, {SessionName: "run-1", Token: "a", Claims: "{}"}, {SessionName: "a b", Claims: "{}"}, {Claims: "{}"}, {SessionName: "run-1", Token: "a.b"}, {SessionName: "run-1", Claims: "[]"}, {SessionName: "run-1", Claims: `{"a":1,"a":2}`}, {SessionName: "run-1", Claims: `{} {}`},
	} {
		if said, err := ask(in); problem(err) == "" || said.Trace != nil || said.Allowed {
			t.Errorf("%+v: %+v, %v", in, said, err)
		} else if _, ok := errors.AsType[*Refusal](err); !ok {
			t.Errorf("%+v: %v", in, err)
		}
	}
	// The issuer's keys cannot be had: what the policy says can be said.
	role := w.role(t, "exact", trust(statement(gitlab, assume, onlyWeb)))
	w.keys.err = errors.New("no route to host")
	said = w.explained(t, role, w.job())
	if !said.Allowed || len(said.Unchecked) != 1 || !strings.Contains(said.Unchecked[0], "keys could not be had") {
		t.Errorf("%+v", said)
	}
}

// TestAssumeRoleTrace: a refused AssumeRole is recorded with every statement that
// had a say, of the role's trust policy too; the caller hears of none.
func TestAssumeRoleTrace(t *testing.T) {
	w := newWorld(t)
	c := w.ci(t, mayAssume)
	next := w.make(t, iam.Role{Name: "next"}, trust(trusts(roleStart+"ci", assumeRole, `"StringEquals":{"sts:ExternalId":"hidden-id"}`)), "")
	_, reason, public := w.assume(t, c, asks(next))
	if reason != NotAllowed || strings.Contains(public, "hidden-id") {
		t.Fatal(reason, public)
	}
	events := w.events(t)
	trace, err := webidentity.DecodeTrace(events[len(events)-1].Detail["trace"])
	if err != nil || trace.Action != "sts:AssumeRole" || len(trace.Statements) != 2 || trace.Statements[0].Failures[0].Wanted[0] != "hidden-id" || trace.Statements[1].Outcome != webidentity.Matches {
		t.Errorf("%+v, %v", trace, err)
	}
	if _, reason, _ = w.assume(t, c, asks(roleStart+"none")); reason != NotAllowed {
		t.Fatal(reason)
	}
	events = w.events(t)
	if trace, err := webidentity.DecodeTrace(events[len(events)-1].Detail["trace"]); err != nil || len(trace.Statements) != 1 {
		t.Errorf("%+v, %v", trace, err)
	}
}

// TestRefusalsTakeTheirTime: a refusal by a role waits, one that is about the
// request or the token does not.
func TestRefusalsTakeTheirTime(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "exact", trust(statement(gitlab, assume, onlyWeb)))
	waited := time.Duration(-1)
	w.Wait = func(_ context.Context, d time.Duration) { waited = d }
	for _, tt := range []struct {
		role, token string
		want        time.Duration
	}{{role, w.issuer.Token(jobOf("other/web", "main")), refusalTime}, {roleStart + "none", w.job(), refusalTime}, {role, w.job(), -1}, {role, w.job(map[string]any{"aud": "other"}), -1}, {role, "x", -1}} {
		waited = -1
		if w.exchange(t, input(tt.role, tt.token)); waited != tt.want {
			t.Errorf("%s: it waits %v, want %v", tt.role, waited, tt.want)
		}
	}
	c := w.ci(t, mayAssume)
	waited = -1
	if w.assume(t, c, asks(roleStart+"none")); waited != refusalTime {
		t.Errorf("AssumeRole waits %v", waited)
	}
}
