package attack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	classDeputy   = "RFC 8725 §3.11, §3.12: a token that is for something else"
	classSelf     = "an issuer that believes itself"
	classContents = "what a token says"
	classStored   = "RFC 6749 §5.1: an answer that is kept"
	classCORS     = "a page of another's in somebody's browser"
	classEcho     = "a refusal is logged where no token may be"
	classSecret   = "RFC 7517 §9.2: a private key that is published"
	classMixUp    = "RFC 8414 §6.2: another's metadata"
)

// issuedAttempts try what a token of the target's own is good for besides its
// audience, and look at what stands in it.
func issuedAttempts() []attempt {
	var out []attempt
	form := func(id, what, class string, make func(g *good) url.Values) {
		out = append(out, attempt{"issued/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
			verdict, answer, _ := g.issue(ctx, make(g))
			return verdict, answer
		}})
	}
	sts := func(id, what string, make func(g *good) string) {
		out = append(out, attempt{"issued/" + id, what, classDeputy, func(ctx context.Context, g *good) (Verdict, string) {
			verdict, answer, _ := g.exchange(ctx, make(g))
			return verdict, answer
		}})
	}
	signed := func(id, what string, after func(g *good, o *sent)) {
		out = append(out, attempt{"issued/" + id, what, classDeputy, func(ctx context.Context, g *good) (Verdict, string) {
			s := g.signed()
			s.after = func(o *sent) { after(g, o) }
			return g.callerIdentity(ctx, s)
		}})
	}
	for _, kind := range []string{"id_token", "jwt", "access_token"} {
		form("subject-"+strings.ReplaceAll(kind, "_", "-"), "the target's own token as a subject token of type "+kind, classDeputy, func(g *good) url.Values {
			return changed(g.subjectForm(g.issued), "subject_token_type", tokenType+kind)
		})
	}
	form("subject-other-audience", "the same for another audience", classTarget, func(g *good) url.Values { return changed(g.subjectForm(g.issued), "audience", "https://vault.invalid") })
	form("assertion", "the target's own token as an assertion", classDeputy, func(g *good) url.Values { return g.assertionForm(g.issued) })
	form("subject-retyped", "the same with the type of an ID token, no longer signed", classDeputy, func(g *good) url.Values {
		return g.subjectForm(retyped(g.issued))
	})
	form("forged-issuer", "an ID token whose iss is the target", classSelf, func(g *good) url.Values { return g.subjectForm(g.forgeOwn().token()) })
	form("forged-issuer-kid", "the same under the kid of the target's key", classSelf, func(g *good) url.Values {
		f := g.forgeOwn()
		f.header["kid"] = decoded(g.issued, 0)["kid"]
		return g.subjectForm(f.token())
	})
	form("forged-kid", "an ID token under the kid of the target's key", classSelf, func(g *good) url.Values {
		f := g.forge()
		f.header["kid"] = decoded(g.issued, 0)["kid"]
		return g.subjectForm(f.token())
	})
	out = append(out, attempt{"issued/forged-hs256", "a token of the target's, HS256 with its published keys as the secret", classAlg, func(ctx context.Context, g *good) (Verdict, string) {
		keys, err := g.document(ctx, keysPath)
		if err != nil {
			return Broken, clip(err.Error())
		}
		verdict, answer, _ := g.issue(ctx, g.subjectForm(resigned(g.issued, keys.body)))
		return verdict, answer
	}})
	sts("sts", "the target's own token at STS", func(g *good) string { return g.issued })
	sts("sts-retyped", "the same with the type of an ID token, no longer signed", func(g *good) string { return retyped(g.issued) })
	sts("sts-forged-issuer", "an ID token whose iss is the target, at STS", func(g *good) string { return g.forgeOwn().token() })
	signed("bearer", "the target's own token in place of a signature", func(g *good, o *sent) { o.set("Authorization", "Bearer "+g.issued) })
	signed("session-token", "the target's own token as a session token", func(g *good, o *sent) { o.set("X-Amz-Security-Token", g.issued) })
	out = append(out, attempt{"issued/clusters", "the target's own token asks for the clusters", classDeputy, func(ctx context.Context, g *good) (Verdict, string) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint+"/clusters", nil)
		if err != nil {
			return Broken, clip(err.Error())
		}
		req.Header.Set("Authorization", "Bearer "+g.issued)
		verdict, answer, _ := send(g.HTTP, req, func(r reply) bool { return r.status < 300 })
		return verdict, answer
	}})
	return append(out, contentAttempts()...)
}

