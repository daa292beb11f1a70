package signin

import (
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/strictjson"
)

func TestParseMetadata(t *testing.T) {
	const issuer = "https://gitlab.example.com"
	good := `{"issuer":"https://gitlab.example.com","authorization_endpoint":"https://gitlab.example.com/oauth/authorize","token_endpoint":"https://gitlab.example.com/oauth/token"MORE}`
	for _, tt := range []struct {
		more, device string
		refused      bool
	}{
		{"", "", false},
		{`,"grant_types_supported":["authorization_code","device_code"]`, "https://gitlab.example.com/oauth/authorize_device", false},
		{`,"grant_types_supported":["authorization_code"]`, "", false},
		{`,"device_authorization_endpoint":"https://login.example.com/device"`, "https://login.example.com/device", false},
		{`,"device_authorization_endpoint":"http://login.example.com/device"`, "", true},
		{`,"device_authorization_endpoint":"http://127.0.0.1/device"`, "", true},
		{`,"code_challenge_methods_supported":["plain","S256"]`, "", false},
		{`,"code_challenge_methods_supported":["plain"]`, "", true},
		{`,"code_challenge_methods_supported":[]`, "", true},
		{`,"issuer":"https://gitlab.example.com"`, "", true},
		{`}{`, "", true},
	} {
		m, err := parseMetadata([]byte(strings.Replace(good, "MORE", tt.more, 1)), issuer)
		if (err != nil) != tt.refused || m.device != tt.device || tt.refused && m != (metadata{}) {
			t.Errorf("%s: %+v, %v", tt.more, m, err)
		}
	}
	for _, other := range []string{"https://gitlab.example.com/", "https://GITLAB.example.com", "http://gitlab.example.com", "https://gitlab.example.com:443", ""} {
		if m, err := parseMetadata([]byte(strings.Replace(good, "MORE", "", 1)), other); err == nil {
			t.Errorf("%s is taken for %s: %+v", issuer, other, m)
		}
	}
}

// FuzzAnswers: whatever a provider or a browser sends, nothing crashes, what is
// refused gives nothing, and what is taken is https.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"", "{}", "null", `{"issuer":"https://a","authorization_endpoint":"https://a/b","token_endpoint":"https://a/oauth/token","grant_types_supported":["device_code"]}`,
		`{"error":"access_denied","error_description":"\u001b[2J"}`, `{"id_token":"a.b.c"}`, `{"device_code":"a","user_code":"b","verification_uri":"https://a/device","expires_in":1,"interval":99999999999}`,
		"code=a&state=s", "state=s&code=a&code=b", "error=a&state=s", "iss=https%3A%2F%2Fa&code=a&state=s", "state=%zz"} {
		f.Add(seed)
	}
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMetadata([]byte(text), "https://a"); err != nil && m != (metadata{}) || err == nil && !(strings.HasPrefix(m.token, "https:") && strings.HasPrefix(m.authorize, "https:")) {
			t.Errorf("%+v, %v", m, err)
		}
		p := &Provider{config: Config{Issuer: "https://a", ClientID: "c", Now: func() time.Time { return now }}}
		for _, status := range []int{200, 400} {
			v, err := parseAnswer(status, []byte(text))
			if err != nil && v.Kind() != strictjson.Missing || err == nil && status != 200 {
				t.Errorf("%d: %v, %v", status, v, err)
			}
			if d, err := parseDevice(v, now, false); err == nil && (d.Expires.After(now.Add(maxDeviceLife)) || d.interval > maxInterval || d.interval <= 0 || !strings.HasPrefix(d.URL, "https:")) {
				t.Errorf("%+v", d)
			}
			if token, err := p.idToken(v, "n"); err == nil {
				t.Errorf("%+v", token)
			}
		}
		a, mine := (&Visit{provider: p, state: "s"}).read(text)
		if !mine && (a.err != nil || !a.code.Empty()) || mine && (a.err == nil) == (a.code == secret.String{}) || mine && !strings.Contains(text, "state=") && !strings.Contains(text, "%") {
			t.Errorf("%+v, %v", a, mine)
		}
	})
}
