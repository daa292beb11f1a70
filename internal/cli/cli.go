// Package cli is the program mayfly: one file per verb, the rules of speech,
// exit codes.
//
// How it speaks: what was asked for goes to standard output and nothing else
// does; everything for a person goes to standard error; an error is one line
// of fact, then hints of what to do. Exit status 0 is success, 1 a refusal or
// failure, 2 a wrong call, 3 a question that nobody can answer; a program that is
// run in our place gives its own.
package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mayfly.internal/internal/client"
	"mayfly.internal/internal/webclient"
)

// Version is the program's version, set when it is built.
var Version = "0.0.0-dev"

// HintError is an error with hints of what to do about it.
type HintError struct {
	Err   error
	Hints []string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

func hint(err error, hints ...string) error { return &HintError{err, hints} }

// usageError is a wrong call: exit status 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Main runs a command line and gives the exit status.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &output{to: stdout}
	root := newRoot(&input{ctx, stdin}, out, stderr)
	refuseUnknown(root)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if _, verdict := errors.AsType[*statusError](err); out.err != nil && (err == nil || verdict) {
		err = out.err
	}
	return report("mayfly", err, stderr, cmd)
}

// Report writes an error for a person and gives the exit status it means.
func Report(program string, err error, stderr io.Writer) int {
	return report(program, err, stderr, nil)
}

// report is Report for an error of a command, which says more of how it is called.
func report(program string, err error, stderr io.Writer, cmd *cobra.Command) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.status
	}
	fmt.Fprintf(stderr, "%s: error: %s\n", program, shown(err.Error()))
	if h, ok := errors.AsType[*HintError](err); ok {
		for _, text := range h.Hints {
			fmt.Fprintf(stderr, "%s: hint: %s\n", program, shown(text))
		}
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.status
	}
	if _, ok := errors.AsType[*usageError](err); ok || strings.HasPrefix(err.Error(), unknownCommand) {
		called := program
		if cmd != nil {
			called = cmd.CommandPath()
			for _, meant := range likeCommands(cmd, err) {
				fmt.Fprintf(stderr, "%s: hint: is %s %s meant?\n", program, called, meant)
			}
		}
		fmt.Fprintf(stderr, "%s: hint: %s --help says what there is\n", program, called)
		return 2
	}
	return 1
}

// unknownCommand is how cobra's error of a command that is not there begins.
const unknownCommand = "unknown command "

// likeCommands are the commands that are written like one that is not there.
func likeCommands(cmd *cobra.Command, err error) []string {
	rest, ok := strings.CutPrefix(err.Error(), unknownCommand)
	quoted, err := strconv.QuotedPrefix(rest)
	name, err2 := strconv.Unquote(quoted)
	if !ok || err != nil || err2 != nil {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // letters
	return cmd.SuggestionsFor(name)
}

// shown is what an error says, as a terminal shows it and does not obey it, whoever
// named what it is about. Further lines are indented: none looks like one of ours.
func shown(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = webclient.OneLine(lines[i])
	}
	return strings.Join(lines, "\n  ")
}

// app is what every verb needs.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	server, region, caFile, output string

	askAWS  bool   // see awsFlags
	profile string // likewise
}

func newRoot(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := &cobra.Command{Use: "mayfly", Short: "Deploy from CI jobs with no stored secret", Version: Version, SilenceErrors: true, SilenceUsage: true, DisableSuggestions: true, // report has them
		Long: `mayfly is what a job deploys with: it exchanges the job's ID token for a role's
credentials and runs a command with them, at a Mayfly server or, with --aws, at
AWS itself. To people it proves who can reach a role, says why a role lets a token
in or does not, and connects clusters to the server.

A job is known by its ID token. What changes or reads the server's configuration
signs with the credentials in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
AWS_SESSION_TOKEN; on the server's machine, 'mayflyd admin credentials' prints
some.`}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetUsageFunc(usage)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", "", "`URL` of the server (default $MAYFLY_SERVER, $AWS_ENDPOINT_URL_STS, $AWS_ENDPOINT_URL)")
	f.StringVar(&a.region, "region", "", "`REGION` to sign for (default $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1)")
	f.StringVar(&a.caFile, "server-ca-file", "", "PEM `FILE` of the CA that vouches for the server (default $AWS_CA_BUNDLE)")
	f.StringVarP(&a.output, "output", "o", "text", "output `FORMAT`: text or json")
	completeOutput(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		known := knownOutputs(cmd)
		if !slices.Contains(known, a.output) && len(known) == 1 {
			return &usageError{fmt.Errorf("-o %s: this command prints %s alone", a.output, known[0])}
		}
		if !slices.Contains(known, a.output) {
			return &usageError{fmt.Errorf("-o %s: %s are known", a.output, inWords(known))}
		}
		return noneEmpty(cmd)
	}
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"job", "In a job:", []*cobra.Command{newExec(a), newKubeToken(a), newKubeconfig(a), newCredentials(a), newVault(a), newWhoami(a), newDoctor(a)}},
		{"person", "As a person:", []*cobra.Command{newLogin(a), newLogout(a)}},
		{"trust", "Who is trusted:", []*cobra.Command{newProve(a), newWhoCan(a), newCan(a), newDiff(a), newLint(a), newFacts(a), newOnboard(a)}},
		{"server", "The server:", []*cobra.Command{newCluster(a), newAccessPolicy(a), newAudit(a), newDenials(a), newAttack(a)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
		}
		root.AddCommand(g.commands...)
	}
	return root
}

