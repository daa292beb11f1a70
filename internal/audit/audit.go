// Package audit is audit events, the bytes of them that are hashed, the Merkle
// tree over those bytes, and its verification. The tree and its proofs are
// those of the Go checksum database (golang.org/x/mod/sumdb/tlog, RFC 6962
// §2.1).
//
// It does not store or fetch events; store does, and store keeps exactly the
// bytes this room made.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Outcome is what became of what was asked.
type Outcome string

const (
	Allowed Outcome = "allowed"
	Denied  Outcome = "denied"
	Failed  Outcome = "failed" // we could not do it: a store or an issuer did not answer
)

// Event is one recorded act. It never holds a token, a secret or a presigned
// URL; a token is named by its SHA-256.
type Event struct {
	Time    time.Time
	Action  string // "sts:AssumeRoleWithWebIdentity", "iam:CreateRole", "kubernetes:TokenReview"
	Outcome Outcome
	Reason  string // of a denial or failure; a short fixed word
	Request string // request id; of a denial also the denial id the caller saw
	Source  string // address of the client

	// Actor is who asked: the ARN of a role session, or empty where the caller
	// is the token itself.
	Actor   string
	Session string // id of the actor's session

	Resource string // ARN of what was asked for
	Cluster  string

	// Of an exchange whose token verified.
	Provider string            // ARN
	Token    string            // hex SHA-256 of the ID token
	Claims   map[string]string // the claims a session keeps

	// Of an act that made credentials.
	Issued  string // id of the new session
	As      string // its ARN
	Expires time.Time
	Matched []string // the statements that allowed, as Sid or position

	Detail map[string]string // what else belongs to this action
}

// wireEvent is the JSON form; its field order is the order in the bytes.
type wireEvent struct {
	Version  int               `json:"v"`
	Time     string            `json:"time"`
	Action   string            `json:"action"`
	Outcome  Outcome           `json:"outcome"`
	Reason   string            `json:"reason,omitempty"`
	Request  string            `json:"request,omitempty"`
	Source   string            `json:"source,omitempty"`
	Actor    string            `json:"actor,omitempty"`
	Session  string            `json:"session,omitempty"`
	Resource string            `json:"resource,omitempty"`
	Cluster  string            `json:"cluster,omitempty"`
	Provider string            `json:"provider,omitempty"`
	Token    string            `json:"token_sha256,omitempty"`
	Claims   map[string]string `json:"claims,omitempty"`
	Issued   string            `json:"issued_session,omitempty"`
	As       string            `json:"issued_as,omitempty"`
	Expires  string            `json:"expires,omitempty"`
	Matched  []string          `json:"matched,omitempty"`
	Detail   map[string]string `json:"detail,omitempty"`
}

const timeFormat = "2006-01-02T15:04:05.000000Z"

func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

// Encode is the event as one line of JSON without a line break: the bytes that
// are hashed, stored and shown.
func (e Event) Encode() ([]byte, error) {
	out, err := json.Marshal(wireEvent{
		Version: 1, Time: formatTime(e.Time), Action: e.Action, Outcome: e.Outcome, Reason: e.Reason, Request: e.Request, Source: e.Source,
		Actor: e.Actor, Session: e.Session, Resource: e.Resource, Cluster: e.Cluster, Provider: e.Provider, Token: e.Token, Claims: e.Claims,
		Issued: e.Issued, As: e.As, Expires: formatTime(e.Expires), Matched: e.Matched, Detail: e.Detail,
	})
	if err != nil {
		return nil, fmt.Errorf("encode an audit event: %w", err)
	}
	return escape(out), nil
}

// escape writes what would steer a terminal or turn text around as \u escapes:
// DEL, the C1 controls and Unicode's format characters. encoding/json does so
// for the others. The line is read by people, and its texts are strangers'.
func escape(line []byte) []byte {
	steers := func(c rune) bool { return 0x7f <= c && c <= 0x9f || unicode.Is(unicode.Cf, c) }
	if !bytes.ContainsFunc(line, steers) {
		return line
	}
	var out []byte
	for _, c := range string(line) {
		if !steers(c) {
			out = utf8.AppendRune(out, c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// Decode reads what Encode wrote, for people's eyes; the bytes stay what
// counts.
func Decode(line []byte) (Event, error) {
	var w wireEvent
	if err := json.Unmarshal(line, &w); err != nil {
		return Event{}, fmt.Errorf("decode an audit event: %w", err)
	}
	at, err := time.Parse(timeFormat, w.Time)
	if err != nil || w.Version != 1 {
		return Event{}, fmt.Errorf("decode an audit event: not version 1 with a time")
	}
	e := Event{Time: at, Action: w.Action, Outcome: w.Outcome, Reason: w.Reason, Request: w.Request, Source: w.Source,
		Actor: w.Actor, Session: w.Session, Resource: w.Resource, Cluster: w.Cluster, Provider: w.Provider, Token: w.Token, Claims: w.Claims,
		Issued: w.Issued, As: w.As, Matched: w.Matched, Detail: w.Detail}
	if w.Expires != "" {
		if e.Expires, err = time.Parse(timeFormat, w.Expires); err != nil {
			return Event{}, fmt.Errorf("decode an audit event: %w", err)
		}
	}
	return e, nil
}
