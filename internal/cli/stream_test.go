package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestInput: reading ends when we are asked to end, and not before.
func TestInput(t *testing.T) {
	if text, err := io.ReadAll(&input{t.Context(), strings.NewReader(strings.Repeat("text\n", 10_000))}); len(text) != 50_000 || err != nil {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer w.Close()
		why := errors.New("asked to end")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(why) })
		began := time.Now()
		if _, err := io.ReadAll(&input{ctx, r}); !errors.Is(err, why) || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space left")
	}
	return len(p), nil
}

// TestOutput: what could not be written is a failure of any command, whatever it
// would have exited with.
func TestOutput(t *testing.T) {
	const bad = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/gitlab.com"},"Action":"sts:AssumeRoleWithWebIdentity"}]}`
	run := func(room int) (int, string) {
		var said bytes.Buffer
		status := Main(t.Context(), []string{"lint", "-"}, strings.NewReader(bad), &full{room}, &said)
		return status, said.String()
	}
	if status, said := run(1 << 20); status != 1 || strings.Contains(said, "no space") {
		t.Fatalf("with room: %d, %q", status, said)
	}
	if status, said := run(3); status != 1 || said != "mayfly: error: no space left\n" {
		t.Errorf("without room: %d, %q", status, said)
	}
	var said bytes.Buffer
	if status := Main(t.Context(), []string{"--version"}, strings.NewReader(""), &full{}, &said); status != 1 || said.String() != "mayfly: error: no space left\n" {
		t.Errorf("%d, %q", status, said.String())
	}
	said.Reset()
	if status := Main(t.Context(), []string{"vault"}, strings.NewReader(""), &full{}, &said); status != 1 || said.String() != "mayfly: error: no space left\n" {
		t.Errorf("help: %d, %q", status, said.String())
	}
}
