package jwt_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
)

func jwk(t testing.TB, i *fakeissuer.Issuer, alg jwt.Algorithm, changes map[string]any) string {
	t.Helper()
	members := fakeissuer.PublicJWK(i.PrivateKey(alg).Public())
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func set(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

func TestParseKeySetRefuses(t *testing.T) {
	i, other := fakeissuer.New(t), fakeissuer.New(t)
	rs := jwk(t, i, jwt.RS256, map[string]any{"kid": "k1"})
	for _, tt := range []struct {
		name   string
		text   []byte
		reason jwt.Reason
	}{
		{"nothing", nil, jwt.Malformed},
		{"no JSON", []byte("x"), jwt.Malformed},
		{"an array", []byte("[]"), jwt.Malformed},
		{"null", []byte("null"), jwt.Malformed},
		{"no keys", []byte("{}"), jwt.Malformed},
		{"keys in capitals", []byte(`{"Keys":[]}`), jwt.Malformed},
		{"keys an object", []byte(`{"keys":{}}`), jwt.Malformed},
		{"keys twice", []byte(`{"keys":[],"keys":[]}`), jwt.Malformed},
		{"a key that is a string", set(`"x"`), jwt.Malformed},
		{"a key that is null", set(`null`), jwt.Malformed},
		{"a key with n twice", set(strings.Replace(rs, `"n"`, `"n":"AQ","n"`, 1)), jwt.Malformed},
		{"a single key that is no set", []byte(rs), jwt.Malformed},
		{"more behind the set", append(set(rs), "{}"...), jwt.Malformed},
		{"101 keys", set(strings.Repeat("{},", 100) + "{}"), jwt.TooLarge},
		{"one byte too many", append(set(), strings.Repeat(" ", jwt.MaxKeySetBytes)...), jwt.TooLarge},
		{"a symmetric key", set(`{"kty":"oct","k":"AAAA"}`), jwt.PrivateKey},
		{"a symmetric key without its value", set(`{"kty":"oct"}`), jwt.PrivateKey},
		{"a symmetric key beside a good one", set(rs, `{"kty":"oct","kid":"x","k":"AAAA"}`), jwt.PrivateKey},
		{"a private exponent", set(jwk(t, i, jwt.RS256, map[string]any{"d": "AQAB"})), jwt.PrivateKey},
		{"a private exponent that is null", set(strings.Replace(rs, `{`, `{"d":null,`, 1)), jwt.PrivateKey},
		{"a prime", set(jwk(t, i, jwt.RS256, map[string]any{"p": "AQAB"})), jwt.PrivateKey},
		{"a private scalar", set(jwk(t, i, jwt.ES256, map[string]any{"d": "AQAB"})), jwt.PrivateKey},
		{"a private seed", set(jwk(t, i, jwt.EdDSA, map[string]any{"d": "AQAB"})), jwt.PrivateKey},
		{"a private member of an unknown type", set(`{"kty":"AKP","priv":"AQAB"}`), jwt.PrivateKey},
		{"one id for two keys", set(rs, jwk(t, other, jwt.RS256, map[string]any{"kid": "k1"})), jwt.AmbiguousKey},
		{"one id for two keys of two types", set(rs, jwk(t, i, jwt.ES256, map[string]any{"kid": "k1"})), jwt.AmbiguousKey},
		{"one id for a key with two algorithms", set(jwk(t, i, jwt.RS256, map[string]any{"kid": "k1", "alg": "RS256"}), jwk(t, i, jwt.RS256, map[string]any{"kid": "k1", "alg": "PS256"})), jwt.AmbiguousKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := jwt.ParseKeySet(tt.text)
			e, ok := errors.AsType[*jwt.Error](err)
			if !ok || e.Reason != tt.reason || keys != nil {
				t.Errorf("keys = %v, error = %v, want reason %v", keys, err, tt.reason)
			}
		})
	}
}

func number(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }

// oddNumber is an odd number of that many bits.
func oddNumber(bits int) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return n.Add(n, big.NewInt(12345))
}

