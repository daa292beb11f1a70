package server

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	tinkkeyset "github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"mayfly.internal/internal/accesstoken"
	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/keyset"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sts"
)

// keyring is the keys of DATA/keys/keyset.json, ready for use. The lock on the
// data directory says that no other process changes them; within this one
// changes wait for each other. It is a session.Sealer.
type keyring struct {
	path   string
	now    func() time.Time
	wanted keyset.Wanted
	audit  interface {
		Record(ctx context.Context, e audit.Event) error
	}

	mu    sync.Mutex // of those who change
	inUse atomic.Pointer[ring]
}

// ring is a set of keys whose material was read. It is immutable.
type ring struct {
	set     keyset.Set
	sealing map[[prefixLen]byte]sealingKey // :: what begins all that a key sealed → the key
	signing map[string]*jwt.SigningKey     // :: key id → the key
}

type sealingKey struct {
	keyset.Key
	aead tink.AEAD
}

// prefixLen is how much of a sealed text says which key sealed it: a byte and
// Tink's id of the key (Tink, "Wire format").
const prefixLen = 5

// loadKeyring reads the keys, making them on the first start. Nothing is recorded
// before audit is set.
func loadKeyring(data string, wanted keyset.Wanted, now func() time.Time) (*keyring, error) {
	k := &keyring{path: filepath.Join(data, "keys", "keyset.json"), now: now, wanted: wanted}
	if err := sweep(filepath.Dir(k.path)); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	raw, err := once(k.path, func() ([]byte, error) {
		first, _, err := keyset.Set{}.Tend(wanted, k.time(), makeKey)
		return first.Encode(), err
	})
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	set, err := keyset.Parse(raw)
	var r *ring
	if err == nil {
		r, err = newRing(set)
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %s is damaged: %w; without it every session ends: move it away to begin with new keys", k.path, err)
	}
	k.inUse.Store(r)
	return k, nil
}

// time is the time as it is written into keys.
func (k *keyring) time() time.Time { return k.now().UTC().Round(0) }

func newRing(set keyset.Set) (*ring, error) {
	r := &ring{set, map[[prefixLen]byte]sealingKey{}, map[string]*jwt.SigningKey{}}
	for _, k := range set.Keys() {
		raw, err := base64.StdEncoding.DecodeString(k.Material.Reveal())
		if err == nil && k.Use == keyset.Sealing {
			err = r.addSealing(k, raw)
		} else if err == nil {
			err = r.addSigning(k, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("key %s cannot be used: %w", k.ID, err)
		}
	}
	return r, nil
}

func (r *ring) addSealing(k keyset.Key, raw []byte) error {
	h, err := insecurecleartextkeyset.Read(tinkkeyset.NewBinaryReader(bytes.NewReader(raw)))
	if err != nil {
		return err
	}
	a, err := aead.New(h)
	if err != nil {
		return err
	}
	if h.Len() != 1 || sealingID(h) != k.ID {
		return errors.New("its id is not that of its material")
	}
	r.sealing[sealedBy(h)] = sealingKey{k, a}
	return nil
}

func (r *ring) addSigning(k keyset.Key, der []byte) error {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return fmt.Errorf("a %T signs nothing", private)
	}
	s, err := jwt.NewSigningKey(signer)
	if err != nil {
		return err
	}
	if s.KeyID() != k.ID || string(s.Algorithm()) != string(k.Use) {
		return errors.New("its id or use is not that of its material")
	}
	r.signing[k.ID] = s
	return nil
}

// sealingID is Tink's id of the one key of a handle, as a key id.
func sealingID(h *tinkkeyset.Handle) string { return fmt.Sprintf("%08x", primaryID(h)) }

// sealedBy is what begins all that the one key of a handle seals.
func sealedBy(h *tinkkeyset.Handle) (prefix [prefixLen]byte) {
	prefix[0] = 1
	binary.BigEndian.PutUint32(prefix[1:], primaryID(h))
	return prefix
}

func primaryID(h *tinkkeyset.Handle) uint32 { return h.KeysetInfo().GetPrimaryKeyId() }

// rsaBits is the length of RSA keys: what verifiers that take no elliptic curves
// know.
const rsaBits = 2048

