package labgitlab

import (
	"bytes"
	"strings"
	"testing"
)

func maskAll(t *testing.T, secrets []string, pieces ...string) string {
	t.Helper()
	var out bytes.Buffer
	m := newMaskWriter(&out, secrets)
	for _, piece := range pieces {
		if n, err := m.Write([]byte(piece)); err != nil || n != len(piece) {
			t.Fatal(n, err)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestMask(t *testing.T) {
	for _, tt := range []struct {
		name    string
		secrets []string
		in, out string
	}{
		{"nothing to hide", nil, "plain", "plain"},
		{"an empty secret hides nothing", []string{""}, "plain", "plain"},
		{"alone", []string{"secret"}, "secret", "[MASKED]"},
		{"in the middle", []string{"secret"}, "a secret b", "a [MASKED] b"},
		{"twice", []string{"secret"}, "secret secret", "[MASKED] [MASKED]"},
		{"side by side", []string{"secret"}, "xsecretsecrety", "x[MASKED]y"},
		{"almost", []string{"secret"}, "secre", "secre"},
		{"almost, then whole", []string{"secret"}, "sesecret", "se[MASKED]"},
		{"beginning like itself", []string{"aab"}, "aaab", "a[MASKED]"},
		{"one secret begins another", []string{"abc", "abcdef"}, "abcdef", "[MASKED]"},
		{"one secret begins another, which is not there", []string{"abc", "abcdef"}, "abcdex", "[MASKED]dex"},
		{"overlapping", []string{"abcd", "cdef"}, "xabcdefy", "x[MASKED]y"},
		{"one within another", []string{"bc", "abcd"}, "abcd bc", "[MASKED] [MASKED]"},
		{"overlapping itself", []string{"aba"}, "ababa", "[MASKED]"},
		{"other case is another word", []string{"secret"}, "SECRET", "SECRET"},
		{"over lines", []string{"one\ntwo"}, "one\ntwo", "[MASKED]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := maskAll(t, tt.secrets, tt.in); got != tt.out {
				t.Errorf("whole: %q, want %q", got, tt.out)
			}
			for i := range tt.in {
				if got := maskAll(t, tt.secrets, tt.in[:i], tt.in[i:]); got != tt.out {
					t.Errorf("split at %d: %q, want %q", i, got, tt.out)
				}
			}
			if got := maskAll(t, tt.secrets, strings.Split(tt.in, "")...); got != tt.out {
				t.Errorf("byte by byte: %q, want %q", got, tt.out)
			}
		})
	}
}

func TestMaskHoldsBackNoMoreThanASecret(t *testing.T) {
	var out bytes.Buffer
	m := newMaskWriter(&out, []string{"aaaaaaaa"})
	for range 1000 {
		if _, err := m.Write(bytes.Repeat([]byte("a"), 1000)); err != nil {
			t.Fatal(err)
		}
		if len(m.pending) >= 8 {
			t.Fatalf("%d bytes held back", len(m.pending))
		}
	}
	if _, err := m.Write([]byte("prompt> ")); err != nil || !strings.HasSuffix(out.String(), "prompt> ") {
		t.Errorf("a prompt waits: %q %v", out.String(), err)
	}
}

func FuzzMask(f *testing.F) {
	f.Add("a secret here", "secret", "here", 3)
	f.Add("aaaa", "aa", "aaa", 1)
	f.Fuzz(func(t *testing.T, text, one, two string, split int) {
		if split < 0 || split > len(text) {
			return
		}
		secrets := []string{one, two}
		whole := maskAll(t, secrets, text)
		if got := maskAll(t, secrets, text[:split], text[split:]); got != whole {
			t.Fatalf("split at %d: %q, whole: %q", split, got, whole)
		}
		for _, secret := range secrets {
			// Masking may put pieces side by side only around "[MASKED]".
			if secret != "" && strings.Contains(strings.ReplaceAll(whole, "[MASKED]", "\x00"), secret) && !strings.ContainsAny(secret, "\x00[MASKED]") {
				t.Fatalf("%q is still in %q", secret, whole)
			}
		}
		if !strings.Contains(text, one) && !strings.Contains(text, two) && whole != text {
			t.Fatalf("%q became %q", text, whole)
		}
	})
}
