package sts

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
)

func TestExchange(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	out, reason, _ := w.exchange(t, input(role, w.job()+"\n"))
	if reason != 0 {
		t.Fatal(reason)
	}
	if got := out.Principal.ARN().String(); got != "arn:aws:sts::111122223333:assumed-role/deployer/run-1" {
		t.Error("the session is", got)
	}
	if out.Subject != "project_path:acme/web:ref_type:branch:ref:main" || out.Audience != audience || out.Provider.URL != gitlab || out.Credentials.PackedPercent != 0 {
		t.Errorf("the answer is %+v", out)
	}
	if want := now.Add(time.Hour); !out.Credentials.Expires.Equal(want) {
		t.Errorf("it expires at %s, want %s", out.Credentials.Expires, want)
	}
	opened, err := session.Open(out.Credentials.Token.Reveal(), out.Credentials.AccessKeyID, account, w.Sealer)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Claims.ProjectPath != project || opened.Claims.Ref != "main" || opened.Claims.JobID != "302" || opened.Secret().Reveal() != out.Credentials.Secret.Reveal() {
		t.Errorf("the session token holds %+v", opened)
	}
	events := w.events(t)
	if len(events) != 1 {
		t.Fatalf("%d events are recorded", len(events))
	}
	e := events[0]
	if e.Outcome != audit.Allowed || e.Resource != role || e.Issued != out.Session.ID.String() || e.Claims["project_path"] != project || e.Source != "192.0.2.7" || e.Request != "denial-1" || len(e.Matched) != 1 || !e.Expires.Equal(out.Credentials.Expires) {
		t.Errorf("the event is %+v", e)
	}
}

