package cli

import (
	"os"
	"strings"
	"syscall"
)

// passedSignals are those that must not end us before the child: the console
// sends them to both.
var passedSignals = []os.Signal{os.Interrupt, syscall.SIGTERM}

// heardByChild: a console's events reach every program of it.
func heardByChild(os.Signal) bool { return true }

func exitStatus(s *os.ProcessState) int { return s.ExitCode() }

func sameVariable(a, b string) bool { return strings.EqualFold(a, b) }
