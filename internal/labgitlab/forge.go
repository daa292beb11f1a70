package labgitlab

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"time"
)

// Forge makes tokens that GitLab would never hand out, from ones it did, so
// that a relying party's refusals can be tested. Nothing in the lab's own path
// uses it, and the lab's door does not reach it.
type Forge struct {
	server *Server
}

// Forge is a forge with this server's keys at hand.
func (s *Server) Forge() Forge { return Forge{server: s} }

// Forgery is one thing wrong with a token.
type Forgery func(*forgedToken)

type forgedToken struct {
	header map[string]any
	claims map[string]any
	sign   func(input []byte) ([]byte, error)
	spoil  func(token string) string
}

// Token takes a token apart, applies what is wrong and signs again, with the
// key of CI tokens unless a forgery says otherwise.
func (f Forge) Token(genuine string, wrong ...Forgery) (string, error) {
	header, payload, err := splitToken(genuine)
	if err != nil {
		return "", err
	}
	t := &forgedToken{header: header, claims: payload, sign: signRS256(f.server.ciKey.private)}
	for _, apply := range wrong {
		apply(t)
	}
	return t.serialize()
}

func (t *forgedToken) serialize() (string, error) {
	header, err := marshalClaims(t.header)
	if err != nil {
		return "", err
	}
	payload, err := marshalClaims(t.claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode(header) + "." + encode(payload)
	signature, err := t.sign([]byte(input))
	if err != nil {
		return "", err
	}
	token := input + "." + encode(signature)
	if t.spoil != nil {
		token = t.spoil(token)
	}
	return token, nil
}

func splitToken(token string) (header, claims map[string]any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not a compact token")
	}
	for i, into := range []*map[string]any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, nil, err
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(into); err != nil {
			return nil, nil, err
		}
	}
	return header, claims, nil
}

func signRS256(key *rsa.PrivateKey) func([]byte) ([]byte, error) {
	return func(input []byte) ([]byte, error) {
		digest := sha256.Sum256(input)
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	}
}

// WithClaim gives a claim another value.
func WithClaim(name string, value any) Forgery {
	return func(t *forgedToken) { t.claims[name] = value }
}

// WithoutClaim leaves a claim out.
func WithoutClaim(name string) Forgery {
	return func(t *forgedToken) { delete(t.claims, name) }
}

// WithHeader gives a header field another value.
func WithHeader(name string, value any) Forgery {
	return func(t *forgedToken) { t.header[name] = value }
}

// WithoutHeader leaves a header field out.
func WithoutHeader(name string) Forgery {
	return func(t *forgedToken) { delete(t.header, name) }
}

// ValidFrom moves iat, nbf and exp, keeping the token's life.
func ValidFrom(start time.Time) Forgery {
	return func(t *forgedToken) {
		life := number(t.claims["exp"]) - number(t.claims["iat"])
		t.claims["iat"] = start.Unix()
		t.claims["nbf"] = start.Add(-notBeforeMargin).Unix()
		t.claims["exp"] = start.Unix() + life
	}
}

// Expired ends the token's life at a moment, its length kept.
func Expired(end time.Time) Forgery {
	return func(t *forgedToken) {
		life := number(t.claims["exp"]) - number(t.claims["iat"])
		ValidFrom(end.Add(-time.Duration(life) * time.Second))(t)
	}
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	value, _ := n.Int64()
	return value
}

// SignedBy signs with a key the issuer does not have; the header keeps the
// issuer's kid.
func SignedBy(key *rsa.PrivateKey) Forgery {
	return func(t *forgedToken) { t.sign = signRS256(key) }
}

// SignedByLoginKey signs with the issuer's other key: what a person's token is
// signed with. The header keeps the kid of the CI key unless relabelled.
func (f Forge) SignedByLoginKey(relabelled bool) Forgery {
	return func(t *forgedToken) {
		t.sign = signRS256(f.server.loginKey.private)
		if relabelled {
			t.header["kid"] = f.server.loginKey.id
		}
	}
}

// Unsigned says alg none and has an empty signature.
func Unsigned() Forgery {
	return func(t *forgedToken) {
		t.header["alg"] = "none"
		t.sign = func([]byte) ([]byte, error) { return nil, nil }
	}
}

// SignedWithPublicKey is the old confusion: HS256 with the issuer's public key,
// as PEM, for its secret.
func (f Forge) SignedWithPublicKey() Forgery {
	return func(t *forgedToken) {
		t.header["alg"] = "HS256"
		t.sign = func(input []byte) ([]byte, error) {
			der, err := x509.MarshalPKIXPublicKey(f.server.ciKey.private.Public())
			if err != nil {
				return nil, err
			}
			mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
			mac.Write(input)
			return mac.Sum(nil), nil
		}
	}
}

// WithOneBitChanged changes one bit of the signature.
func WithOneBitChanged() Forgery {
	return func(t *forgedToken) {
		t.spoil = func(token string) string {
			dot := strings.LastIndexByte(token, '.')
			signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
			if err != nil || len(signature) == 0 {
				return token
			}
			signature[len(signature)/2] ^= 1
			return token[:dot+1] + base64.RawURLEncoding.EncodeToString(signature)
		}
	}
}
