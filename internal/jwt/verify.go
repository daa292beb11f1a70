package jwt

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"slices"

	jose "github.com/go-jose/go-jose/v4"

	"mayfly.internal/internal/strictjson"
)

// Verified is a token whose signature was checked with a key of the set its
// caller chose. It says nothing about whose set that was, whom the token is
// for, or whether it is still good. The zero value holds no claims.
type Verified struct {
	claims    strictjson.Value
	digest    [sha256.Size]byte
	keyID     string
	algorithm Algorithm
}

// Claims is the payload: a JSON object, or Missing in a zero Verified.
func (v Verified) Claims() strictjson.Value { return v.claims }

// Digest is the SHA-256 of the compact text.
func (v Verified) Digest() [sha256.Size]byte { return v.digest }

// KeyID is the kid of the key that verified the token, "" if it has none.
func (v Verified) KeyID() string { return v.keyID }

// Algorithm is the algorithm the token is signed with.
func (v Verified) Algorithm() Algorithm { return v.algorithm }

// Verify checks the signature. Every refusal is an *Error, and then the value
// is zero. All of this holds for a Verified token:
//
//   - its algorithm is in allowed (RFC 8725 §3.1); an empty list allows none
//   - keys holds exactly one usable key that the token can mean: the one of its
//     kid, or, for a token without kid, the only key there is (OIDC Core §10.1)
//   - the algorithm fits that key's type and curve, and is the key's own alg if
//     it names one (RFC 7517 §4.4)
//   - the signature is by that key over exactly the text that was parsed
func (u Unverified) Verify(keys *KeySet, allowed []Algorithm) (Verified, error) {
	if u.compact == "" {
		return Verified{}, refuse(Malformed, "there is no token")
	}
	if !slices.Contains(allowed, u.algorithm) {
		return Verified{}, refuse(AlgorithmNotAllowed, "the token is signed with %s, which is not allowed for its issuer", u.algorithm)
	}
	k, err := keys.find(u.keyID)
	if err != nil {
		return Verified{}, err
	}
	if err := k.fits(u.algorithm); err != nil {
		return Verified{}, err
	}
	if err := u.checkSignature(k); err != nil {
		return Verified{}, err
	}
	return Verified{claims: u.payload, digest: u.digest, keyID: k.id, algorithm: u.algorithm}, nil
}

// checkSignature hands the text to go-jose, which takes it apart once more and
// checks that its own reading of algorithm and payload is ours.
func (u Unverified) checkSignature(k key) error {
	signed, err := jose.ParseSignedCompact(u.compact, []jose.SignatureAlgorithm{families[u.algorithm].jose})
	if err != nil {
		return refuse(Malformed, "the token is not a signed one: %v", err)
	}
	theirs, err := signed.Verify(k.public)
	if err != nil {
		return refuse(BadSignature, "the signature does not verify with the issuer's key %q", clip(k.id))
	}
	if !bytes.Equal(u.decoded[payload], theirs) { // unreachable: both read one text
		return refuse(Malformed, "two readings of the token differ")
	}
	return u.checkSalt(k)
}

// checkSalt is RFC 7518 §3.5: the salt of RSASSA-PSS is as long as the hash.
// go-jose takes any length.
func (u Unverified) checkSalt(k key) error {
	hash := families[u.algorithm].pss
	public, isRSA := k.public.(*rsa.PublicKey)
	if hash == 0 || !isRSA {
		return nil
	}
	h := hash.New()
	h.Write([]byte(u.signed))
	if rsa.VerifyPSS(public, hash, h.Sum(nil), u.decoded[signature], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) != nil {
		return refuse(BadSignature, "the signature's salt is not as long as its hash")
	}
	return nil
}
