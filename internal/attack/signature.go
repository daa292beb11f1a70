package attack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// signed is a request and how it is signed (SigV4). It is an attacker's own
// signer: every part can be set to what it must not be.
type signed struct {
	method, host, path, query, body string
	headers                         [][2]string // host and the signature's own come besides
	creds                           credentials
	at                              time.Time
	day                             string // of the scope
	region, service, terminator     string
	algorithm                       string
	unsigned                        []string // headers that are left out of the signature
	payload                         string   // what is signed as the body's hash
	presigned                       bool
	expires                         string
	after                           func(*sent) // bends the signed request
}

// sent is a request as it goes out.
type sent struct {
	method, host, path, query, body string
	headers                         [][2]string
}

// set replaces a header.
func (s *sent) set(name, value string) {
	s.drop(name)
	s.headers = append(s.headers, [2]string{name, value})
}

func (s *sent) drop(name string) {
	s.headers = slices.DeleteFunc(s.headers, func(h [2]string) bool { return strings.EqualFold(h[0], name) })
}

func (s *sent) get(name string) string {
	for _, h := range s.headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

const (
	algorithmHMAC = "AWS4-HMAC-SHA256"
	timeFormat    = "20060102T150405Z"
)

// signed is a good GetCallerIdentity.
func (g *good) signed() *signed {
	u, _ := url.Parse(g.Endpoint)
	at := g.Now().UTC()
	return &signed{method: http.MethodPost, host: u.Host, path: "/", body: "Action=GetCallerIdentity&Version=2011-06-15", headers: [][2]string{{"Content-Type", "application/x-www-form-urlencoded"}},
		creds: g.creds, at: at, day: at.Format("20060102"), region: g.Region, service: "sts", terminator: "aws4_request", algorithm: algorithmHMAC}
}

// presigned is the same as a URL.
func (g *good) presigned() *signed {
	s := g.signed()
	s.method, s.query, s.body, s.headers, s.presigned, s.expires = http.MethodGet, s.body, "", nil, true, "60"
	return s
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// escape is SigV4's: everything but the unreserved characters.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// send signs the request and bends it.
func (s *signed) send() *sent {
	out := &sent{method: s.method, host: s.host, path: s.path, query: s.query, body: s.body, headers: slices.Clone(s.headers)}
	scope := s.day + "/" + s.region + "/" + s.service + "/" + s.terminator
	if !s.presigned {
		out.set("X-Amz-Date", s.at.Format(timeFormat))
		if s.creds.sessionToken != "" {
			out.set("X-Amz-Security-Token", s.creds.sessionToken)
		}
	}
	all := append(slices.Clone(out.headers), [2]string{"host", s.host})
	all = slices.DeleteFunc(all, func(h [2]string) bool {
		return slices.ContainsFunc(s.unsigned, func(name string) bool { return strings.EqualFold(name, h[0]) })
	})
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(strings.ToLower(a[0]), strings.ToLower(b[0])) })
	var lines, names []string
	for _, h := range all {
		names = append(names, strings.ToLower(h[0]))
		lines = append(lines, strings.ToLower(h[0])+":"+strings.TrimSpace(h[1])+"\n")
	}
	if s.presigned {
		out.query += "&X-Amz-Algorithm=" + s.algorithm + "&X-Amz-Credential=" + escape(s.creds.accessKeyID+"/"+scope) + "&X-Amz-Date=" + s.at.Format(timeFormat) + "&X-Amz-Expires=" + escape(s.expires) +
			"&X-Amz-Security-Token=" + escape(s.creds.sessionToken) + "&X-Amz-SignedHeaders=" + escape(strings.Join(names, ";"))
	}
	payload := s.payload
	if payload == "" {
		payload = hash(s.body)
	}
	query := strings.Split(out.query, "&")
	slices.Sort(query)
	canonical := strings.Join([]string{s.method, s.path, strings.Join(query, "&"), strings.Join(lines, ""), strings.Join(names, ";"), payload}, "\n")
	key := mac(mac(mac(mac([]byte("AWS4"+s.creds.secretKey), s.day), s.region), s.service), s.terminator)
	signature := hex.EncodeToString(mac(key, s.algorithm+"\n"+s.at.Format(timeFormat)+"\n"+scope+"\n"+hash(canonical)))
	if s.presigned {
		out.query += "&X-Amz-Signature=" + signature
	} else {
		out.set("Authorization", s.algorithm+" Credential="+s.creds.accessKeyID+"/"+scope+", SignedHeaders="+strings.Join(names, ";")+", Signature="+signature)
	}
	if s.after != nil {
		s.after(out)
	}
	return out
}

