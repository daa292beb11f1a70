package sts

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/secret"
)

const (
	own    = "https://mayfly.example:8443"
	target = "kubernetes/prod"
	mayAsk = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"mayfly:IssueToken","Resource":"arn:aws:mayfly:eu-central-1:111122223333:audience/kubernetes/prod"}]}`
)

// signed is what the issuer of a test was asked to sign.
type signed struct {
	alg     jwt.Algorithm
	typ     string
	payload map[string]any
}

// newIssuingWorld is a world whose service issues tokens, and what it has signed.
func newIssuingWorld(t *testing.T) (*world, *[]signed) {
	w := newWorld(t)
	var out []signed
	w.Issuer = &Issuer{URL: own, Region: "eu-central-1",
		Terms: func(audience string) Terms {
			if audience == "rsa" {
				return Terms{jwt.RS256, 10 * time.Minute}
			}
			return Terms{jwt.ES256, accesstoken.DefaultLife}
		},
		Sign: func(alg jwt.Algorithm, typ string, payload []byte) (secret.String, string, error) {
			s := signed{alg: alg, typ: typ}
			if err := json.Unmarshal(payload, &s.payload); err != nil {
				t.Error(err)
			}
			out = append(out, s)
			return secret.New("signed"), "key-1", nil
		}}
	return w, &out
}

// allow gives a role a permission policy.
func (w *world) allow(t *testing.T, role, text string) {
	t.Helper()
	doc, err := policy.Parse(policy.Permission, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.db.Snapshot().Roles() {
		if r.ARN().String() == role {
			r.Inline = map[string]*policy.Document{"p": doc}
			w.put(t, registry.PutRole{Role: r})
			return
		}
	}
	t.Fatal("no such role")
}

func askToken(role, audience, token string) IssueTokenInput {
	return IssueTokenInput{RoleARN: role, Audience: audience, Token: token, Info: request.Info{ID: "denial-1", Time: now}}
}

// issue asks for a token, and says the reason of a refusal; 0 is success.
func (w *world) issue(t *testing.T, in IssueTokenInput) (IssuedToken, Reason, string) {
	t.Helper()
	out, err := w.IssueToken(t.Context(), in)
	if err == nil {
		return out, 0, ""
	}
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("the error is no Refusal: %v", err)
	}
	if !out.Token.Empty() {
		t.Error("a refusal came with a token")
	}
	return out, r.Reason, r.Public
}

func TestIssueToken(t *testing.T) {
	w, signed := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.allow(t, role, mayAsk)
	out, reason, text := w.issue(t, askToken(role, target, w.job()+"\n"))
	if reason != 0 || out.Token.Reveal() != "signed" || out.Life != 5*time.Minute {
		t.Fatal(reason, text, out)
	}
	got := (*signed)[0]
	events := w.events(t)
	e := events[len(events)-1]
	for name, want := range map[string]any{"iss": own, "aud": target, "sub": "arn:aws:sts::111122223333:assumed-role/deployer/acme-web-574-302", "sid": e.Issued, "jti": e.Detail["jti"], "exp": float64(now.Add(5 * time.Minute).Unix()), "iat": float64(now.Unix()),
		"federated_issuer": gitlab, "project_path": project, "ref": "main", "job_id": "302", "client_id": audience} {
		if got.payload[name] != want || want == "" {
			t.Errorf("%s is %v, want %v", name, got.payload[name], want)
		}
	}
	if got.alg != jwt.ES256 || got.typ != "at+jwt" || len(*signed) != 1 {
		t.Errorf("%+v", got)
	}
	if e.Action != "mayfly:IssueToken" || e.Outcome != audit.Allowed || e.Resource != role || e.As != got.payload["sub"] || e.Claims["project_path"] != project || e.Token == "" || e.Detail["audience"] != target || e.Detail["kid"] != "key-1" || e.Detail["session_name"] != "acme-web-574-302" || len(e.Matched) != 2 || !e.Expires.Equal(now.Add(5*time.Minute)) {
		t.Errorf("%+v", e)
	}
	if _, reason, _ := w.issue(t, askToken(role, target, w.job())); reason != 0 || (*signed)[1].payload["jti"] == got.payload["jti"] || (*signed)[1].payload["sid"] == got.payload["sid"] {
		t.Error("a second token has the first one's id")
	}
}

// TestIssueTokenRefusals: what differs from the allowed case in one thing is
// refused, for that reason; no token is signed.
func TestIssueTokenRefusals(t *testing.T) {
	w, signed := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.allow(t, role, mayAsk)
	bare := w.role(t, "bare", trust(statement(gitlab, assume, onlyWeb)))
	short := w.role(t, "short", trust(statement(gitlab, assume, onlyWeb+`,"NumericLessThan":{"sts:DurationSeconds":"300"}`)))
	w.allow(t, short, mayAsk)
	named := w.role(t, "named", trust(statement(gitlab, assume, onlyWeb+`,"StringLike":{"sts:RoleSessionName":"run-1"}`)))
	w.allow(t, named, mayAsk)
	denied := w.role(t, "denied", trust(statement(gitlab, assume, onlyWeb)))
	w.allow(t, denied, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"mayfly:IssueToken","Resource":"*","Condition":{"StringEquals":{"gitlab.com:ref":"main"}}}]}`)
	job := w.job()
	claims := fakeissuer.JobClaims(audience, project, "main")
	claims["iss"] = own
	for _, tt := range []struct {
		name     string
		in       IssueTokenInput
		want     Reason
		text     string
		recorded bool
	}{
		{"another audience", askToken(role, "kubernetes/prod2", job), InvalidTarget, "mayfly:IssueToken on resource: arn:aws:mayfly:eu-central-1:111122223333:audience/kubernetes/prod2 because no identity-based policy allows", true},
		{"the audience in other case", askToken(role, "kubernetes/Prod", job), InvalidTarget, "no identity-based policy allows", true},
		{"a longer one", askToken(role, "kubernetes/prod/x", job), InvalidTarget, "no identity-based policy allows", true},
		{"a role without a policy", askToken(bare, target, job), InvalidTarget, "no identity-based policy allows", true},
		{"a role with a deny", askToken(denied, target, job), InvalidTarget, "with an explicit deny in an identity-based policy", true},
		{"an audience with a wildcard", askToken(role, "kubernetes/*", job), InvalidTarget, "The audience cannot be named", false},
		{"no audience", askToken(role, "", job), InvalidTarget, "The audience cannot be named", false},
		{"a role's name", askToken("deployer", target, job), InvalidTarget, "not the ARN of a role", false},
		{"a session's ARN", askToken("arn:aws:sts::111122223333:assumed-role/deployer/x", target, job), InvalidTarget, "not the ARN of a role", false},
		{"a role that does not exist", askToken("arn:aws:iam::111122223333:role/nobody", target, job), NotTrusted, notAuthorized, true},
		{"the administrator's role", askToken("arn:aws:iam::111122223333:role/"+iam.AdminName, target, job), NotTrusted, notAuthorized, true},
		{"another branch", askToken(role, target, w.issuer.Token(jobOf(project, "feature"))), NotTrusted, notAuthorized, true},
		{"another project", askToken(role, target, w.issuer.Token(jobOf("acme/web-fork", "main"))), NotTrusted, notAuthorized, true},
		{"a role that wants less time", askToken(short, target, job), NotTrusted, notAuthorized, true},
		{"a role that wants another session name", askToken(named, target, job), NotTrusted, notAuthorized, true},
		{"another audience of the ID token", askToken(role, target, w.job(map[string]any{"aud": "other"})), InvalidToken, "Incorrect token audience", true},
		{"an expired ID token", askToken(role, target, w.job(map[string]any{"exp": now.Unix()})), ExpiredToken, "Token expired", true},
		{"a changed ID token", askToken(role, target, flip(job)), InvalidToken, "could not be validated", false},
		{"no token", askToken(role, target, ""), InvalidToken, "not a valid JWT", false},
		{"a token of this server", askToken(role, target, w.issuer.Token(claims)), InvalidToken, "issued by this server itself", false},
		{"an unregistered issuer", askToken(role, target, w.job(map[string]any{"iss": "https://gitlab.org"})), InvalidToken, "No OpenIDConnect provider", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(w.events(t))
			_, reason, public := w.issue(t, tt.in)
			if reason != tt.want || !strings.Contains(public, tt.text) {
				t.Errorf("refused as %q with %q; want %q with %q", reason, public, tt.want, tt.text)
			}
			events := w.events(t)[before:]
			if (len(events) == 1) != tt.recorded {
				t.Fatalf("%d events were recorded", len(events))
			}
			if tt.recorded && (events[0].Action != "mayfly:IssueToken" || events[0].Outcome != audit.Denied || events[0].Reason != tt.want.String() || events[0].Issued != "" || events[0].Detail["audience"] != tt.in.Audience) {
				t.Errorf("recorded was %+v", events[0])
			}
			if tt.want == InvalidTarget && tt.recorded && !strings.Contains(events[0].Detail["trace"], "mayfly:IssueToken") {
				t.Errorf("the trace is %q", events[0].Detail["trace"])
			}
		})
	}
	if len(*signed) != 0 {
		t.Errorf("%d tokens were signed", len(*signed))
	}
}