// TestRefusals: what differs from the allowed case in one thing is refused, for
// that reason, with AWS's words; and only what is the issuer's word is recorded
// one by one.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	person := fakeissuer.PersonClaims(login, "7")
	person["iss"] = gitlab
	with := func(name string, value any) string { return w.job(map[string]any{name: value}) }
	ask := func(change func(*WebIdentityInput)) WebIdentityInput {
		in := input(role, w.job())
		change(&in)
		return in
	}
	token := func(text string) WebIdentityInput { return input(role, text) }
	good := w.job()
	for _, tt := range []struct {
		name     string
		in       WebIdentityInput
		want     Reason
		text     string
		recorded bool
	}{
		{"session name of one character", ask(func(in *WebIdentityInput) { in.SessionName = "x" }), InvalidParameter, "role session name", false},
		{"session name with a slash", ask(func(in *WebIdentityInput) { in.SessionName = "a/b" }), InvalidParameter, "role session name", false},
		{"session name of 65 characters", ask(func(in *WebIdentityInput) { in.SessionName = strings.Repeat("a", 65) }), InvalidParameter, "role session name", false},
		{"ProviderId, which is for OAuth", ask(func(in *WebIdentityInput) { in.ProviderID = "www.amazon.com" }), InvalidParameter, "ProviderId", false},
		{"a managed policy of AWS's own", ask(func(in *WebIdentityInput) { in.PolicyARNs = []string{"arn:aws:iam::aws:policy/ReadOnlyAccess"} }), InvalidParameter, "Policy arn:aws:iam::aws:policy/ReadOnlyAccess does not exist or is not attachable.", false},
		{"eleven managed policies", ask(func(in *WebIdentityInput) {
			in.PolicyARNs = slices.Repeat([]string{"arn:aws:iam::111122223333:policy/a"}, 11)
		}), InvalidParameter, "At most 10", false},
		{"policies of 2049 characters together", ask(func(in *WebIdentityInput) {
			in.PolicyARNs = []string{"arn:aws:iam::111122223333:policy/a"}
			in.Policy = strings.Repeat(" ", 2049-len(in.PolicyARNs[0]))
		}), InvalidParameter, "longer than 2048", false},
		{"duration under 15 minutes", ask(func(in *WebIdentityInput) { in.Duration = 899 * time.Second }), InvalidParameter, "900", false},
		{"duration over 12 hours", ask(func(in *WebIdentityInput) { in.Duration = 43201 * time.Second }), InvalidParameter, "43200", false},
		{"an ARN that is no role's", ask(func(in *WebIdentityInput) { in.RoleARN = "arn:aws:iam::111122223333:user/x" }), InvalidParameter, "Request ARN is invalid", false},
		{"a session policy that is no policy", ask(func(in *WebIdentityInput) { in.Policy = `{"Version":"2012-10-17"}` }), MalformedPolicy, "", false},
		{"a session policy with a principal", ask(func(in *WebIdentityInput) { in.Policy = trust(statement(gitlab, assume, onlyWeb)) }), MalformedPolicy, "", false},
		{"no token", token("hello"), InvalidToken, "not a valid JWT", false},
		{"a token in white space", token(" " + good), InvalidToken, "not a valid JWT", false},
		{"an unregistered issuer", token(w.job(map[string]any{"iss": "https://gitlab.org"})), InvalidToken, "No OpenIDConnect provider found in your account for https://gitlab.org", false},
		{"the issuer with a slash at its end", token(w.job(map[string]any{"iss": gitlab + "/"})), InvalidToken, "No OpenIDConnect provider", false},
		{"the issuer in upper case", token(w.job(map[string]any{"iss": "https://GITLAB.com"})), InvalidToken, "No OpenIDConnect provider", false},
		{"a bit of the signature changed", token(flip(good)), InvalidToken, "could not be validated", false},
		{"another audience", token(with("aud", "other")), InvalidToken, "Incorrect token audience", true},
		{"expired this very second", token(with("exp", now.Unix())), ExpiredToken, fmt.Sprintf("Token expired: current date/time %d must be before the expiration date/time%d", now.Unix(), now.Unix()), true},
		{"too old for its issuer", token(w.job(map[string]any{"iat": now.Add(-25 * time.Hour).Unix(), "nbf": nil, "exp": now.Unix() + 60})), ExpiredToken, "Token too old:", true},
		{"not valid yet", token(with("nbf", now.Unix()+61)), InvalidToken, "", true},
		{"no sub", token(with("sub", nil)), InvalidToken, "Missing a required claim: sub", true},
		{"no exp", token(with("exp", nil)), InvalidToken, "Missing a required claim: exp", true},
		{"neither a job nor a person", token(w.job(map[string]any{"job_id": nil})), InvalidToken, "", true},
		{"another branch", token(w.issuer.Token(jobOf(project, "feature"))), NotTrusted, notAuthorized, true},
		{"a tag of the same name", token(w.job(map[string]any{"sub": "project_path:acme/web:ref_type:tag:ref:main", "ref_type": "tag"})), NotTrusted, notAuthorized, true},
		{"a project with a longer name", token(w.issuer.Token(jobOf("acme/web-fork", "main"))), NotTrusted, notAuthorized, true},
		{"the project in upper case", token(w.issuer.Token(jobOf("Acme/web", "main"))), NotTrusted, notAuthorized, true},
		{"a person", token(w.issuer.Token(person)), NotTrusted, notAuthorized, true},
		{"a role that does not exist", ask(func(in *WebIdentityInput) { in.RoleARN = "arn:aws:iam::111122223333:role/nobody" }), NotTrusted, notAuthorized, true},
		{"the role with another path", ask(func(in *WebIdentityInput) { in.RoleARN = "arn:aws:iam::111122223333:role/x/deployer" }), NotTrusted, notAuthorized, true},
		{"the role of another account", ask(func(in *WebIdentityInput) { in.RoleARN = "arn:aws:iam::999999999999:role/deployer" }), NotTrusted, notAuthorized, true},
		{"the administrator's role", ask(func(in *WebIdentityInput) { in.RoleARN = "arn:aws:iam::111122223333:role/" + iam.AdminName }), NotTrusted, notAuthorized, true},
		{"a managed policy that does not exist", ask(func(in *WebIdentityInput) { in.PolicyARNs = []string{"arn:aws:iam::111122223333:policy/none"} }), InvalidParameter, "Policy arn:aws:iam::111122223333:policy/none does not exist", true},
		{"longer than the role allows", ask(func(in *WebIdentityInput) { in.Duration = time.Hour + time.Second }), InvalidParameter, "MaxSessionDuration set for this role", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(w.events(t))
			_, reason, public := w.exchange(t, tt.in)
			if reason != tt.want || !strings.Contains(public, tt.text) {
				t.Errorf("refused as %q with %q; want %q with %q", reason, public, tt.want, tt.text)
			}
			events := w.events(t)[before:]
			if (len(events) == 1) != tt.recorded {
				t.Fatalf("%d events were recorded", len(events))
			}
			if tt.recorded && (events[0].Outcome != audit.Denied || events[0].Reason != tt.want.String() || events[0].Issued != "") {
				t.Errorf("recorded was %+v", events[0])
			}
		})
	}
	if w.counted[InvalidToken.String()] == 0 || w.counted[NotTrusted.String()] == 0 || w.counted[InvalidParameter.String()] == 0 {
		t.Errorf("counted was %v", w.counted)
	}
}

