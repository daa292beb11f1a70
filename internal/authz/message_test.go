package authz

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/iam"
	"mayfly.internal/internal/policy"
	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/request"
	"mayfly.internal/internal/session"
	"mayfly.internal/internal/session/sessiontest"
)

const own = "111122223333"

var at = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func parse(t testing.TB, kind policy.Kind, statements string) *policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, []byte(`{"Version":"2012-10-17","Statement":[`+statements+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// refused asks to assume a role as a job whose role has some statements, and
// gives the refusal.
func refused(t testing.TB, seal session.Sealer, permissions string, change func(*Question, *session.Session)) *DeniedError {
	t.Helper()
	role := iam.Role{ID: "AROAEXAMPLEEXAMPLE123", Account: own, Path: "/", Name: "ci", Attached: []string{"ANPA1"}}
	if permissions != "" {
		role.Inline = map[string]*policy.Document{"inline": parse(t, policy.Permission, permissions)}
	}
	managed := iam.ManagedPolicy{ID: "ANPA1", Account: own, Path: "/", Name: "attached", Default: 1, Versions: []iam.PolicyVersion{{Number: 1, Document: parse(t, policy.Managed, `{"Sid":"Never","Effect":"Deny","Action":"iam:*","Resource":"*"}`)}}}
	snap := registry.New(own, at).With(registry.PutPolicy{Policy: managed}, registry.PutRole{Role: role})
	s := session.Session{RoleID: role.ID, Name: "GitLabRunner-574", Issued: at, Expires: at.Add(time.Hour), Claims: session.Claims{Issuer: "https://gitlab.com", Subject: "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", Audience: "gitlab-aws-deploy",
		TokenID: "00112233445566778899aabbccddeeff", ProjectPath: "my_group/my-fancy_project", ProjectID: "4711", NamespaceID: "72", Ref: "production", RefType: "branch", SHA: strings.Repeat("a1b2c", 8), PipelineID: "574", JobID: "302", UserID: "1", UserLogin: "sample-user", Environment: "production"}}
	q := Question{Info: request.Info{ID: "r", Source: netip.MustParseAddr("192.0.2.7"), Secure: true, UserAgent: "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.12.0 md/arch#x86_64 lang/python#3.13.7", Region: "eu-central-1", Time: at},
		Actions: []string{"sts:AssumeRole"}, Resource: "arn:aws:iam::111122223333:role/deploy", Seal: seal}
	if change != nil {
		change(&q, &s)
	}
	var err error
	if q.Caller, err = snap.Principal(s, at); err != nil {
		t.Fatal(err)
	}
	_, err = Authorize(snap, q)
	e, ok := errors.AsType[*DeniedError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	return e
}

// TestMessage: what a refusal's message says, in the form of EC2's.
func TestMessage(t *testing.T) {
	seal := sessiontest.NewSealer(t)
	set := func(key, value string) Keys { return func(b *policy.ContextBuilder) { b.Set(key, value) } }
	for _, tt := range []struct {
		name, permissions string
		change            func(*Question, *session.Session)
		has, hasNot       []string
	}{
		{"nothing allows", "", nil,
			[]string{`{"allowed":false,"explicitDeny":false,"matchedStatements":{"items":[]},"failures":{"items":[{"policyType":"resource policy"},{"policyType":"identity policy"}]},"context":{"principal":{"id":"AROAEXAMPLEEXAMPLE123:GitLabRunner-574","arn":"arn:aws:sts::111122223333:assumed-role/ci/GitLabRunner-574"},"action":"sts:AssumeRole","resource":"arn:aws:iam::111122223333:role/deploy","conditions":{"items":[{"key":"aws:CurrentTime","values":{"items":[{"value":"2026-11-23T03:00:00Z"}]}},`,
				`{"key":"gitlab.com:project_path","values":{"items":[{"value":"my_group/my-fancy_project"}]}}`, `{"key":"aws:SourceIp","values":{"items":[{"value":"192.0.2.7"}]}}`},
			[]string{"00112233", "truncated"}},
		{"the trust policy does not", `{"Sid":"May","Effect":"Allow","Action":"sts:*","Resource":"*"}`, nil,
			[]string{`"matchedStatements":{"items":[{"statementId":"May","effect":"ALLOW","sourcePolicyType":"identity policy","sourcePolicyId":"inline"}]},"failures":{"items":[{"policyType":"resource policy"}]}`}, nil},
		{"a managed policy denies", `{"Effect":"Allow","Action":"*","Resource":"*"}`, func(q *Question, _ *session.Session) { q.Actions = []string{"iam:GetRole"} },
			[]string{`"explicitDeny":true,"matchedStatements":{"items":[{"statementId":"Never","effect":"DENY","sourcePolicyType":"identity policy","sourcePolicyId":"arn:aws:iam::111122223333:policy/attached"},{"statementId":"statement 1","effect":"ALLOW","sourcePolicyType":"identity policy","sourcePolicyId":"inline"}]},"failures":{"items":[]}`, `"action":"iam:GetRole"`}, nil},
		{"the trust policy denies", `{"Effect":"Allow","Action":"*","Resource":"*"}`, func(q *Question, _ *session.Session) {
			q.Trust = parse(t, policy.Trust, `{"Sid":"HiddenName","Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},{"Sid":"HiddenToo","Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"}`)
		}, []string{`"explicitDeny":true`, `{"statementId":"statement 2","effect":"DENY","sourcePolicyType":"resource policy"}`}, []string{"Hidden"}},
		{"the session policy does not allow", `{"Effect":"Allow","Action":"*","Resource":"*"}`, func(q *Question, s *session.Session) {
			s.Policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}`
			q.Trust = parse(t, policy.Trust, `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`)
		}, []string{`"failures":{"items":[{"policyType":"session policy"}]}`, `{"statementId":"statement 1","effect":"ALLOW","sourcePolicyType":"resource policy"}`}, nil},
		{"keys of the request and of the resource", "", func(q *Question, _ *session.Session) {
			q.Keys, q.About = []Keys{set("sts:ExternalId", "own-7")}, []Keys{set("aws:ResourceTag/Hidden", "hidden")}
		}, []string{`"key":"sts:ExternalId"`, "own-7"}, []string{"idden"}},
		{"hostile text", "", func(_ *Question, s *session.Session) { s.Claims.Ref = "\x1b[31m\"<script>\r\n\u202e" },
			[]string{`{"value":"\u001b[31m\"\u003cscript\u003e\r\n`}, []string{"\x1b", "<script>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := refused(t, seal, tt.permissions, tt.change)
			if !strings.HasSuffix(e.Message(), ". Encoded authorization failure message: "+e.Encoded) || !strings.HasPrefix(e.Message(), e.Error()) || strings.Contains(e.Error(), e.Encoded) {
				t.Errorf("the sentence is %s", e.Message())
			}
			text, err := Decode(e.Encoded, own, seal)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.has {
				if !strings.Contains(text, want) {
					t.Errorf("%s\ndoes not hold %s", text, want)
				}
			}
			for _, leak := range tt.hasNot {
				if strings.Contains(text, leak) {
					t.Errorf("%s\nholds %s", text, leak)
				}
			}
		})
	}
}

// TestMessageIsBounded: a usual one is some lines of a terminal; the longest is
// what may be decoded, whatever the caller brings.
func TestMessageIsBounded(t *testing.T) {
	seal := sessiontest.NewSealer(t)
	if n := len(refused(t, seal, `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`, nil).Encoded); n > 800 {
		t.Errorf("a job's refusal takes %d characters", n)
	}
	random := rand.NewChaCha8([32]byte{})
	noise := func(n int) string {
		b := make([]byte, n)
		random.Read(b)
		return base64.StdEncoding.EncodeToString(b)[:n]
	}
	for name, change := range map[string]func(*Question, *session.Session){
		"fifty tags of noise": func(q *Question, _ *session.Session) {
			q.Keys = []Keys{func(b *policy.ContextBuilder) {
				for range 50 {
					b.Set("aws:RequestTag/"+noise(128), noise(256))
				}
			}}
		},
		"control characters": func(q *Question, _ *session.Session) {
			q.Keys = []Keys{func(b *policy.ContextBuilder) {
				for i := range 100 {
					b.Set(fmt.Sprint("k", i), strings.Repeat("\x01\x02\x03", 1000))
				}
			}}
		},
		"long names": func(q *Question, _ *session.Session) {
			q.Resource, q.Actions = noise(100_000), []string{"a:" + noise(100_000)}
		},
		"one key of many values": func(q *Question, _ *session.Session) {
			q.Keys = []Keys{func(b *policy.ContextBuilder) {
				b.SetMany("aws:TagKeys", strings.Fields(strings.Repeat(noise(128)+" ", 5000)))
			}}
		},
	} {
		e := refused(t, seal, "", change)
		if e.Encoded == "" || len(e.Encoded) > MaxMessageLen {
			t.Errorf("%s: %d characters", name, len(e.Encoded))
			continue
		}
		if text, err := Decode(e.Encoded, own, seal); err != nil || !strings.Contains(text, `"truncated":true`) && name != "long names" {
			t.Errorf("%s: %v %.200s", name, err, text)
		}
	}
	statements := make([]string, 200)
	for i := range statements {
		statements[i] = fmt.Sprintf(`{"Sid":"%s%d","Effect":"Allow","Action":"sts:*","Resource":"*"}`, "S", i)
	}
	e := refused(t, seal, strings.Join(statements, ","), nil)
	if text, err := Decode(e.Encoded, own, seal); err != nil || strings.Count(text, "ALLOW") != maxMatched || !strings.Contains(text, `"truncated":true`) {
		t.Errorf("%v %s", err, text)
	}
}

// TestMessageWithoutSealer: a refusal stands without its message.
func TestMessageWithoutSealer(t *testing.T) {
	broken := sessiontest.NewSealer(t)
	broken.Err = errors.New("broken")
	for name, seal := range map[string]session.Sealer{"none": nil, "one that is broken": broken} {
		if e := refused(t, seal, "", nil); e.Encoded != "" || e.Message() != e.Error() {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

// TestDecodeRefuses: what was not sealed as a message of this account, byte by
// byte, is none; a session token is none, and a message is no session token.
func TestDecodeRefuses(t *testing.T) {
	seal := sessiontest.NewSealer(t)
	e := refused(t, seal, "", nil)
	text := e.Encoded
	made, creds, err := session.Issue(session.Session{RoleID: "AROA1", Name: "s", Issued: at, Expires: at.Add(time.Hour)}, own, seal, rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) string {
		b := []byte(text)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	for name, tt := range map[string]struct {
		text, account string
		open          session.Sealer
	}{
		"nothing":               {"", own, seal},
		"another account's":     {text, "111122223334", seal},
		"of another key":        {text, own, sessiontest.NewSealer(t)},
		"its first character":   {flip(0), own, seal},
		"one in its middle":     {flip(len(text) / 2), own, seal},
		"cut short":             {text[:len(text)-4], own, seal},
		"doubled":               {text + text, own, seal},
		"padded":                {text + "=", own, seal},
		"with a line break":     {text[:8] + "\n" + text[8:], own, seal},
		"with a space":          {text + " ", own, seal},
		"too long":              {strings.Repeat("A", MaxMessageLen+1), own, seal},
		"a session token":       {creds.Token.Reveal(), own, seal},
		"standard base64 of it": {strings.NewReplacer("-", "+", "_", "/").Replace(text) + "+", own, seal},
	} {
		if got, err := Decode(tt.text, own, tt.open); tt.account == own && (!errors.Is(err, ErrMessage) || got != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := Decode(tt.text, "111122223334", tt.open); !errors.Is(err, ErrMessage) || got != "" {
			t.Errorf("%s, for another account: %q, %v", name, got, err)
		}
	}
	if s, err := session.Open(text, made.AccessKeyID(), own, seal); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("a message opens as the session %+v", s)
	}
}

// FuzzDecode: what decodes is what was encoded, however it is written.
func FuzzDecode(f *testing.F) {
	seal := plain{}
	for _, permissions := range []string{"", `{"Effect":"Allow","Action":"sts:*","Resource":"*"}`} {
		sealed, err := base64.RawURLEncoding.DecodeString(refused(f, seal, permissions, nil).Encoded)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decode(data)
		if err != nil {
			if !reflect.DeepEqual(m, message{}) {
				t.Fatalf("an error and %+v", m)
			}
			return
		}
		text := m.clear()
		if !strings.HasPrefix(text, `{"allowed":false,`) {
			t.Fatal(text)
		}
		if encoded := encode(m, own, seal); encoded != "" {
			again, err := Decode(encoded, own, seal)
			if err != nil || again != text {
				t.Fatalf("%s\nbecomes %s, %v", text, again, err)
			}
		}
	})
}

// plain seals nothing.
type plain struct{}

func (plain) Seal(text, _ []byte) ([]byte, error) { return bytes.Clone(text), nil }
func (plain) Open(text, _ []byte) ([]byte, error) { return text, nil }
