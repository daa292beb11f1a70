package jwt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// SigningKey is a private key that signs tokens, with ES256 or RS256: what every
// verifier reads. Its key id is the thumbprint of its public half (RFC 7638), so
// that no two keys share one. It is immutable.
type SigningKey struct {
	id        string
	algorithm Algorithm
	private   crypto.Signer
	public    publicKey
}

// publicKey is a JWK (RFC 7517 §4, RFC 7518 §6). Its members are in the order of
// the alphabet, which is that of a thumbprint.
type publicKey struct {
	Algorithm string `json:"alg,omitempty"`
	Curve     string `json:"crv,omitempty"`
	Exponent  string `json:"e,omitempty"`
	KeyID     string `json:"kid,omitempty"`
	KeyType   string `json:"kty"`
	Modulus   string `json:"n,omitempty"`
	Use       string `json:"use,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

// NewSigningKey takes an ECDSA key on P-256, which signs with ES256, or an RSA key
// of 2048 to 8192 bits, which signs with RS256.
func NewSigningKey(private crypto.Signer) (*SigningKey, error) {
	k := &SigningKey{private: private}
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		if p.Curve != elliptic.P256() {
			return nil, errors.New("jwt: only P-256 signs with ES256")
		}
		point, err := p.PublicKey.Bytes() // SEC 1 §2.3.4, uncompressed
		if err != nil {
			return nil, fmt.Errorf("jwt: the key's public half: %w", err)
		}
		size := (len(point) - 1) / 2
		k.algorithm, k.public = ES256, publicKey{KeyType: "EC", Curve: "P-256", X: encode(point[1 : 1+size]), Y: encode(point[1+size:])}
	case *rsa.PrivateKey:
		if n := p.N.BitLen(); n < minRSABits || n > maxRSABits {
			return nil, fmt.Errorf("jwt: an RSA key of %d bits", n)
		}
		k.algorithm, k.public = RS256, publicKey{KeyType: "RSA", Modulus: encode(p.N.Bytes()), Exponent: encode(big.NewInt(int64(p.E)).Bytes())}
	default:
		return nil, fmt.Errorf("jwt: a %T signs no tokens", private)
	}
	k.id = encode(sha256Of(marshal(k.public))) // RFC 7638 §3: the required members alone
	k.public.KeyID, k.public.Algorithm, k.public.Use = k.id, string(k.algorithm), "sig"
	return k, nil
}

// KeyID is the kid of the tokens it signs.
func (k *SigningKey) KeyID() string { return k.id }

// Algorithm is their alg.
func (k *SigningKey) Algorithm() Algorithm { return k.algorithm }

// Sign makes a token of a type (the header's typ) and its payload, a JSON object.
// The same payload has the same token: ES256 signs as RFC 6979 says.
func (k *SigningKey) Sign(typ string, payload []byte) (string, error) {
	header := marshal(struct {
		Algorithm string `json:"alg"`
		KeyID     string `json:"kid"`
		Type      string `json:"typ"`
	}{string(k.algorithm), k.id, typ})
	text := encode(header) + "." + encode(payload)
	sig, err := k.private.Sign(nil, sha256Of([]byte(text)), crypto.SHA256)
	if err == nil && k.algorithm == ES256 {
		sig, err = fixedLength(sig)
	}
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + encode(sig), nil
}

// fixedLength is an ASN.1 signature as RFC 7518 §3.4 has it: two numbers of the
// length of the curve's field.
func fixedLength(sig []byte) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(sig, &pair); err != nil || len(rest) > 0 {
		return nil, errors.New("the signature is not two numbers") // unreachable: crypto/ecdsa made it
	}
	out := make([]byte, 64)
	pair.R.FillBytes(out[:32])
	pair.S.FillBytes(out[32:])
	return out, nil
}

// EncodeKeySet is the public halves of keys as a JWK Set (RFC 7517 §5).
func EncodeKeySet(keys []*SigningKey) []byte {
	set := struct {
		Keys []publicKey `json:"keys"`
	}{[]publicKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.public)
	}
	return marshal(set)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func sha256Of(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

func marshal(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("jwt: " + err.Error()) // unreachable: structs of texts
	}
	return out
}
