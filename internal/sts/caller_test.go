package sts

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/registry"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// TestCaller: who signed a request, and every way of being nobody.
func TestCaller(t *testing.T) {
	w := newWorld(t)
	role := w.role(t, "deployer", trust(statement(gitlab, assume, onlyWeb)))
	out, reason, _ := w.exchange(t, input(role, w.job()))
	if reason != 0 {
		t.Fatal(reason)
	}
	reader, err := w.ReaderCredentials(t.Context(), prod)
	if err != nil {
		t.Fatal(err)
	}
	other := newWorld(t)
	foreign, _, err := other.AdminCredentials(t.Context(), "0", 15*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	own := sigv4.Credentials{AccessKeyID: out.Credentials.AccessKeyID, SecretKey: out.Credentials.Secret, SessionToken: out.Credentials.Token.Reveal()}
	change := func(f func(*sigv4.Credentials)) sigv4.Credentials {
		c := own
		f(&c)
		return c
	}
	signed := func(c sigv4.Credentials, service string, at time.Time) sigv4.Request {
		r := sigv4.Request{Method: "POST", Host: "mayfly.example", Path: "/", Body: []byte("Action=GetCallerIdentity")}
		add, err := sigv4.Sign(r, c, "eu-central-1", service, at)
		if err != nil {
			t.Fatal(err)
		}
		r.Headers = append(r.Headers, add...)
		return r
	}
	alter := func(f func(*sigv4.Request)) sigv4.Request {
		r := signed(own, "sts", now)
		f(&r)
		return r
	}
	authorization := func(r *sigv4.Request) *sigv4.Header {
		return &r.Headers[slices.IndexFunc(r.Headers, func(h sigv4.Header) bool { return strings.EqualFold(h.Name, "Authorization") })]
	}
	for _, tt := range []struct {
		name string
		r    sigv4.Request
		want CallerReason // 0: known
	}{
		{"the session", signed(own, "sts", now), 0},
		{"signed fourteen minutes ago", signed(own, "sts", now.Add(-14*time.Minute)), 0},
		{"signed sixteen minutes ago", signed(own, "sts", now.Add(-16*time.Minute)), BadSignature},
		{"signed sixteen minutes ahead", signed(own, "sts", now.Add(16*time.Minute)), BadSignature},
		{"not signed", sigv4.Request{Method: "GET", Host: "h", Path: "/"}, NoSignature},
		{"for another service", signed(own, "iam", now), WrongService},
		{"another secret", signed(change(func(c *sigv4.Credentials) { c.SecretKey = secret.New("x") }), "sts", now), BadSignature},
		{"another access key id", signed(change(func(c *sigv4.Credentials) { c.AccessKeyID = "ASIAAAAAAAAAAAAAAAAA" }), "sts", now), UnknownToken},
		{"no session token", signed(change(func(c *sigv4.Credentials) { c.SessionToken = "" }), "sts", now), UnknownToken},
		{"a session token with one character changed", signed(change(func(c *sigv4.Credentials) { c.SessionToken = flip(c.SessionToken) }), "sts", now), UnknownToken},
		{"a session of another server", signed(sigv4.Credentials{AccessKeyID: foreign.AccessKeyID, SecretKey: foreign.Secret, SessionToken: foreign.Token.Reveal()}, "sts", now), UnknownToken},
		{"an aws-auth reader", signed(sigv4.Credentials{AccessKeyID: reader.AccessKeyID, SecretKey: reader.Secret, SessionToken: reader.Token.Reveal()}, "sts", now), UnknownToken},
		{"another body", alter(func(r *sigv4.Request) { r.Body = []byte("Action=GetCallerIdentitx") }), BadSignature},
		{"another path", alter(func(r *sigv4.Request) { r.Path = "/x" }), BadSignature},
		{"another host", alter(func(r *sigv4.Request) { r.Host = "evil.example" }), BadSignature},
		{"half a description", alter(func(r *sigv4.Request) { authorization(r).Value = "AWS4-HMAC-SHA256 Credential=x" }), IncompleteSignature},
		{"described twice", alter(func(r *sigv4.Request) { r.Headers = append(r.Headers, *authorization(r)) }), IncompleteSignature},
		{"a description nobody would read", alter(func(r *sigv4.Request) { authorization(r).Value += strings.Repeat(" ", 1<<20) }), IncompleteSignature},
		{"a query that cannot be read", alter(func(r *sigv4.Request) { r.RawQuery = "a=%zz" }), IncompleteSignature},
		{"a query added", alter(func(r *sigv4.Request) { r.RawQuery = "a=b" }), BadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			who, region, err := w.Caller(tt.r, "sts")
			e, refused := errors.AsType[*CallerError](err)
			switch {
			case tt.want == 0 && (err != nil || region != "eu-central-1" || who.ARN() != out.Principal.ARN()):
				t.Errorf("%v %q %v", who.ARN(), region, err)
			case tt.want != 0 && (!refused || e.Reason != tt.want || who.Session.RoleID != "" || region != ""):
				t.Errorf("%v; want reason %d", err, tt.want)
			}
		})
	}
	t.Run("at its expiry", func(t *testing.T) {
		w.at = out.Credentials.Expires.Add(-time.Second)
		if _, _, err := w.Caller(signed(own, "sts", w.at), "sts"); err != nil {
			t.Error(err)
		}
		w.at = out.Credentials.Expires
		_, _, err := w.Caller(signed(own, "sts", w.at), "sts")
		if e, ok := errors.AsType[*CallerError](err); !ok || e.Reason != SessionExpired {
			t.Error(err)
		}
		w.at = now
	})
	t.Run("after its role is gone", func(t *testing.T) {
		w.put(t, registry.DeleteRole{Name: "deployer"})
		_, _, err := w.Caller(signed(own, "sts", now), "sts")
		if e, ok := errors.AsType[*CallerError](err); !ok || e.Reason != UnknownToken {
			t.Error(err)
		}
	})
}
