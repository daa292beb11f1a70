package cli

import (
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/fakeissuer"
	"mayfly.internal/internal/jwt"
	"mayfly.internal/internal/wire/kubewire"
)

// TestDoctorClock: a minute is what servers allow, and not more.
func TestDoctorClock(t *testing.T) {
	for _, tt := range []struct {
		off  time.Duration
		want string
	}{
		{0, ""},
		{58 * time.Second, ""},
		{-58 * time.Second, ""},
		{62 * time.Second, "1m2s ahead of the server's"},
		{-62 * time.Second, "1m2s behind the server's"},
		{24 * time.Hour, "24h0m0s ahead of"},
	} {
		d := &doctor{now: time.Now().Add(-tt.off)}
		_, _, err := d.seeClock(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v off: %v, want %q", tt.off, err, tt.want)
		}
	}
}

// TestDoctorTimes: the token's times against the server's clock, as a server holds
// them: exp without leeway, nbf and iat with a minute.
func TestDoctorTimes(t *testing.T) {
	issuer := fakeissuer.New(t)
	now := time.Unix(1_800_000_000, 0)
	for _, tt := range []struct {
		name   string
		claims map[string]any
		want   string
	}{
		{"good", map[string]any{"iat": now.Unix(), "nbf": now.Unix() - 5, "exp": now.Unix() + 3600}, ""},
		{"its last second", map[string]any{"iat": now.Unix(), "exp": now.Unix() + 1}, ""},
		{"ended now", map[string]any{"iat": now.Unix() - 60, "exp": now.Unix()}, "ended at 2027-01-15T08:00:00Z, 0s ago"},
		{"ended", map[string]any{"iat": now.Unix() - 60, "exp": now.Unix() - 90}, "1m30s ago"},
		{"a minute ahead", map[string]any{"iat": now.Unix() + 60, "nbf": now.Unix() + 60, "exp": now.Unix() + 3600}, ""},
		{"begins later", map[string]any{"nbf": now.Unix() + 61, "iat": now.Unix(), "exp": now.Unix() + 3600}, "in 1m1s (nbf)"},
		{"is from the future", map[string]any{"nbf": nil, "iat": now.Unix() + 61, "exp": now.Unix() + 3600}, "in 1m1s (iat)"},
		{"no end", map[string]any{"exp": nil}, "when it ends"},
		{"an end in words", map[string]any{"exp": "tomorrow"}, "when it ends"},
	} {
		u, err := jwt.Parse(issuer.Token(tt.claims))
		if err != nil {
			t.Fatal(err)
		}
		d := &doctor{now: now, known: u}
		_, _, err = d.seeTimes(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestDoctorAudience: a variable that nobody expanded is seen before anybody is
// asked.
func TestDoctorAudience(t *testing.T) {
	issuer := fakeissuer.New(t)
	u, err := jwt.Parse(issuer.Token(map[string]any{"aud": "$MAYFLY_AUDIENCE"}))
	if err != nil {
		t.Fatal(err)
	}
	d := &doctor{known: u}
	if _, _, err := d.seeAudience(t.Context()); err == nil || !strings.Contains(err.Error(), "a variable that GitLab did not know") {
		t.Error(err)
	}
}

func TestParseCan(t *testing.T) {
	for text, want := range map[string]kubewire.ResourceAttributes{
		"get pods":                {Namespace: "n", Verb: "get", Resource: "pods"},
		"create deployments.apps": {Namespace: "n", Verb: "create", Resource: "deployments", Group: "apps"},
		"get pods/log":            {Namespace: "n", Verb: "get", Resource: "pods", Subresource: "log"},
		"update ingresses.networking.k8s.io/status": {Namespace: "n", Verb: "update", Resource: "ingresses", Group: "networking.k8s.io", Subresource: "status"},
		"* *": {Namespace: "n", Verb: "*", Resource: "*"},
	} {
		if got, err := parseCan(text, "n"); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "get", " pods", "get ", "get .apps", "get  pods", "get pods now", "get Pods", "get pods\n", "get pods/log/x", "get pods\x1b"} {
		if got, err := parseCan(text, "n"); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