// issuedBearerAttempts show a token of the target's own to a webhook that wants
// another's.
func issuedBearerAttempts() []attempt {
	var out []attempt
	for _, b := range []struct {
		id, what string
		make     func(g *good) string
	}{
		{"webhook", "the target's own token at the webhook", func(g *good) string { return g.issued }},
		{"webhook-prefix", "the same behind the prefix of bearer tokens", func(g *good) string { return bearerPrefix + g.issued }},
		{"webhook-encoded", "the same in base64 behind the prefix", func(g *good) string { return bearerPrefix + b64(g.issued) }},
		{"webhook-session-token", "a bearer token whose session token is the target's own token", func(g *good) string {
			return bearerPrefix + b64(g.bearerURL(func(s *signed) { s.creds.sessionToken = g.issued }))
		}},
	} {
		out = append(out, attempt{"issued/" + b.id, b.what, classDeputy, func(ctx context.Context, g *good) (Verdict, string) { return g.review(ctx, b.make(g)) }})
	}
	return out
}

// forgeOwn is a good token but that the target itself is its issuer.
func (g *good) forgeOwn() *forge {
	f := g.forge()
	f.claims["iss"] = decoded(g.issued, 1)["iss"]
	return f
}

// retyped is a token with the header of an ID token.
func retyped(token string) string {
	h := decoded(token, 0)
	h["typ"] = "JWT"
	_, rest, _ := strings.Cut(token, ".")
	return b64(object(h)) + "." + rest
}

// resigned is a token signed with a symmetric key.
func resigned(token, key string) string {
	h := decoded(token, 0)
	h["alg"], h["typ"] = "HS256", "JWT"
	signed := b64(object(h)) + "." + b64(object(decoded(token, 1)))
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(signed))
	return signed + "." + b64(string(m.Sum(nil)))
}

// decoded is a part of a token; one that cannot be read is empty.
func decoded(token string, part int) map[string]any {
	out := map[string]any{}
	if parts := strings.Split(token, "."); part < len(parts) {
		data, _ := base64.RawURLEncoding.DecodeString(parts[part])
		json.Unmarshal(data, &out)
	}
	return out
}

// contentAttempts ask for tokens and look at them: an attack has got through where
// the flaw is there.
func contentAttempts() []attempt {
	var out []attempt
	look := func(id, what, class string, bend func(f *forge), flaw func(g *good, token, body string) string) {
		out = append(out, attempt{"issued/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
			f := g.forge()
			bend(f)
			verdict, answer, r := g.issue(ctx, g.subjectForm(f.token()))
			if verdict != Accepted {
				return Broken, answer
			}
			if text := flaw(g, element(r.body, "access_token"), r.body); text != "" {
				return Accepted, clip(text)
			}
			return Refused, answer
		}})
	}
	unbent := func(*forge) {}
	look("audience", "a token for others than its audience", classContents, unbent, func(g *good, token, _ string) string {
		if aud, ok := decoded(token, 1)["aud"].(string); !ok || aud != g.Audience {
			return fmt.Sprint("aud is ", decoded(token, 1)["aud"])
		}
		return ""
	})
	look("life", "a token that lives longer than credentials do", classContents, unbent, func(g *good, token, body string) string {
		exp, _ := decoded(token, 1)["exp"].(float64)
		if left := time.Unix(int64(exp), 0).Sub(g.Now()); left <= 0 || left > 15*time.Minute {
			return fmt.Sprint("it lives ", left)
		}
		return ""
	})
	look("algorithm", "a token that is not signed, or with a secret", classContents, unbent, func(_ *good, token, _ string) string {
		alg := fmt.Sprint(decoded(token, 0)["alg"])
		if !regexp.MustCompile(`^([REP]S(256|384|512)|EdDSA)$`).MatchString(alg) || strings.HasSuffix(token, ".") {
			return "alg is " + alg
		}
		return ""
	})
	look("type", "a token that can be taken for an ID token", classDeputy, unbent, func(_ *good, token, _ string) string {
		if typ := fmt.Sprint(decoded(token, 0)["typ"]); !strings.EqualFold(typ, "at+jwt") {
			return "typ is " + typ
		}
		return ""
	})
	look("again", "the same token a second time", "replay", unbent, func(g *good, token, _ string) string {
		if id := fmt.Sprint(decoded(token, 1)["jti"]); id == fmt.Sprint(nil) || id == fmt.Sprint(decoded(g.issued, 1)["jti"]) {
			return "jti is " + id
		}
		return ""
	})
	look("refresh-token", "a refresh token besides", classContents, unbent, func(_ *good, _, body string) string { return element(body, "refresh_token") })
	look("claims", "claims of the ID token that would make somebody else of its bearer", classContents, func(f *forge) {
		for _, name := range []string{"roles", "groups", "scope", "scp", "client_id", "sid", "username", "preferred_username", "federated_issuer", "federated_subject", "entitlements"} {
			f.claims[name] = "evil"
		}
		f.claims["act"], f.claims["may_act"], f.claims["cnf"] = map[string]string{"sub": "evil"}, map[string]string{"sub": "evil"}, map[string]string{"jkt": "evil"}
	}, func(_ *good, token, _ string) string {
		for name, v := range decoded(token, 1) {
			if strings.Contains(fmt.Sprint(v), "evil") {
				return name + " is the ID token's"
			}
		}
		return ""
	})
	look("person", "a person's addresses, for everybody who sees the token", classContents, func(f *forge) {
		f.claims["email"], f.claims["user_email"] = "person@evil.invalid", "person@evil.invalid"
		f.claims["user_identities"] = []map[string]string{{"provider": "x", "extern_uid": "person@evil.invalid"}}
	}, func(_ *good, token, _ string) string {
		if strings.Contains(object(decoded(token, 1)), "person@evil.invalid") {
			return "it holds an e-mail address"
		}
		return ""
	})
	return out
}

