package lab

import "syscall"

// processAttributes puts a child into its own group, so that a Ctrl-C in the
// terminal reaches the lab alone, and has it killed if the lab dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
