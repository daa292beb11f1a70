package labgitlab

import (
	"strings"
)

// shellScript is the bash program that the GitLab runner makes of a job's
// commands: errexit and pipefail, standard input empty, each command echoed
// before it runs, of a multi-line one its first line.
func shellScript(commands []string, color bool) string {
	var body strings.Builder
	for _, command := range commands {
		command = strings.TrimSpace(command)
		body.WriteString("printf '%s\\n' " + shellQuote(echoOf(command, color)) + "\n")
		body.WriteString(command + "\n")
	}
	return "trap 'exit 1' TERM\n" +
		"set -o pipefail; set -o errexit\n" +
		"set +o noclobber\n" +
		"(trap 'exit 1' TERM; eval " + shellQuote(body.String()) + ") < /dev/null\n" +
		"exit 0\n"
}

// echoOf is the line the runner prints for a command.
func echoOf(command string, color bool) string {
	if command == "" {
		return ""
	}
	first, _, multiline := strings.Cut(command, "\n")
	line := "$ " + first
	if multiline {
		line += " # collapsed multi-line command"
	}
	return paint(line, boldGreen, color)
}

func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// The runner's colours.
const (
	boldGreen = "\x1b[32;1m"
	boldRed   = "\x1b[31;1m"
	boldCyan  = "\x1b[36;1m"
	yellow    = "\x1b[0;33m"
	reset     = "\x1b[0;m"
)

func paint(text, with string, color bool) string {
	if !color {
		return text
	}
	return with + text + reset
}
