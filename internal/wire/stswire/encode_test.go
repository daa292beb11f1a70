package stswire_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

// TestCallerIdentity: the client asks as the server reads, and reads as it
// answers.
func TestCallerIdentity(t *testing.T) {
	r, err := awsquery.Decode(string(stswire.EncodeCallerIdentity().Body()), nil)
	if err != nil || r.Action != "GetCallerIdentity" || r.Version != stswire.Version || r.Check() != nil {
		t.Errorf("%+v, %v", r, err)
	}
	want := stswire.CallerIdentityResult{ARN: "arn:aws:sts::111122223333:assumed-role/r/s", UserID: "AROA1:s", Account: "111122223333"}
	if got, err := stswire.ParseCallerIdentity(awsquery.Answer(stswire.Namespace, "GetCallerIdentity", want, "r-1")); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{"", "<html/>", "<GetCallerIdentityResponse/>"} {
		got, err := stswire.ParseCallerIdentity([]byte(body))
		if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok || got != (stswire.CallerIdentityResult{}) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func FuzzParseCallerIdentity(f *testing.F) {
	f.Add(awsquery.Answer(stswire.Namespace, "GetCallerIdentity", stswire.CallerIdentityResult{ARN: "a", Account: "1"}, "r"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := stswire.ParseCallerIdentity(body); (err == nil) == (got == stswire.CallerIdentityResult{}) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}

// TestAssumeRoleWithWebIdentityBothWays: the client asks as the server reads, and
// reads as it answers.
func TestAssumeRoleWithWebIdentityBothWays(t *testing.T) {
	for _, want := range []stswire.AssumeRoleWithWebIdentity{
		{RoleARN: "arn:aws:iam::111122223333:role/r", SessionName: "acme-web-1+=,.@-", Token: "a.b.c"},
		{RoleARN: "arn:aws:iam::111122223333:role/r", SessionName: "s1", Token: "a.b&c=+/ %", Policy: `{"Version":"2012-10-17"}`, Duration: 15 * time.Minute,
			PolicyARNs: []string{"arn:aws:iam::111122223333:policy/p", "arn:aws:iam::111122223333:policy/q"}, ProviderID: "provider"},
	} {
		r, err := awsquery.Decode(string(stswire.EncodeAssumeRoleWithWebIdentity(want).Body()), nil)
		if err != nil || r.Action != "AssumeRoleWithWebIdentity" || r.Version != stswire.Version {
			t.Errorf("%+v, %v", r, err)
			continue
		}
		if got, err := stswire.DecodeAssumeRoleWithWebIdentity(r); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	body := string(awsquery.Answer(stswire.Namespace, "AssumeRoleWithWebIdentity", webIdentityResult, "r-1"))
	got, err := stswire.ParseAssumeRoleWithWebIdentity([]byte(body))
	if err != nil || got != webIdentityResult {
		t.Errorf("%+v, %v", got, err)
	}
	if at, err := got.Credentials.Expires(); err != nil || !at.Equal(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)) {
		t.Errorf("expires %v, %v", at, err)
	}
	for _, wrong := range []string{"", "<html/>", "<AssumeRoleWithWebIdentityResponse/>", "<ErrorResponse/>", body[:len(body)/2],
		strings.Replace(body, "ASIA1", "", 1), strings.Replace(body, "s3cret/+", "", 1), strings.Replace(body, "<SessionToken>t</SessionToken>", "", 1),
		strings.Replace(body, "2026-11-23T03:00:00Z", "", 1), strings.Replace(body, "2026-11-23", "soon", 1), strings.Replace(body, "arn:aws:sts::111122223333:assumed-role/r/s", "", 1)} {
		got, err := stswire.ParseAssumeRoleWithWebIdentity([]byte(wrong))
		if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok || got != (stswire.WebIdentityResult{}) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %+v, %v", wrong, got, err)
		}
	}
}

var webIdentityResult = stswire.WebIdentityResult{Subject: "sub", Audience: "aud", Provider: "arn:aws:iam::111122223333:oidc-provider/gitlab.example",
	AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: "AROA1:s", ARN: "arn:aws:sts::111122223333:assumed-role/r/s"},
	Credentials:     stswire.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "s3cret/+", SessionToken: "t", Expiration: "2026-11-23T03:00:00Z"}}

func FuzzParseAssumeRoleWithWebIdentity(f *testing.F) {
	f.Add(awsquery.Answer(stswire.Namespace, "AssumeRoleWithWebIdentity", webIdentityResult, "r"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := stswire.ParseAssumeRoleWithWebIdentity(body); (err == nil) == (got == stswire.WebIdentityResult{}) {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}
