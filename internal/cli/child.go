package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Exit statuses of a program that was not run (POSIX shell, "Exit Status for
// Commands").
const (
	notExecutable = 126
	notFound      = 127
	signalled     = 128 // and the signal's number
)

// child is a program that runs in our place: with our standard streams and an
// environment of its own. Signals that reach us go on to it, and its exit status
// is ours.
type child struct {
	argv []string
	env  []string
}

// environment is ours without the variables that remove names, and with those of
// set in place of any of that name. The order is ours, then that of the names.
func environment(ours []string, remove func(name, value string) bool, set map[string]string) []string {
	var out []string
	for _, variable := range ours {
		name, value, _ := strings.Cut(variable, "=")
		if _, ok := lookupVariable(set, name); !ok && !remove(name, value) {
			out = append(out, variable)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		out = append(out, name+"="+set[name])
	}
	return out
}

func lookupVariable(set map[string]string, name string) (string, bool) {
	for other, value := range set {
		if sameVariable(name, other) {
			return value, true
		}
	}
	return "", false
}

// catchSignals keeps the signals that a child should hear from ending us, until
// release is called. Call it before making what must not be left behind. One that
// we were started to ignore (nohup) stays ignored.
func catchSignals() (caught <-chan os.Signal, release func()) {
	unpipe := outlivePipes()
	c := make(chan os.Signal, 16)
	var list []os.Signal
	for _, s := range passedSignals {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	if len(list) > 0 { // none would mean all
		signal.Notify(c, list...)
	}
	return c, func() { signal.Stop(c); unpipe() }
}

// privateDir makes a directory that only we may enter, for a child's files. Its path
// is absolute: the child may go elsewhere.
func privateDir(pattern string) (string, error) {
	base, err := filepath.Abs(os.TempDir())
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(base, pattern) // 0700
	if err != nil {
		return "", hint(err, "TMPDIR names a directory that can be written")
	}
	return dir, nil
}

// outlivePipes keeps us alive where nobody reads what we say any more (2>&1 | head),
// until release is called: a pipe's end would end us before we have removed or
// revoked what must not be left behind. What is written then is an error.
func outlivePipes() (release func()) {
	c := make(chan os.Signal, 1) // nobody reads it
	if !signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(c, syscall.SIGPIPE)
	}
	return func() { signal.Stop(c) }
}

// run runs the child and waits for its end. Its own exit status comes back as a
// *statusError, that of a child that a signal ended as 128 and the signal's number;
// a program that cannot be run is an error with the status a shell would give.
func (p child) run(a *app, caught <-chan os.Signal) error {
	path, err := exec.LookPath(p.argv[0])
	if err != nil {
		return notRun(p.argv[0], err)
	}
	// Not exec.CommandContext: whoever asks us to end asks the child, which may
	// have to clean up.
	c := &exec.Cmd{Path: path, Args: p.argv, Env: p.env, Stdin: a.bareInput(), Stdout: a.bareOutput(), Stderr: a.stderr}
	if err := c.Start(); err != nil {
		return notRun(p.argv[0], err)
	}
	done := make(chan struct{})
	passing := make(chan struct{})
	go func() {
		defer close(passing)
		for {
			select {
			case s := <-caught:
				if !heardByChild(s) {
					c.Process.Signal(s) // fails once the child has ended, as it should
				}
			case <-done:
				return
			}
		}
	}()
	err = c.Wait()
	close(done)
	<-passing
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return &statusError{exitStatus(c.ProcessState)}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.argv[0], err)
	}
	return nil
}

// errNotStarted is why a child is not run when we have been asked to end.
var errNotStarted = errors.New("asked to end before the command was started")

// notRun is the error of a program that could not be run.
func notRun(name string, err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err // it repeats the name
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	status := notExecutable
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		status = notFound
	}
	err = fmt.Errorf("%s cannot be run: %w", name, err)
	if errors.Is(err, syscall.E2BIG) {
		err = hint(err, "its arguments and its environment are too large; mayfly vault exec hands a large secret on in a file: --file")
	}
	return &exitError{status, err}
}

// exitError is an error with an exit status of its own.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }
