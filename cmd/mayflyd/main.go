// Command mayflyd is the Mayfly server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot(os.Stdout, os.Stderr).ExecuteContext(ctx)
	stop()
	os.Exit(report(err, os.Stderr))
}

// usageError is a wrong call: exit status 2.
type usageError struct{ error }

// report writes an error for a person and gives the exit status it means.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "mayflyd: error: %s\n", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if _, ok := errors.AsType[usageError](err); ok || strings.HasPrefix(err.Error(), "unknown command") {
		fmt.Fprintln(stderr, "mayflyd: hint: mayflyd --help says what there is")
		return 2
	}
	return 1
}

// options are the flags every verb shares.
type options struct {
	config, data, socket string
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	o := &options{}
	root := &cobra.Command{Use: "mayflyd", Short: "The Mayfly server: IAM, STS and EKS access for CI jobs without stored secrets", Version: server.Version, SilenceErrors: true, SilenceUsage: true}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&o.config, "config", "", "configuration `FILE` (default: none is needed)")
	f.StringVar(&o.data, "data", "", "data `DIR` (default /var/lib/mayfly for root, else $XDG_DATA_HOME/mayfly)")
	f.StringVar(&o.socket, "admin-socket", "", "`PATH` of the admin socket (default DATA/admin.sock)")
	root.AddCommand(newServe(o, stderr), newCheck(o, stdout), newAdmin(o, stdout, stderr), newRotateKeys(o, os.Stdin, stdout, stderr))
	return root
}

func (o *options) load() (server.Config, string, error) {
	c, err := server.LoadConfig(o.config)
	if err != nil {
		return c, "", err
	}
	if o.socket != "" {
		c.Admin.Socket = o.socket
	}
	data := o.data
	if data == "" {
		data, err = server.DefaultData()
	}
	return c, data, err
}

func newServe(o *options, stderr io.Writer) *cobra.Command {
	var listen, level string
	cmd := &cobra.Command{Use: "serve", Short: "Serve until told to stop", Args: cobra.NoArgs,
		Long: `serve answers STS, IAM, EKS and the webhooks of clusters on one HTTPS address. It
needs no configuration: on the first start it makes a data directory with a
database, a CA of its own (DATA/ca.pem), keys and an account id.

SIGTERM and SIGINT end it; requests under way are answered first. SIGHUP reads
the configuration anew and logs what is in force and what needs a restart.`,
		Example: `  mayflyd serve --data ./data
  mayflyd serve --config /etc/mayfly.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			load := func() (server.Config, error) {
				c, _, err := o.load()
				if listen != "" {
					c.Listen = listen
				}
				return c, err
			}
			c, data, err := o.load()
			if err != nil {
				return err
			}
			if listen != "" {
				c.Listen = listen
				if err := c.Check(); err != nil {
					return usageError{err}
				}
			}
			var l slog.Level
			if err := l.UnmarshalText([]byte(level)); err != nil {
				return usageError{fmt.Errorf("--log-level %s: debug, info, warn and error are known", level)}
			}
			log := slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: l}))
			s, err := server.New(cmd.Context(), server.Options{Config: c, Load: load, Data: data, Log: log})
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(server.GCPercent)
			}
			go reloadOnHangup(cmd.Context(), s)
			return s.Serve(cmd.Context())
		}}
	cmd.Flags().StringVar(&listen, "listen", "", "`ADDRESS` to listen on, HOST:PORT or http://127.0.0.1:PORT (default as configured)")
	cmd.Flags().StringVar(&level, "log-level", "info", "least `LEVEL` of log lines: debug, info, warn, error")
	return cmd
}

// reloadOnHangup reads the configuration anew at each SIGHUP.
func reloadOnHangup(ctx context.Context, s *server.Server) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			s.Reload()
		case <-ctx.Done():
			return
		}
	}
}

func newCheck(o *options, stdout io.Writer) *cobra.Command {
	return &cobra.Command{Use: "check", Short: "Say everything that is wrong with a configuration file", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if o.config == "" {
				return usageError{errors.New("--config is missing")}
			}
			if _, err := server.LoadConfig(o.config); err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s is fine\n", o.config)
			return nil
		}}
}