// rocaModulus is a number of 2048 bits with the mark of CVE-2017-15361.
func rocaModulus() *big.Int {
	product := big.NewInt(1)
	for p := int64(3); p <= 167; p += 2 {
		if big.NewInt(p).ProbablyPrime(0) {
			product.Mul(product, big.NewInt(p))
		}
	}
	n := new(big.Int).Exp(big.NewInt(65537), big.NewInt(1234), product)
	n.Add(n, new(big.Int).Mul(product, new(big.Int).Div(oddNumber(2048), product)))
	if n.BitLen() < 2048 {
		n.Add(n, product)
	}
	if n.Bit(0) == 0 {
		n.Add(n, product)
	}
	return n
}

func TestKeysThatAreSkipped(t *testing.T) {
	i := fakeissuer.New(t)
	for _, tt := range []struct{ name, key, detail string }{
		{"no members", `{}`, "key type"},
		{"a type we do not know", `{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}`, "algorithm is none"},
		{"kty in lower case", jwk(t, i, jwt.RS256, map[string]any{"kty": "rsa"}), "key type"},
		{"for encryption", jwk(t, i, jwt.RS256, map[string]any{"use": "enc"}), "(use)"},
		{"a use that is no string", jwk(t, i, jwt.RS256, map[string]any{"use": 1}), "(use)"},
		{"key_ops without verify", jwk(t, i, jwt.RS256, map[string]any{"key_ops": []string{"encrypt"}}), "(key_ops)"},
		{"key_ops that is a string", jwk(t, i, jwt.RS256, map[string]any{"key_ops": "verify"}), "(key_ops)"},
		{"key_ops empty", jwk(t, i, jwt.RS256, map[string]any{"key_ops": []string{}}), "(key_ops)"},
		{"an algorithm for encryption", jwk(t, i, jwt.RS256, map[string]any{"alg": "RSA-OAEP"}), "algorithm is none"},
		{"a symmetric algorithm", jwk(t, i, jwt.RS256, map[string]any{"alg": "HS256"}), "algorithm is none"},
		{"alg that is no string", jwk(t, i, jwt.RS256, map[string]any{"alg": 1}), "algorithm is none"},
		{"an algorithm of another type", jwk(t, i, jwt.RS256, map[string]any{"alg": "ES256"}), "does not fit"},
		{"an algorithm of another curve", jwk(t, i, jwt.ES256, map[string]any{"alg": "ES384"}), "does not fit"},
		{"a kid that is a number", jwk(t, i, jwt.RS256, map[string]any{"kid": 1}), "key id"},
		{"a kid that is empty", jwk(t, i, jwt.RS256, map[string]any{"kid": ""}), "key id"},
		{"a kid that is too long", jwk(t, i, jwt.RS256, map[string]any{"kid": strings.Repeat("a", 257)}), "key id"},
		{"RSA of 1024 bits", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(oddNumber(1024))), "2048"},
		{"RSA of 2047 bits", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(oddNumber(2047))), "2048"},
		{"RSA of 8193 bits", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(oddNumber(8193))), "8192"},
		{"RSA of 65536 bits", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(oddNumber(65536))), "8192"},
		{"an even modulus", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(new(big.Int).Add(oddNumber(2048), big.NewInt(1)))), "even"},
		{"a modulus that can be factored", fmt.Sprintf(`{"kty":"RSA","e":"AQAB","n":%q}`, number(rocaModulus())), "factored"},
		{"no modulus", jwk(t, i, jwt.RS256, map[string]any{"n": nil}), "n and e"},
		{"no exponent", jwk(t, i, jwt.RS256, map[string]any{"e": nil}), "n and e"},
		{"an empty modulus", jwk(t, i, jwt.RS256, map[string]any{"n": ""}), "n and e"},
		{"a modulus with padding", jwk(t, i, jwt.RS256, map[string]any{"n": "AQAB=="}), "n and e"},
		{"an exponent that is a number", jwk(t, i, jwt.RS256, map[string]any{"e": 65537}), "n and e"},
		{"an exponent of 1", jwk(t, i, jwt.RS256, map[string]any{"e": "AQ"}), "exponent"},
		{"an even exponent", jwk(t, i, jwt.RS256, map[string]any{"e": "AQAA"}), "exponent"},
		{"an exponent of 0", jwk(t, i, jwt.RS256, map[string]any{"e": "AA"}), "exponent"},
		{"an exponent above 2^31-1", jwk(t, i, jwt.RS256, map[string]any{"e": "gAAAAQ"}), "exponent"},
		{"a vast exponent", jwk(t, i, jwt.RS256, map[string]any{"e": strings.Repeat("B", 400)}), "exponent"},
		{"a curve we do not know", jwk(t, i, jwt.ES256, map[string]any{"crv": "secp256k1"}), "curve"},
		{"no curve", jwk(t, i, jwt.ES256, map[string]any{"crv": nil}), "curve"},
		{"a point of another curve's size", jwk(t, i, jwt.ES256, map[string]any{"crv": "P-384"}), "size"},
		{"a point off the curve", jwk(t, i, jwt.ES256, map[string]any{"x": strings.Repeat("A", 43)}), "not on the curve"},
		{"a point at infinity", jwk(t, i, jwt.ES256, map[string]any{"x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)}), "not on the curve"},
		{"a coordinate cut short", jwk(t, i, jwt.ES256, map[string]any{"x": "AAAA"}), "size"},
		{"no y", jwk(t, i, jwt.ES256, map[string]any{"y": nil}), "size"},
		{"X25519, which is for agreement", jwk(t, i, jwt.EdDSA, map[string]any{"crv": "X25519"}), "curve"},
		{"Ed448", jwk(t, i, jwt.EdDSA, map[string]any{"crv": "Ed448"}), "curve"},
		{"an Ed25519 key of 31 bytes", jwk(t, i, jwt.EdDSA, map[string]any{"x": strings.Repeat("A", 42)}), "32 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			good := jwk(t, i, jwt.ES384, map[string]any{"kid": "good"})
			keys, err := jwt.ParseKeySet(set(tt.key, good))
			if err != nil {
				t.Fatal(err)
			}
			skipped := keys.Skipped()
			if len(skipped) != 1 || !strings.Contains(skipped[0].Detail, tt.detail) || keys.Len() != 1 || !keys.Has("good") {
				t.Errorf("skipped %v, %d keys left; want one skipped for %q", skipped, keys.Len(), tt.detail)
			}
		})
	}
}

