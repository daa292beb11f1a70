package kubeapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/eks"
	"mayfly.internal/internal/fault"
	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/kubeapi"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/session/sessiontest"
	"mayfly.internal/internal/vectortest"
)

// port is a world's drop-in port for the cluster prod, whose tokens are bound to
// k8s.example.com.
type port struct {
	*world
	*kubeapi.Authenticator
	observed []kubeapi.Result
	mapping  eks.Mapping
	mapErr   error
	who      eks.Vouched
	awsErr   error
}

func (p *port) Map(context.Context, eks.Cluster, eks.Principal) (eks.Mapping, bool, error) {
	return p.mapping, p.mapping.ARN != "", p.mapErr
}

func (p *port) Caller(context.Context, string, string, string) (eks.Vouched, error) {
	return p.who, p.awsErr
}

func newPort(t *testing.T) *port {
	t.Helper()
	w := newWorld(t)
	p := &port{world: w, who: eks.Vouched{ARN: "arn:aws:sts::444455556666:assumed-role/deployer/job-7", Account: "444455556666", UserID: "AROATHEIRS:job-7", AccessKeyID: "ASIATHEIRS"},
		mapping: eks.Mapping{ARN: "arn:aws:iam::444455556666:role/deployer", Username: "theirs:{{SessionName}}", Groups: []string{"g"}}}
	w.api.Auth.AWS = p
	p.trust("444455556666")
	p.Authenticator = &kubeapi.Authenticator{Auth: w.api.Auth, Registry: w, Cluster: "prod", BoundTo: "k8s.example.com", Mapper: p, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Observe: func(r kubeapi.Result, took time.Duration) {
			if p.observed = append(p.observed, r); took < 0 {
				t.Errorf("it took %s", took)
			}
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics") })}
	return p
}

func (p *port) trust(accounts ...arn.AccountID) {
	c, _ := p.snapshot.Cluster("prod")
	c.TrustAccounts = accounts
	p.snapshot = p.snapshot.With(registry.PutCluster{Cluster: c})
}

func (p *port) post(method, path, body string) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	(&httpedge.Edge{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return start }}).Wrap("authenticator", p.Authenticator.Handler()).ServeHTTP(out, httptest.NewRequest(method, path, strings.NewReader(body)))
	return out
}

// otherSealer seals what is none of our sessions: AWS would be asked about it.
func otherSealer(t *testing.T) *sessiontest.Sealer { return sessiontest.NewSealer(t) }

func (p *port) ask(token string) (int, reviewAnswer) {
	p.t.Helper()
	out := p.post("POST", "/authenticate", tokenReview("v1beta1", token))
	var a reviewAnswer
	if err := json.Unmarshal(out.Body.Bytes(), &a); err != nil {
		p.t.Fatalf("%d %s: %v", out.Code, out.Body, err)
	}
	if (out.Code == 200) != a.Status.Authenticated {
		p.t.Errorf("%d %s", out.Code, out.Body)
	}
	return out.Code, a
}