func jobOf(project, branch string) map[string]any {
	c := fakeissuer.JobClaims(audience, project, branch)
	c["iss"] = gitlab
	return c
}

// flip changes one bit of a token's signature.
func flip(token string) string {
	b := []byte(token)
	i := len(b) - 10
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// TestUnregisteredIssuer: nobody is asked for the keys of an issuer that is not
// registered (DESIGN D6).
func TestUnregisteredIssuer(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.keys.closed = true
	for _, iss := range []string{"https://evil.example", "https://gitlab.com.evil.example", "http://gitlab.com", "gitlab.com", ""} {
		if _, reason, _ := w.exchange(t, input(role, w.job(map[string]any{"iss": iss}))); reason != InvalidToken {
			t.Errorf("issuer %q was refused as %q", iss, reason)
		}
	}
}

// TestNoOracle: a stranger cannot tell a role that does not exist from one that
// does not trust it, by the answer or by who is asked for keys, whatever else
// the request has.
func TestNoOracle(t *testing.T) {
	w := newWorld(t)
	there := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	missing := "arn:aws:iam::111122223333:role/nobody"
	for _, tt := range []struct {
		name   string
		change func(*WebIdentityInput)
	}{
		{"plainly", func(*WebIdentityInput) {}},
		{"for longer than the role allows", func(in *WebIdentityInput) { in.Duration = 12 * time.Hour }},
		{"with a session policy", func(in *WebIdentityInput) {
			in.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
		}},
		{"with a managed policy that there is not", func(in *WebIdentityInput) { in.PolicyARNs = []string{"arn:aws:iam::111122223333:policy/none"} }},
		{"with session tags", func(in *WebIdentityInput) {
			c := jobOf("other/project", "main")
			c["https://aws.amazon.com/tags"] = map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}
			in.Token = w.issuer.Token(c)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var texts []string
			for _, role := range []string{there, missing} {
				w.keys.asked = nil
				in := input(role, w.issuer.Token(jobOf("other/project", "main")))
				tt.change(&in)
				_, reason, public := w.exchange(t, in)
				if reason != NotTrusted || len(w.keys.asked) != 1 {
					t.Errorf("%s: %q, keys asked of %v", role, reason, w.keys.asked)
				}
				texts = append(texts, public)
			}
			if texts[0] != texts[1] || texts[0] != notAuthorized {
				t.Errorf("the answers differ: %q", texts)
			}
		})
	}
}

// TestPersons: a person is let in only by a statement that names the audience
// people sign in with.
func TestPersons(t *testing.T) {
	w := newWorld(t)
	claims := fakeissuer.PersonClaims(login, "7")
	claims["iss"] = gitlab
	person, job := w.issuer.Token(claims), w.job()
	for _, tt := range []struct {
		name, conditions string
		person, job      Reason
	}{
		{"the login audience named", `"StringEquals":{"gitlab.com:aud":"` + login + `","gitlab.com:sub":"7"}`, 0, NotTrusted},
		{"the login audience by a pattern", `"StringLike":{"gitlab.com:aud":"` + login + `"},"StringEquals":{"gitlab.com:sub":"7"}`, NotTrusted, NotTrusted},
		{"the login audience or another", `"StringEquals":{"gitlab.com:aud":["` + login + `","mayfly"],"gitlab.com:sub":"7"}`, NotTrusted, NotTrusted},
		{"no audience", `"StringEquals":{"gitlab.com:sub":"7"}`, NotTrusted, NotTrusted},
		{"jobs alone", onlyWeb, NotTrusted, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			role := w.role(t, "people", trust(statement(gitlab, assume, tt.conditions)))
			if _, reason, _ := w.exchange(t, input(role, person)); reason != tt.person {
				t.Errorf("the person: %q, want %q", reason, tt.person)
			}
			if _, reason, _ := w.exchange(t, input(role, job)); reason != tt.job {
				t.Errorf("the job: %q, want %q", reason, tt.job)
			}
		})
	}
	t.Run("a job that names the login audience", func(t *testing.T) {
		role := w.role(t, "people", trust(statement(gitlab, assume, `"StringEquals":{"gitlab.com:aud":"`+login+`"},`+anyBranch)))
		if _, reason, _ := w.exchange(t, input(role, w.job(map[string]any{"aud": login}))); reason != InvalidToken {
			t.Errorf("refused as %q", reason)
		}
	})
}

