package attack

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// forge makes tokens, good ones and others.
type forge struct {
	key    crypto.Signer
	header map[string]any
	claims map[string]any
}

// forge is a fresh set of a good token's parts.
func (g *good) forge() *forge {
	now := g.Now().Unix()
	f := &forge{key: g.Key, header: map[string]any{"alg": algorithmOf(g.Key), "typ": "JWT"}, claims: maps.Clone(g.Claims)}
	if g.KeyID != "" {
		f.header["kid"] = g.KeyID
	}
	id := make([]byte, 16)
	rand.Read(id)
	f.claims["iat"], f.claims["nbf"], f.claims["exp"], f.claims["jti"] = now, now-5, now+300, hex.EncodeToString(id)
	return f
}

// CheckKey says whether a key is of a kind that Run can sign with.
func CheckKey(key crypto.Signer) error {
	if algorithmOf(key) == "" {
		return fmt.Errorf("a key of type %T: RSA, ECDSA on P-256 and Ed25519 are known", key)
	}
	if r, ok := key.Public().(*rsa.PublicKey); ok && r.N.BitLen() < 2048 {
		return fmt.Errorf("an RSA key of %d bits: 2048 are the least that is verified", r.N.BitLen())
	}
	if sign(key, "a trial") == "" {
		return errors.New("the key does not sign")
	}
	return nil
}

func algorithmOf(key crypto.Signer) string {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return "RS256"
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			return "ES256"
		}
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return ""
}

func (f *forge) text(claim string) string {
	text, _ := f.claims[claim].(string)
	return text
}

// gitlabSubject is the form of a GitLab job's sub.
var gitlabSubject = regexp.MustCompile(`(?s)^project_path:(.*):ref_type:(.*?):ref:(.*)$`)

// setSubject gives the token another subject, and, where it is a GitLab job's,
// the claims that repeat it: a neighbour's token is one of a piece.
func (f *forge) setSubject(sub string) {
	f.claims["sub"] = sub
	m := gitlabSubject.FindStringSubmatch(sub)
	if m == nil {
		return
	}
	paths := map[string]string{"branch": "refs/heads/", "tag": "refs/tags/"}
	namespace, _, _ := strings.Cut(m[1], "/")
	for name, value := range map[string]string{"project_path": m[1], "namespace_path": namespace, "ref_type": m[2], "ref": m[3], "ref_path": paths[m[2]] + m[3]} {
		if _, ok := f.claims[name]; ok {
			f.claims[name] = value
		}
	}
}

// token is the token as its parts are now.
func (f *forge) token() string { return f.raw(object(f.header), object(f.claims)) }

// raw signs any header and payload.
func (f *forge) raw(header, payload string) string {
	signed := b64(header) + "." + b64(payload)
	return signed + "." + b64(sign(f.key, signed))
}

// hmac signs with a symmetric key.
func (f *forge) hmac(key []byte) string {
	f.header["alg"] = "HS256"
	signed := b64(object(f.header)) + "." + b64(object(f.claims))
	m := hmac.New(sha256.New, key)
	m.Write([]byte(signed))
	return signed + "." + b64(string(m.Sum(nil)))
}

// parts are the three parts of a good token.
func (f *forge) parts() (header, payload, signature string) {
	header, payload = b64(object(f.header)), b64(object(f.claims))
	return header, payload, b64(sign(f.key, header+"."+payload))
}

// sign signs as JWS does: RS256, ES256 or EdDSA.
func sign(key crypto.Signer, text string) string {
	sum := sha256.Sum256([]byte(text))
	digest, hash := sum[:], crypto.SHA256
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		digest, hash = []byte(text), 0
	}
	out, err := key.Sign(rand.Reader, digest, hash)
	if err != nil {
		return ""
	}
	if _, ok := key.Public().(*ecdsa.PublicKey); ok { // RFC 7518 §3.4: r and s, not DER
		var p struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(out, &p); err != nil {
			return ""
		}
		out = append(p.R.FillBytes(make([]byte, 32)), p.S.FillBytes(make([]byte, 32))...)
	}
	return string(out)
}

// newKey is a key of the same kind that nobody trusts.
func newKey(like crypto.Signer) crypto.Signer {
	var key crypto.Signer
	switch like.Public().(type) {
	case *rsa.PublicKey:
		key, _ = rsa.GenerateKey(rand.Reader, 2048)
	case *ecdsa.PublicKey:
		key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, key, _ = ed25519.GenerateKey(rand.Reader)
	}
	return key
}

// publicForms are the forms of a public key that a verifier might take for an
// HMAC secret.
func publicForms(key crypto.Signer) map[string][]byte {
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	forms := map[string][]byte{
		"der": der,
		"pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		"jwk": []byte(object(jwk(key))),
	}
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		forms["raw"] = public.N.Bytes()
	case *ecdsa.PublicKey:
		forms["raw"], _ = public.Bytes()
	case ed25519.PublicKey:
		forms["raw"] = public
	}
	return forms
}

// jwk is a public key as a JSON Web Key.
func jwk(key crypto.Signer) map[string]any {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": b64(string(public.N.Bytes())), "e": b64(string(big.NewInt(int64(public.E)).Bytes()))}
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(string(point[1:33])), "y": b64(string(point[33:]))}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(string(public))}
	}
	return nil
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func object(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(out)
}

func (f *forge) at(g *good, claim string, d time.Duration) *forge {
	f.claims[claim] = g.Now().Add(d).Unix()
	return f
}
