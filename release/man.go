package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mayfly.internal/internal/cli"
)

// man writes a manual page of section 1 for each command into a directory. cobra
// has pages by way of Markdown, which takes the *, _ and < of policies and of our
// examples for markup; these say what the help says.
func (r release) man(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(dir, "mayfly*.1"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return r.manPages(dir, cli.Commands())
}

func (r release) manPages(dir string, c *cobra.Command) error {
	if c.Hidden {
		return nil
	}
	c.InitDefaultHelpFlag()
	if err := os.WriteFile(filepath.Join(dir, pageName(c)+".1"), []byte(manPage(c, r.version)), 0o644); err != nil {
		return err
	}
	for _, sub := range c.Commands() {
		if err := r.manPages(dir, sub); err != nil {
			return err
		}
	}
	return nil
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// exitStatuses are those of every command that says no others (package cli).
const exitStatuses = `.TP
0
It is done, or so it is.
.TP
1
It is refused, or it failed; standard error says why, and what to do about it.
.TP
2
The call is wrong.
.TP
3
Nobody can answer the question.
`

// manPage is a command's page, in the language of man(7).
func manPage(c *cobra.Command, version string) string {
	var out strings.Builder
	fmt.Fprintf(&out, ".TH %s 1 \"\" \"mayfly %s\" \"Mayfly\"\n.nh\n.ad l\n", strings.ToUpper(roff(pageName(c))), roff(version))
	fmt.Fprintf(&out, ".SH NAME\n%s \\- %s\n", roff(pageName(c)), roff(c.Short))
	use := strings.TrimSuffix(c.UseLine(), " [flags]")
	if c.HasAvailableSubCommands() {
		use = c.CommandPath() + " COMMAND"
	}
	fmt.Fprintf(&out, ".SH SYNOPSIS\n.B %s\n[\\fIoptions\\fR]\n", roff(use))
	if c.Long != "" {
		fmt.Fprintf(&out, ".SH DESCRIPTION\n%s", paragraphs(c.Long))
	}
	if c.HasAvailableSubCommands() {
		out.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&out, ".TP\n.BR %s (1)\n%s\n", roff(pageName(sub)), roff(sub.Short))
			}
		}
	}
	cli.DescribeOutput(c)
	out.WriteString(options("OPTIONS", c.LocalFlags()))
	out.WriteString(options("OPTIONS OF EVERY COMMAND", c.InheritedFlags()))
	if !strings.Contains(c.Long, "Exit status:") {
		out.WriteString(".SH EXIT STATUS\n" + exitStatuses)
	}
	if c.Example != "" {
		fmt.Fprintf(&out, ".SH EXAMPLES\n.nf\n%s\n.fi\n", lines(c.Example))
	}
	out.WriteString(seeAlso(c))
	return out.String()
}

func options(title string, flags *pflag.FlagSet) string {
	if !flags.HasAvailableFlags() {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := "\\fB" + roff("--"+f.Name) + "\\fR"
		if f.Shorthand != "" {
			name = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + name
		}
		if value != "" {
			name += " \\fI" + roff(value) + "\\fR"
		}
		if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(&out, ".TP\n%s\n%s\n", name, roff(text))
	})
	return out.String()
}

func seeAlso(c *cobra.Command) string {
	var pages []string
	if c.HasParent() {
		pages = append(pages, pageName(c.Parent()))
		for _, sibling := range c.Parent().Commands() {
			if sibling != c && sibling.IsAvailableCommand() && c.Parent().HasParent() {
				pages = append(pages, pageName(sibling))
			}
		}
	}
	if len(pages) == 0 {
		return ""
	}
	for i, page := range pages {
		pages[i] = ".BR " + roff(page) + " (1)"
	}
	return ".SH SEE ALSO\n" + strings.Join(pages, ",\n") + "\n"
}

// paragraphs is a text of ours: paragraphs are filled, what is indented stays as
// it stands.
func paragraphs(text string) string {
	var out strings.Builder
	for _, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		out.WriteString(".PP\n")
		as := false
		for _, line := range strings.Split(p, "\n") {
			if indented := strings.HasPrefix(line, " "); indented != as {
				out.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[indented])
				as = indented
			}
			out.WriteString(roff(line) + "\n")
		}
		if as {
			out.WriteString(".fi\n")
		}
	}
	return out.String()
}

func lines(text string) string {
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		out = append(out, roff(line))
	}
	return strings.Join(out, "\n")
}

// roff is a text that roff prints as it is: a hyphen is one, a backslash is one,
// and a line that begins with a dot or a quote is no request.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