func TestKeysThatAreUsed(t *testing.T) {
	i := fakeissuer.New(t)
	big4096 := fmt.Sprintf(`{"kty":"RSA","kid":"k","e":"Aw","n":%q}`, number(oddNumber(4096)))
	big8192 := fmt.Sprintf(`{"kty":"RSA","kid":"k","e":"f____w","n":%q}`, number(oddNumber(8192)))
	for name, key := range map[string]string{
		"as GitLab publishes it":             jwk(t, i, jwt.RS256, map[string]any{"kid": "k", "use": "sig", "alg": "RS256"}),
		"with nothing but the key":           jwk(t, i, jwt.RS256, map[string]any{"kid": "k"}),
		"with key_ops":                       jwk(t, i, jwt.RS256, map[string]any{"kid": "k", "key_ops": []string{"sign", "verify"}}),
		"with a certificate nobody looks at": jwk(t, i, jwt.RS256, map[string]any{"kid": "k", "x5c": []string{"no certificate"}, "x5t": "x", "x5u": "http://evil.example"}),
		"with members nobody knows":          jwk(t, i, jwt.RS256, map[string]any{"kid": "k", "nbf": 1, "issuer": map[string]any{}}),
		"RSA of 4096 bits, exponent 3":       big4096,
		"RSA of 8192 bits, exponent 2^31-1":  big8192,
		"P-256":                              jwk(t, i, jwt.ES256, map[string]any{"kid": "k"}),
		"P-384":                              jwk(t, i, jwt.ES384, map[string]any{"kid": "k", "alg": "ES384"}),
		"P-521":                              jwk(t, i, jwt.ES512, map[string]any{"kid": "k", "alg": "ES512"}),
		"Ed25519":                            jwk(t, i, jwt.EdDSA, map[string]any{"kid": "k", "alg": "EdDSA"}),
		"the same key twice":                 jwk(t, i, jwt.ES256, map[string]any{"kid": "k"}) + "," + jwk(t, i, jwt.ES256, map[string]any{"kid": "k"}),
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := jwt.ParseKeySet(set(key))
			if err != nil || keys.Len() != 1 || !keys.Has("k") || !keys.Has("") || keys.Has("K") || len(keys.Skipped()) != 0 {
				t.Errorf("%v: %d keys, skipped %v", err, keys.Len(), keys.Skipped())
			}
		})
	}
	keys, err := jwt.ParseKeySet(set())
	if err != nil || keys.Len() != 0 || keys.Has("") {
		t.Errorf("an empty set: %v, %d keys", err, keys.Len())
	}
	var none *jwt.KeySet
	if none.Len() != 0 || none.Has("") || none.Has("k") || none.Skipped() != nil {
		t.Error("a nil set holds keys")
	}
}

