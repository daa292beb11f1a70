package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"slices"

	"mayfly.internal/internal/strictjson"
)

const (
	// MaxKeySetBytes is the longest key set looked at. Google's has 2 KiB,
	// Entra's 20.
	MaxKeySetBytes = 1 << 20

	maxKeys    = 100  // CONTRACTS §2
	minRSABits = 2048 // RFC 7518 §3.3
	maxRSABits = 8192 // beyond it one check costs more than a millisecond
)

// KeySet is an issuer's public keys. It is immutable; a nil one holds none.
type KeySet struct {
	keys    []key
	skipped []Skipped
}

// Skipped is a key of the set that is not used, and why.
type Skipped struct {
	KeyID  string
	Detail string
}

type key struct {
	id        string
	keyType   string
	curve     string
	algorithm Algorithm // the key's own alg, "" if it names none
	public    any       // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// ParseKeySet reads a JWK Set (RFC 7517 §5). Every refusal is an *Error, and
// then the set is nil.
//
// The whole set is refused if it is too large, not an object with an array
// "keys" of objects, publishes a private or symmetric key (whoever reads it
// could sign), or gives one key id to two different keys (RFC 7517 §4.5 leaves
// open which is meant). A key that is merely not for us is skipped, as RFC 7517
// §5 says: an unknown kty, crv or alg, a use other than sig, key_ops without
// verify, a missing or broken member, an RSA key shorter than 2048 or longer
// than 8192 bits or of a kind known to be weak. Certificates beside a key (x5c, x5t, x5u) are not looked at.
func ParseKeySet(data []byte) (*KeySet, error) {
	if len(data) > MaxKeySetBytes {
		return nil, refuse(TooLarge, "the key set has %d bytes, at most %d are looked at", len(data), MaxKeySetBytes)
	}
	doc, err := strictjson.Parse(data)
	if err != nil {
		return nil, refuse(Malformed, "the key set is not JSON with distinct names: %v", err)
	}
	list := doc.Get("keys")
	if list.Kind() != strictjson.Array {
		return nil, refuse(Malformed, "the key set is not an object with an array of keys")
	}
	if n := len(list.Items()); n > maxKeys {
		return nil, refuse(TooLarge, "the key set holds %d keys, at most %d are looked at", n, maxKeys)
	}
	set := &KeySet{}
	for i, item := range list.Items() {
		if item.Kind() != strictjson.Object {
			return nil, refuse(Malformed, "key %d of the set is no object", i+1)
		}
		if name := privateMember(item); name != "" {
			return nil, refuse(PrivateKey, "key %d of the set publishes the private member %q; the issuer's key is no secret any more", i+1, name)
		}
		k, why := readKey(item)
		if why != "" {
			set.skipped = append(set.skipped, Skipped{KeyID: clip(k.id), Detail: why})
			continue
		}
		if err := set.add(k); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// privateMember is the name of a member that makes a key private (RFC 7518
// §6.2.2, §6.3.2) or symmetric (§6.4), "" if there is none. A "k" or "d" in a
// key of an unknown type counts too.
func privateMember(item strictjson.Value) string {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		if item.Get(name).Kind() != strictjson.Missing {
			return name
		}
	}
	if kty, _ := item.Get("kty").Text(); kty == "oct" {
		return "kty"
	}
	return ""
}

// add appends a key. The very same key twice is one key: GitLab publishes its
// login key and its job key, and an administrator may have made them one.
func (s *KeySet) add(k key) error {
	for _, have := range s.keys {
		switch {
		case have.id != k.id:
		case samePublic(have.public, k.public) && have.algorithm == k.algorithm:
			return nil
		case k.id != "": // keys without an id are told apart by nobody; find refuses them if there are several
			return refuse(AmbiguousKey, "two different keys of the set have the key id %q", clip(k.id))
		}
	}
	s.keys = append(s.keys, k)
	return nil
}

func samePublic(a, b any) bool {
	switch a := a.(type) {
	case *rsa.PublicKey:
		b, ok := b.(*rsa.PublicKey)
		return ok && a.Equal(b)
	case *ecdsa.PublicKey:
		b, ok := b.(*ecdsa.PublicKey)
		return ok && a.Equal(b)
	case ed25519.PublicKey:
		b, ok := b.(ed25519.PublicKey)
		return ok && a.Equal(b)
	}
	return false
}

// readKey reads one key; why says what makes it unusable, "" if nothing does.
func readKey(item strictjson.Value) (k key, why string) {
	if id := item.Get("kid"); id.Kind() != strictjson.Missing {
		text, ok := id.Text()
		if !ok || !isKeyID(text) {
			return k, "the key id is not a short printable string"
		}
		k.id = text
	}
	if use := item.Get("use"); use.Kind() != strictjson.Missing { // RFC 7517 §4.2
		if text, _ := use.Text(); text != "sig" {
			return k, "it is not for signatures (use)"
		}
	}
	if ops := item.Get("key_ops"); ops.Kind() != strictjson.Missing && !lists(ops, "verify") { // RFC 7517 §4.3
		return k, "it is not for verifying (key_ops)"
	}
	if alg := item.Get("alg"); alg.Kind() != strictjson.Missing { // RFC 7517 §4.4
		text, _ := alg.Text()
		ok := false
		if k.algorithm, ok = ParseAlgorithm(text); !ok {
			return k, "its algorithm is none we verify"
		}
	}
	k.keyType, _ = item.Get("kty").Text()
	k.curve, _ = item.Get("crv").Text()
	switch k.keyType {
	case "RSA":
		k.curve = ""
		k.public, why = readRSA(item)
	case "EC":
		k.public, why = readEC(item, k.curve)
	case "OKP":
		k.public, why = readEd25519(item, k.curve)
	default:
		why = "its key type is none we verify with"
	}
	if why == "" && k.algorithm != "" && k.fits(k.algorithm) != nil {
		why = "its algorithm does not fit its type"
	}
	return k, why
}

func lists(v strictjson.Value, want string) bool {
	return slices.ContainsFunc(v.Items(), func(item strictjson.Value) bool {
		text, _ := item.Text()
		return text == want
	})
}

// readRSA reads the members of RFC 7518 §6.3.1.
func readRSA(item strictjson.Value) (any, string) {
	n, okN := number(item.Get("n"))
	e, okE := number(item.Get("e"))
	if !okN || !okE {
		return nil, "the members n and e are not base64url numbers"
	}
	if bits := n.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, "its RSA modulus has fewer than 2048 or more than 8192 bits"
	}
	if n.Bit(0) == 0 {
		return nil, "its RSA modulus is even"
	}
	// An exponent of 1 makes the signature the message itself; Go's crypto/rsa
	// takes none above 2^31-1.
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
		return nil, "its RSA exponent is not an odd number from 3 to 2^31-1"
	}
	if isROCA(n) {
		return nil, "its RSA key can be factored (CVE-2017-15361)"
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, ""
}

func number(v strictjson.Value) (*big.Int, bool) {
	data, ok := octets(v)
	return new(big.Int).SetBytes(data), ok
}

func octets(v strictjson.Value) ([]byte, bool) {
	text, ok := v.Text()
	if !ok || text == "" {
		return nil, false
	}
	data, err := decodeBase64URL(text)
	return data, err == nil
}

// readEC reads the members of RFC 7518 §6.2.1. Both coordinates have the full
// length of the curve's field, and the point lies on the curve.
func readEC(item strictjson.Value, crv string) (any, string) {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve := curves[crv]
	if curve == nil {
		return nil, "its curve is none we verify with"
	}
	size := (curve.Params().BitSize + 7) / 8
	x, okX := octets(item.Get("x"))
	y, okY := octets(item.Get("y"))
	if !okX || !okY || len(x) != size || len(y) != size {
		return nil, "the members x and y are not base64url of the curve's size"
	}
	point := slices.Concat([]byte{4}, x, y) // SEC 1 §2.3.4, uncompressed
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, "its point is not on the curve"
	}
	return public, ""
}

