package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide help is at most, in columns.
const helpWidth = 96

// Commands is the tree of commands, for what documents them. They run nothing.
func Commands() *cobra.Command { return newRoot(strings.NewReader(""), io.Discard, io.Discard) }

// refuseUnknown has cobra's own commands, help and completion, refuse what they do not
// know: what they print instead would pass for what was asked for.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = func(_ *cobra.Command, args []string) error {
				at, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = &usageError{fmt.Errorf(unknownCommand+"%q for %q", rest[0], at.CommandPath())}
				}
				return err
			}
		case "completion":
			c.Args = exactArgs()
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
}

// usage prints what follows a command's description, as cobra does, in lines that
// a terminal does not break.
func usage(c *cobra.Command) error {
	out := c.OutOrStderr()
	fmt.Fprint(out, "Usage:\n")
	if c.Runnable() {
		fmt.Fprintf(out, "  %s\n", fold(c.UseLine(), helpWidth-2, "      "))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(out, "  %s [command]\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(out, "\nExamples:\n%s\n", c.Example)
	}
	if c.HasAvailableSubCommands() {
		for _, g := range append(c.Groups(), &cobra.Group{Title: otherCommands(c)}) {
			fmt.Fprintf(out, "\n%s\n", g.Title)
			for _, sub := range c.Commands() {
				if sub.GroupID == g.ID && (sub.IsAvailableCommand() || sub.Name() == "help") {
					fmt.Fprintf(out, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
				}
			}
		}
	}
	DescribeOutput(c)
	for _, part := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"Flags", c.LocalFlags()}, {"Global Flags", c.InheritedFlags()}} {
		if part.flags.HasAvailableFlags() {
			fmt.Fprintf(out, "\n%s:\n%s", part.title, part.flags.FlagUsagesWrapped(helpWidth))
		}
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(out, "\nUse \"%s [command] --help\" for more information about a command.\n", c.CommandPath())
	}
	return nil
}

// otherCommands is the title of those that are in no group.
func otherCommands(c *cobra.Command) string {
	if len(c.Groups()) > 0 {
		return "Besides:"
	}
	return "Available Commands:"
}

// DescribeOutput has the flag -o, which all commands share, say which formats this
// one has: for who is about to show that command's flags.
func DescribeOutput(c *cobra.Command) {
	if f := c.InheritedFlags().Lookup("output"); f != nil {
		f.Usage = "output `FORMAT`: " + strings.Join(knownOutputs(c), " or ")
	}
}

// fold breaks a line between words where it is longer than a width; what follows
// is indented.
func fold(line string, width int, indent string) string {
	var out strings.Builder
	at := 0
	for i, word := range strings.Fields(line) {
		switch {
		case i == 0:
		case at+1+len(word) > width:
			out.WriteString("\n" + indent)
			at = len(indent)
		default:
			out.WriteByte(' ')
			at++
		}
		out.WriteString(word)
		at += len(word)
	}
	return out.String()
}

// complete has a shell offer the values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	completeBy(cmd, flag, func(*cobra.Command) []string { return values })
}

// completeOutput has it offer the formats that a command knows.
func completeOutput(root *cobra.Command) { completeBy(root, "output", knownOutputs) }

func completeBy(cmd *cobra.Command, flag string, values func(*cobra.Command) []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return values(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // unreachable: the flag is there
	}
}
