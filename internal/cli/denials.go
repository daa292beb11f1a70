package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/audit"
	"mayfly.internal/internal/webidentity"
	"mayfly.internal/internal/wire/mayflywire"
)

func newDenials(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{Use: "denials", Short: "List what was refused, and say exactly why", Args: exactArgs(),
		Long: `denials lists what was refused, the newest first. The id of each is the request
id that its caller saw: aws --debug prints it as x-amzn-RequestId, SDKs with the
error, and a job of the role's own projects reads it in the message.

What failed before a signature was verified is counted and not kept.`,
		Example: `  mayfly denials
  mayfly denials show 2c5e8a3c-7d0e-4d0b-8f19-0c1c5a6f1e55`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return &usageError{fmt.Errorf("-n %d: a number from 1 is wanted", limit)}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.Denials(cmd.Context(), limit)
			if err != nil {
				return explain(err)
			}
			return a.listDenials(list)
		}}
	cmd.Flags().IntVarP(&limit, "lines", "n", 20, "at most `N` of them (the server gives 200)")
	cmd.AddCommand(newDenialsShow(a))
	return cmd
}

func (a *app) listDenials(list []mayflywire.AuditLine) error {
	if a.output == "json" {
		out := []denial{}
		for _, l := range list {
			out = append(out, denial{Index: l.Index, Event: json.RawMessage(l.Body)})
		}
		return a.json(map[string]any{"denials": out})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tID\tACTION\tREASON\tWHO\tRESOURCE")
	for _, l := range list {
		e, err := audit.Decode([]byte(l.Body))
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.Format(time.RFC3339), plain(e.Request), plain(e.Action), plain(e.Reason), plain(whoOf(e)), plain(e.Resource))
	}
	return w.Flush()
}

// denial is one as JSON: its event as it is stored, and what became of each
// statement.
type denial struct {
	Index int64              `json:"index"`
	Event json.RawMessage    `json:"event"`
	Trace *webidentity.Trace `json:"trace,omitempty"`
}

func newDenialsShow(a *app) *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "Say exactly why something was refused", Args: exactArgs("ID"),
		Long: `show prints what was refused under an id: who asked for what, and of each
statement of the policies why it did not match, with what the request had and
what the policy lists, as they were at the time. It needs mayfly:ExplainDenial.`,
		Example: `  mayfly denials show 2c5e8a3c-7d0e-4d0b-8f19-0c1c5a6f1e55`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			line, err := c.Denial(cmd.Context(), args[0])
			if err != nil {
				return explain(err)
			}
			e, err := audit.Decode([]byte(line.Body))
			if err != nil {
				return err
			}
			out := denial{Index: line.Index, Event: json.RawMessage(line.Body)}
			if text := e.Detail["trace"]; text != "" {
				t, err := webidentity.DecodeTrace(text)
				if err != nil {
					return err
				}
				out.Trace = &t
			}
			if a.output == "json" {
				return a.json(out)
			}
			return printDenial(a.stdout, e, out.Trace)
		}}
}

func printDenial(to io.Writer, e audit.Event, t *webidentity.Trace) error {
	fmt.Fprintf(to, "%s: %s of %s\n", e.Outcome, plain(e.Action), plain(e.Resource))
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{{"Time", e.Time.Format(time.RFC3339)}, {"Reason", e.Reason}, {"Cause", e.Detail["cause"]}, {"Who", whoOf(e)}, {"From", e.Source}, {"Provider", e.Provider},
		{"Session name", e.Detail["session_name"]}, {"Audience", e.Detail["audience"]}} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s:\t%s\n", row[0], plain(row[1]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Claims)) {
		fmt.Fprintf(w, "Claim %s:\t%s\n", plain(name), plain(e.Claims[name]))
	}
	if err := w.Flush(); err != nil || t == nil {
		return err
	}
	for _, text := range t.Hints {
		fmt.Fprintf(to, "hint: %s\n", plain(text))
	}
	_, err := fmt.Fprint(to, t.Text())
	return err
}

// whoOf is who asked: a session, or whom a token is about.
func whoOf(e audit.Event) string {
	return firstOf(e.Actor, e.Claims["sub"])
}

// plain is others' text, quoted where it would steer a terminal.
func plain(text string) string {
	for _, c := range text {
		if !strconv.IsPrint(c) {
			return strconv.Quote(text)
		}
	}
	return text
}
