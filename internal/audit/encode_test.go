package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf16"
)

// marshal is Encode by encoding/json.
func marshal(t *testing.T, e Event) string {
	t.Helper()
	out, err := json.Marshal(wireEvent{
		Version: 1, Time: formatTime(e.Time), Action: e.Action, Outcome: e.Outcome, Reason: e.Reason, Request: e.Request, Source: e.Source,
		Actor: e.Actor, Session: e.Session, Resource: e.Resource, Cluster: e.Cluster, Provider: e.Provider, Token: e.Token, Claims: e.Claims,
		Issued: e.Issued, As: e.As, Expires: formatTime(e.Expires), Matched: e.Matched, Detail: e.Detail,
	})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range string(out) {
		if c != 0x7f && (c < 0x80 || c > 0x9f) && !unicode.Is(unicode.Cf, c) {
			b.WriteRune(c)
			continue
		}
		for _, u := range utf16.AppendRune(nil, c) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}

// every character, and what is none, in every member.
func TestEncodeAgreesWithEncodingJSON(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 123456789, time.FixedZone("CET", 3600))
	var all strings.Builder
	for c := rune(0); c < 0x20000; c++ {
		all.WriteRune(c) // a surrogate becomes U+FFFD
	}
	for c := rune(0xe0000); c < 0xe0200; c++ {
		all.WriteRune(c)
	}
	for _, text := range []string{"", "plain", "\xff\xfe\xc0\x80\xed\xa0\x80", "\xe2\x80", all.String()} {
		e := Event{Time: at, Action: text, Outcome: Outcome(text), Reason: text, Request: text, Source: text, Actor: text, Session: text, Resource: text, Cluster: text, Provider: text,
			Token: text, Claims: map[string]string{"b": text, "a": text, "": "", text + "c": text}, Issued: text, As: text, Expires: at, Matched: []string{text, text}, Detail: map[string]string{text: text}}
		if got, want := string(e.Encode()), marshal(t, e); got != want {
			t.Errorf("%.20q: %s", text, firstDifference(got, want))
		}
	}
	for _, e := range []Event{{}, {Matched: []string{}, Claims: map[string]string{}}, {Time: at}, {Expires: at}} {
		if got, want := string(e.Encode()), marshal(t, e); got != want {
			t.Errorf("%+v:\n%s\n%s", e, got, want)
		}
	}
}

func firstDifference(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("at %d: %.40q and %.40q", i, a[max(0, i-10):], b[max(0, i-10):])
		}
	}
	return fmt.Sprintf("%d and %d bytes", len(a), len(b))
}

func FuzzEncode(f *testing.F) {
	f.Add("a", "b\u202e", "<&>\x7f\xff")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := Event{Action: a, Resource: b, Claims: map[string]string{a: b, c: a}, Matched: []string{c, a}, Detail: map[string]string{b: c}}
		if got, want := string(e.Encode()), marshal(t, e); got != want {
			t.Errorf("%s\n%s", got, want)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e := Event{Time: time.Now(), Action: "sts:AssumeRoleWithWebIdentity", Outcome: Allowed, Resource: "arn:aws:iam::111122223333:role/deploy", Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.com",
		Token: strings.Repeat("0", 64), Claims: map[string]string{}, As: "arn:aws:sts::111122223333:assumed-role/deploy/s", Expires: time.Now(), Matched: []string{"Branch"}, Detail: map[string]string{"session_name": "GitLabRunner-1"}}
	for i := range 14 {
		e.Claims[fmt.Sprint("claim_", i)] = "my_group/my-fancy_project"
	}
	b.ReportAllocs()
	for b.Loop() {
		e.Encode()
	}
}
