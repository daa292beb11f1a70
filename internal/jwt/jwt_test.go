package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

const (
	goodHeader  = `{"alg":"RS256","kid":"k1","typ":"JWT"}`
	goodPayload = `{"iss":"https://issuer.example","sub":"x"}`
)

// compact is a token with a signature of nobody.
func compact(header, payload string) string {
	return b64(header) + "." + b64(payload) + "." + b64(strings.Repeat("s", 256))
}

func TestParseRefuses(t *testing.T) {
	good := compact(goodHeader, goodPayload)
	h, p, s := b64(goodHeader), b64(goodPayload), b64(strings.Repeat("s", 256))
	for _, tt := range []struct {
		name, text string
		reason     jwt.Reason
	}{
		{"nothing", "", jwt.Malformed},
		{"one part", h, jwt.Malformed},
		{"two parts, as an unsecured token without its last dot", h + "." + p, jwt.Malformed},
		{"an empty signature", h + "." + p + ".", jwt.Malformed},
		{"an empty payload", h + ".." + s, jwt.Malformed},
		{"an empty header", "." + p + "." + s, jwt.Malformed},
		{"four parts", good + "." + s, jwt.Malformed},
		{"five parts, as an encrypted token", good + "." + s + "." + s, jwt.Malformed},
		{"many dots", strings.Repeat(".", 19000), jwt.Malformed},
		{"one byte too many", good + strings.Repeat("A", jwt.MaxBytes+1-len(good)), jwt.TooLarge},
		{"a space before", " " + good, jwt.Malformed},
		{"a newline after", good + "\n", jwt.Malformed},
		{"a newline within", h + ".\n" + p + "." + s, jwt.Malformed},
		{"a carriage return within", h[:8] + "\r" + h[8:] + "." + p + "." + s, jwt.Malformed},
		{"a NUL after", good + "\x00", jwt.Malformed},
		{"padding", h + "." + p + "." + s + "=", jwt.Malformed},
		{"the standard alphabet", h + "." + p + "." + "+/" + s, jwt.Malformed},
		{"a byte outside ASCII", h + "." + p + "." + s + "é", jwt.Malformed},
		{"a length that is no base64", h + "." + p + "." + s + "AAA", jwt.Malformed},
		{"set bits after the signature's last byte", h + "." + p + "." + s[:len(s)-1] + "x", jwt.Malformed},
		{"set bits after the header's last byte", b64(goodHeader + " ")[:len(b64(goodHeader+" "))-1] + "B." + p + "." + s, jwt.Malformed},
		{"JSON serialisation", `{"payload":"` + p + `","protected":"` + h + `","signature":"` + s + `"}`, jwt.Malformed},

		{"a header that is no JSON", compact("x", goodPayload), jwt.Malformed},
		{"a header that is an array", compact("[]", goodPayload), jwt.Malformed},
		{"a header that is null", compact("null", goodPayload), jwt.Malformed},
		{"a header with more behind it", compact(goodHeader+"{}", goodPayload), jwt.Malformed},
		{"a header of more than 1024 bytes", compact(goodHeader+strings.Repeat(" ", 1024), goodPayload), jwt.TooLarge},
		{"a header with alg twice", compact(`{"alg":"none","alg":"RS256"}`, goodPayload), jwt.Malformed},
		{"a header with alg twice, once escaped", compact(`{"alg":"RS256","\u0061lg":"none"}`, goodPayload), jwt.Malformed},
		{"a header with broken UTF-8", compact("{\"alg\":\"RS256\",\"kid\":\"\xff\"}", goodPayload), jwt.Malformed},

		{"no alg", compact(`{"kid":"k1"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"an empty header object", compact(`{}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg none", compact(`{"alg":"none"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg None", compact(`{"alg":"None"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg nOnE", compact(`{"alg":"nOnE"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg HS256", compact(`{"alg":"HS256","kid":"k1"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg HS384", compact(`{"alg":"HS384"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg HS512", compact(`{"alg":"HS512"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg rs256 in lower case", compact(`{"alg":"rs256"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg with a space", compact(`{"alg":"RS256 "}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg empty", compact(`{"alg":""}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg null", compact(`{"alg":null}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg a list", compact(`{"alg":["RS256"]}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg ES256K", compact(`{"alg":"ES256K"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg RSA-OAEP", compact(`{"alg":"RSA-OAEP","enc":"A128GCM"}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"alg PBES2, which costs what the token says", compact(`{"alg":"PBES2-HS256+A128KW","p2c":2147483647}`, goodPayload), jwt.AlgorithmNotAllowed},
		{"Alg in another case beside alg", compact(`{"Alg":"none","alg":"RS256"}`, goodPayload), jwt.UnsupportedHeader},

		{"a key in the header", compact(`{"alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQAB"}}`, goodPayload), jwt.UnsupportedHeader},
		{"a key set's address in the header", compact(`{"alg":"RS256","jku":"https://evil.example/k"}`, goodPayload), jwt.UnsupportedHeader},
		{"a certificate's address in the header", compact(`{"alg":"RS256","x5u":"https://evil.example/c"}`, goodPayload), jwt.UnsupportedHeader},
		{"a certificate in the header", compact(`{"alg":"RS256","x5c":["AA"]}`, goodPayload), jwt.UnsupportedHeader},
		{"crit", compact(`{"alg":"RS256","crit":["exp"],"exp":1}`, goodPayload), jwt.UnsupportedHeader},
		{"crit, empty", compact(`{"alg":"RS256","crit":[]}`, goodPayload), jwt.UnsupportedHeader},
		{"an unencoded payload", compact(`{"alg":"RS256","b64":false}`, goodPayload), jwt.UnsupportedHeader},
		{"b64 true", compact(`{"alg":"RS256","b64":true}`, goodPayload), jwt.UnsupportedHeader},
		{"zip", compact(`{"alg":"RS256","zip":"DEF"}`, goodPayload), jwt.UnsupportedHeader},
		{"cty of a nested token", compact(`{"alg":"RS256","cty":"JWT"}`, goodPayload), jwt.UnsupportedHeader},
		{"a nonce", compact(`{"alg":"RS256","nonce":"x"}`, goodPayload), jwt.UnsupportedHeader},
		{"an issuer in the header", compact(`{"alg":"RS256","iss":"https://issuer.example"}`, goodPayload), jwt.UnsupportedHeader},
		{"a field with an empty name", compact(`{"alg":"RS256","":1}`, goodPayload), jwt.UnsupportedHeader},
		{"a thumbprint that is no string", compact(`{"alg":"RS256","x5t":1}`, goodPayload), jwt.UnsupportedHeader},

		{"kid a number", compact(`{"alg":"RS256","kid":1}`, goodPayload), jwt.UnsupportedHeader},
		{"kid null", compact(`{"alg":"RS256","kid":null}`, goodPayload), jwt.UnsupportedHeader},
		{"kid empty", compact(`{"alg":"RS256","kid":""}`, goodPayload), jwt.UnsupportedHeader},
		{"kid too long", compact(`{"alg":"RS256","kid":"`+strings.Repeat("a", 257)+`"}`, goodPayload), jwt.UnsupportedHeader},
		{"kid with a newline", compact(`{"alg":"RS256","kid":"a\nb"}`, goodPayload), jwt.UnsupportedHeader},
		{"kid with a NUL", compact(`{"alg":"RS256","kid":"a\u0000"}`, goodPayload), jwt.UnsupportedHeader},
		{"kid outside ASCII", compact(`{"alg":"RS256","kid":"ké"}`, goodPayload), jwt.UnsupportedHeader},
		{"typ of an access token", compact(`{"alg":"RS256","typ":"at+jwt"}`, goodPayload), jwt.UnsupportedHeader},
		{"typ of a logout token", compact(`{"alg":"RS256","typ":"logout+jwt"}`, goodPayload), jwt.UnsupportedHeader},
		{"typ empty", compact(`{"alg":"RS256","typ":""}`, goodPayload), jwt.UnsupportedHeader},
		{"typ a number", compact(`{"alg":"RS256","typ":1}`, goodPayload), jwt.UnsupportedHeader},

		{"a payload that is no JSON", compact(goodHeader, "x"), jwt.Malformed},
		{"a payload that is a string", compact(goodHeader, `"x"`), jwt.Malformed},
		{"a payload that is an array", compact(goodHeader, `[{}]`), jwt.Malformed},
		{"a payload with a claim twice", compact(goodHeader, `{"iss":"a","iss":"b"}`), jwt.Malformed},
		{"a payload with a claim twice below", compact(goodHeader, `{"x":{"a":1,"a":2}}`), jwt.Malformed},
		{"a payload with more behind it", compact(goodHeader, `{} {}`), jwt.Malformed},
		{"a payload with a byte order mark", compact(goodHeader, "\ufeff{}"), jwt.Malformed},
		{"a payload nested too deep", compact(goodHeader, strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40)), jwt.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := jwt.Parse(tt.text)
			e, ok := errors.AsType[*jwt.Error](err)
			if !ok || e.Reason != tt.reason {
				t.Errorf("error = %v (%v), want reason %v", err, e, tt.reason)
			}
			if u.Algorithm() != "" || u.KeyID() != "" || u.UnverifiedIssuer() != "" || u.Digest() != [32]byte{} {
				t.Error("a refused text gave a value")
			}
			if _, err := u.Verify(&jwt.KeySet{}, jwt.Algorithms()); err == nil {
				t.Error("a zero token verifies")
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	long := goodPayload + strings.Repeat(" ", 14000)
	for name, text := range map[string]string{
		"a GitLab header":                   compact(goodHeader, goodPayload),
		"no kid, no typ":                    compact(`{"alg":"ES256"}`, goodPayload),
		"typ in lower case":                 compact(`{"alg":"RS256","typ":"jwt"}`, goodPayload),
		"a thumbprint as GitHub sends it":   compact(`{"alg":"RS256","x5t":"abc","x5t#S256":"def"}`, goodPayload),
		"white space in the header":         compact("{ \"alg\" : \"RS256\" }\n", goodPayload),
		"nearly as long as STS accepts":     compact(goodHeader, long),
		"an empty object of claims":         compact(goodHeader, `{}`),
		"hostile text, which is text alone": compact(goodHeader, `{"iss":"\";rm -rf / <script>\u0000\u202e"}`),
	} {
		t.Run(name, func(t *testing.T) {
			u, err := jwt.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if u.Digest() != sha256.Sum256([]byte(text)) {
				t.Error("the digest is not of the text")
			}
		})
	}
	u, err := jwt.Parse(compact(goodHeader, `{"iss":"https://issuer.example","n":12345678901234567890}`))
	if err != nil {
		t.Fatal(err)
	}
	if u.UnverifiedIssuer() != "https://issuer.example" || u.KeyID() != "k1" || u.Algorithm() != jwt.RS256 {
		t.Errorf("read as %q %q %q", u.UnverifiedIssuer(), u.KeyID(), u.Algorithm())
	}
	if n, _ := u.UnverifiedClaim("n").Number(); n != "12345678901234567890" {
		t.Errorf("a number is read as %s", n)
	}
	if text := fmt.Sprintf("%v %s %+v %#v", u, u, u, u); strings.Contains(text, "issuer.example") {
		t.Errorf("printing a token shows it: %s", text)
	}
	iss, err := jwt.Parse(compact(goodHeader, `{"iss":["https://issuer.example"],"ISS":"https://issuer.example"}`))
	if err != nil || iss.UnverifiedIssuer() != "" {
		t.Errorf("a list is read as the issuer %q, %v", iss.UnverifiedIssuer(), err)
	}
}

// Every algorithm, made by the standard library, verifies, and with one bit
// changed anywhere it does not.
func TestEveryAlgorithm(t *testing.T) {
	i := fakeissuer.New(t)
	for _, alg := range jwt.Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			text := i.TokenAs(alg, map[string]any{"sub": "x"})
			keys, err := jwt.ParseKeySet(i.KeySet())
			if err != nil {
				t.Fatal(err)
			}
			v, err := verify(text, keys, alg)
			if err != nil {
				t.Fatal(err)
			}
			if sub, _ := v.Claims().Get("sub").Text(); sub != "x" || v.Digest() != sha256.Sum256([]byte(text)) || v.KeyID() != i.KeyID(alg) || v.Algorithm() != alg {
				t.Errorf("verified as %v", v)
			}
			others := slices.DeleteFunc(jwt.Algorithms(), func(a jwt.Algorithm) bool { return a == alg })
			wantReason(t, text, keys, others, jwt.AlgorithmNotAllowed)
			wantReason(t, text, keys, nil, jwt.AlgorithmNotAllowed)
			wantReason(t, text, nil, []jwt.Algorithm{alg}, jwt.UnknownKey)
			wantReason(t, text, &jwt.KeySet{}, []jwt.Algorithm{alg}, jwt.UnknownKey)
			flipEveryPart(t, text, keys, alg)
		})
	}
}

func flipEveryPart(t *testing.T, text string, keys *jwt.KeySet, alg jwt.Algorithm) {
	t.Helper()
	parts := strings.Split(text, ".")
	for n, part := range parts {
		data, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		for at := range data {
			changed := slices.Clone(data)
			changed[at] ^= 1
			now := slices.Clone(parts)
			now[n] = base64.RawURLEncoding.EncodeToString(changed)
			if _, err := verify(strings.Join(now, "."), keys, alg); err == nil {
				t.Fatalf("verifies with a bit of part %d, byte %d changed", n, at)
			}
		}
	}
}

func verify(text string, keys *jwt.KeySet, allowed ...jwt.Algorithm) (jwt.Verified, error) {
	u, err := jwt.Parse(text)
	if err != nil {
		return jwt.Verified{}, err
	}
	return u.Verify(keys, allowed)
}

func wantReason(t *testing.T, text string, keys *jwt.KeySet, allowed []jwt.Algorithm, want jwt.Reason) {
	t.Helper()
	v, err := verify(text, keys, allowed...)
	e, ok := errors.AsType[*jwt.Error](err)
	if !ok || e.Reason != want {
		t.Errorf("error = %v, want reason %v", err, want)
	}
	if len(v.Claims().Members()) > 0 {
		t.Error("a refused token has claims")
	}
}

// TestForgeries are the ways to have a token believed that its issuer did not
// sign.
func TestForgeries(t *testing.T) {
	i, evil := fakeissuer.New(t), fakeissuer.New(t)
	i.KeyID(jwt.ES256)
	i.KeyID(jwt.EdDSA)
	i.KeyID(jwt.PS256)
	keys, err := jwt.ParseKeySet(i.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(goodPayload)
	header := func(alg jwt.Algorithm, kid string) map[string]any {
		return map[string]any{"alg": alg, "kid": kid, "typ": "JWT"}
	}
	rs, es, ed := i.KeyID(jwt.RS256), i.KeyID(jwt.ES256), i.KeyID(jwt.EdDSA)
	good := i.Sign(jwt.RS256, header(jwt.RS256, rs), payload)
	all := jwt.Algorithms()

	wantReason(t, evil.Sign(jwt.RS256, header(jwt.RS256, rs), payload), keys, all, jwt.BadSignature)
	wantReason(t, evil.Sign(jwt.RS256, header(jwt.RS256, evil.KeyID(jwt.RS256)), payload), keys, all, jwt.UnknownKey)
	wantReason(t, evil.Sign(jwt.ES256, header(jwt.ES256, es), payload), keys, all, jwt.BadSignature)
	wantReason(t, i.Sign(jwt.RS256, header(jwt.RS256, "../"+rs), payload), keys, all, jwt.UnknownKey)
	wantReason(t, i.Sign(jwt.RS256, header(jwt.RS256, strings.ToUpper(rs)), payload), keys, all, jwt.UnknownKey)
	wantReason(t, i.Sign(jwt.RS256, header(jwt.RS256, es), payload), keys, all, jwt.AlgorithmNotAllowed)
	wantReason(t, i.Sign(jwt.ES256, header(jwt.ES256, rs), payload), keys, all, jwt.AlgorithmNotAllowed)
	wantReason(t, i.Sign(jwt.ES256, header(jwt.ES384, es), payload), keys, all, jwt.AlgorithmNotAllowed)
	wantReason(t, i.Sign(jwt.EdDSA, header(jwt.ES256, ed), payload), keys, all, jwt.AlgorithmNotAllowed)
	// The key is for RS256 by its own alg, though it could do PS256 and RS512.
	wantReason(t, signWith(t, i, jwt.PS256, header(jwt.PS256, rs), payload), keys, all, jwt.AlgorithmNotAllowed)
	wantReason(t, signWith(t, i, jwt.RS512, header(jwt.RS512, rs), payload), keys, all, jwt.AlgorithmNotAllowed)
	// No kid and several keys: the token may not choose by trying.
	wantReason(t, i.Sign(jwt.RS256, map[string]any{"alg": "RS256"}, payload), keys, all, jwt.AmbiguousKey)

	// The public key as an HMAC secret (attack "RS256 to HS256"), in the forms
	// a library may hold it.
	jwk, err := json.Marshal(fakeissuer.PublicJWK(i.PrivateKey(jwt.RS256).Public()))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{jwk, i.PrivateKey(jwt.RS256).Public().(*rsa.PublicKey).N.Bytes(), i.KeySet(), nil} {
		text := b64(`{"alg":"HS256","kid":"`+rs+`"}`) + "." + b64(goodPayload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		wantReason(t, text+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), keys, all, jwt.AlgorithmNotAllowed)
	}

	// The signature of one token under another.
	parts, otherParts := strings.Split(good, "."), strings.Split(i.Token(map[string]any{"sub": "y"}), ".")
	wantReason(t, parts[0]+"."+otherParts[1]+"."+parts[2], keys, all, jwt.BadSignature)
	// An ECDSA signature of zeroes (CVE-2022-21449), and one in DER form.
	zero := strings.Split(i.Sign(jwt.ES256, header(jwt.ES256, es), payload), ".")
	wantReason(t, zero[0]+"."+zero[1]+"."+base64.RawURLEncoding.EncodeToString(make([]byte, 64)), keys, all, jwt.BadSignature)
	digest := sha256.Sum256([]byte(zero[0] + "." + zero[1]))
	der, err := ecdsa.SignASN1(rand.Reader, i.PrivateKey(jwt.ES256).(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, zero[0]+"."+zero[1]+"."+base64.RawURLEncoding.EncodeToString(der), keys, all, jwt.BadSignature)
	// A leading zero byte more before an RSA signature.
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, parts[0]+"."+parts[1]+"."+base64.RawURLEncoding.EncodeToString(append([]byte{0}, sig...)), keys, all, jwt.BadSignature)

	if _, err := verify(good, keys, all...); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// signWith signs with the RS256 key under another RSA algorithm.
func signWith(t *testing.T, i *fakeissuer.Issuer, alg jwt.Algorithm, header map[string]any, payload []byte) string {
	t.Helper()
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text := b64(string(head)) + "." + b64(string(payload))
	sig, err := fakeissuer.Signature(i.PrivateKey(jwt.RS256), alg, text)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig)
}

// TestTokenWithoutKeyID: OIDC Core §10.1 lets a token leave kid out where there
// is one key.
func TestTokenWithoutKeyID(t *testing.T) {
	i := fakeissuer.New(t)
	keys, err := jwt.ParseKeySet(i.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(i.Sign(jwt.RS256, map[string]any{"alg": "RS256"}, []byte(goodPayload)), keys, jwt.RS256); err != nil {
		t.Error(err)
	}
	wantReason(t, signWith(t, i, jwt.RS384, map[string]any{"alg": "RS384"}, []byte(goodPayload)), keys, jwt.Algorithms(), jwt.AlgorithmNotAllowed)
}

// TestRFC7515 verifies the asymmetric example of RFC 7515 Appendix A whose
// payload is an object for each algorithm, and refuses those of A.1 and A.5.
func TestRFC7515(t *testing.T) {
	const payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rs := "eyJhbGciOiJSUzI1NiJ9." + payload + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	es := "eyJhbGciOiJFUzI1NiJ9." + payload + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	rsKey := `{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}`
	esKey := `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	for _, tt := range []struct {
		name, text, key string
		alg             jwt.Algorithm
	}{{"A.2", rs, rsKey, jwt.RS256}, {"A.3", es, esKey, jwt.ES256}} {
		keys, err := jwt.ParseKeySet([]byte(`{"keys":[` + tt.key + `]}`))
		if err != nil || keys.Len() != 1 {
			t.Fatal(tt.name, err, keys.Skipped())
		}
		v, err := verify(tt.text, keys, tt.alg)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if iss, _ := v.Claims().Get("iss").Text(); iss != "joe" {
			t.Errorf("%s: iss = %q", tt.name, iss)
		}
	}
	keys, err := jwt.ParseKeySet([]byte(`{"keys":[` + rsKey + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	wantReason(t, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."+payload+".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", keys, jwt.Algorithms(), jwt.AlgorithmNotAllowed) // A.1
	wantReason(t, "eyJhbGciOiJub25lIn0."+payload+".", keys, jwt.Algorithms(), jwt.Malformed)                                                                           // A.5
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := jwt.Malformed; r <= jwt.AmbiguousKey; r++ {
		if seen[r.String()] {
			t.Errorf("reason %d has the name of another: %s", r, r)
		}
		seen[r.String()] = true
	}
	if jwt.Reason(200).String() != "malformed" {
		t.Error("an unknown reason has a name of its own")
	}
}

// FuzzParse: nothing crashes; what is refused gives nothing; what is accepted
// is what go-jose reads, and never verifies with keys that did not sign it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		compact(goodHeader, goodPayload), compact(`{"alg":"ES256","x5t":"a"}`, `{"aud":["a"]}`),
		compact(`{"alg":"RS256","crit":["x"]}`, goodPayload), "..", compact(`{"alg":"none"}`, "{}"),
	} {
		f.Add(seed)
	}
	keys := strangersKeys(f)
	algorithms := []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := jwt.Parse(text)
		if err != nil {
			if u.Algorithm() != "" || u.Digest() != [32]byte{} {
				t.Fatal("an error with a value")
			}
			return
		}
		theirs, err := jose.ParseSignedCompact(text, algorithms)
		if err != nil {
			t.Fatalf("accepted what go-jose refuses: %v", err)
		}
		header := theirs.Signatures[0].Header
		if header.Algorithm != string(u.Algorithm()) || header.KeyID != u.KeyID() || header.JSONWebKey != nil {
			t.Fatalf("read %q %q, go-jose reads %q %q", u.Algorithm(), u.KeyID(), header.Algorithm, header.KeyID)
		}
		for part := range strings.SplitSeq(text, ".") {
			data, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil || base64.RawURLEncoding.EncodeToString(data) != part {
				t.Fatalf("the part %q has another text, %v", part, err)
			}
		}
		if _, err := u.Verify(keys, jwt.Algorithms()); err == nil {
			t.Fatal("verifies with a stranger's keys")
		}
	})
}

// strangersKeys is a set whose private keys are gone.
func strangersKeys(f *testing.F) *jwt.KeySet {
	f.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	var list []map[string]any
	for n, public := range []any{ec.Public(), ed} {
		jwk := maps.Clone(fakeissuer.PublicJWK(public))
		jwk["kid"] = fmt.Sprint("k", n)
		list = append(list, jwk)
	}
	data, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		f.Fatal(err)
	}
	keys, err := jwt.ParseKeySet(data)
	if err != nil {
		f.Fatal(err)
	}
	return keys
}

// TestPSSSalt: RFC 7518 §3.5 fixes the salt's length, and go-jose takes any.
func TestPSSSalt(t *testing.T) {
	i := fakeissuer.New(t)
	kid := i.KeyID(jwt.PS256)
	text := b64(`{"alg":"PS256","kid":"`+kid+`"}`) + "." + b64(goodPayload)
	keys, err := jwt.ParseKeySet(i.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(text))
	for _, salt := range []int{0, 1, 20, 31, 32, 33, 64} {
		sig, err := rsa.SignPSS(rand.Reader, i.PrivateKey(jwt.PS256).(*rsa.PrivateKey), crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: saltLength(salt)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify(text+"."+base64.RawURLEncoding.EncodeToString(sig), keys, jwt.PS256)
		if (err == nil) != (salt == sha256.Size) {
			t.Errorf("a salt of %d bytes: %v", salt, err)
		}
	}
}

// saltLength spells a length for crypto/rsa, whose 0 means "as long as fits".
func saltLength(n int) int {
	if n == 0 {
		return rsa.PSSSaltLengthAuto
	}
	return n
}
