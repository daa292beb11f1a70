package sts

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/oidc"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/store"
	"mayfly.internal/internal/store/sqlite/sqlitetest"
)

const (
	account  = arn.AccountID("111122223333")
	gitlab   = "https://gitlab.com"
	machine  = "https://machines.example"
	audience = "mayfly"
	login    = "0f1e2d3c4b5a"
	project  = "acme/web"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is the service over the real store, with keys that a test holds.
type world struct {
	*Service
	db     *store.DB
	issuer *fakeissuer.Issuer
	keys   *keys
	at     time.Time

	mu      sync.Mutex
	counted map[string]int
}

// keys are the key sets as the service asks for them.
type keys struct {
	t      *testing.T
	set    *jwt.KeySet
	err    error
	closed bool // asking is a mistake
	asked  []string
}

func (k *keys) Keys(_ context.Context, issuer, _ string) (*jwt.KeySet, error) {
	if k.closed {
		k.t.Errorf("the keys of %s were asked for", issuer)
	}
	k.asked = append(k.asked, issuer)
	return k.set, k.err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{issuer: fakeissuer.New(t), keys: &keys{t: t}, at: now, counted: map[string]int{}}
	w.issuer.SetNow(func() time.Time { return now.Add(-time.Minute) })
	var err error
	if w.keys.set, err = jwt.ParseKeySet(w.issuer.KeySet()); err != nil {
		t.Fatal(err)
	}
	w.db = sqlitetest.Open(t, store.Config{Now: w.now, Account: account})
	settings := map[string]oidc.Settings{gitlab: {GitLab: true, LoginClientIDs: []string{login}}}
	w.Service, err = New(Config{Registry: w.db, Keys: w.keys, Sealer: sessiontest.NewSealer(t), Audit: w.db, Now: w.now, Rand: rand.Reader,
		Settings: func(issuer string) oidc.Settings { return settings[issuer] },
		Count:    func(reason string) { w.mu.Lock(); defer w.mu.Unlock(); w.counted[reason]++ }})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{gitlab, machine} {
		w.put(t, registry.PutProvider{Provider: oidc.Provider{ID: "OIDC-" + url, Account: account, URL: url, ClientIDs: []string{audience, login}, Created: now}})
	}
	return w
}

// administrator is a session of the administrator's.
func administrator(snap *registry.Snapshot) session.Principal {
	who, err := snap.Principal(session.Session{RoleID: iam.AdminID, Name: "uid-0", AdminUID: "0", Issued: now, Expires: now.Add(time.Hour)}, now)
	if err != nil {
		panic(err)
	}
	return who
}

func (w *world) now() time.Time { return w.at }

func (w *world) put(t *testing.T, changes ...registry.Change) {
	t.Helper()
	if err := w.db.Commit(t.Context(), w.db.Snapshot(), changes, audit.Event{Time: now, Action: "test:Setup", Outcome: audit.Allowed}); err != nil {
		t.Fatal(err)
	}
}

// role makes a role with a trust policy and gives its ARN.
func (w *world) role(t *testing.T, name, trust string) string {
	t.Helper()
	doc, err := policy.Parse(policy.Trust, []byte(trust))
	if err != nil {
		t.Fatal(err)
	}
	id, err := iam.NewID("AROA", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := iam.Role{ID: id, Account: account, Path: "/", Name: name, MaxSession: time.Hour, Trust: doc, Created: now}
	w.put(t, registry.PutRole{Role: r})
	return r.ARN().String()
}

// statement is an Allow for one issuer under conditions.
func statement(issuer, actions, conditions string) string {
	return `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/` + issuer[len("https://"):] + `"},"Action":` + actions + `,"Condition":{` + conditions + `}}`
}

func trust(statements ...string) string {
	out := `{"Version":"2012-10-17","Statement":[`
	for i, s := range statements {
		if i > 0 {
			out += ","
		}
		out += s
	}
	return out + "]}"
}

const (
	assume    = `"sts:AssumeRoleWithWebIdentity"`
	onlyWeb   = `"StringEquals":{"gitlab.com:sub":"project_path:acme/web:ref_type:branch:ref:main"}`
	anyBranch = `"StringLike":{"gitlab.com:sub":"project_path:acme/web:*"}`
)

// job is the token of a job of gitlab.com on acme/web's main, with changes.
func (w *world) job(changes ...map[string]any) string {
	claims := fakeissuer.JobClaims(audience, project, "main")
	claims["iss"] = gitlab
	for _, c := range changes {
		maps.Copy(claims, c)
	}
	return w.issuer.Token(claims)
}

// workload is the token of an issuer that is no GitLab.
func (w *world) workload(changes map[string]any) string {
	claims := map[string]any{"iss": machine, "aud": audience, "sub": "machine-7"}
	maps.Copy(claims, changes)
	return w.issuer.Token(claims)
}

func input(role, token string) WebIdentityInput {
	return WebIdentityInput{RoleARN: role, SessionName: "run-1", Token: token, Info: request.Info{ID: "denial-1", Source: netip.MustParseAddr("192.0.2.7"), Secure: true, Time: now}}
}

// exchange asks, and says the reason of a refusal; 0 is success.
func (w *world) exchange(t *testing.T, in WebIdentityInput) (WebIdentityOutput, Reason, string) {
	t.Helper()
	out, err := w.AssumeRoleWithWebIdentity(t.Context(), in)
	if err == nil {
		return out, 0, ""
	}
	r, ok := errors.AsType[*Refusal](err)
	if !ok {
		t.Fatalf("the error is no Refusal: %v", err)
	}
	if out.Credentials.AccessKeyID != "" || out.Credentials.Secret.Reveal() != "" || out.Credentials.Token.Reveal() != "" {
		t.Error("a refusal came with credentials")
	}
	return out, r.Reason, r.Public
}

// events are the audit events after those of the setup.
func (w *world) events(t *testing.T) []audit.Event {
	t.Helper()
	lines, err := w.db.Audit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []audit.Event
	for _, l := range lines {
		e, err := audit.Decode(l.Body)
		if err != nil {
			t.Fatal(err)
		}
		if e.Action != "test:Setup" {
			out = append(out, e)
		}
	}
	return out
}
