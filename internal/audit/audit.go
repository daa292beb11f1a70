// Package audit is audit events, the bytes of them that are hashed, the Merkle
// tree over those bytes, and its verification. The tree and its proofs are
// those of the Go checksum database (golang.org/x/mod/sumdb/tlog, RFC 6962
// §2.1).
//
// It does not store or fetch events; store does, and store keeps exactly the
// bytes this room made.
package audit

import (
	"encoding/json"
	"fmt"
	"time"
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

// wireEvent is the JSON form as it is read. The order of its fields is that of
// Encode.
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
// are hashed, stored and shown. They are those of encoding/json for wireEvent,
// but for what would steer a terminal or turn text around, which is escaped:
// the line is read by people, and its texts are strangers'. Every credential
// waits for this line, so it is written without reflection.
func (e Event) Encode() []byte {
	b := make([]byte, 0, 1536) // what a GitLab job's exchange needs
	b = append(b, `{"v":1`...)
	b = appendText(b, "time", formatTime(e.Time), always)
	b = appendText(b, "action", e.Action, always)
	b = appendText(b, "outcome", string(e.Outcome), always)
	b = appendText(b, "reason", e.Reason, ifAny)
	b = appendText(b, "request", e.Request, ifAny)
	b = appendText(b, "source", e.Source, ifAny)
	b = appendText(b, "actor", e.Actor, ifAny)
	b = appendText(b, "session", e.Session, ifAny)
	b = appendText(b, "resource", e.Resource, ifAny)
	b = appendText(b, "cluster", e.Cluster, ifAny)
	b = appendText(b, "provider", e.Provider, ifAny)
	b = appendText(b, "token_sha256", e.Token, ifAny)
	b = appendMap(b, "claims", e.Claims)
	b = appendText(b, "issued_session", e.Issued, ifAny)
	b = appendText(b, "issued_as", e.As, ifAny)
	b = appendText(b, "expires", formatTime(e.Expires), ifAny)
	b = appendList(b, "matched", e.Matched)
	b = appendMap(b, "detail", e.Detail)
	return append(b, '}')
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
