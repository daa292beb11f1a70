package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mayfly.internal/internal/vault"
)

func TestParseWish(t *testing.T) {
	for _, tt := range []struct {
		text string
		want wish
	}{
		{"A=kv/a#b", wish{"A", "kv/a", "b"}},
		{"A=kv/a", wish{"A", "kv/a", ""}},
		{"_a1=kv/a=b#c=d#e", wish{"_a1", "kv/a=b", "c=d#e"}},
	} {
		if got, err := parseWish("--secret", tt.text); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{"", "=", "A", "A=", "=kv/a", "A=#b", "A=kv/a#", "1=kv/a", "A-B=kv/a", "A B=kv/a", "Ä=kv/a", "A\n=kv/a"} {
		if got, err := parseWish("--secret", text); err == nil || got != (wish{}) || !strings.HasPrefix(err.Error(), fmt.Sprintf("--secret %q: ", text)) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestCutTemplate(t *testing.T) {
	for _, tt := range []struct {
		text    string
		drives  bool
		in, out string
	}{
		{"a.tmpl:b.conf", false, "a.tmpl", "b.conf"},
		{"a:b.tmpl:/etc/b.conf", false, "a:b.tmpl", "/etc/b.conf"},
		{"a.tmpl:/b", true, "a.tmpl", "/b"},
		{`C:\a.tmpl:b.conf`, true, `C:\a.tmpl`, "b.conf"},
		{`a.tmpl:D:\b.conf`, true, "a.tmpl", `D:\b.conf`},
		{`C:\a.tmpl:D:/b.conf`, true, `C:\a.tmpl`, "D:/b.conf"},
		{`C:\a.tmpl`, true, "", ""},
		{"a.tmpl", false, "", ""},
		{"a.tmpl:", false, "a.tmpl", ""},
		{":b", true, "", "b"},
		{":", false, "", ""},
		{"", true, "", ""},
	} {
		if in, out := cutTemplate(tt.text, tt.drives); in != tt.in || out != tt.out {
			t.Errorf("%q, drives %v: %q, %q", tt.text, tt.drives, in, out)
		}
	}
}

// Whatever a flag holds, there is an error or a wish, and what is named is what a
// shell can name.
func FuzzWish(f *testing.F) {
	for _, s := range []string{"A=kv/a#b", "A=kv/a", "1=a", "a.tmpl:C:\\b", "=", ":", "#", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := parseWish("--secret", text)
		if (err == nil) != (isVariable(w.name) && w.path != "") {
			t.Errorf("%+v, %v", w, err)
		}
		if again := w.name + "=" + w.path + "#" + w.field; err == nil && again != text && again != text+"#" {
			t.Errorf("%q is read as %q", text, again)
		}
		for _, drives := range []bool{false, true} {
			if in, out := cutTemplate(text, drives); in+":"+out != text && in+out != "" {
				t.Errorf("%q is cut to %q and %q", text, in, out)
			}
		}
		if word := variableWord(text); text != "" && !isVariable("A_"+word) {
			t.Errorf("%q is no variable", word)
		}
	})
}

// What ends is renewed while a third of its life is left, and what Vault does not
// renew any more is said once.
func TestRenewal(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ttl       time.Duration
		renewable bool
		longest   time.Duration // of its life
		fails     error
		until     time.Duration // it fails
		after     time.Duration // what is looked at
		at        []time.Duration
		said      string
	}{
		{name: "it does not end", renewable: true, after: time.Hour},
		{name: "not renewable", ttl: time.Hour, after: 2 * time.Hour, said: "it ends in 1h0m0s, and cannot be renewed"},
		{name: "renewed for as long as it is wanted", ttl: 15 * time.Minute, renewable: true, longest: 24 * time.Hour, after: 40 * time.Minute, at: []time.Duration{10 * time.Minute, 20 * time.Minute, 30 * time.Minute}},
		{name: "up to its longest life", ttl: 15 * time.Minute, renewable: true, longest: 30 * time.Minute, after: time.Hour, at: []time.Duration{10 * time.Minute, 20 * time.Minute, 26*time.Minute + 40*time.Second}, said: "it ends in 3m20s: Vault renews it no longer than that"},
		{name: "Vault is gone", ttl: 36 * time.Second, renewable: true, fails: errors.New("no"), until: time.Hour, after: time.Hour, at: []time.Duration{24 * time.Second, 34 * time.Second, 44 * time.Second}, said: "it ends in about 12s, and was not renewed: no"},
		{name: "Vault is gone for a while", ttl: 36 * time.Second, renewable: true, longest: time.Hour, fails: errors.New("no"), until: 30 * time.Second, after: time.Minute, at: []time.Duration{24 * time.Second, 34 * time.Second, 58 * time.Second},
			said: "it ends in about 12s, and was not renewed: no; it is renewed after all"},
		{name: "sealed for a while", ttl: 36 * time.Second, renewable: true, longest: time.Hour, fails: &vault.Error{Call: "renew", Status: 503}, until: 30 * time.Second, after: 50 * time.Second, at: []time.Duration{24 * time.Second, 34 * time.Second},
			said: "it ends in about 12s, and was not renewed: renew: 503 Service Unavailable; it is renewed after all"},
		{name: "refused", ttl: 15 * time.Minute, renewable: true, fails: &vault.Error{Call: "renew", Status: 403}, until: time.Hour, after: time.Hour, at: []time.Duration{10 * time.Minute}, said: "it ends in about 5m0s, and was not renewed: renew: 403 Forbidden"},
		{name: "a hundred and fifty years", ttl: 150 * 365 * 24 * time.Hour, renewable: true, longest: 1 << 62, after: 24 * time.Hour},
		{name: "a moment", ttl: time.Second, renewable: true, longest: time.Second, after: time.Minute, at: []time.Duration{time.Second}, said: "it ends in 0s: Vault renews it no longer than that"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				var at []time.Duration
				var said []string
				renew := func(context.Context) (time.Duration, error) {
					at = append(at, time.Since(start))
					if tt.fails != nil && time.Since(start) < tt.until {
						return 0, tt.fails
					}
					return min(tt.ttl, tt.longest-time.Since(start)), nil
				}
				go renewal{what: "it", ttl: tt.ttl, renewable: tt.renewable, renew: renew}.keep(ctx, func(text string) { said = append(said, text) })
				time.Sleep(tt.after - time.Nanosecond)
				cancel()
				synctest.Wait()
				if !slices.Equal(at, tt.at) || strings.Join(said, "; ") != tt.said {
					t.Errorf("renewed at %v, said %q", at, said)
				}
			})
		})
	}
}

// Each of Vault's words that has a hint has one, and what it says of itself is
// looked up in the token.
func TestLoginHints(t *testing.T) {
	token, _ := tokenOf(t, map[string]any{"iss": "https://a", "aud": []string{"b", "c"}, "sub": "d\x1b", "exp": 1700000000})
	own := map[string]string{"aud": `aud: "b", "c"`, "iss": `iss: "https://a"`, "sub": `sub: "d\x1b"`, "exp": "exp: 2023-11-14T22:13:20Z"}
	for _, h := range loginHints {
		err := proof{claims: token.UnverifiedClaims(), whose: "the ID token of TOKEN"}.explain(&vault.Error{Call: "log in", Status: 400, Messages: []string{"x " + h.says + " y"}})
		var want []string
		switch has := own[h.claim]; {
		case has != "":
			want = append(want, "the ID token of TOKEN has "+has)
		case h.claim != "":
			want = append(want, "the ID token of TOKEN has no claim "+h.claim)
		}
		hints, ok := errors.AsType[*HintError](err)
		if !ok || !slices.Equal(hints.Hints, append(want, h.hint)) {
			t.Errorf("%s: %v, %q", h.says, err, hints.Hints)
		}
	}
}
