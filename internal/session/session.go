// Package session is role sessions and their temporary credentials: made once,
// sealed into the session token that travels with every request, opened again
// by any replica without a lookup.
//
// A session token is base64url of an AEAD-sealed session. The secret access
// key is 30 random bytes inside the sealed text, so whoever sees a session
// token (a cluster does, in every bearer token) can compute nothing from it.
// The account and the purpose are associated data: what was sealed for another
// account or another purpose does not open here.
//
// It does not know whether the role still exists or the session was revoked
// (registry does), it verifies no signature (sigv4 does), and it has no
// randomness, clock or key of its own.
package session

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"mayfly.internal/internal/arn"
	"mayfly.internal/internal/secret"
)

// MaxTokenLen is the longest session token Mayfly issues or opens, in
// characters. aws-iam-authenticator and the API server refuse a bearer token
// over 4,096 bytes; a presigned GetCallerIdentity URL with this token, encoded
// as base64, stays below.
const MaxTokenLen = 2400

// MinDuration and MaxDuration bound DurationSeconds of the AssumeRole calls
// (STS model, roleDurationSecondsType).
const (
	MinDuration = 15 * time.Minute
	MaxDuration = 12 * time.Hour
)

// MaxChain is how many roles may have been assumed on the way to a session: it
// bounds for how long what one ID token started can go on.
const MaxChain = 4

// Sealer protects and recovers bytes; both sides must name the same associated
// data. Implementations are safe for concurrent use.
type Sealer interface {
	Seal(plaintext, associatedData []byte) ([]byte, error)
	Open(sealed, associatedData []byte) ([]byte, error)
}

// ID names a session: 16 random bytes.
type ID [16]byte

// String is the id as 32 hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// AccessKeyID is the access key id that belongs to the session: ASIA and 16
// characters of base32 of its first ten bytes.
func (id ID) AccessKeyID() string {
	return "ASIA" + base32.StdEncoding.EncodeToString(id[:10])
}

// Claims are what a session keeps of the ID token it was made from. A field is
// empty where the token had no such claim.
type Claims struct {
	Issuer      string // iss
	Subject     string // sub
	Audience    string // aud as it reached the condition key
	TokenID     string // hex SHA-256 of jti, its first 16 bytes
	ProjectPath string
	ProjectID   string
	NamespaceID string
	Ref         string
	RefType     string
	SHA         string
	PipelineID  string
	JobID       string
	UserID      string
	UserLogin   string
	Environment string
}

// Tag is a session tag.
type Tag struct {
	Key, Value string
	Transitive bool
}

// Session is one role assumed until it expires. Only Issue, Begin and Open make one
// that is not empty; the zero value belongs to nobody and is expired.
type Session struct {
	ID         ID
	RoleID     string // AROA…; empty for a reader
	ProviderID string // the provider whose token was exchanged, empty otherwise
	Name       string // the caller's choice: for people to read, never to decide by
	Issued     time.Time
	Expires    time.Time

	SourceIdentity string
	Policy         string   // the inline session policy's text, empty for none
	PolicyIDs      []string // of the managed policies that are session policies
	Tags           []Tag
	Claims         Claims

	// Chain are the ids of the roles whose sessions led here, the first one
	// first: each assumed the next, the last of them RoleID. All that the session
	// may it owes to them, so it ends with any of them. The provider and the
	// claims are those of the first session.
	Chain []string

	// Reader is the id of the one cluster whose aws-auth ConfigMap this
	// session may read; such a session has no role and may do nothing else.
	Reader string
	// AdminUID is set for an administrator's session, and for those assumed through
	// one: the uid that asked at the admin socket.
	AdminUID string

	secret secret.String
}

// Secret is the session's secret access key.
func (s Session) Secret() secret.String { return s.secret }

// AccessKeyID is the session's access key id.
func (s Session) AccessKeyID() string { return s.ID.AccessKeyID() }

// Expired reports whether the session has ended: at its expiry time, not after
// it.
func (s Session) Expired(now time.Time) bool { return !now.Before(s.Expires) }

// Credentials are the three strings a client signs with, and when they end.
type Credentials struct {
	AccessKeyID string
	Secret      secret.String
	Token       secret.String
	Expires     time.Time
	// PackedPercent is how much of the room for session policies and tags they
	// take in the session token; 0 without any.
	PackedPercent int
}

// Principal is a session whose role is known to exist now: who is acting.
type Principal struct {
	Session Session
	Role    arn.Role
	Account arn.AccountID
}

// ARN is the session's name: arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME.
func (p Principal) ARN() arn.Session {
	return arn.Session{Account: p.Account, Role: p.Role.Name, Name: p.Session.Name}
}

