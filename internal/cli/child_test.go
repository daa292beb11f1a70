//go:build unix

package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEnvironment(t *testing.T) {
	ours := []string{"PATH=/bin", "TOKEN=t=1", "OTHER=t=1", "KEEP=", "SET=old", "SETTING=x"}
	got := environment(ours, func(name, value string) bool { return name == "PATH" || value == "t=1" }, map[string]string{"SET": "new", "A": "1=2"})
	if want := []string{"KEEP=", "SETTING=x", "A=1=2", "SET=new"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// runChild runs a program as a verb does and gives what it printed and the status
// that mayfly would exit with.
func runChild(t *testing.T, caught <-chan os.Signal, out io.Writer, argv ...string) (status int, said string) {
	t.Helper()
	var stderr bytes.Buffer
	err := child{argv: argv, env: []string{"PATH=" + os.Getenv("PATH"), "A=1"}}.run(&app{stdin: strings.NewReader("in\n"), stdout: out, stderr: &stderr}, caught)
	return Report("mayfly", err, &stderr), stderr.String()
}

func TestChild(t *testing.T) {
	plainFile, none := filepath.Join(t.TempDir(), "plain"), filepath.Join(t.TempDir(), "none")
	if err := os.WriteFile(plainFile, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("\x00not a program"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		argv        []string
		status      int
		out, stderr string
	}{
		"success":            {[]string{"true"}, 0, "", ""},
		"its own status":     {[]string{"sh", "-c", "echo no >&2; exit 7"}, 7, "", "no\n"},
		"its streams":        {[]string{"sh", "-c", `cat; echo "$A $#" "$@"`, "x", "a b", "c"}, 0, "in\n1 2 a b c\n", ""},
		"its environment":    {[]string{"sh", "-c", `echo "${HOME-none}"`}, 0, "none\n", ""},
		"ended by a signal":  {[]string{"sh", "-c", "kill -TERM $$"}, 143, "", ""},
		"killed":             {[]string{"sh", "-c", "kill -KILL $$"}, 137, "", ""},
		"no such program":    {[]string{"no-such-program-x"}, 127, "", "mayfly: error: no-such-program-x cannot be run: executable file not found in $PATH\n"},
		"no such file":       {[]string{none}, 127, "", "mayfly: error: " + none + " cannot be run: no such file or directory\n"},
		"a file":             {[]string{plainFile}, 126, "", "mayfly: error: " + plainFile + " cannot be run: permission denied\n"},
		"a directory":        {[]string{t.TempDir()}, 126, "", "cannot be run: is a directory\n"},
		"no program's bytes": {[]string{text}, 126, "", "mayfly: error: " + text + " cannot be run: exec format error\n"},
	} {
		var out bytes.Buffer
		status, said := runChild(t, nil, &out, tt.argv...)
		if status != tt.status || out.String() != tt.out || !strings.HasSuffix(said, tt.stderr) || tt.stderr == "" && said != "" {
			t.Errorf("%s: status %d, %q, %q", name, status, out.String(), said)
		}
	}
}

func TestChildTooLarge(t *testing.T) {
	var said bytes.Buffer
	err := child{argv: []string{"true"}, env: []string{"A=" + strings.Repeat("x", 4<<20)}}.run(&app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}, nil)
	if status := Report("mayfly", err, &said); status != 126 || !strings.HasPrefix(said.String(), "mayfly: error: true cannot be run: argument list too long\nmayfly: hint: ") || !strings.Contains(said.String(), "--file") {
		t.Errorf("%d, %q", status, said.String())
	}
}

// TestChildHearsSignals: each that reaches us goes on, and none ends us first.
func TestChildHearsSignals(t *testing.T) {
	if heardByChild(syscall.SIGINT) {
		t.Skip("this test runs in the foreground of a terminal, which sends signals itself")
	}
	for name, s := range map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT, "USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2} {
		t.Run(name, func(t *testing.T) {
			if signal.Ignored(s) {
				t.Skip("this test was started to ignore it")
			}
			caught, release := catchSignals()
			defer release()
			r, w := io.Pipe()
			ready := make(chan error, 1)
			go func() {
				_, err := io.ReadFull(r, make([]byte, len("ready\n")))
				ready <- errors.Join(err, syscall.Kill(os.Getpid(), s))
				io.Copy(io.Discard, r)
			}()
			stuck := time.AfterFunc(30*time.Second, func() { t.Error("the child did not hear it"); w.Close() })
			defer stuck.Stop()
			status, said := runChild(t, caught, w, "sh", "-c", `trap "exit 9" `+name+`; echo ready; while :; do sleep 0.05; done`)
			if err := <-ready; status != 9 || said != "" || err != nil {
				t.Errorf("status %d, %q, %v", status, said, err)
			}
		})
	}
}