// noneEmpty refuses a flag that is given and holds nothing: in a pipeline that is a
// variable nobody has set, and without it the question would be another one, or the
// cluster. Where the flag's place is a variable's by default, that holds.
func noneEmpty(cmd *cobra.Command) (err error) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if f.Changed && (len(values) == 0 || slices.Contains(values, "")) && !strings.Contains(f.Usage, "(default $") {
			err = hint(&usageError{fmt.Errorf("--%s is empty", f.Name)}, "is the variable set that it is given?")
		}
	})
	return err
}

// outputFormats is the annotation of a command that has other output formats than
// text and json.
const outputFormats = "output-formats"

func outputs(formats ...string) map[string]string {
	return map[string]string{outputFormats: strings.Join(formats, " ")}
}

func knownOutputs(cmd *cobra.Command) []string {
	return strings.Fields(firstOf(cmd.Annotations[outputFormats], "text json"))
}

// inWords is a list as a person says it: text, json and sarif.
func inWords(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " and " + list[last]
}

// maxFile bounds a file that a person names; the largest are the facts of many
// projects.
const maxFile = 64 << 20

// readFile reads a file of a person's, of at most so many bytes; - is standard
// input.
func (a *app) readFile(path string, most int64) ([]byte, error) {
	if path == "-" {
		return readAll(a.stdin, path, most)
	}
	return readNamed(path, most)
}

// readNamed reads a file of at most so many bytes, whatever its name.
func readNamed(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, path, most)
}

func readAll(in io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return data, err
}

// exactArgs is cobra.ExactArgs with our exit status and the argument's name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return &usageError{fmt.Errorf("%s is missing", names[len(args)])}
		}
		if len(args) > 0 && cmd.HasSubCommands() {
			return &usageError{fmt.Errorf(unknownCommand+"%q for %q", args[0], cmd.CommandPath())}
		}
		if len(args) > len(names) {
			return &usageError{fmt.Errorf("unexpected argument %q", args[len(names)])}
		}
		return nil
	}
}

// atLeastArgs wants an argument, which may be followed by others.
func atLeastArgs(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] == "" {
			return &usageError{fmt.Errorf("%s is missing", name)}
		}
		return nil
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// serverURL is the server that is meant.
func (a *app) serverURL() (string, error) {
	server := firstOf(a.server, os.Getenv("MAYFLY_SERVER"), os.Getenv("AWS_ENDPOINT_URL_STS"), os.Getenv("AWS_ENDPOINT_URL"))
	if server == "" {
		return "", hint(&usageError{errors.New("no server is named")}, "name it with --server URL or MAYFLY_SERVER", "on the server's machine: eval \"$(mayflyd admin credentials)\"")
	}
	return server, nil
}

func (a *app) signingRegion() string {
	return firstOf(a.region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
}

func (a *app) serverCAFile() string { return firstOf(a.caFile, os.Getenv("AWS_CA_BUNDLE")) }

// client is the client for the server that is meant.
func (a *app) client() (*client.Client, error) {
	server, err := a.serverURL()
	if err != nil {
		return nil, err
	}
	signing, err := environmentCredentials(context.Background()) // a child of mayfly exec asks it on loopback
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Endpoint: server, Region: a.signingRegion(), CAFile: a.serverCAFile(), Credentials: signing.Credentials, UserAgent: "mayfly/" + Version})
	if err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

// explain adds what to do to an error of the server.
func explain(err error) error {
	e, ok := errors.AsType[*client.Error](err)
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return hint(err, "name the CA that vouches for the server with --server-ca-file or AWS_CA_BUNDLE; on the server's machine it is DATA/ca.pem")
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return hint(err, "is mayflyd running there? --server and MAYFLY_SERVER name the server")
	}
	if !ok {
		return explainReach(err)
	}
	switch {
	case e.Code == "MissingAuthenticationToken", e.Code == "MissingAuthenticationTokenException":
		return hint(err, "there are no credentials in AWS_ACCESS_KEY_ID; of a Mayfly server, on its machine: eval \"$(mayflyd admin credentials)\"")
	case e.Code == "ExpiredToken", e.Code == "InvalidClientTokenId", e.Code == "ExpiredTokenException", e.Code == "UnrecognizedClientException":
		return hint(err, "get new credentials; of a Mayfly server, on its machine: eval \"$(mayflyd admin credentials)\"")
	case e.Status == http.StatusForbidden && (e.Code == "AccessDenied" || e.Code == "AccessDeniedException"):
		return denied(err, e)
	case e.Code == "AccessPolicyInUse":
		return hint(err, "aws eks list-access-entries --cluster-name CLUSTER --associated-policy-arn ARN names them; aws eks disassociate-access-policy takes it from one")
	}
	return err
}

// explainReach adds what to do about a server that cannot be reached.
func explainReach(err error) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return hint(err, "the name is not known here: is it right, and does the runner's network know it?")
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return hint(err, "nobody answers: is the way from this runner open?")
	}
	return err
}

// denied is a refusal by policies: the sentence first, what only some may decode
// last.
func denied(err error, e *client.Error) error {
	const why = "the role's permission policy must allow the action named"
	sentence, encoded, found := strings.Cut(e.Message, ". Encoded authorization failure message: ")
	if !found || err != error(e) {
		return hint(err, why)
	}
	short := *e
	short.Message = sentence
	return hint(&short, why, "more of why, for a role that may: aws sts decode-authorization-message --encoded-message "+encoded)
}

func (a *app) json(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