// TestAuthenticator: our sessions and AWS's principals, without a client
// certificate, bound to the clusterID.
func TestAuthenticator(t *testing.T) {
	p := newPort(t)
	status, got := p.ask(p.bearer("k8s.example.com", time.Hour))
	if status != 200 || got.Status.User.UID != "aws-iam-authenticator:111122223333:"+iam.AdminID || got.Kind != "TokenReview" || got.APIVersion != "authentication.k8s.io/v1beta1" {
		t.Errorf("%d %+v", status, got)
	}
	p.sealer = otherSealer(t)
	status, got = p.ask(p.bearer("k8s.example.com", time.Hour))
	if status != 200 || got.Status.User.Username != "theirs:job-7" || got.Status.User.UID != "aws-iam-authenticator:444455556666:AROATHEIRS" || !slices.Equal(got.Status.User.Groups, []string{"g"}) ||
		!slices.Equal(got.Status.User.Extra["accessKeyId"], []string{"ASIATHEIRS"}) {
		t.Errorf("%d %+v", status, got)
	}
	if want := []kubeapi.Result{kubeapi.Success, kubeapi.Success}; !slices.Equal(p.observed, want) {
		t.Errorf("%v", p.observed)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/metrics": "metrics"} {
		if out := p.post("GET", path, ""); out.Code != 200 || out.Body.String() != want {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
	for _, path := range []string{"/", "/authorize", "/kubernetes/prod/authenticate"} {
		if out := p.post("POST", path, tokenReview("v1", p.bearer("prod", time.Hour))); out.Code != 404 {
			t.Errorf("%s: %d %s", path, out.Code, out.Body)
		}
	}
}

// TestScrubbed: of an account that is scrubbed the cluster sees a user name and
// groups.
func TestScrubbed(t *testing.T) {
	for scrubbed, want := range map[string]string{"444455556666": "aws-iam-authenticator:administrative:theirs:job-7", "44445555666": "aws-iam-authenticator:444455556666:AROATHEIRS", "111122223333": "aws-iam-authenticator:444455556666:AROATHEIRS"} {
		p := newPort(t)
		p.sealer, p.Scrubbed = otherSealer(t), []string{scrubbed}
		_, got := p.ask(p.bearer("k8s.example.com", time.Hour))
		if u := got.Status.User; u == nil || u.UID != want || (len(u.Extra) == 0) != (scrubbed == "444455556666") || u.Username != "theirs:job-7" {
			t.Errorf("%s: %+v", scrubbed, u)
		}
	}
}

func TestAuthenticatorRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(p *port)
		token  func(p *port) string
		status int
		want   kubeapi.Result
	}{
		{"no token of EKS", nil, func(*port) string { return "eyJhbGciOiJSUzI1NiJ9.e30.x" }, 403, kubeapi.InvalidToken},
		{"none at all", nil, func(*port) string { return "k8s-aws-v1." }, 403, kubeapi.InvalidToken},
		{"bound to the cluster's name", nil, func(p *port) string { return p.bearer("prod", time.Hour) }, 403, kubeapi.STSError},
		{"an ended session", nil, func(p *port) string { return p.bearer("k8s.example.com", 0) }, 403, kubeapi.InvalidToken},
		{"an account that is not trusted", func(p *port) { p.trust("777788889999") }, nil, 403, kubeapi.UnknownUser},
		{"no account is trusted", func(p *port) { p.trust() }, nil, 403, kubeapi.InvalidToken},
		{"AWS disowns it", func(p *port) { p.awsErr = fault.New(fault.Denied, "no") }, nil, 403, kubeapi.STSError},
		{"AWS does not answer", func(p *port) { p.awsErr = fault.New(fault.Unavailable, "no") }, nil, 403, kubeapi.STSError},
		{"AWS is asked too often", func(p *port) { p.awsErr = fault.New(fault.Throttled, "no") }, nil, 429, kubeapi.STSThrottled},
		{"not mapped", func(p *port) { p.mapping = eks.Mapping{} }, nil, 403, kubeapi.UnknownUser},
		{"mappings that cannot be read", func(p *port) { p.mapErr = errors.New("down") }, nil, 403, kubeapi.UnknownUser},
		{"a reserved name", func(p *port) { p.mapping.Reserved = []string{"theirs:"} }, nil, 403, kubeapi.UnknownUser},
		{"a cluster that is not registered", func(p *port) { p.Cluster = "none" }, nil, 403, kubeapi.UnknownUser},
		{"a log that is full", func(p *port) { p.audit = func(context.Context) error { return errors.New("full") } }, nil, 403, kubeapi.InvalidToken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPort(t)
			if tt.change != nil {
				tt.change(p)
			}
			var token string
			if tt.token != nil {
				token = tt.token(p)
			} else {
				p.sealer = otherSealer(t)
				token = p.bearer("k8s.example.com", time.Hour)
			}
			out := p.post("POST", "/authenticate", tokenReview("v1beta1", token))
			if out.Code != tt.status || !slices.Equal(p.observed, []kubeapi.Result{tt.want}) || strings.TrimSpace(out.Body.String()) != `{"metadata":{"creationTimestamp":null},"spec":{},"status":{"user":{}}}` {
				t.Errorf("%d %s, observed %v", out.Code, out.Body, p.observed)
			}
			if log := p.log.String(); !strings.Contains(log, "bearer token refused") || strings.Contains(log, token) {
				t.Errorf("log: %s", log)
			}
		})
	}
}

// TestAuthenticatorVectors holds the port against aws-iam-authenticator's.
func TestAuthenticatorVectors(t *testing.T) {
	var doc struct {
		HTTP []struct {
			Method, Case string
			Body         *string
			Status       int
			Contains     string          `json:"body_contains"`
			JSON         json.RawMessage `json:"body_json"`
		}
	}
	if err := json.Unmarshal(vectortest.Read(t, "eks-bearer-tokens/webhook.json"), &doc); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range doc.HTTP {
		if c.Case != "" {
			continue // TestAuthenticatorRefuses has them
		}
		ran++
		body := ""
		if c.Body != nil {
			body = *c.Body
		}
		p := newPort(t)
		out := p.post(c.Method, "/authenticate", body)
		if out.Code != c.Status || !strings.Contains(out.Body.String(), c.Contains) || len(p.observed) != 1 || (p.observed[0] == kubeapi.Malformed) != (c.Status != 403) {
			t.Errorf("%s %q: %d %s, observed %v", c.Method, body, out.Code, out.Body, p.observed)
		}
		if c.JSON == nil {
			continue
		}
		var got, want any
		if json.Unmarshal(out.Body.Bytes(), &got) != nil || json.Unmarshal(c.JSON, &want) != nil {
			t.Fatalf("%s", out.Body)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Errorf("%s, want %s", a, b)
		}
	}
	if ran != 4 {
		t.Errorf("%d cases ran", ran)
	}
	p := newPort(t)
	if out := p.post("POST", "/authenticate", strings.Repeat(" ", 300<<10)); out.Code != 413 || p.observed[0] != kubeapi.Malformed {
		t.Errorf("%d, observed %v", out.Code, p.observed)
	}
}