// TestSharedIssuer: a trust policy that was stored before the rule, or trusts
// everyone, does not open a role to everybody with a gitlab.com account.
func TestSharedIssuer(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, trust string
		want        Reason
	}{
		{"sub by name", trust(statement(gitlab, assume, onlyWeb)), 0},
		{"no condition on sub", trust(statement(gitlab, assume, `"StringEquals":{"gitlab.com:aud":"mayfly"}`)), NotTrusted},
		{"sub by wildcards only", trust(statement(gitlab, assume, `"StringLike":{"gitlab.com:sub":"*"}`)), NotTrusted},
		{"sub by a negation", trust(statement(gitlab, assume, `"StringNotEquals":{"gitlab.com:sub":"project_path:evil/x"}`)), NotTrusted},
		{"everyone", trust(`{"Effect":"Allow","Principal":"*","Action":` + assume + `}`), NotTrusted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			role := w.role(t, "shared", tt.trust)
			if _, reason, _ := w.exchange(t, input(role, w.job())); reason != tt.want {
				t.Errorf("got %q, want %q", reason, tt.want)
			}
		})
	}
	t.Run("an issuer that is not shared needs no condition", func(t *testing.T) {
		role := w.role(t, "own", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/machines.example"},"Action":`+assume+`}]}`)
		if _, reason, _ := w.exchange(t, input(role, w.workload(nil))); reason != 0 {
			t.Error(reason)
		}
	})
}