// UserID is what GetCallerIdentity calls UserId: the role's id and the session
// name (STS GetCallerIdentity, "UserId").
func (p Principal) UserID() string { return p.Session.RoleID + ":" + p.Session.Name }

// TooLargeError says that a session does not fit into MaxTokenLen, and what
// makes it so large.
type TooLargeError struct {
	// Part is "session policy", "session tags", or the name of a claim.
	Part string
	// Percent is the size of that part in percent of the room there is for it.
	Percent int
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the session does not fit into a session token: the %s takes %d%% of the room there is for it", e.Part, e.Percent)
}

// Issue gives s an id and a secret access key from random and seals it. The
// fields ID and secret of s are replaced; all others are sealed as they are.
// It fails with *TooLargeError if the session does not fit.
func Issue(s Session, account arn.AccountID, seal Sealer, random io.Reader) (Session, Credentials, error) {
	var key [30]byte
	if _, err := io.ReadFull(random, s.ID[:]); err != nil {
		return Session{}, Credentials{}, fmt.Errorf("draw a session id: %w", err)
	}
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return Session{}, Credentials{}, fmt.Errorf("draw a secret access key: %w", err)
	}
	return seal1(s, key, account, seal)
}

// Begin gives s an id from random, and no credentials: a session that only says
// who somebody is.
func Begin(s Session, random io.Reader) (Session, error) {
	if _, err := io.ReadFull(random, s.ID[:]); err != nil {
		return Session{}, fmt.Errorf("draw a session id: %w", err)
	}
	s.secret = secret.String{}
	s.Issued, s.Expires = s.Issued.UTC().Truncate(time.Second), s.Expires.UTC().Truncate(time.Second)
	return s, nil
}

// Again issues fresh credentials for the same session id and expiry: what a
// retry gets when a token may be used once.
func Again(s Session, account arn.AccountID, seal Sealer, random io.Reader) (Session, Credentials, error) {
	var key [30]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return Session{}, Credentials{}, fmt.Errorf("draw a secret access key: %w", err)
	}
	return seal1(s, key, account, seal)
}

func seal1(s Session, key [30]byte, account arn.AccountID, seal Sealer) (Session, Credentials, error) {
	s.secret = secret.New(base64.StdEncoding.EncodeToString(key[:]))
	s.Issued, s.Expires = s.Issued.UTC().Truncate(time.Second), s.Expires.UTC().Truncate(time.Second)
	plain, packed := encode(s, key)
	sealed, err := seal.Seal(plain, associatedData(account))
	if err != nil {
		return Session{}, Credentials{}, fmt.Errorf("seal the session: %w", err)
	}
	room := maxSealedLen - (len(sealed) - packed)
	if len(sealed) > maxSealedLen {
		return Session{}, Credentials{}, tooLarge(s, packed, room)
	}
	return s, Credentials{AccessKeyID: s.AccessKeyID(), Secret: s.secret, Token: secret.New(tokenEncoding.EncodeToString(sealed)), Expires: s.Expires, PackedPercent: percent(packed, room)}, nil
}

// maxSealedLen is what MaxTokenLen characters of base64 hold.
const maxSealedLen = MaxTokenLen / 4 * 3

// percent is a part of a whole, rounded up: what is there at all is no 0.
func percent(part, whole int) int { return (part*100 + whole - 1) / whole }

var tokenEncoding = base64.RawURLEncoding.Strict()

// ErrInvalid is the one reason Open gives: a token that is too long, malformed,
// sealed by another key, for another account or another purpose, or that does
// not belong to the access key id. Which of them, nobody outside may learn.
var ErrInvalid = errors.New("not a session token of this server")

// Open recovers the session of a token. It refuses, with ErrInvalid:
//   - a token over MaxTokenLen, or not canonical base64url
//   - what the sealing keys did not seal for this account as a session
//   - a token whose session does not have accessKeyID
//
// It does not look at the clock: the caller asks Expired.
func Open(token, accessKeyID string, account arn.AccountID, open Sealer) (Session, error) {
	if token == "" || len(token) > MaxTokenLen {
		return Session{}, ErrInvalid
	}
	sealed, err := tokenEncoding.DecodeString(token)
	if err != nil || tokenEncoding.EncodedLen(len(sealed)) != len(token) { // the decoder skips line breaks
		return Session{}, ErrInvalid
	}
	plain, err := open.Open(sealed, associatedData(account))
	if err != nil {
		return Session{}, ErrInvalid
	}
	s, err := decode(plain)
	if err != nil || s.AccessKeyID() != accessKeyID {
		return Session{}, ErrInvalid
	}
	return s, nil
}

// associatedData binds what is sealed to its account and its purpose.
func associatedData(account arn.AccountID) []byte {
	return []byte("mayfly session token v1\x00" + string(account))
}
