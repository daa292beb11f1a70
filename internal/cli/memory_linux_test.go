package cli

import (
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHidesMemory: whatever has the ID token or a Vault token in hand while others
// run keeps them from reading it out of our memory. The servers are not there: it is
// hidden before anybody is asked.
func TestHidesMemory(t *testing.T) {
	_, token := tokenOf(t, map[string]any{"iss": "https://gitlab.example", "aud": "a", "sub": "s"})
	t.Setenv("MAYFLY_ID_TOKEN", token)
	t.Setenv("AWS_REGION", "eu-central-1")
	for _, line := range []string{
		"exec --server http://127.0.0.1:1 --role arn:aws:iam::111122223333:role/r -- true",
		"vault exec --vault-server http://127.0.0.1:1 --with-token -- true",
		"vault read kv/a --vault-server http://127.0.0.1:1",
	} {
		if _, err := unix.PrctlRetInt(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		status := Main(t.Context(), strings.Fields(line), strings.NewReader(""), io.Discard, io.Discard)
		got, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		if got != 0 || err != nil || status != 1 {
			t.Errorf("%s: dumpable %d, %v, status %d", line, got, err, status)
		}
	}
}
