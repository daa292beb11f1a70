package kubewire_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/wire/kubewire"
)

func TestDecodeExecInfo(t *testing.T) {
	for text, want := range map[string]string{
		"": kubewire.ExecV1Beta1,
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`:                           kubewire.ExecV1,
		`{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{"cluster":{"server":"https://x"}},"new":1}`: kubewire.ExecV1Beta1,
	} {
		if got, err := kubewire.DecodeExecInfo(text); err != nil || got != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"x":    "not a JSON object",
		"[]":   "not a JSON object",
		"null": "not a JSON object",
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","apiVersion":"client.authentication.k8s.io/v1"}`: "distinct names",
		`{"kind":"ExecCredential"}`:                                                             `the apiVersion is ""`,
		`{"kind":"ExecCredential","apiVersion":1}`:                                              `the apiVersion is ""`,
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1"}`:        `the apiVersion is "client.authentication.k8s.io/v1alpha1"; client.authentication.k8s.io/v1 and client.authentication.k8s.io/v1beta1 are known`,
		`{"Kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1"}`:              `the kind is ""`,
		`{"kind":"TokenReview","apiVersion":"client.authentication.k8s.io/v1"}`:                 `the kind is "TokenReview"`,
		`{"kind":"ExecCredential","apiVersion":"` + strings.Repeat("x", 1<<20) + `"}`:           "larger than",
		`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{}} {}`: "not a JSON object",
	} {
		got, err := kubewire.DecodeExecInfo(text)
		if _, ok := errors.AsType[*kubewire.ShapeError](err); !ok || got != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100s: %s, %v", text, got, err)
		}
	}
}

func TestEncodeExecCredential(t *testing.T) {
	at := time.Date(2026, 11, 23, 13, 14, 15, 999, time.FixedZone("", 3600))
	const want = `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{},"status":{"expirationTimestamp":"2026-11-23T12:14:15Z","token":"k8s-aws-v1.x"}}`
	if got := string(kubewire.EncodeExecCredential(kubewire.ExecV1, "k8s-aws-v1.x", at)); got != want {
		t.Error(got)
	}
}

func FuzzDecodeExecInfo(f *testing.F) {
	f.Add(`{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`)
	f.Fuzz(func(t *testing.T, text string) {
		version, err := kubewire.DecodeExecInfo(text)
		if (err == nil) == (version == "") {
			t.Fatalf("%q, %v", version, err)
		}
		if err == nil && text != "" && !json.Valid([]byte(text)) {
			t.Fatal("it is not JSON")
		}
	})
}
