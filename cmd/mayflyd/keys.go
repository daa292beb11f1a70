package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/server"
)

func newRotateKeys(o *options, stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	var list, revoke, yes bool
	var output string
	cmd := &cobra.Command{Use: "rotate-keys", Short: "Replace the keys that seal sessions and sign tokens", Args: cobra.NoArgs,
		Long: `rotate-keys makes a new key that seals sessions from now on and calls the next key
that signs tokens. Nothing ends: what the earlier keys sealed opens until the
longest session has ended, and what they signed can be checked until the last
token has. A key signs once it has been published for keys.publish_ahead. The
server does this by itself when a key is older than keys.rotate_after.

It asks the running server, over its Unix socket, which uses the new keys before
the command returns. Where no server runs, it changes the data directory itself.

--revoke-old is for keys that leaked: every key of before is dropped, so that
every session ends at once, and no token of before is vouched for any more.`,
		Example: `  mayflyd rotate-keys
  mayflyd rotate-keys --list
  mayflyd rotate-keys --revoke-old --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError{fmt.Errorf("-o %s: text and json are known", output)}
			}
			if list && revoke || yes && !revoke {
				return usageError{errors.New("--list only looks, and --yes belongs to --revoke-old")}
			}
			c, data, err := o.load()
			if err != nil {
				return err
			}
			if revoke && !yes {
				if err := confirm(stdin, stderr); err != nil {
					return err
				}
			}
			report, err := keysOf(cmd.Context(), c, data, list, revoke)
			if err != nil {
				return err
			}
			if output == "json" {
				return printJSON(stdout, report)
			}
			return printKeys(stdout, report, list, time.Now())
		}}
	cmd.Flags().BoolVar(&list, "list", false, "list the keys and change nothing")
	cmd.Flags().BoolVar(&revoke, "revoke-old", false, "drop every earlier key at once: all sessions end")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVarP(&output, "output", "o", "text", "`FORMAT`: text or json")
	return cmd
}

// consequences are what --revoke-old does.
const consequences = `mayflyd: every key of this server is replaced, and all of before is dropped:
  - every session ends now: jobs, people and administrators must sign in anew
  - whoever trusts this server's tokens refuses those of before once it reads the
    key set again; one that keeps the old key set takes them until they end, which
    is after ten minutes at most
`

// confirm says what --revoke-old does and wants a yes.
func confirm(stdin io.Reader, stderr io.Writer) error {
	fmt.Fprint(stderr, consequences+"Type yes to go on: ")
	answer, err := bufio.NewReader(stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed: the answer was not yes (--yes does not ask)")
	}
	return nil
}

// keysOf asks the running server, or, where none runs, the data directory.
func keysOf(ctx context.Context, c server.Config, data string, list, revoke bool) (r server.KeyReport, err error) {
	method, path := http.MethodPost, "/keys/rotate"
	if list {
		method, path = http.MethodGet, "/keys"
	} else if revoke {
		path = "/keys/renew"
	}
	socket, err := server.SocketOf(data, c)
	if err == nil {
		err = askSocket(ctx, socket, method, path, &r)
		if _, silent := errors.AsType[noServerError](err); !silent {
			return r, err
		}
	}
	return server.StoppedKeys(ctx, server.Options{Config: c, Data: data}, !list, revoke)
}

// printKeys is the keys as a table, and what became of them.
func printKeys(w io.Writer, r server.KeyReport, list bool, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KEY\tUSE\tSTATE\tAGE\tSINCE\tUNTIL")
	for _, k := range r.Keys {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Use, k.State, now.Sub(k.Made).Truncate(time.Second), when(k.From), when(k.Until))
	}
	if err := t.Flush(); err != nil || list {
		return err
	}
	for _, line := range []struct {
		ids  []string
		text string
	}{{r.Made, "made"}, {r.Retired, "retired: what they made is good until they end"}, {r.Dropped, "dropped"}, {r.Pending, "called before, and signing once published for keys.publish_ahead"}} {
		if len(line.ids) > 0 {
			fmt.Fprintf(w, "%s: %s\n", line.text, strings.Join(line.ids, " "))
		}
	}
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
