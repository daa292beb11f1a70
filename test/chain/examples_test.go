package chain

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/cli"
)

// TestExamples runs what the help of each command shows, as a job that has an ID
// token, credentials and tokens of GitLab and Vault: no call is one that the
// program does not know, and none of the secrets is said or left behind.
//
// Most examples name files and servers that are not here, so most are refused. No
// packet leaves the machine: a proxy that is not there is in the way.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	w.teach(t)
	env, err := w.AdminEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := w.token(t, production())
	secrets := map[string]string{"the ID token": token, "the secret key": env["AWS_SECRET_ACCESS_KEY"], "the session token": env["AWS_SESSION_TOKEN"], "GitLab's token": "glpat-CANARY0123456789", "Vault's token": "hvs.CANARY0123456789"}
	home := t.TempDir()
	bin := t.TempDir()
	if err := os.Symlink(w.Mayfly, filepath.Join(bin, "mayfly")); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PATH": bin + string(os.PathListSeparator) + "/usr/bin" + string(os.PathListSeparator) + "/bin", "HOME": home, "TMPDIR": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home,
		"MAYFLY_SERVER": w.State.MayflyURL(), "MAYFLY_ID_TOKEN": token, "GITLAB_TOKEN": secrets["GitLab's token"], "VAULT_TOKEN": secrets["Vault's token"], "VAULT_ADDR": "https://127.0.0.1:1", "AUDIT_KEY": "mayfly/audit+0+x",
		"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "localhost,127.0.0.1",
	} {
		env[name] = value
	}
	// What these print is the secret that was asked for, on standard output alone.
	answers := map[string]bool{"mayfly credentials": true, "mayfly kube-token": true}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	for _, c := range examplesOf(cli.Commands()) {
		t.Run(c.command, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // some follow a log until they are asked to end
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", "-c", c.text)
			cmd.Dir, cmd.Env, cmd.WaitDelay = home, list, time.Second
			var out, errs strings.Builder
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok && !errors.Is(err, exec.ErrWaitDelay) {
				t.Fatal(err)
			}
			for _, wrong := range []string{"unknown flag", "unknown command", "unknown shorthand", "unexpected argument", " is missing", " is wanted"} {
				if strings.Contains(errs.String(), wrong) && !strings.Contains(errs.String(), "--issuer is missing") { // which somebody names once, before
					t.Errorf("%s\n%s", c.text, errs.String())
				}
			}
			said := errs.String()
			if !answers[c.command] {
				said += out.String()
			}
			for what, s := range secrets {
				if strings.Contains(said, s) {
					t.Errorf("%s says %s", c.text, what)
				}
			}
		})
	}
	err = filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		for what, s := range secrets {
			if strings.Contains(string(raw), s) {
				t.Errorf("%s holds %s", path, what)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

type example struct{ command, text string }

// examplesOf are the calls that the help of a command and of those below it shows,
// one each; a line that ends with a backslash goes on.
func examplesOf(c *cobra.Command) (out []example) {
	for text := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", " ")) {
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, example{c.CommandPath(), text})
		}
	}
	for _, sub := range c.Commands() {
		out = append(out, examplesOf(sub)...)
	}
	return out
}