// callerIdentity asks who the signer is.
func (g *good) callerIdentity(ctx context.Context, s *signed) (Verdict, string) {
	return g.sendSigned(ctx, s, func(r reply) bool { return element(r.body, "Arn") != "" })
}

// sendSigned signs a request and sends it; lets marks an answer that lets it in.
func (g *good) sendSigned(ctx context.Context, s *signed, lets func(r reply) bool) (Verdict, string) {
	out := s.send()
	u, err := url.Parse(g.Endpoint)
	if err != nil {
		return Broken, clip(err.Error())
	}
	u.Path, u.RawQuery = out.path, out.query
	req, err := http.NewRequestWithContext(ctx, out.method, u.String(), strings.NewReader(out.body))
	if err != nil {
		return Broken, clip(err.Error())
	}
	req.Host = out.host
	for _, h := range out.headers {
		req.Header.Add(h[0], h[1])
	}
	verdict, answer, _ := send(g.HTTP, req, lets)
	return verdict, answer
}

// signatureAttempts sign with credentials that are good, and bend the rest.
func signatureAttempts() []attempt {
	var out []attempt
	add := func(id, what, class string, bend func(g *good, s *signed)) {
		out = append(out, attempt{"signature/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
			s := g.signed()
			bend(g, s)
			return g.callerIdentity(ctx, s)
		}})
	}
	presigned := func(id, what, class string, bend func(g *good, s *signed)) {
		add("presigned-"+id, what, class, func(g *good, s *signed) { *s = *g.presigned(); bend(g, s) })
	}
	after := func(id, what, class string, bend func(s *sent)) {
		add(id, what, class, func(_ *good, s *signed) { s.after = bend })
	}
	authorization := func(old, new string) func(*sent) {
		return func(s *sent) { s.set("Authorization", strings.Replace(s.get("Authorization"), old, new, 1)) }
	}
	const (
		classSig   = "classic SigV4"
		classScope = "CVE-2026-55873: the scope is part of the decision"
		classBody  = "CVE-2026-41145: an unsigned body"
	)
	after("none", "no signature at all", classSig, func(s *sent) { s.drop("Authorization") })
	after("empty", "an empty signature", classSig, func(s *sent) {
		a := s.get("Authorization")
		s.set("Authorization", a[:strings.LastIndexByte(a, '=')+1])
	})
	after("bit", "one digit of the signature changed", classSig, func(s *sent) {
		a := s.get("Authorization")
		last := "0"
		if strings.HasSuffix(a, last) {
			last = "1"
		}
		s.set("Authorization", a[:len(a)-1]+last)
	})
	after("short", "half of the signature", classSig, func(s *sent) { a := s.get("Authorization"); s.set("Authorization", a[:len(a)-32]) })
	after("body", "a parameter added to the body", classSig, func(s *sent) { s.body += "&x=1" })
	after("query", "a parameter added to the URL", classSig, func(s *sent) { s.query = "x=1" })
	after("action-in-query", "an action in the URL as well", classForm, func(s *sent) { s.query = "Action=GetSessionToken" })
	after("header-changed", "a signed header changed", classSig, func(s *sent) { s.set("Content-Type", "text/plain") })
	after("header-removed", "a signed header removed", classSig, func(s *sent) { s.drop("X-Amz-Date") })
	after("header-added", "a header of AWS's added after signing", classSig, func(s *sent) { s.set("X-Amz-Target", "GetCallerIdentity") })
	after("host", "the signed host changed", classSig, func(s *sent) { s.host = "evil.invalid" })
	after("method", "the method changed", classSig, func(s *sent) { s.method = http.MethodPut })
	after("path", "the path changed", classSig, func(s *sent) { s.path = "/x" })
	after("date", "the date moved by a second", classSig, func(s *sent) {
		at, _ := time.Parse(timeFormat, s.get("X-Amz-Date"))
		s.set("X-Amz-Date", at.Add(time.Second).Format(timeFormat))
	})
	after("authorization-twice", "two Authorization headers", classForm, func(s *sent) { s.headers = append(s.headers, [2]string{"Authorization", "Bearer x"}) })
	after("token-twice", "two session tokens", classForm, func(s *sent) { s.headers = append(s.headers, [2]string{"X-Amz-Security-Token", "x"}) })
	after("token-removed", "no session token", classSig, func(s *sent) { s.drop("X-Amz-Security-Token") })
	after("algorithm-sha1", "an algorithm that is none", classAlg, authorization(algorithmHMAC, "AWS4-HMAC-SHA1"))
	after("algorithm-none", "the algorithm none", classAlg, authorization(algorithmHMAC, "none"))
	after("credential-case", "credential in lower case", classForm, authorization("Credential=", "credential="))
	after("credential-twice", "the credential twice", classForm, authorization("Credential=", "Credential=AKIAEVIL/20260101/us-east-1/sts/aws4_request, Credential="))

	add("old", "signed twenty minutes ago", "replay", func(_ *good, s *signed) { s.at = s.at.Add(-20 * time.Minute); s.day = s.at.Format("20060102") })
	add("future", "signed in twenty minutes", "replay", func(_ *good, s *signed) { s.at = s.at.Add(20 * time.Minute); s.day = s.at.Format("20060102") })
	add("day", "the scope of another day", classScope, func(_ *good, s *signed) { s.day = s.at.AddDate(0, 0, -1).Format("20060102") })
	add("service", "signed for another service", classScope, func(_ *good, s *signed) { s.service = "s3" })
	add("terminator", "a scope that ends otherwise", classScope, func(_ *good, s *signed) { s.terminator = "aws5_request" })
	add("region-empty", "a scope without a region", classScope, func(_ *good, s *signed) { s.region = "" })
	add("secret-empty", "signed with an empty secret", classSig, func(_ *good, s *signed) { s.creds.secretKey = "" })
	add("secret-key-id", "signed with the key's id as the secret", classSig, func(_ *good, s *signed) { s.creds.secretKey = s.creds.accessKeyID })
	add("secret-token", "signed with the session token as the secret", classSig, func(_ *good, s *signed) { s.creds.secretKey = s.creds.sessionToken })
	add("key-id", "another access key id", classSig, func(_ *good, s *signed) { s.creds.accessKeyID = "ASIA" + strings.Repeat("A", 16) })
	add("token-bent", "one character of the session token changed", classSig, func(_ *good, s *signed) {
		t := []byte(s.creds.sessionToken)
		if at := len(t) / 2; t[at] == 'A' {
			t[at] = 'B'
		} else {
			t[at] = 'A'
		}
		s.creds.sessionToken = string(t)
	})
	add("token-short", "half of the session token", classSig, func(_ *good, s *signed) { s.creds.sessionToken = s.creds.sessionToken[:len(s.creds.sessionToken)/2] })
	add("host-unsigned", "the host is not signed", classSig, func(_ *good, s *signed) { s.unsigned = []string{"host"} })
	add("date-unsigned", "the date is not signed", classSig, func(_ *good, s *signed) { s.unsigned = []string{"X-Amz-Date"} })
	add("token-unsigned", "the session token is not signed", classSig, func(_ *good, s *signed) { s.unsigned = []string{"X-Amz-Security-Token"} })
	for _, payload := range []string{"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"} {
		add("payload-"+strings.ToLower(payload), "a body that is not signed ("+payload+")", classBody, func(_ *good, s *signed) {
			s.payload = payload
			s.headers = append(s.headers, [2]string{"X-Amz-Content-Sha256", payload})
			s.after = func(o *sent) { o.body += "&x=1" }
		})
	}

	// STS honours a URL for fifteen minutes, whatever X-Amz-Expires says.
	presigned("expired", "a URL of twenty minutes ago", "replay", func(_ *good, s *signed) { s.at = s.at.Add(-20 * time.Minute); s.day = s.at.Format("20060102") })
	presigned("long", "a URL good for a month", "bounds", func(_ *good, s *signed) { s.expires = "2678400" })
	presigned("negative", "a URL good for less than nothing", "bounds", func(_ *good, s *signed) { s.expires = "-60" })
	presigned("text", "a URL good for a word", "bounds", func(_ *good, s *signed) { s.expires = "forever" })
	for _, bend := range []struct{ id, what, class, add string }{
		{"added", "a parameter added to a presigned URL", classSig, "&x=1"},
		{"credential-twice", "X-Amz-Credential twice", classForm, "&X-Amz-Credential=AKIAEVIL%2F20260101%2Fus-east-1%2Fsts%2Faws4_request"},
		{"credential-case", "x-amz-credential beside X-Amz-Credential", classForm, "&x-amz-credential=AKIAEVIL%2F20260101%2Fus-east-1%2Fsts%2Faws4_request"},
		{"action-case", "action beside Action", classForm, "&action=GetSessionToken"},
	} {
		presigned(bend.id, bend.what, bend.class, func(_ *good, s *signed) { s.after = func(o *sent) { o.query += bend.add } })
	}
	presigned("and-header", "a presigned URL with an Authorization header", classForm, func(_ *good, s *signed) {
		s.after = func(o *sent) { o.set("Authorization", algorithmHMAC+" Credential=x, SignedHeaders=host, Signature=00") }
	})
	return out
}