// readEd25519 reads the members of RFC 8037 §2.
func readEd25519(item strictjson.Value, crv string) (any, string) {
	if crv != "Ed25519" {
		return nil, "its curve is none we verify with"
	}
	x, ok := octets(item.Get("x"))
	if !ok || len(x) != ed25519.PublicKeySize {
		return nil, "the member x is not base64url of 32 bytes"
	}
	return ed25519.PublicKey(x), ""
}

// fits reports whether the algorithm is one for this key.
func (k key) fits(alg Algorithm) error {
	want := families[alg]
	if k.keyType != want.keyType || k.curve != want.curve {
		return refuse(AlgorithmNotAllowed, "the token is signed with %s, its key %q is of type %s %s", alg, clip(k.id), k.keyType, k.curve)
	}
	if k.algorithm != "" && k.algorithm != alg {
		return refuse(AlgorithmNotAllowed, "the token is signed with %s, its key %q is for %s", alg, clip(k.id), k.algorithm)
	}
	return nil
}

// find is the key a token with this kid means.
func (s *KeySet) find(kid string) (key, error) {
	if s == nil || len(s.keys) == 0 {
		return key{}, refuse(UnknownKey, "the issuer publishes no key that can be used%s", s.because(kid))
	}
	if kid == "" {
		if len(s.keys) > 1 {
			return key{}, refuse(AmbiguousKey, "the token names no key and its issuer publishes %d", len(s.keys))
		}
		return s.keys[0], nil
	}
	for _, k := range s.keys {
		if k.id == kid {
			return k, nil
		}
	}
	return key{}, refuse(UnknownKey, "the issuer publishes no key %q that can be used%s", clip(kid), s.because(kid))
}

// because explains an unusable key of that id, if there is one.
func (s *KeySet) because(kid string) string {
	if s == nil {
		return ""
	}
	for _, k := range s.skipped {
		if k.KeyID == clip(kid) {
			return ": " + k.Detail
		}
	}
	return ""
}

// Has reports whether the set holds a usable key of that id; of the empty id,
// whether it holds any key. A cache asks this before it fetches anew.
func (s *KeySet) Has(kid string) bool {
	if s == nil {
		return false
	}
	return kid == "" && len(s.keys) > 0 || slices.ContainsFunc(s.keys, func(k key) bool { return k.id == kid })
}

// Len is how many usable keys the set holds.
func (s *KeySet) Len() int {
	if s == nil {
		return 0
	}
	return len(s.keys)
}

// Skipped are the keys of the set that are not used.
func (s *KeySet) Skipped() []Skipped {
	if s == nil {
		return nil
	}
	return slices.Clone(s.skipped)
}
