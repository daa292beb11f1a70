package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is one outside program of the lab, its output in a file. It dies with
// the lab: the kernel is asked to see to that.
type Process struct {
	Name string
	Log  string // path

	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	err  error
}

// StartProcess runs a command in a process group of its own.
func StartProcess(name string, cmd *exec.Cmd, log string) (*Process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = processAttributes()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, Log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		if err == nil {
			p.err = errors.New("it ended by itself")
		}
		p.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// Ended is why the process has ended, nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	default:
		return nil
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill ends it at once, as kill -9 does.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// stopTimeout is how long a process may take to end when asked.
const stopTimeout = 10 * time.Second

// Stop asks it to end, and kills it if it does not.
func (p *Process) Stop() {
	if p.Ended() != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.Kill()
	}
}
