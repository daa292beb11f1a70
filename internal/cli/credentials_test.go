package cli

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/secret"
	"mayfly.internal/internal/sigv4"
)

// hostile are values that would be more than a value in one shell or another.
var hostile = []string{"", "a b", "'", `\`, `\'`, `'; touch pwned; '`, "$(touch pwned)", "`touch pwned`", "$HOME ${x} %PATH%", `"`, "a'b\"c\\", "-n", "\u2018\u2019\u201a\u201b", "\u2019; touch pwned; \u2019", "#", "~", "*", "!", "&&", "a=b"}

// TestQuoteShell asks the shells that are here.
func TestQuoteShell(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "dash", "zsh", "fish", "pwsh"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("there is no %s here", shell)
			continue
		}
		for _, value := range hostile {
			script := "printf %s " + quoteShell(value)
			switch shell {
			case "fish":
				script = "printf %s " + quoteFish(value)
			case "pwsh":
				script = "[Console]::Out.Write(" + quotePowerShell(value) + ")"
			}
			c := exec.Command(path, "-c", script)
			c.Dir = t.TempDir()
			if out, err := c.Output(); err != nil || string(out) != value {
				t.Errorf("%s: %s printed %q, %v", shell, script, out, err)
			}
		}
	}
}

func TestQuote(t *testing.T) {
	for value, want := range map[string][2]string{
		`a\'b`:                  {`'a\\\'b'`, `'a\''b'`},
		"\u2018\u2019'":         {"'\u2018\u2019\\''", "'\u2018\u2018\u2019\u2019'''"},
		"$(x)`y`":               {"'$(x)`y`'", "'$(x)`y`'"},
		"\u201a; exit; \u201b'": {"'\u201a; exit; \u201b\\''", "'\u201a\u201a; exit; \u201b\u201b'''"},
	} {
		if got := [2]string{quoteFish(value), quotePowerShell(value)}; got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// TestHostileAnswer: what a server says cannot become a command.
func TestHostileAnswer(t *testing.T) {
	for _, format := range []string{"env", "fish", "powershell"} {
		for _, value := range []string{"a\nexport PATH=/evil", "a\x00b", "a\x1b]0;x\x07", "a\rb"} {
			var out bytes.Buffer
			s := client.Session{Credentials: sigv4.Credentials{AccessKeyID: "ASIA1", SecretKey: secret.New("s3cret"), SessionToken: value}, Expires: time.Now()}
			if err := credentialFormats[format](&app{stdout: &out}, &exchanger{}, s); err == nil || out.Len() > 0 || strings.Contains(err.Error(), value) {
				t.Errorf("%s: %q, %v", format, out.String(), err)
			}
		}
	}
}
