package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/server"
)

func newAdmin(o *options, stdout, stderr io.Writer) *cobra.Command {
	admin := &cobra.Command{Use: "admin", Short: "Administer the server on its own machine", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var format string
	creds := &cobra.Command{Use: "credentials", Short: "Print administrator credentials that last fifteen minutes", Args: cobra.NoArgs,
		Long: `credentials asks the running server, over its Unix socket, for a session of the
role mayfly-admin. The server sees which user of this machine asks, and records
it. Nothing is stored.`,
		Example: "  eval \"$(mayflyd admin credentials)\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			print, ok := formats[format]
			if !ok {
				return usageError{fmt.Errorf("--format %s: env, json and process are known", format)}
			}
			c, data, err := o.load()
			if err != nil {
				return err
			}
			path, err := server.SocketOf(data, c)
			if err != nil {
				return err
			}
			a, err := askAdmin(cmd.Context(), path)
			if err != nil {
				return err
			}
			return print(stdout, a)
		}}
	creds.Flags().StringVar(&format, "format", "env", "`FORMAT`: env (shell exports), json (as STS answers) or process (for credential_process)")
	admin.AddCommand(creds)
	return admin
}

// askAdmin asks the admin socket for credentials.
func askAdmin(ctx context.Context, path string) (a server.AdminCredentials, err error) {
	err = askSocket(ctx, path, http.MethodPost, "/credentials", &a)
	return a, err
}

// noServerError says that nobody listens at a socket.
type noServerError struct{ error }

// askSocket asks the admin socket of a server something.
func askSocket(ctx context.Context, path, method, what string, into any) error {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://mayflyd"+what, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return noServerError{fmt.Errorf("no server answers at %s: is mayflyd serving with this --data and --config?", path)}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not open %s: it is for the server's own user and root", path)
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, into)
}

// formats :: --format → how credentials are printed.
var formats = map[string]func(io.Writer, server.AdminCredentials) error{
	"env": func(w io.Writer, a server.AdminCredentials) error {
		lines := [][2]string{{"AWS_ACCESS_KEY_ID", a.Credentials.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", a.Credentials.SecretAccessKey}, {"AWS_SESSION_TOKEN", a.Credentials.SessionToken},
			{"AWS_ENDPOINT_URL", a.PublicURL}, {"AWS_DEFAULT_REGION", a.Region}}
		if a.CAFile != "" {
			lines = append(lines, [2]string{"AWS_CA_BUNDLE", a.CAFile})
		}
		for _, l := range lines {
			if _, err := fmt.Fprintf(w, "export %s=%s\n", l[0], shellQuote(l[1])); err != nil {
				return err
			}
		}
		return nil
	},
	"json": func(w io.Writer, a server.AdminCredentials) error {
		return printJSON(w, map[string]any{"Credentials": a.Credentials, "AssumedRoleUser": map[string]string{"Arn": a.ARN}})
	},
	// AWS CLI User Guide, "Sourcing credentials with an external process".
	"process": func(w io.Writer, a server.AdminCredentials) error {
		return printJSON(w, map[string]any{"Version": 1, "AccessKeyId": a.Credentials.AccessKeyID, "SecretAccessKey": a.Credentials.SecretAccessKey,
			"SessionToken": a.Credentials.SessionToken, "Expiration": a.Credentials.Expiration})
	},
}

// shellQuote is text as one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