// makeKey makes a key of a use.
func makeKey(use keyset.Use) (keyset.Key, error) {
	if use == keyset.Sealing {
		return makeSealingKey()
	}
	var private crypto.Signer
	var err error
	if use == keyset.RS256 {
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	} else {
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return keyset.Key{}, err
	}
	s, err := jwt.NewSigningKey(private)
	if err != nil {
		return keyset.Key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	return keyset.Key{ID: s.KeyID(), Material: material(der)}, err
}

// makeSealingKey makes a key of XAES-256-GCM: its nonces are long enough to be
// drawn at random without a counter.
func makeSealingKey() (keyset.Key, error) {
	h, err := tinkkeyset.NewHandle(aead.XAES256GCM192BitNonceKeyTemplate())
	if err != nil {
		return keyset.Key{}, err
	}
	var out bytes.Buffer
	err = insecurecleartextkeyset.Write(h, tinkkeyset.NewBinaryWriter(&out))
	return keyset.Key{ID: sealingID(h), Material: material(out.Bytes())}, err
}

func material(raw []byte) secret.String { return secret.New(base64.StdEncoding.EncodeToString(raw)) }

// errNoKey says that nothing can be sealed or signed. It cannot happen while
// rotations complete what they change.
var errNoKey = errors.New("there is no key to seal or sign with")

// Seal protects bytes under the primary key.
func (k *keyring) Seal(plain, ad []byte) ([]byte, error) {
	r := k.inUse.Load()
	primary, ok := r.set.Primary(keyset.Sealing, k.now())
	if !ok {
		return nil, errNoKey
	}
	for _, s := range r.sealing {
		if s.ID == primary.ID {
			return s.aead.Encrypt(plain, ad)
		}
	}
	return nil, errNoKey
}

// errUnknownKey is why Open refuses what no key that counts has sealed.
var errUnknownKey = errors.New("it was sealed by no key that counts")

// Open recovers what a key sealed that has not ended.
func (k *keyring) Open(sealed, ad []byte) ([]byte, error) {
	if len(sealed) < prefixLen {
		return nil, errUnknownKey
	}
	s, ok := k.inUse.Load().sealing[[prefixLen]byte(sealed)]
	if !ok || s.Ended(k.now()) {
		return nil, errUnknownKey
	}
	return s.aead.Decrypt(sealed, ad)
}

// sign signs a token with the primary key of an algorithm.
func (k *keyring) sign(alg jwt.Algorithm, typ string, payload []byte) (secret.String, string, error) {
	r := k.inUse.Load()
	primary, ok := r.set.Primary(keyset.Use(alg), k.now())
	if !ok {
		return secret.String{}, "", errNoKey
	}
	token, err := r.signing[primary.ID].Sign(typ, payload)
	return secret.New(token), primary.ID, err
}

// published is the public keys that others are to know now.
func (k *keyring) published() []byte {
	r := k.inUse.Load()
	var keys []*jwt.SigningKey
	for _, p := range r.set.Published(k.now()) {
		keys = append(keys, r.signing[p.ID])
	}
	return jwt.EncodeKeySet(keys)
}

// issuer is this server as those see it who trust its tokens.
func (s *Server) issuer() *sts.Issuer {
	terms := s.config.Tokens.terms()
	return &sts.Issuer{URL: s.public, Region: s.config.Region, Sign: s.keys.sign, Terms: func(audience string) sts.Terms {
		if t, ok := terms[audience]; ok {
			return t
		}
		return sts.Terms{Algorithm: jwt.ES256, Life: accesstoken.DefaultLife}
	}}
}

// KeyInfo says of a key what is no secret.
type KeyInfo struct {
	ID    string    `json:"id"`
	Use   string    `json:"use"`
	State string    `json:"state"` // next, primary, old
	Made  time.Time `json:"made"`
	From  time.Time `json:"from,omitzero"`  // it seals or signs from then on
	Until time.Time `json:"until,omitzero"` // it opens, or is published, until then
}

// ages :: use → how long its primary key has been that.
func (k *keyring) ages() map[keyset.Use]time.Duration {
	set, now, out := k.inUse.Load().set, k.now(), map[keyset.Use]time.Duration{}
	for use := range k.wanted.Longest {
		if primary, ok := set.Primary(use, now); ok {
			out[use] = now.Sub(primary.From)
		}
	}
	return out
}

// KeyReport is the keys there are, and what became of them.
type KeyReport struct {
	Keys    []KeyInfo `json:"keys"`
	Made    []string  `json:"made,omitempty"`
	Called  []string  `json:"called,omitempty"`
	Retired []string  `json:"retired,omitempty"`
	Dropped []string  `json:"dropped,omitempty"`
	Pending []string  `json:"pending,omitempty"`
}

// report says which keys there are now, each use by itself.
func (k *keyring) report(c keyset.Change) KeyReport {
	out := KeyReport{Keys: []KeyInfo{}, Made: c.Made, Called: c.Called, Retired: c.Retired, Dropped: c.Dropped, Pending: c.Pending}
	set, now := k.inUse.Load().set, k.now()
	for _, key := range set.Keys() {
		if state := set.State(key.ID, now); state != keyset.Ended {
			out.Keys = append(out.Keys, KeyInfo{key.ID, string(key.Use), state.String(), key.Made, key.From, key.Until})
		}
	}
	slices.SortStableFunc(out.Keys, func(a, b KeyInfo) int { return -strings.Compare(a.Use, b.Use) })
	return out
}

// Why keys are changed, as it is recorded.
const (
	keysAsked   = "asked"   // an operator rotates them
	keysRevoked = "revoked" // an operator drops all of before
	keysTended  = "tended"  // their age, or what the configuration wants
)

// change makes another set of the keys. It is on disk and recorded before
// anything is sealed or signed by it: what fails on the way leaves the keys as
// they were.
func (k *keyring) change(ctx context.Context, why, uid string, do func(keyset.Set, keyset.Wanted, time.Time, keyset.Maker) (keyset.Set, keyset.Change, error)) (keyset.Change, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, old := k.time(), k.inUse.Load()
	set, c, err := do(old.set, k.wanted, now, makeKey)
	if err != nil {
		return keyset.Change{}, err
	}
	if bytes.Equal(set.Encode(), old.set.Encode()) {
		return c, nil
	}
	next, err := newRing(set)
	if err != nil {
		return keyset.Change{}, err
	}
	file, err := stageFile(k.path, set.Encode(), 0o600)
	if err != nil {
		return keyset.Change{}, err
	}
	ev := changeEvent(c, why, uid, now)
	if c.Any() {
		if err := k.audit.Record(ctx, ev); err != nil {
			file.drop()
			return keyset.Change{}, fmt.Errorf("record the change: %w", err)
		}
	}
	if err := file.commit(); err != nil {
		ev.Outcome, ev.Reason = audit.Failed, "not stored"
		return keyset.Change{}, errors.Join(err, k.audit.Record(context.WithoutCancel(ctx), ev))
	}
	k.inUse.Store(next)
	return c, nil
}

// changeEvent is how a change of keys is recorded.
func changeEvent(c keyset.Change, why, uid string, now time.Time) audit.Event {
	ev := audit.Event{Time: now, Action: "mayfly:RotateKeys", Outcome: audit.Allowed, Detail: map[string]string{"why": why}}
	if len(c.Made)+len(c.Called) == 0 {
		ev.Action = "mayfly:DropKeys"
	}
	if uid != "" {
		ev.Detail["uid"] = uid
	}
	for name, ids := range map[string][]string{"made": c.Made, "called": c.Called, "retired": c.Retired, "dropped": c.Dropped} {
		if len(ids) > 0 {
			text, err := json.Marshal(ids)
			if err != nil {
				panic("server: " + err.Error()) // unreachable: a list of texts
			}
			ev.Detail[name] = string(text)
		}
	}
	return ev
}

// tend rotates what is old enough and drops what has ended.
func (k *keyring) tend(ctx context.Context, log *slog.Logger) {
	switch c, err := k.change(ctx, keysTended, "", keyset.Set.Tend); {
	case err != nil:
		log.Error("the keys could not be tended; they stay as they are", "why", err)
	case c.Any():
		log.Warn("keys changed", "why", keysTended, "made", c.Made, "called", c.Called, "retired", c.Retired, "dropped", c.Dropped)
	}
}

// tendEvery is how often keys are looked at.
const tendEvery = time.Minute

// tendKeys looks at the keys now and then until ctx ends.
func (s *Server) tendKeys(ctx context.Context) {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.keys.tend(ctx, s.log)
		case <-ctx.Done():
			return
		}
	}
}