// TestTagsAndSourceIdentity: what a token brings along must be allowed by its
// own action.
func TestTagsAndSourceIdentity(t *testing.T) {
	w := newWorld(t)
	tags := map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"Team": []string{"core"}, "Cost": []string{"7"}}, "transitive_tag_keys": []string{"Team"}}}
	source := map[string]any{"https://aws.amazon.com/source_identity": "alice"}
	const condition = `"StringEquals":{"machines.example:sub":"machine-7"}`
	tagged := `"StringEquals":{"machines.example:sub":"machine-7","aws:RequestTag/Team":"core"},"ForAllValues:StringEquals":{"aws:TagKeys":["Team","Cost"]}`
	for _, tt := range []struct {
		name, actions, conditions string
		token                     string
		want                      Reason
	}{
		{"tags allowed", `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, tagged, w.workload(tags), 0},
		{"tags without sts:TagSession", assume, condition, w.workload(tags), NotTrusted},
		{"a tag of another value", `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, `"StringEquals":{"machines.example:sub":"machine-7","aws:RequestTag/Team":"other"}`, w.workload(tags), NotTrusted},
		{"source identity allowed", `["sts:AssumeRoleWithWebIdentity","sts:SetSourceIdentity"]`, `"StringEquals":{"machines.example:sub":"machine-7","sts:SourceIdentity":"alice"}`, w.workload(source), 0},
		{"source identity without its action", assume, condition, w.workload(source), NotTrusted},
		{"neither brought", assume, condition, w.workload(nil), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			role := w.role(t, "tagged", trust(statement(machine, tt.actions, tt.conditions)))
			out, reason, _ := w.exchange(t, input(role, tt.token))
			if reason != tt.want {
				t.Fatalf("got %q, want %q", reason, tt.want)
			}
			if reason != 0 {
				return
			}
			opened, err := session.Open(out.Credentials.Token.Reveal(), out.Credentials.AccessKeyID, account, w.Sealer)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(tt.name, "source identity") && opened.SourceIdentity != "alice" {
				t.Error("the source identity is not in the session")
			}
			if strings.Contains(tt.name, "tags") && (len(opened.Tags) != 2 || opened.Tags[0].Transitive == opened.Tags[1].Transitive) {
				t.Errorf("the session's tags are %+v", opened.Tags)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	w := newWorld(t)
	w.MaxSession = 2 * time.Hour
	role := func(name string, most time.Duration) string {
		name = w.role(t, name, trust(statement(gitlab, assume, onlyWeb)))
		r, _ := w.db.Snapshot().Role(name[strings.LastIndex(name, "/")+1:])
		r.MaxSession = most
		w.put(t, registry.PutRole{Role: r})
		return name
	}
	short, long := role("short", time.Hour), role("long", 12*time.Hour)
	for _, tt := range []struct {
		name        string
		role        string
		asked, want time.Duration // want 0: refused
	}{
		{"not given: an hour", long, 0, time.Hour},
		{"the least", short, 15 * time.Minute, 15 * time.Minute},
		{"as long as the role allows", short, time.Hour, time.Hour},
		{"a second longer than the role allows", short, time.Hour + time.Second, 0},
		{"as long as the server allows", long, 2 * time.Hour, 2 * time.Hour},
		{"a second longer than the server allows", long, 2*time.Hour + time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(tt.role, w.job())
			in.Duration = tt.asked
			out, reason, _ := w.exchange(t, in)
			if tt.want == 0 {
				if reason != InvalidParameter {
					t.Fatal(reason)
				}
				return
			}
			if got := out.Credentials.Expires.Sub(now); reason != 0 || got != tt.want {
				t.Errorf("%q, %s; want %s", reason, got, tt.want)
			}
		})
	}
	t.Run("not given under a ceiling below an hour", func(t *testing.T) {
		w.MaxSession = 30 * time.Minute
		out, reason, _ := w.exchange(t, input(short, w.job()))
		if got := out.Credentials.Expires.Sub(now); reason != 0 || got != 30*time.Minute {
			t.Errorf("%q, %s", reason, got)
		}
	})
	t.Run("a condition on the duration sees what is given", func(t *testing.T) {
		w.MaxSession = time.Hour
		role := w.role(t, "brief", trust(statement(gitlab, assume, onlyWeb+`,"NumericLessThanEquals":{"sts:DurationSeconds":"900"}`)))
		in := input(role, w.job())
		if _, reason, _ := w.exchange(t, in); reason != NotTrusted {
			t.Error("an hour:", reason)
		}
		in.Duration = 15 * time.Minute
		if _, reason, _ := w.exchange(t, in); reason != 0 {
			t.Error("15 minutes:", reason)
		}
	})
}

// TestTooLarge: what the caller can change is PackedPolicyTooLarge's; a claim
// that is too long is the token's.
func TestTooLarge(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "own", trust(statement(machine, `["sts:AssumeRoleWithWebIdentity","sts:TagSession"]`, `"StringLike":{"machines.example:sub":"*m*"}`)))
	var actions strings.Builder
	for i := range 27 { // digests deflate badly
		fmt.Fprintf(&actions, `"sts:%x",`, sha256.Sum256([]byte{byte(i)}))
	}
	in := input(role, w.workload(map[string]any{"ref": strings.Repeat("m", 700)}))
	in.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` + strings.TrimSuffix(actions.String(), ",") + `],"Resource":"*"}]}`
	if _, reason, text := w.exchange(t, in); reason != TooLarge || !strings.Contains(text, "Packed policy consumes 1") {
		t.Errorf("a policy of %d bytes: %q %q", len(in.Policy), reason, text)
	}
	in.Token = w.workload(nil)
	if out, reason, _ := w.exchange(t, in); reason != 0 || out.Credentials.PackedPercent < 60 {
		t.Errorf("the same policy under shorter claims: %q, %d%%", reason, out.Credentials.PackedPercent)
	}
	principal := map[string]any{}
	for i := range 10 {
		principal[fmt.Sprint("tag", i)] = []string{strings.Repeat("v", 250)}
	}
	if _, reason, text := w.exchange(t, input(role, w.workload(map[string]any{"https://aws.amazon.com/tags": map[string]any{"principal_tags": principal}}))); reason != TooLarge || !strings.Contains(text, "Packed size of session tags consumes 1") {
		t.Errorf("tags: %q %q", reason, text)
	}
	if _, reason, text := w.exchange(t, input(role, w.workload(map[string]any{"sub": strings.Repeat("m", 2000)}))); reason != InvalidToken || !strings.Contains(text, "claim sub") {
		t.Errorf("a long sub: %q %q", reason, text)
	}
	if _, reason, text := w.exchange(t, input(role, w.workload(map[string]any{"ref": strings.Repeat("m", 2000)}))); reason != InvalidToken || !strings.Contains(text, "claim ref") {
		t.Errorf("a long ref: %q %q", reason, text)
	}
	if _, reason, _ := w.exchange(t, input(role, w.workload(map[string]any{"sub": strings.Repeat("m", 255)}))); reason != 0 {
		t.Errorf("a sub of 255 bytes: %q", reason)
	}
}

func TestSessionPolicy(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	in := input(role, w.job())
	in.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:DescribeCluster","Resource":"*"}]}`
	out, reason, _ := w.exchange(t, in)
	if reason != 0 || out.Session.Policy != in.Policy || out.Credentials.PackedPercent < 1 || out.Credentials.PackedPercent > 10 {
		t.Errorf("%q %q %d%%", reason, out.Session.Policy, out.Credentials.PackedPercent)
	}
}

