package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"mayfly.internal/internal/signin"
	"mayfly.internal/internal/webclient"
)

// signInTime is how long a person has to sign in with a browser.
const signInTime = 5 * time.Minute

// login is a person's wish to sign in.
type login struct {
	*app
	issuer, clientID, caFile string
	device, status           bool
}

func newLogin(a *app) *cobra.Command {
	l := &login{app: a}
	cmd := &cobra.Command{Use: "login [--issuer URL --client-id ID]", Short: "Sign in as a person, with a browser or a code", Args: exactArgs(),
		Long: `login signs you in at the server's GitLab, or another OpenID provider of it, and
keeps the ID token for this server until it ends. Commands that want an ID token
find it where there is no other; jobs have their own and never use it.

It opens a browser, which comes back to this program on 127.0.0.1. Where there is
none, or with --device, it shows an address and a code to type there.

The issuer and the client id are needed once for each server and remembered. The
client is an application in GitLab with the scope openid, not confidential, whose
redirect URI is http://127.0.0.1/callback; its id stands in the server's
login_client_ids and among the provider's client ids. Your operator knows it.

Refresh tokens are not kept: when the ID token ends, sign in again, which is a
click. --status says who is signed in, without asking anybody.`,
		Example: `  mayfly login --issuer https://gitlab.com --client-id 4f2a91…     # once
  mayfly login
  mayfly login --device
  mayfly login --status -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return l.run(cmd.Context()) }}
	f := cmd.Flags()
	f.StringVar(&l.issuer, "issuer", "", "`URL` of the provider, as its tokens have it as iss (default what was named last)")
	f.StringVar(&l.clientID, "client-id", "", "`ID` of the application there (default what was named last)")
	f.StringVar(&l.caFile, "issuer-ca-file", "", "PEM `FILE` of the CA that vouches for the provider (default what was named last, else the system's)")
	f.BoolVar(&l.device, "device", false, "show a code to type elsewhere, and open no browser")
	f.BoolVar(&l.status, "status", false, "say who is signed in")
	return cmd
}

func (l *login) run(ctx context.Context) error {
	server, err := l.loginServer()
	if err != nil {
		return err
	}
	if l.status {
		return l.sayStatus(server)
	}
	if inJob() {
		return hint(&usageError{errors.New("this is a job, and a job is nobody's sign-in")}, "a job gets an ID token of its own with id_tokens: in .gitlab-ci.yml")
	}
	at, err := l.provider(server)
	if err != nil {
		return err
	}
	token, err := l.signIn(ctx, at)
	if err != nil {
		return explainSignIn(err)
	}
	s := signedIn{Server: server, Issuer: at.Issuer, ClientID: at.ClientID, Subject: token.Subject, Login: token.Login, Expires: token.Expires.UTC(), IDToken: token.Text.Reveal()}
	if err := keepLogin(at, s); err != nil {
		return fmt.Errorf("keep the sign-in: %w", err)
	}
	fmt.Fprintf(l.stderr, "mayfly: signed in at %s as %s until %s (%s)\n", s.Issuer, s.who(), s.Expires.Local().Format(time.TimeOnly), left(s.Expires))
	if time.Until(s.Expires) < signInTime {
		fmt.Fprintln(l.stderr, "mayfly: a GitLab's ID tokens live two minutes where its administrator sets nothing else; docs/login.md says how")
	}
	return l.sayAs(s)
}

func (s signedIn) who() string {
	if s.Login == "" {
		return plain(s.Subject)
	}
	return fmt.Sprintf("%s (user %s)", plain(s.Login), plain(s.Subject))
}

func left(until time.Time) string {
	d := time.Until(until).Round(time.Second)
	if d <= 0 {
		return "over"
	}
	return "in " + d.String()
}

// sayAs prints a sign-in as JSON where that is asked for, without its token.
func (l *login) sayAs(s signedIn) error {
	if l.output != "json" {
		return nil
	}
	s.IDToken = ""
	return l.json(s)
}

// provider is where to sign in: as the flags say, and what they leave out as last.
func (l *login) provider(server string) (loginProvider, error) {
	path, err := loginFile(os.UserConfigDir, server)
	if err != nil {
		return loginProvider{}, err
	}
	at := loginProvider{}
	if _, err := readLogin(path, &at); err != nil {
		return loginProvider{}, err
	}
	if l.issuer != "" && l.issuer != at.Issuer {
		at = loginProvider{} // what was named with another issuer is of that one
	}
	at.Server, at.Issuer, at.ClientID = server, firstOf(l.issuer, at.Issuer), firstOf(l.clientID, at.ClientID)
	if l.caFile != "" {
		if at.CAFile, err = filepath.Abs(l.caFile); err != nil {
			return loginProvider{}, err
		}
	}
	for _, f := range [][2]string{{"issuer", at.Issuer}, {"client-id", at.ClientID}} {
		if f[1] == "" {
			return loginProvider{}, hint(&usageError{fmt.Errorf("--%s is missing", f[0])}, "it is needed once for each server: mayfly login --issuer https://gitlab.com --client-id ID; your operator knows the id")
		}
	}
	return at, nil
}

// signIn signs in with a browser, or with a code where there is no browser or one
// is asked for.
func (l *login) signIn(ctx context.Context, at loginProvider) (signin.Token, error) {
	c := signin.Config{Issuer: at.Issuer, ClientID: at.ClientID, UserAgent: "mayfly/" + Version}
	if at.CAFile != "" {
		var err error
		if c.Roots, err = webclient.Roots(at.CAFile); err != nil {
			return signin.Token{}, fmt.Errorf("--issuer-ca-file: %w", err)
		}
	}
	p, err := signin.Discover(ctx, c)
	if err != nil {
		return signin.Token{}, err
	}
	defer p.Close()
	if err := prepareLogin(at.Server); err != nil {
		return signin.Token{}, hint(fmt.Errorf("a sign-in could not be kept: %w", err), "XDG_CACHE_HOME and XDG_CONFIG_HOME name directories that can be written")
	}
	opener := browser()
	if l.device || opener == nil && p.HasDevice() {
		return l.withCode(ctx, p)
	}
	v, err := p.Listen(ctx)
	if err != nil {
		return signin.Token{}, err
	}
	defer v.Close()
	if opener == nil || open(opener, v.URL()) != nil {
		fmt.Fprintln(l.stderr, "mayfly: no browser could be opened; open this address in one on this machine:")
	} else {
		fmt.Fprintln(l.stderr, "mayfly: sign in in the browser that opens; if none does, open this address on this machine:")
	}
	fmt.Fprintf(l.stderr, "  %s\n", v.URL())
	ctx, stop := context.WithTimeoutCause(ctx, signInTime, fmt.Errorf("nobody signed in within %v", signInTime))
	defer stop()
	return v.Wait(ctx)
}

func (l *login) withCode(ctx context.Context, p *signin.Provider) (signin.Token, error) {
	d, err := p.AskDevice(ctx)
	if err != nil {
		return signin.Token{}, err
	}
	fmt.Fprintf(l.stderr, "mayfly: open %s in any browser and type %s (ends %s)\n", plain(d.URL), d.Code, left(d.Expires))
	if d.Whole != "" {
		fmt.Fprintf(l.stderr, "mayfly: or open it with the code: %s\n", plain(d.Whole))
	}
	return d.Wait(ctx)
}

// browser is the program that opens an address on the person's screen; nil where
// there is no screen.
func browser() []string {
	remote := os.Getenv("SSH_CONNECTION") != ""
	switch runtime.GOOS {
	case "darwin":
		if !remote {
			return []string{"/usr/bin/open"}
		}
	case "windows":
		if root := os.Getenv("SystemRoot"); root != "" && !remote {
			return []string{filepath.Join(root, "System32", "rundll32.exe"), "url.dll,FileProtocolHandler"}
		}
	default:
		path, err := exec.LookPath("xdg-open")
		if err == nil && (os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "") {
			return []string{path}
		}
	}
	return nil
}

// open starts the program and does not wait: some live as long as the browser.
func open(program []string, address string) error {
	cmd := exec.Command(program[0], append(program[1:], address)...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // its end is its own affair
	return nil
}

// sayStatus says who is signed in, from what is kept.
func (l *login) sayStatus(server string) error {
	s, ok, err := l.signedIn()
	switch {
	case err != nil:
		return err
	case !ok:
		return hint(fmt.Errorf("nobody is signed in for %s", server), "mayfly login signs in")
	}
	if l.output == "json" {
		err = l.sayAs(s)
	} else {
		w := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
		for _, row := range [][2]string{{"Server", s.Server}, {"Issuer", s.Issuer}, {"Client id", s.ClientID}, {"Person", s.who()}, {"Ends", s.Expires.Format(time.RFC3339) + " (" + left(s.Expires) + ")"}} {
			fmt.Fprintf(w, "%s:\t%s\n", row[0], plain(row[1]))
		}
		err = w.Flush()
	}
	if err == nil && !time.Now().Before(s.Expires) {
		err = hint(errors.New("the sign-in has ended"), "mayfly login signs in again")
	}
	return err
}

// explainSignIn adds what to do to a sign-in that failed.
func explainSignIn(err error) error {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return hint(err, "name the CA that vouches for the provider with --issuer-ca-file")
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("the sign-in was given up")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return hint(err, "is the provider there? --issuer names it")
	}
	e, ok := errors.AsType[*signin.Error](err)
	if !ok {
		return explainReach(err)
	}
	wrapped := fmt.Errorf("the provider refuses: %w", err)
	switch e.Code {
	case "access_denied":
		return hint(wrapped, "somebody said no in the browser, or may not use the application")
	case "expired_token":
		return hint(wrapped, "nobody typed the code in time: mayfly login --device shows a new one")
	case "invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type":
		return hint(wrapped, "the application must have the scope openid, the redirect URI http://127.0.0.1/callback, and not be confidential; --client-id is its application id")
	}
	return wrapped
}

func newLogout(a *app) *cobra.Command {
	return &cobra.Command{Use: "logout", Short: "Forget a person's sign-in", Args: exactArgs(),
		Long: `logout removes the ID token that 'mayfly login' keeps for this server. It says
nothing to the provider, where you stay signed in; sessions of roles that were
made with the token live to their end.`,
		Example: "  mayfly logout",
		RunE: func(*cobra.Command, []string) error {
			server, err := a.loginServer()
			if err != nil {
				return err
			}
			path, err := loginFile(os.UserCacheDir, server)
			if err != nil {
				return err
			}
			switch err := os.Remove(path); {
			case errors.Is(err, os.ErrNotExist):
				fmt.Fprintf(a.stderr, "mayfly: nobody was signed in for %s\n", server)
			case err != nil:
				return err
			default:
				fmt.Fprintf(a.stderr, "mayfly: the sign-in for %s is forgotten\n", server)
			}
			return nil
		}}
}
