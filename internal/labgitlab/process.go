package labgitlab

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// killGrace is how long a stopped script has between SIGTERM and SIGKILL.
const killGrace = 5 * time.Second

// drainGrace is how long output may still arrive from processes that a script
// left behind in groups of their own.
const drainGrace = 2 * time.Second

// process is one bash program of a job.
type process struct {
	script string // path of the program
	dir    string
	env    []string
	out    io.Writer
}

// errTimeout is a script that ran past its time.
var errTimeout = errors.New("it ran longer than its timeout")

// run runs a program in a process group of its own and returns its exit code.
// When ctx ends, the whole group is stopped; whatever of the group is left
// when the program ends is killed. Output of the group arrives in order.
func (p process) run(ctx context.Context, timeout time.Duration) (exitCode int, err error) {
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, errTimeout)
		defer cancel()
	}
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "bash", "--noprofile", "--norc", p.script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = p.dir, p.env, write, write
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killGrace
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(p.out, read)
		if err != nil { // the script must not hang because nobody listens
			_, _ = io.Copy(io.Discard, read)
		}
		copied <- err
	}()
	startErr := cmd.Start()
	closeErr := write.Close()
	if startErr == nil {
		err = cmd.Wait()
		killGroup(cmd.Process.Pid)
	}
	outErr := drain(read, copied)
	if startErr != nil {
		return 0, startErr
	}
	if err != nil && ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return exitStatus(failed), nil
	}
	return 0, errors.Join(err, closeErr, outErr)
}

// exitStatus is the shell's number for an ended process: 128+n for a signal.
func exitStatus(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}

func killGroup(pid int) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: nothing is left
}

// drain waits for the output's end, but not for a daemon that keeps it open.
func drain(read *os.File, copied <-chan error) error {
	select {
	case err := <-copied:
		return errors.Join(err, read.Close())
	case <-time.After(drainGrace):
		closeErr := read.Close()
		<-copied // ends now: its file is closed
		return closeErr
	}
}