// issuerAttempts look at the answers and documents of an issuer for what an attacker
// could do with them.
func issuerAttempts() []attempt {
	return slices.Concat(keyAttempts(), metadataAttempts(), answerAttempts(), echoAttempts())
}

// maker makes a request.
type maker func(ctx context.Context, g *good) (*http.Request, error)

// look asks and looks at the answer: an attack has got through where the flaw is
// there, and shows nothing where the answer is not a proper one; nil: all are.
func look(id, what, class string, ask maker, proper func(r reply) bool, flaw func(g *good, r reply) string) attempt {
	return attempt{"issuer/" + id, what, class, func(ctx context.Context, g *good) (Verdict, string) {
		req, err := ask(ctx, g)
		if err != nil {
			return Broken, clip(err.Error())
		}
		text := ""
		verdict, answer, r := send(g.HTTP, req, func(r reply) bool { text = flaw(g, r); return text != "" })
		switch {
		case verdict == Accepted:
			return verdict, clip(text)
		case verdict == Refused && proper != nil && !proper(r):
			return Broken, answer
		}
		return verdict, answer
	}}
}

func get(path string) maker {
	return func(ctx context.Context, g *good) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, g.Endpoint+path, nil)
	}
}

func keyAttempts() []attempt {
	var out []attempt
	add := func(id, what, class string, flaw func(g *good, r reply) string) {
		out = append(out, look("keys-"+id, what, class, get(keysPath), func(r reply) bool { return r.status == http.StatusOK && strings.Contains(r.body, `"keys"`) }, flaw))
	}
	add("private", "private members among the published keys", classSecret, func(_ *good, r reply) string {
		return regexp.MustCompile(`"(d|p|q|dp|dq|qi|oth|k|priv)"\s*:`).FindString(r.body)
	})
	add("symmetric", "a symmetric key among the published ones", classSecret, func(_ *good, r reply) string {
		return regexp.MustCompile(`"kty"\s*:\s*"oct"|"alg"\s*:\s*"(none|HS[0-9]+)"`).FindString(r.body)
	})
	add("use", "a key that is for encryption, too", classSecret, func(_ *good, r reply) string {
		return regexp.MustCompile(`"use"\s*:\s*"enc"|"key_ops"\s*:`).FindString(r.body)
	})
	add("foreign", "the key of the ID tokens' issuer among the published ones", "minio's jwt.go: keys of several issuers in one heap", func(g *good, r reply) string {
		own := jwk(g.Key)
		for _, name := range []string{"n", "x"} {
			if text, ok := own[name].(string); ok && strings.Contains(r.body, text) {
				return "its " + name + " is there"
			}
		}
		return ""
	})
	add("kept", "keys that may be kept longer than a day", classStored, func(_ *good, r reply) string {
		kept := r.header.Get("Cache-Control")
		m := regexp.MustCompile(`max-age=([0-9]+)`).FindStringSubmatch(kept)
		if m == nil {
			return ""
		}
		if seconds, err := strconv.Atoi(m[1]); err != nil || seconds > 24*60*60 || strings.Contains(kept, "immutable") {
			return kept
		}
		return ""
	})
	return out
}

