package sigv4_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
	"mayfly.internal/internal/vectortest"
)

// vectorContext is context.json of AWS's suite.
type vectorContext struct {
	Credentials struct {
		ID     string `json:"access_key_id"`
		Secret string `json:"secret_access_key"`
		Token  string `json:"token"`
	} `json:"credentials"`
	Expiration int       `json:"expiration_in_seconds"`
	Region     string    `json:"region"`
	Service    string    `json:"service"`
	SignBody   bool      `json:"sign_body"`
	Timestamp  time.Time `json:"timestamp"`
}

func readText(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), "\r\n", "\n")
}

// readRequest reads a request as AWS's suite writes it: spaces and UTF-8 may
// stand bare in the path, header lines may be folded.
func readRequest(t *testing.T, path string) sigv4.Request {
	t.Helper()
	head, body, _ := strings.Cut(readText(t, path), "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	method, rest, _ := strings.Cut(lines[0], " ")
	target := strings.TrimSuffix(rest, " HTTP/1.1")
	r := sigv4.Request{Method: method, Body: []byte(body)}
	r.Path, r.RawQuery, _ = strings.Cut(target, "?")
	for _, line := range lines[1:] {
		if last := len(r.Headers) - 1; line[0] == ' ' || line[0] == '\t' {
			r.Headers[last].Value += " " + line // RFC 9112 §5.2: a fold is a space
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(name, "host") {
			r.Host = value
			continue
		}
		r.Headers = append(r.Headers, sigv4.Header{Name: name, Value: value})
	}
	return r
}

// skips says which cases of a suite do not apply, and why.
func readSkips(t *testing.T) map[string]string {
	t.Helper()
	skips := map[string]string{}
	if err := json.Unmarshal([]byte(readText(t, "testdata/skips.json")), &skips); err != nil {
		t.Fatal(err)
	}
	return skips
}

// TestAWSSuite walks AWS's own suite: for each case and each of its forms, what
// we parse, what we verify and what we sign must be what AWS's signer made.
func TestAWSSuite(t *testing.T) {
	root := vectortest.Path(t, "sigv4/v4")
	cases, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	skips, used := readSkips(t), 0
	for _, c := range cases {
		dir := filepath.Join(root, c.Name())
		for _, form := range []string{"header", "query"} {
			why, skipped := skips[c.Name()+"/"+form]
			if skipped {
				used++
			}
			t.Run(c.Name()+"/"+form, func(t *testing.T) {
				if !skipped {
					checkVector(t, dir, form)
					return
				}
				if vectorPasses(t, dir, form) {
					t.Error("the case is in skips.json and passes")
				}
				t.Skip(why)
			})
		}
	}
	if len(cases) < 38 || used != len(skips) {
		t.Errorf("%d cases, %d of the %d in skips.json", len(cases), used, len(skips))
	}
}

func vectorPasses(t *testing.T, dir, form string) bool {
	t.Helper()
	var ctx vectorContext
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "context.json"))), &ctx); err != nil {
		t.Fatal(err)
	}
	s, err := sigv4.Parse(readRequest(t, filepath.Join(dir, form+"-signed-request.txt")))
	return err == nil && s.Verify(secret.New(ctx.Credentials.Secret), ctx.Timestamp, sigv4.DefaultWindow()) == nil
}

func checkVector(t *testing.T, dir, form string) {
	var ctx vectorContext
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "context.json"))), &ctx); err != nil {
		t.Fatal(err)
	}
	key := secret.New(ctx.Credentials.Secret)
	signed := readRequest(t, filepath.Join(dir, form+"-signed-request.txt"))
	s, err := sigv4.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if want := readText(t, filepath.Join(dir, form+"-canonical-request.txt")); s.Canonical() != want {
		t.Errorf("canonical request:\n%s\nwant:\n%s", s.Canonical(), want)
	}
	if want := readText(t, filepath.Join(dir, form+"-string-to-sign.txt")); s.StringToSign() != want {
		t.Errorf("string to sign:\n%s\nwant:\n%s", s.StringToSign(), want)
	}
	if err := s.Verify(key, ctx.Timestamp, sigv4.DefaultWindow()); err != nil {
		t.Errorf("verify: %v", err)
	}
	if err := s.Verify(secret.New(ctx.Credentials.Secret+"x"), ctx.Timestamp, sigv4.DefaultWindow()); err == nil {
		t.Error("verifies with another key")
	}
	want := strings.TrimSpace(readText(t, filepath.Join(dir, form+"-signature.txt")))
	if got := signVector(t, dir, form, ctx); got != want {
		t.Errorf("we sign %s, AWS's signer %s", got, want)
	}
}

func signVector(t *testing.T, dir, form string, ctx vectorContext) string {
	r := readRequest(t, filepath.Join(dir, "request.txt"))
	c := sigv4.Credentials{AccessKeyID: ctx.Credentials.ID, SecretKey: secret.New(ctx.Credentials.Secret), SessionToken: ctx.Credentials.Token}
	if form == "query" {
		query, err := sigv4.Presign(r, c, ctx.Region, ctx.Service, time.Duration(ctx.Expiration)*time.Second, ctx.Timestamp)
		if err != nil {
			t.Fatal(err)
		}
		return query[strings.LastIndex(query, "=")+1:]
	}
	if ctx.SignBody {
		signed := readRequest(t, filepath.Join(dir, "header-signed-request.txt"))
		for _, h := range signed.Headers {
			if strings.EqualFold(h.Name, "x-amz-content-sha256") {
				r.Headers = append(r.Headers, h)
			}
		}
	}
	added, err := sigv4.Sign(r, c, ctx.Region, ctx.Service, ctx.Timestamp)
	if err != nil {
		t.Fatal(err)
	}
	authorization := added[len(added)-1].Value
	return authorization[strings.LastIndex(authorization, "=")+1:]
}
