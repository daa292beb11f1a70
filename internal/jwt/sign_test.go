package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
)

// TestSign: what a key signs, our own reader and go-jose verify with the key set
// that is published, and with no other.
func TestSign(t *testing.T) {
	i, other := fakeissuer.New(t), fakeissuer.New(t)
	for _, alg := range []jwt.Algorithm{jwt.ES256, jwt.RS256} {
		k := signingKey(t, i.PrivateKey(alg))
		published := jwt.EncodeKeySet([]*jwt.SigningKey{k, signingKey(t, other.PrivateKey(jwt.ES256))})
		compact, err := k.Sign("JWT", []byte(`{"sub":"x","n":12345678901234567890}`))
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := k.Sign("JWT", []byte(`{"sub":"x","n":12345678901234567890}`)); again != compact {
			t.Errorf("%s: the same payload has another token", alg)
		}
		keys, err := jwt.ParseKeySet(published)
		if err != nil || keys.Len() != 2 || len(keys.Skipped()) > 0 {
			t.Fatalf("%v %s", err, published)
		}
		u, err := jwt.Parse(compact)
		if err != nil {
			t.Fatal(err)
		}
		v, err := u.Verify(keys, []jwt.Algorithm{alg})
		if err != nil || v.KeyID() != k.KeyID() || v.Algorithm() != k.Algorithm() || k.Algorithm() != alg {
			t.Errorf("%s: %+v %v", alg, v, err)
		}
		var theirs jose.JSONWebKeySet
		if err := json.Unmarshal(published, &theirs); err != nil {
			t.Fatal(err)
		}
		signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Verify(theirs.Key(k.KeyID())[0]); err != nil {
			t.Errorf("%s: go-jose: %v", alg, err)
		}
		// RFC 7638, by the other implementation.
		if print, err := theirs.Keys[0].Thumbprint(crypto.SHA256); err != nil || base64.RawURLEncoding.EncodeToString(print) != k.KeyID() {
			t.Errorf("%s: %v", alg, err)
		}
		for name, set := range map[string][]byte{"another key set": jwt.EncodeKeySet([]*jwt.SigningKey{signingKey(t, other.PrivateKey(alg))}), "no key": jwt.EncodeKeySet(nil)} {
			keys, err := jwt.ParseKeySet(set)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := u.Verify(keys, []jwt.Algorithm{alg}); err == nil {
				t.Errorf("%s: %s verifies it", alg, name)
			}
		}
	}
}

// TestSignedTypeIsNoIDToken: what is signed as an access token is not read as an
// ID token (RFC 8725 §3.11).
func TestSignedTypeIsNoIDToken(t *testing.T) {
	compact, err := signingKey(t, fakeissuer.New(t).PrivateKey(jwt.ES256)).Sign("at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwt.Parse(compact); err == nil {
		t.Error("it is read")
	}
}

// TestKeySetHoldsNothingPrivate: every member of a published key is a public one.
func TestKeySetHoldsNothingPrivate(t *testing.T) {
	i := fakeissuer.New(t)
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(jwt.EncodeKeySet([]*jwt.SigningKey{signingKey(t, i.PrivateKey(jwt.ES256)), signingKey(t, i.PrivateKey(jwt.RS256))}), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		for name := range k {
			if !slices.Contains(strings.Fields("alg crv e kid kty n use x y"), name) {
				t.Errorf("a member %s is published", name)
			}
		}
	}
}

func TestNewSigningKeyRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: fakeissuer.New(t).PrivateKey(jwt.RS256).(*rsa.PrivateKey).Primes[0], E: 65537}}
	for name, k := range map[string]crypto.Signer{"P-384": p384, "Ed25519": ed, "a short RSA key": short, "none": nil} {
		if got, err := jwt.NewSigningKey(k); err == nil || got != nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func signingKey(t testing.TB, private crypto.Signer) *jwt.SigningKey {
	t.Helper()
	k, err := jwt.NewSigningKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
