package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// walk visits each of our commands.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

// TestHelp: each command says what it is, shows a call of it, and describes its
// flags, and a terminal of 100 columns shows that without breaking a line.
func TestHelp(t *testing.T) {
	root := Commands()
	walk(root, func(c *cobra.Command) {
		t.Run(c.CommandPath(), func(t *testing.T) {
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("Short is %q; a phrase without a full stop is wanted", c.Short)
			}
			if !c.Hidden && c != root && !strings.Contains(c.Example, c.CommandPath()) {
				t.Errorf("no Example shows a call of it: %q", c.Example)
			}
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("--%s has no description", f.Name)
				}
			})
			var out bytes.Buffer
			c.SetOut(&out)
			c.InitDefaultHelpFlag()
			if err := c.Help(); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(out.String(), "\n") {
				if n := utf8.RuneCountInString(line); n > 100 {
					t.Errorf("a line of %d columns: %s", n, line)
				}
				if line != strings.TrimRight(line, " \t") {
					t.Errorf("blanks at the end of %q", line)
				}
			}
		})
	})
}

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"", 10, ""},
		{"one two", 7, "one two"},
		{"one two", 6, "one\n  two"},
		{"one two three", 7, "one two\n  three"},
		{"one two th re", 7, "one two\n  th re"},
		{"endless-word one", 5, "endless-word\n  one"},
	} {
		if got := fold(tt.line, tt.width, "  "); got != tt.want {
			t.Errorf("fold(%q, %d) = %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}
