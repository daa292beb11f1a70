package session

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/secret"
)

const account = "111122223333"

var issued = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

// testSealer is AES-GCM with a fixed key and nonce counter: the real keys are
// the server's.
type testSealer struct {
	aead cipher.AEAD
	n    byte
}

func newSealer(key byte) *testSealer {
	block, err := aes.NewCipher(bytes.Repeat([]byte{key}, 32))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &testSealer{aead: aead}
}

func (s *testSealer) Seal(plain, ad []byte) ([]byte, error) {
	s.n++
	nonce := bytes.Repeat([]byte{s.n}, 12)
	return s.aead.Seal(nonce, nonce, plain, ad), nil
}

func (s *testSealer) Open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < 12 {
		return nil, errors.New("short")
	}
	return s.aead.Open(nil, sealed[:12], sealed[12:], ad)
}

// counting hands out distinct bytes and counts them.
type counting struct{ n int }

func (c *counting) Read(p []byte) (int, error) {
	for i := range p {
		c.n++
		p[i] = byte(c.n * 7)
	}
	return len(p), nil
}

func job() Session {
	return Session{
		RoleID: "AROAAAAAAAAAAAAAAAAA1", ProviderID: "OIDCAAAAAAAAAAAAAAAA1", Name: "GitLabRunner-7",
		Issued: issued, Expires: issued.Add(15 * time.Minute),
		Claims: Claims{
			Issuer: "https://gitlab.com", Subject: "project_path:my_group/my-fancy_project:ref_type:branch:ref:production", Audience: "gitlab-aws-deploy",
			TokenID: "00112233445566778899aabbccddeeff", ProjectPath: "my_group/my-fancy_project", ProjectID: "4711", NamespaceID: "72", Ref: "production", RefType: "branch",
			SHA: strings.Repeat("a", 40), PipelineID: "574", JobID: "302", UserID: "1", UserLogin: "sample-user", Environment: "production",
		},
	}
}

