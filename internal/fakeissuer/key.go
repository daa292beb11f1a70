package fakeissuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"

	"mayfly.internal/internal/jwt"
)

// key is a signing key with its published form.
type key struct {
	alg     jwt.Algorithm
	id      string
	private crypto.Signer
	jwk     map[string]any
}

// Making an RSA key takes a tenth of a second, so keys of ended tests are used
// again. Two issuers that run at the same time never share one.
var pool = struct {
	sync.Mutex
	free map[jwt.Algorithm][]*key // :: algorithm → keys nobody uses now
}{free: map[jwt.Algorithm][]*key{}}

func take(t testing.TB, alg jwt.Algorithm) *key {
	pool.Lock()
	defer pool.Unlock()
	if list := pool.free[alg]; len(list) > 0 {
		pool.free[alg] = list[:len(list)-1]
		return list[len(list)-1]
	}
	return newKey(t, alg)
}

func giveBack(keys []*key) {
	pool.Lock()
	defer pool.Unlock()
	for _, k := range keys {
		pool.free[k.alg] = append(pool.free[k.alg], k)
	}
}

func newKey(t testing.TB, alg jwt.Algorithm) *key {
	k := &key{alg: alg}
	var err error
	switch alg {
	case jwt.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jwt.ES384:
		k.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jwt.ES512:
		k.private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jwt.EdDSA:
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	k.jwk = PublicJWK(k.private.Public())
	thumb, err := json.Marshal(k.jwk) // encoding/json sorts the members, as RFC 7638 §3 wants them
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(thumb)
	k.id = encode(sum[:])
	k.jwk["kid"], k.jwk["use"], k.jwk["alg"] = k.id, "sig", alg
	return k
}

// PublicJWK is the members of a public key in JWK form that are the key itself.
func PublicJWK(public crypto.PublicKey) map[string]any {
	switch public := public.(type) {
	case *rsa.PublicKey:
		e := []byte{byte(public.E >> 24), byte(public.E >> 16), byte(public.E >> 8), byte(public.E)}
		for e[0] == 0 {
			e = e[1:]
		}
		return map[string]any{"kty": "RSA", "n": encode(public.N.Bytes()), "e": encode(e)}
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // SEC 1 §2.3.3: 4, x, y
		if err != nil {
			panic(err) // unreachable: the key was made by crypto/ecdsa
		}
		half := (len(point) - 1) / 2
		return map[string]any{"kty": "EC", "crv": public.Params().Name, "x": encode(point[1 : 1+half]), "y": encode(point[1+half:])}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(public)}
	}
	panic("no JWK for this kind of key")
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// key is the key that signs with alg now; it is made and published when first
// asked for.
func (i *Issuer) key(alg jwt.Algorithm) *key {
	i.mu.Lock()
	defer i.mu.Unlock()
	k := i.keys[alg]
	if k == nil {
		k = take(i.t, alg)
		i.keys[alg] = k
		i.used = append(i.used, k)
	}
	return k
}

// KeyID is the kid of the key that signs with alg now.
func (i *Issuer) KeyID(alg jwt.Algorithm) string { return i.key(alg).id }

// PrivateKey is the key that signs with alg now.
func (i *Issuer) PrivateKey(alg jwt.Algorithm) crypto.Signer { return i.key(alg).private }

// KeySet is the key set as it is published now.
func (i *Issuer) KeySet() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.keySet != nil {
		return i.keySet
	}
	var list []map[string]any
	for _, alg := range slices.Sorted(maps.Keys(i.keys)) {
		list = append(list, i.keys[alg].jwk)
	}
	data, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		panic(err) // unreachable: strings alone
	}
	return data
}

// Sign signs a payload under a header, both as given, with the key of alg.
func (i *Issuer) Sign(alg jwt.Algorithm, header map[string]any, payload []byte) string {
	head, err := json.Marshal(header)
	if err != nil {
		i.t.Fatal(err)
	}
	return i.SignRaw(alg, head, payload)
}

// SignRaw is Sign with the header's own bytes.
func (i *Issuer) SignRaw(alg jwt.Algorithm, header, payload []byte) string {
	text := encode(header) + "." + encode(payload)
	signature, err := Signature(i.PrivateKey(alg), alg, text)
	if err != nil {
		i.t.Fatal(err)
	}
	return text + "." + encode(signature)
}

// Signature is the JWS signature (RFC 7518 §3) over a text, made by the
// standard library alone.
func Signature(private crypto.Signer, alg jwt.Algorithm, text string) ([]byte, error) {
	if alg == jwt.EdDSA {
		return private.Sign(rand.Reader, []byte(text), crypto.Hash(0))
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[string(alg[2:])]
	h := hash.New()
	h.Write([]byte(text))
	digest := h.Sum(nil)
	switch alg[:2] {
	case "PS":
		return private.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
	case "ES":
		k := private.(*ecdsa.PrivateKey)
		r, s, err := ecdsa.Sign(rand.Reader, k, digest)
		if err != nil {
			return nil, err
		}
		size := (k.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out, nil
	}
	return private.Sign(rand.Reader, digest, hash)
}
