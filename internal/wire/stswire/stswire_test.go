package stswire_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/awsquery"
	"mayfly.internal/internal/wire/stswire"
)

const role = "arn:aws:iam::111122223333:role/deployer"

func decode(t testing.TB, params url.Values) (stswire.AssumeRoleWithWebIdentity, error) {
	t.Helper()
	r, err := awsquery.Decode(params.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return stswire.DecodeAssumeRoleWithWebIdentity(r)
}

func good(change ...string) url.Values {
	v := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {stswire.Version}, "RoleArn": {role}, "RoleSessionName": {"GitLabRunner-7"}, "WebIdentityToken": {"a.b.c"}}
	for i := 0; i < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

func TestDecode(t *testing.T) {
	in, err := decode(t, good())
	if err != nil || in.RoleARN != role || in.SessionName != "GitLabRunner-7" || in.Token != "a.b.c" || in.Duration != 0 || in.Policy != "" || in.PolicyARNs != nil || in.ProviderID != "" {
		t.Errorf("%+v, %v", in, err)
	}
	in, err = decode(t, good("DurationSeconds", "900", "Policy", "{}\n", "ProviderId", "graph.facebook.com", "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/One", "PolicyArns.member.2.arn", "arn:aws:iam::aws:policy/Two", "WebIdentityToken", "a.b.c\n"))
	if err != nil || in.Duration != 15*time.Minute || in.Policy != "{}\n" || in.ProviderID != "graph.facebook.com" || len(in.PolicyARNs) != 2 || in.PolicyARNs[1] != "arn:aws:iam::aws:policy/Two" || in.Token != "a.b.c\n" {
		t.Errorf("%+v, %v", in, err)
	}
	if in, err := decode(t, good("PolicyArns", "")); err != nil || in.PolicyARNs != nil {
		t.Errorf("an empty list: %+v, %v", in, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	const pattern = "Member must satisfy regular expression pattern"
	for _, tt := range []struct {
		params url.Values
		want   string
	}{
		{url.Values{}, "3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null; Value null at 'webIdentityToken'"},
		{good("RoleArn", long(19)), "'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{good("RoleArn", long(2049)), "Member must have length less than or equal to 2048"},
		{good("RoleSessionName", "a"), "'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{good("RoleSessionName", long(65)), "Member must have length less than or equal to 64"},
		{good("RoleSessionName", "a b"), "1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: " + pattern + `: [\w+=,.@-]*`},
		{good("RoleSessionName", "a/b"), pattern},
		{good("RoleSessionName", "ab\n"), pattern},
		{good("WebIdentityToken", "a.b"), "'webIdentityToken' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		{good("WebIdentityToken", "eyJ"+long(19998)), "1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to 20000"},
		{good("ProviderId", "abc"), "'providerId'"},
		{good("Policy", ""), "'policy' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{good("Policy", long(2049)), "Member must have length less than or equal to 2048"},
		{good("Policy", "{}α"), pattern},
		{good("DurationSeconds", "899"), "'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{good("DurationSeconds", "43201"), "Member must have value less than or equal to 43200"},
		{good("DurationSeconds", "1h"), "Member must be a whole number"},
		{good("PolicyArns.member.1", "arn:aws:iam::aws:policy/One"), "Value null at 'policyArns.1.member.arn'"},
		{good("PolicyArns.member.1.arn", "short"), "'policyArns.1.member.arn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{good("PolicyArns.member.1.Arn", "arn:aws:iam::aws:policy/One"), "Value null at 'policyArns.1.member.arn'"},
		{good("SourceIdentity", "x"), "'sourceIdentity' failed to satisfy constraint: the parameter is not supported for AssumeRoleWithWebIdentity"},
		{good("Tags.member.1.Key", "x"), "the parameter is not supported"},
		{good("Token", "x"), "the parameter is not supported"},
	} {
		_, err := decode(t, tt.params)
		if e, ok := errors.AsType[*awsquery.ConstraintError](err); !ok || !strings.Contains(e.Error(), tt.want) {
			t.Errorf("got %.300v\nwant %s", err, tt.want)
		} else if strings.Contains(e.Error(), "eyJ") {
			t.Errorf("the token is repeated: %v", e)
		}
	}
}

func assume(change ...string) url.Values {
	v := url.Values{"Action": {"AssumeRole"}, "Version": {stswire.Version}, "RoleArn": {role}, "RoleSessionName": {"hop-7"}}
	for i := 0; i < len(change); i += 2 {
		v.Set(change[i], change[i+1])
	}
	return v
}

func TestDecodeAssumeRole(t *testing.T) {
	r, err := awsquery.Decode(assume("DurationSeconds", "900", "Policy", "{}", "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/One", "ExternalId", "a:b/c=@", "SourceIdentity", "alice",
		"Tags.member.1.Key", "Größe", "Tags.member.1.Value", "", "Tags.member.2.Key", "b", "Tags.member.2.Value", "x y", "TransitiveTagKeys.member.1", "b").Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := stswire.DecodeAssumeRole(r)
	want := stswire.AssumeRole{RoleARN: role, SessionName: "hop-7", PolicyARNs: []string{"arn:aws:iam::aws:policy/One"}, Policy: "{}", Duration: 15 * time.Minute,
		Tags: []stswire.Tag{{Key: "Größe"}, {Key: "b", Value: "x y"}}, TransitiveKeys: []string{"b"}, ExternalID: "a:b/c=@", SourceIdentity: "alice"}
	if err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("%+v, %v", in, err)
	}
	r, err = awsquery.Decode(assume("Tags", "", "TransitiveTagKeys", "", "PolicyArns", "").Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if in, err := stswire.DecodeAssumeRole(r); err != nil || !reflect.DeepEqual(in, stswire.AssumeRole{RoleARN: role, SessionName: "hop-7"}) {
		t.Errorf("empty lists: %+v, %v", in, err)
	}
}

func TestDecodeAssumeRoleRefuses(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	const pattern = "Member must satisfy regular expression pattern"
	tags := assume()
	for i := range 51 {
		tags.Set(fmt.Sprintf("Tags.member.%d.Key", i+1), fmt.Sprint("k", i))
		tags.Set(fmt.Sprintf("Tags.member.%d.Value", i+1), "")
	}
	for _, tt := range []struct {
		params url.Values
		want   string
	}{
		{url.Values{}, "2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName'"},
		{assume("RoleSessionName", "Session1:2"), "1 validation error detected: Value 'Session1:2' at 'roleSessionName' failed to satisfy constraint: " + pattern + `: [\w+=,.@-]*`},
		{assume("Policy", long(2049)), "'policy' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{assume("DurationSeconds", "899"), "'durationSeconds'"},
		{assume("ExternalId", "a"), "'externalId' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{assume("ExternalId", long(1225)), "Member must have length less than or equal to 1224"},
		{assume("ExternalId", "a b"), `'externalId' failed to satisfy constraint: ` + pattern + `: [\w+=,.@:\/-]*`},
		{assume("SourceIdentity", "a"), "'sourceIdentity' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{assume("SourceIdentity", "aws:alice"), "'sourceIdentity' failed to satisfy constraint: " + pattern},
		{assume("Tags.member.1.Key", "a"), "Value null at 'tags.1.member.value'"},
		{assume("Tags.member.1.Value", "a"), "Value null at 'tags.1.member.key'"},
		{assume("Tags.member.1.Key", "", "Tags.member.1.Value", ""), "'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{assume("Tags.member.1.Key", long(129), "Tags.member.1.Value", ""), "less than or equal to 128"},
		{assume("Tags.member.1.Key", "a", "Tags.member.1.Value", long(257)), "less than or equal to 256"},
		{assume("Tags.member.1.Key", "a", "Tags.member.1.Value", "<"), "'tags.1.member.value' failed to satisfy constraint: " + pattern},
		{assume("Tags.member.1.Key", "a\n", "Tags.member.1.Value", ""), "'tags.1.member.key' failed to satisfy constraint: " + pattern},
		{tags, "'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{assume("TransitiveTagKeys.member.2", "a"), "'transitiveTagKeys'"},
		{assume("SerialNumber", "arn:aws:iam::111122223333:mfa/x"), "'serialNumber' failed to satisfy constraint: the parameter is not supported for AssumeRole"},
		{assume("TokenCode", "123456"), "'tokenCode' failed to satisfy constraint: the parameter is not supported"},
		{assume("ProvidedContexts.member.1.ProviderArn", "arn:aws:iam::aws:contextProvider/x"), "the parameter is not supported"},
		{assume("WebIdentityToken", "a.b.c"), "'webIdentityToken' failed to satisfy constraint: the parameter is not supported"},
	} {
		r, err := awsquery.Decode(tt.params.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = stswire.DecodeAssumeRole(r)
		if e, ok := errors.AsType[*awsquery.ConstraintError](err); !ok || !strings.Contains(e.Error(), tt.want) {
			t.Errorf("got %.300v\nwant %s", err, tt.want)
		}
	}
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	for message, want := range map[string]string{"": "greater than or equal to 1", strings.Repeat("a", 10241): "less than or equal to 10240", "abc": ""} {
		r, err := awsquery.Decode(url.Values{"EncodedMessage": {message}}.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := stswire.DecodeAuthorizationMessage(r)
		if want == "" && (err != nil || got != message) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "aaa")) {
			t.Errorf("%.20q: %.20q, %v", message, got, err)
		}
	}
}

// TestAnswers pins the bodies as clients read them, in both forms.
func TestAnswers(t *testing.T) {
	got := string(awsquery.Answer(stswire.Namespace, "GetCallerIdentity", stswire.CallerIdentityResult{ARN: "a", UserID: "u", Account: "1"}, "r"))
	want := `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>a</Arn><UserId>u</UserId><Account>1</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>`
	if got != want {
		t.Errorf("got %s", got)
	}
	got = string(awsquery.AnswerJSON("GetCallerIdentity", stswire.CallerIdentityResult{ARN: "a", UserID: "u", Account: "1"}, "r"))
	want = `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"a","UserId":"u","Account":"1"},"ResponseMetadata":{"RequestId":"r"}}}`
	if got != want {
		t.Errorf("got %s", got)
	}
	full := stswire.WebIdentityResult{Subject: "s", Audience: "a", Provider: "p", SourceIdentity: "i", PackedPolicySize: 6, AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: "AROA:s", ARN: "arn"},
		Credentials: stswire.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "k/+", SessionToken: "t", Expiration: "2026-11-23T03:00:00Z"}}
	got = string(awsquery.Answer(stswire.Namespace, "X", full, "r"))
	want = `<XResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><XResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Audience>a</Audience><Provider>p</Provider><SourceIdentity>i</SourceIdentity><PackedPolicySize>6</PackedPolicySize>` +
		`<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>k/+</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-23T03:00:00Z</Expiration></Credentials>` +
		`</XResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></XResponse>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	got = string(awsquery.Answer(stswire.Namespace, "AssumeRole", stswire.AssumeRoleResult{SourceIdentity: "i", PackedPolicySize: 6, AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: "AROA:s", ARN: "arn"}, Credentials: full.Credentials}, "r"))
	want = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><SourceIdentity>i</SourceIdentity><PackedPolicySize>6</PackedPolicySize>` +
		`<AssumedRoleUser><AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>k/+</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-23T03:00:00Z</Expiration></Credentials>` +
		`</AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	bare := string(awsquery.Answer(stswire.Namespace, "X", stswire.WebIdentityResult{}, "r"))
	if strings.Contains(bare, "SourceIdentity") || strings.Contains(bare, "PackedPolicySize") {
		t.Errorf("what is not there stands in %s", bare)
	}
}

// TestAppendXML holds what is written by hand to what encoding/xml writes.
func TestAppendXML(t *testing.T) {
	// The same fields without the method.
	type plain stswire.WebIdentityResult
	for _, text := range []string{"", "plain", `<&>"'`, "\t\n\r", "\x00\x1f\x7f", "\xff\xe2\x80", "é\u2028\ufffe\U0001f600"} {
		for _, size := range []int{0, 7} {
			r := stswire.WebIdentityResult{Subject: text, Audience: text, Provider: text, SourceIdentity: text, PackedPolicySize: size, AssumedRoleUser: stswire.AssumedRoleUser{AssumedRoleID: text, ARN: text},
				Credentials: stswire.Credentials{AccessKeyID: text, SecretAccessKey: text, SessionToken: text, Expiration: text}}
			got := string(awsquery.Answer(stswire.Namespace, "X", r, text))
			if want := string(awsquery.Answer(stswire.Namespace, "X", plain(r), text)); got != want {
				t.Errorf("%q:\ngot  %q\nwant %q", text, got, want)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(good().Encode())
	f.Add("PolicyArns.member.1.arn=x&DurationSeconds=900")
	f.Fuzz(func(t *testing.T, form string) {
		r, err := awsquery.Decode(form, nil)
		if err != nil {
			return
		}
		in, err := stswire.DecodeAssumeRoleWithWebIdentity(r)
		if err != nil {
			if _, ok := errors.AsType[*awsquery.ConstraintError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if len(in.SessionName) < 2 || len(in.RoleARN) < 20 || in.Duration != 0 && in.Duration < 15*time.Minute {
			t.Fatalf("%+v", in)
		}
	})
}

func FuzzDecodeAssumeRole(f *testing.F) {
	f.Add(assume("Tags.member.1.Key", "a", "Tags.member.1.Value", "b", "TransitiveTagKeys.member.1", "a").Encode())
	f.Add(assume("ExternalId", "x-7", "SourceIdentity", "alice", "DurationSeconds", "900").Encode())
	f.Fuzz(func(t *testing.T, form string) {
		r, err := awsquery.Decode(form, nil)
		if err != nil {
			return
		}
		in, err := stswire.DecodeAssumeRole(r)
		if err != nil {
			if _, ok := errors.AsType[*awsquery.ConstraintError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if len(in.SessionName) < 2 || len(in.RoleARN) < 20 || in.Duration != 0 && in.Duration < 15*time.Minute || len(in.Tags) > 50 || len(in.SourceIdentity) == 1 || len(in.ExternalID) == 1 {
			t.Fatalf("%+v", in)
		}
	})
}