// TestRecreated: a role or provider that was deleted and made anew under the
// same name does not revive the sessions of the old one.
func TestRecreated(t *testing.T) {
	w := newWorld(t)
	doc := trust(statement(gitlab, assume, onlyWeb))
	role := w.role(t, "deployer", doc)
	out, reason, _ := w.exchange(t, input(role, w.job()))
	if reason != 0 {
		t.Fatal(reason)
	}
	if _, err := w.db.Snapshot().Principal(out.Session, now); err != nil {
		t.Fatal(err)
	}
	w.put(t, registry.DeleteRole{Name: "deployer"})
	w.role(t, "deployer", doc)
	if _, err := w.db.Snapshot().Principal(out.Session, now); !errors.Is(err, registry.ErrGone) {
		t.Errorf("the role was made anew: %v", err)
	}
	out, reason, _ = w.exchange(t, input(role, w.job()))
	if reason != 0 {
		t.Fatal(reason)
	}
	p, _ := w.db.Snapshot().Provider(gitlab)
	p.ID += "-2"
	w.put(t, registry.DeleteProvider{URL: gitlab}, registry.PutProvider{Provider: p})
	if _, err := w.db.Snapshot().Principal(out.Session, now); !errors.Is(err, registry.ErrGone) {
		t.Errorf("the provider was made anew: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Record(context.Context, audit.Event) error { return f.err }
func (f failing) Read([]byte) (int, error)                  { return 0, f.err }

// TestFaults: each operation that makes credentials, with each of its ports
// failing, refuses and gives nothing.
func TestFaults(t *testing.T) {
	broken := errors.New("broken")
	operations := map[string]func(*world, string) (session.Credentials, error){
		"AssumeRoleWithWebIdentity": func(w *world, role string) (session.Credentials, error) {
			out, err := w.AssumeRoleWithWebIdentity(context.Background(), input(role, w.job()))
			return out.Credentials, err
		},
		"AssumeRole": func(w *world, role string) (session.Credentials, error) {
			out, err := w.AssumeRole(context.Background(), call(administrator(w.db.Snapshot())), asks(role))
			return out.Credentials, err
		},
		"AdminCredentials": func(w *world, _ string) (session.Credentials, error) {
			c, _, err := w.AdminCredentials(context.Background(), "0", 15*time.Minute)
			return c, err
		},
		"ReaderCredentials": func(w *world, _ string) (session.Credentials, error) { return w.ReaderCredentials(t.Context(), prod) },
	}
	ports := map[string]struct {
		fail   func(*world)
		spares []string // operations that do not use the port
	}{
		"nothing": {func(*world) {}, []string{"AssumeRoleWithWebIdentity", "AssumeRole", "AdminCredentials", "ReaderCredentials"}},
		"keys":    {func(w *world) { w.keys.set, w.keys.err = nil, broken }, []string{"AssumeRole", "AdminCredentials", "ReaderCredentials"}},
		"store":   {func(w *world) { w.db.FailNext(broken) }, nil},
		"audit":   {func(w *world) { w.Audit = failing{broken} }, nil},
		"sealer":  {func(w *world) { w.Sealer.(*sessiontest.Sealer).Err = broken }, nil},
		"random":  {func(w *world) { w.Rand = failing{broken} }, nil},
	}
	for port, p := range ports {
		for name, do := range operations {
			t.Run(name+" without "+port, func(t *testing.T) {
				w := newWorld(t)
				role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb), trusts("111122223333", assumeRole, "")))
				p.fail(w)
				creds, err := do(w, role)
				spared := false
				for _, s := range p.spares {
					spared = spared || s == name
				}
				if spared != (err == nil) || spared != (creds.AccessKeyID != "") {
					t.Errorf("credentials %q, error %v", creds.AccessKeyID, err)
				}
				if r, ok := errors.AsType[*Refusal](err); ok && strings.Contains(r.Public, "broken") {
					t.Error("the public sentence holds the cause")
				}
			})
		}
	}
}