// rotateKeys rotates the keys for a user of this machine; revoke drops all that
// there were.
func (s *Server) rotateKeys(ctx context.Context, uid string, revoke bool) (KeyReport, error) {
	why, do := keysAsked, keyset.Set.Rotate
	if revoke {
		why, do = keysRevoked, keyset.Set.Renew
	}
	c, err := s.keys.change(ctx, why, uid, do)
	if err != nil {
		return KeyReport{}, err
	}
	s.log.Warn("keys changed", "why", why, "uid", uid, "made", c.Made, "called", c.Called, "retired", c.Retired, "dropped", c.Dropped)
	return s.keys.report(c), nil
}

// StoppedKeys gives the keys of a data directory that no server uses, after they
// were rotated, or, with revoke, made anew.
func StoppedKeys(ctx context.Context, o Options, rotate, revoke bool) (_ KeyReport, err error) {
	if o.Data, err = filepath.Abs(o.Data); err != nil {
		return KeyReport{}, err
	}
	if firstStart(o.Data) {
		return KeyReport{}, fmt.Errorf("no server has used %s: name the data directory with --data", o.Data)
	}
	o.Log = slog.New(slog.DiscardHandler)
	s := newServer(o)
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, o); err != nil {
		return KeyReport{}, err
	}
	if !rotate {
		return s.keys.report(keyset.Change{}), nil
	}
	return s.rotateKeys(ctx, fmt.Sprint(os.Getuid()), revoke)
}