// A token whose key was skipped is told so.
func TestSkippedKeyIsExplained(t *testing.T) {
	i := fakeissuer.New(t)
	keys, err := jwt.ParseKeySet(set(jwk(t, i, jwt.RS256, map[string]any{"kid": "k1", "use": "enc"})))
	if err != nil {
		t.Fatal(err)
	}
	u, err := jwt.Parse(i.Sign(jwt.RS256, map[string]any{"alg": "RS256", "kid": "k1"}, []byte("{}")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Verify(keys, jwt.Algorithms()); err == nil || !strings.Contains(err.Error(), "(use)") {
		t.Errorf("error = %v", err)
	}
}

// TestLargeKey verifies with an RSA key above go-jose's own bound of 4096 bits.
func TestLargeKey(t *testing.T) {
	data, err := os.ReadFile("testdata/rsa5120.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keys  []json.RawMessage `json:"keys"`
		Token string            `json:"token"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	keys, err := jwt.ParseKeySet(set(string(file.Keys[0])))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(file.Token, keys, jwt.RS512); err != nil {
		t.Error(err)
	}
}

// FuzzParseKeySet: nothing crashes, what is refused gives nothing, and every
// key that is used is one that go-jose reads as a public key too (up to its own
// bound of an RSA modulus).
func FuzzParseKeySet(f *testing.F) {
	i := fakeissuer.New(f)
	for _, alg := range []jwt.Algorithm{jwt.RS256, jwt.ES256, jwt.ES512, jwt.EdDSA} {
		f.Add(set(jwk(f, i, alg, map[string]any{"kid": "k", "use": "sig", "alg": alg})))
	}
	f.Add(set(`{"kty":"oct","k":"AA"}`, `{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := jwt.ParseKeySet(data)
		if err != nil {
			if keys != nil {
				t.Fatal("an error with a value")
			}
			return
		}
		if keys.Len()+len(keys.Skipped()) > 100 {
			t.Fatalf("%d keys and %d skipped", keys.Len(), len(keys.Skipped()))
		}
		if keys.Len() != 1 || len(keys.Skipped()) > 0 {
			return
		}
		var raw struct {
			Keys []map[string]json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal(data, &raw); err != nil {
			t.Fatalf("used a set that encoding/json does not read: %v", err)
		}
		own := []string{"kty", "crv", "n", "e", "x", "y"} // go-jose decodes members that are of no matter, too
		var kty string
		if json.Unmarshal(raw.Keys[0]["kty"], &kty); kty == "OKP" {
			own = []string{"kty", "crv", "x"}
		}
		maps.DeleteFunc(raw.Keys[0], func(name string, _ json.RawMessage) bool { return !slices.Contains(own, name) })
		plain, err := json.Marshal(raw.Keys[0])
		if err != nil {
			t.Fatal(err)
		}
		var theirs jose.JSONWebKey
		if err := theirs.UnmarshalJSON(plain); err != nil {
			if !strings.Contains(err.Error(), "modulus too large") {
				t.Fatalf("used a key that go-jose refuses: %v", err)
			}
			return
		}
		if !theirs.IsPublic() {
			t.Fatal("used a key that go-jose reads as a private one")
		}
	})
}