func TestSealAndOpen(t *testing.T) {
	for name, change := range map[string]func(*Session){
		"a job":                      func(*Session) {},
		"a policy that deflates":     func(s *Session) { s.Policy = `{"Version":"2012-10-17","Statement":[` + strings.Repeat(" ", 500) + `]}` },
		"a policy too short for it":  func(s *Session) { s.Policy = "{}" },
		"tags":                       func(s *Session) { s.Tags = []Tag{{"team", "a", true}, {"empty", "", false}} },
		"a source identity":          func(s *Session) { s.SourceIdentity = "someone" },
		"a chain":                    func(s *Session) { s.Chain = []string{"AROAAAAAAAAAAAAAAAAA2", "AROAAAAAAAAAAAAAAAAA3"} },
		"managed session policies":   func(s *Session) { s.PolicyIDs = []string{"ANPAAAAAAAAAAAAAAAAA1", "ANPAAAAAAAAAAAAAAAAA2"} },
		"a reader":                   func(s *Session) { *s = Session{Reader: "my-cluster", Issued: issued, Expires: issued.Add(time.Minute)} },
		"an administrator":           func(s *Session) { s.Claims, s.AdminUID = Claims{}, "1000" },
		"a subject of other parts":   func(s *Session) { s.Claims.Subject = "project_id:4711:ref:production:ref_protected:true" },
		"a subject that repeats":     func(s *Session) { s.Claims.Subject = "ref:production:ref:production" },
		"a subject of another kind":  func(s *Session) { s.Claims.Subject = "1" },
		"a subject with mark bytes":  func(s *Session) { s.Claims.Subject = "ref:production:\x01" },
		"a ref that looks like more": func(s *Session) { s.Claims.Ref = "a\x02b"; s.Claims.Subject = "project_path:p:ref:a\x02b" },
	} {
		t.Run(name, func(t *testing.T) {
			in, seal := job(), newSealer(1)
			change(&in)
			s, cred, err := Issue(in, account, seal, &counting{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := Open(cred.Token.Reveal(), cred.AccessKeyID, account, seal)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s) {
				t.Errorf("opened as\n%+v\nissued as\n%+v", got, s)
			}
			if got.Secret().Reveal() != cred.Secret.Reveal() || len(cred.Secret.Reveal()) != 40 {
				t.Errorf("the secret key changed, or is not 40 characters: %d", len(cred.Secret.Reveal()))
			}
			in.ID, in.secret = s.ID, s.secret
			if !reflect.DeepEqual(in, s) {
				t.Errorf("Issue changed the session:\n%+v\n%+v", in, s)
			}
		})
	}
}

// TestBegin: a session without credentials has an id of its own, and no secret.
func TestBegin(t *testing.T) {
	_, cred, err := Issue(job(), account, newSealer(1), &counting{})
	if err != nil {
		t.Fatal(err)
	}
	from, err := Open(cred.Token.Reveal(), cred.AccessKeyID, account, newSealer(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Begin(from, &counting{n: 7})
	if err != nil || got.ID == from.ID || !got.Secret().Empty() || got.RoleID != from.RoleID || !got.Expires.Equal(from.Expires) || got.Claims != from.Claims {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := Begin(from, strings.NewReader("too short")); err == nil || got.RoleID != "" {
		t.Errorf("without randomness: %+v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	seal := newSealer(1)
	_, cred, err := Issue(job(), account, seal, &counting{})
	if err != nil {
		t.Fatal(err)
	}
	token, key := cred.Token.Reveal(), cred.AccessKeyID
	_, other, _ := Issue(job(), account, seal, &counting{n: 99})
	flip := func(i int) string {
		b := []byte(token)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return string(b)
	}
	for name, tt := range map[string]struct {
		token, key, account string
		seal                Sealer
	}{
		"an empty token":                 {"", key, account, seal},
		"another access key id":          {token, other.AccessKeyID, account, seal},
		"no access key id":               {token, "", account, seal},
		"the key id in lower case":       {token, strings.ToLower(key), account, seal},
		"another account":                {token, key, "111122223334", seal},
		"another sealing key":            {token, key, account, newSealer(2)},
		"a changed first character":      {flip(0), key, account, seal},
		"a changed character inside":     {flip(len(token) / 2), key, account, seal},
		"a token cut short":              {token[:len(token)-4], key, account, seal},
		"a token with padding":           {token + "=", key, account, seal},
		"a token with a newline":         {token[:8] + "\n" + token[8:], key, account, seal},
		"standard base64 in place of it": {strings.ReplaceAll(strings.ReplaceAll(token, "-", "+"), "_", "/") + "+", key, account, seal},
		"a token doubled":                {token + token, key, account, seal},
		"a token too long":               {strings.Repeat("A", MaxTokenLen+1), key, account, seal},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(tt.token, tt.key, arn.AccountID(tt.account), tt.seal)
			if !errors.Is(err, ErrInvalid) || !reflect.DeepEqual(s, Session{}) {
				t.Errorf("got %+v, %v", s, err)
			}
		})
	}
}

func TestNotCanonicalBase64IsRefused(t *testing.T) {
	// The last character of a base64 text may hold bits that decode to nothing;
	// two texts for one token would be two identities in a log.
	seal := newSealer(1)
	for pad := range 3 {
		s := job()
		s.Name = strings.Repeat("n", 4+pad)
		_, cred, _ := Issue(s, account, seal, &counting{})
		token := cred.Token.Reveal()
		if len(token)%4 == 0 {
			continue
		}
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		last := strings.IndexByte(alphabet, token[len(token)-1])
		twin := token[:len(token)-1] + string(alphabet[last|1])
		if twin != token {
			if _, err := Open(twin, cred.AccessKeyID, account, seal); !errors.Is(err, ErrInvalid) {
				t.Errorf("a second spelling of the token opened")
			}
		}
	}
}

func TestExpiry(t *testing.T) {
	s := job()
	for _, tt := range []struct {
		at   time.Time
		want bool
	}{{s.Expires.Add(-time.Second), false}, {s.Expires.Add(-time.Nanosecond), false}, {s.Expires, true}, {s.Expires.Add(time.Second), true}} {
		if s.Expired(tt.at) != tt.want {
			t.Errorf("Expired(%v) = %v", tt.at, !tt.want)
		}
	}
	if !(Session{}).Expired(issued) {
		t.Error("the zero session has not expired")
	}
}

func TestSizes(t *testing.T) {
	seal := newSealer(1)
	path := "g/" + strings.Repeat("p", 255-len("project_path::ref_type:branch:ref:production")-2)
	s := job()
	s.Name = strings.Repeat("n", 64)
	s.Claims.ProjectPath, s.Claims.Subject = path, "project_path:"+path+":ref_type:branch:ref:production"
	if len(s.Claims.Subject) != 255 {
		t.Fatalf("subject of %d bytes", len(s.Claims.Subject))
	}
	_, cred, err := Issue(s, account, seal, &counting{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(cred.Token.Reveal()); n > 1300 {
		t.Errorf("a 255-byte subject takes %d characters", n)
	}
	for part, change := range map[string]func(*Session){
		PartPolicy: func(s *Session) { s.Policy = noise(2000) },
		PartTags: func(s *Session) {
			for i := range 40 {
				s.Tags = append(s.Tags, Tag{Key: fmt.Sprint("key", i), Value: strings.Repeat("v", 50)})
			}
		},
		"ref": func(s *Session) { s.Claims.Ref = strings.Repeat("r", 2000); s.Claims.Subject = "" },
		"sub": func(s *Session) { s.Claims.Subject, s.Policy = strings.Repeat("s", 2000), "{}" },
	} {
		s := job()
		change(&s)
		_, _, err := Issue(s, account, seal, &counting{})
		tooLarge, ok := errors.AsType[*TooLargeError](err)
		if !ok || tooLarge.Part != part || tooLarge.Percent <= 100 {
			t.Errorf("%s: error = %v", part, err)
		}
	}
}

// TestPacked: the percentage is of the room that the claims leave, and reaches
// 100 where the session no longer fits.
func TestPacked(t *testing.T) {
	seal := newSealer(1)
	packed := func(change func(*Session)) int {
		s := job()
		change(&s)
		_, cred, err := Issue(s, account, seal, &counting{})
		if e, ok := errors.AsType[*TooLargeError](err); ok {
			return e.Percent
		} else if err != nil {
			t.Fatal(err)
		}
		return cred.PackedPercent
	}
	tagged := func(n int) func(*Session) {
		return func(s *Session) { s.Tags = []Tag{{Key: "k", Value: strings.Repeat("v", n)}} }
	}
	if got := packed(func(*Session) {}); got != 0 {
		t.Errorf("nothing takes %d%%", got)
	}
	if got := packed(func(s *Session) { s.PolicyIDs = []string{"ANPAAAAAAAAAAAAAAAAA1"} }); got < 1 || got > 5 {
		t.Errorf("one managed policy takes %d%%", got)
	}
	if got := packed(tagged(1)); got != 1 {
		t.Errorf("a tag of two characters takes %d%%", got)
	}
	for n, last := 0, 0; ; n++ {
		got := packed(tagged(n))
		if got < last {
			t.Fatalf("a longer tag takes %d%% after %d%%", got, last)
		}
		if got > 100 {
			if last != 100 {
				t.Errorf("%d%% is followed by %d%%", last, got)
			}
			break
		}
		last = got
	}
	if a, b := packed(tagged(200)), packed(func(s *Session) { tagged(200)(s); s.Claims.UserLogin = strings.Repeat("u", 255) }); a >= b {
		t.Errorf("longer claims leave more room: %d%% and %d%%", a, b)
	}
}

// noise is text that does not deflate.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte(' ' + byte(x>>24)%95)
	}
	return b.String()
}

func TestEachSessionDrawsItsOwnBytes(t *testing.T) {
	random := &counting{}
	a, ca, _ := Issue(job(), account, newSealer(1), random)
	if random.n != 46 {
		t.Errorf("drew %d bytes, want 16 for the id and 30 for the key", random.n)
	}
	b, cb, _ := Issue(job(), account, newSealer(1), random)
	if a.ID == b.ID || ca.Secret.Reveal() == cb.Secret.Reveal() {
		t.Error("two sessions share an id or a key")
	}
	again, cc, _ := Again(a, account, newSealer(1), random)
	if again.ID != a.ID || !again.Expires.Equal(a.Expires) || cc.Secret.Reveal() == ca.Secret.Reveal() {
		t.Error("Again gives a new id or expiry, or the old secret")
	}
	if _, _, err := Issue(job(), account, newSealer(1), io.LimitReader(random, 20)); err == nil {
		t.Error("issued without randomness")
	}
}

func TestNothingPrintsTheSecret(t *testing.T) {
	s, cred, _ := Issue(job(), account, newSealer(1), &counting{})
	for _, text := range []string{fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%+v", cred), fmt.Sprintf("%v", Principal{Session: s})} {
		if strings.Contains(text, cred.Secret.Reveal()) || strings.Contains(text, cred.Token.Reveal()) {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, _ := encode(job(), [30]byte{})
	chained := job()
	chained.Chain = slices.Repeat([]string{"AROAAAAAAAAAAAAAAAAA2"}, MaxChain+1)
	long, _ := encode(chained, [30]byte{})
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"another version":  append([]byte{2}, good[1:]...),
		"an unknown tag":   append(bytes.Clone(good), 200, 1, 'x'),
		"a field twice":    append(bytes.Clone(good), byte(tagName), 1, 'x'),
		"a field cut":      append(bytes.Clone(good), byte(tagReader), 9, 'x'),
		"a chain too long": long,
		"no id":            {encodingVersion, byte(tagName), 1, 'x'},
	} {
		if s, err := decode(data); err == nil || !reflect.DeepEqual(s, Session{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for n := range good {
		if _, err := decode(good[:n]); err == nil && n < 60 {
			t.Errorf("a prefix of %d bytes decodes", n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	s := job()
	s.Policy, s.Tags, s.PolicyIDs, s.Chain = strings.Repeat("x", 300), []Tag{{"k", "v", true}}, []string{"ANPA1"}, []string{"AROA1", "AROA2"}
	seed, _ := encode(s, [30]byte{1})
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		var key [30]byte
		plain, _ := encode(s, key)
		again, err := decode(plain)
		again.secret, s.secret = secret.String{}, secret.String{}
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%+v encodes to %+v, %v", s, again, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	seal := newSealer(1)
	_, cred, _ := Issue(job(), account, seal, &counting{})
	f.Add(cred.Token.Reveal(), cred.AccessKeyID)
	f.Fuzz(func(t *testing.T, token, key string) {
		if s, err := Open(token, key, account, seal); err == nil {
			if token != cred.Token.Reveal() || key != cred.AccessKeyID {
				t.Fatalf("opened a token nobody sealed: %q %+v", token, s)
			}
		}
	})
}