func metadataAttempts() []attempt {
	var out []attempt
	for _, d := range [][2]string{{"discovery", discoveryPath}, {"metadata", metadataPath}} {
		add := func(id, what, class string, flaw func(g *good, r reply) string) {
			out = append(out, look(d[0]+"-"+id, what, class, get(d[1]), func(r reply) bool { return r.status == http.StatusOK }, flaw))
		}
		bent := func(id, what string, bend func(req *http.Request)) {
			out = append(out, look(d[0]+"-"+id, what, "a Host that is believed", func(ctx context.Context, g *good) (*http.Request, error) {
				req, err := get(d[1])(ctx, g)
				if err == nil {
					bend(req)
				}
				return req, err
			}, nil, func(_ *good, r reply) string {
				if strings.Contains(r.body, "evil.invalid") {
					return "it names evil.invalid"
				}
				return ""
			}))
		}
		add("issuer", "an issuer that is not the one of its tokens", classMixUp, func(g *good, r reply) string {
			if says, is := element(r.body, "issuer"), fmt.Sprint(decoded(g.issued, 1)["iss"]); says == "" || says != is {
				return fmt.Sprintf("it is %q, in the token %q", says, is)
			}
			return ""
		})
		add("addresses", "addresses outside the issuer, or without TLS", classMixUp, func(_ *good, r reply) string {
			for _, name := range []string{"token_endpoint", "jwks_uri"} {
				if at := element(r.body, name); !strings.HasPrefix(at, element(r.body, "issuer")+"/") || !strings.HasPrefix(at, "https://") {
					return name + " is " + at
				}
			}
			return ""
		})
		add("weak", "algorithms and grants that nobody should use", classAlg, func(_ *good, r reply) string {
			body := regexp.MustCompile(`"token_endpoint_auth_methods_supported"\s*:\s*\[\s*"none"\s*\]`).ReplaceAllString(r.body, "") // who asks proves nothing but the token
			return regexp.MustCompile(`"(none|HS256|HS384|HS512|RSA1_5|password|implicit|client_secret_basic|client_secret_post|plain)"`).FindString(body)
		})
		bent("host", "asked under another name", func(req *http.Request) { req.Host = "evil.invalid" })
		bent("forwarded", "asked by way of another name", func(req *http.Request) {
			for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host"} {
				req.Header.Set(name, "evil.invalid")
			}
			req.Header.Set("Forwarded", "host=evil.invalid")
		})
		bent("query", "asked with a callback", func(req *http.Request) { req.URL.RawQuery = "callback=evil.invalid&issuer=https://evil.invalid" })
	}
	return out
}

// answerAttempts look at what the token endpoint answers, and how long that is kept.
func answerAttempts() []attempt {
	var out []attempt
	given := func(r reply) bool { return r.status == http.StatusOK && givesToken(r) }
	unbent := func(g *good) url.Values { return g.subjectForm(g.forge().token()) }
	add := func(id, what, class string, ask maker, proper func(r reply) bool, flaw func(g *good, r reply) string) {
		out = append(out, look(id, what, class, ask, proper, flaw))
	}
	post := func(form func(g *good) url.Values, headers ...string) maker {
		return func(ctx context.Context, g *good) (*http.Request, error) {
			req, err := formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, form(g))
			for i := 0; err == nil && i < len(headers); i += 2 {
				req.Header.Set(headers[i], headers[i+1])
			}
			return req, err
		}
	}
	kept := func(_ *good, r reply) string {
		if !strings.Contains(r.header.Get("Cache-Control"), "no-store") {
			return fmt.Sprintf("Cache-Control is %q", r.header.Get("Cache-Control"))
		}
		return ""
	}
	add("kept", "a token that may be kept on its way", classStored, post(unbent), given, kept)
	add("kept-refusal", "a refusal that may be kept on its way", classStored, post(func(g *good) url.Values { return g.subjectForm("a.b.c") }), nil, kept)
	add("cookie", "a cookie", classStored, post(unbent), given, func(_ *good, r reply) string { return r.header.Get("Set-Cookie") })
	allows := func(_ *good, r reply) string {
		for name := range r.header {
			if strings.HasPrefix(name, "Access-Control-Allow-") {
				return name + ": " + r.header.Get(name)
			}
		}
		return ""
	}
	add("cors", "a token for a page of somebody's", classCORS, post(unbent, "Origin", "https://evil.invalid"), given, allows)
	add("cors-null", "a token for a page without an origin", classCORS, post(unbent, "Origin", "null"), given, allows)
	add("cors-preflight", "leave to send what a form does not", classCORS, func(ctx context.Context, g *good) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodOptions, g.Endpoint+tokenPath, nil)
		if err == nil {
			req.Header.Set("Origin", "https://evil.invalid")
			req.Header.Set("Access-Control-Request-Method", "POST")
			req.Header.Set("Access-Control-Request-Headers", "authorization")
		}
		return req, err
	}, nil, allows)
	add("script", "a script as a parameter's name", "GHSA-cpj3-3r2f-xj59: hostile text", post(func(*good) url.Values { return url.Values{"<script>evil()</script>": {"x"}} }), nil, func(_ *good, r reply) string {
		if strings.Contains(r.body, "<script>") {
			return "it is repeated"
		}
		return ""
	})
	return out
}

