// Package signer holds our SigV4 verifier against aws-sdk-go-v2's signer.
package signer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"mayfly.internal/internal/httpedge"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

var (
	now   = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)
	creds = aws.Credentials{AccessKeyID: "ASIAEXAMPLEEXAMPLE12", SecretAccessKey: "secret/with+signs", SessionToken: "token/with+signs=="}
)

// question is a request that a client may make.
type question struct {
	method, path, query, body string
	header, value             string
	presigned, token          bool
}

// request is the question as the SDK is given it: the parameters of the query
// are escaped, as every client does.
func (q question) request(t testing.TB) *http.Request {
	t.Helper()
	if !isNormal("/" + q.path) {
		return nil
	}
	u := &url.URL{Scheme: "https", Host: "sts.example.com:8443", Path: "/" + q.path}
	values := url.Values{}
	for pair := range strings.SplitSeq(q.query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "" && !strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			values.Add(name, value)
		}
	}
	if q.presigned {
		values.Set("X-Amz-Expires", "60") // the SDK's signer leaves it to its caller
	}
	// A space is %20 in a canonical query; what a client sends as + is signed as
	// %20 by the SDK, which rewrites the query.
	u.RawQuery = strings.ReplaceAll(values.Encode(), "+", "%20")
	req, err := http.NewRequest(q.method, u.String(), strings.NewReader(q.body))
	if err != nil {
		return nil
	}
	if isToken(q.header) && isText(q.value) {
		req.Header.Set("X-Meta-"+q.header, q.value)
	}
	return req
}

// isNormal reports whether a path has no empty and no dot segments. AWS takes
// those out before it signs and verifies (its SigV4 test suite pins it), the SDK
// signs them as they are: such a request fails at AWS too.
func isNormal(path string) bool {
	return !strings.Contains(path, "//") && !slices.ContainsFunc(strings.Split(path, "/"), func(s string) bool { return s == "." || s == ".." })
}

func isToken(s string) bool {
	return s != "" && len(s) < 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

func isText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c > 0x7e })
}

// sign has the SDK sign the question; the request is what goes out.
func (q question) sign(t testing.TB) *http.Request {
	t.Helper()
	req := q.request(t)
	if req == nil {
		return nil
	}
	c := creds
	if !q.token {
		c.SessionToken = ""
	}
	sum := sha256.Sum256([]byte(q.body))
	hash, signer := hex.EncodeToString(sum[:]), v4.NewSigner()
	if !q.presigned {
		if err := signer.SignHTTP(context.Background(), c, req, hash, "sts", "eu-central-1", now); err != nil {
			t.Fatal(err)
		}
		return req
	}
	signed, headers, err := signer.PresignHTTP(context.Background(), c, req, hash, "sts", "eu-central-1", now)
	if err != nil {
		t.Fatal(err)
	}
	out, err := http.NewRequest(q.method, signed, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range headers {
		if name != "Host" && name != "Content-Length" {
			out.Header[name] = values
		}
	}
	return out
}

// arrived is the request as a server reads it off the wire; nil where a client
// does not send it or a server does not take it.
func arrived(req *http.Request) (*http.Request, []byte) {
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, nil
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil, nil
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return nil, nil
	}
	return got, body
}

// verify says what our verifier makes of a request.
func verify(r *http.Request, body []byte) error {
	s, err := sigv4.Parse(httpedge.Signed(r, body))
	if err != nil {
		return err
	}
	return s.Verify(secret.New(creds.SecretAccessKey), now, sigv4.DefaultWindow())
}

// FuzzVerify: what the SDK signs verifies, and nothing else does: not with a
// parameter, a header of AWS's or a byte more, nor with another secret.
func FuzzVerify(f *testing.F) {
	f.Add("POST", "", "", "Action=GetCallerIdentity&Version=2011-06-15", "", "", false, true)
	f.Add("GET", "", "Action=GetCallerIdentity&Version=2011-06-15", "", "", "", true, true)
	f.Add("GET", "clusters/a b/%2F/é", "b=2&a=1&a=0&c&d=%20+/~", "", "name", "  a   b ", false, false)
	f.Add("DELETE", "clusters/prod/access-entries/arn:aws:iam::111122223333:role/x", "", "", "", "", false, true)
	f.Add("PUT", "a//b/../c/./d", "*='()&!=$", "{}", "x", "a,b", true, false)
	f.Fuzz(func(t *testing.T, method, path, query, body, header, value string, presigned, token bool) {
		q := question{method, path, query, body, header, value, presigned, token}
		if !isToken(method) || len(path) > 1000 || len(query)+len(body)+len(value) > 4000 { // the verifier bounds what it reads
			return
		}
		signed := q.sign(t)
		if signed == nil {
			return
		}
		req, got := arrived(signed)
		if req == nil {
			return
		}
		if err := verify(req, got); err != nil {
			t.Fatalf("%+v: %v\n%s", q, err, req.RequestURI)
		}
		for what, bend := range map[string]func(*http.Request){
			"another host":      func(r *http.Request) { r.Host = "sts.example.com" },
			"another method":    func(r *http.Request) { r.Method += "X" },
			"a header of AWS's": func(r *http.Request) { r.Header.Set("X-Amz-Target", "x") },
			"a longer path":     func(r *http.Request) { p, rest, _ := strings.Cut(r.RequestURI, "?"); r.RequestURI = p + "x?" + rest },
			"a parameter more": func(r *http.Request) {
				p, rest, _ := strings.Cut(r.RequestURI, "?")
				r.RequestURI = p + "?zz=1&" + rest
			},
		} {
			bent := req.Clone(t.Context())
			bend(bent)
			if verify(bent, got) == nil {
				t.Errorf("%+v verifies with %s", q, what)
			}
		}
		if verify(req, append(bytes.Clone(got), 'x')) == nil {
			t.Errorf("%+v verifies with a byte more", q)
		}
	})
}

// TestRandomRequests is the same of requests that chance makes, so that it runs
// where nothing is fuzzed.
func TestRandomRequests(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 11))
	alphabet := []rune("aZ09-_.~ /%+&=?#;:@!$'()*,[]{}|\\^`\"<>é漢\u0000")
	text := func(most int) string {
		out := make([]rune, r.IntN(most+1))
		for i := range out {
			out[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(out)
	}
	tried := 0
	for range 5000 {
		q := question{[]string{"GET", "POST", "PUT", "DELETE"}[r.IntN(4)], text(12), text(30), text(20), "a" + strings.Repeat("b", r.IntN(5)), text(10), r.IntN(2) == 0, r.IntN(2) == 0}
		signed := q.sign(t)
		if signed == nil {
			continue
		}
		req, body := arrived(signed)
		if req == nil {
			continue
		}
		tried++
		if err := verify(req, body); err != nil {
			t.Errorf("%+v: %v\n%s", q, err, req.RequestURI)
		}
	}
	if tried < 3000 {
		t.Errorf("only %d requests could be sent", tried)
	}
}