// TestOwnTokensAtSTS: what this server signed is no ID token, registered or not.
func TestOwnTokensAtSTS(t *testing.T) {
	w, _ := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	claims := fakeissuer.JobClaims(audience, project, "main")
	claims["iss"] = own
	if _, reason, text := w.exchange(t, input(role, w.issuer.Token(claims))); reason != InvalidToken || !strings.Contains(text, "issued by this server itself") {
		t.Error(reason, text)
	}
	if len(w.keys.asked) > 0 {
		t.Errorf("keys were asked for: %v", w.keys.asked)
	}
}

// TestIssueTokenTellsAsSTS: each hears of a refusal by the role what an exchange
// for credentials would say.
func TestIssueTokenTellsAsSTS(t *testing.T) {
	w, _ := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, `"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:release"}`)))
	for name, token := range map[string]string{"a job of the project": w.job(), "a stranger": w.issuer.Token(jobOf("other/web", "main"))} {
		_, _, want := w.exchange(t, input(role, token))
		_, reason, got := w.issue(t, askToken(role, target, token))
		if reason != NotTrusted || got != want {
			t.Errorf("%s: %q, STS says %q", name, got, want)
		}
	}
}

// TestIssueTokenTerms: an audience's own algorithm and life.
func TestIssueTokenTerms(t *testing.T) {
	w, signed := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.allow(t, role, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"mayfly:IssueToken","Resource":"arn:aws:mayfly:*:*:audience/rsa","Condition":{"StringEquals":{"gitlab.com:ref":"main"}}}]}`)
	out, reason, text := w.issue(t, askToken(role, "rsa", w.job()))
	if reason != 0 || out.Life != 10*time.Minute || (*signed)[0].alg != jwt.RS256 || (*signed)[0].payload["exp"] != float64(now.Add(10*time.Minute).Unix()) {
		t.Error(reason, text, out, *signed)
	}
}

// TestIssueTokenForOthers: who is no job has its subject as session name, and its
// tags and source identity need the role's leave.
func TestIssueTokenForOthers(t *testing.T) {
	w, signed := newIssuingWorld(t)
	role := w.role(t, "machine", trust(statement(machine, assume, `"StringEquals":{"machines.example:sub":"machine-7"}`)))
	w.allow(t, role, mayAsk)
	if _, reason, text := w.issue(t, askToken(role, target, w.workload(nil))); reason != 0 {
		t.Fatal(reason, text)
	}
	if got := (*signed)[0].payload; got["sub"] != "arn:aws:sts::111122223333:assumed-role/machine/machine-7" || got["project_path"] != nil {
		t.Error(got)
	}
	for name, value := range map[string]any{"https://aws.amazon.com/source_identity": "somebody", "https://aws.amazon.com/tags": map[string]any{"principal_tags": map[string]any{"a": []string{"b"}}}} {
		if _, reason, _ := w.issue(t, askToken(role, target, w.workload(map[string]any{name: value}))); reason != NotTrusted {
			t.Errorf("%s: %s", name, reason)
		}
	}
}

// TestNoTokenWithoutRecord: what cannot be recorded, drawn or signed is not given.
func TestNoTokenWithoutRecord(t *testing.T) {
	w, _ := newIssuingWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	w.allow(t, role, mayAsk)
	config, signs := w.Config, *w.Issuer
	for name, spoil := range map[string]func(){
		"the log":        func() { w.Audit = noLog{} },
		"the randomness": func() { w.Rand = strings.NewReader("") },
		"the second draw": func() {
			w.Rand = strings.NewReader(strings.Repeat("x", 20))
		},
		"the key": func() {
			broken := signs
			broken.Sign = func(jwt.Algorithm, string, []byte) (secret.String, string, error) {
				return secret.New("half"), "", errors.New("no key")
			}
			w.Issuer = &broken
		},
	} {
		w.Config = config
		spoil()
		if out, err := w.IssueToken(t.Context(), askToken(role, target, w.job())); err == nil || !out.Token.Empty() {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// noLog is an audit log that cannot be written.
type noLog struct{}

func (noLog) Record(context.Context, audit.Event) error { return errors.New("the disk is full") }