func TestKeysUnavailable(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.keys.set, w.keys.err = nil, errors.New("connection refused by 10.0.0.1")
	_, reason, text := w.exchange(t, input(role, w.job()))
	if reason != NoKeys || !strings.HasPrefix(text, "Couldn't retrieve verification key") || strings.Contains(text, "10.0.0.1") {
		t.Errorf("%q %q", reason, text)
	}
	if len(w.events(t)) != 0 {
		t.Error("a stranger's token was recorded")
	}
}

func TestAdminCredentials(t *testing.T) {
	w := newWorld(t)
	creds, who, err := w.AdminCredentials(t.Context(), "1000", 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if got := who.ARN().String(); got != "arn:aws:sts::111122223333:assumed-role/mayfly-admin/uid-1000" {
		t.Error(got)
	}
	if !creds.Expires.Equal(now.Add(15 * time.Minute)) {
		t.Error(creds.Expires)
	}
	e := w.events(t)
	if len(e) != 1 || e[0].Action != "mayfly:AdminCredentials" || e[0].Detail["uid"] != "1000" || e[0].Issued != who.Session.ID.String() {
		t.Errorf("recorded was %+v", e)
	}
}

func TestReaderCredentials(t *testing.T) {
	w := newWorld(t)
	creds, err := w.ReaderCredentials(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := session.Open(creds.Token.Reveal(), creds.AccessKeyID, account, w.Sealer)
	if err != nil || opened.Reader != prod.ID || opened.RoleID != "" || !opened.Expires.Equal(now.Add(time.Minute)) {
		t.Errorf("%+v, %v", opened, err)
	}
	if _, err := w.db.Snapshot().Principal(opened, now); !errors.Is(err, registry.ErrReader) {
		t.Errorf("a reader is a principal: %v", err)
	}
	e := w.events(t)
	if len(e) != 1 || e[0].Action != "mayfly:ReaderCredentials" || e[0].Outcome != audit.Allowed || e[0].Cluster != "prod" || e[0].Issued != opened.ID.String() || !e[0].Expires.Equal(opened.Expires) {
		t.Errorf("recorded was %+v", e)
	}
}

// prod is a cluster that is read.
var prod = eks.Cluster{ID: "c-prod", Name: "prod", Region: "eu-central-1", Account: account}

func TestNewRefusesHoles(t *testing.T) {
	w := newWorld(t)
	for name, hole := range map[string]func(*Config){
		"registry": func(c *Config) { c.Registry = nil }, "keys": func(c *Config) { c.Keys = nil }, "settings": func(c *Config) { c.Settings = nil },
		"sealer": func(c *Config) { c.Sealer = nil }, "audit": func(c *Config) { c.Audit = nil }, "clock": func(c *Config) { c.Now = nil }, "randomness": func(c *Config) { c.Rand = nil },
	} {
		c := w.Config
		hole(&c)
		if _, err := New(c); err == nil {
			t.Errorf("a service without %s was made", name)
		}
	}
}

func TestReasons(t *testing.T) {
	seen := map[string]bool{}
	for r := InvalidParameter; r <= InvalidMessage; r++ {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if Reason(200).String() != "" {
		t.Error("an unknown reason has a name")
	}
}

// TestTokenRefusals: every reason of oidc has AWS's words.
func TestTokenRefusals(t *testing.T) {
	for r := oidc.WrongIssuer; r <= oidc.NeitherJobNorPerson; r++ {
		err := tokenRefusal(&oidc.RejectedError{Reason: r, Claim: "c", Detail: "detail"})
		got, ok := errors.AsType[*Refusal](err)
		if !ok || got.Public == "" || got.Reason != InvalidToken && got.Reason != ExpiredToken {
			t.Errorf("%s: %v", r, err)
		}
	}
}
