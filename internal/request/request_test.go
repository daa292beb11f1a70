package request_test

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mayfly.internal/internal/request"
)

func TestKeys(t *testing.T) {
	at := time.Date(2026, 11, 23, 4, 0, 0, 0, time.FixedZone("CET", 3600))
	got := maps.Collect(request.Info{Source: netip.MustParseAddr("::ffff:192.0.2.7"), Secure: true, UserAgent: "aws-cli/2", Region: "eu-central-1", Time: at}.Keys())
	want := map[string]string{"aws:SecureTransport": "true", "aws:CurrentTime": "2026-11-23T03:00:00Z", "aws:EpochTime": "1795402800",
		"aws:SourceIp": "192.0.2.7", "aws:UserAgent": "aws-cli/2", "aws:RequestedRegion": "eu-central-1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A key nobody knows must be absent, not empty: an absent key fails a positive
// condition.
func TestKeysOfNowhere(t *testing.T) {
	got := maps.Collect(request.Info{}.Keys())
	for _, key := range []string{"aws:SourceIp", "aws:UserAgent", "aws:RequestedRegion"} {
		if v, ok := got[key]; ok {
			t.Errorf("%s = %q", key, v)
		}
	}
	if got["aws:SecureTransport"] != "false" {
		t.Error("a request from nowhere counts as secure")
	}
}