// document gets a document of the issuer's.
func (g *good) document(ctx context.Context, path string) (reply, error) {
	req, err := get(path)(ctx, g)
	if err != nil {
		return reply{}, err
	}
	return ask(g.HTTP, req)
}

// echoAttempts put a token where none belongs, and look for it in the refusal.
func echoAttempts() []attempt {
	var out []attempt
	add := func(id, what string, make func(ctx context.Context, g *good, token string) (*http.Request, error)) {
		out = append(out, attempt{"issuer/echo-" + id, what, classEcho, func(ctx context.Context, g *good) (Verdict, string) {
			token := g.forge().token()
			req, err := make(ctx, g, token)
			if err != nil {
				return Broken, clip(err.Error())
			}
			verdict, answer, _ := send(g.HTTP, req, func(r reply) bool { return echoes(token, r) })
			return verdict, answer
		}})
	}
	bend := func(id, what string, change func(req *http.Request, token string)) {
		add(id, what, func(ctx context.Context, g *good, token string) (*http.Request, error) {
			req, err := textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, formType, "")
			if err == nil {
				change(req, token)
			}
			return req, err
		})
	}
	for _, name := range []string{"grant_type", "subject_token_type", "requested_token_type", "resource", "audience", "scope", "actor_token", "client_id", "unknown"} {
		add(strings.ReplaceAll(name, "_", "-"), "a token as "+name, func(ctx context.Context, g *good, token string) (*http.Request, error) {
			return formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, changed(g.subjectForm(token), name, token))
		})
	}
	add("forged", "a forged token", func(ctx context.Context, g *good, token string) (*http.Request, error) {
		return formRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, g.subjectForm(token+"x"))
	})
	for i, part := range []string{"header", "claims", "signature"} {
		add("name-"+part, "a token from its "+part+" on as a parameter's name", func(ctx context.Context, g *good, token string) (*http.Request, error) {
			name := strings.Join(strings.Split(token, ".")[i:], ".")
			return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, formType, g.subjectForm("a.b.c").Encode()+"&"+name)
		})
		add("twice-"+part, "the same as the name of two parameters", func(ctx context.Context, g *good, token string) (*http.Request, error) {
			name := strings.Join(strings.Split(token, ".")[i:], ".")
			return textRequest(ctx, http.MethodPost, g.Endpoint+tokenPath, formType, name+"&"+name)
		})
	}
	bend("query", "a token in the URL", func(req *http.Request, token string) { req.URL.RawQuery = "subject_token=" + token })
	bend("path", "a token as the path", func(req *http.Request, token string) { req.URL.Path += "/" + token })
	bend("method", "a token as the method", func(req *http.Request, token string) { req.Method = token })
	bend("type", "a token as the content type", func(req *http.Request, token string) { req.Header.Set("Content-Type", token) })
	bend("authorization", "a token in the header", func(req *http.Request, token string) { req.Header.Set("Authorization", "Bearer "+token) })
	return out
}

// echoed is how much of a token, in a piece, is more than a name that is quoted.
const echoed = 40

// echoes reports whether an answer repeats a token's claims or signature.
func echoes(token string, r reply) bool {
	var all strings.Builder
	r.header.Write(&all)
	all.WriteString(r.body)
	_, secret, _ := strings.Cut(token, ".")
	for i := 0; i+echoed <= len(secret); i++ {
		if strings.Contains(all.String(), secret[i:i+echoed]) {
			return true
		}
	}
	return false
}
